/* phimoe.c - Phi-3.5-MoE (transformers' PhimoeForCausalLM): Llama's block with layer norms, biases and, for each row, two
 * of several feed-forwards, chosen by a router (SparseMixer, Liu et al. 2023, arXiv:2310.00811).
 *
 * Shapes: N rows, D hidden_size, E experts, F intermediate_size. */
#include <stdio.h>
#include <string.h>

#include "formats/config.h"
#include "models/decoder_load.h"

enum { MAX_EXPERTS = 256 };

struct expert {
    wc_tensor gate, up, down; /* w1 [F,D], w3 [F,D], w2 [D,F] */
};

/* Of one layer. */
struct experts {
    int n;
    float jitter;
    wc_tensor router; /* [E,D] */
    struct expert *list;
};

/* The rows that chose expert e, those for which it is the best first, and how many these are.  False: nobody did. */
static bool rows_of(wc_ctx *c, const struct experts *own, int e, wc_tensor weights, int32_t *rows,
                    size_t *n_first, size_t *n)
{
    *n_first = wc_op_chosen(c, weights, (size_t)e, rows);
    *n = *n_first + wc_op_chosen(c, weights, (size_t)own->n + (size_t)e, rows + *n_first);
    return *n > 0;
}

/* Adds expert e's result for its rows, times their weight, to y [N,D].  observed: its activation is the point that observers
 * know, which is what the reference's one activation module gave last. */
static void run_expert(wc_ctx *c, const wc_decoder *m, int l, int e, wc_tensor f, wc_tensor weights,
                       const int32_t *rows, size_t n_first, size_t n, bool observed, wc_tensor y)
{
    const struct experts *own = m->layers[l].own;
    const struct expert *w = &own->list[e];
    wc_tensor x = wc_op_get_rows(c, f, rows, n);
    const wc_tensor none = {0};
    if (observed)
        wc_observe(c, wc_op_act(c, wc_op_linear(c, x, w->gate), m->act), "layers.%d.mlp.experts.act_fn", l);
    wc_tensor h = wc_op_glu(c, x, m->act, w->gate, none, w->up, none); /* [n,F] */
    wc_tensor out = wc_op_linear(c, h, w->down);
    wc_op_add_rows(c, y, wc_tensor_slice(out, 0, n_first), rows, weights, (size_t)e);
    wc_op_add_rows(c, y, wc_tensor_slice(out, n_first, n - n_first), rows + n_first, weights,
                   (size_t)own->n + (size_t)e);
}

/* sum over the two experts of weight * expert(f): [N,D].  The weights need not sum to 1. */
static wc_tensor feed_forward(wc_ctx *c, const wc_decoder *m, int l, wc_tensor f)
{
    const struct experts *own = m->layers[l].own;
    wc_tensor scores = wc_op_linear(c, f, own->router); /* [N,E] */
    wc_observe(c, scores, "layers.%d.mlp.router", l);
    wc_tensor weights = wc_op_route_two(c, scores, own->jitter); /* [N,2E] */
    wc_tensor y = wc_op_scale(c, f, 0);
    size_t n_first, n;
    int last = own->n - 1;
    int32_t *rows = wc_op_ids(c, 2 * f.shape[0]);
    while (rows && last > 0 && !rows_of(c, own, last, weights, rows, &n_first, &n))
        last--;
    for (int e = 0; rows && e <= last; e++) {
        wc_arena_mark mark = wc_op_mark(c);
        if (rows_of(c, own, e, weights, rows, &n_first, &n))
            run_expert(c, m, l, e, f, weights, rows, n_first, n, c->observe && e == last, y);
        wc_op_reset(c, mark);
    }
    wc_observe(c, y, "layers.%d.mlp.experts", l);
    return y;
}

static bool find_expert(wc_decoder_loader *l, int layer, int e, struct expert *w)
{
    const size_t D = (size_t)l->g.hidden_size, F = (size_t)l->g.intermediate_size;
    char module[80];
    snprintf(module, sizeof module, "block_sparse_moe.experts.%d", e);
    return wc_decoder_need_in_layer(l, layer, module, ".w1.weight", WC_SHAPE(F, D), &w->gate) &&
           wc_decoder_need_in_layer(l, layer, module, ".w3.weight", WC_SHAPE(F, D), &w->up) &&
           wc_decoder_need_in_layer(l, layer, module, ".w2.weight", WC_SHAPE(D, F), &w->down);
}

static bool find_experts(wc_decoder_loader *l)
{
    int n, each;
    double jitter;
    if (!wc_config_int_or(l->file, l->config, "num_local_experts", 16, 2, MAX_EXPERTS, &n, l->err) ||
        !wc_config_int_or(l->file, l->config, "num_experts_per_tok", 2, 2, 2, &each, l->err) ||
        !wc_config_float_or(l->file, l->config, "router_jitter_noise", 0.01, 0, 1e3, &jitter, l->err))
        return false;
    for (int i = 0; i < l->g.n_layers; i++) {
        struct experts *own = wc_arena_zalloc(l->arena, 1, sizeof *own);
        if (!own || !(own->list = wc_arena_zalloc(l->arena, (size_t)n, sizeof *own->list)))
            return wc_fail_memory(l->err, (size_t)n * sizeof *own->list);
        own->n = n;
        own->jitter = (float)jitter;
        l->m->layers[i].own = own;
        if (!wc_decoder_need_in_layer(l, i, "block_sparse_moe.gate", ".weight",
                                      WC_SHAPE((size_t)n, (size_t)l->g.hidden_size), &own->router))
            return false;
        for (int e = 0; e < n; e++)
            if (!find_expert(l, i, e, &own->list[e]))
                return false;
    }
    return true;
}

static bool load(wc_net **net, wc_arena *a, const wc_checkpoint *files, const char *slice, wc_error *err)
{
    wc_decoder_loader l = wc_decoder_loader_init(a, files, err);
    int window;
    bool bias;
    l.g = (wc_decoder_config){.context_length = 131072, .norm_eps = 1e-5};
    if (!wc_decoder_read_config(&l, slice) || !wc_decoder_new(&l, &wc_decoder_names_llama) ||
        !wc_decoder_read_act(&l, "hidden_act", "silu", &l.m->act) ||
        !wc_config_bool_or(l.file, l.config, "attention_bias", false, &bias, err) ||
        !wc_config_bool_or(l.file, l.config, "lm_head_bias", false, &l.head_bias, err) ||
        !wc_config_int_or(l.file, l.config, "sliding_window", 0, 0, 1 << 30, &window, err))
        return false;
    for (int i = 0; i < l.g.n_layers; i++)
        l.m->layers[i].window = window;
    l.qkv_bias = l.o_bias = bias;
    l.no_ffn = l.m->layer_norm = true;
    l.m->feed_forward = feed_forward;
    return wc_decoder_read_rope(&l, 1e6, 1) && find_experts(&l) && wc_decoder_find(&l, net);
}

static const char *const model_types[] = {"phimoe", NULL};

const wc_family wc_family_phimoe = {
    .name = "Phi-3.5-MoE",
    .model_types = model_types,
    .load = load,
    .forward = wc_decoder_forward,
};
