/* test_encode.c - vectors, scores, labels and words of encoders, against what sentence-transformers and transformers' pipelines
 * make of the same folders; texts that are empty or too long; folders that are broken.  The layers inside are test_verify.c's. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/json.h"
#include "copies.h"
#include "formats/checkpoint.h"
#include "whinchat.h"

#define GOLDENS SOURCE_ROOT "/tests/goldens/"
#define S(s)    ((wc_string){s, sizeof s - 1})

enum { WIDTH = 36 };

static wc_model *open_model(const char *folder)
{
    wc_error err = {0};
    const wc_model_options o = {.size = sizeof o, .compute = WC_COMPUTE_F32};
    wc_model *m = wc_model_open(folder, &o, &err);
    if (!m)
        fail_msg("%s", err.text);
    return m;
}

static void assert_close(const float *got, const float *want, size_t n, double tolerance)
{
    for (size_t i = 0; i < n; i++)
        if (!(fabs((double)got[i] - (double)want[i]) <= tolerance))
            fail_msg("element %zu: expected %.9g, found %.9g", i, (double)want[i], (double)got[i]);
}

/* n times a piece of text. */
static wc_string repeated(const char *piece, size_t n, char room[2000])
{
    const size_t length = strlen(piece);
    assert_true(n * length <= 2000);
    for (size_t i = 0; i < n; i++)
        memcpy(room + i * length, piece, length);
    return (wc_string){room, n * length};
}

/* ---- vectors ---- */

static void test_embed(void **state)
{
    char room[2000];
    wc_model *m = open_model(GOLDENS "minilm");
    bool cut[3] = {true, false, true};
    const wc_string texts[] = {S(""), repeated("cat ", 200, room), S("cat")};
    const wc_encode_options o = {.size = sizeof o, .cut = cut};
    static const float want[3][4] = {{-0.13328373f, -0.18297864f, 0.025797531f, -0.31586534f},
                                     {-0.14888544f, -0.19002107f, 0.024897305f, -0.13766174f},
                                     {-0.1186124f, -0.23473722f, 0.037190817f, -0.25132769f}};
    wc_error err = {0};
    size_t width = 0;
    float *x = wc_embed(m, texts, 3, &o, &width, &err);
    assert_non_null(x);
    assert_int_equal(width, WIDTH);
    for (int i = 0; i < 3; i++) {
        double squares = 0;
        assert_close(x + i * WIDTH, want[i], 4, 1e-6);
        for (int k = 0; k < WIDTH; k++)
            squares += (double)x[i * WIDTH + k] * (double)x[i * WIDTH + k];
        assert_true(fabs(squares - 1) < 1e-5);
        assert_int_equal(cut[i], i == 1);
        float *alone = wc_embed(m, &texts[i], 1, NULL, &width, &err);
        assert_memory_equal(alone, x + i * WIDTH, WIDTH * sizeof *x);
        wc_free(alone);
    }
    wc_free(x);
    wc_model_free(m);
}

static void test_embed_options(void **state)
{
    wc_model *m = open_model(GOLDENS "minilm");
    const wc_string cat = S("cat");
    static const float first[] = {-0.2404907f,  -0.47593749f, 0.075405665f, -0.50957489f,
                                  0.192921147f, -0.24693885f, 0.524943113f, 0.276644796f};
    wc_encode_options o = {.size = sizeof o, .dimensions = 8, .normalize = true};
    wc_error err = {0};
    size_t width;
    float *x = wc_embed(m, &cat, 1, &o, &width, &err);
    assert_non_null(x);
    assert_int_equal(width, 8);
    assert_close(x, first, 8, 1e-6);
    wc_free(x);

    const wc_string words = S("a cat");
    float *whole = wc_embed(m, &words, 1, NULL, &width, &err);
    o = (wc_encode_options){.size = sizeof o, .prompt = "a "};
    float *prompted = wc_embed(m, &cat, 1, &o, &width, &err);
    assert_memory_equal(whole, prompted, WIDTH * sizeof *whole);
    wc_free(whole);
    wc_free(prompted);

    o = (wc_encode_options){.size = sizeof o, .dimensions = WIDTH + 1};
    assert_null(wc_embed(m, &cat, 1, &o, &width, &err));
    assert_string_equal(err.text, "dimensions: expected 1 to 36, the model's, found 37");
    o = (wc_encode_options){.size = sizeof o, .prompt_name = "poem"};
    assert_null(wc_embed(m, &cat, 1, &o, &width, &err));
    assert_string_equal(err.text, "prompt_name: poem is not among the model's prompts: document, query");
    o = (wc_encode_options){.size = sizeof o, .max_tokens = 2};
    assert_null(wc_embed(m, &cat, 1, &o, &width, &err));
    assert_int_equal(err.code, WC_REFUSED);
    x = wc_embed(m, NULL, 0, NULL, &width, &err);
    assert_non_null(x);
    wc_free(x);
    wc_model_free(m);
}

/* EmbeddingGemma: prompts, dense layers, a window to both sides; the first dimensions by themselves. */
static void test_embeddinggemma(void **state)
{
    enum { D = 40, FEW = 16 };
    wc_error err = {0};
    size_t width;
    wc_model *m = open_model(GOLDENS "embeddinggemma");
    wc_checkpoint *golden = wc_checkpoint_open_tensors(GOLDENS "embeddinggemma/golden.safetensors", &err);
    wc_tensor want = {0};
    assert_true(golden && wc_checkpoint_find(golden, "doc.4_Normalize", &want));
    const wc_string text = S("a phone runs it");
    wc_encode_options o = {.size = sizeof o, .prompt_name = "document"};
    float *x = wc_embed(m, &text, 1, &o, &width, &err);
    assert_non_null(x);
    assert_int_equal(width, D);
    assert_close(x, want.data, D, 2e-6);

    float first[FEW];
    double squares = 0;
    for (int i = 0; i < FEW; i++)
        squares += (double)x[i] * (double)x[i];
    for (int i = 0; i < FEW; i++)
        first[i] = (float)((double)x[i] / sqrt(squares));
    wc_free(x);
    o.dimensions = FEW;
    o.normalize = true;
    x = wc_embed(m, &text, 1, &o, &width, &err);
    assert_int_equal(width, FEW);
    assert_close(x, first, FEW, 1e-6);
    wc_free(x);
    o.prompt_name = "poem";
    assert_null(wc_embed(m, &text, 1, &o, &width, &err));
    wc_checkpoint_close(golden);
    wc_model_free(m);
}

/* The result of a text does not depend on how passes are cut. */
static void test_batches(void **state)
{
    enum { N = 40 };
    static char rooms[N][2000];
    wc_string texts[N];
    wc_model *m = open_model(GOLDENS "minilm");
    for (int i = 0; i < N; i++)
        texts[i] = repeated(i % 3 ? "cat " : "the tree, a phone. ", (size_t)(i * 7 % 19), rooms[i]);
    wc_error err = {0};
    size_t width;
    float *all = wc_embed(m, texts, N, NULL, &width, &err);
    for (int rows = 1; rows < 300; rows = 3 * rows + 7) {
        const wc_encode_options o = {.size = sizeof o, .batch_rows = rows};
        float *x = wc_embed(m, texts, N, &o, &width, &err);
        assert_memory_equal(x, all, N * WIDTH * sizeof *x);
        wc_free(x);
    }
    wc_free(all);
    wc_model_free(m);
}

/* ---- scores, labels, words ---- */

static void test_rerank(void **state)
{
    char room[2][2000];
    wc_model *m = open_model(GOLDENS "bert_rerank");
    wc_error err = {0};
    bool cut[1];
    const wc_encode_options o = {.size = sizeof o, .cut = cut};
    static const float want[] = {0.427422136f, 0.48919332f, 0.578077972f, 0.550588310f};
    const wc_string documents[] = {S("search and rank data fast!"), S("")};
    float *x = wc_rerank(m, S("fast search"), documents, 2, NULL, &err);
    assert_close(x, want, 1, 2e-6);
    wc_free(x);
    x = wc_rerank(m, S(""), documents + 1, 1, &o, &err);
    assert_close(x, want + 1, 1, 2e-6);
    assert_false(cut[0]);
    wc_free(x);
    wc_string document = repeated("the tree. ", 10, room[1]);
    x = wc_rerank(m, repeated("cat ", 100, room[0]), &document, 1, &o, &err);
    assert_close(x, want + 2, 1, 2e-6);
    assert_true(cut[0]);
    wc_free(x);
    document = repeated("cat ", 100, room[1]);
    x = wc_rerank(m, repeated("the tree. ", 30, room[0]), &document, 1, &o, &err);
    assert_close(x, want + 3, 1, 2e-6);
    wc_free(x);
    size_t width;
    assert_null(wc_embed(m, documents, 1, NULL, &width, &err));
    assert_int_equal(err.code, WC_UNSUPPORTED);
    wc_model_free(m);
}

static void test_classify(void **state)
{
    wc_model *m = open_model(GOLDENS "bert_classify");
    wc_error err = {0};
    size_t n;
    static const float want[] = {0.655359685f, 0.244398609f, 0.100241631f,
                                 0.354570717f, 0.254174471f, 0.391254812f};
    const wc_string texts[] = {S("the cat is in the tree."), S("")};
    float *x = wc_classify(m, texts, 2, NULL, &n, &err);
    assert_int_equal(n, 3);
    assert_close(x, want, 6, 2e-6);
    assert_non_null(
        strstr(wc_model_info(m), "\"task\":\"text-classification\",\"labels\":[\"bad\",\"fair\",\"good\"]"));
    wc_free(x);
    assert_null(wc_rerank(m, texts[0], texts, 1, NULL, &err));
    assert_non_null(strstr(err.text, "expected a model with one label, found 3 labels"));
    assert_null(wc_fill(m, texts[0], NULL, &err));
    assert_non_null(
        strstr(err.text, "fill: expected a model for fill-mask, found one for text-classification"));
    wc_session *s = wc_session_new(m, NULL, &err);
    assert_null(s);
    assert_int_equal(err.code, WC_UNSUPPORTED);
    wc_model_free(m);
}

static const wc_json *parse(wc_arena *a, char *json, const wc_error *err)
{
    const wc_json *v = json ? wc_json_parse(a, json, strlen(json), "answer", 0, NULL) : NULL;
    if (!v)
        fail_msg("%s", json ? json : err->text);
    wc_free(json);
    return v;
}

static void test_classify_tokens(void **state)
{
    static const char *const words[] = {"the", "cat", "is", "in", "the", "tree", "."};
    static const double scores[] = {0.40917796, 0.48282054, 0.5093973, 0.5011851,
                                    0.43406603, 0.44030455, 0.49012098};
    wc_arena *a = wc_arena_new(0);
    wc_model *m = open_model(GOLDENS "bert_tokens");
    wc_error err = {0};
    const wc_json *v = parse(a, wc_classify_tokens(m, S("the cat is in the tree."), NULL, &err), &err);
    const wc_json *tokens = wc_json_get(v, "tokens");
    assert_int_equal(wc_json_count(tokens), 7);
    for (size_t i = 0; i < 7; i++) {
        const wc_json *t = wc_json_item(tokens, i);
        assert_true(wc_json_string_is(wc_json_get(t, "token"), words[i]));
        assert_true(wc_json_string_is(wc_json_get(t, "label"), "B-LOC"));
        assert_int_equal(wc_json_get(t, "index")->u.integer, i + 1);
        assert_true(fabs(wc_json_number(wc_json_get(t, "score"), 0) - scores[i]) < 2e-6);
    }
    v = parse(a, wc_classify_tokens(m, S(""), NULL, &err), &err);
    assert_int_equal(wc_json_count(wc_json_get(v, "tokens")), 0);
    wc_model_free(m);
    wc_arena_free(a);
}

static void expect_fill(const wc_json *fill, const char *text, const char *sequence, double score)
{
    assert_true(wc_json_string_is(wc_json_get(fill, "text"), text));
    assert_true(wc_json_string_is(wc_json_get(fill, "sequence"), sequence));
    assert_true(fabs(wc_json_number(wc_json_get(fill, "score"), 0) - score) < 5e-6);
}

static void test_fill(void **state)
{
    wc_arena *a = wc_arena_new(0);
    wc_model *m = open_model(GOLDENS "bert");
    wc_error err = {0};
    wc_encode_options o = {.size = sizeof o, .top_k = 3};
    const wc_json *v = parse(a, wc_fill(m, S("the small [MASK] runs on a phone."), &o, &err), &err);
    const wc_json *mask = wc_json_item(wc_json_get(v, "masks"), 0);
    assert_int_equal(wc_json_count(mask), 3);
    expect_fill(wc_json_item(mask, 0), "b", "the small b runs on a phone.", 0.76878744);
    expect_fill(wc_json_item(mask, 1), "city", "the small city runs on a phone.", 0.06529018);
    expect_fill(wc_json_item(mask, 2), "##i", "the smalli runs on a phone.", 0.04523291);

    o.top_k = 1;
    v = parse(a, wc_fill(m, S("the [MASK] is in the [MASK]."), &o, &err), &err);
    v = wc_json_get(v, "masks");
    assert_int_equal(wc_json_count(v), 2);
    expect_fill(wc_json_item(wc_json_item(v, 0), 0), "[unused32]",
                "[CLS] the [unused32] is in the [MASK]. [SEP]", 0.41158143);
    expect_fill(wc_json_item(wc_json_item(v, 1), 0), "b", "[CLS] the [MASK] is in the b. [SEP]", 0.24051774);

    assert_null(wc_fill(m, S("no mask"), NULL, &err));
    assert_string_equal(err.text, "text: expected at least one [MASK], found none");
    wc_model_free(m);
    wc_arena_free(a);
}

/* ---- tokens and their rows ---- */

/* The token in index of the answer, from byte start to end of the text; start -1: it has no place. */
static void expect_token(const wc_json *v, size_t index, const char *token, int text, int start, int end)
{
    const wc_json *t = wc_json_item(wc_json_get(v, "tokens"), index), *at = wc_json_get(t, "start");
    assert_true(wc_json_string_is(wc_json_get(t, "token"), token));
    assert_int_equal(wc_json_get(t, "text")->u.integer, text);
    if (start < 0) {
        assert_null(at);
        return;
    }
    assert_int_equal(at->u.integer, start);
    assert_int_equal(wc_json_get(t, "end")->u.integer, end);
}

static void test_tokens(void **state)
{
    wc_arena *a = wc_arena_new(0);
    wc_model *m = open_model(GOLDENS "bert_tokens");
    wc_error err = {0};
    /* Lower case, accents of one or two code points (also those whose order is another), what is dropped, what gets space. */
    const wc_json *v = parse(
        a, wc_tokens(m, S("The c\u00e0\u0323t  is\u200b in\u4e2d[SEP]."), NULL, NULL, &err), &err);
    expect_token(v, 0, "[CLS]", -1, -1, -1);
    expect_token(v, 1, "the", 0, 0, 3);
    expect_token(v, 2, "cat", 0, 4, 10);
    expect_token(v, 3, "is", 0, 12, 14);
    expect_token(v, 4, "in", 0, 18, 20);
    expect_token(v, 5, "[UNK]", 0, 20, 23);
    expect_token(v, 6, "[SEP]", 0, 23, 28);
    expect_token(v, 7, ".", 0, 28, 29);
    expect_token(v, 8, "[SEP]", -1, -1, -1);
    assert_int_equal(wc_json_count(wc_json_get(v, "tokens")), 9);

    const wc_encode_options o = {.size = sizeof o, .max_tokens = 6};
    v = parse(a, wc_tokens(m, S("the cat"), &S("smalli tree."), &o, &err), &err);
    assert_true(wc_json_is(wc_json_get(v, "cut"), WC_JSON_TRUE));
    expect_token(v, 1, "the", 0, 0, 3);
    expect_token(v, 3, "small", 1, 0, 5);
    expect_token(v, 5, "[SEP]", -1, -1, -1);
    assert_int_equal(wc_token_id(m, "##i", 3), 49);
    assert_int_equal(wc_token_id(m, "##i", 2), -1);
    wc_model_free(m);

    m = open_model(
        GOLDENS "embeddinggemma"); /* whose tokenizer rewrites bytes: each stands for its whole character */
    v = parse(a, wc_tokens(m, S("caf\u00e9 x"), NULL, NULL, &err), &err);
    expect_token(v, 3, "f", 0, 2, 3);
    expect_token(v, 4, "\u00c3", 0, 3, 5);
    expect_token(v, 5, "\u00a9", 0, 3, 5);
    expect_token(v, 6, "\u0120", 0, 5, 6);
    wc_model_free(m);

    m = open_model(GOLDENS "qwen3");
    assert_null(wc_tokens(m, S("x"), NULL, NULL, &err));
    assert_int_equal(err.code, WC_UNSUPPORTED);
    wc_model_free(m);
    wc_arena_free(a);
}

/* Hidden states put together give the mean that wc_embed gives; the head's rows are those of the probabilities. */
static void test_rows(void **state)
{
    enum { N = 5 };
    static const int32_t ids[2][N] = {{2, 30, 31, 32, 3}, {2, 33, 3}}, second[] = {1};
    const wc_token_list lists[] = {{.ids = ids[0], .n_ids = N}, {.ids = ids[1], .n_ids = 3}};
    const wc_token_list picked[] = {{.ids = ids[0], .n_ids = N, .rows = second, .n_rows = 1},
                                    {.ids = ids[1], .n_ids = 3, .rows = second, .n_rows = 1}};
    size_t n, width, n_one, width_one;
    wc_error err = {0};
    wc_model *m = open_model(GOLDENS "bert");
    float *all = wc_encode(m, lists, 2, WC_ROWS_HIDDEN, NULL, &n, &width, &err);
    float *one = wc_encode(m, picked, 2, WC_ROWS_HIDDEN, NULL, &n_one, &width_one, &err);
    assert_non_null(all);
    assert_non_null(one);
    assert_int_equal(n, N + 3);
    assert_int_equal(n_one, 2);
    assert_int_equal(width, width_one);
    assert_memory_equal(one, all + width, width * sizeof *all);
    assert_memory_equal(one + width, all + (N + 1) * width, width * sizeof *all);
    wc_free(all);
    wc_free(one);
    one = wc_encode(m, picked, 2, WC_ROWS_LOGITS, NULL, &n, &width, &err);
    all = wc_encode(m, lists, 2, WC_ROWS_LOGITS, NULL, &n_one, &width, &err);
    assert_int_equal(n, 2);
    assert_memory_equal(one + width, all + (N + 1) * width, width * sizeof *all);
    wc_free(all);
    wc_free(one);

    static const int32_t bad[] = {2, 100000}, falling[] = {1, 1}, types[] = {0, 2};
    const wc_token_list wrong[] = {{.ids = bad, .n_ids = 2},
                                   {.ids = ids[0], .n_ids = 0},
                                   {.ids = ids[0], .n_ids = 2, .rows = bad, .n_rows = 2},
                                   {.ids = ids[0], .n_ids = 2, .rows = falling, .n_rows = 2},
                                   {.ids = ids[0], .n_ids = 2, .types = types}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_null(wc_encode(m, &wrong[i], 1, WC_ROWS_HIDDEN, NULL, &n, &width, &err));
    assert_null(wc_encode(m, lists, 1, 2, NULL, &n, &width, &err));
    wc_model_free(m);
    m = open_model(GOLDENS "minilm");
    assert_null(wc_encode(m, lists, 1, WC_ROWS_LOGITS, NULL, &n, &width, &err));
    assert_int_equal(err.code, WC_UNSUPPORTED);
    wc_model_free(m);

    m = open_model(GOLDENS "bert_classify"); /* three labels of each text */
    one = wc_encode(m, lists, 2, WC_ROWS_LOGITS, NULL, &n, &width, &err);
    assert_non_null(one);
    assert_int_equal(n, 2);
    assert_int_equal(width, 3);
    wc_free(one);
    wc_model_free(m);
}

/* ---- modules ---- */

static int open_copy(void **state)
{
    static const char *const files[] = {
        "config.json",  "model.safetensors",     "tokenizer.json",           "tokenizer_config.json",
        "modules.json", "1_Pooling/config.json", "sentence_bert_config.json"};
    *state = make_copy(GOLDENS "minilm", files, sizeof files / sizeof *files);
    return 0;
}

static int close_copy(void **state)
{
    free_copy(*state);
    return 0;
}

static void test_broken_modules(void **state)
{
    struct copy *c = *state;
    static const struct {
        const char *file, *text, *part;
    } cases[] = {
        {"modules.json", "{}", "modules.json: expected an array, found an object"},
        {"modules.json", "[1]", "type"},
        {"modules.json", "[{\"type\": \"x.Pooling\", \"path\": \"1_Pooling\"}]",
         "entry 0: type: expected Transformer"},
        {"modules.json", "[{\"type\": \"Transformer\"}, {\"type\": \"Pooling\", \"path\": \"../1_Pooling\"}]",
         "entry 1: path: expected the name of a folder"},
        {"modules.json", "[{\"type\": \"Transformer\"}, {\"type\": \"Pooling\", \"path\": \"..\"}]",
         "entry 1: path: expected the name of a folder"},
        {"modules.json", "[{\"type\": \"Transformer\"}, {\"type\": \"a.LSTM\", \"path\": \"1_LSTM\"}]",
         "entry 1: type: expected Pooling, Dense, Normalize or Dropout, found a.LSTM"},
        {"modules.json", "[{\"type\": \"Transformer\"}, {\"type\": \"Dense\", \"path\": \"1_Pooling\"}]",
         "in_features"},
        {"1_Pooling/config.json", "{\"pooling_mode\": \"median\"}", "pooling_mode: expected cls, max"},
        {"1_Pooling/config.json", "{\"pooling_mode\": []}", "pooling_mode: expected one, found none"},
        {"1_Pooling/config.json",
         "{\"pooling_mode\": [\"cls\",\"cls\",\"cls\",\"cls\",\"cls\",\"cls\",\"cls\"]}", "pooling_mode"},
        {"sentence_bert_config.json", "{\"max_seq_length\": -1}", "max_seq_length"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        wc_error err = {0};
        size_t n;
        const char *before = read_file(c, c->folder, cases[i].file, &n);
        write_file(c, cases[i].file, cases[i].text, strlen(cases[i].text));
        wc_model *m = wc_model_open(c->folder, NULL, &err);
        if (m || !strstr(err.text, cases[i].part))
            fail_msg("%s: expected \"%s\", found \"%s\"", cases[i].text, cases[i].part, err.text);
        write_file(c, cases[i].file, before, n);
    }
}

/* Every way of pooling, old spellings and new. */
static void test_poolings(void **state)
{
    struct copy *c = *state;
    static const struct {
        const char *config;
        size_t width;
        float first[3]; /* by sentence-transformers */
    } cases[] = {
        {"{\"pooling_mode\": \"cls\"}", WIDTH, {-0.627269149f, -0.970863938f, -0.251012594f}},
        {"{\"pooling_mode\": \"max\"}", WIDTH, {-0.101531945f, -0.673843801f, 0.529290557f}},
        {"{\"pooling_mode\": \"mean_sqrt_len_tokens\"}", WIDTH, {-1.79825926f, -3.16478348f, 0.734507084f}},
        {"{\"pooling_mode\": \"weightedmean\"}", WIDTH, {-0.564448118f, -0.972279608f, 0.251770705f}},
        {"{\"pooling_mode_mean_tokens\": false, \"pooling_mode_lasttoken\": true}",
         WIDTH,
         {-1.15038693f, -0.688612759f, -0.119097739f}},
        {"{\"pooling_mode\": [\"max\", \"cls\"]}", 2 * WIDTH, {-0.101531945f, -0.673843801f, 0.529290557f}},
        {"{}", WIDTH, {-0.599419773f, -1.05492783f, 0.24483569f}},
    };
    const char modules[] =
        "[{\"type\": \"a.Transformer\", \"path\": \"\"}, {\"type\": \"a.Pooling\", \"path\": \"1_Pooling\"}]";
    const wc_string text = S("the cat is in the tree.");
    write_file(c, "modules.json", modules, sizeof modules - 1);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        wc_error err = {0};
        size_t width;
        write_file(c, "1_Pooling/config.json", cases[i].config, strlen(cases[i].config));
        wc_model *m = open_model(c->folder);
        float *x = wc_embed(m, &text, 1, NULL, &width, &err);
        assert_non_null(x);
        assert_int_equal(width, cases[i].width);
        assert_close(x, cases[i].first, 3, 2e-5);
        wc_free(x);
        wc_model_free(m);
    }
}

#define WITH_COPY(test) cmocka_unit_test_setup_teardown(test, open_copy, close_copy)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_embed),           cmocka_unit_test(test_embed_options),
        cmocka_unit_test(test_embeddinggemma),  cmocka_unit_test(test_batches),
        cmocka_unit_test(test_rerank),          cmocka_unit_test(test_classify),
        cmocka_unit_test(test_classify_tokens), cmocka_unit_test(test_fill),
        cmocka_unit_test(test_tokens),          cmocka_unit_test(test_rows),
        WITH_COPY(test_broken_modules),         WITH_COPY(test_poolings),
    };
    return cmocka_run_group_tests_name("encode", tests, NULL, NULL);
}
