/* grads.c - derivatives, loss and optimizer, in plain C: cut by outputs, never by what is summed, so that the number of threads
 * shows nowhere.  Sums over a row or over rows are taken in double, one term after the other.
 *
 * The large products of a backward pass are matmul's, of transposed operands; what is here is small beside them. */
#include <math.h>
#include <string.h>

#include "backend/cpu/cpu.h"
#include "base/size.h"

enum {
    LEAST = 8 * 1024, /* elements worth a chunk */
    COLS = 64,        /* columns whose sums over rows are taken together */
    SIDE = 16,        /* rows of a square that is transposed at once, */
    STRETCH = 256     /* and its columns: whole blocks of every weight type */
};

struct job {
    struct cpu *c;
    wc_tensor dx, dw, dy, x, w;
    const int32_t *index;
    float a, b;
    float *scales, *means; /* [rows] of norms */
    wc_act act;
};

static void for_rows(struct job *j, wc_range_fn fn, const wc_tensor *x)
{
    wc_cpu_for(j->c, fn, j, wc_tensor_rows(x), LEAST / (width_of(x) + 1) + 1);
}

/* Columns, where each sums over n rows. */
static void for_columns(struct job *j, wc_range_fn fn, size_t width, size_t n)
{
    wc_cpu_for(j->c, fn, j, width, LEAST / (n + 1) + 1);
}

/* ---- transpose ---- */

/* Where the file has row r of a matrix (wc_tensor.paired). */
static size_t stored_row(const wc_tensor *w, size_t r)
{
    if (!w->paired)
        return r;
    const size_t half = w->paired / 2, in_head = r % w->paired;
    return r - in_head + 2 * (in_head % half) + in_head / half;
}

/* Rows r .. r + n - 1 <= SIDE of x become as many columns of y. */
static void transpose_rows(const struct job *j, size_t r, size_t n)
{
    float part[SIDE][STRETCH];
    const wc_tensor *x = &j->x;
    const size_t K = x->shape[1], N = x->shape[0];
    for (size_t k = 0; k < K; k += STRETCH) {
        const size_t some = wc_min_size(STRETCH, K - k);
        for (size_t i = 0; i < n; i++) {
            const size_t at = wc_dtype_offset(x->dtype, stored_row(x, r + i) * x->stride[0] + k);
            j->c->k->widen[x->dtype](part[i], (const char *)x->data + at, some);
        }
        for (size_t e = 0; e < some; e++)
            for (size_t i = 0; i < n; i++)
                f32(j->dx)[(k + e) * N + r + i] = part[i][e];
    }
}

static void run_transpose(void *job, size_t first, size_t n)
{
    for (size_t r = first; r < first + n; r += SIDE)
        transpose_rows(job, r, wc_min_size(SIDE, first + n - r));
}

static void transpose(wc_backend *b, wc_tensor y, wc_tensor x)
{
    struct job j = {.c = cpu_of(b), .dx = y, .x = x};
    for_rows(&j, run_transpose, &x);
}

/* ---- sums over rows ---- */

static void run_row_sums(void *job, size_t first, size_t n)
{
    const struct job *j = job;
    const size_t D = width_of(&j->x), rows = wc_tensor_rows(&j->x);
    for (size_t i = first; i < first + n; i += COLS) {
        const size_t some = wc_min_size(COLS, first + n - i);
        double sums[COLS] = {0};
        for (size_t r = 0; r < rows; r++)
            for (size_t e = 0; e < some; e++)
                sums[e] += (double)f32(j->x)[r * D + i + e];
        for (size_t e = 0; e < some; e++)
            f32(j->dw)[i + e] += (float)sums[e];
    }
}

static void add_row_sums(wc_backend *b, wc_tensor y, wc_tensor x)
{
    struct job j = {.c = cpu_of(b), .dw = y, .x = x};
    for_columns(&j, run_row_sums, width_of(&x), wc_tensor_rows(&x));
}

static void run_add_rows_at(void *job, size_t first, size_t n)
{
    const struct job *j = job;
    const size_t D = j->x.shape[1];
    for (size_t r = 0; r < j->x.shape[0]; r++)
        j->c->k->axpy(f32(j->dw) + (size_t)j->index[r] * j->dw.stride[0] + first, j->a,
                      f32(j->x) + r * D + first, n);
}

static void add_rows_at(wc_backend *b, wc_tensor y, wc_tensor x, const int32_t *rows, float scale)
{
    struct job j = {.c = cpu_of(b), .dw = y, .x = x, .index = rows, .a = scale};
    for_columns(&j, run_add_rows_at, x.shape[1], x.shape[0]);
}

/* ---- elementwise ---- */

/* The derivative of an activation at x. */
static float slope(wc_act act, float x)
{
    const float a = 0.7978845608f, b = 0.044715f; /* sqrt(2 / pi) */
    float s, t;
    switch (act) {
    case WC_ACT_RELU:
        return x > 0 ? 1 : 0;
    case WC_ACT_GELU: /* Phi(x) + x phi(x) */
        return 0.5f * (1 + erff(x * 0.7071067812f)) + x * 0.3989422804f * expf(-0.5f * x * x);
    case WC_ACT_GELU_TANH:
        t = tanhf(a * (x + b * x * x * x));
        return 0.5f * (1 + t) + 0.5f * x * (1 - t * t) * a * (1 + 3 * b * x * x);
    case WC_ACT_SILU:
        s = 1 / (1 + expf(-x));
        return s * (1 + x * (1 - s));
    case WC_ACT_TANH:
        t = tanhf(x);
        return 1 - t * t;
    case WC_ACT_SIGMOID:
        s = 1 / (1 + expf(-x));
        return s * (1 - s);
    default:
        return 1;
    }
}

static void run_act_grad(void *job, size_t first, size_t n)
{
    const struct job *j = job;
    for (size_t i = first; i < first + n; i++)
        f32(j->dx)[i] = f32(j->dy)[i] * slope(j->act, f32(j->x)[i]);
}

static void act_grad(wc_backend *b, wc_tensor dx, wc_tensor dy, wc_tensor x, wc_act act)
{
    struct job j = {.c = cpu_of(b), .dx = dx, .dy = dy, .x = x, .act = act};
    wc_cpu_for(j.c, run_act_grad, &j, wc_tensor_elems(&x), LEAST / 4);
}

static void run_soft_cap_grad(void *job, size_t first, size_t n)
{
    const struct job *j = job;
    for (size_t i = first; i < first + n; i++) {
        const float t = f32(j->x)[i] / j->a;
        f32(j->dx)[i] = f32(j->dy)[i] * (1 - t * t);
    }
}

static void soft_cap_grad(wc_backend *b, wc_tensor dx, wc_tensor dy, wc_tensor y, float cap)
{
    struct job j = {.c = cpu_of(b), .dx = dx, .dy = dy, .x = y, .a = cap};
    wc_cpu_for(j.c, run_soft_cap_grad, &j, wc_tensor_elems(&y), LEAST);
}

/* ---- norms ---- */

/* part <- offset + w[i .. i + n), n <= STRETCH; ones where w is absent. */
static void widen_weight(const struct job *j, float *part, size_t i, size_t n)
{
    if (j->w.data)
        j->c->k->widen[j->w.dtype](part, (const char *)j->w.data + i * stored_bytes(j->w.dtype), n);
    for (size_t e = 0; e < n; e++)
        part[e] = j->w.data ? part[e] + j->a : 1;
}

/* One row of either norm: n = (x - mean) scale. */
static void norm_row(const struct job *j, size_t r, float mean, float scale, bool centred)
{
    const size_t D = width_of(&j->x);
    const float *x = f32(j->x) + r * D, *dy = f32(j->dy) + r * D;
    float *dx = f32(j->dx) + r * D, part[STRETCH];
    double sum = 0, product = 0;
    for (size_t i = 0; i < D; i += STRETCH) {
        const size_t some = wc_min_size(STRETCH, D - i);
        widen_weight(j, part, i, some);
        for (size_t e = 0; e < some; e++) {
            const float g = dy[i + e] * part[e];
            dx[i + e] = g;
            sum += (double)g;
            product += (double)g * (double)((x[i + e] - mean) * scale);
        }
    }
    const float shift = centred ? (float)(sum / (double)D) : 0, pull = (float)(product / (double)D);
    for (size_t i = 0; i < D; i++)
        dx[i] = (dx[i] - shift - (x[i] - mean) * scale * pull) * scale;
}

static double mean_of(const float *x, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)x[i];
    return sum / (double)n;
}

static double mean_square(const float *x, float shift, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)(x[i] - shift) * (double)(x[i] - shift);
    return sum / (double)n;
}

static void run_norm(void *job, size_t first, size_t n)
{
    const struct job *j = job;
    const size_t D = width_of(&j->x);
    for (size_t r = first; r < first + n; r++) {
        const float *x = f32(j->x) + r * D, mean = j->means ? (float)mean_of(x, D) : 0;
        j->scales[r] = (float)(1 / sqrt(mean_square(x, mean, D) + (double)j->b));
        if (j->means)
            j->means[r] = mean;
        norm_row(j, r, mean, j->scales[r], j->means != NULL);
    }
}

/* dw[i] += sum_r dy[r,i] n[r,i]. */
static void run_norm_weight(void *job, size_t first, size_t n)
{
    const struct job *j = job;
    const size_t D = width_of(&j->x), rows = wc_tensor_rows(&j->x);
    for (size_t i = first; i < first + n; i += COLS) {
        const size_t some = wc_min_size(COLS, first + n - i);
        double sums[COLS] = {0};
        for (size_t r = 0; r < rows; r++) {
            const float *x = f32(j->x) + r * D + i, *dy = f32(j->dy) + r * D + i;
            const float mean = j->means ? j->means[r] : 0;
            for (size_t e = 0; e < some; e++)
                sums[e] += (double)dy[e] * (double)((x[e] - mean) * j->scales[r]);
        }
        for (size_t e = 0; e < some; e++)
            f32(j->dw)[i + e] += (float)sums[e];
    }
}

static void norm_grad(struct job *j)
{
    for_rows(j, run_norm, &j->x);
    if (j->dw.data)
        for_columns(j, run_norm_weight, width_of(&j->x), wc_tensor_rows(&j->x));
}

static void rms_norm_grad(wc_backend *b, wc_tensor dx, wc_tensor dw, wc_tensor dy, wc_tensor x, wc_tensor w,
                          float offset, float eps, wc_tensor work)
{
    norm_grad(&(struct job){.c = cpu_of(b),
                            .dx = dx,
                            .dw = dw,
                            .dy = dy,
                            .x = x,
                            .w = w,
                            .a = offset,
                            .b = eps,
                            .scales = f32(work)});
}

static void layer_norm_grad(wc_backend *b, wc_tensor dx, wc_tensor dw, wc_tensor dy, wc_tensor x, wc_tensor w,
                            float eps, wc_tensor work)
{
    norm_grad(&(struct job){.c = cpu_of(b),
                            .dx = dx,
                            .dw = dw,
                            .dy = dy,
                            .x = x,
                            .w = w,
                            .b = eps,
                            .scales = f32(work),
                            .means = f32(work) + wc_tensor_rows(&x)});
}

/* ---- loss ---- */

static void run_cross_entropy(void *job, size_t first, size_t n)
{
    const struct job *j = job;
    const size_t V = j->x.shape[1];
    for (size_t r = first; r < first + n; r++) {
        const float *x = f32(j->x) + r * V;
        float *dx = f32(j->dx) + r * V, *loss = f32(j->dw) + r;
        if (j->index[r] < 0) {
            memset(dx, 0, V * sizeof *dx);
            *loss = 0;
            continue;
        }
        const float top = j->c->k->maximum(x, V);
        double sum = 0;
        for (size_t i = 0; i < V; i++) {
            dx[i] = expf(x[i] - top);
            sum += (double)dx[i];
        }
        const double factor = (double)j->a / sum;
        for (size_t i = 0; i < V; i++)
            dx[i] = (float)(factor * (double)dx[i]);
        const size_t target = (size_t)j->index[r];
        dx[target] -= j->a;
        *loss = (float)(log(sum) - (double)(x[target] - top));
    }
}

static void cross_entropy(wc_backend *b, wc_tensor losses, wc_tensor dx, wc_tensor x, const int32_t *targets,
                          float scale)
{
    struct job j = {.c = cpu_of(b), .dx = dx, .dw = losses, .x = x, .index = targets, .a = scale};
    wc_cpu_for(j.c, run_cross_entropy, &j, x.shape[0], LEAST / (x.shape[1] + 1) / 8 + 1);
}

/* ---- optimizer ---- */

struct adamw_job {
    float *p, *m, *v;
    const float *g;
    wc_adamw a;
};

static void run_adamw(void *job, size_t first, size_t n)
{
    const struct adamw_job *j = job;
    const wc_adamw *a = &j->a;
    for (size_t i = first; i < first + n; i++) {
        const double g = (double)j->g[i], m = a->beta1 * (double)j->m[i] + (1 - a->beta1) * g,
                     v = a->beta2 * (double)j->v[i] + (1 - a->beta2) * g * g;
        const double kept = (double)j->p[i] * (1 - a->lr * a->weight_decay);
        j->m[i] = (float)m;
        j->v[i] = (float)v;
        j->p[i] = (float)(kept - a->lr * (m / a->correction1) / (sqrt(v / a->correction2) + a->eps));
    }
}

static void adamw(wc_backend *b, wc_tensor p, wc_tensor m, wc_tensor v, wc_tensor g, const wc_adamw *a)
{
    struct adamw_job j = {f32(p), f32(m), f32(v), f32(g), *a};
    wc_cpu_for(cpu_of(b), run_adamw, &j, wc_tensor_elems(&p), LEAST);
}

void wc_cpu_fill_grads(wc_backend *b)
{
    b->transpose = transpose;
    b->add_row_sums = add_row_sums;
    b->add_rows_at = add_rows_at;
    b->act_grad = act_grad;
    b->soft_cap_grad = soft_cap_grad;
    b->rms_norm_grad = rms_norm_grad;
    b->layer_norm_grad = layer_norm_grad;
    b->cross_entropy = cross_entropy;
    b->adamw = adamw;
}
