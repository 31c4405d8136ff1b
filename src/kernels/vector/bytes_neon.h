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

/* Sums of the 16 products of each half, four lanes each. */
typedef struct b_halves {
    int32x4_t low, high;
} b_halves;

static inline int32x4_t dot16(uint8x16_t w, uint8x16_t x)
{
    const int8x16_t s = vreinterpretq_s8_u8(w), t = vreinterpretq_s8_u8(x);
    return vpaddlq_s16(vmlal_s8(vmull_s8(vget_low_s8(s), vget_low_s8(t)), vget_high_s8(s), vget_high_s8(t)));
}

static inline b_halves b_dot(b32 w, b32 x, bool wide)
{
    (void)wide;
    return (b_halves){dot16(w.a, x.a), dot16(w.b, x.b)};
}
#define WIDE_ZERO 0

/* Two runs of 32: 16 of the first and of the second, then their other halves. */
typedef struct b_pair {
    b32 first, last;
} b_pair;

static inline b_pair b_pair_of(b32 a, b32 b)
{
    return (b_pair){{a.a, b.a}, {a.b, b.b}};
}

static inline b_pair b_pair_load(const int8_t *p)
{
    return b_pair_of(b_load(p), b_load(p + 32));
}

static inline b_pair b_pair_nibbles(const uint8_t *a, const uint8_t *b)
{
    return b_pair_of(b_nibbles(a), b_nibbles(b));
}

static inline b_pair b_pair_bits(const uint8_t *a, const uint8_t *b, int value)
{
    return b_pair_of(b_bits(a, value), b_bits(b, value));
}

static inline b_pair b_pair_or(b_pair a, b_pair b)
{
    return (b_pair){b_or(a.first, b.first), b_or(a.last, b.last)};
}

static inline b_pair b_pair_look_up(const int8_t *table, b_pair a)
{
    return (b_pair){b_look_up(table, a.first), b_look_up(table, a.last)};
}

/* Four sums of eight products each of the first run, then of the second. */
static inline b_halves b_dot_pair(b_pair w, b_pair x, bool wide)
{
    const b_halves first = b_dot(w.first, x.first, wide), last = b_dot(w.last, x.last, wide);
    return (b_halves){vaddq_s32(first.low, last.low), vaddq_s32(first.high, last.high)};
}

typedef struct four_sums {
    int32x4_t low, high;
} four_sums;

static inline four_sums b_sum4(b_halves a, b_halves b, b_halves c, b_halves d)
{
    return (four_sums){vpaddq_s32(vpaddq_s32(a.low, b.low), vpaddq_s32(c.low, d.low)),
                       vpaddq_s32(vpaddq_s32(a.high, b.high), vpaddq_s32(c.high, d.high))};
}

#define b_sum4_pairs b_sum4

typedef int32x4_t int4;
#define i4_add(a, b)  vaddq_s32(a, b)
#define i4_all(x)     vdupq_n_s32(x)
#define i4_to_quad(a) vcvtq_f32_s32(a)
/* Four halves widened. */
#define q_halves(a, b, c, d)                                                                                 \
    vcvt_f32_f16(vcreate_f16((uint64_t)(a) | (uint64_t)(b) << 16 | (uint64_t)(c) << 32 | (uint64_t)(d) << 48))
#define q_negative(a)  vnegq_f32(a)
#define q_all(x)       vdupq_n_f32(x)
#define q_mul(a, b)    vmulq_f32(a, b)
#define q_fma(a, b, c) vfmaq_f32(c, a, b)

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

/* ---- four columns at once, for tile_bytes ---- */

typedef int32x4_t ivec;
#define i_zero()    vdupq_n_s32(0)
#define i_all(x)    vdupq_n_s32(x)
#define i_load(p)   vreinterpretq_s32_u8(vld1q_u8((const uint8_t *)(p)))
#define i_add(a, b) vaddq_s32(a, b)
#define i_to_vec(a) vcvtq_f32_s32(a)

/* Products of two columns each in 16 bits; one step uses them twice. */
typedef ivec part;
#define BYTES_ROWS 4
#define BYTES_COLS 16
#define STEPS(top) 1
static inline part p_start(ivec sum)
{
    return sum;
}
static inline part p_step(part p, ivec w, ivec x, bool wide)
{
    const int8x16_t s = vreinterpretq_s8_s32(w), t = vreinterpretq_s8_s32(x);
    (void)wide;
    return vaddq_s32(p, vpaddq_s32(vpaddlq_s16(vmull_s8(vget_low_s8(s), vget_low_s8(t))),
                                   vpaddlq_s16(vmull_s8(vget_high_s8(s), vget_high_s8(t)))));
}
static inline ivec p_join(ivec sum, part p)
{
    (void)sum;
    return p;
}
#define HIDE(v) __asm__("" : "+w"(v))
