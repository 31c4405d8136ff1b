/* test_documents.c - texts to chunks (documents/split.h).  Tokens are words here, and two special ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "documents/split.h"

enum { SPECIAL = 2 };

static bool count_words(void *user, const char *text, size_t n, size_t *tokens, wc_error *err)
{
    *tokens = SPECIAL;
    for (size_t i = 0; i < n; i++)
        *tokens += (i == 0 || strchr(" \t\r\n", text[i - 1])) && !strchr(" \t\r\n", text[i]);
    if (user && --*(int *)user == 0)
        return wc_fail(err, WC_FAILED, "counted often enough");
    return true;
}

struct split {
    wc_arena *a;
    docs_chunk *chunks;
    size_t n;
};

static struct split split_as(enum docs_form form, const char *text, size_t tokens, size_t overlap)
{
    const docs_split_options o = {form, "", tokens, overlap, count_words, NULL};
    struct split s = {.a = wc_arena_new(0)};
    wc_error err = {0};
    if (!docs_split(text, strlen(text), &o, s.a, &s.chunks, &s.n, &err))
        fail_msg("%s", err.text);
    return s;
}

static void check_chunk(const struct split *s, size_t i, const char *heading, const char *text, size_t first,
                        size_t last)
{
    assert_true(i < s->n);
    const docs_chunk *c = &s->chunks[i];
    char *got = wc_arena_strndup(s->a, c->text, c->n_bytes);
    assert_string_equal(c->heading, heading);
    assert_string_equal(got, text);
    assert_int_equal(c->first_line, first);
    assert_int_equal(c->last_line, last);
}

static void headings(void **state)
{
    struct split s = split_as(DOCS_MARKDOWN,
                              "before\n"
                              "\n"
                              "# One #\n"
                              "first\n"
                              "## Two\n"
                              "second\n"
                              "## Three\n"
                              "# Four\n"
                              "#no heading\n"
                              "\n"
                              "Five\n"
                              "====\n"
                              "fifth\n"
                              "\n"
                              "Six\n"
                              "---\n"
                              "sixth\n",
                              50, 0);
    assert_int_equal(s.n, 7);
    check_chunk(&s, 0, "", "before", 1, 1);
    check_chunk(&s, 1, "One", "first", 4, 4);
    check_chunk(&s, 2, "One > Two", "second", 6, 6);
    check_chunk(&s, 3, "One > Three", "Three", 7, 7); /* nothing stands under it */
    check_chunk(&s, 4, "Four", "#no heading", 9, 9);
    check_chunk(&s, 5, "Five", "fifth", 13, 13);
    check_chunk(&s, 6, "Five > Six", "sixth", 17, 17);
    wc_arena_free(s.a);
}

static void fences(void **state)
{
    struct split s = split_as(DOCS_MARKDOWN,
                              "# Top\n"
                              "~~~~sh\n"
                              "# a comment\n"
                              "~~~\n"
                              "    make\n"
                              "~~~~\n"
                              "# Next\r\n"
                              "text\r\n",
                              50, 0);
    assert_int_equal(s.n, 2);
    check_chunk(&s, 0, "Top", "~~~~sh\n# a comment\n~~~\n    make\n~~~~", 2, 6);
    check_chunk(&s, 1, "Next", "text", 8, 8);
    wc_arena_free(s.a);
}

static void restructured_text(void **state)
{
    struct split s = split_as(DOCS_RST,
                              "=====\n"
                              "Title\n"
                              "=====\n"
                              "\n"
                              "intro\n"
                              "\n"
                              "Part\n"
                              "~~~~\n"
                              "# no heading here\n"
                              "\n"
                              "Title 2\n"
                              "=======\n"
                              "end\n",
                              50, 0);
    assert_int_equal(s.n, 3);
    check_chunk(&s, 0, "Title", "intro", 5, 5);
    check_chunk(&s, 1, "Title > Part", "# no heading here", 9, 9);
    check_chunk(&s, 2, "Title 2", "end", 13, 13);
    wc_arena_free(s.a);
}

/* The first row of a table stands above the others; lines with bars that are no table are words. */
static void tables(void **state)
{
    struct split s = split_as(DOCS_MARKDOWN,
                              "# T\n"
                              "| a | b |\n"
                              "| --- | :-: |\n"
                              "| 1 | 2 |\n"
                              "| 3 | 4 |\n"
                              "behind\n"
                              "\n"
                              "| x | y |\n"
                              "| z |\n",
                              50, 0);
    assert_int_equal(s.n, 2);
    check_chunk(&s, 0, "T > | a | b |", "| 1 | 2 |\n| 3 | 4 |", 4, 5);
    check_chunk(&s, 1, "T", "behind\n\n| x | y |\n| z |", 6, 9);
    wc_arena_free(s.a);
}

/* A chunk ends between paragraphs where it can, else between sentences, across the ends of lines. */
static void places(void **state)
{
    const char *text = "one two three four.\n"
                       "\n"
                       "five six. Seven\n"
                       "eight? Nine ten eleven twelve. Thirteen";
    struct split s = split_as(DOCS_MARKDOWN, text, SPECIAL + 7, 0);
    assert_int_equal(s.n, 3);
    check_chunk(&s, 0, "", "one two three four.", 1, 1);
    check_chunk(&s, 1, "", "five six. Seven\neight?", 3, 4);
    check_chunk(&s, 2, "", "Nine ten eleven twelve. Thirteen", 4, 4);
    wc_arena_free(s.a);
    s = split_as(DOCS_MARKDOWN, text, SPECIAL + 7, 2);
    assert_int_equal(s.n, 3);
    check_chunk(&s, 1, "", "five six. Seven\neight?", 3, 4);
    check_chunk(&s, 2, "", "Seven\neight? Nine ten eleven twelve. Thirteen", 3, 4);
    wc_arena_free(s.a);
}

static void code(void **state)
{
    struct split s = split_as(DOCS_CODE,
                              "#include <a.h>\n"
                              "\n"
                              "int f(void)\n"
                              "{\n"
                              "    return 1;\n"
                              "\n"
                              "    f();\n"
                              "}\n"
                              "\n"
                              "int g(void)\n"
                              "{\n"
                              "}\n",
                              SPECIAL + 12, 0);
    assert_int_equal(s.n, 2);
    check_chunk(&s, 0, "", "#include <a.h>\n\nint f(void)\n{\n    return 1;\n\n    f();\n}", 1, 8);
    check_chunk(&s, 1, "", "int g(void)\n{\n}", 10, 12);
    wc_arena_free(s.a);
    assert_int_equal(docs_form_of("/a.b/README"), DOCS_MARKDOWN);
    assert_int_equal(docs_form_of("/a/x.MD"), DOCS_MARKDOWN);
    assert_int_equal(docs_form_of("/a/x.rst"), DOCS_RST);
    assert_int_equal(docs_form_of("/a/x.c"), DOCS_CODE);
}

static size_t line_of(const char *text, const char *place)
{
    size_t line = 1;
    for (; text < place; text++)
        line += *text == '\n';
    return line;
}

/* All words come out, in order, in chunks that are not too long and know their lines. */
static void limits(void **state)
{
    enum { WORDS = 3000 };
    wc_arena *a = wc_arena_new(0);
    for (size_t tokens = 3; tokens < 200; tokens += 37) {
        char *text = wc_arena_zalloc(a, WORDS, 16);
        for (int i = 0; i < WORDS; i++)
            sprintf(text + strlen(text), "w%d%s", i,
                    i % 17 == 16     ? ".\n"
                    : i % 7 == 6     ? "\n"
                    : i % 101 == 100 ? "\n\n- "
                                     : " ");
        struct split s = split_as(DOCS_MARKDOWN, text, tokens, 0);
        int next = 0;
        for (size_t i = 0; i < s.n; i++) {
            const char *p = s.chunks[i].text, *end = p + s.chunks[i].n_bytes;
            size_t n;
            assert_true(count_words(NULL, p, s.chunks[i].n_bytes, &n, NULL) && n <= tokens);
            assert_int_equal(s.chunks[i].first_line, line_of(text, p));
            assert_int_equal(s.chunks[i].last_line, line_of(text, end));
            for (; p < end; p++)
                if (*p == 'w')
                    assert_int_equal(atoi(p + 1), next++);
        }
        assert_int_equal(next, WORDS);
        wc_arena_free(s.a);
    }
    wc_arena_free(a);
}

/* Neither a line of a million characters nor one without any space makes a chunk that is too long. */
static void long_lines(void **state)
{
    enum { BYTES = 100000 };
    wc_arena *a = wc_arena_new(0);
    char *text = wc_arena_zalloc(a, 3, BYTES);
    for (int i = 0; i < BYTES; i++)
        memcpy(text + 3 * i, "\xe2\x82\xac", 3 * (i < BYTES - 1));
    struct split s = split_as(DOCS_CODE, text, 10, 0);
    size_t bytes = 0;
    for (size_t i = 0; i < s.n; i++) {
        assert_true(s.chunks[i].n_bytes <= 20000);
        assert_int_equal(s.chunks[i].n_bytes % 3, 0); /* between characters */
        bytes += s.chunks[i].n_bytes;
    }
    assert_int_equal(bytes, strlen(text));
    wc_arena_free(s.a);
    wc_arena_free(a);
}

/* A heading that takes the room of the text is left out; a count that fails ends it. */
static void edges(void **state)
{
    struct split s = split_as(DOCS_MARKDOWN, "# a b c d e f\ntext\n", SPECIAL + 8, 0);
    assert_int_equal(s.n, 1);
    check_chunk(&s, 0, "", "text", 2, 2);
    wc_arena_free(s.a);
    s = split_as(DOCS_MARKDOWN, " \n\t\r\n", 10, 0);
    assert_int_equal(s.n, 0);
    wc_arena_free(s.a);
    bool failed = true;
    for (int n = 1; failed && n < 100; n++) {
        int left = n;
        const docs_split_options o = {DOCS_MARKDOWN, "x.md", 9, 3, count_words, &left};
        wc_error err = {0};
        s.a = wc_arena_new(0);
        failed = !docs_split("# h\na b. c d.\n|t|\n|-|\n|r|\n", 25, &o, s.a, &s.chunks, &s.n, &err);
        assert_int_equal(failed, err.text[0] != '\0');
        wc_arena_free(s.a);
    }
    assert_false(failed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(headings), cmocka_unit_test(fences),     cmocka_unit_test(restructured_text),
        cmocka_unit_test(tables),   cmocka_unit_test(places),     cmocka_unit_test(code),
        cmocka_unit_test(limits),   cmocka_unit_test(long_lines), cmocka_unit_test(edges),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
