/* cpu.h - which CPU this is and which level of kernels it runs. */
#ifndef WC_KERNELS_CPU_H
#define WC_KERNELS_CPU_H
#include <stdbool.h>

#include "kernels/kernels.h"

enum wc_level {
    WC_LEVEL_REFERENCE,
    WC_LEVEL_NEON,
    WC_LEVEL_AVX2,
    WC_LEVEL_AVX512,
    WC_LEVEL_AVX512BF16,
    WC_LEVEL_AMX,
    WC_N_LEVELS
};

const char *wc_cpu_name(enum wc_level level); /* "reference", "neon", "avx2", "avx512", "avx512bf16", "amx" */
/* This CPU, its system and this build have the level. */
bool wc_cpu_has(enum wc_level level);
/* The best level that is there, of those up to the one that WHINCHAT_CPU names. */
enum wc_level wc_cpu_chosen(void);
/* WHINCHAT_CPU names no level that there is on any CPU. */
bool wc_cpu_bad_choice(void);
const wc_kernels *wc_cpu_kernels(enum wc_level level);
const char *wc_cpu_brand(void); /* "AMD EPYC"; "unknown" */
#endif
