/* hub_cache.c - names and places of the Hugging Face cache.  Names and what a ref holds become parts of paths: both are
 * checked for that. */
#include "formats/hub_cache.h"

#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/file_map.h"
#include "base/utf8.h"

enum { MAX_NAME = 96, MAX_REVISION = 200, MAX_REF = 4096, MAX_FILE = 1000, MAX_DEPTH = 8, TEXT_ROOM = 1500 };

/* ---- lists of names ---- */

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

bool wc_names_add(wc_arena *a, wc_names *out, const char *name, wc_error *err)
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

bool wc_names_read(wc_arena *a, const char *dir, wc_names *out, wc_error *err)
{
    *out = (wc_names){0};
    DIR *d = opendir(dir);
    bool ok = true;
    for (struct dirent *e; d && ok && (e = readdir(d));) {
        if (e->d_name[0] == '.')
            continue;
        ok = wc_names_add(a, out, e->d_name, err);
    }
    if (d)
        closedir(d);
    if (ok && out->n > 1)
        qsort(out->list, out->n, sizeof *out->list, by_text);
    return ok;
}

/* Adds the files in folder dir/sub, their paths beginning with sub. */
static bool add_files(wc_arena *a, const char *dir, const char *sub, int depth, wc_names *out, wc_error *err)
{
    wc_names in;
    const char *folder = *sub ? wc_path_join(a, dir, sub) : dir;
    if (!folder)
        return wc_fail_memory(err, MAX_FILE);
    if (!wc_names_read(a, folder, &in, err))
        return false;
    for (size_t i = 0; i < in.n; i++) {
        const char *name = *sub ? wc_path_join(a, sub, in.list[i]) : in.list[i];
        const char *path = name ? wc_path_join(a, dir, name) : NULL;
        if (!path)
            return wc_fail_memory(err, strlen(dir));
        struct stat st;
        const bool down = depth < MAX_DEPTH && lstat(path, &st) == 0 && S_ISDIR(st.st_mode);
        if (!(down ? add_files(a, dir, name, depth + 1, out, err) : wc_names_add(a, out, name, err)))
            return false;
    }
    return true;
}

bool wc_names_read_files(wc_arena *a, const char *dir, wc_names *out, wc_error *err)
{
    *out = (wc_names){0};
    return add_files(a, dir, "", 0, out, err);
}

const char *wc_names_match(const wc_names *in, const char *name)
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

/* ---- what a user calls a model ---- */

static const char *last_part(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

bool wc_hub_ends_with(const char *s, const char *end)
{
    const size_t n = strlen(s), e = strlen(end);
    return n >= e && strcasecmp(s + n - e, end) == 0;
}

bool wc_hub_is_tower(const char *path)
{
    const char *name = last_part(path);
    for (const char *p = name; wc_hub_ends_with(name, ".gguf") && *p; p++)
        if (strncasecmp(p, "mmproj", 6) == 0)
            return true;
    return false;
}

bool wc_hub_is_gguf(const char *path)
{
    const char *name = last_part(path), *of = strstr(name, "-of-");
    return wc_hub_ends_with(name, ".gguf") && !wc_hub_is_tower(name) &&
           (!of || of - name < 6 || strncmp(of - 6, "-00001", 6) == 0);
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

bool wc_hub_is_commit(const char *s, size_t n)
{
    return n == 40 && strspn(s, "0123456789abcdef") >= n;
}

char *wc_hub_repo_name(wc_arena *a, const char *folder)
{
    const char *base = last_part(folder);
    if (strncmp(base, "models--", 8) != 0)
        return wc_arena_strdup(a, base);
    char *name = wc_arena_strdup(a, base + 8), *dashes = name ? strstr(name, "--") : NULL;
    if (dashes) {
        *dashes = '/';
        memmove(dashes + 1, dashes + 2, strlen(dashes + 2) + 1);
    }
    return name;
}

static bool plain_name(const char *name)
{
    const char *slash = strchr(name, '/');
    return slash ? plain_part(name, (size_t)(slash - name)) && plain_part(slash + 1, strlen(slash + 1))
                 : plain_part(name, strlen(name));
}

/* Cuts s at the first c: the text behind it, or NULL. */
static char *cut(char *s, char c)
{
    char *at = strchr(s, c);
    if (!at)
        return NULL;
    *at = '\0';
    return at + 1;
}

bool wc_hub_parse(wc_arena *a, const char *text, wc_hub_name *out, wc_error *err)
{
    char *copy = wc_arena_strdup(a, text);
    const size_t room = strlen(text) + 16;
    char *folder = copy ? wc_arena_alloc(a, room) : NULL;
    if (!folder)
        return wc_fail_memory(err, strlen(text));
    const char *file = cut(copy, ':'), *revision = cut(copy, '@');
    *out = (wc_hub_name){
        .folder = folder, .name = copy, .revision = revision ? revision : "main", .file = file};
    if (!plain_name(copy) || (file && !wc_hub_is_file(file)))
        return wc_fail(err, WC_NOT_FOUND,
                       "%.300s: no such folder, and no name of a model: expected a folder, the name of a "
                       "shipped model, or a "
                       "repo OWNER/NAME in the Hugging Face cache",
                       text);
    if (!plain_revision(out->revision))
        return wc_fail(err, WC_BAD_ARGUMENT, "%.300s: revision: expected a branch, a tag or a commit after @",
                       text);
    const char *slash = strchr(copy, '/');
    const int owner = slash ? (int)(slash - copy) : 0;
    snprintf(folder, room, "models--%.*s%s%s", owner, copy, slash ? "--" : "", slash ? slash + 1 : copy);
    return true;
}

bool wc_hub_is_file(const char *path)
{
    const size_t n = strlen(path);
    if (n == 0 || n > MAX_FILE)
        return false;
    for (size_t i = 0, len; i < n; i += len) {
        uint32_t c;
        len = wc_utf8_decode(path + i, n - i, &c);
        if (c < 0x20 || c == 0x7f || (c >= 0x80 && c < 0xa0) || c == '\\' || (c == 0xfffd && len < 3))
            return false;
    }
    for (const char *part = path;; part++) {
        const size_t len = strcspn(part, "/");
        if (len == 0 || len > 255 || (len <= 2 && strncmp(part, "..", len) == 0))
            return false;
        part += len;
        if (*part == '\0')
            return true;
    }
}

bool wc_hub_is_part(const char *path, const char *first)
{
    const char *of = strstr(first, "-00001-of-");
    const size_t stem = of ? (size_t)(of - first) + 1 : 0;
    return strcmp(path, first) == 0 ||
           (of && strlen(path) == strlen(first) && strncmp(path, first, stem) == 0 &&
            strspn(path + stem, "0123456789") == 5 && strcmp(path + stem + 5, first + stem + 5) == 0);
}

/* Whether part [n] ends in word, and before that stands nothing or a mark. */
static bool ends_in_word(const char *part, size_t n, const char *word)
{
    const size_t w = strlen(word);
    return n >= w && strncasecmp(part + n - w, word, w) == 0 && (n == w || strchr("-._", part[n - w - 1]));
}

/* The length of a GGUF file's name without its end, "-00001-of-00002" included. */
static size_t stem_length(const char *name)
{
    size_t n = strlen(name) - strlen(".gguf");
    if (n > 15 && strncmp(name + n - 9, "-of-", 4) == 0)
        n -= 15;
    return n;
}

/* Whether a GGUF file, or the first of its files, is said by its quantization: by the end of its name or of a folder's. */
static bool is_quantized(const char *path, const char *word)
{
    const char *name = last_part(path);
    if (!wc_hub_is_gguf(name))
        return false;
    const size_t n = stem_length(name);
    if (ends_in_word(name, n, word))
        return true;
    for (const char *slash; (slash = strchr(path, '/')); path = slash + 1)
        if (ends_in_word(path, (size_t)(slash - path), word))
            return true;
    return false;
}

size_t wc_hub_pick(const char *const *paths, size_t n, const char *file, const char *where, wc_error *err)
{
    size_t found = n, count = 0;
    for (size_t i = 0; i < n; i++)
        if (strcmp(paths[i], file) == 0)
            return i;
    for (size_t i = 0; i < n; i++)
        if (is_quantized(paths[i], file) && count++ == 0)
            found = i;
    if (count == 1)
        return found;
    wc_buf there;
    wc_buf_init(&there, TEXT_ROOM);
    for (size_t i = 0; i < n; i++)
        if (wc_hub_is_gguf(paths[i]) && (count == 0 || is_quantized(paths[i], file)))
            wc_buf_printf(&there, "%s%s", there.size ? ", " : "", paths[i]);
    wc_fail(err, count ? WC_BAD_ARGUMENT : WC_NOT_FOUND,
            "%s: expected one GGUF file or a file of the name %.200s, found %zu; give one of these: %s",
            where, file, count,
            there.failed ? "there are many"
            : there.size ? wc_buf_str(&there)
                         : "there is no GGUF file");
    wc_buf_release(&there);
    return n;
}

/* 4 of "x-Q4_K_M.gguf", 16 of "mmproj-BF16.gguf"; 0: the name says none. */
static int quantization_bits(const char *path)
{
    const char *name = last_part(path);
    size_t n = stem_length(name), at = n;
    int bits = 0;
    while (at > 0 && !strchr("-.", name[at - 1]))
        at--;
    if (at == 0)
        return 0;
    while (at < n && (name[at] < '0' || name[at] > '9'))
        at++;
    for (; at < n && name[at] >= '0' && name[at] <= '9' && bits < 1000; at++)
        bits = 10 * bits + (name[at] - '0');
    return bits;
}

size_t wc_hub_pick_tower(const char *const *paths, size_t n, const char *model)
{
    const int wanted = quantization_bits(model);
    size_t best = n, depth = 0;
    int distance = 0;
    for (size_t i = 0; i < n; i++) {
        const size_t above = (size_t)(last_part(paths[i]) - paths[i]);
        if (!wc_hub_is_tower(paths[i]) || strncmp(paths[i], model, above) != 0)
            continue;
        const int d = abs(quantization_bits(paths[i]) - wanted);
        if (best == n || above > depth || (above == depth && d < distance)) {
            best = i;
            depth = above;
            distance = d;
        }
    }
    return best;
}

/* ---- places ---- */

const char *wc_hub_env(const char *name)
{
    const char *v = getenv(name);
    return v && *v ? v : NULL;
}

char *wc_hub_join(wc_arena *a, const char *x, const char *y, const char *z)
{
    char *xy = wc_path_join(a, x, y);
    return xy ? wc_path_join(a, xy, z) : NULL;
}

char *wc_hub_expand(wc_arena *a, const char *path)
{
    const char *home = wc_hub_env("HOME");
    return path[0] == '~' && path[1] == '/' && home ? wc_path_join(a, home, path + 2)
                                                    : wc_arena_strdup(a, path);
}

char *wc_hub_home(wc_arena *a)
{
    const char *v = wc_hub_env("HF_HOME");
    if (v)
        return wc_hub_expand(a, v);
    const char *cache = (v = wc_hub_env("XDG_CACHE_HOME")) ? wc_hub_expand(a, v) : NULL;
    if (!cache && (v = wc_hub_env("HOME")))
        cache = wc_path_join(a, v, ".cache");
    return cache ? wc_path_join(a, cache, "huggingface") : NULL;
}

char *wc_hub_cache(wc_arena *a)
{
    const char *v = wc_hub_env("HF_HUB_CACHE");
    if (!v)
        v = wc_hub_env("HUGGINGFACE_HUB_CACHE");
    if (v)
        return wc_hub_expand(a, v);
    const char *home = wc_hub_home(a);
    return home ? wc_path_join(a, home, "hub") : NULL;
}

char *wc_hub_find(wc_arena *a, const char *cache, const char *folder)
{
    char *path = cache ? wc_path_join(a, cache, folder) : NULL;
    if (!path || wc_dir_exists(path))
        return path;
    wc_names in;
    const char *same = wc_names_read(a, cache, &in, NULL) ? wc_names_match(&in, folder) : NULL;
    return same ? wc_path_join(a, cache, same) : NULL;
}

const char *wc_hub_read_ref(wc_arena *a, const char *repo, const char *revision, wc_error *err)
{
    size_t n;
    const char *path = wc_hub_join(a, repo, "refs", revision);
    const char *text = path ? wc_file_read(a, path, MAX_REF, &n, err) : NULL;
    if (!path)
        wc_fail_memory(err, MAX_REF);
    if (!text)
        return NULL;
    while (n > 0 && strchr(" \t\r\n", text[n - 1]) && text[n - 1])
        n--;
    if (wc_hub_is_commit(text, n))
        return wc_arena_strndup(a, text, n);
    wc_fail(err, WC_BAD_FILE,
            "%s: expected a commit of 40 hexadecimal digits that names a snapshot, found %s", path,
            n ? "something else" : "an empty file");
    return NULL;
}
