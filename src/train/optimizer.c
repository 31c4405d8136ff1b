/* optimizer.c - see optimizer.h; the equations stand at adamw in backend.h. */
#include "train/optimizer.h"

#include <math.h>

#include "ops/grads.h"

void wc_optimizer_step(wc_ctx *c, wc_params *p, const wc_hyperparameters *h, int t)
{
    const wc_adamw a = {.lr = h->lr,
                        .beta1 = h->beta1,
                        .beta2 = h->beta2,
                        .eps = h->eps,
                        .weight_decay = h->weight_decay,
                        .correction1 = 1 - pow(h->beta1, t),
                        .correction2 = 1 - pow(h->beta2, t)};
    for (size_t i = 0; i < p->n; i++) {
        const wc_param *q = &p->list[i];
        if (q->used)
            wc_op_adamw(c, q->value, q->m, q->v, q->grad, &a);
    }
}
