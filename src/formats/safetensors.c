/* safetensors.c - reads safetensors files.  Integers are little-endian:
 *
 *   offset size  what
 *        0    8  n, bytes of the header, at most 100,000,000
 *        8    n  JSON: {"name": {"dtype": "BF16", "shape": [2, 3], "data_offsets": [0, 12]}, ...,
 *                "__metadata__": {"key": "text"}}, filled up with spaces
 *      8+n    -  the tensors' data; data_offsets count from here
 *
 * The data must be wholly covered: sorted by offset, each tensor begins where the one before it ends, and
 * the last ends with the file.  Nothing else is asked of alignment, so that a tensor may begin at any byte.
 * Scalars ([]) and tensors without elements are legal.  Keys are unique.  Everything below comes from the
 * file: check, then use. */
#include "formats/safetensors.h"

#include <stdlib.h>
#include <string.h>

#include "base/size.h"
#include "formats/guess.h"

static const uint64_t MAX_HEADER = 100000000; /* as in the reference library */
enum { PREFIX = 8, MAX_RANK = 64 };

/* The types of the format that we cannot hold but whose size must be known to check a file. */
static const struct {
    const char *name;
    unsigned bits;
} other_types[] = {
    {"F8_E4M3", 8}, {"F8_E5M2", 8}, {"F8_E8M0", 8}, {"F8_E4M3FNUZ", 8}, {"F8_E5M2FNUZ", 8},
    {"F6_E2M3", 6}, {"F6_E3M2", 6}, {"F4", 4},      {"C64", 64},
};

struct reader {
    const char *path;
    wc_arena *arena;
    wc_error *err;
    const unsigned char *data; /* behind the header */
    uint64_t data_bytes;
};

static uint64_t header_length(const wc_file_map *m)
{
    uint64_t n = 0;
    for (int i = PREFIX; i-- > 0;)
        n = n << 8 | m->data[i];
    return n;
}

/* The header's text without its padding, or NULL. */
static const char *find_header(const wc_file_map *m, const char *path, size_t *n, wc_error *err)
{
    if (m->size < PREFIX) {
        wc_fail(err, WC_BAD_FILE, "%s: header: expected a length of 8 bytes, found a file of %zu%s", path,
                m->size, m->size ? wc_file_guess(m) : "; it is empty");
        return NULL;
    }
    const uint64_t bytes = header_length(m);
    if (bytes > MAX_HEADER || bytes > m->size - PREFIX) {
        wc_fail(err, WC_BAD_FILE, "%s: header length: expected at most %llu bytes, found %llu%s", path,
                (unsigned long long)(MAX_HEADER < m->size - PREFIX ? MAX_HEADER : m->size - PREFIX),
                (unsigned long long)bytes,
                *wc_file_guess(m) ? wc_file_guess(m) : "; the file is truncated or no safetensors");
        return NULL;
    }
    const char *text = (const char *)m->data + PREFIX;
    size_t end = (size_t)bytes;
    while (end > 0 && text[end - 1] == ' ')
        end--;
    if (end < 2 || text[0] != '{' || text[end - 1] != '}') {
        wc_fail(err, WC_BAD_FILE, "%s: header: expected a JSON object from { to }, padded with spaces%s",
                path, wc_file_guess(m));
        return NULL;
    }
    *n = end;
    return text;
}

static bool bad_field(struct reader *r, const wc_stored *t, const char *field, const char *expected,
                      const wc_json *v)
{
    return wc_fail(r->err, WC_BAD_FILE, "%s: tensor %.200s: %s: expected %s, found %s", r->path, t->name,
                   field, expected, wc_json_type_name(v));
}

static bool read_dtype(struct reader *r, wc_stored *t, const wc_json *v, unsigned *bits)
{
    if (!wc_json_is(v, WC_JSON_STRING))
        return bad_field(r, t, "dtype", "a string", v);
    for (int d = 0; d < WC_N_DTYPES; d++) {
        const struct wc_dtype_row *row = wc_dtype_get((wc_dtype)d);
        if (row->safetensors && wc_json_string_is(v, row->safetensors)) {
            t->dtype = (wc_dtype)d;
            t->dtype_name = row->safetensors;
            *bits = (unsigned)(8 * row->block_bytes);
            return true;
        }
    }
    for (size_t i = 0; i < sizeof other_types / sizeof *other_types; i++)
        if (wc_json_string_is(v, other_types[i].name)) {
            t->dtype = WC_N_DTYPES;
            t->dtype_name = other_types[i].name;
            *bits = other_types[i].bits;
            return true;
        }
    return wc_fail(r->err, WC_BAD_FILE,
                   "%s: tensor %.200s: dtype: expected a type of the format such as F32, found \"%.40s\"",
                   r->path, t->name, v->u.text);
}

static bool read_shape(struct reader *r, wc_stored *t, const wc_json *v)
{
    size_t n = wc_json_count(v), elems = 1;
    if (!wc_json_is(v, WC_JSON_ARRAY))
        return bad_field(r, t, "shape", "an array", v);
    if (n > MAX_RANK)
        return wc_fail(r->err, WC_BAD_FILE,
                       "%s: tensor %.200s: shape: expected at most %d dimensions, found %zu", r->path,
                       t->name, MAX_RANK, n);
    t->ndim = (int)n;
    for (size_t i = 0; i < n; i++) {
        const wc_json *dim = wc_json_item(v, i);
        if (!wc_json_is(dim, WC_JSON_INT) || dim->u.integer < 0)
            return wc_fail(r->err, WC_BAD_FILE, "%s: tensor %.200s: shape: expected sizes from 0, found %s",
                           r->path, t->name,
                           wc_json_is(dim, WC_JSON_INT) ? "a negative one" : wc_json_type_name(dim));
        if (i < WC_MAX_DIMS)
            t->shape[i] = (size_t)dim->u.integer;
        if (!wc_mul_size(elems, (size_t)dim->u.integer, &elems))
            return wc_fail(r->err, WC_BAD_FILE, "%s: tensor %.200s: shape: its product does not fit 64 bits",
                           r->path, t->name);
    }
    t->elems = elems;
    return true;
}

static bool read_offsets(struct reader *r, wc_stored *t, const wc_json *v)
{
    const wc_json *first = wc_json_item(v, 0), *last = wc_json_item(v, 1);
    if (!wc_json_is(v, WC_JSON_ARRAY) || wc_json_count(v) != 2)
        return bad_field(r, t, "data_offsets", "an array of two integers", v);
    for (size_t i = 0; i < 2; i++) {
        const wc_json *x = wc_json_item(v, i);
        if (!wc_json_is(x, WC_JSON_INT) || x->u.integer < 0)
            return wc_fail(r->err, WC_BAD_FILE,
                           "%s: tensor %.200s: data_offsets: expected integers from 0 to %llu, found %s",
                           r->path, t->name, (unsigned long long)r->data_bytes,
                           wc_json_is(x, WC_JSON_INT)      ? "a negative one"
                           : wc_json_is(x, WC_JSON_BIGINT) ? "a larger one"
                                                           : wc_json_type_name(x));
    }
    uint64_t begin = (uint64_t)first->u.integer, end = (uint64_t)last->u.integer;
    if (begin > end)
        return wc_fail(r->err, WC_BAD_FILE,
                       "%s: tensor %.200s: data_offsets: expected begin <= end, found %llu > %llu", r->path,
                       t->name, (unsigned long long)begin, (unsigned long long)end);
    if (end > r->data_bytes)
        return wc_fail(
            r->err, WC_BAD_FILE,
            "%s: tensor %.200s: data_offsets: expected an end of at most %llu, found %llu; the file is "
            "truncated, perhaps a download that broke off",
            r->path, t->name, (unsigned long long)r->data_bytes, (unsigned long long)end);
    t->begin = begin;
    t->bytes = end - begin;
    t->data = r->data + begin;
    return true;
}

static bool read_tensor(struct reader *r, wc_stored *t, const wc_json *key, const wc_json *v)
{
    unsigned bits = 0;
    size_t all_bits;
    *t = (wc_stored){.name = key->u.text, .name_bytes = key->n};
    if (!wc_json_is(v, WC_JSON_OBJECT))
        return wc_fail(r->err, WC_BAD_FILE,
                       "%s: tensor %.200s: expected an object with dtype, shape and data_offsets, found %s",
                       r->path, t->name, wc_json_type_name(v));
    if (!read_dtype(r, t, wc_json_get(v, "dtype"), &bits) || !read_shape(r, t, wc_json_get(v, "shape")) ||
        !read_offsets(r, t, wc_json_get(v, "data_offsets")))
        return false;
    if (!wc_mul_size(t->elems, bits, &all_bits) || all_bits % 8 != 0)
        return wc_fail(r->err, WC_BAD_FILE,
                       "%s: tensor %.200s: shape: %llu elements of dtype %s are no whole number of bytes",
                       r->path, t->name, (unsigned long long)t->elems, t->dtype_name);
    if (t->bytes != all_bits / 8)
        return wc_fail(r->err, WC_BAD_FILE,
                       "%s: tensor %.200s: data_offsets: expected %zu bytes (shape x dtype %s), found %llu",
                       r->path, t->name, all_bits / 8, t->dtype_name, (unsigned long long)t->bytes);
    t->name = wc_arena_strndup(r->arena, key->u.text, key->n);
    return t->name || wc_fail_memory(r->err, key->n);
}

static bool check_metadata(struct reader *r, const wc_json *v)
{
    if (!wc_json_is(v, WC_JSON_OBJECT))
        return wc_fail(r->err, WC_BAD_FILE, "%s: __metadata__: expected an object, found %s", r->path,
                       wc_json_type_name(v));
    for (size_t i = 0; i < wc_json_count(v); i++)
        if (!wc_json_is(wc_json_value(v, i), WC_JSON_STRING))
            return wc_fail(r->err, WC_BAD_FILE, "%s: __metadata__.%.80s: expected a string, found %s",
                           r->path, wc_json_key(v, i)->u.text, wc_json_type_name(wc_json_value(v, i)));
    return true;
}

static int by_place(const void *pa, const void *pb)
{
    const wc_stored *a = pa, *b = pb;
    if (a->begin != b->begin)
        return a->begin < b->begin ? -1 : 1;
    return (a->bytes > b->bytes) - (a->bytes < b->bytes); /* the empty ones first */
}

static int by_name(const void *pa, const void *pb)
{
    const wc_stored *a = pa, *b = pb;
    return wc_stored_compare(a->name, a->name_bytes, b->name, b->name_bytes);
}

/* The tensors follow each other without a hole up to the end of the file. */
static bool check_cover(struct reader *r, wc_stored *tensors, size_t n)
{
    uint64_t at = 0;
    qsort(tensors, n, sizeof *tensors, by_place);
    for (size_t i = 0; i < n; i++) {
        const wc_stored *t = &tensors[i];
        if (t->begin != at)
            return wc_fail(r->err, WC_BAD_FILE,
                           "%s: tensor %.200s: data_offsets: expected a begin of %llu, found %llu (%s)",
                           r->path, t->name, (unsigned long long)at, (unsigned long long)t->begin,
                           t->begin > at ? "a hole" : "an overlap");
        at += t->bytes;
    }
    if (at != r->data_bytes)
        return wc_fail(r->err, WC_BAD_FILE,
                       "%s: data: expected %llu bytes, found %llu; the trailing bytes belong to no tensor",
                       r->path, (unsigned long long)at, (unsigned long long)r->data_bytes);
    return true;
}

static bool read_all(struct reader *r, const wc_json *header, wc_stored **tensors, size_t *n)
{
    wc_stored *list = wc_arena_zalloc(r->arena, wc_json_count(header), sizeof *list);
    size_t used = 0;
    if (!list)
        return wc_fail_memory(r->err, wc_json_count(header) * sizeof *list);
    for (size_t i = 0; i < wc_json_count(header); i++) {
        const wc_json *key = wc_json_key(header, i), *v = wc_json_value(header, i);
        if (wc_json_string_is(key, "__metadata__") ? !check_metadata(r, v)
                                                   : !read_tensor(r, &list[used++], key, v))
            return false;
    }
    if (!check_cover(r, list, used))
        return false;
    qsort(list, used, sizeof *list, by_name);
    *tensors = list;
    *n = used;
    return true;
}

bool wc_safetensors_read(const wc_file_map *map, const char *path, wc_arena *a, wc_arena *scratch,
                         wc_stored **tensors, size_t *n, wc_error *err)
{
    size_t header_bytes;
    const char *text = find_header(map, path, &header_bytes, err);
    if (!text)
        return false;
    wc_arena_mark mark = wc_arena_get_mark(scratch);
    wc_error why = {0};
    const wc_json *header = wc_json_parse(scratch, text, header_bytes, "header", WC_JSON_UNIQUE_KEYS, &why);
    bool ok = header != NULL;
    if (!ok) {
        wc_fail(err, why.code, "%s: %s", path, why.text);
    } else {
        size_t start = PREFIX + (size_t)header_length(map);
        struct reader r = {path, a, err, map->data + start, map->size - start};
        ok = read_all(&r, header, tensors, n);
    }
    wc_arena_reset(scratch, mark);
    return ok;
}
