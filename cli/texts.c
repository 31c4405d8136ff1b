/* texts.c - see texts.h. */
#include "texts.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "prompt.h"

#define AT(field) offsetof(struct cli_encode_args, field)

const cli_option cli_encode_options[] = {
    {"file", 'f', "prompt-file", CLI_TEXT, "FILE", AT(file),
     "Read the texts from this file, a line each; - is stdin", .value = CLI_FILE},
    {"jsonl", 0, NULL, CLI_FLAG, NULL, AT(jsonl),
     "Read objects from stdin, a line each, and answer each with a line"},
    {"json", 0, NULL, CLI_FLAG, NULL, AT(json), "Print one JSON object"},
    {"max-tokens", 0, "max-length", CLI_INT, "N", AT(max_tokens),
     "Cut a text behind N tokens, special ones included (default: the model's limit)", 1, INT_MAX},
    {"batch-rows", 0, NULL, CLI_INT, "N", AT(batch_rows),
     "Tokens computed together (default 2048); changes no result", 1, 1 << 20},
    {NULL},
};

wc_encode_options cli_encode_of(const struct cli_encode_args *a, const struct cli_texts *texts)
{
    return (wc_encode_options){.size = sizeof(wc_encode_options),
                               .max_tokens = a->max_tokens.value,
                               .batch_rows = a->batch_rows.value,
                               .cut = texts ? texts->cut : NULL};
}

/* ---- texts ---- */

static bool make_room(struct cli_texts *t, wc_arena *a, size_t n, wc_error *err)
{
    *t = (struct cli_texts){.n = n};
    t->items = a ? wc_arena_zalloc(a, n + 1, sizeof *t->items) : wc_mem_zalloc(n + 1, sizeof *t->items);
    t->cut = a ? wc_arena_zalloc(a, n + 1, sizeof *t->cut) : wc_mem_zalloc(n + 1, sizeof *t->cut);
    return t->items && t->cut ? true : wc_fail_memory(err, n * sizeof *t->items);
}

void cli_texts_release(struct cli_texts *t)
{
    wc_mem_free(t->items);
    wc_mem_free(t->cut);
    *t = (struct cli_texts){0};
}

/* The lines of text [n], whose last line feed was taken away. */
static bool split_lines(const char *text, size_t n, struct cli_texts *out, wc_arena *a, wc_error *err)
{
    size_t lines = n > 0, at = 0;
    for (size_t i = 0; i < n; i++)
        lines += text[i] == '\n';
    if (!make_room(out, a, lines, err))
        return false;
    for (size_t i = 0; i < lines; i++) {
        const char *end = memchr(text + at, '\n', n - at);
        size_t length = end ? (size_t)(end - text) - at : n - at;
        out->items[i] = (wc_string){text + at, length};
        if (length > 0 && text[at + length - 1] == '\r')
            out->items[i].n_bytes--;
        at += length + 1;
    }
    return true;
}

static int read_texts(struct cli *c, const struct cli_encode_args *a, const struct cli_list *operands,
                      const char *what, struct cli_texts *out)
{
    const size_t n = operands->n - 1;
    const char *all = NULL;
    size_t n_all = 0;
    wc_error err;
    *out = (struct cli_texts){0};
    if (a->jsonl)
        return n || a->file || a->json ? cli_usage(c, "--jsonl takes its texts from stdin, not from %s",
                                                   n         ? what
                                                   : a->file ? "--file"
                                                             : "--json")
                                       : CLI_EXIT_OK;
    if (n && a->file)
        return cli_usage(c, "expected either %s or --file, found both", what);
    if (!n && !a->file && isatty(STDIN_FILENO))
        return cli_usage(c, "no text: give %s, or lines on stdin", what);
    if (!n && !cli_words_read(c, a->file ? a->file : "-", &all, &n_all, &err))
        return cli_fail(c, CLI_ARGUMENT_PHASE, &err);
    if (!(n ? make_room(out, c->arena, n, &err) : split_lines(all, n_all, out, c->arena, &err)))
        return cli_fail(c, CLI_ARGUMENT_PHASE, &err);
    for (size_t i = 0; i < n; i++)
        out->items[i] = (wc_string){operands->items[i + 1], strlen(operands->items[i + 1])};
    return CLI_EXIT_OK;
}

bool cli_texts_of_json(const wc_json *v, const char *name, struct cli_texts *out, wc_error *err)
{
    const bool one = wc_json_is(v, WC_JSON_STRING);
    if (!one && !wc_json_is(v, WC_JSON_ARRAY))
        return wc_fail(err, WC_REFUSED, "line: %s: expected a string or an array of strings, found %s", name,
                       wc_json_type_name(v));
    if (!make_room(out, NULL, one ? 1 : v->n, err))
        return false;
    for (size_t i = 0; i < out->n; i++) {
        const wc_json *item = one ? v : wc_json_item(v, i);
        if (!wc_json_is(item, WC_JSON_STRING))
            return wc_fail(err, WC_REFUSED, "line: %s[%zu]: expected a string, found %s", name, i,
                           wc_json_type_name(item));
        out->items[i] = (wc_string){item->u.text, item->n};
    }
    return true;
}

void cli_texts_warn(struct cli *c, const struct cli_texts *texts)
{
    size_t n = 0, first = 0;
    for (size_t i = 0; i < texts->n; i++)
        if (texts->cut[i] && n++ == 0)
            first = i + 1;
    if (n == 1)
        cli_note(c, "warning: text %zu is longer than the model reads, and its end was cut", first);
    else if (n > 1)
        cli_note(c,
                 "warning: %zu of %zu texts are longer than the model reads, text %zu is the first; their "
                 "ends were cut (--json tells which)",
                 n, texts->n, first);
}

/* ---- numbers ---- */

void cli_json_float(wc_buf *b, float x)
{
    if (isfinite(x))
        wc_buf_printf(b, "%.9g", (double)x);
    else
        wc_buf_puts(b, "null");
}

void cli_json_floats(wc_buf *b, const float *x, size_t n)
{
    wc_buf_putc(b, '[');
    for (size_t i = 0; i < n; i++) {
        if (i > 0)
            wc_buf_putc(b, ',');
        cli_json_float(b, x[i]);
    }
    wc_buf_putc(b, ']');
}

struct ranked {
    float x;
    size_t index;
};

static int by_score(const void *pa, const void *pb)
{
    const struct ranked *a = pa, *b = pb;
    const int order = (a->x < b->x) - (a->x > b->x);
    return order ? order : (a->index > b->index) - (a->index < b->index);
}

void cli_rank(const float *x, size_t n, size_t *order)
{
    struct ranked *list = wc_mem_zalloc(n + 1, sizeof *list);
    for (size_t i = 0; i < n; i++) {
        order[i] = i;
        if (list)
            list[i] = (struct ranked){isnan(x[i]) ? -INFINITY : x[i], i};
    }
    if (!list) /* no memory to sort in: as they came */
        return;
    qsort(list, n, sizeof *list, by_score);
    for (size_t i = 0; i < n; i++)
        order[i] = list[i].index;
    wc_mem_free(list);
}

/* ---- the command ---- */

const wc_json *cli_info_of(struct cli *c, const wc_model *model, const char *name)
{
    const char *info = wc_model_info(model);
    return wc_json_get(wc_json_parse(c->arena, info, strlen(info), "info", 0, NULL), name);
}

int cli_encoder_run(struct cli *c, const void *args, const struct cli_encode_args *encode,
                    const struct cli_model_args *model, const struct cli_list *operands, const char *what,
                    int (*answer)(struct cli_encoder *e, struct cli_texts *texts), cli_jsonl_fn answer_line)
{
    const wc_model_options options = cli_model_of(model);
    struct cli_texts texts;
    size_t n_errors = 0;
    wc_error err;
    int status = read_texts(c, encode, operands, what, &texts);
    if (status)
        return status;
    struct cli_encoder e = {c, wc_model_open(operands->items[0], &options, &err), args, encode};
    if (!e.model)
        return cli_fail(c, CLI_MODEL_PHASE, &err);
    cli_warnings(c, e.model);
    status = encode->jsonl ? cli_jsonl(c, answer_line, &e, &n_errors) : answer(&e, &texts);
    wc_model_free(e.model);
    return status ? status : n_errors ? CLI_EXIT_REFUSED : CLI_EXIT_OK;
}

int cli_encoder_results(struct cli_encoder *e, struct cli_texts *texts,
                        bool (*put)(const struct cli_encoder *e, const struct cli_texts *texts, wc_buf *b,
                                    wc_error *err),
                        void (*print)(const wc_json *results))
{
    wc_error err;
    wc_buf b;
    int status = CLI_EXIT_OK;
    wc_buf_init(&b, (size_t)1 << 30);
    wc_buf_puts(&b, "{\"results\":[");
    bool ok = put(e, texts, &b, &err);
    wc_buf_puts(&b, "]}");
    ok = ok && wc_buf_check(&b, "answer", &err);
    const wc_json *root = ok ? wc_json_parse(e->c->arena, wc_buf_str(&b), b.size, "answer", 0, &err) : NULL;
    if (root)
        cli_texts_warn(e->c, texts);
    if (!root)
        status = cli_fail(e->c, CLI_INPUT_PHASE, &err);
    else if (e->encode->json)
        status = cli_print_json_buf(e->c, &b);
    else
        print(wc_json_get(root, "results"));
    wc_buf_release(&b);
    return status ? status : cli_flush(e->c);
}
