/* dtype.c - the table of stored types.  A quantized type is a row here, an unpack and a vector kernel in kernels/. */
#include "tensor/dtype.h"

#include "base/size.h"

static const struct wc_dtype_row rows[WC_N_DTYPES] = {
    [WC_F32] = {"f32", "F32", 1, 4, true},     [WC_F16] = {"f16", "F16", 1, 2, true},
    [WC_BF16] = {"bf16", "BF16", 1, 2, true},  [WC_F64] = {"f64", "F64", 1, 8, false},
    [WC_I8] = {"i8", "I8", 1, 1, false},       [WC_U8] = {"u8", "U8", 1, 1, false},
    [WC_I16] = {"i16", "I16", 1, 2, false},    [WC_U16] = {"u16", "U16", 1, 2, false},
    [WC_I32] = {"i32", "I32", 1, 4, false},    [WC_U32] = {"u32", "U32", 1, 4, false},
    [WC_I64] = {"i64", "I64", 1, 8, false},    [WC_U64] = {"u64", "U64", 1, 8, false},
    [WC_BOOL] = {"bool", "BOOL", 1, 1, false},
};

const struct wc_dtype_row *wc_dtype_get(wc_dtype t)
{
    return &rows[t];
}

bool wc_dtype_bytes(wc_dtype t, size_t n, size_t *bytes)
{
    return n % rows[t].block_elems == 0 && wc_mul_size(n / rows[t].block_elems, rows[t].block_bytes, bytes);
}
