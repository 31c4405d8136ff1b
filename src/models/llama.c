/* llama.c - Llama 2 and 3, and models that say they are one, as SmolLM2 (transformers' LlamaForCausalLM). */
#include "formats/config.h"
#include "models/decoder_load.h"

static bool load(wc_net **net, wc_arena *a, const wc_checkpoint *files, const char *slice, wc_error *err)
{
    wc_decoder_loader l = wc_decoder_loader_init(a, files, err);
    bool bias;
    l.g = (wc_decoder_config){.context_length = 2048, .norm_eps = 1e-6};
    if (!wc_decoder_read_config(&l, slice) || !wc_decoder_new(&l, &wc_decoder_names_llama) ||
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
