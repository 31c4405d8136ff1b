/* backward.c - walks a tape from its end to its start; beside each op stands its gradient.
 *
 * The output of a record is a node, known by its address, that collects the derivative of the loss by it: the sum of what the
 * records behind it give, all of which have passed when the walk comes to it.  A node is live when a parameter has a part in it;
 * what only constants went into, or weights that are not trained, is passed over.  A parameter's derivative goes into the memory
 * that params.h keeps for it, rows of a larger tensor into those rows. */
#include "train/backward.h"

#include <stdlib.h>

#include "ops/grads.h"
#include "ops/tape.h"

static const wc_tensor absent = {0};

/* The outputs of records, in the order of their addresses. */
struct node {
    const float *begin, *end;
    wc_tensor grad;
    bool live, rewritten; /* rewritten: more than one record has it for its output */
};

struct walk {
    wc_ctx *c; /* without a tape: what is computed now is not recorded */
    wc_params *params;
    struct node *nodes;
    size_t n;
    const wc_record *now; /* the record that is looked at, for messages */
    wc_error *err;
    bool ok;
};

/* The record that is looked at has no rule for it. */
static void refuse(struct walk *w, const char *what)
{
    if (w->ok)
        w->ok = wc_fail(w->err, WC_UNSUPPORTED, "training: no gradient for %s by %s", w->now->name, what);
}

/* ---- nodes ---- */

static int by_address(const void *pa, const void *pb)
{
    const struct node *a = pa, *b = pb;
    return (a->begin > b->begin) - (a->begin < b->begin);
}

static bool make_nodes(struct walk *w, const wc_tape *tape)
{
    w->nodes = wc_arena_zalloc(w->c->step, tape->n + 1, sizeof *w->nodes);
    if (!w->nodes)
        return wc_fail_memory(w->err, tape->n * sizeof *w->nodes);
    size_t n = 0;
    for (const wc_record *r = tape->first; r; r = r->after, n++)
        w->nodes[n] = (struct node){.begin = r->y.data, .end = (float *)r->y.data + wc_tensor_elems(&r->y)};
    qsort(w->nodes, n, sizeof *w->nodes, by_address);
    for (size_t i = 0; i < n; i++) {
        struct node *last = w->n > 0 ? &w->nodes[w->n - 1] : NULL;
        if (!last || w->nodes[i].begin >= last->end) {
            w->nodes[w->n++] = w->nodes[i];
            continue;
        }
        last->rewritten = true;
        last->end = w->nodes[i].end > last->end ? w->nodes[i].end : last->end;
    }
    return true;
}

/* The first node that ends behind p. */
static struct node *search(const struct walk *w, const float *p)
{
    size_t low = 0, high = w->n;
    while (low < high) {
        const size_t mid = low + (high - low) / 2;
        if (w->nodes[mid].end <= p)
            low = mid + 1;
        else
            high = mid;
    }
    return low < w->n ? &w->nodes[low] : NULL;
}

static struct node *output_node(const struct walk *w, const wc_record *r)
{
    return search(w, r->y.data);
}

/* The node that t is; NULL: t is no output of a record.  A live one that t is but a part of is an error. */
static struct node *node_of(struct walk *w, const wc_tensor *t)
{
    if (!t->data || t->dtype != WC_F32 || wc_params_has(w->params, t))
        return NULL;
    const float *begin = t->data, *end = begin + wc_tensor_elems(t);
    struct node *found = search(w, begin);
    if (!found || found->begin >= end)
        return NULL;
    if (found->begin == begin && found->end == end && wc_tensor_is_dense(t))
        return found;
    for (const struct node *n = found; n < w->nodes + w->n && n->begin < end; n++)
        if (n->live)
            refuse(w, "a part of a tensor");
    return NULL;
}

static bool is_live(struct walk *w, const wc_tensor *t)
{
    const struct node *n = node_of(w, t);
    return wc_params_has(w->params, t) || (n && n->live);
}

/* In the order of the pass: an output is live when one of the inputs is. */
static void find_live(struct walk *w, const wc_tape *tape)
{
    for (const wc_record *r = tape->first; r && w->ok; r = r->after) {
        w->now = r;
        const wc_tensor *in[] = {&r->x, &r->w, &r->bias, &r->z};
        for (size_t i = 0; i < sizeof in / sizeof *in; i++)
            if (is_live(w, in[i]))
                output_node(w, r)->live = true;
    }
}

/* ---- where derivatives go ---- */

/* Adds g to the derivative by t, an activation or a parameter that goes in as one is. */
static void give(struct walk *w, const wc_tensor *t, wc_tensor g)
{
    wc_tensor grad;
    struct node *n = node_of(w, t);
    g = wc_tensor_reshape(g, WC_SHAPE(wc_tensor_elems(&g)));
    if (wc_params_grad(w->params, t, &grad)) {
        if (wc_tensor_is_dense(&grad))
            wc_op_add_to(w->c, grad, g);
        else
            refuse(w, "columns of a weight");
        return;
    }
    if (!n || !n->live)
        return;
    n->grad = n->grad.data ? wc_op_add(w->c, n->grad, g) : g; /* never in place: g may be another's too */
}

/* The memory that the derivative by the weight t is added to; absent: t is not trained. */
static wc_tensor weight_grad(struct walk *w, const wc_tensor *t)
{
    wc_tensor grad;
    if (wc_params_grad(w->params, t, &grad))
        return grad;
    if (is_live(w, t))
        refuse(w, "a computed weight");
    return absent;
}

/* ---- the ops ---- */

static wc_tensor as_rows(wc_tensor t)
{
    return wc_tensor_reshape(t, WC_SHAPE(wc_tensor_rows(&t), t.shape[t.ndim - 1]));
}

/* Y = X W^T + b:  dX = dY W, dW = dY^T X, db = sum of dY's rows.  Some rows of a weight are dense, some columns are not. */
static void matmul_back(struct walk *w, const wc_record *r, wc_tensor dy)
{
    wc_ctx *c = w->c;
    wc_tensor x = as_rows(r->x), dw = weight_grad(w, &r->w), db = weight_grad(w, &r->bias);
    const bool through = is_live(w, &r->x);
    if (dw.data && !wc_tensor_is_dense(&dw)) {
        refuse(w, "columns of a weight");
        return;
    }
    wc_tensor dx = through ? wc_op_zeros(c, x.ndim, x.shape) : absent;
    wc_arena_mark mark = wc_op_mark(c); /* transposed matrices are as large as the weights */
    dy = as_rows(dy);
    if (through)
        wc_op_add_product(c, dx, dy, wc_op_transpose(c, r->w));
    if (dw.data)
        wc_op_add_product(c, dw, wc_op_transpose(c, dy), wc_op_transpose(c, x));
    if (db.data)
        wc_op_add_row_sums(c, db, dy);
    wc_op_reset(c, mark);
    if (through)
        give(w, &r->x, dx);
}

/* Y = s W[ids]:  dW[ids] += s dY. */
static void embed_back(struct walk *w, const wc_record *r, wc_tensor dy)
{
    wc_tensor dw = weight_grad(w, &r->w);
    if (dw.data)
        wc_op_add_rows_at(w->c, dw, dy, r->index, r->a);
}

static void get_rows_back(struct walk *w, const wc_record *r, wc_tensor dy)
{
    wc_tensor dx = wc_op_zeros(w->c, r->x.ndim, r->x.shape);
    wc_op_add_rows_at(w->c, dx, dy, r->index, 1);
    give(w, &r->x, dx);
}

static void layer_norm_back(struct walk *w, const wc_record *r, wc_tensor dy)
{
    wc_tensor dw = weight_grad(w, &r->w), db = weight_grad(w, &r->bias);
    give(w, &r->x, wc_op_layer_norm_grad(w->c, dy, r->x, r->w, r->b, dw));
    if (db.data)
        wc_op_add_row_sums(w->c, db, dy);
}

static void attention_back(struct walk *w, const wc_record *r, wc_tensor dy)
{
    const wc_attention_grad d = wc_op_attention_rows_grad(w->c, dy, r->y, r->x, r->w, r->z, &r->rows,
                                                          &r->attention);
    give(w, &r->x, d.dq);
    give(w, &r->w, d.dk);
    give(w, &r->z, d.dv);
}

/* One record: dy is the derivative by its output. */
static void back(struct walk *w, const wc_record *r, wc_tensor dy)
{
    wc_ctx *c = w->c;
    switch (r->kind) {
    case WC_OP_MATMUL:
        matmul_back(w, r, dy);
        break;
    case WC_OP_EMBED:
        embed_back(w, r, dy);
        break;
    case WC_OP_GET_ROWS:
        get_rows_back(w, r, dy);
        break;
    case WC_OP_RMS_NORM:
        give(w, &r->x, wc_op_rms_norm_grad(c, dy, r->x, r->w, r->a, r->b, weight_grad(w, &r->w)));
        break;
    case WC_OP_LAYER_NORM:
        layer_norm_back(w, r, dy);
        break;
    case WC_OP_ROPE:
        if (is_live(w, &r->w))
            refuse(w, "its angles");
        give(w, &r->x, wc_op_rope_grad(c, dy, r->w));
        break;
    case WC_OP_ATTENTION:
        attention_back(w, r, dy);
        break;
    case WC_OP_ACT:
        give(w, &r->x, wc_op_act_grad(c, dy, r->x, r->act));
        break;
    case WC_OP_ADD: /* y = (x + z) a */
        dy = r->a == 1 ? dy : wc_op_scale(c, dy, r->a);
        give(w, &r->x, dy);
        give(w, &r->z, dy);
        break;
    case WC_OP_MUL: /* y = x z */
        give(w, &r->x, wc_op_mul(c, dy, r->z));
        give(w, &r->z, wc_op_mul(c, dy, r->x));
        break;
    case WC_OP_ACT_MUL: /* y = act(x) z */
        give(w, &r->x, wc_op_act_grad(c, wc_op_mul(c, dy, r->z), r->x, r->act));
        give(w, &r->z, wc_op_mul(c, dy, wc_op_act(c, r->x, r->act)));
        break;
    case WC_OP_SCALE:
        give(w, &r->x, wc_op_scale(c, dy, r->a));
        break;
    case WC_OP_SOFT_CAP:
        give(w, &r->x, wc_op_soft_cap_grad(c, dy, r->y, r->a));
        break;
    case WC_OP_NO_GRADIENT:
        w->ok = wc_fail(w->err, WC_UNSUPPORTED, "training: no gradient for %s", r->name);
        break;
    }
}

static void walk_back(struct walk *w, const wc_tape *tape)
{
    for (const wc_record *r = tape->last; r && w->ok; r = r->before) {
        const struct node *n = output_node(w, r);
        w->now = r;
        if (!n->live || !n->grad.data)
            continue;
        if (r->kind != WC_OP_NO_GRADIENT && n->rewritten)
            w->ok = wc_fail(w->err, WC_UNSUPPORTED,
                            "training: no gradient past %s, whose output is written over", r->name);
        else
            back(w, r, wc_tensor_reshape(n->grad, r->y.ndim, r->y.shape));
    }
}

bool wc_backward(wc_ctx *c, wc_params *p, wc_tensor logits, wc_tensor dlogits, wc_error *err)
{
    wc_tape *tape = c->tape;
    wc_ctx quiet = *c;
    quiet.tape = NULL;
    quiet.lora = NULL;
    struct walk w = {.c = &quiet, .params = p, .now = tape->last, .err = err, .ok = true};
    if (c->stopped)
        return wc_fail(err, WC_CANCELLED, "cancelled");
    if (c->failed || tape->failed || !tape->last || !make_nodes(&w, tape))
        return wc_fail(err, WC_NO_MEMORY, "training: a pass does not fit into memory");
    find_live(&w, tape);
    give(&w, &logits, dlogits);
    if (w.ok)
        walk_back(&w, tape);
    if (w.ok && quiet.failed)
        w.ok = wc_fail(err, WC_NO_MEMORY, "training: the gradients do not fit into memory");
    return w.ok;
}
