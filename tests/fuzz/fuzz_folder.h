/* fuzz_folder.h - what the targets that open folders share: one folder of this process, its files written anew for each input. */
#ifndef WC_FUZZ_FOLDER_H
#define WC_FUZZ_FOLDER_H
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Empty until it is there. */
static char folder[100];

static inline const char *path_of(const char *name)
{
    static char path[200];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static inline void put(const char *name, const void *data, size_t n)
{
    FILE *f = fopen(path_of(name), "wb");
    if (!f || fwrite(data, 1, n, f) != n || fclose(f) != 0)
        abort();
}

/* remove_all, which takes away what is in it, is called at the end. */
static inline void make_folder(void (*remove_all)(void))
{
    strcpy(folder, "/tmp/fuzz-folder-XXXXXX");
    if (!mkdtemp(folder))
        abort();
    atexit(remove_all);
}
#endif
