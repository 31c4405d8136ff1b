/* file_map.c - POSIX files. */
#include "base/file_map.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* An open descriptor of a regular file and its size, or -1. */
static int open_regular(const char *path, size_t *size, wc_error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        wc_fail(err, errno == ENOENT || errno == ENOTDIR ? WC_NOT_FOUND : WC_BAD_FILE,
                "%s: cannot be opened: %s", path, strerror(errno));
        return -1;
    }
    struct stat st;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        wc_fail(err, WC_BAD_FILE, "%s: not a regular file%s", path,
                fstat(fd, &st) == 0 && S_ISDIR(st.st_mode) ? " but a folder" : "");
        close(fd);
        return -1;
    }
    *size = (size_t)st.st_size;
    return fd;
}

bool wc_file_map_open(wc_file_map *m, const char *path, wc_error *err)
{
    *m = (wc_file_map){0};
    size_t size;
    int fd = open_regular(path, &size, err);
    if (fd < 0)
        return false;
    bool ok = true;
    if (size > 0) {
        void *p = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
        if (p == MAP_FAILED)
            ok = wc_fail(err, errno == ENOMEM ? WC_NO_MEMORY : WC_BAD_FILE,
                         "%s: %zu bytes cannot be mapped: %s", path, size, strerror(errno));
        else
            *m = (wc_file_map){p, size};
    }
    close(fd);
    return ok;
}

void wc_file_map_close(wc_file_map *m)
{
    if (m->data)
        munmap((void *)m->data, m->size);
    *m = (wc_file_map){0};
}

/* An unlinked file in memory that holds block, or -1. */
static int memory_file(const void *block, size_t n)
{
    int fd = memfd_create("whinchat", MFD_CLOEXEC);
    for (size_t done = 0; fd >= 0 && done < n;) {
        ssize_t w = write(fd, (const char *)block + done, n - done);
        if (w < 0 && errno == EINTR)
            continue;
        if (w <= 0) {
            close(fd);
            return -1;
        }
        done += (size_t)w;
    }
    return fd;
}

bool wc_file_map_repeat(wc_file_map *m, const void *block, size_t block_bytes, size_t size, wc_error *err)
{
    *m = (wc_file_map){0};
    if (size == 0)
        return true;
    int fd = memory_file(block, block_bytes);
    if (fd < 0)
        return wc_fail_memory(err, block_bytes);
    bool ok = true;
    char *p = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED)
        ok = wc_fail_memory(err, size);
    for (size_t at = 0; ok && at < size; at += block_bytes) {
        size_t n = size - at < block_bytes ? size - at : block_bytes;
        if (mmap(p + at, n, PROT_READ, MAP_SHARED | MAP_FIXED, fd, 0) == MAP_FAILED) {
            munmap(p, size);
            ok = wc_fail_memory(err, n);
        }
    }
    if (ok)
        *m = (wc_file_map){(unsigned char *)p, size};
    close(fd);
    return ok;
}

static void advise(const wc_file_map *m, size_t offset, size_t n, int advice)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    if (!m->data || offset >= m->size || n == 0)
        return;
    if (n > m->size - offset)
        n = m->size - offset;
    size_t start = offset & ~(page - 1);
    madvise((char *)m->data + start, offset + n - start, advice);
}

/* Where a hint is refused nothing is lost. */
void wc_file_map_large_pages(const wc_file_map *m)
{
#ifdef MADV_HUGEPAGE
    advise(m, 0, m->size, MADV_HUGEPAGE);
#endif
}

void wc_file_map_random(const wc_file_map *m, size_t offset, size_t n)
{
#ifdef MADV_NOHUGEPAGE
    advise(m, offset, n, MADV_NOHUGEPAGE);
#endif
    advise(m, offset, n, MADV_RANDOM);
}

void wc_file_map_done(const wc_file_map *m, size_t offset, size_t n)
{
    advise(m, offset, n,
           MADV_DONTNEED); /* of a shared mapping: the pages are read again if they are touched */
}

char *wc_file_read(wc_arena *a, const char *path, size_t max, size_t *n, wc_error *err)
{
    size_t size, got = 0;
    int fd = open_regular(path, &size, err);
    if (fd < 0)
        return NULL;
    char *text = NULL;
    if (size > max) {
        wc_fail(err, WC_BAD_FILE, "%s: %zu bytes, more than the %zu that such a file may have", path, size,
                max);
        goto done;
    }
    text = wc_arena_alloc(a, size + 1);
    if (!text) {
        wc_fail_memory(err, size + 1);
        goto done;
    }
    while (got < size) {
        ssize_t r = read(fd, text + got, size - got);
        if (r < 0 && errno == EINTR)
            continue;
        if (r <= 0) {
            wc_fail(err, WC_BAD_FILE, "%s: reading stopped after %zu of %zu bytes: %s", path, got, size,
                    r < 0 ? strerror(errno) : "the file shrank");
            text = NULL;
            goto done;
        }
        got += (size_t)r;
    }
    text[size] = '\0';
    *n = size;
done:
    close(fd);
    return text;
}

bool wc_file_exists(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && !S_ISDIR(st.st_mode);
}

bool wc_dir_exists(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

bool wc_path_exists(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0;
}

char *wc_path_join(wc_arena *a, const char *dir, const char *name)
{
    size_t d = strlen(dir), n = strlen(name);
    while (d > 1 && dir[d - 1] == '/')
        d--;
    char *path = wc_arena_alloc(a, d + n + 2);
    if (path) {
        memcpy(path, dir, d);
        path[d] = '/';
        memcpy(path + d + 1, name, n + 1);
    }
    return path;
}
