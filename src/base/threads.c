/* threads.c - the pool of threads.h on pthreads and C11 atomics.
 *
 * Every thread has a lane, the range of chunks that are its own and that nobody has taken: it takes the first, and who has
 * none left takes the last of another's.  A job is published by filling the lanes, which are empty between jobs; whoever
 * moves an end of a lane has that chunk, and the job cannot end before it is done.  The caller works too and returns when no
 * chunk is `pending`: it waits for chunks and not for workers, as one may have lost its CPU to another program.  A worker
 * spins for SPIN_SECONDS for the next round, longer than what one thread does alone between two jobs of a step, then waits on
 * the condition variable: under a CPU quota, spinning is stolen time. */
#include "base/threads.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/os.h"

enum {
    MAX_THREADS = 512,
    SPINS = 64,  /* of a worker between two looks at the clock */
    WAITS = 4000 /* spins of the caller before it offers its CPU */
};
static const double SPIN_SECONDS = 200e-6;

struct worker {
    _Alignas(64) atomic_uint_fast64_t lane; /* first chunk << 32 | the one behind the last */
    wc_pool *pool;
    pthread_t thread;
    int index;
};

struct wc_pool {
    pthread_mutex_t busy; /* held by the thread whose job runs */
    pthread_mutex_t lock; /* guards sleeping and the condition */
    pthread_cond_t wake;
    int n_threads, n_started;
    pid_t owner;            /* after a fork the workers are gone: the child works alone */
    struct worker *workers; /* [n_threads], the caller's first */

    wc_chunk_fn fn;
    void *job;
    _Alignas(64) atomic_uint round;     /* counts the jobs */
    _Alignas(64) atomic_size_t pending; /* chunks that are not done */
    atomic_bool stop;
};

static inline void relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* Takes the first chunk of a lane, or its last; false when it is empty. */
static bool take(atomic_uint_fast64_t *lane, bool last, uint32_t *chunk)
{
    uint_fast64_t range = atomic_load_explicit(lane, memory_order_acquire), rest;
    do {
        const uint32_t first = (uint32_t)(range >> 32), end = (uint32_t)range;
        if (first >= end)
            return false;
        *chunk = last ? end - 1 : first;
        rest = last ? range - 1 : range + ((uint_fast64_t)1 << 32);
    } while (!atomic_compare_exchange_weak_explicit(lane, &range, rest, memory_order_acq_rel,
                                                    memory_order_acquire));
    return true;
}

/* What is left in a thread's own lane, then in the others'. */
static void take_chunks(wc_pool *p, int thread)
{
    for (int i = 0; i < p->n_threads; i++) {
        struct worker *w = &p->workers[(thread + i) % p->n_threads];
        size_t done = 0;
        for (uint32_t chunk; take(&w->lane, i > 0, &chunk); done++)
            p->fn(p->job, thread, chunk);
        if (done > 0)
            atomic_fetch_sub_explicit(&p->pending, done, memory_order_release);
    }
}

/* Waits until round differs from seen; returns the new one. */
static unsigned await_round(wc_pool *p, unsigned seen)
{
    unsigned round;
    const double end = wc_seconds() + SPIN_SECONDS;
    do {
        for (int i = 0; i < SPINS; i++) {
            round = atomic_load_explicit(&p->round, memory_order_acquire);
            if (round != seen)
                return round;
            relax();
        }
    } while (wc_seconds() < end);
    pthread_mutex_lock(&p->lock);
    while ((round = atomic_load_explicit(&p->round, memory_order_acquire)) == seen)
        pthread_cond_wait(&p->wake, &p->lock);
    pthread_mutex_unlock(&p->lock);
    return round;
}

static void *work(void *arg)
{
    struct worker *w = arg;
    wc_pool *p = w->pool;
    unsigned seen = 0;
    for (;;) {
        seen = await_round(p, seen);
        if (atomic_load_explicit(&p->stop, memory_order_acquire))
            return NULL;
        take_chunks(p, w->index);
    }
}

static void wake_all(wc_pool *p)
{
    pthread_mutex_lock(&p->lock);
    atomic_fetch_add_explicit(&p->round, 1, memory_order_release);
    pthread_cond_broadcast(&p->wake);
    pthread_mutex_unlock(&p->lock);
}

wc_pool *wc_pool_open(int n_threads, wc_error *err)
{
    if (n_threads < 1 || n_threads > MAX_THREADS) {
        wc_fail(err, WC_BAD_ARGUMENT, "threads: expected 1 to %d, found %d", MAX_THREADS, n_threads);
        return NULL;
    }
    const size_t worker_bytes = (size_t)n_threads * sizeof(struct worker);
    wc_pool *p = wc_mem_alloc_aligned(sizeof *p);
    struct worker *workers = wc_mem_alloc_aligned(worker_bytes);
    if (!p || !workers) {
        wc_mem_free_aligned(p);
        wc_mem_free_aligned(workers);
        wc_fail_memory(err, sizeof *p);
        return NULL;
    }
    memset(p, 0, sizeof *p);
    memset(workers, 0, worker_bytes);
    p->workers = workers;
    p->owner = getpid();
    pthread_mutex_init(&p->busy, NULL);
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->wake, NULL);

    sigset_t all, old; /* signals belong to the program's own threads */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    for (int i = 1; i < n_threads; i++) {
        workers[i].pool = p;
        workers[i].index = i;
        if (pthread_create(&workers[i].thread, NULL, work, &workers[i]) != 0)
            break; /* fewer threads than asked for: slower, not wrong */
        p->n_started++;
    }
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    p->n_threads = p->n_started + 1;
    return p;
}

void wc_pool_close(wc_pool *p)
{
    if (!p)
        return;
    if (p->owner == getpid()) {
        atomic_store(&p->stop, true);
        wake_all(p);
        for (int i = 1; i <= p->n_started; i++)
            pthread_join(p->workers[i].thread, NULL);
    }
    pthread_cond_destroy(&p->wake);
    pthread_mutex_destroy(&p->lock);
    pthread_mutex_destroy(&p->busy);
    wc_mem_free_aligned(p->workers);
    wc_mem_free_aligned(p);
}

int wc_pool_threads(const wc_pool *p)
{
    return p->n_threads;
}

void wc_pool_run(wc_pool *p, wc_chunk_fn fn, void *job, size_t n_chunks)
{
    bool alone = p->n_started == 0 || n_chunks <= 1 || n_chunks > UINT32_MAX || p->owner != getpid() ||
                 pthread_mutex_trylock(&p->busy) != 0;
    if (alone) {
        for (size_t i = 0; i < n_chunks; i++)
            fn(job, 0, i);
        return;
    }
    p->fn = fn;
    p->job = job;
    atomic_store_explicit(&p->pending, n_chunks, memory_order_relaxed);
    for (size_t t = 0, n = (size_t)p->n_threads, first = 0, end; t < n; t++, first = end) {
        end = n_chunks * (t + 1) / n;
        atomic_store_explicit(&p->workers[t].lane, (uint_fast64_t)first << 32 | end, memory_order_release);
    }
    wake_all(p);
    take_chunks(p, 0);
    for (int i = 0; atomic_load_explicit(&p->pending, memory_order_acquire) != 0; i++) {
        if (i < WAITS)
            relax();
        else
            sched_yield();
    }
    pthread_mutex_unlock(&p->busy);
}
