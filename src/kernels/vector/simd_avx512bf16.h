/* simd_avx512bf16.h - what AVX512_BF16 adds: c[l] + a[2l] b[2l] + a[2l+1] b[2l+1] of bf16 values, two to a lane. */
#define v_pairs(a, b, c) _mm512_dpbf16_ps(c, (__m512bh)(a), (__m512bh)(b))
/* 2L values to nearest, ties to even; those below 2^-126 become 0. */
#define v_store_pairs(p, a, b) _mm512_storeu_si512(p, (__m512i)_mm512_cvtne2ps_pbh(b, a))
/* Whether some value is below 2^-126 and not 0. */
#define v_has_tiny(a)                                                                                        \
    ((_mm512_cmp_ps_mask(v_abs(a), _mm512_set1_ps(0x1p-126f), _CMP_LT_OQ) &                                  \
      _mm512_cmp_ps_mask(a, _mm512_setzero_ps(), _CMP_NEQ_OQ)) != 0)
/* a 2^n for whole n */
#define v_times_pow2(a, n) _mm512_scalef_ps(a, n)
