/* tape.c - see tape.h. */
#include "ops/tape.h"

#include <string.h>

void wc_tape_add(wc_tape *t, const wc_record *r)
{
    const size_t index_bytes = r->index ? r->y.shape[0] * sizeof *r->index : 0;
    wc_record *own = wc_arena_alloc(t->arena, sizeof *own);
    int32_t *index = r->index ? wc_arena_alloc(t->arena, index_bytes) : NULL;
    if (!own || (r->index && !index)) {
        t->failed = true;
        return;
    }
    *own = *r;
    if (index)
        own->index = memcpy(index, r->index, index_bytes);
    own->before = t->last;
    own->after = NULL;
    if (t->last)
        t->last->after = own;
    else
        t->first = own;
    t->last = own;
    t->n++;
}

void wc_tape_reset(wc_tape *t)
{
    wc_arena_clear(t->arena);
    *t = (wc_tape){.arena = t->arena};
}
