/* jinja_value.h - the values a template computes with, and the state of one rendering.
 *
 * A value is 16 bytes and passed by value.  What it points to lives in the rendering's arena (or in the template's, for
 * literals) until the rendering ends, and is immutable but for namespaces, iterators, loops and the like; so values are
 * shared without counting.  Strings are UTF-8 that is known to be valid and behave as sequences of code points.
 *
 * Functions that can fail return false after wc_jfail; the first failure stays in the run. */
#ifndef WC_TEXT_JINJA_VALUE_H
#define WC_TEXT_JINJA_VALUE_H
#include <stdint.h>

#include "base/arena.h"
#include "text/jinja.h"

enum wc_jtype {
    WC_J_MISSING, /* no value at all: an argument not given, a name not bound */
    WC_J_UNDEFINED,
    WC_J_NONE,
    WC_J_BOOL,
    WC_J_INT,
    WC_J_BIGINT, /* an integer that does not fit int64_t */
    WC_J_FLOAT,
    WC_J_STR,
    WC_J_BYTES,
    WC_J_LIST,
    WC_J_TUPLE,
    WC_J_DICT,
    WC_J_VIEW, /* keys(), values(), items() of a dict */
    WC_J_RANGE,
    WC_J_ITER, /* a generator: it can be walked once */
    WC_J_NAMESPACE,
    WC_J_MACRO,
    WC_J_FUNCTION, /* a global: range, namespace, dict ... */
    WC_J_METHOD,   /* a method bound to its object */
    WC_J_LOOP,
    WC_J_CYCLER,
    WC_J_JOINER,
    WC_J_SELF,
    WC_J_BLOCK
};

enum {
    WC_J_MARKUP = 1, /* flag of a string: it is HTML already */
    WC_J_GROUP = 2   /* flag of a tuple: made by groupby, has .grouper and .list */
};

typedef struct wc_jv {
    uint8_t type, flags;
    uint8_t sub; /* of a view: enum wc_jview */
    union {
        bool boolean;
        int64_t integer;
        double number;
        struct wc_jbig *big;
        struct wc_jstr *str;   /* bytes too */
        struct wc_jlist *list; /* tuples too */
        struct wc_jdict *dict; /* views and namespaces too */
        const struct wc_jrange *range;
        struct wc_jiter *iter;
        struct wc_jmacro *macro;
        const struct wc_jfunction *function;
        struct wc_jmethod *method;
        struct wc_jloop *loop;
        struct wc_jcycler *cycler; /* joiners too */
        const struct wc_jundefined *undefined;
        const struct wc_jnode *block;
    } u;
} wc_jv;

enum wc_jview { WC_J_KEYS, WC_J_VALUES, WC_J_ITEMS };

typedef struct wc_jstr {
    const char *s; /* [n], not NUL-terminated */
    uint32_t n;
    uint32_t points;       /* code points; UINT32_MAX: not counted yet */
    struct wc_jgrow *grow; /* room behind the string, or NULL */
} wc_jstr;

typedef struct wc_jlist {
    const wc_jv *items; /* [n] */
    size_t n;
    struct wc_jgrow *grow;
} wc_jlist;

/* Room behind a string or a list: whoever ends where it is used up to may be continued in place, so that a template
 * that adds to a string in a loop takes linear time and memory. */
struct wc_jgrow {
    char *data;
    size_t used, room; /* bytes */
};

typedef struct wc_jentry {
    wc_jv key, value;
    uint64_t hash;
} wc_jentry;

typedef struct wc_jdict {
    wc_jentry *entries; /* [n], in the order of insertion */
    size_t n, room;
    uint32_t *index; /* [index_size] place + 1 in entries, 0: free; NULL while n is small */
    size_t index_size;
} wc_jdict;

struct wc_jrange {
    int64_t start, stop, step;
    size_t n;
};

/* Why a value is undefined: said when it is used. */
struct wc_jundefined {
    const char *hint; /* the whole message, or NULL: */
    wc_jv object;     /* has no attribute or element name; missing: the name is undefined */
    wc_jv name;
    bool security;
};

typedef struct wc_jrun wc_jrun;
typedef struct wc_jiter wc_jiter;
/* Puts the next item into *item; false at the end or after a failure (run->failed tells). */
typedef bool (*wc_jnext_fn)(wc_jrun *r, wc_jiter *it, wc_jv *item);
struct wc_jiter {
    wc_jnext_fn next;
    wc_jv source;
    size_t pos, n;
    wc_jiter *inner; /* of a generator: what it walks; NULL before the first step */
    void *state;
    const char *type_name; /* "generator" */
    bool done;
};

/* Arguments of a call, evaluated.  Keywords are strings. */
typedef struct wc_jcall {
    const wc_jv *positional;
    const wc_jv *keywords, *values; /* [n_keywords] */
    int n_positional, n_keywords;
} wc_jcall;

enum { WC_J_MAX_ARGS = 8 };

/* self: the filtered value, the object of a method; args: by the order of parameters, WC_J_MISSING when not given. */
typedef bool (*wc_jfunction_fn)(wc_jrun *r, wc_jv self, const wc_jv *args, const wc_jcall *call, wc_jv *out);

/* A filter, test, method or global function.  parameters: "a,b,c?,d?" with ? behind those that may be left out; "*"
 * takes anything, and the function looks at call itself. */
typedef struct wc_jfunction {
    const char *name, *parameters;
    wc_jfunction_fn fn;
} wc_jfunction;

typedef struct wc_jmethod {
    wc_jv self;
    const wc_jfunction *function;
} wc_jmethod;

typedef struct wc_jcycler {
    wc_jlist *items;
    size_t pos;
    wc_jv separator; /* of a joiner */
    bool used;
} wc_jcycler;

typedef struct wc_jscope wc_jscope;

typedef struct wc_jmacro {
    const struct wc_jname *name; /* NULL: the caller of a call block */
    const struct wc_jmacro_def *def;
    const struct wc_jnode *node; /* its body */
    wc_jscope *scope;            /* where it was defined */
} wc_jmacro;

typedef struct wc_jloop {
    wc_jiter *iter;
    wc_jv iterable;
    int64_t index0, length; /* length -1: not known yet */
    wc_jv current, before, after;
    bool has_after, started;
    wc_jv last_changed;
    int depth0;
    const struct wc_jnode *node; /* the loop, when it is recursive */
    wc_jscope *scope;            /* around it */
} wc_jloop;

enum {
#ifdef WC_FUZZING
    WC_JINJA_STEPS = 500000, /* a step is some ten times slower there */
#else
    WC_JINJA_STEPS = 20000000,
#endif
    WC_JINJA_MEMORY = 256 << 20,
    WC_JINJA_OUTPUT = 64 << 20,
#ifdef WC_POISON
    WC_JINJA_STACK = 384 << 10, /* the sanitizers' frames are larger */
#else
    WC_JINJA_STACK = 224 << 10, /* bytes of the C stack that a template's parser, or a rendering, may take */
#endif
    WC_JINJA_DEPTH = 200,       /* macros and recursive loops that are open at once */
    WC_JINJA_MAX_RANGE = 100000 /* as Jinja2's sandbox */
};

struct wc_jrun {
    const wc_jinja *t;
    wc_arena *arena;
    char *chunk; /* [chunk_left], what small pieces are cut from */
    size_t chunk_left;
    wc_buf *out;
    wc_jscope *root;   /* names assigned at the top level, over: */
    const wc_jv *vars; /* by name id: the caller's variables and the globals; missing ones too */
    const struct wc_jinja_clock *now;
    bool autoescape;
    bool constant;            /* what is printed now is a constant expression */
    const wc_jv *filter_text; /* the text of a filter block while its filter is evaluated */
    int line, depth;
    long steps;        /* left */
    const char *stack; /* where the C stack was at the start */
    bool failed;
    enum wc_jinja_kind kind;
    wc_error *err;
};

/* Fills run->err ("name: line 3: ...", or the text alone for WC_JINJA_RAISED) unless it is filled; returns false. */
bool wc_jfail(wc_jrun *r, enum wc_jinja_kind kind, const char *format, ...) WC_PRINTF(3, 4);
/* "unsupported", as Python's TypeError. */
#define wc_jfail_type(r, ...) wc_jfail(r, WC_JINJA_RUNTIME, __VA_ARGS__)
/* The error of using an undefined value. */
bool wc_jfail_undefined(wc_jrun *r, wc_jv v);
#if defined(__clang_analyzer__) && !defined(WC_DEFINES_JINJA_FAILURES) /* as in base/error.h */
#define wc_jfail(...)           (wc_jfail(__VA_ARGS__), false)
#define wc_jfail_undefined(...) (wc_jfail_undefined(__VA_ARGS__), false)
#endif
/* Takes n steps of work from the budget. */
bool wc_jsteps(wc_jrun *r, size_t n);
/* False when the C stack is deeper than it may be; to be called by all that recurse. */
bool wc_jdeep(wc_jrun *r);

/* From the run's arena, 16-byte aligned, zeroed; NULL after wc_jfail. */
void *wc_jalloc(wc_jrun *r, size_t n, size_t size);

/* ---- making values ---- */
static inline wc_jv wc_jmissing(void)
{
    return (wc_jv){.type = WC_J_MISSING};
}
static inline wc_jv wc_jnone(void)
{
    return (wc_jv){.type = WC_J_NONE};
}
static inline wc_jv wc_jbool(bool b)
{
    return (wc_jv){.type = WC_J_BOOL, .u.boolean = b};
}
static inline wc_jv wc_jint(int64_t i)
{
    return (wc_jv){.type = WC_J_INT, .u.integer = i};
}
static inline wc_jv wc_jfloat(double x)
{
    return (wc_jv){.type = WC_J_FLOAT, .u.number = x};
}
static inline bool wc_jis(wc_jv v, enum wc_jtype type)
{
    return v.type == type;
}
/* A copy of s [n], or s itself when it lives as long as the run (view). */
bool wc_jstring(wc_jrun *r, const char *s, size_t n, wc_jv *out);
bool wc_jstring_view(wc_jrun *r, const char *s, size_t n, wc_jv *out);
bool wc_jstring_literal(wc_jrun *r, const char *s, wc_jv *out);
/* Moves the text of b out and releases b, whatever happens. */
bool wc_jstring_take(wc_jrun *r, wc_buf *b, wc_jv *out);
/* Part of a string, by bytes; keeps Markup. */
bool wc_jstring_part(wc_jrun *r, wc_jv s, size_t start, size_t n, wc_jv *out);
/* A buffer for text that will become a value. */
void wc_jbuf(wc_buf *b);
/* items [n] belong to the arena already. */
bool wc_jlist_of(wc_jrun *r, enum wc_jtype type, const wc_jv *items, size_t n, wc_jv *out);
bool wc_jpair(wc_jrun *r, wc_jv a, wc_jv b, wc_jv *out); /* a tuple of two */
bool wc_jundefined_name(wc_jrun *r, const char *name, size_t n, wc_jv *out);
bool wc_jundefined_hint(wc_jrun *r, const char *hint, wc_jv *out);
bool wc_jundefined_member(wc_jrun *r, wc_jv object, wc_jv name, wc_jv *out);
/* What the sandbox does not give out. */
bool wc_jundefined_unsafe(wc_jrun *r, wc_jv object, wc_jv name, wc_jv *out);

/* A growing list. */
typedef struct wc_jlist_builder {
    wc_jv *items;
    size_t n, room;
} wc_jlist_builder;
bool wc_jlist_add(wc_jrun *r, wc_jlist_builder *b, wc_jv v);
bool wc_jlist_take(wc_jrun *r, wc_jlist_builder *b, enum wc_jtype type, wc_jv *out);
/* a + b of two lists or two tuples. */
bool wc_jlist_concat(wc_jrun *r, wc_jv a, wc_jv b, wc_jv *out);

/* ---- dicts ---- */
bool wc_jdict_new(wc_jrun *r, wc_jv *out);
bool wc_jdict_set(wc_jrun *r, wc_jdict *d, wc_jv key, wc_jv value);
/* *value is NULL when the key is not there; fails when it cannot be hashed. */
bool wc_jdict_find(wc_jrun *r, const wc_jdict *d, wc_jv key, const wc_jv **value);
bool wc_jdict_copy(wc_jrun *r, const wc_jdict *d, wc_jv *out);
bool wc_jhash(wc_jrun *r, wc_jv v, uint64_t *hash);

/* ---- asking values ---- */
const char *wc_jtype_name(wc_jv v); /* Python's: "str", "NoneType" */
bool wc_jtruth(wc_jrun *r, wc_jv v);
bool wc_jequal(wc_jrun *r, wc_jv a, wc_jv b, bool *equal);
/* Python's "is". */
bool wc_jsame(wc_jv a, wc_jv b);
/* -1, 0, 1; 2 for NaN.  op is for the message: "<". */
bool wc_jorder(wc_jrun *r, wc_jv a, wc_jv b, const char *op, int *order);
bool wc_jcontains(wc_jrun *r, wc_jv container, wc_jv item, bool *found);
bool wc_jlength(wc_jrun *r, wc_jv v, int64_t *n); /* len(): fails with Python's TypeError */
bool wc_jhas_length(wc_jv v);
size_t wc_jpoints(wc_jv s); /* code points of a string */
/* The byte offset of code point i of a string; its size when i is past the end. */
size_t wc_jpoint_offset(wc_jrun *r, wc_jv s, size_t i);
bool wc_jis_number(wc_jv v);  /* bool, int, float */
bool wc_jis_integer(wc_jv v); /* bool, int */
bool wc_jstr_is(wc_jv v, const char *s);

/* ---- iterating ---- */
bool wc_jiterable(wc_jv v);
/* An iterator over v: iter(v). */
wc_jiter *wc_jiterate(wc_jrun *r, wc_jv v);
/* The next item; false at the end and after a failure. */
bool wc_jnext(wc_jrun *r, wc_jiter *it, wc_jv *item);
/* list(v) */
bool wc_jto_list(wc_jrun *r, wc_jv v, enum wc_jtype type, wc_jv *out);
/* order [n]: the places of keys from least to greatest; equal ones stay in order, also when reversed. */
bool wc_jsort(wc_jrun *r, const wc_jv *keys, size_t n, bool reverse, size_t *order);
/* A generator object. */
bool wc_jgenerator(wc_jrun *r, wc_jnext_fn next, wc_jv source, void *state, const char *type_name,
                   wc_jv *out);

/* ---- arithmetic: jinja_ops.c, jinja_int.c ---- */
/* op: a token type, + - * / // % **. */
bool wc_jbinary(wc_jrun *r, int op, wc_jv a, wc_jv b, wc_jv *out);
bool wc_jnegative(wc_jrun *r, wc_jv a, wc_jv *out);
bool wc_jconcat(wc_jrun *r, wc_jv a, wc_jv b, wc_jv *out); /* of two strings */
bool wc_jint_binary(wc_jrun *r, int op, wc_jv a, wc_jv b, wc_jv *out);
bool wc_jint_negative(wc_jrun *r, wc_jv a, wc_jv *out);
int wc_jint_order(wc_jv a, wc_jv b);
double wc_jint_double(wc_jv a); /* may be infinite */
/* The integer part of x, which is finite. */
bool wc_jint_from_double(wc_jrun *r, double x, wc_jv *out);
/* digits [n] of base 2 to 36, no sign; false without a failure when one is none. */
bool wc_jint_from_digits(wc_jrun *r, wc_arena *a, const char *digits, size_t n, int base, wc_jv *out);
/* Digits of base 2, 8, 10 or 16, with a minus sign. */
bool wc_jint_print(wc_jrun *r, wc_buf *b, wc_jv v, int base);
uint64_t wc_jint_hash(wc_jv v);

/* ---- access: jinja_access.c ---- */
bool wc_jgetattr(wc_jrun *r, wc_jv object, wc_jv name, wc_jv *out);
bool wc_jgetitem(wc_jrun *r, wc_jv object, wc_jv key, wc_jv *out);
bool wc_jslice(wc_jrun *r, wc_jv object, wc_jv start, wc_jv stop, wc_jv step, wc_jv *out);

/* ---- text: jinja_print.c, jinja_format.c ---- */
bool wc_jprint(wc_jrun *r, wc_buf *b, wc_jv v); /* str() */
bool wc_jrepr(wc_jrun *r, wc_buf *b, wc_jv v);
bool wc_jto_str(wc_jrun *r, wc_jv v, wc_jv *out);   /* str(), plain: Markup becomes a string */
bool wc_jsoft_str(wc_jrun *r, wc_jv v, wc_jv *out); /* strings stay as they are */
bool wc_jescape(wc_jrun *r, wc_jv v, wc_jv *out);   /* Markup */
void wc_jescape_text(wc_buf *b, const char *s, size_t n);
void wc_jfloat_print(wc_buf *b, double x); /* repr */
struct wc_jjson_style {
    bool ascii, sort_keys;
    const char *indent; /* one level, or NULL: on one line */
    size_t n_indent;
    wc_jv item_separator, key_separator; /* strings */
};
bool wc_jjson(wc_jrun *r, wc_buf *b, wc_jv v, const struct wc_jjson_style *style);
bool wc_jformat_percent(wc_jrun *r, wc_jv format, wc_jv args, wc_jv *out);
bool wc_jformat_braces(wc_jrun *r, wc_jv format, const wc_jcall *call, wc_jv *out);

/* ---- calling: jinja_call.c, jinja_eval.c ---- */
bool wc_jcall_value(wc_jrun *r, wc_jv callee, const wc_jcall *call, wc_jv *out);
bool wc_jcall_function(wc_jrun *r, const wc_jfunction *f, wc_jv self, const wc_jcall *call, wc_jv *out);
bool wc_jcall_macro(wc_jrun *r, wc_jmacro *m, const wc_jcall *call, wc_jv *out);
bool wc_jcall_loop(wc_jrun *r, wc_jloop *loop, wc_jv iterable, wc_jv *out);
bool wc_jcall_block(wc_jrun *r, const struct wc_jnode *block, wc_jv *out);
const wc_jfunction *wc_jfind(const wc_jfunction *table, const char *name, size_t n);
const wc_jfunction *wc_jfind_filter(const char *name, size_t n);
const wc_jfunction *wc_jfind_test(const char *name, size_t n);
const wc_jfunction *wc_jfind_method(wc_jv self, const char *name, size_t n);
const wc_jfunction *wc_jfind_global(const char *name, size_t n);
/* Attributes and loop variables; *found tells. */
bool wc_jloop_attribute(wc_jrun *r, wc_jloop *loop, wc_jv name, wc_jv *out, bool *found);
/* dict(*args, **kwargs) */
bool wc_jmake_dict(wc_jrun *r, const wc_jcall *call, wc_jv *out);

/* ---- arguments: what a Python function would take or refuse ---- */
bool wc_jarg_int(wc_jrun *r, wc_jv v, int64_t fallback,
                 int64_t *out); /* MISSING: fallback; large ones saturate */
bool wc_jarg_bool(wc_jrun *r, wc_jv v, bool fallback);
bool wc_jarg_str(wc_jrun *r, wc_jv v, const char *function); /* fails unless v is a string */
#endif
