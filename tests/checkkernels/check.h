/* check.h - what the checks of checkkernels share: guarded memory, inputs, comparing, counting. */
#ifndef CHECK_H
#define CHECK_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/cpu.h"
#include "kernels/kernels.h"

/* Memory whose neighbours on both sides cannot be touched.  With at_end the block ends at the border, otherwise it
 * begins there; align is what its start must be a multiple of.  All blocks are freed by guarded_free_all. */
void *guarded(size_t bytes, size_t align, bool at_end);
float *guarded_floats(size_t n, bool at_end);
void guarded_free_all(void);
/* Room up to a border for n packed rows of a span of width values, *group floats and a gap from some rows to the next. */
float *packed_new(const wc_kernels *k, size_t n, size_t width, size_t *group);

uint32_t next_random(void);
float random_float(void);             /* -1 .. 1 */
void fill_random(float *x, size_t n); /* -1 .. 1 */
void fill_whole(float *x, size_t n);  /* whole numbers -4 .. 4: short sums of products are exact */
void store_as(wc_dtype type, void *to, const float *from,
              size_t n); /* exact where the type can hold the value */
float stored_at(wc_dtype type, const void *from, size_t i);
size_t stored_size(wc_dtype type);

/* Distance of got from want in units in the last place of want (at least those of the smallest normal number). */
double ulps(float got, double want);
bool same_bits(const float *a, const float *b, size_t n); /* NaN equals NaN, 0 equals -0 */
/* The same of n rows of m numbers, which begin stride numbers apart. */
bool same_rows(const float *a, const float *b, size_t n, size_t m, size_t stride);
/* Whether what lies between such rows of guarded memory was not written. */
bool gaps_kept(const float *y, size_t n, size_t m, size_t stride);

/* One check's verdict: counts, and on failure prints level, name and the case as printf would. */
void verdict(bool ok, const wc_kernels *k, const char *name, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
int n_failed(void);
int n_passed(void);

void check_products(const wc_kernels *k);
void check_quants(const wc_kernels *k);
void check_rows(const wc_kernels *k);
void bench(const wc_kernels *k);
#endif
