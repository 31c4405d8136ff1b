/* amx.c - the vector kernels (kernels/vector) compiled for AVX-512 with products of tiles. */
#define BY_TILES
#include "kernels/vector/level.h"

const wc_kernels *wc_kernels_amx(void)
{
    static const wc_kernels table = LEVEL_TABLE("amx");
    return &table;
}
