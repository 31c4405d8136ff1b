/* remove.c - a plan is a list of paths: refs first, then links, then contents, so that a process killed on the way leaves no
 * link to nothing. */
#include "hub/remove.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file_map.h"
#include "hub/store.h"

/* A folder itself, no link to one. */
static bool is_folder(const char *path)
{
    struct stat st;
    return path && lstat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* ---- the plan ---- */

struct plan {
    wc_arena *a;
    hub_removal *out;
    wc_hub_name want;
    const char *commit; /* NULL: all of the repository */
    wc_names files;     /* of all snapshots: "snapshots/COMMIT/x" */
};

static bool add(struct plan *p, const char *path, wc_error *err)
{
    struct stat st;
    const char *full = wc_path_join(p->a, p->out->repo, path);
    if (!full)
        return wc_fail_memory(err, strlen(path));
    if (lstat(full, &st) == 0 && S_ISREG(st.st_mode) && st.st_nlink == 1)
        p->out->bytes += (uint64_t)st.st_size;
    return wc_names_add(p->a, &p->out->paths, path, err);
}

/* The files in one of the repository's folders, as "FOLDER/x". */
static bool read_folder(struct plan *p, const char *folder, wc_names *out, wc_error *err)
{
    wc_names in = {0};
    const char *path = wc_path_join(p->a, p->out->repo, folder);
    *out = (wc_names){0};
    if (!path || (is_folder(path) && !wc_names_read_files(p->a, path, &in, err)))
        return path ? false : wc_fail_memory(err, strlen(folder));
    for (size_t i = 0; i < in.n; i++) {
        const char *name = wc_path_join(p->a, folder, in.list[i]);
        if (!name || !wc_names_add(p->a, out, name, err))
            return name ? false : wc_fail_memory(err, strlen(folder));
    }
    return true;
}

/* Whether a file of a snapshot goes. */
static bool goes(const struct plan *p, const char *picked, const char *path)
{
    const char *in = path + strlen("snapshots/");
    const size_t n = strlen(p->commit);
    return strncmp(in, p->commit, n) == 0 && in[n] == '/' && (!picked || wc_hub_is_part(in + n + 1, picked));
}

/* The name in blobs/ that a link of a snapshot leads to; "" for a file that is no link. */
static const char *blob_of(const struct plan *p, const char *path, char *target, size_t room)
{
    const char *full = wc_path_join(p->a, p->out->repo, path);
    const ssize_t n = full ? readlink(full, target, room - 1) : -1;
    target[n > 0 ? n : 0] = '\0';
    const char *slash = strrchr(target, '/');
    return slash ? slash + 1 : target;
}

/* Adds the contents of a file that goes, unless one that stays has them too. */
static bool add_blob(struct plan *p, const char *picked, const char *path, wc_error *err)
{
    char target[1024], other[1024], blob[1100];
    const char *name = blob_of(p, path, target, sizeof target);
    if (!*name || *name == '.')
        return true;
    for (size_t i = 0; i < p->files.n; i++)
        if (!goes(p, picked, p->files.list[i]) &&
            strcmp(blob_of(p, p->files.list[i], other, sizeof other), name) == 0)
            return true;
    snprintf(blob, sizeof blob, "blobs/%s", name);
    for (size_t i = 0; i < p->out->paths.n; i++)
        if (strcmp(p->out->paths.list[i], blob) == 0)
            return true;
    return add(p, blob, err);
}

/* refs/x that hold the commit. */
static bool add_refs(struct plan *p, wc_error *err)
{
    wc_names refs;
    if (!read_folder(p, "refs", &refs, err))
        return false;
    for (size_t i = 0; i < refs.n; i++) {
        const char *holds = wc_hub_read_ref(p->a, p->out->repo, refs.list[i] + strlen("refs/"), NULL);
        if (holds && strcmp(holds, p->commit) == 0 && !add(p, refs.list[i], err))
            return false;
    }
    return true;
}

/* The file in the snapshot that ":FILE" means. */
static const char *pick(struct plan *p, const char *snapshot, wc_error *err)
{
    wc_names in;
    if (!wc_names_read_files(p->a, snapshot, &in, err))
        return NULL;
    const size_t i = wc_hub_pick((const char *const *)in.list, in.n, p->want.file, snapshot, err);
    return i < in.n ? in.list[i] : NULL;
}

static bool plan_snapshot(struct plan *p, wc_error *err)
{
    const char *snapshot = wc_hub_join(p->a, p->out->repo, "snapshots", p->commit), *picked = NULL;
    size_t stay = 0;
    if (!is_folder(snapshot))
        return wc_fail(err, WC_NOT_FOUND, "%s: this revision is not there; whinchat list shows what is",
                       p->out->what);
    if (p->want.file && !(picked = pick(p, snapshot, err)))
        return false;
    if (!read_folder(p, "snapshots", &p->files, err))
        return false;
    for (size_t i = 0; i < p->files.n; i++)
        stay += goes(p, NULL, p->files.list[i]) && !goes(p, picked, p->files.list[i]);
    if (stay == 0 && !add_refs(p, err))
        return false;
    for (size_t i = 0; i < p->files.n; i++)
        if (goes(p, picked, p->files.list[i]) && !add(p, p->files.list[i], err))
            return false;
    for (size_t i = 0; i < p->files.n; i++)
        if (goes(p, picked, p->files.list[i]) && !add_blob(p, picked, p->files.list[i], err))
            return false;
    return true;
}

/* The bytes of all files in a folder, links not followed; removes them, and the folder, when told so. */
static bool walk(wc_arena *a, const char *path, bool removes, uint64_t *bytes, wc_error *err)
{
    DIR *d = opendir(path);
    bool ok = d || wc_fail(err, WC_FAILED, "%s: cannot be read: %s", path, strerror(errno));
    for (struct dirent *e; ok && (e = readdir(d));) {
        struct stat st;
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        const char *full = wc_path_join(a, path, e->d_name);
        if (!full)
            ok = wc_fail_memory(err, strlen(path));
        else if (lstat(full, &st) != 0)
            continue;
        else if (S_ISDIR(st.st_mode))
            ok = walk(a, full, removes, bytes, err);
        else if (removes && unlink(full) != 0)
            ok = wc_fail(err, WC_FAILED, "%s: cannot be removed: %s", full, strerror(errno));
        else if (S_ISREG(st.st_mode))
            *bytes += (uint64_t)st.st_size / (st.st_nlink > 1 ? st.st_nlink : 1);
    }
    if (d)
        closedir(d);
    if (ok && removes && rmdir(path) != 0)
        return wc_fail(err, WC_FAILED, "%s: cannot be removed: %s", path, strerror(errno));
    return ok;
}

static bool make_plan(struct plan *p, const char *name, wc_error *err)
{
    const char *cache = wc_hub_cache(p->a);
    if (!wc_hub_parse(p->a, name, &p->want, err))
        return false;
    p->out->what = name;
    p->out->repo = cache ? wc_hub_find(p->a, cache, p->want.folder) : NULL;
    if (!p->out->repo)
        return wc_fail(err, WC_NOT_FOUND,
                       "%s: not in the Hugging Face cache (%s); whinchat list shows what is", name,
                       cache ? cache : "no home folder");
    if (!is_folder(p->out->repo))
        return wc_fail(err, WC_REFUSED,
                       "%s: is a link: what it leads to is not the cache's; remove it by hand", p->out->repo);
    const bool all = !p->want.file && !strchr(name, '@');
    if (all)
        return walk(p->a, p->out->repo, false, &p->out->bytes, err);
    const char *revision = p->want.revision;
    p->commit = wc_hub_is_commit(revision, strlen(revision))
                    ? revision
                    : wc_hub_read_ref(p->a, p->out->repo, revision, err);
    return p->commit && plan_snapshot(p, err);
}

bool hub_removal_plan(wc_arena *a, const char *name, hub_removal *out, wc_error *err)
{
    struct plan p = {.a = a, .out = out};
    *out = (hub_removal){0};
    return make_plan(&p, name, err);
}

/* ---- doing it ---- */

/* Removes the folders that hold path and are empty now, up to the snapshot's. */
static void remove_folders(wc_arena *a, const char *repo, const char *path)
{
    char *folder = wc_path_join(a, repo, path);
    for (char *slash; folder && (slash = strrchr(folder, '/'));) {
        *slash = '\0';
        if (strlen(folder) <= strlen(repo) + strlen("/snapshots") || rmdir(folder) != 0)
            return;
    }
}

static bool remove_paths(wc_arena *a, const hub_removal *r, wc_error *err)
{
    for (size_t i = 0; i < r->paths.n; i++) {
        const char *full = wc_path_join(a, r->repo, r->paths.list[i]);
        if (!full)
            return wc_fail_memory(err, strlen(r->repo));
        if (unlink(full) != 0 && errno != ENOENT)
            return wc_fail(err, WC_FAILED, "%s: cannot be removed: %s", full, strerror(errno));
        remove_folders(a, r->repo, r->paths.list[i]);
    }
    return true;
}

/* Whether no process fetches any of it; *fd keeps one of ours from beginning. */
static bool lock_all(const hub_store *s, int *fd, wc_error *err)
{
    wc_names locks;
    int other = -1;
    if (!hub_store_lock(s, "whinchat", false, fd, err) || !wc_names_read(s->a, s->locks, &locks, err))
        return false;
    bool free = *fd >= 0;
    for (size_t i = 0; i < locks.n && free; i++) {
        const char *end = strstr(locks.list[i], ".lock"),
                   *name = end ? wc_arena_strndup(s->a, locks.list[i], (size_t)(end - locks.list[i])) : NULL;
        if (!name || strcmp(name, "whinchat") == 0)
            continue;
        if (!hub_store_lock(s, name, false, &other, err))
            return false;
        free = other >= 0;
        if (free)
            close(other);
    }
    return free || wc_fail(err, WC_REFUSED, "%s: a process fetches it just now; stop that first", s->repo);
}

bool hub_remove(wc_arena *a, const char *name, hub_removal *out, wc_error *err)
{
    hub_store s;
    int fd = -1;
    uint64_t bytes = 0;
    if (!hub_removal_plan(a, name, out, err) || !hub_store_at(&s, a, out->repo, err))
        return false;
    bool ok = lock_all(&s, &fd, err) && hub_removal_plan(a, name, out, err);
    const bool all = ok && out->paths.n == 0;
    if (ok)
        ok = all ? walk(a, out->repo, true, &bytes, err) : remove_paths(a, out, err);
    if (ok && all)
        walk(a, s.locks, true, &bytes, NULL);
    if (fd >= 0)
        close(fd);
    return ok;
}
