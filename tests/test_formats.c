/* test_formats.c - safetensors headers good and bad, sharded folders, names, configuration fields, made-up
 * weights, and the Hub's cache, laid out in a temporary folder. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file_map.h"
#include "base/mem.h"
#include "formats/config.h"
#include "formats/hub.h"
#include "formats/hub_cache.h"
#include "formats/names.h"

static const char COMMIT[] = "0123456789abcdef0123456789abcdef01234567";
static const char OTHER_COMMIT[] = "ffffffffffffffffffffffffffffffffffffffff";

struct fixture {
    wc_arena *arena;
    char dir[64]; /* a temporary folder */
    wc_error err;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    f->arena = wc_arena_new(0);
    strcpy(f->dir, "/tmp/whinchat-formats-XXXXXX");
    *state = f;
    return f->arena && mkdtemp(f->dir) ? 0 : -1;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    char command[100];
    snprintf(command, sizeof command, "rm -rf '%s'", f->dir);
    int rc = system(command);
    wc_arena_free(f->arena);
    free(f);
    return rc;
}

/* DIR/name, its folders made; the file written when data is not NULL. */
static const char *put(struct fixture *f, const char *name, const void *data, size_t n)
{
    char *path = wc_path_join(f->arena, f->dir, name);
    for (char *p = path + strlen(f->dir) + 1; (p = strchr(p, '/')); p++) {
        *p = '\0';
        mkdir(path, 0777);
        *p = '/';
    }
    if (data) {
        FILE *file = fopen(path, "wb");
        assert_non_null(file);
        assert_int_equal(fwrite(data, 1, n, file), n);
        fclose(file);
    }
    return path;
}

static const char *put_text(struct fixture *f, const char *name, const char *text)
{
    return put(f, name, text, strlen(text));
}

/* A safetensors file: length, header, n_data bytes that count up. */
static const char *put_tensors(struct fixture *f, const char *name, const char *header, size_t n_data)
{
    unsigned char buf[4096] = {0};
    size_t n = strlen(header);
    assert_true(8 + n + n_data <= sizeof buf);
    buf[0] = (unsigned char)n;
    buf[1] = (unsigned char)(n >> 8);
    memcpy(buf + 8, header, n);
    for (size_t i = 0; i < n_data; i++)
        buf[8 + n + i] = (unsigned char)i;
    return put(f, name, buf, 8 + n + n_data);
}

static void expect_error(struct fixture *f, const char *what, const char *part)
{
    if (!strstr(f->err.text, part))
        fail_msg("%s: the error does not say \"%s\": %s", what, part, f->err.text);
    memset(&f->err, 0, sizeof f->err);
}

/* ---- safetensors ---- */

static void test_good_header(void **state)
{
    struct fixture *f = *state;
    const char *path = put_tensors(
        f, "good.safetensors",
        "{\"__metadata__\":{\"format\":\"pt\"},\"b\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[4,"
        "28]},"
        "\"a\":{\"dtype\":\"I32\",\"shape\":[],\"data_offsets\":[0,4]},"
        "\"none\":{\"dtype\":\"F32\",\"shape\":[0,7],\"data_offsets\":[4,4],\"other\":1},"
        "\"far\":{\"dtype\":\"U8\",\"shape\":[1,1,1,1,1,2],\"data_offsets\":[28,30]},"
        "\"tiny\":{\"dtype\":\"F4\",\"shape\":[4],\"data_offsets\":[30,32]}}   ",
        32);
    wc_checkpoint *c = wc_checkpoint_open_tensors(path, &f->err);
    if (!c)
        fail_msg("%s", f->err.text);
    assert_int_equal(wc_checkpoint_n_tensors(c), 3); /* far and tiny cannot be held */
    assert_int_equal(wc_checkpoint_bytes(c), 32);
    assert_int_equal(wc_checkpoint_elems(c), 6 + 1 + 0 + 2 + 4);
    assert_string_equal(wc_checkpoint_tensor(c, 0).name, "a");
    assert_string_equal(wc_checkpoint_tensor(c, 2).name, "none");

    wc_tensor t;
    assert_true(wc_checkpoint_find(c, "a", &t));
    assert_int_equal(t.ndim, 1);
    assert_int_equal(t.shape[0], 1);
    assert_int_equal(*(int32_t *)t.data, 0x03020100);
    assert_true(wc_checkpoint_need(c, "b", WC_SHAPE(2, 0, 1), &t, &f->err));
    assert_int_equal(t.dtype, WC_F32);
    assert_int_equal(((uint32_t *)t.data)[5], 0x1b1a1918);
    assert_false(wc_checkpoint_find(c, "far", &t));
    assert_false(wc_checkpoint_need(c, "far", WC_SHAPE(2), &t, &f->err));
    expect_error(f, "far", "found 6 dimensions");
    assert_false(wc_checkpoint_need(c, "tiny", WC_SHAPE(4), &t, &f->err));
    expect_error(f, "tiny", "dtype");
    assert_false(wc_checkpoint_need(c, "b", WC_SHAPE(3, 2), &t, &f->err));
    expect_error(f, "b", "expected [3, 2] as config.json says, found [2, 3]");
    assert_false(wc_checkpoint_need(c, "none", WC_SHAPE(0, 7), &t, &f->err));
    expect_error(f, "none", "found [*, 7]");
    assert_false(wc_checkpoint_need(c, "absent", WC_SHAPE(1), &t, &f->err));
    expect_error(f, "absent", "tensor absent: missing");
    wc_checkpoint_close(c);
}

/* Whatever the header's length, data can be read as its type. */
static void test_misaligned(void **state)
{
    struct fixture *f = *state;
    char header[200];
    for (int pad = 0; pad < 8; pad++) {
        snprintf(header, sizeof header, "{\"w\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}%*s",
                 pad, "");
        wc_checkpoint *c = wc_checkpoint_open_tensors(put_tensors(f, "odd.safetensors", header, 8), &f->err);
        wc_tensor t;
        assert_non_null(c);
        assert_true(wc_checkpoint_need(c, "w", WC_SHAPE(2), &t, &f->err));
        assert_int_equal((uintptr_t)t.data % 4, 0);
        assert_int_equal(((uint32_t *)t.data)[1], 0x07060504);
        wc_checkpoint_close(c);
    }
}

static void test_bad_headers(void **state)
{
    struct fixture *f = *state;
#define W(shape, offsets) "{\"w\":{\"dtype\":\"F32\",\"shape\":" shape ",\"data_offsets\":" offsets "}}"
    static const struct {
        const char *header;
        size_t n_data;
        const char *error;
    } cases[] = {
        {"", 0, "header"},
        {"[]", 0, "JSON object"},
        {" {}", 0, "JSON object"},
        {"{}\n", 0, "JSON object"},
        {"{} {}", 0, "header"},
        {"{}", 1, "trailing"},
        {"{\"w\":1}", 0, "tensor w: expected an object"},
        {"{\"__metadata__\":{\"a\":1}}", 0, "__metadata__.a"},
        {"{\"__metadata__\":null}", 0, "__metadata__"},
        {"{\"__metadata__\":{},\"__metadata__\":{}}", 0, "twice"},
        {"{\"w\":{\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "dtype"},
        {"{\"w\":{\"dtype\":\"f32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "dtype"},
        {"{\"w\":{\"dtype\":\"F4\",\"shape\":[3],\"data_offsets\":[0,1]}}", 1, "whole number of bytes"},
        {W("[2]", "[0,4]"), 4, "expected 8 bytes"},
        {W("{}", "[0,4]"), 4, "shape"},
        {W("[-1]", "[0,4]"), 4, "shape"},
        {W("[1.0]", "[0,4]"), 4, "shape"},
        {W("[4294967296,4294967296]", "[0,4]"), 4, "shape"},
        {W("[0,4294967296,4294967296,4294967296]", "[0,4]"), 4, "data_offsets"},
        {W("[9223372036854775807]", "[0,4]"), 4, "shape"},
        {W("[1]", "[4,0]"), 4, "begin <= end"},
        {W("[1]", "[0]"), 4, "data_offsets"},
        {W("[1]", "[0,18446744073709551620]"), 4, "data_offsets"},
        {W("[1]", "[4,8]"), 8, "hole"},
        {W("[1]", "[0,4]"), 3, "truncated"},
        {W("[1]", "[0,4]"), 5, "trailing"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]},"
         "\"b\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[3,7]}}",
         7, "overlap"},
    };
#undef W
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *path = put_tensors(f, "bad.safetensors", cases[i].header, cases[i].n_data);
        if (wc_checkpoint_open_tensors(path, &f->err))
            fail_msg("taken: %s", cases[i].header);
        assert_non_null(strstr(f->err.text, "bad.safetensors"));
        expect_error(f, cases[i].header, cases[i].error);
    }
    put_text(f, "bad.safetensors", "version https://git-lfs.github.com/spec/v1\n");
    assert_null(wc_checkpoint_open_tensors(put(f, "bad.safetensors", NULL, 0), &f->err));
    expect_error(f, "lfs", "Git LFS");
}

static void test_finite(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *dtype;
        size_t bytes;
        unsigned char nan[8];
    } cases[] = {{"F32", 4, {0, 0, 0xc0, 0x7f}},
                 {"F16", 2, {0, 0x7c}},
                 {"BF16", 2, {0x80, 0xff}},
                 {"F64", 8, {1, 0, 0, 0, 0, 0, 0xf0, 0x7f}}};
    enum { N = 5000, AT = 4321 };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        unsigned char *file = calloc(1, 8 + 200 + N * 8);
        int n = snprintf((char *)file + 8, 200,
                         "{\"w\":{\"dtype\":\"%s\",\"shape\":[%d],\"data_offsets\":[0,%zu]}}", cases[i].dtype,
                         N, N * cases[i].bytes);
        file[0] = (unsigned char)n;
        for (int bad = 0; bad < 2; bad++) {
            if (bad)
                memcpy(file + 8 + n + AT * cases[i].bytes, cases[i].nan, cases[i].bytes);
            const char *path = put(f, "nan.safetensors", file, 8 + (size_t)n + N * cases[i].bytes);
            wc_checkpoint *c = wc_checkpoint_open_tensors(path, &f->err);
            assert_non_null(c);
            assert_int_equal(wc_checkpoint_check_finite(c, &f->err), !bad);
            if (bad)
                expect_error(f, cases[i].dtype, "tensor w: value 4321");
            wc_checkpoint_close(c);
        }
        free(file);
    }
}

/* ---- folders ---- */

#define ONE(name) "{\"" name "\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}"

static void test_index(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *map, *error; /* NULL: legal */
    } cases[] = {
        {"{\"a\":\"1.safetensors\",\"b\":\"2.safetensors\"}", NULL},
        {"{\"a\":\"1.safetensors\"}", NULL},
        {"{}", "weight_map"},
        {"null", "weight_map"},
        {"{\"a\":7}", "weight_map.a"},
        {"{\"a\":\"\"}", "weight_map.a"},
        {"{\"a\":\"..\"}", "weight_map.a"},
        {"{\"a\":\"../m/1.safetensors\"}", "weight_map.a"},
        {"{\"a\":\"/etc/hostname\"}", "weight_map.a"},
        {"{\"a\":\"1.safetensors\\u0000\"}", "weight_map.a"},
        {"{\"a\":\"3.safetensors\"}", "3.safetensors is not there"},
        {"{\"a\":\"fifo\"}", "not a regular file"},
        {"{\"b\":\"1.safetensors\"}", "has no such tensor"},
        {"{\"a\":\"1.safetensors\",\"a\":\"2.safetensors\"}", "twice"},
    };
    put_text(f, "m/config.json", "{}");
    put_tensors(f, "m/1.safetensors", ONE("a"), 4);
    put_tensors(f, "m/2.safetensors", ONE("b"), 4);
    assert_int_equal(mkfifo(put(f, "m/fifo", NULL, 0), 0600), 0);
    const char *dir = put(f, "m", NULL, 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[300];
        snprintf(text, sizeof text, "{\"metadata\":{\"total_size\":8},\"weight_map\":%s}", cases[i].map);
        put_text(f, "m/model.safetensors.index.json", text);
        wc_checkpoint *c = wc_checkpoint_open(dir, NULL, &f->err);
        if (!!c != !cases[i].error)
            fail_msg("%s: %s", cases[i].map, c ? "taken" : f->err.text);
        if (!c && cases[i].error)
            expect_error(f, cases[i].map, cases[i].error);
        else
            assert_int_equal(wc_checkpoint_n_tensors(c), i == 0 ? 2 : 1);
        wc_checkpoint_close(c);
    }
}

static void test_small_files(void **state)
{
    struct fixture *f = *state;
    const wc_checkpoint_options text_only = {.flags = WC_CHECKPOINT_NO_WEIGHTS};
    const char *dir = put(f, "s", NULL, 0);
    size_t n = 0;
    put_text(f, "s/tokenizer.json", "{\"version\":\"1.0\"}");
    put_text(f, "s/tokenizer_config.json",
             "{\"chat_template\":[{\"name\":\"tool_use\",\"template\":\"T\"},{\"name\":\"default\","
             "\"template\":\"DD\"}]}");
    put_text(f, "s/preprocessor_config.json", "{\"size\":{\"height\":8,\"width\":8}}");
    wc_checkpoint *c = wc_checkpoint_open(dir, &text_only, &f->err);
    assert_non_null(c);
    assert_null(wc_checkpoint_config(c));
    assert_null(wc_checkpoint_generation(c));
    assert_string_equal(wc_checkpoint_template(c, NULL, &n), "DD");
    assert_int_equal(n, 2);
    assert_string_equal(wc_checkpoint_template(c, "tool_use", &n), "T");
    assert_null(wc_checkpoint_template(c, "rag", &n));
    assert_non_null(wc_checkpoint_tokenizer(c, &f->err));
    assert_ptr_equal(wc_checkpoint_tokenizer(c, NULL), wc_checkpoint_tokenizer(c, NULL));
    wc_checkpoint_drop_tokenizer(c);
    assert_true(wc_json_string_is(wc_json_get(wc_checkpoint_tokenizer(c, NULL), "version"), "1.0"));
    assert_non_null(wc_json_path(wc_checkpoint_processor(c), "size.height"));
    assert_non_null(strstr(wc_checkpoint_processor_file(c), "/preprocessor_config.json"));
    wc_checkpoint_close(c);

    put_text(f, "s/processor_config.json", "{\"image_processor\":{\"resample\":3},\"image_seq_length\":9}");
    put_text(f, "s/chat_template.json", "{\"chat_template\":\"J\"}");
    c = wc_checkpoint_open(dir, &text_only, &f->err);
    assert_non_null(c);
    assert_non_null(wc_json_get(wc_checkpoint_processor(c), "resample"));
    assert_non_null(wc_json_get(wc_checkpoint_processor_config(c), "image_seq_length"));
    assert_string_equal(wc_checkpoint_template(c, NULL, &n), "J");
    wc_checkpoint_close(c);

    put_text(f, "s/chat_template.jinja", "{{ x }}");
    c = wc_checkpoint_open(dir, &text_only, &f->err);
    assert_string_equal(wc_checkpoint_template(c, NULL, &n), "{{ x }}");
    assert_string_equal(wc_checkpoint_template(c, "tool_use", &n), "T");
    wc_checkpoint_close(c);

    put_text(f, "s/generation_config.json", "[]");
    assert_null(wc_checkpoint_open(dir, &text_only, &f->err));
    expect_error(f, "generation", "generation_config.json: expected a JSON object");
    put_text(f, "s/generation_config.json", "{}");
    assert_null(wc_checkpoint_open(dir, NULL, &f->err));
    expect_error(f, "config", "config.json: cannot be opened");
    put_text(f, "s/config.json", "{}");
    assert_null(wc_checkpoint_open(dir, NULL, &f->err));
    assert_int_equal(f->err.code, WC_NOT_FOUND);
    expect_error(f, "weights", "no weights");
    assert_int_equal(symlink("nowhere", put(f, "s/model.safetensors", NULL, 0)), 0);
    assert_null(wc_checkpoint_open(dir, NULL, &f->err));
    expect_error(f, "dangling", "incomplete download");
    c = wc_checkpoint_open(put(f, "s/config.json", NULL, 0),
                           &(wc_checkpoint_options){.flags = WC_CHECKPOINT_RANDOM, .tokenizer = "/no/such"},
                           &f->err);
    assert_null(c);
    expect_error(f, "tokenizer", "/no/such");
}

static void test_tokenizer_absent(void **state)
{
    struct fixture *f = *state;
    const wc_checkpoint_options text_only = {.flags = WC_CHECKPOINT_NO_WEIGHTS};
    wc_checkpoint *c = wc_checkpoint_open(f->dir, &text_only, &f->err);
    assert_null(wc_checkpoint_tokenizer(c, &f->err));
    assert_int_equal(f->err.code, WC_NOT_FOUND);
    assert_int_equal(symlink("nowhere", put(f, "tokenizer.json", NULL, 0)), 0);
    assert_null(wc_checkpoint_tokenizer(c, &f->err));
    assert_int_equal(f->err.code, WC_BAD_FILE);
    wc_checkpoint_close(c);
}

/* Every allocation of an open fails once; nothing is lost and the error says so. */
static void test_no_memory(void **state)
{
    struct fixture *f = *state;
    put_text(f, "m/config.json", "{\"a\":[1,2,3]}");
    put_text(f, "m/model.safetensors.index.json", "{\"weight_map\":{\"a\":\"1.safetensors\"}}");
    put_tensors(f, "m/1.safetensors", ONE("a"), 4);
    const char *dir = put(f, "m", NULL, 0);
    wc_checkpoint *c = NULL;
    for (long n = 1; !c && n < 1000; n++) {
        wc_mem_fail_after(n);
        c = wc_checkpoint_open(dir, NULL, &f->err);
        wc_mem_fail_after(0);
        if (!c && f->err.code != WC_NO_MEMORY)
            fail_msg("allocation %ld: %s", n, f->err.text);
    }
    assert_non_null(c);
    wc_checkpoint_close(c);
}

/* ---- names, fields ---- */

static void test_names(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *in_file, *asked;
    } cases[] = {
        {"model.layers.0.w", "model.language_model.layers.0.w"},
        {"model.language_model.layers.0.w", "model.layers.0.w"},
        {"language_model.model.layers.0.w", "model.language_model.layers.0.w"},
        {"layers.0.w", "model.layers.0.w"},
        {"vision_tower.vision_model.x", "model.vision_tower.x"},
        {"language_model.lm_head.weight", "lm_head.weight"},
        {"multi_modal_projector.x", "model.multi_modal_projector.x"},
        {"bert.embeddings.x", "embeddings.x"},
        {"embeddings.x", "bert.embeddings.x"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char header[200];
        snprintf(header, sizeof header, "{\"%s\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}",
                 cases[i].in_file);
        wc_checkpoint *c = wc_checkpoint_open_tensors(put_tensors(f, "n.safetensors", header, 4), &f->err);
        wc_tensor t;
        assert_non_null(c);
        if (!wc_checkpoint_find(c, cases[i].asked, &t))
            fail_msg("%s is not found as %s", cases[i].in_file, cases[i].asked);
        assert_string_equal(t.name, cases[i].in_file);
        assert_false(wc_checkpoint_find(c, "model.layers.1.w", &t));
        wc_checkpoint_close(c);
    }
    char out[WC_NAME_ROOM], longest[2 * WC_NAME_ROOM];
    memset(longest, 'x', sizeof longest);
    longest[sizeof longest - 1] = '\0';
    assert_false(wc_name_spelling(longest, 0, out));
}

static void test_config(void **state)
{
    struct fixture *f = *state;
    const char text[] =
        "{\"i\":7,\"whole\":32.0,\"half\":0.5,\"big\":99999999999999999999,\"neg\":-1,\"s\":\"x\","
        "\"none\":null,\"list\":[1,2],\"yes\":true,\"huge\":1e300}";
    const wc_json *v = wc_json_parse(f->arena, text, strlen(text), "c", 0, &f->err);
    int i;
    double x;
    bool b;
    const char *s;
    wc_error *err = &f->err;
    assert_true(wc_config_int("c", v, "i", 1, 7, &i, err) && i == 7);
    assert_true(wc_config_int("c", v, "whole", 1, 32, &i, err) && i == 32);
    assert_true(wc_config_int_or("c", v, "none", -1, 1, 9, &i, err) && i == -1);
    assert_true(wc_config_int_or("c", NULL, "i", 3, 1, 9, &i, err) && i == 3);
    assert_true(wc_config_int_at("c", v, "list", 1, 1, 9, &i, err) && i == 2);
    assert_true(wc_config_int_at("c", v, "i", 100, 1, 9, &i, err) && i == 7);
    assert_true(wc_config_float("c", v, "i", 0, 10, &x, err) && x == 7);
    assert_true(wc_config_float_or("c", v, "absent", 0.25, 1, 2, &x, err) && x == 0.25);
    assert_true(wc_config_bool_or("c", v, "yes", false, &b, err) && b);
    assert_true(wc_config_bool_or("c", v, "none", true, &b, err) && b);
    assert_true(wc_config_string("c", v, "s", NULL, &s, err) && strcmp(s, "x") == 0);
    assert_true(wc_config_string("c", v, "absent", "y", &s, err) && strcmp(s, "y") == 0);

    static const char *const bad[][2] = {{"half", "0.5"},
                                         {"big", "99999999999999999999"},
                                         {"neg", "found -1"},
                                         {"s", "found \"x\""},
                                         {"none", "found null"},
                                         {"list", "found an array"},
                                         {"absent", "found nothing"},
                                         {"yes", "found true"},
                                         {"huge", "found 1e+300"}};
    for (size_t k = 0; k < sizeof bad / sizeof *bad; k++) {
        i = 1234;
        assert_false(wc_config_int("c", v, bad[k][0], 1, 100, &i, err));
        assert_int_equal(i, 1234);
        assert_non_null(strstr(err->text, bad[k][0]));
        expect_error(f, bad[k][0], bad[k][1]);
    }
    for (int n = 55; n < 70; n++) { /* a value that just fits the message's room, and one that does not */
        char longer[100];
        snprintf(longer, sizeof longer, "{\"k\":\"%0*d\"}", n, 0);
        const wc_json *w = wc_json_parse(f->arena, longer, strlen(longer), "c", 0, err);
        assert_false(wc_config_int("c", w, "k", 1, 2, &i, err));
        expect_error(f, "k", n <= 61 ? "found \"000" : "found a string");
    }
    assert_false(wc_config_int_at("c", v, "list", 2, 1, 9, &i, err));
    expect_error(f, "list", "list: expected more than 2 items, found 2");
    assert_false(wc_config_float("c", v, "huge", 0, 1, &x, err));
    assert_false(wc_config_bool_or("c", v, "i", true, &b, err));
    expect_error(f, "i", "expected true or false, found 7");
    assert_false(wc_config_string("c", v, "i", NULL, &s, err));
}

/* ---- made-up weights ---- */

static void test_random(void **state)
{
    struct fixture *f = *state;
    const char *path = put_text(f, "config.json", "{}");
    static const wc_dtype types[] = {WC_F32, WC_BF16, WC_F16};
    for (size_t k = 0; k < 3; k++) {
        const wc_checkpoint_options o = {.flags = WC_CHECKPOINT_RANDOM, .random_dtype = types[k]};
        wc_checkpoint *c = wc_checkpoint_open(path, &o, &f->err);
        assert_non_null(c);
        assert_string_equal(wc_checkpoint_path(c), f->dir);
        wc_tensor a, b, t;
        assert_true(wc_checkpoint_need(c, "model.layers.0.w.weight", WC_SHAPE(300, 70), &a, &f->err));
        assert_true(wc_checkpoint_need(c, "model.layers.1.w.weight", WC_SHAPE(300, 70), &b, &f->err));
        assert_true(wc_checkpoint_need(c, "model.layers.0.w.weight", WC_SHAPE(300, 70), &t, &f->err));
        assert_ptr_equal(a.data, t.data);
        assert_ptr_not_equal(a.data, b.data);
        assert_int_equal(a.dtype, types[k]);
        assert_memory_not_equal(a.data, b.data, 300 * 70 * wc_dtype_get(types[k])->block_bytes);
        assert_false(wc_checkpoint_find(c, "model.layers.0.w.weight", &t));
        assert_false(wc_checkpoint_need(c, "x", WC_SHAPE(3, 0), &t, &f->err));
        assert_false(wc_checkpoint_need(c, "x", WC_SHAPE(SIZE_MAX, 2), &t, &f->err));
        /* 8 GiB of address space, 16 MiB of memory */
        assert_true(wc_checkpoint_need(c, "model.embed_tokens_per_layer.weight", WC_SHAPE(1 << 21, 1 << 10),
                                       &t, &f->err));
        assert_memory_equal(t.data, (char *)t.data + (16 << 20), 4096);
        wc_checkpoint_close(c);
    }
    const wc_checkpoint_options o = {.flags = WC_CHECKPOINT_RANDOM, .random_dtype = WC_F32};
    wc_checkpoint *c = wc_checkpoint_open(path, &o, &f->err);
    wc_tensor w, norm;
    double sum = 0, squares = 0;
    assert_true(wc_checkpoint_need(c, "w.weight", WC_SHAPE(1000, 100), &w, &f->err));
    assert_true(wc_checkpoint_need(c, "norm.weight", WC_SHAPE(100), &norm, &f->err));
    for (size_t i = 0; i < 100000; i++) {
        double x = ((float *)w.data)[i];
        sum += x;
        squares += x * x;
    }
    assert_true(sum / 1e5 < 5e-4 && sum / 1e5 > -5e-4);
    assert_true(squares / 1e5 > 0.0004 * 0.97 && squares / 1e5 < 0.0004 * 1.03);
    for (size_t i = 0; i < 100; i++)
        assert_true(((float *)norm.data)[i] >= 0.9f && ((float *)norm.data)[i] <= 1.1f);
    wc_checkpoint_close(c);
}

/* ---- the cache ---- */

static void clean_environment(struct fixture *f)
{
    static const char *const names[] = {"HF_HOME", "HUGGINGFACE_HUB_CACHE", "XDG_CACHE_HOME",
                                        "WHINCHAT_MODELS"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        unsetenv(names[i]);
    setenv("HF_HUB_CACHE", wc_path_join(f->arena, f->dir, "hub"), 1);
    setenv("HOME", f->dir, 1);
}

static void resolves(struct fixture *f, const char *name, const char *end)
{
    const char *path = wc_hub_resolve(f->arena, name, &f->err);
    if (!path)
        fail_msg("%s: %s", name, f->err.text);
    else if (strncmp(path, f->dir, strlen(f->dir)) != 0 || strcmp(path + strlen(f->dir), end) != 0)
        fail_msg("%s: expected ...%s, found %s", name, end, path);
}

static void refused(struct fixture *f, const char *name, const char *part)
{
    const char *path = wc_hub_resolve(f->arena, name, &f->err);
    if (path)
        fail_msg("%s: found %s", name, path);
    expect_error(f, name, part);
}

static void test_cache(void **state)
{
    struct fixture *f = *state;
    char text[200];
    clean_environment(f);
#define REPO "hub/models--Org--Tiny"
    snprintf(text, sizeof text, REPO "/snapshots/%s/config.json", COMMIT);
    put_text(f, text, "{}");
    snprintf(text, sizeof text, "/" REPO "/snapshots/%s", COMMIT);
    const char *snapshot = text;
    resolves(f, "Org/Tiny", snapshot); /* no refs, one snapshot */
    char other[200];
    snprintf(other, sizeof other, REPO "/snapshots/%s/config.json", OTHER_COMMIT);
    put_text(f, other, "{}");
    *strrchr(other, '/') = '\0';
    memmove(other + 1, other, strlen(other) + 1);
    other[0] = '/';
    refused(f, "Org/Tiny", "2 snapshots");
    put_text(f, REPO "/refs/main", COMMIT);
    put_text(f, REPO "/refs/pr/1", OTHER_COMMIT);
    resolves(f, "Org/Tiny", snapshot);
    resolves(f, "org/tiny", snapshot);
    resolves(f, "org/TINY@main", snapshot);
    resolves(f, "Org/Tiny@pr/1", other);
    char name[200];
    snprintf(name, sizeof name, "Org/Tiny@%s", OTHER_COMMIT);
    resolves(f, name, other);
    resolves(f, wc_path_join(f->arena, f->dir, REPO), snapshot);
    refused(f, "Org/Tiny@dev", "refs/dev");
    refused(f, "Org/Tiny:../x", "no name of a model");
    refused(f, "Org/Tiny:Q4_K_M", "there is no GGUF file");
    snprintf(name, sizeof name, REPO "/snapshots/%s/t-Q4_K_M.gguf", OTHER_COMMIT);
    put_text(f, name, "");
    snprintf(name, sizeof name, REPO "/snapshots/%s/Q8_0/t-00001-of-00002.gguf", OTHER_COMMIT);
    put_text(f, name, "");
    snprintf(name, sizeof name, REPO "/snapshots/%s/Q8_0/t-00002-of-00002.gguf", OTHER_COMMIT);
    put_text(f, name, "");
    resolves(f, "Org/Tiny@pr/1:q4_k_m", wc_path_join(f->arena, other, "t-Q4_K_M.gguf"));
    resolves(f, "Org/Tiny@pr/1:Q8_0", wc_path_join(f->arena, other, "Q8_0/t-00001-of-00002.gguf"));
    resolves(f, "Org/Tiny@pr/1:t-Q4_K_M.gguf", wc_path_join(f->arena, other, "t-Q4_K_M.gguf"));
    snprintf(name, sizeof name, REPO "/snapshots/%s/mmproj-Q4_K_M.gguf", OTHER_COMMIT);
    put_text(f, name, "");
    snprintf(name, sizeof name, REPO "/snapshots/%s/t.mmproj-Q4_K_M.gguf", OTHER_COMMIT);
    put_text(f, name, ""); /* picture towers, which no quantization means */
    resolves(f, "Org/Tiny@pr/1:q4_k_m", wc_path_join(f->arena, other, "t-Q4_K_M.gguf"));
    refused(f, "Org/Tiny@pr/1:Q5_K_M", "give one of these: Q8_0/t-00001-of-00002.gguf, t-Q4_K_M.gguf");
    refused(f, "Org/Tiny@../../../x", "revision");
    refused(f, "Org/Tiny@", "revision");
    refused(f, "Org/Tinny", "the nearest is Org/Tiny; fetch it with");
    refused(f, "tony", "the nearest is Org/Tiny; whinchat list");
    refused(f, "Org/Tiny@00000000000000000000000000000000000000aa", "not there");

    put_text(f, REPO "/refs/main", "");
    refused(f, "Org/Tiny", "an empty file");
    put_text(f, REPO "/refs/main", "../../../..");
    refused(f, "Org/Tiny", "expected a commit");
    put_text(f, REPO "/refs/main", "00000000000000000000000000000000000000aa\n");
    refused(f, "Org/Tiny", "whinchat pull Org/Tiny");
#undef REPO
    refused(f, "nobody/nothing", "whinchat pull nobody/nothing");
    refused(f, "nothing", "no such model");
    refused(f, "", "found nothing");
    static const char *const never[] = {"../../no-such-x", "/no/such/folder", "a/b/c", "org--x/y", "a/..",
                                        ".hidden/x",       "a/b\nc",          "a/",    "/b",       "a..b/c",
                                        "\x1b[2Jx"};
    for (size_t i = 0; i < sizeof never / sizeof *never; i++)
        refused(f, never[i], "no name of a model");
}

static void test_cache_places(void **state)
{
    struct fixture *f = *state;
    clean_environment(f);
    unsetenv("HF_HUB_CACHE");
    char path[200];
    static const struct {
        const char *var, *value, *hub;
    } cases[] = {{"HF_HOME", "h", "h/hub"},
                 {"HUGGINGFACE_HUB_CACHE", "old", "old"},
                 {"XDG_CACHE_HOME", "xdg", "xdg/huggingface/hub"},
                 {NULL, NULL, ".cache/huggingface/hub"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        snprintf(path, sizeof path, "%s/models--gpt/snapshots/%s/config.json", cases[i].hub, COMMIT);
        put_text(f, path, "{}");
        *strrchr(path, '/') = '\0';
        if (cases[i].var)
            setenv(cases[i].var, wc_path_join(f->arena, f->dir, cases[i].value), 1);
        memmove(path + 1, path, strlen(path) + 1);
        path[0] = '/';
        resolves(f, "gpt", path);
        if (cases[i].var)
            unsetenv(cases[i].var);
    }
    setenv("HF_HUB_CACHE", "~/h/hub", 1);
    snprintf(path, sizeof path, "/h/hub/models--gpt/snapshots/%s", COMMIT);
    resolves(f, "gpt", path);
}

static void test_shipped_and_list(void **state)
{
    struct fixture *f = *state;
    clean_environment(f);
    char path[200];
    setenv("WHINCHAT_MODELS", wc_path_join(f->arena, f->dir, "shelf"), 1);
    put_text(f, "shelf/Mini/config.json", "{}");
    put_text(f, "shelf/notes.txt", "");
    snprintf(path, sizeof path, "hub/models--o--m/snapshots/%s/config.json", COMMIT);
    put_text(f, path, "{\"a\": 1}");
    put_text(f, "hub/models--o--broken/refs/main", "x");
    put_text(f, "hub/datasets--o--d/refs/main", "x");
    resolves(f, "Mini", "/shelf/Mini");
    resolves(f, "mini", "/shelf/Mini");
    wc_buf b;
    wc_buf_init(&b, 1 << 20);
    assert_true(wc_hub_list(&b, &f->err));
    const wc_json *v = wc_json_parse(f->arena, b.data, b.size, "list", 0, &f->err),
                  *models = wc_json_get(v, "models");
    size_t n_cached = 0;
    assert_true(wc_json_string_is(wc_json_get(wc_json_item(models, 0), "name"), "Mini"));
    assert_true(wc_json_string_is(wc_json_get(wc_json_item(models, 0), "source"), "shipped"));
    for (size_t i = 0; i < wc_json_count(models); i++) {
        const wc_json *m = wc_json_item(models, i);
        if (!wc_json_string_is(wc_json_get(m, "source"), "cache"))
            continue;
        n_cached++;
        assert_true(wc_json_string_is(wc_json_get(m, "name"), "o/m"));
        assert_int_equal(wc_json_number(wc_json_get(m, "bytes"), 0), 8);
    }
    assert_int_equal(n_cached, 1);
    wc_buf_release(&b);
}

/* ---- real folders ---- */

/* The model folder in tests/goldens, else in the shared material; NULL: neither. */
static const char *golden(struct fixture *f, const char *name)
{
    const char *path = wc_path_join(f->arena, SOURCE_ROOT "/tests/goldens", name),
               *shared = getenv("WHINCHAT_SHARED");
    if (wc_dir_exists(path))
        return path;
    path = wc_path_join(f->arena, shared ? shared : SOURCE_ROOT "/../shared", "goldens");
    path = wc_path_join(f->arena, path, name);
    if (wc_dir_exists(path))
        return path;
    print_message("not run: %s: neither in tests/goldens nor in $WHINCHAT_SHARED/goldens\n", name);
    return NULL;
}

static void test_goldens(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *name;
        size_t n_tensors, n_elems;
        const char *tensor; /* asked in the canonical spelling */
    } cases[] = {
        {"gemma3n_text", 236, 532948, "model.language_model.norm.weight"},
        {"gemma3n_text_bf16", 146, 238760, "model.language_model.norm.weight"},
        {"gemma3n_text_sharded", 129, 96348, "model.language_model.norm.weight"},
        {"gemma3n_mm", 324, 473496, "model.vision_tower.timm_model.conv_stem.conv.weight"},
        {"llama3_sharded", 29, 135616, "model.norm.weight"},
        {"gemma3_mm", 109, 83596, "model.vision_tower.post_layernorm.weight"},
        {"bert", 62, 47736, "embeddings.LayerNorm.bias"},
        {"embeddinggemma", 54, 65096, "model.norm.weight"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *path = golden(f, cases[i].name);
        if (!path)
            continue;
        wc_checkpoint *c = wc_checkpoint_open(path, NULL, &f->err);
        wc_tensor t;
        if (!c)
            fail_msg("%s", f->err.text);
        assert_int_equal(wc_checkpoint_n_tensors(c), cases[i].n_tensors);
        assert_int_equal(wc_checkpoint_elems(c), cases[i].n_elems);
        if (!wc_checkpoint_find(c, cases[i].tensor, &t))
            fail_msg("%s: no %s", path, cases[i].tensor);
        wc_checkpoint_random_access(c, &t);
        assert_true(wc_checkpoint_check_finite(c, &f->err));
        wc_checkpoint_close(c);
    }
}

/* llama.cpp's rule: the nearest folder, then the nearest number of bits, then the first. */
static void test_hub_tower(void **state)
{
    static const char *const paths[] = {"BF16/mmproj-BF16.gguf", "Q4_0/x-Q4_0.gguf", "mmproj-BF16.gguf",
                                        "mmproj-F16.gguf",       "mmproj-F32.gguf",  "mmproj.txt"};
    static const struct {
        const char *model;
        size_t tower;
    } cases[] = {{"x-Q4_K_M.gguf", 2},    {"x-BF16.gguf", 2},
                 {"x-F32.gguf", 4},       {"BF16/x-BF16-00001-of-00002.gguf", 0},
                 {"Q4_0/x-Q4_0.gguf", 2}, {"BF160/x-Q8_0.gguf", 2}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(wc_hub_pick_tower(paths, 6, cases[i].model), cases[i].tower);
    assert_int_equal(wc_hub_pick_tower(paths, 2, "x.gguf"), 2);
    assert_true(wc_hub_is_tower("a/MMPROJ-x.gguf") && wc_hub_is_tower("x.mmproj-f16.GGUF"));
    assert_false(wc_hub_is_tower("mmproj/x.gguf") || wc_hub_is_tower("mmproj.bin"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_good_header),
        TEST(test_misaligned),
        TEST(test_bad_headers),
        TEST(test_finite),
        TEST(test_index),
        TEST(test_small_files),
        TEST(test_tokenizer_absent),
        TEST(test_no_memory),
        TEST(test_names),
        TEST(test_config),
        TEST(test_random),
        TEST(test_cache),
        TEST(test_cache_places),
        TEST(test_shipped_and_list),
        TEST(test_hub_tower),
        TEST(test_goldens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
