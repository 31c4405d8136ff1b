/* fuzz_jpeg.c - JPEG: markers, EXIF and XMP, scans. */
#include "fuzz_image.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    return wc_fuzz_image(data, n, "\xff\xd8\xff", 3);
}
