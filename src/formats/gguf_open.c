/* gguf_open.c - a checkpoint from a GGUF file, or from the parts NAME-00001-of-00003.gguf ... of a split one. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "formats/gguf.h"
#include "formats/gguf_clip.h"
#include "formats/gguf_config.h"
#include "formats/hf_folder.h"

enum { MAX_PARTS = 10000, MAX_LIST = 1 << 16, MAX_TOKENIZER_LIST = 1 << 25, SUFFIX_ROOM = 32 };

static const wc_json *metadata_of(const wc_gguf *g, const char *prefix, wc_arena *a, wc_error *err)
{
    const char *const prefixes[] = {"general.", "split.", prefix, NULL};
    return wc_gguf_metadata(g, prefixes, MAX_LIST, a, err);
}

/* Maps a file and reads its head; its tensors are numbered with the file's place in files[]. */
static bool open_part(wc_checkpoint *c, const char *path, wc_gguf *g, wc_error *err)
{
    wc_stored_file *f = &c->files[c->n_files];
    f->path = path;
    if (!wc_file_map_open(&f->map, path, err))
        return false;
    c->n_files++;
    if (!wc_gguf_read(g, &f->map, path, c->arena, err))
        return false;
    for (size_t i = 0; i < g->n_tensors; i++)
        g->tensors[i].file = (uint32_t)(c->n_files - 1);
    wc_file_map_large_pages(&f->map);
    return true;
}

/* ---- parts ---- */

static bool split_number(const wc_gguf *g, const wc_json *metadata, const char *key, int64_t max,
                         int64_t *out, wc_error *err)
{
    const wc_json *v = wc_json_get(metadata, key);
    *out = 0;
    if (!v)
        return true;
    if (!wc_json_is(v, WC_JSON_INT) || v->u.integer < 0 || v->u.integer > max)
        return wc_fail(err, WC_BAD_FILE, "%s: %s: expected a number from 0 to %lld", g->path, key,
                       (long long)max);
    *out = v->u.integer;
    return true;
}

/* NAME-00001-of-00003.gguf without its last part, for number 0 of count; NULL when the file is not called so. */
static char *stem_of(wc_arena *a, const char *path, int64_t count)
{
    char suffix[SUFFIX_ROOM];
    snprintf(suffix, sizeof suffix, "-00001-of-%05d.gguf", (int)count);
    const size_t n = strlen(path), n_suffix = strlen(suffix);
    return n > n_suffix && strcmp(path + n - n_suffix, suffix) == 0 ? wc_arena_strndup(a, path, n - n_suffix)
                                                                    : NULL;
}

bool wc_gguf_add_tensors(wc_checkpoint *c, const wc_stored *more, size_t n_more, wc_error *err)
{
    const size_t n = c->n_tensors + n_more;
    wc_stored *all = wc_arena_alloc(c->arena, (n + 1) * sizeof *all);
    if (!all)
        return wc_fail_memory(err, n * sizeof *all);
    if (c->n_tensors)
        memcpy(all, c->tensors, c->n_tensors * sizeof *all);
    if (n_more)
        memcpy(all + c->n_tensors, more, n_more * sizeof *all);
    c->tensors = all;
    c->n_tensors = n;
    return true;
}

/* The parts behind the first one. */
static bool open_others(wc_checkpoint *c, const wc_gguf *first, const wc_json *metadata, int64_t count,
                        wc_error *err)
{
    char suffix[SUFFIX_ROOM];
    int64_t total;
    const char *stem = stem_of(c->arena, first->path, count);
    if (!stem)
        return wc_fail(err, WC_BAD_FILE,
                       "%s: split.count: the model is split into %lld files, but this one is not called "
                       "NAME-00001-of-%05d.gguf; the others cannot be found",
                       first->path, (long long)count, (int)count);
    for (int64_t i = 1; i < count; i++) {
        wc_gguf g;
        snprintf(suffix, sizeof suffix, "-%05d-of-%05d.gguf", (int)i + 1, (int)count);
        char *path = wc_arena_alloc(c->arena, strlen(stem) + SUFFIX_ROOM);
        if (!path)
            return wc_fail_memory(err, strlen(stem));
        snprintf(path, strlen(stem) + SUFFIX_ROOM, "%s%s", stem, suffix);
        if (!wc_path_exists(path))
            return wc_fail(err, WC_BAD_FILE, "%s: split.count: part %lld of %lld is not there: %s",
                           first->path, (long long)i + 1, (long long)count, path);
        if (!open_part(c, path, &g, err) || !wc_gguf_add_tensors(c, g.tensors, g.n_tensors, err))
            return false;
    }
    if (!split_number(first, metadata, "split.tensors.count", INT32_MAX, &total, err))
        return false;
    return total == 0 || (uint64_t)total == c->n_tensors ||
           wc_fail(err, WC_BAD_FILE,
                   "%s: split.tensors.count: expected the %zu that the parts hold, found %lld", first->path,
                   c->n_tensors, (long long)total);
}

static bool open_parts(wc_checkpoint *c, const char *path, wc_gguf *g, wc_error *err)
{
    int64_t no, count;
    c->files = wc_arena_zalloc(c->arena, 2, sizeof *c->files); /* the model's, and that of its tower */
    if (!c->files)
        return wc_fail_memory(err, sizeof *c->files);
    if (!open_part(c, path, g, err) || !wc_gguf_add_tensors(c, g->tensors, g->n_tensors, err))
        return false;
    const wc_json *metadata = metadata_of(g, "split.", c->arena, err);
    if (!metadata || !split_number(g, metadata, "split.count", MAX_PARTS, &count, err) ||
        !split_number(g, metadata, "split.no", UINT16_MAX, &no, err))
        return false;
    if (count <= 1)
        return true;
    if (no != 0)
        return wc_fail(err, WC_BAD_FILE, "%s: split.no: this is part %lld of %lld; give the first one", path,
                       (long long)no + 1, (long long)count);
    wc_stored_file *files = wc_arena_zalloc(c->arena, (size_t)count + 1, sizeof *files);
    if (!files)
        return wc_fail_memory(err, (size_t)count * sizeof *files);
    files[0] = c->files[0];
    c->files = files;
    return open_others(c, g, metadata, count, err);
}

/* ---- what differs from the file's own form ---- */

static bool ends_with(const char *s, const char *end)
{
    const size_t n = strlen(s), e = strlen(end);
    return n >= e && strcmp(s + n - e, end) == 0;
}

static void mark_changes(wc_checkpoint *c)
{
    const int heads = (int)wc_json_number(wc_json_get(c->config, "num_attention_heads"), 1);
    const int kv_heads = (int)wc_json_number(wc_json_get(c->config, "num_key_value_heads"), 1);
    for (size_t i = 0; i < c->n_tensors; i++) {
        wc_stored *t = &c->tensors[i];
        const bool q = strstr(t->name, ".attn_q.") != NULL, k = strstr(t->name, ".attn_k.") != NULL;
        if ((c->arch->flags & WC_GGUF_PAIRED) && (q || k)) {
            t->change = WC_STORED_PAIRED;
            t->heads = q ? heads : kv_heads;
        } else if ((c->arch->flags & WC_GGUF_NORMS_PLUS_ONE) && ends_with(t->name, "norm.weight")) {
            t->change = WC_STORED_PLUS_ONE;
        }
    }
}

/* ---- generation ---- */

/* Tokens that end an answer whatever the file says of them: chat models end a turn with one of these. */
static bool ends_turn(const wc_json *token)
{
    static const char *const names[] = {"<|eot_id|>", "<|im_end|>",    "<|end|>", "<end_of_turn>",
                                        "<|eom_id|>", "<|endoftext|>", "<EOT>",   "<|end_of_text|>"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (wc_json_string_is(token, names[i]))
            return true;
    return false;
}

/* generation_config.json's part: the ids that end an answer. */
static bool read_generation(wc_checkpoint *c, const wc_gguf *g, const wc_json *t, wc_error *err)
{
    static const char *const keys[] = {"tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id",
                                       "tokenizer.ggml.eom_token_id"};
    const wc_json *tokens = wc_json_get(t, "tokenizer.ggml.tokens"),
                  *types = wc_json_get(t, "tokenizer.ggml.token_type");
    enum { MAX_IDS = 8, CONTROL = 3 };
    int64_t ids[MAX_IDS];
    int n = 0;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const wc_json *v = wc_json_get(t, keys[i]);
        if (!v)
            continue;
        if (!wc_json_is(v, WC_JSON_INT) || v->u.integer < 0 || (size_t)v->u.integer >= wc_json_count(tokens))
            return wc_fail(err, WC_BAD_FILE,
                           "%s: %s: expected an id below %zu, the number of tokens, found %s", g->path,
                           keys[i], wc_json_count(tokens),
                           wc_json_is(v, WC_JSON_INT) ? "one outside" : wc_json_type_name(v));
        ids[n++] = v->u.integer;
    }
    for (size_t i = 0; i < wc_json_count(tokens) && n < MAX_IDS; i++) {
        const wc_json *type = wc_json_item(types, i);
        bool known = !wc_json_is(type, WC_JSON_INT) || type->u.integer != CONTROL ||
                     !ends_turn(wc_json_item(tokens, i));
        for (int k = 0; k < n; k++)
            known = known || ids[k] == (int64_t)i;
        if (!known)
            ids[n++] = (int64_t)i;
    }
    wc_buf b;
    wc_buf_init(&b, 1000);
    wc_buf_puts(&b, "{\"eos_token_id\":[");
    for (int i = 0; i < n; i++)
        wc_buf_printf(&b, "%s%lld", i ? "," : "", (long long)ids[i]);
    wc_buf_puts(&b, "]}");
    c->generation = n ? wc_json_parse(c->arena, wc_buf_str(&b), b.size, g->path, 0, err) : NULL;
    wc_buf_release(&b);
    return !n || c->generation;
}

/* ---- the whole ---- */

/* A list that is there is one: its length, or 0. */
static bool read_n_tokens(const wc_json *t, const wc_gguf *g, size_t *n, wc_error *err)
{
    const wc_json *tokens = wc_json_get(t, "tokenizer.ggml.tokens");
    *n = wc_json_count(tokens);
    if (!wc_json_get(t, "tokenizer.ggml.model") && !tokens)
        return true; /* weights alone */
    for (size_t i = 0; i < *n; i++)
        if (!wc_json_is(wc_json_item(tokens, i), WC_JSON_STRING))
            return wc_fail(err, WC_BAD_FILE, "%s: tokenizer.ggml.tokens: expected strings, found %s", g->path,
                           wc_json_type_name(wc_json_item(tokens, i)));
    return (wc_json_is(tokens, WC_JSON_ARRAY) && *n > 0) ||
           wc_fail(err, WC_BAD_FILE, "%s: tokenizer.ggml.tokens: expected a list of tokens, found %s",
                   g->path,
                   tokens ? wc_json_is(tokens, WC_JSON_ARRAY) ? "an empty one" : wc_json_type_name(tokens)
                          : "nothing");
}

static bool read_config(wc_checkpoint *c, const wc_gguf *g, const wc_json *tokenizer, wc_error *err)
{
    char prefix[80];
    wc_gguf_file f = {.path = g->path, .tensors = c->tensors, .n_tensors = c->n_tensors};
    f.metadata = metadata_of(g, "general.", c->arena, err);
    if (!f.metadata || !(c->arch = wc_gguf_config_arch(&f, err)) ||
        !read_n_tokens(tokenizer, g, &f.n_tokens, err))
        return false;
    snprintf(prefix, sizeof prefix, "%s.", c->arch->name);
    f.metadata = metadata_of(g, prefix, c->arena, err);
    if (!f.metadata)
        return false;
    c->config = wc_gguf_config(&f, c->arch, c->arena, err);
    return c->config && read_generation(c, g, tokenizer, err);
}

static void read_template(wc_checkpoint *c, const wc_gguf *g, const wc_json *tokenizer)
{
    const wc_json *source = wc_json_get(tokenizer, "tokenizer.chat_template");
    if (!wc_json_is(source, WC_JSON_STRING))
        return;
    c->chat_jinja = wc_arena_strndup(c->arena, source->u.text, source->n);
    c->chat_jinja_bytes = source->n;
    (void)g;
}

static const wc_json no_tokenizer = {.type = WC_JSON_OBJECT};

/* The keys of "tokenizer.", in memory of their own that is given back when the tokenizer is made. */
static const wc_json *read_tokenizer(wc_checkpoint *c, const wc_gguf *g, wc_error *err)
{
    static const char *const prefixes[] = {"tokenizer.", NULL};
    c->lazy->tokenizer_arena = wc_arena_new(0);
    if (!c->lazy->tokenizer_arena) {
        wc_fail_memory(err, 1);
        return NULL;
    }
    c->lazy->gguf_tokenizer = wc_gguf_metadata(g, prefixes, MAX_TOKENIZER_LIST, c->lazy->tokenizer_arena,
                                               err);
    const wc_json *kind = wc_json_get(c->lazy->gguf_tokenizer, "tokenizer.ggml.model");
    if (wc_json_string_is(kind, "none") || wc_json_string_is(kind, "no_vocab")) /* said, not left out */
        c->lazy->gguf_tokenizer = &no_tokenizer;
    return c->lazy->gguf_tokenizer;
}

/* ---- pictures ---- */

/* The tower that is given, or the one beside the model if it is the model's: what is only found does not keep a text model from
 * being opened. */
static bool open_tower(wc_checkpoint *c, const wc_checkpoint_options *o, wc_error *err)
{
    size_t n = 0;
    wc_error why = {0};
    if (strcmp(c->arch->name, "gemma3n") == 0)
        c->no_sound = "its GGUF files hold no sound tower; the model's folder does";
    if (o->mmproj)
        return wc_clip_open(c, o->mmproj, err);
    if (!wc_clip_kind_of(c->arch->name))
        return true;
    const char *found = wc_clip_find(c->arena, c->path, &n);
    if (n == 0)
        wc_fail(&why, WC_NOT_FOUND,
                "its GGUF file holds the text model; --mmproj names the file of its pictures");
    else if (n > 1)
        wc_fail(&why, WC_NOT_FOUND, "%zu mmproj files lie beside it; --mmproj says which", n);
    if (found)
        wc_clip_open(c, found, &why);
    c->no_tower = why.code ? wc_arena_strdup(c->arena, why.text) : NULL;
    return true;
}

bool wc_gguf_open(wc_checkpoint *c, const char *path, const wc_checkpoint_options *o, wc_error *err)
{
    wc_gguf g;
    c->path = c->weights_file = c->tokenizer_dir = wc_arena_strdup(c->arena, path);
    c->config_file = o->config ? wc_arena_strdup(c->arena, o->config) : c->path;
    if (!c->path || !c->config_file)
        return wc_fail_memory(err, strlen(path));
    if (!open_parts(c, c->path, &g, err))
        return false;
    const wc_json *tokenizer = read_tokenizer(c, &g, err);
    if (!tokenizer || (!(o->flags & WC_CHECKPOINT_NO_WEIGHTS) && !read_config(c, &g, tokenizer, err)))
        return false;
    if (c->arch)
        mark_changes(c);
    if (c->arch && !open_tower(c, o, err))
        return false;
    read_template(c, &g, tokenizer);
    return wc_hf_overrides_read(c, o, err);
}
