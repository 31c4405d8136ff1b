/* normalize.h - the normalizers of tokenizer.json, flattened into a list of simple steps. */
#ifndef WC_TEXT_NORMALIZE_H
#define WC_TEXT_NORMALIZE_H
#include "base/buf.h"
#include "text/charsmap.h"
#include "text/pattern.h"
#include "text/read.h"
#include "text/trace.h"
#include "text/unicode.h"

enum wc_normalize_kind {
    WC_NORM_FORM,          /* form */
    WC_NORM_LOWERCASE,     /* character by character: a final sigma stays σ */
    WC_NORM_STRIP,         /* white space at the ends */
    WC_NORM_STRIP_ACCENTS, /* all marks */
    WC_NORM_PREPEND,       /* text, unless the piece is empty */
    WC_NORM_APPEND,
    WC_NORM_NMT,
    WC_NORM_BYTE_LEVEL,
    WC_NORM_REPLACE, /* pattern by text */
    WC_NORM_PRECOMPILED,
    WC_NORM_BERT_CLEAN,
    WC_NORM_BERT_CHINESE,
    WC_NORM_BERT_ACCENTS /* marks without width of their own */
};

typedef struct wc_normalize_step {
    enum wc_normalize_kind kind;
    enum wc_normal_form form;
    bool left, right;
    const char *text; /* [n] */
    size_t n;
    wc_pattern *pattern;
    wc_charsmap charsmap;
} wc_normalize_step;

typedef struct wc_normalizer {
    wc_normalize_step steps[5 * WC_MAX_STAGES]; /* a BertNormalizer is up to five */
    size_t n_steps;
    const char *file; /* for messages; the reader's */
} wc_normalizer;

/* Reads the part; null: no steps.  Release also after a failure. */
bool wc_normalizer_read(wc_normalizer *z, const wc_reader *r, const wc_json *part);
void wc_normalizer_release(wc_normalizer *z);

/* Normalizes s [n]: the result is in *out [*n_out], which points to s or into one of the two buffers, whose maxima bound
 * how far a text may grow.  trace (or NULL): from its bytes to those of s. */
bool wc_normalizer_run(const wc_normalizer *z, wc_matcher *m, const char *s, size_t n, wc_buf buffers[2],
                       wc_trace *trace, const char **out, size_t *n_out, wc_error *err);

/* The character that stands for a byte in byte-level vocabularies, and back (-1: none). */
uint32_t wc_byte_level_char(unsigned char byte);
int wc_byte_level_byte(uint32_t c);
/* Appends the characters that stand for bytes [start, end) of s. */
void wc_byte_level_map(const char *s, size_t start, size_t end, const wc_made *out);
#endif
