/* decoder.h - the decoders of tokenizer.json, flattened into steps that each token goes through. */
#ifndef WC_TEXT_DECODER_H
#define WC_TEXT_DECODER_H
#include "text/pattern.h"
#include "text/pretokenize.h"
#include "text/read.h"

enum wc_decode_kind {
    WC_DECODE_BYTE_LEVEL,    /* characters back to bytes; joins all tokens */
    WC_DECODE_BYTE_FALLBACK, /* runs of <0x0A> to bytes */
    WC_DECODE_FUSE,          /* joins all tokens */
    WC_DECODE_STRIP,         /* start times text from the front, stop times from the back */
    WC_DECODE_REPLACE,       /* pattern by text */
    WC_DECODE_METASPACE,     /* pattern by a space, by nothing in the first token */
    WC_DECODE_WORDPIECE,     /* prefix text off, or a space in front; cleanup */
    WC_DECODE_BPE,           /* suffix pattern to a space, to nothing in the last token */
    WC_DECODE_CTC            /* repeated tokens once, without pad (pattern); cleanup; delimiter to a space */
};

typedef struct wc_decode_step {
    enum wc_decode_kind kind;
    wc_pattern *pattern, *delimiter;
    const char *text; /* [n] */
    size_t n, start, stop;
    bool drop_first, cleanup;
} wc_decode_step;

typedef struct wc_decoder {
    wc_decode_step steps[WC_MAX_STAGES];
    size_t n_steps;  /* 0: tokens are joined by spaces */
    bool none;       /* there is no decoder */
    size_t n_join;   /* steps before the one that joins; what comes after it sees one text */
    bool needs_next; /* a token can be decoded only when the next one is known */
    const char *file;
} wc_decoder;

bool wc_decoder_read(wc_decoder *d, const wc_reader *r, const wc_json *part);
void wc_decoder_release(wc_decoder *d);
#endif
