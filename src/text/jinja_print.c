/* jinja_print.c - str(), repr(), JSON and HTML: values as text, as Python writes them. */
#include <math.h>
#include <string.h>

#include "base/utf8.h"
#include "text/jinja_ast.h"
#include "text/jinja_chars.h"
#include "text/jinja_value.h"

static bool steps_for(wc_jrun *r, const wc_buf *b, size_t n)
{
    if (!wc_buf_ok(b))
        return wc_jfail(r, WC_JINJA_LIMIT, "a text is too long: more than the limit of %d MiB",
                        WC_JINJA_OUTPUT >> 20);
    return wc_jsteps(r, n / 256 + 1);
}

void wc_jfloat_print(wc_buf *b, double x)
{
    if (isnan(x))
        wc_buf_puts(b, "nan");
    else if (isinf(x))
        wc_buf_puts(b, x < 0 ? "-inf" : "inf");
    else
        wc_buf_json_double(b, x);
}

/* ---- repr ---- */

static void repr_point(wc_buf *b, uint32_t c, char quote)
{
    static const char from[] = "\n\t\r\\", to[] = "ntr\\";
    const char *simple = c && c < 0x80 ? strchr(from, (char)c) : NULL;
    char utf8[4];
    if (simple)
        wc_buf_printf(b, "\\%c", to[simple - from]);
    else if (c == (uint32_t)quote)
        wc_buf_printf(b, "\\%c", quote);
    else if (wc_jchar_printable(c))
        wc_buf_add(b, utf8, wc_utf8_encode(c, utf8));
    else if (c < 0x100)
        wc_buf_printf(b, "\\x%02x", c);
    else if (c < 0x10000)
        wc_buf_printf(b, "\\u%04x", c);
    else
        wc_buf_printf(b, "\\U%08x", c);
}

static void repr_string(wc_buf *b, const wc_jstr *str)
{
    bool single = memchr(str->s, '\'', str->n), twice = memchr(str->s, '"', str->n);
    char quote = single && !twice ? '"' : '\'';
    size_t plain = 0; /* bytes from here to i stand for themselves */
    wc_buf_putc(b, quote);
    for (size_t i = 0; i < str->n;) {
        uint32_t c = (unsigned char)str->s[i];
        if (c < 0x7f && c >= 0x20 && c != '\\' && c != (uint32_t)quote) {
            i++;
            continue;
        }
        wc_buf_add(b, str->s + plain, i - plain);
        i += c < 0x80 ? 1 : wc_utf8_decode(str->s + i, str->n - i, &c);
        repr_point(b, c, quote);
        plain = i;
    }
    wc_buf_add(b, str->s + plain, str->n - plain);
    wc_buf_putc(b, quote);
}

static void repr_bytes(wc_buf *b, const wc_jstr *str)
{
    bool single = memchr(str->s, '\'', str->n), twice = memchr(str->s, '"', str->n);
    char quote = single && !twice ? '"' : '\'';
    wc_buf_printf(b, "b%c", quote);
    for (size_t i = 0; i < str->n; i++) {
        unsigned char c = (unsigned char)str->s[i];
        if (c < 0x80)
            repr_point(b, c, quote);
        else
            wc_buf_printf(b, "\\x%02x", c);
    }
    wc_buf_putc(b, quote);
}

static bool repr_items(wc_jrun *r, wc_buf *b, const wc_jlist *list, const char *open, const char *close)
{
    wc_buf_puts(b, open);
    for (size_t i = 0; i < list->n; i++) {
        if (i > 0)
            wc_buf_puts(b, ", ");
        if (!wc_jrepr(r, b, list->items[i]))
            return false;
    }
    wc_buf_puts(b, close);
    return true;
}

static bool repr_dict(wc_jrun *r, wc_buf *b, const wc_jdict *d)
{
    wc_buf_putc(b, '{');
    for (size_t i = 0; i < d->n; i++) {
        if (i > 0)
            wc_buf_puts(b, ", ");
        if (!wc_jrepr(r, b, d->entries[i].key))
            return false;
        wc_buf_puts(b, ": ");
        if (!wc_jrepr(r, b, d->entries[i].value))
            return false;
    }
    wc_buf_putc(b, '}');
    return true;
}

static bool repr_view(wc_jrun *r, wc_buf *b, wc_jv v)
{
    wc_jv list;
    wc_buf_printf(b, "%s(", wc_jtype_name(v));
    if (!wc_jto_list(r, v, WC_J_LIST, &list) || !wc_jrepr(r, b, list))
        return false;
    wc_buf_putc(b, ')');
    return true;
}

static void repr_range(wc_buf *b, const struct wc_jrange *range)
{
    wc_buf_printf(b, "range(%lld, %lld", (long long)range->start, (long long)range->stop);
    if (range->step != 1)
        wc_buf_printf(b, ", %lld", (long long)range->step);
    wc_buf_putc(b, ')');
}

static bool repr_loop(wc_jrun *r, wc_buf *b, wc_jv v)
{
    int64_t n;
    if (!wc_jlength(r, v, &n))
        return false;
    wc_buf_printf(b, "<LoopContext %lld/%lld>", (long long)v.u.loop->index0 + 1, (long long)n);
    return true;
}

static void repr_callable(wc_buf *b, wc_jv v)
{
    if (v.type == WC_J_MACRO) {
        wc_buf_puts(b, "<Macro ");
        if (v.u.macro->name)
            wc_buf_printf(b, "'%s'>", v.u.macro->name->s);
        else
            wc_buf_puts(b, "anonymous>");
    } else if (v.type == WC_J_METHOD) {
        wc_buf_printf(b, "<built-in method %s of %s object>", v.u.method->function->name,
                      wc_jtype_name(v.u.method->self));
    } else {
        wc_buf_printf(b, "<function %s>", v.u.function->name);
    }
}

bool wc_jrepr(wc_jrun *r, wc_buf *b, wc_jv v)
{
    if (!wc_jdeep(r) || !steps_for(r, b, v.type == WC_J_STR ? v.u.str->n : 1))
        return false;
    switch (v.type) {
    case WC_J_MISSING:
    case WC_J_UNDEFINED:
        wc_buf_puts(b, "Undefined");
        return true;
    case WC_J_NONE:
        wc_buf_puts(b, "None");
        return true;
    case WC_J_BOOL:
        wc_buf_puts(b, v.u.boolean ? "True" : "False");
        return true;
    case WC_J_INT:
        wc_buf_printf(b, "%lld", (long long)v.u.integer);
        return true;
    case WC_J_BIGINT:
        return wc_jint_print(r, b, v, 10);
    case WC_J_FLOAT:
        wc_jfloat_print(b, v.u.number);
        return true;
    case WC_J_STR:
        if (v.flags & WC_J_MARKUP)
            wc_buf_puts(b, "Markup(");
        repr_string(b, v.u.str);
        if (v.flags & WC_J_MARKUP)
            wc_buf_putc(b, ')');
        return true;
    case WC_J_BYTES:
        repr_bytes(b, v.u.str);
        return true;
    case WC_J_LIST:
        return repr_items(r, b, v.u.list, "[", "]");
    case WC_J_TUPLE:
        return repr_items(r, b, v.u.list, "(", v.u.list->n == 1 ? ",)" : ")");
    case WC_J_DICT:
        return repr_dict(r, b, v.u.dict);
    case WC_J_VIEW:
        return repr_view(r, b, v);
    case WC_J_RANGE:
        repr_range(b, v.u.range);
        return true;
    case WC_J_NAMESPACE:
        wc_buf_puts(b, "<Namespace ");
        if (!repr_dict(r, b, v.u.dict))
            return false;
        wc_buf_putc(b, '>');
        return true;
    case WC_J_MACRO:
    case WC_J_METHOD:
    case WC_J_FUNCTION:
        repr_callable(b, v);
        return true;
    case WC_J_LOOP:
        return repr_loop(r, b, v);
    case WC_J_SELF:
        wc_buf_puts(b, "<TemplateReference None>");
        return true;
    default:
        wc_buf_printf(b, "<%s object>", wc_jtype_name(v));
        return true;
    }
}

/* ---- str ---- */

bool wc_jprint(wc_jrun *r, wc_buf *b, wc_jv v)
{
    if (v.type == WC_J_STR) {
        wc_buf_add(b, v.u.str->s, v.u.str->n);
        return steps_for(r, b, v.u.str->n);
    }
    return v.type == WC_J_UNDEFINED || v.type == WC_J_MISSING || wc_jrepr(r, b, v);
}

bool wc_jto_str(wc_jrun *r, wc_jv v, wc_jv *out)
{
    wc_buf b;
    if (v.type == WC_J_STR) {
        *out = v;
        out->flags = 0;
        return true;
    }
    wc_jbuf(&b);
    wc_jprint(r, &b, v);
    return wc_jstring_take(r, &b, out);
}

bool wc_jsoft_str(wc_jrun *r, wc_jv v, wc_jv *out)
{
    if (v.type != WC_J_STR)
        return wc_jto_str(r, v, out);
    *out = v;
    return true;
}

/* ---- HTML ---- */

void wc_jescape_text(wc_buf *b, const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        switch (s[i]) {
        case '&':
            wc_buf_puts(b, "&amp;");
            break;
        case '<':
            wc_buf_puts(b, "&lt;");
            break;
        case '>':
            wc_buf_puts(b, "&gt;");
            break;
        case '"':
            wc_buf_puts(b, "&#34;");
            break;
        case '\'':
            wc_buf_puts(b, "&#39;");
            break;
        default:
            wc_buf_putc(b, s[i]);
        }
    }
}

bool wc_jescape(wc_jrun *r, wc_jv v, wc_jv *out)
{
    wc_buf b;
    if (v.type == WC_J_STR && (v.flags & WC_J_MARKUP)) {
        *out = v;
        return true;
    }
    if (!wc_jto_str(r, v, &v) || !wc_jsteps(r, v.u.str->n / 64))
        return false;
    wc_jbuf(&b);
    wc_jescape_text(&b, v.u.str->s, v.u.str->n);
    if (!wc_jstring_take(r, &b, out))
        return false;
    out->flags = WC_J_MARKUP;
    return true;
}

/* ---- JSON ---- */

static void json_string(wc_buf *b, const wc_jstr *str, bool ascii)
{
    static const char from[] = "\"\\\n\r\t\f\b", to[] = "\"\\nrtfb";
    wc_buf_putc(b, '"');
    for (size_t i = 0; i < str->n;) {
        uint32_t c = (unsigned char)str->s[i];
        size_t n = c < 0x80 ? 1 : wc_utf8_decode(str->s + i, str->n - i, &c);
        const char *simple = c && c < 0x80 ? strchr(from, (char)c) : NULL;
        if (simple)
            wc_buf_printf(b, "\\%c", to[simple - from]);
        else if (c < 0x20 || (ascii && c >= 0x80 && c < 0x10000))
            wc_buf_printf(b, "\\u%04x", c);
        else if (ascii && c >= 0x10000)
            wc_buf_printf(b, "\\u%04x\\u%04x", 0xd800 + ((c - 0x10000) >> 10),
                          0xdc00 + ((c - 0x10000) & 0x3ff));
        else
            wc_buf_add(b, str->s + i, n);
        i += n;
    }
    wc_buf_putc(b, '"');
}

static bool json_newline(wc_jrun *r, wc_buf *b, const struct wc_jjson_style *style, int level)
{
    if (!style->indent)
        return true;
    wc_buf_putc(b, '\n');
    for (int i = 0; i < level; i++)
        wc_buf_add(b, style->indent, style->n_indent);
    return steps_for(r, b, style->n_indent * (size_t)level);
}

static bool json_separator(wc_jrun *r, wc_buf *b, const struct wc_jjson_style *style, int level, bool first)
{
    if (!first)
        wc_buf_add(b, style->item_separator.u.str->s, style->item_separator.u.str->n);
    return json_newline(r, b, style, level);
}

static bool json_value(wc_jrun *r, wc_buf *b, wc_jv v, const struct wc_jjson_style *style, int level);

static bool json_list(wc_jrun *r, wc_buf *b, const wc_jlist *list, const struct wc_jjson_style *style,
                      int level)
{
    wc_buf_putc(b, '[');
    for (size_t i = 0; i < list->n; i++)
        if (!json_separator(r, b, style, level + 1, i == 0) ||
            !json_value(r, b, list->items[i], style, level + 1))
            return false;
    if (list->n > 0 && !json_newline(r, b, style, level))
        return false;
    wc_buf_putc(b, ']');
    return true;
}

static bool json_key(wc_jrun *r, wc_buf *b, wc_jv key, const struct wc_jjson_style *style)
{
    if (key.type == WC_J_STR)
        return json_value(r, b, key, style, 0);
    if (key.type != WC_J_NONE && !wc_jis_number(key))
        return wc_jfail_type(r, "keys must be str, int, float, bool or None, not %s", wc_jtype_name(key));
    wc_buf_putc(b, '"');
    bool ok = json_value(r, b, key, style, 0);
    wc_buf_putc(b, '"');
    return ok;
}

/* The entries in the order of their keys. */
static bool sorted_entries(wc_jrun *r, const wc_jdict *d, wc_jentry **out)
{
    wc_jentry *entries = wc_jalloc(r, d->n, sizeof *entries);
    wc_jv *keys = wc_jalloc(r, d->n, sizeof *keys);
    size_t *order = wc_jalloc(r, d->n, sizeof *order);
    if (!entries || !keys || !order)
        return false;
    for (size_t i = 0; i < d->n; i++)
        keys[i] = d->entries[i].key;
    if (!wc_jsort(r, keys, d->n, false, order))
        return false;
    for (size_t i = 0; i < d->n; i++)
        entries[i] = d->entries[order[i]];
    *out = entries;
    return true;
}

static bool json_dict(wc_jrun *r, wc_buf *b, const wc_jdict *d, const struct wc_jjson_style *style, int level)
{
    wc_jentry *entries = d->entries;
    if (style->sort_keys && !sorted_entries(r, d, &entries))
        return false;
    wc_buf_putc(b, '{');
    for (size_t i = 0; i < d->n; i++) {
        if (!json_separator(r, b, style, level + 1, i == 0) || !json_key(r, b, entries[i].key, style))
            return false;
        wc_buf_add(b, style->key_separator.u.str->s, style->key_separator.u.str->n);
        if (!json_value(r, b, entries[i].value, style, level + 1))
            return false;
    }
    if (d->n > 0 && !json_newline(r, b, style, level))
        return false;
    wc_buf_putc(b, '}');
    return true;
}

static bool json_value(wc_jrun *r, wc_buf *b, wc_jv v, const struct wc_jjson_style *style, int level)
{
    if (!wc_jdeep(r) || !steps_for(r, b, v.type == WC_J_STR ? v.u.str->n : 1))
        return false;
    switch (v.type) {
    case WC_J_NONE:
        wc_buf_puts(b, "null");
        return true;
    case WC_J_BOOL:
        wc_buf_puts(b, v.u.boolean ? "true" : "false");
        return true;
    case WC_J_INT:
    case WC_J_BIGINT:
        return wc_jint_print(r, b, v, 10);
    case WC_J_FLOAT:
        wc_buf_json_double(b, v.u.number);
        return true;
    case WC_J_STR:
        json_string(b, v.u.str, style->ascii);
        return true;
    case WC_J_LIST:
    case WC_J_TUPLE:
        return json_list(r, b, v.u.list, style, level);
    case WC_J_DICT:
        return json_dict(r, b, v.u.dict, style, level);
    default:
        return wc_jfail_type(r, "Object of type %s is not JSON serializable", wc_jtype_name(v));
    }
}

bool wc_jjson(wc_jrun *r, wc_buf *b, wc_jv v, const struct wc_jjson_style *style)
{
    return json_value(r, b, v, style, 0);
}
