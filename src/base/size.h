/* size.h - sizes that came from a file are multiplied and added here, with a check. */
#ifndef WC_BASE_SIZE_H
#define WC_BASE_SIZE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static inline bool wc_mul_size(size_t a, size_t b, size_t *out)
{
    if (b != 0 && a > SIZE_MAX / b)
        return false;
    *out = a * b;
    return true;
}

static inline bool wc_add_size(size_t a, size_t b, size_t *out)
{
    if (a > SIZE_MAX - b)
        return false;
    *out = a + b;
    return true;
}

static inline size_t wc_min_size(size_t a, size_t b)
{
    return a < b ? a : b;
}

static inline size_t wc_max_size(size_t a, size_t b)
{
    return a > b ? a : b;
}
#endif
