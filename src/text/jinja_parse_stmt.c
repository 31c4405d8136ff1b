/* jinja_parse_stmt.c - statements: from tokens to the tree.
 *
 * One function a statement, as in Jinja2's parser, whose messages it speaks.  What Jinja2 finds out while it generates
 * Python (a break outside of a loop, a filter that does not exist) is found here, too. */
#include <stdio.h>
#include <string.h>

#include "text/jinja_parse.h"

enum { MAX_STATEMENTS = 128 /* nested */ };

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
           wc_jparse_body(p, end_tags, body);
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
    if (!node->a || !wc_jparse_expect_name(p, "in"))
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
        if (!bodies || at >= room) {
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
    return (!ignore || wc_jparse_expect_name(p, "missing")) && parse_import_context(p) ? node : NULL;
}

static wc_jnode *parse_import(wc_jparser *p, wc_jnode *node)
{
    if (!parse_extends(p, node) || !wc_jparse_expect_name(p, "as") || !wc_jparse_expect(p, WC_JT_NAME))
        return NULL;
    return parse_import_context(p) ? node : NULL;
}

static wc_jnode *parse_from(wc_jparser *p, wc_jnode *node)
{
    if (!parse_extends(p, node) || !wc_jparse_expect_name(p, "import"))
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

bool wc_jparse_body(wc_jparser *p, const char *const *end_tags, wc_jbody *body)
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
