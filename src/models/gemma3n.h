/* gemma3n.h - what the two halves of Gemma 3n share: gemma3n_load.c reads it, gemma3n.c is its forward. */
#ifndef WC_MODELS_GEMMA3N_H
#define WC_MODELS_GEMMA3N_H
#include "models/gemma3n_audio.h"
#include "models/mobilenet_v5.h"
#include "models/model.h"

struct gemma3n_config {
    int hidden_size;                 /* D */
    int num_hidden_layers;           /* L */
    int num_attention_heads;         /* H */
    int num_key_value_heads;         /* K */
    int head_dim;                    /* d */
    int hidden_size_per_layer_input; /* P */
    int vocab_size, vocab_size_per_layer_input;
    int altup_num_inputs; /* A */
    int altup_active_idx;
    bool altup_correct_scale;
    int laurel_rank; /* R */
    int num_kv_shared_layers;
    int sliding_window;
    int max_position_embeddings;
    float rms_norm_eps, final_logit_softcapping;
    double rope_theta_full, rope_theta_sliding;
};

struct gemma3n_layer {
    int source; /* its number in the files; another one than its place in a MatFormer slice */
    bool sliding;
    int kv;           /* index of the pages it reads (and writes, when it has keys of its own) */
    bool shared;      /* it has none of its own */
    float sparsity_z; /* > 0: the gate keeps what lies z deviations over its mean */

    wc_tensor input_layernorm, post_attention_layernorm, pre_feedforward_layernorm,
        post_feedforward_layernorm;                           /* [D] */
    wc_tensor q_proj, k_proj, v_proj, o_proj, q_norm, k_norm; /* [H*d,D] [K*d,D] [K*d,D] [D,H*d] [d] [d] */
    wc_tensor gate_proj, up_proj, down_proj;                  /* [F,D] [F,D] [D,F] */
    wc_tensor router_norm, modality_router;                   /* [D] [A,D] */
    wc_tensor prediction_coefs, correction_coefs;             /* [A*A,A] [A,A] */
    wc_tensor correct_output_scale;                           /* [D] */
    wc_tensor laurel_left, laurel_right, post_laurel_norm;    /* [R,D] [D,R] [D] */
    wc_tensor per_layer_input_gate, per_layer_projection, post_per_layer_input_norm; /* [P,D] [D,P] [D] */
};

/* embed_vision, embed_audio: from a tower's rows, or from the ids of its own little vocabulary, to the stream. */
struct gemma3n_embedder {
    int offset, n; /* ids offset .. offset + n - 1 are its own; n 0: absent */
    wc_tensor embedding, hard_norm, soft_norm, projection; /* [n,C] [C] [C] [D,C] */
};

struct gemma3n {
    wc_net net;
    struct gemma3n_config config;
    struct gemma3n_layer *layers;     /* [L] */
    wc_tensor embed_tokens, norm;     /* [V,D] [D] */
    wc_tensor embed_tokens_per_layer; /* [V', L' * P], L' the layers of the file */
    wc_tensor per_layer_model_projection, per_layer_projection_norm; /* [L' * P, D] [P] */
    wc_tensor *altup_projections, *altup_unembed_projections;        /* of [D,D] */
    wc_tensor inv_freq_full, inv_freq_sliding;                       /* [d/2] f32 */
    struct gemma3n_embedder vision, audio;
    wc_mobilenet_v5 *tower;        /* NULL: a text model */
    wc_gemma3n_audio *audio_tower; /* NULL: it hears nothing */
};

/* wc_family.load: configuration, MatFormer slice, weights. */
bool wc_gemma3n_load(wc_net **net, wc_arena *a, const wc_checkpoint *files, const char *slice, wc_error *err);
#endif
