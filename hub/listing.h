/* listing.h - what a repository on the Hub holds, and which of it a model needs. */
#ifndef HUB_LISTING_H
#define HUB_LISTING_H
#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"

enum { HUB_MAX_LISTING = 32 << 20, HUB_HASH_ROOM = 65 };

typedef struct hub_file {
    const char *path;         /* "1_Pooling/config.json": relative, as wc_hub_is_file allows it */
    int64_t size;             /* bytes; -1: not said */
    char hash[HUB_HASH_ROOM]; /* 64 digits of SHA-256, or 40 of git's SHA-1 of a blob; "": not said */
} hub_file;

typedef struct hub_listing {
    const char *id;     /* "OWNER/NAME" as the Hub spells it; NULL: not said */
    const char *commit; /* 40 digits */
    hub_file *files;    /* [n] sorted by path, no path twice */
    size_t n;
} hub_listing;

/* Reads the Hub's answer, a JSON object with "sha" and "siblings"; where is what messages call it.  Lies in the arena. */
bool hub_listing_parse(wc_arena *a, const char *text, size_t bytes, const char *where, hub_listing *out,
                       wc_error *err);
/* Keeps the files that a model needs: all of what file means (wc_hub_pick), or, file being NULL, configuration, tokenizer,
 * templates and safetensors; where there are none, the one GGUF file.  With a GGUF file comes the picture tower that goes
 * with it (wc_hub_pick_tower). */
bool hub_listing_choose(wc_arena *a, hub_listing *l, const char *file, const char *where, wc_error *err);
/* Whether a hash is one of the two kinds. */
bool hub_is_hash(const char *hash);
#endif
