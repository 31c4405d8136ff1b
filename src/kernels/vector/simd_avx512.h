/* simd_avx512.h - the vocabulary of kernels/vector in AVX-512 (F, BW, DQ, VL): 16 lanes. */
#include "kernels/vector/simd_x86.h"

enum { L = 16 };
#define TILE_ROWS 6
#define MIX_ROWS  12
typedef __m512 vec;

/* Fetching weights (product.h).  What has AMX is from Intel, and so is what has AVX-512 but no product of bf16; the others stand by
 * Zen 4, whose first cache has few places for what is on its way. */
#if defined(BY_TILES) || !defined(__AVX512BF16__)
enum { STREAMS = 4, AHEAD = 2 * 1024, ROWS_AHEAD = 1024, MARGIN = 0, PAGES_AHEAD = 0 };
#define FETCH(p) __builtin_prefetch(p, 0, 3)
#else
enum {
    STREAMS = 1, /* 4 were not tried there */
    AHEAD = 16 * 1024,
    ROWS_AHEAD = 16 * 1024,
    MARGIN = 8 * 1024,
    PAGES_AHEAD = 32 * 1024
};
#define FETCH(p) __builtin_prefetch(p, 0, 2)
#endif

#define v_zero()          _mm512_setzero_ps()
#define v_all(x)          _mm512_set1_ps(x)
#define v_load(p)         _mm512_loadu_ps(p)
#define v_load_aligned(p) _mm512_load_ps(p)
#define v_store(p, a)     _mm512_storeu_ps(p, a)
#define v_add(a, b)       _mm512_add_ps(a, b)
#define v_sub(a, b)       _mm512_sub_ps(a, b)
#define v_mul(a, b)       _mm512_mul_ps(a, b)
#define v_div(a, b)       _mm512_div_ps(a, b)
#define v_fma(a, b, c)    _mm512_fmadd_ps(a, b, c)
#ifndef HIDE /* not emulated */
#define ADD_IN_PLACE(acc, a, b) __asm__("vfmadd231ps %2, %1, %0" : "+v"(acc) : "v"(a), "v"(b))
#endif
#define v_min(a, b)              _mm512_min_ps(a, b)
#define v_max(a, b)              _mm512_max_ps(a, b)
#define v_round(a)               _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)
#define v_abs(a)                 _mm512_abs_ps(a)
#define v_sign_of(a, b)          _mm512_or_ps(a, _mm512_and_ps(_mm512_set1_ps(-0.0f), b)) /* |a| with the sign of b */
#define v_if_less(a, b, yes, no) _mm512_mask_blend_ps(_mm512_cmp_ps_mask(a, b, _CMP_LT_OQ), no, yes)
#define v_if_nan(a, yes, no)     _mm512_mask_blend_ps(_mm512_cmp_ps_mask(a, a, _CMP_UNORD_Q), no, yes)
/* 2^n for whole n from -126 to 127 */
#define v_pow2(n)                                                                                            \
    _mm512_castsi512_ps(                                                                                     \
        _mm512_slli_epi32(_mm512_add_epi32(_mm512_cvtps_epi32(n), _mm512_set1_epi32(127)), 23))

/* The first n of L values, 0 < n <= L; behind them a load gives zeros. */
#define v_load_first(p, n)     _mm512_maskz_loadu_ps((__mmask16)(0xffffu >> (L - (n))), p)
#define v_store_first(p, a, n) _mm512_mask_storeu_ps(p, (__mmask16)(0xffffu >> (L - (n))), a)

static inline vec v_load_bf16(const uint16_t *p)
{
    return _mm512_castsi512_ps(
        _mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)p)), 16));
}

static inline vec v_load_f16(const uint16_t *p)
{
    return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)p));
}

/* Whole numbers of a byte each. */
static inline void v_store_bytes(int8_t *p, vec a)
{
    _mm_storeu_si128((__m128i *)p, _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(a)));
}

static inline __m256 halves(vec a)
{
    return _mm256_add_ps(_mm512_castps512_ps256(a), _mm512_extractf32x8_ps(a, 1));
}

/* The lanes' sum by halves: 0 + 8, 1 + 9 ...; then 0 + 4 ...; 0 + 2, 1 + 3; 0 + 1. */
#define v_sum(a) sum_of_8(halves(a))

/* Four floats in every quarter. */
#define v_quarters(p) _mm512_broadcast_f32x4(_mm_loadu_ps(p))

/* Quarter q of vector v becomes quarter v of vector q. */
static inline void v_turn_quarters(vec t[4])
{
    const vec l0 = _mm512_shuffle_f32x4(t[0], t[1], 0x44), h0 = _mm512_shuffle_f32x4(t[0], t[1], 0xee),
              l1 = _mm512_shuffle_f32x4(t[2], t[3], 0x44), h1 = _mm512_shuffle_f32x4(t[2], t[3], 0xee);
    t[0] = _mm512_shuffle_f32x4(l0, l1, 0x88);
    t[1] = _mm512_shuffle_f32x4(l0, l1, 0xdd);
    t[2] = _mm512_shuffle_f32x4(h0, h1, 0x88);
    t[3] = _mm512_shuffle_f32x4(h0, h1, 0xdd);
}

/* Of each quarter the sum by pairs, 0 + 1, 2 + 3; then of these: of quarter q of the four vectors where quarter q was. */
static inline vec v_sum_lanes(vec a, vec b, vec c, vec d)
{
    const vec ab = v_add(_mm512_shuffle_ps(a, b, 0x88), _mm512_shuffle_ps(a, b, 0xdd)),
              cd = v_add(_mm512_shuffle_ps(c, d, 0x88), _mm512_shuffle_ps(c, d, 0xdd));
    return v_add(_mm512_shuffle_ps(ab, cd, 0x88), _mm512_shuffle_ps(ab, cd, 0xdd));
}

/* The largest lane; none is NaN. */
#define v_top(a) top_of_8(_mm256_max_ps(_mm512_castps512_ps256(a), _mm512_extractf32x8_ps(a, 1)))
