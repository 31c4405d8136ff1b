/* jinja_parse.c - what both halves of the parser stand on: tokens, names, nodes and what is known of them; and a whole
 * template.
 *
 * Statements and expressions recurse, so each level looks at how much of the C stack is taken; and every node knows its
 * height, so that the evaluator may recurse over the tree without looking. */
#define WC_DEFINES_PARSE_FAILURES
#include "text/jinja_parse.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"

enum {
    MAX_SOURCE = 16 << 20, /* bytes of a template */
    MAX_TREE = 256 << 20,  /* bytes of its tree */
};

/* ---- faults ---- */

bool wc_jparse_fail(wc_jparser *p, int line, const char *format, ...)
{
    char text[600];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (p->kind == WC_JINJA_OK) {
        p->kind = WC_JINJA_SYNTAX;
        if (p->lex.tag_line < line && p->token.type != WC_JT_DATA && p->token.type != WC_JT_EOF)
            wc_fail(p->err, WC_BAD_FILE, "line %d: %s (in the tag that begins on line %d)", line, text,
                    p->lex.tag_line);
        else
            wc_fail(p->err, WC_BAD_FILE, "line %d: %s", line, text);
    }
    return false;
}

bool wc_jparse_fail_python(wc_jparser *p, int line, const char *what, const char *name)
{
    bool first = p->kind == WC_JINJA_OK;
    wc_jparse_fail(p, line, "%s%s", what, name);
    if (first)
        p->kind = WC_JINJA_RUNTIME;
    return false;
}

bool wc_jparse_memory(wc_jparser *p)
{
    if (p->kind == WC_JINJA_OK) {
        p->kind = WC_JINJA_LIMIT;
        wc_fail(p->err, WC_NO_MEMORY, "line %d: the template needs more memory than the limit of %d MiB",
                p->token.line, MAX_TREE >> 20);
    }
    return false;
}

/* ---- tokens ---- */

static bool lex(wc_jparser *p, wc_jtoken *token)
{
    if (wc_jlex_next(&p->lex, token, p->kind == WC_JINJA_OK ? p->err : NULL))
        return true;
    if (p->kind == WC_JINJA_OK)
        p->kind = WC_JINJA_SYNTAX;
    return false;
}

bool wc_jparse_next(wc_jparser *p)
{
    if (!p->has_ahead)
        return lex(p, &p->token);
    p->token = p->ahead;
    p->has_ahead = false;
    return true;
}

bool wc_jparse_peek(wc_jparser *p)
{
    if (!p->has_ahead)
        p->has_ahead = lex(p, &p->ahead);
    return p->has_ahead;
}

bool wc_jparse_is_name(const wc_jparser *p, const char *name)
{
    return p->token.type == WC_JT_NAME && p->token.n == strlen(name) &&
           memcmp(p->token.s, name, p->token.n) == 0;
}

const char *wc_jparse_describe(const wc_jparser *p, char *room, size_t n)
{
    if (p->token.type != WC_JT_NAME)
        return wc_jtoken_name(p->token.type);
    snprintf(room, n, "%.*s", (int)(p->token.n < n ? p->token.n : n - 1), p->token.s);
    return room;
}

static bool unexpected(wc_jparser *p, const char *expected)
{
    char room[64];
    if (p->token.type == WC_JT_EOF)
        return wc_jparse_fail(p, p->token.line, "unexpected end of template, expected '%s'.", expected);
    return wc_jparse_fail(p, p->token.line, "expected token '%s', got '%s'", expected,
                          wc_jparse_describe(p, room, sizeof room));
}

bool wc_jparse_expect(wc_jparser *p, enum wc_jtoken_type type)
{
    return p->token.type == type ? wc_jparse_next(p) : unexpected(p, wc_jtoken_name(type));
}

bool wc_jparse_expect_name(wc_jparser *p, const char *name)
{
    return wc_jparse_is_name(p, name) ? wc_jparse_next(p) : unexpected(p, name);
}

bool wc_jparse_skip_if(wc_jparser *p, enum wc_jtoken_type type, bool *skipped)
{
    *skipped = p->token.type == type;
    return !*skipped || wc_jparse_next(p);
}

bool wc_jparse_skip_name(wc_jparser *p, const char *name, bool *skipped)
{
    *skipped = wc_jparse_is_name(p, name);
    return !*skipped || wc_jparse_next(p);
}

/* ---- names ---- */

static uint32_t hash_name(const char *s, size_t n)
{
    uint32_t h = 2166136261u;
    for (size_t i = 0; i < n; i++)
        h = (h ^ (unsigned char)s[i]) * 16777619u;
    return h;
}

static void index_name(wc_jparser *p, const wc_jname *name)
{
    size_t i = hash_name(name->s, name->n) & (p->name_index_size - 1);
    while (p->name_index[i])
        i = (i + 1) & (p->name_index_size - 1);
    p->name_index[i] = (uint32_t)name->id + 1;
}

/* Room for one more name, with at most half of the index taken. */
static bool grow_names(wc_jparser *p)
{
    wc_jinja *t = p->t;
    if (p->name_index && t->n_names < p->names_room)
        return true;
    int room = p->names_room ? p->names_room * 2 : 64;
    const wc_jname **names = wc_arena_alloc(t->arena, (size_t)room * sizeof *names);
    uint32_t *slots = wc_arena_zalloc(t->arena, (size_t)room * 2, sizeof *slots);
    if (!names || !slots)
        return wc_jparse_memory(p);
    if (t->n_names > 0)
        memcpy(names, t->names, (size_t)t->n_names * sizeof *names);
    t->names = names;
    p->names_room = room;
    p->name_index = slots;
    p->name_index_size = (size_t)room * 2;
    for (int i = 0; i < t->n_names; i++)
        index_name(p, names[i]);
    return true;
}

const wc_jname *wc_jparse_intern(wc_jparser *p, const char *s, size_t n)
{
    wc_jinja *t = p->t;
    if (!grow_names(p))
        return NULL;
    for (size_t i = hash_name(s, n) & (p->name_index_size - 1); p->name_index[i];
         i = (i + 1) & (p->name_index_size - 1)) {
        const wc_jname *name = t->names[p->name_index[i] - 1];
        if (name->n == n && memcmp(name->s, s, n) == 0)
            return name;
    }
    wc_jname *name = wc_arena_alloc(t->arena, sizeof *name);
    char *copy = wc_arena_strndup(t->arena, s, n);
    if (!name || !copy) {
        wc_jparse_memory(p);
        return NULL;
    }
    *name = (wc_jname){.s = copy, .n = (uint32_t)n, .id = t->n_names};
    t->names[t->n_names++] = name;
    index_name(p, name);
    return name;
}

/* ---- nodes ---- */

bool wc_jparse_add(wc_jparser *p, struct wc_jnodes *list, wc_jnode *node)
{
    if (list->n == list->room) {
        int room = list->room ? list->room * 2 : 4;
        wc_jnode **nodes = wc_arena_alloc(p->t->arena, (size_t)room * sizeof *nodes);
        if (!nodes)
            return wc_jparse_memory(p);
        if (list->n > 0)
            memcpy(nodes, list->nodes, (size_t)list->n * sizeof *nodes);
        list->nodes = nodes;
        list->room = room;
    }
    list->nodes[list->n++] = node;
    return true;
}

wc_jnode *wc_jparse_node(wc_jparser *p, enum wc_jnode_kind kind, int line)
{
    wc_jnode *node = wc_arena_zalloc(p->t->arena, 1, sizeof *node);
    if (!node) {
        wc_jparse_memory(p);
        return NULL;
    }
    node->kind = (uint8_t)kind;
    node->line = line;
    return node;
}

/* What is known of a node from its parts. */
struct summary {
    int height;
    bool constant;
};

static void look_at(struct summary *s, const wc_jnode *part)
{
    if (!part)
        return;
    if (part->height > s->height)
        s->height = part->height;
    s->constant &= part->flag;
}

/* Calls, and filters that see the variables, are never constant. */
static bool may_be_constant(const wc_jnode *node)
{
    static const char *const with_context[] = {"map",        "select",     "reject",
                                               "selectattr", "rejectattr", "random"};
    if (node->kind == WC_JN_CALL || node->kind == WC_JN_NAME || (node->kind == WC_JN_CONDITION && !node->c))
        return false;
    if (node->kind != WC_JN_FILTER && node->kind != WC_JN_TEST)
        return true;
    for (size_t i = 0; node->kind == WC_JN_FILTER && i < sizeof with_context / sizeof *with_context; i++)
        if (strcmp(node->name->s, with_context[i]) == 0)
            return false;
    return node->a && node->function;
}

bool wc_jparse_finish(wc_jparser *p, wc_jnode *node)
{
    struct summary s = {.constant = may_be_constant(node)};
    look_at(&s, node->a);
    look_at(&s, node->b);
    look_at(&s, node->c);
    for (int i = 0; i < node->n_items; i++)
        look_at(&s, node->items[i]);
    if (node->kind == WC_JN_CALL || node->kind == WC_JN_FILTER || node->kind == WC_JN_TEST) {
        const wc_jargs *args = node->u.args;
        look_at(&s, args->star);
        look_at(&s, args->star2);
        for (int i = 0; i < args->n_positional; i++)
            look_at(&s, args->positional[i]);
        for (int i = 0; i < args->n_keywords; i++)
            look_at(&s, args->values[i]);
    }
    if (s.height >= WC_JINJA_MAX_HEIGHT)
        return wc_jparse_fail(p, node->line, "the expression is nested too deeply (limit %d)",
                              WC_JINJA_MAX_HEIGHT);
    node->height = (uint16_t)(s.height + 1);
    node->flag = s.constant;
    return true;
}

bool wc_jparse_deep(wc_jparser *p)
{
    const char *here = __builtin_frame_address(0);
    size_t used = here < p->stack ? (size_t)(p->stack - here) : (size_t)(here - p->stack);
    if (used < WC_JINJA_STACK)
        return true;
    return wc_jparse_fail(p, p->token.line, "the template is nested too deeply");
}

/* ---- a whole template ---- */

/* Filters and tests that do not exist are told after all else, as Jinja2 does: the first of them. */
static bool check_unknown(wc_jparser *p)
{
    const struct wc_junknown *first = NULL;
    for (const struct wc_junknown *u = p->unknown; u; u = u->next)
        if (!u->soft)
            first = u;
    if (!first)
        return true;
    return wc_jparse_fail(p, first->line, "No %s named '%s'.", first->test ? "test" : "filter",
                          first->name->s);
}

static bool intern_special(wc_jparser *p)
{
    wc_jinja *t = p->t;
    t->loop = wc_jparse_intern(p, "loop", 4);
    t->caller = wc_jparse_intern(p, "caller", 6);
    t->kwargs = wc_jparse_intern(p, "kwargs", 6);
    t->varargs = wc_jparse_intern(p, "varargs", 7);
    t->self = wc_jparse_intern(p, "self", 4);
    return t->loop && t->caller && t->kwargs && t->varargs && t->self;
}

bool wc_jinja_parse(wc_jinja *t, enum wc_jinja_kind *kind, wc_error *err)
{
    wc_jparser p = {.t = t, .err = err, .stack = __builtin_frame_address(0)};
    bool ok = intern_special(&p) && wc_jlex_init(&p.lex, t->arena, t->source, t->n_source, err) &&
              wc_jparse_next(&p) && wc_jparse_body(&p, NULL, &t->body) && check_unknown(&p);
    if (!ok)
        *kind = p.kind == WC_JINJA_OK ? WC_JINJA_LIMIT : p.kind;
    return ok;
}

wc_jinja *wc_jinja_compile(const char *source, size_t n, const char *name, enum wc_jinja_kind *kind,
                           wc_error *err)
{
    enum wc_jinja_kind ignored;
    wc_jinja *t = NULL;
    kind = kind ? kind : &ignored;
    *kind = WC_JINJA_OK;
    wc_arena *arena = n <= MAX_SOURCE ? wc_arena_new(MAX_TREE) : NULL;
    if (n > MAX_SOURCE) {
        *kind = WC_JINJA_LIMIT;
        wc_fail(err, WC_REFUSED, "%s: template is too large: expected at most %d bytes, found %zu", name,
                MAX_SOURCE, n);
        return NULL;
    }
    if (!wc_utf8_valid(source, n)) {
        *kind = WC_JINJA_SYNTAX;
        wc_fail(err, WC_BAD_FILE, "%s: template is not valid UTF-8", name);
        goto fail;
    }
    t = arena ? wc_arena_zalloc(arena, 1, sizeof *t) : NULL;
    if (t) {
        t->arena = arena;
        t->name = wc_arena_strdup(arena, name);
        t->source = wc_arena_strndup(arena, source, n);
        t->n_source = n;
    }
    if (!t || !t->name || !t->source) {
        *kind = WC_JINJA_LIMIT;
        wc_fail_memory(err, n);
        goto fail;
    }
    if (!wc_jinja_parse(t, kind, err)) {
        wc_fail_within(err, t->name);
        goto fail;
    }
    return t;
fail:
    wc_arena_free(arena);
    return NULL;
}

void wc_jinja_free(wc_jinja *t)
{
    if (t)
        wc_arena_free(t->arena);
}

const char *wc_jinja_source(const wc_jinja *t, size_t *n)
{
    *n = t->n_source;
    return t->source;
}
