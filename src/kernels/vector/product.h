/* product.h - matrix products: weights unpacked to panels for many rows, read in place for few.
 *
 * A panel holds COLS columns of k floats with zeros behind them up to a whole vector, four and four together: a vector of
 * each in turn, as tile reads them.  tile takes TILE_ROWS rows of x and four columns at a time, with one accumulator of L
 * lanes a result: ROWS + 4 loads feed 4 * ROWS fused multiply-adds, and the lanes are added for four results at once
 * (v_sum4).  Columns go in groups that stay in the first cache while the rows pass by.
 *
 * Two bf16 values stand in the place of one float where the CPU multiplies pairs: the loops are the same, over words. */

/* tile takes TURN values of k, 4 or 8 vectors, a turn: few enough turns that the CPU foresees their end. */
enum { COLS = 16, GROUP = 8, TURN = L < 8 ? 8 * L : 64 };

#define ALWAYS_INLINE static inline __attribute__((always_inline))

/* Fetches the n bytes of weights `ahead` of p, so far off that they have come when they are needed.  What serves best was measured
 * for each level, and stands in its vocabulary: whether a few rows of x take the rows of w from STREAMS = 4 places far
 * apart at once, so that the CPU, too, looks ahead at each of them, or from one, line after line; how far ahead, AHEAD bytes of one
 * row, or as far as the next rows lie and MARGIN more, but ROWS_AHEAD at least; FETCH says to which cache; and PAGES_AHEAD of
 * that, unless 0, the page is touched, as the look-up of its address is what reading from pages of 4 KB waits for. */
ALWAYS_INLINE void fetch_ahead(const void *p, size_t ahead, size_t n)
{
    const char *from = (const char *)p + ahead;
    for (size_t line = 0; line < n; line += 64)
        FETCH(from + line);
    if (PAGES_AHEAD)
        __builtin_prefetch((const char *)((uintptr_t)(from + PAGES_AHEAD) & ~(uintptr_t)4095));
}

typedef enum { LOAD_F32, LOAD_F16, LOAD_BF16, LOAD_PAIRS } loader;

/* Bytes of a stored value, and values of a lane. */
#define SIZE_OF(type)          ((type) == LOAD_F32 ? (size_t)4 : (size_t)2)
#define PER_LANE(type)         ((type) == LOAD_PAIRS ? (size_t)2 : (size_t)1)
#define MUL_ADD(a, b, c, type) ((type) == LOAD_PAIRS ? v_pairs(a, b, c) : v_fma(a, b, c))

/* acc += a b, in its register: left to itself gcc copies some of 24. */
#ifdef ADD_IN_PLACE
#define ADD_PRODUCT(acc, a, b, type)                                                                         \
    do {                                                                                                     \
        if ((type) == LOAD_PAIRS)                                                                            \
            (acc) = v_pairs(a, b, acc);                                                                      \
        else                                                                                                 \
            ADD_IN_PLACE(acc, a, b);                                                                         \
    } while (0)
#else
#define ADD_PRODUCT(acc, a, b, type) ((acc) = MUL_ADD(a, b, acc, type))
#endif

ALWAYS_INLINE vec load_weights(const void *w, size_t i, loader type)
{
    if (type == LOAD_F32 || type == LOAD_PAIRS)
        return v_load((const float *)((const char *)w + i * SIZE_OF(type)));
    return type == LOAD_F16 ? v_load_f16((const uint16_t *)w + i) : v_load_bf16((const uint16_t *)w + i);
}

/* The n values from w[i] on, fewer than a vector holds, zeros behind them. */
ALWAYS_INLINE vec load_weights_tail(const void *w, size_t i, size_t n, loader type)
{
    uint32_t copy[L] = {0};
    memcpy(copy, (const char *)w + i * SIZE_OF(type), n * SIZE_OF(type));
    return load_weights(copy, 0, type);
}

/* Where a panel holds column c: its vectors are four apart. */
ALWAYS_INLINE float *panel_column(float *panel, size_t c)
{
    return panel + c / 4 * 4 * WC_SPAN + c % 4 * L;
}

ALWAYS_INLINE void unpack(float *panel, const void *w, size_t w_stride, size_t n_cols, size_t k, loader type)
{
    const size_t step = L * PER_LANE(type);
    for (size_t c = 0; c < COLS; c++) {
        float *to = panel_column(panel, c);
        size_t i = 0;
        for (; c < n_cols && i + step <= k; i += step, to += 4 * L)
            v_store(to, load_weights(w, c * w_stride + i, type));
        for (; i < k; i += step, to += 4 * L)
            v_store(to, c < n_cols ? load_weights_tail(w, c * w_stride + i, k - i, type) : v_zero());
    }
}

#define UNPACK(name, type)                                                                                   \
    static void name(float *panel, const void *w, size_t w_stride, size_t n_cols, size_t k)                  \
    {                                                                                                        \
        unpack(panel, w, w_stride, n_cols, k, type);                                                         \
    }
UNPACK(unpack_f32, LOAD_F32)
UNPACK(unpack_f16, LOAD_F16)
UNPACK(unpack_bf16, LOAD_BF16)

/* The lanes' sums, four columns of each row. */
ALWAYS_INLINE void sum_rows(quad sums[TILE_ROWS], vec acc[TILE_ROWS][4], const int rows)
{
    int r = 0;
#ifdef V_SUMS_OF_ROWS
    if (rows >= 4) {
        v_sum4_of_4(sums, acc[0], acc[1], acc[2], acc[3]);
        r = 4;
    }
    if (rows - r >= 2) {
        v_sum4_of_2(sums + r, acc[r], acc[r + 1]);
        r += 2;
    }
#endif
    UNROLL
    for (; r < rows; r++)
        sums[r] = v_sum4(acc[r][0], acc[r][1], acc[r][2], acc[r][3]);
}

/* Rows of y <- sums and what is added to them, if anything; n of four columns. */
static __attribute__((noinline)) void store_some(float *y, size_t y_stride, const float *add,
                                                 size_t add_stride, const quad *sums, int rows, size_t n)
{
    for (int r = 0; r < rows; r++, y += y_stride) {
        float four[4] = {0};
        if (add)
            memcpy(four, add + (size_t)r * add_stride, n * sizeof *four);
        q_store(four, add ? q_add(q_load(four), sums[r]) : sums[r]);
        memcpy(y, four, n * sizeof *four);
    }
}

/* rows x 4 results, of which n_cols are stored; k is of whole vectors. */
ALWAYS_INLINE void tile_block(float *y, size_t y_stride, const float *add, size_t add_stride, const float *x,
                              size_t x_stride, const float *panel, size_t n_cols, size_t k, const int rows,
                              const loader type)
{
    vec acc[TILE_ROWS][4], a[TILE_ROWS];
    UNROLL
    for (int n = 0; n < rows * 4; n++)
        acc[n / 4][n % 4] = v_zero();
    size_t i = 0;
#define STEP(at)                                                                                             \
    UNROLL                                                                                                   \
    for (int r = 0; r < rows; r++)                                                                           \
        a[r] = v_load(x + (size_t)r * x_stride + (at));                                                      \
    UNROLL                                                                                                   \
    for (int c = 0; c < 4; c++) {                                                                            \
        const vec b = v_load_aligned(panel + 4 * (at) + c * L);                                              \
        UNROLL                                                                                               \
        for (int r = 0; r < rows; r++)                                                                       \
            ADD_PRODUCT(acc[r][c], a[r], b, type);                                                           \
    }
#define STEPS_4(at) STEP(at) STEP((at) + L) STEP((at) + 2 * L) STEP((at) + 3 * L)
    for (; i + TURN <= k; i += TURN) {
        STEPS_4(i)
        if (TURN > 4 * L) {
            STEPS_4(i + 4 * L)
        }
    }
    for (; i < k; i += L) {
        STEP(i)
    }
#undef STEPS_4
#undef STEP
    quad sums[TILE_ROWS];
    sum_rows(sums, acc, rows);
    if (n_cols < 4) {
        quad copy[TILE_ROWS]; /* so that the sums themselves need no memory */
        memcpy(copy, sums, sizeof *copy * (size_t)rows);
        store_some(y, y_stride, add, add_stride, copy, rows, n_cols);
        return;
    }
    UNROLL
    for (int r = 0; r < rows; r++)
        q_store(y + (size_t)r * y_stride,
                add ? q_add(q_load(add + (size_t)r * add_stride), sums[r]) : sums[r]);
}

/* As many whole blocks of so many rows as there are, by the columns of a group: each block of a group has a loop of its own,
 * whose end the CPU foresees better.  Returns the rows done. */
#define TILE(name, rows, type)                                                                               \
    static __attribute__((noinline))                                                                         \
    size_t name##_##rows(float *y, size_t y_stride, const float *add, size_t add_stride, const float *x,     \
                         size_t x_stride, const float *panel, size_t n_rows, size_t n_cols, size_t k)        \
    {                                                                                                        \
        size_t r = 0;                                                                                        \
        for (; n_rows - r >= rows; r += rows)                                                                \
            UNROLL                                                                                           \
        for (size_t c = 0; c < GROUP; c += 4)                                                                \
            if (c < n_cols)                                                                                  \
                tile_block(y + r * y_stride + c, y_stride, add ? add + r * add_stride + c : NULL,            \
                           add_stride, x + r * x_stride, x_stride, panel + c * WC_SPAN,                      \
                           n_cols - c < 4 ? n_cols - c : 4, k, rows, type);                                  \
        return r;                                                                                            \
    }
#if TILE_ROWS == 6
#define TILE_6(name, type) TILE(name, 6, type)
#define RUN_6(name)        RUN(name, 6)
#else
#define TILE_6(name, type)
#define RUN_6(name)
#endif
#define RUN(name, rows)                                                                                      \
    r += name##_##rows(y + r * y_stride + c, y_stride, add ? add + r * add_stride + c : NULL, add_stride,    \
                       x + r * x_stride, x_stride, panel + c * WC_SPAN, n_rows - r, some, k);
#define TILES(name, type)                                                                                    \
    TILE_6(name, type)                                                                                       \
    TILE(name, 3, type)                                                                                      \
    TILE(name, 2, type)                                                                                      \
    TILE(name, 1, type)                                                                                      \
    static void name(float *y, size_t y_stride, const float *add, size_t add_stride, const float *x,         \
                     size_t x_stride, const float *panel, size_t n_rows, size_t n_cols, size_t k)            \
    {                                                                                                        \
        k = (k + L - 1) / L * L;                                                                             \
        for (size_t c = 0; c < n_cols; c += GROUP) {                                                         \
            const size_t some = n_cols - c < GROUP ? n_cols - c : GROUP;                                     \
            size_t r = 0;                                                                                    \
            RUN_6(name)                                                                                      \
            RUN(name, 3)                                                                                     \
            RUN(name, 2)                                                                                     \
            RUN(name, 1)                                                                                     \
        }                                                                                                    \
    }
TILES(tile, LOAD_F32)
#ifdef PAIRS_BY_VECTORS
TILES(tile_words, LOAD_PAIRS)
#endif
#undef RUN

/* nx rows of x times nw rows of w, 1 or 4, of which each lies `apart` rows after the one before.  Behind four
 * neighbours the next are fetched meanwhile: of so many at once the CPU foresees none. */
ALWAYS_INLINE void dot_block(float *y, size_t y_stride, const float *x, size_t x_stride, const void *w,
                             size_t w_stride, size_t apart, size_t k, loader type, const int nx, const int nw)
{
    const size_t size = SIZE_OF(type), per = PER_LANE(type), line = 64 / (size * per);
    for (size_t at = 0; at == 0 || at * per < k; at += WC_SPAN) {
        const size_t end = k - at * per < WC_SPAN * per ? k : (at + WC_SPAN) * per;
        const size_t whole = at + (end / per - at) / L * L;
        vec acc[TILE_ROWS][4], a[TILE_ROWS];
        UNROLL
        for (int n = 0; n < nx * nw; n++)
            acc[n / nw][n % nw] = v_zero();
        size_t i = at;
#define STEP(i)                                                                                              \
    UNROLL                                                                                                   \
    for (int r = 0; r < nx; r++)                                                                             \
        a[r] = v_load(x + (size_t)r * x_stride + (i));                                                       \
    UNROLL                                                                                                   \
    for (int j = 0; j < nw; j++) {                                                                           \
        const vec b = load_weights(w, (size_t)j * apart * w_stride + (i)*per, type);                         \
        UNROLL                                                                                               \
        for (int r = 0; r < nx; r++)                                                                         \
            acc[r][j] = MUL_ADD(a[r], b, acc[r][j], type);                                                   \
    }
        for (; i + line <= whole; i += line) {
            UNROLL
            for (int j = 0; j < nw; j++) {
                const char *at_w = (const char *)w + ((size_t)j * apart * w_stride + i * per) * size;
                if (STREAMS == 1 && nw == 4)
                    __builtin_prefetch(at_w + 4 * w_stride * size);
                else if (type != LOAD_PAIRS) /* of pairs the CPU foresees as much by itself */
                    fetch_ahead(at_w, AHEAD, line * size);
            }
            UNROLL
            for (size_t m = 0; m < line; m += L) {
                STEP(i + m)
            }
        }
        for (; i < whole; i += L) {
            STEP(i)
        }
#undef STEP
        if (whole * per < end) {
            const size_t rest = end - whole * per;
            UNROLL
            for (int n = 0; n < nx * nw; n++) {
                const vec b = load_weights_tail(w, (size_t)(n % nw) * apart * w_stride + whole * per, rest,
                                                type);
                const vec last = load_weights_tail(x + (size_t)(n / nw) * x_stride + whole, 0, rest,
                                                   type == LOAD_PAIRS ? type : LOAD_F32);
                acc[n / nw][n % nw] = MUL_ADD(last, b, acc[n / nw][n % nw], type);
            }
        }
        UNROLL
        for (int r = 0; r < nx; r++) {
            float *out = &y[(size_t)r * y_stride];
            float sums[4];
            if (nw == 4)
                q_store(sums, v_sum4(acc[r][0], acc[r][1], acc[r][2], acc[r][3]));
            else
                sums[0] = v_sum(acc[r][0]);
            UNROLL
            for (int j = 0; j < nw; j++)
                out[(size_t)j * apart] = at == 0 ? sums[j] : out[(size_t)j * apart] + sums[j];
        }
    }
}

ALWAYS_INLINE void dot(float *y, size_t y_stride, const float *x, size_t x_stride, size_t n_x, const void *w,
                       size_t w_stride, size_t n_w, size_t k, loader type)
{
    /* one row of x, which waits for memory: neighbours of 16 bits come fastest one by one, f32 four at a time */
    const size_t fours = STREAMS == 4 || n_x > 1 || SIZE_OF(type) == 4 ? n_w / 4 : 0;
    const size_t apart = STREAMS == 4 ? fours : 1;
    for (size_t n = 0; n < n_w - 3 * fours; n++) { /* the fours, then the others one by one */
        const size_t j = n >= fours ? 3 * fours + n : 4 / STREAMS * n;
        const void *rows = (const char *)w + j * w_stride * SIZE_OF(type);
        size_t r = 0;
#define RUN(nx, nw)                                                                                          \
    dot_block(y + r * y_stride + j, y_stride, x + r * x_stride, x_stride, rows, w_stride, apart, k, type,    \
              nx, nw)
        if (n < fours) {
#if TILE_ROWS == 6
            for (; n_x - r >= 6; r += 6)
                RUN(6, 4);
#endif
            for (; n_x - r >= 3; r += 3)
                RUN(3, 4);
            for (; n_x - r >= 2; r += 2)
                RUN(2, 4);
            if (r < n_x)
                RUN(1, 4);
        } else {
            for (; r < n_x; r++)
                RUN(1, 1);
        }
#undef RUN
    }
}

#define DOT(name, type)                                                                                      \
    static void name(float *y, size_t y_stride, const float *x, size_t x_stride, size_t n_x, const void *w,  \
                     size_t w_stride, size_t n_w, size_t k)                                                  \
    {                                                                                                        \
        dot(y, y_stride, x, x_stride, n_x, w, w_stride, n_w, k, type);                                       \
    }
DOT(dot_f32, LOAD_F32)
DOT(dot_f16, LOAD_F16)
DOT(dot_bf16, LOAD_BF16)

#ifdef PAIRS_BY_VECTORS
static void unpack_pairs(uint16_t *panel, const uint16_t *w, size_t w_stride, size_t n_cols, size_t k)
{
    unpack((float *)panel, w, w_stride, n_cols, k, LOAD_PAIRS);
}

static void tile_pairs(float *y, size_t y_stride, const float *add, size_t add_stride, const uint16_t *x,
                       size_t x_stride, const uint16_t *panel, size_t n_rows, size_t n_cols, size_t k)
{
    tile_words(y, y_stride, add, add_stride, (const float *)x, x_stride / 2, (const float *)panel, n_rows,
               n_cols, (k + 1) / 2);
}

static void dot_pairs(float *y, size_t y_stride, const uint16_t *x, size_t x_stride, size_t n_x,
                      const uint16_t *w, size_t w_stride, size_t n_w, size_t k)
{
    dot(y, y_stride, (const float *)x, x_stride / 2, n_x, w, w_stride, n_w, k, LOAD_PAIRS);
}
#endif

/* rows x (1 or 2) L values of o from column i on, `last` of the last vector; a weight, and a value of v, is a float or a
 * bf16 pair.  v can be read to whole vectors. */
ALWAYS_INLINE void mix_block(float *o, size_t o_stride, const float *alpha, const float *p, size_t p_stride,
                             const float *v, size_t v_stride, size_t n_keys, const int rows, const int wide,
                             const size_t last, const loader type)
{
    vec c[MIX_ROWS][2];
    UNROLL
    for (int r = 0; r < rows; r++)
        UNROLL
    for (int i = 0; i < wide; i++) {
        const float *from = o + (size_t)r * o_stride + i * L;
        c[r][i] = alpha ? v_mul(i + 1 < wide ? v_load(from) : v_load_first(from, last), v_all(alpha[r]))
                        : v_zero();
    }
    for (size_t j = 0; j < n_keys; j++) {
        const vec b0 = v_load(v + j * v_stride), b1 = wide > 1 ? v_load(v + j * v_stride + L) : b0;
        UNROLL
        for (int r = 0; r < rows; r++) {
            const vec a = v_all(p[(size_t)r * p_stride + j]);
            c[r][0] = MUL_ADD(a, b0, c[r][0], type);
            if (wide > 1)
                c[r][1] = MUL_ADD(a, b1, c[r][1], type);
        }
    }
    UNROLL
    for (int r = 0; r < rows; r++)
        UNROLL
    for (int i = 0; i < wide; i++) {
        float *to = o + (size_t)r * o_stride + i * L;
        if (i + 1 < wide)
            v_store(to, c[r][i]);
        else
            v_store_first(to, c[r][i], last);
    }
}

/* The columns that fill whole blocks; returns how many. */
ALWAYS_INLINE size_t mix_whole(float *o, size_t o_stride, const float *alpha, const float *p, size_t p_stride,
                               const float *v, size_t v_stride, size_t n_rows, size_t n_keys, size_t d,
                               const loader type)
{
    size_t i = 0;
    for (; i + 2 * L <= d; i += 2 * L) {
        size_t r = 0;
#define RUN(rows)                                                                                            \
    for (; n_rows - r >= rows; r += rows)                                                                    \
        mix_block(o + r * o_stride + i, o_stride, alpha ? alpha + r : NULL, p + r * p_stride, p_stride,      \
                  v + i, v_stride, n_keys, rows, 2, L, type);
#if MIX_ROWS == 12
        RUN(12)
#endif
        RUN(6)
        RUN(4)
        RUN(2)
        RUN(1)
#undef RUN
    }
    return i;
}

static void mix(float *o, size_t o_stride, const float *alpha, const float *p, size_t p_stride,
                const float *v, size_t v_stride, size_t n_rows, size_t n_keys, size_t d)
{
    size_t i = mix_whole(o, o_stride, alpha, p, p_stride, v, v_stride, n_rows, n_keys, d, LOAD_F32);
    for (; i < d; i++) /* a last few columns, one by one, in the same order */
        for (size_t r = 0; r < n_rows; r++) {
            float sum = o[r * o_stride + i] * alpha[r];
            for (size_t j = 0; j < n_keys; j++)
                sum = fmaf(p[r * p_stride + j], v[j * v_stride + i], sum);
            o[r * o_stride + i] = sum;
        }
}

#ifdef PAIRS_BY_VECTORS
/* n < 2L columns of some rows. */
ALWAYS_INLINE void mix_rest(float *o, size_t o_stride, const float *alpha, const float *p, size_t p_stride,
                            const float *v, size_t v_stride, size_t n_pairs, size_t n, const int rows)
{
    if (n > L)
        mix_block(o, o_stride, alpha, p, p_stride, v, v_stride, n_pairs, rows, 2, n - L, LOAD_PAIRS);
    else
        mix_block(o, o_stride, alpha, p, p_stride, v, v_stride, n_pairs, rows, 1, n, LOAD_PAIRS);
}

static void mix_pairs(float *o, size_t o_stride, const float *alpha, const uint16_t *p, size_t p_stride,
                      const uint16_t *v, size_t v_stride, size_t n_rows, size_t n_pairs, size_t d)
{
    const float *weights = (const float *)p, *values = (const float *)v;
    const size_t i = mix_whole(o, o_stride, alpha, weights, p_stride / 2, values, v_stride / 2, n_rows,
                               n_pairs, d, LOAD_PAIRS);
    size_t r = 0;
    if (i == d)
        return;
#define RUN(rows)                                                                                            \
    for (; n_rows - r >= rows; r += rows)                                                                    \
        mix_rest(o + r * o_stride + i, o_stride, alpha ? alpha + r : NULL, weights + r * (p_stride / 2),     \
                 p_stride / 2, values + i, v_stride / 2, n_pairs, d - i, rows);
    RUN(12)
    RUN(4)
    RUN(1)
#undef RUN
}
#endif
