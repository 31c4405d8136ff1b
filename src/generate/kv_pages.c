/* kv_pages.c - page lists and the free list behind them. */
#include "generate/kv_pages.h"

#include <assert.h>
#include <pthread.h>
#include <string.h>

#include "base/arena.h"
#include "base/mem.h"
#include "base/size.h"

enum { SLACK_PAGES = 4 }; /* kept behind a window */

/* A free page's first bytes link it to the next. */
struct free_page {
    struct free_page *next;
};

struct wc_kv_store {
    const wc_kv_shape *kv;
    int n_layers;
    wc_dtype dtype;
    pthread_mutex_t lock;
    struct free_page **free; /* [n_layers] */
    wc_arena *pages;         /* what they are made of: on large pages of the system's, once there are many */
};

static size_t page_bytes(const wc_kv_store *s, int layer)
{
    return wc_kv_page_bytes(s->dtype, s->kv[layer].n_kv_heads, s->kv[layer].key_dim, s->kv[layer].value_dim);
}

wc_kv_store *wc_kv_store_new(const wc_kv_shape *kv, int n_kv, wc_dtype dtype, wc_error *err)
{
    wc_kv_store *s = wc_mem_zalloc(1, sizeof *s);
    struct free_page **heads = wc_mem_zalloc((size_t)n_kv, sizeof *heads);
    wc_arena *pages = wc_arena_new(0);
    if (!s || !heads || !pages) {
        wc_mem_free(s);
        wc_mem_free(heads);
        wc_arena_free(pages);
        wc_fail_memory(err, sizeof *s);
        return NULL;
    }
    *s = (wc_kv_store){.kv = kv, .n_layers = n_kv, .dtype = dtype, .free = heads, .pages = pages};
    pthread_mutex_init(&s->lock, NULL);
    return s;
}

void wc_kv_store_free(wc_kv_store *s)
{
    if (!s)
        return;
    wc_arena_free(s->pages);
    pthread_mutex_destroy(&s->lock);
    wc_mem_free(s->free);
    wc_mem_free(s);
}

static char *take_page(wc_kv_store *s, int layer)
{
    pthread_mutex_lock(&s->lock);
    struct free_page *page = s->free[layer];
    if (page)
        s->free[layer] = page->next;
    else
        page = wc_arena_alloc(s->pages, page_bytes(s, layer));
    pthread_mutex_unlock(&s->lock);
    return (char *)page;
}

static void give_page(wc_kv_store *s, int layer, char *data)
{
    struct free_page *page = (struct free_page *)data;
    pthread_mutex_lock(&s->lock);
    page->next = s->free[layer];
    s->free[layer] = page;
    pthread_mutex_unlock(&s->lock);
}

bool wc_kv_seq_init(wc_kv_seq *q, wc_kv_store *s, int max_positions, wc_error *err)
{
    *q = (wc_kv_seq){
        .store = s, .n_layers = s->n_layers, .room = (max_positions + WC_KV_PAGE - 1) / WC_KV_PAGE};
    q->pages = wc_mem_zalloc((size_t)s->n_layers, sizeof *q->pages);
    q->first = wc_mem_zalloc((size_t)s->n_layers, sizeof *q->first);
    bool ok = q->pages && q->first;
    for (int l = 0; ok && l < s->n_layers; l++) {
        q->pages[l] = wc_mem_zalloc((size_t)q->room, sizeof **q->pages);
        ok = q->pages[l] != NULL;
    }
    if (!ok) {
        wc_kv_seq_release(q);
        return wc_fail_memory(err, (size_t)q->room * sizeof(char *));
    }
    return true;
}

void wc_kv_seq_release(wc_kv_seq *q)
{
    for (int l = 0; q->pages && l < q->n_layers; l++) {
        for (int i = 0; q->pages[l] && i < q->n_pages; i++)
            if (q->pages[l][i])
                give_page(q->store, l, q->pages[l][i]);
        wc_mem_free(q->pages[l]);
    }
    wc_mem_free(q->pages);
    wc_mem_free(q->first);
    *q = (wc_kv_seq){0};
}

/* Gives back pages from page `from` on. */
static void cut(wc_kv_seq *q, int from)
{
    for (int l = 0; l < q->n_layers; l++)
        for (int i = from; i < q->n_pages; i++)
            if (q->pages[l][i]) {
                give_page(q->store, l, q->pages[l][i]);
                q->pages[l][i] = NULL;
            }
    if (from < q->n_pages)
        q->n_pages = from;
}

bool wc_kv_seq_reserve(wc_kv_seq *q, int n, wc_error *err)
{
    int need = (n + WC_KV_PAGE - 1) / WC_KV_PAGE, had = q->n_pages;
    assert(need <= q->room);
    for (int i = had; i < need; i++) {
        q->n_pages = i + 1;
        for (int l = 0; l < q->n_layers; l++) {
            q->pages[l][i] = take_page(q->store, l);
            if (!q->pages[l][i]) {
                cut(q, had);
                return wc_fail(err, WC_NO_MEMORY,
                               "out of memory: no page of %zu bytes for keys and values at position %d",
                               page_bytes(q->store, l), i * WC_KV_PAGE);
            }
        }
    }
    return true;
}

int wc_kv_seq_truncate(wc_kv_seq *q, int n)
{
    for (int l = 0; l < q->n_layers; l++) {
        int window = q->store->kv[l].window;
        int oldest = window && n > window ? n - window : 0;
        if (n > 0 && oldest / WC_KV_PAGE < q->first[l])
            n = 0;
    }
    cut(q, (n + WC_KV_PAGE - 1) / WC_KV_PAGE);
    if (n == 0)
        memset(q->first, 0, (size_t)q->n_layers * sizeof *q->first);
    return n;
}

void wc_kv_seq_drop_behind(wc_kv_seq *q, int n)
{
    for (int l = 0; l < q->n_layers; l++) {
        int window = q->store->kv[l].window;
        if (!window || n <= window)
            continue;
        int keep = (n - window) / WC_KV_PAGE - SLACK_PAGES;
        for (; q->first[l] < keep; q->first[l]++) {
            give_page(q->store, l, q->pages[l][q->first[l]]);
            q->pages[l][q->first[l]] = NULL;
        }
    }
}

uint64_t wc_kv_bytes(const wc_kv_shape *kv, int n_kv, wc_dtype dtype, int n)
{
    uint64_t bytes = 0;
    for (int l = 0; l < n_kv; l++) {
        int positions = kv[l].window && n > kv[l].window ? kv[l].window + (SLACK_PAGES + 1) * WC_KV_PAGE : n;
        int pages = (positions + WC_KV_PAGE - 1) / WC_KV_PAGE;
        bytes += (uint64_t)pages * wc_kv_page_bytes(dtype, kv[l].n_kv_heads, kv[l].key_dim, kv[l].value_dim);
    }
    return bytes;
}
