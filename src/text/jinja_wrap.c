/* jinja_wrap.c - the filters that break lines: wordwrap, as Python's textwrap, and pprint, as Python's pprint. */
#include <string.h>

#include "base/utf8.h"
#include "text/jinja_ast.h"
#include "text/jinja_filters.h"

/* ---- wordwrap ---- */

/* A line as code points, and how it is to be cut. */
struct wrap {
    const char *s;
    const uint32_t *points; /* [n] */
    const size_t *offsets;  /* [n + 1] bytes */
    size_t n;
    int64_t width;
    bool break_words, break_hyphens;
    wc_jv wrapstring;
};

static bool is_blank(uint32_t c)
{
    return c == ' ' || (c >= 9 && c <= 13);
}

static bool is_letter(const struct wrap *w, size_t i)
{
    uint32_t c = i < w->n ? w->points[i] : ' ';
    return wc_jchar_word(c) && !wc_jchar_decimal(c);
}

/* A dash may be cut off behind such a character. */
static bool before_dash(const struct wrap *w, size_t i)
{
    uint32_t c = w->points[i];
    return wc_jchar_word(c) || (c < 0x80 && c && strchr("!\"'&.,?", (char)c));
}

/* Behind two dashes or more at i that a word follows; 0: there is no such dash. */
static size_t dash_end(const struct wrap *w, size_t i)
{
    size_t end = i;
    while (end < w->n && w->points[end] == '-')
        end++;
    return end >= i + 2 && end < w->n && wc_jchar_word(w->points[end]) ? end : 0;
}

/* Whether a word may be cut behind the hyphen at i: two letters stand on either side, or single ones with hyphens. */
static bool is_hyphen(const struct wrap *w, size_t i)
{
    if (w->points[i] != '-')
        return false;
    bool left = i >= 2 && is_letter(w, i - 1) && is_letter(w, i - 2);
    left |= i >= 3 && is_letter(w, i - 1) && w->points[i - 2] == '-' && is_letter(w, i - 3);
    size_t second = i + 2 < w->n && w->points[i + 2] == '-' ? i + 3 : i + 2;
    return left && is_letter(w, i + 1) && is_letter(w, second);
}

/* The end of the piece that begins at i: white space, a dash, or a word or part of one. */
static size_t piece_end(const struct wrap *w, size_t i)
{
    size_t end = i;
    while (end < w->n && is_blank(w->points[end]))
        end++;
    if (end > i)
        return end;
    if (w->break_hyphens && i > 0 && before_dash(w, i - 1) && dash_end(w, i))
        return dash_end(w, i);
    for (end = i + 1; end < w->n && !is_blank(w->points[end]); end++) {
        if (!w->break_hyphens)
            continue;
        if (is_hyphen(w, end))
            return end + 1;
        if (before_dash(w, end - 1) && dash_end(w, end))
            break;
    }
    return end;
}

static bool is_space(const struct wrap *w, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++)
        if (!wc_jchar_space(w->points[i]))
            return false;
    return true;
}

/* How much of a word longer than a line, from at to end, stays on a line with room left. */
static size_t long_word_end(const struct wrap *w, size_t at, size_t end, size_t room)
{
    size_t hyphen = 0;
    for (size_t i = at; w->break_hyphens && end - at > room && i < at + room; i++)
        if (w->points[i] == '-')
            hyphen = i;
    for (size_t i = at; i < hyphen; i++)
        if (w->points[i] != '-')
            return hyphen + 1;
    return at + room;
}

/* Adds the lines of w to b. */
static bool wrap_line(wc_jrun *r, wc_buf *b, const struct wrap *w)
{
    size_t at = 0, width = (size_t)w->width;
    bool some = false;
    while (at < w->n) {
        size_t end = piece_end(w, at), from, last;
        if (some && is_space(w, at, end)) {
            at = end;
            if (at == w->n)
                break;
        }
        from = last = at; /* the last piece of the line begins at last */
        while (at < w->n && (end = piece_end(w, at)) - from <= width) {
            last = at;
            at = end;
        }
        if (at < w->n && end - at > width) {
            if (w->break_words) {
                last = at;
                at = long_word_end(w, at, end, width - (at - from));
            } else if (at == from) {
                last = at;
                at = end;
            }
        }
        size_t stop = last < at && is_space(w, last, at) ? last : at;
        if (stop > from) {
            if (some)
                wc_buf_add(b, w->wrapstring.u.str->s, w->wrapstring.u.str->n);
            wc_buf_add(b, w->s + w->offsets[from], w->offsets[stop] - w->offsets[from]);
            some = true;
        }
        if (!wc_jsteps(r, 1 + (at - from) / 16) || !wc_buf_ok(b))
            return !r->failed;
    }
    return true;
}

static bool wrap_init(wc_jrun *r, struct wrap *w, wc_jv line)
{
    size_t n = wc_jpoints(line), k = 0;
    uint32_t *points = wc_jalloc(r, n + 1, sizeof *points);
    size_t *offsets = wc_jalloc(r, n + 1, sizeof *offsets);
    if (!points || !offsets || !wc_jsteps(r, n / 8))
        return false;
    for (size_t i = 0; i < line.u.str->n; k++) {
        offsets[k] = i;
        i += wc_utf8_decode(line.u.str->s + i, line.u.str->n - i, &points[k]);
    }
    offsets[k] = line.u.str->n;
    w->s = line.u.str->s;
    w->points = points;
    w->offsets = offsets;
    w->n = k;
    return true;
}

WC_JFILTER(wordwrap)
{
    struct wrap w = {.break_words = wc_jarg_bool(r, args[1], true),
                     .break_hyphens = wc_jarg_bool(r, args[3], true)};
    wc_jv lines;
    wc_buf b;
    (void)call;
    w.wrapstring = args[2];
    bool given = args[2].type != WC_J_MISSING && args[2].type != WC_J_NONE;
    if (self.type == WC_J_UNDEFINED)
        return wc_jfail_undefined(r, self);
    if (self.type != WC_J_STR)
        return wc_jfail_type(r, "'%s' object has no attribute 'splitlines'", wc_jtype_name(self));
    if (!wc_jarg_int(r, args[0], 79, &w.width) || (!given && !wc_jstring_literal(r, "\n", &w.wrapstring)) ||
        !wc_jarg_str(r, w.wrapstring, "join") || !wc_jstr_lines(r, self, false, &lines))
        return false;
    if (w.width <= 0)
        return wc_jfail(r, WC_JINJA_RUNTIME, "invalid width %lld (must be > 0)", (long long)w.width);
    wc_jbuf(&b);
    for (size_t i = 0; i < lines.u.list->n; i++) {
        if (i > 0)
            wc_buf_add(&b, w.wrapstring.u.str->s, w.wrapstring.u.str->n);
        if (!wrap_init(r, &w, lines.u.list->items[i]) || !wrap_line(r, &b, &w))
            break;
    }
    return wc_jstring_take(r, &b, out);
}

/* ---- pprint ---- */

enum { PRINT_WIDTH = 80 };

/* repr() with the keys of dicts in order. */
static bool sorted_repr(wc_jrun *r, wc_buf *b, wc_jv v);

/* The entries of a dict by their keys; keys that cannot be compared stay as they are. */
static bool sorted_keys(wc_jrun *r, const wc_jdict *d, size_t *order)
{
    wc_jv *keys = wc_jalloc(r, d->n, sizeof *keys);
    bool numbers = true, strings = true;
    for (size_t i = 0; keys && i < d->n; i++) {
        keys[i] = d->entries[i].key;
        numbers &= wc_jis_number(keys[i]);
        strings &= keys[i].type == WC_J_STR;
        order[i] = i;
    }
    return keys && (!(numbers || strings) || wc_jsort(r, keys, d->n, false, order));
}

static bool sorted_repr_dict(wc_jrun *r, wc_buf *b, const wc_jdict *d)
{
    size_t *order = wc_jalloc(r, d->n, sizeof *order);
    if (!order || !sorted_keys(r, d, order))
        return false;
    wc_buf_putc(b, '{');
    for (size_t i = 0; i < d->n; i++) {
        if (i > 0)
            wc_buf_puts(b, ", ");
        if (!sorted_repr(r, b, d->entries[order[i]].key))
            return false;
        wc_buf_puts(b, ": ");
        if (!sorted_repr(r, b, d->entries[order[i]].value))
            return false;
    }
    wc_buf_putc(b, '}');
    return true;
}

static bool sorted_repr(wc_jrun *r, wc_buf *b, wc_jv v)
{
    if (!wc_jdeep(r))
        return false;
    if (v.type == WC_J_DICT)
        return sorted_repr_dict(r, b, v.u.dict);
    if (v.type != WC_J_LIST && v.type != WC_J_TUPLE)
        return wc_jrepr(r, b, v);
    wc_buf_putc(b, v.type == WC_J_LIST ? '[' : '(');
    for (size_t i = 0; i < v.u.list->n; i++) {
        if (i > 0)
            wc_buf_puts(b, ", ");
        if (!sorted_repr(r, b, v.u.list->items[i]))
            return false;
    }
    wc_buf_puts(b, v.type == WC_J_LIST ? "]" : v.u.list->n == 1 ? ",)" : ")");
    return true;
}

static size_t points_of(const wc_buf *b)
{
    size_t points = 0;
    for (size_t i = 0; i < b->size; i++)
        points += ((unsigned char)b->data[i] & 0xc0) != 0x80;
    return points;
}

static bool repr_points(wc_jrun *r, wc_jv v, size_t *points)
{
    wc_buf b;
    wc_jbuf(&b);
    bool ok = wc_jrepr(r, &b, v);
    *points = points_of(&b);
    wc_buf_release(&b);
    return ok;
}

static void new_line(wc_buf *b, size_t indent)
{
    wc_buf_putc(b, '\n');
    for (size_t i = 0; i < indent; i++)
        wc_buf_putc(b, ' ');
}

/* The end of a word and the white space behind it. */
static size_t word_end(const wc_jstr *s, size_t at)
{
    size_t n = wc_jspace_front(s->s + at, s->n - at);
    bool space = n > 0;
    while (!space && at < s->n) {
        uint32_t c;
        size_t len = wc_utf8_decode(s->s + at, s->n - at, &c);
        space = wc_jchar_space(c);
        if (!space)
            at += len;
    }
    return at + wc_jspace_front(s->s + at, s->n - at);
}

/* Adds parts of a line that fit a width each; room is what the last may have. */
static bool cut_line(wc_jrun *r, wc_jv line, int64_t width, int64_t room, wc_jlist_builder *chunks)
{
    size_t from = 0, points;
    wc_jv part;
    for (size_t at = 0, end; at < line.u.str->n; at = end) {
        end = word_end(line.u.str, at);
        if (!wc_jstring_part(r, line, from, end - from, &part) || !repr_points(r, part, &points))
            return false;
        if ((int64_t)points > (end == line.u.str->n ? room : width) && at > from) {
            if (!wc_jstring_part(r, line, from, at - from, &part) || !wc_jlist_add(r, chunks, part))
                return false;
            from = at;
        }
    }
    return from == line.u.str->n ||
           (wc_jstring_part(r, line, from, line.u.str->n - from, &part) && wc_jlist_add(r, chunks, part));
}

/* A long string as several literals, in parentheses when it stands alone. */
static bool print_string(wc_jrun *r, wc_buf *b, wc_jv v, size_t indent, size_t allowance, int level)
{
    wc_jv lines;
    wc_jlist_builder chunks = {0};
    if (!wc_jstr_lines(r, v, true, &lines))
        return false;
    indent += level == 1;
    allowance += level == 1;
    int64_t width = PRINT_WIDTH - (int64_t)indent;
    for (size_t i = 0; i < lines.u.list->n; i++) {
        wc_jv line = lines.u.list->items[i];
        size_t points;
        int64_t room = i + 1 == lines.u.list->n ? width - (int64_t)allowance : width;
        if (!repr_points(r, line, &points))
            return false;
        if (!((int64_t)points <= room ? wc_jlist_add(r, &chunks, line)
                                      : cut_line(r, line, width, room, &chunks)))
            return false;
    }
    bool parentheses = level == 1 && chunks.n > 1;
    if (parentheses)
        wc_buf_putc(b, '(');
    for (size_t i = 0; i < chunks.n; i++) {
        if (i > 0)
            new_line(b, indent);
        if (!wc_jrepr(r, b, chunks.items[i]))
            return false;
    }
    if (parentheses)
        wc_buf_putc(b, ')');
    return true;
}

static bool print_value(wc_jrun *r, wc_buf *b, wc_jv v, size_t indent, size_t allowance, int level);

static bool print_dict(wc_jrun *r, wc_buf *b, const wc_jdict *d, size_t indent, size_t allowance, int level)
{
    size_t *order = wc_jalloc(r, d->n, sizeof *order);
    if (!order || !sorted_keys(r, d, order))
        return false;
    wc_buf_putc(b, '{');
    for (size_t i = 0; i < d->n; i++) {
        const wc_jentry *e = &d->entries[order[i]];
        size_t points;
        if (i > 0) {
            wc_buf_putc(b, ',');
            new_line(b, indent + 1);
        }
        if (!sorted_repr(r, b, e->key) || !repr_points(r, e->key, &points))
            return false;
        wc_buf_puts(b, ": ");
        if (!print_value(r, b, e->value, indent + 1 + points + 2, i + 1 == d->n ? allowance + 1 : 1, level))
            return false;
    }
    wc_buf_putc(b, '}');
    return true;
}

static bool print_list(wc_jrun *r, wc_buf *b, wc_jv v, size_t indent, size_t allowance, int level)
{
    const wc_jlist *list = v.u.list;
    const char *close = v.type == WC_J_LIST ? "]" : list->n == 1 ? ",)" : ")";
    wc_buf_putc(b, v.type == WC_J_LIST ? '[' : '(');
    for (size_t i = 0; i < list->n; i++) {
        if (i > 0) {
            wc_buf_putc(b, ',');
            new_line(b, indent + 1);
        }
        size_t rest = i + 1 == list->n ? allowance + strlen(close) : 1;
        if (!print_value(r, b, list->items[i], indent + 1, rest, level))
            return false;
    }
    wc_buf_puts(b, close);
    return true;
}

/* On one line when it fits behind indent and before allowance characters, else one item a line. */
static bool print_value(wc_jrun *r, wc_buf *b, wc_jv v, size_t indent, size_t allowance, int level)
{
    wc_buf flat;
    wc_jbuf(&flat);
    if (!wc_jdeep(r) || !sorted_repr(r, &flat, v)) {
        wc_buf_release(&flat);
        return false;
    }
    bool fits = points_of(&flat) + indent + allowance <= PRINT_WIDTH;
    bool breaks = v.type == WC_J_DICT || v.type == WC_J_LIST || v.type == WC_J_TUPLE ||
                  (v.type == WC_J_STR && !(v.flags & WC_J_MARKUP));
    if (fits || !breaks)
        wc_buf_add(b, wc_buf_str(&flat), flat.size);
    wc_buf_release(&flat);
    if (fits || !breaks)
        return true;
    if (v.type == WC_J_STR)
        return print_string(r, b, v, indent, allowance, level + 1);
    if (v.type == WC_J_DICT)
        return print_dict(r, b, v.u.dict, indent, allowance, level + 1);
    return print_list(r, b, v, indent, allowance, level + 1);
}

WC_JFILTER(pprint)
{
    wc_buf b;
    (void)args, (void)call;
    wc_jbuf(&b);
    print_value(r, &b, self, 0, 0, 0);
    return wc_jstring_take(r, &b, out);
}
