/* decoder.c - embed, L times (norm, attention, norm, feed-forward), norm, head.
 *
 * Shapes: N rows, D hidden_size, H query heads, K key/value heads, d head_dim, F intermediate_size. */
#include "models/decoder.h"

#include <math.h>

static const wc_tensor absent = {0};

static wc_tensor norm(wc_ctx *c, const wc_decoder *m, wc_tensor x, wc_tensor w)
{
    return wc_op_rms_norm(c, x, w, 0, m->norm_eps);
}

static wc_tensor project(wc_ctx *c, wc_tensor x, wc_tensor w, wc_tensor bias)
{
    return wc_op_matmul(c, x, w, bias, WC_ACT_NONE, absent);
}

/* Attention of n [N,D]: [N,D]. */
static wc_tensor attention(wc_ctx *c, const wc_decoder *m, int l, const wc_batch *b, wc_tensor table,
                           wc_tensor n)
{
    const wc_decoder_layer *w = &m->layers[l];
    const size_t N = n.shape[0], H = (size_t)w->n_heads, K = (size_t)w->n_kv_heads, d = (size_t)w->head_dim;
    wc_tensor q = project(c, n, w->q_proj, w->q_bias), k = project(c, n, w->k_proj, w->k_bias);
    wc_tensor v = project(c, n, w->v_proj, w->v_bias);
    wc_observe(c, q, "layers.%d.self_attn.q_proj", l);
    wc_observe(c, k, "layers.%d.self_attn.k_proj", l);
    wc_observe(c, v, "layers.%d.self_attn.v_proj", l);
    q = wc_op_rope(c, wc_tensor_reshape(q, WC_SHAPE(N, H, d)), table);
    k = wc_op_rope(c, wc_tensor_reshape(k, WC_SHAPE(N, K, d)), table);
    v = wc_tensor_reshape(v, WC_SHAPE(N, K, d));
    wc_observe(c, q, "layers.%d.attn.q", l);
    wc_observe(c, k, "layers.%d.attn.k", l);
    wc_observe(c, v, "layers.%d.attn.v", l);
    wc_op_kv_write(c, &b->kv[w->kv], &b->rows, k, v);
    const wc_attention a = {.n_heads = w->n_heads,
                            .n_kv_heads = w->n_kv_heads,
                            .key_dim = w->head_dim,
                            .value_dim = w->head_dim,
                            .scale = 1.0f / sqrtf((float)w->head_dim),
                            .window = w->window};
    wc_tensor context = wc_op_attention(c, q, &b->kv[w->kv], &b->rows, &a);
    wc_observe(c, wc_tensor_reshape(context, WC_SHAPE(N, H, d)), "layers.%d.attn.ctx", l);
    wc_tensor out = project(c, context, w->o_proj, w->o_bias);
    wc_observe(c, out, "layers.%d.self_attn.o_proj", l);
    return out;
}

/* act(f Wgate) * (f Wup), times Wdown: [N,D]. */
static wc_tensor feed_forward(wc_ctx *c, const wc_decoder *m, int l, wc_tensor f)
{
    const wc_decoder_layer *w = &m->layers[l];
    wc_tensor gate = project(c, f, w->gate_proj, w->gate_bias), up = project(c, f, w->up_proj, w->up_bias);
    wc_observe(c, gate, "layers.%d.mlp.gate_proj", l);
    wc_observe(c, up, "layers.%d.mlp.up_proj", l);
    if (c->observe)
        wc_observe(c, wc_op_act(c, gate, m->act), "layers.%d.mlp.act_fn", l);
    wc_tensor down = project(c, wc_op_act_mul(c, gate, up, m->act), w->down_proj, w->down_bias);
    wc_observe(c, down, "layers.%d.mlp.down_proj", l);
    wc_observe(c, down, "layers.%d.mlp", l);
    return down;
}

wc_tensor wc_decoder_forward(wc_ctx *c, const wc_net *net, const wc_batch *b)
{
    const wc_decoder *m = (const wc_decoder *)net;
    wc_tensor table = wc_op_rope_table(c, b->rows.pos, (size_t)b->rows.n, m->inv_freq, 1);
    wc_tensor x = wc_op_embed(c, m->embed, b->ids, (size_t)b->rows.n, 1); /* [N,D] */
    wc_observe(c, x, "embed");
    for (int l = 0; l < net->n_layers && !c->stopped; l++) {
        const wc_decoder_layer *w = &m->layers[l];
        wc_arena_mark mark = wc_op_mark(c);
        wc_tensor n = norm(c, m, x, w->input_norm);
        wc_observe(c, n, "layers.%d.input_layernorm", l);
        wc_tensor h = wc_op_add(c, x, attention(c, m, l, b, table, n));
        n = norm(c, m, h, w->post_attention_norm);
        wc_observe(c, n, "layers.%d.post_attention_layernorm", l);
        wc_op_store(c, x, wc_op_add(c, h, feed_forward(c, m, l, n)));
        wc_op_reset(c, mark);
        wc_observe(c, x, "layers.%d.out", l);
    }
    if (b->out_rows && b->n_out < b->rows.n)
        x = wc_op_get_rows(c, x, b->out_rows, (size_t)b->n_out);
    x = norm(c, m, x, m->norm);
    wc_observe(c, x, "final_norm");
    wc_tensor logits = wc_op_linear(c, x, m->head);
    wc_observe(c, logits, "logits");
    return logits;
}
