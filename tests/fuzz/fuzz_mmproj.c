/* fuzz_mmproj.c - a GGUF text model and its picture tower are opened together: 4 bytes say how long the first is, the second is
 * the rest.  A model reads the configuration of both, and every tensor is found again. */
#include <string.h>

#include "formats/checkpoint.h"
#include "fuzz_file.h"
#include "models/model.h"
#include "text/tokenizer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char text[64], tower[64];
    wc_error err = {0};
    uint32_t n = 0;
    if (size < sizeof n)
        return 0;
    memcpy(&n, data, sizeof n);
    data += sizeof n;
    size -= sizeof n;
    if (n > size)
        n = (uint32_t)size;
    const int a = wc_fuzz_file(data, n, text), b = wc_fuzz_file(data + n, size - n, tower);
    const wc_checkpoint_options options = {.mmproj = tower};
    wc_checkpoint *c = wc_checkpoint_open(text, &options, &err);
    if (!c && !err.text[0])
        abort(); /* every refusal says why */
    wc_arena *arena = wc_arena_new(0);
    if (c) {
        if (!wc_net_load(arena, c, NULL, &err) && !err.text[0])
            abort();
        wc_checkpoint_check_finite(c, NULL);
        if (wc_checkpoint_gguf_tokenizer(c))
            wc_tokenizer_free(wc_tokenizer_from_gguf(wc_checkpoint_gguf_tokenizer(c), "fuzz", NULL));
    }
    wc_checkpoint_close(c);
    wc_arena_free(arena);
    close(a);
    close(b);
    return 0;
}
