/* pull.h - fetches a model from the Hugging Face Hub into its cache.  The only part of whinchat that asks the network, and
 * only the command calls it. */
#ifndef HUB_PULL_H
#define HUB_PULL_H
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"

typedef struct hub_events {
    void (*note)(void *user, const char *text);
    /* done of total bytes; file: the one in work. */
    void (*progress)(void *user, const char *file, uint64_t done, uint64_t total);
    void *user;
} hub_events;

typedef struct hub_pulled {
    const char *name;   /* "OWNER/NAME" */
    const char *path;   /* of the snapshot */
    const char *commit; /* 40 digits */
    size_t n_files;     /* that the model needs */
    uint64_t bytes;     /* of them */
    uint64_t fetched;   /* of these, bytes that were not there before */
} hub_pulled;

/* Whether a name can be that of a model on the hub, and asking for it is not forbidden; no file has it. */
bool hub_may_pull(wc_arena *a, const char *name);
/* name: OWNER/NAME[@REVISION][:FILE] (formats/hub_cache.h).  On failure and after being killed all that came stays, and the
 * next pull goes on.  What out holds lies in the arena. */
bool hub_pull(wc_arena *a, const char *name, const hub_events *events, hub_pulled *out, wc_error *err);
#endif
