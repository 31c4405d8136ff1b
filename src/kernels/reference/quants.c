/* quants.c - the quantized types in plain C: the truth that the vector levels are held against.
 *
 * u_TYPE gives value i of a block as the small number u that is stored (tensor/blocks.h); all else follows from it and the
 * groups' scales, in the same lines for every type. */
#include "kernels/reference/quants.h"

#include <math.h>

#include "kernels/quants.h"

/* ---- stored numbers ---- */

static int nibble(const uint8_t *q, int i)
{
    return i < 16 ? q[i] & 15 : q[i - 16] >> 4;
}

/* Bit i of 32. */
static int bit(const uint8_t *bits, int i)
{
    return bits[i / 8] >> i % 8 & 1;
}

static int u_q4_0(const wc_q4_0 *b, int i)
{
    return nibble(b->q, i);
}

static int u_q4_1(const wc_q4_1 *b, int i)
{
    return nibble(b->q, i);
}

static int u_q5_0(const wc_q5_0 *b, int i)
{
    return nibble(b->q, i) | bit(b->high, i) << 4;
}

static int u_q5_1(const wc_q5_1 *b, int i)
{
    return nibble(b->q, i) | bit(b->high, i) << 4;
}

static int u_q8_0(const wc_q8_0 *b, int i)
{
    return b->q[i] + 128;
}

static int u_iq4_nl(const wc_iq4_nl *b, int i)
{
    return wc_iq4_values[nibble(b->q, i)] + 128;
}

static int u_iq4_xs(const wc_iq4_xs *b, int i)
{
    return wc_iq4_values[nibble(b->q + i / 32 * 16, i % 32)] + 128;
}

/* Value i of 2 bits: run j = i / 32. */
static int two_bits(const uint8_t *q, int i)
{
    return q[i / 128 * 32 + i % 32] >> i / 32 % 4 * 2 & 3;
}

static int u_q2_k(const wc_q2_k *b, int i)
{
    return two_bits(b->q, i);
}

static int u_q3_k(const wc_q3_k *b, int i)
{
    return two_bits(b->q, i) | (b->high[i % 32] >> i / 32 & 1) << 2;
}

static int u_q4_k(const wc_q4_k *b, int i)
{
    return b->q[i / 64 * 32 + i % 32] >> i / 32 % 2 * 4 & 15;
}

static int u_q5_k(const wc_q5_k *b, int i)
{
    return (b->q[i / 64 * 32 + i % 32] >> i / 32 % 2 * 4 & 15) | (b->high[i % 32] >> i / 32 & 1) << 4;
}

static int u_q6_k(const wc_q6_k *b, int i)
{
    const int n = i / 128, r = i / 32 % 4;
    return (b->low[64 * n + r % 2 * 32 + i % 32] >> r / 2 * 4 & 15) | (b->high[32 * n + i % 32] >> 2 * r & 3)
                                                                          << 4;
}

/* ---- rows of them ---- */

/* What a block says: its numbers u less zero, and its groups' scales and minima (0 where the type has none). */
struct block {
    int q[256];
    float scale[WC_MAX_GROUPS], min[WC_MAX_GROUPS];
};

typedef void (*block_reader)(struct block *out, const void *block);

struct type {
    block_reader read;
    size_t block, block_bytes, group;
    bool has_min;
};

#define READ(name, block_, group, zero, top, has_min)                                                        \
    static void read_##name(struct block *out, const void *block)                                            \
    {                                                                                                        \
        wc_scales_##name(block, out->scale, out->min);                                                       \
        for (int i = 0; i < (block_); i++)                                                                   \
            out->q[i] = u_##name(block, i) - (zero);                                                         \
    }                                                                                                        \
    static const struct type type_##name = {read_##name, block_, sizeof(wc_##name), group, has_min};
WC_EACH_QUANT(READ)

static const void *block_at(const struct type *t, const void *w, size_t w_stride, size_t row, size_t i)
{
    return (const char *)w + (row * w_stride + i) / t->block * t->block_bytes;
}

static float value_of(const struct type *t, const struct block *b, size_t i)
{
    const float x = b->scale[i / t->group] * (float)b->q[i];
    return t->has_min ? x - b->min[i / t->group] : x;
}

static void widen(float *y, const void *x, size_t n, const struct type *t)
{
    struct block b;
    for (size_t i = 0; i < n; i++) {
        if (i % t->block == 0)
            t->read(&b, block_at(t, x, 0, 0, i));
        y[i] = value_of(t, &b, i % t->block);
    }
}

static void unpack(float *panel, const void *w, size_t w_stride, size_t n_cols, size_t k,
                   const struct type *t)
{
    float column[WC_SPAN];
    for (size_t c = 0; c < WC_REFERENCE_COLS; c++) {
        if (c < n_cols)
            widen(column, block_at(t, w, w_stride, c, 0), k, t);
        for (size_t i = 0; i < k; i++)
            panel[i * WC_REFERENCE_COLS + c] = c < n_cols ? column[i] : 0;
    }
}

static void dot(float *y, size_t y_stride, const float *x, size_t x_stride, size_t n_x, const void *w,
                size_t w_stride, size_t n_w, size_t k, const struct type *t)
{
    float span[WC_SPAN];
    for (size_t j = 0; j < n_w; j++)
        for (size_t first = 0; first < k; first += WC_SPAN) {
            const size_t n = k - first < WC_SPAN ? k - first : WC_SPAN;
            widen(span, block_at(t, w, w_stride, j, first), n, t);
            for (size_t r = 0; r < n_x; r++) {
                float sum = 0, *out = &y[r * y_stride + j];
                for (size_t i = 0; i < n; i++)
                    sum += x[r * x_stride + first + i] * span[i];
                *out = first == 0 ? sum : *out + sum;
            }
        }
}

/* ---- against x in bytes ---- */

void wc_reference_quantize(int8_t *q, float *scale, wc_neg_sums *neg, const float *x, size_t k)
{
    for (size_t i = 0; i < k; i += 32) {
        float top = 0, none = 0;
        for (size_t j = i; j < i + 32; j++) {
            top = fmaxf(top, fabsf(x[j]));
            none += 0 * x[j]; /* NaN when x is not finite */
        }
        const float inverse = top > 0 ? 127 / top : 0;
        scale[i / 32] = top / 127 + none;
        for (size_t j = i; j < i + 32; j++) {
            const float v = rintf(x[j] * inverse);
            q[j] = (int8_t)(isnan(v) ? 0 : v > 127 ? 127 : v < -127 ? -127 : v);
        }
        wc_neg_sums *to = &neg[i / 32];
        memset(to, 0, sizeof *to);
        for (size_t j = 0; j < 32; j++) {
            const size_t two = j % 4 / 2;
            to->of_16[j / 16][two] = (int16_t)(to->of_16[j / 16][two] - q[i + j]);
            to->of_32[two] = (int16_t)(to->of_32[two] - q[i + j]);
            to->total -= q[i + j];
        }
        to->scaled = (float)to->total * scale[i / 32];
    }
}

float wc_reference_burn_bytes(size_t n)
{
    int32_t c[4] = {0};
    uint8_t w[4] = {1, 3, 2, 1};
    const int8_t x[4] = {3, 1, 1, 2};
    for (size_t i = 0; i < n; i++)
        for (int j = 0; j < 4; j++) {
            __asm__("" : "+r"(w[j]));
            c[j] += w[j] * x[j];
        }
    return (float)(c[0] + c[1] + c[2] + c[3]);
}

/* The groups of a row of w (whole blocks) times as much of row r of x, added to *y one after the other. */
static void add_groups(float *y, const wc_bytes *x, size_t r, size_t k, const void *w, const struct type *t)
{
    struct block b;
    for (size_t i = 0; i < k; i += t->group) {
        const size_t in_block = i % t->block, g = in_block / t->group;
        if (in_block == 0)
            t->read(&b, block_at(t, w, 0, 0, i));
        int dot = 0, sum = 0;
        for (size_t j = 0; j < t->group; j++) {
            const int v = x->q[r * x->k + i + j];
            dot += v * b.q[in_block + j];
            sum += v;
        }
        const float sx = x->scale[r * (x->k / 32) + i / 32];
        *y = fmaf(b.scale[g] * sx, (float)dot, *y);
        if (t->has_min)
            *y = fmaf(b.min[g], (float)-sum * sx, *y);
    }
}

static void dot_bytes(float *y, size_t y_stride, const wc_bytes *x, size_t n_x, const void *w,
                      size_t w_stride, size_t n_w, size_t k, const struct type *t)
{
    for (size_t r = 0; r < n_x; r++)
        for (size_t j = 0; j < n_w; j++) {
            y[r * y_stride + j] = 0;
            add_groups(&y[r * y_stride + j], x, r, k, block_at(t, w, w_stride, j, 0), t);
        }
}

/* A panel of the reference is the columns' blocks as they are, each from an offset of its own. */
enum { COLUMN_BYTES = WC_BYTE_SPAN / 32 * sizeof(wc_q8_0) };
_Static_assert(WC_REFERENCE_COLS *COLUMN_BYTES <= WC_REFERENCE_COLS * WC_SPAN * sizeof(float), "panel");

static void unpack_bytes(void *panel, const void *w, size_t w_stride, size_t n_cols, size_t k,
                         const struct type *t)
{
    for (size_t c = 0; c < n_cols; c++)
        memcpy((char *)panel + c * COLUMN_BYTES, block_at(t, w, w_stride, c, 0),
               k / t->block * t->block_bytes);
}

static void tile_bytes(float *y, size_t y_stride, const float *add, size_t add_stride, const wc_bytes *x,
                       const void *panel, size_t n_rows, size_t n_cols, size_t k, const struct type *t)
{
    for (size_t r = 0; r < n_rows; r++)
        for (size_t c = 0; c < n_cols; c++) {
            float *out = &y[r * y_stride + c];
            *out = add ? add[r * add_stride + c] : 0;
            add_groups(out, x, r, k, (const char *)panel + c * COLUMN_BYTES, t);
        }
}

#define TABLE(name, block, group, zero, top, has_min)                                                        \
    void wc_reference_widen_##name(float *y, const void *x, size_t n)                                        \
    {                                                                                                        \
        widen(y, x, n, &type_##name);                                                                        \
    }                                                                                                        \
    void wc_reference_unpack_##name(float *panel, const void *w, size_t w_stride, size_t n_cols, size_t k)   \
    {                                                                                                        \
        unpack(panel, w, w_stride, n_cols, k, &type_##name);                                                 \
    }                                                                                                        \
    void wc_reference_dot_##name(float *y, size_t y_stride, const float *x, size_t x_stride, size_t n_x,     \
                                 const void *w, size_t w_stride, size_t n_w, size_t k)                       \
    {                                                                                                        \
        dot(y, y_stride, x, x_stride, n_x, w, w_stride, n_w, k, &type_##name);                               \
    }                                                                                                        \
    void wc_reference_unpack_bytes_##name(void *panel, const void *w, size_t w_stride, size_t n_cols,        \
                                          size_t k)                                                          \
    {                                                                                                        \
        unpack_bytes(panel, w, w_stride, n_cols, k, &type_##name);                                           \
    }                                                                                                        \
    void wc_reference_tile_bytes_##name(float *y, size_t y_stride, const float *add, size_t add_stride,      \
                                        const wc_bytes *x, const void *panel, size_t n_rows, size_t n_cols,  \
                                        size_t k)                                                            \
    {                                                                                                        \
        tile_bytes(y, y_stride, add, add_stride, x, panel, n_rows, n_cols, k, &type_##name);                 \
    }                                                                                                        \
    void wc_reference_dot_bytes_##name(float *y, size_t y_stride, const wc_bytes *x, size_t n_x,             \
                                       const void *w, size_t w_stride, size_t n_w, size_t k)                 \
    {                                                                                                        \
        dot_bytes(y, y_stride, x, n_x, w, w_stride, n_w, k, &type_##name);                                   \
    }
WC_EACH_QUANT(TABLE)
