/* simd_avx512.h - the vocabulary of kernels/vector in AVX-512 (F, BW, DQ, VL): 16 lanes. */
#include "kernels/vector/simd_x86.h"

enum { L = 16 };
#define TILE_ROWS 6
#define MIX_ROWS  12
typedef __m512 vec;

#define v_zero()                 _mm512_setzero_ps()
#define v_all(x)                 _mm512_set1_ps(x)
#define v_load(p)                _mm512_loadu_ps(p)
#define v_load_aligned(p)        _mm512_load_ps(p)
#define v_store(p, a)            _mm512_storeu_ps(p, a)
#define v_add(a, b)              _mm512_add_ps(a, b)
#define v_sub(a, b)              _mm512_sub_ps(a, b)
#define v_mul(a, b)              _mm512_mul_ps(a, b)
#define v_div(a, b)              _mm512_div_ps(a, b)
#define v_fma(a, b, c)           _mm512_fmadd_ps(a, b, c)
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
/* The largest lane; none is NaN. */
#define v_top(a) top_of_8(_mm256_max_ps(_mm512_castps512_ps256(a), _mm512_extractf32x8_ps(a, 1)))
