#include "base/nearest.h"

#include <string.h>

#include "base/size.h"

enum { FAR = 64 }; /* longer names count as far */

size_t wc_edits(const char *a, const char *b)
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
            const size_t change = diagonal + (a[i] != b[j]);
            diagonal = row[j + 1];
            row[j + 1] = wc_min_size(change, wc_min_size(row[j], row[j + 1]) + 1);
        }
    }
    return row[n];
}

void wc_nearest_try(wc_nearest *best, const char *wanted, const char *known)
{
    const size_t edits = wc_edits(wanted, known);
    if (edits < (best->name ? best->edits : FAR))
        *best = (wc_nearest){known, edits};
}
