/* fuzz_gif.c - GIF: blocks, palettes, LZW. */
#include "fuzz_image.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    return wc_fuzz_image(data, n, "GIF8", 4);
}
