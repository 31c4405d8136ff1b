/* stop.h - strings that end an answer and are not part of it, found in text that comes in pieces.
 *
 * Text that may yet turn out to be the beginning of a stop string is held back until that is decided.  What is found does
 * not depend on how the text was cut: the stop string that ends first counts, the longest of those that end together. */
#ifndef WC_GENERATE_STOP_H
#define WC_GENERATE_STOP_H
#include "base/error.h"

typedef struct wc_stop wc_stop;

/* For strings [n] of bytes, none empty; they are copied.  n may be 0.  NULL on failure.  Free with wc_stop_free. */
wc_stop *wc_stop_new(const char *const *strings, size_t n, wc_error *err);
void wc_stop_free(wc_stop *s); /* NULL is fine */

/* Takes text [n]; *out [*n_out] is what can be given out now, valid until the next call and as long as text.  true when a
 * stop string was found: *out is what stood before it, and all later text is dropped.  Without memory for a piece of many
 * kilobytes the piece is dropped. */
bool wc_stop_push(wc_stop *s, const char *text, size_t n, const char **out, size_t *n_out);
/* The text ends here: *out [*n_out] is what was held back. */
void wc_stop_flush(wc_stop *s, const char **out, size_t *n_out);
#endif
