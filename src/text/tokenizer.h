/* tokenizer.h - text to token ids and back, as the tokenizers library does it with the same tokenizer.json.
 *
 * A tokenizer is a pipeline: added tokens are cut out of the text, what lies between them is normalized, pre-tokenized
 * into words, and each word goes through the model (BPE, Unigram, WordPiece or WordLevel); a template puts special
 * tokens around the result.  A tokenizer is read-only once made and may be used by many threads. */
#ifndef WC_TEXT_TOKENIZER_H
#define WC_TEXT_TOKENIZER_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/json.h"
#include "text/ids.h"
#include "text/spans.h"

typedef struct wc_tokenizer wc_tokenizer;

/* From the tree of a tokenizer.json and that of a tokenizer_config.json (or NULL), whose special tokens are taken; both
 * may go away afterwards.  file: the name for messages.  NULL on failure; free with wc_tokenizer_free. */
wc_tokenizer *wc_tokenizer_from_json(const wc_json *tokenizer_json, const wc_json *tokenizer_config,
                                     const char *file, wc_error *err);
/* The same from the bytes of a tokenizer.model (SentencePiece, BPE or Unigram), as transformers converts it; the config also
 * tells whether BOS and EOS are added (add_bos_token, add_eos_token), how spaces are put in front (legacy), and names
 * added tokens (added_tokens_decoder). */
wc_tokenizer *wc_tokenizer_from_sentencepiece(const void *data, size_t n, const wc_json *tokenizer_config,
                                              const char *file, wc_error *err);
/* The same from the metadata of a GGUF file, {"tokenizer.ggml.model": ...}. */
wc_tokenizer *wc_tokenizer_from_gguf(const wc_json *metadata, const char *file, wc_error *err);
void wc_tokenizer_free(wc_tokenizer *t); /* NULL is fine */

enum wc_encode_flags {
    WC_ENCODE_SPECIAL = 1, /* add the special tokens of the template: BOS and the like */
    WC_ENCODE_PLAIN = 2    /* special tokens that are spelled in the text are text */
};

/* Appends the ids of text [n], which may hold NULs; what is not valid UTF-8 becomes U+FFFD first, one for each maximal
 * subpart.  Time is O(n log n) for any text.  After a failure out holds nothing meaningful. */
bool wc_tokenizer_encode(const wc_tokenizer *t, const char *text, size_t n, unsigned flags, wc_ids *out,
                         wc_error *err);
/* The same for two texts, and appends the type id of each token to types. */
bool wc_tokenizer_encode_pair(const wc_tokenizer *t, const char *a, size_t n_a, const char *b, size_t n_b,
                              unsigned flags, wc_ids *out, wc_ids *types, wc_error *err);

/* How a text that is too long, or a pair, is cut to windows: what the tokenizers library calls truncation, and all but the first
 * window overflowing. */
typedef struct wc_cut {
    size_t max; /* ids of a window, special ones included; 0: no bound, and nothing else counts */
    enum wc_cut_what {
        WC_CUT_LONGEST, /* the longer text first, then both to halves */
        WC_CUT_FIRST,   /* only the first text; WC_REFUSED where that is not enough */
        WC_CUT_SECOND
    } what;
    bool left;     /* windows begin at the text's end, and what goes is its beginning */
    size_t stride; /* ids that a window of a text shares with the next one */
    size_t
        window; /* the one that is wanted; of a pair every window of the one text stands beside every one of the other */
} wc_cut;

/* Cuts to at most max ids on the side that the model's files name (truncation_side). */
wc_cut wc_tokenizer_cut(const wc_tokenizer *t, size_t max);

/* What becomes of a text or a pair: lists of one length that are appended to; all but ids may be NULL. */
typedef struct wc_tokenized {
    wc_ids *ids, *types;
    wc_ids *parts; /* 0: of the first text, 1: of the second, -1: put around them */
    wc_spans *
        spans; /* bytes of that text (with U+FFFD in it where it was not valid), {0, 0} of what is put around */
    size_t
        n_windows; /* out: more than one where something was cut; past the last one all lists stay as they are */
} wc_tokenized;

/* The same with all that, b NULL for one text, cut (or NULL) to one of its windows.  WC_REFUSED where max leaves no room beside
 * the special tokens, or the stride none to go on. */
bool wc_tokenizer_encode_to(const wc_tokenizer *t, const char *a, size_t n_a, const char *b, size_t n_b,
                            unsigned flags, const wc_cut *cut, wc_tokenized *out, wc_error *err);

/* Appends the text of ids [n] to out; ids that are not in the vocabulary give nothing. */
bool wc_tokenizer_decode(const wc_tokenizer *t, const int32_t *ids, size_t n, bool skip_special, wc_buf *out,
                         wc_error *err);

/* Decoding token by token, in constant memory.  What is appended to out is complete valid UTF-8 at any time; at most 3
 * bytes of a character wait for the rest of it.  The pieces together are what wc_tokenizer_decode gives, except where
 * byte tokens that are not UTF-8 follow some that are: the library then takes these back, which a stream cannot. */
typedef struct wc_detok {
    const wc_tokenizer *tokenizer;
    bool skip_special;
    /* private */
    bool begun;                           /* a token has been seen */
    bool whole;                           /* byte runs are judged as a whole: for wc_tokenizer_decode */
    bool in_run, run_emitted, run_broken; /* of <0x0A> tokens */
    uint64_t begun_steps;                 /* bit k: step k of the decoder has seen its first token */
    int32_t held;                         /* a token that waits for the next one, or -1 */
    int32_t last;                         /* the token before, for CTC */
    size_t cut;                           /* characters that Strip has cut from the front */
    bool cutting;                         /* and whether it goes on */
    char pending[4], run_pending[4];
    size_t n_pending, n_run_pending;
    wc_buf scratch[5], run;
} wc_detok;

void wc_detok_init(wc_detok *d, const wc_tokenizer *t, bool skip_special);
void wc_detok_release(wc_detok *d);
void wc_detok_reset(wc_detok *d); /* for another text */
/* Appends what id completes; often nothing. */
bool wc_detok_push(wc_detok *d, int32_t id, wc_buf *out, wc_error *err);
/* Appends what is still pending; the text is over. */
bool wc_detok_flush(wc_detok *d, wc_buf *out, wc_error *err);

/* Largest id + 1. */
size_t wc_tokenizer_vocab_size(const wc_tokenizer *t);
/* The id of a token as the files spell it (the vocabulary's, then added tokens), -1 when there is none. */
int32_t wc_tokenizer_find(const wc_tokenizer *t, const char *token, size_t n);
/* The token of an id as the files spell it, *n bytes, not NUL-terminated, valid as long as t; NULL: no such id. */
const char *wc_tokenizer_token(const wc_tokenizer *t, int32_t id, size_t *n);
/* Is dropped by skip_special. */
bool wc_tokenizer_is_special(const wc_tokenizer *t, int32_t id);
/* The id and the text of a special token by the name that tokenizer_config.json gives it: "bos_token", "eos_token",
 * "pad_token", "image_token" ...; -1 and NULL when there is none. */
int32_t wc_tokenizer_special_id(const wc_tokenizer *t, const char *name);
const char *wc_tokenizer_special_token(const wc_tokenizer *t, const char *name);
/* All of them as a JSON object, name -> string (or list of strings), for chat templates. */
void wc_tokenizer_special_tokens(const wc_tokenizer *t, wc_buf *out);
#endif
