/* rm.c - whinchat rm: a model out of the Hugging Face cache. */
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "hub/remove.h"

struct rm_args {
    struct cli_common common;
    bool yes;
};

static const cli_option rm_options[] = {
    {"yes", 'y', NULL, CLI_FLAG, NULL, offsetof(struct rm_args, yes), "Do not ask"},
    {NULL},
};

static int run(struct cli *c, void *arguments)
{
    const struct rm_args *a = arguments;
    const char *name = a->common.operands.items[0];
    hub_removal plan;
    char size[40];
    wc_error err;
    if (!hub_removal_plan(c->arena, name, &plan, &err))
        return cli_fail(c, CLI_MODEL_PHASE, &err);
    cli_bytes((double)plan.bytes, size, sizeof size);
    if (!a->yes && !cli_can_ask())
        return cli_usage(c, "%s would be removed, %s; there is no terminal to ask: say --yes", name, size);
    if (!a->yes && !cli_confirm(c, "Remove %s, %s, from %s?", name, size, plan.repo))
        return CLI_EXIT_FAILED;
    if (!hub_remove(c->arena, name, &plan, &err))
        return cli_fail(c, CLI_MODEL_PHASE, &err);
    cli_note(c, "%s: removed, %s", name, size);
    return CLI_EXIT_OK;
}

static const cli_group groups[] = {
    {"Removing", rm_options, 0},
    {"General", cli_common_options, 0},
    {NULL},
};

const cli_command cli_rm = {
    .name = "rm",
    .summary = "Remove a model from the Hugging Face cache",
    .details =
        "MODEL is OWNER/NAME, for all of it, or with @REVISION or :FILE for one snapshot or one file, as\n"
        "'whinchat help pull' explains. Contents that another snapshot holds stay. A terminal is asked\n"
        "first; elsewhere --yes is needed.",
    .examples = "whinchat rm google/gemma-3-270m-it\n"
                "whinchat rm ggml-org/gemma-3-1b-it-GGUF:Q4_K_M --yes",
    .operands = {"MODEL"},
    .operand_value = CLI_MODEL,
    .groups = groups,
    .args_bytes = sizeof(struct rm_args),
    .run = run,
};
