/* unigram.h - the unigram language model (Kudo 2018): the most probable cut of a word into tokens. */
#ifndef WC_TEXT_UNIGRAM_H
#define WC_TEXT_UNIGRAM_H
#include "base/error.h"
#include "text/automaton.h"
#include "text/ids.h"
#include "text/spans.h"
#include "text/vocab.h"

typedef struct wc_unigram {
    const wc_vocab *vocab;
    const double *scores; /* [vocab->n_ids] log-probabilities */
    bool byte_fallback;
    int32_t unk_id; /* -1: none; unknown characters are an error */
    /* private */
    wc_automaton tokens;
    double unk_score;
    int32_t byte_ids[256];
} wc_unigram;

/* scores [vocab->n_ids] stay the caller's.  Release also after a failure. */
bool wc_unigram_init(wc_unigram *u, const wc_vocab *vocab, const double *scores, wc_error *err);
void wc_unigram_release(wc_unigram *u);

/* One thread's memory; {0} is a valid empty one. */
typedef struct wc_unigram_scratch {
    struct wc_unigram_node *nodes;
    size_t room;
} wc_unigram_scratch;
void wc_unigram_scratch_release(wc_unigram_scratch *z);

/* Appends the tokens of word s [n], valid UTF-8, and to spans (or NULL) the bytes of the word that each stands for. */
bool wc_unigram_encode(const wc_unigram *u, wc_unigram_scratch *z, const char *s, size_t n, wc_ids *out,
                       wc_spans *spans, wc_error *err);
#endif
