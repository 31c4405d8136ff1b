/* threads.h - one pool of workers, one fork-join at a time.
 *
 * wc_pool_run cuts work into chunks.  Each thread, the caller too, takes the chunks of a range of its own one by one, so that what
 * it fetches ahead is what it needs next, and then of what others have left, so that a slow core delays nobody.
 * Workers spin briefly after a job, then sleep.  A pool that is busy (another session's thread runs a job) lets the
 * caller do its whole job alone: results never depend on who computed a chunk. */
#ifndef WC_BASE_THREADS_H
#define WC_BASE_THREADS_H
#include <stddef.h>

#include "base/error.h"

typedef struct wc_pool wc_pool;

/* A pool of n_threads in all, the caller included (n_threads - 1 are started).  NULL on failure. */
wc_pool *wc_pool_open(int n_threads, wc_error *err);
void wc_pool_close(wc_pool *p); /* NULL is fine */
int wc_pool_threads(const wc_pool *p);

/* One chunk; thread is 0 (the caller) to n_threads - 1 and names the scratch memory that the chunk may use. */
typedef void (*wc_chunk_fn)(void *job, int thread, size_t chunk);
void wc_pool_run(wc_pool *p, wc_chunk_fn fn, void *job, size_t n_chunks);
#endif
