/* gguf_arch.h - how GGUF files spell what Hugging Face's do: a row for each architecture. */
#ifndef WC_FORMATS_GGUF_ARCH_H
#define WC_FORMATS_GGUF_ARCH_H
#include <stdbool.h>
#include <stddef.h>

#include "formats/names.h"

enum wc_gguf_flags {
    /* Rows of q and k are stored so that the two rows that rope turns together are neighbours: row 2 i + h of a head is row
     * h * (d / 2) + i here (weights and biases alike). */
    WC_GGUF_PAIRED = 1,
    /* Weights of norms are stored with the 1 that the model adds. */
    WC_GGUF_NORMS_PLUS_ONE = 2,
    /* rope may turn a part of a head only. */
    WC_GGUF_PARTIAL_ROPE = 4,
    /* The width of the feed-forward is a list, a number for each layer. */
    WC_GGUF_WIDTH_LISTS = 8,
    /* So are heads, and the rope of layers differs: gguf_layers.c reads all of these. */
    WC_GGUF_OWN_HEADS = 16,
    /* None of the common keys: the configuration calls them otherwise. */
    WC_GGUF_OWN_KEYS = 32
};

/* A module's name within a layer, or of the model.  A star in hf stands for a number i: the module's matrix is the i-th of those
 * stacked in the file's tensor.  second: the file has the rows in two tensors, the first half in gguf. */
typedef struct wc_gguf_name {
    const char *hf, *gguf, *second;
} wc_gguf_name;

/* A field of the configuration and the key behind "ARCH." */
typedef struct wc_gguf_key {
    const char *hf, *gguf;
    bool whole; /* an integer */
    bool required;
    double min, max;
} wc_gguf_key;

typedef struct wc_gguf_arch {
    const char *name;       /* general.architecture */
    const char *model_type; /* of config.json */
    const char *class_name; /* its "architectures" entry */
    unsigned flags;
    const char *fixed;       /* members of the configuration that the files do not tell, as JSON; "" */
    const char *defaults;    /* members that a configuration may leave out but a file may not, likewise */
    const wc_gguf_key *keys; /* beside those that all have; ended by a NULL name */
    const wc_gguf_name
        *names; /* of modules within layers, looked at before the common ones; ended likewise */
} wc_gguf_arch;

/* NULL: none of that name. */
const wc_gguf_arch *wc_gguf_arch_find(const char *name);
const wc_gguf_arch *wc_gguf_arch_of(const char *model_type);
/* All of them: i from 0; NULL behind the last. */
const wc_gguf_arch *wc_gguf_arch_at(size_t i);
/* Keys that all architectures have, ended by a NULL name. */
extern const wc_gguf_key wc_gguf_common_keys[];

/* Where a file has a tensor. */
typedef struct wc_gguf_place {
    char name[WC_NAME_ROOM],
        second[WC_NAME_ROOM]; /* second: of the other half of the rows; "": there is one tensor */
    int item;                 /* its number in the stack that the tensor is; -1: it is the tensor */
} wc_gguf_place;

/* The file's spelling of a tensor ("model.layers.3.mlp.up_proj.weight" -> "blk.3.ffn_up.weight"); false when it has none. */
bool wc_gguf_tensor_place(const wc_gguf_arch *arch, const char *name, wc_gguf_place *place);
#endif
