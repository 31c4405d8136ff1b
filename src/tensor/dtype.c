/* dtype.c - the table of stored types.  A quantized type is a row here, an unpack and a vector kernel in kernels/. */
#include "tensor/dtype.h"

#include "base/size.h"

static const struct wc_dtype_row rows[WC_N_DTYPES] = {
    [WC_F32] = {"f32", "F32", 1, 4, true, 0, 0},
    [WC_F16] = {"f16", "F16", 1, 2, true, 0, 0},
    [WC_BF16] = {"bf16", "BF16", 1, 2, true, 0, 0},
    [WC_Q4_0] = {"q4_0", NULL, 32, 18, true, 0, 1},
    [WC_Q4_1] = {"q4_1", NULL, 32, 20, true, 0, 2},
    [WC_Q5_0] = {"q5_0", NULL, 32, 22, true, 0, 1},
    [WC_Q5_1] = {"q5_1", NULL, 32, 24, true, 0, 2},
    [WC_Q8_0] = {"q8_0", NULL, 32, 34, true, 0, 1},
    [WC_Q2_K] = {"q2_k", NULL, 256, 84, true, 80, 2},
    [WC_Q3_K] = {"q3_k", NULL, 256, 110, true, 108, 1},
    [WC_Q4_K] = {"q4_k", NULL, 256, 144, true, 0, 2},
    [WC_Q5_K] = {"q5_k", NULL, 256, 176, true, 0, 2},
    [WC_Q6_K] = {"q6_k", NULL, 256, 210, true, 208, 1},
    [WC_IQ4_NL] = {"iq4_nl", NULL, 32, 18, true, 0, 1},
    [WC_IQ4_XS] = {"iq4_xs", NULL, 256, 136, true, 0, 1},
    [WC_F64] = {"f64", "F64", 1, 8, false, 0, 0},
    [WC_I8] = {"i8", "I8", 1, 1, false, 0, 0},
    [WC_U8] = {"u8", "U8", 1, 1, false, 0, 0},
    [WC_I16] = {"i16", "I16", 1, 2, false, 0, 0},
    [WC_U16] = {"u16", "U16", 1, 2, false, 0, 0},
    [WC_I32] = {"i32", "I32", 1, 4, false, 0, 0},
    [WC_U32] = {"u32", "U32", 1, 4, false, 0, 0},
    [WC_I64] = {"i64", "I64", 1, 8, false, 0, 0},
    [WC_U64] = {"u64", "U64", 1, 8, false, 0, 0},
    [WC_BOOL] = {"bool", "BOOL", 1, 1, false, 0, 0},
};

const struct wc_dtype_row *wc_dtype_get(wc_dtype t)
{
    return &rows[t];
}

bool wc_dtype_bytes(wc_dtype t, size_t n, size_t *bytes)
{
    return n % rows[t].block_elems == 0 && wc_mul_size(n / rows[t].block_elems, rows[t].block_bytes, bytes);
}
