/* hash.c - SHA-256 and SHA-1 as FIPS 180-4 describes them, one block of 64 bytes after the other.  They differ in what is
 * done with a block; how bytes are gathered into blocks, and the padding, are the same. */
#include "base/hash.h"

#include <string.h>

static const uint32_t K[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

static uint32_t rotr(uint32_t x, int n)
{
    return x >> n | x << (32 - n);
}

/* One round; instead of moving the eight words on by one place, each round names them from another place. */
static inline void sha_round(uint32_t v[8], int t, uint32_t k_plus_w)
{
    const uint32_t a = v[-t & 7], b = v[(1 - t) & 7], c = v[(2 - t) & 7];
    const uint32_t e = v[(4 - t) & 7], f = v[(5 - t) & 7], g = v[(6 - t) & 7];
    const uint32_t t1 = v[(7 - t) & 7] + (rotr(e, 6) ^ rotr(e, 11) ^ rotr(e, 25)) + ((e & f) ^ (~e & g)) +
                        k_plus_w;
    v[(3 - t) & 7] += t1;
    v[(7 - t) & 7] = t1 + (rotr(a, 2) ^ rotr(a, 13) ^ rotr(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
}

static void sha256_block(uint32_t h[8], const uint8_t *p)
{
    uint32_t w[64], v[8];
    for (int t = 0; t < 16; t++)
        w[t] = (uint32_t)p[4 * t] << 24 | (uint32_t)p[4 * t + 1] << 16 | (uint32_t)p[4 * t + 2] << 8 |
               p[4 * t + 3];
    for (int t = 16; t < 64; t++) {
        uint32_t s0 = rotr(w[t - 15], 7) ^ rotr(w[t - 15], 18) ^ w[t - 15] >> 3;
        uint32_t s1 = rotr(w[t - 2], 17) ^ rotr(w[t - 2], 19) ^ w[t - 2] >> 10;
        w[t] = w[t - 16] + s0 + w[t - 7] + s1;
    }
    memcpy(v, h, sizeof v);
    for (int t = 0; t < 64; t += 8) {
        sha_round(v, 0, K[t] + w[t]);
        sha_round(v, 1, K[t + 1] + w[t + 1]);
        sha_round(v, 2, K[t + 2] + w[t + 2]);
        sha_round(v, 3, K[t + 3] + w[t + 3]);
        sha_round(v, 4, K[t + 4] + w[t + 4]);
        sha_round(v, 5, K[t + 5] + w[t + 5]);
        sha_round(v, 6, K[t + 6] + w[t + 6]);
        sha_round(v, 7, K[t + 7] + w[t + 7]);
    }
    for (int i = 0; i < 8; i++)
        h[i] += v[i];
}

static uint32_t rotl(uint32_t x, int n)
{
    return x << n | x >> (32 - n);
}

static void sha1_block(uint32_t h[5], const uint8_t *p)
{
    static const uint32_t k[4] = {0x5a827999, 0x6ed9eba1, 0x8f1bbcdc, 0xca62c1d6};
    uint32_t w[80], a = h[0], b = h[1], c = h[2], d = h[3], e = h[4];
    for (int t = 0; t < 16; t++)
        w[t] = (uint32_t)p[4 * t] << 24 | (uint32_t)p[4 * t + 1] << 16 | (uint32_t)p[4 * t + 2] << 8 |
               p[4 * t + 3];
    for (int t = 16; t < 80; t++)
        w[t] = rotl(w[t - 3] ^ w[t - 8] ^ w[t - 14] ^ w[t - 16], 1);
    for (int t = 0; t < 80; t++) {
        const uint32_t f = t < 20              ? (b & c) ^ (~b & d)
                           : t >= 40 && t < 60 ? (b & c) ^ (b & d) ^ (c & d)
                                               : b ^ c ^ d;
        const uint32_t next = rotl(a, 5) + f + e + k[t / 20] + w[t];
        e = d;
        d = c;
        c = rotl(b, 30);
        b = a;
        a = next;
    }
    h[0] += a;
    h[1] += b;
    h[2] += c;
    h[3] += d;
    h[4] += e;
}

/* ---- bytes into blocks ---- */

typedef void (*block_fn)(uint32_t *h, const uint8_t *block);

static void add_bytes(block_fn add_block, uint32_t *h, uint8_t block[64], uint64_t *n_bytes,
                      const void *bytes, size_t n)
{
    const uint8_t *p = bytes;
    size_t used = *n_bytes % 64;
    if (n == 0)
        return;
    *n_bytes += n;
    if (used > 0) {
        size_t some = n < 64 - used ? n : 64 - used;
        memcpy(block + used, p, some);
        if (used + some < 64)
            return;
        add_block(h, block);
        p += some;
        n -= some;
    }
    for (; n >= 64; p += 64, n -= 64)
        add_block(h, p);
    memcpy(block, p, n);
}

/* A one bit, zeros, and the number of bits in the last 8 bytes of a block; then the words of h as digest [n]. */
static void end_bytes(block_fn add_block, uint32_t *h, uint8_t block[64], uint64_t n_bytes, uint8_t *digest,
                      int n)
{
    uint64_t bits = n_bytes * 8;
    size_t used = n_bytes % 64;
    block[used++] = 0x80;
    if (used > 56) {
        memset(block + used, 0, 64 - used);
        add_block(h, block);
        used = 0;
    }
    memset(block + used, 0, 56 - used);
    for (int i = 0; i < 8; i++)
        block[56 + i] = (uint8_t)(bits >> (56 - 8 * i));
    add_block(h, block);
    for (int i = 0; i < n; i++)
        digest[i] = (uint8_t)(h[i / 4] >> (24 - 8 * (i % 4)));
}

static void write_hex(const uint8_t *digest, int n, char *hex)
{
    for (int i = 0; i < n; i++) {
        hex[2 * i] = "0123456789abcdef"[digest[i] >> 4];
        hex[2 * i + 1] = "0123456789abcdef"[digest[i] & 15];
    }
    hex[2 * n] = '\0';
}

void wc_sha256_init(wc_sha256 *s)
{
    static const uint32_t h0[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                   0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    memcpy(s->h, h0, sizeof h0);
    s->n_bytes = 0;
}

void wc_sha256_add(wc_sha256 *s, const void *bytes, size_t n)
{
    add_bytes(sha256_block, s->h, s->block, &s->n_bytes, bytes, n);
}

void wc_sha256_end(wc_sha256 *s, uint8_t digest[32])
{
    end_bytes(sha256_block, s->h, s->block, s->n_bytes, digest, 32);
}

void wc_sha256_hex(const uint8_t digest[32], char hex[65])
{
    write_hex(digest, 32, hex);
}

void wc_sha1_init(wc_sha1 *s)
{
    static const uint32_t h0[5] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
    memcpy(s->h, h0, sizeof h0);
    s->n_bytes = 0;
}

void wc_sha1_add(wc_sha1 *s, const void *bytes, size_t n)
{
    add_bytes(sha1_block, s->h, s->block, &s->n_bytes, bytes, n);
}

void wc_sha1_end(wc_sha1 *s, uint8_t digest[20])
{
    end_bytes(sha1_block, s->h, s->block, s->n_bytes, digest, 20);
}

void wc_sha1_hex(const uint8_t digest[20], char hex[41])
{
    write_hex(digest, 20, hex);
}
