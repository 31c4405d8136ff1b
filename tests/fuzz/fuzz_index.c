/* fuzz_index.c - a database from somebody else: opened, searched and read like an index.  Vectors that come out are of length
 * 1, texts are UTF-8, and whatever fails says why. */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/utf8.h"
#include "documents/search.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char path[100];

static void must(bool good)
{
    if (!good)
        abort();
}

static void remove_file(void)
{
    unlink(path);
}

static bool look(void *user, const int64_t *chunks, const float *vectors, size_t n, wc_error *err)
{
    const size_t width = *(const size_t *)user;
    for (size_t i = 0; i < n; i++) {
        double squares = 0;
        for (size_t k = 0; k < width; k++)
            squares += (double)vectors[i * width + k] * (double)vectors[i * width + k];
        must(fabs(squares - 1) < 1e-2);
    }
    return true;
}

static bool see(void *user, const docs_file *f, wc_error *err)
{
    must(wc_utf8_valid(f->path, strlen(f->path)) && strlen(f->sha256) == 64);
    return true;
}

static void read_all(docs_store *s, wc_arena *a)
{
    const docs_settings *v = docs_store_settings(s);
    wc_error err = {0};
    docs_passage *found;
    size_t width = v->width, n = 0;
    must(v->width >= 1 && v->width <= DOCS_MAX_WIDTH && v->overlap_tokens <= v->chunk_tokens);
    must(docs_store_vectors(s, look, &width, &err) || err.text[0]);
    err.text[0] = '\0';
    must(docs_store_files(s, see, NULL, &err) || err.text[0]);
    err.text[0] = '\0';
    if (!docs_search(s, v->fingerprint, 3, -1, a, &found, &n, &err))
        must(err.text[0]);
    else
        for (size_t i = 0; i < n; i++)
            must(found[i].first_line >= 1 && found[i].last_line >= found[i].first_line &&
                 wc_utf8_valid(found[i].text, strlen(found[i].text)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    wc_error err = {0};
    if (!path[0]) {
        snprintf(path, sizeof path, "/dev/shm/whinchat-fuzz-index-%d", (int)getpid());
        atexit(remove_file);
    }
    FILE *f = fopen(path, "wb");
    if (!f || fwrite(data, 1, size, f) != size || fclose(f) != 0)
        abort();
    wc_arena *a = wc_arena_new(256 << 20);
    docs_store *s = docs_store_open(path, false, &err);
    if (s)
        read_all(s, a);
    else
        must(err.text[0]);
    docs_store_close(s);
    wc_arena_free(a);
    return 0;
}
