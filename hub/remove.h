/* remove.h - takes models out of the Hugging Face cache.  Nothing outside a repository's folder is touched. */
#ifndef HUB_REMOVE_H
#define HUB_REMOVE_H
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "formats/hub_cache.h"

/* What goes.  Lies in the arena. */
typedef struct hub_removal {
    const char *what; /* "OWNER/NAME", "OWNER/NAME@REVISION", "OWNER/NAME:FILE" */
    const char *repo; /* its folder */
    wc_names paths;   /* files and links, relative to it, in the order in which they go */
    uint64_t bytes;   /* that this frees */
} hub_removal;

/* name: OWNER/NAME: all of it, with what was begun; OWNER/NAME[@REVISION][:FILE]: a snapshot or a file in it, and contents
 * that no other snapshot holds. */
bool hub_removal_plan(wc_arena *a, const char *name, hub_removal *out, wc_error *err);
/* Does it, as it is found to be now; refuses while a process fetches the model. */
bool hub_remove(wc_arena *a, const char *name, hub_removal *out, wc_error *err);
#endif
