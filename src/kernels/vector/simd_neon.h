/* simd_neon.h - the vocabulary of kernels/vector in NEON (aarch64): 4 lanes. */
#include <arm_neon.h>

enum { L = 4 };
#define TILE_ROWS 6
#define MIX_ROWS  12
typedef float32x4_t vec;

/* Fetching weights (product.h); not measured. */
enum { STREAMS = 4, AHEAD = 2 * 1024, ROWS_AHEAD = 1024, MARGIN = 0, PAGES_AHEAD = 0 };
#define FETCH(p) __builtin_prefetch(p)

#define v_zero()                 vdupq_n_f32(0)
#define v_all(x)                 vdupq_n_f32(x)
#define v_load(p)                vld1q_f32(p)
#define v_load_aligned(p)        vld1q_f32(p)
#define v_store(p, a)            vst1q_f32(p, a)
#define v_add(a, b)              vaddq_f32(a, b)
#define v_sub(a, b)              vsubq_f32(a, b)
#define v_mul(a, b)              vmulq_f32(a, b)
#define v_div(a, b)              vdivq_f32(a, b)
#define v_fma(a, b, c)           vfmaq_f32(c, a, b)
#define v_min(a, b)              vminq_f32(a, b)
#define v_max(a, b)              vmaxq_f32(a, b)
#define v_round(a)               vrndnq_f32(a)
#define v_abs(a)                 vabsq_f32(a)
#define v_sign_of(a, b)          vbslq_f32(vdupq_n_u32(0x80000000u), b, a) /* |a| with the sign of b */
#define v_if_less(a, b, yes, no) vbslq_f32(vcltq_f32(a, b), yes, no)
#define v_if_nan(a, yes, no)     vbslq_f32(vceqq_f32(a, a), no, yes)
/* 2^n for whole n from -126 to 127 */
#define v_pow2(n) vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(vcvtnq_s32_f32(n), vdupq_n_s32(127)), 23))

/* The first n of L values, 0 < n <= L; behind them a load gives zeros. */
static inline vec v_load_first(const float *p, size_t n)
{
    float copy[4] = {0};
    memcpy(copy, p, n * sizeof *p);
    return vld1q_f32(copy);
}

static inline void v_store_first(float *p, vec a, size_t n)
{
    float copy[4];
    vst1q_f32(copy, a);
    memcpy(p, copy, n * sizeof *p);
}

static inline vec v_load_bf16(const uint16_t *p)
{
    return vreinterpretq_f32_u32(vshll_n_u16(vld1_u16(p), 16));
}

static inline vec v_load_f16(const uint16_t *p)
{
    return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p)));
}

/* The lanes' sum by halves: 0 + 2, 1 + 3; then 0 + 1. */
static inline float v_sum(vec a)
{
    float32x2_t s = vadd_f32(vget_low_f32(a), vget_high_f32(a));
    return vget_lane_f32(s, 0) + vget_lane_f32(s, 1);
}

/* Four floats; a vector is one quarter (of a vector of 16). */
#define v_quarters(p)      vld1q_f32(p)
#define v_turn_quarters(t) (void)(t)

/* The sums by pairs of four vectors: 0 + 1, 2 + 3; then of these. */
#define v_sum_lanes(a, b, c, d) vpaddq_f32(vpaddq_f32(a, b), vpaddq_f32(c, d))

/* Whole numbers of a byte each. */
static inline void v_store_bytes(int8_t *p, vec a)
{
    const int16x4_t words = vmovn_s32(vcvtnq_s32_f32(a));
    const int8x8_t bytes = vmovn_s16(vcombine_s16(words, words));
    memcpy(p, &bytes, 4);
}

/* The largest lane; none is NaN. */
#define v_top(a) vmaxvq_f32(a)
