/* params.h - the numbers that training changes: each trained tensor in f32, with its gradient and what the optimizer keeps of it.
 *
 * All of a kind lie in one stretch of memory in the same order, so that a weight as a network sees it (a tensor, or some rows of
 * one) has its gradient at the same place of another stretch. */
#ifndef WC_TRAIN_PARAMS_H
#define WC_TRAIN_PARAMS_H
#include "base/arena.h"
#include "base/error.h"
#include "tensor/tensor.h"

typedef struct wc_param {
    const char *name; /* as in its file; borrowed */
    wc_tensor value, grad, m, v;
    bool used; /* a gradient has been added: the network has this tensor */
} wc_param;

typedef struct wc_params {
    wc_arena *arena;
    wc_param *list; /* [n] in the order given */
    size_t n;
    size_t floats; /* of each of these: */
    float *values, *grads, *m, *v;
} wc_params;

/* Copies of sources [n], plain floats of any type, whose names must outlive p; m and v are zeros.  False without memory.
 * Release with wc_params_release; {0} is a valid empty one. */
bool wc_params_init(wc_params *p, const wc_tensor *sources, size_t n, wc_error *err);
void wc_params_release(wc_params *p);
/* The gradient of a weight that lies in p; false: it is none of p's.  Marks the parameter as used. */
bool wc_params_grad(wc_params *p, const wc_tensor *w, wc_tensor *grad);
/* w lies in p. */
bool wc_params_has(const wc_params *p, const wc_tensor *w);
/* All gradients are zeros again, and no parameter is used. */
void wc_params_clear(wc_params *p);
/* The Euclidean norm of all gradients together. */
double wc_params_grad_norm(const wc_params *p);
#endif
