/* decoder.h - the plain decoder that most families are: a specification, and one forward pass that runs every one.
 *
 * A family's file turns config.json into a wc_decoder (layer by layer where layers differ; decoder_load.h helps), names its
 * modules, and is done.  Absent weights (data NULL) leave their step out. */
#ifndef WC_MODELS_DECODER_H
#define WC_MODELS_DECODER_H
#include "models/model.h"
#include "models/rope.h"

/* What a family calls its modules: weights are found under these names, and observers see their outputs under them. */
typedef struct wc_decoder_names {
    const char *prefix, *embed, *norm, *head; /* "model." before the layers; the others in full */
    const char *input_norm, *post_attention_norm, *ffn_norm, *post_ffn_norm;
    const char *q_proj, *k_proj, *v_proj, *o_proj, *q_norm, *k_norm, *v_norm;
    const char *qkv_proj; /* not NULL: rows of q, k and v in one matrix */
    const char *gate_proj, *up_proj, *down_proj;
    const char *gate_up_proj; /* not NULL: likewise, the gate first, unless the files have gate_proj */
    const char *act, *mlp;
    bool keys_by_query; /* observers see keys and values once for each query head */
} wc_decoder_names;

/* A norm of either kind: an RMS norm has no bias. */
typedef struct wc_decoder_norm {
    wc_tensor weight, bias;
} wc_decoder_norm;

typedef struct wc_decoder_layer {
    int n_heads, n_kv_heads, head_dim, intermediate_size;
    int kv;      /* index of the pages that it reads, and writes unless they are */
    bool shared; /* those of an earlier layer */
    int window;  /* 0: full attention */
    int rope;    /* which of the decoder's; -1: positions do not turn its heads */
    wc_decoder_norm input_norm, post_attention_norm, ffn_norm, post_ffn_norm;
    wc_tensor q_proj, k_proj, v_proj, o_proj, q_bias, k_bias, v_bias, o_bias; /* without v_proj v is k */
    wc_tensor q_norm, k_norm;                                                 /* [head_dim] */
    wc_tensor gate_proj, up_proj, down_proj, gate_bias, up_bias, down_bias;   /* without a gate: act(up) */
    wc_tensor ple_gate, ple_proj, ple_norm; /* of the layer's own input (wc_decoder.ple_width) */
    float out_scale;
    const void *own; /* of a family's own feed_forward */
} wc_decoder_layer;

enum { WC_DECODER_ROPES = 2 };

typedef struct wc_decoder wc_decoder;
struct wc_decoder {
    wc_net net;
    const wc_decoder_names *names;
    wc_decoder_layer *layers;         /* [net.n_layers] */
    wc_tensor embed, head, head_bias; /* head is embed when they are tied */
    wc_decoder_norm norm;
    wc_rope ropes[WC_DECODER_ROPES];
    int n_ropes;
    float norm_eps, norm_offset; /* y = x / rms(x) * (offset + w) */
    bool layer_norm;             /* means are taken off, and there are biases */
    bool parallel;               /* attention and feed-forward read the same norm and are added together */
    bool norm_values;            /* values are divided by their root mean square */
    float embed_scale, attention_scale /* of scores; 0: 1 / sqrt(head_dim) */, attention_cap, logit_cap;
    wc_act act;
    /* Gemma 4's input of its own for every layer and token: [V', L * P], [L * P, D], [P]; P 0: none. */
    int ple_width, ple_vocab;
    wc_tensor ple_embed, ple_model_proj, ple_model_norm;
    const void *vision; /* of a family's own encode_image; NULL: it takes no pictures */
    /* In place of the gated feed-forward: f [N,D] -> [N,D].  NULL: that one. */
    wc_tensor (*feed_forward)(wc_ctx *c, const wc_decoder *m, int layer, wc_tensor f);
};

/* Of a net whose rows see each other both ways (net.encoder), see model.h. */
wc_tensor wc_decoder_encode(wc_ctx *c, const wc_net *net, const wc_batch *batch);
wc_tensor wc_decoder_forward(wc_ctx *c, const wc_net *net, const wc_batch *batch);
#endif
