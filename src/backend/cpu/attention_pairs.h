/* attention_pairs.h - attention by pairs of bf16, for CPUs that multiply them: of an encoder's keys and values, which are rounded
 * once for all heads and rows, and of pages that hold bf16. */
#ifndef WC_BACKEND_CPU_ATTENTION_PAIRS_H
#define WC_BACKEND_CPU_ATTENTION_PAIRS_H
#include "backend/cpu/cpu.h"

/* An encoder's M keys and values of all heads in blocks of PAIR_KEYS positions; block b of head h is the (b * n_kv_heads + h)th. */
struct attention_pairs {
    struct cpu *c;
    const wc_attention *a;
    wc_tensor k, v; /* what they were made of: [M, n_kv_heads * key_dim], [M, n_kv_heads * value_dim] f32 */
    uint16_t *keys,
        *values; /* [blocks, key_dim / 2, PAIR_KEYS] pairs, [blocks, PAIR_KEYS / 2, value_dim to whole vectors] pairs */
};

/* This CPU has the kernels, and they take heads of these widths. */
bool wc_cpu_pairs_fit(const struct cpu *c, const wc_attention *a);
/* The same of pages that hold keys and values of a type, where it is worth it. */
bool wc_cpu_pairs_fit_pages(const struct cpu *c, const wc_attention *a, wc_dtype stored);
/* Elements of f32 that the pairs of m keys and values take; 0 where they do not fit. */
size_t wc_cpu_pairs_work(const struct cpu *c, size_t m, const wc_attention *a);
/* Rounds k and v into work, which p borrows, as it does a. */
void wc_cpu_pairs_make(struct attention_pairs *p, struct cpu *c, const wc_attention *a, wc_tensor k,
                       wc_tensor v, wc_tensor work);

/* Rounds row r of a tile's queries, q [key_dim], to where the scores below read it. */
void wc_cpu_pairs_query(const struct cpu *c, const wc_attention *a, size_t r, const float *q,
                        struct scratch *s);

/* s->scores [rows, PAIR_KEYS]: the tile's rows 0 .. rows - 1 against the first n keys of the head's block at position pos. */
void wc_cpu_pairs_score(const struct attention_pairs *p, size_t head, size_t pos, size_t rows, size_t n,
                        struct scratch *s);
/* The same of rows first .. first + rows - 1 against n keys [n, key_dim] of a page; few: their products are as dot's. */
void wc_cpu_pairs_score_page(const struct cpu *c, const wc_attention *a, const uint16_t *keys, size_t first,
                             size_t rows, size_t n, bool few, struct scratch *s);

/* Makes weights of row r's scores against keys from .. to - 1, as the kernel weigh does, and zeros of the others below n; returns
 * its alpha, 1 for no keys. */
float wc_cpu_pairs_weigh(const struct cpu *c, const wc_attention *a, size_t r, size_t from, size_t to,
                         size_t n, float *m, float *z, struct scratch *s);

/* out [rows, value_dim] = alpha [rows] times itself, plus the block's first n values under these weights. */
void wc_cpu_pairs_mix(const struct attention_pairs *p, size_t head, size_t pos, size_t rows, size_t n,
                      const float *alpha, float *out, struct scratch *s);
/* The same of rows first .. first + rows - 1 of alpha and out, and of n values [n, value_dim] of a page. */
void wc_cpu_pairs_mix_page(const struct cpu *c, const wc_attention *a, const uint16_t *values, size_t first,
                           size_t rows, size_t n, const float *alpha, float *out, struct scratch *s);
#endif
