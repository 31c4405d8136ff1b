/* jpeg.c - JPEG by libjpeg-turbo: accurate integer inverse DCT, smooth chroma upsampling, as Pillow and
 * torchvision use it.
 *
 * Three components become RGB, one is grey.  Four are inks: whoever writes such files stores them inverted,
 * as Adobe does, so with a stored c and k, R = c * k / 255 (rounded).
 *
 * A file that ends before its last coefficient is refused.  One whose bits are damaged in the middle is taken
 * as far as libjpeg gets, as everybody does; the end of file marker may be missing. */
#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <jpeglib.h>

#include <jerror.h>

#include "base/mem.h"
#include "image/formats.h"

/* A progressive picture costs time for each of its scans, however few bytes they have: bounded by scans x
 * pixels. */
enum { MIN_SCANS = 40, MAX_SCANS = 500 };
#define MAX_SCAN_PIXELS ((size_t)2500000000)

struct jpeg_state {
    struct jpeg_error_mgr error; /* first: libjpeg hands out a pointer to it */
    struct jpeg_progress_mgr progress;
    struct jpeg_decompress_struct info;
    struct wc_image_job *job;
    wc_error *err;
    jmp_buf fail;
    int max_scans;
    bool ended;   /* the data ended before the end of image marker */
    bool starved; /* coefficients were missing when a marker came */
    uint8_t *row;
};

static struct jpeg_state *state_of(j_common_ptr info)
{
    return (struct jpeg_state *)info->err;
}

static void on_error(j_common_ptr info)
{
    struct jpeg_state *s = state_of(info);
    char text[JMSG_LENGTH_MAX];
    info->err->format_message(info, text);
    wc_fail(s->err, info->err->msg_code == JERR_OUT_OF_MEMORY ? WC_NO_MEMORY : WC_BAD_FILE, "%s: JPEG: %s%s",
            s->job->name, text, s->ended ? " (the file is truncated)" : "");
    longjmp(s->fail, 1);
}

static void on_message(j_common_ptr info, int level)
{
    struct jpeg_state *s = state_of(info);
    if (level >= 0)
        return;
    s->ended |= info->err->msg_code == JWRN_JPEG_EOF;
    s->starved |= info->err->msg_code == JWRN_HIT_MARKER;
}

static void on_progress(j_common_ptr info)
{
    struct jpeg_state *s = state_of(info);
    if (s->info.input_scan_number <= s->max_scans)
        return;
    wc_fail(s->err, WC_REFUSED, "%s: JPEG: expected at most %d scans for a picture of this size, found more",
            s->job->name, s->max_scans);
    longjmp(s->fail, 1);
}

static void no_output(j_common_ptr info)
{
    (void)info;
}

/* The orientation in APP1 segments before the first scan: EXIF, else XMP. */
static int find_orientation(const uint8_t *d, size_t n)
{
    static const char xmp_name[] = "http://ns.adobe.com/xap/1.0/";
    int exif = 0, xmp = 0;
    for (size_t at = 2; at < n && n - at >= 4;) {
        unsigned marker = d[at + 1];
        if (d[at] != 0xff || marker == 0xff) {
            at++;
            continue;
        }
        if (marker == 0xda || marker == 0xd9)
            break;
        if (marker == 0 || marker == 1 || (marker >= 0xd0 && marker <= 0xd8)) {
            at += 2;
            continue;
        }
        size_t len = wc_be16(d + at + 2);
        const uint8_t *body = d + at + 4;
        if (len < 2 || len > n - at - 2)
            break;
        if (marker == 0xe1 && !exif && len >= 8 && memcmp(body, "Exif\0\0", 6) == 0)
            exif = wc_exif_orientation(body, len - 2);
        else if (marker == 0xe1 && len >= 2 + sizeof xmp_name && memcmp(body, xmp_name, sizeof xmp_name) == 0)
            xmp = wc_xmp_orientation(body, len - 2);
        at += 2 + len;
    }
    return exif ? exif : xmp ? xmp : 1;
}

/* Whether every coefficient was sent, in whatever scan. */
static bool is_complete(const struct jpeg_decompress_struct *info)
{
    for (int c = 0; c < info->num_components; c++) {
        if (!info->comp_info[c].quant_table) /* set by the component's first scan */
            return false;
        for (int k = 0; info->coef_bits && k < DCTSIZE2; k++)
            if (info->coef_bits[c][k] != 0) /* bits still missing; -1: all */
                return false;
    }
    return true;
}

static bool read_header(struct jpeg_state *s)
{
    struct jpeg_decompress_struct *info = &s->info;
    jpeg_create_decompress(info);
    info->progress = &s->progress;
    jpeg_mem_src(info, s->job->data, (unsigned long)s->job->n);
    s->max_scans = MAX_SCANS;
    jpeg_read_header(info, TRUE);
    if (!wc_image_check_size(s->job, "SOF", info->image_width, info->image_height, s->err))
        return false;
    size_t scans = MAX_SCAN_PIXELS / ((size_t)info->image_width * info->image_height);
    s->max_scans = scans < MIN_SCANS ? MIN_SCANS : scans > MAX_SCANS ? MAX_SCANS : (int)scans;
    switch (info->num_components) {
    case 1:
        s->job->meta->mode = "L";
        info->out_color_space = JCS_GRAYSCALE;
        return true;
    case 3:
        s->job->meta->mode = "RGB";
        info->out_color_space = JCS_RGB;
        return true;
    case 4:
        s->job->meta->mode = "CMYK";
        info->out_color_space = JCS_CMYK;
        return true;
    default:
        return wc_fail(s->err, WC_BAD_FILE, "%s: JPEG: SOF: expected 1, 3 or 4 components, found %d",
                       s->job->name, info->num_components);
    }
}

/* a * b / 255, rounded as Pillow does. */
static uint8_t times(unsigned a, unsigned b)
{
    unsigned t = a * b + 128;
    return (uint8_t)(((t >> 8) + t) >> 8);
}

static void convert_row(uint8_t *rgb, const uint8_t *in, size_t width, int n_components)
{
    for (size_t x = 0; x < width; x++, rgb += 3, in += n_components)
        for (int c = 0; c < 3; c++)
            rgb[c] = n_components == 1 ? in[0] : times(in[c], in[3]);
}

static bool read_pixels(struct jpeg_state *s)
{
    struct jpeg_decompress_struct *info = &s->info;
    const size_t width = info->image_width, components = (size_t)info->num_components;
    jpeg_start_decompress(info);
    if (s->ended && !is_complete(info))
        return wc_fail(s->err, WC_BAD_FILE, "%s: JPEG: the file is truncated: it ends before its last scan",
                       s->job->name);
    if (!wc_image_alloc_pixels(s->job, s->err))
        return false;
    s->row = wc_mem_alloc(width * components);
    if (!s->row)
        return wc_fail_memory(s->err, width * components);
    while (info->output_scanline < info->output_height) {
        uint8_t *rgb = s->job->out->rgb + (size_t)info->output_scanline * width * 3;
        JSAMPROW row = components == 3 ? rgb : s->row;
        jpeg_read_scanlines(info, &row, 1);
        if (components != 3)
            convert_row(rgb, s->row, width, info->num_components);
    }
    if (s->ended && s->starved)
        return wc_fail(s->err, WC_BAD_FILE, "%s: JPEG: the file is truncated: it ends inside a scan",
                       s->job->name);
    return true;
}

/* All that libjpeg may jump out of. */
static bool run(struct jpeg_state *s)
{
    if (setjmp(s->fail))
        return false;
    return read_header(s) && read_pixels(s);
}

bool wc_jpeg_decode(struct wc_image_job *job, wc_error *err)
{
    job->meta->format = "JPEG";
    struct jpeg_state *s = wc_mem_zalloc(1, sizeof *s);
    if (!s)
        return wc_fail_memory(err, sizeof *s);
    s->job = job;
    s->err = err;
    s->info.err = jpeg_std_error(&s->error);
    s->error.error_exit = on_error;
    s->error.emit_message = on_message;
    s->error.output_message = no_output;
    s->progress.progress_monitor = on_progress;
    bool ok = run(s);
    jpeg_destroy_decompress(&s->info);
    wc_mem_free(s->row);
    wc_mem_free(s);
    job->meta->orientation = find_orientation(job->data, job->n);
    return ok;
}
