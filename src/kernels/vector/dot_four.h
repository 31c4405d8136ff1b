/* dot_four.h - a few rows of x in bytes against quantized weights: four rows of w at a time, two runs of 32 at once. */

/* ---- two runs of 32 at once ---- */

/* Runs j and j + 1 of a block, or run 0 of two blocks. */
#define PAIR(name)                                                                                           \
    ALWAYS_INLINE b_pair pair_##name(const void *a, const void *b, int j)                                    \
    {                                                                                                        \
        return b_pair_of(run_##name(a, j), run_##name(b, a == b ? j + 1 : j));                               \
    }
PAIR(q8_0)
PAIR(q2_k)
PAIR(q3_k)
PAIR(q4_k)
PAIR(q5_k)
PAIR(q6_k)

/* The same with two runs' half bytes or high bits loaded at once. */
#define FIELDS(name, field)                                                                                  \
    (const uint8_t *)a + offsetof(wc_##name, field), (const uint8_t *)b + offsetof(wc_##name, field)
#define PAIR_OF(name, numbers)                                                                               \
    ALWAYS_INLINE b_pair pair_##name(const void *a, const void *b, int j)                                    \
    {                                                                                                        \
        (void)j;                                                                                             \
        return numbers;                                                                                      \
    }
PAIR_OF(q4_0, b_pair_nibbles(FIELDS(q4_0, q)))
PAIR_OF(q4_1, b_pair_nibbles(FIELDS(q4_1, q)))
PAIR_OF(q5_0, b_pair_or(b_pair_nibbles(FIELDS(q5_0, q)), b_pair_bits(FIELDS(q5_0, high), 16)))
PAIR_OF(q5_1, b_pair_or(b_pair_nibbles(FIELDS(q5_1, q)), b_pair_bits(FIELDS(q5_1, high), 16)))
PAIR_OF(iq4_nl, b_pair_look_up(wc_iq4_values, b_pair_nibbles(FIELDS(iq4_nl, q))))
PAIR_OF(iq4_xs, b_pair_look_up(wc_iq4_values,
                               b_pair_nibbles((const uint8_t *)a + offsetof(wc_iq4_xs, q) + 16 * j,
                                              (const uint8_t *)b + offsetof(wc_iq4_xs, q) + 16 * (j + 1))))
#undef PAIR
#undef PAIR_OF
#undef FIELDS

typedef b_pair (*pair_fn)(const void *a, const void *b, int j);

/* What dot_quants takes of a type. */
#define DOT_ARGUMENTS(name) run_##name, pair_##name, scales_##name

/* ---- a few rows of x: four rows of w at a time ---- */

enum { DOT_X = 4 };

/* Row r of four blocks: scales[g][r]. */
typedef struct four_scales {
    float scale[WC_MAX_GROUPS][4], min[WC_MAX_GROUPS][4];
} four_scales;

/* Of a block of one group, whose d comes first and whose -min is next, as group g. */
ALWAYS_INLINE void take_group(four_scales *s, size_t g, const char *const *block, size_t at, quant t)
{
    uint16_t d[4], m[4];
    for (int r = 0; r < 4; r++) {
        memcpy(&d[r], block[r] + at, sizeof *d);
        memcpy(&m[r], block[r] + at + 2, sizeof *m);
    }
    q_store(s->scale[g], q_halves(d[0], d[1], d[2], d[3]));
    if (t.has_min)
        q_store(s->min[g], q_negative(q_halves(m[0], m[1], m[2], m[3])));
}

ALWAYS_INLINE void take_scales(four_scales *s, const char *const *block, quant t, scales_fn scales)
{
    const size_t n = t.block / t.group;
    float scale[WC_MAX_GROUPS], min[WC_MAX_GROUPS];
    UNROLL
    for (int r = 0; r < 4; r++) {
        scales(block[r], scale, min);
        for (size_t g = 0; g < n; g++) {
            s->scale[g][r] = scale[g];
            if (t.has_min)
                s->min[g][r] = min[g];
        }
    }
}

/* One group of four rows of w joins the sums of a row of x. */
ALWAYS_INLINE quad add_group(quad acc, int4 dots, const four_scales *s, size_t g, float x_scale, int x_sum,
                             quant t)
{
    if (ZERO(t))
        dots = i4_add(dots, i4_all(-ZERO(t) * x_sum));
    acc = q_fma(q_mul(q_load(s->scale[g]), q_all(x_scale)), i4_to_quad(dots), acc);
    if (t.has_min)
        acc = q_fma(q_mul(q_load(s->min[g]), q_all(x_scale)), q_all((float)-x_sum), acc);
    return acc;
}

/* Where x's run `at` of row n of x lies. */
typedef struct x_run {
    const int8_t *q;
    const float *scale;
    const int16_t *sum;
} x_run;

ALWAYS_INLINE x_run x_at(const wc_bytes *x, size_t n, size_t at)
{
    return (x_run){x->q + n * x->k + 32 * at, x->scale + n * (x->k / 32) + at,
                   x->sum + n * (x->k / 16) + 2 * at};
}

/* Run j of four blocks joins the sums of nx rows of x; its groups of 16 or its one group begin at g. */
ALWAYS_INLINE void add_run(quad *acc, const wc_bytes *x, size_t at, const char *const *block, int j,
                           const four_scales *s, size_t g, quant t, run_fn run, const int nx)
{
    b32 w[4];
    UNROLL
    for (int r = 0; r < 4; r++)
        w[r] = run(block[r], j);
    UNROLL
    for (int n = 0; n < nx; n++) {
        const x_run in = x_at(x, (size_t)n, at);
        const b32 v = b_load(in.q);
        const four_sums d = b_sum4(b_dot(w[0], v, WIDE(t)), b_dot(w[1], v, WIDE(t)), b_dot(w[2], v, WIDE(t)),
                                   b_dot(w[3], v, WIDE(t)));
        if (t.group == 32) {
            acc[n] = add_group(acc[n], i4_add(d.low, d.high), s, g, *in.scale, in.sum[0] + in.sum[1], t);
        } else {
            acc[n] = add_group(acc[n], d.low, s, g, *in.scale, in.sum[0], t);
            acc[n] = add_group(acc[n], d.high, s, g + 1, *in.scale, in.sum[1], t);
        }
    }
}

/* Two neighbouring runs, each one group; the second lies `apart` bytes behind the first, in the next block, or with 0 in the
 * same. */
ALWAYS_INLINE void add_pair(quad *acc, const wc_bytes *x, size_t at, const char *const *block, size_t apart,
                            int j, const four_scales *s, size_t g, quant t, pair_fn pair, const int nx)
{
    b_pair w[4];
    UNROLL
    for (int r = 0; r < 4; r++)
        w[r] = pair(block[r], block[r] + apart, j);
    UNROLL
    for (int n = 0; n < nx; n++) {
        const x_run in = x_at(x, (size_t)n, at);
        const b_pair v = b_pair_load(in.q);
        const four_sums d = b_sum4_pairs(b_dot_pair(w[0], v, WIDE(t)), b_dot_pair(w[1], v, WIDE(t)),
                                         b_dot_pair(w[2], v, WIDE(t)), b_dot_pair(w[3], v, WIDE(t)));
        acc[n] = add_group(acc[n], d.low, s, g, in.scale[0], in.sum[0] + in.sum[1], t);
        acc[n] = add_group(acc[n], d.high, s, g + 1, in.scale[1], in.sum[2] + in.sum[3], t);
    }
}

/* The blocks from value i on that are taken at once: all their groups; returns how many values they have. */
ALWAYS_INLINE size_t add_blocks(quad *acc, const wc_bytes *x, const char *const *block, size_t i, size_t k,
                                quant t, run_fn run, pair_fn pair, scales_fn scales, const int nx)
{
    four_scales s;
    if (t.block == 32) {
        take_group(&s, 0, block, 0, t);
        if (i + 32 == k) {
            add_run(acc, x, i / 32, block, 0, &s, 0, t, run, nx);
            return 32;
        }
        take_group(&s, 1, block, t.block_bytes, t);
        add_pair(acc, x, i / 32, block, t.block_bytes, 0, &s, 0, t, pair, nx);
        return 64;
    }
    take_scales(&s, block, t, scales);
    for (size_t j = 0; j < t.block / 32; j += 2) {
        if (t.group == 32) {
            add_pair(acc, x, i / 32 + j, block, 0, (int)j, &s, j, t, pair, nx);
        } else {
            add_run(acc, x, i / 32 + j, block, (int)j, &s, 2 * j, t, run, nx);
            add_run(acc, x, i / 32 + j + 1, block, (int)j + 1, &s, 2 * j + 2, t, run, nx);
        }
    }
    return t.block;
}

/* nx rows of x times four rows of w.  What lies AHEAD is fetched meanwhile, line after line: that is the order in which memory
 * gives most, and so far off that it has come when it is needed. */
enum { AHEAD = 8 * 1024 };
ALWAYS_INLINE void dot_rows(quad *acc, const wc_bytes *x, const char *const *rows, size_t k, quant t,
                            run_fn run, pair_fn pair, scales_fn scales, const int nx)
{
    const char *block[4] = {rows[0], rows[1], rows[2], rows[3]};
    size_t next = (size_t)rows[0] + AHEAD;
    UNROLL
    for (int n = 0; n < nx; n++)
        acc[n] = q_all(0);
    for (size_t i = 0; i < k;) {
        const size_t done = add_blocks(acc, x, block, i, k, t, run, pair, scales, nx),
                     bytes = done / t.block * t.block_bytes;
        i += done;
        UNROLL
        for (int r = 0; r < 4; r++)
            block[r] += bytes;
        for (const size_t end = next + 4 * bytes; next < end; next += 64)
            __builtin_prefetch((const char *)next);
    }
}

ALWAYS_INLINE void dot_quants(float *y, size_t y_stride, const wc_bytes *x, size_t n_x, const void *w,
                              size_t w_stride, size_t n_w, size_t k, quant t, run_fn run, pair_fn pair,
                              scales_fn scales)
{
    for (size_t j = 0; j < n_w; j += 4) {
        const size_t some = n_w - j < 4 ? n_w - j : 4;
        const char *rows[4];
        for (size_t r = 0; r < 4; r++) /* what lacks is computed from the last row and not stored */
            rows[r] = row_of(w, w_stride, j + (r < some ? r : some - 1), t);
        wc_bytes rest = *x;
        for (size_t r = 0, n; r < n_x; r += n) {
            quad acc[DOT_X];
            n = n_x - r < DOT_X ? 1 : DOT_X;
            if (n == DOT_X)
                dot_rows(acc, &rest, rows, k, t, run, pair, scales, DOT_X);
            else
                dot_rows(acc, &rest, rows, k, t, run, pair, scales, 1);
            for (size_t q = 0; q < n; q++)
                store_some(y + (r + q) * y_stride + j, NULL, acc[q], some);
            rest.q += n * x->k;
            rest.scale += n * (x->k / 32);
            rest.sum += n * (x->k / 16);
        }
    }
}
