/* avx512.c - the vector kernels (kernels/vector) compiled for AVX-512. */
#include "kernels/vector/level.h"

const wc_kernels *wc_kernels_avx512(void)
{
    static const wc_kernels table = LEVEL_TABLE("avx512");
    return &table;
}
