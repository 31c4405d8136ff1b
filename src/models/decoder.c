/* decoder.c - embed, L times (norm, attention, norm, feed-forward), norm, head.
 *
 * Shapes: N rows, D hidden_size, H query heads, K key/value heads, d head_dim, F intermediate_size, L layers, P width of
 * per-layer inputs. */
#include "models/decoder.h"

#include <math.h>
#include <string.h>

static const wc_tensor absent = {0};

/* Probabilities are shown for prompts up to so many positions. */
enum { MAX_SHOWN = 1024 };

static void observe(wc_ctx *c, wc_tensor t, int l, const char *module)
{
    if (c->observe && module)
        wc_observe(c, t, "layers.%d.%s", l, module);
}

static wc_tensor rms_norm(wc_ctx *c, const wc_decoder *m, wc_tensor x, wc_tensor w)
{
    return wc_op_rms_norm(c, x, w, w.data ? m->norm_offset : 0, m->norm_eps);
}

/* Of what nobody needs any more as it was. */
static wc_tensor rms_norm_in_place(wc_ctx *c, const wc_decoder *m, wc_tensor x, wc_tensor w)
{
    return wc_op_rms_norm_in_place(c, x, w, m->norm_offset, m->norm_eps, WC_ACT_NONE);
}

static wc_tensor norm(wc_ctx *c, const wc_decoder *m, wc_tensor x, wc_decoder_norm w)
{
    return m->layer_norm ? wc_op_layer_norm(c, x, w.weight, w.bias, m->norm_eps)
                         : rms_norm(c, m, x, w.weight);
}

/* The norm of a branch before it joins the stream, where the family has one. */
static wc_tensor branch_norm(wc_ctx *c, const wc_decoder *m, int l, wc_tensor x, wc_decoder_norm w,
                             const char *module)
{
    if (!w.weight.data)
        return x;
    x = m->layer_norm ? norm(c, m, x, w) : rms_norm_in_place(c, m, x, w.weight);
    observe(c, x, l, module);
    return x;
}

static wc_tensor project(wc_ctx *c, wc_tensor x, wc_tensor w, wc_tensor bias)
{
    return wc_op_matmul(c, x, w, bias, WC_ACT_NONE, absent);
}

/* ---- positions ---- */

/* Cosines and sines of the rows [N,2h], by either list of frequencies. */
static wc_tensor rope_table(wc_ctx *c, const wc_rope *r, const wc_batch *b)
{
    const size_t N = (size_t)b->rows.n;
    if (!r->switch_at)
        return wc_op_rope_table(c, b->rows.pos, N, r->inv_freq, r->scale);
    wc_tensor both = wc_op_new(c, WC_SHAPE(2 * N, 2 * r->inv_freq.shape[0]));
    int32_t *pick = wc_arena_alloc(c->step, N * sizeof *pick);
    wc_op_store(c, wc_tensor_slice(both, 0, N), wc_op_rope_table(c, b->rows.pos, N, r->inv_freq, r->scale));
    wc_op_store(c, wc_tensor_slice(both, N, N),
                wc_op_rope_table(c, b->rows.pos, N, r->inv_freq_far, r->scale_far));
    for (size_t i = 0; !wc_op_idle(c) && pick && i < N; i++)
        pick[i] = (int32_t)(b->lengths[i] > r->switch_at ? N + i : i);
    return wc_op_get_rows(c, both, pick, N);
}

/* What the layers of a step share. */
struct step {
    const wc_batch *batch;
    wc_tensor rope[WC_DECODER_ROPES];
    wc_tensor ple; /* [L,N,P] */
};

/* ---- attention ---- */

static void observe_probabilities(wc_ctx *c, int l, const wc_batch *b, const wc_kv_layer *kv, wc_tensor q,
                                  const wc_attention *a)
{
    if (!c->observe || wc_op_idle(c) || b->rows.n_seqs != 1)
        return;
    const int last = b->rows.pos[b->rows.n - 1];
    if (last < MAX_SHOWN)
        observe(c, wc_op_attention_probs(c, q, kv, &b->rows, a, (size_t)last + 1), l, "attn.probs");
}

/* Which positions a row sees, 1 or 0 [N,N]: those that a query of zeros, to which all keys are alike, mixes.  Shown for the first
 * layer of a kind. */
static void observe_mask(wc_ctx *c, int l, const wc_decoder *m, const struct step *st, const wc_attention *a)
{
    const wc_batch *b = st->batch;
    const size_t N = (size_t)b->rows.n, H = (size_t)a->n_heads, d = (size_t)a->key_dim;
    bool first = true;
    for (int i = 0; i < l; i++)
        first = first && (m->layers[i].window > 0) != (a->window > 0);
    if (!c->observe || wc_op_idle(c) || b->rows.n_seqs != 1 || !first || N > MAX_SHOWN ||
        b->rows.pos[N - 1] + 1 != b->rows.n)
        return;
    wc_tensor none = wc_op_new(c, WC_SHAPE(N, H, d));
    if (none.data)
        memset(none.data, 0, N * H * d * sizeof(float));
    wc_tensor seen = wc_op_attention_probs(c, none, &b->kv[m->layers[l].kv], &b->rows, a, N);
    float *p = seen.data;
    for (size_t i = 0; p && i < N * N; i++)
        p[i] = p[i] > 0;
    wc_observe(c, wc_tensor_sub(seen, 0), a->window ? "mask.sliding_attention" : "mask.full_attention");
}

/* Rows of queries or keys [N,heads,d]: normed and turned as the layer does, where they are. */
static wc_tensor prepare(wc_ctx *c, const wc_decoder *m, int l, const struct step *st, wc_tensor x,
                         wc_tensor w, const char *norm_module)
{
    const int rope = m->layers[l].rope;
    if (w.data) {
        x = rms_norm_in_place(c, m, x, w);
        observe(c, x, l, norm_module);
    }
    return rope < 0 ? x : wc_op_rope_in_place(c, x, st->rope[rope]);
}

/* Heads of keys x [N,K,d] as an observer sees them. */
static void observe_keys(wc_ctx *c, const wc_decoder *m, int l, wc_tensor x, const char *point)
{
    const size_t N = x.shape[0], K = x.shape[1], d = x.shape[2], H = (size_t)m->layers[l].n_heads;
    if (c->observe && m->names->keys_by_query) {
        int32_t *rows = wc_op_ids(c, N * H);
        for (size_t i = 0; rows && i < N * H; i++)
            rows[i] = (int32_t)(i / H * K + i % H / (H / K));
        x = wc_op_get_rows(c, wc_tensor_reshape(x, WC_SHAPE(N * K, d)), rows, N * H);
        x = wc_tensor_reshape(x, WC_SHAPE(N, H, d));
    }
    observe(c, x, l, point);
}

/* Queries, keys and values of the rows n [N,D]: [N,heads*d] each; of a layer without keys of its own queries alone.  v is k
 * where the layer has no weights for it. */
static void project_heads(wc_ctx *c, const wc_decoder *m, int l, wc_tensor n, wc_tensor *q, wc_tensor *k,
                          wc_tensor *v)
{
    const wc_decoder_layer *w = &m->layers[l];
    const wc_tensor weights[] = {w->q_proj, w->k_proj, w->v_proj}, bias[] = {w->q_bias, w->k_bias, w->v_bias};
    wc_tensor y[3] = {0};
    wc_op_matmul_each(c, y, n, weights, bias, w->shared ? 1 : w->v_proj.data ? 3 : 2);
    *q = y[0];
    *k = y[1];
    *v = w->v_proj.data ? y[2] : y[1];
    observe(c, *q, l, m->names->q_proj);
    if (w->shared)
        return;
    observe(c, *k, l, m->names->k_proj);
    if (w->v_proj.data)
        observe(c, *v, l, m->names->v_proj);
    if (c->observe && m->names->qkv_proj)
        observe(c, wc_op_concat(c, wc_op_concat(c, *q, *k), *v), l, m->names->qkv_proj);
}

/* Keys and values of N rows become [N,K,d], normed and turned as the layer does. */
static void keys_and_values(wc_ctx *c, const wc_decoder *m, int l, const struct step *st, wc_tensor *keys,
                            wc_tensor *values)
{
    const wc_decoder_layer *w = &m->layers[l];
    const wc_decoder_names *names = m->names;
    const size_t N = keys->shape[0], K = (size_t)w->n_kv_heads, d = (size_t)w->head_dim;
    wc_tensor k = *keys, v = *values;
    v = wc_tensor_reshape(v, WC_SHAPE(N, K, d));
    if (m->norm_values) { /* and always where v is k, which is turned where it is */
        v = rms_norm(c, m, v, absent);
        observe(c, v, l, names->v_norm);
    }
    k = prepare(c, m, l, st, wc_tensor_reshape(k, WC_SHAPE(N, K, d)), w->k_norm, names->k_norm);
    observe_keys(c, m, l, k, "attn.k");
    observe_keys(c, m, l, v, "attn.v");
    *keys = k;
    *values = v;
}

/* The last position that each row sees where rows see those behind them too: one at position p p + window - 1, padding apart. */
static const int32_t *last_both_ways(wc_ctx *c, const wc_batch *b, const wc_attention *a)
{
    const size_t N = (size_t)b->rows.n;
    int32_t *last = wc_op_ids(c, N);
    for (size_t i = 0; !wc_op_idle(c) && last && i < N; i++) {
        const int32_t end = b->rows.last_visible[i];
        const int64_t ahead = (int64_t)b->rows.pos[i] + a->window - 1;
        last[i] = a->window > 0 && ahead < end ? (int32_t)ahead : end;
    }
    return last;
}

/* The rows of whole sequences over each other, without pages: both ways in an encoder, else as over pages. */
static wc_tensor attend_rows(wc_ctx *c, const wc_decoder *m, const wc_batch *b, wc_tensor q, wc_tensor k,
                             wc_tensor v, const wc_attention *a)
{
    const size_t N = q.shape[0], H = (size_t)a->n_heads, K = (size_t)a->n_kv_heads, d = (size_t)a->key_dim;
    wc_row_map rows = b->rows;
    if (m->net.encoder)
        rows.last_visible = last_both_ways(c, b, a);
    return wc_op_attention_rows(c, wc_tensor_reshape(q, WC_SHAPE(N, H * d)),
                                wc_tensor_reshape(k, WC_SHAPE(N, K * d)),
                                wc_tensor_reshape(v, WC_SHAPE(N, K * d)), &rows, a);
}

/* Attention of n [N,D]: [N,D]. */
static wc_tensor attention(wc_ctx *c, const wc_decoder *m, int l, const struct step *st, wc_tensor n)
{
    const wc_decoder_layer *w = &m->layers[l];
    const size_t N = n.shape[0], H = (size_t)w->n_heads, d = (size_t)w->head_dim;
    const bool paged = st->batch->kv != NULL;
    const wc_kv_layer *kv = paged ? &st->batch->kv[w->kv] : NULL;
    wc_tensor q, k, v;
    project_heads(c, m, l, n, &q, &k, &v);
    if (!w->shared)
        keys_and_values(c, m, l, st, &k, &v);
    if (!w->shared && paged)
        wc_op_kv_write(c, kv, &st->batch->rows, k, v);
    q = prepare(c, m, l, st, wc_tensor_reshape(q, WC_SHAPE(N, H, d)), w->q_norm, m->names->q_norm);
    observe(c, q, l, "attn.q");
    const wc_attention a = {.n_heads = w->n_heads,
                            .n_kv_heads = w->n_kv_heads,
                            .key_dim = w->head_dim,
                            .value_dim = w->head_dim,
                            .scale = m->attention_scale > 0 ? m->attention_scale : 1.0f / sqrtf((float)d),
                            .soft_cap = m->attention_cap,
                            .window = w->window};
    if (paged) {
        observe_probabilities(c, l, st->batch, kv, q, &a);
        observe_mask(c, l, m, st, &a);
    }
    wc_tensor context = paged ? wc_op_attention(c, q, kv, &st->batch->rows, &a)
                              : attend_rows(c, m, st->batch, q, k, v, &a);
    observe(c, wc_tensor_reshape(context, WC_SHAPE(N, H, d)), l, "attn.ctx");
    wc_tensor out = project(c, context, w->o_proj, w->o_bias);
    observe(c, out, l, m->names->o_proj);
    return out;
}

/* ---- feed-forward ---- */

/* The parts of the gated linear unit, which keeps none. */
static void observe_gated(wc_ctx *c, const wc_decoder *m, int l, wc_tensor f)
{
    const wc_decoder_layer *w = &m->layers[l];
    const wc_decoder_names *names = m->names;
    wc_tensor gate = project(c, f, w->gate_proj, w->gate_bias), up = project(c, f, w->up_proj, w->up_bias);
    observe(c, up, l, names->up_proj);
    observe(c, gate, l, names->gate_proj);
    if (names->gate_up_proj)
        observe(c, wc_op_concat(c, gate, up), l, names->gate_up_proj);
    observe(c, wc_op_act(c, gate, m->act), l, names->act);
}

/* (act(f Wgate) * (f Wup)) Wdown, or act(f Wup) Wdown: [N,D]. */
static wc_tensor gated(wc_ctx *c, const wc_decoder *m, int l, wc_tensor f)
{
    const wc_decoder_layer *w = &m->layers[l];
    const wc_decoder_names *names = m->names;
    wc_tensor h;
    if (w->gate_proj.data) {
        if (c->observe)
            observe_gated(c, m, l, f);
        h = wc_op_glu(c, f, m->act, w->gate_proj, w->gate_bias, w->up_proj, w->up_bias);
    } else {
        wc_tensor up = project(c, f, w->up_proj, w->up_bias);
        observe(c, up, l, names->up_proj);
        h = wc_op_act(c, up, m->act);
        observe(c, h, l, names->act);
    }
    wc_tensor down = project(c, h, w->down_proj, w->down_bias);
    observe(c, down, l, names->down_proj);
    return down;
}

static wc_tensor feed_forward(wc_ctx *c, const wc_decoder *m, int l, wc_tensor f)
{
    wc_tensor h = m->feed_forward ? m->feed_forward(c, m, l, f) : gated(c, m, l, f);
    observe(c, h, l, m->names->mlp);
    return h;
}

/* ---- inputs of a layer's own (Gemma 4) ---- */

/* [L,N,P]: (RMSNorm(x Wp / sqrt(D)) + Ep[id] sqrt(P)) / sqrt(2). */
static wc_tensor per_layer_inputs(wc_ctx *c, const wc_decoder *m, const wc_batch *b, wc_tensor x)
{
    const size_t N = x.shape[0], L = (size_t)m->net.n_layers, P = (size_t)m->ple_width;
    const struct wc_dtype_row *row = wc_dtype_get(m->ple_embed.dtype);
    wc_tensor ple = wc_op_new(c, WC_SHAPE(L, N, P));
    wc_arena_mark mark = wc_op_mark(c);
    int32_t *ids = wc_arena_alloc(c->step, N * sizeof *ids);
    for (size_t r = 0; !wc_op_idle(c) && ids && r < N; r++)
        ids[r] = b->ids[r] < m->ple_vocab ? b->ids[r] : 0;
    for (size_t l = 0; l < L; l++) {
        wc_tensor table = m->ple_embed;
        table.data = (char *)table.data + l * P / row->block_elems * row->block_bytes;
        table.shape[1] = P; /* rows stay L * P apart */
        wc_arena_mark layer = wc_op_mark(c);
        wc_tensor token = wc_op_embed(c, table, ids, N, sqrtf((float)P));
        wc_tensor h = wc_op_linear(c, x, wc_tensor_slice(m->ple_model_proj, l * P, P));
        h = rms_norm(c, m, wc_op_scale(c, h, 1.0f / sqrtf((float)m->net.hidden_size)), m->ple_model_norm);
        wc_op_add_into(c, wc_tensor_sub(ple, l), h, token, (float)sqrt(0.5));
        wc_op_reset(c, layer);
    }
    wc_op_reset(c, mark);
    return ple;
}

/* h + RMSNorm((act(h Wgate) * input) Wproj): [N,D]. */
static wc_tensor add_layer_input(wc_ctx *c, const wc_decoder *m, int l, wc_tensor h, wc_tensor input)
{
    const wc_decoder_layer *w = &m->layers[l];
    wc_tensor gate = wc_op_linear(c, h, w->ple_gate);
    observe(c, gate, l, "per_layer_input_gate");
    if (c->observe)
        observe(c, wc_op_act(c, gate, m->act), l, "act_fn");
    wc_tensor y = wc_op_linear(c, wc_op_act_mul(c, gate, input, m->act), w->ple_proj);
    observe(c, y, l, "per_layer_projection");
    y = rms_norm(c, m, y, w->ple_norm);
    observe(c, y, l, "post_per_layer_input_norm");
    return wc_op_add(c, h, y);
}

/* ---- the whole ---- */

/* The stream x [N,D] after layer l.  What attention needs is given up before the feed-forward part begins. */
static wc_tensor layer(wc_ctx *c, const wc_decoder *m, int l, const struct step *st, wc_tensor x)
{
    const wc_decoder_layer *w = &m->layers[l];
    const wc_decoder_names *names = m->names;
    wc_tensor h = wc_op_new(c, WC_SHAPE(x.shape[0], x.shape[1]));
    wc_arena_mark before = wc_op_mark(c);
    wc_tensor n = norm(c, m, x, w->input_norm);
    observe(c, n, l, names->input_norm);
    wc_arena_mark behind = wc_op_mark(c);
    wc_tensor a = attention(c, m, l, st, n);
    a = branch_norm(c, m, l, a, w->post_attention_norm, names->post_attention_norm);
    h = wc_op_keep(c, m->parallel ? behind : before, h, wc_op_add(c, x, a));
    if (!m->parallel) {
        n = norm(c, m, h, w->ffn_norm);
        observe(c, n, l, names->ffn_norm);
    }
    wc_tensor f = feed_forward(c, m, l, n);
    h = wc_op_add(c, h, branch_norm(c, m, l, f, w->post_ffn_norm, names->post_ffn_norm));
    if (m->ple_width)
        h = add_layer_input(c, m, l, h, wc_tensor_sub(st->ple, (size_t)l));
    return w->out_scale == 1 ? h : wc_op_scale(c, h, w->out_scale);
}

/* The stream [N,D] after all layers. */
static wc_tensor run_layers(wc_ctx *c, const wc_net *net, const wc_batch *b)
{
    const wc_decoder *m = (const wc_decoder *)net;
    struct step st = {.batch = b};
    for (int i = 0; i < m->n_ropes; i++)
        st.rope[i] = rope_table(c, &m->ropes[i], b);
    wc_tensor x = wc_op_embed(c, m->embed, b->ids, (size_t)b->rows.n, m->embed_scale); /* [N,D] */
    wc_batch_put_soft(c, b, x);
    wc_observe(c, x, "embed");
    if (m->ple_width)
        st.ple = per_layer_inputs(c, m, b, x);
    for (int l = 0; l < net->n_layers && !c->stopped; l++) {
        wc_arena_mark mark = wc_op_mark(c);
        x = wc_op_keep(c, mark, x, layer(c, m, l, &st, x));
        wc_observe(c, x, "layers.%d.out", l);
    }
    return x;
}

wc_tensor wc_decoder_encode(wc_ctx *c, const wc_net *net, const wc_batch *b)
{
    const wc_decoder *m = (const wc_decoder *)net;
    wc_tensor x = norm(c, m, run_layers(c, net, b), m->norm);
    wc_observe(c, x, "final_norm");
    wc_observe(c, x, "last");
    return x;
}

wc_tensor wc_decoder_forward(wc_ctx *c, const wc_net *net, const wc_batch *b)
{
    const wc_decoder *m = (const wc_decoder *)net;
    wc_tensor x = run_layers(c, net, b);
    if (b->out_rows && b->n_out < b->rows.n)
        x = wc_op_get_rows(c, x, b->out_rows, (size_t)b->n_out);
    x = norm(c, m, x, m->norm);
    wc_observe(c, x, "final_norm");
    wc_tensor logits = project(c, x, m->head, m->head_bias);
    if (m->logit_cap > 0)
        logits = wc_op_soft_cap(c, logits, m->logit_cap);
    wc_observe(c, logits, "logits");
    return logits;
}
