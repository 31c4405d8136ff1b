/* threads.c - the pool of threads.h on pthreads and C11 atomics.
 *
 * `ticket` holds the number of the round above the count of chunks that nobody has taken.  A job is published by storing both;
 * whoever takes one of the count away has that chunk, and the round cannot end before it is done.  The caller works too and
 * returns when no chunk is `pending`: it waits for chunks and not for workers, as one may have lost its CPU to another
 * program.  A worker spins for some microseconds for the next round, then waits on the condition variable: under a CPU
 * quota, spinning is stolen time. */
#include "base/threads.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <unistd.h>

#include "base/mem.h"

enum { SPINS = 4000, MAX_THREADS = 512 };

struct worker {
    wc_pool *pool;
    pthread_t thread;
    int index;
};

struct wc_pool {
    pthread_mutex_t busy; /* held by the thread whose job runs */
    pthread_mutex_t lock; /* guards sleeping and the condition */
    pthread_cond_t wake;
    int n_threads, n_started;
    pid_t owner; /* after a fork the workers are gone: the child works alone */
    struct worker *workers;

    wc_chunk_fn fn;
    void *job;
    size_t n_chunks;
    _Alignas(64) atomic_uint_fast64_t ticket; /* round << 32 | chunks left */
    _Alignas(64) atomic_size_t pending;       /* chunks that are not done */
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

static void take_chunks(wc_pool *p, int thread)
{
    for (;;) {
        uint_fast64_t ticket = atomic_load_explicit(&p->ticket, memory_order_acquire);
        do {
            if ((uint32_t)ticket == 0)
                return;
        } while (!atomic_compare_exchange_weak_explicit(&p->ticket, &ticket, ticket - 1, memory_order_acq_rel,
                                                        memory_order_acquire));
        p->fn(p->job, thread, p->n_chunks - (uint32_t)ticket);
        atomic_fetch_sub_explicit(&p->pending, 1, memory_order_release);
    }
}

static uint32_t round_of(wc_pool *p)
{
    return (uint32_t)(atomic_load_explicit(&p->ticket, memory_order_acquire) >> 32);
}

/* Waits until round differs from seen; returns the new one. */
static uint32_t await_round(wc_pool *p, uint32_t seen)
{
    for (int i = 0; i < SPINS; i++) {
        const uint32_t round = round_of(p);
        if (round != seen)
            return round;
        relax();
    }
    pthread_mutex_lock(&p->lock);
    uint32_t round;
    while ((round = round_of(p)) == seen)
        pthread_cond_wait(&p->wake, &p->lock);
    pthread_mutex_unlock(&p->lock);
    return round;
}

static void *work(void *arg)
{
    struct worker *w = arg;
    wc_pool *p = w->pool;
    uint32_t seen = 0;
    for (;;) {
        seen = await_round(p, seen);
        if (atomic_load_explicit(&p->stop, memory_order_acquire))
            return NULL;
        take_chunks(p, w->index);
    }
}

static void publish(wc_pool *p, size_t n_chunks)
{
    pthread_mutex_lock(&p->lock);
    atomic_store_explicit(&p->ticket, (uint_fast64_t)(round_of(p) + 1) << 32 | n_chunks,
                          memory_order_release);
    pthread_cond_broadcast(&p->wake);
    pthread_mutex_unlock(&p->lock);
}

wc_pool *wc_pool_open(int n_threads, wc_error *err)
{
    if (n_threads < 1 || n_threads > MAX_THREADS) {
        wc_fail(err, WC_BAD_ARGUMENT, "threads: expected 1 to %d, found %d", MAX_THREADS, n_threads);
        return NULL;
    }
    wc_pool *p = wc_mem_zalloc(1, sizeof *p);
    struct worker *workers = wc_mem_zalloc((size_t)n_threads, sizeof *workers);
    if (!p || !workers) {
        wc_mem_free(p);
        wc_mem_free(workers);
        wc_fail_memory(err, sizeof *p);
        return NULL;
    }
    p->workers = workers;
    p->owner = getpid();
    pthread_mutex_init(&p->busy, NULL);
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->wake, NULL);

    sigset_t all, old; /* signals belong to the program's own threads */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    for (int i = 1; i < n_threads; i++) {
        workers[i] = (struct worker){.pool = p, .index = i};
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
        publish(p, 0);
        for (int i = 1; i <= p->n_started; i++)
            pthread_join(p->workers[i].thread, NULL);
    }
    pthread_cond_destroy(&p->wake);
    pthread_mutex_destroy(&p->lock);
    pthread_mutex_destroy(&p->busy);
    wc_mem_free(p->workers);
    wc_mem_free(p);
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
    p->n_chunks = n_chunks;
    atomic_store_explicit(&p->pending, n_chunks, memory_order_relaxed);
    publish(p, n_chunks);
    take_chunks(p, 0);
    for (int i = 0; atomic_load_explicit(&p->pending, memory_order_acquire) != 0; i++) {
        if (i < SPINS)
            relax();
        else
            sched_yield();
    }
    pthread_mutex_unlock(&p->busy);
}
