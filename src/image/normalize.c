/* normalize.c - the image processor of transformers: resize, then value = (pixel * rescale_factor - mean) /
 * std.
 *
 * A pixel has 256 values, so the arithmetic is done once per channel and value, in the order and precision of
 * the reference:
 *
 *   torchvision   both steps: (pixel - mean / factor) / (std / factor); one: pixel * factor          all in
 * float
 *   Pillow        pixel * factor in double, rounded to float; then (x - mean) / std in float */
#include "image/normalize.h"

#include <math.h>
#include <string.h>

enum { MAX_CROPS = 64 };

static bool bad(const char *file, const char *key, const char *expected, const wc_json *found, wc_error *err)
{
    return wc_fail(err, WC_BAD_FILE, "%s: %s: expected %s, found %s", file, key, expected,
                   wc_json_type_name(found));
}

/* A boolean; absent and null leave *value. */
static bool read_bool(const wc_json *config, const char *key, const char *file, bool *value, wc_error *err)
{
    const wc_json *v = wc_json_get(config, key);
    if (wc_json_is_null(v))
        return true;
    if (!wc_json_is(v, WC_JSON_TRUE) && !wc_json_is(v, WC_JSON_FALSE))
        return bad(file, key, "true or false", v, err);
    *value = wc_json_is(v, WC_JSON_TRUE);
    return true;
}

/* A whole number from low to high; absent and null leave *value. */
static bool read_int(const wc_json *v, const char *key, const char *file, int low, int high, int *value,
                     wc_error *err)
{
    if (wc_json_is_null(v))
        return true;
    if (!wc_json_is(v, WC_JSON_INT))
        return bad(file, key, "a whole number", v, err);
    if (v->u.integer < low || v->u.integer > high)
        return wc_fail(err, WC_BAD_FILE, "%s: %s: expected %d to %d, found %lld", file, key, low, high,
                       (long long)v->u.integer);
    *value = (int)v->u.integer;
    return true;
}

static bool read_number(const wc_json *v, const char *key, const char *file, double *value, wc_error *err)
{
    if (wc_json_is_null(v))
        return true;
    double x = wc_json_number(v, NAN);
    if (!isfinite(x))
        return bad(file, key, "a number", v, err);
    *value = x;
    return true;
}

/* Three numbers, or one for all channels. */
static bool read_channels(const wc_json *config, const char *key, const char *file, double value[3],
                          wc_error *err)
{
    const wc_json *v = wc_json_get(config, key);
    if (wc_json_is(v, WC_JSON_ARRAY) && wc_json_count(v) != 3)
        return wc_fail(err, WC_BAD_FILE, "%s: %s: expected 3 numbers, found %zu", file, key,
                       wc_json_count(v));
    for (size_t c = 0; c < 3; c++)
        if (!read_number(wc_json_is(v, WC_JSON_ARRAY) ? wc_json_item(v, c) : v, key, file, &value[c], err))
            return false;
    return true;
}

static bool read_size(const wc_json *config, const char *file, struct wc_image_processor *p, wc_error *err)
{
    const wc_json *v = wc_json_get(config, "size");
    if (wc_json_is_null(v))
        return true;
    p->height = p->width = 0;
    if (wc_json_is(v, WC_JSON_INT))
        return read_int(v, "size", file, 1, WC_IMAGE_MAX_SIDE, &p->shortest_edge, err);
    if (!wc_json_is(v, WC_JSON_OBJECT))
        return bad(file, "size", "an object or a whole number", v, err);
    const struct {
        const char *key, *name;
        int *value;
    } fields[] = {{"height", "size.height", &p->height},
                  {"width", "size.width", &p->width},
                  {"shortest_edge", "size.shortest_edge", &p->shortest_edge},
                  {"longest_edge", "size.longest_edge", &p->longest_edge}};
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        if (!read_int(wc_json_get(v, fields[i].key), fields[i].name, file, 1, WC_IMAGE_MAX_SIDE,
                      fields[i].value, err))
            return false;
    if ((p->height > 0) != (p->width > 0) || (p->height > 0) == (p->shortest_edge > 0))
        return wc_fail(err, WC_BAD_FILE,
                       "%s: size: expected height and width, or shortest_edge, found other keys", file);
    return true;
}

static bool refuse_steps(const wc_json *config, const char *file, wc_error *err)
{
    static const char *const steps[] = {"do_center_crop", "do_pad", "do_image_splitting", "do_thumbnail"};
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        bool wanted = false;
        if (!read_bool(config, steps[i], file, &wanted, err))
            return false;
        if (wanted)
            return wc_fail(err, WC_UNSUPPORTED, "%s: %s: expected false, found true, which is not supported",
                           file, steps[i]);
    }
    return true;
}

/* What the file leaves open is as in Gemma3Processor. */
static bool read_crops(const wc_json *config, const char *file, struct wc_pan_and_scan *p, wc_error *err)
{
    *p = (struct wc_pan_and_scan){.min_crop_size = 256, .max_crops = 4, .min_ratio = 1.2};
    return read_bool(config, "do_pan_and_scan", file, &p->on, err) &&
           read_int(wc_json_get(config, "pan_and_scan_min_crop_size"), "pan_and_scan_min_crop_size", file, 1,
                    WC_IMAGE_MAX_SIDE, &p->min_crop_size, err) &&
           read_int(wc_json_get(config, "pan_and_scan_max_num_crops"), "pan_and_scan_max_num_crops", file, 1,
                    MAX_CROPS, &p->max_crops, err) &&
           read_number(wc_json_get(config, "pan_and_scan_min_ratio_to_activate"),
                       "pan_and_scan_min_ratio_to_activate", file, &p->min_ratio, err);
}

/* transformers 5 takes torchvision unless the class's name says Pil. */
static enum wc_resize_backend backend_of(const wc_json *config)
{
    const wc_json *type = wc_json_get(config, "image_processor_type");
    bool pil = wc_json_is(type, WC_JSON_STRING) && type->n >= 3 &&
               memcmp(type->u.text + type->n - 3, "Pil", 3) == 0;
    return pil ? WC_RESIZE_PILLOW : WC_RESIZE_TORCHVISION;
}

/* Whose default is another filter. */
static bool is_gemma3(const wc_json *config)
{
    static const char name[] = "Gemma3ImageProcessor";
    const wc_json *type = wc_json_get(config, "image_processor_type");
    return wc_json_is(type, WC_JSON_STRING) && strncmp(type->u.text, name, sizeof name - 1) == 0;
}

bool wc_image_processor_from_config(const wc_json *config, const char *file, struct wc_image_processor *p,
                                    wc_error *err)
{
    *p = (struct wc_image_processor){.do_resize = true,
                                     .do_rescale = true,
                                     .do_normalize = true,
                                     .height = 224,
                                     .width = 224,
                                     .rescale_factor = 1.0 / 255,
                                     .mean = {0.5, 0.5, 0.5},
                                     .std = {0.5, 0.5, 0.5}};
    const wc_json *inner = wc_json_get(config, "image_processor");
    if (wc_json_is(inner, WC_JSON_OBJECT))
        config = inner;
    if (!wc_json_is(config, WC_JSON_OBJECT))
        return bad(file, "image processor", "an object", config, err);
    p->backend = backend_of(config);
    int resample = is_gemma3(config) ? WC_RESAMPLE_BILINEAR : WC_RESAMPLE_BICUBIC;
    if (!read_bool(config, "do_resize", file, &p->do_resize, err) ||
        !read_bool(config, "do_rescale", file, &p->do_rescale, err) ||
        !read_bool(config, "do_normalize", file, &p->do_normalize, err) || !read_size(config, file, p, err) ||
        !read_int(wc_json_get(config, "resample"), "resample", file, WC_RESAMPLE_NEAREST, WC_RESAMPLE_HAMMING,
                  &resample, err) ||
        !read_number(wc_json_get(config, "rescale_factor"), "rescale_factor", file, &p->rescale_factor,
                     err) ||
        !read_channels(config, "image_mean", file, p->mean, err) ||
        !read_channels(config, "image_std", file, p->std, err) || !read_crops(config, file, &p->crops, err) ||
        !refuse_steps(config, file, err))
        return false;
    p->resample = (enum wc_resample)resample;
    for (int c = 0; p->do_normalize && c < 3; c++)
        if (p->std[c] == 0)
            return wc_fail(err, WC_BAD_FILE, "%s: image_std: expected numbers other than 0, found 0", file);
    if (p->do_rescale && p->rescale_factor == 0)
        return wc_fail(err, WC_BAD_FILE, "%s: rescale_factor: expected a number other than 0, found 0", file);
    return true;
}

bool wc_image_processor_size(const struct wc_image_processor *p, int width, int height, int *out_width,
                             int *out_height, wc_error *err)
{
    *out_width = p->do_resize ? p->width : width;
    *out_height = p->do_resize ? p->height : height;
    if (!p->do_resize || p->height > 0)
        return true;
    /* as transformers' get_size_with_aspect_ratio */
    const double shorter = width < height ? width : height, longer = width < height ? height : width;
    double new_short = p->shortest_edge, exact = new_short;
    if (p->longest_edge > 0 && longer / shorter * new_short > p->longest_edge) {
        exact = p->longest_edge * shorter / longer;
        new_short = rint(exact);
    }
    const double new_long = new_short == shorter ? longer : trunc(exact * longer / shorter);
    if (new_short < 1 || new_long > WC_IMAGE_MAX_SIDE || new_short * new_long > (double)WC_IMAGE_MAX_PIXELS)
        return wc_fail(err, WC_REFUSED,
                       "picture: a size of %d x %d would become %.0f x %.0f, beyond what can be handled",
                       width, height, width < height ? new_short : new_long,
                       width < height ? new_long : new_short);
    *out_width = (int)(width < height ? new_short : new_long);
    *out_height = (int)(width < height ? new_long : new_short);
    return true;
}

/* The float of each pixel value of channel c. */
static void make_table(const struct wc_image_processor *p, int c, float table[256])
{
    const bool fused = p->backend == WC_RESIZE_TORCHVISION && p->do_rescale && p->do_normalize;
    const float unit = fused ? (float)(1.0 / p->rescale_factor) : 1.0f;
    const float mean = (float)p->mean[c] * unit, std = (float)p->std[c] * unit;
    for (int v = 0; v < 256; v++) {
        float x = (float)v;
        if (p->do_rescale && p->backend == WC_RESIZE_PILLOW)
            x = (float)(v * p->rescale_factor);
        else if (p->do_rescale && !fused)
            x *= (float)p->rescale_factor;
        table[v] = p->do_normalize ? (x - mean) / std : x;
    }
}

bool wc_image_preprocess(const struct wc_image_processor *p, const struct wc_image *image,
                         enum wc_image_layout layout, float *out, wc_error *err)
{
    struct wc_image resized = {0};
    int width, height;
    if (!wc_image_processor_size(p, image->width, image->height, &width, &height, err))
        return false;
    if (width != image->width || height != image->height) {
        if (!wc_image_resize(image, width, height, p->resample, p->backend, &resized, err))
            return false;
        image = &resized;
    }
    float table[3][256];
    for (int c = 0; c < 3; c++)
        make_table(p, c, table[c]);
    const size_t n = (size_t)width * (size_t)height;
    for (size_t i = 0; i < n; i++)
        for (size_t c = 0; c < 3; c++)
            out[layout == WC_IMAGE_HWC ? 3 * i + c : c * n + i] = table[c][image->rgb[3 * i + c]];
    wc_image_free(&resized);
    return true;
}
