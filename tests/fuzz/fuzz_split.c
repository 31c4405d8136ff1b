/* fuzz_split.c - any text to chunks, read as Markdown, reStructuredText and code: each chunk lies within the text, between
 * characters and behind the one before it, says its lines rightly, and is not longer than it may be. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "documents/split.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool good)
{
    if (!good)
        abort();
}

/* A token is a byte here but for white space, and two more are special. */
static bool count_bytes(void *user, const char *text, size_t n, size_t *tokens, wc_error *err)
{
    *tokens = 2;
    for (size_t i = 0; i < n; i++)
        *tokens += text[i] != ' ' && (text[i] < '\t' || text[i] > '\r');
    return true;
}

static size_t line_of(const char *text, size_t at)
{
    size_t line = 1;
    for (size_t i = 0; i < at; i++)
        line += text[i] == '\n';
    return line;
}

static void check(const char *text, size_t n, const docs_chunk *c, const docs_chunk *before, size_t most)
{
    const size_t at = (size_t)(c->text - text);
    size_t tokens;
    must(c->text >= text && at <= n && c->n_bytes > 0 && c->n_bytes <= n - at);
    must(wc_utf8_valid(c->heading, strlen(c->heading)) && wc_utf8_valid(c->text, c->n_bytes));
    must(!before || c->text > before->text);
    must(!before || c->text + c->n_bytes > before->text + before->n_bytes);
    must(c->first_line <= c->last_line && c->last_line == line_of(text, at + c->n_bytes - 1));
    must(c->first_line == line_of(text, at));
    count_bytes(NULL, c->text, c->n_bytes, &tokens, NULL);
    must(tokens <= most || wc_utf8_count(c->text, c->n_bytes) == 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2 || size > 4096 || memchr(data + 2, '\0', size - 2) ||
        !wc_utf8_valid((const char *)data + 2, size - 2))
        return 0;
    wc_arena *a = wc_arena_new(256 << 20);
    const char *text = wc_arena_strndup(a, (const char *)data + 2, size - 2);
    for (int form = DOCS_MARKDOWN; form <= DOCS_CODE; form++) {
        const docs_split_options o = {form,        "name", 3 + data[0], data[1] % (data[0] / 2 + 1),
                                      count_bytes, NULL};
        docs_chunk *chunks;
        size_t n = 0;
        wc_error err = {0};
        must(docs_split(text, size - 2, &o, a, &chunks, &n, &err));
        for (size_t i = 0; i < n; i++)
            check(text, size - 2, &chunks[i], i ? &chunks[i - 1] : NULL, o.chunk_tokens);
    }
    wc_arena_free(a);
    return 0;
}
