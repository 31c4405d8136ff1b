/* simd_avx512bf16.h - what AVX512_BF16 adds: c[l] + a[2l] b[2l] + a[2l+1] b[2l+1] of bf16 values, two to a lane. */
#define v_pairs(a, b, c) _mm512_dpbf16_ps(c, (__m512bh)(a), (__m512bh)(b))
/* 2L values to nearest, ties to even; those below 2^-126 become 0. */
#define v_store_pairs(p, a, b) _mm512_storeu_si512(p, (__m512i)_mm512_cvtne2ps_pbh(b, a))
/* a 2^n for whole n */
#define v_times_pow2(a, n) _mm512_scalef_ps(a, n)
