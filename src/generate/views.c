/* views.c - see views.h. */
#include "generate/views.h"

#include <string.h>

#include "base/mem.h"
#include "image/pan_and_scan.h"

/* Room for n views. */
static bool grow(wc_views *v, size_t n, wc_error *err)
{
    wc_media *media = wc_mem_zalloc(n + 1, sizeof *media);
    struct wc_image *owned = wc_mem_zalloc(n + 1, sizeof *owned);
    if (!media || !owned) {
        wc_mem_free(media);
        wc_mem_free(owned);
        return wc_fail_memory(err, n * (sizeof *media + sizeof *owned));
    }
    if (v->n > 0) {
        memcpy(media, v->media, v->n * sizeof *media);
        memcpy(owned, v->owned, v->n * sizeof *owned);
    }
    wc_mem_free(v->media);
    wc_mem_free(v->owned);
    v->media = media;
    v->owned = owned;
    return true;
}

/* The view of pixels, which move in. */
static void take(wc_views *v, struct wc_image *pixels)
{
    v->owned[v->n] = *pixels;
    v->media[v->n++] = (wc_media){.rgb = pixels->rgb, .width = pixels->width, .height = pixels->height};
    *pixels = (struct wc_image){0};
}

/* Picture k whole, and its pieces. */
static bool add_cut(wc_views *v, const struct wc_pan_and_scan *p, const wc_media *picture, size_t k,
                    wc_error *err)
{
    struct wc_image whole = {0};
    if (!wc_runtime_read_image(picture, &whole, err))
        return false;
    const int n = wc_pan_and_scan_count(p, whole.width, whole.height);
    const size_t at = v->n;
    bool ok = grow(v, v->n + (size_t)n + 1, err);
    if (ok)
        take(v, &whole);
    for (int i = 0; ok && i < n; i++) {
        struct wc_image crop;
        ok = wc_pan_and_scan_crop(&v->owned[at], n, i, &crop, err);
        if (ok)
            take(v, &crop);
    }
    v->n_crops[k] = n;
    wc_image_free(&whole);
    return ok;
}

bool wc_views_init(wc_views *v, const struct wc_model *m, const wc_prompt *p, wc_error *err)
{
    *v = (wc_views){.n_pictures = p->n_media};
    if (p->n_media == 0)
        return true;
    const bool takes = m->net->image.n_tokens > 0; /* else the pictures are refused elsewhere */
    const bool cut = takes && (p->pan_and_scan > 0 || (p->pan_and_scan == 0 && m->images->crops.on));
    if (cut && !m->net->image.original)
        return wc_fail(err, WC_REFUSED,
                       "pan_and_scan: %s looks at whole pictures only; leave --pan-and-scan out", m->name);
    v->n_crops = wc_mem_zalloc(p->n_media, sizeof *v->n_crops);
    bool ok = v->n_crops || wc_fail_memory(err, p->n_media * sizeof *v->n_crops);
    ok = ok && grow(v, p->n_media, err);
    for (size_t k = 0; ok && k < p->n_media; k++) {
        if (cut)
            ok = add_cut(v, &m->images->crops, &p->media[k], k, err);
        else
            v->media[v->n++] = p->media[k];
    }
    if (!ok)
        wc_views_release(v);
    return ok;
}

void wc_views_release(wc_views *v)
{
    for (size_t i = 0; i < v->n; i++)
        wc_image_free(&v->owned[i]);
    wc_mem_free(v->owned);
    wc_mem_free(v->media);
    wc_mem_free(v->n_crops);
    *v = (wc_views){0};
}

/* ---- text ---- */

static void put_view(const wc_image_input *in, wc_buf *out)
{
    wc_buf_puts(out, in->before);
    for (int i = 0; i < in->n_tokens; i++)
        wc_buf_puts(out, in->token);
    wc_buf_puts(out, in->after);
}

void wc_views_put(const wc_views *v, const wc_image_input *in, size_t k, wc_buf *out)
{
    const int n_crops = v->n_crops[k];
    if (n_crops > 0)
        wc_buf_puts(out, in->original);
    put_view(in, out);
    for (int i = 0; i < n_crops; i++) {
        wc_buf_puts(out, i ? " " : in->crops);
        put_view(in, out);
    }
}
