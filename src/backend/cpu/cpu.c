/* cpu.c - opens the CPU: its threads, its level of kernels, its scratch memory; and measures its ceilings. */
#include "backend/cpu/cpu.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/mem.h"
#include "base/os.h"
#include "base/size.h"
#include "kernels/cpu.h"

/* ---- scratch ---- */

static struct scratch *scratch_new(void)
{
    const size_t sizes[] = {(size_t)BLOCK_COLS * PART_SPAN,    (size_t)PATCH_ROWS * PATCH_SPAN,
                            (size_t)BLOCK_ROWS * BLOCK_COLS,   (size_t)QUERY_ROWS * MAX_HEAD_DIM,
                            (size_t)QUERY_ROWS * MAX_HEAD_DIM, (size_t)WC_KV_PAGE * MAX_HEAD_DIM,
                            (size_t)QUERY_ROWS * MAX_HEAD_DIM, (size_t)QUERY_ROWS * MAX_HEAD_DIM,
                            (size_t)QUERY_ROWS * PAIR_KEYS};
    size_t total = 0;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        total += sizes[i];
    struct scratch *s = wc_mem_zalloc(1, sizeof *s);
    float *p = wc_mem_alloc_aligned(total * sizeof *p); /* pages are touched as they are used */
    if (!s || !p) {
        wc_mem_free(s);
        wc_mem_free_aligned(p);
        return NULL;
    }
    s->memory = p;
    float **parts[] = {&s->panels, &s->rows, &s->sums,  &s->queries, &s->packed,
                       &s->values, &s->out,  &s->total, &s->scores};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        *parts[i] = p;
        p += sizes[i];
    }
    s->panel_pairs = (uint16_t *)s->panels;
    s->row_pairs = (uint16_t *)s->rows;
    return s;
}

static void scratch_free(struct scratch *s)
{
    wc_mem_free_aligned(s->memory);
    wc_mem_free(s);
}

struct scratch *wc_cpu_take_scratch(struct cpu *c)
{
    for (;;) {
        pthread_mutex_lock(&c->lock);
        struct scratch *s = c->free;
        if (s)
            c->free = s->next;
        pthread_mutex_unlock(&c->lock);
        if (!s)
            s = scratch_new();
        if (s)
            return s;
        sched_yield(); /* no memory for another: wait for one that is in use */
    }
}

void wc_cpu_put_scratch(struct cpu *c, struct scratch *s)
{
    pthread_mutex_lock(&c->lock);
    s->next = c->free;
    c->free = s;
    pthread_mutex_unlock(&c->lock);
}

/* ---- ranges ---- */

struct range_job {
    wc_range_fn fn;
    void *job;
    size_t n, step;
};

static void run_range(void *job, int thread, size_t chunk)
{
    struct range_job *r = job;
    size_t first = chunk * r->step;
    r->fn(r->job, first, wc_min_size(r->step, r->n - first));
}

/* Up to CHUNKS a thread, of no fewer than `least` where there are enough, and as many for one thread as for another: a last
 * chunk that one works on while the others wait costs more than the dearest of even ones. */
void wc_cpu_for(struct cpu *c, wc_range_fn fn, void *job, size_t n, size_t least)
{
    enum { CHUNKS = 8 };
    if (n == 0)
        return;
    const size_t threads = (size_t)wc_pool_threads(c->base.pool);
    size_t chunks = wc_min_size(n / wc_max_size(least, 1), CHUNKS * threads);
    if (chunks > threads)
        chunks = chunks / threads * threads;
    const size_t step = (n + wc_max_size(chunks, 1) - 1) / wc_max_size(chunks, 1);
    const size_t whole = step < 64 ? 4 : 16; /* what kernels take at once */
    struct range_job r = {fn, job, n, (step + whole - 1) / whole * whole};
    wc_pool_run(c->base.pool, run_range, &r, (n + r.step - 1) / r.step);
}

/* ---- life ---- */

void wc_backend_close(wc_backend *b)
{
    if (!b)
        return;
    struct cpu *c = cpu_of(b);
    while (c->free) {
        struct scratch *next = c->free->next;
        scratch_free(c->free);
        c->free = next;
    }
    wc_pool_close(b->pool);
    pthread_mutex_destroy(&c->lock);
    wc_mem_free(c);
}

/* WHINCHAT_CPU names no level: the error lists all that there are. */
static void fail_choice(wc_error *err)
{
    char names[128] = "";
    for (int i = 0; i < WC_N_LEVELS; i++) {
        const size_t n = strlen(names);
        snprintf(names + n, sizeof names - n, "%s%s", i ? ", " : "", wc_cpu_name((enum wc_level)i));
    }
    wc_fail(err, WC_BAD_ARGUMENT, "WHINCHAT_CPU: expected one of %s, found '%s'", names,
            getenv("WHINCHAT_CPU"));
}

wc_backend *wc_backend_cpu_open(int n_threads, bool exact, wc_error *err)
{
    if (wc_cpu_bad_choice()) {
        fail_choice(err);
        return NULL;
    }
    struct cpu *c = wc_mem_zalloc(1, sizeof *c);
    if (!c) {
        wc_fail_memory(err, sizeof *c);
        return NULL;
    }
    pthread_mutex_init(&c->lock, NULL);
    c->k = wc_cpu_kernels(wc_cpu_chosen());
    c->base = (wc_backend){.name = "cpu", .level = c->k->level, .exact = exact};
    c->base.pool = wc_pool_open(n_threads > 0 ? n_threads : wc_default_threads(NULL), err);
    if (!c->base.pool) {
        wc_backend_close(&c->base);
        return NULL;
    }
    for (int i = 0; i < wc_pool_threads(c->base.pool); i++) {
        struct scratch *s = scratch_new();
        if (!s) {
            wc_fail_memory(err, sizeof *s);
            wc_backend_close(&c->base);
            return NULL;
        }
        wc_cpu_put_scratch(c, s);
    }
    wc_cpu_fill_products(&c->base);
    wc_cpu_fill_attention(&c->base);
    wc_cpu_fill_experts(&c->base);
    wc_cpu_fill_local(&c->base);
    wc_cpu_fill_probs(&c->base);
    wc_cpu_fill_rows(&c->base);
    wc_cpu_fill_elementwise(&c->base);
    wc_cpu_fill_maps(&c->base);
    wc_cpu_fill_grads(&c->base);
    wc_cpu_fill_attention_grad(&c->base);
    return &c->base;
}

/* ---- ceilings ---- */

enum { CEILING_ROUNDS = 5, BURN_STEPS = 20 * 1000 * 1000, READ_BYTES = 256 * 1024 * 1024 };

struct ceiling_job {
    const wc_kernels *k;
    const char *bytes; /* NULL: burn */
    float (*burn)(size_t n);
    size_t share;
    float sink[512];
};

static void run_ceiling(void *job, int thread, size_t chunk)
{
    struct ceiling_job *j = job;
    j->sink[chunk] = j->bytes ? (float)j->k->read(j->bytes + chunk * j->share, j->share)
                              : j->burn(BURN_STEPS);
}

static double best_seconds(struct cpu *c, struct ceiling_job *j, size_t n_chunks)
{
    double best = 0;
    for (int i = 0; i < CEILING_ROUNDS; i++) {
        double start = wc_seconds();
        wc_pool_run(c->base.pool, run_ceiling, j, n_chunks);
        double taken = wc_seconds() - start;
        if (i == 0 || taken < best)
            best = taken;
    }
    return best;
}

void wc_backend_ceilings(wc_backend *b, wc_dtype weights, wc_ceilings *out)
{
    struct cpu *c = cpu_of(b);
    size_t n = (size_t)wc_pool_threads(b->pool);
    const bool pairs = wc_cpu_takes_pairs(c, weights), bytes_too = wc_cpu_takes_bytes(c, weights);
    struct ceiling_job j = {.k = c->k,
                            .burn = bytes_too ? c->k->burn_bytes
                                    : pairs   ? c->k->burn_pairs
                                              : c->k->burn};
    const double step_flops = (bytes_too ? 8.0 : pairs ? 4.0 : 2.0) * c->k->lanes;
    *out = (wc_ceilings){0};
    out->flops_per_second = step_flops * BURN_STEPS * (double)n / best_seconds(c, &j, n);
    out->read_bytes_per_second = wc_backend_read_ceiling(b);
}

double wc_backend_read_ceiling(wc_backend *b)
{
    struct cpu *c = cpu_of(b);
    const size_t n = 4 * (size_t)wc_pool_threads(b->pool);
    wc_arena *large = wc_arena_new_fixed(READ_BYTES); /* on large pages, which are read half as fast again */
    char *bytes = large ? wc_arena_alloc(large, READ_BYTES) : NULL;
    if (!bytes)
        return 0;
    memset(bytes, 1, READ_BYTES);
    struct ceiling_job j = {.k = c->k, .bytes = bytes, .share = READ_BYTES / n / 64 * 64};
    const double rate = (double)(j.share * n) / best_seconds(c, &j, n);
    wc_arena_free(large);
    return rate;
}
