/* jinja_eval.c - runs the statements of a template.
 *
 * A run walks the tree once; values live in its arena until it ends.  Loops, macros, call and filter blocks, with, set
 * blocks and generation have scopes of their own, if has not, which is what Jinja2's generated functions amount to.  A
 * loop clears its scope at the start of each round.  Text that is captured (a macro's, a block's) goes to a buffer of
 * its own while the capture runs. */
#include <locale.h>
#include <string.h>

#include "base/mem.h"
#include "text/jinja_eval.h"

enum status { DONE, FAILED, BREAK, CONTINUE };

static enum status run_body(wc_jrun *r, const wc_jbody *body, wc_jscope *scope);

static enum status status_of(bool ok)
{
    return ok ? DONE : FAILED;
}

static bool output_fits(wc_jrun *r)
{
    return wc_buf_ok(r->out) ||
           wc_jfail(r, WC_JINJA_LIMIT, "the output is too long: more than the limit of %d MiB",
                    WC_JINJA_OUTPUT >> 20);
}

static bool write_value(wc_jrun *r, wc_jv v)
{
    if (r->autoescape && !wc_jescape(r, v, &v))
        return false;
    return wc_jprint(r, r->out, v) && output_fits(r);
}

/* What a filter or call block results in: it goes out as it is, and only text can. */
static bool write_text(wc_jrun *r, wc_jv v)
{
    if (v.type != WC_J_STR)
        return wc_jfail_type(r, "sequence item 0: expected str instance, %s found", wc_jtype_name(v));
    return wc_jprint(r, r->out, v) && output_fits(r);
}

/* The text of a body. */
static enum status capture(wc_jrun *r, const wc_jbody *body, wc_jscope *scope, wc_jv *out)
{
    wc_buf text, *outer = r->out;
    wc_jbuf(&text);
    r->out = &text;
    enum status status = run_body(r, body, scope);
    r->out = outer;
    if (status != DONE) {
        wc_buf_release(&text);
        return status;
    }
    if (!wc_jstring_take(r, &text, out))
        return FAILED;
    if (r->autoescape)
        out->flags = WC_J_MARKUP;
    return DONE;
}

static bool enter(wc_jrun *r)
{
    if (r->depth >= WC_JINJA_DEPTH)
        return wc_jfail(r, WC_JINJA_LIMIT, "recursion is too deep: more than the limit of %d calls",
                        WC_JINJA_DEPTH);
    r->depth++;
    return true;
}

/* ---- macros ---- */

static bool make_macro(wc_jrun *r, const wc_jnode *node, wc_jscope *scope, wc_jv *out)
{
    wc_jmacro *m = wc_jalloc(r, 1, sizeof *m);
    if (!m)
        return false;
    *m = (wc_jmacro){.name = node->name, .def = node->u.macro, .node = node, .scope = scope};
    *out = (wc_jv){.type = WC_J_MACRO, .u.macro = m};
    return true;
}

static const wc_jv *find_keyword(const wc_jcall *call, const wc_jname *name)
{
    for (int i = 0; i < call->n_keywords; i++) {
        const wc_jstr *key = call->keywords[i].u.str;
        if (key->n == name->n && memcmp(key->s, name->s, name->n) == 0)
            return &call->values[i];
    }
    return NULL;
}

/* Declared parameters: positional, then by keyword, then their defaults, which may use those before them. */
static bool bind_parameters(wc_jrun *r, const wc_jmacro *m, const wc_jcall *call, wc_jscope *scope)
{
    const wc_jmacro_def *def = m->def;
    bool missing = false;
    for (int i = 0; i < def->n_parameters; i++) {
        const wc_jname *name = def->parameters[i];
        const wc_jv *value = i < call->n_positional ? &call->positional[i] : find_keyword(call, name);
        wc_jv v;
        if (value)
            v = *value;
        else if (!wc_jundefined_name(r, name->s, name->n, &v))
            return false;
        missing |= !value;
        if (!wc_jscope_set(r, scope, name, v))
            return false;
    }
    for (int i = 0; missing && i < def->n_parameters; i++) {
        const wc_jname *name = def->parameters[i];
        int k = i - (def->n_parameters - def->n_defaults);
        wc_jv v;
        if (i < call->n_positional || find_keyword(call, name))
            continue;
        if (k >= 0) {
            if (!wc_jeval(r, def->defaults[k], scope, &v))
                return false;
        } else {
            wc_buf hint;
            wc_jbuf(&hint);
            wc_buf_printf(&hint, "parameter '%s' was not provided", name->s);
            wc_buf_putc(&hint, '\0');
            if (!wc_jstring_take(r, &hint, &v) || !wc_jundefined_hint(r, v.u.str->s, &v))
                return false;
        }
        if (!wc_jscope_set(r, scope, name, v))
            return false;
    }
    return true;
}

static bool is_parameter(const wc_jmacro_def *def, int from, wc_jv keyword)
{
    for (int i = from; i < def->n_parameters; i++)
        if (wc_jstr_is(keyword, def->parameters[i]->s))
            return true;
    return false;
}

/* Keywords that are no parameters: kwargs of the body, or an error. */
static bool bind_keywords(wc_jrun *r, const wc_jmacro *m, const wc_jcall *call, wc_jscope *scope)
{
    const wc_jmacro_def *def = m->def;
    const char *name = m->name ? m->name->s : "None", *quote = m->name ? "'" : "";
    bool takes_caller = def->uses_caller && !def->has_caller_parameter;
    wc_jv kwargs;
    if (!wc_jdict_new(r, &kwargs))
        return false;
    for (int i = 0; i < call->n_keywords; i++) {
        wc_jv key = call->keywords[i];
        if (is_parameter(def, call->n_positional, key) || (takes_caller && wc_jstr_is(key, "caller")))
            continue;
        if (def->uses_kwargs) {
            if (!wc_jdict_set(r, kwargs.u.dict, key, call->values[i]))
                return false;
        } else if (wc_jstr_is(key, "caller")) {
            return wc_jfail_type(
                r, "macro %s%s%s was given a caller, which is unknown to it: it never calls caller()", quote,
                name, quote);
        } else {
            return wc_jfail_type(r, "macro %s%s%s takes no keyword argument '%.*s'", quote, name, quote,
                                 (int)key.u.str->n, key.u.str->s);
        }
    }
    if (def->uses_kwargs && !wc_jscope_set(r, scope, r->t->kwargs, kwargs))
        return false;
    if (takes_caller) {
        const wc_jv *caller = find_keyword(call, r->t->caller);
        wc_jv v;
        if (caller && caller->type != WC_J_NONE)
            v = *caller;
        else if (!wc_jundefined_hint(r, "No caller defined", &v))
            return false;
        return wc_jscope_set(r, scope, r->t->caller, v);
    }
    return true;
}

static bool bind_varargs(wc_jrun *r, const wc_jmacro *m, const wc_jcall *call, wc_jscope *scope)
{
    const wc_jmacro_def *def = m->def;
    const char *name = m->name ? m->name->s : "None", *quote = m->name ? "'" : "";
    int extra = call->n_positional > def->n_parameters ? call->n_positional - def->n_parameters : 0;
    wc_jv list;
    if (!def->uses_varargs) {
        return extra == 0 || wc_jfail_type(r, "macro %s%s%s takes not more than %d argument(s)", quote, name,
                                           quote, def->n_parameters);
    }
    wc_jv *items = wc_jalloc(r, (size_t)extra, sizeof *items);
    if (!items)
        return false;
    if (extra > 0)
        memcpy(items, call->positional + def->n_parameters, (size_t)extra * sizeof *items);
    return wc_jlist_of(r, WC_J_TUPLE, items, (size_t)extra, &list) &&
           wc_jscope_set(r, scope, r->t->varargs, list);
}

bool wc_jcall_macro(wc_jrun *r, wc_jmacro *m, const wc_jcall *call, wc_jv *out)
{
    if (!enter(r))
        return false;
    wc_jscope *scope = wc_jscope_new(r, m->scope);
    bool ok = scope && bind_parameters(r, m, call, scope) && bind_keywords(r, m, call, scope) &&
              bind_varargs(r, m, call, scope) && capture(r, &m->node->body, scope, out) == DONE;
    r->depth--;
    return ok;
}

/* ---- loops ---- */

/* The items of a loop that pass its test, which is asked as late as the loop asks for the item. */
struct loop_filter {
    const wc_jnode *node;
    wc_jscope *scope; /* of target and test */
};

static bool next_passing(wc_jrun *r, wc_jiter *it, wc_jv *item)
{
    const struct loop_filter *filter = it->state;
    if (!it->inner && !(it->inner = wc_jiterate(r, it->source)))
        return false;
    while (wc_jnext(r, it->inner, item)) {
        wc_jv passes;
        filter->scope->n = 0;
        if (!wc_jassign(r, filter->node->a, filter->scope, *item) ||
            !wc_jeval(r, filter->node->c, filter->scope, &passes))
            return false;
        if (wc_jtruth(r, passes))
            return true;
    }
    return false;
}

static bool filter_items(wc_jrun *r, const wc_jnode *node, wc_jscope *scope, wc_jv *items)
{
    struct loop_filter *filter = wc_jalloc(r, 1, sizeof *filter);
    if (!filter)
        return false;
    *filter = (struct loop_filter){node, wc_jscope_new(r, scope)};
    return filter->scope && wc_jgenerator(r, next_passing, *items, filter, "generator", items);
}

/* The item behind the current one, fetched ahead; *there tells. */
static bool peek(wc_jrun *r, wc_jloop *loop, bool *there)
{
    if (!loop->has_after)
        loop->has_after = wc_jnext(r, loop->iter, &loop->after);
    *there = loop->has_after;
    return !r->failed;
}

static bool loop_length(wc_jrun *r, wc_jloop *loop)
{
    wc_jv rest;
    if (loop->length >= 0)
        return true;
    if (wc_jhas_length(loop->iterable))
        return wc_jlength(r, loop->iterable, &loop->length);
    wc_jv source = {.type = WC_J_ITER, .u.iter = loop->iter};
    if (!wc_jto_list(r, source, WC_J_LIST, &rest))
        return false;
    loop->iter = wc_jiterate(r, rest);
    loop->length = (int64_t)rest.u.list->n + loop->index0 + 1 + loop->has_after;
    return loop->iter != NULL;
}

static bool neighbour(wc_jrun *r, bool there, wc_jv value, const char *hint, wc_jv *out)
{
    if (!there)
        return wc_jundefined_hint(r, hint, out);
    *out = value;
    return true;
}

bool wc_jloop_attribute(wc_jrun *r, wc_jloop *loop, wc_jv name, wc_jv *out, bool *found)
{
    bool there;
    *found = true;
    if (wc_jstr_is(name, "index0")) {
        *out = wc_jint(loop->index0);
    } else if (wc_jstr_is(name, "index")) {
        *out = wc_jint(loop->index0 + 1);
    } else if (wc_jstr_is(name, "first")) {
        *out = wc_jbool(loop->index0 == 0);
    } else if (wc_jstr_is(name, "depth0")) {
        *out = wc_jint(loop->depth0);
    } else if (wc_jstr_is(name, "depth")) {
        *out = wc_jint(loop->depth0 + 1);
    } else if (wc_jstr_is(name, "previtem")) {
        return neighbour(r, loop->index0 > 0, loop->before, "there is no previous item", out);
    } else if (wc_jstr_is(name, "nextitem")) {
        return peek(r, loop, &there) && neighbour(r, there, loop->after, "there is no next item", out);
    } else if (wc_jstr_is(name, "last")) {
        if (!peek(r, loop, &there))
            return false;
        *out = wc_jbool(!there);
    } else {
        bool length = wc_jstr_is(name, "length"), revindex = wc_jstr_is(name, "revindex");
        *found = length || revindex || wc_jstr_is(name, "revindex0");
        if (!*found)
            return true;
        if (!loop_length(r, loop))
            return false;
        *out = wc_jint(length ? loop->length : loop->length - loop->index0 - (revindex ? 0 : 1));
    }
    return true;
}

static bool advance(wc_jrun *r, wc_jloop *loop)
{
    bool there;
    if (!peek(r, loop, &there) || !there)
        return false;
    loop->has_after = false;
    loop->before = loop->current;
    loop->current = loop->after;
    loop->index0++;
    return true;
}

static enum status run_loop(wc_jrun *r, const wc_jnode *node, wc_jscope *outer, wc_jv items, int depth0)
{
    wc_jv bound;
    wc_jloop *loop = wc_jalloc(r, 1, sizeof *loop);
    wc_jscope *scope = wc_jscope_new(r, outer);
    if (!loop || !scope || (node->c && !filter_items(r, node, outer, &items)))
        return FAILED;
    *loop = (wc_jloop){.iterable = items, .index0 = -1, .length = -1, .depth0 = depth0, .scope = outer};
    loop->node = node->flag ? node : NULL;
    loop->iter = wc_jiterate(r, items);
    if (!loop->iter)
        return FAILED;
    bound = (wc_jv){.type = WC_J_LOOP, .u.loop = loop};
    while (advance(r, loop)) {
        scope->n = 0;
        if (!wc_jscope_set(r, scope, r->t->loop, bound) || !wc_jassign(r, node->a, scope, loop->current))
            return FAILED;
        enum status status = run_body(r, &node->body, scope);
        if (status == FAILED)
            return FAILED;
        if (status == BREAK)
            break;
    }
    if (r->failed)
        return FAILED;
    if (loop->index0 >= 0 || node->other.n == 0)
        return DONE;
    scope = wc_jscope_new(r, outer);
    return scope ? run_body(r, &node->other, scope) : FAILED;
}

/* A recursive loop is a function of what it walks: its text is a value. */
static bool render_loop(wc_jrun *r, const wc_jnode *node, wc_jscope *outer, wc_jv items, int depth0,
                        wc_jv *out)
{
    wc_buf text, *before = r->out;
    if (!enter(r))
        return false;
    wc_jbuf(&text);
    r->out = &text;
    enum status status = run_loop(r, node, outer, items, depth0);
    r->out = before;
    r->depth--;
    if (status == FAILED) {
        wc_buf_release(&text);
        return false;
    }
    if (!wc_jstring_take(r, &text, out))
        return false;
    out->flags = r->autoescape ? WC_J_MARKUP : 0;
    return true;
}

bool wc_jcall_loop(wc_jrun *r, wc_jloop *loop, wc_jv iterable, wc_jv *out)
{
    if (!loop->node)
        return wc_jfail_type(r, "The loop must have the 'recursive' marker to be called recursively.");
    return render_loop(r, loop->node, loop->scope, iterable, loop->depth0 + 1, out);
}

static enum status run_for(wc_jrun *r, const wc_jnode *node, wc_jscope *scope)
{
    wc_jv items, text;
    if (!wc_jeval(r, node->b, scope, &items))
        return FAILED;
    if (!node->flag)
        return run_loop(r, node, scope, items, 0);
    return status_of(render_loop(r, node, scope, items, 0, &text) && write_value(r, text));
}

/* ---- the other statements ---- */

static enum status run_if(wc_jrun *r, const wc_jnode *node, wc_jscope *scope)
{
    for (int i = 0; i < node->n_items; i++) {
        wc_jv condition;
        if (!wc_jeval(r, node->items[i], scope, &condition))
            return FAILED;
        if (wc_jtruth(r, condition))
            return run_body(r, &node->u.bodies[i], scope);
    }
    return node->flag ? run_body(r, &node->u.bodies[node->n_items], scope) : DONE;
}

static enum status run_output(wc_jrun *r, const wc_jnode *node, wc_jscope *scope)
{
    for (int i = 0; i < node->n_items; i++) {
        wc_jv v;
        r->constant = node->items[i]->flag;
        if (!wc_jeval(r, node->items[i], scope, &v) || !write_value(r, v))
            return FAILED;
        r->constant = false;
    }
    return DONE;
}

/* Attributes are assigned to namespaces only, which is told before the value is computed. */
static bool check_namespaces(wc_jrun *r, const wc_jnode *target, wc_jscope *scope)
{
    wc_jv v;
    if (target->kind == WC_JN_NSREF) {
        if (!wc_jscope_get(r, scope, target->name, &v))
            return false;
        return v.type == WC_J_NAMESPACE ||
               wc_jfail(r, WC_JINJA_RUNTIME, "cannot assign attribute on non-namespace object");
    }
    for (int i = 0; target->kind == WC_JN_TUPLE && i < target->n_items; i++)
        if (!check_namespaces(r, target->items[i], scope))
            return false;
    return true;
}

static bool run_set(wc_jrun *r, const wc_jnode *node, wc_jscope *scope)
{
    wc_jv v;
    return check_namespaces(r, node->a, scope) && wc_jeval(r, node->b, scope, &v) &&
           wc_jassign(r, node->a, scope, v);
}

/* The text of a body through a chain of filters. */
static bool filter_text(wc_jrun *r, const wc_jnode *filter, wc_jscope *scope, wc_jv text, wc_jv *out)
{
    const wc_jv *outer = r->filter_text;
    r->filter_text = &text;
    bool ok = wc_jeval(r, filter, scope, out);
    r->filter_text = outer;
    return ok;
}

static enum status run_set_block(wc_jrun *r, const wc_jnode *node, wc_jscope *scope)
{
    wc_jv text;
    wc_jscope *inner = wc_jscope_new(r, scope);
    enum status status = inner ? capture(r, &node->body, inner, &text) : FAILED;
    if (status != DONE)
        return status;
    if (node->b && !filter_text(r, node->b, inner, text, &text))
        return FAILED;
    return status_of(wc_jassign(r, node->a, scope, text));
}

static enum status run_filter_block(wc_jrun *r, const wc_jnode *node, wc_jscope *scope)
{
    wc_jv text;
    wc_jscope *inner = wc_jscope_new(r, scope);
    enum status status = inner ? capture(r, &node->body, inner, &text) : FAILED;
    if (status != DONE)
        return status;
    return status_of(filter_text(r, node->a, inner, text, &text) && write_text(r, text));
}

static bool run_macro(wc_jrun *r, const wc_jnode *node, wc_jscope *scope)
{
    wc_jv macro;
    return make_macro(r, node, scope, &macro) && wc_jscope_set(r, scope, node->name, macro);
}

static bool run_call_block(wc_jrun *r, const wc_jnode *node, wc_jscope *scope)
{
    wc_jv caller, text;
    return make_macro(r, node, scope, &caller) && wc_jeval_call(r, node->a, scope, caller, &text) &&
           write_text(r, text);
}

static enum status run_with(wc_jrun *r, const wc_jnode *node, wc_jscope *scope)
{
    wc_jscope *inner = wc_jscope_new(r, scope);
    if (!inner)
        return FAILED;
    for (int i = 0; i < node->n_items; i += 2) {
        wc_jv v;
        if (!wc_jeval(r, node->items[i + 1], scope, &v) || !wc_jassign(r, node->items[i], inner, v))
            return FAILED;
    }
    return run_body(r, &node->body, inner);
}

static enum status run_scope(wc_jrun *r, const wc_jnode *node, wc_jscope *scope)
{
    wc_jscope *inner = wc_jscope_new(r, scope);
    return inner ? run_body(r, &node->body, inner) : FAILED;
}

static enum status run_autoescape(wc_jrun *r, const wc_jnode *node, wc_jscope *scope)
{
    wc_jv v;
    bool outer = r->autoescape;
    if (!wc_jeval(r, node->a, scope, &v))
        return FAILED;
    r->autoescape = wc_jtruth(r, v);
    enum status status = run_scope(r, node, scope);
    r->autoescape = outer;
    return status;
}

/* A block sees the variables of the top level, or where it stands when it is scoped. */
static enum status run_block(wc_jrun *r, const wc_jnode *node, wc_jscope *scope)
{
    if (node->op)
        return status_of(wc_jfail(r, WC_JINJA_RUNTIME, "Required block '%s' not found", node->name->s));
    return run_scope(r, node, node->flag ? scope : r->root);
}

bool wc_jcall_block(wc_jrun *r, const wc_jnode *block, wc_jv *out)
{
    wc_jscope *scope = wc_jscope_new(r, r->root);
    if (!scope || !enter(r))
        return false;
    bool ok = capture(r, &block->body, scope, out) == DONE;
    r->depth--;
    return ok;
}

static enum status run_loader(wc_jrun *r, const wc_jnode *node, wc_jscope *scope)
{
    wc_jv name;
    return status_of(wc_jeval(r, node->a, scope, &name) &&
                     wc_jfail_type(r, "no loader for this environment specified"));
}

static enum status run_statement(wc_jrun *r, const wc_jnode *node, wc_jscope *scope)
{
    r->line = node->line;
    switch ((enum wc_jnode_kind)node->kind) {
    case WC_JN_DATA:
        wc_buf_add(r->out, node->u.value.u.str->s, node->u.value.u.str->n);
        return status_of(wc_jsteps(r, node->u.value.u.str->n / 256) && output_fits(r));
    case WC_JN_OUTPUT:
        return run_output(r, node, scope);
    case WC_JN_FOR:
        return run_for(r, node, scope);
    case WC_JN_IF:
        return run_if(r, node, scope);
    case WC_JN_SET:
        return status_of(run_set(r, node, scope));
    case WC_JN_SET_BLOCK:
        return run_set_block(r, node, scope);
    case WC_JN_MACRO:
        return status_of(run_macro(r, node, scope));
    case WC_JN_CALL_BLOCK:
        return status_of(run_call_block(r, node, scope));
    case WC_JN_FILTER_BLOCK:
        return run_filter_block(r, node, scope);
    case WC_JN_WITH:
        return run_with(r, node, scope);
    case WC_JN_SCOPE:
        return run_scope(r, node, scope);
    case WC_JN_AUTOESCAPE:
        return run_autoescape(r, node, scope);
    case WC_JN_BLOCK:
        return run_block(r, node, scope);
    case WC_JN_LOADER:
        return run_loader(r, node, scope);
    case WC_JN_BREAK:
        return BREAK;
    case WC_JN_CONTINUE:
        return CONTINUE;
    default:
        return status_of(wc_jfail(r, WC_JINJA_RUNTIME, "a statement was expected here"));
    }
}

static enum status run_body(wc_jrun *r, const wc_jbody *body, wc_jscope *scope)
{
    if (!wc_jdeep(r))
        return FAILED;
    for (int i = 0; i < body->n; i++) {
        enum status status = wc_jsteps(r, 1) ? run_statement(r, body->nodes[i], scope) : FAILED;
        if (status != DONE)
            return status;
    }
    return DONE;
}

/* ---- a rendering ---- */

static bool from_json(wc_jrun *r, const wc_json *json, wc_jv *out);

static bool list_from_json(wc_jrun *r, const wc_json *json, wc_jv *out)
{
    wc_jv *items = wc_jalloc(r, json->n, sizeof *items);
    if (!items)
        return false;
    for (size_t i = 0; i < json->n; i++)
        if (!from_json(r, wc_json_item(json, i), &items[i]))
            return false;
    return wc_jlist_of(r, WC_J_LIST, items, json->n, out);
}

static bool dict_from_json(wc_jrun *r, const wc_json *json, wc_jv *out)
{
    if (!wc_jdict_new(r, out))
        return false;
    for (size_t i = 0; i < json->n; i++) {
        wc_jv key, value;
        if (!from_json(r, wc_json_key(json, i), &key) || !from_json(r, wc_json_value(json, i), &value) ||
            !wc_jdict_set(r, out->u.dict, key, value))
            return false;
    }
    return true;
}

static bool big_from_json(wc_jrun *r, const wc_json *json, wc_jv *out)
{
    bool negative = json->n > 0 && json->u.text[0] == '-';
    if (!wc_jint_from_digits(r, NULL, json->u.text + negative, json->n - negative, 10, out))
        return false;
    return !negative || wc_jint_negative(r, *out, out);
}

/* Strings stay where the JSON tree has them. */
static bool from_json(wc_jrun *r, const wc_json *json, wc_jv *out)
{
    if (!wc_jsteps(r, 1) || !wc_jdeep(r))
        return false;
    switch ((wc_json_type)json->type) {
    case WC_JSON_NULL:
        *out = wc_jnone();
        return true;
    case WC_JSON_FALSE:
    case WC_JSON_TRUE:
        *out = wc_jbool(json->type == WC_JSON_TRUE);
        return true;
    case WC_JSON_INT:
        *out = wc_jint(json->u.integer);
        return true;
    case WC_JSON_BIGINT:
        return big_from_json(r, json, out);
    case WC_JSON_DOUBLE:
        *out = wc_jfloat(json->u.number);
        return true;
    case WC_JSON_STRING:
        return wc_jstring_view(r, json->u.text, json->n, out);
    case WC_JSON_ARRAY:
        return list_from_json(r, json, out);
    default:
        return dict_from_json(r, json, out);
    }
}

/* The value of every name that the template has: the caller's variable, or a global function, or none. */
static bool bind_variables(wc_jrun *r, const wc_json *vars)
{
    const wc_jinja *t = r->t;
    wc_jv *values = wc_jalloc(r, (size_t)t->n_names, sizeof *values);
    r->root = wc_jscope_new(r, NULL);
    if (!values || !r->root)
        return false;
    r->root->by_id = wc_jalloc(r, (size_t)t->n_names, sizeof *values);
    if (!r->root->by_id)
        return false;
    for (int i = 0; i < t->n_names; i++) {
        const wc_jname *name = t->names[i];
        const wc_json *json = wc_json_get(vars, name->s);
        const wc_jfunction *global = json ? NULL : wc_jfind_global(name->s, name->n);
        if (json && !from_json(r, json, &values[i]))
            return false;
        if (global)
            values[i] = (wc_jv){.type = WC_J_FUNCTION, .u.function = global};
        if (!wc_jsteps(r, wc_json_count(vars) / 4))
            return false;
    }
    values[t->self->id] = (wc_jv){.type = WC_J_SELF};
    r->vars = values;
    return true;
}

static bool render(wc_jrun *r, const wc_json *vars, wc_buf *out)
{
    wc_buf text;
    wc_jbuf(&text);
    r->out = &text;
    bool ok = bind_variables(r, vars) && run_body(r, &r->t->body, r->root) == DONE;
    if (ok)
        wc_buf_add(out, wc_buf_str(&text), text.size);
    wc_buf_release(&text);
    return ok;
}

bool wc_jinja_render(const wc_jinja *t, const wc_json *vars, const struct wc_jinja_clock *now, wc_buf *out,
                     enum wc_jinja_kind *kind, wc_error *err)
{
    wc_error ignored;
    wc_jrun r = {.t = t, .now = now, .steps = WC_JINJA_STEPS, .line = 1, .stack = __builtin_frame_address(0)};
    r.err = err ? err : &ignored;
    r.arena = wc_arena_new(WC_JINJA_MEMORY);
    /* Numbers are read and written with a point, whatever the program's locale is. */
    locale_t plain = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    bool ok = false;
    if (r.arena && plain) {
        locale_t before = uselocale(plain);
        ok = render(&r, vars, out) && wc_buf_check(out, "rendered template", r.err);
        uselocale(before);
    } else {
        wc_fail_memory(r.err, 0);
    }
    if (plain)
        freelocale(plain);
    wc_arena_free(r.arena);
    if (kind)
        *kind = ok ? WC_JINJA_OK : r.failed ? r.kind : WC_JINJA_LIMIT;
    return ok;
}
