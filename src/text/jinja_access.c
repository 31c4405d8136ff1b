/* jinja_access.c - a.b, a['b'], a[1:2]: attributes, items and slices.
 *
 * a.b tries the attribute and then the item, a['b'] the item and then the attribute, so that d.items is the method of a
 * dict and d['items'] its entry.  What is not there is undefined, no error; what the sandbox of Jinja2 guards (names that
 * begin with an underscore, methods that change a list or a dict) is a value that says so when it is used. */
#include <string.h>

#include "text/jinja_ast.h"
#include "text/jinja_value.h"

/* Attributes that Python objects have beside their methods: all of them guarded. */
static bool is_internal(wc_jv object, const wc_jstr *name)
{
    static const char *const anywhere[] = {"__class__",        "__doc__",
                                           "__init__",         "__new__",
                                           "__repr__",         "__str__",
                                           "__getattribute__", "__hash__",
                                           "__setattr__",      "__eq__",
                                           "__ne__",           "__lt__",
                                           "__le__",           "__gt__",
                                           "__ge__",           "__format__",
                                           "__reduce__",       "__reduce_ex__",
                                           "__sizeof__",       "__dir__",
                                           "__delattr__",      "__init_subclass__",
                                           "__subclasshook__", "__getstate__"};
    static const char *const functions[] = {"__globals__", "__code__",      "__closure__", "__defaults__",
                                            "__dict__",    "__module__",    "__name__",    "__qualname__",
                                            "__call__",    "__func__",      "__self__",    "__builtins__",
                                            "__mro__",     "__subclasses__"};
    if (name->n < 4 || name->s[0] != '_')
        return false;
    for (size_t i = 0; i < sizeof anywhere / sizeof *anywhere; i++)
        if (name->n == strlen(anywhere[i]) && memcmp(name->s, anywhere[i], name->n) == 0)
            return true;
    bool callable = object.type == WC_J_FUNCTION || object.type == WC_J_METHOD || object.type == WC_J_MACRO;
    for (size_t i = 0; callable && i < sizeof functions / sizeof *functions; i++)
        if (name->n == strlen(functions[i]) && memcmp(name->s, functions[i], name->n) == 0)
            return true;
    return false;
}

/* Methods that would change their object. */
static bool is_mutating(wc_jv object, const wc_jstr *name)
{
    static const char *const lists[] = {"append", "clear", "pop",    "reverse",
                                        "insert", "sort",  "extend", "remove"};
    static const char *const dicts[] = {"clear", "pop", "popitem", "setdefault", "update"};
    bool list = object.type == WC_J_LIST;
    const char *const *names = list ? lists : dicts;
    size_t n = list ? sizeof lists / sizeof *lists : sizeof dicts / sizeof *dicts;
    if (!list && object.type != WC_J_DICT)
        return false;
    for (size_t i = 0; i < n; i++)
        if (name->n == strlen(names[i]) && memcmp(name->s, names[i], name->n) == 0)
            return true;
    return false;
}

static bool bind_method(wc_jrun *r, wc_jv self, const wc_jfunction *f, wc_jv *out)
{
    wc_jmethod *m = wc_jalloc(r, 1, sizeof *m);
    if (!m)
        return false;
    *m = (wc_jmethod){self, f};
    *out = (wc_jv){.type = WC_J_METHOD, .u.method = m};
    return true;
}

static bool macro_attribute(wc_jrun *r, const wc_jmacro *m, wc_jv name, wc_jv *out)
{
    const wc_jmacro_def *def = m->def;
    if (wc_jstr_is(name, "name"))
        return m->name ? wc_jstring_view(r, m->name->s, m->name->n, out) : (*out = wc_jnone(), true);
    if (wc_jstr_is(name, "arguments")) {
        wc_jlist_builder b = {0};
        for (int i = 0; i < def->n_parameters; i++) {
            wc_jv parameter;
            if (!wc_jstring_view(r, def->parameters[i]->s, def->parameters[i]->n, &parameter) ||
                !wc_jlist_add(r, &b, parameter))
                return false;
        }
        return wc_jlist_take(r, &b, WC_J_TUPLE, out);
    }
    if (wc_jstr_is(name, "catch_kwargs"))
        *out = wc_jbool(def->uses_kwargs);
    else if (wc_jstr_is(name, "catch_varargs"))
        *out = wc_jbool(def->uses_varargs);
    else if (wc_jstr_is(name, "caller"))
        *out = wc_jbool(def->uses_caller);
    else if (wc_jstr_is(name, "explicit_caller"))
        *out = wc_jbool(def->has_caller_parameter);
    return true;
}

static void number_attribute(wc_jv v, wc_jv name, wc_jv *out)
{
    bool whole = v.type != WC_J_FLOAT;
    if (wc_jstr_is(name, "real") || (whole && wc_jstr_is(name, "numerator")))
        *out = v.type == WC_J_BOOL ? wc_jint(v.u.boolean) : v;
    else if (wc_jstr_is(name, "imag"))
        *out = whole ? wc_jint(0) : wc_jfloat(0);
    else if (whole && wc_jstr_is(name, "denominator"))
        *out = wc_jint(1);
}

/* What a value has that is no method; out stays missing when there is none of that name. */
static bool plain_attribute(wc_jrun *r, wc_jv v, wc_jv name, wc_jv *out)
{
    bool found;
    const wc_jv *value;
    switch (v.type) {
    case WC_J_NAMESPACE:
        if (!wc_jdict_find(r, v.u.dict, name, &value))
            return false;
        if (value)
            *out = *value;
        return true;
    case WC_J_LOOP:
        return wc_jloop_attribute(r, v.u.loop, name, out, &found);
    case WC_J_MACRO:
        return macro_attribute(r, v.u.macro, name, out);
    case WC_J_CYCLER:
        if (wc_jstr_is(name, "current"))
            *out = v.u.cycler->items->items[v.u.cycler->pos];
        else if (wc_jstr_is(name, "pos"))
            *out = wc_jint((int64_t)v.u.cycler->pos);
        else if (wc_jstr_is(name, "items"))
            *out = (wc_jv){.type = WC_J_TUPLE, .u.list = v.u.cycler->items};
        return true;
    case WC_J_JOINER:
        if (wc_jstr_is(name, "sep"))
            *out = v.u.cycler->separator;
        else if (wc_jstr_is(name, "used"))
            *out = wc_jbool(v.u.cycler->used);
        return true;
    case WC_J_TUPLE:
        if ((v.flags & WC_J_GROUP) && (wc_jstr_is(name, "grouper") || wc_jstr_is(name, "list")))
            *out = v.u.list->items[wc_jstr_is(name, "list")];
        return true;
    case WC_J_RANGE:
        if (wc_jstr_is(name, "start"))
            *out = wc_jint(v.u.range->start);
        else if (wc_jstr_is(name, "stop"))
            *out = wc_jint(v.u.range->stop);
        else if (wc_jstr_is(name, "step"))
            *out = wc_jint(v.u.range->step);
        return true;
    case WC_J_BOOL:
    case WC_J_INT:
    case WC_J_BIGINT:
    case WC_J_FLOAT:
        number_attribute(v, name, out);
        return true;
    default:
        return true;
    }
}

/* Python's getattr() in the sandbox; out stays missing when there is no such attribute. */
static bool attribute(wc_jrun *r, wc_jv v, wc_jv name, wc_jv *out)
{
    const wc_jstr *s = name.u.str;
    *out = wc_jmissing();
    if (is_internal(v, s) || is_mutating(v, s))
        return wc_jundefined_unsafe(r, v, name, out);
    if (!plain_attribute(r, v, name, out))
        return false;
    if (out->type != WC_J_MISSING)
        return true;
    const wc_jfunction *f = wc_jfind_method(v, s->s, s->n);
    return f ? bind_method(r, v, f, out) : true;
}

static bool hashable(wc_jrun *r, wc_jv v)
{
    if (v.type == WC_J_TUPLE) {
        for (size_t i = 0; i < v.u.list->n; i++)
            if (!wc_jdeep(r) || !hashable(r, v.u.list->items[i]))
                return false;
        return true;
    }
    return v.type != WC_J_LIST && v.type != WC_J_DICT && v.type != WC_J_VIEW;
}

/* The place of index i among n, negative ones from the end; false: there is none. */
static bool place(wc_jv key, size_t n, size_t *at)
{
    if (key.type != WC_J_INT && key.type != WC_J_BOOL)
        return false;
    int64_t i = key.type == WC_J_BOOL ? key.u.boolean : key.u.integer;
    if (i < 0)
        i += (int64_t)n;
    *at = (size_t)i;
    return i >= 0 && (size_t)i < n;
}

static bool block_item(wc_jrun *r, wc_jv name, wc_jv *out)
{
    for (int i = 0; i < r->t->n_blocks; i++)
        if (wc_jstr_is(name, r->t->blocks[i]->name->s))
            *out = (wc_jv){.type = WC_J_BLOCK, .u.block = r->t->blocks[i]};
    return true;
}

/* v[key] in Python; out stays missing when that is an error. */
static bool item(wc_jrun *r, wc_jv v, wc_jv key, wc_jv *out)
{
    const wc_jv *value;
    size_t at;
    *out = wc_jmissing();
    switch (v.type) {
    case WC_J_DICT:
        if (!hashable(r, key))
            return !r->failed;
        if (!wc_jdict_find(r, v.u.dict, key, &value))
            return false;
        if (value)
            *out = *value;
        return true;
    case WC_J_LIST:
    case WC_J_TUPLE:
        if (place(key, v.u.list->n, &at))
            *out = v.u.list->items[at];
        return true;
    case WC_J_STR:
        if (place(key, wc_jpoints(v), &at)) {
            size_t start = wc_jpoint_offset(r, v, at), n = 1;
            while (start + n < v.u.str->n && ((unsigned char)v.u.str->s[start + n] & 0xc0) == 0x80)
                n++;
            return wc_jstring_part(r, v, start, n, out);
        }
        return true;
    case WC_J_BYTES:
        if (place(key, v.u.str->n, &at))
            *out = wc_jint((unsigned char)v.u.str->s[at]);
        return true;
    case WC_J_RANGE:
        if (place(key, v.u.range->n, &at))
            *out = wc_jint(v.u.range->start + (int64_t)at * v.u.range->step);
        return true;
    case WC_J_SELF:
        return key.type != WC_J_STR || block_item(r, key, out);
    default:
        return true;
    }
}

bool wc_jgetattr(wc_jrun *r, wc_jv object, wc_jv name, wc_jv *out)
{
    if (object.type == WC_J_UNDEFINED && !is_internal(object, name.u.str))
        return wc_jfail_undefined(r, object);
    if (!attribute(r, object, name, out))
        return false;
    if (out->type == WC_J_MISSING && !item(r, object, name, out))
        return false;
    return out->type != WC_J_MISSING || wc_jundefined_member(r, object, name, out);
}

bool wc_jgetitem(wc_jrun *r, wc_jv object, wc_jv key, wc_jv *out)
{
    if (object.type == WC_J_UNDEFINED)
        return wc_jfail_undefined(r, object);
    if (!item(r, object, key, out))
        return false;
    if (out->type == WC_J_MISSING && key.type == WC_J_STR && !attribute(r, object, key, out))
        return false;
    return out->type != WC_J_MISSING || wc_jundefined_member(r, object, key, out);
}

/* ---- slices ---- */

static bool slice_bound(wc_jrun *r, wc_jv v, int64_t *i, bool *given)
{
    *given = v.type != WC_J_MISSING && v.type != WC_J_NONE;
    if (!*given)
        return true;
    if (!wc_jis_integer(v))
        return wc_jfail_type(r, "slice indices must be integers or None or have an __index__ method");
    return wc_jarg_int(r, v, 0, i);
}

static int64_t clamp(int64_t i, int64_t n, bool backwards)
{
    int64_t low = backwards ? -1 : 0, high = backwards ? n - 1 : n;
    if (i < 0)
        i = i < -n ? low : i + n;
    return i < low ? low : i > high ? high : i;
}

struct slice {
    int64_t start, step;
    size_t n; /* items taken */
};

static bool make_slice(wc_jrun *r, wc_jv start, wc_jv stop, wc_jv step, int64_t n, struct slice *s)
{
    bool has_start, has_stop, has_step;
    int64_t end = 0;
    s->start = 0;
    s->step = 1;
    if (!slice_bound(r, start, &s->start, &has_start) || !slice_bound(r, stop, &end, &has_stop) ||
        !slice_bound(r, step, &s->step, &has_step))
        return false;
    if (s->step == 0)
        return wc_jfail(r, WC_JINJA_RUNTIME, "slice step cannot be zero");
    if (s->step == INT64_MIN)
        s->step = -INT64_MAX;
    bool back = s->step < 0;
    s->start = has_start ? clamp(s->start, n, back) : back ? n - 1 : 0;
    end = has_stop ? clamp(end, n, back) : back ? -1 : n;
    int64_t distance = back ? s->start - end : end - s->start, size = back ? -s->step : s->step;
    s->n = distance > 0 ? (size_t)((distance - 1) / size + 1) : 0;
    return true;
}

static bool slice_string(wc_jrun *r, wc_jv v, const struct slice *s, wc_jv *out)
{
    if (s->n == 0)
        return wc_jstring_part(r, v, 0, 0, out);
    if (s->step == 1) {
        size_t from = wc_jpoint_offset(r, v, (size_t)s->start);
        size_t to = wc_jpoint_offset(r, v, (size_t)s->start + s->n);
        return wc_jstring_part(r, v, from, to - from, out);
    }
    const wc_jstr *str = v.u.str;
    size_t points = wc_jpoints(v), *offsets = wc_jalloc(r, points + 1, sizeof *offsets), used = 0;
    char *text = wc_jalloc(r, str->n, 1);
    if (!offsets || !text || !wc_jsteps(r, str->n / 16))
        return false;
    for (size_t i = 0, k = 0; i < str->n; i++)
        if (((unsigned char)str->s[i] & 0xc0) != 0x80)
            offsets[k++] = i;
    offsets[points] = str->n;
    int64_t at = s->start;
    for (size_t i = 0; i < s->n; i++) {
        size_t n = offsets[at + 1] - offsets[at];
        memcpy(text + used, str->s + offsets[at], n);
        used += n;
        if (i + 1 < s->n)
            at += s->step;
    }
    if (!wc_jstring_view(r, text, used, out))
        return false;
    out->flags = v.flags;
    return true;
}

static bool slice_list(wc_jrun *r, wc_jv v, const struct slice *s, wc_jv *out)
{
    if (s->step == 1)
        return wc_jlist_of(r, (enum wc_jtype)v.type, v.u.list->items ? v.u.list->items + s->start : NULL,
                           s->n, out);
    wc_jv *items = wc_jalloc(r, s->n, sizeof *items);
    if (!items || !wc_jsteps(r, s->n / 4))
        return false;
    for (size_t i = 0; i < s->n; i++)
        items[i] = v.u.list->items[s->start + (int64_t)i * s->step];
    return wc_jlist_of(r, (enum wc_jtype)v.type, items, s->n, out);
}

static bool slice_range(wc_jrun *r, wc_jv v, const struct slice *s, wc_jv *out)
{
    const struct wc_jrange *whole = v.u.range;
    struct wc_jrange *range = wc_jalloc(r, 1, sizeof *range);
    int64_t step;
    if (!range)
        return false;
    if (__builtin_mul_overflow(whole->step, s->step, &step))
        step = s->step < 0 ? -1 : 1;
    range->start = whole->start + s->start * whole->step;
    range->step = step;
    range->n = s->n;
    range->stop = range->start + (int64_t)s->n * step;
    *out = (wc_jv){.type = WC_J_RANGE, .u.range = range};
    return true;
}

bool wc_jslice(wc_jrun *r, wc_jv v, wc_jv start, wc_jv stop, wc_jv step, wc_jv *out)
{
    struct slice s;
    int64_t n = 0;
    switch (v.type) {
    case WC_J_UNDEFINED:
        return wc_jfail_undefined(r, v);
    case WC_J_STR:
    case WC_J_LIST:
    case WC_J_TUPLE:
    case WC_J_RANGE:
        if (!wc_jlength(r, v, &n) || !make_slice(r, start, stop, step, n, &s))
            return false;
        return v.type == WC_J_STR     ? slice_string(r, v, &s, out)
               : v.type == WC_J_RANGE ? slice_range(r, v, &s, out)
                                      : slice_list(r, v, &s, out);
    case WC_J_DICT:
        return wc_jfail_type(r, "unhashable type: 'slice'");
    default:
        return wc_jfail_type(r, "'%s' object is not subscriptable", wc_jtype_name(v));
    }
}
