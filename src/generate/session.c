/* session.c - a session's life, and what stays computed when its prompt changes. */
#include "generate/session.h"

#include <string.h>

#include "base/mem.h"
#include "base/os.h"
#include "generate/sound.h"
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
    if (m->net->encoder) {
        wc_fail(err, WC_UNSUPPORTED,
                "%s: %s is an encoder and writes no text; it is for embed, rerank, classify or fill", m->name,
                m->net->family->name);
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

/* How often needle occurs in text. */
static size_t occurrences(const char *text, const char *needle)
{
    size_t n = 0;
    for (const char *p = text; (p = strstr(p, needle)); p += strlen(needle))
        n++;
    return n;
}

/* What stands in a prompt for other things than words: pictures and sounds. */
enum { PICTURES, SOUNDS, N_KINDS };

struct kind {
    const char *one, *many, *input, *why_not;
    int n_tokens, token_id; /* rows of one; 0: the model takes none */
    const char *place, *token, *before, *after;
    size_t n; /* given; of pictures in ids, their views */
};

static void kinds_of(const struct wc_model *m, const wc_prompt *p, struct kind kinds[N_KINDS])
{
    const wc_image_input *i = &m->net->image;
    const wc_audio_input *a = &m->net->audio;
    kinds[PICTURES] = (struct kind){"picture", "pictures", "image",   i->why_not, i->n_tokens, i->token_id,
                                    i->place,  i->token,   i->before, i->after,   p->n_media};
    kinds[SOUNDS] = (struct kind){"sound",  "sound",  "audio",   a->why_not, a->n_tokens, a->token_id,
                                  a->token, a->token, a->before, a->after,   p->n_sounds};
}

static bool check_kind(const struct wc_model *m, const struct kind *k, wc_error *err)
{
    if (k->n == 0 || k->n_tokens > 0)
        return true;
    return wc_fail(err, WC_REFUSED, "%s: this model takes no %s%s%s%s, %zu given; choose one with %s input",
                   m->name, k->many, k->why_not ? " (" : "", k->why_not ? k->why_not : "",
                   k->why_not ? ")" : "", k->n, k->input);
}

static bool check_places(const struct kind *k, const char *text, wc_error *err)
{
    const size_t places = k->n_tokens ? occurrences(text, k->place) : 0;
    return places == k->n || wc_fail(err, WC_REFUSED, "%ss: the prompt has %zu place%s for %ss, %zu given",
                                     k->one, places, places == 1 ? "" : "s", k->one, k->n);
}

/* The first place at or behind p, and whose it is. */
static const char *next_place(const struct kind kinds[N_KINDS], const char *p, const struct kind **which)
{
    const char *first = NULL;
    for (int i = 0; i < N_KINDS; i++) {
        const char *at = kinds[i].n > 0 ? strstr(p, kinds[i].place) : NULL;
        if (at && (!first || at < first)) {
            first = at;
            *which = &kinds[i];
        }
    }
    return first;
}

static void put_sound(const struct kind *k, wc_buf *out)
{
    wc_buf_puts(out, k->before);
    for (int i = 0; i < k->n_tokens; i++)
        wc_buf_puts(out, k->token);
    wc_buf_puts(out, k->after);
}

/* Replaces every place in the text by before, n_tokens places, after (Gemma3Processor, Gemma3nProcessor). */
static bool expand_places(const struct wc_model *m, const wc_prompt *prompt, const wc_views *views,
                          const char *text, wc_buf *out, wc_error *err)
{
    struct kind kinds[N_KINDS];
    const struct kind *k = NULL;
    size_t n_pictures = 0;
    kinds_of(m, prompt, kinds);
    kinds[PICTURES].n = views->n_pictures;
    for (int i = 0; i < N_KINDS; i++)
        if (!check_kind(m, &kinds[i], err) || !check_places(&kinds[i], text, err))
            return false;
    const char *p = text;
    for (const char *at; (at = next_place(kinds, p, &k)); p = at + strlen(k->place)) {
        wc_buf_add(out, p, (size_t)(at - p));
        if (k == &kinds[PICTURES])
            wc_views_put(views, &m->net->image, n_pictures++, out);
        else
            put_sound(k, out);
    }
    wc_buf_puts(out, p);
    return wc_buf_check(out, "prompt", err);
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
    if (!expand_places(m, p, views, rendered ? rendered : p->text, &expanded, err))
        goto done;
    ok = wc_tokenizer_encode(m->tokenizer, wc_buf_str(&expanded), expanded.size,
                             rendered ? 0 : WC_ENCODE_SPECIAL, ids, err);
done:
    wc_mem_free(rendered);
    wc_buf_release(&expanded);
    return ok;
}

/* A row of the model, or the place of a picture's row, which needs none: a picture is put wherever it stands. */
static bool has_row(const struct wc_model *m, int32_t id)
{
    const wc_image_input *in = &m->net->image;
    return id >= 0 && (id < m->net->n_vocab || (in->n_tokens > 0 && id == in->token_id));
}

/* Every id has a row in the model. */
static bool known_ids(const struct wc_model *m, const wc_ids *ids, wc_error *err)
{
    for (size_t i = 0; i < ids->size; i++)
        if (!has_row(m, ids->data[i]))
            return wc_fail(err, WC_BAD_FILE,
                           "%s/tokenizer.json: the prompt has id %d, the model's vocab_size is %d",
                           wc_checkpoint_path(m->files), (int)ids->data[i], m->net->n_vocab);
    return true;
}

static bool given_ids(const struct wc_model *m, const wc_prompt *p, wc_ids *ids, wc_error *err)
{
    for (size_t i = 0; i < p->n_ids; i++) {
        if (!has_row(m, p->ids[i]))
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

static void sound_progress(void *user, size_t done, size_t total)
{
    struct wc_session *s = user;
    s->progress(s->progress_user, "audio", done, total);
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

static bool encode_sound(struct wc_session *s, const struct wc_audio *sound, size_t padded,
                         wc_media_hold *hold, wc_error *err)
{
    const wc_ctx watch = {
        .cancel = &s->cancel, .progress = s->progress ? sound_progress : NULL, .progress_user = s};
    double start = wc_seconds();
    bool ok = wc_sound_encode(s->model, sound, padded, &watch, hold, err);
    s->audio_seconds += wc_seconds() - start;
    return ok;
}

/* Ids have as many places of each kind as what is given fills. */
static bool count_places(const struct wc_model *m, const struct kind *k, const wc_ids *ids, wc_error *err)
{
    size_t places = 0;
    if (!check_kind(m, k, err))
        return false;
    for (size_t i = 0; k->n_tokens && i < ids->size; i++)
        places += ids->data[i] == k->token_id;
    return places == k->n * (size_t)k->n_tokens ||
           wc_fail(err, WC_REFUSED, "%ss: the prompt has places for %zu rows, %zu %ss make %zu", k->one,
                   places, k->n, k->one, k->n * (size_t)k->n_tokens);
}

/* The places from at on that belong together become the next span. */
static bool take_span(const struct kind *k, size_t index, const wc_ids *ids, size_t at, wc_soft_span *span,
                      wc_error *err)
{
    span->start = (int)at;
    for (span->n = 0; at < ids->size && ids->data[at] == k->token_id && span->n < k->n_tokens; at++)
        span->n++;
    return span->n == k->n_tokens ||
           wc_fail(err, WC_REFUSED, "prompt ids: %s %zu: expected %d places in a row, found %d", k->one,
                   index, k->n_tokens, span->n);
}

/* Finds the runs of places and encodes what belongs there. */
static bool fill_places(struct wc_session *s, const wc_prompt *p, const struct kind kinds[N_KINDS],
                        const struct wc_audio *sounds, size_t padded, struct incoming *in, wc_error *err)
{
    size_t used[N_KINDS] = {0};
    for (size_t at = 0; at < in->ids.size;) {
        int i = 0;
        while (i < N_KINDS && !(kinds[i].n > 0 && in->ids.data[at] == kinds[i].token_id))
            i++;
        if (i == N_KINDS) {
            at++;
            continue;
        }
        wc_soft_span *span = &in->spans[in->n_spans];
        const size_t index = used[i]++;
        if (!take_span(&kinds[i], index, &in->ids, at, span, err))
            return false;
        bool ok = i == PICTURES ? encode_picture(s, &p->media[index], &span->hold, err)
                                : encode_sound(s, &sounds[index], padded, &span->hold, err);
        if (!ok)
            return false;
        in->n_spans++;
        at += (size_t)span->n;
    }
    return true;
}

static bool place_media(struct wc_session *s, const wc_prompt *p, struct incoming *in, wc_error *err)
{
    struct kind kinds[N_KINDS];
    size_t padded = 0;
    kinds_of(s->model, p, kinds);
    for (int i = 0; i < N_KINDS; i++)
        if (!count_places(s->model, &kinds[i], &in->ids, err))
            return false;
    const size_t n = p->n_media + p->n_sounds;
    if (n == 0)
        return true;
    in->spans = wc_mem_zalloc(n, sizeof *in->spans);
    if (!in->spans)
        return wc_fail_memory(err, n * sizeof *in->spans);
    double start = wc_seconds();
    struct wc_audio *sounds = wc_sounds_read(s->model, p->sounds, p->n_sounds, &padded, err);
    s->audio_seconds += wc_seconds() - start;
    bool ok = (sounds || p->n_sounds == 0) && fill_places(s, p, kinds, sounds, padded, in, err);
    wc_sounds_free(sounds, p->n_sounds);
    return ok;
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

/* Whether row i of the new prompt and of the session come from the same token and the same picture or sound. */
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
    for (int j = 0; j < s->n_spans;
         j++) /* a picture or a sound of the old prompt where the new one has none */
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
    if (!same_rope(s, s->n_tokens - 1, s->n_tokens)) /* the logits remain: those of the last row computed */
        s->n_computed = wc_kv_seq_truncate(&s->kv, 0);
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
    s->image_seconds = s->audio_seconds = 0;
    wc_buf_reset(&s->text);
    wc_views views = {0};
    bool ok = wc_views_init(&views, s->model, &p, err);
    p.media = views.media;
    p.n_media = views.n;
    ok = ok && (p.ids ? given_ids(s->model, &p, &in.ids, err)
                      : prompt_ids(s->model, &p, &views, &in.ids, err) && known_ids(s->model, &in.ids, err));
    if (ok && in.ids.size == 0)
        ok = begin_with_bos(s->model, &in.ids, err);
    if (ok && in.ids.size > (size_t)s->ctx)
        ok = too_long(s, &p, in.ids.size, err);
    ok = ok && place_media(s, &p, &in, err);
    if (ok)
        replace_tokens(s, &in);
    release_incoming(s, &in);
    wc_views_release(&views);
    return ok;
}
