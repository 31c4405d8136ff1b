/* decoder.h - the plain decoder that most families are: a specification, and one forward pass that runs every one.
 *
 * A family's file turns config.json into a wc_decoder (layer by layer where layers differ), names its tensors, and is done.
 * Absent weights (data NULL) leave their step out. */
#ifndef WC_MODELS_DECODER_H
#define WC_MODELS_DECODER_H
#include "models/model.h"

typedef struct wc_decoder_layer {
    int n_heads, n_kv_heads, head_dim;
    int kv;                                    /* index of its pages */
    int window;                                /* 0: full attention */
    wc_tensor input_norm, post_attention_norm; /* before attention and before the feed-forward */
    wc_tensor q_proj, k_proj, v_proj, o_proj, q_bias, k_bias, v_bias, o_bias;
    wc_tensor gate_proj, up_proj, down_proj, gate_bias, up_bias, down_bias;
} wc_decoder_layer;

typedef struct wc_decoder {
    wc_net net;
    wc_decoder_layer *layers;    /* [net.n_layers] */
    wc_tensor embed, norm, head; /* head is embed when they are tied */
    float norm_eps;
    wc_act act;
    wc_tensor inv_freq; /* rotary frequencies, [head_dim / 2] */
} wc_decoder;

wc_tensor wc_decoder_forward(wc_ctx *c, const wc_net *net, const wc_batch *batch);
#endif
