/* test_pictures.c - Gemma 3's pictures: how pan and scan cuts them, that a picture's rows always meet in one step whatever the
 * chunks, the batch and the reuse, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "copies.h"
#include "image/pan_and_scan.h"
#include "sessions.h"

#define FOLDER SOURCE_ROOT "/tests/goldens/gemma3_mm"

enum { BEGIN = 6, END = 7, PLACE = 8, N_TOKENS = 9, N_NEW = 12 };

static const wc_media a = {.path = FOLDER "/image_a.png"}, wide = {.path = FOLDER "/image_wide.png"},
                      tall = {.path = FOLDER "/image_tall.png"};

/* ---- pieces ---- */

/* What transformers' Gemma3ImageProcessor.pan_and_scan_batched gives. */
static void test_counts(void **state)
{
    static const struct {
        int width, height, min_crop, max_crops;
        double ratio;
        int n;
    } cases[] = {
        {61, 390, 2, 4, 1.2, 4},     {4, 15, 1, 2, 1.5, 2},       {9, 1825, 1, 16, 1.5, 16},
        {419, 16, 40, 1, 1.2, 0},    {13, 888, 256, 4, 2.0, 0},   {909, 254, 40, 2, 1.2, 2},
        {8, 149, 256, 3, 1.0, 0},    {410, 10, 1, 4, 2.0, 4},     {2914, 1729, 40, 4, 1.0, 2},
        {146, 2046, 100, 3, 1.2, 3}, {142, 125, 2, 16, 1.5, 0},   {341, 12, 100, 8, 1.5, 0},
        {15, 2083, 40, 3, 1.0, 0},   {1611, 251, 100, 4, 1.2, 4}, {10, 2519, 256, 8, 1.5, 0},
        {698, 17, 2, 3, 1.5, 3},     {2246, 13, 256, 4, 1.2, 0},  {236, 338, 16, 3, 2.0, 0},
        {380, 530, 2, 3, 1.2, 2},    {14, 16, 100, 3, 2.0, 0},    {819, 1694, 16, 16, 2.0, 2},
        {178, 18, 100, 2, 1.0, 0},   {235, 115, 2, 3, 2.0, 2},    {2394, 3, 256, 16, 1.2, 0},
        {3, 1, 2, 16, 1.0, 0},       {9, 20, 256, 2, 1.0, 0},     {6, 9, 16, 4, 1.0, 0},
        {2915, 233, 256, 3, 1.0, 0}, {59, 10, 16, 8, 1.5, 0},     {9, 9, 16, 2, 1.5, 0},
        {1769, 8, 2, 8, 1.2, 8},     {6, 361, 1, 4, 1.2, 4},      {904, 2847, 40, 3, 1.5, 3},
        {2657, 13, 1, 3, 1.2, 3},    {2585, 31, 2, 8, 1.0, 8},    {2, 37, 16, 8, 1.2, 0},
        {381, 14, 256, 16, 1.0, 0},  {18, 19, 16, 3, 1.2, 0},     {88, 2552, 256, 16, 2.0, 0},
        {12, 7, 256, 3, 1.5, 0},     {2048, 11, 1, 8, 1.0, 8},    {10, 7, 100, 3, 1.5, 0},
        {11, 110, 16, 16, 2.0, 0},   {281, 352, 40, 1, 1.2, 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct wc_pan_and_scan p = {
            .min_crop_size = cases[i].min_crop, .max_crops = cases[i].max_crops, .min_ratio = cases[i].ratio};
        assert_int_equal(wc_pan_and_scan_count(&p, cases[i].width, cases[i].height), cases[i].n);
    }
}

/* Pixel (x, y) of the piece is pixel (x + left, y + top) of the picture. */
static void check_crop(const struct wc_image *in, int n, int i, int left, int top, int width, int height)
{
    wc_error err = {0};
    struct wc_image out;
    assert_true(wc_pan_and_scan_crop(in, n, i, &out, &err));
    assert_int_equal(out.width, width);
    assert_int_equal(out.height, height);
    for (int y = 0; y < height; y++)
        assert_memory_equal(out.rgb + 3 * y * width, in->rgb + 3 * ((y + top) * in->width + left),
                            3 * (size_t)width);
    wc_image_free(&out);
}

static void test_crops(void **state)
{
    uint8_t rgb[3 * 11 * 5];
    wc_error err = {0};
    for (size_t i = 0; i < sizeof rgb; i++)
        rgb[i] = (uint8_t)i;
    const struct wc_image lying = {rgb, 11, 5}, standing = {rgb, 5, 11};
    for (int i = 0; i < 3; i++) {
        check_crop(&lying, 3, i, 4 * i, 0, i < 2 ? 4 : 3, 5);
        check_crop(&standing, 3, i, 0, 4 * i, 5, i < 2 ? 4 : 3);
    }
    struct wc_image out; /* pieces of 2: the seventh would be empty */
    assert_false(wc_pan_and_scan_crop(&lying, 7, 6, &out, &err));
    assert_null(out.rgb);
}

/* ---- sessions ---- */

/* The answer's ids and its last logits. */
struct answer {
    int32_t ids[N_NEW];
    float logits[272];
    size_t n_prompt, n_cached;
};

static struct answer keep(const wc_session *s)
{
    struct answer got;
    wc_result r = {.size = sizeof r};
    size_t n;
    wc_session_result(s, &r);
    assert_int_equal(r.n_ids, N_NEW);
    memcpy(got.ids, r.ids, sizeof got.ids);
    const float *logits = wc_session_logits(s, &n);
    assert_int_equal(n, 272);
    memcpy(got.logits, logits, sizeof got.logits);
    got.n_prompt = r.n_prompt;
    got.n_cached = r.n_cached;
    return got;
}

static struct answer ask(wc_model *m, const wc_prompt *p, int chunk_rows)
{
    wc_session *s = open_session(m);
    set(s, p);
    generate(&s, 1, N_NEW, chunk_rows);
    const struct answer got = keep(s);
    wc_session_free(s);
    return got;
}

static void assert_same(const struct answer *x, const struct answer *y)
{
    assert_memory_equal(x->ids, y->ids, sizeof x->ids);
    assert_memory_equal(x->logits, y->logits, sizeof x->logits);
}

/* The prompts of the golden, which verify holds against transformers. */
static const wc_media both[] = {{.path = FOLDER "/image_a.png"}, {.path = FOLDER "/image_tall.png"}};
static const wc_prompt one = {
    .size = sizeof one, .text = "see <start_of_image> what? the", .media = &a, .n_media = 1};
static const wc_prompt two = {
    .size = sizeof two, .text = "<start_of_image><start_of_image> same? the", .media = both, .n_media = 2};
static const wc_prompt cut = {.size = sizeof cut,
                              .text = "<start_of_image> where is it?",
                              .media = &wide,
                              .n_media = 1,
                              .pan_and_scan = 1};

static void test_chunks(void **state)
{
    wc_model *m = open_model(FOLDER, 1);
    const wc_prompt *prompts[] = {&one, &two, &cut};
    for (size_t i = 0; i < 3; i++) {
        const struct answer want = ask(m, prompts[i], 0);
        for (int chunk = 1; chunk < 60; chunk += chunk < 12 ? 1 : 7) {
            const struct answer got = ask(m, prompts[i], chunk);
            assert_same(&want, &got);
        }
    }
    wc_model_free(m);
}

static void test_batch(void **state)
{
    wc_model *m = open_model(FOLDER, 3);
    const wc_prompt *prompts[] = {&cut, &one, &two};
    for (int chunk = 1; chunk < 100; chunk = 3 * chunk + 1) {
        wc_session *s[3];
        for (size_t i = 0; i < 3; i++)
            set(s[i] = open_session(m), prompts[i]);
        generate(s, 3, N_NEW, chunk);
        for (size_t i = 0; i < 3; i++) {
            const struct answer got = keep(s[i]), want = ask(m, prompts[i], 0);
            assert_same(&want, &got);
            wc_session_free(s[i]);
        }
    }
    wc_model_free(m);
}

/* The second prompt, asked in a session that holds the first, is answered as in a new one. */
static size_t reuse(wc_model *m, const wc_prompt *first, const wc_prompt *second)
{
    wc_session *s = open_session(m);
    set(s, first);
    generate(&s, 1, N_NEW, 0);
    set(s, second);
    generate(&s, 1, N_NEW, 0);
    const struct answer got = keep(s), want = ask(m, second, 0);
    assert_same(&want, &got);
    wc_session_free(s);
    return got.n_cached;
}

static void places(int32_t *ids, size_t *n, size_t pictures)
{
    for (size_t i = 0; i < pictures * N_TOKENS; i++)
        ids[(*n)++] = PLACE;
}

static void test_reuse(void **state)
{
    wc_model *m = open_model(FOLDER, 2);
    wc_prompt other = one, longer = one;
    other.media = &tall;
    longer.text = "see <start_of_image> what? the other";
    assert_int_equal(reuse(m, &one, &longer), 30); /* all of the old prompt */
    assert_int_equal(reuse(m, &one, &other), 8);   /* up to the picture */
    assert_int_equal(reuse(m, &one, &one), 29);    /* all but the last row */

    /* pictures side by side, without words between them, are one: what the first was with another neighbour is no use */
    int32_t pair[40] = {2, 91, BEGIN}, single[40] = {2, 91, BEGIN}, end[40] = {2, 91, BEGIN};
    size_t n_pair = 3, n_single = 3, n_end = 3;
    places(pair, &n_pair, 2);
    pair[n_pair++] = END;
    places(single, &n_single, 1);
    single[n_single++] = END;
    single[n_single++] = 91;
    places(end, &n_end, 1); /* ends with a picture's last row */
    const wc_prompt x = {.size = sizeof x, .ids = pair, .n_ids = n_pair, .media = both, .n_media = 2},
                    y = {.size = sizeof y, .ids = single, .n_ids = n_single, .media = both, .n_media = 1},
                    z = {.size = sizeof z, .ids = end, .n_ids = n_end, .media = both, .n_media = 1};
    assert_int_equal(reuse(m, &x, &y), 3);
    assert_int_equal(reuse(m, &y, &x), 3);
    assert_int_equal(reuse(m, &y, &z), 3);
    assert_int_equal(reuse(m, &z, &z), 3);
    wc_model_free(m);
}

/* ---- refusals ---- */

static void expect_prompt_error(wc_session *s, const wc_prompt *p, int code, const char *part)
{
    wc_error err = {0};
    assert_false(wc_session_prompt(s, p, &err));
    if (err.code != code || !strstr(err.text, part))
        fail_msg("expected code %d and \"%s\", found %d: %s", code, part, err.code, err.text);
}

static void test_prompt_refusals(void **state)
{
    wc_model *m = open_model(FOLDER, 1);
    wc_session *s = open_session(m);
    wc_prompt p = two;
    p.n_media = 1;
    expect_prompt_error(s, &p, WC_REFUSED, "pictures: the prompt has 2 places for pictures, 1 given");
    p = two;
    p.text = "no place";
    expect_prompt_error(s, &p, WC_REFUSED, "pictures: the prompt has 0 places for pictures, 2 given");
    const wc_media missing = {.path = FOLDER "/image_b.png"}, nothing = {.path = NULL};
    p = cut;
    p.media = &missing;
    expect_prompt_error(s, &p, WC_NOT_FOUND, "image_b.png");
    p.media = &nothing;
    expect_prompt_error(s, &p, WC_BAD_ARGUMENT, "picture: expected a path, bytes or pixels, found nothing");
    set(s, &cut); /* and it still works */
    wc_session_free(s);
    wc_model_free(m);

    wc_error err = {0};
    m = wc_model_open(SOURCE_ROOT "/models/gemma-3n-mini-it", NULL, &err);
    assert_non_null(m);
    s = open_session(m);
    expect_prompt_error(s, &cut, WC_REFUSED, "leave --pan-and-scan out");
    wc_session_free(s);
    wc_model_free(m);
}

/* The folder with from replaced by to in one of its files. */
static void expect_open_error(const char *file, const char *from, const char *to, int code, const char *part)
{
    static const char *const files[] = {"config.json", "processor_config.json", "model.safetensors"};
    struct copy *c = make_copy(FOLDER, files, sizeof files / sizeof *files);
    wc_error err = {0};
    edit_copy(c, file, from, to);
    wc_model *m = wc_model_open(c->folder, NULL, &err);
    if (m || err.code != code || !strstr(err.text, part))
        fail_msg("%s: expected code %d and \"%s\", found %d: %s", to, code, part, err.code, err.text);
    free_copy(c);
}

static void test_file_refusals(void **state)
{
    const char *config = "config.json", *processor = "processor_config.json";
    expect_open_error(config, "\"patch_size\": 4", "\"patch_size\": 40", WC_BAD_FILE,
                      "vision_config.patch_size: expected at most image_size (36), found 40");
    expect_open_error(config, "\"mm_tokens_per_image\": 9", "\"mm_tokens_per_image\": 8", WC_BAD_FILE,
                      "mm_tokens_per_image: expected a square");
    expect_open_error(config, "\"mm_tokens_per_image\": 9", "\"mm_tokens_per_image\": 25", WC_BAD_FILE,
                      "mm_tokens_per_image: expected a square");
    expect_open_error(config, "\"mm_tokens_per_image\": 9", "\"mm_tokens_per_image\": 400", WC_BAD_FILE,
                      "mm_tokens_per_image: expected a square");
    expect_open_error(config, "\"image_token_index\": 8", "\"image_token_index\": 273", WC_BAD_FILE,
                      "image_token_index");
    expect_open_error(config, "\"image_token_index\": 8,", "", WC_BAD_FILE,
                      "image_token_index: expected an id up to vocab_size (272), found 262144");
    expect_open_error(config, "\"num_attention_heads\": 3", "\"num_attention_heads\": 5", WC_BAD_FILE,
                      "vision_config.hidden_size: expected a multiple of num_attention_heads (5)");
    expect_open_error(config, "\"num_channels\": 3", "\"num_channels\": 1", WC_BAD_FILE, "num_channels");
    expect_open_error(config, "\"image_size\": 36", "\"image_size\": 72", WC_BAD_FILE,
                      "position_embedding.weight: shape: expected [324, 24]");
    expect_open_error(config, "\"hidden_act\": \"gelu_pytorch_tanh\"", "\"hidden_act\": \"mish\"",
                      WC_UNSUPPORTED, "hidden_act");
    expect_open_error(config, "\"num_hidden_layers\": 3", "\"num_hidden_layers\": 4", WC_BAD_FILE,
                      "layers.3.layer_norm1.weight: missing");
    expect_open_error(processor, "\"height\": 36", "\"height\": 40", WC_BAD_FILE,
                      "size: expected 36 x 36 as vision_config of config.json says, found 36 x 40");
    expect_open_error(processor, "\"height\": 36,", "\"shortest_edge\": 36,", WC_BAD_FILE, "size: expected");
    expect_open_error(processor, "\"do_resize\": true", "\"do_resize\": false", WC_UNSUPPORTED,
                      "size: expected do_resize true");
    expect_open_error(processor, "\"pan_and_scan_max_num_crops\": 4", "\"pan_and_scan_max_num_crops\": 65",
                      WC_BAD_FILE, "pan_and_scan_max_num_crops: expected 1 to 64, found 65");
    expect_open_error(processor, "\"pan_and_scan_min_crop_size\": 16", "\"pan_and_scan_min_crop_size\": 0",
                      WC_BAD_FILE, "pan_and_scan_min_crop_size");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counts),        cmocka_unit_test(test_crops),
        cmocka_unit_test(test_chunks),        cmocka_unit_test(test_batch),
        cmocka_unit_test(test_reuse),         cmocka_unit_test(test_prompt_refusals),
        cmocka_unit_test(test_file_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
