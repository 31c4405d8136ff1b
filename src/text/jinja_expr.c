/* jinja_expr.c - the value of an expression: a walk over its tree. */
#include <string.h>

#include "text/jinja_eval.h"

enum { FEW_ARGS = 8 };

/* ---- scopes ---- */

wc_jscope *wc_jscope_new(wc_jrun *r, wc_jscope *parent)
{
    wc_jscope *scope = wc_jalloc(r, 1, sizeof *scope);
    if (scope)
        scope->parent = parent;
    return scope;
}

bool wc_jscope_set(wc_jrun *r, wc_jscope *scope, const wc_jname *name, wc_jv value)
{
    if (scope->by_id) {
        scope->by_id[name->id] = value;
        return true;
    }
    for (int i = 0; i < scope->n; i++)
        if (scope->bindings[i].name == name) {
            scope->bindings[i].value = value;
            return wc_jsteps(r, (size_t)i / 8);
        }
    if (scope->n == scope->room) {
        int room = scope->room ? scope->room * 2 : 4;
        struct wc_jbinding *bindings = wc_jalloc(r, (size_t)room, sizeof *bindings);
        if (!bindings)
            return false;
        if (scope->n > 0)
            memcpy(bindings, scope->bindings, (size_t)scope->n * sizeof *bindings);
        scope->bindings = bindings;
        scope->room = room;
    }
    scope->bindings[scope->n++] = (struct wc_jbinding){name, value};
    return wc_jsteps(r, (size_t)scope->n / 8);
}

bool wc_jscope_get(wc_jrun *r, const wc_jscope *scope, const wc_jname *name, wc_jv *out)
{
    size_t looked = 0;
    for (; scope; scope = scope->parent) {
        if (scope->by_id) {
            *out = scope->by_id[name->id];
            if (out->type != WC_J_MISSING)
                return true;
            continue;
        }
        for (int i = 0; i < scope->n; i++)
            if (scope->bindings[i].name == name) {
                *out = scope->bindings[i].value;
                return true;
            }
        looked += (size_t)scope->n;
    }
    *out = r->vars[name->id];
    if (out->type == WC_J_MISSING)
        return wc_jundefined_name(r, name->s, name->n, out);
    return wc_jsteps(r, looked / 8);
}

/* ---- assignment ---- */

static bool assign_attribute(wc_jrun *r, const wc_jnode *target, wc_jscope *scope, wc_jv value)
{
    wc_jv namespace, name;
    if (!wc_jscope_get(r, scope, target->name, &namespace))
        return false;
    if (namespace.type != WC_J_NAMESPACE)
        return wc_jfail(r, WC_JINJA_RUNTIME, "cannot assign attribute on non-namespace object");
    if (target->attr->s[0] == '_')
        return wc_jfail(
            r, WC_JINJA_SECURITY,
            "Chat templates cannot store underscore-prefixed attributes on a namespace, but got '%s'. "
            "Please rename the attribute.",
            target->attr->s);
    return wc_jstring_view(r, target->attr->s, target->attr->n, &name) &&
           wc_jdict_set(r, namespace.u.dict, name, value);
}

static bool assign_items(wc_jrun *r, const wc_jnode *target, wc_jscope *scope, wc_jv value)
{
    wc_jv items;
    if (!wc_jiterable(value))
        return wc_jfail_type(r, "cannot unpack non-iterable %s object", wc_jtype_name(value));
    if (!wc_jto_list(r, value, WC_J_LIST, &items))
        return false;
    int n = target->n_items;
    size_t found = items.u.list->n;
    if (found < (size_t)n)
        return wc_jfail(r, WC_JINJA_RUNTIME, "not enough values to unpack (expected %d, got %zu)", n, found);
    if (found > (size_t)n)
        return wc_jfail(r, WC_JINJA_RUNTIME, "too many values to unpack (expected %d)", n);
    for (int i = 0; i < n; i++)
        if (!wc_jassign(r, target->items[i], scope, items.u.list->items[i]))
            return false;
    return true;
}

bool wc_jassign(wc_jrun *r, const wc_jnode *target, wc_jscope *scope, wc_jv value)
{
    if (target->kind == WC_JN_NAME)
        return wc_jscope_set(r, scope, target->name, value);
    if (target->kind == WC_JN_NSREF)
        return assign_attribute(r, target, scope, value);
    return assign_items(r, target, scope, value);
}

/* ---- calls ---- */

/* Arguments under construction: in place while they are few. */
struct arguments {
    wc_jv few[FEW_ARGS], few_keywords[FEW_ARGS], few_values[FEW_ARGS];
    wc_jlist_builder positional, keywords, values;
};

static void arguments_init(struct arguments *a)
{
    a->positional = (wc_jlist_builder){.items = a->few, .room = FEW_ARGS};
    a->keywords = (wc_jlist_builder){.items = a->few_keywords, .room = FEW_ARGS};
    a->values = (wc_jlist_builder){.items = a->few_values, .room = FEW_ARGS};
}

static bool add_keyword(wc_jrun *r, struct arguments *a, wc_jv keyword, wc_jv value)
{
    if (keyword.type != WC_J_STR)
        return wc_jfail_type(r, "keywords must be strings");
    for (size_t i = 0; i < a->keywords.n; i++) {
        bool equal;
        if (!wc_jequal(r, a->keywords.items[i], keyword, &equal))
            return false;
        if (equal)
            return wc_jfail_type(r, "got multiple values for keyword argument '%.*s'", (int)keyword.u.str->n,
                                 keyword.u.str->s);
    }
    return wc_jsteps(r, a->keywords.n / 4) && wc_jlist_add(r, &a->keywords, keyword) &&
           wc_jlist_add(r, &a->values, value);
}

static bool add_star(wc_jrun *r, const wc_jnode *node, wc_jscope *scope, struct arguments *a)
{
    wc_jv v = wc_jnone(), item = wc_jnone();
    if (!wc_jeval(r, node, scope, &v))
        return false;
    wc_jiter *it = wc_jiterate(r, v);
    while (it && wc_jnext(r, it, &item))
        if (!wc_jlist_add(r, &a->positional, item))
            return false;
    return !r->failed;
}

static bool add_star2(wc_jrun *r, const wc_jnode *node, wc_jscope *scope, struct arguments *a)
{
    wc_jv v;
    if (!wc_jeval(r, node, scope, &v))
        return false;
    if (v.type != WC_J_DICT)
        return wc_jfail_type(r, "argument after ** must be a mapping, not %s", wc_jtype_name(v));
    for (size_t i = 0; i < v.u.dict->n; i++)
        if (!add_keyword(r, a, v.u.dict->entries[i].key, v.u.dict->entries[i].value))
            return false;
    return true;
}

static bool eval_arguments(wc_jrun *r, const wc_jargs *args, wc_jscope *scope, wc_jv caller,
                           struct arguments *a, wc_jcall *call)
{
    wc_jv keyword, value;
    arguments_init(a);
    for (int i = 0; i < args->n_positional; i++)
        if (!wc_jeval(r, args->positional[i], scope, &value) || !wc_jlist_add(r, &a->positional, value))
            return false;
    if (args->star && !add_star(r, args->star, scope, a))
        return false;
    for (int i = 0; i < args->n_keywords; i++)
        if (!wc_jeval(r, args->values[i], scope, &value) ||
            !wc_jstring_view(r, args->keywords[i]->s, args->keywords[i]->n, &keyword) ||
            !add_keyword(r, a, keyword, value))
            return false;
    if (args->star2 && !add_star2(r, args->star2, scope, a))
        return false;
    if (caller.type != WC_J_MISSING &&
        (!wc_jstring_literal(r, "caller", &keyword) || !add_keyword(r, a, keyword, caller)))
        return false;
    if (a->positional.n > INT32_MAX || a->keywords.n > INT32_MAX)
        return wc_jfail(r, WC_JINJA_LIMIT, "too many arguments");
    *call = (wc_jcall){.positional = a->positional.items,
                       .keywords = a->keywords.items,
                       .values = a->values.items,
                       .n_positional = (int)a->positional.n,
                       .n_keywords = (int)a->keywords.n};
    return true;
}

bool wc_jeval_call(wc_jrun *r, const wc_jnode *node, wc_jscope *scope, wc_jv caller, wc_jv *out)
{
    struct arguments a;
    wc_jcall call;
    wc_jv callee;
    if (!wc_jeval(r, node->a, scope, &callee) || !eval_arguments(r, node->u.args, scope, caller, &a, &call))
        return false;
    r->line = node->line;
    bool ok = wc_jcall_value(r, callee, &call, out);
    if (ok)
        r->line = node->line;
    return ok;
}

static bool eval_filter(wc_jrun *r, const wc_jnode *node, wc_jscope *scope, wc_jv *out)
{
    struct arguments a;
    wc_jcall call;
    wc_jv self;
    if (node->a) {
        if (!wc_jeval(r, node->a, scope, &self))
            return false;
    } else {
        self = *r->filter_text;
    }
    if (!eval_arguments(r, node->u.args, scope, wc_jmissing(), &a, &call))
        return false;
    r->line = node->line;
    if (!node->function)
        return wc_jfail(r, WC_JINJA_RUNTIME, "No %s named '%s'.",
                        node->kind == WC_JN_TEST ? "test" : "filter", node->name->s);
    return wc_jcall_function(r, node->function, self, &call, out);
}

/* ---- operators ---- */

static bool compare(wc_jrun *r, enum wc_jcompare op, wc_jv a, wc_jv b, bool *result)
{
    static const char *const names[] = {"==", "!=", "<", "<=", ">", ">="};
    int order;
    switch (op) {
    case WC_JC_EQ:
    case WC_JC_NE:
        if (!wc_jequal(r, a, b, result))
            return false;
        *result = *result == (op == WC_JC_EQ);
        return true;
    case WC_JC_IN:
    case WC_JC_NOT_IN:
        if (!wc_jcontains(r, b, a, result))
            return false;
        *result = *result == (op == WC_JC_IN);
        return true;
    default:
        if (!wc_jorder(r, a, b, names[op], &order))
            return false;
        *result = op == WC_JC_LT   ? order == -1
                  : op == WC_JC_LE ? order == -1 || order == 0
                  : op == WC_JC_GT ? order == 1
                                   : order == 1 || order == 0;
        return true;
    }
}

/* a < b < c: each operand is evaluated once, and none behind the first that is false. */
static bool eval_compare(wc_jrun *r, const wc_jnode *node, wc_jscope *scope, wc_jv *out)
{
    wc_jv left, right;
    bool result = true;
    if (!wc_jeval(r, node->a, scope, &left))
        return false;
    for (int i = 0; i < node->n_items && result; i++) {
        if (!wc_jeval(r, node->items[i], scope, &right))
            return false;
        r->line = node->line;
        if (!compare(r, (enum wc_jcompare)node->u.ops[i], left, right, &result))
            return false;
        left = right;
    }
    *out = wc_jbool(result);
    return true;
}

static bool eval_items(wc_jrun *r, const wc_jnode *node, wc_jscope *scope, enum wc_jtype type, wc_jv *out)
{
    wc_jv *items = wc_jalloc(r, (size_t)node->n_items, sizeof *items);
    if (!items)
        return false;
    for (int i = 0; i < node->n_items; i++)
        if (!wc_jeval(r, node->items[i], scope, &items[i]))
            return false;
    return wc_jlist_of(r, type, items, (size_t)node->n_items, out);
}

static bool eval_dict(wc_jrun *r, const wc_jnode *node, wc_jscope *scope, wc_jv *out)
{
    if (!wc_jdict_new(r, out))
        return false;
    for (int i = 0; i < node->n_items; i += 2) {
        wc_jv key, value;
        if (!wc_jeval(r, node->items[i], scope, &key) || !wc_jeval(r, node->items[i + 1], scope, &value) ||
            !wc_jdict_set(r, out->u.dict, key, value))
            return false;
    }
    return true;
}

/* a ~ b ~ c; under autoescape Markup among them makes all of it Markup. */
static bool eval_concat(wc_jrun *r, const wc_jnode *node, wc_jscope *scope, wc_jv *out)
{
    wc_jv list, part;
    bool markup = false;
    if (!eval_items(r, node, scope, WC_J_LIST, &list))
        return false;
    for (size_t i = 0; r->autoescape && i < list.u.list->n; i++)
        markup |= list.u.list->items[i].type == WC_J_STR && (list.u.list->items[i].flags & WC_J_MARKUP);
    for (size_t i = 0; i < list.u.list->n; i++) {
        wc_jv item = list.u.list->items[i];
        if (!(markup ? wc_jescape(r, item, &part) : wc_jto_str(r, item, &part)))
            return false;
        if (i == 0)
            *out = part;
        else if (!wc_jconcat(r, *out, part, out))
            return false;
    }
    return true;
}

static bool eval_slice(wc_jrun *r, const wc_jnode *node, wc_jscope *scope, wc_jv *out)
{
    wc_jv object, bounds[3];
    if (!wc_jeval(r, node->a, scope, &object))
        return false;
    for (int i = 0; i < 3; i++) {
        bounds[i] = wc_jmissing();
        if (node->items[i] && !wc_jeval(r, node->items[i], scope, &bounds[i]))
            return false;
    }
    /* Jinja2 computes what prints a constant when it compiles, where what cannot be sliced is undefined. */
    bool slices = object.type == WC_J_STR || object.type == WC_J_LIST || object.type == WC_J_TUPLE;
    for (int i = 0; i < 3; i++)
        slices &= bounds[i].type == WC_J_MISSING || bounds[i].type == WC_J_NONE || wc_jis_integer(bounds[i]);
    if (r->constant && !slices)
        return wc_jundefined_member(r, object, bounds[0], out);
    return wc_jslice(r, object, bounds[0], bounds[1], bounds[2], out);
}

static bool eval_unary(wc_jrun *r, const wc_jnode *node, wc_jscope *scope, wc_jv *out)
{
    wc_jv v;
    if (!wc_jeval(r, node->a, scope, &v))
        return false;
    if (node->op == WC_JT_SUB)
        return wc_jnegative(r, v, out);
    if (v.type == WC_J_UNDEFINED)
        return wc_jfail_undefined(r, v);
    if (!wc_jis_number(v))
        return wc_jfail_type(r, "bad operand type for unary +: '%s'", wc_jtype_name(v));
    *out = v.type == WC_J_BOOL ? wc_jint(v.u.boolean) : v;
    return true;
}

static bool eval_condition(wc_jrun *r, const wc_jnode *node, wc_jscope *scope, wc_jv *out)
{
    wc_jv condition;
    if (!wc_jeval(r, node->b, scope, &condition))
        return false;
    if (wc_jtruth(r, condition))
        return wc_jeval(r, node->a, scope, out);
    if (node->c)
        return wc_jeval(r, node->c, scope, out);
    return wc_jundefined_hint(
        r, "the inline if-expression evaluated to false and no else section was defined.", out);
}

bool wc_jeval(wc_jrun *r, const wc_jnode *node, wc_jscope *scope, wc_jv *out)
{
    wc_jv a, b;
    if (!wc_jsteps(r, 1) || !wc_jdeep(r))
        return false;
    switch ((enum wc_jnode_kind)node->kind) {
    case WC_JN_CONST:
        *out = node->u.value;
        return true;
    case WC_JN_NAME:
        return wc_jscope_get(r, scope, node->name, out);
    case WC_JN_TUPLE:
        return eval_items(r, node, scope, WC_J_TUPLE, out);
    case WC_JN_LIST:
        return eval_items(r, node, scope, WC_J_LIST, out);
    case WC_JN_DICT:
        return eval_dict(r, node, scope, out);
    case WC_JN_UNARY:
        return eval_unary(r, node, scope, out);
    case WC_JN_NOT:
        if (!wc_jeval(r, node->a, scope, &a))
            return false;
        *out = wc_jbool(!wc_jtruth(r, a));
        return true;
    case WC_JN_AND:
    case WC_JN_OR:
        if (!wc_jeval(r, node->a, scope, out))
            return false;
        return wc_jtruth(r, *out) == (node->kind == WC_JN_OR) || wc_jeval(r, node->b, scope, out);
    case WC_JN_BINARY:
        if (!wc_jeval(r, node->a, scope, &a) || !wc_jeval(r, node->b, scope, &b))
            return false;
        r->line = node->line;
        return wc_jbinary(r, node->op, a, b, out);
    case WC_JN_CONCAT:
        return eval_concat(r, node, scope, out);
    case WC_JN_COMPARE:
        return eval_compare(r, node, scope, out);
    case WC_JN_CONDITION:
        return eval_condition(r, node, scope, out);
    case WC_JN_GETATTR:
    case WC_JN_GETITEM:
        if (!wc_jeval(r, node->a, scope, &a) || !wc_jeval(r, node->b, scope, &b))
            return false;
        r->line = node->line;
        return node->kind == WC_JN_GETATTR ? wc_jgetattr(r, a, b, out) : wc_jgetitem(r, a, b, out);
    case WC_JN_SLICE:
        return eval_slice(r, node, scope, out);
    case WC_JN_CALL:
        return wc_jeval_call(r, node, scope, wc_jmissing(), out);
    case WC_JN_FILTER:
    case WC_JN_TEST:
        return eval_filter(r, node, scope, out);
    default:
        return wc_jfail(r, WC_JINJA_RUNTIME, "an expression was expected here");
    }
}
