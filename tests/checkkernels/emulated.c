/* emulated.c - checkkernels for the emulated AVX-512 levels (avx512_emulated.c). */
#include <stdio.h>

#include "check.h"

const wc_kernels *emulated_avx512(void);
const wc_kernels *emulated_avx512bf16(void);
const wc_kernels *emulated_amx(void);

static void check(const wc_kernels *k)
{
    const int before = n_passed();
    check_products(k);
    check_quants(k);
    check_rows(k);
    printf("%s, emulated: %d checks passed\n", k->level, n_passed() - before);
}

int main(void)
{
    if (!wc_cpu_has(WC_LEVEL_AVX2)) {
        printf("not run: avx512, emulated: needs a CPU with AVX2\n0 passed, 0 failed\n");
        return 0;
    }
    check(emulated_avx512());
    check(emulated_avx512bf16());
    check(emulated_amx());
    printf("%d passed, %d failed\n", n_passed(), n_failed());
    return n_failed() > 0;
}
