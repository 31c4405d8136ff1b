/* store.h - values between f32 and stored types, plainly and one after the other: for converting files, where the disk is
 * slower.  Computing has the kernels. */
#ifndef WC_TENSOR_STORE_H
#define WC_TENSOR_STORE_H
#include "tensor/dtype.h"

/* y [n] <- x of a plain float type: f32, f16 or bf16, at any address. */
void wc_store_widen(float *y, const void *x, wc_dtype from, size_t n);
/* to <- x [n], a whole number of blocks: f32, f16, bf16 (to nearest, ties to even), q8_0 or q4_0 (by the rule of llama.cpp's
 * reference quantizer).  false when a finite value does not fit f16. */
bool wc_store_narrow(void *to, const float *x, wc_dtype type, size_t n);
#endif
