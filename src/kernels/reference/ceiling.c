/* ceiling.c - what plain C reaches when nothing but the arithmetic, or nothing but the reading, is to be done. */
#include <stdint.h>

#include "kernels/reference/reference.h"

enum { CHAINS = 16 };

static double fma_stream(size_t n)
{
    double sums[CHAINS] = {0};
    volatile double factor = 0.5;
    const double x = factor;
    for (size_t i = 0; i < n; i++)
        for (int c = 0; c < CHAINS; c++)
            sums[c] += x * x;
    volatile double sink = 0;
    for (int c = 0; c < CHAINS; c++)
        sink += sums[c];
    return 2.0 * CHAINS * (double)n;
}

static float read_stream(const void *x, size_t bytes)
{
    const uint64_t *words = x;
    uint64_t sum = 0;
    for (size_t i = 0; i < bytes / 8; i++)
        sum ^= words[i];
    return (float)(sum & 0xff);
}

void wc_reference_ceiling(wc_kernels *t)
{
    t->fma_stream = fma_stream;
    t->read_stream = read_stream;
}
