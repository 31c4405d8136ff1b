/* mobilenet_v5.c - MobileNetV5 with its multi-scale fusion adapter (timm 1.0.31, class MobileNetV5Encoder).
 *
 * Maps are channel-last [h,w,c], so that a 1x1 convolution is a matrix product over pixels and the norms, which are RMS
 * norms over the channels of a pixel, are row norms.  All convolutions pad as TensorFlow's "same".  Which blocks there are
 * comes from vision_config.model_args, or is the 300M table when that is null; channel counts come from the tensors.
 *
 *   er   conv_exp k x k -> norm, GELU -> conv_pwl 1x1 -> norm (+ x)
 *   uir  [dw_start -> norm] -> pw_exp 1x1 -> norm, GELU -> [dw_mid -> norm, GELU] -> pw_proj 1x1 -> norm -> * gamma (+ x)
 *   mqa  norm -> queries of all heads, one head of keys and values (a strided depthwise convolution before each when
 *        kv_stride > 1) -> softmax(q k / sqrt(d)) v -> 1x1 -> * gamma + x
 *   msfa the last two stages at the size of the larger, 1x1 -> norm, GELU -> 1x1 -> norm -> pooled to r x r -> norm */
#include "models/mobilenet_v5.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "formats/config.h"

enum { FUSED_CHANNELS = 2048, MAX_BLOCKS = 512, MAX_STAGES = 16, NAME_ROOM = 256 };

static const float NORM_EPS = 1e-6f;

enum kind { ER, UIR, MQA };

/* One block's shape as block_args gives it. */
struct block_args {
    enum kind kind;
    int stride;
    int kernel, kernel_start, kernel_mid; /* er: exp_kernel_size; uir: 0 means the convolution is absent */
    int n_heads, key_dim, value_dim, kv_stride; /* mqa */
    int c_out;        /* asked-for channels; what a block really has, its tensors tell */
    double exp_ratio; /* of the widened map, likewise */
};

struct block {
    struct block_args args;
    int stage, index; /* blocks.<stage>.<index>, for names */
    int c_in, c_out;
    wc_tensor conv_exp, bn1, conv_pwl, bn2;                                                     /* er */
    wc_tensor dw_start, dw_start_bn, pw_exp, pw_exp_bn, dw_mid, dw_mid_bn, pw_proj, pw_proj_bn; /* uir */
    wc_tensor norm, query, key_down, key_norm, key, value_down, value_norm, value, output;      /* mqa */
    wc_tensor gamma; /* layer scale, uir and mqa */
};

struct wc_mobilenet_v5 {
    wc_tensor stem, stem_bias, stem_bn;
    int n_blocks, n_stages;
    struct block *blocks;
    int last[MAX_STAGES]; /* index of each stage's last block */
    int side, channels, stem_size;
    wc_tensor ffn_exp, ffn_exp_bn, ffn_proj, ffn_proj_bn, norm;
    uint64_t n_params;
};

/* ---- loading ---- */

struct loader {
    wc_mobilenet_v5 *m;
    const wc_checkpoint *files;
    const char *prefix; /* "model.vision_tower.timm_model" */
    wc_error *err;
    bool ok;
    bool random; /* made-up weights: shapes follow the configuration */
};

/* A size that is learned from the tensor, or, when there is none to learn from, the one asked for. */
static size_t learn(const struct loader *l, size_t asked)
{
    return l->random ? asked : 0;
}

/* timm's make_divisible: the multiple of 8 nearest to v, not below 90 % of it. */
static size_t divisible(double v)
{
    size_t n = (size_t)(v + 4) / 8 * 8;
    if (n < 8)
        n = 8;
    return (double)n < 0.9 * v ? n + 8 : n;
}

/* The tensor PREFIX.<name> with the given shape; 0 in a shape is any size.  After a failure does nothing. */
static wc_tensor need(struct loader *l, const char *name, int ndim, const size_t *shape)
{
    wc_tensor t = {0};
    char full[2 * NAME_ROOM];
    if (!l->ok)
        return t;
    snprintf(full, sizeof full, "%s.%s", l->prefix, name);
    l->ok = wc_checkpoint_need(l->files, full, ndim, shape, &t, l->err);
    if (l->ok)
        l->m->n_params += wc_tensor_elems(&t);
    return t;
}

static wc_tensor need_in_block(struct loader *l, const struct block *b, const char *name, int ndim,
                               const size_t *shape)
{
    char full[NAME_ROOM];
    snprintf(full, sizeof full, "blocks.%d.%d.%s", b->stage, b->index, name);
    return need(l, full, ndim, shape);
}

/* A 1x1 convolution [out, in, 1, 1], seen as the matrix [out, in]. */
static wc_tensor need_pointwise(struct loader *l, const struct block *b, const char *name, size_t out,
                                size_t in)
{
    wc_tensor t = need_in_block(l, b, name, WC_SHAPE(out, in, 1, 1));
    return l->ok ? wc_tensor_reshape(t, WC_SHAPE(t.shape[0], t.shape[1])) : t;
}

static wc_tensor need_depthwise(struct loader *l, const struct block *b, const char *name, size_t channels,
                                int k)
{
    return need_in_block(l, b, name, WC_SHAPE(channels, 1, (size_t)k, (size_t)k));
}

static wc_tensor need_vector(struct loader *l, const struct block *b, const char *name, size_t n)
{
    return need_in_block(l, b, name, WC_SHAPE(n));
}

static void load_er(struct loader *l, struct block *b)
{
    size_t in = (size_t)b->c_in, k = (size_t)b->args.kernel;
    b->conv_exp = need_in_block(l, b, "conv_exp.weight",
                                WC_SHAPE(learn(l, divisible(b->c_in * b->args.exp_ratio)), in, k, k));
    size_t mid = b->conv_exp.shape[0];
    b->bn1 = need_vector(l, b, "bn1.weight", mid);
    b->conv_pwl = need_pointwise(l, b, "conv_pwl.weight", learn(l, (size_t)b->args.c_out), mid);
    b->c_out = (int)b->conv_pwl.shape[0];
    b->bn2 = need_vector(l, b, "bn2.weight", (size_t)b->c_out);
}

static void load_uir(struct loader *l, struct block *b)
{
    size_t in = (size_t)b->c_in;
    if (b->args.kernel_start) {
        b->dw_start = need_depthwise(l, b, "dw_start.conv.weight", in, b->args.kernel_start);
        b->dw_start_bn = need_vector(l, b, "dw_start.bn.weight", in);
    }
    b->pw_exp = need_pointwise(l, b, "pw_exp.conv.weight", learn(l, divisible(b->c_in * b->args.exp_ratio)),
                               in);
    size_t mid = b->pw_exp.shape[0];
    b->pw_exp_bn = need_vector(l, b, "pw_exp.bn.weight", mid);
    if (b->args.kernel_mid) {
        b->dw_mid = need_depthwise(l, b, "dw_mid.conv.weight", mid, b->args.kernel_mid);
        b->dw_mid_bn = need_vector(l, b, "dw_mid.bn.weight", mid);
    }
    b->pw_proj = need_pointwise(l, b, "pw_proj.conv.weight", learn(l, (size_t)b->args.c_out), mid);
    b->c_out = (int)b->pw_proj.shape[0];
    b->pw_proj_bn = need_vector(l, b, "pw_proj.bn.weight", (size_t)b->c_out);
    b->gamma = need_vector(l, b, "layer_scale.gamma", (size_t)b->c_out);
}

static void load_mqa(struct loader *l, struct block *b)
{
    size_t in = (size_t)b->c_in, heads = (size_t)b->args.n_heads;
    size_t key_dim = (size_t)b->args.key_dim, value_dim = (size_t)b->args.value_dim;
    b->norm = need_vector(l, b, "norm.weight", in);
    b->query = need_pointwise(l, b, "attn.query.proj.weight", heads * key_dim, in);
    if (b->args.kv_stride > 1) {
        b->key_down = need_depthwise(l, b, "attn.key.down_conv.weight", in, b->args.kernel);
        b->key_norm = need_vector(l, b, "attn.key.norm.weight", in);
        b->value_down = need_depthwise(l, b, "attn.value.down_conv.weight", in, b->args.kernel);
        b->value_norm = need_vector(l, b, "attn.value.norm.weight", in);
    }
    b->key = need_pointwise(l, b, "attn.key.proj.weight", key_dim, in);
    b->value = need_pointwise(l, b, "attn.value.proj.weight", value_dim, in);
    b->output = need_pointwise(l, b, "attn.output.proj.weight", in, heads * value_dim);
    b->gamma = need_vector(l, b, "layer_scale.gamma", in);
    b->c_out = b->c_in;
}

/* One entry of block_args in config.json. */
static bool read_block_args(const char *file, const wc_json *v, int index, struct block_args *args,
                            wc_error *err)
{
    const wc_json *type = wc_json_get(v, "block_type");
    bool ok = wc_config_int_or(file, v, "stride", 1, 1, 4, &args->stride, err) &&
              wc_config_int_or(file, v, "out_chs", 8, 1, 1 << 16, &args->c_out, err) &&
              wc_config_float_or(file, v, "exp_ratio", 4, 1e-3, 1e3, &args->exp_ratio, err);
    if (!ok)
        return false;
    if (wc_json_string_is(type, "er")) {
        args->kind = ER;
        return wc_config_int_or(file, v, "exp_kernel_size", 3, 1, 15, &args->kernel, err);
    }
    if (wc_json_string_is(type, "uir")) {
        args->kind = UIR;
        int end = 0;
        ok = wc_config_int_or(file, v, "dw_kernel_size_start", 0, 0, 15, &args->kernel_start, err) &&
             wc_config_int_or(file, v, "dw_kernel_size_mid", 3, 0, 15, &args->kernel_mid, err) &&
             wc_config_int_or(file, v, "dw_kernel_size_end", 0, 0, 15, &end, err);
        if (ok && end != 0)
            return wc_fail(err, WC_UNSUPPORTED, "%s: block %d: dw_kernel_size_end: expected 0, found %d",
                           file, index, end);
        return ok;
    }
    if (wc_json_string_is(type, "mqa")) {
        args->kind = MQA;
        return wc_config_int(file, v, "num_heads", 1, 1024, &args->n_heads, err) &&
               wc_config_int(file, v, "key_dim", 1, 4096, &args->key_dim, err) &&
               wc_config_int_or(file, v, "value_dim", args->key_dim, 1, 4096, &args->value_dim, err) &&
               wc_config_int_or(file, v, "kv_stride", 1, 1, 4, &args->kv_stride, err) &&
               wc_config_int_or(file, v, "dw_kernel_size", 3, 1, 15, &args->kernel, err);
    }
    return wc_fail(err, WC_UNSUPPORTED,
                   "%s: vision_config.model_args.block_args: block %d: block_type: expected er, uir or mqa",
                   file, index);
}

static struct block *add_block(wc_mobilenet_v5 *m, int stage, int index, struct block_args args)
{
    struct block *b = &m->blocks[m->n_blocks];
    *b = (struct block){.args = args, .stage = stage, .index = index};
    m->last[stage] = m->n_blocks++;
    m->n_stages = stage + 1;
    return b;
}

static struct block_args er(int c_out, int stride)
{
    return (struct block_args){.kind = ER, .stride = stride, .kernel = 3, .c_out = c_out, .exp_ratio = 4};
}

static struct block_args uir(int c_out, int stride, int start, int mid, double exp_ratio)
{
    return (struct block_args){.kind = UIR,
                               .stride = stride,
                               .kernel_start = start,
                               .kernel_mid = mid,
                               .c_out = c_out,
                               .exp_ratio = exp_ratio};
}

static struct block_args mqa(int heads, int dim, int kv_stride)
{
    return (struct block_args){.kind = MQA,
                               .stride = 1,
                               .kernel = 3,
                               .n_heads = heads,
                               .key_dim = dim,
                               .value_dim = dim,
                               .kv_stride = kv_stride};
}

/* The 300M encoder, as timm has it when the configuration names no blocks. */
static void blocks_300m(wc_mobilenet_v5 *m)
{
    int i = 0;
    add_block(m, 0, i++, er(128, 2));
    add_block(m, 0, i++, er(128, 1));
    add_block(m, 0, i++, er(128, 1));

    i = 0;
    add_block(m, 1, i++, uir(256, 2, 3, 5, 6));
    for (int k = 0; k < 4; k++)
        add_block(m, 1, i++, uir(256, 1, k % 2 ? 3 : 5, 0, 4));

    i = 0;
    add_block(m, 2, i++, uir(640, 2, 5, 5, 6));
    for (int k = 0; k < 7; k++)
        add_block(m, 2, i++, uir(640, 1, 5, 0, 4));
    add_block(m, 2, i++, uir(640, 1, 0, 0, 1));
    for (int k = 0; k < 14; k++) {
        add_block(m, 2, i++, mqa(12, 64, 2));
        add_block(m, 2, i++, uir(640, 1, 0, 0, 2));
    }

    i = 0;
    add_block(m, 3, i++, uir(1280, 2, 5, 5, 6));
    for (int k = 0; k < 19; k++) {
        add_block(m, 3, i++, mqa(16, 96, 1));
        add_block(m, 3, i++, uir(1280, 1, 0, 0, 2));
    }
}

static bool read_blocks(wc_mobilenet_v5 *m, const char *file, const wc_json *stages, wc_error *err)
{
    if (wc_json_is_null(stages)) {
        blocks_300m(m);
        return true;
    }
    size_t n_stages = wc_json_count(stages);
    if (!wc_json_is(stages, WC_JSON_ARRAY) || n_stages < 2 || n_stages > MAX_STAGES)
        return wc_fail(err, WC_BAD_FILE,
                       "%s: vision_config.model_args.block_args: expected 2 to %d stages, found %s", file,
                       MAX_STAGES, wc_json_type_name(stages));
    for (size_t s = 0; s < n_stages; s++) {
        const wc_json *stage = wc_json_item(stages, s);
        size_t n = wc_json_count(stage);
        if (!wc_json_is(stage, WC_JSON_ARRAY) || n == 0 || n > MAX_BLOCKS - (size_t)m->n_blocks)
            return wc_fail(err, WC_BAD_FILE,
                           "%s: vision_config.model_args.block_args: stage %zu: expected 1 to %d blocks",
                           file, s, MAX_BLOCKS - m->n_blocks);
        for (size_t i = 0; i < n; i++) {
            struct block_args args = {0};
            if (!read_block_args(file, wc_json_item(stage, i), (int)i, &args, err))
                return false;
            add_block(m, (int)s, (int)i, args);
        }
    }
    return true;
}

static bool load_tensors(struct loader *l)
{
    wc_mobilenet_v5 *m = l->m;
    m->stem = need(l, "conv_stem.conv.weight", WC_SHAPE(learn(l, (size_t)m->stem_size), 3, 3, 3));
    char bias[NAME_ROOM];
    snprintf(bias, sizeof bias, "%s.conv_stem.conv.bias", l->prefix);
    wc_tensor found;
    if (l->ok && wc_checkpoint_find(l->files, bias, &found)) /* early copies of the checkpoint have none */
        m->stem_bias = need(l, "conv_stem.conv.bias", WC_SHAPE(m->stem.shape[0]));
    m->stem_bn = need(l, "conv_stem.bn.weight", WC_SHAPE(m->stem.shape[0]));

    int channels = (int)m->stem.shape[0];
    for (int i = 0; l->ok && i < m->n_blocks; i++) {
        struct block *b = &m->blocks[i];
        b->c_in = channels;
        if (b->args.kind == ER)
            load_er(l, b);
        else if (b->args.kind == UIR)
            load_uir(l, b);
        else
            load_mqa(l, b);
        channels = b->c_out;
    }
    if (!l->ok)
        return false;
    const struct block *high = &m->blocks[m->last[m->n_stages - 2]],
                       *low = &m->blocks[m->last[m->n_stages - 1]];
    const size_t wide = (size_t)high->c_out + (size_t)low->c_out;
    wc_tensor t = need(l, "msfa.ffn.pw_exp.conv.weight", WC_SHAPE(learn(l, 2 * wide), wide, 1, 1));
    if (!l->ok)
        return false;
    size_t mid = t.shape[0];
    m->ffn_exp = wc_tensor_reshape(t, WC_SHAPE(mid, t.shape[1]));
    m->ffn_exp_bn = need(l, "msfa.ffn.pw_exp.bn.weight", WC_SHAPE(mid));
    t = need(l, "msfa.ffn.pw_proj.conv.weight", WC_SHAPE(learn(l, FUSED_CHANNELS), mid, 1, 1));
    if (!l->ok)
        return false;
    m->channels = (int)t.shape[0];
    m->ffn_proj = wc_tensor_reshape(t, WC_SHAPE(t.shape[0], mid));
    m->ffn_proj_bn = need(l, "msfa.ffn.pw_proj.bn.weight", WC_SHAPE((size_t)m->channels));
    m->norm = need(l, "msfa.norm.weight", WC_SHAPE((size_t)m->channels));
    return l->ok;
}

wc_mobilenet_v5 *wc_mobilenet_v5_load(wc_arena *a, const wc_checkpoint *files, const wc_json *vision_config,
                                      const char *prefix, wc_error *err)
{
    const char *file = wc_checkpoint_config_file(files);
    const wc_json *args = wc_json_get(vision_config, "model_args"),
                  *name = wc_json_get(vision_config, "architecture");
    if (!wc_json_is_null(name) && !wc_json_string_is(name, "mobilenetv5_300m_enc")) {
        wc_fail(err, WC_UNSUPPORTED,
                "%s: vision_config.architecture: expected mobilenetv5_300m_enc, found %s", file,
                wc_json_is(name, WC_JSON_STRING) ? name->u.text : wc_json_type_name(name));
        return NULL;
    }
    wc_mobilenet_v5 *m = wc_arena_zalloc(a, 1, sizeof *m);
    struct block *blocks = wc_arena_zalloc(a, MAX_BLOCKS, sizeof *blocks);
    if (!m || !blocks) {
        wc_fail_memory(err, MAX_BLOCKS * sizeof *blocks);
        return NULL;
    }
    m->blocks = blocks;
    if (!wc_config_int_or(file, args, "msfa_output_resolution", 16, 1, 1024, &m->side, err) ||
        !wc_config_int_or(file, args, "stem_size", 64, 1, 1 << 16, &m->stem_size, err) ||
        !read_blocks(m, file, wc_json_get(args, "block_args"), err))
        return NULL;
    struct loader l = {m, files, prefix, err, true, wc_checkpoint_is_random(files)};
    return load_tensors(&l) ? m : NULL;
}

int wc_mobilenet_v5_channels(const wc_mobilenet_v5 *m)
{
    return m->channels;
}

int wc_mobilenet_v5_side(const wc_mobilenet_v5 *m)
{
    return m->side;
}

uint64_t wc_mobilenet_v5_params(const wc_mobilenet_v5 *m)
{
    return m->n_params;
}

/* ---- forward ---- */

static const wc_tensor absent = {0};

/* The map [h,w,c] under the reference's name, in its order [c,h,w]. */
static void observe_map(wc_ctx *c, wc_tensor x, const struct block *b, const char *name)
{
    if (c->observe)
        wc_observe(c, wc_tensor_permute(x, (int[]){2, 0, 1}), "vision.blocks.%d.%d.%s", b->stage, b->index,
                   name);
}

static wc_tensor norm(wc_ctx *c, wc_tensor x, wc_tensor w)
{
    return wc_op_rms_norm(c, x, w, 0, NORM_EPS);
}

/* Of a map that nobody else reads: its norm takes its place. */
static wc_tensor norm_over(wc_ctx *c, wc_tensor x, wc_tensor w)
{
    return wc_op_rms_norm_in_place(c, x, w, 0, NORM_EPS, WC_ACT_NONE);
}

static wc_tensor norm_gelu(wc_ctx *c, wc_tensor x, wc_tensor w)
{
    return wc_op_rms_norm_in_place(c, x, w, 0, NORM_EPS, WC_ACT_GELU_TANH);
}

/* Its result has the size of x, which is added to it. */
static bool skips(const struct block *b)
{
    return b->args.stride == 1 && b->c_in == b->c_out;
}

/* Blocks: a map x to y, which may be x. */

static void edge_residual(wc_ctx *c, const struct block *b, wc_tensor y, wc_tensor x)
{
    wc_tensor h = wc_op_conv2d_same(c, x, b->conv_exp, absent, b->args.stride);
    observe_map(c, h, b, "conv_exp");
    h = wc_op_linear(c, norm_gelu(c, h, b->bn1), b->conv_pwl);
    observe_map(c, h, b, "conv_pwl");
    h = norm_over(c, h, b->bn2);
    observe_map(c, h, b, "bn2");
    if (skips(b))
        wc_op_add_into(c, y, h, x, 1);
    else
        wc_op_store(c, y, h);
}

static void inverted_residual(wc_ctx *c, const struct block *b, wc_tensor y, wc_tensor x)
{
    wc_tensor h = x;
    if (b->args.kernel_start) {
        h = wc_op_conv2d_depthwise_same(c, h, b->dw_start, b->args.kernel_mid ? 1 : b->args.stride);
        h = norm_over(c, h, b->dw_start_bn);
        observe_map(c, h, b, "dw_start");
    }
    h = norm_gelu(c, wc_op_linear(c, h, b->pw_exp), b->pw_exp_bn);
    observe_map(c, h, b, "pw_exp");
    if (b->args.kernel_mid) {
        h = norm_gelu(c, wc_op_conv2d_depthwise_same(c, h, b->dw_mid, b->args.stride), b->dw_mid_bn);
        observe_map(c, h, b, "dw_mid");
    }
    h = norm_over(c, wc_op_linear(c, h, b->pw_proj), b->pw_proj_bn);
    observe_map(c, h, b, "pw_proj");
    if (c->observe)
        observe_map(c, wc_op_mul_vec(c, h, b->gamma, absent), b, "layer_scale");
    wc_op_mul_vec_into(c, y, h, b->gamma, skips(b) ? x : absent);
}

/* The keys (values) of a map: [positions, dim]. */
static wc_tensor keys(wc_ctx *c, const struct block *b, wc_tensor x, wc_tensor down, wc_tensor down_norm,
                      wc_tensor proj, const char *what)
{
    char name[32];
    if (b->args.kv_stride > 1) {
        x = wc_op_conv2d_depthwise_same(c, x, down, b->args.kv_stride);
        snprintf(name, sizeof name, "attn.%s.down_conv", what);
        observe_map(c, x, b, name);
        x = norm_over(c, x, down_norm);
        snprintf(name, sizeof name, "attn.%s.norm", what);
        observe_map(c, x, b, name);
    }
    x = wc_op_linear(c, x, proj);
    snprintf(name, sizeof name, "attn.%s.proj", what);
    observe_map(c, x, b, name);
    return wc_tensor_reshape(x, WC_SHAPE(x.shape[0] * x.shape[1], x.shape[2]));
}

static void multi_query_attention(wc_ctx *c, const struct block *b, wc_tensor y, wc_tensor x)
{
    wc_tensor h = norm(c, x, b->norm);
    observe_map(c, h, b, "norm");
    wc_tensor q = wc_op_linear(c, h, b->query);
    observe_map(c, q, b, "attn.query.proj");
    wc_tensor k = keys(c, b, h, b->key_down, b->key_norm, b->key, "key");
    wc_tensor v = keys(c, b, h, b->value_down, b->value_norm, b->value, "value");
    const wc_attention a = {.n_heads = b->args.n_heads,
                            .n_kv_heads = 1,
                            .key_dim = b->args.key_dim,
                            .value_dim = b->args.value_dim,
                            .scale = 1.0f / sqrtf((float)b->args.key_dim)};
    wc_tensor ctx = wc_op_attention_dense(
        c, wc_tensor_reshape(q, WC_SHAPE(q.shape[0] * q.shape[1], q.shape[2])), k, v, &a);
    ctx = wc_tensor_reshape(ctx, WC_SHAPE(x.shape[0], x.shape[1], ctx.shape[1]));
    observe_map(c, ctx, b, "attn.context");
    h = wc_op_linear(c, ctx, b->output);
    observe_map(c, h, b, "attn.output.proj");
    if (c->observe)
        observe_map(c, wc_op_mul_vec(c, h, b->gamma, absent), b, "layer_scale");
    wc_op_mul_vec_into(c, y, h, b->gamma, x);
}

/* One block; what it uses in between is given back.  Its result takes the place of x where it has that size and x is not
 * needed any more. */
static wc_tensor run_block(wc_ctx *c, const struct block *b, wc_tensor x, bool keep_x)
{
    size_t s = (size_t)b->args.stride;
    wc_tensor y = !keep_x && skips(b) ? x
                                      : wc_op_new(c, WC_SHAPE((x.shape[0] + s - 1) / s,
                                                              (x.shape[1] + s - 1) / s, (size_t)b->c_out));
    wc_arena_mark mark = wc_op_mark(c);
    if (b->args.kind == ER)
        edge_residual(c, b, y, x);
    else if (b->args.kind == UIR)
        inverted_residual(c, b, y, x);
    else
        multi_query_attention(c, b, y, x);
    wc_op_reset(c, mark);
    observe_map(c, y, b, "out");
    return y;
}

/* Multi-scale fusion adapter: the last two stages at the size of the larger. */
static wc_tensor fuse(wc_ctx *c, const wc_mobilenet_v5 *m, wc_tensor high, wc_tensor low)
{
    const int chw[] = {2, 0, 1};
    wc_tensor h = wc_op_concat(c, high, wc_op_resize_nearest(c, low, high.shape[0], high.shape[1]));
    wc_observe(c, wc_tensor_permute(h, chw), "vision.msfa.concat");
    h = norm_gelu(c, wc_op_linear(c, h, m->ffn_exp), m->ffn_exp_bn);
    wc_observe(c, wc_tensor_permute(h, chw), "vision.msfa.ffn.pw_exp");
    h = norm_over(c, wc_op_linear(c, h, m->ffn_proj), m->ffn_proj_bn);
    size_t side = (size_t)m->side;
    if (h.shape[0] % side == 0 && h.shape[1] % side == 0 && h.shape[0] == h.shape[1])
        h = h.shape[0] == side ? h : wc_op_avg_pool(c, h, (int)(h.shape[0] / side));
    else
        h = wc_op_resize_bilinear(c, h, side, side);
    h = norm(c, h, m->norm);
    wc_observe(c, wc_tensor_permute(h, chw), "vision.msfa.out");
    return h;
}

wc_tensor wc_mobilenet_v5_forward(wc_ctx *c, const wc_mobilenet_v5 *m, wc_tensor pixels)
{
    wc_tensor x = wc_op_conv2d_same(c, pixels, m->stem, m->stem_bias, 2);
    x = norm_gelu(c, x, m->stem_bn);
    wc_observe(c, wc_tensor_permute(x, (int[]){2, 0, 1}), "vision.stem");
    wc_tensor high = x;
    int high_block = m->last[m->n_stages - 2];
    for (int i = 0; i < m->n_blocks && !c->stopped; i++) {
        x = run_block(c, &m->blocks[i], x, i == high_block + 1);
        if (i == high_block)
            high = x;
        if (c->progress)
            c->progress(c->progress_user, (size_t)i + 1, (size_t)m->n_blocks);
    }
    if (c->stopped)
        return wc_op_new(c, WC_SHAPE((size_t)m->side * (size_t)m->side, (size_t)m->channels));
    x = fuse(c, m, high, x);
    return wc_tensor_reshape(x, WC_SHAPE((size_t)m->side * (size_t)m->side, (size_t)m->channels));
}
