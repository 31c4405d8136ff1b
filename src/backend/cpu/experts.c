/* experts.c - which experts a row goes to, and how their results come back to it. */
#include <math.h>

#include "backend/cpu/cpu.h"

/* The best entry of left [n], taken out of it; its share among those of its neighbourhood. */
static int take_best(float *left, const float *scores, size_t n, float jitter, float *share)
{
    size_t best = 0;
    float sum = 0;
    for (size_t e = 1; e < n; e++)
        if (left[e] > left[best])
            best = e;
    const float top = left[best];
    for (size_t e = 0; e < n; e++) {
        const bool near = !((top - scores[e]) / fmaxf(fabsf(scores[e]), top) > 2 * jitter);
        if (near && left[e] > -INFINITY)
            sum += expf(left[e] - top);
    }
    left[best] = -INFINITY;
    *share = 1.0f / sum;
    return (int)best;
}

static void route_two(wc_backend *b, wc_tensor y, wc_tensor scores, float jitter, wc_tensor work)
{
    const size_t n = width_of(&scores);
    float *left = f32(work), share;
    memset(y.data, 0, wc_tensor_elems(&y) * sizeof(float));
    for (size_t r = 0; r < scores.shape[0]; r++) {
        const float *row = f32(scores) + r * n;
        memcpy(left, row, n * sizeof *left);
        for (int k = 0; k < 2; k++) {
            const int e = take_best(left, row, n, jitter, &share);
            f32(y)[(2 * r + (size_t)k) * n + (size_t)e] = share;
        }
    }
}

static void add_rows(wc_backend *b, wc_tensor y, wc_tensor x, const int32_t *rows, wc_tensor weights,
                     size_t column)
{
    const size_t D = width_of(&x), n = width_of(&weights);
    for (size_t i = 0; i < x.shape[0]; i++) {
        const size_t r = (size_t)rows[i];
        cpu_of(b)->k->axpy(f32(y) + r * D, f32(weights)[r * n + column], f32(x) + i * D, D);
    }
}

void wc_cpu_fill_experts(wc_backend *b)
{
    b->route_two = route_two;
    b->add_rows = add_rows;
}
