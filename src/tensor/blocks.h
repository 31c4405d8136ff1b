/* blocks.h - the bytes of a block of each quantized type, as GGUF files have them.
 *
 * Every type is of one form.  A block falls into groups of 16 or 32 values, and value i of group g is
 *
 *     w = scale[g] * (u[i] - zero) - min[g]          0 <= u <= top, whole; zero is the type's
 *
 * where the groups' scales and minima (if the type has any) are made of the block's own f16 scales d and dmin and of small
 * whole numbers.  Integers of several bytes are little-endian; a block may lie at any address.  n runs of 32 values: run j
 * has groups 2j and 2j + 1 where groups are of 16. */
#ifndef WC_TENSOR_BLOCKS_H
#define WC_TENSOR_BLOCKS_H
#include <stdint.h>

/* 32 values in 16 bytes: value i in the low half of byte i, value i + 16 in its high half.  w = d (u - 8). */
typedef struct wc_q4_0 {
    uint8_t d[2], q[16];
} wc_q4_0;

/* The same, w = d u + m. */
typedef struct wc_q4_1 {
    uint8_t d[2], m[2], q[16];
} wc_q4_1;

/* The same with a fifth bit: bit i of high.  w = d (u - 16). */
typedef struct wc_q5_0 {
    uint8_t d[2], high[4], q[16];
} wc_q5_0;

/* w = d u + m. */
typedef struct wc_q5_1 {
    uint8_t d[2], m[2], high[4], q[16];
} wc_q5_1;

/* 32 signed bytes.  w = d q; u is q + 128. */
typedef struct wc_q8_0 {
    uint8_t d[2];
    int8_t q[32];
} wc_q8_0;

/* 256 values of 2 bits: run j in bits 2 (j % 4) .. of q[32 (j / 4)] ..  Group g of 16: its scale is d times the low half of
 * scales[g], its minimum dmin times the high half. */
typedef struct wc_q2_k {
    uint8_t scales[16], q[64], d[2], dmin[2];
} wc_q2_k;

/* 256 values of 3 bits: the low two as in q2_k, the third in bit j of high[i].  w = d (s[g] - 32) (u - 4), the 16 s of 6
 * bits packed into scales. */
typedef struct wc_q3_k {
    uint8_t high[32], q[64], scales[12], d[2];
} wc_q3_k;

/* 256 values of 4 bits: run j in the low (j even) or high half of q[32 (j / 2)] ..  w = d s[j] u - dmin m[j], the 8 s and 8
 * m of 6 bits packed into scales. */
typedef struct wc_q4_k {
    uint8_t d[2], dmin[2], scales[12], q[128];
} wc_q4_k;

/* The same with a fifth bit: bit j of high[i]. */
typedef struct wc_q5_k {
    uint8_t d[2], dmin[2], scales[12], high[32], q[128];
} wc_q5_k;

/* 256 values of 6 bits.  Run j = 4 n + r: the low four in the low (r < 2) or high half of low[64 n + 32 (r % 2)] .., the
 * high two in bits 2 r .. of high[32 n] ..  w = d scales[g] (u - 32). */
typedef struct wc_q6_k {
    uint8_t low[128], high[64];
    int8_t scales[16];
    uint8_t d[2];
} wc_q6_k;

/* As q4_0, but a half byte is an index into wc_iq4_values; u is its value + 128. */
typedef struct wc_iq4_nl {
    uint8_t d[2], q[16];
} wc_iq4_nl;

/* 256 of these: run j in q[16 j] ..  w = d (s[j] - 32) value; s: the low four bits in scales_low, half byte j, the high
 * two in bits 2 j .. of scales_high. */
typedef struct wc_iq4_xs {
    uint8_t d[2], scales_high[2], scales_low[4], q[128];
} wc_iq4_xs;

static const int8_t wc_iq4_values[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                         1,    13,   25,  38,  53,  69,  89,  113};
#endif
