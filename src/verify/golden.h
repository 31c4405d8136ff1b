/* golden.h - reference values: a folder with golden.json, which says what they are, and golden.safetensors.
 *
 * A value's name is GROUP.POINT: the group is a prompt ("p7"), a picture ("image_a") or a sound; the point is what the
 * model announces ("layers.3.attn_o_proj").  A name without a dot has no group.  The same point computed by the reference
 * in 16 bits has another name ("bf16run.p7.logits", "p7.logits.bfloat16"); its atol is at least the distance between the two
 * runs of the reference and the tolerance of the f32 run. */
#ifndef WC_VERIFY_GOLDEN_H
#define WC_VERIFY_GOLDEN_H
#include "formats/checkpoint.h"

typedef struct wc_golden_item {
    const char *name;  /* as in golden.json */
    const char *group; /* "" when the name has none */
    const char *point;
    wc_tensor want; /* mapped */
    double atol, rtol;
    bool done; /* reported */
} wc_golden_item;

typedef struct wc_golden {
    wc_arena *arena;
    wc_checkpoint *values;
    const char *folder, *file; /* "DIR", "DIR/golden.json" */
    const wc_json *json;
    const char *name;      /* "gemma3n_text" */
    wc_golden_item *items; /* [n] in the order of the computation */
    size_t n;
} wc_golden;

/* Opens a folder; every value that golden.json lists is there, in a type that can be compared.  Close with
 * wc_golden_close; {0} is a valid closed one. */
bool wc_golden_open(wc_golden *g, const char *folder, wc_error *err);
void wc_golden_close(wc_golden *g);
wc_golden_item *wc_golden_find(const wc_golden *g, const char *name);
/* The list `key` of a prompt, in the folder's arena: token ids, or the one number beside them that is allowed too (an id: none). */
bool wc_golden_ids(const wc_golden *g, const wc_json *prompt, const char *key, int n_vocab, int beside,
                   int32_t **ids, size_t *n, wc_error *err);
/* Element of a value or of a view as a number; at: [ndim] indices. */
double wc_golden_element(const wc_tensor *t, const size_t *at);

/* How far a result is from a value. */
typedef struct wc_difference {
    double largest; /* |got - want| */
    double share;   /* the worst |got - want| / (atol + rtol |want|), infinite where nothing is allowed */
    bool pass;
    char note[200]; /* where it is worst, or that the shape is another; "" when it passes */
} wc_difference;

/* |got - want| <= atol + rtol |want| for every element; a NaN is never right.  got may be strided. */
wc_difference wc_golden_compare(const wc_golden_item *item, const wc_tensor *got);
#endif
