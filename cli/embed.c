/* embed.c - whinchat embed: vectors of texts. */
#include <limits.h>
#include <string.h>

#include "texts.h"

struct embed_args {
    struct cli_common common;
    struct cli_model_args model;
    struct cli_encode_args encode;
    const char *prompt, *prompt_name;
    struct cli_int dimensions;
    bool normalize;
};

#define AT(field) offsetof(struct embed_args, field)

static const cli_option embed_options[] = {
    {"prompt-name", 0, NULL, CLI_TEXT, "NAME", AT(prompt_name),
     "Put the model's prompt of that name before each text: query, document"},
    {"prompt", 'p', NULL, CLI_TEXT, "TEXT", AT(prompt), "Put these words before each text"},
    {"dimensions", 'd', "truncate-dim", CLI_INT, "N", AT(dimensions),
     "Keep the first N elements of a vector, where the model was trained for it (Matryoshka)", 1, INT_MAX},
    {"normalize", 0, NULL, CLI_FLAG, NULL, AT(normalize),
     "Make every vector of length 1, after --dimensions"},
    {NULL},
};

static float *embed(const struct cli_encoder *e, const struct cli_texts *texts, size_t *width, wc_error *err)
{
    const struct embed_args *a = e->args;
    wc_encode_options o = cli_encode_of(e->encode, texts);
    o.prompt = a->prompt;
    o.prompt_name = a->prompt_name;
    o.dimensions = a->dimensions.value;
    o.normalize = a->normalize;
    return wc_embed(e->model, texts->items, texts->n, &o, width, err);
}

static void put_cut(wc_buf *b, const struct cli_texts *texts)
{
    wc_buf_puts(b, "\"cut\":[");
    for (size_t i = 0; i < texts->n; i++)
        wc_buf_printf(b, "%s%s", i ? "," : "", texts->cut[i] ? "true" : "false");
    wc_buf_putc(b, ']');
}

static void put_vectors(wc_buf *b, const float *x, size_t width, const struct cli_texts *texts)
{
    wc_buf_puts(b, "\"embeddings\":[");
    for (size_t i = 0; i < texts->n; i++) {
        wc_buf_puts(b, i ? "," : "");
        cli_json_floats(b, x + i * width, width);
    }
    wc_buf_puts(b, "],");
    put_cut(b, texts);
}

static bool answer_line(void *user, const wc_json *root, const char *line, size_t n, wc_buf *out,
                        wc_error *err)
{
    const struct cli_encoder *e = user;
    const wc_json *text = wc_json_get(root, "text"), *list = wc_json_get(root, "texts");
    struct cli_texts texts = {0};
    size_t width;
    (void)line;
    (void)n;
    if (!text == !list)
        return wc_fail(err, WC_REFUSED, "line: expected either text or texts, found %s",
                       text ? "both" : "neither");
    const bool ok = cli_texts_of_json(text ? text : list, text ? "text" : "texts", &texts, err);
    float *x = ok ? embed(e, &texts, &width, err) : NULL;
    if (x && text) {
        wc_buf_puts(out, "{\"embedding\":");
        cli_json_floats(out, x, width);
        wc_buf_printf(out, ",\"cut\":%s}", texts.cut[0] ? "true" : "false");
    } else if (x) {
        wc_buf_putc(out, '{');
        put_vectors(out, x, width, &texts);
        wc_buf_putc(out, '}');
    }
    wc_free(x);
    cli_texts_release(&texts);
    return x != NULL;
}

static int answer(struct cli_encoder *e, struct cli_texts *texts)
{
    wc_error err;
    wc_buf b;
    size_t width = 0;
    int status = CLI_EXIT_OK;
    float *x = embed(e, texts, &width, &err);
    if (!x)
        return cli_fail(e->c, err.code == WC_BAD_ARGUMENT ? CLI_ARGUMENT_PHASE : CLI_INPUT_PHASE, &err);
    cli_texts_warn(e->c, texts);
    wc_buf_init(&b, (size_t)1 << 32);
    if (e->encode->json) {
        wc_buf_printf(&b, "{\"width\":%zu,", width);
        put_vectors(&b, x, width, texts);
        wc_buf_putc(&b, '}');
        status = cli_print_json_buf(e->c, &b);
    }
    for (size_t i = 0; !e->encode->json && status == CLI_EXIT_OK && i < texts->n; i++) {
        wc_buf_reset(&b);
        cli_json_floats(&b, x + i * width, width);
        status = cli_print_json_buf(e->c, &b);
    }
    wc_buf_release(&b);
    wc_free(x);
    return status;
}

static int run(struct cli *c, void *arguments)
{
    const struct embed_args *a = arguments;
    if (a->prompt && a->prompt_name)
        return cli_usage(c, "expected either --prompt or --prompt-name, found both");
    return cli_encoder_run(c, a, &a->encode, &a->model, &a->common.operands, "TEXT", answer, answer_line);
}

static const cli_group groups[] = {
    {"Vectors", embed_options, 0},
    {"Texts", cli_encode_options, AT(encode)},
    {"Model", cli_model_options, AT(model)},
    {"General", cli_common_options, 0},
    {NULL},
};

const cli_command cli_embed = {
    .name = "embed",
    .summary = "Turn texts into vectors",
    .details =
        "MODEL is an encoder, or a folder as sentence-transformers saves it: pooling, dense layers,\n"
        "normalization, prompts and the longest text are those of its files. Each TEXT, or each line\n"
        "of --file or stdin, gives a line with a JSON array of numbers. A text that is longer than\n"
        "the model reads is cut, with a warning.\n"
        "\n"
        "Keys of --json: width, embeddings, cut. With --jsonl, a line {\"text\":\"...\"} is answered by\n"
        "{\"embedding\":[...],\"cut\":false}, and a line {\"texts\":[...]} by "
        "{\"embeddings\":[...],\"cut\":[...]}\n"
        "or {\"error\":\"...\"}; the exit status is then 6.",
    .examples = "whinchat embed ./all-MiniLM-L6-v2 \"a cat\" \"a dog\"\n"
                "whinchat embed ./embeddinggemma-300m --prompt-name document --dimensions 256 --normalize -f "
                "lines.txt\n"
                "echo '{\"texts\":[\"a cat\",\"a dog\"]}' | whinchat embed ./all-MiniLM-L6-v2 --jsonl",
    .operands = {"MODEL", "[TEXT...]"},
    .operand_value = CLI_MODEL,
    .groups = groups,
    .args_bytes = sizeof(struct embed_args),
    .run = run,
};
