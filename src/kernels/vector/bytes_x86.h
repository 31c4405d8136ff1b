/* bytes_x86.h - small whole numbers on AVX2 and AVX-512: 32 of them in a vector (b32) while they are unpacked, and dot
 * products of unsigned weights with signed x.
 *
 * maddubs multiplies unsigned by signed bytes and adds neighbours in 16 bits, which saturate: products of weights up to 15
 * may be added eight times there, up to 31 four times, up to 63 twice.  Weights of 8 bits are signed ("wide"): their sign is
 * moved to x.  With VNNI there is no such bound; wide weights are made unsigned, which the caller takes off again. */

typedef __m256i b32;

#define b_load(p)     _mm256_loadu_si256((const __m256i *)(p))
#define b_store(p, a) _mm256_storeu_si256((__m256i *)(p), a)
#define b_and(a, m)   _mm256_and_si256(a, _mm256_set1_epi8(m))
#define b_or(a, b)    _mm256_or_si256(a, b)
/* By n bits, within 16: bits that come over from a neighbour are masked off afterwards, or are none. */
#define b_right(a, n) _mm256_srl_epi16(a, _mm_cvtsi32_si128(n))
#define b_left(a, n)  _mm256_sll_epi16(a, _mm_cvtsi32_si128(n))

/* The low halves of 16 bytes, then their high halves. */
static inline b32 b_nibbles(const uint8_t *p)
{
    const __m128i v = _mm_loadu_si128((const __m128i *)p);
    return b_and(_mm256_inserti128_si256(_mm256_castsi128_si256(v), _mm_srli_epi16(v, 4), 1), 15);
}

/* 32 bits as bytes, value where a bit is set. */
static inline b32 b_bits(const uint8_t *p, int value)
{
    uint32_t bits;
    memcpy(&bits, p, sizeof bits);
    const __m256i place = _mm256_set_epi64x(0x0303030303030303, 0x0202020202020202, 0x0101010101010101, 0);
    const __m256i mask = _mm256_set1_epi64x((long long)0x8040201008040201u);
    const __m256i all = _mm256_and_si256(_mm256_shuffle_epi8(_mm256_set1_epi32((int)bits), place), mask);
    return _mm256_and_si256(_mm256_cmpeq_epi8(all, mask), _mm256_set1_epi8((char)value));
}

/* table [16] at each of a, 0 .. 15 */
static inline b32 b_look_up(const int8_t *table, b32 a)
{
    return _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)table)), a);
}

#ifndef __AVX512VNNI__
/* Eight sums of four products each, in order. */
static inline __m256i b_dot(b32 w, b32 x, bool wide)
{
    const __m256i pairs = wide ? _mm256_maddubs_epi16(_mm256_abs_epi8(w), _mm256_sign_epi8(x, w))
                               : _mm256_maddubs_epi16(w, x);
    return _mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
}

/* ---- two runs of 32 at once ---- */

/* [16 of the first | 16 of the second], then their other halves. */
typedef struct b_pair {
    b32 first, last;
} b_pair;

static inline b_pair b_pair_of(b32 a, b32 b)
{
    return (b_pair){_mm256_permute2x128_si256(a, b, 0x20), _mm256_permute2x128_si256(a, b, 0x31)};
}

static inline b_pair b_pair_load(const int8_t *p)
{
    return b_pair_of(b_load(p), b_load(p + 32));
}

static inline b_pair b_pair_nibbles(const uint8_t *a, const uint8_t *b)
{
    const __m256i v = _mm256_loadu2_m128i((const __m128i *)b, (const __m128i *)a);
    return (b_pair){b_and(v, 15), b_and(_mm256_srli_epi16(v, 4), 15)};
}

static inline b_pair b_pair_bits(const uint8_t *a, const uint8_t *b, int value)
{
    uint32_t bits[2];
    memcpy(&bits[0], a, sizeof *bits);
    memcpy(&bits[1], b, sizeof *bits);
    const __m256i v = _mm256_setr_m128i(_mm_set1_epi32((int)bits[0]), _mm_set1_epi32((int)bits[1]));
    const __m256i place = _mm256_set_epi64x(0x0101010101010101, 0, 0x0101010101010101, 0);
    const __m256i mask = _mm256_set1_epi64x((long long)0x8040201008040201u),
                  set = _mm256_set1_epi8((char)value);
    const __m256i first = _mm256_and_si256(_mm256_shuffle_epi8(v, place), mask);
    const __m256i last = _mm256_and_si256(_mm256_shuffle_epi8(v, _mm256_or_si256(place, _mm256_set1_epi8(2))),
                                          mask);
    return (b_pair){_mm256_and_si256(_mm256_cmpeq_epi8(first, mask), set),
                    _mm256_and_si256(_mm256_cmpeq_epi8(last, mask), set)};
}

/* Four sums of eight products each of the first run, then of the second. */
typedef __m256i b_pair_dot;
static inline b_pair_dot b_dot_pair(b_pair w, b_pair x, bool wide)
{
    if (wide)
        return _mm256_add_epi32(b_dot(w.first, x.first, wide), b_dot(w.last, x.last, wide));
    const __m256i pairs = _mm256_add_epi16(_mm256_maddubs_epi16(w.first, x.first),
                                           _mm256_maddubs_epi16(w.last, x.last));
    return _mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
}

static inline b_pair b_pair_or(b_pair a, b_pair b)
{
    return (b_pair){b_or(a.first, b.first), b_or(a.last, b.last)};
}

static inline b_pair b_pair_look_up(const int8_t *table, b_pair a)
{
    return (b_pair){b_look_up(table, a.first), b_look_up(table, a.last)};
}

#define WIDE_ZERO 0 /* what a wide weight has too much */

/* Sums of the lower and of the upper halves of four b_dot. */
typedef struct four_sums {
    __m128i low, high;
} four_sums;

static inline four_sums b_sum4(__m256i a, __m256i b, __m256i c, __m256i d)
{
    const __m256i s = _mm256_hadd_epi32(_mm256_hadd_epi32(a, b), _mm256_hadd_epi32(c, d));
    return (four_sums){_mm256_castsi256_si128(s), _mm256_extracti128_si256(s, 1)};
}

#define b_sum4_pairs b_sum4

typedef __m128i int4;
#define i4_add(a, b)  _mm_add_epi32(a, b)
#define i4_all(x)     _mm_set1_epi32(x)
#define i4_to_quad(a) _mm_cvtepi32_ps(a)
/* Four halves widened. */
#define q_halves(a, b, c, d)                                                                                 \
    _mm_cvtph_ps(_mm_setr_epi16((short)(a), (short)(b), (short)(c), (short)(d), 0, 0, 0, 0))
#define q_negative(a)  _mm_xor_ps(a, _mm_set1_ps(-0.0f))
#define q_all(x)       _mm_set1_ps(x)
#define q_mul(a, b)    _mm_mul_ps(a, b)
#define q_fma(a, b, c) _mm_fmadd_ps(a, b, c)
#endif

/* Eight columns of 32 bytes -> eight groups of (eight columns of 4 bytes), 64 bytes apart. */
static inline void b_store_columns(uint8_t *to, const b32 *r)
{
    __m256i t[8], u[8];
    for (int i = 0; i < 4; i++) {
        t[2 * i] = _mm256_unpacklo_epi32(r[2 * i], r[2 * i + 1]);
        t[2 * i + 1] = _mm256_unpackhi_epi32(r[2 * i], r[2 * i + 1]);
    }
    for (int i = 0; i < 2; i++) {
        u[4 * i + 0] = _mm256_unpacklo_epi64(t[4 * i], t[4 * i + 2]);
        u[4 * i + 1] = _mm256_unpackhi_epi64(t[4 * i], t[4 * i + 2]);
        u[4 * i + 2] = _mm256_unpacklo_epi64(t[4 * i + 1], t[4 * i + 3]);
        u[4 * i + 3] = _mm256_unpackhi_epi64(t[4 * i + 1], t[4 * i + 3]);
    }
    for (int i = 0; i < 4; i++) {
        b_store(to + 64 * i, _mm256_permute2x128_si256(u[i], u[i + 4], 0x20));
        b_store(to + 64 * (i + 4), _mm256_permute2x128_si256(u[i], u[i + 4], 0x31));
    }
}

/* ---- L columns at once, for tile_bytes ---- */

#ifdef __AVX512F__
typedef __m512i ivec;
#define i_zero()    _mm512_setzero_si512()
#define i_all(x)    _mm512_set1_epi32(x)
#define i_load(p)   _mm512_loadu_si512(p)
#define i_add(a, b) _mm512_add_epi32(a, b)
#define i_to_vec(a) _mm512_cvtepi32_ps(a)
#ifdef __AVX512VNNI__
#define i_dot(acc, w, x) _mm512_dpbusd_epi32(acc, w, x)
#define i_unsigned(w)    _mm512_xor_si512(w, _mm512_set1_epi8(-128))
#else
#define i_add16(a, b) _mm512_add_epi16(a, b)
#define i_pairs(w, x) _mm512_maddubs_epi16(w, x)
#define i_join(a)     _mm512_madd_epi16(a, _mm512_set1_epi16(1))
#define i_abs(w)      _mm512_abs_epi8(w)
/* x with the sign of w; x is 0 where w is: its |w| is 0. */
#define i_sign(x, w)  _mm512_mask_sub_epi8(x, _mm512_movepi8_mask(w), _mm512_setzero_si512(), x)
#endif
#else
typedef __m256i ivec;
#define i_zero()      _mm256_setzero_si256()
#define i_all(x)      _mm256_set1_epi32(x)
#define i_load(p)     _mm256_loadu_si256((const __m256i *)(p))
#define i_add(a, b)   _mm256_add_epi32(a, b)
#define i_to_vec(a)   _mm256_cvtepi32_ps(a)
#define i_add16(a, b) _mm256_add_epi16(a, b)
#define i_pairs(w, x) _mm256_maddubs_epi16(w, x)
#define i_join(a)     _mm256_madd_epi16(a, _mm256_set1_epi16(1))
#define i_abs(w)      _mm256_abs_epi8(w)
#define i_sign(x, w)  _mm256_sign_epi8(x, w)
#endif

/* Sums of four products in each of L lanes.  A part begins with p_start, takes STEPS steps and is joined to its sum. */
typedef ivec part;
#ifdef __AVX512VNNI__
#define BYTES_ROWS 6
#define BYTES_COLS 32
#define STEPS(top) 8
static inline part p_start(ivec sum)
{
    return sum;
}
static inline part p_step(part p, ivec w, ivec x, bool wide)
{
    return i_dot(p, wide ? i_unsigned(w) : w, x);
}
static inline ivec p_join(ivec sum, part p)
{
    (void)sum;
    return p;
}
#else
static inline part p_start(ivec sum)
{
    (void)sum;
    return i_zero();
}
#define BYTES_ROWS 4
#define BYTES_COLS 16
#define STEPS(top) ((top) <= 15 ? 8 : (top) <= 31 ? 4 : (top) <= 63 ? 2 : 1)
static inline part p_step(part p, ivec w, ivec x, bool wide)
{
    return i_add16(p, wide ? i_pairs(i_abs(w), i_sign(x, w)) : i_pairs(w, x));
}
static inline ivec p_join(ivec acc, part p)
{
    return i_add(acc, i_join(p));
}
#endif
#ifndef HIDE
#define HIDE(v) __asm__("" : "+v"(v))
#endif
