/* rows.c - elementwise functions against double precision, reductions, stored types, depthwise convolution. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"

static const size_t lengths[] = {1, 2, 3, 5, 7, 8, 9, 15, 16, 17, 31, 33, 64, 100, 1000};
enum { N_LENGTHS = sizeof lengths / sizeof *lengths, MOST = 1000 };

/* ---- functions ---- */

static double exact_act(int act, double x)
{
    switch (act) {
    case 1:
        return x < 0 ? 0 : x;
    case 2:
        return isinf(x) && x < 0 ? NAN : 0.5 * x * erfc(-x * 0.70710678118654752440);
    case 3: /* 0.5 (1 + tanh u) = 1 / (1 + exp(-2u)) */
        return x / (1 + exp(-2 * 0.79788456080286535588 * (x + 0.044715 * x * x * x)));
    case 4:
        return x / (1 + exp(-x));
    case 5:
        return tanh(x);
    case 6:
        return 1 / (1 + exp(-x));
    default:
        return x;
    }
}

static const char *const act_names[WC_ACTS] = {"none", "relu", "gelu",   "gelu_tanh",
                                               "silu", "tanh", "sigmoid"};

/* The error of f32 inputs to exp grows with |x|; the units allowed are those of the result, or an absolute error where the
 * function cancels (gelu and gelu_tanh far below zero, as torch computes them too). */
static bool act_ok(int act, float x, float got)
{
    double want = exact_act(act, (double)x), allowed = act >= 2 && act != 5 ? 6 + fabs((double)x) : 4;
    if (act == 3) /* u = x + c x^3 is rounded before exp multiplies its error */
        allowed = 6 + 4 * fabs((double)x * (1 + 0.044715 * (double)x * (double)x));
    return isnan(x) ? isnan(got)
                    : ulps(got, want) <= allowed || (fabs(want) < 1e-30 && fabs((double)got) < 1e-30) ||
                          (act >= 2 && act <= 3 && x < -1 &&
                           fabs((double)got - want) < 0x1p-24 * fabs((double)x)) ||
                          (act >= 2 && act <= 4 && x == -INFINITY);
}

/* Every 2^-9 between -20 and 20, each power of two, and the edges. */
static size_t sample_inputs(float *x)
{
    size_t n = 0;
    for (int i = -20 * 512; i <= 20 * 512; i++)
        x[n++] = (float)i * 0x1p-9f + 1e-4f;
    for (int e = -149; e < 128; e++) {
        x[n++] = ldexpf(1.37f, e);
        x[n++] = -ldexpf(1.37f, e);
    }
    const float edges[] = {0.0f,   -0.0f,  INFINITY, -INFINITY, NAN,    88.7f,
                           -88.7f, 104.0f, -104.0f,  0.625f,    -0.625f};
    for (size_t i = 0; i < sizeof edges / sizeof *edges; i++)
        x[n++] = edges[i];
    return n;
}

static void check_functions(const wc_kernels *k)
{
    enum { ROOM = 24000 };
    float *x = malloc(ROOM * sizeof *x), *y = malloc(ROOM * sizeof *y);
    const size_t n = sample_inputs(x);
    for (int act = 0; act < WC_ACTS; act++) {
        size_t worst = 0;
        k->act[act](y, x, n);
        for (size_t i = 0; i < n; i++)
            if (!act_ok(act, x[i], y[i]))
                worst = i;
        verdict(act_ok(act, x[worst], y[worst]), k, act_names[act], "of %.9g: expected %.9g, found %.9g",
                (double)x[worst], exact_act(act, (double)x[worst]), (double)y[worst]);
    }
    size_t worst = n;
    k->exp_sum(y, x, 0, n);
    for (size_t i = 0; i < n; i++)
        if (x[i] < 88 && ulps(y[i], exp((double)x[i])) > 3 && exp((double)x[i]) > 1.2e-38)
            worst = i;
    verdict(worst == n, k, "exp_sum", "exp of %.9g: expected %.9g, found %.9g", (double)x[worst % n],
            exp((double)x[worst % n]), (double)y[worst % n]);
    worst = n;
    k->soft_cap(y, x, 30, n);
    for (size_t i = 0; i < n; i++)
        if (ulps(y[i], 30 * tanh((double)x[i] / 30)) > 6 &&
            fabsf(x[i]) > 1e-36f) /* x / 30 may be subnormal */
            worst = i;
    verdict(worst == n, k, "soft_cap", "of %.9g: expected %.9g, found %.9g", (double)x[worst % n],
            30 * tanh((double)x[worst % n] / 30), (double)y[worst % n]);
    free(x);
    free(y);
}

/* ---- arithmetic ---- */

/* The result at length n, at a border, is that of the long row: an element does not depend on its place. */
static void check_places(const wc_kernels *k)
{
    float x[MOST], z[MOST], a[MOST], want[MOST];
    fill_random(x, MOST);
    fill_random(z, MOST);
    fill_random(a, MOST);
    for (size_t i = 0; i < 2 * N_LENGTHS; i++) {
        const size_t n = lengths[i / 2];
        const bool at_end = i % 2;
        float *gx = guarded_floats(n, at_end), *gz = guarded_floats(n, at_end),
              *ga = guarded_floats(n, at_end), *y = guarded_floats(n, at_end);
        memcpy(gx, x, n * sizeof *x);
        memcpy(gz, z, n * sizeof *z);
        memcpy(ga, a, n * sizeof *a);
#define PLACE(name, whole, part)                                                                             \
    (whole, part, verdict(same_bits(want, y, n), k, name, "%zu values, in place and place", n))
        for (int act = 0; act < WC_ACTS; act++) {
            PLACE(act_names[act], k->act[act](want, x, MOST), k->act[act](y, gx, n));
            PLACE(act_names[act], k->act_mul[act](want, x, z, MOST), k->act_mul[act](y, gx, gz, n));
        }
        PLACE("add", k->add(want, x, z, 0.7f, MOST), k->add(y, gx, gz, 0.7f, n));
        PLACE("mul", k->mul(want, x, z, MOST), k->mul(y, gx, gz, n));
        PLACE("scale", k->scale(want, x, 0.3f, MOST), k->scale(y, gx, 0.3f, n));
        PLACE("mul_add", k->mul_add(want, x, z, a, MOST), k->mul_add(y, gx, gz, ga, n));
        PLACE("soft_cap", k->soft_cap(want, x, 0.5f, MOST), k->soft_cap(y, gx, 0.5f, n));
        PLACE("shrink", k->shrink(want, x, 0.1f, MOST), k->shrink(y, gx, 0.1f, n));
        PLACE("exp_sum", k->exp_sum(want, x, 0.1f, MOST), k->exp_sum(y, gx, 0.1f, n));
        memcpy(want, z, sizeof want);
        memcpy(y, z, n * sizeof *z);
        PLACE("axpy", k->axpy(want, 0.3f, x, MOST), k->axpy(y, 0.3f, gx, n));
        PLACE("in place", k->act_mul[3](want, x, z, MOST),
              (memcpy(y, z, n * sizeof *z), k->act_mul[3](y, gx, y, n)));
#undef PLACE
        guarded_free_all();
    }
}

static void check_against_reference(const wc_kernels *k)
{
    const wc_kernels *ref = wc_kernels_reference();
    float x[MOST], z[MOST], a[MOST], want[MOST], got[MOST];
    fill_random(x, MOST);
    fill_random(z, MOST);
    fill_random(a, MOST);
    x[3] = INFINITY;
    x[11] = NAN;
    x[20] = -0.0f;
    z[40] = 1e-44f;
#define SAME(name, entry, ...)                                                                               \
    (ref->entry(want, __VA_ARGS__), k->entry(got, __VA_ARGS__),                                              \
     verdict(same_bits(want, got, MOST), k, name, "differs from the reference"))
    SAME("none", act[0], x, MOST);
    SAME("relu", act[1], x, MOST);
    SAME("relu_mul", act_mul[1], x, z, MOST);
    SAME("add", add, x, z, 0.7f, MOST);
    SAME("mul", mul, x, z, MOST);
    SAME("scale", scale, x, -3.0f, MOST);
    SAME("mul_add", mul_add, x, z, a, MOST);
    SAME("shrink", shrink, x, 0.25f, MOST);
    for (int act = 2; act < WC_ACTS; act++) {
        k->act[act](want, x, MOST);
        for (size_t i = 0; i < MOST; i++)
            want[i] *= z[i];
        k->act_mul[act](got, x, z, MOST);
        verdict(same_bits(want, got, MOST), k, act_names[act], "act_mul is not act times z");
    }
#undef SAME
}

/* ---- reductions ---- */

static void check_reductions(const wc_kernels *k)
{
    for (size_t i = 0; i < 2 * N_LENGTHS; i++) {
        const size_t n = lengths[i / 2];
        float *x = guarded_floats(n, i % 2), *y = guarded_floats(n, i % 2);
        double sum = 0, squares = 0, exps = 0;
        float top = -INFINITY;
        fill_whole(x, n);
        for (size_t j = 0; j < n; j++) {
            sum += (double)x[j];
            squares += ((double)x[j] - 2) * ((double)x[j] - 2);
            exps += exp((double)x[j] - 2);
            top = x[j] > top ? x[j] : top;
        }
        verdict((double)k->sum(x, n) == sum, k, "sum", "%zu values", n);
        verdict((double)k->sum_squares(x, 2, n) == squares, k, "sum_squares", "%zu values", n);
        verdict(k->maximum(x, n) == top, k, "maximum", "%zu values", n);
        for (size_t at = 0; at < n; at += n / 7 + 1) { /* the largest at every kind of place */
            float kept = x[at];
            x[at] = 100;
            verdict(k->maximum(x, n) == 100, k, "maximum", "%zu values, the largest at %zu", n, at);
            x[at] = -INFINITY;
            verdict(k->maximum(x, n) == (n == 1 ? -INFINITY : k->maximum(x, n)), k, "maximum", "-inf");
            x[at] = kept;
        }
        verdict(fabs((double)k->exp_sum(y, x, 2, n) - exps) <= 1e-6 * exps, k, "exp_sum", "%zu values", n);
        guarded_free_all();
    }
}

static void check_weigh_pairs(const wc_kernels *k)
{
    for (size_t n = 1; k->weigh_pairs && n <= 64; n++)
        for (int capped = 0; capped < 2; capped++) {
            float *s = guarded_floats(n, n % 2), *copy = guarded_floats(n, 0), m[2] = {-INFINITY, -INFINITY},
                  z[2] = {0, 0};
            uint16_t p[64], want[64];
            bool ok = true;
            for (int block = 0; block < 3; block++) { /* the largest score rises, and stays */
                fill_random(s, n);
                for (size_t j = 0; j < n; j++)
                    copy[j] = s[j] *= block < 2 ? 20.0f + 20.0f * (float)block : 1;
                const float alpha = k->weigh(copy, n, 0.75f, capped ? 2.5f : 0, &m[0], &z[0]);
                k->narrow_bf16(want, copy, n);
                ok = ok && k->weigh_pairs(p, s, n, 0.75f, capped ? 2.5f : 0, &m[1], &z[1]) == alpha &&
                     m[0] == m[1] && z[0] == z[1] && memcmp(p, want, n * sizeof *p) == 0;
            }
            verdict(ok, k, "weigh_pairs", "%zu scores are as weigh and narrow_bf16 make them", n);
            guarded_free_all();
        }
}

/* Two blocks of a row's scores one after the other, as attention takes them. */
static void check_weigh(const wc_kernels *k)
{
    for (size_t i = 0; i < 4 * N_LENGTHS; i++) {
        const size_t n = lengths[i / 4] < 64 ? lengths[i / 4] : 64;
        const double cap = i / 2 % 2 ? 2.5 : 0, scale = 0.75;
        float *s[2] = {guarded_floats(n, i % 2), guarded_floats(n, i % 2)}, m = -INFINITY, z = 0, alpha[2];
        double t[2][64], top[2], sum[2] = {0, 0};
        for (int block = 0; block < 2; block++) {
            fill_random(s[block], n);
            for (size_t j = 0; j < n; j++) {
                s[block][j] *= 20;
                t[block][j] = (double)s[block][j] * scale;
                t[block][j] = cap > 0 ? cap * tanh(t[block][j] / cap) : t[block][j];
                top[block] = j == 0 || t[block][j] > top[block] ? t[block][j] : top[block];
            }
            alpha[block] = k->weigh(s[block], n, (float)scale, (float)cap, &m, &z);
        }
        top[1] = top[0] > top[1] ? top[0] : top[1];
        bool ok = alpha[0] == 0 && fabs((double)alpha[1] - exp(top[0] - top[1])) < 1e-5 &&
                  fabs((double)m - top[1]) < 1e-5;
        for (int block = 0; block < 2; block++)
            for (size_t j = 0; j < n; j++) {
                double want = exp(t[block][j] - top[block]);
                sum[block] += want;
                ok = ok && fabs((double)s[block][j] - want) < 1e-5;
            }
        ok = ok && fabs((double)z - (sum[0] * exp(top[0] - top[1]) + sum[1])) < 1e-5 * (double)n;
        verdict(ok, k, "weigh", "%zu scores, cap %g", n, cap);
        s[0][0] = NAN;
        k->weigh(s[0], n, 1, (float)cap, &m, &z);
        verdict(isnan(z), k, "weigh", "%zu scores, one NaN: its sum is not", n);
        guarded_free_all();
    }
}

/* ---- stored types ---- */

static void check_stored(const wc_kernels *k)
{
    enum { ALL = 65536 };
    uint16_t *halves = malloc(ALL * sizeof *halves);
    float *want = malloc(ALL * sizeof *want), *got = malloc(ALL * sizeof *got);
    for (size_t i = 0; i < ALL; i++)
        halves[i] = (uint16_t)i;
    for (int type = WC_F16; type <= WC_BF16; type++) {
        wc_kernels_reference()->widen[type](want, halves, ALL);
        k->widen[type](got, halves, ALL);
        verdict(same_bits(want, got, ALL), k, "widen", "all values of %s", type == WC_F16 ? "f16" : "bf16");
    }
    k->widen[WC_BF16](got, halves, ALL);
    uint16_t *back = malloc(ALL * sizeof *back), *again = malloc(ALL * sizeof *again);
    k->narrow_bf16(back, got, ALL);
    bool ok = true;
    for (size_t i = 0; i < ALL; i++)
        ok = ok && (back[i] == halves[i] || isnan(got[i]));
    verdict(ok, k, "narrow_bf16", "there and back");
    for (size_t i = 0; i < ALL; i++) { /* halfway, just below and just above it, and NaN with few bits */
        uint32_t u = (uint32_t)i << 16 | (0x7fff + (uint32_t)i % 3);
        memcpy(&got[i], &u, 4);
    }
    wc_kernels_reference()->narrow_bf16(back, got, ALL);
    k->narrow_bf16(again, got, ALL);
    verdict(memcmp(back, again, ALL * sizeof *back) == 0, k, "narrow_bf16", "halfway between two values");
    free(halves);
    free(want);
    free(got);
    free(back);
    free(again);
    for (size_t i = 0; i < 6 * N_LENGTHS; i++) {
        const wc_dtype type = (wc_dtype)(i % 3);
        const size_t n = lengths[i / 6];
        const bool at_end = i / 3 % 2;
        float x[MOST], *y = guarded_floats(n, at_end);
        char *stored = (char *)guarded(n * stored_size(type) + !at_end, 1, at_end) + !at_end;
        fill_whole(x, n);
        store_as(type, stored, x, n);
        k->widen[type](y, stored, n);
        verdict(same_bits(x, y, n), k, "widen", "%zu values at a border", n);
        uint16_t *narrow = guarded(n * 2, 2, at_end);
        k->narrow_bf16(narrow, y, n);
        bool same = true;
        for (size_t j = 0; j < n; j++)
            same = same && stored_at(WC_BF16, narrow, j) == x[j];
        verdict(same, k, "narrow_bf16", "%zu values at a border", n);
        guarded_free_all();
    }
}

static void check_depthwise(const wc_kernels *k)
{
    enum { TAPS = 9, MAX_PIXELS = 6 };
    for (size_t i = 0; i < 2 * N_LENGTHS; i++) {
        const size_t n = lengths[i / 2], pixels = i % MAX_PIXELS + 1, step = n + i % 3;
        const float *x[TAPS];
        float *w = guarded_floats((TAPS - 1) * (n + 1) + n, i % 2),
              *y = guarded_floats((pixels - 1) * (n + 2) + n, i % 2);
        fill_whole(w, (TAPS - 1) * (n + 1) + n);
        for (size_t t = 0; t < TAPS; t++) {
            float *values = guarded_floats((pixels - 1) * step + n, i % 2);
            fill_whole(values, (pixels - 1) * step + n);
            x[t] = t % 4 == 1 ? NULL : values;
        }
        k->depthwise(y, n + 2, x, step, w, n + 1, TAPS, pixels, n);
        bool ok = true;
        for (size_t p = 0; p < pixels; p++)
            for (size_t c = 0; c < n; c++) {
                float want = 0;
                for (size_t t = 0; t < TAPS; t++)
                    want += x[t] ? x[t][p * step + c] * w[t * (n + 1) + c] : 0;
                ok = ok && want == y[p * (n + 2) + c];
            }
        verdict(ok, k, "depthwise", "%zu pixels of %zu channels", pixels, n);
        guarded_free_all();
    }
}

void check_rows(const wc_kernels *k)
{
    check_functions(k);
    check_places(k);
    check_against_reference(k);
    check_reductions(k);
    check_weigh(k);
    check_weigh_pairs(k);
    check_stored(k);
    check_depthwise(k);
}
