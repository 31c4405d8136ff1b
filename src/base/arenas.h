/* arenas.h - the memory that steps, pictures, sounds and texts take turns in.
 *
 * It is kept between turns: what the system gives has to be cleared by it first, which for a picture takes a tenth of its
 * time.  Each turn has one arena of its own; one that is too small gives way to a larger. */
#ifndef WC_BASE_ARENAS_H
#define WC_BASE_ARENAS_H
#include "base/arena.h"

typedef struct wc_arenas wc_arenas;

wc_arenas *wc_arenas_new(void);    /* NULL without memory */
void wc_arenas_free(wc_arenas *p); /* all arenas are back; NULL is fine */
/* An empty arena of exactly bytes; 0: without bound, for what was not rehearsed.  Goes back by wc_arenas_put.  NULL without
 * memory.  Any thread may call these two. */
wc_arena *wc_arenas_take(wc_arenas *p, size_t bytes);
void wc_arenas_put(wc_arenas *p, wc_arena *a); /* NULL is fine */
#endif
