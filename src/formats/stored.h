/* stored.h - what the implementation of a file format fills in; the rest of a checkpoint is the same for all
 * of them.
 *
 * A format's open function puts its maps into files, its tensors into tensors (in any order) and its JSON
 * trees where they belong.  checkpoint.c sorts, looks up and frees. */
#ifndef WC_FORMATS_STORED_H
#define WC_FORMATS_STORED_H
#include "base/file_map.h"
#include "formats/checkpoint.h"
#include "formats/gguf_arch.h"

/* How a tensor of a file differs from what models ask for (gguf_arch.h); undone when it is asked for. */
enum wc_stored_change { WC_STORED_AS_IS, WC_STORED_PAIRED, WC_STORED_PLUS_ONE };

/* One tensor of a file. */
typedef struct wc_stored {
    const char *name; /* [name_bytes], NUL-terminated; hostile files put NULs inside */
    size_t name_bytes;
    const char *dtype_name; /* as the file spells it; static */
    wc_dtype dtype;         /* WC_N_DTYPES: a legal type that we do not hold */
    int ndim;               /* more than WC_MAX_DIMS: cannot be held; shape has the first ones */
    size_t shape[WC_MAX_DIMS];
    uint64_t elems, bytes;
    uint64_t begin;   /* offset of its first byte in its file */
    uint32_t file;    /* index into files */
    const void *data; /* [bytes] in the map, or a copy: aligned, with the change undone */
    enum wc_stored_change change;
    int heads; /* of WC_STORED_PAIRED */
} wc_stored;

typedef struct wc_stored_file {
    wc_file_map map;
    const char *path;
} wc_stored_file;

typedef struct wc_random wc_random;

struct wc_checkpoint {
    wc_arena *arena; /* all that is not a map */
    const char *path, *config_file, *weights_file, *tokenizer_dir;
    const wc_json *config, *generation, *processor, *processor_config, *tokenizer_config, *feature_extractor;
    const char *processor_file;
    const char *chat_jinja; /* chat_template.jinja, [chat_jinja_bytes]; NULL */
    size_t chat_jinja_bytes;
    const wc_json *chat_json; /* chat_template.json or NULL */

    const wc_gguf_arch *arch; /* of a GGUF file, whose tensors have its names; NULL */
    const char *tower_file;   /* the GGUF file of its picture tower; NULL */
    const char *no_tower;     /* why a GGUF model of a family that takes pictures has none; NULL */
    const char *no_sound;     /* why one of a family that takes sounds takes none; NULL */
    wc_stored_file *files;    /* [n_files] */
    size_t n_files;
    wc_stored *tensors; /* [n_tensors], those that can be held first, each part sorted by name */
    size_t n_tensors, n_held;

    struct wc_lazy *lazy; /* what is read or made on demand */
    wc_random *random;    /* NULL: tensors come from files */
};

struct wc_lazy {
    wc_arena *tokenizer_arena;
    const wc_json *tokenizer;
    const wc_json *gguf_tokenizer; /* a GGUF file's keys of "tokenizer." */
};

/* The order of tensors[]: by bytes of the name. */
int wc_stored_compare(const char *a, size_t a_bytes, const char *b, size_t b_bytes);
#endif
