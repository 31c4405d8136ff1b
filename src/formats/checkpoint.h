/* checkpoint.h - a model as it lies in files: a configuration and named tensors.  What formats hand to
 * models and text.
 *
 * Models ask for tensors in Hugging Face's canonical spelling, whatever the file calls them (names.h), and
 * every tensor's extent has been checked against its file when the checkpoint was opened.  A checkpoint is
 * used by one thread while a model is loaded from it; its tensors may then be read by any number. */
#ifndef WC_FORMATS_CHECKPOINT_H
#define WC_FORMATS_CHECKPOINT_H
#include "base/arena.h"
#include "base/error.h"
#include "base/json.h"
#include "tensor/tensor.h"

typedef struct wc_checkpoint wc_checkpoint;

enum wc_checkpoint_flags {
    /* configuration, tokenizer and template files only; any of them, and the weights, may be absent */
    WC_CHECKPOINT_NO_WEIGHTS = 1,
    /* path is a config.json; wc_checkpoint_need makes tensors of random_dtype up */
    WC_CHECKPOINT_RANDOM = 2
};

typedef struct wc_checkpoint_options {
    unsigned flags;
    const char *config;    /* a config.json to use in place of the folder's; NULL */
    const char *tokenizer; /* a folder to take tokenizer and template files from; NULL */
    const char *mmproj;    /* a GGUF model's picture tower; NULL: the one beside it, should there be one */
    wc_dtype random_dtype; /* of made-up weights: f32, bf16 or f16 */
} wc_checkpoint_options;

/* Opens a Hugging Face folder or a GGUF file.  options may be NULL.  NULL on failure.  Free with wc_checkpoint_close. */
wc_checkpoint *wc_checkpoint_open(const char *path, const wc_checkpoint_options *options, wc_error *err);
/* Opens one safetensors file without any configuration: reference values.  NULL on failure. */
wc_checkpoint *wc_checkpoint_open_tensors(const char *file, wc_error *err);
void wc_checkpoint_close(wc_checkpoint *c); /* NULL is fine */

/* Resolves what a user calls a model (a folder, a shipped one, a name in the Hugging Face cache) to a path
 * in the arena.  The network is never asked.  NULL on failure; the error says where it looked. */
char *wc_hub_resolve(wc_arena *a, const char *name, wc_error *err);

/* Paths and trees are borrowed and valid as long as the checkpoint. */
const char *wc_checkpoint_path(const wc_checkpoint *c);        /* the folder */
const char *wc_checkpoint_config_file(const wc_checkpoint *c); /* for messages: "DIR/config.json" */
/* For messages about weights: "DIR/model.safetensors" or its index; the folder when there are none. */
const char *wc_checkpoint_weights_file(const wc_checkpoint *c);
const char *
wc_checkpoint_tower_file(const wc_checkpoint *c); /* the file of a GGUF model's picture tower; NULL */
/* Why a GGUF model whose family takes pictures takes none: its tower lies in another file; NULL. */
const char *wc_checkpoint_no_tower(const wc_checkpoint *c);
/* Why a GGUF model whose family takes sounds takes none; NULL. */
const char *wc_checkpoint_no_sound(const wc_checkpoint *c);
const wc_json *wc_checkpoint_config(const wc_checkpoint *c); /* config.json; NULL when opened without one */
const wc_json *wc_checkpoint_generation(const wc_checkpoint *c); /* generation_config.json or NULL */
/* The picture processor's settings, an object without nesting: as in transformers, the image_processor of
 * processor_config.json where it has one, else preprocessor_config.json; NULL when there is neither. */
const wc_json *wc_checkpoint_processor(const wc_checkpoint *c);
const char *wc_checkpoint_processor_file(const wc_checkpoint *c); /* where that stands; NULL when nowhere */
/* The settings of the feature extractor, likewise: the feature_extractor of processor_config.json, else
 * preprocessor_config.json; NULL when there is neither. */
const wc_json *wc_checkpoint_feature_extractor(const wc_checkpoint *c);
const wc_json *wc_checkpoint_processor_config(const wc_checkpoint *c); /* processor_config.json or NULL */
const wc_json *wc_checkpoint_tokenizer_config(const wc_checkpoint *c); /* tokenizer_config.json or NULL */
/* tokenizer.json, read on the first call; NULL and err on failure (WC_NOT_FOUND: there is none). */
const wc_json *wc_checkpoint_tokenizer(const wc_checkpoint *c, wc_error *err);
/* Of a GGUF file the metadata of "tokenizer.", an object {"tokenizer.ggml.model": ...}; NULL: look for the others. */
const wc_json *wc_checkpoint_gguf_tokenizer(const wc_checkpoint *c);
/* The bytes of tokenizer.model, [*n], valid as long as the checkpoint; NULL when there is none (err untouched) or it cannot
 * be read. */
const char *wc_checkpoint_tokenizer_model(const wc_checkpoint *c, size_t *n, wc_error *err);
/* Gives the memory of tokenizer.json or of the metadata back; what the two above returned is no longer valid. */
void wc_checkpoint_drop_tokenizer(const wc_checkpoint *c);
/* The source of the chat template (chat_template.jinja, chat_template.json, tokenizer_config.json in this
 * order; in a list of several the one called name, "default" when name is NULL); NULL when there is none.
 * [*n] bytes, NUL-terminated. */
const char *wc_checkpoint_template(const wc_checkpoint *c, const char *name, size_t *n);

/* The tensor of that name as it lies in the file: dtype, shape, data mapped; false when there is none (err
 * untouched).  A scalar has shape [1].  Data is aligned to its elements even where the file's is not: it is
 * copied then. */
bool wc_checkpoint_find(const wc_checkpoint *c, const char *name, wc_tensor *t);
/* The same, but its absence or another shape is an error; a shape of 0 stands for any size.  Shapes with
 * trailing ones dropped ([C,1,1,1] for [C]) are accepted. */
bool wc_checkpoint_need(const wc_checkpoint *c, const char *name, int ndim, const size_t *shape, wc_tensor *t,
                        wc_error *err);
/* The same for what is multiplied with: a type that is no type of weights is an error too. */
bool wc_checkpoint_need_weight(const wc_checkpoint *c, const char *name, int ndim, const size_t *shape,
                               wc_tensor *t, wc_error *err);
/* Tensors are made up: wc_checkpoint_find has none, and wc_checkpoint_need wants whole shapes. */
bool wc_checkpoint_is_random(const wc_checkpoint *c);
/* Every tensor of a type and rank that whinchat can hold, in the order of the names in the files; for NaN
 * checks, counts and conversion. */
size_t wc_checkpoint_n_tensors(const wc_checkpoint *c);
wc_tensor wc_checkpoint_tensor(const wc_checkpoint *c, size_t i);
/* From now on tensor i is t, f32 of its shape in memory that outlives c: for weights that training changes, before a model is
 * loaded from c.  False for a GGUF file, whose tensors are not always what models see. */
bool wc_checkpoint_replace(wc_checkpoint *c, size_t i, const wc_tensor *t, wc_error *err);
/* The table of token embeddings among them, whatever the family calls it, where it lies in its file; false: there is none. */
bool wc_checkpoint_embedding(const wc_checkpoint *c, wc_tensor *t);
/* Fails for the first tensor that holds a NaN or an infinity; reads all weights once. */
bool wc_checkpoint_check_finite(const wc_checkpoint *c, wc_error *err);
/* A hint: the tensor is read by rows, here and there. */
void wc_checkpoint_random_access(const wc_checkpoint *c, const wc_tensor *t);
/* A hint: the tensor's bytes will not be read again soon, and need not stay in memory. */
void wc_checkpoint_done_with(const wc_checkpoint *c, const wc_tensor *t);
uint64_t wc_checkpoint_bytes(const wc_checkpoint *c); /* of all tensors, those that cannot be held included */
uint64_t wc_checkpoint_elems(const wc_checkpoint *c); /* parameters in all tensors, likewise */
#endif
