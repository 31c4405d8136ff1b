/* jinja_methods.c - the methods of values that are no strings: dicts, lists, tuples, ranges, loops, cyclers, numbers.
 * jinja_methods_str.c has those of strings. */
#include <math.h>
#include <string.h>

#include "text/jinja_methods.h"

/* ---- dicts ---- */

static bool view(wc_jv self, enum wc_jview what, wc_jv *out)
{
    *out = (wc_jv){.type = WC_J_VIEW, .sub = (uint8_t)what, .u.dict = self.u.dict};
    return true;
}

static bool d_keys(wc_jrun *r, wc_jv self, const wc_jv *args, const wc_jcall *call, wc_jv *out)
{
    (void)r, (void)args, (void)call;
    return view(self, WC_J_KEYS, out);
}

static bool d_values(wc_jrun *r, wc_jv self, const wc_jv *args, const wc_jcall *call, wc_jv *out)
{
    (void)r, (void)args, (void)call;
    return view(self, WC_J_VALUES, out);
}

static bool d_items(wc_jrun *r, wc_jv self, const wc_jv *args, const wc_jcall *call, wc_jv *out)
{
    (void)r, (void)args, (void)call;
    return view(self, WC_J_ITEMS, out);
}

static bool d_get(wc_jrun *r, wc_jv self, const wc_jv *args, const wc_jcall *call, wc_jv *out)
{
    const wc_jv *value;
    (void)call;
    if (!wc_jdict_find(r, self.u.dict, args[0], &value))
        return false;
    *out = value ? *value : args[1].type == WC_J_MISSING ? wc_jnone() : args[1];
    return true;
}

static bool d_copy(wc_jrun *r, wc_jv self, const wc_jv *args, const wc_jcall *call, wc_jv *out)
{
    (void)args, (void)call;
    return wc_jdict_copy(r, self.u.dict, out);
}

static bool d_fromkeys(wc_jrun *r, wc_jv self, const wc_jv *args, const wc_jcall *call, wc_jv *out)
{
    wc_jv key;
    (void)self, (void)call;
    wc_jiter *it = wc_jiterate(r, args[0]);
    if (!it || !wc_jdict_new(r, out))
        return false;
    while (wc_jnext(r, it, &key))
        if (!wc_jdict_set(r, out->u.dict, key, args[1].type == WC_J_MISSING ? wc_jnone() : args[1]))
            return false;
    return !r->failed;
}

static const wc_jfunction DICT[] = {{"keys", "/", d_keys},
                                    {"values", "/", d_values},
                                    {"items", "/", d_items},
                                    {"get", "/key,default?", d_get},
                                    {"copy", "/", d_copy},
                                    {"fromkeys", "/keys,value?", d_fromkeys},
                                    {0}};

static const wc_jfunction DICT_TYPE[] = {{"fromkeys", "/keys,value?", d_fromkeys}, {0}};

/* ---- lists, tuples, ranges ---- */

static bool l_count(wc_jrun *r, wc_jv self, const wc_jv *args, const wc_jcall *call, wc_jv *out)
{
    wc_jv item;
    int64_t n = 0;
    (void)call;
    wc_jiter *it = wc_jiterate(r, self);
    while (it && wc_jnext(r, it, &item)) {
        bool equal;
        if (!wc_jequal(r, item, args[0], &equal))
            return false;
        n += equal;
    }
    *out = wc_jint(n);
    return !r->failed;
}

static bool l_index(wc_jrun *r, wc_jv self, const wc_jv *args, const wc_jcall *call, wc_jv *out)
{
    int64_t length, start, stop;
    wc_jv item;
    bool equal;
    (void)call;
    if (!wc_jlength(r, self, &length) || !wc_jarg_int(r, args[1], 0, &start) ||
        !wc_jarg_int(r, args[2], length, &stop))
        return false;
    start = start < -length ? 0 : start < 0 ? start + length : start;
    stop = stop < -length ? 0 : stop < 0 ? stop + length : stop;
    wc_jiter *it = wc_jiterate(r, self);
    for (int64_t i = 0; it && wc_jnext(r, it, &item); i++) {
        if (i < start || i >= stop)
            continue;
        if (!wc_jequal(r, item, args[0], &equal))
            return false;
        if (equal) {
            *out = wc_jint(i);
            return true;
        }
    }
    wc_buf text;
    wc_jbuf(&text);
    if (self.type == WC_J_TUPLE)
        wc_jfail(r, WC_JINJA_RUNTIME, "tuple.index(x): x not in tuple");
    else if (wc_jrepr(r, &text, args[0]))
        wc_jfail(r, WC_JINJA_RUNTIME, "%s is not in %s", wc_buf_str(&text), wc_jtype_name(self));
    wc_buf_release(&text);
    return false;
}

static bool l_copy(wc_jrun *r, wc_jv self, const wc_jv *args, const wc_jcall *call, wc_jv *out)
{
    (void)args, (void)call;
    return wc_jto_list(r, self, WC_J_LIST, out);
}

static const wc_jfunction LIST[] = {
    {"index", "/value,start?,stop?", l_index}, {"count", "/value", l_count}, {"copy", "/", l_copy}, {0}};
static const wc_jfunction TUPLE[] = {
    {"index", "/value,start?,stop?", l_index}, {"count", "/value", l_count}, {0}};

/* ---- loops and cyclers ---- */

static bool loop_cycle(wc_jrun *r, wc_jv self, const wc_jv *args, const wc_jcall *call, wc_jv *out)
{
    (void)args;
    if (call->n_positional == 0)
        return wc_jfail_type(r, "no items for cycling given");
    *out = call->positional[self.u.loop->index0 % call->n_positional];
    return true;
}

static bool loop_changed(wc_jrun *r, wc_jv self, const wc_jv *args, const wc_jcall *call, wc_jv *out)
{
    wc_jv *items = wc_jalloc(r, (size_t)call->n_positional, sizeof *items), now;
    bool equal = false;
    (void)args;
    if (!items)
        return false;
    if (call->n_positional > 0)
        memcpy(items, call->positional, (size_t)call->n_positional * sizeof *items);
    if (!wc_jlist_of(r, WC_J_TUPLE, items, (size_t)call->n_positional, &now) ||
        !wc_jequal(r, self.u.loop->last_changed, now, &equal))
        return false;
    self.u.loop->last_changed = now;
    *out = wc_jbool(!equal);
    return true;
}

static const wc_jfunction LOOP[] = {{"cycle", "*", loop_cycle}, {"changed", "*", loop_changed}, {0}};

static bool cycler_next(wc_jrun *r, wc_jv self, const wc_jv *args, const wc_jcall *call, wc_jv *out)
{
    wc_jcycler *c = self.u.cycler;
    (void)r, (void)args, (void)call;
    *out = c->items->items[c->pos];
    c->pos = (c->pos + 1) % c->items->n;
    return true;
}

static bool cycler_reset(wc_jrun *r, wc_jv self, const wc_jv *args, const wc_jcall *call, wc_jv *out)
{
    (void)r, (void)args, (void)call;
    self.u.cycler->pos = 0;
    *out = wc_jnone();
    return true;
}

static const wc_jfunction CYCLER[] = {{"next", "/", cycler_next}, {"reset", "/", cycler_reset}, {0}};

/* ---- numbers ---- */

static bool n_bit_length(wc_jrun *r, wc_jv self, const wc_jv *args, const wc_jcall *call, wc_jv *out)
{
    wc_buf digits;
    (void)args, (void)call;
    wc_jbuf(&digits);
    bool ok = wc_jint_print(r, &digits, self, 2);
    const char *text = wc_buf_str(&digits);
    *out = wc_jint(strcmp(text, "0") == 0 ? 0 : (int64_t)(digits.size - (text[0] == '-')));
    wc_buf_release(&digits);
    return ok;
}

static bool n_conjugate(wc_jrun *r, wc_jv self, const wc_jv *args, const wc_jcall *call, wc_jv *out)
{
    (void)r, (void)args, (void)call;
    *out = self.type == WC_J_BOOL ? wc_jint(self.u.boolean) : self;
    return true;
}

static bool n_is_integer(wc_jrun *r, wc_jv self, const wc_jv *args, const wc_jcall *call, wc_jv *out)
{
    (void)r, (void)args, (void)call;
    *out = wc_jbool(isfinite(self.u.number) && self.u.number == trunc(self.u.number));
    return true;
}

static const wc_jfunction INT[] = {{"bit_length", "/", n_bit_length}, {"conjugate", "/", n_conjugate}, {0}};
static const wc_jfunction FLOAT[] = {{"is_integer", "/", n_is_integer}, {"conjugate", "/", n_conjugate}, {0}};

/* ---- bytes ---- */

static bool b_decode(wc_jrun *r, wc_jv self, const wc_jv *args, const wc_jcall *call, wc_jv *out)
{
    (void)args, (void)call;
    *out = self; /* bytes come from a string only */
    out->type = WC_J_STR;
    (void)r;
    return true;
}

static const wc_jfunction BYTES[] = {{"decode", "encoding?,errors?", b_decode}, {0}};

const wc_jfunction *wc_jfind_method(wc_jv self, const char *name, size_t n)
{
    switch (self.type) {
    case WC_J_STR:
        return wc_jfind_str_method(self, name, n);
    case WC_J_DICT:
        return wc_jfind(DICT, name, n);
    case WC_J_LIST:
        return wc_jfind(LIST, name, n);
    case WC_J_TUPLE:
    case WC_J_RANGE:
        return wc_jfind(TUPLE, name, n);
    case WC_J_LOOP:
        return wc_jfind(LOOP, name, n);
    case WC_J_CYCLER:
        return wc_jfind(CYCLER, name, n);
    case WC_J_BOOL:
    case WC_J_INT:
    case WC_J_BIGINT:
        return wc_jfind(INT, name, n);
    case WC_J_FLOAT:
        return wc_jfind(FLOAT, name, n);
    case WC_J_BYTES:
        return wc_jfind(BYTES, name, n);
    case WC_J_FUNCTION:
        return strcmp(self.u.function->name, "dict") == 0 ? wc_jfind(DICT_TYPE, name, n) : NULL;
    default:
        return NULL;
    }
}
