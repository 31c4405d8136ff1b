/* arena.c - see arena.h.  A position in an arena is the sum of the sizes of the blocks before it plus the offset in its
 * own block, so that a mark is one number and a reset walks back over whole blocks. */
#include "base/arena.h"

#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include "base/mem.h"
#include "base/size.h"

#if defined(__SANITIZE_ADDRESS__)
#define ADDRESS_SANITIZER
#elif defined(__has_feature) /* clang says it so */
#if __has_feature(address_sanitizer)
#define ADDRESS_SANITIZER
#endif
#endif

#ifdef ADDRESS_SANITIZER
#include <sanitizer/asan_interface.h>
#define POISON(p, n)   ASAN_POISON_MEMORY_REGION(p, n)
#define UNPOISON(p, n) ASAN_UNPOISON_MEMORY_REGION(p, n)
#elif defined(WC_POISON)
#define POISON(p, n)   memset(p, 0xa5, n)
#define UNPOISON(p, n) ((void)0)
#else
#define POISON(p, n)   ((void)0)
#define UNPOISON(p, n) ((void)0)
#endif

enum { ALIGN = 64, FIRST_BLOCK = 16 * 1024, LARGEST_STEP = 8 * 1024 * 1024, MAPPED_FROM = 4 * 1024 * 1024 };

struct block {
    struct block *prev;
    size_t start; /* position of this block's first byte in the arena */
    size_t size, used;
    size_t mapped; /* bytes from mmap; 0: from the heap */
    char *data;    /* 64-byte aligned */
};

struct wc_arena {
    struct block *top;
    size_t max, peak, next_size;
    size_t dry_used;
    bool dry, fixed;
};

/* Memory from the system on large pages, which cost fewer page faults and misses; NULL when there is none. */
static void *map_pages(size_t bytes)
{
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        return NULL;
#ifdef MADV_HUGEPAGE
    madvise(p, bytes, MADV_HUGEPAGE); /* where it is refused nothing is lost */
#endif
    return p;
}

static struct block *block_mapped(size_t size, size_t start)
{
    struct block *b = wc_mem_zalloc(1, sizeof *b);
    char *data = b ? map_pages(size) : NULL;
    if (!data) {
        wc_mem_free(b);
        return NULL;
    }
    *b = (struct block){.start = start, .size = size, .mapped = size, .data = data};
    POISON(data, size);
    return b;
}

static struct block *block_new(size_t size, size_t start)
{
    if (size >= MAPPED_FROM)
        return block_mapped(size, start);
    struct block *b = wc_mem_alloc(sizeof *b + size + ALIGN);
    if (!b)
        return NULL;
    uintptr_t p = (uintptr_t)(b + 1);
    *b = (struct block){
        .start = start, .size = size, .data = (char *)((p + ALIGN - 1) & ~(uintptr_t)(ALIGN - 1))};
    POISON(b->data, size);
    return b;
}

static void block_free(struct block *b)
{
    UNPOISON(b->data, b->mapped ? b->mapped : b->size);
    if (b->mapped)
        munmap(b->data, b->mapped);
    wc_mem_free(b);
}

wc_arena *wc_arena_new(size_t max_bytes)
{
    wc_arena *a = wc_mem_zalloc(1, sizeof *a);
    if (a) {
        a->max = max_bytes ? max_bytes : SIZE_MAX / 2;
        a->next_size = FIRST_BLOCK;
    }
    return a;
}

wc_arena *wc_arena_new_fixed(size_t bytes)
{
    wc_arena *a = wc_arena_new(bytes);
    if (a && bytes > 0 && bytes <= SIZE_MAX / 2)
        a->top = block_mapped(bytes, 0);
    if (!a || !a->top) {
        wc_mem_free(a);
        return NULL;
    }
    a->fixed = true;
    return a;
}

size_t wc_arena_room(const wc_arena *a)
{
    return a->fixed ? a->top->mapped : 0;
}

bool wc_arena_fit(wc_arena *a, size_t bytes)
{
    if (bytes > wc_arena_room(a))
        return false;
    wc_arena_clear(a);
    a->top->size = bytes;
    return true;
}

wc_arena *wc_arena_new_dry(void)
{
    wc_arena *a = wc_arena_new(0);
    if (a)
        a->dry = true;
    return a;
}

void wc_arena_free(wc_arena *a)
{
    if (!a)
        return;
    while (a->top) {
        struct block *prev = a->top->prev;
        block_free(a->top);
        a->top = prev;
    }
    wc_mem_free(a);
}

size_t wc_arena_used(const wc_arena *a)
{
    if (a->dry)
        return a->dry_used;
    return a->top ? a->top->start + a->top->used : 0;
}

/* Makes room for bytes on top; false when the arena may not grow so far. */
static bool grow(wc_arena *a, size_t bytes)
{
    size_t start = a->top ? a->top->start + a->top->used : 0;
    if (a->fixed || start > a->max || bytes > a->max - start)
        return false;
    size_t size = wc_max_size(bytes, wc_min_size(a->next_size, a->max - start));
    struct block *b = block_new(size, start);
    if (!b)
        return false;
    if (a->next_size < LARGEST_STEP)
        a->next_size *= 2;
    b->prev = a->top;
    a->top = b;
    return true;
}

void *wc_arena_alloc(wc_arena *a, size_t bytes)
{
    size_t rounded;
    if (!wc_add_size(bytes ? bytes : 1, ALIGN - 1, &rounded))
        return NULL;
    rounded &= ~(size_t)(ALIGN - 1);
    if (a->dry) {
        if (!wc_add_size(a->dry_used, rounded, &a->dry_used))
            return NULL;
        a->peak = wc_max_size(a->peak, a->dry_used);
        return (void *)(uintptr_t)ALIGN; /* never dereferenced */
    }
    if ((!a->top || rounded > a->top->size - a->top->used) && !grow(a, rounded))
        return NULL;
    char *p = a->top->data + a->top->used;
    a->top->used += rounded;
    UNPOISON(p, bytes);
    a->peak = wc_max_size(a->peak, a->top->start + a->top->used);
    return p;
}

void *wc_arena_zalloc(wc_arena *a, size_t n, size_t size)
{
    size_t bytes;
    void *p = wc_mul_size(n, size, &bytes) ? wc_arena_alloc(a, bytes) : NULL;
    if (p)
        memset(p, 0, bytes);
    return p;
}

char *wc_arena_strndup(wc_arena *a, const char *s, size_t n)
{
    char *copy = n < SIZE_MAX ? wc_arena_alloc(a, n + 1) : NULL;
    if (copy) {
        memcpy(copy, s, n);
        copy[n] = '\0';
    }
    return copy;
}

char *wc_arena_strdup(wc_arena *a, const char *s)
{
    return wc_arena_strndup(a, s, strlen(s));
}

wc_arena_mark wc_arena_get_mark(const wc_arena *a)
{
    return (wc_arena_mark){wc_arena_used(a)};
}

void wc_arena_reset(wc_arena *a, wc_arena_mark mark)
{
    if (a->dry) {
        a->dry_used = mark.used;
        return;
    }
    while (a->top && a->top->prev && a->top->start >= mark.used) {
        struct block *prev = a->top->prev;
        block_free(a->top);
        a->top = prev;
    }
    if (a->top && mark.used >= a->top->start) {
        size_t keep = mark.used - a->top->start;
        POISON(a->top->data + keep, a->top->used - keep);
        a->top->used = keep;
    }
}

void wc_arena_clear(wc_arena *a)
{
    wc_arena_reset(a, (wc_arena_mark){0});
}

bool wc_arena_is_dry(const wc_arena *a)
{
    return a->dry;
}

size_t wc_arena_peak(const wc_arena *a)
{
    return a->peak;
}
