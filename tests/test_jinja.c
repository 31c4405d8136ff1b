/* test_jinja.c - templates against what transformers renders: small ones that go with the sources
 * (tests/cases/jinja_unit.json and jinja_more.json), and those of real models over many conversations, which lie in
 * $WHINCHAT_SHARED/templates where that is present. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <pthread.h>

#include "base/file_map.h"
#include "base/mem.h"
#include "text/chat.h"

enum { MAX_FILE = 64 << 20, MAX_OUTPUT = 64 << 20 };

static const struct wc_jinja_clock NOW = {2025, 7, 4, 9, 5, 3};

/* As the expected results name the kinds. */
static const char *kind_name(enum wc_jinja_kind kind)
{
    static const char *const names[] = {"ok",      "syntax",   "raise_exception", "undefined",
                                        "runtime", "security", "limit",           "continue_final_message"};
    return names[kind];
}

static const wc_json *load(wc_arena *a, const char *path)
{
    wc_error err = {0};
    const wc_json *json = wc_json_read(a, path, MAX_FILE, 0, &err);
    if (!json)
        fail_msg("%s", err.text);
    return json;
}

/* Whether a result is as expected: the text, or the kind of failure, and the message where it is the template's or that
 * of apply_chat_template. */
static bool as_expected(const wc_json *want, const char *text, size_t n, enum wc_jinja_kind kind,
                        const char *message)
{
    const wc_json *out = wc_json_get(want, "out"), *error = wc_json_get(want, "error");
    if (out)
        return text && out->n == n && memcmp(out->u.text, text, n) == 0;
    if (text || !wc_json_string_is(wc_json_get(want, "kind"), kind_name(kind)))
        return false;
    if (kind == WC_JINJA_RAISED || kind == WC_JINJA_CONTINUE)
        return wc_json_string_is(error, message);
    return true;
}

/* The rendering of a template, in the arena; NULL on failure. */
static const char *render(wc_arena *a, const char *source, size_t n_source, const wc_json *vars, size_t *n,
                          enum wc_jinja_kind *kind, wc_error *err)
{
    wc_buf out;
    const char *text = NULL;
    wc_buf_init(&out, MAX_OUTPUT);
    wc_jinja *t = wc_jinja_compile(source, n_source, "case", kind, err);
    if (t && wc_jinja_render(t, vars, &NOW, &out, kind, err)) {
        *n = out.size;
        text = wc_arena_strndup(a, wc_buf_str(&out), out.size);
    }
    wc_buf_release(&out);
    wc_jinja_free(t);
    return text;
}

static void check_cases(const char *file)
{
    wc_arena *a = wc_arena_new(0);
    const wc_json *all = load(a, file), *cases = wc_json_get(all, "cases");
    size_t failed = 0;
    for (size_t i = 0; i < wc_json_count(cases); i++) {
        const wc_json *c = wc_json_item(cases, i), *source = wc_json_get(c, "template");
        wc_error err = {0};
        enum wc_jinja_kind kind = WC_JINJA_OK;
        size_t n = 0;
        const char *text = render(a, source->u.text, source->n, wc_json_get(all, "vars"), &n, &kind, &err);
        if (as_expected(c, text, n, kind, err.text))
            continue;
        failed++;
        print_error("%s: %s\n  found %s: %s\n", wc_json_get(c, "name")->u.text, source->u.text,
                    kind_name(kind), text ? text : err.text);
    }
    print_message("%s: %zu of %zu as expected\n", file, wc_json_count(cases) - failed, wc_json_count(cases));
    wc_arena_free(a);
    assert_int_equal(failed, 0);
}

static void test_unit(void **state)
{
    check_cases(SOURCE_ROOT "/tests/cases/jinja_unit.json");
}

static void test_more(void **state)
{
    check_cases(SOURCE_ROOT "/tests/cases/jinja_more.json");
}

/* A conversation with a model's special tokens and the fixed clock. */
static const wc_json *make_request(wc_arena *a, const wc_json *conversation, const wc_json *tokens)
{
    wc_buf b;
    wc_error err = {0};
    wc_buf_init(&b, MAX_FILE);
    wc_buf_puts(&b, "{\"now\":\"2025-07-04T09:05:03\",\"special_tokens\":");
    wc_json_write(&b, tokens);
    for (size_t i = 0; i < wc_json_count(conversation); i++) {
        wc_buf_puts(&b, ",");
        wc_json_write(&b, wc_json_key(conversation, i));
        wc_buf_puts(&b, ":");
        wc_json_write(&b, wc_json_value(conversation, i));
    }
    wc_buf_puts(&b, "}");
    const wc_json *request = wc_json_parse(a, wc_arena_strdup(a, wc_buf_str(&b)), b.size, "request", 0, &err);
    wc_buf_release(&b);
    assert_non_null(request);
    return request;
}

/* One template over all conversations; how many results differ. */
static size_t check_template(const char *folder, const wc_json *golden, const wc_json *entry,
                             const char *name)
{
    wc_arena *a = wc_arena_new(0);
    wc_error err = {0};
    const wc_json *results = wc_json_get(entry, "results");
    size_t n_source = 0, failed = 0;
    const char *path = wc_path_join(a, folder, wc_json_get(entry, "file")->u.text);
    const char *source = wc_file_read(a, path, MAX_FILE, &n_source, &err);
    wc_jinja *t = source ? wc_jinja_compile(source, n_source, name, NULL, &err) : NULL;
    if (!t)
        fail_msg("%s", err.text);
    for (size_t i = 0; i < wc_json_count(results); i++) {
        const char *conversation = wc_json_key(results, i)->u.text;
        const wc_json *request = make_request(a,
                                              wc_json_get(wc_json_get(golden, "conversations"), conversation),
                                              wc_json_get(entry, "special_tokens"));
        enum wc_jinja_kind kind;
        size_t n = 0;
        char *text = wc_chat_apply_json(t, request, NULL, 0, &n, &kind, &err);
        if (!as_expected(wc_json_value(results, i), text, n, kind, err.text)) {
            failed++;
            print_error("%s over %s: found %s: %s\n", name, conversation, kind_name(kind),
                        text ? text : err.text);
        }
        wc_mem_free(text);
    }
    wc_jinja_free(t);
    wc_arena_free(a);
    return failed;
}

static void test_real_templates(void **state)
{
    const char *shared = getenv("WHINCHAT_SHARED");
    char folder[1000];
    snprintf(folder, sizeof folder, "%s/templates", shared ? shared : SOURCE_ROOT "/../shared");
    if (!wc_dir_exists(folder)) {
        print_message("not run: templates of real models: no folder %s\n", folder);
        return;
    }
    wc_arena *a = wc_arena_new(0);
    const wc_json *golden = load(a, wc_path_join(a, folder, "golden.json"));
    const wc_json *templates = wc_json_get(golden, "templates");
    size_t failed = 0, n = 0;
    for (size_t i = 0; i < wc_json_count(templates); i++) {
        const wc_json *entry = wc_json_value(templates, i);
        failed += check_template(folder, golden, entry, wc_json_key(templates, i)->u.text);
        n += wc_json_count(wc_json_get(entry, "results"));
    }
    print_message("templates of real models: %zu of %zu as expected\n", n - failed, n);
    wc_arena_free(a);
    assert_int_equal(failed, 0);
}

/* ---- what apply_chat_template does around a template ---- */

static void expect_chat(const char *source, const char *request, const char *want)
{
    wc_error err = {0};
    wc_jinja *t = wc_jinja_compile(source, strlen(source), "t", NULL, &err);
    assert_non_null(t);
    char *text = wc_chat_apply(t, request, NULL, 0, &err);
    if (strcmp(text ? text : err.text, want) != 0)
        fail_msg("%s over %s: expected \"%s\", found \"%s\"", source, request, want, text ? text : err.text);
    wc_mem_free(text);
    wc_jinja_free(t);
}

#define MESSAGE "{\"messages\":[{\"role\":\"user\",\"content\":\"hi \"}]"

static void test_chat(void **state)
{
    expect_chat("{{ messages }}{{ tools }}{{ documents }}{{ add_generation_prompt }}{{ bos_token }}",
                MESSAGE ",\"special_tokens\":{\"bos_token\":null}}",
                "[{'role': 'user', 'content': 'hi '}]NoneNoneFalse");
    expect_chat("{{ bos_token }}{{ eos_token }}{{ x }}",
                MESSAGE ",\"special_tokens\":{\"bos_token\":\"B\",\"eos_token\":{\"content\":\"E\"}},"
                        "\"kwargs\":{\"eos_token\":\"K\",\"x\":[1]}}",
                "BK[1]");
    expect_chat("{{ messages }}", "{\"messages\":[{\"content\":null,\"a\":[null],\"reasoning\":\"r\"}]}",
                "[{'thinking': 'r', 'a': [None], 'reasoning': 'r', 'reasoning_content': 'r'}]");
    expect_chat("<{{ messages[0].content }}> tail", MESSAGE ",\"continue_final_message\":true}", "<hi ");
    expect_chat("<{{ messages[0].content | trim }}> tail", MESSAGE ",\"continue_final_message\":true}",
                "<hi");
    expect_chat(
        "<{{ messages[0].content[0].text }}>",
        "{\"messages\":[{\"content\":[{\"text\":\"a\"},{\"image\":1}]}],\"continue_final_message\":true}",
        "<a");
    expect_chat("{{ messages[0].role }}", MESSAGE ",\"continue_final_message\":true}",
                "continue_final_message is set to \"content\" but this is not an accepted field in the "
                "chat_template");
    expect_chat("x", "{\"messages\":[]}",
                "Cannot apply chat template to an empty conversation. Provide at least one message.");
    expect_chat("x", "[]", "chat request: expected an object, found an array");
    expect_chat("x", "{\"messages\":[1]}", "messages: expected objects, found a number");
    expect_chat("x", "{\"messages\":5}", "messages: expected an array, found a number");
    expect_chat("x", MESSAGE ",\"tools\":{}}", "tools: expected an array, found an object");
    expect_chat("x", MESSAGE ",\"now\":\"2025-02-30T00:00:00\"}",
                "now: expected a string such as \"2025-07-04T09:05:03\"");
    expect_chat("{{ strftime_now('%Y') }}", MESSAGE ",\"now\":\"1999-12-31T23:59:59\"}", "1999");
    expect_chat("{{ raise_exception('no ' ~ 1) }}", MESSAGE "}", "no 1");
    expect_chat("{{ raise_exception('no\\n\\x1b') }}", MESSAGE "}", "no\n\\x1b");
}

static void test_generation_prompt(void **state)
{
    static const char source[] = "{{ add_generation_prompt }}";
    static const char *const cases[][2] = {
        {MESSAGE "}", "True"},
        {MESSAGE ",\"add_generation_prompt\":false}", "False"},
        {"{\"messages\":[{\"role\":\"assistant\",\"content\":\"x\"}]}", "False"}};
    wc_jinja *t = wc_jinja_compile(source, strlen(source), "t", NULL, NULL);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *text = wc_chat_apply(t, cases[i][0], NULL, WC_CHAT_GENERATE, NULL);
        assert_string_equal(text, cases[i][1]);
        wc_mem_free(text);
    }
    wc_jinja_free(t);
}

static void test_plain(void **state)
{
    wc_error err = {0};
    char *text = wc_chat_render_plain("{{ x }}{{ strftime_now('%H') }}", "{\"x\":1}", "2025-07-04T09:05:03",
                                      &err);
    assert_string_equal(text, "109");
    wc_mem_free(text);
    assert_null(wc_chat_render_plain("x", "{}", "yesterday", &err));
    assert_string_equal(err.text,
                        "now: expected a time such as \"2025-07-04T09:05:03\", found \"yesterday\"");
    assert_null(wc_chat_render_plain("a\n{{ 1 + }}", "{}", NULL, &err));
    assert_string_equal(err.text, "template: line 2: unexpected 'end of print statement'");
    assert_null(wc_chat_render_plain("x", "[]", NULL, &err));
    assert_null(wc_chat_render_plain("\xff", "{}", NULL, &err));
    assert_string_equal(err.text, "template: template is not valid UTF-8");
}

/* ---- bounds ---- */

static const char *const BOMBS[] = {
    "{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}",
    "{% for a in range(10000) %}{% for b in range(100000) %}xxxxxxxxxx{% endfor %}{% endfor %}",
    "{{ 'a' * 10 ** 10 }}",
    "{{ [0] * 10 ** 10 }}",
    "{% set ns = namespace(s='ab') %}{% for i in range(60) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}",
    "{% set ns = namespace(s=[1]) %}{% for i in range(60) %}{% set ns.s = ns.s + ns.s %}{% endfor %}",
    /* cut for its length, no comma is missing: NOLINTNEXTLINE(bugprone-suspicious-missing-comma) */
    "{% set ns = namespace(s='a') %}{% for i in range(60) %}{% set ns.s = ns.s.replace('a', 'aa') %}{% "
    "endfor %}",
    "{{ 9 ** (9 ** 9) }}",
    "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
    "{% macro f() %}{% call g() %}x{% endcall %}{% endmacro %}{% macro g() %}{{ f() }}{{ caller() }}{% "
    "endmacro %}{{ f() }}",
    "{% macro f(n) %}{% if n > 0 %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(50) }}",
    "{% set l = [1] %}{% for x in l recursive %}{{ loop(l) }}{% endfor %}",
    "{% set ns = namespace(l=[]) %}{% for i in range(90000) %}{% set ns.l = [ns.l] %}{% endfor %}{{ ns.l }}",
    "{% set ns = namespace(l=[]) %}{% for i in range(90000) %}{% set ns.l = ns.l | map('list') %}{% endfor "
    "%}{{ ns.l | list }}",
    "{{ [1] | slice(10 ** 9) | list | length }}",
    "{{ [1] | batch(10 ** 9, 'x') | list | length }}",
    "{{ '%10000000000d' | format(1) }}",
    "{{ '{:>10000000000}'.format(1) }}",
    "{{ 'a' | center(10 ** 10) }}",
    "{{ [1] | tojson(indent=10 ** 10) }}",
    "{{ 'a\nb' | indent(10 ** 10) }}",
    "{{ (['a' * 10000] * 100000) | join('b' * 10000) | length }}",
    "{{ (['a' * 10000] * 10000,) | join('b' * 10040) | length }}",
    "{% set a = range(99999) | list %}{% for i in a %}{% if -1 in a %}{% endif %}{% endfor %}",
    "{% for i in range(90000) %}{% set a = range(90000) | sort %}{% endfor %}",
    "{{ strftime_now('%9999Y' * 1000) }}",
};

static void test_bombs(void **state)
{
    for (size_t i = 0; i < sizeof BOMBS / sizeof *BOMBS; i++) {
        wc_arena *a = wc_arena_new(0);
        wc_error err = {0};
        enum wc_jinja_kind kind = WC_JINJA_OK;
        size_t n = 0;
        const char *text = render(a, BOMBS[i], strlen(BOMBS[i]), NULL, &n, &kind, &err);
        if (text || kind != WC_JINJA_LIMIT)
            fail_msg("%s: expected a limit, found %s: %s", BOMBS[i], kind_name(kind), err.text);
        wc_arena_free(a);
    }
}

/* What templates may well do: it must not meet a bound. */
static void test_large(void **state)
{
    static const char *const cases[][2] = {
        {"{% set ns = namespace(n=0) %}{% for i in range(200) %}{% for j in range(200) %}{% set ns.n = ns.n "
         "+ 1 %}"
         "{% endfor %}{% endfor %}{{ ns.n }}",
         "40000"},
        {"{% set ns = namespace(s='') %}{% for i in range(40000) %}{% set ns.s = ns.s + 'abcdefgh' %}{% "
         "endfor %}"
         "{{ ns.s | length }}",
         "320000"},
        {"{% set ns = namespace(l=[]) %}{% for i in range(40000) %}{% set ns.l = ns.l + [i] %}{% endfor %}"
         "{{ ns.l | length }}{{ ns.l[39999] }}",
         "4000039999"},
        {"{{ ('ab' * 32768) | length }}", "65536"},
        {"{% macro f(n) %}{% if n > 0 %}{{ f(n - 1) }}{% endif %}x{% endmacro %}{{ f(60) | length }}", "61"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        wc_arena *a = wc_arena_new(0);
        wc_error err = {0};
        enum wc_jinja_kind kind = WC_JINJA_OK;
        size_t n = 0;
        const char *text = render(a, cases[i][0], strlen(cases[i][0]), NULL, &n, &kind, &err);
        if (!text || strcmp(text, cases[i][1]) != 0)
            fail_msg("%s: expected %s, found %s", cases[i][0], cases[i][1], text ? text : err.text);
        wc_arena_free(a);
    }
}

/* Deep nesting of every kind: an error or a result, never a crash. */
static void compile_deep(const char *before, const char *open, const char *middle, const char *close,
                         size_t times)
{
    wc_buf b;
    wc_error err = {0};
    enum wc_jinja_kind kind = WC_JINJA_OK;
    wc_arena *a = wc_arena_new(0);
    size_t n = 0;
    wc_buf_init(&b, 16 << 20);
    wc_buf_puts(&b, before);
    for (size_t i = 0; i < times; i++)
        wc_buf_puts(&b, open);
    wc_buf_puts(&b, middle);
    for (size_t i = 0; i < times; i++)
        wc_buf_puts(&b, close);
    assert_true(wc_buf_ok(&b));
    const char *text = render(a, wc_buf_str(&b), b.size, NULL, &n, &kind, &err);
    assert_true(text || err.text[0]);
    wc_buf_release(&b);
    wc_arena_free(a);
}

static void *deep_templates(void *unused)
{
    compile_deep("{{ ", "(", "1", ")", 100000);
    compile_deep("{{ ", "[", "1", "]", 100000);
    compile_deep("{{ ", "{1:", "1", "}", 100000);
    compile_deep("{{ ", "-", "1 }}", "", 100000);
    compile_deep("{{ ", "not ", "1 }}", "", 100000);
    compile_deep("{{ ", "1 if a else ", "1 }}", "", 100000);
    compile_deep("{{ ", "a(", "1", ")", 100000);
    compile_deep("{{ ", "a[", "1", "]", 100000);
    compile_deep("{{ a", ".b", " }}", "", 100000);
    compile_deep("{{ a", " | trim", " }}", "", 100000);
    compile_deep("{{ a", "()", " }}", "", 100000);
    compile_deep("{{ 1", " + 1", " }}", "", 100000);
    compile_deep("{{ 1", " ~ 1", " }}", "", 100000);
    compile_deep("{{ 1", " ** 1", " }}", "", 100000);
    compile_deep("{{ 1", " < 2", " }}", "", 100000);
    compile_deep("{{ 1", " and 1", " }}", "", 100000);
    compile_deep("", "{% if 1 %}", "x", "{% endif %}", 20000);
    compile_deep("", "{% for a in [1] %}", "x", "{% endfor %}", 20000);
    compile_deep("{% if 0 %}", "{% elif 0 %}", "{% else %}x{% endif %}", "", 20000);
    compile_deep("", "{% set a = 1 %}", "{{ a }}", "", 30000);
    for (size_t i = 0; i < sizeof BOMBS / sizeof *BOMBS; i++)
        if (strstr(BOMBS[i], "macro") || strstr(BOMBS[i], "ns.l"))
            compile_deep(BOMBS[i], "", "", "", 0);
    return unused;
}

static void test_small_stack(void **state)
{
    pthread_attr_t attributes;
    pthread_t thread;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 512 << 10);
    assert_int_equal(pthread_create(&thread, &attributes, deep_templates, NULL), 0);
    pthread_join(thread, NULL);
    pthread_attr_destroy(&attributes);
}

/* One compiled template in many threads. */
static void *render_often(void *template)
{
    for (int i = 0; i < 50; i++) {
        char *text = wc_chat_apply(template, MESSAGE "}", NULL, 0, NULL);
        if (!text || strcmp(text, "user: hi   HI\xc3\x89 3") != 0) {
            wc_mem_free(text);
            return template;
        }
        wc_mem_free(text);
    }
    return NULL;
}

static void test_threads(void **state)
{
    static const char source[] = "{% for m in messages %}{{ m.role }}: {{ m.content }} {% endfor %}"
                                 "{% set e = '\xc3\xa9' %}{{ ' hi' | upper ~ e | upper }} {{ 'a\xc3\xa9"
                                 "b' | length }}";
    pthread_t threads[4];
    wc_jinja *t = wc_jinja_compile(source, strlen(source), "t", NULL, NULL);
    assert_non_null(t);
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, render_often, t), 0);
    for (int i = 0; i < 4; i++) {
        void *failed;
        pthread_join(threads[i], &failed);
        assert_null(failed);
    }
    wc_jinja_free(t);
}

/* Every allocation may fail: an error, and nothing is lost. */
static void test_no_memory(void **state)
{
    static const char source[] =
        "{% macro f(a) %}{{ a | tojson(indent=1) }}{% endmacro %}{% for m in messages %}{{ f(m) }}"
        "{{ '%s {}' % m.role | upper }}{{ [3, 1] | sort | map('string') | join(',') }}{% endfor %}{{ 'a' 'b' "
        "}}";
    bool done = false;
    for (long n = 1; !done && n < 5000; n++) {
        wc_error err = {0};
        wc_mem_fail_after(n);
        wc_jinja *t = wc_jinja_compile(source, strlen(source), "t", NULL, &err);
        char *text = t ? wc_chat_apply(t, MESSAGE "}", NULL, 0, &err) : NULL;
        wc_mem_fail_after(0);
        done = text != NULL;
        assert_true(done || err.text[0]);
        wc_mem_free(text);
        wc_jinja_free(t);
    }
    assert_true(done);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unit),           cmocka_unit_test(test_more),
        cmocka_unit_test(test_real_templates), cmocka_unit_test(test_chat),
        cmocka_unit_test(test_plain),          cmocka_unit_test(test_generation_prompt),
        cmocka_unit_test(test_bombs),          cmocka_unit_test(test_large),
        cmocka_unit_test(test_small_stack),    cmocka_unit_test(test_threads),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests_name("jinja", tests, NULL, NULL);
}
