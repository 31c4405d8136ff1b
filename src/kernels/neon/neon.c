/* neon.c - the vector kernels (kernels/vector) compiled for NEON. */
#include "kernels/vector/level.h"

const wc_kernels *wc_kernels_neon(void)
{
    static const wc_kernels table = LEVEL_TABLE("neon");
    return &table;
}
