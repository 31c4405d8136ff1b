/* fuzz_gguf.c - a GGUF file is opened: its configuration is read by a model, every tensor is found again and every value is
 * read, and its tokenizer cuts a text and puts it together again. */
#include "formats/checkpoint.h"
#include "fuzz_file.h"
#include "kernels/kernels.h"
#include "models/model.h"
#include "text/tokenizer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_back(const wc_checkpoint *c)
{
    float values[256];
    for (size_t i = 0; i < wc_checkpoint_n_tensors(c); i++) {
        wc_tensor t = wc_checkpoint_tensor(c, i);
        const size_t block = wc_dtype_get(t.dtype)->block_elems, n = wc_tensor_elems(&t);
        size_t bytes;
        if (!wc_dtype_bytes(t.dtype, n, &bytes))
            abort();
        for (size_t at = 0; wc_dtype_get(t.dtype)->weight && at < n; at += block)
            wc_kernels_reference()->widen[t.dtype](
                values, (const char *)t.data + wc_dtype_offset(t.dtype, at), block);
    }
    wc_checkpoint_check_finite(c, NULL);
}

static void use_tokenizer(const wc_checkpoint *c)
{
    static const char text[] = "Hello, world 12345\n\n  caf\xc3\xa9 \xf0\x9f\x91\x8d <s></s> ab";
    wc_error err = {0};
    wc_tokenizer *t = wc_tokenizer_from_gguf(wc_checkpoint_gguf_tokenizer(c), "fuzz", &err);
    if (!t && !err.text[0])
        abort();
    wc_ids ids = {0};
    wc_buf out;
    wc_buf_init(&out, 1 << 20);
    if (t && wc_tokenizer_encode(t, text, sizeof text - 1, WC_ENCODE_SPECIAL, &ids, &err))
        wc_tokenizer_decode(t, ids.data, ids.size, false, &out, NULL);
    wc_buf_release(&out);
    wc_ids_release(&ids);
    wc_tokenizer_free(t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[64];
    wc_error err = {0};
    const int fd = wc_fuzz_file(data, size, path);
    const wc_checkpoint_options text_only = {.flags = WC_CHECKPOINT_NO_WEIGHTS};
    wc_checkpoint *c = wc_checkpoint_open(path, NULL, &err);
    if (!c && !err.text[0])
        abort(); /* every refusal says why */
    wc_arena *a = wc_arena_new(0);
    if (c) {
        wc_net_load(a, c, NULL, NULL);
        read_back(c);
    } else {
        c = wc_checkpoint_open(path, &text_only, NULL);
    }
    if (c)
        use_tokenizer(c);
    wc_checkpoint_close(c);
    wc_arena_free(a);
    close(fd);
    return 0;
}
