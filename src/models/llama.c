/* llama.c - Llama 2 and 3, and models that say they are one, as SmolLM2 (transformers' LlamaForCausalLM). */
#include "formats/config.h"
#include "models/decoder_load.h"

static const wc_decoder_names names = {
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
    .gate_proj = "mlp.gate_proj",
    .up_proj = "mlp.up_proj",
    .down_proj = "mlp.down_proj",
    .act = "mlp.act_fn",
    .mlp = "mlp",
};

static bool load(wc_net **net, wc_arena *a, const wc_checkpoint *files, const char *slice, wc_error *err)
{
    wc_decoder_loader l = wc_decoder_loader_init(a, files, err);
    bool bias;
    l.g = (wc_decoder_config){.context_length = 2048, .norm_eps = 1e-6};
    if (!wc_decoder_read_config(&l, slice) || !wc_decoder_new(&l, &names) ||
        !wc_decoder_read_act(&l, "hidden_act", "silu", &l.m->act) ||
        !wc_config_bool_or(l.file, l.config, "attention_bias", false, &bias, err) ||
        !wc_config_bool_or(l.file, l.config, "mlp_bias", false, &l.mlp_bias, err))
        return false;
    l.qkv_bias = l.o_bias = bias;
    return wc_decoder_read_rope(&l, 10000, 1) && wc_decoder_find(&l, net);
}

static const char *const model_types[] = {"llama", NULL};

const wc_family wc_family_llama = {
    .name = "Llama",
    .model_types = model_types,
    .load = load,
    .forward = wc_decoder_forward,
};
