/* resize.c - separable filtering in integers, after Pillow's Resample.c and torchvision's uint8 path.
 *
 * For an output place i of one axis, with scale = n_in / n_out and stretch = max(scale, 1):
 *
 *   centre = (i + 0.5) * scale            lo, hi = centre -+ support * stretch, rounded, inside
 *   w[j]   = filter((j - centre + 0.5) / stretch) / sum,   j in [lo, hi)                       (in double)
 *   out[i] = clip((sum_j round(w[j] * 2^b) * in[j] + 2^(b-1)) >> b)                           (in 32 bits)
 *
 * Pillow's b is 22.  torchvision's is the largest with which the heaviest weight of the pass stays below
 * 2^15.  The horizontal pass runs first and its 8-bit result feeds the vertical one; Pillow from 13 on takes
 * them the other way round where the height shrinks by more than twice as many places as the width.  A pass
 * that changes nothing is left out.
 *
 * No sum of |w| exceeds 1.7 with these filters, so that 255 * 1.7 * 2^22 fits 31 bits. */
#include "image/resize.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/size.h"

enum { PILLOW_BITS = 22, TORCHVISION_LIMIT = 1 << 15, BLOCK = 96 };

struct filter {
    double support;
    double (*at)(double x);
};

static double box(double x)
{
    return x > -0.5 && x <= 0.5 ? 1.0 : 0.0;
}

static double bilinear(double x)
{
    x = fabs(x);
    return x < 1.0 ? 1.0 - x : 0.0;
}

static double hamming(double x)
{
    x = fabs(x);
    if (x == 0.0)
        return 1.0;
    if (x >= 1.0)
        return 0.0;
    x *= M_PI;
    return sin(x) / x * (0.54 + 0.46 * cos(x));
}

static double bicubic(double x)
{
    const double a = -0.5;
    x = fabs(x);
    if (x < 1.0)
        return ((a + 2.0) * x - (a + 3.0)) * x * x + 1;
    return x < 2.0 ? (((x - 5) * x + 8) * x - 4) * a : 0.0;
}

static double sinc(double x)
{
    return x == 0.0 ? 1.0 : sin(x * M_PI) / (x * M_PI);
}

static double lanczos(double x)
{
    return x >= -3.0 && x < 3.0 ? sinc(x) * sinc(x / 3) : 0.0;
}

static const struct filter filters[] = {
    [WC_RESAMPLE_LANCZOS] = {3.0, lanczos}, [WC_RESAMPLE_BILINEAR] = {1.0, bilinear},
    [WC_RESAMPLE_BICUBIC] = {2.0, bicubic}, [WC_RESAMPLE_BOX] = {0.5, box},
    [WC_RESAMPLE_HAMMING] = {1.0, hamming},
};

/* The weights of one pass: output i sums, for j < count[i], weight[i * most + j] * in[first[i] + j]. */
struct pass {
    int *first, *count;
    int32_t *weight;
    size_t most; /* weights kept per place */
    int bits;
};

static void release_pass(struct pass *p)
{
    wc_mem_free(p->first);
    wc_mem_free(p->count);
    wc_mem_free(p->weight);
}

/* Where output i begins and its weights before rounding, which add up to one; their number. */
static int weigh(const struct filter *f, int n_in, int n_out, int i, int *first, double *w)
{
    const double scale = (double)n_in / n_out, stretch = scale > 1.0 ? scale : 1.0;
    const double support = f->support * stretch, centre = (i + 0.5) * scale, inverse = 1.0 / stretch;
    int lo = (int)(centre - support + 0.5), hi = (int)(centre + support + 0.5);
    double sum = 0;
    if (lo < 0)
        lo = 0;
    if (hi > n_in)
        hi = n_in;
    for (int j = 0; j < hi - lo; j++) {
        w[j] = f->at((j + lo - centre + 0.5) * inverse);
        sum += w[j];
    }
    for (int j = 0; j < hi - lo; j++)
        if (sum != 0.0)
            w[j] /= sum;
    *first = lo;
    return hi - lo;
}

static int torchvision_bits(double heaviest)
{
    int bits = 0;
    while (bits < PILLOW_BITS && (int)(0.5 + heaviest * (double)(1 << (bits + 1))) < TORCHVISION_LIMIT)
        bits++;
    return bits;
}

static bool make_pass(struct pass *p, const struct filter *f, int n_in, int n_out,
                      enum wc_resize_backend backend, wc_error *err)
{
    const double scale = (double)n_in / n_out;
    const size_t places = (size_t)n_out;
    bool ok = false;
    size_t n_weights = 0;
    double *w = NULL, heaviest = 0;

    p->most = (size_t)ceil(f->support * (scale > 1.0 ? scale : 1.0)) * 2 + 1;
    if (!wc_mul_size(places, p->most, &n_weights)) {
        wc_fail_memory(err, SIZE_MAX);
        goto done;
    }
    p->first = wc_mem_zalloc(places, sizeof *p->first);
    p->count = wc_mem_zalloc(places, sizeof *p->count);
    p->weight = wc_mem_zalloc(n_weights, sizeof *p->weight);
    w = wc_mem_zalloc(p->most, sizeof *w);
    if (!p->first || !p->count || !p->weight || !w) {
        wc_fail_memory(err, n_weights * sizeof *p->weight);
        goto done;
    }
    p->bits = PILLOW_BITS;
    if (backend == WC_RESIZE_TORCHVISION) {
        for (int i = 0; i < n_out; i++)
            for (int j = weigh(f, n_in, n_out, i, &p->first[i], w); j-- > 0;)
                heaviest = w[j] > heaviest ? w[j] : heaviest;
        p->bits = torchvision_bits(heaviest);
    }
    for (int i = 0; i < n_out; i++) {
        p->count[i] = weigh(f, n_in, n_out, i, &p->first[i], w);
        for (int j = 0; j < p->count[i]; j++)
            p->weight[(size_t)i * p->most + (size_t)j] = (int32_t)(w[j] * (double)(1 << p->bits) +
                                                                   (w[j] < 0 ? -0.5 : 0.5));
    }
    ok = true;
done:
    wc_mem_free(w);
    return ok;
}

static uint8_t clip(int32_t sum, int bits)
{
    sum >>= bits;
    return sum < 0 ? 0 : sum > 255 ? 255 : (uint8_t)sum;
}

/* out [height, n_out, 3] from in [height, width, 3]. */
static void horizontal(const struct pass *p, const uint8_t *in, size_t width, size_t height, uint8_t *out,
                       size_t n_out)
{
    const int32_t half = p->bits > 0 ? 1 << (p->bits - 1) : 0;
    for (size_t y = 0; y < height; y++, in += 3 * width)
        for (size_t i = 0; i < n_out; i++, out += 3) {
            const uint8_t *s = in + 3 * (size_t)p->first[i];
            const int32_t *w = p->weight + i * p->most;
            int32_t r = half, g = half, b = half;
            for (int j = 0; j < p->count[i]; j++, s += 3) {
                r += w[j] * s[0];
                g += w[j] * s[1];
                b += w[j] * s[2];
            }
            out[0] = clip(r, p->bits);
            out[1] = clip(g, p->bits);
            out[2] = clip(b, p->bits);
        }
}

/* out [n_out, stride] from in [height, stride], in blocks of columns whose sums stay in the cache. */
static void vertical(const struct pass *p, const uint8_t *in, size_t stride, uint8_t *out, size_t n_out)
{
    const int32_t half = p->bits > 0 ? 1 << (p->bits - 1) : 0;
    for (size_t i = 0; i < n_out; i++, out += stride) {
        const uint8_t *rows = in + (size_t)p->first[i] * stride;
        const int32_t *w = p->weight + i * p->most;
        for (size_t x = 0; x < stride; x += BLOCK) {
            const size_t n = stride - x < BLOCK ? stride - x : BLOCK;
            int32_t sum[BLOCK];
            for (size_t k = 0; k < n; k++)
                sum[k] = half;
            for (int j = 0; j < p->count[i]; j++) {
                const uint8_t *s = rows + (size_t)j * stride + x;
                for (size_t k = 0; k < n; k++)
                    sum[k] += w[j] * s[k];
            }
            for (size_t k = 0; k < n; k++)
                out[x + k] = clip(sum[k], p->bits);
        }
    }
}

/* The input place whose sample output i takes.  Pillow adds up steps in double, torchvision multiplies in
 * float. */
static void nearest_places(int n_in, int n_out, enum wc_resize_backend backend, int *place)
{
    const double step = (double)n_in / n_out;
    const float float_step = (float)n_in / (float)n_out;
    double at = step * 0.5;
    for (int i = 0; i < n_out; i++, at += step) {
        int j = backend == WC_RESIZE_PILLOW ? (int)at : (int)floorf(((float)i + 0.5f) * float_step);
        place[i] = j < n_in ? j : n_in - 1;
    }
}

static bool nearest(const struct wc_image *in, struct wc_image *out, enum wc_resize_backend backend,
                    wc_error *err)
{
    const size_t width = (size_t)out->width, height = (size_t)out->height;
    int *columns = wc_mem_zalloc(width + height, sizeof *columns);
    if (!columns)
        return wc_fail_memory(err, (width + height) * sizeof *columns);
    int *rows = columns + width;
    nearest_places(in->width, out->width, backend, columns);
    nearest_places(in->height, out->height, backend, rows);
    uint8_t *to = out->rgb;
    for (size_t y = 0; y < height; y++)
        for (size_t x = 0; x < width; x++, to += 3)
            memcpy(to, in->rgb + 3 * ((size_t)rows[y] * (size_t)in->width + (size_t)columns[x]), 3);
    wc_mem_free(columns);
    return true;
}

/* out is in with its width (across) or height made that of out. */
static bool run_pass(const struct wc_image *in, const struct filter *f, enum wc_resize_backend backend,
                     bool across, struct wc_image *out, wc_error *err)
{
    struct pass p = {0};
    bool ok = across ? make_pass(&p, f, in->width, out->width, backend, err)
                     : make_pass(&p, f, in->height, out->height, backend, err);
    if (ok && across)
        horizontal(&p, in->rgb, (size_t)in->width, (size_t)in->height, out->rgb, (size_t)out->width);
    else if (ok)
        vertical(&p, in->rgb, 3 * (size_t)in->width, out->rgb, (size_t)out->height);
    release_pass(&p);
    return ok;
}

static bool filtered(const struct wc_image *in, const struct filter *f, enum wc_resize_backend backend,
                     struct wc_image *out, wc_error *err)
{
    const bool wide = in->width != out->width, high = in->height != out->height;
    const int64_t less_wide = (int64_t)in->width - out->width, less_high = (int64_t)in->height - out->height;
    const bool high_first = backend == WC_RESIZE_PILLOW && less_high > 0 && less_high > 2 * less_wide;
    if (!wide && !high) {
        memcpy(out->rgb, in->rgb, 3 * (size_t)out->width * (size_t)out->height);
        return true;
    }
    if (!wide || !high)
        return run_pass(in, f, backend, wide, out, err);
    struct wc_image between = {.width = high_first ? in->width : out->width,
                               .height = high_first ? out->height : in->height};
    const size_t bytes = 3 * (size_t)between.width * (size_t)between.height;
    between.rgb = wc_mem_alloc(bytes);
    if (!between.rgb)
        return wc_fail_memory(err, bytes);
    bool ok = run_pass(in, f, backend, !high_first, &between, err) &&
              run_pass(&between, f, backend, high_first, out, err);
    wc_image_free(&between);
    return ok;
}

bool wc_image_resize(const struct wc_image *in, int width, int height, enum wc_resample resample,
                     enum wc_resize_backend backend, struct wc_image *out, wc_error *err)
{
    *out = (struct wc_image){0};
    if (width < 1 || height < 1 || width > WC_IMAGE_MAX_SIDE || height > WC_IMAGE_MAX_SIDE)
        return wc_fail(err, WC_BAD_ARGUMENT, "picture: expected a new size of 1 to %d, found %d x %d",
                       WC_IMAGE_MAX_SIDE, width, height);
    if (backend == WC_RESIZE_TORCHVISION && (resample == WC_RESAMPLE_BOX || resample == WC_RESAMPLE_HAMMING))
        return wc_fail(err, WC_UNSUPPORTED,
                       "picture: resample: expected 0 to 3, found %d, which torchvision does not know",
                       resample);
    size_t bytes = 0;
    if (!wc_mul_size((size_t)width * 3, (size_t)height, &bytes) || !(out->rgb = wc_mem_alloc(bytes)))
        return wc_fail_memory(err, bytes);
    out->width = width;
    out->height = height;
    bool ok = resample == WC_RESAMPLE_NEAREST ? nearest(in, out, backend, err)
                                              : filtered(in, &filters[resample], backend, out, err);
    if (!ok)
        wc_image_free(out);
    return ok;
}
