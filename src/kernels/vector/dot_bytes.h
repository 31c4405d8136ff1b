/* dot_bytes.h - a few rows of x in bytes against quantized weights: L rows of w at a time, so that each has a lane of its own
 * when it comes to scales.
 *
 * A vector holds half a run, 16 bytes, of L / 4 rows: the product of bytes leaves four sums to a row, and four such vectors
 * become one with a lane to a row. */

/* ---- a run of L / 4 rows ---- */

/* Its first 16 bytes of each row, and its last 16, the rows side by side. */
typedef struct b_rows {
    r16 first, last;
} b_rows;

/* Row 4 r + m of L lies m * apart behind p[r]; of the L / 4 rows with one m, `at` is m * apart and what comes before the place
 * meant. */
typedef struct rows_at {
    const uint8_t *p[L / 4];
    size_t apart, at;
} rows_at;

ALWAYS_INLINE rows_at rows_from(rows_at a, size_t offset)
{
    a.at += offset;
    return a;
}

ALWAYS_INLINE b_rows r_load(rows_at a)
{
    return (b_rows){r16_load(a.p, a.at), r16_load(a.p, a.at + 16)};
}

ALWAYS_INLINE b_rows r_and(b_rows a, int m)
{
    return (b_rows){r16_and(a.first, m), r16_and(a.last, m)};
}

ALWAYS_INLINE b_rows r_or(b_rows a, b_rows b)
{
    return (b_rows){r16_or(a.first, b.first), r16_or(a.last, b.last)};
}

ALWAYS_INLINE b_rows r_right(b_rows a, int n)
{
    return (b_rows){r16_right(a.first, n), r16_right(a.last, n)};
}

ALWAYS_INLINE b_rows r_left(b_rows a, int n)
{
    return (b_rows){r16_left(a.first, n), r16_left(a.last, n)};
}

ALWAYS_INLINE b_rows r_nibbles(rows_at a)
{
    const r16 v = r16_load(a.p, a.at);
    return r_and((b_rows){v, r16_right(v, 4)}, 15);
}

ALWAYS_INLINE b_rows r_bits(rows_at a, int value)
{
    const r16 bits = r16_load(a.p, a.at);
    return (b_rows){r16_bits(bits, 0, value), r16_bits(bits, 2, value)};
}

ALWAYS_INLINE b_rows r_look_up(const int8_t *table, b_rows a)
{
    return (b_rows){r16_look_up(table, a.first), r16_look_up(table, a.last)};
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
#define DOT_ARGUMENTS(name) rows_##name, scales_of_rows_##name

/* ---- the scales of L rows ---- */

/* Of a block's groups, a lane to a row. */
typedef struct row_scales {
    vec scale[WC_MAX_GROUPS], min[WC_MAX_GROUPS];
} row_scales;

/* 16 bytes of each row, from `offset` on: word[i] holds bytes 4 i .. 4 i + 3 of a row in its lane. */
typedef int32_t row_ints __attribute__((vector_size(4 * L)));
typedef struct block_head {
    row_ints word[4];
} block_head;

ALWAYS_INLINE block_head head_at(rows_at b, size_t offset)
{
    ivec v[4];
    UNROLL
    for (int m = 0; m < 4; m++)
        v[m] = (ivec)r16_load(b.p, b.at + offset + (size_t)m * b.apart);
    const ivec ab = i_low(v[0], v[1]), cd = i_low(v[2], v[3]), ef = i_high(v[0], v[1]),
               gh = i_high(v[2], v[3]);
    return (block_head){{(row_ints)i_low_pairs(ab, cd), (row_ints)i_high_pairs(ab, cd),
                         (row_ints)i_low_pairs(ef, gh), (row_ints)i_high_pairs(ef, gh)}};
}

ALWAYS_INLINE row_ints byte_of(const block_head *c, int i)
{
    return c->word[i / 4] >> 8 * (i % 4) & 255;
}

#ifdef HALVES_APART
/* The halves at byte `at` of a block: eight are sooner read one by one than turned to lanes. */
ALWAYS_INLINE vec half_at(rows_at b, const block_head *c, size_t at, size_t scales, size_t block_bytes)
{
    uint16_t d[8];
    UNROLL
    for (int r = 0; r < 8; r++)
        memcpy(&d[r], b.p[r / 4] + (size_t)(r % 4) * b.apart + b.at + at, sizeof *d);
    return v_of_8_halves(d);
}
#else
/* The halves that begin at byte i, widened. */
ALWAYS_INLINE vec half_of(const block_head *c, size_t i)
{
    return v_of_halves((ivec)(c->word[i / 4] >> 8 * (int)(i % 4) & 0xffff));
}

/* The halves at byte `at` of a block: among its scales, of which c has 16 bytes, or in the block's last 16 bytes. */
ALWAYS_INLINE vec half_at(rows_at b, const block_head *c, size_t at, size_t scales, size_t block_bytes)
{
    if (at >= scales && at - scales < 16)
        return half_of(c, at - scales);
    const block_head last = head_at(b, block_bytes - 16);
    return half_of(&last, at - (block_bytes - 16));
}
#endif

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
    ALWAYS_INLINE void take_##type(rows_at b, block_head c, vec *scale, vec *min);                           \
    ALWAYS_INLINE void scales_of_rows_##type(rows_at b, row_scales *s)                                       \
    {                                                                                                        \
        take_##type(b, head_at(b, SCALES_##type), s->scale, s->min);                                         \
    }                                                                                                        \
    ALWAYS_INLINE void take_##type(rows_at b, block_head c, vec *scale, vec *min)
#define HALF(type, field)    half_at(b, &c, offsetof(wc_##type, field), SCALES_##type, sizeof(wc_##type))
#define BYTE(type, field, i) byte_of(&c, (int)offsetof(wc_##type, field) - SCALES_##type + (i))
#define whole                row_ints
#define real                 vec
#define real_of(x)           i_to_vec((ivec)(x))
#include "kernels/scales.h"

typedef void (*row_scales_fn)(rows_at b, row_scales *s);

/* ---- L rows of w ---- */

enum { DOT_X = 4 };

/* A group of L rows of w joins the sums of a row of x. */
ALWAYS_INLINE vec add_group(vec acc, const ivec *d, const row_scales *s, size_t g, float x_scale,
                            const wc_neg_sums *neg, size_t half, quant t)
{
    part p = r_sum(d, WIDE(t));
    if (CENTRE(t))
        p = p_add(p, group_start(neg, half, t), WIDE(t));
    ivec dots = p_join(p, WIDE(t));
    if (CENTRE(t) != ZERO(t))
        dots = i_add(dots, neg_total(neg, half, ZERO(t) - CENTRE(t), t));
    acc = v_fma(v_mul(s->scale[g], v_all(x_scale)), i_to_vec(dots), acc);
    if (t.has_min)
        acc = v_fma(s->min[g], neg_scaled(neg, half, x_scale, t), acc);
    return acc;
}

/* Run j of L blocks meets run `at` of nx rows of x. */
ALWAYS_INLINE void add_run(vec *acc, const wc_bytes *x, size_t at, rows_at b, size_t j, const row_scales *s,
                           quant t, rows_fn rows, const int nx)
{
    const size_t g = j * 32 / t.group;
    b_rows w[4];
    UNROLL
    for (int m = 0; m < 4; m++)
        w[m] = rows(rows_from(b, (size_t)m * b.apart), (int)j);
    UNROLL
    for (int n = 0; n < nx; n++) {
        const int8_t *q = x->q + (size_t)n * x->k + 32 * at;
        const float x_scale = x->scale[(size_t)n * (x->k / 32) + at];
        const wc_neg_sums *neg = x->neg + (size_t)n * (x->k / 32) + at;
        const r16 x0 = r16_all(q), x1 = r16_all(q + 16);
        ivec d[4];
        if (t.group == 32) {
            UNROLL
            for (int m = 0; m < 4; m++)
                d[m] = r_dot_both(w[m].first, x0, w[m].last, x1, WIDE(t));
            acc[n] = add_group(acc[n], d, s, g, x_scale, neg, 0, t);
        } else {
            UNROLL
            for (int m = 0; m < 4; m++)
                d[m] = r_dot(w[m].first, x0, WIDE(t));
            acc[n] = add_group(acc[n], d, s, g, x_scale, neg, 0, t);
            UNROLL
            for (int m = 0; m < 4; m++)
                d[m] = r_dot(w[m].last, x1, WIDE(t));
            acc[n] = add_group(acc[n], d, s, g + 1, x_scale, neg, 1, t);
        }
    }
}

/* nx rows of x times L rows of w, L / STREAMS from each place.  What lies `next` bytes further at each is fetched meanwhile, the
 * next L rows, and MARGIN beyond where it matters that they begin with all rows at once, the last of which would come too
 * late. */
ALWAYS_INLINE void dot_rows(vec *acc, const wc_bytes *x, rows_at b, size_t next, size_t k, quant t,
                            rows_fn rows, row_scales_fn scales, const int nx)
{
    row_scales s;
    const size_t ahead = next + MARGIN / 2 > ROWS_AHEAD ? next + MARGIN : ROWS_AHEAD;
    const uint8_t *block = b.p[0];
    UNROLL
    for (int n = 0; n < nx; n++)
        acc[n] = v_zero();
    for (size_t i = 0; i < k; i += t.block) {
        scales(b, &s);
        UNROLL
        for (size_t j = 0; j < t.block / 32; j++)
            add_run(acc, x, i / 32 + j, b, j, &s, t, rows, nx);
        UNROLL
        for (int m = 0; m < STREAMS; m++)
            fetch_ahead(block + (size_t)m * b.apart, ahead, L / STREAMS * t.block_bytes);
        block += L / STREAMS * t.block_bytes;
        UNROLL
        for (int r = 0; r < L / 4; r++)
            b.p[r] += t.block_bytes;
    }
}

ALWAYS_INLINE void dot_quants(float *y, size_t y_stride, const wc_bytes *x, size_t n_x, const void *w,
                              size_t w_stride, size_t n_w, size_t k, quant t, rows_fn rows,
                              row_scales_fn scales)
{
    const bool enough = n_w >= L; /* otherwise one row stands for all */
    const size_t row = w_stride / t.block * t.block_bytes, own = L / 4, step = enough ? L / STREAMS : 1;
    const size_t groups = enough ? (n_w + L - 1) / L : n_w;
    for (size_t g = 0; g < groups; g++) {
        /* L rows: `own` of each of four places, which lie far apart or follow one another; the last L are neighbours */
        const bool whole = (g + 1) * L <= n_w;
        const size_t j = whole || !enough ? g * step : n_w - L;
        const size_t apart = STREAMS == 4 && whole ? n_w / L * own : own;
        rows_at b = {{(const uint8_t *)w + j * row}, enough ? apart * row : 0, 0};
        for (size_t r = 1; r < own; r++)
            b.p[r] = b.p[r - 1] + (enough ? row : 0);
        wc_bytes rest = *x;
        for (size_t r = 0, n; r < n_x; r += n) {
            vec acc[DOT_X];
            n = n_x - r < DOT_X ? 1 : DOT_X;
            if (n == DOT_X)
                dot_rows(acc, &rest, b, step * row, k, t, rows, scales, DOT_X);
            else
                dot_rows(acc, &rest, b, step * row, k, t, rows, scales, 1);
            for (size_t q = 0; q < n; q++) {
                float *to = y + (r + q) * y_stride + j, lanes[L];
                v_store(lanes, acc[q]);
                for (size_t i = 0; i < (enough ? L : 1); i++)
                    to[i % 4 * apart + i / 4] = lanes[i];
            }
            rest.q += n * x->k;
            rest.scale += n * (x->k / 32);
            rest.neg += n * (x->k / 32);
        }
    }
}
