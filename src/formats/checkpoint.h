/* checkpoint.h - a model as it lies in files: a configuration and named tensors.  What formats hand to models and text.
 *
 * All names reach the models in Hugging Face's canonical spelling, whatever the file calls them, and every tensor's
 * extent has been checked against its file when the checkpoint was opened. */
#ifndef WC_FORMATS_CHECKPOINT_H
#define WC_FORMATS_CHECKPOINT_H
#include "base/arena.h"
#include "base/error.h"
#include "base/json.h"
#include "tensor/tensor.h"

typedef struct wc_checkpoint wc_checkpoint;

enum wc_checkpoint_flags {
    WC_CHECKPOINT_NO_WEIGHTS =
        1, /* configuration, tokenizer and template files only; weights may be absent */
    WC_CHECKPOINT_RANDOM =
        2 /* path is a config.json; wc_checkpoint_find makes tensors up (see random_dtype) */
};

typedef struct wc_checkpoint_options {
    unsigned flags;
    const char *config;    /* a config.json to use in place of the folder's; NULL */
    const char *tokenizer; /* a folder to take tokenizer files from; NULL */
    wc_dtype random_dtype; /* of made-up weights */
} wc_checkpoint_options;

/* Opens a Hugging Face folder (later also a GGUF file).  NULL on failure.  Free with wc_checkpoint_close. */
wc_checkpoint *wc_checkpoint_open(const char *path, const wc_checkpoint_options *options, wc_error *err);
void wc_checkpoint_close(wc_checkpoint *c);

/* Resolves what a user calls a model (a folder, a name in the Hugging Face cache, a shipped one) to a path in the arena.
 * The network is never asked. */
char *wc_hub_resolve(wc_arena *a, const char *name, wc_error *err);

const char *wc_checkpoint_path(const wc_checkpoint *c);        /* the folder */
const char *wc_checkpoint_config_file(const wc_checkpoint *c); /* for messages: "DIR/config.json" */
const wc_json *wc_checkpoint_config(const wc_checkpoint *c);   /* config.json; NULL when opened without one */
const wc_json *wc_checkpoint_generation(const wc_checkpoint *c); /* generation_config.json or NULL */
const wc_json *
wc_checkpoint_processor(const wc_checkpoint *c); /* preprocessor_config.json, else processor_config.json */
const wc_json *wc_checkpoint_processor_config(const wc_checkpoint *c); /* processor_config.json or NULL */
const wc_json *wc_checkpoint_tokenizer(const wc_checkpoint *c,
                                       wc_error *err); /* tokenizer.json, read on first call; NULL + err */
const wc_json *wc_checkpoint_tokenizer_config(const wc_checkpoint *c); /* tokenizer_config.json or NULL */
/* The source of the chat template (chat_template.jinja, chat_template.json, tokenizer_config.json in this order; in a list
 * of several the one called name, "default" when name is NULL); NULL when there is none.  [*n] bytes. */
const char *wc_checkpoint_template(const wc_checkpoint *c, const char *name, size_t *n);

/* The tensor of that name as it lies in the file: dtype, shape, data mapped; false when there is none (err untouched). */
bool wc_checkpoint_find(const wc_checkpoint *c, const char *name, wc_tensor *t);
/* The same, but its absence or another shape is an error; a shape of 0 stands for any size.  Shapes with trailing ones
 * dropped ([C,1,1,1] for [C]) are accepted. */
bool wc_checkpoint_need(const wc_checkpoint *c, const char *name, int ndim, const size_t *shape, wc_tensor *t,
                        wc_error *err);
/* Every tensor in the files, in the order of names; for NaN checks, counts and conversion. */
size_t wc_checkpoint_n_tensors(const wc_checkpoint *c);
wc_tensor wc_checkpoint_tensor(const wc_checkpoint *c, size_t i);
/* The weights are made up: shapes cannot be learned from them. */
bool wc_checkpoint_is_random(const wc_checkpoint *c);
/* Hints: the tensor is read by rows, here and there; or its bytes will be needed soon. */
void wc_checkpoint_random_access(const wc_checkpoint *c, const wc_tensor *t);
uint64_t wc_checkpoint_bytes(const wc_checkpoint *c); /* of all tensors */
uint64_t wc_checkpoint_elems(const wc_checkpoint *c); /* parameters in all tensors */
#endif
