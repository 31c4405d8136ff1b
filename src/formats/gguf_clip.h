/* gguf_clip.h - the picture tower of a GGUF model, which lies in a file of its own: the mmproj file of llama.cpp's users
 * (general.architecture "clip"). */
#ifndef WC_FORMATS_GGUF_CLIP_H
#define WC_FORMATS_GGUF_CLIP_H
#include "formats/gguf_arch.h"
#include "formats/stored.h"

/* One kind of tower with its projector. */
typedef struct wc_clip_kind {
    const char *projector;               /* clip.projector_type or clip.vision.projector_type */
    const char *key;                     /* which of the two is written */
    const char *arch;                    /* general.architecture of the text model that it belongs to */
    const char *model_type, *class_name; /* of the whole, in config.json */
    const char *tensor;                  /* a tensor of its projection into the width of the stream, and */
    int stream;                          /* which of that tensor's dimensions is that width */
    wc_gguf_arch own;                    /* what names its keys ("clip.vision") and changes its norms */
} wc_clip_kind;

/* The kind that goes with a text model's architecture; NULL: GGUF models of that have no tower here. */
const wc_clip_kind *wc_clip_kind_of(const char *arch);

/* The file's spelling of a tower's or projector's tensor; false when it has none. */
bool wc_clip_place(const char *name, wc_gguf_place *place);

/* Completes c, a GGUF text model whose configuration is read, by the tower in the file path: one more file, its tensors, one
 * configuration of both in c->config, the picture processor's settings, and in the tokenizer the token that stands for a
 * row of a picture, should it not be there.  c is as it was when that fails. */
bool wc_clip_open(wc_checkpoint *c, const char *path, wc_error *err);
/* The tower's file beside a model's, in the arena; in a snapshot of the Hugging Face cache that which llama.cpp would take
 * (wc_hub_pick_tower).  NULL when there is none, or several; *n of them. */
const char *wc_clip_find(wc_arena *a, const char *model, size_t *n);
#endif
