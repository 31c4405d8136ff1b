/* fuzz_webp.c - WebP: RIFF chunks, frames, alpha, EXIF. */
#include "fuzz_image.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    return wc_fuzz_image(data, n, "RIFF", 4);
}
