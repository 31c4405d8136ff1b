/* attention_pairs.c - attention by the bf16 dot product: queries, keys, weights and values are rounded to bf16, the sums are
 * f32, as transformers has it for a model of bf16.
 *
 * The kernel mix_pairs computes y[r,:] += sum_i x[r,2i] w[i,:,0] + x[r,2i+1] w[i,:,1].  Outputs are such a product of weights
 * and values with two neighbouring positions; an encoder's scores one of queries and keys with two neighbouring dimensions to a
 * pair.  Scores against a page are a product with weights as any other.
 *
 * Positions are paired from the beginning of a block, and what a row does not see of it has the weight 0: so its result does not
 * depend on the rows beside it (but where a value is infinite or no number, which times 0 is none either). */
#include "backend/cpu/attention_pairs.h"

#include "base/size.h"

bool wc_cpu_pairs_fit(const struct cpu *c, const wc_attention *a)
{
    return wc_cpu_takes_pairs(c, WC_BF16) && a->key_dim <= 2 * WC_SPAN;
}

/* By vectors of pairs a prompt takes as long as by floats, or longer; by tiles two thirds. */
bool wc_cpu_pairs_fit_pages(const struct cpu *c, const wc_attention *a, wc_dtype stored)
{
    return stored == WC_BF16 && wc_cpu_pairs_fit(c, a) && c->k->pairs_go_on;
}

/* key_dim filled up by zeros to pairs, or to what tiles take at once: a second product of a few pairs would cost as much as the first. */
static size_t whole_key(const struct cpu *c, const wc_attention *a)
{
    const size_t kd = (size_t)a->key_dim;
    return c->k->pairs_go_on ? whole_pairs(c, kd) : (kd + 1) / 2 * 2;
}

/* bf16 values of a block's keys, and of its values. */
static size_t key_block(const struct cpu *c, const wc_attention *a)
{
    return whole_key(c, a) * PAIR_KEYS;
}

/* A row of values goes on with zeros to whole vectors. */
static size_t value_block(const struct cpu *c, const wc_attention *a)
{
    return whole_vectors(c, (size_t)a->value_dim) * PAIR_KEYS;
}

static size_t count_blocks(const wc_attention *a, size_t m)
{
    return (m + PAIR_KEYS - 1) / PAIR_KEYS * (size_t)a->n_kv_heads;
}

size_t wc_cpu_pairs_work(const struct cpu *c, size_t m, const wc_attention *a)
{
    return wc_cpu_pairs_fit(c, a) ? count_blocks(a, m) * (key_block(c, a) + value_block(c, a)) / 2 : 0;
}

/* Keys of `some` positions from pos on, into block [key_dim / 2, PAIR_KEYS] pairs. */
static void pair_keys(const struct attention_pairs *p, uint16_t *block, size_t head, size_t pos, size_t some,
                      uint16_t *narrowed)
{
    const size_t kd = (size_t)p->a->key_dim, heads = (size_t)p->a->n_kv_heads;
    memset(block, 0, key_block(p->c, p->a) * sizeof *block);
    for (size_t r = 0; r < some; r++) {
        wc_cpu_narrow(p->c, narrowed, f32(p->k) + ((pos + r) * heads + head) * kd, kd);
        for (size_t i = 0; i < kd; i += 2)
            memcpy(block + i * PAIR_KEYS + 2 * r, narrowed + i, 2 * sizeof *block);
    }
}

/* The values, into block [PAIR_KEYS / 2, value_dim] pairs.  The last may be alone; its partner's weight is then 0. */
static void pair_values(const struct attention_pairs *p, uint16_t *block, size_t head, size_t pos,
                        size_t some)
{
    const size_t vd = (size_t)p->a->value_dim, heads = (size_t)p->a->n_kv_heads,
                 row = whole_vectors(p->c, vd);
    for (size_t r = 0; r < some; r += 2) {
        const float *v = f32(p->v) + ((pos + r) * heads + head) * vd;
        p->c->k->interleave(block + r * row, v, r + 1 < some ? v + heads * vd : v, vd);
        memset(block + r * row + 2 * vd, 0, 2 * (row - vd) * sizeof *block);
    }
}

/* Rounds blocks first .. first + n - 1, heads within positions. */
static void pair_blocks(void *job, size_t first, size_t n)
{
    const struct attention_pairs *p = job;
    const size_t heads = (size_t)p->a->n_kv_heads;
    struct scratch *s = wc_cpu_take_scratch(p->c);
    for (size_t block = first; block < first + n; block++) {
        const size_t head = block % heads, pos = block / heads * PAIR_KEYS;
        const size_t some = wc_min_size(PAIR_KEYS, p->k.shape[0] - pos);
        pair_keys(p, p->keys + block * key_block(p->c, p->a), head, pos, some, s->row_pairs);
        pair_values(p, p->values + block * value_block(p->c, p->a), head, pos, some);
    }
    wc_cpu_put_scratch(p->c, s);
}

void wc_cpu_pairs_make(struct attention_pairs *p, struct cpu *c, const wc_attention *a, wc_tensor k,
                       wc_tensor v, wc_tensor work)
{
    const size_t blocks = count_blocks(a, k.shape[0]);
    *p = (struct attention_pairs){.c = c, .a = a, .k = k, .v = v, .keys = (uint16_t *)f32(work)};
    p->values = p->keys + blocks * key_block(c, a);
    wc_cpu_for(c, pair_blocks, p, blocks, 1);
}

/* Queries lie close together: a stride of a power of two would put them all in the same few places of the cache. */
static size_t query_stride(const struct cpu *c, const wc_attention *a)
{
    return whole_pairs(c, (size_t)a->key_dim);
}

static uint16_t *query_at(const struct cpu *c, const wc_attention *a, size_t r, const struct scratch *s)
{
    return (uint16_t *)s->packed + r * query_stride(c, a);
}

void wc_cpu_pairs_query(const struct cpu *c, const wc_attention *a, size_t r, const float *q,
                        struct scratch *s)
{
    wc_cpu_narrow(c, query_at(c, a, r, s), q, (size_t)a->key_dim);
}

static size_t block_index(const struct attention_pairs *p, size_t head, size_t pos)
{
    return pos / PAIR_KEYS * (size_t)p->a->n_kv_heads + head;
}

void wc_cpu_pairs_score(const struct attention_pairs *p, size_t head, size_t pos, size_t rows, size_t n,
                        struct scratch *s)
{
    p->c->k->mix_pairs(s->scores, PAIR_KEYS, NULL, query_at(p->c, p->a, 0, s), query_stride(p->c, p->a),
                       p->keys + block_index(p, head, pos) * key_block(p->c, p->a), 2 * PAIR_KEYS, rows,
                       whole_key(p->c, p->a) / 2, whole_vectors(p->c, n));
}

void wc_cpu_pairs_score_page(const struct cpu *c, const wc_attention *a, const uint16_t *keys, size_t first,
                             size_t rows, size_t n, bool few, struct scratch *s)
{
    const size_t kd = (size_t)a->key_dim, stride = query_stride(c, a), cols = (size_t)c->k->pair_cols;
    const uint16_t *q = query_at(c, a, first, s);
    float *scores = s->scores + first * PAIR_KEYS;
    if (few) {
        c->k->dot_pairs(scores, PAIR_KEYS, q, stride, rows, keys, kd, n, kd);
        return;
    }
    for (size_t at = 0; at < n; at += cols) {
        const size_t some = wc_min_size(cols, n - at);
        c->k->unpack_pairs(s->panel_pairs, keys + at * kd, kd, some, kd);
        c->k->tile_pairs(scores + at, PAIR_KEYS, NULL, 0, q, stride, s->panel_pairs, rows, some, kd);
    }
}

/* Row r of the tile's weights: they take the place of queries as they were given. */
static uint16_t *weights_at(const struct scratch *s, size_t r)
{
    return (uint16_t *)s->queries + r * PAIR_KEYS;
}

float wc_cpu_pairs_weigh(const struct cpu *c, const wc_attention *a, size_t r, size_t from, size_t to,
                         size_t n, float *m, float *z, struct scratch *s)
{
    uint16_t *row = weights_at(s, r);
    for (size_t i = 0; i < from; i++)
        row[i] = 0;
    for (size_t i = to; i < n + n % 2; i++)
        row[i] = 0;
    return from == to ? 1
                      : c->k->weigh_pairs(row + from, s->scores + r * PAIR_KEYS + from, to - from, a->scale,
                                          a->soft_cap, m, z);
}

void wc_cpu_pairs_mix(const struct attention_pairs *p, size_t head, size_t pos, size_t rows, size_t n,
                      const float *alpha, float *out, struct scratch *s)
{
    const size_t vd = (size_t)p->a->value_dim;
    p->c->k->mix_pairs(out, vd, alpha, weights_at(s, 0), PAIR_KEYS,
                       p->values + block_index(p, head, pos) * value_block(p->c, p->a),
                       2 * whole_vectors(p->c, vd), rows, (n + 1) / 2, vd);
}

void wc_cpu_pairs_mix_page(const struct cpu *c, const wc_attention *a, const uint16_t *values, size_t first,
                           size_t rows, size_t n, const float *alpha, float *out, struct scratch *s)
{
    const size_t vd = (size_t)a->value_dim, row = 2 * whole_vectors(c, vd);
    uint16_t *pairs = (uint16_t *)s->values;
    /* The last may be alone; its partner's weight is then 0. */
    for (size_t i = 0; i < n; i += 2, values += 2 * vd) {
        uint16_t *to = pairs + i / 2 * row;
        c->k->interleave_bf16(to, values, i + 1 < n ? values + vd : values, vd);
        for (size_t k = 2 * vd; k < row; k++)
            to[k] = 0;
    }
    c->k->mix_pairs(out + first * vd, vd, alpha + first, weights_at(s, first), PAIR_KEYS, pairs, row, rows,
                    (n + 1) / 2, vd);
}
