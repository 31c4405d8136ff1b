/* avx2.c - the vector kernels (kernels/vector) compiled for AVX2. */
#include "kernels/vector/level.h"

const wc_kernels *wc_kernels_avx2(void)
{
    static const wc_kernels table = LEVEL_TABLE("avx2");
    return &table;
}
