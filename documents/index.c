/* index.c - see index.h. */
#include "documents/index.h"

#include <string.h>
#include <strings.h>

#include "base/file_map.h"
#include "base/hash.h"
#include "base/utf8.h"

struct job {
    docs_store *store;
    docs_encoder *encoder;
    docs_found *found;
    const docs_events *events;
    docs_indexed *out;
    wc_arena *a; /* of the file that is read */
    wc_error *err;
};

static void skip(struct job *j, const char *path, const char *why)
{
    j->out->skipped++;
    j->events->skipped(j->events->user, path, why);
}

static bool stopped(struct job *j)
{
    return j->events->stopped(j->events->user) && (wc_fail(j->err, WC_CANCELLED, "stopped"), true);
}

/* Why a file's bytes are not indexed; NULL when they are text. */
static const char *unreadable(const char *path, const char *text, size_t n)
{
    static const char *const pages[] = {".html", ".htm", ".xhtml"};
    const char *dot = strrchr(path, '.');
    if (memchr(text, '\0', n))
        return "not a text: it has bytes of zero";
    if (!wc_utf8_valid(text, n))
        return "not a text in UTF-8";
    for (size_t i = 0; dot && i < sizeof pages / sizeof *pages; i++)
        if (strcasecmp(dot, pages[i]) == 0)
            return "a page of HTML, which is not read; make it text or Markdown first";
    return NULL;
}

/* ---- a file ---- */

/* Vectors of chunks [n <= DOCS_BATCH], and all of it into the store. */
static bool add_batch(struct job *j, int64_t file, const docs_chunk *chunks, size_t n)
{
    wc_string texts[DOCS_BATCH];
    if (stopped(j))
        return false;
    for (size_t i = 0; i < n; i++) {
        texts[i].text = docs_chunk_input(chunks[i].heading, chunks[i].text, chunks[i].n_bytes, j->a,
                                         &texts[i].n_bytes);
        if (!texts[i].text)
            return wc_fail_memory(j->err, chunks[i].n_bytes);
    }
    float *x = docs_encoder_documents(j->encoder, texts, n, j->err);
    bool ok = x != NULL;
    for (size_t i = 0; ok && i < n; i++)
        ok = docs_store_add(j->store, file, &chunks[i], x + i * j->encoder->width, j->err);
    wc_free(x);
    return ok;
}

static bool add_file(struct job *j, docs_file *f, const char *text, size_t n)
{
    const docs_settings *settings = docs_store_settings(j->store);
    const docs_split_options o = {docs_form_of(f->path),    strrchr(f->path, '/') + 1, settings->chunk_tokens,
                                  settings->overlap_tokens, docs_encoder_count,        j->encoder};
    docs_chunk *chunks;
    size_t n_chunks;
    if (!docs_split(text, n, &o, j->a, &chunks, &n_chunks, j->err) || !docs_store_put(j->store, f, j->err))
        return false;
    for (size_t at = 0; at < n_chunks; at += DOCS_BATCH)
        if (!add_batch(j, f->id, chunks + at, n_chunks - at < DOCS_BATCH ? n_chunks - at : DOCS_BATCH))
            return false;
    return true;
}

static void sum_of(const char *text, size_t n, char hex[65])
{
    wc_sha256 s;
    uint8_t digest[32];
    wc_sha256_init(&s);
    wc_sha256_add(&s, text, n);
    wc_sha256_end(&s, digest);
    wc_sha256_hex(digest, hex);
}

/* Brings one file up to date; its id stays 0 when it does not belong into the index. */
static bool update_file(struct job *j, docs_file *f)
{
    docs_file old;
    bool known;
    wc_error err = {0};
    size_t n;
    if (!wc_utf8_valid(f->path, strlen(f->path)))
        return skip(j, f->path, "its name is not UTF-8"), true;
    if (!docs_store_find(j->store, f->path, &old, &known, j->err))
        return false;
    if (known && old.size == f->size && old.mtime == f->mtime) {
        f->id = old.id;
        j->out->unchanged++;
        return true;
    }
    if (f->size > DOCS_FILE_BYTES)
        return skip(j, f->path, "larger than 4 MiB"), true;
    const char *text = wc_file_read(j->a, f->path, DOCS_FILE_BYTES, &n, &err);
    if (!text)
        return skip(j, f->path, err.text), true;
    const char *why = unreadable(f->path, text, n);
    if (why)
        return skip(j, f->path, why), true;
    sum_of(text, n, f->sha256);
    if (known && strcmp(old.sha256, f->sha256) == 0) {
        f->id = old.id;
        j->out->unchanged++;
        return docs_store_touch(j->store, f, j->err);
    }
    const size_t mark = n >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0; /* of byte order */
    if (!add_file(j, f, text + mark, n - mark))
        return false;
    *(known ? &j->out->changed : &j->out->added) += 1;
    return true;
}

/* ---- what is gone ---- */

struct gone {
    const docs_found *found;
    wc_arena *a;
    int64_t *ids; /* [n] */
    size_t n, room;
};

static bool is_kept(const docs_found *found, const char *path)
{
    size_t low = 0, high = found->n;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        const int order = strcmp(path, found->files[middle].path);
        if (order == 0)
            return found->files[middle].id != 0;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return !docs_is_under(found, path);
}

static bool collect_gone(void *user, const docs_file *f, wc_error *err)
{
    struct gone *g = user;
    if (is_kept(g->found, f->path))
        return true;
    if (g->n == g->room) {
        const size_t room = g->room ? 2 * g->room : 64;
        int64_t *ids = wc_arena_zalloc(g->a, room, sizeof *ids);
        if (!ids)
            return wc_fail_memory(err, room * sizeof *ids);
        if (g->n)
            memcpy(ids, g->ids, g->n * sizeof *ids);
        g->ids = ids;
        g->room = room;
    }
    g->ids[g->n++] = f->id;
    return true;
}

static bool remove_gone(struct job *j)
{
    struct gone gone = {.found = j->found, .a = j->a};
    wc_arena_clear(j->a);
    bool ok = docs_store_files(j->store, collect_gone, &gone, j->err);
    for (size_t i = 0; ok && i < gone.n; i++)
        ok = docs_store_remove(j->store, gone.ids[i], j->err);
    j->out->removed = gone.n;
    return ok;
}

bool docs_index(docs_store *store, docs_encoder *encoder, docs_found *found, const docs_events *events,
                docs_indexed *out, wc_error *err)
{
    struct job j = {store, encoder, found, events, out, wc_arena_new(0), err};
    bool ok = true;
    if (!j.a)
        return wc_fail_memory(err, 1);
    for (size_t i = 0; ok && i < found->n; i++) {
        wc_arena_clear(j.a);
        events->progress(events->user, i, found->n);
        ok = !stopped(&j) && update_file(&j, &found->files[i]);
    }
    ok = ok && remove_gone(&j) && docs_store_count(store, &out->files, &out->chunks, err) && !stopped(&j) &&
         docs_store_commit(store, err);
    wc_arena_free(j.a);
    return ok;
}
