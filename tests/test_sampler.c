/* test_sampler.c - the sampler against transformers' probabilities, its random numbers, its refusals; log-probabilities. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "generate/sampler.h"
#include "verify/verify.h"

#define GOLDEN SOURCE_ROOT "/tests/goldens/sampling"

static const wc_sampler_options neutral = {
    .sample = true, .temperature = 1, .top_p = 1, .typical_p = 1, .repetition_penalty = 1};

static wc_sampler *open_sampler(size_t n, wc_sampler_options o, uint64_t seed)
{
    wc_error err = {0};
    wc_sampler *s = wc_sampler_new(n, &o, seed, &err);
    if (!s)
        fail_msg("%s", err.text);
    return s;
}

/* Numbers that look like logits, by a generator of their own. */
static void fill_logits(float *x, size_t n, uint32_t seed)
{
    for (size_t i = 0; i < n; i++) {
        seed = seed * 1664525u + 1013904223u;
        x[i] = (float)(seed >> 8) / (float)(1 << 24) * 12 - 6;
    }
}

static void print_failure(void *user, const wc_check *check)
{
    if (!check->pass)
        print_error("%s: share %g: %s\n", check->name, check->worst_share, check->note);
}

static void test_golden(void **state)
{
    wc_error err = {0};
    size_t n_passed = 0, n_failed = 0;
    if (!wc_verify_run(GOLDEN, NULL, NULL, print_failure, NULL, &n_passed, &n_failed, &err))
        fail_msg("%s", err.text);
    assert_int_equal(n_failed, 0);
    assert_int_equal(n_passed, 9 + 2 * 207); /* vectors; probabilities and kept ids of every case */
}

/* The first numbers of the generator's published demonstration (seed 42, stream 54): a15c02b7 7b47f409 ba1d3330 83d2f293. */
static void test_generator(void **state)
{
    wc_sampler *s = open_sampler(4, neutral, 42);
    assert_true(wc_sampler_uniform(s) == (double)(0xa15c02b77b47f409u >> 11) * 0x1p-53);
    assert_true(wc_sampler_uniform(s) == (double)(0xba1d333083d2f293u >> 11) * 0x1p-53);
    wc_sampler_free(s);
}

static void test_seed(void **state)
{
    float x[50];
    fill_logits(x, 50, 3);
    wc_sampler *a = open_sampler(50, neutral, 7), *b = open_sampler(50, neutral, 7),
               *c = open_sampler(50, neutral, 8);
    int n_other = 0;
    for (int i = 0; i < 100; i++) {
        int32_t id = wc_sampler_next(a, x, NULL, 0);
        assert_int_equal(wc_sampler_next(b, x, NULL, 0), id);
        n_other += wc_sampler_next(c, x, NULL, 0) != id;
    }
    assert_true(n_other > 50);
    wc_sampler_free(a);
    wc_sampler_free(b);
    wc_sampler_free(c);
}

/* Draws come as often as their probabilities say: chi-square over 20 ids, 99.99 % point of 19 degrees is 53. */
static void test_draws(void **state)
{
    enum { N = 20, DRAWS = 200000 };
    float x[N], p[N];
    int count[N] = {0};
    fill_logits(x, N, 11);
    wc_sampler_options o = neutral;
    o.temperature = 3;
    wc_sampler *s = open_sampler(N, o, 1);
    assert_true(wc_sampler_probabilities(s, x, NULL, 0, p));
    for (int i = 0; i < DRAWS; i++)
        count[wc_sampler_next(s, x, NULL, 0)]++;
    double chi = 0;
    for (int i = 0; i < N; i++)
        chi += pow(count[i] - (double)p[i] * DRAWS, 2) / ((double)p[i] * DRAWS);
    assert_true(chi < 53);
    wc_sampler_free(s);
}

static void test_greedy(void **state)
{
    const float x[] = {1, 5, -2, 5, 4.9f};
    const int32_t history[] = {1, 1, -1, 99};
    wc_sampler_options o = {.repetition_penalty = 1};
    wc_sampler *s = open_sampler(5, o, 0);
    assert_int_equal(wc_sampler_next(s, x, history, 4), 1); /* the first of equals */
    wc_sampler_free(s);
    o.repetition_penalty = 1.01f;
    s = open_sampler(5, o, 0);
    assert_int_equal(wc_sampler_next(s, x, history, 4), 3);
    assert_int_equal(wc_sampler_next(s, x, NULL, 0), 1); /* nothing is remembered */
    float p[5];
    assert_true(wc_sampler_probabilities(s, x, history, 4, p));
    assert_true(p[3] == 1 && p[1] == 0);
    wc_sampler_free(s);
}

static void forbid(void *user, float *scores, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if ((int)i % 2 != *(int *)user || *(int *)user > 1)
            scores[i] = -INFINITY;
}

static void test_mask(void **state)
{
    float x[9];
    fill_logits(x, 9, 5);
    int odd = 1, none = 2;
    wc_sampler *s = open_sampler(9, neutral, 3);
    wc_sampler_set_mask(s, forbid, &odd);
    for (int i = 0; i < 200; i++)
        assert_int_equal(wc_sampler_next(s, x, NULL, 0) % 2, 1);
    wc_sampler_set_mask(s, forbid, &none);
    assert_int_equal(wc_sampler_next(s, x, NULL, 0), -1);
    wc_sampler_set_mask(s, NULL, NULL);
    assert_true(wc_sampler_next(s, x, NULL, 0) >= 0);
    wc_sampler_free(s);
}

static void test_bad_logits(void **state)
{
    wc_sampler_options o = neutral;
    for (int sample = 0; sample < 2; sample++) {
        o.sample = sample;
        wc_sampler *s = open_sampler(3, o, 3);
        float nan[] = {0, NAN, 1}, inf[] = {0, 1, INFINITY}, none[] = {-INFINITY, -INFINITY, -INFINITY},
              one[] = {-INFINITY, -3, -INFINITY}, p[3];
        assert_int_equal(wc_sampler_next(s, nan, NULL, 0), -1);
        assert_int_equal(wc_sampler_next(s, inf, NULL, 0), -1);
        assert_int_equal(wc_sampler_next(s, none, NULL, 0), -1);
        assert_false(wc_sampler_probabilities(s, nan, NULL, 0, p));
        assert_int_equal(wc_sampler_next(s, one, NULL, 0), 1);
        wc_sampler_free(s);
    }
}

static void test_bad_options(void **state)
{
    struct {
        wc_sampler_options o;
        const char *field;
    } cases[] = {{neutral, "temperature"}, {neutral, "top_k"},     {neutral, "top_p"},
                 {neutral, "min_p"},       {neutral, "typical_p"}, {neutral, "repetition_penalty"},
                 {neutral, "top_p"}};
    cases[0].o.temperature = 0;
    cases[1].o.top_k = -1;
    cases[2].o.top_p = 1.5f;
    cases[3].o.min_p = -0.1f;
    cases[4].o.typical_p = 0;
    cases[5].o.repetition_penalty = 0;
    cases[6].o.top_p = NAN;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        wc_error err = {0};
        assert_null(wc_sampler_new(10, &cases[i].o, 1, &err));
        assert_int_equal(err.code, WC_BAD_ARGUMENT);
        assert_memory_equal(err.text, cases[i].field, strlen(cases[i].field));
    }
}

/* A vocabulary of the real size: the kept set by sorting everything. */
static int by_score_down(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x < y) - (x > y);
}

static void test_large_vocabulary(void **state)
{
    enum { N = 262400, K = 64 };
    float *x = malloc(N * sizeof *x), *sorted = malloc(N * sizeof *x), *p = malloc(N * sizeof *x);
    fill_logits(x, N, 9);
    memcpy(sorted, x, N * sizeof *x);
    qsort(sorted, N, sizeof *sorted, by_score_down);
    wc_sampler_options o = neutral;
    o.top_k = K;
    wc_sampler *s = open_sampler(N, o, 1);
    assert_true(wc_sampler_probabilities(s, x, NULL, 0, p));
    for (size_t i = 0; i < N; i++)
        assert_int_equal(p[i] > 0, x[i] >= sorted[K - 1]);
    wc_sampler_free(s);

    o.top_k = 0;
    o.top_p = 0.9f;
    s = open_sampler(N, o, 1);
    assert_true(wc_sampler_probabilities(s, x, NULL, 0, p));
    double sum = 0, kept = 0;
    for (size_t i = 0; i < N; i++)
        sum += exp((double)x[i]);
    float least = INFINITY, dropped = -INFINITY;
    for (size_t i = 0; i < N; i++) {
        kept += p[i] > 0 ? exp((double)x[i]) : 0;
        least = p[i] > 0 ? fminf(least, x[i]) : least;
        dropped = p[i] > 0 ? dropped : fmaxf(dropped, x[i]);
    }
    assert_true(dropped <= least);
    assert_true(kept / sum >= 0.9 - 1e-6 && (kept - exp((double)least)) / sum < 0.9 + 1e-6);
    wc_sampler_free(s);
    free(x);
    free(sorted);
    free(p);
}

static void test_logprobs(void **state)
{
    enum { N = 100 };
    float x[N], own;
    wc_logprob top[20];
    fill_logits(x, N, 21);
    x[60] = x[40] = 7; /* the two best are equal */
    double sum = 0;
    for (size_t i = 0; i < N; i++)
        sum += exp((double)x[i]);
    assert_int_equal(wc_logprobs(x, N, 17, &own, top, 20), 20);
    assert_float_equal(own, (double)x[17] - log(sum), 1e-5);
    assert_int_equal(top[0].id, 40);
    assert_int_equal(top[1].id, 60);
    for (int i = 0; i < 20; i++) {
        int n_better = 0;
        for (size_t k = 0; k < N; k++)
            n_better += x[k] > x[top[i].id];
        assert_true(n_better <= i && (i == 0 || top[i].logprob <= top[i - 1].logprob));
        assert_float_equal(top[i].logprob, (double)x[top[i].id] - log(sum), 1e-5);
    }
    assert_int_equal(wc_logprobs(x, 3, 0, &own, top, 20), 3);
    assert_int_equal(wc_logprobs(x, N, 0, &own, NULL, 0), 0);
}

static void test_no_memory(void **state)
{
    for (long n = 1;; n++) {
        wc_error err = {0};
        wc_mem_fail_after(n);
        wc_sampler *s = wc_sampler_new(100, &neutral, 1, &err);
        wc_mem_fail_after(0);
        if (s) {
            wc_sampler_free(s);
            assert_true(n > 3);
            return;
        }
        assert_int_equal(err.code, WC_NO_MEMORY);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden),
        cmocka_unit_test(test_generator),
        cmocka_unit_test(test_seed),
        cmocka_unit_test(test_draws),
        cmocka_unit_test(test_greedy),
        cmocka_unit_test(test_mask),
        cmocka_unit_test(test_bad_logits),
        cmocka_unit_test(test_bad_options),
        cmocka_unit_test(test_large_vocabulary),
        cmocka_unit_test(test_logprobs),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests_name("sampler", tests, NULL, NULL);
}
