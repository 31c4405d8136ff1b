/* test_quants.c - blocks of every quantized type against their values, bit for bit, at every level that this CPU has. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "formats/checkpoint.h"
#include "kernels/cpu.h"
#include "tensor/half.h"
#include "tensor/store.h"

static const char *const names[] = {"F32",  "F16",  "BF16", "Q4_0", "Q4_1", "Q5_0",   "Q5_1",  "Q8_0",
                                    "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "IQ4_NL", "IQ4_XS"};

static bool same(float a, float b)
{
    return a == b || (isnan(a) && isnan(b));
}

static void check_type(const wc_kernels *k, const wc_checkpoint *golden, wc_dtype type)
{
    char name[40];
    wc_tensor bytes, values;
    snprintf(name, sizeof name, "bytes.%s", names[type]);
    assert_true(wc_checkpoint_find(golden, name, &bytes));
    snprintf(name, sizeof name, "values.%s", names[type]);
    assert_true(wc_checkpoint_find(golden, name, &values));
    float got[256];
    const size_t n = values.shape[1], per_row = bytes.shape[1];
    assert_true(n <= 256 && values.shape[0] == bytes.shape[0] && values.shape[0] > 50);
    for (size_t r = 0; r < values.shape[0]; r++) {
        const float *want = (const float *)values.data + r * n;
        k->widen[type](got, (const char *)bytes.data + r * per_row, n);
        for (size_t i = 0; i < n; i++)
            if (!same(want[i], got[i]))
                fail_msg("%s %s: row %zu value %zu: expected %.9g, found %.9g", k->level, names[type], r, i,
                         (double)want[i], (double)got[i]);
    }
}

static void test_blocks(void **state)
{
    (void)state;
    wc_error err = {0};
    wc_checkpoint *golden = wc_checkpoint_open_tensors(
        SOURCE_ROOT "/tests/goldens/quant_blocks/golden.safetensors", &err);
    if (!golden)
        fail_msg("%s", err.text);
    for (int level = 0; level < WC_N_LEVELS; level++) {
        const wc_kernels *k = wc_cpu_has((enum wc_level)level) ? wc_cpu_kernels((enum wc_level)level) : NULL;
        for (int type = WC_F16; k && type < WC_WEIGHT_TYPES; type++)
            check_type(k, golden, (wc_dtype)type);
    }
    wc_checkpoint_close(golden);
}

/* Rows of every kind against what gguf-py's quantizer makes of them. */
static void test_store(void **state)
{
    static const wc_dtype stored[] = {WC_F16, WC_BF16, WC_Q8_0, WC_Q4_0};
    (void)state;
    wc_error err = {0};
    wc_tensor rows, want;
    wc_checkpoint *golden = wc_checkpoint_open_tensors(
        SOURCE_ROOT "/tests/goldens/quant_blocks/golden.safetensors", &err);
    assert_non_null(golden);
    assert_true(wc_checkpoint_find(golden, "rows", &rows));
    for (size_t t = 0; t < sizeof stored / sizeof *stored; t++) {
        char name[40];
        unsigned char got[4096];
        snprintf(name, sizeof name, "quantized.%s", names[stored[t]]);
        assert_true(wc_checkpoint_find(golden, name, &want));
        const size_t n = rows.shape[1], bytes = want.shape[1];
        for (size_t r = 0; r < rows.shape[0]; r++) {
            assert_true(wc_store_narrow(got, (const float *)rows.data + r * n, stored[t], n));
            for (size_t i = 0; i < bytes; i++)
                if (got[i] != ((const unsigned char *)want.data)[r * bytes + i])
                    fail_msg("%s: row %zu byte %zu: expected %d, found %d", names[stored[t]], r, i,
                             ((const unsigned char *)want.data)[r * bytes + i], got[i]);
        }
    }
    wc_checkpoint_close(golden);
}

/* Every half comes back, and the values between are rounded to even. */
static void test_halves(void **state)
{
    (void)state;
    for (uint32_t h = 0; h < 0x10000; h++) {
        const uint8_t in[2] = {(uint8_t)h, (uint8_t)(h >> 8)};
        uint8_t out[2];
        const float x = wc_half(in);
        wc_to_half(out, x);
        if (!isnan(x))
            assert_memory_equal(in, out, 2);
        if (h >= 0x7bff)
            continue;
        const uint8_t above[2] = {(uint8_t)(h + 1), (uint8_t)((h + 1) >> 8)};
        wc_to_half(out, (x + wc_half(above)) / 2);
        assert_int_equal(out[0], h % 2 ? above[0] : in[0]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_blocks), cmocka_unit_test(test_store),
                                       cmocka_unit_test(test_halves)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
