/* phi.c - Phi-1, Phi-1.5, Phi-2 (transformers' PhiForCausalLM) and Phi-3, Phi-3.5-mini, Phi-4, Phi-4-mini (Phi3ForCausalLM).
 *
 * Phi-2: one layer norm a layer, whose output goes to attention and to a feed-forward without a gate at once; biases all over,
 * on the head too; rope turns a part of each head.  Phi-3: Llama's block with q, k, v in one matrix and gate and up in
 * another; LongRoPE in the long-context ones. */
#include "formats/config.h"
#include "models/decoder_load.h"

static const wc_decoder_names names_2 = {
    .prefix = "model.",
    .embed = "model.embed_tokens",
    .norm = "model.final_layernorm",
    .head = "lm_head",
    .input_norm = "input_layernorm",
    .q_proj = "self_attn.q_proj",
    .k_proj = "self_attn.k_proj",
    .v_proj = "self_attn.v_proj",
    .o_proj = "self_attn.dense",
    .up_proj = "mlp.fc1",
    .down_proj = "mlp.fc2",
    .act = "mlp.activation_fn",
    .mlp = "mlp",
};

static const wc_decoder_names names_3 = {
    .prefix = "model.",
    .embed = "model.embed_tokens",
    .norm = "model.norm",
    .head = "lm_head",
    .input_norm = "input_layernorm",
    .ffn_norm = "post_attention_layernorm",
    .qkv_proj = "self_attn.qkv_proj",
    .o_proj = "self_attn.o_proj",
    .gate_up_proj = "mlp.gate_up_proj",
    .down_proj = "mlp.down_proj",
    .act = "mlp.activation_fn",
    .mlp = "mlp",
};

static bool load_2(wc_net **net, wc_arena *a, const wc_checkpoint *files, const char *slice, wc_error *err)
{
    wc_decoder_loader l = wc_decoder_loader_init(a, files, err);
    bool qk_layernorm;
    l.g = (wc_decoder_config){.context_length = 2048, .norm_eps = 1e-5, .eps_key = "layer_norm_eps"};
    if (!wc_decoder_read_config(&l, slice) || !wc_decoder_new(&l, &names_2) ||
        !wc_decoder_read_act(&l, "hidden_act", "gelu_new", &l.m->act) ||
        !wc_config_bool_or(l.file, l.config, "qk_layernorm", false, &qk_layernorm, err))
        return false;
    if (qk_layernorm)
        return wc_fail(err, WC_UNSUPPORTED, "%s: qk_layernorm: expected false, found true", l.file);
    l.qkv_bias = l.o_bias = l.mlp_bias = l.head_bias = true;
    l.m->layer_norm = l.m->parallel = true;
    return wc_decoder_read_rope(&l, 10000, 0.5) && wc_decoder_find(&l, net);
}

static bool load_3(wc_net **net, wc_arena *a, const wc_checkpoint *files, const char *slice, wc_error *err)
{
    wc_decoder_loader l = wc_decoder_loader_init(a, files, err);
    int window;
    l.g = (wc_decoder_config){.context_length = 4096, .norm_eps = 1e-5};
    if (!wc_decoder_read_config(&l, slice) || !wc_decoder_new(&l, &names_3) ||
        !wc_decoder_read_act(&l, "hidden_act", "silu", &l.m->act) ||
        !wc_config_int_or(l.file, l.config, "sliding_window", 0, 0, 1 << 30, &window, err))
        return false;
    for (int i = 0; i < l.g.n_layers; i++)
        l.m->layers[i].window = window;
    return wc_decoder_read_rope(&l, 10000, 1) && wc_decoder_find(&l, net);
}

static const char *const types_2[] = {"phi", NULL}, *const types_3[] = {"phi3", NULL};

const wc_family wc_family_phi = {
    .name = "Phi-2",
    .model_types = types_2,
    .load = load_2,
    .forward = wc_decoder_forward,
};
const wc_family wc_family_phi3 = {
    .name = "Phi-3",
    .model_types = types_3,
    .load = load_3,
    .forward = wc_decoder_forward,
};
