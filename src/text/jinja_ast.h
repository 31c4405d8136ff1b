/* jinja_ast.h - tokens and the tree: what the lexer hands to the parser and the parser to the evaluator.
 *
 * A tree lives in the template's arena and is never written after compilation.  Its height is bounded, so that whoever
 * walks it may recurse. */
#ifndef WC_TEXT_JINJA_AST_H
#define WC_TEXT_JINJA_AST_H
#include "base/arena.h"
#include "text/jinja.h"
#include "text/jinja_value.h"

enum wc_jtoken_type {
    WC_JT_EOF,
    WC_JT_DATA,
    WC_JT_VARIABLE_BEGIN,
    WC_JT_VARIABLE_END,
    WC_JT_BLOCK_BEGIN,
    WC_JT_BLOCK_END,
    WC_JT_NAME,
    WC_JT_STRING,
    WC_JT_INTEGER,
    WC_JT_FLOAT,
    /* operators, in the order of the table in jinja_lex.c */
    WC_JT_ADD,
    WC_JT_SUB,
    WC_JT_DIV,
    WC_JT_FLOORDIV,
    WC_JT_MUL,
    WC_JT_MOD,
    WC_JT_POW,
    WC_JT_TILDE,
    WC_JT_LBRACKET,
    WC_JT_RBRACKET,
    WC_JT_LPAREN,
    WC_JT_RPAREN,
    WC_JT_LBRACE,
    WC_JT_RBRACE,
    WC_JT_EQ,
    WC_JT_NE,
    WC_JT_GT,
    WC_JT_GE,
    WC_JT_LT,
    WC_JT_LE,
    WC_JT_ASSIGN,
    WC_JT_DOT,
    WC_JT_COLON,
    WC_JT_PIPE,
    WC_JT_COMMA,
    WC_JT_SEMICOLON
};

typedef struct wc_jtoken {
    enum wc_jtoken_type type;
    int line;
    const char *s; /* [n]: data and strings as they mean, names and numbers as they are written */
    size_t n;
} wc_jtoken;

enum { WC_JINJA_MAX_BRACKETS = 400 };

typedef struct wc_jlex {
    wc_arena *arena;
    const char *source; /* [n], newlines made "\n", one at the end dropped */
    size_t n, pos;
    int line;
    int tag_line;       /* of the last tag that began */
    bool line_starting; /* the last match ended with a newline */
    enum { WC_JLEX_ROOT, WC_JLEX_BLOCK, WC_JLEX_VARIABLE } state;
    bool pending; /* a tag was found behind the data that was returned last */
    wc_jtoken pending_token;
    char brackets[WC_JINJA_MAX_BRACKETS]; /* what closes the open ones */
    int n_brackets;
} wc_jlex;

bool wc_jlex_init(wc_jlex *lex, wc_arena *arena, const char *source, size_t n, wc_error *err);
/* The next token; false with "line 3: ..." in err. */
bool wc_jlex_next(wc_jlex *lex, wc_jtoken *token, wc_error *err);
/* What messages call a token ("end of print statement", a name, an operator). */
const char *wc_jtoken_name(enum wc_jtoken_type type);

/* An identifier; one object per spelling and template, so that names are compared as pointers. */
typedef struct wc_jname {
    const char *s;
    uint32_t n;
    int id; /* index into wc_jinja.names */
} wc_jname;

typedef struct wc_jnode wc_jnode;
typedef struct wc_jargs {
    wc_jnode **positional;
    wc_jnode **values; /* of the keywords */
    const wc_jname **keywords;
    int n_positional, n_keywords;
    wc_jnode *star, *star2; /* *args and **kwargs, or NULL */
} wc_jargs;

/* Expressions, then statements.  What the fields of a node mean stands beside its kind. */
enum wc_jnode_kind {
    WC_JN_CONST,     /* value */
    WC_JN_NAME,      /* name */
    WC_JN_NSREF,     /* name, attr: only as a target */
    WC_JN_TUPLE,     /* items */
    WC_JN_LIST,      /* items */
    WC_JN_DICT,      /* items: key, value, key, value ... */
    WC_JN_UNARY,     /* op: a token type (sub, add); a */
    WC_JN_NOT,       /* a */
    WC_JN_BINARY,    /* op: a token type; a, b */
    WC_JN_AND,       /* a, b */
    WC_JN_OR,        /* a, b */
    WC_JN_CONCAT,    /* items */
    WC_JN_COMPARE,   /* a; items are the right sides; ops: a byte each, enum wc_jcompare */
    WC_JN_CONDITION, /* a if b else c; c may be NULL */
    WC_JN_GETATTR,   /* a.attr */
    WC_JN_GETITEM,   /* a[b] */
    WC_JN_SLICE,     /* a[items 0:1:2], each of which may be NULL */
    WC_JN_CALL,      /* a(args) */
    WC_JN_FILTER,    /* a | name(args); a is NULL in filter blocks: the text */
    WC_JN_TEST,      /* a is name(args) */

    WC_JN_DATA,         /* value: text of the template */
    WC_JN_OUTPUT,       /* items */
    WC_JN_FOR,          /* a: target, b: iterable, c: test or NULL; body, other; flag: recursive */
    WC_JN_IF,           /* items: conditions; bodies: one each, and one for else when flag */
    WC_JN_SET,          /* a: target, b: value */
    WC_JN_SET_BLOCK,    /* a: target, b: filter or NULL; body */
    WC_JN_MACRO,        /* name; macro; body */
    WC_JN_CALL_BLOCK,   /* a: the call; macro; body */
    WC_JN_FILTER_BLOCK, /* a: filter; body */
    WC_JN_WITH,         /* items: target, value, target, value ...; body */
    WC_JN_SCOPE,        /* body, in a scope of its own (generation) */
    WC_JN_AUTOESCAPE,   /* a; body */
    WC_JN_BLOCK,        /* name; body; flag: scoped */
    WC_JN_LOADER,       /* include, import, extends: there is nothing to load from */
    WC_JN_BREAK,
    WC_JN_CONTINUE
};

enum wc_jcompare { WC_JC_EQ, WC_JC_NE, WC_JC_LT, WC_JC_LE, WC_JC_GT, WC_JC_GE, WC_JC_IN, WC_JC_NOT_IN };

typedef struct wc_jbody {
    wc_jnode **nodes;
    int n;
} wc_jbody;

typedef struct wc_jmacro_def {
    const wc_jname **parameters; /* [n_parameters] */
    wc_jnode **defaults;         /* [n_defaults], of the last ones */
    int n_parameters, n_defaults;
    bool uses_caller, uses_kwargs, uses_varargs, has_caller_parameter;
} wc_jmacro_def;

struct wc_jnode {
    uint8_t kind, op;
    bool flag; /* of an expression: it is constant */
    uint16_t height;
    int line;
    int n_items;
    wc_jnode *a, *b, *c;
    wc_jnode **items;
    const wc_jname *name, *attr;
    const struct wc_jfunction *function; /* of a filter or test; NULL when there is none of that name */
    union {
        wc_jv value;
        const wc_jargs *args;
        const uint8_t *ops;
        const wc_jmacro_def *macro;
        wc_jbody *bodies;
    } u;
    wc_jbody body, other;
};

enum { WC_JINJA_MAX_HEIGHT = 200 };

struct wc_jinja {
    wc_arena *arena;
    const char *name; /* for messages */
    const char *source;
    size_t n_source;
    wc_jbody body;
    const wc_jname **names; /* [n_names] */
    int n_names;
    const wc_jnode **blocks; /* [n_blocks], every {% block %} */
    int n_blocks;
    const wc_jname *loop, *caller, *kwargs, *varargs, *self; /* names with a meaning */
};

/* Fills t->body, names and blocks from its source.  On failure err has "line 3: ...". */
bool wc_jinja_parse(wc_jinja *t, enum wc_jinja_kind *kind, wc_error *err);
#endif
