/* answer.c - answers of several sessions together: each as it would be alone, as every row is computed alike whoever is
 * beside it.
 *
 * A step takes one row of every session that is decoding and fills up with rows of prompts, so that a running stream never
 * waits for a whole prompt. */
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/os.h"
#include "generate/session.h"

enum { DEFAULT_NEW_TOKENS = 256, MAX_LOGPROBS = 20, MAX_EVENT_BYTES = 1 << 20 };

/* One call of wc_generate. */
struct run {
    struct wc_session *const *sessions;
    size_t n;
    wc_generate_options o;
    wc_event_fn on_event;
    void *user;
    int *n_rows; /* [n] of the next step */
    double started;
};

/* What the caller left open comes from the model's generation config. */
static wc_sampler_options sampler_options(const wc_generation_config *g, const wc_generate_options *o)
{
    bool sample = o->sampling == 2 || (o->sampling == 0 && g->do_sample);
    return (wc_sampler_options){
        .sample = sample,
        .temperature = o->temperature > 0 ? o->temperature : (float)g->temperature,
        .top_k = o->top_k < 0 ? 0
                 : o->top_k   ? o->top_k
                              : g->top_k,
        .top_p = o->top_p > 0 ? o->top_p : (float)g->top_p,
        .min_p = o->min_p < 0   ? 0
                 : o->min_p > 0 ? o->min_p
                                : (float)g->min_p,
        .typical_p = o->typical_p > 0 ? o->typical_p : (float)g->typical_p,
        .repetition_penalty = o->repetition_penalty > 0 ? o->repetition_penalty
                                                        : (float)g->repetition_penalty,
    };
}

static bool begin(struct wc_session *s, const wc_generate_options *o, size_t index, wc_error *err)
{
    const struct wc_model *m = s->model;
    if (s->n_tokens == 0)
        return wc_fail(err, WC_BAD_ARGUMENT, "session %zu has no prompt", index);
    s->n_prompt = s->n_tokens;        /* an answer before this one is part of the prompt now */
    if (s->n_computed == s->n_tokens) /* the last row's logits are taken anew */
        s->n_computed = wc_kv_seq_truncate(&s->kv, s->n_tokens - 1);
    int room = s->ctx - s->n_tokens;
    int wanted = o->max_new_tokens > 0          ? o->max_new_tokens
                 : o->max_new_tokens < 0        ? room
                 : m->generation.max_new_tokens ? m->generation.max_new_tokens
                                                : DEFAULT_NEW_TOKENS;
    s->max_new = wanted < room ? wanted : room;
    s->finish = WC_FINISH_NONE;
    s->seed = o->seed ? o->seed : wc_random_seed();
    s->prefill_seconds = s->decode_seconds = s->first_token_seconds = 0;
    wc_buf_reset(&s->text);
    atomic_store(&s->cancel, false);
    wc_sampler_free(s->sampler);
    wc_stop_free(s->stop);
    s->stop = NULL;
    wc_detok_release(&s->detok);
    if (m->tokenizer)
        wc_detok_init(&s->detok, m->tokenizer, true);
    const wc_sampler_options options = sampler_options(&m->generation, o);
    s->sampler = wc_sampler_new((size_t)m->net->n_vocab, &options, s->seed, err);
    if (!s->sampler)
        return false;
    s->stop = wc_stop_new(o->stop, o->n_stop, err);
    return s->stop != NULL;
}

static bool alive(const struct wc_session *s)
{
    return s->finish == WC_FINISH_NONE;
}

/* Rows of the next step for every session: first those that decode, then prompts, up to chunk rows. */
static int plan_step(struct run *r)
{
    int left = r->o.chunk_rows, n_alive = 0;
    for (size_t i = 0; i < r->n; i++) {
        const struct wc_session *s = r->sessions[i];
        r->n_rows[i] = 0;
        n_alive += alive(s);
        if (alive(s) && s->n_tokens - s->n_computed == 1 && left > 0) {
            r->n_rows[i] = 1;
            left--;
        }
    }
    for (size_t i = 0; i < r->n && left > 0; i++) {
        const struct wc_session *s = r->sessions[i];
        int pending = s->n_tokens - s->n_computed;
        if (!alive(s) || r->n_rows[i] > 0 || pending <= 0)
            continue;
        const int rows = wc_session_rows(s, left);
        if (rows <= left) { /* else it waits for a step that its picture fits */
            r->n_rows[i] = rows;
            left -= rows;
        }
    }
    return n_alive;
}

/* Sends the event of a token (id -1: only text) and remembers its text. */
static bool emit(struct run *r, size_t i, int32_t id, const char *text, size_t n, bool last)
{
    struct wc_session *s = r->sessions[i];
    wc_buf_add(&s->text, text, n);
    if (!r->on_event)
        return true;
    wc_logprob top[MAX_LOGPROBS];
    wc_event e = {
        .size = sizeof e, .session = i, .id = id, .text = text, .n_bytes = n, .top = top, .last = last};
    if (id >= 0 && r->o.n_logprobs >= 0)
        e.n_top = wc_logprobs(s->logits, (size_t)s->model->net->n_vocab, id, &e.logprob, top,
                              (size_t)r->o.n_logprobs);
    return r->on_event(r->user, &e);
}

/* Appends to out what token id (-1: none) completes, up to a stop string, and at the last token all that was held back.
 * true when a stop string was found. */
static bool complete_text(struct wc_session *s, int32_t id, bool last, wc_buf *out)
{
    const char *text;
    size_t n;
    bool stopped = false;
    if (!s->model->tokenizer)
        return false;
    wc_buf_reset(&s->piece);
    out->failed |= id >= 0 && !wc_detok_push(&s->detok, id, &s->piece, NULL);
    if (last)
        out->failed |= !wc_detok_flush(&s->detok, &s->piece, NULL);
    stopped = wc_stop_push(s->stop, wc_buf_str(&s->piece), s->piece.size, &text, &n);
    wc_buf_add(out, text, n);
    if (last && !stopped) {
        wc_stop_flush(s->stop, &text, &n);
        wc_buf_add(out, text, n);
    }
    return stopped;
}

/* Takes the next token of a session from its logits: appends it, gives out its text, decides whether this was the last. */
static bool take_token(struct run *r, size_t i, wc_error *err)
{
    struct wc_session *s = r->sessions[i];
    const struct wc_model *m = s->model;
    int32_t id = wc_sampler_next(s->sampler, s->logits, s->tokens, (size_t)s->n_tokens);
    if (id < 0) /* say which weight is to blame, when it is one */
        return wc_checkpoint_check_finite(m->files, err) &&
               wc_fail(err, WC_FAILED, "%s: the logits are not finite though all weights are",
                       wc_checkpoint_weights_file(m->files));
    bool first = s->n_tokens == s->n_prompt, end = !r->o.ignore_eos && wc_is_eos(m, id);
    if (first) {
        s->first_token_seconds = s->prefill_seconds = wc_seconds() - r->started;
        s->first_token_seconds += s->image_seconds;
    }
    wc_session_push(s, id);
    bool full = s->n_tokens - s->n_prompt >= s->max_new;

    wc_buf out; /* the text of this event: with the last one goes what was held back */
    wc_buf_init(&out, MAX_EVENT_BYTES);
    const bool stopped = complete_text(s, end ? -1 : id, end || full, &out);
    if (!wc_buf_check(&out, "text", err)) {
        wc_buf_release(&out);
        return false;
    }
    if (end || stopped)
        s->finish = WC_FINISH_STOP;
    else if (full)
        s->finish = WC_FINISH_LENGTH;
    bool go_on = emit(r, i, id, wc_buf_str(&out), out.size, !alive(s));
    if (!go_on && alive(s))
        s->finish = WC_FINISH_CANCELLED;
    wc_buf_release(&out);
    if (!alive(s))
        s->decode_seconds = wc_seconds() - r->started - s->prefill_seconds;
    return true;
}

/* A session with nothing to add (the context is full) ends at once. */
static void end_full_sessions(struct run *r)
{
    for (size_t i = 0; i < r->n; i++)
        if (alive(r->sessions[i]) && r->sessions[i]->max_new <= 0) {
            r->sessions[i]->finish = WC_FINISH_LENGTH;
            emit(r, i, -1, "", 0, true);
        }
}

static void report_prefill(const struct run *r)
{
    for (size_t i = 0; i < r->n; i++) {
        const struct wc_session *s = r->sessions[i];
        if (s->progress && r->n_rows[i] > 1)
            s->progress(s->progress_user, "prefill", (size_t)s->n_computed, (size_t)s->n_tokens);
    }
}

static bool cancelled(struct run *r, wc_error *err)
{
    bool any = false;
    for (size_t i = 0; i < r->n; i++) {
        struct wc_session *s = r->sessions[i];
        if (alive(s) && atomic_load(&s->cancel)) {
            s->finish = WC_FINISH_CANCELLED;
            any = true;
        }
    }
    return any ? !wc_fail(err, WC_CANCELLED, "cancelled") : false;
}

static bool run_steps(struct run *r, wc_arena *arena, wc_error *err)
{
    bool was_cancelled = false;
    end_full_sessions(r);
    while (plan_step(r) > 0) {
        wc_error why = {0};
        if (!wc_step(r->sessions, r->n_rows, r->n, arena, NULL, &why) && why.code != WC_CANCELLED) {
            if (err)
                *err = why;
            return false;
        }
        was_cancelled |= cancelled(r, err);
        if (why.code == WC_CANCELLED)
            continue;
        report_prefill(r);
        for (size_t i = 0; i < r->n; i++)
            if (r->n_rows[i] > 0 && alive(r->sessions[i]) && r->sessions[i]->has_logits &&
                !take_token(r, i, err))
                return false;
    }
    return !was_cancelled;
}

static bool check_run(const struct run *r, wc_error *err)
{
    for (size_t i = 0; i < r->n; i++) {
        if (!r->sessions[i])
            return wc_fail(err, WC_BAD_ARGUMENT, "session %zu is NULL", i);
        if (r->sessions[i]->model != r->sessions[0]->model ||
            r->sessions[i]->kv_dtype != r->sessions[0]->kv_dtype)
            return wc_fail(err, WC_BAD_ARGUMENT, "session %zu has another model or KV type than the first",
                           i);
        for (size_t j = 0; j < i; j++)
            if (r->sessions[i] == r->sessions[j])
                return wc_fail(err, WC_BAD_ARGUMENT, "session %zu is given twice", i);
    }
    if (r->o.n_logprobs > MAX_LOGPROBS || r->o.chunk_rows < 0 || r->o.chunk_rows > 1 << 20)
        return wc_fail(err, WC_BAD_ARGUMENT, "n_logprobs: expected at most %d; chunk_rows: expected 0 to %d",
                       MAX_LOGPROBS, 1 << 20);
    return true;
}

/* No step has more rows than all that is to be computed; a session that comes to another rope starts over. */
static int most_rows(const struct run *r)
{
    size_t pending = 0;
    for (size_t i = 0; i < r->n; i++) {
        const struct wc_session *s = r->sessions[i];
        const int at = s->model->net->rope_switch;
        if (at > 0 && s->n_tokens <= at && s->n_tokens + s->max_new > at)
            pending += (size_t)at + 1;
        else
            pending += (size_t)(s->n_tokens - s->n_computed);
    }
    if (pending < r->n)
        pending = r->n;
    return pending < (size_t)r->o.chunk_rows ? (int)pending : r->o.chunk_rows;
}

bool wc_generate_answers(struct wc_session *const *sessions, size_t n, const wc_generate_options *options,
                         wc_event_fn on_event, void *user, wc_error *err)
{
    struct run r = {
        .sessions = sessions, .n = n, .on_event = on_event, .user = user, .started = wc_seconds()};
    if (options)
        memcpy(&r.o, options, options->size < sizeof r.o ? options->size : sizeof r.o);
    if (r.o.chunk_rows == 0)
        r.o.chunk_rows = WC_DEFAULT_CHUNK_ROWS;
    if (n == 0)
        return true;
    if (!check_run(&r, err))
        return false;
    for (size_t i = 0; i < n; i++)
        if (!begin(sessions[i], &r.o, i, err))
            return false;
    int least = (int)n; /* everybody's row fits, and a picture that is not to be parted */
    for (size_t i = 0; i < n; i++)
        least = (int)n + wc_session_longest_picture(sessions[i]) > least
                    ? (int)n + wc_session_longest_picture(sessions[i])
                    : least;
    if (r.o.chunk_rows < least)
        r.o.chunk_rows = least;
    struct wc_model *m = sessions[0]->model;
    int rows = most_rows(&r);
    wc_arena *arena = wc_runtime_take_arena(m, rows, (int)n, err);
    r.n_rows = wc_mem_zalloc(n, sizeof *r.n_rows);
    bool ok = arena && (r.n_rows || wc_fail_memory(err, n)) && run_steps(&r, arena, err);
    wc_arenas_put(m->arenas, arena);
    wc_mem_free(r.n_rows);
    return ok;
}
