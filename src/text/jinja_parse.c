/* jinja_parse.c - statements: from tokens to the tree.
 *
 * One function a statement, as in Jinja2's parser, whose messages it speaks.  Nested statements and expressions recurse,
 * so each level looks at how much of the C stack is taken; and every node knows its height, so that the evaluator may
 * recurse over the tree without looking.  What Jinja2 finds out while it generates Python (a break outside of a loop, a
 * filter that does not exist) is found here, too. */
#include "text/jinja_parse.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"

enum {
    MAX_SOURCE = 16 << 20, /* bytes of a template */
    MAX_TREE = 256 << 20,  /* bytes of its tree */
    MAX_STACK = 224 << 10, /* bytes of the C stack */
    MAX_STATEMENTS = 128   /* nested statements */
};

static bool parse_body(wc_jparser *p, const char *const *end_tags, wc_jbody *body);

/* ---- for both halves ---- */

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

static bool expect_name(wc_jparser *p, const char *name)
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
    if (t->n_names < p->names_room)
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
    if (used < MAX_STACK)
        return true;
    return wc_jparse_fail(p, p->token.line, "the template is nested too deeply");
}

/* ---- the frame around statements ---- */

/* "'elif' or 'else' or 'endif'", into text [n]. */
static void list_tags(char *text, size_t n, const char *const *tags)
{
    size_t used = 0;
    text[0] = '\0';
    for (int i = 0; tags[i] && used < n; i++)
        used += (size_t)snprintf(text + used, n - used, "%s'%s'", i ? " or " : "", tags[i]);
}

/* name: the tag that is not known here; NULL: the template is at its end. */
static bool unknown_tag(wc_jparser *p, const char *name, int line)
{
    char looking[200] = "", message[500];
    bool nesting = false;
    size_t used;
    for (int i = 0; i < p->n_end_tags; i++)
        for (int k = 0; name && p->end_tags[i][k]; k++)
            nesting |= strcmp(p->end_tags[i][k], name) == 0;
    if (p->n_end_tags > 0)
        list_tags(looking, sizeof looking, p->end_tags[p->n_end_tags - 1]);
    if (name)
        used = (size_t)snprintf(message, sizeof message, "Encountered unknown tag '%s'.", name);
    else
        used = (size_t)snprintf(message, sizeof message, "Unexpected end of template.");
    if (looking[0] && nesting)
        used += (size_t)snprintf(message + used, sizeof message - used,
                                 " You probably made a nesting mistake. Jinja is expecting this tag,"
                                 " but currently looking for %s.",
                                 looking);
    else if (looking[0])
        used += (size_t)snprintf(message + used, sizeof message - used,
                                 " Jinja was looking for the following tags: %s.", looking);
    if (p->n_tags > 0 && used < sizeof message)
        snprintf(message + used, sizeof message - used,
                 " The innermost block that needs to be closed is '%s'.", p->tags[p->n_tags - 1]);
    return wc_jparse_fail(p, line, "%s", message);
}

/* From the end of the opening tag to the tag that ends the statement, whose name becomes the current token. */
static bool parse_statements(wc_jparser *p, const char *const *end_tags, wc_jbody *body)
{
    bool colon;
    return wc_jparse_skip_if(p, WC_JT_COLON, &colon) && wc_jparse_expect(p, WC_JT_BLOCK_END) &&
           parse_body(p, end_tags, body);
}

/* The same, with the name of the end tag passed over. */
static bool parse_until(wc_jparser *p, const char *end_tag, wc_jbody *body)
{
    const char *const tags[] = {end_tag, NULL};
    return parse_statements(p, tags, body) && wc_jparse_next(p);
}

/* What a scope of its own changes: filters inside of it are looked up at once. */
static bool parse_scope(wc_jparser *p, const char *end_tag, wc_jbody *body)
{
    bool soft = p->soft;
    p->soft = false;
    bool ok = parse_until(p, end_tag, body);
    p->soft = soft;
    return ok;
}

/* A body that becomes a function: break cannot leave it. */
static bool parse_function(wc_jparser *p, const char *end_tag, wc_jmacro_def *def, wc_jbody *body)
{
    struct wc_jopen_macro open = {p->macros, def};
    int loops = p->loops;
    p->loops = 0;
    if (def)
        p->macros = &open;
    bool ok = parse_scope(p, end_tag, body);
    p->macros = open.outer;
    p->loops = loops;
    return ok;
}

/* ---- the statements ---- */

static wc_jnode *parse_for(wc_jparser *p, wc_jnode *node)
{
    static const char *const ends[] = {"endfor", "else", NULL};
    bool has_test, soft = p->soft;
    p->fors++;
    node->a = wc_jparse_target(p, "in", false);
    if (!node->a || !expect_name(p, "in"))
        return NULL;
    node->b = wc_jparse_tuple(p, false, "recursive", false);
    if (!node->b || !wc_jparse_skip_name(p, "if", &has_test))
        return NULL;
    p->soft = false;
    if (has_test && !(node->c = wc_jparse_expression(p, true)))
        return NULL;
    if (!wc_jparse_skip_name(p, "recursive", &node->flag))
        return NULL;
    int loops = p->loops;
    p->loops = node->flag ? 1 : loops + 1;
    if (!parse_statements(p, ends, &node->body))
        return NULL;
    p->loops = node->flag ? 0 : loops;
    bool has_else = wc_jparse_is_name(p, "else");
    if (!wc_jparse_next(p) || (has_else && !parse_until(p, "endfor", &node->other)))
        return NULL;
    p->loops = loops;
    p->soft = soft;
    p->fors--;
    return node;
}

static wc_jnode *parse_if(wc_jparser *p, wc_jnode *node)
{
    static const char *const ends[] = {"elif", "else", "endif", NULL};
    struct wc_jnodes conditions = {0};
    wc_jbody *bodies = NULL;
    int room = 0;
    bool soft = p->soft;
    p->soft = true;
    for (bool more = true; more;) {
        bool has_condition = !node->flag;
        if (has_condition) {
            wc_jnode *condition = wc_jparse_tuple(p, false, NULL, false);
            if (!condition || !wc_jparse_add(p, &conditions, condition))
                return NULL;
        }
        int at = conditions.n - (has_condition ? 1 : 0);
        if (at >= room) {
            wc_jbody *grown = wc_arena_zalloc(p->t->arena, (size_t)room * 2 + 2, sizeof *grown);
            if (!grown) {
                wc_jparse_memory(p);
                return NULL;
            }
            if (room > 0)
                memcpy(grown, bodies, (size_t)room * sizeof *grown);
            bodies = grown;
            room = room * 2 + 2;
        }
        if (has_condition) {
            if (!parse_statements(p, ends, &bodies[at]))
                return NULL;
            more = !wc_jparse_is_name(p, "endif");
            node->flag = wc_jparse_is_name(p, "else");
            if (!wc_jparse_next(p))
                return NULL;
        } else {
            if (!parse_until(p, "endif", &bodies[at]))
                return NULL;
            more = false;
        }
    }
    p->soft = soft;
    node->items = conditions.nodes;
    node->n_items = conditions.n;
    node->u.bodies = bodies;
    return node;
}

static wc_jnode *parse_set(wc_jparser *p, wc_jnode *node)
{
    bool assigns;
    node->a = wc_jparse_target(p, NULL, true);
    if (!node->a || !wc_jparse_skip_if(p, WC_JT_ASSIGN, &assigns))
        return NULL;
    if (assigns) {
        node->b = wc_jparse_tuple(p, true, NULL, false);
        return node->b ? node : NULL;
    }
    node->kind = WC_JN_SET_BLOCK;
    if (p->token.type == WC_JT_PIPE && !(node->b = wc_jparse_filters(p, NULL, false)))
        return NULL;
    return parse_scope(p, "endset", &node->body) ? node : NULL;
}

static bool parse_parameter(wc_jparser *p, struct wc_jnodes *names, struct wc_jnodes *defaults)
{
    bool assigns;
    wc_jnode *name = wc_jparse_node(p, WC_JN_NAME, p->token.line);
    if (!name)
        return false;
    if (p->token.type == WC_JT_NAME && !(name->name = wc_jparse_intern(p, p->token.s, p->token.n)))
        return false;
    if (!wc_jparse_expect(p, WC_JT_NAME) || !wc_jparse_skip_if(p, WC_JT_ASSIGN, &assigns))
        return false;
    for (int i = 0; i < names->n; i++)
        if (names->nodes[i]->name == name->name)
            return wc_jparse_fail_python(p, name->line,
                                         "duplicate argument in function definition: ", name->name->s);
    if (assigns) {
        wc_jnode *value = wc_jparse_expression(p, true);
        if (!value || !wc_jparse_add(p, defaults, value))
            return false;
    } else if (defaults->n > 0) {
        return wc_jparse_fail(p, p->token.line, "non-default argument follows default argument");
    }
    return wc_jparse_add(p, names, name);
}

/* "(a, b=1)", when optional only if it is there. */
static wc_jmacro_def *parse_signature(wc_jparser *p, bool optional)
{
    struct wc_jnodes names = {0}, defaults = {0};
    wc_jmacro_def *def = wc_arena_zalloc(p->t->arena, 1, sizeof *def);
    if (!def) {
        wc_jparse_memory(p);
        return NULL;
    }
    if (optional && p->token.type != WC_JT_LPAREN)
        return def;
    if (!wc_jparse_expect(p, WC_JT_LPAREN))
        return NULL;
    while (p->token.type != WC_JT_RPAREN) {
        if (names.n > 0 && !wc_jparse_expect(p, WC_JT_COMMA))
            return NULL;
        if (!parse_parameter(p, &names, &defaults))
            return NULL;
    }
    def->parameters = wc_arena_zalloc(p->t->arena, (size_t)names.n + 1, sizeof *def->parameters);
    if (!def->parameters) {
        wc_jparse_memory(p);
        return NULL;
    }
    for (int i = 0; i < names.n; i++) {
        def->parameters[i] = names.nodes[i]->name;
        def->has_caller_parameter |= strcmp(names.nodes[i]->name->s, "caller") == 0;
    }
    def->n_parameters = names.n;
    def->defaults = defaults.nodes;
    def->n_defaults = defaults.n;
    return wc_jparse_expect(p, WC_JT_RPAREN) ? def : NULL;
}

/* The parameters that a body asks for by using them, unless they are its own. */
static bool finish_macro(wc_jparser *p, wc_jmacro_def *def, int line)
{
    for (int i = 0; i < def->n_parameters; i++) {
        const char *name = def->parameters[i]->s;
        if (strcmp(name, "kwargs") == 0)
            def->uses_kwargs = false;
        else if (strcmp(name, "varargs") == 0)
            def->uses_varargs = false;
        else if (strcmp(name, "caller") == 0 && def->uses_caller && i < def->n_parameters - def->n_defaults)
            return wc_jparse_fail(
                p, line,
                "When defining macros or call blocks the special \"caller\" argument must be omitted "
                "or be given a default.");
    }
    return true;
}

static wc_jnode *parse_macro(wc_jparser *p, wc_jnode *node)
{
    if (p->token.type == WC_JT_NAME && !(node->name = wc_jparse_intern(p, p->token.s, p->token.n)))
        return NULL;
    if (!wc_jparse_expect(p, WC_JT_NAME))
        return NULL;
    wc_jmacro_def *def = parse_signature(p, false);
    if (!def || !parse_function(p, "endmacro", def, &node->body) || !finish_macro(p, def, node->line))
        return NULL;
    node->u.macro = def;
    return node;
}

static wc_jnode *parse_call_block(wc_jparser *p, wc_jnode *node)
{
    wc_jmacro_def *def = parse_signature(p, true);
    if (!def || !(node->a = wc_jparse_expression(p, true)))
        return NULL;
    if (node->a->kind != WC_JN_CALL) {
        wc_jparse_fail(p, node->line, "expected call");
        return NULL;
    }
    if (!parse_function(p, "endcall", def, &node->body) || !finish_macro(p, def, node->line))
        return NULL;
    node->u.macro = def;
    return node;
}

static wc_jnode *parse_with(wc_jparser *p, wc_jnode *node)
{
    struct wc_jnodes items = {0};
    while (p->token.type != WC_JT_BLOCK_END) {
        if (items.n > 0 && !wc_jparse_expect(p, WC_JT_COMMA))
            return NULL;
        wc_jnode *target = wc_jparse_target(p, NULL, false), *value;
        if (!target || !wc_jparse_add(p, &items, target) || !wc_jparse_expect(p, WC_JT_ASSIGN))
            return NULL;
        value = wc_jparse_expression(p, true);
        if (!value || !wc_jparse_add(p, &items, value))
            return NULL;
    }
    node->items = items.nodes;
    node->n_items = items.n;
    return parse_scope(p, "endwith", &node->body) ? node : NULL;
}

static bool is_blank(const wc_jbody *body)
{
    for (int i = 0; i < body->n; i++) {
        if (body->nodes[i]->kind != WC_JN_DATA)
            return false;
        const wc_jstr *text = body->nodes[i]->u.value.u.str;
        for (size_t k = 0; k < text->n; k++)
            if (!strchr(" \t\n\v\f\r", text->s[k]))
                return false;
    }
    return true;
}

static bool add_block(wc_jparser *p, const wc_jnode *node)
{
    wc_jinja *t = p->t;
    for (int i = 0; i < t->n_blocks; i++)
        if (t->blocks[i]->name == node->name)
            return wc_jparse_fail(p, node->line, "block '%s' defined twice", node->name->s);
    if (t->n_blocks == p->blocks_room) {
        int room = p->blocks_room * 2 + 8;
        const wc_jnode **blocks = wc_arena_alloc(t->arena, (size_t)room * sizeof *blocks);
        if (!blocks)
            return wc_jparse_memory(p);
        if (t->n_blocks > 0)
            memcpy(blocks, t->blocks, (size_t)t->n_blocks * sizeof *blocks);
        t->blocks = blocks;
        p->blocks_room = room;
    }
    t->blocks[t->n_blocks++] = node;
    return true;
}

static wc_jnode *parse_block(wc_jparser *p, wc_jnode *node)
{
    bool required, again;
    if (p->token.type == WC_JT_NAME && !(node->name = wc_jparse_intern(p, p->token.s, p->token.n)))
        return NULL;
    if (!wc_jparse_expect(p, WC_JT_NAME) || !wc_jparse_skip_name(p, "scoped", &node->flag) ||
        !wc_jparse_skip_name(p, "required", &required))
        return NULL;
    if (p->token.type == WC_JT_SUB) {
        wc_jparse_fail(
            p, p->token.line,
            "Block names in Jinja have to be valid Python identifiers and may not contain hyphens, use an "
            "underscore instead.");
        return NULL;
    }
    struct wc_jopen_macro *macros = p->macros;
    p->macros = NULL;
    bool ok = parse_function(p, "endblock", NULL, &node->body);
    p->macros = macros;
    if (!ok || !wc_jparse_skip_name(p, node->name->s, &again))
        return NULL;
    if (required && !is_blank(&node->body)) {
        wc_jparse_fail(p, p->token.line, "Required blocks can only contain comments or whitespace");
        return NULL;
    }
    node->op = required;
    return add_block(p, node) ? node : NULL;
}

/* include, import, from and extends are read and then refused when they run: there is nothing to load from. */
static bool parse_import_context(wc_jparser *p)
{
    bool skipped;
    if (!wc_jparse_is_name(p, "with") && !wc_jparse_is_name(p, "without"))
        return true;
    if (!wc_jparse_peek(p))
        return false;
    if (p->ahead.type != WC_JT_NAME || p->ahead.n != 7 || memcmp(p->ahead.s, "context", 7) != 0)
        return true;
    return wc_jparse_next(p) && wc_jparse_skip_name(p, "context", &skipped);
}

static wc_jnode *parse_extends(wc_jparser *p, wc_jnode *node)
{
    node->a = wc_jparse_expression(p, true);
    return node->a ? node : NULL;
}

static wc_jnode *parse_include(wc_jparser *p, wc_jnode *node)
{
    bool ignore;
    if (!parse_extends(p, node) || !wc_jparse_skip_name(p, "ignore", &ignore))
        return NULL;
    return (!ignore || expect_name(p, "missing")) && parse_import_context(p) ? node : NULL;
}

static wc_jnode *parse_import(wc_jparser *p, wc_jnode *node)
{
    if (!parse_extends(p, node) || !expect_name(p, "as") || !wc_jparse_expect(p, WC_JT_NAME))
        return NULL;
    return parse_import_context(p) ? node : NULL;
}

static wc_jnode *parse_from(wc_jparser *p, wc_jnode *node)
{
    if (!parse_extends(p, node) || !expect_name(p, "import"))
        return NULL;
    for (bool first = true; first || p->token.type == WC_JT_COMMA; first = false) {
        bool renamed;
        if (!first && !wc_jparse_next(p))
            return NULL;
        if (p->token.type == WC_JT_NAME && p->token.s[0] == '_') {
            wc_jparse_fail(p, p->token.line, "names starting with an underline can not be imported");
            return NULL;
        }
        if (!wc_jparse_expect(p, WC_JT_NAME) || !wc_jparse_skip_name(p, "as", &renamed) ||
            (renamed && !wc_jparse_expect(p, WC_JT_NAME)))
            return NULL;
    }
    return parse_import_context(p) ? node : NULL;
}

static wc_jnode *parse_print(wc_jparser *p, wc_jnode *node)
{
    struct wc_jnodes items = {0};
    while (p->token.type != WC_JT_BLOCK_END) {
        if (items.n > 0 && !wc_jparse_expect(p, WC_JT_COMMA))
            return NULL;
        wc_jnode *item = wc_jparse_expression(p, true);
        if (!item || !wc_jparse_add(p, &items, item))
            return NULL;
    }
    node->items = items.nodes;
    node->n_items = items.n;
    return node;
}

static wc_jnode *parse_filter_block(wc_jparser *p, wc_jnode *node)
{
    node->a = wc_jparse_filters(p, NULL, true);
    return node->a && parse_scope(p, "endfilter", &node->body) ? node : NULL;
}

static wc_jnode *parse_autoescape(wc_jparser *p, wc_jnode *node)
{
    node->a = wc_jparse_expression(p, true);
    return node->a && parse_scope(p, "endautoescape", &node->body) ? node : NULL;
}

static wc_jnode *parse_generation(wc_jparser *p, wc_jnode *node)
{
    return parse_function(p, "endgeneration", NULL, &node->body) ? node : NULL;
}

static wc_jnode *parse_loop_control(wc_jparser *p, wc_jnode *node)
{
    if (p->loops > 0)
        return node;
    wc_jparse_fail_python(
        p, node->line, node->kind == WC_JN_BREAK ? "'break' outside loop" : "'continue' not properly in loop",
        "");
    return NULL;
}

static const struct {
    const char *name;
    enum wc_jnode_kind kind;
    wc_jnode *(*parse)(wc_jparser *p, wc_jnode *node);
} STATEMENTS[] = {{"for", WC_JN_FOR, parse_for},
                  {"if", WC_JN_IF, parse_if},
                  {"set", WC_JN_SET, parse_set},
                  {"macro", WC_JN_MACRO, parse_macro},
                  {"call", WC_JN_CALL_BLOCK, parse_call_block},
                  {"filter", WC_JN_FILTER_BLOCK, parse_filter_block},
                  {"with", WC_JN_WITH, parse_with},
                  {"generation", WC_JN_SCOPE, parse_generation},
                  {"autoescape", WC_JN_AUTOESCAPE, parse_autoescape},
                  {"block", WC_JN_BLOCK, parse_block},
                  {"print", WC_JN_OUTPUT, parse_print},
                  {"break", WC_JN_BREAK, parse_loop_control},
                  {"continue", WC_JN_CONTINUE, parse_loop_control},
                  {"include", WC_JN_LOADER, parse_include},
                  {"import", WC_JN_LOADER, parse_import},
                  {"from", WC_JN_LOADER, parse_from},
                  {"extends", WC_JN_LOADER, parse_extends}};

static wc_jnode *parse_statement(wc_jparser *p)
{
    char room[64];
    int line = p->token.line;
    if (p->token.type != WC_JT_NAME) {
        if (p->token.type == WC_JT_EOF)
            wc_jparse_fail(p, line, "unexpected 'end of template'");
        else
            wc_jparse_fail(p, line, "tag name expected");
        return NULL;
    }
    if (p->depth >= MAX_STATEMENTS) {
        wc_jparse_fail(p, line, "statements are nested too deeply (limit %d)", MAX_STATEMENTS);
        return NULL;
    }
    for (size_t i = 0; i < sizeof STATEMENTS / sizeof *STATEMENTS; i++) {
        if (!wc_jparse_is_name(p, STATEMENTS[i].name))
            continue;
        wc_jnode *node = wc_jparse_node(p, STATEMENTS[i].kind, line);
        if (!node || !wc_jparse_deep(p))
            return NULL;
        int n = p->n_tags;
        if (n < (int)(sizeof p->tags / sizeof *p->tags))
            p->tags[p->n_tags++] = STATEMENTS[i].name;
        p->depth++;
        node = wc_jparse_next(p) ? STATEMENTS[i].parse(p, node) : NULL;
        p->depth--;
        p->n_tags = n;
        return node;
    }
    unknown_tag(p, wc_jparse_describe(p, room, sizeof room), line);
    return NULL;
}

static bool is_end_tag(const wc_jparser *p, const char *const *end_tags)
{
    for (int i = 0; end_tags && end_tags[i]; i++)
        if (wc_jparse_is_name(p, end_tags[i]))
            return true;
    return false;
}

static bool add_data(wc_jparser *p, struct wc_jnodes *nodes)
{
    wc_jnode *node = wc_jparse_node(p, WC_JN_DATA, p->token.line);
    wc_jstr *text = wc_arena_zalloc(p->t->arena, 1, sizeof *text);
    if (!node || !text)
        return wc_jparse_memory(p);
    *text = (wc_jstr){.s = p->token.s, .n = (uint32_t)p->token.n};
    node->u.value = (wc_jv){.type = WC_J_STR, .flags = WC_J_MARKUP, .u.str = text};
    return wc_jparse_add(p, nodes, node) && wc_jparse_next(p);
}

static bool add_output(wc_jparser *p, struct wc_jnodes *nodes)
{
    wc_jnode *node = wc_jparse_node(p, WC_JN_OUTPUT, p->token.line);
    struct wc_jnodes items = {0};
    if (!node || !wc_jparse_next(p))
        return false;
    wc_jnode *item = wc_jparse_tuple(p, true, NULL, false);
    if (!item || !wc_jparse_add(p, &items, item) || !wc_jparse_expect(p, WC_JT_VARIABLE_END))
        return false;
    node->items = items.nodes;
    node->n_items = items.n;
    return wc_jparse_add(p, nodes, node);
}

/* Up to an end tag, or to the end of the template when end_tags is NULL. */
static bool parse_nodes(wc_jparser *p, const char *const *end_tags, struct wc_jnodes *nodes)
{
    for (;;) {
        switch (p->token.type) {
        case WC_JT_EOF:
            return !end_tags || unknown_tag(p, NULL, p->token.line);
        case WC_JT_DATA:
            if (!add_data(p, nodes))
                return false;
            break;
        case WC_JT_VARIABLE_BEGIN:
            if (!add_output(p, nodes))
                return false;
            break;
        default: {
            if (!wc_jparse_expect(p, WC_JT_BLOCK_BEGIN))
                return false;
            if (is_end_tag(p, end_tags))
                return true;
            wc_jnode *node = parse_statement(p);
            if (!node || !wc_jparse_add(p, nodes, node) || !wc_jparse_expect(p, WC_JT_BLOCK_END))
                return false;
        }
        }
    }
}

static bool parse_body(wc_jparser *p, const char *const *end_tags, wc_jbody *body)
{
    struct wc_jnodes nodes = {0};
    int n = p->n_end_tags;
    if (end_tags && n < (int)(sizeof p->end_tags / sizeof *p->end_tags))
        p->end_tags[p->n_end_tags++] = end_tags;
    bool ok = parse_nodes(p, end_tags, &nodes);
    p->n_end_tags = n;
    *body = (wc_jbody){nodes.nodes, nodes.n};
    return ok;
}

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
              wc_jparse_next(&p) && parse_body(&p, NULL, &t->body) && check_unknown(&p);
    if (!ok)
        *kind = p.kind == WC_JINJA_OK ? WC_JINJA_LIMIT : p.kind;
    return ok;
}

/* ---- a whole template ---- */

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
