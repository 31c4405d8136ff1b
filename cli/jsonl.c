/* jsonl.c - see jsonl.h.  Every line has an arena of its own, and its answer is flushed, so that a program
 * at the other end of a pipe can wait for it. */
#include "jsonl.h"

#include <string.h>

enum { LINE_BYTES = 64 << 20 };

/* The next line without its line feed; false at the end. */
static bool read_line(wc_buf *line)
{
    int byte;
    wc_buf_reset(line);
    while ((byte = getc_unlocked(stdin)) != EOF && byte != '\n')
        wc_buf_putc(line, (char)byte);
    return byte != EOF || line->size > 0;
}

static bool answer(cli_jsonl_fn fn, void *user, const wc_buf *line, wc_arena *a, wc_buf *out, wc_error *err)
{
    if (!wc_buf_check(line, "line", err))
        return false;
    const wc_json *root = wc_json_parse(a, line->data, line->size, "line", 0, err);
    if (!root)
        return false;
    if (!wc_json_is(root, WC_JSON_OBJECT))
        return wc_fail(err, WC_REFUSED, "line: expected an object, found %s", wc_json_type_name(root));
    return fn(user, root, line->data, line->size, out, err) && wc_buf_check(out, "answer", err);
}

int cli_jsonl(struct cli *c, cli_jsonl_fn fn, void *user, size_t *n_errors)
{
    wc_buf line, out;
    int status = CLI_EXIT_OK;
    wc_buf_init(&line, LINE_BYTES);
    wc_buf_init(&out, 4 * (size_t)LINE_BYTES);
    while (status == CLI_EXIT_OK && read_line(&line)) {
        wc_error err = {0};
        if (wc_buf_ok(&line) && strspn(wc_buf_str(&line), " \t\r") == line.size)
            continue;
        wc_arena *a = wc_arena_new(0);
        wc_buf_reset(&out);
        if (!a)
            wc_fail_memory(&err, line.size);
        if (!a || !answer(fn, user, &line, a, &out, &err)) {
            ++*n_errors;
            wc_buf_reset(&out);
            wc_buf_puts(&out, "{\"error\":");
            wc_buf_json_string(&out, err.text, strlen(err.text));
            wc_buf_puts(&out, "}");
        }
        status = cli_print_json_buf(c, &out);
        wc_arena_free(a);
    }
    wc_buf_release(&line);
    wc_buf_release(&out);
    return status;
}
