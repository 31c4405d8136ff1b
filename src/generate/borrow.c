/* borrow.c - OpenELM was trained with Llama 2's tokenizer, which its makers do not pass on; whoever has Llama 2, or a copy of its
 * tokenizer, in the Hugging Face cache can use it without a word. */
#include "generate/borrow.h"

#include <string.h>

#include "base/file_map.h"
#include "formats/hub.h"

enum { MAX_COPIES = 8 };

static const struct {
    const char *model_type;
    const char *repos[MAX_COPIES]; /* the maker's first, then well-known copies */
} owners[] = {
    {"openelm",
     {"meta-llama/Llama-2-7b-hf", "meta-llama/Llama-2-7b-chat-hf", "meta-llama/Llama-2-13b-hf",
      "NousResearch/Llama-2-7b-hf", "NousResearch/Llama-2-7b-chat-hf", "unsloth/llama-2-7b",
      "hf-internal-testing/llama-tokenizer"}},
};

static const char *const *repos_of(const wc_checkpoint *c)
{
    const wc_json *type = wc_json_get(wc_checkpoint_config(c), "model_type");
    for (size_t i = 0; i < sizeof owners / sizeof *owners; i++)
        if (wc_json_string_is(type, owners[i].model_type))
            return owners[i].repos;
    return NULL;
}

const char *wc_borrowed_from(const wc_checkpoint *c)
{
    const char *const *repos = repos_of(c);
    return repos ? repos[0] : NULL;
}

static bool has_file(wc_arena *a, const char *folder, const char *name)
{
    const char *path = wc_path_join(a, folder, name);
    return path && wc_path_exists(path);
}

wc_checkpoint *wc_borrow_tokenizer(const wc_checkpoint *c)
{
    const wc_checkpoint_options o = {.flags = WC_CHECKPOINT_NO_WEIGHTS};
    const char *const *repos = repos_of(c);
    wc_arena *a = wc_arena_new(0);
    wc_checkpoint *found = NULL;
    for (int i = 0; a && repos && !found && i < MAX_COPIES && repos[i]; i++) {
        const char *folder = wc_hub_cached(a, repos[i]);
        if (folder && (has_file(a, folder, "tokenizer.json") || has_file(a, folder, "tokenizer.model")))
            found = wc_checkpoint_open(folder, &o, NULL);
    }
    wc_arena_free(a);
    return found;
}
