/* decode.c - finds out a picture's format and hands it to that format's decoder.
 *
 * Formats that are known by sight but not read are refused by name, so that the message can help. */
#include "image/decode.h"

#include <string.h>

#include "base/file_map.h"
#include "base/mem.h"
#include "base/size.h"
#include "image/formats.h"

struct format {
    const char *name;
    size_t offset; /* of the magic bytes */
    const char *magic;
    size_t n_magic;
    bool (*decode)(struct wc_image_job *job, wc_error *err); /* NULL: known, not read */
};

#define MAGIC(s) s, sizeof(s) - 1

static const struct format formats[] = {
    {"PNG", 0, MAGIC("\x89PNG\r\n\x1a\n"), wc_png_decode},
    {"JPEG", 0, MAGIC("\xff\xd8\xff"), wc_jpeg_decode},
    {"WebP", 8, MAGIC("WEBP"), wc_webp_decode}, /* behind RIFF and a size */
    {"GIF", 0, MAGIC("GIF87a"), wc_gif_decode},
    {"GIF", 0, MAGIC("GIF89a"), wc_gif_decode},
    {"BMP", 0, MAGIC("BM"), wc_bmp_decode},
    {"PNM", 0, MAGIC("P1"), wc_pnm_decode},
    {"PNM", 0, MAGIC("P2"), wc_pnm_decode},
    {"PNM", 0, MAGIC("P3"), wc_pnm_decode},
    {"PNM", 0, MAGIC("P4"), wc_pnm_decode},
    {"PNM", 0, MAGIC("P5"), wc_pnm_decode},
    {"PNM", 0, MAGIC("P6"), wc_pnm_decode},
    {"TIFF", 0, MAGIC("II*\0"), NULL},
    {"TIFF", 0, MAGIC("MM\0*"), NULL},
    {"AVIF", 4, MAGIC("ftypavif"), NULL},
    {"AVIF", 4, MAGIC("ftypavis"), NULL},
    {"HEIF", 4, MAGIC("ftyphei"), NULL},
    {"HEIF", 4, MAGIC("ftyphev"), NULL},
    {"HEIF", 4, MAGIC("ftypmif1"), NULL},
    {"HEIF", 4, MAGIC("ftypmsf1"), NULL},
    {"MP4 video", 4, MAGIC("ftyp"), NULL},
    {"JPEG XL", 0, MAGIC("\xff\x0a"), NULL},
    {"JPEG XL", 4, MAGIC("JXL \r\n\x87\n"), NULL},
    {"JPEG 2000", 4, MAGIC("jP  \r\n\x87\n"), NULL},
    {"JPEG 2000", 0, MAGIC("\xff\x4f\xff\x51"), NULL},
    {"SVG", 0, MAGIC("<svg"), NULL},
    {"XML or SVG", 0, MAGIC("<?xml"), NULL},
    {"HTML", 0, MAGIC("<!doctype html"), NULL},
    {"HTML", 0, MAGIC("<!DOCTYPE html"), NULL},
    {"HTML", 0, MAGIC("<html"), NULL},
    {"PDF", 0, MAGIC("%PDF"), NULL},
    {"PostScript", 0, MAGIC("%!PS"), NULL},
    {"ICO", 0, MAGIC("\0\0\1\0"), NULL},
    {"Photoshop", 0, MAGIC("8BPS"), NULL},
    {"Radiance HDR", 0, MAGIC("#?RADIANCE"), NULL},
    {"OpenEXR", 0, MAGIC("v/1\x01"), NULL},
    {"QOI", 0, MAGIC("qoif"), NULL},
    {"DDS", 0, MAGIC("DDS "), NULL},
    {"PAM", 0, MAGIC("P7"), NULL},
    {"PFM", 0, MAGIC("Pf"), NULL},
    {"PFM", 0, MAGIC("PF"), NULL},
    {"ZIP", 0, MAGIC("PK\3\4"), NULL},
    {"GGUF", 0, MAGIC("GGUF"), NULL},
    {"RIFF, not WebP", 0, MAGIC("RIFF"), NULL},
};

static const struct format *sniff(const uint8_t *data, size_t n)
{
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        const struct format *f = &formats[i];
        if (n < f->offset + f->n_magic || memcmp(data + f->offset, f->magic, f->n_magic) != 0)
            continue;
        if (f->decode == wc_webp_decode && memcmp(data, "RIFF", 4) != 0)
            continue;
        return f;
    }
    return NULL;
}

bool wc_image_check_size(struct wc_image_job *job, const char *field, uint64_t width, uint64_t height,
                         wc_error *err)
{
    const char *format = job->meta->format;
    if (width == 0 || height == 0)
        return wc_fail(err, WC_BAD_FILE,
                       "%s: %s: %s: expected a width and height of at least 1, found %llu x %llu", job->name,
                       format, field, (unsigned long long)width, (unsigned long long)height);
    if (width > WC_IMAGE_MAX_SIDE || height > WC_IMAGE_MAX_SIDE || width * height > job->max_pixels)
        return wc_fail(
            err, WC_REFUSED,
            "%s: %s: %s: a size of %llu x %llu is too large; the limit is %zu pixels, %d on a side",
            job->name, format, field, (unsigned long long)width, (unsigned long long)height, job->max_pixels,
            WC_IMAGE_MAX_SIDE);
    job->meta->width = (int)width;
    job->meta->height = (int)height;
    return true;
}

bool wc_image_alloc_pixels(struct wc_image_job *job, wc_error *err)
{
    size_t bytes = 0;
    if (!wc_mul_size((size_t)job->meta->width * 3, (size_t)job->meta->height, &bytes) ||
        !(job->out->rgb = wc_mem_alloc(bytes)))
        return wc_fail_memory(err, bytes);
    job->out->width = job->meta->width;
    job->out->height = job->meta->height;
    return true;
}

bool wc_image_decode(const void *data, size_t n, const char *name, const struct wc_image_options *options,
                     struct wc_image *out, struct wc_image_meta *meta, wc_error *err)
{
    static const struct wc_image_options defaults = {0};
    struct wc_image_meta unused;
    if (!options)
        options = &defaults;
    if (!meta)
        meta = &unused;
    *out = (struct wc_image){0};
    *meta = (struct wc_image_meta){.format = "", .mode = "", .orientation = 1};
    struct wc_image_job job = {.data = data,
                               .n = n,
                               .name = name,
                               .on_white = options->on_white,
                               .max_pixels = options->max_pixels ? options->max_pixels : WC_IMAGE_MAX_PIXELS,
                               .out = out,
                               .meta = meta};

    const struct format *f = sniff(data, n);
    if (!f || !f->decode)
        return wc_fail(err, f ? WC_UNSUPPORTED : WC_BAD_FILE,
                       "%s: expected a picture (PNG, JPEG, WebP, GIF, BMP or PNM), found %s", name,
                       f        ? f->name
                       : n == 0 ? "an empty file"
                                : "an unknown format");
    bool ok = f->decode(&job, err);
    if (ok && !options->keep_orientation)
        ok = wc_image_turn(out, meta->orientation, err);
    if (!ok)
        wc_image_free(out);
    return ok;
}

bool wc_image_read(const char *path, const struct wc_image_options *options, struct wc_image *out,
                   struct wc_image_meta *meta, wc_error *err)
{
    wc_file_map map = {0};
    bool ok = false;
    *out = (struct wc_image){0};
    if (!wc_file_map_open(&map, path, err))
        return false;
    if (map.size > WC_IMAGE_MAX_BYTES) {
        wc_fail(err, WC_REFUSED, "%s: a picture file of %zu bytes is too large; the limit is %zu", path,
                map.size, WC_IMAGE_MAX_BYTES);
        goto done;
    }
    ok = wc_image_decode(map.data, map.size, path, options, out, meta, err);
done:
    wc_file_map_close(&map);
    return ok;
}

void wc_image_free(struct wc_image *image)
{
    wc_mem_free(image->rgb);
    *image = (struct wc_image){0};
}
