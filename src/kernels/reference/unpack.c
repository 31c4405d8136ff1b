/* unpack.c - stored types to f32, and f32 to bf16. */
#include "kernels/reference/reference.h"
#include "kernels/reference/stored.h"

static void f32_to_f32(float *restrict y, const void *restrict x, size_t n)
{
    memcpy(y, x, 4 * n);
}

static void f16_to_f32(float *restrict y, const void *restrict x, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        float f = stored_at(x, WC_F16, i);
        memcpy((char *)y + 4 * i, &f, 4);
    }
}

static void bf16_to_f32(float *restrict y, const void *restrict x, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        float f = stored_at(x, WC_BF16, i);
        memcpy((char *)y + 4 * i, &f, 4);
    }
}

/* Adding 0x7fff, and the bit that becomes the last one, rounds to nearest with ties to even. */
static void f32_to_bf16(uint16_t *restrict y, const float *restrict x, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, (const char *)x + 4 * i, 4);
        bool nan = (bits & 0x7fffffffu) > 0x7f800000u;
        uint16_t h = (uint16_t)(nan ? bits >> 16 | 0x40u : (bits + 0x7fffu + (bits >> 16 & 1)) >> 16);
        memcpy((char *)y + 2 * i, &h, 2);
    }
}

void wc_reference_unpack(wc_kernels *t)
{
    t->to_f32[WC_F32] = f32_to_f32;
    t->to_f32[WC_F16] = f16_to_f32;
    t->to_f32[WC_BF16] = bf16_to_f32;
    t->to_bf16 = f32_to_bf16;
}
