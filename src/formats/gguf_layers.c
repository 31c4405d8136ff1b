/* gguf_layers.c - what differs from layer to layer in a GGUF file's metadata, in Hugging Face's keys. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/normal.h"
#include "formats/gguf_builder.h"

static bool is_arch(const wc_gguf_builder *b, const char *name)
{
    return strcmp(b->arch->name, name) == 0;
}

static bool n_layers(const wc_gguf_builder *b, int *n)
{
    return wc_gguf_whole(b, "block_count", 1, WC_GGUF_MAX_LAYERS, 1, n);
}

bool wc_gguf_by_layer(const wc_gguf_builder *b, const char *key, int n, double min, double max, int fallback,
                      int *out)
{
    char full[WC_GGUF_KEY_ROOM];
    const wc_json *list = wc_gguf_value(b, key);
    int one = fallback;
    if (!wc_json_is(list, WC_JSON_ARRAY) && !wc_gguf_whole(b, key, min, max, fallback, &one))
        return false;
    wc_gguf_full_key(b, key, full);
    if (wc_json_is(list, WC_JSON_ARRAY) && list->n != (uint32_t)n)
        return wc_fail(b->err, WC_BAD_FILE, "%s: %s: expected %d numbers, one for each layer, found %u",
                       b->f->path, full, n, list->n);
    for (int i = 0; i < n; i++) {
        const wc_json *v = wc_json_is(list, WC_JSON_ARRAY) ? wc_json_item(list, (size_t)i) : NULL;
        const double x = v ? wc_json_number(v, -1) : one;
        if (v && (!wc_json_is(v, WC_JSON_INT) || !(x >= min && x <= max)))
            return wc_fail(b->err, WC_BAD_FILE, "%s: %s: entry %d: expected an integer from %g to %g",
                           b->f->path, full, i, min, max);
        out[i] = (int)x;
    }
    return true;
}

static void put_ints(wc_gguf_builder *b, const char *name, const int *x, int n)
{
    wc_buf_printf(&b->out, "\"%s\":[", name);
    for (int i = 0; i < n; i++)
        wc_buf_printf(&b->out, "%s%d", i ? "," : "", x[i]);
    wc_buf_puts(&b->out, "],");
}

/* A list that has to be there. */
static bool need_by_layer(const wc_gguf_builder *b, const char *key, int n, double max, int *out)
{
    if (wc_gguf_value(b, key))
        return wc_gguf_by_layer(b, key, n, 1, max, 0, out);
    return wc_fail(b->err, WC_BAD_FILE, "%s: %s.%s: missing; expected an integer or a list", b->f->path,
                   b->arch->name, key);
}

static bool need_whole(const wc_gguf_builder *b, const char *key, double min, double max, int *out)
{
    const wc_gguf_key k = {"", key, true, true, min, max};
    double x = 0;
    bool found;
    if (!wc_gguf_number(b, &k, &x, &found))
        return false;
    *out = (int)x;
    return true;
}

/* Layers that see a window only.  A pattern is a list, or a number: every period-th layer sees all; files of before 2026 do not
 * say, and the family's own period holds. */
static bool read_kinds(const wc_gguf_builder *b, int n, int period, bool *sliding)
{
    const wc_json *pattern = wc_gguf_value(b, "attention.sliding_window_pattern");
    const bool listed = wc_json_is(pattern, WC_JSON_ARRAY);
    if (!listed && !wc_gguf_whole(b, "attention.sliding_window_pattern", 1, 1024, period, &period))
        return false;
    if (listed && pattern->n < (uint32_t)n)
        return wc_fail(
            b->err, WC_BAD_FILE,
            "%s: %s.attention.sliding_window_pattern: expected %d entries, one for each layer, found %u",
            b->f->path, b->arch->name, n, pattern->n);
    for (int i = 0; i < n; i++)
        sliding[i] = listed ? wc_json_is(wc_json_item(pattern, (size_t)i), WC_JSON_TRUE)
                            : (i + 1) % period != 0;
    return true;
}

static bool read_local_base(const wc_gguf_builder *b, double *base)
{
    const wc_gguf_key key = {"", "rope.freq_base_swa", false, false, 1e-6, 1e18};
    bool found;
    *base = 10000;
    return wc_gguf_number(b, &key, base, &found);
}

static void put_kinds(wc_gguf_builder *b, const bool *sliding, int n)
{
    wc_buf_puts(&b->out, "\"layer_types\":[");
    for (int i = 0; i < n; i++)
        wc_buf_printf(&b->out, "%s\"%s\"", i ? "," : "", sliding[i] ? "sliding_attention" : "full_attention");
    wc_buf_puts(&b->out, "],");
}

static bool put_layer_kinds(wc_gguf_builder *b, int period)
{
    bool sliding[WC_GGUF_MAX_LAYERS];
    double base;
    int n;
    if (!n_layers(b, &n) || !read_kinds(b, n, period, sliding) || !read_local_base(b, &base))
        return false;
    wc_gguf_put_number(b, "rope_local_base_freq", base);
    put_kinds(b, sliding, n);
    return true;
}

/* ---- Gemma 3n ---- */

/* Gemma 3n's gates keep what lies so many deviations over their mean; minus infinity: all of it.  The configuration has the
 * share that is dropped. */
static bool put_sparsity(wc_gguf_builder *b)
{
    const wc_json *list = wc_gguf_value(b, "activation_sparsity_scale");
    int n;
    if (!list)
        return true;
    if (!n_layers(b, &n))
        return false;
    if (!wc_json_is(list, WC_JSON_ARRAY) || list->n < (uint32_t)n)
        return wc_fail(b->err, WC_BAD_FILE,
                       "%s: %s.activation_sparsity_scale: expected a list of %d numbers, found %s of %zu",
                       b->f->path, b->arch->name, n, wc_json_type_name(list), wc_json_count(list));
    wc_buf_puts(&b->out, "\"activation_sparsity_pattern\":[");
    for (int i = 0; i < n; i++) {
        const wc_json *v = wc_json_item(list, (size_t)i);
        const double z = wc_json_number(v, NAN), p = wc_normal_cdf(z);
        if (!wc_json_is(v, WC_JSON_DOUBLE) || !(p >= 0 && p < 1))
            return wc_fail(b->err, WC_BAD_FILE,
                           "%s: %s.activation_sparsity_scale: entry %d: expected a number below 8, found %s",
                           b->f->path, b->arch->name, i,
                           v->type == WC_JSON_DOUBLE ? "another" : wc_json_type_name(v));
        wc_buf_printf(&b->out, "%s%.17g", i ? "," : "", p);
    }
    wc_buf_puts(&b->out, "],");
    return true;
}

/* The rank of LAuReL's matrices, rows of the table of layer inputs, and whether AltUp's correction is scaled are seen in the
 * tensors alone. */
static bool put_gemma3n(wc_gguf_builder *b)
{
    const wc_stored *left = wc_gguf_find(b, "blk.0.laurel_l.weight"),
                    *table = wc_gguf_find(b, "per_layer_token_embd.weight");
    int n, widths[WC_GGUF_MAX_LAYERS];
    if (!left || !table)
        return wc_fail(b->err, WC_BAD_FILE, "%s: tensor %s: missing", b->f->path,
                       left ? "per_layer_token_embd.weight" : "blk.0.laurel_l.weight");
    if (!n_layers(b, &n) || !need_by_layer(b, "feed_forward_length", n, 1 << 24, widths))
        return false;
    put_ints(b, "intermediate_size", widths, n);
    wc_buf_printf(&b->out,
                  "\"laurel_rank\":%zu,\"vocab_size_per_layer_input\":%zu,\"altup_correct_scale\":%s,",
                  left->shape[0], table->shape[0],
                  wc_gguf_find(b, "blk.0.altup_correct_scale.weight") ? "true" : "false");
    return put_layer_kinds(b, 5) && put_sparsity(b);
}

/* ---- Gemma 4 ---- */

/* What the two kinds of layers have. */
struct gemma4 {
    int n, n_shared, heads, d_full, d_sliding;
    int kv[WC_GGUF_MAX_LAYERS], widths[WC_GGUF_MAX_LAYERS];
    bool sliding[WC_GGUF_MAX_LAYERS];
};

static bool read_gemma4(const wc_gguf_builder *b, struct gemma4 *g)
{
    int v_full, v_sliding, rope;
    if (!n_layers(b, &g->n) || !need_whole(b, "attention.head_count", 1, 4096, &g->heads) ||
        !need_whole(b, "attention.key_length", 2, 4096, &g->d_full) ||
        !need_whole(b, "attention.key_length_swa", 2, 4096, &g->d_sliding) ||
        !wc_gguf_whole(b, "attention.value_length", 2, 4096, g->d_full, &v_full) ||
        !wc_gguf_whole(b, "attention.value_length_swa", 2, 4096, g->d_sliding, &v_sliding) ||
        !wc_gguf_whole(b, "rope.dimension_count_swa", 2, 4096, g->d_sliding, &rope) ||
        !wc_gguf_whole(b, "attention.shared_kv_layers", 0, g->n - 1, 0, &g->n_shared) ||
        !wc_gguf_by_layer(b, "attention.head_count_kv", g->n, 1, 4096, g->heads, g->kv) ||
        !need_by_layer(b, "feed_forward_length", g->n, 1 << 24, g->widths) ||
        !read_kinds(b, g->n, 6, g->sliding))
        return false;
    if (v_full != g->d_full || v_sliding != g->d_sliding || rope != g->d_sliding)
        return wc_fail(
            b->err, WC_UNSUPPORTED,
            "%s: %s.attention.value_length, rope.dimension_count_swa: expected the sizes of keys (%d, %d)",
            b->f->path, b->arch->name, g->d_full, g->d_sliding);
    return true;
}

/* The widths: all alike, or twice as wide where keys are shared. */
static bool put_gemma4_widths(wc_gguf_builder *b, const struct gemma4 *g)
{
    const int first = g->widths[0], last = g->widths[g->n - 1];
    const bool twice = g->n_shared > 0 && last == 2 * first;
    for (int i = 0; i < g->n; i++)
        if (g->widths[i] != (twice && i >= g->n - g->n_shared ? 2 * first : first))
            return wc_fail(
                b->err, WC_UNSUPPORTED,
                "%s: %s.feed_forward_length: entry %d: expected %d, or twice that in the last %d layers, "
                "found %d",
                b->f->path, b->arch->name, i, first, g->n_shared, g->widths[i]);
    wc_buf_printf(&b->out, "\"intermediate_size\":%d,\"use_double_wide_mlp\":%s,", first,
                  twice ? "true" : "false");
    return true;
}

/* rope_freqs divides the frequencies of layers that see all: by one number where a head turns, by a huge one where it stands. */
static bool put_gemma4_rope(wc_gguf_builder *b, const struct gemma4 *g)
{
    const wc_gguf_key base_key = {"", "rope.freq_base", false, false, 1e-6, 1e18};
    double base = 1e6, local;
    bool found;
    size_t n = 0, turning = 0;
    const float *divisors = wc_gguf_floats(b, "rope_freqs.weight", &n);
    if (!wc_gguf_number(b, &base_key, &base, &found) || !read_local_base(b, &local))
        return false;
    const size_t half = (size_t)g->d_full / 2;
    if (divisors && n != half)
        return wc_fail(b->err, WC_BAD_FILE,
                       "%s: tensor rope_freqs.weight: shape: expected [%zu], found [%zu]", b->f->path, half,
                       n);
    if (divisors && !(divisors[0] >= 1e-3f))
        return wc_fail(b->err, WC_BAD_FILE,
                       "%s: tensor rope_freqs.weight: value 0: expected 0.001 or more, found %g", b->f->path,
                       (double)divisors[0]);
    while (turning < half && (!divisors || (divisors[turning] == divisors[0] && divisors[0] < 1e6f)))
        turning++;
    for (size_t i = turning; i < half; i++)
        if (!(divisors[i] >= 1e20f))
            return wc_fail(b->err, WC_UNSUPPORTED,
                           "%s: tensor rope_freqs.weight: value %zu: expected %g as before or 1e30, found %g",
                           b->f->path, i, (double)divisors[0], (double)divisors[i]);
    /* the middle of what rounds down to turning */
    const double part = turning == half ? 1 : ((double)turning + 0.5) / (double)half;
    wc_buf_printf(
        &b->out,
        "\"rope_parameters\":{\"full_attention\":{\"rope_type\":\"proportional\",\"rope_theta\":%.17g,"
        "\"partial_rotary_factor\":%.17g,\"factor\":%.9g},"
        "\"sliding_attention\":{\"rope_type\":\"default\",\"rope_theta\":%.17g}},",
        base, part, divisors && turning ? (double)divisors[0] : 1.0, local);
    return true;
}

static bool put_gemma4(wc_gguf_builder *b)
{
    struct gemma4 g;
    char name[64];
    bool no_values = false;
    const char *comma = "";
    if (!read_gemma4(b, &g) || !put_gemma4_widths(b, &g) || !put_gemma4_rope(b, &g))
        return false;
    put_kinds(b, g.sliding, g.n);
    wc_buf_printf(&b->out,
                  "\"head_dim\":%d,\"global_head_dim\":%d,\"num_key_value_heads\":%d,\"per_layer_config\":{",
                  g.d_sliding, g.d_full, g.kv[0]);
    for (int i = 0; i < g.n; i++) {
        wc_buf_printf(&b->out, "%s\"%d\":{\"head_dim\":%d,\"num_key_value_heads\":%d}", comma, i,
                      g.sliding[i] ? g.d_sliding : g.d_full, g.kv[i]);
        comma = ",";
        snprintf(name, sizeof name, "blk.%d.attn_v.weight", i);
        no_values = no_values || (!g.sliding[i] && i < g.n - g.n_shared && !wc_gguf_find(b, name));
    }
    wc_buf_printf(&b->out, "},\"attention_k_eq_v\":%s,", no_values ? "true" : "false");
    const wc_stored *table = wc_gguf_find(b, "per_layer_token_embd.weight");
    if (table)
        wc_buf_printf(&b->out, "\"vocab_size_per_layer_input\":%zu,", table->shape[0]);
    return true;
}

/* ---- OpenELM ---- */

/* Heads and widths of each layer; the configuration has widths as multiples of the stream's. */
static bool put_openelm(wc_gguf_builder *b)
{
    int n, width, d, other, heads[WC_GGUF_MAX_LAYERS], kv[WC_GGUF_MAX_LAYERS], widths[WC_GGUF_MAX_LAYERS];
    const wc_gguf_key eps_key = {"", "attention.layer_norm_rms_epsilon", false, false, 1e-30, 1};
    double eps = 1e-6;
    bool found;
    if (!n_layers(b, &n) || !need_whole(b, "embedding_length", 1, 1 << 20, &width) ||
        !need_whole(b, "attention.key_length", 2, 4096, &d) ||
        !wc_gguf_whole(b, "attention.value_length", 2, 4096, d, &other) ||
        !need_by_layer(b, "attention.head_count", n, 4096, heads) ||
        !need_by_layer(b, "attention.head_count_kv", n, 4096, kv) ||
        !need_by_layer(b, "feed_forward_length", n, 1 << 24, widths) ||
        !wc_gguf_number(b, &eps_key, &eps, &found))
        return false;
    if (other != d || fabs(eps - 1e-6) > 1e-9)
        return wc_fail(
            b->err, WC_UNSUPPORTED,
            "%s: openelm.attention: expected value_length as key_length (%d) and layer_norm_rms_epsilon "
            "1e-6, found %d and %g",
            b->f->path, d, other, eps);
    put_ints(b, "num_query_heads", heads, n);
    put_ints(b, "num_kv_heads", kv, n);
    wc_buf_puts(&b->out, "\"ffn_dim_divisor\":1,\"ffn_multipliers\":[");
    for (int i = 0; i < n; i++)
        wc_buf_printf(&b->out, "%s%.17g", i ? "," : "", (double)widths[i] / width);
    wc_buf_printf(&b->out, "],\"normalize_qk_projections\":%s,",
                  wc_gguf_find(b, "blk.0.attn_q_norm.weight") ? "true" : "false");
    return true;
}

bool wc_gguf_put_layers(wc_gguf_builder *b)
{
    return is_arch(b, "gemma3")    ? put_layer_kinds(b, 6)
           : is_arch(b, "gemma3n") ? put_gemma3n(b)
           : is_arch(b, "gemma4")  ? put_gemma4(b)
           : is_arch(b, "openelm") ? put_openelm(b)
                                   : true;
}
