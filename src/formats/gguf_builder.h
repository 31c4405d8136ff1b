/* gguf_builder.h - what gguf_config.c and gguf_layers.c share: a configuration in the making, as text. */
#ifndef WC_FORMATS_GGUF_BUILDER_H
#define WC_FORMATS_GGUF_BUILDER_H
#include "base/buf.h"
#include "formats/gguf_config.h"

typedef struct wc_gguf_builder {
    const wc_gguf_file *f;
    const wc_gguf_arch *arch;
    wc_error *err;
    wc_buf out; /* JSON, so far */
} wc_gguf_builder;

enum { WC_GGUF_KEY_ROOM = 128, WC_GGUF_MAX_LAYERS = 1024 };

/* "ARCH.key" in out. */
const char *wc_gguf_full_key(const wc_gguf_builder *b, const char *key, char out[WC_GGUF_KEY_ROOM]);
/* ARCH.key, or NULL; a list of one number, again and again, counts as that number. */
const wc_json *wc_gguf_value(const wc_gguf_builder *b, const char *key);
/* A number within its range; *found tells whether it is there. */
bool wc_gguf_number(const wc_gguf_builder *b, const wc_gguf_key *k, double *out, bool *found);
/* An integer; fallback where there is none. */
bool wc_gguf_whole(const wc_gguf_builder *b, const char *key, double min, double max, int fallback, int *out);
/* A number for each of n layers: a list of n, or one for all; fallback where there is none. */
bool wc_gguf_by_layer(const wc_gguf_builder *b, const char *key, int n, double min, double max, int fallback,
                      int *out);
/* A configuration's members of a table of keys, as far as the file has them. */
bool wc_gguf_put_keys(wc_gguf_builder *b, const wc_gguf_key *keys);
void wc_gguf_put_number(wc_gguf_builder *b, const char *name, double x);
const wc_stored *wc_gguf_find(const wc_gguf_builder *b, const char *name);
/* The values of a vector of f32, [*n] in the file; NULL when there is none of that name and kind. */
const float *wc_gguf_floats(const wc_gguf_builder *b, const char *name, size_t *n);

/* gguf_layers.c: what the architecture's layers have of their own: widths, heads, windows, ropes, who shares keys. */
bool wc_gguf_put_layers(wc_gguf_builder *b);
#endif
