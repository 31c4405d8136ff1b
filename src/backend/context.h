/* context.h - what one forward pass carries: where its activations lie, who computes them, who watches. */
#ifndef WC_BACKEND_CONTEXT_H
#define WC_BACKEND_CONTEXT_H
#include <stdatomic.h>

#include "backend/backend.h"
#include "base/arena.h"

/* Sees a named point of the computation; t is valid for the time of the call and may be a strided view. */
typedef void (*wc_observe_fn)(void *user, const char *name, const wc_tensor *t);

typedef struct wc_ctx {
    wc_backend *backend;
    wc_arena *step; /* activations of this pass; a dry arena makes it a rehearsal that computes nothing */
    wc_observe_fn observe; /* NULL: nobody watches */
    void *observe_user;
    const atomic_bool *cancel; /* true: stop at the next op; NULL */
    /* called by long encoders between blocks; NULL */
    void (*progress)(void *user, size_t done, size_t total);
    void *progress_user;
    /* ops/tape.h: what is computed is recorded, and nothing given back until the gradients are known; NULL unless training */
    struct wc_tape *tape;
    const struct wc_lora *lora; /* ops/lora.h: adapters beside weights; NULL */
    bool whole;                 /* rows are of whole texts, pictures or sounds (backend.h, matmul) */
    double flops;               /* of the matrix products and convolutions so far; a rehearsal counts too */
    double weight_bytes;        /* that those products read */
    bool stopped;               /* cancelled: what ops return from now on is not computed */
    bool failed;                /* the arena was full: likewise */
} wc_ctx;
#endif
