/* products.c - unpack, tile, dot and mix: exact sums, rounding, one order of sums for all of them, special values. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "check.h"

static const wc_dtype types[] = {WC_F32, WC_F16, WC_BF16};
static const char *const type_names[] = {"f32", "f16", "bf16"};

/* x [n, k] by w [m, k] of a stored type: zeros and room beside each row of x, weights at odd addresses. */
struct problem {
    size_t n, m, k, x_stride, w_stride, y_stride;
    wc_dtype type;
    float *x;
    char *w;
};

static struct problem problem_new(size_t lanes, size_t n, size_t m, size_t k, wc_dtype type, bool whole,
                                  bool at_end)
{
    struct problem p = {.n = n, .m = m, .k = k, .w_stride = k + 1, .y_stride = m + 5, .type = type};
    const size_t whole_k = (k + lanes - 1) / lanes * lanes; /* zeros behind k, as tile_pairs reads them */
    p.x_stride = whole_k + 3;
    p.x = guarded_floats((n - 1) * p.x_stride + whole_k, at_end);
    memset(p.x, 0, ((n - 1) * p.x_stride + whole_k) * sizeof *p.x);
    size_t bytes = ((m - 1) * p.w_stride + k) * stored_size(type);
    p.w = (char *)guarded(bytes + !at_end, 1, at_end) +
          !at_end; /* one byte past a border, or up to the border */
    float row[5000];
    for (size_t j = 0; j < m; j++) {
        whole ? fill_whole(row, k) : fill_random(row, k);
        store_as(type, p.w + j * p.w_stride * stored_size(type), row, k);
    }
    for (size_t r = 0; r < n; r++)
        whole ? fill_whole(p.x + r * p.x_stride, k) : fill_random(p.x + r * p.x_stride, k);
    return p;
}

static float *outputs(const struct problem *p, bool at_end)
{
    return guarded_floats((p->n - 1) * p->y_stride + p->m, at_end);
}

static void by_dot(const wc_kernels *k, const struct problem *p, float *y, size_t n)
{
    k->dot[p->type](y, p->y_stride, p->x, p->x_stride, n, p->w, p->w_stride, p->m, p->k);
}

/* Rows first .. first + n - 1. */
static void by_tile(const wc_kernels *k, const struct problem *p, float *y, size_t first, size_t n)
{
    const size_t cols = (size_t)k->panel_cols;
    float *panel = guarded(cols * WC_SPAN * sizeof *panel, 64, true);
    size_t group;
    float *x = packed_new(k, n, p->k, &group);
    for (size_t j = 0; j < p->m; j += cols)
        for (size_t i = 0; i < p->k; i += WC_SPAN) {
            size_t n_cols = p->m - j < cols ? p->m - j : cols, span = p->k - i < WC_SPAN ? p->k - i : WC_SPAN;
            k->unpack[p->type](panel, p->w + (j * p->w_stride + i) * stored_size(p->type), p->w_stride,
                               n_cols, span);
            float *to = y + first * p->y_stride + j;
            k->pack(x, group, p->x + first * p->x_stride + i, p->x_stride, n, span);
            k->tile(to, p->y_stride, i > 0 ? to : NULL, p->y_stride, x, group, panel, n, n_cols, span);
        }
}

/* Sums added to another matrix than y. */
static void check_add(const wc_kernels *k, const struct problem *p, const float *tile, bool at_end)
{
    const size_t cols = (size_t)k->panel_cols, n_cols = p->m < cols ? p->m : cols, add_stride = n_cols + 3;
    if (p->k > WC_SPAN)
        return;
    float *panel = guarded(cols * WC_SPAN * sizeof *panel, 64, true), *got = outputs(p, at_end);
    float *add = guarded_floats((p->n - 1) * add_stride + n_cols, at_end);
    fill_whole(add, (p->n - 1) * add_stride + n_cols);
    k->unpack[p->type](panel, p->w, p->w_stride, n_cols, p->k);
    size_t group;
    float *x = packed_new(k, p->n, p->k, &group);
    k->pack(x, group, p->x, p->x_stride, p->n, p->k);
    k->tile(got, p->y_stride, add, add_stride, x, group, panel, p->n, n_cols, p->k);
    bool same = true;
    for (size_t r = 0; r < p->n; r++)
        for (size_t c = 0; c < n_cols; c++)
            same = same && got[r * p->y_stride + c] == add[r * add_stride + c] + tile[r * p->y_stride + c];
    verdict(same, k, "tile added to another matrix", "%zu x %zu x %zu", p->n, p->m, p->k);
}

/* Within the rounding of the sum (exactly, for whole numbers). */
static bool close_to_exact(const struct problem *p, const float *y, bool whole)
{
    for (size_t r = 0; r < p->n; r++)
        for (size_t j = 0; j < p->m; j++) {
            double sum = 0, size = 0;
            for (size_t i = 0; i < p->k; i++) {
                double term = (double)p->x[r * p->x_stride + i] *
                              (double)stored_at(p->type, p->w, j * p->w_stride + i);
                sum += term;
                size += fabs(term);
            }
            double bound = whole ? 0
                                 : (double)(p->k < WC_SPAN ? p->k + 1 : WC_SPAN + p->k / WC_SPAN) * 0x1p-24 *
                                       size;
            if (!(fabs((double)y[r * p->y_stride + j] - sum) <= bound))
                return false;
        }
    return true;
}

/* In the order of kernels.h, which is that of all levels of vectors. */
static bool in_order(const struct problem *p, const float *y)
{
    for (size_t r = 0; r < p->n; r++)
        for (size_t j = 0; j < p->m; j++) {
            float total = 0;
            for (size_t first = 0; first < p->k; first += WC_SPAN) {
                float lane[4] = {0};
                for (size_t i = first; i < p->k && i < first + WC_SPAN; i++)
                    lane[i % 4] = fmaf(p->x[r * p->x_stride + i],
                                       stored_at(p->type, p->w, j * p->w_stride + i), lane[i % 4]);
                const float sum = (lane[0] + lane[1]) + (lane[2] + lane[3]);
                total = first == 0 ? sum : total + sum;
            }
            if (!same_bits(&total, &y[r * p->y_stride + j], 1))
                return false;
        }
    return true;
}

static void check_size(const wc_kernels *k, size_t n, size_t m, size_t width, wc_dtype type, bool whole,
                       bool at_end)
{
    struct problem p = problem_new((size_t)k->lanes, n, m, width, type, whole, at_end);
    float *dot = outputs(&p, at_end), *tile = outputs(&p, at_end), *one = outputs(&p, at_end);
    by_dot(k, &p, dot, n);
    by_tile(k, &p, tile, 0, n);
    for (size_t r = 0; r < n; r++) /* row by row */
        by_tile(k, &p, one, r, 1);
    check_add(k, &p, tile, at_end);
    const char *name = type_names[type];
#define CASE "%s, %zu rows, %zu columns of %zu%s", name, n, m, width, whole ? ", whole numbers" : ""
    verdict(close_to_exact(&p, dot, whole), k, "dot", CASE);
    verdict(close_to_exact(&p, tile, whole), k, "unpack and tile", CASE);
    verdict(gaps_kept(dot, n, m, p.y_stride) && gaps_kept(tile, n, m, p.y_stride), k, "written beside y",
            CASE);
    verdict(same_rows(dot, tile, n, p.m, p.y_stride), k, "dot and tile differ", CASE);
    verdict(k->lanes == 1 || in_order(&p, dot), k, "order of sums", CASE);
    verdict(same_rows(one, tile, n, p.m, p.y_stride), k, "one row and many differ", CASE);
    by_dot(k, &p, one, 1);
    verdict(same_rows(one, dot, 1, p.m, p.y_stride), k, "dot of one row and of many differ", CASE);
#undef CASE
    guarded_free_all();
}

/* The same of bf16 pairs: x is rounded first, rows of it end in zeros. */
static void check_pairs_size(const wc_kernels *k, size_t n, size_t m, size_t width, bool whole, bool at_end)
{
    struct problem p = problem_new((size_t)k->lanes, n, m, width, WC_BF16, whole, at_end);
    const size_t cols = (size_t)k->pair_cols, vector = 2 * (size_t)k->lanes, span = 2 * WC_SPAN;
    const size_t x_stride = (width + vector - 1) / vector * vector;
    uint16_t *x = guarded(n * x_stride * sizeof *x, sizeof *x, at_end), *w = (uint16_t *)p.w;
    uint16_t *panel = guarded(cols * span * sizeof *panel, 64, true);
    for (size_t r = 0; r < n; r++) {
        k->narrow_bf16(x + r * x_stride, p.x + r * p.x_stride, width);
        memset(x + r * x_stride + width, 0, (x_stride - width) * sizeof *x);
        k->widen[WC_BF16](p.x + r * p.x_stride, x + r * x_stride, width);
    }
    float *dot = outputs(&p, at_end), *tile = outputs(&p, at_end), *one = outputs(&p, at_end);
    k->dot_pairs(dot, p.y_stride, x, x_stride, n, w, p.w_stride, m, width);
    for (size_t j = 0; j < m; j += cols)
        for (size_t i = 0; i < width; i += span) {
            const size_t some = m - j < cols ? m - j : cols, part = width - i < span ? width - i : span;
            k->unpack_pairs(panel, w + j * p.w_stride + i, p.w_stride, some, part);
            k->tile_pairs(tile + j, p.y_stride, i > 0 ? tile + j : NULL, p.y_stride, x + i, x_stride, panel,
                          n, some, part);
        }
    for (size_t r = 0; r < n; r++)
        k->dot_pairs(one + r * p.y_stride, p.y_stride, x + r * x_stride, x_stride, 1, w, p.w_stride, m,
                     width);
#define CASE "%zu rows, %zu columns of %zu%s", n, m, width, whole ? ", whole numbers" : ""
    verdict(close_to_exact(&p, dot, whole), k, "dot_pairs", CASE);
    verdict(close_to_exact(&p, tile, whole), k, "unpack_pairs and tile_pairs", CASE);
    verdict(gaps_kept(dot, n, m, p.y_stride) && gaps_kept(tile, n, m, p.y_stride), k,
            "pairs: written beside y", CASE);
    verdict(same_rows(dot, tile, n, p.m, p.y_stride), k, "dot_pairs and tile_pairs differ", CASE);
    verdict(same_rows(one, dot, n, p.m, p.y_stride), k, "dot_pairs of one row and of many differ", CASE);
#undef CASE
    guarded_free_all();
}

/* Rows of x in parts, as tile_parts takes them, or as dot_parts does. */
static uint32_t *split_rows(const wc_kernels *k, const struct problem *p, size_t first, size_t n, bool few)
{
    const size_t steps = (p->k + WC_PART_STEP - 1) / WC_PART_STEP, tile = 16 * WC_PART_WORDS,
                 block = steps * WC_PARTS * tile,
                 words = few ? steps * WC_PARTS * WC_PART_WORDS * n : (n + 15) / 16 * block;
    uint32_t *x = guarded(words * sizeof *x, 64, true);
    for (size_t r = 0; r < n; r++)
        if (few)
            k->split(x + r, WC_PARTS * WC_PART_WORDS * n, WC_PART_WORDS * n, n,
                     p->x + (first + r) * p->x_stride, p->k);
        else
            k->split(x + r / 16 * block + r % 16 * WC_PART_WORDS, WC_PARTS * tile, tile, 1,
                     p->x + (first + r) * p->x_stride, p->k);
    return x;
}

/* The same in parts. */
static void check_parts_size(const wc_kernels *k, size_t n, size_t m, size_t width, wc_dtype type, bool whole,
                             bool at_end)
{
    struct problem p = problem_new((size_t)k->lanes, n, m, width, type, whole, at_end);
    const size_t cols = (size_t)k->pair_cols, size = stored_size(type), few = n < 16 ? n : 16,
                 tile_words = 16 * WC_PART_WORDS,
                 block = (width + WC_PART_STEP - 1) / WC_PART_STEP * WC_PARTS * tile_words;
    uint32_t *x = split_rows(k, &p, 0, n, false),
             *panel = guarded(cols * WC_SPAN * WC_PARTS / 2 * sizeof *panel, 64, true);
    float *dot = outputs(&p, at_end), *tile = outputs(&p, at_end), *one = outputs(&p, at_end);
    k->dot_parts[type](dot, p.y_stride, split_rows(k, &p, 0, few, true), few, p.w, p.w_stride, m, width);
    for (size_t j = 0; j < m; j += cols)
        for (size_t i = 0; i < width; i += WC_SPAN) {
            const size_t some = m - j < cols ? m - j : cols, span = width - i < WC_SPAN ? width - i : WC_SPAN;
            k->unpack_parts[type](panel, p.w + (j * p.w_stride + i) * size, p.w_stride, some, span);
            k->tile_parts[type](tile + j, p.y_stride, i > 0 ? tile + j : NULL, p.y_stride,
                                x + i / WC_PART_STEP * WC_PARTS * tile_words, block, panel, n, some, span);
        }
    for (size_t r = 0; r < few; r++)
        k->dot_parts[type](one + r * p.y_stride, p.y_stride, split_rows(k, &p, r, 1, true), 1, p.w,
                           p.w_stride, m, width);
#define CASE                                                                                                 \
    "%s, %zu rows, %zu columns of %zu%s", type_names[type], n, m, width, whole ? ", whole numbers" : ""
    verdict(close_to_exact(&p, tile, whole), k, "unpack_parts and tile_parts", CASE);
    verdict(gaps_kept(dot, few, m, p.y_stride) && gaps_kept(tile, n, m, p.y_stride), k,
            "parts: written beside y", CASE);
    verdict(same_rows(dot, tile, few, p.m, p.y_stride), k, "dot_parts and tile_parts differ", CASE);
    verdict(same_rows(one, dot, few, p.m, p.y_stride), k, "dot_parts of one row and of many differ", CASE);
#undef CASE
    guarded_free_all();
}

/* One value that is not finite makes its row's results NaN, and no others. */
static void check_parts_special(const wc_kernels *k, float special)
{
    struct problem p = problem_new((size_t)k->lanes, 5, 3, 70, WC_F32, true, true);
    p.x[2 * p.x_stride + 40] = special;
    float *y = outputs(&p, true);
    k->dot_parts[WC_F32](y, p.y_stride, split_rows(k, &p, 0, p.n, true), p.n, p.w, p.w_stride, p.m, p.k);
    bool ok = true;
    for (size_t r = 0; r < p.n; r++)
        for (size_t j = 0; j < p.m; j++)
            ok = ok && (isnan(y[r * p.y_stride + j]) != 0) == (r == 2);
    verdict(ok, k, "dot_parts of what is not finite", "%g", (double)special);
    guarded_free_all();
}

/* Infinity, NaN, subnormal and huge values come through as the arithmetic has them. */
static void check_special(const wc_kernels *k, wc_dtype type)
{
    const float specials[] = {INFINITY, -INFINITY, NAN, 3e38f, 1e-40f, -0.0f};
    for (size_t s = 0; s < sizeof specials / sizeof *specials; s++)
        for (size_t at = 0; at < 70; at += 23) {
            struct problem p = problem_new((size_t)k->lanes, 7, 3, 70, type, true, true);
            for (size_t r = 0; r < p.n; r++)
                for (size_t i = 0; i < p.k; i++)
                    p.x[r * p.x_stride + i] = i == at ? specials[s] : 0;
            float *dot = outputs(&p, true), *tile = outputs(&p, true);
            by_dot(k, &p, dot, p.n);
            by_tile(k, &p, tile, 0, p.n);
            bool ok = true;
            for (size_t r = 0; r < p.n; r++)
                for (size_t j = 0; j < p.m; j++) {
                    float want = specials[s] * stored_at(type, p.w, j * p.w_stride + at) + 0.0f;
                    ok = ok && same_bits(&want, &dot[r * p.y_stride + j], 1);
                }
            verdict(ok && same_rows(dot, tile, p.n, p.m, p.y_stride), k, "special values", "%s, %g at %zu",
                    type_names[type], (double)specials[s], at);
            guarded_free_all();
        }
}

static void check_mix_size(const wc_kernels *k, size_t n, size_t keys, size_t d, bool at_end)
{
    const size_t stride = d + 2, p_stride = keys + 1;
    float *o = guarded_floats((n - 1) * stride + d, at_end),
          *one = guarded_floats((n - 1) * stride + d, at_end);
    float *alpha = guarded_floats(n, at_end), *v = guarded_floats((keys - 1) * stride + d, at_end);
    float *p = guarded_floats((n - 1) * p_stride + keys, at_end);
    fill_whole(o, (n - 1) * stride + d);
    fill_whole(v, (keys - 1) * stride + d);
    fill_whole(p, (n - 1) * p_stride + keys);
    fill_whole(alpha, n);
    memcpy(one, o, ((n - 1) * stride + d) * sizeof *o);
    double *want = guarded(n * d * sizeof *want, sizeof *want, true);
    for (size_t r = 0; r < n; r++)
        for (size_t i = 0; i < d; i++) {
            want[r * d + i] = (double)o[r * stride + i] * (double)alpha[r];
            for (size_t j = 0; j < keys; j++)
                want[r * d + i] += (double)p[r * p_stride + j] * (double)v[j * stride + i];
        }
    k->mix(o, stride, alpha, p, p_stride, v, stride, n, keys, d);
    for (size_t r = 0; r < n; r++)
        k->mix(one + r * stride, stride, alpha + r, p + r * p_stride, p_stride, v, stride, 1, keys, d);
    bool exact = true, same = true;
    for (size_t r = 0; r < n; r++) {
        for (size_t i = 0; i < d; i++)
            exact = exact && (double)o[r * stride + i] == want[r * d + i];
        same = same && same_bits(o + r * stride, one + r * stride, d);
    }
    verdict(exact, k, "mix", "%zu rows, %zu keys of %zu", n, keys, d);
    verdict(same, k, "mix of one row and of many differ", "%zu rows, %zu keys of %zu", n, keys, d);
    guarded_free_all();
}

/* Two rows of v [2, d] that are bf16 already give what they gave as floats. */
static void check_interleave_bf16(const wc_kernels *k, const float *v, size_t d, const uint16_t *want,
                                  bool at_end)
{
    uint16_t *rows = guarded(2 * d * sizeof *rows, 2, at_end), *got = guarded(2 * d * sizeof *got, 4, at_end);
    k->narrow_bf16(rows, v, 2 * d);
    k->interleave_bf16(got, rows, rows + d, d);
    verdict(memcmp(got, want, 2 * d * sizeof *got) == 0, k, "interleave_bf16", "%zu values", d);
}

/* Of bf16 pairs against f32, on whole numbers: nothing is rounded, so the sums are the same. */
static void check_mix_pairs_size(const wc_kernels *k, size_t n, size_t pairs, size_t d, bool at_end)
{
    const size_t whole = (d + (size_t)k->lanes - 1) / (size_t)k->lanes * (size_t)k->lanes;
    const size_t keys = 2 * pairs, p_stride = keys + 2, v_stride = 2 * whole + 2;
    float *o = guarded_floats(n * d, at_end), *want = guarded_floats(n * d, at_end),
          *alpha = guarded_floats(n, at_end);
    float *p = guarded_floats(n * keys, at_end), *v = guarded_floats(keys * d, at_end);
    uint16_t *p_pairs = guarded(((n - 1) * p_stride + keys) * 2, 4, at_end),
             *v_pairs = guarded(((pairs - 1) * v_stride + 2 * whole) * 2, 4, at_end);
    fill_whole(o, n * d);
    fill_whole(alpha, n);
    fill_whole(p, n * keys);
    fill_whole(v, keys * d);
    memcpy(want, o, n * d * sizeof *o);
    for (size_t r = 0; r < n; r++)
        k->narrow_bf16(p_pairs + r * p_stride, p + r * keys, keys);
    for (size_t j = 0; j < pairs; j++)
        k->interleave(v_pairs + j * v_stride, v + 2 * j * d, v + (2 * j + 1) * d, d);
    for (size_t j = 0; j < pairs; j++)
        memset(v_pairs + j * v_stride + 2 * d, 0, 2 * (whole - d) * sizeof *v_pairs);
    check_interleave_bf16(k, v, d, v_pairs, at_end);
    k->mix(want, d, alpha, p, keys, v, d, n, keys, d);
    k->mix_pairs(o, d, alpha, p_pairs, p_stride, v_pairs, v_stride, n, pairs, d);
    verdict(same_bits(o, want, n * d), k, "interleave and mix_pairs", "%zu rows, %zu keys of %zu", n, keys,
            d);
    for (size_t i = 0; i < n * d; i++) {
        o[i] = NAN;
        want[i] = 0;
    }
    k->mix(want, d, alpha, p, keys, v, d, n, keys, d);
    k->mix_pairs(o, d, NULL, p_pairs, p_stride, v_pairs, v_stride, n, pairs, d);
    verdict(same_bits(o, want, n * d), k, "mix_pairs", "%zu rows, %zu keys of %zu, from zeros", n, keys, d);
    guarded_free_all();
}

void check_products(const wc_kernels *k)
{
    static const size_t rows[] = {1, 2, 3, 4, 5, 7, 13, 31}, columns[] = {1, 2, 3, 5, 8, 16, 17, 31, 37};
    static const size_t widths[] = {1, 3, 4, 7, 15, 16, 17, 33, 64, 100, 511, 512, 513, 1030, 2048 + 9};
    for (size_t t = 0; t < 3; t++) {
        for (size_t i = 0; i < sizeof widths / sizeof *widths; i++)
            for (size_t j = 0; j < sizeof rows / sizeof *rows; j++) {
                size_t m = columns[(3 * i + j) % (sizeof columns / sizeof *columns)];
                check_size(k, rows[j], m, widths[i], types[t], true, (i + j) % 2 == 0);
                check_size(k, rows[j], m, widths[i], types[t], false, (i + j) % 2 == 1);
            }
        check_special(k, types[t]);
    }
    for (size_t t = 0; k->split && t < 3; t++)
        for (size_t i = 0; i < sizeof widths / sizeof *widths; i++)
            for (size_t j = 0; j < sizeof rows / sizeof *rows; j++) {
                size_t m = columns[(3 * i + j) % (sizeof columns / sizeof *columns)];
                check_parts_size(k, rows[j], m, widths[i], types[t], true, (i + j) % 2 == 0);
                check_parts_size(k, rows[j], m, widths[i], types[t], false, (i + j) % 2 == 1);
            }
    for (int i = 0; k->split && i < 3; i++)
        check_parts_special(k, (const float[]){INFINITY, -INFINITY, NAN}[i]);
    for (size_t i = 0; k->tile_pairs && i < sizeof widths / sizeof *widths; i++)
        for (size_t j = 0; j < sizeof rows / sizeof *rows; j++) {
            size_t m = columns[(3 * i + j) % (sizeof columns / sizeof *columns)];
            check_pairs_size(k, rows[j], m, widths[i], true, (i + j) % 2 == 0);
            check_pairs_size(k, rows[j], m, widths[i], false, (i + j) % 2 == 1);
        }
    static const size_t depths[] = {1, 7, 8, 15, 16, 24, 29, 31, 32, 33, 64, 72, 96, 257},
                        keys[] = {1, 2, 37, 64};
    for (size_t i = 0; i < sizeof depths / sizeof *depths; i++)
        for (size_t j = 0; j < sizeof rows / sizeof *rows; j++)
            check_mix_size(k, rows[j], keys[(i + j) % 4], depths[i], (i + j) % 2 == 0);
    for (size_t d = 1; k->mix_pairs && d <= 256; d += d < 36 ? 7 : 36)
        for (size_t j = 0; j < sizeof rows / sizeof *rows; j++)
            check_mix_pairs_size(k, rows[j], keys[j % 4], d, j % 2 == 0);
}
