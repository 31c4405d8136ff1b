/* matmul.c - y = x W^T and what becomes of its sums, cut by columns of y.
 *
 * With few rows the bytes of W decide: each thread takes rows of W and multiplies them into all rows of x as they come from
 * memory (kernels' dot).  With many rows a thread unpacks a block of BLOCK_COLS columns, span by span, and runs a block of
 * rows over it (unpack, tile).  Both add up in the same order (kernels.h), so which one is taken shows only in the time.
 *
 * Unless nothing may be rounded, all of x is first rounded into work: to bf16 where the CPU multiplies pairs of bf16 and W is
 * bf16, to bytes where W is quantized.  Few rows lie row after row in work, many span after span, as do those of x as it is that
 * are whole pages apart: such rows push each other out of the caches.  Where the CPU multiplies tiles of bf16, x of whole inputs
 * and W that are not rounded are cut in parts that it takes. */
#include <string.h>

#include "backend/cpu/cpu.h"
#include "base/size.h"

enum {
    DOT_BYTES = 64 * 1024,
    DOT_ROWS = 16, /* rows of w that a kernel takes at once, at most */
    SUM_COLS = 1024,
    ROUND_LEAST = 64 * 1024 /* values worth a thread */
};

struct product {
    struct cpu *c;
    wc_tensor y, x, w;
    const wc_epilogue *e;
    bool whole;     /* backend.h */
    size_t n, m, k; /* rows, columns, summed values */
    size_t block_rows, n_panels, n_col_blocks;
    size_t w_stride; /* from one row of w to the next that is read with it */
    /* The same for all products of x that are done together: */
    size_t span;       /* values of k that a panel holds */
    uint16_t *rounded; /* x in bf16, or NULL */
    wc_bytes bytes;    /* x in bytes, or q NULL */
    uint32_t *parts;   /* x in parts of bf16, or NULL */
    float *packed;     /* x as tile reads it, of many rows that are none of these */
};

static size_t round_up(size_t n, size_t step)
{
    return (n + step - 1) / step * step;
}

/* ---- x rounded to bf16 ---- */

static bool few(size_t n_rows)
{
    return n_rows <= WC_FEW_ROWS;
}

/* Values of one row of x that lie together in bf16, behind each other for all rows; */
static size_t rounded_span(const struct cpu *c, size_t n, size_t k)
{
    return few(n) ? whole_pairs(c, k) : wc_min_size(whole_pairs(c, k), 2 * WC_SPAN);
}

/* and from row to row: 16 rows that are 2 KB apart meet in few places of the first cache. */
static size_t rounded_stride(const struct cpu *c, size_t n, size_t k)
{
    return rounded_span(c, n, k) + (few(n) ? 0 : LINE_PAIRS);
}

/* Values of work that a row takes, all of its spans. */
static size_t rounded_row(const struct cpu *c, size_t n, size_t k)
{
    const size_t span = rounded_span(c, n, k);
    return (k + span - 1) / span * rounded_stride(c, n, k);
}

static uint16_t *rounded_at(const struct product *p, size_t row, size_t i)
{
    const size_t span = rounded_span(p->c, p->n, p->k);
    return p->rounded + (i / span * p->n + row) * rounded_stride(p->c, p->n, p->k);
}

static void round_rows(void *job, size_t first, size_t n)
{
    const struct product *p = job;
    const size_t step = rounded_span(p->c, p->n, p->k);
    for (size_t r = first; r < first + n; r++)
        for (size_t i = 0; i < p->k; i += step)
            wc_cpu_narrow(p->c, rounded_at(p, r, i), f32(p->x) + r * p->k + i, wc_min_size(step, p->k - i));
}

/* ---- x rounded to bytes ---- */

/* Values of a row of x that lie together in bytes, behind each other for all rows: a span, of which one that may be longer
 * costs less than two. */
static size_t bytes_stride(size_t n, size_t k)
{
    return few(n) || k <= WC_BYTE_SPAN ? k : WC_SPAN;
}

/* Floats of the parts of a wc_bytes with n rows of k values; the next begins with a cache line. */
struct layout {
    size_t q, scale, neg;
};

static struct layout layout_of(size_t n, size_t k)
{
    const size_t values = n * round_up(k, bytes_stride(n, k));
    return (struct layout){round_up(values / 4, 16), round_up(values / 32, 16),
                           values / 32 * (sizeof(wc_neg_sums) / sizeof(float))};
}

/* Rows from r on, values from i on, with which a span begins. */
static wc_bytes bytes_at(const struct product *p, size_t r, size_t i)
{
    const wc_bytes *x = &p->bytes;
    const size_t at = (i / x->k * p->n + r) * x->k;
    return (wc_bytes){x->q + at, x->scale + at / 32, x->neg + at / 32, x->k};
}

static void quantize_rows(void *job, size_t first, size_t n)
{
    const struct product *p = job;
    for (size_t r = first; r < first + n; r++)
        for (size_t i = 0; i < p->k; i += p->bytes.k) {
            const wc_bytes to = bytes_at(p, r, i);
            p->c->k->quantize((int8_t *)to.q, (float *)to.scale, (wc_neg_sums *)to.neg,
                              f32(p->x) + r * p->k + i, wc_min_size(to.k, p->k - i));
        }
}

/* ---- x in parts of bf16 ---- */

enum {
    PART_ROWS = 16,                       /* rows of a block */
    STEP_WORDS = WC_PARTS * WC_PART_WORDS /* words of one row's step */
};
_Static_assert((int)WC_FEW_ROWS <= (int)PART_ROWS, "dot_parts takes a block of rows at most");

/* Words from one block of rows to the next. */
static size_t parts_block(size_t k)
{
    return round_up(k, WC_PART_STEP) / WC_PART_STEP * STEP_WORDS * PART_ROWS;
}

static size_t parts_words(size_t n, size_t k)
{
    return (few(n) ? n : round_up(n, PART_ROWS)) * (parts_block(k) / PART_ROWS);
}

/* Of many rows, from the first of a block and the first value of a step on. */
static const uint32_t *parts_at(const struct product *p, size_t row, size_t i)
{
    return p->parts + row / PART_ROWS * parts_block(p->k) + i / WC_PART_STEP * STEP_WORDS * PART_ROWS;
}

static void split_rows(void *job, size_t first, size_t n)
{
    const struct product *p = job;
    const size_t rows = few(p->n) ? p->n : PART_ROWS;
    for (size_t r = first; r < first + n; r++) {
        const float *x = f32(p->x) + r * p->k;
        if (few(p->n))
            p->c->k->split(p->parts + r, STEP_WORDS * rows, WC_PART_WORDS * rows, rows, x, p->k);
        else
            p->c->k->split(p->parts + r / rows * parts_block(p->k) + r % rows * WC_PART_WORDS,
                           STEP_WORDS * rows, WC_PART_WORDS * rows, 1, x, p->k);
    }
}

/* ---- x as it is ---- */

/* Floats from one group of packed rows to the next: a span of many rows lies together. */
static size_t packed_stride(const struct cpu *c, size_t k)
{
    return packed_group(c, wc_min_size(k, WC_SPAN));
}

/* Of many rows, from the first of a group and the first value of a span on. */
static float *packed_at(const struct product *p, size_t row, size_t i)
{
    const size_t rows = (size_t)p->c->k->tile_rows;
    return p->packed +
           (i / WC_SPAN * (packed_rows(p->c, p->n) / rows) + row / rows) * packed_stride(p->c, p->k);
}

/* Some groups. */
static void pack_rows(void *job, size_t first, size_t n)
{
    const struct product *p = job;
    const size_t rows = (size_t)p->c->k->tile_rows, row = first * rows;
    for (size_t i = 0; i < p->k; i += WC_SPAN)
        p->c->k->pack(packed_at(p, row, i), packed_stride(p->c, p->k), f32(p->x) + row * p->k + i, p->k,
                      wc_min_size(n * rows, p->n - row), wc_min_size(WC_SPAN, p->k - i));
}

/* ---- any of them ---- */

static size_t matmul_work(wc_backend *b, size_t n, const wc_tensor *w, bool whole)
{
    const struct cpu *c = cpu_of(b);
    const size_t k = w->shape[1];
    const struct layout l = layout_of(n, k);
    return wc_cpu_takes_bytes(c, w->dtype)          ? l.q + l.scale + l.neg
           : wc_cpu_takes_pairs(c, w->dtype)        ? n * rounded_row(c, n, k) / 2
           : wc_cpu_takes_parts(c, w->dtype, whole) ? parts_words(n, k)
           : few(n)                                 ? 0
                    : packed_rows(c, n) * round_up(k, k < WC_SPAN ? 4 : WC_SPAN);
}

/* x goes into work as it will be read. */
static void prepare_x(struct product *p, float *work)
{
    const struct layout l = layout_of(p->n, p->k);
    const size_t least = ROUND_LEAST / (p->k + 1) + 1;
    if (wc_cpu_takes_bytes(p->c, p->w.dtype)) {
        float *scale = work + l.q;
        p->bytes = (wc_bytes){(int8_t *)work, scale, (wc_neg_sums *)(scale + l.scale),
                              bytes_stride(p->n, p->k)};
        p->span = p->bytes.k;
        wc_cpu_for(p->c, quantize_rows, p, p->n, least);
    } else if (wc_cpu_takes_pairs(p->c, p->w.dtype)) {
        p->span = 2 * WC_SPAN;
        p->rounded = (uint16_t *)work;
        wc_cpu_for(p->c, round_rows, p, p->n, least);
    } else if (wc_cpu_takes_parts(p->c, p->w.dtype, p->whole)) {
        p->parts = (uint32_t *)work;
        wc_cpu_for(p->c, split_rows, p, p->n, least);
    } else if (!few(p->n)) {
        const size_t rows = (size_t)p->c->k->tile_rows;
        p->packed = work;
        wc_cpu_for(p->c, pack_rows, p, packed_rows(p->c, p->n) / rows, least / rows + 1);
    }
}

/* Of other products of x that read it as p does. */
static void share_x(struct product *to, const struct product *p)
{
    to->span = p->span;
    to->rounded = p->rounded;
    to->bytes = p->bytes;
    to->parts = p->parts;
    to->packed = p->packed;
}

static bool read_alike(const struct product *p, const struct product *q)
{
    return wc_cpu_takes_bytes(p->c, p->w.dtype) == wc_cpu_takes_bytes(q->c, q->w.dtype) &&
           wc_cpu_takes_pairs(p->c, p->w.dtype) == wc_cpu_takes_pairs(q->c, q->w.dtype) &&
           wc_cpu_takes_parts(p->c, p->w.dtype, p->whole) == wc_cpu_takes_parts(q->c, q->w.dtype, q->whole);
}

/* ---- the products ---- */

/* Products of one x that are done together. */
struct together {
    struct product *p;
    size_t n;
};

/* n values of the bias from column col on. */
static void take_bias(const struct product *p, float *bias, size_t col, size_t n)
{
    const wc_tensor *t = &p->e->bias;
    const void *from = (const char *)t->data + col * stored_bytes(t->dtype);
    p->c->k->widen[t->dtype](bias, from, n);
}

/* A block of sums [n_rows, stride] gets bias, if it lacks it, activation or gate, and residual, and goes to y at row first,
 * column col. */
static void finish(const struct product *p, float *sums, size_t stride, size_t first, size_t n_rows,
                   size_t col, size_t n_cols, bool lacks_bias)
{
    const wc_kernels *k = p->c->k;
    const wc_epilogue *e = p->e;
    float bias[BLOCK_COLS];
    const bool acts = e->act != WC_ACT_NONE || e->gate.data;
    lacks_bias = lacks_bias && e->bias.data;
    for (size_t done = 0; done < n_cols; done += BLOCK_COLS) {
        const size_t some = wc_min_size(BLOCK_COLS, n_cols - done), at = col + done;
        if (lacks_bias)
            take_bias(p, bias, at, some);
        for (size_t r = 0; r < n_rows; r++) {
            const size_t place = (first + r) * p->m + at;
            float *sum = sums + r * stride + done, *y = f32(p->y) + place;
            float *biased = acts || e->add.data ? sum : y,
                  *acted = e->add.data ? sum : y; /* the last writes y */
            if (lacks_bias)
                k->add(biased, sum, bias, 1, some);
            if (e->gate.data)
                k->act_mul[e->act](acted, f32(e->gate) + place, sum, some);
            else if (acts)
                k->act[e->act](acted, sum, some);
            if (e->add.data)
                k->add(y, sum, f32(e->add) + place, 1, some);
            else if (!lacks_bias && !acts)
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

/* Columns first .. first + n - 1 of a product. */
static void few_rows(const struct product *p, size_t first, size_t n)
{
    const wc_kernels *k = p->c->k;
    const wc_epilogue *e = p->e; /* none: the sums are y */
    const bool direct = !e->bias.data && e->act == WC_ACT_NONE && !e->gate.data && !e->add.data;
    struct scratch *s = direct ? NULL : wc_cpu_take_scratch(p->c);
    for (size_t col = first, end = first + n, some; col < end; col += some) {
        const char *w = weights_at(p, col, 0);
        float *y = direct ? f32(p->y) + col : s->sums;
        const size_t stride = direct ? p->m : SUM_COLS;
        some = wc_min_size(rows_until_turn(p, col), wc_min_size(SUM_COLS, end - col));
        if (p->bytes.q)
            k->dot_bytes[p->w.dtype - WC_Q4_0](y, stride, &p->bytes, p->n, w, p->w_stride, some, p->k);
        else if (p->rounded)
            k->dot_pairs(y, stride, p->rounded, whole_pairs(p->c, p->k), p->n, (const uint16_t *)w,
                         p->w_stride, some, p->k);
        else if (p->parts)
            k->dot_parts[p->w.dtype](y, stride, p->parts, p->n, w, p->w_stride, some, p->k);
        else
            k->dot[p->w.dtype](y, stride, f32(p->x), p->k, p->n, w, p->w_stride, some, p->k);
        if (!direct)
            finish(p, y, stride, 0, p->n, col, some, true);
    }
    if (s)
        wc_cpu_put_scratch(p->c, s);
}

/* Of the columns of all products one behind the other. */
static void few_rows_of_each(void *job, size_t first, size_t n)
{
    const struct together *t = job;
    for (size_t i = 0, start = 0; i < t->n; start += t->p[i++].m) {
        const size_t from = wc_max_size(first, start), to = wc_min_size(first + n, start + t->p[i].m);
        if (from < to)
            few_rows(&t->p[i], from - start, to - from);
    }
}

static size_t panel_cols(const struct product *p)
{
    return p->bytes.q ? (size_t)p->c->k->bytes_cols : wc_cpu_panel_cols(p->c, p->rounded || p->parts);
}

/* Where the panel that begins with column j of a block lies. */
static uint32_t *parts_panel(struct scratch *s, size_t j)
{
    return (uint32_t *)s->panels + j * PART_SPAN;
}

static void unpack_columns(const struct product *p, struct scratch *s, size_t col, size_t n, size_t i,
                           size_t span)
{
    const wc_kernels *k = p->c->k;
    const size_t cols = panel_cols(p);
    for (size_t j = 0; j < n; j += cols) {
        const char *w = weights_at(p, col + j, i);
        const size_t some = wc_min_size(cols, n - j);
        if (p->bytes.q)
            k->unpack_bytes[p->w.dtype - WC_Q4_0](s->panels + j * WC_SPAN, w, p->w_stride, some, span);
        else if (p->rounded)
            k->unpack_pairs(s->panel_pairs + j * 2 * WC_SPAN, (const uint16_t *)w, p->w_stride, some, span);
        else if (p->parts)
            k->unpack_parts[p->w.dtype](parts_panel(s, j), w, p->w_stride, some, span);
        else
            k->unpack[p->w.dtype](s->panels + j * WC_SPAN, w, p->w_stride, some, span);
    }
}

/* A single span of sums may begin with what is added to it: the same sum, and one pass less.  Sums of bytes and of tiles begin with
 * it, too, but then add one after the other, which is another order. */
static bool adds_first(const struct product *p)
{
    return p->k <= p->span && !p->bytes.q && !p->parts && !(p->rounded && p->c->k->pairs_go_on);
}

/* What values i .. i + span - 1 of k add to rows r .. r + n - 1 of the block at row, col; the last span closes them. */
static void tile_rows(const struct product *p, struct scratch *s, size_t row, size_t r, size_t n, size_t col,
                      size_t n_cols, size_t i, size_t span)
{
    const wc_kernels *k = p->c->k;
    const wc_epilogue *e = p->e;
    const size_t cols = panel_cols(p), at = (row + r) * p->m + col;
    float *sums = s->sums + r * BLOCK_COLS, *y = sums, bias[BLOCK_COLS];
    const float *add = i > 0 ? sums : NULL;
    size_t y_stride = BLOCK_COLS, add_stride = BLOCK_COLS;
    const bool last = i + span == p->k, acts = e->act != WC_ACT_NONE || e->gate.data;
    const bool has_bias = e->bias.data && adds_first(p),
               has_add = e->add.data && adds_first(p) && !e->bias.data && !acts;
    const bool direct = last && !acts && has_bias == (e->bias.data != NULL) &&
                        has_add == (e->add.data != NULL);
    const wc_bytes bytes = p->bytes.q ? bytes_at(p, row + r, i) : p->bytes;
    if (has_bias) {
        take_bias(p, bias, col, n_cols);
        add = bias;
        add_stride = 0;
    } else if (has_add) {
        add = f32(e->add) + at;
        add_stride = p->m;
    }
    if (direct) {
        y = f32(p->y) + at;
        y_stride = p->m;
    }
    for (size_t j = 0; j < n_cols; j += cols) {
        const size_t width = wc_min_size(cols, n_cols - j);
        if (p->bytes.q)
            k->tile_bytes[p->w.dtype - WC_Q4_0](y + j, y_stride, add ? add + j : NULL, add_stride, &bytes,
                                                s->panels + j * WC_SPAN, n, width, span);
        else if (p->rounded)
            k->tile_pairs(y + j, y_stride, add ? add + j : NULL, add_stride, rounded_at(p, row + r, i),
                          rounded_stride(p->c, p->n, p->k), s->panel_pairs + j * 2 * WC_SPAN, n, width, span);
        else if (p->parts)
            k->tile_parts[p->w.dtype](y + j, y_stride, add ? add + j : NULL, add_stride,
                                      parts_at(p, row + r, i), parts_block(p->k), parts_panel(s, j), n, width,
                                      span);
        else
            k->tile(y + j, y_stride, add ? add + j : NULL, add_stride, packed_at(p, row + r, i),
                    packed_stride(p->c, p->k), s->panels + j * WC_SPAN, n, width, span);
    }
    if (last && !direct) /* while the sums are near */
        finish(p, sums, BLOCK_COLS, row + r, n, col, n_cols, !has_bias);
}

/* Where a block of columns begins: none has more than a panel more than another. */
static size_t first_col(const struct product *p, size_t block)
{
    return wc_min_size(block * p->n_panels / p->n_col_blocks * panel_cols(p), p->m);
}

static size_t count_blocks(const struct product *p)
{
    return p->n_col_blocks * ((p->n + p->block_rows - 1) / p->block_rows);
}

static void many_rows(void *job, int thread, size_t chunk)
{
    const struct product *p = ((const struct together *)job)->p;
    for (size_t blocks; chunk >= (blocks = count_blocks(p)); p++)
        chunk -= blocks;
    const size_t index = chunk % p->n_col_blocks, row = chunk / p->n_col_blocks * p->block_rows;
    const size_t col = first_col(p, index), n_cols = first_col(p, index + 1) - col,
                 n_rows = wc_min_size(p->block_rows, p->n - row);
    struct scratch *s = wc_cpu_take_scratch(p->c);
    for (size_t i = 0; i == 0 || i < p->k; i += p->span) {
        const size_t span = wc_min_size(p->span, p->k - i);
        unpack_columns(p, s, col, n_cols, i, span);
        for (size_t r = 0; r < n_rows; r += PASS_ROWS)
            tile_rows(p, s, row, r, wc_min_size(PASS_ROWS, n_rows - r), col, n_cols, i, span);
    }
    wc_cpu_put_scratch(p->c, s);
}

/* Cuts y into blocks of one size but for a panel, some for every thread and as many for one as for another. */
static void plan_blocks(struct product *p, size_t threads)
{
    const size_t row_blocks = (p->n + BLOCK_ROWS - 1) / BLOCK_ROWS, least = 4 * threads / row_blocks;
    size_t col_blocks = wc_max_size((p->m + BLOCK_COLS - 1) / BLOCK_COLS, least);
    if (row_blocks % threads != 0)
        col_blocks = round_up(col_blocks, threads);
    p->block_rows = round_up((p->n + row_blocks - 1) / row_blocks, EVEN_ROWS);
    p->n_panels = (p->m + panel_cols(p) - 1) / panel_cols(p);
    p->n_col_blocks = wc_min_size(col_blocks, p->n_panels);
}

static void multiply(struct product *p, size_t n, float *work)
{
    struct cpu *c = p->c;
    struct together t = {p, n};
    size_t columns = 0, bytes = 0, blocks = 0;
    prepare_x(p, work);
    for (size_t i = 0; i < n; i++) {
        share_x(&p[i], p);
        columns += p[i].m;
        bytes += p[i].m * wc_dtype_offset(p[i].w.dtype, p[i].k);
        plan_blocks(&p[i], (size_t)wc_pool_threads(c->base.pool));
        blocks += count_blocks(&p[i]);
    }
    if (few(p->n)) {
        const size_t least = DOT_BYTES / (bytes / columns + 1) / DOT_ROWS * DOT_ROWS;
        wc_cpu_for(c, few_rows_of_each, &t, columns, wc_max_size(least, DOT_ROWS));
    } else {
        wc_pool_run(c->base.pool, many_rows, &t, blocks);
    }
}

static void matmul(wc_backend *b, wc_tensor x, const wc_product *list, size_t n_p, bool whole, wc_tensor work)
{
    struct product p[WC_MAX_PRODUCTS];
    size_t n = 0;
    for (size_t i = 0; i < n_p; i++) {
        const wc_tensor w = list[i].w;
        if (wc_tensor_rows(&x) > 0 && w.shape[0] > 0)
            p[n++] = (struct product){.c = cpu_of(b),
                                      .y = list[i].y,
                                      .x = x,
                                      .w = w,
                                      .e = &list[i].e,
                                      .whole = whole,
                                      .n = wc_tensor_rows(&x),
                                      .m = w.shape[0],
                                      .k = w.shape[1],
                                      .span = WC_SPAN,
                                      .w_stride = w.paired ? 2 * w.stride[0] : w.stride[0]};
    }
    for (size_t i = 0, end; i < n; i = end) {
        for (end = i + 1; end < n && read_alike(&p[i], &p[end]);)
            end++;
        multiply(&p[i], end - i, f32(work));
    }
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
    b->matmul_work = matmul_work;
    b->matmul = matmul;
    b->embed = embed;
}
