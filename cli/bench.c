/* bench.c - whinchat bench: how fast a model runs here, beside what the machine can do. */
#include <limits.h>
#include <string.h>

#include "cli.h"

struct bench_args {
    struct cli_common common;
    struct cli_model_args model;
    struct cli_int prefill, decode, repeat;
    const char *shape, *dtype;
    bool image, audio, ceilings, json;
};

#define AT(field) offsetof(struct bench_args, field)

static const cli_option bench_options[] = {
    {"prefill", 'p', "pp", CLI_INT, "N", AT(prefill), "Measure reading a prompt of N tokens (default 512)", 0,
     INT_MAX},
    {"decode", 'n', "tg", CLI_INT, "N", AT(decode), "Measure writing N tokens (default 128)", 0, INT_MAX},
    {"image", 0, NULL, CLI_FLAG, NULL, AT(image), "Measure encoding a picture as well"},
    {"audio", 0, NULL, CLI_FLAG, NULL, AT(audio), "Measure encoding the longest sound as well"},
    {"repeat", 'r', NULL, CLI_INT, "R", AT(repeat), "Measure R times and take the medians (default 3)", 1,
     100},
    {"shape", 0, NULL, CLI_TEXT, "CONFIG.json", AT(shape), "Measure this configuration with made-up weights",
     .value = CLI_FILE},
    {"dtype", 0, NULL, CLI_TEXT, "TYPE", AT(dtype), "Type of the made-up weights: bf16 (default), f16 or f32",
     .choices = "bf16,f16,f32"},
    {"ceilings", 0, NULL, CLI_FLAG, NULL, AT(ceilings),
     "Measure only the machine: arithmetic and reading of memory"},
    {"json", 0, NULL, CLI_FLAG, NULL, AT(json), "Print one JSON object"},
    {NULL},
};

/* A row of the table: a figure, what it is divided by, its unit, and its share of the machine's ceiling. */
static const struct row {
    const char *key, *label, *tokens, *share, *unit;
    double scale;
} rows[] = {
    {"prefill_tokens_per_second", "prefill", "prefill_tokens", "prefill_share_of_ceiling", "tokens/s", 1},
    {"decode_tokens_per_second", "decode", "decode_tokens", "decode_share_of_read_bandwidth", "tokens/s", 1},
    {"image_encode_seconds", "picture", NULL, "image_share_of_ceiling", "ms", 1e-3},
    {"audio_encode_seconds", "sound", NULL, "audio_share_of_ceiling", "ms", 1e-3},
    {"load_seconds", "load", NULL, NULL, "ms", 1e-3},
    {"first_token_seconds", "first token", NULL, NULL, "ms", 1e-3},
    {"peak_resident_bytes", "peak memory", NULL, NULL, "MiB", 1 << 20},
    {"ceiling_flops_per_second", "arithmetic", NULL, NULL, "Gflop/s", 1e9},
    {"ceiling_bytes_per_second", "memory read", NULL, NULL, "GB/s", 1e9},
};

static void print_table(const wc_json *root, const void *arguments)
{
    (void)arguments;
    const wc_json *level = wc_json_get(root, "level");
    printf("level %s, %.0f threads, medians of %.0f\n",
           wc_json_is(level, WC_JSON_STRING) ? level->u.text : "?",
           wc_json_number(wc_json_get(root, "threads"), 0), wc_json_number(wc_json_get(root, "repeat"), 0));
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct row *r = &rows[i];
        double x = wc_json_number(wc_json_get(root, r->key), 0),
               tokens = wc_json_number(wc_json_get(root, r->tokens ? r->tokens : ""), 0);
        if (x <= 0)
            continue;
        char label[60];
        if (tokens > 0)
            snprintf(label, sizeof label, "%s %.0f", r->label, tokens);
        else
            snprintf(label, sizeof label, "%s", r->label);
        printf("%-16s %12.2f %s", label, x / r->scale, r->unit);
        double share = wc_json_number(wc_json_get(root, r->share ? r->share : ""), 0);
        if (share > 0)
            printf("  (%.0f %% of the ceiling)", 100 * share);
        putchar('\n');
    }
}

static int run(struct cli *c, void *arguments)
{
    const struct bench_args *a = arguments;
    const char *name = a->common.operands.n ? a->common.operands.items[0] : a->shape;
    wc_model_options model_options = cli_model_of(&a->model);
    bool asked = a->prefill.given || a->decode.given;
    const wc_bench_options options = {
        .size = sizeof options,
        .n_prefill = asked ? a->prefill.value : 512,
        .n_decode = asked ? a->decode.value : 128,
        .image = a->image,
        .audio = a->audio,
        .repeat = a->repeat.value,
        .only = a->ceilings ? "ceilings" : NULL,
    };
    wc_error err;
    if (a->shape && a->common.operands.n)
        return cli_usage(c, "MODEL and --shape exclude each other");
    if (!name && !a->ceilings)
        return cli_usage(c, "missing argument MODEL, or --shape CONFIG.json");
    if (a->dtype && !a->shape)
        return cli_usage(c, "--dtype goes with --shape");
    if (a->shape)
        model_options.random_dtype = a->dtype ? a->dtype : "bf16";
    return cli_report(c, wc_bench(name, &model_options, &options, &err), a->json, print_table, a,
                      CLI_MODEL_PHASE, &err);
}

static const cli_group groups[] = {
    {"Measurements", bench_options, 0},
    {"Model", cli_model_options, AT(model)},
    {"General", cli_common_options, 0},
    {NULL},
};

const cli_command cli_bench = {
    .name = "bench",
    .summary = "Measure speed and memory",
    .details = "Prints medians, each beside its share of what the machine can do, measured in the same\n"
               "run. Without --prefill and --decode it measures a prompt of 512 tokens and 128 tokens of\n"
               "answer; --image adds a picture, --audio a sound of 30 seconds.\n"
               "\n"
               "Keys of --json: prefill_tokens_per_second, decode_tokens_per_second,\n"
               "image_encode_seconds, audio_encode_seconds, load_seconds, first_token_seconds,\n"
               "peak_resident_bytes, ceiling_flops_per_second, ceiling_bytes_per_second and others.",
    .examples = "whinchat bench ./model --prefill 512 --decode 128 --image --threads 2 --json\n"
                "whinchat bench --shape config.json --dtype bf16",
    .operands = {"[MODEL]"},
    .operand_value = CLI_MODEL,
    .groups = groups,
    .args_bytes = sizeof(struct bench_args),
    .run = run,
};
