/* file_map.h - files, mapped read-only or read whole.  Only regular files are opened: a FIFO or a device is refused
 * without waiting on it.  Links are followed. */
#ifndef WC_BASE_FILE_MAP_H
#define WC_BASE_FILE_MAP_H
#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/error.h"

typedef struct wc_file_map {
    const unsigned char *data; /* [size]; NULL when the file is empty */
    size_t size;
} wc_file_map;

/* Maps path; the mapping stays when the file is unlinked.  Close with wc_file_map_close; {0} is a valid closed one. */
bool wc_file_map_open(wc_file_map *m, const char *path, wc_error *err);
void wc_file_map_close(wc_file_map *m);
/* Maps size bytes that repeat block [block_bytes, a multiple of the page] over and over and take its memory once. */
bool wc_file_map_repeat(wc_file_map *m, const void *block, size_t block_bytes, size_t size, wc_error *err);
/* A hint: all of it will be read, again and again.  The kernel then fetches large pages where it has them for files, and reading
 * goes a quarter faster; what is in its cache already stays as it is. */
void wc_file_map_large_pages(const wc_file_map *m);
/* Hints for bytes [offset, offset + n): read by rows here and there, or not again soon. */
void wc_file_map_random(const wc_file_map *m, size_t offset, size_t n);
void wc_file_map_done(const wc_file_map *m, size_t offset, size_t n);

/* Reads a whole file of at most max bytes into the arena, with a NUL behind it.  NULL on failure. */
char *wc_file_read(wc_arena *a, const char *path, size_t max, size_t *n, wc_error *err);
bool wc_file_exists(const char *path);
bool wc_dir_exists(const char *path);
bool wc_path_exists(const char *path); /* anything of that name, a link to nothing too */
/* "dir/name" in the arena. */
char *wc_path_join(wc_arena *a, const char *dir, const char *name);
#endif
