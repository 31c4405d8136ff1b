/* vocab.c - see vocab.h.  Linear probing at a load of at most one half; a slot keeps 32 bits of the hash, so that a
 * string is compared only when it is almost surely the right one. */
#include "text/vocab.h"

#include <stdio.h>
#include <string.h>

#include "base/os.h"
#include "base/size.h"

static uint64_t mix(uint64_t a, uint64_t b)
{
    unsigned __int128 product = (unsigned __int128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* A multiply-and-fold hash of 8 bytes a step, keyed by seed. */
static uint64_t hash(uint64_t seed, const char *s, size_t n)
{
    uint64_t h = seed ^ n, word;
    for (; n >= 8; s += 8, n -= 8) {
        memcpy(&word, s, 8);
        h = mix(h ^ word, 0x9e3779b97f4a7c15 ^ seed);
    }
    word = 0;
    memcpy(&word, s, n);
    return mix(mix(h ^ word, 0xd6e8feb86659fd93 ^ seed), 0xa0761d6478bd642f);
}

bool wc_vocab_init(wc_vocab *v, wc_arena *a, size_t n_tokens, size_t n_bytes, size_t n_ids)
{
    size_t slots = 16;
    *v = (wc_vocab){.pool_bytes = n_bytes, .room_ids = n_ids, .seed = wc_random_seed()};
    if (n_tokens > WC_VOCAB_MAX_IDS || n_ids > WC_VOCAB_MAX_IDS || n_bytes >= UINT32_MAX)
        return false;
    while (slots < 2 * n_tokens)
        slots *= 2;
    v->mask = slots - 1;
    v->pool = wc_arena_alloc(a, n_bytes);
    v->tokens = wc_arena_zalloc(a, n_ids, sizeof *v->tokens);
    v->slots = wc_arena_alloc(a, slots * sizeof *v->slots);
    if (!v->pool || !v->tokens || !v->slots)
        return false;
    memset(v->slots, 0xff, slots * sizeof *v->slots);
    return true;
}

uint64_t wc_vocab_hash(const wc_vocab *v, const char *s, size_t n)
{
    return hash(v->seed, s, n);
}

/* The slot of s with hash h, or the free one where it would go. */
static struct wc_vocab_slot *find_slot(const wc_vocab *v, uint64_t h, const char *s, size_t n)
{
    uint32_t tag = (uint32_t)(h >> 32);
    for (size_t i = h & v->mask;; i = (i + 1) & v->mask) {
        struct wc_vocab_slot *slot = &v->slots[i];
        if (slot->id < 0)
            return slot;
        if (slot->tag != tag)
            continue;
        const struct wc_vocab_token *token = &v->tokens[slot->id];
        if (token->bytes == n && memcmp(v->pool + token->offset - 1, s, n) == 0)
            return slot;
    }
}

enum wc_vocab_result wc_vocab_add(wc_vocab *v, const char *s, size_t n, int32_t id)
{
    uint64_t h = hash(v->seed, s, n);
    struct wc_vocab_slot *slot = find_slot(v, h, s, n);
    if (slot->id >= 0)
        return WC_VOCAB_TOKEN_TWICE;
    struct wc_vocab_token *token = &v->tokens[id];
    if (token->offset != 0)
        return WC_VOCAB_ID_TWICE;
    memcpy(v->pool + v->pool_used, s, n);
    *token = (struct wc_vocab_token){(uint32_t)v->pool_used + 1, (uint32_t)n};
    *slot = (struct wc_vocab_slot){(uint32_t)(h >> 32), id};
    v->pool_used += n;
    v->count++;
    v->n_ids = wc_max_size(v->n_ids, (size_t)id + 1);
    return WC_VOCAB_ADDED;
}

int32_t wc_vocab_find(const wc_vocab *v, const char *s, size_t n)
{
    return v->slots ? find_slot(v, hash(v->seed, s, n), s, n)->id : -1;
}

int32_t wc_vocab_find_hashed(const wc_vocab *v, uint64_t h, const char *s, size_t n)
{
    return find_slot(v, h, s, n)->id;
}

void wc_vocab_prefetch(const wc_vocab *v, uint64_t h, enum wc_vocab_stage stage)
{
    const struct wc_vocab_slot *slot = &v->slots[h & v->mask];
    if (stage == WC_VOCAB_SLOT)
        __builtin_prefetch(slot);
    else if (slot->id >= 0 && stage == WC_VOCAB_PLACE)
        __builtin_prefetch(&v->tokens[slot->id]);
    else if (slot->id >= 0 && slot->tag == (uint32_t)(h >> 32))
        __builtin_prefetch(v->pool + v->tokens[slot->id].offset - 1);
}

bool wc_vocab_is(const wc_vocab *v, int32_t id, const char *s, size_t n)
{
    size_t bytes;
    const char *token = wc_vocab_token(v, id, &bytes);
    return token && bytes == n && memcmp(token, s, n) == 0;
}

const char *wc_vocab_token(const wc_vocab *v, int32_t id, size_t *n)
{
    if (id < 0 || (size_t)id >= v->n_ids || v->tokens[id].offset == 0)
        return NULL;
    *n = v->tokens[id].bytes;
    return v->pool + v->tokens[id].offset - 1;
}

void wc_vocab_byte_ids(const wc_vocab *v, int32_t *out)
{
    for (int byte = 0; byte < 256; byte++) {
        char text[8];
        snprintf(text, sizeof text, "<0x%02X>", byte);
        out[byte] = wc_vocab_find(v, text, 6);
    }
}
