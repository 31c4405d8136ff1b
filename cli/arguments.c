/* arguments.c - options that several commands take, and what they mean to the library. */
#include <limits.h>
#include <string.h>

#include "cli.h"

const cli_option cli_model_options[] = {
    {"threads", 't', NULL, CLI_INT, "N", offsetof(struct cli_model_args, threads),
     "Threads; 0, the default: the physical cores that this process may use", 0, 1024, .env = true},
    {"slice", 0, NULL, CLI_TEXT, "NAME|JSON", offsetof(struct cli_model_args, slice),
     "The nested smaller model of a MatFormer: E2B, or {\"layers_skipped\":[...],\"ffn_hidden_dims\":[...]}",
     .env = true},
    {"tokenizer", 0, NULL, CLI_TEXT, "DIR", offsetof(struct cli_model_args, tokenizer),
     "Take the tokenizer's files from this folder", .value = CLI_FOLDER},
    {"config", 0, NULL, CLI_TEXT, "FILE", offsetof(struct cli_model_args, config),
     "Take this file in place of the model's config.json", .value = CLI_FILE},
    {"mmproj", 0, NULL, CLI_TEXT, "FILE", offsetof(struct cli_model_args, mmproj),
     "The GGUF file of a GGUF model's pictures (default: the one *mmproj*.gguf beside the model's)",
     .value = CLI_FILE},
    {"compute", 0, NULL, CLI_TEXT, "TYPE", offsetof(struct cli_model_args, compute),
     "Type of activations: auto (what is fastest on this CPU) or f32", .env = true, .choices = "auto,f32"},
    {"offline", 0, NULL, CLI_FLAG, NULL, offsetof(struct cli_model_args, offline),
     "Never offer to fetch a model that is not here", .env = true},
    {NULL},
};

const cli_option cli_session_options[] = {
    {"ctx", 'c', "context,ctx-size", CLI_INT, "N", offsetof(struct cli_session_args, ctx),
     "Most tokens of prompt and answer together; 0, the default: the model's maximum", 0, INT_MAX,
     .env = true},
    {"kv", 0, NULL, CLI_TEXT, "TYPE", offsetof(struct cli_session_args, kv),
     "Type of the keys and values kept: auto, f32 or bf16", .env = true, .choices = "auto,f32,bf16"},
    {NULL},
};

const cli_option cli_sampling_options[] = {
    {"max-new-tokens", 'n', "max-tokens,n-predict", CLI_INT, "N",
     offsetof(struct cli_sampling_args, max_new_tokens),
     "Most tokens of the answer; -1: until the context is full (default: the model's, else 256)", -1, INT_MAX,
     .env = true},
    {"greedy", 0, NULL, CLI_FLAG, NULL, offsetof(struct cli_sampling_args, greedy),
     "Always the most probable token, whatever the model's configuration says", .env = true},
    {"temp", 0, "temperature", CLI_REAL, "X", offsetof(struct cli_sampling_args, temperature),
     "Sample with this temperature; 0 is greedy", 0, 100, .env = true},
    {"top-k", 0, NULL, CLI_INT, "N", offsetof(struct cli_sampling_args, top_k),
     "Sample from the N most probable tokens; 0: from all", 0, INT_MAX, .env = true},
    {"top-p", 0, NULL, CLI_REAL, "X", offsetof(struct cli_sampling_args, top_p),
     "Sample from the fewest tokens whose probabilities add up to X; 1: from all", 0, 1, true, true},
    {"min-p", 0, NULL, CLI_REAL, "X", offsetof(struct cli_sampling_args, min_p),
     "Sample from tokens at least X times as probable as the best; 0: from all", 0, 1, .env = true},
    {"typical-p", 0, NULL, CLI_REAL, "X", offsetof(struct cli_sampling_args, typical_p),
     "Locally typical sampling of that mass; 1: off", 0, 1, true, true},
    {"repeat-penalty", 0, "repetition-penalty", CLI_REAL, "X",
     offsetof(struct cli_sampling_args, repetition_penalty),
     "Penalty on tokens that occurred already; 1: none", 0, 100, true, true},
    {"seed", 0, NULL, CLI_SEED, "N", offsetof(struct cli_sampling_args, seed),
     "Seed of sampling; 0, the default: drawn from the system", .env = true},
    {"stop", 0, NULL, CLI_LIST, "TEXT", offsetof(struct cli_sampling_args, stop),
     "End the answer before this text; may be repeated"},
    {"ignore-eos", 0, NULL, CLI_FLAG, NULL, offsetof(struct cli_sampling_args, ignore_eos),
     "Go on after an end-of-sequence token"},
    {NULL},
};

const cli_option cli_window_options[] = {
    {"ctx", 'c', "context,ctx-size", CLI_INT, "N", offsetof(struct cli_window_args, ctx),
     "Tokens of a window (default: the longest context of every model here, at most 2048)", 2, INT_MAX},
    {"stride", 0, NULL, CLI_INT, "N", offsetof(struct cli_window_args, stride),
     "Tokens from one window's beginning to the next's (default 512)", 1, INT_MAX},
    {NULL},
};

wc_model_options cli_model_of(const struct cli_model_args *a)
{
    return (wc_model_options){
        .size = sizeof(wc_model_options),
        .n_threads = a->threads.value,
        .compute = a->compute && strcmp(a->compute, "f32") == 0 ? WC_COMPUTE_F32 : WC_COMPUTE_AUTO,
        .slice = a->slice,
        .tokenizer = a->tokenizer,
        .config = a->config,
        .mmproj = a->mmproj,
    };
}

wc_session_options cli_session_of(const struct cli_session_args *a)
{
    int kv = !a->kv || strcmp(a->kv, "auto") == 0 ? WC_KV_AUTO
             : strcmp(a->kv, "f32") == 0          ? WC_KV_F32
                                                  : WC_KV_BF16;
    return (wc_session_options){.size = sizeof(wc_session_options), .ctx = a->ctx.value, .kv_type = kv};
}

wc_text_options cli_windows_of(const struct cli_window_args *a, struct cli *c)
{
    return (wc_text_options){.size = sizeof(wc_text_options),
                             .ctx = a->ctx.value,
                             .stride = a->stride.value,
                             .progress = cli_progress,
                             .progress_user = c};
}

bool cli_generate_of(const struct cli_sampling_args *a, wc_generate_options *out, wc_error *err)
{
    bool cold = a->temperature.given && a->temperature.value == 0;
    bool asked = a->temperature.given || a->top_k.given || a->top_p.given || a->min_p.given ||
                 a->typical_p.given;
    if (a->max_new_tokens.given && a->max_new_tokens.value == 0)
        return wc_fail(err, WC_BAD_ARGUMENT,
                       "-n/--max-new-tokens: expected -1 or a whole number from 1 to %d, found '0'", INT_MAX);
    *out = (wc_generate_options){
        .size = sizeof *out,
        .max_new_tokens = a->max_new_tokens.value,
        .sampling = a->greedy || cold ? 1
                    : asked           ? 2
                                      : 0,
        .temperature = (float)a->temperature.value,
        .top_k = !a->top_k.given       ? 0
                 : a->top_k.value == 0 ? -1
                                       : a->top_k.value,
        .top_p = (float)a->top_p.value,
        .min_p = !a->min_p.given       ? 0
                 : a->min_p.value == 0 ? -1
                                       : (float)a->min_p.value,
        .typical_p = (float)a->typical_p.value,
        .repetition_penalty = (float)a->repetition_penalty.value,
        .seed = a->seed.value,
        .stop = a->stop.items,
        .n_stop = a->stop.n,
        .n_logprobs = -1,
        .ignore_eos = a->ignore_eos,
    };
    return true;
}
