/* bytes_neon.h - small whole numbers on NEON: 32 of them in a pair of vectors (b32) while they are unpacked, and dot products
 * of signed bytes, which need nothing beyond the first aarch64.  Products are added in 16 bits twice (2 * 128 * 127 fits). */

typedef struct b32 {
    uint8x16_t a, b;
} b32;

static inline b32 b_load(const void *p)
{
    return (b32){vld1q_u8(p), vld1q_u8((const uint8_t *)p + 16)};
}

static inline void b_store(void *p, b32 v)
{
    vst1q_u8(p, v.a);
    vst1q_u8((uint8_t *)p + 16, v.b);
}

static inline b32 b_and(b32 v, int m)
{
    const uint8x16_t mask = vdupq_n_u8((uint8_t)m);
    return (b32){vandq_u8(v.a, mask), vandq_u8(v.b, mask)};
}

static inline b32 b_or(b32 v, b32 w)
{
    return (b32){vorrq_u8(v.a, w.a), vorrq_u8(v.b, w.b)};
}

static inline b32 b_left(b32 v, int n)
{
    const int8x16_t by = vdupq_n_s8((int8_t)n);
    return (b32){vshlq_u8(v.a, by), vshlq_u8(v.b, by)};
}

static inline b32 b_right(b32 v, int n)
{
    return b_left(v, -n);
}

static inline b32 b_nibbles(const uint8_t *p)
{
    const uint8x16_t v = vld1q_u8(p);
    return (b32){vandq_u8(v, vdupq_n_u8(15)), vshrq_n_u8(v, 4)};
}

/* 32 bits as bytes, value where a bit is set. */
static inline b32 b_bits(const uint8_t *p, int value)
{
    static const uint8_t masks[16] = {1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128};
    const uint8x16_t mask = vld1q_u8(masks), v = vdupq_n_u8((uint8_t)value);
    const uint8x16_t a = vcombine_u8(vdup_n_u8(p[0]), vdup_n_u8(p[1])),
                     b = vcombine_u8(vdup_n_u8(p[2]), vdup_n_u8(p[3]));
    return (b32){vandq_u8(vtstq_u8(a, mask), v), vandq_u8(vtstq_u8(b, mask), v)};
}

static inline b32 b_look_up(const int8_t *table, b32 v)
{
    const uint8x16_t t = vreinterpretq_u8_s8(vld1q_s8(table));
    return (b32){vqtbl1q_u8(t, v.a), vqtbl1q_u8(t, v.b)};
}

/* Eight columns of 32 bytes -> eight groups of (eight columns of 4 bytes), 64 bytes apart. */
static inline void b_store_columns(uint8_t *to, const b32 *r)
{
    uint8_t column[32];
    for (int c = 0; c < 8; c++) {
        vst1q_u8(column, r[c].a);
        vst1q_u8(column + 16, r[c].b);
        for (int g = 0; g < 8; g++)
            memcpy(to + 64 * g + 4 * c, column + 4 * g, 4);
    }
}

/* The sums of 16 q that wc_bytes wants, of 32. */
static inline void b_sums(int16_t *sum, const int8_t *q)
{
    for (int i = 0; i < 2; i++) {
        const int8x16_t v = vld1q_s8(q + 16 * i);
        const int16x8_t pairs = vpaddlq_s8(v); /* a b a b .. */
        const int16x8_t apart = vpaddq_s16(vuzp1q_s16(pairs, pairs), vuzp2q_s16(pairs, pairs));
        sum[2 * i] = (int16_t)(apart[0] + apart[1]);
        sum[2 * i + 1] = (int16_t)(apart[4] + apart[5]);
    }
}

/* ---- four columns at once, for tile_bytes ---- */

typedef int32x4_t ivec;
#define i_zero()    vdupq_n_s32(0)
#define i_all(x)    vdupq_n_s32(x)
#define i_load(p)   vreinterpretq_s32_u8(vld1q_u8((const uint8_t *)(p)))
#define i_add(a, b) vaddq_s32(a, b)
#define i_to_vec(a) vcvtq_f32_s32(a)

/* ---- 16 bytes of a row, for dot_bytes ---- */

typedef uint8x16_t r16;
#define WIDE_ZERO          0 /* what a wide weight has too much */
#define r16_load(p, at)    vld1q_u8((p)[0] + (at))
#define r16_all(p)         vreinterpretq_u8_s8(vld1q_s8(p))
#define r16_and(a, m)      vandq_u8(a, vdupq_n_u8((uint8_t)(m)))
#define r16_or(a, b)       vorrq_u8(a, b)
#define r16_left(a, n)     vshlq_u8(a, vdupq_n_s8((int8_t)(n)))
#define r16_right(a, n)    r16_left(a, -(n))
#define r16_look_up(t, a)  vqtbl1q_u8(r16_all(t), a)
#define i_low(a, b)        vzip1q_s32(a, b)
#define i_high(a, b)       vzip2q_s32(a, b)
#define i_low_pairs(a, b)  (ivec) vzip1q_s64((int64x2_t)(a), (int64x2_t)(b))
#define i_high_pairs(a, b) (ivec) vzip2q_s64((int64x2_t)(a), (int64x2_t)(b))

/* value where a bit of 16 is set, which begin at byte `from`. */
static inline r16 r16_bits(r16 bits, int from, int value)
{
    static const uint8_t bytes[16] = {0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1},
                         bit[16] = {1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128};
    const r16 all = vqtbl1q_u8(bits, vorrq_u8(vld1q_u8(bytes), vdupq_n_u8((uint8_t)from)));
    return r16_and(vtstq_u8(all, vld1q_u8(bit)), value);
}

/* Four sums of four products; of two vectors together. */
#define p_add(a, b, wide) i_add(a, b)
static inline ivec r_dot(r16 w, r16 x, bool wide)
{
    const int8x16_t s = vreinterpretq_s8_u8(w), t = vreinterpretq_s8_u8(x);
    (void)wide;
    return vpaddlq_s16(vmlal_s8(vmull_s8(vget_low_s8(s), vget_low_s8(t)), vget_high_s8(s), vget_high_s8(t)));
}

static inline ivec r_dot_both(r16 w, r16 x, r16 v, r16 y, bool wide)
{
    return vaddq_s32(r_dot(w, x, wide), r_dot(v, y, wide));
}

/* The four sums added, of four rows. */
static inline ivec r_sum(const ivec *d, bool wide)
{
    (void)wide;
    return vpaddq_s32(vpaddq_s32(d[0], d[1]), vpaddq_s32(d[2], d[3]));
}

/* Four halves, each in a whole number, widened. */
static inline vec v_of_halves(ivec a)
{
    return vcvt_f32_f16(vreinterpret_f16_s16(vmovn_s32(a)));
}

/* `by` times the sum of two numbers, in every lane. */
static inline ivec i_pair_total(const int16_t *pair, int by)
{
    return i_all(by * (pair[0] + pair[1]));
}

/* A group's products in L lanes, less zero times the sum of x: begun with group_start, in p_step a vector of weights and one of
 * x, four values of each lane. */
typedef ivec part;
#define BYTES_ROWS      4
#define BYTES_COLS      16
#define CENTRE(t)       ZERO(t)
#define p_join(p, wide) (p)
static inline part p_step(part p, ivec w, ivec x, bool wide)
{
    const int8x16_t s = vreinterpretq_s8_s32(w), t = vreinterpretq_s8_s32(x);
    (void)wide;
    return vaddq_s32(p, vpaddq_s32(vpaddlq_s16(vmull_s8(vget_low_s8(s), vget_low_s8(t))),
                                   vpaddlq_s16(vmull_s8(vget_high_s8(s), vget_high_s8(t)))));
}
#define HIDE(v) __asm__("" : "+w"(v))
