/* rerank.c - whinchat rerank: documents in the order of their relevance to a query. */
#include <limits.h>
#include <string.h>

#include "base/mem.h"
#include "texts.h"

struct rerank_args {
    struct cli_common common;
    struct cli_model_args model;
    struct cli_encode_args encode;
    const char *query;
    struct cli_int top;
};

#define AT(field) offsetof(struct rerank_args, field)

static const cli_option rerank_options[] = {
    {"query", 'p', "prompt", CLI_TEXT, "TEXT", AT(query), "What is sought (required without --jsonl)"},
    {"top", 'n', "top-n,top-k", CLI_INT, "N", AT(top), "Print the best N only", 1, INT_MAX},
    {NULL},
};

/* Scores of the documents and their order, [n] each; freed by the caller. */
static float *rerank(const struct cli_encoder *e, wc_string query, const struct cli_texts *documents,
                     size_t **order, wc_error *err)
{
    const wc_encode_options o = cli_encode_of(e->encode, documents);
    float *x = wc_rerank(e->model, query, documents->items, documents->n, &o, err);
    *order = x ? wc_mem_zalloc(documents->n + 1, sizeof **order) : NULL;
    if (x && !*order) {
        wc_fail_memory(err, documents->n * sizeof **order);
        wc_free(x);
        return NULL;
    }
    if (x)
        cli_rank(x, documents->n, *order);
    return x;
}

static size_t shown(const struct cli_encoder *e, size_t n)
{
    const struct rerank_args *a = e->args;
    return a->top.given && (size_t)a->top.value < n ? (size_t)a->top.value : n;
}

static void put_results(const struct cli_encoder *e, wc_buf *b, const float *x, const size_t *order,
                        const struct cli_texts *documents)
{
    wc_buf_puts(b, "{\"results\":[");
    for (size_t i = 0; i < shown(e, documents->n); i++) {
        wc_buf_printf(b, "%s{\"index\":%zu,\"score\":", i ? "," : "", order[i]);
        cli_json_float(b, x[order[i]]);
        wc_buf_printf(b, ",\"cut\":%s}", documents->cut[order[i]] ? "true" : "false");
    }
    wc_buf_puts(b, "]}");
}

static bool answer_line(void *user, const wc_json *root, const char *line, size_t n, wc_buf *out,
                        wc_error *err)
{
    const wc_json *query = wc_json_get(root, "query");
    struct cli_texts documents = {0};
    size_t *order = NULL;
    float *x = NULL;
    (void)line;
    (void)n;
    if (!wc_json_is(query, WC_JSON_STRING))
        return wc_fail(err, WC_REFUSED, "line: query: expected a string, found %s", wc_json_type_name(query));
    if (cli_texts_of_json(wc_json_get(root, "documents"), "documents", &documents, err))
        x = rerank(user, (wc_string){query->u.text, query->n}, &documents, &order, err);
    if (x)
        put_results(user, out, x, order, &documents);
    wc_free(x);
    wc_mem_free(order);
    cli_texts_release(&documents);
    return x != NULL;
}

static int answer(struct cli_encoder *e, struct cli_texts *documents)
{
    const struct rerank_args *a = e->args;
    size_t *order;
    wc_error err;
    wc_buf b;
    int status = CLI_EXIT_OK;
    float *x = rerank(e, (wc_string){a->query, strlen(a->query)}, documents, &order, &err);
    if (!x)
        return cli_fail(e->c, CLI_INPUT_PHASE, &err);
    cli_texts_warn(e->c, documents);
    wc_buf_init(&b, (size_t)1 << 30);
    if (e->encode->json) {
        put_results(e, &b, x, order, documents);
        status = cli_print_json_buf(e->c, &b);
    }
    for (size_t i = 0; !e->encode->json && i < shown(e, documents->n); i++) {
        printf("%.6f  %zu  ", (double)x[order[i]], order[i] + 1);
        cli_print_text(documents->items[order[i]].text, documents->items[order[i]].n_bytes);
        putchar('\n');
    }
    wc_buf_release(&b);
    wc_free(x);
    wc_mem_free(order);
    return status ? status : cli_flush(e->c);
}

static int run(struct cli *c, void *arguments)
{
    const struct rerank_args *a = arguments;
    if (!a->query && !a->encode.jsonl)
        return cli_usage(c, "missing option --query TEXT");
    return cli_encoder_run(c, a, &a->encode, &a->model, &a->common.operands, "DOCUMENT", answer, answer_line);
}

static const cli_group groups[] = {
    {"Ranking", rerank_options, 0},
    {"Texts", cli_encode_options, AT(encode)},
    {"Model", cli_model_options, AT(model)},
    {"General", cli_common_options, 0},
    {NULL},
};

const cli_command cli_rerank = {
    .name = "rerank",
    .summary = "Put documents in the order of their relevance to a query",
    .details =
        "MODEL is a cross-encoder: a classifier of pairs with one label, such as ms-marco-MiniLM. Each\n"
        "DOCUMENT, or each line of --file or stdin, is read together with the query; printed are the\n"
        "score, as sentence-transformers' CrossEncoder gives it, the document's number and its text,\n"
        "best first.\n"
        "\n"
        "Keys of --json: results, each with index (from 0), score, cut. With --jsonl, a line\n"
        "{\"query\":\"...\",\"documents\":[...]} is answered by the same object.",
    .examples =
        "whinchat rerank ./ms-marco-MiniLM-L-6-v2 --query \"how do birds sleep\" -f passages.txt --top 3",
    .operands = {"MODEL", "[DOCUMENT...]"},
    .operand_value = CLI_MODEL,
    .groups = groups,
    .args_bytes = sizeof(struct rerank_args),
    .run = run,
};
