/* test_verify.c - the models of tests/goldens against their reference values; copies with one thing wrong, which must fail
 * at that thing; folders that are broken. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/json.h"
#include "copies.h"
#include "whinchat.h"

#define GOLDENS SOURCE_ROOT "/tests/goldens/"

/* What a verification said. */
struct outcome {
    size_t n_passed, n_failed, n_not_run;
    char first[200], note[400]; /* of the first failure */
    bool print;
};

static void on_check(void *user, const wc_check *check)
{
    struct outcome *o = user;
    assert_int_equal(check->size, sizeof *check);
    if (check->pass) {
        o->n_not_run += check->note[0] != '\0';
        return;
    }
    if (o->print)
        print_error("%s: largest %g, share %g: %s\n", check->name, check->max_diff, check->worst_share,
                    check->note);
    if (!o->first[0]) {
        snprintf(o->first, sizeof o->first, "%s", check->name);
        snprintf(o->note, sizeof o->note, "%s", check->note);
    }
}

static bool verify(const char *folder, const wc_model_options *model, const wc_verify_options *options,
                   struct outcome *o, wc_error *err)
{
    return wc_verify(folder, model, options, on_check, o, &o->n_passed, &o->n_failed, err);
}

/* All checks pass, n of them. */
static void expect_pass(const char *folder, const wc_model_options *model, const wc_verify_options *options,
                        size_t n)
{
    wc_error err = {0};
    struct outcome o = {.print = true};
    if (!verify(folder, model, options, &o, &err))
        fail_msg("%s", err.text);
    assert_int_equal(o.n_failed, 0);
    assert_int_equal(o.n_passed, n);
}

/* ---- whole models ---- */

static void test_text(void **state)
{
    expect_pass(GOLDENS "gemma3n_text", NULL, NULL, 78 + 18);
}

static void test_text_bf16(void **state)
{
    expect_pass(GOLDENS "gemma3n_text_bf16", NULL, NULL, 88 + 18);
}

static void test_text_sharded(void **state)
{
    expect_pass(GOLDENS "gemma3n_text_sharded", NULL, NULL, 46 + 18);
}

static void test_slice(void **state)
{
    const wc_model_options model = {
        .size = sizeof model,
        .slice = "{\"layers_skipped\": [5, 6], \"ffn_hidden_dims\": [64, 64, 96, 64, 128, 64, 128, 64]}"};
    const wc_verify_options options = {.size = sizeof options, .golden = GOLDENS "gemma3n_slice"};
    expect_pass(GOLDENS "gemma3n_slice", NULL, NULL, 74 + 14);
    expect_pass(GOLDENS "gemma3n_text", &model, &options, 74 + 14); /* the same cut from the whole */
}

static void test_pictures_and_sound(void **state)
{
    expect_pass(GOLDENS "gemma3n_mm", NULL, NULL, 131 + 37);
}

static void test_hub_spelling(void **state)
{
    const wc_model_options text = {.size = sizeof text,
                                   .config = GOLDENS "gemma3n_text/config.hub_spelling.json"},
                           mm = {.size = sizeof mm, .config = GOLDENS "gemma3n_mm/config.hub_spelling.json"};
    expect_pass(GOLDENS "gemma3n_text", &text, NULL, 96);
    expect_pass(GOLDENS "gemma3n_mm", &mm, NULL, 131 + 37);
}

/* Decoders of the other families, each also with the configuration as the hub spells it, where there is one. */
static void test_families(void **state)
{
    static const struct {
        const char *name;
        size_t points;
    } cases[] = {{"gemma1", 48},       {"gemma2", 51},   {"gemma3_text", 56}, {"gemma3_mm", 107},
                 {"gemma4_dense", 54}, {"gemma4_e", 60}, {"llama3", 48},      {"llama3_f16", 39},
                 {"llama_bias", 47},   {"openelm", 49},  {"phi2", 46},        {"phi3_longrope", 57},
                 {"phi4_mini", 45},    {"phimoe", 46},   {"qwen3", 50},       {"qwen2_untied_window", 49},
                 {"smollm3", 50}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char folder[400], config[440];
        snprintf(folder, sizeof folder, GOLDENS "%s", cases[i].name);
        snprintf(config, sizeof config, "%s/config_hub.json", folder);
        expect_pass(folder, NULL, NULL, cases[i].points);
        const wc_model_options hub = {.size = sizeof hub, .config = config};
        if (access(config, R_OK) == 0)
            expect_pass(folder, &hub, NULL, cases[i].points);
    }
}

/* Encoders: each point, and the same bits alone, in a batch and with other threads. */
static void test_encoders(void **state)
{
    static const struct {
        const char *name;
        size_t points;
    } cases[] = {{"bert", 33},        {"bert_classify", 32}, {"bert_pooled", 32},   {"bert_rerank", 40},
                 {"bert_tokens", 27}, {"minilm", 19},        {"embeddinggemma", 33}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char folder[400];
        snprintf(folder, sizeof folder, GOLDENS "%s", cases[i].name);
        expect_pass(folder, NULL, NULL, cases[i].points);
    }
}

/* Training runs: losses, gradients, parameters after three steps; own weights, tied and in rows of larger ones, and an adapter. */
static void test_training(void **state)
{
    expect_pass(GOLDENS "train_openelm", NULL, NULL, 55 + 3);
    expect_pass(GOLDENS "train_lora", NULL, NULL, 24 + 3);
    const wc_model_options threads = {.size = sizeof threads, .n_threads = 3};
    expect_pass(GOLDENS "train_lora", &threads, NULL, 24 + 3);
}

/* A folder of its own for the weights of a golden and one of its configurations, without a tokenizer. */
static void link_folder(char *folder, const char *golden, const char *config)
{
    char from[500], to[300];
    make_folder(folder);
    snprintf(from, sizeof from, "%s/model.safetensors", golden);
    snprintf(to, sizeof to, "%s/model.safetensors", folder);
    assert_int_equal(symlink(from, to), 0);
    snprintf(from, sizeof from, "%s/%s", golden, config);
    snprintf(to, sizeof to, "%s/config.json", folder);
    assert_int_equal(symlink(from, to), 0);
}

static void unlink_folder(const char *folder)
{
    char path[300];
    snprintf(path, sizeof path, "%s/model.safetensors", folder);
    unlink(path);
    snprintf(path, sizeof path, "%s/config.json", folder);
    unlink(path);
    rmdir(folder);
}

static void expect_converted(const char *folder, const char *golden, const char *out, size_t points)
{
    wc_error err = {0};
    const wc_verify_options options = {.size = sizeof options, .golden = golden};
    if (!wc_convert(folder, out, "f32", NULL, NULL, &err))
        fail_msg("%s", err.text);
    expect_pass(out, NULL, &options, points);
    unlink(out);
}

/* What convert writes is the same model, layer by layer, also from the configuration as the hub spells it; what its file could
 * not tell is refused. */
static void test_families_as_gguf(void **state)
{
    static const struct {
        const char *name;
        size_t points;
    } cases[] = {{"gemma1", 48},       {"gemma2", 51},   {"gemma3_text", 56},   {"gemma3n_text", 96},
                 {"gemma4_dense", 54}, {"gemma4_e", 60}, {"llama3", 48},        {"llama_bias", 47},
                 {"openelm", 49},      {"phi2", 46},     {"phi3_longrope", 57}, {"phi4_mini", 45},
                 {"phimoe", 46},       {"qwen3", 50},    {"smollm3", 50}};
    const char *tmp = getenv("TMPDIR");
    char out[400], folder[400];
    snprintf(out, sizeof out, "%s/whinchat-verify-%d.gguf", tmp ? tmp : "/tmp", (int)getpid());
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char linked[FOLDER_SIZE], config[440];
        snprintf(folder, sizeof folder, GOLDENS "%s", cases[i].name);
        expect_converted(folder, folder, out, cases[i].points);
        snprintf(config, sizeof config, "%s/config_hub.json", folder);
        if (access(config, R_OK) != 0)
            continue;
        link_folder(linked, folder, "config_hub.json");
        expect_converted(linked, folder, out, cases[i].points);
        unlink_folder(linked);
    }
    wc_error err = {0};
    assert_false(wc_convert(GOLDENS "qwen2_untied_window", out, "f32", NULL, NULL, &err));
    assert_int_equal(err.code, WC_UNSUPPORTED);
    assert_non_null(strstr(err.text, "config.json: use_sliding_window: "));
}

/* Text and pictures in a GGUF file each are the same model as the folder, layer by layer.  What such files cannot have is left
 * out: sounds, and the settings of pan and scan. */
static void test_pictures_as_gguf(void **state)
{
    static const struct {
        const char *name, *skip;
        size_t points;
    } cases[] = {{"gemma3_mm", "pan_scan.,two_pan_scan.", 88},
                 {"gemma3n_mm", "aud.,aud2.,imgaud.,sound_a.,sound_b.", 102}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char linked[FOLDER_SIZE], folder[400], text[300], tower[300];
        wc_error err = {0};
        snprintf(folder, sizeof folder, GOLDENS "%s", cases[i].name);
        link_folder(linked, folder, "config.json");
        snprintf(text, sizeof text, "%s/text.gguf", linked);
        snprintf(tower, sizeof tower, "%s/mmproj-f32.gguf", linked);
        if (!wc_convert(linked, text, "f32", NULL, NULL, &err) ||
            !wc_convert_mmproj(folder, tower, "f32", NULL, NULL, &err))
            fail_msg("%s", err.text);
        const wc_model_options model = {.size = sizeof model, .tokenizer = folder};
        const wc_verify_options options = {.size = sizeof options, .golden = folder, .skip = cases[i].skip};
        expect_pass(text, &model, &options, cases[i].points);
        unlink(text);
        unlink(tower);
        unlink_folder(linked);
    }
}

/* A file of gemma3 could not tell that rows see both ways: read again it would be another model. */
static void test_encoder_is_not_converted(void **state)
{
    char folder[FOLDER_SIZE];
    wc_error err = {0};
    link_folder(folder, GOLDENS "embeddinggemma", "config.json");
    assert_false(wc_convert(folder, "verify-encoder.gguf", "f32", NULL, NULL, &err));
    assert_non_null(strstr(err.text, "config.json: use_bidirectional_attention: "));
    assert_int_not_equal(access("verify-encoder.gguf", F_OK), 0);
    unlink_folder(folder);
}

/* Pictures by themselves; the folder is that of test_image, or the one beside the source. */
static void test_image_preprocess(void **state)
{
    const char *shared = getenv("WHINCHAT_SHARED");
    char beside[1000];
    snprintf(beside, sizeof beside, "%s/goldens/image_preprocess",
             shared ? shared : SOURCE_ROOT "/../shared");
    const char *folder = wc_dir_exists(GOLDENS "image_preprocess") ? GOLDENS "image_preprocess" : beside;
    if (!wc_dir_exists(folder)) {
        print_message("not run: %s: no such folder\n", folder);
        return;
    }
    expect_pass(folder, NULL, NULL, 171 + 33 + 32);
}

static void test_audio_preprocess(void **state)
{
    expect_pass(GOLDENS "audio_preprocess", NULL, NULL, 17 + 5);
}

/* ---- which checks ---- */

static void test_only(void **state)
{
    wc_error err = {0};
    struct outcome o = {.print = true};
    wc_verify_options options = {.size = sizeof options, .only = "p18.layers.0.mlp,p6.greedy"};
    assert_true(verify(GOLDENS "gemma3n_text_sharded", NULL, &options, &o, &err));
    assert_int_equal(o.n_failed, 0);
    assert_int_equal(o.n_passed, 6 + 2);
    assert_int_equal(o.n_not_run, 1); /* one line for all of them */
    options.only = "nothing";
    assert_false(verify(GOLDENS "gemma3n_text_sharded", NULL, &options, &o, &err));
    assert_int_equal(err.code, WC_BAD_ARGUMENT);
}

/* ---- copies with one thing wrong ---- */

static int open_copy(void **state)
{
    static const char *const files[] = {"config.json",
                                        "golden.json",
                                        "golden.safetensors",
                                        "model-00001-of-00003.safetensors",
                                        "model-00002-of-00003.safetensors",
                                        "model-00003-of-00003.safetensors",
                                        "model.safetensors.index.json"};
    *state = make_copy(GOLDENS "gemma3n_text_sharded", files, sizeof files / sizeof *files);
    return 0;
}

static int close_copy(void **state)
{
    free_copy(*state);
    return 0;
}

/* Changes element i of an f32 tensor: added to it, or in its place when it is NaN. */
static void disturb(struct copy *c, const char *name, const char *tensor, size_t i, float by)
{
    size_t n;
    uint64_t header;
    char *data = read_file(c, c->folder, name, &n);
    memcpy(&header, data, sizeof header);
    wc_error err = {0};
    const wc_json *doc = wc_json_parse(c->arena, data + 8, header, name, 0, &err);
    const wc_json *begin = wc_json_item(wc_json_get(wc_json_get(doc, tensor), "data_offsets"), 0);
    assert_non_null(begin);
    char *at = data + 8 + header + (size_t)wc_json_number(begin, 0) + 4 * i;
    float x;
    memcpy(&x, at, sizeof x);
    x += by;
    memcpy(at, &x, sizeof x);
    write_file(c, name, data, n);
}

/* The copy can be run, and its first failure is that check. */
static struct outcome expect_first_failure(const struct copy *c, const char *only, const char *check)
{
    wc_error err = {0};
    struct outcome o = {0};
    const wc_verify_options options = {.size = sizeof options, .only = only};
    if (!verify(c->folder, NULL, &options, &o, &err))
        fail_msg("%s", err.text);
    assert_true(o.n_failed > 0);
    assert_string_equal(o.first, check);
    return o;
}

static void test_wrong_weight(void **state)
{
    disturb(*state, "model-00001-of-00003.safetensors", "model.layers.0.mlp.up_proj.weight", 77, 0.25f);
    struct outcome o = expect_first_failure(*state, "p18", "p18.layers.0.mlp_up");
    assert_non_null(strstr(o.note, "18 of 1152 off, worst at ["));
}

static void test_wrong_value(void **state)
{
    disturb(*state, "golden.safetensors", "p18.layers.2.out", 100, 0.01f);
    struct outcome o = expect_first_failure(*state, NULL, "p18.layers.2.out");
    assert_int_equal(o.n_failed, 1);
    assert_int_equal(o.n_passed, 63);
    assert_non_null(strstr(o.note, "1 of 1728 off, worst at [0, 3, 4]: expected "));
}

static void test_nan_in_weights(void **state)
{
    disturb(*state, "model-00002-of-00003.safetensors", "model.layers.2.self_attn.o_proj.weight", 5, NAN);
    struct outcome o = expect_first_failure(*state, NULL, "weights.finite");
    assert_non_null(strstr(o.note, "model.layers.2.self_attn.o_proj.weight"));
}

static void test_wrong_answer(void **state)
{
    edit_copy(*state, "golden.json", "\"greedy_ids\": [", "\"greedy_ids\": [ 7, ");
    struct outcome o = expect_first_failure(*state, "p6.greedy_ids", "p6.greedy_ids");
    assert_memory_equal(o.note, "id 0: expected 7, found ", 24);
}

static void test_unknown_point(void **state)
{
    edit_copy(*state, "golden.json", "\"p18.merged\"", "\"p18.merge2\"");
    edit_copy(*state, "golden.safetensors", "\"p18.merged\"", "\"p18.merge2\"");
    struct outcome o = expect_first_failure(*state, NULL, "p18.merge2");
    assert_string_equal(o.note, "the model has no such point");
    assert_int_equal(o.n_failed, 1);
}

/* ---- broken folders ---- */

/* Cannot be run; the error names what is wrong. */
static void expect_refusal(const struct copy *c, int code, const char *part)
{
    wc_error err = {0};
    struct outcome o = {0};
    assert_false(verify(c->folder, NULL, NULL, &o, &err));
    if (err.code != code || !strstr(err.text, part))
        fail_msg("expected code %d and \"%s\", found %d: %s", code, part, err.code, err.text);
}

static void test_value_missing(void **state)
{
    edit_copy(*state, "golden.json", "\"p18.merged\"", "\"p18.absent\"");
    expect_refusal(*state, WC_BAD_FILE,
                   "golden.json: tensors: p18.absent: expected it in golden.safetensors");
}

static void test_id_out_of_range(void **state)
{
    edit_copy(*state, "golden.json", "\"greedy_ids\": [", "\"greedy_ids\": [ 288, ");
    expect_refusal(*state, WC_BAD_FILE, "prompt p6: greedy_ids: entry 0: expected an id from 0 to 287");
}

static void test_bad_format(void **state)
{
    edit_copy(*state, "golden.json", "whinchat-golden-1", "whinchat-golden-9");
    expect_refusal(*state, WC_BAD_FILE,
                   "golden.json: format: expected \"whinchat-golden-1\", found whinchat-golden-9");
}

static void test_negative_tolerance(void **state)
{
    edit_copy(*state, "golden.json", "\"atol\": ", "\"atol\": -");
    expect_refusal(*state, WC_BAD_FILE, "atol, rtol: expected 0 or more");
}

static void test_truncated_values(void **state)
{
    struct copy *c = *state;
    size_t n;
    char *data = read_file(c, c->folder, "golden.safetensors", &n);
    write_file(c, "golden.safetensors", data, n - 1);
    expect_refusal(c, WC_BAD_FILE, "golden.safetensors");
}

/* A training run with something wrong. */
static const char *const run_files[] = {"config.json", "model.safetensors", "golden.json",
                                        "golden.safetensors"};

static int open_run(void **state)
{
    *state = make_copy(GOLDENS "train_openelm", run_files, 4);
    return 0;
}

static void test_wrong_gradient(void **state)
{
    disturb(*state, "golden.safetensors", "grad.transformer.layers.1.attn.qkv_proj.weight", 40, 0.01f);
    struct outcome o = expect_first_failure(*state, NULL, "grad.transformer.layers.1.attn.qkv_proj.weight");
    assert_int_equal(o.n_failed, 1);
    assert_int_equal(o.n_passed, 57);
}

/* The weights of another model fail everywhere, but no check of our own. */
static void test_wrong_start(void **state)
{
    disturb(*state, "model.safetensors", "transformer.token_embeddings.weight", 40, 1);
    struct outcome o = expect_first_failure(*state, NULL, "logits");
    assert_true(o.n_failed > 40);
    expect_first_failure(*state, "after3", "after3.transformer.token_embeddings.weight");
}

static void test_bad_runs(void **state)
{
    struct copy *c = *state;
    static const struct {
        const char *from, *to, *part;
    } cases[] = {
        {"\"lr\": 0.002", "\"lr\": \"x\"", "golden.json: lr: "},
        {"\"steps\": 3", "\"steps\": 1000000", "golden.json: steps: "},
        {"-100,", "-101,", "prompt row0: labels: entry 0: expected an id from 0 to 95 or -100"},
        {"-100,", "-100, 3,", "prompts: entry 0: labels: expected 14, found 15"},
        {"\"ids\": [", "\"ids\": [-100, ", "prompt row0: ids: entry 0: expected an id from 0 to 95"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        edit_copy(c, "golden.json", cases[i].from, cases[i].to);
        expect_refusal(c, WC_BAD_FILE, cases[i].part);
        edit_copy(c, "golden.json", cases[i].to, cases[i].from);
    }
}

static void test_no_values(void **state)
{
    struct copy *c = *state;
    char path[1000];
    snprintf(path, sizeof path, "%s/golden.json", c->folder);
    assert_int_equal(unlink(path), 0);
    expect_refusal(c, WC_NOT_FOUND, "has no golden.json to verify it with");
}

#define WITH_COPY(test) cmocka_unit_test_setup_teardown(test, open_copy, close_copy)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_text_bf16),
        cmocka_unit_test(test_text_sharded),
        cmocka_unit_test(test_slice),
        cmocka_unit_test(test_pictures_and_sound),
        cmocka_unit_test(test_hub_spelling),
        cmocka_unit_test(test_families),
        cmocka_unit_test(test_encoders),
        cmocka_unit_test(test_training),
        cmocka_unit_test(test_families_as_gguf),
        cmocka_unit_test(test_pictures_as_gguf),
        cmocka_unit_test(test_encoder_is_not_converted),
        cmocka_unit_test(test_image_preprocess),
        cmocka_unit_test(test_audio_preprocess),
        cmocka_unit_test(test_only),
        WITH_COPY(test_wrong_weight),
        WITH_COPY(test_wrong_value),
        WITH_COPY(test_nan_in_weights),
        WITH_COPY(test_wrong_answer),
        WITH_COPY(test_unknown_point),
        WITH_COPY(test_value_missing),
        WITH_COPY(test_id_out_of_range),
        WITH_COPY(test_bad_format),
        WITH_COPY(test_negative_tolerance),
        WITH_COPY(test_truncated_values),
        WITH_COPY(test_no_values),
        cmocka_unit_test_setup_teardown(test_wrong_gradient, open_run, close_copy),
        cmocka_unit_test_setup_teardown(test_wrong_start, open_run, close_copy),
        cmocka_unit_test_setup_teardown(test_bad_runs, open_run, close_copy),
    };
    return cmocka_run_group_tests_name("verify", tests, NULL, NULL);
}
