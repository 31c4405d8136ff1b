/* test_train.c - training: each derivative against differences of a plain double computation, at every level and with the same
 * bits for any number of threads; AdamW by hand; gradients of whole models against differences of their loss; what cannot be
 * trained says so; adapters that are not what they should be. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "copies.h"
#include "kernels/cpu.h"
#include "ops/grads.h"
#include "ops/lora.h"
#include "ops/tape.h"
#include "tensors.h"
#include "train/backward.h"
#include "train/lora.h"
#include "train/trainer.h"

#define GOLDENS SOURCE_ROOT "/tests/goldens/"

static const wc_tensor absent = {0};

static float *at(wc_tensor t, size_t i)
{
    return (float *)t.data + i;
}

static void assert_near(double got, double want, double tolerance, const char *what, size_t i)
{
    if (!(fabs(got - want) <= tolerance))
        fail_msg("%s: element %zu: expected %.9g, found %.9g", what, i, want, got);
}

static void assert_same(wc_tensor a, wc_tensor b, const char *what)
{
    for (size_t i = 0; i < wc_tensor_elems(&a); i++)
        if (!(*at(a, i) == *at(b, i)))
            fail_msg("%s: element %zu: %.9g and %.9g", what, i, (double)*at(a, i), (double)*at(b, i));
}

/* ---- every level, several numbers of threads ---- */

enum { N_BACKENDS = 2 };
static wc_backend *backends[N_BACKENDS]; /* of one thread and of three */

static void at_each_level(void (*test)(void))
{
    for (int level = 0; level < WC_N_LEVELS; level++) {
        if (!wc_cpu_has((enum wc_level)level))
            continue;
        setenv("WHINCHAT_CPU", wc_cpu_name((enum wc_level)level), 1);
        for (int i = 0; i < N_BACKENDS; i++) {
            backends[i] = wc_backend_cpu_open(1 + 2 * i, true, NULL);
            assert_non_null(backends[i]);
        }
        test();
        for (int i = 0; i < N_BACKENDS; i++)
            wc_backend_close(backends[i]);
        unsetenv("WHINCHAT_CPU");
    }
}

static wc_ctx context(int backend)
{
    return (wc_ctx){.backend = backends[backend], .step = wc_arena_new(0)};
}

static void end(wc_ctx *c)
{
    assert_false(c->failed);
    wc_arena_free(c->step);
}

/* ---- differences ---- */

/* sum dy[i] y[i] of a plain computation on copies of its inputs in double. */
typedef double (*loss_fn)(const void *problem);

/* The derivative of loss by a number: central differences in double. */
static double derivative(loss_fn loss, const void *problem, double *x)
{
    const double kept = *x, e = 1e-5;
    *x = kept + e;
    const double above = loss(problem);
    *x = kept - e;
    const double below = loss(problem);
    *x = kept;
    return (above - below) / (2 * e);
}

/* Every step-th element of got is the derivative by that of x. */
static void assert_derivatives(wc_tensor got, double *x, size_t step, double tolerance, loss_fn loss,
                               const void *problem, const char *what)
{
    for (size_t i = 0; i < wc_tensor_elems(&got); i += step)
        assert_near((double)*at(got, i), derivative(loss, problem, x + i), tolerance, what, i);
}

static double *widened(wc_tensor t)
{
    const size_t n = wc_tensor_elems(&t);
    double *x = calloc(n + 1, sizeof *x);
    for (size_t i = 0; i < n; i++)
        x[i] = (double)*at(t, i);
    return x;
}

/* ---- transpose, sums ---- */

static void transpose_case(size_t n, size_t k, bool half)
{
    wc_tensor x = random_tensor(WC_SHAPE(n, k)), stored = half ? as_bf16(x) : x;
    for (int b = 0; b < N_BACKENDS; b++) {
        wc_ctx c = context(b);
        const wc_tensor y = wc_op_transpose(&c, stored);
        assert_int_equal(y.shape[0], k);
        for (size_t i = 0; i < n * k; i++)
            assert_true(*at(y, i % k * n + i / k) == *at(x, i));
        end(&c);
    }
    if (half)
        release(stored);
    release(x);
}

/* Rows that a GGUF file has in pairs come out in order. */
static void transpose_paired(void)
{
    wc_tensor x = random_tensor(WC_SHAPE(128, 3));
    wc_ctx c = context(1);
    x.paired = 64;
    const wc_tensor y = wc_op_transpose(&c, x);
    for (size_t r = 0; r < 128; r++)
        for (size_t k = 0; k < 3; k++)
            assert_true(*at(y, k * 128 + r) == *at(x, (r / 64 * 64 + r % 32 * 2 + r % 64 / 32) * 3 + k));
    end(&c);
    release(x);
}

static void sums_case(size_t n, size_t d)
{
    wc_tensor x = random_tensor(WC_SHAPE(n, d)), start = random_tensor(WC_SHAPE(d)), y[N_BACKENDS];
    for (int b = 0; b < N_BACKENDS; b++) {
        wc_ctx c = context(b);
        y[b] = zeros(WC_SHAPE(d));
        wc_op_add_to(&c, y[b], start);
        wc_op_add_row_sums(&c, y[b], x);
        end(&c);
    }
    for (size_t i = 0; i < d; i++) {
        double sum = (double)*at(start, i);
        for (size_t r = 0; r < n; r++)
            sum += (double)*at(x, r * d + i);
        assert_near((double)*at(y[0], i), sum, 1e-6 * (double)n, "add_row_sums", i);
    }
    assert_same(y[0], y[1], "add_row_sums: threads");
    release(x), release(start), release(y[0]), release(y[1]);
}

/* Rows 3 and 1 of a table of 5, one of them twice. */
static void scatter_case(size_t d)
{
    const int32_t rows[] = {3, 1, 3};
    wc_tensor x = random_tensor(WC_SHAPE(3, d)), y[N_BACKENDS];
    for (int b = 0; b < N_BACKENDS; b++) {
        wc_ctx c = context(b);
        y[b] = zeros(WC_SHAPE(5, d));
        wc_op_add_rows_at(&c, y[b], x, rows, 2);
        end(&c);
    }
    for (size_t i = 0; i < d; i++) {
        assert_near((double)*at(y[0], 3 * d + i), 2.0 * ((double)*at(x, i) + (double)*at(x, 2 * d + i)), 1e-6,
                    "add_rows_at", i);
        assert_true(*at(y[0], d + i) == 2 * *at(x, d + i) && *at(y[0], i) == 0 && *at(y[0], 4 * d + i) == 0);
    }
    assert_same(y[0], y[1], "add_rows_at: threads");
    release(x), release(y[0]), release(y[1]);
}

static void sums_level(void)
{
    transpose_case(1, 1, false);
    transpose_case(37, 530, true);
    transpose_case(515, 19, false);
    transpose_paired();
    sums_case(1, 1);
    sums_case(700, 133);
    scatter_case(1);
    scatter_case(9001);
}

static void test_sums(void **state)
{
    at_each_level(sums_level);
}

/* ---- elementwise ---- */

static double act_of(wc_act act, double x)
{
    switch (act) {
    case WC_ACT_RELU:
        return x > 0 ? x : 0;
    case WC_ACT_GELU:
        return 0.5 * x * (1 + erf(x / sqrt(2)));
    case WC_ACT_GELU_TANH:
        return 0.5 * x * (1 + tanh(sqrt(2 / 3.14159265358979323846) * (x + 0.044715 * x * x * x)));
    case WC_ACT_SILU:
        return x / (1 + exp(-x));
    case WC_ACT_TANH:
        return tanh(x);
    case WC_ACT_SIGMOID:
        return 1 / (1 + exp(-x));
    default:
        return x;
    }
}

static void acts_level(void)
{
    const size_t n = 5003;
    wc_tensor x = random_tensor(WC_SHAPE(n)), dy = random_tensor(WC_SHAPE(n));
    for (size_t i = 0; i < n; i++)
        *at(x, i) *= 6;
    *at(x, 0) = -300, *at(x, 1) = 300, *at(x, 2) = 90, *at(x, 3) = -90;
    for (int act = 0; act <= WC_ACT_SIGMOID; act++) {
        wc_ctx c = context(0), other = context(1);
        const wc_tensor dx = wc_op_act_grad(&c, dy, x, (wc_act)act);
        for (size_t i = 0; i < n; i++) {
            const double v = (double)*at(x, i), e = 1e-5;
            const double slope = (act_of((wc_act)act, v + e) - act_of((wc_act)act, v - e)) / (2 * e);
            assert_near((double)*at(dx, i), (double)*at(dy, i) * slope, 3e-6, "act_grad", i);
        }
        assert_same(dx, wc_op_act_grad(&other, dy, x, (wc_act)act), "act_grad: threads");
        end(&c), end(&other);
    }
    wc_ctx c = context(1);
    const wc_tensor dx = wc_op_soft_cap_grad(&c, dy, wc_op_soft_cap(&c, x, 5), 5);
    for (size_t i = 0; i < n; i++) {
        const double t = tanh((double)*at(x, i) / 5);
        assert_near((double)*at(dx, i), (double)*at(dy, i) * (1 - t * t), 2e-6, "soft_cap_grad", i);
    }
    end(&c);
    release(x), release(dy);
}

static void test_acts(void **state)
{
    at_each_level(acts_level);
}

/* ---- norms ---- */

struct norm {
    size_t n, d;
    double *x, *w, *dy; /* w NULL: ones */
    double offset, eps;
    bool centred;
};

static double norm_loss(const void *problem)
{
    const struct norm *p = problem;
    double loss = 0;
    for (size_t r = 0; r < p->n; r++) {
        const double *x = p->x + r * p->d;
        double mean = 0, square = 0;
        for (size_t i = 0; p->centred && i < p->d; i++)
            mean += x[i] / (double)p->d;
        for (size_t i = 0; i < p->d; i++)
            square += (x[i] - mean) * (x[i] - mean) / (double)p->d;
        for (size_t i = 0; i < p->d; i++)
            loss += p->dy[r * p->d + i] * (x[i] - mean) / sqrt(square + p->eps) *
                    (p->w ? p->offset + p->w[i] : 1);
    }
    return loss;
}

static void norm_case(size_t n, size_t d, bool weighted, double offset, bool centred)
{
    wc_tensor x = random_tensor(WC_SHAPE(n, d)), dy = random_tensor(WC_SHAPE(n, d));
    wc_tensor w = weighted ? random_tensor(WC_SHAPE(d)) : absent, stored = weighted ? as_bf16(w) : absent;
    wc_tensor dx[N_BACKENDS], dw[N_BACKENDS];
    wc_ctx c[N_BACKENDS];
    struct norm p = {n, d, widened(x), weighted ? widened(w) : NULL, widened(dy), offset, 1e-5, centred};
    for (int b = 0; b < N_BACKENDS; b++) {
        c[b] = context(b);
        dw[b] = weighted ? wc_op_zeros(&c[b], WC_SHAPE(d)) : absent;
        dx[b] = centred ? wc_op_layer_norm_grad(&c[b], dy, x, stored, 1e-5f, dw[b])
                        : wc_op_rms_norm_grad(&c[b], dy, x, stored, (float)offset, 1e-5f, dw[b]);
    }
    const size_t step = n * d / 500 + 1;
    assert_derivatives(dx[0], p.x, step, 2e-5, norm_loss, &p, "norm: dx");
    if (weighted)
        assert_derivatives(dw[0], p.w, step, 1e-5 * (double)n, norm_loss, &p, "norm: dw");
    assert_same(dx[0], dx[1], "norm: dx: threads");
    if (weighted)
        assert_same(dw[0], dw[1], "norm: dw: threads");
    end(&c[0]), end(&c[1]);
    free(p.x), free(p.w), free(p.dy);
    release(x), release(dy);
    if (weighted)
        release(w), release(stored);
}

static void norms_level(void)
{
    norm_case(1, 2, true, 0, false);
    norm_case(13, 7, true, 1, false);
    norm_case(5, 300, false, 0, false);
    norm_case(64, 520, true, 1, false);
    norm_case(13, 7, true, 0, true);
    norm_case(64, 520, true, 0, true);
}

static void test_norms(void **state)
{
    at_each_level(norms_level);
}

/* ---- rope ---- */

/* <dy, rope(x)> = <rope_grad(dy), x>, and what rope leaves alone goes through. */
static void rope_level(void)
{
    const int32_t pos[] = {0, 5, 77};
    wc_tensor x = random_tensor(WC_SHAPE(3, 5, 14)), dy = random_tensor(WC_SHAPE(3, 5, 14)),
              frequencies = random_tensor(WC_SHAPE(5));
    wc_ctx c = context(0), other = context(1);
    const wc_tensor table = wc_op_rope_table(&c, pos, 3, frequencies, 1.25f),
                    y = wc_op_rope_in_place(&c, wc_op_scale(&c, x, 1), table),
                    dx = wc_op_rope_grad(&c, dy, table);
    double left = 0, right = 0;
    for (size_t i = 0; i < wc_tensor_elems(&x); i++) {
        left += (double)*at(dy, i) * (double)*at(y, i);
        right += (double)*at(dx, i) * (double)*at(x, i);
        if (i % 14 >= 10)
            assert_true(*at(dx, i) == *at(dy, i));
    }
    assert_near(left, right, 1e-5, "rope_grad", 0);
    assert_same(dx, wc_op_rope_grad(&other, dy, table), "rope_grad: threads");
    end(&c), end(&other);
    release(x), release(dy), release(frequencies);
}

static void test_rope(void **state)
{
    at_each_level(rope_level);
}

/* ---- attention ---- */

struct attended {
    double *q, *k, *v, *dy;
    const wc_row_map *rows;
    wc_attention a;
};

static double score(const struct attended *p, size_t r, size_t h, size_t m)
{
    const size_t H = (size_t)p->a.n_heads, K = (size_t)p->a.n_kv_heads, d = (size_t)p->a.key_dim;
    double s = 0;
    for (size_t i = 0; i < d; i++)
        s += p->q[(r * H + h) * d + i] * p->k[(m * K + h / (H / K)) * d + i];
    s *= (double)p->a.scale;
    return p->a.soft_cap > 0 ? (double)p->a.soft_cap * tanh(s / (double)p->a.soft_cap) : s;
}

/* What a row's output has to do with the loss: by one head. */
static double head_loss(const struct attended *p, size_t r, size_t h)
{
    const size_t H = (size_t)p->a.n_heads, K = (size_t)p->a.n_kv_heads, d = (size_t)p->a.value_dim;
    const int pos = p->rows->pos[r], last = p->rows->last_visible ? p->rows->last_visible[r] : pos;
    const int low = p->a.window > 0 && pos >= p->a.window ? pos - p->a.window + 1 : 0;
    double z = 0, mixed = 0;
    for (int j = low; j <= last; j++) {
        const size_t m = r - (size_t)pos + (size_t)j;
        const double e = exp(score(p, r, h, m));
        z += e;
        for (size_t i = 0; i < d; i++)
            mixed += e * p->v[(m * K + h / (H / K)) * d + i] * p->dy[(r * H + h) * d + i];
    }
    return z > 0 ? mixed / z : 0;
}

static double attention_loss(const void *problem)
{
    const struct attended *p = problem;
    double loss = 0;
    for (size_t r = 0; r < (size_t)p->rows->n; r++)
        for (size_t h = 0; h < (size_t)p->a.n_heads; h++)
            loss += head_loss(p, r, h);
    return loss;
}

/* Sequences of n[0] and n[1] rows; ahead: each row sees so many positions behind its own. */
static void attention_case(const int n[2], int ahead, const wc_attention *a, size_t step)
{
    enum { MOST = 400 };
    int32_t pos[MOST], seq[MOST], last[MOST];
    const size_t N = (size_t)n[0] + (size_t)n[1], H = (size_t)a->n_heads, K = (size_t)a->n_kv_heads;
    for (int s = 0, r = 0; s < 2; s++)
        for (int i = 0; i < n[s]; i++, r++) {
            pos[r] = i, seq[r] = s;
            last[r] = i + ahead < n[s] ? i + ahead : n[s] - 1;
        }
    const wc_row_map rows = {(int)N, pos, seq, ahead ? last : NULL, 2};
    wc_tensor q = random_tensor(WC_SHAPE(N, H * (size_t)a->key_dim)),
              k = random_tensor(WC_SHAPE(N, K * (size_t)a->key_dim)),
              v = random_tensor(WC_SHAPE(N, K * (size_t)a->value_dim)),
              dy = random_tensor(WC_SHAPE(N, H * (size_t)a->value_dim));
    struct attended p = {widened(q), widened(k), widened(v), widened(dy), &rows, *a};
    wc_ctx c[N_BACKENDS];
    wc_attention_grad d[N_BACKENDS];
    for (int b = 0; b < N_BACKENDS; b++) {
        c[b] = context(b);
        d[b] = wc_op_attention_rows_grad(&c[b], dy, wc_op_attention_rows(&c[b], q, k, v, &rows, a), q, k, v,
                                         &rows, a);
    }
    assert_derivatives(d[0].dq, p.q, step, 5e-6, attention_loss, &p, "attention: dq");
    assert_derivatives(d[0].dk, p.k, step, 1e-5, attention_loss, &p, "attention: dk");
    assert_derivatives(d[0].dv, p.v, step, 1e-5, attention_loss, &p, "attention: dv");
    assert_same(d[0].dq, d[1].dq, "attention: dq: threads");
    assert_same(d[0].dk, d[1].dk, "attention: dk: threads");
    assert_same(d[0].dv, d[1].dv, "attention: dv: threads");
    end(&c[0]), end(&c[1]);
    free(p.q), free(p.k), free(p.v), free(p.dy);
    release(q), release(k), release(v), release(dy);
}

static void attention_level(void)
{
    wc_attention a = {.n_heads = 4, .n_kv_heads = 2, .key_dim = 5, .value_dim = 3, .scale = 0.7f};
    attention_case((int[]){1, 1}, 0, &a, 1);
    attention_case((int[]){9, 6}, 0, &a, 1);
    a.window = 4;
    attention_case((int[]){9, 6}, 0, &a, 1);
    a.soft_cap = 1.5f;
    attention_case((int[]){9, 6}, 3, &a, 1);
    a = (wc_attention){.n_heads = 3, .n_kv_heads = 1, .key_dim = 2, .value_dim = 8, .scale = 2};
    attention_case((int[]){150, 3}, 0, &a, 97); /* more keys than are taken at once */
    a.window = 131;
    attention_case((int[]){150, 3}, 0, &a, 97);
}

static void test_attention(void **state)
{
    at_each_level(attention_level);
}

/* ---- loss, optimizer ---- */

static void loss_level(void)
{
    enum { N = 5, V = 1003 };
    const int32_t targets[N] = {3, -100, 0, V - 1, 3};
    wc_tensor x = random_tensor(WC_SHAPE(N, V)), dx[N_BACKENDS], losses[N_BACKENDS];
    wc_ctx c[N_BACKENDS];
    for (size_t i = 0; i < V; i++)
        *at(x, 2 * V + i) *= 200; /* nearly all on one */
    for (int b = 0; b < N_BACKENDS; b++) {
        c[b] = context(b);
        losses[b] = wc_op_cross_entropy(&c[b], x, targets, 0.25f, &dx[b]);
    }
    for (size_t r = 0; r < N; r++) {
        double z = 0;
        for (size_t i = 0; i < V; i++)
            z += exp((double)*at(x, r * V + i));
        const double want = targets[r] < 0 ? 0 : log(z) - (double)*at(x, r * V + (size_t)targets[r]);
        assert_near((double)*at(losses[0], r), want, 1e-6 * (1 + want), "cross_entropy", r);
        for (size_t i = 0; i < V; i++) {
            const double p = exp((double)*at(x, r * V + i)) / z - (i == (size_t)targets[r]);
            assert_near((double)*at(dx[0], r * V + i), targets[r] < 0 ? 0 : p / 4, 1e-7, "cross_entropy: dx",
                        i);
        }
    }
    assert_same(losses[0], losses[1], "cross_entropy: threads");
    assert_same(dx[0], dx[1], "cross_entropy: dx: threads");
    end(&c[0]), end(&c[1]);
    release(x);
}

static void test_loss(void **state)
{
    at_each_level(loss_level);
}

/* Three steps of two parameters, one of which the network has no use for, against the rule written down again. */
static void test_adamw(void **state)
{
    const wc_hyperparameters h = {.lr = 0.01, .beta1 = 0.9, .beta2 = 0.95, .eps = 1e-3, .weight_decay = 0.5};
    wc_tensor sources[] = {random_tensor(WC_SHAPE(3, 7)), random_tensor(WC_SHAPE(1))};
    wc_params p;
    double want[21], m[21] = {0}, v[21] = {0};
    assert_true(wc_params_init(&p, sources, 2, NULL));
    backends[0] = wc_backend_cpu_open(1, true, NULL);
    wc_ctx c = context(0);
    for (size_t i = 0; i < 21; i++)
        want[i] = (double)*at(sources[0], i);
    for (int t = 1; t <= 3; t++) {
        wc_tensor grad = absent,
                  row = wc_tensor_slice(p.list[0].value, 2, 1); /* some rows stand for the whole */
        wc_params_clear(&p);
        assert_true(wc_params_grad(&p, &row, &grad));
        assert_ptr_equal(grad.data, at(p.list[0].grad, 14));
        for (size_t i = 0; i < 21; i++) {
            const double g = (double)(*at(p.list[0].grad, i) = (float)i / 8 - (float)t);
            m[i] = 0.9 * m[i] + (1 - 0.9) * g;
            v[i] = 0.95 * v[i] + (1 - 0.95) * g * g;
            want[i] -= 0.01 * 0.5 * want[i];
            want[i] -= 0.01 * (m[i] / (1 - pow(0.9, t))) / (sqrt(v[i] / (1 - pow(0.95, t))) + 1e-3);
        }
        *at(p.list[1].grad, 0) = 1;
        wc_optimizer_step(&c, &p, &h, t);
    }
    for (size_t i = 0; i < 21; i++)
        assert_near((double)*at(p.list[0].value, i), want[i], 5e-7, "adamw", i);
    assert_true(*at(p.list[1].value, 0) == *at(sources[1], 0));
    end(&c);
    wc_backend_close(backends[0]);
    wc_params_release(&p);
    release(sources[0]), release(sources[1]);
}

/* ---- the tape ---- */

struct taped {
    wc_tensor source;
    wc_params p;
    wc_tape tape;
    wc_ctx c;
    wc_tensor w; /* [4,4], trained */
};

static void tape_open(struct taped *t)
{
    wc_tensor source = random_tensor(WC_SHAPE(4, 4));
    wc_params p;
    assert_true(wc_params_init(&p, &source, 1, NULL));
    *t = (struct taped){source, .p = p, .tape.arena = wc_arena_new(0), .w = p.list[0].value};
    backends[0] = wc_backend_cpu_open(1, true, NULL);
    t->c = context(0);
    t->c.tape = &t->tape;
}

static void tape_close(struct taped *t)
{
    end(&t->c);
    wc_backend_close(backends[0]);
    wc_arena_free(t->tape.arena);
    wc_params_release(&t->p);
    release(t->source);
}

static bool back(struct taped *t, wc_tensor y, wc_error *err)
{
    wc_ctx quiet = t->c;
    quiet.tape = NULL;
    wc_tensor dy = wc_op_zeros(&quiet, y.ndim, y.shape);
    for (size_t i = 0; i < wc_tensor_elems(&y); i++)
        *at(dy, i) = 1;
    return wc_backward(&t->c, &t->p, y, dy, err);
}

/* Of y = relu(W x + b) + x, the sum: by W it is x where the unit is on, and x itself is no parameter. */
static void test_fused_product(void **state)
{
    struct taped t;
    tape_open(&t);
    wc_tensor x = random_tensor(WC_SHAPE(1, 4)), bias = random_tensor(WC_SHAPE(4));
    const wc_tensor y = wc_op_matmul(&t.c, x, t.w, bias, WC_ACT_RELU, x);
    assert_true(back(&t, y, NULL));
    assert_true(t.p.list[0].used);
    for (size_t j = 0; j < 4; j++)
        for (size_t k = 0; k < 4; k++) {
            const bool on = *at(y, j) != *at(x, j);
            assert_near((double)*at(t.p.list[0].grad, 4 * j + k), on ? (double)*at(x, k) : 0, 1e-7, "dW", k);
        }
    release(x), release(bias);
    tape_close(&t);
}

/* Two uses of one weight, one of half its rows, and two of one activation: the derivatives are added up. */
static void test_fan_out(void **state)
{
    struct taped t;
    tape_open(&t);
    wc_tensor x = random_tensor(WC_SHAPE(1, 4));
    const wc_tensor h = wc_op_linear(&t.c, x, t.w),
                    y = wc_op_linear(&t.c, wc_op_mul(&t.c, h, h), wc_tensor_slice(t.w, 2, 2));
    assert_true(back(&t, y, NULL));
    for (size_t j = 0; j < 4; j++)
        for (size_t k = 0; k < 4; k++) {
            const double hk = (double)*at(h, k),
                         dh = 2 * (double)*at(h, j) * ((double)*at(t.w, 8 + j) + (double)*at(t.w, 12 + j));
            assert_near((double)*at(t.p.list[0].grad, 4 * j + k),
                        dh * (double)*at(x, k) + (j > 1 ? hk * hk : 0), 1e-6, "dW", 4 * j + k);
        }
    release(x);
    tape_close(&t);
}

/* A parameter that goes in where activations do has its derivative, too: y = (W + W) W^T, by element. */
static void test_weight_as_activation(void **state)
{
    struct taped t;
    tape_open(&t);
    const wc_tensor y = wc_op_linear(&t.c, wc_op_add(&t.c, t.w, t.w), t.w);
    assert_true(back(&t, y, NULL));
    for (size_t j = 0; j < 4; j++)
        for (size_t k = 0; k < 4; k++) {
            double column = 0;
            for (size_t i = 0; i < 4; i++)
                column += (double)*at(t.w, 4 * i + k);
            assert_near((double)*at(t.p.list[0].grad, 4 * j + k), 4 * column, 2e-6, "dW", 4 * j + k);
        }
    tape_close(&t);
}

static void expect_no_way_back(struct taped *t, wc_tensor y, const char *part)
{
    wc_error err = {0};
    assert_false(back(t, y, &err));
    assert_int_equal(err.code, WC_UNSUPPORTED);
    if (!strstr(err.text, part))
        fail_msg("expected \"%s\", found: %s", part, err.text);
    tape_close(t);
}

/* What has no gradient is an error where it is met, and only there. */
static void test_no_gradient(void **state)
{
    struct taped t;
    wc_tensor x = random_tensor(WC_SHAPE(2, 4));
    const int32_t rows[] = {1};
    tape_open(&t);
    wc_tensor y = wc_op_linear(&t.c, wc_op_clamp(&t.c, x, 0.5f), t.w); /* of a constant */
    wc_op_softmax(&t.c, y);                                            /* beside the way */
    assert_true(back(&t, y, NULL));
    tape_close(&t);

    tape_open(&t);
    expect_no_way_back(&t, wc_op_softmax(&t.c, wc_op_linear(&t.c, x, t.w)),
                       "training: no gradient for softmax");

    tape_open(&t);
    y = wc_op_linear(&t.c, x, t.w);
    wc_op_put_rows(&t.c, y, wc_tensor_slice(x, 0, 1), rows);
    expect_no_way_back(&t, wc_op_scale(&t.c, y, 2), "training: no gradient for put_rows");

    tape_open(&t);
    y = wc_tensor_slice(wc_op_linear(&t.c, x, t.w), 1, 1);
    expect_no_way_back(&t, wc_op_scale(&t.c, y, 2), "training: no gradient for scale by a part of a tensor");

    tape_open(&t);
    y = wc_op_linear(&t.c, x, wc_op_scale(&t.c, t.w, 2));
    expect_no_way_back(&t, y, "training: no gradient for matmul by a computed weight");

    tape_open(&t);
    wc_tensor columns = t.w, narrow = random_tensor(WC_SHAPE(2, 3));
    columns.shape[1] = 3;
    expect_no_way_back(&t, wc_op_linear(&t.c, narrow, columns),
                       "training: no gradient for matmul by columns of a weight");
    release(narrow);

    tape_open(&t);
    y = wc_op_rope_in_place(&t.c, wc_tensor_reshape(t.w, WC_SHAPE(4, 1, 4)), t.w);
    expect_no_way_back(&t, y, "training: no gradient for rope by its angles");

    tape_open(&t); /* what an op reads is what it had when it was recorded: overwritten it is not */
    y = wc_op_linear(&t.c, x, t.w);
    wc_tensor z = wc_op_act(&t.c, y, WC_ACT_SILU);
    wc_op_zero_rows(&t.c, y, 1);
    expect_no_way_back(&t, z, "training: no gradient past matmul, whose output is written over");
    release(x);
}

/* Nothing is given back and nothing written over while there is a tape. */
static void test_tape_keeps(void **state)
{
    struct taped t;
    tape_open(&t);
    wc_tensor x = wc_op_zeros(&t.c, WC_SHAPE(2, 4)), z = wc_op_zeros(&t.c, WC_SHAPE(2, 4));
    const wc_arena_mark mark = wc_op_mark(&t.c);
    const wc_tensor y = wc_op_act_mul(&t.c, x, z, WC_ACT_SILU),
                    n = wc_op_rms_norm_in_place(&t.c, x, absent, 0, 1, WC_ACT_SILU);
    assert_ptr_not_equal(y.data, x.data);
    assert_ptr_not_equal(n.data, x.data);
    assert_ptr_equal(wc_op_keep(&t.c, mark, x, y).data, y.data);
    wc_op_reset(&t.c, mark);
    assert_ptr_not_equal(wc_op_scale(&t.c, x, 1).data, y.data);
    t.c.tape = NULL;
    assert_ptr_equal(wc_op_act_mul(&t.c, x, z, WC_ACT_SILU).data, x.data);
    tape_close(&t);
}

/* ---- whole models ---- */

enum { N_IDS = 11 };

/* Two sequences with ids below 90; the second is shorter. */
static void make_batch(wc_sequence batch[2], int32_t ids[2][N_IDS], int32_t labels[2][N_IDS])
{
    for (int s = 0; s < 2; s++) {
        for (int i = 0; i < N_IDS; i++) {
            ids[s][i] = 3 + (i * 29 + s * 17 + i * i * 5) % 87;
            labels[s][i] = i == 4 || (s == 1 && i < 3) ? WC_NO_LABEL : ids[s][i];
        }
        batch[s] = (wc_sequence){ids[s], labels[s], s == 0 ? N_IDS : N_IDS - 4};
    }
}

static double loss_of(wc_trainer *t, const wc_sequence *batch)
{
    wc_error err = {0};
    double loss = 0;
    if (!wc_trainer_loss(t, batch, 2, &loss, &err))
        fail_msg("%s", err.text);
    return loss;
}

/* Along a direction [n] of length 1 the loss changes as the gradient says: central differences, of f32 passes, so with steps
 * large enough to be seen.  allowed: of the slope, beside what rounding does. */
static void assert_slope(wc_trainer *t, const wc_sequence *batch, const char *model, const wc_param *q,
                         const double *direction, double norm, double allowed)
{
    const size_t n = wc_tensor_elems(&q->value);
    const double e = 2e-3 < 5e-3 * norm ? 2e-3 / norm : 5e-3;
    double losses[2], moved[2] = {0}, want = 0;
    float *kept = malloc(n * sizeof *kept);
    memcpy(kept, q->value.data, n * sizeof *kept);
    for (size_t i = 0; i < n; i++)
        want += direction[i] * (double)*at(q->grad, i);
    for (int side = 0; side < 2; side++) {
        for (size_t i = 0; i < n; i++) {
            *at(q->value, i) = kept[i] + (float)((side ? -e : e) * direction[i]);
            moved[side] += ((double)*at(q->value, i) - (double)kept[i]) * direction[i]; /* as rounded */
        }
        losses[side] = loss_of(t, batch);
    }
    memcpy(q->value.data, kept, n * sizeof *kept);
    free(kept);
    const double slope = (losses[0] - losses[1]) / (moved[0] - moved[1]),
                 noise = 2e-6 / (moved[0] - moved[1]);
    if (!(fabs(slope - want) <= allowed + noise))
        fail_msg("%s: %s: the loss changes by %.6g where its gradient says %.6g", model, q->name, slope,
                 want);
}

/* Along the gradient itself, which tells most, and along a random direction, where a gradient that is zero shows too. */
static void assert_gradient(wc_trainer *t, const wc_sequence *batch, const char *model, const wc_param *q)
{
    const size_t n = wc_tensor_elems(&q->value);
    wc_tensor random = random_tensor(WC_SHAPE(n));
    double norm = 0, length = 0, *direction = calloc(n + 1, sizeof *direction);
    for (size_t i = 0; i < n; i++) {
        norm += (double)*at(q->grad, i) * (double)*at(q->grad, i);
        length += (double)*at(random, i) * (double)*at(random, i);
    }
    norm = sqrt(norm);
    for (size_t i = 0; i < n; i++)
        direction[i] = (double)*at(random, i) / sqrt(length);
    assert_slope(t, batch, model, q, direction, norm, 0.03 * norm / sqrt((double)n));
    for (size_t i = 0; i < n; i++)
        direction[i] = (double)*at(q->grad, i) / norm;
    if (norm > 1e-4) /* else too flat to be told from rounding */
        assert_slope(t, batch, model, q, direction, norm, 0.02 * norm);
    free(direction);
    release(random);
}

/* A buffer, or a part of the model that text does not pass. */
static bool is_beside(const char *name)
{
    return strstr(name, "layer_scalar") || strstr(name, "vision_tower") ||
           strstr(name, "multi_modal_projector");
}

/* Every parameter of every plain family, tied or not, with windows, caps, biases, either norm. */
static void test_families(void **state)
{
    static const char *const names[] = {
        "gemma1",    "gemma2", "gemma3_text",   "gemma3_mm", "gemma4_dense", "llama3",  "llama_bias",
        "openelm",   "phi2",   "phi3_longrope", "phi4_mini", "qwen3",        "smollm3", "qwen2_untied_window",
        "llama3_f16"};
    int32_t ids[2][N_IDS], labels[2][N_IDS];
    wc_sequence batch[2];
    make_batch(batch, ids, labels);
    for (size_t m = 0; m < sizeof names / sizeof *names; m++) {
        char folder[400];
        wc_error err = {0};
        wc_trainer t;
        double loss = 0;
        snprintf(folder, sizeof folder, GOLDENS "%s", names[m]);
        if (!wc_trainer_open(&t, folder, &(wc_trainer_options){.n_threads = 1}, &err) ||
            !wc_trainer_gradients(&t, batch, 2, &loss, NULL, &err))
            fail_msg("%s: %s", names[m], err.text);
        assert_near(loss_of(&t, batch), loss, 0, names[m], 0);
        for (size_t i = 0; i < t.params.n; i++) {
            if (t.params.list[i].used)
                assert_gradient(&t, batch, names[m], &t.params.list[i]);
            else if (!is_beside(t.params.list[i].name))
                fail_msg("%s: %s has no gradient", names[m], t.params.list[i].name);
        }
        wc_trainer_close(&t);
    }
}

/* Sequences of a batch do not see each other: the derivative of the sum is the sum of the derivatives. */
static void test_batch_is_a_sum(void **state)
{
    int32_t ids[2][N_IDS], labels[2][N_IDS];
    wc_sequence batch[2];
    wc_trainer t;
    double both = 0, first = 0, second = 0;
    make_batch(batch, ids, labels);
    assert_true(wc_trainer_open(&t, GOLDENS "train_openelm", &(wc_trainer_options){.n_threads = 2}, NULL));
    const size_t n = t.params.floats;
    float *sum = calloc(n, sizeof *sum);
    const double weights[] = {9, 3, 12}; /* labels behind a position, of each and of both */
    assert_true(wc_trainer_gradients(&t, batch, 1, &first, NULL, NULL));
    for (size_t i = 0; i < n; i++)
        sum[i] += (float)(weights[0] / weights[2]) * t.params.grads[i];
    assert_true(wc_trainer_gradients(&t, batch + 1, 1, &second, NULL, NULL));
    for (size_t i = 0; i < n; i++)
        sum[i] += (float)(weights[1] / weights[2]) * t.params.grads[i];
    assert_true(wc_trainer_gradients(&t, batch, 2, &both, NULL, NULL));
    assert_near(both, (first * weights[0] + second * weights[1]) / weights[2], 1e-6, "loss", 0);
    for (size_t i = 0; i < n; i++)
        assert_near((double)t.params.grads[i], (double)sum[i], 2e-6, "gradient", i);
    free(sum);
    wc_trainer_close(&t);
}

static void expect_refused(wc_trainer *t, const wc_sequence *s, const char *part)
{
    wc_error err = {0};
    double loss = 0;
    assert_false(wc_trainer_gradients(t, s, 1, &loss, NULL, &err));
    if (!strstr(err.text, part))
        fail_msg("expected \"%s\", found: %s", part, err.text);
}

static void test_bad_batches(void **state)
{
    const int32_t ids[] = {1, 5, 9}, none[] = {7, WC_NO_LABEL, WC_NO_LABEL}, far[] = {1, 96, 9},
                  below[] = {1, -3, 9};
    static const int32_t many[257];
    wc_trainer t;
    assert_true(wc_trainer_open(&t, GOLDENS "train_openelm", &(wc_trainer_options){.n_threads = 1}, NULL));
    expect_refused(&t, &(wc_sequence){ids, ids, 0}, "sequence 0: expected 1 to 256 tokens, found 0");
    expect_refused(&t, &(wc_sequence){many, many, 257}, "sequence 0: expected 1 to 256 tokens, found 257");
    expect_refused(&t, &(wc_sequence){ids, none, 3},
                   "batch: expected a label behind some position, found none");
    expect_refused(&t, &(wc_sequence){far, ids, 3}, "sequence 0: id 1: expected 0 to 95, found 96");
    expect_refused(&t, &(wc_sequence){ids, far, 3},
                   "sequence 0: label 1: expected -100 or 0 to 95, found 96");
    expect_refused(&t, &(wc_sequence){ids, below, 3},
                   "sequence 0: label 1: expected -100 or 0 to 95, found -3");
    wc_trainer_close(&t);
}

/* Families that cannot be trained say so: at the beginning, or by the first op without a gradient. */
static void test_untrained_families(void **state)
{
    static const char *const closed[] = {"gemma3n_text", "gemma4_e", "bert", "embeddinggemma"};
    int32_t ids[2][N_IDS], labels[2][N_IDS];
    wc_sequence batch[2];
    wc_trainer t;
    double loss = 0;
    make_batch(batch, ids, labels);
    for (size_t i = 0; i < sizeof closed / sizeof *closed; i++) {
        char folder[400];
        wc_error err = {0};
        snprintf(folder, sizeof folder, GOLDENS "%s", closed[i]);
        assert_false(wc_trainer_open(&t, folder, &(wc_trainer_options){.n_threads = 1}, &err));
        assert_int_equal(err.code, WC_UNSUPPORTED);
        assert_non_null(strstr(err.text, "config.json: model_type: "));
        assert_non_null(strstr(err.text, " cannot be trained"));
    }
    wc_error err = {0};
    assert_true(wc_trainer_open(&t, GOLDENS "phimoe", &(wc_trainer_options){.n_threads = 1}, NULL));
    assert_false(wc_trainer_gradients(&t, batch, 2, &loss, NULL, &err));
    if (!strstr(err.text, "training: no gradient for add_rows"))
        fail_msg("%s", err.text);
    wc_trainer_close(&t);
}

/* ---- adapters ---- */

static const char *const adapter_files[] = {"adapter_config.json", "adapter_model.safetensors"};

static int open_adapter(void **state)
{
    *state = make_copy(GOLDENS "train_lora/adapter", adapter_files, 2);
    return 0;
}

static int close_adapter(void **state)
{
    free_copy(*state);
    return 0;
}

static bool open_with(const struct copy *c, wc_trainer *t, wc_error *err)
{
    return wc_trainer_open(t, GOLDENS "train_lora",
                           &(wc_trainer_options){.adapter = c->folder, .n_threads = 1}, err);
}

/* With one text of a file replaced the adapter is refused. */
static void refuse(struct copy *c, int file, const char *from, const char *to, const char *part)
{
    wc_error err = {0};
    wc_trainer t;
    edit_copy(c, adapter_files[file], from, to);
    assert_false(open_with(c, &t, &err));
    if (!strstr(err.text, part))
        fail_msg("expected \"%s\", found: %s", part, err.text);
    assert_non_null(strstr(err.text, adapter_files[file]));
    edit_copy(c, adapter_files[file], to, from);
}

static void test_bad_adapters(void **state)
{
    struct copy *c = *state;
    refuse(c, 0, "\"LORA\"", "\"IA3\"", "peft_type: expected \"LORA\", found \"IA3\"");
    refuse(c, 0, "\"use_dora\": false", "\"use_dora\": true", "use_dora: expected none, found true");
    refuse(c, 0, "\"bias\": \"none\"", "\"bias\": \"all\"", "bias: expected \"none\", found \"all\"");
    refuse(c, 0, "\"modules_to_save\": null", "\"modules_to_save\": [\"lm_head\"]",
           "modules_to_save: expected none, found an array");
    refuse(c, 0, "\"init_lora_weights\": true", "\"init_lora_weights\": \"pissa\"",
           "init_lora_weights: expected");
    refuse(c, 0, "\"r\": 4", "\"r\": 0", "r: ");
    refuse(c, 0, "\"rank_pattern\": {}", "\"rank_pattern\": {\"q_.*\": 4}",
           "rank_pattern: q_.*: expected the name of a module, found a pattern");
    refuse(c, 0, "\"v_proj\",", "\"v_proj\", \"up_proj\",", "target_modules: \"up_proj\" has no tensor in ");
    refuse(c, 0, "\"v_proj\",", "\"v_proj\", 3,",
           "target_modules: entry 1: expected a string, found a number");
    refuse(c, 1, "layers.0.self_attn.q_proj.lora_A", "layers.7.self_attn.q_proj.lora_A",
           "layers.0.self_attn.q_proj.lora_A.weight: missing");
    refuse(c, 1, "1.self_attn.v_proj.lora_B.weight", "1.self_attn.v_proj.lora_B.weighs",
           "1.self_attn.v_proj.lora_B.weight: missing");
    edit_copy(c, adapter_files[1], "layers.0.self_attn.q_proj.lora_B", "layers.0.self_attn.q_proj.lora_F");
    refuse(c, 1, "layers.0.self_attn.q_proj.lora_A", "layers.0.self_attn.q_proj.lora_E",
           "q_proj.lora_E.weight: expected base_model.model.MODULE.lora_A.weight or .lora_B.weight");
}

/* Both halves of a module that the model does not have, in names of one length. */
static void test_no_such_module(void **state)
{
    struct copy *c = *state;
    wc_error err = {0};
    wc_trainer t;
    edit_copy(c, adapter_files[1], "layers.0.self_attn.q_proj.lora_A", "layers.7.self_attn.q_proj.lora_A");
    edit_copy(c, adapter_files[1], "layers.0.self_attn.q_proj.lora_B", "layers.7.self_attn.q_proj.lora_B");
    assert_false(open_with(c, &t, &err));
    assert_non_null(strstr(err.text, "adapter_model.safetensors: tensor base_model.model.model.layers.7"));
    assert_non_null(strstr(err.text, " has no model.layers.7.self_attn.q_proj.weight"));
    unlink(wc_path_join(c->arena, c->folder, adapter_files[1]));
    write_file(c, "adapter_model.bin", "", 0);
    assert_false(open_with(c, &t, &err));
    assert_non_null(strstr(err.text, "only adapter_model.bin"));
    unlink(wc_path_join(c->arena, c->folder, "adapter_model.bin"));
}

/* The scale of the adapter of a weight. */
static double scale_of(const struct copy *c, const char *module)
{
    wc_error err = {0};
    wc_trainer t;
    wc_tensor w;
    wc_lora_weight l;
    if (!open_with(c, &t, &err))
        fail_msg("%s", err.text);
    assert_true(wc_checkpoint_find(t.files, module, &w));
    assert_true(wc_lora_find(&t.lora, &w, &l));
    wc_trainer_close(&t);
    return (double)l.scale;
}

static void test_scales(void **state)
{
    struct copy *c = *state;
    const char *q0 = "model.layers.0.self_attn.q_proj.weight", *q1 = "model.layers.1.self_attn.q_proj.weight";
    assert_near(scale_of(c, q0), 1.5, 1e-7, "alpha / r", 0);
    edit_copy(c, adapter_files[0], "\"use_rslora\": false", "\"use_rslora\": true");
    assert_near(scale_of(c, q0), 3, 1e-6, "alpha / sqrt(r)", 0);
    edit_copy(c, adapter_files[0], "\"alpha_pattern\": {}",
              "\"alpha_pattern\": {\"^model.layers.1.self_attn.q_proj\": 10, \"k_proj\": 5}");
    assert_near(scale_of(c, q0), 3, 1e-6, "alpha_pattern: another module", 0);
    assert_near(scale_of(c, q1), 5, 1e-6, "alpha_pattern", 0);
}

/* The model with the adapter is the model with merged weights, also where a product takes some rows of a weight; a product that
 * has no adapter is as it was. */
static void test_merged(void **state)
{
    backends[0] = wc_backend_cpu_open(1, true, NULL);
    wc_tensor x = random_tensor(WC_SHAPE(3, 6)), w = random_tensor(WC_SHAPE(8, 6)),
              a = random_tensor(WC_SHAPE(2, 6)), b = random_tensor(WC_SHAPE(8, 2)),
              other = random_tensor(WC_SHAPE(8, 6));
    wc_lora_weight weight = {as_bf16(w), a, b, 0.75f};
    const wc_lora lora = {&weight, 1};
    wc_ctx c = context(0), with = c;
    with.lora = &lora;
    const wc_tensor merged = wc_lora_merged(&c, &weight), some = wc_tensor_slice(weight.w, 3, 4);
    const wc_tensor want = wc_op_matmul(&c, x, wc_tensor_slice(merged, 3, 4), absent, WC_ACT_TANH, absent),
                    got = wc_op_matmul(&with, x, some, absent, WC_ACT_TANH, absent);
    for (size_t i = 0; i < 12; i++)
        assert_near((double)*at(got, i), (double)*at(want, i), 1e-6, "merged", i);
    assert_same(wc_op_linear(&c, x, other), wc_op_linear(&with, x, other), "another weight");
    end(&c);
    wc_backend_close(backends[0]);
    release(x), release(w), release(weight.w), release(a), release(b), release(other);
}

/* An adapter of rank 3 beside matrices that hold several projections, written by hand. */
static void write_fused_adapter(const struct copy *c)
{
    static const char config[] = "{\"peft_type\": \"LORA\", \"r\": 3, \"lora_alpha\": 6, \"target_modules\": "
                                 "[\"qkv_proj\", \"proj_1\"]}";
    static const struct {
        const char *module;
        size_t out, in;
    } modules[] = {{"0.attn.qkv_proj", 32, 32}, {"1.ffn.proj_1", 80, 32}};
    char header[1000], *data = calloc(1, 1 << 14);
    size_t used = 1, floats = 0;
    strcpy(header, "{");
    for (size_t i = 0; i < 4; i++) {
        const size_t rows = i % 2 ? modules[i / 2].out : 3, cols = i % 2 ? 3 : modules[i / 2].in;
        used += (size_t)snprintf(
            header + used, sizeof header - used,
            "%s\"base_model.model.transformer.layers.%s.lora_%c.weight\":{\"dtype\":\"F32\","
            "\"shape\":[%zu,%zu],\"data_offsets\":[%zu,%zu]}",
            i ? "," : "", modules[i / 2].module, i % 2 ? 'B' : 'A', rows, cols, 4 * floats,
            4 * (floats + rows * cols));
        floats += rows * cols;
    }
    header[used++] = '}';
    const uint64_t n = used;
    wc_tensor numbers = random_tensor(WC_SHAPE(floats));
    memcpy(data, &n, 8);
    memcpy(data + 8, header, used);
    memcpy(data + 8 + used, numbers.data, 4 * floats);
    write_file(c, "adapter_config.json", config, sizeof config - 1);
    write_file(c, "adapter_model.safetensors", data, 8 + used + 4 * floats);
    release(numbers);
    free(data);
}

/* Each of q, k and v takes its rows of B, and gives to the gradient of one A. */
static void test_fused_adapter(void **state)
{
    int32_t ids[2][N_IDS], labels[2][N_IDS];
    wc_sequence batch[2];
    wc_error err = {0};
    wc_trainer t;
    double loss = 0;
    make_batch(batch, ids, labels);
    write_fused_adapter(*state);
    const wc_trainer_options o = {.adapter = ((struct copy *)*state)->folder, .n_threads = 1};
    if (!wc_trainer_open(&t, GOLDENS "train_openelm", &o, &err) ||
        !wc_trainer_gradients(&t, batch, 2, &loss, NULL, &err))
        fail_msg("%s", err.text);
    assert_int_equal(t.params.n, 4);
    for (size_t i = 0; i < 4; i++)
        assert_gradient(&t, batch, "an adapter of openelm", &t.params.list[i]);
    wc_trainer_close(&t);
}

/* Without memory at any place nothing is lost and nothing is wrong: an error, or the result. */
static void test_no_memory(void **state)
{
    int32_t ids[2][N_IDS], labels[2][N_IDS];
    wc_sequence batch[2];
    const struct copy *c = *state;
    double want = 0, loss = 0;
    bool whole = false;
    make_batch(batch, ids, labels);
    for (long n = 0; !whole && n < 2000; n++) {
        wc_error err = {0};
        wc_trainer t = {0};
        wc_mem_fail_after(n); /* 0: never */
        const bool opened = n % 2 ? open_with(c, &t, &err)
                                  : wc_trainer_open(&t, GOLDENS "train_openelm",
                                                    &(wc_trainer_options){.n_threads = 1}, &err);
        const bool ok = opened && wc_trainer_gradients(&t, batch, 2, &loss, NULL, &err);
        wc_mem_fail_after(0);
        if (!ok && !err.text[0])
            fail_msg("allocation %ld: no error", n);
        if (n == 0)
            want = loss;
        whole = ok && n > 0 && n % 2 == 0;
        if (whole)
            assert_true(loss == want);
        wc_trainer_close(&t);
    }
    assert_true(whole);
}

/* Frozen weights get no gradient, and the adapter's get theirs. */
static void test_adapter_gradients(void **state)
{
    int32_t ids[2][N_IDS], labels[2][N_IDS];
    wc_sequence batch[2];
    wc_error err = {0};
    wc_trainer t;
    double loss = 0;
    make_batch(batch, ids, labels);
    if (!open_with(*state, &t, &err) || !wc_trainer_gradients(&t, batch, 2, &loss, NULL, &err))
        fail_msg("%s", err.text);
    assert_int_equal(t.params.n, 8);
    for (size_t i = 0; i < t.params.n; i++) {
        assert_true(t.params.list[i].used);
        assert_gradient(&t, batch, "train_lora", &t.params.list[i]);
    }
    wc_trainer_close(&t);
}

#define WITH_ADAPTER(test) cmocka_unit_test_setup_teardown(test, open_adapter, close_adapter)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sums),          cmocka_unit_test(test_acts),
        cmocka_unit_test(test_norms),         cmocka_unit_test(test_rope),
        cmocka_unit_test(test_attention),     cmocka_unit_test(test_loss),
        cmocka_unit_test(test_adamw),         cmocka_unit_test(test_fused_product),
        cmocka_unit_test(test_fan_out),       cmocka_unit_test(test_weight_as_activation),
        cmocka_unit_test(test_no_gradient),   cmocka_unit_test(test_tape_keeps),
        cmocka_unit_test(test_families),      cmocka_unit_test(test_batch_is_a_sum),
        cmocka_unit_test(test_bad_batches),   cmocka_unit_test(test_untrained_families),
        cmocka_unit_test(test_merged),        WITH_ADAPTER(test_bad_adapters),
        WITH_ADAPTER(test_no_such_module),    WITH_ADAPTER(test_scales),
        WITH_ADAPTER(test_adapter_gradients), WITH_ADAPTER(test_fused_adapter),
        WITH_ADAPTER(test_no_memory),
    };
    return cmocka_run_group_tests_name("train", tests, NULL, NULL);
}
