/* media_cache.c - a short list, most recently used first; there are tens of entries, not thousands. */
#include "generate/media_cache.h"

#include <pthread.h>
#include <string.h>

#include "base/mem.h"

struct wc_media_entry {
    struct wc_media_entry *next;
    uint8_t digest[32];
    int holds;
    size_t bytes;
    float *rows;
};

struct wc_media_cache {
    pthread_mutex_t lock;
    struct wc_media_entry *first;
    size_t bytes, max_bytes;
};

wc_media_cache *wc_media_cache_new(size_t max_bytes)
{
    wc_media_cache *c = wc_mem_zalloc(1, sizeof *c);
    if (c) {
        pthread_mutex_init(&c->lock, NULL);
        c->max_bytes = max_bytes;
    }
    return c;
}

static void entry_free(struct wc_media_entry *e)
{
    wc_mem_free(e->rows);
    wc_mem_free(e);
}

void wc_media_cache_free(wc_media_cache *c)
{
    if (!c)
        return;
    while (c->first) {
        struct wc_media_entry *next = c->first->next;
        entry_free(c->first);
        c->first = next;
    }
    pthread_mutex_destroy(&c->lock);
    wc_mem_free(c);
}

static void set_hold(wc_media_hold *hold, struct wc_media_entry *e)
{
    e->holds++;
    *hold = (wc_media_hold){.entry = e, .rows = e->rows};
    memcpy(hold->digest, e->digest, sizeof hold->digest);
}

/* Drops entries that nobody holds, the last used last, until the rest fits. */
static void shrink(wc_media_cache *c)
{
    while (c->bytes > c->max_bytes) {
        struct wc_media_entry **victim = NULL;
        for (struct wc_media_entry **p = &c->first; *p; p = &(*p)->next)
            if ((*p)->holds == 0)
                victim = p;
        if (!victim)
            return;
        struct wc_media_entry *e = *victim;
        *victim = e->next;
        c->bytes -= e->bytes;
        entry_free(e);
    }
}

bool wc_media_find(wc_media_cache *c, const uint8_t digest[32], wc_media_hold *hold)
{
    bool found = false;
    pthread_mutex_lock(&c->lock);
    for (struct wc_media_entry **p = &c->first; *p; p = &(*p)->next) {
        struct wc_media_entry *e = *p;
        if (memcmp(e->digest, digest, sizeof e->digest) != 0)
            continue;
        *p = e->next;
        e->next = c->first;
        c->first = e;
        set_hold(hold, e);
        found = true;
        break;
    }
    pthread_mutex_unlock(&c->lock);
    return found;
}

bool wc_media_add(wc_media_cache *c, const uint8_t digest[32], const float *rows, size_t n,
                  wc_media_hold *hold)
{
    struct wc_media_entry *e = wc_mem_zalloc(1, sizeof *e);
    float *copy = wc_mem_alloc(n * sizeof *copy);
    if (!e || !copy) {
        wc_mem_free(e);
        wc_mem_free(copy);
        return false;
    }
    memcpy(copy, rows, n * sizeof *copy);
    memcpy(e->digest, digest, sizeof e->digest);
    e->rows = copy;
    e->bytes = n * sizeof *copy;
    pthread_mutex_lock(&c->lock);
    e->next = c->first;
    c->first = e;
    c->bytes += e->bytes;
    set_hold(hold, e);
    shrink(c);
    pthread_mutex_unlock(&c->lock);
    return true;
}

void wc_media_release(wc_media_cache *c, wc_media_hold *hold)
{
    if (!hold->entry)
        return;
    pthread_mutex_lock(&c->lock);
    hold->entry->holds--;
    shrink(c);
    pthread_mutex_unlock(&c->lock);
    *hold = (wc_media_hold){0};
}
