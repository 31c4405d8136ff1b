/* dtype.h - the stored types, a row each.
 *
 * A quantized type stores a row in blocks (blocks.h): so many small numbers, which share a scale.  A row is a whole number
 * of blocks, and only matrices are stored so. */
#ifndef WC_TENSOR_DTYPE_H
#define WC_TENSOR_DTYPE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum wc_dtype {
    WC_F32,
    WC_F16,
    WC_BF16,
    WC_Q4_0, /* quantized, as GGUF files have them */
    WC_Q4_1,
    WC_Q5_0,
    WC_Q5_1,
    WC_Q8_0,
    WC_Q2_K,
    WC_Q3_K,
    WC_Q4_K,
    WC_Q5_K,
    WC_Q6_K,
    WC_IQ4_NL,
    WC_IQ4_XS,
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
    const char *safetensors; /* "BF16": as safetensors files spell it; NULL: they do not have it */
    size_t block_elems;      /* values in a block; 1 for plain types */
    size_t block_bytes;
    bool weight;               /* there are kernels for weights of this type */
    size_t scale_at, n_scales; /* of a block: where its f16 scales stand */
};

const struct wc_dtype_row *wc_dtype_get(wc_dtype t);
/* Bytes of n elements; false on overflow or when n is not a multiple of the block. */
bool wc_dtype_bytes(wc_dtype t, size_t n, size_t *bytes);
static inline bool wc_dtype_is_quantized(wc_dtype t)
{
    return t >= WC_Q4_0 && t <= WC_IQ4_XS;
}
/* Bytes before element n, a multiple of the block, of something that is there. */
static inline size_t wc_dtype_offset(wc_dtype t, size_t n)
{
    const struct wc_dtype_row *row = wc_dtype_get(t);
    return n / row->block_elems * row->block_bytes;
}
#endif
