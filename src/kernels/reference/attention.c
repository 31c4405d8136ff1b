/* attention.c - scores to weights with a running maximum and sum, and the weighted sum of values. */
#include <math.h>

#include "kernels/reference/reference.h"
#include "kernels/reference/stored.h"

static float scores(float *s, size_t first, size_t last, float scale, float soft_cap, float *max, float *sum)
{
    float m = *max;
    for (size_t i = first; i < last; i++) {
        s[i] *= scale;
        if (soft_cap > 0)
            s[i] = soft_cap * tanhf(s[i] / soft_cap);
        m = fmaxf(m, s[i]);
    }
    float c = expf(*max - m), total = 0;
    for (size_t i = first; i < last; i++) {
        s[i] = expf(s[i] - m);
        total += s[i];
    }
    *sum = *sum * c + total;
    *max = m;
    return c;
}

static void add_values(float *restrict y, size_t y_stride, const float *restrict c, const float *restrict p,
                       size_t p_stride, size_t n_rows, const void *restrict v, wc_dtype type, size_t v_stride,
                       size_t n_keys, size_t width)
{
    for (size_t r = 0; r < n_rows; r++)
        for (size_t i = 0; i < width; i++) {
            float sum = y[r * y_stride + i] * c[r];
            for (size_t j = 0; j < n_keys; j++)
                sum = fmaf(p[r * p_stride + j], stored_at(v, type, j * v_stride + i), sum);
            y[r * y_stride + i] = sum;
        }
}

#define VALUES(name, type)                                                                                   \
    static void name(float *restrict y, size_t y_stride, const float *restrict c, const float *restrict p,   \
                     size_t p_stride, size_t n_rows, const void *restrict v, size_t v_stride, size_t n_keys, \
                     size_t width)                                                                           \
    {                                                                                                        \
        add_values(y, y_stride, c, p, p_stride, n_rows, v, type, v_stride, n_keys, width);                   \
    }
VALUES(values_f32, WC_F32)
VALUES(values_f16, WC_F16)
VALUES(values_bf16, WC_BF16)

static void blend(float *restrict y, const float *restrict z, float a, float b, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] = y[i] * a + z[i] * b;
}

static float exp_one(float x)
{
    return expf(x);
}

void wc_reference_attention(wc_kernels *t)
{
    t->scores = scores;
    t->values[WC_F32] = values_f32;
    t->values[WC_F16] = values_f16;
    t->values[WC_BF16] = values_bf16;
    t->blend = blend;
    t->exp_one = exp_one;
}
