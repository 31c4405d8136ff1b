/* kv_pages.h - which pages of keys and values a sequence has.
 *
 * Each layer with keys of its own keeps a list of pages (tensor/kv.h).  Pages come from a store shared by the sessions of a
 * model, which hands used ones out again.  A windowed layer drops the pages that its window has left for good; some slack
 * behind the window stays, so that an answer can be taken back. */
#ifndef WC_GENERATE_KV_PAGES_H
#define WC_GENERATE_KV_PAGES_H
#include "base/error.h"
#include "models/model.h"

typedef struct wc_kv_store wc_kv_store;

/* Pages for the n_kv layers of shapes kv, in dtype.  Free after the last sequence.  NULL without memory. */
wc_kv_store *wc_kv_store_new(const wc_kv_shape *kv, int n_kv, wc_dtype dtype, wc_error *err);
void wc_kv_store_free(wc_kv_store *s);

/* One sequence's pages; {0} is a valid empty one. */
typedef struct wc_kv_seq {
    wc_kv_store *store;
    int n_layers;
    int n_pages;   /* pages that cover the positions so far, dropped ones included */
    int room;      /* entries in each list */
    char ***pages; /* [n_layers][room] */
    int *first;    /* [n_layers] the first page that is still there */
} wc_kv_seq;

bool wc_kv_seq_init(wc_kv_seq *q, wc_kv_store *s, int max_positions, wc_error *err);
void wc_kv_seq_release(wc_kv_seq *q);
/* Pages for positions 0 .. n - 1. */
bool wc_kv_seq_reserve(wc_kv_seq *q, int n, wc_error *err);
/* Forgets positions from n on.  Returns n, or 0 when a window's pages before n are gone and all must be computed anew. */
int wc_kv_seq_truncate(wc_kv_seq *q, int n);
/* The positions 0 .. n - 1 are computed: pages that no later row can see are given back. */
void wc_kv_seq_drop_behind(wc_kv_seq *q, int n);

/* Bytes that one sequence of n positions keeps. */
uint64_t wc_kv_bytes(const wc_kv_shape *kv, int n_kv, wc_dtype dtype, int n);
#endif
