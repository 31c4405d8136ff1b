/* mem.h - the heap.  malloc occurs in base/ only; whoever needs an object of its own life asks here.  A test can make
 * the n-th allocation fail. */
#ifndef WC_BASE_MEM_H
#define WC_BASE_MEM_H
#include <stddef.h>

/* NULL when there is no memory; free with wc_mem_free. */
void *wc_mem_alloc(size_t bytes);
/* Zeroed; NULL when there is no memory or n * size overflows. */
void *wc_mem_zalloc(size_t n, size_t size);
/* As realloc; the old block stays when NULL is returned. */
void *wc_mem_realloc(void *p, size_t bytes);
char *wc_mem_strdup(const char *s);
char *wc_mem_strndup(const char *s, size_t n);
void wc_mem_free(void *p); /* NULL is fine */
/* 64-byte aligned, not zeroed; free with wc_mem_free_aligned. */
void *wc_mem_alloc_aligned(size_t bytes);
void wc_mem_free_aligned(void *p); /* NULL is fine */

/* For tests: the n-th allocation from now (1 = the next) fails, and all after it until it is set to 0. */
void wc_mem_fail_after(long n);
#endif
