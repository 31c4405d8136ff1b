/* verify.c - finds the reference values, picks what they are for, and tells the outcomes. */
#include "verify/verify.h"

#include <stdio.h>
#include <string.h>

#include "base/file_map.h"
#include "base/size.h"
#include "verify/checks.h"

/* ---- which checks ---- */

/* One of the comma-separated prefixes begins name. */
static bool has_prefix(const char *prefixes, const char *name)
{
    for (const char *p = prefixes; p && *p;) {
        size_t n = strcspn(p, ",");
        if (n > 0 && strncmp(name, p, n) == 0)
            return true;
        p += n + (p[n] == ',');
    }
    return false;
}

static bool is_skipped(const wc_checks *c, const char *name)
{
    return has_prefix(c->skip, name);
}

bool wc_checks_want(const wc_checks *c, const char *name)
{
    return (!c->only || has_prefix(c->only, name)) && !is_skipped(c, name);
}

/* ---- telling ---- */

static void tell(wc_checks *c, const wc_check *check)
{
    if (check->pass)
        c->n_passed++;
    else
        c->n_failed++;
    if (c->fn)
        c->fn(c->user, check);
}

/* --skip is told check by check, --only in one line at the end. */
static void leave_out(wc_checks *c, const char *name)
{
    if (!is_skipped(c, name)) {
        c->n_left_out++;
        return;
    }
    const wc_check check = {
        .size = sizeof check, .name = name, .pass = true, .note = "not run: left out by --skip"};
    if (c->fn)
        c->fn(c->user, &check);
}

void wc_checks_tell(wc_checks *c, const char *name, bool pass, const char *note)
{
    const wc_check check = {.size = sizeof check, .name = name, .pass = pass, .note = note};
    if (wc_checks_want(c, name))
        tell(c, &check);
    else
        leave_out(c, name);
}

void wc_checks_compare(wc_checks *c, wc_golden_item *item, const wc_tensor *got)
{
    if (item->done)
        return;
    item->done = true;
    if (!wc_checks_want(c, item->name)) {
        leave_out(c, item->name);
        return;
    }
    const wc_difference d = wc_golden_compare(item, got);
    const wc_check check = {.size = sizeof check,
                            .name = item->name,
                            .pass = d.pass,
                            .max_diff = d.largest,
                            .worst_share = d.share,
                            .atol = item->atol,
                            .rtol = item->rtol,
                            .note = d.note};
    tell(c, &check);
}

void wc_checks_point(wc_checks *c, const char *group, const char *point, const wc_tensor *got)
{
    wc_golden *g = &c->golden;
    for (size_t i = 0; i < g->n; i++)
        if (strcmp(g->items[i].group, group) == 0 && strcmp(g->items[i].point, point) == 0)
            wc_checks_compare(c, &g->items[i], got);
}

void wc_checks_fail(wc_checks *c, wc_golden_item *item, const char *why)
{
    if (item->done)
        return;
    item->done = true;
    wc_checks_tell(c, item->name, false, why);
}

void wc_checks_end(wc_checks *c, const char *why)
{
    for (size_t i = 0; i < c->golden.n; i++)
        wc_checks_fail(c, &c->golden.items[i], why);
}

/* ---- the same ---- */

static uint32_t bits(float x)
{
    uint32_t b;
    memcpy(&b, &x, sizeof b);
    return b;
}

bool wc_checks_same_bits(const float *a, const float *b, size_t n, size_t width, char note[WC_NOTE_ROOM])
{
    for (size_t i = 0; i < n * width; i++)
        if (bits(a[i]) != bits(b[i])) {
            snprintf(note, WC_NOTE_ROOM, "row %zu, element %zu: %.9g and %.9g; expected the same bits",
                     i / width, i % width, (double)a[i], (double)b[i]);
            return false;
        }
    return true;
}

bool wc_checks_same_ids(const int32_t *want, size_t n_want, const int32_t *got, size_t n_got,
                        char note[WC_NOTE_ROOM])
{
    size_t i = 0;
    while (i < n_want && i < n_got && want[i] == got[i])
        i++;
    if (i == n_want && i == n_got)
        return true;
    if (i < n_want && i < n_got)
        snprintf(note, WC_NOTE_ROOM, "id %zu: expected %d, found %d", i, (int)want[i], (int)got[i]);
    else
        snprintf(note, WC_NOTE_ROOM, "expected %zu ids, found %zu", n_want, n_got);
    return false;
}

static void tell_left_out(wc_checks *c)
{
    char note[80];
    const wc_check check = {.size = sizeof check, .name = "(left out)", .pass = true, .note = note};
    snprintf(note, sizeof note, "not run: %zu checks left out by --only", c->n_left_out);
    if (c->n_left_out > 0 && c->fn)
        c->fn(c->user, &check);
}

/* ---- the folder ---- */

/* The folder with the reference values: the one named, the model's own where name is a folder, or where it is found. */
static const char *golden_folder(wc_arena *a, const char *name, const char *golden, wc_error *err)
{
    if (golden)
        return golden;
    const char *file = wc_path_join(a, name, "golden.json");
    if (file && wc_file_exists(file))
        return name;
    const char *found = wc_hub_resolve(a, name, err);
    if (!found)
        return NULL;
    file = wc_path_join(a, found, "golden.json");
    if (file && wc_file_exists(file))
        return found;
    wc_fail(err, WC_NOT_FOUND,
            "%s: has no golden.json to verify it with; name a folder of reference values by --golden", found);
    return NULL;
}

bool wc_verify_run(const char *name, const wc_model_options *model_options, const wc_verify_options *options,
                   wc_check_fn on_check, void *user, size_t *n_passed, size_t *n_failed, wc_error *err)
{
    wc_verify_options o = {0};
    if (options)
        memcpy(&o, options, wc_min_size(options->size, sizeof o));
    wc_checks c = {.only = o.only, .skip = o.skip, .fn = on_check, .user = user};
    wc_arena *paths = wc_arena_new(1 << 20);
    bool ok = paths ? true : wc_fail_memory(err, 1 << 20);
    const char *folder = ok ? golden_folder(paths, name, o.golden, err) : NULL;
    ok = folder && wc_golden_open(&c.golden, folder, err);
    if (ok && strcmp(c.golden.name, "sampling") == 0)
        ok = wc_verify_sampling(&c, err);
    else if (ok && strcmp(c.golden.name, "image_preprocess") == 0)
        ok = wc_verify_pictures(&c, err);
    else if (ok && strcmp(c.golden.name, "audio_preprocess") == 0)
        ok = wc_verify_sounds(&c, err);
    else if (ok && wc_json_is(wc_json_get(c.golden.json, "hyperparameters"), WC_JSON_OBJECT))
        ok = wc_verify_train(&c, name, model_options, err);
    else if (ok)
        ok = wc_verify_model(&c, name, model_options, err);
    if (ok) {
        wc_checks_end(&c, "the model has no such point");
        tell_left_out(&c);
        if (c.n_passed + c.n_failed == 0)
            ok = wc_fail(err, WC_BAD_ARGUMENT, "%s: --only and --skip leave no check to run", folder);
    }
    if (n_passed)
        *n_passed = c.n_passed;
    if (n_failed)
        *n_failed = c.n_failed;
    wc_golden_close(&c.golden);
    wc_arena_free(paths);
    return ok;
}
