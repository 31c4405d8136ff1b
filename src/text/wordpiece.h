/* wordpiece.h - WordPiece: the longest token first, from the left; a word that cannot be covered is one unknown token. */
#ifndef WC_TEXT_WORDPIECE_H
#define WC_TEXT_WORDPIECE_H
#include "base/error.h"
#include "text/automaton.h"
#include "text/ids.h"
#include "text/spans.h"
#include "text/vocab.h"

typedef struct wc_wordpiece {
    const wc_vocab *vocab;
    int32_t unk_id;
    size_t max_chars; /* a longer word is unknown */
    size_t n_prefix;  /* bytes of the prefix, "##" */
    /* private; both reversed: fed a word backwards they tell what begins at each place */
    wc_automaton first; /* all tokens */
    wc_automaton later; /* those with the prefix, without it */
} wc_wordpiece;

/* unk_id and max_chars are set by the caller.  Release also after a failure. */
bool wc_wordpiece_init(wc_wordpiece *w, const wc_vocab *vocab, const char *prefix, size_t n_prefix,
                       wc_error *err);
void wc_wordpiece_release(wc_wordpiece *w);

/* One thread's memory; {0} is a valid empty one. */
typedef struct wc_wordpiece_scratch {
    int32_t *longest;
    size_t room;
} wc_wordpiece_scratch;
void wc_wordpiece_scratch_release(wc_wordpiece_scratch *z);

/* Appends the tokens of word s [n], valid UTF-8, and to spans (or NULL) the bytes of the word that each stands for; linear
 * time. */
bool wc_wordpiece_encode(const wc_wordpiece *w, wc_wordpiece_scratch *z, const char *s, size_t n, wc_ids *out,
                         wc_spans *spans, wc_error *err);
#endif
