/* arena.h - memory that is taken piece by piece and given back all at once.
 *
 * An arena is a chain of blocks that grows up to max_bytes.  A fixed arena is one block; a dry one only counts, so that
 * a forward pass can be rehearsed to learn what it needs.  Builds with WC_POISON overwrite what a reset gives back. */
#ifndef WC_BASE_ARENA_H
#define WC_BASE_ARENA_H
#include <stdbool.h>
#include <stddef.h>

typedef struct wc_arena wc_arena;
/* A place to come back to. */
typedef struct wc_arena_mark {
    size_t used;
} wc_arena_mark;

/* An arena that grows up to max_bytes (0: without bound); NULL when there is no memory.  Free with wc_arena_free. */
wc_arena *wc_arena_new(size_t max_bytes);
/* One block of exactly bytes, taken from the system at once but touched only as it is used. */
wc_arena *wc_arena_new_fixed(size_t bytes);
/* Empties a fixed arena and makes it one of bytes; false, and nothing happens, when it was made smaller. */
bool wc_arena_fit(wc_arena *a, size_t bytes);
/* What a fixed arena was made with; 0 of others. */
size_t wc_arena_room(const wc_arena *a);
/* Counts only: what it hands out must not be touched. */
wc_arena *wc_arena_new_dry(void);
void wc_arena_free(wc_arena *a); /* NULL is fine */

/* Borrowed, 64-byte aligned, not zeroed; valid until a reset to an earlier mark.  NULL when full. */
void *wc_arena_alloc(wc_arena *a, size_t bytes);
/* n elements of size bytes, zeroed; NULL when full or when n * size overflows.  Not for dry arenas. */
void *wc_arena_zalloc(wc_arena *a, size_t n, size_t size);
/* A copy of s [n] with a NUL behind it; 8-byte aligned.  NULL when full. */
char *wc_arena_strndup(wc_arena *a, const char *s, size_t n);
char *wc_arena_strdup(wc_arena *a, const char *s);

wc_arena_mark wc_arena_get_mark(const wc_arena *a);
void wc_arena_reset(wc_arena *a, wc_arena_mark mark);
/* Empties the arena and keeps its memory. */
void wc_arena_clear(wc_arena *a);
bool wc_arena_is_dry(const wc_arena *a);
size_t wc_arena_used(const wc_arena *a);
/* The most that was ever in use at once. */
size_t wc_arena_peak(const wc_arena *a);
#endif
