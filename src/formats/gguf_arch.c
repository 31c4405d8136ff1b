/* gguf_arch.c - the tables of gguf_arch.h.  An architecture is a row; what it shares with Llama is not said again. */
#include "formats/gguf_arch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "formats/names.h"

static const double ANY = 1e18;

const wc_gguf_key wc_gguf_common_keys[] = {
    {"hidden_size", "embedding_length", true, true, 1, 1 << 20},
    {"num_hidden_layers", "block_count", true, true, 1, 1024},
    {"intermediate_size", "feed_forward_length", true, true, 1, 1 << 24},
    {"num_attention_heads", "attention.head_count", true, true, 1, 4096},
    {"max_position_embeddings", "context_length", true, true, 1, 1 << 30},
    {"rope_theta", "rope.freq_base", false, false, 1e-6, ANY},
    {"rms_norm_eps", "attention.layer_norm_rms_epsilon", false, false, 1e-30, 1},
    {"layer_norm_eps", "attention.layer_norm_epsilon", false, false, 1e-30, 1},
    {0},
};

static const wc_gguf_key rms_keys[] = {
    {"rms_norm_eps", "attention.layer_norm_rms_epsilon", false, true, 1e-30, 1},
    {0},
};
static const wc_gguf_key gemma2_keys[] = {
    {"rms_norm_eps", "attention.layer_norm_rms_epsilon", false, true, 1e-30, 1},
    {"sliding_window", "attention.sliding_window", true, true, 1, 1 << 30},
    {"attn_logit_softcapping", "attn_logit_softcapping", false, false, 0, 1e6},
    {"final_logit_softcapping", "final_logit_softcapping", false, false, 0, 1e6},
    {0},
};
static const wc_gguf_key phi3_keys[] = {
    {"rms_norm_eps", "attention.layer_norm_rms_epsilon", false, true, 1e-30, 1},
    {"sliding_window", "attention.sliding_window", true, false, 0, 1 << 30},
    {"original_max_position_embeddings", "rope.scaling.original_context_length", true, false, 1, 1 << 30},
    {0},
};
static const wc_gguf_key phi2_keys[] = {
    {"layer_norm_eps", "attention.layer_norm_epsilon", false, true, 1e-30, 1},
    {0},
};

static const wc_gguf_name no_names[] = {{0}};
/* Gemma 2 and 3 have four norms; the one after attention is not the one before the feed-forward. */
static const wc_gguf_name gemma2_names[] = {
    {"post_attention_layernorm", "post_attention_norm"},
    {"pre_feedforward_layernorm", "ffn_norm"},
    {"post_feedforward_layernorm", "post_ffw_norm"},
    {0},
};
static const wc_gguf_name phi2_names[] = {
    {"self_attn.dense", "attn_output"},
    {"mlp.fc1", "ffn_up"},
    {"mlp.fc2", "ffn_down"},
    {0},
};
static const wc_gguf_name phi3_names[] = {
    {"self_attn.qkv_proj", "attn_qkv"},
    {"mlp.gate_up_proj", "ffn_up"}, /* both, the gate first */
    {0},
};

static const wc_gguf_name common_names[] = {
    {"input_layernorm", "attn_norm"},    {"self_attn.q_proj", "attn_q"},
    {"self_attn.k_proj", "attn_k"},      {"self_attn.v_proj", "attn_v"},
    {"self_attn.o_proj", "attn_output"}, {"self_attn.q_norm", "attn_q_norm"},
    {"self_attn.k_norm", "attn_k_norm"}, {"post_attention_layernorm", "ffn_norm"},
    {"mlp.gate_proj", "ffn_gate"},       {"mlp.up_proj", "ffn_up"},
    {"mlp.down_proj", "ffn_down"},       {0},
};

/* Modules outside of layers. */
static const wc_gguf_name model_names[] = {
    {"model.embed_tokens", "token_embd"},
    {"model.norm", "output_norm"},
    {"model.final_layernorm", "output_norm"},
    {"lm_head", "output"},
    {0},
};

#define GEMMA_ACT "\"hidden_act\":\"gelu_pytorch_tanh\",\"hidden_activation\":\"gelu_pytorch_tanh\","

static const wc_gguf_arch archs[] = {
    {"llama", "llama", "LlamaForCausalLM", WC_GGUF_PAIRED, "\"hidden_act\":\"silu\",", rms_keys, no_names},
    {"gemma", "gemma", "GemmaForCausalLM", WC_GGUF_NORMS_PLUS_ONE, GEMMA_ACT, rms_keys, no_names},
    {"gemma2", "gemma2", "Gemma2ForCausalLM", WC_GGUF_NORMS_PLUS_ONE, GEMMA_ACT, gemma2_keys, gemma2_names},
    {"gemma3", "gemma3_text", "Gemma3ForCausalLM", WC_GGUF_NORMS_PLUS_ONE, GEMMA_ACT, gemma2_keys,
     gemma2_names},
    {"qwen2", "qwen2", "Qwen2ForCausalLM", 0, "\"hidden_act\":\"silu\",\"use_sliding_window\":false,",
     rms_keys, no_names},
    {"qwen3", "qwen3", "Qwen3ForCausalLM", 0, "\"hidden_act\":\"silu\",\"use_sliding_window\":false,",
     rms_keys, no_names},
    {"smollm3", "smollm3", "SmolLM3ForCausalLM", WC_GGUF_PAIRED,
     "\"hidden_act\":\"silu\",\"no_rope_layer_interval\":4,\"use_sliding_window\":false,", rms_keys,
     no_names},
    {"phi2", "phi", "PhiForCausalLM", WC_GGUF_PARTIAL_ROPE, "\"hidden_act\":\"gelu_new\",", phi2_keys,
     phi2_names},
    {"phi3", "phi3", "Phi3ForCausalLM", WC_GGUF_PARTIAL_ROPE, "\"hidden_act\":\"silu\",", phi3_keys,
     phi3_names},
};
enum { N_ARCHS = sizeof archs / sizeof *archs };

const wc_gguf_arch *wc_gguf_arch_find(const char *name)
{
    for (int i = 0; i < N_ARCHS; i++)
        if (strcmp(archs[i].name, name) == 0)
            return &archs[i];
    return NULL;
}

const wc_gguf_arch *wc_gguf_arch_of(const char *model_type)
{
    for (int i = 0; i < N_ARCHS; i++)
        if (strcmp(archs[i].model_type, model_type) == 0)
            return &archs[i];
    return NULL;
}

const wc_gguf_arch *wc_gguf_arch_at(size_t i)
{
    return i < N_ARCHS ? &archs[i] : NULL;
}

/* The row for module [n]; NULL when there is none. */
static const wc_gguf_name *find_name(const wc_gguf_name *rows, const char *module, size_t n)
{
    for (; rows->hf; rows++)
        if (strlen(rows->hf) == n && memcmp(rows->hf, module, n) == 0)
            return rows;
    return NULL;
}

bool wc_gguf_tensor_name(const wc_gguf_arch *arch, const char *name, char *out)
{
    static const char LAYERS[] = "model.layers.";
    const char *dot = strrchr(name, '.');
    if (!dot)
        return false;
    if (strncmp(name, LAYERS, sizeof LAYERS - 1) != 0) {
        const wc_gguf_name *row = find_name(model_names, name, (size_t)(dot - name));
        return row && snprintf(out, WC_NAME_ROOM, "%s%s", row->gguf, dot) < WC_NAME_ROOM;
    }
    char *end;
    const long layer = strtol(name + sizeof LAYERS - 1, &end, 10);
    if (*end != '.' || end + 1 >= dot)
        return false;
    const size_t n = (size_t)(dot - end - 1);
    const wc_gguf_name *row = find_name(arch->names, end + 1, n);
    if (!row)
        row = find_name(common_names, end + 1, n);
    return row && snprintf(out, WC_NAME_ROOM, "blk.%ld.%s%s", layer, row->gguf, dot) < WC_NAME_ROOM;
}
