/* checkpoint.c - what is the same for every format: look-up by name in any spelling, checks of shapes. */
#include "formats/checkpoint.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/os.h"
#include "formats/gguf.h"
#include "formats/gguf_clip.h"
#include "formats/hf_folder.h"
#include "formats/names.h"
#include "formats/random.h"
#include "formats/stored.h"

enum { MAX_TOKENIZER = 512 << 20, SHAPE_ROOM = 128 };

/* ---- life ---- */

int wc_stored_compare(const char *a, size_t a_bytes, const char *b, size_t b_bytes)
{
    int d = memcmp(a, b, a_bytes < b_bytes ? a_bytes : b_bytes);
    return d ? d : (a_bytes > b_bytes) - (a_bytes < b_bytes);
}

static bool can_hold(const wc_stored *t)
{
    return t->dtype != WC_N_DTYPES && t->ndim <= WC_MAX_DIMS;
}

static int by_use(const void *pa, const void *pb)
{
    const wc_stored *a = pa, *b = pb;
    if (can_hold(a) != can_hold(b))
        return can_hold(a) ? -1 : 1;
    return wc_stored_compare(a->name, a->name_bytes, b->name, b->name_bytes);
}

static void sort_tensors(wc_checkpoint *c)
{
    if (c->n_tensors > 0)
        qsort(c->tensors, c->n_tensors, sizeof *c->tensors, by_use);
    while (c->n_held < c->n_tensors && can_hold(&c->tensors[c->n_held]))
        c->n_held++;
}

static wc_checkpoint *new_checkpoint(wc_error *err)
{
    wc_checkpoint *c = wc_mem_zalloc(1, sizeof *c);
    if (c && (c->arena = wc_arena_new(0)))
        c->lazy = wc_arena_zalloc(c->arena, 1, sizeof *c->lazy);
    if (c && c->lazy)
        return c;
    wc_fail_memory(err, sizeof *c);
    wc_checkpoint_close(c);
    return NULL;
}

wc_checkpoint *wc_checkpoint_open(const char *path, const wc_checkpoint_options *options, wc_error *err)
{
    const wc_checkpoint_options none = {0}, *o = options ? options : &none;
    wc_checkpoint *c = new_checkpoint(err);
    const bool file = !(o->flags & WC_CHECKPOINT_RANDOM) && wc_path_exists(path) && !wc_dir_exists(path);
    bool ok = c &&
              (file || !o->mmproj ||
               wc_fail(err, WC_BAD_ARGUMENT,
                       "--mmproj: expected the file of a GGUF model's pictures, but %s is a folder, whose "
                       "files hold them",
                       path));
    ok = ok && (file ? wc_gguf_open(c, path, o, err) : wc_hf_folder_read(c, path, o, err));
    if (ok && (o->flags & WC_CHECKPOINT_RANDOM))
        ok = (c->random = wc_random_new(o->random_dtype, err)) != NULL;
    if (!ok) {
        wc_checkpoint_close(c);
        return NULL;
    }
    sort_tensors(c);
    return c;
}

wc_checkpoint *wc_checkpoint_open_tensors(const char *file, wc_error *err)
{
    wc_checkpoint *c = new_checkpoint(err);
    if (!c || !wc_hf_tensors_read(c, file, err)) {
        wc_checkpoint_close(c);
        return NULL;
    }
    sort_tensors(c);
    return c;
}

void wc_checkpoint_close(wc_checkpoint *c)
{
    if (!c)
        return;
    if (c->lazy)
        wc_checkpoint_drop_tokenizer(c);
    for (size_t i = 0; i < c->n_files; i++)
        wc_file_map_close(&c->files[i].map);
    wc_random_free(c->random);
    wc_arena_free(c->arena);
    wc_mem_free(c);
}

/* ---- the small files ---- */

const char *wc_checkpoint_path(const wc_checkpoint *c)
{
    return c->path;
}

const char *wc_checkpoint_config_file(const wc_checkpoint *c)
{
    return c->config_file;
}

const char *wc_checkpoint_weights_file(const wc_checkpoint *c)
{
    return c->weights_file;
}

const char *wc_checkpoint_tower_file(const wc_checkpoint *c)
{
    return c->tower_file;
}

const char *wc_checkpoint_no_tower(const wc_checkpoint *c)
{
    return c->no_tower;
}

const char *wc_checkpoint_no_sound(const wc_checkpoint *c)
{
    return c->no_sound;
}

const wc_json *wc_checkpoint_config(const wc_checkpoint *c)
{
    return c->config;
}

const wc_json *wc_checkpoint_generation(const wc_checkpoint *c)
{
    return c->generation;
}

const wc_json *wc_checkpoint_processor(const wc_checkpoint *c)
{
    return c->processor;
}

const char *wc_checkpoint_processor_file(const wc_checkpoint *c)
{
    return c->processor_file;
}

const wc_json *wc_checkpoint_feature_extractor(const wc_checkpoint *c)
{
    return c->feature_extractor;
}

const wc_json *wc_checkpoint_processor_config(const wc_checkpoint *c)
{
    return c->processor_config;
}

const wc_json *wc_checkpoint_tokenizer_config(const wc_checkpoint *c)
{
    return c->tokenizer_config;
}

const wc_json *wc_checkpoint_tokenizer(const wc_checkpoint *c, wc_error *err)
{
    struct wc_lazy *lazy = c->lazy;
    if (lazy->tokenizer)
        return lazy->tokenizer;
    size_t n;
    const char *path = wc_path_join(c->arena, c->tokenizer_dir, "tokenizer.json"), *text = NULL;
    wc_arena *trees = wc_arena_new(0), *texts = wc_arena_new(0); /* the text is not kept */
    if (path && trees && texts)
        text = wc_file_read(texts, path, MAX_TOKENIZER, &n, err);
    else
        wc_fail_memory(err, 1);
    const wc_json *v = text ? wc_json_parse(trees, text, n, path, 0, err) : NULL;
    wc_arena_free(texts);
    if (!v) {
        if (err && path && wc_path_exists(path) && err->code == WC_NOT_FOUND)
            err->code = WC_BAD_FILE; /* a link to nothing is not the same as no tokenizer */
        wc_arena_free(trees);
        return NULL;
    }
    lazy->tokenizer_arena = trees;
    lazy->tokenizer = v;
    return v;
}

const wc_json *wc_checkpoint_gguf_tokenizer(const wc_checkpoint *c)
{
    return c->lazy->gguf_tokenizer;
}

const char *wc_checkpoint_tokenizer_model(const wc_checkpoint *c, size_t *n, wc_error *err)
{
    const char *path = wc_path_join(c->arena, c->tokenizer_dir, "tokenizer.model");
    if (!path)
        wc_fail_memory(err, 1);
    return path && wc_path_exists(path) ? wc_file_read(c->arena, path, MAX_TOKENIZER, n, err) : NULL;
}

/* The first file's bytes before its first tensor: metadata, most of it the vocabulary. */
static size_t head_bytes(const wc_checkpoint *c)
{
    uint64_t n = c->files[0].map.size;
    for (size_t i = 0; i < c->n_tensors; i++)
        if (c->tensors[i].file == 0 && c->tensors[i].begin < n)
            n = c->tensors[i].begin;
    return (size_t)n;
}

void wc_checkpoint_drop_tokenizer(const wc_checkpoint *c)
{
    if (c->lazy->gguf_tokenizer)
        wc_file_map_done(&c->files[0].map, 0, head_bytes(c));
    wc_arena_free(c->lazy->tokenizer_arena);
    *c->lazy = (struct wc_lazy){0};
}

/* The template in a "chat_template": a string, or a list of {"name", "template"}. */
static const wc_json *template_in(const wc_json *v, const char *name)
{
    if (wc_json_is(v, WC_JSON_STRING))
        return name ? NULL : v;
    for (size_t i = 0; i < wc_json_count(v); i++) {
        const wc_json *item = wc_json_item(v, i), *source = wc_json_get(item, "template");
        if (wc_json_string_is(wc_json_get(item, "name"), name ? name : "default") &&
            wc_json_is(source, WC_JSON_STRING))
            return source;
    }
    return NULL;
}

const char *wc_checkpoint_template(const wc_checkpoint *c, const char *name, size_t *n)
{
    if (c->chat_jinja && !name) {
        *n = c->chat_jinja_bytes;
        return c->chat_jinja;
    }
    const wc_json *source = template_in(wc_json_get(c->chat_json, "chat_template"), name);
    if (!source)
        source = template_in(wc_json_get(c->tokenizer_config, "chat_template"), name);
    if (!source)
        return NULL;
    *n = source->n;
    return source->u.text;
}

/* ---- tensors ---- */

static wc_stored *search(wc_stored *list, size_t n, const char *name)
{
    size_t low = 0, high = n, bytes = strlen(name);
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        int d = wc_stored_compare(list[mid].name, list[mid].name_bytes, name, bytes);
        if (d == 0)
            return &list[mid];
        if (d < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return NULL;
}

/* Where a spelling may be found: in a GGUF file under a name of its own, in that of its tower under another; false: nowhere. */
static bool place_of(const wc_checkpoint *c, const char *spelling, wc_gguf_place *place)
{
    if (c->arch)
        return wc_gguf_tensor_place(c->arch, spelling, place) ||
               (c->tower_file && wc_clip_place(spelling, place));
    snprintf(place->name, sizeof place->name, "%s", spelling);
    place->item = -1;
    return true;
}

/* The tensor under any of the name's spellings; those that cannot be held come last.  *item: its number in the stack that was
 * found; -1: it is what was found. */
static wc_stored *search_spellings(const wc_checkpoint *c, const char *name, int *item)
{
    char spelling[WC_NAME_ROOM];
    *item = -1;
    for (size_t i = 0; c->n_tensors && wc_name_spelling(name, i, spelling); i++) {
        wc_gguf_place place;
        if (!place_of(c, spelling, &place))
            continue;
        *item = place.item;
        wc_stored *s = search(c->tensors, c->n_held, place.name);
        if (!s)
            s = search(c->tensors + c->n_held, c->n_tensors - c->n_held, place.name);
        if (s)
            return s;
    }
    return NULL;
}

static wc_tensor view(const wc_stored *s)
{
    static const size_t one[1] = {1};
    wc_tensor t = s->ndim ? wc_tensor_of((void *)s->data, s->dtype, s->ndim, s->shape)
                          : wc_tensor_of((void *)s->data, s->dtype, 1, one);
    t.name = s->name;
    return t;
}

/* The name as the file would spell it, for messages, and the file that should have it. */
static const char *file_name(const wc_checkpoint *c, const char *name, wc_gguf_place *place,
                             const char **file)
{
    char spelling[WC_NAME_ROOM];
    *file = c->weights_file;
    for (size_t i = 0; c->arch && wc_name_spelling(name, i, spelling); i++)
        if (place_of(c, spelling, place)) {
            if (!wc_gguf_tensor_place(c->arch, spelling, place) && wc_clip_place(spelling, place))
                *file = c->tower_file;
            return place->name;
        }
    return name;
}

/* Entry item of a stack as a tensor of its own, a view; false when there is none.  The stack is aligned. */
static bool take_item(const wc_stored *stack, int item, wc_stored *out)
{
    const size_t n = stack->shape[0];
    *out = *stack;
    if (stack->ndim < 2 || (size_t)item >= n)
        return false;
    out->ndim--;
    memmove(out->shape, stack->shape + 1, (WC_MAX_DIMS - 1) * sizeof *out->shape);
    out->elems /= n;
    out->bytes /= n;
    out->data = (const char *)stack->data + (size_t)item * (size_t)out->bytes;
    return true;
}

static void *copy_of(const wc_checkpoint *c, const wc_stored *s, wc_error *err)
{
    void *copy = s->bytes < wc_memory_available() ? wc_arena_alloc(c->arena, (size_t)s->bytes) : NULL;
    if (!copy)
        wc_fail(err, WC_NO_MEMORY, "%s: tensor %s: there is no memory for a copy of %llu bytes",
                c->files[s->file].path, s->name, (unsigned long long)s->bytes);
    return copy;
}

/* Row h * (d / 2) + i of a head from row 2 i + h. */
static bool undo_pairs(const wc_checkpoint *c, wc_stored *s, wc_error *err)
{
    const size_t rows = s->shape[0], heads = (size_t)s->heads, d = rows / heads;
    if (d == 0 || d % 2 || d * heads != rows)
        return wc_fail(err, WC_BAD_FILE,
                       "%s: tensor %s: shape: expected rows of %zu heads of an even size, found %zu",
                       c->files[s->file].path, s->name, heads, rows);
    char *to = copy_of(c, s, err);
    if (!to)
        return false;
    const size_t row_bytes = (size_t)s->bytes / rows;
    for (size_t r = 0; r < rows; r++) {
        const size_t first = r / d * d, half = r % d / (d / 2), i = r % (d / 2);
        memcpy(to + r * row_bytes, (const char *)s->data + (first + 2 * i + half) * row_bytes, row_bytes);
    }
    s->data = to;
    return true;
}

static bool undo_plus_one(const wc_checkpoint *c, wc_stored *s, wc_error *err)
{
    if (s->dtype != WC_F32)
        return wc_fail(err, WC_UNSUPPORTED, "%s: tensor %s: type: expected F32 for a norm, found %s",
                       c->files[s->file].path, s->name, s->dtype_name);
    float *to = copy_of(c, s, err);
    if (!to)
        return false;
    memcpy(to, s->data, (size_t)s->bytes);
    for (size_t i = 0; i < s->elems; i++)
        to[i] -= 1;
    s->data = to;
    return true;
}

/* The size of a head of a matrix whose rows may stay where they are in the file; 0: they are put in order. */
static size_t paired_of(const wc_stored *s)
{
    if (s->change != WC_STORED_PAIRED || s->ndim != 2 || s->shape[0] % (size_t)s->heads)
        return 0;
    const size_t head = s->shape[0] / (size_t)s->heads;
    return head % (2 * WC_PAIRED_STEP) ? 0 : head;
}

static bool undo_change(const wc_checkpoint *c, wc_stored *s, wc_error *err)
{
    if (paired_of(s))
        return true; /* products read it as it is */
    const bool ok = s->change == WC_STORED_PAIRED     ? undo_pairs(c, s, err)
                    : s->change == WC_STORED_PLUS_ONE ? undo_plus_one(c, s, err)
                                                      : true;
    if (ok)
        s->change = WC_STORED_AS_IS;
    return ok;
}

/* Copies data that begins at an odd place, as files without padding have it, to where C may read it. */
static bool align(const wc_checkpoint *c, wc_stored *s, wc_error *err)
{
    size_t unit = wc_dtype_get(s->dtype)->block_bytes;
    if (unit > 8 || (uintptr_t)s->data % unit == 0)
        return true;
    void *copy = s->bytes < wc_memory_available() ? wc_arena_alloc(c->arena, (size_t)s->bytes) : NULL;
    if (!copy)
        return wc_fail(
            err, WC_NO_MEMORY,
            "%s: tensor %s: data_offsets: not a multiple of %zu, and there is no memory for a copy of %llu "
            "bytes; save the file again",
            c->files[s->file].path, s->name, unit, (unsigned long long)s->bytes);
    memcpy(copy, s->data, (size_t)s->bytes);
    s->data = copy;
    return true;
}

bool wc_checkpoint_find(const wc_checkpoint *c, const char *name, wc_tensor *t)
{
    int item;
    wc_stored *s = search_spellings(c, name, &item), one;
    if (!s || !can_hold(s) || !align(c, s, NULL))
        return false;
    if (item >= 0 ? !take_item(s, item, &one) : !undo_change(c, s, NULL))
        return false;
    *t = view(item >= 0 ? &one : s);
    t->paired = item >= 0 ? 0 : paired_of(s);
    return true;
}

static const char *shape_text(char out[SHAPE_ROOM], int ndim, const size_t *shape)
{
    size_t used = 0;
    out[used++] = '[';
    for (int i = 0; i < ndim && i < WC_MAX_DIMS; i++) {
        const char *comma = i ? ", " : "";
        used += (size_t)(shape[i] ? snprintf(out + used, SHAPE_ROOM - used, "%s%zu", comma, shape[i])
                                  : snprintf(out + used, SHAPE_ROOM - used, "%s*", comma));
    }
    snprintf(out + used, SHAPE_ROOM - used, "]");
    return out;
}

/* The shapes agree up to trailing ones; where the asked one is 0 every size but 0 does. */
static bool same_shape(const wc_stored *s, int ndim, const size_t *shape)
{
    for (int i = 0; i < WC_MAX_DIMS; i++) {
        size_t want = i < ndim ? shape[i] : 1, have = i < s->ndim ? s->shape[i] : 1;
        if (want ? want != have : have == 0)
            return false;
    }
    return true;
}

bool wc_checkpoint_need(const wc_checkpoint *c, const char *name, int ndim, const size_t *shape, wc_tensor *t,
                        wc_error *err)
{
    if (c->random)
        return wc_random_need(c->random, name, ndim, shape, t, err);
    int item;
    wc_stored *s = search_spellings(c, name, &item), one;
    wc_gguf_place own;
    char want[SHAPE_ROOM], have[SHAPE_ROOM];
    const char *file, *spelled = file_name(c, name, &own, &file);
    if (!s)
        return wc_fail(err, WC_BAD_FILE, "%s: tensor %s: missing; expected shape %s", file, spelled,
                       shape_text(want, ndim, shape));
    file = c->files[s->file].path;
    if (s->dtype == WC_N_DTYPES)
        return wc_fail(err, WC_UNSUPPORTED,
                       "%s: tensor %s: dtype: expected one that whinchat holds, found %s", file, s->name,
                       s->dtype_name);
    if (s->ndim > WC_MAX_DIMS)
        return wc_fail(err, WC_BAD_FILE, "%s: tensor %s: shape: expected %s, found %d dimensions", file,
                       s->name, shape_text(want, ndim, shape), s->ndim);
    if (!align(c, s, err))
        return false;
    if (item >= 0 && !take_item(s, item, &one))
        return wc_fail(err, WC_BAD_FILE, "%s: tensor %s: shape: expected a stack of more than %d, found %s",
                       file, s->name, item, shape_text(have, s->ndim, s->shape));
    if (item >= 0)
        s = &one;
    if (!same_shape(s, ndim, shape))
        return wc_fail(err, WC_BAD_FILE, "%s: tensor %s: shape: expected %s as config.json says, found %s",
                       file, s->name, shape_text(want, ndim, shape), shape_text(have, s->ndim, s->shape));
    if (wc_dtype_is_quantized(s->dtype) && s->ndim != 2)
        return wc_fail(err, WC_UNSUPPORTED, "%s: tensor %s: type: %s is for matrices only", file, s->name,
                       s->dtype_name);
    if (!undo_change(c, s, err))
        return false;
    size_t full[WC_MAX_DIMS];
    for (int i = 0; i < ndim; i++)
        full[i] = i < s->ndim ? s->shape[i] : 1;
    *t = wc_tensor_of((void *)s->data, s->dtype, ndim, full);
    t->name = s->name;
    t->paired = paired_of(s);
    return true;
}

bool wc_checkpoint_need_weight(const wc_checkpoint *c, const char *name, int ndim, const size_t *shape,
                               wc_tensor *t, wc_error *err)
{
    if (!wc_checkpoint_need(c, name, ndim, shape, t, err))
        return false;
    return wc_dtype_get(t->dtype)->weight ||
           wc_fail(err, WC_UNSUPPORTED, "%s: tensor %s: dtype %s is not supported for weights",
                   wc_checkpoint_weights_file(c), name, wc_dtype_get(t->dtype)->name);
}

bool wc_checkpoint_is_random(const wc_checkpoint *c)
{
    return c->random != NULL;
}

size_t wc_checkpoint_n_tensors(const wc_checkpoint *c)
{
    return c->n_held;
}

wc_tensor wc_checkpoint_tensor(const wc_checkpoint *c, size_t i)
{
    return view(&c->tensors[i]);
}

bool wc_checkpoint_replace(wc_checkpoint *c, size_t i, const wc_tensor *t, wc_error *err)
{
    wc_stored *s = &c->tensors[i];
    if (c->arch)
        return wc_fail(err, WC_UNSUPPORTED,
                       "%s: a GGUF file cannot be trained; take the folder of safetensors", c->weights_file);
    assert(t->dtype == WC_F32 && wc_tensor_elems(t) == s->elems);
    s->data = t->data;
    s->dtype = WC_F32;
    s->dtype_name = wc_dtype_get(WC_F32)->safetensors;
    s->bytes = 4 * s->elems;
    return true;
}

bool wc_checkpoint_embedding(const wc_checkpoint *c, wc_tensor *t)
{
    static const char *const names[] = {"model.embed_tokens.weight", "transformer.token_embeddings.weight"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        int item;
        const wc_stored *s = search_spellings(c, names[i], &item);
        if (s && can_hold(s)) {
            *t = view(s);
            return true;
        }
    }
    return false;
}

typedef void (*map_hint)(const wc_file_map *m, size_t offset, size_t n);

static void hint(const wc_checkpoint *c, const wc_tensor *t, map_hint say)
{
    size_t bytes;
    const unsigned char *p = t->data;
    if (!p || !wc_dtype_bytes(t->dtype, wc_tensor_elems(t), &bytes))
        return;
    for (size_t i = 0; i < c->n_files; i++) {
        const wc_file_map *m = &c->files[i].map;
        if (p >= m->data && p < m->data + m->size)
            say(m, (size_t)(p - m->data), bytes);
    }
}

void wc_checkpoint_random_access(const wc_checkpoint *c, const wc_tensor *t)
{
    hint(c, t, wc_file_map_random);
}

void wc_checkpoint_done_with(const wc_checkpoint *c, const wc_tensor *t)
{
    hint(c, t, wc_file_map_done);
}

uint64_t wc_checkpoint_bytes(const wc_checkpoint *c)
{
    uint64_t n = 0;
    for (size_t i = 0; i < c->n_tensors; i++)
        n += c->tensors[i].bytes;
    return n;
}

uint64_t wc_checkpoint_elems(const wc_checkpoint *c)
{
    uint64_t n = 0;
    for (size_t i = 0; i < c->n_tensors; i++)
        n += c->tensors[i].elems;
    return n;
}

/* ---- NaN and infinity ---- */

/* An exponent of all ones is an infinity or a NaN.  Data may lie anywhere, hence memcpy. */
static bool finite16(const unsigned char *p, size_t n, unsigned exponent)
{
    unsigned bad = 0;
    for (size_t i = 0; i < n; i++) {
        uint16_t x;
        memcpy(&x, p + 2 * i, sizeof x);
        bad |= (x & exponent) == exponent;
    }
    return !bad;
}

static bool finite32(const unsigned char *p, size_t n)
{
    unsigned bad = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t x;
        memcpy(&x, p + 4 * i, sizeof x);
        bad |= (x & 0x7f800000u) == 0x7f800000u;
    }
    return !bad;
}

static bool finite64(const unsigned char *p, size_t n)
{
    unsigned bad = 0;
    for (size_t i = 0; i < n; i++) {
        uint64_t x;
        memcpy(&x, p + 8 * i, sizeof x);
        bad |= (x >> 52 & 0x7ff) == 0x7ff;
    }
    return !bad;
}

/* The scales of n quantized values, whole blocks. */
static bool finite_blocks(wc_dtype dtype, const unsigned char *p, size_t n)
{
    const struct wc_dtype_row *row = wc_dtype_get(dtype);
    for (size_t i = 0; i < n; i += row->block_elems, p += row->block_bytes)
        if (!finite16(p + row->scale_at, row->n_scales, 0x7c00))
            return false;
    return true;
}

static bool all_finite(wc_dtype dtype, const unsigned char *p, size_t n)
{
    if (wc_dtype_is_quantized(dtype))
        return finite_blocks(dtype, p, n);
    switch (dtype) {
    case WC_F32:
        return finite32(p, n);
    case WC_F16:
        return finite16(p, n, 0x7c00);
    case WC_BF16:
        return finite16(p, n, 0x7f80);
    case WC_F64:
        return finite64(p, n);
    default:
        return true;
    }
}

bool wc_checkpoint_check_finite(const wc_checkpoint *c, wc_error *err)
{
    enum { SPAN = 4096 };
    for (size_t k = 0; k < c->n_held; k++) {
        const wc_stored *s = &c->tensors[k];
        const size_t step = wc_dtype_get(s->dtype)->block_elems;
        for (size_t i = 0; i < s->elems; i += SPAN) {
            const unsigned char *p = (const unsigned char *)s->data + wc_dtype_offset(s->dtype, i);
            const size_t n = s->elems - i < SPAN ? (size_t)(s->elems - i) : SPAN;
            if (all_finite(s->dtype, p, n))
                continue;
            size_t j = 0;
            while (all_finite(s->dtype, p + wc_dtype_offset(s->dtype, j), step))
                j += step;
            return wc_fail(err, WC_BAD_FILE,
                           "%s: tensor %s: value %zu: expected finite numbers, found NaN or infinity",
                           c->files[s->file].path, s->name, i + j);
        }
    }
    return true;
}
