/* half.h - IEEE halves: 1 sign, 5 exponent (bias 15), 10 fraction bits. */
#ifndef WC_TENSOR_HALF_H
#define WC_TENSOR_HALF_H
#include <stdint.h>
#include <string.h>

#ifdef __F16C__
#include <immintrin.h>
#endif

static inline float wc_half(const uint8_t *p)
{
    const uint32_t half = (uint32_t)p[0] | (uint32_t)p[1] << 8;
#ifdef __F16C__
    return _cvtsh_ss((unsigned short)half);
#else
    uint32_t bits = (half & 0x7fff) << 13;
    float x;
    memcpy(&x, &bits, sizeof x);
    x *= 0x1p112f; /* from f16's bias to f32's; subnormal numbers become normal */
    memcpy(&bits, &x, sizeof bits);
    bits |= (half & 0x8000) << 16 | ((half & 0x7c00) == 0x7c00 ? 0x7f800000u : 0);
    memcpy(&x, &bits, sizeof x);
    return x;
#endif
}

/* To nearest, ties to even; what is too large becomes an infinity. */
static inline void wc_to_half(uint8_t *p, float x)
{
    uint32_t bits, half;
    memcpy(&bits, &x, sizeof bits);
    const uint32_t sign = bits >> 16 & 0x8000, size = bits & 0x7fffffff;
    if (size > 0x7f800000) {
        half = 0x7e00; /* NaN */
    } else if (size >= 0x477ff000) {
        half = 0x7c00;
    } else if (size >= 0x38800000) {
        const uint32_t rounded = size + 0xfff + (size >> 13 & 1);
        half = (rounded - 0x38000000) >> 13;
    } else { /* subnormal: a multiple of 2^-24; adding 0.5 rounds it to whole units in the last place */
        float y;
        memcpy(&y, &size, sizeof y);
        y += 0.5f;
        memcpy(&half, &y, sizeof half);
        half -= 0x3f000000;
    }
    half |= sign;
    p[0] = (uint8_t)half;
    p[1] = (uint8_t)(half >> 8);
}
#endif
