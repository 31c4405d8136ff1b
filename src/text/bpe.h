/* bpe.h - byte pair encoding (Sennrich et al. 2016) as the tokenizers library does it. */
#ifndef WC_TEXT_BPE_H
#define WC_TEXT_BPE_H
#include "base/error.h"
#include "text/ids.h"
#include "text/spans.h"
#include "text/vocab.h"

enum { WC_BPE_MAX_AFFIX = 64 };

typedef struct wc_bpe {
    const wc_vocab *vocab;
    bool fuse_unk, byte_fallback, ignore_merges;
    int32_t unk_id;     /* -1: unknown characters are dropped */
    const char *prefix; /* [n_prefix <= WC_BPE_MAX_AFFIX] of every part of a word but the first, "##" */
    const char *suffix; /* [n_suffix <= WC_BPE_MAX_AFFIX] of the last part of a word, "</w>" */
    size_t n_prefix, n_suffix;
    /* private */
    const double *
        scores; /* [n_ids] in place of merges: any two tokens merge whose concatenation is one, the best score first */
    struct wc_bpe_merge {
        int32_t left, right, id;
    } * merges; /* [n_merges]; the index is the rank */
    struct wc_bpe_slot {
        uint32_t tag;   /* upper half of the hash */
        uint32_t index; /* of the merge, plus 1; 0: free */
    } * slots;          /* [mask + 1] hashed by the pair */
    size_t n_merges, mask;
    uint64_t seed;
    int32_t
        *char_ids; /* [n_char_ids] token of a one-character string, -1: none; those beyond are looked up */
    size_t n_char_ids;
    int32_t byte_ids[256]; /* <0x00> to <0xFF>, -1: none */
    bool all_bytes;        /* none is missing */
    size_t longest;        /* bytes of the longest token */
    unsigned char *notes;  /* [n_ids] enum note, see bpe.c */
    bool may_cut;          /* before a \u2581, */
    bool joins[256];       /* unless the byte before it is followed by one in some token */
} wc_bpe;

/* Fills the tables; the public fields are set by the caller, here or later.  Room for n_merges in the arena. */
bool wc_bpe_init(wc_bpe *b, wc_arena *a, const wc_vocab *vocab, size_t n_merges);
/* The same for the pieces of a SentencePiece model, finite scores [vocab->n_ids] that stay with the
 * caller; a token has at most 65535 characters.  No merges are added. */
bool wc_bpe_init_scores(wc_bpe *b, wc_arena *a, const wc_vocab *vocab, const double *scores, int32_t unk_id);
/* The next merge in order of rank.  A pair that was there already takes the later rank. */
void wc_bpe_add_merge(wc_bpe *b, int32_t left, int32_t right, int32_t id);
/* A hint that the merge of a pair will be added soon. */
void wc_bpe_prefetch(const wc_bpe *b, int32_t left, int32_t right);

/* One thread's memory for wc_bpe_encode with one vocabulary; {0} is a valid empty one. */
typedef struct wc_bpe_scratch {
    wc_ids ids;
    bool measure; /* then bytes [ids.size] says how many bytes of the word each symbol stands for */
    wc_ids bytes;
    struct wc_bpe_symbol *symbols;
    struct wc_bpe_entry *heap;
    char *joined; /* [longest], for scores */
    size_t symbols_room, n_heap, heap_room;
} wc_bpe_scratch;
void wc_bpe_scratch_release(wc_bpe_scratch *z);

/* Appends the tokens of word s [n], valid UTF-8, and to spans (or NULL) the bytes of the word that each stands for;
 * O(n log n). */
bool wc_bpe_encode(const wc_bpe *b, wc_bpe_scratch *z, const char *s, size_t n, wc_ids *out, wc_spans *spans,
                   wc_error *err);
#endif
