/* verify.c - whinchat verify: holds a model against reference values, layer by layer. */
#include <string.h>

#include "cli.h"

struct verify_args {
    struct cli_common common;
    struct cli_model_args model;
    const char *golden, *only, *skip;
    bool json;
};

static const cli_option verify_options[] = {
    {"golden", 'g', NULL, CLI_TEXT, "FOLDER", offsetof(struct verify_args, golden),
     "Take golden.json and golden.safetensors from this folder", .value = CLI_FOLDER},
    {"only", 0, NULL, CLI_TEXT, "PREFIX,...", offsetof(struct verify_args, only),
     "Run only the checks whose names begin so"},
    {"skip", 0, NULL, CLI_TEXT, "PREFIX,...", offsetof(struct verify_args, skip),
     "Leave out the checks whose names begin so; each is reported"},
    {"json", 0, NULL, CLI_FLAG, NULL, offsetof(struct verify_args, json), "Print one JSON object"},
    {NULL},
};

/* The checks of one folder on their way out. */
struct report {
    struct cli *c;
    wc_buf *json; /* NULL: lines for people */
    wc_buf first; /* name of the first check that failed */
    size_t n;
};

static void add_check(wc_buf *b, const wc_check *check, bool comma)
{
    wc_buf_puts(b, comma ? ",{\"name\":" : "{\"name\":");
    wc_buf_json_string(b, check->name, strlen(check->name));
    wc_buf_printf(b, ",\"pass\":%s,\"max_diff\":", check->pass ? "true" : "false");
    cli_json_number(b, check->max_diff);
    wc_buf_puts(b, ",\"worst_share\":");
    cli_json_number(b, check->worst_share);
    wc_buf_puts(b, ",\"atol\":");
    cli_json_number(b, check->atol);
    wc_buf_puts(b, ",\"rtol\":");
    cli_json_number(b, check->rtol);
    wc_buf_puts(b, ",\"note\":");
    wc_buf_json_string(b, check->note, strlen(check->note));
    wc_buf_puts(b, "}");
}

static void print_check(struct cli *c, const wc_check *check)
{
    const bool skipped = check->pass && strncmp(check->note, "not run", 7) == 0;
    const char *word = !check->pass ? "FAIL" : skipped ? "skip" : "pass";
    const char *color = !check->pass ? "1;31" : skipped ? "33" : "32";
    if (c->color_out)
        printf("\033[%sm%s\033[0m ", color, word);
    else
        printf("%s ", word);
    cli_print_word(check->name);
    printf("%*s", strlen(check->name) < 44 ? (int)(44 - strlen(check->name)) : 1, "");
    if (check->atol > 0 || check->rtol > 0 || check->max_diff > 0)
        printf(" max diff %.3g, %.3g of the tolerance %.3g + %.3g * |x|", check->max_diff, check->worst_share,
               check->atol, check->rtol);
    if (*check->note) {
        fputs(" ", stdout);
        cli_print_word(check->note);
    }
    putchar('\n');
}

static void on_check(void *user, const wc_check *check)
{
    struct report *r = user;
    if (!check->pass && r->first.size == 0)
        wc_buf_puts(&r->first, check->name);
    if (r->json)
        add_check(r->json, check, r->n++ > 0);
    else if (!check->pass || !r->c->quiet)
        print_check(r->c, check);
    if (!r->json)
        cli_send(r->c);
}

/* One folder; its figures are added to *passed and *failed.  Gives the exit status of its own. */
static int verify_folder(struct cli *c, const struct verify_args *a, const char *name, wc_buf *json,
                         size_t *passed, size_t *failed)
{
    const wc_model_options model_options = cli_model_of(&a->model);
    const wc_verify_options options = {
        .size = sizeof options, .golden = a->golden, .only = a->only, .skip = a->skip};
    struct report r = {.c = c, .json = json};
    size_t good = 0, bad = 0;
    wc_error err;
    wc_buf_init(&r.first, 4096);
    if (json) {
        wc_buf_puts(json, "{\"name\":");
        wc_buf_json_string(json, name, strlen(name));
        wc_buf_puts(json, ",\"checks\":[");
    } else if (a->common.operands.n > 1) {
        cli_print_word(name);
        putchar('\n');
    }
    bool ok = wc_verify(name, &model_options, &options, on_check, &r, &good, &bad, &err);
    if (json) {
        wc_buf_printf(json, "],\"passed\":%zu,\"failed\":%zu,\"first_failure\":", good, bad);
        if (r.first.size)
            wc_buf_json_string(json, r.first.data, r.first.size);
        else
            wc_buf_puts(json, "null");
        wc_buf_puts(json, ",\"error\":");
        if (ok)
            wc_buf_puts(json, "null");
        else
            wc_buf_json_string(json, err.text, strlen(err.text));
        wc_buf_puts(json, "}");
    } else if (r.first.size) {
        printf("first point that is off: ");
        cli_print_word(r.first.data);
        putchar('\n');
    }
    wc_buf_release(&r.first);
    *passed += good;
    *failed += bad;
    return !ok ? cli_fail(c, CLI_MODEL_PHASE, &err) : bad > 0 ? CLI_EXIT_VERIFY : CLI_EXIT_OK;
}

static int run(struct cli *c, void *arguments)
{
    const struct verify_args *a = arguments;
    size_t passed = 0, failed = 0;
    int status = CLI_EXIT_OK;
    wc_buf json;
    wc_buf_init(&json, 256 << 20);
    wc_buf_puts(&json, "{\"models\":[");
    for (size_t i = 0; i < a->common.operands.n; i++) {
        if (i)
            wc_buf_puts(&json, ",");
        int one = verify_folder(c, a, a->common.operands.items[i], a->json ? &json : NULL, &passed, &failed);
        if (status == CLI_EXIT_OK || status == CLI_EXIT_VERIFY)
            status = one ? one : status;
    }
    wc_buf_printf(&json, "],\"passed\":%zu,\"failed\":%zu}", passed, failed);
    int written;
    if (a->json) {
        written = cli_print_json_buf(c, &json);
    } else {
        printf("%zu passed, %zu failed\n", passed, failed);
        written = cli_flush(c);
    }
    wc_buf_release(&json);
    return status ? status : written;
}

static const cli_group groups[] = {
    {"Checks", verify_options, 0},
    {"Model", cli_model_options, offsetof(struct verify_args, model)},
    {"General", cli_common_options, 0},
    {NULL},
};

const cli_command cli_verify = {
    .name = "verify",
    .summary = "Check a model against reference values, layer by layer",
    .details = "Every tensor of the folder's golden.safetensors is held against the same point of our\n"
               "computation, in the order of the computation, so that the first line that fails names\n"
               "the step that is off; then greedy tokens, finite weights, and equal logits for any\n"
               "number of threads; of a training run losses, gradients and what the optimizer made of\n"
               "the parameters. A reference that is not known fails. With --quiet only failures and\n"
               "the sum are printed. The exit status is 0 when all pass and 5 when one failed.",
    .examples = "whinchat verify goldens/gemma3n_text\n"
                "whinchat verify ./model --golden goldens/of-it --only p0.layers.3",
    .operands = {"DIR..."},
    .operand_value = CLI_MODEL,
    .groups = groups,
    .args_bytes = sizeof(struct verify_args),
    .run = run,
};
