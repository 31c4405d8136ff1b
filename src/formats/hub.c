/* hub.c - from what a user calls a model to a folder.  In this order:
 *
 *   a folder            as it is; a repository folder of the cache stands for its snapshot
 *   NAME                a model that ships with whinchat: in $WHINCHAT_MODELS, then beside the program or
 *                       the library, then where they were installed
 *   OWNER/NAME[@REVISION][:FILE]    in the Hugging Face cache (hub_cache.h)
 *
 * Nothing is ever asked of the network. */
#include "formats/hub.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file_map.h"
#include "base/mem.h"
#include "base/nearest.h"
#include "formats/datadir.h"
#include "formats/hub_cache.h"

enum { MAX_PATH = 4096, MAX_PLACES = 9, TEXT_ROOM = 700, LIST_BYTES = 16 << 20 };

/* ---- small helpers ---- */

/* A file to be opened as GGUF: by its name, so that a broken one is said to be broken, or by how it begins. */
static bool is_gguf(const char *path)
{
    if (!wc_path_exists(path) || wc_dir_exists(path))
        return false;
    wc_file_map m = {0};
    bool magic = wc_hub_ends_with(path, ".gguf");
    if (!magic && wc_file_map_open(&m, path, NULL)) {
        magic = m.size >= 4 && memcmp(m.data, "GGUF", 4) == 0;
        wc_file_map_close(&m);
    }
    return magic;
}

/* The GGUF files of a folder: how many, and the first. */
static size_t find_gguf(wc_arena *a, const char *dir, const char **first)
{
    wc_names in;
    size_t n = 0;
    *first = NULL;
    if (!wc_names_read(a, dir, &in, NULL))
        return 0;
    for (size_t i = 0; i < in.n; i++)
        if (wc_hub_is_gguf(in.list[i]) && n++ == 0)
            *first = wc_path_join(a, dir, in.list[i]);
    return *first ? n : 0;
}

static bool has_config(wc_arena *a, const char *dir)
{
    const char *config = wc_path_join(a, dir, "config.json");
    return config && wc_path_exists(config);
}

static bool is_model_folder(wc_arena *a, const char *dir)
{
    const char *first;
    return has_config(a, dir) || find_gguf(a, dir, &first) > 0;
}

/* ---- the cache ---- */

/* The only snapshot of a repository that has no such ref. */
static const char *only_snapshot(wc_arena *a, const char *repo, const char *revision, wc_error *err)
{
    wc_names in;
    const char *snapshots = wc_path_join(a, repo, "snapshots");
    if (!snapshots || !wc_names_read(a, snapshots, &in, err)) {
        wc_fail_memory(err, MAX_PATH);
        return NULL;
    }
    if (in.n == 1 && wc_hub_is_commit(in.list[0], strlen(in.list[0])))
        return in.list[0];
    wc_fail(err, WC_NOT_FOUND,
            "%s: refs/%s: expected a commit or one snapshot, found no refs/%s and %zu snapshots; %s", repo,
            revision, revision, in.n, in.n > 1 ? "say NAME@COMMIT" : "download the model again");
    return NULL;
}

/* The snapshot of a repository folder. */
static char *resolve_snapshot(wc_arena *a, const char *repo, const char *revision, wc_error *err)
{
    const char *commit = revision;
    const char *ref = wc_hub_join(a, repo, "refs", revision), *name = wc_hub_repo_name(a, repo);
    if (!ref || !name) {
        wc_fail_memory(err, MAX_PATH);
        return NULL;
    }
    if (!wc_hub_is_commit(revision, strlen(revision)))
        commit = wc_path_exists(ref) ? wc_hub_read_ref(a, repo, revision, err)
                                     : only_snapshot(a, repo, revision, err);
    if (!commit)
        return NULL;
    char *path = wc_hub_join(a, repo, "snapshots", commit);
    if (!path)
        wc_fail_memory(err, MAX_PATH);
    else if (wc_dir_exists(path))
        return path;
    else
        wc_fail(err, WC_NOT_FOUND,
                "%s: refs/%s: the snapshot is %s: fetch it with: whinchat pull %s (or hf download)", path,
                revision, wc_path_exists(path) ? "no folder" : "not there", name);
    return NULL;
}

/* ---- shipped models ---- */

struct places {
    const char *dir[MAX_PLACES];
    size_t n;
};

/* Each folder once, under its shortest name. */
static void add_place(wc_arena *a, struct places *p, const char *dir)
{
    char real[PATH_MAX];
    if (dir && realpath(dir, real))
        dir = wc_arena_strndup(a, real, strlen(real));
    for (size_t i = 0; dir && i < p->n; i++)
        if (strcmp(p->dir[i], dir) == 0)
            return;
    if (dir && p->n < MAX_PLACES)
        p->dir[p->n++] = dir;
}

/* Where models may lie that came with the program or library file. */
static void add_beside(wc_arena *a, struct places *p, const char *file)
{
    const char *slash = strrchr(file, '/');
    const char *dir = slash ? wc_arena_strndup(a, file, (size_t)(slash - file)) : NULL;
    if (!dir)
        return;
    add_place(a, p, wc_path_join(a, dir, "../models"));
    add_place(a, p, wc_path_join(a, dir, "models"));
    add_place(a, p, wc_path_join(a, dir, "../share/whinchat/models"));
}

static void find_places(wc_arena *a, struct places *p)
{
    static const char here = 0; /* an address in the library, or in the program that holds it */
    char file[MAX_PATH];
    Dl_info info;
    *p = (struct places){0};
    const char *given = wc_hub_env("WHINCHAT_MODELS");
    if (given)
        add_place(a, p, wc_hub_expand(a, given));
    ssize_t n = readlink("/proc/self/exe", file, sizeof file - 1);
    if (n > 0) {
        file[n] = '\0';
        add_beside(a, p, file);
    }
    if (dladdr(&here, &info) && info.dli_fname && (n <= 0 || strcmp(info.dli_fname, file) != 0))
        add_beside(a, p, info.dli_fname);
    add_place(a, p, WC_DATA_DIR "/models");
}

/* The folder of a shipped model; NULL without an error when there is none. */
static char *find_shipped(wc_arena *a, const struct places *p, const char *name)
{
    for (size_t i = 0; i < p->n; i++) {
        wc_names in;
        const char *same = wc_names_read(a, p->dir[i], &in, NULL) ? wc_names_match(&in, name) : NULL;
        char *path = same ? wc_path_join(a, p->dir[i], same) : NULL;
        if (path && is_model_folder(a, path))
            return path;
    }
    return NULL;
}

/* ---- resolving ---- */

/* The name in the list that is most like one that is not there, with or without its owner; NULL when none is alike. */
static const char *nearest_model(wc_arena *a, const char *wanted)
{
    wc_nearest best = {0};
    wc_buf list;
    wc_buf_init(&list, LIST_BYTES);
    const wc_json *all = wc_hub_list(&list, NULL)
                             ? wc_json_parse(a, wc_buf_str(&list), list.size, "list", 0, NULL)
                             : NULL,
                  *models = wc_json_get(all, "models");
    for (size_t i = 0; i < wc_json_count(models); i++) {
        const char *name = wc_json_get(wc_json_item(models, i), "name")->u.text, *slash = strchr(name, '/');
        wc_nearest one = {0};
        wc_nearest_try(&one, wanted, name);
        if (slash && !strchr(wanted, '/'))
            wc_nearest_try(&one, wanted, slash + 1);
        if (one.name && (!best.name || one.edits < best.edits))
            best = (wc_nearest){name, one.edits};
    }
    wc_buf_release(&list);
    return best.edits <= strlen(wanted) / 3 + 1 ? best.name : NULL;
}

static bool not_found(wc_arena *a, const wc_hub_name *r, const struct places *p, const char *cache,
                      wc_error *err)
{
    wc_buf where;
    wc_buf_init(&where, TEXT_ROOM);
    for (size_t i = 0; i < p->n; i++)
        if (wc_dir_exists(p->dir[i]))
            wc_buf_printf(&where, ", %s", p->dir[i]);
    const char *nearest = nearest_model(a, r->name);
    wc_fail(err, WC_NOT_FOUND,
            "%s: no such model: looked for a folder, in the Hugging Face cache (%s)%s; %s%s%s%s%s%s", r->name,
            cache ? cache : "no home folder", wc_buf_ok(&where) ? wc_buf_str(&where) : "",
            nearest ? "the nearest is " : "", nearest ? nearest : "", nearest ? "; " : "",
            strchr(r->name, '/') ? "fetch it with: whinchat pull " : "whinchat list shows what is there",
            strchr(r->name, '/') ? r->name : "", strchr(r->name, '/') ? " (or hf download)" : "");
    wc_buf_release(&where);
    return false;
}

/* The file of a snapshot that ":FILE" means; the snapshot when nothing was said. */
static char *resolve_file(wc_arena *a, char *snapshot, const char *file, wc_error *err)
{
    wc_names in;
    if (!snapshot || !file)
        return snapshot;
    if (!wc_names_read_files(a, snapshot, &in, err))
        return NULL;
    const size_t i = wc_hub_pick((const char *const *)in.list, in.n, file, snapshot, err);
    char *path = i < in.n ? wc_path_join(a, snapshot, in.list[i]) : NULL;
    if (i < in.n && !path)
        wc_fail_memory(err, MAX_PATH);
    return path;
}

static char *resolve_name(wc_arena *a, const char *name, wc_error *err)
{
    wc_hub_name r;
    struct places places;
    if (!wc_hub_parse(a, name, &r, err))
        return NULL;
    find_places(a, &places);
    char *path = strchr(name, '/') ? NULL : find_shipped(a, &places, name);
    if (path)
        return path;
    const char *cache = wc_hub_cache(a), *repo = wc_hub_find(a, cache, r.folder);
    if (repo)
        return resolve_file(a, resolve_snapshot(a, repo, r.revision, err), r.file, err);
    not_found(a, &r, &places, cache, err);
    return NULL;
}

char *wc_hub_cached(wc_arena *a, const char *name)
{
    wc_hub_name r;
    const char *repo = wc_hub_parse(a, name, &r, NULL) ? wc_hub_find(a, wc_hub_cache(a), r.folder) : NULL;
    return repo ? resolve_snapshot(a, repo, r.revision, NULL) : NULL;
}

/* What a folder stands for: itself, or its snapshot when it is a repository folder of a cache. */
static char *resolve_folder(wc_arena *a, const char *path, wc_error *err)
{
    const char *snapshots = wc_path_join(a, path, "snapshots");
    if (snapshots && wc_dir_exists(snapshots) && !is_model_folder(a, path))
        return resolve_snapshot(a, path, "main", err);
    char *copy = wc_arena_strdup(a, path);
    if (!copy)
        wc_fail_memory(err, strlen(path));
    return copy;
}

/* A folder without a configuration stands for the one GGUF file that it holds. */
static char *resolve_within(wc_arena *a, char *path, wc_error *err)
{
    const char *first;
    if (!path || !wc_dir_exists(path) || has_config(a, path))
        return path;
    const size_t n = find_gguf(a, path, &first);
    if (n > 1) {
        wc_fail(err, WC_BAD_ARGUMENT,
                "%s: expected one model, found %zu GGUF files; give one of them, such as %s", path, n, first);
        return NULL;
    }
    return n ? (char *)first : path;
}

static char *resolve(wc_arena *a, const char *name, wc_error *err)
{
    if (!name || !*name || strlen(name) >= MAX_PATH) {
        wc_fail(err, WC_BAD_ARGUMENT, "model: expected a folder or a name, found %s",
                name && *name ? "one too long, of more than 4095 bytes" : "nothing");
        return NULL;
    }
    if (wc_dir_exists(name))
        return resolve_folder(a, name, err);
    if (is_gguf(name)) {
        char *copy = wc_arena_strdup(a, name);
        if (!copy)
            wc_fail_memory(err, strlen(name));
        return copy;
    }
    if (wc_path_exists(name)) {
        wc_fail(err, WC_UNSUPPORTED,
                "%s: expected a model's folder, found no folder; give the one that holds config.json", name);
        return NULL;
    }
    return resolve_name(a, name, err);
}

char *wc_hub_resolve(wc_arena *a, const char *name, wc_error *err)
{
    return resolve_within(a, resolve(a, name, err), err);
}

/* ---- the list ---- */

/* Bytes of the files in a folder; of a GGUF file, given as first, and its other parts. */
static uint64_t sum_bytes(wc_arena *a, const char *dir, const char *first)
{
    wc_names in;
    uint64_t sum = 0;
    if (!wc_names_read_files(a, dir, &in, NULL))
        return 0;
    for (size_t i = 0; i < in.n; i++) {
        struct stat st;
        const char *path = wc_path_join(a, dir, in.list[i]);
        if (path && (!first || wc_hub_is_part(in.list[i], first)) && stat(path, &st) == 0 &&
            S_ISREG(st.st_mode))
            sum += (uint64_t)st.st_size;
    }
    return sum;
}

static void add_model(wc_buf *out, bool *first, const char *name, const char *path, const char *source,
                      uint64_t bytes)
{
    wc_buf_puts(out, *first ? "{\"name\":" : ",{\"name\":");
    wc_buf_json_string(out, name, strlen(name));
    wc_buf_puts(out, ",\"path\":");
    wc_buf_json_string(out, path, strlen(path));
    wc_buf_printf(out, ",\"source\":\"%s\",\"bytes\":%llu}", source, (unsigned long long)bytes);
    *first = false;
}

/* A model in an earlier place hides one of the same name. */
static bool hidden(wc_arena *a, const struct places *p, size_t place, const char *name)
{
    for (size_t i = 0; i < place; i++) {
        const char *path = wc_path_join(a, p->dir[i], name);
        if (path && is_model_folder(a, path))
            return true;
    }
    return false;
}

static bool list_shipped(wc_arena *a, wc_buf *out, bool *first, wc_error *err)
{
    struct places p;
    find_places(a, &p);
    for (size_t i = 0; i < p.n; i++) {
        wc_names in;
        if (!wc_names_read(a, p.dir[i], &in, err))
            return false;
        for (size_t j = 0; j < in.n; j++) {
            const char *path = wc_path_join(a, p.dir[i], in.list[j]);
            if (path && is_model_folder(a, path) && !hidden(a, &p, i, in.list[j]))
                add_model(out, first, in.list[j], path, "shipped", sum_bytes(a, path, NULL));
        }
    }
    return true;
}

/* A snapshot under the names by which it opens: its own when it is a folder of a model or holds one GGUF file, else one
 * for each of these. */
static bool list_snapshot(wc_arena *a, wc_buf *out, bool *first, const char *name, const char *path,
                          wc_error *err)
{
    wc_names in;
    const char *only;
    const bool one = find_gguf(a, path, &only) == 1;
    if (has_config(a, path)) {
        add_model(out, first, name, path, "cache", sum_bytes(a, path, NULL));
        return true;
    }
    if (!wc_names_read_files(a, path, &in, err))
        return false;
    for (size_t i = 0; i < in.n; i++) {
        char longer[2400];
        const char *file = wc_path_join(a, path, in.list[i]);
        if (!file || !wc_hub_is_gguf(in.list[i]))
            continue;
        snprintf(longer, sizeof longer, "%s:%s", name, in.list[i]);
        add_model(out, first, one && strcmp(file, only) == 0 ? name : longer, file, "cache",
                  sum_bytes(a, path, in.list[i]));
    }
    return true;
}

/* The snapshots of a repository: that of main, then those that other refs name. */
static bool list_repo(wc_arena *a, wc_buf *out, bool *first, const char *repo, wc_error *err)
{
    wc_names refs;
    const char *name = wc_hub_repo_name(a, repo), *places = wc_path_join(a, repo, "refs");
    const char *main_path = resolve_snapshot(a, repo, "main", NULL);
    if (!name || !places)
        return wc_fail_memory(err, MAX_PATH);
    if ((main_path && !list_snapshot(a, out, first, name, main_path, err)) ||
        !wc_names_read_files(a, places, &refs, err))
        return false;
    for (size_t i = 0; i < refs.n; i++) {
        char longer[1200];
        const char *path = resolve_snapshot(a, repo, refs.list[i], NULL);
        snprintf(longer, sizeof longer, "%s@%s", name, refs.list[i]);
        if (path && !(main_path && strcmp(path, main_path) == 0) &&
            !list_snapshot(a, out, first, longer, path, err))
            return false;
    }
    return true;
}

static bool list_cached(wc_arena *a, wc_buf *out, bool *first, wc_error *err)
{
    wc_names in;
    const char *cache = wc_hub_cache(a);
    if (!cache)
        return true;
    if (!wc_names_read(a, cache, &in, err))
        return false;
    for (size_t i = 0; i < in.n; i++) {
        const char *repo = strncmp(in.list[i], "models--", 8) == 0 ? wc_path_join(a, cache, in.list[i])
                                                                   : NULL;
        if (repo && !list_repo(a, out, first, repo, err))
            return false;
    }
    return true;
}

/* The folders that are looked into, those that are not there as well. */
static void list_places(wc_arena *a, wc_buf *out)
{
    struct places p;
    find_places(a, &p);
    add_place(a, &p, wc_hub_cache(a));
    for (size_t i = 0; i < p.n; i++) {
        wc_buf_puts(out, i ? ",{\"path\":" : "{\"path\":");
        wc_buf_json_string(out, p.dir[i], strlen(p.dir[i]));
        wc_buf_printf(out, ",\"exists\":%s}", wc_dir_exists(p.dir[i]) ? "true" : "false");
    }
}

bool wc_hub_list(wc_buf *out, wc_error *err)
{
    wc_arena *a = wc_arena_new(0);
    bool first = true;
    if (!a)
        return wc_fail_memory(err, 1);
    wc_buf_puts(out, "{\"models\":[");
    bool ok = list_shipped(a, out, &first, err) && list_cached(a, out, &first, err);
    wc_buf_puts(out, "],\"places\":[");
    list_places(a, out);
    wc_buf_puts(out, "]}");
    wc_arena_free(a);
    return ok && wc_buf_check(out, "list of models", err);
}
