/* completion.c - whinchat completion: scripts for shells, written from the tables of options. */
#include <string.h>

#include "cli.h"

struct completion_args {
    struct cli_common common;
};

/* Calls fn for every option of a command that help shows. */
static void each_option(const cli_command *command,
                        void (*fn)(const cli_command *command, const cli_option *o))
{
    for (const cli_group *g = command->groups; g->options; g++)
        for (const cli_option *o = g->options; o->name; o++)
            if (o->help)
                fn(command, o);
}

/* list "a,b" as words. */
static void print_words(const char *list)
{
    for (; *list; list++)
        putchar(*list == ',' ? ' ' : *list);
}

/* What may stand for a value, as a word in the scripts. */
static const char *kind_of(enum cli_value value)
{
    return value == CLI_FILE ? "file" : value == CLI_FOLDER ? "folder" : value == CLI_MODEL ? "model" : "any";
}

/* ---- bash ---- */

static const char bash_head[] =
    "# bash completion for whinchat: source <(whinchat completion bash)\n"
    "_whinchat() {\n"
    "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} command=${COMP_WORDS[1]}\n"
    "    local options= operand=any\n"
    "    COMPREPLY=()\n"
    "    if [ \"$prev\" = = ]; then prev=${COMP_WORDS[COMP_CWORD-2]}; fi\n"
    "    if [ \"$cur\" = = ]; then prev=${COMP_WORDS[COMP_CWORD-1]} cur=; fi\n"
    "    if [ \"$COMP_CWORD\" -eq 1 ]; then\n";

static const char bash_tail[] =
    "    esac\n"
    "    if [ -z \"$value\" ]; then\n"
    "        case $cur in -*) COMPREPLY=($(compgen -W \"$options\" -- \"$cur\")); return;; esac\n"
    "        value=$operand\n"
    "    fi\n"
    "    case $value in\n"
    "    file) compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -f -- \"$cur\"));;\n"
    "    folder) compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -d -- \"$cur\"));;\n"
    "    model) compopt -o filenames 2>/dev/null\n"
    "        COMPREPLY=($(compgen -W \"$(whinchat list --names 2>/dev/null)\" -- \"$cur\") $(compgen -f -- "
    "\"$cur\"));;\n"
    "    any) ;;\n"
    "    *) COMPREPLY=($(compgen -W \"$value\" -- \"$cur\"));;\n"
    "    esac\n"
    "}\n"
    "complete -F _whinchat whinchat\n";

static void bash_option(const cli_command *command, const cli_option *o)
{
    if (o->letter)
        printf("-%c ", o->letter);
    printf("--%s ", o->name);
}

static void bash_value(const cli_command *command, const cli_option *o)
{
    if (o->kind == CLI_FLAG)
        return;
    printf("    %s:--%s", command->name, o->name);
    if (o->letter)
        printf("|%s:-%c", command->name, o->letter);
    printf(") value='");
    print_words(o->choices ? o->choices : kind_of(o->value));
    printf("';;\n");
}

static void print_bash(void)
{
    fputs(bash_head, stdout);
    printf("        COMPREPLY=($(compgen -W '");
    for (size_t i = 0; cli_commands[i]; i++)
        printf("%s ", cli_commands[i]->name);
    printf("--help --version' -- \"$cur\"))\n        return\n    fi\n    case $command in\n");
    for (size_t i = 0; cli_commands[i]; i++) {
        printf("    %s) options='", cli_commands[i]->name);
        each_option(cli_commands[i], bash_option);
        printf("' operand='");
        print_words(cli_commands[i]->operand_choices ? cli_commands[i]->operand_choices
                                                     : kind_of(cli_commands[i]->operand_value));
        printf("';;\n");
    }
    printf("    esac\n    local value=\n    case $command:$prev in\n");
    for (size_t i = 0; cli_commands[i]; i++)
        each_option(cli_commands[i], bash_value);
    fputs(bash_tail, stdout);
}

/* ---- zsh ---- */

static const char zsh_head[] = "#compdef whinchat\n"
                               "# zsh completion for whinchat: source <(whinchat completion zsh)\n"
                               "_whinchat_models() {\n"
                               "    local -a models\n"
                               "    models=(${(f)\"$(whinchat list --names 2>/dev/null)\"})\n"
                               "    compadd -a models\n"
                               "    _files\n"
                               "}\n"
                               "_whinchat() {\n"
                               "    local -a commands\n"
                               "    commands=(\n";

/* Text between single quotes, with what zsh's specifications treat as special escaped. */
static void zsh_text(const char *text)
{
    for (; *text; text++) {
        if (*text == '\'')
            fputs("'\\'", stdout);
        else if (strchr("[]:\\", *text))
            putchar('\\');
        putchar(*text);
    }
}

static void zsh_value(const char *arg, const char *choices, enum cli_value value)
{
    printf(":");
    zsh_text(arg);
    printf(":");
    if (choices) {
        printf("(");
        print_words(choices);
        printf(")");
    } else {
        fputs(value == CLI_FILE     ? "_files"
              : value == CLI_FOLDER ? "_files -/"
              : value == CLI_MODEL  ? "_whinchat_models"
                                    : " ",
              stdout);
    }
}

static void zsh_spec(const cli_option *o, const char *dashes, const char *name, size_t n)
{
    printf(" \\\n        '%s%s%.*s%s[", o->kind == CLI_LIST ? "*" : "", dashes, (int)n, name,
           o->kind == CLI_FLAG ? ""
           : n > 1             ? "="
                               : "+");
    zsh_text(o->help);
    printf("]");
    if (o->kind != CLI_FLAG)
        zsh_value(o->arg, o->choices, o->value);
    printf("'");
}

static void zsh_option(const cli_command *command, const cli_option *o)
{
    if (o->letter)
        zsh_spec(o, "-", &o->letter, 1);
    zsh_spec(o, "--", o->name, strlen(o->name));
}

static void print_zsh(void)
{
    fputs(zsh_head, stdout);
    for (size_t i = 0; cli_commands[i]; i++) {
        printf("        '%s:", cli_commands[i]->name);
        zsh_text(cli_commands[i]->summary);
        printf("'\n");
    }
    printf("    )\n    if (( CURRENT == 2 )); then _describe command commands; return; fi\n"
           "    local command=$words[2]\n    shift words\n    (( CURRENT-- ))\n    case $command in\n");
    for (size_t i = 0; cli_commands[i]; i++) {
        const cli_command *c = cli_commands[i];
        printf("    %s) _arguments -s", c->name);
        each_option(c, zsh_option);
        if (c->operands[0]) {
            size_t min, max;
            cli_operand_range(c, &min, &max);
            printf(" \\\n        '%s", max > CLI_MAX_OPERANDS ? "*" : "1");
            zsh_value(c->operands[0], c->operand_choices, c->operand_value);
            printf("'");
        }
        printf(";;\n");
    }
    printf("    esac\n}\nif [ \"$funcstack[1]\" = _whinchat ]; then _whinchat \"$@\"; else compdef _whinchat "
           "whinchat; fi\n");
}

/* ---- fish ---- */

static void fish_text(const char *text)
{
    putchar('\'');
    for (; *text; text++) {
        if (*text == '\'' || *text == '\\')
            putchar('\\');
        putchar(*text);
    }
    putchar('\'');
}

static void fish_value(const char *choices, enum cli_value value)
{
    if (choices) {
        printf(" -a '");
        print_words(choices);
        printf("'");
    } else {
        fputs(value == CLI_FILE     ? " -F"
              : value == CLI_FOLDER ? " -a '(__fish_complete_directories)'"
              : value == CLI_MODEL  ? " -F -a '(whinchat list --names 2>/dev/null)'"
                                    : "",
              stdout);
    }
}

static void fish_option(const cli_command *command, const cli_option *o)
{
    printf("complete -c whinchat -n '__fish_seen_subcommand_from %s' -l %s", command->name, o->name);
    if (o->letter)
        printf(" -s %c", o->letter);
    if (o->kind != CLI_FLAG) {
        fputs(!o->choices && (o->value == CLI_FILE || o->value == CLI_MODEL) ? " -r" : " -x", stdout);
        fish_value(o->choices, o->value);
    }
    printf(" -d ");
    fish_text(o->help);
    putchar('\n');
}

static void print_fish(void)
{
    printf("# fish completion for whinchat: whinchat completion fish | source\ncomplete -c whinchat -f\n");
    for (size_t i = 0; cli_commands[i]; i++) {
        const cli_command *c = cli_commands[i];
        printf("complete -c whinchat -n __fish_use_subcommand -a %s -d ", c->name);
        fish_text(c->summary);
        putchar('\n');
        if (c->operands[0]) {
            printf("complete -c whinchat -n '__fish_seen_subcommand_from %s'", c->name);
            fish_value(c->operand_choices, c->operand_value);
            putchar('\n');
        }
        each_option(c, fish_option);
    }
}

static int run(struct cli *c, void *arguments)
{
    const struct completion_args *a = arguments;
    const char *shell = a->common.operands.items[0];
    if (strcmp(shell, "bash") == 0)
        print_bash();
    else if (strcmp(shell, "zsh") == 0)
        print_zsh();
    else
        print_fish();
    return cli_flush(c);
}

static const cli_group groups[] = {
    {"General", cli_common_options, 0},
    {NULL},
};

const cli_command cli_completion = {
    .name = "completion",
    .summary = "Print a completion script for a shell",
    .details = "The script completes commands, options, their values, and the names of models.",
    .examples = "source <(whinchat completion bash)\n"
                "whinchat completion zsh > ~/.zfunc/_whinchat\n"
                "whinchat completion fish > ~/.config/fish/completions/whinchat.fish",
    .operands = {"SHELL"},
    .operand_choices = "bash,zsh,fish",
    .groups = groups,
    .args_bytes = sizeof(struct completion_args),
    .run = run,
};
