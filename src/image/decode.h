/* decode.h - picture files to RGB8 pixels.
 *
 * The bytes decide the format, not the name.  Pixels equal those of Pillow's Image.open(file).convert("RGB")
 * - of an animation its first frame - turned as EXIF says, which is what transformers' load_image hands to a
 * model. */
#ifndef WC_IMAGE_DECODE_H
#define WC_IMAGE_DECODE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/* Pixels on the heap, [height, width, 3], rows without gaps.  {0} is a valid empty one. */
struct wc_image {
    uint8_t *rgb;
    int width, height;
};

#define WC_IMAGE_MAX_PIXELS ((size_t)100000000) /* of one picture, unless the options say otherwise */
#define WC_IMAGE_MAX_SIDE   1000000             /* of width or height */
#define WC_IMAGE_MAX_BYTES  ((size_t)1 << 30)   /* of one file */

/* NULL options are all zero: alpha dropped, EXIF orientation applied, WC_IMAGE_MAX_PIXELS. */
struct wc_image_options {
    bool on_white;         /* blend transparent pixels with white, as transformers does with open pictures */
    bool keep_orientation; /* leave the picture as it lies in the file, whatever EXIF says */
    size_t
        max_pixels; /* a larger picture is refused by its header, before anything is allocated; 0: default */
};

/* What the file said. */
struct wc_image_meta {
    const char *format; /* "PNG", "JPEG", "WEBP", "GIF", "BMP" or "PPM", as Pillow says */
    const char *mode;   /* Pillow's: "1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I", "I;16" */
    int width, height;  /* as stored, before orientation */
    int orientation;    /* EXIF's, 1 to 8; 1 when it has none or it cannot be read */
};

/* Decodes data [n]; name is what messages call it.  meta may be NULL.  Free with wc_image_free. */
bool wc_image_decode(const void *data, size_t n, const char *name, const struct wc_image_options *options,
                     struct wc_image *out, struct wc_image_meta *meta, wc_error *err);
/* The same for a file. */
bool wc_image_read(const char *path, const struct wc_image_options *options, struct wc_image *out,
                   struct wc_image_meta *meta, wc_error *err);
void wc_image_free(struct wc_image *image);
#endif
