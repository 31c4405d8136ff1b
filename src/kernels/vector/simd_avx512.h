/* simd_avx512.h - the vocabulary of kernels/vector in AVX-512 (F, BW, DQ, VL): 16 lanes. */
#include <immintrin.h>

enum { L = 16, TILE_ROWS = 12 };
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

/* The lanes' sum by halves: 0 + 8, 1 + 9 ...; then 0 + 4 ...; 0 + 2, 1 + 3; 0 + 1. */
static inline float v_sum(vec a)
{
    __m256 h = _mm256_add_ps(_mm512_castps512_ps256(a), _mm512_extractf32x8_ps(a, 1));
    __m128 s = _mm_add_ps(_mm256_castps256_ps128(h), _mm256_extractf128_ps(h, 1));
    s = _mm_add_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}

static inline void v_transpose(vec r[16])
{
    vec t[16], u[16];
    for (int i = 0; i < 16; i += 2) {
        t[i] = _mm512_unpacklo_ps(r[i], r[i + 1]);
        t[i + 1] = _mm512_unpackhi_ps(r[i], r[i + 1]);
    }
    for (int i = 0; i < 16; i += 4) { /* u[i + c]: in 128-bit lane b, column 4b + c of rows i .. i + 3 */
        u[i] = _mm512_shuffle_ps(t[i], t[i + 2], 0x44);
        u[i + 1] = _mm512_shuffle_ps(t[i], t[i + 2], 0xee);
        u[i + 2] = _mm512_shuffle_ps(t[i + 1], t[i + 3], 0x44);
        u[i + 3] = _mm512_shuffle_ps(t[i + 1], t[i + 3], 0xee);
    }
    for (int c = 0; c < 4; c++) {
        vec a = _mm512_shuffle_f32x4(u[c], u[4 + c], 0x88), b = _mm512_shuffle_f32x4(u[c], u[4 + c], 0xdd);
        vec d = _mm512_shuffle_f32x4(u[8 + c], u[12 + c], 0x88),
            e = _mm512_shuffle_f32x4(u[8 + c], u[12 + c], 0xdd);
        r[c] = _mm512_shuffle_f32x4(a, d, 0x88);
        r[8 + c] = _mm512_shuffle_f32x4(a, d, 0xdd);
        r[4 + c] = _mm512_shuffle_f32x4(b, e, 0x88);
        r[12 + c] = _mm512_shuffle_f32x4(b, e, 0xdd);
    }
}
