/* backward.h - the chain rule over a tape. */
#ifndef WC_TRAIN_BACKWARD_H
#define WC_TRAIN_BACKWARD_H
#include "backend/context.h"
#include "train/params.h"

/* Given dlogits, the derivative of the loss by logits, which c->tape recorded, adds that by each parameter to p's gradients.
 * Derivatives of activations lie in c's step arena.  False when an op on the way has no gradient, or without memory. */
bool wc_backward(wc_ctx *c, wc_params *p, wc_tensor logits, wc_tensor dlogits, wc_error *err);
#endif
