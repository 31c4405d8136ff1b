/* cli.h - what the commands share: streams, errors, signals, and the options that several of them take.
 *
 * The program is a client of whinchat.h; of src/ it uses base/ only.  Answers go to stdout, everything else
 * to stderr. */
#ifndef CLI_CLI_H
#define CLI_CLI_H
#include <stdio.h>

#include "base/buf.h"
#include "base/json.h"
#include "options.h"
#include "whinchat.h"

enum cli_exit {
    CLI_EXIT_OK = 0,
    CLI_EXIT_FAILED = 1, /* at run time: a failed write, logits that are not finite */
    CLI_EXIT_USAGE = 2,
    CLI_EXIT_MODEL = 3,   /* model not found or not readable */
    CLI_EXIT_MEMORY = 4,  /* does not fit */
    CLI_EXIT_VERIFY = 5,  /* a verification failed */
    CLI_EXIT_REFUSED = 6, /* input refused: too long, a bad picture */
    CLI_EXIT_SIGNAL = 128 /* + the signal's number: 130 by SIGINT, 143 by SIGTERM */
};

/* What was in work when an error came up: a wrong argument is a matter of the command line or of the input,
 * a broken file one of the model or of the input. */
enum cli_phase { CLI_ARGUMENT_PHASE, CLI_MODEL_PHASE, CLI_INPUT_PHASE };

enum { CLI_INPUT_BYTES = 16 << 20 }; /* the longest prompt, template or file of messages */

/* One run of the program. */
struct cli {
    const cli_command *command;
    wc_arena *arena; /* lives as long as the program */
    bool quiet;
    bool color_out, color_err;
    const char *prefix;      /* of lines on stderr: "whinchat: "; "" within a chat */
    const char *output;      /* what messages call stdout: the file of --output, or "stdout" */
    int write_error;         /* errno of the first failed write to stdout; 0 */
    double progress_start;   /* of the stage shown by cli_progress; 0: none */
    uint64_t progress_first; /* bytes done when it began */
};

/* ---- output.c ---- */

/* Opens descriptors 0 to 2 where they are closed, and sets up signals. */
void cli_open_streams(void);
/* Whether the streams take colour, from --color (NULL: auto) and the environment. */
void cli_set_color(struct cli *c, const char *color);
/* "whinchat: ..." on stderr and at most one line of what to do.  Gives the exit status that belongs to the
 * error. */
int cli_fail(struct cli *c, enum cli_phase phase, const wc_error *err);
/* The same for a wrong command line: the hint names the help. */
int cli_usage(struct cli *c, const char *format, ...) WC_PRINTF(2, 3);
/* What is odd about a model, a line each on stderr, also with --quiet. */
void cli_warnings(struct cli *c, const wc_model *model);
/* A line on stderr, unless --quiet. */
void cli_note(struct cli *c, const char *format, ...) WC_PRINTF(2, 3);
/* Text of others: control characters are left out when stdout is a terminal. */
void cli_print_text(const char *text, size_t n);
/* The same with control characters always replaced, and no line feeds: a word in a table. */
void cli_print_word(const char *text);
/* Sends what was printed to stdout; false when it cannot be written, now or before.  Ends the program,
 * quietly, when stdout is a pipe that nobody reads any more. */
bool cli_send(struct cli *c);
/* The same at the end of a command: gives the exit status, and tells of a failed write on stderr. */
int cli_flush(struct cli *c);
/* JSON as one line, then cli_flush. */
int cli_print_json(struct cli *c, const char *json);
int cli_print_json_buf(struct cli *c, const wc_buf *json);
/* Ends a command with what the library found: json as it is, or through print; json NULL: it failed with err.  json is
 * freed. */
int cli_report(struct cli *c, char *json, bool as_json,
               void (*print)(const wc_json *root, const void *arguments), const void *arguments,
               enum cli_phase phase, wc_error *err);
/* "1.5 GiB" in out. */
const char *cli_bytes(double bytes, char *out, size_t room);
/* A number in JSON; null for what is not finite. */
void cli_json_number(wc_buf *b, double x);
/* Makes stdout the file path, which keeps what it has until cli_empty_output; false when it cannot be
 * written. */
bool cli_redirect(struct cli *c, const char *path, wc_error *err);
/* Empties the file of cli_redirect, once there is something to take its place. */
void cli_empty_output(void);

/* Shows done of total on stderr once a stage takes longer than a second, on a terminal only.  A
 * wc_progress_fn. */
void cli_progress(void *cli, const char *stage, size_t done, size_t total);
void cli_progress_end(struct cli *c);
/* The same for bytes that are fetched, from the first on: a bar with how fast and how long. */
void cli_progress_bytes(struct cli *c, const char *what, uint64_t done, uint64_t total);

/* The session that SIGINT and SIGTERM cancel; NULL: they end the program at once. */
void cli_catch_signals(wc_session *session);
/* While no session is cancelled by them, signals are only noted and a byte is written to fd; -1: they end
 * the program. */
void cli_hold_signals(int fd);
/* The signal that came since cli_catch_signals, 0 for none. */
int cli_signal(void);

/* Whether somebody sits at a terminal who can be asked. */
bool cli_can_ask(void);
/* Asks on stderr; true when the answer begins with a y. */
bool cli_confirm(struct cli *c, const char *format, ...) WC_PRINTF(2, 3);

/* ---- arguments.c ---- */

struct cli_model_args {
    struct cli_int threads;
    const char *slice, *tokenizer, *config, *compute, *mmproj;
    bool offline;
};

struct cli_session_args {
    struct cli_int ctx;
    const char *kv;
};

/* Windows over a text. */
struct cli_window_args {
    struct cli_int ctx, stride;
};

struct cli_sampling_args {
    struct cli_int max_new_tokens, top_k;
    struct cli_real temperature, top_p, min_p, typical_p, repetition_penalty;
    struct cli_seed seed;
    struct cli_list stop;
    bool greedy, ignore_eos;
};

extern const cli_option cli_model_options[], cli_session_options[], cli_window_options[],
    cli_sampling_options[];

wc_model_options cli_model_of(const struct cli_model_args *a);
wc_session_options cli_session_of(const struct cli_session_args *a);
wc_text_options cli_windows_of(const struct cli_window_args *a, struct cli *c);
/* Greedy unless a sampling option or the model's own configuration asks otherwise.  stop lies in a. */
bool cli_generate_of(const struct cli_sampling_args *a, wc_generate_options *out, wc_error *err);

/* ---- the commands ---- */

extern const cli_command cli_run, cli_chat, cli_embed, cli_rerank, cli_classify, cli_fill, cli_index, cli_ask,
    cli_show, cli_verify, cli_tokenize, cli_template, cli_bench, cli_perplexity, cli_compare, cli_convert,
    cli_pull, cli_rm, cli_list, cli_doctor, cli_completion, cli_help, cli_version;
/* All of them, in the order of help; NULL at the end. */
extern const cli_command *const cli_commands[];
const cli_command *cli_find_command(const char *name);

/* chat with the options of run, when run has nothing to read and sits on a terminal. */
struct cli_prompt_args;
int cli_chat_start(struct cli *c, const char *model, const struct cli_model_args *m,
                   const struct cli_session_args *s, const struct cli_sampling_args *sampling,
                   const struct cli_prompt_args *prompt);

/* ---- help.c ---- */

void cli_print_help(const cli_command *command);
void cli_print_overview(FILE *to);
#endif
