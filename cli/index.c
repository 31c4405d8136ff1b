/* index.c - whinchat index: a folder of documents becomes a database that 'whinchat ask' searches. */
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file_map.h"
#include "base/os.h"
#include "documents/index.h"
#include "pull.h"

enum { NOTES = 20 }; /* files not read that are named one by one */

struct index_args {
    struct cli_common common;
    struct cli_model_args model;
    const char *encoder;
    struct cli_int chunk, overlap;
    struct cli_list globs;
    bool json;
};

#define AT(field) offsetof(struct index_args, field)

static const cli_option index_options[] = {
    {"model", 'm', "encoder", CLI_TEXT, "MODEL", AT(encoder),
     "The encoder that makes the vectors (default: the index's own, for a new one minilm)", .env = true,
     .value = CLI_MODEL},
    {"chunk", 0, "chunk-tokens", CLI_INT, "N", AT(chunk),
     "Most tokens of a chunk, its headings included (default 128, at most what the encoder reads)", 16,
     1 << 20},
    {"overlap", 0, "chunk-overlap", CLI_INT, "N", AT(overlap),
     "Tokens of whole sentences that a chunk repeats of the one before it (default 16)", 0, 1 << 20},
    {"glob", 'g', NULL, CLI_LIST, "PATTERN", AT(globs),
     "Of folders, only files whose name is like this: '*.md'; may be repeated"},
    {"json", 0, NULL, CLI_FLAG, NULL, AT(json),
     "Print one JSON object: index, model, added, changed, unchanged, removed, skipped, files, chunks, "
     "seconds"},
    {NULL},
};

/* Everything that one run holds. */
struct run {
    struct cli *c;
    const struct index_args *args;
    const char *path;
    docs_store *store;
    wc_model *model;
    docs_encoder encoder;
    docs_found found;
    docs_indexed done;
    wc_buf skipped; /* of JSON */
    size_t n_skipped;
};

static void on_skip(void *user, const char *path, const char *why)
{
    struct run *r = user;
    wc_buf_puts(&r->skipped, r->n_skipped ? ",{\"path\":" : "{\"path\":");
    wc_buf_json_string(&r->skipped, path, strlen(path));
    wc_buf_puts(&r->skipped, ",\"why\":");
    wc_buf_json_string(&r->skipped, why, strlen(why));
    wc_buf_putc(&r->skipped, '}');
    if (r->n_skipped++ < NOTES)
        cli_note(r->c, "not read: %.600s: %.200s", path, why);
}

static void on_progress(void *user, size_t done, size_t total)
{
    cli_progress(((struct run *)user)->c, "files", done, total);
}

static bool on_stop(void *user)
{
    (void)user;
    return cli_signal() != 0;
}

/* A name that means the same from any folder. */
static const char *lasting_name(wc_arena *a, const char *name)
{
    char full[PATH_MAX];
    return wc_path_exists(name) && realpath(name, full) ? wc_arena_strdup(a, full) : name;
}

/* ---- settings ---- */

static bool check_settings(struct run *r, const docs_settings *s, wc_error *err)
{
    const struct index_args *a = r->args;
    if (a->chunk.given && (size_t)a->chunk.value != s->chunk_tokens)
        return wc_fail(err, WC_BAD_ARGUMENT,
                       "%s: its chunks have %zu tokens; leave out --chunk, or index into a new file", r->path,
                       s->chunk_tokens);
    if (a->overlap.given && (size_t)a->overlap.value != s->overlap_tokens)
        return wc_fail(err, WC_BAD_ARGUMENT,
                       "%s: its chunks overlap by %zu tokens; leave out --overlap, or index into a new file",
                       r->path, s->overlap_tokens);
    return docs_encoder_check(&r->encoder, s, r->path, err);
}

/* The settings of a new index; its file is made once they are right. */
static bool set_up(struct run *r, const char *name, wc_error *err)
{
    const struct index_args *a = r->args;
    const docs_encoder *e = &r->encoder;
    docs_settings s = {.model = lasting_name(r->c->arena, name),
                       .document_prompt = e->document_prompt,
                       .query_prompt = e->query_prompt,
                       .width = e->width,
                       .fingerprint = e->fingerprint};
    s.chunk_tokens = a->chunk.given ? (size_t)a->chunk.value : DOCS_CHUNK_TOKENS;
    if (e->max_tokens && s.chunk_tokens > e->max_tokens) {
        if (a->chunk.given)
            return wc_fail(err, WC_BAD_ARGUMENT,
                           "--chunk: expected at most the %zu tokens that %s reads, found %zu", e->max_tokens,
                           name, s.chunk_tokens);
        s.chunk_tokens = e->max_tokens;
    }
    s.overlap_tokens = a->overlap.given ? (size_t)a->overlap.value : DOCS_OVERLAP_TOKENS;
    if (s.overlap_tokens > s.chunk_tokens / 2) {
        if (a->overlap.given)
            return wc_fail(err, WC_BAD_ARGUMENT,
                           "--overlap: expected at most half of a chunk, %zu tokens, found %zu",
                           s.chunk_tokens / 2, s.overlap_tokens);
        s.overlap_tokens = s.chunk_tokens / 2;
    }
    if (!r->store)
        r->store = docs_store_open(r->path, true, err);
    return r->store && docs_store_set_up(r->store, &s, err);
}

/* ---- the run ---- */

static int print(struct run *r, double seconds)
{
    const docs_indexed *d = &r->done;
    if (!r->args->json) {
        printf(
            "%s: %zu files, %zu chunks (%zu added, %zu changed, %zu removed, %zu unchanged, %zu not read)\n",
            r->path, d->files, d->chunks, d->added, d->changed, d->removed, d->unchanged, r->n_skipped);
        return cli_flush(r->c);
    }
    wc_buf b;
    wc_buf_init(&b, (size_t)1 << 30);
    wc_buf_puts(&b, "{\"index\":");
    wc_buf_json_string(&b, r->path, strlen(r->path));
    wc_buf_puts(&b, ",\"model\":");
    const char *model = docs_store_settings(r->store)->model;
    wc_buf_json_string(&b, model, strlen(model));
    wc_buf_printf(&b, ",\"added\":%zu,\"changed\":%zu,\"unchanged\":%zu,\"removed\":%zu,\"skipped\":[%s],",
                  d->added, d->changed, d->unchanged, d->removed, wc_buf_str(&r->skipped));
    wc_buf_printf(&b, "\"files\":%zu,\"chunks\":%zu,\"seconds\":%.3f}", d->files, d->chunks, seconds);
    const int status = cli_print_json_buf(r->c, &b);
    wc_buf_release(&b);
    return status;
}

static int update(struct run *r)
{
    const docs_events events = {on_skip, on_progress, on_stop, r};
    const double start = wc_seconds();
    wc_error err;
    const int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
    cli_hold_signals(nowhere); /* a signal is seen between batches, and the transaction taken back */
    const bool ok = docs_index(r->store, &r->encoder, &r->found, &events, &r->done, &err);
    cli_progress_end(r->c);
    if (nowhere >= 0)
        close(nowhere);
    if (!ok)
        return err.code == WC_CANCELLED ? CLI_EXIT_SIGNAL + cli_signal()
                                        : cli_fail(r->c, CLI_INPUT_PHASE, &err);
    cli_hold_signals(-1);
    if (r->n_skipped > NOTES)
        cli_note(r->c, "not read: %zu more; --json names them all", r->n_skipped - NOTES);
    return print(r, wc_seconds() - start);
}

static int open_and_update(struct run *r)
{
    const struct cli_list *names = &r->args->common.operands, *globs = &r->args->globs;
    wc_error err;
    if (!docs_walk(names->items, names->n - 1, globs->items, globs->n, r->path, on_skip, r, r->c->arena,
                   &r->found, &err))
        return cli_fail(r->c, CLI_INPUT_PHASE, &err);
    if (wc_path_exists(r->path) && !(r->store = docs_store_open(r->path, true, &err)))
        return cli_fail(r->c, CLI_INPUT_PHASE, &err);
    const docs_settings *s = r->store ? docs_store_settings(r->store) : NULL;
    const char *name = r->args->encoder ? r->args->encoder : s ? s->model : "minilm";
    r->model = cli_open_model(r->c, name, &r->args->model, &err);
    if (!r->model && err.code == WC_NOT_FOUND && !r->args->encoder)
        wc_fail(
            &err, WC_NOT_FOUND,
            "the encoder '%s' is not here: fetch sentence-transformers/all-MiniLM-L6-v2 with 'whinchat pull' "
            "and name it with --model",
            name);
    if (!r->model || !docs_encoder_init(&r->encoder, r->model, r->c->arena, &err))
        return cli_fail(r->c, CLI_MODEL_PHASE, &err);
    cli_warnings(r->c, r->model);
    if (!(s ? check_settings(r, s, &err) : set_up(r, name, &err)))
        return cli_fail(r->c, err.code == WC_BAD_ARGUMENT ? CLI_ARGUMENT_PHASE : CLI_INPUT_PHASE, &err);
    return update(r);
}

static int run(struct cli *c, void *arguments)
{
    const struct index_args *a = arguments;
    struct run r = {.c = c, .args = a, .path = a->common.operands.items[a->common.operands.n - 1]};
    if (*r.path == '\0')
        return cli_usage(c, "argument INDEX is empty");
    if (wc_dir_exists(r.path))
        return cli_usage(c, "%s is a folder; the last argument is the file of the index", r.path);
    wc_buf_init(&r.skipped, (size_t)1 << 29);
    const int status = open_and_update(&r);
    docs_store_close(r.store);
    wc_model_free(r.model);
    wc_buf_release(&r.skipped);
    return status;
}

static const cli_group groups[] = {
    {"Index", index_options, 0},
    {"Model", cli_model_options, AT(model)},
    {"General", cli_common_options, 0},
    {NULL},
};

const cli_command cli_index = {
    .name = "index",
    .summary = "Index documents, to ask questions about them",
    .details = "Every PATH is a file or a folder, which is read with all folders in it. Texts, Markdown,\n"
               "reStructuredText and source code in UTF-8 up to 4 MiB are cut into chunks at headings,\n"
               "paragraphs and sentences; an encoder makes a vector of each; INDEX, a SQLite database,\n"
               "keeps both. Links and hidden files are passed over; what is not read is named on stderr.\n"
               "\n"
               "Called again, it reads only what has changed, and takes out what is no longer there under\n"
               "the PATHs. A run that is stopped leaves the index as it was. Ask with 'whinchat ask'.",
    .examples = "whinchat index docs README.md notes.db\n"
                "whinchat index ~/papers papers.db --glob '*.md' --glob '*.txt'\n"
                "whinchat index src code.db --model sentence-transformers/all-MiniLM-L6-v2 --chunk 128",
    .operands = {"PATH...", "INDEX"},
    .operand_value = CLI_FILE,
    .groups = groups,
    .args_bytes = sizeof(struct index_args),
    .run = run,
};
