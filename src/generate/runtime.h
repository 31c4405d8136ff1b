/* runtime.h - a model ready to use: files, network, words, pictures, sound, threads, and the memory that steps take turns in.
 *
 * This is what the public wc_model is.  All of it is read-only after wc_runtime_open but the caches, which have locks. */
#ifndef WC_GENERATE_RUNTIME_H
#define WC_GENERATE_RUNTIME_H
#include <pthread.h>

#include "audio/mel.h"
#include "backend/context.h"
#include "base/arenas.h"
#include "formats/checkpoint.h"
#include "generate/kv_pages.h"
#include "generate/media_cache.h"
#include "image/normalize.h"
#include "models/model.h"
#include "models/sentence.h"
#include "text/chat.h"
#include "text/tokenizer.h"

enum { WC_MAX_EOS = 32, WC_DEFAULT_CHUNK_ROWS = 512 };

/* generation_config.json with the defaults of the field filled in. */
typedef struct wc_generation_config {
    bool do_sample;
    int max_new_tokens; /* 0: not said */
    double temperature, top_p, min_p, typical_p, repetition_penalty;
    int top_k; /* 0: off */
    int32_t eos[WC_MAX_EOS];
    int n_eos;
} wc_generation_config;

struct wc_model {
    wc_arena *arena;  /* everything below that is not freed on its own */
    const char *name; /* as the user called it */
    wc_checkpoint *files;
    wc_net *net;                       /* NULL when only the tokenizer was asked for */
    wc_sentence *sentence;             /* how vectors are made; NULL: it makes none */
    wc_backend *backend;               /* NULL likewise */
    wc_tokenizer *tokenizer;           /* NULL when the folder has none */
    wc_jinja *chat_template;           /* NULL when the model has none */
    const wc_json *special_tokens;     /* object: what the template's bos_token and its like are */
    struct wc_image_processor *images; /* NULL when the model takes none */
    wc_mel *mel;                       /* NULL when the model takes no sound */
    wc_generation_config generation;
    wc_kv_store *kv[2]; /* by enum kv_index: f32, bf16 */
    wc_media_cache *media;
    wc_arenas *arenas;
    pthread_mutex_t lock;  /* guards the making of kv */
    const char *info;      /* JSON */
    char *tokenizer_error; /* why there is no tokenizer, template: said when one is needed */
    char *template_error;
    char *warning; /* something odd that does not keep the model from working, NULL */
};

/* See wc_model_open in whinchat.h. */
struct wc_model *wc_runtime_open(const char *name, const wc_model_options *options, wc_error *err);
void wc_runtime_close(struct wc_model *m);
/* The pages for keys and values in that type (WC_F32, WC_BF16). */
wc_kv_store *wc_runtime_kv(struct wc_model *m, wc_dtype dtype);
/* What WC_KV_AUTO means for this model. */
wc_dtype wc_runtime_kv_dtype(const struct wc_model *m, int kv_type);

/* An arena for steps of at most rows rows of which out give logits; goes back by wc_arenas_put.  NULL without memory. */
wc_arena *wc_runtime_take_arena(struct wc_model *m, int rows, int out, wc_error *err);
/* What a pass costs, measured by a rehearsal: of a step of rows rows, and of encoding a picture.  Attention over pages is
 * not in flops, as it depends on positions. */
typedef struct wc_cost {
    size_t arena_bytes;
    double flops, weight_bytes;
} wc_cost;
bool wc_runtime_step_cost(const struct wc_model *m, int rows, int out, wc_cost *cost, wc_error *err);
bool wc_runtime_image_cost(const struct wc_model *m, wc_cost *cost, wc_error *err);

/* Pixels of a picture however it is given; rgb wins over data over path.  Free with wc_image_free. */
bool wc_runtime_read_image(const wc_media *picture, struct wc_image *image, wc_error *err);
/* Soft rows [n_tokens, hidden_size] of a picture, from the cache or computed; hold is released with wc_media_release. */
bool wc_runtime_encode_image(struct wc_model *m, const wc_media *picture, const atomic_bool *cancel,
                             wc_observe_fn observe, void *observe_user,
                             void (*progress)(void *, size_t, size_t), void *progress_user,
                             wc_media_hold *hold, wc_error *err);
/* Makes soft rows from an input in c's arena; false when the input cannot be used. */
typedef bool (*wc_encoder_fn)(void *input, wc_ctx *c, wc_tensor *rows, wc_error *err);
/* Runs an encoder in an arena of that size and keeps its rows under the digest; watch: who observes, cancels and is told of
 * progress, its other fields are not read. */
bool wc_runtime_encode(struct wc_model *m, const wc_ctx *watch, size_t arena_bytes, const uint8_t digest[32],
                       wc_encoder_fn encode, void *input, wc_media_hold *hold, wc_error *err);
bool wc_is_eos(const struct wc_model *m, int32_t id);
#endif
