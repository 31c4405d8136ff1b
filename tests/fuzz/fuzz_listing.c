/* fuzz_listing.c - the first line is what a user calls a model, the rest what a hub says of it.  Whatever they are: what is
 * taken becomes parts of paths, and must be nothing but names within the repository. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "formats/hub_cache.h"
#include "hub/listing.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool good)
{
    if (!good)
        abort();
}

static void check_path(const char *path)
{
    must(*path != '/' && *path && path[strlen(path) - 1] != '/' && !strstr(path, "//"));
    must(strcmp(path, "..") != 0 && strncmp(path, "../", 3) != 0 && !strstr(path, "/../"));
    must(strlen(path) < 3 || strcmp(path + strlen(path) - 3, "/..") != 0);
    for (; *path; path++)
        must((unsigned char)*path >= 0x20 && *path != 0x7f);
}

static void check_listing(const hub_listing *l)
{
    must(wc_hub_is_commit(l->commit, strlen(l->commit)));
    for (size_t i = 0; i < l->n; i++) {
        check_path(l->files[i].path);
        must(!l->files[i].hash[0] || hub_is_hash(l->files[i].hash));
        must(l->files[i].size >= -1 && l->files[i].size <= INT64_C(1) << 50);
        must(i == 0 || strcmp(l->files[i - 1].path, l->files[i].path) < 0);
    }
}

static void check_name(const wc_hub_name *n)
{
    must(strncmp(n->folder, "models--", 8) == 0 && !strchr(n->folder, '/') && !strstr(n->folder, ".."));
    check_path(n->name);
    check_path(n->revision);
    if (n->file)
        check_path(n->file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    wc_arena *a = wc_arena_new(256 << 20);
    const char *text = wc_arena_strndup(a, (const char *)data, size), *end = memchr(data, '\n', size);
    const size_t n = end ? (size_t)(end - (const char *)data) : size;
    const char *line = wc_arena_strndup(a, (const char *)data, n), *rest = text + n + (n < size);
    wc_error err = {0};
    wc_hub_name name = {0};
    hub_listing all, some;
    const bool named = wc_hub_parse(a, line, &name, &err);
    must(named || err.text[0]);
    if (named)
        check_name(&name);
    err.text[0] = '\0';
    if (hub_listing_parse(a, rest, size - (size_t)(rest - text), "fuzz", &all, &err)) {
        check_listing(&all);
        some = all;
        some.files = wc_arena_zalloc(a, all.n + 1, sizeof *some.files);
        for (int i = 0; i < 2 && some.files; i++) {
            some.n = all.n;
            if (all.n)
                memcpy(some.files, all.files, all.n * sizeof *some.files);
            if (hub_listing_choose(a, &some, i ? (name.file ? name.file : "Q4_K_M") : NULL, "fuzz", &err))
                check_listing(&some);
            else
                must(err.text[0]);
        }
    } else {
        must(err.text[0]);
    }
    wc_arena_free(a);
    return 0;
}
