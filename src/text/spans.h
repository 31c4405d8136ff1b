/* spans.h - lists of ranges of a text: the bytes that each token stands for (the tokenizers library's offsets). */
#ifndef WC_TEXT_SPANS_H
#define WC_TEXT_SPANS_H
#include "base/error.h"
#include "base/mem.h"

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

/* False when there is no memory; the list stays as it was.  spans may be NULL: nothing is asked for. */
static inline bool wc_spans_add(wc_spans *spans, size_t start, size_t end)
{
    if (!spans)
        return true;
    if (spans->size == spans->room) {
        const size_t room = spans->room ? 2 * spans->room : 64;
        wc_span *grown = room > SIZE_MAX / sizeof *grown ? NULL
                                                         : wc_mem_realloc(spans->data, room * sizeof *grown);
        if (!grown)
            return false;
        spans->data = grown;
        spans->room = room;
    }
    spans->data[spans->size++] = (wc_span){(uint32_t)start, (uint32_t)end};
    return true;
}

static inline void wc_spans_release(wc_spans *spans)
{
    wc_mem_free(spans->data);
    *spans = (wc_spans){0};
}
#endif
