/* fuzz_file.h - what the targets that open files share. */
#ifndef WC_FUZZ_FILE_H
#define WC_FUZZ_FILE_H
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

/* Data [size] as a file without a name: its descriptor, which the caller closes, and its path. */
static inline int wc_fuzz_file(const uint8_t *data, size_t size, char path[64])
{
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    if (fd < 0 || write(fd, data, size) != (ssize_t)size)
        abort();
    snprintf(path, 64, "/proc/self/fd/%d", fd);
    return fd;
}
#endif
