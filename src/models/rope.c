/* rope.c - frequencies inv_freq[i] = theta^(-2 i / R), R the part of a head that turns, and the ways to stretch them. */
#include "models/rope.h"

#include <math.h>
#include <string.h>

#include "formats/config.h"

enum { MAX_CONTEXT = 1 << 30 };

const wc_json *wc_rope_parameters(const wc_json *config)
{
    const wc_json *v = wc_json_get(config, "rope_parameters");
    if (wc_json_is_null(v))
        v = wc_json_get(config, "rope_scaling");
    return wc_json_is_null(v) ? NULL : v;
}

/* Where a field stands that moved from the configuration into its rope_parameters. */
static const wc_json *place_of(const wc_rope_source *s, const char *key)
{
    return wc_json_is_null(wc_json_get(s->parameters, key)) ? s->config : s->parameters;
}

static float *new_freqs(wc_tensor *t, wc_arena *a, int n, wc_error *err)
{
    float *f = wc_arena_alloc(a, (size_t)n * sizeof *f);
    if (!f)
        wc_fail_memory(err, (size_t)n * sizeof *f);
    *t = wc_tensor_of(f, WC_F32, WC_SHAPE((size_t)n));
    return f;
}

/* theta^(2 i / width) in the order of the reference's f32 operations. */
static float power(double theta, int i, int width)
{
    return powf((float)theta, (float)(2 * i) / (float)width);
}

/* Llama 3.1: wavelengths are stretched by factor beyond original / low, gradually from original / high on. */
static bool stretch_llama3(const wc_rope_source *s, float *f, int n, wc_error *err)
{
    double factor, low, high, original;
    const wc_json *v = s->parameters;
    if (!wc_config_float(s->file, v, "factor", 1, 1e6, &factor, err) ||
        !wc_config_float(s->file, v, "low_freq_factor", 1e-6, 1e6, &low, err) ||
        !wc_config_float(s->file, v, "high_freq_factor", 1e-6, 1e6, &high, err) ||
        !wc_config_float(s->file, v, "original_max_position_embeddings", 1, 1e9, &original, err))
        return false;
    if (high <= low)
        return wc_fail(err, WC_BAD_FILE,
                       "%s: rope high_freq_factor: expected more than low_freq_factor (%g), found %g",
                       s->file, low, high);
    for (int i = 0; i < n; i++) {
        float wavelength = 2 * 3.14159265358979323846f / f[i];
        if (wavelength > (float)(original / low)) {
            f[i] /= (float)factor;
        } else if (wavelength >= (float)(original / high)) {
            float g = ((float)original / wavelength - (float)low) / (float)(high - low);
            f[i] = (1 - g) * f[i] / (float)factor + g * f[i];
        }
    }
    return true;
}

/* One of LongRoPE's two lists: frequency i is divided by entry i. */
static bool divide(const wc_rope_source *s, const char *key, double theta, float *f, int n, wc_error *err)
{
    const wc_json *list = wc_json_get(s->parameters, key);
    if (!wc_json_is(list, WC_JSON_ARRAY) || list->n != (uint32_t)n)
        return wc_fail(err, WC_BAD_FILE, "%s: rope %s: expected a list of %d numbers, found %s of %zu",
                       s->file, key, n, wc_json_type_name(list), wc_json_count(list));
    for (int i = 0; i < n; i++) {
        double x = wc_json_number(wc_json_item(list, (size_t)i), 0);
        if (!(x > 1e-6 && x < 1e9))
            return wc_fail(err, WC_BAD_FILE, "%s: rope %s: entry %d: expected a positive number, found %g",
                           s->file, key, i, x);
        f[i] = 1.0f / ((float)x * power(theta, i, 2 * n));
    }
    return true;
}

/* LongRoPE (Ding et al. 2024, arXiv:2402.13753): one list of divisors for sequences up to the context that the model was
 * first trained for, another beyond; cosine and sine are scaled in both. */
static bool read_longrope(wc_rope *r, const wc_rope_source *s, double theta, int n, wc_arena *a,
                          wc_error *err)
{
    int original, context;
    double factor, scale, near_scale, far_scale;
    const bool top = !wc_json_is_null(wc_json_get(s->config, "original_max_position_embeddings"));
    if (!wc_config_int_or(s->file, s->config, "max_position_embeddings", 2048, 1, MAX_CONTEXT, &context,
                          err) ||
        !wc_config_int_or(s->file, top ? s->config : s->parameters, "original_max_position_embeddings",
                          context, 2, MAX_CONTEXT, &original, err) ||
        !wc_config_float_or(s->file, s->parameters, "factor", (double)context / original, 1e-3, 1e6, &factor,
                            err))
        return false;
    scale = factor <= 1 ? 1 : sqrt(1 + log(factor) / log(original));
    if (!wc_config_float_or(s->file, s->parameters, "attention_factor", scale, 1e-3, 1e3, &scale, err) ||
        !wc_config_float_or(s->file, s->parameters, "short_mscale", scale, 1e-3, 1e3, &near_scale, err) ||
        !wc_config_float_or(s->file, s->parameters, "long_mscale", scale, 1e-3, 1e3, &far_scale, err))
        return false;
    float *near = new_freqs(&r->inv_freq, a, n, err), *far = new_freqs(&r->inv_freq_far, a, n, err);
    r->scale = (float)near_scale;
    r->scale_far = (float)far_scale;
    r->switch_at = original;
    return near && far && divide(s, "short_factor", theta, near, n, err) &&
           divide(s, "long_factor", theta, far, n, err);
}

/* Gemma 4: the first pairs of the whole head turn, the others stand still. */
static bool read_proportional(wc_rope *r, const wc_rope_source *s, double theta, double partial, wc_arena *a,
                              wc_error *err)
{
    double factor;
    const int n = s->head_dim / 2, turning = (int)(partial * n);
    float *f = new_freqs(&r->inv_freq, a, n, err);
    if (!f || !wc_config_float_or(s->file, s->parameters, "factor", 1, 1e-3, 1e6, &factor, err))
        return false;
    for (int i = 0; i < n; i++)
        f[i] = i < turning ? 1.0f / power(theta, i, s->head_dim) / (float)factor : 0;
    return true;
}

static bool read_plain(wc_rope *r, const wc_rope_source *s, double theta, int n, const char *type,
                       wc_arena *a, wc_error *err)
{
    double factor = 1;
    float *f = new_freqs(&r->inv_freq, a, n, err);
    if (!f || (strcmp(type, "linear") == 0 &&
               !wc_config_float(s->file, s->parameters, "factor", 1e-3, 1e6, &factor, err)))
        return false;
    for (int i = 0; i < n; i++)
        f[i] = 1.0f / power(theta, i, 2 * n) / (float)factor;
    return strcmp(type, "llama3") != 0 || stretch_llama3(s, f, n, err);
}

bool wc_rope_read(wc_rope *r, const wc_rope_source *s, wc_arena *a, wc_error *err)
{
    double theta, partial;
    const char *type;
    *r = (wc_rope){.scale = 1};
    if (s->parameters && !wc_json_is(s->parameters, WC_JSON_OBJECT))
        return wc_fail(err, WC_BAD_FILE, "%s: rope_scaling: expected an object or null, found %s", s->file,
                       wc_json_type_name(s->parameters));
    const bool inside = !wc_json_is_null(wc_json_get(s->parameters, "rope_theta"));
    const char *old = wc_json_is_null(wc_json_get(s->parameters, "rope_type")) ? "type" : "rope_type";
    if (!wc_config_float_or(s->file, inside ? s->parameters : s->config, inside ? "rope_theta" : s->theta_key,
                            s->theta, 1e-6, 1e18, &theta, err) ||
        !wc_config_float_or(s->file, place_of(s, "partial_rotary_factor"), "partial_rotary_factor",
                            s->partial, 0, 1, &partial, err) ||
        !wc_config_string(s->file, s->parameters, old, "default", &type, err))
        return false;
    if (strcmp(type, "proportional") == 0)
        return read_proportional(r, s, theta, partial, a, err);
    const int width = (int)(partial * s->head_dim);
    if (width < 2 || width % 2)
        return wc_fail(err, WC_BAD_FILE,
                       "%s: partial_rotary_factor: expected an even number of a head's %d to turn, found %d",
                       s->file, s->head_dim, width);
    if (strcmp(type, "default") == 0 || strcmp(type, "linear") == 0 || strcmp(type, "llama3") == 0)
        return read_plain(r, s, theta, width / 2, type, a, err);
    if (strcmp(type, "longrope") == 0 || strcmp(type, "su") == 0 ||
        (strcmp(type, "yarn") == 0 && wc_json_get(s->parameters, "long_factor"))) /* Phi-3's first names */
        return read_longrope(r, s, theta, width / 2, a, err);
    return wc_fail(err, WC_UNSUPPORTED,
                   "%s: rope_type: expected default, linear, llama3, longrope or proportional, found %.40s",
                   s->file, type);
}
