/* norm.c - sums over a row, in double, and what is made of them. */
#include <math.h>

#include "kernels/reference/reference.h"

static float sum(const float *x, size_t n)
{
    double total = 0;
    for (size_t i = 0; i < n; i++)
        total += (double)x[i];
    return (float)total;
}

static float max(const float *x, size_t n)
{
    float m = -INFINITY;
    for (size_t i = 0; i < n; i++)
        m = fmaxf(m, x[i]);
    return m;
}

static float sum_squares(const float *x, float mean, size_t n)
{
    double total = 0;
    for (size_t i = 0; i < n; i++) {
        double d = (double)x[i] - (double)mean;
        total += d * d;
    }
    return (float)total;
}

static void normalize(float *y, const float *x, float mean, float scale, const float *w, float offset,
                      const float *bias, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        float v = (x[i] - mean) * scale;
        if (w)
            v *= offset + w[i];
        y[i] = bias ? v + bias[i] : v;
    }
}

static float exp_sum(float *y, const float *x, float m, size_t n)
{
    double total = 0;
    for (size_t i = 0; i < n; i++) {
        y[i] = expf(x[i] - m);
        total += (double)y[i];
    }
    return (float)total;
}

void wc_reference_norm(wc_kernels *t)
{
    t->sum = sum;
    t->max = max;
    t->sum_squares = sum_squares;
    t->normalize = normalize;
    t->exp_sum = exp_sum;
}
