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

/* The lanes' sum by halves: 0 + 8, 1 + 9 ...; then 0 + 4 ...; 0 + 2, 1 + 3; 0 + 1.  v_sum4: of four vectors. */
#define v_sum(a)           sum_of_8(halves(a))
#define v_sum4(a, b, c, d) sum4_of_8(halves(a), halves(b), halves(c), halves(d))
/* The same additions for four or two rows of four vectors at once. */
#define V_SUMS_OF_ROWS
/* A vector's four sums in each quarter: a b c d. */
static inline __m512 sums_of_4(__m512 a, __m512 b, __m512 c, __m512 d)
{
    const __m512 ab = _mm512_add_ps(_mm512_shuffle_f32x4(a, b, 0x44), _mm512_shuffle_f32x4(a, b, 0xee));
    const __m512 cd = _mm512_add_ps(_mm512_shuffle_f32x4(c, d, 0x44), _mm512_shuffle_f32x4(c, d, 0xee));
    return _mm512_add_ps(_mm512_shuffle_f32x4(ab, cd, 0x88), _mm512_shuffle_f32x4(ab, cd, 0xdd));
}

static inline __m512 sums_of_quarters(__m512 a, __m512 b)
{
    return _mm512_add_ps(_mm512_shuffle_ps(a, b, 0x44), _mm512_shuffle_ps(a, b, 0xee));
}

static inline void v_sum4_of_4(quad sums[4], const vec a[4], const vec b[4], const vec c[4], const vec d[4])
{
    const __m512 s01 = sums_of_quarters(sums_of_4(a[0], b[0], c[0], d[0]), sums_of_4(a[1], b[1], c[1], d[1]));
    const __m512 s23 = sums_of_quarters(sums_of_4(a[2], b[2], c[2], d[2]), sums_of_4(a[3], b[3], c[3], d[3]));
    const __m512 s = _mm512_add_ps(_mm512_shuffle_ps(s01, s23, 0x88), _mm512_shuffle_ps(s01, s23, 0xdd));
    sums[0] = _mm512_castps512_ps128(s);
    sums[1] = _mm512_extractf32x4_ps(s, 1);
    sums[2] = _mm512_extractf32x4_ps(s, 2);
    sums[3] = _mm512_extractf32x4_ps(s, 3);
}

static inline void v_sum4_of_2(quad sums[2], const vec a[4], const vec b[4])
{
    const __m512i rows = _mm512_setr_epi32(0, 4, 8, 12, 2, 6, 10, 14, 0, 0, 0, 0, 0, 0, 0, 0);
    const __m512 ab = sums_of_quarters(sums_of_4(a[0], a[1], a[2], a[3]), sums_of_4(b[0], b[1], b[2], b[3]));
    const __m512 s = _mm512_permutexvar_ps(rows, _mm512_add_ps(ab, _mm512_shuffle_ps(ab, ab, 0xb1)));
    sums[0] = _mm512_castps512_ps128(s);
    sums[1] = _mm512_extractf32x4_ps(s, 1);
}

/* The largest lane; none is NaN. */
#define v_top(a) top_of_8(_mm256_max_ps(_mm512_castps512_ps256(a), _mm512_extractf32x8_ps(a, 1)))
