/* bench.c - medians of interleaved runs of prefill, decode, picture and sound encoding, and the ceilings from the same run.
 *
 * A decode step must read every weight but the tables that are read by row; a prefill is arithmetic.  So each figure stands
 * beside its share of the machine's bare rate.  Machines are noisy: the rates are measured before and after each run, that of memory
 * also every second of a decode, and a run's share is that of their mean. */
#include "generate/bench.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/os.h"
#include "generate/session.h"
#include "generate/sound.h"

enum { MAX_REPEAT = 100, DEFAULT_REPEAT = 3 };
static const double LOOK_SECONDS = 1;

/* Of every round: tokens, pictures and sounds a second, the ceilings around each kind of run, and all that were measured. */
struct rounds {
    int n, n_limits;
    double prefill[MAX_REPEAT], decode[MAX_REPEAT], image[MAX_REPEAT], audio[MAX_REPEAT], first[MAX_REPEAT];
    double text_flops[MAX_REPEAT], text_bytes[MAX_REPEAT], image_flops[MAX_REPEAT], audio_flops[MAX_REPEAT];
    double flops[4 * MAX_REPEAT], bytes[4 * MAX_REPEAT];
};

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(const double *values, int n)
{
    double sorted[4 * MAX_REPEAT];
    if (n == 0)
        return 0;
    memcpy(sorted, values, (size_t)n * sizeof *values);
    qsort(sorted, (size_t)n, sizeof *sorted, by_value);
    return n % 2 ? sorted[n / 2] : (sorted[n / 2 - 1] + sorted[n / 2]) / 2;
}

/* Looks at memory between two tokens. */
struct looks {
    struct wc_model *m;
    double last, spent, sum; /* when, seconds, and of the rates */
    int n;
};

static bool look_between(void *user, const wc_event *event)
{
    struct looks *l = user;
    const double now = wc_seconds();
    if (event->last || now - l->last < LOOK_SECONDS)
        return true;
    const double rate = wc_backend_read_ceiling(l->m->backend);
    l->sum += rate;
    l->n += rate > 0;
    l->last = wc_seconds();
    l->spent += l->last - now;
    return true;
}

/* Prefills n tokens and decodes m more in a session of its own. */
static bool run_text(struct wc_model *m, const wc_bench_options *o, struct rounds *r, struct looks *looks,
                     wc_error *err)
{
    int n = o->n_prefill > 0 ? o->n_prefill : 1;
    wc_session_options so = {.size = sizeof so, .ctx = n + o->n_decode + 1};
    if (so.ctx > m->net->context_length)
        return wc_fail(err, WC_BAD_ARGUMENT, "bench: %d tokens are more than the context length of %d",
                       so.ctx, m->net->context_length);
    struct wc_session *s = wc_session_open(m, &so, err);
    int32_t *ids = wc_mem_zalloc((size_t)n, sizeof *ids);
    bool ok = s && (ids || wc_fail_memory(err, (size_t)n * sizeof *ids));
    for (int i = 0; ok && i < n; i++)
        ids[i] = (int32_t)((uint32_t)i * 2654435761u % (uint32_t)(m->net->n_vocab / 2)) + 1;
    const wc_prompt prompt = {.size = sizeof prompt, .ids = ids, .n_ids = (size_t)n};
    const wc_generate_options g = {.size = sizeof g,
                                   .max_new_tokens = o->n_decode + 1,
                                   .sampling = 1,
                                   .n_logprobs = -1,
                                   .ignore_eos = true};
    *looks = (struct looks){.m = m, .last = wc_seconds()};
    ok = ok && wc_session_set_prompt(s, &prompt, err) &&
         wc_generate_answers(&s, 1, &g, look_between, looks, err);
    if (ok) {
        r->first[r->n] = s->first_token_seconds;
        r->prefill[r->n] = n / s->prefill_seconds;
        r->decode[r->n] = o->n_decode > 0 ? o->n_decode / (s->decode_seconds - looks->spent) : 0;
    }
    wc_mem_free(ids);
    wc_session_close(s);
    return ok;
}

static bool run_image(struct wc_model *m, struct rounds *r, wc_error *err)
{
    const wc_image_input *in = &m->net->image;
    if (in->n_tokens == 0)
        return wc_fail(err, WC_UNSUPPORTED, "%s: this model takes no pictures", m->name);
    size_t bytes = (size_t)in->height * (size_t)in->width * 3;
    uint8_t *rgb = wc_mem_alloc(bytes);
    if (!rgb)
        return wc_fail_memory(err, bytes);
    for (size_t i = 0; i < bytes; i++) /* another picture each round: nothing comes from the cache */
        rgb[i] = (uint8_t)((i * 2654435761u + (size_t)r->n) >> 13);
    const wc_media picture = {.rgb = rgb, .width = in->width, .height = in->height};
    wc_media_hold hold = {0};
    double start = wc_seconds();
    bool ok = wc_runtime_encode_image(m, &picture, NULL, NULL, NULL, NULL, NULL, &hold, err);
    r->image[r->n] = 1 / (wc_seconds() - start);
    wc_media_release(m->media, &hold);
    wc_mem_free(rgb);
    return ok;
}

/* The longest sound that the model hears: noise, another each round. */
static bool run_audio(struct wc_model *m, struct rounds *r, wc_error *err)
{
    if (m->net->audio.n_tokens == 0)
        return wc_fail(err, WC_UNSUPPORTED, "%s: this model takes no sound", m->name);
    const size_t n = (size_t)(wc_sound_max_seconds(m) * m->mel->sampling_rate);
    float *samples = wc_mem_alloc(n * sizeof *samples);
    if (!samples)
        return wc_fail_memory(err, n * sizeof *samples);
    for (size_t i = 0; i < n; i++)
        samples[i] = (float)(int16_t)((i * 2654435761u + (size_t)r->n) >> 13) / 65536;
    const wc_sound given = {.samples = samples, .n_samples = n, .rate = m->mel->sampling_rate};
    const wc_ctx nobody = {.observe = NULL};
    wc_media_hold hold = {0};
    size_t padded;
    double start = wc_seconds();
    struct wc_audio *sound = wc_sounds_read(m, &given, 1, &padded, err);
    bool ok = sound && wc_sound_encode(m, sound, padded, &nobody, &hold, err);
    r->audio[r->n] = 1 / (wc_seconds() - start);
    wc_media_release(m->media, &hold);
    wc_sounds_free(sound, 1);
    wc_mem_free(samples);
    return ok;
}

/* Measures the ceilings after a run.  Returns the mean of these and of those before, which they replace. */
static wc_ceilings look(const struct wc_model *m, struct rounds *r, wc_ceilings *before)
{
    const wc_ceilings was = *before;
    wc_backend_ceilings(m->backend, m->net->dtype, before);
    r->flops[r->n_limits] = before->flops_per_second;
    r->bytes[r->n_limits++] = before->read_bytes_per_second;
    return (wc_ceilings){
        .flops_per_second = (was.flops_per_second + before->flops_per_second) / 2,
        .read_bytes_per_second = (was.read_bytes_per_second + before->read_bytes_per_second) / 2};
}

static bool run_rounds(struct wc_model *m, const wc_bench_options *o, int repeat, struct rounds *r,
                       wc_error *err)
{
    for (r->n = 0; r->n < repeat; r->n++) {
        wc_ceilings limits = {0};
        struct looks between = {0};
        look(m, r, &limits);
        if (o->n_prefill > 0 || o->n_decode > 0) {
            if (!run_text(m, o, r, &between, err))
                return false;
            const wc_ceilings around = look(m, r, &limits);
            r->text_flops[r->n] = around.flops_per_second;
            r->text_bytes[r->n] = (2 * around.read_bytes_per_second + between.sum) / (2 + between.n);
        }
        if (o->image) {
            if (!run_image(m, r, err))
                return false;
            r->image_flops[r->n] = look(m, r, &limits).flops_per_second;
        }
        if (o->audio) {
            if (!run_audio(m, r, err))
                return false;
            r->audio_flops[r->n] = look(m, r, &limits).flops_per_second;
        }
    }
    return true;
}

/* The median over the rounds of `cost` per second, done at so many a second, beside the ceiling of the same round. */
static double share(const struct rounds *r, const double *rates, double cost, const double *ceilings)
{
    double shares[MAX_REPEAT];
    for (int i = 0; i < r->n; i++)
        shares[i] = rates[i] * cost / ceilings[i];
    return median(shares, r->n);
}

/* The figures as shares of the ceilings: operations of the prefill, of a picture and of a sound, bytes of one decoded token. */
static bool add_shares(wc_buf *b, const struct wc_model *m, const wc_bench_options *o, const struct rounds *r,
                       wc_error *err)
{
    wc_cost cost;
    if (o->n_prefill > 0) {
        int rows = o->n_prefill < WC_DEFAULT_CHUNK_ROWS ? o->n_prefill : WC_DEFAULT_CHUNK_ROWS;
        if (!wc_runtime_step_cost(m, rows, 1, &cost, err))
            return false;
        wc_buf_printf(b, ",\"prefill_share_of_ceiling\":%.4f",
                      share(r, r->prefill, cost.flops / rows, r->text_flops));
    }
    if (o->n_decode > 0) {
        if (!wc_runtime_step_cost(m, 1, 1, &cost, err))
            return false;
        wc_buf_printf(b, ",\"decode_share_of_read_bandwidth\":%.4f",
                      share(r, r->decode, cost.weight_bytes, r->text_bytes));
    }
    if (o->image) {
        if (!wc_runtime_image_cost(m, &cost, err))
            return false;
        wc_buf_printf(b, ",\"image_share_of_ceiling\":%.4f", share(r, r->image, cost.flops, r->image_flops));
    }
    if (o->audio) {
        if (!wc_sound_cost(m, wc_sound_max_frames(m), &cost, err))
            return false;
        wc_buf_printf(b, ",\"audio_share_of_ceiling\":%.4f", share(r, r->audio, cost.flops, r->audio_flops));
    }
    return true;
}

/* The machine alone: its ceilings for bf16 weights, without a model. */
static char *bench_ceilings(const wc_model_options *model_options, int repeat, wc_error *err)
{
    wc_model_options o = {0};
    double flops[MAX_REPEAT], bytes[MAX_REPEAT];
    if (model_options)
        memcpy(&o, model_options, model_options->size < sizeof o ? model_options->size : sizeof o);
    wc_backend *backend = wc_backend_cpu_open(o.n_threads, o.compute == WC_COMPUTE_F32, err);
    if (!backend)
        return NULL;
    for (int i = 0; i < repeat; i++) {
        wc_ceilings limits;
        wc_backend_ceilings(backend, WC_BF16, &limits);
        flops[i] = limits.flops_per_second;
        bytes[i] = limits.read_bytes_per_second;
    }
    wc_buf b;
    wc_buf_init(&b, 1 << 16);
    wc_buf_printf(&b, "{\"level\":\"%s\",\"threads\":%d,\"repeat\":%d", backend->level,
                  wc_pool_threads(backend->pool), repeat);
    wc_buf_printf(&b, ",\"ceiling_flops_per_second\":%.6g,\"ceiling_bytes_per_second\":%.6g}",
                  median(flops, repeat), median(bytes, repeat));
    wc_backend_close(backend);
    return wc_buf_take(&b, NULL);
}

char *wc_bench_run(const char *name, const wc_model_options *model_options, const wc_bench_options *options,
                   wc_error *err)
{
    wc_bench_options o = {0};
    if (options)
        memcpy(&o, options, options->size < sizeof o ? options->size : sizeof o);
    int repeat = o.repeat ? o.repeat : DEFAULT_REPEAT;
    if (repeat < 1 || repeat > MAX_REPEAT || o.n_prefill < 0 || o.n_decode < 0) {
        wc_fail(err, WC_BAD_ARGUMENT, "bench: repeat: expected 1 to %d, found %d", MAX_REPEAT, repeat);
        return NULL;
    }
    if (o.only && strcmp(o.only, "ceilings") == 0)
        return bench_ceilings(model_options, repeat, err);
    if (o.only || !name) {
        wc_fail(err, WC_BAD_ARGUMENT, "bench: expected a model, or only \"ceilings\"");
        return NULL;
    }
    double start = wc_seconds();
    struct wc_model *m = wc_runtime_open(name, model_options, err);
    double load = wc_seconds() - start;
    struct rounds *r = wc_mem_zalloc(1, sizeof *r);
    char *text = NULL;
    if (m && r && run_rounds(m, &o, repeat, r, err)) {
        wc_buf b;
        wc_buf_init(&b, 1 << 16);
        wc_buf_printf(&b, "{\"level\":\"%s\",\"threads\":%d,\"repeat\":%d,\"load_seconds\":%.6f",
                      m->backend->level, wc_pool_threads(m->backend->pool), repeat, load);
        wc_buf_printf(&b, ",\"prefill_tokens\":%d,\"decode_tokens\":%d", o.n_prefill, o.n_decode);
        wc_buf_printf(&b, ",\"prefill_tokens_per_second\":%.4f,\"decode_tokens_per_second\":%.4f",
                      o.n_prefill ? median(r->prefill, r->n) : 0, median(r->decode, r->n));
        wc_buf_printf(&b, ",\"first_token_seconds\":%.6f,\"image_encode_seconds\":%.6f",
                      median(r->first, r->n), o.image ? 1 / median(r->image, r->n) : 0);
        if (o.audio)
            wc_buf_printf(&b, ",\"audio_encode_seconds\":%.6f", 1 / median(r->audio, r->n));
        wc_buf_printf(&b, ",\"ceiling_flops_per_second\":%.6g,\"ceiling_bytes_per_second\":%.6g",
                      median(r->flops, r->n_limits), median(r->bytes, r->n_limits));
        bool ok = add_shares(&b, m, &o, r, err);
        wc_buf_printf(&b, ",\"peak_resident_bytes\":%llu}", (unsigned long long)wc_peak_resident());
        if (ok)
            text = wc_buf_take(&b, NULL);
        wc_buf_release(&b);
    }
    wc_mem_free(r);
    wc_runtime_close(m);
    return text;
}
