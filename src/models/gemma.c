/* gemma.c - Gemma 1, 2 and 3 (transformers' GemmaForCausalLM, Gemma2ForCausalLM, Gemma3ForCausalLM and
 * Gemma3ForConditionalGeneration, whose pictures are the matter of gemma3_vision.c).
 *
 * Against Llama: embeddings are multiplied by sqrt(D), norms by 1 + w, the gate is a tanh gelu.  Gemma 2 norms each branch
 * again before it joins the stream, caps scores and logits, and gives every other layer a window.  Gemma 3 drops the caps,
 * norms the heads of q and k, and mixes five layers with a window and a rope of their own with one that sees all.
 * EmbeddingGemma is Gemma 3 whose rows see both ways (use_bidirectional_attention): an encoder. */
#include <math.h>
#include <string.h>

#include "formats/config.h"
#include "models/decoder_load.h"
#include "models/gemma3_vision.h"

/* Gemma 1's "gelu" means the tanh form, too. */
static bool read_act(wc_decoder_loader *l)
{
    const char *key = wc_json_is_null(wc_json_get(l->config, "hidden_activation")) ? "hidden_act"
                                                                                   : "hidden_activation";
    if (!wc_decoder_read_act(l, key, "gelu_pytorch_tanh", &l->m->act))
        return false;
    if (l->m->act == WC_ACT_GELU)
        l->m->act = WC_ACT_GELU_TANH;
    return true;
}

/* What all of them share. */
static bool begin(wc_decoder_loader *l, const char *slice, const wc_decoder_names *names)
{
    bool bias;
    if (!wc_decoder_read_config(l, slice) || !wc_decoder_new(l, names) || !read_act(l) ||
        !wc_config_bool_or(l->file, l->config, "attention_bias", false, &bias, l->err))
        return false;
    l->qkv_bias = l->o_bias = bias;
    l->m->norm_offset = 1;
    l->m->embed_scale = sqrtf((float)l->g.hidden_size);
    return true;
}

static bool read_float(const wc_decoder_loader *l, const char *key, double fallback, float *x)
{
    double value;
    if (!wc_config_float_or(l->file, l->config, key, fallback, 0, 1e6, &value, l->err))
        return false;
    *x = (float)value;
    return true;
}

static bool read_scale(wc_decoder_loader *l)
{
    double scalar;
    if (!wc_config_float_or(l->file, l->config, "query_pre_attn_scalar", 256, 1e-6, 1e6, &scalar, l->err))
        return false;
    l->m->attention_scale = (float)(1 / sqrt(scalar));
    return true;
}

/* Every period-th layer sees all; the others a window, and the rope that comes with it. */
static bool read_layers(wc_decoder_loader *l, int period, int sliding_rope)
{
    bool sliding;
    int window;
    if (!wc_config_int_or(l->file, l->config, "sliding_window", 4096, 1, 1 << 30, &window, l->err) ||
        !wc_config_int_or(l->file, l->config, "sliding_window_pattern", period, 1, 1 << 20, &period, l->err))
        return false;
    for (int i = 0; i < l->g.n_layers; i++) {
        if (!wc_decoder_is_sliding(l, i, (i + 1) % period != 0, &sliding))
            return false;
        l->m->layers[i].window = sliding ? window : 0;
        l->m->layers[i].rope = sliding ? sliding_rope : 0;
    }
    return true;
}

static bool load_1(wc_net **net, wc_arena *a, const wc_checkpoint *files, const char *slice, wc_error *err)
{
    wc_decoder_loader l = wc_decoder_loader_init(a, files, err);
    l.g = (wc_decoder_config){.head_dim = 256, .context_length = 8192, .norm_eps = 1e-6, .tied = true};
    return begin(&l, slice, &wc_decoder_names_llama) && wc_decoder_read_rope(&l, 10000, 1) &&
           wc_decoder_find(&l, net);
}

static bool load_2(wc_net **net, wc_arena *a, const wc_checkpoint *files, const char *slice, wc_error *err)
{
    wc_decoder_loader l = wc_decoder_loader_init(a, files, err);
    l.g = (wc_decoder_config){.head_dim = 256, .context_length = 8192, .norm_eps = 1e-6, .tied = true};
    const bool has_cap = wc_json_get(l.config, "attn_logit_softcapping") != NULL,
               has_final = wc_json_get(l.config, "final_logit_softcapping") != NULL;
    return begin(&l, slice, &wc_decoder_names_gemma2) && read_scale(&l) && read_layers(&l, 2, 0) &&
           read_float(&l, "attn_logit_softcapping", has_cap ? 0 : 50, &l.m->attention_cap) &&
           read_float(&l, "final_logit_softcapping", has_final ? 0 : 30, &l.m->logit_cap) &&
           wc_decoder_read_rope(&l, 10000, 1) && wc_decoder_find(&l, net);
}

/* Both ways a window of W reaches W / 2 to either side. */
static bool read_direction(wc_decoder_loader *l)
{
    bool both;
    if (!wc_config_bool_or(l->file, l->config, "use_bidirectional_attention", false, &both, l->err))
        return false;
    for (int i = 0; both && i < l->g.n_layers; i++)
        if (l->m->layers[i].window > 0)
            l->m->layers[i].window = l->m->layers[i].window / 2 + 1;
    l->m->net.encoder = both;
    if (both)
        l->m->net.n_kv = 0; /* nothing is kept for rows to come */
    return true;
}

static bool load_3(wc_net **net, wc_arena *a, const wc_checkpoint *files, const char *slice, wc_error *err)
{
    wc_decoder_loader l = wc_decoder_loader_init(a, files, err);
    const bool alone = l.config == wc_checkpoint_config(files); /* the published 4B's text_config is sparse */
    l.g = (wc_decoder_config){.n_heads = 8,
                              .n_kv_heads = 4,
                              .head_dim = 256,
                              .vocab_size = 262208,
                              .context_length = 131072,
                              .norm_eps = 1e-6,
                              .tied = true};
    if (!begin(&l, slice, &wc_decoder_names_gemma2) || !read_scale(&l) || !read_layers(&l, 6, 1) ||
        !read_direction(&l) || (alone && !read_float(&l, "final_logit_softcapping", 0, &l.m->logit_cap)))
        return false;
    l.qk_norm = true;
    const wc_json *scaling = wc_json_get(l.config, "rope_scaling"),
                  *vision = wc_json_get(wc_checkpoint_config(files), "vision_config");
    return wc_decoder_read_rope_of(&l, 0, "full_attention", "rope_theta",
                                   wc_json_is_null(scaling) ? NULL : scaling, 1e6, l.g.head_dim) &&
           wc_decoder_read_rope_of(&l, 1, "sliding_attention", "rope_local_base_freq", NULL, 10000,
                                   l.g.head_dim) &&
           wc_decoder_find(&l, net) && (alone || wc_json_is_null(vision) || wc_gemma3_vision_load(&l));
}

static const char *const types_1[] = {"gemma", NULL}, *const types_2[] = {"gemma2", NULL},
                         *const types_3[] = {"gemma3_text", "gemma3", NULL};

const wc_family wc_family_gemma = {
    .name = "Gemma",
    .model_types = types_1,
    .load = load_1,
    .forward = wc_decoder_forward,
};
const wc_family wc_family_gemma2 = {
    .name = "Gemma 2",
    .model_types = types_2,
    .load = load_2,
    .forward = wc_decoder_forward,
};
const wc_family wc_family_gemma3 = {
    .name = "Gemma 3",
    .model_types = types_3,
    .load = load_3,
    .forward = wc_decoder_forward,
    .encode = wc_decoder_encode,
    .encode_image = wc_gemma3_encode_image,
};
