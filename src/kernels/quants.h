/* quants.h - what every level needs to know of the quantized types (tensor/blocks.h): a row of constants each, and the scales of
 * one block. */
#ifndef WC_KERNELS_QUANTS_H
#define WC_KERNELS_QUANTS_H
#include <stdbool.h>
#include <string.h>

#include "tensor/blocks.h"
#include "tensor/half.h"

/* Loops over accumulators must vanish, or the accumulators lie in memory; instrumented or emulated code would take minutes to
 * compile. */
#ifndef UNROLL
#ifdef WC_POISON
#define UNROLL
#elif defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 24")
#endif
#endif

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

#define SCALES(type)         static inline void wc_scales_##type(const wc_##type *b, float *scale, float *min)
#define HALF(type, field)    wc_half(b->field)
#define BYTE(type, field, i) ((int)(uint8_t)b->field[i])
#define whole                int
#define real                 float
#define real_of(x)           (float)(x)
#include "kernels/scales.h"
#endif
