/* file_out.h - a file that appears whole or not at all: written under another name beside it, and renamed at the end. */
#ifndef WC_BASE_FILE_OUT_H
#define WC_BASE_FILE_OUT_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

typedef struct wc_file_out {
    int fd;           /* -1: closed */
    bool nameless;    /* until it is finished */
    char path[4096];  /* what it will be called */
    char temp[4160];  /* what it is called */
    uint64_t written; /* bytes so far */
} wc_file_out;

/* Begins a file; nothing of that name is touched until wc_file_out_finish.  A path that is there and no regular file is
 * refused. */
bool wc_file_out_open(wc_file_out *f, const char *path, wc_error *err);
bool wc_file_out_write(wc_file_out *f, const void *bytes, size_t n, wc_error *err);
/* n zeros. */
bool wc_file_out_pad(wc_file_out *f, size_t n, wc_error *err);
/* The file takes its place, all its bytes on the disk before. */
bool wc_file_out_finish(wc_file_out *f, wc_error *err);
/* Removes what was written, unless it is finished.  Also after a failure of the others. */
void wc_file_out_close(wc_file_out *f);
#endif
