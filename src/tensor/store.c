/* store.c - values between f32 and stored types. */
#include "tensor/store.h"

#include <math.h>

#include "tensor/blocks.h"
#include "tensor/half.h"

void wc_store_widen(float *y, const void *x, wc_dtype from, size_t n)
{
    const uint8_t *p = x;
    for (size_t i = 0; i < n; i++) {
        if (from == WC_F32) {
            memcpy(&y[i], p + 4 * i, 4);
        } else if (from == WC_F16) {
            y[i] = wc_half(p + 2 * i);
        } else {
            const uint32_t bits = (uint32_t)p[2 * i] << 16 | (uint32_t)p[2 * i + 1] << 24;
            memcpy(&y[i], &bits, 4);
        }
    }
}

static void to_bf16(uint8_t *p, float x)
{
    uint32_t u;
    memcpy(&u, &x, sizeof u);
    u = isnan(x) ? u | 0x400000 : u + 0x7fff + (u >> 16 & 1);
    p[0] = (uint8_t)(u >> 16);
    p[1] = (uint8_t)(u >> 24);
}

/* q = x / d rounded half away from zero, d = max |x| / 127. */
static void to_q8_0(wc_q8_0 *b, const float *x)
{
    float top = 0;
    for (int i = 0; i < 32; i++)
        top = fmaxf(top, fabsf(x[i]));
    const float d = top / 127, inverse = d != 0 ? 1 / d : 0;
    wc_to_half(b->d, d);
    for (int i = 0; i < 32; i++) {
        const float q = roundf(x[i] * inverse);
        b->q[i] = (int8_t)(q > 127 ? 127 : q < -128 ? -128 : isnan(q) ? 0 : q);
    }
}

/* The value that is largest in size becomes -8 exactly: d = that value / -8, u = x / d + 8 rounded half up. */
static void to_q4_0(wc_q4_0 *b, const float *x)
{
    float top = 0, largest = 0;
    for (int i = 0; i < 32; i++)
        if (fabsf(x[i]) > top) {
            top = fabsf(x[i]);
            largest = x[i];
        }
    const float d = largest / -8, inverse = d != 0 ? 1 / d : 0;
    uint8_t u[32];
    wc_to_half(b->d, d);
    for (int i = 0; i < 32; i++) {
        const float q = x[i] * inverse + 8.5f;
        u[i] = (uint8_t)(q >= 15 ? 15 : q >= 0 ? q : 0);
    }
    for (int i = 0; i < 16; i++)
        b->q[i] = (uint8_t)(u[i] | u[i + 16] << 4);
}

bool wc_store_narrow(void *to, const float *x, wc_dtype type, size_t n)
{
    const struct wc_dtype_row *row = wc_dtype_get(type);
    uint8_t *p = to;
    bool fits = true;
    for (size_t i = 0; i < n; i += row->block_elems, p += row->block_bytes) {
        switch (type) {
        case WC_F16:
            fits = fits && !(fabsf(x[i]) >= 65520 && isfinite(x[i]));
            wc_to_half(p, x[i]);
            break;
        case WC_BF16:
            to_bf16(p, x[i]);
            break;
        case WC_Q8_0:
            to_q8_0((wc_q8_0 *)p, x + i);
            break;
        case WC_Q4_0:
            to_q4_0((wc_q4_0 *)p, x + i);
            break;
        default:
            memcpy(p, &x[i], 4);
        }
    }
    return fits;
}
