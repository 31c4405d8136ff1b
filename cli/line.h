/* line.h - lines typed at a terminal, with editing and a history kept between runs. */
#ifndef CLI_LINE_H
#define CLI_LINE_H
#include <stdbool.h>
#include <stddef.h>

enum cli_line_result {
    CLI_LINE,             /* a line */
    CLI_LINE_END,         /* Ctrl-D */
    CLI_LINE_INTERRUPTED, /* Ctrl-C */
    CLI_LINE_TERMINATED   /* SIGTERM */
};

typedef struct cli_lines cli_lines;

/* Signals are held from here to cli_lines_close (cli_hold_signals).  history: the file to keep it in, NULL
 * for none.  NULL when there is no memory or no terminal to edit on. */
cli_lines *cli_lines_open(const char *history);
/* Restores the terminal and saves the history. */
void cli_lines_close(cli_lines *l); /* NULL is fine */
/* The next line without its line feed, valid until the next call. */
enum cli_line_result cli_lines_read(cli_lines *l, const char *prompt, const char **line, size_t *n);
/* Adds an entry to the history. */
void cli_lines_remember(cli_lines *l, const char *entry);
/* "libedit", or "none" in a build without it. */
const char *cli_lines_library(void);
#endif
