/* pretokenize.h - the pre-tokenizers of tokenizer.json, flattened into steps that cut pieces or rewrite them. */
#ifndef WC_TEXT_PRETOKENIZE_H
#define WC_TEXT_PRETOKENIZE_H
#include "base/buf.h"
#include "text/pattern.h"
#include "text/read.h"
#include "text/trace.h"

/* What becomes of the matches of a Split. */
enum wc_split_behavior {
    WC_SPLIT_REMOVED,
    WC_SPLIT_ISOLATED,
    WC_SPLIT_MERGED_WITH_PREVIOUS,
    WC_SPLIT_MERGED_WITH_NEXT,
    WC_SPLIT_CONTIGUOUS
};

enum wc_pretokenize_kind {
    WC_PRE_SPLIT,        /* at matches of pattern */
    WC_PRE_SPLIT_CLASS,  /* at each character of classes */
    WC_PRE_LENGTH,       /* after every length characters */
    WC_PRE_PREFIX_SPACE, /* a space in front of a piece that has none */
    WC_PRE_BYTE_LEVEL,   /* bytes to the characters that stand for them */
    WC_PRE_METASPACE     /* spaces to text, and text in front */
};

enum wc_prepend_scheme { WC_PREPEND_ALWAYS, WC_PREPEND_FIRST, WC_PREPEND_NEVER };

typedef struct wc_pretokenize_step {
    enum wc_pretokenize_kind kind;
    enum wc_split_behavior behavior;
    bool invert;
    wc_pattern *pattern;
    unsigned classes;
    size_t length;
    const char *text; /* [n] */
    size_t n;
    enum wc_prepend_scheme scheme;
} wc_pretokenize_step;

typedef struct wc_pretokenizer {
    wc_pretokenize_step steps[3 * WC_MAX_STAGES]; /* a ByteLevel is up to three */
    size_t n_steps;
    const char *file; /* for messages; the reader's */
} wc_pretokenizer;

bool wc_pretokenizer_read(wc_pretokenizer *p, const wc_reader *r, const wc_json *part);
void wc_pretokenizer_release(wc_pretokenizer *p);
/* A step asks whether the text begins where the original one does. */
bool wc_pretokenizer_needs_origin(const wc_pretokenizer *p);

/* Fields of Metaspace, which a decoder of that name has too. */
bool wc_read_metaspace(const wc_reader *r, const wc_json *stage, const char *part, const char **text,
                       size_t *n, enum wc_prepend_scheme *scheme, bool *split);

typedef struct wc_piece {
    uint32_t start, end; /* bytes of the text, never empty */
} wc_piece;

/* The pieces of one text, and room to compute them in.  One thread's. */
typedef struct wc_pieces {
    const char *s; /* the text that the pieces are ranges of */
    wc_piece *items;
    size_t n;
    bool traced;    /* set by the caller: a trace is wanted, */
    wc_trace trace; /* from s to the text that was cut; empty where that is s itself */
    /* private */
    bool at_origin; /* the first piece begins where the whole original text does */
    wc_trace step;
    wc_buf text[2]; /* what steps rewrite goes to the one that s is not in */
    wc_piece *spare;
    size_t room, spare_room;
} wc_pieces;

/* max_bytes: how far a text may grow. */
void wc_pieces_init(wc_pieces *p, size_t max_bytes);
void wc_pieces_release(wc_pieces *p);

/* Cuts s [n], valid UTF-8, into pieces, valid until the next call; at_origin: s begins where the original text does. */
bool wc_pretokenizer_run(const wc_pretokenizer *p, wc_matcher *m, const char *s, size_t n, bool at_origin,
                         wc_pieces *pieces, wc_error *err);
#endif
