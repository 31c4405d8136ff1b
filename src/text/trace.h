/* trace.h - where the bytes of a text come from that steps have made of another one.
 *
 * A trace names for each byte of the new text one byte of the old one.  A character stands for a whole character, so any byte
 * of it will do.  Which one that is where characters come and go is told as the tokenizers library tells it (its
 * NormalizedString): a character takes the place of the next old one, or is put in beside the old one before; characters that
 * go are those behind it. */
#ifndef WC_TEXT_TRACE_H
#define WC_TEXT_TRACE_H
#include "base/buf.h"
#include "base/error.h"

typedef struct wc_trace {
    uint32_t *from; /* [size] */
    size_t size;
    size_t room; /* private */
    bool failed; /* private: there was no memory */
} wc_trace;

void wc_trace_release(wc_trace *t);
void wc_trace_reset(wc_trace *t);
bool wc_trace_check(const wc_trace *t, wc_error *err);
/* The next n bytes stand for those from first on: a copy; or all of them for that one. */
void wc_trace_copy(wc_trace *t, size_t first, size_t n);
void wc_trace_put(wc_trace *t, size_t first, size_t n);
/* step traces a text to the one that t traces to a third (t empty: to the third itself); then t does so from the new text, and
 * step is spare room. */
void wc_trace_through(wc_trace *t, wc_trace *step);

/* A text in the making, and its trace or NULL. */
typedef struct wc_made {
    wc_buf *text;
    wc_trace *trace;
} wc_made;

/* Appends bytes [first, first + n) of s as they are; or bytes [n] that all stand for byte first of the old text. */
static inline void wc_made_copy(const wc_made *m, const char *s, size_t first, size_t n)
{
    wc_buf_add(m->text, s + first, n);
    if (m->trace)
        wc_trace_copy(m->trace, first, n);
}

static inline void wc_made_put(const wc_made *m, const char *bytes, size_t n, size_t first)
{
    wc_buf_add(m->text, bytes, n);
    if (m->trace)
        wc_trace_put(m->trace, first, n);
}

/* The trace of characters by how many there are more than before: 1 of one that is put in, 0 of one that takes the place of
 * an old one, -k of one behind which k go.  The last one can still be changed. */
typedef struct wc_changes {
    wc_trace *trace; /* NULL: nothing is done */
    const char *s;   /* [n] the old text */
    size_t n, at;    /* and the place in it that is next */
    size_t bytes;    /* of the last character; 0: there is none yet */
    int change;
} wc_changes;

void wc_changes_add(wc_changes *c, size_t bytes, int change);
void wc_changes_end(wc_changes *c);
/* n_old characters of the old text became text [n], which may be nothing. */
void wc_changes_replace(wc_changes *c, size_t n_old, const char *text, size_t n);
#endif
