/* kernels.h - the inner loops: pure functions on pointers, one table for every level of CPU.
 *
 * A kernel knows one loop; it allocates nothing, knows no threads and no tensors.  All entries of a level are filled:
 * "reference" is plain C and stays the truth, the others are kernels/vector/ compiled for their CPU (see there).
 *
 * The order of sums.  The product of two rows of length K is computed in spans of WC_SPAN: inside a span lane l of four
 * adds the products of k = l, l + 4, l + 8 ... one after the other by fused multiply-add, the lanes are then added (0 with 1,
 * 2 with 3, and these), and the spans' sums are added in order.  dot (few rows of x, weights read once) and unpack + tile
 * (many rows) both do exactly this, so a row's result does not depend on how many rows stand beside it, nor on the level of
 * vectors; reference has one lane, and adds each product rounded.
 *
 * Weights of a quantized type are widened to f32 for these (bit for bit the same at every level), or meet x in bytes: x is
 * rounded to whole numbers -127 .. 127 with a scale for every 32, and each group of a block of w (tensor/blocks.h) adds, one
 * after the other along K, with fused multiply-adds,
 *
 *     y += (scale_w scale_x) * sum (u - zero) q          the sum in whole numbers, exactly
 *     y += (min_w scale_x) * -sum q                      where the type has minima
 *
 * so the result is the same bit for bit at every level, for any number of rows.
 *
 * Where a CPU multiplies bf16 by bf16 (level avx512bf16), the same holds for words of two neighbouring values: lane l adds
 * the two products of word l, l + 4 ..., and a span is of WC_SPAN words.  Where it multiplies tiles (level amx), the products of 16
 * words are added first, those of the first values and those of the second ones, these two sums, and then such sums one after
 * the other along K, beginning with what is added.  Where parts are
 * asked of it (backend.h: whole), weights of f32 and f16, and of bf16 where nothing may be rounded, and x are cut in bf16
 * (vector/amx_parts.h), and each 32 values of K are such a product for every pair of parts that counts. */
#ifndef WC_KERNELS_KERNELS_H
#define WC_KERNELS_KERNELS_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tensor/dtype.h"

enum {
    WC_SPAN = 512,      /* values of K summed before they join the total */
    WC_BYTE_SPAN = 768, /* most values of K of a panel of bytes */
    WC_MAX_PANEL = 32,  /* most columns of a panel at any level */
    WC_MAX_TAPS = 225,  /* most taps of a depthwise convolution, 15 x 15 */
    WC_PARTS = 3,       /* in which a float is cut, of values by the WC_PART_STEP, two to a word */
    WC_PART_STEP = 32,
    WC_PART_WORDS = 16,
    WC_PLAIN_TYPES = 3,  /* WC_F32, WC_F16, WC_BF16 */
    WC_QUANT_TYPES = 12, /* WC_Q4_0 to WC_IQ4_XS */
    WC_WEIGHT_TYPES = WC_PLAIN_TYPES +
                      WC_QUANT_TYPES, /* the stored types that kernels read, first in wc_dtype */
    WC_ACTS = 7                       /* entries of wc_act in backend.h */
};

/* Minus the sums of 32 q: of each 16 and of all, of the first two of every four and of the last two; the total, and the total
 * times the scale. */
typedef struct wc_neg_sums {
    int16_t of_16[2][2], of_32[2];
    int32_t total;
    float scaled;
} wc_neg_sums;

/* Rows of x rounded to bytes; k a multiple of 32. */
typedef struct wc_bytes {
    const int8_t *q;        /* [n, k] */
    const float *scale;     /* [n, k / 32] */
    const wc_neg_sums *neg; /* [n, k / 32] */
    size_t k;               /* from row to row; a part of the columns begins further on in all three */
} wc_bytes;

typedef struct wc_kernels {
    const char *level;
    int lanes;        /* of a vector; 1: plain C */
    int tile_rows;    /* rows of x that are packed together */
    int panel_cols;   /* columns of a panel, */
    int bytes_cols;   /* of one of bytes, */
    int pair_cols;    /* and of one of pairs */
    bool pairs_go_on; /* the sums of tile_pairs begin with what is added, rather than being added to it */

    /* panel <- columns w_0 .. w_{n_cols-1} (rows of W, w_stride values apart) of k <= WC_SPAN values, widened to f32, in
     * the order in which tile reads them; missing columns are zero.  panel: panel_cols * WC_SPAN floats, 64-byte aligned. */
    void (*unpack[WC_WEIGHT_TYPES])(float *panel, const void *w, size_t w_stride, size_t n_cols, size_t k);
    /* packed <- n_rows rows of x (x_stride apart) of k values, in the order in which tile reads them: tile_rows at a time, group
     * floats from these to the next, four values of each and then the next four; zeros stand behind k up to four, and rows that
     * are not there are left as they were.  group >= tile_rows * k rounded up to fours, the floats that one takes. */
    void (*pack)(float *packed, size_t group, const float *x, size_t x_stride, size_t n_rows, size_t k);
    /* y[r,c] = add[r,c] + sum_k x[r,k] panel[c,k] for r < n_rows (any), c < n_cols <= panel_cols; x is packed.  Rows lie
     * y_stride and add_stride floats apart; add may be y, or NULL: zeros. */
    void (*tile)(float *y, size_t y_stride, const float *add, size_t add_stride, const float *x,
                 size_t x_group, const float *panel, size_t n_rows, size_t n_cols, size_t k);
    /* y[r,j] = sum_k x[r,k] w[j,k] for r < n_x, j < n_w, any k; each w row is read once for every few rows of x. */
    void (*dot[WC_WEIGHT_TYPES])(float *y, size_t y_stride, const float *x, size_t x_stride, size_t n_x,
                                 const void *w, size_t w_stride, size_t n_w, size_t k);

    /* The same for quantized w (entry t - WC_Q4_0) and x in bytes.  k and w_stride are of whole blocks, k <= WC_BYTE_SPAN for
     * panels; a panel has bytes_cols columns and takes no more than as many of floats.
     * quantize: scale = max |x| / 127 of each 32, q = x / scale rounded to even; NaN scale where x is not finite;
     * neg of each 32 q. */
    void (*quantize)(int8_t *q, float *scale, wc_neg_sums *neg, const float *x, size_t k);
    void (*unpack_bytes[WC_QUANT_TYPES])(void *panel, const void *w, size_t w_stride, size_t n_cols,
                                         size_t k);
    void (*tile_bytes[WC_QUANT_TYPES])(float *y, size_t y_stride, const float *add, size_t add_stride,
                                       const wc_bytes *x, const void *panel, size_t n_rows, size_t n_cols,
                                       size_t k);
    void (*dot_bytes[WC_QUANT_TYPES])(float *y, size_t y_stride, const wc_bytes *x, size_t n_x, const void *w,
                                      size_t w_stride, size_t n_w, size_t k);

    /* The same three for x and w of bf16, by pairs; NULL where the CPU has no such instruction.  Rows of x hold zeros behind k
     * up to a whole vector of 2 lanes values; x_stride is even.  A panel has pair_cols columns of 2 WC_SPAN values. */
    void (*unpack_pairs)(uint16_t *panel, const uint16_t *w, size_t w_stride, size_t n_cols, size_t k);
    void (*tile_pairs)(float *y, size_t y_stride, const float *add, size_t add_stride, const uint16_t *x,
                       size_t x_stride, const uint16_t *panel, size_t n_rows, size_t n_cols,
                       size_t k); /* k <= 2 WC_SPAN */
    void (*dot_pairs)(float *y, size_t y_stride, const uint16_t *x, size_t x_stride, size_t n_x,
                      const uint16_t *w, size_t w_stride, size_t n_w, size_t k);

    /* The same with x in three parts of bf16 (amx_parts.h), as exact as in floats; NULL where the CPU has no tiles.  Of x [k] split
     * writes, for every WC_PART_STEP values, WC_PARTS parts of WC_PART_WORDS words, so many words apart.  tile_parts takes rows by
     * the 16, x_block words from 16 rows to the next, each of them [step][part][16 rows][word]; dot_parts takes up to 16 rows,
     * [step][part][word][row].  A panel has pair_cols columns of WC_SPAN values, WC_PARTS / 2 words each. */
    void (*split)(uint32_t *to, size_t steps_apart, size_t parts_apart, size_t words_apart, const float *x,
                  size_t k);
    void (*unpack_parts[WC_PLAIN_TYPES])(uint32_t *panel, const void *w, size_t w_stride, size_t n_cols,
                                         size_t k);
    void (*tile_parts[WC_PLAIN_TYPES])(float *y, size_t y_stride, const float *add, size_t add_stride,
                                       const uint32_t *x, size_t x_block, const uint32_t *panel,
                                       size_t n_rows, size_t n_cols, size_t k); /* k <= WC_SPAN */
    void (*dot_parts[WC_PLAIN_TYPES])(float *y, size_t y_stride, const uint32_t *x, size_t n_x, const void *w,
                                      size_t w_stride, size_t n_w, size_t k);

    /* o[r,i] = o[r,i] * alpha[r] + sum_j p[r,j] v[j,i], j rising from 0, for r < n_rows, i < d, j < n_keys. */
    void (*mix)(float *o, size_t o_stride, const float *alpha, const float *p, size_t p_stride,
                const float *v, size_t v_stride, size_t n_rows, size_t n_keys, size_t d);

    /* The same of bf16 pairs, NULL like those above: o[r,i] = o[r,i] * alpha[r] + sum_j (p[r,2j] v[j,2i] + p[r,2j+1] v[j,2i+1])
     * for j < n_pairs; v's rows can be read to whole vectors, strides are even; with alpha NULL o begins with zeros.  interleave makes
     * a row of such a v out of two: to[2i] is a[i], to[2i+1] is b[i], to nearest, ties to even; interleave_bf16 of two that are
     * bf16 already. */
    void (*mix_pairs)(float *o, size_t o_stride, const float *alpha, const uint16_t *p, size_t p_stride,
                      const uint16_t *v, size_t v_stride, size_t n_rows, size_t n_pairs, size_t d);
    void (*interleave)(uint16_t *to, const float *a, const float *b, size_t n);
    void (*interleave_bf16)(uint16_t *to, const uint16_t *a, const uint16_t *b, size_t n);

    /* A row of n scores becomes weights: t_i = scale s_i, for soft_cap > 0 soft_cap tanh(t_i / soft_cap);
     * m' = max(*m, max t_i); s_i = exp(t_i - m'); *z = *z exp(*m - m') + sum s_i; *m = m'.  Returns exp(*m - m'), 0 for the
     * first block (*m -inf, *z 0).  n >= 1. */
    float (*weigh)(float *s, size_t n, float scale, float soft_cap, float *m, float *z);
    /* The same for a scale above 0, the weights going to p as narrow_bf16 rounds them; what s holds then is not said.  NULL with
     * mix_pairs. */
    float (*weigh_pairs)(uint16_t *p, float *s, size_t n, float scale, float soft_cap, float *m, float *z);

    void (*widen[WC_WEIGHT_TYPES])(float *y, const void *x, size_t n);
    void (*narrow_bf16)(uint16_t *y, const float *x, size_t n); /* to nearest, ties to even */

    /* Elementwise; y may be an input.  act: index of wc_act. */
    void (*act[WC_ACTS])(float *y, const float *x, size_t n);
    void (*act_mul[WC_ACTS])(float *y, const float *x, const float *z, size_t n); /* act(x) z */
    void (*add)(float *y, const float *x, const float *z, float s, size_t n);     /* (x + z) s */
    void (*mul)(float *y, const float *x, const float *z, size_t n);
    void (*scale)(float *y, const float *x, float s, size_t n);
    void (*mul_add)(float *y, const float *x, const float *z, const float *a,
                    size_t n);                                       /* x z + a, rounded twice */
    void (*axpy)(float *y, float s, const float *x, size_t n);       /* y += s x, fused */
    void (*soft_cap)(float *y, const float *x, float cap, size_t n); /* cap tanh(x / cap) */

    /* Reductions of a row, in one order at all levels of vectors. */
    float (*sum)(const float *x, size_t n);
    float (*sum_squares)(const float *x, float shift, size_t n); /* sum (x - shift)^2 */
    float (*maximum)(const float *x, size_t n);                  /* n >= 1 */
    /* y = exp(x - shift), returns the sum of y. */
    float (*exp_sum)(float *y, const float *x, float shift, size_t n);
    /* y = max(0, x - floor). */
    void (*shrink)(float *y, const float *x, float floor, size_t n);

    /* Depthwise convolution of neighbouring pixels: y[p * y_stride + c] = sum over taps t < n_taps of
     * x[t][p * x_step + c] * w[t * w_stride + c], t rising, fused, for p < n_pixels, c < channels; x[t] NULL: zero. */
    void (*depthwise)(float *y, size_t y_stride, const float *const *x, size_t x_step, const float *w,
                      size_t w_stride, size_t n_taps, size_t n_pixels, size_t channels);
    /* n fused multiply-adds a lane on registers only: the bare stream of tile; returns a value so that it is computed. */
    float (*burn)(size_t n);
    float (*burn_pairs)(size_t n); /* of tile_pairs; NULL with it */
    float (*burn_bytes)(size_t n); /* of tile_bytes: n times four products a lane */
    /* Reads n bytes and returns something of them. */
    uint64_t (*read)(const void *p, size_t n);
} wc_kernels;

/* The tables; NULL when the build has none for this architecture. */
const wc_kernels *wc_kernels_reference(void);
const wc_kernels *wc_kernels_avx2(void);
const wc_kernels *wc_kernels_avx512(void);
const wc_kernels *wc_kernels_avx512bf16(void);
const wc_kernels *wc_kernels_amx(void);
const wc_kernels *wc_kernels_neon(void);
#endif
