/* hub.c - from what a user calls a model to a folder.  In this order:
 *
 *   a folder            as it is; a repository folder of the cache stands for its snapshot
 *   NAME                a model that ships with whinchat: in $WHINCHAT_MODELS, then beside the program or
 *                       the library, then where they were installed
 *   OWNER/NAME[@REV]    in the Hugging Face cache, which is laid out as
 *
 *       $HF_HUB_CACHE/models--OWNER--NAME/refs/REV              a commit of 40 digits; REV: main
 *                                        /snapshots/COMMIT/...  the files, links to ../../blobs/...
 *
 * Nothing is ever asked of the network.  Names and what a ref holds become parts of paths: both are checked
 * for that. */
#include "formats/hub.h"

#include <dirent.h>
#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file_map.h"
#include "base/mem.h"
#include "formats/datadir.h"

enum { MAX_NAME = 96, MAX_REVISION = 200, MAX_REF = 4096, MAX_PATH = 4096, MAX_PLACES = 9, TEXT_ROOM = 700 };

/* ---- small helpers ---- */

static const char *env(const char *name)
{
    const char *v = getenv(name);
    return v && *v ? v : NULL;
}

static char *join3(wc_arena *a, const char *x, const char *y, const char *z)
{
    char *xy = wc_path_join(a, x, y);
    return xy ? wc_path_join(a, xy, z) : NULL;
}

/* A path from the environment, "~/" standing for the home folder. */
static char *expand(wc_arena *a, const char *path)
{
    const char *home = env("HOME");
    return path[0] == '~' && path[1] == '/' && home ? wc_path_join(a, home, path + 2)
                                                    : wc_arena_strdup(a, path);
}

typedef struct names {
    char **list; /* [n] sorted */
    size_t n, room;
} names;

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool add_name(wc_arena *a, names *out, const char *name, wc_error *err)
{
    if (out->n == out->room) {
        size_t more = out->room ? 2 * out->room : 64;
        char **list = wc_arena_zalloc(a, more, sizeof *list);
        if (!list)
            return wc_fail_memory(err, more * sizeof *list);
        if (out->n)
            memcpy(list, out->list, out->n * sizeof *list);
        out->list = list;
        out->room = more;
    }
    char *copy = wc_arena_strdup(a, name);
    if (!copy)
        return wc_fail_memory(err, strlen(name));
    out->list[out->n++] = copy;
    return true;
}

/* The names in a folder without those that begin with a dot; an absent folder has none. */
static bool read_names(wc_arena *a, const char *dir, names *out, wc_error *err)
{
    *out = (names){0};
    DIR *d = opendir(dir);
    bool ok = true;
    for (struct dirent *e; d && ok && (e = readdir(d));) {
        if (e->d_name[0] == '.')
            continue;
        ok = add_name(a, out, e->d_name, err);
    }
    if (d)
        closedir(d);
    if (ok && out->n > 1)
        qsort(out->list, out->n, sizeof *out->list, by_text);
    return ok;
}

/* The name in the folder that is the same but for case, an exact one first; NULL when there is none. */
static const char *match_name(const names *in, const char *name)
{
    const char *found = NULL;
    for (size_t i = 0; i < in->n; i++) {
        if (strcmp(in->list[i], name) == 0)
            return in->list[i];
        if (!found && strcasecmp(in->list[i], name) == 0)
            found = in->list[i];
    }
    return found;
}

static bool ends_with(const char *s, const char *end)
{
    const size_t n = strlen(s), e = strlen(end);
    return n >= e && strcasecmp(s + n - e, end) == 0;
}

/* A file to be opened as GGUF: by its name, so that a broken one is said to be broken, or by how it begins. */
static bool is_gguf(const char *path)
{
    if (!wc_path_exists(path) || wc_dir_exists(path))
        return false;
    wc_file_map m = {0};
    bool magic = ends_with(path, ".gguf");
    if (!magic && wc_file_map_open(&m, path, NULL)) {
        magic = m.size >= 4 && memcmp(m.data, "GGUF", 4) == 0;
        wc_file_map_close(&m);
    }
    return magic;
}

/* Whether a name is that of a model's file, or of the first of its files; mmproj-*.gguf are picture towers. */
static bool names_gguf(const char *name)
{
    const char *of = strstr(name, "-of-");
    return ends_with(name, ".gguf") && strncasecmp(name, "mmproj", 6) != 0 &&
           (!of || of - name < 6 || strncmp(of - 6, "-00001", 6) == 0);
}

/* The GGUF files of a folder: how many, and the first. */
static size_t find_gguf(wc_arena *a, const char *dir, const char **first)
{
    names in;
    size_t n = 0;
    *first = NULL;
    if (!read_names(a, dir, &in, NULL))
        return 0;
    for (size_t i = 0; i < in.n; i++)
        if (names_gguf(in.list[i]) && n++ == 0)
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

/* The folder that holds models--OWNER--NAME, there or not; NULL when there is no home either. */
static char *cache_folder(wc_arena *a)
{
    const char *v = env("HF_HUB_CACHE");
    if (!v)
        v = env("HUGGINGFACE_HUB_CACHE");
    if (v)
        return expand(a, v);
    if ((v = env("HF_HOME"))) {
        const char *home = expand(a, v);
        return home ? wc_path_join(a, home, "hub") : NULL;
    }
    const char *cache = (v = env("XDG_CACHE_HOME")) ? expand(a, v) : NULL;
    if (!cache && (v = env("HOME")))
        cache = wc_path_join(a, v, ".cache");
    return cache ? join3(a, cache, "huggingface", "hub") : NULL;
}

/* n characters of a repository's or an owner's name, as the Hub allows them. */
static bool plain_part(const char *s, size_t n)
{
    if (n == 0 || n > MAX_NAME || s[0] == '.' || s[0] == '-' || s[n - 1] == '.' || s[n - 1] == '-')
        return false;
    for (size_t i = 0; i < n; i++) {
        bool word = (s[i] >= '0' && s[i] <= '9') || (s[i] >= 'a' && s[i] <= 'z') ||
                    (s[i] >= 'A' && s[i] <= 'Z') || s[i] == '_' || s[i] == '-' || s[i] == '.';
        if (!word || (i > 0 && (s[i] == '-' || s[i] == '.') && s[i] == s[i - 1]))
            return false;
    }
    return true;
}

/* A branch, a tag or a commit: parts of letters, digits, "_", "-" and "." between slashes. */
static bool plain_revision(const char *s)
{
    if (strlen(s) > MAX_REVISION)
        return false;
    for (;;) {
        size_t n = strcspn(s, "/");
        if (!plain_part(s, n))
            return false;
        if (s[n] == '\0')
            return true;
        s += n + 1;
    }
}

static bool is_commit(const char *s, size_t n)
{
    return n == 40 && strspn(s, "0123456789abcdef") >= n;
}

/* The commit that refs/REVISION of a repository folder holds. */
static const char *read_ref(wc_arena *a, const char *repo, const char *revision, wc_error *err)
{
    size_t n;
    const char *path = join3(a, repo, "refs", revision);
    const char *text = path ? wc_file_read(a, path, MAX_REF, &n, err) : NULL;
    if (!path)
        wc_fail_memory(err, MAX_REF);
    if (!text)
        return NULL;
    while (n > 0 && strchr(" \t\r\n", text[n - 1]) && text[n - 1])
        n--;
    if (is_commit(text, n))
        return wc_arena_strndup(a, text, n);
    wc_fail(err, WC_BAD_FILE,
            "%s: expected a commit of 40 hexadecimal digits that names a snapshot, found %s", path,
            n ? "something else" : "an empty file");
    return NULL;
}

/* The only snapshot of a repository that has no such ref. */
static const char *only_snapshot(wc_arena *a, const char *repo, const char *revision, wc_error *err)
{
    names in;
    const char *snapshots = wc_path_join(a, repo, "snapshots");
    if (!snapshots || !read_names(a, snapshots, &in, err)) {
        wc_fail_memory(err, MAX_PATH);
        return NULL;
    }
    if (in.n == 1 && is_commit(in.list[0], strlen(in.list[0])))
        return in.list[0];
    wc_fail(err, WC_NOT_FOUND,
            "%s: refs/%s: expected a commit or one snapshot, found no refs/%s and %zu snapshots; %s", repo,
            revision, revision, in.n, in.n > 1 ? "say NAME@COMMIT" : "download the model again");
    return NULL;
}

/* "OWNER/NAME" of a folder models--OWNER--NAME. */
static char *repo_name(wc_arena *a, const char *folder)
{
    const char *slash = strrchr(folder, '/');
    const char *base = slash ? slash + 1 : folder;
    if (strncmp(base, "models--", 8) != 0)
        return wc_arena_strdup(a, base);
    char *name = wc_arena_strdup(a, base + 8), *dashes = name ? strstr(name, "--") : NULL;
    if (dashes) {
        *dashes = '/';
        memmove(dashes + 1, dashes + 2, strlen(dashes + 2) + 1);
    }
    return name;
}

/* The snapshot of a repository folder. */
static char *resolve_snapshot(wc_arena *a, const char *repo, const char *revision, wc_error *err)
{
    const char *commit = revision;
    const char *ref = join3(a, repo, "refs", revision), *name = repo_name(a, repo);
    if (!ref || !name) {
        wc_fail_memory(err, MAX_PATH);
        return NULL;
    }
    if (!is_commit(revision, strlen(revision)))
        commit = wc_path_exists(ref) ? read_ref(a, repo, revision, err)
                                     : only_snapshot(a, repo, revision, err);
    if (!commit)
        return NULL;
    char *path = join3(a, repo, "snapshots", commit);
    if (!path)
        wc_fail_memory(err, MAX_PATH);
    else if (wc_dir_exists(path))
        return path;
    else
        wc_fail(err, WC_NOT_FOUND, "%s: refs/%s: the snapshot is %s: fetch it with: hf download %s", path,
                revision, wc_path_exists(path) ? "no folder" : "not there", name);
    return NULL;
}

/* OWNER/NAME[@REVISION] or NAME[@REVISION], checked and cut. */
struct request {
    const char *folder; /* "models--OWNER--NAME" */
    const char *name, *revision;
};

static bool parse_request(wc_arena *a, const char *name, struct request *r, wc_error *err)
{
    char *copy = wc_arena_strdup(a, name);
    const size_t room = strlen(name) + 16;
    char *folder = copy ? wc_arena_alloc(a, room) : NULL;
    if (!folder)
        return wc_fail_memory(err, strlen(name));
    char *at = strchr(copy, '@');
    r->revision = at ? at + 1 : "main";
    if (at)
        *at = '\0';
    r->name = copy;
    const char *slash = strchr(copy, '/');
    bool ok = slash ? plain_part(copy, (size_t)(slash - copy)) && plain_part(slash + 1, strlen(slash + 1))
                    : plain_part(copy, strlen(copy));
    if (!ok)
        return wc_fail(err, WC_NOT_FOUND,
                       "%.300s: no such folder, and no name of a model: expected a folder, the name of a "
                       "shipped model, or a "
                       "repo OWNER/NAME in the Hugging Face cache",
                       name);
    if (!plain_revision(r->revision))
        return wc_fail(err, WC_BAD_ARGUMENT, "%.300s: revision: expected a branch, a tag or a commit after @",
                       name);
    const int owner = slash ? (int)(slash - copy) : 0;
    snprintf(folder, room, "models--%.*s%s%s", owner, copy, slash ? "--" : "", slash ? slash + 1 : copy);
    r->folder = folder;
    return true;
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
    char file[MAX_PATH];
    Dl_info info;
    *p = (struct places){0};
    const char *given = env("WHINCHAT_MODELS");
    if (given)
        add_place(a, p, expand(a, given));
    ssize_t n = readlink("/proc/self/exe", file, sizeof file - 1);
    if (n > 0) {
        file[n] = '\0';
        add_beside(a, p, file);
    }
    if (dladdr(&by_text, &info) && info.dli_fname && (n <= 0 || strcmp(info.dli_fname, file) != 0))
        add_beside(a, p, info.dli_fname);
    add_place(a, p, WC_DATA_DIR "/models");
}

/* The folder of a shipped model; NULL without an error when there is none. */
static char *find_shipped(wc_arena *a, const struct places *p, const char *name)
{
    for (size_t i = 0; i < p->n; i++) {
        names in;
        const char *same = read_names(a, p->dir[i], &in, NULL) ? match_name(&in, name) : NULL;
        char *path = same ? wc_path_join(a, p->dir[i], same) : NULL;
        if (path && is_model_folder(a, path))
            return path;
    }
    return NULL;
}

/* ---- resolving ---- */

static bool not_found(wc_arena *a, const struct request *r, const struct places *p, const char *cache,
                      wc_error *err)
{
    wc_buf where;
    wc_buf_init(&where, TEXT_ROOM);
    for (size_t i = 0; i < p->n; i++)
        if (wc_dir_exists(p->dir[i]))
            wc_buf_printf(&where, ", %s", p->dir[i]);
    wc_fail(err, WC_NOT_FOUND,
            "%s: no such model: looked for a folder, in the Hugging Face cache (%s)%s; %s%s", r->name,
            cache ? cache : "no home folder", wc_buf_ok(&where) ? wc_buf_str(&where) : "",
            strchr(r->name, '/') ? "fetch it with: hf download " : "whinchat list shows what is there",
            strchr(r->name, '/') ? r->name : "");
    wc_buf_release(&where);
    return false;
}

/* The repository folder of the cache, whatever the case of its letters; NULL when there is none. */
static char *find_repo(wc_arena *a, const char *cache, const char *folder)
{
    char *path = cache ? wc_path_join(a, cache, folder) : NULL;
    if (!path || wc_dir_exists(path))
        return path;
    names in;
    const char *same = read_names(a, cache, &in, NULL) ? match_name(&in, folder) : NULL;
    return same ? wc_path_join(a, cache, same) : NULL;
}

static char *resolve_name(wc_arena *a, const char *name, wc_error *err)
{
    struct request r = {.folder = "", .name = name, .revision = "main"};
    struct places places;
    if (!parse_request(a, name, &r, err))
        return NULL;
    find_places(a, &places);
    char *path = strchr(name, '/') ? NULL : find_shipped(a, &places, name);
    if (path)
        return path;
    const char *cache = cache_folder(a), *repo = find_repo(a, cache, r.folder);
    if (repo)
        return resolve_snapshot(a, repo, r.revision, err);
    not_found(a, &r, &places, cache, err);
    return NULL;
}

char *wc_hub_cached(wc_arena *a, const char *name)
{
    struct request r;
    const char *cache = parse_request(a, name, &r, NULL) ? cache_folder(a) : NULL,
               *repo = cache ? find_repo(a, cache, r.folder) : NULL;
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

/* Bytes of the files in a folder, links followed; folders within are not counted. */
static uint64_t folder_bytes(wc_arena *a, const char *dir)
{
    names in;
    uint64_t sum = 0;
    if (!read_names(a, dir, &in, NULL))
        return 0;
    for (size_t i = 0; i < in.n; i++) {
        struct stat st;
        const char *path = wc_path_join(a, dir, in.list[i]);
        if (path && stat(path, &st) == 0 && S_ISREG(st.st_mode))
            sum += (uint64_t)st.st_size;
    }
    return sum;
}

static void add_model(wc_arena *a, wc_buf *out, bool *first, const char *name, const char *path,
                      const char *source)
{
    wc_buf_puts(out, *first ? "{\"name\":" : ",{\"name\":");
    wc_buf_json_string(out, name, strlen(name));
    wc_buf_puts(out, ",\"path\":");
    wc_buf_json_string(out, path, strlen(path));
    wc_buf_printf(out, ",\"source\":\"%s\",\"bytes\":%llu}", source,
                  (unsigned long long)folder_bytes(a, path));
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
        names in;
        if (!read_names(a, p.dir[i], &in, err))
            return false;
        for (size_t j = 0; j < in.n; j++) {
            const char *path = wc_path_join(a, p.dir[i], in.list[j]);
            if (path && is_model_folder(a, path) && !hidden(a, &p, i, in.list[j]))
                add_model(a, out, first, in.list[j], path, "shipped");
        }
    }
    return true;
}

static bool list_cached(wc_arena *a, wc_buf *out, bool *first, wc_error *err)
{
    names in;
    const char *cache = cache_folder(a);
    if (!cache)
        return true;
    if (!read_names(a, cache, &in, err))
        return false;
    for (size_t i = 0; i < in.n; i++) {
        const char *repo = strncmp(in.list[i], "models--", 8) == 0 ? wc_path_join(a, cache, in.list[i])
                                                                   : NULL;
        const char *path = repo ? resolve_snapshot(a, repo, "main", NULL) : NULL;
        const char *name = path && is_model_folder(a, path) ? repo_name(a, repo) : NULL;
        if (name)
            add_model(a, out, first, name, path, "cache");
    }
    return true;
}

/* The folders that are looked into, those that are not there as well. */
static void list_places(wc_arena *a, wc_buf *out)
{
    struct places p;
    find_places(a, &p);
    add_place(a, &p, cache_folder(a));
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
