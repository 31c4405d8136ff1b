/* smollm3.c - SmolLM3 (transformers' SmolLM3ForCausalLM): Llama's block, but every fourth layer does without rope. */
#include "formats/config.h"
#include "models/decoder_load.h"

/* no_rope_layers[i] is 1 where layer i uses rope, whatever its name says.  A window is for layers without rope. */
static bool plan_layers(wc_decoder_loader *l)
{
    bool use, sliding;
    int interval, window, rope;
    const wc_json *list = wc_json_get(l->config, "no_rope_layers");
    if (!wc_config_int_or(l->file, l->config, "no_rope_layer_interval", 4, 1, 1 << 20, &interval, l->err) ||
        !wc_config_bool_or(l->file, l->config, "use_sliding_window", false, &use, l->err) ||
        !wc_config_int_or(l->file, l->config, "sliding_window", 0, 1, 1 << 30, &window, l->err))
        return false;
    for (int i = 0; i < l->g.n_layers; i++) {
        rope = (i + 1) % interval != 0;
        if (!wc_json_is_null(list) &&
            !wc_config_int_at(l->file, l->config, "no_rope_layers", (size_t)i, 0, 1, &rope, l->err))
            return false;
        if (!wc_decoder_is_sliding(l, i, !rope, &sliding))
            return false;
        l->m->layers[i].rope = rope ? 0 : -1;
        l->m->layers[i].window = use && sliding ? window : 0;
    }
    return true;
}

static bool load(wc_net **net, wc_arena *a, const wc_checkpoint *files, const char *slice, wc_error *err)
{
    wc_decoder_loader l = wc_decoder_loader_init(a, files, err);
    bool bias;
    l.g = (wc_decoder_config){.context_length = 32768, .norm_eps = 1e-6, .tied = true};
    if (!wc_decoder_read_config(&l, slice) || !wc_decoder_new(&l, &wc_decoder_names_llama) ||
        !wc_decoder_read_act(&l, "hidden_act", "silu", &l.m->act) ||
        !wc_config_bool_or(l.file, l.config, "attention_bias", false, &bias, err) ||
        !wc_config_bool_or(l.file, l.config, "mlp_bias", false, &l.mlp_bias, err))
        return false;
    l.qkv_bias = l.o_bias = bias;
    return plan_layers(&l) && wc_decoder_read_rope(&l, 2e6, 1) && wc_decoder_find(&l, net);
}

static const char *const model_types[] = {"smollm3", NULL};

const wc_family wc_family_smollm3 = {
    .name = "SmolLM3",
    .model_types = model_types,
    .load = load,
    .forward = wc_decoder_forward,
};
