/* fuzz_template.c - a template is compiled, then rendered over a conversation, plainly and as a chat.  What stands
 * behind a NUL is the conversation's request in place of the fixed one. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "text/chat.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX_TEMPLATE = 8192, MAX_OUTPUT = 64 << 20 };

static const char REQUEST[] =
    "{\"messages\":[{\"role\":\"system\",\"content\":\"S "
    "<&>\"},{\"role\":\"user\",\"content\":[{\"type\":\"text\","
    "\"text\":\"caf\xc3\xa9 \xf0\x9f\x98\x80\"}],\"thinking\":\"t\"},{\"role\":\"assistant\",\"content\":\"a "
    "'b' "
    "\\\"c\\\"\\n\"}],\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"n\":[1,2.5,null,true,"
    "123456789012345678901]}}],\"special_tokens\":{\"bos_token\":\"<s>\",\"eos_token\":\"</"
    "s>\"},\"kwargs\":{\"s\":"
    "\"Hello "
    "World\",\"l\":[3,1,2],\"d\":{\"b\":1,\"a\":2},\"n\":7,\"f\":2.5},\"now\":\"2025-07-04T09:05:03\"}";

/* A failure says why, a success is valid UTF-8. */
static void check(bool ok, enum wc_jinja_kind kind, const wc_error *err, const char *text, size_t n)
{
    if (ok ? kind != WC_JINJA_OK : kind == WC_JINJA_OK || !err->text[0])
        abort();
    if (ok && !wc_utf8_valid(text, n))
        abort();
}

static void render(const wc_jinja *t, const wc_json *request)
{
    const struct wc_jinja_clock now = {2025, 7, 4, 9, 5, 3};
    enum wc_jinja_kind kind;
    wc_error err = {0};
    wc_buf out;
    size_t n = 0;
    wc_buf_init(&out, MAX_OUTPUT);
    bool ok = wc_jinja_render(t, wc_json_get(request, "kwargs"), &now, &out, &kind, &err);
    check(ok, kind, &err, wc_buf_str(&out), out.size);
    wc_buf_release(&out);
    err = (wc_error){0};
    char *text = wc_chat_apply_json(t, request, NULL, WC_CHAT_GENERATE, &n, &kind, &err);
    check(text != NULL, kind, &err, text, n);
    wc_mem_free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *source = (const char *)data;
    const char *nul = size > 0 ? memchr(source, '\0', size) : NULL;
    size_t n = nul ? (size_t)(nul - source) : size;
    enum wc_jinja_kind kind;
    wc_error err = {0};
    if (n > MAX_TEMPLATE)
        return 0;
    wc_jinja *t = wc_jinja_compile(source ? source : "", n, "fuzz", &kind, &err);
    if (!t) {
        check(false, kind, &err, NULL, 0);
        return 0;
    }
    wc_arena *a = wc_arena_new(0);
    const wc_json *request = nul ? wc_json_parse(a, nul + 1, size - n - 1, "request", 0, NULL) : NULL;
    if (!request)
        request = wc_json_parse(a, REQUEST, sizeof REQUEST - 1, "request", 0, NULL);
    render(t, request);
    wc_arena_free(a);
    wc_jinja_free(t);
    return 0;
}
