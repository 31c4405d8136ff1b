/* stored.h - one value of a stored type, at any address. */
#ifndef WC_KERNELS_REFERENCE_STORED_H
#define WC_KERNELS_REFERENCE_STORED_H
#include <stdint.h>
#include <string.h>

#include "tensor/dtype.h"

static inline float float_of_bits(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, 4);
    return x;
}

/* IEEE binary16.  A subnormal is mantissa * 2^-24. */
static inline float float_of_f16(uint16_t h)
{
    uint32_t sign = (uint32_t)(h & 0x8000u) << 16, exponent = h >> 10 & 31, mantissa = h & 1023;
    if (exponent == 0) {
        float x = (float)mantissa * 0x1p-24f;
        return sign ? -x : x;
    }
    if (exponent == 31)
        return float_of_bits(sign | 0x7f800000u | (mantissa ? 0x400000u : 0) | mantissa << 13);
    return float_of_bits(sign | (exponent + 112) << 23 | mantissa << 13);
}

/* The i-th value of x as f32. */
static inline float stored_at(const void *x, wc_dtype type, size_t i)
{
    if (type == WC_F32) {
        float f;
        memcpy(&f, (const char *)x + 4 * i, 4);
        return f;
    }
    uint16_t h;
    memcpy(&h, (const char *)x + 2 * i, 2);
    return type == WC_BF16 ? float_of_bits((uint32_t)h << 16) : float_of_f16(h);
}
#endif
