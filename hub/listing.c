/* listing.c - the answer of GET /api/models/OWNER/NAME/revision/REVISION?blobs=true:
 *
 *   {"id": "OWNER/NAME", "sha": COMMIT, "siblings": [
 *      {"rfilename": "config.json",       "size": 662, "blobId": SHA-1 as git counts it},
 *      {"rfilename": "model.safetensors", "size": N,   "blobId": ..., "lfs": {"sha256": ..., "size": N}}, ...]}
 *
 * Mirrors may leave out all but the names; what is missing is asked for file by file (pull.c). */
#include "hub/listing.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/size.h"
#include "formats/hub_cache.h"

enum { MAX_FILES = 200000, MAX_CHOSEN = 5000 };
#define MAX_SIZE (INT64_C(1) << 50)

bool hub_is_hash(const char *hash)
{
    const size_t n = strlen(hash);
    return (n == 40 || n == 64) && strspn(hash, "0123456789abcdef") == n;
}

static const char *text_of(const wc_json *v)
{
    return wc_json_is(v, WC_JSON_STRING) && strlen(v->u.text) == v->n ? v->u.text : NULL;
}

/* size and hash of a file; a file in large storage is told by "lfs", the rest by git. */
static bool read_contents(const wc_json *v, const char *where, hub_file *f, wc_error *err)
{
    const wc_json *lfs = wc_json_get(v, "lfs"), *size = wc_json_get(v, "size");
    const char *hash = text_of(wc_json_get(v, "blobId"));
    if (wc_json_is(lfs, WC_JSON_OBJECT)) {
        hash = text_of(wc_json_get(lfs, "sha256"));
        size = wc_json_get(lfs, "size");
    }
    f->size = -1;
    if (!wc_json_is_null(size)) {
        if (!wc_json_is(size, WC_JSON_INT) || size->u.integer < 0 || size->u.integer > MAX_SIZE)
            return wc_fail(err, WC_BAD_FILE, "%s: %s: size: expected a number of bytes, found %s", where,
                           f->path,
                           wc_json_is(size, WC_JSON_INT) ? "one out of range" : wc_json_type_name(size));
        f->size = size->u.integer;
    }
    if (hash && !hub_is_hash(hash))
        return wc_fail(err, WC_BAD_FILE, "%s: %s: expected a SHA-256 or a SHA-1, found '%.80s'", where,
                       f->path, hash);
    if (hash)
        memcpy(f->hash, hash, strlen(hash) + 1);
    return true;
}

static int by_path(const void *a, const void *b)
{
    return strcmp(((const hub_file *)a)->path, ((const hub_file *)b)->path);
}

static bool read_files(wc_arena *a, const wc_json *siblings, const char *where, hub_listing *out,
                       wc_error *err)
{
    const size_t n = wc_json_count(siblings);
    if (!wc_json_is(siblings, WC_JSON_ARRAY) || n > MAX_FILES)
        return wc_fail(err, WC_BAD_FILE, "%s: siblings: expected a list of at most %d files, found %s", where,
                       MAX_FILES, n > MAX_FILES ? "more" : wc_json_type_name(siblings));
    out->files = wc_arena_zalloc(a, n ? n : 1, sizeof *out->files);
    if (!out->files)
        return wc_fail_memory(err, n * sizeof *out->files);
    for (size_t i = 0; i < n; i++) {
        const wc_json *v = wc_json_item(siblings, i);
        hub_file *f = &out->files[i];
        f->path = text_of(wc_json_get(v, "rfilename"));
        if (!f->path || !wc_hub_is_file(f->path))
            return wc_fail(err, WC_BAD_FILE,
                           "%s: expected names of files within the repository, found '%.200s'", where,
                           f->path ? f->path : "none");
        if (!read_contents(v, where, f, err))
            return false;
    }
    out->n = n;
    if (n > 1)
        qsort(out->files, n, sizeof *out->files, by_path);
    for (size_t i = 1; i < n; i++)
        if (strcmp(out->files[i - 1].path, out->files[i].path) == 0)
            return wc_fail(err, WC_BAD_FILE, "%s: %s: stands there twice", where, out->files[i].path);
    return true;
}

bool hub_listing_parse(wc_arena *a, const char *text, size_t bytes, const char *where, hub_listing *out,
                       wc_error *err)
{
    *out = (hub_listing){0};
    const wc_json *root = wc_json_parse(a, text, bytes, where, 0, err);
    if (!root)
        return false;
    out->id = text_of(wc_json_get(root, "id"));
    out->commit = text_of(wc_json_get(root, "sha"));
    if (!out->commit || !wc_hub_is_commit(out->commit, strlen(out->commit)))
        return wc_fail(err, WC_BAD_FILE, "%s: sha: expected a commit of 40 hexadecimal digits, found %s",
                       where, out->commit ? "something else" : "none");
    return read_files(a, wc_json_get(root, "siblings"), where, out, err);
}

/* ---- which are needed ---- */

static bool begins_with(const char *s, const char *start)
{
    return strncmp(s, start, strlen(start)) == 0;
}

static bool is_one_of(const char *name, const char *const *names, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}

/* Weights as the reader of folders looks for them: one file, or numbered ones with their index. */
static bool is_weights(const char *path)
{
    return strcmp(path, "model.safetensors") == 0 || strcmp(path, "model.safetensors.index.json") == 0 ||
           (begins_with(path, "model-") && wc_hub_ends_with(path, ".safetensors") && strstr(path, "-of-"));
}

/* "1_Pooling/": a module of a sentence encoder, numbered by its place. */
static bool in_module(const char *path)
{
    const size_t digits = strspn(path, "0123456789");
    const char *slash = strchr(path, '/');
    return digits > 0 && path[digits] == '_' && slash && !strchr(slash + 1, '/');
}

static bool is_needed(const char *path)
{
    static const char *const words[] = {"merges.txt", "vocab.txt", "tokenizer.model"};
    if (in_module(path))
        return wc_hub_ends_with(path, ".json") || wc_hub_ends_with(path, ".safetensors");
    if (begins_with(path, "additional_chat_templates/"))
        return wc_hub_ends_with(path, ".jinja");
    if (strchr(path, '/'))
        return false;
    return is_weights(path) || is_one_of(path, words, sizeof words / sizeof *words) ||
           (wc_hub_ends_with(path, ".json") && !wc_hub_ends_with(path, ".index.json")) ||
           wc_hub_ends_with(path, ".jinja");
}

/* Keeps the files for which keep is true. */
static void filter(hub_listing *l, bool (*keep)(const char *path))
{
    size_t n = 0;
    for (size_t i = 0; i < l->n; i++)
        if (keep(l->files[i].path))
            l->files[n++] = l->files[i];
    l->n = n;
}

/* Keeps file i, where it is the first of several the others, and the picture tower that goes with a model's GGUF file. */
static bool keep_model(wc_arena *a, hub_listing *l, size_t i, wc_error *err)
{
    const char **paths = wc_arena_zalloc(a, l->n + 1, sizeof *paths);
    if (!paths)
        return wc_fail_memory(err, l->n * sizeof *paths);
    for (size_t j = 0; j < l->n; j++)
        paths[j] = l->files[j].path;
    const char *first = paths[i];
    const size_t tower = wc_hub_is_gguf(first) ? wc_hub_pick_tower(paths, l->n, first) : l->n;
    size_t n = 0;
    for (size_t j = 0; j < l->n; j++)
        if (j == tower || wc_hub_is_part(paths[j], first))
            l->files[n++] = l->files[j];
    l->n = n;
    return true;
}

static bool choose_file(wc_arena *a, hub_listing *l, const char *file, const char *where, wc_error *err)
{
    const char **paths = wc_arena_zalloc(a, l->n + 1, sizeof *paths);
    if (!paths)
        return wc_fail_memory(err, l->n * sizeof *paths);
    for (size_t i = 0; i < l->n; i++)
        paths[i] = l->files[i].path;
    const size_t i = wc_hub_pick(paths, l->n, file, where, err);
    return i < l->n && keep_model(a, l, i, err);
}

/* No safetensors: the one GGUF file, or what else there is. */
static bool choose_gguf(wc_arena *a, hub_listing *l, const char *where, wc_error *err)
{
    size_t n = 0, first = 0;
    bool pickle = false;
    wc_buf there;
    wc_buf_init(&there, 1500);
    for (size_t i = 0; i < l->n; i++) {
        pickle = pickle || wc_hub_ends_with(l->files[i].path, ".bin");
        if (!wc_hub_is_gguf(l->files[i].path))
            continue;
        wc_buf_printf(&there, "%s%s", n ? ", " : "", l->files[i].path);
        first = n++ ? first : i;
    }
    bool ok = n == 1 && keep_model(a, l, first, err);
    if (n > 1)
        wc_fail(err, WC_BAD_ARGUMENT,
                "%s: holds %zu GGUF files; say which by its quantization or name, as in %s:Q4_K_M; %s%s",
                where, n, where, there.failed ? "" : "there are ",
                wc_buf_ok(&there) ? wc_buf_str(&there) : "there are many");
    else if (n == 0)
        wc_fail(
            err, WC_UNSUPPORTED, "%s: expected model.safetensors, its parts or a GGUF file, found %s", where,
            pickle ? "weights as .bin only: such files can run any program and are not fetched; look for a "
                     "safetensors or GGUF conversion"
                   : "neither");
    wc_buf_release(&there);
    return ok;
}

bool hub_listing_choose(wc_arena *a, hub_listing *l, const char *file, const char *where, wc_error *err)
{
    bool weights = false;
    for (size_t i = 0; i < l->n; i++)
        weights = weights || is_weights(l->files[i].path);
    bool ok = true;
    if (file)
        ok = choose_file(a, l, file, where, err);
    else if (weights)
        filter(l, is_needed);
    else
        ok = choose_gguf(a, l, where, err);
    if (ok && l->n > MAX_CHOSEN)
        return wc_fail(err, WC_BAD_FILE, "%s: needs %zu files, expected at most %d", where, l->n, MAX_CHOSEN);
    return ok;
}
