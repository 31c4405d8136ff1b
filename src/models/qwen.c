/* qwen.c - Qwen2, Qwen2.5 and Qwen3 (transformers' Qwen2ForCausalLM, Qwen3ForCausalLM).
 *
 * Llama's block.  Qwen2 has biases on q, k and v; Qwen3 has none and norms every head of q and k before rope.  A window holds
 * only where use_sliding_window says so, for the layers from max_window_layers on. */
#include <string.h>

#include "formats/config.h"
#include "models/decoder_load.h"

static bool read_windows(wc_decoder_loader *l)
{
    bool use, sliding;
    int window, first;
    if (!wc_config_bool_or(l->file, l->config, "use_sliding_window", false, &use, l->err) ||
        !wc_config_int_or(l->file, l->config, "sliding_window", 4096, 1, 1 << 30, &window, l->err) ||
        !wc_config_int_or(l->file, l->config, "max_window_layers", 28, 0, 1 << 20, &first, l->err))
        return false;
    for (int i = 0; use && i < l->g.n_layers; i++) {
        if (!wc_decoder_is_sliding(l, i, i >= first, &sliding))
            return false;
        l->m->layers[i].window = sliding ? window : 0;
    }
    return true;
}

static bool load(wc_net **net, wc_arena *a, const wc_checkpoint *files, const char *slice, wc_error *err)
{
    wc_decoder_loader l = wc_decoder_loader_init(a, files, err);
    const bool third = wc_json_string_is(wc_json_get(l.config, "model_type"), "qwen3");
    l.g = (wc_decoder_config){.context_length = 32768, .norm_eps = 1e-6, .head_dim = third ? 128 : 0};
    if (!wc_decoder_read_config(&l, slice) || !wc_decoder_new(&l, &wc_decoder_names_llama) ||
        !wc_decoder_read_act(&l, "hidden_act", "silu", &l.m->act) ||
        !wc_config_bool_or(l.file, l.config, "attention_bias", false, &l.o_bias, err))
        return false;
    l.qk_norm = third;
    l.qkv_bias = !third || l.o_bias;
    l.o_bias = third && l.o_bias;
    return read_windows(&l) && wc_decoder_read_rope(&l, 10000, 1) && wc_decoder_find(&l, net);
}

static const char *const model_types[] = {"qwen2", "qwen3", NULL};

const wc_family wc_family_qwen = {
    .name = "Qwen",
    .model_types = model_types,
    .load = load,
    .forward = wc_decoder_forward,
};
