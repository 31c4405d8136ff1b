/* gguf_config.h - the configuration that a GGUF file's metadata tells, in Hugging Face's keys. */
#ifndef WC_FORMATS_GGUF_CONFIG_H
#define WC_FORMATS_GGUF_CONFIG_H
#include "formats/gguf_arch.h"
#include "formats/stored.h"

/* What is known of a file (all of its parts) when its configuration is made. */
typedef struct wc_gguf_file {
    const char *path;
    const wc_json *metadata;    /* the keys of "general." and of the architecture */
    const wc_stored *tensors;   /* [n_tensors] */
    size_t n_tensors, n_tokens; /* n_tokens 0: not said */
} wc_gguf_file;

/* The row of general.architecture; NULL on failure. */
const wc_gguf_arch *wc_gguf_config_arch(const wc_gguf_file *f, wc_error *err);
/* A config.json, in the arena; NULL on failure. */
const wc_json *wc_gguf_config(const wc_gguf_file *f, const wc_gguf_arch *arch, wc_arena *a, wc_error *err);
#endif
