/* verify_parts.c - golden folders of parts that need no model: the sampler, and pictures on their way to pixels. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/file_map.h"
#include "base/hash.h"
#include "base/mem.h"
#include "generate/sampler.h"
#include "image/resize.h"
#include "verify/checks.h"

enum { NAME_ROOM = 300 };

/* ---- sampling ---- */

static bool read_options(const wc_golden *g, const wc_json *v, const char *name, wc_sampler_options *o,
                         wc_error *err)
{
    *o = (wc_sampler_options){
        .sample = true, .temperature = 1, .top_p = 1, .typical_p = 1, .repetition_penalty = 1};
    const struct {
        const char *key;
        float *value;
    } known[] = {{"temperature", &o->temperature},
                 {"top_p", &o->top_p},
                 {"min_p", &o->min_p},
                 {"typical_p", &o->typical_p},
                 {"repetition_penalty", &o->repetition_penalty}};
    for (size_t i = 0; i < wc_json_count(v); i++) {
        const wc_json *key = wc_json_key(v, i);
        double value = wc_json_number(wc_json_value(v, i), NAN);
        bool found = strcmp(key->u.text, "top_k") == 0;
        if (found && value >= 0 && value <= INT32_MAX)
            o->top_k = (int)value;
        for (size_t k = 0; k < sizeof known / sizeof *known; k++)
            if (strcmp(key->u.text, known[k].key) == 0) {
                *known[k].value = (float)value;
                found = true;
            }
        if (!found || isnan(value))
            return wc_fail(err, WC_UNSUPPORTED, "%s: case %s: options: %.60s is not known", g->file, name,
                           key->u.text);
    }
    return true;
}

static bool occurs(const int32_t *ids, size_t n, size_t id)
{
    for (size_t i = 0; i < n; i++)
        if (ids[i] == (int32_t)id)
            return true;
    return false;
}

/* Of equal scores at the cut of top_p, which ones stay depends on how torch sorts.  Where ids i and j have equal scores and
 * one of the two is kept, the other not, in both results, the one kept may be the other's. */
static void settle_ties(const wc_golden_item *probs, const float *logits, const int32_t *history,
                        size_t n_history, float *p)
{
    for (size_t i = 0; i < probs->want.shape[0]; i++) {
        bool kept = wc_golden_element(&probs->want, &i) > 0;
        for (size_t j = i + 1; (p[i] > 0) != kept && j < probs->want.shape[0]; j++) {
            bool kept_j = wc_golden_element(&probs->want, &j) > 0;
            if (logits[i] != logits[j] || kept_j == kept || (p[j] > 0) != kept ||
                occurs(history, n_history, i) != occurs(history, n_history, j))
                continue;
            float t = p[i];
            p[i] = p[j];
            p[j] = t;
        }
    }
}

/* A removed id has a probability of exactly 0, and only a removed one. */
static bool same_kept(const wc_golden_item *item, const float *p, char *note, size_t room)
{
    for (size_t i = 0; i < item->want.shape[0]; i++) {
        double want = wc_golden_element(&item->want, &i);
        if ((want == 0) == (p[i] == 0))
            continue;
        snprintf(note, room, "id %zu: expected it %s, found probability %.9g", i,
                 want == 0 ? "removed" : "kept", (double)p[i]);
        return false;
    }
    return true;
}

/* The probabilities p [n] of one case, ties settled as in probs. */
static bool run_case(const wc_golden *g, const wc_json *v, const char *name, const wc_golden_item *logits,
                     const wc_golden_item *probs, float *p, wc_error *err)
{
    const wc_json *history = wc_json_get(v, "history_ids");
    const size_t n = logits->want.shape[0], n_history = wc_json_count(history);
    wc_sampler_options o;
    if (!read_options(g, wc_json_get(v, "options"), name, &o, err))
        return false;
    int32_t *ids = wc_mem_zalloc(n_history + 1, sizeof *ids);
    if (!ids)
        return wc_fail_memory(err, n_history * sizeof *ids);
    for (size_t i = 0; i < n_history; i++)
        ids[i] = (int32_t)fmax(-1, fmin(wc_json_number(wc_json_item(history, i), -1), INT32_MAX));
    wc_sampler *s = wc_sampler_new(n, &o, 1, err);
    bool ok = s && (wc_sampler_probabilities(s, logits->want.data, ids, n_history, p) ||
                    wc_fail(err, WC_FAILED, "no id is left"));
    if (ok)
        settle_ties(probs, logits->want.data, ids, o.repetition_penalty != 1 ? n_history : 0, p);
    wc_sampler_free(s);
    wc_mem_free(ids);
    return ok;
}

/* One case: name is VECTOR.CASE. */
static void check_case(wc_checks *c, const wc_json *v, const char *name, const wc_golden_item *logits,
                       wc_golden_item *probs)
{
    const size_t n = logits->want.shape[0];
    char kept[NAME_ROOM + 10], note[NAME_ROOM] = "";
    wc_error why = {0};
    float *p = wc_mem_zalloc(n, sizeof *p);
    if (!p) {
        wc_fail_memory(&why, n * sizeof *p);
        wc_checks_fail(c, probs, why.text);
    } else if (!run_case(&c->golden, v, name, logits, probs, p, &why)) {
        wc_checks_fail(c, probs, why.text);
    } else {
        const wc_tensor got = wc_tensor_of(p, WC_F32, WC_SHAPE(n));
        snprintf(kept, sizeof kept, "%s.kept", name);
        wc_checks_compare(c, probs, &got);
        wc_checks_tell(c, kept, same_kept(probs, p, note, sizeof note), note);
    }
    wc_mem_free(p);
}

bool wc_verify_sampling(wc_checks *c, wc_error *err)
{
    const wc_golden *g = &c->golden;
    const wc_json *cases = wc_json_get(g->json, "cases");
    for (size_t i = 0; i < wc_json_count(cases); i++) {
        const wc_json *v = wc_json_item(cases, i), *vector = wc_json_get(v, "vector"),
                      *name = wc_json_get(v, "case");
        char full[NAME_ROOM], part[NAME_ROOM + 10];
        if (!wc_json_is(vector, WC_JSON_STRING) || !wc_json_is(name, WC_JSON_STRING))
            return wc_fail(err, WC_BAD_FILE, "%s: cases: entry %zu: vector, case: expected strings", g->file,
                           i);
        snprintf(full, sizeof full, "%s.%s", vector->u.text, name->u.text);
        snprintf(part, sizeof part, "%s.probs", full);
        wc_golden_item *probs = wc_golden_find(g, part);
        snprintf(part, sizeof part, "%s.logits", vector->u.text);
        wc_golden_item *logits = wc_golden_find(g, part);
        if (!probs || !logits || logits->want.ndim != 1 || logits->want.dtype != WC_F32 ||
            probs->want.ndim != 1 || probs->want.shape[0] != logits->want.shape[0] ||
            logits->want.shape[0] == 0)
            return wc_fail(err, WC_BAD_FILE,
                           "%s: case %s: expected vectors %s (f32) and %s.probs of one length", g->file, full,
                           part, full);
        wc_checks_compare(c, logits, &logits->want); /* an input: it has only to be there */
        check_case(c, v, full, logits, probs);
    }
    return true;
}

/* ---- pictures ---- */

/* A picture file of the folder: its values' names begin with key, the file name with _ for dots. */
struct picture {
    const char *file;
    char key[NAME_ROOM];
    struct wc_image plain, on_white,
        turned; /* as PIL's convert gives it; blended with white; turned by EXIF */
    struct wc_image_meta meta;
};

static bool open_picture(const wc_checks *c, const char *file, struct picture *p, wc_error *err)
{
    const struct wc_image_options plain = {.keep_orientation = true},
                                  on_white = {.keep_orientation = true, .on_white = true}, turned = {0};
    const char *path = wc_path_join(c->golden.arena, c->golden.folder, file);
    *p = (struct picture){.file = file};
    snprintf(p->key, sizeof p->key, "%s", file);
    for (char *s = p->key; *s; s++)
        if (*s == '.')
            *s = '_';
    if (!path)
        return wc_fail_memory(err, strlen(file));
    return wc_image_read(path, &plain, &p->plain, &p->meta, err) &&
           wc_image_read(path, &on_white, &p->on_white, NULL, err) &&
           wc_image_read(path, &turned, &p->turned, NULL, err);
}

static void close_picture(struct picture *p)
{
    wc_image_free(&p->plain);
    wc_image_free(&p->on_white);
    wc_image_free(&p->turned);
}

static wc_tensor view_of(const struct wc_image *image)
{
    return wc_tensor_of(image->rgb, WC_U8, WC_SHAPE((size_t)image->height, (size_t)image->width, 3));
}

/* "s48.torchvision", "s32c.pil": squares, c for bicubic.  What the processor is given is blended with white. */
static bool resize_for(const char *point, const struct picture *p, struct wc_image *out, wc_error *err)
{
    int side, used = 0;
    if (sscanf(point, "s%d%n", &side, &used) != 1)
        return wc_fail(err, WC_UNSUPPORTED, "the picture processor has no such point");
    bool cubic = point[used] == 'c';
    const char *backend = point + used + cubic;
    bool pillow = strcmp(backend, ".pil") == 0;
    if (!pillow && strcmp(backend, ".torchvision") != 0)
        return wc_fail(err, WC_UNSUPPORTED, "the picture processor has no such point");
    return wc_image_resize(&p->on_white, side, side, cubic ? WC_RESAMPLE_BICUBIC : WC_RESAMPLE_BILINEAR,
                           pillow ? WC_RESIZE_PILLOW : WC_RESIZE_TORCHVISION, out, err);
}

static void check_point(wc_checks *c, const struct picture *p, wc_golden_item *item)
{
    const struct {
        const char *point;
        const struct wc_image *image;
    } decoded[] = {{"rgb", &p->plain}, {"rgb_on_white", &p->on_white}, {"rgb_exif_applied", &p->turned}};
    wc_error why = {0};
    for (size_t i = 0; i < sizeof decoded / sizeof *decoded; i++)
        if (strcmp(item->point, decoded[i].point) == 0) {
            const wc_tensor got = view_of(decoded[i].image);
            wc_checks_compare(c, item, &got);
        }
    if (item->done)
        return;
    struct wc_image resized = {0};
    if (resize_for(item->point, p, &resized, &why)) {
        const wc_tensor got = wc_tensor_permute(view_of(&resized), (int[]){2, 0, 1});
        wc_checks_compare(c, item, &got);
    } else {
        wc_checks_fail(c, item, why.text);
    }
    wc_image_free(&resized);
}

/* Format, mode and size are what Pillow says. */
static void check_kind(wc_checks *c, const struct picture *p, const wc_json *v)
{
    char name[NAME_ROOM + 10], note[NAME_ROOM];
    const wc_json *size = wc_json_get(v, "size_wh");
    bool same = wc_json_string_is(wc_json_get(v, "format"), p->meta.format) &&
                wc_json_string_is(wc_json_get(v, "pil_mode"), p->meta.mode) &&
                wc_json_number(wc_json_item(size, 0), 0) == p->meta.width &&
                wc_json_number(wc_json_item(size, 1), 0) == p->meta.height;
    snprintf(name, sizeof name, "%s.kind", p->key);
    snprintf(note, sizeof note, "found %s, %s, %d x %d", p->meta.format, p->meta.mode, p->meta.width,
             p->meta.height);
    wc_checks_tell(c, name, same, same ? "" : note);
}

/* The digest of a picture's bytes in the order [3, H, W]. */
static void digest_chw(const struct wc_image *image, char hex[65])
{
    wc_sha256 h;
    uint8_t digest[32];
    const size_t n = (size_t)image->width * (size_t)image->height;
    wc_sha256_init(&h);
    for (size_t channel = 0; channel < 3; channel++)
        for (size_t i = 0; i < n; i++)
            wc_sha256_add(&h, &image->rgb[3 * i + channel], 1);
    wc_sha256_end(&h, digest);
    wc_sha256_hex(digest, hex);
}

/* Large results are known by their digests: "FILE WxH FILTER": {"pil_sha256_of_uint8_chw", ...}. */
static bool check_large(wc_checks *c, const struct picture *p, const char *what, const wc_json *v,
                        wc_error *err)
{
    int width, height;
    char filter[16], hex[65], name[2 * NAME_ROOM];
    if (sscanf(what + strlen(p->file), " %dx%d %15s", &width, &height, filter) != 3)
        return wc_fail(err, WC_BAD_FILE, "%s: large_results: %.80s: expected FILE WxH FILTER", c->golden.file,
                       what);
    for (int backend = WC_RESIZE_TORCHVISION; backend <= WC_RESIZE_PILLOW; backend++) {
        const bool pillow = backend == WC_RESIZE_PILLOW;
        struct wc_image out = {0};
        wc_error why = {0};
        bool ok = wc_image_resize(&p->on_white, width, height,
                                  strcmp(filter, "bicubic") == 0 ? WC_RESAMPLE_BICUBIC : WC_RESAMPLE_BILINEAR,
                                  (enum wc_resize_backend)backend, &out, &why);
        if (ok) {
            const wc_json *want = wc_json_get(v, pillow ? "pil_sha256_of_uint8_chw"
                                                        : "torchvision_sha256_of_uint8_chw");
            digest_chw(&out, hex);
            ok = wc_json_string_is(want, hex) ||
                 wc_fail(&why, WC_FAILED, "other pixels: sha256 %.16s...", hex);
        }
        snprintf(name, sizeof name, "%s.%dx%d.%s.%s", p->key, width, height, filter,
                 pillow ? "pil" : "torchvision");
        wc_checks_tell(c, name, ok, ok ? "" : why.text);
        wc_image_free(&out);
    }
    return true;
}

static bool check_picture(wc_checks *c, const wc_json *v, const char *file, wc_error *err)
{
    wc_golden *g = &c->golden;
    struct picture p;
    wc_error why = {0};
    bool ok = true, opened = open_picture(c, file, &p, &why);
    for (size_t i = 0; i < g->n; i++) {
        if (strcmp(g->items[i].group, p.key) != 0)
            continue;
        if (opened)
            check_point(c, &p, &g->items[i]);
        else
            wc_checks_fail(c, &g->items[i], why.text);
    }
    const wc_json *large = wc_json_get(g->json, "large_results");
    if (opened)
        check_kind(c, &p, v);
    for (size_t i = 0; ok && opened && i < wc_json_count(large); i++) {
        const char *what = wc_json_key(large, i)->u.text;
        if (strncmp(what, file, strlen(file)) == 0 && what[strlen(file)] == ' ')
            ok = check_large(c, &p, what, wc_json_value(large, i), err);
    }
    close_picture(&p);
    return ok;
}

bool wc_verify_pictures(wc_checks *c, wc_error *err)
{
    const wc_json *files = wc_json_get(c->golden.json, "files");
    for (size_t i = 0; i < wc_json_count(files); i++) {
        const wc_json *v = wc_json_item(files, i), *file = wc_json_get(v, "file");
        if (!wc_json_is(file, WC_JSON_STRING))
            return wc_fail(err, WC_BAD_FILE, "%s: files: entry %zu: file: expected a string, found %s",
                           c->golden.file, i, wc_json_type_name(file));
        if (!check_picture(c, v, file->u.text, err))
            return false;
    }
    return true;
}
