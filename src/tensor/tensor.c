/* tensor.c - views of views. */
#include "tensor/tensor.h"

#include <assert.h>

wc_tensor wc_tensor_of(void *data, wc_dtype dtype, int ndim, const size_t *shape)
{
    assert(ndim >= 1 && ndim <= WC_MAX_DIMS);
    wc_tensor t = {.data = data, .dtype = dtype, .ndim = ndim};
    size_t stride = 1;
    for (int i = WC_MAX_DIMS - 1; i >= 0; i--) {
        t.shape[i] = i < ndim ? shape[i] : 1;
        t.stride[i] = i < ndim ? stride : 1;
        stride *= t.shape[i];
    }
    return t;
}

size_t wc_tensor_elems(const wc_tensor *t)
{
    size_t n = 1;
    for (int i = 0; i < t->ndim; i++)
        n *= t->shape[i];
    return n;
}

bool wc_tensor_is_dense(const wc_tensor *t)
{
    size_t stride = 1;
    for (int i = t->ndim - 1; i >= 0; i--) {
        if (t->shape[i] != 1 && t->stride[i] != stride)
            return false;
        stride *= t->shape[i];
    }
    return true;
}

size_t wc_tensor_rows(const wc_tensor *t)
{
    size_t n = 1;
    for (int i = 0; i + 1 < t->ndim; i++)
        n *= t->shape[i];
    return n;
}

wc_tensor wc_tensor_slice(wc_tensor t, size_t first, size_t n)
{
    const struct wc_dtype_row *row = wc_dtype_get(t.dtype);
    assert(first + n <= t.shape[0]);
    t.data = (char *)t.data + first * t.stride[0] / row->block_elems * row->block_bytes;
    t.shape[0] = n;
    return t;
}

wc_tensor wc_tensor_sub(wc_tensor t, size_t i)
{
    assert(t.ndim >= 2);
    wc_tensor s = wc_tensor_slice(t, i, 1);
    for (int d = 0; d + 1 < WC_MAX_DIMS; d++) {
        s.shape[d] = d + 1 < t.ndim ? t.shape[d + 1] : 1;
        s.stride[d] = d + 1 < t.ndim ? t.stride[d + 1] : 1;
    }
    s.shape[WC_MAX_DIMS - 1] = s.stride[WC_MAX_DIMS - 1] = 1;
    s.ndim--;
    return s;
}

wc_tensor wc_tensor_reshape(wc_tensor t, int ndim, const size_t *shape)
{
    wc_tensor r = wc_tensor_of(t.data, t.dtype, ndim, shape);
    assert(wc_tensor_is_dense(&t) && wc_tensor_elems(&r) == wc_tensor_elems(&t));
    r.name = t.name;
    return r;
}

wc_tensor wc_tensor_permute(wc_tensor t, const int *order)
{
    wc_tensor p = t;
    for (int i = 0; i < t.ndim; i++) {
        p.shape[i] = t.shape[order[i]];
        p.stride[i] = t.stride[order[i]];
    }
    return p;
}
