/* vocab.h - tokens and their ids: a string pool and an open-addressing hash table.
 *
 * Ids need not be dense nor come in order.  Nothing is allocated per token.  The hash is keyed with a random seed, so
 * that no file can be made to collide; results never depend on it. */
#ifndef WC_TEXT_VOCAB_H
#define WC_TEXT_VOCAB_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"

enum { WC_VOCAB_MAX_IDS = 1 << 22 };

typedef struct wc_vocab {
    size_t n_ids; /* largest id + 1 */
    size_t count; /* tokens; less than n_ids where ids have holes */
    /* private */
    char *pool;
    size_t pool_used, pool_bytes, room_ids;
    struct wc_vocab_token {
        uint32_t offset; /* into pool, plus 1; 0: no such id */
        uint32_t bytes;
    } * tokens; /* [room_ids] */
    struct wc_vocab_slot {
        uint32_t tag; /* upper half of the hash */
        int32_t id;   /* -1: free */
    } * slots;        /* [mask + 1] */
    size_t mask;
    uint64_t seed;
} wc_vocab;

enum wc_vocab_result { WC_VOCAB_ADDED, WC_VOCAB_TOKEN_TWICE, WC_VOCAB_ID_TWICE };

/* Room in the arena for n_tokens of n_bytes together with ids below n_ids (at most WC_VOCAB_MAX_IDS). */
bool wc_vocab_init(wc_vocab *v, wc_arena *a, size_t n_tokens, size_t n_bytes, size_t n_ids);
/* Adds one of the tokens announced to wc_vocab_init; what is there already stays. */
enum wc_vocab_result wc_vocab_add(wc_vocab *v, const char *s, size_t n, int32_t id);
/* The id of token s [n], or -1. */
int32_t wc_vocab_find(const wc_vocab *v, const char *s, size_t n);
/* The token of an id, *n bytes, not NUL-terminated, valid as long as the arena; NULL when there is none. */
const char *wc_vocab_token(const wc_vocab *v, int32_t id, size_t *n);
/* The ids of <0x00> to <0xFF> in out [256], -1 where there is none. */
void wc_vocab_byte_ids(const wc_vocab *v, int32_t *out);

/* Lookups in bulk: the hash of a token, hints that bring first its slot, then its place and then its text into the
 * cache, and the lookup. */
uint64_t wc_vocab_hash(const wc_vocab *v, const char *s, size_t n);
enum wc_vocab_stage { WC_VOCAB_SLOT, WC_VOCAB_PLACE, WC_VOCAB_TEXT };
void wc_vocab_prefetch(const wc_vocab *v, uint64_t hash, enum wc_vocab_stage stage);
int32_t wc_vocab_find_hashed(const wc_vocab *v, uint64_t hash, const char *s, size_t n);
/* The token of an id is s [n]. */
bool wc_vocab_is(const wc_vocab *v, int32_t id, const char *s, size_t n);
#endif
