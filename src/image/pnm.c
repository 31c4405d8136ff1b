/* pnm.c - the portable anymaps of Netpbm: a header of text, then samples as text or as bytes.
 *
 *   "P6 width height maximum"     '#' begins a comment, to the end of the line
 *   P1, P4 bits, 1 is black, no maximum      P2, P5 grey      P3, P6 colour      (P1 to P3 are text)
 *
 * Samples are spread from 0..maximum over 0..255, halves to the even side; grey with a maximum above 255 is
 * spread over 0..65535 and then clipped at 255, as Pillow does. */
#include <math.h>
#include <string.h>

#include "image/formats.h"

struct pnm {
    struct wc_image_job *job;
    wc_error *err;
    const uint8_t *data;
    size_t n, at;
    bool text, colour, bits;
    unsigned maximum;
};

static bool is_space(uint8_t c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool broken(const struct pnm *p, const char *what)
{
    return wc_fail(p->err, WC_BAD_FILE, "%s: PNM: %s", p->job->name, what);
}

/* Passes over white space and comments. */
static void skip_space(struct pnm *p)
{
    while (p->at < p->n && (is_space(p->data[p->at]) || p->data[p->at] == '#')) {
        if (p->data[p->at] == '#')
            while (p->at < p->n && p->data[p->at] != '\n' && p->data[p->at] != '\r')
                p->at++;
        else
            p->at++;
    }
}

static bool read_number(struct pnm *p, const char *what, uint64_t *value)
{
    skip_space(p);
    size_t start = p->at;
    *value = 0;
    while (p->at < p->n && p->data[p->at] >= '0' && p->data[p->at] <= '9' && p->at - start < 10)
        *value = *value * 10 + (uint64_t)(p->data[p->at++] - '0');
    bool ends = p->at == p->n || is_space(p->data[p->at]) || p->data[p->at] == '#';
    if (p->at > start && ends)
        return true;
    return wc_fail(p->err, WC_BAD_FILE, "%s: PNM: %s: expected a number, found %s", p->job->name, what,
                   p->at == p->n ? "the end of the file: it is truncated" : "other text");
}

static bool read_header(struct pnm *p)
{
    const unsigned kind = p->data[1];
    uint64_t width, height, maximum = 1;
    p->at = 2;
    p->text = kind <= '3';
    p->bits = kind == '1' || kind == '4';
    p->colour = kind == '3' || kind == '6';
    if (p->n < 3 || !(is_space(p->data[2]) || p->data[2] == '#'))
        return broken(p, "expected white space behind the format's two letters");
    if (!read_number(p, "width", &width) || !read_number(p, "height", &height) ||
        (!p->bits && !read_number(p, "maximum", &maximum)))
        return false;
    if (maximum < 1 || maximum > 65535)
        return wc_fail(p->err, WC_BAD_FILE, "%s: PNM: maximum: expected 1 to 65535, found %llu", p->job->name,
                       (unsigned long long)maximum);
    p->maximum = (unsigned)maximum;
    p->job->meta->mode = p->bits ? "1" : p->colour ? "RGB" : maximum > 255 ? "I" : "L";
    if (!p->text)
        p->at++; /* one white space, then bytes */
    return wc_image_check_size(p->job, "header", width, height, p->err);
}

/* A sample of 0..maximum as 0..255. */
static uint8_t spread(const struct pnm *p, unsigned value)
{
    if (p->bits)
        return value ? 0 : 255;
    double top = !p->colour && p->maximum > 255 ? 65535 : 255;
    double level = rint(value / (double)p->maximum * top);
    return level < 255 ? (uint8_t)level : 255;
}

static void put_sample(const struct pnm *p, uint8_t *rgb, size_t i, uint8_t level)
{
    if (p->colour)
        rgb[i] = level;
    else
        memset(rgb + 3 * i, level, 3);
}

static bool read_text(struct pnm *p, uint8_t *rgb, size_t n_samples)
{
    for (size_t i = 0; i < n_samples; i++) {
        uint64_t value;
        if (p->bits) { /* digits that need no space between them */
            skip_space(p);
            if (p->at == p->n || (p->data[p->at] != '0' && p->data[p->at] != '1'))
                return broken(p, p->at == p->n ? "the file is truncated: it ends inside the pixels"
                                               : "a pixel is neither 0 nor 1");
            value = p->data[p->at++] == '1';
        } else if (!read_number(p, "pixel", &value)) {
            return false;
        }
        if (value > p->maximum)
            return broken(p, "a pixel is larger than the maximum");
        put_sample(p, rgb, i, spread(p, (unsigned)value));
    }
    return true;
}

static void read_bytes(const struct pnm *p, uint8_t *rgb, size_t n_samples)
{
    const uint8_t *d = p->data + p->at;
    uint8_t level[256];
    for (unsigned v = 0; v < 256; v++)
        level[v] = spread(p, v);
    for (size_t i = 0; i < n_samples; i++)
        put_sample(p, rgb, i, p->maximum > 255 ? spread(p, wc_be16(d + 2 * i)) : level[d[i]]);
}

static void read_bit_rows(const struct pnm *p, uint8_t *rgb, size_t width, size_t height)
{
    const uint8_t *row = p->data + p->at;
    for (size_t y = 0; y < height; y++, row += (width + 7) / 8, rgb += 3 * width)
        for (size_t x = 0; x < width; x++)
            put_sample(p, rgb, x, spread(p, row[x / 8] >> (7 - x % 8) & 1));
}

bool wc_pnm_decode(struct wc_image_job *job, wc_error *err)
{
    job->meta->format = "PPM";
    struct pnm p = {.job = job, .err = err, .data = job->data, .n = job->n};
    if (!read_header(&p))
        return false;
    const size_t width = (size_t)job->meta->width, height = (size_t)job->meta->height;
    const size_t n_samples = width * height * (p.colour ? 3 : 1);
    const size_t bytes = p.text   ? n_samples
                         : p.bits ? (width + 7) / 8 * height
                                  : n_samples * (p.maximum > 255 ? 2 : 1);
    if (p.at > p.n || p.n - p.at < bytes)
        return broken(&p, "the file is truncated: it ends inside the pixels");
    if (!wc_image_alloc_pixels(job, err))
        return false;
    if (p.text)
        return read_text(&p, job->out->rgb, n_samples);
    if (p.bits)
        read_bit_rows(&p, job->out->rgb, width, height);
    else
        read_bytes(&p, job->out->rgb, n_samples);
    return true;
}
