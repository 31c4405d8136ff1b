/* rows.c - what treats rows one by one: norms, softmax, rotary embedding, AltUp, moving rows about. */
#include <math.h>
#include <string.h>

#include "backend/cpu/cpu.h"
#include "base/size.h"

enum {
    LEAST = 8 * 1024,
    STRETCH = 1024
}; /* elements worth a chunk; elements of a weight widened at a time */

struct job {
    struct cpu *c;
    wc_tensor y, x, w, z; /* z: a second input */
    float a, b;
    const int32_t *index;
    int active;
    wc_act act;
};

static void for_rows(struct job *j, wc_range_fn fn, size_t n, size_t width)
{
    wc_cpu_for(j->c, fn, j, n, LEAST / (width + 1) + 1);
}

/* y = x * (offset + w), stretch by stretch; w absent: y = x. */
static void times_weight(const struct job *j, float *y, wc_tensor w, float offset, size_t d)
{
    float part[STRETCH];
    for (size_t i = 0; w.data && i < d; i += STRETCH) {
        const size_t n = wc_min_size(STRETCH, d - i);
        j->c->k->widen[w.dtype](part, (const char *)w.data + i * stored_bytes(w.dtype), n);
        for (size_t k = 0; offset != 0 && k < n; k++)
            part[k] += offset;
        j->c->k->mul(y + i, y + i, part, n);
    }
}

static void run_rms_norm(void *job, size_t first, size_t n)
{
    const struct job *j = job;
    const wc_kernels *k = j->c->k;
    const size_t d = width_of(&j->x);
    for (size_t r = first; r < first + n; r++) {
        const float *x = f32(j->x) + r * d;
        float *y = f32(j->y) + r * d;
        k->scale(y, x, 1.0f / sqrtf(k->sum_squares(x, 0, d) / (float)d + j->b), d);
        times_weight(j, y, j->w, j->a, d);
        if (j->act != WC_ACT_NONE)
            k->act[j->act](y, y, d);
    }
}

static void rms_norm(wc_backend *b, wc_tensor y, wc_tensor x, wc_tensor w, float offset, float eps,
                     wc_act act)
{
    struct job j = {.c = cpu_of(b), .y = y, .x = x, .w = w, .a = offset, .b = eps, .act = act};
    for_rows(&j, run_rms_norm, wc_tensor_rows(&x), width_of(&x));
}

static void run_layer_norm(void *job, size_t first, size_t n)
{
    const struct job *j = job;
    const size_t d = width_of(&j->x);
    float part[STRETCH];
    for (size_t r = first; r < first + n; r++) {
        const float *x = f32(j->x) + r * d;
        float *y = f32(j->y) + r * d;
        const float mean = j->c->k->sum(x, d) / (float)d;
        const float inverse = 1.0f / sqrtf(j->c->k->sum_squares(x, mean, d) / (float)d + j->b);
        for (size_t i = 0; i < d; i++)
            y[i] = (x[i] - mean) * inverse;
        times_weight(j, y, j->w, 0, d);
        for (size_t i = 0; j->z.data && i < d; i += STRETCH) {
            const size_t some = wc_min_size(STRETCH, d - i);
            j->c->k->widen[j->z.dtype](part, (const char *)j->z.data + i * stored_bytes(j->z.dtype), some);
            j->c->k->add(y + i, y + i, part, 1, some);
        }
    }
}

static void layer_norm(wc_backend *b, wc_tensor y, wc_tensor x, wc_tensor w, wc_tensor bias, float eps)
{
    struct job j = {.c = cpu_of(b), .y = y, .x = x, .w = w, .z = bias, .b = eps};
    for_rows(&j, run_layer_norm, wc_tensor_rows(&x), width_of(&x));
}

/* ---- norms over time ---- */

/* Of frame t: its sum and its mean so far, then its sum of squares and its variance so far. */
struct moments {
    double sum, mean;
};

static void run_frame_sums(void *job, size_t first, size_t n)
{
    const struct job *j = job;
    const size_t F = j->x.shape[1], C = j->x.shape[2];
    struct moments *m = j->z.data;
    for (size_t t = first; t < first + n; t++) {
        const float *x = f32(j->x) + t * F * C;
        double sum = 0;
        for (size_t f = 0; f < F; f++)
            sum += j->active ? j->c->k->sum_squares(x + f * C, (float)m[t].mean, C)
                             : j->c->k->sum(x + f * C, C);
        m[t].sum = sum;
    }
}

static void run_cumulative_norm(void *job, size_t first, size_t n)
{
    const struct job *j = job;
    const size_t F = j->x.shape[1], C = j->x.shape[2];
    const struct moments *m = j->z.data;
    for (size_t t = first; t < first + n; t++) {
        const float mean = (float)m[t].mean, inverse = (float)(1 / sqrt(m[t].sum + (double)j->b));
        for (size_t f = 0; f < F; f++) {
            const float *x = f32(j->x) + (t * F + f) * C;
            float *y = f32(j->y) + (t * F + f) * C;
            for (size_t c = 0; c < C; c++)
                y[c] = (x[c] - mean) * inverse;
            times_weight(j, y, j->w, 0, C);
            j->c->k->act[j->act](y, y, C);
        }
    }
}

static void cumulative_norm(wc_backend *b, wc_tensor y, wc_tensor x, wc_tensor w, float eps, wc_act act,
                            wc_tensor work)
{
    const size_t T = x.shape[0], frame = x.shape[1] * x.shape[2];
    struct job j = {.c = cpu_of(b), .y = y, .x = x, .w = w, .z = work, .b = eps, .act = act};
    struct moments *m = work.data;
    double total = 0;
    for_rows(&j, run_frame_sums, T, frame);
    for (size_t t = 0; t < T; t++) {
        total += m[t].sum;
        m[t].mean = total / ((double)(t + 1) * (double)frame);
    }
    j.active = 1; /* now squares about each frame's own mean */
    for_rows(&j, run_frame_sums, T, frame);
    total = 0;
    for (size_t t = 0; t < T; t++) {
        total += m[t].sum;
        m[t].sum = total / ((double)(t + 1) * (double)frame);
    }
    for_rows(&j, run_cumulative_norm, T, frame);
}

static void run_softmax(void *job, size_t first, size_t n)
{
    const struct job *j = job;
    const size_t d = width_of(&j->x);
    for (size_t r = first; r < first + n; r++) {
        const float *x = f32(j->x) + r * d;
        float *y = f32(j->y) + r * d;
        const float sum = j->c->k->exp_sum(y, x, j->c->k->maximum(x, d), d);
        j->c->k->scale(y, y, 1.0f / sum, d);
    }
}

static void softmax(wc_backend *b, wc_tensor y, wc_tensor x)
{
    struct job j = {.c = cpu_of(b), .y = y, .x = x};
    for_rows(&j, run_softmax, wc_tensor_rows(&x), width_of(&x));
}

static void run_rope_table(void *job, size_t first, size_t n)
{
    const struct job *j = job;
    const size_t half = j->w.shape[0];
    for (size_t r = first; r < first + n; r++) {
        float *t = f32(j->y) + r * 2 * half;
        for (size_t i = 0; i < half; i++) {
            const double angle = (double)((float)j->index[r] * f32(j->w)[i]);
            t[i] = (float)cos(angle) * j->a;
            t[half + i] = (float)sin(angle) * j->a;
        }
    }
}

static void rope_table(wc_backend *b, wc_tensor table, const int32_t *pos, wc_tensor inv_freq, float s)
{
    struct job j = {.c = cpu_of(b), .y = table, .w = inv_freq, .index = pos, .a = s};
    for_rows(&j, run_rope_table, table.shape[0], 32 * inv_freq.shape[0]);
}

/* By the angles, or with a of -1 back by them. */
static void run_rope(void *job, size_t first, size_t n)
{
    const struct job *j = job;
    const size_t heads = j->x.shape[1], d = j->x.shape[2], half = j->w.shape[1] / 2;
    for (size_t r = first; r < first + n; r++) {
        const float *cosine = f32(j->w) + r * 2 * half, *sine = cosine + half;
        for (size_t h = 0; h < heads; h++) {
            const float *x = f32(j->x) + (r * heads + h) * d;
            float *y = f32(j->y) + (r * heads + h) * d;
            for (size_t i = 0; i < half; i++) {
                const float x1 = x[i], x2 = x[i + half], s = j->a * sine[i];
                y[i] = x1 * cosine[i] - x2 * s;
                y[i + half] = x2 * cosine[i] + x1 * s;
            }
            if (y != x)
                memcpy(y + 2 * half, x + 2 * half, (d - 2 * half) * sizeof *y);
        }
    }
}

static void rope(wc_backend *b, wc_tensor y, wc_tensor x, wc_tensor table)
{
    struct job j = {.c = cpu_of(b), .y = y, .x = x, .w = table, .a = 1};
    for_rows(&j, run_rope, x.shape[0], x.shape[1] * x.shape[2]);
}

static void rope_grad(wc_backend *b, wc_tensor dx, wc_tensor dy, wc_tensor table)
{
    struct job j = {.c = cpu_of(b), .y = dx, .x = dy, .w = table, .a = -1};
    for_rows(&j, run_rope, dy.shape[0], dy.shape[1] * dy.shape[2]);
}

static void run_mul_vec(void *job, size_t first, size_t n)
{
    const struct job *j = job;
    const size_t d = width_of(&j->x);
    float part[STRETCH];
    for (size_t i = 0; i < d; i += STRETCH) {
        const size_t some = wc_min_size(STRETCH, d - i);
        j->c->k->widen[j->w.dtype](part, (const char *)j->w.data + i * stored_bytes(j->w.dtype), some);
        for (size_t r = first; r < first + n; r++) {
            const size_t at = r * d + i;
            if (j->z.data)
                j->c->k->mul_add(f32(j->y) + at, f32(j->x) + at, part, f32(j->z) + at, some);
            else
                j->c->k->mul(f32(j->y) + at, f32(j->x) + at, part, some);
        }
    }
}

static void mul_vec(wc_backend *b, wc_tensor y, wc_tensor x, wc_tensor v, wc_tensor add)
{
    struct job j = {.c = cpu_of(b), .y = y, .x = x, .w = v, .z = add};
    for_rows(&j, run_mul_vec, wc_tensor_rows(&x), width_of(&x));
}

static void run_sparsify(void *job, size_t first, size_t n)
{
    const struct job *j = job;
    const size_t d = width_of(&j->x);
    for (size_t r = first; r < first + n; r++) {
        const float *x = f32(j->x) + r * d;
        const float mean = j->c->k->sum(x, d) / (float)d;
        const float deviation = sqrtf(j->c->k->sum_squares(x, mean, d) / (float)d);
        j->c->k->shrink(f32(j->y) + r * d, x, mean + j->a * deviation, d);
    }
}

static void sparsify(wc_backend *b, wc_tensor y, wc_tensor x, float z)
{
    struct job j = {.c = cpu_of(b), .y = y, .x = x, .a = z};
    for_rows(&j, run_sparsify, wc_tensor_rows(&x), width_of(&x));
}

static void run_match_rms(void *job, size_t first, size_t n)
{
    const struct job *j = job;
    const size_t d = width_of(&j->x);
    for (size_t r = first; r < first + n; r++) {
        const float *x = f32(j->x) + r * d;
        const float mean = j->c->k->sum_squares(x, 0, d) / (float)d;
        const float want = sqrtf(j->c->k->sum_squares(f32(j->z) + r * d, 0, d) / (float)d);
        j->c->k->scale(f32(j->y) + r * d, x, want / sqrtf(fmaxf(mean, j->a)), d);
    }
}

static void match_rms(wc_backend *b, wc_tensor y, wc_tensor x, wc_tensor ref, float floor)
{
    struct job j = {.c = cpu_of(b), .y = y, .x = x, .z = ref, .a = floor};
    for_rows(&j, run_match_rms, wc_tensor_rows(&x), width_of(&x));
}

/* ---- AltUp ---- */

static void run_altup_predict(void *job, size_t first, size_t n)
{
    const struct job *j = job;
    const size_t A = j->x.shape[0], N = j->x.shape[1], D = j->x.shape[2];
    for (size_t r = first; r < first + n; r++)
        for (size_t o = 0; o < A; o++) {
            float *y = f32(j->y) + (o * N + r) * D;
            memcpy(y, f32(j->x) + (o * N + r) * D, D * sizeof *y);
            for (size_t i = 0; i < A; i++)
                j->c->k->axpy(y, f32(j->w)[r * A * A + o * A + i], f32(j->x) + (i * N + r) * D, D);
        }
}

static void altup_predict(wc_backend *b, wc_tensor y, wc_tensor s, wc_tensor coefs)
{
    struct job j = {.c = cpu_of(b), .y = y, .x = s, .w = coefs};
    for_rows(&j, run_altup_predict, s.shape[1], s.shape[0] * s.shape[2]);
}

static void run_altup_correct(void *job, size_t first, size_t n)
{
    const struct job *j = job;
    const size_t A = j->z.shape[0], N = j->z.shape[1], D = j->z.shape[2];
    for (size_t r = first; r < first + n; r++) {
        const float *x = f32(j->x) + r * D, *p = f32(j->z) + ((size_t)j->active * N + r) * D;
        for (size_t o = 0; o < A; o++) {
            const float c = f32(j->w)[r * A + o] + 1.0f, *from = f32(j->z) + (o * N + r) * D;
            float *y = f32(j->y) + (o * N + r) * D;
            for (size_t i = 0; i < D; i++)
                y[i] = from[i] + c * (x[i] - p[i]);
        }
    }
}

static void altup_correct(wc_backend *b, wc_tensor y, wc_tensor p, wc_tensor x, wc_tensor coefs, int active)
{
    struct job j = {.c = cpu_of(b), .y = y, .x = x, .w = coefs, .z = p, .active = active};
    for_rows(&j, run_altup_correct, p.shape[1], p.shape[0] * p.shape[2]);
}

static void run_mean_streams(void *job, size_t first, size_t n)
{
    const struct job *j = job;
    const size_t A = j->x.shape[0], D = width_of(&j->x), plane = wc_tensor_elems(&j->y);
    for (size_t r = first; r < first + n; r++) {
        float *y = f32(j->y) + r * D;
        memcpy(y, f32(j->x) + r * D, D * sizeof *y);
        for (size_t a = 1; a < A; a++)
            j->c->k->add(y, y, f32(j->x) + a * plane + r * D, 1, D);
        j->c->k->scale(y, y, 1.0f / (float)A, D);
    }
}

static void mean_streams(wc_backend *b, wc_tensor y, wc_tensor s)
{
    struct job j = {.c = cpu_of(b), .y = y, .x = s};
    for_rows(&j, run_mean_streams, wc_tensor_rows(&y), s.shape[0] * width_of(&s));
}

/* ---- moving rows ---- */

static void run_get_rows(void *job, size_t first, size_t n)
{
    const struct job *j = job;
    const size_t d = j->y.shape[1];
    for (size_t i = first; i < first + n; i++)
        memcpy(f32(j->y) + i * d, f32(j->x) + (size_t)j->index[i] * d, d * sizeof(float));
}

static void get_rows(wc_backend *b, wc_tensor y, wc_tensor x, const int32_t *rows)
{
    struct job j = {.c = cpu_of(b), .y = y, .x = x, .index = rows};
    for_rows(&j, run_get_rows, y.shape[0], y.shape[1]);
}

static void run_put_rows(void *job, size_t first, size_t n)
{
    const struct job *j = job;
    const size_t d = j->x.shape[1];
    for (size_t i = first; i < first + n; i++)
        memcpy(f32(j->y) + (size_t)j->index[i] * d, f32(j->x) + i * d, d * sizeof(float));
}

static void put_rows(wc_backend *b, wc_tensor y, wc_tensor x, const int32_t *rows)
{
    struct job j = {.c = cpu_of(b), .y = y, .x = x, .index = rows};
    for_rows(&j, run_put_rows, x.shape[0], x.shape[1]);
}

static void run_concat(void *job, size_t first, size_t n)
{
    const struct job *j = job;
    const size_t a = width_of(&j->x), z = width_of(&j->z);
    for (size_t r = first; r < first + n; r++) {
        memcpy(f32(j->y) + r * (a + z), f32(j->x) + r * a, a * sizeof(float));
        memcpy(f32(j->y) + r * (a + z) + a, f32(j->z) + r * z, z * sizeof(float));
    }
}

static void concat(wc_backend *b, wc_tensor y, wc_tensor x, wc_tensor z)
{
    struct job j = {.c = cpu_of(b), .y = y, .x = x, .z = z};
    for_rows(&j, run_concat, wc_tensor_rows(&x), width_of(&y));
}

/* ---- rows of a sequence into one ---- */

struct pool_job {
    struct cpu *c;
    wc_tensor y, x;
    const int32_t *first;
    int skip;
    wc_pooling how;
};

/* y = the sum, or the largest, of n rows x [n,D]; weighted: row i counts skip + i + 1 times, the sum of which is returned. */
static float gather(const struct pool_job *j, float *y, const float *x, size_t n)
{
    const wc_kernels *k = j->c->k;
    const size_t d = width_of(&j->x);
    const bool weighted = j->how == WC_POOL_WEIGHTED_MEAN;
    float total = 0;
    memset(y, 0, d * sizeof *y);
    if (j->how == WC_POOL_MAX && n > 0)
        memcpy(y, x, d * sizeof *y);
    for (size_t i = 0; i < n; i++) {
        const float weight = weighted ? (float)((size_t)j->skip + i + 1) : 1;
        const float *row = x + i * d;
        for (size_t e = 0; j->how == WC_POOL_MAX && e < d; e++)
            y[e] = row[e] > y[e] ? row[e] : y[e];
        if (j->how != WC_POOL_MAX)
            k->axpy(y, weight, row, d);
        total += weight;
    }
    return total;
}

static void run_pool_rows(void *job, size_t first, size_t n)
{
    const struct pool_job *j = job;
    const size_t d = width_of(&j->x), skip = (size_t)j->skip;
    for (size_t s = first; s < first + n; s++) {
        const size_t from = (size_t)j->first[s], rows = (size_t)j->first[s + 1] - from;
        const size_t left = rows > skip ? rows - skip : 0;
        const float *x = f32(j->x) + from * d;
        float *y = f32(j->y) + s * d;
        if (rows > 0 && (j->how == WC_POOL_FIRST || j->how == WC_POOL_LAST)) {
            memcpy(y, x + (j->how == WC_POOL_LAST ? rows - 1 : left > 0 ? skip : 0) * d, d * sizeof *y);
            continue;
        }
        const float total = gather(j, y, x + (rows - left) * d, left);
        if (total > 0 && j->how != WC_POOL_MAX)
            j->c->k->scale(y, y, 1.0f / (j->how == WC_POOL_MEAN_SQRT ? sqrtf(total) : total), d);
    }
}

static void pool_rows(wc_backend *b, wc_tensor y, wc_tensor x, const int32_t *first, int skip, wc_pooling how)
{
    struct pool_job j = {cpu_of(b), y, x, first, skip, how};
    wc_cpu_for(j.c, run_pool_rows, &j, y.shape[0], 1);
}

void wc_cpu_fill_rows(wc_backend *b)
{
    b->rms_norm = rms_norm;
    b->layer_norm = layer_norm;
    b->cumulative_norm = cumulative_norm;
    b->softmax = softmax;
    b->rope_table = rope_table;
    b->rope = rope;
    b->rope_grad = rope_grad;
    b->mul_vec = mul_vec;
    b->sparsify = sparsify;
    b->match_rms = match_rms;
    b->altup_predict = altup_predict;
    b->altup_correct = altup_correct;
    b->mean_streams = mean_streams;
    b->get_rows = get_rows;
    b->put_rows = put_rows;
    b->pool_rows = pool_rows;
    b->concat = concat;
}
