/* jinja_methods_str.c - the methods of strings, as Python's str has them: places and widths count code points. */
#include <string.h>

#include "base/utf8.h"
#include "text/jinja_methods.h"

static const char *text_of(wc_jv v)
{
    return v.u.str->s;
}

static size_t size_of(wc_jv v)
{
    return v.u.str->n;
}

static bool argument_str(wc_jrun *r, wc_jv v, const char *what)
{
    return v.type == WC_J_STR || wc_jfail_type(r, "%s argument must be str, not %s", what, wc_jtype_name(v));
}

/* Bytes of b as a string with the flags of self. */
static bool take(wc_jrun *r, wc_buf *b, wc_jv self, wc_jv *out)
{
    if (!wc_jstring_take(r, b, out))
        return false;
    out->flags = self.flags;
    return true;
}

/* ---- case ---- */

bool wc_jstr_case(wc_jrun *r, wc_jv s, enum wc_jcase how, wc_jv *out)
{
    wc_buf b;
    if (!wc_jsteps(r, size_of(s) / 64))
        return false;
    wc_jbuf(&b);
    wc_jcase_text(&b, text_of(s), size_of(s), how);
    return take(r, &b, s, out);
}

static bool s_upper(wc_jrun *r, wc_jv self, const wc_jv *args, const wc_jcall *call, wc_jv *out)
{
    (void)args, (void)call;
    return wc_jstr_case(r, self, WC_J_UPPER, out);
}

static bool s_lower(wc_jrun *r, wc_jv self, const wc_jv *args, const wc_jcall *call, wc_jv *out)
{
    (void)args, (void)call;
    return wc_jstr_case(r, self, WC_J_LOWER, out);
}

static bool s_title(wc_jrun *r, wc_jv self, const wc_jv *args, const wc_jcall *call, wc_jv *out)
{
    (void)args, (void)call;
    return wc_jstr_case(r, self, WC_J_TITLE, out);
}

static bool s_capitalize(wc_jrun *r, wc_jv self, const wc_jv *args, const wc_jcall *call, wc_jv *out)
{
    (void)args, (void)call;
    return wc_jstr_case(r, self, WC_J_CAPITAL, out);
}

static bool s_swapcase(wc_jrun *r, wc_jv self, const wc_jv *args, const wc_jcall *call, wc_jv *out)
{
    (void)args, (void)call;
    return wc_jstr_case(r, self, WC_J_SWAP, out);
}

static bool s_casefold(wc_jrun *r, wc_jv self, const wc_jv *args, const wc_jcall *call, wc_jv *out)
{
    (void)args, (void)call;
    return wc_jstr_case(r, self, WC_J_FOLD, out);
}

/* ---- stripping ---- */

static bool holds_point(const wc_jstr *set, const char *c, size_t n)
{
    for (size_t i = 0; i + n <= set->n; i++)
        if (memcmp(set->s + i, c, n) == 0)
            return true;
    return false;
}

bool wc_jstr_strip(wc_jrun *r, wc_jv s, wc_jv chars, int where, wc_jv *out)
{
    const char *text = text_of(s);
    size_t begin = 0, end = size_of(s);
    if (chars.type == WC_J_MISSING || chars.type == WC_J_NONE) {
        if (where & 1)
            begin = wc_jspace_front(text, end);
        if (where & 2)
            end = begin + wc_jspace_back(text + begin, end - begin);
    } else if (chars.type != WC_J_STR) {
        return wc_jfail_type(r, "strip arg must be None or str");
    } else {
        uint32_t c;
        size_t n, start, work = 0;
        for (; (where & 1) && begin < end; begin += n, work += chars.u.str->n) {
            n = wc_utf8_decode(text + begin, end - begin, &c);
            if (!holds_point(chars.u.str, text + begin, n))
                break;
        }
        for (; (where & 2) && end > begin; end = start, work += chars.u.str->n) {
            wc_jchar_before(text, end, &start);
            if (!holds_point(chars.u.str, text + start, end - start))
                break;
        }
        if (!wc_jsteps(r, work / 16))
            return false;
    }
    return wc_jsteps(r, size_of(s) / 256) && wc_jstring_part(r, s, begin, end - begin, out);
}

static bool s_strip(wc_jrun *r, wc_jv self, const wc_jv *args, const wc_jcall *call, wc_jv *out)
{
    (void)call;
    return wc_jstr_strip(r, self, args[0], 3, out);
}

static bool s_lstrip(wc_jrun *r, wc_jv self, const wc_jv *args, const wc_jcall *call, wc_jv *out)
{
    (void)call;
    return wc_jstr_strip(r, self, args[0], 1, out);
}

static bool s_rstrip(wc_jrun *r, wc_jv self, const wc_jv *args, const wc_jcall *call, wc_jv *out)
{
    (void)call;
    return wc_jstr_strip(r, self, args[0], 2, out);
}

static bool s_removeprefix(wc_jrun *r, wc_jv self, const wc_jv *args, const wc_jcall *call, wc_jv *out)
{
    (void)call;
    if (!argument_str(r, args[0], "removeprefix()"))
        return false;
    size_t n = size_of(args[0]), all = size_of(self);
    bool has = n <= all && memcmp(text_of(self), text_of(args[0]), n) == 0;
    return wc_jstring_part(r, self, has ? n : 0, has ? all - n : all, out);
}

static bool s_removesuffix(wc_jrun *r, wc_jv self, const wc_jv *args, const wc_jcall *call, wc_jv *out)
{
    (void)call;
    if (!argument_str(r, args[0], "removesuffix()"))
        return false;
    size_t n = size_of(args[0]), all = size_of(self);
    bool has = n <= all && memcmp(text_of(self) + all - n, text_of(args[0]), n) == 0;
    return wc_jstring_part(r, self, 0, has ? all - n : all, out);
}

/* ---- splitting and joining ---- */

static bool add_part(wc_jrun *r, wc_jlist_builder *list, wc_jv s, size_t begin, size_t end)
{
    wc_jv part;
    return wc_jsteps(r, 1) && wc_jstring_part(r, s, begin, end - begin, &part) && wc_jlist_add(r, list, part);
}

static void reverse(wc_jlist_builder *list)
{
    for (size_t i = 0; i < list->n / 2; i++) {
        wc_jv v = list->items[i];
        list->items[i] = list->items[list->n - 1 - i];
        list->items[list->n - 1 - i] = v;
    }
}

bool wc_jstr_split_space(wc_jrun *r, wc_jv s, int64_t most, wc_jv *out)
{
    wc_jlist_builder list = {0};
    const char *text = text_of(s);
    size_t n = size_of(s), at = wc_jspace_front(text, n);
    while (at < n) {
        size_t end = at;
        uint32_t c = 0;
        if (most >= 0 && (int64_t)list.n >= most) {
            if (!add_part(r, &list, s, at, n))
                return false;
            break;
        }
        while (end < n) {
            size_t len = wc_utf8_decode(text + end, n - end, &c);
            if (wc_jchar_space(c))
                break;
            end += len;
        }
        if (!add_part(r, &list, s, at, end))
            return false;
        at = end + wc_jspace_front(text + end, n - end);
    }
    return wc_jsteps(r, n / 64) && wc_jlist_take(r, &list, WC_J_LIST, out);
}

static bool rsplit_space(wc_jrun *r, wc_jv s, int64_t most, wc_jv *out)
{
    wc_jlist_builder list = {0};
    const char *text = text_of(s);
    size_t end = wc_jspace_back(text, size_of(s));
    while (end > 0) {
        size_t begin = end, start;
        if (most >= 0 && (int64_t)list.n >= most) {
            if (!add_part(r, &list, s, 0, end))
                return false;
            break;
        }
        while (begin > 0 && !wc_jchar_space(wc_jchar_before(text, begin, &start)))
            begin = start;
        if (!add_part(r, &list, s, begin, end))
            return false;
        end = wc_jspace_back(text, begin);
    }
    reverse(&list);
    return wc_jsteps(r, size_of(s) / 64) && wc_jlist_take(r, &list, WC_J_LIST, out);
}

/* The last place of what in text [n]; NULL: nowhere, or out of steps. */
static const char *find_last(wc_jrun *r, const char *text, size_t n, const char *what, size_t m)
{
    if (!wc_jsteps(r, (n / 256 + 1) * (m / 64 + 1)))
        return NULL;
    for (size_t i = n >= m ? n - m + 1 : 0; i-- > 0;)
        if (memcmp(text + i, what, m) == 0)
            return text + i;
    return NULL;
}

static const char *find_first(const char *text, size_t n, const char *what, size_t m)
{
    return m == 0 ? text : memmem(text, n, what, m);
}

bool wc_jstr_split(wc_jrun *r, wc_jv s, wc_jv separator, int64_t most, bool backwards, wc_jv *out)
{
    wc_jlist_builder list = {0};
    const char *text = text_of(s), *what = text_of(separator), *found;
    size_t begin = 0, end = size_of(s), m = size_of(separator);
    if (m == 0)
        return wc_jfail(r, WC_JINJA_RUNTIME, "empty separator");
    if (!wc_jsteps(r, end / 64))
        return false;
    while (most < 0 || (int64_t)list.n < most) {
        found = backwards ? find_last(r, text, end, what, m) : find_first(text + begin, end - begin, what, m);
        if (!found)
            break;
        size_t at = (size_t)(found - text);
        if (!(backwards ? add_part(r, &list, s, at + m, end) : add_part(r, &list, s, begin, at)))
            return false;
        if (backwards)
            end = at;
        else
            begin = at + m;
    }
    if (!add_part(r, &list, s, begin, end))
        return false;
    if (backwards)
        reverse(&list);
    return wc_jlist_take(r, &list, WC_J_LIST, out);
}

static bool split(wc_jrun *r, wc_jv self, const wc_jv *args, bool backwards, wc_jv *out)
{
    int64_t most;
    if (!wc_jarg_int(r, args[1], -1, &most))
        return false;
    if (args[0].type == WC_J_MISSING || args[0].type == WC_J_NONE)
        return backwards ? rsplit_space(r, self, most, out) : wc_jstr_split_space(r, self, most, out);
    if (args[0].type != WC_J_STR)
        return wc_jfail_type(r, "must be str or None, not %s", wc_jtype_name(args[0]));
    return wc_jstr_split(r, self, args[0], most, backwards, out);
}

static bool s_split(wc_jrun *r, wc_jv self, const wc_jv *args, const wc_jcall *call, wc_jv *out)
{
    (void)call;
    return split(r, self, args, false, out);
}

static bool s_rsplit(wc_jrun *r, wc_jv self, const wc_jv *args, const wc_jcall *call, wc_jv *out)
{
    (void)call;
    return split(r, self, args, true, out);
}

bool wc_jstr_lines(wc_jrun *r, wc_jv s, bool keep_ends, wc_jv *out)
{
    wc_jlist_builder list = {0};
    const char *text = text_of(s);
    size_t n = size_of(s), begin = 0, at = 0;
    while (at < n) {
        uint32_t c;
        size_t len = wc_utf8_decode(text + at, n - at, &c);
        if (!wc_jchar_line_end(c)) {
            at += len;
            continue;
        }
        size_t end = at;
        at += len;
        if (c == '\r' && at < n && text[at] == '\n')
            at++;
        if (!add_part(r, &list, s, begin, keep_ends ? at : end))
            return false;
        begin = at;
    }
    if (begin < n && !add_part(r, &list, s, begin, n))
        return false;
    return wc_jsteps(r, n / 64) && wc_jlist_take(r, &list, WC_J_LIST, out);
}

static bool s_splitlines(wc_jrun *r, wc_jv self, const wc_jv *args, const wc_jcall *call, wc_jv *out)
{
    (void)call;
    return wc_jstr_lines(r, self, wc_jarg_bool(r, args[0], false), out);
}

static bool partition(wc_jrun *r, wc_jv self, wc_jv separator, bool backwards, wc_jv *out)
{
    wc_jlist_builder parts = {0};
    if (!argument_str(r, separator, "partition()"))
        return false;
    const char *text = text_of(self);
    size_t n = size_of(self), m = size_of(separator);
    if (m == 0)
        return wc_jfail(r, WC_JINJA_RUNTIME, "empty separator");
    const char *found = backwards ? find_last(r, text, n, text_of(separator), m)
                                  : find_first(text, n, text_of(separator), m);
    size_t at = found ? (size_t)(found - text) : backwards ? 0 : n;
    size_t behind = found ? at + m : at;
    return wc_jsteps(r, n / 64) && add_part(r, &parts, self, 0, at) &&
           add_part(r, &parts, self, at, behind) && add_part(r, &parts, self, behind, n) &&
           wc_jlist_take(r, &parts, WC_J_TUPLE, out);
}

static bool s_partition(wc_jrun *r, wc_jv self, const wc_jv *args, const wc_jcall *call, wc_jv *out)
{
    (void)call;
    return partition(r, self, args[0], false, out);
}

static bool s_rpartition(wc_jrun *r, wc_jv self, const wc_jv *args, const wc_jcall *call, wc_jv *out)
{
    (void)call;
    return partition(r, self, args[0], true, out);
}

static bool s_join(wc_jrun *r, wc_jv self, const wc_jv *args, const wc_jcall *call, wc_jv *out)
{
    wc_buf b;
    wc_jv item;
    (void)call;
    if (!wc_jiterable(args[0]))
        return wc_jfail_type(r, "can only join an iterable");
    wc_jiter *it = wc_jiterate(r, args[0]);
    wc_jbuf(&b);
    for (int64_t i = 0; it && wc_jnext(r, it, &item); i++) {
        if (item.type != WC_J_STR) {
            wc_jfail_type(r, "sequence item %lld: expected str instance, %s found", (long long)i,
                          wc_jtype_name(item));
            break;
        }
        if ((self.flags & WC_J_MARKUP) && !wc_jescape(r, item, &item))
            break;
        if (i > 0)
            wc_buf_add(&b, text_of(self), size_of(self));
        wc_buf_add(&b, text_of(item), size_of(item));
        if (!wc_buf_ok(&b))
            break;
    }
    return take(r, &b, self, out);
}

/* ---- searching ---- */

struct span {
    size_t begin, end; /* bytes */
    bool valid;        /* begin is not past the end */
};

/* The part of a string that start and stop, code points, leave. */
static bool make_span(wc_jrun *r, wc_jv s, wc_jv start, wc_jv stop, struct span *span)
{
    int64_t n = (int64_t)wc_jpoints(s), from = 0, to = n;
    if ((start.type != WC_J_NONE && !wc_jarg_int(r, start, 0, &from)) ||
        (stop.type != WC_J_NONE && !wc_jarg_int(r, stop, n, &to)))
        return false;
    from = from < -n ? 0 : from < 0 ? from + n : from;
    to = to < -n ? 0 : to < 0 ? to + n : to > n ? n : to;
    span->valid = from <= to;
    span->begin = wc_jpoint_offset(r, s, (size_t)from);
    span->end = wc_jpoint_offset(r, s, (size_t)to);
    return !r->failed;
}

/* The code point where args[0] is found; -1: nowhere. */
static bool find(wc_jrun *r, wc_jv self, const wc_jv *args, bool backwards, int64_t *at)
{
    struct span span;
    *at = -1;
    if (args[0].type != WC_J_STR)
        return wc_jfail_type(r, "must be str, not %s", wc_jtype_name(args[0]));
    if (!make_span(r, self, args[1], args[2], &span))
        return false;
    if (!span.valid)
        return true;
    const char *text = text_of(self) + span.begin;
    size_t n = span.end - span.begin, m = size_of(args[0]);
    const char *found = backwards ? find_last(r, text, n, text_of(args[0]), m)
                                  : find_first(text, n, text_of(args[0]), m);
    if (found) {
        *at = (int64_t)wc_utf8_count(text_of(self), (size_t)(found - text_of(self)));
    }
    return wc_jsteps(r, size_of(self) / 64);
}

static bool s_find(wc_jrun *r, wc_jv self, const wc_jv *args, const wc_jcall *call, wc_jv *out)
{
    int64_t at;
    (void)call;
    bool ok = find(r, self, args, false, &at);
    *out = wc_jint(at);
    return ok;
}

static bool s_rfind(wc_jrun *r, wc_jv self, const wc_jv *args, const wc_jcall *call, wc_jv *out)
{
    int64_t at;
    (void)call;
    bool ok = find(r, self, args, true, &at);
    *out = wc_jint(at);
    return ok;
}

static bool s_index(wc_jrun *r, wc_jv self, const wc_jv *args, const wc_jcall *call, wc_jv *out)
{
    return s_find(r, self, args, call, out) &&
           (out->u.integer >= 0 || wc_jfail(r, WC_JINJA_RUNTIME, "substring not found"));
}

static bool s_rindex(wc_jrun *r, wc_jv self, const wc_jv *args, const wc_jcall *call, wc_jv *out)
{
    return s_rfind(r, self, args, call, out) &&
           (out->u.integer >= 0 || wc_jfail(r, WC_JINJA_RUNTIME, "substring not found"));
}

static bool s_count(wc_jrun *r, wc_jv self, const wc_jv *args, const wc_jcall *call, wc_jv *out)
{
    struct span span;
    int64_t n = 0;
    (void)call;
    if (args[0].type != WC_J_STR)
        return wc_jfail_type(r, "must be str, not %s", wc_jtype_name(args[0]));
    if (!make_span(r, self, args[1], args[2], &span))
        return false;
    const char *at = text_of(self) + span.begin, *end = text_of(self) + span.end;
    size_t m = size_of(args[0]);
    if (span.valid && m == 0)
        n = 1 + (int64_t)wc_utf8_count(at, (size_t)(end - at));
    while (span.valid && m > 0 && (at = memmem(at, (size_t)(end - at), text_of(args[0]), m))) {
        n++;
        at += m;
    }
    *out = wc_jint(n);
    return wc_jsteps(r, size_of(self) / 64);
}

/* startswith and endswith: a string, or a tuple of them. */
static bool has_affix(wc_jrun *r, wc_jv self, const wc_jv *args, bool at_end, wc_jv *out)
{
    const char *name = at_end ? "endswith" : "startswith";
    const wc_jv *items = args[0].type == WC_J_TUPLE ? args[0].u.list->items : &args[0];
    size_t n = args[0].type == WC_J_TUPLE ? args[0].u.list->n : 1;
    struct span span;
    bool found = false;
    if (args[0].type != WC_J_STR && args[0].type != WC_J_TUPLE)
        return wc_jfail_type(r, "%s first arg must be str or a tuple of str, not %s", name,
                             wc_jtype_name(args[0]));
    if (!make_span(r, self, args[1], args[2], &span))
        return false;
    for (size_t i = 0; i < n && !found; i++) {
        if (items[i].type != WC_J_STR)
            return wc_jfail_type(r, "tuple for %s must only contain str, not %s", name,
                                 wc_jtype_name(items[i]));
        size_t m = size_of(items[i]), room = span.end - span.begin;
        if (span.valid && m <= room)
            found = memcmp(text_of(self) + (at_end ? span.end - m : span.begin), text_of(items[i]), m) == 0;
    }
    *out = wc_jbool(found);
    return wc_jsteps(r, n / 4);
}

static bool s_startswith(wc_jrun *r, wc_jv self, const wc_jv *args, const wc_jcall *call, wc_jv *out)
{
    (void)call;
    return has_affix(r, self, args, false, out);
}

static bool s_endswith(wc_jrun *r, wc_jv self, const wc_jv *args, const wc_jcall *call, wc_jv *out)
{
    (void)call;
    return has_affix(r, self, args, true, out);
}

/* ---- replacing ---- */

/* Before each code point, and at the end. */
static void replace_nothing(wc_buf *b, wc_jv s, wc_jv new_text, int64_t count)
{
    const char *text = text_of(s);
    size_t n = size_of(s);
    for (size_t i = 0; i <= n && wc_buf_ok(b); i++) {
        bool start = i == n || ((unsigned char)text[i] & 0xc0) != 0x80;
        if (start && count != 0) {
            wc_buf_add(b, text_of(new_text), size_of(new_text));
            count--;
        }
        if (i < n)
            wc_buf_putc(b, text[i]);
    }
}

bool wc_jstr_replace(wc_jrun *r, wc_jv s, wc_jv old, wc_jv new_text, int64_t count, wc_jv *out)
{
    const char *at = text_of(s), *end = at + size_of(s), *found;
    size_t m = size_of(old);
    wc_buf b;
    if (!wc_jsteps(r, size_of(s) / 64))
        return false;
    if (m > 0 && !memmem(at, size_of(s), text_of(old), m)) {
        *out = s;
        return true;
    }
    wc_jbuf(&b);
    if (m == 0)
        replace_nothing(&b, s, new_text, count);
    while (m > 0 && count != 0 && (found = memmem(at, (size_t)(end - at), text_of(old), m))) {
        wc_buf_add(&b, at, (size_t)(found - at));
        wc_buf_add(&b, text_of(new_text), size_of(new_text));
        at = found + m;
        count--;
        if (!wc_jsteps(r, 1) || !wc_buf_ok(&b))
            break;
    }
    if (m > 0)
        wc_buf_add(&b, at, (size_t)(end - at));
    return take(r, &b, s, out);
}

static bool s_replace(wc_jrun *r, wc_jv self, const wc_jv *args, const wc_jcall *call, wc_jv *out)
{
    int64_t count;
    wc_jv old = args[0], new_text = args[1];
    (void)call;
    for (int i = 0; i < 2; i++)
        if (args[i].type != WC_J_STR)
            return wc_jfail_type(r, "replace() argument %d must be str, not %s", i + 1,
                                 wc_jtype_name(args[i]));
    if ((self.flags & WC_J_MARKUP) && (!wc_jescape(r, old, &old) || !wc_jescape(r, new_text, &new_text)))
        return false;
    return wc_jarg_int(r, args[2], -1, &count) && wc_jstr_replace(r, self, old, new_text, count, out);
}

static bool s_expandtabs(wc_jrun *r, wc_jv self, const wc_jv *args, const wc_jcall *call, wc_jv *out)
{
    int64_t size, column = 0;
    wc_buf b;
    (void)call;
    if (!wc_jarg_int(r, args[0], 8, &size))
        return false;
    if (size > 1 << 20)
        return wc_jfail(r, WC_JINJA_LIMIT, "a tab size is too large: more than the limit of %d", 1 << 20);
    wc_jbuf(&b);
    for (size_t i = 0; i < size_of(self) && wc_buf_ok(&b); i++) {
        char c = text_of(self)[i];
        if (c == '\t') {
            for (int64_t k = size > 0 ? size - column % size : 0; k > 0; k--, column++)
                wc_buf_putc(&b, ' ');
            continue;
        }
        wc_buf_putc(&b, c);
        column = c == '\n' || c == '\r' ? 0 : column + (((unsigned char)c & 0xc0) != 0x80);
    }
    return wc_jsteps(r, b.size / 64) ? take(r, &b, self, out) : (wc_buf_release(&b), false);
}

/* What a table of translate() has for a code point: text added to b. */
static bool translate_point(wc_jrun *r, wc_buf *b, const wc_jdict *table, const char *text, size_t n)
{
    uint32_t c;
    const wc_jv *value;
    char utf8[4];
    wc_utf8_decode(text, n, &c);
    if (!wc_jdict_find(r, table, wc_jint(c), &value))
        return false;
    if (!value)
        wc_buf_add(b, text, n);
    else if (value->type == WC_J_STR)
        wc_buf_add(b, text_of(*value), size_of(*value));
    else if (value->type == WC_J_INT && value->u.integer >= 0 && value->u.integer <= 0x10ffff)
        wc_buf_add(b, utf8, wc_utf8_encode((uint32_t)value->u.integer, utf8));
    else if (value->type != WC_J_NONE)
        return wc_jfail_type(r, "character mapping must return integer, None or str");
    return wc_jsteps(r, 1);
}

static bool s_translate(wc_jrun *r, wc_jv self, const wc_jv *args, const wc_jcall *call, wc_jv *out)
{
    wc_buf b;
    uint32_t c;
    (void)call;
    if (args[0].type != WC_J_DICT)
        return wc_jfail_type(r, "'%s' object is not subscriptable", wc_jtype_name(args[0]));
    wc_jbuf(&b);
    for (size_t i = 0; i < size_of(self) && wc_buf_ok(&b);) {
        size_t n = wc_utf8_decode(text_of(self) + i, size_of(self) - i, &c);
        if (!translate_point(r, &b, args[0].u.dict, text_of(self) + i, n)) {
            wc_buf_release(&b);
            return false;
        }
        i += n;
    }
    return take(r, &b, self, out);
}

/* ---- padding ---- */

bool wc_jstr_pad(wc_jrun *r, wc_jv s, wc_jv width, wc_jv fill, char align, wc_jv *out)
{
    enum { MAX_WIDTH = 10 << 20 };
    int64_t n = (int64_t)wc_jpoints(s), wide, before;
    wc_buf b;
    if (!wc_jarg_int(r, width, 0, &wide))
        return false;
    if (fill.type != WC_J_MISSING && (fill.type != WC_J_STR || wc_jpoints(fill) != 1))
        return wc_jfail_type(r, "The fill character must be exactly one character long");
    if (wide > MAX_WIDTH)
        return wc_jfail(r, WC_JINJA_LIMIT, "a width is too large: more than the limit of %d", MAX_WIDTH);
    int64_t missing = wide > n ? wide - n : 0;
    if (missing == 0) {
        *out = s;
        return true;
    }
    before = align == '<' ? 0 : align == '>' ? missing : missing / 2 + (missing & wide & 1);
    const char *with = fill.type == WC_J_STR ? text_of(fill) : " ";
    size_t n_with = fill.type == WC_J_STR ? size_of(fill) : 1;
    wc_jbuf(&b);
    for (int64_t i = 0; i < before; i++)
        wc_buf_add(&b, with, n_with);
    wc_buf_add(&b, text_of(s), size_of(s));
    for (int64_t i = before; i < missing; i++)
        wc_buf_add(&b, with, n_with);
    return take(r, &b, s, out);
}

static bool s_center(wc_jrun *r, wc_jv self, const wc_jv *args, const wc_jcall *call, wc_jv *out)
{
    (void)call;
    return wc_jstr_pad(r, self, args[0], args[1], '^', out);
}

static bool s_ljust(wc_jrun *r, wc_jv self, const wc_jv *args, const wc_jcall *call, wc_jv *out)
{
    (void)call;
    return wc_jstr_pad(r, self, args[0], args[1], '<', out);
}

static bool s_rjust(wc_jrun *r, wc_jv self, const wc_jv *args, const wc_jcall *call, wc_jv *out)
{
    (void)call;
    return wc_jstr_pad(r, self, args[0], args[1], '>', out);
}

static bool s_zfill(wc_jrun *r, wc_jv self, const wc_jv *args, const wc_jcall *call, wc_jv *out)
{
    wc_jv zero, rest, padded, sign;
    int64_t width;
    (void)call;
    bool has_sign = size_of(self) > 0 && (text_of(self)[0] == '+' || text_of(self)[0] == '-');
    if (!wc_jarg_int(r, args[0], 0, &width) || !wc_jstring_literal(r, "0", &zero) ||
        !wc_jstring_part(r, self, has_sign, size_of(self) - has_sign, &rest) ||
        !wc_jstr_pad(r, rest, wc_jint(width > INT64_MIN ? width - has_sign : width), zero, '>', &padded) ||
        !wc_jstring_part(r, self, 0, has_sign, &sign))
        return false;
    return wc_jconcat(r, sign, padded, out);
}

/* ---- questions ---- */

typedef bool (*char_test)(uint32_t c);

/* Whether there are characters and all of them pass. */
static bool all_chars(wc_jrun *r, wc_jv s, char_test test, wc_jv *out)
{
    bool all = size_of(s) > 0;
    for (size_t i = 0; i < size_of(s) && all;) {
        uint32_t c;
        i += wc_utf8_decode(text_of(s) + i, size_of(s) - i, &c);
        all = test(c);
    }
    *out = wc_jbool(all);
    return wc_jsteps(r, size_of(s) / 64);
}

static bool is_alnum(uint32_t c)
{
    return c != '_' && wc_jchar_word(c);
}

#define CHAR_METHOD(name, test)                                                                              \
    static bool name(wc_jrun *r, wc_jv self, const wc_jv *args, const wc_jcall *call, wc_jv *out)            \
    {                                                                                                        \
        (void)args, (void)call;                                                                              \
        return all_chars(r, self, test, out);                                                                \
    }

CHAR_METHOD(s_isalpha, wc_jchar_alpha)
CHAR_METHOD(s_isdigit, wc_jchar_digit)
CHAR_METHOD(s_isdecimal, wc_jchar_decimal)
CHAR_METHOD(s_isnumeric, wc_jchar_numeric)
CHAR_METHOD(s_isalnum, is_alnum)
CHAR_METHOD(s_isspace, wc_jchar_space)

static bool is_ascii(uint32_t c)
{
    return c < 0x80;
}

static bool s_isascii(wc_jrun *r, wc_jv self, const wc_jv *args, const wc_jcall *call, wc_jv *out)
{
    (void)args, (void)call;
    if (size_of(self) > 0)
        return all_chars(r, self, is_ascii, out);
    *out = wc_jbool(true);
    return true;
}

static bool s_isprintable(wc_jrun *r, wc_jv self, const wc_jv *args, const wc_jcall *call, wc_jv *out)
{
    (void)args, (void)call;
    if (size_of(self) > 0)
        return all_chars(r, self, wc_jchar_printable, out);
    *out = wc_jbool(true);
    return true;
}

static bool s_isidentifier(wc_jrun *r, wc_jv self, const wc_jv *args, const wc_jcall *call, wc_jv *out)
{
    uint32_t c = 0;
    (void)args, (void)call;
    if (size_of(self) > 0)
        wc_utf8_decode(text_of(self), size_of(self), &c);
    if (!all_chars(r, self, wc_jchar_id_continue, out))
        return false;
    *out = wc_jbool(out->u.boolean && wc_jchar_id_start(c));
    return true;
}

/* isupper and islower: a cased character, and none of the other cases. */
static bool one_case(wc_jrun *r, wc_jv s, bool upper, wc_jv *out)
{
    bool some = false, all = true;
    for (size_t i = 0; i < size_of(s) && all;) {
        uint32_t c;
        i += wc_utf8_decode(text_of(s) + i, size_of(s) - i, &c);
        bool is_upper = wc_jchar_upper(c), is_lower = wc_jchar_lower(c);
        all = !(upper ? is_lower : is_upper) && !wc_jchar_title(c);
        some |= upper ? is_upper : is_lower;
    }
    *out = wc_jbool(some && all);
    return wc_jsteps(r, size_of(s) / 64);
}

static bool s_isupper(wc_jrun *r, wc_jv self, const wc_jv *args, const wc_jcall *call, wc_jv *out)
{
    (void)args, (void)call;
    return one_case(r, self, true, out);
}

static bool s_islower(wc_jrun *r, wc_jv self, const wc_jv *args, const wc_jcall *call, wc_jv *out)
{
    (void)args, (void)call;
    return one_case(r, self, false, out);
}

static bool s_istitle(wc_jrun *r, wc_jv self, const wc_jv *args, const wc_jcall *call, wc_jv *out)
{
    bool some = false, all = true, after_cased = false;
    (void)args, (void)call;
    for (size_t i = 0; i < size_of(self) && all;) {
        uint32_t c;
        i += wc_utf8_decode(text_of(self) + i, size_of(self) - i, &c);
        bool begins = wc_jchar_upper(c) || wc_jchar_title(c), goes_on = wc_jchar_lower(c);
        all = !(begins && after_cased) && !(goes_on && !after_cased);
        some |= begins || goes_on;
        after_cased = begins || goes_on;
    }
    *out = wc_jbool(some && all);
    return wc_jsteps(r, size_of(self) / 64);
}

/* ---- the rest ---- */

static bool s_format(wc_jrun *r, wc_jv self, const wc_jv *args, const wc_jcall *call, wc_jv *out)
{
    (void)args;
    return wc_jformat_braces(r, self, call, out);
}

static bool s_format_map(wc_jrun *r, wc_jv self, const wc_jv *args, const wc_jcall *call, wc_jv *out)
{
    wc_jcall map = {0};
    (void)call;
    if (args[0].type != WC_J_DICT)
        return wc_jfail_type(r, "format_map() argument must be a mapping, not %s", wc_jtype_name(args[0]));
    const wc_jdict *d = args[0].u.dict;
    wc_jv *keys = wc_jalloc(r, d->n, sizeof *keys), *values = wc_jalloc(r, d->n, sizeof *values);
    if (!keys || !values)
        return false;
    for (size_t i = 0; i < d->n; i++) {
        if (d->entries[i].key.type != WC_J_STR)
            continue;
        keys[map.n_keywords] = d->entries[i].key;
        values[map.n_keywords++] = d->entries[i].value;
    }
    map.keywords = keys;
    map.values = values;
    return wc_jformat_braces(r, self, &map, out);
}

static bool s_encode(wc_jrun *r, wc_jv self, const wc_jv *args, const wc_jcall *call, wc_jv *out)
{
    (void)call;
    bool known = args[0].type == WC_J_MISSING || wc_jstr_is(args[0], "utf-8") ||
                 wc_jstr_is(args[0], "utf8") || wc_jstr_is(args[0], "UTF-8");
    if (!known && wc_jstr_is(args[0], "ascii"))
        known = wc_jpoints(self) == size_of(self);
    if (!known)
        return wc_jfail(r, WC_JINJA_RUNTIME, "encode(): only utf-8 is supported");
    *out = self;
    out->type = WC_J_BYTES;
    out->flags = 0;
    return true;
}

/* Of Markup only. */
static bool s_unescape(wc_jrun *r, wc_jv self, const wc_jv *args, const wc_jcall *call, wc_jv *out)
{
    (void)args, (void)call;
    wc_buf b;
    wc_jbuf(&b);
    wc_junescape_text(&b, text_of(self), size_of(self));
    return wc_jsteps(r, size_of(self) / 16) ? wc_jstring_take(r, &b, out) : (wc_buf_release(&b), false);
}

static bool s_striptags(wc_jrun *r, wc_jv self, const wc_jv *args, const wc_jcall *call, wc_jv *out)
{
    (void)args, (void)call;
    return wc_jstrip_tags(r, self, out);
}

static const wc_jfunction STR[] = {{"strip", "/chars?", s_strip},
                                   {"lstrip", "/chars?", s_lstrip},
                                   {"rstrip", "/chars?", s_rstrip},
                                   {"split", "sep?,maxsplit?", s_split},
                                   {"startswith", "/prefix,start?,end?", s_startswith},
                                   {"endswith", "/suffix,start?,end?", s_endswith},
                                   {"replace", "/old,new,count?", s_replace},
                                   {"upper", "/", s_upper},
                                   {"lower", "/", s_lower},
                                   {"title", "/", s_title},
                                   {"capitalize", "/", s_capitalize},
                                   {"swapcase", "/", s_swapcase},
                                   {"casefold", "/", s_casefold},
                                   {"rsplit", "sep?,maxsplit?", s_rsplit},
                                   {"splitlines", "keepends?", s_splitlines},
                                   {"join", "/iterable", s_join},
                                   {"find", "/sub,start?,end?", s_find},
                                   {"rfind", "/sub,start?,end?", s_rfind},
                                   {"index", "/sub,start?,end?", s_index},
                                   {"rindex", "/sub,start?,end?", s_rindex},
                                   {"count", "/sub,start?,end?", s_count},
                                   {"format", "*", s_format},
                                   {"format_map", "/mapping", s_format_map},
                                   {"partition", "/sep", s_partition},
                                   {"rpartition", "/sep", s_rpartition},
                                   {"removeprefix", "/prefix", s_removeprefix},
                                   {"removesuffix", "/suffix", s_removesuffix},
                                   {"center", "/width,fillchar?", s_center},
                                   {"ljust", "/width,fillchar?", s_ljust},
                                   {"rjust", "/width,fillchar?", s_rjust},
                                   {"zfill", "/width", s_zfill},
                                   {"expandtabs", "tabsize?", s_expandtabs},
                                   {"translate", "/table", s_translate},
                                   {"encode", "encoding?,errors?", s_encode},
                                   {"isalpha", "/", s_isalpha},
                                   {"isdigit", "/", s_isdigit},
                                   {"isdecimal", "/", s_isdecimal},
                                   {"isnumeric", "/", s_isnumeric},
                                   {"isalnum", "/", s_isalnum},
                                   {"isspace", "/", s_isspace},
                                   {"isupper", "/", s_isupper},
                                   {"islower", "/", s_islower},
                                   {"istitle", "/", s_istitle},
                                   {"isascii", "/", s_isascii},
                                   {"isprintable", "/", s_isprintable},
                                   {"isidentifier", "/", s_isidentifier},
                                   {0}};

static const wc_jfunction MARKUP[] = {{"unescape", "/", s_unescape}, {"striptags", "/", s_striptags}, {0}};

const wc_jfunction *wc_jfind_str_method(wc_jv self, const char *name, size_t n)
{
    const wc_jfunction *f = wc_jfind(STR, name, n);
    return f || !(self.flags & WC_J_MARKUP) ? f : wc_jfind(MARKUP, name, n);
}
