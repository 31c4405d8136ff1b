/* test_tokenizer.c - tokenizers written here, and what hostile files and texts must not do.  test_tokenizer_goldens.c holds
 * tokenizers against the tokenizers library. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/file_map.h"
#include "base/os.h"
#include "base/threads.h"
#include "base/utf8.h"
#include "text/pattern.h"
#include "text/scan.h"
#include "text/tokenizer.h"

#ifndef SOURCE_ROOT
#define SOURCE_ROOT "."
#endif

static const wc_json *load_json(wc_arena *a, const char *folder, const char *file)
{
    char *path = wc_path_join(a, folder, file);
    wc_error err = {0};
    const wc_json *v = wc_file_exists(path) ? wc_json_read(a, path, 1 << 28, 0, &err) : NULL;
    if (!v && err.text[0])
        fail_msg("%s: %s", path, err.text);
    return v;
}

static wc_tokenizer *load_tokenizer(const char *folder)
{
    wc_arena *a = wc_arena_new(0);
    wc_error err = {0};
    const wc_json *json = load_json(a, folder, "tokenizer.json");
    wc_tokenizer *t = NULL;
    if (json) {
        t = wc_tokenizer_from_json(json, load_json(a, folder, "tokenizer_config.json"), "tokenizer.json",
                                   &err);
        if (!t)
            fail_msg("%s: %s", folder, err.text);
    }
    wc_arena_free(a);
    return t;
}

static wc_buf decoded(const wc_tokenizer *t, const wc_ids *ids, bool skip_special)
{
    wc_buf b;
    wc_error err = {0};
    wc_buf_init(&b, 1 << 28);
    if (!wc_tokenizer_decode(t, ids->data, ids->size, skip_special, &b, &err))
        fail_msg("%s", err.text);
    return b;
}

/* ---- small tokenizers, written here ---------------------------------------------------------------------------- */

static wc_tokenizer *from_text(const char *json, wc_error *err)
{
    wc_arena *a = wc_arena_new(0);
    wc_error parse_err = {0};
    const wc_json *v = wc_json_parse(a, json, strlen(json), "t.json", 0, &parse_err);
    wc_tokenizer *t = NULL;
    if (v)
        t = wc_tokenizer_from_json(v, NULL, "t.json", err);
    else if (parse_err.code != WC_NO_MEMORY)
        fail_msg("%s", parse_err.text);
    wc_arena_free(a);
    return t;
}

#define VOCAB_ABC "\"vocab\":{\"a\":0,\"b\":1,\"c\":2,\"ab\":3,\"abc\":4}"
#define BPE_ABC   "\"model\":{\"type\":\"BPE\"," VOCAB_ABC ",\"merges\":[\"a b\",[\"ab\",\"c\"]]}"

/* Files that are refused, and what the message must name. */
static void test_refused(void **state)
{
    static const char *const cases[][2] = {
        {"[]", "expected an object"},
        {"{}", "model: expected an object"},
        {"{\"model\":{\"type\":\"X\"}}", "model.type: \"X\""},
        {"{\"model\":{\"type\":\"BPE\",\"merges\":[]}}", "model.vocab: expected an object"},
        {"{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":-1},\"merges\":[]}}", "\"a\": expected an id"},
        {"{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":4000000000},\"merges\":[]}}",
         "\"a\": expected an id"},
        {"{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":1,\"b\":1},\"merges\":[]}}",
         "the id is another token's"},
        {"{\"model\":{\"type\":\"BPE\"," VOCAB_ABC ",\"merges\":[\"a x\"]}}",
         "merges[0]: \"a\" + \"x\": a part"},
        {"{\"model\":{\"type\":\"BPE\"," VOCAB_ABC ",\"merges\":[\"b a\"]}}", "the product"},
        {"{" BPE_ABC "}", "merges[1]: expected two tokens with one space between, found an array"},
        {"{\"model\":{\"type\":\"BPE\"," VOCAB_ABC ",\"merges\":[],\"unk_token\":\"?\"}}",
         "unk_token: \"?\""},
        {"{\"model\":{\"type\":\"Unigram\",\"vocab\":[[\"a\",0],[\"a\",1]]}}", "the token is there twice"},
        {"{\"model\":{\"type\":\"Unigram\",\"vocab\":[[\"a\",0]],\"unk_id\":1}}", "model.unk_id"},
        {"{\"model\":{\"type\":\"WordPiece\",\"vocab\":{\"a\":0}}}", "model.unk_token: expected a string"},
        {"{\"model\":{\"type\":\"WordLevel\",\"vocab\":{\"a\":0},\"unk_token\":\"a\"},"
         "\"added_tokens\":[{\"id\":0,\"content\":\"b\"}]}",
         "added_tokens: \"b\" (id 0): the id is another token's"},
        {"{\"model\":{\"type\":\"WordLevel\",\"vocab\":{\"a\":0},\"unk_token\":\"a\"},"
         "\"added_tokens\":[{\"id\":3,\"content\":\"a\"}]}",
         "the token has another id"},
        {"{\"model\":{\"type\":\"WordLevel\",\"vocab\":{\"a\":0},\"unk_token\":\"a\"},"
         "\"post_processor\":{\"type\":\"BertProcessing\",\"sep\":[\"s\",7],\"cls\":[\"c\",0]}}",
         "post_processor.sep: expected an id below 1, found 7"},
        {"{\"model\":{\"type\":\"WordLevel\",\"vocab\":{\"a\":0},\"unk_token\":\"a\"},"
         "\"pre_tokenizer\":{\"type\":\"Split\",\"behavior\":\"Removed\",\"pattern\":{\"Regex\":\"(a\"}}}",
         "pre_tokenizer.pattern: regular expression: missing closing parenthesis"},
        {"{\"model\":{\"type\":\"WordLevel\",\"vocab\":{\"a\":0},\"unk_token\":\"a\"},"
         "\"normalizer\":{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"%%\"}}",
         "normalizer.precompiled_charsmap: not base64"},
        {"{\"model\":{\"type\":\"WordLevel\",\"vocab\":{\"a\":0},\"unk_token\":\"a\"},"
         "\"decoder\":{\"type\":\"Sequence\",\"decoders\":[{\"type\":\"BPEDecoder\",\"suffix\":\"_\"},"
         "{\"type\":\"CTC\",\"pad_token\":\"a\",\"word_delimiter_token\":\"_\"}]}}",
         "decoder: CTC after another stage"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        wc_error err = {0};
        wc_tokenizer *t = from_text(cases[i][0], &err);
        if (t || !strstr(err.text, cases[i][1]) || strncmp(err.text, "t.json: ", 8) != 0)
            fail_msg("%s: expected \"%s\", found \"%s\"", cases[i][0], cases[i][1],
                     t ? "no error" : err.text);
    }
}

/* Encodes text and shows the tokens, each in brackets. */
static void check_tokens(const wc_tokenizer *t, const char *text, const char *want)
{
    wc_ids ids = {0};
    wc_buf b;
    wc_error err = {0};
    wc_buf_init(&b, 1 << 20);
    if (!wc_tokenizer_encode(t, text, strlen(text), 0, &ids, &err))
        wc_buf_puts(&b, err.text);
    for (size_t i = 0; err.code == 0 && i < ids.size; i++) {
        size_t n;
        const char *token = wc_tokenizer_token(t, ids.data[i], &n);
        wc_buf_putc(&b, '[');
        wc_buf_add(&b, token, n);
        wc_buf_putc(&b, ']');
    }
    assert_string_equal(wc_buf_str(&b), want);
    wc_buf_release(&b);
    wc_ids_release(&ids);
}

/* A WordLevel tokenizer whose unknown token is "?" and whose words are a few, behind a Split. */
static wc_tokenizer *splitter(const char *pattern, const char *behavior, const char *invert)
{
    char json[2000];
    wc_error err = {0};
    snprintf(json, sizeof json,
             "{\"model\":{\"type\":\"WordLevel\",\"unk_token\":\"?\",\"vocab\":{\"?\":0,\"a\":1,\"b\":2,"
             "\"c\":3,\"-\":4,"
             "\"--\":5,\"a-\":6,\"-b\":7,\"b-\":8,\"-c\":9,\"1234567\":10,\"x\":11,\"{1,2}\":12}},"
             "\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":%s,\"behavior\":\"%s\",\"invert\":%s}}",
             pattern, behavior, invert);
    wc_tokenizer *t = from_text(json, &err);
    if (!t)
        fail_msg("%s: %s", pattern, err.text);
    return t;
}

static void check_split(const char *pattern, const char *behavior, const char *invert, const char *text,
                        const char *want)
{
    wc_tokenizer *t = splitter(pattern, behavior, invert);
    check_tokens(t, text, want);
    wc_tokenizer_free(t);
}

static void test_split(void **state)
{
    static const char dash[] = "{\"String\":\"-\"}";
    check_split(dash, "Removed", "false", "a--b-c-", "[a][b][c]");
    check_split(dash, "Isolated", "false", "a--b-c-", "[a][-][-][b][-][c][-]");
    check_split(dash, "MergedWithPrevious", "false", "a--b-c-", "[a-][-][b-][?]");
    check_split(dash, "MergedWithNext", "false", "a--b-c-", "[a][-][-b][-c][-]");
    check_split(dash, "Contiguous", "false", "a--b-c-", "[a][--][b][-][c][-]");
    check_split(dash, "Removed", "true", "a--b-c-", "[-][-][-][-]");
    /* Oniguruma's {1,3}+ repeats, PCRE2's would be possessive; ^ and $ match at lines. */
    check_split("{\"Regex\":\"(?:[0-9]){1,3}+\"}", "Isolated", "false", "a1234567b", "[a][1234567][b]");
    check_split("{\"Regex\":\"\\\\p{Nd}{1,3}+\"}", "Isolated", "false", "a1234567b", "[a][1234567][b]");
    check_split("{\"Regex\":\"^x$\"}", "Removed", "false", "x\nx", "[?]");
    check_split("{\"Regex\":\"x*\"}", "Removed", "false", "axxb", "[a][b]");
    check_split("{\"Regex\":\"\"}", "Removed", "false", "a", "[a]");
    check_split(
        "{\"Regex\":\"(a|a)*[cd]\"}", "Isolated", "false", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab",
        "t.json: pre_tokenizer.pattern: regular expression: takes too many steps on this text (error -47)");
}

/* All matches of a pattern in text, as "start-end ". */
static void list_matches(const char *regex, const char *text, wc_buf *out)
{
    wc_matcher m;
    wc_error err = {0};
    size_t n = strlen(text), pos = 0, start, end;
    wc_pattern *p = wc_pattern_regex(regex, strlen(regex), "test", &err);
    if (!p)
        fail_msg("%s", err.text);
    wc_matcher_init(&m, n);
    wc_buf_reset(out);
    while (pos < n) {
        if (!wc_pattern_next(p, &m, text, n, pos, &start, &end, &err))
            fail_msg("%s", err.text);
        if (start < n)
            wc_buf_printf(out, "%zu-%zu ", start, end);
        pos = end;
    }
    wc_matcher_release(&m);
    wc_pattern_free(p);
}

/* The hand-written scanners against PCRE2 with the same pattern in a group, by which it is not recognized, on random texts
 * of characters that both take for the same. */
static void test_scanners(void **state)
{
    static const char *const chars[] = {"a",      "s",      "S",      "t",      "re",     "LL", "'",
                                        "\u017f", "\u65e5", "\u01c5", "\u02b0", "\u0301", "1",  "\u00bd",
                                        "\u0663", " ",      " ",      "\n",     "\r",     "\t", "\u00a0",
                                        "\u3000", "!",      "/",      "-",      "$",      "_",  "\U0001f600",
                                        "\u200b", "\u00e9", "A",      "Z",      "\u30a2"};
    wc_buf text, by_hand, by_pcre;
    uint32_t seed = 1;
    char regex[1000];
    wc_buf_init(&text, 10000);
    wc_buf_init(&by_hand, 100000);
    wc_buf_init(&by_pcre, 100000);
    for (int round = 0; round < 300; round++) {
        wc_buf_reset(&text);
        for (int i = 0; i < 1 + round / 5; i++) {
            seed = seed * 1664525 + 1013904223;
            wc_buf_puts(&text, chars[(seed >> 8) % (sizeof chars / sizeof *chars)]);
        }
        for (size_t k = 0; wc_scanner_regex(k); k++) {
            snprintf(regex, sizeof regex, "(?:%s)", wc_scanner_regex(k));
            list_matches(wc_scanner_regex(k), text.data, &by_hand);
            list_matches(regex, text.data, &by_pcre);
            if (strcmp(wc_buf_str(&by_hand), wc_buf_str(&by_pcre)) != 0)
                fail_msg("%s: \"%s\": expected %s, found %s", regex, text.data, wc_buf_str(&by_pcre),
                         wc_buf_str(&by_hand));
        }
    }
    wc_buf_release(&text);
    wc_buf_release(&by_hand);
    wc_buf_release(&by_pcre);
}

static void test_bpe(void **state)
{
    wc_error err = {0};
    wc_tokenizer *t = from_text(
        "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"##b\":1,\"##c\":2,\"ab\":3,\"c</w>\":5,"
        "\"##c</w>\":6,\"abc</w>\":7},\"merges\":[[\"a\",\"##b\"],[\"ab\",\"##c</w>\"]],"
        "\"continuing_subword_prefix\":\"##\",\"end_of_word_suffix\":\"</w>\"}}",
        &err);
    assert_non_null(t);
    check_tokens(t, "abc", "[abc</w>]");
    check_tokens(t, "abb", "[ab]"); /* nothing for the last character: it is dropped */
    check_tokens(t, "c", "[c</w>]");
    check_tokens(t, "acc", "[a][##c][##c</w>]");
    wc_tokenizer_free(t);
    /* a character's bytes are those of the prefix and suffix, too */
    t = from_text(
        "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"<0x23>\":1,\"<0x63>\":2,\"?\":3},"
        "\"merges\":[],\"byte_fallback\":true,\"unk_token\":\"?\",\"continuing_subword_prefix\":\"#\"}}",
        &err);
    assert_non_null(t);
    check_tokens(t, "ac", "[a][<0x23>][<0x63>]");
    check_tokens(t, "ca", "[<0x63>][?]");
    wc_tokenizer_free(t);
    /* those on both sides of a dropped character meet */
    t = from_text("{\"model\":{\"type\":\"BPE\",\"vocab\":{\"\u2581\":0,\"\u2581\u2581\":1},"
                  "\"merges\":[[\"\u2581\",\"\u2581\"]]}}",
                  &err);
    assert_non_null(t);
    check_tokens(t, "\u2581x\u2581", "[\u2581\u2581]");
    wc_tokenizer_free(t);
}

/* Metaspace puts something in front of what begins where the text did before it was normalized. */
static void test_first(void **state)
{
    wc_error err = {0};
    wc_tokenizer *t = from_text(
        "{\"normalizer\":{\"type\":\"Strip\",\"strip_left\":true,\"strip_right\":true},"
        "\"pre_tokenizer\":{\"type\":\"Metaspace\",\"replacement\":\"_\",\"prepend_scheme\":\"first\"},"
        "\"model\":{\"type\":\"WordLevel\",\"vocab\":{\"a\":0,\"_a\":1,\"?\":2},\"unk_token\":\"?\"}}",
        &err);
    assert_non_null(t);
    check_tokens(t, "a a ", "[_a][_a]");
    check_tokens(t, " a a", "[a][_a]");
    wc_tokenizer_free(t);
}

static void test_specials(void **state)
{
    wc_tokenizer *t = load_tokenizer(SOURCE_ROOT "/tests/goldens/tokenizers/gemma");
    wc_buf b;
    assert_int_equal(wc_tokenizer_special_id(t, "bos_token"), 2);
    assert_int_equal(wc_tokenizer_special_id(t, "eos_token"), 1);
    assert_int_equal(wc_tokenizer_special_id(t, "mask_token"), -1);
    assert_string_equal(wc_tokenizer_special_token(t, "pad_token"), "<pad>");
    assert_int_equal(wc_tokenizer_find(t, "<bos>", 5), 2);
    assert_true(wc_tokenizer_is_special(t, 2));
    assert_false(wc_tokenizer_is_special(t, 500));
    wc_buf_init(&b, 10000);
    wc_tokenizer_special_tokens(t, &b);
    assert_string_equal(wc_buf_str(&b),
                        "{\"bos_token\":\"<bos>\",\"eos_token\":\"<eos>\",\"unk_token\":\"<unk>\","
                        "\"pad_token\":\"<pad>\"}");
    wc_buf_release(&b);
    wc_tokenizer_free(t);
}

/* Every kind of run, 200 kB of it, in a time that only an algorithm without a square in it keeps. */
static void test_long_runs(void **state)
{
    static const char *const names[] = {"gemma", "gpt2", "bert_uncased", "unigram_bytefallback"};
    static const char *const runs[] = {"a", " ", "\n", "A", "\xf0\x9f\x91\x8d", "\xcc\x81\xcc\xa3",
                                       "'", "<", "1"};
    enum { BYTES = 200000 };
    char *text = wc_mem_alloc(BYTES);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char folder[1000];
        snprintf(folder, sizeof folder, "%s/%s", SOURCE_ROOT "/tests/goldens/tokenizers", names[i]);
        wc_tokenizer *t = load_tokenizer(folder);
        for (size_t k = 0; k < sizeof runs / sizeof *runs; k++) {
            size_t len = strlen(runs[k]), n = BYTES / len * len;
            wc_ids ids = {0};
            for (size_t at = 0; at < n; at += len)
                memcpy(text + at, runs[k], len);
            double start = wc_seconds();
            assert_true(wc_tokenizer_encode(t, text, n, 0, &ids, NULL));
            wc_buf b = decoded(t, &ids, false);
            if (wc_seconds() - start > 10)
                fail_msg("%s: %zu bytes of \"%s\" took %.1f s", names[i], n, runs[k], wc_seconds() - start);
            wc_buf_release(&b);
            wc_ids_release(&ids);
        }
        wc_tokenizer_free(t);
    }
    wc_mem_free(text);
}

struct shared_job {
    const wc_tokenizer *t;
    wc_ids want;
    bool differs[100];
};
static const char SHARED_TEXT[] =
    "Many threads, one tokenizer: \xe6\x97\xa5\xe6\x9c\xac <b>1234</b>\n\n  the same ids.";

static void encode_chunk(void *user, int thread, size_t chunk)
{
    struct shared_job *job = user;
    wc_ids ids = {0};
    job->differs[chunk] = !wc_tokenizer_encode(job->t, SHARED_TEXT, sizeof SHARED_TEXT - 1, 0, &ids, NULL) ||
                          ids.size != job->want.size ||
                          memcmp(ids.data, job->want.data, ids.size * sizeof *ids.data) != 0;
    wc_ids_release(&ids);
}

static void test_threads(void **state)
{
    wc_tokenizer *t = load_tokenizer(SOURCE_ROOT "/tests/goldens/tokenizers/gemma");
    struct shared_job job = {.t = t};
    wc_pool *pool = wc_pool_open(4, NULL);
    assert_true(wc_tokenizer_encode(t, SHARED_TEXT, sizeof SHARED_TEXT - 1, 0, &job.want, NULL));
    wc_pool_run(pool, encode_chunk, &job, 100);
    for (int i = 0; i < 100; i++)
        assert_false(job.differs[i]);
    wc_pool_close(pool);
    wc_ids_release(&job.want);
    wc_tokenizer_free(t);
}

#define CUT_FROM(side)                                                                                       \
    "{\"model\":{\"type\":\"BPE\"," VOCAB_ABC ",\"merges\":[\"a b\"]},\"truncation\":" side "}"

/* Which end of a long text goes: the config's word, else the direction of the file's own truncation. */
static void test_sides(void **state)
{
    static const struct {
        const char *json, *config;
        int32_t first;
    } cases[] = {{CUT_FROM("null"), "{}", 0},
                 {CUT_FROM("{\"direction\":\"Left\"}"), "{}", 1},
                 {CUT_FROM("{\"direction\":\"Left\"}"), "{\"truncation_side\":\"right\"}", 0},
                 {CUT_FROM("null"), "{\"truncation_side\":\"left\"}", 1},
                 {CUT_FROM("null"), "{\"truncation_side\":\"top\"}", -1},
                 {CUT_FROM("{\"direction\":\"Up\"}"), "{}", -1}};
    wc_arena *a = wc_arena_new(0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        wc_error err = {0};
        wc_ids ids = {0};
        wc_tokenized all = {.ids = &ids};
        const wc_json *json = wc_json_parse(a, cases[i].json, strlen(cases[i].json), "json", 0, &err),
                      *config = wc_json_parse(a, cases[i].config, strlen(cases[i].config), "config", 0, &err);
        wc_tokenizer *t = wc_tokenizer_from_json(json, config, "tokenizer.json", &err);
        assert_int_equal(t != NULL, cases[i].first >= 0);
        if (!t)
            continue;
        const wc_cut cut = wc_tokenizer_cut(t, 2);
        assert_true(wc_tokenizer_encode_to(t, "aabb", 4, NULL, 0, 0, &cut, &all, &err));
        assert_int_equal(ids.size, 2);
        assert_int_equal(all.n_windows, 2);
        assert_int_equal(ids.data[0],
                         cases[i].first == 0 ? wc_tokenizer_find(t, "a", 1) : wc_tokenizer_find(t, "ab", 2));
        wc_ids_release(&ids);
        wc_tokenizer_free(t);
    }
    wc_arena_free(a);
}

/* The n-th allocation fails, for every n: an error each time, until all succeed. */
static bool use_once(const char *json)
{
    wc_error err = {0};
    wc_ids ids = {0};
    wc_spans spans = {0};
    wc_tokenized all = {.ids = &ids, .spans = &spans};
    wc_buf b;
    wc_buf_init(&b, 1 << 20);
    wc_tokenizer *t = from_text(json, &err);
    bool ok = t &&
              wc_tokenizer_encode_to(t, "a\xcc\x81 ab cab", 10, NULL, 0, WC_ENCODE_SPECIAL, NULL, &all,
                                     &err) &&
              wc_tokenizer_decode(t, ids.data, ids.size, false, &b, &err);
    if (!ok)
        assert_true(t == NULL || err.code != 0);
    wc_buf_release(&b);
    wc_ids_release(&ids);
    wc_spans_release(&spans);
    wc_tokenizer_free(t);
    return ok;
}

static void test_no_memory(void **state)
{
    static const char *const cases[] = {
        "{\"model\":{\"type\":\"BPE\"," VOCAB_ABC
        ",\"merges\":[\"a b\"]},\"added_tokens\":[{\"id\":9,\"content\":\"ca\"}],"
        "\"normalizer\":{\"type\":\"NFKC\"},\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"Regex\":\" "
        "+\"},"
        "\"behavior\":\"Isolated\"},\"decoder\":{\"type\":\"Replace\",\"pattern\":{\"String\":\"a\"},"
        "\"content\":\"b\"}}",
        "{\"model\":{\"type\":\"Unigram\",\"unk_id\":0,\"vocab\":[[\"?\",0],[\"a\",-1],[\"ab\",-1.5]]},"
        "\"pre_tokenizer\":{\"type\":\"Metaspace\",\"replacement\":\"_\"},"
        "\"decoder\":{\"type\":\"Metaspace\",\"replacement\":\"_\"}}",
        "{\"model\":{\"type\":\"WordPiece\",\"unk_token\":\"a\",\"vocab\":{\"a\":0,\"##b\":1}},"
        "\"normalizer\":{\"type\":\"BertNormalizer\"},\"pre_tokenizer\":{\"type\":\"BertPreTokenizer\"},"
        "\"decoder\":{\"type\":\"WordPiece\",\"prefix\":\"##\"}}"};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bool ok = false;
        for (long n = 1; !ok && n < 1000; n++) {
            wc_mem_fail_after(n);
            ok = use_once(cases[i]);
            wc_mem_fail_after(0);
        }
        assert_true(ok);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refused),   cmocka_unit_test(test_split),   cmocka_unit_test(test_scanners),
        cmocka_unit_test(test_bpe),       cmocka_unit_test(test_first),   cmocka_unit_test(test_specials),
        cmocka_unit_test(test_long_runs), cmocka_unit_test(test_threads), cmocka_unit_test(test_sides),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests_name("tokenizer", tests, NULL, NULL);
}
