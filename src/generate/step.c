/* step.c - one forward pass over rows of several sessions. */
#include <assert.h>
#include <string.h>

#include "generate/pass_rows.h"
#include "generate/session.h"

/* Carries an observer of views to an observer of tensors. */
static void observe_view(void *user, const char *name, const wc_tensor *t)
{
    const struct wc_session *s = user;
    wc_view v = {.data = t->data, .dtype = (int)t->dtype, .ndim = t->ndim};
    memcpy(v.shape, t->shape, sizeof v.shape);
    memcpy(v.stride, t->stride, sizeof v.stride);
    s->observe(s->observe_user, name, &v);
}

/* The rows of a step, in the step arena. */
struct rows {
    int n, n_soft, n_out, n_seqs;
    wc_pass_rows of;
    int32_t *lengths, *soft_rows, *out_rows;
    float *soft;
};

static bool alloc_rows(struct rows *r, wc_arena *a, size_t n, size_t width)
{
    r->lengths = wc_arena_alloc(a, n * sizeof *r->lengths);
    r->soft_rows = wc_arena_alloc(a, n * sizeof *r->soft_rows);
    r->out_rows = wc_arena_alloc(a, n * sizeof *r->out_rows);
    r->soft = wc_arena_alloc(a, n * width * sizeof *r->soft);
    return wc_pass_rows_alloc(&r->of, a, n) && r->lengths && r->soft_rows && r->out_rows && r->soft;
}

/* The picture's row at that position, or NULL. */
static const float *soft_row(const struct wc_session *s, int pos, size_t width)
{
    for (int i = 0; i < s->n_spans; i++)
        if (pos >= s->spans[i].start && pos < s->spans[i].start + s->spans[i].n)
            return s->spans[i].hold.rows + (size_t)(pos - s->spans[i].start) * width;
    return NULL;
}

static void add_session(struct rows *r, const struct wc_session *s, int n, size_t width)
{
    for (int i = 0; i < n; i++) {
        int pos = s->n_computed + i;
        const float *soft = soft_row(s, pos, width);
        /* transformers too looks the padding up where a picture's id is none of the vocabulary */
        r->of.ids[r->n] = soft && s->tokens[pos] >= s->model->net->n_vocab ? 0 : s->tokens[pos];
        r->of.pos[r->n] = pos;
        r->of.seq[r->n] = r->n_seqs;
        r->of.last_visible[r->n] = wc_session_last_visible(s, pos);
        r->lengths[r->n] = s->n_tokens;
        if (soft) {
            memcpy(r->soft + (size_t)r->n_soft * width, soft, width * sizeof *soft);
            r->soft_rows[r->n_soft++] = r->n;
        }
        r->n++;
    }
    if (s->n_computed + n == s->n_tokens)
        r->out_rows[r->n_out++] = r->n - 1;
    r->n_seqs++;
}

/* The page lists of the sessions in this step, as attention reads them: [n_layers] of [n_seqs]. */
static wc_kv_layer *page_tables(wc_arena *a, struct wc_session *const *sessions, const int *n_rows, size_t n,
                                int n_seqs)
{
    const struct wc_model *m = sessions[0]->model;
    size_t n_layers = (size_t)m->net->n_kv;
    wc_kv_layer *layers = wc_arena_alloc(a, n_layers * sizeof *layers);
    for (size_t l = 0; layers && l < n_layers; l++) {
        const wc_kv_shape *shape = &m->net->kv[l];
        char *const **lists = wc_arena_alloc(a, (size_t)n_seqs * sizeof *lists);
        if (!lists)
            return NULL;
        for (size_t i = 0, q = 0; i < n; i++)
            if (n_rows[i] > 0)
                lists[q++] = sessions[i]->kv.pages[l];
        layers[l] = (wc_kv_layer){.dtype = sessions[0]->kv_dtype,
                                  .n_kv_heads = shape->n_kv_heads,
                                  .key_dim = shape->key_dim,
                                  .value_dim = shape->value_dim,
                                  .pages = lists};
    }
    return layers;
}

static bool reserve_pages(struct wc_session *const *sessions, const int *n_rows, size_t n, wc_error *err)
{
    for (size_t i = 0; i < n; i++)
        if (n_rows[i] > 0 && !wc_kv_seq_reserve(&sessions[i]->kv, sessions[i]->n_computed + n_rows[i], err))
            return false;
    return true;
}

/* The logits of each finished session, and the new counts. */
static void take_results(struct wc_session *const *sessions, const int *n_rows, size_t n, wc_tensor logits)
{
    const size_t n_vocab = (size_t)sessions[0]->model->net->n_vocab;
    const float *row = logits.data;
    for (size_t i = 0; i < n; i++) {
        struct wc_session *s = sessions[i];
        if (n_rows[i] == 0)
            continue;
        s->n_computed += n_rows[i];
        s->has_logits = s->n_computed == s->n_tokens;
        if (s->has_logits) {
            memcpy(s->logits, row, n_vocab * sizeof *row);
            row += n_vocab;
        }
        wc_kv_seq_drop_behind(&s->kv, s->n_computed);
    }
}

/* The step, its activations in the arena. */
static bool step_in(wc_arena *arena, struct wc_session *const *sessions, const int *n_rows, size_t n,
                    float *out_all, wc_error *err)
{
    struct wc_session *first = NULL;
    size_t total = 0;
    int n_seqs = 0;
    for (size_t i = 0; i < n; i++) {
        assert(sessions[i]->n_computed + n_rows[i] <= sessions[i]->n_tokens);
        assert(n_rows[i] == 0 || n_rows[i] == wc_session_rows(sessions[i], n_rows[i]));
        if (n_rows[i] > 0 && n_seqs++ == 0)
            first = sessions[i];
        total += (size_t)n_rows[i];
    }
    if (!first)
        return true;
    struct wc_model *m = first->model;
    const size_t width = (size_t)m->net->hidden_size, n_vocab = (size_t)m->net->n_vocab;
    if (!reserve_pages(sessions, n_rows, n, err))
        return false;

    wc_arena_clear(arena);
    struct rows r = {0};
    bool ok = alloc_rows(&r, arena, total, width);
    for (size_t i = 0; ok && i < n; i++)
        if (n_rows[i] > 0)
            add_session(&r, sessions[i], n_rows[i], width);
    wc_kv_layer *kv = ok ? page_tables(arena, sessions, n_rows, n, n_seqs) : NULL;
    if (!kv)
        return wc_fail_memory(err, total * width * sizeof(float));
    const wc_row_map rows = {
        .n = r.n, .pos = r.of.pos, .seq = r.of.seq, .last_visible = r.of.last_visible, .n_seqs = r.n_seqs};
    const wc_batch batch = {.rows = rows,
                            .lengths = r.lengths,
                            .ids = r.of.ids,
                            .soft = r.soft,
                            .soft_rows = r.soft_rows,
                            .n_soft = r.n_soft,
                            .kv = kv,
                            .out_rows = out_all ? NULL : r.out_rows,
                            .n_out = out_all ? r.n : r.n_out};
    wc_ctx c = {.backend = m->backend,
                .step = arena,
                .observe = first->observe ? observe_view : NULL,
                .observe_user = first,
                .cancel = n_seqs == 1 ? &first->cancel : NULL};
    wc_tensor logits = m->net->family->forward(&c, m->net, &batch);
    if (c.failed)
        return wc_fail(err, WC_FAILED, "internal: a step of %d rows needed more memory than its rehearsal",
                       r.n);
    if (c.stopped)
        return wc_fail(err, WC_CANCELLED, "cancelled");
    if (out_all) {
        memcpy(out_all, logits.data, total * n_vocab * sizeof *out_all);
        logits = wc_tensor_slice(logits, total - 1, 1);
    }
    take_results(sessions, n_rows, n, logits);
    return true;
}

bool wc_step(struct wc_session *const *sessions, const int *n_rows, size_t n, wc_arena *arena, float *out_all,
             wc_error *err)
{
    const struct wc_session *first = NULL;
    for (size_t i = n; i-- > 0;)
        if (n_rows[i] > 0)
            first = sessions[i];
    if (!first || !first->observe)
        return step_in(arena, sessions, n_rows, n, out_all, err);
    wc_arena *shown = wc_arena_new(0); /* what is computed only to be shown was not rehearsed */
    bool ok = shown ? step_in(shown, sessions, n_rows, n, out_all, err) : wc_fail_memory(err, 1);
    wc_arena_free(shown);
    return ok;
}
