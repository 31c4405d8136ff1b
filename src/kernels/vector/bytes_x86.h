/* bytes_x86.h - small whole numbers on AVX2 and AVX-512: 32 of them in a vector (b32) while they are unpacked, and dot
 * products of unsigned weights with signed x.
 *
 * maddubs multiplies unsigned by signed bytes and adds neighbours in 16 bits, which saturate: enough for weights up to 63.
 * Weights of 8 bits are signed ("wide"): their sign is moved to x.  With VNNI there is no such bound; wide weights are made
 * unsigned, which the caller takes off again. */

typedef __m256i b32;

#define b_load(p)     _mm256_loadu_si256((const __m256i *)(p))
#define b_store(p, a) _mm256_storeu_si256((__m256i *)(p), a)
#define b_and(a, m)   _mm256_and_si256(a, _mm256_set1_epi8(m))
#define b_or(a, b)    _mm256_or_si256(a, b)
/* By n bits, within 16: bits that come over from a neighbour are masked off afterwards, or are none. */
#define b_right(a, n) _mm256_srli_epi16(a, n)
#define b_left(a, n)  _mm256_slli_epi16(a, n)

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

/* The sums of 16 q that wc_bytes wants, of 32. */
static inline void b_sums(int16_t *sum, const int8_t *q)
{
    __m256i s = _mm256_maddubs_epi16(_mm256_set1_epi8(1), b_load(q));
    s = _mm256_add_epi16(s, _mm256_srli_si256(s, 8));
    s = _mm256_add_epi16(s, _mm256_srli_si256(s, 4));
    const int32_t pairs[2] = {_mm256_extract_epi32(s, 0), _mm256_extract_epi32(s, 4)};
    memcpy(sum, pairs, sizeof pairs);
}

/* ---- L columns at once, for tile_bytes ---- */

#ifdef __AVX512F__
typedef __m512i ivec;
#define i_zero()           _mm512_setzero_si512()
#define i_all(x)           _mm512_set1_epi32(x)
#define i_load(p)          _mm512_loadu_si512(p)
#define i_add(a, b)        _mm512_add_epi32(a, b)
#define i_to_vec(a)        _mm512_cvtepi32_ps(a)
#define i_add16(a, b)      _mm512_add_epi16(a, b)
#define i_pair_sums(a, by) _mm512_madd_epi16(a, _mm512_set1_epi16((short)(by)))
#ifdef __AVX512VNNI__
#define i_dot(acc, w, x) _mm512_dpbusd_epi32(acc, w, x)
#define i_unsigned(w)    _mm512_xor_si512(w, _mm512_set1_epi8(-128))
#else
#define i_pairs(w, x) _mm512_maddubs_epi16(w, x)
#define i_join(a)     i_pair_sums(a, 1)
#define i_abs(w)      _mm512_abs_epi8(w)
/* x with the sign of w; x is 0 where w is: its |w| is 0. */
#define i_sign(x, w)  _mm512_mask_sub_epi8(x, _mm512_movepi8_mask(w), _mm512_setzero_si512(), x)
#endif
#else
typedef __m256i ivec;
#define i_zero()           _mm256_setzero_si256()
#define i_all(x)           _mm256_set1_epi32(x)
#define i_load(p)          _mm256_loadu_si256((const __m256i *)(p))
#define i_add(a, b)        _mm256_add_epi32(a, b)
#define i_to_vec(a)        _mm256_cvtepi32_ps(a)
#define i_add16(a, b)      _mm256_add_epi16(a, b)
#define i_pairs(w, x)      _mm256_maddubs_epi16(w, x)
#define i_pair_sums(a, by) _mm256_madd_epi16(a, _mm256_set1_epi16((short)(by)))
#define i_join(a)          i_pair_sums(a, 1)
#define i_abs(w)           _mm256_abs_epi8(w)
#define i_sign(x, w)       _mm256_sign_epi8(x, w)
#endif

/* ---- 16 bytes of L / 4 rows, for dot_bytes ---- */

typedef ivec r16;
#define take_16(p)   _mm_loadu_si128((const __m128i *)(p))
#define take_2(a, b) _mm256_inserti128_si256(_mm256_castsi128_si256(take_16(a)), take_16(b), 1)
#ifdef __AVX512F__
#define r16_load(p, at)                                                                                      \
    _mm512_inserti64x4(_mm512_castsi256_si512(take_2((p)[0] + (at), (p)[1] + (at))),                         \
                       take_2((p)[2] + (at), (p)[3] + (at)), 1)
#define r16_all(p)         _mm512_broadcast_i32x4(take_16(p))
#define r16_and(a, m)      _mm512_and_si512(a, _mm512_set1_epi8((char)(m)))
#define r16_or(a, b)       _mm512_or_si512(a, b)
#define r16_right(a, n)    _mm512_srli_epi16(a, (unsigned)(n))
#define r16_left(a, n)     _mm512_slli_epi16(a, (unsigned)(n))
#define r16_look_up(t, a)  _mm512_shuffle_epi8(r16_all(t), a)
#define i_low(a, b)        _mm512_unpacklo_epi32(a, b)
#define i_high(a, b)       _mm512_unpackhi_epi32(a, b)
#define i_low_pairs(a, b)  _mm512_unpacklo_epi64(a, b)
#define i_high_pairs(a, b) _mm512_unpackhi_epi64(a, b)
#else
#define r16_load(p, at)    take_2((p)[0] + (at), (p)[1] + (at))
#define r16_all(p)         _mm256_broadcastsi128_si256(take_16(p))
#define r16_and(a, m)      _mm256_and_si256(a, _mm256_set1_epi8((char)(m)))
#define r16_or(a, b)       _mm256_or_si256(a, b)
#define r16_right(a, n)    _mm256_srli_epi16(a, n)
#define r16_left(a, n)     _mm256_slli_epi16(a, n)
#define r16_look_up(t, a)  _mm256_shuffle_epi8(r16_all(t), a)
#define i_low(a, b)        _mm256_unpacklo_epi32(a, b)
#define i_high(a, b)       _mm256_unpackhi_epi32(a, b)
#define i_low_pairs(a, b)  _mm256_unpacklo_epi64(a, b)
#define i_high_pairs(a, b) _mm256_unpackhi_epi64(a, b)
#endif

/* value where a bit of 16 is set, which begin at byte `from` of each row. */
static inline r16 r16_bits(r16 bits, int from, int value)
{
    static const uint8_t bytes[16] = {0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1},
                         bit[16] = {1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128};
    const r16 mask = r16_all(bit);
#ifdef __AVX512F__
    const r16 all = _mm512_shuffle_epi8(bits, r16_or(r16_all(bytes), _mm512_set1_epi8((char)from)));
    return _mm512_maskz_mov_epi8(_mm512_test_epi8_mask(all, mask), _mm512_set1_epi8((char)value));
#else
    const r16 all = _mm256_shuffle_epi8(bits, r16_or(r16_all(bytes), _mm256_set1_epi8((char)from)));
    return r16_and(_mm256_cmpeq_epi8(_mm256_and_si256(all, mask), mask), value);
#endif
}

/* Four sums of four products to a row, as parts (below); of two vectors together. */
#ifdef __AVX512VNNI__
#define WIDE_ZERO         128 /* what a wide weight has too much */
#define p_add(a, b, wide) i_add(a, b)
static inline ivec r_dot_more(ivec sum, r16 w, r16 x, bool wide)
{
    return i_dot(sum, wide ? i_unsigned(w) : w, x);
}
#define r_dot(w, x, wide)            r_dot_more(i_zero(), w, x, wide)
#define r_dot_both(w, x, v, y, wide) r_dot_more(r_dot(w, x, wide), v, y, wide)
#else
#define WIDE_ZERO                    0
#define p_add(a, b, wide)            ((wide) ? i_add(a, b) : i_add16(a, b))
static inline ivec r_dot(r16 w, r16 x, bool wide)
{
    return wide ? i_join(i_pairs(i_abs(w), i_sign(x, w))) : i_pairs(w, x);
}
#define r_dot_both(w, x, v, y, wide) p_add(r_dot(w, x, wide), r_dot(v, y, wide), wide)
#endif

/* A row's four sums added, of L rows: of those in d[0] the results are in lanes 0, 4 ..., of d[1] in 1, 5 ... */
static inline ivec r_sum(const ivec *d, bool wide)
{
    const ivec ab = p_add(i_low(d[0], d[1]), i_high(d[0], d[1]), wide),
               cd = p_add(i_low(d[2], d[3]), i_high(d[2], d[3]), wide);
    return p_add(i_low_pairs(ab, cd), i_high_pairs(ab, cd), wide);
}

#ifdef __AVX512F__
/* L halves, each in a whole number, widened. */
static inline vec v_of_halves(ivec a)
{
    return _mm512_cvtph_ps(_mm512_cvtepi32_epi16(a));
}
#else
/* Eight halves widened. */
#define HALVES_APART
static inline vec v_of_8_halves(const uint16_t *d)
{
    return _mm256_cvtph_ps(_mm_setr_epi16((short)d[0], (short)d[1], (short)d[2], (short)d[3], (short)d[4],
                                          (short)d[5], (short)d[6], (short)d[7]));
}
#endif

#ifndef HIDE /* not emulated */
#define HIDE(v) __asm__("" : "+v"(v))
/* Otherwise gcc computes all products first, has no registers for them, and copies what it adds to. */
#define ADD_TO(sum, a)   __asm__("vpaddd %1, %0, %0" : "+v"(sum) : "v"(a))
#define ADD16_TO(sum, a) __asm__("vpaddw %1, %0, %0" : "+v"(sum) : "v"(a))
#else
#define ADD_TO(sum, a)   ((sum) = i_add(sum, a))
#define ADD16_TO(sum, a) ((sum) = i_add16(sum, a))
#endif

/* `by` times the sum of two numbers, in every lane. */
static inline ivec i_pair_total(const int16_t *pair, int by)
{
    int32_t two;
    memcpy(&two, pair, sizeof two);
    return i_pair_sums(i_all(two), by);
}

/* A group's products in L lanes, less zero times the sum of x: begun with group_start, in p_step a vector of weights and one of
 * x, four values of each lane. */
typedef ivec part;
#ifdef __AVX512VNNI__
#define BYTES_ROWS      6
#define BYTES_COLS      32
#define CENTRE(t)       ZERO(t)
#define p_join(p, wide) (p)
static inline part p_step(part p, ivec w, ivec x, bool wide)
{
    return i_dot(p, wide ? i_unsigned(w) : w, x);
}
#else
/* Sums of narrow weights stay in 16 bits, two to a lane, which may overflow on the way: less the middle of a type's range
 * times the sums of x, what is left of 16 products of 5 bits, or 8 of 6, is at most 32512. */
#define NARROW_PARTS
#define BYTES_ROWS      4
#define BYTES_COLS      16
#define CENTRE(t)       ((t).top <= 15 || WIDE(t) ? ZERO(t) : ((t).top + 1) / 2)
#define p_join(p, wide) ((wide) ? (p) : i_join(p))
static inline part p_step(part p, ivec w, ivec x, bool wide)
{
    if (wide)
        ADD_TO(p, i_join(i_pairs(i_abs(w), i_sign(x, w))));
    else
        ADD16_TO(p, i_pairs(w, x));
    return p;
}
#endif
