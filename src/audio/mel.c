/* mel.c - see mel.h.  What the reference holds in f32 is f32 here: window, frames, the transform's values and magnitudes; the
 * transform itself, the sums over bins and the logarithm are double, as there. */
#include "audio/mel.h"

#include <math.h>
#include <string.h>

#include "audio/fft.h"
#include "base/mem.h"
#include "base/size.h"

enum { PAD_MULTIPLE = 128, MAX_BANDS = 1024, MAX_FRAME = 1 << 15 };

static const double PI = 3.14159265358979323846;

/* ---- configuration ---- */

static bool read_number(const char *file, const wc_json *config, const char *key, double fallback, double min,
                        double max, double *out, wc_error *err)
{
    const wc_json *v = wc_json_get(config, key);
    *out = wc_json_is_null(v) ? fallback : wc_json_number(v, NAN);
    if (*out >= min && *out <= max)
        return true;
    return wc_fail(err, WC_BAD_FILE, "%s: %s: expected a number from %g to %g, found %s", file, key, min, max,
                   isnan(*out) ? wc_json_type_name(v) : "one outside");
}

static bool read_flag(const char *file, const wc_json *config, const char *key, bool *out, wc_error *err)
{
    const wc_json *v = wc_json_get(config, key);
    *out = wc_json_is_null(v) || wc_json_is(v, WC_JSON_TRUE);
    return *out || wc_json_is(v, WC_JSON_FALSE) ||
           wc_fail(err, WC_BAD_FILE, "%s: %s: expected true or false, found %s", file, key,
                   wc_json_type_name(v));
}

/* per_bin_mean, per_bin_stddev: n_mels numbers, or null. */
static bool read_bands(const wc_mel *m, wc_arena *a, const wc_json *config, const char *key, const char *file,
                       double **out, wc_error *err)
{
    const wc_json *v = wc_json_get(config, key);
    if (wc_json_is_null(v))
        return true;
    const size_t n = (size_t)m->n_mels;
    if (!wc_json_is(v, WC_JSON_ARRAY) || wc_json_count(v) != n)
        return wc_fail(err, WC_BAD_FILE, "%s: %s: expected %zu numbers (feature_size), found %zu", file, key,
                       n, wc_json_count(v));
    *out = wc_arena_alloc(a, n * sizeof **out);
    if (!*out)
        return wc_fail_memory(err, n * sizeof **out);
    for (size_t i = 0; i < n; i++) {
        (*out)[i] = wc_json_number(wc_json_item(v, i), NAN);
        if (!isfinite((*out)[i]))
            return wc_fail(err, WC_BAD_FILE, "%s: %s: entry %zu: expected a number, found %s", file, key, i,
                           wc_json_type_name(wc_json_item(v, i)));
    }
    return true;
}

static double mel_of(double hertz)
{
    return 2595.0 * log10(1.0 + hertz / 700.0);
}

static double hertz_of(double mel)
{
    return 700.0 * (pow(10, mel / 2595.0) - 1.0);
}

/* Band b is a triangle between three of n_mels + 2 points that are evenly spaced in mel, its slopes straight in Hz. */
static void make_filters(wc_mel *m, double min_frequency, double max_frequency)
{
    const double low = mel_of(min_frequency), step = (mel_of(max_frequency) - low) / (m->n_mels + 1);
    for (int b = 0; b < m->n_mels; b++) {
        const double left = hertz_of(low + b * step), top = hertz_of(low + (b + 1) * step),
                     right = hertz_of(low + (b + 2) * step);
        m->first[b] = m->n_bins;
        m->end[b] = 0;
        for (int i = 0; i < m->n_bins; i++) {
            const double f = (float)i * ((double)m->sampling_rate / m->fft_length);
            const double w = fmax(0, fmin((f - left) / (top - left), (right - f) / (right - top)));
            m->filters[(size_t)i * (size_t)m->n_mels + (size_t)b] = w;
            if (w > 0) {
                m->first[b] = m->first[b] < i ? m->first[b] : i;
                m->end[b] = i + 1;
            }
        }
    }
}

static bool make_tables(wc_mel *m, wc_arena *a, double min_frequency, double max_frequency, wc_error *err)
{
    const size_t n_mels = (size_t)m->n_mels, n = (size_t)m->n_bins * n_mels;
    m->twiddles = wc_arena_alloc(a, (size_t)m->fft_length / 2 * sizeof *m->twiddles);
    m->window = wc_arena_alloc(a, (size_t)m->frame_length * sizeof *m->window);
    m->filters = wc_arena_alloc(a, n * sizeof *m->filters);
    m->first = wc_arena_alloc(a, n_mels * sizeof *m->first);
    m->end = wc_arena_alloc(a, n_mels * sizeof *m->end);
    if (!m->twiddles || !m->window || !m->filters || !m->first || !m->end)
        return wc_fail_memory(err, n * sizeof *m->filters);
    for (int j = 0; j < m->frame_length; j++)
        m->window[j] = 0.5f *
                       (1 - cosf((float)(2 * PI) * (float)j / (float)m->frame_length)); /* each step in f32 */
    wc_fft_twiddles(m->twiddles, (size_t)m->fft_length);
    make_filters(m, min_frequency, max_frequency);
    return true;
}

bool wc_mel_from_config(wc_mel *m, wc_arena *a, const wc_json *config, const char *file, wc_error *err)
{
    double rate, bands, frame_ms, hop_ms, low, high, preemphasis, scale, floor, dither;
    bool overdrive;
    *m = (wc_mel){0};
    if (!read_number(file, config, "sampling_rate", 16000, 1000, 192000, &rate, err) ||
        !read_number(file, config, "feature_size", 128, 1, MAX_BANDS, &bands, err) ||
        !read_number(file, config, "frame_length_ms", 32, 1e-3, 1000, &frame_ms, err) ||
        !read_number(file, config, "hop_length_ms", 10, 1, 1000, &hop_ms, err) ||
        !read_number(file, config, "min_frequency", 125, 0, 96000, &low, err) ||
        !read_number(file, config, "max_frequency", 7600, low + 1e-3, 1e6, &high, err) ||
        !read_number(file, config, "preemphasis", 0.97, 0, 1, &preemphasis, err) ||
        !read_number(file, config, "input_scale_factor", 1, 1e-9, 1e9, &scale, err) ||
        !read_number(file, config, "mel_floor", 1e-5, 1e-30, 1e30, &floor, err) ||
        !read_number(file, config, "dither", 0, 0, 1e9, &dither, err) ||
        !read_flag(file, config, "preemphasis_htk_flavor", &m->htk, err) ||
        !read_flag(file, config, "fft_overdrive", &overdrive, err))
        return false;
    if (dither > 0)
        return wc_fail(err, WC_UNSUPPORTED,
                       "%s: dither: expected 0 (noise would change every answer), found %g", file, dither);
    m->sampling_rate = (int)rate;
    m->n_mels = (int)bands;
    m->frame_length = (int)rint(rate * frame_ms / 1000);
    m->hop_length = (int)rint(rate * hop_ms / 1000);
    if (m->frame_length < 2 || m->frame_length > MAX_FRAME)
        return wc_fail(err, WC_BAD_FILE, "%s: frame_length_ms: expected a frame of 2 to %d samples, found %d",
                       file, MAX_FRAME, m->frame_length);
    m->preemphasis = preemphasis;
    m->input_scale = (float)scale;
    m->floor = floor;
    m->fft_length = 1;
    while (m->fft_length < m->frame_length)
        m->fft_length *= 2;
    m->fft_length *= overdrive ? 2 : 1;
    m->n_bins = m->fft_length / 2 + 1;
    return read_bands(m, a, config, "per_bin_mean", file, &m->mean, err) &&
           read_bands(m, a, config, "per_bin_stddev", file, &m->deviation, err) &&
           make_tables(m, a, low, high, err);
}

/* ---- features ---- */

size_t wc_mel_padded(size_t n)
{
    return (n + PAD_MULTIPLE - 1) / PAD_MULTIPLE * PAD_MULTIPLE;
}

size_t wc_mel_frames(const wc_mel *m, size_t padded)
{
    const size_t one = (size_t)m->frame_length + 1;
    return padded < one ? 0 : (padded - one) / (size_t)m->hop_length + 1;
}

size_t wc_mel_valid_frames(const wc_mel *m, size_t n, size_t padded)
{
    const size_t hop = (size_t)m->hop_length;
    return wc_min_size((n + hop - 1) / hop, wc_mel_frames(m, padded));
}

void wc_mel_preemphasis(const wc_mel *m, const float *s, float *y)
{
    const float p = (float)m->preemphasis;
    if (m->htk && p > 0)
        y[0] = s[0] * (float)(1.0 - m->preemphasis);
    for (int j = m->htk && p > 0; j < m->frame_length; j++)
        y[j] = p == 0 ? s[j] : m->htk ? s[j] - p * s[j - 1] : s[j + 1] - p * s[j];
}

/* What one frame passes through. */
struct work {
    float *frame;      /* [fft_length] */
    float *magnitude;  /* [n_bins] */
    wc_complex *bins;  /* [n_bins] */
    wc_complex *parts; /* [2 fft_length] of the transform */
    void *memory;
};

static bool work_open(struct work *w, const wc_mel *m, wc_error *err)
{
    const size_t n = (size_t)m->fft_length, n_bins = (size_t)m->n_bins;
    const size_t bytes = (n_bins + 2 * n) * sizeof *w->bins + (n + n_bins) * sizeof *w->frame;
    w->memory = wc_mem_alloc(bytes);
    if (!w->memory)
        return wc_fail_memory(err, bytes);
    w->bins = w->memory;
    w->parts = w->bins + n_bins;
    w->frame = (float *)(w->parts + 2 * n);
    w->magnitude = w->frame + n;
    return true;
}

/* |DFT| of the windowed frame that begins at samples. */
static void magnitudes(const wc_mel *m, const float *samples, struct work *w)
{
    wc_mel_preemphasis(m, samples, w->frame);
    for (int j = 0; j < m->frame_length; j++)
        w->frame[j] *= m->window[j];
    memset(w->frame + m->frame_length, 0, (size_t)(m->fft_length - m->frame_length) * sizeof *w->frame);
    wc_fft_real(w->bins, w->frame, (size_t)m->fft_length, m->twiddles, w->parts);
    for (int i = 0; i < m->n_bins; i++)
        w->magnitude[i] = hypotf((float)w->bins[i].re, (float)w->bins[i].im);
}

static void mel_row(const wc_mel *m, const float *magnitude, float *mel)
{
    for (int b = 0; b < m->n_mels; b++) {
        double sum = 0;
        for (int i = m->first[b]; i < m->end[b]; i++)
            sum += (double)magnitude[i] * m->filters[(size_t)i * (size_t)m->n_mels + (size_t)b];
        double x = log(fmax(sum, m->floor));
        x -= m->mean ? m->mean[b] : 0;
        mel[b] = (float)(m->deviation ? x / m->deviation[b] : x);
    }
}

/* The samples of a frame, zeros behind the last, in room when they are not at hand as they are. */
static const float *frame_samples(const wc_mel *m, const float *samples, size_t n, size_t at, float *room)
{
    const size_t length = (size_t)m->frame_length + 1, some = at < n ? wc_min_size(length, n - at) : 0;
    if (some == length && m->input_scale == 1)
        return samples + at;
    for (size_t i = 0; i < length; i++)
        room[i] = i < some ? samples[at + i] * m->input_scale : 0;
    return room;
}

bool wc_mel_features(const wc_mel *m, const float *samples, size_t n, size_t padded, float *mel,
                     wc_error *err)
{
    struct work w = {0};
    float *room = wc_mem_alloc(((size_t)m->frame_length + 1) * sizeof *room);
    bool ok = room ? work_open(&w, m, err) : wc_fail_memory(err, (size_t)m->frame_length * sizeof *room);
    for (size_t f = 0; ok && f < wc_mel_frames(m, padded); f++) {
        magnitudes(m, frame_samples(m, samples, n, f * (size_t)m->hop_length, room), &w);
        mel_row(m, w.magnitude, mel + f * (size_t)m->n_mels);
    }
    wc_mem_free(w.memory);
    wc_mem_free(room);
    return ok;
}

bool wc_mel_magnitude(const wc_mel *m, const float *samples, float *x, wc_error *err)
{
    struct work w = {0};
    bool ok = work_open(&w, m, err);
    if (ok) {
        magnitudes(m, samples, &w);
        memcpy(x, w.magnitude, (size_t)m->n_bins * sizeof *x);
    }
    wc_mem_free(w.memory);
    return ok;
}
