/* ops.c - shapes and outputs; the backend's table does the work.  Every op has the same six lines: check, new, go, call,
 * record, return.  A second device hangs in here, as all inputs of all ops pass by. */
#include "ops/ops.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/size.h"
#include "ops/lora.h"
#include "ops/tape.h"

static const wc_tensor absent = {0};

/* What the tape is to know of an op that was computed, as fields of a wc_record. */
#define RECORD(c, op_kind, op_name, ...)                                                                     \
    do {                                                                                                     \
        if ((c)->tape && !wc_op_idle(c))                                                                     \
            wc_tape_add((c)->tape, &(wc_record){.kind = (op_kind), .name = (op_name), __VA_ARGS__});         \
    } while (0)

wc_tensor wc_op_new(wc_ctx *c, int ndim, const size_t *shape)
{
    size_t bytes = 4;
    for (int i = 0; i < ndim; i++)
        if (!wc_mul_size(bytes, shape[i], &bytes))
            c->failed = true;
    void *data = c->failed ? NULL : wc_arena_alloc(c->step, bytes);
    if (!data)
        c->failed = true;
    return wc_tensor_of(data, WC_F32, ndim, shape);
}

static wc_tensor new_like(wc_ctx *c, const wc_tensor *x)
{
    return wc_op_new(c, x->ndim, x->shape);
}

bool wc_op_idle(const wc_ctx *c)
{
    return c->failed || c->stopped || wc_arena_is_dry(c->step);
}

/* To be computed?  Notices a cancel. */
static bool go(wc_ctx *c)
{
    if (c->cancel && atomic_load_explicit(c->cancel, memory_order_relaxed))
        c->stopped = true;
    return !wc_op_idle(c);
}

void wc_observe(wc_ctx *c, wc_tensor t, const char *format, ...)
{
    if (!c->observe || wc_op_idle(c))
        return;
    char name[256];
    va_list args;
    va_start(args, format);
    vsnprintf(name, sizeof name, format, args);
    va_end(args);
    c->observe(c->observe_user, name, &t);
}

wc_arena_mark wc_op_mark(wc_ctx *c)
{
    return wc_arena_get_mark(c->step);
}

void wc_op_reset(wc_ctx *c, wc_arena_mark mark)
{
    if (!c->tape)
        wc_arena_reset(c->step, mark);
}

/* An op's own scratch memory goes back in any case. */
static void drop_work(wc_ctx *c, wc_arena_mark mark)
{
    wc_arena_reset(c->step, mark);
}

void wc_op_store(wc_ctx *c, wc_tensor y, wc_tensor x)
{
    assert(wc_tensor_elems(&y) == wc_tensor_elems(&x) && wc_tensor_is_dense(&x) && wc_tensor_is_dense(&y));
    if (go(c))
        memcpy(y.data, x.data, 4 * wc_tensor_elems(&x));
    RECORD(c, WC_OP_NO_GRADIENT, "store", .y = y, .x = x);
}

wc_tensor wc_op_keep(wc_ctx *c, wc_arena_mark mark, wc_tensor place, wc_tensor x)
{
    if (c->tape)
        return x;
    wc_op_store(c, place, x);
    wc_op_reset(c, mark);
    return place;
}

/* Adds to the pass's account, for bench. */
static void count(wc_ctx *c, double flops, const wc_tensor *w)
{
    const struct wc_dtype_row *row = wc_dtype_get(w->dtype);
    c->flops += flops;
    c->weight_bytes += (double)wc_tensor_elems(w) / (double)row->block_elems * (double)row->block_bytes;
}

/* Used by assert only. */
static bool __attribute__((unused)) same_shape(const wc_tensor *x, const wc_tensor *z)
{
    return x->ndim == z->ndim && memcmp(x->shape, z->shape, sizeof x->shape) == 0;
}

static size_t width(const wc_tensor *x)
{
    return x->shape[x->ndim - 1];
}

/* y + s B (A x). */
static wc_tensor add_adapter(wc_ctx *c, wc_tensor y, wc_tensor x, wc_tensor w)
{
    wc_lora_weight l;
    if (!wc_lora_find(c->lora, &w, &l))
        return y;
    return wc_op_add(c, y, wc_op_scale(c, wc_op_linear(c, wc_op_linear(c, x, l.a), l.b), l.scale));
}

/* The same as short ops: what a tape records, and where an adapter's part comes before act. */
static wc_tensor matmul_in_steps(wc_ctx *c, wc_tensor x, wc_tensor w, wc_tensor bias, wc_act act,
                                 wc_tensor add)
{
    wc_tensor y = wc_op_matmul(c, x, w, bias, WC_ACT_NONE, absent);
    if (act != WC_ACT_NONE)
        y = wc_op_act(c, y, act);
    return add.data ? wc_op_add(c, y, wc_tensor_reshape(add, y.ndim, y.shape)) : y;
}

static void multiply(wc_ctx *c, wc_tensor x, const wc_product *p, size_t n)
{
    size_t room = 0;
    for (size_t i = 0; i < n; i++) {
        count(c, 2.0 * (double)wc_tensor_elems(&x) * (double)p[i].w.shape[0], &p[i].w);
        room = wc_max_size(room, c->backend->matmul_work(c->backend, wc_tensor_rows(&x), &p[i].w, c->whole));
    }
    wc_arena_mark mark = wc_op_mark(c);
    wc_tensor work = wc_op_new(c, WC_SHAPE(room));
    if (go(c))
        c->backend->matmul(c->backend, x, p, n, c->whole, work);
    drop_work(c, mark);
}

/* Not filled. */
static wc_tensor new_product(wc_ctx *c, const wc_tensor *x, const wc_tensor *w)
{
    size_t shape[WC_MAX_DIMS];
    assert(w->ndim == 2 && width(x) == w->shape[1]);
    memcpy(shape, x->shape, sizeof shape);
    shape[x->ndim - 1] = w->shape[0];
    return wc_op_new(c, x->ndim, shape);
}

wc_tensor wc_op_matmul(wc_ctx *c, wc_tensor x, wc_tensor w, wc_tensor bias, wc_act act, wc_tensor add)
{
    if ((c->tape || c->lora) && (act != WC_ACT_NONE || add.data))
        return matmul_in_steps(c, x, w, bias, act, add);
    wc_tensor y = new_product(c, &x, &w);
    assert(!add.data || wc_tensor_elems(&add) == wc_tensor_elems(&y));
    multiply(c, x, &(wc_product){y, w, {.bias = bias, .act = act, .add = add}}, 1);
    RECORD(c, WC_OP_MATMUL, "matmul", .y = y, .x = x, .w = w, .bias = bias);
    return c->lora ? add_adapter(c, y, x, w) : y;
}

wc_tensor wc_op_linear(wc_ctx *c, wc_tensor x, wc_tensor w)
{
    return wc_op_matmul(c, x, w, absent, WC_ACT_NONE, absent);
}

void wc_op_matmul_each(wc_ctx *c, wc_tensor *y, wc_tensor x, const wc_tensor *w, const wc_tensor *bias,
                       size_t n)
{
    wc_product p[WC_MAX_PRODUCTS] = {0};
    const bool one_by_one = c->tape || c->lora;
    assert(n <= WC_MAX_PRODUCTS);
    for (size_t i = 0; i < n; i++) {
        y[i] = one_by_one ? wc_op_matmul(c, x, w[i], bias[i], WC_ACT_NONE, absent)
                          : new_product(c, &x, &w[i]);
        p[i] = (wc_product){y[i], w[i], {.bias = bias[i]}};
    }
    if (!one_by_one)
        multiply(c, x, p, n);
}

wc_tensor wc_op_gated(wc_ctx *c, wc_tensor gate, wc_act act, wc_tensor x, wc_tensor w, wc_tensor bias)
{
    assert(w.ndim == 2 && width(&x) == w.shape[1] && width(&gate) == w.shape[0] &&
           wc_tensor_rows(&gate) == wc_tensor_rows(&x));
    if (c->tape || c->lora)
        return wc_op_act_mul(c, gate, wc_op_matmul(c, x, w, bias, WC_ACT_NONE, absent), act);
    multiply(c, x, &(wc_product){gate, w, {.bias = bias, .act = act, .gate = gate}}, 1);
    return gate;
}

wc_tensor wc_op_glu(wc_ctx *c, wc_tensor x, wc_act act, wc_tensor gate, wc_tensor gate_bias, wc_tensor up,
                    wc_tensor up_bias)
{
    if (wc_tensor_rows(&x) > WC_FEW_ROWS)
        return wc_op_gated(c, wc_op_matmul(c, x, gate, gate_bias, WC_ACT_NONE, absent), act, x, up, up_bias);
    wc_tensor y[2];
    wc_op_matmul_each(c, y, x, (wc_tensor[]){gate, up}, (wc_tensor[]){gate_bias, up_bias}, 2);
    return wc_op_act_mul(c, y[0], y[1], act);
}

void wc_op_embed_into(wc_ctx *c, wc_tensor y, wc_tensor w, const int32_t *ids, float scale)
{
    assert(w.ndim == 2 && y.ndim == 2 && w.shape[1] == y.shape[1]);
    if (go(c))
        c->backend->embed(c->backend, y, w, ids, scale);
    RECORD(c, WC_OP_EMBED, "embed", .y = y, .w = w, .index = ids, .a = scale);
}

wc_tensor wc_op_embed(wc_ctx *c, wc_tensor w, const int32_t *ids, size_t n, float scale)
{
    wc_tensor y = wc_op_new(c, WC_SHAPE(n, w.shape[1]));
    wc_op_embed_into(c, y, w, ids, scale);
    return y;
}

wc_tensor wc_op_rms_norm(wc_ctx *c, wc_tensor x, wc_tensor w, float offset, float eps)
{
    assert(!w.data || wc_tensor_elems(&w) == width(&x));
    wc_tensor y = new_like(c, &x);
    if (go(c))
        c->backend->rms_norm(c->backend, y, x, w, offset, eps, WC_ACT_NONE);
    RECORD(c, WC_OP_RMS_NORM, "rms_norm", .y = y, .x = x, .w = w, .a = offset, .b = eps);
    return y;
}

wc_tensor wc_op_rms_norm_in_place(wc_ctx *c, wc_tensor x, wc_tensor w, float offset, float eps, wc_act act)
{
    assert(!w.data || wc_tensor_elems(&w) == width(&x));
    if (c->tape)
        return wc_op_act(c, wc_op_rms_norm(c, x, w, offset, eps), act);
    if (go(c))
        c->backend->rms_norm(c->backend, x, x, w, offset, eps, act);
    return x;
}

wc_tensor wc_op_layer_norm(wc_ctx *c, wc_tensor x, wc_tensor w, wc_tensor bias, float eps)
{
    assert((!w.data || wc_tensor_elems(&w) == width(&x)) &&
           (!bias.data || wc_tensor_elems(&bias) == width(&x)));
    wc_tensor y = new_like(c, &x);
    if (go(c))
        c->backend->layer_norm(c->backend, y, x, w, bias, eps);
    RECORD(c, WC_OP_LAYER_NORM, "layer_norm", .y = y, .x = x, .w = w, .bias = bias, .b = eps);
    return y;
}

wc_tensor wc_op_cumulative_norm_in_place(wc_ctx *c, wc_tensor x, wc_tensor w, float eps, wc_act act)
{
    assert(x.ndim == 3 && wc_tensor_elems(&w) == x.shape[2]);
    wc_arena_mark mark = wc_op_mark(c);
    wc_tensor work = wc_op_new(c, WC_SHAPE(x.shape[0], 4));
    if (go(c))
        c->backend->cumulative_norm(c->backend, x, x, w, eps, act, work);
    drop_work(c, mark);
    RECORD(c, WC_OP_NO_GRADIENT, "cumulative_norm", .y = x, .x = x, .w = w);
    return x;
}

wc_tensor wc_op_rope_table(wc_ctx *c, const int32_t *pos, size_t n, wc_tensor inv_freq, float s)
{
    wc_tensor y = wc_op_new(c, WC_SHAPE(n, 2 * inv_freq.shape[0]));
    if (go(c))
        c->backend->rope_table(c->backend, y, pos, inv_freq, s);
    return y;
}

wc_tensor wc_op_rope_in_place(wc_ctx *c, wc_tensor x, wc_tensor table)
{
    assert(x.ndim == 3 && table.shape[0] == x.shape[0] && table.shape[1] <= x.shape[2]);
    wc_tensor y = c->tape ? new_like(c, &x) : x;
    if (go(c))
        c->backend->rope(c->backend, y, x, table);
    RECORD(c, WC_OP_ROPE, "rope", .y = y, .x = x, .w = table);
    return y;
}

void wc_op_kv_write(wc_ctx *c, const wc_kv_layer *kv, const wc_row_map *rows, wc_tensor k, wc_tensor v)
{
    assert(k.ndim == 3 && v.ndim == 3);
    if (go(c))
        c->backend->kv_write(c->backend, kv, rows, k, v);
}

wc_tensor wc_op_attention(wc_ctx *c, wc_tensor q, const wc_kv_layer *kv, const wc_row_map *rows,
                          const wc_attention *a)
{
    size_t n = q.shape[0];
    q = wc_tensor_reshape(q, WC_SHAPE(n, (size_t)a->n_heads * (size_t)a->key_dim));
    wc_tensor y = wc_op_new(c, WC_SHAPE(n, (size_t)a->n_heads * (size_t)a->value_dim));
    if (go(c))
        c->backend->attention(c->backend, y, q, kv, rows, a);
    RECORD(c, WC_OP_NO_GRADIENT, "attention over pages", .y = y, .x = q);
    return y;
}

wc_tensor wc_op_attention_probs(wc_ctx *c, wc_tensor q, const wc_kv_layer *kv, const wc_row_map *rows,
                                const wc_attention *a, size_t n_keys)
{
    assert(rows->n_seqs == 1);
    const size_t n = q.shape[0];
    q = wc_tensor_reshape(q, WC_SHAPE(n, (size_t)a->n_heads * (size_t)a->key_dim));
    wc_tensor y = wc_op_new(c, WC_SHAPE((size_t)a->n_heads, n, n_keys));
    if (go(c))
        c->backend->attention_probs(c->backend, y, q, kv, rows, a);
    RECORD(c, WC_OP_NO_GRADIENT, "attention_probs", .y = y, .x = q);
    return y;
}

wc_tensor wc_op_attention_dense(wc_ctx *c, wc_tensor q, wc_tensor k, wc_tensor v, const wc_attention *a)
{
    assert(q.ndim == 2 && k.ndim == 2 && v.ndim == 2 && k.shape[0] == v.shape[0]);
    wc_tensor y = wc_op_new(c, WC_SHAPE(q.shape[0], (size_t)a->n_heads * (size_t)a->value_dim));
    c->flops += 2.0 * (double)q.shape[0] * (double)k.shape[0] * a->n_heads * (a->key_dim + a->value_dim);
    wc_arena_mark mark = wc_op_mark(c);
    wc_tensor work = wc_op_new(c, WC_SHAPE(c->backend->attention_dense_work(c->backend, k.shape[0], a)));
    if (go(c))
        c->backend->attention_dense(c->backend, y, q, k, v, a, work);
    drop_work(c, mark);
    RECORD(c, WC_OP_NO_GRADIENT, "attention_dense", .y = y, .x = q, .w = k, .z = v);
    return y;
}

wc_tensor wc_op_local_attention(wc_ctx *c, wc_tensor q, wc_tensor k, wc_tensor v, wc_tensor r,
                                const wc_local_attention *a)
{
    assert(same_shape(&q, &k) && same_shape(&q, &v) && width(&r) == width(&q));
    assert(r.shape[0] == (size_t)(a->past + a->future) + 1 && a->n_valid <= k.shape[0]);
    wc_tensor y = new_like(c, &q);
    c->flops += 6.0 * (double)wc_tensor_elems(&q) * (double)r.shape[0];
    if (go(c))
        c->backend->local_attention(c->backend, y, q, k, v, r, a);
    RECORD(c, WC_OP_NO_GRADIENT, "local_attention", .y = y, .x = q, .w = k, .z = v, .bias = r);
    return y;
}

wc_tensor wc_op_local_scores(wc_ctx *c, wc_tensor q, wc_tensor k, wc_tensor r, const wc_local_attention *a,
                             size_t chunk)
{
    wc_tensor y = wc_op_new(c, WC_SHAPE((size_t)a->n_heads, (q.shape[0] + chunk - 1) / chunk, chunk,
                                        chunk + (size_t)(a->past + a->future)));
    if (go(c))
        c->backend->local_scores(c->backend, y, q, k, r, a);
    RECORD(c, WC_OP_NO_GRADIENT, "local_scores", .y = y, .x = q, .w = k, .bias = r);
    return y;
}

wc_tensor wc_op_attention_rows(wc_ctx *c, wc_tensor q, wc_tensor k, wc_tensor v, const wc_row_map *rows,
                               const wc_attention *a)
{
    assert(q.ndim == 2 && k.ndim == 2 && v.ndim == 2 && k.shape[0] == q.shape[0] && v.shape[0] == q.shape[0]);
    wc_tensor y = wc_op_new(c, WC_SHAPE(q.shape[0], (size_t)a->n_heads * (size_t)a->value_dim));
    if (go(c))
        c->backend->attention_rows(c->backend, y, q, k, v, rows, a);
    RECORD(c, WC_OP_ATTENTION, "attention_rows", .y = y, .x = q, .w = k, .z = v, .rows = *rows,
           .attention = *a);
    return y;
}

wc_tensor wc_op_act(wc_ctx *c, wc_tensor x, wc_act act)
{
    wc_tensor y = new_like(c, &x);
    if (go(c))
        c->backend->act(c->backend, y, x, act);
    RECORD(c, WC_OP_ACT, "act", .y = y, .x = x, .act = act);
    return y;
}

void wc_op_add_into(wc_ctx *c, wc_tensor y, wc_tensor x, wc_tensor z, float s)
{
    assert(same_shape(&x, &z) && same_shape(&x, &y));
    if (go(c))
        c->backend->add(c->backend, y, x, z, s);
    RECORD(c, WC_OP_NO_GRADIENT, "add_into", .y = y, .x = x, .z = z, .a = s);
}

wc_tensor wc_op_add_scaled(wc_ctx *c, wc_tensor x, wc_tensor z, float s)
{
    assert(same_shape(&x, &z));
    wc_tensor y = new_like(c, &x);
    if (go(c))
        c->backend->add(c->backend, y, x, z, s);
    RECORD(c, WC_OP_ADD, "add", .y = y, .x = x, .z = z, .a = s);
    return y;
}

wc_tensor wc_op_add(wc_ctx *c, wc_tensor x, wc_tensor z)
{
    return wc_op_add_scaled(c, x, z, 1.0f);
}

wc_tensor wc_op_mul(wc_ctx *c, wc_tensor x, wc_tensor z)
{
    assert(wc_tensor_elems(&x) == wc_tensor_elems(&z));
    wc_tensor y = new_like(c, &x);
    if (go(c))
        c->backend->mul(c->backend, y, x, z);
    RECORD(c, WC_OP_MUL, "mul", .y = y, .x = x, .z = z);
    return y;
}

wc_tensor wc_op_act_mul(wc_ctx *c, wc_tensor x, wc_tensor z, wc_act act)
{
    assert(wc_tensor_elems(&x) == wc_tensor_elems(&z));
    wc_tensor y = c->tape ? new_like(c, &x) : x;
    if (go(c))
        c->backend->act_mul(c->backend, y, x, z, act);
    RECORD(c, WC_OP_ACT_MUL, "act_mul", .y = y, .x = x, .z = z, .act = act);
    return y;
}

wc_tensor wc_op_scale(wc_ctx *c, wc_tensor x, float s)
{
    wc_tensor y = new_like(c, &x);
    if (go(c))
        c->backend->scale(c->backend, y, x, s);
    RECORD(c, WC_OP_SCALE, "scale", .y = y, .x = x, .a = s);
    return y;
}

wc_tensor wc_op_soft_cap(wc_ctx *c, wc_tensor x, float cap)
{
    wc_tensor y = new_like(c, &x);
    if (go(c))
        c->backend->soft_cap(c->backend, y, x, cap);
    RECORD(c, WC_OP_SOFT_CAP, "soft_cap", .y = y, .x = x, .a = cap);
    return y;
}

wc_tensor wc_op_clamp(wc_ctx *c, wc_tensor x, float limit)
{
    wc_tensor y = new_like(c, &x);
    if (go(c))
        c->backend->clamp(c->backend, y, x, limit);
    RECORD(c, WC_OP_NO_GRADIENT, "clamp", .y = y, .x = x);
    return y;
}

void wc_op_mul_vec_into(wc_ctx *c, wc_tensor y, wc_tensor x, wc_tensor v, wc_tensor add)
{
    assert(same_shape(&y, &x) && wc_tensor_elems(&v) == width(&x) &&
           (!add.data || wc_tensor_elems(&add) == wc_tensor_elems(&x)));
    if (go(c))
        c->backend->mul_vec(c->backend, y, x, v, add);
    RECORD(c, WC_OP_NO_GRADIENT, "mul_vec", .y = y, .x = x, .w = v, .z = add);
}

wc_tensor wc_op_mul_vec(wc_ctx *c, wc_tensor x, wc_tensor v, wc_tensor add)
{
    wc_tensor y = new_like(c, &x);
    wc_op_mul_vec_into(c, y, x, v, add);
    return y;
}

wc_tensor wc_op_softmax(wc_ctx *c, wc_tensor x)
{
    wc_tensor y = new_like(c, &x);
    if (go(c))
        c->backend->softmax(c->backend, y, x);
    RECORD(c, WC_OP_NO_GRADIENT, "softmax", .y = y, .x = x);
    return y;
}

wc_tensor wc_op_sparsify(wc_ctx *c, wc_tensor x, float z)
{
    wc_tensor y = new_like(c, &x);
    if (go(c))
        c->backend->sparsify(c->backend, y, x, z);
    RECORD(c, WC_OP_NO_GRADIENT, "sparsify", .y = y, .x = x);
    return y;
}

wc_tensor wc_op_match_rms(wc_ctx *c, wc_tensor x, wc_tensor ref, float floor)
{
    assert(same_shape(&x, &ref));
    wc_tensor y = new_like(c, &x);
    if (go(c))
        c->backend->match_rms(c->backend, y, x, ref, floor);
    RECORD(c, WC_OP_NO_GRADIENT, "match_rms", .y = y, .x = x, .z = ref);
    return y;
}

wc_tensor wc_op_altup_predict(wc_ctx *c, wc_tensor s, wc_tensor coefs)
{
    assert(s.ndim == 3 && coefs.shape[0] == s.shape[1] && coefs.shape[1] == s.shape[0] * s.shape[0]);
    wc_tensor y = new_like(c, &s);
    if (go(c))
        c->backend->altup_predict(c->backend, y, s, coefs);
    RECORD(c, WC_OP_NO_GRADIENT, "altup_predict", .y = y, .x = s, .w = coefs);
    return y;
}

void wc_op_altup_correct_into(wc_ctx *c, wc_tensor y, wc_tensor p, wc_tensor x, wc_tensor coefs, int active)
{
    assert(p.ndim == 3 && same_shape(&y, &p) && coefs.shape[1] == p.shape[0] && (size_t)active < p.shape[0]);
    if (go(c))
        c->backend->altup_correct(c->backend, y, p, x, coefs, active);
    RECORD(c, WC_OP_NO_GRADIENT, "altup_correct", .y = y, .x = p, .z = x, .w = coefs);
}

wc_tensor wc_op_mean_streams(wc_ctx *c, wc_tensor s)
{
    wc_tensor y = wc_op_new(c, s.ndim - 1, s.shape + 1);
    if (go(c))
        c->backend->mean_streams(c->backend, y, s);
    RECORD(c, WC_OP_NO_GRADIENT, "mean_streams", .y = y, .x = s);
    return y;
}

wc_tensor wc_op_get_rows(wc_ctx *c, wc_tensor x, const int32_t *rows, size_t n)
{
    assert(x.ndim == 2);
    wc_tensor y = wc_op_new(c, WC_SHAPE(n, x.shape[1]));
    if (go(c))
        c->backend->get_rows(c->backend, y, x, rows);
    RECORD(c, WC_OP_GET_ROWS, "get_rows", .y = y, .x = x, .index = rows);
    return y;
}

wc_tensor wc_op_pool_rows(wc_ctx *c, wc_tensor x, const int32_t *first, size_t n_seqs, int skip,
                          wc_pooling how)
{
    assert(x.ndim == 2);
    wc_tensor y = wc_op_new(c, WC_SHAPE(n_seqs, x.shape[1]));
    if (go(c))
        c->backend->pool_rows(c->backend, y, x, first, skip, how);
    RECORD(c, WC_OP_NO_GRADIENT, "pool_rows", .y = y, .x = x);
    return y;
}

void wc_op_put_rows(wc_ctx *c, wc_tensor y, wc_tensor x, const int32_t *rows)
{
    assert(x.ndim == 2 && y.ndim == 2 && x.shape[1] == y.shape[1]);
    if (go(c))
        c->backend->put_rows(c->backend, y, x, rows);
    RECORD(c, WC_OP_NO_GRADIENT, "put_rows", .y = y, .x = x);
}

void wc_op_zero_rows(wc_ctx *c, wc_tensor x, size_t first)
{
    assert(x.ndim == 2 && first <= x.shape[0]);
    if (go(c) && first < x.shape[0])
        memset((float *)x.data + first * x.shape[1], 0, 4 * (x.shape[0] - first) * x.shape[1]);
    RECORD(c, WC_OP_NO_GRADIENT, "zero_rows", .y = x, .x = x);
}

wc_tensor wc_op_route_two(wc_ctx *c, wc_tensor scores, float jitter)
{
    assert(scores.ndim == 2 && scores.shape[1] >= 2);
    wc_tensor y = wc_op_new(c, WC_SHAPE(scores.shape[0], 2 * scores.shape[1]));
    wc_arena_mark mark = wc_op_mark(c);
    wc_tensor work = wc_op_new(c, WC_SHAPE(scores.shape[1]));
    if (go(c))
        c->backend->route_two(c->backend, y, scores, jitter, work);
    drop_work(c, mark);
    RECORD(c, WC_OP_NO_GRADIENT, "route_two", .y = y, .x = scores);
    return y;
}

int32_t *wc_op_ids(wc_ctx *c, size_t n)
{
    int32_t *ids = c->failed ? NULL : wc_arena_alloc(c->step, n * sizeof *ids);
    if (!ids)
        c->failed = true;
    return ids;
}

size_t wc_op_chosen(const wc_ctx *c, wc_tensor weights, size_t column, int32_t *rows)
{
    const float *w = weights.data;
    size_t n = 0;
    if (wc_op_idle(c))
        return weights.shape[0];
    for (size_t r = 0; r < weights.shape[0]; r++)
        if (w[r * weights.shape[1] + column] != 0)
            rows[n++] = (int32_t)r;
    return n;
}

void wc_op_add_rows(wc_ctx *c, wc_tensor y, wc_tensor x, const int32_t *rows, wc_tensor weights,
                    size_t column)
{
    assert(x.ndim == 2 && y.ndim == 2 && x.shape[1] == y.shape[1] && weights.shape[0] == y.shape[0]);
    if (go(c))
        c->backend->add_rows(c->backend, y, x, rows, weights, column);
    RECORD(c, WC_OP_NO_GRADIENT, "add_rows", .y = y, .x = x, .w = weights);
}

wc_tensor wc_op_concat(wc_ctx *c, wc_tensor x, wc_tensor z)
{
    size_t shape[WC_MAX_DIMS];
    memcpy(shape, x.shape, sizeof shape);
    shape[x.ndim - 1] += width(&z);
    assert(wc_tensor_rows(&x) == wc_tensor_rows(&z));
    wc_tensor y = wc_op_new(c, x.ndim, shape);
    if (go(c))
        c->backend->concat(c->backend, y, x, z);
    RECORD(c, WC_OP_NO_GRADIENT, "concat", .y = y, .x = x, .z = z);
    return y;
}

/* Sizes and "same" padding of a convolution: total = max((out - 1) * stride + k - in, 0), half of it before. */
static wc_conv same_conv(const wc_tensor *x, const wc_tensor *w, int stride)
{
    wc_conv v = {.h = (int)x->shape[0],
                 .w = (int)x->shape[1],
                 .c_in = (int)x->shape[2],
                 .c_out = (int)w->shape[0],
                 .kh = (int)w->shape[2],
                 .kw = (int)w->shape[3],
                 .stride = stride};
    v.oh = (v.h + stride - 1) / stride;
    v.ow = (v.w + stride - 1) / stride;
    int down = (v.oh - 1) * stride + v.kh - v.h, across = (v.ow - 1) * stride + v.kw - v.w;
    v.pad_top = down > 0 ? down / 2 : 0;
    v.pad_left = across > 0 ? across / 2 : 0;
    return v;
}

static wc_conv padded_conv(const wc_tensor *x, const wc_tensor *w, int stride, wc_padding pad)
{
    wc_conv v = same_conv(x, w, stride);
    assert(v.h + pad.top + pad.bottom >= v.kh && v.w + pad.left + pad.right >= v.kw);
    v.oh = (v.h + pad.top + pad.bottom - v.kh) / stride + 1;
    v.ow = (v.w + pad.left + pad.right - v.kw) / stride + 1;
    v.pad_top = pad.top;
    v.pad_left = pad.left;
    return v;
}

static wc_tensor conv2d(wc_ctx *c, wc_tensor x, wc_tensor w, wc_tensor bias, wc_conv v)
{
    assert(x.ndim == 3 && w.ndim == 4 && w.shape[1] == x.shape[2]);
    wc_tensor y = wc_op_new(c, WC_SHAPE((size_t)v.oh, (size_t)v.ow, (size_t)v.c_out));
    count(c, 2.0 * v.oh * v.ow * (double)wc_tensor_elems(&w), &w);
    wc_arena_mark mark = wc_op_mark(c);
    wc_tensor work = wc_op_new(c, WC_SHAPE(c->backend->conv2d_work(c->backend, &w, &v)));
    if (go(c))
        c->backend->conv2d(c->backend, y, x, w, bias, &v, work);
    drop_work(c, mark);
    RECORD(c, WC_OP_NO_GRADIENT, "conv2d", .y = y, .x = x, .w = w, .bias = bias);
    return y;
}

wc_tensor wc_op_conv2d_same(wc_ctx *c, wc_tensor x, wc_tensor w, wc_tensor bias, int stride)
{
    return conv2d(c, x, w, bias, same_conv(&x, &w, stride));
}

wc_tensor wc_op_conv2d_padded(wc_ctx *c, wc_tensor x, wc_tensor w, wc_tensor bias, int stride, wc_padding pad)
{
    return conv2d(c, x, w, bias, padded_conv(&x, &w, stride, pad));
}

static wc_tensor conv2d_depthwise(wc_ctx *c, wc_tensor x, wc_tensor w, wc_conv v)
{
    assert(x.ndim == 3 && w.ndim == 4 && w.shape[0] == x.shape[2] && w.shape[1] == 1);
    wc_tensor y = wc_op_new(c, WC_SHAPE((size_t)v.oh, (size_t)v.ow, (size_t)v.c_out));
    count(c, 2.0 * v.oh * v.ow * (double)wc_tensor_elems(&w), &w);
    wc_arena_mark mark = wc_op_mark(c);
    wc_tensor work = wc_op_new(c, WC_SHAPE((size_t)v.kh, (size_t)v.kw, (size_t)v.c_in));
    if (go(c))
        c->backend->conv2d_depthwise(c->backend, y, x, w, &v, work);
    drop_work(c, mark);
    RECORD(c, WC_OP_NO_GRADIENT, "conv2d_depthwise", .y = y, .x = x, .w = w);
    return y;
}

wc_tensor wc_op_conv2d_depthwise_same(wc_ctx *c, wc_tensor x, wc_tensor w, int stride)
{
    return conv2d_depthwise(c, x, w, same_conv(&x, &w, stride));
}

wc_tensor wc_op_conv2d_depthwise_padded(wc_ctx *c, wc_tensor x, wc_tensor w, int stride, wc_padding pad)
{
    return conv2d_depthwise(c, x, w, padded_conv(&x, &w, stride, pad));
}

wc_tensor wc_op_avg_pool(wc_ctx *c, wc_tensor x, int k)
{
    wc_tensor y = wc_op_new(c, WC_SHAPE(x.shape[0] / (size_t)k, x.shape[1] / (size_t)k, x.shape[2]));
    if (go(c))
        c->backend->avg_pool(c->backend, y, x, k);
    RECORD(c, WC_OP_NO_GRADIENT, "avg_pool", .y = y, .x = x);
    return y;
}

wc_tensor wc_op_resize_nearest(wc_ctx *c, wc_tensor x, size_t h, size_t w)
{
    wc_tensor y = wc_op_new(c, WC_SHAPE(h, w, x.shape[2]));
    if (go(c))
        c->backend->resize_nearest(c->backend, y, x);
    RECORD(c, WC_OP_NO_GRADIENT, "resize_nearest", .y = y, .x = x);
    return y;
}

wc_tensor wc_op_resize_bilinear(wc_ctx *c, wc_tensor x, size_t h, size_t w)
{
    wc_tensor y = wc_op_new(c, WC_SHAPE(h, w, x.shape[2]));
    if (go(c))
        c->backend->resize_bilinear(c->backend, y, x);
    RECORD(c, WC_OP_NO_GRADIENT, "resize_bilinear", .y = y, .x = x);
    return y;
}
