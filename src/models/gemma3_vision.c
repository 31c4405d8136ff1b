/* gemma3_vision.c - pictures of Gemma 3 (transformers' Gemma3MultiModalProjector and Gemma3Processor).
 *
 * The tower's g x g patches are averaged over k x k squares, k = g / sqrt(mm_tokens_per_image), normed with 1 + w and multiplied
 * into the width of the stream; the rows stand in place of embeddings as they are, without the factor sqrt(D) that words
 * get.  Rows of one picture see each other in both directions.
 *
 * Shapes: g, Hv as in siglip.c, t tokens on a side, D hidden_size of the text. */
#include "models/gemma3_vision.h"

#include <math.h>
#include <string.h>

#include "formats/config.h"
#include "models/image_text.h"
#include "models/siglip.h"

struct vision {
    const wc_siglip *tower;
    int pool;             /* k */
    wc_tensor norm;       /* [Hv] */
    wc_tensor projection; /* [D,Hv] */
};

/* The file has the projection as [Hv,D], [in,out], and products want [out,in]: the one weight that is copied. */
static bool transpose(wc_arena *a, wc_tensor t, wc_tensor *out, wc_error *err)
{
    const size_t rows = t.shape[0], cols = t.shape[1], elem = wc_dtype_get(t.dtype)->block_bytes;
    char *to = wc_arena_alloc(a, rows * cols * elem);
    if (!to)
        return wc_fail_memory(err, rows * cols * elem);
    for (size_t c = 0; c < cols; c++)
        for (size_t r = 0; r < rows; r++)
            memcpy(to + (c * rows + r) * elem, (const char *)t.data + (r * cols + c) * elem, elem);
    *out = wc_tensor_of(to, t.dtype, WC_SHAPE(cols, rows));
    out->name = t.name;
    return true;
}

static bool load_projector(wc_decoder_loader *l, struct vision *v)
{
    const size_t Hv = (size_t)wc_siglip_hidden_size(v->tower), D = (size_t)l->g.hidden_size;
    wc_tensor t;
    if (!wc_decoder_need(l, "model.multi_modal_projector.mm_soft_emb_norm.weight", WC_SHAPE(Hv), &v->norm) ||
        !wc_decoder_need(l, "model.multi_modal_projector.mm_input_projection_weight", WC_SHAPE(Hv, D), &t))
        return false;
    if (wc_dtype_is_quantized(t.dtype))
        return wc_fail(l->err, WC_UNSUPPORTED,
                       "%s: tensor %s: dtype: expected f32, f16 or bf16 for a projection [in, out], found %s",
                       wc_checkpoint_weights_file(l->files), t.name, wc_dtype_get(t.dtype)->name);
    return transpose(l->arena, t, &v->projection, l->err);
}

/* How many tokens a picture becomes, and by what squares patches are pooled for that. */
static bool read_tokens(wc_decoder_loader *l, const wc_json *config, struct vision *v)
{
    wc_image_input *in = &l->m->net.image;
    const int grid = wc_siglip_grid(v->tower);
    int n;
    if (!wc_config_int_or(l->file, config, "mm_tokens_per_image", 256, 1, 1 << 20, &n, l->err))
        return false;
    const int side = (int)sqrt((double)n);
    v->pool = grid / side;
    if (side * side != n || v->pool == 0 || grid / v->pool != side)
        return wc_fail(
            l->err, WC_BAD_FILE,
            "%s: mm_tokens_per_image: expected a square whose side divides the %d patches on a side "
            "of a picture, found %d",
            l->file, grid, n);
    in->n_tokens = n;
    in->height = in->width = wc_siglip_image_size(v->tower);
    in->one_size = in->sees_itself = true;
    return true;
}

bool wc_gemma3_vision_load(wc_decoder_loader *l)
{
    const wc_json *config = wc_checkpoint_config(l->files);
    const char *key = wc_json_get(config, "image_token_id") ? "image_token_id" : "image_token_index";
    wc_image_input *in = &l->m->net.image;
    struct vision *v = wc_arena_zalloc(l->arena, 1, sizeof *v);
    if (!v)
        return wc_fail_memory(l->err, sizeof *v);
    v->tower = wc_siglip_load(l->arena, l->files, wc_json_get(config, "vision_config"), "model.vision_tower",
                              l->err);
    if (!v->tower || !load_projector(l, v) || !read_tokens(l, config, v) ||
        !wc_config_int_or(l->file, config, key, 262144, 0, l->g.vocab_size, &in->token_id, l->err) ||
        !wc_image_text_read(in, l->arena, l->files, l->err))
        return false;
    if (in->token_id > l->g.vocab_size)
        return wc_fail(l->err, WC_BAD_FILE, "%s: %s: expected an id up to vocab_size (%d), found %d", l->file,
                       key, l->g.vocab_size, in->token_id);
    in->original = "Here is the original image ";
    in->crops = " and here are some crops to help you see better ";
    in->place = in->first; /* the template leaves the token that begins a picture */
    l->m->net.n_params += wc_siglip_params(v->tower);
    l->m->vision = v;
    return true;
}

wc_tensor wc_gemma3_encode_image(wc_ctx *c, const wc_net *net, wc_tensor pixels)
{
    const wc_decoder *m = (const wc_decoder *)net;
    const struct vision *v = m->vision;
    const size_t g = (size_t)wc_siglip_grid(v->tower), Hv = (size_t)wc_siglip_hidden_size(v->tower);
    if (c->observe)
        wc_observe(c, wc_tensor_permute(pixels, (int[]){2, 0, 1}), "pixel_values");
    wc_tensor x = wc_siglip_forward(c, v->tower, pixels);
    x = wc_op_avg_pool(c, wc_tensor_reshape(x, WC_SHAPE(g, g, Hv)), v->pool); /* [t,t,Hv] */
    if (c->observe)
        wc_observe(c, wc_tensor_permute(x, (int[]){2, 0, 1}), "vision.pooled");
    x = wc_tensor_reshape(x, WC_SHAPE(x.shape[0] * x.shape[1], Hv));
    x = wc_op_rms_norm(c, x, v->norm, m->norm_offset, wc_siglip_norm_eps(v->tower));
    wc_observe(c, x, "vision.soft_emb_norm");
    x = wc_op_linear(c, x, v->projection); /* [t * t,D] */
    wc_observe(c, x, "vision.projected");
    return x;
}
