/* session.c - a session's life, and what stays computed when its prompt changes. */
#include "generate/session.h"

#include <string.h>

#include "base/mem.h"
#include "base/os.h"
#include "generate/views.h"

enum { TEXT_BYTES = 16 << 20 };

static void drop_spans(struct wc_session *s)
{
    for (int i = 0; i < s->n_spans; i++)
        wc_media_release(s->model->media, &s->spans[i].hold);
    wc_mem_free(s->spans);
    s->spans = NULL;
    s->n_spans = 0;
}

struct wc_session *wc_session_open(struct wc_model *m, const wc_session_options *options, wc_error *err)
{
    wc_session_options o = {0};
    if (options)
        memcpy(&o, options, options->size < sizeof o ? options->size : sizeof o);
    if (!m->net) {
        wc_fail(err, WC_BAD_ARGUMENT, "%s: was opened for its tokenizer only", m->name);
        return NULL;
    }
    int ctx = o.ctx ? o.ctx : m->net->context_length;
    if (ctx < 1 || ctx > m->net->context_length) {
        wc_fail(err, WC_BAD_ARGUMENT, "ctx: expected 1 to %d (the model's context length), found %d",
                m->net->context_length, ctx);
        return NULL;
    }
    struct wc_session *s = wc_mem_zalloc(1, sizeof *s);
    if (!s) {
        wc_fail_memory(err, sizeof *s);
        return NULL;
    }
    s->model = m;
    s->ctx = ctx;
    s->kv_dtype = wc_runtime_kv_dtype(m, o.kv_type);
    wc_buf_init(&s->text, TEXT_BYTES);
    wc_buf_init(&s->piece, TEXT_BYTES);
    size_t logits_bytes = (size_t)m->net->n_vocab * sizeof *s->logits;
    s->tokens = wc_mem_zalloc((size_t)ctx + 1, sizeof *s->tokens);
    s->logits = wc_mem_alloc(logits_bytes);
    wc_kv_store *store = wc_runtime_kv(m, s->kv_dtype);
    bool ok = s->tokens && s->logits && store;
    if (!ok)
        wc_fail_memory(err, logits_bytes);
    if (!ok || !wc_kv_seq_init(&s->kv, store, ctx, err)) {
        wc_session_close(s);
        return NULL;
    }
    return s;
}

void wc_session_close(struct wc_session *s)
{
    if (!s)
        return;
    wc_kv_seq_release(&s->kv);
    drop_spans(s);
    wc_sampler_free(s->sampler);
    wc_stop_free(s->stop);
    wc_detok_release(&s->detok);
    wc_buf_release(&s->piece);
    wc_buf_release(&s->text);
    wc_mem_free(s->tokens);
    wc_mem_free(s->logits);
    wc_mem_free(s);
}

/* ---- the prompt ---- */

/* A prompt on its way into the session. */
struct incoming {
    wc_ids ids;
    wc_soft_span *spans;
    int n_spans;
};

static void release_incoming(struct wc_session *s, struct incoming *in)
{
    wc_ids_release(&in->ids);
    for (int i = 0; i < in->n_spans; i++)
        wc_media_release(s->model->media, &in->spans[i].hold);
    wc_mem_free(in->spans);
}

/* Text of a chat or a plain prompt to ids. */
static bool prompt_ids(const struct wc_model *m, const wc_prompt *p, const wc_views *views, wc_ids *ids,
                       wc_error *err)
{
    bool ok = false;
    char *rendered = NULL;
    wc_buf expanded;
    wc_buf_init(&expanded, TEXT_BYTES);
    if (!m->tokenizer) {
        wc_fail(err, WC_NOT_FOUND, "%s", m->tokenizer_error);
        return false;
    }
    if (p->chat) {
        if (!m->chat_template) {
            wc_fail(
                err, WC_UNSUPPORTED, "%s: %s", m->name,
                m->template_error
                    ? m->template_error
                    : "no chat_template in chat_template.jinja or tokenizer_config.json; give plain text");
            goto done;
        }
        rendered = wc_chat_apply(m->chat_template, p->chat, m->special_tokens, WC_CHAT_GENERATE, err);
        if (!rendered) {
            if (err && strncmp(err->text, "chat_template", 13) !=
                           0) /* the template's own words: say whose they are */
                wc_fail_within(err, "chat_template");
            goto done;
        }
    }
    if (!wc_views_expand(views, m, rendered ? rendered : p->text, &expanded, err))
        goto done;
    ok = wc_tokenizer_encode(m->tokenizer, wc_buf_str(&expanded), expanded.size,
                             rendered ? 0 : WC_ENCODE_SPECIAL, ids, err);
done:
    wc_mem_free(rendered);
    wc_buf_release(&expanded);
    return ok;
}

/* Every id has a row in the model. */
static bool known_ids(const struct wc_model *m, const wc_ids *ids, wc_error *err)
{
    for (size_t i = 0; i < ids->size; i++)
        if (ids->data[i] >= m->net->n_vocab)
            return wc_fail(err, WC_BAD_FILE,
                           "%s/tokenizer.json: the prompt has id %d, the model's vocab_size is %d",
                           wc_checkpoint_path(m->files), (int)ids->data[i], m->net->n_vocab);
    return true;
}

static bool given_ids(const struct wc_model *m, const wc_prompt *p, wc_ids *ids, wc_error *err)
{
    for (size_t i = 0; i < p->n_ids; i++) {
        if (p->ids[i] < 0 || p->ids[i] >= m->net->n_vocab)
            return wc_fail(err, WC_REFUSED, "prompt ids: id %zu: expected 0 to %d, found %d", i,
                           m->net->n_vocab - 1, (int)p->ids[i]);
        if (!wc_ids_add(ids, p->ids[i]))
            return wc_fail_memory(err, p->n_ids * sizeof *p->ids);
    }
    return true;
}

static void picture_progress(void *user, size_t done, size_t total)
{
    struct wc_session *s = user;
    s->progress(s->progress_user, "image", done, total);
}

/* The picture's rows, and the time they took. */
static bool encode_picture(struct wc_session *s, const wc_media *picture, wc_media_hold *hold, wc_error *err)
{
    double start = wc_seconds();
    bool ok = wc_runtime_encode_image(s->model, picture, &s->cancel, NULL, NULL,
                                      s->progress ? picture_progress : NULL, s, hold, err);
    s->image_seconds += wc_seconds() - start;
    return ok;
}

/* Finds the runs of picture places and encodes the pictures for them. */
static bool place_pictures(struct wc_session *s, const wc_views *views, struct incoming *in, wc_error *err)
{
    struct wc_model *m = s->model;
    const wc_image_input *image = &m->net->image;
    size_t places = 0;
    for (size_t i = 0; image->n_tokens && i < in->ids.size; i++)
        places += in->ids.data[i] == image->token_id;
    if (places != views->n * (size_t)image->n_tokens)
        return wc_fail(err, WC_REFUSED, "pictures: the prompt has places for %zu rows, %zu pictures make %zu",
                       places, views->n, views->n * (size_t)image->n_tokens);
    if (views->n == 0)
        return true;
    in->spans = wc_mem_zalloc(views->n, sizeof *in->spans);
    if (!in->spans)
        return wc_fail_memory(err, views->n * sizeof *in->spans);
    size_t at = 0;
    for (size_t k = 0; k < views->n; k++) {
        while (in->ids.data[at] != image->token_id)
            at++;
        wc_soft_span *span = &in->spans[in->n_spans];
        span->start = (int)at;
        for (span->n = 0;
             at < in->ids.size && in->ids.data[at] == image->token_id && span->n < image->n_tokens; at++)
            span->n++;
        if (span->n != image->n_tokens)
            return wc_fail(err, WC_REFUSED, "prompt ids: picture %zu: expected %d places in a row, found %d",
                           k, image->n_tokens, span->n);
        if (!encode_picture(s, &views->media[k], &span->hold, err))
            return false;
        in->n_spans++;
    }
    return true;
}

/* The neighbouring pictures' rows around position pos: *start .. *end - 1; false where pos is no picture's. */
static bool picture_run(const wc_soft_span *spans, int n, int pos, int *start, int *end)
{
    *start = *end = -1;
    for (int i = 0; i < n; i++) {
        if (spans[i].start != *end && *end > pos)
            break;
        if (spans[i].start != *end)
            *start = spans[i].start;
        *end = spans[i].start + spans[i].n;
    }
    return *start >= 0 && pos >= *start && pos < *end;
}

int wc_session_last_visible(const struct wc_session *s, int pos)
{
    int start, end;
    return s->model->net->image.sees_itself && picture_run(s->spans, s->n_spans, pos, &start, &end) ? end - 1
                                                                                                    : pos;
}

/* The last position up to pos where rows may be parted: not within pictures that see all of themselves. */
static int part_before(const struct wc_session *s, const wc_soft_span *spans, int n, int pos)
{
    int start, end;
    return s->model->net->image.sees_itself && picture_run(spans, n, pos, &start, &end) ? start : pos;
}

int wc_session_rows(const struct wc_session *s, int most)
{
    const int pending = s->n_tokens - s->n_computed;
    if (most <= 0 || most >= pending)
        return most < pending ? most : pending;
    const int end = s->n_computed + most, parted = part_before(s, s->spans, s->n_spans, end);
    return (parted > s->n_computed ? parted : wc_session_last_visible(s, end) + 1) - s->n_computed;
}

int wc_session_longest_picture(const struct wc_session *s)
{
    int longest = 0;
    for (int i = 0; i < s->n_spans; i++) {
        const int n = wc_session_last_visible(s, s->spans[i].start) + 1 - s->spans[i].start;
        longest = n > longest ? n : longest;
    }
    return longest;
}

/* Whether row i of the new prompt and of the session come from the same token and the same picture. */
static bool same_row(const struct wc_session *s, const struct incoming *in, int i)
{
    if (s->tokens[i] != in->ids.data[i])
        return false;
    for (int k = 0; k < in->n_spans; k++) {
        const wc_soft_span *span = &in->spans[k];
        if (i < span->start || i >= span->start + span->n)
            continue;
        for (int j = 0; j < s->n_spans; j++)
            if (s->spans[j].start == span->start)
                return memcmp(s->spans[j].hold.digest, span->hold.digest, sizeof span->hold.digest) == 0;
        return false;
    }
    for (int j = 0; j < s->n_spans; j++) /* a picture of the old prompt where the new one has none */
        if (i >= s->spans[j].start && i < s->spans[j].start + s->spans[j].n)
            return false;
    return true;
}

/* Sequences of n and m positions are computed in the same way (wc_net.rope_switch). */
static bool same_rope(const struct wc_session *s, int n, int m)
{
    const int at = s->model->net->rope_switch;
    return at == 0 || (n > at) == (m > at);
}

void wc_session_push(struct wc_session *s, int32_t id)
{
    s->tokens[s->n_tokens++] = id;
    if (!same_rope(s, s->n_tokens - 1, s->n_tokens)) {
        s->n_computed = wc_kv_seq_truncate(&s->kv, 0);
        s->has_logits = false;
    }
}

/* The new prompt takes the place of the old tokens; what both begin with stays computed, but for the last row, whose
 * logits are needed. */
static void replace_tokens(struct wc_session *s, struct incoming *in)
{
    int n = (int)in->ids.size, same = 0;
    while (same_rope(s, s->n_tokens, n) && same < n - 1 && same < s->n_computed && same_row(s, in, same))
        same++;
    const int parted = part_before(s, s->spans, s->n_spans, same);
    same = part_before(s, in->spans, in->n_spans, parted);
    s->n_computed = wc_kv_seq_truncate(&s->kv, same);
    memcpy(s->tokens, in->ids.data, in->ids.size * sizeof *s->tokens);
    s->n_tokens = s->n_prompt = n;
    s->n_cached = s->n_computed;
    s->has_logits = false;
    drop_spans(s);
    s->spans = in->spans;
    s->n_spans = in->n_spans;
    in->spans = NULL;
    in->n_spans = 0;
}

/* An empty prompt begins with the token that begins all texts. */
static bool begin_with_bos(const struct wc_model *m, wc_ids *ids, wc_error *err)
{
    const int32_t bos = m->tokenizer ? wc_tokenizer_special_id(m->tokenizer, "bos_token") : -1;
    if (bos < 0 || bos >= m->net->n_vocab)
        return wc_fail(err, WC_REFUSED, "prompt: it is empty, and the model has no bos_token to begin with");
    return wc_ids_add(ids, bos) || wc_fail_memory(err, sizeof bos);
}

static bool too_long(const struct wc_session *s, const wc_prompt *p, size_t n, wc_error *err)
{
    const struct wc_model *m = s->model;
    const char *by = p->ids    ? ""
                     : p->chat ? " (by chat_template and tokenizer.json)"
                               : " (by tokenizer.json)";
    if (s->ctx < m->net->context_length)
        return wc_fail(err, WC_REFUSED,
                       "prompt: %zu tokens%s, more than the context of %d; shorten it or raise --ctx", n, by,
                       s->ctx);
    return wc_fail(
        err, WC_REFUSED,
        "prompt: %zu tokens%s, more than the context of %d (max_position_embeddings in %s); shorten it", n,
        by, s->ctx, wc_checkpoint_config_file(m->files));
}

bool wc_session_set_prompt(struct wc_session *s, const wc_prompt *prompt, wc_error *err)
{
    wc_prompt p = {0};
    memcpy(&p, prompt, prompt->size < sizeof p ? prompt->size : sizeof p);
    if ((p.chat != NULL) + (p.text != NULL) + (p.ids != NULL) != 1)
        return wc_fail(err, WC_BAD_ARGUMENT, "prompt: expected exactly one of chat, text and ids");
    struct incoming in = {0};
    atomic_store(&s->cancel, false);
    s->image_seconds = 0;
    wc_buf_reset(&s->text);
    wc_views views = {0};
    bool ok = wc_views_init(&views, s->model, &p, err) &&
              (p.ids ? given_ids(s->model, &p, &in.ids, err)
                     : prompt_ids(s->model, &p, &views, &in.ids, err) && known_ids(s->model, &in.ids, err));
    if (ok && in.ids.size == 0)
        ok = begin_with_bos(s->model, &in.ids, err);
    if (ok && in.ids.size > (size_t)s->ctx)
        ok = too_long(s, &p, in.ids.size, err);
    ok = ok && place_pictures(s, &views, &in, err);
    if (ok)
        replace_tokens(s, &in);
    release_incoming(s, &in);
    wc_views_release(&views);
    return ok;
}
