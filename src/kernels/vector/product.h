/* product.h - matrix products: weights unpacked to panels for many rows, read in place for few.
 *
 * The sum of a result has four lanes (kernels.h), and a vector holds those of L / 4 columns.  A panel holds COLS columns, L and
 * L together: for every four values of k four vectors, of which quarter q of vector v has those of column 4 q + v, zeros behind k.
 * tile takes TILE_ROWS rows of x and L columns at a time: for four values of k a row's stand in every quarter of a vector and
 * meet the four of the panel, so TILE_ROWS + 4 loads feed 4 * TILE_ROWS fused multiply-adds.  Then four vectors' lanes are added
 * at once, which leaves the columns in their order (v_sum_lanes).  The rows are packed as they are read, one stream for all: the
 * CPU fetches what comes next by itself, and one address serves them.
 *
 * Two bf16 values stand in the place of one float where the CPU multiplies pairs: the loops are the same, over words. */

/* QUARTERS columns of a vector. */
enum { COLS = 16, LANES = 4, QUARTERS = L / LANES };

/* Vectors of the four that are unpacked at once: short ones, stored alone, would write a part of each line of the cache. */
enum { TOGETHER = L < 16 ? 4 : 1 };

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

/* Where a panel holds the first four values of column c; the next are 4 L floats further. */
ALWAYS_INLINE float *panel_column(float *panel, size_t c)
{
    return panel + c / L * L * WC_SPAN + c % 4 * L + c % L / 4 * LANES;
}

/* Values i, i + 1 .. of some rows of w, a vector of each: then four and four of k for all rows in a vector.  There are `rest`, or no
 * less than a vector holds; zeros stand behind them, and in rows that are not there. */
ALWAYS_INLINE void load_quarters(vec t[QUARTERS], const void *w, size_t row_stride, size_t n_rows, size_t i,
                                 size_t rest, const loader type)
{
    UNROLL
    for (int q = 0; q < QUARTERS; q++)
        t[q] = (size_t)q >= n_rows          ? v_zero()
               : rest >= L * PER_LANE(type) ? load_weights(w, (size_t)q * row_stride + i, type)
                                            : load_weights_tail(w, (size_t)q * row_stride + i, rest, type);
    v_turn_quarters(t);
}

/* Words i .. i + L - 1 of the vectors that begin with column c, of which n_rows and `rest` values are there. */
ALWAYS_INLINE void unpack_vector(float *panel, const void *w, size_t w_stride, size_t c, size_t n_rows,
                                 size_t i, size_t rest, const loader type)
{
    const size_t per = PER_LANE(type);
    vec t[QUARTERS];
    load_quarters(t, (const char *)w + c * w_stride * SIZE_OF(type), 4 * w_stride, n_rows, i * per, rest,
                  type);
    UNROLL
    for (size_t q = 0; q < QUARTERS; q++)
        if (q * LANES * per < rest)
            v_store(panel_column(panel, c) + (i + q * LANES) * 4 * L / LANES, t[q]);
}

ALWAYS_INLINE void unpack(float *panel, const void *w, size_t w_stride, size_t n_cols, size_t k,
                          const loader type)
{
    const size_t per = PER_LANE(type), words = (k + per - 1) / per;
    for (size_t c = 0; c < COLS; c += c % 4 == 4 - TOGETHER ? L - 4 + TOGETHER : TOGETHER) {
        const bool all = c / L * L + L <= n_cols;
        size_t i = 0;
        for (; all && (i + L) * per <= k; i += L)
            for (size_t v = 0; v < TOGETHER; v++)
                unpack_vector(panel, w, w_stride, c + v, QUARTERS, i, L * per, type);
        for (; i < words; i += L)
            for (size_t v = 0; v < TOGETHER; v++)
                unpack_vector(panel, w, w_stride, c + v, c + v < n_cols ? (n_cols - c - v + 3) / 4 : 0, i,
                              k - i * per, type);
    }
}

/* The first fours of some rows, then their next ones; only the last four may be fewer. */
ALWAYS_INLINE void pack_group(float *to, const float *x, size_t x_stride, const size_t n_rows, size_t k)
{
    size_t i = 0;
    for (; i + LANES <= k; i += LANES)
        for (size_t r = 0; r < n_rows; r++)
            memcpy(to + i * TILE_ROWS + r * LANES, x + r * x_stride + i, LANES * sizeof *to);
    for (size_t r = 0; i < k && r < n_rows; r++) {
        float last[LANES] = {0};
        memcpy(last, x + r * x_stride + i, (k - i) * sizeof *last);
        memcpy(to + i * TILE_ROWS + r * LANES, last, sizeof last);
    }
}

static void pack(float *packed, size_t group, const float *x, size_t x_stride, size_t n_rows, size_t k)
{
    size_t r = 0;
    for (; r + TILE_ROWS <= n_rows; r += TILE_ROWS)
        pack_group(packed + r / TILE_ROWS * group, x + r * x_stride, x_stride, TILE_ROWS, k);
    if (r < n_rows)
        pack_group(packed + r / TILE_ROWS * group, x + r * x_stride, x_stride, n_rows - r, k);
}

#define UNPACK(name, type)                                                                                   \
    static void name(float *panel, const void *w, size_t w_stride, size_t n_cols, size_t k)                  \
    {                                                                                                        \
        unpack(panel, w, w_stride, n_cols, k, type);                                                         \
    }
UNPACK(unpack_f32, LOAD_F32)
UNPACK(unpack_f16, LOAD_F16)
UNPACK(unpack_bf16, LOAD_BF16)

/* n columns of some rows of y <- their sums, L to a row, and what is added to them, if anything. */
static __attribute__((noinline)) void store_some(float *y, size_t y_stride, const float *add,
                                                 size_t add_stride, const float *sums, size_t n_rows,
                                                 size_t n)
{
    for (size_t r = 0; r < n_rows; r++)
        for (size_t c = 0; c < n; c++)
            y[r * y_stride + c] = add ? add[r * add_stride + c] + sums[r * L + c] : sums[r * L + c];
}

/* rows x L results, of which n_cols are stored; k is of whole fours.  Rows of pairs lie x_stride apart, others are packed. */
ALWAYS_INLINE void tile_block(float *y, size_t y_stride, const float *add, size_t add_stride, const float *x,
                              size_t x_stride, const float *panel, size_t n_cols, size_t k, const int rows,
                              const loader type)
{
    const bool packed = type != LOAD_PAIRS;
    const size_t x_row = packed ? LANES : x_stride, x_step = packed ? TILE_ROWS : 1;
    vec acc[TILE_ROWS][4], a[TILE_ROWS];
    UNROLL
    for (int n = 0; n < rows * 4; n++)
        acc[n / 4][n % 4] = v_zero();
    const float *const end = panel + k * L, *const fours = panel + k / (4 * LANES) * (4 * LANES) * L;
#define STEP(at)                                                                                             \
    UNROLL                                                                                                   \
    for (int r = 0; r < rows; r++)                                                                           \
        a[r] = v_quarters(x + (size_t)r * x_row + (at)*LANES * x_step);                                      \
    UNROLL                                                                                                   \
    for (int v = 0; v < 4; v++) {                                                                            \
        const vec b = v_load_aligned(panel + (at)*LANES * L + v * L);                                        \
        UNROLL                                                                                               \
        for (int r = 0; r < rows; r++)                                                                       \
            ADD_PRODUCT(acc[r][v], a[r], b, type);                                                           \
    }
    for (; panel < fours; panel += 4 * LANES * L, x += 4 * LANES * x_step) {
        STEP(0)
        STEP(1)
        STEP(2)
        STEP(3)
    }
    for (; panel < end; panel += LANES * L, x += LANES * x_step) {
        STEP(0)
    }
#undef STEP
    UNROLL
    for (int r = 0; r < rows; r++)
        a[r] = v_sum_lanes(acc[r][0], acc[r][1], acc[r][2], acc[r][3]);
    if (n_cols < L) {
        float sums[TILE_ROWS * L];
        UNROLL
        for (int r = 0; r < rows; r++)
            v_store(sums + r * L, a[r]);
        store_some(y, y_stride, add, add_stride, sums, rows, n_cols);
        return;
    }
    if (add)
        UNROLL
    for (int r = 0; r < rows; r++)
        a[r] = v_add(v_load(add + (size_t)r * add_stride), a[r]);
    UNROLL
    for (int r = 0; r < rows; r++)
        v_store(y + (size_t)r * y_stride, a[r]);
}

/* Where row r begins: x_stride is that of pairs from row to row, of packed rows from group to group. */
ALWAYS_INLINE const float *x_at(const float *x, size_t x_stride, size_t r, const loader type)
{
    return type == LOAD_PAIRS ? x + r * x_stride : x + r / TILE_ROWS * x_stride + r % TILE_ROWS * LANES;
}

/* Rows from r on, as many whole blocks of so many as there are, by L columns.  Returns the first that is left.  Of packed rows
 * there is one block that is less than a group. */
#define TILE(name, rows, type)                                                                               \
    static __attribute__((noinline)) size_t name##_##rows(                                                   \
        float *y, size_t y_stride, const float *add, size_t add_stride, const float *x, size_t x_stride,     \
        const float *panel, size_t r, size_t n_rows, size_t n_cols, size_t k)                                \
    {                                                                                                        \
        x = x_at(x, x_stride, r, type);                                                                      \
        for (; n_rows - r >= rows; r += rows) {                                                              \
            tile_block(y + r * y_stride, y_stride, add ? add + r * add_stride : NULL, add_stride, x,         \
                       x_stride, panel, n_cols, k, rows, type);                                              \
            x += (type == LOAD_PAIRS ? rows : 1) * x_stride;                                                 \
        }                                                                                                    \
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
    r = name##_##rows(y + c, y_stride, add ? add + c : NULL, add_stride, x, x_stride, panel + c * WC_SPAN,   \
                      r, n_rows, some, k);
#define TILES(name, type)                                                                                    \
    TILE_6(name, type)                                                                                       \
    TILE(name, 3, type)                                                                                      \
    TILE(name, 2, type)                                                                                      \
    TILE(name, 1, type)                                                                                      \
    static void name(float *y, size_t y_stride, const float *add, size_t add_stride, const float *x,         \
                     size_t x_stride, const float *panel, size_t n_rows, size_t n_cols, size_t k)            \
    {                                                                                                        \
        k = (k + LANES - 1) / LANES * LANES;                                                                 \
        for (size_t c = 0; c < n_cols; c += L) {                                                             \
            const size_t some = n_cols - c < L ? n_cols - c : L;                                             \
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

/* Of several rows of x dot takes so many at once, by so many rows of w: what the registers hold. */
enum { DOT_ROWS = L == 8 ? 4 : TILE_ROWS, DOT_COLS = L == 8 ? 4 : L };

/* nx rows of x times n_w of `cols` rows of w, of which each lies `apart` rows after the one before: row n of them is in
 * quarter n / n_vecs of vector n % n_vecs, so that L sums come out in their order.  Behind neighbours the next are fetched
 * meanwhile: of so many at once the CPU foresees none. */
ALWAYS_INLINE void dot_block(float *y, size_t y_stride, const float *x, size_t x_stride, const void *w,
                             size_t w_stride, size_t apart, size_t n_w, size_t k, const loader type,
                             const int nx, const int cols)
{
    const int n_vecs = cols / QUARTERS;
    const size_t size = SIZE_OF(type), per = PER_LANE(type), line = 64 / (size * per);
    const char *from[L];
    UNROLL
    for (int n = 0; n < cols; n++) /* what lacks is the first one again */
        from[n] = (const char *)w + ((size_t)n < n_w ? (size_t)n : 0) * apart * w_stride * size;
    for (size_t at = 0; at == 0 || at * per < k; at += WC_SPAN) {
        const size_t end = k - at * per < WC_SPAN * per ? k : (at + WC_SPAN) * per;
        const size_t whole = at + (end / per - at) / L * L;
        vec acc[DOT_ROWS][4];
        UNROLL
        for (int n = 0; n < nx * 4; n++)
            acc[n / 4][n % 4] = v_zero();
        size_t i = at;
        /* values i .. of w, and of x, whose rows are x_row apart; of both the first fours */
#define STEP(load, i, x_at, x_row, fours)                                                                    \
    UNROLL                                                                                                   \
    for (int v = 0; v < n_vecs; v++) {                                                                       \
        vec t[QUARTERS];                                                                                     \
        UNROLL                                                                                               \
        for (int q = 0; q < QUARTERS; q++)                                                                   \
            t[q] = load(from[q * n_vecs + v], i);                                                            \
        v_turn_quarters(t);                                                                                  \
        UNROLL                                                                                               \
        for (int q = 0; q < QUARTERS; q++)                                                                   \
            if (q < (fours))                                                                                 \
                UNROLL                                                                                       \
        for (int r = 0; r < nx; r++)                                                                         \
            acc[r][v] = MUL_ADD(v_quarters((x_at) + (size_t)r * (x_row) + q * LANES), t[q], acc[r][v],       \
                                type);                                                                       \
    }
#define WHOLE(p, i) load_weights(p, (i)*per, type)
#define REST(p, i)  load_weights_tail(p, (i)*per, end - (i)*per, type)
        for (; i + line <= whole; i += line) {
            UNROLL
            for (int n = 0; n < cols; n++) {
                const char *at_w = from[n] + i * per * size;
                if (STREAMS == 1 || cols > 4)
                    __builtin_prefetch(at_w + (size_t)cols * w_stride * size);
                else
                    fetch_ahead(at_w, AHEAD, line * per * size);
            }
            UNROLL
            for (size_t m = 0; m < line; m += L) {
                STEP(WHOLE, i + m, x + i + m, x_stride, QUARTERS)
            }
        }
        for (; i < whole; i += L) {
            STEP(WHOLE, i, x + i, x_stride, QUARTERS)
        }
        if (whole * per < end) {
            float last[DOT_ROWS * L] = {0};
            const size_t words = (end - whole * per + per - 1) / per;
            const int fours = (int)((words + LANES - 1) / LANES);
            UNROLL
            for (int r = 0; r < nx; r++)
                memcpy(last + r * L, x + (size_t)r * x_stride + whole, words * sizeof *x);
            STEP(REST, whole, last, L, fours)
        }
#undef STEP
#undef WHOLE
#undef REST
        UNROLL
        for (int r = 0; r < nx; r++) {
            float *out = &y[(size_t)r * y_stride], copy[L];
            const vec sums = v_sum_lanes(acc[r][0], acc[r][1], acc[r][2], acc[r][3]);
            if (cols == L && n_w == L && apart == 1) {
                v_store(out, at == 0 ? sums : v_add(v_load(out), sums));
                continue;
            }
            v_store(copy, sums);
            for (size_t n = 0; n < n_w; n++) {
                const float sum = copy[n / (size_t)n_vecs * 4 + n % (size_t)n_vecs];
                out[n * apart] = at == 0 ? sum : out[n * apart] + sum;
            }
        }
    }
}

/* All rows of x times n_w of `cols` rows of w. */
ALWAYS_INLINE void dot_each(float *y, size_t y_stride, const float *x, size_t x_stride, size_t n_x,
                            const void *w, size_t w_stride, size_t apart, size_t n_w, size_t k,
                            const loader type, const int cols)
{
    size_t r = 0;
#define RUN(nx)                                                                                              \
    for (; n_x - r >= nx; r += nx)                                                                           \
        dot_block(y + r * y_stride, y_stride, x + r * x_stride, x_stride, w, w_stride, apart, n_w, k, type,  \
                  nx, cols);
#if TILE_ROWS == 6
    RUN(6)
#endif
    RUN(4)
    RUN(3)
    RUN(2)
    RUN(1)
#undef RUN
}

/* One row of x waits for memory: of four places far apart, if the level likes that.  For several rows the sums of many
 * neighbours are begun before one is needed. */
ALWAYS_INLINE void dot(float *y, size_t y_stride, const float *x, size_t x_stride, size_t n_x, const void *w,
                       size_t w_stride, size_t n_w, size_t k, const loader type)
{
    const size_t row = w_stride * SIZE_OF(type), fours = n_w / 4, apart = STREAMS == 4 ? fours : 1;
    const char *rows = w;
    size_t j = 0;
    if (n_x == 1) {
        for (size_t n = 0; n < fours; n++, j += 4) {
            const size_t first = STREAMS == 4 ? n : 4 * n;
            dot_block(y + first, y_stride, x, x_stride, rows + first * row, w_stride, apart, 4, k, type, 1,
                      4);
        }
    } else {
        for (; j + DOT_COLS <= n_w; j += DOT_COLS)
            dot_each(y + j, y_stride, x, x_stride, n_x, rows + j * row, w_stride, 1, DOT_COLS, k, type,
                     DOT_COLS);
    }
    for (size_t some; j < n_w; j += some) {
        some = n_w - j < 4 ? n_w - j : 4;
        dot_each(y + j, y_stride, x, x_stride, n_x, rows + j * row, w_stride, 1, some, k, type, 4);
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

/* rows x 2 L values of o, or rows x the first n <= L; a weight, and a value of v, is a float or a bf16 pair. */
ALWAYS_INLINE void mix_block(float *o, size_t o_stride, const float *alpha, const float *p, size_t p_stride,
                             const float *v, size_t v_stride, size_t n_keys, const int rows, const int wide,
                             const size_t n, const loader type)
{
    vec c[12][2];
#define LOAD(p) (wide > 1 || n == L ? v_load(p) : v_load_first(p, n))
    UNROLL
    for (int r = 0; r < rows; r++)
        UNROLL
    for (int i = 0; i < wide; i++)
        c[r][i] = alpha ? v_mul(LOAD(o + (size_t)r * o_stride + i * L), v_all(alpha[r])) : v_zero();
    for (size_t j = 0; j < n_keys; j++) {
        const vec b0 = LOAD(v + j * v_stride), b1 = wide > 1 ? LOAD(v + j * v_stride + L) : b0;
        UNROLL
        for (int r = 0; r < rows; r++) {
            const vec a = v_all(p[(size_t)r * p_stride + j]);
            c[r][0] = MUL_ADD(a, b0, c[r][0], type);
            if (wide > 1)
                c[r][1] = MUL_ADD(a, b1, c[r][1], type);
        }
    }
#undef LOAD
    UNROLL
    for (int r = 0; r < rows; r++)
        UNROLL
    for (int i = 0; i < wide; i++) {
        float *to = o + (size_t)r * o_stride + i * L;
        if (wide > 1 || n == L)
            v_store(to, c[r][i]);
        else
            v_store_first(to, c[r][i], n);
    }
}

/* Two vectors of columns at a time, then one, then what is left of one. */
ALWAYS_INLINE void mix_all(float *o, size_t o_stride, const float *alpha, const float *p, size_t p_stride,
                           const float *v, size_t v_stride, size_t n_rows, size_t n_keys, size_t d,
                           const loader type)
{
    size_t i = 0;
#define RUN(rows, wide, n)                                                                                   \
    for (; n_rows - r >= rows; r += rows)                                                                    \
        mix_block(o + r * o_stride + i, o_stride, alpha ? alpha + r : NULL, p + r * p_stride, p_stride,      \
                  v + i, v_stride, n_keys, rows, wide, n, type);
    for (; i + 2 * L <= d; i += 2 * L) {
        size_t r = 0;
#if MIX_ROWS == 12
        RUN(12, 2, L)
#endif
        RUN(6, 2, L)
        RUN(4, 2, L)
        RUN(2, 2, L)
        RUN(1, 2, L)
    }
    if (i + L <= d) {
        size_t r = 0;
        RUN(12, 1, L)
        RUN(4, 1, L)
        RUN(1, 1, L)
        i += L;
    }
    if (i < d) {
        const size_t n = d - i;
        size_t r = 0;
        RUN(12, 1, n)
        RUN(4, 1, n)
        RUN(1, 1, n)
    }
#undef RUN
}

static void mix(float *o, size_t o_stride, const float *alpha, const float *p, size_t p_stride,
                const float *v, size_t v_stride, size_t n_rows, size_t n_keys, size_t d)
{
    mix_all(o, o_stride, alpha, p, p_stride, v, v_stride, n_rows, n_keys, d, LOAD_F32);
}

#ifdef PAIRS_BY_VECTORS
static void mix_pairs(float *o, size_t o_stride, const float *alpha, const uint16_t *p, size_t p_stride,
                      const uint16_t *v, size_t v_stride, size_t n_rows, size_t n_pairs, size_t d)
{
    mix_all(o, o_stride, alpha, (const float *)p, p_stride / 2, (const float *)v, v_stride / 2, n_rows,
            n_pairs, d, LOAD_PAIRS);
}
#endif
