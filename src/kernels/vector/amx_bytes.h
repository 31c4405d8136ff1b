/* amx_bytes.h - tiles of bytes (AMX): whole numbers [16 rows of x, 16 columns] += x [16, 4 n] w [n, 16 columns of 4 bytes].
 *
 * A group of K is one product of tiles.  Its results go through memory to the vectors that scale them as at every level (quants.h).
 * Both at once: products are begun before their turn, those of the next columns or rows with the last of these. */

/* So many products are begun before the first is scaled.  Four registers take turns: a product takes longer than a turn. */
enum { BEFORE = 3, TURNS = 4 };

/* Results on their way, of each register. */
typedef struct group_sums {
    _Alignas(64) int32_t of[TURNS][TILE * TILE];
} group_sums;

/* The products of rows of x with the parts of a panel, as far as they are begun. */
typedef struct products {
    const int8_t *q;                      /* the next one's rows of x */
    const uint8_t *w;                     /* and its part of a panel, both from its first value of K on */
    size_t turn;                          /* how many are begun */
    size_t k_left, parts_left, rows_left; /* with the next one */
    size_t q_row, n_parts, k, group;
} products;

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

/* Hides where a pointer leads from gcc, which would keep all places near it and have no registers left. */
#define HIDE_PLACE(p) __asm__ volatile("" : "+r"(p))

/* Begins a product, and stores the one before. */
ALWAYS_INLINE void next_product(products *p, group_sums *sums)
{
    int32_t *to = sums->of[0];
    HIDE_PLACE(to);
#define BEGIN(tile, left, right, before)                                                                     \
    {                                                                                                        \
        _tile_loadd(left, p->q, p->q_row);                                                                   \
        _tile_loadd(right, p->w, 4 * PART);                                                                  \
        _tile_zero(tile);                                                                                    \
        _tile_dpbssd(tile, left, right);                                                                     \
        _tile_stored(before, to + (before)*TILE * TILE, 4 * TILE);                                           \
        break;                                                                                               \
    }
    switch (p->turn % TURNS) {
    case 0:
        BEGIN(0, 4, 6, 3)
    case 1:
        BEGIN(1, 5, 7, 0)
    case 2:
        BEGIN(2, 4, 6, 1)
    default:
        BEGIN(3, 5, 7, 2)
    }
#undef BEGIN
    p->turn++;
    p->q += p->group;
    p->w += p->group * PART;
    p->k_left -= p->group;
    if (p->k_left > 0)
        return;
    p->k_left = p->k;
    p->q -= p->k;
    p->w += (WC_BYTE_SPAN - p->k) * PART;
    if (--p->parts_left > 0)
        return;
    p->parts_left = p->n_parts;
    p->w -= p->n_parts * WC_BYTE_SPAN * PART;
    if (p->rows_left > TILE) { /* otherwise some products are begun for nothing */
        p->rows_left -= TILE;
        p->q += TILE * p->q_row;
    }
}

/* acc[r] += the results of a group, scaled; what belongs to a row of x lies `next` from row to row. */
ALWAYS_INLINE void scale_group(vec acc[TILE], const int32_t *sums, const float *scales, const float *mins,
                               const float *x_scale, const wc_neg_sums *neg, size_t next, size_t half,
                               quant t, const size_t rows)
{
    const vec scale = v_load(scales), min = v_load(mins);
    UNROLL
    for (size_t r = 0; r < TILE; r++)
        if (r < rows) {
            acc[r] = v_fma(v_mul(scale, v_all(x_scale[r * next])), i_to_vec(i_load(sums + r * TILE)), acc[r]);
            if (t.has_min)
                acc[r] = v_fma(min, neg_scaled(neg + r * next, half, x_scale[r * next], t), acc[r]);
        }
}

/* Results of n_rows rows of x, `rows` at a time. */
ALWAYS_INLINE void tile_groups(float *y, size_t y_stride, const float *add, size_t add_stride, wc_bytes x,
                               const byte_panel *panel, size_t n_rows, size_t n_cols, size_t k, quant t,
                               const size_t rows)
{
    vec acc[TILE];
    group_sums sums;
    const size_t n_parts = (n_cols + PART - 1) / PART, next = x.k / 32;
    products p = {.q = x.q,
                  .w = panel->q[0],
                  .k_left = k,
                  .parts_left = n_parts,
                  .rows_left = n_rows,
                  .q_row = x.k,
                  .n_parts = n_parts,
                  .k = k,
                  .group = t.group};
    shape_groups(rows, t.group);
    for (size_t g = 0; g < BEFORE; g++)
        next_product(&p, &sums);
    for (size_t r = 0; r < n_rows; r += rows) {
        for (size_t c = 0; c < n_cols; c += PART) {
            const size_t some = at_most(n_cols - c, PART);
            const float *from = add ? add + r * add_stride + c : NULL;
            float *to = y + r * y_stride + c;
            UNROLL
            for (size_t j = 0; j < TILE; j++) {
                acc[j] = add && j < rows ? v_load_first(from, some) : v_zero();
                if (add)
                    from += add_stride;
                HIDE_PLACE(from);
            }
            const float *scales = panel->scale[0] + c, *mins = panel->min[0] + c;
            for (size_t i = 0; i < k; i += t.group, scales += BYTES_COLS, mins += BYTES_COLS) {
                next_product(&p, &sums);
                HIDE_PLACE(scales);
                scale_group(acc, sums.of[(p.turn - BEFORE - 1) % TURNS], scales, mins, x.scale + i / 32,
                            x.neg + i / 32, next, i % 32 / 16, t, rows);
            }
            UNROLL
            for (size_t j = 0; j < TILE; j++)
                if (j < rows) {
                    v_store_first(to, acc[j], some);
                    to += y_stride;
                    HIDE_PLACE(to);
                }
        }
        x.scale += rows * next;
        x.neg += rows * next;
    }
}

ALWAYS_INLINE void tile_quants(float *y, size_t y_stride, const float *add, size_t add_stride,
                               const wc_bytes *x, const void *panel, size_t n_rows, size_t n_cols, size_t k,
                               quant t)
{
    _Static_assert((int)PART == (int)TILE, "a part of a panel is a tile wide");
    const size_t rest = n_rows % TILE, whole = n_rows - rest;
    wc_bytes last = *x;
    last.q += whole * x->k;
    last.scale += whole * (x->k / 32);
    last.neg += whole * (x->k / 32);
    if (whole > 0)
        tile_groups(y, y_stride, add, add_stride, *x, panel, whole, n_cols, k, t, TILE);
    if (rest > 0)
        tile_groups(y + whole * y_stride, y_stride, add ? add + whole * add_stride : NULL, add_stride, last,
                    panel, rest, n_cols, k, t, rest);
    _tile_release();
}

/* The bare stream of a tile: a step is a vector's products of 4 bytes, of which an instruction makes 16 x 8. */
static float burn_bytes(size_t n)
{
    _Alignas(64) int32_t results[TILE * TILE];
    _Alignas(64) uint16_t numbers[2 * TILE_WORDS]; /* all bytes there are */
    for (size_t i = 0; i < 2 * TILE_WORDS; i++)
        numbers[i] = (uint16_t)(i * 40503);
    shape_groups(TILE, 32);
    load_operands(numbers);
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
