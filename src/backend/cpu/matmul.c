/* matmul.c - y = act(x W^T + bias) + add, cut by columns of y.
 *
 * With few rows the bytes of W decide: each thread takes rows of W and multiplies them into all rows of x as they come from
 * memory (kernels' dot).  With many rows a thread unpacks a block of BLOCK_COLS columns, span by span, and runs a block of
 * rows over it (unpack, tile).  Both add up in the same order (kernels.h), so which one is taken shows only in the time.
 *
 * Where the CPU multiplies pairs of bf16 and W is bf16, x is rounded to bf16 on its way in and all sizes below that say
 * "words" count two values each; else a word is one float.
 *
 * Quantized weights meet x in bytes (kernels.h), unless nothing may be rounded: all rows of x are rounded first, into the
 * caller's scratch memory. */
#include <string.h>

#include "backend/cpu/cpu.h"
#include "base/size.h"

enum { FEW_ROWS = 24, DOT_BYTES = 64 * 1024, SUM_COLS = 1024 };

struct product {
    struct cpu *c;
    wc_tensor y, x, w, bias, add;
    wc_act act;
    size_t n, m, k; /* rows, columns, summed values */
    size_t block_cols, block_rows, n_col_blocks;
    size_t w_stride; /* from one row of w to the next that is read with it */
    bool pairs;      /* x is rounded to bf16 */
    wc_bytes bytes;  /* x in bytes; q NULL: it is not */
};

/* Rows from r on, values from i on. */
static wc_bytes bytes_at(const struct product *p, size_t r, size_t i)
{
    const wc_bytes *x = &p->bytes;
    return (wc_bytes){x->q + r * p->k + i, x->scale + (r * p->k + i) / 32, x->sum + (r * p->k + i) / 16,
                      p->k};
}

/* A block of sums [n_rows, stride] gets bias, activation and residual and goes to y at row first, column col. */
static void finish(const struct product *p, float *sums, size_t stride, size_t first, size_t n_rows,
                   size_t col, size_t n_cols)
{
    const wc_kernels *k = p->c->k;
    float bias[BLOCK_COLS];
    for (size_t done = 0; done < n_cols; done += BLOCK_COLS) {
        const size_t some = wc_min_size(BLOCK_COLS, n_cols - done), at = col + done;
        if (p->bias.data)
            k->widen[p->bias.dtype](bias, (const char *)p->bias.data + at * stored_bytes(p->bias.dtype),
                                    some);
        for (size_t r = 0; r < n_rows; r++) {
            float *sum = sums + r * stride + done, *y = f32(p->y) + (first + r) * p->m + at;
            if (p->bias.data)
                k->add(sum, sum, bias, 1, some);
            if (p->act != WC_ACT_NONE)
                k->act[p->act](sum, sum, some);
            if (p->add.data)
                k->add(y, sum, f32(p->add) + (first + r) * p->m + at, 1, some);
            else
                memcpy(y, sum, some * sizeof *y);
        }
    }
}

/* Row `row` of w from value i on.  Of paired rows (tensor.h) the next ones, up to the end of its half, are twice as far. */
static const char *weights_at(const struct product *p, size_t row, size_t i)
{
    const size_t head = p->w.paired, half = head / 2;
    if (head) {
        const size_t in_head = row % head;
        row += in_head / half + 2 * (in_head % half) - in_head;
    }

    return (const char *)p->w.data + wc_dtype_offset(p->w.dtype, row * p->w.stride[0] + i);
}

/* Rows of w from `row` on that are w_stride apart. */
static size_t rows_until_turn(const struct product *p, size_t row)
{
    const size_t half = p->w.paired / 2;
    return half ? half - row % half : p->m - row;
}

/* Rows first .. first + n_rows - 1 of y; narrowed: their x in bf16, or NULL. */
static void few_columns(const struct product *p, float *sums, const uint16_t *narrowed, size_t first,
                        size_t n_rows, size_t col, size_t n_cols)
{
    const wc_kernels *k = p->c->k;
    for (size_t end = col + n_cols, some; col < end; col += some) {
        const char *w = weights_at(p, col, 0);
        some = wc_min_size(rows_until_turn(p, col), wc_min_size(SUM_COLS, end - col));
        if (p->bytes.q)
            k->dot_bytes[p->w.dtype - WC_Q4_0](sums, SUM_COLS, &p->bytes, n_rows, w, p->w_stride, some, p->k);
        else if (narrowed)
            k->dot_pairs(sums, SUM_COLS, narrowed, whole_pairs(p->c, p->k), n_rows, (const uint16_t *)w,
                         p->w_stride, some, p->k);
        else
            k->dot[p->w.dtype](sums, SUM_COLS, f32(p->x) + first * p->k, p->k, n_rows, w, p->w_stride, some,
                               p->k);
        finish(p, sums, SUM_COLS, first, n_rows, col, some);
    }
}

static void few_rows(void *job, size_t first, size_t n)
{
    const struct product *p = job;
    struct scratch *s = wc_cpu_take_scratch(p->c);
    if (!p->pairs)
        few_columns(p, s->sums, NULL, 0, p->n, first, n);
    const size_t width = whole_pairs(p->c, p->k), most = PANEL_PAIRS / width; /* rows that fit scratch */
    for (size_t r = 0, some; p->pairs && r < p->n; r += some) {
        some = wc_min_size(most, p->n - r);
        for (size_t q = 0; q < some; q++)
            wc_cpu_narrow(p->c, s->panel_pairs + q * width, f32(p->x) + (r + q) * p->k, p->k);
        few_columns(p, s->sums, s->panel_pairs, r, some, first, n);
    }
    wc_cpu_put_scratch(p->c, s);
}

/* Asks for n floats that will be read soon. */
static void fetch(const float *x, size_t n)
{
    for (size_t i = 0; i < n; i += 16)
        __builtin_prefetch(x + i);
}

/* Rows r .. r + n - 1 of x, values i .. i + span - 1, copied to scratch: where they lie, a power of two apart, a few of
 * them would fill the cache's sets. */
static void take_rows(const struct product *p, struct scratch *s, size_t r, size_t n, size_t i, size_t span)
{
    for (size_t q = 0; q < n; q++) {
        const float *x = f32(p->x) + (r + q) * p->k + i;
        float *to = s->rows + q * WC_SPAN;
        if (p->pairs) {
            wc_cpu_narrow(p->c, s->row_pairs + q * 2 * WC_SPAN, x, span);
            continue;
        }
        memcpy(to, x, span * sizeof *to);
        memset(to + span, 0, (whole_vectors(p->c, span) - span) * sizeof *to);
    }
}

static void unpack_columns(const struct product *p, struct scratch *s, size_t col, size_t n, size_t i,
                           size_t span)
{
    const wc_kernels *k = p->c->k;
    const size_t cols = (size_t)k->panel_cols;
    for (size_t j = 0; j < n; j += cols) {
        const char *w = weights_at(p, col + j, i);
        const size_t some = wc_min_size(cols, n - j);
        if (p->bytes.q)
            k->unpack_bytes[p->w.dtype - WC_Q4_0](s->panels + j * WC_SPAN, w, p->w_stride, some, span);
        else if (p->pairs)
            k->unpack_pairs(s->panel_pairs + j * 2 * WC_SPAN, (const uint16_t *)w, p->w_stride, some, span);
        else
            k->unpack[p->w.dtype](s->panels + j * WC_SPAN, w, p->w_stride, some, span);
    }
}

static void many_rows(void *job, int thread, size_t chunk)
{
    const struct product *p = job;
    const wc_kernels *k = p->c->k;
    const size_t cols = (size_t)k->panel_cols, step = p->pairs ? 2 * WC_SPAN : WC_SPAN;
    const size_t col = chunk % p->n_col_blocks * p->block_cols, row = chunk / p->n_col_blocks * p->block_rows;
    const size_t n_cols = wc_min_size(p->block_cols, p->m - col),
                 n_rows = wc_min_size(p->block_rows, p->n - row);
    struct scratch *s = wc_cpu_take_scratch(p->c);
    for (size_t i = 0; i == 0 || i < p->k; i += step) {
        const size_t span = wc_min_size(step, p->k - i);
        unpack_columns(p, s, col, n_cols, i, span);
        for (size_t r = 0; r < n_rows; r += TILE_ROWS) {
            const size_t some = wc_min_size(TILE_ROWS, n_rows - r);
            if (!p->bytes.q) /* they are packed already */
                take_rows(p, s, row + r, some, i, span);
            for (size_t q = 0; !p->bytes.q && q < TILE_ROWS && r + some + q < n_rows; q++)
                fetch(f32(p->x) + (row + r + some + q) * p->k + i, span);
            for (size_t j = 0; j < n_cols; j += cols) {
                float *sums = s->sums + r * BLOCK_COLS + j;
                const size_t width = wc_min_size(cols, n_cols - j);
                const wc_bytes bytes = bytes_at(p, row + r, i);
                if (p->bytes.q)
                    k->tile_bytes[p->w.dtype - WC_Q4_0](sums, BLOCK_COLS, &bytes, s->panels + j * WC_SPAN,
                                                        some, width, span, i > 0);
                else if (p->pairs)
                    k->tile_pairs(sums, BLOCK_COLS, s->row_pairs, 2 * WC_SPAN,
                                  s->panel_pairs + j * 2 * WC_SPAN, some, width, span, i > 0);
                else
                    k->tile(sums, BLOCK_COLS, s->rows, WC_SPAN, s->panels + j * WC_SPAN, some, width,
                            whole_vectors(p->c, span), i > 0);
            }
        }
    }
    finish(p, s->sums, BLOCK_COLS, row, n_rows, col, n_cols);
    wc_cpu_put_scratch(p->c, s);
}

/* ---- x in bytes ---- */

/* Bytes of the three parts of a wc_bytes with n rows of k values, each a whole number of cache lines. */
struct layout {
    size_t q, scale, sum;
};

static struct layout layout_of(size_t n, size_t k)
{
    return (struct layout){(n * k + 63) / 64 * 64, (n * k / 8 + 63) / 64 * 64, (n * k / 8 + 63) / 64 * 64};
}

static size_t matmul_scratch(wc_backend *b, wc_tensor x, wc_tensor w)
{
    if (b->exact || !wc_dtype_is_quantized(w.dtype))
        return 0;
    const struct layout l = layout_of(wc_tensor_rows(&x), w.shape[1]);
    return l.q + l.scale + l.sum;
}

static void quantize_rows(void *job, size_t first, size_t n)
{
    const struct product *p = job;
    for (size_t r = first; r < first + n; r++) {
        const wc_bytes to = bytes_at(p, r, 0);
        p->c->k->quantize((int8_t *)to.q, (float *)to.scale, (int16_t *)to.sum, f32(p->x) + r * p->k, p->k);
    }
}

static void quantize_x(struct product *p, char *scratch)
{
    const struct layout l = layout_of(p->n, p->k);
    p->bytes = (wc_bytes){(int8_t *)scratch, (float *)(scratch + l.q), (int16_t *)(scratch + l.q + l.scale),
                          p->k};
    wc_cpu_for(p->c, quantize_rows, p, p->n, 16 * 1024 / p->k + 1);
}

static void matmul(wc_backend *b, wc_tensor y, wc_tensor x, wc_tensor w, wc_tensor bias, wc_act act,
                   wc_tensor add, void *scratch)
{
    struct product p = {.c = cpu_of(b), .y = y, .x = x, .w = w, .bias = bias, .act = act, .add = add};
    p.n = wc_tensor_rows(&x);
    p.m = w.shape[0];
    p.k = w.shape[1];
    p.w_stride = w.paired ? 2 * w.stride[0] : w.stride[0];
    p.pairs = wc_cpu_takes_pairs(p.c, w.dtype) && p.k <= PANEL_PAIRS / 2;
    if (p.n == 0 || p.m == 0)
        return;
    if (scratch && wc_dtype_is_quantized(w.dtype))
        quantize_x(&p, scratch);
    if (p.n <= FEW_ROWS) {
        size_t least = DOT_BYTES / (wc_dtype_offset(w.dtype, p.k) + 1) / 4 * 4;
        wc_cpu_for(p.c, few_rows, &p, p.m, wc_max_size(least, 4));
        return;
    }
    const size_t cols = (size_t)p.c->k->panel_cols, threads = (size_t)wc_pool_threads(b->pool);
    p.block_rows = wc_min_size(p.n, BLOCK_ROWS);
    size_t row_blocks = (p.n + p.block_rows - 1) / p.block_rows;
    p.block_cols = p.m * row_blocks / (4 * threads) / cols * cols; /* some chunks for every thread */
    p.block_cols = wc_min_size(wc_max_size(p.block_cols, cols), BLOCK_COLS);
    p.n_col_blocks = (p.m + p.block_cols - 1) / p.block_cols;
    wc_pool_run(b->pool, many_rows, &p, p.n_col_blocks * row_blocks);
}

struct embed_job {
    struct cpu *c;
    wc_tensor y, w;
    const int32_t *ids;
    float scale;
};

static void embed_rows(void *job, size_t first, size_t n)
{
    const struct embed_job *j = job;
    const size_t width = j->y.shape[1];
    for (size_t r = first; r < first + n; r++) {
        float *y = f32(j->y) + r * j->y.stride[0];
        const size_t at = wc_dtype_offset(j->w.dtype, (size_t)j->ids[r] * j->w.stride[0]);
        j->c->k->widen[j->w.dtype](y, (const char *)j->w.data + at, width);
        if (j->scale != 1)
            j->c->k->scale(y, y, j->scale, width);
    }
}

static void embed(wc_backend *b, wc_tensor y, wc_tensor w, const int32_t *ids, float scale)
{
    struct embed_job j = {cpu_of(b), y, w, ids, scale};
    wc_cpu_for(j.c, embed_rows, &j, y.shape[0], 8192 / y.shape[1] + 1);
}

void wc_cpu_fill_products(wc_backend *b)
{
    b->matmul = matmul;
    b->matmul_scratch = matmul_scratch;
    b->embed = embed;
}
