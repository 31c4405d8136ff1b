/* lora.h - low-rank adapters beside weights (Hu et al. 2021, arXiv:2106.09685):  y = W x + s B (A x).
 *
 * A product asks by its weight's address whether the context has an adapter for it, and the two products of the adapter are
 * ordinary ops after it.  A product with some rows of W (one of several projections that a file keeps in one tensor) takes the
 * same rows of B. */
#ifndef WC_OPS_LORA_H
#define WC_OPS_LORA_H
#include "backend/context.h"

typedef struct wc_lora_weight {
    wc_tensor w;    /* [out,in] of any weight type, as the network has it */
    wc_tensor a, b; /* [r,in], [out,r] */
    float scale;
} wc_lora_weight;

typedef struct wc_lora {
    wc_lora_weight *weights; /* [n] in the order of the addresses of w */
    size_t n;
} wc_lora;

/* The adapter of w, a whole weight or some of its rows, with the rows of B that belong to it; false: there is none. */
bool wc_lora_find(const wc_lora *l, const wc_tensor *w, wc_lora_weight *found);
#endif
