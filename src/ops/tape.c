/* tape.c - see tape.h. */
#include "ops/tape.h"

void wc_tape_add(wc_tape *t, const wc_record *r)
{
    wc_record *own = wc_arena_alloc(t->arena, sizeof *own);
    if (!own) {
        t->failed = true;
        return;
    }
    *own = *r;
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
