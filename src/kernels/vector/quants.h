/* quants.h - quantized weights: widened to f32 for product.h, or as bytes against x in bytes (kernels.h).
 *
 * run_TYPE takes the 32 numbers of run j of a block into a vector (runs.h); the rest stands once for all types.  Types of 8
 * bits ("wide", top 255) come as signed bytes u - 128 there, the others as u. */

/* ---- 32 numbers of a block in a vector ---- */

#define RUN(type)             ALWAYS_INLINE b32 run_##type(const void *b, int j)
#define FROM(type, field, at) ((const uint8_t *)b + offsetof(wc_##type, field) + (at))
#define n_load                b_load
#define n_nibbles             b_nibbles
#define n_bits                b_bits
#define n_look_up             b_look_up
#define n_and                 b_and
#define n_or                  b_or
#define n_right               b_right
#define n_left                b_left
#include "kernels/vector/runs.h"

/* ---- the constants of a type ---- */

typedef struct quant {
    size_t block, block_bytes, group;
    int zero, top;
    bool has_min;
} quant;

/* What is to be taken off the vectors' numbers. */
#define ZERO(t) ((t).top == 255 ? (t).zero - 128 + WIDE_ZERO : (t).zero)
#define WIDE(t) ((t).top == 255)

typedef b32 (*run_fn)(const void *block, int j);
typedef void (*scales_fn)(const void *block, float *scale, float *min);

ALWAYS_INLINE const char *row_of(const void *w, size_t w_stride, size_t row, quant t)
{
    return (const char *)w + row * w_stride / t.block * t.block_bytes;
}

/* ---- widened ---- */

ALWAYS_INLINE void widen_quants(float *y, const void *x, size_t n, quant t, run_fn run, scales_fn scales)
{
    float scale[WC_MAX_GROUPS], min[WC_MAX_GROUPS];
    int8_t u[32];
    const char *block = x;
    for (size_t i = 0; i < n; i += t.block, block += t.block_bytes) {
        scales(block, scale, min);
        for (size_t j = 0; j < t.block / 32; j++) {
            b_store(u, run(block, (int)j));
            for (size_t e = 0; e < 32; e++) {
                const size_t g = (32 * j + e) / t.group;
                const float v = scale[g] * (float)(u[e] - (WIDE(t) ? t.zero - 128 : t.zero));
                y[i + 32 * j + e] = t.has_min ? v - min[g] : v;
            }
        }
    }
}

typedef void (*widen_fn)(float *y, const void *x, size_t n);

static void unpack_widened(float *panel, const char *w, size_t row_bytes, size_t n_cols, size_t k,
                           widen_fn widen)
{
    float column[WC_SPAN] = {0};
    for (size_t c = 0; c < COLS; c++) {
        float *to = panel_column(panel, c);
        if (c < n_cols)
            widen(column, w + c * row_bytes, k);
        else
            memset(column, 0, sizeof column);
        for (size_t i = 0; i < k; i += LANES, to += 4 * L)
            memcpy(to, column + i, LANES * sizeof *to);
    }
}

/* Four rows of w are widened, span by span, and meet all rows of x (WIDE_X at a time). */
static void dot_widened(float *y, size_t y_stride, const float *x, size_t x_stride, size_t n_x, const char *w,
                        size_t row_bytes, size_t n_w, size_t k, quant t, widen_fn widen)
{
    enum { WIDE_X = 24 };
    float wide[4 * WC_SPAN], sums[WIDE_X * 4];
    for (size_t r = 0; r < n_x; r += WIDE_X)
        for (size_t j = 0; j < n_w; j += 4)
            for (size_t at = 0; at < k; at += WC_SPAN) {
                const size_t nx = n_x - r < WIDE_X ? n_x - r : WIDE_X, nw = n_w - j < 4 ? n_w - j : 4;
                const size_t span = k - at < WC_SPAN ? k - at : WC_SPAN;
                for (size_t m = 0; m < nw; m++)
                    widen(wide + m * WC_SPAN, w + (j + m) * row_bytes + at / t.block * t.block_bytes, span);
                dot_f32(sums, 4, x + r * x_stride + at, x_stride, nx, wide, WC_SPAN, nw, span);
                for (size_t q = 0; q < nx; q++)
                    for (size_t m = 0; m < nw; m++) {
                        float *out = &y[(r + q) * y_stride + j + m];
                        *out = at == 0 ? sums[4 * q + m] : *out + sums[4 * q + m];
                    }
            }
}

/* ---- x in bytes ---- */

static void quantize(int8_t *q, float *scale, wc_neg_sums *neg, const float *x, size_t k)
{
    for (size_t i = 0; i < k; i += 32) {
        vec top = v_zero(), none = v_zero();
        for (size_t j = 0; j < 32; j += L) {
            const vec v = v_load(x + i + j);
            top = v_max(top, v_abs(v));
            none = v_fma(v, v_zero(), none); /* NaN when x is not finite */
        }
        const float most = v_top(top);
        const vec inverse = v_all(most > 0 ? 127 / most : 0);
        scale[i / 32] = most / 127 + v_sum(none);
        for (size_t j = 0; j < 32; j += L) {
            const vec v = v_round(v_mul(v_load(x + i + j), inverse));
            v_store_bytes(q + i + j, v_if_nan(v, v_zero(), v_max(v_min(v, v_all(127)), v_all(-127))));
        }
    }
    for (size_t i = 0; i < k; i += 32) {
        int16_t s[4];
        b_sums(s, q + i);
        const int16_t a = (int16_t)-s[0], b = (int16_t)-s[1], c = (int16_t)-s[2], d = (int16_t)-s[3];
        const int32_t total = a + b + c + d;
        neg[i / 32] = (wc_neg_sums){
            {{a, b}, {c, d}}, {(int16_t)(a + c), (int16_t)(b + d)}, total, (float)total * scale[i / 32]};
    }
}

/* `by` times minus the sum of a group of x, of 32 or of half as many, in every lane.  Of 32 it needs but a load and a shift; a tile
 * waits for what multiplies. */
ALWAYS_INLINE ivec neg_total(const wc_neg_sums *neg, size_t half, int by, quant t)
{
    typedef int32_t lanes __attribute__((vector_size(sizeof(ivec))));
    return t.group == 32 ? (ivec)((lanes)i_all(neg->total) * by) : i_pair_total(neg->of_16[half], by);
}

/* What a group's products begin with: less their centre times the sum of x. */
ALWAYS_INLINE part group_start(const wc_neg_sums *neg, size_t half, quant t)
{
#ifdef NARROW_PARTS
    typedef int16_t pairs __attribute__((vector_size(sizeof(ivec))));
    int32_t two;
    memcpy(&two, t.group == 32 ? neg->of_32 : neg->of_16[half], sizeof two);
    if (!WIDE(t))
        return (part)((pairs)i_all(two) * (int16_t)CENTRE(t));
#endif
    return neg_total(neg, half, CENTRE(t), t);
}

/* Minus the sum of a group of x times its scale, by which a type's minima go. */
ALWAYS_INLINE vec neg_scaled(const wc_neg_sums *neg, size_t half, float x_scale, quant t)
{
    return t.group == 32 ? v_all(neg->scaled) : v_mul(i_to_vec(neg_total(neg, half, 1, t)), v_all(x_scale));
}

#include "kernels/vector/dot_bytes.h"

/* ---- many rows of x: panels ---- */

/* Vectors across a panel of bytes, and its columns, in parts of PART. */
enum { VECS = BYTES_COLS / L, PART = 16 };

/* Weights [part][k / 4][PART][4], then the groups' scales and minima [k / group][BYTES_COLS]. */
typedef struct byte_panel {
    uint8_t q[BYTES_COLS / PART][WC_BYTE_SPAN * PART];
    float scale[WC_BYTE_SPAN / 16][BYTES_COLS], min[WC_BYTE_SPAN / 16][BYTES_COLS];
} byte_panel;
_Static_assert(sizeof(byte_panel) <= BYTES_COLS * WC_SPAN * sizeof(float), "panel");

/* Columns that are fetched ahead: each lies on a page of its own, whose place the CPU has to look up. */
enum { FETCHED_COLS = 16 };

/* Weights as tile_quants takes them: where it multiplies signed numbers their zero is taken off. */
ALWAYS_INLINE b32 panel_bytes(b32 numbers, quant t)
{
#ifdef BY_TILES
    return _mm256_sub_epi8(numbers, _mm256_set1_epi8((char)(WIDE(t) ? t.zero - 128 : t.zero)));
#else
    (void)t;
    return numbers;
#endif
}

ALWAYS_INLINE void unpack_quants(void *panel, const void *w, size_t w_stride, size_t n_cols, size_t k,
                                 quant t, run_fn run, scales_fn scales)
{
    byte_panel *p = panel;
    const size_t n = t.block / t.group;
    float scale[WC_MAX_GROUPS], min[WC_MAX_GROUPS];
    for (size_t c = 0; c < BYTES_COLS; c++) {
        const char *block = c < n_cols ? row_of(w, w_stride, c, t) : NULL;
        for (size_t line = 0; line < k / t.block * t.block_bytes; line += 64)
            __builtin_prefetch(row_of(w, w_stride, c + FETCHED_COLS, t) + line);
        for (size_t i = 0; i < k; i += t.block) {
            if (block)
                scales(block + i / t.block * t.block_bytes, scale, min);
            for (size_t g = 0; g < n; g++) {
                p->scale[i / t.group + g][c] = block ? scale[g] : 0;
                if (t.has_min)
                    p->min[i / t.group + g][c] = block ? min[g] : 0;
            }
        }
    }
    for (size_t eight = 0; eight < BYTES_COLS / 8; eight++)
        for (size_t i = 0; i < k; i += t.block)
            for (size_t j = 0; j < t.block / 32; j++) {
                b32 columns[8];
                for (size_t c = 0; c < 8; c++) { /* what lacks repeats the last one, with a scale of zero */
                    const size_t from = 8 * eight + c < n_cols ? 8 * eight + c : n_cols - 1;
                    columns[c] = panel_bytes(
                        run(row_of(w, w_stride, from, t) + i / t.block * t.block_bytes, (int)j), t);
                }
                b_store_columns(p->q[eight / 2] + (i + 32 * j) * PART + 32 * (eight % 2), columns);
            }
}

#ifdef BY_TILES
#include "kernels/vector/amx_bytes.h"
#else
/* Results of rows x BYTES_COLS from group g on: the k index i. */
ALWAYS_INLINE void tile_group(vec acc[BYTES_ROWS][VECS], const byte_panel *p, const wc_bytes *x, size_t first,
                              size_t i, quant t, const int rows)
{
    part parts[BYTES_ROWS][VECS];
    const float *scale = p->scale[i / t.group], *min = p->min[i / t.group];
    const float *x_scales = x->scale + first * (x->k / 32) + i / 32;
    const wc_neg_sums *neg = x->neg + first * (x->k / 32) + i / 32;
    const size_t half = i % 32 / 16, next = x->k / 32;
    const int8_t *q = x->q + first * x->k + i;
    UNROLL
    for (int r = 0; r < rows; r++) {
        UNROLL
        for (int v = 0; v < VECS; v++)
            parts[r][v] = group_start(neg + (size_t)r * next, half, t);
    }
    UNROLL
    for (int s = 0; s < (int)t.group / 4; s++) {
        ivec weights[VECS];
        UNROLL
        for (int v = 0; v < VECS; v++)
            weights[v] = i_load(p->q[v * L / PART] + i * PART + (s * PART + v * L % PART) * 4);
        UNROLL
        for (int r = 0; r < rows; r++) {
            int32_t four;
            memcpy(&four, q + (size_t)r * x->k + 4 * s, sizeof four);
            const ivec all = i_all(four);
            UNROLL
            for (int v = 0; v < VECS; v++)
                parts[r][v] = p_step(parts[r][v], weights[v], all, WIDE(t));
        }
    }
    UNROLL
    for (int r = 0; r < rows; r++) {
        const float x_scale = x_scales[(size_t)r * next];
        UNROLL
        for (int v = 0; v < VECS; v++) {
            ivec dots = p_join(parts[r][v], WIDE(t));
            if (CENTRE(t) != ZERO(t))
                dots = i_add(dots, neg_total(neg + (size_t)r * next, half, ZERO(t) - CENTRE(t), t));
            acc[r][v] = v_fma(v_mul(v_load(scale + v * L), v_all(x_scale)), i_to_vec(dots), acc[r][v]);
            if (t.has_min)
                acc[r][v] = v_fma(v_load(min + v * L), neg_scaled(neg + (size_t)r * next, half, x_scale, t),
                                  acc[r][v]);
        }
    }
}

ALWAYS_INLINE void tile_rows(float *y, size_t y_stride, const float *add, size_t add_stride,
                             const wc_bytes *x, size_t first, const byte_panel *p, size_t n_cols, size_t k,
                             quant t, const int rows)
{
    vec acc[BYTES_ROWS][VECS];
    float row[BYTES_COLS] = {0}; /* where a panel is not full */
    const bool full = n_cols == BYTES_COLS;
    for (int r = 0; r < rows; r++) {
        const float *from = add ? add + (first + (size_t)r) * add_stride : row;
        if (add && !full)
            from = memcpy(row, from, n_cols * sizeof *row);
        for (int v = 0; v < VECS; v++)
            acc[r][v] = v_load(from + v * L);
    }
    for (size_t i = 0; i < k; i += t.group)
        tile_group(acc, p, x, first, i, t, rows);
    for (int r = 0; r < rows; r++) {
        float *to = y + (first + (size_t)r) * y_stride;
        for (int v = 0; v < VECS; v++)
            v_store((full ? to : row) + v * L, acc[r][v]);
        if (!full)
            memcpy(to, row, n_cols * sizeof *row);
    }
}

ALWAYS_INLINE void tile_quants(float *y, size_t y_stride, const float *add, size_t add_stride,
                               const wc_bytes *x, const void *panel, size_t n_rows, size_t n_cols, size_t k,
                               quant t)
{
    size_t r = 0;
    for (; n_rows - r >= BYTES_ROWS; r += BYTES_ROWS)
        tile_rows(y, y_stride, add, add_stride, x, r, panel, n_cols, k, t, BYTES_ROWS);
    for (; r < n_rows; r++)
        tile_rows(y, y_stride, add, add_stride, x, r, panel, n_cols, k, t, 1);
}

/* The bare stream of a tile.  What is multiplied is hidden from the compiler, which would do it once. */
static float burn_bytes(size_t n)
{
    enum { CHAINS = 12 };
    part c[CHAINS];
    ivec w = i_all(0x01020301), x = i_all(0x02010103);
    for (int r = 0; r < CHAINS; r++)
        c[r] = i_all(r);
    for (size_t i = 0; i < n; i += CHAINS)
        UNROLL
    for (int r = 0; r < CHAINS; r++) {
        HIDE(w);
        c[r] = p_step(c[r], w, x, false);
    }
    ivec total = i_zero();
    for (int r = 0; r < CHAINS; r++)
        total = i_add(total, c[r]);
    return v_sum(i_to_vec(total));
}

#endif

/* ---- the entries of a type ---- */

#define ROW_BYTES(name, w_stride) ((w_stride) / quant_##name.block * quant_##name.block_bytes)
#define QUANT_KERNELS(name, block_, group_, zero_, top_, has_min_)                                           \
    static const quant quant_##name = {block_, sizeof(wc_##name), group_, zero_, top_, has_min_};            \
    ALWAYS_INLINE void scales_##name(const void *block, float *scale, float *min)                            \
    {                                                                                                        \
        wc_scales_##name(block, scale, min);                                                                 \
    }                                                                                                        \
    static void widen_##name(float *y, const void *x, size_t n)                                              \
    {                                                                                                        \
        widen_quants(y, x, n, quant_##name, run_##name, scales_##name);                                      \
    }                                                                                                        \
    static void unpack_##name(float *panel, const void *w, size_t w_stride, size_t n_cols, size_t k)         \
    {                                                                                                        \
        unpack_widened(panel, w, ROW_BYTES(name, w_stride), n_cols, k, widen_##name);                        \
    }                                                                                                        \
    static void dot_##name(float *y, size_t y_stride, const float *x, size_t x_stride, size_t n_x,           \
                           const void *w, size_t w_stride, size_t n_w, size_t k)                             \
    {                                                                                                        \
        dot_widened(y, y_stride, x, x_stride, n_x, w, ROW_BYTES(name, w_stride), n_w, k, quant_##name,       \
                    widen_##name);                                                                           \
    }                                                                                                        \
    static void unpack_bytes_##name(void *panel, const void *w, size_t w_stride, size_t n_cols, size_t k)    \
    {                                                                                                        \
        unpack_quants(panel, w, w_stride, n_cols, k, quant_##name, run_##name, scales_##name);               \
    }                                                                                                        \
    static void tile_bytes_##name(float *y, size_t y_stride, const float *add, size_t add_stride,            \
                                  const wc_bytes *x, const void *panel, size_t n_rows, size_t n_cols,        \
                                  size_t k)                                                                  \
    {                                                                                                        \
        tile_quants(y, y_stride, add, add_stride, x, panel, n_rows, n_cols, k, quant_##name);                \
    }                                                                                                        \
    static void dot_bytes_##name(float *y, size_t y_stride, const wc_bytes *x, size_t n_x, const void *w,    \
                                 size_t w_stride, size_t n_w, size_t k)                                      \
    {                                                                                                        \
        dot_quants(y, y_stride, x, n_x, w, w_stride, n_w, k, quant_##name, DOT_ARGUMENTS(name));             \
    }
WC_EACH_QUANT(QUANT_KERNELS)
