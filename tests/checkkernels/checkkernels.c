/* checkkernels.c - every kernel of every level that this CPU has, against what it should compute.
 *
 *   checkkernels [--bench] [LEVEL]...
 *
 * Inputs lie between pages that cannot be touched, at every kind of address; sizes are odd; sums are checked exactly, on
 * whole numbers, and within their rounding on others; functions are compared with double precision. */
#include <stdio.h>
#include <string.h>

#include "check.h"

static bool wanted(int argc, char **argv, const char *level)
{
    bool named = false;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], level) == 0)
            return true;
        named = named || strncmp(argv[i], "--", 2) != 0;
    }
    return !named;
}

int main(int argc, char **argv)
{
    bool benching = argc > 1 && strcmp(argv[1], "--bench") == 0;
    printf("CPU: %s\n", wc_cpu_brand());
    for (int i = 0; i < WC_N_LEVELS; i++) {
        enum wc_level level = (enum wc_level)i;
        const wc_kernels *k = wc_cpu_kernels(level);
        if (!k || !wanted(argc, argv, wc_cpu_name(level)))
            continue;
        if (!wc_cpu_has(level)) {
            printf("not run: %s: this CPU does not have it\n", k->level);
            continue;
        }
        int before = n_passed() + n_failed();
        check_products(k);
        check_quants(k);
        check_rows(k);
        printf("%s: %d checks\n", k->level, n_passed() + n_failed() - before);
        if (benching)
            bench(k);
    }
    printf("%d passed, %d failed\n", n_passed(), n_failed());
    return n_failed() > 0;
}
