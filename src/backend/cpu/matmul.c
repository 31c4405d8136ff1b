/* matmul.c - y = act(x W^T + bias) + add, cut by columns of y.
 *
 * With few rows the bytes of W decide: each thread takes rows of W and multiplies them into all rows of x as they come from
 * memory (kernels' dot).  With many rows a thread unpacks a block of BLOCK_COLS columns, span by span, and runs a block of
 * rows over it (unpack, tile).  Both add up in the same order (kernels.h), so which one is taken shows only in the time. */
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
};

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

static const char *weights_at(const struct product *p, size_t row, size_t i)
{
    return (const char *)p->w.data + (row * p->w.stride[0] + i) * stored_bytes(p->w.dtype);
}

static void few_rows(void *job, size_t first, size_t n)
{
    const struct product *p = job;
    struct scratch *s = wc_cpu_take_scratch(p->c);
    for (size_t col = first; col < first + n; col += SUM_COLS) {
        const size_t some = wc_min_size(SUM_COLS, first + n - col);
        p->c->k->dot[p->w.dtype](s->sums, SUM_COLS, f32(p->x), p->k, p->n, weights_at(p, col, 0),
                                 p->w.stride[0], some, p->k);
        finish(p, s->sums, SUM_COLS, 0, p->n, col, some);
    }
    wc_cpu_put_scratch(p->c, s);
}

/* Asks for n floats that will be read soon. */
static void fetch(const float *x, size_t n)
{
    for (size_t i = 0; i < n; i += 16)
        __builtin_prefetch(x + i);
}

/* Rows of x are copied to scratch first: where they lie, a power of two apart, a few of them would fill the cache's sets. */
static void many_rows(void *job, int thread, size_t chunk)
{
    const struct product *p = job;
    const wc_kernels *k = p->c->k;
    const size_t cols = (size_t)k->panel_cols, panel_floats = cols * WC_SPAN;
    const size_t col = chunk % p->n_col_blocks * p->block_cols, row = chunk / p->n_col_blocks * p->block_rows;
    const size_t n_cols = wc_min_size(p->block_cols, p->m - col),
                 n_rows = wc_min_size(p->block_rows, p->n - row);
    struct scratch *s = wc_cpu_take_scratch(p->c);
    for (size_t i = 0; i == 0 || i < p->k; i += WC_SPAN) {
        const size_t span = wc_min_size(WC_SPAN, p->k - i), padded = whole_vectors(p->c, span);
        for (size_t j = 0; j < n_cols; j += cols)
            k->unpack[p->w.dtype](s->panels + j / cols * panel_floats, weights_at(p, col + j, i),
                                  p->w.stride[0], wc_min_size(cols, n_cols - j), span);
        for (size_t r = 0; r < n_rows; r += TILE_ROWS) {
            const size_t some = wc_min_size(TILE_ROWS, n_rows - r);
            for (size_t q = 0; q < some; q++) {
                memcpy(s->rows + q * WC_SPAN, f32(p->x) + (row + r + q) * p->k + i, span * sizeof(float));
                memset(s->rows + q * WC_SPAN + span, 0, (padded - span) * sizeof(float));
            }
            for (size_t q = 0; q < TILE_ROWS && r + some + q < n_rows; q++)
                fetch(f32(p->x) + (row + r + some + q) * p->k + i, span);
            for (size_t j = 0; j < n_cols; j += cols)
                k->tile(s->sums + r * BLOCK_COLS + j, BLOCK_COLS, s->rows, WC_SPAN,
                        s->panels + j / cols * panel_floats, some, wc_min_size(cols, n_cols - j), padded,
                        i > 0);
        }
    }
    finish(p, s->sums, BLOCK_COLS, row, n_rows, col, n_cols);
    wc_cpu_put_scratch(p->c, s);
}

static void matmul(wc_backend *b, wc_tensor y, wc_tensor x, wc_tensor w, wc_tensor bias, wc_act act,
                   wc_tensor add)
{
    struct product p = {.c = cpu_of(b), .y = y, .x = x, .w = w, .bias = bias, .act = act, .add = add};
    p.n = wc_tensor_rows(&x);
    p.m = w.shape[0];
    p.k = w.shape[1];
    if (p.n == 0 || p.m == 0)
        return;
    if (p.n <= FEW_ROWS) {
        size_t least = DOT_BYTES / (p.k * stored_bytes(w.dtype) + 1) / 4 * 4;
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
    const size_t width = j->y.shape[1], size = stored_bytes(j->w.dtype);
    for (size_t r = first; r < first + n; r++) {
        float *y = f32(j->y) + r * j->y.stride[0];
        j->c->k->widen[j->w.dtype](y, (const char *)j->w.data + (size_t)j->ids[r] * j->w.stride[0] * size,
                                   width);
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
    b->embed = embed;
}
