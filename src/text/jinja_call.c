/* jinja_call.c - calling: how arguments meet parameters, and the global functions. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "text/jinja_ast.h"
#include "text/jinja_value.h"

const wc_jfunction *wc_jfind(const wc_jfunction *table, const char *name, size_t n)
{
    for (; table->name; table++)
        if (strlen(table->name) == n && memcmp(table->name, name, n) == 0)
            return table;
    return NULL;
}

/* The parameters of a function, one after another. */
struct parameter {
    const char *name;
    size_t n;
    bool optional;
};

static const char *next_parameter(const char *at, struct parameter *p)
{
    p->name = at;
    p->n = strcspn(at, ",?");
    at += p->n;
    p->optional = *at == '?';
    at += p->optional;
    return *at == ',' ? at + 1 : at;
}

static bool bind_keyword(wc_jrun *r, const wc_jfunction *f, const char *parameters, wc_jv keyword,
                         wc_jv value, wc_jv *args)
{
    struct parameter p;
    int i = 0;
    for (const char *at = parameters; *at; i++) {
        at = next_parameter(at, &p);
        if (p.n != keyword.u.str->n || memcmp(p.name, keyword.u.str->s, p.n) != 0)
            continue;
        if (args[i].type != WC_J_MISSING)
            return wc_jfail_type(r, "%s() got multiple values for argument '%.*s'", f->name, (int)p.n,
                                 p.name);
        args[i] = value;
        return true;
    }
    return wc_jfail_type(r, "%s() got an unexpected keyword argument '%.*s'", f->name, (int)keyword.u.str->n,
                         keyword.u.str->s);
}

static bool bind(wc_jrun *r, const wc_jfunction *f, const wc_jcall *call, wc_jv *args)
{
    const char *parameters = f->parameters;
    bool by_place = parameters[0] == '/'; /* keywords are refused */
    struct parameter p;
    int n = 0;
    parameters += by_place;
    for (const char *at = parameters; *at; n++)
        at = next_parameter(at, &p);
    if (call->n_positional > n)
        return wc_jfail_type(r, "%s() takes at most %d argument%s (%d given)", f->name, n, n == 1 ? "" : "s",
                             call->n_positional);
    for (int i = 0; i < call->n_positional; i++)
        args[i] = call->positional[i];
    if (by_place && call->n_keywords > 0)
        return wc_jfail_type(r, "%s() takes no keyword arguments", f->name);
    for (int i = 0; i < call->n_keywords; i++)
        if (!bind_keyword(r, f, parameters, call->keywords[i], call->values[i], args))
            return false;
    int i = 0;
    for (const char *at = parameters; *at; i++) {
        at = next_parameter(at, &p);
        if (!p.optional && args[i].type == WC_J_MISSING)
            return wc_jfail_type(r, "%s() missing required argument: '%.*s'", f->name, (int)p.n, p.name);
    }
    return true;
}

bool wc_jcall_function(wc_jrun *r, const wc_jfunction *f, wc_jv self, const wc_jcall *call, wc_jv *out)
{
    wc_jv args[WC_J_MAX_ARGS];
    for (int i = 0; i < WC_J_MAX_ARGS; i++)
        args[i] = wc_jmissing();
    if (f->parameters[0] != '*' && !bind(r, f, call, args))
        return false;
    return f->fn(r, self, args, call, out);
}

static bool call_joiner(wc_jv joiner, wc_jrun *r, wc_jv *out)
{
    bool used = joiner.u.cycler->used;
    joiner.u.cycler->used = true;
    if (used)
        *out = joiner.u.cycler->separator;
    return used || wc_jstring_literal(r, "", out);
}

static bool one_argument(wc_jrun *r, const wc_jcall *call, const char *name)
{
    return (call->n_positional == 1 && call->n_keywords == 0) ||
           wc_jfail_type(r, "%s takes exactly one argument (%d given)", name,
                         call->n_positional + call->n_keywords);
}

bool wc_jcall_value(wc_jrun *r, wc_jv callee, const wc_jcall *call, wc_jv *out)
{
    switch (callee.type) {
    case WC_J_MACRO:
        return wc_jcall_macro(r, callee.u.macro, call, out);
    case WC_J_FUNCTION:
        return wc_jcall_function(r, callee.u.function, wc_jmissing(), call, out);
    case WC_J_METHOD:
        return wc_jcall_function(r, callee.u.method->function, callee.u.method->self, call, out);
    case WC_J_LOOP:
        return one_argument(r, call, "loop()") && wc_jcall_loop(r, callee.u.loop, call->positional[0], out);
    case WC_J_JOINER:
        return call_joiner(callee, r, out);
    case WC_J_BLOCK:
        return wc_jcall_block(r, callee.u.block, out);
    case WC_J_UNDEFINED:
        return wc_jfail_undefined(r, callee);
    default:
        return wc_jfail_type(r, "'%s' object is not callable", wc_jtype_name(callee));
    }
}

/* ---- the global functions ---- */

static bool g_raise_exception(wc_jrun *r, wc_jv self, const wc_jv *args, const wc_jcall *call, wc_jv *out)
{
    wc_jv text;
    (void)self, (void)call, (void)out;
    return wc_jto_str(r, args[0], &text) &&
           wc_jfail(r, WC_JINJA_RAISED, "%.*s", (int)text.u.str->n, text.u.str->s);
}

static void local_time(struct tm *tm)
{
    time_t now = time(NULL);
    memset(tm, 0, sizeof *tm);
    localtime_r(&now, tm);
}

static void given_time(struct tm *tm, const struct wc_jinja_clock *clock)
{
    *tm = (struct tm){.tm_year = clock->year - 1900,
                      .tm_mon = clock->month - 1,
                      .tm_mday = clock->day,
                      .tm_hour = clock->hour,
                      .tm_min = clock->minute,
                      .tm_sec = clock->second,
                      .tm_isdst = -1};
    struct tm noon = *tm; /* fills in the days of week and year, away from changes of the clock */
    noon.tm_hour = 12;
    mktime(&noon);
    tm->tm_wday = noon.tm_wday;
    tm->tm_yday = noon.tm_yday;
}

bool wc_jinja_clock_parse(struct wc_jinja_clock *clock, const char *text)
{
    static const int days[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int used = 0;
    struct wc_jinja_clock c;
    if (strlen(text) != 19 || sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d%n", &c.year, &c.month, &c.day, &c.hour,
                                     &c.minute, &c.second, &used) != 6)
        return false;
    bool leap = (c.year % 4 == 0 && c.year % 100 != 0) || c.year % 400 == 0;
    if (used != 19 || c.year < 1 || c.month < 1 || c.month > 12 || c.day < 1 || c.day > days[c.month - 1] ||
        (c.month == 2 && c.day == 29 && !leap) || c.hour < 0 || c.hour > 23 || c.minute < 0 ||
        c.minute > 59 || c.second < 0 || c.second > 59)
        return false;
    *clock = c;
    return true;
}

/* The format with what C's strftime does not have: %f is microseconds, %z and %Z are empty for a time without zone. */
static void python_format(wc_buf *b, const wc_jstr *format)
{
    for (size_t i = 0; i < format->n; i++) {
        char next = format->s[i] == '%' && i + 1 < format->n ? format->s[i + 1] : '\0';
        if (next == 'f')
            wc_buf_puts(b, "000000");
        else if (next && next != 'z' && next != 'Z')
            wc_buf_add(b, format->s + i, 2);
        else if (!next)
            wc_buf_putc(b, format->s[i]);
        i += next != '\0';
    }
}

static bool g_strftime_now(wc_jrun *r, wc_jv self, const wc_jv *args, const wc_jcall *call, wc_jv *out)
{
    enum { MAX_FORMAT = 32 << 10, ROOM = 256 << 10 };
    struct tm tm;
    wc_buf format;
    (void)self, (void)call;
    if (args[0].type != WC_J_STR)
        return wc_jfail_type(r, "strftime() argument 1 must be str, not %s", wc_jtype_name(args[0]));
    if (args[0].u.str->n > MAX_FORMAT)
        return wc_jfail(r, WC_JINJA_LIMIT, "a strftime format is too long: more than the limit of %d bytes",
                        MAX_FORMAT);
    if (memchr(args[0].u.str->s, '\0', args[0].u.str->n))
        return wc_jfail(r, WC_JINJA_RUNTIME, "strftime: embedded null character");
    if (r->now)
        given_time(&tm, r->now);
    else
        local_time(&tm);
    wc_jbuf(&format);
    wc_buf_putc(&format, 'x'); /* so that an empty result can be told from one that does not fit */
    python_format(&format, args[0].u.str);
    char *text = wc_jalloc(r, ROOM, 1);
    bool ok = text && wc_buf_ok(&format) && wc_jsteps(r, format.size / 4);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    size_t n = ok ? strftime(text, ROOM, wc_buf_str(&format), &tm) : 0;
#pragma GCC diagnostic pop
    wc_buf_release(&format);
    if (!ok)
        return false;
    if (n == 0)
        return wc_jfail(r, WC_JINJA_LIMIT, "a formatted time is too long: more than the limit of %d bytes",
                        ROOM);
    return wc_jstring(r, text + 1, n - 1, out);
}

static bool range_length(wc_jrun *r, const struct wc_jrange *range, size_t *n)
{
    uint64_t distance, size = range->step < 0 ? 0 - (uint64_t)range->step : (uint64_t)range->step;
    *n = 0;
    if (range->step > 0 ? range->start >= range->stop : range->start <= range->stop)
        return true;
    distance = range->step > 0 ? (uint64_t)range->stop - (uint64_t)range->start
                               : (uint64_t)range->start - (uint64_t)range->stop;
    uint64_t count = (distance - 1) / size + 1;
    *n = (size_t)count;
    return count <= WC_JINJA_MAX_RANGE ||
           wc_jfail(r, WC_JINJA_RUNTIME,
                    "Range too big. The sandbox blocks ranges larger than MAX_RANGE (%d).",
                    WC_JINJA_MAX_RANGE);
}

static bool g_range(wc_jrun *r, wc_jv self, const wc_jv *args, const wc_jcall *call, wc_jv *out)
{
    struct wc_jrange *range = wc_jalloc(r, 1, sizeof *range);
    bool one = args[1].type == WC_J_MISSING;
    (void)self, (void)call;
    if (!range || !wc_jarg_int(r, one ? wc_jmissing() : args[0], 0, &range->start) ||
        !wc_jarg_int(r, args[one ? 0 : 1], 0, &range->stop) || !wc_jarg_int(r, args[2], 1, &range->step))
        return false;
    if (range->step == 0)
        return wc_jfail(r, WC_JINJA_RUNTIME, "range() arg 3 must not be zero");
    *out = (wc_jv){.type = WC_J_RANGE, .u.range = range};
    return range_length(r, range, &range->n);
}

/* Pairs of a list, as dict() takes them. */
static bool add_pairs(wc_jrun *r, wc_jdict *d, wc_jv pairs)
{
    wc_jv item, pair;
    wc_jiter *it = wc_jiterate(r, pairs);
    for (int i = 0; it && wc_jnext(r, it, &item); i++) {
        if (!wc_jiterable(item))
            return wc_jfail_type(r, "cannot convert dictionary update sequence element #%d to a sequence", i);
        if (!wc_jto_list(r, item, WC_J_LIST, &pair))
            return false;
        if (pair.u.list->n != 2)
            return wc_jfail(r, WC_JINJA_RUNTIME,
                            "dictionary update sequence element #%d has length %zu; 2 is required", i,
                            pair.u.list->n);
        if (!wc_jdict_set(r, d, pair.u.list->items[0], pair.u.list->items[1]))
            return false;
    }
    return !r->failed;
}

bool wc_jmake_dict(wc_jrun *r, const wc_jcall *call, wc_jv *out)
{
    if (call->n_positional > 1)
        return wc_jfail_type(r, "dict expected at most 1 argument, got %d", call->n_positional);
    if (!wc_jdict_new(r, out))
        return false;
    if (call->n_positional == 1) {
        wc_jv from = call->positional[0];
        if (from.type == WC_J_DICT ? !wc_jdict_copy(r, from.u.dict, out) : !add_pairs(r, out->u.dict, from))
            return false;
    }
    for (int i = 0; i < call->n_keywords; i++)
        if (!wc_jdict_set(r, out->u.dict, call->keywords[i], call->values[i]))
            return false;
    return true;
}

static bool g_dict(wc_jrun *r, wc_jv self, const wc_jv *args, const wc_jcall *call, wc_jv *out)
{
    (void)self, (void)args;
    return wc_jmake_dict(r, call, out);
}

static bool g_namespace(wc_jrun *r, wc_jv self, const wc_jv *args, const wc_jcall *call, wc_jv *out)
{
    (void)self, (void)args;
    if (!wc_jmake_dict(r, call, out))
        return false;
    const wc_jdict *d = out->u.dict;
    for (size_t i = 0; i < d->n; i++) {
        wc_jv key = d->entries[i].key;
        if (key.type == WC_J_STR && key.u.str->n > 0 && key.u.str->s[0] == '_')
            return wc_jfail(
                r, WC_JINJA_SECURITY,
                "Chat templates cannot store underscore-prefixed attributes on a namespace, but got "
                "'%.*s'. Please rename the attribute.",
                (int)key.u.str->n, key.u.str->s);
    }
    out->type = WC_J_NAMESPACE;
    return true;
}

static bool g_cycler(wc_jrun *r, wc_jv self, const wc_jv *args, const wc_jcall *call, wc_jv *out)
{
    wc_jcycler *cycler = wc_jalloc(r, 1, sizeof *cycler);
    wc_jv *items = wc_jalloc(r, (size_t)call->n_positional, sizeof *items), list;
    (void)self, (void)args;
    if (!cycler || !items)
        return false;
    if (call->n_keywords > 0)
        return wc_jfail_type(r, "Cycler() got an unexpected keyword argument");
    if (call->n_positional == 0)
        return wc_jfail(r, WC_JINJA_RUNTIME, "at least one item has to be provided");
    memcpy(items, call->positional, (size_t)call->n_positional * sizeof *items);
    if (!wc_jlist_of(r, WC_J_TUPLE, items, (size_t)call->n_positional, &list))
        return false;
    cycler->items = list.u.list;
    *out = (wc_jv){.type = WC_J_CYCLER, .u.cycler = cycler};
    return true;
}

static bool g_joiner(wc_jrun *r, wc_jv self, const wc_jv *args, const wc_jcall *call, wc_jv *out)
{
    wc_jcycler *joiner = wc_jalloc(r, 1, sizeof *joiner);
    (void)self, (void)call;
    if (!joiner)
        return false;
    joiner->separator = args[0];
    if (args[0].type == WC_J_MISSING && !wc_jstring_literal(r, ", ", &joiner->separator))
        return false;
    *out = (wc_jv){.type = WC_J_JOINER, .u.cycler = joiner};
    return true;
}

static bool g_lipsum(wc_jrun *r, wc_jv self, const wc_jv *args, const wc_jcall *call, wc_jv *out)
{
    (void)self, (void)args, (void)call, (void)out;
    return wc_jfail(r, WC_JINJA_RUNTIME, "lipsum() is not supported: it makes random text");
}

static const wc_jfunction GLOBALS[] = {{"range", "/start,stop?,step?", g_range},
                                       {"dict", "*", g_dict},
                                       {"namespace", "*", g_namespace},
                                       {"cycler", "*", g_cycler},
                                       {"joiner", "sep?", g_joiner},
                                       {"lipsum", "n?,html?,min?,max?", g_lipsum},
                                       {"raise_exception", "message", g_raise_exception},
                                       {"strftime_now", "format", g_strftime_now},
                                       {0}};

const wc_jfunction *wc_jfind_global(const char *name, size_t n)
{
    return wc_jfind(GLOBALS, name, n);
}
