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
static const wc_gguf_key gemma3n_keys[] = {
    {"rms_norm_eps", "attention.layer_norm_rms_epsilon", false, true, 1e-30, 1},
    {"sliding_window", "attention.sliding_window", true, true, 1, 1 << 30},
    {"final_logit_softcapping", "final_logit_softcapping", false, false, 0, 1e6},
    {"altup_num_inputs", "altup.num_inputs", true, true, 1, 64},
    {"altup_active_idx", "altup.active_idx", true, true, 0, 63},
    {"hidden_size_per_layer_input", "embedding_length_per_layer_input", true, true, 1, 1 << 20},
    {"num_kv_shared_layers", "attention.shared_kv_layers", true, true, 0, 1024},
    {0},
};
static const wc_gguf_key gemma4_keys[] = {
    {"rms_norm_eps", "attention.layer_norm_rms_epsilon", false, true, 1e-30, 1},
    {"sliding_window", "attention.sliding_window", true, true, 1, 1 << 30},
    {"final_logit_softcapping", "final_logit_softcapping", false, false, 0, 1e6},
    {"hidden_size_per_layer_input", "embedding_length_per_layer_input", true, true, 0, 1 << 20},
    {"num_kv_shared_layers", "attention.shared_kv_layers", true, true, 0, 1023},
    {0},
};
static const wc_gguf_key openelm_keys[] = {
    {"model_dim", "embedding_length", true, true, 1, 1 << 20},
    {"num_transformer_layers", "block_count", true, true, 1, 1024},
    {"max_context_length", "context_length", true, true, 1, 1 << 30},
    {"head_dim", "attention.key_length", true, true, 2, 4096},
    {"rope_freq_constant", "rope.freq_base", false, false, 1e-6, 1e18},
    {0},
};
static const wc_gguf_key phimoe_keys[] = {
    {"rms_norm_eps", "attention.layer_norm_rms_epsilon", false, true, 1e-30, 1},
    {"sliding_window", "attention.sliding_window", true, false, 0, 1 << 30},
    {"original_max_position_embeddings", "rope.scaling.original_context_length", true, false, 1, 1 << 30},
    {"num_local_experts", "expert_count", true, true, 2, 256},
    {"num_experts_per_tok", "expert_used_count", true, true, 1, 256},
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
/* Beside Gemma 3's: AltUp's coefficients, LAuReL's two matrices and the input of a layer's own. */
static const wc_gguf_name gemma3n_names[] = {
    {"post_attention_layernorm", "post_attention_norm"},
    {"pre_feedforward_layernorm", "ffn_norm"},
    {"post_feedforward_layernorm", "post_ffw_norm"},
    {"altup.router_norm", "altup_router_norm"},
    {"altup.modality_router", "altup_router"},
    {"altup.prediction_coefs", "altup_predict_coef"},
    {"altup.correction_coefs", "altup_correct_coef"},
    {"altup.correct_output_scale", "altup_correct_scale"},
    {"laurel.linear_left", "laurel_l"},
    {"laurel.linear_right", "laurel_r"},
    {"laurel.post_laurel_norm", "laurel_post_norm"},
    {"per_layer_input_gate", "inp_gate"},
    {"per_layer_projection", "proj"},
    {"post_per_layer_input_norm", "post_norm"},
    {0},
};
static const wc_gguf_name gemma4_names[] = {
    {"post_attention_layernorm", "post_attention_norm"},
    {"pre_feedforward_layernorm", "ffn_norm"},
    {"post_feedforward_layernorm", "post_ffw_norm"},
    {"per_layer_input_gate", "inp_gate"},
    {"per_layer_projection", "proj"},
    {"post_per_layer_input_norm", "post_norm"},
    {"layer_scalar", "layer_output_scale"},
    {0},
};
static const wc_gguf_name openelm_names[] = {
    {"attn_norm", "attn_norm"},
    {"attn.qkv_proj", "attn_qkv"},
    {"attn.q_norm", "attn_q_norm"},
    {"attn.k_norm", "attn_k_norm"},
    {"attn.out_proj", "attn_output"},
    {"ffn_norm", "ffn_norm"},
    {"ffn.proj_1", "ffn_gate", "ffn_up"},
    {"ffn.gate_proj", "ffn_gate"}, /* the halves, which only these files have */
    {"ffn.up_proj", "ffn_up"},
    {"ffn.proj_2", "ffn_down"},
    {0},
};
static const wc_gguf_name phimoe_names[] = {
    {"block_sparse_moe.gate", "ffn_gate_inp"},
    {"block_sparse_moe.experts.*.w1", "ffn_gate_exps"},
    {"block_sparse_moe.experts.*.w3", "ffn_up_exps"},
    {"block_sparse_moe.experts.*.w2", "ffn_down_exps"},
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
    {"model.embed_tokens_per_layer", "per_layer_token_embd"},
    {"model.per_layer_model_projection", "per_layer_model_proj"},
    {"model.per_layer_projection_norm", "per_layer_proj_norm"},
    {"transformer.token_embeddings", "token_embd"},
    {"transformer.norm", "output_norm"},
    {"model.altup_projections.*", "altup_proj"},
    {"model.altup_unembed_projections.*", "altup_unembd_proj"},
    {0},
};

#define GEMMA_ACT "\"hidden_act\":\"gelu_pytorch_tanh\",\"hidden_activation\":\"gelu_pytorch_tanh\","
#define NO_WINDOW "\"hidden_act\":\"silu\",\"use_sliding_window\":false,"
#define DEFAULTS  "\"max_position_embeddings\":2048,\"rms_norm_eps\":1e-6,\"rope_theta\":10000,"
#define GEMMA_DEFAULTS                                                                                       \
    "\"max_position_embeddings\":8192,\"rms_norm_eps\":1e-6,\"rope_theta\":10000,\"head_dim\":256,"
#define GEMMA2_DEFAULTS GEMMA_DEFAULTS "\"sliding_window\":4096,\"query_pre_attn_scalar\":256,"
#define GEMMA3_DEFAULTS                                                                                      \
    "\"max_position_embeddings\":131072,\"rms_norm_eps\":1e-6,\"rope_theta\":1000000,\"head_dim\":256,"      \
    "\"num_attention_heads\":8,\"num_key_value_heads\":4,\"vocab_size\":262208,\"sliding_window\":4096,"     \
    "\"query_pre_attn_scalar\":256,"
#define GEMMA3N_DEFAULTS                                                                                     \
    "\"max_position_embeddings\":32768,\"rms_norm_eps\":1e-6,\"rope_theta\":1000000,\"head_dim\":256,"       \
    "\"sliding_window\":512,\"altup_num_inputs\":4,\"altup_active_idx\":0,"                                  \
    "\"hidden_size_per_layer_input\":256,\"num_kv_shared_layers\":15,"
#define QWEN_DEFAULTS "\"max_position_embeddings\":32768,\"rms_norm_eps\":1e-6,\"rope_theta\":10000,"
#define SMOLLM3_DEFAULTS                                                                                     \
    "\"max_position_embeddings\":32768,\"rms_norm_eps\":1e-6,\"rope_theta\":2000000,"                        \
    "\"tie_word_embeddings\":true,"
#define GEMMA4_DEFAULTS                                                                                      \
    "\"max_position_embeddings\":131072,\"rms_norm_eps\":1e-6,\"rope_theta\":1000000,"                       \
    "\"sliding_window\":512,\"hidden_size_per_layer_input\":0,\"num_kv_shared_layers\":0,"
#define OPENELM_DEFAULTS "\"max_context_length\":2048,\"rope_freq_constant\":10000,"
#define PHIMOE_DEFAULTS                                                                                      \
    "\"max_position_embeddings\":131072,\"rms_norm_eps\":1e-5,\"rope_theta\":1000000,"                       \
    "\"num_local_experts\":16,\"num_experts_per_tok\":2,"
#define PHI2_DEFAULTS                                                                                        \
    "\"max_position_embeddings\":2048,\"layer_norm_eps\":1e-5,\"rope_theta\":10000,"                         \
    "\"partial_rotary_factor\":0.5,"
#define PHI3_DEFAULTS "\"max_position_embeddings\":4096,\"rms_norm_eps\":1e-5,\"rope_theta\":10000,"

static const wc_gguf_arch archs[] = {
    {"llama", "llama", "LlamaForCausalLM", WC_GGUF_PAIRED, "\"hidden_act\":\"silu\",", DEFAULTS, rms_keys,
     no_names},
    {"gemma", "gemma", "GemmaForCausalLM", WC_GGUF_NORMS_PLUS_ONE, GEMMA_ACT, GEMMA_DEFAULTS, rms_keys,
     no_names},
    {"gemma2", "gemma2", "Gemma2ForCausalLM", WC_GGUF_NORMS_PLUS_ONE, GEMMA_ACT, GEMMA2_DEFAULTS, gemma2_keys,
     gemma2_names},
    {"gemma3", "gemma3_text", "Gemma3ForCausalLM", WC_GGUF_NORMS_PLUS_ONE, GEMMA_ACT, GEMMA3_DEFAULTS,
     gemma2_keys, gemma2_names},
    {"gemma3n", "gemma3n_text", "Gemma3nForCausalLM", WC_GGUF_WIDTH_LISTS, GEMMA_ACT, GEMMA3N_DEFAULTS,
     gemma3n_keys, gemma3n_names},
    {"gemma4", "gemma4_text", "Gemma4ForCausalLM", WC_GGUF_WIDTH_LISTS | WC_GGUF_OWN_HEADS, GEMMA_ACT,
     GEMMA4_DEFAULTS, gemma4_keys, gemma4_names},
    {"openelm", "openelm", "OpenELMForCausalLM", WC_GGUF_OWN_HEADS | WC_GGUF_OWN_KEYS,
     "\"activation_fn_name\":\"swish\",\"ffn_with_glu\":true,\"share_input_output_layers\":true,",
     OPENELM_DEFAULTS, openelm_keys, openelm_names},
    {"phimoe", "phimoe", "PhimoeForCausalLM", 0, "\"hidden_act\":\"silu\",\"router_jitter_noise\":0.01,",
     PHIMOE_DEFAULTS, phimoe_keys, phimoe_names},
    {"qwen2", "qwen2", "Qwen2ForCausalLM", 0, NO_WINDOW, QWEN_DEFAULTS, rms_keys, no_names},
    {"qwen3", "qwen3", "Qwen3ForCausalLM", 0, NO_WINDOW, QWEN_DEFAULTS "\"head_dim\":128,", rms_keys,
     no_names},
    {"smollm3", "smollm3", "SmolLM3ForCausalLM", WC_GGUF_PAIRED, NO_WINDOW "\"no_rope_layer_interval\":4,",
     SMOLLM3_DEFAULTS, rms_keys, no_names},
    {"phi2", "phi", "PhiForCausalLM", WC_GGUF_PARTIAL_ROPE, "\"hidden_act\":\"gelu_new\",", PHI2_DEFAULTS,
     phi2_keys, phi2_names},
    {"phi3", "phi3", "Phi3ForCausalLM", WC_GGUF_PARTIAL_ROPE, "\"hidden_act\":\"silu\",", PHI3_DEFAULTS,
     phi3_keys, phi3_names},
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

/* Whether module [n] is the pattern's, whose star stands for the digits of *item; -1 without one. */
static bool matches(const char *pattern, const char *module, size_t n, int *item)
{
    const char *star = strchr(pattern, '*');
    const size_t before = star ? (size_t)(star - pattern) : strlen(pattern),
                 after = star ? strlen(star + 1) : 0;
    *item = -1;
    if (!star)
        return n == before && memcmp(module, pattern, n) == 0;
    if (n <= before + after || memcmp(module, pattern, before) != 0 ||
        memcmp(module + n - after, star + 1, after) != 0)
        return false;
    const size_t digits = n - before - after;
    *item = 0;
    for (size_t i = 0; i < digits; i++) {
        const char d = module[before + i];
        if (d < '0' || d > '9' || digits > 4)
            return false;
        *item = 10 * *item + (d - '0');
    }
    return true;
}

/* The row for module [n]; NULL when there is none. */
static const wc_gguf_name *find_name(const wc_gguf_name *rows, const char *module, size_t n, int *item)
{
    for (; rows->hf; rows++)
        if (matches(rows->hf, module, n, item))
            return rows;
    return NULL;
}

/* The names in a file of the tensors that hold PART of a row's module. */
static bool put_names(wc_gguf_place *place, const char *layer, const wc_gguf_name *row, const char *part)
{
    place->second[0] = '\0';
    return snprintf(place->name, WC_NAME_ROOM, "%s%s%s", layer, row->gguf, part) < WC_NAME_ROOM &&
           (!row->second ||
            snprintf(place->second, WC_NAME_ROOM, "%s%s%s", layer, row->second, part) < WC_NAME_ROOM);
}

static const wc_gguf_name *find_in_layer(const wc_gguf_arch *arch, const char *module, size_t n, int *item)
{
    const wc_gguf_name *row = find_name(arch->names, module, n, item);
    return row ? row : find_name(common_names, module, n, item);
}

/* The rest of a name behind "layers.": "3.mlp.up_proj.weight". */
static bool place_in_layer(const wc_gguf_arch *arch, const char *rest, wc_gguf_place *place)
{
    char *end, prefix[40];
    const long layer = strtol(rest, &end, 10);
    if (end == rest || *end != '.')
        return false;
    const char *module = end + 1, *dot = strrchr(module, '.');
    snprintf(prefix, sizeof prefix, "blk.%ld.", layer);
    /* a parameter that is no module's weight, as "altup.correct_output_scale", is one here */
    const wc_gguf_name *row = find_in_layer(arch, module, strlen(module), &place->item);
    if (row)
        return put_names(place, prefix, row, ".weight");
    row = dot ? find_in_layer(arch, module, (size_t)(dot - module), &place->item) : NULL;
    return row && put_names(place, prefix, row, dot);
}

bool wc_gguf_tensor_place(const wc_gguf_arch *arch, const char *name, wc_gguf_place *place)
{
    static const char *const layers[] = {"model.layers.", "transformer.layers."};
    for (size_t i = 0; i < sizeof layers / sizeof *layers; i++)
        if (strncmp(name, layers[i], strlen(layers[i])) == 0)
            return place_in_layer(arch, name + strlen(layers[i]), place);
    const char *dot = strrchr(name, '.');
    const wc_gguf_name *row = dot ? find_name(model_names, name, (size_t)(dot - name), &place->item) : NULL;
    return row && put_names(place, "", row, dot);
}
