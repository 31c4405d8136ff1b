/* jinja_eval.h - what expressions (jinja_expr.c) and statements (jinja_eval.c) share: scopes. */
#ifndef WC_TEXT_JINJA_EVAL_H
#define WC_TEXT_JINJA_EVAL_H
#include "text/jinja_ast.h"

struct wc_jbinding {
    const wc_jname *name;
    wc_jv value;
};

/* Names and their values; a name that is not here is looked for in the parent, and at last among the variables of the
 * rendering.  The root, where the top level assigns, has a place for every name of the template. */
struct wc_jscope {
    wc_jscope *parent;
    struct wc_jbinding *bindings; /* [n] */
    int n, room;
    wc_jv *by_id; /* of the root: [t->n_names] */
};

wc_jscope *wc_jscope_new(wc_jrun *r, wc_jscope *parent);
bool wc_jscope_set(wc_jrun *r, wc_jscope *scope, const wc_jname *name, wc_jv value);
/* The value of a name; undefined when nobody has one. */
bool wc_jscope_get(wc_jrun *r, const wc_jscope *scope, const wc_jname *name, wc_jv *out);

/* The value of an expression. */
bool wc_jeval(wc_jrun *r, const wc_jnode *node, wc_jscope *scope, wc_jv *out);
/* A call with one more keyword argument, "caller"; missing: none. */
bool wc_jeval_call(wc_jrun *r, const wc_jnode *node, wc_jscope *scope, wc_jv caller, wc_jv *out);
/* Assigns a value to a name, a tuple of targets, or the attribute of a namespace. */
bool wc_jassign(wc_jrun *r, const wc_jnode *target, wc_jscope *scope, wc_jv value);
#endif
