/* grads.h - the ops of a backward pass and of the step after it; like those of ops.h they check shapes and call the table, whose
 * entries have the equations (backend.h).  None of them is recorded.
 *
 * dx is the derivative of the loss by x.  What is "added to" holds numbers already, and may be absent where nobody asks. */
#ifndef WC_OPS_GRADS_H
#define WC_OPS_GRADS_H
#include "ops/ops.h"

wc_tensor wc_op_zeros(wc_ctx *c, int ndim, const size_t *shape);
wc_tensor wc_op_transpose(wc_ctx *c, wc_tensor x);      /* [n,K] of any weight type -> [K,n] */
void wc_op_add_to(wc_ctx *c, wc_tensor y, wc_tensor x); /* y += x */
void wc_op_add_product(wc_ctx *c, wc_tensor y, wc_tensor x, wc_tensor w); /* y [n,M] += x [n,K] w [M,K] */
void wc_op_add_row_sums(wc_ctx *c, wc_tensor y, wc_tensor x);             /* y [D] += of x [..,D] */
/* y [V,K] += scale x [n,K] in rows [n] */
void wc_op_add_rows_at(wc_ctx *c, wc_tensor y, wc_tensor x, const int32_t *rows, float scale);

wc_tensor wc_op_act_grad(wc_ctx *c, wc_tensor dy, wc_tensor x, wc_act act);
wc_tensor wc_op_soft_cap_grad(wc_ctx *c, wc_tensor dy, wc_tensor y, float cap);
wc_tensor wc_op_rope_grad(wc_ctx *c, wc_tensor dy, wc_tensor table);
/* dx; dw is added to. */
wc_tensor wc_op_rms_norm_grad(wc_ctx *c, wc_tensor dy, wc_tensor x, wc_tensor w, float offset, float eps,
                              wc_tensor dw);
wc_tensor wc_op_layer_norm_grad(wc_ctx *c, wc_tensor dy, wc_tensor x, wc_tensor w, float eps, wc_tensor dw);
typedef struct wc_attention_grad {
    wc_tensor dq, dk, dv;
} wc_attention_grad;
/* y: the output of wc_op_attention_rows. */
wc_attention_grad wc_op_attention_rows_grad(wc_ctx *c, wc_tensor dy, wc_tensor y, wc_tensor q, wc_tensor k,
                                            wc_tensor v, const wc_row_map *rows, const wc_attention *a);
/* Losses [n] of logits x [n,V], a target each (below 0: none), and dx of scale times their sum. */
wc_tensor wc_op_cross_entropy(wc_ctx *c, wc_tensor x, const int32_t *targets, float scale, wc_tensor *dx);
/* A step of parameters p, which changes m and v too. */
void wc_op_adamw(wc_ctx *c, wc_tensor p, wc_tensor m, wc_tensor v, wc_tensor g, const wc_adamw *a);
#endif
