/* check.c - guarded memory, inputs, comparing and counting for checkkernels. */
#include "check.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { MAX_BLOCKS = 128 };

static struct {
    char *start;
    size_t bytes;
} blocks[MAX_BLOCKS];
static int n_blocks, passed, failed;

void *guarded(size_t bytes, size_t align, bool at_end)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE), inner = (bytes + page - 1) / page * page + page;
    char *p = mmap(NULL, inner + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED || n_blocks == MAX_BLOCKS || mprotect(p + page, inner, PROT_READ | PROT_WRITE) != 0) {
        fprintf(stderr, "checkkernels: no memory\n");
        exit(1);
    }
    blocks[n_blocks].start = p;
    blocks[n_blocks++].bytes = inner + 2 * page;
    memset(p + page, 0xff, inner); /* NaN in every float type: what is read and should not be is noticed */
    return at_end ? p + page + (inner - bytes) / align * align : p + page;
}

float *guarded_floats(size_t n, bool at_end)
{
    return guarded(n * sizeof(float), sizeof(float), at_end);
}

float *packed_new(const wc_kernels *k, size_t n, size_t width, size_t *group)
{
    const size_t rows = (size_t)k->tile_rows, span = width < WC_SPAN ? width : WC_SPAN, gap = 16;
    *group = (span + 3) / 4 * 4 * rows + gap;
    return guarded_floats((n + rows - 1) / rows * *group - gap, true);
}

void guarded_free_all(void)
{
    while (n_blocks > 0) {
        n_blocks--;
        munmap(blocks[n_blocks].start, blocks[n_blocks].bytes);
    }
}

uint32_t next_random(void)
{
    static uint64_t state = 0x9e3779b97f4a7c15u;
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(state >> 33) << 1 | (uint32_t)(state >> 63);
}

float random_float(void)
{
    return (float)(int32_t)next_random() * 0x1p-31f;
}

void fill_random(float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x[i] = random_float();
}

void fill_whole(float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x[i] = (float)(int)(next_random() % 9) - 4;
}

size_t stored_size(wc_dtype type)
{
    return type == WC_F32 ? 4 : 2;
}

/* Only for values that f16 holds as normal numbers, or zero; the rest of the fraction is cut off. */
static uint16_t f16_of(float x)
{
    uint32_t u;
    memcpy(&u, &x, 4);
    int exponent = (int)(u >> 23 & 255) - 112;
    return (uint16_t)(u >> 16 & 0x8000) |
           (exponent <= 0 ? 0 : (uint16_t)(exponent << 10 | (int)(u >> 13 & 1023)));
}

void store_as(wc_dtype type, void *to, const float *from, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint32_t u;
        memcpy(&u, &from[i], 4);
        uint16_t half = type == WC_F16 ? f16_of(from[i]) : (uint16_t)(u >> 16);
        if (type == WC_F32)
            memcpy((char *)to + 4 * i, &u, 4);
        else
            memcpy((char *)to + 2 * i, &half, 2);
    }
}

float stored_at(wc_dtype type, const void *from, size_t i)
{
    float x;
    wc_kernels_reference()->widen[type](&x, (const char *)from + i * stored_size(type), 1);
    return x;
}

double ulps(float got, double want)
{
    if (isnan(want) || isinf((float)want))
        return (isnan(want) && isnan(got)) || (float)want == got ? 0 : INFINITY;
    if (isnan(got))
        return INFINITY;
    int exponent;
    frexp(want, &exponent);
    return fabs((double)got - want) / ldexp(1, (exponent < -125 ? -125 : exponent) - 24);
}

bool same_bits(const float *a, const float *b, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!(a[i] == b[i] || (isnan(a[i]) && isnan(b[i]))))
            return false;
    return true;
}

bool same_rows(const float *a, const float *b, size_t n, size_t m, size_t stride)
{
    for (size_t r = 0; r < n; r++)
        if (!same_bits(a + r * stride, b + r * stride, m))
            return false;
    return true;
}

bool gaps_kept(const float *y, size_t n, size_t m, size_t stride)
{
    for (size_t r = 0; r + 1 < n; r++)
        for (size_t j = m; j < stride; j++)
            if (!isnan(y[r * stride + j]))
                return false;
    return true;
}

void verdict(bool ok, const wc_kernels *k, const char *name, const char *format, ...)
{
    if (ok) {
        passed++;
        return;
    }
    failed++;
    va_list args;
    va_start(args, format);
    printf("failed: %s %s: ", k->level, name);
    vprintf(format, args);
    printf("\n");
    va_end(args);
}

int n_failed(void)
{
    return failed;
}

int n_passed(void)
{
    return passed;
}
