/* maps.c - maps [h,w,c]: convolutions, pools, resizes.
 *
 * A full convolution is the product of patches [pixels, kh * kw * c_in] with the filters in the same order.  Patches are
 * gathered a block of pixels and a span at a time, into scratch; the filters, which lie in the file as [c_out, c_in, kh, kw],
 * are first unpacked to panels, once for the whole map. */
#include <math.h>
#include <string.h>

#include "backend/cpu/cpu.h"
#include "base/size.h"

enum {
    STRETCH = 1024, /* channels of a filter widened at a time; times WC_MAX_TAPS they fit scratch's values */
    CHANNELS = 256  /* of a depthwise convolution done at a time */
};

struct conv_job {
    struct cpu *c;
    wc_tensor y, x, w, bias;
    const wc_conv *v;
    size_t k;          /* kh * kw * c_in */
    bool pairs;        /* the map is rounded to bf16 first */
    uint16_t *rounded; /* [h, w, c_in] then */
    size_t span;       /* values of k in a span: WC_SPAN, or twice as many bf16 */
    size_t spans;      /* of k */
    float *panels;     /* [spans][panels of c_out][panel_cols * WC_SPAN]; of pairs, twice as many bf16 */
};

static size_t panel_cols(const struct conv_job *j)
{
    return wc_cpu_panel_cols(j->c, j->pairs);
}

static size_t n_panels(const struct conv_job *j)
{
    return ((size_t)j->v->c_out + panel_cols(j) - 1) / panel_cols(j);
}

static float *panel_at(const struct conv_job *j, size_t span, size_t panel)
{
    return j->panels + (span * n_panels(j) + panel) * panel_cols(j) * WC_SPAN;
}

/* The filter's values first .. first + n - 1 in the order of patches, i = tap * c_in + channel, as f32.  In the file the
 * taps of a channel lie together: they are widened a stretch of channels at a time and then sorted. */
static void filter_values(const struct conv_job *j, float *to, size_t filter, size_t first, size_t n,
                          float *part)
{
    const size_t taps = (size_t)j->v->kh * (size_t)j->v->kw, c_in = (size_t)j->v->c_in,
                 size = stored_bytes(j->w.dtype);
    for (size_t c = 0; c < c_in; c += STRETCH) {
        const size_t some = wc_min_size(STRETCH, c_in - c);
        j->c->k->widen[j->w.dtype](part, (const char *)j->w.data + (filter * c_in + c) * taps * size,
                                   some * taps);
        for (size_t tap = first / c_in; tap * c_in < first + n; tap++) {
            const size_t at = tap * c_in + c; /* where this tap's channels c .. go */
            const size_t from = at < first ? first - at : 0, to_end = first + n - wc_min_size(at, first + n);
            for (size_t i = from; i < wc_min_size(some, to_end); i++)
                to[at + i - first] = part[i * taps + tap];
        }
    }
}

static void pack_panel(void *job, int thread, size_t chunk)
{
    const struct conv_job *j = job;
    const size_t span = chunk / n_panels(j), panel = chunk % n_panels(j), cols = panel_cols(j);
    const size_t first = span * j->span, n = wc_min_size(j->span, j->k - first);
    const size_t col = panel * cols, n_cols = wc_min_size(cols, (size_t)j->v->c_out - col);
    struct scratch *s = wc_cpu_take_scratch(j->c);
    float *filters = s->queries; /* [n_cols, span] */
    for (size_t o = 0; o < n_cols; o++) {
        filter_values(j, filters + o * j->span, col + o, first, n, s->values);
        if (j->pairs) /* bf16 already: nothing is rounded */
            j->c->k->narrow_bf16(s->panel_pairs + o * j->span, filters + o * j->span, n);
    }
    if (j->pairs)
        j->c->k->unpack_pairs((uint16_t *)panel_at(j, span, panel), s->panel_pairs, j->span, n_cols, n);
    else
        j->c->k->unpack[WC_F32](panel_at(j, span, panel), filters, j->span, n_cols, n);
    wc_cpu_put_scratch(j->c, s);
}

static void round_map(void *job, size_t first, size_t n)
{
    const struct conv_job *j = job;
    const size_t row = (size_t)j->v->w * (size_t)j->v->c_in;
    j->c->k->narrow_bf16(j->rounded + first * row, f32(j->x) + first * row, n * row);
}

/* Values first .. first + n - 1 of the patch of output pixel p, floats or bf16. */
static void gather(const struct conv_job *j, void *patch, size_t p, size_t first, size_t n)
{
    const wc_conv *v = j->v;
    const size_t c_in = (size_t)v->c_in, size = j->pairs ? sizeof *j->rounded : sizeof(float);
    const char *map = j->pairs ? (const char *)j->rounded : j->x.data;
    const int top = (int)(p / (size_t)v->ow) * v->stride - v->pad_top,
              left = (int)(p % (size_t)v->ow) * v->stride - v->pad_left;
    for (char *to = patch; n > 0;) {
        const int tap = (int)(first / c_in), y = top + tap / v->kw, x = left + tap % v->kw;
        const size_t channel = first % c_in, some = wc_min_size(c_in - channel, n);
        if (y >= 0 && y < v->h && x >= 0 && x < v->w)
            memcpy(to, map + (((size_t)y * (size_t)v->w + (size_t)x) * c_in + channel) * size, some * size);
        else
            memset(to, 0, some * size);
        to += some * size;
        first += some;
        n -= some;
    }
}

/* The patches of pixels first .. first + n - 1, values at .. at + width - 1, to scratch's rows, and packed if they are floats. */
static void gather_patches(const struct conv_job *j, struct scratch *s, size_t first, size_t n, size_t at,
                           size_t width)
{
    for (size_t p = 0; p < n; p++)
        if (j->pairs) {
            uint16_t *to = s->row_pairs + p * 2 * PATCH_SPAN;
            gather(j, to, first + p, at, width);
            memset(to + width, 0, (whole_pairs(j->c, width) - width) * sizeof *to);
        } else {
            gather(j, s->rows + p * PATCH_SPAN, first + p, at, width);
        }
    if (!j->pairs)
        j->c->k->pack(s->packed, packed_group(j->c, width), s->rows, PATCH_SPAN, n, width);
}

static void conv_pixels(void *job, int thread, size_t chunk)
{
    const struct conv_job *j = job;
    const wc_kernels *k = j->c->k;
    const size_t total = (size_t)j->v->oh * (size_t)j->v->ow, first = chunk * PATCH_ROWS,
                 n = wc_min_size(PATCH_ROWS, total - first);
    const size_t m = (size_t)j->v->c_out, cols = panel_cols(j);
    struct scratch *s = wc_cpu_take_scratch(j->c);
    for (size_t span = 0; span < j->spans; span++) {
        const size_t at = span * j->span, width = wc_min_size(j->span, j->k - at);
        gather_patches(j, s, first, n, at, width);
        for (size_t panel = 0; panel < n_panels(j); panel++) {
            float *y = f32(j->y) + first * m + panel * cols, *w = panel_at(j, span, panel);
            const size_t some = wc_min_size(cols, m - panel * cols);
            const float *add = span > 0 ? y : NULL;
            if (j->pairs)
                k->tile_pairs(y, m, add, m, s->row_pairs, 2 * PATCH_SPAN, (const uint16_t *)w, n, some,
                              width);
            else
                k->tile(y, m, add, m, s->packed, packed_group(j->c, width), w, n, some, width);
        }
    }
    if (j->bias.data) {
        float *bias = s->out;
        k->widen[j->bias.dtype](bias, j->bias.data, m);
        for (size_t p = first; p < first + n; p++)
            k->add(f32(j->y) + p * m, f32(j->y) + p * m, bias, 1, m);
    }
    wc_cpu_put_scratch(j->c, s);
}

/* What the job does with its sizes; j->c, w.dtype and v are set. */
static void plan(struct conv_job *j)
{
    j->k = (size_t)j->v->kh * (size_t)j->v->kw * (size_t)j->v->c_in;
    j->pairs = wc_cpu_takes_pairs(j->c, j->w.dtype);
    j->span = j->pairs ? 2 * WC_SPAN : WC_SPAN;
    j->spans = (j->k + j->span - 1) / j->span;
}

static size_t conv2d_work(wc_backend *b, const wc_tensor *w, const wc_conv *v)
{
    struct conv_job j = {.c = cpu_of(b), .w = *w, .v = v};
    plan(&j);
    const size_t panels = j.spans * n_panels(&j) * panel_cols(&j) * WC_SPAN;
    return panels + (j.pairs ? ((size_t)v->h * (size_t)v->w * (size_t)v->c_in + 1) / 2 : 0);
}

static void conv2d(wc_backend *b, wc_tensor y, wc_tensor x, wc_tensor w, wc_tensor bias, const wc_conv *v,
                   wc_tensor work)
{
    struct conv_job j = {.c = cpu_of(b), .y = y, .x = x, .w = w, .bias = bias, .v = v, .panels = f32(work)};
    plan(&j);
    if (j.pairs) {
        j.rounded = (uint16_t *)panel_at(&j, j.spans, 0);
        wc_cpu_for(j.c, round_map, &j, (size_t)v->h, 1);
    }
    wc_pool_run(b->pool, pack_panel, &j, j.spans * n_panels(&j));
    wc_pool_run(b->pool, conv_pixels, &j, ((size_t)v->oh * (size_t)v->ow + PATCH_ROWS - 1) / PATCH_ROWS);
}

/* ---- depthwise ---- */

/* Output pixels of a row whose taps all lie between the map's left and right borders: [*first, *end). */
static void inner_columns(const wc_conv *v, int *first, int *end)
{
    *first = (v->pad_left + v->stride - 1) / v->stride;
    *end = v->w + v->pad_left - v->kw >= 0 ? (v->w + v->pad_left - v->kw) / v->stride + 1 : 0;
    *end = *end < v->ow ? *end : v->ow;
}

/* Where the taps of output pixel (row, col) are read, from channel c on; NULL outside the map. */
static void find_taps(const struct conv_job *j, int row, int col, size_t c, const float **from)
{
    const wc_conv *v = j->v;
    for (int t = 0; t < v->kh * v->kw; t++) {
        const int y = row * v->stride - v->pad_top + t / v->kw, x = col * v->stride - v->pad_left + t % v->kw;
        const bool inside = y >= 0 && y < v->h && x >= 0 && x < v->w;
        from[t] = inside ? f32(j->x) + ((size_t)y * (size_t)v->w + (size_t)x) * (size_t)v->c_in + c : NULL;
    }
}

/* Output rows, some channels at a time, so that a row of the map passes through the first cache once; the filters as
 * [taps, c] f32 are in panels. */
static void depthwise_rows(void *job, size_t first, size_t n)
{
    const struct conv_job *j = job;
    const wc_conv *v = j->v;
    const size_t channels = (size_t)v->c_in, taps = (size_t)v->kh * (size_t)v->kw;
    const float *from[WC_MAX_TAPS];
    int inner, inner_end;
    inner_columns(v, &inner, &inner_end);
    for (size_t row = first; row < first + n; row++)
        for (size_t c = 0; c < channels; c += CHANNELS)
            for (int col = 0; col < v->ow;) {
                const size_t some = col >= inner && col < inner_end ? (size_t)(inner_end - col) : 1;
                find_taps(j, (int)row, col, c, from);
                j->c->k->depthwise(f32(j->y) + (row * (size_t)v->ow + (size_t)col) * channels + c, channels,
                                   from, (size_t)v->stride * channels, j->panels + c, channels, taps, some,
                                   wc_min_size(CHANNELS, channels - c));
                col += (int)some;
            }
}

static void conv2d_depthwise(wc_backend *b, wc_tensor y, wc_tensor x, wc_tensor w, const wc_conv *v,
                             wc_tensor work)
{
    struct conv_job j = {.c = cpu_of(b), .y = y, .x = x, .w = w, .v = v, .panels = f32(work)};
    const size_t channels = (size_t)v->c_in, taps = (size_t)v->kh * (size_t)v->kw,
                 size = stored_bytes(w.dtype);
    float part[WC_MAX_TAPS];
    for (size_t c = 0; c < channels; c++) {
        j.c->k->widen[w.dtype](part, (const char *)w.data + c * taps * size, taps);
        for (size_t t = 0; t < taps; t++)
            j.panels[t * channels + c] = part[t];
    }
    wc_cpu_for(j.c, depthwise_rows, &j, (size_t)v->oh, 1);
}

/* ---- pools and resizes ---- */

struct map_job {
    struct cpu *c;
    wc_tensor y, x;
    int k;
};

static void pool_rows(void *job, size_t first, size_t n)
{
    const struct map_job *j = job;
    const size_t ow = j->y.shape[1], w = j->x.shape[1], c = j->x.shape[2], k = (size_t)j->k;
    for (size_t row = first; row < first + n; row++)
        for (size_t col = 0; col < ow; col++) {
            float *y = f32(j->y) + (row * ow + col) * c;
            memset(y, 0, c * sizeof *y);
            for (size_t a = 0; a < k; a++)
                for (size_t b = 0; b < k; b++)
                    j->c->k->add(y, y, f32(j->x) + ((row * k + a) * w + col * k + b) * c, 1, c);
            j->c->k->scale(y, y, 1.0f / (float)(k * k), c);
        }
}

static void avg_pool(wc_backend *b, wc_tensor y, wc_tensor x, int k)
{
    struct map_job j = {cpu_of(b), y, x, k};
    wc_cpu_for(j.c, pool_rows, &j, y.shape[0], 1);
}

static void nearest_rows(void *job, size_t first, size_t n)
{
    const struct map_job *j = job;
    const size_t oh = j->y.shape[0], ow = j->y.shape[1], h = j->x.shape[0], w = j->x.shape[1],
                 c = j->x.shape[2];
    for (size_t row = first; row < first + n; row++)
        for (size_t col = 0; col < ow; col++)
            memcpy(f32(j->y) + (row * ow + col) * c, f32(j->x) + (row * h / oh * w + col * w / ow) * c,
                   c * sizeof(float));
}

static void resize_nearest(wc_backend *b, wc_tensor y, wc_tensor x)
{
    struct map_job j = {cpu_of(b), y, x, 0};
    wc_cpu_for(j.c, nearest_rows, &j, y.shape[0], 1);
}

/* Where output i of n_out falls among n_in: between *low and *high, *t of the way. */
static void between(size_t i, size_t n_out, size_t n_in, size_t *low, size_t *high, float *t)
{
    float at = ((float)i + 0.5f) * ((float)n_in / (float)n_out) - 0.5f;
    at = at < 0 ? 0 : at;
    *low = wc_min_size((size_t)at, n_in - 1);
    *high = wc_min_size(*low + 1, n_in - 1);
    *t = at - (float)*low;
}

static void bilinear_rows(void *job, size_t first, size_t n)
{
    const struct map_job *j = job;
    const size_t oh = j->y.shape[0], ow = j->y.shape[1], h = j->x.shape[0], w = j->x.shape[1],
                 c = j->x.shape[2];
    for (size_t row = first; row < first + n; row++) {
        size_t top, bottom, left, right;
        float down, across;
        between(row, oh, h, &top, &bottom, &down);
        for (size_t col = 0; col < ow; col++) {
            between(col, ow, w, &left, &right, &across);
            const float *a = f32(j->x) + (top * w + left) * c, *b = f32(j->x) + (top * w + right) * c;
            const float *d = f32(j->x) + (bottom * w + left) * c, *e = f32(j->x) + (bottom * w + right) * c;
            float *y = f32(j->y) + (row * ow + col) * c;
            for (size_t i = 0; i < c; i++)
                y[i] = (1 - down) * ((1 - across) * a[i] + across * b[i]) +
                       down * ((1 - across) * d[i] + across * e[i]);
        }
    }
}

static void resize_bilinear(wc_backend *b, wc_tensor y, wc_tensor x)
{
    struct map_job j = {cpu_of(b), y, x, 0};
    wc_cpu_for(j.c, bilinear_rows, &j, y.shape[0], 1);
}

void wc_cpu_fill_maps(wc_backend *b)
{
    b->conv2d_work = conv2d_work;
    b->conv2d = conv2d;
    b->conv2d_depthwise = conv2d_depthwise;
    b->avg_pool = avg_pool;
    b->resize_nearest = resize_nearest;
    b->resize_bilinear = resize_bilinear;
}
