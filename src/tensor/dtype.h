/* dtype.h - the stored types, a row each. */
#ifndef WC_TENSOR_DTYPE_H
#define WC_TENSOR_DTYPE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum wc_dtype {
    WC_F32,
    WC_F16,
    WC_BF16,
    WC_F64, /* this and all below: read from files, never computed with */
    WC_I8,
    WC_U8,
    WC_I16,
    WC_U16,
    WC_I32,
    WC_U32,
    WC_I64,
    WC_U64,
    WC_BOOL,
    WC_N_DTYPES
} wc_dtype;

struct wc_dtype_row {
    const char *name;        /* "bf16": as options and `show` spell it */
    const char *safetensors; /* "BF16": as safetensors files spell it */
    size_t block_elems;      /* values in a block; 1 for plain types */
    size_t block_bytes;
    bool weight; /* there are kernels for weights of this type */
};

const struct wc_dtype_row *wc_dtype_get(wc_dtype t);
/* Bytes of n elements; false on overflow or when n is not a multiple of the block. */
bool wc_dtype_bytes(wc_dtype t, size_t n, size_t *bytes);
#endif
