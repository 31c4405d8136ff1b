/* fuzz_sentence.c - the small files of a sentence-transformers folder: modules, pooling, a dense layer, prompts, the longest
 * text.  The input is their texts one behind the other with a NUL between; weights of the dense layer are there in one size. */
#include <sys/stat.h>

#include "fuzz_folder.h"
#include "models/sentence.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { WIDTH = 8, POSITIONS = 64 };

static const char *const files[] = {"modules.json",
                                    "1_Pooling/config.json",
                                    "2_Dense/config.json",
                                    "config_sentence_transformers.json",
                                    "sentence_bert_config.json",
                                    "tokenizer_config.json"};

static void remove_folder(void)
{
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        unlink(path_of(files[i]));
    unlink(path_of("2_Dense/model.safetensors"));
    rmdir(path_of("1_Pooling"));
    rmdir(path_of("2_Dense"));
    rmdir(folder);
}

static void fill_folder(void)
{
    static const char header[] =
        "{\"linear.weight\":{\"dtype\":\"F32\",\"shape\":[8,8],\"data_offsets\":[0,256]},"
        "\"linear.bias\":{\"dtype\":\"F32\",\"shape\":[8],\"data_offsets\":[256,288]}}";
    static char weights[8 + sizeof header - 1 + 288];
    const uint64_t n = sizeof header - 1;
    make_folder(remove_folder);
    if (mkdir(path_of("1_Pooling"), 0700) != 0 || mkdir(path_of("2_Dense"), 0700) != 0)
        abort();
    memcpy(weights, &n, sizeof n);
    memcpy(weights + 8, header, sizeof header - 1);
    put("2_Dense/model.safetensors", weights, sizeof weights);
}

static void look_at(const wc_sentence *s)
{
    if (wc_sentence_width(s) < 0 || wc_sentence_max_tokens(s) < 1 || wc_sentence_max_tokens(s) > POSITIONS ||
        !wc_sentence_prompt(s, NULL))
        abort();
    const wc_json *prompts = wc_sentence_prompts(s);
    for (size_t i = 0; i < wc_json_count(prompts); i++)
        if (!wc_sentence_prompt(s, wc_json_key(prompts, i)->u.text) &&
            strlen(wc_json_key(prompts, i)->u.text) == wc_json_key(prompts, i)->n)
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const wc_checkpoint_options options = {.flags = WC_CHECKPOINT_NO_WEIGHTS};
    const wc_net net = {.hidden_size = WIDTH, .context_length = POSITIONS};
    wc_error err = {0};
    if (!folder[0])
        fill_folder();
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        const uint8_t *end = memchr(data, 0, size);
        const size_t n = end ? (size_t)(end - data) : size;
        unlink(path_of(files[i]));
        if (n > 0) /* an empty one is absent */
            put(files[i], data, n);
        data += end ? n + 1 : n;
        size -= end ? n + 1 : n;
    }
    wc_checkpoint *c = wc_checkpoint_open(folder, &options, &err);
    wc_arena *a = wc_arena_new(0);
    wc_sentence *s = c && a ? wc_sentence_open(a, c, &net, &err) : NULL;
    if (s)
        look_at(s);
    else if (!err.text[0])
        abort(); /* every refusal says why */
    wc_sentence_close(s);
    wc_checkpoint_close(c);
    wc_arena_free(a);
    return 0;
}
