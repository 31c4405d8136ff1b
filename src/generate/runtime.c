/* runtime.c - opens a model: files, then the network, then words, pictures and sound; and rehearses what a step needs. */
#include "generate/runtime.h"
#include "generate/borrow.h"

#include <math.h>
#include <string.h>

#include "base/buf.h"
#include "base/file_map.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/os.h"
#include "formats/config.h"
#include "generate/sound.h"
#include "generate/tasks.h"
#include "image/decode.h"

enum { MEDIA_CACHE_BYTES = 64 << 20, F32_INDEX = 0, BF16_INDEX = 1 };

/* ---- generation_config.json ---- */

/* eos_token_id: a number or a list of them. */
static bool read_eos(struct wc_model *m, const char *file, const wc_json *v, wc_error *err)
{
    wc_generation_config *g = &m->generation;
    size_t n = wc_json_is(v, WC_JSON_ARRAY) ? wc_json_count(v) : wc_json_is_null(v) ? 0 : 1;
    if (n > WC_MAX_EOS)
        return wc_fail(err, WC_BAD_FILE, "%s: eos_token_id: expected at most %d ids, found %zu", file,
                       WC_MAX_EOS, n);
    for (size_t i = 0; i < n; i++) {
        const wc_json *id = wc_json_is(v, WC_JSON_ARRAY) ? wc_json_item(v, i) : v;
        if (!wc_json_is(id, WC_JSON_INT) || id->u.integer < 0 || id->u.integer >= m->net->n_vocab)
            return wc_fail(err, WC_BAD_FILE, "%s: eos_token_id: expected ids from 0 to %d, found %s", file,
                           m->net->n_vocab - 1,
                           wc_json_is(id, WC_JSON_INT) || wc_json_is(id, WC_JSON_BIGINT)
                               ? "one outside"
                               : wc_json_type_name(id));
        g->eos[g->n_eos++] = (int32_t)id->u.integer;
    }
    return true;
}

static bool read_generation_config(struct wc_model *m, wc_error *err)
{
    wc_generation_config *g = &m->generation;
    const wc_json *v = wc_checkpoint_generation(m->files), *config = wc_checkpoint_config(m->files);
    const char *config_file = wc_checkpoint_config_file(m->files);
    const char *file = wc_path_join(m->arena, wc_checkpoint_path(m->files), "generation_config.json");
    if (!file)
        return wc_fail_memory(err, 100);
    bool ok = wc_config_bool_or(file, v, "do_sample", false, &g->do_sample, err) &&
              wc_config_int_or(file, v, "max_new_tokens", 0, 0, 1 << 30, &g->max_new_tokens, err) &&
              wc_config_float_or(file, v, "temperature", 1, 0, 1e6, &g->temperature, err) &&
              wc_config_int_or(file, v, "top_k", 50, 0, 1 << 30, &g->top_k, err) &&
              wc_config_float_or(file, v, "top_p", 1, 0, 1, &g->top_p, err) &&
              wc_config_float_or(file, v, "min_p", 0, 0, 1, &g->min_p, err) &&
              wc_config_float_or(file, v, "typical_p", 1, 0, 1, &g->typical_p, err) &&
              wc_config_float_or(file, v, "repetition_penalty", 1, 1e-6, 1e6, &g->repetition_penalty, err);
    if (!ok)
        return false;
    const wc_json *eos = wc_json_get(v, "eos_token_id");
    if (!wc_json_is_null(eos))
        return read_eos(m, file, eos, err);
    eos = wc_json_get(config, "eos_token_id");
    if (wc_json_is_null(eos))
        eos = wc_json_path(config, "text_config.eos_token_id");
    if (!wc_json_is_null(eos))
        return read_eos(m, config_file, eos, err);
    int32_t id = m->tokenizer ? wc_tokenizer_special_id(m->tokenizer, "eos_token") : -1;
    if (id >= 0 && id < m->net->n_vocab)
        g->eos[g->n_eos++] = id;
    return true;
}

bool wc_is_eos(const struct wc_model *m, int32_t id)
{
    for (int i = 0; i < m->generation.n_eos; i++)
        if (m->generation.eos[i] == id)
            return true;
    return false;
}

/* ---- words ---- */

/* Remembers why something that not every use needs could not be had. */
static char *keep_error(struct wc_model *m, const wc_error *err)
{
    return wc_arena_strdup(m->arena, err->text);
}

/* The special tokens as the template sees them. */
static bool read_special_tokens(struct wc_model *m, wc_error *err)
{
    wc_buf b;
    wc_buf_init(&b, 1 << 24);
    wc_tokenizer_special_tokens(m->tokenizer, &b);
    if (wc_buf_check(&b, "special tokens", err))
        m->special_tokens = wc_json_parse(m->arena, wc_buf_str(&b), b.size, "special tokens", 0, err);
    wc_buf_release(&b);
    return m->special_tokens != NULL;
}

/* The tokenizer from whichever file of c has it; *why says what was looked for when there is none, and err is untouched. */
static bool open_tokenizer_of(struct wc_model *m, const wc_checkpoint *c, wc_error *why, wc_error *err)
{
    const wc_json *config = wc_checkpoint_tokenizer_config(c), *metadata = wc_checkpoint_gguf_tokenizer(c);
    const char *folder = wc_checkpoint_path(c);
    size_t n = 0;
    if (metadata) {
        if (wc_json_count(metadata) == 0) {
            wc_fail(why, WC_NOT_FOUND, "%s: no tokenizer: expected keys of \"tokenizer.\", found none",
                    folder);
            return true;
        }
        m->tokenizer = wc_tokenizer_from_gguf(metadata, folder, err);
        return m->tokenizer != NULL;
    }
    const wc_json *json = wc_checkpoint_tokenizer(c, why);
    if (json) {
        const char *file = wc_path_join(m->arena, folder, "tokenizer.json");
        m->tokenizer = file ? wc_tokenizer_from_json(json, config, file, err) : NULL;
        return m->tokenizer != NULL;
    }
    if (why->code != WC_NOT_FOUND) {
        if (err)
            *err = *why;
        return false;
    }
    wc_error broken = {0};
    const char *pieces = wc_checkpoint_tokenizer_model(c, &n, &broken);
    if (pieces) {
        const char *file = wc_path_join(m->arena, folder, "tokenizer.model");
        m->tokenizer = file ? wc_tokenizer_from_sentencepiece(pieces, n, config, file, err) : NULL;
        return m->tokenizer != NULL;
    }
    if (broken.code && err)
        *err = broken;
    wc_fail(why, WC_NOT_FOUND,
            "%s: no tokenizer: expected tokenizer.json or tokenizer.model, found neither; "
            "--tokenizer names a folder that has one",
            folder);
    return !broken.code;
}

/* The model's own, or the one that its makers took from another model. */
static bool open_tokenizer(struct wc_model *m, bool may_borrow, wc_error *why, wc_error *err)
{
    if (!open_tokenizer_of(m, m->files, why, err))
        return false;
    if (m->tokenizer || !may_borrow)
        return true;
    const char *maker = wc_borrowed_from(m->files);
    wc_checkpoint *other = wc_borrow_tokenizer(m->files);
    if (other) {
        const bool ok = open_tokenizer_of(m, other, why, err);
        wc_checkpoint_close(other);
        return ok;
    }
    if (maker)
        wc_fail(why, WC_NOT_FOUND,
                "%s: no tokenizer: this model has that of %s, which is not in the Hugging Face cache; fetch "
                "it, or "
                "give a folder that has it by --tokenizer",
                wc_checkpoint_path(m->files), maker);
    return true;
}

/* Tokenizer and template.  A model without them is fine (ids go in and out); a broken file is an error. */
static bool open_text(struct wc_model *m, bool may_borrow, wc_error *err)
{
    wc_error why = {0};
    if (!open_tokenizer(m, may_borrow, &why, err) || (m->tokenizer && !read_special_tokens(m, err)))
        return false;
    wc_checkpoint_drop_tokenizer(m->files);
    if (!m->tokenizer)
        m->tokenizer_error = keep_error(m, &why);
    size_t n = 0;
    const char *source = wc_checkpoint_template(m->files, NULL, &n);
    if (source) {
        m->chat_template = wc_jinja_compile(source, n, "chat_template", NULL, &why);
        if (!m->chat_template)
            m->template_error = keep_error(m, &why);
    }
    return true;
}

/* ---- the network ---- */

/* A tokenizer may know more ids than the model has rows (transformers loads that too); using one fails. */
static void check_vocabulary(struct wc_model *m)
{
    const size_t words = m->tokenizer ? wc_tokenizer_vocab_size(m->tokenizer) : 0;
    const wc_image_input *in = &m->net->image;
    const bool of_pictures = in->n_tokens > 0 && in->token_id == m->net->n_vocab;
    if (words <= (size_t)m->net->n_vocab + of_pictures)
        return;
    wc_error warning;
    wc_fail(&warning, WC_BAD_FILE,
            "%s/tokenizer.json: expected ids below config.json's vocab_size %d, found %zu",
            wc_checkpoint_path(m->files), m->net->n_vocab, words - 1);
    m->warning = keep_error(m, &warning);
}

/* Made-up weights come with a bare configuration: pictures are of the published size then, without any processing. */
static bool open_images(struct wc_model *m, bool made_up, wc_error *err)
{
    wc_image_input *in = &m->net->image;
    in->why_not = wc_checkpoint_no_tower(m->files);
    if (in->n_tokens == 0)
        return true;
    m->images = wc_arena_zalloc(m->arena, 1, sizeof *m->images);
    if (!m->images)
        return wc_fail_memory(err, sizeof *m->images);
    if (made_up && !wc_checkpoint_processor(m->files)) {
        *m->images = (struct wc_image_processor){.height = in->height, .width = in->width};
        return true;
    }
    const char *file = wc_checkpoint_processor_file(m->files);
    if (!file)
        file = wc_path_join(m->arena, wc_checkpoint_path(m->files), "preprocessor_config.json");
    if (!file || !wc_image_processor_from_config(wc_checkpoint_processor(m->files), file, m->images, err))
        return false;
    if (!m->images->do_resize || m->images->height == 0)
        return wc_fail(
            err, WC_UNSUPPORTED,
            "%s: size: expected do_resize true with height and width, found pictures of many sizes", file);
    if (in->one_size && (in->height != m->images->height || in->width != m->images->width))
        return wc_fail(err, WC_BAD_FILE,
                       "%s: size: expected %d x %d as vision_config of config.json says, found %d x %d", file,
                       in->width, in->height, m->images->width, m->images->height);
    if (m->images->crops.on && !in->original)
        return wc_fail(err, WC_UNSUPPORTED, "%s: do_pan_and_scan: expected false for %s, found true", file,
                       m->net->family->name);
    in->height = m->images->height;
    in->width = m->images->width;
    return true;
}

static bool open_audio(struct wc_model *m, wc_error *err)
{
    wc_audio_input *in = &m->net->audio;
    if (wc_checkpoint_no_sound(m->files))
        in->why_not = wc_checkpoint_no_sound(m->files);
    if (in->n_tokens == 0)
        return true;
    const char *file = wc_path_join(m->arena, wc_checkpoint_path(m->files), "preprocessor_config.json");
    m->mel = wc_arena_zalloc(m->arena, 1, sizeof *m->mel);
    if (!file || !m->mel)
        return wc_fail_memory(err, sizeof *m->mel);
    if (!wc_mel_from_config(m->mel, m->arena, wc_checkpoint_feature_extractor(m->files), file, err))
        return false;
    return m->mel->n_mels == in->bands ||
           wc_fail(err, WC_BAD_FILE, "%s: feature_size: expected %d (audio_config.input_feat_size), found %d",
                   file, in->bands, m->mel->n_mels);
}

static bool open_sentence(struct wc_model *m, wc_error *err)
{
    if (!m->net->encoder)
        return true;
    m->sentence = wc_sentence_open(m->arena, m->files, m->net, err);
    return m->sentence != NULL;
}

static bool open_net(struct wc_model *m, const wc_model_options *o, wc_error *err)
{
    m->net = wc_net_load(m->arena, m->files, o->slice, err);
    if (!m->net || !read_generation_config(m, err) || !open_images(m, o->random_dtype != NULL, err) ||
        !open_audio(m, err) || !open_sentence(m, err))
        return false;
    check_vocabulary(m);
    m->backend = wc_backend_cpu_open(o->n_threads, o->compute == WC_COMPUTE_F32, err);
    m->media = wc_media_cache_new(MEDIA_CACHE_BYTES);
    if (m->backend && !m->media)
        wc_fail_memory(err, 1000);
    return m->backend && m->media;
}

/* What an answer is made with when the caller says nothing, and what stands for a picture in the prompt's text. */
static void write_defaults(const struct wc_model *m, wc_buf *b)
{
    const wc_generation_config *g = &m->generation;
    const wc_image_input *in = &m->net->image;
    wc_buf_printf(b,
                  ",\"generation\":{\"do_sample\":%s,\"max_new_tokens\":%d,\"temperature\":%g,\"top_k\":%d,"
                  "\"top_p\":%g,\"min_p\":%g,\"typical_p\":%g,\"repetition_penalty\":%g,\"eos_token_id\":[",
                  g->do_sample ? "true" : "false", g->max_new_tokens, g->temperature, g->top_k, g->top_p,
                  g->min_p, g->typical_p, g->repetition_penalty);
    for (int i = 0; i < g->n_eos; i++)
        wc_buf_printf(b, "%s%d", i ? "," : "", g->eos[i]);
    wc_buf_puts(b, "]}");
    if (in->n_tokens) {
        wc_buf_printf(b, ",\"image\":{\"height\":%d,\"width\":%d,\"tokens\":%d,\"token\":", in->height,
                      in->width, in->n_tokens);
        wc_buf_json_string(b, in->token, strlen(in->token));
        wc_buf_puts(b, "}");
    }
}

static bool write_info(struct wc_model *m, wc_error *err)
{
    wc_buf b;
    wc_buf_init(&b, 1 << 16);
    wc_buf_puts(&b, "{\"name\":");
    wc_buf_json_string(&b, m->name, strlen(m->name));
    wc_buf_puts(&b, ",\"path\":");
    wc_buf_json_string(&b, wc_checkpoint_path(m->files), strlen(wc_checkpoint_path(m->files)));
    const char *tower = wc_checkpoint_tower_file(m->files);
    if (tower) {
        wc_buf_puts(&b, ",\"mmproj\":");
        wc_buf_json_string(&b, tower, strlen(tower));
    }
    if (m->net) {
        const wc_net *n = m->net;
        wc_buf_puts(&b, ",\"architecture\":");
        wc_buf_json_string(&b, n->family->name, strlen(n->family->name));
        wc_buf_puts(&b, ",\"model_type\":");
        wc_buf_json_string(&b, n->model_type, strlen(n->model_type));
        wc_buf_printf(
            &b,
            ",\"parameters\":%llu,\"dtype\":\"%s\",\"layers\":%d,\"hidden_size\":%d,\"vocab_size\":%d,"
            "\"context_length\":%d",
            (unsigned long long)n->n_params, wc_dtype_get(n->dtype)->name, n->n_layers, n->hidden_size,
            n->n_vocab, n->context_length);
        write_defaults(m, &b);
        if (n->audio.n_tokens) {
            wc_buf_printf(&b, ",\"audio\":{\"rate\":%d,\"seconds\":%g,\"tokens\":%d,\"token\":",
                          m->mel->sampling_rate, wc_sound_max_seconds(m), n->audio.n_tokens);
            wc_buf_json_string(&b, n->audio.token, strlen(n->audio.token));
            wc_buf_putc(&b, '}');
        }
        wc_buf_printf(&b, ",\"modalities\":[\"text\"%s%s]", n->image.n_tokens ? ",\"image\"" : "",
                      n->audio.n_tokens ? ",\"audio\"" : "");
        wc_task_info(m, &b);
    }
    if (m->tokenizer)
        wc_buf_printf(&b, ",\"tokens\":%zu", wc_tokenizer_vocab_size(m->tokenizer));
    wc_buf_puts(&b, ",\"warnings\":[");
    if (m->warning)
        wc_buf_json_string(&b, m->warning, strlen(m->warning));
    wc_buf_printf(&b, "],\"chat_template\":%s}", m->chat_template ? "true" : "false");
    m->info = wc_buf_ok(&b) ? wc_arena_strdup(m->arena, wc_buf_str(&b)) : NULL;
    wc_buf_release(&b);
    return m->info ? true : wc_fail_memory(err, 1 << 16);
}

static bool open_files(struct wc_model *m, const char *name, const wc_model_options *o, wc_error *err)
{
    wc_checkpoint_options c = {.config = o->config, .tokenizer = o->tokenizer, .mmproj = o->mmproj};
    const char *path = name;
    if (o->random_dtype) {
        c.flags = WC_CHECKPOINT_RANDOM;
        bool known = false;
        for (int t = 0; t < WC_N_DTYPES; t++)
            if (wc_dtype_get((wc_dtype)t)->weight &&
                strcmp(wc_dtype_get((wc_dtype)t)->name, o->random_dtype) == 0) {
                c.random_dtype = (wc_dtype)t;
                known = true;
            }
        if (!known)
            return wc_fail(err, WC_BAD_ARGUMENT, "--dtype: expected f32, bf16 or f16, found %s",
                           o->random_dtype);
    } else if (!(path = wc_hub_resolve(m->arena, name, err))) {
        return false;
    }
    if (o->tokenizer_only)
        c.flags |= WC_CHECKPOINT_NO_WEIGHTS;
    m->files = wc_checkpoint_open(path, &c, err);
    return m->files != NULL;
}

struct wc_model *wc_runtime_open(const char *name, const wc_model_options *options, wc_error *err)
{
    wc_model_options o = {0};
    if (options)
        memcpy(&o, options, options->size < sizeof o ? options->size : sizeof o);
    struct wc_model *m = wc_mem_zalloc(1, sizeof *m);
    if (!m) {
        wc_fail_memory(err, sizeof *m);
        return NULL;
    }
    pthread_mutex_init(&m->lock, NULL);
    m->arena = wc_arena_new(0);
    m->arenas = wc_arenas_new();
    m->name = m->arena && m->arenas ? wc_arena_strdup(m->arena, name) : NULL;
    bool ok = m->name ? true : wc_fail_memory(err, strlen(name));
    ok = ok && open_files(m, name, &o, err) && open_text(m, !o.tokenizer, err) &&
         (o.tokenizer_only || open_net(m, &o, err)) && write_info(m, err);
    if (!ok) {
        wc_runtime_close(m);
        return NULL;
    }
    return m;
}

void wc_runtime_close(struct wc_model *m)
{
    if (!m)
        return;
    wc_arenas_free(m->arenas);
    wc_kv_store_free(m->kv[F32_INDEX]);
    wc_kv_store_free(m->kv[BF16_INDEX]);
    wc_media_cache_free(m->media);
    wc_backend_close(m->backend);
    wc_sentence_close(m->sentence);
    wc_jinja_free(m->chat_template);
    wc_tokenizer_free(m->tokenizer);
    wc_checkpoint_close(m->files);
    wc_arena_free(m->arena);
    pthread_mutex_destroy(&m->lock);
    wc_mem_free(m);
}

wc_dtype wc_runtime_kv_dtype(const struct wc_model *m, int kv_type)
{
    if (kv_type == WC_KV_F32 || (kv_type == WC_KV_AUTO && m->net->dtype == WC_F32))
        return WC_F32;
    return WC_BF16;
}

wc_kv_store *wc_runtime_kv(struct wc_model *m, wc_dtype dtype)
{
    wc_kv_store **store = &m->kv[dtype == WC_F32 ? F32_INDEX : BF16_INDEX];
    pthread_mutex_lock(&m->lock);
    if (!*store)
        *store = wc_kv_store_new(m->net->kv, m->net->n_kv, dtype, NULL);
    pthread_mutex_unlock(&m->lock);
    return *store;
}

/* ---- rehearsals ---- */

bool wc_runtime_step_cost(const struct wc_model *m, int rows, int out, wc_cost *cost, wc_error *err)
{
    if (m->net->encoder)
        return wc_encode_cost(m, rows, cost, err);
    wc_arena *dry = wc_arena_new_dry();
    if (!dry)
        return wc_fail_memory(err, 100);
    /* what wc_step keeps beside the pass: ids and the like, soft rows, page lists of up to `rows` sequences */
    size_t own = (size_t)rows * (8 * 64 + (size_t)m->net->hidden_size * sizeof(float)) +
                 (size_t)m->net->n_kv * ((size_t)rows * sizeof(void *) + 64 + sizeof(wc_kv_layer)) + 4096;
    wc_arena_alloc(dry, own);
    static const int32_t nothing;
    const wc_batch batch = {.rows = {.n = rows, .pos = &nothing, .seq = &nothing, .n_seqs = 1},
                            .n_soft = rows,
                            .kv = wc_arena_alloc(dry, 64),
                            .out_rows = &nothing,
                            .n_out = out};
    wc_ctx c = {.backend = m->backend, .step = dry};
    m->net->family->forward(&c, m->net, &batch);
    *cost = (wc_cost){wc_arena_peak(dry), c.flops, c.weight_bytes};
    wc_arena_free(dry);
    return c.failed ? wc_fail(err, WC_NO_MEMORY, "a step of %d rows does not fit into memory", rows) : true;
}

bool wc_runtime_image_cost(const struct wc_model *m, wc_cost *cost, wc_error *err)
{
    wc_arena *dry = wc_arena_new_dry();
    if (!dry)
        return wc_fail_memory(err, 100);
    wc_ctx c = {.backend = m->backend, .step = dry, .whole = true};
    wc_tensor pixels = wc_op_new(&c, WC_SHAPE((size_t)m->net->image.height, (size_t)m->net->image.width, 3));
    m->net->family->encode_image(&c, m->net, pixels);
    *cost = (wc_cost){wc_arena_peak(dry), c.flops, c.weight_bytes};
    wc_arena_free(dry);
    return c.failed ? wc_fail(err, WC_NO_MEMORY, "a picture does not fit into memory") : true;
}

wc_arena *wc_runtime_take_arena(struct wc_model *m, int rows, int out, wc_error *err)
{
    wc_cost cost;
    if (!wc_runtime_step_cost(m, rows, out, &cost, err))
        return NULL;
    wc_arena *a = wc_arenas_take(m->arenas, cost.arena_bytes);
    if (!a)
        wc_fail_memory(err, cost.arena_bytes);
    return a;
}

/* ---- pictures ---- */

static bool copy_pixels(const wc_media *p, struct wc_image *image, wc_error *err)
{
    if (p->width < 1 || p->height < 1 || p->width > 1 << 16 || p->height > 1 << 16)
        return wc_fail(err, WC_BAD_ARGUMENT, "picture: expected a size of 1 to 65536, found %d x %d",
                       p->width, p->height);
    const size_t bytes = (size_t)p->width * (size_t)p->height * 3;
    image->rgb = wc_mem_alloc(bytes);
    if (!image->rgb)
        return wc_fail_memory(err, bytes);
    memcpy(image->rgb, p->rgb, bytes);
    image->width = p->width;
    image->height = p->height;
    return true;
}

bool wc_runtime_read_image(const wc_media *p, struct wc_image *image, wc_error *err)
{
    *image = (struct wc_image){0};
    if (p->rgb)
        return copy_pixels(p, image, err);
    if (p->data)
        return wc_image_decode(p->data, p->n_bytes, "picture", NULL, image, NULL, err);
    if (p->path)
        return wc_image_read(p->path, NULL, image, NULL, err);
    return wc_fail(err, WC_BAD_ARGUMENT, "picture: expected a path, bytes or pixels, found nothing");
}

static void digest_of(const struct wc_image *image, uint8_t digest[32])
{
    wc_sha256 h;
    const int32_t size[2] = {image->width, image->height};
    wc_sha256_init(&h);
    wc_sha256_add(&h, size, sizeof size);
    wc_sha256_add(&h, image->rgb, (size_t)image->width * (size_t)image->height * 3);
    wc_sha256_end(&h, digest);
}

bool wc_runtime_encode(struct wc_model *m, const wc_ctx *watch, size_t arena_bytes, const uint8_t digest[32],
                       wc_encoder_fn encode, void *input, wc_media_hold *hold, wc_error *err)
{
    bool ok = false;
    wc_ctx c = *watch;
    wc_tensor rows = {0};
    /* what is computed only to be shown was not rehearsed */
    c.step = wc_arenas_take(m->arenas, c.observe ? 0 : arena_bytes);
    c.backend = m->backend;
    c.whole = true;
    if (!c.step)
        return wc_fail_memory(err, arena_bytes);
    if (!encode(input, &c, &rows, err))
        goto done;
    if (c.stopped)
        ok = wc_fail(err, WC_CANCELLED, "cancelled");
    else if (c.failed)
        ok = wc_fail(err, WC_FAILED, "internal: an encoder needed more memory than its rehearsal");
    else if (!wc_media_add(m->media, digest, rows.data, wc_tensor_elems(&rows), hold))
        ok = wc_fail_memory(err, 4 * wc_tensor_elems(&rows));
    else
        ok = true;
done:
    wc_arenas_put(m->arenas, c.step);
    return ok;
}

struct picture {
    const struct wc_model *m;
    const struct wc_image *image;
};

static bool encode_picture(void *input, wc_ctx *c, wc_tensor *rows, wc_error *err)
{
    const struct picture *p = input;
    const wc_image_input *in = &p->m->net->image;
    wc_tensor pixels = wc_op_new(c, WC_SHAPE((size_t)in->height, (size_t)in->width, 3));
    if (!c->failed && !wc_image_preprocess(p->m->images, p->image, WC_IMAGE_HWC, pixels.data, err))
        return false;
    *rows = p->m->net->family->encode_image(c, p->m->net, pixels);
    return true;
}

bool wc_runtime_encode_image(struct wc_model *m, const wc_media *picture, const atomic_bool *cancel,
                             wc_observe_fn observe, void *observe_user,
                             void (*progress)(void *, size_t, size_t), void *progress_user,
                             wc_media_hold *hold, wc_error *err)
{
    struct wc_image image;
    uint8_t digest[32];
    wc_cost cost;
    if (!wc_runtime_read_image(picture, &image, err))
        return false;
    digest_of(&image, digest);
    struct picture input = {m, &image};
    const wc_ctx watch = {.observe = observe,
                          .observe_user = observe_user,
                          .cancel = cancel,
                          .progress = progress,
                          .progress_user = progress_user};
    bool ok = (!observe && wc_media_find(m->media, digest, hold)) ||
              (wc_runtime_image_cost(m, &cost, err) &&
               wc_runtime_encode(m, &watch, cost.arena_bytes, digest, encode_picture, &input, hold, err));
    wc_image_free(&image);
    return ok;
}
