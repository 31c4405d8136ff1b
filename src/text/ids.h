/* ids.h - a growing list of token ids; {0} is a valid empty one. */
#ifndef WC_TEXT_IDS_H
#define WC_TEXT_IDS_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/mem.h"

typedef struct wc_ids {
    int32_t *data; /* [size], from wc_mem_realloc */
    size_t size;
    size_t room; /* private */
} wc_ids;

/* False when there is no memory; the list stays as it was. */
static inline bool wc_ids_add(wc_ids *ids, int32_t id)
{
    if (ids->size == ids->room) {
        size_t room = ids->room ? 2 * ids->room : 64;
        int32_t *grown = room > SIZE_MAX / sizeof *grown ? NULL
                                                         : wc_mem_realloc(ids->data, room * sizeof *grown);
        if (!grown)
            return false;
        ids->data = grown;
        ids->room = room;
    }
    ids->data[ids->size++] = id;
    return true;
}

static inline void wc_ids_release(wc_ids *ids)
{
    wc_mem_free(ids->data);
    *ids = (wc_ids){0};
}
#endif
