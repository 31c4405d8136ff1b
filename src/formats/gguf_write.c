/* gguf_write.c - the same tables as gguf_arch.h's reader uses, the other way round; the layout stands in gguf.c.
 *
 * Head first: all sizes are known before a byte of data is read.  Then tensor by tensor, a few rows at a time, so that memory
 * does not depend on the model; pages of the mapping that are done with are given back. */
#include "formats/gguf_write.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/size.h"
#include "formats/config.h"
#include "formats/gguf.h"
#include "formats/gguf_writer.h"
#include "tensor/store.h"

enum { ALIGNMENT = 32, MAX_HEAD = 1 << 30, AT_ONCE = 1 << 18 };

/* ---- metadata ---- */

void wc_gguf_put_bytes(wc_buf *b, uint64_t x, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++)
        wc_buf_putc(b, (char)(x >> 8 * i));
}

static void put_text(wc_buf *b, const char *s, size_t n)
{
    wc_gguf_put_bytes(b, n, 8);
    wc_buf_add(b, s, n);
}

void wc_gguf_put_key(wc_gguf_writer *w, const char *key, unsigned type)
{
    put_text(&w->head, key, strlen(key));
    wc_gguf_put_bytes(&w->head, type, 4);
    w->n_pairs++;
}

static void put_float(wc_buf *b, double x)
{
    const float single = (float)x;
    uint32_t bits;
    memcpy(&bits, &single, sizeof bits);
    wc_gguf_put_bytes(b, bits, 4);
}

void wc_gguf_put_string(wc_gguf_writer *w, const char *key, const char *s)
{
    wc_gguf_put_key(w, key, WC_GGUF_STRING);
    put_text(&w->head, s, strlen(s));
}

void wc_gguf_put_bool(wc_gguf_writer *w, const char *key, bool x)
{
    wc_gguf_put_key(w, key, WC_GGUF_BOOL);
    wc_gguf_put_bytes(&w->head, x, 1);
}

const char *wc_gguf_arch_key(const wc_gguf_writer *w, const char *key, char out[128])
{
    snprintf(out, 128, "%s.%s", w->arch->name, key);
    return out;
}

void wc_gguf_put_whole(wc_gguf_writer *w, const char *key, int64_t x)
{
    char full[128];
    wc_gguf_put_key(w, wc_gguf_arch_key(w, key, full), WC_GGUF_U32);
    wc_gguf_put_bytes(&w->head, (uint64_t)x, 4);
}

void wc_gguf_put_real(wc_gguf_writer *w, const char *key, double x)
{
    char full[128];
    wc_gguf_put_key(w, wc_gguf_arch_key(w, key, full), WC_GGUF_F32);
    put_float(&w->head, x);
}

void wc_gguf_put_list(wc_gguf_writer *w, const char *key, unsigned type, const double *x, size_t n)
{
    char full[128];
    wc_gguf_put_key(w, wc_gguf_arch_key(w, key, full), WC_GGUF_ARRAY);
    wc_gguf_put_bytes(&w->head, type, 4);
    wc_gguf_put_bytes(&w->head, n, 8);
    for (size_t i = 0; i < n; i++)
        if (type == WC_GGUF_F32)
            put_float(&w->head, x[i]);
        else
            wc_gguf_put_bytes(&w->head, (uint64_t)(int64_t)x[i], type == WC_GGUF_BOOL ? 1 : 4);
}

/* A value of a tree as it is: integers become u32 (in lists i32), numbers f32. */
static void put_scalar(wc_buf *b, const wc_json *v)
{
    if (wc_json_is(v, WC_JSON_STRING))
        put_text(b, v->u.text, v->n);
    else if (wc_json_is(v, WC_JSON_INT))
        wc_gguf_put_bytes(b, (uint64_t)v->u.integer, 4);
    else if (wc_json_is(v, WC_JSON_DOUBLE))
        put_float(b, v->u.number);
    else
        wc_buf_putc(b, wc_json_is(v, WC_JSON_TRUE) ? 1 : 0);
}

static unsigned type_of(const wc_json *v, bool in_list)
{
    return wc_json_is(v, WC_JSON_STRING)   ? WC_GGUF_STRING
           : wc_json_is(v, WC_JSON_INT)    ? (in_list ? WC_GGUF_I32 : WC_GGUF_U32)
           : wc_json_is(v, WC_JSON_DOUBLE) ? WC_GGUF_F32
                                           : WC_GGUF_BOOL;
}

static void put_tree(wc_gguf_writer *w, const wc_json *tree)
{
    for (size_t i = 0; i < wc_json_count(tree); i++) {
        const wc_json *v = wc_json_value(tree, i);
        const bool list = wc_json_is(v, WC_JSON_ARRAY);
        wc_gguf_put_key(w, wc_json_key(tree, i)->u.text, list ? WC_GGUF_ARRAY : type_of(v, false));
        if (!list) {
            put_scalar(&w->head, v);
            continue;
        }
        wc_gguf_put_bytes(&w->head, v->n ? type_of(wc_json_item(v, 0), true) : WC_GGUF_STRING, 4);
        wc_gguf_put_bytes(&w->head, v->n, 8);
        for (uint32_t k = 0; k < v->n; k++)
            put_scalar(&w->head, wc_json_item(v, k));
    }
}

/* The number that stands for a file whose matrices are of a type. */
static uint32_t file_type(wc_dtype t)
{
    return t == WC_F32 ? 0 : t == WC_F16 ? 1 : t == WC_BF16 ? 32 : t == WC_Q8_0 ? 7 : 2;
}

static bool put_metadata(wc_gguf_writer *w)
{
    char full[128];
    wc_gguf_put_string(w, "general.architecture", w->tower ? "clip" : w->arch->name);
    wc_gguf_put_string(w, "general.type", w->tower ? "mmproj" : "model");
    wc_gguf_put_string(w, "general.name", w->o->name);
    wc_gguf_put_key(w, "general.file_type", WC_GGUF_U32);
    wc_gguf_put_bytes(&w->head, file_type(w->o->type), 4);
    wc_gguf_put_key(w, "general.quantization_version", WC_GGUF_U32);
    wc_gguf_put_bytes(&w->head, 2, 4);
    if (w->tower)
        return wc_clip_write_config(w) && wc_buf_check(&w->head, "metadata", w->err);
    if (!wc_gguf_write_config(w))
        return false;
    wc_gguf_put_key(w, wc_gguf_arch_key(w, "vocab_size", full), WC_GGUF_U32);
    wc_gguf_put_bytes(&w->head, (uint64_t)wc_gguf_field_or(w, "vocab_size", 0), 4);
    if (w->o->tokenizer)
        put_tree(w, w->o->tokenizer);
    else
        wc_gguf_put_string(w, "tokenizer.ggml.model", "none"); /* llama.cpp's word for it */
    return wc_buf_check(&w->head, "metadata", w->err);
}

/* ---- tensors ---- */

static bool ends_with(const char *s, const char *end)
{
    const size_t n = strlen(s), e = strlen(end);
    return n >= e && strcmp(s + n - e, end) == 0;
}

wc_gguf_item *wc_gguf_item_find(const wc_gguf_writer *w, const char *name)
{
    for (size_t i = w->n_items; i-- > 0;)
        if (strcmp(w->items[i].name, name) == 0)
            return &w->items[i];
    return NULL;
}

/* An item for up to n_parts tensors like this one, of which it has none yet. */
static wc_gguf_item *new_item(wc_gguf_writer *w, const char *name, wc_tensor like, size_t n_parts)
{
    wc_gguf_item *t = &w->items[w->n_items];
    *t = (wc_gguf_item){.ndim = like.ndim, .parts = wc_arena_zalloc(w->arena, n_parts, sizeof *t->parts)};
    snprintf(t->name, sizeof t->name, "%s", name);
    memcpy(t->shape, like.shape, sizeof t->shape);
    if (!t->parts) {
        wc_fail_memory(w->err, n_parts * sizeof *t->parts);
        return NULL;
    }
    w->n_items++;
    return t;
}

bool wc_gguf_item_add(wc_gguf_writer *w, const char *name, wc_tensor from)
{
    wc_gguf_item *t = new_item(w, name, from, 1);
    if (!t)
        return false;
    t->parts[t->n_parts++] = from;
    t->plus_one = (w->arch->flags & WC_GGUF_NORMS_PLUS_ONE) && ends_with(name, "norm.weight");
    if (w->arch->flags & WC_GGUF_PAIRED)
        t->heads = strstr(name, ".attn_q.")   ? wc_gguf_n_heads(w)
                   : strstr(name, ".attn_k.") ? wc_gguf_n_kv_heads(w)
                                              : 0;
    if (t->heads && (from.shape[0] % (size_t)t->heads || from.shape[0] / (size_t)t->heads % 2))
        return wc_fail(w->err, WC_BAD_FILE,
                       "%s: tensor %s: shape: expected rows of %d heads of an even size, found %zu",
                       wc_checkpoint_weights_file(w->c), name, t->heads, from.shape[0]);
    return true;
}

static bool add_halves(wc_gguf_writer *w, const wc_gguf_place *place, wc_tensor from)
{
    const size_t half = from.shape[0] / 2;
    if (from.shape[0] % 2 || half == 0)
        return wc_fail(w->err, WC_BAD_FILE,
                       "%s: tensor %s: shape: expected an even number of rows, found %zu",
                       wc_checkpoint_weights_file(w->c), from.name, from.shape[0]);
    return wc_gguf_item_add(w, place->name, wc_tensor_slice(from, 0, half)) &&
           wc_gguf_item_add(w, place->second, wc_tensor_slice(from, half, half));
}

static bool add_to_stack(wc_gguf_writer *w, const wc_gguf_place *place, wc_tensor from)
{
    const size_t i = (size_t)place->item;
    wc_gguf_item *t = wc_gguf_item_find(w, place->name);
    if (i >= WC_GGUF_MAX_STACK || from.ndim + 1 > WC_MAX_DIMS)
        return wc_fail(w->err, WC_UNSUPPORTED, "%s: tensor %s: expected at most %d matrices in a stack",
                       wc_checkpoint_weights_file(w->c), from.name, WC_GGUF_MAX_STACK);
    if (!t) {
        t = new_item(w, place->name, from, WC_GGUF_MAX_STACK);
        if (!t)
            return false;
        t->ndim++;
        memcpy(t->shape + 1, from.shape, (WC_MAX_DIMS - 1) * sizeof *from.shape);
    }
    if (memcmp(t->shape + 1, from.shape, (WC_MAX_DIMS - 1) * sizeof *from.shape) != 0)
        return wc_fail(w->err, WC_BAD_FILE, "%s: tensor %s: shape: expected that of the others in its stack",
                       wc_checkpoint_weights_file(w->c), from.name);
    t->parts[i] = from;
    t->n_parts = wc_max_size(t->n_parts, i + 1);
    t->shape[0] = t->n_parts;
    return true;
}

/* Rows, type and size, when all parts are there. */
static bool measure(const wc_gguf_writer *w, wc_gguf_item *t)
{
    const char *file = wc_checkpoint_weights_file(w->c);
    size_t bytes, elems = 1;
    for (size_t i = 0; i < t->n_parts; i++)
        if (!t->parts[i].data)
            return wc_fail(w->err, WC_BAD_FILE, "%s: tensor %s: matrix %zu of %zu is missing", file, t->name,
                           i, t->n_parts);
    for (int d = 0; d < t->ndim; d++)
        if (!wc_mul_size(elems, t->shape[d], &elems))
            return wc_fail(w->err, WC_BAD_FILE, "%s: tensor %s: too large", file, t->name);
    if (w->tower)
        wc_clip_write_shape(t);
    t->width = t->shape[t->ndim - 1];
    if (elems == 0)
        return wc_fail(w->err, WC_BAD_FILE, "%s: tensor %s: shape: expected no zero in it", file, t->name);
    t->n_rows = elems / t->width;
    /* routers and coefficients are small, and much hangs on them */
    const bool small = t->ndim < 2 || t->width < WC_GGUF_SMALL || t->shape[t->ndim - 2] < WC_GGUF_SMALL;
    t->type = w->tower ? wc_clip_write_type(w, t) : small ? WC_F32 : w->o->type;
    if (t->width % wc_dtype_get(t->type)->block_elems)
        t->type = WC_F16; /* rows that are no whole number of blocks */
    if (!wc_dtype_bytes(t->type, elems, &bytes))
        return wc_fail(w->err, WC_BAD_FILE, "%s: tensor %s: too large", file, t->name);
    t->bytes = bytes;
    return true;
}

/* The towers of a model that also sees and hears stay behind, and buffers that are computed. */
static bool is_left_out(const char *name)
{
    static const char *const parts[] = {"vision_tower.", "audio_tower.",           "embed_vision.",
                                        "embed_audio.",  "multi_modal_projector.", "rotary_emb.inv_freq"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (strstr(name, parts[i]))
            return true;
    return false;
}

/* The file's name for a tensor in any of its spellings. */
static bool place_of(const wc_gguf_writer *w, const char *name, wc_gguf_place *place)
{
    char spelling[WC_NAME_ROOM];
    for (size_t i = 0; wc_name_spelling(name, i, spelling); i++)
        if (w->tower ? wc_clip_place(spelling, place) : wc_gguf_tensor_place(w->arch, spelling, place))
            return true;
    return false;
}

/* A head that is the embedding once more is left out. */
static bool is_embedding(const wc_gguf_writer *w, wc_tensor head)
{
    wc_tensor embed;
    size_t bytes;
    const bool tied = wc_json_is(wc_gguf_field(w, "tie_word_embeddings"), WC_JSON_TRUE) ||
                      wc_json_is(wc_gguf_field(w, "share_input_output_layers"), WC_JSON_TRUE);
    if (!tied || !wc_checkpoint_embedding(w->c, &embed))
        return false;
    return embed.dtype == head.dtype && wc_tensor_elems(&embed) == wc_tensor_elems(&head) &&
           wc_dtype_bytes(head.dtype, wc_tensor_elems(&head), &bytes) &&
           memcmp(embed.data, head.data, bytes) == 0;
}

static bool add_tensors(wc_gguf_writer *w)
{
    const char *file = wc_checkpoint_weights_file(w->c);
    for (size_t i = 0; i < wc_checkpoint_n_tensors(w->c); i++) {
        const wc_tensor from = wc_checkpoint_tensor(w->c, i);
        wc_gguf_place place;
        if (w->tower ? wc_clip_write_leaves_out(from.name) : is_left_out(from.name))
            continue;
        if (!place_of(w, from.name, &place) || strlen(place.name) > 63)
            return wc_fail(w->err, WC_UNSUPPORTED,
                           "%s: tensor %.200s: the architecture %s has no name for it", file, from.name,
                           w->arch->name);
        if (from.dtype > WC_BF16)
            return wc_fail(w->err, WC_UNSUPPORTED,
                           "%s: tensor %.200s: dtype: expected f32, f16 or bf16, found %s", file, from.name,
                           wc_dtype_get(from.dtype)->name);
        if (strcmp(place.name, "output.weight") == 0 && is_embedding(w, from))
            continue;
        if (!(place.item >= 0 ? add_to_stack(w, &place, from)
              : *place.second ? add_halves(w, &place, from)
                              : wc_gguf_item_add(w, place.name, from)))
            return false;
    }
    return true;
}

static bool put_tensor_infos(wc_gguf_writer *w)
{
    uint64_t at = 0;
    for (size_t i = 0; i < w->n_items; i++) {
        wc_gguf_item *t = &w->items[i];
        if (!measure(w, t))
            return false;
        t->begin = at;
        put_text(&w->head, t->name, strlen(t->name));
        wc_gguf_put_bytes(&w->head, (uint64_t)t->ndim, 4);
        for (int d = t->ndim - 1; d >= 0; d--)
            wc_gguf_put_bytes(&w->head, t->shape[d], 8);
        wc_gguf_put_bytes(&w->head, wc_gguf_type(t->type), 4);
        wc_gguf_put_bytes(&w->head, at, 8);
        at += (t->bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    }
    return wc_buf_check(&w->head, "tensor descriptions", w->err);
}

/* Entry r of heads' rows in the file is this one of the tensor's. */
static size_t unpaired(const wc_gguf_item *t, size_t r)
{
    if (t->heads == 0)
        return r;
    const size_t d = t->parts[0].shape[0] / (size_t)t->heads, in_head = r % d;
    return r - in_head + in_head % 2 * (d / 2) + in_head / 2;
}

/* Row r of the file, widened. */
static void read_row(const wc_gguf_item *t, size_t r, float *to)
{
    const size_t rows = wc_tensor_elems(&t->parts[0]) / t->width;
    const wc_tensor *from = r / rows < t->n_parts ? &t->parts[r / rows] : &t->parts[0];
    const size_t row = r / rows < t->n_parts ? unpaired(t, r) % rows : 0;
    const char *data = from->data;
    if (t->ndim == 1) { /* a paired vector (a bias) has rows of one value */
        for (size_t i = 0; i < t->width; i++)
            wc_store_widen(to + i, data + wc_dtype_offset(from->dtype, unpaired(t, i)), from->dtype, 1);
    } else {
        wc_store_widen(to, data + row * wc_dtype_offset(from->dtype, t->width), from->dtype, t->width);
    }
    for (size_t i = 0; t->plus_one && i < t->width; i++)
        to[i] += 1;
}

static bool write_rows(wc_gguf_writer *w, const wc_gguf_item *t, float *values, char *stored, size_t first,
                       size_t n)
{
    size_t bytes = 0;
    for (size_t r = 0; r < n; r++)
        read_row(t, first + r, values + r * t->width);
    if (!wc_store_narrow(stored, values, t->type, n * t->width))
        return wc_fail(w->err, WC_REFUSED, "tensor %s: a value does not fit f16; take --type bf16 or f32",
                       t->name);
    return wc_dtype_bytes(t->type, n * t->width, &bytes) &&
           wc_file_out_write(&w->file, stored, bytes, w->err);
}

/* Pages of rows first to first + n of the file need not stay: a tensor may be half a model. */
static void done_rows(const wc_gguf_writer *w, const wc_gguf_item *t, size_t first, size_t n)
{
    const size_t rows = t->parts[0].shape[0];
    while (t->ndim > 1 && n > 0 && first / rows < t->n_parts) {
        const size_t in_part = first % rows, some = wc_min_size(n, rows - in_part);
        const wc_tensor done = wc_tensor_slice(t->parts[first / rows], in_part, some);
        wc_checkpoint_done_with(w->c, &done);
        first += some;
        n -= some;
    }
}

static bool write_tensor(wc_gguf_writer *w, const wc_gguf_item *t)
{
    const size_t at_once = wc_max_size(AT_ONCE / t->width, 1);
    float *values = wc_mem_alloc(at_once * t->width * sizeof *values);
    char *stored = wc_mem_alloc(at_once * t->width * sizeof(float));
    bool ok = (values && stored) || wc_fail_memory(w->err, at_once * t->width * sizeof *values);
    for (size_t r = 0; ok && r < t->n_rows; r += at_once) {
        const size_t n = wc_min_size(at_once, t->n_rows - r);
        ok = write_rows(w, t, values, stored, r, n);
        done_rows(w, t, r, n);
    }
    done_rows(w, t, 0, t->n_rows); /* what was mapped once more around the places read */
    wc_mem_free(values);
    wc_mem_free(stored);
    return ok && wc_file_out_pad(&w->file, (size_t)(-t->bytes % ALIGNMENT), w->err);
}

static bool write_all(wc_gguf_writer *w, const char *path)
{
    wc_buf start;
    wc_buf_init(&start, 64);
    wc_buf_puts(&start, "GGUF");
    wc_gguf_put_bytes(&start, 3, 4);
    wc_gguf_put_bytes(&start, w->n_items, 8);
    wc_gguf_put_bytes(&start, w->n_pairs, 8);
    bool ok = wc_file_out_open(&w->file, path, w->err) &&
              wc_file_out_write(&w->file, start.data, start.size, w->err) &&
              wc_file_out_write(&w->file, w->head.data, w->head.size, w->err) &&
              wc_file_out_pad(&w->file, (size_t)(-w->file.written % ALIGNMENT), w->err);
    uint64_t done = 0, total = 0;
    for (size_t i = 0; i < w->n_items; i++)
        total += w->items[i].bytes;
    for (size_t i = 0; ok && i < w->n_items; i++) {
        ok = write_tensor(w, &w->items[i]);
        done += w->items[i].bytes;
        if (w->o->progress)
            w->o->progress(w->o->user, "convert", (size_t)done, (size_t)total);
    }
    ok = ok && wc_file_out_finish(&w->file, w->err);
    wc_file_out_close(&w->file);
    wc_buf_release(&start);
    return ok;
}

/* ---- the whole ---- */

bool wc_gguf_write(const wc_checkpoint *c, const char *path, const wc_gguf_write_options *o, wc_error *err)
{
    wc_gguf_writer w = {.c = c, .o = o, .err = err, .arena = wc_arena_new(0), .file = {.fd = -1}};
    wc_buf_init(&w.head, MAX_HEAD);
    w.items = w.arena ? wc_arena_zalloc(w.arena, 2 * wc_checkpoint_n_tensors(c) + 8, sizeof *w.items) : NULL;
    bool ok = w.items ? wc_gguf_write_arch(&w) && (!o->mmproj || wc_clip_write_arch(&w)) && add_tensors(&w) &&
                            put_metadata(&w) && put_tensor_infos(&w) && write_all(&w, path)
                      : wc_fail_memory(err, 1);
    wc_buf_release(&w.head);
    wc_arena_free(w.arena);
    return ok;
}
