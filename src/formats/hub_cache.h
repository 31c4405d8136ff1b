/* hub_cache.h - names of models on the Hugging Face Hub, and the places of its cache:
 *
 *   $HF_HUB_CACHE/models--OWNER--NAME/blobs/HASH            contents, named by their SHA-256 or git's SHA-1
 *                                    /snapshots/COMMIT/...  the files, links to ../../blobs/HASH
 *                                    /refs/REVISION         a commit of 40 digits
 *                .locks/models--OWNER--NAME/HASH.lock       held while a blob is fetched
 *
 * Only read here.  All that is returned lies in the arena; NULL without an error: no memory. */
#ifndef WC_FORMATS_HUB_CACHE_H
#define WC_FORMATS_HUB_CACHE_H
#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/error.h"

/* ---- lists of names ---- */

typedef struct wc_names {
    char **list; /* [n] */
    size_t n, room;
} wc_names;

bool wc_names_add(wc_arena *a, wc_names *to, const char *name, wc_error *err);
/* The names in a folder, sorted, without those that begin with a dot; an absent folder has none. */
bool wc_names_read(wc_arena *a, const char *dir, wc_names *out, wc_error *err);
/* The paths of the files in a folder and the folders within, "sub/x", sorted likewise; links to folders are not followed. */
bool wc_names_read_files(wc_arena *a, const char *dir, wc_names *out, wc_error *err);
/* The one that is the same but for case, an exact one first; NULL when there is none. */
const char *wc_names_match(const wc_names *in, const char *name);

/* ---- what a user calls a model ---- */

/* OWNER/NAME[@REVISION][:FILE] or NAME[@REVISION][:FILE], checked and cut. */
typedef struct wc_hub_name {
    const char *folder;   /* "models--OWNER--NAME" */
    const char *name;     /* "OWNER/NAME" */
    const char *revision; /* a branch, a tag or a commit; "main" when not said */
    const char *file;     /* a file, or the quantization of a GGUF file; NULL when not said */
} wc_hub_name;

bool wc_hub_parse(wc_arena *a, const char *text, wc_hub_name *out, wc_error *err);
/* "OWNER/NAME" of the path of a folder models--OWNER--NAME. */
char *wc_hub_repo_name(wc_arena *a, const char *folder);
/* n digits of a commit. */
bool wc_hub_is_commit(const char *s, size_t n);
/* A path of a file in a repository: relative, of 1 to 1,000 bytes of UTF-8 without control characters, no part of it empty,
 * "." or "..". */
bool wc_hub_is_file(const char *path);

bool wc_hub_ends_with(const char *s, const char *end); /* whatever the case */
/* Whether a path is that of a picture tower: *mmproj*.gguf. */
bool wc_hub_is_tower(const char *path);
/* Whether a path is that of a model's GGUF file, or of the first of its files, and of no picture tower. */
bool wc_hub_is_gguf(const char *path);
/* Whether path is first, or another part of the same model where first is NAME-00001-of-N. */
bool wc_hub_is_part(const char *path, const char *first);
/* The index of what FILE means among n paths: the path itself, or the one GGUF file whose name or folder ends in it, as
 * Q4_K_M does in "x-Q4_K_M.gguf" and "Q4_K_M/x-00001-of-00002.gguf", whatever the case.  n when it is none or several: err. */
size_t wc_hub_pick(const char *const *paths, size_t n, const char *file, const char *where, wc_error *err);

/* The index of the picture tower that goes with a model's file among the n paths of its repository, as llama.cpp chooses it: in
 * the model's folder or one above it, the nearest first, then of the quantization nearest to the model's.  n: there is none. */
size_t wc_hub_pick_tower(const char *const *paths, size_t n, const char *model);

/* ---- places ---- */

/* The value of a variable that is set and not empty; NULL. */
const char *wc_hub_env(const char *name);
/* A path from the environment, "~/" standing for the home folder. */
char *wc_hub_expand(wc_arena *a, const char *path);
/* HF_HOME, where the token and the cache lie; NULL when there is no home folder either. */
char *wc_hub_home(wc_arena *a);
/* The folder that holds models--OWNER--NAME, there or not; NULL when there is no home folder either. */
char *wc_hub_cache(wc_arena *a);
/* The repository folder of the cache, whatever the case of its letters; NULL when there is none. */
char *wc_hub_find(wc_arena *a, const char *cache, const char *folder);
/* The commit that refs/REVISION of a repository folder holds.  NULL on failure. */
const char *wc_hub_read_ref(wc_arena *a, const char *repo, const char *revision, wc_error *err);
/* "x/y/z". */
char *wc_hub_join(wc_arena *a, const char *x, const char *y, const char *z);
#endif
