/* whinchat.c - the border: checks handles and arguments, then calls the folders below. */
#include "whinchat.h"

#include <string.h>

#include "audio/decode.h"
#include "base/buf.h"
#include "base/file_map.h"
#include "base/mem.h"
#include "base/os.h"
#include "base/size.h"
#include "formats/hub.h"
#include "generate/bench.h"
#include "generate/convert.h"
#include "generate/likelihood.h"
#include "generate/rows.h"
#include "generate/session.h"
#include "generate/sound.h"
#include "generate/tasks.h"
#include "image/decode.h"
#include "kernels/cpu.h"
#include "verify/verify.h"

enum { OUTPUT_BYTES = 256 << 20 };

const char *wc_version(void)
{
    return WC_VERSION;
}

const char *wc_cpu_level(void)
{
    return wc_cpu_name(wc_cpu_chosen());
}

void wc_free(void *memory)
{
    wc_mem_free(memory);
}

char *wc_machine_json(void)
{
    wc_buf b;
    wc_buf_init(&b, 1 << 16);
    const char *reason = "";
    int threads = wc_default_threads(&reason);
    wc_buf_puts(&b, "{\"cpu\":");
    wc_buf_json_string(&b, wc_cpu_brand(), strlen(wc_cpu_brand()));
    wc_buf_printf(&b, ",\"level\":\"%s\",\"levels\":[", wc_cpu_level());
    bool first = true;
    for (int level = 0; level < WC_N_LEVELS; level++)
        if (wc_cpu_has((enum wc_level)level)) {
            wc_buf_printf(&b, "%s\"%s\"", first ? "" : ",", wc_cpu_name((enum wc_level)level));
            first = false;
        }
    wc_buf_printf(&b,
                  "],\"threads\":%d,\"threads_reason\":\"%s\",\"physical_cores\":%d,\"memory_bytes\":%llu,"
                  "\"memory_available_bytes\":%llu}",
                  threads, reason, wc_physical_cores(), (unsigned long long)wc_memory_total(),
                  (unsigned long long)wc_memory_available());
    return wc_buf_take(&b, NULL);
}

static bool missing(const void *p, const char *what, wc_error *err)
{
    return p ? false : !wc_fail(err, WC_BAD_ARGUMENT, "%s is NULL", what);
}

/* ---- models ---- */

wc_model *wc_model_open(const char *name, const wc_model_options *options, wc_error *err)
{
    return missing(name, "model name", err) ? NULL : wc_runtime_open(name, options, err);
}

void wc_model_free(wc_model *model)
{
    wc_runtime_close(model);
}

const char *wc_model_info(const wc_model *model)
{
    return model ? model->info : "{}";
}

/* ,"memory":{...}} in place of the closing brace of the info. */
static char *info_with_memory(const wc_model *m, int ctx, wc_error *err)
{
    wc_cost step = {0}, image = {0}, audio = {0};
    wc_dtype kv_dtype = wc_runtime_kv_dtype(m, WC_KV_AUTO);
    if (ctx <= 0 || ctx > m->net->context_length)
        ctx = m->net->context_length;
    if (!wc_runtime_step_cost(m, ctx < WC_DEFAULT_CHUNK_ROWS ? ctx : WC_DEFAULT_CHUNK_ROWS, 1, &step, err) ||
        (m->net->image.n_tokens && !wc_runtime_image_cost(m, &image, err)) ||
        (m->net->audio.n_tokens && !wc_sound_cost(m, wc_sound_max_frames(m), &audio, err)))
        return NULL;
    uint64_t files = wc_checkpoint_bytes(m->files);
    uint64_t by_row = m->net->row_bytes < files ? m->net->row_bytes : files;
    uint64_t kv = wc_kv_bytes(m->net->kv, m->net->n_kv, kv_dtype, ctx),
             work = wc_max_size(step.arena_bytes, wc_max_size(image.arena_bytes, audio.arena_bytes));
    wc_buf b;
    wc_buf_init(&b, 1 << 17);
    wc_buf_add(&b, m->info, strlen(m->info) - 1);
    wc_buf_printf(&b,
                  ",\"memory\":{\"ctx\":%d,\"weights_bytes\":%llu,\"resident_bytes\":%llu,\"kv_bytes\":%llu,"
                  "\"step_bytes\":%zu,"
                  "\"image_bytes\":%zu,\"audio_bytes\":%zu,\"total_bytes\":%llu}}",
                  ctx, (unsigned long long)files, (unsigned long long)(files - by_row),
                  (unsigned long long)kv, step.arena_bytes, image.arena_bytes, audio.arena_bytes,
                  (unsigned long long)(files - by_row + kv + work));
    char *text = wc_buf_take(&b, NULL);
    if (!text)
        wc_fail_memory(err, 1 << 17);
    return text;
}

char *wc_show(const char *name, const wc_model_options *options, int ctx, wc_error *err)
{
    wc_model *m = wc_model_open(name, options, err);
    char *text = m && m->net ? info_with_memory(m, ctx, err) : m ? wc_mem_strdup(m->info) : NULL;
    wc_model_free(m);
    return text;
}

char *wc_list(wc_error *err)
{
    wc_buf b;
    wc_buf_init(&b, OUTPUT_BYTES);
    char *text = wc_hub_list(&b, err) ? wc_buf_take(&b, NULL) : NULL;
    wc_buf_release(&b);
    return text;
}

/* ---- text ---- */

static bool has_tokenizer(const wc_model *m, wc_error *err)
{
    if (missing(m, "model", err))
        return false;
    return m->tokenizer ? true : wc_fail(err, WC_NOT_FOUND, "%s", m->tokenizer_error);
}

bool wc_tokenize(const wc_model *model, const char *text, size_t n_bytes, bool add_special_tokens,
                 int32_t **ids, size_t *n_ids, wc_error *err)
{
    wc_ids out = {0};
    if (!has_tokenizer(model, err) || missing(text, "text", err) || missing(ids, "ids", err) ||
        missing(n_ids, "n_ids", err))
        return false;
    if (!wc_tokenizer_encode(model->tokenizer, text, n_bytes, add_special_tokens ? WC_ENCODE_SPECIAL : 0,
                             &out, err)) {
        wc_ids_release(&out);
        return false;
    }
    *ids = out.data;
    *n_ids = out.size;
    return true;
}

char *wc_detokenize(const wc_model *model, const int32_t *ids, size_t n_ids, bool skip_special_tokens,
                    size_t *n_bytes, wc_error *err)
{
    wc_buf b;
    if (!has_tokenizer(model, err) || (n_ids > 0 && missing(ids, "ids", err)))
        return NULL;
    wc_buf_init(&b, OUTPUT_BYTES);
    if (wc_tokenizer_decode(model->tokenizer, ids, n_ids, skip_special_tokens, &b, err) &&
        wc_buf_check(&b, "text", err))
        return wc_buf_take(&b, n_bytes);
    wc_buf_release(&b);
    return NULL;
}

char *wc_chat_render(const wc_model *model, const char *template_source, const char *request, wc_error *err)
{
    wc_jinja *own = NULL;
    if (missing(request, "request", err))
        return NULL;
    if (template_source) {
        own = wc_jinja_compile(template_source, strlen(template_source), "template", NULL, err);
        if (!own)
            return NULL;
    } else if (missing(model, "model", err)) {
        return NULL;
    } else if (!model->chat_template) {
        wc_fail(err, WC_UNSUPPORTED, "%s: %s", model->name,
                model->template_error ? model->template_error
                                      : "no chat_template in chat_template.jinja or tokenizer_config.json");
        return NULL;
    }
    char *text = wc_chat_apply(own ? own : model->chat_template, request,
                               model ? model->special_tokens : NULL, 0, err);
    wc_jinja_free(own);
    return text;
}

char *wc_template_render(const char *template_source, const char *vars, const char *now, wc_error *err)
{
    if (missing(template_source, "template", err))
        return NULL;
    return wc_chat_render_plain(template_source, vars ? vars : "{}", now, err);
}

/* ---- pictures ---- */

char *wc_image_info(const char *path, wc_error *err)
{
    struct wc_image image = {0};
    struct wc_image_meta meta;
    if (missing(path, "path", err) || !wc_image_read(path, NULL, &image, &meta, err))
        return NULL;
    wc_buf b;
    wc_buf_init(&b, 1 << 12);
    wc_buf_printf(&b, "{\"format\":\"%s\",\"width\":%d,\"height\":%d,\"mode\":\"%s\"}", meta.format,
                  meta.width, meta.height, meta.mode);
    wc_image_free(&image);
    return wc_buf_take(&b, NULL);
}

/* ---- sounds ---- */

char *wc_audio_info(const char *path, wc_error *err)
{
    struct wc_audio audio = {0};
    struct wc_audio_meta meta;
    if (missing(path, "path", err) || !wc_audio_read(path, NULL, &audio, &meta, err))
        return NULL;
    wc_audio_free(&audio);
    wc_buf b;
    wc_buf_init(&b, 1 << 12);
    wc_buf_printf(&b, "{\"format\":\"%s\",\"rate\":%d,\"channels\":%d,\"seconds\":", meta.format, meta.rate,
                  meta.channels);
    if (meta.seconds >= 0)
        wc_buf_printf(&b, "%.3f", meta.seconds);
    else
        wc_buf_puts(&b, "null");
    wc_buf_printf(&b, ",\"cut\":%s}", meta.cut ? "true" : "false");
    return wc_buf_take(&b, NULL);
}

const char *wc_media_kind(const char *path)
{
    wc_file_map map = {0};
    bool audio = path && wc_file_map_open(&map, path, NULL) && wc_audio_is(map.data, map.size);
    wc_file_map_close(&map);
    return audio ? "audio" : "image";
}

/* ---- sessions ---- */

wc_session *wc_session_new(wc_model *model, const wc_session_options *options, wc_error *err)
{
    return missing(model, "model", err) ? NULL : wc_session_open(model, options, err);
}

void wc_session_free(wc_session *session)
{
    wc_session_close(session);
}

void wc_session_cancel(wc_session *session)
{
    if (session)
        atomic_store(&session->cancel, true);
}

bool wc_session_prompt(wc_session *session, const wc_prompt *prompt, wc_error *err)
{
    if (missing(session, "session", err) || missing(prompt, "prompt", err))
        return false;
    return wc_session_set_prompt(session, prompt, err);
}

void wc_session_on_progress(wc_session *session, wc_progress_fn fn, void *user)
{
    session->progress = fn;
    session->progress_user = user;
}

bool wc_generate(wc_session *const *sessions, size_t n, const wc_generate_options *options,
                 wc_event_fn on_event, void *user, wc_error *err)
{
    return (n > 0 && missing(sessions, "sessions", err))
               ? false
               : wc_generate_answers(sessions, n, options, on_event, user, err);
}

void wc_session_result(const wc_session *s, wc_result *result)
{
    wc_result r = {.size = result->size,
                   .finish = s->finish,
                   .seed = s->seed,
                   .n_prompt = (size_t)s->n_prompt,
                   .n_cached = (size_t)s->n_cached,
                   .n_ids = (size_t)(s->n_tokens - s->n_prompt),
                   .prompt_ids = s->tokens,
                   .ids = s->tokens + s->n_prompt,
                   .image_seconds = s->image_seconds,
                   .prefill_seconds = s->prefill_seconds,
                   .decode_seconds = s->decode_seconds,
                   .first_token_seconds = s->first_token_seconds,
                   .audio_seconds = s->audio_seconds};
    memcpy(result, &r, result->size < sizeof r ? result->size : sizeof r);
}

const char *wc_session_text(const wc_session *session)
{
    return wc_buf_str(&session->text);
}

const float *wc_session_logits(const wc_session *session, size_t *n_vocab)
{
    if (n_vocab)
        *n_vocab = (size_t)session->model->net->n_vocab;
    return session->has_logits ? session->logits : NULL;
}

void wc_session_observe(wc_session *session, wc_observer_fn fn, void *user)
{
    session->observe = fn;
    session->observe_user = user;
}

/* ---- encoders ---- */

int32_t wc_token_id(const wc_model *model, const char *token, size_t n_bytes)
{
    return model && token && model->tokenizer ? wc_tokenizer_find(model->tokenizer, token, n_bytes) : -1;
}

/* The options as this library knows them, when the texts [n] are all there. */
static bool encode_options(const wc_model *model, const wc_string *texts, size_t n,
                           const wc_encode_options *options, wc_encode_options *o, wc_error *err)
{
    *o = (wc_encode_options){0};
    if (options)
        memcpy(o, options, options->size < sizeof *o ? options->size : sizeof *o);
    if (missing(model, "model", err) || (n > 0 && missing(texts, "texts", err)))
        return false;
    for (size_t i = 0; i < n; i++)
        if (texts[i].n_bytes > 0 && missing(texts[i].text, "text", err))
            return false;
    return true;
}

float *wc_embed(wc_model *model, const wc_string *texts, size_t n, const wc_encode_options *options,
                size_t *width, wc_error *err)
{
    wc_encode_options o;
    if (!encode_options(model, texts, n, options, &o, err) || missing(width, "width", err))
        return NULL;
    return wc_task_embed(model, texts, n, &o, width, err);
}

bool wc_similarity(const float *x, const float *vectors, size_t n, size_t width, float *scores, wc_error *err)
{
    if (missing(x, "x", err) ||
        (n > 0 && (missing(vectors, "vectors", err) || missing(scores, "scores", err))))
        return false;
    const wc_kernels *k = wc_cpu_kernels(wc_cpu_chosen());
    k->dot[WC_F32](scores, n, x, width, 1, vectors, width, n, width);
    return true;
}

float *wc_rerank(wc_model *model, wc_string query, const wc_string *documents, size_t n,
                 const wc_encode_options *options, wc_error *err)
{
    wc_encode_options o;
    if (!encode_options(model, documents, n, options, &o, err) ||
        !encode_options(model, &query, 1, options, &o, err))
        return NULL;
    return wc_task_rerank(model, query, documents, n, &o, err);
}

float *wc_classify(wc_model *model, const wc_string *texts, size_t n, const wc_encode_options *options,
                   size_t *n_labels, wc_error *err)
{
    wc_encode_options o;
    if (!encode_options(model, texts, n, options, &o, err) || missing(n_labels, "n_labels", err))
        return NULL;
    return wc_task_classify(model, texts, n, &o, n_labels, err);
}

char *wc_classify_tokens(wc_model *model, wc_string text, const wc_encode_options *options, wc_error *err)
{
    wc_encode_options o;
    if (!encode_options(model, &text, 1, options, &o, err))
        return NULL;
    return wc_task_classify_tokens(model, text, &o, err);
}

char *wc_fill(wc_model *model, wc_string text, const wc_encode_options *options, wc_error *err)
{
    wc_encode_options o;
    if (!encode_options(model, &text, 1, options, &o, err))
        return NULL;
    return wc_task_fill(model, text, &o, err);
}

char *wc_tokens(const wc_model *model, wc_string text, const wc_string *pair,
                const wc_encode_options *options, wc_error *err)
{
    wc_encode_options o;
    if (!encode_options(model, &text, 1, options, &o, err) ||
        (pair && !encode_options(model, pair, 1, options, &o, err)))
        return NULL;
    return wc_rows_tokens(model, text, pair, &o, err);
}

float *wc_encode(wc_model *model, const wc_token_list *lists, size_t n, int what,
                 const wc_encode_options *options, size_t *n_rows, size_t *width, wc_error *err)
{
    wc_encode_options o;
    if (!encode_options(model, NULL, 0, options, &o, err) || (n > 0 && missing(lists, "lists", err)) ||
        missing(n_rows, "n_rows", err) || missing(width, "width", err))
        return NULL;
    for (size_t i = 0; i < n; i++)
        if (missing(lists[i].ids, "ids", err))
            return NULL;
    return wc_rows_encode(model, lists, n, what, &o, n_rows, width, err);
}

/* ---- verify and bench ---- */

bool wc_verify(const char *name, const wc_model_options *model_options, const wc_verify_options *options,
               wc_check_fn on_check, void *user, size_t *n_passed, size_t *n_failed, wc_error *err)
{
    if (missing(name, "folder", err))
        return false;
    return wc_verify_run(name, model_options, options, on_check, user, n_passed, n_failed, err);
}

static bool convert(const char *name, const char *out, const char *type, bool mmproj, wc_progress_fn progress,
                    void *user, wc_error *err)
{
    if (missing(name, "model name", err) || missing(out, "output", err) || missing(type, "type", err))
        return false;
    return wc_convert_run(name, out, type, mmproj, progress, user, err);
}

bool wc_convert(const char *name, const char *out, const char *type, wc_progress_fn progress, void *user,
                wc_error *err)
{
    return convert(name, out, type, false, progress, user, err);
}

bool wc_convert_mmproj(const char *name, const char *out, const char *type, wc_progress_fn progress,
                       void *user, wc_error *err)
{
    return convert(name, out, type, true, progress, user, err);
}

static bool no_weights(const wc_model *model, wc_error *err)
{
    return !model->net && !wc_fail(err, WC_BAD_ARGUMENT, "model: opened with tokenizer_only");
}

static wc_text_options text_options(const wc_text_options *options)
{
    wc_text_options o = {0};
    if (options)
        memcpy(&o, options, options->size < sizeof o ? options->size : sizeof o);
    return o;
}

char *wc_perplexity(wc_model *model, const char *text, size_t n_bytes, const wc_text_options *options,
                    wc_error *err)
{
    const wc_text_options o = text_options(options);
    if (missing(model, "model", err) || missing(text, "text", err) || no_weights(model, err))
        return NULL;
    return wc_likelihood_perplexity(model, text, n_bytes, &o, err);
}

char *wc_compare(wc_model *a, wc_model *b, const char *text, size_t n_bytes, const wc_text_options *options,
                 wc_error *err)
{
    const wc_text_options o = text_options(options);
    if (missing(a, "model a", err) || missing(b, "model b", err) || missing(text, "text", err) ||
        no_weights(a, err) || no_weights(b, err))
        return NULL;
    return wc_likelihood_compare(a, b, text, n_bytes, &o, err);
}

char *wc_bench(const char *name, const wc_model_options *model_options, const wc_bench_options *options,
               wc_error *err)
{
    return wc_bench_run(name, model_options, options, err);
}
