/* ask.c - whinchat ask: a question about documents, answered from the passages nearest to it, which are named. */
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "answer.h"
#include "base/os.h"
#include "base/size.h"
#include "documents/encoder.h"
#include "documents/search.h"
#include "prompt.h"
#include "pull.h"
#include "texts.h"

enum { DEFAULT_TOP = 3, DEFAULT_NEW_TOKENS = 256 };
static const double default_least = 0.27;
/* A model with fewer parameters mixes up several passages, and goes on where it should end. */
static const double small_model = 5e8;
static const char *const small_stop[] = {"\n\n"};

struct ask_args {
    struct cli_common common;
    struct cli_model_args model;
    struct cli_session_args session;
    struct cli_sampling_args sampling;
    const char *answerer, *encoder;
    struct cli_int top, read;
    struct cli_real least;
    bool json, sources_only, timings;
};

#define AT(field) offsetof(struct ask_args, field)

static const cli_option ask_options[] = {
    {"model", 'm', NULL, CLI_TEXT, "MODEL", AT(answerer), "The model that answers (default smollm2)",
     .env = true, .value = CLI_MODEL},
    {"top", 0, "top-n", CLI_INT, "N", AT(top), "Most passages that are named (default 3)", 1, 1000},
    {"read", 0, NULL, CLI_INT, "N", AT(read),
     "Most of these that the model reads (default: all; the best alone below 500 million parameters)", 1,
     1000},
    {"min-score", 0, NULL, CLI_REAL, "X", AT(least),
     "Leave out passages whose cosine with the question is below X (default 0.27)", -1, 1},
    {"sources-only", 0, "no-answer", CLI_FLAG, NULL, AT(sources_only),
     "Name the passages only; no model answers"},
    {"encoder", 0, NULL, CLI_TEXT, "MODEL", AT(encoder), "Where the index's encoder is, if not where it was",
     .value = CLI_MODEL},
    {"json", 0, NULL, CLI_FLAG, NULL, AT(json),
     "Print one JSON object: question, answer, finish_reason, sources"},
    {"timings", 'v', "verbose", CLI_FLAG, NULL, AT(timings), "Print timings on stderr", .env = true},
    {NULL},
};

/* Everything that one run holds. */
struct ask {
    struct cli *c;
    const struct ask_args *args;
    const char *path;     /* of the index */
    const char *question; /* [n_question] */
    size_t n_question;
    docs_passage *passages; /* [n], best first */
    size_t n, n_read;       /* the answerer reads so many of them */
    wc_model *model;
    wc_session *session;
    wc_buf prompt, request;
    wc_generate_options options;
    bool small, no_system;
};

/* ---- passages ---- */

static int find_passages(struct ask *k, docs_store *store, wc_model *model)
{
    const struct ask_args *a = k->args;
    const size_t top = a->top.given ? (size_t)a->top.value : DEFAULT_TOP;
    const float least = (float)(a->least.given ? a->least.value : default_least);
    docs_encoder e;
    wc_error err;
    if (!docs_encoder_init(&e, model, k->c->arena, &err))
        return cli_fail(k->c, CLI_MODEL_PHASE, &err);
    if (!docs_encoder_check(&e, docs_store_settings(store), k->path, &err))
        return cli_fail(k->c, CLI_INPUT_PHASE, &err);
    float *x = docs_encoder_question(&e, (wc_string){k->question, k->n_question}, &err);
    const bool ok = x && docs_search(store, x, top, least, k->c->arena, &k->passages, &k->n, &err);
    wc_free(x);
    return ok ? CLI_EXIT_OK : cli_fail(k->c, CLI_INPUT_PHASE, &err);
}

/* The passages are looked up, and the index closed before anybody answers. */
static int look_up(struct ask *k)
{
    wc_error err;
    int status;
    docs_store *store = docs_store_open(k->path, false, &err);
    if (!store)
        return cli_fail(k->c, CLI_INPUT_PHASE, &err);
    const char *name = k->args->encoder ? k->args->encoder : docs_store_settings(store)->model;
    wc_model *model = cli_open_model(k->c, name, &k->args->model, &err);
    if (model) {
        status = find_passages(k, store, model);
    } else {
        if (err.code == WC_NOT_FOUND && !k->args->encoder)
            cli_note(k->c, "the encoder of %s is not where it was; name it with --encoder", k->path);
        status = cli_fail(k->c, CLI_MODEL_PHASE, &err);
    }
    wc_model_free(model);
    docs_store_close(store);
    return status;
}

/* A path below this folder without the way to here. */
static const char *short_path(const char *path)
{
    char here[PATH_MAX];
    const size_t n = getcwd(here, sizeof here) ? strlen(here) : 0;
    return n > 1 && strncmp(path, here, n) == 0 && path[n] == '/' ? path + n + 1 : path;
}

/* Lines of a passage, indented. */
static void print_passage(const char *text)
{
    while (*text) {
        const size_t n = strcspn(text, "\n");
        fputs("    ", stdout);
        cli_print_text(text, n);
        putchar('\n');
        text += n + (text[n] == '\n');
    }
}

/* File, lines, score and headings of each passage; of the first n_shown the text too. */
static void print_sources(const struct ask *k, size_t n_shown)
{
    for (size_t i = 0; i < k->n; i++) {
        const docs_passage *p = &k->passages[i];
        cli_print_word(short_path(p->path));
        printf(p->first_line == p->last_line ? ":%zu" : ":%zu-%zu", p->first_line, p->last_line);
        printf("  %.2f  ", (double)p->score);
        cli_print_word(p->heading);
        putchar('\n');
        if (i < n_shown)
            print_passage(p->text);
    }
}

/* ---- the answer ---- */

static const char instruction[] = "You answer questions with the given text only, in one or two sentences.";

/* What the model is told: the passages, then the question, as a small model heeds what stands last. */
static void write_prompt(struct ask *k, bool chat)
{
    wc_buf *b = &k->prompt;
    wc_buf_reset(b);
    if (!chat || k->no_system)
        wc_buf_printf(b, "%s\n\n", instruction);
    wc_buf_puts(b, "Text:\n");
    for (size_t i = 0; i < k->n_read; i++)
        wc_buf_printf(b, "%s\n%s\n\n", k->passages[i].heading, k->passages[i].text);
    wc_buf_puts(b, "Question: ");
    wc_buf_add(b, k->question, k->n_question);
    if (!chat)
        wc_buf_puts(b, "\nAnswer:");
}

static void write_request(struct ask *k)
{
    const struct cli_turn turns[] = {
        {.role = "system", .text = instruction, .n_text = sizeof instruction - 1},
        {.role = "user", .text = wc_buf_str(&k->prompt), .n_text = k->prompt.size},
    };
    wc_buf_reset(&k->request);
    cli_turns_json(turns + k->no_system, 2 - k->no_system, NULL, &k->request);
}

/* Some templates (Gemma 2) refuse a system prompt; then the user says it. */
static bool refuses_system(struct ask *k)
{
    char *text;
    write_request(k);
    text = wc_buf_ok(&k->request) ? wc_chat_render(k->model, NULL, wc_buf_str(&k->request), NULL) : NULL;
    wc_free(text);
    return !text;
}

/* Tokens of the prompt; false when the template cannot render it. */
static bool count_prompt(struct ask *k, bool chat, size_t *n, wc_error *err)
{
    int32_t *ids = NULL;
    char *text = chat ? wc_chat_render(k->model, NULL, wc_buf_str(&k->request), err) : NULL;
    const char *all = chat ? text : wc_buf_str(&k->prompt);
    const bool ok = all && wc_tokenize(k->model, all, strlen(all), !chat, &ids, n, err);
    wc_free(ids);
    wc_free(text);
    return ok;
}

/* The best passages that fit into the context beside the answer. */
static bool make_prompt(struct ask *k, bool chat, wc_prompt *out, wc_error *err)
{
    const size_t most = (size_t)(k->args->session.ctx.value > 0
                                     ? k->args->session.ctx.value
                                     : (int)wc_json_number(cli_info_of(k->c, k->model, "context_length"), 0));
    const size_t answer = k->options.max_new_tokens > 0 ? (size_t)k->options.max_new_tokens
                                                        : DEFAULT_NEW_TOKENS;
    size_t n = 0;
    k->no_system = chat && refuses_system(k);
    const size_t wanted = k->args->read.given ? (size_t)k->args->read.value : k->small ? 1 : k->n;
    for (k->n_read = wc_min_size(wanted, k->n);; k->n_read--) {
        write_prompt(k, chat);
        write_request(k);
        if (!wc_buf_check(&k->prompt, "prompt", err) || !wc_buf_check(&k->request, "prompt", err) ||
            !count_prompt(k, chat, &n, err))
            return false;
        if (n + answer <= most || most == 0)
            break;
        if (k->n_read == 1)
            return wc_fail(err, WC_REFUSED,
                           "the best passage and the question have %zu tokens and the answer may have %zu, "
                           "together more "
                           "than the context of %zu; ask for less with --max-new-tokens",
                           n, answer, most);
    }
    *out = (wc_prompt){.size = sizeof *out,
                       .chat = chat ? wc_buf_str(&k->request) : NULL,
                       .text = chat ? NULL : wc_buf_str(&k->prompt)};
    return true;
}

static int print_json(struct ask *k)
{
    static const char *const reasons[] = {"none", "stop", "length", "cancelled"};
    wc_result result = {.size = sizeof result};
    const char *text = k->session ? wc_session_text(k->session) : NULL;
    wc_buf b;
    wc_buf_init(&b, (size_t)1 << 30);
    wc_buf_puts(&b, "{\"question\":");
    wc_buf_json_string(&b, k->question, k->n_question);
    wc_buf_puts(&b, ",\"answer\":");
    if (text) {
        wc_session_result(k->session, &result);
        wc_buf_json_string(&b, text, strlen(text));
        wc_buf_printf(&b, ",\"finish_reason\":\"%s\",\"sources\":[", reasons[result.finish]);
    } else {
        wc_buf_puts(&b, "null,\"finish_reason\":null,\"sources\":[");
    }
    for (size_t i = 0; i < k->n; i++) {
        const docs_passage *p = &k->passages[i];
        wc_buf_puts(&b, i ? ",{\"path\":" : "{\"path\":");
        wc_buf_json_string(&b, p->path, strlen(p->path));
        wc_buf_printf(&b, ",\"first_line\":%zu,\"last_line\":%zu,\"score\":%.6f,\"read\":%s,\"heading\":",
                      p->first_line, p->last_line, (double)p->score, i < k->n_read ? "true" : "false");
        wc_buf_json_string(&b, p->heading, strlen(p->heading));
        wc_buf_puts(&b, ",\"text\":");
        wc_buf_json_string(&b, p->text, strlen(p->text));
        wc_buf_putc(&b, '}');
    }
    wc_buf_puts(&b, "]}");
    const int status = cli_print_json_buf(k->c, &b);
    wc_buf_release(&b);
    return status;
}

static int answer(struct ask *k)
{
    struct cli_answer a = {.c = k->c, .stream = !k->args->json};
    wc_prompt prompt;
    wc_error err;
    const bool chat = wc_json_is(cli_info_of(k->c, k->model, "chat_template"), WC_JSON_TRUE);
    const bool ok = make_prompt(k, chat, &prompt, &err) &&
                    cli_answer(&a, k->session, &prompt, &k->options, &err);
    if (a.failed)
        return cli_flush(k->c);
    if (!ok && cli_signal() != 0) {
        if (a.stream)
            putchar('\n');
        cli_send(k->c);
        return CLI_EXIT_SIGNAL + cli_signal();
    }
    if (!ok)
        return cli_fail(k->c, CLI_INPUT_PHASE, &err);
    if (k->args->json)
        return print_json(k);
    puts("\n\nSources:");
    print_sources(k, k->n_read);
    return cli_flush(k->c);
}

static int open_and_answer(struct ask *k)
{
    const wc_session_options session_options = cli_session_of(&k->args->session);
    const char *name = k->args->answerer ? k->args->answerer : "smollm2";
    const double start = wc_seconds();
    wc_error err;
    k->model = cli_open_model(k->c, name, &k->args->model, &err);
    if (k->model)
        k->session = wc_session_new(k->model, &session_options, &err);
    if (!k->session) {
        if (err.code == WC_NOT_FOUND && !k->args->answerer)
            cli_note(k->c, "no model that answers is here: name one with --model, or give --sources-only");
        return cli_fail(k->c, CLI_MODEL_PHASE, &err);
    }
    cli_warnings(k->c, k->model);
    k->small = wc_json_number(cli_info_of(k->c, k->model, "parameters"), 0) < small_model;
    if (k->small && !k->args->sampling.stop.n) {
        k->options.stop = small_stop;
        k->options.n_stop = 1;
    }
    const double load_seconds = wc_seconds() - start;
    const int status = answer(k);
    if (k->args->timings && status == CLI_EXIT_OK) {
        wc_result result = {.size = sizeof result};
        wc_session_result(k->session, &result);
        cli_print_timings(&result, load_seconds);
    }
    return status;
}

/* ---- the command ---- */

static int read_question(struct ask *k)
{
    const struct cli_list *operands = &k->args->common.operands;
    const char *operand = operands->n > 1 ? operands->items[1] : "-";
    wc_error err;
    if (operands->n < 2 && isatty(STDIN_FILENO))
        return cli_usage(k->c, "no question: give one behind the index, or on stdin");
    k->question = operand;
    k->n_question = strlen(operand);
    if (strcmp(operand, "-") == 0 && !cli_words_read(k->c, "-", &k->question, &k->n_question, &err))
        return cli_fail(k->c, CLI_ARGUMENT_PHASE, &err);
    return strspn(k->question, " \t\r\n") == k->n_question ? cli_usage(k->c, "the question is empty")
                                                           : CLI_EXIT_OK;
}

static int ask(struct ask *k)
{
    int status = read_question(k);
    if (status == CLI_EXIT_OK)
        status = look_up(k);
    if (status != CLI_EXIT_OK)
        return status;
    if (k->n > 0 && !k->args->sources_only)
        return open_and_answer(k);
    if (k->args->json)
        return print_json(k);
    if (k->n == 0)
        puts("Nothing in the index is near this question.");
    print_sources(k, k->n);
    return cli_flush(k->c);
}

static int run(struct cli *c, void *arguments)
{
    const struct ask_args *a = arguments;
    struct ask k = {.c = c, .args = a, .path = a->common.operands.items[0]};
    wc_error err;
    if (!cli_generate_of(&a->sampling, &k.options, &err))
        return cli_fail(c, CLI_ARGUMENT_PHASE, &err);
    wc_buf_init(&k.prompt, 4 * CLI_INPUT_BYTES);
    wc_buf_init(&k.request, (size_t)16 * CLI_INPUT_BYTES);
    const int status = ask(&k);
    cli_catch_signals(NULL);
    wc_session_free(k.session);
    wc_model_free(k.model);
    wc_buf_release(&k.prompt);
    wc_buf_release(&k.request);
    return status;
}

static const cli_group groups[] = {
    {"Question", ask_options, 0},
    {"Sampling", cli_sampling_options, AT(sampling)},
    {"Model", cli_model_options, AT(model)},
    {"Session", cli_session_options, AT(session)},
    {"General", cli_common_options, 0},
    {NULL},
};

const cli_command cli_ask = {
    .name = "ask",
    .summary = "Ask a question about indexed documents",
    .details =
        "INDEX is what 'whinchat index' made. QUESTION, or stdin, becomes a vector by the index's own\n"
        "encoder; the passages nearest to it go to the model that answers, as many of them as its\n"
        "context takes; behind the answer stand their files and lines, scores (cosines) and headings.\n"
        "Where no passage is near enough, that is said, and no model is asked.\n"
        "\n"
        "A small model may answer wrongly from the right passage: read the sources.\n"
        "\n"
        "Keys of --json: question, answer (null where there is none), finish_reason, sources, each with\n"
        "path, first_line, last_line, score, read (whether the model had it), heading, text.",
    .examples =
        "whinchat ask notes.db \"How do I go on with a download that was stopped?\"\n"
        "whinchat ask notes.db --sources-only --top 10 \"licence\"\n"
        "echo \"Which CPUs are there kernels for?\" | whinchat ask notes.db --model google/gemma-3-1b-it",
    .operands = {"INDEX", "[QUESTION]"},
    .operand_value = CLI_FILE,
    .groups = groups,
    .args_bytes = sizeof(struct ask_args),
    .run = run,
};
