/* gemma3n.c - Gemma 3n: text, pictures and sound (transformers' Gemma3nForConditionalGeneration and Gemma3nForCausalLM).
 *
 * Not a plain decoder: A parallel streams of which one runs through each layer (AltUp), a low-rank side path beside
 * attention (LAuReL), an input of its own for every layer and token (per-layer embeddings, read by row from the file), the
 * last layers reading the keys and values of earlier ones, and feed-forward layers that keep the top of their gates only.
 *
 * Shapes: N rows, D hidden_size, A altup_num_inputs, L layers, P hidden_size_per_layer_input, H query heads, K key/value
 * heads, d head_dim, F intermediate_size of the layer.
 *
 * Layers from the first shared one on write no keys or values, so only the rows whose logits are wanted pass through them:
 * in prefill that is one row of hundreds, and nothing else changes. */
#include "models/gemma3n.h"

#include <math.h>
#include <string.h>

static const float MATCH_FLOOR = 1e-5f; /* of the mean square that a projected stream is divided by */

static const wc_tensor absent = {0};

/* What the layers of one step share. */
struct step {
    const wc_batch *batch;
    wc_row_map rows;                   /* of the rows that are still on their way */
    wc_tensor rope_full, rope_sliding; /* [N, d] */
    wc_tensor ple;                     /* [L,N,P] */
};

static wc_tensor norm(wc_ctx *c, const struct gemma3n *m, wc_tensor x, wc_tensor w)
{
    return wc_op_rms_norm(c, x, w, 0, m->config.rms_norm_eps);
}

/* RMSNorm(RMSNorm(rows; w) projection): a tower's rows in the width of the stream. */
static wc_tensor project_soft(wc_ctx *c, const struct gemma3n *m, const struct gemma3n_embedder *e,
                              wc_tensor rows, wc_tensor w)
{
    return norm(c, m, wc_op_linear(c, norm(c, m, rows, w), e->projection), absent);
}

/* Rows of x whose ids belong to e's vocabulary take its embedding. */
static void put_hard_embeddings(wc_ctx *c, const struct gemma3n *m, const struct gemma3n_embedder *e, int end,
                                const wc_batch *b, wc_tensor x)
{
    if (e->n == 0)
        return;
    const size_t n = x.shape[0];
    int32_t *ids = wc_arena_alloc(c->step, n * sizeof *ids),
            *rows = wc_arena_alloc(c->step, n * sizeof *rows);
    size_t found = wc_op_idle(c) ? n : 0; /* a rehearsal takes the worst case */
    for (size_t r = 0; !wc_op_idle(c) && ids && rows && r < n; r++) {
        if (b->ids[r] < e->offset || b->ids[r] >= end)
            continue;
        int id = b->ids[r] - e->offset;
        ids[found] = id < e->n ? id : e->n - 1;
        rows[found++] = (int32_t)r;
    }
    if (found == 0)
        return;
    wc_op_put_rows(c, x, project_soft(c, m, e, wc_op_embed(c, e->embedding, ids, found, 1), e->hard_norm),
                   rows);
}

/* Token embeddings [N,D]: of text, of the towers' vocabularies, and the soft rows of pictures and sounds. */
static wc_tensor embed(wc_ctx *c, const struct gemma3n *m, const wc_batch *b)
{
    const struct gemma3n_config *g = &m->config;
    wc_tensor x = wc_op_embed(c, m->embed_tokens, b->ids, (size_t)b->rows.n, sqrtf((float)g->hidden_size));
    wc_arena_mark mark = wc_op_mark(c);
    int vision_end = m->audio.n ? m->audio.offset : g->vocab_size;
    put_hard_embeddings(c, m, &m->vision, vision_end, b, x);
    wc_op_reset(c, mark);
    put_hard_embeddings(c, m, &m->audio, g->vocab_size, b, x);
    wc_op_reset(c, mark);
    wc_batch_put_soft(c, b, x);
    return x;
}

/* Per-layer inputs [L,N,P]: (RMSNorm(x Wp / sqrt(D)) + Ep[id] sqrt(P)) / sqrt(2). */
static wc_tensor per_layer_inputs(wc_ctx *c, const struct gemma3n *m, const wc_batch *b, wc_tensor x)
{
    const struct gemma3n_config *g = &m->config;
    const size_t N = x.shape[0], L = (size_t)g->num_hidden_layers, P = (size_t)g->hidden_size_per_layer_input;
    wc_tensor ple = wc_op_new(c, WC_SHAPE(L, N, P));
    wc_arena_mark mark = wc_op_mark(c);
    wc_tensor tokens = wc_op_new(c, WC_SHAPE(L, N, P));
    int32_t *ids = wc_arena_alloc(c->step, N * sizeof *ids);
    for (size_t r = 0; !wc_op_idle(c) && ids && r < N; r++) /* ids outside the table use row 0, not zeros */
        ids[r] = b->ids[r] >= 0 && b->ids[r] < g->vocab_size_per_layer_input ? b->ids[r] : 0;

    for (size_t l = 0; l < L; l++) {
        const size_t source = (size_t)m->layers[l].source;
        wc_tensor table = m->embed_tokens_per_layer;
        const struct wc_dtype_row *row = wc_dtype_get(table.dtype);
        table.data = (char *)table.data + source * P / row->block_elems * row->block_bytes;
        table.shape[1] = P; /* rows stay L' * P apart */
        wc_arena_mark layer = wc_op_mark(c);
        wc_tensor token = wc_tensor_sub(tokens, l);
        wc_op_embed_into(c, token, table, ids, sqrtf((float)P));
        wc_tensor h = wc_op_linear(c, x, wc_tensor_slice(m->per_layer_model_projection, source * P, P));
        h = norm(c, m, wc_op_scale(c, h, 1.0f / sqrtf((float)g->hidden_size)), m->per_layer_projection_norm);
        wc_op_add_into(c, wc_tensor_sub(ple, l), h, token, (float)sqrt(0.5));
        wc_op_reset(c, layer);
    }
    wc_observe(c, wc_tensor_permute(tokens, (int[]){1, 0, 2}), "ple_token"); /* the reference has [N,L,P] */
    wc_observe(c, wc_tensor_permute(ple, (int[]){1, 0, 2}), "ple");
    wc_op_reset(c, mark);
    return ple;
}

/* x and its A-1 projections, each with the magnitude of x: [A,N,D]. */
static wc_tensor enter_streams(wc_ctx *c, const struct gemma3n *m, wc_tensor x)
{
    wc_tensor s = wc_op_new(c, WC_SHAPE((size_t)m->config.altup_num_inputs, x.shape[0], x.shape[1]));
    wc_op_store(c, wc_tensor_sub(s, 0), x);
    wc_arena_mark mark = wc_op_mark(c);
    for (size_t a = 1; a < s.shape[0]; a++) {
        wc_op_store(c, wc_tensor_sub(s, a),
                    wc_op_match_rms(c, wc_op_linear(c, x, m->altup_projections[a - 1]), x, MATCH_FLOOR));
        wc_op_reset(c, mark);
    }
    return s;
}

/* The mean of the streams, those from 1 on projected back to the magnitude of the first: [N,D]. */
static wc_tensor leave_streams(wc_ctx *c, const struct gemma3n *m, wc_tensor s)
{
    wc_tensor out = wc_op_new(c, s.ndim, s.shape), first = wc_tensor_sub(s, 0);
    wc_op_store(c, wc_tensor_sub(out, 0), first);
    for (size_t a = 1; a < s.shape[0]; a++) {
        wc_tensor y = wc_op_linear(c, wc_tensor_sub(s, a), m->altup_unembed_projections[a - 1]);
        wc_op_store(c, wc_tensor_sub(out, a), wc_op_match_rms(c, y, first, MATCH_FLOOR));
    }
    return wc_op_mean_streams(c, out);
}

/* AltUp's router: tanh((RMSNorm(x) / D) Wr), [N,A]. */
static wc_tensor router(wc_ctx *c, const struct gemma3n *m, const struct gemma3n_layer *w, wc_tensor x)
{
    wc_tensor h = wc_op_scale(c, norm(c, m, x, w->router_norm), 1.0f / (float)m->config.hidden_size);
    return wc_op_matmul(c, h, w->modality_router, absent, WC_ACT_TANH, absent);
}

/* A view [heads,N,d] of rows x [N,heads,d]: the reference's order. */
static wc_tensor by_head(wc_tensor x)
{
    return wc_tensor_permute(x, (int[]){1, 0, 2});
}

/* Keys and values of layer l, also under the names of the layers that share them. */
static void observe_keys(wc_ctx *c, const struct gemma3n *m, int l, wc_tensor k, wc_tensor v)
{
    for (int i = l; c->observe && i < m->config.num_hidden_layers; i++) {
        if (i != l && (!m->layers[i].shared || m->layers[i].kv != m->layers[l].kv))
            continue;
        wc_observe(c, by_head(k), "layers.%d.k_normed_roped", i);
        wc_observe(c, by_head(v), "layers.%d.v_normed", i);
    }
}

/* Attention of n [N,D], before the output norm: [N,D].  No scale on the scores: the query norm's weight carries it. */
static wc_tensor attention(wc_ctx *c, const struct gemma3n *m, int l, const struct step *st, wc_tensor n)
{
    const struct gemma3n_config *g = &m->config;
    const struct gemma3n_layer *w = &m->layers[l];
    const size_t N = n.shape[0], d = (size_t)g->head_dim;
    const size_t H = (size_t)g->num_attention_heads, K = (size_t)g->num_key_value_heads;
    const wc_tensor table = w->sliding ? st->rope_sliding : st->rope_full;
    const wc_kv_layer *kv = &st->batch->kv[w->kv];

    wc_tensor qkv[3];
    wc_op_matmul_each(c, qkv, n, (wc_tensor[]){w->q_proj, w->k_proj, w->v_proj}, (wc_tensor[3]){0},
                      w->shared ? 1 : 3);
    wc_tensor q = wc_tensor_reshape(qkv[0], WC_SHAPE(N, H, d));
    q = wc_op_rope_in_place(c, norm(c, m, q, w->q_norm), table);
    wc_observe(c, by_head(q), "layers.%d.q_normed_roped", l);
    if (!w->shared) {
        wc_tensor k = wc_tensor_reshape(qkv[1], WC_SHAPE(N, K, d)),
                  v = wc_tensor_reshape(qkv[2], WC_SHAPE(N, K, d));
        k = wc_op_rope_in_place(c, norm(c, m, k, w->k_norm), table);
        v = norm(c, m, v, absent);
        observe_keys(c, m, l, k, v);
        wc_op_kv_write(c, kv, &st->rows, k, v);
    }
    const wc_attention a = {.n_heads = g->num_attention_heads,
                            .n_kv_heads = g->num_key_value_heads,
                            .key_dim = g->head_dim,
                            .value_dim = g->head_dim,
                            .scale = 1,
                            .window = w->sliding ? g->sliding_window : 0};
    wc_tensor context = wc_op_attention(c, q, kv, &st->rows, &a);
    wc_observe(c, context, "layers.%d.attn_context", l);
    wc_tensor out = wc_op_linear(c, context, w->o_proj);
    wc_observe(c, out, "layers.%d.attn_o_proj", l);
    return out;
}

/* The parts of a feed-forward's gated linear unit, which keeps none. */
static void observe_gated(wc_ctx *c, const struct gemma3n *m, int l, wc_tensor f)
{
    const struct gemma3n_layer *w = &m->layers[l];
    wc_tensor gate = wc_op_linear(c, f, w->gate_proj);
    wc_observe(c, gate, "layers.%d.mlp_gate", l);
    if (w->sparsity_z > 0)
        gate = wc_op_sparsify(c, gate, w->sparsity_z);
    wc_observe(c, gate, "layers.%d.mlp_gate_after_sparsity", l);
    wc_observe(c, wc_op_act(c, gate, WC_ACT_GELU_TANH), "layers.%d.mlp_gelu", l);
    wc_observe(c, wc_op_linear(c, f, w->up_proj), "layers.%d.mlp_up", l);
}

/* (gelu_tanh(sparse(f Wgate)) * (f Wup)) Wdown, [N,D]. */
static wc_tensor feed_forward(wc_ctx *c, const struct gemma3n *m, int l, wc_tensor f)
{
    const struct gemma3n_layer *w = &m->layers[l];
    if (c->observe)
        observe_gated(c, m, l, f);
    wc_tensor h;
    if (w->sparsity_z > 0) {
        wc_tensor gate = wc_op_sparsify(c, wc_op_linear(c, f, w->gate_proj), w->sparsity_z); /* [N,F] */
        h = wc_op_gated(c, gate, WC_ACT_GELU_TANH, f, w->up_proj, absent);
    } else {
        h = wc_op_glu(c, f, WC_ACT_GELU_TANH, w->gate_proj, absent, w->up_proj, absent);
    }
    wc_observe(c, h, "layers.%d.mlp_gelu_times_up", l);
    wc_tensor down = wc_op_linear(c, h, w->down_proj);
    wc_observe(c, down, "layers.%d.mlp_down", l);
    return down;
}

/* Adds the layer's own input to streams 1 .. A-1 of out (not to stream 0, whichever is active). */
static void add_per_layer_input(wc_ctx *c, const struct gemma3n *m, int l, wc_tensor out, wc_tensor ple)
{
    const struct gemma3n_layer *w = &m->layers[l];
    wc_tensor z = wc_tensor_sub(out, (size_t)m->config.altup_active_idx);
    if (m->config.altup_correct_scale)
        z = wc_op_mul_vec(c, z, w->correct_output_scale, absent);
    wc_tensor h = wc_op_linear(c, z, w->per_layer_input_gate); /* [N,P] */
    wc_observe(c, h, "layers.%d.ple_gate", l);
    if (c->observe)
        wc_observe(c, wc_op_act(c, h, WC_ACT_GELU_TANH), "layers.%d.ple_gate_gelu", l);
    h = wc_op_act_mul(c, h, ple, WC_ACT_GELU_TANH);
    wc_observe(c, h, "layers.%d.ple_gated", l);
    h = wc_op_linear(c, h, w->per_layer_projection); /* [N,D] */
    wc_observe(c, h, "layers.%d.ple_projected", l);
    h = norm(c, m, h, w->post_per_layer_input_norm);
    wc_observe(c, h, "layers.%d.ple_post_norm", l);
    for (size_t a = 1; a < out.shape[0]; a++) {
        wc_tensor s = wc_tensor_sub(out, a);
        wc_op_add_into(c, s, s, h, 1);
    }
}

/* One decoder layer (Gemma3nTextDecoderLayer): streams s [A,N,D] are replaced by its output. */
static void decoder_layer(wc_ctx *c, const struct gemma3n *m, int l, const struct step *st, wc_tensor s)
{
    const struct gemma3n_layer *w = &m->layers[l];
    const int active = m->config.altup_active_idx;

    wc_tensor modalities = router(c, m, w, wc_tensor_sub(s, (size_t)active)); /* [N,A] */
    wc_observe(c, modalities, "layers.%d.altup_predict_modalities", l);
    wc_tensor guess = wc_op_altup_predict(c, s,
                                          wc_op_linear(c, modalities, w->prediction_coefs)); /* [A,N,D] */
    wc_observe(c, guess, "layers.%d.altup_predictions", l);

    wc_tensor x = wc_tensor_sub(guess, (size_t)active); /* [N,D] */
    wc_tensor n = norm(c, m, x, w->input_layernorm);
    wc_observe(c, n, "layers.%d.input_norm", l);
    wc_tensor laurel = wc_op_linear(c, wc_op_linear(c, n, w->laurel_left), w->laurel_right);
    laurel = wc_op_add(c, norm(c, m, laurel, w->post_laurel_norm), n); /* [N,D] */
    wc_observe(c, laurel, "layers.%d.laurel", l);

    wc_tensor h = norm(c, m, attention(c, m, l, st, n), w->post_attention_layernorm);
    wc_observe(c, h, "layers.%d.post_attn_norm", l);
    h = wc_op_add_scaled(c, wc_op_add(c, x, h), laurel, (float)sqrt(0.5)); /* 1 / sqrt(2) */
    wc_observe(c, h, "layers.%d.attn_laurel_sum", l);

    wc_tensor f = norm(c, m, h, w->pre_feedforward_layernorm);
    wc_observe(c, f, "layers.%d.pre_ffn_norm", l);
    f = norm(c, m, feed_forward(c, m, l, f), w->post_feedforward_layernorm);
    wc_observe(c, f, "layers.%d.post_ffn_norm", l);
    h = wc_op_add(c, h, f); /* [N,D] */
    wc_observe(c, h, "layers.%d.activated", l);

    modalities = router(c, m, w, h);
    wc_observe(c, modalities, "layers.%d.altup_correct_modalities", l);
    wc_op_altup_correct_into(c, s, guess, h, wc_op_linear(c, modalities, w->correction_coefs), active);
    wc_observe(c, s, "layers.%d.altup_corrected", l);
    add_per_layer_input(c, m, l, s, wc_tensor_sub(st->ple, (size_t)l));
    wc_observe(c, s, "layers.%d.out", l);
}

/* The rows out_rows of [L or A,N,D]. */
static wc_tensor pick_rows(wc_ctx *c, wc_tensor x, const int32_t *rows, size_t n)
{
    wc_tensor y = wc_op_new(c, WC_SHAPE(x.shape[0], n, x.shape[2]));
    for (size_t i = 0; i < x.shape[0]; i++) {
        wc_arena_mark mark = wc_op_mark(c);
        wc_op_store(c, wc_tensor_sub(y, i), wc_op_get_rows(c, wc_tensor_sub(x, i), rows, n));
        wc_op_reset(c, mark);
    }
    return y;
}

/* From here on only the rows whose logits are wanted are computed. */
static wc_tensor keep_out_rows(wc_ctx *c, struct step *st, wc_tensor s)
{
    const wc_batch *b = st->batch;
    const size_t n = (size_t)b->n_out;
    int32_t *pos = wc_arena_alloc(c->step, n * sizeof *pos), *seq = wc_arena_alloc(c->step, n * sizeof *seq);
    int32_t *visible = wc_arena_alloc(c->step, n * sizeof *visible);
    for (size_t i = 0; !wc_op_idle(c) && pos && seq && visible && i < n; i++) {
        pos[i] = st->rows.pos[b->out_rows[i]];
        seq[i] = st->rows.seq[b->out_rows[i]];
        visible[i] = st->rows.last_visible ? st->rows.last_visible[b->out_rows[i]] : pos[i];
    }
    st->rope_full = wc_op_get_rows(c, st->rope_full, b->out_rows, n);
    st->rope_sliding = wc_op_get_rows(c, st->rope_sliding, b->out_rows, n);
    st->ple = pick_rows(c, st->ple, b->out_rows, n);
    st->rows = (wc_row_map){(int)n, pos, seq, visible, st->rows.n_seqs};
    return pick_rows(c, s, b->out_rows, n);
}

static wc_tensor forward(wc_ctx *c, const wc_net *net, const wc_batch *b)
{
    const struct gemma3n *m = (const struct gemma3n *)net;
    const struct gemma3n_config *g = &m->config;
    struct step st = {.batch = b, .rows = b->rows};

    wc_tensor x = embed(c, m, b);
    wc_observe(c, x, "embed");
    wc_observe(c, x, "merged_embeds");
    st.ple = per_layer_inputs(c, m, b, x);
    st.rope_full = wc_op_rope_table(c, b->rows.pos, x.shape[0], m->inv_freq_full, 1);
    st.rope_sliding = wc_op_rope_table(c, b->rows.pos, x.shape[0], m->inv_freq_sliding, 1);
    wc_tensor s = enter_streams(c, m, x);
    wc_observe(c, s, "streams0");

    bool few = b->out_rows && b->n_out < b->rows.n;
    for (int l = 0; l < g->num_hidden_layers && !c->stopped; l++) {
        if (few && m->layers[l].shared && st.rows.n == b->rows.n)
            s = keep_out_rows(c, &st, s);
        wc_arena_mark mark = wc_op_mark(c);
        decoder_layer(c, m, l, &st, s);
        wc_op_reset(c, mark);
    }
    if (few && st.rows.n == b->rows.n)
        s = keep_out_rows(c, &st, s);
    x = leave_streams(c, m, s);
    wc_observe(c, x, "merged");
    x = norm(c, m, x, m->norm);
    wc_observe(c, x, "final_norm");
    wc_tensor logits = wc_op_linear(c, x, m->embed_tokens);
    if (g->final_logit_softcapping > 0)
        logits = wc_op_soft_cap(c, logits, g->final_logit_softcapping);
    wc_observe(c, logits, "logits");
    return logits;
}

/* Soft rows of a picture: tower, times sqrt(2048), embedder. */
static wc_tensor encode_image(wc_ctx *c, const wc_net *net, wc_tensor pixels)
{
    const struct gemma3n *m = (const struct gemma3n *)net;
    if (c->observe)
        wc_observe(c, wc_tensor_permute(pixels, (int[]){2, 0, 1}), "pixel_values");
    wc_tensor x = wc_mobilenet_v5_forward(c, m->tower, pixels);
    x = norm(c, m, wc_op_scale(c, x, sqrtf((float)wc_mobilenet_v5_channels(m->tower))), m->vision.soft_norm);
    wc_observe(c, x, "vision.embed.soft_norm");
    x = wc_op_linear(c, x, m->vision.projection);
    wc_observe(c, x, "vision.embed.projection");
    x = norm(c, m, x, absent);
    wc_observe(c, x, "vision.embed.out");
    return x;
}

/* For those who look on: which of n rows come before (from: behind) the first `end`, as 1 and 0. */
static void observe_mask(wc_ctx *c, const char *name, size_t n, size_t end, bool before)
{
    uint8_t *mask = c->observe && !wc_op_idle(c) ? wc_arena_alloc(c->step, n) : NULL;
    for (size_t i = 0; mask && i < n; i++)
        mask[i] = (i < end) == before;
    if (mask)
        wc_observe(c, wc_tensor_of(mask, WC_U8, WC_SHAPE(n)), "%s", name);
}

/* Soft rows of a sound: tower, embedder; the places that it does not fill take the last id of its vocabulary. */
static wc_tensor encode_audio(wc_ctx *c, const wc_net *net, wc_tensor mel, size_t n_valid)
{
    const struct gemma3n *m = (const struct gemma3n *)net;
    const size_t n_tokens = (size_t)net->audio.n_tokens;
    size_t n_sound;
    wc_observe(c, mel, "mel");
    observe_mask(c, "mel_mask_valid", mel.shape[0], n_valid, true);
    wc_tensor out = wc_op_new(c, WC_SHAPE(n_tokens, (size_t)m->config.hidden_size));
    wc_tensor x = wc_gemma3n_audio_forward(c, m->audio_tower, mel, n_valid, &n_sound);
    observe_mask(c, "audio.reduced_mask_invalid", x.shape[0], n_sound, false);
    x = project_soft(c, m, &m->audio, x, m->audio.soft_norm);
    wc_observe(c, x, "audio.embed.out");
    wc_op_store(c, wc_tensor_slice(out, 0, n_sound), wc_tensor_slice(x, 0, n_sound));

    const int32_t last = m->audio.n - 1;
    int32_t *same = wc_op_ids(c, n_tokens);
    for (size_t i = 0; !wc_op_idle(c) && i < n_tokens; i++)
        same[i] = 0;
    x = project_soft(c, m, &m->audio, wc_op_embed(c, m->audio.embedding, &last, 1, 1), m->audio.hard_norm);
    if (n_sound < n_tokens)
        wc_op_store(c, wc_tensor_slice(out, n_sound, n_tokens - n_sound),
                    wc_op_get_rows(c, x, same, n_tokens - n_sound));
    return out;
}

/* hard_vision, hard_audio: the embeddings of all ids of a tower's vocabulary. */
static bool extra(wc_ctx *c, const wc_net *net, const char *name)
{
    const struct gemma3n *m = (const struct gemma3n *)net;
    const struct gemma3n_embedder *e = strcmp(name, "hard_vision") == 0  ? &m->vision
                                       : strcmp(name, "hard_audio") == 0 ? &m->audio
                                                                         : NULL;
    if (!e || e->n == 0)
        return false;
    int32_t *ids = wc_arena_alloc(c->step, (size_t)e->n * sizeof *ids);
    for (int i = 0; ids && i < e->n; i++)
        ids[i] = i;
    if (ids)
        wc_observe(c, project_soft(c, m, e, wc_op_embed(c, e->embedding, ids, (size_t)e->n, 1), e->hard_norm),
                   "%s", name);
    return ids != NULL;
}

static const char *const model_types[] = {"gemma3n", "gemma3n_text", NULL};

const wc_family wc_family_gemma3n = {
    .name = "Gemma 3n",
    .model_types = model_types,
    .load = wc_gemma3n_load,
    .forward = forward,
    .encode_image = encode_image,
    .encode_audio = encode_audio,
    .extra = extra,
};
