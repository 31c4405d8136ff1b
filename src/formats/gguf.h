/* gguf.h - the head of a GGUF file: its metadata and its tensors, every count and extent checked. */
#ifndef WC_FORMATS_GGUF_H
#define WC_FORMATS_GGUF_H
#include "formats/stored.h"

/* A value of the metadata, where it lies. */
typedef struct wc_gguf_entry {
    const char *key; /* [n] in the map, not NUL-terminated */
    size_t n;
    uint32_t type;
    size_t at; /* offset of the value in the file */
} wc_gguf_entry;

/* A file whose head has been read; borrows the map and the arena. */
typedef struct wc_gguf {
    const char *path;
    const unsigned char *data; /* [size] the map */
    size_t size;
    uint64_t alignment;
    wc_gguf_entry *entries; /* [n_entries] in the order of the file */
    size_t n_entries;
    wc_stored *tensors; /* [n_tensors] in the order of the file; names as the file spells them */
    size_t n_tensors;
} wc_gguf;

/* Reads the head of a mapped file.  What *g points to lies in the arena or in the map. */
bool wc_gguf_read(wc_gguf *g, const wc_file_map *map, const char *path, wc_arena *a, wc_error *err);
/* The metadata as an object {"general.name": "...", ...}, in the arena; of keys that begin with one of the prefixes, a list
 * ended by NULL.  Arrays of more than max_items are left out. */
const wc_json *wc_gguf_metadata(const wc_gguf *g, const char *const *prefixes, size_t max_items, wc_arena *a,
                                wc_error *err);

/* The number that stands for a type in the files, and back; WC_N_DTYPES: none that whinchat holds. */
uint32_t wc_gguf_type(wc_dtype t);

/* Adds n tensors to those of c, unsorted. */
bool wc_gguf_add_tensors(wc_checkpoint *c, const wc_stored *more, size_t n, wc_error *err);
/* Fills c from a GGUF file, or from the parts of a split one, as wc_hf_folder_read does from a folder. */
bool wc_gguf_open(wc_checkpoint *c, const char *path, const wc_checkpoint_options *o, wc_error *err);
#endif
