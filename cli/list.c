/* list.c - whinchat list: the models that can be opened by name. */
#include <string.h>

#include "cli.h"

struct list_args {
    struct cli_common common;
    bool json, names;
};

static const cli_option list_options[] = {
    {"json", 0, NULL, CLI_FLAG, NULL, offsetof(struct list_args, json), "Print one JSON object"},
    {"names", 0, NULL, CLI_FLAG, NULL, offsetof(struct list_args, names),
     "Print the names only, a line each"},
    {NULL},
};

static const char *text_of(const wc_json *object, const char *key)
{
    const wc_json *v = wc_json_get(object, key);
    return wc_json_is(v, WC_JSON_STRING) ? v->u.text : "";
}

static void print_model(const wc_json *model, int width)
{
    char size[40];
    const char *name = text_of(model, "name");
    cli_bytes(wc_json_number(wc_json_get(model, "bytes"), 0), size, sizeof size);
    cli_print_word(name);
    printf("%*s  %-8s %10s  ", width - (int)strlen(name), "", text_of(model, "source"), size);
    cli_print_word(text_of(model, "path"));
    putchar('\n');
}

static void print_models(const wc_json *root, const void *arguments)
{
    const struct list_args *a = arguments;
    const wc_json *models = wc_json_get(root, "models");
    int width = 0;
    for (size_t i = 0; i < wc_json_count(models); i++) {
        size_t n = strlen(text_of(wc_json_item(models, i), "name"));
        width = n < 60 && (int)n > width ? (int)n : width;
    }
    for (size_t i = 0; i < wc_json_count(models); i++) {
        const wc_json *model = wc_json_item(models, i);
        if (!a->names) {
            print_model(model, width);
        } else {
            cli_print_word(text_of(model, "name"));
            putchar('\n');
        }
    }
}

static int run(struct cli *c, void *arguments)
{
    const struct list_args *a = arguments;
    wc_error err;
    return cli_report(c, wc_list(&err), a->json, print_models, a, CLI_MODEL_PHASE, &err);
}

static const cli_group groups[] = {
    {"Output", list_options, 0},
    {"General", cli_common_options, 0},
    {NULL},
};

const cli_command cli_list = {
    .name = "list",
    .summary = "List the models that can be opened by name",
    .details = "These are the models that ship with whinchat and those in the Hugging Face cache\n"
               "(HF_HUB_CACHE, HF_HOME/hub, ~/.cache/huggingface/hub). A folder can be opened by its\n"
               "path and is not listed.",
    .groups = groups,
    .args_bytes = sizeof(struct list_args),
    .run = run,
};
