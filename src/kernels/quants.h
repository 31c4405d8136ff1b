/* quants.h - what every level needs to know of the quantized types (tensor/blocks.h): a row of constants each, and how the
 * scales of a block's groups are made.  The order of the operations is that of the files' makers, in f32. */
#ifndef WC_KERNELS_QUANTS_H
#define WC_KERNELS_QUANTS_H
#include <stdbool.h>
#include <string.h>

#include "tensor/blocks.h"
#include "tensor/half.h"

/* X(name, values of a block, values of a group, zero, top, has minima), in the order of wc_dtype from WC_Q4_0 on. */
#define WC_EACH_QUANT(X)                                                                                     \
    X(q4_0, 32, 32, 8, 15, false)                                                                            \
    X(q4_1, 32, 32, 0, 15, true)                                                                             \
    X(q5_0, 32, 32, 16, 31, false)                                                                           \
    X(q5_1, 32, 32, 0, 31, true)                                                                             \
    X(q8_0, 32, 32, 128, 255, false)                                                                         \
    X(q2_k, 256, 16, 0, 3, true)                                                                             \
    X(q3_k, 256, 16, 4, 7, false)                                                                            \
    X(q4_k, 256, 32, 0, 15, true)                                                                            \
    X(q5_k, 256, 32, 0, 31, true)                                                                            \
    X(q6_k, 256, 16, 32, 63, false)                                                                          \
    X(iq4_nl, 32, 32, 128, 255, false)                                                                       \
    X(iq4_xs, 256, 32, 128, 255, false)

enum { WC_MAX_GROUPS = 16 }; /* of a block */

static inline void wc_scales_q4_0(const wc_q4_0 *b, float *scale, float *min)
{
    scale[0] = wc_half(b->d);
    (void)min;
}

static inline void wc_scales_q4_1(const wc_q4_1 *b, float *scale, float *min)
{
    scale[0] = wc_half(b->d);
    min[0] = -wc_half(b->m);
}

static inline void wc_scales_q5_0(const wc_q5_0 *b, float *scale, float *min)
{
    scale[0] = wc_half(b->d);
    (void)min;
}

static inline void wc_scales_q5_1(const wc_q5_1 *b, float *scale, float *min)
{
    scale[0] = wc_half(b->d);
    min[0] = -wc_half(b->m);
}

static inline void wc_scales_q8_0(const wc_q8_0 *b, float *scale, float *min)
{
    scale[0] = wc_half(b->d);
    (void)min;
}

static inline void wc_scales_iq4_nl(const wc_iq4_nl *b, float *scale, float *min)
{
    scale[0] = wc_half(b->d);
    (void)min;
}

static inline void wc_scales_q2_k(const wc_q2_k *b, float *scale, float *min)
{
    const float d = wc_half(b->d), dmin = wc_half(b->dmin);
    for (int g = 0; g < 16; g++) {
        scale[g] = d * (float)(b->scales[g] & 15);
        min[g] = dmin * (float)(b->scales[g] >> 4);
    }
}

/* Sixteen numbers of 6 bits: the low four of g in half byte g of the first 8 bytes (low halves first), the high two in bits
 * 2 (g / 4) of byte 8 + g % 4. */
static inline void wc_scales_q3_k(const wc_q3_k *b, float *scale, float *min)
{
    const float d = wc_half(b->d);
    for (int g = 0; g < 16; g++) {
        const int low = b->scales[g % 8] >> (g < 8 ? 0 : 4) & 15,
                  high = b->scales[8 + g % 4] >> 2 * (g / 4) & 3;
        scale[g] = d * (float)((low | high << 4) - 32);
    }
    (void)min;
}

/* Eight scales and eight minima of 6 bits in 12 bytes: those of groups 0 to 3 in the low six bits of bytes 0-3 and 4-7,
 * whose high two bits are the high bits of groups 4 to 7; their low four are the halves of bytes 8-11. */
static inline void wc_scales_4k(const uint8_t *packed, float d, float dmin, float *scale, float *min)
{
    for (int g = 0; g < 4; g++) {
        scale[g] = d * (float)(packed[g] & 63);
        min[g] = dmin * (float)(packed[g + 4] & 63);
        scale[g + 4] = d * (float)((packed[g + 8] & 15) | packed[g] >> 6 << 4);
        min[g + 4] = dmin * (float)(packed[g + 8] >> 4 | packed[g + 4] >> 6 << 4);
    }
}

static inline void wc_scales_q4_k(const wc_q4_k *b, float *scale, float *min)
{
    wc_scales_4k(b->scales, wc_half(b->d), wc_half(b->dmin), scale, min);
}

static inline void wc_scales_q5_k(const wc_q5_k *b, float *scale, float *min)
{
    wc_scales_4k(b->scales, wc_half(b->d), wc_half(b->dmin), scale, min);
}

static inline void wc_scales_q6_k(const wc_q6_k *b, float *scale, float *min)
{
    const float d = wc_half(b->d);
    for (int g = 0; g < 16; g++)
        scale[g] = d * (float)b->scales[g];
    (void)min;
}

static inline void wc_scales_iq4_xs(const wc_iq4_xs *b, float *scale, float *min)
{
    const float d = wc_half(b->d);
    const int high = b->scales_high[0] | b->scales_high[1] << 8;
    for (int g = 0; g < 8; g++)
        scale[g] = d * (float)(((b->scales_low[g / 2] >> 4 * (g % 2) & 15) | (high >> 2 * g & 3) << 4) - 32);
    (void)min;
}
#endif
