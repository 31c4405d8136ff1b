/* no_store.c - in place of store.c where SQLite's header was not there when whinchat was built: no index can be opened, and
 * what needs an open one is never called. */
#include "documents/store.h"

static bool absent(const char *path, wc_error *err)
{
    return wc_fail(err, WC_UNSUPPORTED,
                   "%s: this whinchat was built without SQLite and has no indexes; install libsqlite3-dev "
                   "and build anew",
                   path);
}

docs_store *docs_store_open(const char *path, bool write, wc_error *err)
{
    absent(path, err);
    return NULL;
}

void docs_store_close(docs_store *s)
{
}

const docs_settings *docs_store_settings(const docs_store *s)
{
    return NULL;
}

bool docs_store_set_up(docs_store *s, const docs_settings *settings, wc_error *err)
{
    return absent("index", err);
}

bool docs_store_commit(docs_store *s, wc_error *err)
{
    return absent("index", err);
}

bool docs_store_count(docs_store *s, size_t *files, size_t *chunks, wc_error *err)
{
    return absent("index", err);
}

bool docs_store_find(docs_store *s, const char *path, docs_file *out, bool *found, wc_error *err)
{
    return absent(path, err);
}

bool docs_store_put(docs_store *s, docs_file *f, wc_error *err)
{
    return absent(f->path, err);
}

bool docs_store_touch(docs_store *s, const docs_file *f, wc_error *err)
{
    return absent(f->path, err);
}

bool docs_store_remove(docs_store *s, int64_t id, wc_error *err)
{
    return absent("index", err);
}

bool docs_store_add(docs_store *s, int64_t file, const docs_chunk *chunk, const float *vector, wc_error *err)
{
    return absent("index", err);
}

bool docs_store_files(docs_store *s, docs_file_fn fn, void *user, wc_error *err)
{
    return absent("index", err);
}

bool docs_store_vectors(docs_store *s, docs_vectors_fn fn, void *user, wc_error *err)
{
    return absent("index", err);
}

bool docs_store_passage(docs_store *s, int64_t chunk, wc_arena *a, docs_passage *out, wc_error *err)
{
    return absent("index", err);
}
