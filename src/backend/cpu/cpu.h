/* cpu.h - the CPU backend's own parts: its state, its threads' scratch memory, and the pieces of its op table. */
#ifndef WC_BACKEND_CPU_CPU_H
#define WC_BACKEND_CPU_CPU_H
#include <pthread.h>
#include <string.h>

#include "backend/backend.h"
#include "kernels/kernels.h"

enum {
    BLOCK_COLS = 192, /* columns of y that a chunk of a product with many rows computes */
    BLOCK_ROWS = 576, /* and rows */
    LINE_PAIRS = 32,  /* values of bf16 that a line of a cache holds */
    PATCH_SPAN = WC_SPAN + LINE_PAIRS / 2, /* floats from one of scratch's rows to the next */
    PATCH_ROWS = 96,                       /* pixels whose patches a convolution gathers at once */
    PASS_ROWS = 96,   /* rows of x that pass by a panel together, which stays in the first cache */
    EVEN_ROWS = 48,   /* of which a block has a multiple: of 16 and of 6 */
    QUERY_ROWS = 192, /* query rows that attention takes at once */
    PAIR_KEYS = 128,  /* keys that it takes at once as pairs of bf16, a multiple of WC_KV_PAGE */
    MAX_HEAD_DIM = 4096,
    PANEL_PAIRS = BLOCK_COLS * 2 * WC_SPAN, /* bf16 values that scratch's panels hold */
    PART_SPAN = WC_SPAN / 2 * WC_PARTS,     /* words of WC_SPAN values in parts */
};

/* What one chunk of work may use as it likes. */
struct scratch {
    struct scratch *next;
    float *panels; /* [BLOCK_COLS, WC_SPAN] panels of weights, or [BLOCK_COLS, PART_SPAN] of their parts */
    float *rows;   /* [PATCH_ROWS, PATCH_SPAN]: patches of a convolution */
    uint16_t *panel_pairs, *row_pairs; /* the same memory, as bf16 */
    float *sums;                       /* [BLOCK_ROWS, BLOCK_COLS] of y */
    float *queries;                    /* [QUERY_ROWS, MAX_HEAD_DIM] */
    float *packed;                     /* as many: queries, or patches, as tile reads them */
    float *values;                     /* [WC_KV_PAGE, MAX_HEAD_DIM] widened */
    float *out, *total; /* [QUERY_ROWS, MAX_HEAD_DIM] of one segment of keys, and of all so far */
    float *scores;      /* [QUERY_ROWS, PAIR_KEYS] */
    void *memory;
};

struct cpu {
    wc_backend base;
    const wc_kernels *k;
    pthread_mutex_t lock; /* guards free */
    struct scratch *free;
};

/* A scratch of one's own for the time of a chunk: with several sessions there may be more chunks at once than threads. */
struct scratch *wc_cpu_take_scratch(struct cpu *c);
void wc_cpu_put_scratch(struct cpu *c, struct scratch *s);

/* Runs fn over n items in chunks of at least `least`; fn gets the first item and how many. */
typedef void (*wc_range_fn)(void *job, size_t first, size_t n);
void wc_cpu_for(struct cpu *c, wc_range_fn fn, void *job, size_t n, size_t least);

static inline struct cpu *cpu_of(wc_backend *b)
{
    return (struct cpu *)b;
}

static inline float *f32(wc_tensor t)
{
    return t.data;
}

static inline size_t width_of(const wc_tensor *t)
{
    return t->shape[t->ndim - 1];
}

/* n rounded up to whole groups of packed rows. */
static inline size_t packed_rows(const struct cpu *c, size_t n)
{
    const size_t rows = (size_t)c->k->tile_rows;
    return (n + rows - 1) / rows * rows;
}

/* Floats that a group of packed rows of k values takes. */
static inline size_t packed_group(const struct cpu *c, size_t k)
{
    return (k + 3) / 4 * 4 * (size_t)c->k->tile_rows;
}

/* n rounded up to whole vectors: a panel has zeros there. */
static inline size_t whole_vectors(const struct cpu *c, size_t n)
{
    const size_t lanes = (size_t)c->k->lanes;
    return (n + lanes - 1) / lanes * lanes;
}

/* The same for bf16 values, two to a lane. */
static inline size_t whole_pairs(const struct cpu *c, size_t n)
{
    const size_t values = 2 * (size_t)c->k->lanes;
    return (n + values - 1) / values * values;
}

/* Columns of a panel of floats, or of bf16 pairs. */
static inline size_t wc_cpu_panel_cols(const struct cpu *c, bool pairs)
{
    return (size_t)(pairs ? c->k->pair_cols : c->k->panel_cols);
}

/* Products with weights of this type multiply bf16 by bf16 here. */
static inline bool wc_cpu_takes_pairs(const struct cpu *c, wc_dtype weights)
{
    return !c->base.exact && weights == WC_BF16 && c->k->tile_pairs;
}

/* They multiply x of whole inputs in three parts of bf16 by such parts of theirs.  For one row that costs up to a third more than
 * floats do, so what goes on token by token does not. */
static inline bool wc_cpu_takes_parts(const struct cpu *c, wc_dtype weights, bool whole)
{
    return whole && c->k->split && !wc_dtype_is_quantized(weights) && !wc_cpu_takes_pairs(c, weights);
}

/* They multiply bytes here. */
static inline bool wc_cpu_takes_bytes(const struct cpu *c, wc_dtype weights)
{
    return !c->base.exact && wc_dtype_is_quantized(weights);
}

/* to <- x [n] rounded to bf16, zeros behind it up to a whole vector. */
static inline void wc_cpu_narrow(const struct cpu *c, uint16_t *to, const float *x, size_t n)
{
    c->k->narrow_bf16(to, x, n);
    memset(to + n, 0, (whole_pairs(c, n) - n) * sizeof *to);
}

static inline size_t stored_bytes(wc_dtype t)
{
    return wc_dtype_get(t)->block_bytes;
}

void wc_cpu_fill_products(wc_backend *b);    /* matmul.c: matmul, embed */
void wc_cpu_fill_attention(wc_backend *b);   /* attention.c: kv_write, attention, attention_dense */
void wc_cpu_fill_experts(wc_backend *b);     /* experts.c: route_two, add_rows */
void wc_cpu_fill_local(wc_backend *b);       /* local.c: local_attention, local_scores */
void wc_cpu_fill_probs(wc_backend *b);       /* probs.c: attention_probs */
void wc_cpu_fill_rows(wc_backend *b);        /* rows.c: norms, softmax, rope and whatever goes row by row */
void wc_cpu_fill_elementwise(wc_backend *b); /* elementwise.c */
void wc_cpu_fill_maps(wc_backend *b);        /* maps.c: convolutions, pools, resizes */
void wc_cpu_fill_grads(wc_backend *b);       /* grads.c: derivatives, loss and optimizer */
void wc_cpu_fill_attention_grad(wc_backend *b); /* attention_grad.c */
#endif
