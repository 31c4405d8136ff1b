/* simd_avx2.h - the vocabulary of kernels/vector in AVX2, FMA and F16C: 8 lanes. */
#include "kernels/vector/simd_x86.h"

enum { L = 8 };
#define TILE_ROWS 3
#define MIX_ROWS  6
typedef __m256 vec;

/* Fetching weights (product.h), by Zen 3: from one place at a time a decode takes half as long again; 2 KB ahead 6 % longer, not at all
 * 3 %, to the second cache or with pages touched a tenth. */
enum { STREAMS = 4, AHEAD = 512, ROWS_AHEAD = 1024, MARGIN = 0, PAGES_AHEAD = 0 };
#define FETCH(p) __builtin_prefetch(p)

#define v_zero()                 _mm256_setzero_ps()
#define v_all(x)                 _mm256_set1_ps(x)
#define v_load(p)                _mm256_loadu_ps(p)
#define v_load_aligned(p)        _mm256_load_ps(p)
#define v_store(p, a)            _mm256_storeu_ps(p, a)
#define v_add(a, b)              _mm256_add_ps(a, b)
#define v_sub(a, b)              _mm256_sub_ps(a, b)
#define v_mul(a, b)              _mm256_mul_ps(a, b)
#define v_div(a, b)              _mm256_div_ps(a, b)
#define v_fma(a, b, c)           _mm256_fmadd_ps(a, b, c)
#define v_min(a, b)              _mm256_min_ps(a, b)
#define v_max(a, b)              _mm256_max_ps(a, b)
#define v_round(a)               _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)
#define v_abs(a)                 _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a)
#define v_sign_of(a, b)          _mm256_or_ps(a, _mm256_and_ps(_mm256_set1_ps(-0.0f), b)) /* |a| with the sign of b */
#define v_if_less(a, b, yes, no) _mm256_blendv_ps(no, yes, _mm256_cmp_ps(a, b, _CMP_LT_OQ))
#define v_if_nan(a, yes, no)     _mm256_blendv_ps(no, yes, _mm256_cmp_ps(a, a, _CMP_UNORD_Q))
/* 2^n for whole n from -126 to 127 */
#define v_pow2(n)                                                                                            \
    _mm256_castsi256_ps(                                                                                     \
        _mm256_slli_epi32(_mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127)), 23))

/* The first n of L values, 0 < n <= L; behind them a load gives zeros. */
#define v_load_first(p, n)     _mm256_maskload_ps(p, first_of_8(n))
#define v_store_first(p, a, n) _mm256_maskstore_ps(p, first_of_8(n), a)

static inline __m256i first_of_8(size_t n)
{
    return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

static inline vec v_load_bf16(const uint16_t *p)
{
    return _mm256_castsi256_ps(
        _mm256_slli_epi32(_mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)p)), 16));
}

static inline vec v_load_f16(const uint16_t *p)
{
    return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)p));
}

/* The lanes' sum by halves: 0 + 4, 1 + 5 ...; then 0 + 2, 1 + 3; then 0 + 1. */
#define v_sum(a) sum_of_8(a)

/* Four floats in every quarter (of a vector of 16: here there are two). */
#define v_quarters(p) _mm256_broadcast_ps((const __m128 *)(p))

/* Quarter q of vector v becomes quarter v of vector q. */
static inline void v_turn_quarters(vec t[2])
{
    const vec low = _mm256_permute2f128_ps(t[0], t[1], 0x20);
    t[1] = _mm256_permute2f128_ps(t[0], t[1], 0x31);
    t[0] = low;
}

/* Of each quarter the sum by pairs, 0 + 1, 2 + 3; then of these: of quarter q of the four vectors where quarter q was. */
static inline vec v_sum_lanes(vec a, vec b, vec c, vec d)
{
    const vec ab = v_add(_mm256_shuffle_ps(a, b, 0x88), _mm256_shuffle_ps(a, b, 0xdd)),
              cd = v_add(_mm256_shuffle_ps(c, d, 0x88), _mm256_shuffle_ps(c, d, 0xdd));
    return v_add(_mm256_shuffle_ps(ab, cd, 0x88), _mm256_shuffle_ps(ab, cd, 0xdd));
}

/* Whole numbers of a byte each. */
static inline void v_store_bytes(int8_t *p, vec a)
{
    const __m256i i = _mm256_cvtps_epi32(a);
    const __m128i words = _mm_packs_epi32(_mm256_castsi256_si128(i), _mm256_extracti128_si256(i, 1));
    _mm_storel_epi64((__m128i *)p, _mm_packs_epi16(words, words));
}

/* The largest lane; none is NaN. */
#define v_top(a) top_of_8(a)
