/* store.h - writes a repository's folder in the Hugging Face cache (formats/hub_cache.h), so that a process killed at any
 * moment leaves nothing half: blobs grow as HASH.incomplete and take their name when their sum is right; a snapshot is
 * gathered as snapshots/.COMMIT and takes its name when it is whole; the ref is written last. */
#ifndef HUB_STORE_H
#define HUB_STORE_H
#include <stdbool.h>
#include <stdint.h>

#include "base/hash.h"
#include "hub/listing.h"

typedef struct hub_store {
    wc_arena *a;
    const char *repo;  /* $HF_HUB_CACHE/models--OWNER--NAME */
    const char *locks; /* $HF_HUB_CACHE/.locks/models--OWNER--NAME */
    const char *commit;
    const char *snapshot;  /* snapshots/COMMIT */
    const char *gathering; /* where files are put: the snapshot where it is there, else snapshots/.COMMIT */
} hub_store;

/* The store of a repository's folder, for its locks only. */
bool hub_store_at(hub_store *s, wc_arena *a, const char *repo, wc_error *err);
/* Finds the places and makes the folders. */
bool hub_store_init(hub_store *s, wc_arena *a, const char *cache, const char *folder, const char *commit,
                    wc_error *err);

/* Holds the lock NAME.lock of the repository, as huggingface_hub does for NAME a blob's hash; *fd is -1 when another process
 * has it and wait is false.  Given back by closing *fd. */
bool hub_store_lock(const hub_store *s, const char *name, bool wait, int *fd, wc_error *err);

enum hub_state { HUB_ABSENT, HUB_BLOB, HUB_LINKED };
/* Whether a file's contents are there, and stand in the snapshot. */
enum hub_state hub_store_state(const hub_store *s, const hub_file *f);
/* Bytes that an earlier process has left of a blob. */
uint64_t hub_store_begun(const hub_store *s, const hub_file *f);
/* Whether so many bytes fit on the disk. */
bool hub_store_has_room(const hub_store *s, uint64_t bytes, wc_error *err);

/* A blob that grows. */
typedef struct hub_blob {
    const hub_file *file;
    const char *path, *temp;
    int fd;
    uint64_t size; /* bytes that are there and counted in the sum */
    bool git;      /* the name is a SHA-1 of git */
    wc_sha256 sha256;
    wc_sha1 sha1;
} hub_blob;

/* Goes on with what is there of it, or begins. */
bool hub_blob_open(hub_blob *b, const hub_store *s, const hub_file *f, wc_error *err);
/* Puts bytes behind the first at, at being b->size, or 0 to begin anew. */
bool hub_blob_write(hub_blob *b, uint64_t at, const void *bytes, size_t n, wc_error *err);
/* Gives it its name.  *wrong: size or sum differ; it is empty then, and err says what was found. */
bool hub_blob_finish(hub_blob *b, bool *wrong, wc_error *err);
void hub_blob_close(hub_blob *b);

/* Puts the files into the snapshot, and the commit into refs/REVISION. */
bool hub_store_publish(hub_store *s, const hub_listing *l, const char *revision, wc_error *err);
#endif
