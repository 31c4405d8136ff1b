/* likelihood.c - reads a text in windows, as transformers' guide to the perplexity of models of fixed length does it: each
 * window begins `stride` tokens after the one before, and of each only those tokens are counted that the one before did not
 * have.  So every token but the first counts once, and is told from at least ctx - stride tokens before it. */
#include "generate/likelihood.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/size.h"
#include "generate/session.h"

enum { MAX_MODELS = 2, DEFAULT_CTX = 2048, DEFAULT_STRIDE = 512, MAX_ROWS = 256, LOGITS_AT_ONCE = 8 << 20 };

/* Logits [n_vocab] of each model at a place, and the token that follows there. */
typedef void (*place_fn)(void *user, const float *const *logits, size_t n_vocab, int32_t next);

struct reading {
    struct wc_model *models[MAX_MODELS];
    int n_models, ctx, stride, rows;
    const int32_t *ids; /* [n_ids] */
    size_t n_ids;
    float *logits[MAX_MODELS]; /* [rows, n_vocab] */
    place_fn on_place;
    void *user;
    const wc_text_options *options;
    wc_error *err;
};

static size_t vocabulary_of(const struct reading *r)
{
    return (size_t)r->models[0]->net->n_vocab;
}

/* The next rows of a window first .. end - 1, which tells of the tokens from `counted` on. */
static bool read_rows(struct reading *r, struct wc_session *const *sessions, size_t first, size_t end,
                      size_t counted, int rows)
{
    const size_t at = first + (size_t)sessions[0]->n_computed, n_vocab = vocabulary_of(r);
    for (int i = 0; i < r->n_models; i++) {
        wc_arena *arena = wc_runtime_take_arena(r->models[i], rows, rows, r->err);
        if (!arena)
            return false;
        const bool ok = wc_step(&sessions[i], &rows, 1, arena, r->logits[i], r->err);
        wc_arenas_put(r->models[i]->arenas, arena);
        if (!ok)
            return false;
    }
    for (int row = 0; row < rows; row++) {
        const float *logits[MAX_MODELS] = {0};
        const size_t next = at + (size_t)row + 1;
        for (int i = 0; i < r->n_models; i++)
            logits[i] = r->logits[i] + (size_t)row * n_vocab;
        if (next >= counted && next < end)
            r->on_place(r->user, logits, n_vocab, r->ids[next]);
    }
    return true;
}

static bool read_window(struct reading *r, size_t first, size_t end, size_t counted)
{
    struct wc_session *sessions[MAX_MODELS] = {0};
    const wc_prompt prompt = {.size = sizeof prompt, .ids = r->ids + first, .n_ids = end - first};
    bool ok = true;
    for (int i = 0; ok && i < r->n_models; i++) {
        const bool exact =
            r->models[i]->backend->exact; /* then nothing is rounded, keys and values neither */
        const wc_session_options so = {
            .size = sizeof so, .ctx = r->ctx, .kv_type = exact ? WC_KV_F32 : WC_KV_AUTO};
        sessions[i] = wc_session_open(r->models[i], &so, r->err);
        ok = sessions[i] && wc_session_set_prompt(sessions[i], &prompt, r->err);
    }
    while (ok && sessions[0] && (size_t)sessions[0]->n_computed < end - first) {
        const size_t left = end - first - (size_t)sessions[0]->n_computed;
        ok = read_rows(r, sessions, first, end, counted, (int)wc_min_size(left, (size_t)r->rows));
        if (ok && r->options->progress)
            r->options->progress(r->options->progress_user, "prefill",
                                 first + (size_t)sessions[0]->n_computed, r->n_ids);
    }
    for (int i = 0; i < r->n_models; i++)
        wc_session_close(sessions[i]);
    return ok;
}

static bool read_all(struct reading *r)
{
    size_t counted = 1;
    for (size_t first = 0; counted < r->n_ids; first += (size_t)r->stride) {
        const size_t end = wc_min_size(first + (size_t)r->ctx, r->n_ids);
        if (!read_window(r, first, end, counted))
            return false;
        counted = end;
    }
    return true;
}

/* ctx and stride as asked for, or as they are by default. */
static bool set_sizes(struct reading *r)
{
    int longest = r->models[0]->net->context_length;
    for (int i = 1; i < r->n_models; i++)
        longest = r->models[i]->net->context_length < longest ? r->models[i]->net->context_length : longest;
    r->ctx = r->options->ctx ? r->options->ctx : longest < DEFAULT_CTX ? longest : DEFAULT_CTX;
    r->stride = r->options->stride ? r->options->stride : r->ctx < DEFAULT_STRIDE ? r->ctx : DEFAULT_STRIDE;
    if (r->ctx < 2 || r->ctx > longest)
        return wc_fail(r->err, WC_BAD_ARGUMENT, "--ctx: expected 2 to %d, the longest context, found %d",
                       longest, r->ctx);
    if (r->stride < 1 || r->stride > r->ctx)
        return wc_fail(r->err, WC_BAD_ARGUMENT, "--stride: expected 1 to %d, the context, found %d", r->ctx,
                       r->stride);
    r->rows = (int)wc_min_size(LOGITS_AT_ONCE / vocabulary_of(r) + 1, MAX_ROWS);
    return true;
}

static bool take_ids(struct reading *r, const char *text, size_t n, wc_ids *ids)
{
    struct wc_model *m = r->models[0];
    if (!m->tokenizer)
        return wc_fail(r->err, WC_UNSUPPORTED, "%s", m->tokenizer_error);
    if (!wc_tokenizer_encode(m->tokenizer, text, n, WC_ENCODE_SPECIAL, ids, r->err))
        return false;
    if (ids->size < 2)
        return wc_fail(r->err, WC_BAD_ARGUMENT, "text: expected at least 2 tokens, found %zu", ids->size);
    for (size_t i = 0; i < ids->size; i++)
        if ((size_t)ids->data[i] >= vocabulary_of(r))
            return wc_fail(r->err, WC_BAD_FILE,
                           "%s: token id %d: expected one below the vocabulary's size %zu", m->name,
                           (int)ids->data[i], vocabulary_of(r));
    r->ids = ids->data;
    r->n_ids = ids->size;
    return true;
}

static bool run(struct reading *r, const char *text, size_t n)
{
    wc_ids ids = {0};
    bool ok = set_sizes(r) && take_ids(r, text, n, &ids);
    for (int i = 0; ok && i < r->n_models; i++) {
        r->logits[i] = wc_mem_zalloc((size_t)r->rows * vocabulary_of(r), sizeof(float));
        ok = r->logits[i] || wc_fail_memory(r->err, (size_t)r->rows * vocabulary_of(r) * sizeof(float));
    }
    ok = ok && read_all(r);
    for (int i = 0; i < r->n_models; i++)
        wc_mem_free(r->logits[i]);
    wc_ids_release(&ids);
    return ok;
}

/* log sum exp of logits [n]; *top: the place of the largest. */
static double log_sum_exp(const float *logits, size_t n, size_t *top)
{
    double sum = 0;
    *top = 0;
    for (size_t i = 1; i < n; i++)
        if (logits[i] > logits[*top])
            *top = i;
    for (size_t i = 0; i < n; i++)
        sum += exp((double)logits[i] - (double)logits[*top]);
    return (double)logits[*top] + log(sum);
}

/* The text of b, moved out to the caller, or NULL and err. */
static char *finished(wc_buf *b, bool ok, wc_error *err)
{
    char *text = NULL;
    size_t n;
    if (ok && wc_buf_check(b, "figures", err))
        text = wc_buf_take(b, &n);
    wc_buf_release(b);
    return text;
}

/* ---- one model ---- */

struct surprise {
    double sum; /* of -log p */
    size_t n;
};

static void count_surprise(void *user, const float *const *logits, size_t n_vocab, int32_t next)
{
    struct surprise *s = user;
    size_t top;
    s->sum += log_sum_exp(logits[0], n_vocab, &top) - (double)logits[0][next];
    s->n++;
}

char *wc_likelihood_perplexity(struct wc_model *m, const char *text, size_t n, const wc_text_options *o,
                               wc_error *err)
{
    struct surprise s = {0};
    struct reading r = {
        .models = {m}, .n_models = 1, .on_place = count_surprise, .user = &s, .options = o, .err = err};
    wc_buf b;
    wc_buf_init(&b, 10000);
    const bool ok = run(&r, text, n);
    if (ok) {
        wc_buf_printf(&b, "{\"tokens\":%zu,\"scored\":%zu,\"ctx\":%d,\"stride\":%d,\"mean_nll\":", r.n_ids,
                      s.n, r.ctx, r.stride);
        wc_buf_json_double(&b, s.sum / (double)s.n);
        wc_buf_puts(&b, ",\"perplexity\":");
        wc_buf_json_double(&b, exp(s.sum / (double)s.n));
        wc_buf_puts(&b, "}");
    }
    return finished(&b, ok, err);
}

/* ---- two models ---- */

struct distance {
    double kl, largest_kl, largest_logit; /* the sum, and the largest of all places */
    double nll[MAX_MODELS];
    size_t n, same_top;
};

/* KL(p_a || p_b) = sum p_a (log p_a - log p_b) of a place. */
static void count_distance(void *user, const float *const *logits, size_t n_vocab, int32_t next)
{
    struct distance *d = user;
    size_t top[MAX_MODELS];
    double lse[MAX_MODELS], kl = 0;
    for (int i = 0; i < MAX_MODELS; i++) {
        lse[i] = log_sum_exp(logits[i], n_vocab, &top[i]);
        d->nll[i] += lse[i] - (double)logits[i][next];
    }
    for (size_t i = 0; i < n_vocab; i++) {
        const double log_a = (double)logits[0][i] - lse[0], log_b = (double)logits[1][i] - lse[1];
        kl += exp(log_a) * (log_a - log_b);
        d->largest_logit = fmax(d->largest_logit, fabs((double)logits[0][i] - (double)logits[1][i]));
    }
    d->kl += kl;
    d->largest_kl = fmax(d->largest_kl, kl);
    d->same_top += top[0] == top[1];
    d->n++;
}

static void put_figure(wc_buf *b, const char *name, double x)
{
    wc_buf_printf(b, ",\"%s\":", name);
    wc_buf_json_double(b, x);
}

char *wc_likelihood_compare(struct wc_model *a, struct wc_model *b, const char *text, size_t n,
                            const wc_text_options *o, wc_error *err)
{
    struct distance d = {0};
    struct reading r = {
        .models = {a, b}, .n_models = 2, .on_place = count_distance, .user = &d, .options = o, .err = err};
    if (a->net->n_vocab != b->net->n_vocab) {
        wc_fail(err, WC_BAD_ARGUMENT, "%s: expected the vocabulary of %s, %d tokens, found %d", b->name,
                a->name, a->net->n_vocab, b->net->n_vocab);
        return NULL;
    }
    wc_buf out;
    wc_buf_init(&out, 10000);
    const bool ok = run(&r, text, n);
    if (ok) {
        const double places = (double)d.n;
        wc_buf_printf(&out, "{\"tokens\":%zu,\"scored\":%zu,\"ctx\":%d,\"stride\":%d", r.n_ids, d.n, r.ctx,
                      r.stride);
        put_figure(&out, "mean_kl", d.kl / places);
        put_figure(&out, "largest_kl", d.largest_kl);
        put_figure(&out, "top1_agreement", (double)d.same_top / places);
        put_figure(&out, "largest_logit_difference", d.largest_logit);
        put_figure(&out, "perplexity_a", exp(d.nll[0] / places));
        put_figure(&out, "perplexity_b", exp(d.nll[1] / places));
        wc_buf_puts(&out, "}");
    }
    return finished(&out, ok, err);
}
