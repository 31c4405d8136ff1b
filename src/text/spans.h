/* spans.h - where tokens come from: the bytes of the text that each of them stands for (the tokenizers library's offsets).
 *
 * The steps of a normalizer do not say what they made of what.  So a text is normalized once more in pieces, character by
 * character, or cluster by cluster where that is not enough: when the pieces' results put together are the whole's, each part of
 * the result comes from its piece.  Where they are not (a normalizer that puts something in front), there are no spans. */
#ifndef WC_TEXT_SPANS_H
#define WC_TEXT_SPANS_H
#include "text/normalize.h"

/* Bytes [start, end) of a text. */
typedef struct wc_span {
    uint32_t start, end;
} wc_span;

/* A growing list of spans; {0} is a valid empty one. */
typedef struct wc_spans {
    wc_span *data; /* [size], from wc_mem_realloc */
    size_t size;
    size_t room; /* private */
} wc_spans;

bool wc_spans_add(wc_spans *spans, wc_span span, wc_error *err);
void wc_spans_release(wc_spans *spans);

/* Appends to map for each byte of done [n_done], which is s [n] normalized, the character or cluster of s that it comes from.
 * WC_UNSUPPORTED where that cannot be told. */
bool wc_spans_of_normalized(const wc_normalizer *z, const char *s, size_t n, const char *done, size_t n_done,
                            wc_spans *map, wc_error *err);
#endif
