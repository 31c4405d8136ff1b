/* walk.c - see walk.h. */
#include "documents/walk.h"

#include <errno.h>
#include <fnmatch.h>
#include <fts.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct walk {
    const char *const *globs; /* [n_globs] */
    size_t n_globs;
    const char *except; /* absolute; "": none */
    docs_skip_fn skip;
    void *user;
    wc_arena *a;
    docs_found *out;
    size_t room;
    wc_error *err;
};

/* A pattern with a slash is held against the end of the path that begins behind as many slashes. */
static bool matches(const struct walk *w, const char *path)
{
    for (size_t i = 0; i < w->n_globs; i++) {
        size_t slashes = 1;
        const char *end = path + strlen(path);
        for (const char *p = w->globs[i]; *p; p++)
            slashes += *p == '/';
        while (end > path && slashes > 0)
            slashes -= *--end == '/';
        if (fnmatch(w->globs[i], *end == '/' ? end + 1 : end, FNM_PATHNAME) == 0)
            return true;
    }
    return w->n_globs == 0;
}

/* The index and what SQLite keeps beside it while it is written. */
static bool is_excepted(const struct walk *w, const char *path)
{
    static const char *const ends[] = {"", "-journal", "-wal", "-shm"};
    const size_t n = strlen(w->except);
    if (n == 0 || strncmp(path, w->except, n) != 0)
        return false;
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        if (strcmp(path + n, ends[i]) == 0)
            return true;
    return false;
}

static bool add_file(struct walk *w, const char *path, const struct stat *st)
{
    docs_found *f = w->out;
    if (f->n == w->room) {
        const size_t room = w->room ? 2 * w->room : 64;
        docs_file *files = wc_arena_zalloc(w->a, room, sizeof *files);
        if (!files)
            return wc_fail_memory(w->err, room * sizeof *files);
        if (f->n)
            memcpy(files, f->files, f->n * sizeof *files);
        f->files = files;
        w->room = room;
    }
    docs_file *file = &f->files[f->n++];
    file->path = wc_arena_strdup(w->a, path);
    file->size = (uint64_t)st->st_size;
    file->mtime = (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec;
    return file->path ? true : wc_fail_memory(w->err, strlen(path));
}

static bool visit(struct walk *w, FTS *tree, FTSENT *e)
{
    const bool named = e->fts_level == FTS_ROOTLEVEL;
    switch (e->fts_info) {
    case FTS_D:
        if (!named && e->fts_name[0] == '.')
            fts_set(tree, e, FTS_SKIP);
        return true;
    case FTS_F:
        if ((!named && (e->fts_name[0] == '.' || !matches(w, e->fts_path))) || is_excepted(w, e->fts_path))
            return true;
        return add_file(w, e->fts_path, e->fts_statp);
    case FTS_DNR:
    case FTS_NS:
    case FTS_ERR:
        w->skip(w->user, e->fts_path, strerror(e->fts_errno));
        return true;
    case FTS_DEFAULT:
        if (named)
            return wc_fail(w->err, WC_REFUSED, "%s: expected a file or a folder, found a device or a pipe",
                           e->fts_path);
        return true;
    default: /* a folder's end, a link, a folder that is above itself */
        return true;
    }
}

static bool walk_root(struct walk *w, char *root)
{
    char *const roots[] = {root, NULL};
    bool ok = true;
    FTS *tree = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
    if (!tree)
        return wc_fail(w->err, WC_FAILED, "%s: cannot be read: %s", root, strerror(errno));
    errno = 0;
    for (FTSENT *e; ok && (e = fts_read(tree)); errno = 0)
        ok = visit(w, tree, e);
    if (ok && errno)
        ok = wc_fail(w->err, WC_FAILED, "%s: cannot be read: %s", root, strerror(errno));
    fts_close(tree);
    return ok;
}

static int by_path(const void *a, const void *b)
{
    return strcmp(((const docs_file *)a)->path, ((const docs_file *)b)->path);
}

/* What was named twice, or lies in two roots, is there once. */
static void sort_files(docs_found *f)
{
    size_t n = 0;
    if (f->n)
        qsort(f->files, f->n, sizeof *f->files, by_path);
    for (size_t i = 0; i < f->n; i++)
        if (n == 0 || strcmp(f->files[i].path, f->files[n - 1].path) != 0)
            f->files[n++] = f->files[i];
    f->n = n;
}

bool docs_walk(const char *const *names, size_t n_names, const char *const *globs, size_t n_globs,
               const char *except, docs_skip_fn skip, void *user, wc_arena *a, docs_found *out, wc_error *err)
{
    struct walk w = {
        .globs = globs, .n_globs = n_globs, .skip = skip, .user = user, .a = a, .out = out, .err = err};
    char index[PATH_MAX];
    *out = (docs_found){.roots = wc_arena_zalloc(a, n_names + 1, sizeof *out->roots)};
    if (!out->roots)
        return wc_fail_memory(err, n_names * sizeof *out->roots);
    w.except = except && realpath(except, index) ? index : "";
    for (size_t i = 0; i < n_names; i++) {
        char full[PATH_MAX];
        if (!realpath(names[i], full))
            return wc_fail(err, errno == ENOENT ? WC_NOT_FOUND : WC_FAILED, "%s: %s", names[i],
                           strerror(errno));
        if (!(out->roots[out->n_roots++] = wc_arena_strdup(a, full)))
            return wc_fail_memory(err, strlen(full));
        if (!walk_root(&w, full))
            return false;
    }
    sort_files(out);
    return true;
}

bool docs_is_under(const docs_found *found, const char *path)
{
    for (size_t i = 0; i < found->n_roots; i++) {
        const char *root = found->roots[i];
        const size_t n = strlen(root);
        if (strncmp(path, root, n) == 0 && (path[n] == '\0' || path[n] == '/' || (n && root[n - 1] == '/')))
            return true;
    }
    return false;
}
