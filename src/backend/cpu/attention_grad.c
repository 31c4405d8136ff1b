/* attention_grad.c - derivatives of attention_rows, without writing the weights down (Dao et al. 2022, arXiv:2205.14135, its
 * backward pass): they are computed anew from q, k and each row's largest score and sum of exponentials.
 *
 * Two passes, each cut by its outputs.  The first goes by rows and query heads: those two and d = dy y, which are kept, and
 * dq.  The second goes by key rows and key/value heads: dk and dv, over the query rows that see the key, in order. */
#include <math.h>
#include <string.h>

#include "backend/cpu/cpu.h"
#include "base/size.h"

enum { KEYS = 128, LEAST = 8 * 1024 }; /* keys, or query rows, taken at once; multiply-adds worth a chunk */

/* Of a query row and head: a weight is exp(score - top) / sum. */
struct kept {
    float top, inverse_sum, d;
};

struct job {
    struct cpu *c;
    float *dq, *dk, *dv;
    const float *dy, *y, *q, *k, *v;
    const wc_row_map *rows;
    wc_attention a;
    size_t group;      /* query heads of a key/value head */
    struct kept *kept; /* [n, n_heads] */
};

/* The rows of keys that query row r sees, [*from, *to). */
static void visible(const struct job *j, size_t r, size_t *from, size_t *to)
{
    const int pos = j->rows->pos[r], last = j->rows->last_visible ? j->rows->last_visible[r] : pos;
    const int first = j->a.window > 0 && pos - j->a.window + 1 > 0 ? pos - j->a.window + 1 : 0;
    const size_t origin = r - (size_t)pos;
    *from = origin + (size_t)first;
    *to = last < first ? *from : origin + (size_t)last + 1;
}

/* Scores of one row x [d] against n rows w, as softmax takes them; slopes: their derivatives by x w, NULL. */
static void score(const struct job *j, const float *x, const float *w, size_t stride, size_t n, float *t,
                  float *slopes)
{
    const size_t d = (size_t)j->a.key_dim;
    const float cap = j->a.soft_cap;
    j->c->k->dot[WC_F32](t, n, x, d, 1, w, stride, n, d);
    for (size_t i = 0; i < n; i++) {
        t[i] *= j->a.scale;
        if (slopes)
            slopes[i] = j->a.scale;
        if (!(cap > 0))
            continue;
        const float bent = tanhf(t[i] / cap);
        t[i] = cap * bent;
        if (slopes)
            slopes[i] *= 1 - bent * bent;
    }
}

/* A row's largest score, and the sum of its exponentials. */
static void weigh(const struct job *j, const float *q, const float *k, size_t stride, size_t n,
                  struct kept *kept)
{
    float t[KEYS], top = -INFINITY;
    double sum = 0;
    for (size_t at = 0; at < n; at += KEYS) {
        const size_t some = wc_min_size(KEYS, n - at);
        score(j, q, k + at * stride, stride, some, t, NULL);
        const float higher = fmaxf(top, j->c->k->maximum(t, some));
        sum *= exp((double)(top - higher));
        top = higher;
        for (size_t i = 0; i < some; i++)
            sum += (double)expf(t[i] - top);
    }
    kept->top = top;
    kept->inverse_sum = (float)(1 / sum);
}

static float dot(const float *x, const float *y, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)x[i] * (double)y[i];
    return (float)sum;
}

/* dq of one row and head. */
static void query_grad(const struct job *j, size_t r, size_t h)
{
    const size_t H = (size_t)j->a.n_heads, K = (size_t)j->a.n_kv_heads, kd = (size_t)j->a.key_dim,
                 vd = (size_t)j->a.value_dim, kv_head = h / j->group;
    const float *q = j->q + (r * H + h) * kd, *dy = j->dy + (r * H + h) * vd;
    struct kept *kept = &j->kept[r * H + h];
    float *dq = j->dq + (r * H + h) * kd, one = 1;
    float t[KEYS], slopes[KEYS], dp[KEYS];
    size_t from, to;
    visible(j, r, &from, &to);
    memset(dq, 0, kd * sizeof *dq);
    if (from >= to)
        return;
    const float *keys = j->k + kv_head * kd, *values = j->v + kv_head * vd;
    weigh(j, q, keys + from * K * kd, K * kd, to - from, kept);
    kept->d = dot(dy, j->y + (r * H + h) * vd, vd);
    for (size_t at = from; at < to; at += KEYS) {
        const size_t some = wc_min_size(KEYS, to - at);
        score(j, q, keys + at * K * kd, K * kd, some, t, slopes);
        j->c->k->dot[WC_F32](dp, some, dy, vd, 1, values + at * K * vd, K * vd, some, vd);
        for (size_t i = 0; i < some; i++)
            t[i] = expf(t[i] - kept->top) * kept->inverse_sum * (dp[i] - kept->d) * slopes[i];
        j->c->k->mix(dq, kd, &one, t, KEYS, keys + at * K * kd, K * kd, 1, some, kd);
    }
}

static void run_queries(void *job, size_t first, size_t n)
{
    const struct job *j = job;
    const size_t H = (size_t)j->a.n_heads;
    for (size_t i = first; i < first + n; i++)
        query_grad(j, i / H, i % H);
}

/* What query rows from .. from + n - 1 of head h add to dk and dv of key row m. */
static void add_queries(const struct job *j, size_t m, size_t h, size_t from, size_t n, float *dk, float *dv)
{
    const size_t H = (size_t)j->a.n_heads, K = (size_t)j->a.n_kv_heads, kd = (size_t)j->a.key_dim,
                 vd = (size_t)j->a.value_dim, kv_head = h / j->group;
    const float *k = j->k + (m * K + kv_head) * kd, *v = j->v + (m * K + kv_head) * vd, one = 1;
    const float *q = j->q + (from * H + h) * kd, *dy = j->dy + (from * H + h) * vd;
    float p[KEYS], slopes[KEYS], ds[KEYS];
    score(j, k, q, H * kd, n, p, slopes);
    j->c->k->dot[WC_F32](ds, n, v, vd, 1, dy, H * vd, n, vd);
    for (size_t i = 0; i < n; i++) {
        const struct kept *kept = &j->kept[(from + i) * H + h];
        size_t first, end;
        visible(j, from + i, &first, &end);
        p[i] = m >= first && m < end ? expf(p[i] - kept->top) * kept->inverse_sum : 0;
        ds[i] = p[i] > 0 ? p[i] * (ds[i] - kept->d) * slopes[i] : 0;
    }
    j->c->k->mix(dk, kd, &one, ds, KEYS, q, H * kd, 1, n, kd);
    j->c->k->mix(dv, vd, &one, p, KEYS, dy, H * vd, 1, n, vd);
}

/* The query rows between the first and behind the last that see key row m. */
static void seen_by(const struct job *j, size_t m, size_t *from, size_t *to)
{
    const size_t N = (size_t)j->rows->n;
    size_t r = m - (size_t)j->rows->pos[m], first, end;
    *from = *to = r;
    for (bool any = false; r < N && j->rows->seq[r] == j->rows->seq[m]; r++) {
        visible(j, r, &first, &end);
        if (m < first || m >= end)
            continue;
        *from = any ? *from : r;
        *to = r + 1;
        any = true;
    }
}

static void run_keys(void *job, size_t first, size_t n)
{
    const struct job *j = job;
    const size_t K = (size_t)j->a.n_kv_heads, kd = (size_t)j->a.key_dim, vd = (size_t)j->a.value_dim;
    for (size_t i = first; i < first + n; i++) {
        float *dk = j->dk + i * kd, *dv = j->dv + i * vd;
        size_t from, to;
        memset(dk, 0, kd * sizeof *dk);
        memset(dv, 0, vd * sizeof *dv);
        seen_by(j, i / K, &from, &to);
        for (size_t h = i % K * j->group; h < (i % K + 1) * j->group; h++)
            for (size_t at = from; at < to; at += KEYS)
                add_queries(j, i / K, h, at, wc_min_size(KEYS, to - at), dk, dv);
    }
}

static void attention_rows_grad(wc_backend *b, wc_tensor dq, wc_tensor dk, wc_tensor dv, wc_tensor dy,
                                wc_tensor y, wc_tensor q, wc_tensor k, wc_tensor v, const wc_row_map *rows,
                                const wc_attention *a, wc_tensor work)
{
    struct job j = {.c = cpu_of(b),
                    .dq = f32(dq),
                    .dk = f32(dk),
                    .dv = f32(dv),
                    .dy = f32(dy),
                    .y = f32(y),
                    .q = f32(q),
                    .k = f32(k),
                    .v = f32(v),
                    .rows = rows,
                    .a = *a,
                    .group = (size_t)(a->n_heads / a->n_kv_heads),
                    .kept = (struct kept *)work.data};
    const size_t n = (size_t)rows->n, per_row = n * (size_t)(a->key_dim + a->value_dim) + 1;
    wc_cpu_for(j.c, run_queries, &j, n * (size_t)a->n_heads, LEAST / per_row + 1);
    wc_cpu_for(j.c, run_keys, &j, n * (size_t)a->n_kv_heads, LEAST / per_row + 1);
}

void wc_cpu_fill_attention_grad(wc_backend *b)
{
    b->attention_rows_grad = attention_rows_grad;
}
