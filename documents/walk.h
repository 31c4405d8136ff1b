/* walk.h - the files to index: those named, and all in the folders named. */
#ifndef DOCUMENTS_WALK_H
#define DOCUMENTS_WALK_H
#include "base/arena.h"
#include "base/error.h"
#include "documents/store.h"

typedef struct docs_found {
    docs_file *files; /* [n] by path, each once; path, size and mtime only */
    size_t n;
    const char **roots; /* [n_roots] what was named, absolute */
    size_t n_roots;
} docs_found;

/* Why a file is not indexed. */
typedef void (*docs_skip_fn)(void *user, const char *path, const char *why);

/* All in the arena. Links and hidden names within a folder are passed over, those named are not. globs [n]: patterns of
 * the shell, one of which the name or the end of the path must match; none: any file. except: a file that is never one of
 * them, the index itself; NULL. false where a name does not exist. */
bool docs_walk(const char *const *names, size_t n_names, const char *const *globs, size_t n_globs,
               const char *except, docs_skip_fn skip, void *user, wc_arena *a, docs_found *out,
               wc_error *err);
/* Whether path is one of the roots or lies in one. */
bool docs_is_under(const docs_found *found, const char *path);
#endif
