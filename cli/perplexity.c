/* perplexity.c - whinchat perplexity: how well a model foretells a text. */

#include "base/file_map.h"
#include "cli.h"

struct perplexity_args {
    struct cli_common common;
    struct cli_model_args model;
    struct cli_window_args windows;
    bool json;
};

#define AT(field) offsetof(struct perplexity_args, field)

static const cli_option perplexity_options[] = {
    {"json", 0, NULL, CLI_FLAG, NULL, AT(json), "Print one JSON object"},
    {NULL},
};

static void print_line(const wc_json *root, const void *arguments)
{
    (void)arguments;
    printf("perplexity %.4f   mean -log p %.6f   %.0f of %.0f tokens, windows of %.0f every %.0f\n",
           wc_json_number(wc_json_get(root, "perplexity"), 0),
           wc_json_number(wc_json_get(root, "mean_nll"), 0), wc_json_number(wc_json_get(root, "scored"), 0),
           wc_json_number(wc_json_get(root, "tokens"), 0), wc_json_number(wc_json_get(root, "ctx"), 0),
           wc_json_number(wc_json_get(root, "stride"), 0));
}

static int run(struct cli *c, void *arguments)
{
    const struct perplexity_args *a = arguments;
    const wc_model_options model_options = cli_model_of(&a->model);
    const wc_text_options windows = cli_windows_of(&a->windows, c);
    wc_error err;
    size_t n;
    wc_model *model = wc_model_open(a->common.operands.items[0], &model_options, &err);
    if (!model)
        return cli_fail(c, CLI_MODEL_PHASE, &err);
    cli_warnings(c, model);
    char *text = wc_file_read(c->arena, a->common.operands.items[1], CLI_INPUT_BYTES, &n, &err);
    char *figures = text ? wc_perplexity(model, text, n, &windows, &err) : NULL;
    wc_model_free(model);
    return cli_report(c, figures, a->json, print_line, a, CLI_INPUT_PHASE, &err);
}

static const cli_group groups[] = {
    {"Windows", cli_window_options, AT(windows)},
    {"Output", perplexity_options, 0},
    {"Model", cli_model_options, AT(model)},
    {"General", cli_common_options, 0},
    {NULL},
};

const cli_command cli_perplexity = {
    .name = "perplexity",
    .summary = "Measure how well a model foretells a text",
    .details = "The perplexity is exp of the mean of -log p over the tokens of FILE, each told from those\n"
               "before it, in overlapping windows as transformers' guide has it. Every token but the first\n"
               "counts once.\n"
               "\n"
               "Keys of --json: tokens, scored, ctx, stride, mean_nll, perplexity.",
    .examples = "whinchat perplexity model.gguf text.txt\n"
                "whinchat perplexity ./model text.txt --ctx 1024 --stride 256 --json",
    .operands = {"MODEL", "FILE"},
    .operand_value = CLI_MODEL,
    .groups = groups,
    .args_bytes = sizeof(struct perplexity_args),
    .run = run,
};
