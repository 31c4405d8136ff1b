/* fill.c - whinchat fill: words for the masked places of a text. */
#include <limits.h>
#include <string.h>

#include "texts.h"

struct fill_args {
    struct cli_common common;
    struct cli_model_args model;
    struct cli_encode_args encode;
    struct cli_int top;
};

#define AT(field) offsetof(struct fill_args, field)

static const cli_option fill_options[] = {
    {"top", 'n', "top-k", CLI_INT, "N", AT(top), "Words for each mask (default 5)", 1, INT_MAX},
    {NULL},
};

static bool put_text(const struct cli_encoder *e, wc_string text, wc_buf *b, bool *cut, wc_error *err)
{
    const struct fill_args *a = e->args;
    wc_encode_options o = cli_encode_of(e->encode, NULL);
    o.top_k = a->top.value;
    char *json = wc_fill(e->model, text, &o, err);
    if (!json)
        return false;
    wc_buf_puts(b, json);
    *cut = strncmp(json, "{\"cut\":true", 11) == 0;
    wc_free(json);
    return true;
}

static bool answer_line(void *user, const wc_json *root, const char *line, size_t n, wc_buf *out,
                        wc_error *err)
{
    const wc_json *text = wc_json_get(root, "text");
    bool cut;
    (void)line;
    (void)n;
    if (!wc_json_is(text, WC_JSON_STRING))
        return wc_fail(err, WC_REFUSED, "line: text: expected a string, found %s", wc_json_type_name(text));
    return put_text(user, (wc_string){text->u.text, text->n}, out, &cut, err);
}

/* The candidates of each mask, an empty line between masks and texts. */
static void print_results(const wc_json *results)
{
    size_t n = 0;
    for (size_t i = 0; i < wc_json_count(results); i++) {
        const wc_json *masks = wc_json_get(wc_json_item(results, i), "masks");
        for (size_t k = 0; k < wc_json_count(masks); k++) {
            if (n++ > 0)
                putchar('\n');
            for (size_t j = 0; j < wc_json_count(wc_json_item(masks, k)); j++) {
                const wc_json *v = wc_json_item(wc_json_item(masks, k), j),
                              *text = wc_json_get(v, "sequence");
                printf("%.6f  ", wc_json_number(wc_json_get(v, "score"), 0));
                cli_print_word(wc_json_get(v, "text")->u.text);
                printf("  ");
                cli_print_text(text->u.text, text->n);
                putchar('\n');
            }
        }
    }
}

static bool put_all(const struct cli_encoder *e, const struct cli_texts *texts, wc_buf *b, wc_error *err)
{
    for (size_t i = 0; i < texts->n; i++) {
        wc_buf_puts(b, i ? "," : "");
        if (!put_text(e, texts->items[i], b, &texts->cut[i], err))
            return false;
    }
    return true;
}

static int answer(struct cli_encoder *e, struct cli_texts *texts)
{
    return cli_encoder_results(e, texts, put_all, print_results);
}

static int run(struct cli *c, void *arguments)
{
    const struct fill_args *a = arguments;
    return cli_encoder_run(c, a, &a->encode, &a->model, &a->common.operands, "TEXT", answer, answer_line);
}

static const cli_group groups[] = {
    {"Words", fill_options, 0},
    {"Texts", cli_encode_options, AT(encode)},
    {"Model", cli_model_options, AT(model)},
    {"General", cli_common_options, 0},
    {NULL},
};

const cli_command cli_fill = {
    .name = "fill",
    .summary = "Find words for the masked places of a text",
    .details =
        "MODEL is an encoder that was trained on masked words, such as BERT, and each TEXT, or each line\n"
        "of --file or stdin, has its mask token ([MASK]) one or more times. Printed are the likeliest\n"
        "words with their probabilities and the text with the word in it.\n"
        "\n"
        "--json: results, each with cut and masks, a list for each mask of candidates (id, token, text,\n"
        "score, sequence). With --jsonl, a line {\"text\":\"...\"} is answered by one of these.",
    .examples = "whinchat fill ./bert-base-uncased \"Paris is the [MASK] of France.\"",
    .operands = {"MODEL", "[TEXT...]"},
    .operand_value = CLI_MODEL,
    .groups = groups,
    .args_bytes = sizeof(struct fill_args),
    .run = run,
};
