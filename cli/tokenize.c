/* tokenize.c - whinchat tokenize: text to token ids and back. */
#include <string.h>
#include <unistd.h>

#include "jsonl.h"
#include "prompt.h"

struct tokenize_args {
    struct cli_common common;
    const char *tokenizer, *file;
    bool jsonl, json, plain;
};

static const cli_option tokenize_options[] = {
    {"jsonl", 0, NULL, CLI_FLAG, NULL, offsetof(struct tokenize_args, jsonl),
     "Read objects from stdin, a line each, and answer each with a line"},
    {"file", 'f', "prompt-file", CLI_TEXT, "FILE", offsetof(struct tokenize_args, file),
     "Read the text from this file; - is stdin", .value = CLI_FILE},
    {"no-special", 0, "no-special-tokens", CLI_FLAG, NULL, offsetof(struct tokenize_args, plain),
     "Do not add the tokens that begin or end a text"},
    {"json", 0, NULL, CLI_FLAG, NULL, offsetof(struct tokenize_args, json),
     "Print one JSON object: ids, pieces"},
    {"tokenizer", 0, NULL, CLI_TEXT, "DIR", offsetof(struct tokenize_args, tokenizer),
     "Take the tokenizer's files from this folder", .value = CLI_FOLDER},
    {NULL},
};

/* ---- JSON lines ---- */

static bool flag_of(const wc_json *root, const char *key, bool fallback, bool *out, wc_error *err)
{
    const wc_json *v = wc_json_get(root, key);
    *out = wc_json_is_null(v) ? fallback : wc_json_is(v, WC_JSON_TRUE);
    if (wc_json_is_null(v) || wc_json_is(v, WC_JSON_TRUE) || wc_json_is(v, WC_JSON_FALSE))
        return true;
    return wc_fail(err, WC_REFUSED, "line: %s: expected a boolean, found %s", key, wc_json_type_name(v));
}

static bool encode_line(const wc_model *model, const wc_json *root, const wc_json *text, wc_buf *out,
                        wc_error *err)
{
    bool special;
    int32_t *ids;
    size_t n;
    if (!flag_of(root, "add_special_tokens", true, &special, err) ||
        !wc_tokenize(model, text->u.text, text->n, special, &ids, &n, err))
        return false;
    wc_buf_puts(out, "{\"ids\":[");
    for (size_t i = 0; i < n; i++)
        wc_buf_printf(out, "%s%d", i ? "," : "", (int)ids[i]);
    wc_buf_puts(out, "]}");
    wc_free(ids);
    return true;
}

/* Numbers of a JSON array as ids in the buffer; those that no id can be are -1, which has no text. */
static bool read_ids(const wc_json *list, wc_buf *ids, wc_error *err)
{
    for (size_t i = 0; i < list->n; i++) {
        const wc_json *v = wc_json_item(list, i);
        if (!wc_json_is(v, WC_JSON_INT) && !wc_json_is(v, WC_JSON_BIGINT))
            return wc_fail(err, WC_REFUSED, "line: ids[%zu]: expected a whole number, found %s", i,
                           wc_json_type_name(v));
        bool fits = v->type == WC_JSON_INT && v->u.integer >= 0 && v->u.integer <= INT32_MAX;
        int32_t id = fits ? (int32_t)v->u.integer : -1;
        wc_buf_add(ids, &id, sizeof id);
    }
    return wc_buf_check(ids, "ids", err);
}

static bool decode_line(const wc_model *model, const wc_json *root, const wc_json *list, wc_buf *out,
                        wc_error *err)
{
    bool skip;
    wc_buf ids;
    char *text = NULL;
    size_t n;
    wc_buf_init(&ids, 1 << 30);
    if (flag_of(root, "skip_special_tokens", false, &skip, err) && read_ids(list, &ids, err))
        text = wc_detokenize(model, (const int32_t *)(const void *)wc_buf_str(&ids), list->n, skip, &n, err);
    wc_buf_release(&ids);
    if (!text)
        return false;
    wc_buf_puts(out, "{\"text\":");
    wc_buf_json_string(out, text, n);
    wc_buf_puts(out, "}");
    wc_free(text);
    return true;
}

static bool answer_line(void *user, const wc_json *root, const char *line, size_t n, wc_buf *out,
                        wc_error *err)
{
    const wc_json *text = wc_json_get(root, "text"), *ids = wc_json_get(root, "ids");
    if (wc_json_is(text, WC_JSON_STRING) && !ids)
        return encode_line(user, root, text, out, err);
    if (wc_json_is(ids, WC_JSON_ARRAY) && !text)
        return decode_line(user, root, ids, out, err);
    return wc_fail(err, WC_REFUSED,
                   "line: expected either text, a string, or ids, an array; found text %s and ids %s",
                   wc_json_type_name(text), wc_json_type_name(ids));
}

/* ---- one text ---- */

/* The ids, a line each with what it stands for, or as JSON. */
static bool print_ids(const wc_model *model, const int32_t *ids, size_t n, wc_buf *json, wc_error *err)
{
    if (json)
        wc_buf_puts(json, "{\"ids\":[");
    for (size_t i = 0; json && i < n; i++)
        wc_buf_printf(json, "%s%d", i ? "," : "", (int)ids[i]);
    if (json)
        wc_buf_puts(json, "],\"pieces\":[");
    for (size_t i = 0; i < n; i++) {
        size_t n_bytes;
        char *piece = wc_detokenize(model, &ids[i], 1, false, &n_bytes, err);
        wc_buf quoted;
        if (!piece)
            return false;
        wc_buf_init(&quoted, 1 << 20);
        wc_buf_json_string(&quoted, piece, n_bytes);
        if (json)
            wc_buf_printf(json, "%s%s", i ? "," : "", wc_buf_str(&quoted));
        else
            printf("%7d %s\n", (int)ids[i], wc_buf_str(&quoted));
        wc_buf_release(&quoted);
        wc_free(piece);
    }
    if (json)
        wc_buf_puts(json, "]}");
    return true;
}

static int tokenize_text(struct cli *c, const struct tokenize_args *a, const wc_model *model,
                         const cli_prompt *text)
{
    int32_t *ids;
    size_t n;
    wc_buf json;
    wc_error err;
    if (!wc_tokenize(model, text->text, text->n_text, !a->plain, &ids, &n, &err))
        return cli_fail(c, CLI_INPUT_PHASE, &err);
    wc_buf_init(&json, 256 << 20);
    bool ok = print_ids(model, ids, n, a->json ? &json : NULL, &err);
    int status = !ok       ? cli_fail(c, CLI_INPUT_PHASE, &err)
                 : a->json ? cli_print_json_buf(c, &json)
                           : cli_flush(c);
    wc_buf_release(&json);
    wc_free(ids);
    return status;
}

static int run(struct cli *c, void *arguments)
{
    const struct tokenize_args *a = arguments;
    const struct cli_list *operands = &a->common.operands;
    const char *operand = operands->n > 1 ? operands->items[1] : NULL;
    const struct cli_prompt_args source = {.file = a->file};
    const wc_model_options options = {
        .size = sizeof options, .tokenizer = a->tokenizer, .tokenizer_only = true};
    cli_prompt text = {0};
    wc_error err;
    if (a->jsonl && (operand || a->file || a->json))
        return cli_usage(c, "--jsonl takes its texts from stdin, not from %s",
                         operand   ? "TEXT"
                         : a->file ? "--file"
                                   : "--json");
    if (!a->jsonl && !operand && !a->file && isatty(STDIN_FILENO))
        return cli_usage(c, "no text: give one as TEXT, or on stdin");
    if (!a->jsonl && !cli_prompt_read(c, &source, operand, &text, &err))
        return cli_fail(c, CLI_ARGUMENT_PHASE, &err);
    wc_model *model = wc_model_open(operands->items[0], &options, &err);
    if (!model)
        return cli_fail(c, CLI_MODEL_PHASE, &err);
    size_t n_errors = 0;
    int status = a->jsonl ? cli_jsonl(c, answer_line, model, &n_errors) : tokenize_text(c, a, model, &text);
    wc_model_free(model);
    return status ? status : n_errors ? CLI_EXIT_REFUSED : CLI_EXIT_OK;
}

static const cli_group groups[] = {
    {"Tokens", tokenize_options, 0},
    {"General", cli_common_options, 0},
    {NULL},
};

const cli_command cli_tokenize = {
    .name = "tokenize",
    .summary = "Turn text into token ids, and back",
    .details = "MODEL may be a folder with tokenizer files only. With --jsonl, a line {\"text\":\"...\",\n"
               "\"add_special_tokens\":true} is answered by {\"ids\":[...]}, and a line {\"ids\":[...],\n"
               "\"skip_special_tokens\":false} by {\"text\":\"...\"}; the values shown are the defaults. A\n"
               "line that cannot be answered gives {\"error\":\"...\"}, and the exit status is then 6.",
    .examples = "whinchat tokenize gemma-3n-mini-it \"What colour is the shirt?\"\n"
                "echo '{\"ids\":[2,395,382]}' | whinchat tokenize gemma-3n-mini-it --jsonl",
    .operands = {"MODEL", "[TEXT]"},
    .operand_value = CLI_MODEL,
    .groups = groups,
    .args_bytes = sizeof(struct tokenize_args),
    .run = run,
};
