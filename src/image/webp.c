/* webp.c - WebP by libwebp: lossy, lossless, with alpha; of an animation the first frame on its canvas.
 *
 * The container (RIFF chunks, VP8X, ANMF) is read by libwebpdemux.  What the first frame leaves uncovered is
 * transparent black. */
#include <string.h>

#include <webp/decode.h>
#include <webp/demux.h>

#include "base/mem.h"
#include "image/formats.h"

static int find_orientation(const WebPDemuxer *d)
{
    static const char *const chunks[] = {"EXIF", "XMP "};
    for (int i = 0; i < 2; i++) {
        WebPChunkIterator c;
        int found = 0;
        if (!WebPDemuxGetChunk(d, chunks[i], 1, &c))
            continue;
        found = i == 0 ? wc_exif_orientation(c.chunk.bytes, c.chunk.size)
                       : wc_xmp_orientation(c.chunk.bytes, c.chunk.size);
        WebPDemuxReleaseChunkIterator(&c);
        if (found)
            return found;
    }
    return 1;
}

static bool broken(struct wc_image_job *job, const char *what, wc_error *err)
{
    return wc_fail(err, WC_BAD_FILE, "%s: WebP: %s", job->name, what);
}

/* Pixels of an opaque frame, straight to their place. */
static bool decode_rgb(struct wc_image_job *job, const WebPIterator *f, uint8_t *at, wc_error *err)
{
    const size_t stride = (size_t)job->out->width * 3;
    const size_t room = stride * (size_t)(f->height - 1) + (size_t)f->width * 3;
    return WebPDecodeRGBInto(f->fragment.bytes, f->fragment.size, at, room, (int)stride) ||
           broken(job, "the image data are broken or truncated", err);
}

static bool decode_rgba(struct wc_image_job *job, const WebPIterator *f, uint8_t *at, wc_error *err)
{
    const size_t width = (size_t)f->width, height = (size_t)f->height, stride = (size_t)job->out->width * 3;
    uint8_t *rgba = wc_mem_alloc(width * height * 4);
    if (!rgba)
        return wc_fail_memory(err, width * height * 4);
    bool ok = WebPDecodeRGBAInto(f->fragment.bytes, f->fragment.size, rgba, width * height * 4,
                                 (int)width * 4) ||
              broken(job, "the image data are broken or truncated", err);
    for (size_t y = 0; ok && y < height; y++)
        for (size_t x = 0; x < width; x++) {
            const uint8_t *p = rgba + 4 * (y * width + x);
            wc_put_pixel(at + y * stride + 3 * x, p[0], p[1], p[2], p[3], job->on_white);
        }
    wc_mem_free(rgba);
    return ok;
}

static bool decode_frame(struct wc_image_job *job, const WebPIterator *f, wc_error *err)
{
    struct wc_image_meta *meta = job->meta;
    WebPBitstreamFeatures features;
    if (WebPGetFeatures(f->fragment.bytes, f->fragment.size, &features) != VP8_STATUS_OK ||
        features.width != f->width || features.height != f->height || f->x_offset < 0 || f->y_offset < 0 ||
        f->width > meta->width - f->x_offset || f->height > meta->height - f->y_offset)
        return broken(job, "the frame is broken, truncated or outside its canvas", err);
    if (!wc_image_alloc_pixels(job, err))
        return false;
    const size_t width = (size_t)meta->width, bytes = width * (size_t)meta->height * 3;
    const bool has_alpha = strcmp(meta->mode, "RGBA") == 0;
    if (f->width < meta->width || f->height < meta->height)
        memset(job->out->rgb, has_alpha && job->on_white ? 255 : 0, bytes);
    uint8_t *at = job->out->rgb + 3 * ((size_t)f->y_offset * width + (size_t)f->x_offset);
    return has_alpha && features.has_alpha ? decode_rgba(job, f, at, err) : decode_rgb(job, f, at, err);
}

bool wc_webp_decode(struct wc_image_job *job, wc_error *err)
{
    job->meta->format = "WEBP";
    bool ok = false, has_frame = false;
    WebPIterator frame;
    WebPBitstreamFeatures features;
    WebPData data = {job->data, job->n};
    WebPDemuxer *d = WebPDemux(&data);
    if (!d || WebPGetFeatures(job->data, job->n, &features) != VP8_STATUS_OK) {
        broken(job, "the RIFF or VP8 chunks are broken or truncated", err);
        goto done;
    }
    job->meta->mode = features.has_alpha ? "RGBA" : "RGB";
    job->meta->orientation = find_orientation(d);
    if (!wc_image_check_size(job, "canvas", WebPDemuxGetI(d, WEBP_FF_CANVAS_WIDTH),
                             WebPDemuxGetI(d, WEBP_FF_CANVAS_HEIGHT), err))
        goto done;
    has_frame = WebPDemuxGetFrame(d, 1, &frame);
    if (!has_frame || !frame.complete)
        broken(job, "expected a whole frame, found none or a truncated one", err);
    else
        ok = decode_frame(job, &frame, err);
done:
    if (has_frame)
        WebPDemuxReleaseIterator(&frame);
    WebPDemuxDelete(d);
    return ok;
}
