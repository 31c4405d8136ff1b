/* convert.c - whinchat convert: a model folder as a GGUF file. */
#include <string.h>

#include "cli.h"

struct convert_args {
    struct cli_common common;
    const char *type;
    bool mmproj;
};

static const cli_option convert_options[] = {
    {"type", 0, NULL, CLI_TEXT, "TYPE", offsetof(struct convert_args, type),
     "Type of the matrices: f32, f16, bf16 (default), q8_0 or q4_0", .choices = "f32,f16,bf16,q8_0,q4_0"},
    {"mmproj", 0, NULL, CLI_FLAG, NULL, offsetof(struct convert_args, mmproj),
     "Write the picture tower in place of the text model: what --mmproj of other commands takes"},
    {NULL},
};

static int run(struct cli *c, void *arguments)
{
    const struct convert_args *a = arguments;
    const char *in = a->common.operands.items[0], *out = a->common.operands.items[1];
    const char *type = a->type ? a->type : "bf16";
    wc_error err;
    const bool ok = a->mmproj ? wc_convert_mmproj(in, out, type, cli_progress, c, &err)
                              : wc_convert(in, out, type, cli_progress, c, &err);
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
        "whinchat load, or with --mmproj its picture tower and projector (Gemma 3, Gemma 3n). Such a file\n"
        "is found by itself when it is called *mmproj*.gguf and lies beside the model's. Vectors stay\n"
        "f32. q8_0 and q4_0 round as llama.cpp's reference does; llama.cpp runs Gemma 3n's tower in f16\n"
        "only. A file appears under its name when it is whole.",
    .examples = "whinchat convert ./model model.gguf\n"
                "whinchat convert ./model model-q4_0.gguf --type q4_0\n"
                "whinchat convert ./model mmproj-model-f16.gguf --mmproj --type f16",
    .operands = {"MODEL", "OUT.gguf"},
    .operand_value = CLI_MODEL,
    .groups = groups,
    .args_bytes = sizeof(struct convert_args),
    .run = run,
};
