/* openelm.c - OpenELM (Mehta et al. 2024, arXiv:2404.14619; Apple's CoreNet; not in transformers): Llama's block with heads
 * and feed-forward widths that grow from layer to layer, normed heads of q and k, q, k, v and gate, up in one matrix each. */
#include <math.h>
#include <string.h>

#include "formats/config.h"
#include "models/decoder_load.h"

static const wc_decoder_names names = {
    .prefix = "transformer.",
    .embed = "transformer.token_embeddings",
    .norm = "transformer.norm",
    .head = "lm_head",
    .input_norm = "attn_norm",
    .ffn_norm = "ffn_norm",
    .qkv_proj = "attn.qkv_proj",
    .o_proj = "attn.out_proj",
    .q_norm = "attn.q_norm",
    .k_norm = "attn.k_norm",
    .gate_proj = "ffn.gate_proj",
    .up_proj = "ffn.up_proj",
    .gate_up_proj = "ffn.proj_1", /* the two above in one; GGUF files have them apart */
    .down_proj = "ffn.proj_2",
    .act = "ffn.act",
    .mlp = "ffn",
    .keys_by_query = true,
};

/* x rounded to a multiple of divisor, but not by more than a tenth downwards. */
static int round_to(double x, int divisor)
{
    int rounded = (int)((x + divisor / 2.0) / divisor) * divisor;
    if (rounded < divisor)
        rounded = divisor;
    return rounded < 0.9 * x ? rounded + divisor : rounded;
}

/* A layer's entry of a list of multipliers; two entries are the ends of a straight line, in steps of 0.01. */
static bool multiplier(const wc_decoder_loader *l, const char *key, int layer, double *x)
{
    const wc_json *list = wc_json_get(l->config, key);
    const size_t n = wc_json_count(list), L = (size_t)l->g.n_layers;
    *x = wc_json_is(list, WC_JSON_ARRAY) ? -1 : wc_json_number(list, -1);
    if (wc_json_is(list, WC_JSON_ARRAY) && n == L) {
        *x = wc_json_number(wc_json_item(list, (size_t)layer), -1);
    } else if (wc_json_is(list, WC_JSON_ARRAY) && n == 2) {
        const double first = wc_json_number(wc_json_item(list, 0), -1),
                     last = wc_json_number(wc_json_item(list, 1), -1);
        *x = round((first + (last - first) * layer / (double)(L - 1)) * 100) / 100;
    }
    return (*x > 0 && *x < 1e3) ||
           wc_fail(l->err, WC_BAD_FILE, "%s: %s: expected two or %d positive numbers, found %s of %zu",
                   l->file, key, l->g.n_layers, wc_json_type_name(list), n);
}

/* Heads of layer i: listed, or by its multiplier. */
static bool read_heads(wc_decoder_loader *l, int i, int group, wc_decoder_layer *w)
{
    double m;
    if (!wc_json_is_null(wc_json_get(l->config, "num_query_heads")))
        return wc_config_int_at(l->file, l->config, "num_query_heads", (size_t)i, 1, 4096, &w->n_heads,
                                l->err) &&
               wc_config_int_at(l->file, l->config, "num_kv_heads", (size_t)i, 1, 4096, &w->n_kv_heads,
                                l->err);
    if (!multiplier(l, "qkv_multipliers", i, &m))
        return false;
    w->n_heads = round_to(l->g.hidden_size * m, l->g.head_dim * group) / l->g.head_dim;
    w->n_kv_heads = w->n_heads / group;
    return true;
}

static bool read_layers(wc_decoder_loader *l)
{
    int group, divisor;
    double m;
    if (!wc_config_int_or(l->file, l->config, "num_gqa_groups", 1, 1, 4096, &group, l->err) ||
        !wc_config_int_or(l->file, l->config, "ffn_dim_divisor", 256, 1, 1 << 20, &divisor, l->err))
        return false;
    for (int i = 0; i < l->g.n_layers; i++) {
        wc_decoder_layer *w = &l->m->layers[i];
        if (!read_heads(l, i, group, w) || !multiplier(l, "ffn_multipliers", i, &m))
            return false;
        w->intermediate_size = round_to(l->g.hidden_size * m, divisor);
        if (w->n_heads % w->n_kv_heads)
            return wc_fail(
                l->err, WC_BAD_FILE,
                "%s: num_query_heads: entry %d: expected a multiple of num_kv_heads (%d), found %d", l->file,
                i, w->n_kv_heads, w->n_heads);
    }
    return true;
}

/* Apple's own spellings; the norms' epsilon is not among them. */
static bool read_config(wc_decoder_loader *l, const char *slice)
{
    wc_decoder_config *g = &l->g;
    const char *file = l->file;
    bool glu;
    if (slice)
        return wc_fail(l->err, WC_UNSUPPORTED, "--slice: only Gemma 3n models can be sliced");
    *g = (wc_decoder_config){.n_heads = 1, .n_kv_heads = 1, .intermediate_size = 1, .norm_eps = 1e-6};
    if (!wc_config_int(file, l->config, "model_dim", 1, 1 << 20, &g->hidden_size, l->err) ||
        !wc_config_int(file, l->config, "num_transformer_layers", 1, 1024, &g->n_layers, l->err) ||
        !wc_config_int(file, l->config, "head_dim", 2, 4096, &g->head_dim, l->err) ||
        !wc_config_int(file, l->config, "vocab_size", 1, 1 << 24, &g->vocab_size, l->err) ||
        !wc_config_int_or(file, l->config, "max_context_length", 2048, 1, 1 << 30, &g->context_length,
                          l->err) ||
        !wc_config_bool_or(file, l->config, "share_input_output_layers", true, &g->tied, l->err) ||
        !wc_config_bool_or(file, l->config, "normalize_qk_projections", true, &l->qk_norm, l->err) ||
        !wc_config_bool_or(file, l->config, "ffn_with_glu", true, &glu, l->err))
        return false;
    if (g->head_dim % 2)
        return wc_fail(l->err, WC_BAD_FILE, "%s: head_dim: expected an even number, found %d", file,
                       g->head_dim);
    return glu || wc_fail(l->err, WC_UNSUPPORTED, "%s: ffn_with_glu: expected true, found false", file);
}

static bool read_rope(wc_decoder_loader *l)
{
    const wc_rope_source s = {.file = l->file,
                              .config = l->config,
                              .theta_key = "rope_freq_constant",
                              .theta = 10000,
                              .partial = 1,
                              .head_dim = l->g.head_dim};
    l->m->n_ropes = 1;
    return wc_rope_read(&l->m->ropes[0], &s, l->arena, l->err);
}

static bool load(wc_net **net, wc_arena *a, const wc_checkpoint *files, const char *slice, wc_error *err)
{
    wc_decoder_loader l = wc_decoder_loader_init(a, files, err);
    return read_config(&l, slice) && wc_decoder_new(&l, &names) &&
           wc_decoder_read_act(&l, "activation_fn_name", "swish", &l.m->act) && read_layers(&l) &&
           read_rope(&l) && wc_decoder_find(&l, net);
}

static const char *const model_types[] = {"openelm", NULL};

const wc_family wc_family_openelm = {
    .name = "OpenELM",
    .model_types = model_types,
    .load = load,
    .forward = wc_decoder_forward,
};
