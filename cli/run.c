/* run.c - whinchat run: one question, one answer. */
#include <string.h>
#include <unistd.h>

#include "answer.h"
#include "base/mem.h"
#include "base/os.h"
#include "prompt.h"
#include "pull.h"

struct run_args {
    struct cli_common common;
    struct cli_prompt_args prompt;
    struct cli_model_args model;
    struct cli_session_args session;
    struct cli_sampling_args sampling;
    struct cli_int logprobs;
    const char *output;
    bool json, timings;
};

static const cli_option output_options[] = {
    {"json", 0, NULL, CLI_FLAG, NULL, offsetof(struct run_args, json),
     "Print one JSON object: text, prompt_ids, ids, finish_reason, usage, timings"},
    {"logprobs", 0, NULL, CLI_INT, "N", offsetof(struct run_args, logprobs),
     "With --json: log-probability of each token and of the N best", 0, 20},
    {"output", 'o', NULL, CLI_TEXT, "FILE", offsetof(struct run_args, output),
     "Write the answer to this file", .value = CLI_FILE},
    {"timings", 'v', "verbose", CLI_FLAG, NULL, offsetof(struct run_args, timings), "Print timings on stderr",
     .env = true},
    {NULL},
};

/* Everything that one run holds. */
struct run {
    struct cli *c;
    const struct run_args *args;
    wc_model *model;
    wc_session *session;
    double load_seconds;
    wc_buf request, logprobs;
};

static void add_ids(wc_buf *b, const char *key, const int32_t *ids, size_t n)
{
    wc_buf_printf(b, ",\"%s\":[", key);
    for (size_t i = 0; i < n; i++)
        wc_buf_printf(b, "%s%d", i ? "," : "", (int)ids[i]);
    wc_buf_puts(b, "]");
}

static void add_second(wc_buf *b, const char *key, double x)
{
    wc_buf_printf(b, "\"%s\":%.6f", key, x);
}

static void add_timings(wc_buf *b, const wc_result *r, double load_seconds)
{
    wc_buf_puts(b, ",\"timings\":{");
    add_second(b, "load_seconds", load_seconds);
    wc_buf_puts(b, ",");
    add_second(b, "image_seconds", r->image_seconds);
    wc_buf_puts(b, ",");
    add_second(b, "audio_seconds", r->audio_seconds);
    wc_buf_puts(b, ",");
    add_second(b, "prefill_seconds", r->prefill_seconds);
    wc_buf_puts(b, ",");
    add_second(b, "first_token_seconds", r->first_token_seconds);
    wc_buf_puts(b, ",");
    add_second(b, "decode_seconds", r->decode_seconds);
    wc_buf_puts(b, "}");
}

static int print_json(struct run *r)
{
    static const char *const reasons[] = {"none", "stop", "length", "cancelled"};
    wc_result result = {.size = sizeof result};
    const char *text = wc_session_text(r->session);
    wc_buf b;
    wc_buf_init(&b, 256 << 20);
    wc_session_result(r->session, &result);
    wc_buf_puts(&b, "{\"text\":");
    wc_buf_json_string(&b, text, strlen(text));
    add_ids(&b, "prompt_ids", result.prompt_ids, result.n_prompt);
    add_ids(&b, "ids", result.ids, result.n_ids);
    wc_buf_printf(&b, ",\"finish_reason\":\"%s\",\"seed\":%llu", reasons[result.finish],
                  (unsigned long long)result.seed);
    wc_buf_printf(&b,
                  ",\"usage\":{\"prompt_tokens\":%zu,\"completion_tokens\":%zu,\"total_tokens\":%zu,"
                  "\"prompt_tokens_details\":{\"cached_tokens\":%zu}}",
                  result.n_prompt, result.n_ids, result.n_prompt + result.n_ids, result.n_cached);
    add_timings(&b, &result, r->load_seconds);
    if (r->args->logprobs.given)
        wc_buf_printf(&b, ",\"logprobs\":[%s]", wc_buf_str(&r->logprobs));
    wc_buf_puts(&b, "}");
    int status = cli_print_json_buf(r->c, &b);
    wc_buf_release(&b);
    return status;
}

/* Whether the prompt goes through the chat template. */
static bool wants_chat(const wc_model *model, const cli_prompt *p, const struct cli_prompt_args *a,
                       wc_arena *arena)
{
    const char *info = wc_model_info(model);
    const wc_json *root = wc_json_parse(arena, info, strlen(info), "model info", 0, NULL);
    bool template = wc_json_is(wc_json_get(root, "chat_template"), WC_JSON_TRUE);
    return !a->raw && (a->chat || p->request || p->system || template);
}

static int answer(struct run *r, const cli_prompt *p, const wc_generate_options *options)
{
    struct cli_answer a = {.c = r->c, .stream = !r->args->json};
    wc_generate_options o = *options;
    wc_prompt prompt;
    wc_error err;
    if (r->args->logprobs.given) {
        a.logprobs = &r->logprobs;
        o.n_logprobs = r->args->logprobs.value;
    }
    bool chat = wants_chat(r->model, p, &r->args->prompt, r->c->arena);
    bool ok = cli_prompt_make(r->c, p, chat, &r->request, &prompt, &err) &&
              cli_answer(&a, r->session, &prompt, &o, &err);
    if (a.failed)
        return cli_flush(r->c);
    if (!ok && cli_signal() != 0) {
        if (a.stream)
            putchar('\n');
        cli_send(r->c);
        return CLI_EXIT_SIGNAL + cli_signal();
    }
    if (!ok)
        return cli_fail(r->c, CLI_INPUT_PHASE, &err);
    if (r->args->json)
        return print_json(r);
    putchar('\n');
    return cli_flush(r->c);
}

static int open_and_answer(struct run *r, const cli_prompt *p, const wc_generate_options *options)
{
    const wc_session_options session_options = cli_session_of(&r->args->session);
    wc_error err;
    double start = wc_seconds();
    r->model = cli_open_model(r->c, r->args->common.operands.items[0], &r->args->model, &err);
    if (r->model)
        r->session = wc_session_new(r->model, &session_options, &err);
    if (!r->session)
        return cli_fail(r->c, CLI_MODEL_PHASE, &err);
    r->load_seconds = wc_seconds() - start;
    cli_warnings(r->c, r->model);
    if (r->args->output)
        cli_empty_output();
    int status = answer(r, p, options);
    if (r->args->timings && status == CLI_EXIT_OK) {
        wc_result result = {.size = sizeof result};
        wc_session_result(r->session, &result);
        cli_print_timings(&result, r->load_seconds);
    }
    return status;
}

static bool wants_terminal_chat(const struct run_args *a, const char *operand)
{
    return !cli_prompt_given(&a->prompt, operand) && !a->json && !a->output && !a->prompt.raw &&
           isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
}

static int run(struct cli *c, void *arguments)
{
    const struct run_args *a = arguments;
    const struct cli_list *operands = &a->common.operands;
    const char *operand = operands->n > 1 ? operands->items[1] : NULL;
    struct run r = {.c = c, .args = a};
    wc_generate_options options;
    cli_prompt prompt;
    wc_error err;

    if (wants_terminal_chat(a, operand))
        return cli_chat_start(c, operands->items[0], &a->model, &a->session, &a->sampling, &a->prompt);
    if (!cli_prompt_given(&a->prompt, operand) && isatty(STDIN_FILENO))
        return cli_usage(c, "no prompt: give one with -p/--prompt, or on stdin");
    if (a->logprobs.given && !a->json)
        return cli_usage(c, "--logprobs needs --json");
    if (!cli_generate_of(&a->sampling, &options, &err) ||
        !cli_prompt_read(c, &a->prompt, operand, &prompt, &err) ||
        (a->output && !cli_redirect(c, a->output, &err)))
        return cli_fail(c, CLI_ARGUMENT_PHASE, &err);
    wc_buf_init(&r.request, 4 * CLI_INPUT_BYTES);
    wc_buf_init(&r.logprobs, 256 << 20);
    int status = open_and_answer(&r, &prompt, &options);
    cli_catch_signals(NULL);
    wc_session_free(r.session);
    wc_model_free(r.model);
    wc_buf_release(&r.request);
    wc_buf_release(&r.logprobs);
    return status;
}

static const cli_group groups[] = {
    {"Prompt", cli_prompt_options, offsetof(struct run_args, prompt)},
    {"Form of the prompt", cli_prompt_form_options, offsetof(struct run_args, prompt)},
    {"Sampling", cli_sampling_options, offsetof(struct run_args, sampling)},
    {"Model", cli_model_options, offsetof(struct run_args, model)},
    {"Session", cli_session_options, offsetof(struct run_args, session)},
    {"Output", output_options, 0},
    {"General", cli_common_options, 0},
    {NULL},
};

const cli_command cli_run = {
    .name = "run",
    .summary = "Answer one prompt",
    .details =
        "The prompt is PROMPT, or what --prompt and --file give, or stdin. A chat model gets it\n"
        "through its chat template as the user's message, with the pictures of --image and the\n"
        "sounds of --audio before the words; other models continue the text. The answer goes to\n"
        "stdout as it comes and ends with one line feed; all else goes to stderr.\n"
        "\n"
        "Decoding is greedy unless a sampling option or the model's generation configuration asks\n"
        "otherwise.\n"
        "\n"
        "--messages takes a chat as transformers does: content is a string or a list of\n"
        "{\"type\":\"text\",\"text\":...}, {\"type\":\"image\",\"path\":...} and\n"
        "{\"type\":\"audio\",\"path\":...}; those without a path are of --image and --audio, in order.\n"
        "Nothing is fetched from the network.\n"
        "\n"
        "Sounds are WAV, FLAC, MP3 or Ogg of any rate and number of channels; what is longer than\n"
        "30 seconds is cut, as transformers does, and a note says so.",
    .examples =
        "whinchat run gemma-3n-mini-it --image guitarist.png -p \"What musical instrument is the person "
        "playing?\"\n"
        "git diff | whinchat run google/gemma-3n-E4B-it -f - -p \"Write a commit message for this.\"\n"
        "whinchat run google/gemma-3n-E2B-it --audio speech.mp3 -p \"Write down what is said.\"\n"
        "whinchat run ./model --messages chat.json --json --logprobs 5",
    .operands = {"MODEL", "[PROMPT]"},
    .operand_value = CLI_MODEL,
    .groups = groups,
    .args_bytes = sizeof(struct run_args),
    .run = run,
};
