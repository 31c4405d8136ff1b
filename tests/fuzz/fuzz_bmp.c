/* fuzz_bmp.c - BMP: headers, palettes, masks, run lengths. */
#include "fuzz_image.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    return wc_fuzz_image(data, n, "BM", 2);
}
