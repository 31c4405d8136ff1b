/* avx512_emulated.c - the AVX-512 kernels, from their own source, on a CPU that has no AVX-512: SIMDe computes each
 * instruction with AVX2.  Slow, and only for this test.  With EMULATE_PAIRS the level avx512bf16, which has VNNI. */
#define SIMDE_ENABLE_NATIVE_ALIASES
#include <simde/x86/avx512.h>
#include <simde/x86/f16c.h>
#include <simde/x86/fma.h>

#include <math.h>
#include <string.h>

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

static inline simde__m256i emulated_words(simde__m512i a)
{
    simde__m512i_private x = simde__m512i_to_private(a);
    simde__m256i_private r;
    for (int i = 0; i < 16; i++)
        r.i16[i] = (int16_t)x.i32[i];
    return simde__m256i_from_private(r);
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
#undef _mm512_cvtepi32_epi16
#define _mm512_cvtepi32_epi8(a)  emulated_bytes(a)
#define _mm512_cvtepi32_epi16(a) emulated_words(a)
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
#define HIDE(v)     (void)0
#define __AVX512F__ 1
#ifndef EMULATE_PAIRS
#define wc_kernels_avx512 emulated_avx512
const wc_kernels *emulated_avx512(void);
#include "kernels/avx512/avx512.c" /* NOLINT(bugprone-suspicious-include): it is what is emulated */
#else
static inline simde__m512 emulated_load_first(uint16_t mask, const float *p)
{
    float lanes[16] = {0};
    memcpy(lanes, p, (size_t)__builtin_popcount(mask) * sizeof *p);
    return simde_mm512_loadu_ps(lanes);
}

static inline void emulated_store_first(float *p, uint16_t mask, simde__m512 a)
{
    float lanes[16];
    simde_mm512_storeu_ps(lanes, a);
    memcpy(p, lanes, (size_t)__builtin_popcount(mask) * sizeof *p);
}

/* b's 16 values, then a's, to nearest; the CPU takes those below 2^-126 for zeros. */
static inline simde__m512bh emulated_pairs(simde__m512 a, simde__m512 b)
{
    float lanes[32];
    uint16_t pairs[32];
    simde__m512bh r;
    simde_mm512_storeu_ps(lanes, b);
    simde_mm512_storeu_ps(lanes + 16, a);
    for (int i = 0; i < 32; i++)
        lanes[i] = fabsf(lanes[i]) < 0x1p-126f ? copysignf(0, lanes[i]) : lanes[i];
    wc_kernels_reference()->narrow_bf16(pairs, lanes, 32);
    memcpy(&r, pairs, sizeof r);
    return r;
}

#undef _mm512_cvtne2ps_pbh
#define _mm512_cvtne2ps_pbh(a, b) emulated_pairs(a, b)
#undef _mm512_maskz_loadu_ps
#undef _mm512_mask_storeu_ps
#define _mm512_maskz_loadu_ps(mask, p)    emulated_load_first(mask, p)
#define _mm512_mask_storeu_ps(p, mask, a) emulated_store_first(p, mask, a)
#define __AVX512VNNI__                    1
#define __AVX512BF16__                    1
#define wc_kernels_avx512bf16             emulated_avx512bf16
const wc_kernels *emulated_avx512bf16(void);
#include "kernels/avx512bf16/avx512bf16.c" /* NOLINT(bugprone-suspicious-include): it is what is emulated */
#endif
