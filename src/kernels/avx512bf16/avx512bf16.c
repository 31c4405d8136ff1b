/* avx512bf16.c - the vector kernels (kernels/vector) compiled for AVX-512 with products of bf16 pairs. */
#include "kernels/vector/level.h"

const wc_kernels *wc_kernels_avx512bf16(void)
{
    static const wc_kernels table = LEVEL_TABLE("avx512bf16");
    return &table;
}
