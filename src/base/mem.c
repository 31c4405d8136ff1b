/* mem.c - a thin layer over malloc, so that every allocation can be counted and made to fail. */
#include "base/mem.h"

#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static atomic_long fail_after; /* 0: off; 1: fail now and from now on */

static int must_fail(void)
{
    long n = atomic_load_explicit(&fail_after, memory_order_relaxed);
    if (n == 0)
        return 0;
    if (n == 1)
        return 1;
    atomic_store_explicit(&fail_after, n - 1, memory_order_relaxed);
    return 0;
}

void wc_mem_fail_after(long n)
{
    atomic_store(&fail_after, n > 0 ? n : 0);
}

void *wc_mem_alloc(size_t bytes)
{
    return must_fail() ? NULL : malloc(bytes ? bytes : 1);
}

void *wc_mem_zalloc(size_t n, size_t size)
{
    return must_fail() ? NULL : calloc(n ? n : 1, size ? size : 1);
}

void *wc_mem_realloc(void *p, size_t bytes)
{
    return must_fail() ? NULL : realloc(p, bytes ? bytes : 1);
}

char *wc_mem_strndup(const char *s, size_t n)
{
    char *copy = n < SIZE_MAX ? wc_mem_alloc(n + 1) : NULL;
    if (copy) {
        memcpy(copy, s, n);
        copy[n] = '\0';
    }
    return copy;
}

char *wc_mem_strdup(const char *s)
{
    return wc_mem_strndup(s, strlen(s));
}

void wc_mem_free(void *p)
{
    free(p);
}

void *wc_mem_alloc_aligned(size_t bytes)
{
    return must_fail() || bytes > SIZE_MAX - 64 ? NULL : aligned_alloc(64, (bytes + 63) / 64 * 64);
}

void wc_mem_free_aligned(void *p)
{
    free(p);
}
