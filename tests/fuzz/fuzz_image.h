/* fuzz_image.h - what the targets of single picture formats share. */
#ifndef WC_FUZZ_IMAGE_H
#define WC_FUZZ_IMAGE_H
#include <string.h>

#include "image/decode.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* Decodes data [n] when it begins with magic [n_magic], alpha dropped or blended by its length. */
static inline int wc_fuzz_image(const uint8_t *data, size_t n, const char *magic, size_t n_magic)
{
    const struct wc_image_options options = {.on_white = n % 2 != 0, .max_pixels = 1 << 18};
    struct wc_image image;
    wc_error err;
    if (n < n_magic || memcmp(data, magic, n_magic) != 0)
        return 0;
    wc_image_decode(data, n, "fuzz", &options, &image, NULL, &err);
    wc_image_free(&image);
    return 0;
}
#endif
