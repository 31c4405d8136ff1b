/* gguf_write.c - the same tables as gguf_arch.h's reader uses, the other way round; the layout stands in gguf.c.
 *
 * Head first: all sizes are known before a byte of data is read.  Then tensor by tensor, a few rows at a time, so that memory
 * does not depend on the model; pages of the mapping that are done with are given back. */
#include "formats/gguf_write.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/file_out.h"
#include "base/mem.h"
#include "base/size.h"
#include "formats/config.h"
#include "formats/gguf.h"
#include "formats/gguf_arch.h"
#include "formats/names.h"
#include "tensor/store.h"

enum { U32 = 4, I32 = 5, F32 = 6, BOOL = 7, STRING = 8, ARRAY = 9, ALIGNMENT = 32 };
enum { MAX_HEAD = 1 << 30, AT_ONCE = 1 << 18, MAX_FACTORS = 4096 };

/* A tensor on its way: one of the checkpoint, or a list of factors that the configuration tells. */
struct item {
    char name[128];
    wc_tensor from;
    wc_dtype type;
    uint64_t begin, bytes;
    int heads;     /* > 0: rows are paired (gguf_arch.h) */
    bool plus_one; /* a norm that the files have with its 1 */
};

struct writer {
    const wc_checkpoint *c;
    const wc_gguf_write_options *o;
    const wc_gguf_arch *arch;
    const wc_json *config; /* of the text model */
    wc_error *err;
    wc_arena *arena;
    wc_buf head;
    size_t n_pairs;
    struct item *items; /* [n_items] */
    size_t n_items;
    wc_file_out file;
};

/* ---- metadata ---- */

static void put_number(wc_buf *b, uint64_t x, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++)
        wc_buf_putc(b, (char)(x >> 8 * i));
}

static void put_text(wc_buf *b, const char *s, size_t n)
{
    put_number(b, n, 8);
    wc_buf_add(b, s, n);
}

static void put_key(struct writer *w, const char *key, unsigned type)
{
    put_text(&w->head, key, strlen(key));
    put_number(&w->head, type, 4);
    w->n_pairs++;
}

static void put_float(wc_buf *b, double x)
{
    const float single = (float)x;
    uint32_t bits;
    memcpy(&bits, &single, sizeof bits);
    put_number(b, bits, 4);
}

static void put_string_pair(struct writer *w, const char *key, const char *s)
{
    put_key(w, key, STRING);
    put_text(&w->head, s, strlen(s));
}

static const char *arch_key(const struct writer *w, const char *key, char out[128])
{
    snprintf(out, 128, "%s.%s", w->arch->name, key);
    return out;
}

static void put_whole(struct writer *w, const char *key, int64_t x)
{
    char full[128];
    put_key(w, arch_key(w, key, full), U32);
    put_number(&w->head, (uint64_t)x, 4);
}

static void put_real(struct writer *w, const char *key, double x)
{
    char full[128];
    put_key(w, arch_key(w, key, full), F32);
    put_float(&w->head, x);
}

/* A value of a tree as it is: integers become u32 (in lists i32), numbers f32. */
static void put_scalar(wc_buf *b, const wc_json *v)
{
    if (wc_json_is(v, WC_JSON_STRING))
        put_text(b, v->u.text, v->n);
    else if (wc_json_is(v, WC_JSON_INT))
        put_number(b, (uint64_t)v->u.integer, 4);
    else if (wc_json_is(v, WC_JSON_DOUBLE))
        put_float(b, v->u.number);
    else
        wc_buf_putc(b, wc_json_is(v, WC_JSON_TRUE) ? 1 : 0);
}

static unsigned type_of(const wc_json *v, bool in_list)
{
    return wc_json_is(v, WC_JSON_STRING)   ? STRING
           : wc_json_is(v, WC_JSON_INT)    ? (in_list ? I32 : U32)
           : wc_json_is(v, WC_JSON_DOUBLE) ? F32
                                           : BOOL;
}

static void put_tree(struct writer *w, const wc_json *tree)
{
    for (size_t i = 0; i < wc_json_count(tree); i++) {
        const wc_json *v = wc_json_value(tree, i);
        const bool list = wc_json_is(v, WC_JSON_ARRAY);
        put_key(w, wc_json_key(tree, i)->u.text, list ? ARRAY : type_of(v, false));
        if (!list) {
            put_scalar(&w->head, v);
            continue;
        }
        put_number(&w->head, v->n ? type_of(wc_json_item(v, 0), true) : STRING, 4);
        put_number(&w->head, v->n, 8);
        for (uint32_t k = 0; k < v->n; k++)
            put_scalar(&w->head, wc_json_item(v, k));
    }
}

/* ---- the configuration ---- */

static const wc_json *field(const struct writer *w, const char *key)
{
    const wc_json *v = wc_json_get(w->config, key);
    return wc_json_is_null(v) ? NULL : v;
}

/* A field of rope, wherever the version of the configuration has it. */
static const wc_json *rope_field(const struct writer *w, const char *key)
{
    static const char *const places[] = {"rope_parameters.full_attention", "rope_parameters", "rope_scaling",
                                         ""};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        const wc_json *in = *places[i] ? wc_json_path(w->config, places[i]) : w->config,
                      *v = wc_json_get(in, key);
        if (!wc_json_is_null(v))
            return v;
    }
    return NULL;
}

static bool is_gemma(const struct writer *w)
{
    return strncmp(w->arch->name, "gemma", 5) == 0;
}

static bool same_scalar(const wc_json *a, const wc_json *b)
{
    return wc_json_is(b, WC_JSON_STRING) ? wc_json_string_is(a, b->u.text)
           : wc_json_is(b, WC_JSON_INT)  ? wc_json_number(a, -1) == wc_json_number(b, -1)
                                         : a->type == b->type;
}

/* Refuses what the architecture's files cannot tell: they would be read as another model.  Gemma's names of its activation are
 * many and mean one. */
static bool check_fixed(struct writer *w)
{
    const size_t n = strlen(w->arch->fixed); /* ends with a comma */
    wc_buf text;
    wc_buf_init(&text, n + 2);
    wc_buf_printf(&text, "{%.*s}", (int)(n > 0 ? n - 1 : 0), w->arch->fixed);
    const wc_json *fixed = wc_json_parse(w->arena, wc_buf_str(&text), text.size,
                                         wc_checkpoint_config_file(w->c), 0, w->err);
    wc_buf_release(&text);
    if (!fixed)
        return false;
    for (size_t i = 0; !is_gemma(w) && i < wc_json_count(fixed); i++) {
        const char *key = wc_json_key(fixed, i)->u.text;
        const wc_json *own = field(w, key);
        if (own && !same_scalar(own, wc_json_value(fixed, i)))
            return wc_fail(w->err, WC_UNSUPPORTED,
                           "%s: %s: this value cannot be written: GGUF files of %s have no such key",
                           wc_checkpoint_config_file(w->c), key, w->arch->name);
    }
    if (wc_json_is(field(w, "use_bidirectional_attention"), WC_JSON_TRUE)) /* EmbeddingGemma */
        return wc_fail(
            w->err, WC_UNSUPPORTED,
            "%s: use_bidirectional_attention: this value cannot be written: GGUF files of %s have no "
            "such key",
            wc_checkpoint_config_file(w->c), w->arch->name);
    const wc_json *rope = field(w, "no_rope_layers"); /* SmolLM3: every fourth is 0 */
    for (size_t i = 0; i < wc_json_count(rope); i++)
        if ((wc_json_number(wc_json_item(rope, i), -1) != 0) != ((i + 1) % 4 != 0))
            return wc_fail(w->err, WC_UNSUPPORTED,
                           "%s: no_rope_layers: GGUF files of %s have every fourth layer 0",
                           wc_checkpoint_config_file(w->c), w->arch->name);
    return true;
}

/* What the families' configurations leave out. */
static double default_of(const struct writer *w, const char *key)
{
    if (strcmp(key, "rms_norm_eps") == 0)
        return 1e-6;
    if (strcmp(key, "layer_norm_eps") == 0)
        return 1e-5;
    if (strcmp(key, "max_position_embeddings") == 0)
        return is_gemma(w) ? 8192 : 2048;
    if (strcmp(key, "sliding_window") == 0 && is_gemma(w))
        return 4096;
    return -1;
}

static bool put_keys(struct writer *w, const wc_gguf_key *keys)
{
    const char *file = wc_checkpoint_config_file(w->c);
    for (; keys->hf; keys++) {
        const wc_json *v = strcmp(keys->hf, "rope_theta") == 0 ? rope_field(w, keys->hf) : field(w, keys->hf);
        double x = v ? wc_json_number(v, -1) : keys->required ? default_of(w, keys->hf) : -1;
        if (strcmp(keys->hf, "rope_theta") == 0 && !v)
            x = 10000;
        if (!v && x < 0) {
            if (keys->required)
                return wc_fail(w->err, WC_BAD_FILE, "%s: %s: missing", file, keys->hf);
            continue;
        }
        if (!(x >= keys->min && x <= keys->max) || (keys->whole && x != floor(x)))
            return wc_fail(w->err, WC_BAD_FILE, "%s: %s: expected %s from %g to %g, found %s", file, keys->hf,
                           keys->whole ? "an integer" : "a number", keys->min, keys->max,
                           v && v->type >= WC_JSON_INT && v->type <= WC_JSON_DOUBLE ? "one outside"
                                                                                    : wc_json_type_name(v));
        if (keys->whole)
            put_whole(w, keys->gguf, (int64_t)x);
        else
            put_real(w, keys->gguf, x);
    }
    return true;
}

/* The keys of one architecture that the common ones have too are written once. */
static bool put_own_keys(struct writer *w)
{
    for (const wc_gguf_key *k = w->arch->keys; k->hf; k++) {
        const wc_gguf_key one[] = {*k, {0}};
        bool common = false;
        for (const wc_gguf_key *other = wc_gguf_common_keys; other->hf; other++)
            common = common || (strcmp(other->hf, k->hf) == 0 && field(w, k->hf));
        if (!common && !put_keys(w, one))
            return false;
    }
    return true;
}

static int whole_or(const struct writer *w, const char *key, int fallback)
{
    const wc_json *v = field(w, key);
    return wc_json_is(v, WC_JSON_INT) && v->u.integer > 0 && v->u.integer < 1 << 24 ? (int)v->u.integer
                                                                                    : fallback;
}

static int n_heads(const struct writer *w)
{
    return whole_or(w, "num_attention_heads", 1);
}

static int n_kv_heads(const struct writer *w)
{
    return whole_or(w, "num_key_value_heads", n_heads(w));
}

static void put_heads(struct writer *w)
{
    const int d = whole_or(w, "head_dim", whole_or(w, "hidden_size", 1) / n_heads(w));
    const wc_json *part = rope_field(w, "partial_rotary_factor");
    put_whole(w, "attention.head_count_kv", n_kv_heads(w));
    put_whole(w, "attention.key_length", d);
    put_whole(w, "attention.value_length", d);
    put_whole(w, "rope.dimension_count", part ? (int64_t)(wc_json_number(part, 1) * d) : d);
    if (field(w, "query_pre_attn_scalar"))
        put_real(w, "attention.scale", 1 / sqrt(wc_json_number(field(w, "query_pre_attn_scalar"), d)));
}

/* Which layers see a window only, and their own rope, where a model mixes both kinds. */
static void put_layer_kinds(struct writer *w)
{
    const wc_json *kinds = field(w, "layer_types");
    const wc_json *local = wc_json_path(w->config, "rope_parameters.sliding_attention.rope_theta");
    char full[128];
    if (strcmp(w->arch->name, "gemma3") != 0)
        return;
    if (!local)
        local = field(w, "rope_local_base_freq");
    put_real(w, "rope.freq_base_swa", wc_json_number(local, 10000));
    if (!wc_json_is(kinds, WC_JSON_ARRAY)) {
        put_whole(w, "attention.sliding_window_pattern", whole_or(w, "sliding_window_pattern", 6));
        return;
    }
    put_key(w, arch_key(w, "attention.sliding_window_pattern", full), ARRAY);
    put_number(&w->head, BOOL, 4);
    put_number(&w->head, kinds->n, 8);
    for (uint32_t i = 0; i < kinds->n; i++)
        wc_buf_putc(&w->head, wc_json_string_is(wc_json_item(kinds, i), "sliding_attention") ? 1 : 0);
}

static bool add_item(struct writer *w, const char *name, wc_tensor from);

/* Factors as a tensor of f32. */
static bool add_factors(struct writer *w, const char *name, const float *x, size_t n)
{
    float *copy = wc_arena_alloc(w->arena, n * sizeof *copy);
    if (!copy)
        return wc_fail_memory(w->err, n * sizeof *copy);
    memcpy(copy, x, n * sizeof *copy);
    return add_item(w, name, wc_tensor_of(copy, WC_F32, WC_SHAPE(n)));
}

static bool add_llama3_factors(struct writer *w)
{
    const int d = whole_or(w, "head_dim", whole_or(w, "hidden_size", 1) / n_heads(w));
    const double base = wc_json_number(rope_field(w, "rope_theta"), 10000),
                 factor = wc_json_number(rope_field(w, "factor"), 1),
                 low = wc_json_number(rope_field(w, "low_freq_factor"), 1),
                 high = wc_json_number(rope_field(w, "high_freq_factor"), 4),
                 original = wc_json_number(rope_field(w, "original_max_position_embeddings"), 8192);
    float divisors[MAX_FACTORS];
    if (d / 2 > MAX_FACTORS || !(high > low))
        return wc_fail(w->err, WC_BAD_FILE,
                       "%s: rope_scaling: expected high_freq_factor above low_freq_factor",
                       wc_checkpoint_config_file(w->c));
    for (int i = 0; i < d / 2; i++) {
        const double wavelength = 2 * 3.14159265358979323846 * pow(base, 2.0 * i / d);
        const double g = (original / wavelength - low) / (high - low);
        divisors[i] = (float)(wavelength < original / high  ? 1
                              : wavelength > original / low ? factor
                                                            : 1 / ((1 - g) / factor + g));
    }
    return add_factors(w, "rope_freqs.weight", divisors, (size_t)d / 2);
}

static bool add_longrope_factors(struct writer *w)
{
    static const char *const lists[][2] = {{"long_factor", "rope_factors_long.weight"},
                                           {"short_factor", "rope_factors_short.weight"}};
    for (int k = 0; k < 2; k++) {
        const wc_json *list = rope_field(w, lists[k][0]);
        float x[MAX_FACTORS];
        if (!wc_json_is(list, WC_JSON_ARRAY) || list->n == 0 || list->n > MAX_FACTORS)
            return wc_fail(w->err, WC_BAD_FILE, "%s: rope_scaling.%s: expected a list of numbers, found %s",
                           wc_checkpoint_config_file(w->c), lists[k][0], wc_json_type_name(list));
        for (uint32_t i = 0; i < list->n; i++)
            x[i] = (float)wc_json_number(wc_json_item(list, i), 1);
        if (!add_factors(w, lists[k][1], x, list->n))
            return false;
    }
    return true;
}

static bool put_rope_scaling(struct writer *w)
{
    char full[128];
    const wc_json *type = rope_field(w, "rope_type");
    if (!type)
        type = rope_field(w, "type");
    if (!type || wc_json_string_is(type, "default"))
        return true;
    if (wc_json_string_is(type, "llama3"))
        return add_llama3_factors(w);
    if (wc_json_string_is(type, "longrope"))
        return add_longrope_factors(w);
    if (!wc_json_string_is(type, "linear"))
        return wc_fail(w->err, WC_UNSUPPORTED,
                       "%s: rope_type: expected default, linear, llama3 or longrope, found %s",
                       wc_checkpoint_config_file(w->c),
                       wc_json_is(type, WC_JSON_STRING) ? type->u.text : wc_json_type_name(type));
    put_string_pair(w, arch_key(w, "rope.scaling.type", full), "linear");
    put_real(w, "rope.scaling.factor", wc_json_number(rope_field(w, "factor"), 1));
    return true;
}

/* The number that stands for a file whose matrices are of a type. */
static uint32_t file_type(wc_dtype t)
{
    return t == WC_F32 ? 0 : t == WC_F16 ? 1 : t == WC_BF16 ? 32 : t == WC_Q8_0 ? 7 : 2;
}

static bool put_metadata(struct writer *w)
{
    char full[128];
    put_string_pair(w, "general.architecture", w->arch->name);
    put_string_pair(w, "general.type", "model");
    put_string_pair(w, "general.name", w->o->name);
    put_key(w, "general.file_type", U32);
    put_number(&w->head, file_type(w->o->type), 4);
    put_key(w, "general.quantization_version", U32);
    put_number(&w->head, 2, 4);
    if (!check_fixed(w) || !put_keys(w, wc_gguf_common_keys) || !put_own_keys(w) || !put_rope_scaling(w))
        return false;
    put_heads(w);
    put_layer_kinds(w);
    put_key(w, arch_key(w, "vocab_size", full), U32);
    put_number(&w->head, (uint64_t)whole_or(w, "vocab_size", 0), 4);
    put_tree(w, w->o->tokenizer);
    return wc_buf_check(&w->head, "metadata", w->err);
}

/* ---- tensors ---- */

static bool ends_with(const char *s, const char *end)
{
    const size_t n = strlen(s), e = strlen(end);
    return n >= e && strcmp(s + n - e, end) == 0;
}

static bool add_item(struct writer *w, const char *name, wc_tensor from)
{
    struct item *t = &w->items[w->n_items++];
    size_t bytes;
    *t = (struct item){.from = from, .type = from.ndim == 2 ? w->o->type : WC_F32};
    snprintf(t->name, sizeof t->name, "%s", name);
    if (from.shape[from.ndim - 1] % wc_dtype_get(t->type)->block_elems)
        t->type = WC_F16; /* rows that are no whole number of blocks */
    if (!wc_dtype_bytes(t->type, wc_tensor_elems(&from), &bytes))
        return wc_fail(w->err, WC_BAD_FILE, "%s: tensor %s: too large", wc_checkpoint_weights_file(w->c),
                       name);
    t->bytes = bytes;
    t->plus_one = (w->arch->flags & WC_GGUF_NORMS_PLUS_ONE) && ends_with(name, "norm.weight");
    if (w->arch->flags & WC_GGUF_PAIRED)
        t->heads = strstr(name, ".attn_q.") ? n_heads(w) : strstr(name, ".attn_k.") ? n_kv_heads(w) : 0;
    if (t->heads && (from.shape[0] % (size_t)t->heads || from.shape[0] / (size_t)t->heads % 2))
        return wc_fail(w->err, WC_BAD_FILE,
                       "%s: tensor %s: shape: expected rows of %d heads of an even size, found %zu",
                       wc_checkpoint_weights_file(w->c), name, t->heads, from.shape[0]);
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
static bool name_of(const struct writer *w, const char *name, char out[WC_NAME_ROOM])
{
    char spelling[WC_NAME_ROOM];
    for (size_t i = 0; wc_name_spelling(name, i, spelling); i++)
        if (wc_gguf_tensor_name(w->arch, spelling, out))
            return true;
    return false;
}

static bool add_tensors(struct writer *w)
{
    const char *file = wc_checkpoint_weights_file(w->c);
    const bool tied = wc_json_is(field(w, "tie_word_embeddings"), WC_JSON_TRUE);
    for (size_t i = 0; i < wc_checkpoint_n_tensors(w->c); i++) {
        const wc_tensor from = wc_checkpoint_tensor(w->c, i);
        char name[WC_NAME_ROOM];
        if (is_left_out(from.name))
            continue;
        if (!name_of(w, from.name, name) || strlen(name) > 63)
            return wc_fail(w->err, WC_UNSUPPORTED,
                           "%s: tensor %.200s: the architecture %s has no name for it", file, from.name,
                           w->arch->name);
        if (from.dtype > WC_BF16)
            return wc_fail(w->err, WC_UNSUPPORTED,
                           "%s: tensor %.200s: dtype: expected f32, f16 or bf16, found %s", file, from.name,
                           wc_dtype_get(from.dtype)->name);
        if (strcmp(name, "output.weight") == 0 && tied)
            continue; /* the same numbers once more */
        if (!add_item(w, name, from))
            return false;
    }
    return true;
}

static bool put_tensor_infos(struct writer *w)
{
    uint64_t at = 0;
    for (size_t i = 0; i < w->n_items; i++) {
        struct item *t = &w->items[i];
        t->begin = at;
        put_text(&w->head, t->name, strlen(t->name));
        put_number(&w->head, (uint64_t)t->from.ndim, 4);
        for (int d = t->from.ndim - 1; d >= 0; d--)
            put_number(&w->head, t->from.shape[d], 8);
        put_number(&w->head, wc_gguf_type(t->type), 4);
        put_number(&w->head, at, 8);
        at += (t->bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    }
    return wc_buf_check(&w->head, "tensor descriptions", w->err);
}

/* Row r of the file is this row of the tensor. */
static size_t row_of(const struct item *t, size_t r)
{
    if (t->heads == 0)
        return r;
    const size_t d = t->from.shape[0] / (size_t)t->heads, in_head = r % d;
    return r - in_head + in_head % 2 * (d / 2) + in_head / 2;
}

static bool write_rows(struct writer *w, const struct item *t, float *values, char *stored, size_t first,
                       size_t n)
{
    const size_t width = t->from.shape[t->from.ndim - 1], from_bytes = wc_dtype_offset(t->from.dtype, width);
    size_t bytes = 0;
    for (size_t r = 0; r < n; r++) {
        /* a paired vector (a bias) has rows of one value */
        const bool vector = t->from.ndim == 1;
        const char *row = (const char *)t->from.data + row_of(t, first + r) * (vector ? 0 : from_bytes);
        wc_store_widen(values + r * width, row, t->from.dtype, width);
        if (vector && t->heads) {
            float *copy = values + width;
            memcpy(copy, values, width * sizeof *copy);
            for (size_t i = 0; i < width; i++)
                values[i] = copy[row_of(t, i)];
        }
        for (size_t i = 0; t->plus_one && i < width; i++)
            values[r * width + i] += 1;
    }
    if (!wc_store_narrow(stored, values, t->type, n * width))
        return wc_fail(w->err, WC_REFUSED, "tensor %s: a value does not fit f16; take --type bf16 or f32",
                       t->name);
    return wc_dtype_bytes(t->type, n * width, &bytes) && wc_file_out_write(&w->file, stored, bytes, w->err);
}

static bool write_tensor(struct writer *w, const struct item *t)
{
    const size_t width = t->from.shape[t->from.ndim - 1], rows = wc_tensor_elems(&t->from) / width;
    const size_t at_once = wc_max_size(AT_ONCE / width, 1);
    float *values = wc_mem_alloc((at_once + 1) * width * sizeof *values);
    char *stored = wc_mem_alloc(at_once * width * sizeof(float));
    bool ok = (values && stored) || wc_fail_memory(w->err, at_once * width * sizeof *values);
    for (size_t r = 0; ok && r < rows; r += at_once)
        ok = write_rows(w, t, values, stored, r, wc_min_size(at_once, rows - r));
    wc_mem_free(values);
    wc_mem_free(stored);
    wc_checkpoint_done_with(w->c, &t->from);
    return ok && wc_file_out_pad(&w->file, (size_t)(-t->bytes % ALIGNMENT), w->err);
}

static bool write_all(struct writer *w, const char *path)
{
    wc_buf start;
    wc_buf_init(&start, 64);
    wc_buf_puts(&start, "GGUF");
    put_number(&start, 3, 4);
    put_number(&start, w->n_items, 8);
    put_number(&start, w->n_pairs, 8);
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

static bool find_arch(struct writer *w)
{
    const wc_json *config = wc_checkpoint_config(w->c), *text = wc_json_get(config, "text_config");
    w->config = wc_json_is(text, WC_JSON_OBJECT) ? text : config;
    const wc_json *type = wc_json_get(w->config, "model_type");
    w->arch = wc_json_is(type, WC_JSON_STRING) ? wc_gguf_arch_of(type->u.text) : NULL;
    return w->arch || wc_fail(w->err, WC_UNSUPPORTED, "%s: model_type: %s cannot be written as GGUF",
                              wc_checkpoint_config_file(w->c),
                              wc_json_is(type, WC_JSON_STRING) ? type->u.text : wc_json_type_name(type));
}

bool wc_gguf_write(const wc_checkpoint *c, const char *path, const wc_gguf_write_options *o, wc_error *err)
{
    struct writer w = {.c = c, .o = o, .err = err, .arena = wc_arena_new(0), .file = {.fd = -1}};
    wc_buf_init(&w.head, MAX_HEAD);
    w.items = w.arena ? wc_arena_zalloc(w.arena, wc_checkpoint_n_tensors(c) + 4, sizeof *w.items) : NULL;
    bool ok = w.items ? find_arch(&w) && add_tensors(&w) && put_metadata(&w) && put_tensor_infos(&w) &&
                            write_all(&w, path)
                      : wc_fail_memory(err, 1);
    wc_buf_release(&w.head);
    wc_arena_free(w.arena);
    return ok;
}
