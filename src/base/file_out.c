/* file_out.c - a file without a name where the system has such (Linux), which is gone when the process is killed; elsewhere, and
 * for the moment between its two names, one called NAME.PID.part. */
#include "base/file_out.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool fail(const wc_file_out *f, const char *what, wc_error *err)
{
    return wc_fail(err, errno == ENOSPC || errno == EDQUOT ? WC_FAILED : WC_BAD_ARGUMENT, "%s: %s: %s",
                   f->path, what, strerror(errno));
}

#ifdef O_TMPFILE
/* In the folder of path.  Not all file systems can. */
static bool open_nameless(wc_file_out *f)
{
    char folder[sizeof f->path + 2];
    const char *slash = strrchr(f->path, '/');
    const size_t n = slash ? (size_t)(slash - f->path) + 1 : 0;
    memcpy(folder, f->path, n);
    memcpy(folder + n, ".", 2);
    if (access("/proc/self/fd", X_OK) != 0) /* where it gets its name from */
        return false;
    f->fd = open(folder, O_WRONLY | O_TMPFILE | O_CLOEXEC, 0666);
    return f->nameless = f->fd >= 0;
}

/* A link cannot replace a file: it gets the name from which both kinds are renamed. */
static bool give_name(wc_file_out *f)
{
    char self[40];
    if (!f->nameless)
        return true;
    snprintf(self, sizeof self, "/proc/self/fd/%d", f->fd);
    return linkat(AT_FDCWD, self, AT_FDCWD, f->temp, AT_SYMLINK_FOLLOW) == 0;
}
#else
static bool open_nameless(wc_file_out *f)
{
    return false;
}

static bool give_name(wc_file_out *f)
{
    return true;
}
#endif

bool wc_file_out_open(wc_file_out *f, const char *path, wc_error *err)
{
    struct stat st;
    *f = (wc_file_out){.fd = -1};
    if (strlen(path) >= sizeof f->path || !*path)
        return wc_fail(err, WC_BAD_ARGUMENT, "output: expected a path of 1 to %zu bytes", sizeof f->path - 1);
    memcpy(f->path, path, strlen(path) + 1);
    if (stat(path, &st) == 0 && !S_ISREG(st.st_mode))
        return wc_fail(err, WC_BAD_ARGUMENT, "%s: expected a file to write, found something else there",
                       path);
    snprintf(f->temp, sizeof f->temp, "%s.%ld.part", path, (long)getpid());
    if (open_nameless(f))
        return true;
    f->fd = open(f->temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    return f->fd >= 0 || fail(f, "cannot be written", err);
}

bool wc_file_out_write(wc_file_out *f, const void *bytes, size_t n, wc_error *err)
{
    const char *p = bytes;
    while (n > 0) {
        const ssize_t done = write(f->fd, p, n);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return fail(f, "writing stopped", err);
        p += done;
        n -= (size_t)done;
        f->written += (uint64_t)done;
    }
    return true;
}

bool wc_file_out_pad(wc_file_out *f, size_t n, wc_error *err)
{
    static const char zeros[4096];
    for (size_t some; n > 0; n -= some) {
        some = n < sizeof zeros ? n : sizeof zeros;
        if (!wc_file_out_write(f, zeros, some, err))
            return false;
    }
    return true;
}

bool wc_file_out_finish(wc_file_out *f, wc_error *err)
{
    if (fsync(f->fd) != 0 && errno != EINVAL && errno != EROFS)
        return fail(f, "writing stopped", err);
    if (!give_name(f))
        return fail(f, "cannot be written", err);
    const int fd = f->fd;
    f->fd = -1;
    if (close(fd) != 0 || rename(f->temp, f->path) != 0) {
        fail(f, "cannot be written", err);
        unlink(f->temp);
        return false;
    }
    return true;
}

void wc_file_out_close(wc_file_out *f)
{
    if (f->fd < 0)
        return;
    close(f->fd);
    if (!f->nameless)
        unlink(f->temp);
    f->fd = -1;
}
