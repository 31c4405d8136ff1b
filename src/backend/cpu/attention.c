/* attention.c - softmax(scale q k) v in one pass over keys, WC_KV_PAGE at a time, with a running maximum and sum
 * (Milakov and Gimelshein 2018, arXiv:1805.02867; Dao et al. 2022, arXiv:2205.14135):
 *
 *   m' = max(m, max_j s_j)    o' = o exp(m - m') + sum_j exp(s_j - m') v_j    z' = z exp(m - m') + sum_j exp(s_j - m')
 *
 * A tile is some query rows of one sequence and query heads that read one key/value head, so that a page is read once for
 * all of them.  Keys are taken in blocks that begin at multiples of their size, and each row takes from a block exactly the
 * keys that it sees, in their order, whichever rows are in the tile: a row's result does not depend on its neighbours.
 *
 * Where the CPU multiplies pairs of bf16, dense attention (an encoder's) does so, and by tiles the one over pages of
 * bf16: attention_pairs.c.
 *
 * Blocks are summed by segments of as many positions for all rows, whose results are joined in order by the same equations.
 * So a few rows over many keys can be cut among threads by segments, too, with the same result. */
#include <math.h>
#include <string.h>

#include "backend/cpu/attention_pairs.h"
#include "backend/cpu/cpu.h"
#include "base/size.h"

enum {
    FEW_QUERIES = 16,
    MIXED_ROWS = 6,
    JOIN_LEAST = 8192,              /* values of parts worth a thread */
    PAGED_SEGMENT = 4 * WC_KV_PAGE, /* positions: one row's few hundred keys are work for several threads */
    DENSE_SEGMENT = 16 * WC_KV_PAGE
};

/* Query rows first .. first + n - 1 of one sequence times query heads head .. head + n_heads - 1: row i of the tile is query
 * row first + i / n_heads, head + i % n_heads. */
struct tile {
    int first, n, seq;
    int origin; /* of dense keys: the row that position 0 is in */
    size_t head, n_heads, kv_head, rows;
    int low[QUERY_ROWS], high[QUERY_ROWS]; /* [n] first and last position that the query row sees */
};

/* Running maximum, sum and output [rows, value_dim] of a tile; before the first key -inf, 0 and zeros. */
struct state {
    float m[QUERY_ROWS], z[QUERY_ROWS];
    float *out;
};

struct job {
    struct cpu *c;
    wc_tensor y, q;
    wc_attention a;
    const wc_kv_layer *kv;  /* paged, or NULL: */
    wc_tensor k, v;         /* dense */
    const wc_row_map *rows; /* of dense ones: whose keys are the step's own rows, or NULL: all see all */
    bool by_pairs;          /* of bf16: */
    const struct attention_pairs *pairs; /* made of dense keys and values; NULL: the pages */
    size_t group;                        /* query heads of a key/value head */
    size_t tile_heads, tile_queries,
        n_splits;      /* heads and query rows of a tile; tiles that share a key/value head */
    int segment;       /* positions of a segment, a multiple of a block's */
    int first_segment; /* that any row sees something of */
    size_t n_segments; /* > 0: each tile's segments are chunks of their own and leave their states in parts */
    float *parts;      /* [query rows, heads, n_segments, value_dim + 2]: out, m, z */
};

static int earlier(int a, int b)
{
    return a < b ? a : b;
}

static int later(int a, int b)
{
    return a > b ? a : b;
}

/* First and last position that query row r of the step sees. */
static void visible(const struct job *j, int r, int *low, int *high)
{
    if (!j->rows) {
        *low = 0;
        *high = (int)j->k.shape[0] - 1;
        return;
    }
    const int pos = j->rows->pos[r];
    *high = j->rows->last_visible ? j->rows->last_visible[r] : pos;
    *low = j->a.window > 0 && pos - j->a.window + 1 > 0 ? pos - j->a.window + 1 : 0;
}

/* Where n keys and values of a head lie from a position on, in a stored type. */
struct block {
    const char *k, *v;
    size_t k_stride, v_stride;
    wc_dtype type;
};

static struct block block_at(const struct job *j, const struct tile *t, int pos)
{
    const size_t kd = (size_t)j->a.key_dim, vd = (size_t)j->a.value_dim;
    if (!j->kv) {
        const size_t k_stride = width_of(&j->k), v_stride = width_of(&j->v);
        const size_t row = (size_t)t->origin + (size_t)pos;
        return (struct block){(const char *)(f32(j->k) + row * k_stride + t->kv_head * kd),
                              (const char *)(f32(j->v) + row * v_stride + t->kv_head * vd), k_stride,
                              v_stride, WC_F32};
    }
    const char *page = j->kv->pages[t->seq][pos / WC_KV_PAGE];
    const size_t row = (size_t)(pos % WC_KV_PAGE), elem = stored_bytes(j->kv->dtype);
    return (struct block){page + wc_kv_key_offset(j->kv, (int)t->kv_head) + row * kd * elem,
                          page + wc_kv_value_offset(j->kv, (int)t->kv_head) + row * vd * elem, kd, vd,
                          j->kv->dtype};
}

/* Scores [rows, n] of the tile's rows first .. first + rows - 1 against n keys. */
static void score(const struct job *j, const struct block *b, size_t first, size_t rows, size_t n,
                  struct scratch *s)
{
    const wc_kernels *k = j->c->k;
    const size_t kd = (size_t)j->a.key_dim, cols = (size_t)k->panel_cols, group = packed_group(j->c, kd),
                 spare = first % (size_t)k->tile_rows; /* rows of the group before the first */
    float *scores = s->scores + (first - spare) * WC_KV_PAGE;
    if (rows <= FEW_QUERIES) {
        k->dot[b->type](s->scores + first * WC_KV_PAGE, WC_KV_PAGE, s->queries + first * kd, kd, rows, b->k,
                        b->k_stride, n, kd);
        return;
    }
    for (size_t at = 0; at < n; at += cols)
        for (size_t i = 0; i == 0 || i < kd; i += WC_SPAN) {
            const size_t some = wc_min_size(cols, n - at), span = wc_min_size(WC_SPAN, kd - i);
            k->unpack[b->type](s->panels, b->k + (at * b->k_stride + i) * stored_bytes(b->type), b->k_stride,
                               some, span);
            k->tile(scores + at, WC_KV_PAGE, i > 0 ? scores + at : NULL, WC_KV_PAGE,
                    s->packed + (first - spare) / (size_t)k->tile_rows * group + i * (size_t)k->tile_rows,
                    group, s->panels, spare + rows, some, span);
        }
}

/* Values of the block as f32 rows. */
static const float *values_of(const struct job *j, struct block *b, size_t n, struct scratch *s)
{
    const size_t vd = (size_t)j->a.value_dim;
    if (b->type == WC_F32)
        return (const float *)b->v;
    j->c->k->widen[b->type](s->values, b->v, n * vd); /* pages have no gaps */
    return s->values;
}

/* ---- a block of keys ---- */

/* Asks for bytes that will be read soon. */
static void fetch(const char *p, size_t n)
{
    for (size_t i = 0; i < n; i += 64)
        __builtin_prefetch(p + i);
}

/* While a row meets the keys of a block, its values come from memory, and then the next block's keys: a page is too short for
 * the CPU to see what will be read. */
static void fetch_values(const struct job *j, const struct block *b, size_t n)
{
    if (j->kv)
        fetch(b->v, n * (size_t)j->a.value_dim * stored_bytes(b->type));
}

static void fetch_next_keys(const struct job *j, const struct tile *t, int pos, int high)
{
    if (j->kv && pos + WC_KV_PAGE <= high) {
        const struct block next = block_at(j, t, pos + WC_KV_PAGE);
        fetch(next.k, WC_KV_PAGE * (size_t)j->a.key_dim * stored_bytes(next.type));
    }
}

/* Which keys of a block a tile's row sees, as weights [from, to) in its row of scores; from = to: none. */
struct span {
    size_t from, to;
};

/* Adds rows r .. end - 1.  The keys that all of them see are taken together, the few before and behind row by row: each
 * row's keys in their order. */
static void mix_some(const struct job *j, const struct span *seen, const float *alpha, size_t r, size_t end,
                     const float *v, size_t v_stride, struct state *st, struct scratch *s)
{
    const wc_kernels *k = j->c->k;
    const size_t vd = (size_t)j->a.value_dim;
    struct span all = seen[r];
    for (size_t i = r; i < end; i++) {
        all.from = wc_max_size(all.from, seen[i].from);
        all.to = wc_min_size(all.to, seen[i].to);
    }
    if (all.from >= all.to)
        all.from = all.to = 0;
    float left[QUERY_ROWS]; /* what a row's output is still to be multiplied by */
    const bool together = all.from < all.to;
    for (size_t i = r; i < end; i++) {
        const size_t to = together ? all.from : seen[i].to;
        left[i] = alpha[i];
        if (seen[i].from < to) {
            k->mix(st->out + i * vd, vd, alpha + i, s->scores + i * WC_KV_PAGE + seen[i].from, WC_KV_PAGE,
                   v + seen[i].from * v_stride, v_stride, 1, to - seen[i].from, vd);
            left[i] = 1;
        }
    }
    if (!together)
        return;
    k->mix(st->out + r * vd, vd, left + r, s->scores + r * WC_KV_PAGE + all.from, WC_KV_PAGE,
           v + all.from * v_stride, v_stride, end - r, all.to - all.from, vd);
    const float one = 1;
    for (size_t i = r; i < end; i++)
        if (all.to < seen[i].to)
            k->mix(st->out + i * vd, vd, &one, s->scores + i * WC_KV_PAGE + all.to, WC_KV_PAGE,
                   v + all.to * v_stride, v_stride, 1, seen[i].to - all.to, vd);
}

/* Keys that are taken at once. */
static size_t block_keys(const struct job *j)
{
    return j->pairs ? PAIR_KEYS : WC_KV_PAGE;
}

/* What a tile sees of a block. */
struct view {
    struct span seen[QUERY_ROWS];
    size_t first, last; /* rows .. */
    size_t from, to;    /* .. and keys that take part */
};

/* The view of the block of keys from position pos on, a multiple of their number; false: nothing. */
static bool look(const struct job *j, const struct tile *t, int pos, struct view *v)
{
    const size_t keys = block_keys(j);
    v->first = t->rows;
    v->last = v->to = 0;
    v->from = keys;
    for (size_t r = 0; r < t->rows; r++) {
        const int low = t->low[r / t->n_heads], high = t->high[r / t->n_heads];
        struct span *seen = &v->seen[r];
        seen->from = low > pos ? wc_min_size((size_t)(low - pos), keys) : 0;
        seen->to = high < pos ? 0 : wc_min_size((size_t)(high - pos) + 1, keys);
        if (seen->from >= seen->to) {
            seen->from = seen->to = 0;
            continue;
        }
        v->from = wc_min_size(v->from, seen->from);
        v->to = wc_max_size(v->to, seen->to);
        v->first = wc_min_size(v->first, r);
        v->last = r + 1;
    }
    return v->first < v->last;
}

/* A block by products of bf16, from its first key on. */
static void take_pairs(const struct job *j, const struct tile *t, int pos, const struct view *v,
                       struct state *st, struct scratch *s)
{
    const struct cpu *c = j->c;
    const size_t rows = v->last - v->first;
    float alpha[QUERY_ROWS];
    const struct block b = block_at(j, t, pos);
    fetch_values(j, &b, v->to);
    if (j->pairs)
        wc_cpu_pairs_score(j->pairs, t->kv_head, (size_t)pos, t->rows, v->to, s);
    else
        wc_cpu_pairs_score_page(c, &j->a, (const uint16_t *)b.k, v->first, rows, v->to, rows <= FEW_QUERIES,
                                s);
    for (size_t r = v->first; r < v->last; r++)
        alpha[r] = wc_cpu_pairs_weigh(c, &j->a, r, v->seen[r].from, v->seen[r].to, v->to, &st->m[r],
                                      &st->z[r], s);
    fetch_next_keys(j, t, pos, t->high[t->n - 1]);
    if (j->pairs)
        wc_cpu_pairs_mix(j->pairs, t->kv_head, (size_t)pos, t->rows, v->to, alpha, st->out, s);
    else
        wc_cpu_pairs_mix_page(c, &j->a, (const uint16_t *)b.v, v->first, rows, v->to, alpha, st->out, s);
}

/* A block by products of floats, from the first key on that is seen. */
static void take_floats(const struct job *j, const struct tile *t, int pos, struct view *v, struct state *st,
                        struct scratch *s)
{
    const size_t n = v->to - v->from;
    float alpha[QUERY_ROWS];
    struct block b = block_at(j, t, pos + (int)v->from);
    bool alike = true;
    fetch_values(j, &b, n);
    score(j, &b, v->first, v->last - v->first, n, s);
    for (size_t r = v->first; r < v->last; r++) {
        struct span *seen = &v->seen[r];
        alike = alike && seen->from == v->seen[v->first].from && seen->to == v->seen[v->first].to;
        if (seen->from == seen->to)
            continue;
        seen->from -= v->from;
        seen->to -= v->from;
        alpha[r] = j->c->k->weigh(s->scores + r * WC_KV_PAGE + seen->from, seen->to - seen->from, j->a.scale,
                                  j->a.soft_cap, &st->m[r], &st->z[r]);
    }
    const float *values = values_of(j, &b, n, s);
    fetch_next_keys(j, t, pos, t->high[t->n - 1]);
    const size_t step = alike ? v->last - v->first : MIXED_ROWS;
    for (size_t r = v->first; r < v->last; r += step)
        mix_some(j, v->seen, alpha, r, wc_min_size(r + step, v->last), values, b.v_stride, st, s);
}

static void take_block(const struct job *j, const struct tile *t, int pos, struct state *st,
                       struct scratch *s)
{
    struct view v;
    if (!look(j, t, pos, &v))
        return;
    if (j->by_pairs)
        take_pairs(j, t, pos, &v, st, s);
    else
        take_floats(j, t, pos, &v, st, s);
}

/* The keys of positions low .. high, all in one segment, into an empty state. */
static void run_segment(const struct job *j, const struct tile *t, int low, int high, struct state *st,
                        struct scratch *s)
{
    memset(st->out, 0, t->rows * (size_t)j->a.value_dim * sizeof *st->out);
    for (size_t r = 0; r < t->rows; r++) {
        st->m[r] = -INFINITY;
        st->z[r] = 0;
    }
    const int keys = (int)block_keys(j);
    for (int pos = low / keys * keys; pos <= high; pos += keys)
        take_block(j, t, pos, st, s);
}

/* Joins the state of a segment to what came before it. */
static void join(const struct job *j, float *m, float *z, float *out, float m_part, float z_part,
                 const float *part)
{
    const size_t vd = (size_t)j->a.value_dim;
    if (z_part == 0)
        return;
    if (*z == 0) {
        memcpy(out, part, vd * sizeof *out);
        *m = m_part;
        *z = z_part;
        return;
    }
    const float top = fmaxf(*m, m_part), a = expf(*m - top), b = expf(m_part - top);
    j->c->k->mix(out, vd, &a, &b, 1, part, vd, 1, 1, vd); /* out = out a + part b */
    *z = *z * a + z_part * b;
    *m = top;
}

/* y = out / z; zeros for a row that saw nothing. */
static void write_row(const struct job *j, size_t query, size_t head, const float *out, float z)
{
    const size_t vd = (size_t)j->a.value_dim;
    j->c->k->scale(f32(j->y) + (query * (size_t)j->a.n_heads + head) * vd, out, z == 0 ? 0 : 1.0f / z, vd);
}

static float *part_at(const struct job *j, size_t query, size_t head, size_t segment)
{
    return j->parts +
           ((query * (size_t)j->a.n_heads + head) * j->n_segments + segment) * ((size_t)j->a.value_dim + 2);
}

static void keep_parts(const struct job *j, const struct tile *t, size_t segment, const struct state *st)
{
    const size_t vd = (size_t)j->a.value_dim;
    for (size_t r = 0; r < t->rows; r++) {
        float *part = part_at(j, (size_t)t->first + r / t->n_heads, t->head + r % t->n_heads, segment);
        memcpy(part, st->out + r * vd, vd * sizeof *part);
        part[vd] = st->m[r];
        part[vd + 1] = st->z[r];
    }
}

/* All segments of a tile, or the one that is asked for. */
static void run_tile(const struct job *j, struct tile *t, size_t segment, struct scratch *s)
{
    const size_t kd = (size_t)j->a.key_dim, vd = (size_t)j->a.value_dim;
    struct state total = {.out = s->total}, part = {.out = s->out};
    const int step = j->segment;
    int low = INT32_MAX, high = -1;
    for (int i = 0; i < t->n; i++) {
        visible(j, t->first + i, &t->low[i], &t->high[i]);
        low = earlier(low, t->low[i]);
        high = later(high, t->high[i]);
    }
    for (size_t r = 0; r < t->rows; r++) {
        const size_t query = (size_t)t->first + r / t->n_heads, head = t->head + r % t->n_heads;
        const float *q = f32(j->q) + (query * (size_t)j->a.n_heads + head) * kd;
        if (j->by_pairs)
            wc_cpu_pairs_query(j->c, &j->a, r, q, s);
        else
            memcpy(s->queries + r * kd, q, kd * sizeof *q);
    }
    if (!j->by_pairs && t->rows > FEW_QUERIES)
        j->c->k->pack(s->packed, packed_group(j->c, kd), s->queries, kd, t->rows, kd);
    int at = low / step * step, end = high + 1;
    if (j->n_segments > 0) {
        const int first = (j->first_segment + (int)segment) * step;
        at = later(at, first);
        end = earlier(end, first + step);
    }
    run_segment(j, t, later(low, at), earlier(end, at + step) - 1, &total, s);
    while ((at += step) < end) {
        run_segment(j, t, at, earlier(end, at + step) - 1, &part, s);
        for (size_t r = 0; r < t->rows; r++)
            join(j, &total.m[r], &total.z[r], total.out + r * vd, part.m[r], part.z[r], part.out + r * vd);
    }
    if (j->n_segments > 0) {
        keep_parts(j, t, segment, &total);
        return;
    }
    for (size_t r = 0; r < t->rows; r++)
        write_row(j, (size_t)t->first + r / t->n_heads, t->head + r % t->n_heads, total.out + r * vd,
                  total.z[r]);
}

/* The tile that begins at row `first`: rows of the same sequence, as many as fit. */
static int tile_end(const struct job *j, int first)
{
    const int n = (int)j->q.shape[0];
    int end = first + 1;
    while (end < n && end - first < (int)j->tile_queries &&
           (!j->rows || j->rows->seq[end] == j->rows->seq[first]))
        end++;
    return end;
}

static void run_chunk(void *job, int thread, size_t chunk)
{
    const struct job *j = job;
    struct tile t = {0};
    size_t segment = 0;
    if (j->n_segments > 0) {
        segment = chunk % j->n_segments;
        chunk /= j->n_segments;
    }
    const size_t split = chunk % j->n_splits;
    chunk /= j->n_splits;
    t.kv_head = chunk % (size_t)j->a.n_kv_heads;
    t.head = t.kv_head * j->group + split * j->tile_heads;
    t.n_heads = wc_min_size(j->tile_heads, j->group - split * j->tile_heads);
    for (size_t index = chunk / (size_t)j->a.n_kv_heads; index > 0; index--)
        t.first = tile_end(j, t.first);
    t.n = tile_end(j, t.first) - t.first;
    t.seq = j->rows ? j->rows->seq[t.first] : 0;
    t.origin = j->rows ? t.first - j->rows->pos[t.first] : 0;
    t.rows = (size_t)t.n * t.n_heads;
    struct scratch *s = wc_cpu_take_scratch(j->c);
    run_tile(j, &t, segment, s);
    wc_cpu_put_scratch(j->c, s);
}

/* Joins the segments of one query row and head. */
static void join_parts(void *job, size_t first, size_t n)
{
    const struct job *j = job;
    const size_t vd = (size_t)j->a.value_dim, heads = (size_t)j->a.n_heads;
    for (size_t i = first; i < first + n; i++) {
        float *total = part_at(j, i / heads, i % heads, 0);
        for (size_t segment = 1; segment < j->n_segments; segment++) {
            const float *part = part_at(j, i / heads, i % heads, segment);
            join(j, &total[vd], &total[vd + 1], total, part[vd], part[vd + 1], part);
        }
        write_row(j, i / heads, i % heads, total, total[vd + 1]);
    }
}

/* How many segments rows see something of, from the first one on. */
static size_t count_segments(struct job *j)
{
    int last = -1, first = INT32_MAX;
    for (int r = 0; r < (int)j->q.shape[0]; r++) {
        int low, high;
        visible(j, r, &low, &high);
        last = later(last, high);
        first = earlier(first, low);
    }
    j->first_segment = first / j->segment;
    return last < 0 ? 1 : (size_t)(last / j->segment - j->first_segment) + 1;
}

static void run(struct job *j)
{
    const size_t n = j->q.shape[0], threads = (size_t)wc_pool_threads(j->c->base.pool);
    if (n == 0)
        return;
    j->segment = j->kv ? PAGED_SEGMENT : DENSE_SEGMENT;
    j->group = (size_t)(j->a.n_heads / j->a.n_kv_heads);
    j->tile_heads = wc_min_size(j->group, QUERY_ROWS);
    j->n_splits = (j->group + j->tile_heads - 1) / j->tile_heads;
    const size_t even = (n * (size_t)j->a.n_kv_heads * j->n_splits + 2 * threads - 1) / (2 * threads);
    j->tile_queries = wc_max_size(wc_min_size(QUERY_ROWS / j->tile_heads, even), 1);
    size_t tiles = 0;
    for (int first = 0; first < (int)n; first = tile_end(j, first))
        tiles++;
    const size_t chunks = tiles * (size_t)j->a.n_kv_heads * j->n_splits, segments = count_segments(j);
    const size_t part = segments * ((size_t)j->a.value_dim + 2);
    struct scratch *s = NULL;
    if (threads > 1 && chunks < 2 * threads && segments > 1 &&
        n * (size_t)j->a.n_heads <= (size_t)QUERY_ROWS * MAX_HEAD_DIM / part) {
        s = wc_cpu_take_scratch(j->c);
        j->parts = s->out;
        j->n_segments = segments;
    }
    wc_pool_run(j->c->base.pool, run_chunk, j, chunks * wc_max_size(j->n_segments, 1));
    if (s) {
        wc_cpu_for(j->c, join_parts, j, n * (size_t)j->a.n_heads, JOIN_LEAST / part + 1);
        wc_cpu_put_scratch(j->c, s);
    }
}

static void attention(wc_backend *b, wc_tensor y, wc_tensor q, const wc_kv_layer *kv, const wc_row_map *rows,
                      const wc_attention *a)
{
    struct cpu *c = cpu_of(b);
    run(&(struct job){.c = c,
                      .y = y,
                      .q = q,
                      .a = *a,
                      .kv = kv,
                      .rows = rows,
                      .by_pairs = wc_cpu_pairs_fit_pages(c, a, kv->dtype)});
}

static size_t attention_dense_work(wc_backend *b, size_t m, const wc_attention *a)
{
    return wc_cpu_pairs_work(cpu_of(b), m, a);
}

static void attention_dense(wc_backend *b, wc_tensor y, wc_tensor q, wc_tensor k, wc_tensor v,
                            const wc_attention *a, wc_tensor work)
{
    struct job j = {.c = cpu_of(b), .y = y, .q = q, .a = *a, .k = k, .v = v};
    struct attention_pairs pairs;
    if (wc_cpu_pairs_fit(j.c, a)) {
        wc_cpu_pairs_make(&pairs, j.c, a, k, v, work);
        j.pairs = &pairs;
        j.by_pairs = true;
    }
    run(&j);
}

static void attention_rows(wc_backend *b, wc_tensor y, wc_tensor q, wc_tensor k, wc_tensor v,
                           const wc_row_map *rows, const wc_attention *a)
{
    run(&(struct job){.c = cpu_of(b), .y = y, .q = q, .a = *a, .k = k, .v = v, .rows = rows});
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
    b->attention_dense_work = attention_dense_work;
    b->attention_dense = attention_dense;
    b->attention_rows = attention_rows;
    b->kv_write = kv_write;
}
