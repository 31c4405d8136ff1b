/* avx512_emulated.c - the AVX-512 kernels, from their own source, on a CPU that has no AVX-512: SIMDe computes each
 * instruction with AVX2.  Slow, and only for this test.  With EMULATE_PAIRS the level avx512bf16, which has VNNI,
 * and with EMULATE_TILES, too, the level amx. */
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
#undef _mm512_maskz_loadu_ps
#undef _mm512_mask_storeu_ps
#define _mm512_maskz_loadu_ps(mask, p)    emulated_load_first(mask, p)
#define _mm512_mask_storeu_ps(p, mask, a) emulated_store_first(p, mask, a)
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
#define __AVX512VNNI__            1
#define __AVX512BF16__            1
#ifdef EMULATE_TILES
static _Thread_local struct {
    int rows, row_bytes;
    char row[16][64];
} emulated_tiles[8];

static inline void emulated_shapes(const void *shapes)
{
    for (int t = 0; t < 8; t++) {
        uint16_t row_bytes;
        memcpy(&row_bytes, (const char *)shapes + 16 + 2 * t, sizeof row_bytes);
        memset(&emulated_tiles[t], 0, sizeof emulated_tiles[t]);
        emulated_tiles[t].row_bytes = row_bytes;
        emulated_tiles[t].rows = ((const uint8_t *)shapes)[48 + t];
    }
}

static inline void emulated_tile_load(int t, const void *from, size_t stride)
{
    for (int r = 0; r < emulated_tiles[t].rows; r++)
        memcpy(emulated_tiles[t].row[r], (const char *)from + (size_t)r * stride,
               (size_t)emulated_tiles[t].row_bytes);
}

static inline void emulated_tile_store(int t, void *to, size_t stride)
{
    for (int r = 0; r < emulated_tiles[t].rows; r++)
        memcpy((char *)to + (size_t)r * stride, emulated_tiles[t].row[r],
               (size_t)emulated_tiles[t].row_bytes);
}

static inline void emulated_tile_bytes(int to, int a, int b)
{
    for (int r = 0; r < emulated_tiles[to].rows; r++)
        for (int c = 0; c < emulated_tiles[to].row_bytes / 4; c++) {
            int32_t sum;
            memcpy(&sum, emulated_tiles[to].row[r] + 4 * c, 4);
            for (int i = 0; i < emulated_tiles[a].row_bytes; i++)
                sum += (int8_t)emulated_tiles[a].row[r][i] *
                       (int8_t)emulated_tiles[b].row[i / 4][4 * c + i % 4];
            memcpy(emulated_tiles[to].row[r] + 4 * c, &sum, 4);
        }
}

static inline float emulated_bf16(const char *from)
{
    float x;
    const uint32_t bits = (uint32_t)(uint8_t)from[0] << 16 | (uint32_t)(uint8_t)from[1] << 24;
    memcpy(&x, &bits, 4);
    return x;
}

/* Of each result the products of the words' first values and of their second ones, each one after the other. */
static inline void emulated_tile_pairs(int to, int a, int b)
{
    for (int r = 0; r < emulated_tiles[to].rows; r++)
        for (int c = 0; c < emulated_tiles[to].row_bytes / 4; c++) {
            float sum, halves[2] = {0};
            memcpy(&sum, emulated_tiles[to].row[r] + 4 * c, 4);
            for (int i = 0; i < emulated_tiles[a].row_bytes / 2; i++)
                halves[i % 2] = fmaf(emulated_bf16(emulated_tiles[a].row[r] + 2 * i),
                                     emulated_bf16(emulated_tiles[b].row[i / 2] + 4 * c + 2 * (i % 2)),
                                     halves[i % 2]);
            sum += halves[0] + halves[1];
            memcpy(emulated_tiles[to].row[r] + 4 * c, &sum, 4);
        }
}

#undef _tile_loadconfig
#undef _tile_release
#undef _tile_zero
#undef _tile_loadd
#undef _tile_stored
#undef _tile_dpbssd
#undef _tile_dpbf16ps
#define _tile_loadconfig(shapes)     emulated_shapes(shapes)
#define _tile_release()              ((void)0)
#define _tile_zero(t)                memset(emulated_tiles[t].row, 0, sizeof emulated_tiles[t].row)
#define _tile_loadd(t, from, stride) emulated_tile_load(t, from, stride)
#define _tile_stored(t, to, stride)  emulated_tile_store(t, to, stride)
#define _tile_dpbssd(to, a, b)       emulated_tile_bytes(to, a, b)
#define _tile_dpbf16ps(to, a, b)     emulated_tile_pairs(to, a, b)
#define wc_kernels_amx               emulated_amx
const wc_kernels *emulated_amx(void);
#include "kernels/amx/amx.c" /* NOLINT(bugprone-suspicious-include): it is what is emulated */
#else
#define wc_kernels_avx512bf16 emulated_avx512bf16
const wc_kernels *emulated_avx512bf16(void);
#include "kernels/avx512bf16/avx512bf16.c" /* NOLINT(bugprone-suspicious-include): it is what is emulated */
#endif
#endif
