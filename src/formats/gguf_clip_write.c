/* gguf_clip_write.c - the picture tower of a model folder as a GGUF file of its own: what gguf_clip.c reads, the other way round.
 * What such a file has no key for is refused, since it would be read as another model. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "formats/config.h"
#include "formats/gguf_clip.h"
#include "formats/gguf_writer.h"

/* What SigLIP's configuration may leave out. */
struct siglip {
    int width, ffn, layers, heads, image, patch;
    double eps;
};

/* ---- the picture processor ---- */

static bool refuse(wc_gguf_writer *w, const char *file, const char *key)
{
    return wc_fail(w->err, WC_UNSUPPORTED,
                   "%s: %s: this value cannot be written: GGUF files of picture towers have no such key",
                   file, key);
}

/* Whether a field is absent or the number x. */
static bool is_or_absent(const wc_json *v, double x)
{
    return wc_json_is_null(v) || fabs(wc_json_number(v, x + 1) - x) < 1e-9;
}

/* What all readers of these files take for granted. */
static bool check_processor(wc_gguf_writer *w, const wc_json *v, const char *file)
{
    const wc_json *type = wc_json_get(v, "image_processor_type");
    const char *pil = wc_json_is(type, WC_JSON_STRING) ? strstr(type->u.text, "Pil") : NULL;
    return !is_or_absent(wc_json_get(v, "resample"), 2)                  ? refuse(w, file, "resample")
           : !is_or_absent(wc_json_get(v, "rescale_factor"), 1.0 / 255)  ? refuse(w, file, "rescale_factor")
           : wc_json_is(wc_json_get(v, "do_resize"), WC_JSON_FALSE)      ? refuse(w, file, "do_resize")
           : wc_json_is(wc_json_get(v, "do_rescale"), WC_JSON_FALSE)     ? refuse(w, file, "do_rescale")
           : wc_json_is(wc_json_get(v, "do_pan_and_scan"), WC_JSON_TRUE) ? refuse(w, file, "do_pan_and_scan")
           : pil ? refuse(w, file, "image_processor_type")
                 : true;
}

static void put_channels(wc_gguf_writer *w, const char *key, const wc_json *v, double fallback)
{
    double x[3];
    for (size_t i = 0; i < 3; i++)
        x[i] = wc_json_number(wc_json_is(v, WC_JSON_ARRAY) ? wc_json_item(v, i) : v, fallback);
    wc_gguf_put_list(w, key, WC_GGUF_F32, x, 3);
}

/* The side of a picture in *size, when the processor says it, and what is taken from its values and what they are divided by. */
static bool put_processor(wc_gguf_writer *w, int *size)
{
    const wc_json *v = wc_checkpoint_processor(w->c), *side = wc_json_get(v, "size");
    const char *file = v ? wc_checkpoint_processor_file(w->c) : wc_checkpoint_config_file(w->c);
    const bool plain = wc_json_is(wc_json_get(v, "do_normalize"), WC_JSON_FALSE);
    int height = *size, width = *size;
    if (!check_processor(w, v, file) ||
        (side && (!wc_config_int(file, side, "height", 1, 8192, &height, w->err) ||
                  !wc_config_int(file, side, "width", 1, 8192, &width, w->err))))
        return false;
    if (height != width)
        return refuse(w, file, "size");
    *size = height;
    put_channels(w, "image_mean", plain ? NULL : wc_json_get(v, "image_mean"), plain ? 0 : 0.5);
    put_channels(w, "image_std", plain ? NULL : wc_json_get(v, "image_std"), plain ? 1 : 0.5);
    return true;
}

/* ---- SigLIP ---- */

static bool read_siglip(wc_gguf_writer *w, const wc_json *v, struct siglip *s)
{
    const char *file = wc_checkpoint_config_file(w->c);
    const wc_json *act = wc_json_get(v, "hidden_act");
    if (!wc_config_int_or(file, v, "hidden_size", 768, 1, 1 << 16, &s->width, w->err) ||
        !wc_config_int_or(file, v, "intermediate_size", 3072, 1, 1 << 20, &s->ffn, w->err) ||
        !wc_config_int_or(file, v, "num_hidden_layers", 12, 1, 256, &s->layers, w->err) ||
        !wc_config_int_or(file, v, "num_attention_heads", 12, 1, 4096, &s->heads, w->err) ||
        !wc_config_int_or(file, v, "image_size", 224, 1, 8192, &s->image, w->err) ||
        !wc_config_int_or(file, v, "patch_size", 16, 1, 256, &s->patch, w->err) ||
        !wc_config_float_or(file, v, "layer_norm_eps", 1e-6, 1e-30, 1, &s->eps, w->err))
        return false;
    return wc_json_is_null(act) || wc_json_string_is(act, "gelu_pytorch_tanh") ||
           refuse(w, file, "vision_config.hidden_act");
}

/* The sizes that all towers' files have. */
static void put_sizes(wc_gguf_writer *w, const struct siglip *s)
{
    wc_gguf_put_whole(w, "image_size", s->image);
    wc_gguf_put_whole(w, "patch_size", s->patch);
    wc_gguf_put_whole(w, "embedding_length", s->width);
    wc_gguf_put_whole(w, "feed_forward_length", s->ffn);
    wc_gguf_put_whole(w, "block_count", s->layers);
    wc_gguf_put_whole(w, "attention.head_count", s->heads);
    wc_gguf_put_real(w, "attention.layer_norm_epsilon", s->eps);
    wc_gguf_put_whole(w, "projection_dim", wc_gguf_field_or(w, "hidden_size", 1));
}

static bool put_siglip(wc_gguf_writer *w, const wc_json *config)
{
    const char *file = wc_checkpoint_config_file(w->c);
    struct siglip s;
    int n, size;
    if (!read_siglip(w, wc_json_get(config, "vision_config"), &s) ||
        !wc_config_int_or(file, config, "mm_tokens_per_image", 256, 1, 1 << 20, &n, w->err))
        return false;
    size = s.image;
    if (!put_processor(w, &size))
        return false;
    const int side = (int)sqrt((double)n), grid = s.image / s.patch;
    if (size != s.image || side * side != n || grid / side == 0 || grid / (grid / side) != side)
        return wc_fail(
            w->err, WC_BAD_FILE,
            "%s: mm_tokens_per_image: expected a square whose side divides the %d patches on a side "
            "of a picture of %d, found %d",
            file, grid, size, n);
    put_sizes(w, &s);
    wc_gguf_put_bool(w, "clip.use_gelu", true);
    if (grid / side != 4)
        wc_gguf_put_whole(w, "projector.scale_factor", grid / side);
    return true;
}

/* ---- MobileNet-V5 ---- */

/* A number of a block's arguments, which the reader of the file takes for granted. */
static bool expect(wc_gguf_writer *w, const wc_json *block, const char *key, int fallback, int expected)
{
    int x;
    if (!wc_config_int_or(wc_checkpoint_config_file(w->c), block, key, fallback, 0, 64, &x, w->err))
        return false;
    return x == expected ||
           wc_fail(
               w->err, WC_UNSUPPORTED,
               "%s: vision_config.model_args.block_args: %s: GGUF files have no key for it, and readers take "
               "%d; found %d",
               wc_checkpoint_config_file(w->c), key, expected, x);
}

/* The shapes of the tensors tell all but how far a block steps; the first of a stage steps by two, and so do keys that have a
 * convolution for it. */
static bool check_blocks(wc_gguf_writer *w, const wc_json *stages)
{
    char name[80];
    for (size_t s = 0; s < wc_json_count(stages); s++)
        for (size_t i = 0; i < wc_json_count(wc_json_item(stages, s)); i++) {
            const wc_json *block = wc_json_item(wc_json_item(stages, s), i);
            snprintf(name, sizeof name, "v.blk.%zu.%zu.attn.key.down_conv.weight", s, i);
            const bool keys = wc_json_string_is(wc_json_get(block, "block_type"), "mqa");
            if (keys ? !expect(w, block, "kv_stride", 1, wc_gguf_item_find(w, name) ? 2 : 1)
                     : !expect(w, block, "stride", 1, i ? 1 : 2))
                return false;
        }
    return true;
}

/* patch_size is a picture's side over its rows, rounded down; what a MobileNet has no use for is as llama.cpp's converter has it. */
static bool put_mobilenet(wc_gguf_writer *w, const wc_json *config)
{
    const char *file = wc_checkpoint_config_file(w->c);
    const wc_json *vision = wc_json_get(config, "vision_config");
    int side, width;
    struct siglip s = {.image = 768, .layers = 128, .heads = 8, .eps = 1e-6};
    if (!wc_config_int_or(file, wc_json_get(vision, "model_args"), "msfa_output_resolution", 16, 1, 1024,
                          &side, w->err) ||
        !wc_config_int_or(file, vision, "hidden_size", 2048, 1, 1 << 16, &width, w->err) ||
        !check_blocks(w, wc_json_path(vision, "model_args.block_args")))
        return false;
    s.width = width;
    s.ffn = 4 * width;
    if (!put_processor(w, &s.image))
        return false;
    s.patch = s.image / (side * side);
    if (s.patch == 0 || (int)sqrt((double)s.image / s.patch) != side)
        return wc_fail(
            w->err, WC_UNSUPPORTED,
            "%s: vision_soft_tokens_per_image: GGUF files cannot tell that a picture of %d x %d becomes "
            "%d rows",
            file, s.image, s.image, side * side);
    put_sizes(w, &s);
    return true;
}

/* ---- the whole ---- */

bool wc_clip_write_config(wc_gguf_writer *w)
{
    const wc_json *config = wc_checkpoint_config(w->c);
    const char *id = wc_json_get(config, "image_token_id") ? "image_token_id" : "image_token_index";
    wc_gguf_put_bool(w, "clip.has_vision_encoder", true);
    wc_gguf_put_string(w, w->tower->key, w->tower->projector);
    wc_gguf_put_whole(w, "image_token_id", (int64_t)wc_json_number(wc_json_get(config, id), 262144));
    return strcmp(w->tower->arch, "gemma3") == 0 ? put_siglip(w, config) : put_mobilenet(w, config);
}

bool wc_clip_write_arch(wc_gguf_writer *w)
{
    w->tower = wc_clip_kind_of(w->arch->name);
    if (!w->tower || wc_json_is_null(wc_json_get(wc_checkpoint_config(w->c), "vision_config")))
        return wc_fail(
            w->err, WC_UNSUPPORTED,
            "%s: vision_config: expected the picture tower of a Gemma 3 or Gemma 3n model, found %s",
            wc_checkpoint_config_file(w->c), w->tower ? "none" : w->arch->model_type);
    w->arch = &w->tower->own;
    return true;
}

bool wc_clip_write_leaves_out(const char *name)
{
    static const char *const kept[] = {"vision_tower.", "embed_vision.", "embed_audio.",
                                       "multi_modal_projector."};
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
        if (strstr(name, kept[i]))
            return strstr(name, ".head.") != NULL; /* SigLIP's pooling, of which Gemma makes no use */
    return true;
}

void wc_clip_write_shape(wc_gguf_item *t)
{
    const char *end = strrchr(t->name, '.');
    if (t->ndim == 1 &&
        ((end && strcmp(end, ".gamma") == 0) || strcmp(t->name, "v.conv_stem.conv.bias") == 0)) {
        t->shape[1] = t->shape[0];
        t->shape[0] = t->shape[2] = t->shape[3] = 1;
        t->ndim = 4;
    }
}

/* What meets a picture first is f32, as llama.cpp's converter has it.  Its convolutions run in f16 and f32, depthwise ones in f16
 * only; here a bf16 that would not fit f16 stays what it is. */
wc_dtype wc_clip_write_type(const wc_gguf_writer *w, const wc_gguf_item *t)
{
    static const char *const first[] = {"v.patch_embd.weight", "v.position_embd.weight",
                                        "v.conv_stem.conv.weight"};
    const wc_dtype type = w->o->type;
    for (size_t i = 0; i < sizeof first / sizeof *first; i++)
        if (strcmp(t->name, first[i]) == 0)
            return WC_F32;
    if (t->ndim < 2 || t->shape[0] == 1) /* a vector, whatever its shape */
        return WC_F32;
    if (t->ndim > 2)
        return type == WC_F32 || type == WC_BF16 ? WC_F32 : WC_F16;
    if (t->shape[0] < WC_GGUF_SMALL || t->shape[1] < WC_GGUF_SMALL)
        return WC_F32;
    return strcmp(t->name, "mm.input_projection.weight") == 0 && wc_dtype_is_quantized(type) ? WC_F16 : type;
}
