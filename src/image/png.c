/* png.c - PNG by libpng, its samples interpreted as Pillow does:
 *
 *   grey 1, 2, 4 bits    spread over 0..255                 grey 16 bits    clipped at 255, not scaled
 *   other 16 bits        the high byte                      palette         black past the end of PLTE
 *   tRNS                 a palette's opacities, or one colour that is transparent, compared by its low bytes
 *
 * libpng delivers the samples as they are and skips every ancillary chunk but tRNS unread; EXIF and XMP are
 * found by a walk over the chunks.  Of an APNG the default image is decoded. */
#include <png.h>
#include <setjmp.h>
#include <string.h>

#include "base/mem.h"
#include "image/formats.h"

enum { SIGNATURE_BYTES = 8, CHUNK_BYTES = 12, IHDR_END = 33 };
enum { FAILED = 1, DONE = 2 }; /* what is jumped with */

struct png_state {
    struct wc_image_job *job;
    wc_error *err;
    jmp_buf fail;
    png_structp png;
    png_infop info;
    size_t pos;              /* in job->data */
    char first_note[96];     /* libpng says what is wrong in a warning before the error */
    unsigned bits, colour;   /* of IHDR */
    size_t x, y, dx;         /* the place of the next row's samples in the picture, and their distance */
    size_t rows_left;        /* that have not come yet, of all passes */
    bool all_read;           /* the last row's samples have come */
    uint8_t palette[256][4]; /* RGBA */
    bool has_key;            /* a transparent colour */
    unsigned key[3];
};

static void on_error(png_structp png, png_const_charp text)
{
    struct png_state *s = png_get_error_ptr(png);
    if (s->all_read)
        longjmp(s->fail, DONE);
    bool note = s->first_note[0] && strcmp(s->first_note, text) != 0;
    wc_fail(s->err, WC_BAD_FILE, "%s: PNG: %s%s%s%s", s->job->name, text, note ? " (" : "", s->first_note,
            note ? ")" : "");
    longjmp(s->fail, FAILED);
}

static void on_warning(png_structp png, png_const_charp text)
{
    struct png_state *s = png_get_error_ptr(png);
    if (!s->first_note[0])
        strncat(s->first_note, text, sizeof s->first_note - 1);
}

static void on_read(png_structp png, png_bytep to, size_t n)
{
    struct png_state *s = png_get_io_ptr(png);
    if (s->all_read) /* whatever follows, gigabytes to inflate perhaps, is not looked at */
        longjmp(s->fail, DONE);
    if (n > s->job->n - s->pos)
        png_error(png, "the file is truncated: it ends inside a chunk");
    memcpy(to, s->job->data + s->pos, n);
    s->pos += n;
}

static png_voidp on_alloc(png_structp png, png_alloc_size_t n)
{
    (void)png;
    return wc_mem_alloc(n);
}

static void on_free(png_structp png, png_voidp p)
{
    (void)png;
    wc_mem_free(p);
}

/* The orientation in eXIf, else in XMP text, wherever the chunk stands. */
static int find_orientation(const uint8_t *data, size_t n)
{
    int exif = 0, xmp = 0;
    for (size_t at = SIGNATURE_BYTES; n - at >= CHUNK_BYTES;) {
        size_t len = wc_be32(data + at);
        const uint8_t *type = data + at + 4, *body = data + at + 8;
        if (len > n - at - CHUNK_BYTES || memcmp(type, "IEND", 4) == 0)
            break;
        if (memcmp(type, "eXIf", 4) == 0)
            exif = wc_exif_orientation(body, len);
        else if (memcmp(type, "iTXt", 4) == 0 && len > 17 && memcmp(body, "XML:com.adobe.xmp", 18) == 0)
            xmp = wc_xmp_orientation(body, len);
        at += CHUNK_BYTES + len;
    }
    return exif ? exif : xmp ? xmp : 1;
}

static const char *pillow_mode(unsigned bits, unsigned colour)
{
    switch (colour) {
    case PNG_COLOR_TYPE_GRAY:
        return bits == 1 ? "1" : bits == 16 ? "I;16" : "L";
    case PNG_COLOR_TYPE_PALETTE:
        return "P";
    case PNG_COLOR_TYPE_GRAY_ALPHA:
        return bits == 16 ? "RGBA" : "LA";
    default:
        return colour == PNG_COLOR_TYPE_RGB ? "RGB" : "RGBA";
    }
}

static bool check_header(struct wc_image_job *job, wc_error *err)
{
    const uint8_t *d = job->data;
    if (job->n < IHDR_END)
        return wc_fail(err, WC_BAD_FILE, "%s: PNG: the file is truncated: it ends inside IHDR", job->name);
    if (wc_be32(d + 8) != 13 || memcmp(d + 12, "IHDR", 4) != 0)
        return wc_fail(err, WC_BAD_FILE, "%s: PNG: expected an IHDR chunk of 13 bytes first, found another",
                       job->name);
    return wc_image_check_size(job, "IHDR", wc_be32(d + 16), wc_be32(d + 20), err);
}

/* Chunks up to the first IDAT, then how samples are to be delivered. */
static void read_header(struct png_state *s)
{
    png_structp png = s->png;
    png_set_read_fn(png, s, on_read);
    png_set_benign_errors(png, 1);
    png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, NULL, -1);
    png_set_user_limits(png, WC_IMAGE_MAX_SIDE, WC_IMAGE_MAX_SIDE);
    png_read_info(png, s->info);
    png_set_crc_action(png, PNG_CRC_QUIET_USE, PNG_CRC_QUIET_USE); /* of IDAT: zlib has its own checksum */
    s->bits = png_get_bit_depth(png, s->info);
    s->colour = png_get_color_type(png, s->info);
    if (s->bits < 8)
        png_set_packing(png);
    if (s->bits == 16 && s->colour != PNG_COLOR_TYPE_GRAY)
        png_set_strip_16(png);
}

static void read_palette(struct png_state *s)
{
    png_colorp plte = NULL;
    png_bytep alpha = NULL;
    png_color_16p key = NULL;
    int n_plte = 0, n_alpha = 0;
    for (int i = 0; i < 256; i++)
        s->palette[i][3] = 255;
    png_get_PLTE(s->png, s->info, &plte, &n_plte);
    for (int i = 0; i < n_plte; i++)
        memcpy(s->palette[i], &plte[i], 3);
    if (!png_get_tRNS(s->png, s->info, &alpha, &n_alpha, &key))
        return;
    if (s->colour == PNG_COLOR_TYPE_PALETTE) {
        for (int i = 0; i < n_alpha; i++)
            s->palette[i][3] = alpha[i];
    } else if (key) {
        s->has_key = true;
        bool grey = s->colour == PNG_COLOR_TYPE_GRAY;
        s->key[0] = (grey ? key->gray : key->red) & 255;
        s->key[1] = (grey ? key->gray : key->green) & 255;
        s->key[2] = (grey ? key->gray : key->blue) & 255;
        if (s->bits == 1)
            s->key[0] = s->key[1] = s->key[2] = key->gray ? 255 : 0;
    }
}

/* One pixel's samples: red, green, blue, opacity. */
static inline void get_pixel(const struct png_state *s, const uint8_t *in, size_t x, unsigned p[4])
{
    const unsigned spread = s->bits < 8 ? 255 / ((1u << s->bits) - 1) : 1;
    p[3] = 255;
    switch (s->colour) {
    case PNG_COLOR_TYPE_GRAY:
        p[0] = p[1] = p[2] = s->bits < 16 ? in[x] * spread : in[2 * x] ? 255 : in[2 * x + 1];
        break;
    case PNG_COLOR_TYPE_GRAY_ALPHA:
        p[0] = p[1] = p[2] = in[2 * x];
        p[3] = in[2 * x + 1];
        break;
    case PNG_COLOR_TYPE_PALETTE:
        for (int c = 0; c < 4; c++)
            p[c] = s->palette[in[x]][c];
        break;
    case PNG_COLOR_TYPE_RGB:
        for (size_t c = 0; c < 3; c++)
            p[c] = in[3 * x + c];
        break;
    default:
        for (size_t c = 0; c < 4; c++)
            p[c] = in[4 * x + c];
    }
    if (s->has_key && p[0] == s->key[0] && p[1] == s->key[1] && p[2] == s->key[2])
        p[3] = 0;
}

/* Called for each row of samples (of an interlaced picture: of a pass) as soon as they are there. */
static void on_row(png_structp png, png_row_infop row, png_bytep in)
{
    struct png_state *s = png_get_user_transform_ptr(png);
    const struct wc_image *out = s->job->out;
    uint8_t *rgb = out->rgb + 3 * (s->y * (size_t)out->width + s->x);
    for (size_t x = 0; x < row->width; x++, rgb += 3 * s->dx) {
        unsigned p[4];
        get_pixel(s, in, x, p);
        wc_put_pixel(rgb, p[0], p[1], p[2], p[3], s->job->on_white);
    }
    s->rows_left--;
    s->all_read = s->rows_left == 0;
}

/* All rows, pass by pass (Adam7's seven, or one). */
static void read_pixels(struct png_state *s)
{
    const struct wc_image *out = s->job->out;
    const bool interlaced = png_get_interlace_type(s->png, s->info) != PNG_INTERLACE_NONE;
    const size_t width = (size_t)out->width, height = (size_t)out->height;
    png_set_read_user_transform_fn(s->png, on_row);
    png_set_user_transform_info(s->png, s, 0, 0);
    png_read_update_info(s->png, s->info);
    for (unsigned pass = 0; pass < 7; pass++)
        s->rows_left += PNG_PASS_COLS(width, pass) > 0 ? PNG_PASS_ROWS(height, pass) : 0;
    if (!interlaced)
        s->rows_left = height;
    for (unsigned pass = 0; pass < (interlaced ? 7u : 1u); pass++) {
        const size_t dy = interlaced ? (size_t)1 << PNG_PASS_ROW_SHIFT(pass) : 1;
        s->x = interlaced ? PNG_PASS_START_COL(pass) : 0;
        s->dx = interlaced ? (size_t)1 << PNG_PASS_COL_SHIFT(pass) : 1;
        if (s->x >= width)
            continue;
        for (s->y = interlaced ? PNG_PASS_START_ROW(pass) : 0; s->y < height; s->y += dy)
            png_read_row(s->png, NULL, NULL);
    }
}

/* All that libpng may jump out of. */
static bool run(struct png_state *s)
{
    const int jumped = setjmp(s->fail);
    if (jumped)
        return jumped == DONE;
    s->png = png_create_read_struct_2(PNG_LIBPNG_VER_STRING, s, on_error, on_warning, NULL, on_alloc,
                                      on_free);
    s->info = s->png ? png_create_info_struct(s->png) : NULL;
    if (!s->info)
        return wc_fail_memory(s->err, sizeof *s);
    read_header(s);
    s->job->meta->mode = pillow_mode(s->bits, s->colour);
    if (s->colour == PNG_COLOR_TYPE_PALETTE && !png_get_valid(s->png, s->info, PNG_INFO_PLTE))
        png_error(s->png, "expected a PLTE chunk, found none");
    read_palette(s);
    if (!wc_image_alloc_pixels(s->job, s->err))
        return false;
    read_pixels(s);
    return true;
}

bool wc_png_decode(struct wc_image_job *job, wc_error *err)
{
    job->meta->format = "PNG";
    if (!check_header(job, err))
        return false;
    struct png_state *s = wc_mem_zalloc(1, sizeof *s);
    if (!s)
        return wc_fail_memory(err, sizeof *s);
    s->job = job;
    s->err = err;
    bool ok = run(s);
    if (s->png)
        png_destroy_read_struct(&s->png, &s->info, NULL);
    wc_mem_free(s);
    job->meta->orientation = find_orientation(job->data, job->n);
    return ok;
}
