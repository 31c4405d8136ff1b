/* gif.c - the first frame of a GIF on its screen.
 *
 *   "GIF87a" or "GIF89a", screen: width 2, height 2, flags 1, background 1, aspect 1, [palette]
 *   then blocks: '!' label, sub-blocks: an extension; 0xf9 names a transparent index
 *                ',' left 2, top 2, width 2, height 2, flags 1, [palette], code size 1, LZW sub-blocks
 *                ';' the end
 *
 * As Pillow has it: the screen grows to hold the frame; what the frame leaves uncovered has the transparent
 * index, or 0; indices past the palette are black; a palette that is a grey ramp is passed over; without
 * any, an index is a grey level.  LZW codes are packed from the low bits up. */
#include <string.h>

#include "base/mem.h"
#include "image/formats.h"

enum { SCREEN_BYTES = 13, FRAME_BYTES = 9, MAX_CODES = 4096, NO_INDEX = -1 };

struct gif {
    struct wc_image_job *job;
    wc_error *err;
    const uint8_t *data;
    size_t n, at;
    int transparent; /* index, or NO_INDEX */
    bool has_palette;
    uint8_t palette[256][3];
    unsigned left, top, width, height; /* of the frame */
    bool interlaced;
    uint8_t *indices; /* [height, width] of the frame */
};

static bool broken(const struct gif *g, const char *what)
{
    return wc_fail(g->err, WC_BAD_FILE, "%s: GIF: %s", g->job->name, what);
}

static bool need(const struct gif *g, size_t bytes, const char *what)
{
    if (g->n - g->at >= bytes)
        return true;
    return wc_fail(g->err, WC_BAD_FILE, "%s: GIF: the file is truncated: it ends inside the %s", g->job->name,
                   what);
}

/* A palette of 2 to 256 colours, as the flags say.  A grey ramp changes nothing, as in Pillow. */
static bool read_palette(struct gif *g, unsigned flags)
{
    const size_t n = (size_t)2 << (flags & 7);
    if (!need(g, 3 * n, "palette"))
        return false;
    const uint8_t *p = g->data + g->at;
    bool ramp = true;
    for (size_t i = 0; i < 3 * n; i++)
        ramp = ramp && p[i] == i / 3;
    if (!ramp) {
        g->has_palette = true;
        memset(g->palette, 0, sizeof g->palette);
        memcpy(g->palette, p, 3 * n);
    }
    g->at += 3 * n;
    return true;
}

/* Passes over sub-blocks to the one of length 0 that ends them. */
static bool skip_blocks(struct gif *g)
{
    for (;;) {
        if (!need(g, 1, "extension"))
            return false;
        size_t len = g->data[g->at++];
        if (len == 0)
            return true;
        if (!need(g, len, "extension"))
            return false;
        g->at += len;
    }
}

static bool read_extension(struct gif *g)
{
    if (!need(g, 2, "extension"))
        return false;
    const uint8_t *p = g->data + g->at;
    if (p[0] == 0xf9 && p[1] >= 4 && g->n - g->at >= 6 && (p[2] & 1))
        g->transparent = p[5];
    g->at++;
    return skip_blocks(g);
}

/* From the screen's palette to the start of the first frame's LZW data. */
static bool find_frame(struct gif *g)
{
    for (;;) {
        if (g->at == g->n || g->data[g->at] == ';')
            return broken(g, "expected a frame, found the end");
        unsigned block = g->data[g->at++];
        if (block == ',')
            break;
        if (block == '!' && !read_extension(g))
            return false;
    }
    if (!need(g, FRAME_BYTES, "frame header"))
        return false;
    const uint8_t *p = g->data + g->at;
    g->at += FRAME_BYTES;
    g->left = wc_le16(p);
    g->top = wc_le16(p + 2);
    g->width = wc_le16(p + 4);
    g->height = wc_le16(p + 6);
    g->interlaced = (p[8] & 0x40) != 0;
    if (g->width == 0 || g->height == 0)
        return broken(g, "frame: expected a width and height of at least 1, found zero");
    return !(p[8] & 0x80) || read_palette(g, p[8]);
}

/* The LZW table: code c stands for the string of prefix[c] and then suffix[c]: length[c] bytes, of which
 * first[c] is the first. */
struct lzw {
    uint16_t prefix[MAX_CODES], length[MAX_CODES];
    uint8_t suffix[MAX_CODES], first[MAX_CODES];
    int code_size, next, previous; /* bits of a code; the first free entry; -1 after a clear code */
};

static void lzw_init(struct lzw *t, int min_size)
{
    const int clear = 1 << min_size;
    for (int c = 0; c < clear; c++) {
        t->prefix[c] = 0;
        t->length[c] = 1;
        t->suffix[c] = t->first[c] = (uint8_t)c;
    }
    t->length[clear] = t->length[clear + 1] = 0; /* clear and end codes are no strings */
}

static void lzw_clear(struct lzw *t, int min_size)
{
    t->code_size = min_size + 1;
    t->next = (1 << min_size) + 2;
    t->previous = -1;
}

static void lzw_add(struct lzw *t, uint8_t suffix)
{
    t->prefix[t->next] = (uint16_t)t->previous;
    t->suffix[t->next] = suffix;
    t->first[t->next] = t->first[t->previous];
    t->length[t->next] = (uint16_t)(t->length[t->previous] + 1);
    t->next++;
    if (t->next == 1 << t->code_size && t->code_size < 12)
        t->code_size++;
}

/* Writes the string of one code to out [room, at least 1], cut where there is no more room; returns the bytes
 * written, 0 when the code is not in the table. */
static size_t lzw_write(struct lzw *t, int code, uint8_t *out, size_t room)
{
    const bool may_add = t->previous >= 0 && t->next < MAX_CODES;
    if (code > t->next || (code == t->next && !may_add))
        return 0;
    if (may_add)
        lzw_add(t, t->first[code == t->next ? t->previous : code]);
    t->previous = code;
    const size_t n = t->length[code];
    for (size_t i = n; i-- > 0; code = t->prefix[code])
        if (i < room)
            out[i] = t->suffix[code];
    return n < room ? n : room;
}

/* Codes of varying length from the sub-blocks. */
struct code_reader {
    uint32_t bits;
    int n_bits;
    size_t block; /* bytes left of the sub-block */
};

/* The next code of code_size bits, or -1 after a failure. */
static int next_code(struct gif *g, struct code_reader *r, int code_size)
{
    while (r->n_bits < code_size) {
        if (!need(g, 1, "LZW data"))
            return -1;
        unsigned byte = g->data[g->at++];
        if (r->block > 0) {
            r->bits |= (uint32_t)byte << r->n_bits;
            r->n_bits += 8;
            r->block--;
        } else if (byte > 0) {
            r->block = byte;
        } else {
            broken(g, "the LZW data of the frame end before its last pixel");
            return -1;
        }
    }
    int code = (int)(r->bits & ((1u << code_size) - 1));
    r->bits >>= code_size;
    r->n_bits -= code_size;
    return code;
}

static bool decompress(struct gif *g)
{
    if (!need(g, 1, "frame"))
        return false;
    const int min_size = g->data[g->at++];
    if (min_size < 1 || min_size > 8)
        return wc_fail(g->err, WC_BAD_FILE, "%s: GIF: LZW code size: expected 2 to 8, found %d", g->job->name,
                       min_size);
    const int clear = 1 << min_size;
    struct code_reader r = {0};
    struct lzw t;
    lzw_init(&t, min_size);
    lzw_clear(&t, min_size);
    const size_t n_pixels = (size_t)g->width * g->height;
    for (size_t done = 0; done < n_pixels;) {
        int code = next_code(g, &r, t.code_size);
        if (code < 0)
            return false;
        if (code == clear) {
            lzw_clear(&t, min_size);
            continue;
        }
        if (code == clear + 1)
            return broken(g, "the LZW data of the frame end before its last pixel");
        size_t written = lzw_write(&t, code, g->indices + done, n_pixels - done);
        if (written == 0)
            return broken(g, "the LZW data of the frame hold a code that is not in the table");
        done += written;
    }
    return true;
}

/* Row of the frame that is y-th in the data. */
static size_t row_of(const struct gif *g, size_t y)
{
    static const struct {
        size_t start, step;
    } passes[] = {{0, 8}, {4, 8}, {2, 4}, {1, 2}};
    for (size_t p = 0; g->interlaced && p < 4; p++) {
        size_t rows = g->height > passes[p].start
                          ? (g->height - passes[p].start + passes[p].step - 1) / passes[p].step
                          : 0;
        if (y < rows)
            return passes[p].start + y * passes[p].step;
        y -= rows;
    }
    return y;
}

static void put_index(const struct gif *g, uint8_t *rgb, int index)
{
    const uint8_t grey[3] = {(uint8_t)index, (uint8_t)index, (uint8_t)index};
    const uint8_t *c = g->has_palette ? g->palette[index] : grey;
    wc_put_pixel(rgb, c[0], c[1], c[2], index == g->transparent ? 0 : 255, g->job->on_white);
}

static void paint(const struct gif *g)
{
    const struct wc_image *out = g->job->out;
    const size_t width = (size_t)out->width, n = width * (size_t)out->height;
    if (n != (size_t)g->width * g->height)
        for (size_t i = 0; i < n; i++)
            put_index(g, out->rgb + 3 * i, g->transparent == NO_INDEX ? 0 : g->transparent);
    for (size_t y = 0; y < g->height; y++) {
        uint8_t *rgb = out->rgb + 3 * ((g->top + row_of(g, y)) * width + g->left);
        for (size_t x = 0; x < g->width; x++, rgb += 3)
            put_index(g, rgb, g->indices[y * g->width + x]);
    }
}

bool wc_gif_decode(struct wc_image_job *job, wc_error *err)
{
    job->meta->format = "GIF";
    struct gif g = {.job = job, .err = err, .data = job->data, .n = job->n, .transparent = NO_INDEX};
    if (!need(&g, SCREEN_BYTES, "screen header"))
        return false;
    const unsigned width = wc_le16(g.data + 6), height = wc_le16(g.data + 8), flags = g.data[10];
    g.at = SCREEN_BYTES;
    if ((flags & 0x80) && !read_palette(&g, flags))
        return false;
    if (!find_frame(&g))
        return false;
    job->meta->mode = g.has_palette ? "P" : "L";
    unsigned right = g.left + g.width, bottom = g.top + g.height;
    if (!wc_image_check_size(job, "screen", right > width ? right : width, bottom > height ? bottom : height,
                             err))
        return false;
    size_t n_pixels = (size_t)g.width * g.height;
    g.indices = wc_mem_alloc(n_pixels);
    bool ok = g.indices || wc_fail_memory(err, n_pixels);
    ok = ok && decompress(&g) && wc_image_alloc_pixels(job, err);
    if (ok)
        paint(&g);
    wc_mem_free(g.indices);
    return ok;
}
