/* template.c - whinchat template: what a chat template makes of a conversation. */
#include <string.h>
#include <unistd.h>

#include "base/file_map.h"
#include "jsonl.h"
#include "prompt.h"

struct template_args {
    struct cli_common common;
    struct cli_prompt_args prompt;
    const char *template;
    bool jsonl, no_generation;
};

static const cli_option template_options[] = {
    {"template", 0, NULL, CLI_TEXT, "FILE", offsetof(struct template_args, template),
     "Take the template from this file in place of a model's", .value = CLI_FILE},
    {"jsonl", 0, NULL, CLI_FLAG, NULL, offsetof(struct template_args, jsonl),
     "Read objects from stdin, a line each, and answer each with a line"},
    {"no-generation-prompt", 0, NULL, CLI_FLAG, NULL, offsetof(struct template_args, no_generation),
     "Leave out what tells the model to begin its answer"},
    {NULL},
};

/* Where chats are rendered. */
struct renderer {
    const wc_model *model; /* NULL with source */
    const char *source;    /* NULL: the model's own */
};

static const char *string_of(const wc_json *root, const char *key, wc_error *err)
{
    const wc_json *v = wc_json_get(root, key);
    if (wc_json_is(v, WC_JSON_STRING) && strlen(v->u.text) == v->n)
        return v->u.text;
    wc_fail(err, WC_REFUSED, "line: %s: expected a string%s, found %s", key,
            wc_json_is(v, WC_JSON_STRING) ? " without NUL" : "", wc_json_type_name(v));
    return NULL;
}

/* {"template", "vars", "now"}: that source, plainly. */
static char *render_plain(const wc_json *root, wc_error *err)
{
    const wc_json *vars = wc_json_get(root, "vars");
    const char *source = string_of(root, "template", err), *now = NULL;
    wc_buf b;
    if (!source || (!wc_json_is_null(wc_json_get(root, "now")) && !(now = string_of(root, "now", err))))
        return NULL;
    wc_buf_init(&b, 256 << 20);
    if (!wc_json_is_null(vars))
        wc_json_write(&b, vars);
    char *text = wc_buf_check(&b, "vars", err) ? wc_template_render(source, b.size ? b.data : NULL, now, err)
                                               : NULL;
    wc_buf_release(&b);
    return text;
}

static bool answer_line(void *user, const wc_json *root, const char *line, size_t n, wc_buf *out,
                        wc_error *err)
{
    const struct renderer *r = user;
    char *text = NULL;
    if (wc_json_get(root, "template"))
        text = render_plain(root, err);
    else if (r->model || r->source)
        text = wc_chat_render(r->model, r->source, line, err);
    else
        wc_fail(err, WC_REFUSED,
                "line: template: expected one in the line, as neither MODEL nor --template is given");
    if (!text)
        return false;
    wc_buf_puts(out, "{\"text\":");
    wc_buf_json_string(out, text, strlen(text));
    wc_buf_puts(out, "}");
    wc_free(text);
    return true;
}

/* The request with "add_generation_prompt", as true as the caller of a chat wants it. */
static bool with_generation(const cli_prompt *p, bool generation, wc_buf *json, wc_error *err)
{
    cli_prompt_request(p, json);
    if (!wc_buf_check(json, "messages", err))
        return false;
    if (p->request) /* a chat from a file says itself what it wants */
        return true;
    json->data[--json->size] = '\0';
    wc_buf_printf(json, ",\"add_generation_prompt\":%s}", generation ? "true" : "false");
    return wc_buf_check(json, "messages", err);
}

static int render_prompt(struct cli *c, const struct template_args *a, const struct renderer *r,
                         const cli_prompt *p)
{
    wc_buf json;
    wc_error err;
    wc_buf_init(&json, 4 * CLI_INPUT_BYTES);
    char *text = with_generation(p, !a->no_generation, &json, &err)
                     ? wc_chat_render(r->model, r->source, wc_buf_str(&json), &err)
                     : NULL;
    wc_buf_release(&json);
    if (!text)
        return cli_fail(c, CLI_INPUT_PHASE, &err);
    size_t n = strlen(text);
    cli_print_text(text, n);
    if (n == 0 || text[n - 1] != '\n')
        putchar('\n');
    wc_free(text);
    return cli_flush(c);
}

static int run(struct cli *c, void *arguments)
{
    const struct template_args *a = arguments;
    const char *name = a->common.operands.n ? a->common.operands.items[0] : NULL;
    const wc_model_options options = {.size = sizeof options, .tokenizer_only = true};
    struct renderer r = {0};
    wc_model *model = NULL;
    cli_prompt prompt = {0};
    wc_error err;
    size_t n, n_errors = 0;
    if (!name && !a->template && !a->jsonl)
        return cli_usage(c, "expected MODEL or --template FILE");
    if (!a->jsonl && !cli_prompt_given(&a->prompt, NULL) && isatty(STDIN_FILENO))
        return cli_usage(c, "nothing to render: give a prompt with -p, or a chat with --messages");
    if (!a->jsonl && !cli_prompt_read(c, &a->prompt, NULL, &prompt, &err))
        return cli_fail(c, CLI_ARGUMENT_PHASE, &err);
    if (a->template && !(r.source = wc_file_read(c->arena, a->template, CLI_INPUT_BYTES, &n, &err)))
        return cli_fail(c, CLI_INPUT_PHASE, &err);
    if (r.source && strlen(r.source) != n) {
        wc_fail(&err, WC_REFUSED, "%s: a NUL at byte %zu; expected text", a->template, strlen(r.source));
        return cli_fail(c, CLI_INPUT_PHASE, &err);
    }
    if (name && !(r.model = model = wc_model_open(name, &options, &err)))
        return cli_fail(c, CLI_MODEL_PHASE, &err);
    int status = a->jsonl ? cli_jsonl(c, answer_line, &r, &n_errors) : render_prompt(c, a, &r, &prompt);
    wc_model_free(model);
    return status;
}

static const cli_group groups[] = {
    {"Template", template_options, 0},
    {"Prompt", cli_prompt_options, offsetof(struct template_args, prompt)},
    {"General", cli_common_options, 0},
    {NULL},
};

const cli_command cli_template = {
    .name = "template",
    .summary = "Show what a chat template makes of a conversation",
    .details =
        "With --jsonl, a line with \"messages\" and optionally \"tools\", \"documents\",\n"
        "\"add_generation_prompt\", \"continue_final_message\", \"special_tokens\", \"kwargs\" and \"now\"\n"
        "(\"2025-07-04T09:05:03\") is answered by {\"text\":\"...\"} or {\"error\":\"...\"}, as\n"
        "apply_chat_template of transformers renders it. A line with \"template\" and \"vars\"\n"
        "renders that source plainly and needs no MODEL.",
    .examples = "whinchat template gemma-3n-mini-it -p \"Hello\"\n"
                "whinchat template --template chat.jinja --messages chat.json",
    .operands = {"[MODEL]"},
    .operand_value = CLI_MODEL,
    .groups = groups,
    .args_bytes = sizeof(struct template_args),
    .run = run,
};
