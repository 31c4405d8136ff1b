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

/* What tiles of pairs are added to in which order is told by Intel's manual: on a CPU that has them the bits are the same. */
static void check_order(const wc_kernels *emulated, const wc_kernels *cpu)
{
    enum { ROWS = 37, COLS = 32, K = 2 * WC_SPAN };
    float *x = guarded_floats((size_t)ROWS * K, true), *y = guarded_floats(2 * ROWS * COLS, true);
    uint16_t *pairs = guarded((size_t)ROWS * K * sizeof *pairs, sizeof *pairs, true),
             *panel = guarded((size_t)COLS * K * sizeof *panel, 64, true);
    fill_random(x, (size_t)ROWS * K);
    emulated->narrow_bf16(pairs, x, (size_t)ROWS * K);
    emulated->unpack_pairs(panel, pairs, K, COLS, K); /* the first 32 rows are the weights, too */
    emulated->tile_pairs(y, COLS, NULL, 0, pairs, K, panel, ROWS, COLS, K);
    cpu->tile_pairs(y + ROWS * COLS, COLS, NULL, 0, pairs, K, panel, ROWS, COLS, K);
    verdict(same_bits(y, y + ROWS * COLS, ROWS * COLS), cpu, "order of sums in tiles", "%d x %d of %d", ROWS,
            COLS, K);
    uint32_t *few = guarded((size_t)K / 2 * WC_PARTS * sizeof *few, 64, true);
    emulated->split(few, WC_PARTS * WC_PART_WORDS, WC_PART_WORDS, 1, x, K);
    emulated->dot_parts[WC_F32](y, COLS, few, 1, x, K, COLS, K);
    cpu->dot_parts[WC_F32](y + COLS, COLS, few, 1, x, K, COLS, K);
    verdict(same_bits(y, y + COLS, COLS), cpu, "order of sums in parts", "%d of %d", COLS, K);
    guarded_free_all();
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
    if (wc_cpu_has(WC_LEVEL_AMX))
        check_order(emulated_amx(), wc_cpu_kernels(WC_LEVEL_AMX));
    printf("%d passed, %d failed\n", n_passed(), n_failed());
    return n_failed() > 0;
}
