/* tensors.h - tensors for tests of operations: of zeros, of random numbers, in bf16. */
#ifndef WC_TESTS_TENSORS_H
#define WC_TESTS_TENSORS_H
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tensor/tensor.h"

/* n numbers from -1 to 1; free them. */
static inline float *random_floats(size_t n)
{
    static uint64_t state = 88172645463325252u;
    float *x = calloc(n + 1, sizeof *x);
    for (size_t i = 0; i < n; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        x[i] = (float)(int32_t)(state >> 32) * 0x1p-31f;
    }
    return x;
}

static inline wc_tensor random_tensor(int ndim, const size_t *shape)
{
    wc_tensor t = wc_tensor_of(NULL, WC_F32, ndim, shape);
    t.data = random_floats(wc_tensor_elems(&t));
    return t;
}

static inline wc_tensor zeros(int ndim, const size_t *shape)
{
    wc_tensor t = random_tensor(ndim, shape);
    memset(t.data, 0, 4 * wc_tensor_elems(&t));
    return t;
}

/* The same values as bf16, rounded to zero, at an odd address; values of t become those of the result. */
static inline wc_tensor as_bf16(wc_tensor t)
{
    const size_t n = wc_tensor_elems(&t);
    char *half = (char *)malloc(2 * n + 1) + 1;
    for (size_t i = 0; i < n; i++) {
        uint32_t u;
        memcpy(&u, (float *)t.data + i, 4);
        memcpy(half + 2 * i, (char *)&u + 2, 2);
        u &= 0xffff0000u;
        memcpy((float *)t.data + i, &u, 4);
    }
    t.data = half;
    t.dtype = WC_BF16;
    return t;
}

/* Of any of these, at the odd address or at that of its memory. */
static inline void release(wc_tensor t)
{
    free((void *)((uintptr_t)t.data & ~(uintptr_t)1));
}
#endif
