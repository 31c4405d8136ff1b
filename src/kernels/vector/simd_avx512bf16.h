/* simd_avx512bf16.h - what AVX512_BF16 adds: c[l] + a[2l] b[2l] + a[2l+1] b[2l+1] of bf16 values, two to a lane. */
#define v_pairs(a, b, c) _mm512_dpbf16_ps(c, (__m512bh)(a), (__m512bh)(b))
