/* resize.h - changes a picture's size exactly as the reference does, bit for bit.
 *
 * Two programs make the pixels that models were trained on, Pillow and torchvision.  Both filter with
 * antialiasing, 8 bits in between the two passes; they differ in how finely the weights are rounded, and
 * Pillow 13 in the order of the passes for tall pictures. */
#ifndef WC_IMAGE_RESIZE_H
#define WC_IMAGE_RESIZE_H
#include "image/decode.h"

/* Pillow's numbers, as in preprocessor_config.json. */
enum wc_resample {
    WC_RESAMPLE_NEAREST = 0,
    WC_RESAMPLE_LANCZOS = 1,
    WC_RESAMPLE_BILINEAR = 2,
    WC_RESAMPLE_BICUBIC = 3,
    WC_RESAMPLE_BOX = 4,
    WC_RESAMPLE_HAMMING = 5
};

enum wc_resize_backend {
    WC_RESIZE_TORCHVISION = 0, /* weights of 16 bits; box and hamming it does not know */
    WC_RESIZE_PILLOW           /* weights of 22 bits behind the point */
};

/* *out is in, at width x height; it is new memory, free with wc_image_free.  Sizes are 1 to
 * WC_IMAGE_MAX_SIDE. */
bool wc_image_resize(const struct wc_image *in, int width, int height, enum wc_resample resample,
                     enum wc_resize_backend backend, struct wc_image *out, wc_error *err);
#endif
