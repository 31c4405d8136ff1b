#include "base/nearest.h"

#include <string.h>

enum { FAR = 64 }; /* longer names count as far */

static size_t distance(const char *a, const char *b)
{
    size_t row[FAR], n = strlen(b);
    if (n >= FAR || strlen(a) >= FAR)
        return FAR;
    for (size_t j = 0; j <= n; j++)
        row[j] = j;
    for (size_t i = 0; a[i]; i++) {
        size_t diagonal = row[0];
        row[0] = i + 1;
        for (size_t j = 0; j < n; j++) {
            size_t change = diagonal + (a[i] != b[j]), least = change;
            diagonal = row[j + 1];
            if (row[j + 1] + 1 < least)
                least = row[j + 1] + 1;
            if (row[j] + 1 < least)
                least = row[j] + 1;
            row[j + 1] = least;
        }
    }
    return row[n];
}

void wc_nearest_try(wc_nearest *best, const char *wanted, const char *known)
{
    const size_t edits = distance(wanted, known);
    if (edits < (best->name ? best->edits : FAR))
        *best = (wc_nearest){known, edits};
}
