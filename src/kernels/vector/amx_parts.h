/* amx_parts.h - products with f32, as exact as those of f32, by tiles of bf16 (amx.h).
 *
 * A float is the sum of three bf16: x0 is x rounded, x1 what is left rounded, x2 the rest; of its 24 bits none is lost.  f16 has two
 * such parts and bf16 one.  A product is the sum of x_i w_j for i + j < 3, what is left out being below 2^-24 of it (Henry, Tang,
 * Heinecke, "Leveraging the bfloat16 artificial intelligence datatype for higher-precision computations", ARITH 2019).  The CPU takes
 * parts below 2^-126 for zeros, and of what is not finite, or within 2^-9 of not being so, there is no rest: such products are NaN.
 *
 * A step is 32 values of K: word l of a part has those of the values l and l + 16.  Per step a panel holds [3 parts][2 times 16 columns]
 * tiles of w, turned. */

enum { PARTS = WC_PARTS, STEP_VALUES = WC_PART_STEP };

#define i_and(a, b)      _mm512_and_si512(a, b)
#define i_or(a, b)       _mm512_or_si512(a, b)
#define i_high_halves(a) _mm512_srli_epi32(a, 16)

/* Parts of a stored type. */
#define PARTS_OF(type) ((type) == LOAD_F32 ? PARTS : (type) == LOAD_F16 ? 2 : 1)

/* The n parts of values a and b.  The last one is exact as it stands. */
ALWAYS_INLINE void cut(vec to[PARTS], vec a, vec b, const int n)
{
    const ivec half = i_all(0x8000), high = i_all(-0x10000);
    UNROLL
    for (int p = 0; p < n; p++) {
        const bool rounds = p + 1 < n;
        const ivec i = rounds ? i_add((ivec)a, half) : (ivec)a, j = rounds ? i_add((ivec)b, half) : (ivec)b;
        to[p] = (vec)i_or(i_high_halves(i), i_and(j, high));
        a = v_sub(a, (vec)i_and(i, high));
        b = v_sub(b, (vec)i_and(j, high));
    }
}

/* L values from i on of a row of k, zeros behind them. */
ALWAYS_INLINE vec load_some(const void *row, size_t i, size_t k, const loader type)
{
    return i + L <= k ? load_weights(row, i, type)
           : i < k    ? load_weights_tail(row, i, k - i, type)
                      : v_zero();
}

/* Rows of x that are many lie in tiles, [n / 16][k / 32][3][16 rows][16 words]; of few, [k / 32][3][16 words][n]. */
static void split(uint32_t *to, size_t steps_apart, size_t parts_apart, size_t words_apart, const float *x,
                  size_t k)
{
    for (size_t i = 0; i < k; i += STEP_VALUES, to += steps_apart) {
        vec parts[PARTS];
        cut(parts, load_some(x, i, k, LOAD_F32), load_some(x, i + TILE, k, LOAD_F32), PARTS);
        UNROLL
        for (int p = 0; p < PARTS; p++) {
            uint32_t words[TILE], *first = to + (size_t)p * parts_apart;
            v_store((float *)(words_apart == 1 ? first : words), parts[p]);
            for (size_t l = 0; words_apart > 1 && l < TILE; l++)
                first[l * words_apart] = words[l];
        }
    }
}

/* 16 values from i on of up to 16 columns, turned. */
ALWAYS_INLINE void turn_columns(uint32_t *to, const void *w, size_t w_stride, size_t n_cols, size_t i,
                                size_t k, const loader type)
{
    vec from[TILE];
    for (size_t c = 0; c < TILE; c++)
        from[c] = c < n_cols ? load_some((const char *)w + c * w_stride * SIZE_OF(type), i, k, type)
                             : v_zero();
    turn_words(to, from);
}

ALWAYS_INLINE void unpack_parts(uint32_t *panel, const void *w, size_t w_stride, size_t n_cols, size_t k,
                                const loader type)
{
    _Alignas(64) uint32_t a[TILE_WORDS], b[TILE_WORDS];
    for (size_t i = 0; i < k; i += STEP_VALUES, panel += PARTS * 2 * TILE_WORDS)
        for (size_t c = 0; c < n_cols; c += TILE) {
            const char *from = (const char *)w + c * w_stride * SIZE_OF(type);
            const size_t some = at_most(n_cols - c, TILE);
            turn_columns(a, from, w_stride, some, i, k, type);
            turn_columns(b, from, w_stride, some, i + TILE, k, type);
            for (size_t l = 0; l < TILE_WORDS; l += L) {
                vec parts[PARTS];
                cut(parts, v_load((float *)a + l), v_load((float *)b + l), PARTS_OF(type));
                for (int p = 0; p < PARTS_OF(type); p++)
                    v_store((float *)panel + (size_t)p * 2 * TILE_WORDS + c * TILE + l, parts[p]);
            }
        }
}

ALWAYS_INLINE void tile_parts(float *y, size_t y_stride, const float *add, size_t add_stride,
                              const uint32_t *x, size_t x_block, const uint32_t *panel, size_t n_rows,
                              size_t n_cols, size_t k, const int w_parts)
{
    const size_t bytes = 4 * TILE_WORDS;
    const tile_operands o = {.x = (const char *)x,
                             .x_row = 4 * TILE,
                             .x_next = x_block * sizeof *x,
                             .x_step = PARTS * bytes,
                             .x_part = bytes,
                             .w = (const char *)panel,
                             .w_row = 4 * TILE,
                             .w_next = bytes,
                             .w_step = PARTS * 2 * bytes,
                             .w_part = 2 * bytes,
                             .steps = (k + STEP_VALUES - 1) / STEP_VALUES};
    product_shape loaded = {0};
    MEMORY_IS_WRITTEN();
    multiply_rows(&loaded, y, y_stride, add, add_stride, o, n_rows, n_cols, TILE, w_parts);
    _tile_release();
}

/* ---- few rows of x: w as it lies is the left operand ---- */

/* Up to 32 rows of w, each `apart` rows after the one before. */
typedef struct left_rows {
    const char *w;
    size_t row; /* bytes from one to the next */
    size_t n, k;
} left_rows;

/* The parts of a step of them: [2][3][16 rows][16 words]. */
ALWAYS_INLINE void cut_rows(float *to, const left_rows *w, size_t i, const loader type)
{
    for (size_t j = 0; j < w->n; j++) {
        const char *row = w->w + j * w->row;
        vec parts[PARTS];
        cut(parts, load_some(row, i, w->k, type), load_some(row, i + TILE, w->k, type), PARTS_OF(type));
        for (int p = 0; p < PARTS_OF(type); p++)
            v_store(to + ((j / TILE * PARTS + (size_t)p) * TILE + j % TILE) * TILE, parts[p]);
        fetch_ahead(row + i * SIZE_OF(type), AHEAD, STEP_VALUES * SIZE_OF(type));
    }
}

/* y [nx, w.n], its columns `apart` floats from each other. */
ALWAYS_INLINE void dot_cut(float *y, size_t y_stride, size_t apart, const uint32_t *x, size_t nx,
                           const left_rows *w, const loader type)
{
    _Alignas(64) float left[2][2 * PARTS * TILE_WORDS], sums[2 * TILE_WORDS]; /* [32, nx] */
    const bool two = w->n > TILE;
    const size_t bytes = 4 * TILE_WORDS, row = 4 * nx, x_part = TILE * row;
    const char *right = (const char *)x;
    _tile_zero(0);
    if (two)
        _tile_zero(1);
    cut_rows(left[0], w, 0, type);
    for (size_t i = 0, turn = 0; i == 0 || i < w->k; i += STEP_VALUES, turn = 1 - turn) {
        const char *now = (const char *)left[turn];
        if (i + STEP_VALUES < w->k)
            cut_rows(left[1 - turn], w, i + STEP_VALUES, type);
        MEMORY_IS_WRITTEN();
#define PRODUCT(of_x, of_w, new_x, new_w)                                                                    \
    {                                                                                                        \
        if (new_x)                                                                                           \
            _tile_loadd(6, right + (of_x)*x_part, row);                                                      \
        if (new_w)                                                                                           \
            _tile_loadd(4, now + (of_w)*bytes, 4 * TILE);                                                    \
        _tile_dpbf16ps(0, 4, 6);                                                                             \
        if (two && (new_w))                                                                                  \
            _tile_loadd(5, now + (PARTS + (of_w)) * bytes, 4 * TILE);                                        \
        if (two)                                                                                             \
            _tile_dpbf16ps(1, 5, 6);                                                                         \
    }
        EACH_PRODUCT(PRODUCT, PARTS_OF(type))
#undef PRODUCT
        right += PARTS * x_part;
    }
    _tile_stored(0, sums, row);
    if (two)
        _tile_stored(1, sums + TILE * nx, row);
    for (size_t r = 0; r < nx; r++)
        for (size_t j = 0; j < w->n; j++)
            y[r * y_stride + j * apart] = sums[j * nx + r];
}

ALWAYS_INLINE void dot_parts(float *y, size_t y_stride, const uint32_t *x, size_t n_x, const void *w,
                             size_t w_stride, size_t n_w, size_t k, const loader type)
{
    const size_t apart = n_w / (2 * TILE), rest = apart * 2 * TILE, row = w_stride * SIZE_OF(type);
    for (size_t j = 0; j < apart + (rest < n_w); j++) {
        const bool whole = j < apart;
        const size_t first = whole ? j : rest, step = whole ? apart : 1;
        const left_rows rows = {(const char *)w + first * row, step * row, whole ? 2 * TILE : n_w - rest, k};
        if (j == 0 || !whole) {
            tile_shapes s = {.palette = 1};
            for (int i = 0; i < 2; i++) {
                const size_t n = i == 0 ? at_most(rows.n, TILE) : rows.n - at_most(rows.n, TILE);
                shape_tile(&s, i, n, n_x);
                shape_tile(&s, 4 + i, n, TILE);
            }
            shape_tile(&s, 6, TILE, n_x);
            load_shapes(&s);
        }
        dot_cut(y + first, y_stride, step, x, n_x, &rows, type);
    }
    _tile_release();
}

#define PARTS_OF_TYPE(name, type)                                                                            \
    static void unpack_parts_##name(uint32_t *panel, const void *w, size_t w_stride, size_t n_cols,          \
                                    size_t k)                                                                \
    {                                                                                                        \
        unpack_parts(panel, w, w_stride, n_cols, k, type);                                                   \
    }                                                                                                        \
    static void tile_parts_##name(float *y, size_t y_stride, const float *add, size_t add_stride,            \
                                  const uint32_t *x, size_t x_block, const uint32_t *panel, size_t n_rows,   \
                                  size_t n_cols, size_t k)                                                   \
    {                                                                                                        \
        tile_parts(y, y_stride, add, add_stride, x, x_block, panel, n_rows, n_cols, k, PARTS_OF(type));      \
    }                                                                                                        \
    static void dot_parts_##name(float *y, size_t y_stride, const uint32_t *x, size_t n_x, const void *w,    \
                                 size_t w_stride, size_t n_w, size_t k)                                      \
    {                                                                                                        \
        dot_parts(y, y_stride, x, n_x, w, w_stride, n_w, k, type);                                           \
    }
PARTS_OF_TYPE(f32, LOAD_F32)
PARTS_OF_TYPE(f16, LOAD_F16)
PARTS_OF_TYPE(bf16, LOAD_BF16)
#undef PARTS_OF_TYPE
