/* test_stop.c - stop strings: the same answer however the text is cut, equal to a plain search. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/mem.h"
#include "generate/stop.h"

static wc_stop *open_stop(const char *const *strings, size_t n)
{
    wc_error err = {0};
    wc_stop *s = wc_stop_new(strings, n, &err);
    if (!s)
        fail_msg("%s", err.text);
    return s;
}

/* Pushes text and checks what comes out at once. */
static void push(wc_stop *s, const char *text, const char *want, bool want_stop)
{
    const char *out;
    size_t n;
    assert_int_equal(wc_stop_push(s, text, strlen(text), &out, &n), want_stop);
    assert_int_equal(n, strlen(want));
    assert_memory_equal(out, want, n);
}

static void flush(wc_stop *s, const char *want)
{
    const char *out;
    size_t n;
    wc_stop_flush(s, &out, &n);
    assert_int_equal(n, strlen(want));
    assert_memory_equal(out, want, n);
}

static void test_holds_back(void **state)
{
    const char *const strings[] = {"\nUser:", "END"};
    wc_stop *s = open_stop(strings, 2);
    push(s, "Hello", "Hello", false);
    push(s, " E", " ", false);
    push(s, "N", "", false);
    push(s, "d.", "ENd.", false);
    push(s, "\n", "", false);
    push(s, "Use", "", false);
    push(s, "r: x", "", true);
    push(s, "more", "", true);
    flush(s, "");
    wc_stop_free(s);
}

static void test_flush_gives_the_rest(void **state)
{
    const char *const strings[] = {"<end>"};
    wc_stop *s = open_stop(strings, 1);
    push(s, "a <e", "a ", false);
    flush(s, "<e");
    flush(s, "");
    push(s, "nd>", "nd>", false); /* what was given out begins nothing any more */
    wc_stop_free(s);
}

static void test_without_strings(void **state)
{
    wc_stop *s = open_stop(NULL, 0);
    push(s, "anything", "anything", false);
    push(s, "", "", false);
    flush(s, "");
    wc_stop_free(s);
}

static void test_overlaps(void **state)
{
    const char *const strings[] = {"abab c", "bab", "xabab"};
    wc_stop *s = open_stop(strings, 3);
    push(s, "--aba", "--", false);
    push(s, "b", "a", true); /* "bab" ends first */
    wc_stop_free(s);
    s = open_stop(strings, 3);
    push(s, "--xabab", "--", true); /* of those that end together the longest */
    wc_stop_free(s);
}

static void test_utf8_and_zeros(void **state)
{
    const char *const strings[] = {"\xe2\x82\xac"};
    const char *out;
    size_t n;
    wc_stop *s = open_stop(strings, 1);
    assert_false(wc_stop_push(s, "a\0b\xe2", 4, &out, &n));
    assert_int_equal(n, 3);
    assert_memory_equal(out, "a\0b", 3);
    push(s, "\x82", "", false);
    push(s, "\xac", "", true);
    wc_stop_free(s);
}

/* The first end of any string in text, the longest of those that end there: its start, or n. */
static size_t plain_search(const char *const *strings, size_t n_strings, const char *text, size_t n)
{
    for (size_t end = 1; end <= n; end++) {
        size_t longest = 0;
        for (size_t i = 0; i < n_strings; i++) {
            size_t length = strlen(strings[i]);
            if (length <= end && length > longest && memcmp(text + end - length, strings[i], length) == 0)
                longest = length;
        }
        if (longest > 0)
            return end - longest;
    }
    return n;
}

/* Random texts and strings of two letters, cut at random. */
static void test_random(void **state)
{
    uint32_t seed = 1;
    int n_found = 0;
    for (int round = 0; round < 3000; round++) {
        char words[4][8], text[64];
        const char *strings[4];
        size_t n_strings = 1 + (size_t)round % 4, n = sizeof text;
        for (size_t i = 0; i < n_strings; i++) {
            size_t length = 2 + (seed = seed * 1664525u + 1013904223u) / 65536 % 6;
            for (size_t k = 0; k < length; k++)
                words[i][k] = "ab"[(seed = seed * 1664525u + 1013904223u) >> 31];
            words[i][length] = '\0';
            strings[i] = words[i];
        }
        for (size_t k = 0; k < n; k++)
            text[k] = "aab"[(seed = seed * 1664525u + 1013904223u) / 65536 % 3];
        size_t want = plain_search(strings, n_strings, text, n);
        wc_stop *s = open_stop(strings, n_strings);
        wc_buf got;
        wc_buf_init(&got, 1 << 10);
        bool stopped = false;
        const char *out;
        size_t n_out;
        for (size_t at = 0; at < n && !stopped;) {
            size_t piece = (seed = seed * 1664525u + 1013904223u) / 65536 % 7;
            piece = piece < n - at ? piece : n - at;
            stopped = wc_stop_push(s, text + at, piece, &out, &n_out);
            wc_buf_add(&got, out, n_out);
            at += piece;
        }
        wc_stop_flush(s, &out, &n_out);
        wc_buf_add(&got, out, n_out);
        assert_int_equal(stopped, want < n);
        assert_int_equal(got.size, want);
        assert_memory_equal(wc_buf_str(&got), text, want);
        n_found += stopped;
        wc_buf_release(&got);
        wc_stop_free(s);
    }
    assert_true(n_found > 500 && n_found < 3000);
}

static void test_refusals(void **state)
{
    const char *const empty[] = {"a", ""};
    wc_error err = {0};
    assert_null(wc_stop_new(empty, 2, &err));
    assert_int_equal(err.code, WC_BAD_ARGUMENT);
    char *large = malloc((2 << 20) + 1);
    memset(large, 'x', 2 << 20);
    large[2 << 20] = '\0';
    const char *const too_large[] = {large};
    assert_null(wc_stop_new(too_large, 1, &err));
    free(large);
    for (long n = 1; n < 4; n++) {
        const char *const one[] = {"stop"};
        wc_mem_fail_after(n);
        wc_stop *s = wc_stop_new(one, 1, &err);
        wc_mem_fail_after(0);
        assert_null(s);
        assert_int_equal(err.code, WC_NO_MEMORY);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_holds_back),      cmocka_unit_test(test_flush_gives_the_rest),
        cmocka_unit_test(test_without_strings), cmocka_unit_test(test_overlaps),
        cmocka_unit_test(test_utf8_and_zeros),  cmocka_unit_test(test_random),
        cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests_name("stop", tests, NULL, NULL);
}
