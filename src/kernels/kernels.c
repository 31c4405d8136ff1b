/* kernels.c - the levels, from the lowest; each overwrites what it does better. */
#include "kernels/kernels.h"

#include <string.h>

struct level {
    const char *name;
    bool here;
    void (*init)(wc_kernels *t);
};

static size_t levels_of(const wc_cpu *cpu, struct level *levels)
{
    size_t n = 0;
    levels[n++] = (struct level){"reference", true, wc_kernels_init_reference};
#if defined(__x86_64__)
    levels[n++] = (struct level){"avx2", cpu->avx2, wc_kernels_init_avx2};
    levels[n++] = (struct level){"avx512", cpu->avx512, wc_kernels_init_avx512};
#elif defined(__aarch64__)
    levels[n++] = (struct level){"neon", cpu->neon, wc_kernels_init_neon};
#endif
    return n;
}

size_t wc_kernels_levels(const wc_cpu *cpu, const char **names)
{
    struct level levels[WC_MAX_LEVELS];
    size_t n = levels_of(cpu, levels), n_here = 0;
    for (size_t i = 0; i < n; i++)
        if (levels[i].here)
            names[n_here++] = levels[i].name;
    return n_here;
}

bool wc_kernels_init(wc_kernels *t, const wc_cpu *cpu, const char *wanted)
{
    struct level levels[WC_MAX_LEVELS];
    size_t n = levels_of(cpu, levels);
    memset(t, 0, sizeof *t);
    for (size_t i = 0; i < n; i++) {
        if (!levels[i].here)
            continue;
        levels[i].init(t);
        t->level = levels[i].name;
        if (wanted && strcmp(wanted, levels[i].name) == 0)
            break;
    }
#if defined(__x86_64__)
    if (strcmp(t->level, "avx512") == 0 && cpu->avx512_bf16)
        wc_kernels_init_avx512_bf16(t);
#endif
    return !wanted || strcmp(wanted, t->level) == 0;
}
