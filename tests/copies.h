/* copies.h - a temporary copy of a model's folder, in which a test changes something. */
#ifndef WC_TESTS_COPIES_H
#define WC_TESTS_COPIES_H
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/file_map.h"

enum { FOLDER_SIZE = 256 };

struct copy {
    wc_arena *arena; /* what is read and computed on the way, until the copy goes */
    const char *const *files;
    size_t n_files;
    char folder[FOLDER_SIZE];
};

/* Makes a folder of its own below TMPDIR and writes its path to path [FOLDER_SIZE]. */
static inline void make_folder(char *path)
{
    const char *tmp = getenv("TMPDIR");
    assert_true(snprintf(path, FOLDER_SIZE, "%s/whinchat-test-XXXXXX", tmp && *tmp ? tmp : "/tmp") <
                FOLDER_SIZE);
    assert_non_null(mkdtemp(path));
}

static inline char *read_file(struct copy *c, const char *folder, const char *name, size_t *n)
{
    wc_error err = {0};
    char *data = wc_file_read(c->arena, wc_path_join(c->arena, folder, name), 1 << 26, n, &err);
    if (!data)
        fail_msg("%s", err.text);
    return data;
}

static inline void write_file(const struct copy *c, const char *name, const char *data, size_t n)
{
    FILE *f = fopen(wc_path_join(c->arena, c->folder, name), "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}

/* The folder that a file with a slash in its name lies in; NULL of another. */
static inline char *copied_subfolder(const struct copy *c, const char *name)
{
    const char *slash = strchr(name, '/');
    return slash ? wc_path_join(c->arena, c->folder, wc_arena_strndup(c->arena, name, (size_t)(slash - name)))
                 : NULL;
}

/* Copies files [n] of the folder from; free with free_copy. */
static inline struct copy *make_copy(const char *from, const char *const *files, size_t n_files)
{
    struct copy *c = calloc(1, sizeof *c);
    assert_non_null(c);
    *c = (struct copy){.arena = wc_arena_new(0), .files = files, .n_files = n_files};
    make_folder(c->folder);
    for (size_t i = 0; i < n_files; i++) {
        size_t n;
        const char *below = copied_subfolder(c, files[i]), *data = read_file(c, from, files[i], &n);
        if (below)
            mkdir(below, 0700);
        write_file(c, files[i], data, n);
    }
    return c;
}

/* Replaces the first occurrence of from by to. */
static inline void edit_copy(struct copy *c, const char *name, const char *from, const char *to)
{
    size_t n;
    char *data = read_file(c, c->folder, name, &n), *at = memmem(data, n, from, strlen(from));
    assert_non_null(at);
    size_t before = (size_t)(at - data), after = n - before - strlen(from);
    char *out = wc_arena_alloc(c->arena, n + strlen(to));
    memcpy(out, data, before);
    memcpy(out + before, to, strlen(to));
    memcpy(out + before + strlen(to), at + strlen(from), after);
    write_file(c, name, out, before + strlen(to) + after);
}

static inline void free_copy(struct copy *c)
{
    for (size_t i = 0; i < c->n_files; i++)
        unlink(wc_path_join(c->arena, c->folder, c->files[i]));
    for (size_t i = 0; i < c->n_files; i++)
        if (copied_subfolder(c, c->files[i]))
            rmdir(copied_subfolder(c, c->files[i]));
    rmdir(c->folder);
    wc_arena_free(c->arena);
    free(c);
}
#endif
