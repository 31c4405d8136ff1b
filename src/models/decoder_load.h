/* decoder_load.h - from configuration and files to a wc_decoder: what the families of decoder.h have in common.
 *
 * A family's load function is: wc_decoder_read_config, wc_decoder_new, its own settings in m and m->layers, wc_decoder_read_rope (or
 * ropes of its own), wc_decoder_find.  All functions return false with err filled on failure. */
#ifndef WC_MODELS_DECODER_LOAD_H
#define WC_MODELS_DECODER_LOAD_H
#include "models/decoder.h"

/* What a configuration says of all layers.  Before wc_decoder_read_config: what absent fields mean; 0: the field is required (for
 * n_kv_heads: n_heads, for head_dim: hidden_size / n_heads). */
typedef struct wc_decoder_config {
    int hidden_size, n_layers, n_heads, n_kv_heads, head_dim, intermediate_size;
    int vocab_size, context_length;
    double norm_eps;
    const char *eps_key; /* "rms_norm_eps" */
    bool tied;           /* the head is the embedding */
} wc_decoder_config;

/* Llama's module names, which most families took over, and Gemma 2's, with norms behind each branch too; what a model has no
 * weights for is passed over. */
extern const wc_decoder_names wc_decoder_names_llama, wc_decoder_names_gemma2;

/* A decoder in the making. */
typedef struct wc_decoder_loader {
    wc_arena *arena;
    const wc_checkpoint *files;
    const char *file;      /* config.json, for messages */
    const wc_json *config; /* of the text model */
    wc_error *err;
    wc_decoder_config g;
    wc_decoder *m;
    wc_kv_shape *kv;                                     /* [n_layers] */
    bool qkv_bias, o_bias, mlp_bias, head_bias, qk_norm; /* which weights there are */
    bool values_are_keys;                                /* a layer without a window has no v_proj */
    bool no_ffn;                                         /* the family finds those weights itself */
} wc_decoder_loader;

/* The start of all: config is config.json, or the part of it that has the text model. */
wc_decoder_loader wc_decoder_loader_init(wc_arena *a, const wc_checkpoint *files, wc_error *err);
/* Refuses a slice; reads the fields of wc_decoder_config with Llama's spellings into l->g. */
bool wc_decoder_read_config(wc_decoder_loader *l, const char *slice);
/* Makes l->m by l->g: all layers alike, with full attention, rope 0 and pages of their own. */
bool wc_decoder_new(wc_decoder_loader *l, const wc_decoder_names *names);
/* One rotary embedding for all layers; theta and partial hold where the configuration says nothing. */
bool wc_decoder_read_rope(wc_decoder_loader *l, double theta, double partial);
/* One of two kinds of layers ("full_attention", "sliding_attention"), by rope_parameters.KIND or old spellings (theta_key,
 * scaling) into m->ropes[i]. */
bool wc_decoder_read_rope_of(wc_decoder_loader *l, int i, const char *kind, const char *theta_key,
                             const wc_json *scaling, double theta, int head_dim);
/* layer_types[layer] is "sliding_attention"; fallback where there is no such list. */
bool wc_decoder_is_sliding(const wc_decoder_loader *l, int layer, bool fallback, bool *sliding);
/* An activation by transformers' name. */
bool wc_decoder_read_act(const wc_decoder_loader *l, const char *key, const char *fallback, wc_act *act);
/* A tensor of the files, counted in n_params. */
bool wc_decoder_need(wc_decoder_loader *l, const char *name, int ndim, const size_t *shape, wc_tensor *t);
/* MODULE.weight of a layer. */
bool wc_decoder_need_in_layer(wc_decoder_loader *l, int layer, const char *module, const char *part, int ndim,
                              const size_t *shape, wc_tensor *t);
/* Finds every weight that the specification asks for and completes *net. */
bool wc_decoder_find(wc_decoder_loader *l, wc_net **net);
#endif
