/* decoder_load.c - see decoder_load.h. */
#include "models/decoder_load.h"

#include <stdio.h>
#include <string.h>

#include "formats/config.h"

enum { MAX_LAYERS = 1024, NAME_ROOM = 200 };

/* ---- names ---- */

const wc_decoder_names wc_decoder_names_llama = {
    .prefix = "model.",
    .embed = "model.embed_tokens",
    .norm = "model.norm",
    .head = "lm_head",
    .input_norm = "input_layernorm",
    .ffn_norm = "post_attention_layernorm",
    .q_proj = "self_attn.q_proj",
    .k_proj = "self_attn.k_proj",
    .v_proj = "self_attn.v_proj",
    .o_proj = "self_attn.o_proj",
    .q_norm = "self_attn.q_norm",
    .k_norm = "self_attn.k_norm",
    .gate_proj = "mlp.gate_proj",
    .up_proj = "mlp.up_proj",
    .down_proj = "mlp.down_proj",
    .act = "mlp.act_fn",
    .mlp = "mlp",
};

/* post_attention_layernorm is not the norm before the feed-forward here. */
const wc_decoder_names wc_decoder_names_gemma2 = {
    .prefix = "model.",
    .embed = "model.embed_tokens",
    .norm = "model.norm",
    .head = "lm_head",
    .input_norm = "input_layernorm",
    .post_attention_norm = "post_attention_layernorm",
    .ffn_norm = "pre_feedforward_layernorm",
    .post_ffn_norm = "post_feedforward_layernorm",
    .q_proj = "self_attn.q_proj",
    .k_proj = "self_attn.k_proj",
    .v_proj = "self_attn.v_proj",
    .o_proj = "self_attn.o_proj",
    .q_norm = "self_attn.q_norm",
    .k_norm = "self_attn.k_norm",
    .v_norm = "self_attn.v_norm",
    .gate_proj = "mlp.gate_proj",
    .up_proj = "mlp.up_proj",
    .down_proj = "mlp.down_proj",
    .act = "mlp.act_fn",
    .mlp = "mlp",
};

/* ---- configuration ---- */

wc_decoder_loader wc_decoder_loader_init(wc_arena *a, const wc_checkpoint *files, wc_error *err)
{
    const wc_json *config = wc_checkpoint_config(files), *text = wc_json_get(config, "text_config");
    return (wc_decoder_loader){.arena = a,
                               .files = files,
                               .file = wc_checkpoint_config_file(files),
                               .config = wc_json_is(text, WC_JSON_OBJECT) ? text : config,
                               .err = err};
}

/* A field that is required unless there is a fallback. */
static bool read_int(const wc_decoder_loader *l, const char *key, int max, int *x)
{
    return *x ? wc_config_int_or(l->file, l->config, key, *x, 1, max, x, l->err)
              : wc_config_int(l->file, l->config, key, 1, max, x, l->err);
}

/* Absent it is the family's default; a null or a zero is a mistake. */
static bool read_eps(wc_decoder_loader *l)
{
    const char *key = l->g.eps_key ? l->g.eps_key : "rms_norm_eps";
    return (l->g.norm_eps > 0 && !wc_json_get(l->config, key)) ||
           wc_config_float(l->file, l->config, key, 1e-30, 1, &l->g.norm_eps, l->err);
}

static bool read_heads(wc_decoder_loader *l)
{
    wc_decoder_config *g = &l->g;
    if (!read_int(l, "num_attention_heads", 4096, &g->n_heads))
        return false;
    if (!g->n_kv_heads)
        g->n_kv_heads = g->n_heads;
    if (!read_int(l, "num_key_value_heads", 4096, &g->n_kv_heads))
        return false;
    if (g->n_heads % g->n_kv_heads)
        return wc_fail(l->err, WC_BAD_FILE,
                       "%s: num_attention_heads: expected a multiple of num_key_value_heads (%d), found %d",
                       l->file, g->n_kv_heads, g->n_heads);
    const bool derived = !g->head_dim;
    if (derived)
        g->head_dim = g->hidden_size / g->n_heads;
    if (!wc_config_int_or(l->file, l->config, "head_dim", g->head_dim, 2, 4096, &g->head_dim, l->err))
        return false;
    if (derived && wc_json_is_null(wc_json_get(l->config, "head_dim")) && g->hidden_size % g->n_heads)
        return wc_fail(l->err, WC_BAD_FILE,
                       "%s: hidden_size: expected a multiple of num_attention_heads (%d), found %d", l->file,
                       g->n_heads, g->hidden_size);
    return g->head_dim % 2 == 0 ||
           wc_fail(l->err, WC_BAD_FILE, "%s: head_dim: expected an even number, found %d", l->file,
                   g->head_dim);
}

bool wc_decoder_read_config(wc_decoder_loader *l, const char *slice)
{
    wc_decoder_config *g = &l->g;
    if (slice)
        return wc_fail(l->err, WC_UNSUPPORTED, "--slice: only Gemma 3n models can be sliced");
    return read_int(l, "hidden_size", 1 << 20, &g->hidden_size) &&
           read_int(l, "num_hidden_layers", MAX_LAYERS, &g->n_layers) && read_heads(l) &&
           read_int(l, "intermediate_size", 1 << 24, &g->intermediate_size) &&
           read_int(l, "vocab_size", 1 << 24, &g->vocab_size) &&
           read_int(l, "max_position_embeddings", 1 << 30, &g->context_length) && read_eps(l) &&
           wc_config_bool_or(l->file, l->config, "tie_word_embeddings", g->tied, &g->tied, l->err);
}

bool wc_decoder_new(wc_decoder_loader *l, const wc_decoder_names *names)
{
    const wc_decoder_config *g = &l->g;
    const size_t L = (size_t)g->n_layers;
    l->m = wc_arena_zalloc(l->arena, 1, sizeof *l->m);
    l->kv = wc_arena_zalloc(l->arena, L, sizeof *l->kv);
    wc_decoder_layer *layers = wc_arena_zalloc(l->arena, L, sizeof *layers);
    if (!l->m || !l->kv || !layers)
        return wc_fail_memory(l->err, L * sizeof *layers);
    for (int i = 0; i < g->n_layers; i++)
        layers[i] = (wc_decoder_layer){.n_heads = g->n_heads,
                                       .n_kv_heads = g->n_kv_heads,
                                       .head_dim = g->head_dim,
                                       .intermediate_size = g->intermediate_size,
                                       .kv = i,
                                       .out_scale = 1};
    *l->m = (wc_decoder){.names = names,
                         .layers = layers,
                         .norm_eps = (float)g->norm_eps,
                         .embed_scale = 1,
                         .act = WC_ACT_SILU};
    l->m->net.n_layers = l->m->net.n_kv = g->n_layers;
    return true;
}

bool wc_decoder_read_rope(wc_decoder_loader *l, double theta, double partial)
{
    const wc_rope_source s = {.file = l->file,
                              .config = l->config,
                              .parameters = wc_rope_parameters(l->config),
                              .theta_key = "rope_theta",
                              .theta = theta,
                              .partial = partial,
                              .head_dim = l->g.head_dim};
    l->m->n_ropes = 1;
    return wc_rope_read(&l->m->ropes[0], &s, l->arena, l->err);
}

bool wc_decoder_read_rope_of(wc_decoder_loader *l, int i, const char *kind, const char *theta_key,
                             const wc_json *scaling, double theta, int head_dim)
{
    const wc_json *all = wc_json_get(l->config, "rope_parameters"), *own = wc_json_get(all, kind);
    const wc_rope_source s = {.file = l->file,
                              .config = l->config,
                              .parameters = own ? own : scaling,
                              .theta_key = theta_key,
                              .theta = theta,
                              .partial = 1,
                              .head_dim = head_dim};
    if (l->m->n_ropes <= i)
        l->m->n_ropes = i + 1;
    return wc_rope_read(&l->m->ropes[i], &s, l->arena, l->err);
}

bool wc_decoder_is_sliding(const wc_decoder_loader *l, int layer, bool fallback, bool *sliding)
{
    const wc_json *types = wc_json_get(l->config, "layer_types"), *type = wc_json_item(types, (size_t)layer);
    *sliding = wc_json_is_null(types) ? fallback : wc_json_string_is(type, "sliding_attention");
    if (wc_json_is_null(types) || *sliding || wc_json_string_is(type, "full_attention"))
        return true;
    return wc_fail(l->err, WC_BAD_FILE,
                   "%s: layer_types: entry %d: expected sliding_attention or full_attention, found %.40s",
                   l->file, layer, wc_json_is(type, WC_JSON_STRING) ? type->u.text : wc_json_type_name(type));
}

bool wc_decoder_read_act(const wc_decoder_loader *l, const char *key, const char *fallback, wc_act *act)
{
    static const struct {
        const char *name;
        wc_act act;
    } acts[] = {
        {"silu", WC_ACT_SILU},
        {"swish", WC_ACT_SILU},
        {"gelu_pytorch_tanh", WC_ACT_GELU_TANH},
        {"gelu_new", WC_ACT_GELU_TANH},
        {"gelu_fast", WC_ACT_GELU_TANH},
        {"gelu", WC_ACT_GELU},
        {"relu", WC_ACT_RELU},
    };
    const char *name;
    if (!wc_config_string(l->file, l->config, key, fallback, &name, l->err))
        return false;
    for (size_t i = 0; i < sizeof acts / sizeof *acts; i++)
        if (strcmp(acts[i].name, name) == 0) {
            *act = acts[i].act;
            return true;
        }
    return wc_fail(l->err, WC_UNSUPPORTED,
                   "%s: %s: expected \"silu\", \"gelu\", \"gelu_pytorch_tanh\", \"gelu_new\" or \"relu\", "
                   "found %.40s",
                   l->file, key, name);
}

/* ---- weights ---- */

bool wc_decoder_need(wc_decoder_loader *l, const char *name, int ndim, const size_t *shape, wc_tensor *t)
{
    if (!wc_checkpoint_need_weight(l->files, name, ndim, shape, t, l->err))
        return false;
    l->m->net.n_params += wc_tensor_elems(t);
    return true;
}

bool wc_decoder_need_in_layer(wc_decoder_loader *l, int layer, const char *module, const char *part, int ndim,
                              const size_t *shape, wc_tensor *t)
{
    char full[NAME_ROOM];
    snprintf(full, sizeof full, "%slayers.%d.%s%s", l->m->names->prefix, layer, module, part);
    return wc_decoder_need(l, full, ndim, shape, t);
}

/* A matrix [rows, cols], and its bias [rows] where there is one. */
static bool find_linear(wc_decoder_loader *l, int layer, const char *module, size_t rows, size_t cols,
                        wc_tensor *w, bool has_bias, wc_tensor *bias)
{
    return wc_decoder_need_in_layer(l, layer, module, ".weight", WC_SHAPE(rows, cols), w) &&
           (!has_bias || wc_decoder_need_in_layer(l, layer, module, ".bias", WC_SHAPE(rows), bias));
}

/* module NULL: the family has no such norm. */
static bool find_norm(wc_decoder_loader *l, int layer, const char *module, wc_decoder_norm *w)
{
    const size_t D = (size_t)l->g.hidden_size;
    return !module || (wc_decoder_need_in_layer(l, layer, module, ".weight", WC_SHAPE(D), &w->weight) &&
                       (!l->m->layer_norm ||
                        wc_decoder_need_in_layer(l, layer, module, ".bias", WC_SHAPE(D), &w->bias)));
}

static bool find_attention(wc_decoder_loader *l, int i, wc_decoder_layer *w)
{
    const wc_decoder_names *names = l->m->names;
    const size_t D = (size_t)l->g.hidden_size, d = (size_t)w->head_dim;
    const size_t Hd = (size_t)w->n_heads * d, Kd = (size_t)w->n_kv_heads * d;
    wc_tensor all;
    if (names->qkv_proj) {
        if (!wc_decoder_need_in_layer(l, i, names->qkv_proj, ".weight", WC_SHAPE(Hd + 2 * Kd, D), &all))
            return false;
        w->q_proj = wc_tensor_slice(all, 0, Hd);
        w->k_proj = wc_tensor_slice(all, Hd, Kd);
        w->v_proj = wc_tensor_slice(all, Hd + Kd, Kd);
    } else if (!find_linear(l, i, names->q_proj, Hd, D, &w->q_proj, l->qkv_bias, &w->q_bias) ||
               (!w->shared &&
                !find_linear(l, i, names->k_proj, Kd, D, &w->k_proj, l->qkv_bias, &w->k_bias))) {
        return false;
    } else if (!w->shared && !(l->values_are_keys && !w->window) &&
               !find_linear(l, i, names->v_proj, Kd, D, &w->v_proj, l->qkv_bias, &w->v_bias)) {
        return false;
    }
    return find_linear(l, i, names->o_proj, D, Hd, &w->o_proj, l->o_bias, &w->o_bias) &&
           (!l->qk_norm ||
            (wc_decoder_need_in_layer(l, i, names->q_norm, ".weight", WC_SHAPE(d), &w->q_norm) &&
             (w->shared ||
              wc_decoder_need_in_layer(l, i, names->k_norm, ".weight", WC_SHAPE(d), &w->k_norm))));
}

static bool has_in_layer(const wc_decoder_loader *l, int layer, const char *module)
{
    char full[NAME_ROOM];
    wc_tensor t;
    snprintf(full, sizeof full, "%slayers.%d.%s.weight", l->m->names->prefix, layer, module);
    return wc_checkpoint_find(l->files, full, &t);
}

static bool find_ffn(wc_decoder_loader *l, int i, wc_decoder_layer *w)
{
    const wc_decoder_names *names = l->m->names;
    const size_t D = (size_t)l->g.hidden_size, F = (size_t)w->intermediate_size;
    wc_tensor both;
    if (l->no_ffn)
        return true;
    if (names->gate_up_proj && !(names->gate_proj && has_in_layer(l, i, names->gate_proj))) {
        if (!wc_decoder_need_in_layer(l, i, names->gate_up_proj, ".weight", WC_SHAPE(2 * F, D), &both))
            return false;
        w->gate_proj = wc_tensor_slice(both, 0, F);
        w->up_proj = wc_tensor_slice(both, F, F);
    } else if ((names->gate_proj &&
                !find_linear(l, i, names->gate_proj, F, D, &w->gate_proj, l->mlp_bias, &w->gate_bias)) ||
               !find_linear(l, i, names->up_proj, F, D, &w->up_proj, l->mlp_bias, &w->up_bias)) {
        return false;
    }
    return find_linear(l, i, names->down_proj, D, F, &w->down_proj, l->mlp_bias, &w->down_bias);
}

static bool find_layer(wc_decoder_loader *l, int i)
{
    const wc_decoder_names *names = l->m->names;
    wc_decoder_layer *w = &l->m->layers[i];
    return find_norm(l, i, names->input_norm, &w->input_norm) &&
           find_norm(l, i, names->post_attention_norm, &w->post_attention_norm) &&
           find_norm(l, i, names->ffn_norm, &w->ffn_norm) &&
           find_norm(l, i, names->post_ffn_norm, &w->post_ffn_norm) && find_attention(l, i, w) &&
           find_ffn(l, i, w);
}

/* NAME and PART in one name, found. */
static bool need_module(wc_decoder_loader *l, const char *module, const char *part, int ndim,
                        const size_t *shape, wc_tensor *t)
{
    char full[NAME_ROOM];
    snprintf(full, sizeof full, "%s%s", module, part);
    return wc_decoder_need(l, full, ndim, shape, t);
}

/* Tied or not: a head of its own counts when the file has one (transformers 5). */
static bool find_head(wc_decoder_loader *l)
{
    wc_decoder *m = l->m;
    wc_tensor found;
    char embed[NAME_ROOM], head[NAME_ROOM];
    const size_t shape[] = {(size_t)l->g.vocab_size, (size_t)l->g.hidden_size};
    snprintf(embed, sizeof embed, "%s.weight", m->names->embed);
    snprintf(head, sizeof head, "%s.weight", m->names->head);
    const bool own = wc_checkpoint_find(l->files, head, &found);
    const bool tied = l->g.tied && !(own && wc_checkpoint_find(l->files, embed, &found));
    if (!wc_decoder_need(l, own && tied ? head : embed, 2, shape, &m->embed))
        return false;
    m->head = m->embed;
    if (!tied) /* a row to a token, where a head is read whole */
        wc_checkpoint_random_access(l->files, &m->embed);
    return (tied || wc_decoder_need(l, head, 2, shape, &m->head)) &&
           (!l->head_bias ||
            need_module(l, m->names->head, ".bias", WC_SHAPE((size_t)l->g.vocab_size), &m->head_bias));
}

bool wc_decoder_find(wc_decoder_loader *l, wc_net **net)
{
    wc_decoder *m = l->m;
    const size_t D = (size_t)l->g.hidden_size;
    m->net.hidden_size = l->g.hidden_size;
    bool ok = find_head(l);
    m->net.without_pages = !m->net.encoder;
    for (int i = 0; ok && i < l->g.n_layers; i++) {
        const wc_decoder_layer *w = &m->layers[i];
        ok = find_layer(l, i);
        if (w->shared)
            m->net.without_pages = false; /* keys and values of another layer stay in its pages only */
        else
            l->kv[w->kv] = (wc_kv_shape){w->n_kv_heads, w->head_dim, w->head_dim, w->window};
    }
    if (!ok || !need_module(l, m->names->norm, ".weight", WC_SHAPE(D), &m->norm.weight) ||
        (m->layer_norm && !need_module(l, m->names->norm, ".bias", WC_SHAPE(D), &m->norm.bias)))
        return false;
    m->net.files = l->files;
    m->net.n_vocab = l->g.vocab_size;
    m->net.kv = l->kv;
    m->net.context_length = l->g.context_length;
    m->net.dtype = m->layers[0].q_proj.dtype;
    for (int i = 0; i < m->n_ropes; i++)
        if (m->ropes[i].switch_at)
            m->net.rope_switch = m->ropes[i].switch_at;
    *net = &m->net;
    return true;
}
