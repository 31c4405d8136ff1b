/* gguf_layers.c - what differs from layer to layer in a GGUF file's metadata, in Hugging Face's keys. */
#include <math.h>
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

bool wc_gguf_put_widths(wc_gguf_builder *b)
{
    int n, widths[WC_GGUF_MAX_LAYERS];
    if (!n_layers(b, &n) || !wc_gguf_by_layer(b, "feed_forward_length", n, 1, 1 << 24, 0, widths))
        return false;
    if (widths[0] == 0)
        return wc_fail(b->err, WC_BAD_FILE,
                       "%s: %s.feed_forward_length: missing; expected an integer or a list", b->f->path,
                       b->arch->name);
    put_ints(b, "intermediate_size", widths, n);
    return true;
}

/* Layers that see a window only, and their own rope.  A pattern is a list, or a number: every period-th layer sees all; files
 * of before 2026 do not say, and the family's own period holds. */
static bool put_layer_kinds(wc_gguf_builder *b, int period)
{
    const wc_gguf_key base_key = {"rope_local_base_freq", "rope.freq_base_swa", false, false, 1e-6, 1e18};
    const wc_json *pattern = wc_gguf_value(b, "attention.sliding_window_pattern");
    double base = 10000;
    bool found;
    int n;
    const bool listed = wc_json_is(pattern, WC_JSON_ARRAY);
    if (!wc_gguf_number(b, &base_key, &base, &found) || !n_layers(b, &n) ||
        (!listed && !wc_gguf_whole(b, "attention.sliding_window_pattern", 1, 1024, period, &period)))
        return false;
    if (listed && pattern->n < (uint32_t)n)
        return wc_fail(
            b->err, WC_BAD_FILE,
            "%s: %s.attention.sliding_window_pattern: expected %d entries, one for each layer, found %u",
            b->f->path, b->arch->name, n, pattern->n);
    wc_gguf_put_number(b, "rope_local_base_freq", base);
    wc_buf_puts(&b->out, "\"layer_types\":[");
    for (int i = 0; i < n; i++) {
        const bool sliding = listed ? wc_json_is(wc_json_item(pattern, (size_t)i), WC_JSON_TRUE)
                                    : (i + 1) % period != 0;
        wc_buf_printf(&b->out, "%s\"%s\"", i ? "," : "", sliding ? "sliding_attention" : "full_attention");
    }
    wc_buf_puts(&b->out, "],");
    return true;
}

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
    if (!left || !table)
        return wc_fail(b->err, WC_BAD_FILE, "%s: tensor %s: missing", b->f->path,
                       left ? "per_layer_token_embd.weight" : "blk.0.laurel_l.weight");
    wc_buf_printf(&b->out,
                  "\"laurel_rank\":%zu,\"vocab_size_per_layer_input\":%zu,\"altup_correct_scale\":%s,",
                  left->shape[0], table->shape[0],
                  wc_gguf_find(b, "blk.0.altup_correct_scale.weight") ? "true" : "false");
    return put_layer_kinds(b, 5) && put_sparsity(b);
}

bool wc_gguf_put_layers(wc_gguf_builder *b)
{
    return is_arch(b, "gemma3") ? put_layer_kinds(b, 6) : is_arch(b, "gemma3n") ? put_gemma3n(b) : true;
}
