/* model.h - what a model family offers to the rest: a forward pass over rows, and what those rows need.
 *
 * A wc_net is read-only once loaded.  Its weights are views into the checkpoint, which must outlive it; its own tables
 * lie in the arena given to wc_net_load. */
#ifndef WC_MODELS_MODEL_H
#define WC_MODELS_MODEL_H
#include "formats/checkpoint.h"
#include "ops/ops.h"

typedef struct wc_net wc_net;

/* The keys and values of one layer that has its own; window 0: all positions are kept. */
typedef struct wc_kv_shape {
    int n_kv_heads, key_dim, value_dim, window;
} wc_kv_shape;

/* The rows of one step. */
typedef struct wc_batch {
    wc_row_map rows;
    const int32_t
        *lengths;       /* [rows.n] positions of the row's sequence so far, those of later steps of a prompt
                                 included; NULL in a rehearsal */
    const int32_t *ids; /* [rows.n] in 0 .. n_vocab - 1; NULL in a rehearsal */
    const float
        *soft; /* [n_soft, hidden_size] rows that stand in place of an embedding (a picture, a sound) */
    const int32_t *soft_rows; /* [n_soft] where */
    int n_soft;
    const int32_t *types;    /* [rows.n] of an encoder: 1 in the second text of a pair; NULL: all 0 */
    const int32_t *first;    /* [rows.n_seqs + 1] of an encoder: where each sequence begins, and the end */
    const wc_kv_layer *kv;   /* [n_kv]; NULL: see wc_net.without_pages */
    const int32_t *out_rows; /* [n_out] rows whose logits are wanted, rising; NULL: all */
    int n_out;
} wc_batch;

/* Puts the rows of pictures over their places' embeddings in x [rows.n,D]. */
static inline void wc_batch_put_soft(wc_ctx *c, const wc_batch *b, wc_tensor x)
{
    if (b->n_soft > 0)
        wc_op_put_rows(c, x, wc_tensor_of((void *)b->soft, WC_F32, WC_SHAPE((size_t)b->n_soft, x.shape[1])),
                       b->soft_rows);
}

/* How pictures enter a prompt. */
typedef struct wc_image_input {
    int n_tokens; /* rows that a picture becomes; 0: the model takes no pictures */
    int height,
        width;    /* of the tower's input: the published one, then as the processor's configuration says */
    int token_id; /* of a picture's place in the ids; it may be the one behind the vocabulary */
    const char *place;          /* the text that the template leaves for a picture */
    const char *token;          /* the text of one of its rows */
    const char *first;          /* the token that begins a picture */
    const char *before, *after; /* text around the n_tokens copies of token */
    /* Around a picture and the pieces that pan and scan cuts it into: before the whole, before the pieces.  NULL: it is not cut. */
    const char *original, *crops;
    bool one_size;       /* the tower takes pictures of no other size */
    bool sees_itself;    /* each row of a picture sees all of them, those behind it too */
    const char *why_not; /* why n_tokens is 0 where the family does take pictures; NULL */
} wc_image_input;

/* How sounds enter a prompt: mel features [frames, bands] become rows. */
typedef struct wc_audio_input {
    int n_tokens;                       /* rows that a sound becomes; 0: the model takes no sound */
    int bands;                          /* of the mel features */
    size_t max_frames;                  /* that fit into n_tokens rows */
    int token_id;                       /* of a sound's place in the ids */
    const char *token, *before, *after; /* as those of pictures */
    const char *why_not;                /* why n_tokens is 0 where the family does take sound; NULL */
} wc_audio_input;
/* What the head of an encoder is for. */
typedef enum wc_task {
    WC_TASK_NONE,
    WC_TASK_FILL,     /* words for masked places: [n_vocab] of a row */
    WC_TASK_CLASSIFY, /* labels of a text, or of a pair of texts: [n_labels] of its first row */
    WC_TASK_TOKENS    /* labels of each token: [n_labels] of its row */
} wc_task;

typedef struct wc_family {
    const char *name;               /* "Gemma 3n" */
    const char *const *model_types; /* config.json's model_type, NULL-terminated */
    bool (*load)(wc_net **net, wc_arena *a, const wc_checkpoint *files, const char *slice, wc_error *err);
    /* Logits [n_out, n_vocab] of a batch; writes its keys and values into the pages.  NULL: an encoder. */
    wc_tensor (*forward)(wc_ctx *c, const wc_net *net, const wc_batch *batch);
    /* The last hidden states [rows.n, hidden_size] of whole sequences, without pages; rows.last_visible has for each row the
     * last position of its sequence that is not padding.  NULL: none. */
    wc_tensor (*encode)(wc_ctx *c, const wc_net *net, const wc_batch *batch);
    /* The logits [n, n_vocab or n_labels] that net->task asks for, of n of these rows.  NULL: there is no head. */
    wc_tensor (*head)(wc_ctx *c, const wc_net *net, wc_tensor rows);
    /* Soft rows [n_tokens, hidden_size] of a picture [height, width, 3] in the processor's range; NULL: none. */
    wc_tensor (*encode_image)(wc_ctx *c, const wc_net *net, wc_tensor pixels);
    /* Soft rows [n_tokens, hidden_size] of a sound: mel [frames, bands], 1 to max_frames of them, of which the first n_valid
     * begin before its end; NULL: none. */
    wc_tensor (*encode_audio)(wc_ctx *c, const wc_net *net, wc_tensor mel, size_t n_valid);
    /* Runs what a verification may ask for beside forward and encode_image, under the name of a golden tensor
     * ("hard_vision"); false when it knows no such name.  NULL: nothing. */
    bool (*extra)(wc_ctx *c, const wc_net *net, const char *name);
} wc_family;

struct wc_net { /* a family's own struct begins with this */
    const wc_family *family;
    const wc_checkpoint *files;
    const char *model_type;
    int n_vocab, hidden_size, n_layers;
    int context_length;
    /* > 0: sequences of more positions are computed in another way (LongRoPE), their first rows too. */
    int rope_switch;
    /* forward also takes whole sequences without pages (kv NULL), whose rows read the step's own keys and values: training. */
    bool without_pages;
    bool encoder; /* rows see those behind them too, so that there is no next token */
    wc_task task;
    int n_labels;
    int n_kv;
    const wc_kv_shape *kv; /* [n_kv] */
    wc_dtype dtype;        /* of the weights of the matrices */
    wc_image_input image;
    wc_audio_input audio;
    uint64_t row_bytes; /* of tables of which a token reads one row (per-layer embeddings): not resident */
    uint64_t n_params;  /* parameters in use (a slice uses fewer than its file holds) */
};

/* Picks the family by config's model_type and loads it.  NULL on failure; the error lists what is supported. */
wc_net *wc_net_load(wc_arena *a, const wc_checkpoint *files, const char *slice, wc_error *err);
/* The families, NULL-terminated. */
const wc_family *const *wc_families(void);
#endif
