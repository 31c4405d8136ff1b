/* help.c - whinchat help and version, and the man page: all written from the tables of options. */
#include <string.h>

#include "cli.h"

struct help_args {
    struct cli_common common;
    bool man;
};

static const cli_option help_options[] = {
    {"man", 0, NULL, CLI_FLAG, NULL, offsetof(struct help_args, man), NULL},
    {NULL},
};

enum { HELP_WIDTH = 100, HELP_INDENT = 30 };

/* text broken at spaces to lines of HELP_WIDTH; the first begins at column at, the others at HELP_INDENT. */
static void print_wrapped(const char *text, int at)
{
    for (bool first = true; *text; first = false) {
        int n = (int)strcspn(text, " ");
        if (!first && at + 1 + n > HELP_WIDTH) {
            printf("\n%*s", HELP_INDENT, "");
            at = HELP_INDENT;
        } else if (!first) {
            putchar(' ');
            at++;
        }
        printf("%.*s", n, text);
        at += n;
        text += n + (text[n] == ' ');
    }
    putchar('\n');
}

static void print_option(const cli_option *o)
{
    int n = o->letter ? printf("  -%c, --%s", o->letter, o->name) : printf("      --%s", o->name);
    if (o->arg)
        n += printf(" %s", o->arg);
    if (n > HELP_INDENT - 2) {
        putchar('\n');
        n = 0;
    }
    printf("%*s", HELP_INDENT - n, "");
    print_wrapped(o->help, HELP_INDENT);
}

static bool shows_any(const cli_group *g)
{
    for (const cli_option *o = g->options; o->name; o++)
        if (o->help)
            return true;
    return false;
}

static void print_usage(const cli_command *c)
{
    printf("whinchat %s", c->name);
    for (int i = 0; i < CLI_MAX_OPERANDS && c->operands[i]; i++)
        printf(" %s", c->operands[i]);
}

/* The lines of text, each behind indent. */
static void print_lines(const char *text, const char *indent)
{
    while (*text) {
        int n = (int)strcspn(text, "\n");
        printf("%s%.*s\n", n ? indent : "", n, text);
        text += n + (text[n] == '\n');
    }
}

void cli_print_help(const cli_command *c)
{
    printf("Usage: ");
    print_usage(c);
    printf(" [OPTIONS]\n%s.\n", c->summary);
    if (c->details) {
        putchar('\n');
        print_lines(c->details, "");
    }
    for (const cli_group *g = c->groups; g->options; g++) {
        if (!shows_any(g))
            continue;
        printf("\n%s:\n", g->title);
        for (const cli_option *o = g->options; o->name; o++)
            if (o->help)
                print_option(o);
    }
    if (c->examples) {
        printf("\nExamples:\n");
        print_lines(c->examples, "  ");
    }
}

void cli_print_overview(FILE *to)
{
    fprintf(to, "Usage: whinchat COMMAND [ARGUMENTS] [OPTIONS]\n"
                "Runs small language models on this machine; nothing leaves it.\n\n");
    size_t i = 0;
    for (; cli_commands[i] && cli_commands[i] != &cli_bench; i++)
        fprintf(to, "  %-12s %s\n", cli_commands[i]->name, cli_commands[i]->summary);
    for (; cli_commands[i];
         i++) /* those that measure or are about the program, so that all fits one screen */
        fprintf(to, "  %s%s", cli_commands[i]->name, cli_commands[i + 1] ? "" : " \n");
    fprintf(to, "\nMODEL is a folder or a name; 'whinchat help COMMAND' tells more. For a start:\n"
                "  whinchat run gemma-3n-mini-it -p \"Hello, who are you?\"\n");
}

/* ---- the man page, in mdoc ---- */

/* Text for mdoc: what would be a macro or an escape is none. */
static void man_text(const char *text)
{
    bool start = true;
    for (; *text; text++) {
        if (start && (*text == '.' || *text == '\''))
            fputs("\\&", stdout);
        if (*text == '\\')
            fputs("\\e", stdout);
        else if (*text == '-')
            fputs("\\-", stdout);
        else
            putchar(*text);
        start = *text == '\n';
    }
}

/* An argument of a macro, in quotes. */
static void man_argument(const char *text)
{
    putchar('"');
    for (; *text; text++)
        fputs(*text == '"' ? "\"\"" : *text == '\\' ? "\\e" : (char[]){*text, '\0'}, stdout);
    putchar('"');
}

/* Paragraphs, which empty lines separate. */
static void man_paragraphs(const char *text)
{
    printf(".Pp\n");
    for (const char *p = text; *p;) {
        int n = (int)strcspn(p, "\n");
        char line[400];
        snprintf(line, sizeof line, "%.*s", n, p);
        if (n == 0)
            printf(".Pp\n");
        else
            man_text(line), putchar('\n');
        p += n + (p[n] == '\n');
    }
}

static void man_option(const cli_option *o)
{
    printf(".It ");
    if (o->letter)
        printf("Fl %c , ", o->letter);
    printf("Fl \\-%s", o->name);
    if (o->arg) {
        printf(" Ar ");
        man_argument(o->arg);
    }
    putchar('\n');
    man_text(o->help);
    printf(".\n");
    if (o->aliases) {
        printf("Also: ");
        for (const char *p = o->aliases; *p;) {
            int n = (int)strcspn(p, ",");
            printf("\\-\\-%.*s%s", n, p, p[n] ? ", " : ".\n");
            p += n + (p[n] == ',');
        }
    }
    if (o->env) {
        printf("Environment: WHINCHAT_");
        for (const char *p = o->name; *p; p++)
            putchar(*p == '-' ? '_' : *p - 'a' + 'A');
        printf(".\n");
    }
}

static void man_options(const cli_group *g)
{
    printf(".Pp\n%s:\n.Bl -tag -width Ds\n", g->title);
    for (const cli_option *o = g->options; o->name; o++)
        if (o->help)
            man_option(o);
    printf(".El\n");
}

static void man_command(const cli_command *c)
{
    printf(".Ss ");
    print_usage(c);
    printf("\n");
    man_text(c->summary);
    printf(".\n");
    if (c->details)
        man_paragraphs(c->details);
    for (const cli_group *g = c->groups; g->options; g++)
        if (shows_any(g) && g->options != cli_common_options)
            man_options(g);
    if (c->examples) {
        printf(".Pp\nExamples:\n.Bd -literal -offset indent\n");
        man_text(c->examples);
        printf("\n.Ed\n");
    }
}

static const char man_head[] =
    ".Dd November 24, 2026\n"
    ".Dt WHINCHAT 1\n"
    ".Os\n"
    ".Sh NAME\n"
    ".Nm whinchat\n"
    ".Nd run small language models on this machine\n"
    ".Sh SYNOPSIS\n"
    ".Nm\n"
    ".Ar command\n"
    ".Op Ar arguments\n"
    ".Op Ar options\n"
    ".Sh DESCRIPTION\n"
    "whinchat answers with a model that lies on this machine: words, and pictures for models that see.\n"
    "Nothing is fetched from the network but by\n"
    ".Cm pull ,\n"
    "and nothing is sent.\n"
    ".Pp\n"
    "MODEL is a folder as Hugging Face saves it, a name in the Hugging Face cache, or a model that ships "
    "with\n"
    "whinchat.\n"
    "Options may stand before and after arguments, as\n"
    ".Fl \\-option Ns = Ns Ar value\n"
    "or\n"
    ".Fl \\-option Ar value ;\n"
    ".Fl \\-\n"
    "ends them.\n"
    "Numbers are plain decimal.\n";

static const char man_tail[] = ".Sh ENVIRONMENT\n"
                               ".Bl -tag -width Ds\n"
                               ".It Ev WHINCHAT_CPU\n"
                               "Use at most this kernel level: reference, neon, avx2, avx512,\n"
                               "avx512bf16 or amx.\n"
                               ".It Ev WHINCHAT_MODELS\n"
                               "A folder of models that are found by name before those that are shipped.\n"
                               ".It Ev HF_HUB_CACHE , HF_HOME\n"
                               "Where the Hugging Face cache lies.\n"
                               ".It Ev HF_ENDPOINT , HF_TOKEN , HF_HUB_OFFLINE\n"
                               "Whom pull asks, who it says that asks, and whether it may.\n"
                               ".It Ev NO_COLOR\n"
                               "No colour.\n"
                               ".It Ev XDG_STATE_HOME\n"
                               "Where the history of chat is kept.\n"
                               ".El\n"
                               ".Sh EXIT STATUS\n"
                               ".Bl -tag -width Ds\n"
                               ".It 0\n"
                               "All went well; also when the answer ended by its length.\n"
                               ".It 1\n"
                               "A failure at run time.\n"
                               ".It 2\n"
                               "A wrong command line.\n"
                               ".It 3\n"
                               "The model was not found or cannot be read.\n"
                               ".It 4\n"
                               "It does not fit into memory.\n"
                               ".It 5\n"
                               "A verification failed.\n"
                               ".It 6\n"
                               "The input was refused: a prompt too long, a picture that is broken.\n"
                               ".It 130, 143\n"
                               "Stopped by SIGINT, by SIGTERM.\n"
                               ".El\n";

static void print_man(void)
{
    fputs(man_head, stdout);
    man_options(&(cli_group){"Every command takes", cli_common_options, 0});
    printf(".Sh COMMANDS\n");
    for (size_t i = 0; cli_commands[i]; i++)
        man_command(cli_commands[i]);
    fputs(man_tail, stdout);
}

/* ---- the commands ---- */

static int run_help(struct cli *c, void *arguments)
{
    const struct help_args *a = arguments;
    const char *name = a->common.operands.n ? a->common.operands.items[0] : NULL;
    const cli_command *command = name ? cli_find_command(name) : NULL;
    if (name && !command)
        return cli_usage(c, "unknown command '%.200s'", name);
    if (a->man)
        print_man();
    else if (command)
        cli_print_help(command);
    else
        cli_print_overview(stdout);
    return cli_flush(c);
}

static int run_version(struct cli *c, void *arguments)
{
    printf("whinchat %s\nCPU level: %s\nLicence: Apache-2.0\n", wc_version(), wc_cpu_level());
    return cli_flush(c);
}

static const cli_group help_groups[] = {
    {"Help", help_options, 0},
    {"General", cli_common_options, 0},
    {NULL},
};

static const cli_group version_groups[] = {
    {"General", cli_common_options, 0},
    {NULL},
};

const cli_command cli_help = {
    .name = "help",
    .summary = "Tell about a command",
    .operands = {"[COMMAND]"},
    .groups = help_groups,
    .args_bytes = sizeof(struct help_args),
    .run = run_help,
};

const cli_command cli_version = {
    .name = "version",
    .summary = "Print version, kernel level of this CPU, and licence",
    .groups = version_groups,
    .args_bytes = sizeof(struct cli_common),
    .run = run_version,
};
