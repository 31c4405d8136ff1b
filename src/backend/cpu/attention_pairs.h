/* attention_pairs.h - dense attention's keys and values as bf16, two and two, for CPUs that multiply pairs of them. */
#ifndef WC_BACKEND_CPU_ATTENTION_PAIRS_H
#define WC_BACKEND_CPU_ATTENTION_PAIRS_H
#include "backend/cpu/cpu.h"

/* M keys and values of all heads in blocks of PAIR_KEYS positions; block b of head h is the (b * n_kv_heads + h)th. */
struct attention_pairs {
    struct cpu *c;
    const wc_attention *a;
    wc_tensor k, v; /* what they were made of: [M, n_kv_heads * key_dim], [M, n_kv_heads * value_dim] f32 */
    uint16_t *keys,
        *values; /* [blocks, key_dim / 2, PAIR_KEYS] pairs, [blocks, PAIR_KEYS / 2, value_dim to whole vectors] pairs */
};

/* This CPU has the kernels, and they take heads of these widths. */
bool wc_cpu_pairs_fit(const struct cpu *c, const wc_attention *a);
/* Elements of f32 that the pairs of m keys and values take; 0 where they do not fit. */
size_t wc_cpu_pairs_work(const struct cpu *c, size_t m, const wc_attention *a);
/* Rounds k and v into work, which p borrows, as it does a. */
void wc_cpu_pairs_make(struct attention_pairs *p, struct cpu *c, const wc_attention *a, wc_tensor k,
                       wc_tensor v, wc_tensor work);

/* Rounds row r of the tile's queries, q [key_dim], to where wc_cpu_pairs_score reads it. */
void wc_cpu_pairs_query(const struct attention_pairs *p, size_t r, const float *q, struct scratch *s);
/* s->scores [rows, PAIR_KEYS]: all rows against the first n keys of the head's block at position pos. */
void wc_cpu_pairs_score(const struct attention_pairs *p, size_t head, size_t pos, size_t rows, size_t n,
                        struct scratch *s);
/* Makes weights of row r's scores against the block's first n keys, as the kernel weigh does; returns its alpha. */
float wc_cpu_pairs_weigh(const struct attention_pairs *p, size_t r, size_t n, float *m, float *z,
                         struct scratch *s);
/* out [rows, value_dim] = alpha [rows] times itself, plus the block's first n values under these weights. */
void wc_cpu_pairs_mix(const struct attention_pairs *p, size_t head, size_t pos, size_t rows, size_t n,
                      const float *alpha, float *out, struct scratch *s);
#endif
