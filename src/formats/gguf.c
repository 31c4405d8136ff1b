/* gguf.c - reads the head of GGUF files (versions 2 and 3).  Integers are little-endian:
 *
 *   offset size  what
 *        0    4  "GGUF"
 *        4    4  version
 *        8    8  number of tensors
 *       16    8  number of metadata pairs
 *       24    -  metadata pairs: a key (string), a type (4 bytes), a value
 *        -    -  tensors: a name (string), the number of dimensions (4), each dimension (8; the fastest first), a type (4),
 *                the offset of its data (8), a multiple of the alignment, counted from the first multiple of it behind this
 *
 * A string is its length (8 bytes) and its bytes; an array is the type of its items (4), their number (8) and the items.
 * general.alignment is 32 unless given.  Nothing but the head is read, and no count sizes an allocation before the file has
 * shown that it holds as much. */
#include "formats/gguf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/size.h"
#include "formats/guess.h"

enum value_type { U8, I8, U16, I16, U32, I32, F32, BOOL, STRING, ARRAY, U64, I64, F64, N_TYPES };
enum { MAX_DEPTH = 4, MAX_KEY = 65535, MAX_NAME = 4096, MIN_ALIGNMENT = 8, MAX_ALIGNMENT = 1 << 20 };

static const unsigned value_bytes[N_TYPES] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};

/* The types of tensors, by their numbers.  Those that are not held have sizes too, as a file may hold some beside. */
static const struct tensor_type {
    const char *name; /* NULL: no longer in the format */
    unsigned block, bytes;
    wc_dtype dtype;
} tensor_types[] = {
    {"F32", 1, 4, WC_F32},
    {"F16", 1, 2, WC_F16},
    {"Q4_0", 32, 18, WC_Q4_0},
    {"Q4_1", 32, 20, WC_Q4_1},
    {0},
    {0},
    {"Q5_0", 32, 22, WC_Q5_0},
    {"Q5_1", 32, 24, WC_Q5_1},
    {"Q8_0", 32, 34, WC_Q8_0},
    {"Q8_1", 32, 36, WC_N_DTYPES},
    {"Q2_K", 256, 84, WC_Q2_K},
    {"Q3_K", 256, 110, WC_Q3_K},
    {"Q4_K", 256, 144, WC_Q4_K},
    {"Q5_K", 256, 176, WC_Q5_K},
    {"Q6_K", 256, 210, WC_Q6_K},
    {"Q8_K", 256, 292, WC_N_DTYPES},
    {"IQ2_XXS", 256, 66, WC_N_DTYPES},
    {"IQ2_XS", 256, 74, WC_N_DTYPES},
    {"IQ3_XXS", 256, 98, WC_N_DTYPES},
    {"IQ1_S", 256, 50, WC_N_DTYPES},
    {"IQ4_NL", 32, 18, WC_IQ4_NL},
    {"IQ3_S", 256, 110, WC_N_DTYPES},
    {"IQ2_S", 256, 82, WC_N_DTYPES},
    {"IQ4_XS", 256, 136, WC_IQ4_XS},
    {"I8", 1, 1, WC_I8},
    {"I16", 1, 2, WC_I16},
    {"I32", 1, 4, WC_I32},
    {"I64", 1, 8, WC_I64},
    {"F64", 1, 8, WC_F64},
    {"IQ1_M", 256, 56, WC_N_DTYPES},
    {"BF16", 1, 2, WC_BF16},
    {0},
    {0},
    {0},
    {"TQ1_0", 256, 54, WC_N_DTYPES},
    {"TQ2_0", 256, 66, WC_N_DTYPES},
    {0},
    {0},
    {0},
    {"MXFP4", 32, 17, WC_N_DTYPES},
};
enum { N_TENSOR_TYPES = sizeof tensor_types / sizeof *tensor_types };

uint32_t wc_gguf_type(wc_dtype t)
{
    uint32_t i = 0;
    while (i < N_TENSOR_TYPES && (!tensor_types[i].name || tensor_types[i].dtype != t))
        i++;
    return i;
}

/* ---- bytes ---- */

struct reader {
    wc_gguf *g;
    wc_arena *arena;
    wc_error *err;
    size_t at;
};

static uint64_t number_at(const unsigned char *p, unsigned bytes)
{
    uint64_t x = 0;
    for (unsigned i = bytes; i-- > 0;)
        x = x << 8 | p[i];
    return x;
}

static size_t left(const struct reader *r)
{
    return r->g->size - r->at;
}

/* what [n]: the key or tensor that is being read, for the message. */
static bool fail_end(const struct reader *r, const char *what, size_t n)
{
    return wc_fail(r->err, WC_BAD_FILE,
                   "%s: header: %.*s: the file ends before it does, at %zu bytes; it is truncated, perhaps a "
                   "download that broke off",
                   r->g->path, (int)wc_min_size(n, 100), what, r->g->size);
}

static bool take(struct reader *r, unsigned bytes, uint64_t *out, const char *what, size_t n)
{
    if (left(r) < bytes)
        return fail_end(r, what, n);
    *out = number_at(r->g->data + r->at, bytes);
    r->at += bytes;
    return true;
}

/* A string's place in the map. */
static bool take_string(struct reader *r, const char **s, size_t *n, const char *what, size_t n_what)
{
    uint64_t bytes = 0;
    if (!take(r, 8, &bytes, what, n_what))
        return false;
    if (bytes > left(r))
        return wc_fail(
            r->err, WC_BAD_FILE,
            "%s: header: %.*s: expected a string length of at most the %zu bytes that are left, found "
            "%llu; the file is truncated or damaged",
            r->g->path, (int)wc_min_size(n_what, 100), what, left(r), (unsigned long long)bytes);
    *s = (const char *)r->g->data + r->at;
    *n = (size_t)bytes;
    r->at += *n;
    return true;
}

/* ---- metadata ---- */

static bool fail_type(const struct reader *r, const wc_gguf_entry *e, uint64_t type)
{
    return wc_fail(r->err, WC_BAD_FILE,
                   "%s: header: %.*s: expected a value type of the format, 0 to %d, found %llu", r->g->path,
                   (int)wc_min_size(e->n, 100), e->key, N_TYPES - 1, (unsigned long long)type);
}

/* Passes over a value; items of arrays are all looked at, so that a later reading needs no more checks. */
static bool skip_value(struct reader *r, const wc_gguf_entry *e, uint64_t type, int depth)
{
    uint64_t items = 0, count = 0;
    const char *s = NULL;
    size_t n = 0, bytes = 0;
    if (type >= N_TYPES)
        return fail_type(r, e, type);
    if (type == STRING)
        return take_string(r, &s, &n, e->key, e->n);
    if (type != ARRAY) {
        if (left(r) < value_bytes[type])
            return fail_end(r, e->key, e->n);
        r->at += value_bytes[type];
        return true;
    }
    if (depth == MAX_DEPTH)
        return wc_fail(r->err, WC_BAD_FILE, "%s: header: %.*s: expected arrays nested at most %d deep",
                       r->g->path, (int)wc_min_size(e->n, 100), e->key, MAX_DEPTH);
    if (!take(r, 4, &items, e->key, e->n) || !take(r, 8, &count, e->key, e->n))
        return false;
    if (items >= N_TYPES)
        return fail_type(r, e, items);
    const unsigned least = items == STRING ? 8 : items == ARRAY ? 12 : value_bytes[items];
    if (count > left(r) / least || !wc_mul_size((size_t)count, least, &bytes))
        return wc_fail(
            r->err, WC_BAD_FILE,
            "%s: header: %.*s: expected an array length that the %zu bytes left can hold, found %llu; the "
            "file is truncated or damaged",
            r->g->path, (int)wc_min_size(e->n, 100), e->key, left(r), (unsigned long long)count);
    if (items != STRING && items != ARRAY) {
        r->at += bytes;
        return true;
    }
    for (uint64_t i = 0; i < count; i++)
        if (!skip_value(r, e, items, depth + 1))
            return false;
    return true;
}

static bool read_entry(struct reader *r, wc_gguf_entry *e)
{
    uint64_t type = 0;
    *e = (wc_gguf_entry){0};
    if (!take_string(r, &e->key, &e->n, "a metadata key", 14))
        return false;
    if (e->n == 0 || e->n > MAX_KEY)
        return wc_fail(r->err, WC_BAD_FILE, "%s: header: metadata: expected keys of 1 to %d bytes, found %s",
                       r->g->path, MAX_KEY, e->n ? "a longer one" : "an empty one; the file is damaged");
    if (!take(r, 4, &type, e->key, e->n))
        return false;
    e->type = (uint32_t)type;
    e->at = r->at;
    return skip_value(r, e, type, 0);
}

/* Grows a list of n items by doubling; NULL when there is no memory. */
static void *grown(struct reader *r, void *list, size_t n, size_t *room, size_t size)
{
    if (n < *room)
        return list;
    size_t wanted = *room ? 2 * *room : 256;
    void *to = wc_arena_alloc(r->arena, wanted * size);
    if (!to) {
        wc_fail_memory(r->err, wanted * size);
        return NULL;
    }
    if (n)
        memcpy(to, list, n * size);
    *room = wanted;
    return to;
}

static int by_key(const void *pa, const void *pb)
{
    const wc_gguf_entry *a = pa, *b = pb;
    return wc_stored_compare(a->key, a->n, b->key, b->n);
}

static bool check_unique_keys(struct reader *r)
{
    const size_t n = r->g->n_entries;
    wc_gguf_entry *sorted = wc_mem_alloc((n + 1) * sizeof *sorted);
    if (!sorted)
        return wc_fail_memory(r->err, n * sizeof *sorted);
    if (n)
        memcpy(sorted, r->g->entries, n * sizeof *sorted);
    qsort(sorted, n, sizeof *sorted, by_key);
    bool ok = true;
    for (size_t i = 1; ok && i < n; i++)
        if (by_key(&sorted[i - 1], &sorted[i]) == 0)
            ok = wc_fail(r->err, WC_BAD_FILE, "%s: header: %.*s: duplicate key; expected each once",
                         r->g->path, (int)wc_min_size(sorted[i].n, 100), sorted[i].key);
    wc_mem_free(sorted);
    return ok;
}

static bool read_entries(struct reader *r, uint64_t count)
{
    size_t room = 0;
    if (count > left(r) / 13)
        return wc_fail(
            r->err, WC_BAD_FILE,
            "%s: header: number of metadata pairs (kv count): expected at most what %zu bytes hold, found "
            "%llu; the file is truncated or damaged",
            r->g->path, r->g->size, (unsigned long long)count);
    for (uint64_t i = 0; i < count; i++) {
        r->g->entries = grown(r, r->g->entries, r->g->n_entries, &room, sizeof *r->g->entries);
        if (!r->g->entries || !read_entry(r, &r->g->entries[r->g->n_entries]))
            return false;
        r->g->n_entries++;
    }
    return check_unique_keys(r);
}

static const wc_gguf_entry *find_entry(const wc_gguf *g, const char *key)
{
    for (size_t i = 0; i < g->n_entries; i++)
        if (g->entries[i].n == strlen(key) && memcmp(g->entries[i].key, key, g->entries[i].n) == 0)
            return &g->entries[i];
    return NULL;
}

static bool read_alignment(struct reader *r)
{
    const wc_gguf_entry *e = find_entry(r->g, "general.alignment");
    r->g->alignment = 32;
    if (!e)
        return true;
    if (e->type != U32)
        return wc_fail(r->err, WC_BAD_FILE,
                       "%s: general.alignment: expected an unsigned integer of 32 bits (type %d), "
                       "found type %u",
                       r->g->path, U32, (unsigned)e->type);
    const uint64_t n = number_at(r->g->data + e->at, 4);
    if (n < MIN_ALIGNMENT || n > MAX_ALIGNMENT || (n & (n - 1)))
        return wc_fail(r->err, WC_BAD_FILE,
                       "%s: general.alignment: expected a power of two from %d to %d, found %llu", r->g->path,
                       MIN_ALIGNMENT, MAX_ALIGNMENT, (unsigned long long)n);
    r->g->alignment = n;
    return true;
}

/* ---- tensors ---- */

static bool fail_tensor(const struct reader *r, const wc_stored *t, const char *field, const char *expected,
                        uint64_t found)
{
    return wc_fail(r->err, WC_BAD_FILE, "%s: tensor %.200s: %s: expected %s, found %llu", r->g->path, t->name,
                   field, expected, (unsigned long long)found);
}

static bool read_name(struct reader *r, wc_stored *t)
{
    const char *s = NULL;
    if (!take_string(r, &s, &t->name_bytes, "the name of a tensor", 20))
        return false;
    if (t->name_bytes == 0 || t->name_bytes > MAX_NAME)
        return wc_fail(r->err, WC_BAD_FILE,
                       "%s: header: tensor %zu: name: expected 1 to %d bytes, found %s length of %zu",
                       r->g->path, r->g->n_tensors, MAX_NAME, t->name_bytes ? "a" : "an empty one, a",
                       t->name_bytes);
    t->name = wc_arena_strndup(r->arena, s, t->name_bytes);
    return t->name || wc_fail_memory(r->err, t->name_bytes);
}

/* The dimensions, outermost first as everywhere else. */
static bool read_dims(struct reader *r, wc_stored *t)
{
    uint64_t n = 0, dims[WC_MAX_DIMS] = {0};
    size_t elems = 1;
    if (!take(r, 4, &n, t->name, t->name_bytes))
        return false;
    if (n == 0 || n > WC_MAX_DIMS)
        return fail_tensor(r, t, "number of dimensions (n_dims)", "1 to 4", n);
    for (uint64_t i = 0; i < n; i++) {
        if (!take(r, 8, &dims[i], t->name, t->name_bytes))
            return false;
        if (dims[i] == 0 || dims[i] > INT64_MAX)
            return fail_tensor(r, t, "dimension", "at least 1 and less than 2^63", dims[i]);
        if (!wc_mul_size(elems, (size_t)dims[i], &elems) || elems > INT64_MAX)
            return wc_fail(r->err, WC_BAD_FILE,
                           "%s: tensor %.200s: dimensions: their product overflows 63 bits", r->g->path,
                           t->name);
    }
    t->ndim = (int)n;
    t->elems = elems;
    for (uint64_t i = 0; i < n; i++)
        t->shape[i] = (size_t)dims[n - 1 - i];
    return true;
}

static bool read_type(struct reader *r, wc_stored *t)
{
    uint64_t type = 0;
    size_t bytes = 0;
    if (!take(r, 4, &type, t->name, t->name_bytes))
        return false;
    if (type >= N_TENSOR_TYPES || !tensor_types[type].name)
        return fail_tensor(r, t, "type", "one of the format, such as 0 (F32) or 8 (Q8_0)", type);
    const struct tensor_type *row = &tensor_types[type];
    const size_t width = t->shape[t->ndim - 1];
    if (width % row->block)
        return wc_fail(
            r->err, WC_BAD_FILE,
            "%s: tensor %.200s: row length: expected a multiple of the block of %s (%u), found %zu",
            r->g->path, t->name, row->name, row->block, width);
    if (!wc_mul_size((size_t)t->elems / row->block, row->bytes, &bytes))
        return wc_fail(r->err, WC_BAD_FILE, "%s: tensor %.200s: its size overflows 64 bits", r->g->path,
                       t->name);
    t->dtype = row->dtype;
    t->dtype_name = row->name;
    t->bytes = bytes;
    return true;
}

static bool read_tensor(struct reader *r, wc_stored *t)
{
    *t = (wc_stored){0};
    if (!read_name(r, t) || !read_dims(r, t) || !read_type(r, t) ||
        !take(r, 8, &t->begin, t->name, t->name_bytes))
        return false;
    if (t->begin % r->g->alignment)
        return fail_tensor(r, t, "offset", "a multiple of general.alignment", t->begin);
    return true;
}

static int by_place(const void *pa, const void *pb)
{
    const wc_stored *a = pa, *b = pb;
    return (a->begin > b->begin) - (a->begin < b->begin);
}

static int by_name(const void *pa, const void *pb)
{
    const wc_stored *a = pa, *b = pb;
    return wc_stored_compare(a->name, a->name_bytes, b->name, b->name_bytes);
}

/* Data lies in the file and no tensors share any; names are unique. */
static bool check_tensors(struct reader *r)
{
    wc_gguf *g = r->g;
    const size_t start = (r->at + (size_t)g->alignment - 1) / (size_t)g->alignment * (size_t)g->alignment;
    const uint64_t data_bytes = g->size > start ? g->size - start : 0;
    for (size_t i = 0; i < g->n_tensors; i++) {
        wc_stored *t = &g->tensors[i];
        if (t->begin > data_bytes || t->bytes > data_bytes - t->begin)
            return wc_fail(
                r->err, WC_BAD_FILE,
                "%s: tensor %.200s: offset: expected %llu bytes of data at %llu within the %llu that the "
                "file has; it is truncated, perhaps a download that broke off",
                g->path, t->name, (unsigned long long)t->bytes, (unsigned long long)t->begin,
                (unsigned long long)data_bytes);
        t->data = g->data + start + t->begin;
    }
    qsort(g->tensors, g->n_tensors, sizeof *g->tensors, by_name);
    for (size_t i = 1; i < g->n_tensors; i++)
        if (by_name(&g->tensors[i - 1], &g->tensors[i]) == 0)
            return wc_fail(r->err, WC_BAD_FILE, "%s: tensor %.200s: duplicate name; expected each once",
                           g->path, g->tensors[i].name);
    qsort(g->tensors, g->n_tensors, sizeof *g->tensors, by_place);
    for (size_t i = 1; i < g->n_tensors; i++) {
        const wc_stored *before = &g->tensors[i - 1], *t = &g->tensors[i];
        if (t->begin - before->begin < before->bytes)
            return wc_fail(r->err, WC_BAD_FILE,
                           "%s: tensor %.200s: offset: an overlap with the data of %.200s", g->path, t->name,
                           before->name);
    }
    return true;
}

static bool read_tensors(struct reader *r, uint64_t count)
{
    wc_gguf *g = r->g;
    size_t room = 0;
    if (count > left(r) / 33)
        return wc_fail(
            r->err, WC_BAD_FILE,
            "%s: header: number of tensors (tensor count): expected at most what %zu bytes hold, found %llu; "
            "the file is truncated or damaged",
            g->path, left(r), (unsigned long long)count);
    for (uint64_t i = 0; i < count; i++) {
        g->tensors = grown(r, g->tensors, g->n_tensors, &room, sizeof *g->tensors);
        if (!g->tensors || !read_tensor(r, &g->tensors[g->n_tensors]))
            return false;
        g->n_tensors++;
    }
    return g->n_tensors == 0 || check_tensors(r);
}

/* ---- the head ---- */

static bool read_version(struct reader *r)
{
    uint64_t version = 0;
    if (!take(r, 4, &version, "version", 7))
        return false;
    if (version == 2 || version == 3)
        return true;
    const bool swapped = version == 0x02000000 || version == 0x03000000;
    return wc_fail(r->err, WC_UNSUPPORTED, "%s: header: version: expected 2 or 3, found %llu%s", r->g->path,
                   (unsigned long long)version,
                   swapped        ? "; this is a big-endian file, which is not supported"
                   : version == 1 ? "; convert the model again with a newer program"
                                  : "");
}

bool wc_gguf_read(wc_gguf *g, const wc_file_map *map, const char *path, wc_arena *a, wc_error *err)
{
    uint64_t n_tensors = 0, n_pairs = 0;
    *g = (wc_gguf){.path = path, .data = map->data, .size = map->size};
    struct reader r = {g, a, err, 0};
    if (map->size < 4 || memcmp(map->data, "GGUF", 4) != 0)
        return wc_fail(err, WC_BAD_FILE, "%s: header: expected the magic bytes \"GGUF\", found %s%s", path,
                       map->size ? "others; this is no GGUF file" : "an empty file",
                       map->size ? wc_file_guess(map) : "");
    r.at = 4;
    return read_version(&r) && take(&r, 8, &n_tensors, "number of tensors", 17) &&
           take(&r, 8, &n_pairs, "number of metadata pairs", 24) && read_entries(&r, n_pairs) &&
           read_alignment(&r) && read_tensors(&r, n_tensors);
}

/* ---- the metadata as a tree ---- */

struct builder {
    const wc_gguf *g;
    wc_arena *arena;
    size_t at; /* all has been checked */
};

static bool set_big(struct builder *b, wc_json *v, uint64_t x)
{
    char digits[24];
    snprintf(digits, sizeof digits, "%llu", (unsigned long long)x);
    *v = (wc_json){.type = WC_JSON_BIGINT, .n = (uint32_t)strlen(digits)};
    v->u.text = wc_arena_strdup(b->arena, digits);
    return v->u.text != NULL;
}

static bool build_number(struct builder *b, wc_json *v, uint64_t type)
{
    const unsigned bytes = value_bytes[type];
    const uint64_t x = number_at(b->g->data + b->at, bytes);
    b->at += bytes;
    if (type == BOOL) {
        *v = (wc_json){.type = x ? WC_JSON_TRUE : WC_JSON_FALSE};
        return true;
    }
    if (type == F32 || type == F64) {
        const uint32_t low = (uint32_t)x;
        float single;
        *v = (wc_json){.type = WC_JSON_DOUBLE};
        memcpy(&single, &low, sizeof single);
        memcpy(&v->u.number, &x, sizeof v->u.number);
        if (type == F32)
            v->u.number = (double)single;
        return true;
    }
    if (type == U64 && x > INT64_MAX)
        return set_big(b, v, x);
    const bool has_sign = type == I8 || type == I16 || type == I32 || type == I64;
    const uint64_t sign = has_sign ? UINT64_C(1) << (8 * bytes - 1) : 0;
    *v = (wc_json){.type = WC_JSON_INT, .u.integer = (int64_t)((x ^ sign) - sign)};
    return true;
}

static bool build_string(struct builder *b, wc_json *v)
{
    const size_t n = (size_t)number_at(b->g->data + b->at, 8);
    if (n > UINT32_MAX)
        return false;
    *v = (wc_json){.type = WC_JSON_STRING, .n = (uint32_t)n};
    v->u.text = wc_arena_strndup(b->arena, (const char *)b->g->data + b->at + 8, n);
    b->at += 8 + n;
    return v->u.text != NULL;
}

static bool build_value(struct builder *b, wc_json *v, uint64_t type);

/* The strings of an array, one behind the other in one piece of memory: there may be hundreds of thousands. */
static bool build_strings(struct builder *b, wc_json *items, size_t n)
{
    size_t at = b->at, bytes = 0;
    for (size_t i = 0; i < n; i++) {
        const size_t length = (size_t)number_at(b->g->data + at, 8);
        if (length > UINT32_MAX)
            return false;
        bytes += length + 1;
        at += 8 + length;
    }
    char *to = wc_arena_alloc(b->arena, bytes + 1);
    for (size_t i = 0; to && i < n; i++) {
        const size_t length = (size_t)number_at(b->g->data + b->at, 8);
        items[i] = (wc_json){.type = WC_JSON_STRING, .n = (uint32_t)length, .u.text = to};
        memcpy(to, b->g->data + b->at + 8, length);
        to[length] = '\0';
        to += length + 1;
        b->at += 8 + length;
    }
    return to != NULL;
}

static bool build_array(struct builder *b, wc_json *v)
{
    const uint64_t type = number_at(b->g->data + b->at, 4), n = number_at(b->g->data + b->at + 4, 8);
    b->at += 12;
    wc_json *items = n < UINT32_MAX ? wc_arena_zalloc(b->arena, (size_t)n + 1, sizeof *items) : NULL;
    if (!items)
        return false;
    *v = (wc_json){.type = WC_JSON_ARRAY, .n = (uint32_t)n, .u.items = items};
    if (type == STRING)
        return build_strings(b, items, (size_t)n);
    for (uint64_t i = 0; i < n; i++)
        if (!build_value(b, &items[i], type))
            return false;
    return true;
}

static bool build_value(struct builder *b, wc_json *v, uint64_t type)
{
    return type == STRING ? build_string(b, v) : type == ARRAY ? build_array(b, v) : build_number(b, v, type);
}

static bool wanted(const wc_gguf *g, const wc_gguf_entry *e, const char *const *prefixes, size_t max_items)
{
    if (e->type == ARRAY && number_at(g->data + e->at + 4, 8) > max_items)
        return false;
    for (; *prefixes; prefixes++)
        if (e->n >= strlen(*prefixes) && memcmp(e->key, *prefixes, strlen(*prefixes)) == 0)
            return true;
    return false;
}

const wc_json *wc_gguf_metadata(const wc_gguf *g, const char *const *prefixes, size_t max_items, wc_arena *a,
                                wc_error *err)
{
    struct builder b = {g, a, 0};
    size_t n = 0;
    for (size_t i = 0; i < g->n_entries; i++)
        n += wanted(g, &g->entries[i], prefixes, max_items);
    wc_json *root = wc_arena_zalloc(a, 1, sizeof *root),
            *items = wc_arena_zalloc(a, 2 * n + 1, sizeof *items);
    bool ok = root && items && n < UINT32_MAX / 2;
    for (size_t i = 0, used = 0; ok && i < g->n_entries; i++) {
        const wc_gguf_entry *e = &g->entries[i];
        if (!wanted(g, e, prefixes, max_items))
            continue;
        wc_json *key = &items[2 * used++];
        *key = (wc_json){.type = WC_JSON_STRING, .n = (uint32_t)e->n};
        key->u.text = wc_arena_strndup(a, e->key, e->n);
        b.at = e->at;
        ok = key->u.text && build_value(&b, key + 1, e->type);
    }
    if (!ok) {
        wc_fail_memory(err, n * sizeof *items);
        return NULL;
    }
    *root = (wc_json){.type = WC_JSON_OBJECT, .n = (uint32_t)n, .u.items = items};
    return root;
}
