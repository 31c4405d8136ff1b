/* formats.h - what the decoders of single formats share; private to this folder. */
#ifndef WC_IMAGE_FORMATS_H
#define WC_IMAGE_FORMATS_H
#include "image/decode.h"

/* One picture being decoded. */
struct wc_image_job {
    const uint8_t *data; /* [n], the encoded picture; borrowed */
    size_t n;
    const char *name; /* for messages */
    bool on_white;
    size_t max_pixels;
    struct wc_image *out;
    struct wc_image_meta *meta;
};

/* Each decodes the whole picture into job->out and fills job->meta; on failure out->rgb may be left
 * allocated, for the caller to free.  The format's own name is part of every message. */
bool wc_png_decode(struct wc_image_job *job, wc_error *err);
bool wc_jpeg_decode(struct wc_image_job *job, wc_error *err);
bool wc_webp_decode(struct wc_image_job *job, wc_error *err);
bool wc_gif_decode(struct wc_image_job *job, wc_error *err);
bool wc_bmp_decode(struct wc_image_job *job, wc_error *err);
bool wc_pnm_decode(struct wc_image_job *job, wc_error *err);

/* Checks the size that a header gives against the job's limits and notes it in meta.  field: "IHDR", "SOF"
 * ... */
bool wc_image_check_size(struct wc_image_job *job, const char *field, uint64_t width, uint64_t height,
                         wc_error *err);
/* The pixels of a checked size, not cleared. */
bool wc_image_alloc_pixels(struct wc_image_job *job, wc_error *err);

/* The orientation, 1 to 8, that EXIF data [n] gives (behind "Exif\0\0" or not); 0 when it gives none. */
int wc_exif_orientation(const uint8_t *data, size_t n);
/* The same of an XMP packet (tiff:Orientation); 0 when it gives none. */
int wc_xmp_orientation(const uint8_t *data, size_t n);
/* Turns a picture upright. */
bool wc_image_turn(struct wc_image *image, int orientation, wc_error *err);

/* One sample s of opacity a over white, in Pillow's integers (alpha_composite with an opaque white below). */
static inline uint8_t wc_over_white(unsigned s, unsigned a)
{
    unsigned t = s * (a * 128) + 255 * ((255 - a) * 128) + (128 << 7);
    return (uint8_t)((((t >> 8) + t) >> 8) >> 7);
}

/* Stores one pixel with opacity a, dropped or blended. */
static inline void wc_put_pixel(uint8_t *rgb, unsigned r, unsigned g, unsigned b, unsigned a, bool on_white)
{
    rgb[0] = on_white ? wc_over_white(r, a) : (uint8_t)r;
    rgb[1] = on_white ? wc_over_white(g, a) : (uint8_t)g;
    rgb[2] = on_white ? wc_over_white(b, a) : (uint8_t)b;
}

static inline unsigned wc_le16(const uint8_t *p)
{
    return p[0] | (unsigned)p[1] << 8;
}

static inline uint32_t wc_le32(const uint8_t *p)
{
    return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static inline unsigned wc_be16(const uint8_t *p)
{
    return (unsigned)p[0] << 8 | p[1];
}

static inline uint32_t wc_be32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}
#endif
