/* pull.c - whinchat pull: a model from the Hugging Face Hub into its cache. */
#include "pull.h"

#include <string.h>

#include "hub/pull.h"

struct pull_args {
    struct cli_common common;
    bool json;
};

static const cli_option output_options[] = {
    {"json", 0, NULL, CLI_FLAG, NULL, offsetof(struct pull_args, json),
     "Print one JSON object: name, commit, path, files, bytes, fetched_bytes"},
    {NULL},
};

static void on_note(void *user, const char *text)
{
    cli_note(user, "%s", text);
}

static void on_progress(void *user, const char *file, uint64_t done, uint64_t total)
{
    cli_progress_bytes(user, file, done, total);
}

static int print_json(struct cli *c, const hub_pulled *p)
{
    wc_buf b;
    wc_buf_init(&b, 1 << 20);
    wc_buf_puts(&b, "{\"name\":");
    wc_buf_json_string(&b, p->name, strlen(p->name));
    wc_buf_printf(&b, ",\"commit\":\"%s\",\"path\":", p->commit);
    wc_buf_json_string(&b, p->path, strlen(p->path));
    wc_buf_printf(&b, ",\"files\":%zu,\"bytes\":%llu,\"fetched_bytes\":%llu}", p->n_files,
                  (unsigned long long)p->bytes, (unsigned long long)p->fetched);
    const int status = cli_print_json_buf(c, &b);
    wc_buf_release(&b);
    return status;
}

/* Fetches a model with progress and a line of what was done. */
static bool fetch(struct cli *c, const char *name, hub_pulled *out, wc_error *err)
{
    const hub_events events = {on_note, on_progress, c};
    char size[40];
    if (!hub_pull(c->arena, name, &events, out, err))
        return false;
    cli_progress_end(c);
    if (out->fetched > 0)
        cli_note(c, "%s: %zu files, fetched %s", out->name, out->n_files,
                 cli_bytes((double)out->fetched, size, sizeof size));
    else
        cli_note(c, "%s: all %zu files are there already", out->name, out->n_files);
    return true;
}

wc_model *cli_open_model(struct cli *c, const char *name, const struct cli_model_args *a, wc_error *err)
{
    const wc_model_options options = cli_model_of(a);
    hub_pulled pulled;
    wc_model *model = wc_model_open(name, &options, err);
    if (model || err->code != WC_NOT_FOUND || a->offline || !cli_can_ask() || !hub_may_pull(c->arena, name) ||
        !cli_confirm(c, "%s is not here. Fetch it from the Hugging Face Hub?", name))
        return model;
    return fetch(c, name, &pulled, err) ? wc_model_open(name, &options, err) : NULL;
}

static int run(struct cli *c, void *arguments)
{
    const struct pull_args *a = arguments;
    hub_pulled pulled;
    wc_error err;
    if (!fetch(c, a->common.operands.items[0], &pulled, &err))
        return cli_fail(c, CLI_MODEL_PHASE, &err);
    if (a->json)
        return print_json(c, &pulled);
    cli_print_word(pulled.path);
    putchar('\n');
    return cli_flush(c);
}

static const cli_group groups[] = {
    {"Output", output_options, 0},
    {"General", cli_common_options, 0},
    {NULL},
};

const cli_command cli_pull = {
    .name = "pull",
    .summary = "Fetch a model from the Hugging Face Hub",
    .details =
        "MODEL is OWNER/NAME, as its page on the hub is called, then perhaps @REVISION (a branch, a tag or\n"
        "a commit) and :FILE (a file's name, or the quantization of a GGUF file, such as :Q4_K_M). What\n"
        "comes is what a model needs: configuration, tokenizer, templates and safetensors, or one GGUF\n"
        "file and the mmproj file of its pictures; never .bin files. It goes into the Hugging Face cache,\n"
        "where other programs find it too, and its folder is printed.\n"
        "\n"
        "A pull that was stopped goes on where it was; every file's sum is checked. This is the one\n"
        "command that asks the network.\n"
        "\n"
        "For models that are gated or private, HF_TOKEN or 'hf auth login' says who asks. HF_ENDPOINT\n"
        "names another hub, https_proxy a proxy, CURL_CA_BUNDLE certificates of your own;\n"
        "HF_HUB_OFFLINE=1 forbids it all.",
    .examples = "whinchat pull google/gemma-3-270m-it\n"
                "whinchat pull ggml-org/gemma-3-1b-it-GGUF:Q4_K_M",
    .operands = {"MODEL"},
    .groups = groups,
    .args_bytes = sizeof(struct pull_args),
    .run = run,
};
