/* verify_sound.c - golden folders of sound on its way to mel features; no model is needed.
 *
 * A group is the file GROUP.wav of the folder, but "batch": the first sounds of source_wavs, padded to the longest of them.
 * Beside the values there is a check of our own, GROUP.linear: near the floor of the logarithm the reference's own rounding
 * dominates, so the same values are compared as they are before it, with linear_atol. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/file_map.h"
#include "base/mem.h"
#include "base/size.h"
#include "verify/checks.h"

enum { NAME_ROOM = 300, MAX_JSON_BYTES = 1 << 20 };

static const double LINEAR_RTOL = 1e-4;

static bool read_sound(const wc_checks *c, const wc_mel *mel, const char *group, struct wc_audio *sound,
                       wc_error *err)
{
    char file[NAME_ROOM];
    const struct wc_audio_options options = {.rate = mel->sampling_rate};
    snprintf(file, sizeof file, "%s.wav", group);
    const char *path = wc_path_join(c->golden.arena, c->golden.folder, file);
    return path ? wc_audio_read(path, &options, sound, NULL, err) : wc_fail_memory(err, strlen(file));
}

/* The same values before the logarithm: |exp(got) - exp(want)| <= linear_atol + rtol exp(want). */
static void check_linear(wc_checks *c, const wc_golden_item *item, const float *got)
{
    const wc_json *v = wc_json_get(wc_json_get(c->golden.json, "tensors"), item->name);
    const double atol = wc_json_number(wc_json_get(v, "linear_atol"), NAN);
    char name[NAME_ROOM], note[NAME_ROOM] = "";
    if (isnan(atol))
        return;
    const float *want = item->want.data;
    for (size_t i = 0; i < wc_tensor_elems(&item->want) && !note[0]; i++) {
        const double x = exp((double)got[i]), y = exp((double)want[i]);
        if (!(fabs(x - y) <= atol + LINEAR_RTOL * y))
            snprintf(note, sizeof note, "element %zu: expected exp of %.9g, found %.9g", i, y, x);
    }
    snprintf(name, sizeof name, "%s.linear", item->group);
    wc_checks_tell(c, name, !note[0], note);
}

static wc_golden_item *find_point(const wc_checks *c, const char *group, const char *point)
{
    char name[NAME_ROOM];
    snprintf(name, sizeof name, "%s.%s", group, point);
    return wc_golden_find(&c->golden, name);
}

/* mel [n, frames, n_mels] and valid [n, frames] of sounds padded to the longest. */
static bool all_features(const wc_mel *m, const struct wc_audio *sounds, size_t n, size_t padded, float *mel,
                         uint8_t *valid, wc_error *err)
{
    const size_t frames = wc_mel_frames(m, padded);
    for (size_t i = 0; i < n; i++) {
        const size_t n_valid = wc_mel_valid_frames(m, sounds[i].n, padded);
        for (size_t f = 0; f < frames; f++)
            valid[i * frames + f] = f < n_valid;
        if (!wc_mel_features(m, sounds[i].samples, sounds[i].n, padded, mel + i * frames * (size_t)m->n_mels,
                             err))
            return false;
    }
    return true;
}

bool wc_verify_features(wc_checks *c, const wc_mel *m, const struct wc_audio *sounds, size_t n, bool alone,
                        wc_golden_item *features, wc_golden_item *mask, wc_error *err)
{
    size_t longest = 0;
    for (size_t i = 0; i < n; i++)
        longest = wc_max_size(longest, sounds[i].n);
    const size_t padded = wc_mel_padded(longest), frames = wc_mel_frames(m, padded),
                 bands = (size_t)m->n_mels;
    float *mel = wc_mem_zalloc(n * frames * bands + 1, sizeof *mel);
    uint8_t *valid = wc_mem_zalloc(n * frames + 1, sizeof *valid);
    bool ok = mel && valid ? true : wc_fail_memory(err, n * frames * bands * sizeof *mel);
    ok = ok && all_features(m, sounds, n, padded, mel, valid, err);
    if (ok && features) {
        const wc_tensor all = wc_tensor_of(mel, WC_F32, WC_SHAPE(n, frames, bands)),
                        got = alone ? wc_tensor_sub(all, 0) : all;
        wc_checks_compare(c, features, &got);
        if (wc_tensor_elems(&got) == wc_tensor_elems(&features->want) && features->want.dtype == WC_F32)
            check_linear(c, features, mel);
    }
    if (ok && mask) {
        const wc_tensor all = wc_tensor_of(valid, WC_U8, WC_SHAPE(n, frames)),
                        got = alone ? wc_tensor_sub(all, 0) : all;
        wc_checks_compare(c, mask, &got);
    }
    wc_mem_free(mel);
    wc_mem_free(valid);
    return ok;
}

static bool check_group(wc_checks *c, const wc_mel *m, const char *group, const struct wc_audio *sounds,
                        size_t n, bool alone, wc_error *err)
{
    return wc_verify_features(c, m, sounds, n, alone, find_point(c, group, "mel"),
                              find_point(c, group, "mask_valid"), err);
}

/* The first frame before its window, and the magnitudes of its transform. */
static bool check_first_frame(wc_checks *c, const wc_mel *m, const char *group, const struct wc_audio *sound,
                              wc_error *err)
{
    const size_t length = (size_t)m->frame_length, bins = (size_t)m->n_bins;
    wc_golden_item *frame = find_point(c, group, "frame0_preemphasised"),
                   *magnitude = find_point(c, group, "frame0_magnitude");
    float *y = wc_mem_zalloc(length + bins, sizeof *y);
    bool ok = y ? true : wc_fail_memory(err, (length + bins) * sizeof *y);
    if (ok && sound->n > length) {
        wc_mel_preemphasis(m, sound->samples, y);
        ok = wc_mel_magnitude(m, sound->samples, y + length, err);
        const wc_tensor frame_got = wc_tensor_of(y, WC_F32, WC_SHAPE(length)),
                        magnitude_got = wc_tensor_of(y + length, WC_F32, WC_SHAPE(bins));
        if (ok && frame)
            wc_checks_compare(c, frame, &frame_got);
        if (ok && magnitude)
            wc_checks_compare(c, magnitude, &magnitude_got);
    }
    wc_mem_free(y);
    return ok;
}

static void fail_group(wc_checks *c, const char *group, const char *why)
{
    for (size_t i = 0; i < c->golden.n; i++)
        if (strcmp(c->golden.items[i].group, group) == 0)
            wc_checks_fail(c, &c->golden.items[i], why);
}

static void check_sound(wc_checks *c, const wc_mel *m, const char *group)
{
    struct wc_audio sound;
    wc_error why = {0};
    bool ok = read_sound(c, m, group, &sound, &why);
    wc_golden_item *samples = find_point(c, group, "resampled");
    if (ok && samples) {
        const wc_tensor got = wc_tensor_of(sound.samples, WC_F32, WC_SHAPE(sound.n));
        wc_checks_compare(c, samples, &got);
    }
    ok = ok && check_first_frame(c, m, group, &sound, &why) &&
         check_group(c, m, group, &sound, 1, true, &why);
    if (!ok)
        fail_group(c, group, why.text);
    wc_audio_free(&sound);
}

static void check_batch(wc_checks *c, const wc_mel *m)
{
    const wc_json *names = wc_json_get(c->golden.json, "source_wavs");
    const wc_golden_item *features = find_point(c, "batch", "mel");
    const size_t n = features ? features->want.shape[0] : 0;
    wc_error why = {0};
    if (n == 0 || n > wc_json_count(names))
        return;
    struct wc_audio *sounds = wc_mem_zalloc(n, sizeof *sounds);
    bool ok = sounds ? true : wc_fail_memory(&why, n * sizeof *sounds);
    for (size_t i = 0; ok && i < n; i++)
        ok = read_sound(c, m, wc_json_key(names, i)->u.text, &sounds[i], &why);
    if (!ok || !check_group(c, m, "batch", sounds, n, false, &why))
        fail_group(c, "batch", why.text);
    for (size_t i = 0; sounds && i < n; i++)
        wc_audio_free(&sounds[i]);
    wc_mem_free(sounds);
}

static void check_tables(wc_checks *c, const wc_mel *m)
{
    const size_t bins = (size_t)m->n_bins, bands = (size_t)m->n_mels;
    const wc_tensor window = wc_tensor_of(m->window, WC_F32, WC_SHAPE((size_t)m->frame_length)),
                    filters = wc_tensor_of(m->filters, WC_F64, WC_SHAPE(bins, bands));
    wc_golden_item *item = wc_golden_find(&c->golden, "window");
    if (item)
        wc_checks_compare(c, item, &window);
    item = wc_golden_find(&c->golden, "mel_filters");
    if (item)
        wc_checks_compare(c, item, &filters);
}

bool wc_verify_sounds(wc_checks *c, wc_error *err)
{
    const wc_golden *g = &c->golden;
    wc_mel m;
    const char *file = wc_path_join(g->arena, g->folder, "preprocessor_config.json");
    const wc_json *config = file ? wc_json_read(g->arena, file, MAX_JSON_BYTES, WC_JSON_UNIQUE_KEYS, err)
                                 : NULL;
    if (!config || !wc_mel_from_config(&m, g->arena, config, file, err))
        return false;
    check_tables(c, &m);
    for (size_t i = 0; i < g->n; i++)
        if (!g->items[i].done && g->items[i].group[0] && strcmp(g->items[i].group, "batch") != 0)
            check_sound(c, &m, g->items[i].group);
    check_batch(c, &m);
    return true;
}
