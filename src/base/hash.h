/* hash.h - SHA-256 and SHA-1 (FIPS 180-4): names for what caches keep, and sums of test data. */
#ifndef WC_BASE_HASH_H
#define WC_BASE_HASH_H
#include <stddef.h>
#include <stdint.h>

typedef struct wc_sha256 {
    uint32_t h[8];
    uint64_t n_bytes;
    uint8_t block[64]; /* the last n_bytes % 64 bytes, not yet counted in h */
} wc_sha256;

void wc_sha256_init(wc_sha256 *s);
void wc_sha256_add(wc_sha256 *s, const void *bytes, size_t n);
/* The digest of all that was added; s must be initialised again before further use. */
void wc_sha256_end(wc_sha256 *s, uint8_t digest[32]);
/* 64 small hexadecimal digits and a NUL. */
void wc_sha256_hex(const uint8_t digest[32], char hex[65]);

/* SHA-1, by which git names contents.  Two texts of one sum can be made: it tells damage, not forgery. */
typedef struct wc_sha1 {
    uint32_t h[5];
    uint64_t n_bytes;
    uint8_t block[64];
} wc_sha1;

void wc_sha1_init(wc_sha1 *s);
void wc_sha1_add(wc_sha1 *s, const void *bytes, size_t n);
void wc_sha1_end(wc_sha1 *s, uint8_t digest[20]);
void wc_sha1_hex(const uint8_t digest[20], char hex[41]);
#endif
