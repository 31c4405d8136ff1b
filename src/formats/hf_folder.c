/* hf_folder.c - a folder as transformers saves it and the Hub serves it:
 *
 *   config.json                    what the model is
 *   model.safetensors              its tensors, or
 *   model.safetensors.index.json   {"weight_map": {"tensor": "model-1-of-2.safetensors", ...}} and those
 *   generation_config.json, processor_config.json, preprocessor_config.json,
 *   tokenizer.json, tokenizer_config.json,
 *   chat_template.jinja or .json   each of which may be absent
 *
 * The index is the authority on where a tensor lies: what a shard holds beside is not taken.  Shards are
 * plain names in the folder; links are the user's own and are followed (the Hub's cache is made of them). */
#include "formats/hf_folder.h"

#include <stdlib.h>
#include <string.h>

#include "formats/safetensors.h"

enum {
    MAX_CONFIG = 16 << 20, /* bytes of a configuration file or a template */
    MAX_INDEX = 64 << 20,
    MAX_SHARDS = 10000,
    MAX_SHARD_NAME = 255
};

/* ---- the small files ---- */

/* DIR/name as a JSON object.  An absent file is NULL without an error unless it is required. */
static bool read_object(wc_checkpoint *c, const char *path, bool required, const wc_json **out, wc_error *err)
{
    *out = NULL;
    if (!path)
        return wc_fail_memory(err, 1);
    if (!required && !wc_path_exists(path))
        return true;
    const wc_json *v = wc_json_read(c->arena, path, MAX_CONFIG, 0, err);
    if (v && !wc_json_is(v, WC_JSON_OBJECT))
        return wc_fail(err, WC_BAD_FILE, "%s: expected a JSON object, found %s", path, wc_json_type_name(v));
    *out = v;
    return v != NULL;
}

static bool read_optional(wc_checkpoint *c, const char *dir, const char *name, const wc_json **out,
                          wc_error *err)
{
    return read_object(c, wc_path_join(c->arena, dir, name), false, out, err);
}

/* The settings of the picture processor and the feature extractor, wherever they stand (the order is transformers'). */
static bool read_processor(wc_checkpoint *c, wc_error *err)
{
    const wc_json *pre = NULL;
    if (!read_optional(c, c->path, "processor_config.json", &c->processor_config, err) ||
        !read_optional(c, c->path, "preprocessor_config.json", &pre, err))
        return false;
    const wc_json *nested = wc_json_get(c->processor_config, "image_processor"),
                  *hearing = wc_json_get(c->processor_config, "feature_extractor");
    c->feature_extractor = wc_json_is(hearing, WC_JSON_OBJECT) ? hearing : pre;
    const bool in_processor = wc_json_is(nested, WC_JSON_OBJECT);
    c->processor = in_processor ? nested : pre ? pre : c->processor_config;
    if (!c->processor)
        return true;
    const bool file_is_pre = !in_processor && pre;
    c->processor_file = wc_path_join(c->arena, c->path,
                                     file_is_pre ? "preprocessor_config.json" : "processor_config.json");
    return c->processor_file || wc_fail_memory(err, 1);
}

static bool read_template(wc_checkpoint *c, wc_error *err)
{
    const char *path = wc_path_join(c->arena, c->tokenizer_dir, "chat_template.jinja");
    if (!path)
        return wc_fail_memory(err, 1);
    if (wc_path_exists(path)) {
        c->chat_jinja = wc_file_read(c->arena, path, MAX_CONFIG, &c->chat_jinja_bytes, err);
        if (!c->chat_jinja)
            return false;
    }
    return read_optional(c, c->tokenizer_dir, "chat_template.json", &c->chat_json, err);
}

static bool read_configs(wc_checkpoint *c, const wc_checkpoint_options *o, wc_error *err)
{
    return read_object(c, c->config_file, !(o->flags & WC_CHECKPOINT_NO_WEIGHTS), &c->config, err) &&
           read_optional(c, c->path, "generation_config.json", &c->generation, err) &&
           read_processor(c, err) &&
           read_optional(c, c->tokenizer_dir, "tokenizer_config.json", &c->tokenizer_config, err) &&
           read_template(c, err);
}

/* ---- weights ---- */

/* Maps one file and reads its header; its tensors are numbered with the file's place in files[]. */
static bool open_file(wc_checkpoint *c, const char *path, wc_arena *scratch, wc_stored **tensors, size_t *n,
                      wc_error *err)
{
    wc_stored_file *f = &c->files[c->n_files];
    if (!wc_file_exists(path) && wc_path_exists(path))
        return wc_fail(
            err, WC_BAD_FILE,
            "%s: a folder or a link to nothing, not a file of weights; perhaps an incomplete download", path);
    f->path = path;
    if (!wc_file_map_open(&f->map, path, err))
        return false;
    c->n_files++;
    if (!wc_safetensors_read(&f->map, path, c->arena, scratch, tensors, n, err))
        return false;
    for (size_t i = 0; i < *n; i++)
        (*tensors)[i].file = (uint32_t)(c->n_files - 1);
    wc_file_map_large_pages(&f->map);
    return true;
}

static bool open_single(wc_checkpoint *c, const char *path, wc_error *err)
{
    wc_arena *scratch = wc_arena_new(0);
    c->weights_file = path;
    c->files = wc_arena_zalloc(c->arena, 1, sizeof *c->files);
    bool ok = scratch && c->files ? open_file(c, path, scratch, &c->tensors, &c->n_tensors, err)
                                  : wc_fail_memory(err, sizeof *c->files);
    wc_arena_free(scratch);
    return ok;
}

/* One line of weight_map. */
struct mapping {
    const wc_json *tensor, *shard;
};

static int by_shard(const void *pa, const void *pb)
{
    const struct mapping *a = pa, *b = pb;
    int d = wc_stored_compare(a->shard->u.text, a->shard->n, b->shard->u.text, b->shard->n);
    return d ? d : wc_stored_compare(a->tensor->u.text, a->tensor->n, b->tensor->u.text, b->tensor->n);
}

/* A shard's name is that of a file in the folder and nothing else. */
static bool check_shard_name(const char *index, const wc_json *tensor, const wc_json *shard, wc_error *err)
{
    if (!wc_json_is(shard, WC_JSON_STRING))
        return wc_fail(err, WC_BAD_FILE, "%s: weight_map.%.200s: expected a file name, found %s", index,
                       tensor->u.text, wc_json_type_name(shard));
    bool plain = shard->n > 0 && shard->n <= MAX_SHARD_NAME && !wc_json_string_is(shard, ".") &&
                 !wc_json_string_is(shard, "..");
    for (uint32_t i = 0; plain && i < shard->n; i++) {
        unsigned char ch = (unsigned char)shard->u.text[i];
        plain = ch >= 0x20 && ch != 0x7f && ch != '/' && ch != '\\';
    }
    return plain ||
           wc_fail(err, WC_BAD_FILE,
                   "%s: weight_map.%.200s: expected a plain file name in the folder, found \"%.200s\"", index,
                   tensor->u.text, shard->u.text);
}

/* weight_map, checked and sorted by shard, then tensor. */
static struct mapping *read_index(wc_arena *a, const char *index, size_t *n, wc_error *err)
{
    const wc_json *v = wc_json_read(a, index, MAX_INDEX, WC_JSON_UNIQUE_KEYS, err);
    if (!v)
        return NULL;
    const wc_json *map = wc_json_get(v, "weight_map");
    if (!wc_json_is(map, WC_JSON_OBJECT) || wc_json_count(map) == 0) {
        wc_fail(err, WC_BAD_FILE, "%s: weight_map: expected an object of tensors and their files, found %s",
                index, wc_json_is(map, WC_JSON_OBJECT) ? "an empty one" : wc_json_type_name(map));
        return NULL;
    }
    *n = wc_json_count(map);
    struct mapping *list = wc_arena_zalloc(a, *n, sizeof *list);
    if (!list) {
        wc_fail_memory(err, *n * sizeof *list);
        return NULL;
    }
    for (size_t i = 0; i < *n; i++) {
        list[i] = (struct mapping){wc_json_key(map, i), wc_json_value(map, i)};
        if (!check_shard_name(index, list[i].tensor, list[i].shard, err))
            return NULL;
    }
    qsort(list, *n, sizeof *list, by_shard);
    return list;
}

static bool same_text(const wc_json *a, const wc_json *b)
{
    return wc_stored_compare(a->u.text, a->n, b->u.text, b->n) == 0;
}

/* Takes the tensors that map [n] names, all of one shard; both sides are sorted by name. */
static bool take_shard(wc_checkpoint *c, const struct mapping *map, size_t n, wc_arena *scratch,
                       wc_error *err)
{
    wc_stored *in = NULL;
    size_t n_in = 0, k = 0;
    const char *path = wc_path_join(c->arena, c->path, map[0].shard->u.text);
    if (!path)
        return wc_fail_memory(err, 1);
    if (!wc_path_exists(path))
        return wc_fail(err, WC_BAD_FILE,
                       "%s: weight_map.%.200s: the file %.200s is not there; perhaps an incomplete download",
                       c->weights_file, map[0].tensor->u.text, map[0].shard->u.text);
    if (!open_file(c, path, scratch, &in, &n_in, err))
        return false;
    for (size_t i = 0; i < n; i++) {
        const wc_json *name = map[i].tensor;
        while (k < n_in && wc_stored_compare(in[k].name, in[k].name_bytes, name->u.text, name->n) < 0)
            k++;
        if (k == n_in || wc_stored_compare(in[k].name, in[k].name_bytes, name->u.text, name->n) != 0)
            return wc_fail(err, WC_BAD_FILE, "%s: weight_map.%.200s: the file %.200s has no such tensor",
                           c->weights_file, name->u.text, map[i].shard->u.text);
        c->tensors[c->n_tensors++] = in[k++];
    }
    return true;
}

static bool open_sharded(wc_checkpoint *c, const char *index, wc_error *err)
{
    bool ok = false;
    size_t n, n_shards = 0;
    wc_arena *lists = wc_arena_new(0), *scratch = wc_arena_new(0);
    struct mapping *map = NULL;

    c->weights_file = index;
    if (!lists || !scratch) {
        wc_fail_memory(err, 1);
        goto done;
    }
    map = read_index(lists, index, &n, err);
    if (!map)
        goto done;
    for (size_t i = 0; i < n; i++)
        n_shards += i == 0 || !same_text(map[i].shard, map[i - 1].shard);
    if (n_shards > MAX_SHARDS) {
        wc_fail(err, WC_BAD_FILE, "%s: weight_map: expected at most %d files, found %zu", index, MAX_SHARDS,
                n_shards);
        goto done;
    }
    c->files = wc_arena_zalloc(c->arena, n_shards, sizeof *c->files);
    c->tensors = wc_arena_zalloc(c->arena, n, sizeof *c->tensors);
    if (!c->files || !c->tensors) {
        wc_fail_memory(err, n * sizeof *c->tensors);
        goto done;
    }
    for (size_t i = 0, end; i < n; i = end) {
        for (end = i + 1; end < n && same_text(map[end].shard, map[i].shard);)
            end++;
        if (!take_shard(c, map + i, end - i, scratch, err))
            goto done;
    }
    ok = true;
done:
    wc_arena_free(lists);
    wc_arena_free(scratch);
    return ok;
}

static bool open_weights(wc_checkpoint *c, wc_error *err)
{
    const char *single = wc_path_join(c->arena, c->path, "model.safetensors");
    const char *index = wc_path_join(c->arena, c->path, "model.safetensors.index.json");
    const char *pickle = wc_path_join(c->arena, c->path, "pytorch_model.bin");
    if (!single || !index || !pickle)
        return wc_fail_memory(err, 1);
    if (wc_path_exists(single))
        return open_single(c, single, err);
    if (wc_path_exists(index))
        return open_sharded(c, index, err);
    return wc_fail(
        err, WC_NOT_FOUND,
        "%s: no weights: expected model.safetensors or model.safetensors.index.json, found %s", c->path,
        wc_path_exists(pickle) ? "only pytorch_model.bin; save the model as safetensors (save_pretrained)"
                               : "neither; perhaps an incomplete download");
}

/* ---- both ---- */

/* The folder that a file lies in. */
static char *folder_of(wc_arena *a, const char *file)
{
    const char *slash = strrchr(file, '/');
    if (!slash)
        return wc_arena_strdup(a, ".");
    return wc_arena_strndup(a, file, slash == file ? 1 : (size_t)(slash - file));
}

static bool check_tokenizer_dir(const wc_checkpoint_options *o, wc_error *err)
{
    return !o->tokenizer || wc_dir_exists(o->tokenizer) ||
           wc_fail(err, WC_NOT_FOUND, "%s: expected a folder with tokenizer files, found %s", o->tokenizer,
                   wc_path_exists(o->tokenizer) ? "no folder" : "nothing of that name");
}

bool wc_hf_overrides_read(wc_checkpoint *c, const wc_checkpoint_options *o, wc_error *err)
{
    if (o->config && !read_object(c, c->config_file, true, &c->config, err))
        return false;
    if (!o->tokenizer)
        return true;
    wc_checkpoint_drop_tokenizer(c);
    c->tokenizer_dir = wc_arena_strdup(c->arena, o->tokenizer);
    if (!c->tokenizer_dir)
        return wc_fail_memory(err, strlen(o->tokenizer));
    return check_tokenizer_dir(o, err) &&
           read_optional(c, c->tokenizer_dir, "tokenizer_config.json", &c->tokenizer_config, err) &&
           read_template(c, err);
}

bool wc_hf_folder_read(wc_checkpoint *c, const char *path, const wc_checkpoint_options *o, wc_error *err)
{
    const bool from_config = o->flags & WC_CHECKPOINT_RANDOM;
    if (!from_config && !wc_dir_exists(path))
        return wc_fail(err, wc_path_exists(path) ? WC_BAD_FILE : WC_NOT_FOUND,
                       "%s: expected a model's folder, found %s", path,
                       wc_path_exists(path) ? "no folder" : "nothing of that name");
    c->path = from_config ? folder_of(c->arena, path) : wc_arena_strdup(c->arena, path);
    if (!c->path)
        return wc_fail_memory(err, strlen(path));
    c->config_file = o->config     ? wc_arena_strdup(c->arena, o->config)
                     : from_config ? wc_arena_strdup(c->arena, path)
                                   : wc_path_join(c->arena, c->path, "config.json");
    c->tokenizer_dir = o->tokenizer ? wc_arena_strdup(c->arena, o->tokenizer) : c->path;
    c->weights_file = c->path;
    if (!c->config_file || !c->tokenizer_dir)
        return wc_fail_memory(err, strlen(path));
    return check_tokenizer_dir(o, err) && read_configs(c, o, err) &&
           (o->flags & (WC_CHECKPOINT_NO_WEIGHTS | WC_CHECKPOINT_RANDOM) || open_weights(c, err));
}

bool wc_hf_tensors_read(wc_checkpoint *c, const char *file, wc_error *err)
{
    const char *path = wc_arena_strdup(c->arena, file);
    c->path = folder_of(c->arena, file);
    c->config_file = wc_arena_strdup(c->arena, file);
    c->tokenizer_dir = c->path;
    if (!path || !c->path || !c->config_file)
        return wc_fail_memory(err, strlen(file));
    return open_single(c, path, err);
}
