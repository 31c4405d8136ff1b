/* index.h - brings an index up to date with files: new ones go in, changed ones are read again, those that are gone go out. */
#ifndef DOCUMENTS_INDEX_H
#define DOCUMENTS_INDEX_H
#include "documents/encoder.h"
#include "documents/walk.h"

enum {
    DOCS_FILE_BYTES = 4 << 20, /* the longest file that is read */
    DOCS_CHUNK_TOKENS = 128,   /* of a chunk, unless told; at most what the encoder reads */
    DOCS_OVERLAP_TOKENS = 16
};

typedef struct docs_events {
    docs_skip_fn skipped;
    void (*progress)(void *user, size_t done, size_t total); /* files */
    bool (*stopped)(void *user);                             /* asked between batches: give up */
    void *user;
} docs_events;

typedef struct docs_indexed {
    size_t added, changed, unchanged, removed, skipped; /* files of this run */
    size_t files, chunks;                               /* that the index has now */
} docs_indexed;

/* Reads the files that were found. What lies under the roots and was not found, or is no text, is taken out of the index.
 * The encoder must be that of the index (docs_encoder_check); the store is committed. WC_CANCELLED when stopped. */
bool docs_index(docs_store *store, docs_encoder *encoder, docs_found *found, const docs_events *events,
                docs_indexed *out, wc_error *err);
#endif
