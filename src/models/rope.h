/* rope.h - rotary embeddings as configurations describe them (transformers' modeling_rope_utils).
 *
 * Row p of a head turns its pairs (x[i], x[i + h]) by the angle p * inv_freq[i]. */
#ifndef WC_MODELS_ROPE_H
#define WC_MODELS_ROPE_H
#include "base/arena.h"
#include "base/error.h"
#include "base/json.h"
#include "tensor/tensor.h"

typedef struct wc_rope {
    wc_tensor inv_freq; /* [h] f32, h up to head_dim / 2 */
    float scale;        /* of cosine and sine */
    /* The same for sequences of more than switch_at positions, all their rows included; switch_at 0: none. */
    wc_tensor inv_freq_far;
    float scale_far;
    int switch_at;
} wc_rope;

typedef struct wc_rope_source {
    const char *file;      /* for messages */
    const wc_json *config; /* where keys of older spellings stand */
    const wc_json
        *parameters;       /* rope_parameters, rope_scaling, or the part of it for these layers; NULL: none */
    const char *theta_key; /* of config, where parameters has no rope_theta */
    double theta, partial; /* when nothing is said: the base, the share of a head that turns */
    int head_dim;
} wc_rope_source;

/* rope_parameters or, in older configurations, rope_scaling; NULL: neither. */
const wc_json *wc_rope_parameters(const wc_json *config);
/* The frequencies lie in the arena. */
bool wc_rope_read(wc_rope *r, const wc_rope_source *s, wc_arena *a, wc_error *err);
#endif
