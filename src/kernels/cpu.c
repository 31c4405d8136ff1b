/* cpu.c - CPUID and what the system saves on a context switch; compiled for the oldest CPU of the architecture. */
#include "kernels/cpu.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>
#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

static unsigned long long xgetbv0(void)
{
    unsigned low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (unsigned long long)high << 32 | low;
}

/* The system keeps room for the tiles, 8 KB a thread, only in processes that have asked for it. */
static bool may_use_tiles(void)
{
#if defined(__linux__)
    enum { ASK_FOR_STATE = 0x1023, TILE_DATA = 18 }; /* ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA */
    return syscall(SYS_arch_prctl, ASK_FOR_STATE, TILE_DATA) == 0;
#else
    return false;
#endif
}

static bool x86_has(enum wc_level level)
{
    unsigned a, b, c, d, b7, c7, d7;
    if (!__get_cpuid(1, &a, &b, &c, &d))
        return false;
    const unsigned need = bit_OSXSAVE | bit_AVX | bit_FMA | bit_F16C;
    if ((c & need) != need || !__get_cpuid_count(7, 0, &a, &b7, &c7, &d7))
        return false;
    unsigned long long saved = xgetbv0();
    bool avx2 = (saved & 6) == 6 && (b7 & bit_AVX2); /* XMM and YMM */
    if (level == WC_LEVEL_AVX2)
        return avx2;
    const unsigned need512 = bit_AVX512F | bit_AVX512BW | bit_AVX512DQ | bit_AVX512VL;
    bool avx512 = avx2 && (saved & 0xe6) == 0xe6 && (b7 & need512) == need512;
    if (level == WC_LEVEL_AVX512)
        return avx512;
    unsigned a71, d71;
    const bool bf16 = avx512 && (c7 & bit_AVX512VNNI) && __get_cpuid_count(7, 1, &a71, &b, &c, &d71) &&
                      (a71 & 1u << 5); /* AVX512_BF16 */
    if (level == WC_LEVEL_AVX512BF16)
        return bf16;
    const unsigned need_amx = 1u << 22 | 1u << 24 | 1u << 25; /* AMX_BF16, AMX_TILE, AMX_INT8 */
    return bf16 && (d7 & need_amx) == need_amx && (saved & 0x60000) == 0x60000 && may_use_tiles();
}
#endif

const char *wc_cpu_name(enum wc_level level)
{
    static const char *const names[WC_N_LEVELS] = {"reference", "neon",       "avx2",
                                                   "avx512",    "avx512bf16", "amx"};
    return names[level];
}

const wc_kernels *wc_cpu_kernels(enum wc_level level)
{
    switch (level) {
#if defined(__x86_64__)
    case WC_LEVEL_AVX2:
        return wc_kernels_avx2();
    case WC_LEVEL_AVX512:
        return wc_kernels_avx512();
    case WC_LEVEL_AVX512BF16:
        return wc_kernels_avx512bf16();
    case WC_LEVEL_AMX:
        return wc_kernels_amx();
#elif defined(__aarch64__)
    case WC_LEVEL_NEON:
        return wc_kernels_neon();
#endif
    case WC_LEVEL_REFERENCE:
        return wc_kernels_reference();
    default:
        return NULL;
    }
}

bool wc_cpu_has(enum wc_level level)
{
    if (!wc_cpu_kernels(level))
        return false;
#if defined(__x86_64__)
    return level == WC_LEVEL_REFERENCE || x86_has(level);
#else
    return true; /* NEON is part of aarch64 */
#endif
}

/* The level that WHINCHAT_CPU names, or WC_N_LEVELS. */
static enum wc_level asked_for(void)
{
    const char *name = getenv("WHINCHAT_CPU");
    for (int level = 0; name && level < WC_N_LEVELS; level++)
        if (strcmp(name, wc_cpu_name((enum wc_level)level)) == 0)
            return (enum wc_level)level;
    return WC_N_LEVELS;
}

enum wc_level wc_cpu_chosen(void)
{
    const enum wc_level most = asked_for();
    enum wc_level best = WC_LEVEL_REFERENCE;
    for (int level = 0; level < WC_N_LEVELS && level <= (int)most; level++)
        if (wc_cpu_has((enum wc_level)level))
            best = (enum wc_level)level;
    return best;
}

bool wc_cpu_bad_choice(void)
{
    const char *name = getenv("WHINCHAT_CPU");
    return name && *name && asked_for() == WC_N_LEVELS;
}

/* Fills brand [49] from CPUID 0x80000002 .. 4, or from the system's description. */
static void read_brand(char *brand)
{
    brand[0] = '\0';
#if defined(__x86_64__)
    unsigned regs[12], max = __get_cpuid_max(0x80000000, NULL);
    if (max >= 0x80000004) {
        for (unsigned i = 0; i < 3; i++)
            __get_cpuid(0x80000002 + i, &regs[4 * i], &regs[4 * i + 1], &regs[4 * i + 2], &regs[4 * i + 3]);
        memcpy(brand, regs, 48);
        brand[48] = '\0';
    }
#endif
    size_t n = strlen(brand);
    while (n > 0 && brand[n - 1] == ' ')
        brand[--n] = '\0';
    size_t lead = strspn(brand, " ");
    memmove(brand, brand + lead, n - lead + 1);
    if (brand[0] == '\0')
        snprintf(brand, 49, "unknown");
}

const char *wc_cpu_brand(void)
{
    static _Thread_local char brand[49];
    read_brand(brand);
    return brand;
}
