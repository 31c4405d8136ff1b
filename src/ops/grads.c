/* grads.c - see grads.h. */
#include "ops/grads.h"

#include <assert.h>
#include <string.h>

static wc_tensor new_like(wc_ctx *c, const wc_tensor *x)
{
    return wc_op_new(c, x->ndim, x->shape);
}

static size_t __attribute__((unused)) width(const wc_tensor *x) /* used by assert only */
{
    return x->shape[x->ndim - 1];
}

wc_tensor wc_op_zeros(wc_ctx *c, int ndim, const size_t *shape)
{
    wc_tensor y = wc_op_new(c, ndim, shape);
    if (!wc_op_idle(c))
        memset(y.data, 0, 4 * wc_tensor_elems(&y));
    return y;
}

wc_tensor wc_op_transpose(wc_ctx *c, wc_tensor x)
{
    assert(x.ndim == 2);
    wc_tensor y = wc_op_new(c, WC_SHAPE(x.shape[1], x.shape[0]));
    if (!wc_op_idle(c))
        c->backend->transpose(c->backend, y, x);
    return y;
}

void wc_op_add_to(wc_ctx *c, wc_tensor y, wc_tensor x)
{
    assert(wc_tensor_elems(&y) == wc_tensor_elems(&x) && wc_tensor_is_dense(&y));
    if (!wc_op_idle(c))
        c->backend->add(c->backend, y, y, x, 1);
}

void wc_op_add_product(wc_ctx *c, wc_tensor y, wc_tensor x, wc_tensor w)
{
    assert(w.ndim == 2 && y.ndim == 2 && width(&x) == w.shape[1] && y.shape[1] == w.shape[0]);
    wc_arena_mark mark = wc_op_mark(c);
    wc_tensor work = wc_op_new(
        c, WC_SHAPE(c->backend->matmul_work(c->backend, wc_tensor_rows(&x), &w, c->whole)));
    if (!wc_op_idle(c))
        c->backend->matmul(c->backend, x, &(wc_product){y, w, {.add = y}}, 1, c->whole, work);
    wc_op_reset(c, mark);
}

void wc_op_add_row_sums(wc_ctx *c, wc_tensor y, wc_tensor x)
{
    assert(wc_tensor_elems(&y) == width(&x));
    if (!wc_op_idle(c))
        c->backend->add_row_sums(c->backend, y, x);
}

void wc_op_add_rows_at(wc_ctx *c, wc_tensor y, wc_tensor x, const int32_t *rows, float scale)
{
    assert(x.ndim == 2 && y.ndim == 2 && x.shape[1] == y.shape[1]);
    if (!wc_op_idle(c))
        c->backend->add_rows_at(c->backend, y, x, rows, scale);
}

wc_tensor wc_op_act_grad(wc_ctx *c, wc_tensor dy, wc_tensor x, wc_act act)
{
    assert(wc_tensor_elems(&dy) == wc_tensor_elems(&x));
    wc_tensor dx = new_like(c, &x);
    if (!wc_op_idle(c))
        c->backend->act_grad(c->backend, dx, dy, x, act);
    return dx;
}

wc_tensor wc_op_soft_cap_grad(wc_ctx *c, wc_tensor dy, wc_tensor y, float cap)
{
    assert(wc_tensor_elems(&dy) == wc_tensor_elems(&y));
    wc_tensor dx = new_like(c, &y);
    if (!wc_op_idle(c))
        c->backend->soft_cap_grad(c->backend, dx, dy, y, cap);
    return dx;
}

wc_tensor wc_op_rope_grad(wc_ctx *c, wc_tensor dy, wc_tensor table)
{
    assert(dy.ndim == 3 && table.shape[0] == dy.shape[0] && table.shape[1] <= dy.shape[2]);
    wc_tensor dx = new_like(c, &dy);
    if (!wc_op_idle(c))
        c->backend->rope_grad(c->backend, dx, dy, table);
    return dx;
}

wc_tensor wc_op_rms_norm_grad(wc_ctx *c, wc_tensor dy, wc_tensor x, wc_tensor w, float offset, float eps,
                              wc_tensor dw)
{
    assert(wc_tensor_elems(&dy) == wc_tensor_elems(&x) && (!dw.data || wc_tensor_elems(&dw) == width(&x)));
    wc_tensor dx = new_like(c, &x);
    wc_arena_mark mark = wc_op_mark(c);
    wc_tensor work = wc_op_new(c, WC_SHAPE(wc_tensor_rows(&x)));
    if (!wc_op_idle(c))
        c->backend->rms_norm_grad(c->backend, dx, dw, dy, x, w, offset, eps, work);
    wc_op_reset(c, mark);
    return dx;
}

wc_tensor wc_op_layer_norm_grad(wc_ctx *c, wc_tensor dy, wc_tensor x, wc_tensor w, float eps, wc_tensor dw)
{
    assert(wc_tensor_elems(&dy) == wc_tensor_elems(&x) && (!dw.data || wc_tensor_elems(&dw) == width(&x)));
    wc_tensor dx = new_like(c, &x);
    wc_arena_mark mark = wc_op_mark(c);
    wc_tensor work = wc_op_new(c, WC_SHAPE(2, wc_tensor_rows(&x)));
    if (!wc_op_idle(c))
        c->backend->layer_norm_grad(c->backend, dx, dw, dy, x, w, eps, work);
    wc_op_reset(c, mark);
    return dx;
}

wc_attention_grad wc_op_attention_rows_grad(wc_ctx *c, wc_tensor dy, wc_tensor y, wc_tensor q, wc_tensor k,
                                            wc_tensor v, const wc_row_map *rows, const wc_attention *a)
{
    assert(wc_tensor_elems(&dy) == wc_tensor_elems(&y) && k.shape[0] == q.shape[0]);
    const wc_attention_grad d = {new_like(c, &q), new_like(c, &k), new_like(c, &v)};
    wc_arena_mark mark = wc_op_mark(c);
    wc_tensor work = wc_op_new(c, WC_SHAPE(q.shape[0], (size_t)a->n_heads, 3));
    if (!wc_op_idle(c))
        c->backend->attention_rows_grad(c->backend, d.dq, d.dk, d.dv, dy, y, q, k, v, rows, a, work);
    wc_op_reset(c, mark);
    return d;
}

wc_tensor wc_op_cross_entropy(wc_ctx *c, wc_tensor x, const int32_t *targets, float scale, wc_tensor *dx)
{
    assert(x.ndim == 2);
    wc_tensor losses = wc_op_new(c, WC_SHAPE(x.shape[0]));
    *dx = new_like(c, &x);
    if (!wc_op_idle(c))
        c->backend->cross_entropy(c->backend, losses, *dx, x, targets, scale);
    return losses;
}

void wc_op_adamw(wc_ctx *c, wc_tensor p, wc_tensor m, wc_tensor v, wc_tensor g, const wc_adamw *a)
{
    assert(wc_tensor_elems(&p) == wc_tensor_elems(&g));
    if (!wc_op_idle(c))
        c->backend->adamw(c->backend, p, m, v, g, a);
}
