/* quants.h - the reference level's entries for quantized types, for its table in reference.c. */
#ifndef WC_KERNELS_REFERENCE_QUANTS_H
#define WC_KERNELS_REFERENCE_QUANTS_H
#include "kernels/kernels.h"
#include "kernels/quants.h"

enum { WC_REFERENCE_COLS = 16 };

float wc_reference_burn_bytes(size_t n);
void wc_reference_quantize(int8_t *q, float *scale, wc_neg_sums *neg, const float *x, size_t k);

#define WC_DECLARE(name, block, group, zero, top, has_min)                                                   \
    void wc_reference_widen_##name(float *y, const void *x, size_t n);                                       \
    void wc_reference_unpack_##name(float *panel, const void *w, size_t w_stride, size_t n_cols, size_t k);  \
    void wc_reference_dot_##name(float *y, size_t y_stride, const float *x, size_t x_stride, size_t n_x,     \
                                 const void *w, size_t w_stride, size_t n_w, size_t k);                      \
    void wc_reference_unpack_bytes_##name(void *panel, const void *w, size_t w_stride, size_t n_cols,        \
                                          size_t k);                                                         \
    void wc_reference_tile_bytes_##name(float *y, size_t y_stride, const float *add, size_t add_stride,      \
                                        const wc_bytes *x, const void *panel, size_t n_rows, size_t n_cols,  \
                                        size_t k);                                                           \
    void wc_reference_dot_bytes_##name(float *y, size_t y_stride, const wc_bytes *x, size_t n_x,             \
                                       const void *w, size_t w_stride, size_t n_w, size_t k);
WC_EACH_QUANT(WC_DECLARE)
#endif
