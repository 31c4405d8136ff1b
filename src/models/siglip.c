/* siglip.c - SigLIP's picture encoder (Zhai et al. 2023, arXiv:2303.15343), which is the vision transformer of Dosovitskiy et al.
 * 2020 (arXiv:2010.11929) without a class token: patches as rows, a learned embedding for each place, L times attention
 * of all patches to all and a feed-forward, each behind a layer norm and beside the stream, and a last layer norm.
 *
 * Shapes: S side of the picture, p of a patch, g = S / p patches on a side, n = g * g of them, Hv hidden_size, H heads of
 * dv = Hv / H, F intermediate_size. */
#include "models/siglip.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "formats/config.h"
#include "models/decoder_load.h"

enum { MAX_LAYERS = 256, MAX_SIDE = 8192, MAX_PATCH = 256, MAX_HEAD = 4096, NAME_ROOM = 200 };

/* A linear layer or a layer norm. */
struct module {
    wc_tensor weight, bias;
};

struct layer {
    struct module norm1, q_proj, k_proj, v_proj, out_proj, norm2, fc1, fc2;
};

struct wc_siglip {
    int image_size, patch_size, grid;
    int hidden_size, n_heads, intermediate_size, n_layers;
    float eps;
    wc_act act;
    struct module patch_embedding; /* [Hv,3,p,p] [Hv] */
    wc_tensor position_embedding;  /* [n,Hv] */
    struct layer *layers;          /* [n_layers] */
    struct module post_norm;
    uint64_t n_params;
};

static const wc_tensor absent = {0};

/* ---- loading ---- */

struct loader {
    wc_siglip *m;
    const wc_checkpoint *files;
    const char *prefix;
    wc_error *err;
};

static bool read_config(wc_siglip *m, const char *file, const wc_json *v, wc_error *err)
{
    const wc_decoder_loader act = {.file = file, .config = v, .err = err};
    double eps;
    int channels;
    if (!wc_config_int_or(file, v, "hidden_size", 768, 1, 1 << 16, &m->hidden_size, err) ||
        !wc_config_int_or(file, v, "intermediate_size", 3072, 1, 1 << 20, &m->intermediate_size, err) ||
        !wc_config_int_or(file, v, "num_hidden_layers", 12, 1, MAX_LAYERS, &m->n_layers, err) ||
        !wc_config_int_or(file, v, "num_attention_heads", 12, 1, 4096, &m->n_heads, err) ||
        !wc_config_int_or(file, v, "num_channels", 3, 3, 3, &channels, err) ||
        !wc_config_int_or(file, v, "image_size", 224, 1, MAX_SIDE, &m->image_size, err) ||
        !wc_config_int_or(file, v, "patch_size", 16, 1, MAX_PATCH, &m->patch_size, err) ||
        !wc_config_float_or(file, v, "layer_norm_eps", 1e-6, 1e-30, 1, &eps, err) ||
        !wc_decoder_read_act(&act, "hidden_act", "gelu_pytorch_tanh", &m->act))
        return false;
    if (m->hidden_size % m->n_heads || m->hidden_size / m->n_heads > MAX_HEAD)
        return wc_fail(err, WC_BAD_FILE,
                       "%s: vision_config.hidden_size: expected a multiple of num_attention_heads (%d), "
                       "heads of up to %d, found %d",
                       file, m->n_heads, MAX_HEAD, m->hidden_size);
    if (m->patch_size > m->image_size)
        return wc_fail(err, WC_BAD_FILE,
                       "%s: vision_config.patch_size: expected at most image_size (%d), found %d", file,
                       m->image_size, m->patch_size);
    m->eps = (float)eps;
    m->grid = m->image_size / m->patch_size;
    return true;
}

static bool need(struct loader *l, const char *name, const char *part, int ndim, const size_t *shape,
                 wc_tensor *t)
{
    char full[2 * NAME_ROOM];
    snprintf(full, sizeof full, "%s.%s.%s", l->prefix, name, part);
    if (!wc_checkpoint_need_weight(l->files, full, ndim, shape, t, l->err))
        return false;
    l->m->n_params += wc_tensor_elems(t);
    return true;
}

static bool need_norm(struct loader *l, const char *name, struct module *w)
{
    const size_t Hv = (size_t)l->m->hidden_size;
    return need(l, name, "weight", WC_SHAPE(Hv), &w->weight) && need(l, name, "bias", WC_SHAPE(Hv), &w->bias);
}

static bool norm_of_layer(struct loader *l, int i, const char *name, struct module *w)
{
    char full[NAME_ROOM];
    snprintf(full, sizeof full, "encoder.layers.%d.%s", i, name);
    return need_norm(l, full, w);
}

static bool linear_of_layer(struct loader *l, int i, const char *name, int rows, int cols, struct module *w)
{
    char full[NAME_ROOM];
    snprintf(full, sizeof full, "encoder.layers.%d.%s", i, name);
    return need(l, full, "weight", WC_SHAPE((size_t)rows, (size_t)cols), &w->weight) &&
           need(l, full, "bias", WC_SHAPE((size_t)rows), &w->bias);
}

static bool load_layer(struct loader *l, int i)
{
    struct layer *w = &l->m->layers[i];
    const int Hv = l->m->hidden_size, F = l->m->intermediate_size;
    return norm_of_layer(l, i, "layer_norm1", &w->norm1) &&
           linear_of_layer(l, i, "self_attn.q_proj", Hv, Hv, &w->q_proj) &&
           linear_of_layer(l, i, "self_attn.k_proj", Hv, Hv, &w->k_proj) &&
           linear_of_layer(l, i, "self_attn.v_proj", Hv, Hv, &w->v_proj) &&
           linear_of_layer(l, i, "self_attn.out_proj", Hv, Hv, &w->out_proj) &&
           norm_of_layer(l, i, "layer_norm2", &w->norm2) &&
           linear_of_layer(l, i, "mlp.fc1", F, Hv, &w->fc1) &&
           linear_of_layer(l, i, "mlp.fc2", Hv, F, &w->fc2);
}

wc_siglip *wc_siglip_load(wc_arena *a, const wc_checkpoint *files, const wc_json *vision_config,
                          const char *prefix, wc_error *err)
{
    wc_siglip *m = wc_arena_zalloc(a, 1, sizeof *m);
    struct loader l = {m, files, prefix, err};
    if (!m) {
        wc_fail_memory(err, sizeof *m);
        return NULL;
    }
    if (!read_config(m, wc_checkpoint_config_file(files), vision_config, err))
        return NULL;
    m->layers = wc_arena_zalloc(a, (size_t)m->n_layers, sizeof *m->layers);
    if (!m->layers) {
        wc_fail_memory(err, (size_t)m->n_layers * sizeof *m->layers);
        return NULL;
    }
    const size_t Hv = (size_t)m->hidden_size, p = (size_t)m->patch_size;
    const size_t n = (size_t)m->grid * (size_t)m->grid;
    bool ok = need(&l, "embeddings.patch_embedding", "weight", WC_SHAPE(Hv, 3, p, p),
                   &m->patch_embedding.weight) &&
              need(&l, "embeddings.patch_embedding", "bias", WC_SHAPE(Hv), &m->patch_embedding.bias) &&
              need(&l, "embeddings.position_embedding", "weight", WC_SHAPE(n, Hv), &m->position_embedding);
    for (int i = 0; ok && i < m->n_layers; i++)
        ok = load_layer(&l, i);
    return ok && need_norm(&l, "post_layernorm", &m->post_norm) ? m : NULL;
}

int wc_siglip_image_size(const wc_siglip *m)
{
    return m->image_size;
}

int wc_siglip_grid(const wc_siglip *m)
{
    return m->grid;
}

int wc_siglip_hidden_size(const wc_siglip *m)
{
    return m->hidden_size;
}

float wc_siglip_norm_eps(const wc_siglip *m)
{
    return m->eps;
}

uint64_t wc_siglip_params(const wc_siglip *m)
{
    return m->n_params;
}

/* ---- forward ---- */

static void observe(wc_ctx *c, wc_tensor x, int l, const char *name)
{
    wc_observe(c, x, "vision.layers.%d.%s", l, name);
}

static wc_tensor norm(wc_ctx *c, const wc_siglip *m, wc_tensor x, const struct module *w)
{
    return wc_op_layer_norm(c, x, w->weight, w->bias, m->eps);
}

static wc_tensor linear(wc_ctx *c, wc_tensor x, const struct module *w)
{
    return wc_op_matmul(c, x, w->weight, w->bias, WC_ACT_NONE, absent);
}

/* Patches, row by row, and where they are: [n,Hv]. */
static wc_tensor embed(wc_ctx *c, const wc_siglip *m, wc_tensor pixels)
{
    const size_t n = (size_t)m->grid * (size_t)m->grid, Hv = (size_t)m->hidden_size;
    wc_tensor patches = wc_op_conv2d_padded(c, pixels, m->patch_embedding.weight, m->patch_embedding.bias,
                                            m->patch_size, (wc_padding){0});
    if (c->observe)
        wc_observe(c, wc_tensor_permute(patches, (int[]){2, 0, 1}), "vision.patch_embedding");
    int32_t *places = wc_op_ids(c, n);
    for (size_t i = 0; !wc_op_idle(c) && i < n; i++)
        places[i] = (int32_t)i;
    wc_tensor x = wc_op_embed(c, m->position_embedding, places, n, 1);
    x = wc_op_add(c, wc_tensor_reshape(patches, WC_SHAPE(n, Hv)), x);
    wc_observe(c, x, "vision.embed");
    return x;
}

/* softmax(q k / sqrt(dv)) v of all patches, without the projection behind it: [n,Hv]. */
static wc_tensor attention(wc_ctx *c, const wc_siglip *m, int l, wc_tensor x)
{
    const struct layer *w = &m->layers[l];
    const int dv = m->hidden_size / m->n_heads;
    const wc_attention a = {.n_heads = m->n_heads,
                            .n_kv_heads = m->n_heads,
                            .key_dim = dv,
                            .value_dim = dv,
                            .scale = 1.0f / sqrtf((float)dv)};
    const wc_tensor weights[] = {w->q_proj.weight, w->k_proj.weight, w->v_proj.weight};
    const wc_tensor bias[] = {w->q_proj.bias, w->k_proj.bias, w->v_proj.bias};
    wc_tensor qkv[3];
    wc_op_matmul_each(c, qkv, x, weights, bias, 3);
    observe(c, qkv[0], l, "self_attn.q_proj");
    observe(c, qkv[1], l, "self_attn.k_proj");
    observe(c, qkv[2], l, "self_attn.v_proj");
    return wc_op_attention_dense(c, qkv[0], qkv[1], qkv[2], &a);
}

/* act(x W1) W2 takes place in one wide map [n,F]. */
static wc_tensor widen(wc_ctx *c, const wc_siglip *m, int l, wc_tensor x)
{
    const struct layer *w = &m->layers[l];
    if (c->observe)
        observe(c, linear(c, x, &w->fc1), l, "mlp.fc1");
    wc_tensor h = wc_op_matmul(c, x, w->fc1.weight, w->fc1.bias, m->act, absent);
    observe(c, h, l, "mlp.activation_fn");
    return h;
}

/* x + h W: the product joins the stream as it is made. */
static wc_tensor join(wc_ctx *c, int l, wc_tensor x, wc_tensor h, const struct module *w, const char *name)
{
    if (c->observe)
        observe(c, linear(c, h, w), l, name);
    return wc_op_matmul(c, h, w->weight, w->bias, WC_ACT_NONE, x);
}

/* The stream x [n,Hv] after layer l. */
static wc_tensor layer(wc_ctx *c, const wc_siglip *m, int l, wc_tensor x)
{
    const struct layer *w = &m->layers[l];
    wc_tensor h = norm(c, m, x, &w->norm1);
    observe(c, h, l, "layer_norm1");
    x = join(c, l, x, attention(c, m, l, h), &w->out_proj, "self_attn.out_proj");
    h = norm(c, m, x, &w->norm2);
    observe(c, h, l, "layer_norm2");
    return join(c, l, x, widen(c, m, l, h), &w->fc2, "mlp.fc2");
}

wc_tensor wc_siglip_forward(wc_ctx *c, const wc_siglip *m, wc_tensor pixels)
{
    wc_tensor x = embed(c, m, pixels);
    for (int l = 0; l < m->n_layers && !c->stopped; l++) {
        wc_arena_mark mark = wc_op_mark(c);
        wc_op_store(c, x, layer(c, m, l, x));
        wc_op_reset(c, mark);
        observe(c, x, l, "out");
        if (c->progress)
            c->progress(c->progress_user, (size_t)l + 1, (size_t)m->n_layers);
    }
    x = norm(c, m, x, &m->post_norm);
    wc_observe(c, x, "vision.post_layernorm");
    return x;
}
