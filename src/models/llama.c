/* llama.c - Llama 2 and 3 (transformers' LlamaForCausalLM): configuration to decoder, names of tensors. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "formats/config.h"
#include "models/decoder.h"

enum { MAX_LAYERS = 1024, NAME_ROOM = 160 };

struct config {
    int hidden_size, num_hidden_layers, num_attention_heads, num_key_value_heads, head_dim, intermediate_size;
    int vocab_size, max_position_embeddings;
    double rms_norm_eps, rope_theta;
    bool tie_word_embeddings, attention_bias, mlp_bias;
};

/* Absent it is Llama's default; a null or a zero is a mistake. */
static bool read_eps(const char *file, const wc_json *v, double *eps, wc_error *err)
{
    *eps = 1e-6;
    return !wc_json_get(v, "rms_norm_eps") || wc_config_float(file, v, "rms_norm_eps", 1e-30, 1, eps, err);
}

static bool read_config(const char *file, const wc_json *v, struct config *g, wc_error *err)
{
    const wc_json *rope = wc_json_get(v, "rope_parameters");
    bool ok = wc_config_int(file, v, "hidden_size", 1, 1 << 20, &g->hidden_size, err) &&
              wc_config_int(file, v, "num_hidden_layers", 1, MAX_LAYERS, &g->num_hidden_layers, err) &&
              wc_config_int(file, v, "num_attention_heads", 1, 4096, &g->num_attention_heads, err) &&
              wc_config_int_or(file, v, "num_key_value_heads", g->num_attention_heads, 1, 4096,
                               &g->num_key_value_heads, err) &&
              wc_config_int_or(file, v, "head_dim", g->hidden_size / g->num_attention_heads, 2, 4096,
                               &g->head_dim, err) &&
              wc_config_int(file, v, "intermediate_size", 1, 1 << 24, &g->intermediate_size, err) &&
              wc_config_int(file, v, "vocab_size", 1, 1 << 24, &g->vocab_size, err) &&
              wc_config_int_or(file, v, "max_position_embeddings", 2048, 1, 1 << 30,
                               &g->max_position_embeddings, err) &&
              read_eps(file, v, &g->rms_norm_eps, err) &&
              wc_config_float_or(file, rope && wc_json_get(rope, "rope_theta") ? rope : v, "rope_theta", 1e4,
                                 1e-6, 1e18, &g->rope_theta, err) &&
              wc_config_bool_or(file, v, "tie_word_embeddings", false, &g->tie_word_embeddings, err) &&
              wc_config_bool_or(file, v, "attention_bias", false, &g->attention_bias, err) &&
              wc_config_bool_or(file, v, "mlp_bias", false, &g->mlp_bias, err);
    if (!ok)
        return false;
    if (g->num_attention_heads % g->num_key_value_heads)
        return wc_fail(err, WC_BAD_FILE,
                       "%s: num_attention_heads: expected a multiple of num_key_value_heads (%d), found %d",
                       file, g->num_key_value_heads, g->num_attention_heads);
    if (wc_json_is_null(wc_json_get(v, "head_dim")) && g->hidden_size % g->num_attention_heads)
        return wc_fail(err, WC_BAD_FILE,
                       "%s: hidden_size: expected a multiple of num_attention_heads (%d), found %d", file,
                       g->num_attention_heads, g->hidden_size);
    if (g->head_dim % 2)
        return wc_fail(err, WC_BAD_FILE, "%s: head_dim: expected an even number, found %d", file,
                       g->head_dim);
    const wc_json *act = wc_json_get(v, "hidden_act");
    if (!wc_json_is_null(act) && !wc_json_string_is(act, "silu"))
        return wc_fail(err, WC_UNSUPPORTED, "%s: hidden_act: expected \"silu\", found %s", file,
                       wc_json_is(act, WC_JSON_STRING) ? act->u.text : wc_json_type_name(act));
    return true;
}

/* Stretches the long wavelengths of f [n] as Llama 3.1 does: by factor beyond original / low, gradually from original / high on. */
static bool scale_llama3(const char *file, const wc_json *rope, float *f, int n, wc_error *err)
{
    double factor, low, high, original;
    if (!wc_config_float(file, rope, "factor", 1, 1e6, &factor, err) ||
        !wc_config_float(file, rope, "low_freq_factor", 1e-6, 1e6, &low, err) ||
        !wc_config_float(file, rope, "high_freq_factor", 1e-6, 1e6, &high, err) ||
        !wc_config_float(file, rope, "original_max_position_embeddings", 1, 1e9, &original, err))
        return false;
    if (high <= low)
        return wc_fail(err, WC_BAD_FILE,
                       "%s: rope high_freq_factor: expected more than low_freq_factor (%g), found %g", file,
                       low, high);
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

static bool make_inv_freq(wc_decoder *m, wc_arena *a, const char *file, const wc_json *config,
                          const struct config *g, wc_error *err)
{
    int n = g->head_dim / 2;
    float *f = wc_arena_alloc(a, (size_t)n * sizeof *f);
    if (!f)
        return wc_fail_memory(err, (size_t)n * sizeof *f);
    for (int k = 0; k < n; k++)
        f[k] = 1.0f / powf((float)g->rope_theta, (float)(2 * k) / (float)g->head_dim);
    m->inv_freq = wc_tensor_of(f, WC_F32, WC_SHAPE((size_t)n));
    const wc_json *rope = wc_json_get(config, "rope_parameters");
    if (wc_json_is_null(rope))
        rope = wc_json_get(config, "rope_scaling");
    if (wc_json_is_null(rope))
        return true;
    if (!wc_json_is(rope, WC_JSON_OBJECT))
        return wc_fail(err, WC_BAD_FILE, "%s: rope_scaling: expected an object or null, found %s", file,
                       wc_json_type_name(rope));
    const wc_json *type = wc_json_get(rope, "rope_type");
    if (wc_json_is_null(type))
        type = wc_json_get(rope, "type");
    if (wc_json_is_null(type) || wc_json_string_is(type, "default"))
        return true;
    if (wc_json_string_is(type, "llama3"))
        return scale_llama3(file, rope, f, n, err);
    if (wc_json_string_is(type, "linear")) {
        double factor;
        if (!wc_config_float(file, rope, "factor", 1e-3, 1e6, &factor, err))
            return false;
        for (int k = 0; k < n; k++)
            f[k] /= (float)factor;
        return true;
    }
    return wc_fail(err, WC_UNSUPPORTED, "%s: rope_type: expected default, linear or llama3, found %s", file,
                   wc_json_is(type, WC_JSON_STRING) ? type->u.text : wc_json_type_name(type));
}

struct loader {
    wc_decoder *m;
    const wc_checkpoint *files;
    wc_error *err;
    bool ok;
};

static wc_tensor need(struct loader *l, const char *name, int ndim, const size_t *shape)
{
    wc_tensor t = {0};
    if (!l->ok)
        return t;
    l->ok = wc_checkpoint_need(l->files, name, ndim, shape, &t, l->err);
    if (l->ok && !wc_dtype_get(t.dtype)->weight)
        l->ok = wc_fail(l->err, WC_UNSUPPORTED, "%s: tensor %s: dtype %s is not supported for weights",
                        wc_checkpoint_weights_file(l->files), name, wc_dtype_get(t.dtype)->name);
    if (l->ok)
        l->m->net.n_params += wc_tensor_elems(&t);
    return t;
}

static wc_tensor need_in_layer(struct loader *l, int layer, const char *name, int ndim, const size_t *shape)
{
    char full[NAME_ROOM];
    snprintf(full, sizeof full, "model.layers.%d.%s", layer, name);
    return need(l, full, ndim, shape);
}

static void load_layer(struct loader *l, const struct config *g, int i, wc_decoder_layer *w)
{
    const size_t D = (size_t)g->hidden_size, d = (size_t)g->head_dim, F = (size_t)g->intermediate_size;
    const size_t Hd = (size_t)g->num_attention_heads * d, Kd = (size_t)g->num_key_value_heads * d;
    *w = (wc_decoder_layer){.n_heads = g->num_attention_heads,
                            .n_kv_heads = g->num_key_value_heads,
                            .head_dim = g->head_dim,
                            .kv = i};
    w->input_norm = need_in_layer(l, i, "input_layernorm.weight", WC_SHAPE(D));
    w->post_attention_norm = need_in_layer(l, i, "post_attention_layernorm.weight", WC_SHAPE(D));
    w->q_proj = need_in_layer(l, i, "self_attn.q_proj.weight", WC_SHAPE(Hd, D));
    w->k_proj = need_in_layer(l, i, "self_attn.k_proj.weight", WC_SHAPE(Kd, D));
    w->v_proj = need_in_layer(l, i, "self_attn.v_proj.weight", WC_SHAPE(Kd, D));
    w->o_proj = need_in_layer(l, i, "self_attn.o_proj.weight", WC_SHAPE(D, Hd));
    w->gate_proj = need_in_layer(l, i, "mlp.gate_proj.weight", WC_SHAPE(F, D));
    w->up_proj = need_in_layer(l, i, "mlp.up_proj.weight", WC_SHAPE(F, D));
    w->down_proj = need_in_layer(l, i, "mlp.down_proj.weight", WC_SHAPE(D, F));
    if (g->attention_bias) {
        w->q_bias = need_in_layer(l, i, "self_attn.q_proj.bias", WC_SHAPE(Hd));
        w->k_bias = need_in_layer(l, i, "self_attn.k_proj.bias", WC_SHAPE(Kd));
        w->v_bias = need_in_layer(l, i, "self_attn.v_proj.bias", WC_SHAPE(Kd));
        w->o_bias = need_in_layer(l, i, "self_attn.o_proj.bias", WC_SHAPE(D));
    }
    if (g->mlp_bias) {
        w->gate_bias = need_in_layer(l, i, "mlp.gate_proj.bias", WC_SHAPE(F));
        w->up_bias = need_in_layer(l, i, "mlp.up_proj.bias", WC_SHAPE(F));
        w->down_bias = need_in_layer(l, i, "mlp.down_proj.bias", WC_SHAPE(D));
    }
}

/* Tied or not: a head of its own counts when the file has one (transformers 5). */
static void load_head(struct loader *l, const struct config *g)
{
    wc_tensor found;
    const size_t shape[] = {(size_t)g->vocab_size, (size_t)g->hidden_size};
    bool own = wc_checkpoint_find(l->files, "lm_head.weight", &found);
    bool embed = wc_checkpoint_find(l->files, "model.embed_tokens.weight", &found);
    if (g->tie_word_embeddings && own && !embed) {
        l->m->embed = l->m->head = need(l, "lm_head.weight", 2, shape);
        return;
    }
    l->m->embed = need(l, "model.embed_tokens.weight", 2, shape);
    l->m->head = g->tie_word_embeddings && !own ? l->m->embed : need(l, "lm_head.weight", 2, shape);
}

static bool load(wc_net **net, wc_arena *a, const wc_checkpoint *files, const char *slice, wc_error *err)
{
    const wc_json *config = wc_checkpoint_config(files);
    const char *file = wc_checkpoint_config_file(files);
    struct config g = {0};
    if (slice)
        return wc_fail(err, WC_UNSUPPORTED, "--slice: only Gemma 3n models can be sliced");
    if (!read_config(file, config, &g, err))
        return false;
    size_t L = (size_t)g.num_hidden_layers;
    wc_decoder *m = wc_arena_zalloc(a, 1, sizeof *m);
    wc_kv_shape *kv = wc_arena_zalloc(a, L, sizeof *kv);
    wc_decoder_layer *layers = wc_arena_zalloc(a, L, sizeof *layers);
    if (!m || !kv || !layers)
        return wc_fail_memory(err, L * sizeof *layers);
    m->layers = layers;
    m->norm_eps = (float)g.rms_norm_eps;
    m->act = WC_ACT_SILU;
    struct loader l = {m, files, err, true};
    load_head(&l, &g);
    for (int i = 0; l.ok && i < g.num_hidden_layers; i++) {
        load_layer(&l, &g, i, &layers[i]);
        kv[i] = (wc_kv_shape){g.num_key_value_heads, g.head_dim, g.head_dim, 0};
    }
    m->norm = need(&l, "model.norm.weight", WC_SHAPE((size_t)g.hidden_size));
    if (!l.ok || !make_inv_freq(m, a, file, config, &g, err))
        return false;
    m->net.files = files;
    m->net.n_vocab = g.vocab_size;
    m->net.hidden_size = g.hidden_size;
    m->net.n_layers = m->net.n_kv = g.num_hidden_layers;
    m->net.kv = kv;
    m->net.context_length = g.max_position_embeddings;
    m->net.dtype = layers[0].q_proj.dtype;
    *net = &m->net;
    return true;
}

static const char *const model_types[] = {"llama", NULL};

const wc_family wc_family_llama = {
    .name = "Llama",
    .model_types = model_types,
    .load = load,
    .forward = wc_decoder_forward,
};
