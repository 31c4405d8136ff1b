/* store.c - folders, locks, blobs, links. */
#include "hub/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/file_map.h"
#include "formats/hub_cache.h"

enum { READ_BYTES = 1 << 20 };
#define SPARE_BYTES (UINT64_C(64) << 20) /* left free on the disk */

static bool fail_file(const char *path, const char *what, wc_error *err)
{
    return wc_fail(err, WC_FAILED, "%s: %s: %s", path, what, strerror(errno));
}

/* ---- folders ---- */

/* Makes a folder and those above it. */
static bool make_folders(wc_arena *a, const char *path, wc_error *err)
{
    char *part = wc_arena_strdup(a, path);
    if (!part)
        return wc_fail_memory(err, strlen(path));
    for (char *slash = part; slash;) {
        slash = strchr(slash + 1, '/');
        if (slash)
            *slash = '\0';
        if (mkdir(part, 0777) != 0 && !wc_dir_exists(part))
            return fail_file(part, "cannot be made", err);
        if (slash)
            *slash = '/';
    }
    return true;
}

/* The folder that path lies in. */
static bool make_parent(wc_arena *a, const char *path, wc_error *err)
{
    const char *slash = strrchr(path, '/');
    const char *folder = slash ? wc_arena_strndup(a, path, (size_t)(slash - path)) : ".";
    return folder ? make_folders(a, folder, err) : wc_fail_memory(err, strlen(path));
}

static const char *hidden_name(wc_arena *a, const char *name)
{
    char *hidden = wc_arena_alloc(a, strlen(name) + 2);
    if (hidden)
        snprintf(hidden, strlen(name) + 2, ".%s", name);
    return hidden;
}

bool hub_store_at(hub_store *s, wc_arena *a, const char *repo, wc_error *err)
{
    const char *slash = strrchr(repo, '/');
    const char *cache = wc_arena_strndup(a, repo, (size_t)(slash - repo));
    *s = (hub_store){.a = a, .repo = repo};
    s->locks = cache ? wc_hub_join(a, cache, ".locks", slash + 1) : NULL;
    return s->locks ? make_folders(a, s->locks, err) : wc_fail_memory(err, strlen(repo));
}

bool hub_store_init(hub_store *s, wc_arena *a, const char *cache, const char *folder, const char *commit,
                    wc_error *err)
{
    const char *hidden = hidden_name(a, commit), *repo = wc_path_join(a, cache, folder);
    const char *blobs = repo ? wc_path_join(a, repo, "blobs") : NULL;
    if (!hidden || !blobs)
        return wc_fail_memory(err, strlen(cache));
    if (!hub_store_at(s, a, repo, err) || !make_folders(a, blobs, err))
        return false;
    s->commit = commit;
    s->snapshot = wc_hub_join(a, repo, "snapshots", commit);
    s->gathering = wc_hub_join(a, repo, "snapshots", hidden);
    if (!s->snapshot || !s->gathering)
        return wc_fail_memory(err, strlen(cache));
    if (wc_dir_exists(s->snapshot))
        s->gathering = s->snapshot;
    return true;
}

/* ---- locks ---- */

/* The lock is that of the file of this name and not of one that was removed meanwhile. */
static bool is_same_file(int fd, const char *path)
{
    struct stat ours, there;
    return fstat(fd, &ours) == 0 && stat(path, &there) == 0 && ours.st_ino == there.st_ino &&
           ours.st_dev == there.st_dev;
}

bool hub_store_lock(const hub_store *s, const char *name, bool wait, int *fd, wc_error *err)
{
    char file[100];
    snprintf(file, sizeof file, "%.80s.lock", name);
    const char *path = wc_path_join(s->a, s->locks, file);
    if (!path)
        return wc_fail_memory(err, sizeof file);
    for (;;) {
        *fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0664);
        if (*fd < 0)
            return fail_file(path, "cannot be opened", err);
        if (flock(*fd, wait ? LOCK_EX : LOCK_EX | LOCK_NB) == 0) {
            if (is_same_file(*fd, path))
                return true;
        } else if (errno == EWOULDBLOCK) {
            close(*fd);
            *fd = -1;
            return true;
        } else if (errno != EINTR) { /* a file system without locks: sums are checked all the same */
            return true;
        }
        close(*fd);
    }
}

/* ---- what is there ---- */

static const char *blob_path(const hub_store *s, const hub_file *f, const char *end)
{
    char name[HUB_HASH_ROOM + 20];
    snprintf(name, sizeof name, "%s%s", f->hash, end);
    return wc_hub_join(s->a, s->repo, "blobs", name);
}

/* Whether path leads to a file of f's size. */
static bool has_size(const char *path, const hub_file *f)
{
    struct stat st;
    return path && stat(path, &st) == 0 && S_ISREG(st.st_mode) && st.st_size == f->size;
}

enum hub_state hub_store_state(const hub_store *s, const hub_file *f)
{
    if (has_size(wc_path_join(s->a, s->gathering, f->path), f))
        return HUB_LINKED;
    return has_size(blob_path(s, f, ""), f) ? HUB_BLOB : HUB_ABSENT;
}

uint64_t hub_store_begun(const hub_store *s, const hub_file *f)
{
    struct stat st;
    const char *path = blob_path(s, f, ".incomplete");
    return path && stat(path, &st) == 0 && st.st_size <= f->size ? (uint64_t)st.st_size : 0;
}

bool hub_store_has_room(const hub_store *s, uint64_t bytes, wc_error *err)
{
    struct statvfs v;
    if (statvfs(s->repo, &v) != 0)
        return true; /* a write will tell */
    const uint64_t there = (uint64_t)v.f_bavail * v.f_frsize;
    if (there >= bytes && there - bytes >= SPARE_BYTES)
        return true;
    return wc_fail(err, WC_REFUSED,
                   "%s: %.2f GiB are needed, the disk has %.2f GiB left; free some, or set HF_HUB_CACHE",
                   s->repo, (double)bytes / (1 << 30), (double)there / (1 << 30));
}

/* ---- blobs ---- */

static void begin_sum(hub_blob *b)
{
    char head[40]; /* what git puts before a blob's contents */
    b->size = 0;
    wc_sha256_init(&b->sha256);
    wc_sha1_init(&b->sha1);
    snprintf(head, sizeof head, "blob %lld", (long long)b->file->size);
    wc_sha1_add(&b->sha1, head, strlen(head) + 1);
}

static void add_to_sum(hub_blob *b, const void *bytes, size_t n)
{
    if (b->git)
        wc_sha1_add(&b->sha1, bytes, n);
    else
        wc_sha256_add(&b->sha256, bytes, n);
    b->size += n;
}

/* Counts what is there already; where it cannot be read, it is fetched again. */
static bool count_begun(hub_blob *b, wc_arena *a, wc_error *err)
{
    char *bytes = wc_arena_alloc(a, READ_BYTES);
    struct stat st;
    ssize_t n;
    if (!bytes)
        return wc_fail_memory(err, READ_BYTES);
    begin_sum(b);
    if (fstat(b->fd, &st) != 0 || st.st_size > b->file->size)
        return true;
    while ((n = pread(b->fd, bytes, READ_BYTES, (off_t)b->size)) > 0 && n <= b->file->size - (int64_t)b->size)
        add_to_sum(b, bytes, (size_t)n);
    if (n < 0)
        begin_sum(b);
    return true;
}

bool hub_blob_open(hub_blob *b, const hub_store *s, const hub_file *f, wc_error *err)
{
    *b = (hub_blob){.file = f, .fd = -1, .git = strlen(f->hash) == 40};
    b->path = blob_path(s, f, "");
    b->temp = blob_path(s, f, ".incomplete");
    if (!b->path || !b->temp)
        return wc_fail_memory(err, strlen(s->repo));
    b->fd = open(b->temp, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (b->fd < 0)
        return fail_file(b->temp, "cannot be written", err);
    const wc_arena_mark mark = wc_arena_get_mark(s->a);
    const bool ok = count_begun(b, s->a, err);
    wc_arena_reset(s->a, mark);
    return ok;
}

/* Every byte goes to its own place, so that two processes that do not see each other's locks write the same file. */
bool hub_blob_write(hub_blob *b, uint64_t at, const void *bytes, size_t n, wc_error *err)
{
    const char *p = bytes;
    if (at == 0 && b->size > 0)
        begin_sum(b);
    if (n > (uint64_t)b->file->size - b->size)
        return wc_fail(err, WC_BAD_FILE, "%s: expected %lld bytes, the hub sends more", b->file->path,
                       (long long)b->file->size);
    for (size_t done = 0; done < n;) {
        const ssize_t some = pwrite(b->fd, p + done, n - done, (off_t)(b->size + done));
        if (some < 0 && errno == EINTR)
            continue;
        if (some <= 0)
            return fail_file(b->temp, "writing stopped; what is there stays for the next time", err);
        done += (size_t)some;
    }
    add_to_sum(b, p, n);
    return true;
}

static void end_sum(hub_blob *b, char hex[HUB_HASH_ROOM])
{
    uint8_t digest[32];
    if (b->git) {
        wc_sha1_end(&b->sha1, digest);
        wc_sha1_hex(digest, hex);
    } else {
        wc_sha256_end(&b->sha256, digest);
        wc_sha256_hex(digest, hex);
    }
}

bool hub_blob_finish(hub_blob *b, bool *wrong, wc_error *err)
{
    char hex[HUB_HASH_ROOM];
    const bool whole = b->size == (uint64_t)b->file->size;
    end_sum(b, hex);
    *wrong = !whole || strcmp(hex, b->file->hash) != 0;
    if (*wrong) {
        if (whole)
            wc_fail(err, WC_BAD_FILE, "%s: expected contents of the sum %s, found %s: damaged on its way",
                    b->file->path, b->file->hash, hex);
        else
            wc_fail(err, WC_BAD_FILE, "%s: expected %lld bytes, found %llu", b->file->path,
                    (long long)b->file->size, (unsigned long long)b->size);
        begin_sum(b);
        return ftruncate(b->fd, 0) != 0 ? fail_file(b->temp, "cannot be emptied", err) : false;
    }
    if (ftruncate(b->fd, (off_t)b->size) != 0 || (fsync(b->fd) != 0 && errno != EINVAL) ||
        rename(b->temp, b->path) != 0)
        return fail_file(b->path, "cannot be written", err);
    return true;
}

void hub_blob_close(hub_blob *b)
{
    if (b->fd < 0)
        return;
    if (b->size == 0)
        unlink(b->temp);
    close(b->fd);
    b->fd = -1;
}

/* ---- the snapshot ---- */

static bool may_link(void)
{
    const char *v = wc_hub_env("HF_HUB_DISABLE_SYMLINKS");
    return !v || strcmp(v, "0") == 0;
}

/* Writes a file that appears whole or not at all; its first name is always the same, so that none is left over for long. */
static bool put_file(const hub_store *s, const char *path, const void *bytes, size_t n, wc_error *err)
{
    const char *temp = wc_path_join(s->a, s->repo, ".incomplete"), *p = bytes;
    if (!temp)
        return wc_fail_memory(err, strlen(s->repo));
    const int fd = open(temp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0666);
    ssize_t some = 0;
    for (size_t done = 0; fd >= 0 && some >= 0 && done < n; done += (size_t)some)
        some = write(fd, p + done, n - done);
    const bool ok = fd >= 0 && some >= 0 && fsync(fd) == 0 && rename(temp, path) == 0;
    if (!ok)
        fail_file(path, "cannot be written", err);
    if (fd >= 0)
        close(fd);
    return ok;
}

/* Without links the contents themselves stand in the snapshot, as huggingface_hub has them there. */
static bool copy_file(const hub_store *s, const char *from, const char *to, wc_error *err)
{
    wc_file_map map = {0};
    if (link(from, to) == 0)
        return true;
    const bool ok = wc_file_map_open(&map, from, err) && put_file(s, to, map.data, map.size, err);
    wc_file_map_close(&map);
    return ok;
}

/* To "../../blobs/HASH", with a "../" more for every folder that path lies in. */
static bool link_file(const hub_store *s, const hub_file *f, wc_error *err)
{
    const char *blob = blob_path(s, f, ""), *at = wc_path_join(s->a, s->gathering, f->path);
    char target[3200] = "../../";
    if (!blob || !at)
        return wc_fail_memory(err, strlen(f->path));
    size_t n = strlen(target);
    for (const char *p = f->path; (p = strchr(p, '/')); p++)
        n += (size_t)snprintf(target + n, sizeof target - n, "../");
    snprintf(target + n, sizeof target - n, "blobs/%s", f->hash);
    if (!make_parent(s->a, at, err))
        return false;
    unlink(at);
    if (!may_link())
        return copy_file(s, blob, at, err);
    if (symlink(target, at) == 0)
        return true;
    return errno == EPERM || errno == ENOTSUP || errno == ENOSYS ? copy_file(s, blob, at, err)
                                                                 : fail_file(at, "cannot be linked", err);
}

/* What a reader looks for first is linked last, so that where a snapshot gets more files it never names what is not there. */
static bool comes_last(const char *path)
{
    return strcmp(path, "config.json") == 0 || wc_hub_ends_with(path, ".index.json") ||
           strstr(path, "-00001-of-");
}

static bool write_ref(const hub_store *s, const char *revision, wc_error *err)
{
    const char *path = wc_hub_join(s->a, s->repo, "refs", revision);
    if (!path)
        return wc_fail_memory(err, strlen(s->repo));
    return make_parent(s->a, path, err) && put_file(s, path, s->commit, strlen(s->commit), err);
}

bool hub_store_publish(hub_store *s, const hub_listing *l, const char *revision, wc_error *err)
{
    if (!make_folders(s->a, s->gathering, err))
        return false;
    for (int last = 0; last < 2; last++)
        for (size_t i = 0; i < l->n; i++)
            if (comes_last(l->files[i].path) == last && hub_store_state(s, &l->files[i]) != HUB_LINKED &&
                !link_file(s, &l->files[i], err))
                return false;
    if (strcmp(s->gathering, s->snapshot) != 0 && rename(s->gathering, s->snapshot) != 0)
        return fail_file(s->snapshot, "cannot be written", err);
    return wc_hub_is_commit(revision, strlen(revision)) || write_ref(s, revision, err);
}
