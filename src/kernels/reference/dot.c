/* dot.c - dot products: each span summed in double and rounded once, the spans' sums added in f32. */
#include "kernels/reference/reference.h"
#include "kernels/reference/stored.h"

static float dot_span(const float *x, const void *w, wc_dtype type, size_t w_first, size_t n)
{
    double sum = 0;
    for (size_t k = 0; k < n; k++)
        sum += (double)x[k] * (double)stored_at(w, type, w_first + k);
    return (float)sum;
}

static void dots(float *restrict y, size_t y_stride, const float *restrict x, size_t x_stride, size_t n_rows,
                 const void *restrict w, wc_dtype type, size_t w_stride, size_t n_columns, size_t n_k,
                 bool add)
{
    for (size_t r = 0; r < n_rows; r++)
        for (size_t j = 0; j < n_columns; j++)
            for (size_t k = 0; k < n_k || k == 0; k += WC_SPAN) {
                size_t n = n_k - k < WC_SPAN ? n_k - k : WC_SPAN;
                float sum = dot_span(x + r * x_stride + k, w, type, j * w_stride + k, n);
                float *to = &y[r * y_stride + j];
                *to = k > 0 || add ? *to + sum : sum;
            }
}

static void tile(float *restrict y, size_t y_stride, const float *restrict x, size_t x_stride, size_t n_rows,
                 const float *restrict w, size_t w_stride, size_t n_columns, size_t k, bool add)
{
    dots(y, y_stride, x, x_stride, n_rows, w, WC_F32, w_stride, n_columns, k, add);
}

#define FEW(name, type)                                                                                      \
    static void name(float *restrict y, size_t y_stride, const float *restrict x, size_t x_stride,           \
                     size_t n_rows, const void *restrict w, size_t w_stride, size_t n_columns, size_t k,     \
                     bool add)                                                                               \
    {                                                                                                        \
        dots(y, y_stride, x, x_stride, n_rows, w, type, w_stride, n_columns, k, add);                        \
    }
FEW(few_f32, WC_F32)
FEW(few_f16, WC_F16)
FEW(few_bf16, WC_BF16)

void wc_reference_dot(wc_kernels *t)
{
    t->rows_multiple = t->columns_multiple = 1;
    t->tile = tile;
    t->few[WC_F32] = few_f32;
    t->few[WC_F16] = few_f16;
    t->few[WC_BF16] = few_bf16;
}
