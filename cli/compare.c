/* compare.c - whinchat compare: how far two models, or two ways of computing one, are from each other on a text. */

#include "base/file_map.h"
#include "cli.h"

struct compare_args {
    struct cli_common common;
    struct cli_model_args model;
    struct cli_window_args windows;
    const char *text, *compute_a;
    bool json;
};

#define AT(field) offsetof(struct compare_args, field)

static const cli_option compare_options[] = {
    {"text", 0, NULL, CLI_TEXT, "FILE", AT(text), "The text that both read (required)", .value = CLI_FILE},
    {"compute-a", 0, NULL, CLI_TEXT, "TYPE", AT(compute_a),
     "Type of activations of A: auto or f32 (default: as --compute)", .choices = "auto,f32"},
    {"json", 0, NULL, CLI_FLAG, NULL, AT(json), "Print one JSON object"},
    {NULL},
};

static const struct row {
    const char *key, *label;
} rows[] = {
    {"mean_kl", "mean KL"},
    {"largest_kl", "largest KL"},
    {"top1_agreement", "same best token"},
    {"largest_logit_difference", "largest difference of logits"},
    {"perplexity_a", "perplexity of A"},
    {"perplexity_b", "perplexity of B"},
};

static void print_table(const wc_json *root, const void *arguments)
{
    (void)arguments;
    printf("%.0f tokens\n", wc_json_number(wc_json_get(root, "scored"), 0));
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        printf("%-30s %.6g\n", rows[i].label, wc_json_number(wc_json_get(root, rows[i].key), 0));
}

static int run(struct cli *c, void *arguments)
{
    const struct compare_args *a = arguments;
    const wc_model_options options = cli_model_of(&a->model);
    const wc_text_options windows = cli_windows_of(&a->windows, c);
    struct cli_model_args first_args = a->model;
    wc_error err;
    size_t n;
    if (!a->text)
        return cli_usage(c, "missing option --text FILE");
    if (a->compute_a)
        first_args.compute = a->compute_a;
    const wc_model_options first_options = cli_model_of(&first_args);
    wc_model *first = wc_model_open(a->common.operands.items[0], &first_options, &err);
    wc_model *second = first ? wc_model_open(a->common.operands.items[1], &options, &err) : NULL;
    if (!second) {
        wc_model_free(first);
        return cli_fail(c, CLI_MODEL_PHASE, &err);
    }
    cli_warnings(c, first);
    cli_warnings(c, second);
    char *text = wc_file_read(c->arena, a->text, CLI_INPUT_BYTES, &n, &err);
    char *figures = text ? wc_compare(first, second, text, n, &windows, &err) : NULL;
    wc_model_free(second);
    wc_model_free(first);
    return cli_report(c, figures, a->json, print_table, a, CLI_INPUT_PHASE, &err);
}

static const cli_group groups[] = {
    {"Comparison", compare_options, 0},
    {"Windows", cli_window_options, AT(windows)},
    {"Model", cli_model_options, AT(model)},
    {"General", cli_common_options, 0},
    {NULL},
};

const cli_command cli_compare = {
    .name = "compare",
    .summary = "Measure how far two models are from each other",
    .details =
        "A and B have the same vocabulary: a model and its quantized form, or the same model computed\n"
        "in two ways. Printed are the mean and the largest KL divergence of A's next token from B's (in\n"
        "nats), how often both have the same best token, and the largest difference of logits.\n"
        "\n"
        "Keys of --json: tokens, scored, ctx, stride, mean_kl, largest_kl, top1_agreement,\n"
        "largest_logit_difference, perplexity_a, perplexity_b.",
    .examples = "whinchat compare ./model model-q4_0.gguf --text text.txt\n"
                "whinchat compare model.gguf model.gguf --compute-a f32 --text text.txt",
    .operands = {"A", "B"},
    .operand_value = CLI_MODEL,
    .groups = groups,
    .args_bytes = sizeof(struct compare_args),
    .run = run,
};
