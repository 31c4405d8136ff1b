/* gemma3n_load.c - Gemma 3n from its files: the configuration, which layers a MatFormer slice keeps, who reads whose keys
 * and values, and every tensor with its shape.  The shapes' letters are those of gemma3n.c. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/normal.h"
#include "formats/config.h"
#include "models/gemma3n.h"
#include "models/image_text.h"

enum { MAX_LAYERS = 1024, NAME_ROOM = 160, PIXELS_PER_TOKEN = 48 /* a side of a picture token */ };

#define AUDIO_TOWER "model.audio_tower"
#define AUDIO_PROBE AUDIO_TOWER ".subsample_conv_projection.conv_0.conv.weight"

/* ---- configuration ---- */

/* The base of a layer type's rotary embedding, in the spelling of transformers 5 or of the hub's files. */
static bool rope_theta(const char *file, const wc_json *text, const char *type, const char *old_key,
                       double fallback, double *theta, wc_error *err)
{
    char path[80];
    snprintf(path, sizeof path, "rope_parameters.%s", type);
    const wc_json *parameters = wc_json_path(text, path);
    const wc_json *kind = wc_json_get(parameters, "rope_type");
    if (!wc_json_is_null(kind) && !wc_json_string_is(kind, "default"))
        return wc_fail(err, WC_UNSUPPORTED, "%s: %s.rope_type: expected \"default\", found %s", file, path,
                       wc_json_is(kind, WC_JSON_STRING) ? kind->u.text : wc_json_type_name(kind));
    if (parameters)
        return wc_config_float_or(file, parameters, "rope_theta", fallback, 1e-6, 1e18, theta, err);
    return wc_config_float_or(file, text, old_key, fallback, 1e-6, 1e18, theta, err);
}

static bool read_config(const char *file, const wc_json *text, struct gemma3n_config *g, wc_error *err)
{
    double eps, cap;
    bool ok = wc_config_int(file, text, "hidden_size", 1, 1 << 20, &g->hidden_size, err) &&
              wc_config_int(file, text, "num_hidden_layers", 1, MAX_LAYERS, &g->num_hidden_layers, err) &&
              wc_config_int(file, text, "num_attention_heads", 1, 4096, &g->num_attention_heads, err) &&
              wc_config_int(file, text, "num_key_value_heads", 1, 4096, &g->num_key_value_heads, err) &&
              wc_config_int_or(file, text, "head_dim", 256, 2, 4096, &g->head_dim, err) &&
              wc_config_int_or(file, text, "hidden_size_per_layer_input", 256, 1, 1 << 20,
                               &g->hidden_size_per_layer_input, err) &&
              wc_config_int(file, text, "vocab_size", 1, 1 << 24, &g->vocab_size, err) &&
              wc_config_int_or(file, text, "vocab_size_per_layer_input", g->vocab_size, 1, 1 << 24,
                               &g->vocab_size_per_layer_input, err) &&
              wc_config_int_or(file, text, "altup_num_inputs", 4, 1, 64, &g->altup_num_inputs, err) &&
              wc_config_int_or(file, text, "altup_active_idx", 0, 0, g->altup_num_inputs - 1,
                               &g->altup_active_idx, err) &&
              wc_config_bool_or(file, text, "altup_correct_scale", true, &g->altup_correct_scale, err) &&
              wc_config_int_or(file, text, "laurel_rank", 64, 1, 1 << 16, &g->laurel_rank, err) &&
              wc_config_int_or(file, text, "num_kv_shared_layers", 15, 0, MAX_LAYERS,
                               &g->num_kv_shared_layers, err) &&
              wc_config_int_or(file, text, "sliding_window", 512, 1, 1 << 30, &g->sliding_window, err) &&
              wc_config_int_or(file, text, "max_position_embeddings", 32768, 1, 1 << 30,
                               &g->max_position_embeddings, err) &&
              wc_config_float_or(file, text, "rms_norm_eps", 1e-6, 1e-30, 1, &eps, err) &&
              wc_config_float_or(file, text, "final_logit_softcapping", 30, 0, 1e6, &cap, err) &&
              rope_theta(file, text, "full_attention", "rope_theta", 1e6, &g->rope_theta_full, err) &&
              rope_theta(file, text, "sliding_attention", "rope_local_base_freq", 1e4, &g->rope_theta_sliding,
                         err);
    if (!ok)
        return false;
    g->rms_norm_eps = (float)eps;
    g->final_logit_softcapping = (float)cap;
    if (g->num_attention_heads % g->num_key_value_heads)
        return wc_fail(err, WC_BAD_FILE,
                       "%s: num_attention_heads: expected a multiple of num_key_value_heads (%d), found %d",
                       file, g->num_key_value_heads, g->num_attention_heads);
    if (g->head_dim % 2)
        return wc_fail(err, WC_BAD_FILE, "%s: head_dim: expected an even number, found %d", file,
                       g->head_dim);
    if (g->num_kv_shared_layers >= g->num_hidden_layers)
        return wc_fail(err, WC_BAD_FILE,
                       "%s: num_kv_shared_layers: expected less than num_hidden_layers (%d), found %d", file,
                       g->num_hidden_layers, g->num_kv_shared_layers);
    const wc_json *act = wc_json_get(text, "hidden_activation");
    if (!wc_json_is_null(act) && !wc_json_string_is(act, "gelu_pytorch_tanh"))
        return wc_fail(err, WC_UNSUPPORTED, "%s: hidden_activation: expected \"gelu_pytorch_tanh\", found %s",
                       file, wc_json_is(act, WC_JSON_STRING) ? act->u.text : wc_json_type_name(act));
    return true;
}

/* Which layers of the files make this model.  Without a slice: all of them. */
struct slice {
    int n; /* layers kept */
    int source[MAX_LAYERS];
    int ffn[MAX_LAYERS]; /* 0: as in the file */
    int skipped_shared;  /* of the layers left out, how many had no keys of their own */
};

static bool read_slice(const char *slice, const struct gemma3n_config *g, struct slice *s, wc_arena *a,
                       wc_error *err)
{
    const int n_file = g->num_hidden_layers, first_shared = n_file - g->num_kv_shared_layers;
    *s = (struct slice){.n = 0};
    bool skipped[MAX_LAYERS] = {false};
    const wc_json *json = NULL;
    if (slice && strcmp(slice, "E2B") == 0) {
        if (n_file != 35)
            return wc_fail(err, WC_BAD_ARGUMENT, "--slice E2B: expected the 35 layers of E4B, found %d",
                           n_file);
        for (int l = 20; l < 25; l++)
            skipped[l] = true;
    } else if (slice) {
        json = wc_json_parse(a, slice, strlen(slice), "--slice", WC_JSON_UNIQUE_KEYS, err);
        if (!json)
            return wc_fail_within(err, "expected E2B or JSON");
        const wc_json *skip = wc_json_get(json, "layers_skipped");
        if (!skip)
            skip = wc_json_get(json, "layers_to_skip");
        for (size_t i = 0; i < wc_json_count(skip); i++) {
            double l = wc_json_number(wc_json_item(skip, i), -1);
            if (!(l >= 0 && l < n_file) || l != floor(l))
                return wc_fail(err, WC_BAD_ARGUMENT, "--slice: layers_skipped: expected layers 0 to %d",
                               n_file - 1);
            skipped[(int)l] = true;
        }
    }
    for (int l = 0; l < n_file; l++) {
        if (!skipped[l])
            s->source[s->n++] = l;
        else if (l >= first_shared)
            s->skipped_shared++;
    }
    if (s->n == 0)
        return wc_fail(err, WC_BAD_ARGUMENT, "--slice: no layer is left");
    const wc_json *ffn = wc_json_get(json, "ffn_hidden_dims");
    if (!ffn)
        ffn = wc_json_get(json, "ffn_hidden_dims_of_kept_layers");
    if (slice && !json)
        for (int i = 0; i < s->n; i++)
            s->ffn[i] = 8192;
    if (ffn && wc_json_count(ffn) != (size_t)s->n)
        return wc_fail(err, WC_BAD_ARGUMENT,
                       "--slice: ffn_hidden_dims: expected %d numbers, one for each layer kept, found %zu",
                       s->n, wc_json_count(ffn));
    for (int i = 0; ffn && i < s->n; i++) {
        double f = wc_json_number(wc_json_item(ffn, (size_t)i), 0);
        if (!(f >= 1 && f <= 1 << 24) || f != floor(f))
            return wc_fail(err, WC_BAD_ARGUMENT, "--slice: ffn_hidden_dims: expected positive whole numbers");
        s->ffn[i] = (int)f;
    }
    return true;
}

/* Type, sparsity and key/value source of every layer. */
static bool plan_layers(struct gemma3n *m, const char *file, const wc_json *text, const struct slice *s,
                        wc_kv_shape *kv, wc_error *err)
{
    struct gemma3n_config *g = &m->config;
    const wc_json *types = wc_json_get(text, "layer_types"),
                  *sparsity = wc_json_get(text, "activation_sparsity_pattern");
    int n_file = g->num_hidden_layers;
    if (!wc_json_is_null(types) && wc_json_count(types) < (size_t)n_file)
        return wc_fail(err, WC_BAD_FILE, "%s: layer_types: expected %d entries, found %zu", file, n_file,
                       wc_json_count(types));
    if (wc_json_is(sparsity, WC_JSON_ARRAY) && wc_json_count(sparsity) < (size_t)n_file)
        return wc_fail(err, WC_BAD_FILE, "%s: activation_sparsity_pattern: expected %d entries, found %zu",
                       file, n_file, wc_json_count(sparsity));
    int last[2] = {-1, -1}; /* the last layer with keys of its own: full, sliding */
    int first_shared = s->n - (g->num_kv_shared_layers - s->skipped_shared);
    for (int i = 0; i < s->n; i++) {
        struct gemma3n_layer *w = &m->layers[i];
        size_t src = (size_t)s->source[i];
        w->source = s->source[i];
        w->sliding = (src + 1) % 5 != 0;
        if (!wc_json_is_null(types)) {
            const wc_json *type = wc_json_item(types, src);
            w->sliding = wc_json_string_is(type, "sliding_attention");
            if (!w->sliding && !wc_json_string_is(type, "full_attention"))
                return wc_fail(
                    err, WC_BAD_FILE,
                    "%s: layer_types: entry %zu: expected sliding_attention or full_attention, found %s",
                    file, src, wc_json_is(type, WC_JSON_STRING) ? type->u.text : wc_json_type_name(type));
        }
        double p = n_file > 10 && src < 10 ? 0.95 : 0;
        if (wc_json_is(sparsity, WC_JSON_ARRAY))
            p = wc_json_number(wc_json_item(sparsity, src), -1);
        else if (!wc_json_is_null(sparsity))
            p = wc_json_number(sparsity, -1);
        if (!(p >= 0 && p < 1))
            return wc_fail(err, WC_BAD_FILE,
                           "%s: activation_sparsity_pattern: entry %zu: expected 0 up to 1, found %g", file,
                           src, p);
        w->sparsity_z = p > 0 ? (float)wc_normal_quantile(p) : 0;
        w->shared = i >= first_shared;
        if (w->shared) {
            if (last[w->sliding] < 0)
                return wc_fail(err, WC_BAD_FILE,
                               "%s: num_kv_shared_layers: no layer before %d has keys for a %s layer", file,
                               first_shared, w->sliding ? "sliding_attention" : "full_attention");
            w->kv = m->layers[last[w->sliding]].kv;
        } else {
            w->kv = m->net.n_kv;
            kv[m->net.n_kv++] = (wc_kv_shape){g->num_key_value_heads, g->head_dim, g->head_dim,
                                              w->sliding ? g->sliding_window : 0};
            last[w->sliding] = i;
        }
    }
    g->num_hidden_layers = s->n;
    return true;
}

/* ---- weights ---- */

struct loader {
    struct gemma3n *m;
    const wc_checkpoint *files;
    const char *prefix; /* "model.language_model" */
    wc_error *err;
    bool ok;
};

static wc_tensor need(struct loader *l, const char *name, int ndim, const size_t *shape)
{
    wc_tensor t = {0};
    char full[NAME_ROOM];
    if (!l->ok)
        return t;
    snprintf(full, sizeof full, "%s.%s", l->prefix, name);
    l->ok = wc_checkpoint_need_weight(l->files, full, ndim, shape, &t, l->err);
    if (l->ok)
        l->m->net.n_params += wc_tensor_elems(&t);
    return t;
}

static wc_tensor need_in_layer(struct loader *l, int source, const char *name, int ndim, const size_t *shape)
{
    char full[NAME_ROOM];
    snprintf(full, sizeof full, "layers.%d.%s", source, name);
    return need(l, full, ndim, shape);
}

/* The feed-forward matrices: a slice takes the first rows of gate and up and the first columns of down. */
static void load_ffn(struct loader *l, struct gemma3n_layer *w, size_t file_width, size_t width)
{
    size_t D = (size_t)l->m->config.hidden_size;
    w->gate_proj = need_in_layer(l, w->source, "mlp.gate_proj.weight", WC_SHAPE(file_width, D));
    w->up_proj = need_in_layer(l, w->source, "mlp.up_proj.weight", WC_SHAPE(file_width, D));
    w->down_proj = need_in_layer(l, w->source, "mlp.down_proj.weight", WC_SHAPE(D, file_width));
    if (!l->ok || width == 0 || width == w->gate_proj.shape[0])
        return;
    if (width > w->gate_proj.shape[0]) {
        l->ok = wc_fail(l->err, WC_BAD_ARGUMENT, "--slice: ffn_hidden_dims: layer %d has %zu, asked for %zu",
                        w->source, w->gate_proj.shape[0], width);
        return;
    }
    l->m->net.n_params -= 3 * D * (w->gate_proj.shape[0] - width);
    w->gate_proj = wc_tensor_slice(w->gate_proj, 0, width);
    w->up_proj = wc_tensor_slice(w->up_proj, 0, width);
    w->down_proj.shape[1] = width;
}

static void load_layer(struct loader *l, struct gemma3n_layer *w, size_t file_width, size_t width)
{
    const struct gemma3n_config *g = &l->m->config;
    const size_t D = (size_t)g->hidden_size, d = (size_t)g->head_dim, A = (size_t)g->altup_num_inputs;
    const size_t Hd = (size_t)g->num_attention_heads * d, Kd = (size_t)g->num_key_value_heads * d;
    const size_t P = (size_t)g->hidden_size_per_layer_input, R = (size_t)g->laurel_rank;
    const int i = w->source;
    w->input_layernorm = need_in_layer(l, i, "input_layernorm.weight", WC_SHAPE(D));
    w->post_attention_layernorm = need_in_layer(l, i, "post_attention_layernorm.weight", WC_SHAPE(D));
    w->pre_feedforward_layernorm = need_in_layer(l, i, "pre_feedforward_layernorm.weight", WC_SHAPE(D));
    w->post_feedforward_layernorm = need_in_layer(l, i, "post_feedforward_layernorm.weight", WC_SHAPE(D));
    w->q_proj = need_in_layer(l, i, "self_attn.q_proj.weight", WC_SHAPE(Hd, D));
    w->o_proj = need_in_layer(l, i, "self_attn.o_proj.weight", WC_SHAPE(D, Hd));
    w->q_norm = need_in_layer(l, i, "self_attn.q_norm.weight", WC_SHAPE(d));
    if (!w->shared) { /* released files carry these for shared layers too, unused */
        w->k_proj = need_in_layer(l, i, "self_attn.k_proj.weight", WC_SHAPE(Kd, D));
        w->v_proj = need_in_layer(l, i, "self_attn.v_proj.weight", WC_SHAPE(Kd, D));
        w->k_norm = need_in_layer(l, i, "self_attn.k_norm.weight", WC_SHAPE(d));
    }
    load_ffn(l, w, file_width, width);
    w->router_norm = need_in_layer(l, i, "altup.router_norm.weight", WC_SHAPE(D));
    w->modality_router = need_in_layer(l, i, "altup.modality_router.weight", WC_SHAPE(A, D));
    w->prediction_coefs = need_in_layer(l, i, "altup.prediction_coefs.weight", WC_SHAPE(A * A, A));
    w->correction_coefs = need_in_layer(l, i, "altup.correction_coefs.weight", WC_SHAPE(A, A));
    if (g->altup_correct_scale)
        w->correct_output_scale = need_in_layer(l, i, "altup.correct_output_scale", WC_SHAPE(D));
    w->laurel_left = need_in_layer(l, i, "laurel.linear_left.weight", WC_SHAPE(R, D));
    w->laurel_right = need_in_layer(l, i, "laurel.linear_right.weight", WC_SHAPE(D, R));
    w->post_laurel_norm = need_in_layer(l, i, "laurel.post_laurel_norm.weight", WC_SHAPE(D));
    w->per_layer_input_gate = need_in_layer(l, i, "per_layer_input_gate.weight", WC_SHAPE(P, D));
    w->per_layer_projection = need_in_layer(l, i, "per_layer_projection.weight", WC_SHAPE(D, P));
    w->post_per_layer_input_norm = need_in_layer(l, i, "post_per_layer_input_norm.weight", WC_SHAPE(D));
}

/* inv_freq[k] = theta^(-2k/d), in the order of f32 operations of the reference. */
static wc_tensor make_inv_freq(wc_arena *a, double theta, int d)
{
    float *f = wc_arena_alloc(a, sizeof *f * (size_t)(d / 2));
    for (int k = 0; f && k < d / 2; k++)
        f[k] = 1.0f / powf((float)theta, (float)(2 * k) / (float)d);
    return wc_tensor_of(f, WC_F32, WC_SHAPE((size_t)(d / 2)));
}

static bool load_text(struct loader *l, wc_arena *a, const wc_json *text, const struct slice *s)
{
    struct gemma3n *m = l->m;
    const struct gemma3n_config *g = &m->config;
    const char *file = wc_checkpoint_config_file(l->files);
    const size_t D = (size_t)g->hidden_size, P = (size_t)g->hidden_size_per_layer_input,
                 A = (size_t)g->altup_num_inputs;
    wc_tensor *up = wc_arena_zalloc(a, A, sizeof *up), *down = wc_arena_zalloc(a, A, sizeof *down);
    if (!up || !down)
        return wc_fail_memory(l->err, 2 * A * sizeof *up);
    m->embed_tokens = need(l, "embed_tokens.weight", WC_SHAPE((size_t)g->vocab_size, D));
    m->norm = need(l, "norm.weight", WC_SHAPE(D));
    m->per_layer_projection_norm = need(l, "per_layer_projection_norm.weight", WC_SHAPE(P));
    for (size_t i = 0; i + 1 < A; i++) {
        char name[64];
        snprintf(name, sizeof name, "altup_projections.%zu.weight", i);
        up[i] = need(l, name, WC_SHAPE(D, D));
        snprintf(name, sizeof name, "altup_unembed_projections.%zu.weight", i);
        down[i] = need(l, name, WC_SHAPE(D, D));
    }
    m->altup_projections = up;
    m->altup_unembed_projections = down;
    for (int i = 0; i < s->n; i++) {
        int width;
        if (!wc_config_int_at(file, text, "intermediate_size", (size_t)s->source[i], 1, 1 << 24, &width,
                              l->err))
            return false;
        load_layer(l, &m->layers[i], (size_t)width, (size_t)s->ffn[i]);
    }
    m->inv_freq_full = make_inv_freq(a, g->rope_theta_full, g->head_dim);
    m->inv_freq_sliding = make_inv_freq(a, g->rope_theta_sliding, g->head_dim);
    if (!m->inv_freq_full.data || !m->inv_freq_sliding.data)
        return wc_fail_memory(l->err, D);
    return l->ok;
}

/* The tables of the per-layer inputs, of which a slice uses the parts of its layers. */
static bool load_per_layer_inputs(struct loader *l, size_t n_file_layers)
{
    struct gemma3n *m = l->m;
    const struct gemma3n_config *g = &m->config;
    const size_t P = (size_t)g->hidden_size_per_layer_input, wide = n_file_layers * P;
    m->embed_tokens_per_layer = need(l, "embed_tokens_per_layer.weight",
                                     WC_SHAPE((size_t)g->vocab_size_per_layer_input, wide));
    m->per_layer_model_projection = need(l, "per_layer_model_projection.weight",
                                         WC_SHAPE(wide, (size_t)g->hidden_size));
    if (!l->ok)
        return false;
    size_t unused = (n_file_layers - (size_t)g->num_hidden_layers) * P;
    m->net.n_params -= unused * (size_t)(g->vocab_size_per_layer_input + g->hidden_size);
    const struct wc_dtype_row *row = wc_dtype_get(m->embed_tokens_per_layer.dtype);
    m->net.row_bytes = wc_tensor_elems(&m->embed_tokens_per_layer) / row->block_elems * row->block_bytes;
    wc_checkpoint_random_access(l->files, &m->embed_tokens_per_layer);
    return true;
}

static bool load_embedder(struct loader *l, struct gemma3n_embedder *e, const wc_json *config,
                          const char *prefix, size_t channels)
{
    const char *file = wc_checkpoint_config_file(l->files);
    const struct gemma3n_config *g = &l->m->config;
    if (!wc_config_int_or(file, config, "vocab_offset", 0, 0, g->vocab_size, &e->offset, l->err) ||
        !wc_config_int_or(file, config, "vocab_size", 128, 1, g->vocab_size, &e->n, l->err))
        return false;
    if (e->offset < g->vocab_size && e->n > g->vocab_size - e->offset) /* behind it: no word is the tower's */
        return wc_fail(l->err, WC_BAD_FILE,
                       "%s: %s: vocab_offset + vocab_size: expected at most vocab_size (%d), found %d", file,
                       prefix, g->vocab_size, e->offset + e->n);
    const char *text_prefix = l->prefix;
    l->prefix = prefix;
    e->embedding = need(l, "embedding.weight", WC_SHAPE((size_t)e->n, channels));
    size_t C = e->embedding.shape[1];
    e->hard_norm = need(l, "hard_embedding_norm.weight", WC_SHAPE(C));
    e->soft_norm = need(l, "soft_embedding_norm.weight", WC_SHAPE(C));
    e->projection = need(l, "embedding_projection.weight", WC_SHAPE((size_t)g->hidden_size, C));
    l->prefix = text_prefix;
    return l->ok;
}

/* What the processor and the tokenizer say about pictures. */
static bool read_image_input(struct gemma3n *m, wc_arena *a, const wc_json *config, wc_error *err)
{
    const char *file = wc_checkpoint_config_file(m->net.files);
    wc_image_input *in = &m->net.image;
    const int side = wc_mobilenet_v5_side(m->tower);
    if (!wc_config_int(file, config, "image_token_id", 0, m->config.vocab_size, &in->token_id, err) ||
        !wc_config_int_or(file, config, "vision_soft_tokens_per_image", side * side, 1, 1 << 20,
                          &in->n_tokens, err))
        return false;
    if (in->n_tokens != side * side)
        return wc_fail(
            err, WC_BAD_FILE,
            "%s: vision_soft_tokens_per_image: expected %d (msfa_output_resolution squared), found %d", file,
            side * side, in->n_tokens);
    in->height = in->width = PIXELS_PER_TOKEN * side;
    return wc_image_text_read(in, a, m->net.files, err);
}

/* The same about sound. */
static bool read_audio_input(struct gemma3n *m, wc_arena *a, const wc_json *config, wc_error *err)
{
    static const char *const keys[] = {"audio_token", "boa_token", "eoa_token"}, *const fallback[] = {
                                                                                     "<audio_soft_token>",
                                                                                     "<start_of_audio>",
                                                                                     "<end_of_audio>"};
    const char *file = wc_checkpoint_config_file(m->net.files);
    wc_audio_input *in = &m->net.audio;
    if (!wc_config_int(file, config, "audio_token_id", 0, m->config.vocab_size - 1, &in->token_id, err) ||
        !wc_config_int_or(file, config, "audio_soft_tokens_per_image", 188, 1, 1 << 16, &in->n_tokens, err))
        return false;
    in->bands = wc_gemma3n_audio_bands(m->audio_tower);
    in->max_frames = wc_gemma3n_audio_max_frames(m->audio_tower, (size_t)in->n_tokens);
    wc_places p;
    if (!wc_places_read(&p, a, m->net.files, keys, fallback, err))
        return false;
    in->token = p.token;
    in->before = p.before;
    in->after = p.after;
    return true;
}

static bool load_vision(struct loader *l, wc_arena *a, const wc_json *config)
{
    struct gemma3n *m = l->m;
    const wc_json *vision = wc_json_get(config, "vision_config");
    if (wc_json_is_null(vision))
        return true;
    m->tower = wc_mobilenet_v5_load(a, l->files, vision, "model.vision_tower.timm_model", l->err);
    if (!m->tower)
        return false;
    m->net.n_params += wc_mobilenet_v5_params(m->tower);
    return load_embedder(l, &m->vision, vision, "model.embed_vision",
                         (size_t)wc_mobilenet_v5_channels(m->tower)) &&
           read_image_input(m, a, config, l->err);
}

/* There may be an embedder without a tower: ids of the audio vocabulary occur in text, too. */
static bool load_audio(struct loader *l, wc_arena *a, const wc_json *config)
{
    struct gemma3n *m = l->m;
    const wc_json *audio = wc_json_get(config, "audio_config");
    const bool made_up = wc_checkpoint_is_random(l->files);
    wc_tensor probe;
    m->net.audio.why_not = "its files hold no tensors of " AUDIO_TOWER;
    if (wc_json_is_null(audio) ||
        !(made_up || wc_checkpoint_find(l->files, "model.embed_audio.embedding.weight", &probe)))
        return true;
    const bool tower = made_up || wc_checkpoint_find(l->files, AUDIO_PROBE, &probe);
    if (tower && !(m->audio_tower = wc_gemma3n_audio_load(a, l->files, audio, AUDIO_TOWER, l->err)))
        return false;
    m->net.n_params += tower ? wc_gemma3n_audio_params(m->audio_tower) : 0;
    if (!load_embedder(l, &m->audio, audio, "model.embed_audio",
                       tower ? (size_t)wc_gemma3n_audio_channels(m->audio_tower) : 0))
        return false;
    if (tower && !made_up && wc_gemma3n_audio_is_untrained(m->audio_tower)) {
        m->net.audio.why_not = "its audio tower was never trained";
        return true;
    }
    return !tower || read_audio_input(m, a, config, l->err);
}

bool wc_gemma3n_load(wc_net **net, wc_arena *a, const wc_checkpoint *files, const char *slice, wc_error *err)
{
    const wc_json *config = wc_checkpoint_config(files), *text = wc_json_get(config, "text_config");
    const char *file = wc_checkpoint_config_file(files);
    const bool whole = text != NULL; /* Gemma3nForConditionalGeneration */
    if (!whole)
        text = config;
    struct gemma3n *m = wc_arena_zalloc(a, 1, sizeof *m);
    struct slice *s = wc_arena_zalloc(a, 1, sizeof *s);
    wc_kv_shape *kv = wc_arena_zalloc(a, MAX_LAYERS, sizeof *kv);
    if (!m || !s || !kv)
        return wc_fail_memory(err, sizeof *m);
    m->net.files = files;
    m->net.kv = kv;
    struct gemma3n_config *g = &m->config;
    if (!read_config(file, text, g, err) || !read_slice(slice, g, s, a, err))
        return false;
    const size_t n_file_layers = (size_t)g->num_hidden_layers;
    m->layers = wc_arena_zalloc(a, (size_t)s->n, sizeof *m->layers);
    if (!m->layers)
        return wc_fail_memory(err, (size_t)s->n * sizeof *m->layers);
    if (!plan_layers(m, file, text, s, kv, err))
        return false;
    struct loader l = {m, files, whole ? "model.language_model" : "model", err, true};
    if (!load_text(&l, a, text, s) || !load_per_layer_inputs(&l, n_file_layers))
        return false;
    if (whole && !(load_vision(&l, a, config) && load_audio(&l, a, config)))
        return false;
    m->net.n_vocab = g->vocab_size;
    m->net.hidden_size = g->hidden_size;
    m->net.n_layers = g->num_hidden_layers;
    m->net.context_length = g->max_position_embeddings;
    m->net.dtype = m->layers[0].q_proj.dtype;
    *net = &m->net;
    return true;
}
