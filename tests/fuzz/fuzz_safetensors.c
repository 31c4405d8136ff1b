/* fuzz_safetensors.c - a file of tensors is opened, every tensor is found again by its name, and every value is read. */
#include <string.h>

#include "formats/checkpoint.h"
#include "fuzz_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_back(const wc_checkpoint *c)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < wc_checkpoint_n_tensors(c); i++) {
        wc_tensor t = wc_checkpoint_tensor(c, i), same;
        size_t n;
        if (!wc_dtype_bytes(t.dtype, wc_tensor_elems(&t), &n))
            abort();
        bytes += n;
        if (wc_checkpoint_find(c, t.name, &same) && strlen(t.name) == strlen(same.name) && n > 0) {
            volatile char last = ((const char *)same.data)[0];
            (void)last;
        }
        wc_checkpoint_need(c, t.name, t.ndim, t.shape, &same, NULL);
    }
    if (bytes > wc_checkpoint_bytes(c))
        abort();
    wc_checkpoint_check_finite(c, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[64];
    wc_error err = {0};
    const int fd = wc_fuzz_file(data, size, path);
    wc_checkpoint *c = wc_checkpoint_open_tensors(path, &err);
    if (c)
        read_back(c);
    else if (!err.text[0])
        abort(); /* every refusal says why */
    wc_checkpoint_close(c);
    close(fd);
    return 0;
}
