/* amx_bytes.h - tiles of bytes (AMX): whole numbers [16 rows of x, 16 columns] += x [16, 4 n] w [n, 16 columns of 4 bytes].
 *
 * A group of K is one product of tiles.  Its results go through memory, some groups at a time, to the vectors that scale them
 * as at every level (quants.h). */

enum { SOME_GROUPS = 8, GROUP_SUMS = TILE * TILE };

/* Results of groups on their way. */
typedef struct group_sums {
    _Alignas(64) int32_t of[SOME_GROUPS][GROUP_SUMS];
} group_sums;

/* The registers for products of `rows` rows of x. */
static void shape_groups(size_t rows, size_t group)
{
    tile_shapes s = {.palette = 1};
    for (int i = 0; i < 4; i++)
        shape_tile(&s, i, rows, TILE);
    for (int i = 0; i < 2; i++) {
        shape_tile(&s, 4 + i, rows, group / 4);
        shape_tile(&s, 6 + i, group / 4, TILE);
    }
    load_shapes(&s);
}

/* Products of n groups: bytes of rows of x, q_row apart, and of a part of a panel.  Each is stored two later, when it is done. */
ALWAYS_INLINE void multiply_groups(group_sums *sums, const int8_t *q, size_t q_row, const uint8_t *w,
                                   size_t n, size_t group)
{
#define STEP(tile, left, right, before)                                                                      \
    if (g + (tile) < n) {                                                                                    \
        _tile_zero(tile);                                                                                    \
        _tile_loadd(left, q + (g + (tile)) * group, q_row);                                                  \
        _tile_loadd(right, w + (g + (tile)) * group * TILE, 4 * TILE);                                       \
        _tile_dpbssd(tile, left, right);                                                                     \
    }                                                                                                        \
    if (g + (tile) >= 2 && g + (tile)-2 < n)                                                                 \
        _tile_stored(before, sums->of[g + (tile)-2], 4 * TILE);
    for (size_t g = 0; g < n + 2; g += 4) {
        STEP(0, 4, 6, 2)
        STEP(1, 5, 7, 3)
        STEP(2, 4, 6, 0)
        STEP(3, 5, 7, 1)
    }
#undef STEP
}

/* acc[r] += the results of the group at value i of K in column part c, scaled. */
ALWAYS_INLINE void scale_group(vec acc[TILE], const int32_t *sums, const byte_panel *p, size_t c,
                               const wc_bytes *x, size_t first, size_t i, quant t, const size_t rows)
{
    const vec scale = v_load(p->scale[i / t.group] + c), min = v_load(p->min[i / t.group] + c);
    const size_t next = x->k / 32, half = i % 32 / 16;
    const float *x_scales = x->scale + first * next + i / 32;
    const wc_neg_sums *neg = x->neg + first * next + i / 32;
    UNROLL
    for (size_t r = 0; r < TILE; r++)
        if (r < rows) {
            const float x_scale = x_scales[r * next];
            acc[r] = v_fma(v_mul(scale, v_all(x_scale)), i_to_vec(i_load(sums + r * TILE)), acc[r]);
            if (t.has_min)
                acc[r] = v_fma(min, neg_scaled(neg + r * next, half, x_scale, t), acc[r]);
        }
}

/* Results of `rows` rows of x from `first` on, of n_cols columns from c on. */
ALWAYS_INLINE void tile_columns(float *y, size_t y_stride, const float *add, size_t add_stride,
                                const wc_bytes *x, size_t first, const byte_panel *p, size_t c, size_t n_cols,
                                size_t k, quant t, const size_t rows)
{
    vec acc[TILE];
    group_sums sums;
    UNROLL
    for (size_t r = 0; r < TILE; r++)
        acc[r] = add && r < rows ? v_load_first(add + r * add_stride, n_cols) : v_zero();
    for (size_t i = 0; i < k; i += SOME_GROUPS * t.group) {
        const size_t n = at_most((k - i) / t.group, SOME_GROUPS);
        multiply_groups(&sums, x->q + first * x->k + i, x->k, p->q[c / PART] + i * PART, n, t.group);
        for (size_t g = 0; g < n; g++)
            scale_group(acc, sums.of[g], p, c, x, first, i + g * t.group, t, rows);
    }
    UNROLL
    for (size_t r = 0; r < TILE; r++)
        if (r < rows)
            v_store_first(y + r * y_stride, acc[r], n_cols);
}

ALWAYS_INLINE void tile_quants(float *y, size_t y_stride, const float *add, size_t add_stride,
                               const wc_bytes *x, const void *panel, size_t n_rows, size_t n_cols, size_t k,
                               quant t)
{
    _Static_assert((int)PART == (int)TILE, "a part of a panel is a tile wide");
    for (size_t r = 0; r < n_rows; r += TILE) {
        const size_t rows = at_most(n_rows - r, TILE);
        if (r == 0 || rows < TILE)
            shape_groups(rows, t.group);
        for (size_t c = 0; c < n_cols; c += PART) {
            float *to = y + r * y_stride + c;
            const float *from = add ? add + r * add_stride + c : NULL;
            const size_t some = at_most(n_cols - c, PART);
            if (rows == TILE)
                tile_columns(to, y_stride, from, add_stride, x, r, panel, c, some, k, t, TILE);
            else
                tile_columns(to, y_stride, from, add_stride, x, r, panel, c, some, k, t, rows);
        }
    }
    _tile_release();
}

/* The bare stream of a tile: a step is a vector's products of 4 bytes, of which an instruction makes 16 x 8. */
static float burn_bytes(size_t n)
{
    _Alignas(64) int32_t results[GROUP_SUMS];
    shape_groups(TILE, 32);
    for (size_t i = 0; i < n; i += 4 * TILE * 8) {
        _tile_dpbssd(0, 4, 6);
        _tile_dpbssd(1, 4, 6);
        _tile_dpbssd(2, 4, 6);
        _tile_dpbssd(3, 4, 6);
    }
    _tile_stored(0, results, 4 * TILE);
    _tile_release();
    return (float)results[0];
}
