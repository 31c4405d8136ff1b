/* gguf_config.c - the configuration that a GGUF file's metadata tells, in Hugging Face's keys.  Values are checked here, where
 * the file's own names for them are known. */
#include "formats/gguf_config.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/nearest.h"
#include "formats/config.h"
#include "formats/gguf_builder.h"

enum { MAX_CONFIG = 1 << 20, MAX_FACTORS = 4096 };

const char *wc_gguf_full_key(const wc_gguf_builder *b, const char *key, char out[WC_GGUF_KEY_ROOM])
{
    snprintf(out, WC_GGUF_KEY_ROOM, "%s.%s", b->arch->name, key);
    return out;
}

const wc_json *wc_gguf_value(const wc_gguf_builder *b, const char *key)
{
    char full[WC_GGUF_KEY_ROOM];
    const wc_json *v = wc_json_get(b->f->metadata, wc_gguf_full_key(b, key, full));
    const bool by_layer = strncmp(key, "attention.head_count", 20) == 0 ||
                          strcmp(key, "feed_forward_length") == 0;
    if (!by_layer || !wc_json_is(v, WC_JSON_ARRAY) || v->n == 0)
        return v;
    for (uint32_t i = 1; i < v->n; i++)
        if (v->u.items[i].type != v->u.items[0].type ||
            wc_json_number(&v->u.items[i], 0) != wc_json_number(v->u.items, 0))
            return v;
    return v->u.items;
}

bool wc_gguf_number(const wc_gguf_builder *b, const wc_gguf_key *k, double *out, bool *found)
{
    char full[WC_GGUF_KEY_ROOM];
    const wc_json *v = wc_gguf_value(b, k->gguf);
    wc_gguf_full_key(b, k->gguf, full);
    *found = v != NULL;
    if (!v)
        return !k->required || wc_fail(b->err, WC_BAD_FILE, "%s: %s: missing; expected %s", b->f->path, full,
                                       k->whole ? "an integer" : "a number");
    /* the first files of Gemma 3n have a count of layers as a float */
    const bool number = wc_json_is(v, WC_JSON_INT) || wc_json_is(v, WC_JSON_BIGINT) ||
                        (wc_json_is(v, WC_JSON_DOUBLE) && (!k->whole || v->u.number == floor(v->u.number)));
    if (!number)
        return wc_fail(b->err, WC_BAD_FILE, "%s: %s: expected %s, found a value of another type (%s)",
                       b->f->path, full, k->whole ? "an integer" : "a number", wc_json_type_name(v));
    *out = wc_json_number(v, 0);
    if (!(*out >= k->min && *out <= k->max))
        return wc_fail(b->err, WC_BAD_FILE, "%s: %s: expected a number from %g to %g, found %g", b->f->path,
                       full, k->min, k->max, *out);
    return true;
}

void wc_gguf_put_number(wc_gguf_builder *b, const char *name, double x)
{
    if (x == floor(x) && fabs(x) < 1e9)
        wc_buf_printf(&b->out, "\"%s\":%.0f,", name, x);
    else
        wc_buf_printf(&b->out, "\"%s\":%.17g,", name, x);
}

bool wc_gguf_put_keys(wc_gguf_builder *b, const wc_gguf_key *keys)
{
    for (; keys->hf; keys++) {
        double x = 0;
        bool found;
        if ((b->arch->flags & WC_GGUF_WIDTH_LISTS) && strcmp(keys->hf, "intermediate_size") == 0)
            continue;
        if (!wc_gguf_number(b, keys, &x, &found))
            return false;
        if (found)
            wc_gguf_put_number(b, keys->hf, x);
    }
    return true;
}

bool wc_gguf_whole(const wc_gguf_builder *b, const char *key, double min, double max, int fallback, int *out)
{
    const wc_gguf_key k = {"", key, true, false, min, max};
    double x = 0;
    bool found;
    if (!wc_gguf_number(b, &k, &x, &found))
        return false;
    *out = found ? (int)x : fallback;
    return true;
}

/* Heads, their size, and how much of it rope turns. */
static bool put_heads(wc_gguf_builder *b)
{
    int heads, kv, width, d, value_d, rope, layers;
    if (!wc_gguf_whole(b, "attention.head_count", 1, 4096, 1, &heads) ||
        !wc_gguf_whole(b, "attention.head_count_kv", 1, 4096, heads, &kv) ||
        !wc_gguf_whole(b, "embedding_length", 1, 1 << 20, 1, &width) ||
        !wc_gguf_whole(b, "attention.key_length", 2, 4096, width / heads, &d) ||
        !wc_gguf_whole(b, "attention.value_length", 2, 4096, d, &value_d) ||
        !wc_gguf_whole(b, "block_count", 1, 1024, 1, &layers) ||
        !wc_gguf_whole(b, "rope.dimension_count", 0, 1 << 20, d, &rope))
        return false;
    const char *path = b->f->path, *arch = b->arch->name;
    if (heads % kv)
        return wc_fail(
            b->err, WC_BAD_FILE,
            "%s: %s.attention.head_count: expected a multiple of %s.attention.head_count_kv (%d), found %d",
            path, arch, arch, kv, heads);
    if (!wc_gguf_value(b, "attention.key_length") && width % heads)
        return wc_fail(
            b->err, WC_BAD_FILE,
            "%s: %s.embedding_length: expected a multiple of %s.attention.head_count (%d), found %d", path,
            arch, arch, heads, width);
    if (value_d != d)
        return wc_fail(b->err, WC_UNSUPPORTED,
                       "%s: %s.attention.value_length: expected that of keys (%d), found %d", path, arch, d,
                       value_d);
    if (rope == 0)
        rope = d;
    const bool part = b->arch->flags & WC_GGUF_PARTIAL_ROPE;
    if (rope % 2 || rope > d || (rope < d && !part))
        return wc_fail(b->err, WC_BAD_FILE, "%s: %s.rope.dimension_count: expected %s %d, found %d", path,
                       arch, part ? "an even number up to" : "the size of a head,", d, rope);
    wc_buf_printf(&b->out, "\"num_key_value_heads\":%d,\"head_dim\":%d,", kv, d);
    if (part)
        wc_buf_printf(&b->out, "\"partial_rotary_factor\":%.17g,", (double)rope / d);
    /* Scores are scaled by the size of a head, save in the 27B models, whose own rule is that of width / heads. */
    const wc_gguf_key scale_key = {"", "attention.scale", false, false, 1e-9, 1e9};
    double scale = 0;
    bool has_scale;
    if (!wc_gguf_number(b, &scale_key, &scale, &has_scale))
        return false;
    const bool large = (strcmp(arch, "gemma2") == 0 && layers == 46) ||
                       (strcmp(arch, "gemma3") == 0 && layers == 62);
    if (strcmp(arch, "gemma2") == 0 || strcmp(arch, "gemma3") == 0)
        wc_buf_printf(&b->out, "\"query_pre_attn_scalar\":%.9g,",
                      has_scale ? 1 / (scale * scale)
                      : large   ? (double)width / heads
                                : (double)d);
    return true;
}

const float *wc_gguf_floats(const wc_gguf_builder *b, const char *name, size_t *n)
{
    for (size_t i = 0; i < b->f->n_tensors; i++) {
        const wc_stored *t = &b->f->tensors[i];
        if (strcmp(t->name, name) == 0 && t->dtype == WC_F32 && t->ndim == 1 && t->elems <= MAX_FACTORS &&
            (uintptr_t)t->data % sizeof(float) == 0) {
            *n = (size_t)t->elems;
            return t->data;
        }
    }
    return NULL;
}

static void put_list(wc_gguf_builder *b, const char *name, const float *x, size_t n)
{
    wc_buf_printf(&b->out, "\"%s\":[", name);
    for (size_t i = 0; i < n; i++)
        wc_buf_printf(&b->out, "%s%.9g", i ? "," : "", isfinite((double)x[i]) ? (double)x[i] : 1.0);
    wc_buf_puts(&b->out, "]");
}

static bool put_rope_scaling(wc_gguf_builder *b)
{
    size_t n = 0, n_short = 0;
    const float *divisors = wc_gguf_floats(b, "rope_freqs.weight", &n);
    if (divisors) { /* Llama 3.1's stretched wavelengths: LongRoPE with one list for all lengths */
        wc_buf_puts(&b->out, "\"rope_scaling\":{\"type\":\"longrope\",\"attention_factor\":1.0,");
        put_list(b, "long_factor", divisors, n);
        wc_buf_puts(&b->out, ",");
        put_list(b, "short_factor", divisors, n);
        wc_buf_puts(&b->out, "},");
        return true;
    }
    const float *far = wc_gguf_floats(b, "rope_factors_long.weight", &n),
                *near = wc_gguf_floats(b, "rope_factors_short.weight", &n_short);
    if (far && near) {
        const wc_gguf_key scale_key = {"", "rope.scaling.attn_factor", false, false, 1e-3, 1e3};
        double scale;
        bool scaled;
        if (!wc_gguf_number(b, &scale_key, &scale, &scaled))
            return false;
        wc_buf_puts(&b->out, "\"rope_scaling\":{\"type\":\"longrope\",");
        if (scaled)
            wc_gguf_put_number(b, "attention_factor", scale);
        put_list(b, "long_factor", far, n);
        wc_buf_puts(&b->out, ",");
        put_list(b, "short_factor", near, n_short);
        wc_buf_puts(&b->out, "},");
        return true;
    }
    const wc_json *type = wc_gguf_value(b, "rope.scaling.type");
    if (!type || wc_json_string_is(type, "none"))
        return true;
    const wc_gguf_key k = {"factor", "rope.scaling.factor", false, true, 1e-3, 1e6};
    double factor;
    bool found;
    if (!wc_json_string_is(type, "linear"))
        return wc_fail(b->err, WC_UNSUPPORTED, "%s: %s.rope.scaling.type: expected none or linear, found %s",
                       b->f->path, b->arch->name,
                       wc_json_is(type, WC_JSON_STRING) ? type->u.text : wc_json_type_name(type));
    if (!wc_gguf_number(b, &k, &factor, &found))
        return false;
    wc_buf_printf(
        &b->out, "\"rope_scaling\":{\"type\":\"linear\",\"rope_type\":\"linear\",\"factor\":%.17g},", factor);
    return true;
}

const wc_stored *wc_gguf_find(const wc_gguf_builder *b, const char *name)
{
    for (size_t i = 0; i < b->f->n_tensors; i++)
        if (strcmp(b->f->tensors[i].name, name) == 0)
            return &b->f->tensors[i];
    return NULL;
}

/* The vocabulary's size is that of the embedding; the words must be as many. */
static bool put_vocabulary(wc_gguf_builder *b)
{
    const wc_stored *embed = wc_gguf_find(b, "token_embd.weight");
    if (!embed)
        return wc_fail(b->err, WC_BAD_FILE, "%s: tensor token_embd.weight: missing", b->f->path);
    const size_t rows = embed->shape[0];
    if (embed->ndim != 2 || rows > 1 << 24)
        return wc_fail(b->err, WC_BAD_FILE,
                       "%s: tensor token_embd.weight: shape: expected a matrix of at most %d rows",
                       b->f->path, 1 << 24);
    if (b->f->n_tokens && b->f->n_tokens != rows)
        return wc_fail(b->err, WC_BAD_FILE,
                       "%s: tokenizer.ggml.tokens: expected %zu, the rows of token_embd.weight, found %zu",
                       b->f->path, rows, b->f->n_tokens);
    wc_buf_printf(&b->out, "\"vocab_size\":%zu,\"tie_word_embeddings\":%s,", rows,
                  wc_gguf_find(b, "output.weight") ? "false" : "true");
    return true;
}

static void put_biases(wc_gguf_builder *b)
{
    if (wc_gguf_find(b, "blk.0.attn_q.bias"))
        wc_buf_printf(&b->out, "\"attention_bias\":true,");
    if (wc_gguf_find(b, "blk.0.ffn_up.bias"))
        wc_buf_printf(&b->out, "\"mlp_bias\":true,");
    if (wc_gguf_find(b, "output.bias"))
        wc_buf_printf(&b->out, "\"lm_head_bias\":true,");
}

static bool put_all(wc_gguf_builder *b)
{
    const unsigned flags = b->arch->flags;
    wc_buf_printf(&b->out, "{\"model_type\":\"%s\",%s", b->arch->model_type, b->arch->fixed);
    if ((!(flags & WC_GGUF_OWN_KEYS) && !wc_gguf_put_keys(b, wc_gguf_common_keys)) ||
        !wc_gguf_put_keys(b, b->arch->keys) ||
        (!(flags & WC_GGUF_OWN_HEADS) && (!put_heads(b) || !put_rope_scaling(b))) || !wc_gguf_put_layers(b) ||
        !put_vocabulary(b))
        return false;
    put_biases(b);
    wc_buf_printf(&b->out, "\"architectures\":[\"%s\"]}", b->arch->class_name);
    return wc_buf_check(&b->out, "a configuration made of metadata", b->err);
}

const wc_gguf_arch *wc_gguf_config_arch(const wc_gguf_file *f, wc_error *err)
{
    const wc_json *name = wc_json_get(f->metadata, "general.architecture");
    if (!wc_json_is(name, WC_JSON_STRING) || name->n == 0) {
        wc_fail(err, WC_BAD_FILE, "%s: general.architecture: expected a string, found %s", f->path,
                wc_json_is(name, WC_JSON_STRING) ? "an empty one" : wc_json_type_name(name));
        return NULL;
    }
    const wc_gguf_arch *arch = wc_gguf_arch_find(name->u.text);
    if (arch)
        return arch;
    if (wc_json_string_is(name, "clip")) {
        wc_fail(err, WC_UNSUPPORTED,
                "%s: general.architecture: clip is that of a model's picture tower; give the model's own "
                "file, and "
                "this one by --mmproj",
                f->path);
        return NULL;
    }
    wc_buf list;
    wc_buf_init(&list, 600);
    wc_nearest nearest = {0};
    for (size_t i = 0; wc_gguf_arch_at(i); i++) {
        wc_buf_printf(&list, "%s%s", i ? ", " : "", wc_gguf_arch_at(i)->name);
        wc_nearest_try(&nearest, name->u.text, wc_gguf_arch_at(i)->name);
    }
    wc_fail(err, WC_UNSUPPORTED,
            "%s: general.architecture: \"%.60s\" is not supported; nearest is %s; supported: %s", f->path,
            name->u.text, nearest.name ? nearest.name : "none", wc_buf_str(&list));
    wc_buf_release(&list);
    return NULL;
}

const wc_json *wc_gguf_config(const wc_gguf_file *f, const wc_gguf_arch *arch, wc_arena *a, wc_error *err)
{
    wc_gguf_builder b = {.f = f, .arch = arch, .err = err};
    wc_buf_init(&b.out, MAX_CONFIG);
    const wc_json *v = NULL;
    if (put_all(&b))
        v = wc_json_parse(a, wc_buf_str(&b.out), b.out.size, f->path, 0, err);
    wc_buf_release(&b.out);
    return v;
}
