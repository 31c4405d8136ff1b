/* convert.c - whinchat convert: a model folder as a GGUF file. */
#include <string.h>

#include "cli.h"

struct convert_args {
    struct cli_common common;
    const char *type;
};

static const cli_option convert_options[] = {
    {"type", 0, NULL, CLI_TEXT, "TYPE", offsetof(struct convert_args, type),
     "Type of the matrices: f32, f16, bf16 (default), q8_0 or q4_0", .choices = "f32,f16,bf16,q8_0,q4_0"},
    {NULL},
};

static int run(struct cli *c, void *arguments)
{
    const struct convert_args *a = arguments;
    const char *in = a->common.operands.items[0], *out = a->common.operands.items[1];
    wc_error err;
    const bool ok = wc_convert(in, out, a->type ? a->type : "bf16", cli_progress, c, &err);
    cli_progress_end(c);
    if (!ok)
        return cli_fail(c, CLI_MODEL_PHASE, &err);
    cli_note(c, "%s is written", out);
    return CLI_EXIT_OK;
}

static const cli_group groups[] = {
    {"Conversion", convert_options, 0},
    {"General", cli_common_options, 0},
    {NULL},
};

const cli_command cli_convert = {
    .name = "convert",
    .summary = "Write a model folder as a GGUF file",
    .details =
        "MODEL is a folder with safetensors; what is written is its text model, which llama.cpp and\n"
        "whinchat load. Vectors stay f32. q8_0 and q4_0 round as llama.cpp's reference does. The file\n"
        "appears under its name when it is whole.",
    .examples = "whinchat convert ./model model.gguf\n"
                "whinchat convert ./model model-q4_0.gguf --type q4_0",
    .operands = {"MODEL", "OUT.gguf"},
    .operand_value = CLI_MODEL,
    .groups = groups,
    .args_bytes = sizeof(struct convert_args),
    .run = run,
};
