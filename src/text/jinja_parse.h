/* jinja_parse.h - what the two halves of the parser share: jinja_parse_stmt.c has statements, jinja_parse_expr.c
 * expressions, and both stand on jinja_parse.c. */
#ifndef WC_TEXT_JINJA_PARSE_H
#define WC_TEXT_JINJA_PARSE_H
#include "text/jinja_ast.h"

/* A macro or call block whose body is being parsed: it learns which special names its body uses. */
struct wc_jopen_macro {
    struct wc_jopen_macro *outer;
    wc_jmacro_def *def;
};

/* A filter or test that does not exist: an error, but only when it is used if it stands inside of an if. */
struct wc_junknown {
    struct wc_junknown *next;
    int line;
    bool test, soft;
    const wc_jname *name;
};

typedef struct wc_jparser {
    wc_jinja *t;
    wc_jlex lex;
    wc_jtoken token, ahead;
    bool has_ahead;
    wc_error *err;
    enum wc_jinja_kind kind;
    const char *stack;
    int depth; /* of nested statements */
    int loops; /* for loops around, which break would leave */
    int fors;  /* for loops around, whatever is between */
    bool soft; /* inside of an if */
    struct wc_jopen_macro *macros;
    struct wc_junknown *unknown;
    const char *tags[64];            /* the open statements, for messages */
    const char *const *end_tags[64]; /* what ends each */
    int n_tags, n_end_tags;
    int names_room, blocks_room;
    uint32_t *name_index; /* [name_index_size] id + 1, 0: free */
    size_t name_index_size;
} wc_jparser;

/* Fill p->err with "line 3: ..." and return false. */
bool wc_jparse_fail(wc_jparser *p, int line, const char *format, ...) WC_PRINTF(3, 4);
/* The same of what Python's compiler refuses in the code that Jinja2 makes: no syntax error of Jinja2's. */
bool wc_jparse_fail_python(wc_jparser *p, int line, const char *what, const char *name);
bool wc_jparse_memory(wc_jparser *p);
#if defined(__clang_analyzer__) && !defined(WC_DEFINES_PARSE_FAILURES) /* as in base/error.h */
#define wc_jparse_fail(...)        (wc_jparse_fail(__VA_ARGS__), false)
#define wc_jparse_fail_python(...) (wc_jparse_fail_python(__VA_ARGS__), false)
#define wc_jparse_memory(...)      (wc_jparse_memory(__VA_ARGS__), false)
#endif
bool wc_jparse_next(wc_jparser *p); /* to the next token */
bool wc_jparse_peek(wc_jparser *p); /* fills p->ahead */
bool wc_jparse_is_name(const wc_jparser *p, const char *name);
bool wc_jparse_expect(wc_jparser *p, enum wc_jtoken_type type);
bool wc_jparse_expect_name(wc_jparser *p, const char *name);
bool wc_jparse_skip_if(wc_jparser *p, enum wc_jtoken_type type, bool *skipped);
bool wc_jparse_skip_name(wc_jparser *p, const char *name, bool *skipped);
/* What the current token is called in messages. */
const char *wc_jparse_describe(const wc_jparser *p, char *room, size_t n);
const wc_jname *wc_jparse_intern(wc_jparser *p, const char *s, size_t n);

/* A growing array of nodes in the template's arena. */
struct wc_jnodes {
    wc_jnode **nodes;
    int n, room;
};
bool wc_jparse_add(wc_jparser *p, struct wc_jnodes *list, wc_jnode *node);
wc_jnode *wc_jparse_node(wc_jparser *p, enum wc_jnode_kind kind, int line);
/* Sets the height of an expression over its parts and whether it is constant; false when it is too high. */
bool wc_jparse_finish(wc_jparser *p, wc_jnode *node);
bool wc_jparse_deep(wc_jparser *p); /* true while the C stack has room */

/* Statements up to one of end_tags, which becomes the current token, or to the end of the template when that is NULL. */
bool wc_jparse_body(wc_jparser *p, const char *const *end_tags, wc_jbody *body);

wc_jnode *wc_jparse_expression(wc_jparser *p, bool with_condition);
/* An expression, or a tuple without parentheses.  end: a name that ends it, or NULL. */
wc_jnode *wc_jparse_tuple(wc_jparser *p, bool with_condition, const char *end, bool parentheses);
/* What can be assigned to: a name, a tuple, and with_namespace "ns.attr". */
wc_jnode *wc_jparse_target(wc_jparser *p, const char *end, bool with_namespace);
/* The filters that follow; node NULL: the text of a filter block.  inline: the first has no pipe. */
wc_jnode *wc_jparse_filters(wc_jparser *p, wc_jnode *node, bool inline_first);
#endif
