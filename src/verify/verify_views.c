/* verify_views.c - what a prompt's pictures become before they enter the text, where a folder has that by prompt, not by picture:
 * decoded pixels "image.NAME.rgb", and of each prompt "pixel_values" [views, 3, H, W], "image_features" [views, tokens, width], and
 * the tower's own points for its first picture. */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/size.h"
#include "generate/views.h"
#include "verify/checks.h"

enum { NAME_ROOM = 300 };

/* The value of that name, if it is there and not reported yet. */
static wc_golden_item *pending(const wc_checks *c, const char *group, const char *point)
{
    char name[NAME_ROOM];
    snprintf(name, sizeof name, "%s.%s", group, point);
    wc_golden_item *item = wc_golden_find(&c->golden, name);
    return item && !item->done ? item : NULL;
}

/* The folder asks for something between a prompt's pictures and its text. */
static bool asked(const wc_checks *c, const char *group)
{
    const wc_golden *g = &c->golden;
    for (size_t i = 0; i < g->n; i++) {
        const wc_golden_item *item = &g->items[i];
        if (strcmp(item->group, group) == 0 &&
            (strncmp(item->point, "pixel_values", 12) == 0 || strcmp(item->point, "image_features") == 0 ||
             strncmp(item->point, "vision.", 7) == 0))
            return true;
    }
    return false;
}

bool wc_verify_pillow(const wc_checks *c)
{
    const wc_golden *g = &c->golden;
    for (size_t i = 0; i < g->n; i++)
        if (strcmp(g->items[i].point, "pixel_values_torchvision") == 0)
            return true;
    return false;
}

static bool check_pixels(wc_checks *c, const struct wc_model *m, const wc_views *views, wc_golden_item *item,
                         enum wc_resize_backend backend, wc_error *err)
{
    const size_t height = (size_t)m->net->image.height, width = (size_t)m->net->image.width;
    const size_t floats = 3 * height * width;
    struct wc_image_processor processor = *m->images;
    processor.backend = backend;
    if (!item)
        return true;
    float *values = wc_mem_zalloc(views->n * floats, sizeof *values);
    bool ok = values || wc_fail_memory(err, views->n * floats * sizeof *values);
    for (size_t i = 0; ok && i < views->n; i++) {
        struct wc_image pixels;
        ok = wc_runtime_read_image(&views->media[i], &pixels, err) &&
             wc_image_preprocess(&processor, &pixels, WC_IMAGE_CHW, values + i * floats, err);
        wc_image_free(&pixels);
    }
    if (ok) {
        const wc_tensor got = wc_tensor_of(values, WC_F32, WC_SHAPE(views->n, 3, height, width));
        wc_checks_compare(c, item, &got);
    }
    wc_mem_free(values);
    return ok;
}

struct watch {
    wc_checks *c;
    const char *group;
};

static void on_point(void *user, const char *point, const wc_tensor *t)
{
    const struct watch *w = user;
    wc_checks_point(w->c, w->group, point, t);
}

static bool check_features(wc_checks *c, struct wc_model *m, const wc_views *views, const char *group,
                           wc_error *err)
{
    const size_t rows = (size_t)m->net->image.n_tokens, width = (size_t)m->net->hidden_size;
    struct watch w = {c, group};
    float *all = wc_mem_zalloc(views->n * rows * width, sizeof *all);
    bool ok = all || wc_fail_memory(err, views->n * rows * width * sizeof *all);
    for (size_t i = 0; ok && i < views->n; i++) {
        wc_media_hold hold = {0};
        ok = wc_runtime_encode_image(m, &views->media[i], NULL, i == 0 ? on_point : NULL, &w, NULL, NULL,
                                     &hold, err);
        if (ok)
            memcpy(all + i * rows * width, hold.rows, rows * width * sizeof *all);
        wc_media_release(m->media, &hold);
    }
    wc_golden_item *item = pending(c, group, "image_features");
    if (ok && item) {
        const wc_tensor got = wc_tensor_of(all, WC_F32, WC_SHAPE(views->n, rows, width));
        wc_checks_compare(c, item, &got);
    }
    wc_mem_free(all);
    return ok;
}

bool wc_verify_views(wc_checks *c, struct wc_model *m, const char *group, const wc_prompt *prompt,
                     wc_error *err)
{
    wc_views views;
    if (prompt->n_media == 0 || !asked(c, group))
        return true;
    if (!wc_views_init(&views, m, prompt, err))
        return false;
    bool ok = check_pixels(c, m, &views, pending(c, group, "pixel_values"), WC_RESIZE_PILLOW, err) &&
              check_pixels(c, m, &views, pending(c, group, "pixel_values_torchvision"), WC_RESIZE_TORCHVISION,
                           err) &&
              check_features(c, m, &views, group, err);
    wc_views_release(&views);
    return ok;
}

void wc_verify_rgb(wc_checks *c, const char *name, const wc_media *picture)
{
    char full[NAME_ROOM];
    struct wc_image pixels;
    wc_error why = {0};
    snprintf(full, sizeof full, "image.%s.rgb", name);
    wc_golden_item *item = wc_golden_find(&c->golden, full);
    if (!item || item->done)
        return;
    if (wc_runtime_read_image(picture, &pixels, &why)) {
        const wc_tensor got = wc_tensor_of(pixels.rgb, WC_U8,
                                           WC_SHAPE((size_t)pixels.height, (size_t)pixels.width, 3));
        wc_checks_compare(c, item, &got);
    } else {
        wc_checks_fail(c, item, why.text);
    }
    wc_image_free(&pixels);
}
