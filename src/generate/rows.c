/* rows.c - see rows.h. */
#include "generate/rows.h"

#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/size.h"
#include "generate/tasks.h"

enum { OUTPUT_BYTES = 256 << 20 };

static bool needs_encoder(const struct wc_model *m, const char *what, wc_error *err)
{
    if (!m->net)
        return wc_fail(err, WC_BAD_ARGUMENT, "%s: was opened for its tokenizer only", m->name);
    return (m->net->encoder && m->net->family->encode) ||
           wc_fail(
               err, WC_UNSUPPORTED,
               "%s: %s: expected an encoder such as BERT or EmbeddingGemma, found a %s that generates text",
               m->name, what, m->net->family->name);
}

/* ---- tokens ---- */

static void put_token(const struct wc_model *m, const wc_tokenized *all, size_t i, wc_buf *b)
{
    const int32_t part = all->parts->data[i];
    wc_buf_puts(b, i ? ",{" : "{");
    wc_task_put_token(m, all->ids->data[i], b);
    wc_buf_printf(b, ",\"type\":%d,\"text\":%d", (int)all->types->data[i], (int)part);
    if (part >= 0)
        wc_buf_printf(b, ",\"start\":%u,\"end\":%u", (unsigned)all->spans->data[i].start,
                      (unsigned)all->spans->data[i].end);
    wc_buf_putc(b, '}');
}

char *wc_rows_tokens(const struct wc_model *m, wc_string text, const wc_string *pair,
                     const wc_encode_options *o, wc_error *err)
{
    wc_ids ids = {0}, types = {0}, parts = {0};
    wc_spans spans = {0};
    wc_tokenized all = {&ids, &types, &parts, &spans, 0};
    wc_buf b;
    if (!wc_task_check_options(o, err) || !needs_encoder(m, "tokens", err))
        return NULL;
    wc_buf_init(&b, OUTPUT_BYTES);
    const bool ok = wc_encode_tokens(m, text, pair, o->max_tokens, &all, err);
    wc_buf_printf(&b, "{\"cut\":%s,\"tokens\":[", all.n_windows > 1 ? "true" : "false");
    for (size_t i = 0; ok && i < ids.size; i++)
        put_token(m, &all, i, &b);
    wc_buf_puts(&b, "]}");
    char *json = ok && wc_buf_check(&b, "tokens", err) ? wc_buf_take(&b, NULL) : NULL;
    wc_buf_release(&b);
    wc_ids_release(&ids);
    wc_ids_release(&types);
    wc_ids_release(&parts);
    wc_spans_release(&spans);
    return json;
}

/* ---- rows ---- */

/* The rows of all lists, one behind the other, taken from batch after batch. */
struct rows {
    const struct wc_model *m;
    const wc_token_list *lists;
    size_t *at; /* [n + 1] where the rows of a list begin */
    size_t n;
    float *out;
    size_t width;
    bool logits, first; /* first: one row of each list, of its first token */
    int32_t *picked;    /* [n_picked] room for the rows of one batch */
    size_t n_picked;
};

static size_t rows_of(const struct rows *r, size_t i)
{
    return r->first ? 1 : r->lists[i].rows ? r->lists[i].n_rows : r->lists[i].n_ids;
}

/* The rows of list i, which begins at row first of a batch, into picked. */
static void pick(const struct rows *r, size_t i, int32_t first, int32_t *picked)
{
    const wc_token_list *list = &r->lists[i];
    for (size_t k = 0; k < rows_of(r, i); k++)
        picked[k] = first + (r->first ? 0 : list->rows ? list->rows[k] : (int32_t)k);
}

static void take_batch(void *user, wc_ctx *c, const wc_batch *b, const size_t *which, wc_tensor hidden)
{
    const struct rows *r = user;
    size_t n = 0;
    for (int s = 0; which && s < b->rows.n_seqs; s++) {
        pick(r, which[s], b->first[s], r->picked + n);
        n += rows_of(r, which[s]);
    }
    if (!which) /* a rehearsal: as many as there may be */
        n = wc_min_size(r->n_picked, (size_t)b->rows.n);
    if (n == 0)
        return;
    wc_tensor x = wc_op_get_rows(c, hidden, r->picked, n);
    if (r->logits)
        x = r->m->net->family->head(c, r->m->net, x);
    if (wc_op_idle(c) || !which)
        return;
    const float *from = x.data;
    for (int s = 0; s < b->rows.n_seqs; s++) {
        const size_t taken = rows_of(r, which[s]);
        memcpy(r->out + r->at[which[s]] * r->width, from, taken * r->width * sizeof *from);
        from += taken * r->width;
    }
}

static bool check_list(const struct wc_model *m, const wc_token_list *list, size_t i, wc_error *err)
{
    if (list->n_ids == 0 || list->n_ids > (size_t)m->net->context_length)
        return wc_fail(err, WC_REFUSED, "tokens %zu: expected 1 to %d of them, found %zu", i,
                       m->net->context_length, list->n_ids);
    for (size_t k = 0; k < list->n_ids; k++) {
        if (list->ids[k] < 0 || list->ids[k] >= m->net->n_vocab)
            return wc_fail(err, WC_BAD_ARGUMENT, "tokens %zu: ids: expected 0 to %d, found %d", i,
                           m->net->n_vocab - 1, (int)list->ids[k]);
        if (list->types && (list->types[k] < 0 || list->types[k] > 1))
            return wc_fail(err, WC_BAD_ARGUMENT, "tokens %zu: types: expected 0 or 1, found %d", i,
                           (int)list->types[k]);
    }
    for (size_t k = 0; list->rows && k < list->n_rows; k++)
        if (list->rows[k] < 0 || (size_t)list->rows[k] >= list->n_ids ||
            (k > 0 && list->rows[k] <= list->rows[k - 1]))
            return wc_fail(err, WC_BAD_ARGUMENT,
                           "tokens %zu: rows: expected rising ones from 0 to %zu, found %d", i,
                           list->n_ids - 1, (int)list->rows[k]);
    return true;
}

/* The lists as the encoder takes them; freed by the caller. */
static wc_encoded *copy_lists(const struct wc_model *m, const wc_token_list *lists, size_t n, wc_error *err)
{
    wc_encoded *texts = wc_mem_zalloc(n + 1, sizeof *texts);
    bool ok = texts ? true : wc_fail_memory(err, n * sizeof *texts);
    for (size_t i = 0; ok && i < n; i++) {
        ok = check_list(m, &lists[i], i, err);
        for (size_t k = 0; ok && k < lists[i].n_ids; k++)
            ok = (wc_ids_add(&texts[i].ids, lists[i].ids[k]) &&
                  (!lists[i].types || wc_ids_add(&texts[i].types, lists[i].types[k]))) ||
                 wc_fail_memory(err, lists[i].n_ids);
    }
    if (ok)
        return texts;
    wc_encoded_release(texts, texts ? n : 0);
    wc_mem_free(texts);
    return NULL;
}

static bool alloc_rows(struct rows *r, wc_error *err)
{
    size_t bytes;
    r->at = wc_mem_zalloc(r->n + 1, sizeof *r->at);
    for (size_t i = 0; r->at && i < r->n; i++)
        r->at[i + 1] = r->at[i] + rows_of(r, i);
    r->n_picked = r->at ? r->at[r->n] : 0;
    r->picked = wc_mem_zalloc(r->n_picked + 1, sizeof *r->picked);
    if (!wc_mul_size(r->n_picked, r->width, &bytes) || !wc_mul_size(bytes, sizeof *r->out, &bytes))
        bytes = SIZE_MAX;
    r->out = r->at && r->picked && bytes < SIZE_MAX ? wc_mem_alloc(bytes ? bytes : 1) : NULL;
    return r->out || wc_fail_memory(err, bytes);
}

static size_t width_of(const struct wc_net *net, bool logits)
{
    return (size_t)(!logits ? net->hidden_size : net->task == WC_TASK_FILL ? net->n_vocab : net->n_labels);
}

float *wc_rows_encode(struct wc_model *m, const wc_token_list *lists, size_t n, int what,
                      const wc_encode_options *o, size_t *n_rows, size_t *width, wc_error *err)
{
    struct rows r = {.m = m, .lists = lists, .n = n, .logits = what == WC_ROWS_LOGITS};
    if (!wc_task_check_options(o, err) || !needs_encoder(m, "rows", err))
        return NULL;
    if (what != WC_ROWS_HIDDEN && what != WC_ROWS_LOGITS) {
        wc_fail(err, WC_BAD_ARGUMENT, "what: expected WC_ROWS_HIDDEN or WC_ROWS_LOGITS, found %d", what);
        return NULL;
    }
    if (r.logits && m->net->task == WC_TASK_NONE) {
        wc_fail(err, WC_UNSUPPORTED, "%s: logits: this model has no head", m->name);
        return NULL;
    }
    wc_encoded *texts = copy_lists(m, lists, n, err);
    r.first = r.logits && m->net->task == WC_TASK_CLASSIFY;
    r.width = width_of(m->net, r.logits);
    const wc_encode_run run = {
        .model = m, .texts = texts, .n = n, .batch_rows = o->batch_rows, .fn = take_batch, .user = &r};
    const bool ok = texts && alloc_rows(&r, err) && wc_encode_all(&run, err);
    *n_rows = r.n_picked;
    *width = r.width;
    if (!ok)
        wc_mem_free(r.out);
    wc_mem_free(r.at);
    wc_mem_free(r.picked);
    wc_encoded_release(texts, texts ? n : 0);
    wc_mem_free(texts);
    return ok ? r.out : NULL;
}
