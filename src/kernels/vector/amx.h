/* amx.h - products of bf16 pairs by tiles (AMX): y [16, 16] += x [16, 16 words] w [16 words, 16], a word being two
 * neighbouring values of K.
 *
 * An instruction adds, of each result, the products of the first values of its 16 words one after the other, those of the
 * second ones likewise, the two sums, and these to y.  So a result is a chain over K, 16 words after 16 words, which begins with
 * what is added: tile_pairs and dot_pairs have the same, however K is cut at whole tiles.
 *
 * For tiles of w a panel holds, for every 16 words of k, two times 16 columns turned: [k / 32][2][16 words][16].  Products with
 * few rows of x take w as it lies as the left operand, and x turned as the right one. */

/* Tile registers: 0 to 3 results, 4 and 5 the left operands, 6 and 7 the right ones. */
enum { TILE = 16, PAIR_COLS = 2 * TILE, TILE_WORDS = TILE * TILE };
#define PAIRS_GO_ON true

/* Tiles are loaded behind the compiler's back. */
#define MEMORY_IS_WRITTEN() __asm__ volatile("" ::: "memory")

static size_t at_most(size_t n, size_t most)
{
    return n < most ? n : most;
}

/* The shapes of the tile registers, as an instruction takes them. */
typedef struct tile_shapes {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
} tile_shapes;

/* Those of no rows or no words are not there. */
ALWAYS_INLINE void shape_tile(tile_shapes *s, int tile, size_t rows, size_t words)
{
    s->rows[tile] = (uint8_t)(words > 0 ? rows : 0);
    s->row_bytes[tile] = (uint16_t)(rows > 0 ? 4 * words : 0);
}

ALWAYS_INLINE void load_shapes(const tile_shapes *s)
{
    MEMORY_IS_WRITTEN();
    _tile_loadconfig(s);
}

/* Shapes of results of rows x cols, up to 32 each, of products of `words` words. */
typedef struct product_shape {
    size_t rows, cols, words;
} product_shape;

/* Loads these shapes, unless they are what is loaded: that takes as long as some products. */
static void shape_product(product_shape *loaded, size_t rows, size_t cols, size_t words)
{
    if (rows == loaded->rows && cols == loaded->cols && words == loaded->words)
        return;
    *loaded = (product_shape){rows, cols, words};
    tile_shapes s = {.palette = 1};
    const size_t r[2] = {at_most(rows, TILE), rows - at_most(rows, TILE)},
                 c[2] = {at_most(cols, TILE), cols - at_most(cols, TILE)};
    for (int i = 0; i < 2; i++) {
        shape_tile(&s, 2 * i, r[i], c[0]);
        shape_tile(&s, 2 * i + 1, r[i], c[1]);
        shape_tile(&s, 4 + i, r[i], words);
        shape_tile(&s, 6 + i, words, c[i]);
    }
    load_shapes(&s);
}

/* Operands in bytes: tiles have rows x_row and w_row apart, the next tile of K is a step further, the one of the next 16 rows or
 * columns _next, and the next part of the same values _part. */
typedef struct tile_operands {
    const char *x, *w;
    size_t x_row, x_next, x_step, x_part, w_row, w_next, w_step, w_part, steps;
} tile_operands;

/* The products of three parts of x by the first w_parts of w, the least first, or of w_parts 0 the one of what has no parts:
 * PRODUCT(part of x, of w, whether x's was not loaded for the one before, whether w's was not). */
#define EACH_PRODUCT(PRODUCT, w_parts)                                                                       \
    {                                                                                                        \
        if ((w_parts) > 0) {                                                                                 \
            PRODUCT(2, 0, true, true)                                                                        \
            PRODUCT(1, 0, true, false)                                                                       \
        }                                                                                                    \
        if ((w_parts) > 1) {                                                                                 \
            PRODUCT(1, 1, false, true)                                                                       \
            PRODUCT(0, 1, true, false)                                                                       \
        }                                                                                                    \
        PRODUCT(0, 0, (w_parts) < 2, (w_parts) != 1)                                                         \
        if ((w_parts) > 2)                                                                                   \
            PRODUCT(0, 2, false, true)                                                                       \
    }

/* The rows of a tile come to the first cache. */
ALWAYS_INLINE void fetch_tile(const char *rows, size_t row)
{
    UNROLL
    for (size_t r = 0; r < TILE; r++)
        __builtin_prefetch(rows + r * row);
}

/* One or two tiles of rows by one or two of columns, as they are shaped.  While a step is multiplied, the next one's tiles come to
 * the first cache: alone on a core nothing is gained by it, beside a neighbour a third. */
ALWAYS_INLINE void multiply_tiles(float *y, size_t y_stride, const float *add, size_t add_stride,
                                  tile_operands o, const int w_parts, const bool two_rows,
                                  const bool two_cols)
{
#define EACH_RESULT(DO)                                                                                      \
    DO(0, 0, 0)                                                                                              \
    if (two_cols)                                                                                            \
        DO(1, 0, TILE)                                                                                       \
    if (two_rows)                                                                                            \
        DO(2, TILE, 0)                                                                                       \
    if (two_rows && two_cols)                                                                                \
    DO(3, TILE, TILE)
#define BEGIN(tile, r, c)                                                                                    \
    {                                                                                                        \
        if (add)                                                                                             \
            _tile_loadd(tile, add + (r)*add_stride + (c), add_stride * sizeof *add);                         \
        else                                                                                                 \
            _tile_zero(tile);                                                                                \
    }
#define STORE(tile, r, c)                                                                                    \
    {                                                                                                        \
        _tile_stored(tile, y + (r)*y_stride + (c), y_stride * sizeof *y);                                    \
    }
#define LOAD(tile, of, row, step)                                                                            \
    {                                                                                                        \
        _tile_loadd(tile, of, row);                                                                          \
        fetch_tile((of) + (step), row);                                                                      \
    }
#define PRODUCT(of_x, of_w, new_x, new_w)                                                                    \
    {                                                                                                        \
        const char *left = x + (of_x)*o.x_part, *right = w + (of_w)*o.w_part;                                \
        if (new_x)                                                                                           \
            LOAD(4, left, o.x_row, o.x_step)                                                                 \
        if (new_w)                                                                                           \
            LOAD(6, right, o.w_row, o.w_step)                                                                \
        _tile_dpbf16ps(0, 4, 6);                                                                             \
        if (two_cols && (new_w))                                                                             \
            LOAD(7, right + o.w_next, o.w_row, o.w_step)                                                     \
        if (two_cols)                                                                                        \
            _tile_dpbf16ps(1, 4, 7);                                                                         \
        if (two_rows && (new_x))                                                                             \
            LOAD(5, left + o.x_next, o.x_row, o.x_step)                                                      \
        if (two_rows)                                                                                        \
            _tile_dpbf16ps(2, 5, 6);                                                                         \
        if (two_rows && two_cols)                                                                            \
            _tile_dpbf16ps(3, 5, 7);                                                                         \
    }
    EACH_RESULT(BEGIN)
    for (size_t i = 0; i < o.steps; i++) {
        const char *x = o.x + o.x_step * i, *w = o.w + o.w_step * i;
        EACH_PRODUCT(PRODUCT, w_parts)
    }
    EACH_RESULT(STORE)
#undef EACH_RESULT
#undef BEGIN
#undef STORE
#undef LOAD
#undef PRODUCT
}

/* Any number of rows by up to 32 columns, in steps of `words` words. */
ALWAYS_INLINE void multiply_rows(product_shape *loaded, float *y, size_t y_stride, const float *add,
                                 size_t add_stride, tile_operands o, size_t n_rows, size_t n_cols,
                                 size_t words, const int w_parts)
{
    for (size_t r = 0; r < n_rows; r += 2 * TILE, o.x += 2 * o.x_next) {
        const size_t rows = at_most(n_rows - r, 2 * TILE);
        float *to = y + r * y_stride;
        const float *from = add ? add + r * add_stride : NULL;
        shape_product(loaded, rows, n_cols, words);
        if (rows > TILE && n_cols > TILE)
            multiply_tiles(to, y_stride, from, add_stride, o, w_parts, true, true);
        else if (rows > TILE)
            multiply_tiles(to, y_stride, from, add_stride, o, w_parts, true, false);
        else if (n_cols > TILE)
            multiply_tiles(to, y_stride, from, add_stride, o, w_parts, false, true);
        else
            multiply_tiles(to, y_stride, from, add_stride, o, w_parts, false, false);
    }
}

/* 16 rows of 16 words, turned: to [16][16]. */
ALWAYS_INLINE void turn_words(uint32_t *to, const vec from[TILE])
{
    vec a[TILE], b[TILE];
    UNROLL
    for (int i = 0; i < TILE; i += 4) { /* squares of 4 x 4, by 4 rows */
        const ivec r0 = (ivec)from[i], r1 = (ivec)from[i + 1], r2 = (ivec)from[i + 2], r3 = (ivec)from[i + 3];
        const ivec l0 = i_low(r0, r1), h0 = i_high(r0, r1), l1 = i_low(r2, r3), h1 = i_high(r2, r3);
        a[i] = (vec)i_low_pairs(l0, l1);
        a[i + 1] = (vec)i_high_pairs(l0, l1);
        a[i + 2] = (vec)i_low_pairs(h0, h1);
        a[i + 3] = (vec)i_high_pairs(h0, h1);
    }
    UNROLL
    for (int j = 0; j < 4; j++) { /* then the squares: of row 4q + j quarter q of a[j], a[4 + j] ... */
        const vec l0 = _mm512_shuffle_f32x4(a[j], a[4 + j], 0x44),
                  h0 = _mm512_shuffle_f32x4(a[j], a[4 + j], 0xee),
                  l1 = _mm512_shuffle_f32x4(a[8 + j], a[12 + j], 0x44),
                  h1 = _mm512_shuffle_f32x4(a[8 + j], a[12 + j], 0xee);
        b[j] = _mm512_shuffle_f32x4(l0, l1, 0x88);
        b[4 + j] = _mm512_shuffle_f32x4(l0, l1, 0xdd);
        b[8 + j] = _mm512_shuffle_f32x4(h0, h1, 0x88);
        b[12 + j] = _mm512_shuffle_f32x4(h0, h1, 0xdd);
    }
    UNROLL
    for (int i = 0; i < TILE; i++)
        v_store((float *)to + i * TILE, b[i]);
}

/* The 16 words from value i on of up to 16 rows that are `stride` values apart and have k, turned; zeros where there are none. */
static void turn_rows(uint32_t *to, const uint16_t *rows, size_t stride, size_t n_rows, size_t i, size_t k)
{
    vec from[TILE];
    for (size_t r = 0; r < TILE; r++)
        from[r] = r >= n_rows      ? v_zero()
                  : i + 2 * L <= k ? load_weights(rows, r * stride + i, LOAD_PAIRS)
                                   : load_weights_tail(rows, r * stride + i, k - i, LOAD_PAIRS);
    turn_words(to, from);
}

static void unpack_pairs(uint16_t *panel, const uint16_t *w, size_t w_stride, size_t n_cols, size_t k)
{
    uint32_t *to = (uint32_t *)panel;
    for (size_t i = 0; i < k; i += 2 * TILE, to += 2 * TILE_WORDS)
        for (size_t c = 0; c < n_cols; c += TILE)
            turn_rows(to + c * TILE, w + c * w_stride, w_stride, at_most(n_cols - c, TILE), i, k);
}

static void tile_pairs(float *y, size_t y_stride, const float *add, size_t add_stride, const uint16_t *x,
                       size_t x_stride, const uint16_t *panel, size_t n_rows, size_t n_cols, size_t k)
{
    const size_t bytes = 4 * TILE_WORDS;
    const tile_operands o = {.x = (const char *)x,
                             .x_row = x_stride * sizeof *x,
                             .x_next = TILE * x_stride * sizeof *x,
                             .x_step = 4 * TILE,
                             .w = (const char *)panel,
                             .w_row = 4 * TILE,
                             .w_next = bytes,
                             .w_step = 2 * bytes,
                             .steps = (k + 2 * TILE - 1) / (2 * TILE)};
    product_shape loaded = {0};
    MEMORY_IS_WRITTEN();
    multiply_rows(&loaded, y, y_stride, add, add_stride, o, n_rows, n_cols, TILE, 0);
    _tile_release();
}

/* ---- few rows of x ---- */

enum {
    TURNED_STEPS = 16, /* of K, that are turned at once */
    DOT_AHEAD = 512    /* bytes from what of a row is multiplied to what is fetched */
};

/* The right operands of some steps of K, of up to 16 rows of x: a single one lies as it should. */
static const char *right_operands(uint32_t *turned, const uint16_t *x, size_t x_stride, size_t nx, size_t i,
                                  size_t steps)
{
    if (nx == 1)
        return (const char *)(x + i);
    for (size_t s = 0; s < steps; s++) /* rows of x go on with zeros */
        turn_rows(turned + s * TILE_WORDS, x, x_stride, nx, i + s * 2 * TILE, SIZE_MAX / 4);
    MEMORY_IS_WRITTEN();
    return (const char *)turned;
}

/* Results of nw rows of w, each `apart` rows after the one before, and nx of x, up to 16. */
static void dot_tile(float *y, size_t y_stride, const uint16_t *x, size_t x_stride, size_t nx,
                     const uint16_t *w, size_t w_stride, size_t apart, size_t nw, size_t k)
{
    _Alignas(64) uint32_t turned[TURNED_STEPS * TILE_WORDS];
    _Alignas(64) uint16_t last[TILE * 2 * TILE]; /* of K's end, that of a part */
    _Alignas(64) float sums[TILE_WORDS];         /* [nw, 16] */
    const size_t steps = (k + 2 * TILE - 1) / (2 * TILE), whole = k / (2 * TILE);
    const size_t left_row = apart * w_stride * sizeof *w, right_row = nx == 1 ? 4 : 4 * TILE,
                 right_step = nx == 1 ? 4 * TILE : 4 * TILE_WORDS;
    if (whole < steps)
        memset(last, 0, sizeof last);
    for (size_t j = 0; whole < steps && j < nw; j++)
        memcpy(last + j * 2 * TILE, w + j * apart * w_stride + whole * 2 * TILE,
               (k - whole * 2 * TILE) * sizeof *last);
    MEMORY_IS_WRITTEN();
    _tile_zero(0);
    for (size_t at = 0; at < steps; at += TURNED_STEPS) {
        const size_t some = at_most(steps - at, TURNED_STEPS);
        const char *right = right_operands(turned, x, x_stride, nx, at * 2 * TILE, some);
        for (size_t s = 0; s < some; s++) {
            const bool is_last = at + s == whole;
            const char *left = is_last ? (const char *)last : (const char *)(w + (at + s) * 2 * TILE);
            _tile_loadd(4, left, is_last ? 4 * TILE : left_row);
            _tile_loadd(6, right + s * right_step, right_row);
            _tile_dpbf16ps(0, 4, 6);
            for (size_t j = 0; j < TILE && !is_last; j++)
                fetch_ahead(left + j * left_row, DOT_AHEAD, 1);
        }
    }
    if (nx == 1) {
        _tile_stored(0, y, apart * sizeof *y);
        return;
    }
    _tile_stored(0, sums, 4 * TILE);
    for (size_t r = 0; r < nx; r++)
        for (size_t j = 0; j < nw; j++)
            y[r * y_stride + j * apart] = sums[j * TILE + r];
}

/* Rows of w are taken from 16 places far apart, of which the CPU fetches each ahead. */
static void dot_pairs(float *y, size_t y_stride, const uint16_t *x, size_t x_stride, size_t n_x,
                      const uint16_t *w, size_t w_stride, size_t n_w, size_t k)
{
    const size_t apart = n_w / TILE, rest = apart * TILE;
    MEMORY_IS_WRITTEN();
    for (size_t r = 0; r < n_x; r += TILE, x += TILE * x_stride, y += TILE * y_stride) {
        const size_t nx = at_most(n_x - r, TILE);
        for (size_t j = 0; j < apart + (rest < n_w); j++) {
            const bool whole = j < apart;
            const size_t first = whole ? j : rest, nw = whole ? TILE : n_w - rest;
            if (j == 0 || !whole) {
                tile_shapes s = {.palette = 1};
                shape_tile(&s, 0, nw, nx);
                shape_tile(&s, 4, nw, TILE);
                shape_tile(&s, 6, TILE, nx);
                load_shapes(&s);
            }
            dot_tile(y + first, y_stride, x, x_stride, nx, w + first * w_stride, w_stride, whole ? apart : 1,
                     nw, k);
        }
    }
    _tile_release();
}

/* ---- weights and values ---- */

/* v is a right operand as it is: a row of pairs of positions. */
static void mix_pairs(float *o, size_t o_stride, const float *alpha, const uint16_t *p, size_t p_stride,
                      const uint16_t *v, size_t v_stride, size_t n_rows, size_t n_pairs, size_t d)
{
    const size_t steps = n_pairs / TILE, rest = n_pairs % TILE;
    product_shape loaded = {0};
    for (size_t r = 0; alpha && r < n_rows; r++)
        scale(o + r * o_stride, o + r * o_stride, alpha[r], d);
    MEMORY_IS_WRITTEN();
    for (size_t i = 0; i < d; i += PAIR_COLS) {
        const size_t cols = at_most(d - i, PAIR_COLS), row = v_stride * sizeof *v;
        tile_operands t = {.x = (const char *)p,
                           .x_row = p_stride * sizeof *p,
                           .x_next = TILE * p_stride * sizeof *p,
                           .x_step = 4 * TILE,
                           .w = (const char *)(v + 2 * i),
                           .w_row = row,
                           .w_step = TILE * row,
                           .w_next = 4 * TILE,
                           .steps = steps};
        const float *from = alpha ? o + i : NULL;
        if (steps > 0) {
            multiply_rows(&loaded, o + i, o_stride, from, o_stride, t, n_rows, cols, TILE, 0);
            from = o + i;
        }
        if (rest > 0) {
            t.x += 4 * TILE * steps;
            t.w += t.w_step * steps;
            t.steps = 1;
            multiply_rows(&loaded, o + i, o_stride, from, o_stride, t, n_rows, cols, rest, 0);
        }
    }
    _tile_release();
}

/* Loads `numbers`, which are not zeros, as all operands: products of zeros take less power, and the CPU makes more of them. */
ALWAYS_INLINE void load_operands(const uint16_t numbers[2 * TILE_WORDS])
{
    MEMORY_IS_WRITTEN();
    _tile_loadd(4, numbers, 4 * TILE);
    _tile_loadd(5, numbers, 4 * TILE);
    _tile_loadd(6, numbers, 4 * TILE);
    _tile_loadd(7, numbers, 4 * TILE);
}

/* The bare stream of tile_pairs: a step is a vector's pairs, of which an instruction makes 16 x 16. */
static float burn_pairs(size_t n)
{
    _Alignas(64) uint16_t numbers[2 * TILE_WORDS]; /* of 1 to 2, with either sign */
    float results[TILE_WORDS];
    for (size_t i = 0; i < 2 * TILE_WORDS; i++)
        numbers[i] = (uint16_t)(0x3f80 | (i * 37 & 0x7f) | (i / 3 & 1) << 15);
    shape_product(&(product_shape){0}, 2 * TILE, 2 * TILE, TILE);
    load_operands(numbers);
    for (size_t i = 0; i < n; i += 4 * TILE * TILE) {
        _tile_dpbf16ps(0, 4, 6);
        _tile_dpbf16ps(1, 4, 7);
        _tile_dpbf16ps(2, 5, 6);
        _tile_dpbf16ps(3, 5, 7);
    }
    _tile_stored(0, results, 4 * TILE);
    _tile_release();
    return results[0];
}
