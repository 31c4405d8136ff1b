/* pan_and_scan.c - see pan_and_scan.h.  With a >= b the sides of the picture, r = a / b:
 *
 *   n = floor(r + 1/2), at most floor(a / min_crop_size), at least 2, at most max_num_crops
 *
 * pieces of ceil(a / n) places along a and all of b; none if r < min_ratio, or if a side of a piece is below
 * min_crop_size. */
#include "image/pan_and_scan.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"

static int least(int a, int b)
{
    return a < b ? a : b;
}

static int piece(int side, int n)
{
    return side / n + (side % n != 0);
}

int wc_pan_and_scan_count(const struct wc_pan_and_scan *p, int width, int height)
{
    const int a = width >= height ? width : height, b = width >= height ? height : width;
    const double ratio = (double)a / b;
    if (p->min_crop_size < 1 || ratio < p->min_ratio)
        return 0;
    int n = least(a / p->min_crop_size, (int)floor(ratio + 0.5));
    n = least(p->max_crops, n < 2 ? 2 : n);
    return least(piece(a, n), b) < p->min_crop_size ? 0 : n;
}

bool wc_pan_and_scan_crop(const struct wc_image *in, int n, int i, struct wc_image *out, wc_error *err)
{
    const bool wide = in->width >= in->height;
    const int side = wide ? in->width : in->height, size = piece(side, n), start = i * size;
    *out = (struct wc_image){0};
    if (start >= side)
        return wc_fail(err, WC_REFUSED, "picture: %d x %d cannot be cut into %d pieces", in->width,
                       in->height, n);
    const int part = least(size, side - start);
    const size_t row = 3 * (size_t)in->width, x = wide ? 3 * (size_t)start : 0, y = wide ? 0 : (size_t)start;
    struct wc_image crop = {.width = wide ? part : in->width, .height = wide ? in->height : part};
    const size_t width = 3 * (size_t)crop.width, bytes = width * (size_t)crop.height;
    crop.rgb = wc_mem_alloc(bytes);
    if (!crop.rgb)
        return wc_fail_memory(err, bytes);
    for (size_t r = 0; r < (size_t)crop.height; r++)
        memcpy(crop.rgb + r * width, in->rgb + (y + r) * row + x, width);
    *out = crop;
    return true;
}
