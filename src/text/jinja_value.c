/* jinja_value.c - making values, dicts, equality, order, hashing, lengths.
 *
 * Dicts keep their entries in the order of insertion, as Python's; an index of open addressing is made when there are
 * more than a few.  Numbers that are equal are the same key, whatever their type (1, 1.0, True). */
#define WC_DEFINES_JINJA_FAILURES
#include "text/jinja_value.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"
#include "text/jinja_ast.h"
#include "text/jinja_chars.h"

enum { CHUNK = 64 << 10, SMALL_DICT = 8, GROW_FROM = 256 };

/* ---- failure and bounds ---- */

bool wc_jfail(wc_jrun *r, enum wc_jinja_kind kind, const char *format, ...)
{
    if (r->failed)
        return false;
    char text[sizeof r->err->text];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    r->failed = true;
    r->kind = kind;
    if (kind == WC_JINJA_RAISED)
        return wc_fail_lines(r->err, WC_FAILED, text, strlen(text));
    return wc_fail(r->err, kind == WC_JINJA_LIMIT ? WC_REFUSED : WC_FAILED, "%s: line %d: %s", r->t->name,
                   r->line, text);
}

bool wc_jfail_undefined(wc_jrun *r, wc_jv v)
{
    const struct wc_jundefined *u = v.u.undefined;
    enum wc_jinja_kind kind = u->security ? WC_JINJA_SECURITY : WC_JINJA_UNDEFINED;
    if (u->hint)
        return wc_jfail(r, kind, "%s", u->hint);
    wc_buf name;
    wc_jbuf(&name);
    bool printed = wc_jrepr(r, &name, u->name);
    const char *object = wc_jtype_name(u->object);
    if (wc_jis(u->object, WC_J_NONE))
        object = "None";
    const char *suffix = wc_jis(u->object, WC_J_NONE) ? "" : " object";
    if (printed && wc_jis(u->object, WC_J_MISSING))
        wc_jfail(r, kind, "%s is undefined", wc_buf_str(&name));
    else if (printed && wc_jis(u->name, WC_J_STR))
        wc_jfail(r, kind, "'%s%s' has no attribute %s", object, suffix, wc_buf_str(&name));
    else if (printed)
        wc_jfail(r, kind, "%s%s has no element %s: it is undefined", object, suffix, wc_buf_str(&name));
    wc_buf_release(&name);
    return false;
}

bool wc_jsteps(wc_jrun *r, size_t n)
{
    if (r->failed)
        return false;
    if (n >= (size_t)r->steps) {
        r->steps = 0;
        return wc_jfail(r, WC_JINJA_LIMIT, "the template takes too long: more than the limit of %d steps",
                        WC_JINJA_STEPS);
    }
    r->steps -= (long)n;
    return true;
}

bool wc_jdeep(wc_jrun *r)
{
    const char *here = __builtin_frame_address(0);
    size_t used = here < r->stack ? (size_t)(r->stack - here) : (size_t)(here - r->stack);
    if (used < WC_JINJA_STACK)
        return true;
    return wc_jfail(r, WC_JINJA_LIMIT, "recursion or data is nested too deeply");
}

static bool fail_memory(wc_jrun *r)
{
    return wc_jfail(r, WC_JINJA_LIMIT, "the template needs more memory than the limit of %d MiB",
                    WC_JINJA_MEMORY >> 20);
}

void *wc_jalloc(wc_jrun *r, size_t n, size_t size)
{
    size_t bytes = n * size;
    if (size != 0 && n > (size_t)WC_JINJA_MEMORY / size) {
        fail_memory(r);
        return NULL;
    }
    bytes = bytes ? (bytes + 15) & ~(size_t)15 : 16;
    if (bytes > r->chunk_left) {
        size_t wanted = bytes > CHUNK / 4 ? bytes : CHUNK;
        char *p = wc_arena_alloc(r->arena, wanted);
        if (!p) {
            fail_memory(r);
            return NULL;
        }
        if (wanted == bytes)
            return memset(p, 0, bytes);
        r->chunk = p;
        r->chunk_left = wanted;
    }
    char *p = r->chunk;
    r->chunk += bytes;
    r->chunk_left -= bytes;
    return memset(p, 0, bytes);
}

/* ---- strings ---- */

bool wc_jstring_view(wc_jrun *r, const char *s, size_t n, wc_jv *out)
{
    wc_jstr *str = wc_jalloc(r, 1, sizeof *str);
    if (!str || n > WC_JINJA_MEMORY)
        return str ? fail_memory(r) : false;
    *str = (wc_jstr){.s = s, .n = (uint32_t)n, .points = UINT32_MAX};
    *out = (wc_jv){.type = WC_J_STR, .u.str = str};
    return true;
}

bool wc_jstring(wc_jrun *r, const char *s, size_t n, wc_jv *out)
{
    char *copy = wc_jalloc(r, n, 1);
    if (!copy || !wc_jsteps(r, n / 256))
        return false;
    if (n > 0)
        memcpy(copy, s, n);
    return wc_jstring_view(r, copy, n, out);
}

bool wc_jstring_literal(wc_jrun *r, const char *s, wc_jv *out)
{
    return wc_jstring_view(r, s, strlen(s), out);
}

void wc_jbuf(wc_buf *b)
{
    wc_buf_init(b, WC_JINJA_OUTPUT);
}

bool wc_jstring_take(wc_jrun *r, wc_buf *b, wc_jv *out)
{
    bool ok = wc_buf_ok(b);
    if (!ok)
        wc_jfail(r, WC_JINJA_LIMIT, "a text is too long: more than the limit of %d MiB",
                 WC_JINJA_OUTPUT >> 20);
    else
        ok = !r->failed && wc_jstring(r, wc_buf_str(b), b->size, out);
    wc_buf_release(b);
    return ok;
}

bool wc_jstring_part(wc_jrun *r, wc_jv s, size_t start, size_t n, wc_jv *out)
{
    uint8_t flags = s.flags;
    bool ascii = s.u.str->points == s.u.str->n;
    if (!wc_jstring_view(r, s.u.str->s + start, n, out))
        return false;
    out->flags = flags;
    if (ascii)
        out->u.str->points = (uint32_t)n;
    return true;
}

size_t wc_jpoints(wc_jv s)
{
    wc_jstr *str = s.u.str;
    if (str->points != UINT32_MAX)
        return str->points;
    return str->points = (uint32_t)wc_utf8_count(str->s, str->n);
}

size_t wc_jpoint_offset(wc_jrun *r, wc_jv s, size_t i)
{
    const wc_jstr *str = s.u.str;
    if (wc_jpoints(s) == str->n)
        return i < str->n ? i : str->n;
    size_t at = 0;
    for (; i > 0 && at < str->n; i--)
        do
            at++;
        while (at < str->n && ((unsigned char)str->s[at] & 0xc0) == 0x80);
    wc_jsteps(r, at / 64);
    return at;
}

/* Bytes behind data [used] that continue it; the room is made when there is none, and doubles. */
static struct wc_jgrow *grow(wc_jrun *r, struct wc_jgrow *g, const void *data, size_t used, size_t more)
{
    if (g && g->used == used && g->data == data && g->room - used >= more)
        return g;
    g = wc_jalloc(r, 1, sizeof *g);
    size_t room = (used + more) * 2;
    char *copy = g ? wc_jalloc(r, room, 1) : NULL;
    if (!copy)
        return NULL;
    wc_jsteps(r, used / 256);
    if (used > 0)
        memcpy(copy, data, used);
    *g = (struct wc_jgrow){copy, used, room};
    return g;
}

bool wc_jconcat(wc_jrun *r, wc_jv a, wc_jv b, wc_jv *out)
{
    wc_jstr *left = a.u.str, *right = b.u.str;
    size_t n = (size_t)left->n + right->n;
    wc_jstr *str = wc_jalloc(r, 1, sizeof *str);
    if (!str)
        return false;
    *str = (wc_jstr){.n = (uint32_t)n, .points = UINT32_MAX};
    if (n > WC_JINJA_OUTPUT)
        return fail_memory(r);
    if (n < GROW_FROM) {
        char *text = wc_jalloc(r, n, 1);
        if (!text)
            return false;
        memcpy(text, left->s, left->n);
        memcpy(text + left->n, right->s, right->n);
        str->s = text;
    } else {
        struct wc_jgrow *g = grow(r, left->grow, left->s, left->n, right->n);
        if (!g)
            return false;
        memcpy(g->data + g->used, right->s, right->n);
        g->used += right->n;
        str->s = g->data;
        str->grow = g;
    }
    if (left->points != UINT32_MAX && right->points != UINT32_MAX)
        str->points = left->points + right->points;
    *out = (wc_jv){.type = WC_J_STR, .flags = a.flags & b.flags & WC_J_MARKUP, .u.str = str};
    return wc_jsteps(r, right->n / 256);
}

bool wc_jstr_is(wc_jv v, const char *s)
{
    return v.type == WC_J_STR && v.u.str->n == strlen(s) && memcmp(v.u.str->s, s, v.u.str->n) == 0;
}

/* ---- lists ---- */

bool wc_jlist_of(wc_jrun *r, enum wc_jtype type, const wc_jv *items, size_t n, wc_jv *out)
{
    wc_jlist *list = wc_jalloc(r, 1, sizeof *list);
    if (!list)
        return false;
    *list = (wc_jlist){.items = items, .n = n};
    *out = (wc_jv){.type = (uint8_t)type, .u.list = list};
    return true;
}

bool wc_jpair(wc_jrun *r, wc_jv a, wc_jv b, wc_jv *out)
{
    wc_jv *items = wc_jalloc(r, 2, sizeof *items);
    if (!items)
        return false;
    items[0] = a;
    items[1] = b;
    return wc_jlist_of(r, WC_J_TUPLE, items, 2, out);
}

bool wc_jlist_add(wc_jrun *r, wc_jlist_builder *b, wc_jv v)
{
    if (b->n == b->room) {
        size_t room = b->room ? b->room * 2 : 8;
        wc_jv *items = wc_jalloc(r, room, sizeof *items);
        if (!items)
            return false;
        if (b->n > 0)
            memcpy(items, b->items, b->n * sizeof *items);
        b->items = items;
        b->room = room;
    }
    b->items[b->n++] = v;
    return true;
}

bool wc_jlist_take(wc_jrun *r, wc_jlist_builder *b, enum wc_jtype type, wc_jv *out)
{
    return !r->failed && wc_jlist_of(r, type, b->items, b->n, out);
}

/* a + b of two lists or two tuples. */
bool wc_jlist_concat(wc_jrun *r, wc_jv a, wc_jv b, wc_jv *out)
{
    const wc_jlist *left = a.u.list, *right = b.u.list;
    if (left->n + right->n > WC_JINJA_MEMORY / sizeof(wc_jv))
        return fail_memory(r);
    struct wc_jgrow *g = grow(r, left->grow, left->items, left->n * sizeof(wc_jv), right->n * sizeof(wc_jv));
    if (!g || !wc_jsteps(r, right->n / 16))
        return false;
    if (right->n > 0)
        memcpy(g->data + g->used, right->items, right->n * sizeof(wc_jv));
    g->used += right->n * sizeof(wc_jv);
    if (!wc_jlist_of(r, (enum wc_jtype)a.type, (const wc_jv *)(void *)g->data, left->n + right->n, out))
        return false;
    out->u.list->grow = g;
    return true;
}

/* ---- undefined values ---- */

static bool undefined(wc_jrun *r, struct wc_jundefined u, wc_jv *out)
{
    struct wc_jundefined *copy = wc_jalloc(r, 1, sizeof *copy);
    if (!copy)
        return false;
    *copy = u;
    *out = (wc_jv){.type = WC_J_UNDEFINED, .u.undefined = copy};
    return true;
}

bool wc_jundefined_name(wc_jrun *r, const char *name, size_t n, wc_jv *out)
{
    struct wc_jundefined u = {0};
    return wc_jstring_view(r, name, n, &u.name) && undefined(r, u, out);
}

bool wc_jundefined_hint(wc_jrun *r, const char *hint, wc_jv *out)
{
    return undefined(r, (struct wc_jundefined){.hint = hint}, out);
}

bool wc_jundefined_member(wc_jrun *r, wc_jv object, wc_jv name, wc_jv *out)
{
    return undefined(r, (struct wc_jundefined){.object = object, .name = name}, out);
}

bool wc_jundefined_unsafe(wc_jrun *r, wc_jv object, wc_jv name, wc_jv *out)
{
    wc_buf text;
    wc_jv hint = wc_jnone();
    wc_jbuf(&text);
    wc_buf_puts(&text, "access to attribute ");
    wc_jrepr(r, &text, name);
    wc_buf_printf(&text, " of '%s' object is unsafe.", wc_jtype_name(object));
    wc_buf_putc(&text, '\0');
    if (!wc_jstring_take(r, &text, &hint))
        return false;
    return undefined(
        r, (struct wc_jundefined){.hint = hint.u.str->s, .object = object, .name = name, .security = true},
        out);
}

/* ---- questions ---- */

const char *wc_jtype_name(wc_jv v)
{
    static const char *const names[] = {"missing",
                                        "Undefined",
                                        "NoneType",
                                        "bool",
                                        "int",
                                        "int",
                                        "float",
                                        "str",
                                        "bytes",
                                        "list",
                                        "tuple",
                                        "dict",
                                        "dict_keys",
                                        "range",
                                        "generator",
                                        "TemplateNamespace",
                                        "Macro",
                                        "builtin_function_or_method",
                                        "method",
                                        "LoopContext",
                                        "Cycler",
                                        "Joiner",
                                        "TemplateReference",
                                        "BlockReference"};
    static const char *const views[] = {"dict_keys", "dict_values", "dict_items"};
    if (v.type == WC_J_VIEW)
        return views[v.sub];
    if (v.type == WC_J_STR && (v.flags & WC_J_MARKUP))
        return "Markup";
    if (v.type == WC_J_ITER)
        return v.u.iter->type_name;
    return names[v.type];
}

bool wc_jis_integer(wc_jv v)
{
    return v.type == WC_J_BOOL || v.type == WC_J_INT || v.type == WC_J_BIGINT;
}

bool wc_jis_number(wc_jv v)
{
    return wc_jis_integer(v) || v.type == WC_J_FLOAT;
}

bool wc_jtruth(wc_jrun *r, wc_jv v)
{
    (void)r;
    switch (v.type) {
    case WC_J_MISSING:
    case WC_J_UNDEFINED:
    case WC_J_NONE:
        return false;
    case WC_J_BOOL:
        return v.u.boolean;
    case WC_J_INT:
        return v.u.integer != 0;
    case WC_J_FLOAT:
        return v.u.number != 0;
    case WC_J_STR:
    case WC_J_BYTES:
        return v.u.str->n > 0;
    case WC_J_LIST:
    case WC_J_TUPLE:
        return v.u.list->n > 0;
    case WC_J_DICT:
    case WC_J_VIEW:
        return v.u.dict->n > 0;
    case WC_J_RANGE:
        return v.u.range->n > 0;
    default:
        return true;
    }
}

bool wc_jhas_length(wc_jv v)
{
    switch (v.type) {
    case WC_J_UNDEFINED:
    case WC_J_STR:
    case WC_J_BYTES:
    case WC_J_LIST:
    case WC_J_TUPLE:
    case WC_J_DICT:
    case WC_J_VIEW:
    case WC_J_RANGE:
        return true;
    default:
        return false;
    }
}

bool wc_jlength(wc_jrun *r, wc_jv v, int64_t *n)
{
    switch (v.type) {
    case WC_J_UNDEFINED:
        *n = 0;
        return true;
    case WC_J_STR:
        *n = (int64_t)wc_jpoints(v);
        return wc_jsteps(r, v.u.str->n / 256);
    case WC_J_BYTES:
        *n = v.u.str->n;
        return true;
    case WC_J_LIST:
    case WC_J_TUPLE:
        *n = (int64_t)v.u.list->n;
        return true;
    case WC_J_DICT:
    case WC_J_VIEW:
        *n = (int64_t)v.u.dict->n;
        return true;
    case WC_J_RANGE:
        *n = (int64_t)v.u.range->n;
        return true;
    case WC_J_LOOP: {
        wc_jv name, length;
        bool found;
        if (!wc_jstring_literal(r, "length", &name) ||
            !wc_jloop_attribute(r, v.u.loop, name, &length, &found))
            return false;
        *n = length.u.integer;
        return true;
    }
    default:
        return wc_jfail_type(r, "object of type '%s' has no len()", wc_jtype_name(v));
    }
}

bool wc_jsame(wc_jv a, wc_jv b)
{
    if (a.type != b.type)
        return false;
    switch (a.type) {
    case WC_J_MISSING:
    case WC_J_NONE:
        return true;
    case WC_J_BOOL:
        return a.u.boolean == b.u.boolean;
    case WC_J_INT: /* Python shares the small ones */
        return a.u.integer == b.u.integer;
    case WC_J_FLOAT:
        return false;
    case WC_J_STR:
        return a.u.str == b.u.str ||
               (a.u.str->n == b.u.str->n && memcmp(a.u.str->s, b.u.str->s, a.u.str->n) == 0);
    default:
        return a.u.list == b.u.list;
    }
}

/* ---- equality ---- */

static bool equal_items(wc_jrun *r, const wc_jlist *a, const wc_jlist *b, bool *equal)
{
    *equal = a->n == b->n;
    for (size_t i = 0; *equal && i < a->n; i++)
        if (!wc_jequal(r, a->items[i], b->items[i], equal))
            return false;
    return wc_jsteps(r, a->n / 4 + 1);
}

static bool equal_dicts(wc_jrun *r, const wc_jdict *a, const wc_jdict *b, bool *equal)
{
    *equal = a->n == b->n;
    for (size_t i = 0; *equal && i < a->n; i++) {
        const wc_jv *other;
        if (!wc_jdict_find(r, b, a->entries[i].key, &other))
            return false;
        if (!other)
            *equal = false;
        else if (!wc_jequal(r, a->entries[i].value, *other, equal))
            return false;
    }
    return wc_jsteps(r, a->n / 4 + 1);
}

/* keys() are compared as sets, values() never are. */
static bool equal_views(wc_jrun *r, wc_jv a, wc_jv b, bool *equal)
{
    *equal = a.u.dict == b.u.dict && a.sub == b.sub;
    if (*equal || a.sub != b.sub || a.sub == WC_J_VALUES)
        return true;
    if (a.sub == WC_J_ITEMS)
        return equal_dicts(r, a.u.dict, b.u.dict, equal);
    *equal = a.u.dict->n == b.u.dict->n;
    for (size_t i = 0; *equal && i < a.u.dict->n; i++) {
        const wc_jv *other;
        if (!wc_jdict_find(r, b.u.dict, a.u.dict->entries[i].key, &other))
            return false;
        *equal = other != NULL;
    }
    return true;
}

bool wc_jequal(wc_jrun *r, wc_jv a, wc_jv b, bool *equal)
{
    *equal = false;
    if (!wc_jdeep(r))
        return false;
    if (wc_jis_number(a) && wc_jis_number(b)) {
        if (a.type == WC_J_FLOAT || b.type == WC_J_FLOAT) {
            int order = 0;
            if (!wc_jorder(r, a, b, "==", &order))
                return false;
            *equal = order == 0;
        } else {
            *equal = wc_jint_order(a, b) == 0;
        }
        return true;
    }
    if (a.type != b.type)
        return true;
    switch (a.type) {
    case WC_J_STR:
    case WC_J_BYTES:
        *equal = a.u.str->n == b.u.str->n && memcmp(a.u.str->s, b.u.str->s, a.u.str->n) == 0;
        return *equal ? wc_jsteps(r, a.u.str->n / 256) : true;
    case WC_J_LIST:
    case WC_J_TUPLE:
        return equal_items(r, a.u.list, b.u.list, equal);
    case WC_J_DICT:
        return equal_dicts(r, a.u.dict, b.u.dict, equal);
    case WC_J_VIEW:
        return equal_views(r, a, b, equal);
    case WC_J_RANGE: {
        const struct wc_jrange *x = a.u.range, *y = b.u.range;
        *equal = x->n == y->n && (x->n == 0 || (x->start == y->start && (x->n == 1 || x->step == y->step)));
        return true;
    }
    case WC_J_UNDEFINED:
        *equal = true;
        return true;
    case WC_J_METHOD:
        *equal = a.u.method->function == b.u.method->function && wc_jsame(a.u.method->self, b.u.method->self);
        return true;
    default:
        *equal = wc_jsame(a, b);
        return true;
    }
}

/* ---- order ---- */

static int order_strings(const wc_jstr *a, const wc_jstr *b)
{
    size_t n = a->n < b->n ? a->n : b->n;
    int c = n > 0 ? memcmp(a->s, b->s, n) : 0; /* UTF-8 sorts as its code points do */
    return c != 0 ? (c < 0 ? -1 : 1) : a->n < b->n ? -1 : a->n > b->n;
}

static int order_numbers(wc_jv a, wc_jv b)
{
    if (a.type != WC_J_FLOAT && b.type != WC_J_FLOAT)
        return wc_jint_order(a, b);
    double x = a.type == WC_J_FLOAT ? a.u.number : wc_jint_double(a);
    double y = b.type == WC_J_FLOAT ? b.u.number : wc_jint_double(b);
    if (isnan(x) || isnan(y))
        return 2;
    return x < y ? -1 : x > y;
}

/* An integer and a float of the same value as doubles may still differ: 2^53 + 1 and 2^53. */
static bool order_mixed(wc_jrun *r, wc_jv a, wc_jv b, int *order)
{
    *order = order_numbers(a, b);
    if (*order != 0 || a.type == b.type || (a.type != WC_J_FLOAT && b.type != WC_J_FLOAT))
        return true;
    wc_jv whole, *x = a.type == WC_J_FLOAT ? &a : &b;
    if (!isfinite(x->u.number) || fabs(x->u.number) < 9007199254740992.0)
        return true;
    if (!wc_jint_from_double(r, x->u.number, &whole))
        return false;
    *x = whole;
    *order = wc_jint_order(a, b);
    return true;
}

bool wc_jorder(wc_jrun *r, wc_jv a, wc_jv b, const char *op, int *order)
{
    if (!wc_jdeep(r))
        return false;
    if (wc_jis_number(a) && wc_jis_number(b))
        return order_mixed(r, a, b, order);
    if (a.type == WC_J_UNDEFINED)
        return wc_jfail_undefined(r, a);
    if (b.type == WC_J_UNDEFINED)
        return wc_jfail_undefined(r, b);
    if (a.type == b.type && (a.type == WC_J_STR || a.type == WC_J_BYTES)) {
        *order = order_strings(a.u.str, b.u.str);
        return wc_jsteps(r, 1);
    }
    if (a.type == b.type && (a.type == WC_J_LIST || a.type == WC_J_TUPLE)) {
        const wc_jlist *x = a.u.list, *y = b.u.list;
        for (size_t i = 0; i < x->n && i < y->n; i++) {
            bool equal;
            if (!wc_jsteps(r, 1) || !wc_jequal(r, x->items[i], y->items[i], &equal))
                return false;
            if (!equal)
                return wc_jorder(r, x->items[i], y->items[i], op, order);
        }
        *order = x->n < y->n ? -1 : x->n > y->n;
        return true;
    }
    return wc_jfail_type(r, "'%s' not supported between instances of '%s' and '%s'", op, wc_jtype_name(a),
                         wc_jtype_name(b));
}

/* ---- membership ---- */

static bool contains_items(wc_jrun *r, const wc_jv *items, size_t n, wc_jv item, bool *found)
{
    for (size_t i = 0; i < n && !*found; i++) {
        if ((i & 3) == 0 && !wc_jsteps(r, 1))
            return false;
        if (!wc_jequal(r, items[i], item, found))
            return false;
    }
    return true;
}

static bool contains_view(wc_jrun *r, wc_jv view, wc_jv item, bool *found)
{
    const wc_jdict *d = view.u.dict;
    const wc_jv *value;
    if (view.sub == WC_J_VALUES) {
        for (size_t i = 0; i < d->n && !*found; i++)
            if (!wc_jsteps(r, 1) || !wc_jequal(r, d->entries[i].value, item, found))
                return false;
        return true;
    }
    bool items = view.sub == WC_J_ITEMS;
    if (items && (item.type != WC_J_TUPLE || item.u.list->n != 2))
        return true;
    if (!wc_jdict_find(r, d, items ? item.u.list->items[0] : item, &value))
        return false;
    if (value && items)
        return wc_jequal(r, *value, item.u.list->items[1], found);
    *found = value != NULL;
    return true;
}

bool wc_jcontains(wc_jrun *r, wc_jv container, wc_jv item, bool *found)
{
    const wc_jv *value;
    *found = false;
    switch (container.type) {
    case WC_J_STR:
        if (item.type != WC_J_STR)
            return wc_jfail_type(r, "'in <string>' requires string as left operand, not %s",
                                 wc_jtype_name(item));
        *found = item.u.str->n == 0 ||
                 memmem(container.u.str->s, container.u.str->n, item.u.str->s, item.u.str->n) != NULL;
        return wc_jsteps(r, container.u.str->n / 256);
    case WC_J_LIST:
    case WC_J_TUPLE:
        return contains_items(r, container.u.list->items, container.u.list->n, item, found);
    case WC_J_DICT:
        if (!wc_jdict_find(r, container.u.dict, item, &value))
            return false;
        *found = value != NULL;
        return true;
    case WC_J_VIEW:
        return contains_view(r, container, item, found);
    case WC_J_UNDEFINED:
    case WC_J_RANGE:
    case WC_J_ITER: {
        wc_jiter *it = wc_jiterate(r, container);
        wc_jv each;
        while (it && !*found && wc_jnext(r, it, &each))
            if (!wc_jsteps(r, 1) || !wc_jequal(r, each, item, found))
                return false;
        return !r->failed;
    }
    default:
        return wc_jfail_type(r, "argument of type '%s' is not iterable", wc_jtype_name(container));
    }
}

/* ---- dicts ---- */

bool wc_jdict_new(wc_jrun *r, wc_jv *out)
{
    wc_jdict *d = wc_jalloc(r, 1, sizeof *d);
    *out = (wc_jv){.type = WC_J_DICT, .u.dict = d};
    return d != NULL;
}

static uint64_t mix(uint64_t h)
{
    h ^= h >> 32;
    h *= 0x9e3779b97f4a7c15u;
    return h ^ (h >> 29);
}

static uint64_t hash_bytes(const char *s, size_t n)
{
    uint64_t h = 14695981039346656037u;
    for (size_t i = 0; i < n; i++)
        h = (h ^ (unsigned char)s[i]) * 1099511628211u;
    return mix(h);
}

static bool hash_tuple(wc_jrun *r, const wc_jlist *list, uint64_t *hash)
{
    *hash = list->n;
    for (size_t i = 0; i < list->n; i++) {
        uint64_t h = 0;
        if (!wc_jsteps(r, 1) || !wc_jhash(r, list->items[i], &h))
            return false;
        *hash = mix(*hash * 31 + h);
    }
    return true;
}

bool wc_jhash(wc_jrun *r, wc_jv v, uint64_t *hash)
{
    if (!wc_jdeep(r))
        return false;
    switch (v.type) {
    case WC_J_BOOL:
        *hash = mix(v.u.boolean);
        return true;
    case WC_J_INT:
        *hash = mix((uint64_t)v.u.integer);
        return true;
    case WC_J_BIGINT:
        *hash = wc_jint_hash(v);
        return true;
    case WC_J_FLOAT: {
        double x = v.u.number;
        wc_jv whole;
        if (isfinite(x) && x == trunc(x)) /* as the integer that equals it */
            return wc_jint_from_double(r, x, &whole) && wc_jhash(r, whole, hash);
        memcpy(hash, &x, sizeof *hash);
        *hash = mix(*hash);
        return true;
    }
    case WC_J_STR:
    case WC_J_BYTES:
        *hash = hash_bytes(v.u.str->s, v.u.str->n);
        return wc_jsteps(r, v.u.str->n / 64);
    case WC_J_TUPLE:
        return hash_tuple(r, v.u.list, hash);
    case WC_J_LIST:
    case WC_J_DICT:
    case WC_J_VIEW:
        return wc_jfail_type(r, "unhashable type: '%s'", wc_jtype_name(v));
    case WC_J_UNDEFINED:
    case WC_J_NONE:
    case WC_J_MISSING:
        *hash = mix(v.type);
        return true;
    default:
        *hash = mix((uint64_t)(uintptr_t)v.u.list);
        return true;
    }
}

/* The entry of a key, or NULL; false when comparing failed. */
static bool find_entry(wc_jrun *r, const wc_jdict *d, wc_jv key, uint64_t hash, wc_jentry **found)
{
    bool equal;
    *found = NULL;
    if (!d->index) {
        for (size_t i = 0; i < d->n; i++) {
            if (d->entries[i].hash != hash)
                continue;
            if (!wc_jequal(r, d->entries[i].key, key, &equal))
                return false;
            if (equal) {
                *found = &d->entries[i];
                return true;
            }
        }
        return true;
    }
    for (size_t i = hash & (d->index_size - 1); d->index[i]; i = (i + 1) & (d->index_size - 1)) {
        wc_jentry *e = &d->entries[d->index[i] - 1];
        if (!wc_jsteps(r, 1))
            return false;
        if (e->hash != hash)
            continue;
        if (!wc_jequal(r, e->key, key, &equal))
            return false;
        if (equal) {
            *found = e;
            return true;
        }
    }
    return true;
}

static void add_to_index(wc_jdict *d, size_t place)
{
    size_t i = d->entries[place].hash & (d->index_size - 1);
    while (d->index[i])
        i = (i + 1) & (d->index_size - 1);
    d->index[i] = (uint32_t)place + 1;
}

static bool grow_dict(wc_jrun *r, wc_jdict *d)
{
    size_t room = d->room ? d->room * 2 : 4;
    wc_jentry *entries = wc_jalloc(r, room, sizeof *entries);
    if (!entries)
        return false;
    if (d->n > 0)
        memcpy(entries, d->entries, d->n * sizeof *entries);
    d->entries = entries;
    d->room = room;
    if (room <= SMALL_DICT)
        return true;
    d->index_size = room * 2;
    d->index = wc_jalloc(r, d->index_size, sizeof *d->index);
    for (size_t i = 0; d->index && i < d->n; i++)
        add_to_index(d, i);
    return d->index != NULL && wc_jsteps(r, d->n / 4);
}

bool wc_jdict_set(wc_jrun *r, wc_jdict *d, wc_jv key, wc_jv value)
{
    uint64_t hash = 0;
    wc_jentry *e = NULL;
    if (!wc_jsteps(r, 1) || !wc_jhash(r, key, &hash) || !find_entry(r, d, key, hash, &e))
        return false;
    if (e) {
        e->value = value;
        return true;
    }
    if (d->n == d->room && !grow_dict(r, d))
        return false;
    d->entries[d->n++] = (wc_jentry){key, value, hash};
    if (d->index)
        add_to_index(d, d->n - 1);
    return true;
}

bool wc_jdict_find(wc_jrun *r, const wc_jdict *d, wc_jv key, const wc_jv **value)
{
    uint64_t hash;
    wc_jentry *e;
    *value = NULL;
    if (!wc_jhash(r, key, &hash) || !find_entry(r, d, key, hash, &e))
        return false;
    if (e)
        *value = &e->value;
    return true;
}

bool wc_jdict_copy(wc_jrun *r, const wc_jdict *d, wc_jv *out)
{
    if (!wc_jdict_new(r, out))
        return false;
    for (size_t i = 0; i < d->n; i++)
        if (!wc_jdict_set(r, out->u.dict, d->entries[i].key, d->entries[i].value))
            return false;
    return true;
}
