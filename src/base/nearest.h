/* nearest.h - the known name that is most like one that is not known, for an error's text. */
#ifndef WC_BASE_NEAREST_H
#define WC_BASE_NEAREST_H
#include <stddef.h>

/* Edits that turn a into b: insertions, deletions, replacements (Levenshtein); 64 where one is as long as that. */
size_t wc_edits(const char *a, const char *b);

typedef struct wc_nearest {
    const char *name; /* NULL: nothing was tried, or all are too far */
    size_t edits;
} wc_nearest;

/* Keeps known when fewer edits turn wanted into it than into what best holds; best begins as {0}. */
void wc_nearest_try(wc_nearest *best, const char *wanted, const char *known);
#endif
