/* classify.c - whinchat classify: labels of texts, or of the tokens of texts. */
#include <limits.h>
#include <string.h>

#include "base/mem.h"
#include "texts.h"

struct classify_args {
    struct cli_common common;
    struct cli_model_args model;
    struct cli_encode_args encode;
    struct cli_int top;
};

#define AT(field) offsetof(struct classify_args, field)

static const cli_option classify_options[] = {
    {"top", 'n', "top-k", CLI_INT, "N", AT(top), "Print the best N labels of a text (default: all)", 1,
     INT_MAX},
    {NULL},
};

static bool labels_tokens(const struct cli_encoder *e)
{
    return wc_json_string_is(cli_info_of(e->c, e->model, "task"), "token-classification");
}

/* {"labels":[{"label","score"}],"cut":false} of one text, best first. */
static void put_labels(const struct cli_encoder *e, wc_buf *b, const float *x, size_t n,
                       const wc_json *labels, bool cut, size_t *order)
{
    const struct classify_args *a = e->args;
    cli_rank(x, n, order);
    wc_buf_puts(b, "{\"labels\":[");
    for (size_t i = 0; i < n && (!a->top.given || i < (size_t)a->top.value); i++) {
        const wc_json *label = wc_json_item(labels, order[i]);
        wc_buf_puts(b, i ? ",{\"label\":" : "{\"label\":");
        wc_buf_json_string(b, label ? label->u.text : "", label ? label->n : 0);
        wc_buf_puts(b, ",\"score\":");
        cli_json_float(b, x[order[i]]);
        wc_buf_putc(b, '}');
    }
    wc_buf_printf(b, "],\"cut\":%s}", cut ? "true" : "false");
}

/* The answers to all texts, an object each with commas between. */
static bool put_texts(const struct cli_encoder *e, const struct cli_texts *texts, wc_buf *b, wc_error *err)
{
    const wc_encode_options o = cli_encode_of(e->encode, texts);
    const wc_json *labels = cli_info_of(e->c, e->model, "labels");
    size_t n_labels = 0;
    float *x = wc_classify(e->model, texts->items, texts->n, &o, &n_labels, err);
    size_t *order = x ? wc_mem_zalloc(n_labels + 1, sizeof *order) : NULL;
    for (size_t i = 0; order && i < texts->n; i++) {
        wc_buf_puts(b, i ? "," : "");
        put_labels(e, b, x + i * n_labels, n_labels, labels, texts->cut[i], order);
    }
    if (x && !order)
        wc_fail_memory(err, n_labels * sizeof *order);
    wc_mem_free(order);
    wc_free(x);
    return order != NULL;
}

static bool put_tokens(const struct cli_encoder *e, const struct cli_texts *texts, wc_buf *b, wc_error *err)
{
    const wc_encode_options o = cli_encode_of(e->encode, NULL);
    for (size_t i = 0; i < texts->n; i++) {
        char *json = wc_classify_tokens(e->model, texts->items[i], &o, err);
        if (!json)
            return false;
        wc_buf_puts(b, i ? "," : "");
        wc_buf_puts(b, json);
        texts->cut[i] = strncmp(json, "{\"cut\":true", 11) == 0;
        wc_free(json);
    }
    return true;
}

static bool put_all(const struct cli_encoder *e, const struct cli_texts *texts, wc_buf *b, wc_error *err)
{
    return labels_tokens(e) ? put_tokens(e, texts, b, err) : put_texts(e, texts, b, err);
}

static bool answer_line(void *user, const wc_json *root, const char *line, size_t n, wc_buf *out,
                        wc_error *err)
{
    const wc_json *text = wc_json_get(root, "text");
    struct cli_texts texts = {0};
    (void)line;
    (void)n;
    if (!wc_json_is(text, WC_JSON_STRING))
        return wc_fail(err, WC_REFUSED, "line: text: expected a string, found %s", wc_json_type_name(text));
    const bool ok = cli_texts_of_json(text, "text", &texts, err) && put_all(user, &texts, out, err);
    cli_texts_release(&texts);
    return ok;
}

static void print_scored(const wc_json *v, const char *name)
{
    const wc_json *word = wc_json_get(v, name), *label = wc_json_get(v, "label");
    printf("%.6f  ", wc_json_number(wc_json_get(v, "score"), 0));
    cli_print_word(label ? label->u.text : "");
    if (word) {
        printf("  ");
        cli_print_word(word->u.text);
    }
    putchar('\n');
}

/* A text's labels or tokens, a line each; an empty line between texts. */
static void print_results(const wc_json *results)
{
    for (size_t i = 0; i < wc_json_count(results); i++) {
        const wc_json *v = wc_json_item(results, i), *tokens = wc_json_get(v, "tokens");
        const wc_json *list = tokens ? tokens : wc_json_get(v, "labels");
        if (i > 0)
            putchar('\n');
        for (size_t k = 0; k < wc_json_count(list); k++)
            print_scored(wc_json_item(list, k), "token");
    }
}

static int answer(struct cli_encoder *e, struct cli_texts *texts)
{
    return cli_encoder_results(e, texts, put_all, print_results);
}

static int run(struct cli *c, void *arguments)
{
    const struct classify_args *a = arguments;
    return cli_encoder_run(c, a, &a->encode, &a->model, &a->common.operands, "TEXT", answer, answer_line);
}

static const cli_group groups[] = {
    {"Labels", classify_options, 0},
    {"Texts", cli_encode_options, AT(encode)},
    {"Model", cli_model_options, AT(model)},
    {"General", cli_common_options, 0},
    {NULL},
};

const cli_command cli_classify = {
    .name = "classify",
    .summary = "Label texts, or the words in them",
    .details =
        "MODEL is an encoder with a head for sequence classification (a sentiment, a topic) or for token\n"
        "classification (names of people and places). For each TEXT, or each line of --file or stdin,\n"
        "its labels are printed with their probabilities, best first, or each token with its label.\n"
        "\n"
        "--json: results, each with labels (label, score) and cut, or tokens (index, id, token, label,\n"
        "score) and cut. With --jsonl, a line {\"text\":\"...\"} is answered by one of these.",
    .examples = "whinchat classify ./sentiment \"What a fine day\"\n"
                "whinchat classify ./bert-base-NER \"Ada lives in London\" --json",
    .operands = {"MODEL", "[TEXT...]"},
    .operand_value = CLI_MODEL,
    .groups = groups,
    .args_bytes = sizeof(struct classify_args),
    .run = run,
};
