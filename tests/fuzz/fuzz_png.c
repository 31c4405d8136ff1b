/* fuzz_png.c - PNG: chunks, palettes, tRNS, interlacing, EXIF and XMP.  The chunks' checksums are
 * put right first, so that changed bytes get past them. */
#include "fuzz_image.h"

#include <stdlib.h>

static uint32_t crc32_of(const uint8_t *p, size_t n)
{
    uint32_t crc = 0xffffffff;
    for (size_t i = 0; i < n; i++) {
        crc ^= p[i];
        for (int k = 0; k < 8; k++)
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
    }
    return ~crc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    uint8_t *png = malloc(n + 1);
    if (!png)
        return 0;
    memcpy(png, data, n);
    for (size_t at = 8; at <= n && n - at >= 12;) {
        const size_t len = (size_t)png[at] << 24 | (size_t)png[at + 1] << 16 | (size_t)png[at + 2] << 8 |
                           png[at + 3];
        if (len > n - at - 12)
            break;
        const uint32_t crc = crc32_of(png + at + 4, len + 4);
        for (size_t i = 0; i < 4; i++)
            png[at + 8 + len + i] = (uint8_t)(crc >> (24 - 8 * i));
        at += 12 + len;
    }
    wc_fuzz_image(png, n, "\x89PNG", 4);
    free(png);
    return 0;
}
