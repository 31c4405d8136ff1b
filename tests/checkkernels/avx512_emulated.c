/* avx512_emulated.c - the AVX-512 kernels, from their own source, on a CPU that has no AVX-512: SIMDe computes each
 * instruction with AVX2.  Slow, and only for this test. */
#define SIMDE_ENABLE_NATIVE_ALIASES
#include <simde/x86/avx512.h>
#include <simde/x86/f16c.h>
#include <simde/x86/fma.h>

#include "check.h"

/* These are missing in SIMDe 0.7.4. */
static inline simde__m512i emulated_cvtepu16(simde__m256i a)
{
    simde__m512i_private r;
    r.m256i[0] = simde_mm256_cvtepu16_epi32(simde_mm256_castsi256_si128(a));
    r.m256i[1] = simde_mm256_cvtepu16_epi32(simde_mm256_extracti128_si256(a, 1));
    return simde__m512i_from_private(r);
}

static inline simde__m512i emulated_cvtps(simde__m512 a)
{
    simde__m512_private x = simde__m512_to_private(a);
    simde__m512i_private r;
    r.m256i[0] = simde_mm256_cvtps_epi32(x.m256[0]);
    r.m256i[1] = simde_mm256_cvtps_epi32(x.m256[1]);
    return simde__m512i_from_private(r);
}

static inline simde__m512 emulated_cvtph(simde__m256i a)
{
    simde__m512_private r;
    r.m256[0] = simde_mm256_cvtph_ps(simde_mm256_castsi256_si128(a));
    r.m256[1] = simde_mm256_cvtph_ps(simde_mm256_extracti128_si256(a, 1));
    return simde__m512_from_private(r);
}

static inline simde__m256 emulated_extract(simde__m512 a, int half)
{
    return simde__m512_to_private(a).m256[half];
}

static inline simde__m512 emulated_cvtepi32(simde__m512i a)
{
    simde__m512i_private x = simde__m512i_to_private(a);
    simde__m512_private r;
    r.m256[0] = simde_mm256_cvtepi32_ps(x.m256i[0]);
    r.m256[1] = simde_mm256_cvtepi32_ps(x.m256i[1]);
    return simde__m512_from_private(r);
}

static inline simde__m128i emulated_bytes(simde__m512i a)
{
    simde__m512i_private x = simde__m512i_to_private(a);
    simde__m128i_private r;
    for (int i = 0; i < 16; i++)
        r.i8[i] = (int8_t)x.i32[i];
    return simde__m128i_from_private(r);
}

/* 0.7.4 names four arguments for these. */
static inline simde__m512i emulated_madd(simde__m512i a, simde__m512i b)
{
    simde__m512i_private x = simde__m512i_to_private(a), y = simde__m512i_to_private(b), r;
    r.m256i[0] = simde_mm256_madd_epi16(x.m256i[0], y.m256i[0]);
    r.m256i[1] = simde_mm256_madd_epi16(x.m256i[1], y.m256i[1]);
    return simde__m512i_from_private(r);
}

static inline simde__m512i emulated_maddubs(simde__m512i a, simde__m512i b)
{
    simde__m512i_private x = simde__m512i_to_private(a), y = simde__m512i_to_private(b), r;
    r.m256i[0] = simde_mm256_maddubs_epi16(x.m256i[0], y.m256i[0]);
    r.m256i[1] = simde_mm256_maddubs_epi16(x.m256i[1], y.m256i[1]);
    return simde__m512i_from_private(r);
}

static inline simde__m512 emulated_quarters(simde__m512 a, simde__m512 b, int which)
{
    simde__m512_private x = simde__m512_to_private(a), y = simde__m512_to_private(b), r;
    for (int i = 0; i < 4; i++)
        r.m128[i] = (i < 2 ? x : y).m128[which >> 2 * i & 3];
    return simde__m512_from_private(r);
}

static inline simde__m512 emulated_shuffle(simde__m512 a, simde__m512 b, int which)
{
    simde__m512_private x = simde__m512_to_private(a), y = simde__m512_to_private(b), r;
    for (int i = 0; i < 16; i++)
        r.f32[i] = (i % 4 < 2 ? x : y).f32[i / 4 * 4 + (which >> 2 * (i % 4) & 3)];
    return simde__m512_from_private(r);
}

/* By a number that is known only when it runs. */
static inline simde__m512i emulated_right(simde__m512i a, unsigned n)
{
    simde__m512i_private x = simde__m512i_to_private(a);
    for (int i = 0; i < 32; i++)
        x.u16[i] = (uint16_t)(x.u16[i] >> n);
    return simde__m512i_from_private(x);
}

static inline simde__m512i emulated_left(simde__m512i a, unsigned n)
{
    simde__m512i_private x = simde__m512i_to_private(a);
    for (int i = 0; i < 32; i++)
        x.u16[i] = (uint16_t)(x.u16[i] << n);
    return simde__m512i_from_private(x);
}

#undef _mm512_cvtepi32_ps
#undef _mm512_madd_epi16
#undef _mm512_maddubs_epi16
#define _mm512_cvtepi32_ps(a)      emulated_cvtepi32(a)
#define _mm512_madd_epi16(a, b)    emulated_madd(a, b)
#define _mm512_maddubs_epi16(a, b) emulated_maddubs(a, b)
#undef _mm512_cvtepi32_epi8
#define _mm512_cvtepi32_epi8(a) emulated_bytes(a)
#undef _mm512_cvtepu16_epi32
#undef _mm512_cvtps_epi32
#undef _mm512_cvtph_ps
#undef _mm512_extractf32x8_ps
#define _mm512_cvtepu16_epi32(a)     emulated_cvtepu16(a)
#define _mm512_cvtps_epi32(a)        emulated_cvtps(a)
#define _mm512_cvtph_ps(a)           emulated_cvtph(a)
#define _mm512_extractf32x8_ps(a, h) emulated_extract(a, h)
#undef _mm512_shuffle_f32x4
#undef _mm512_shuffle_ps
#define _mm512_shuffle_f32x4(a, b, which) emulated_quarters(a, b, which)
#define _mm512_shuffle_ps(a, b, which)    emulated_shuffle(a, b, which)
#undef _mm512_srli_epi16
#undef _mm512_slli_epi16
#define _mm512_srli_epi16(a, n) emulated_right(a, n)
#define _mm512_slli_epi16(a, n) emulated_left(a, n)
#ifdef __clang__
#define UNROLL _Pragma("clang loop unroll(disable)")
#else
#define UNROLL _Pragma("GCC unroll 1")
#endif
#define HIDE(v)           (void)0
#define __AVX512F__       1
#define wc_kernels_avx512 emulated_avx512
const wc_kernels *emulated_avx512(void);
#include "kernels/avx512/avx512.c" /* NOLINT(bugprone-suspicious-include): it is what is emulated */
