/* line.c - line editing by libedit where it was found at build time, plain lines otherwise.
 *
 * libedit leaves signals alone (EL_SIGNAL off): ours interrupt its read, el_gets returns, and the terminal
 * is put back by libedit itself before we go on. */
#include "line.h"

#include <errno.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#ifdef CLI_HAVE_LIBEDIT
#include <histedit.h>
#endif

#include "base/buf.h"
#include "base/mem.h"

enum { HISTORY_LINES = 1000, LINE_BYTES = 1 << 20 };

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
    interrupted = number;
}

/* Signals interrupt reading while a line is typed. */
static void begin_signals(struct sigaction old[2])
{
    struct sigaction act = {.sa_handler = on_signal};
    sigemptyset(&act.sa_mask);
    interrupted = 0;
    sigaction(SIGINT, &act, &old[0]);
    sigaction(SIGTERM, &act, &old[1]);
}

static enum cli_line_result end_signals(const struct sigaction old[2], bool got_line)
{
    sigaction(SIGINT, &old[0], NULL);
    sigaction(SIGTERM, &old[1], NULL);
    return interrupted == SIGTERM ? CLI_LINE_TERMINATED
           : interrupted          ? CLI_LINE_INTERRUPTED
           : got_line             ? CLI_LINE
                                  : CLI_LINE_END;
}

#ifdef CLI_HAVE_LIBEDIT

struct cli_lines {
    EditLine *editor;
    History *history;
    const char *file;   /* NULL */
    const char *prompt; /* while a line is read */
};

static char *current_prompt(EditLine *editor)
{
    cli_lines *l = NULL;
    el_get(editor, EL_CLIENTDATA, &l);
    return (char *)l->prompt;
}

cli_lines *cli_lines_open(const char *history_file)
{
    HistEvent event;
    setlocale(LC_CTYPE, "");
    if (strcmp(setlocale(LC_CTYPE, NULL), "C") == 0 || strcmp(setlocale(LC_CTYPE, NULL), "POSIX") == 0)
        setlocale(LC_CTYPE, "C.UTF-8");
    cli_lines *l = wc_mem_zalloc(1, sizeof *l);
    if (!l)
        return NULL;
    l->file = history_file;
    l->editor = el_init("whinchat", stdin, stdout, stderr);
    l->history = history_init();
    if (!l->editor || !l->history) {
        l->file = NULL;
        cli_lines_close(l);
        return NULL;
    }
    history(l->history, &event, H_SETSIZE, HISTORY_LINES);
    history(l->history, &event, H_SETUNIQUE, 1);
    if (l->file)
        history(l->history, &event, H_LOAD, l->file);
    el_set(l->editor, EL_CLIENTDATA, l);
    el_set(l->editor, EL_PROMPT_ESC, current_prompt, '\1');
    el_set(l->editor, EL_EDITOR, "emacs");
    el_set(l->editor, EL_SIGNAL, 0);
    el_set(l->editor, EL_HIST, history, l->history);
    el_set(l->editor, EL_BIND, "^R", "em-inc-search-prev", NULL);
    el_source(l->editor, NULL); /* the user's ~/.editrc */
    return l;
}

void cli_lines_close(cli_lines *l)
{
    HistEvent event;
    if (!l)
        return;
    if (l->history && l->file)
        history(l->history, &event, H_SAVE, l->file);
    if (l->editor)
        el_end(l->editor);
    if (l->history)
        history_end(l->history);
    wc_mem_free(l);
}

enum cli_line_result cli_lines_read(cli_lines *l, const char *prompt, const char **line, size_t *n)
{
    struct sigaction old[2];
    int count = 0;
    l->prompt = prompt;
    begin_signals(old);
    *line = el_gets(l->editor, &count);
    bool got = *line && count > 0;
    if (!got)
        el_reset(l->editor);
    *n = got ? (size_t)count - ((*line)[count - 1] == '\n') : 0;
    return end_signals(old, got);
}

void cli_lines_remember(cli_lines *l, const char *entry)
{
    HistEvent event;
    history(l->history, &event, H_ENTER, entry);
}

const char *cli_lines_library(void)
{
    return "libedit";
}

#else

struct cli_lines {
    wc_buf line;
};

cli_lines *cli_lines_open(const char *history_file)
{
    cli_lines *l = wc_mem_zalloc(1, sizeof *l);
    if (l)
        wc_buf_init(&l->line, LINE_BYTES);
    return l;
}

void cli_lines_close(cli_lines *l)
{
    if (l)
        wc_buf_release(&l->line);
    wc_mem_free(l);
}

enum cli_line_result cli_lines_read(cli_lines *l, const char *prompt, const char **line, size_t *n)
{
    struct sigaction old[2];
    int byte = EOF;
    wc_buf_reset(&l->line);
    for (const char *p = prompt; *p; p++) /* '\1' marks what takes no place on the screen */
        if (*p != '\1')
            putchar(*p);
    fflush(stdout);
    begin_signals(old);
    while (!interrupted && (byte = getchar()) != EOF && byte != '\n')
        wc_buf_putc(&l->line, (char)byte);
    if (byte == EOF)
        clearerr(stdin);
    *line = wc_buf_str(&l->line);
    *n = l->line.size;
    return end_signals(old, byte == '\n' || *n > 0);
}

void cli_lines_remember(cli_lines *l, const char *entry)
{
}

const char *cli_lines_library(void)
{
    return "none";
}

#endif
