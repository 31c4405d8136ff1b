/* jinja_filters_text.c - the filters of text. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "text/jinja_ast.h"
#include "text/jinja_filters.h"

/* ---- case, stripping, replacing ---- */

static bool to_case(wc_jrun *r, wc_jv self, enum wc_jcase how, wc_jv *out)
{
    return wc_jsoft_str(r, self, &self) && wc_jstr_case(r, self, how, out);
}

WC_JFILTER(upper)
{
    (void)args, (void)call;
    return to_case(r, self, WC_J_UPPER, out);
}

WC_JFILTER(lower)
{
    (void)args, (void)call;
    return to_case(r, self, WC_J_LOWER, out);
}

WC_JFILTER(capitalize)
{
    (void)args, (void)call;
    return to_case(r, self, WC_J_CAPITAL, out);
}

/* Words begin behind white space and - ( { [ <, and are capitalized each. */
WC_JFILTER(title)
{
    wc_buf b;
    (void)args, (void)call;
    if (!wc_jto_str(r, self, &self) || !wc_jsteps(r, self.u.str->n / 64))
        return false;
    const char *s = self.u.str->s;
    size_t n = self.u.str->n, word = 0;
    bool starts = true;
    wc_jbuf(&b);
    for (size_t i = 0; i <= n;) {
        uint32_t c = ' ';
        size_t len = i < n ? wc_utf8_decode(s + i, n - i, &c) : 1;
        bool splits = wc_jchar_space(c) || (c < 0x80 && c && strchr("-({[<", (char)c));
        if (!splits && starts)
            word = i;
        if (splits && !starts) {
            uint32_t first;
            size_t n_first = wc_utf8_decode(s + word, i - word, &first);
            wc_jcase_text(&b, s + word, n_first, WC_J_UPPER);
            wc_jcase_text(&b, s + word + n_first, i - word - n_first, WC_J_LOWER);
        }
        if (splits && i < n)
            wc_buf_add(&b, s + i, len);
        starts = splits;
        i += len;
    }
    return wc_jstring_take(r, &b, out);
}

WC_JFILTER(trim)
{
    (void)call;
    return wc_jsoft_str(r, self, &self) && wc_jstr_strip(r, self, args[0], 3, out);
}

WC_JFILTER(replace)
{
    wc_jv old, new_text, count = args[2].type == WC_J_NONE ? wc_jmissing() : args[2];
    int64_t n;
    (void)call;
    if (!wc_jarg_int(r, count, -1, &n))
        return false;
    if (!r->autoescape)
        return wc_jto_str(r, self, &self) && wc_jto_str(r, args[0], &old) &&
               wc_jto_str(r, args[1], &new_text) && wc_jstr_replace(r, self, old, new_text, n, out);
    bool markup = (args[0].flags | args[1].flags) & WC_J_MARKUP;
    if (!(markup ? wc_jescape(r, self, &self) : wc_jsoft_str(r, self, &self)) ||
        !wc_jsoft_str(r, args[0], &old) || !wc_jsoft_str(r, args[1], &new_text))
        return false;
    if ((self.flags & WC_J_MARKUP) && (!wc_jescape(r, old, &old) || !wc_jescape(r, new_text, &new_text)))
        return false;
    return wc_jstr_replace(r, self, old, new_text, n, out);
}

WC_JFILTER(center)
{
    (void)call;
    wc_jv width = args[0].type == WC_J_MISSING ? wc_jint(80) : args[0];
    return wc_jsoft_str(r, self, &self) && wc_jstr_pad(r, self, width, wc_jmissing(), '^', out);
}

WC_JFILTER(format)
{
    wc_jv arguments;
    (void)args;
    if (!wc_jsoft_str(r, self, &self))
        return false;
    if (call->n_positional > 0 && call->n_keywords > 0)
        return wc_jfail(r, WC_JINJA_RUNTIME,
                        "can't handle positional and keyword arguments at the same time");
    if (call->n_keywords > 0) {
        wc_jcall keywords = *call;
        return wc_jmake_dict(r, &keywords, &arguments) && wc_jformat_percent(r, self, arguments, out);
    }
    return wc_jlist_of(r, WC_J_TUPLE, call->positional, (size_t)call->n_positional, &arguments) &&
           wc_jformat_percent(r, self, arguments, out);
}

/* ---- lines ---- */

/* What a line is indented by: a text, or a number of spaces. */
static bool indention(wc_jrun *r, wc_jv width, wc_jv *out)
{
    wc_jv space;
    if (width.type == WC_J_STR) {
        *out = width;
        return true;
    }
    int64_t n;
    return wc_jarg_int(r, width, 4, &n) && wc_jstring_literal(r, " ", &space) &&
           wc_jbinary(r, WC_JT_MUL, space, wc_jint(n), out);
}

WC_JFILTER(indent)
{
    wc_jv by, newline, lines;
    wc_buf b;
    bool first = wc_jarg_bool(r, args[1], false), blank = wc_jarg_bool(r, args[2], false);
    (void)call;
    if (self.type == WC_J_UNDEFINED)
        return wc_jfail_undefined(r, self);
    if (self.type != WC_J_STR)
        return wc_jfail_type(r, "unsupported operand type(s) for +=: '%s' and 'str'", wc_jtype_name(self));
    if (!indention(r, args[0], &by) || !wc_jstring_literal(r, "\n", &newline) ||
        !wc_jconcat(r, self, newline, &newline) || !wc_jstr_lines(r, newline, false, &lines))
        return false;
    wc_jbuf(&b);
    for (size_t i = 0; i < lines.u.list->n && wc_buf_ok(&b); i++) {
        const wc_jstr *line = lines.u.list->items[i].u.str;
        if (i > 0)
            wc_buf_putc(&b, '\n');
        if (i == 0 ? first : blank || line->n > 0)
            wc_buf_add(&b, by.u.str->s, by.u.str->n);
        wc_buf_add(&b, line->s, line->n);
    }
    uint8_t flags = self.flags;
    if (!wc_jstring_take(r, &b, out))
        return false;
    out->flags = flags;
    return true;
}

WC_JFILTER(truncate)
{
    int64_t length, leeway, n;
    wc_jv end = args[2], cut, none = wc_jmissing(), parts, space;
    (void)call;
    if (!wc_jarg_int(r, args[0], 255, &length) ||
        !wc_jarg_int(r, args[3].type == WC_J_NONE ? none : args[3], 5, &leeway) || !wc_jlength(r, self, &n))
        return false;
    if (end.type == WC_J_MISSING && !wc_jstring_literal(r, "...", &end))
        return false;
    if (!wc_jarg_str(r, end, "truncate"))
        return false;
    int64_t n_end = (int64_t)wc_jpoints(end);
    if (length < n_end)
        return wc_jfail(r, WC_JINJA_RUNTIME, "expected length >= %lld, got %lld", (long long)n_end,
                        (long long)length);
    if (leeway < 0)
        return wc_jfail(r, WC_JINJA_RUNTIME, "expected leeway >= 0, got %lld", (long long)leeway);
    if (n - leeway <= length) {
        *out = self;
        return true;
    }
    if (!wc_jslice(r, self, none, wc_jint(length - n_end), none, &cut))
        return false;
    if (wc_jarg_bool(r, args[1], false))
        return wc_jbinary(r, WC_JT_ADD, cut, end, out);
    if (cut.type != WC_J_STR)
        return wc_jfail_type(r, "'%s' object has no attribute 'rsplit'", wc_jtype_name(cut));
    return wc_jstring_literal(r, " ", &space) && wc_jstr_split(r, cut, space, 1, true, &parts) &&
           wc_jbinary(r, WC_JT_ADD, parts.u.list->items[0], end, out);
}

WC_JFILTER(wordcount)
{
    int64_t words = 0;
    bool inside = false;
    (void)args, (void)call;
    if (!wc_jsoft_str(r, self, &self))
        return false;
    const wc_jstr *s = self.u.str;
    for (size_t i = 0; i < s->n;) {
        uint32_t c;
        i += wc_utf8_decode(s->s + i, s->n - i, &c);
        words += wc_jchar_word(c) && !inside;
        inside = wc_jchar_word(c);
    }
    *out = wc_jint(words);
    return wc_jsteps(r, s->n / 32);
}

WC_JFILTER(filesizeformat)
{
    static const char *const units[2][8] = {{"kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB"},
                                            {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB"}};
    bool binary = wc_jarg_bool(r, args[0], false), valid = true;
    double base = binary ? 1024 : 1000, bytes = 0, unit;
    wc_buf b;
    (void)call;
    if (self.type == WC_J_UNDEFINED)
        return wc_jfail_undefined(r, self);
    if (self.type == WC_J_STR)
        bytes = wc_jparse_float(self.u.str, &valid);
    else if (wc_jis_number(self))
        bytes = self.type == WC_J_FLOAT ? self.u.number : wc_jint_double(self);
    else
        valid = false;
    if (!valid)
        return wc_jfail(r, WC_JINJA_RUNTIME, "could not convert a value of type '%s' to float",
                        wc_jtype_name(self));
    wc_jbuf(&b);
    if (bytes == 1) {
        wc_buf_puts(&b, "1 Byte");
    } else if (bytes < base) {
        wc_buf_printf(&b, "%.0f Bytes", trunc(bytes) + 0.0);
    } else {
        int i = 0;
        for (unit = base * base; i < 7 && bytes >= unit; i++)
            unit *= base;
        wc_buf_printf(&b, "%.1f %s", base * bytes / unit, units[binary][i]);
    }
    return wc_jstring_take(r, &b, out);
}

/* ---- URLs and HTML ---- */

static void quote_url(wc_buf *b, const wc_jstr *s, bool query)
{
    for (size_t i = 0; i < s->n; i++) {
        unsigned char c = (unsigned char)s->s[i];
        bool safe = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                    (c && strchr("_.-~", c)) || (c == '/' && !query);
        if (safe)
            wc_buf_putc(b, (char)c);
        else if (c == ' ' && query)
            wc_buf_putc(b, '+');
        else
            wc_buf_printf(b, "%%%02X", c);
    }
}

static bool add_query(wc_jrun *r, wc_buf *b, wc_jv pair, bool first)
{
    wc_jv parts, text;
    if (!wc_jiterable(pair))
        return wc_jfail_type(r, "cannot unpack non-iterable %s object", wc_jtype_name(pair));
    if (!wc_jto_list(r, pair, WC_J_LIST, &parts))
        return false;
    if (parts.u.list->n != 2)
        return wc_jfail(r, WC_JINJA_RUNTIME, "%s values to unpack (expected 2, got %zu)",
                        parts.u.list->n < 2 ? "not enough" : "too many", parts.u.list->n);
    if (!first)
        wc_buf_putc(b, '&');
    for (int i = 0; i < 2; i++) {
        if (!wc_jto_str(r, parts.u.list->items[i], &text))
            return false;
        quote_url(b, text.u.str, true);
        if (i == 0)
            wc_buf_putc(b, '=');
    }
    return wc_jsteps(r, 4);
}

WC_JFILTER(urlencode)
{
    wc_buf b;
    wc_jv item, pairs = self;
    (void)args, (void)call;
    wc_jbuf(&b);
    if (self.type == WC_J_STR || !wc_jiterable(self)) {
        if (!wc_jto_str(r, self, &self))
            return false;
        quote_url(&b, self.u.str, false);
        return wc_jstring_take(r, &b, out);
    }
    if (self.type == WC_J_DICT)
        pairs = (wc_jv){.type = WC_J_VIEW, .sub = WC_J_ITEMS, .u.dict = self.u.dict};
    wc_jiter *it = wc_jiterate(r, pairs);
    for (bool first = true; it && wc_jnext(r, it, &item); first = false)
        if (!add_query(r, &b, item, first))
            break;
    return wc_jstring_take(r, &b, out);
}

WC_JFILTER(xmlattr)
{
    wc_buf b;
    (void)call;
    if (self.type == WC_J_UNDEFINED)
        return wc_jfail_undefined(r, self);
    if (self.type != WC_J_DICT)
        return wc_jfail_type(r, "'%s' object has no attribute 'items'", wc_jtype_name(self));
    wc_jbuf(&b);
    for (size_t i = 0; i < self.u.dict->n && !r->failed; i++) {
        wc_jv key = self.u.dict->entries[i].key, value = self.u.dict->entries[i].value;
        if (value.type == WC_J_NONE || value.type == WC_J_UNDEFINED)
            continue;
        if (key.type != WC_J_STR)
            wc_jfail_type(r, "expected string or bytes-like object, got '%s'", wc_jtype_name(key));
        else if (key.u.str->n > 0 && strcspn(key.u.str->s, " \t\n\r\f\v/>=") < key.u.str->n)
            wc_jfail(r, WC_JINJA_RUNTIME, "Invalid character in attribute name: '%.*s'", (int)key.u.str->n,
                     key.u.str->s);
        else if (wc_jescape(r, key, &key) && wc_jescape(r, value, &value)) {
            if (b.size > 0 || wc_jarg_bool(r, args[0], true))
                wc_buf_putc(&b, ' ');
            wc_buf_add(&b, key.u.str->s, key.u.str->n);
            wc_buf_puts(&b, "=\"");
            wc_buf_add(&b, value.u.str->s, value.u.str->n);
            wc_buf_putc(&b, '"');
        }
    }
    if (!wc_jstring_take(r, &b, out))
        return false;
    out->flags = r->autoescape ? WC_J_MARKUP : 0;
    return true;
}

/* The character that the entity at s [n] stands for, with the bytes it takes; 0: it is none. */
static size_t entity(const char *s, size_t n, uint32_t *c)
{
    static const struct {
        const char *name;
        uint32_t c;
    } names[] = {{"amp;", '&'},       {"lt;", '<'},       {"gt;", '>'},       {"quot;", '"'},
                 {"apos;", '\''},     {"nbsp;", 0xa0},    {"copy;", 0xa9},    {"reg;", 0xae},
                 {"hellip;", 0x2026}, {"mdash;", 0x2014}, {"ndash;", 0x2013}, {"lsquo;", 0x2018},
                 {"rsquo;", 0x2019},  {"ldquo;", 0x201c}, {"rdquo;", 0x201d}, {"euro;", 0x20ac},
                 {"trade;", 0x2122},  {"times;", 0xd7},   {"middot;", 0xb7},  {"laquo;", 0xab},
                 {"raquo;", 0xbb},    {"auml;", 0xe4},    {"ouml;", 0xf6},    {"uuml;", 0xfc},
                 {"Auml;", 0xc4},     {"Ouml;", 0xd6},    {"Uuml;", 0xdc},    {"szlig;", 0xdf},
                 {"eacute;", 0xe9},   {"egrave;", 0xe8},  {"agrave;", 0xe0},  {"ccedil;", 0xe7}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        size_t len = strlen(names[i].name);
        if (n > len && memcmp(s + 1, names[i].name, len) == 0) {
            *c = names[i].c;
            return len + 1;
        }
    }
    bool hex = n > 2 && (s[2] == 'x' || s[2] == 'X');
    size_t at = hex ? 3 : 2, first = at;
    uint32_t value = 0;
    if (n < 3 || s[1] != '#')
        return 0;
    for (; at < n; at++) {
        int digit = s[at] >= '0' && s[at] <= '9'                            ? s[at] - '0'
                    : hex && (s[at] | 0x20) >= 'a' && (s[at] | 0x20) <= 'f' ? (s[at] | 0x20) - 'a' + 10
                                                                            : -1;
        if (digit < 0)
            break;
        if (value <= 0x10ffff)
            value = value * (hex ? 16 : 10) + (uint32_t)digit;
    }
    if (at == first)
        return 0;
    *c = value == 0 || value > 0x10ffff || (value >= 0xd800 && value < 0xe000) ? 0xfffd : value;
    return at < n && s[at] == ';' ? at + 1 : at;
}

void wc_junescape_text(wc_buf *b, const char *s, size_t n)
{
    for (size_t i = 0; i < n;) {
        uint32_t c;
        char utf8[4];
        size_t len = s[i] == '&' ? entity(s + i, n - i, &c) : 0;
        if (len > 0)
            wc_buf_add(b, utf8, wc_utf8_encode(c, utf8));
        else
            wc_buf_putc(b, s[i]);
        i += len ? len : 1;
    }
}

/* Text without what stands between open and close, as often as that occurs. */
static void remove_between(wc_buf *b, const char *s, size_t n, const char *open, const char *close)
{
    const char *at = s, *end = s + n;
    size_t n_open = strlen(open), n_close = strlen(close);
    for (;;) {
        const char *from = memmem(at, (size_t)(end - at), open, n_open);
        const char *to = from ? memmem(from, (size_t)(end - from), close, n_close) : NULL;
        if (!to)
            break;
        wc_buf_add(b, at, (size_t)(from - at));
        at = to + n_close;
    }
    wc_buf_add(b, at, (size_t)(end - at));
}

bool wc_jstrip_tags(wc_jrun *r, wc_jv s, wc_jv *out)
{
    wc_buf plain, text;
    wc_jv words;
    wc_jbuf(&plain);
    wc_jbuf(&text);
    remove_between(&plain, s.u.str->s, s.u.str->n, "<!--", "-->");
    remove_between(&text, wc_buf_str(&plain), plain.size, "<", ">");
    wc_buf_release(&plain);
    if (!wc_jsteps(r, s.u.str->n / 16) || !wc_jstring_take(r, &text, &s) ||
        !wc_jstr_split_space(r, s, -1, &words)) {
        wc_buf_release(&text);
        return false;
    }
    wc_jbuf(&text);
    for (size_t i = 0; i < words.u.list->n; i++) {
        if (i > 0)
            wc_buf_putc(&text, ' ');
        wc_junescape_text(&text, words.u.list->items[i].u.str->s, words.u.list->items[i].u.str->n);
    }
    return wc_jstring_take(r, &text, out);
}

WC_JFILTER(striptags)
{
    (void)args, (void)call;
    return wc_jto_str(r, self, &self) && wc_jstrip_tags(r, self, out);
}
