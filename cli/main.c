/* main.c - the program: finds the command in the table, reads its options, runs it. */
#include <string.h>

#include "base/mem.h"
#include "cli.h"

const cli_command *const cli_commands[] = {
    &cli_run,     &cli_chat,   &cli_embed,      &cli_rerank, &cli_classify,   &cli_fill,
    &cli_index,   &cli_ask,    &cli_show,       &cli_verify, &cli_tokenize,   &cli_template,
    &cli_convert, &cli_pull,   &cli_rm,         &cli_bench,  &cli_perplexity, &cli_compare,
    &cli_list,    &cli_doctor, &cli_completion, &cli_help,   &cli_version,    NULL,
};

const cli_command *cli_find_command(const char *name)
{
    for (size_t i = 0; cli_commands[i]; i++)
        if (strcmp(cli_commands[i]->name, name) == 0)
            return cli_commands[i];
    return NULL;
}

/* The command that the first argument means: a name, or --help, --version and their short forms. */
static const cli_command *command_of(const char *word)
{
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0)
        return &cli_help;
    if (strcmp(word, "--version") == 0 || strcmp(word, "-V") == 0)
        return &cli_version;
    return cli_find_command(word);
}

static int unknown_command(struct cli *c, const char *word)
{
    if (word[0] == '-')
        return cli_usage(c, "unknown option '%.200s'; options come after the command", word);
    const char *names[sizeof cli_commands / sizeof *cli_commands];
    size_t n = 0;
    char lower[40] = "";
    for (; cli_commands[n]; n++)
        names[n] = cli_commands[n]->name;
    for (size_t i = 0; word[i] && i + 1 < sizeof lower; i++)
        lower[i] = word[i] >= 'A' && word[i] <= 'Z' ? (char)(word[i] - 'A' + 'a') : word[i];
    const char *like = cli_closest(lower, names, n);
    return cli_usage(c, "unknown command '%.200s'%s%s%s", word, like ? "; did you mean '" : "",
                     like ? like : "", like ? "'?" : "");
}

static int run_command(struct cli *c, int argc, char **argv)
{
    struct cli_common *args = wc_mem_zalloc(1, c->command->args_bytes);
    wc_error err;
    int status;
    if (!args) {
        wc_fail_memory(&err, c->command->args_bytes);
        return cli_fail(c, CLI_ARGUMENT_PHASE, &err);
    }
    if (!cli_parse(c->command, argc, argv, args, c->arena, &err)) {
        wc_fail_within(&err, c->command->name);
        status = cli_fail(c, CLI_ARGUMENT_PHASE, &err);
    } else if (args->help) {
        cli_print_help(c->command);
        status = cli_flush(c);
    } else {
        c->quiet = args->quiet;
        cli_set_color(c, args->color);
        status = c->command->run(c, args);
    }
    wc_mem_free(args);
    return status;
}

int main(int argc, char **argv)
{
    struct cli c = {.prefix = "whinchat: ", .output = "stdout"};
    int status;
    cli_open_streams();
    cli_set_color(&c, NULL);
    if (argc < 2) {
        cli_print_overview(stderr);
        return CLI_EXIT_USAGE;
    }
    c.command = command_of(argv[1]);
    if (!c.command)
        return unknown_command(&c, argv[1]);
    c.arena = wc_arena_new(0);
    if (!c.arena) {
        wc_error err;
        wc_fail_memory(&err, 1);
        return cli_fail(&c, CLI_ARGUMENT_PHASE, &err);
    }
    status = run_command(&c, argc - 2, argv + 2);
    wc_arena_free(c.arena);
    return status;
}
