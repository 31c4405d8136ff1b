/* arenas.c - see arenas.h. */
#include "base/arenas.h"

#include <pthread.h>

#include "base/mem.h"

enum { KEPT = 4 }; /* more are in use only while more threads are */

struct wc_arenas {
    pthread_mutex_t lock; /* guards what follows */
    wc_arena *kept[KEPT]; /* fixed ones that nobody has */
    int n;
};

wc_arenas *wc_arenas_new(void)
{
    wc_arenas *p = wc_mem_zalloc(1, sizeof *p);
    if (p)
        pthread_mutex_init(&p->lock, NULL);
    return p;
}

void wc_arenas_free(wc_arenas *p)
{
    if (!p)
        return;
    while (p->n > 0)
        wc_arena_free(p->kept[--p->n]);
    pthread_mutex_destroy(&p->lock);
    wc_mem_free(p);
}

/* The smallest that has the room, or else the largest; NULL: there is none. */
static wc_arena *pick(wc_arenas *p, size_t bytes)
{
    int best = 0;
    if (p->n == 0)
        return NULL;
    for (int i = 1; i < p->n; i++) {
        const size_t room = wc_arena_room(p->kept[i]), so_far = wc_arena_room(p->kept[best]);
        if (so_far < bytes ? room > so_far : room >= bytes && room < so_far)
            best = i;
    }
    wc_arena *a = p->kept[best];
    p->kept[best] = p->kept[--p->n];
    return a;
}

wc_arena *wc_arenas_take(wc_arenas *p, size_t bytes)
{
    if (bytes == 0)
        return wc_arena_new(0);
    pthread_mutex_lock(&p->lock);
    wc_arena *a = pick(p, bytes);
    pthread_mutex_unlock(&p->lock);
    if (a && wc_arena_fit(a, bytes))
        return a;
    wc_arena_free(a);
    return wc_arena_new_fixed(bytes);
}

void wc_arenas_put(wc_arenas *p, wc_arena *a)
{
    if (a && wc_arena_room(a) > 0) {
        pthread_mutex_lock(&p->lock);
        if (p->n < KEPT) {
            p->kept[p->n++] = a;
            a = NULL;
        }
        pthread_mutex_unlock(&p->lock);
    }
    wc_arena_free(a);
}
