/* elementwise.c - activations and arithmetic, value by value. */
#include <math.h>
#include <string.h>

#include "kernels/reference/reference.h"

static inline float act_none(float x)
{
    return x;
}

static inline float act_relu(float x)
{
    return x < 0 ? 0 : x; /* NaN stays */
}

/* 1 + erf(x / sqrt 2) = erfc(-x / sqrt 2), which keeps its digits where erf is near -1. */
static inline float act_gelu(float x)
{
    return (float)(0.5 * (double)x * erfc(-(double)x * 0.70710678118654752440));
}

/* 1 + tanh u = 2 / (1 + exp(-2u)), for the same reason. */
static inline float act_gelu_tanh(float x)
{
    double v = (double)x;
    return (float)(v / (1 + exp(-2 * 0.79788456080286535588 * (v + 0.044715 * v * v * v))));
}

static inline float act_silu(float x)
{
    return (float)((double)x / (1 + exp(-(double)x)));
}

static inline float act_tanh(float x)
{
    return tanhf(x);
}

static inline float act_sigmoid(float x)
{
    return (float)(1 / (1 + exp(-(double)x)));
}

#define ACT(name)                                                                                            \
    static void name##_n(float *y, const float *x, size_t n)                                                 \
    {                                                                                                        \
        for (size_t i = 0; i < n; i++)                                                                       \
            y[i] = name(x[i]);                                                                               \
    }                                                                                                        \
    static void name##_mul_n(float *y, const float *x, const float *z, size_t n)                             \
    {                                                                                                        \
        for (size_t i = 0; i < n; i++)                                                                       \
            y[i] = name(x[i]) * z[i];                                                                        \
    }
ACT(act_none)
ACT(act_relu)
ACT(act_gelu)
ACT(act_gelu_tanh)
ACT(act_silu)
ACT(act_tanh)
ACT(act_sigmoid)

static void add(float *y, const float *x, const float *z, float s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] = (x[i] + z[i]) * s;
}

static void mul(float *y, const float *x, const float *z, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] = x[i] * z[i];
}

static void mul_add(float *y, const float *x, const float *v, const float *z, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] = x[i] * v[i] + z[i];
}

static void scale(float *y, const float *x, float s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] = x[i] * s;
}

static void soft_cap(float *y, const float *x, float cap, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] = cap * tanhf(x[i] / cap);
}

static void above(float *y, const float *x, float level, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] = act_relu(x[i] - level);
}

static void add_terms(float *y, const float *z, const float *x, size_t x_stride, const float *c,
                      size_t n_terms, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        float sum = z[i];
        for (size_t j = 0; j < n_terms; j++)
            sum = fmaf(c[j], x[j * x_stride + i], sum);
        y[i] = sum;
    }
}

static void add_difference(float *y, const float *x, const float *a, const float *b, float c, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] = x[i] + c * (a[i] - b[i]);
}

static void rope(float *y, const float *x, const float *table, size_t half)
{
    for (size_t i = 0; i < half; i++) {
        float c = table[i], s = table[half + i], x1 = x[i], x2 = x[half + i];
        y[i] = x1 * c - x2 * s;
        y[half + i] = x2 * c + x1 * s;
    }
}

#define SET_ACT(index, name) (t->act[index] = name##_n, t->act_mul[index] = name##_mul_n)

void wc_reference_elementwise(wc_kernels *t)
{
    SET_ACT(WC_ACT_NONE, act_none);
    SET_ACT(WC_ACT_RELU, act_relu);
    SET_ACT(WC_ACT_GELU, act_gelu);
    SET_ACT(WC_ACT_GELU_TANH, act_gelu_tanh);
    SET_ACT(WC_ACT_SILU, act_silu);
    SET_ACT(WC_ACT_TANH, act_tanh);
    SET_ACT(WC_ACT_SIGMOID, act_sigmoid);
    t->add = add;
    t->mul = mul;
    t->mul_add = mul_add;
    t->scale = scale;
    t->soft_cap = soft_cap;
    t->above = above;
    t->add_terms = add_terms;
    t->add_difference = add_difference;
    t->rope = rope;
}
