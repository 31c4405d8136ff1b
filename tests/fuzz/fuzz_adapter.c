/* fuzz_adapter.c - a PEFT adapter's folder: the input is adapter_config.json, a NUL, and adapter_model.safetensors. */
#include "formats/peft.h"
#include "fuzz_folder.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const files[] = {"adapter_config.json", "adapter_model.safetensors"};

static void remove_folder(void)
{
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        unlink(path_of(files[i]));
    rmdir(folder);
}

/* Both halves of a pair have the rank that the scale is of. */
static void look_at(const wc_peft *p)
{
    if (p->n == 0)
        abort();
    for (size_t i = 0; i < p->n; i++)
        if (p->pairs[i].a.shape[0] != p->pairs[i].b.shape[1] || !(p->pairs[i].scale >= 0) ||
            !p->pairs[i].module[0])
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *end = memchr(data, 0, size);
    const size_t n = end ? (size_t)(end - data) : size;
    wc_error err = {0};
    wc_peft p;
    if (!folder[0])
        make_folder(remove_folder);
    put(files[0], data, n);
    put(files[1], data + n + (end != NULL), size - n - (end != NULL));
    if (wc_peft_open(&p, folder, &err))
        look_at(&p);
    else if (!err.text[0])
        abort(); /* every refusal says why */
    wc_peft_close(&p);
    return 0;
}
