/* emulated.c - checkkernels for the emulated AVX-512 level (avx512_emulated.c). */
#include <stdio.h>

#include "check.h"

const wc_kernels *emulated_avx512(void);

int main(void)
{
    if (!wc_cpu_has(WC_LEVEL_AVX2)) {
        printf("not run: avx512, emulated: needs a CPU with AVX2\n0 passed, 0 failed\n");
        return 0;
    }
    check_products(emulated_avx512());
    check_quants(emulated_avx512());
    check_rows(emulated_avx512());
    printf("avx512, emulated: %d passed, %d failed\n", n_passed(), n_failed());
    return n_failed() > 0;
}
