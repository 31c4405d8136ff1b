/* jinja_iter.c - walking over values, and sorting them.
 *
 * Iterators are lazy, as Python's generators are: a filter such as map computes an item when somebody asks for it, and
 * can be walked once.  Lists, strings and dicts give a new iterator each time; an iterator gives itself. */
#include <string.h>

#include "text/jinja_value.h"

static bool next_item(wc_jrun *r, wc_jiter *it, wc_jv *item)
{
    (void)r;
    const wc_jlist *list = it->source.u.list;
    if (it->pos >= list->n)
        return false;
    *item = list->items[it->pos++];
    return true;
}

static bool next_char(wc_jrun *r, wc_jiter *it, wc_jv *item)
{
    const wc_jstr *str = it->source.u.str;
    size_t n = 1;
    if (it->pos >= str->n)
        return false;
    while (it->pos + n < str->n && ((unsigned char)str->s[it->pos + n] & 0xc0) == 0x80)
        n++;
    if (!wc_jstring_view(r, str->s + it->pos, n, item))
        return false;
    item->u.str->points = 1;
    it->pos += n;
    return true;
}

static bool next_byte(wc_jrun *r, wc_jiter *it, wc_jv *item)
{
    (void)r;
    if (it->pos >= it->source.u.str->n)
        return false;
    *item = wc_jint((unsigned char)it->source.u.str->s[it->pos++]);
    return true;
}

static bool next_entry(wc_jrun *r, wc_jiter *it, wc_jv *item)
{
    const wc_jdict *d = it->source.u.dict;
    if (it->pos >= d->n)
        return false;
    const wc_jentry *e = &d->entries[it->pos++];
    int what = it->source.type == WC_J_VIEW ? it->source.sub : WC_J_KEYS;
    if (what == WC_J_ITEMS)
        return wc_jpair(r, e->key, e->value, item);
    *item = what == WC_J_KEYS ? e->key : e->value;
    return true;
}

static bool next_in_range(wc_jrun *r, wc_jiter *it, wc_jv *item)
{
    (void)r;
    const struct wc_jrange *range = it->source.u.range;
    if (it->pos >= range->n)
        return false;
    *item = wc_jint(range->start + (int64_t)it->pos++ * range->step);
    return true;
}

static bool next_nothing(wc_jrun *r, wc_jiter *it, wc_jv *item)
{
    (void)r;
    (void)it;
    (void)item;
    return false;
}

static wc_jnext_fn walker(wc_jv v)
{
    switch (v.type) {
    case WC_J_UNDEFINED:
        return next_nothing;
    case WC_J_STR:
        return next_char;
    case WC_J_BYTES:
        return next_byte;
    case WC_J_LIST:
    case WC_J_TUPLE:
        return next_item;
    case WC_J_DICT:
    case WC_J_VIEW:
        return next_entry;
    case WC_J_RANGE:
        return next_in_range;
    default:
        return NULL;
    }
}

bool wc_jiterable(wc_jv v)
{
    return v.type == WC_J_ITER || walker(v) != NULL;
}

wc_jiter *wc_jiterate(wc_jrun *r, wc_jv v)
{
    if (v.type == WC_J_ITER)
        return v.u.iter;
    wc_jnext_fn next = walker(v);
    if (!next) {
        wc_jfail_type(r, "'%s' object is not iterable", wc_jtype_name(v));
        return NULL;
    }
    wc_jiter *it = wc_jalloc(r, 1, sizeof *it);
    if (it)
        *it = (wc_jiter){.next = next, .source = v, .type_name = "iterator"};
    return it;
}

bool wc_jnext(wc_jrun *r, wc_jiter *it, wc_jv *item)
{
    if (it->done || r->failed || !wc_jsteps(r, 1) || !wc_jdeep(r))
        return false;
    if (it->next(r, it, item))
        return true;
    it->done = true;
    return false;
}

bool wc_jgenerator(wc_jrun *r, wc_jnext_fn next, wc_jv source, void *state, const char *type_name, wc_jv *out)
{
    wc_jiter *it = wc_jalloc(r, 1, sizeof *it);
    if (!it)
        return false;
    *it = (wc_jiter){.next = next, .source = source, .state = state, .type_name = type_name};
    *out = (wc_jv){.type = WC_J_ITER, .u.iter = it};
    return true;
}

bool wc_jto_list(wc_jrun *r, wc_jv v, enum wc_jtype type, wc_jv *out)
{
    if (v.type == WC_J_LIST || v.type == WC_J_TUPLE) {
        bool ok = wc_jlist_of(r, type, v.u.list->items, v.u.list->n, out);
        if (ok)
            out->u.list->grow = v.u.list->grow;
        return ok;
    }
    wc_jlist_builder b = {0};
    wc_jv item;
    wc_jiter *it = wc_jiterate(r, v);
    if (!it)
        return false;
    while (wc_jnext(r, it, &item))
        if (!wc_jlist_add(r, &b, item))
            return false;
    return wc_jlist_take(r, &b, type, out);
}

/* Merges order [from, middle) and [middle, to) by way of room. */
static bool merge(wc_jrun *r, const wc_jv *keys, bool reverse, size_t *order, size_t *room, size_t from,
                  size_t middle, size_t to)
{
    size_t a = from, b = middle;
    memcpy(room + from, order + from, (to - from) * sizeof *room);
    for (size_t i = from; i < to; i++) {
        bool second = a == middle;
        if (a < middle && b < to) {
            int sign;
            /* Python asks only whether the later one is less. */
            const wc_jv *x = &keys[room[b]], *y = &keys[room[a]];
            if (!wc_jsteps(r, 1) || !wc_jorder(r, reverse ? *y : *x, reverse ? *x : *y, "<", &sign))
                return false;
            second = sign == -1;
        }
        order[i] = room[second ? b++ : a++];
    }
    return true;
}

bool wc_jsort(wc_jrun *r, const wc_jv *keys, size_t n, bool reverse, size_t *order)
{
    size_t *room = wc_jalloc(r, n, sizeof *room);
    if (!room)
        return false;
    for (size_t i = 0; i < n; i++)
        order[i] = i;
    for (size_t width = 1; width < n; width *= 2)
        for (size_t from = 0; from + width < n; from += 2 * width) {
            size_t to = from + 2 * width < n ? from + 2 * width : n;
            if (!merge(r, keys, reverse, order, room, from, from + width, to))
                return false;
        }
    return true;
}
