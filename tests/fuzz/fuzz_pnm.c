/* fuzz_pnm.c - PNM: header tokens, text and bytes. */
#include "fuzz_image.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    return wc_fuzz_image(data, n, "P", 1);
}
