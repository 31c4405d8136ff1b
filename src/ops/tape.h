/* tape.h - the record of a forward pass that training reads backwards: which ops were called, with what.
 *
 * While wc_ctx.tape is set, every op of ops.h that computes something of its inputs adds a record.  Tensors are known by
 * where they lie, so an address must hold one value for the whole pass: with a tape nothing that ops return is given back or
 * written over (wc_op_reset does nothing, wc_op_keep copies nothing, ops that work in place make a new tensor).  Ops that do
 * write into a tensor are recorded as such, and going backwards past one that another has written too is an error.
 *
 * An op without a gradient is recorded as WC_OP_NO_GRADIENT with its name: it fails a backward pass that meets it, and is
 * harmless where none does. */
#ifndef WC_OPS_TAPE_H
#define WC_OPS_TAPE_H
#include "backend/backend.h"
#include "base/arena.h"

typedef enum wc_op_kind {
    WC_OP_NO_GRADIENT,
    WC_OP_MATMUL,     /* x, w, bias */
    WC_OP_EMBED,      /* w; index, a: scale */
    WC_OP_RMS_NORM,   /* x, w; a: offset, b: eps */
    WC_OP_LAYER_NORM, /* x, w, bias; b: eps */
    WC_OP_ROPE,       /* x, w: table */
    WC_OP_ATTENTION,  /* x: q, w: k, z: v; rows, attention */
    WC_OP_ACT,        /* x; act */
    WC_OP_ADD,        /* x, z; a: factor */
    WC_OP_MUL,        /* x, z */
    WC_OP_ACT_MUL,    /* x, z; act */
    WC_OP_SCALE,      /* x; a */
    WC_OP_SOFT_CAP,   /* x; a: cap */
    WC_OP_GET_ROWS    /* x; index */
} wc_op_kind;

typedef struct wc_record wc_record;
struct wc_record {
    wc_op_kind kind;
    const char *name;           /* of the op, for messages */
    wc_tensor y, x, w, bias, z; /* the output, and inputs; those that an op lacks are absent */
    float a, b;
    wc_act act;
    const int32_t *index; /* [rows of y]; the tape's own copy, as models use such lists again */
    wc_row_map rows;      /* its lists are those of the batch */
    wc_attention attention;
    wc_record *before, *after;
};

typedef struct wc_tape {
    wc_arena *arena; /* the records */
    wc_record *first, *last;
    size_t n;
    bool failed; /* there was no memory for a record */
} wc_tape;

/* Adds a copy of r, whose links are not looked at. */
void wc_tape_add(wc_tape *t, const wc_record *r);
/* Empties tape and arena. */
void wc_tape_reset(wc_tape *t);
#endif
