/* sound.c - see sound.h. */
#include "generate/sound.h"

#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "base/size.h"

/* ---- samples ---- */

static bool read_sound(const struct wc_model *m, const wc_sound *s, const char *name, struct wc_audio *out,
                       wc_error *err)
{
    const struct wc_audio_options o = {.rate = m->mel->sampling_rate};
    if (s->samples)
        return wc_audio_resample(s->samples, s->n_samples, s->rate, name, &o, out, err);
    if (s->data)
        return wc_audio_decode(s->data, s->n_bytes, name, &o, out, NULL, err);
    if (!s->path)
        return wc_fail(err, WC_BAD_ARGUMENT, "%s: expected a path, bytes or samples, found nothing", name);
    return wc_audio_read(s->path, &o, out, NULL, err);
}

/* There are places enough for the padded sounds. */
static bool check_length(const struct wc_model *m, size_t longest, size_t padded, wc_error *err)
{
    const double rate = m->mel->sampling_rate;
    return wc_mel_frames(m->mel, padded) <= m->net->audio.max_frames ||
           wc_fail(err, WC_REFUSED,
                   "sound: %g s are too long; expected at most %g s (%d places, audio_soft_tokens_per_image "
                   "in %s)",
                   (double)longest / rate, wc_sound_max_seconds(m), m->net->audio.n_tokens,
                   wc_checkpoint_config_file(m->files));
}

struct wc_audio *wc_sounds_read(const struct wc_model *m, const wc_sound *sounds, size_t n, size_t *padded,
                                wc_error *err)
{
    char name[40];
    size_t longest = 0;
    *padded = 0;
    if (n == 0)
        return NULL;
    struct wc_audio *out = wc_mem_zalloc(n, sizeof *out);
    bool ok = out ? true : wc_fail_memory(err, n * sizeof *out);
    for (size_t i = 0; ok && i < n; i++) {
        snprintf(name, sizeof name, n > 1 ? "sound %zu" : "sound", i + 1);
        ok = read_sound(m, &sounds[i], name, &out[i], err);
        longest = ok ? wc_max_size(longest, out[i].n) : 0;
    }
    /* one frame at least, where the reference fails */
    *padded = wc_mel_padded(wc_max_size(longest, (size_t)m->mel->frame_length + 1));
    if (ok && check_length(m, longest, *padded, err))
        return out;
    wc_sounds_free(out, n);
    return NULL;
}

void wc_sounds_free(struct wc_audio *sounds, size_t n)
{
    for (size_t i = 0; sounds && i < n; i++)
        wc_audio_free(&sounds[i]);
    wc_mem_free(sounds);
}

/* ---- rows ---- */

size_t wc_sound_max_frames(const struct wc_model *m)
{
    return wc_min_size(wc_mel_frames(m->mel, wc_mel_padded(WC_AUDIO_MAX_SAMPLES)), m->net->audio.max_frames);
}

double wc_sound_max_seconds(const struct wc_model *m)
{
    const size_t samples = wc_sound_max_frames(m) * (size_t)m->mel->hop_length + (size_t)m->mel->frame_length;
    return (double)wc_min_size(samples, WC_AUDIO_MAX_SAMPLES) / m->mel->sampling_rate;
}

bool wc_sound_cost(const struct wc_model *m, size_t frames, wc_cost *cost, wc_error *err)
{
    wc_arena *dry = wc_arena_new_dry();
    if (!dry)
        return wc_fail_memory(err, 100);
    wc_ctx c = {.backend = m->backend, .step = dry, .whole = true};
    wc_tensor mel = wc_op_new(&c, WC_SHAPE(frames, (size_t)m->mel->n_mels));
    m->net->family->encode_audio(&c, m->net, mel, 1); /* most places are left over: the worst case */
    *cost = (wc_cost){wc_arena_peak(dry), c.flops, c.weight_bytes};
    wc_arena_free(dry);
    return c.failed ? wc_fail(err, WC_NO_MEMORY, "a sound of %zu frames does not fit into memory", frames)
                    : true;
}

struct input {
    const struct wc_model *m;
    const struct wc_audio *sound;
    size_t padded;
};

static bool encode(void *input, wc_ctx *c, wc_tensor *rows, wc_error *err)
{
    const struct input *in = input;
    const wc_mel *m = in->m->mel;
    const struct wc_audio *sound = in->sound;
    wc_tensor mel = wc_op_new(c, WC_SHAPE(wc_mel_frames(m, in->padded), (size_t)m->n_mels));
    if (!c->failed && !wc_mel_features(m, sound->samples, sound->n, in->padded, mel.data, err))
        return false;
    *rows = in->m->net->family->encode_audio(c, in->m->net, mel,
                                             wc_mel_valid_frames(m, sound->n, in->padded));
    return true;
}

/* A sound is its samples and what they are padded to; no picture's digest begins in this way. */
static void digest_of(const struct wc_audio *sound, size_t padded, uint8_t digest[32])
{
    wc_sha256 h;
    const uint64_t lengths[] = {UINT64_MAX, sound->n, padded};
    wc_sha256_init(&h);
    wc_sha256_add(&h, lengths, sizeof lengths);
    wc_sha256_add(&h, sound->samples, sound->n * sizeof *sound->samples);
    wc_sha256_end(&h, digest);
}

bool wc_sound_encode(struct wc_model *m, const struct wc_audio *sound, size_t padded, const wc_ctx *watch,
                     wc_media_hold *hold, wc_error *err)
{
    uint8_t digest[32];
    wc_cost cost;
    struct input input = {m, sound, padded};
    digest_of(sound, padded, digest);
    if (!watch->observe && wc_media_find(m->media, digest, hold))
        return true;
    return wc_sound_cost(m, wc_mel_frames(m->mel, padded), &cost, err) &&
           wc_runtime_encode(m, watch, cost.arena_bytes, digest, encode, &input, hold, err);
}
