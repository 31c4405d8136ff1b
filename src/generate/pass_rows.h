/* pass_rows.h - the lists that say of each row of a pass which token it is and what it sees, in the step arena. */
#ifndef WC_GENERATE_PASS_ROWS_H
#define WC_GENERATE_PASS_ROWS_H
#include <stdint.h>

#include "base/arena.h"

typedef struct wc_pass_rows {
    int32_t *ids, *pos, *seq, *last_visible; /* [n] */
} wc_pass_rows;

/* Room for n rows; false when the arena is full. */
static inline bool wc_pass_rows_alloc(wc_pass_rows *r, wc_arena *a, size_t n)
{
    r->ids = wc_arena_alloc(a, n * sizeof *r->ids);
    r->pos = wc_arena_alloc(a, n * sizeof *r->pos);
    r->seq = wc_arena_alloc(a, n * sizeof *r->seq);
    r->last_visible = wc_arena_alloc(a, n * sizeof *r->last_visible);
    return r->ids && r->pos && r->seq && r->last_visible;
}
#endif
