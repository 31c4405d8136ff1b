/* quants.c - quantized weights: every level against the reference, bit for bit, widened and against x in bytes; on random
 * blocks, whose scales are moderate, zero, huge or no numbers. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "check.h"
#include "tensor/dtype.h"

/* Bytes of n values, all random but the f16 scales; nasty: some of these are infinite, NaN or subnormal, and some blocks have
 * the least or the largest numbers only. */
static void fill_blocks(wc_dtype type, char *w, size_t n, bool nasty)
{
    static const uint16_t odd[] = {0x7c00, 0xfc00, 0x7e00, 0x0001, 0x83ff, 0x7bff, 0x0000, 0x8000};
    const struct wc_dtype_row *row = wc_dtype_get(type);
    for (size_t b = 0; b < n / row->block_elems; b++, w += row->block_bytes) {
        const uint32_t kind = nasty ? next_random() % 4 : 2;
        for (size_t i = 0; i < row->block_bytes; i++)
            w[i] = (char)(kind < 2 ? -(int)kind : (int)next_random());
        for (size_t s = 0; s < row->n_scales; s++) {
            uint16_t half = (uint16_t)(0x2000 + next_random() % 0x1800) | (uint16_t)(next_random() % 2 << 15);
            if (nasty && next_random() % 4 == 0)
                half = odd[next_random() % (sizeof odd / sizeof *odd)];
            memcpy(w + row->scale_at + 2 * s, &half, 2);
        }
    }
}

struct problem {
    wc_dtype type;
    size_t n, m, k, w_stride, y_stride;
    char *w;
    float *x;
    wc_bytes bytes;
};

static struct problem problem_new(wc_dtype type, size_t n, size_t m, size_t k, bool nasty, bool at_end)
{
    const size_t block = wc_dtype_get(type)->block_elems;
    struct problem p = {.type = type, .n = n, .m = m, .k = k, .w_stride = k + block, .y_stride = m + 3};
    const size_t values = (m - 1) * p.w_stride + k;
    size_t bytes = 0;
    wc_dtype_bytes(type, values, &bytes);
    p.w = guarded(bytes, 1, at_end);
    fill_blocks(type, p.w, values, nasty);
    p.x = guarded_floats(n * k, at_end);
    fill_random(p.x, n * k);
    for (size_t i = 0; nasty && i < n * k; i += 16) /* the largest sums that there are */
        if (next_random() % 2)
            for (size_t j = 0; j < 16; j++)
                p.x[i + j] = i / 16 % 3 ? 1 : -1;
    return p;
}

static void take_bytes(const wc_kernels *k, struct problem *p, bool at_end)
{
    int8_t *q = guarded(p->n * p->k, 1, at_end);
    float *scale = guarded(p->n * p->k / 8, 4, at_end);
    wc_neg_sums *neg = guarded(p->n * p->k / 32 * sizeof *neg, 4, at_end);
    for (size_t r = 0; r < p->n; r++)
        k->quantize(q + r * p->k, scale + r * p->k / 32, neg + r * p->k / 32, p->x + r * p->k, p->k);
    p->bytes = (wc_bytes){q, scale, neg, p->k};
}

static const char *w_at(const struct problem *p, size_t row, size_t i)
{
    return p->w + wc_dtype_offset(p->type, row * p->w_stride + i);
}

static void by_tile(const wc_kernels *k, const struct problem *p, bool bytes, float *y)
{
    const size_t cols = (size_t)(bytes ? k->bytes_cols : k->panel_cols),
                 most = bytes ? WC_BYTE_SPAN : WC_SPAN;
    size_t group;
    float *panel = guarded(cols * WC_SPAN * sizeof *panel, 64, true), *x = packed_new(k, p->n, p->k, &group);
    for (size_t j = 0; j < p->m; j += cols)
        for (size_t i = 0; i < p->k; i += most) {
            const size_t n_cols = p->m - j < cols ? p->m - j : cols, span = p->k - i < most ? p->k - i : most;
            if (bytes) {
                const wc_bytes part = {p->bytes.q + i, p->bytes.scale + i / 32, p->bytes.neg + i / 32, p->k};
                k->unpack_bytes[p->type - WC_Q4_0](panel, w_at(p, j, i), p->w_stride, n_cols, span);
                k->tile_bytes[p->type - WC_Q4_0](y + j, p->y_stride, i > 0 ? y + j : NULL, p->y_stride, &part,
                                                 panel, p->n, n_cols, span);
            } else {
                k->unpack[p->type](panel, w_at(p, j, i), p->w_stride, n_cols, span);
                k->pack(x, group, p->x + i, p->k, p->n, span);
                k->tile(y + j, p->y_stride, i > 0 ? y + j : NULL, p->y_stride, x, group, panel, p->n, n_cols,
                        span);
            }
        }
}

static void check_size(const wc_kernels *k, wc_dtype type, size_t n, size_t m, size_t width, bool nasty,
                       bool at_end)
{
    const wc_kernels *reference = wc_kernels_reference();
    struct problem p = problem_new(type, n, m, width, nasty, at_end);
    float *want = guarded_floats((n - 1) * p.y_stride + m, at_end), *one, *dot, *tile;
    dot = guarded_floats((n - 1) * p.y_stride + m, at_end);
    tile = guarded_floats((n - 1) * p.y_stride + m, at_end);
    one = guarded_floats((n - 1) * p.y_stride + m, at_end);
    const char *name = wc_dtype_get(type)->name;
#define CASE "%s, %zu rows, %zu columns of %zu%s", name, n, m, width, nasty ? ", odd scales" : ""
    k->dot[type](dot, p.y_stride, p.x, width, n, p.w, p.w_stride, m, width);
    by_tile(k, &p, false, tile);
    verdict(same_rows(dot, tile, n, m, p.y_stride), k, "widened: dot and tile differ", CASE);
    k->dot[type](one, p.y_stride, p.x, width, 1, p.w, p.w_stride, m, width);
    verdict(same_rows(dot, one, 1, m, p.y_stride), k, "widened: dot of one row and of many differ", CASE);

    take_bytes(k, &p, at_end);
    reference->dot_bytes[type - WC_Q4_0](want, p.y_stride, &p.bytes, n, p.w, p.w_stride, m, width);
    k->dot_bytes[type - WC_Q4_0](dot, p.y_stride, &p.bytes, n, p.w, p.w_stride, m, width);
    by_tile(k, &p, true, tile);
    verdict(same_rows(want, dot, n, m, p.y_stride), k, "dot_bytes and the reference's differ", CASE);
    verdict(same_rows(want, tile, n, m, p.y_stride), k, "tile_bytes and the reference's dot_bytes differ",
            CASE);
    verdict(gaps_kept(dot, n, m, p.y_stride) && gaps_kept(tile, n, m, p.y_stride), k,
            "bytes: written beside y", CASE);
#undef CASE
    guarded_free_all();
}

static void check_widen(const wc_kernels *k, wc_dtype type, bool nasty)
{
    enum { N = 1024 };
    struct problem p = problem_new(type, 1, 1, N, nasty, true);
    float *want = guarded_floats(N, true), *got = guarded_floats(N, true);
    wc_kernels_reference()->widen[type](want, p.w, N);
    k->widen[type](got, p.w, N);
    verdict(same_bits(want, got, N), k, "widen", "%s%s", wc_dtype_get(type)->name,
            nasty ? ", odd scales" : "");
    guarded_free_all();
}

static bool same_sums(const wc_neg_sums *a, const wc_neg_sums *b)
{
    return memcmp(a->of_16, b->of_16, sizeof a->of_16) == 0 &&
           memcmp(a->of_32, b->of_32, sizeof a->of_32) == 0 && a->total == b->total &&
           same_bits(&a->scaled, &b->scaled, 1);
}

static void check_quantize(const wc_kernels *k)
{
    static const float odd[] = {INFINITY, -INFINITY, NAN, 3e38f, 1e-40f, -1e-45f, 0, -0.0f, 0.5f};
    enum { N = 320 };
    for (size_t round = 0; round < 200; round++) {
        float *x = guarded_floats(N, round % 2), *scale[2];
        int8_t *q[2];
        wc_neg_sums *neg[2];
        fill_random(x, N);
        for (size_t i = 0; round > 20 && i < N; i++)
            x[i] = next_random() % 3 ? x[i] * 0x1p-20f : odd[next_random() % (sizeof odd / sizeof *odd)];
        for (int i = 0; i < 2; i++) {
            q[i] = guarded(N, 1, round % 2);
            scale[i] = guarded_floats(N / 32, round % 2);
            neg[i] = guarded(N / 32 * sizeof **neg, 4, round % 2);
            (i ? wc_kernels_reference() : k)->quantize(q[i], scale[i], neg[i], x, N);
        }
        bool ok = same_bits(scale[0], scale[1], N / 32);
        for (size_t b = 0; b < N / 32; b++)
            ok = ok && (isnan(scale[1][b]) ||
                        (memcmp(q[0] + 32 * b, q[1] + 32 * b, 32) == 0 && same_sums(&neg[0][b], &neg[1][b])));
        verdict(ok, k, "quantize", "round %zu", round);
        guarded_free_all();
    }
}

void check_quants(const wc_kernels *k)
{
    static const size_t rows[] = {1, 2, 3, 5, 8, 13}, columns[] = {1, 3, 4, 7, 16, 19, 33};
    check_quantize(k);
    for (int t = WC_Q4_0; t <= WC_IQ4_XS; t++) {
        const size_t block = wc_dtype_get((wc_dtype)t)->block_elems;
        const size_t widths[] = {block, 2 * block, 512 + block, 1024, 2304 + block};
        for (size_t i = 0; i < sizeof widths / sizeof *widths; i++)
            for (size_t j = 0; j < sizeof rows / sizeof *rows; j++)
                check_size(k, (wc_dtype)t, rows[j], columns[(2 * i + 3 * j) % 7], widths[i], j % 3 == 1,
                           (i + j) % 2);
        check_widen(k, (wc_dtype)t, false);
        check_widen(k, (wc_dtype)t, true);
    }
}
