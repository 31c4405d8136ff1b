/* scales.h - how the scales and minima of a block's groups are made, of each quantized type (tensor/blocks.h).  The order of the
 * operations is that of the files' makers, in f32.
 *
 * Included once for each vocabulary: SCALES(type) begins the function, which fills scale[g] and min[g]; a `whole` and a `real`
 * are one number, or one of each of several rows; HALF(type, field) is a field of 16 bits widened, BYTE(type, field, i) byte i
 * of one, 0 .. 255, and real_of makes a whole number real. */

/* One scale a block; or one and a minimum. */
#define SCALE(type)                                                                                          \
    SCALES(type)                                                                                             \
    {                                                                                                        \
        scale[0] = HALF(type, d);                                                                            \
        (void)min;                                                                                           \
    }
#define SCALE_AND_MIN(type)                                                                                  \
    SCALES(type)                                                                                             \
    {                                                                                                        \
        scale[0] = HALF(type, d);                                                                            \
        min[0] = -HALF(type, m);                                                                             \
    }
SCALE(q4_0)
SCALE_AND_MIN(q4_1)
SCALE(q5_0)
SCALE_AND_MIN(q5_1)
SCALE(q8_0)
SCALE(iq4_nl)
#undef SCALE
#undef SCALE_AND_MIN

SCALES(q2_k)
{
    const real d = HALF(q2_k, d), dmin = HALF(q2_k, dmin);
    UNROLL
    for (int g = 0; g < 16; g++) {
        const whole both = BYTE(q2_k, scales, g);
        scale[g] = d * real_of(both & 15);
        min[g] = dmin * real_of(both >> 4);
    }
}

/* Sixteen numbers of 6 bits: the low four of g in half byte g of the first 8 bytes (low halves first), the high two in bits
 * 2 (g / 4) of byte 8 + g % 4. */
SCALES(q3_k)
{
    const real d = HALF(q3_k, d);
    UNROLL
    for (int g = 0; g < 16; g++) {
        const whole low = BYTE(q3_k, scales, g % 8) >> (g < 8 ? 0 : 4) & 15,
                    high = BYTE(q3_k, scales, 8 + g % 4) >> 2 * (g / 4) & 3;
        scale[g] = d * real_of((low | high << 4) - 32);
    }
    (void)min;
}

/* Eight scales and eight minima of 6 bits in 12 bytes: those of groups 0 to 3 in the low six bits of bytes 0-3 and 4-7,
 * whose high two bits are the high bits of groups 4 to 7; their low four are the halves of bytes 8-11. */
#define SCALES_4K(type)                                                                                      \
    SCALES(type)                                                                                             \
    {                                                                                                        \
        const real d = HALF(type, d), dmin = HALF(type, dmin);                                               \
        UNROLL                                                                                               \
        for (int g = 0; g < 4; g++) {                                                                        \
            const whole s = BYTE(type, scales, g), m = BYTE(type, scales, g + 4),                            \
                        low = BYTE(type, scales, g + 8);                                                     \
            scale[g] = d * real_of(s & 63);                                                                  \
            min[g] = dmin * real_of(m & 63);                                                                 \
            scale[g + 4] = d * real_of((low & 15) | s >> 6 << 4);                                            \
            min[g + 4] = dmin * real_of(low >> 4 | m >> 6 << 4);                                             \
        }                                                                                                    \
    }
SCALES_4K(q4_k)
SCALES_4K(q5_k)
#undef SCALES_4K

/* Signed bytes. */
SCALES(q6_k)
{
    const real d = HALF(q6_k, d);
    UNROLL
    for (int g = 0; g < 16; g++)
        scale[g] = d * real_of((BYTE(q6_k, scales, g) ^ 128) - 128);
    (void)min;
}

SCALES(iq4_xs)
{
    const real d = HALF(iq4_xs, d);
    UNROLL
    for (int g = 0; g < 8; g++) {
        const whole low = BYTE(iq4_xs, scales_low, g / 2) >> 4 * (g % 2) & 15,
                    high = BYTE(iq4_xs, scales_high, g / 4) >> 2 * (g % 4) & 3;
        scale[g] = d * real_of((low | high << 4) - 32);
    }
    (void)min;
}

#undef SCALES
#undef HALF
#undef BYTE
#undef whole
#undef real
#undef real_of
