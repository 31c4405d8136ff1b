/* exif.c - the orientation of a picture: which way up the camera was held.
 *
 * EXIF data are a TIFF file: "II" or "MM" for the byte order, 42, the offset of a directory; a directory is a
 * count and that many entries of 12 bytes: tag, type, number of values, and the value itself where it fits
 * into 4 bytes.  Tag 0x0112 is the orientation.  Damage of any kind means "no orientation": a picture never
 * fails because of it.
 *
 *   1 upright       2 mirrored left-right              3 turned by 180        4 mirrored top-bottom
 *   5 transposed    6 needs a quarter turn clockwise   7 transposed across    8 one counter-clockwise */
#include <string.h>

#include "base/mem.h"
#include "image/formats.h"

enum { TAG_ORIENTATION = 0x0112, ENTRY_BYTES = 12 };

static unsigned get16(const uint8_t *p, bool big)
{
    return big ? wc_be16(p) : wc_le16(p);
}

static uint32_t get32(const uint8_t *p, bool big)
{
    return big ? wc_be32(p) : wc_le32(p);
}

/* The first of the whole numbers of the entry at offset at; 0 when it has none.  More than 4 bytes of them
 * stand elsewhere in data [n]. */
static uint32_t entry_value(const uint8_t *data, size_t n, size_t at, bool big)
{
    static const uint8_t type_bytes[] = {[3] = 2, [4] = 4, [6] = 1, [8] = 2, [9] = 4, [13] = 4};
    const unsigned type = get16(data + at + 2, big);
    const uint64_t size = type < sizeof type_bytes ? type_bytes[type] : 0;
    const uint64_t bytes = get32(data + at + 4, big) * size;
    size_t from = bytes <= 4 ? at + 8 : get32(data + at + 8, big);
    if (bytes == 0 || bytes > n || from > n - bytes)
        return 0;
    return size == 1 ? data[from] : size == 2 ? get16(data + from, big) : get32(data + from, big);
}

int wc_exif_orientation(const uint8_t *data, size_t n)
{
    for (int i = 0; i < 2 && n >= 6 && memcmp(data, "Exif\0\0", 6) == 0; i++) {
        data += 6;
        n -= 6;
    }
    if (n < 8 || data[0] != data[1] || (data[0] != 'M' && data[0] != 'I') ||
        (memcmp(data + 2, "*\0", 2) != 0 && memcmp(data + 2, "\0*", 2) != 0))
        return 0;
    bool big = data[0] == 'M';
    size_t at = get32(data + 4, big);
    if (at > n || n - at < 2)
        return 0;
    size_t n_entries = get16(data + at, big);
    uint32_t value = 0;
    for (at += 2; n_entries > 0 && n - at >= ENTRY_BYTES; n_entries--, at += ENTRY_BYTES)
        if (get16(data + at, big) == TAG_ORIENTATION)
            value = entry_value(data, n, at, big);
    return value >= 1 && value <= 8 ? (int)value : 0;
}

int wc_xmp_orientation(const uint8_t *data, size_t n)
{
    static const char key[] = "tiff:Orientation";
    const uint8_t *end = data + n;
    while ((data = memmem(data, (size_t)(end - data), key, sizeof key - 1)) != NULL) {
        data += sizeof key - 1;
        size_t skip = end - data >= 3 && memcmp(data, "=\"", 2) == 0 ? 2
                      : end - data >= 2 && *data == '>'              ? 1
                                                                     : 0;
        if (skip > 0 && data[skip] >= '0' && data[skip] <= '9')
            return data[skip] >= '1' && data[skip] <= '8' ? data[skip] - '0' : 0;
    }
    return 0;
}

bool wc_image_turn(struct wc_image *image, int orientation, wc_error *err)
{
    if (orientation <= 1 || orientation > 8)
        return true;
    const bool transpose = orientation >= 5; /* rows become columns, then mirrored */
    const bool flip_x = orientation == 2 || orientation == 3 || orientation == 6 || orientation == 7;
    const bool flip_y = orientation == 3 || orientation == 4 || orientation == 7 || orientation == 8;
    const size_t w = (size_t)image->width, h = (size_t)image->height;
    const size_t new_w = transpose ? h : w, new_h = transpose ? w : h;
    uint8_t *turned = wc_mem_alloc(w * h * 3), *to = turned;
    if (!turned)
        return wc_fail_memory(err, w * h * 3);
    for (size_t y = 0; y < new_h; y++)
        for (size_t x = 0; x < new_w; x++, to += 3) {
            size_t fx = flip_x ? new_w - 1 - x : x, fy = flip_y ? new_h - 1 - y : y;
            const uint8_t *from = image->rgb + 3 * (transpose ? fx * w + fy : fy * w + fx);
            to[0] = from[0];
            to[1] = from[1];
            to[2] = from[2];
        }
    wc_mem_free(image->rgb);
    *image = (struct wc_image){turned, (int)new_w, (int)new_h};
    return true;
}
