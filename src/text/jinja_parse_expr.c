/* jinja_parse_expr.c - expressions, by recursive descent.  From the loosest to the tightest:
 *
 *   a if b else c;  or;  and;  not;  == != < <= > >= in, not in;  + -;  ~;  * / // %;  **;  unary - +;  .a [i] ();
 *   and, on an operand that stands under no unary sign of its own, | filter and is test
 *
 * The binary operators are one function over a table, so that a level of parentheses takes few C frames. */
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "text/jinja_parse.h"

static wc_jnode *parse_binary(wc_jparser *p, int level);
static wc_jnode *parse_unary(wc_jparser *p, bool with_filter);

static wc_jnode *fail(wc_jparser *p, int line, const char *what)
{
    wc_jparse_fail(p, line, "%s", what);
    return NULL;
}

static wc_jnode *constant(wc_jparser *p, wc_jv value, int line)
{
    wc_jnode *node = wc_jparse_node(p, WC_JN_CONST, line);
    if (node) {
        node->u.value = value;
        node->flag = true;
    }
    return node;
}

static wc_jnode *constant_string(wc_jparser *p, const char *s, size_t n, int line)
{
    wc_jstr *str = wc_arena_zalloc(p->t->arena, 1, sizeof *str);
    if (!str || n > UINT32_MAX / 2) {
        wc_jparse_memory(p);
        return NULL;
    }
    *str = (wc_jstr){.s = s, .n = (uint32_t)n, .points = (uint32_t)wc_utf8_count(s, n)};
    return constant(p, (wc_jv){.type = WC_J_STR, .u.str = str}, line);
}

/* Neighbouring literals are one. */
static wc_jnode *parse_string(wc_jparser *p)
{
    int line = p->token.line;
    const char *s = p->token.s;
    size_t n = p->token.n;
    if (!wc_jparse_next(p))
        return NULL;
    if (p->token.type != WC_JT_STRING)
        return constant_string(p, s, n, line);
    wc_buf joined;
    wc_buf_init(&joined, 64 << 20);
    wc_buf_add(&joined, s, n);
    while (p->token.type == WC_JT_STRING) {
        wc_buf_add(&joined, p->token.s, p->token.n);
        if (!wc_jparse_next(p)) {
            wc_buf_release(&joined);
            return NULL;
        }
    }
    s = wc_buf_ok(&joined) ? wc_arena_strndup(p->t->arena, wc_buf_str(&joined), joined.size) : NULL;
    n = joined.size;
    wc_buf_release(&joined);
    if (!s) {
        wc_jparse_memory(p);
        return NULL;
    }
    return constant_string(p, s, n, line);
}

static wc_jnode *parse_number(wc_jparser *p)
{
    int line = p->token.line;
    bool is_float = p->token.type == WC_JT_FLOAT;
    wc_jv value = wc_jnone();
    char *digits = wc_arena_alloc(p->t->arena, p->token.n + 1);
    if (!digits) {
        wc_jparse_memory(p);
        return NULL;
    }
    size_t n = 0;
    for (size_t i = 0; i < p->token.n; i++)
        if (p->token.s[i] != '_')
            digits[n++] = p->token.s[i];
    digits[n] = '\0';
    if (is_float) {
        value = wc_jfloat(strtod(digits, NULL));
    } else {
        char mark = n > 2 && digits[0] == '0' ? (char)(digits[1] | 0x20) : '\0';
        int base = mark == 'x' ? 16 : mark == 'o' ? 8 : mark == 'b' ? 2 : 10;
        size_t prefix = base == 10 ? 0 : 2;
        if (!wc_jint_from_digits(NULL, p->t->arena, digits + prefix, n - prefix, base, &value))
            return fail(p, line, "integer is too large");
    }
    return wc_jparse_next(p) ? constant(p, value, line) : NULL;
}

/* The macros around learn that their bodies use a special name. */
static void note_special(wc_jparser *p, const wc_jname *name)
{
    for (struct wc_jopen_macro *m = p->macros; m; m = m->outer) {
        if (strcmp(name->s, "caller") == 0)
            m->def->uses_caller = true;
        else if (strcmp(name->s, "kwargs") == 0)
            m->def->uses_kwargs = true;
        else if (strcmp(name->s, "varargs") == 0)
            m->def->uses_varargs = true;
    }
}

static wc_jnode *parse_name(wc_jparser *p, bool with_namespace)
{
    static const struct {
        const char *name;
        uint8_t type;
        bool value;
    } literals[] = {{"true", WC_J_BOOL, true},   {"True", WC_J_BOOL, true},  {"false", WC_J_BOOL, false},
                    {"False", WC_J_BOOL, false}, {"none", WC_J_NONE, false}, {"None", WC_J_NONE, false}};
    int line = p->token.line;
    for (size_t i = 0; i < sizeof literals / sizeof *literals; i++)
        if (wc_jparse_is_name(p, literals[i].name)) {
            wc_jv value = {.type = literals[i].type, .u.boolean = literals[i].value};
            return wc_jparse_next(p) ? constant(p, value, line) : NULL;
        }
    const wc_jname *name = wc_jparse_intern(p, p->token.s, p->token.n);
    if (!name || !wc_jparse_next(p))
        return NULL;
    bool reference = with_namespace && p->token.type == WC_JT_DOT;
    wc_jnode *node = wc_jparse_node(p, reference ? WC_JN_NSREF : WC_JN_NAME, line);
    if (!node)
        return NULL;
    node->name = name;
    if (reference) {
        if (!wc_jparse_next(p))
            return NULL;
        node->attr = p->token.type == WC_JT_NAME ? wc_jparse_intern(p, p->token.s, p->token.n) : NULL;
        return wc_jparse_expect(p, WC_JT_NAME) && node->attr ? node : NULL;
    }
    note_special(p, name);
    return node;
}

/* "a, b, c" up to close; a dict when pairs. */
static wc_jnode *parse_items(wc_jparser *p, enum wc_jnode_kind kind, enum wc_jtoken_type close)
{
    wc_jnode *node = wc_jparse_node(p, kind, p->token.line);
    struct wc_jnodes items = {0};
    if (!node || !wc_jparse_next(p))
        return NULL;
    while (p->token.type != close) {
        if (items.n > 0 && !wc_jparse_expect(p, WC_JT_COMMA))
            return NULL;
        if (p->token.type == close)
            break;
        wc_jnode *item = wc_jparse_expression(p, true);
        if (!item || !wc_jparse_add(p, &items, item))
            return NULL;
        if (kind != WC_JN_DICT)
            continue;
        if (!wc_jparse_expect(p, WC_JT_COLON))
            return NULL;
        item = wc_jparse_expression(p, true);
        if (!item || !wc_jparse_add(p, &items, item))
            return NULL;
    }
    node->items = items.nodes;
    node->n_items = items.n;
    return wc_jparse_expect(p, close) && wc_jparse_finish(p, node) ? node : NULL;
}

static wc_jnode *parse_primary(wc_jparser *p, bool with_namespace)
{
    char room[64];
    switch (p->token.type) {
    case WC_JT_NAME:
        return parse_name(p, with_namespace);
    case WC_JT_STRING:
        return parse_string(p);
    case WC_JT_INTEGER:
    case WC_JT_FLOAT:
        return parse_number(p);
    case WC_JT_LPAREN: {
        if (!wc_jparse_next(p))
            return NULL;
        wc_jnode *node = wc_jparse_tuple(p, true, NULL, true);
        return node && wc_jparse_expect(p, WC_JT_RPAREN) ? node : NULL;
    }
    case WC_JT_LBRACKET:
        return parse_items(p, WC_JN_LIST, WC_JT_RBRACKET);
    case WC_JT_LBRACE:
        return parse_items(p, WC_JN_DICT, WC_JT_RBRACE);
    default:
        wc_jparse_fail(p, p->token.line, "unexpected '%s'", wc_jparse_describe(p, room, sizeof room));
        return NULL;
    }
}

/* ---- calls ---- */

static bool parse_keyword(wc_jparser *p, struct wc_jnodes *values, const wc_jname ***keywords)
{
    const wc_jname *name = wc_jparse_intern(p, p->token.s, p->token.n);
    int line = p->token.line;
    if (!name || !wc_jparse_next(p) || !wc_jparse_next(p))
        return false;
    for (int i = 0; i < values->n; i++)
        if ((*keywords)[i] == name)
            return wc_jparse_fail_python(p, line, "keyword argument repeated: ", name->s);
    wc_jnode *value = wc_jparse_expression(p, true);
    int room = values->room;
    if (!value || !wc_jparse_add(p, values, value))
        return false;
    if (values->room != room) {
        const wc_jname **more = wc_arena_zalloc(p->t->arena, (size_t)values->room, sizeof *more);
        if (!more)
            return wc_jparse_memory(p);
        if (room > 0)
            memcpy(more, *keywords, (size_t)room * sizeof *more);
        *keywords = more;
    }
    (*keywords)[values->n - 1] = name;
    return true;
}

static bool parse_argument(wc_jparser *p, wc_jargs *args, struct wc_jnodes *positional,
                           struct wc_jnodes *values)
{
    bool valid, star = p->token.type == WC_JT_MUL;
    if (star || p->token.type == WC_JT_POW) {
        valid = star ? !args->star && !args->star2 : !args->star2;
        wc_jnode **place = star ? &args->star : &args->star2;
        if (!valid)
            return wc_jparse_fail(p, p->token.line, "invalid syntax for function call expression");
        return wc_jparse_next(p) && (*place = wc_jparse_expression(p, true));
    }
    if (p->token.type == WC_JT_NAME) {
        if (!wc_jparse_peek(p))
            return false;
        if (p->ahead.type == WC_JT_ASSIGN) {
            if (args->star2)
                return wc_jparse_fail(p, p->token.line, "invalid syntax for function call expression");
            return parse_keyword(p, values, &args->keywords);
        }
    }
    if (args->star || args->star2 || values->n > 0)
        return wc_jparse_fail(p, p->token.line, "invalid syntax for function call expression");
    wc_jnode *arg = wc_jparse_expression(p, true);
    return arg && wc_jparse_add(p, positional, arg);
}

/* "(a, b=1, *c, **d)"; its highest part is left in *height. */
static const wc_jargs *parse_arguments(wc_jparser *p, wc_jnode *holder)
{
    wc_jargs *args = wc_arena_zalloc(p->t->arena, 1, sizeof *args);
    struct wc_jnodes positional = {0}, values = {0};
    if (!args) {
        wc_jparse_memory(p);
        return NULL;
    }
    if (!wc_jparse_expect(p, WC_JT_LPAREN))
        return NULL;
    for (bool first = true; p->token.type != WC_JT_RPAREN; first = false) {
        if (!first && !wc_jparse_expect(p, WC_JT_COMMA))
            return NULL;
        if (p->token.type == WC_JT_RPAREN)
            break;
        if (!parse_argument(p, args, &positional, &values))
            return NULL;
    }
    args->positional = positional.nodes;
    args->n_positional = positional.n;
    args->values = values.nodes;
    args->n_keywords = values.n;
    holder->u.args = args;
    return wc_jparse_expect(p, WC_JT_RPAREN) ? args : NULL;
}

static wc_jnode *parse_call(wc_jparser *p, wc_jnode *callee)
{
    wc_jnode *node = wc_jparse_node(p, WC_JN_CALL, p->token.line);
    if (!node)
        return NULL;
    node->a = callee;
    return parse_arguments(p, node) && wc_jparse_finish(p, node) ? node : NULL;
}

/* ---- what follows an operand ---- */

/* "start:stop:step" or one expression, behind a bracket. */
static wc_jnode *parse_subscribed(wc_jparser *p, wc_jnode *object, int line)
{
    wc_jnode *parts[3] = {0};
    bool colon = p->token.type == WC_JT_COLON;
    if (!colon) {
        parts[0] = wc_jparse_expression(p, true);
        if (!parts[0])
            return NULL;
        colon = p->token.type == WC_JT_COLON;
    }
    if (!colon) {
        wc_jnode *node = wc_jparse_node(p, WC_JN_GETITEM, line);
        if (!node)
            return NULL;
        node->a = object;
        node->b = parts[0];
        return node;
    }
    for (int i = 1; i < 3 && p->token.type == WC_JT_COLON; i++) {
        if (!wc_jparse_next(p))
            return NULL;
        enum wc_jtoken_type type = p->token.type;
        if (type == WC_JT_COLON || type == WC_JT_RBRACKET || type == WC_JT_COMMA)
            continue;
        parts[i] = wc_jparse_expression(p, true);
        if (!parts[i])
            return NULL;
    }
    wc_jnode *node = wc_jparse_node(p, WC_JN_SLICE, line);
    wc_jnode **items = wc_arena_zalloc(p->t->arena, 3, sizeof *items);
    if (!node || !items) {
        wc_jparse_memory(p);
        return NULL;
    }
    memcpy(items, parts, sizeof parts);
    node->a = object;
    node->items = items;
    node->n_items = 3;
    return node;
}

static wc_jnode *empty_tuple(wc_jparser *p, int line)
{
    return wc_jparse_node(p, WC_JN_TUPLE, line);
}

/* "[a, b]" is an item whose key is a tuple. */
static wc_jnode *parse_subscript_list(wc_jparser *p, wc_jnode *object, int line)
{
    struct wc_jnodes keys = {0};
    wc_jnode *node = NULL;
    while (p->token.type != WC_JT_RBRACKET) {
        if (keys.n > 0 && !wc_jparse_expect(p, WC_JT_COMMA))
            return NULL;
        node = parse_subscribed(p, object, line);
        if (!node || !wc_jparse_add(p, &keys, node->b))
            return NULL;
        if (node->kind == WC_JN_SLICE && (keys.n > 1 || p->token.type == WC_JT_COMMA)) {
            wc_jparse_fail_python(p, line, "a slice cannot be one of several subscripts", "");
            return NULL;
        }
    }
    if (!wc_jparse_expect(p, WC_JT_RBRACKET))
        return NULL;
    if (keys.n != 1) {
        wc_jnode *tuple = empty_tuple(p, line);
        node = wc_jparse_node(p, WC_JN_GETITEM, line);
        if (!tuple || !node)
            return NULL;
        tuple->items = keys.nodes;
        tuple->n_items = keys.n;
        if (!wc_jparse_finish(p, tuple))
            return NULL;
        node->a = object;
        node->b = tuple;
    }
    return wc_jparse_finish(p, node) ? node : NULL;
}

static wc_jnode *parse_subscript(wc_jparser *p, wc_jnode *object)
{
    int line = p->token.line;
    bool dot = p->token.type == WC_JT_DOT;
    if (!wc_jparse_next(p))
        return NULL;
    if (!dot)
        return parse_subscript_list(p, object, line);
    wc_jnode *node;
    if (p->token.type == WC_JT_NAME) {
        node = wc_jparse_node(p, WC_JN_GETATTR, line);
        if (!node)
            return NULL;
        node->attr = wc_jparse_intern(p, p->token.s, p->token.n);
        node->b = constant_string(p, p->token.s, p->token.n, line);
        if (!node->attr || !node->b || !wc_jparse_next(p))
            return NULL;
    } else if (p->token.type == WC_JT_INTEGER) {
        node = wc_jparse_node(p, WC_JN_GETITEM, line);
        if (!node)
            return NULL;
        node->b = parse_number(p);
        if (!node->b)
            return NULL;
    } else {
        return fail(p, p->token.line, "expected name or number");
    }
    node->a = object;
    return wc_jparse_finish(p, node) ? node : NULL;
}

static wc_jnode *parse_postfix(wc_jparser *p, wc_jnode *node)
{
    while (node) {
        if (p->token.type == WC_JT_DOT || p->token.type == WC_JT_LBRACKET)
            node = parse_subscript(p, node);
        else if (p->token.type == WC_JT_LPAREN)
            node = parse_call(p, node);
        else
            break;
    }
    return node;
}

/* A dotted name, and the filter or test it is. */
static bool parse_function_name(wc_jparser *p, wc_jnode *node, bool test)
{
    wc_buf name;
    bool ok = false;
    wc_buf_init(&name, 1 << 20);
    int line = p->token.line;
    for (;;) {
        if (p->token.type == WC_JT_NAME)
            wc_buf_add(&name, p->token.s, p->token.n);
        if (!wc_jparse_expect(p, WC_JT_NAME))
            goto done;
        if (p->token.type != WC_JT_DOT)
            break;
        wc_buf_putc(&name, '.');
        if (!wc_jparse_next(p))
            goto done;
    }
    if (!wc_buf_ok(&name)) {
        wc_jparse_memory(p);
        goto done;
    }
    node->name = wc_jparse_intern(p, wc_buf_str(&name), name.size);
    if (!node->name)
        goto done;
    node->function = test ? wc_jfind_test(node->name->s, node->name->n)
                          : wc_jfind_filter(node->name->s, node->name->n);
    if (!node->function) {
        struct wc_junknown *unknown = wc_arena_alloc(p->t->arena, sizeof *unknown);
        if (!unknown) {
            wc_jparse_memory(p);
            goto done;
        }
        *unknown = (struct wc_junknown){p->unknown, line, test, p->soft, node->name};
        p->unknown = unknown;
    }
    ok = true;
done:
    wc_buf_release(&name);
    return ok;
}

static bool no_arguments(wc_jparser *p, wc_jnode *node)
{
    node->u.args = wc_arena_zalloc(p->t->arena, 1, sizeof *node->u.args);
    return node->u.args || wc_jparse_memory(p);
}

wc_jnode *wc_jparse_filters(wc_jparser *p, wc_jnode *node, bool inline_first)
{
    while (p->token.type == WC_JT_PIPE || inline_first) {
        if (!inline_first && !wc_jparse_next(p))
            return NULL;
        inline_first = false;
        wc_jnode *filter = wc_jparse_node(p, WC_JN_FILTER, p->token.line);
        if (!filter || !parse_function_name(p, filter, false))
            return NULL;
        filter->a = node;
        if (p->token.type == WC_JT_LPAREN ? !parse_arguments(p, filter) : !no_arguments(p, filter))
            return NULL;
        if (!wc_jparse_finish(p, filter))
            return NULL;
        node = filter;
    }
    return node;
}

/* The one argument of a test may stand without parentheses: "is divisibleby 3". */
static bool parse_bare_argument(wc_jparser *p, wc_jnode *test)
{
    wc_jargs *args = wc_arena_zalloc(p->t->arena, 1, sizeof *args);
    struct wc_jnodes positional = {0};
    if (!args)
        return wc_jparse_memory(p);
    if (wc_jparse_is_name(p, "is"))
        return wc_jparse_fail(p, p->token.line, "You cannot chain multiple tests with is");
    wc_jnode *arg = parse_primary(p, false);
    arg = arg ? parse_postfix(p, arg) : NULL;
    if (!arg || !wc_jparse_add(p, &positional, arg))
        return false;
    args->positional = positional.nodes;
    args->n_positional = 1;
    test->u.args = args;
    return true;
}

static wc_jnode *parse_test(wc_jparser *p, wc_jnode *subject)
{
    int line = p->token.line;
    bool negated;
    wc_jnode *test = wc_jparse_node(p, WC_JN_TEST, line);
    if (!test || !wc_jparse_next(p) || !wc_jparse_skip_name(p, "not", &negated) ||
        !parse_function_name(p, test, true))
        return NULL;
    test->a = subject;
    enum wc_jtoken_type type = p->token.type;
    bool bare = type == WC_JT_STRING || type == WC_JT_INTEGER || type == WC_JT_FLOAT ||
                type == WC_JT_LBRACKET || type == WC_JT_LBRACE ||
                (type == WC_JT_NAME && !wc_jparse_is_name(p, "else") && !wc_jparse_is_name(p, "or") &&
                 !wc_jparse_is_name(p, "and"));
    if (type == WC_JT_LPAREN ? !parse_arguments(p, test)
        : bare               ? !parse_bare_argument(p, test)
                             : !no_arguments(p, test))
        return NULL;
    if (!wc_jparse_finish(p, test))
        return NULL;
    if (!negated)
        return test;
    wc_jnode *node = wc_jparse_node(p, WC_JN_NOT, line);
    if (!node)
        return NULL;
    node->a = test;
    return wc_jparse_finish(p, node) ? node : NULL;
}

static wc_jnode *parse_filters_and_tests(wc_jparser *p, wc_jnode *node)
{
    while (node) {
        if (p->token.type == WC_JT_PIPE)
            node = wc_jparse_filters(p, node, false);
        else if (wc_jparse_is_name(p, "is"))
            node = parse_test(p, node);
        else if (p->token.type == WC_JT_LPAREN)
            node = parse_call(p, node);
        else
            break;
    }
    return node;
}

static wc_jnode *parse_unary(wc_jparser *p, bool with_filter)
{
    wc_jnode *node;
    if (!wc_jparse_deep(p))
        return NULL;
    if (p->token.type == WC_JT_SUB || p->token.type == WC_JT_ADD) {
        node = wc_jparse_node(p, WC_JN_UNARY, p->token.line);
        if (!node)
            return NULL;
        node->op = (uint8_t)p->token.type;
        if (!wc_jparse_next(p) || !(node->a = parse_unary(p, false)) || !wc_jparse_finish(p, node))
            return NULL;
    } else {
        node = parse_primary(p, false);
    }
    node = parse_postfix(p, node);
    return with_filter ? parse_filters_and_tests(p, node) : node;
}

/* ---- binary operators ---- */

enum {
    LEVEL_OR,
    LEVEL_AND,
    LEVEL_NOT,
    LEVEL_COMPARE,
    LEVEL_SUM,
    LEVEL_CONCAT,
    LEVEL_PRODUCT,
    LEVEL_POWER,
    LEVEL_UNARY
};

/* Whether the current token is an operator of that level. */
static bool is_operator(const wc_jparser *p, int level)
{
    enum wc_jtoken_type type = p->token.type;
    switch (level) {
    case LEVEL_OR:
        return wc_jparse_is_name(p, "or");
    case LEVEL_AND:
        return wc_jparse_is_name(p, "and");
    case LEVEL_SUM:
        return type == WC_JT_ADD || type == WC_JT_SUB;
    case LEVEL_CONCAT:
        return type == WC_JT_TILDE;
    case LEVEL_PRODUCT:
        return type == WC_JT_MUL || type == WC_JT_DIV || type == WC_JT_FLOORDIV || type == WC_JT_MOD;
    case LEVEL_POWER:
        return type == WC_JT_POW;
    default:
        return false;
    }
}

/* The comparison that the current token begins, passed over; -1 when it begins none, -2 after a failure. */
static int parse_comparison(wc_jparser *p)
{
    int op;
    switch (p->token.type) {
    case WC_JT_EQ:
        op = WC_JC_EQ;
        break;
    case WC_JT_NE:
        op = WC_JC_NE;
        break;
    case WC_JT_LT:
        op = WC_JC_LT;
        break;
    case WC_JT_LE:
        op = WC_JC_LE;
        break;
    case WC_JT_GT:
        op = WC_JC_GT;
        break;
    case WC_JT_GE:
        op = WC_JC_GE;
        break;
    default:
        op = wc_jparse_is_name(p, "in") ? WC_JC_IN : -1;
        if (wc_jparse_is_name(p, "not")) {
            if (!wc_jparse_peek(p))
                return -2;
            if (p->ahead.type == WC_JT_NAME && p->ahead.n == 2 && memcmp(p->ahead.s, "in", 2) == 0) {
                if (!wc_jparse_next(p))
                    return -2;
                op = WC_JC_NOT_IN;
            }
        }
    }
    return op == -1 || wc_jparse_next(p) ? op : -2;
}

static wc_jnode *parse_compare(wc_jparser *p)
{
    int line = p->token.line, op;
    wc_jnode *first = parse_binary(p, LEVEL_SUM);
    struct wc_jnodes right = {0};
    wc_buf ops;
    if (!first)
        return NULL;
    wc_buf_init(&ops, 1 << 20);
    wc_jnode *node = first;
    while ((op = parse_comparison(p)) >= 0) {
        wc_jnode *item = parse_binary(p, LEVEL_SUM);
        wc_buf_putc(&ops, (char)op);
        if (!item || !wc_jparse_add(p, &right, item)) {
            op = -2;
            break;
        }
    }
    if (op != -2 && right.n > 0) {
        node = wc_jparse_node(p, WC_JN_COMPARE, line);
        const char *copy = wc_buf_ok(&ops) ? wc_arena_strndup(p->t->arena, wc_buf_str(&ops), ops.size) : NULL;
        if (node && copy) {
            node->a = first;
            node->items = right.nodes;
            node->n_items = right.n;
            node->u.ops = (const uint8_t *)copy;
        } else {
            op = -2;
            wc_jparse_memory(p);
        }
    }
    wc_buf_release(&ops);
    return op != -2 && (node == first || wc_jparse_finish(p, node)) ? node : NULL;
}

/* "a ~ b ~ c" is one node. */
static wc_jnode *parse_concat(wc_jparser *p, wc_jnode *first, int line)
{
    struct wc_jnodes items = {0};
    if (!wc_jparse_add(p, &items, first))
        return NULL;
    while (p->token.type == WC_JT_TILDE) {
        if (!wc_jparse_next(p))
            return NULL;
        wc_jnode *item = parse_binary(p, LEVEL_PRODUCT);
        if (!item || !wc_jparse_add(p, &items, item))
            return NULL;
    }
    wc_jnode *node = wc_jparse_node(p, WC_JN_CONCAT, line);
    if (!node)
        return NULL;
    node->items = items.nodes;
    node->n_items = items.n;
    return wc_jparse_finish(p, node) ? node : NULL;
}

static wc_jnode *parse_not(wc_jparser *p)
{
    if (!wc_jparse_is_name(p, "not"))
        return parse_compare(p);
    wc_jnode *node = wc_jparse_node(p, WC_JN_NOT, p->token.line);
    if (!node || !wc_jparse_deep(p) || !wc_jparse_next(p) || !(node->a = parse_not(p)))
        return NULL;
    return wc_jparse_finish(p, node) ? node : NULL;
}

/* Operators of this level and all that bind tighter; they associate to the left. */
static wc_jnode *parse_binary(wc_jparser *p, int level)
{
    int line = p->token.line;
    if (level == LEVEL_NOT)
        return parse_not(p);
    /* The operand is parsed once, then taken up by the loosest operators from the tightest level on. */
    wc_jnode *left = level <= LEVEL_AND ? parse_not(p) : parse_unary(p, true);
    int tightest = level <= LEVEL_AND ? LEVEL_AND : LEVEL_POWER;
    for (int now = tightest; left && now >= level; now--) {
        while (left && is_operator(p, now)) {
            if (now == LEVEL_CONCAT) {
                left = parse_concat(p, left, line);
                continue;
            }
            enum wc_jnode_kind kind = now == LEVEL_OR    ? WC_JN_OR
                                      : now == LEVEL_AND ? WC_JN_AND
                                                         : WC_JN_BINARY;
            wc_jnode *node = wc_jparse_node(p, kind, p->token.line);
            if (!node)
                return NULL;
            node->op = (uint8_t)p->token.type;
            node->a = left;
            if (!wc_jparse_next(p) || !(node->b = parse_binary(p, now + 1)) || !wc_jparse_finish(p, node))
                return NULL;
            left = node;
        }
    }
    return left;
}

/* ---- whole expressions ---- */

/* Filters that do not exist may stand in a condition that is not taken. */
static void soften(wc_jparser *p, const struct wc_junknown *before)
{
    for (struct wc_junknown *u = p->unknown; u != before; u = u->next)
        u->soft = true;
}

wc_jnode *wc_jparse_expression(wc_jparser *p, bool with_condition)
{
    const struct wc_junknown *before = p->unknown;
    if (!wc_jparse_deep(p))
        return NULL;
    wc_jnode *node = parse_binary(p, LEVEL_OR);
    while (node && with_condition && wc_jparse_is_name(p, "if")) {
        bool has_else;
        wc_jnode *condition = wc_jparse_node(p, WC_JN_CONDITION, p->token.line);
        if (!condition || !wc_jparse_next(p))
            return NULL;
        condition->a = node;
        condition->b = parse_binary(p, LEVEL_OR);
        if (!condition->b || !wc_jparse_skip_name(p, "else", &has_else))
            return NULL;
        if (has_else && !(condition->c = wc_jparse_expression(p, true)))
            return NULL;
        soften(p, before);
        node = wc_jparse_finish(p, condition) ? condition : NULL;
    }
    return node;
}

static bool tuple_ends(const wc_jparser *p, const char *end)
{
    enum wc_jtoken_type type = p->token.type;
    return type == WC_JT_VARIABLE_END || type == WC_JT_BLOCK_END || type == WC_JT_RPAREN ||
           (end && wc_jparse_is_name(p, end));
}

/* The parts of a tuple: expressions, or when target what can stand on the left of "=". */
static wc_jnode *parse_tuple_of(wc_jparser *p, bool target, bool option, const char *end, bool parentheses)
{
    struct wc_jnodes items = {0};
    int line = p->token.line;
    bool is_tuple = false;
    char room[64];
    for (;;) {
        if (items.n > 0 && !wc_jparse_expect(p, WC_JT_COMMA))
            return NULL;
        if (tuple_ends(p, end))
            break;
        wc_jnode *item = target ? parse_primary(p, option) : wc_jparse_expression(p, option);
        if (!item || !wc_jparse_add(p, &items, item))
            return NULL;
        if (p->token.type != WC_JT_COMMA)
            break;
        is_tuple = true;
    }
    if (!is_tuple && items.n > 0)
        return items.nodes[0];
    if (!is_tuple && !parentheses) {
        wc_jparse_fail(p, p->token.line, "Expected an expression, got '%s'",
                       wc_jparse_describe(p, room, sizeof room));
        return NULL;
    }
    wc_jnode *node = empty_tuple(p, line);
    if (!node)
        return NULL;
    node->items = items.nodes;
    node->n_items = items.n;
    return wc_jparse_finish(p, node) ? node : NULL;
}

wc_jnode *wc_jparse_tuple(wc_jparser *p, bool with_condition, const char *end, bool parentheses)
{
    return parse_tuple_of(p, false, with_condition, end, parentheses);
}

static bool check_target(wc_jparser *p, const wc_jnode *node)
{
    static const char *const names[] = {
        "const", "name",   "nsref",   "tuple",    "list",    "dict",    "neg",     "not",  "add",    "and",
        "or",    "concat", "compare", "condexpr", "getattr", "getitem", "getitem", "call", "filter", "test"};
    if (node->kind == WC_JN_TUPLE) {
        for (int i = 0; i < node->n_items; i++)
            if (!check_target(p, node->items[i]))
                return false;
        return true;
    }
    if (node->kind == WC_JN_NSREF)
        return true;
    if (node->kind != WC_JN_NAME)
        return wc_jparse_fail(p, node->line, "can't assign to '%s'", names[node->kind]);
    if (p->fors > 0 && strcmp(node->name->s, "loop") == 0)
        return wc_jparse_fail(p, node->line, "Can't assign to special loop variable in for-loop target");
    return true;
}

wc_jnode *wc_jparse_target(wc_jparser *p, const char *end, bool with_namespace)
{
    wc_jnode *node = parse_tuple_of(p, true, with_namespace, end, false);
    return node && check_target(p, node) ? node : NULL;
}
