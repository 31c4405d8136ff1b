/* tensor.h - a view of numbers: type, shape, strides and where they lie.  It owns nothing and is passed by value. */
#ifndef WC_TENSOR_TENSOR_H
#define WC_TENSOR_TENSOR_H
#include "tensor/dtype.h"

enum { WC_MAX_DIMS = 4, WC_PAIRED_STEP = 32 };

typedef struct wc_tensor {
    void *data; /* NULL: an absent tensor (an optional bias) */
    wc_dtype dtype;
    int ndim;
    size_t shape[WC_MAX_DIMS];  /* outermost first; dimensions from ndim on are 1 */
    size_t stride[WC_MAX_DIMS]; /* in elements; the innermost is 1 unless the view was permuted */
    const char *name;           /* of a weight, for messages; NULL for activations */
    /* Of a matrix that only products read: > 0 where its rows come in heads of so many and row h (paired / 2) + i of a head
     * lies at row 2 i + h of it, as GGUF files of Llama have q and k.  Half of it is a multiple of WC_PAIRED_STEP. */
    size_t paired;
} wc_tensor;

/* A dense tensor over data. */
wc_tensor wc_tensor_of(void *data, wc_dtype dtype, int ndim, const size_t *shape);
static inline bool wc_tensor_present(const wc_tensor *t)
{
    return t->data != NULL;
}
size_t wc_tensor_elems(const wc_tensor *t);
bool wc_tensor_is_dense(const wc_tensor *t);
/* [.., n] seen as [rows, n]; t is dense. */
size_t wc_tensor_rows(const wc_tensor *t);
/* The i-th [shape[1..]] of t. */
wc_tensor wc_tensor_sub(wc_tensor t, size_t i);
/* Rows first .. first + n - 1 of the outermost dimension. */
wc_tensor wc_tensor_slice(wc_tensor t, size_t first, size_t n);
/* Dense t with another shape of as many elements. */
wc_tensor wc_tensor_reshape(wc_tensor t, int ndim, const size_t *shape);
/* Dimensions in another order: result dimension i is t's order[i]. */
wc_tensor wc_tensor_permute(wc_tensor t, const int *order);

/* Shorthand: WC_SHAPE(2, 3) is (int, const size_t *) of a shape. */
#define WC_SHAPE(...)                                                                                        \
    (int)(sizeof((size_t[]){__VA_ARGS__}) / sizeof(size_t)), (const size_t[])                                \
    {                                                                                                        \
        __VA_ARGS__                                                                                          \
    }
#endif
