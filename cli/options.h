/* options.h - one table of options a command drives parsing, --help, the man page and shell completion.
 *
 * A command's arguments are a struct that begins with struct cli_common; every option says at which offset
 * of it its value lies.  Groups (the model's options, the sampler's) are tables of their own that several
 * commands embed. */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"

enum cli_option_kind {
    CLI_FLAG, /* bool */
    CLI_INT,  /* struct cli_int: min to max */
    CLI_SEED, /* struct cli_seed: 0 to 2^64 - 1 */
    CLI_REAL, /* struct cli_real: min to max */
    CLI_TEXT, /* const char *, NULL when not given */
    CLI_LIST  /* struct cli_list: may be given several times */
};

struct cli_int {
    bool given;
    int value;
};

struct cli_seed {
    bool given;
    uint64_t value;
};

struct cli_real {
    bool given;
    double value;
};

struct cli_list {
    const char **items; /* [n] of argv */
    size_t n;
};

/* What the value of a CLI_TEXT or CLI_LIST is, for completion; files and folders must not be empty. */
enum cli_value { CLI_ANY, CLI_FILE, CLI_FOLDER, CLI_MODEL };

typedef struct cli_option {
    const char *name;    /* "max-new-tokens" */
    char letter;         /* 'n' or 0 */
    const char *aliases; /* further long names, separated by commas; NULL */
    enum cli_option_kind kind;
    const char *arg;  /* what help calls the value, "N"; NULL for flags */
    size_t offset;    /* of the value, within the group's struct */
    const char *help; /* one sentence without a full stop; NULL: not shown */
    double min, max;  /* of numbers */
    bool above_min;   /* min itself is not allowed */
    bool env;         /* WHINCHAT_MAX_NEW_TOKENS is taken when the option is not given */
    enum cli_value value;
    const char *choices; /* the values allowed, separated by commas; NULL: any */
} cli_option;

typedef struct cli_group {
    const char *title;         /* "Sampling" */
    const cli_option *options; /* ends with one whose name is NULL */
    size_t offset;             /* of the group's struct, within the command's arguments */
} cli_group;

/* What every command takes; the arguments of a command begin with it. */
struct cli_common {
    struct cli_list operands; /* what is no option */
    bool help, quiet;
    const char *color;
};

enum { CLI_MAX_OPERANDS = 2 };

struct cli;

typedef struct cli_command {
    const char *name, *summary;
    const char *details;                    /* paragraphs for help and the man page; NULL */
    const char *examples;                   /* lines; NULL */
    const char *operands[CLI_MAX_OPERANDS]; /* "MODEL", "[PROMPT]", "DIR..." */
    enum cli_value operand_value;           /* of the first, for completion */
    const char *operand_choices;            /* of the first, separated by commas; NULL: any */
    const cli_group *groups;                /* ends with one whose options are NULL */
    size_t args_bytes;
    int (*run)(struct cli *c, void *args); /* gives the exit status */
} cli_command;

extern const cli_option cli_common_options[];

/* Fills args (zeroed, command->args_bytes) from argv [argc], which begins behind the command's name, and
 * from the environment.  Lists are allocated in the arena.  false with a line that names the option. */
bool cli_parse(const cli_command *command, int argc, char **argv, void *args, wc_arena *a, wc_error *err);
/* Sets one option of a table by its name to a value, as --name=value would. */
bool cli_set_option(const cli_option *table, const char *name, const char *value, void *group, wc_arena *a,
                    wc_error *err);
/* Fewest operands, and the most (SIZE_MAX for "DIR..."). */
void cli_operand_range(const cli_command *command, size_t *min, size_t *max);
/* Whether list "a,b,c" holds word [n]. */
bool cli_in_list(const char *list, const char *word, size_t n);
/* Of the n names the one most like word; NULL when none is like it. */
const char *cli_closest(const char *word, const char *const *names, size_t n);
/* The whole argument as a plain decimal number: "5", "-1", "0.25"; no exponent, no space, no locale. */
bool cli_number(const char *text, bool fraction, double *value);
#endif
