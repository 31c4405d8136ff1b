/* dot_sixteen.h - a few rows of x in bytes against quantized weights, where the CPU adds products of bytes (VNNI): sixteen rows
 * of w at a time, so that each has a lane of its own when it comes to scales.
 *
 * A vector holds half a run, 16 bytes, of four rows: the product of bytes leaves four sums to a row, and four such vectors
 * become one with a lane to a row. */

#define WIDE_ZERO 128 /* what a wide weight has too much */

/* ---- a run of four rows ---- */

/* A run's first 16 bytes of each row, and its last 16, the rows side by side. */
typedef struct b_rows {
    __m512i first, last;
} b_rows;

/* Row 4 r + m of sixteen lies m * apart behind p[r]; of four rows, those with one m, `at` is m * apart and what comes before
 * the place meant. */
typedef struct rows_at {
    const uint8_t *p[4];
    size_t apart, at;
} rows_at;

ALWAYS_INLINE rows_at rows_from(rows_at a, size_t offset)
{
    a.at += offset;
    return a;
}

ALWAYS_INLINE __m128i take_16(const void *p)
{
    return _mm_loadu_si128(p);
}

/* 16 bytes of each of four rows. */
ALWAYS_INLINE __m512i quarters(rows_at a)
{
    __m512i v = _mm512_castsi128_si512(take_16(a.p[0] + a.at));
    v = _mm512_mask_broadcast_i32x4(v, 0x00f0, take_16(a.p[1] + a.at));
    v = _mm512_mask_broadcast_i32x4(v, 0x0f00, take_16(a.p[2] + a.at));
    return _mm512_mask_broadcast_i32x4(v, 0xf000, take_16(a.p[3] + a.at));
}

ALWAYS_INLINE b_rows r_load(rows_at a)
{
    return (b_rows){quarters(a), quarters(rows_from(a, 16))};
}

ALWAYS_INLINE b_rows r_and(b_rows a, int m)
{
    const __m512i mask = _mm512_set1_epi8((char)m);
    return (b_rows){_mm512_and_si512(a.first, mask), _mm512_and_si512(a.last, mask)};
}

ALWAYS_INLINE b_rows r_or(b_rows a, b_rows b)
{
    return (b_rows){_mm512_or_si512(a.first, b.first), _mm512_or_si512(a.last, b.last)};
}

ALWAYS_INLINE b_rows r_right(b_rows a, unsigned n)
{
    return (b_rows){_mm512_srli_epi16(a.first, n), _mm512_srli_epi16(a.last, n)};
}

ALWAYS_INLINE b_rows r_left(b_rows a, unsigned n)
{
    return (b_rows){_mm512_slli_epi16(a.first, n), _mm512_slli_epi16(a.last, n)};
}

ALWAYS_INLINE b_rows r_nibbles(rows_at a)
{
    const __m512i v = quarters(a);
    return r_and((b_rows){v, _mm512_srli_epi16(v, 4)}, 15);
}

ALWAYS_INLINE b_rows r_bits(rows_at a, int value)
{
    const __m512i bits = quarters(a), bit = _mm512_set1_epi64((long long)0x8040201008040201u);
    const __m512i first = _mm512_broadcast_i32x4(_mm_set_epi64x(0x0101010101010101, 0));
    const __m512i last = _mm512_or_si512(first, _mm512_set1_epi8(2));
    const __m512i set = _mm512_set1_epi8((char)value);
    return (b_rows){_mm512_maskz_mov_epi8(_mm512_test_epi8_mask(_mm512_shuffle_epi8(bits, first), bit), set),
                    _mm512_maskz_mov_epi8(_mm512_test_epi8_mask(_mm512_shuffle_epi8(bits, last), bit), set)};
}

ALWAYS_INLINE b_rows r_look_up(const int8_t *table, b_rows a)
{
    const __m512i t = _mm512_broadcast_i32x4(take_16(table));
    return (b_rows){_mm512_shuffle_epi8(t, a.first), _mm512_shuffle_epi8(t, a.last)};
}

/* Sums of four products, four to a row. */
ALWAYS_INLINE __m512i r_dot(__m512i sum, __m512i w, const int8_t *x, bool wide)
{
    return _mm512_dpbusd_epi32(sum, wide ? _mm512_xor_si512(w, _mm512_set1_epi8(-128)) : w,
                               _mm512_broadcast_i32x4(take_16(x)));
}

/* Their sums for sixteen rows: rows 0, 4, 8 and 12 are in d[0], 1, 5, 9 and 13 in d[1] ... */
ALWAYS_INLINE __m512i r_sum(const __m512i *d)
{
    const __m512i ab = _mm512_add_epi32(_mm512_unpacklo_epi32(d[0], d[1]), _mm512_unpackhi_epi32(d[0], d[1]));
    const __m512i cd = _mm512_add_epi32(_mm512_unpacklo_epi32(d[2], d[3]), _mm512_unpackhi_epi32(d[2], d[3]));
    return _mm512_add_epi32(_mm512_unpacklo_epi64(ab, cd), _mm512_unpackhi_epi64(ab, cd));
}

/* The halves that stand at a row's p, for sixteen rows, widened. */
ALWAYS_INLINE __m512 r_halves(rows_at a)
{
    __m128i v[2];
    for (int i = 0; i < 2; i++) {
        uint16_t d[8];
        for (int r = 0; r < 8; r++)
            memcpy(&d[r], a.p[2 * i + r / 4] + (size_t)(r % 4) * a.apart + a.at, sizeof *d);
        v[i] = _mm_setr_epi16((short)d[0], (short)d[1], (short)d[2], (short)d[3], (short)d[4], (short)d[5],
                              (short)d[6], (short)d[7]);
    }
    return _mm512_cvtph_ps(_mm256_setr_m128i(v[0], v[1]));
}

#define RUN(type)             ALWAYS_INLINE b_rows rows_##type(rows_at b, int j)
#define FROM(type, field, at) rows_from(b, offsetof(wc_##type, field) + (size_t)(at))
#define n_load                r_load
#define n_nibbles             r_nibbles
#define n_bits                r_bits
#define n_look_up             r_look_up
#define n_and                 r_and
#define n_or                  r_or
#define n_right               r_right
#define n_left                r_left
#include "kernels/vector/runs.h"

typedef b_rows (*rows_fn)(rows_at b, int j);

/* What dot_quants takes of a type. */
#define DOT_ARGUMENTS(name) rows_##name, sixteen_##name

/* ---- sixteen rows of w ---- */

enum { DOT_X = 4, SIXTEEN = 16 };

/* Of the groups of a block of sixteen rows, a lane to a row. */
typedef struct sixteen_scales {
    vec scale[WC_MAX_GROUPS], min[WC_MAX_GROUPS];
} sixteen_scales;

/* 16 bytes of sixteen rows, from `offset` on: word[i] holds bytes 4 i .. 4 i + 3 of each row in its lane. */
typedef int32_t row_ints __attribute__((vector_size(64)));
typedef struct block_head {
    row_ints word[4];
} block_head;

ALWAYS_INLINE block_head head_at(rows_at b, size_t offset)
{
    __m512i v[4];
    UNROLL
    for (int m = 0; m < 4; m++)
        v[m] = quarters(rows_from(b, offset + (size_t)m * b.apart));
    const __m512i ab = _mm512_unpacklo_epi32(v[0], v[1]), cd = _mm512_unpacklo_epi32(v[2], v[3]);
    const __m512i ef = _mm512_unpackhi_epi32(v[0], v[1]), gh = _mm512_unpackhi_epi32(v[2], v[3]);
    return (block_head){{(row_ints)_mm512_unpacklo_epi64(ab, cd), (row_ints)_mm512_unpackhi_epi64(ab, cd),
                         (row_ints)_mm512_unpacklo_epi64(ef, gh), (row_ints)_mm512_unpackhi_epi64(ef, gh)}};
}

ALWAYS_INLINE row_ints byte_of(const block_head *c, int i)
{
    return c->word[i / 4] >> 8 * (i % 4) & 255;
}

/* Where the 16 bytes with all of a block's scales begin. */
enum {
    SCALES_q4_0 = 0,
    SCALES_q4_1 = 0,
    SCALES_q5_0 = 0,
    SCALES_q5_1 = 0,
    SCALES_q8_0 = 0,
    SCALES_iq4_nl = 0,
    SCALES_q2_k = offsetof(wc_q2_k, scales),
    SCALES_q3_k = sizeof(wc_q3_k) - 16,
    SCALES_q4_k = 0,
    SCALES_q5_k = 0,
    SCALES_q6_k = offsetof(wc_q6_k, scales),
    SCALES_iq4_xs = 0
};

#define SCALES(type)                                                                                         \
    ALWAYS_INLINE void sixteen_##type##_of(rows_at b, block_head c, vec *scale, vec *min);                   \
    ALWAYS_INLINE void sixteen_##type(rows_at b, sixteen_scales *s)                                          \
    {                                                                                                        \
        sixteen_##type##_of(b, head_at(b, SCALES_##type), s->scale, s->min);                                 \
    }                                                                                                        \
    ALWAYS_INLINE void sixteen_##type##_of(rows_at b, block_head c, vec *scale, vec *min)
#define HALF(type, field)    r_halves(rows_from(b, offsetof(wc_##type, field)))
#define BYTE(type, field, i) byte_of(&c, (int)offsetof(wc_##type, field) - SCALES_##type + (i))
#define whole                row_ints
#define real                 vec
#define real_of(x)           _mm512_cvtepi32_ps((__m512i)(x))
#include "kernels/scales.h"

typedef void (*sixteen_fn)(rows_at b, sixteen_scales *s);

/* A group of sixteen rows of w joins the sums of a row of x. */
ALWAYS_INLINE vec add_group(vec acc, const __m512i *d, const sixteen_scales *s, size_t g, float x_scale,
                            int x_sum, quant t)
{
    __m512i dots = r_sum(d);
    if (ZERO(t))
        dots = _mm512_add_epi32(dots, _mm512_set1_epi32(-ZERO(t) * x_sum));
    acc = v_fma(v_mul(s->scale[g], v_all(x_scale)), _mm512_cvtepi32_ps(dots), acc);
    if (t.has_min)
        acc = v_fma(v_mul(s->min[g], v_all(x_scale)), v_all((float)-x_sum), acc);
    return acc;
}

/* Run j of sixteen blocks meets run `at` of nx rows of x. */
ALWAYS_INLINE void add_run(vec *acc, const wc_bytes *x, size_t at, rows_at b, size_t j,
                           const sixteen_scales *s, quant t, rows_fn rows, const int nx)
{
    const size_t g = j * 32 / t.group;
    b_rows w[4];
    UNROLL
    for (int m = 0; m < 4; m++)
        w[m] = rows(rows_from(b, (size_t)m * b.apart), (int)j);
    UNROLL
    for (int n = 0; n < nx; n++) {
        const int8_t *q = x->q + (size_t)n * x->k + 32 * at;
        const int16_t *sum = x->sum + (size_t)n * (x->k / 16) + 2 * at;
        const float x_scale = x->scale[(size_t)n * (x->k / 32) + at];
        const __m512i none = _mm512_setzero_si512();
        __m512i first[4], last[4];
        UNROLL
        for (int m = 0; m < 4; m++) {
            first[m] = r_dot(none, w[m].first, q, WIDE(t));
            last[m] = r_dot(t.group == 32 ? first[m] : none, w[m].last, q + 16, WIDE(t));
        }
        if (t.group == 32) {
            acc[n] = add_group(acc[n], last, s, g, x_scale, sum[0] + sum[1], t);
        } else {
            acc[n] = add_group(acc[n], first, s, g, x_scale, sum[0], t);
            acc[n] = add_group(acc[n], last, s, g + 1, x_scale, sum[1], t);
        }
    }
}

/* nx rows of x times sixteen rows of w.  The next sixteen are fetched meanwhile, line after line: that is the order in which
 * memory gives most, and so far off that they have come when they are needed. */
ALWAYS_INLINE void dot_rows(vec *acc, const wc_bytes *x, rows_at b, size_t k, quant t, rows_fn rows,
                            sixteen_fn scales, const int nx)
{
    sixteen_scales s;
    const uint8_t *next = b.p[0] + SIXTEEN * b.apart;
    UNROLL
    for (int n = 0; n < nx; n++)
        acc[n] = v_zero();
    for (size_t i = 0; i < k; i += t.block) {
        scales(b, &s);
        UNROLL
        for (size_t j = 0; j < t.block / 32; j++)
            add_run(acc, x, i / 32 + j, b, j, &s, t, rows, nx);
        for (size_t line = 0; line < SIXTEEN * t.block_bytes; line += 64)
            __builtin_prefetch(next + line);
        next += SIXTEEN * t.block_bytes;
        UNROLL
        for (int r = 0; r < 4; r++)
            b.p[r] += t.block_bytes;
    }
}

ALWAYS_INLINE void dot_quants(float *y, size_t y_stride, const wc_bytes *x, size_t n_x, const void *w,
                              size_t w_stride, size_t n_w, size_t k, quant t, rows_fn rows, sixteen_fn scales)
{
    const bool enough = n_w >= SIXTEEN; /* otherwise one row stands for all sixteen */
    const size_t apart = enough ? w_stride / t.block * t.block_bytes : 0;
    for (size_t j = 0; j < n_w; j += enough ? SIXTEEN : 1) {
        if (enough && n_w - j < SIXTEEN)
            j = n_w - SIXTEEN; /* some once more */
        const uint8_t *p = (const uint8_t *)row_of(w, w_stride, j, t);
        const rows_at b = {{p, p + 4 * apart, p + 8 * apart, p + 12 * apart}, apart, 0};
        wc_bytes rest = *x;
        for (size_t r = 0, n; r < n_x; r += n) {
            vec acc[DOT_X];
            n = n_x - r < DOT_X ? 1 : DOT_X;
            if (n == DOT_X)
                dot_rows(acc, &rest, b, k, t, rows, scales, DOT_X);
            else
                dot_rows(acc, &rest, b, k, t, rows, scales, 1);
            for (size_t q = 0; q < n; q++) {
                float *to = y + (r + q) * y_stride + j;
                if (enough)
                    v_store(to, acc[q]);
                else
                    *to = _mm512_cvtss_f32(acc[q]);
            }
            rest.q += n * x->k;
            rest.scale += n * (x->k / 32);
            rest.sum += n * (x->k / 16);
        }
    }
}
