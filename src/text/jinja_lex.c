/* jinja_lex.c - cuts a template into tokens, white space control included.
 *
 * Outside of tags everything is data up to the next {{, {% or {#.  The rules for white space are Jinja2's lexer's with
 * trim_blocks and lstrip_blocks, and they work on the text of the template only, never on values:
 *   {%- {{- {#-   take away the white space before the tag, newlines too
 *   {% {#         take away the white space before the tag up to the start of the line, when nothing else stands there
 *   {%+ {#+       leave it alone
 *   -%} -}} -#}   take away the white space after the tag
 *   %} #}         take away one newline after the tag
 *   +%} +#} }}    leave it alone
 * Inside a tag a closing mark counts only when no bracket is open, so that {{ {'a': {}} }} works. */
#include <string.h>

#include "base/utf8.h"
#include "text/jinja_ast.h"
#include "text/jinja_chars.h"

static const struct {
    const char *text;
    enum wc_jtoken_type type;
} OPERATORS[] = {{"//", WC_JT_FLOORDIV}, {"**", WC_JT_POW},     {"==", WC_JT_EQ},    {"!=", WC_JT_NE},
                 {">=", WC_JT_GE},       {"<=", WC_JT_LE},      {"+", WC_JT_ADD},    {"-", WC_JT_SUB},
                 {"/", WC_JT_DIV},       {"*", WC_JT_MUL},      {"%", WC_JT_MOD},    {"~", WC_JT_TILDE},
                 {"[", WC_JT_LBRACKET},  {"]", WC_JT_RBRACKET}, {"(", WC_JT_LPAREN}, {")", WC_JT_RPAREN},
                 {"{", WC_JT_LBRACE},    {"}", WC_JT_RBRACE},   {">", WC_JT_GT},     {"<", WC_JT_LT},
                 {"=", WC_JT_ASSIGN},    {".", WC_JT_DOT},      {":", WC_JT_COLON},  {"|", WC_JT_PIPE},
                 {",", WC_JT_COMMA},     {";", WC_JT_SEMICOLON}};

const char *wc_jtoken_name(enum wc_jtoken_type type)
{
    for (size_t i = 0; i < sizeof OPERATORS / sizeof *OPERATORS; i++)
        if (OPERATORS[i].type == type)
            return OPERATORS[i].text;
    switch (type) {
    case WC_JT_EOF:
        return "end of template";
    case WC_JT_DATA:
        return "template data / text";
    case WC_JT_VARIABLE_BEGIN:
        return "begin of print statement";
    case WC_JT_VARIABLE_END:
        return "end of print statement";
    case WC_JT_BLOCK_BEGIN:
        return "begin of statement block";
    case WC_JT_BLOCK_END:
        return "end of statement block";
    case WC_JT_NAME:
        return "name";
    case WC_JT_STRING:
        return "string";
    case WC_JT_INTEGER:
        return "integer";
    default:
        return "float";
    }
}

bool wc_jlex_init(wc_jlex *lex, wc_arena *arena, const char *source, size_t n, wc_error *err)
{
    char *text = wc_arena_alloc(arena, n + 1);
    if (!text)
        return wc_fail_memory(err, n);
    size_t used = 0;
    for (size_t i = 0; i < n; i++) {
        if (source[i] == '\r' && i + 1 < n && source[i + 1] == '\n')
            continue;
        text[used++] = source[i] == '\r' ? '\n' : source[i];
    }
    if (used > 0 && text[used - 1] == '\n')
        used--;
    *lex = (wc_jlex){.arena = arena, .source = text, .n = used, .line = 1, .line_starting = true};
    return true;
}

static int count_newlines(const char *s, size_t n)
{
    int count = 0;
    for (size_t i = 0; i < n; i++)
        count += s[i] == '\n';
    return count;
}

static bool at(const wc_jlex *lex, size_t pos, const char *what)
{
    size_t n = strlen(what);
    return lex->n - pos >= n && memcmp(lex->source + pos, what, n) == 0;
}

static size_t skip_space(const wc_jlex *lex, size_t pos)
{
    return pos + wc_jspace_front(lex->source + pos, lex->n - pos);
}

/* Moves to pos; what was passed ends a match. */
static void advance(wc_jlex *lex, size_t pos)
{
    lex->line += count_newlines(lex->source + lex->pos, pos - lex->pos);
    lex->line_starting = pos > lex->pos && lex->source[pos - 1] == '\n';
    lex->pos = pos;
}

/* The place behind a closing mark ("%}", "#}") that begins at pos, with its sign and what it takes away; 0: none is
 * there. */
static size_t closing_end(const wc_jlex *lex, size_t pos, const char *mark)
{
    char sign = pos < lex->n ? lex->source[pos] : '\0';
    bool signed_mark = (sign == '-' || sign == '+') && at(lex, pos + 1, mark);
    if (!signed_mark && !at(lex, pos, mark))
        return 0;
    size_t end = pos + (signed_mark ? 3 : 2);
    if (signed_mark)
        return sign == '-' ? skip_space(lex, end) : end;
    return end < lex->n && lex->source[end] == '\n' ? end + 1 : end;
}

/* The place behind "{% raw %}" or "{% endraw %}" that begins at pos; 0: it is something else. */
static size_t raw_end(const wc_jlex *lex, size_t pos, const char *word)
{
    if (!at(lex, pos, "{%"))
        return 0;
    size_t p = pos + 2;
    if (p < lex->n && (lex->source[p] == '-' || lex->source[p] == '+'))
        p++;
    p = skip_space(lex, p);
    if (!at(lex, p, word))
        return 0;
    p = skip_space(lex, p + strlen(word));
    if (strcmp(word, "endraw") == 0)
        return closing_end(lex, p, "%}");
    if (at(lex, p, "-%}"))
        return skip_space(lex, p + 3);
    return at(lex, p, "%}") ? p + 2 : 0;
}

/* Data from lex->pos up to the tag at tag, whose sign stands behind its two characters, as the rules leave it. */
static size_t data_end(const wc_jlex *lex, size_t tag, bool variable)
{
    const char *text = lex->source + lex->pos;
    size_t n = tag - lex->pos;
    char sign = tag + 2 < lex->n ? lex->source[tag + 2] : '\0';
    if (sign == '-')
        return wc_jspace_back(text, n);
    if (sign == '+' || variable)
        return n;
    size_t line = n;
    while (line > 0 && text[line - 1] != '\n')
        line--;
    if ((line > 0 || lex->line_starting) && wc_jspace_front(text + line, n - line) == n - line)
        return line;
    return n;
}

static bool skip_comment(wc_jlex *lex, size_t begin, wc_error *err)
{
    advance(lex, begin);
    for (size_t p = begin; p < lex->n; p++) {
        size_t end = closing_end(lex, p, "#}");
        if (end) {
            advance(lex, end);
            return true;
        }
    }
    if (begin == lex->n)
        return true;
    return wc_fail(err, WC_BAD_FILE, "line %d: Missing end of comment tag", lex->line);
}

/* The body of a raw block, which begins at lex->pos; its token may be empty. */
static bool raw_body(wc_jlex *lex, wc_jtoken *token, wc_error *err)
{
    size_t begin = lex->pos;
    for (size_t p = begin; p < lex->n; p++) {
        size_t end = lex->source[p] == '{' ? raw_end(lex, p, "endraw") : 0;
        if (end) {
            *token = (wc_jtoken){WC_JT_DATA, lex->line, lex->source + begin, data_end(lex, p, false)};
            advance(lex, end);
            return true;
        }
    }
    *token = (wc_jtoken){WC_JT_DATA, lex->line, lex->source + begin, 0};
    if (begin == lex->n)
        return true;
    return wc_fail(err, WC_BAD_FILE, "line %d: Missing end of raw directive", lex->line);
}

/* The place of the next tag at or after pos; lex->n when there is none. */
static size_t find_tag(const wc_jlex *lex, size_t pos)
{
    while (pos + 1 < lex->n) {
        const char *p = memchr(lex->source + pos, '{', lex->n - 1 - pos);
        if (!p)
            break;
        pos = (size_t)(p - lex->source);
        if (p[1] == '{' || p[1] == '%' || p[1] == '#')
            return pos;
        pos++;
    }
    return lex->n;
}

/* Data, or the tag behind it when the data is empty; comments are passed over, raw blocks are data. */
static bool next_root(wc_jlex *lex, wc_jtoken *token, wc_error *err)
{
    if (lex->pos >= lex->n) {
        *token = (wc_jtoken){.type = WC_JT_EOF, .line = lex->line};
        return true;
    }
    size_t tag = find_tag(lex, lex->pos);
    if (tag == lex->n) {
        *token = (wc_jtoken){WC_JT_DATA, lex->line, lex->source + lex->pos, lex->n - lex->pos};
        advance(lex, lex->n);
        return true;
    }
    char kind = lex->source[tag + 1];
    *token = (wc_jtoken){WC_JT_DATA, lex->line, lex->source + lex->pos, data_end(lex, tag, kind == '{')};
    advance(lex, tag);
    size_t raw = kind == '%' ? raw_end(lex, tag, "raw") : 0;
    if (raw) {
        advance(lex, raw);
        lex->pending = true;
        return raw_body(lex, &lex->pending_token, err);
    }
    char sign = tag + 2 < lex->n ? lex->source[tag + 2] : '\0';
    size_t begin = tag + (sign == '-' || sign == '+' ? 3 : 2);
    if (kind == '#')
        return skip_comment(lex, begin, err);
    lex->pending = true;
    lex->pending_token = (wc_jtoken){kind == '{' ? WC_JT_VARIABLE_BEGIN : WC_JT_BLOCK_BEGIN, lex->line, "",
                                     0};
    lex->state = kind == '{' ? WC_JLEX_VARIABLE : WC_JLEX_BLOCK;
    lex->tag_line = lex->line;
    advance(lex, begin);
    return true;
}

static bool is_digit(char c, int base)
{
    if (base == 16)
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
    return c >= '0' && c < '0' + base;
}

/* Behind digits that may be joined by single underscores; begin when there are none. */
static size_t digits_end(const wc_jlex *lex, size_t begin, int base)
{
    size_t p = begin;
    while (p < lex->n) {
        if (is_digit(lex->source[p], base))
            p++;
        else if (p > begin && lex->source[p] == '_' && p + 1 < lex->n && is_digit(lex->source[p + 1], base))
            p += 2;
        else
            break;
    }
    return p;
}

/* (\d+_)*\d+ ((\.\d+)? e[+-]?\d+ | \.\d+); 0: no float is there. */
static size_t float_end(const wc_jlex *lex, size_t begin)
{
    if (begin > 0 && lex->source[begin - 1] == '.')
        return 0;
    size_t p = digits_end(lex, begin, 10);
    if (p == begin)
        return 0;
    size_t whole = p;
    if (p < lex->n && lex->source[p] == '.' && digits_end(lex, p + 1, 10) > p + 1)
        p = digits_end(lex, p + 1, 10);
    if (p < lex->n && (lex->source[p] == 'e' || lex->source[p] == 'E')) {
        size_t q = p + 1;
        if (q < lex->n && (lex->source[q] == '+' || lex->source[q] == '-'))
            q++;
        if (digits_end(lex, q, 10) > q)
            return digits_end(lex, q, 10);
    }
    return p > whole ? p : 0;
}

static size_t integer_end(const wc_jlex *lex, size_t begin)
{
    const char *s = lex->source;
    if (begin >= lex->n || !is_digit(s[begin], 10))
        return 0;
    if (s[begin] != '0')
        return digits_end(lex, begin, 10);
    if (begin + 1 < lex->n) {
        char mark = s[begin + 1] | 0x20;
        int base = mark == 'b' ? 2 : mark == 'o' ? 8 : mark == 'x' ? 16 : 0;
        size_t first = begin + 2 < lex->n && s[begin + 2] == '_' ? begin + 3 : begin + 2;
        if (base && digits_end(lex, first, base) > first)
            return digits_end(lex, first, base);
    }
    size_t p = begin + 1;
    while (p < lex->n && (s[p] == '0' || (s[p] == '_' && p + 1 < lex->n && s[p + 1] == '0')))
        p += s[p] == '_' ? 2 : 1;
    return p;
}

/* A word; *valid tells whether it is an identifier.  0: no word is there. */
static size_t name_end(const wc_jlex *lex, size_t begin, bool *valid)
{
    size_t p = begin;
    *valid = true;
    while (p < lex->n) {
        uint32_t c;
        size_t len = wc_utf8_decode(lex->source + p, lex->n - p, &c);
        if (!wc_jchar_word(c) && !wc_jchar_id_continue(c))
            break;
        if (p == begin ? !wc_jchar_id_start(c) : !wc_jchar_id_continue(c))
            *valid = false;
        p += len;
    }
    return p > begin ? p : 0;
}

/* Behind the string literal at begin; 0: it is not closed or none is there. */
static size_t string_end(const wc_jlex *lex, size_t begin)
{
    char quote = lex->source[begin];
    if (quote != '\'' && quote != '"')
        return 0;
    for (size_t p = begin + 1; p < lex->n; p++) {
        if (lex->source[p] == '\\')
            p++;
        else if (lex->source[p] == quote)
            return p + 1;
    }
    return 0;
}

static bool bad_escape(const wc_jlex *lex, const char *what, wc_error *err)
{
    return wc_fail(err, WC_BAD_FILE, "line %d: %s in a string", lex->line, what);
}

/* The value of up to most digits at s; *used of them. */
static uint32_t escape_number(const char *s, const char *end, int base, int most, int *used)
{
    uint32_t value = 0;
    *used = 0;
    while (s < end && *used < most && is_digit(*s, base)) {
        value = value * (uint32_t)base + (uint32_t)(*s <= '9' ? *s - '0' : (*s | 0x20) - 'a' + 10);
        s++;
        ++*used;
    }
    return value;
}

/* \N{NAME} at p, which points behind the N; the place behind it, or NULL. */
static const char *escape_name(const char *p, const char *end, uint32_t *c)
{
    char name[128];
    const char *close = p < end && *p == '{' ? memchr(p, '}', (size_t)(end - p)) : NULL;
    if (!close || (size_t)(close - p - 1) >= sizeof name)
        return NULL;
    memcpy(name, p + 1, (size_t)(close - p - 1));
    name[close - p - 1] = '\0';
    return wc_jchar_from_name(name, c) ? close + 1 : NULL;
}

/* One escape sequence, as Python's unicode-escape; *p points behind the backslash.  *n_out bytes are added at out,
 * where there is room for as many bytes as the sequence has, but at least 4. */
static bool unescape(const wc_jlex *lex, const char **p, const char *end, char *out, size_t *n_out,
                     wc_error *err)
{
    static const char from[] = "\\'\"abfnrtv", to[] = "\\'\"\a\b\f\n\r\t\v";
    char c = *(*p)++;
    const char *simple = c ? strchr(from, c) : NULL;
    uint32_t value = 0;
    int used = 1, wanted = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
    *n_out = 0;
    if (c == '\n')
        return true;
    if (simple) {
        out[(*n_out)++] = to[simple - from];
        return true;
    }
    if (wanted) {
        value = escape_number(*p, end, 16, wanted, &used);
        if (used < wanted)
            return bad_escape(lex, c == 'x' ? "truncated \\xXX escape" : "truncated \\uXXXX escape", err);
        *p += used;
    } else if (c >= '0' && c <= '7') {
        --*p;
        value = escape_number(*p, end, 8, 3, &used);
        *p += used;
    } else if (c == 'N') {
        *p = escape_name(*p, end, &value);
        if (!*p)
            return bad_escape(lex, "unknown Unicode character name", err);
    } else {
        out[(*n_out)++] = '\\';
        --*p; /* the character itself follows as it is */
        return true;
    }
    if (value > 0x10ffff)
        return bad_escape(lex, "illegal Unicode character", err);
    if (value >= 0xd800 && value <= 0xdfff)
        value = 0xfffd;
    *n_out = wc_utf8_encode(value, out);
    return true;
}

/* The text that the literal from begin to end, quotes included, stands for. */
static bool string_value(wc_jlex *lex, size_t begin, size_t end, wc_jtoken *token, wc_error *err)
{
    const char *p = lex->source + begin + 1, *stop = lex->source + end - 1;
    token->s = p;
    token->n = (size_t)(stop - p);
    if (!memchr(p, '\\', token->n))
        return true;
    char *text = wc_arena_alloc(lex->arena, token->n + 4);
    if (!text)
        return wc_fail_memory(err, token->n);
    size_t n = 0;
    while (p < stop) {
        size_t added = 1;
        if (*p != '\\') {
            text[n] = *p++;
        } else {
            p++;
            if (!unescape(lex, &p, stop, text + n, &added, err))
                return false;
        }
        n += added;
    }
    token->s = text;
    token->n = n;
    return true;
}

static bool unexpected_char(const wc_jlex *lex, wc_error *err)
{
    const size_t points = wc_utf8_count(lex->source, lex->pos);
    uint32_t c;
    size_t n = wc_utf8_decode(lex->source + lex->pos, lex->n - lex->pos, &c);
    const char *quote = c == '\'' ? "\"" : "'";
    return wc_fail(err, WC_BAD_FILE, "line %d: unexpected char %s%.*s%s at %zu", lex->line, quote, (int)n,
                   lex->source + lex->pos, quote, points);
}

static bool balance(wc_jlex *lex, char c, wc_error *err)
{
    char closes = c == '(' ? ')' : c == '[' ? ']' : c == '{' ? '}' : '\0';
    if (closes) {
        if (lex->n_brackets == WC_JINJA_MAX_BRACKETS)
            return wc_fail(err, WC_BAD_FILE, "line %d: brackets are nested too deeply (limit %d)", lex->line,
                           WC_JINJA_MAX_BRACKETS);
        lex->brackets[lex->n_brackets++] = closes;
    } else if (c == ')' || c == ']' || c == '}') {
        if (lex->n_brackets == 0)
            return wc_fail(err, WC_BAD_FILE, "line %d: unexpected '%c'", lex->line, c);
        char expected = lex->brackets[--lex->n_brackets];
        if (expected != c)
            return wc_fail(err, WC_BAD_FILE, "line %d: unexpected '%c', expected '%c'", lex->line, c,
                           expected);
    }
    return true;
}

static bool operator_token(wc_jlex *lex, wc_jtoken *token, wc_error *err)
{
    for (size_t i = 0; i < sizeof OPERATORS / sizeof *OPERATORS; i++)
        if (at(lex, lex->pos, OPERATORS[i].text)) {
            if (!balance(lex, lex->source[lex->pos], err))
                return false;
            token->type = OPERATORS[i].type;
            token->n = strlen(OPERATORS[i].text);
            advance(lex, lex->pos + token->n);
            return true;
        }
    return unexpected_char(lex, err);
}

/* A token inside a tag. */
static bool next_in_tag(wc_jlex *lex, wc_jtoken *token, wc_error *err)
{
    size_t begin = lex->pos, end = 0;
    bool block = lex->state == WC_JLEX_BLOCK, valid;
    if (lex->n_brackets == 0) {
        if (block)
            end = closing_end(lex, begin, "%}");
        else if (at(lex, begin, "-}}"))
            end = skip_space(lex, begin + 3);
        else if (at(lex, begin, "}}"))
            end = begin + 2;
    }
    *token = (wc_jtoken){.line = lex->line, .s = lex->source + begin};
    if (end) {
        token->type = block ? WC_JT_BLOCK_END : WC_JT_VARIABLE_END;
        lex->state = WC_JLEX_ROOT;
    } else if ((end = float_end(lex, begin))) {
        token->type = WC_JT_FLOAT;
    } else if ((end = integer_end(lex, begin))) {
        token->type = WC_JT_INTEGER;
    } else if ((end = name_end(lex, begin, &valid))) {
        token->type = WC_JT_NAME;
        if (!valid)
            return wc_fail(err, WC_BAD_FILE, "line %d: Invalid character in identifier", lex->line);
    } else if ((end = string_end(lex, begin))) {
        token->type = WC_JT_STRING;
        if (!string_value(lex, begin, end, token, err))
            return false;
        advance(lex, end);
        return true;
    } else {
        return operator_token(lex, token, err);
    }
    token->n = end - begin;
    advance(lex, end);
    return true;
}

bool wc_jlex_next(wc_jlex *lex, wc_jtoken *token, wc_error *err)
{
    for (;;) {
        if (lex->pending) {
            lex->pending = false;
            *token = lex->pending_token;
        } else if (lex->state == WC_JLEX_ROOT) {
            if (!next_root(lex, token, err))
                return false;
        } else {
            size_t begin = skip_space(lex, lex->pos);
            if (begin > lex->pos)
                advance(lex, begin);
            if (lex->pos >= lex->n) {
                *token = (wc_jtoken){.type = WC_JT_EOF, .line = lex->line};
                return true;
            }
            return next_in_tag(lex, token, err);
        }
        if (token->type != WC_JT_DATA || token->n > 0)
            return true;
    }
}
