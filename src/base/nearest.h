/* nearest.h - the known name that is most like one that is not known, for an error's text. */
#ifndef WC_BASE_NEAREST_H
#define WC_BASE_NEAREST_H
#include <stddef.h>

typedef struct wc_nearest {
    const char *name; /* NULL: nothing was tried, or all are too far */
    size_t edits;
} wc_nearest;

/* Keeps known when fewer edits (Levenshtein) turn wanted into it than into what best holds; best begins as {0}. */
void wc_nearest_try(wc_nearest *best, const char *wanted, const char *known);
#endif
