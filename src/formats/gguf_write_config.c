/* gguf_write_config.c - a configuration as the metadata of a GGUF file: what gguf_config.c and gguf_layers.c do, the other way
 * round.  What an architecture's files have no key for is refused, since it would be read as another model. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/normal.h"
#include "formats/config.h"
#include "formats/gguf_writer.h"

enum { MAX_FACTORS = 4096, MAX_LAYERS = 1024 };

const wc_json *wc_gguf_field(const wc_gguf_writer *w, const char *key)
{
    const wc_json *v = wc_json_get(w->config, key);
    if (!v) /* a null is an answer */
        v = wc_json_get(w->defaults, key);
    return wc_json_is_null(v) ? NULL : v;
}

/* A field of rope, wherever the version of the configuration has it. */
static const wc_json *rope_field(const wc_gguf_writer *w, const char *key)
{
    static const char *const places[] = {"rope_parameters.full_attention", "rope_parameters", "rope_scaling",
                                         ""};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        const wc_json *v = *places[i] ? wc_json_get(wc_json_path(w->config, places[i]), key)
                                      : wc_gguf_field(w, key);
        if (!wc_json_is_null(v))
            return v;
    }
    return NULL;
}

static bool is_gemma(const wc_gguf_writer *w)
{
    return strncmp(w->arch->name, "gemma", 5) == 0;
}

static bool same_scalar(const wc_json *a, const wc_json *b)
{
    return wc_json_is(b, WC_JSON_STRING) ? wc_json_string_is(a, b->u.text)
           : b->type == WC_JSON_INT || b->type == WC_JSON_DOUBLE
               ? wc_json_number(a, -1) == wc_json_number(b, -1)
               : a->type == b->type;
}

/* Members as the rows of gguf_arch.c have them, ended by a comma, as a tree; NULL on failure. */
static const wc_json *members(wc_gguf_writer *w, const char *text)
{
    const size_t n = strlen(text);
    wc_buf b;
    wc_buf_init(&b, n + 2);
    wc_buf_printf(&b, "{%.*s}", (int)(n > 0 ? n - 1 : 0), text);
    const wc_json *v = wc_json_parse(w->arena, wc_buf_str(&b), b.size, w->arch->name, 0, w->err);
    wc_buf_release(&b);
    return v;
}

/* Gemma's names of its activation are many, and mean one. */
static bool same_fixed(const wc_gguf_writer *w, const char *key, const wc_json *own, const wc_json *fixed)
{
    const bool act = strcmp(key, "hidden_act") == 0 || strcmp(key, "hidden_activation") == 0;
    if (is_gemma(w) && act)
        return wc_json_is(own, WC_JSON_STRING) && strncmp(own->u.text, "gelu", 4) == 0;
    return same_scalar(own, fixed);
}

/* Refuses what the architecture's files cannot tell: they would be read as another model. */
static bool check_fixed(wc_gguf_writer *w)
{
    const char *file = wc_checkpoint_config_file(w->c);
    const wc_json *fixed = members(w, w->arch->fixed);
    if (!fixed)
        return false;
    for (size_t i = 0; i < wc_json_count(fixed); i++) {
        const char *key = wc_json_key(fixed, i)->u.text;
        const wc_json *own = wc_gguf_field(w, key);
        if (own && !same_fixed(w, key, own, wc_json_value(fixed, i)))
            return wc_fail(w->err, WC_UNSUPPORTED,
                           "%s: %s: this value cannot be written: GGUF files of %s have no such key", file,
                           key, w->arch->name);
    }
    if (wc_json_is(wc_gguf_field(w, "use_bidirectional_attention"), WC_JSON_TRUE))
        return wc_fail(
            w->err, WC_UNSUPPORTED,
            "%s: use_bidirectional_attention: this value cannot be written: GGUF files of %s look back only",
            file, w->arch->name);
    const wc_json *rope = wc_gguf_field(w, "no_rope_layers"); /* SmolLM3: every fourth is 0 */
    for (size_t i = 0; i < wc_json_count(rope); i++)
        if ((wc_json_number(wc_json_item(rope, i), -1) != 0) != ((i + 1) % 4 != 0))
            return wc_fail(w->err, WC_UNSUPPORTED,
                           "%s: no_rope_layers: GGUF files of %s have every fourth layer 0",
                           wc_checkpoint_config_file(w->c), w->arch->name);
    return true;
}

static bool put_keys(wc_gguf_writer *w, const wc_gguf_key *keys)
{
    const char *file = wc_checkpoint_config_file(w->c);
    for (; keys->hf; keys++) {
        if ((w->arch->flags & WC_GGUF_WIDTH_LISTS) && strcmp(keys->hf, "intermediate_size") == 0)
            continue;
        const bool of_rope = strncmp(keys->gguf, "rope.", 5) == 0;
        const wc_json *v = of_rope ? rope_field(w, keys->hf) : wc_gguf_field(w, keys->hf);
        const double x = wc_json_number(v, -1);
        if (!v && keys->required)
            return wc_fail(w->err, WC_BAD_FILE, "%s: %s: missing", file, keys->hf);
        if (!v)
            continue;
        if (!(x >= keys->min && x <= keys->max) || (keys->whole && x != floor(x)))
            return wc_fail(w->err, WC_BAD_FILE, "%s: %s: expected %s from %g to %g, found %s", file, keys->hf,
                           keys->whole ? "an integer" : "a number", keys->min, keys->max,
                           v->type >= WC_JSON_INT && v->type <= WC_JSON_DOUBLE ? "one outside"
                                                                               : wc_json_type_name(v));
        if (keys->whole)
            wc_gguf_put_whole(w, keys->gguf, (int64_t)x);
        else
            wc_gguf_put_real(w, keys->gguf, x);
    }
    return true;
}

/* The keys of one architecture that the common ones have too are written once. */
static bool put_own_keys(wc_gguf_writer *w)
{
    for (const wc_gguf_key *k = w->arch->keys; k->hf; k++) {
        const wc_gguf_key one[] = {*k, {0}};
        bool common = false;
        for (const wc_gguf_key *other = wc_gguf_common_keys; other->hf; other++)
            common = common || (strcmp(other->hf, k->hf) == 0 && wc_gguf_field(w, k->hf));
        if (!common && !put_keys(w, one))
            return false;
    }
    return true;
}

int wc_gguf_field_or(const wc_gguf_writer *w, const char *key, int fallback)
{
    const wc_json *v = wc_gguf_field(w, key);
    return wc_json_is(v, WC_JSON_INT) && v->u.integer > 0 && v->u.integer < 1 << 24 ? (int)v->u.integer
                                                                                    : fallback;
}

int wc_gguf_n_heads(const wc_gguf_writer *w)
{
    return wc_gguf_field_or(w, "num_attention_heads", 1);
}

int wc_gguf_n_kv_heads(const wc_gguf_writer *w)
{
    return wc_gguf_field_or(w, "num_key_value_heads", wc_gguf_n_heads(w));
}

static void put_heads(wc_gguf_writer *w)
{
    const int d = wc_gguf_field_or(w, "head_dim", wc_gguf_field_or(w, "hidden_size", 1) / wc_gguf_n_heads(w));
    const wc_json *part = rope_field(w, "partial_rotary_factor");
    wc_gguf_put_whole(w, "attention.head_count_kv", wc_gguf_n_kv_heads(w));
    wc_gguf_put_whole(w, "attention.key_length", d);
    wc_gguf_put_whole(w, "attention.value_length", d);
    wc_gguf_put_whole(w, "rope.dimension_count", part ? (int64_t)(wc_json_number(part, 1) * d) : d);
    if (wc_gguf_field(w, "query_pre_attn_scalar"))
        wc_gguf_put_real(w, "attention.scale",
                         1 / sqrt(wc_json_number(wc_gguf_field(w, "query_pre_attn_scalar"), d)));
}

static int n_layers(const wc_gguf_writer *w)
{
    const bool own = w->arch->flags & WC_GGUF_OWN_KEYS;
    const int n = wc_gguf_field_or(w, own ? "num_transformer_layers" : "num_hidden_layers", 1);
    return n < MAX_LAYERS ? n : MAX_LAYERS;
}

/* A layer that sees a window only; every period-th sees all unless they are listed. */
static bool is_sliding(const wc_gguf_writer *w, int i, int period)
{
    const wc_json *kinds = wc_gguf_field(w, "layer_types");
    const bool last_sees_all = strcmp(w->arch->name, "gemma4") == 0 && i == n_layers(w) - 1;
    return wc_json_is(kinds, WC_JSON_ARRAY)
               ? wc_json_string_is(wc_json_item(kinds, (size_t)i), "sliding_attention")
               : (i + 1) % wc_gguf_field_or(w, "sliding_window_pattern", period) != 0 && !last_sees_all;
}

/* The kinds of layers, and the rope of those that see a window only. */
static bool put_layer_kinds(wc_gguf_writer *w, int period)
{
    const wc_json *kinds = wc_gguf_field(w, "layer_types");
    const wc_json *local = wc_json_path(w->config, "rope_parameters.sliding_attention.rope_theta");
    double sliding[MAX_LAYERS];
    if (wc_json_is(kinds, WC_JSON_ARRAY) && kinds->n < (uint32_t)n_layers(w))
        return wc_fail(w->err, WC_BAD_FILE, "%s: layer_types: expected %d entries, found %u",
                       wc_checkpoint_config_file(w->c), n_layers(w), kinds->n);
    wc_gguf_put_real(w, "rope.freq_base_swa",
                     wc_json_number(local ? local : wc_gguf_field(w, "rope_local_base_freq"), 10000));
    for (int i = 0; i < n_layers(w); i++)
        sliding[i] = is_sliding(w, i, period);
    wc_gguf_put_list(w, "attention.sliding_window_pattern", WC_GGUF_BOOL, sliding, (size_t)n_layers(w));
    return true;
}

/* Size dim of a tensor of layer i; 0: there is none. */
static size_t size_of(const wc_gguf_writer *w, int i, const char *tensor, int dim)
{
    char name[64];
    snprintf(name, sizeof name, "blk.%d.%s.weight", i, tensor);
    const wc_gguf_item *t = wc_gguf_item_find(w, name);
    return t && t->ndim == 2 ? t->shape[dim] : 0;
}

/* A list with a number for each of n layers, which the shapes tell. */
static bool put_sizes(wc_gguf_writer *w, const char *key, const size_t *x, int n)
{
    double list[MAX_LAYERS];
    for (int i = 0; i < n; i++) {
        if (x[i] == 0 || x[i] > 1 << 24)
            return wc_fail(w->err, WC_BAD_FILE, "%s: tensors of layer %d do not tell %s.%s",
                           wc_checkpoint_weights_file(w->c), i, w->arch->name, key);
        list[i] = (double)x[i];
    }
    wc_gguf_put_list(w, key, WC_GGUF_I32, list, (size_t)n);
    return true;
}

static bool put_widths(wc_gguf_writer *w)
{
    size_t widths[MAX_LAYERS];
    const int n = n_layers(w);
    for (int i = 0; i < n; i++)
        widths[i] = size_of(w, i, "ffn_down", 1);
    return put_sizes(w, "feed_forward_length", widths, n);
}

/* ---- Gemma 3n ---- */

/* The share of a gate's values that is dropped as deviations over the mean; the first ten layers of a large model drop most. */
static bool put_sparsity(wc_gguf_writer *w)
{
    const wc_json *list = wc_gguf_field(w, "activation_sparsity_pattern");
    double z[MAX_LAYERS];
    for (int i = 0; i < n_layers(w); i++) {
        const wc_json *v = wc_json_is(list, WC_JSON_ARRAY) ? wc_json_item(list, (size_t)i) : list;
        const double p = list ? wc_json_number(v, -1) : n_layers(w) > 10 && i < 10 ? 0.95 : 0;
        if (!(p >= 0 && p < 1))
            return wc_fail(w->err, WC_BAD_FILE,
                           "%s: activation_sparsity_pattern: entry %d: expected 0 up to 1, found %g",
                           wc_checkpoint_config_file(w->c), i, p);
        z[i] = p > 0 ? wc_normal_quantile(p) : -INFINITY;
    }
    wc_gguf_put_list(w, "activation_sparsity_scale", WC_GGUF_F32, z, (size_t)n_layers(w));
    return true;
}

/* Tables of layer inputs have a row for each token of the file: ids behind the last row read the first one. */
static void pad_layer_inputs(wc_gguf_writer *w)
{
    wc_gguf_item *t = wc_gguf_item_find(w, "per_layer_token_embd.weight");
    const size_t rows = (size_t)wc_gguf_field_or(w, "vocab_size", 0);
    if (t && t->shape[0] < rows)
        t->shape[0] = rows;
}

/* Layers that read the keys of an earlier one have key weights in released files, unused, and llama.cpp wants them; folders that
 * transformers 5 saves have none.  They are those of the layer whose keys are read. */
static bool add_shared_keys(wc_gguf_writer *w, int period)
{
    static const char *const names[] = {"attn_k.weight", "attn_v.weight", "attn_k_norm.weight"};
    const int first = n_layers(w) - wc_gguf_field_or(w, "num_kv_shared_layers", 0);
    for (int i = first > 0 ? first : 0; i < n_layers(w); i++) {
        int source = first - 1;
        while (source > 0 && is_sliding(w, source, period) != is_sliding(w, i, period))
            source--;
        for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
            char own[64], other[64];
            snprintf(own, sizeof own, "blk.%d.%s", i, names[k]);
            snprintf(other, sizeof other, "blk.%d.%s", source, names[k]);
            const wc_gguf_item *t = wc_gguf_item_find(w, other);
            if (!wc_gguf_item_find(w, own) && t && !wc_gguf_item_add(w, own, t->parts[0]))
                return false;
        }
    }
    return true;
}

static bool put_gemma3n(wc_gguf_writer *w)
{
    pad_layer_inputs(w);
    return put_layer_kinds(w, 5) && put_sparsity(w) && add_shared_keys(w, 5);
}

/* ---- rope ---- */

/* Factors as a tensor of f32. */
static bool add_factors(wc_gguf_writer *w, const char *name, const float *x, size_t n)
{
    float *copy = wc_arena_alloc(w->arena, n * sizeof *copy);
    if (!copy)
        return wc_fail_memory(w->err, n * sizeof *copy);
    memcpy(copy, x, n * sizeof *copy);
    return wc_gguf_item_add(w, name, wc_tensor_of(copy, WC_F32, WC_SHAPE(n)));
}

static bool add_llama3_factors(wc_gguf_writer *w)
{
    const int d = wc_gguf_field_or(w, "head_dim", wc_gguf_field_or(w, "hidden_size", 1) / wc_gguf_n_heads(w));
    const double base = wc_json_number(rope_field(w, "rope_theta"), 10000),
                 factor = wc_json_number(rope_field(w, "factor"), 1),
                 low = wc_json_number(rope_field(w, "low_freq_factor"), 1),
                 high = wc_json_number(rope_field(w, "high_freq_factor"), 4),
                 original = wc_json_number(rope_field(w, "original_max_position_embeddings"), 8192);
    float divisors[MAX_FACTORS];
    if (d / 2 > MAX_FACTORS || !(high > low))
        return wc_fail(w->err, WC_BAD_FILE,
                       "%s: rope_scaling: expected high_freq_factor above low_freq_factor",
                       wc_checkpoint_config_file(w->c));
    for (int i = 0; i < d / 2; i++) {
        const double wavelength = 2 * 3.14159265358979323846 * pow(base, 2.0 * i / d);
        const double g = (original / wavelength - low) / (high - low);
        divisors[i] = (float)(wavelength < original / high  ? 1
                              : wavelength > original / low ? factor
                                                            : 1 / ((1 - g) / factor + g));
    }
    return add_factors(w, "rope_freqs.weight", divisors, (size_t)d / 2);
}

/* What cosines and sines are multiplied by: said, or made of how far the context was stretched (rope.c).  Files have one number for
 * both lists. */
static bool put_longrope_scale(wc_gguf_writer *w)
{
    const char *file = wc_checkpoint_config_file(w->c);
    const double context = wc_json_number(wc_gguf_field(w, "max_position_embeddings"), 1),
                 original = wc_json_number(rope_field(w, "original_max_position_embeddings"), context),
                 stretch = wc_json_number(rope_field(w, "factor"), context / original),
                 made = stretch <= 1 ? 1 : sqrt(1 + log(stretch) / log(original)),
                 all = wc_json_number(rope_field(w, "attention_factor"), made),
                 near = wc_json_number(rope_field(w, "short_mscale"), all),
                 far = wc_json_number(rope_field(w, "long_mscale"), all);
    if (near != far)
        return wc_fail(w->err, WC_UNSUPPORTED,
                       "%s: rope_scaling: short_mscale and long_mscale differ (%g, %g); GGUF files have one",
                       file, near, far);
    if (!(far > 0 && far < 1e3))
        return wc_fail(w->err, WC_BAD_FILE, "%s: rope_scaling: expected a scale from 0 to 1000, found %g",
                       file, far);
    wc_gguf_put_real(w, "rope.scaling.attn_factor", far);
    return true;
}

static bool add_longrope_factors(wc_gguf_writer *w)
{
    static const char *const lists[][2] = {{"long_factor", "rope_factors_long.weight"},
                                           {"short_factor", "rope_factors_short.weight"}};
    for (int k = 0; k < 2; k++) {
        const wc_json *list = rope_field(w, lists[k][0]);
        float x[MAX_FACTORS];
        if (!wc_json_is(list, WC_JSON_ARRAY) || list->n == 0 || list->n > MAX_FACTORS)
            return wc_fail(w->err, WC_BAD_FILE, "%s: rope_scaling.%s: expected a list of numbers, found %s",
                           wc_checkpoint_config_file(w->c), lists[k][0], wc_json_type_name(list));
        for (uint32_t i = 0; i < list->n; i++)
            x[i] = (float)wc_json_number(wc_json_item(list, i), 1);
        if (!add_factors(w, lists[k][1], x, list->n))
            return false;
    }
    return true;
}

static bool put_rope_scaling(wc_gguf_writer *w)
{
    char full[128];
    const wc_json *type = rope_field(w, "rope_type");
    if (!type)
        type = rope_field(w, "type");
    if (!type || wc_json_string_is(type, "default"))
        return true;
    if (wc_json_string_is(type, "llama3"))
        return add_llama3_factors(w);
    if (wc_json_string_is(type, "longrope"))
        return put_longrope_scale(w) && add_longrope_factors(w);
    if (!wc_json_string_is(type, "linear"))
        return wc_fail(w->err, WC_UNSUPPORTED,
                       "%s: rope_type: expected default, linear, llama3 or longrope, found %s",
                       wc_checkpoint_config_file(w->c),
                       wc_json_is(type, WC_JSON_STRING) ? type->u.text : wc_json_type_name(type));
    wc_gguf_put_string(w, wc_gguf_arch_key(w, "rope.scaling.type", full), "linear");
    wc_gguf_put_real(w, "rope.scaling.factor", wc_json_number(rope_field(w, "factor"), 1));
    return true;
}

/* ---- Gemma 4 ---- */

/* The size of heads of all layers of one kind; they must agree. */
static bool head_dim_of(wc_gguf_writer *w, bool sliding, size_t *d)
{
    const size_t H = (size_t)wc_gguf_n_heads(w);
    *d = 0;
    for (int i = 0; i < n_layers(w); i++) {
        const size_t rows = size_of(w, i, "attn_q", 0);
        if (is_sliding(w, i, 6) != sliding)
            continue;
        if (rows == 0 || rows % H || (*d && rows / H != *d))
            return wc_fail(
                w->err, WC_UNSUPPORTED,
                "%s: layer %d: expected %zu query heads of the size that others of its kind have; GGUF files "
                "have one",
                wc_checkpoint_weights_file(w->c), i, H);
        *d = rows / H;
    }
    return true;
}

/* rope_freqs: divisors of the frequencies of layers that see all, 1e30 where a head stands still. */
static bool add_proportional_factors(wc_gguf_writer *w, size_t d)
{
    const char *file = wc_checkpoint_config_file(w->c);
    const wc_json *full = wc_json_path(w->config, "rope_parameters.full_attention"),
                  *type = wc_json_get(full, "rope_type"),
                  *local = wc_json_path(w->config, "rope_parameters.sliding_attention.rope_type");
    const double part = wc_json_number(wc_json_get(full, "partial_rotary_factor"), 1),
                 factor = wc_json_number(wc_json_get(full, "factor"), 1);
    const bool proportional = wc_json_string_is(type, "proportional");
    const size_t half = d / 2;
    float divisors[MAX_FACTORS];
    if ((type && !proportional && !wc_json_string_is(type, "default")) ||
        (local && !wc_json_string_is(local, "default")) || (!proportional && part != 1))
        return wc_fail(
            w->err, WC_UNSUPPORTED,
            "%s: rope_parameters: expected full_attention proportional and sliding_attention default; "
            "GGUF files of %s tell no others",
            file, w->arch->name);
    if (!(part >= 0 && part <= 1) || !(factor > 0 && factor < 1e6) || half > MAX_FACTORS)
        return wc_fail(w->err, WC_BAD_FILE,
                       "%s: rope_parameters.full_attention: partial_rotary_factor: expected 0 to 1", file);
    for (size_t i = 0; i < half; i++)
        divisors[i] = i < (size_t)(part * (double)half) ? (float)factor : 1e30f;
    return d == 0 || add_factors(w, "rope_freqs.weight", divisors, half);
}

static bool put_gemma4(wc_gguf_writer *w)
{
    size_t d[2], kv[MAX_LAYERS], last[2] = {0, 0}; /* full, sliding */
    if (!head_dim_of(w, false, &d[0]) || !head_dim_of(w, true, &d[1]))
        return false;
    for (int k = 0; k < 2; k++)
        d[k] = d[k] ? d[k] : d[!k];
    const int n = n_layers(w);
    for (int i = 0; i < n; i++) { /* those that share keys have as many as the layer that they read */
        const bool sliding = is_sliding(w, i, 6);
        const size_t rows = size_of(w, i, "attn_k", 0);
        last[sliding] = rows && d[sliding] ? rows / d[sliding] : last[sliding];
        kv[i] = last[sliding];
    }
    wc_gguf_put_whole(w, "attention.key_length", (int64_t)d[0]);
    wc_gguf_put_whole(w, "attention.value_length", (int64_t)d[0]);
    wc_gguf_put_whole(w, "attention.key_length_swa", (int64_t)d[1]);
    wc_gguf_put_whole(w, "attention.value_length_swa", (int64_t)d[1]);
    wc_gguf_put_whole(w, "rope.dimension_count", (int64_t)d[0]);
    wc_gguf_put_whole(w, "rope.dimension_count_swa", (int64_t)d[1]);
    pad_layer_inputs(w);
    return put_sizes(w, "attention.head_count_kv", kv, n) && put_layer_kinds(w, 6) &&
           add_proportional_factors(w, d[0]);
}

/* ---- OpenELM ---- */

static bool put_openelm(wc_gguf_writer *w)
{
    const size_t d = (size_t)wc_gguf_field_or(w, "head_dim", 1);
    size_t heads[MAX_LAYERS], kv[MAX_LAYERS];
    const int n = n_layers(w);
    for (int i = 0; i < n; i++) {
        const size_t rows = size_of(w, i, "attn_qkv", 0);
        heads[i] = size_of(w, i, "attn_output", 1) / d;
        kv[i] = rows / d > heads[i] ? (rows / d - heads[i]) / 2 : 0;
        if (rows != (heads[i] + 2 * kv[i]) * d)
            return wc_fail(w->err, WC_BAD_FILE,
                           "%s: layer %d: attn.qkv_proj: expected rows of whole heads of %zu, found %zu",
                           wc_checkpoint_weights_file(w->c), i, d, rows);
    }
    wc_gguf_put_real(w, "attention.layer_norm_rms_epsilon", 1e-6);
    wc_gguf_put_whole(w, "attention.value_length", (int64_t)d);
    wc_gguf_put_whole(w, "rope.dimension_count", (int64_t)d);
    return put_sizes(w, "attention.head_count", heads, n) && put_sizes(w, "attention.head_count_kv", kv, n) &&
           put_widths(w);
}

static bool put_layers(wc_gguf_writer *w)
{
    return strcmp(w->arch->name, "gemma3") == 0    ? put_layer_kinds(w, 6)
           : strcmp(w->arch->name, "gemma3n") == 0 ? put_gemma3n(w)
           : strcmp(w->arch->name, "gemma4") == 0  ? put_gemma4(w)
           : strcmp(w->arch->name, "openelm") == 0 ? put_openelm(w)
                                                   : true;
}

/* ---- the whole ---- */

bool wc_gguf_write_arch(wc_gguf_writer *w)
{
    const wc_json *config = wc_checkpoint_config(w->c), *text = wc_json_get(config, "text_config");
    w->config = wc_json_is(text, WC_JSON_OBJECT) ? text : config;
    const wc_json *type = wc_json_get(w->config, "model_type");
    w->arch = wc_json_is(type, WC_JSON_STRING) ? wc_gguf_arch_of(type->u.text) : NULL;
    if (w->arch)
        return (w->defaults = members(w, w->arch->defaults)) != NULL;
    return wc_fail(w->err, WC_UNSUPPORTED, "%s: model_type: %s cannot be written as GGUF",
                   wc_checkpoint_config_file(w->c),
                   wc_json_is(type, WC_JSON_STRING) ? type->u.text : wc_json_type_name(type));
}

bool wc_gguf_write_config(wc_gguf_writer *w)
{
    const unsigned flags = w->arch->flags;
    if (!check_fixed(w) || (!(flags & WC_GGUF_OWN_KEYS) && !put_keys(w, wc_gguf_common_keys)) ||
        !put_own_keys(w) || ((flags & WC_GGUF_WIDTH_LISTS) && !put_widths(w)))
        return false;
    if (!(flags & WC_GGUF_OWN_HEADS)) {
        put_heads(w);
        if (!put_rope_scaling(w))
            return false;
    }
    return put_layers(w);
}
