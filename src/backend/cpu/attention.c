/* attention.c - softmax(scale q k) v in one pass over keys, WC_KV_PAGE at a time, with a running maximum and sum
 * (Milakov and Gimelshein 2018, arXiv:1805.02867; Dao et al. 2022, arXiv:2205.14135):
 *
 *   m' = max(m, max_j s_j)    o' = o exp(m - m') + sum_j exp(s_j - m') v_j    z' = z exp(m - m') + sum_j exp(s_j - m')
 *
 * A chunk is a tile of query rows of one sequence and one key/value head, with all query heads that read it, so that a page
 * is read once for all of them.  Keys are taken in blocks that begin at multiples of WC_KV_PAGE, whichever rows are in the
 * tile: a row's result does not depend on its neighbours.  A block that a row does not see leaves it untouched. */
#include <math.h>
#include <string.h>

#include "backend/cpu/cpu.h"
#include "base/size.h"

enum { FEW_QUERIES = 6 };

/* Query rows first .. first + n - 1 of one sequence, and one key/value head. */
struct tile {
    const struct wc_attention *a;
    int first, n, head;
    size_t
        rows; /* n times the query heads of a key/value head: row i is query i / group, head i % group of it */
};

struct job {
    struct cpu *c;
    wc_tensor y, q;
    wc_attention a;
    const wc_kv_layer *kv; /* paged, or NULL: */
    wc_tensor k, v;        /* dense */
    const wc_row_map *rows;
    size_t rows_per_tile, n_tiles; /* dense: tiles are cut evenly */
};

/* First and last position that query row r of the step sees. */
static void visible(const struct job *j, int r, int *low, int *high)
{
    if (!j->kv) {
        *low = 0;
        *high = (int)j->k.shape[0] - 1;
        return;
    }
    const int pos = j->rows->pos[r];
    *high = j->rows->last_visible ? j->rows->last_visible[r] : pos;
    *low = j->a.window > 0 && pos - j->a.window + 1 > 0 ? pos - j->a.window + 1 : 0;
}

/* The block's keys and values of the tile's head as f32 rows: read in place, or widened into scratch. */
struct block {
    const float *k, *v;
    size_t k_stride, v_stride;
};

static struct block load_block(const struct job *j, const struct tile *t, int seq, int pos, size_t n,
                               struct scratch *s)
{
    const size_t kd = (size_t)j->a.key_dim, vd = (size_t)j->a.value_dim;
    if (!j->kv) {
        const size_t k_stride = width_of(&j->k), v_stride = width_of(&j->v);
        return (struct block){f32(j->k) + (size_t)pos * k_stride + (size_t)t->head * kd,
                              f32(j->v) + (size_t)pos * v_stride + (size_t)t->head * vd, k_stride, v_stride};
    }
    const char *page = j->kv->pages[seq][pos / WC_KV_PAGE];
    const char *k = page + wc_kv_key_offset(j->kv, t->head), *v = page + wc_kv_value_offset(j->kv, t->head);
    if (j->kv->dtype == WC_F32)
        return (struct block){(const float *)k, (const float *)v, kd, vd};
    j->c->k->widen[j->kv->dtype](s->keys, k, n * kd);
    j->c->k->widen[j->kv->dtype](s->values, v, n * vd);
    return (struct block){s->keys, s->values, kd, vd};
}

/* scores [rows, n] of the queries against the block's keys. */
static void score(const struct job *j, const struct tile *t, const struct block *b, size_t n,
                  struct scratch *s)
{
    const wc_kernels *k = j->c->k;
    const size_t kd = (size_t)j->a.key_dim;
    if (t->rows <= FEW_QUERIES) {
        k->dot[WC_F32](s->scores, WC_KV_PAGE, s->queries, kd, t->rows, b->k, b->k_stride, n, kd);
    } else {
        const size_t cols = (size_t)k->panel_cols;
        for (size_t at = 0; at < n; at += cols)
            for (size_t i = 0; i == 0 || i < kd; i += WC_SPAN) {
                const size_t some = wc_min_size(cols, n - at), span = wc_min_size(WC_SPAN, kd - i);
                k->unpack[WC_F32](s->panels, b->k + at * b->k_stride + i, b->k_stride, some, span);
                k->tile(s->scores + at, WC_KV_PAGE, s->queries + i, kd, s->panels, t->rows, some, span,
                        i > 0);
            }
    }
    for (size_t r = 0; r < t->rows; r++) {
        k->scale(s->scores + r * WC_KV_PAGE, s->scores + r * WC_KV_PAGE, j->a.scale, n);
        if (j->a.soft_cap > 0)
            k->soft_cap(s->scores + r * WC_KV_PAGE, s->scores + r * WC_KV_PAGE, j->a.soft_cap, n);
    }
}

/* One block of n keys from position pos: updates maxima m, sums z and s->out of the rows that see something of it. */
static void take_block(const struct job *j, const struct tile *t, int seq, int pos, size_t n, float *m,
                       float *z, struct scratch *s)
{
    const wc_kernels *k = j->c->k;
    const size_t group = t->rows / (size_t)t->n, vd = (size_t)j->a.value_dim;
    const struct block b = load_block(j, t, seq, pos, n, s);
    float alpha[QUERY_ROWS];
    size_t first = t->rows, last = 0; /* rows that see the block lie together, as positions rise */
    score(j, t, &b, n, s);
    for (size_t r = 0; r < t->rows; r++) {
        float *p = s->scores + r * WC_KV_PAGE;
        int low, high;
        visible(j, t->first + (int)(r / group), &low, &high);
        const size_t from = low > pos ? (size_t)(low - pos) : 0;
        const size_t to = high < pos ? 0 : wc_min_size((size_t)(high - pos) + 1, n);
        alpha[r] = 1;
        if (from >= to) {
            memset(p, 0, n * sizeof *p);
            continue;
        }
        const float top = fmaxf(m[r], k->maximum(p + from, to - from));
        for (size_t i = 0; i < from; i++)
            p[i] = -INFINITY;
        for (size_t i = to; i < n; i++)
            p[i] = -INFINITY;
        const float sum = k->exp_sum(p, p, top, n);
        alpha[r] = m[r] == -INFINITY ? 0 : expf(m[r] - top);
        z[r] = z[r] * alpha[r] + sum;
        m[r] = top;
        first = wc_min_size(first, r);
        last = r + 1;
    }
    if (first < last)
        k->mix(s->out + first * vd, vd, alpha + first, s->scores + first * WC_KV_PAGE, WC_KV_PAGE, b.v,
               b.v_stride, last - first, n, vd);
}

static void run_tile(const struct job *j, const struct tile *t, struct scratch *s)
{
    const size_t group = (size_t)(j->a.n_heads / j->a.n_kv_heads), kd = (size_t)j->a.key_dim,
                 vd = (size_t)j->a.value_dim;
    const size_t q_width = (size_t)j->a.n_heads * kd, y_width = (size_t)j->a.n_heads * vd;
    const int seq = j->kv ? j->rows->seq[t->first] : 0;
    float m[QUERY_ROWS], z[QUERY_ROWS];
    int low = INT32_MAX, high = -1;
    for (int i = 0; i < t->n; i++) {
        int l, h;
        visible(j, t->first + i, &l, &h);
        low = l < low ? l : low;
        high = h > high ? h : high;
    }
    for (size_t r = 0; r < t->rows; r++) {
        const float *q = f32(j->q) + ((size_t)t->first + r / group) * q_width +
                         ((size_t)t->head * group + r % group) * kd;
        memcpy(s->queries + r * kd, q, kd * sizeof *q);
        m[r] = -INFINITY;
        z[r] = 0;
    }
    memset(s->out, 0, t->rows * vd * sizeof *s->out);
    for (int pos = low / WC_KV_PAGE * WC_KV_PAGE; pos <= high; pos += WC_KV_PAGE)
        take_block(j, t, seq, pos, wc_min_size(WC_KV_PAGE, (size_t)(high - pos) + 1), m, z, s);
    for (size_t r = 0; r < t->rows; r++) {
        float *y = f32(j->y) + ((size_t)t->first + r / group) * y_width +
                   ((size_t)t->head * group + r % group) * vd;
        j->c->k->scale(y, s->out + r * vd, 1.0f / z[r], vd);
    }
}

/* The tile that begins at row `first`: rows of the same sequence, as many as fit. */
static int tile_end(const struct job *j, int first)
{
    int end = first + 1;
    while (end < j->rows->n && end - first < (int)j->rows_per_tile &&
           j->rows->seq[end] == j->rows->seq[first])
        end++;
    return end;
}

static void run_chunk(void *job, int thread, size_t chunk)
{
    const struct job *j = job;
    const int heads = j->a.n_kv_heads, group = j->a.n_heads / heads;
    struct tile t = {.a = &j->a, .head = (int)(chunk % (size_t)heads)};
    size_t index = chunk / (size_t)heads;
    if (j->kv) {
        for (; index > 0; index--)
            t.first = tile_end(j, t.first);
        t.n = tile_end(j, t.first) - t.first;
    } else {
        t.first = (int)(index * j->rows_per_tile);
        t.n = (int)wc_min_size(j->rows_per_tile, j->q.shape[0] - (size_t)t.first);
    }
    t.rows = (size_t)t.n * (size_t)group;
    struct scratch *s = wc_cpu_take_scratch(j->c);
    run_tile(j, &t, s);
    wc_cpu_put_scratch(j->c, s);
}

static size_t rows_per_tile(const wc_attention *a)
{
    return wc_max_size((size_t)(QUERY_ROWS / (a->n_heads / a->n_kv_heads)), 1);
}

static void attention(wc_backend *b, wc_tensor y, wc_tensor q, const wc_kv_layer *kv, const wc_row_map *rows,
                      const wc_attention *a)
{
    struct job j = {
        .c = cpu_of(b), .y = y, .q = q, .a = *a, .kv = kv, .rows = rows, .rows_per_tile = rows_per_tile(a)};
    size_t tiles = 0;
    for (int first = 0; first < rows->n; first = tile_end(&j, first))
        tiles++;
    wc_pool_run(b->pool, run_chunk, &j, tiles * (size_t)a->n_kv_heads);
}

static void attention_dense(wc_backend *b, wc_tensor y, wc_tensor q, wc_tensor k, wc_tensor v,
                            const wc_attention *a)
{
    struct job j = {
        .c = cpu_of(b), .y = y, .q = q, .a = *a, .k = k, .v = v, .rows_per_tile = rows_per_tile(a)};
    size_t tiles = (q.shape[0] + j.rows_per_tile - 1) / j.rows_per_tile;
    wc_pool_run(b->pool, run_chunk, &j, tiles * (size_t)a->n_kv_heads);
}

/* ---- writing keys and values ---- */

struct write_job {
    struct cpu *c;
    const wc_kv_layer *kv;
    const wc_row_map *rows;
    wc_tensor k, v;
};

static void write_values(const struct write_job *j, char *to, const float *from, size_t n)
{
    if (j->kv->dtype == WC_F32)
        memcpy(to, from, n * sizeof *from);
    else
        j->c->k->narrow_bf16((uint16_t *)to, from, n);
}

static void write_rows(void *job, size_t first, size_t n)
{
    const struct write_job *j = job;
    const size_t kd = (size_t)j->kv->key_dim, vd = (size_t)j->kv->value_dim,
                 heads = (size_t)j->kv->n_kv_heads;
    const size_t elem = stored_bytes(j->kv->dtype);
    for (size_t r = first; r < first + n; r++) {
        const size_t row = (size_t)(j->rows->pos[r] % WC_KV_PAGE);
        char *page = j->kv->pages[j->rows->seq[r]][j->rows->pos[r] / WC_KV_PAGE];
        for (size_t h = 0; h < heads; h++) {
            write_values(j, page + wc_kv_key_offset(j->kv, (int)h) + row * kd * elem,
                         f32(j->k) + (r * heads + h) * kd, kd);
            write_values(j, page + wc_kv_value_offset(j->kv, (int)h) + row * vd * elem,
                         f32(j->v) + (r * heads + h) * vd, vd);
        }
    }
}

static void kv_write(wc_backend *b, const wc_kv_layer *kv, const wc_row_map *rows, wc_tensor k, wc_tensor v)
{
    struct write_job j = {cpu_of(b), kv, rows, k, v};
    wc_cpu_for(j.c, write_rows, &j, (size_t)rows->n, 16);
}

void wc_cpu_fill_attention(wc_backend *b)
{
    b->attention = attention;
    b->attention_dense = attention_dense;
    b->kv_write = kv_write;
}
