/* optimizer.h - how parameters follow their gradients. */
#ifndef WC_TRAIN_OPTIMIZER_H
#define WC_TRAIN_OPTIMIZER_H
#include "backend/context.h"
#include "train/params.h"

/* Of AdamW, which is torch.optim.AdamW: weight decay on every parameter, apart from its gradient and before it. */
typedef struct wc_hyperparameters {
    double lr, beta1, beta2, eps, weight_decay;
} wc_hyperparameters;

/* Step t = 1, 2 .. of the parameters that have gradients; one that the network has no use for stays as it is. */
void wc_optimizer_step(wc_ctx *c, wc_params *p, const wc_hyperparameters *h, int t);
#endif
