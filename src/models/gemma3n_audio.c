/* gemma3n_audio.c - the audio tower of Gemma 3n: the conformer of the Universal Speech Model (Zhang et al. 2023,
 * arXiv:2303.01037; Gulati et al. 2020, arXiv:2005.08100), as transformers' Gemma3nAudioEncoder has it.
 *
 *   subsample  two convolutions of stride 2 over the mel map [T0, bands, 1], time padded behind only, each with a group norm
 *              whose statistics run over all frames so far, ReLU; then a projection: [T, D], T about T0 / 4
 *   block      x + r ffw(x) -> x + attention(x) -> padding to zero -> x + light convolution(x) -> x + r ffw(x) -> norm
 *   reduce     every 4th row
 *
 * Shapes: T0 mel frames, T frames after subsampling, D hidden_size, H heads, d = D / H.
 *
 * Padding stands behind the sound, and nothing in here lets a frame see a later one but the convolutions of the
 * subsampling, which the reference lets look into the padding too. */
#include "models/gemma3n_audio.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "formats/config.h"
#include "tensor/store.h"

enum { N_CONVS = 2, MAX_LAYERS = 256, MAX_CONTEXT = 4096, NAME_ROOM = 200 };

static const float NORM_EPS = 1e-6f; /* of the norms to which the reference does not pass rms_norm_eps */

static const wc_tensor absent = {0};

struct conv {
    int channels, kernel_time, kernel_bands, stride; /* of config.json */
    int bands;                                       /* of its output */
    wc_tensor weight, norm;                          /* [C, C_in, kernel_time, kernel_bands] [C] */
};

struct feed_forward {
    wc_tensor pre_layer_norm, ffw_layer_1, ffw_layer_2, post_layer_norm; /* [D] [4D,D] [D,4D] [D] */
};

struct block {
    struct feed_forward start, end;
    wc_tensor pre_attn_norm, q_proj, k_proj, v_proj, pos_proj, post, post_norm; /* [D], matrices [D,D], [D] */
    wc_tensor q_scale; /* [d] softplus(per_dim_scale) / (sqrt(d) ln 2) */
    wc_tensor lconv_norm, linear_start, depthwise, conv_norm, linear_end; /* [D] [2D,D] [D,1,k,1] [D] [D,D] */
    wc_tensor norm;                                                       /* [D] */
};

struct wc_gemma3n_audio {
    int input_feat_size, hidden_size, n_layers, n_heads;
    int chunk_size, past,
        future; /* frames: of a block in the reference's order, and that a frame sees beside itself */
    int conv_kernel, reduction;
    float logit_cap, residual_weight, clipping, rms_norm_eps, group_norm_eps;
    struct conv convs[N_CONVS];
    wc_tensor input_proj; /* [D, bands * channels of the last convolution] */
    wc_tensor sinusoids;  /* [past + future + 1, D] */
    struct block *blocks; /* [n_layers] */
    uint64_t n_params;
};

/* ---- configuration ---- */

/* Entry i of a list of two, or of a list of lists; fallback when the key is absent. */
static bool read_pair(const char *file, const wc_json *config, const char *key, size_t i, int fallback,
                      int max, int *first, int *second, wc_error *err)
{
    const wc_json *list = wc_json_get(config, key), *v = wc_json_item(list, i);
    *first = *second = fallback;
    if (wc_json_is_null(list))
        return true;
    const bool nested = wc_json_is(v, WC_JSON_ARRAY);
    const double x = wc_json_number(nested ? wc_json_item(v, 0) : v, 0),
                 y = wc_json_number(nested ? wc_json_item(v, 1) : v, 0);
    if (!wc_json_is(list, WC_JSON_ARRAY) || !(x >= 1 && x <= max && y >= 1 && y <= max) || x != floor(x) ||
        y != floor(y))
        return wc_fail(err, WC_BAD_FILE,
                       "%s: audio_config.%s: entry %zu: expected whole numbers from 1 to %d", file, key, i,
                       max);
    *first = (int)x;
    *second = (int)y;
    return true;
}

static bool read_convs(wc_gemma3n_audio *m, const char *file, const wc_json *config, wc_error *err)
{
    int bands = m->input_feat_size;
    for (size_t i = 0; i < N_CONVS; i++) {
        struct conv *v = &m->convs[i];
        int unused, stride_bands;
        if (!read_pair(file, config, "sscp_conv_channel_size", i, i == 0 ? 128 : 32, 1 << 12, &v->channels,
                       &unused, err) ||
            !read_pair(file, config, "sscp_conv_kernel_size", i, 3, 15, &v->kernel_time, &v->kernel_bands,
                       err) ||
            !read_pair(file, config, "sscp_conv_stride_size", i, 2, 8, &v->stride, &stride_bands, err))
            return false;
        if (v->stride != stride_bands)
            return wc_fail(
                err, WC_UNSUPPORTED,
                "%s: audio_config.sscp_conv_stride_size: entry %zu: expected one stride for time and bands, "
                "found %d and %d",
                file, i, v->stride, stride_bands);
        if (bands + 2 < v->kernel_bands)
            return wc_fail(
                err, WC_BAD_FILE,
                "%s: audio_config.sscp_conv_kernel_size: entry %zu: expected at most %d bands, found %d",
                file, i, bands + 2, v->kernel_bands);
        bands = v->bands = (bands + 2 - v->kernel_bands) / v->stride + 1;
    }
    return true;
}

static bool read_config(wc_gemma3n_audio *m, const char *file, const wc_json *config, wc_error *err)
{
    double cap, residual, clipping, eps, group_eps;
    int left;
    bool ok = wc_config_int_or(file, config, "input_feat_size", 128, 1, 1024, &m->input_feat_size, err) &&
              wc_config_int_or(file, config, "hidden_size", 1536, 2, 1 << 16, &m->hidden_size, err) &&
              wc_config_int_or(file, config, "conf_num_hidden_layers", 12, 1, MAX_LAYERS, &m->n_layers,
                               err) &&
              wc_config_int_or(file, config, "conf_num_attention_heads", 8, 1, 1024, &m->n_heads, err) &&
              wc_config_int_or(file, config, "conf_attention_chunk_size", 12, 1, MAX_CONTEXT, &m->chunk_size,
                               err) &&
              wc_config_int_or(file, config, "conf_attention_context_left", 13, 0, MAX_CONTEXT / 2, &left,
                               err) &&
              wc_config_int_or(file, config, "conf_attention_context_right", 0, 0, MAX_CONTEXT / 2 - 1,
                               &m->future, err) &&
              wc_config_int_or(file, config, "conf_conv_kernel_size", 5, 1, 225, &m->conv_kernel, err) &&
              wc_config_int_or(file, config, "conf_reduction_factor", 4, 1, 64, &m->reduction, err) &&
              wc_config_float_or(file, config, "conf_attention_logit_cap", 50, 1e-6, 1e9, &cap, err) &&
              wc_config_float_or(file, config, "conf_residual_weight", 0.5, -1e6, 1e6, &residual, err) &&
              wc_config_float_or(file, config, "gradient_clipping", 1e10, 0, 1e38, &clipping, err) &&
              wc_config_float_or(file, config, "rms_norm_eps", 1e-6, 1e-30, 1, &eps, err) &&
              wc_config_float_or(file, config, "sscp_conv_group_norm_eps", 1e-3, 1e-30, 1, &group_eps, err);
    if (!ok)
        return false;
    if (m->hidden_size % m->n_heads || m->hidden_size % 2 || m->hidden_size / m->n_heads > MAX_CONTEXT)
        return wc_fail(err, WC_BAD_FILE,
                       "%s: audio_config.hidden_size: expected an even multiple of conf_num_attention_heads "
                       "(%d), heads of "
                       "at most %d, found %d",
                       file, m->n_heads, MAX_CONTEXT, m->hidden_size);
    m->past = left > 0 ? left - 1 : 0; /* context_left counts the frame itself */
    m->logit_cap = (float)cap;
    m->residual_weight = (float)residual;
    m->clipping = (float)clipping;
    m->rms_norm_eps = (float)eps;
    m->group_norm_eps = (float)group_eps;
    return read_convs(m, file, config, err);
}

/* ---- weights ---- */

struct loader {
    wc_gemma3n_audio *m;
    wc_arena *arena;
    const wc_checkpoint *files;
    const char *prefix; /* "model.audio_tower" */
    wc_error *err;
    bool ok;
};

/* PREFIX.<name> of a plain type; after a failure does nothing. */
static wc_tensor need(struct loader *l, const char *name, int ndim, const size_t *shape)
{
    wc_tensor t = {0};
    char full[2 * NAME_ROOM];
    if (!l->ok)
        return t;
    snprintf(full, sizeof full, "%s.%s", l->prefix, name);
    l->ok = wc_checkpoint_need(l->files, full, ndim, shape, &t, l->err);
    if (l->ok && t.dtype != WC_F32 && t.dtype != WC_F16 && t.dtype != WC_BF16)
        l->ok = wc_fail(l->err, WC_UNSUPPORTED, "%s: tensor %s: expected f32, f16 or bf16, found %s",
                        wc_checkpoint_weights_file(l->files), full, wc_dtype_get(t.dtype)->name);
    if (l->ok)
        l->m->n_params += wc_tensor_elems(&t);
    return t;
}

static wc_tensor need_in_block(struct loader *l, int i, const char *name, int ndim, const size_t *shape)
{
    char full[NAME_ROOM];
    snprintf(full, sizeof full, "conformer.%d.%s", i, name);
    return need(l, full, ndim, shape);
}

static void load_convs(struct loader *l)
{
    size_t c_in = 1;
    for (int i = 0; i < N_CONVS; i++) {
        struct conv *v = &l->m->convs[i];
        const size_t channels = (size_t)v->channels;
        char name[NAME_ROOM];
        snprintf(name, sizeof name, "subsample_conv_projection.conv_%d.conv.weight", i);
        v->weight = need(l, name, WC_SHAPE(channels, c_in, (size_t)v->kernel_time, (size_t)v->kernel_bands));
        snprintf(name, sizeof name, "subsample_conv_projection.conv_%d.norm.weight", i);
        v->norm = need(l, name, WC_SHAPE(channels));
        c_in = channels;
    }
    const struct conv *last = &l->m->convs[N_CONVS - 1];
    l->m->input_proj = need(
        l, "subsample_conv_projection.input_proj_linear.weight",
        WC_SHAPE((size_t)l->m->hidden_size, (size_t)last->channels * (size_t)last->bands));
}

static void load_feed_forward(struct loader *l, int i, const char *which, struct feed_forward *f)
{
    const size_t D = (size_t)l->m->hidden_size;
    const struct {
        const char *name;
        wc_tensor *to;
        size_t rows, cols; /* cols 0: a vector */
    } parts[] = {{"pre_layer_norm", &f->pre_layer_norm, D, 0},
                 {"ffw_layer_1", &f->ffw_layer_1, 4 * D, D},
                 {"ffw_layer_2", &f->ffw_layer_2, D, 4 * D},
                 {"post_layer_norm", &f->post_layer_norm, D, 0}};
    for (size_t k = 0; k < sizeof parts / sizeof *parts; k++) {
        char name[NAME_ROOM / 2];
        snprintf(name, sizeof name, "%s.%s.weight", which, parts[k].name);
        *parts[k].to = need_in_block(l, i, name, parts[k].cols ? 2 : 1,
                                     (size_t[]){parts[k].rows, parts[k].cols});
    }
}

/* Queries are multiplied by softplus(per_dim_scale) / (sqrt(d) softplus(0)), which is 1 / sqrt(d) for a scale of zeros. */
static wc_tensor load_q_scale(struct loader *l, int i)
{
    const size_t d = (size_t)(l->m->hidden_size / l->m->n_heads);
    wc_tensor t = need_in_block(l, i, "attention.attn.per_dim_scale", WC_SHAPE(d));
    float *scale = l->ok ? wc_arena_alloc(l->arena, d * sizeof *scale) : NULL;
    if (l->ok && !scale)
        l->ok = wc_fail_memory(l->err, d * sizeof *scale);
    if (!l->ok)
        return t;
    wc_store_widen(scale, t.data, t.dtype, d);
    for (size_t k = 0; k < d; k++)
        scale[k] = (float)(log1p(exp((double)scale[k])) / (sqrt((double)d) * log(2)));
    return wc_tensor_of(scale, WC_F32, WC_SHAPE(d));
}

static void load_block(struct loader *l, int i)
{
    struct block *b = &l->m->blocks[i];
    const size_t D = (size_t)l->m->hidden_size, k = (size_t)l->m->conv_kernel;
    load_feed_forward(l, i, "ffw_layer_start", &b->start);
    b->pre_attn_norm = need_in_block(l, i, "attention.pre_attn_norm.weight", WC_SHAPE(D));
    b->q_proj = need_in_block(l, i, "attention.attn.q_proj.weight", WC_SHAPE(D, D));
    b->k_proj = need_in_block(l, i, "attention.attn.k_proj.weight", WC_SHAPE(D, D));
    b->v_proj = need_in_block(l, i, "attention.attn.v_proj.weight", WC_SHAPE(D, D));
    b->pos_proj = need_in_block(l, i, "attention.attn.relative_position_embedding.pos_proj.weight",
                                WC_SHAPE(D, D));
    b->q_scale = load_q_scale(l, i);
    b->post = need_in_block(l, i, "attention.post.weight", WC_SHAPE(D, D));
    b->post_norm = need_in_block(l, i, "attention.post_norm.weight", WC_SHAPE(D));
    b->lconv_norm = need_in_block(l, i, "lconv1d.pre_layer_norm.weight", WC_SHAPE(D));
    b->linear_start = need_in_block(l, i, "lconv1d.linear_start.weight", WC_SHAPE(2 * D, D));
    b->depthwise = need_in_block(l, i, "lconv1d.depthwise_conv1d.weight", WC_SHAPE(D, 1, k));
    if (l->ok) /* time is the height of a map of width 1 */
        b->depthwise = wc_tensor_reshape(b->depthwise, WC_SHAPE(D, 1, k, 1));
    b->conv_norm = need_in_block(l, i, "lconv1d.conv_norm.weight", WC_SHAPE(D));
    b->linear_end = need_in_block(l, i, "lconv1d.linear_end.weight", WC_SHAPE(D, D));
    load_feed_forward(l, i, "ffw_layer_end", &b->end);
    b->norm = need_in_block(l, i, "norm.weight", WC_SHAPE(D));
}

/* Row f is of a key past - f frames back: [sin(p s_i) | cos(p s_i)], s_i = 10000^(-i / (D / 2 - 1)), i < D / 2. */
static bool make_sinusoids(struct loader *l)
{
    wc_gemma3n_audio *m = l->m;
    const size_t n = (size_t)(m->past + m->future) + 1, D = (size_t)m->hidden_size, half = D / 2;
    float *e = wc_arena_alloc(l->arena, n * D * sizeof *e);
    if (!e)
        return wc_fail_memory(l->err, n * D * sizeof *e);
    const double step = log(10000.0) / (half > 1 ? (double)(half - 1) : 1);
    for (size_t f = 0; f < n; f++)
        for (size_t i = 0; i < half; i++) {
            const double angle = (m->past - (double)f) * exp(-(double)i * step);
            e[f * D + i] = (float)sin(angle);
            e[f * D + half + i] = (float)cos(angle);
        }
    m->sinusoids = wc_tensor_of(e, WC_F32, WC_SHAPE(n, D));
    return true;
}

wc_gemma3n_audio *wc_gemma3n_audio_load(wc_arena *a, const wc_checkpoint *files, const wc_json *audio_config,
                                        const char *prefix, wc_error *err)
{
    wc_gemma3n_audio *m = wc_arena_zalloc(a, 1, sizeof *m);
    if (!m) {
        wc_fail_memory(err, sizeof *m);
        return NULL;
    }
    if (!read_config(m, wc_checkpoint_config_file(files), audio_config, err))
        return NULL;
    m->blocks = wc_arena_zalloc(a, (size_t)m->n_layers, sizeof *m->blocks);
    if (!m->blocks) {
        wc_fail_memory(err, (size_t)m->n_layers * sizeof *m->blocks);
        return NULL;
    }
    struct loader l = {m, a, files, prefix, err, true};
    load_convs(&l);
    for (int i = 0; l.ok && i < m->n_layers; i++)
        load_block(&l, i);
    return l.ok && make_sinusoids(&l) ? m : NULL;
}

static bool all_ones(wc_tensor t)
{
    const struct wc_dtype_row *row = wc_dtype_get(t.dtype);
    for (size_t i = 0; i < wc_tensor_elems(&t); i++) {
        float x;
        wc_store_widen(&x, (const char *)t.data + i * row->block_bytes, t.dtype, 1);
        if (x != 1)
            return false;
    }
    return true;
}

bool wc_gemma3n_audio_is_untrained(const wc_gemma3n_audio *m)
{
    for (int i = 0; i < m->n_layers; i++) {
        const struct block *b = &m->blocks[i];
        const wc_tensor norms[] = {b->pre_attn_norm, b->post_norm, b->lconv_norm, b->conv_norm, b->norm};
        for (size_t k = 0; k < sizeof norms / sizeof *norms; k++)
            if (!all_ones(norms[k]))
                return false;
    }
    return true;
}

int wc_gemma3n_audio_bands(const wc_gemma3n_audio *m)
{
    return m->input_feat_size;
}

int wc_gemma3n_audio_channels(const wc_gemma3n_audio *m)
{
    return m->hidden_size;
}

uint64_t wc_gemma3n_audio_params(const wc_gemma3n_audio *m)
{
    return m->n_params;
}

/* Frames after the subsampling; time is padded by one less than the kernel, so only the stride counts. */
static size_t subsampled(const wc_gemma3n_audio *m, size_t n)
{
    for (int i = 0; i < N_CONVS; i++)
        n = (n + (size_t)m->convs[i].stride - 1) / (size_t)m->convs[i].stride;
    return n;
}

static size_t reduced(const wc_gemma3n_audio *m, size_t n)
{
    return (n + (size_t)m->reduction - 1) / (size_t)m->reduction;
}

size_t wc_gemma3n_audio_max_frames(const wc_gemma3n_audio *m, size_t n_rows)
{
    size_t n = n_rows * (size_t)m->reduction;
    for (int i = 0; i < N_CONVS; i++)
        n *= (size_t)m->convs[i].stride;
    return n;
}

/* ---- forward ---- */

/* The tower's own names begin like the reference's modules. */
#define OBSERVE(c, t, i, name) wc_observe(c, t, "audio.conformer%d." name, i)

static wc_tensor norm(wc_ctx *c, wc_tensor x, wc_tensor w)
{
    return wc_op_rms_norm(c, x, w, 0, NORM_EPS);
}

static wc_tensor clip(wc_ctx *c, const wc_gemma3n_audio *m, wc_tensor x)
{
    return wc_op_clamp(c, x, m->clipping);
}

/* [T0, bands] -> [T, D]. */
static wc_tensor subsample(wc_ctx *c, const wc_gemma3n_audio *m, wc_tensor mel)
{
    const int ctf[] = {2, 0, 1}; /* the reference's order of a map */
    wc_tensor x = wc_tensor_reshape(mel, WC_SHAPE(mel.shape[0], mel.shape[1], 1));
    for (int i = 0; i < N_CONVS; i++) {
        const struct conv *v = &m->convs[i];
        const wc_padding pad = {.bottom = v->kernel_time - 1, .left = 1, .right = 1};
        x = wc_op_conv2d_padded(c, x, v->weight, absent, v->stride, pad);
        wc_observe(c, wc_tensor_permute(x, ctf), "audio.sscp.conv%d.conv", i);
        x = wc_op_cumulative_norm_in_place(c, x, v->norm, m->group_norm_eps, WC_ACT_RELU);
        wc_observe(c, wc_tensor_permute(x, ctf), "audio.sscp.conv%d.out", i);
    }
    x = wc_op_linear(c, wc_tensor_reshape(x, WC_SHAPE(x.shape[0], x.shape[1] * x.shape[2])), m->input_proj);
    wc_observe(c, x, "audio.sscp.out");
    return x;
}

/* x + r RMSNorm(clip(silu(RMSNorm(clip(x)) W1) W2)). */
static wc_tensor feed_forward(wc_ctx *c, const wc_gemma3n_audio *m, const struct feed_forward *f, wc_tensor x)
{
    wc_tensor h = norm(c, clip(c, m, x), f->pre_layer_norm);
    h = wc_op_matmul(c, h, f->ffw_layer_1, absent, WC_ACT_SILU, absent);
    h = clip(c, m, wc_op_linear(c, h, f->ffw_layer_2));
    h = wc_op_scale(c, norm(c, h, f->post_layer_norm), m->residual_weight);
    return wc_op_add(c, x, h);
}

/* x + RMSNorm(clip(attention(RMSNorm(clip(x))) Wpost)). */
static wc_tensor attention(wc_ctx *c, const wc_gemma3n_audio *m, int i, wc_tensor x, size_t n_valid)
{
    const struct block *b = &m->blocks[i];
    const size_t T = x.shape[0], D = x.shape[1], H = (size_t)m->n_heads, d = D / H;
    const wc_local_attention a = {.n_heads = m->n_heads,
                                  .head_dim = (int)d,
                                  .past = m->past,
                                  .future = m->future,
                                  .soft_cap = m->logit_cap,
                                  .n_valid = n_valid};
    wc_tensor n = norm(c, clip(c, m, x), b->pre_attn_norm);
    OBSERVE(c, n, i, "2_attn_pre_norm");
    wc_tensor qkv[3];
    wc_op_matmul_each(c, qkv, n, (wc_tensor[]){b->q_proj, b->k_proj, b->v_proj}, (wc_tensor[3]){0}, 3);
    wc_tensor q = qkv[0], k = qkv[1], v = qkv[2];
    OBSERVE(c, q, i, "3_attn_q_proj");
    q = wc_tensor_reshape(wc_op_mul_vec(c, wc_tensor_reshape(q, WC_SHAPE(T, H, d)), b->q_scale, absent),
                          WC_SHAPE(T, D));
    wc_tensor r = wc_op_linear(c, m->sinusoids, b->pos_proj); /* [past + future + 1, D] */
    OBSERVE(c, r, i, "4_attn_pos_proj");
    if (c->observe)
        OBSERVE(c, wc_op_local_scores(c, q, k, r, &a, (size_t)m->chunk_size), i, "5_attn_logits_before_cap");
    wc_tensor h = wc_op_local_attention(c, q, k, v, r, &a);
    OBSERVE(c, wc_tensor_reshape(h, WC_SHAPE(T, H, d)), i, "6_attn_context");
    h = wc_op_linear(c, h, b->post);
    OBSERVE(c, h, i, "7_attn_post");
    return wc_op_add(c, x, norm(c, clip(c, m, h), b->post_norm));
}

/* For those who look on: x [T,D] as the reference holds it, [D, k - 1 + T] with zeros before. */
static void observe_padded(wc_ctx *c, const wc_gemma3n_audio *m, int i, wc_tensor x)
{
    const size_t before = (size_t)m->conv_kernel - 1;
    wc_tensor padded = wc_op_new(c, WC_SHAPE(before + x.shape[0], x.shape[1]));
    wc_op_zero_rows(c, wc_tensor_slice(padded, 0, before), 0);
    wc_op_store(c, wc_tensor_slice(padded, before, x.shape[0]), x);
    OBSERVE(c, wc_tensor_permute(padded, (int[]){1, 0}), i, "10_lconv_after_glu_padded");
}

/* x + silu(RMSNorm(clip(conv(GLU(RMSNorm(x) Wstart))))) Wend; the convolution over time sees no later frame. */
static wc_tensor light_conv(wc_ctx *c, const wc_gemma3n_audio *m, int i, wc_tensor x)
{
    const struct block *b = &m->blocks[i];
    const size_t T = x.shape[0], D = x.shape[1];
    wc_tensor n = wc_op_rms_norm(c, x, b->lconv_norm, 0, m->rms_norm_eps);
    wc_tensor value = wc_op_linear(c, n, wc_tensor_slice(b->linear_start, 0, D)),
              gate = wc_op_linear(c, n, wc_tensor_slice(b->linear_start, D, D));
    wc_tensor h = wc_op_act_mul(c, gate, value, WC_ACT_SIGMOID);
    if (c->observe)
        observe_padded(c, m, i, h);
    const wc_padding before = {.top = m->conv_kernel - 1};
    h = wc_op_conv2d_depthwise_padded(c, wc_tensor_reshape(h, WC_SHAPE(T, 1, D)), b->depthwise, 1, before);
    h = wc_tensor_reshape(h, WC_SHAPE(T, D));
    OBSERVE(c, wc_tensor_permute(h, (int[]){1, 0}), i, "11_lconv_conv");
    h = wc_op_rms_norm_in_place(c, clip(c, m, h), b->conv_norm, 0, m->rms_norm_eps, WC_ACT_SILU);
    return wc_op_matmul(c, h, b->linear_end, absent, WC_ACT_NONE, x);
}

/* One conformer block (Gemma3nAudioConformerBlock): x [T,D], of which n_valid rows are sound, is replaced by its output. */
static void conformer_block(wc_ctx *c, const wc_gemma3n_audio *m, int i, wc_tensor x, size_t n_valid)
{
    const struct block *b = &m->blocks[i];
    wc_tensor h = feed_forward(c, m, &b->start, x);
    OBSERVE(c, h, i, "1_ffw_start");
    h = attention(c, m, i, h, n_valid);
    OBSERVE(c, h, i, "8_attn_out");
    wc_op_zero_rows(c, h, n_valid);
    OBSERVE(c, h, i, "9_lconv_in");
    h = light_conv(c, m, i, h);
    OBSERVE(c, h, i, "12_lconv_out");
    h = feed_forward(c, m, &b->end, h);
    OBSERVE(c, h, i, "13_ffw_end");
    h = norm(c, clip(c, m, h), b->norm);
    OBSERVE(c, h, i, "out");
    wc_op_store(c, x, h);
}

/* Every reduction-th row of x [T,D], those from *n_valid on zeros. */
static wc_tensor reduce(wc_ctx *c, const wc_gemma3n_audio *m, wc_tensor x, size_t *n_valid)
{
    const size_t n = reduced(m, x.shape[0]);
    int32_t *rows = wc_op_ids(c, n);
    for (size_t r = 0; !wc_op_idle(c) && r < n; r++)
        rows[r] = (int32_t)(r * (size_t)m->reduction);
    x = wc_op_get_rows(c, x, rows, n);
    *n_valid = reduced(m, *n_valid);
    wc_op_zero_rows(c, x, *n_valid);
    wc_observe(c, x, "audio.reduced");
    return x;
}

/* Of T frames those that are sound: frame t is what mel frame t * (the strides), or the last one, is. */
static size_t valid_frames(const wc_gemma3n_audio *m, size_t n_mel, size_t n_valid)
{
    return n_valid == n_mel ? subsampled(m, n_mel) : subsampled(m, n_valid);
}

wc_tensor wc_gemma3n_audio_forward(wc_ctx *c, const wc_gemma3n_audio *m, wc_tensor mel, size_t n_valid,
                                   size_t *n_valid_rows)
{
    const size_t T = subsampled(m, mel.shape[0]);
    wc_tensor x = wc_op_new(c, WC_SHAPE(T, (size_t)m->hidden_size));
    wc_arena_mark mark = wc_op_mark(c);
    wc_op_store(c, x, subsample(c, m, mel));
    wc_op_reset(c, mark);
    *n_valid_rows = valid_frames(m, mel.shape[0], n_valid);
    for (int i = 0; i < m->n_layers && !c->stopped; i++) {
        conformer_block(c, m, i, x, *n_valid_rows);
        wc_op_reset(c, mark);
        if (c->progress)
            c->progress(c->progress_user, (size_t)i + 1, (size_t)m->n_layers);
    }
    return reduce(c, m, x, n_valid_rows);
}
