/* gguf_write.h - a checkpoint written as a GGUF file that llama.cpp loads. */
#ifndef WC_FORMATS_GGUF_WRITE_H
#define WC_FORMATS_GGUF_WRITE_H
#include "formats/checkpoint.h"

typedef void (*wc_gguf_progress)(void *user, const char *stage, size_t done, size_t total);

typedef struct wc_gguf_write_options {
    wc_dtype type;            /* of matrices: f32, f16, bf16, q8_0 or q4_0; all else is f32 */
    const wc_json *tokenizer; /* {"tokenizer.ggml.model": ...}: written as they are; NULL: none */
    const char *name;         /* general.name */
    bool mmproj;              /* the picture tower, without a tokenizer, in place of the text model */
    wc_gguf_progress progress;
    void *user;
} wc_gguf_write_options;

/* Writes the text model of c, or its picture tower, to path, a row at a time; the file appears when it is whole. */
bool wc_gguf_write(const wc_checkpoint *c, const char *path, const wc_gguf_write_options *o, wc_error *err);
#endif
