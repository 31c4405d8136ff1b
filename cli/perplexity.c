/* perplexity.c - whinchat perplexity: how well a model foretells a text. */
#include <limits.h>
#include <string.h>

#include "base/file_map.h"
#include "cli.h"

struct perplexity_args {
    struct cli_common common;
    struct cli_model_args model;
    struct cli_int ctx, stride;
    bool json;
};

#define AT(field) offsetof(struct perplexity_args, field)

static const cli_option perplexity_options[] = {
    {"ctx", 'c', "context,ctx-size", CLI_INT, "N", AT(ctx),
     "Tokens of a window (default: the model's longest context, at most 2048)", 2, INT_MAX},
    {"stride", 0, NULL, CLI_INT, "N", AT(stride),
     "Tokens from one window's beginning to the next's (default 512)", 1, INT_MAX},
    {"json", 0, NULL, CLI_FLAG, NULL, AT(json), "Print one JSON object"},
    {NULL},
};

static int run(struct cli *c, void *arguments)
{
    const struct perplexity_args *a = arguments;
    const wc_model_options model_options = cli_model_of(&a->model);
    const wc_text_options o = {.size = sizeof o,
                               .ctx = a->ctx.value,
                               .stride = a->stride.value,
                               .progress = cli_progress,
                               .progress_user = c};
    wc_error err;
    size_t n;
    wc_model *model = wc_model_open(a->common.operands.items[0], &model_options, &err);
    if (!model)
        return cli_fail(c, CLI_MODEL_PHASE, &err);
    cli_warnings(c, model);
    char *text = wc_file_read(c->arena, a->common.operands.items[1], CLI_INPUT_BYTES, &n, &err);
    char *figures = text ? wc_perplexity(model, text, n, &o, &err) : NULL;
    const wc_json *root = figures ? wc_json_parse(c->arena, figures, strlen(figures), "perplexity", 0, &err)
                                  : NULL;
    int status = CLI_EXIT_OK;
    cli_progress_end(c);
    if (!root)
        status = cli_fail(c, CLI_INPUT_PHASE, &err);
    else if (a->json)
        status = cli_print_json(c, figures);
    else
        printf("perplexity %.4f   mean -log p %.6f   %.0f of %.0f tokens, windows of %.0f every %.0f\n",
               wc_json_number(wc_json_get(root, "perplexity"), 0),
               wc_json_number(wc_json_get(root, "mean_nll"), 0),
               wc_json_number(wc_json_get(root, "scored"), 0), wc_json_number(wc_json_get(root, "tokens"), 0),
               wc_json_number(wc_json_get(root, "ctx"), 0), wc_json_number(wc_json_get(root, "stride"), 0));
    wc_free(figures);
    wc_model_free(model);
    return status ? status : cli_flush(c);
}

static const cli_group groups[] = {
    {"Windows", perplexity_options, 0},
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
