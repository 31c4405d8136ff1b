/* bmp.c - Windows bitmaps.  All numbers are little-endian:
 *
 *   offset size what
 *        0    2 "BM"
 *       10    4 offset of the pixels
 *       14    4 bytes of the header that begins here: 12 (OS/2), 40, 52, 56, 64, 108 or 124
 *       18    4 width          (OS/2: width 2, height 2, planes 2, bits per pixel 2, and no more)
 *       22    4 height; negative: the top row comes first
 *       28    2 bits per pixel, behind 2 bytes of planes
 *       30    4 compression: 0 none, 1 RLE8, 2 RLE4, 3 channel masks
 *       46    4 colours in the palette; 0: all that the bits allow
 *       54   12 masks of red, green and blue, behind a header of 40; at 66 alpha, from header 56 on
 *
 * Then the palette (blue, green, red and, but for OS/2, an unused byte) and the rows, each padded to 4 bytes,
 * bottom row first.  As Pillow has it: a palette of grey levels in order is dropped, indices past a palette
 * are black, alpha counts only where a mask names it, runs that leave a row are cut. */
#include <string.h>

#include "base/mem.h"
#include "image/formats.h"

enum {
    HEADER_AT = 14,
    OS2_HEADER = 12,
    INFO_HEADER = 40,
    RAW = 0,
    RLE8 = 1,
    RLE4 = 2,
    BITFIELDS = 3,
    MAX_COLOURS = 65536
};

struct channel {
    uint32_t mask;
    int shift;
    uint32_t max; /* the mask's bits, moved down; 0: no such channel */
};

struct bmp {
    struct wc_image_job *job;
    wc_error *err;
    const uint8_t *data;
    size_t n, pixels; /* offset of the rows */
    uint32_t header_bytes;
    bool top_down;
    unsigned bits;
    uint32_t compression, n_colours;
    struct channel channels[4]; /* red, green, blue, alpha of 16 bits and more */
    uint8_t palette[256][3];    /* RGB of 8 bits and less */
};

static bool truncated(const struct bmp *b, const char *where)
{
    return wc_fail(b->err, WC_BAD_FILE, "%s: BMP: the file is truncated: it ends inside the %s", b->job->name,
                   where);
}

static bool unsupported(const struct bmp *b, const char *field, const char *expected, uint32_t found)
{
    return wc_fail(b->err, WC_UNSUPPORTED, "%s: BMP: %s: expected %s, found %lu", b->job->name, field,
                   expected, (unsigned long)found);
}

static bool read_header(struct bmp *b)
{
    const uint8_t *h = b->data + HEADER_AT;
    if (b->n < HEADER_AT + 4)
        return truncated(b, "header");
    uint32_t size = b->header_bytes = wc_le32(h);
    if (size != OS2_HEADER && size != 40 && size != 52 && size != 56 && size != 64 && size != 108 &&
        size != 124)
        return unsupported(b, "header size", "12, 40, 52, 56, 64, 108 or 124", size);
    if (b->n - HEADER_AT < size)
        return truncated(b, "header");
    uint64_t width, height;
    if (size == OS2_HEADER) {
        width = wc_le16(h + 4);
        height = wc_le16(h + 6);
        b->bits = wc_le16(h + 10);
    } else {
        width = wc_le32(h + 4);
        height = wc_le32(h + 8);
        b->top_down = height >= 0x80000000u;
        if (b->top_down)
            height = 0x100000000u - height;
        b->bits = wc_le16(h + 14);
        b->compression = wc_le32(h + 16);
        b->n_colours = wc_le32(h + 32);
    }
    return wc_image_check_size(b->job, "header", width, height, b->err);
}

static bool set_channel(struct bmp *b, int c, uint32_t mask)
{
    struct channel *ch = &b->channels[c];
    *ch = (struct channel){.mask = mask};
    if (mask == 0)
        return true;
    while (!(mask >> ch->shift & 1))
        ch->shift++;
    ch->max = mask >> ch->shift;
    if ((ch->max & (ch->max + 1)) != 0)
        return wc_fail(b->err, WC_BAD_FILE, "%s: BMP: channel mask: expected adjacent bits, found 0x%08lx",
                       b->job->name, (unsigned long)mask);
    return true;
}

/* Masks of BITFIELDS, from the header or right behind it. */
static bool read_masks(struct bmp *b)
{
    const uint8_t *m = b->data + HEADER_AT + INFO_HEADER;
    const int n_masks = b->header_bytes >= 56 ? 4 : 3;
    if (b->n < (size_t)HEADER_AT + INFO_HEADER + 4 * (size_t)n_masks)
        return truncated(b, "channel masks");
    bool any = false;
    for (int c = 0; c < n_masks; c++) {
        if (!set_channel(b, c, wc_le32(m + 4 * c)))
            return false;
        any = any || b->channels[c].mask;
    }
    if (b->bits == 32 && !any) { /* Pillow's reading of masks that are all zero */
        set_channel(b, 3, 0xff000000);
        return set_channel(b, 0, 0xff0000) && set_channel(b, 1, 0xff00) && set_channel(b, 2, 0xff);
    }
    if (!b->channels[0].mask || !b->channels[1].mask || !b->channels[2].mask)
        return wc_fail(b->err, WC_BAD_FILE,
                       "%s: BMP: channel mask: expected bits in red, green and blue, found none",
                       b->job->name);
    return true;
}

static bool read_channels(struct bmp *b)
{
    b->job->meta->mode = "RGB";
    if (b->compression == BITFIELDS) {
        if (!read_masks(b))
            return false;
        if (b->channels[3].mask)
            b->job->meta->mode = "RGBA";
        return true;
    }
    if (b->compression != RAW)
        return unsupported(b, "compression of more than 8 bits per pixel", "0 (none) or 3 (bit fields)",
                           b->compression);
    if (b->bits == 16)
        return set_channel(b, 0, 0x7c00) && set_channel(b, 1, 0x3e0) && set_channel(b, 2, 0x1f);
    return set_channel(b, 0, 0xff0000) && set_channel(b, 1, 0xff00) && set_channel(b, 2, 0xff);
}

static bool read_palette(struct bmp *b)
{
    const size_t entry = b->header_bytes == OS2_HEADER ? 3 : 4, at = HEADER_AT + b->header_bytes;
    if (b->compression != RAW && b->compression != (b->bits == 8 ? RLE8 : RLE4))
        return unsupported(b, "compression of 8 bits per pixel or less", "0 (none), or 1 or 2 (RLE)",
                           b->compression);
    if (b->n_colours == 0)
        b->n_colours = 1u << b->bits;
    if (b->n_colours > MAX_COLOURS)
        return unsupported(b, "palette size", "at most 65536 colours", b->n_colours);
    if (b->n - at < entry * b->n_colours)
        return truncated(b, "palette");
    /* Some writers count the palette as a part of the header and give its start as that of the pixels. */
    if (b->pixels == at || b->pixels == 0)
        b->pixels = at + entry * b->n_colours;
    const bool two = b->n_colours == 2;
    bool grey = true;
    for (size_t i = 0; i < b->n_colours && i < 256; i++) {
        const uint8_t *p = b->data + at + entry * i;
        const unsigned level = two && i == 1 ? 255 : (unsigned)i;
        grey = grey && p[0] == level && p[1] == level && p[2] == level;
        for (int c = 0; c < 3; c++)
            b->palette[i][c] = p[2 - c];
    }
    if (grey && !two) /* a grey level need not be in the palette */
        for (size_t i = 0; i < 256; i++)
            memset(b->palette[i], (int)i, 3);
    b->job->meta->mode = !grey ? "P" : b->n_colours <= 2 ? "1" : "L";
    if (grey && b->n_colours == 1 && b->bits == 1)
        memset(b->palette[1], 255, 3);
    return true;
}

/* A row y of the file, from the top of the picture. */
static uint8_t *row_at(const struct bmp *b, size_t y)
{
    const struct wc_image *out = b->job->out;
    return out->rgb + 3 * (size_t)out->width * (b->top_down ? y : (size_t)out->height - 1 - y);
}

static unsigned sample(const struct channel *ch, uint32_t pixel)
{
    return (unsigned)((uint64_t)((pixel & ch->mask) >> ch->shift) * 255 / ch->max);
}

static void convert_row(const struct bmp *b, const uint8_t *in, uint8_t *rgb, size_t width)
{
    const struct channel *ch = b->channels;
    const unsigned bits = b->bits;
    for (size_t x = 0; x < width; x++, rgb += 3) {
        if (bits <= 8) {
            unsigned index = in[x * bits / 8] >> (8 - bits - x * bits % 8) & ((1u << bits) - 1);
            memcpy(rgb, b->palette[index], 3);
            continue;
        }
        const uint8_t *p = in + x * bits / 8;
        uint32_t pixel = bits == 32   ? wc_le32(p)
                         : bits == 16 ? wc_le16(p)
                                      : wc_le16(p) | (uint32_t)p[2] << 16;
        wc_put_pixel(rgb, sample(&ch[0], pixel), sample(&ch[1], pixel), sample(&ch[2], pixel),
                     ch[3].max ? sample(&ch[3], pixel) : 255, b->job->on_white);
    }
}

static bool read_rows(struct bmp *b)
{
    const size_t width = (size_t)b->job->meta->width, height = (size_t)b->job->meta->height;
    const size_t stride = (width * b->bits + 31) / 32 * 4, used = (width * b->bits + 7) / 8;
    if (b->n - b->pixels < stride * (height - 1) + used)
        return truncated(b, "pixels");
    if (!wc_image_alloc_pixels(b->job, b->err))
        return false;
    for (size_t y = 0; y < height; y++)
        convert_row(b, b->data + b->pixels + y * stride, row_at(b, y), width);
    return true;
}

/* Run-length decoding to indices [height, width] in the order of the file, which come zeroed.  Pairs of
 * bytes: a count and a value (for RLE4 two, by turns); or zero and 0: end of row, 1: end of picture, 2: go
 * right and up by the next two bytes, n: n values follow, padded to an even offset in the file. */
static bool unpack_rle(struct bmp *b, uint8_t *indices, size_t width, size_t total)
{
    const uint8_t *d = b->data;
    const bool four = b->compression == RLE4;
    size_t at = b->pixels, done = 0, x = 0;
    while (done < total) {
        if (b->n - at < 2)
            return truncated(b, "RLE pixels");
        const size_t count = d[at];
        const unsigned value = d[at + 1];
        at += 2;
        if (count > 0) {
            size_t room = x < width ? width - x : 0, run = count < room ? count : room;
            for (size_t i = 0; i < run && done < total; i++)
                indices[done++] = (uint8_t)(!four ? value : i % 2 == 0 ? value >> 4 : value & 15);
            x += run;
        } else if (value == 0) {
            done += (width - done % width) % width;
            x = 0;
        } else if (value == 1) {
            break;
        } else if (value == 2) {
            if (b->n - at < 2)
                return truncated(b, "RLE pixels");
            size_t skip = d[at] + (size_t)d[at + 1] * width;
            at += 2;
            done += skip < total - done ? skip : total - done;
            x = done % width;
        } else {
            size_t n = value < total - done ? value : total - done, bytes = four ? (n + 1) / 2 : n;
            if (b->n - at < bytes)
                return truncated(b, "RLE pixels");
            for (size_t i = 0; i < n; i++)
                indices[done++] = !four ? d[at + i] : i % 2 == 0 ? d[at + i / 2] >> 4 : d[at + i / 2] & 15;
            at += bytes;
            x += value;
            if (at % 2 != 0 && at < b->n)
                at++;
        }
    }
    return true;
}

static bool read_rle(struct bmp *b)
{
    const size_t width = (size_t)b->job->meta->width, height = (size_t)b->job->meta->height;
    uint8_t *indices = wc_mem_zalloc(height, width);
    if (!indices)
        return wc_fail_memory(b->err, height * width);
    bool ok = unpack_rle(b, indices, width, width * height) && wc_image_alloc_pixels(b->job, b->err);
    for (size_t y = 0; ok && y < height; y++) {
        uint8_t *rgb = row_at(b, y);
        for (size_t i = 0; i < width; i++)
            memcpy(rgb + 3 * i, b->palette[indices[y * width + i]], 3);
    }
    wc_mem_free(indices);
    return ok;
}

bool wc_bmp_decode(struct wc_image_job *job, wc_error *err)
{
    job->meta->format = "BMP";
    struct bmp b = {.job = job, .err = err, .data = job->data, .n = job->n};
    if (!read_header(&b))
        return false;
    b.pixels = wc_le32(b.data + 10);
    switch (b.bits) {
    case 1:
    case 4:
    case 8:
        if (!read_palette(&b))
            return false;
        break;
    case 16:
    case 24:
    case 32:
        if (!read_channels(&b))
            return false;
        if (b.pixels == 0)
            b.pixels = HEADER_AT + b.header_bytes +
                       (b.compression == BITFIELDS && b.header_bytes == INFO_HEADER ? 12 : 0);
        break;
    default:
        return unsupported(&b, "bits per pixel", "1, 4, 8, 16, 24 or 32", b.bits);
    }
    if (b.pixels < HEADER_AT + b.header_bytes || b.pixels >= b.n)
        return wc_fail(err, WC_BAD_FILE,
                       "%s: BMP: pixel offset: expected one behind the header and in the file, "
                       "found %zu",
                       job->name, b.pixels);
    return b.compression == RLE8 || b.compression == RLE4 ? read_rle(&b) : read_rows(&b);
}
