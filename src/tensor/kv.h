/* kv.h - where keys and values lie: pages of WC_KV_PAGE positions.
 *
 * A layer that has keys and values of its own has pages, all of one size.  A page holds, for WC_KV_PAGE consecutive positions of one sequence,
 *
 *     keys   [n_kv_heads][WC_KV_PAGE][key_dim]        then
 *     values [n_kv_heads][WC_KV_PAGE][value_dim]      in the layer's dtype (f32 or bf16)
 *
 * A sequence is a list of pages per layer: position p lies in its page p / WC_KV_PAGE, row p % WC_KV_PAGE; a page that a
 * window has left behind is NULL.  Pages may lie anywhere (64-byte aligned) and may belong to several sequences.  Who hands
 * them out, shares and drops them is decided in generate/kv_pages.c; attention only reads this layout. */
#ifndef WC_TENSOR_KV_H
#define WC_TENSOR_KV_H
#include "tensor/dtype.h"

enum { WC_KV_PAGE = 64 };

/* One layer's pages, for the sequences in this step. */
typedef struct wc_kv_layer {
    wc_dtype dtype; /* WC_F32 or WC_BF16 */
    int n_kv_heads, key_dim, value_dim;
    char *const *const *pages; /* [n_seqs][pages of the sequence] where each begins; NULL: dropped */
} wc_kv_layer;

/* Where the keys (values) of a page's head begin; row r of it lies r * key_dim (value_dim) elements further. */
static inline size_t wc_kv_key_offset(const wc_kv_layer *l, int head)
{
    size_t elem = l->dtype == WC_F32 ? 4 : 2;
    return (size_t)head * WC_KV_PAGE * (size_t)l->key_dim * elem;
}

static inline size_t wc_kv_value_offset(const wc_kv_layer *l, int head)
{
    size_t elem = l->dtype == WC_F32 ? 4 : 2;
    return ((size_t)l->n_kv_heads * (size_t)l->key_dim + (size_t)head * (size_t)l->value_dim) * WC_KV_PAGE *
           elem;
}

static inline size_t wc_kv_page_bytes(wc_dtype dtype, int n_kv_heads, int key_dim, int value_dim)
{
    size_t elem = dtype == WC_F32 ? 4 : 2;
    return ((size_t)n_kv_heads * (size_t)(key_dim + value_dim) * WC_KV_PAGE * elem + 63) / 64 * 64;
}

/* Which rows of a step belong to whom. */
typedef struct wc_row_map {
    int n;                       /* rows of this step */
    const int32_t *pos;          /* [n] position of the row in its sequence */
    const int32_t *seq;          /* [n] index of its sequence */
    const int32_t *last_visible; /* [n] last position that the row sees; NULL: its own (causal) */
    int n_seqs;
} wc_row_map;
#endif
