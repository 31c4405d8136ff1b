/* reference.c - every kernel in plain C, one lane: the truth that the vector levels are held against.  It runs anywhere. */
#include <math.h>
#include <string.h>

#include "kernels/kernels.h"
#include "kernels/reference/quants.h"

enum { COLS = WC_REFERENCE_COLS };

/* ---- stored types ---- */

static float f32_at(const void *p, size_t i)
{
    float x;
    memcpy(&x, (const char *)p + 4 * i, sizeof x);
    return x;
}

static float bf16_at(const void *p, size_t i)
{
    uint16_t half;
    memcpy(&half, (const char *)p + 2 * i, sizeof half);
    uint32_t bits = (uint32_t)half << 16;
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* IEEE half: 1 sign, 5 exponent (bias 15), 10 fraction bits. */
static float f16_at(const void *p, size_t i)
{
    uint16_t half;
    memcpy(&half, (const char *)p + 2 * i, sizeof half);
    int exponent = half >> 10 & 31, fraction = half & 1023;
    float x = exponent == 31 ? (fraction ? NAN : INFINITY)
              : exponent     ? ldexpf((float)(1024 + fraction), exponent - 25)
                             : ldexpf((float)fraction, -24);
    return half & 0x8000 ? -x : x;
}

/* ---- products ---- */

typedef float (*value_at)(const void *p, size_t i);

static void unpack(float *panel, const void *w, size_t w_stride, size_t n_cols, size_t k, value_at at)
{
    for (size_t i = 0; i < k; i++)
        for (size_t c = 0; c < COLS; c++)
            panel[i * COLS + c] = c < n_cols ? at(w, c * w_stride + i) : 0;
}

/* One row at a time: its values in their order. */
static void pack(float *packed, size_t group, const float *x, size_t x_stride, size_t n_rows, size_t k)
{
    for (size_t r = 0; r < n_rows; r++)
        for (size_t i = 0; i < (k + 3) / 4 * 4; i++)
            packed[r * group + i] = i < k ? x[r * x_stride + i] : 0;
}

static void tile(float *y, size_t y_stride, const float *add, size_t add_stride, const float *x,
                 size_t x_group, const float *panel, size_t n_rows, size_t n_cols, size_t k)
{
    for (size_t r = 0; r < n_rows; r++)
        for (size_t c = 0; c < n_cols; c++) {
            float sum = 0;
            for (size_t i = 0; i < k; i++)
                sum += x[r * x_group + i] * panel[i * COLS + c];
            y[r * y_stride + c] = add ? add[r * add_stride + c] + sum : sum;
        }
}

static void dot(float *y, size_t y_stride, const float *x, size_t x_stride, size_t n_x, const void *w,
                size_t w_stride, size_t n_w, size_t k, value_at at)
{
    for (size_t r = 0; r < n_x; r++)
        for (size_t j = 0; j < n_w; j++)
            for (size_t first = 0; first == 0 || first < k; first += WC_SPAN) {
                size_t end = k - first < WC_SPAN ? k : first + WC_SPAN;
                float sum = 0, *out = &y[r * y_stride + j];
                for (size_t i = first; i < end; i++)
                    sum += x[r * x_stride + i] * at(w, j * w_stride + i);
                *out = first == 0 ? sum : *out + sum;
            }
}

static void widen(float *y, const void *x, size_t n, value_at at)
{
    for (size_t i = 0; i < n; i++)
        y[i] = at(x, i);
}

/* The three stored types of one kernel. */
#define STORED(type)                                                                                         \
    static void unpack_##type(float *panel, const void *w, size_t w_stride, size_t n_cols, size_t k)         \
    {                                                                                                        \
        unpack(panel, w, w_stride, n_cols, k, type##_at);                                                    \
    }                                                                                                        \
    static void dot_##type(float *y, size_t y_stride, const float *x, size_t x_stride, size_t n_x,           \
                           const void *w, size_t w_stride, size_t n_w, size_t k)                             \
    {                                                                                                        \
        dot(y, y_stride, x, x_stride, n_x, w, w_stride, n_w, k, type##_at);                                  \
    }                                                                                                        \
    static void widen_##type(float *y, const void *x, size_t n)                                              \
    {                                                                                                        \
        widen(y, x, n, type##_at);                                                                           \
    }
STORED(f32)
STORED(f16)
STORED(bf16)

static void narrow_bf16(uint16_t *y, const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint32_t u;
        memcpy(&u, &x[i], sizeof u);
        if (isnan(x[i]))
            y[i] = (uint16_t)(u >> 16 | 0x40);
        else
            y[i] = (uint16_t)((u + 0x7fff + (u >> 16 & 1)) >> 16);
    }
}

static void mix(float *o, size_t o_stride, const float *alpha, const float *p, size_t p_stride,
                const float *v, size_t v_stride, size_t n_rows, size_t n_keys, size_t d)
{
    for (size_t r = 0; r < n_rows; r++)
        for (size_t i = 0; i < d; i++) {
            float sum = o[r * o_stride + i] * alpha[r];
            for (size_t j = 0; j < n_keys; j++)
                sum += p[r * p_stride + j] * v[j * v_stride + i];
            o[r * o_stride + i] = sum;
        }
}

/* ---- elementwise ---- */

static float relu(float x)
{
    return x > 0 || isnan(x) ? x : 0;
}

static float identity(float x)
{
    return x;
}

static float gelu(float x)
{
    return 0.5f * x * (1 + erff(x * 0.70710678118654752f));
}

static float gelu_tanh(float x)
{
    return 0.5f * x * (1 + tanhf(0.7978845608028654f * (x + 0.044715f * x * x * x)));
}

static float silu(float x)
{
    return x / (1 + expf(-x));
}

static float sigmoid(float x)
{
    return 1 / (1 + expf(-x));
}

#define ACT(name, f)                                                                                         \
    static void act_##name(float *y, const float *x, size_t n)                                               \
    {                                                                                                        \
        for (size_t i = 0; i < n; i++)                                                                       \
            y[i] = f(x[i]);                                                                                  \
    }                                                                                                        \
    static void name##_mul(float *y, const float *x, const float *z, size_t n)                               \
    {                                                                                                        \
        for (size_t i = 0; i < n; i++)                                                                       \
            y[i] = f(x[i]) * z[i];                                                                           \
    }
ACT(none, identity)
ACT(relu, relu)
ACT(gelu, gelu)
ACT(gelu_tanh, gelu_tanh)
ACT(silu, silu)
ACT(tanh, tanhf)
ACT(sigmoid, sigmoid)

static void add(float *y, const float *x, const float *z, float s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] = (x[i] + z[i]) * s;
}

static void scale(float *y, const float *x, float s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] = x[i] * s;
}

static void mul_add(float *y, const float *x, const float *z, const float *a, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] = x[i] * z[i] + a[i];
}

static void axpy(float *y, float s, const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] += s * x[i];
}

static void soft_cap(float *y, const float *x, float cap, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] = cap * tanhf(x[i] / cap);
}

static void shrink(float *y, const float *x, float floor, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] = relu(x[i] - floor);
}

/* ---- reductions ---- */

static float sum(const float *x, size_t n)
{
    double s = 0;
    for (size_t i = 0; i < n; i++)
        s += (double)x[i];
    return (float)s;
}

static float sum_squares(const float *x, float shift, size_t n)
{
    double s = 0;
    for (size_t i = 0; i < n; i++)
        s += (double)(x[i] - shift) * (double)(x[i] - shift);
    return (float)s;
}

static float maximum(const float *x, size_t n)
{
    float m = x[0];
    for (size_t i = 1; i < n; i++)
        m = x[i] > m ? x[i] : m;
    return m;
}

static float exp_sum(float *y, const float *x, float shift, size_t n)
{
    double s = 0;
    for (size_t i = 0; i < n; i++)
        s += (double)(y[i] = expf(x[i] - shift));
    return (float)s;
}

static float weigh(float *s, size_t n, float factor, float cap, float *m, float *z)
{
    scale(s, s, factor, n);
    if (cap > 0)
        soft_cap(s, s, cap, n);
    const float top = fmaxf(*m, maximum(s, n)), alpha = expf(*m - top);
    *z = *z * alpha + exp_sum(s, s, top, n);
    *m = top;
    return alpha;
}

static void depthwise(float *y, size_t y_stride, const float *const *x, size_t x_step, const float *w,
                      size_t w_stride, size_t n_taps, size_t n_pixels, size_t channels)
{
    for (size_t p = 0; p < n_pixels; p++)
        for (size_t c = 0; c < channels; c++) {
            float s = 0;
            for (size_t t = 0; t < n_taps; t++)
                if (x[t])
                    s = fmaf(x[t][p * x_step + c], w[t * w_stride + c], s);
            y[p * y_stride + c] = s;
        }
}

static float burn(size_t n)
{
    float c[8] = {0, 1, 2, 3, 4, 5, 6, 7}, s = 0;
    for (size_t i = 0; i < n; i += 8)
        for (int j = 0; j < 8; j++)
            c[j] = c[j] * 0.999f + 1e-3f;
    for (int j = 0; j < 8; j++)
        s += c[j];
    return s;
}

static uint64_t read_all(const void *p, size_t n)
{
    uint64_t s = 0, word;
    for (size_t i = 0; i + sizeof word <= n; i += sizeof word) {
        memcpy(&word, (const char *)p + i, sizeof word);
        s ^= word;
    }
    return s;
}

#define WIDEN(name, ...)        wc_reference_widen_##name,
#define UNPACK(name, ...)       wc_reference_unpack_##name,
#define DOT(name, ...)          wc_reference_dot_##name,
#define UNPACK_BYTES(name, ...) wc_reference_unpack_bytes_##name,
#define TILE_BYTES(name, ...)   wc_reference_tile_bytes_##name,
#define DOT_BYTES(name, ...)    wc_reference_dot_bytes_##name,

const wc_kernels *wc_kernels_reference(void)
{
    static const wc_kernels table = {
        .level = "reference",
        .lanes = 1,
        .tile_rows = 1,
        .panel_cols = COLS,
        .bytes_cols = COLS,
        .pair_cols = COLS,
        .unpack = {unpack_f32, unpack_f16, unpack_bf16, WC_EACH_QUANT(UNPACK)},
        .pack = pack,
        .tile = tile,
        .dot = {dot_f32, dot_f16, dot_bf16, WC_EACH_QUANT(DOT)},
        .quantize = wc_reference_quantize,
        .unpack_bytes = {WC_EACH_QUANT(UNPACK_BYTES)},
        .tile_bytes = {WC_EACH_QUANT(TILE_BYTES)},
        .dot_bytes = {WC_EACH_QUANT(DOT_BYTES)},
        .mix = mix,
        .weigh = weigh,
        .widen = {widen_f32, widen_f16, widen_bf16, WC_EACH_QUANT(WIDEN)},
        .narrow_bf16 = narrow_bf16,
        .act = {act_none, act_relu, act_gelu, act_gelu_tanh, act_silu, act_tanh, act_sigmoid},
        .act_mul = {none_mul, relu_mul, gelu_mul, gelu_tanh_mul, silu_mul, tanh_mul, sigmoid_mul},
        .add = add,
        .mul = none_mul,
        .scale = scale,
        .mul_add = mul_add,
        .axpy = axpy,
        .soft_cap = soft_cap,
        .sum = sum,
        .sum_squares = sum_squares,
        .maximum = maximum,
        .exp_sum = exp_sum,
        .shrink = shrink,
        .depthwise = depthwise,
        .burn = burn,
        .burn_bytes = wc_reference_burn_bytes,
        .read = read_all,
    };
    return &table;
}
