/* test_base.c - arena, buffer, UTF-8, JSON, threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/arenas.h"
#include "base/buf.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/os.h"
#include "base/threads.h"
#include "base/utf8.h"

static void test_arena(void **state)
{
    wc_arena *a = wc_arena_new(1 << 20);
    char *first = wc_arena_alloc(a, 10);
    assert_int_equal((uintptr_t)first % 64, 0);
    wc_arena_mark mark = wc_arena_get_mark(a);
    for (int i = 0; i < 100; i++)
        memset(wc_arena_alloc(a, 5000), i, 5000);
    assert_null(wc_arena_alloc(a, 1 << 20));
    wc_arena_reset(a, mark);
    assert_int_equal(wc_arena_used(a), mark.used);
    assert_non_null(wc_arena_alloc(a, 100));
    assert_true(wc_arena_peak(a) > 500000);
    wc_arena_free(a);
}

/* Memory that is back serves the next turn of its size or less; what does not suffice gives way. */
static void test_arenas(void **state)
{
    enum { SMALL = 1 << 16, LARGE = 1 << 18 };
    (void)state;
    wc_arenas *p = wc_arenas_new();
    wc_arena *small = wc_arenas_take(p, SMALL), *large = wc_arenas_take(p, LARGE),
             *any = wc_arenas_take(p, 0);
    assert_non_null(wc_arena_alloc(any, LARGE));
    wc_arenas_put(p, any);
    wc_arenas_put(p, small);
    wc_arenas_put(p, large);
    assert_ptr_equal(wc_arenas_take(p, SMALL / 2), small);
    assert_null(wc_arena_alloc(small, SMALL)); /* no more than was asked for */
    assert_non_null(wc_arena_alloc(small, SMALL / 2));
    assert_ptr_equal(wc_arenas_take(p, SMALL), large);
    wc_arenas_put(p, large);
    wc_arena *larger = wc_arenas_take(p, 2 * LARGE);
    assert_int_equal(wc_arena_used(larger), 0);
    wc_arenas_put(p, larger);
    wc_arenas_put(p, small);
    wc_arena *again = wc_arenas_take(p, LARGE); /* the one of LARGE is gone */
    assert_int_equal(wc_arena_room(again), 2 * LARGE);
    wc_arenas_put(p, again);
    wc_arenas_free(p);
}

static void test_utf8(void **state)
{
    uint32_t c;
    assert_int_equal(wc_utf8_decode("\xe2\x82\xac", 3, &c), 3);
    assert_int_equal(c, 0x20ac);
    assert_int_equal(wc_utf8_decode("\xe2\x82", 2, &c), 2);
    assert_int_equal(c, 0xfffd);
    assert_int_equal(wc_utf8_decode("\xed\xa0\x80", 3, &c), 1);
    assert_int_equal(wc_utf8_decode("\xc0\xaf", 2, &c), 1);
    assert_int_equal(wc_utf8_decode("\xf0\x9f\x98", 3, &c), 3);
    assert_int_equal(wc_utf8_pending("a\xf0\x9f\x98", 4), 3);
    assert_int_equal(wc_utf8_pending("a\xf0\x9f\x98\x80", 5), 0);
    assert_int_equal(wc_utf8_pending("a\xe2\x82", 3), 2);
    assert_int_equal(wc_utf8_pending("a\x80", 2), 0);
    char out[4];
    for (uint32_t u = 1; u < 0x110000; u += 7) {
        if (u >= 0xd800 && u < 0xe000)
            continue;
        size_t n = wc_utf8_encode(u, out);
        assert_int_equal(wc_utf8_decode(out, n, &c), n);
        assert_int_equal(c, u);
    }
}

static void check_json(const char *text, const char *want)
{
    wc_arena *a = wc_arena_new(0);
    wc_error err = {0};
    const wc_json *v = wc_json_parse(a, text, strlen(text), "t.json", WC_JSON_UNIQUE_KEYS, &err);
    if (want) {
        if (!v)
            fail_msg("%s: %s", text, err.text);
        wc_buf b;
        wc_buf_init(&b, 1000);
        wc_json_write(&b, v);
        assert_string_equal(wc_buf_str(&b), want);
        wc_buf_release(&b);
    } else if (v) {
        fail_msg("accepted: %s", text);
    }
    wc_arena_free(a);
}

static void test_json(void **state)
{
    check_json(" {\"a\" : [1, -2.50, true, null, \"x\\u00e9\\ud83d\\ude00\\n\"], \"b\":{}} ",
               "{\"a\":[1,-2.5,true,null,\"x\xc3\xa9\xf0\x9f\x98\x80\\n\"],\"b\":{}}");
    check_json("123456789012345678901234567890", "123456789012345678901234567890");
    check_json("-9223372036854775808", "-9223372036854775808");
    check_json("9223372036854775808", "9223372036854775808");
    check_json("1e999", NULL);
    check_json("1e22", "1e+22");
    check_json("[1,]", NULL);
    check_json("[1] 2", NULL);
    check_json("{\"a\":1,\"a\":2}", NULL);
    check_json("{'a':1}", NULL);
    check_json("NaN", NULL);
    check_json("[1 // x\n]", NULL);
    check_json("", NULL);
    check_json("\"a", NULL);
    check_json("\"\xff\"", NULL);
    check_json("\"\\ud800\"", NULL);
    char deep[200001];
    memset(deep, '[', 100000);
    memset(deep + 100000, ']', 100000);
    deep[200000] = '\0';
    check_json(deep, NULL);
}

struct sum {
    int hits[1000];
};

static void add_one(void *job, int thread, size_t chunk)
{
    ((struct sum *)job)->hits[chunk]++;
}

static void test_threads(void **state)
{
    wc_pool *p = wc_pool_open(4, NULL);
    assert_non_null(p);
    static struct sum sum;
    for (int round = 0; round < 200; round++)
        wc_pool_run(p, add_one, &sum, 1000);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(sum.hits[i], 200);
    wc_pool_close(p);
    assert_true(wc_default_threads(NULL) >= 1);
}

static void check_double(double x, const char *want)
{
    wc_buf b;
    wc_buf_init(&b, 100);
    wc_buf_json_double(&b, x);
    assert_string_equal(wc_buf_str(&b), want);
    wc_buf_release(&b);
}

static void test_double(void **state)
{
    check_double(1, "1.0");
    check_double(0.1, "0.1");
    check_double(-1e16, "-1e+16");
    check_double(123456789012345680.0, "1.2345678901234568e+17");
    check_double(1e-5, "1e-05");
    check_double(0.00012, "0.00012");
    check_double(1234.5, "1234.5");
    check_double(1e15, "1000000000000000.0");
}

static void test_error(void **state)
{
    wc_error err = {0};
    wc_fail(&err, WC_FAILED, "%s: bad", "a\x1b[31m\nb\xff");
    assert_string_equal(err.text, "a\\x1b[31m\\x0ab\\xff: bad");
}

/* The examples of FIPS 180-4, and a text of many blocks that comes in pieces. */
static void check_sums(const char *text, size_t piece, const char *want256, const char *want1)
{
    wc_sha256 s256;
    wc_sha1 s1;
    uint8_t digest[32];
    char hex[65];
    wc_sha256_init(&s256);
    wc_sha1_init(&s1);
    for (size_t i = 0, n = strlen(text); i < n; i += piece) {
        wc_sha256_add(&s256, text + i, n - i < piece ? n - i : piece);
        wc_sha1_add(&s1, text + i, n - i < piece ? n - i : piece);
    }
    wc_sha256_end(&s256, digest);
    wc_sha256_hex(digest, hex);
    assert_string_equal(hex, want256);
    wc_sha1_end(&s1, digest);
    wc_sha1_hex(digest, hex);
    assert_string_equal(hex, want1);
}

static void test_hash(void **state)
{
    static char many[100001];
    memset(many, 'a', 100000);
    check_sums("", 1, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
               "da39a3ee5e6b4b0d3255bfef95601890afd80709");
    check_sums("abc", 2, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
               "a9993e364706816aba3e25717850c26c9cd0d89d");
    for (size_t piece = 1; piece < 200; piece += 31)
        check_sums(many, piece, "6d1cf22d7cc09b085dfc25ee1a1f3ae0265804c607bc2074ad253bcc82fd81ee",
                   "c4d4b30851182fc4eb8675494d42fd7f17e29c93");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_arena),   cmocka_unit_test(test_arenas),
                                       cmocka_unit_test(test_utf8),    cmocka_unit_test(test_json),
                                       cmocka_unit_test(test_threads), cmocka_unit_test(test_double),
                                       cmocka_unit_test(test_error),   cmocka_unit_test(test_hash)};
    return cmocka_run_group_tests_name("base", tests, NULL, NULL);
}
