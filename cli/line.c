/* line.c - line editing by libedit where it was found at build time, plain lines otherwise.
 *
 * A signal must end the wait for a key whenever it comes, and whichever thread it comes to.  So its handler
 * writes to a pipe, and we wait for the pipe and the keyboard together; libedit is given our way of reading
 * characters. */
#include "line.h"

#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>
#include <wchar.h>
#ifdef CLI_HAVE_LIBEDIT
#include <histedit.h>
#endif

#include "base/buf.h"
#include "base/mem.h"
#include "cli.h"

enum { HISTORY_LINES = 1000, LINE_BYTES = 1 << 20 };

/* ---- keys and signals ---- */

/* The pipe that signals are written to. */
struct wake {
    int fd[2]; /* to read, to write; -1 */
};

static bool wake_open(struct wake *w)
{
    if (pipe2(w->fd, O_CLOEXEC | O_NONBLOCK) != 0) {
        w->fd[0] = w->fd[1] = -1;
        return false;
    }
    cli_hold_signals(w->fd[1]);
    return true;
}

static void wake_close(struct wake *w)
{
    cli_hold_signals(-1);
    for (int i = 0; i < 2; i++)
        if (w->fd[i] >= 0)
            close(w->fd[i]);
}

/* The next byte of the keyboard; -1 at its end or when a signal came. */
static int next_byte(const struct wake *w)
{
    for (;;) {
        struct pollfd wait[2] = {{STDIN_FILENO, POLLIN, 0}, {w->fd[0], POLLIN, 0}};
        unsigned char byte;
        if (poll(wait, 2, -1) < 0 && errno != EINTR)
            return -1;
        if (wait[1].revents)
            return -1;
        if (!wait[0].revents)
            continue;
        ssize_t n = read(STDIN_FILENO, &byte, 1);
        if (n == 1)
            return byte;
        if (n == 0 || errno != EINTR)
            return -1;
    }
}

/* What reading ended with; the signal is dealt with. */
static enum cli_line_result result_of(const struct wake *w, bool got_line)
{
    char bytes[64];
    int number = cli_signal();
    while (read(w->fd[0], bytes, sizeof bytes) > 0)
        ;
    cli_catch_signals(NULL);
    return number == SIGTERM ? CLI_LINE_TERMINATED
           : number          ? CLI_LINE_INTERRUPTED
           : got_line        ? CLI_LINE
                             : CLI_LINE_END;
}

#ifdef CLI_HAVE_LIBEDIT

struct cli_lines {
    EditLine *editor;
    History *history;
    const char *file;   /* NULL */
    const char *prompt; /* while a line is read */
    struct wake wake;
};

static cli_lines *lines_of(EditLine *editor)
{
    cli_lines *l = NULL;
    el_get(editor, EL_CLIENTDATA, &l);
    return l;
}

static char *current_prompt(EditLine *editor)
{
    return (char *)lines_of(editor)->prompt;
}

/* A character of the keyboard for libedit: 1, or -1 at the end. */
static int next_char(EditLine *editor, wchar_t *out)
{
    mbstate_t state = {0};
    for (;;) {
        int byte = next_byte(&lines_of(editor)->wake);
        char c = (char)byte;
        if (byte < 0)
            return -1;
        size_t n = mbrtowc(out, &c, 1, &state);
        if (n == (size_t)-1)
            memset(&state, 0, sizeof state);
        else if (n != (size_t)-2)
            return 1;
    }
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
    l->wake.fd[0] = l->wake.fd[1] = -1;
    l->editor = el_init("whinchat", stdin, stdout, stderr);
    l->history = history_init();
    if (!l->editor || !l->history || !wake_open(&l->wake)) {
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
    el_set(l->editor, EL_GETCFN, next_char);
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
    wake_close(&l->wake);
    wc_mem_free(l);
}

enum cli_line_result cli_lines_read(cli_lines *l, const char *prompt, const char **line, size_t *n)
{
    int count = 0;
    l->prompt = prompt;
    el_resize(l->editor);
    *line = el_gets(l->editor, &count);
    bool got = *line && count > 0;
    if (!got)
        el_reset(l->editor);
    *n = got ? (size_t)count - ((*line)[count - 1] == '\n') : 0;
    return result_of(&l->wake, got);
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
    struct wake wake;
};

cli_lines *cli_lines_open(const char *history_file)
{
    cli_lines *l = wc_mem_zalloc(1, sizeof *l);
    if (!l)
        return NULL;
    wc_buf_init(&l->line, LINE_BYTES);
    if (wake_open(&l->wake))
        return l;
    cli_lines_close(l);
    return NULL;
}

void cli_lines_close(cli_lines *l)
{
    if (!l)
        return;
    wake_close(&l->wake);
    wc_buf_release(&l->line);
    wc_mem_free(l);
}

enum cli_line_result cli_lines_read(cli_lines *l, const char *prompt, const char **line, size_t *n)
{
    int byte;
    wc_buf_reset(&l->line);
    for (const char *p = prompt; *p; p++) /* '\1' marks what takes no place on the screen */
        if (*p != '\1')
            putchar(*p);
    fflush(stdout);
    while ((byte = next_byte(&l->wake)) >= 0 && byte != '\n')
        wc_buf_putc(&l->line, (char)byte);
    *line = wc_buf_str(&l->line);
    *n = l->line.size;
    return result_of(&l->wake, byte == '\n' || *n > 0);
}

void cli_lines_remember(cli_lines *l, const char *entry)
{
}

const char *cli_lines_library(void)
{
    return "none";
}

#endif
