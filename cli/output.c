/* output.c - the program's streams: errors, notes, progress, colours, signals. */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json.h"
#include "base/os.h"
#include "base/utf8.h"
#include "cli.h"

/* What the signal handler knows.  There is one run of the program, so there is one of these. */
static wc_session *volatile signal_session;
static volatile sig_atomic_t signal_seen, signal_fd = -1;
static volatile sig_atomic_t progress_shown; /* a line without an end stands on the terminal */
static const char erase_line[] = "\r\033[K";

/* ---- signals ---- */

static void on_signal(int number)
{
    wc_session *session = signal_session;
    bool held = !session && signal_fd >= 0;
    if (!held && (!session || signal_seen)) {
        if (progress_shown && write(STDERR_FILENO, erase_line, sizeof erase_line - 1) < 0)
            _exit(CLI_EXIT_SIGNAL + number);
        _exit(CLI_EXIT_SIGNAL + number);
    }
    signal_seen = number;
    if (session)
        wc_session_cancel(session);
    else if (write(signal_fd, "", 1) < 0)
        return; /* the pipe is full: who reads it will wake up */
}

void cli_catch_signals(wc_session *session)
{
    struct sigaction act = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigemptyset(&act.sa_mask);
    signal_seen = 0;
    signal_session = session;
    sigaction(SIGINT, &act, NULL);
    sigaction(SIGTERM, &act, NULL);
}

void cli_hold_signals(int fd)
{
    signal_fd = fd;
}

int cli_signal(void)
{
    return signal_seen;
}

/* A closed descriptor would be given to the next file that is opened, and the answer written into it. 
 * Stdout is opened for reading only, so that its use is an error. */
void cli_open_streams(void)
{
    for (int fd = 0; fd <= 2; fd++)
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF)
            if (open("/dev/null", fd == 1 ? O_RDONLY : O_RDWR) < 0)
                _exit(CLI_EXIT_FAILED);
    signal(SIGPIPE, SIG_IGN); /* see cli_send */
    cli_catch_signals(NULL);
}

/* ---- colour ---- */

static bool wants_color(const char *color, int fd)
{
    const char *term = getenv("TERM"), *none = getenv("NO_COLOR");
    if (color && strcmp(color, "auto") != 0)
        return strcmp(color, "always") == 0;
    return isatty(fd) && !(none && *none) && term && strcmp(term, "dumb") != 0;
}

void cli_set_color(struct cli *c, const char *color)
{
    c->color_out = wants_color(color, STDOUT_FILENO);
    c->color_err = wants_color(color, STDERR_FILENO);
}

/* ---- stderr ---- */

static int exit_status(int code, enum cli_phase phase)
{
    switch (code) {
    case WC_BAD_ARGUMENT:
        return phase == CLI_INPUT_PHASE ? CLI_EXIT_REFUSED : CLI_EXIT_USAGE;
    case WC_NO_MEMORY:
        return CLI_EXIT_MEMORY;
    case WC_REFUSED:
        return CLI_EXIT_REFUSED;
    case WC_CANCELLED:
        return CLI_EXIT_SIGNAL + (signal_seen ? signal_seen : SIGINT);
    case WC_NOT_FOUND:
    case WC_BAD_FILE:
    case WC_UNSUPPORTED:
        return phase == CLI_MODEL_PHASE ? CLI_EXIT_MODEL : CLI_EXIT_REFUSED;
    default:
        return CLI_EXIT_FAILED;
    }
}

/* Always as one line: a text of several has its line breaks escaped. */
static void print_error(struct cli *c, const char *text)
{
    wc_error line;
    wc_fail(&line, WC_FAILED, "%s", text);
    cli_progress_end(c);
    cli_send(c); /* what was said before stands before */
    fprintf(stderr, c->color_err ? "\033[31m%s%s\033[0m\n" : "%s%s\n", c->prefix, line.text);
}

int cli_fail(struct cli *c, enum cli_phase phase, const wc_error *err)
{
    int status = exit_status(err->code, phase);
    print_error(c, err->text);
    if (status == CLI_EXIT_USAGE && c->command)
        fprintf(stderr, "See 'whinchat help %s'.\n", c->command->name);
    return status;
}

void cli_warnings(struct cli *c, const wc_model *model)
{
    const char *info = wc_model_info(model);
    const wc_json *root = wc_json_parse(c->arena, info, strlen(info), "model info", 0, NULL);
    const wc_json *warnings = wc_json_get(root, "warnings");
    for (size_t i = 0; i < wc_json_count(warnings); i++)
        fprintf(stderr, "whinchat: warning: %s\n", wc_json_item(warnings, i)->u.text);
}

int cli_usage(struct cli *c, const char *format, ...)
{
    char text[900];
    wc_error err;
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (c->command)
        wc_fail(&err, WC_BAD_ARGUMENT, "%s: %s", c->command->name, text);
    else
        wc_fail(&err, WC_BAD_ARGUMENT, "%s", text);
    print_error(c, err.text);
    fprintf(stderr, "See 'whinchat help%s%s'.\n", c->command ? " " : "", c->command ? c->command->name : "");
    return CLI_EXIT_USAGE;
}

void cli_note(struct cli *c, const char *format, ...)
{
    char text[900];
    wc_error clean;
    va_list args;
    if (c->quiet)
        return;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    wc_fail(&clean, WC_OK, "%s", text);
    cli_progress_end(c);
    fprintf(stderr, "%s%s\n", c->prefix, clean.text);
}

/* Whether there is a terminal that shows progress, which begins now where it has not. */
static bool shows_progress(struct cli *c)
{
    const char *term = getenv("TERM");
    if (c->quiet || !isatty(STDERR_FILENO) || !term || strcmp(term, "dumb") == 0)
        return false;
    if (c->progress_start == 0)
        c->progress_start = wc_seconds();
    return true;
}

void cli_progress(void *cli, const char *stage, size_t done, size_t total)
{
    struct cli *c = cli;
    if (!shows_progress(c) || wc_seconds() - c->progress_start < 1)
        return;
    progress_shown = 1;
    fprintf(stderr, "%s%s %zu of %zu", erase_line, stage, done, total);
    fflush(stderr);
}

/* Columns of the terminal. */
static int terminal_width(void)
{
    struct winsize size;
    return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

void cli_progress_bytes(struct cli *c, const char *what, uint64_t done, uint64_t total)
{
    char line[300], have[40], all[40], rate[40], left[100] = "";
    const bool first = c->progress_start == 0;
    if (!shows_progress(c))
        return;
    if (first || done < c->progress_first) /* begun anew */
        c->progress_first = done;
    const double seconds = wc_seconds() - c->progress_start,
                 speed = (double)(done - c->progress_first) / seconds;
    if (seconds > 1 && speed > 0) {
        const double rest = fmin((double)(total - done) / speed, 359999);
        snprintf(left, sizeof left, "  %s/s  %d:%02d left", cli_bytes(speed, rate, sizeof rate),
                 (int)rest / 60, (int)rest % 60);
    }
    const int tenths = total > 0 ? (int)(10 * ((double)done / (double)total)) : 10;
    int n = snprintf(line, sizeof line, "[%.*s%.*s] %s of %s%s  %.80s", tenths, "##########", 10 - tenths,
                     "..........", cli_bytes((double)done, have, sizeof have),
                     cli_bytes((double)total, all, sizeof all), left, what);
    if (n >= terminal_width()) /* a line that wraps cannot be erased */
        n = terminal_width() - 1;
    while (n > 0 && ((unsigned char)line[n] & 0xc0) == 0x80) /* not within a character */
        n--;
    progress_shown = 1;
    fprintf(stderr, "%s%.*s", erase_line, n, line);
    fflush(stderr);
}

void cli_progress_end(struct cli *c)
{
    if (progress_shown)
        fputs(erase_line, stderr);
    progress_shown = 0;
    c->progress_start = 0;
}

/* ---- questions ---- */

bool cli_can_ask(void)
{
    return isatty(STDIN_FILENO) && isatty(STDERR_FILENO);
}

bool cli_confirm(struct cli *c, const char *format, ...)
{
    char text[900], answer[100];
    wc_error clean;
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    wc_fail(&clean, WC_OK, "%s", text);
    cli_progress_end(c);
    fprintf(stderr, "%s [y/N] ", clean.text);
    return fgets(answer, sizeof answer, stdin) && (answer[0] == 'y' || answer[0] == 'Y');
}

/* ---- stdout ---- */

static bool is_control(uint32_t c)
{
    return c < 0x20 || c == 0x7f || (c >= 0x80 && c < 0xa0);
}

/* text without control characters; line feeds and tabs stay when lines is true. */
static void print_clean(const char *text, size_t n, bool lines)
{
    for (size_t i = 0; i < n;) {
        uint32_t point;
        size_t len = wc_utf8_decode(text + i, n - i, &point);
        if (!is_control(point) || (lines && (point == '\n' || point == '\t')))
            fwrite(text + i, 1, len, stdout);
        else if (!lines)
            putchar('?');
        i += len;
    }
}

void cli_print_text(const char *text, size_t n)
{
    if (isatty(STDOUT_FILENO))
        print_clean(text, n, true);
    else
        fwrite(text, 1, n, stdout);
}

void cli_print_word(const char *text)
{
    print_clean(text, strlen(text), false);
}

bool cli_send(struct cli *c)
{
    if (fflush(stdout) != 0 && c->write_error == 0) {
        if (errno == EPIPE) /* "| head" has what it wants */
            _exit(CLI_EXIT_OK);
        c->write_error = errno;
    }
    return c->write_error == 0 && !ferror(stdout);
}

int cli_flush(struct cli *c)
{
    wc_error err;
    if (cli_send(c))
        return CLI_EXIT_OK;
    wc_fail(&err, WC_FAILED, "%s: write failed: %s", c->output,
            strerror(c->write_error ? c->write_error : EIO));
    print_error(c, err.text);
    return CLI_EXIT_FAILED;
}

/* What terminals obey and what many programs take for the end of a line is escaped; in JSON, it stands in
 * strings only. */
static void write_json(const char *json, size_t n)
{
    for (size_t i = 0; i < n;) {
        uint32_t point;
        size_t len = wc_utf8_decode(json + i, n - i, &point);
        if (is_control(point) || point == 0x2028 || point == 0x2029)
            printf("\\u%04x", (unsigned)point);
        else
            fwrite(json + i, 1, len, stdout);
        i += len;
    }
    putchar('\n');
}

int cli_print_json(struct cli *c, const char *json)
{
    write_json(json, strlen(json));
    return cli_flush(c);
}

int cli_report(struct cli *c, char *json, bool as_json,
               void (*print)(const wc_json *root, const void *arguments), const void *arguments,
               enum cli_phase phase, wc_error *err)
{
    const wc_json *root = json ? wc_json_parse(c->arena, json, strlen(json), c->command->name, 0, err) : NULL;
    int status = CLI_EXIT_OK;
    cli_progress_end(c);
    if (!root)
        status = cli_fail(c, phase, err);
    else if (as_json)
        status = cli_print_json(c, json);
    else
        print(root, arguments);
    wc_free(json);
    return status ? status : cli_flush(c);
}

int cli_print_json_buf(struct cli *c, const wc_buf *json)
{
    wc_error err;
    if (!wc_buf_check(json, "JSON output", &err))
        return cli_fail(c, CLI_INPUT_PHASE, &err);
    write_json(json->data, json->size);
    return cli_flush(c);
}

void cli_json_number(wc_buf *b, double x)
{
    if (isfinite(x))
        wc_buf_json_double(b, x);
    else
        wc_buf_puts(b, "null");
}

const char *cli_bytes(double bytes, char *out, size_t room)
{
    static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
    size_t unit = 0;
    while (bytes >= 1024 && unit + 1 < sizeof units / sizeof *units) {
        bytes /= 1024;
        unit++;
    }
    snprintf(out, room, unit ? "%.1f %s" : "%.0f %s", bytes, units[unit]);
    return out;
}

bool cli_redirect(struct cli *c, const char *path, wc_error *err)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
    if (fd < 0 || dup2(fd, STDOUT_FILENO) < 0) {
        wc_fail(err, WC_FAILED, "--output %s: cannot be written: %s", path, strerror(errno));
        if (fd >= 0)
            close(fd);
        return false;
    }
    close(fd);
    c->output = path;
    return true;
}

void cli_empty_output(void)
{
    struct stat st;
    if (fstat(STDOUT_FILENO, &st) == 0 && S_ISREG(st.st_mode) && ftruncate(STDOUT_FILENO, 0) != 0)
        return; /* a write will tell */
}
