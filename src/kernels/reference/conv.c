/* conv.c - depthwise convolution, tap by tap. */
#include <math.h>

#include "kernels/reference/reference.h"

static void depthwise(float *restrict y, size_t y_stride, const float *restrict x, size_t x_step,
                      size_t x_row, size_t x_pixel, const float *restrict w, size_t w_row, size_t w_pixel,
                      size_t n_ky, size_t n_kx, size_t n_pixels, size_t n)
{
    for (size_t p = 0; p < n_pixels; p++)
        for (size_t c = 0; c < n; c++) {
            float sum = 0;
            for (size_t ky = 0; ky < n_ky; ky++)
                for (size_t kx = 0; kx < n_kx; kx++)
                    sum = fmaf(x[p * x_step + ky * x_row + kx * x_pixel + c],
                               w[ky * w_row + kx * w_pixel + c], sum);
            y[p * y_stride + c] = sum;
        }
}

void wc_reference_conv(wc_kernels *t)
{
    t->depthwise = depthwise;
}
