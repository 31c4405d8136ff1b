/* jinja_filters_seq.c - the filters of sequences.  map, select and their like are generators: they work when somebody
 * asks for their items. */
#include <string.h>

#include "base/os.h"
#include "text/jinja_ast.h"
#include "text/jinja_filters.h"

/* ---- what an attribute argument means ---- */

/* Ways from an item to its value: "a.b" is one of two steps, "a,b" two of one. */
struct getter {
    wc_jv *parts; /* [n_parts] keys, a step each */
    size_t *ends; /* [n_paths] where each path ends in parts */
    size_t n_paths;
    wc_jv fallback; /* for a missing step; missing: none */
    bool ignore_case;
};

static bool add_path(wc_jrun *r, wc_jlist_builder *parts, wc_jv path)
{
    wc_jv dot, steps;
    if (!wc_jstring_literal(r, ".", &dot) || !wc_jstr_split(r, path, dot, -1, false, &steps))
        return false;
    for (size_t i = 0; i < steps.u.list->n; i++) {
        wc_jv step = steps.u.list->items[i];
        const wc_jstr *s = step.u.str;
        bool digits = s->n > 0 && strspn(s->s, "0123456789") >= s->n;
        if (digits && !wc_jint_from_digits(r, NULL, s->s, s->n, 10, &step))
            return false;
        if (!wc_jlist_add(r, parts, step))
            return false;
    }
    return true;
}

static bool getter_init(wc_jrun *r, struct getter *g, wc_jv attribute, bool several, bool ignore_case)
{
    wc_jlist_builder parts = {0};
    wc_jv paths, comma;
    *g = (struct getter){.n_paths = 1, .ignore_case = ignore_case};
    bool text = attribute.type == WC_J_STR;
    if (text && several) {
        if (!wc_jstring_literal(r, ",", &comma) || !wc_jstr_split(r, attribute, comma, -1, false, &paths))
            return false;
        g->n_paths = paths.u.list->n;
    } else if (!wc_jlist_of(r, WC_J_LIST, &attribute, 1, &paths)) {
        return false;
    }
    g->ends = wc_jalloc(r, g->n_paths, sizeof *g->ends);
    if (!g->ends)
        return false;
    for (size_t i = 0; i < g->n_paths; i++) {
        bool none = attribute.type == WC_J_MISSING || attribute.type == WC_J_NONE;
        if (text ? !add_path(r, &parts, paths.u.list->items[i])
                 : !none && !wc_jlist_add(r, &parts, attribute))
            return false;
        g->ends[i] = parts.n;
    }
    g->parts = parts.items;
    return true;
}

static bool get_path(wc_jrun *r, const struct getter *g, size_t path, wc_jv item, wc_jv *out)
{
    for (size_t i = path > 0 ? g->ends[path - 1] : 0; i < g->ends[path]; i++) {
        if (!wc_jsteps(r, 1) || !wc_jgetitem(r, item, g->parts[i], &item))
            return false;
        if (item.type == WC_J_UNDEFINED && g->fallback.type != WC_J_MISSING)
            item = g->fallback;
    }
    *out = item;
    return !g->ignore_case || item.type != WC_J_STR || wc_jstr_case(r, item, WC_J_LOWER, out);
}

static bool get(wc_jrun *r, const struct getter *g, wc_jv item, wc_jv *out)
{
    return get_path(r, g, 0, item, out);
}

/* All paths as a list. */
static bool get_all(wc_jrun *r, const struct getter *g, wc_jv item, wc_jv *out)
{
    wc_jv *values = wc_jalloc(r, g->n_paths, sizeof *values);
    if (!values)
        return false;
    for (size_t i = 0; i < g->n_paths; i++)
        if (!get_path(r, g, i, item, &values[i]))
            return false;
    return wc_jlist_of(r, WC_J_LIST, values, g->n_paths, out);
}

/* ---- sorting ---- */

/* The items of list in the order of their keys. */
static bool sorted(wc_jrun *r, wc_jv list, const wc_jv *keys, bool reverse, wc_jv *out)
{
    size_t n = list.u.list->n, *order = wc_jalloc(r, n, sizeof *order);
    wc_jv *items = wc_jalloc(r, n, sizeof *items);
    if (!order || !items || !wc_jsort(r, keys, n, reverse, order))
        return false;
    for (size_t i = 0; i < n; i++)
        items[i] = list.u.list->items[order[i]];
    return wc_jlist_of(r, WC_J_LIST, items, n, out);
}

WC_JFILTER(sort)
{
    struct getter g;
    wc_jv list;
    (void)call;
    if (!getter_init(r, &g, args[2], true, !wc_jarg_bool(r, args[1], false)) ||
        !wc_jto_list(r, self, WC_J_LIST, &list))
        return false;
    wc_jv *keys = wc_jalloc(r, list.u.list->n, sizeof *keys);
    for (size_t i = 0; keys && i < list.u.list->n; i++)
        if (!get_all(r, &g, list.u.list->items[i], &keys[i]))
            return false;
    return keys && sorted(r, list, keys, wc_jarg_bool(r, args[0], false), out);
}

WC_JFILTER(dictsort)
{
    bool by_value = wc_jstr_is(args[1], "value"), sensitive = wc_jarg_bool(r, args[0], false);
    wc_jv list;
    (void)call;
    if (!by_value && args[1].type != WC_J_MISSING && !wc_jstr_is(args[1], "key"))
        return wc_jfail(r, WC_JINJA_RUNTIME, "You can only sort by either \"key\" or \"value\"");
    if (self.type == WC_J_UNDEFINED)
        return wc_jfail_undefined(r, self);
    if (self.type != WC_J_DICT)
        return wc_jfail_type(r, "'%s' object has no attribute 'items'", wc_jtype_name(self));
    wc_jv view = {.type = WC_J_VIEW, .sub = WC_J_ITEMS, .u.dict = self.u.dict};
    wc_jv *keys = wc_jalloc(r, self.u.dict->n, sizeof *keys);
    if (!keys || !wc_jto_list(r, view, WC_J_LIST, &list))
        return false;
    for (size_t i = 0; i < list.u.list->n; i++) {
        keys[i] = list.u.list->items[i].u.list->items[by_value];
        if (keys[i].type == WC_J_STR && !sensitive && !wc_jstr_case(r, keys[i], WC_J_LOWER, &keys[i]))
            return false;
    }
    return sorted(r, list, keys, wc_jarg_bool(r, args[2], false), out);
}

/* A tuple of the key as the first item has it, and the items. */
static bool make_group(wc_jrun *r, const struct getter *g, wc_jv list, size_t from, size_t to, wc_jv *out)
{
    wc_jv key, items;
    if (!wc_jlist_of(r, WC_J_LIST, list.u.list->items + from, to - from, &items) ||
        !get(r, g, list.u.list->items[from], &key) || !wc_jpair(r, key, items, out))
        return false;
    out->flags = WC_J_GROUP;
    return true;
}

WC_JFILTER(groupby)
{
    struct getter g, real;
    wc_jv list;
    wc_jlist_builder groups = {0};
    (void)call;
    if (!getter_init(r, &g, args[0], false, !wc_jarg_bool(r, args[2], false)) ||
        !wc_jto_list(r, self, WC_J_LIST, &list))
        return false;
    g.fallback = args[1].type == WC_J_NONE ? wc_jmissing() : args[1];
    real = g;
    real.ignore_case = false;
    size_t n = list.u.list->n;
    wc_jv *keys = wc_jalloc(r, n, sizeof *keys);
    for (size_t i = 0; keys && i < n; i++)
        if (!get(r, &g, list.u.list->items[i], &keys[i]))
            return false;
    if (!keys || !sorted(r, list, keys, false, &list))
        return false;
    for (size_t from = 0, to; from < n; from = to) {
        wc_jv first, other, group;
        bool equal = true;
        if (!get(r, &g, list.u.list->items[from], &first))
            return false;
        for (to = from + 1; to < n; to++) {
            if (!get(r, &g, list.u.list->items[to], &other) || !wc_jequal(r, first, other, &equal))
                return false;
            if (!equal)
                break;
        }
        if (!make_group(r, &real, list, from, to, &group) || !wc_jlist_add(r, &groups, group))
            return false;
    }
    return wc_jlist_take(r, &groups, WC_J_LIST, out);
}

static bool extreme(wc_jrun *r, wc_jv self, const wc_jv *args, bool largest, wc_jv *out)
{
    struct getter g;
    wc_jv item, key, best;
    bool some = false;
    if (!getter_init(r, &g, args[1], false, !wc_jarg_bool(r, args[0], false)))
        return false;
    wc_jiter *it = wc_jiterate(r, self);
    while (it && wc_jnext(r, it, &item)) {
        int order = 0;
        if (!get(r, &g, item, &key) || (some && !wc_jorder(r, key, best, largest ? ">" : "<", &order)))
            return false;
        if (!some || order == (largest ? 1 : -1)) {
            best = key;
            *out = item;
        }
        some = true;
    }
    return !r->failed && (some || wc_jundefined_hint(r, "No aggregated item, sequence was empty.", out));
}

WC_JFILTER(max)
{
    (void)call;
    return extreme(r, self, args, true, out);
}

WC_JFILTER(min)
{
    (void)call;
    return extreme(r, self, args, false, out);
}

/* ---- taking parts ---- */

WC_JFILTER(first)
{
    (void)args, (void)call;
    wc_jiter *it = wc_jiterate(r, self);
    if (!it || wc_jnext(r, it, out))
        return it != NULL;
    return !r->failed && wc_jundefined_hint(r, "No first item, sequence was empty.", out);
}

WC_JFILTER(last)
{
    wc_jv list;
    (void)args, (void)call;
    if (!wc_jhas_length(self))
        return wc_jfail_type(r, "'%s' object is not reversible", wc_jtype_name(self));
    if (!wc_jto_list(r, self, WC_J_LIST, &list))
        return false;
    size_t n = list.u.list->n;
    if (n == 0)
        return wc_jundefined_hint(r, "No last item, sequence was empty.", out);
    *out = list.u.list->items[n - 1];
    return true;
}

WC_JFILTER(random)
{
    int64_t n;
    (void)args, (void)call;
    if (!wc_jlength(r, self, &n))
        return false;
    if (n == 0)
        return wc_jundefined_hint(r, "No random item, sequence was empty.", out);
    return wc_jgetitem(r, self, wc_jint((int64_t)(wc_random_seed() % (uint64_t)n)), out);
}

WC_JFILTER(list)
{
    (void)args, (void)call;
    return wc_jto_list(r, self, WC_J_LIST, out);
}

static bool next_backwards(wc_jrun *r, wc_jiter *it, wc_jv *item)
{
    (void)r;
    const wc_jlist *list = it->source.u.list;
    if (it->pos >= list->n)
        return false;
    *item = list->items[list->n - 1 - it->pos++];
    return true;
}

WC_JFILTER(reverse)
{
    wc_jv list;
    (void)args, (void)call;
    if (self.type == WC_J_STR) {
        wc_jv none = wc_jmissing();
        if (!wc_jslice(r, self, none, none, wc_jint(-1), out))
            return false;
        return true;
    }
    if (!wc_jiterable(self))
        return wc_jfail(r, WC_JINJA_RUNTIME, "argument must be iterable");
    if (!wc_jto_list(r, self, WC_J_LIST, &list))
        return false;
    if (!wc_jgenerator(r, next_backwards, list, NULL, "reversed", out))
        return false;
    return self.type != WC_J_ITER || wc_jto_list(r, *out, WC_J_LIST, out);
}

/* ---- generators ---- */

struct cut {
    int64_t size, at;
    wc_jv fill;
    wc_jv list; /* of slice: the items; of batch: one that was taken too early */
};

static bool next_batch(wc_jrun *r, wc_jiter *it, wc_jv *out)
{
    struct cut *cut = it->state;
    wc_jlist_builder items = {0};
    wc_jv item;
    if (!it->inner && !(it->inner = wc_jiterate(r, it->source)))
        return false;
    if (cut->size == 0) { /* an empty batch, then all items as one, as a size that is never reached gives */
        if (!wc_jnext(r, it->inner, &cut->list))
            return false;
        cut->size = -1;
        return wc_jlist_take(r, &items, WC_J_LIST, out);
    }
    if (cut->list.type != WC_J_MISSING && !wc_jlist_add(r, &items, cut->list))
        return false;
    cut->list = wc_jmissing();
    while ((int64_t)items.n != cut->size && wc_jnext(r, it->inner, &item))
        if (!wc_jlist_add(r, &items, item))
            return false;
    if (items.n == 0 || r->failed)
        return false;
    while (cut->fill.type != WC_J_MISSING && cut->fill.type != WC_J_NONE && (int64_t)items.n < cut->size)
        if (!wc_jsteps(r, 1) || !wc_jlist_add(r, &items, cut->fill))
            return false;
    return wc_jlist_take(r, &items, WC_J_LIST, out);
}

static bool make_cut(wc_jrun *r, wc_jnext_fn next, wc_jv self, const wc_jv *args, wc_jv *out)
{
    struct cut *cut = wc_jalloc(r, 1, sizeof *cut);
    if (!cut || !wc_jarg_int(r, args[0], 0, &cut->size))
        return false;
    cut->fill = args[1];
    return wc_jgenerator(r, next, self, cut, "generator", out);
}

WC_JFILTER(batch)
{
    (void)call;
    return make_cut(r, next_batch, self, args, out);
}

static bool next_slice(wc_jrun *r, wc_jiter *it, wc_jv *out)
{
    struct cut *cut = it->state;
    if (cut->list.type == WC_J_MISSING && !wc_jto_list(r, it->source, WC_J_LIST, &cut->list))
        return false;
    if (cut->size == 0)
        return wc_jfail(r, WC_JINJA_RUNTIME, "integer division or modulo by zero");
    if (cut->at >= cut->size)
        return false;
    int64_t n = (int64_t)cut->list.u.list->n, each = n / cut->size, extra = n % cut->size, i = cut->at++;
    int64_t from = i * each + (i < extra ? i : extra), to = from + each + (i < extra);
    bool fill = cut->fill.type != WC_J_MISSING && cut->fill.type != WC_J_NONE && i >= extra;
    wc_jlist_builder items = {0};
    for (int64_t k = from; k < to; k++)
        if (!wc_jsteps(r, 1) || !wc_jlist_add(r, &items, cut->list.u.list->items[k]))
            return false;
    return (!fill || wc_jlist_add(r, &items, cut->fill)) && wc_jlist_take(r, &items, WC_J_LIST, out);
}

WC_JFILTER(slice)
{
    (void)call;
    return make_cut(r, next_slice, self, args, out);
}

static bool next_entry(wc_jrun *r, wc_jiter *it, wc_jv *out)
{
    if (it->source.type == WC_J_UNDEFINED)
        return false;
    if (it->source.type != WC_J_DICT)
        return wc_jfail_type(r, "Can only get item pairs from a mapping.");
    const wc_jdict *d = it->source.u.dict;
    if (it->pos >= d->n)
        return false;
    const wc_jentry *e = &d->entries[it->pos++];
    return wc_jpair(r, e->key, e->value, out);
}

WC_JFILTER(items)
{
    (void)args, (void)call;
    return wc_jgenerator(r, next_entry, self, NULL, "generator", out);
}

struct unique {
    struct getter getter;
    wc_jv seen;
};

static bool next_unique(wc_jrun *r, wc_jiter *it, wc_jv *out)
{
    struct unique *u = it->state;
    if (!it->inner && !(it->inner = wc_jiterate(r, it->source)))
        return false;
    while (wc_jnext(r, it->inner, out)) {
        wc_jv key;
        const wc_jv *seen;
        if (!get(r, &u->getter, *out, &key) || !wc_jdict_find(r, u->seen.u.dict, key, &seen))
            return false;
        if (!seen)
            return wc_jdict_set(r, u->seen.u.dict, key, wc_jnone());
    }
    return false;
}

WC_JFILTER(unique)
{
    struct unique *u = wc_jalloc(r, 1, sizeof *u);
    (void)call;
    return u && getter_init(r, &u->getter, args[1], false, !wc_jarg_bool(r, args[0], false)) &&
           wc_jdict_new(r, &u->seen) && wc_jgenerator(r, next_unique, self, u, "generator", out);
}

/* map, select and the like: their arguments, kept until the items are asked for. */
struct mapping {
    wc_jcall call; /* the call's own arguments, copied */
    bool ready, attribute, negate;
    struct getter getter;
    const wc_jfunction *function; /* NULL: truth, or the attribute alone */
    wc_jcall rest;                /* arguments of the function */
};

static bool copy_call(wc_jrun *r, const wc_jcall *call, wc_jcall *out)
{
    size_t n = (size_t)call->n_positional, k = (size_t)call->n_keywords;
    wc_jv *all = wc_jalloc(r, n + 2 * k, sizeof *all);
    if (!all)
        return false;
    if (n > 0)
        memcpy(all, call->positional, n * sizeof *all);
    if (k > 0) {
        memcpy(all + n, call->keywords, k * sizeof *all);
        memcpy(all + n + k, call->values, k * sizeof *all);
    }
    *out = (wc_jcall){all, all + n, all + n + k, call->n_positional, call->n_keywords};
    return true;
}

/* The function named by argument from, and the arguments behind it. */
static bool find_function(wc_jrun *r, struct mapping *m, int from, bool test)
{
    wc_jv name = m->call.positional[from];
    m->rest = m->call;
    m->rest.positional += from + 1;
    m->rest.n_positional -= from + 1;
    if (name.type == WC_J_STR)
        m->function = test ? wc_jfind_test(name.u.str->s, name.u.str->n)
                           : wc_jfind_filter(name.u.str->s, name.u.str->n);
    if (m->function)
        return true;
    wc_buf text;
    wc_jbuf(&text);
    if (wc_jrepr(r, &text, name))
        wc_jfail(r, WC_JINJA_RUNTIME, "No %s named %s.", test ? "test" : "filter", wc_buf_str(&text));
    wc_buf_release(&text);
    return false;
}

static bool prepare_map(wc_jrun *r, struct mapping *m)
{
    wc_jv attribute = wc_jmissing(), fallback = wc_jmissing();
    m->ready = true;
    if (m->call.n_positional > 0)
        return find_function(r, m, 0, false);
    for (int i = 0; i < m->call.n_keywords; i++) {
        if (wc_jstr_is(m->call.keywords[i], "attribute"))
            attribute = m->call.values[i];
        else if (wc_jstr_is(m->call.keywords[i], "default"))
            fallback = m->call.values[i];
        else
            return wc_jfail(r, WC_JINJA_RUNTIME, "Unexpected keyword argument '%.*s'",
                            (int)m->call.keywords[i].u.str->n, m->call.keywords[i].u.str->s);
    }
    if (attribute.type == WC_J_MISSING)
        return wc_jfail(r, WC_JINJA_RUNTIME, "map requires a filter argument");
    if (!getter_init(r, &m->getter, attribute, false, false))
        return false;
    m->getter.fallback = fallback.type == WC_J_NONE ? wc_jmissing() : fallback;
    return true;
}

static bool start(wc_jrun *r, wc_jiter *it, bool (*prepare)(wc_jrun *r, struct mapping *m))
{
    struct mapping *m = it->state;
    if (m->ready)
        return true;
    if (!wc_jtruth(r, it->source) || !prepare(r, m))
        return false;
    it->inner = wc_jiterate(r, it->source);
    return it->inner != NULL;
}

static bool next_mapped(wc_jrun *r, wc_jiter *it, wc_jv *out)
{
    const struct mapping *m = it->state;
    wc_jv item;
    if (!start(r, it, prepare_map) || !wc_jnext(r, it->inner, &item))
        return false;
    return m->function ? wc_jcall_function(r, m->function, item, &m->rest, out)
                       : get(r, &m->getter, item, out);
}

WC_JFILTER(map)
{
    struct mapping *m = wc_jalloc(r, 1, sizeof *m);
    (void)args;
    return m && copy_call(r, call, &m->call) && wc_jgenerator(r, next_mapped, self, m, "generator", out);
}

static bool prepare_select(wc_jrun *r, struct mapping *m)
{
    int from = m->attribute ? 1 : 0;
    m->ready = true;
    if (m->attribute) {
        if (m->call.n_positional == 0)
            return wc_jfail(r, WC_JINJA_RUNTIME, "Missing parameter for attribute name");
        if (!getter_init(r, &m->getter, m->call.positional[0], false, false))
            return false;
    }
    return m->call.n_positional <= from || find_function(r, m, from, true);
}

static bool next_selected(wc_jrun *r, wc_jiter *it, wc_jv *out)
{
    const struct mapping *m = it->state;
    if (!start(r, it, prepare_select))
        return false;
    while (wc_jnext(r, it->inner, out)) {
        wc_jv value = *out;
        if (m->attribute && !get(r, &m->getter, *out, &value))
            return false;
        if (m->function && !wc_jcall_function(r, m->function, value, &m->rest, &value))
            return false;
        if (wc_jtruth(r, value) != m->negate)
            return true;
    }
    return false;
}

static bool make_select(wc_jrun *r, wc_jv self, const wc_jcall *call, bool attribute, bool negate, wc_jv *out)
{
    struct mapping *m = wc_jalloc(r, 1, sizeof *m);
    if (!m || !copy_call(r, call, &m->call))
        return false;
    m->attribute = attribute;
    m->negate = negate;
    return wc_jgenerator(r, next_selected, self, m, "generator", out);
}

WC_JFILTER(select)
{
    (void)args;
    return make_select(r, self, call, false, false, out);
}

WC_JFILTER(reject)
{
    (void)args;
    return make_select(r, self, call, false, true, out);
}

WC_JFILTER(selectattr)
{
    (void)args;
    return make_select(r, self, call, true, false, out);
}

WC_JFILTER(rejectattr)
{
    (void)args;
    return make_select(r, self, call, true, true, out);
}

/* ---- folding ---- */

WC_JFILTER(sum)
{
    struct getter g;
    wc_jv item, total = args[1].type == WC_J_MISSING ? wc_jint(0) : args[1];
    (void)call;
    if (total.type == WC_J_STR)
        return wc_jfail_type(r, "sum() can't sum strings [use ''.join(seq) instead]");
    if (!getter_init(r, &g, args[0], false, false))
        return false;
    wc_jiter *it = wc_jiterate(r, self);
    while (it && wc_jnext(r, it, &item))
        if (!get(r, &g, item, &item) || !wc_jbinary(r, WC_JT_ADD, total, item, &total))
            return false;
    *out = total;
    return !r->failed;
}

/* Under autoescape Markup makes everything Markup. */
static bool join_markup(wc_jrun *r, wc_jv list, wc_jv separator, wc_jv *out)
{
    bool markup = separator.flags & WC_J_MARKUP;
    wc_buf b;
    for (size_t i = 0; i < list.u.list->n; i++)
        markup |= list.u.list->items[i].type == WC_J_STR && (list.u.list->items[i].flags & WC_J_MARKUP);
    wc_jbuf(&b);
    bool ok = !markup || wc_jescape(r, separator, &separator);
    for (size_t i = 0; ok && i < list.u.list->n; i++) {
        wc_jv item = list.u.list->items[i];
        ok = markup ? wc_jescape(r, item, &item) : wc_jto_str(r, item, &item);
        if (ok && i > 0)
            wc_buf_add(&b, separator.u.str->s, separator.u.str->n);
        if (ok)
            wc_buf_add(&b, item.u.str->s, item.u.str->n);
    }
    if (!wc_jstring_take(r, &b, out))
        return false;
    out->flags = markup ? WC_J_MARKUP : 0;
    return true;
}

WC_JFILTER(join)
{
    struct getter g;
    wc_jv item, separator;
    wc_jlist_builder items = {0};
    wc_buf b;
    (void)call;
    if (args[0].type == WC_J_MISSING ? !wc_jstring_literal(r, "", &separator)
                                     : !wc_jsoft_str(r, args[0], &separator))
        return false;
    if (!getter_init(r, &g, args[1], false, false))
        return false;
    wc_jiter *it = wc_jiterate(r, self);
    wc_jbuf(&b);
    for (bool first = true; it && wc_jnext(r, it, &item); first = false) {
        if (!get(r, &g, item, &item))
            break;
        if (r->autoescape) {
            if (!wc_jlist_add(r, &items, item))
                break;
            continue;
        }
        if (!first)
            wc_buf_add(&b, separator.u.str->s, separator.u.str->n);
        if (!wc_jprint(r, &b, item))
            break;
    }
    if (!r->autoescape || r->failed)
        return wc_jstring_take(r, &b, out);
    wc_buf_release(&b);
    return wc_jlist_take(r, &items, WC_J_LIST, &item) && join_markup(r, item, separator, out);
}
