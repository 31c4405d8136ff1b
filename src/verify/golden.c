/* golden.c - see golden.h. */
#include "verify/golden.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/file_map.h"

enum { MAX_JSON_BYTES = 256 << 20 };

static const char RUN_PREFIX[] = "bf16run.";
static const char *const run_suffixes[] = {".bfloat16", ".float16"};

static bool comparable(wc_dtype t)
{
    return t == WC_F32 || t == WC_F64 || t == WC_U8 || t == WC_I8 || t == WC_BOOL || t == WC_I32 ||
           t == WC_I64;
}

/* Takes a name apart: see golden.h. */
static bool split_name(wc_arena *a, wc_golden_item *item)
{
    const char *start = item->name;
    if (strncmp(start, RUN_PREFIX, sizeof RUN_PREFIX - 1) == 0)
        start += sizeof RUN_PREFIX - 1;
    size_t n = strlen(start);
    for (size_t i = 0; i < sizeof run_suffixes / sizeof *run_suffixes; i++) {
        size_t s = strlen(run_suffixes[i]);
        if (n > s && strcmp(start + n - s, run_suffixes[i]) == 0)
            n -= s;
    }
    const char *dot = memchr(start, '.', n);
    size_t group = dot ? (size_t)(dot - start) : 0;
    item->group = wc_arena_strndup(a, start, group);
    item->point = dot ? wc_arena_strndup(a, dot + 1, n - group - 1) : wc_arena_strndup(a, start, n);
    return item->group && item->point;
}

static bool read_item(wc_golden *g, const wc_json *key, const wc_json *v, wc_golden_item *item, wc_error *err)
{
    item->name = key->u.text;
    item->atol = wc_json_number(wc_json_get(v, "atol"), 0);
    item->rtol = wc_json_number(wc_json_get(v, "rtol"), 0);
    if (!(item->atol >= 0) || !(item->rtol >= 0))
        return wc_fail(err, WC_BAD_FILE, "%s: tensors: %s: atol, rtol: expected 0 or more, found %g, %g",
                       g->file, item->name, item->atol, item->rtol);
    if (!wc_checkpoint_find(g->values, item->name, &item->want))
        return wc_fail(err, WC_BAD_FILE, "%s: tensors: %s: expected it in golden.safetensors, found nothing",
                       g->file, item->name);
    if (!comparable(item->want.dtype))
        return wc_fail(err, WC_UNSUPPORTED, "%s: tensors: %s: dtype %s cannot be compared", g->file,
                       item->name, wc_dtype_get(item->want.dtype)->name);
    return split_name(g->arena, item) ? true : wc_fail_memory(err, strlen(item->name));
}

static bool read_items(wc_golden *g, wc_error *err)
{
    const wc_json *tensors = wc_json_get(g->json, "tensors");
    if (!wc_json_is(tensors, WC_JSON_OBJECT) || wc_json_count(tensors) == 0)
        return wc_fail(err, WC_BAD_FILE, "%s: tensors: expected an object with at least one value, found %s",
                       g->file,
                       wc_json_is(tensors, WC_JSON_OBJECT) ? "an empty one" : wc_json_type_name(tensors));
    g->n = wc_json_count(tensors);
    if (wc_checkpoint_n_tensors(g->values) != g->n)
        return wc_fail(err, WC_BAD_FILE,
                       "%s: tensors: expected the %zu tensors of golden.safetensors, found %zu", g->file,
                       wc_checkpoint_n_tensors(g->values), g->n);
    g->items = wc_arena_zalloc(g->arena, g->n, sizeof *g->items);
    if (!g->items)
        return wc_fail_memory(err, g->n * sizeof *g->items);
    for (size_t i = 0; i < g->n; i++)
        if (!read_item(g, wc_json_key(tensors, i), wc_json_value(tensors, i), &g->items[i], err))
            return false;
    return true;
}

/* Of some 16-bit runs atol is the largest distance to the f32 run, written with three digits: where it was rounded down
 * the reference's own f32 run would fail.  The two stored values have the distance exactly. */
static void allow_distance(wc_golden *g)
{
    for (size_t i = 0; i < g->n; i++) {
        wc_golden_item *item = &g->items[i];
        char plain[512];
        snprintf(plain, sizeof plain, "%s%s%s", item->group, item->group[0] ? "." : "", item->point);
        const wc_golden_item *f32 = strcmp(plain, item->name) == 0 ? NULL : wc_golden_find(g, plain);
        const double apart = f32 ? wc_golden_compare(item, &f32->want).largest + f32->atol : 0;
        if (isfinite(apart) && apart > item->atol)
            item->atol = apart;
    }
}

bool wc_golden_open(wc_golden *g, const char *folder, wc_error *err)
{
    *g = (wc_golden){.arena = wc_arena_new(0)};
    if (!g->arena)
        return wc_fail_memory(err, 100);
    g->folder = wc_arena_strdup(g->arena, folder);
    g->file = wc_path_join(g->arena, folder, "golden.json");
    const char *values = wc_path_join(g->arena, folder, "golden.safetensors");
    bool ok = (g->folder && g->file && values) || wc_fail_memory(err, 3 * strlen(folder));
    g->json = ok ? wc_json_read(g->arena, g->file, MAX_JSON_BYTES, WC_JSON_UNIQUE_KEYS, err) : NULL;
    g->values = g->json ? wc_checkpoint_open_tensors(values, err) : NULL;
    ok = g->values != NULL;
    const wc_json *format = wc_json_get(g->json, "format"), *name = wc_json_get(g->json, "case");
    if (ok && !wc_json_string_is(format, "whinchat-golden-1"))
        ok = wc_fail(err, WC_BAD_FILE, "%s: format: expected \"whinchat-golden-1\", found %s", g->file,
                     wc_json_is(format, WC_JSON_STRING) ? format->u.text : wc_json_type_name(format));
    g->name = wc_json_is(name, WC_JSON_STRING) ? name->u.text : "";
    ok = ok && read_items(g, err);
    if (ok)
        allow_distance(g);
    else
        wc_golden_close(g);
    return ok;
}

void wc_golden_close(wc_golden *g)
{
    wc_checkpoint_close(g->values);
    wc_arena_free(g->arena);
    *g = (wc_golden){0};
}

wc_golden_item *wc_golden_find(const wc_golden *g, const char *name)
{
    for (size_t i = 0; i < g->n; i++)
        if (strcmp(g->items[i].name, name) == 0)
            return &g->items[i];
    return NULL;
}

bool wc_golden_ids(const wc_golden *g, const wc_json *prompt, const char *key, int n_vocab, int beside,
                   int32_t **ids, size_t *n, wc_error *err)
{
    const wc_json *list = wc_json_get(prompt, key), *name = wc_json_get(prompt, "name");
    char also[24] = "";
    if (beside < 0)
        snprintf(also, sizeof also, " or %d", beside);
    *n = wc_json_count(list);
    *ids = wc_arena_zalloc(g->arena, *n + 1, sizeof **ids);
    if (!*ids)
        return wc_fail_memory(err, *n * sizeof **ids);
    for (size_t i = 0; i < *n; i++) {
        const wc_json *id = wc_json_item(list, i);
        const int64_t value = wc_json_is(id, WC_JSON_INT) ? id->u.integer : INT64_MIN;
        if (value != beside && (value < 0 || value >= n_vocab))
            return wc_fail(err, WC_BAD_FILE, "%s: prompt %s: %s: entry %zu: expected an id from 0 to %d%s",
                           g->file, wc_json_is(name, WC_JSON_STRING) ? name->u.text : "without a name", key,
                           i, n_vocab - 1, also);
        (*ids)[i] = (int32_t)value;
    }
    return true;
}

double wc_golden_element(const wc_tensor *t, const size_t *at)
{
    size_t i = 0;
    for (int k = 0; k < t->ndim; k++)
        i += at[k] * t->stride[k];
    switch (t->dtype) {
    case WC_F32:
        return (double)((const float *)t->data)[i];
    case WC_F64:
        return ((const double *)t->data)[i];
    case WC_I32:
        return (double)((const int32_t *)t->data)[i];
    case WC_I64:
        return (double)((const int64_t *)t->data)[i];
    case WC_I8:
        return (double)((const int8_t *)t->data)[i];
    default: /* WC_U8, WC_BOOL */
        return (double)((const uint8_t *)t->data)[i];
    }
}

/* "[2, 3, 4]" */
static const char *list_text(char *text, size_t room, const size_t *numbers, int n)
{
    size_t used = 0;
    for (int k = 0; k < n && used < room; k++)
        used += (size_t)snprintf(text + used, room - used, "%s%zu", k ? ", " : "[", numbers[k]);
    if (n == 0)
        snprintf(text, room, "[");
    strncat(text, "]", room - strlen(text) - 1);
    return text;
}

static bool same_shape(const wc_tensor *a, const wc_tensor *b)
{
    return a->ndim == b->ndim && memcmp(a->shape, b->shape, (size_t)a->ndim * sizeof *a->shape) == 0;
}

/* The next index in the order of memory; false behind the last. */
static bool next_index(const wc_tensor *t, size_t *at)
{
    for (int k = t->ndim - 1; k >= 0; k--) {
        if (++at[k] < t->shape[k])
            return true;
        at[k] = 0;
    }
    return false;
}

/* |got - want| as a part of what is allowed. */
static double share_of(const wc_golden_item *item, double got, double want)
{
    double difference = fabs(got - want), allowed = item->atol + item->rtol * fabs(want);
    if (got == want)
        return 0;
    if (isnan(difference) || allowed == 0)
        return INFINITY;
    return difference / allowed;
}

wc_difference wc_golden_compare(const wc_golden_item *item, const wc_tensor *got)
{
    wc_difference d = {.pass = true};
    char a[100], b[100];
    const wc_tensor *want = &item->want;
    if (!same_shape(want, got)) {
        d = (wc_difference){.largest = INFINITY, .share = INFINITY};
        snprintf(d.note, sizeof d.note, "shape: expected %s, found %s",
                 list_text(a, sizeof a, want->shape, want->ndim),
                 list_text(b, sizeof b, got->shape, got->ndim));
        return d;
    }
    size_t at[WC_MAX_DIMS] = {0}, worst[WC_MAX_DIMS] = {0}, n = wc_tensor_elems(want), n_off = 0;
    for (size_t i = 0; i < n; i++, next_index(want, at)) {
        double x = wc_golden_element(got, at), y = wc_golden_element(want, at), share = share_of(item, x, y);
        d.largest = fmax(d.largest, isnan(x) ? INFINITY : fabs(x - y));
        n_off += share > 1;
        if (share > d.share) {
            d.share = share;
            memcpy(worst, at, sizeof worst);
        }
    }
    d.pass = n_off == 0;
    if (!d.pass)
        snprintf(d.note, sizeof d.note, "%zu of %zu off, worst at %s: expected %.9g, found %.9g", n_off, n,
                 list_text(a, sizeof a, worst, want->ndim), wc_golden_element(want, worst),
                 wc_golden_element(got, worst));
    return d;
}
