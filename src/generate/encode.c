/* encode.c - see encode.h. */
#include "generate/encode.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "generate/pass_rows.h"

/* Rows that go through the layers together: more push each other out of the caches between one product and the next. */
enum { BATCH_ROWS = 1152 };

/* ---- tokens ---- */

static bool ids_fit(const struct wc_model *m, const wc_ids *ids, wc_error *err)
{
    for (size_t i = 0; i < ids->size; i++)
        if (ids->data[i] < 0 || ids->data[i] >= m->net->n_vocab)
            return wc_fail(err, WC_BAD_FILE, "%s: token id %d: expected one below the vocabulary's size %d",
                           m->name, (int)ids->data[i], m->net->n_vocab);
    return true;
}

bool wc_encode_tokens(const struct wc_model *m, wc_string a, const wc_string *b, int max, wc_tokenized *out,
                      wc_error *err)
{
    if (!m->tokenizer)
        return wc_fail(err, WC_NOT_FOUND, "%s", m->tokenizer_error);
    if (max <= 0 || max > m->net->context_length)
        max = m->net->context_length;
    const char *second = b && b->n_bytes > 0 ? b->text : b ? "" : NULL;
    const wc_cut cut = wc_tokenizer_cut(m->tokenizer, (size_t)max);
    return wc_tokenizer_encode_to(m->tokenizer, a.text, a.n_bytes, second, b ? b->n_bytes : 0,
                                  WC_ENCODE_SPECIAL, &cut, out, err);
}

bool wc_encode_text(const struct wc_model *m, wc_string a, const wc_string *b, int max, wc_encoded *out,
                    wc_error *err)
{
    wc_tokenized all = {.ids = &out->ids, .types = b ? &out->types : NULL};
    if (!wc_encode_tokens(m, a, b, max, &all, err))
        return false;
    out->cut = all.n_windows > 1;
    if (out->ids.size == 0)
        return wc_fail(err, WC_REFUSED, "text: empty, and this model's tokenizer adds no token of its own");
    return ids_fit(m, &out->ids, err);
}

void wc_encoded_release(wc_encoded *texts, size_t n)
{
    for (size_t i = 0; texts && i < n; i++) {
        wc_ids_release(&texts[i].ids);
        wc_ids_release(&texts[i].types);
    }
}

/* ---- batches ---- */

/* Texts in the order of their lengths, so that those of a batch are alike: their attention is cut into tiles of one size. */
struct place {
    size_t text, length;
};

static int by_length(const void *pa, const void *pb)
{
    const struct place *a = pa, *b = pb;
    if (a->length != b->length)
        return a->length > b->length ? -1 : 1;
    return (a->text > b->text) - (a->text < b->text);
}

/* How many of the places from first on make a batch, and how many rows these are. */
static size_t batch_end(const struct place *places, size_t first, size_t n, size_t most, size_t *rows)
{
    size_t end = first;
    *rows = 0;
    while (end < n && (end == first || *rows + places[end].length <= most))
        *rows += places[end++].length;
    return end;
}

/* The rows of a batch, in the step arena. */
struct rows {
    wc_pass_rows of;
    int32_t *types, *first;
    size_t *which;
};

static bool alloc_rows(struct rows *r, wc_arena *a, size_t n, size_t n_seqs)
{
    r->types = wc_arena_alloc(a, n * sizeof *r->types);
    r->first = wc_arena_alloc(a, (n_seqs + 1) * sizeof *r->first);
    r->which = wc_arena_alloc(a, (n_seqs + 1) * sizeof *r->which);
    return wc_pass_rows_alloc(&r->of, a, n) && r->types && r->first && r->which;
}

static void fill_rows(struct rows *r, const wc_encoded *texts, const struct place *places, size_t n)
{
    int32_t row = 0;
    for (size_t s = 0; s < n; s++) {
        const wc_encoded *t = &texts[places[s].text];
        const size_t length = t->ids.size;
        r->first[s] = row;
        r->which[s] = places[s].text;
        for (size_t i = 0; i < length; i++, row++) {
            r->of.ids[row] = t->ids.data[i];
            r->types[row] = t->types.size > i ? t->types.data[i] : 0;
            r->of.pos[row] = (int32_t)i;
            r->of.seq[row] = (int32_t)s;
            r->of.last_visible[row] = t->n_visible > 0 ? t->n_visible - 1 : (int32_t)length - 1;
        }
    }
    r->first[n] = row;
}

/* One pass over n texts of so many rows; without places, and in a dry arena, it is rehearsed. */
static bool pass(const wc_encode_run *run, wc_arena *arena, const struct place *places, size_t n,
                 size_t n_rows, wc_ctx *c, wc_error *err)
{
    const struct wc_model *m = run->model;
    struct rows r;
    wc_arena_clear(arena);
    if (!alloc_rows(&r, arena, n_rows, n))
        return wc_fail_memory(err, n_rows * sizeof *r.of.ids);
    if (places)
        fill_rows(&r, run->texts, places, n);
    *c = (wc_ctx){.backend = m->backend,
                  .whole = true,
                  .step = arena,
                  .observe = run->observe,
                  .observe_user = run->observe_user};
    const wc_batch batch = {.rows = {.n = (int)n_rows,
                                     .pos = r.of.pos,
                                     .seq = r.of.seq,
                                     .last_visible = r.of.last_visible,
                                     .n_seqs = (int)n},
                            .ids = r.of.ids,
                            .types = r.types,
                            .first = r.first};
    wc_tensor hidden = m->net->family->encode(c, m->net, &batch);
    run->fn(run->user, c, &batch, places ? r.which : NULL, hidden);
    return c->failed ? wc_fail(err, WC_NO_MEMORY, "a batch of %zu tokens does not fit into memory", n_rows)
                     : true;
}

/* Bytes that a pass of at most so many rows and texts takes. */
static bool rehearse(const wc_encode_run *run, size_t n_rows, size_t n_seqs, wc_cost *cost, wc_error *err)
{
    wc_arena *dry = wc_arena_new_dry();
    wc_encode_run alone = *run;
    wc_ctx c;
    if (!dry)
        return wc_fail_memory(err, 100);
    alone.observe = NULL;
    bool ok = pass(&alone, dry, NULL, n_seqs, n_rows, &c, err);
    if (ok)
        *cost = (wc_cost){wc_arena_peak(dry), c.flops, c.weight_bytes};
    wc_arena_free(dry);
    return ok;
}

/* Room for the largest batch. */
static wc_arena *open_arena(const wc_encode_run *run, const struct place *places, size_t most, wc_error *err)
{
    size_t n_rows = 0, n_seqs = 0, rows;
    wc_cost cost = {0};
    for (size_t first = 0, end; first < run->n; first = end) {
        end = batch_end(places, first, run->n, most, &rows);
        n_rows = rows > n_rows ? rows : n_rows;
        n_seqs = end - first > n_seqs ? end - first : n_seqs;
    }
    if (!rehearse(run, n_rows, n_seqs, &cost, err))
        return NULL;
    /* what is computed only to be shown was not rehearsed */
    wc_arena *a = wc_arenas_take(run->model->arenas, run->observe ? 0 : cost.arena_bytes);
    if (!a)
        wc_fail_memory(err, cost.arena_bytes);
    return a;
}

bool wc_encode_all(const wc_encode_run *run, wc_error *err)
{
    const size_t most = run->batch_rows > 0 ? (size_t)run->batch_rows : BATCH_ROWS;
    struct place *places = wc_mem_zalloc(run->n + 1, sizeof *places);
    bool ok = places != NULL;
    if (!ok)
        return wc_fail_memory(err, run->n * sizeof *places);
    for (size_t i = 0; i < run->n; i++)
        places[i] = (struct place){i, run->texts[i].ids.size};
    qsort(places, run->n, sizeof *places, by_length);
    wc_arena *arena = run->n > 0 ? open_arena(run, places, most, err) : NULL;
    ok = run->n == 0 || arena;
    for (size_t first = 0, end, rows; ok && first < run->n; first = end) {
        wc_ctx c;
        end = batch_end(places, first, run->n, most, &rows);
        ok = pass(run, arena, places + first, end - first, rows, &c, err);
    }
    wc_arenas_put(run->model->arenas, arena);
    wc_mem_free(places);
    return ok;
}

static void run_head(void *user, wc_ctx *c, const wc_batch *batch, const size_t *which, wc_tensor hidden)
{
    const struct wc_model *m = user;
    if (m->net->task != WC_TASK_NONE)
        m->net->family->head(c, m->net, wc_tensor_slice(hidden, 0, 1));
}

bool wc_encode_cost(const struct wc_model *m, int rows, wc_cost *cost, wc_error *err)
{
    const wc_encode_run run = {.model = (struct wc_model *)m, .fn = run_head, .user = (void *)m};
    return rehearse(&run, (size_t)rows, 1, cost, err);
}
