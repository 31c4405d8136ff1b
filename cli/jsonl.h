/* jsonl.h - JSON lines: a line in, a line out. */
#ifndef CLI_JSONL_H
#define CLI_JSONL_H
#include "cli.h"

/* Answers one line [n], parsed as root, into out; false with an error, which becomes {"error":...}. */
typedef bool (*cli_jsonl_fn)(void *user, const wc_json *root, const char *line, size_t n, wc_buf *out,
                             wc_error *err);

/* Reads stdin line by line and prints a line for each that is not empty, at once.  *n_errors counts those
 * that failed. Gives the exit status: of a failed write, or 0. */
int cli_jsonl(struct cli *c, cli_jsonl_fn fn, void *user, size_t *n_errors);
#endif
