/* reference.h - the plain C bodies; reference.c puts them into the table. */
#ifndef WC_KERNELS_REFERENCE_H
#define WC_KERNELS_REFERENCE_H
#include "kernels/kernels.h"

void wc_reference_unpack(wc_kernels *t);
void wc_reference_dot(wc_kernels *t);
void wc_reference_attention(wc_kernels *t);
void wc_reference_norm(wc_kernels *t);
void wc_reference_elementwise(wc_kernels *t);
void wc_reference_conv(wc_kernels *t);
void wc_reference_ceiling(wc_kernels *t);
#endif
