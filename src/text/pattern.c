/* pattern.c - see pattern.h.
 *
 * Only PCRE2's interpreter is used, not its JIT compiler: its match limit counts steps, so that the budget below is
 * exact, and no executable memory is needed.  A call first gets FREE_STEPS; when they do not suffice it is repeated with
 * 16 times as many, which are then taken from the budget of the whole text. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "text/pattern.h"

#include <pcre2.h>
#include <stdint.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/size.h"
#include "base/utf8.h"
#include "text/scan.h"

enum {
    MAX_PATTERN = 32768,
    FREE_STEPS = 256,
    BUDGET_STEPS = 20 * 1000 * 1000,
    BUDGET_STEPS_PER_BYTE = 64,
    HEAP_KIB = 64 * 1024,
    MAX_GROUPS = 100, /* nested */
    SHORT_LITERAL = 8
};

struct wc_pattern {
    const wc_scanner *scanner; /* or */
    pcre2_code *code;          /* or */
    char *literal;             /* [n] */
    size_t n;
    char *where;
};

wc_pattern *wc_pattern_literal(const char *s, size_t n)
{
    wc_pattern *p = wc_mem_zalloc(1, sizeof *p);
    char *copy = wc_mem_strndup(s, n);
    if (!p || !copy) {
        wc_mem_free(p);
        wc_mem_free(copy);
        return NULL;
    }
    p->literal = copy;
    p->n = n;
    return p;
}

wc_pattern *wc_pattern_scanner(const wc_scanner *scanner)
{
    wc_pattern *p = wc_mem_zalloc(1, sizeof *p);
    if (p)
        p->scanner = scanner;
    return p;
}

/* End of the class that begins with '[' at s[i]. */
static size_t class_end(const char *s, size_t n, size_t i)
{
    size_t depth = 0, start = i;
    for (; i < n; i++) {
        if (s[i] == '\\')
            i++;
        else if (s[i] == '[' && (depth == 0 || (i + 1 < n && s[i + 1] == ':')))
            depth++;
        else if (s[i] == ']' && i > start + 1 && !(i == start + 2 && s[i - 1] == '^') && --depth == 0)
            return i + 1;
    }
    return n;
}

/* End of the atom at s[i] that is neither a group nor an operator. */
static size_t atom_end(const char *s, size_t n, size_t i)
{
    uint32_t c;
    if (s[i] == '[')
        return class_end(s, n, i);
    if (s[i] != '\\')
        return i + wc_utf8_decode(s + i, n - i, &c);
    i++;
    if (i < n && strchr("pPxo", s[i]) && i + 1 < n && s[i + 1] == '{') {
        const char *close = memchr(s + i, '}', n - i);
        return close ? (size_t)(close - s) + 1 : n;
    }
    return i < n ? i + wc_utf8_decode(s + i, n - i, &c) : n;
}

/* End of a quantifier {n}, {n,} or {n,m} at s[i]; i when there is none. */
static size_t braces_end(const char *s, size_t n, size_t i)
{
    size_t end = i + 1;
    if (s[i] != '{')
        return i;
    while (end < n && ((s[end] >= '0' && s[end] <= '9') || s[end] == ','))
        end++;
    return end > i + 1 && end < n && s[end] == '}' ? end + 1 : i;
}

/* Oniguruma's syntax to PCRE2's: {n,m}+ repeats the repetition, where PCRE2 takes it as possessive, and so becomes
 * (?:atom{n,m})+ ; \h, a hexadecimal digit there and white space here, is refused. */
static bool translate(const char *s, size_t n, const char *where, wc_buf *out, wc_error *err)
{
    size_t groups[MAX_GROUPS]; /* where the open groups begin, in out */
    size_t n_groups = 0, atom = 0;
    for (size_t i = 0; i < n;) {
        size_t end = braces_end(s, n, i);
        if (end > i && end < n && s[end] == '+' && atom < out->size) {
            wc_buf head = {0};
            wc_buf_init(&head, out->max);
            wc_buf_add(&head, wc_buf_str(out), atom);
            wc_buf_puts(&head, "(?:");
            wc_buf_add(&head, out->data + atom, out->size - atom);
            wc_buf_add(&head, s + i, end - i);
            wc_buf_puts(&head, ")+");
            wc_buf_release(out);
            *out = head;
            i = end + 1;
            continue;
        }
        if (end == i)
            end = atom_end(s, n, i);
        if (s[i] == '\\' && i + 1 < n && (s[i + 1] == 'h' || s[i + 1] == 'H'))
            return wc_fail(err, WC_UNSUPPORTED, "%s: regular expression: \\%c is not supported", where,
                           s[i + 1]);
        if (s[i] == '(') {
            if (n_groups == MAX_GROUPS)
                return wc_fail(err, WC_UNSUPPORTED, "%s: regular expression: more than %d nested groups",
                               where, MAX_GROUPS);
            groups[n_groups++] = out->size;
        } else if (s[i] == ')' && n_groups > 0) {
            atom = groups[--n_groups];
        } else if (!strchr("?*+{|^$", s[i])) {
            atom = out->size;
        }
        wc_buf_add(out, s + i, end - i);
        i = end;
    }
    return wc_buf_check(out, "a regular expression", err);
}

static pcre2_code *compile(const char *s, size_t n, const char *where, wc_error *err)
{
    int code;
    PCRE2_SIZE offset;
    char message[256];
    pcre2_compile_context *context = pcre2_compile_context_create(NULL);
    if (!context) {
        wc_fail_memory(err, sizeof(void *));
        return NULL;
    }
    pcre2_set_newline(context, PCRE2_NEWLINE_LF);
    pcre2_set_parens_nest_limit(context, MAX_GROUPS);
    pcre2_code *compiled = pcre2_compile((PCRE2_SPTR)s, n,
                                         PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C,
                                         &code, &offset, context);
    pcre2_compile_context_free(context);
    if (!compiled) {
        pcre2_get_error_message(code, (PCRE2_UCHAR *)message, sizeof message);
        wc_fail(err, WC_BAD_FILE, "%s: regular expression: %s, at byte %zu", where, message, (size_t)offset);
    }
    return compiled;
}

wc_pattern *wc_pattern_regex(const char *s, size_t n, const char *where, wc_error *err)
{
    wc_buf translated = {0};
    wc_pattern *p = wc_mem_zalloc(1, sizeof *p);
    bool ok = false;

    if (!p || !(p->where = wc_mem_strdup(where))) {
        wc_fail_memory(err, sizeof *p);
        goto done;
    }
    p->scanner = wc_scanner_find(s, n);
    if (p->scanner) {
        ok = true;
        goto done;
    }
    if (n > MAX_PATTERN) {
        wc_fail(err, WC_UNSUPPORTED, "%s: regular expression: expected at most %d bytes, found %zu", where,
                MAX_PATTERN, n);
        goto done;
    }
    wc_buf_init(&translated, 4 * MAX_PATTERN);
    if (!translate(s, n, where, &translated, err))
        goto done;
    p->code = compile(wc_buf_str(&translated), translated.size, where, err);
    ok = p->code != NULL;
done:
    wc_buf_release(&translated);
    if (!ok) {
        wc_pattern_free(p);
        p = NULL;
    }
    return p;
}

void wc_pattern_free(wc_pattern *p)
{
    if (!p)
        return;
    pcre2_code_free(p->code);
    wc_mem_free(p->literal);
    wc_mem_free(p->where);
    wc_mem_free(p);
}

void wc_matcher_init(wc_matcher *m, size_t text_bytes)
{
    size_t per_text;
    *m = (wc_matcher){.budget = BUDGET_STEPS};
    if (wc_mul_size(text_bytes, BUDGET_STEPS_PER_BYTE, &per_text))
        m->budget += per_text;
}

void wc_matcher_release(wc_matcher *m)
{
    pcre2_match_data_free(m->match_data);
    pcre2_match_context_free(m->context);
    *m = (wc_matcher){0};
}

static bool matcher_ready(wc_matcher *m, wc_error *err)
{
    if (!m->match_data)
        m->match_data = pcre2_match_data_create(1, NULL);
    if (!m->context && (m->context = pcre2_match_context_create(NULL)))
        pcre2_set_heap_limit(m->context, HEAP_KIB);
    return m->match_data && m->context ? true : wc_fail_memory(err, sizeof(void *));
}

/* pcre2_match within the budget: its result, or PCRE2_ERROR_MATCHLIMIT when that is used up. */
static int match_within_budget(const wc_pattern *p, wc_matcher *m, const char *s, size_t n, size_t pos)
{
    for (size_t steps = FREE_STEPS;; steps *= 16) {
        if (steps > FREE_STEPS) {
            if (m->budget == 0)
                return PCRE2_ERROR_MATCHLIMIT;
            steps = wc_min_size(steps, m->budget);
            m->budget -= steps;
        }
        pcre2_set_match_limit(m->context, (uint32_t)wc_min_size(steps, UINT32_MAX));
        int got = pcre2_match(p->code, (PCRE2_SPTR)s, n, pos, PCRE2_NO_UTF_CHECK, m->match_data, m->context);
        if (got != PCRE2_ERROR_MATCHLIMIT)
            return got;
    }
}

static bool next_regex(const wc_pattern *p, wc_matcher *m, const char *s, size_t n, size_t pos, size_t *start,
                       size_t *end, wc_error *err)
{
    *start = *end = n;
    if (!matcher_ready(m, err))
        return false;
    while (pos < n) {
        int got = match_within_budget(p, m, s, n, pos);
        if (got == PCRE2_ERROR_NOMATCH)
            return true;
        if (got < 0)
            return wc_fail(err, WC_REFUSED,
                           "%s: regular expression: takes too many steps on this text (error %d)", p->where,
                           got);
        const PCRE2_SIZE *range = pcre2_get_ovector_pointer(m->match_data);
        if (range[1] > range[0] && range[0] >= pos) {
            *start = range[0];
            *end = range[1];
            return true;
        }
        uint32_t c; /* an empty match (or one that \K or a look-behind put before pos): go on behind it */
        pos = wc_max_size(pos, range[0]);
        if (pos < n)
            pos += wc_utf8_decode(s + pos, n - pos, &c);
    }
    return true;
}

/* The first s [n] in text [n_text], or NULL.  Short strings are found by their first byte. */
static const char *find_literal(const char *text, size_t n_text, const char *s, size_t n)
{
    if (n == 0 || n > n_text)
        return NULL;
    if (n > SHORT_LITERAL)
        return memmem(text, n_text, s, n);
    const char *last = text + n_text - n;
    while (text <= last && (text = memchr(text, s[0], (size_t)(last - text) + 1))) {
        if (memcmp(text, s, n) == 0)
            return text;
        text++;
    }
    return NULL;
}

bool wc_pattern_next(const wc_pattern *p, wc_matcher *m, const char *s, size_t n, size_t pos, size_t *start,
                     size_t *end, wc_error *err)
{
    if (p->code)
        return next_regex(p, m, s, n, pos, start, end, err);
    *start = *end = n;
    if (p->literal) {
        const char *found = pos < n ? find_literal(s + pos, n - pos, p->literal, p->n) : NULL;
        if (found) {
            *start = (size_t)(found - s);
            *end = *start + p->n;
        }
        return true;
    }
    while (pos < n) {
        uint32_t c;
        size_t len = p->scanner->scan(s, n, pos, p->scanner->param);
        if (len) {
            *start = pos;
            *end = pos + len;
            return true;
        }
        pos += wc_utf8_decode(s + pos, n - pos, &c);
    }
    return true;
}
