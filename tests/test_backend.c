/* test_backend.c - the CPU's operations: right against double precision, and the same bits whatever the number of threads
 * and of rows beside a row, at every level that this CPU has. */
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "backend/backend.h"
#include "kernels/cpu.h"
#include "tensor/store.h"
#include "tensors.h"

static const wc_tensor absent = {0};

static float at(wc_tensor t, size_t i)
{
    return ((float *)t.data)[i];
}

static void assert_near(wc_tensor got, const double *want, double tolerance, const char *what)
{
    for (size_t i = 0; i < wc_tensor_elems(&got); i++)
        if (!(fabs((double)at(got, i) - want[i]) <= tolerance))
            fail_msg("%s: element %zu: expected %.9g, found %.9g", what, i, want[i], (double)at(got, i));
}

static void assert_same(wc_tensor a, wc_tensor b, const char *what)
{
    for (size_t i = 0; i < wc_tensor_elems(&a); i++)
        if (!(at(a, i) == at(b, i)))
            fail_msg("%s: element %zu: %.9g and %.9g", what, i, (double)at(a, i), (double)at(b, i));
}

/* ---- every level, several numbers of threads ---- */

enum { N_BACKENDS = 3 };
static const int threads[N_BACKENDS] = {1, 2, 5};
static wc_backend *backends[N_BACKENDS];

/* Runs test at each level, with backends of 1, 2 and 5 threads open; exact: they may round no activations. */
static void at_each_level(void (*test)(void), bool exact)
{
    for (int level = 0; level < WC_N_LEVELS; level++) {
        wc_error err = {0};
        if (!wc_cpu_has((enum wc_level)level))
            continue;
        setenv("WHINCHAT_CPU", wc_cpu_name((enum wc_level)level), 1);
        for (int i = 0; i < N_BACKENDS; i++) {
            backends[i] = wc_backend_cpu_open(threads[i], exact, &err);
            assert_non_null(backends[i]);
            assert_string_equal(backends[i]->level, wc_cpu_name((enum wc_level)level));
        }
        test();
        for (int i = 0; i < N_BACKENDS; i++)
            wc_backend_close(backends[i]);
        unsetenv("WHINCHAT_CPU");
    }
}

/* Makes x what backends that round will take it for. */
static void round_if_asked(wc_tensor x)
{
    if (!backends[0]->exact)
        release(as_bf16(x));
}

/* ---- matmul ---- */

static bool whole; /* inputs: see backend.h */

/* With memory of its own to work in. */
static void product(wc_backend *b, wc_tensor y, wc_tensor x, wc_tensor w, wc_epilogue e)
{
    const size_t room = b->matmul_work(b, wc_tensor_rows(&x), &w, whole);
    wc_tensor work = wc_tensor_of(aligned_alloc(64, (room * 4 + 64) / 64 * 64), WC_F32, WC_SHAPE(room));
    b->matmul(b, x, &(wc_product){y, w, e}, 1, whole, work);
    free(work.data);
}

static void matmul(wc_backend *b, wc_tensor y, wc_tensor x, wc_tensor w, wc_tensor bias, wc_act act,
                   wc_tensor add)
{
    product(b, y, x, w, (wc_epilogue){.bias = bias, .act = act, .add = add});
}

static void matmul_case(size_t n, size_t m, size_t k, bool half, wc_act act)
{
    wc_tensor x = random_tensor(WC_SHAPE(n, k)), w = random_tensor(WC_SHAPE(m, k)),
              bias = random_tensor(WC_SHAPE(m));
    wc_tensor add = random_tensor(WC_SHAPE(n, m)), y = zeros(WC_SHAPE(n, m)), z = zeros(WC_SHAPE(n, m));
    wc_tensor stored = half ? as_bf16(w) : w;
    round_if_asked(x);
    double *want = malloc(n * m * sizeof *want);
    for (size_t r = 0; r < n; r++)
        for (size_t j = 0; j < m; j++) {
            double sum = 0;
            for (size_t i = 0; i < k; i++)
                sum += (double)at(x, r * k + i) * (double)at(w, j * k + i);
            sum += (double)at(bias, j);
            want[r * m + j] = (act == WC_ACT_RELU && sum < 0 ? 0 : sum) + (double)at(add, r * m + j);
        }
    matmul(backends[0], y, x, stored, bias, act, add);
    assert_near(y, want, 1e-6 * (double)k + 1e-5, "matmul");
    for (int b = 1; b < N_BACKENDS; b++) {
        matmul(backends[b], z, x, stored, bias, act, add);
        assert_same(y, z, "matmul: threads");
    }
    const size_t parts[] = {1, 2, 3, 7, 40};
    for (size_t p = 0; p < sizeof parts / sizeof *parts; p++) {
        memcpy(z.data, add.data, 4 * n * m); /* add is y itself */
        for (size_t r = 0; r < n; r += parts[p]) {
            size_t some = n - r < parts[p] ? n - r : parts[p];
            wc_tensor part = wc_tensor_slice(z, r, some);
            matmul(backends[p % N_BACKENDS], part, wc_tensor_slice(x, r, some), stored, bias, act, part);
        }
        assert_same(y, z, "matmul: rows");
    }
    wc_tensor sliced = zeros(WC_SHAPE(n, m / 2 + 1)); /* some rows of w */
    matmul(backends[2], sliced, x, wc_tensor_slice(stored, m / 3, m / 2 + 1), absent, WC_ACT_NONE, absent);
    matmul(backends[0], y, x, stored, absent, WC_ACT_NONE, absent);
    for (size_t r = 0; r < n; r++)
        for (size_t j = 0; j < m / 2 + 1; j++)
            assert_true(at(sliced, r * (m / 2 + 1) + j) == at(y, r * m + m / 3 + j));
    if (half)
        release(stored);
    free(want);
    release(x), release(w), release(bias), release(add), release(y), release(z), release(sliced);
}

/* A gate, where the product goes, is the same as the product and act_mul one after the other. */
static void gated_case(size_t n, size_t m, size_t k, bool half, wc_act act, bool has_add)
{
    wc_tensor x = random_tensor(WC_SHAPE(n, k)), w = random_tensor(WC_SHAPE(m, k)),
              bias = random_tensor(WC_SHAPE(m)), gate = random_tensor(WC_SHAPE(n, m)),
              add = random_tensor(WC_SHAPE(n, m)), y = zeros(WC_SHAPE(n, m)), z = zeros(WC_SHAPE(n, m));
    wc_tensor stored = half ? as_bf16(w) : w;
    matmul(backends[0], y, x, stored, bias, WC_ACT_NONE, absent);
    backends[0]->act_mul(backends[0], y, gate, y, act);
    if (has_add)
        backends[0]->add(backends[0], y, y, add, 1);
    for (int b = 0; b < N_BACKENDS; b++) {
        memcpy(z.data, gate.data, 4 * n * m);
        product(backends[b], z, x, stored,
                (wc_epilogue){.bias = bias, .act = act, .gate = z, .add = has_add ? add : absent});
        assert_same(y, z, "matmul: gate");
    }
    release(x), release(w), release(bias), release(gate), release(add), release(y), release(z);
    if (half)
        release(stored);
}

/* Products of one x, together or one by one: the same. */
static void together_case(size_t n, size_t k, const size_t m[3], const bool half[3])
{
    wc_tensor x = random_tensor(WC_SHAPE(n, k)), w[3], bias[3], y[3], z[3];
    wc_product p[3];
    for (int i = 0; i < 3; i++) {
        w[i] = random_tensor(WC_SHAPE(m[i], k));
        bias[i] = random_tensor(WC_SHAPE(m[i]));
        y[i] = zeros(WC_SHAPE(n, m[i]));
        z[i] = zeros(WC_SHAPE(n, m[i]));
        p[i] = (wc_product){z[i], half[i] ? as_bf16(w[i]) : w[i], {.bias = i == 1 ? bias[i] : absent}};
        matmul(backends[0], y[i], x, p[i].w, p[i].e.bias, WC_ACT_NONE, absent);
    }
    size_t room = 0;
    for (int i = 0; i < 3; i++) {
        const size_t some = backends[0]->matmul_work(backends[0], n, &p[i].w, whole);
        room = some > room ? some : room;
    }
    wc_tensor work = wc_tensor_of(aligned_alloc(64, (room * 4 + 64) / 64 * 64), WC_F32, WC_SHAPE(room));
    for (int b = 0; b < N_BACKENDS; b++) {
        for (int i = 0; i < 3; i++)
            memset(z[i].data, 0, 4 * n * m[i]);
        backends[b]->matmul(backends[b], x, p, 3, whole, work);
        for (int i = 0; i < 3; i++)
            assert_same(y[i], z[i], "matmul: together");
    }
    free(work.data);
    release(x);
    for (int i = 0; i < 3; i++) {
        if (half[i])
            release(p[i].w);
        release(w[i]), release(bias[i]), release(y[i]), release(z[i]);
    }
}

static void matmul_level(void)
{
    together_case(1, 300, (size_t[]){200, 33, 1}, (bool[]){true, true, true});
    together_case(3, 70, (size_t[]){40, 640, 40}, (bool[]){true, false, false});
    together_case(60, 1100, (size_t[]){210, 16, 400}, (bool[]){true, false, true});
    together_case(30, 64, (size_t[]){1, 1, 250}, (bool[]){false, false, false});
    gated_case(1, 200, 70, true, WC_ACT_SILU, false);
    gated_case(3, 33, 1100, false, WC_ACT_NONE, true);
    gated_case(50, 210, 513, true, WC_ACT_GELU_TANH, true);
    gated_case(70, 400, 2100, true, WC_ACT_GELU, false);
    matmul_case(1, 1, 1, false, WC_ACT_NONE);
    matmul_case(9, 33, 70, true, WC_ACT_NONE);
    matmul_case(41, 130, 513, true, WC_ACT_RELU);
    matmul_case(20, 65, 1100, false, WC_ACT_NONE);
    matmul_case(50, 210, 2100, true, WC_ACT_NONE);
    wc_tensor none = random_tensor(WC_SHAPE(1, 8)), w = random_tensor(WC_SHAPE(4, 8));
    none.shape[0] = 0;
    matmul(backends[1], none, none, w, absent, WC_ACT_NONE, absent);
    none.shape[0] = 1;
    release(none), release(w);
}

static void test_matmul(void **state)
{
    for (int i = 0; i < 2; i++) {
        whole = i == 1;
        at_each_level(matmul_level, true);
        at_each_level(matmul_level, false);
    }
    whole = false;
}

/* ---- quantized weights ---- */

/* By backends that round x and by one that does not: close to each other, the same for any threads and rows. */
static void quantized_case(wc_dtype type, size_t n, size_t m, size_t k, wc_backend *const *rounding)
{
    wc_tensor x = random_tensor(WC_SHAPE(n, k)), values = random_tensor(WC_SHAPE(m, k)), w = values;
    wc_tensor y = zeros(WC_SHAPE(n, m)), z = zeros(WC_SHAPE(n, m)), exact = zeros(WC_SHAPE(n, m));
    size_t bytes;
    assert_true(wc_dtype_bytes(type, m * k, &bytes));
    w.data = malloc(bytes);
    w.dtype = type;
    assert_true(wc_store_narrow(w.data, values.data, type, m * k));
    matmul(backends[1], exact, x, w, absent, WC_ACT_NONE, absent);
    matmul(rounding[0], y, x, w, absent, WC_ACT_NONE, absent);
    for (size_t i = 0; i < n * m; i++) /* 1/254 of a value at most, and as often up as down */
        assert_true(fabsf(at(y, i) - at(exact, i)) <= 0.02f * sqrtf((float)k));
    matmul(rounding[1], z, x, w, absent, WC_ACT_NONE, absent);
    assert_same(y, z, "quantized matmul: threads");
    for (size_t r = 0; r < n; r += 3)
        matmul(rounding[r % 2], wc_tensor_slice(z, r, n - r < 3 ? n - r : 3),
               wc_tensor_slice(x, r, n - r < 3 ? n - r : 3), w, absent, WC_ACT_NONE, absent);
    assert_same(y, z, "quantized matmul: rows");
    wc_tensor more = random_tensor(WC_SHAPE(n, m));
    matmul(rounding[0], z, x, w, absent, WC_ACT_NONE, more);
    for (size_t i = 0; i < n * m; i++)
        assert_true(at(z, i) == at(y, i) + at(more, i));
    if (m % 64 == 0) { /* the same rows in another order, as heads of 64 */
        wc_tensor turned = w;
        turned.data = malloc(bytes);
        turned.paired = 64;
        for (size_t r = 0; r < m; r++)
            memcpy((char *)turned.data + (r / 64 * 64 + r % 32 * 2 + r % 64 / 32) * (bytes / m),
                   (char *)w.data + r * (bytes / m), bytes / m);
        matmul(rounding[1], z, x, turned, absent, WC_ACT_NONE, absent);
        assert_same(y, z, "quantized matmul: paired rows");
        matmul(backends[2], z, x, turned, absent, WC_ACT_NONE, absent);
        assert_same(exact, z, "matmul: paired rows");
        free(turned.data);
    }
    const int32_t ids[] = {(int32_t)m - 1, 0, (int32_t)m / 2};
    wc_tensor rows = zeros(WC_SHAPE(3, k));
    float *want = malloc(k * sizeof *want);
    backends[0]->embed(backends[0], rows, w, ids, 2);
    for (size_t r = 0; r < 3; r++) {
        wc_cpu_kernels(WC_LEVEL_REFERENCE)
            ->widen[type](want, (char *)w.data + wc_dtype_offset(type, (size_t)ids[r] * k), k);
        for (size_t i = 0; i < k; i++)
            assert_true(at(rows, r * k + i) == 2 * want[i]);
    }
    free(want);
    free(w.data);
    release(x), release(values), release(y), release(z), release(exact), release(rows), release(more);
}

static void quantized_level(void)
{
    wc_backend *rounding[2];
    for (int i = 0; i < 2; i++) {
        rounding[i] = wc_backend_cpu_open(1 + 2 * i, false, NULL);
        assert_non_null(rounding[i]);
    }
    static const wc_dtype types[] = {WC_Q8_0, WC_Q4_0};
    for (size_t t = 0; t < 2; t++) {
        quantized_case(types[t], 1, 5, 32, rounding);
        quantized_case(types[t], 7, 130, 544, rounding);
        quantized_case(types[t], 61, 203, 1056, rounding);
        quantized_case(types[t], 3, 192, 64, rounding);
        quantized_case(types[t], 70, 448, 96, rounding);
    }
    wc_backend_close(rounding[0]);
    wc_backend_close(rounding[1]);
}

static void test_quantized(void **state)
{
    at_each_level(quantized_level, true);
}

/* ---- attention ---- */

enum { PAGES = 20, N_SEQS = 2, LENGTH = 1250 };

/* One layer's keys and values of two sequences, the second half as long, in pages of a type. */
struct cache {
    wc_kv_layer layer;
    char *pages[N_SEQS][PAGES];
    char *const *lists[N_SEQS];
    wc_tensor k[N_SEQS], v[N_SEQS]; /* [LENGTH, heads, dim] as written (rounded for bf16) */
};

static void cache_fill(struct cache *c, wc_dtype type, size_t heads, size_t key_dim, size_t value_dim)
{
    c->layer = (wc_kv_layer){type, (int)heads, (int)key_dim, (int)value_dim, c->lists};
    size_t bytes = wc_kv_page_bytes(type, (int)heads, (int)key_dim, (int)value_dim);
    for (int s = 0; s < N_SEQS; s++) {
        int32_t pos[LENGTH], seq[LENGTH];
        for (int i = 0; i < PAGES; i++) {
            c->pages[s][i] = aligned_alloc(64, bytes);
            memset(c->pages[s][i], 0xff, bytes); /* NaN where nothing is written */
        }
        c->lists[s] = c->pages[s];
        c->k[s] = random_tensor(WC_SHAPE(LENGTH, heads, key_dim));
        c->v[s] = random_tensor(WC_SHAPE(LENGTH, heads, value_dim));
        if (type == WC_BF16)
            release(as_bf16(c->k[s])), release(as_bf16(c->v[s]));
        for (int i = 0; i < LENGTH; i++)
            pos[i] = i, seq[i] = s;
        int n = s == 0 ? LENGTH : LENGTH / 2;
        wc_row_map rows = {n, pos, seq, NULL, N_SEQS};
        backends[s]->kv_write(backends[s], &c->layer, &rows, wc_tensor_slice(c->k[s], 0, (size_t)n),
                              wc_tensor_slice(c->v[s], 0, (size_t)n));
    }
}

static void cache_release(struct cache *c)
{
    for (int s = 0; s < N_SEQS; s++) {
        for (int i = 0; i < PAGES; i++)
            free(c->pages[s][i]);
        release(c->k[s]), release(c->v[s]);
    }
}

/* One row's head in double precision over positions low .. high of keys k [.., heads, key_dim], values v. */
static void attend(double *y, const float *q, wc_tensor k, wc_tensor v, size_t head, int low, int high,
                   const wc_attention *a)
{
    const size_t kd = (size_t)a->key_dim, vd = (size_t)a->value_dim, heads = (size_t)a->n_kv_heads;
    double sum = 0;
    memset(y, 0, vd * sizeof *y);
    for (int j = low; j <= high; j++) {
        double s = 0;
        for (size_t i = 0; i < kd; i++)
            s += (double)q[i] * (double)at(k, ((size_t)j * heads + head) * kd + i);
        s *= (double)a->scale;
        if (a->soft_cap > 0)
            s = (double)a->soft_cap * tanh(s / (double)a->soft_cap);
        sum += exp(s);
        for (size_t i = 0; i < vd; i++)
            y[i] += exp(s) * (double)at(v, ((size_t)j * heads + head) * vd + i);
    }
    for (size_t i = 0; i < vd; i++)
        y[i] = high < low ? 0 : y[i] / sum;
}

/* 100 rows from position start on of one sequence, then 50 of another; ahead: some see rows behind them. */
static void attention_case(wc_dtype type, wc_attention a, int start, bool ahead)
{
    enum { N = 150 };
    const size_t heads = (size_t)a.n_heads, kd = (size_t)a.key_dim, vd = (size_t)a.value_dim;
    struct cache c;
    cache_fill(&c, type, (size_t)a.n_kv_heads, kd, vd);
    wc_tensor q = random_tensor(WC_SHAPE(N, heads * kd)), y = zeros(WC_SHAPE(N, heads * vd)),
              z = zeros(WC_SHAPE(N, heads * vd));
    int32_t pos[N], seq[N], last[N];
    double *want = malloc(N * heads * vd * sizeof *want);
    for (int r = 0; r < N; r++) {
        seq[r] = r >= 100;
        pos[r] = r < 100 ? start + r : r - 100 + 17;
        last[r] = ahead && r % 40 < 10 ? r / 40 * 40 + 9 + (r < 100 ? start : 17 - 100) : pos[r];
        int low = a.window > 0 && pos[r] >= a.window ? pos[r] - a.window + 1 : 0;
        for (size_t h = 0; h < heads; h++)
            attend(want + ((size_t)r * heads + h) * vd, (float *)q.data + ((size_t)r * heads + h) * kd,
                   c.k[seq[r]], c.v[seq[r]], h / (heads / (size_t)a.n_kv_heads), low, last[r], &a);
    }
    wc_row_map rows = {N, pos, seq, ahead ? last : NULL, N_SEQS};
    backends[0]->attention(backends[0], y, q, &c.layer, &rows, &a);
    assert_near(y, want, backends[0]->exact || type == WC_F32 ? 2e-5 : 0x1p-7, "attention");
    for (int b = 1; b < N_BACKENDS; b++) {
        backends[b]->attention(backends[b], z, q, &c.layer, &rows, &a);
        assert_same(y, z, "attention: threads");
    }
    for (int step = 1; step < 40; step += 12) {
        for (int r = 0; r < N; r += step) {
            int n = N - r < step ? N - r : step;
            wc_row_map part = {n, pos + r, seq + r, ahead ? last + r : NULL, N_SEQS};
            backends[1]->attention(backends[1], wc_tensor_slice(z, (size_t)r, (size_t)n),
                                   wc_tensor_slice(q, (size_t)r, (size_t)n), &c.layer, &part, &a);
        }
        assert_same(y, z, "attention: rows");
    }
    free(want);
    cache_release(&c);
    release(q), release(y), release(z);
}

static bool whole; /* inputs: see backend.h */

/* With memory of its own to work in. */
static void attention_dense(wc_backend *b, wc_tensor y, wc_tensor q, wc_tensor k, wc_tensor v,
                            const wc_attention *a)
{
    const size_t room = b->attention_dense_work(b, k.shape[0], a);
    wc_tensor work = wc_tensor_of(aligned_alloc(64, (room * 4 + 64) / 64 * 64), WC_F32, WC_SHAPE(room));
    b->attention_dense(b, y, q, k, v, a, work);
    free(work.data);
}

static void dense_case(size_t n, size_t m, wc_attention a)
{
    const size_t heads = (size_t)a.n_heads, kd = (size_t)a.key_dim, vd = (size_t)a.value_dim;
    const size_t kv_heads = (size_t)a.n_kv_heads;
    wc_tensor q = random_tensor(WC_SHAPE(n, heads * kd)), k = random_tensor(WC_SHAPE(m, kv_heads * kd)),
              v = random_tensor(WC_SHAPE(m, kv_heads * vd)), y = zeros(WC_SHAPE(n, heads * vd)),
              z = zeros(WC_SHAPE(n, heads * vd));
    double *want = malloc(n * heads * vd * sizeof *want);
    for (size_t r = 0; r < n; r++)
        for (size_t h = 0; h < heads; h++)
            attend(want + (r * heads + h) * vd, (float *)q.data + (r * heads + h) * kd, k, v,
                   h / (heads / kv_heads), 0, (int)m - 1, &a);
    attention_dense(backends[0], y, q, k, v, &a);
    /* Rounded to bf16 a value, a weight and a score are off by 2^-9 of themselves. */
    assert_near(y, want, backends[0]->exact ? 2e-5 : 0x1p-7, "attention_dense");
    for (int b = 1; b < N_BACKENDS; b++) {
        attention_dense(backends[b], z, q, k, v, &a);
        assert_same(y, z, "attention_dense: threads");
    }
    for (size_t r = 0; r < n; r++)
        attention_dense(backends[0], wc_tensor_slice(z, r, 1), wc_tensor_slice(q, r, 1), k, v, &a);
    assert_same(y, z, "attention_dense: rows");
    free(want);
    release(q), release(k), release(v), release(y), release(z);
}

/* Texts of these lengths one behind the other, their rows over each other. */
static void own_rows_case(wc_attention a, bool padded)
{
    static const int lengths[] = {1, 7, 150, 64, 3, 65};
    enum { TEXTS = sizeof lengths / sizeof *lengths, N = 290 };
    const size_t heads = (size_t)a.n_heads, kd = (size_t)a.key_dim, vd = (size_t)a.value_dim;
    const size_t kv_heads = (size_t)a.n_kv_heads;
    wc_tensor q = random_tensor(WC_SHAPE(N, heads * kd)), k = random_tensor(WC_SHAPE(N, kv_heads * kd)),
              v = random_tensor(WC_SHAPE(N, kv_heads * vd)), y = zeros(WC_SHAPE(N, heads * vd)),
              z = zeros(WC_SHAPE(N, heads * vd));
    int32_t pos[N], seq[N], last[N];
    double *want = malloc(N * heads * vd * sizeof *want);
    for (int t = 0, row = 0; t < TEXTS; t++)
        for (int i = 0, first = row; i < lengths[t]; i++, row++) {
            pos[row] = i;
            seq[row] = t;
            last[row] = padded ? lengths[t] / 2 : lengths[t] - 1;
            const int low = a.window > 0 && i >= a.window ? i - a.window + 1 : 0;
            for (size_t h = 0; h < heads; h++)
                attend(want + ((size_t)row * heads + h) * vd,
                       (float *)q.data + ((size_t)row * heads + h) * kd, k, v, h / (heads / kv_heads),
                       first + low, first + last[row], &a);
        }
    wc_row_map rows = {N, pos, seq, last, TEXTS};
    backends[0]->attention_rows(backends[0], y, q, k, v, &rows, &a);
    assert_near(y, want, 2e-5, "attention_rows");
    for (int b = 1; b < N_BACKENDS; b++) {
        backends[b]->attention_rows(backends[b], z, q, k, v, &rows, &a);
        assert_same(y, z, "attention_rows: threads");
    }
    for (int t = 0, row = 0; t < TEXTS; row += lengths[t++]) { /* each text alone */
        const size_t at = (size_t)row, n = (size_t)lengths[t];
        wc_row_map alone = {lengths[t], pos + row, seq + row, last + row, TEXTS};
        backends[0]->attention_rows(backends[0], wc_tensor_slice(z, at, n), wc_tensor_slice(q, at, n),
                                    wc_tensor_slice(k, at, n), wc_tensor_slice(v, at, n), &alone, &a);
    }
    assert_same(y, z, "attention_rows: alone");
    free(want);
    release(q), release(k), release(v), release(y), release(z);
}

static void own_rows_level(void)
{
    own_rows_case(
        (wc_attention){.n_heads = 3, .n_kv_heads = 3, .key_dim = 32, .value_dim = 32, .scale = 0.2f}, false);
    own_rows_case(
        (wc_attention){.n_heads = 2, .n_kv_heads = 2, .key_dim = 12, .value_dim = 12, .scale = 0.3f}, true);
    own_rows_case(
        (wc_attention){
            .n_heads = 4, .n_kv_heads = 2, .key_dim = 64, .value_dim = 64, .scale = 0.1f, .window = 9},
        false);
}

static void pool_case(wc_pooling how, int skip)
{
    enum { TEXTS = 5, D = 37 };
    static const int32_t first[TEXTS + 1] = {0, 1, 4, 4, 11, 40};
    wc_tensor x = random_tensor(WC_SHAPE(40, D)), y = zeros(WC_SHAPE(TEXTS, D)),
              z = zeros(WC_SHAPE(TEXTS, D));
    double want[TEXTS * D];
    for (size_t i = 0; i < TEXTS * D; i++) {
        const int from = first[i / D], n = first[i / D + 1] - from, left = n - skip;
        double sum = 0, weights = 0, top = -INFINITY;
        for (int r = skip; r < n; r++) {
            const double value = (double)at(x, (size_t)(from + r) * D + i % D);
            const double weight = how == WC_POOL_WEIGHTED_MEAN ? r + 1 : 1;
            sum += weight * value;
            weights += weight;
            top = fmax(top, value);
        }
        want[i] = left <= 0                  ? 0
                  : how == WC_POOL_MAX       ? top
                  : how == WC_POOL_MEAN_SQRT ? sum / sqrt(weights)
                                             : sum / weights;
        if (n > 0 && (how == WC_POOL_FIRST || how == WC_POOL_LAST)) {
            const int row = how == WC_POOL_LAST ? n - 1 : left > 0 ? skip : 0;
            want[i] = (double)at(x, (size_t)(from + row) * D + i % D);
        }
    }
    backends[0]->pool_rows(backends[0], y, x, first, skip, how);
    assert_near(y, want, 1e-6, "pool_rows");
    backends[2]->pool_rows(backends[2], z, x, first, skip, how);
    assert_same(y, z, "pool_rows: threads");
    release(x), release(y), release(z);
}

static void pool_level(void)
{
    for (int how = WC_POOL_MEAN; how <= WC_POOL_LAST; how++)
        for (int skip = 0; skip < 4; skip++)
            pool_case((wc_pooling)how, skip);
}

static void dense_level(void)
{
    dense_case(23, 150,
               (wc_attention){.n_heads = 6, .n_kv_heads = 2, .key_dim = 17, .value_dim = 24, .scale = 0.5f});
    dense_case(
        70, 65,
        (wc_attention){.n_heads = 12, .n_kv_heads = 1, .key_dim = 64, .value_dim = 64, .scale = 0.125f});
    dense_case(37, 1091,
               (wc_attention){.n_heads = 5, .n_kv_heads = 1, .key_dim = 33, .value_dim = 96, .scale = 0.2f});
    dense_case(3, 2100,
               (wc_attention){.n_heads = 200, .n_kv_heads = 2, .key_dim = 4, .value_dim = 4, .scale = 1});
}

static void attention_level(void)
{
    attention_case(
        WC_F32, (wc_attention){.n_heads = 8, .n_kv_heads = 2, .key_dim = 32, .value_dim = 32, .scale = 0.3f},
        200, false);
    attention_case(
        WC_BF16,
        (wc_attention){
            .n_heads = 3, .n_kv_heads = 3, .key_dim = 20, .value_dim = 13, .scale = 1, .soft_cap = 2},
        1000, true);
    attention_case(
        WC_F32,
        (wc_attention){
            .n_heads = 4, .n_kv_heads = 1, .key_dim = 16, .value_dim = 24, .scale = 1, .window = 70},
        1050, false);
    attention_case(
        WC_BF16,
        (wc_attention){
            .n_heads = 2, .n_kv_heads = 1, .key_dim = 600, .value_dim = 8, .scale = 0.1f, .window = 9},
        1020, true);
    attention_case(WC_F32,
                   (wc_attention){.n_heads = 130, .n_kv_heads = 1, .key_dim = 5, .value_dim = 3, .scale = 1},
                   1100, false);
    attention_case(WC_BF16,
                   (wc_attention){.n_heads = 130, .n_kv_heads = 1, .key_dim = 5, .value_dim = 3, .scale = 1},
                   1100, false);
}

static void test_attention(void **state)
{
    at_each_level(attention_level, true);
    at_each_level(attention_level, false);
    at_each_level(own_rows_level, true);
    at_each_level(pool_level, true);
    at_each_level(dense_level, true);
    at_each_level(dense_level, false);
}

/* A row's neighbour with broken values leaves the row alone; a row that sees nothing gives zeros. */
static void broken_neighbour_level(void)
{
    const wc_attention a = {.n_heads = 2, .n_kv_heads = 1, .key_dim = 16, .value_dim = 16, .scale = 1};
    struct cache c;
    cache_fill(&c, WC_F32, 1, 16, 16);
    int32_t pos[] = {100, 101, 102}, seq[] = {0, 0, 0}, last[] = {100, 101, -1};
    wc_row_map rows = {3, pos, seq, last, N_SEQS}, alone = {1, pos, seq, last, N_SEQS};
    wc_tensor q = random_tensor(WC_SHAPE(3, 32)), y = zeros(WC_SHAPE(3, 32)), z = zeros(WC_SHAPE(1, 32));
    backends[0]->attention(backends[0], z, wc_tensor_slice(q, 0, 1), &c.layer, &alone, &a);
    for (int i = 0; i < 16; i++) {
        ((float *)c.k[0].data)[101 * 16 + i] = INFINITY;
        ((float *)c.v[0].data)[101 * 16 + i] = NAN;
    }
    wc_row_map broken = {1, pos + 1, seq, NULL, N_SEQS};
    backends[0]->kv_write(backends[0], &c.layer, &broken, wc_tensor_slice(c.k[0], 101, 1),
                          wc_tensor_slice(c.v[0], 101, 1));
    backends[0]->attention(backends[0], y, q, &c.layer, &rows, &a);
    assert_same(z, wc_tensor_slice(y, 0, 1), "attention: a neighbour's NaN");
    assert_true(isnan(at(y, 32)));
    for (size_t i = 64; i < 96; i++)
        assert_true(at(y, i) == 0);
    cache_release(&c);
    release(q), release(y), release(z);
}

static void test_broken_neighbour(void **state)
{
    at_each_level(broken_neighbour_level, true);
}

/* ---- maps ---- */

static void conv_case(wc_conv v, bool depthwise, bool half)
{
    const size_t c_in = (size_t)v.c_in, c_out = (size_t)v.c_out, kh = (size_t)v.kh, kw = (size_t)v.kw;
    wc_tensor x = random_tensor(WC_SHAPE((size_t)v.h, (size_t)v.w, c_in));
    wc_tensor w = random_tensor(WC_SHAPE(c_out, depthwise ? 1 : c_in, kh, kw)),
              bias = random_tensor(WC_SHAPE(c_out));
    wc_tensor y = zeros(WC_SHAPE((size_t)v.oh, (size_t)v.ow, c_out)),
              z = zeros(WC_SHAPE((size_t)v.oh, (size_t)v.ow, c_out));
    wc_tensor stored = half ? as_bf16(w) : w;
    round_if_asked(x);
    double *want = calloc(wc_tensor_elems(&y), sizeof *want);
    for (int r = 0; r < v.oh * v.ow; r++)
        for (size_t o = 0; o < c_out; o++) {
            double sum = depthwise ? 0 : (double)at(bias, o);
            for (int t = 0; t < v.kh * v.kw; t++) {
                int row = r / v.ow * v.stride - v.pad_top + t / v.kw,
                    col = r % v.ow * v.stride - v.pad_left + t % v.kw;
                if (row < 0 || row >= v.h || col < 0 || col >= v.w)
                    continue;
                for (size_t i = depthwise ? o : 0; i < (depthwise ? o + 1 : c_in); i++)
                    sum += (double)at(x, (size_t)(row * v.w + col) * c_in + i) *
                           (double)at(w, (o * (depthwise ? 1 : c_in) + (depthwise ? 0 : i)) * kh * kw +
                                             (size_t)t);
            }
            want[(size_t)r * c_out + o] = sum;
        }
    for (int b = 0; b < N_BACKENDS; b++) {
        size_t room = depthwise ? kh * kw * c_in : backends[b]->conv2d_work(backends[b], &stored, &v);
        wc_tensor work = wc_tensor_of(aligned_alloc(64, (room * 4 + 63) / 64 * 64), WC_F32, WC_SHAPE(room));
        if (depthwise)
            backends[b]->conv2d_depthwise(backends[b], b ? z : y, x, stored, &v, work);
        else
            backends[b]->conv2d(backends[b], b ? z : y, x, stored, bias, &v, work);
        if (b)
            assert_same(y, z, "convolution: threads");
        free(work.data);
    }
    assert_near(y, want, 1e-6 * (double)(c_in * kh * kw) + 1e-5, depthwise ? "conv2d_depthwise" : "conv2d");
    if (half)
        release(stored);
    free(want);
    release(x), release(w), release(bias), release(y), release(z);
}

static wc_conv same_conv(int h, int w, int c_in, int c_out, int k, int stride)
{
    wc_conv v = {h, w, c_in, (h + stride - 1) / stride, (w + stride - 1) / stride, c_out, k, k, stride, 0, 0};
    int down = (v.oh - 1) * stride + k - h, across = (v.ow - 1) * stride + k - w;
    v.pad_top = down > 0 ? down / 2 : 0;
    v.pad_left = across > 0 ? across / 2 : 0;
    return v;
}

static void maps_level(void)
{
    conv_case(same_conv(13, 9, 3, 21, 3, 2), false, true);
    conv_case(same_conv(7, 20, 70, 33, 3, 1), false, false);
    conv_case(same_conv(2, 2, 130, 40, 5, 1), false, true);
    conv_case(same_conv(3, 3, 5, 4, 1, 2), false, false);
    /* time padded behind only, bands on both sides; and time before only */
    conv_case((wc_conv){11, 16, 1, 6, 8, 12, 3, 3, 2, 0, 1}, false, false);
    conv_case((wc_conv){1, 8, 12, 1, 4, 5, 3, 3, 2, 0, 1}, false, true);
    conv_case((wc_conv){19, 1, 40, 19, 1, 40, 5, 1, 1, 4, 0}, true, true);
    for (int stride = 1; stride <= 2; stride++) {
        conv_case(same_conv(14, 11, 37, 37, 3, stride), true, stride == 1);
        conv_case(same_conv(9, 30, 64, 64, 5, stride), true, false);
        conv_case(same_conv(2, 1, 24, 24, 5, stride), true, false);
    }
    wc_tensor x = random_tensor(WC_SHAPE(6, 9, 5)), pooled = zeros(WC_SHAPE(2, 3, 5)),
              big = zeros(WC_SHAPE(12, 18, 5));
    backends[1]->avg_pool(backends[1], pooled, x, 3);
    double sum = 0;
    for (size_t i = 0; i < 9; i++)
        sum += (double)at(x, ((3 + i / 3) * 9 + 6 + i % 3) * 5 + 4);
    assert_true(fabs((double)at(pooled, (1 * 3 + 2) * 5 + 4) - sum / 9) < 1e-6);
    backends[1]->resize_nearest(backends[1], big, x);
    assert_true(at(big, (7 * 18 + 5) * 5 + 1) == at(x, (3 * 9 + 2) * 5 + 1));
    backends[1]->resize_bilinear(backends[1], big, x);
    assert_true(fabs((double)at(big, (1 * 18) * 5) - (0.75 * (double)at(x, 0) + 0.25 * (double)at(x, 45))) <
                1e-6);
    release(x), release(pooled), release(big);
}

static void test_maps(void **state)
{
    at_each_level(maps_level, true);
    at_each_level(maps_level, false);
}

/* ---- rows ---- */

enum { ROWS = 37, WIDTH = 1037 };

struct inputs {
    wc_tensor x, z, w, bias;
};

/* Operation number `which` on all rows of its inputs; false past the last. */
static bool run_row_op(wc_backend *b, int which, const struct inputs *in, wc_tensor y)
{
    wc_tensor x = in->x, z = in->z;
    switch (which) {
    case 0:
        b->rms_norm(b, y, x, in->w, 1, 1e-6f, WC_ACT_NONE);
        return true;
    case 1:
        b->layer_norm(b, y, x, in->w, in->bias, 1e-6f);
        return true;
    case 2:
        b->softmax(b, y, x);
        return true;
    case 3:
        b->sparsify(b, y, x, 0.5f);
        return true;
    case 4:
        b->match_rms(b, y, x, z, 1e-5f);
        return true;
    case 5:
        b->mul_vec(b, y, x, in->w, z);
        return true;
    case 6:
        b->act_mul(b, y, x, z, WC_ACT_GELU_TANH);
        return true;
    case 7:
        b->add(b, y, x, z, 0.7f);
        return true;
    case 8:
        b->soft_cap(b, y, x, 0.5f);
        return true;
    case 9:
        b->clamp(b, y, x, 0.25f);
        return true;
    default:
        return false;
    }
}

static void row_op_exact(int which, const struct inputs *in, double *y)
{
    for (size_t r = 0; r < ROWS; r++) {
        double sum = 0, squares = 0, other = 0, exps = 0, deviation = 0;
        const float *x = (float *)in->x.data + r * WIDTH, *z = (float *)in->z.data + r * WIDTH;
        for (size_t i = 0; i < WIDTH; i++) {
            sum += (double)x[i];
            squares += (double)x[i] * (double)x[i];
            other += (double)z[i] * (double)z[i];
            exps += exp((double)x[i]);
        }
        double mean = sum / WIDTH;
        for (size_t i = 0; i < WIDTH; i++)
            deviation += ((double)x[i] - mean) * ((double)x[i] - mean);
        deviation = sqrt(deviation / WIDTH);
        for (size_t i = 0; i < WIDTH; i++) {
            double v = (double)x[i], w = (double)at(in->w, i),
                   u = 0.79788456080286535588 * (v + 0.044715 * v * v * v);
            double shrunk = v - (mean + 0.5 * deviation);
            double results[] = {v / sqrt(squares / WIDTH + 1e-6) * (1 + w),
                                (v - mean) / sqrt(deviation * deviation + 1e-6) * w + (double)at(in->bias, i),
                                exp(v) / exps,
                                shrunk > 0 ? shrunk : 0,
                                v * sqrt(other / WIDTH) / sqrt(squares / WIDTH),
                                v * w + (double)z[i],
                                0.5 * v * (1 + tanh(u)) * (double)z[i],
                                (v + (double)z[i]) * 0.7,
                                0.5 * tanh(v / 0.5),
                                v > 0.25    ? 0.25
                                : v < -0.25 ? -0.25
                                            : v};
            y[r * WIDTH + i] = results[which];
        }
    }
}

static void rows_level(void)
{
    struct inputs in = {.x = random_tensor(WC_SHAPE(ROWS, WIDTH)),
                        .z = random_tensor(WC_SHAPE(ROWS, WIDTH)),
                        .w = random_tensor(WC_SHAPE(WIDTH)),
                        .bias = random_tensor(WC_SHAPE(WIDTH))};
    wc_tensor y = zeros(WC_SHAPE(ROWS, WIDTH)), z = zeros(WC_SHAPE(ROWS, WIDTH));
    double *want = malloc(ROWS * WIDTH * sizeof *want);
    for (int which = 0; run_row_op(backends[0], which, &in, y); which++) {
        char name[32];
        snprintf(name, sizeof name, "row operation %d", which);
        row_op_exact(which, &in, want);
        assert_near(y, want, 4e-6, name);
        for (int b = 1; b < N_BACKENDS; b++) {
            run_row_op(backends[b], which, &in, z);
            assert_same(y, z, name);
        }
        for (size_t r = 0; r < ROWS; r++) {
            struct inputs one = in;
            one.x = wc_tensor_slice(in.x, r, 1);
            one.z = wc_tensor_slice(in.z, r, 1);
            run_row_op(backends[1], which, &one, wc_tensor_slice(z, r, 1));
        }
        assert_same(y, z, name);
        struct inputs in_place = in;
        memcpy(z.data, in.x.data, 4 * ROWS * WIDTH);
        in_place.x = z;
        run_row_op(backends[1], which, &in_place, z);
        assert_same(y, z, name);
    }
    free(want);
    release(in.x), release(in.z), release(in.w), release(in.bias), release(y), release(z);
}

static void streams_level(void)
{
    enum { A = 4, N = 19, D = 131 };
    wc_tensor s = random_tensor(WC_SHAPE(A, N, D)), coefs = random_tensor(WC_SHAPE(N, A * A)),
              y = zeros(WC_SHAPE(A, N, D)), z = zeros(WC_SHAPE(A, N, D)), x = random_tensor(WC_SHAPE(N, D)),
              few = random_tensor(WC_SHAPE(N, A)), mean = zeros(WC_SHAPE(N, D));
    double *want = malloc(A * N * D * sizeof *want);
    for (size_t o = 0; o < A; o++)
        for (size_t i = 0; i < N * D; i++) {
            want[o * N * D + i] = (double)at(s, o * N * D + i);
            for (size_t j = 0; j < A; j++)
                want[o * N * D + i] += (double)at(coefs, i / D * A * A + o * A + j) *
                                       (double)at(s, j * N * D + i);
        }
    for (int b = 0; b < N_BACKENDS; b++) {
        backends[b]->altup_predict(backends[b], b ? z : y, s, coefs);
        if (b)
            assert_same(y, z, "altup_predict");
    }
    assert_near(y, want, 2e-6, "altup_predict");
    for (size_t o = 0; o < A; o++)
        for (size_t i = 0; i < N * D; i++)
            want[o * N * D + i] = (double)at(s, o * N * D + i) +
                                  ((double)at(few, i / D * A + o) + 1) *
                                      ((double)at(x, i) - (double)at(s, 2 * N * D + i));
    for (int b = 0; b < N_BACKENDS; b++) {
        backends[b]->altup_correct(backends[b], b ? z : y, s, x, few, 2);
        if (b)
            assert_same(y, z, "altup_correct");
    }
    assert_near(y, want, 2e-6, "altup_correct");
    backends[1]->mean_streams(backends[1], mean, s);
    for (size_t i = 0; i < N * D; i++) {
        want[i] = 0;
        for (size_t a = 0; a < A; a++)
            want[i] += (double)at(s, a * N * D + i) / A;
    }
    assert_near(mean, want, 1e-6, "mean_streams");
    free(want);
    release(s), release(coefs), release(y), release(z), release(x), release(few), release(mean);
}

static void rope_level(void)
{
    enum { N = 5, HEADS = 3, D = 40, HALF = 16 };
    wc_tensor f = random_tensor(WC_SHAPE(HALF)), table = zeros(WC_SHAPE(N, 2 * HALF)),
              x = random_tensor(WC_SHAPE(N, HEADS, D)), y = zeros(WC_SHAPE(N, HEADS, D));
    const int32_t pos[N] = {0, 1, 77, 4095, 32767};
    backends[1]->rope_table(backends[1], table, pos, f, 0.5f);
    for (size_t r = 0; r < N; r++)
        for (size_t i = 0; i < HALF; i++) {
            double angle = (double)((float)pos[r] * at(f, i));
            assert_true(fabs((double)at(table, r * 2 * HALF + i) - 0.5 * cos(angle)) < 4e-8);
            assert_true(fabs((double)at(table, r * 2 * HALF + HALF + i) - 0.5 * sin(angle)) < 4e-8);
        }
    backends[2]->rope(backends[2], y, x, table);
    for (size_t r = 0; r < N; r++)
        for (size_t h = 0; h < HEADS; h++)
            for (size_t i = 0; i < D; i++) {
                const size_t base = (r * HEADS + h) * D, t = r * 2 * HALF + i % HALF;
                double c = (double)at(table, t), s = (double)at(table, t + HALF), v = (double)at(x, base + i);
                double want = i < HALF       ? v * c - (double)at(x, base + i + HALF) * s
                              : i < 2 * HALF ? v * c + (double)at(x, base + i - HALF) * s
                                             : v;
                assert_true(fabs((double)at(y, base + i) - want) < 1e-6);
            }
    backends[0]->rope(backends[0], x, x, table);
    assert_same(x, y, "rope in place");
    release(f), release(table), release(x), release(y);
}

/* ---- frames of sound ---- */

/* cumulative_norm with memory of its own to work in. */
static void cumulative_norm(wc_backend *b, wc_tensor y, wc_tensor x, wc_tensor w)
{
    const size_t T = x.shape[0];
    wc_tensor work = wc_tensor_of(aligned_alloc(64, (T * 16 + 63) / 64 * 64), WC_F32, WC_SHAPE(T, 4));
    b->cumulative_norm(b, y, x, w, 1e-3f, WC_ACT_RELU, work);
    free(work.data);
}

static void cumulative_norm_level(void)
{
    enum { T = 23, F = 5, C = 19, FRAME = F * C };
    wc_tensor x = random_tensor(WC_SHAPE(T, F, C)), w = random_tensor(WC_SHAPE(C)),
              y = zeros(WC_SHAPE(T, F, C)), z = zeros(WC_SHAPE(T, F, C));
    double *want = calloc(T * FRAME, sizeof *want), sum = 0, squares = 0;
    for (size_t t = 0; t < T; t++) {
        for (size_t i = 0; i < FRAME; i++)
            sum += (double)at(x, t * FRAME + i);
        const double n = (double)(t + 1) * FRAME, mean = sum / n;
        for (size_t i = 0; i < FRAME; i++)
            squares += pow((double)at(x, t * FRAME + i) - mean, 2);
        for (size_t i = 0; i < FRAME; i++)
            want[t * FRAME + i] = fmax(0, ((double)at(x, t * FRAME + i) - mean) / sqrt(squares / n + 1e-3) *
                                              (double)at(w, i % C));
    }
    for (int b = 0; b < N_BACKENDS; b++) {
        cumulative_norm(backends[b], b ? z : y, x, w);
        if (b)
            assert_same(y, z, "cumulative_norm: threads");
    }
    assert_near(y, want, 2e-6, "cumulative_norm");
    cumulative_norm(backends[0], wc_tensor_slice(z, 0, 7), wc_tensor_slice(x, 0, 7), w);
    assert_same(y, z, "cumulative_norm: later frames");
    cumulative_norm(backends[1], x, x, w);
    assert_same(y, x, "cumulative_norm: in place");
    free(want);
    release(x), release(w), release(y), release(z);
}

/* The score of frame t and key j of a head, in double. */
static double local_score(wc_tensor q, wc_tensor k, wc_tensor r, const wc_local_attention *a, size_t t,
                          size_t j, size_t h)
{
    const size_t d = (size_t)a->head_dim, width = d * (size_t)a->n_heads;
    double sum = 0;
    for (size_t i = h * d; i < (h + 1) * d; i++)
        sum += (double)at(q, t * width + i) *
               ((double)at(k, j * width + i) + (double)at(r, (j + (size_t)a->past - t) * width + i));
    return sum;
}

static void local_exact(double *y, wc_tensor q, wc_tensor k, wc_tensor v, wc_tensor r,
                        const wc_local_attention *a)
{
    const size_t d = (size_t)a->head_dim, width = d * (size_t)a->n_heads;
    for (size_t t = 0; t < q.shape[0]; t++)
        for (size_t h = 0; h < (size_t)a->n_heads; h++) {
            double z = 0, *out = y + t * width + h * d;
            memset(out, 0, d * sizeof *out);
            for (size_t j = 0; j < a->n_valid; j++) {
                if (j + (size_t)a->past < t || j > t + (size_t)a->future)
                    continue;
                const double p = exp(a->soft_cap * tanh(local_score(q, k, r, a, t, j, h) / a->soft_cap));
                z += p;
                for (size_t i = 0; i < d; i++)
                    out[i] += p * (double)at(v, j * width + h * d + i);
            }
            for (size_t i = 0; z > 0 && i < d; i++)
                out[i] /= z;
        }
}

static void local_case(wc_local_attention a, size_t n)
{
    const size_t width = (size_t)a.n_heads * (size_t)a.head_dim, span = (size_t)a.past + (size_t)a.future + 1;
    wc_tensor q = random_tensor(WC_SHAPE(n, width)), k = random_tensor(WC_SHAPE(n, width)),
              v = random_tensor(WC_SHAPE(n, width)), r = random_tensor(WC_SHAPE(span, width)),
              y = zeros(WC_SHAPE(n, width)), z = zeros(WC_SHAPE(n, width));
    double *want = calloc(n * width, sizeof *want);
    local_exact(want, q, k, v, r, &a);
    for (int b = 0; b < N_BACKENDS; b++) {
        backends[b]->local_attention(backends[b], b ? z : y, q, k, v, r, &a);
        if (b)
            assert_same(y, z, "local_attention: threads");
    }
    assert_near(y, want, 5e-6, "local_attention");

    const size_t chunk = 4, chunks = (n + chunk - 1) / chunk, context = chunk + span - 1;
    wc_tensor s = zeros(WC_SHAPE((size_t)a.n_heads, chunks, chunk, context));
    backends[1]->local_scores(backends[1], s, q, k, r, &a);
    for (size_t h = 0; h < (size_t)a.n_heads; h++)
        for (size_t t = 0; t < n; t++)
            for (size_t c = t % chunk; c < t % chunk + span; c++) {
                const size_t j = t - t % chunk + c - (size_t)a.past;
                if (j < n && !(fabs((double)at(s, ((h * chunks * chunk) + t) * context + c) -
                                    local_score(q, k, r, &a, t, j, h)) < 2e-6))
                    fail_msg("local_scores: head %zu, frame %zu, slot %zu", h, t, c);
            }
    free(want);
    release(q), release(k), release(v), release(r), release(y), release(z), release(s);
}

static void local_level(void)
{
    local_case((wc_local_attention){4, 8, 12, 0, 50, 30}, 30);
    local_case((wc_local_attention){1, 37, 3, 2, 0.5f, 9}, 21); /* the last frames see no key */
    local_case((wc_local_attention){2, 16, 0, 0, 5, 1}, 1);
    local_case((wc_local_attention){3, 24, 40, 7, 50, 11}, 13); /* more past than there is */
}

static void test_frames_of_sound(void **state)
{
    at_each_level(cumulative_norm_level, true);
    at_each_level(local_level, true);
}

static void test_rows(void **state)
{
    at_each_level(rows_level, true);
    at_each_level(streams_level, true);
    at_each_level(rope_level, true);
}

static void rows_moved_level(void)
{
    wc_tensor w = random_tensor(WC_SHAPE(9, 50)), y = zeros(WC_SHAPE(4, 50)), wide = zeros(WC_SHAPE(4, 100));
    wc_tensor stored = as_bf16(w);
    const int32_t ids[] = {8, 0, 8, 3};
    backends[1]->embed(backends[1], y, stored, ids, 2);
    for (size_t i = 0; i < 200; i++)
        assert_true(at(y, i) == 2 * at(w, (size_t)ids[i / 50] * 50 + i % 50));
    backends[1]->concat(backends[1], wide, y, y);
    assert_true(at(wide, 3 * 100 + 77) == at(y, 3 * 50 + 27));
    backends[1]->put_rows(backends[1], w, y, (int32_t[]){1, 2, 4, 5});
    wc_tensor back = zeros(WC_SHAPE(4, 50));
    backends[1]->get_rows(backends[1], back, w, (int32_t[]){1, 2, 4, 5});
    assert_same(back, y, "rows there and back");
    release(w), release(y), release(wide), release(stored), release(back);
}

static void test_rows_moved(void **state)
{
    at_each_level(rows_moved_level, true);
}

/* ---- several sessions ---- */

struct user {
    wc_backend *b;
    wc_tensor x, w, keys, y, q;
};

static void *use(void *arg)
{
    struct user *u = arg;
    const wc_attention a = {.n_heads = 4, .n_kv_heads = 1, .key_dim = 16, .value_dim = 16, .scale = 1};
    for (int i = 0; i < 20; i++) {
        matmul(u->b, u->y, u->x, u->w, absent, WC_ACT_NONE, absent);
        attention_dense(u->b, u->q, u->x, u->keys, u->keys, &a);
    }
    return NULL;
}

static void test_sessions(void **state)
{
    enum { USERS = 4 };
    wc_error err = {0};
    wc_backend *b = wc_backend_cpu_open(2, true, &err);
    struct user users[USERS];
    pthread_t ids[USERS];
    wc_tensor x = random_tensor(WC_SHAPE(40, 64)), w = random_tensor(WC_SHAPE(96, 64)),
              keys = random_tensor(WC_SHAPE(90, 16));
    for (int i = 0; i < USERS; i++) {
        users[i] = (struct user){b, x, w, keys, zeros(WC_SHAPE(40, 96)), zeros(WC_SHAPE(40, 64))};
        assert_int_equal(pthread_create(&ids[i], NULL, use, &users[i]), 0);
    }
    for (int i = 0; i < USERS; i++) {
        pthread_join(ids[i], NULL);
        assert_same(users[0].y, users[i].y, "sessions");
        assert_same(users[0].q, users[i].q, "sessions");
    }
    for (int i = 0; i < USERS; i++)
        release(users[i].y), release(users[i].q);
    release(x), release(w), release(keys);
    wc_backend_close(b);
}

/* A level that is absent stands for the best below it; a name that is none is told. */
static void test_choice(void **state)
{
    (void)state;
    for (int level = 0; level < WC_N_LEVELS; level++) {
        setenv("WHINCHAT_CPU", wc_cpu_name((enum wc_level)level), 1);
        const enum wc_level chosen = wc_cpu_chosen();
        assert_true(wc_cpu_has(chosen) && chosen <= (enum wc_level)level);
        for (int between = (int)chosen + 1; between <= level; between++)
            assert_false(wc_cpu_has((enum wc_level)between));
        assert_false(wc_cpu_bad_choice());
    }
    wc_error err = {0};
    setenv("WHINCHAT_CPU", "avx3", 1);
    assert_null(wc_backend_cpu_open(1, false, &err));
    assert_int_equal(err.code, WC_BAD_ARGUMENT);
    assert_non_null(strstr(err.text, "WHINCHAT_CPU: expected one of reference, "));
    assert_non_null(strstr(err.text, "found 'avx3'"));
    unsetenv("WHINCHAT_CPU");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_matmul),     cmocka_unit_test(test_quantized),
        cmocka_unit_test(test_attention),  cmocka_unit_test(test_broken_neighbour),
        cmocka_unit_test(test_maps),       cmocka_unit_test(test_rows),
        cmocka_unit_test(test_rows_moved), cmocka_unit_test(test_frames_of_sound),
        cmocka_unit_test(test_sessions),   cmocka_unit_test(test_choice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
