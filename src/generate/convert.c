/* convert.c - brings together what a GGUF file holds: a checkpoint's tensors and configuration, and its tokenizer. */
#include "generate/convert.h"

#include <string.h>

#include "base/file_map.h"
#include "formats/gguf_write.h"
#include "generate/borrow.h"
#include "text/gguf_vocab.h"

static bool type_of(const char *name, wc_dtype *type, wc_error *err)
{
    static const wc_dtype types[] = {WC_F32, WC_F16, WC_BF16, WC_Q8_0, WC_Q4_0};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (strcmp(wc_dtype_get(types[i])->name, name) == 0) {
            *type = types[i];
            return true;
        }
    return wc_fail(err, WC_BAD_ARGUMENT, "--type: expected f32, f16, bf16, q8_0 or q4_0, found %.40s", name);
}

/* What the file calls the model: the last part of its path. */
static const char *short_name(wc_arena *a, const char *path)
{
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/')
        n--;
    size_t start = n;
    while (start > 0 && path[start - 1] != '/')
        start--;
    return wc_arena_strndup(a, path + start, n - start);
}

static size_t vocab_size(const wc_checkpoint *c)
{
    wc_tensor embed;
    return wc_checkpoint_embedding(c, &embed) && embed.shape[0] < 1 << 24 ? embed.shape[0] : 0;
}

/* The metadata of c's tokenizer.json or tokenizer.model, for n_tokens tokens; *out NULL: there is neither. */
static bool tokenizer_of(const wc_checkpoint *c, size_t n_tokens, wc_arena *a, const wc_json **out,
                         wc_error *err)
{
    wc_error why = {0};
    size_t n, n_pieces = 0;
    const wc_json *json = wc_checkpoint_tokenizer(c, &why), *config = wc_checkpoint_tokenizer_config(c);
    *out = NULL;
    if (!json && why.code == WC_NOT_FOUND)
        why = (wc_error){0};
    const char *pieces = json || why.code ? NULL : wc_checkpoint_tokenizer_model(c, &n_pieces, &why);
    if (!json && !pieces) {
        if (why.code && err)
            *err = why;
        return !why.code;
    }
    const char *source = wc_checkpoint_template(c, NULL, &n),
               *file = wc_path_join(a, wc_checkpoint_path(c), json ? "tokenizer.json" : "tokenizer.model");
    const wc_json text = {.type = WC_JSON_STRING, .n = source ? (uint32_t)n : 0, .u.text = source},
                  *chat = source ? &text : NULL;
    if (!file)
        return wc_fail_memory(err, 1);
    *out = json ? wc_tokenizer_to_gguf(json, config, n_tokens, chat, file, a, err)
                : wc_sentencepiece_to_gguf(pieces, n_pieces, config, n_tokens, chat, file, a, err);
    return *out != NULL;
}

/* The model's tokenizer or the one that it has from another model; a folder without one is converted without one.  *borrowed: to
 * be closed behind the last use of *out. */
static bool read_tokenizer(const wc_checkpoint *c, wc_arena *a, const wc_json **out, wc_checkpoint **borrowed,
                           wc_error *err)
{
    if (!tokenizer_of(c, vocab_size(c), a, out, err))
        return false;
    *borrowed = *out ? NULL : wc_borrow_tokenizer(c);
    return !*borrowed || tokenizer_of(*borrowed, vocab_size(c), a, out, err);
}

bool wc_convert_run(const char *name, const char *out, const char *type, bool mmproj, wc_progress_fn progress,
                    void *user, wc_error *err)
{
    wc_arena *a = wc_arena_new(0);
    wc_checkpoint *c = NULL, *borrowed = NULL;
    wc_gguf_write_options o = {.mmproj = mmproj, .progress = progress, .user = user};
    bool ok = a ? type_of(type, &o.type, err) : wc_fail_memory(err, 1);
    const char *path = ok ? wc_hub_resolve(a, name, err) : NULL;
    if (path)
        c = wc_checkpoint_open(path, NULL, err);
    ok = c != NULL;
    if (ok && wc_checkpoint_gguf_tokenizer(c))
        ok = wc_fail(err, WC_UNSUPPORTED, "%s: expected a model folder with safetensors, found a GGUF file",
                     path);
    if (ok) {
        o.name = short_name(a, path);
        ok = o.name || wc_fail_memory(err, 1);
        ok = ok && (mmproj || read_tokenizer(c, a, &o.tokenizer, &borrowed, err)) &&
             wc_gguf_write(c, out, &o, err);
    }
    wc_checkpoint_close(borrowed);
    wc_checkpoint_close(c);
    wc_arena_free(a);
    return ok;
}
