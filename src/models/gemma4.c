/* gemma4.c - Gemma 4, text (transformers' Gemma4ForCausalLM).
 *
 * Gemma 3's four norms, but their weights are plain, and scores are not scaled.  Layers that see all have heads of another
 * size (and, with attention_k_eq_v, values that are the keys before their norm and rope); values are divided by their root mean
 * square.  The E models add an input of its own for each layer and token, and let the last layers read the keys and values
 * of the last earlier layer of their kind. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "formats/config.h"
#include "models/decoder_load.h"
#include "tensor/store.h"

struct settings {
    int window, full_head_dim, full_kv_heads; /* of the layers that see all */
    int n_shared;                             /* last layers without keys of their own */
    bool double_wide;                         /* their feed-forward is twice as wide */
};

/* A field of a layer's entry in per_layer_config ({"5": {"head_dim": 512}}), as transformers 5 writes it. */
static bool layer_int(const wc_decoder_loader *l, int layer, const char *key, int fallback, int *x)
{
    char name[16];
    snprintf(name, sizeof name, "%d", layer);
    const wc_json *own = wc_json_get(wc_json_get(l->config, "per_layer_config"), name);
    return wc_config_int_or(l->file, own, key, fallback, 1, 4096, x, l->err);
}

/* Which layer's pages the layer reads: its own, or those of the last of its kind before the shared ones. */
static bool plan_pages(wc_decoder_loader *l, int first_shared)
{
    int last[2] = {-1, -1}; /* full, sliding */
    wc_decoder *m = l->m;
    m->net.n_kv = 0;
    for (int i = 0; i < l->g.n_layers; i++) {
        wc_decoder_layer *w = &m->layers[i];
        const bool sliding = w->window > 0;
        w->shared = i >= first_shared;
        if (!w->shared) {
            w->kv = m->net.n_kv++;
            last[sliding] = i;
        } else if (last[sliding] < 0 || m->layers[last[sliding]].head_dim != w->head_dim ||
                   m->layers[last[sliding]].n_kv_heads != w->n_kv_heads) {
            return wc_fail(l->err, WC_BAD_FILE,
                           "%s: num_kv_shared_layers: no layer before %d has keys for layer %d, a %s one",
                           l->file, first_shared, i, sliding ? "sliding_attention" : "full_attention");
        } else {
            w->kv = m->layers[last[sliding]].kv;
        }
    }
    return true;
}

static bool plan_layers(wc_decoder_loader *l, const struct settings *s)
{
    const int L = l->g.n_layers, first_shared = L - s->n_shared;
    bool sliding;
    for (int i = 0; i < L; i++) {
        wc_decoder_layer *w = &l->m->layers[i];
        if (!wc_decoder_is_sliding(l, i, (i + 1) % 6 != 0 && i != L - 1, &sliding) ||
            !layer_int(l, i, "head_dim", sliding ? l->g.head_dim : s->full_head_dim, &w->head_dim) ||
            !layer_int(l, i, "num_key_value_heads", sliding ? l->g.n_kv_heads : s->full_kv_heads,
                       &w->n_kv_heads))
            return false;
        if (w->n_heads % w->n_kv_heads || w->head_dim % 2)
            return wc_fail(l->err, WC_BAD_FILE,
                           "%s: layer %d: expected heads of an even size and a multiple of the key/value "
                           "heads, found %d of %d over %d",
                           l->file, i, w->n_heads, w->head_dim, w->n_kv_heads);
        w->window = sliding ? s->window : 0;
        w->rope = sliding;
        if (s->double_wide && i >= first_shared)
            w->intermediate_size *= 2;
    }
    return plan_pages(l, first_shared);
}

static bool read_settings(wc_decoder_loader *l, struct settings *s)
{
    const char *file = l->file;
    const wc_json *v = l->config;
    bool experts;
    double cap;
    if (!wc_config_int_or(file, v, "sliding_window", 512, 1, 1 << 30, &s->window, l->err) ||
        !wc_config_int_or(file, v, "global_head_dim", 512, 2, 4096, &s->full_head_dim, l->err) ||
        !wc_config_bool_or(file, v, "attention_k_eq_v", false, &l->values_are_keys, l->err) ||
        !wc_config_int_or(file, v, "num_global_key_value_heads", l->g.n_kv_heads, 1, 4096, &s->full_kv_heads,
                          l->err) ||
        !wc_config_int_or(file, v, "num_kv_shared_layers", 0, 0, l->g.n_layers - 1, &s->n_shared, l->err) ||
        !wc_config_bool_or(file, v, "use_double_wide_mlp", false, &s->double_wide, l->err) ||
        !wc_config_bool_or(file, v, "enable_moe_block", false, &experts, l->err) ||
        !wc_config_float_or(file, v, "final_logit_softcapping", 0, 0, 1e6, &cap, l->err) ||
        !wc_config_int_or(file, v, "hidden_size_per_layer_input", 0, 0, 1 << 20, &l->m->ple_width, l->err) ||
        !wc_config_int_or(file, v, "vocab_size_per_layer_input", l->g.vocab_size, 1, 1 << 24,
                          &l->m->ple_vocab, l->err))
        return false;
    if (!l->values_are_keys)
        s->full_kv_heads = l->g.n_kv_heads;
    l->m->logit_cap = (float)cap;
    return !experts ||
           wc_fail(l->err, WC_UNSUPPORTED, "%s: enable_moe_block: expected false, found true", file);
}

/* The scalar that ends a layer, in any type of weights. */
static bool read_out_scale(wc_decoder_loader *l, int i)
{
    wc_tensor t;
    if (!wc_decoder_need_in_layer(l, i, "layer_scalar", "", WC_SHAPE(1), &t))
        return false;
    if (t.dtype > WC_BF16)
        return wc_fail(l->err, WC_UNSUPPORTED,
                       "%s: tensor layer_scalar of layer %d: dtype: expected f32, f16 or bf16, found %s",
                       wc_checkpoint_weights_file(l->files), i, wc_dtype_get(t.dtype)->name);
    wc_store_widen(&l->m->layers[i].out_scale, t.data, t.dtype, 1);
    return true;
}

static bool find_layer_inputs(wc_decoder_loader *l)
{
    wc_decoder *m = l->m;
    const size_t P = (size_t)m->ple_width, D = (size_t)l->g.hidden_size, L = (size_t)l->g.n_layers;
    if (!P)
        return true;
    if (!wc_decoder_need(l, "model.embed_tokens_per_layer.weight", WC_SHAPE((size_t)m->ple_vocab, L * P),
                         &m->ple_embed) ||
        !wc_decoder_need(l, "model.per_layer_model_projection.weight", WC_SHAPE(L * P, D),
                         &m->ple_model_proj) ||
        !wc_decoder_need(l, "model.per_layer_projection_norm.weight", WC_SHAPE(P), &m->ple_model_norm))
        return false;
    for (int i = 0; i < l->g.n_layers; i++) {
        wc_decoder_layer *w = &m->layers[i];
        if (!wc_decoder_need_in_layer(l, i, "per_layer_input_gate", ".weight", WC_SHAPE(P, D),
                                      &w->ple_gate) ||
            !wc_decoder_need_in_layer(l, i, "per_layer_projection", ".weight", WC_SHAPE(D, P),
                                      &w->ple_proj) ||
            !wc_decoder_need_in_layer(l, i, "post_per_layer_input_norm", ".weight", WC_SHAPE(D),
                                      &w->ple_norm))
            return false;
    }
    const struct wc_dtype_row *row = wc_dtype_get(m->ple_embed.dtype);
    m->net.row_bytes = wc_tensor_elems(&m->ple_embed) / row->block_elems * row->block_bytes;
    wc_checkpoint_random_access(l->files, &m->ple_embed);
    return true;
}

/* Each kind of layers has heads of one size, that of its first. */
static int head_dim_of(const wc_decoder_loader *l, int rope)
{
    for (int i = 0; i < l->g.n_layers; i++)
        if (l->m->layers[i].rope == rope)
            return l->m->layers[i].head_dim;
    return l->g.head_dim;
}

static bool one_size(const wc_decoder_loader *l)
{
    for (int i = 0; i < l->g.n_layers; i++)
        if (l->m->layers[i].head_dim != head_dim_of(l, l->m->layers[i].rope))
            return wc_fail(l->err, WC_UNSUPPORTED,
                           "%s: per_layer_config: layer %d: head_dim: expected %d, found %d", l->file, i,
                           head_dim_of(l, l->m->layers[i].rope), l->m->layers[i].head_dim);
    return true;
}

static bool load(wc_net **net, wc_arena *a, const wc_checkpoint *files, const char *slice, wc_error *err)
{
    wc_decoder_loader l = wc_decoder_loader_init(a, files, err);
    struct settings s;
    l.g = (wc_decoder_config){.head_dim = 256, .context_length = 131072, .norm_eps = 1e-6, .tied = true};
    if (!wc_decoder_read_config(&l, slice) || !wc_decoder_new(&l, &wc_decoder_names_gemma2) ||
        !read_settings(&l, &s) || !plan_layers(&l, &s) || !one_size(&l) ||
        !wc_decoder_read_act(&l, "hidden_activation", "gelu_pytorch_tanh", &l.m->act))
        return false;
    l.qk_norm = l.m->norm_values = true;
    l.m->embed_scale = sqrtf((float)l.g.hidden_size);
    l.m->attention_scale = 1;
    if (!wc_decoder_read_rope_of(&l, 0, "full_attention", "rope_theta", NULL, 1e6, head_dim_of(&l, 0)) ||
        !wc_decoder_read_rope_of(&l, 1, "sliding_attention", "rope_local_base_freq", NULL, 10000,
                                 head_dim_of(&l, 1)))
        return false;
    for (int i = 0; i < l.g.n_layers; i++)
        if (!read_out_scale(&l, i))
            return false;
    return find_layer_inputs(&l) && wc_decoder_find(&l, net);
}

static const char *const model_types[] = {"gemma4_text", NULL};

const wc_family wc_family_gemma4 = {
    .name = "Gemma 4",
    .model_types = model_types,
    .load = load,
    .forward = wc_decoder_forward,
};
