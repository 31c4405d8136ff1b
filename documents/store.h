/* store.h - the index of documents, a SQLite database: which files there are, and their chunks with an embedding each.
 *
 *   settings   one row: the encoder, its prompts, how texts were cut, and the vector of a known text (fingerprint)
 *   files      a row a file: its absolute path, size, time of change, SHA-256
 *   chunks     a row a chunk: its file, lines, headings, text, and the embedding as width f32, little-endian, length 1
 *
 * application_id is "whnc", user_version the version of this form. All writing is one transaction: a run that ends before
 * docs_store_commit has changed nothing, however it ended. What is read is checked: a database may come from anybody. */
#ifndef DOCUMENTS_STORE_H
#define DOCUMENTS_STORE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "documents/split.h"

enum { DOCS_MAX_WIDTH = 1 << 14, DOCS_BATCH = 64 };

typedef struct docs_settings {
    const char *model;                          /* the encoder's name, as it is opened */
    const char *document_prompt, *query_prompt; /* names of prompts of the encoder; "": none */
    size_t chunk_tokens, overlap_tokens;
    size_t width;             /* of the vectors */
    const float *fingerprint; /* [width] the encoder's vector of docs_fingerprint_text */
} docs_settings;

typedef struct docs_file {
    int64_t id;
    const char *path;
    uint64_t size;
    int64_t mtime; /* nanoseconds since 1970 */
    char sha256[65];
} docs_file;

/* A chunk as it comes back. */
typedef struct docs_passage {
    const char *path, *heading, *text; /* in the arena */
    size_t first_line, last_line;
    float score;
} docs_passage;

typedef struct docs_store docs_store;

/* Opens the database at path.  write: it is made where there is none, and nobody else writes it until it is closed.  NULL
 * where it is no index, or one of another version. */
docs_store *docs_store_open(const char *path, bool write, wc_error *err);
/* Takes back what was not committed.  NULL is fine. */
void docs_store_close(docs_store *s);
/* NULL while the database is new.  Valid until docs_store_close. */
const docs_settings *docs_store_settings(const docs_store *s);
/* Writes them into a new database. */
bool docs_store_set_up(docs_store *s, const docs_settings *settings, wc_error *err);
bool docs_store_commit(docs_store *s, wc_error *err);
bool docs_store_count(docs_store *s, size_t *files, size_t *chunks, wc_error *err);

/* The file of that path in *out (its path is the caller's); *found tells whether there is one. */
bool docs_store_find(docs_store *s, const char *path, docs_file *out, bool *found, wc_error *err);
/* Puts a file in, without chunks, in place of the one of that path; its id goes into *f. */
bool docs_store_put(docs_store *s, docs_file *f, wc_error *err);
/* Writes size and time of change of a file that is there. */
bool docs_store_touch(docs_store *s, const docs_file *f, wc_error *err);
bool docs_store_remove(docs_store *s, int64_t id, wc_error *err);
/* vector: [width]. */
bool docs_store_add(docs_store *s, int64_t file, const docs_chunk *chunk, const float *vector, wc_error *err);

/* Calls fn with every file, by path; false ends it with the error that fn filled in. */
typedef bool (*docs_file_fn)(void *user, const docs_file *f, wc_error *err);
bool docs_store_files(docs_store *s, docs_file_fn fn, void *user, wc_error *err);
/* Calls fn with all vectors [n, width], n at most DOCS_BATCH, and the numbers of their chunks. */
typedef bool (*docs_vectors_fn)(void *user, const int64_t *chunks, const float *vectors, size_t n,
                                wc_error *err);
bool docs_store_vectors(docs_store *s, docs_vectors_fn fn, void *user, wc_error *err);
bool docs_store_passage(docs_store *s, int64_t chunk, wc_arena *a, docs_passage *out, wc_error *err);
#endif
