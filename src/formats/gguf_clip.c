/* gguf_clip.c - a picture tower in a GGUF file of its own, read as if model and tower lay in one Hugging Face folder.
 *
 * Its keys begin with "clip.", its tensors with "v." (the tower) and "mm." (the projector).  Against a folder's:
 *
 *   gemma3     SigLIP.  The norm of the projector is stored with the 1 that Gemma 3 adds; the projection is [in,out] as in the
 *              folder.  Files of early 2025 call the first matrix of the feed-forward ffn_down and the second ffn_up.
 *   gemma3nv   MobileNet-V5.  Which blocks there are is seen in the tensors alone: the file has no key for it.  A vector may be
 *              stored as [1,C,1,1].
 *
 * What else such a file holds (a sound tower, "a.") is passed over. */
#include "formats/gguf_clip.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "formats/gguf.h"
#include "formats/gguf_builder.h"
#include "formats/hub_cache.h"

enum {
    MAX_CONFIG = 1 << 20,
    MAX_LIST = 1 << 16,
    MAX_TENSORS = 1 << 14,
    MAX_STAGES = 16,
    MAX_BLOCKS = 512,
    CONTROL = 3
};
#define IMAGE_TOKEN "<image_soft_token>"
#define IMAGE_KEY   "clip.vision.image_token_id"

/* ---- kinds ---- */

static const wc_gguf_name no_names[] = {{0}};

static const wc_gguf_key gemma3_keys[] = {
    {"hidden_size", "embedding_length", true, true, 1, 1 << 16},
    {"intermediate_size", "feed_forward_length", true, true, 1, 1 << 20},
    {"num_hidden_layers", "block_count", true, true, 1, 256},
    {"num_attention_heads", "attention.head_count", true, true, 1, 4096},
    {"image_size", "image_size", true, true, 1, 8192},
    {"patch_size", "patch_size", true, true, 1, 256},
    {"layer_norm_eps", "attention.layer_norm_epsilon", false, true, 1e-30, 1},
    {0},
};
static const wc_gguf_key no_keys[] = {{0}};

static const wc_clip_kind kinds[] = {
    {"gemma3",
     "clip.projector_type",
     "gemma3",
     "gemma3",
     "Gemma3ForConditionalGeneration",
     "mm.input_projection.weight",
     1,
     {"clip.vision", "", "", WC_GGUF_NORMS_PLUS_ONE, "", "", gemma3_keys, no_names}},
    {"gemma3nv",
     "clip.vision.projector_type",
     "gemma3n",
     "gemma3n",
     "Gemma3nForConditionalGeneration",
     "mm.input_projection.weight",
     0,
     {"clip.vision", "", "", 0, "", "", no_keys, no_names}},
};
enum { N_KINDS = sizeof kinds / sizeof *kinds };

const wc_clip_kind *wc_clip_kind_of(const char *arch)
{
    for (int i = 0; i < N_KINDS; i++)
        if (strcmp(kinds[i].arch, arch) == 0)
            return &kinds[i];
    return NULL;
}

static bool is_gemma3(const wc_clip_kind *kind)
{
    return strcmp(kind->arch, "gemma3") == 0;
}

/* ---- names ---- */

/* What stands for what at the beginning of a name, the longest first; "" ends a name there. */
static const wc_gguf_name starts[] = {
    {"model.vision_tower.timm_model.blocks.", "v.blk."},
    {"model.vision_tower.timm_model.conv_stem.", "v.conv_stem."},
    {"model.vision_tower.timm_model.msfa.", "v.msfa."},
    {"model.vision_tower.embeddings.patch_embedding.", "v.patch_embd."},
    {"model.vision_tower.embeddings.position_embedding.", "v.position_embd."},
    {"model.vision_tower.post_layernorm.", "v.post_ln."},
    {"model.multi_modal_projector.mm_input_projection_", "mm.input_projection."},
    {"model.multi_modal_projector.mm_soft_emb_norm.", "mm.soft_emb_norm."},
    {"model.embed_vision.embedding.", "mm.embedding."},
    {"model.embed_vision.hard_embedding_norm.", "mm.hard_emb_norm."},
    {"model.embed_vision.soft_embedding_norm.", "mm.soft_emb_norm."},
    {"model.embed_vision.embedding_projection.", "mm.input_projection."},
    {"model.embed_audio.embedding.", "mm.a.embedding."},
    {"model.embed_audio.hard_embedding_norm.", "mm.a.hard_emb_norm."},
    {"model.embed_audio.soft_embedding_norm.", "mm.a.soft_emb_norm."},
    {"model.embed_audio.embedding_projection.", "mm.a.input_projection."},
    {0},
};

/* Modules of a SigLIP layer. */
static const wc_gguf_name siglip_names[] = {
    {"layer_norm1.", "ln1."},
    {"self_attn.q_proj.", "attn_q."},
    {"self_attn.k_proj.", "attn_k."},
    {"self_attn.v_proj.", "attn_v."},
    {"self_attn.out_proj.", "attn_out."},
    {"layer_norm2.", "ln2."},
    {"mlp.fc1.", "ffn_up."},
    {"mlp.fc2.", "ffn_down."},
    {0},
};

static bool begins_with(const char *s, const char *start)
{
    return strncmp(s, start, strlen(start)) == 0;
}

static bool ends_with(const char *s, const char *end)
{
    const size_t n = strlen(s), e = strlen(end);
    return n >= e && strcmp(s + n - e, end) == 0;
}

/* before, then name with its beginning as the row spells it. */
static bool put_start(const wc_gguf_name *rows, const char *before, const char *name, wc_gguf_place *place)
{
    for (; rows->hf; rows++)
        if (begins_with(name, rows->hf))
            return snprintf(place->name, WC_NAME_ROOM, "%s%s%s", before, rows->gguf,
                            name + strlen(rows->hf)) < WC_NAME_ROOM;
    return false;
}

bool wc_clip_place(const char *name, wc_gguf_place *place)
{
    static const char layers[] = "model.vision_tower.encoder.layers.";
    char before[40], *end;
    place->second[0] = '\0';
    place->item = -1;
    if (!begins_with(name, layers))
        return put_start(starts, "", name, place);
    const char *number = name + strlen(layers);
    const long layer = strtol(number, &end, 10);
    if (end == number || *end != '.')
        return false;
    snprintf(before, sizeof before, "v.blk.%ld.", layer);
    return put_start(siglip_names, before, end + 1, place);
}

/* ---- what the file says ---- */

/* A file on its way into a checkpoint. */
struct clip {
    wc_checkpoint *c;
    const char *path;
    wc_stored_file *file;
    wc_gguf g;
    wc_gguf_file f;
    const wc_clip_kind *kind;
    wc_gguf_builder b;     /* of the configuration */
    int image_token, side; /* rows of a picture are side * side */
    bool add_token;        /* the tokenizer does not know IMAGE_TOKEN */
    int n_words; /* of Gemma 3n: ids below it have a row of their own in the table of layer inputs; 0: all */
    const wc_json *config, *processor;
};

static bool read_head(struct clip *p, wc_error *err)
{
    const char *const prefixes[] = {"general.", "clip.", NULL};
    if (!wc_file_map_open(&p->file->map, p->path, err) ||
        !wc_gguf_read(&p->g, &p->file->map, p->path, p->c->arena, err))
        return false;
    if (p->g.n_tensors > MAX_TENSORS)
        return wc_fail(err, WC_BAD_FILE,
                       "%s: header: expected at most %d tensors of a picture tower, found %zu", p->path,
                       MAX_TENSORS, p->g.n_tensors);
    p->f = (wc_gguf_file){.path = p->path, .tensors = p->g.tensors, .n_tensors = p->g.n_tensors};
    p->f.metadata = wc_gguf_metadata(&p->g, prefixes, MAX_LIST, p->c->arena, err);
    return p->f.metadata != NULL;
}

static const char *text_of(const wc_json *v)
{
    return wc_json_is(v, WC_JSON_STRING) ? v->u.text : wc_json_type_name(v);
}

/* A tower, of a kind that goes with the text model. */
static bool read_kind(struct clip *p, wc_error *err)
{
    const wc_json *arch = wc_json_get(p->f.metadata, "general.architecture"),
                  *mixed = wc_json_get(p->f.metadata, "clip.vision.projector_type"),
                  *type = mixed ? mixed : wc_json_get(p->f.metadata, "clip.projector_type");
    const char *key = mixed ? "clip.vision.projector_type" : "clip.projector_type";
    p->kind = wc_clip_kind_of(p->c->arch->name);
    if (!wc_json_string_is(arch, "clip"))
        return wc_fail(
            err, WC_BAD_FILE,
            "%s: general.architecture: expected clip, that of a picture tower (mmproj file), found "
            "%.60s",
            p->path, text_of(arch));
    if (!wc_json_is(wc_json_get(p->f.metadata, "clip.has_vision_encoder"), WC_JSON_TRUE))
        return wc_fail(err, WC_UNSUPPORTED,
                       "%s: clip.has_vision_encoder: expected true: of mmproj files picture towers are read",
                       p->path);
    if (!p->kind)
        return wc_fail(
            err, WC_UNSUPPORTED,
            "%s: its model is %s, whose GGUF files take no pictures here; expected gemma3 or gemma3n",
            p->path, p->c->arch->name);
    return wc_json_string_is(type, p->kind->projector) ||
           wc_fail(
               err, WC_BAD_FILE,
               "%s: %s: expected %s, which goes with %s (%s), found %.60s; give the model's own mmproj file",
               p->path, key, p->kind->projector, p->c->path, p->c->arch->name, text_of(type));
}

static wc_stored *find(const struct clip *p, const char *name)
{
    for (size_t i = 0; i < p->g.n_tensors; i++)
        if (strcmp(p->g.tensors[i].name, name) == 0)
            return &p->g.tensors[i];
    return NULL;
}

/* The projection ends in the width of the model's stream. */
static bool check_width(struct clip *p, wc_error *err)
{
    const wc_stored *t = find(p, p->kind->tensor);
    const double width = wc_json_number(wc_json_get(p->c->config, "hidden_size"), 0);
    if (!t)
        return wc_fail(err, WC_BAD_FILE, "%s: tensor %s: missing", p->path, p->kind->tensor);
    const size_t own = t->ndim == 2 ? t->shape[p->kind->stream] : 0;
    return (double)own == width ||
           wc_fail(
               err, WC_BAD_FILE,
               "%s: tensor %s: expected a projection into %.0f, the embedding_length of %s, found %zu; the "
               "file belongs to another model",
               p->path, p->kind->tensor, width, p->c->path, own);
}

/* The id that stands for a row of a picture: the file's own word for it (which only files written here have), the token's, or the
 * one behind the vocabulary, which text models of early 2025 end before it. */
static bool find_image_token(struct clip *p, wc_error *err)
{
    const wc_json *tokens = wc_json_get(p->c->lazy->gguf_tokenizer, "tokenizer.ggml.tokens"),
                  *said = wc_json_get(p->f.metadata, IMAGE_KEY);
    const int rows = (int)wc_json_number(wc_json_get(p->c->config, "vocab_size"), 0);
    const size_t n = wc_json_count(tokens);
    if (wc_json_is(said, WC_JSON_INT) && said->u.integer >= 0 && said->u.integer < rows) {
        p->image_token = (int)said->u.integer;
        return true;
    }
    while ((size_t)p->image_token < n &&
           !wc_json_string_is(wc_json_item(tokens, (size_t)p->image_token), IMAGE_TOKEN))
        p->image_token++;
    p->add_token = n > 0 && (size_t)p->image_token == n;
    return n > 0 || wc_fail(err, WC_UNSUPPORTED,
                            "%s: tokenizer.ggml.tokens: missing; pictures need the vocabulary of the model",
                            p->c->path);
}

/* ---- the configuration ---- */

/* "[a,b,c]" of a list of three numbers. */
static bool put_channels(struct clip *p, wc_buf *out, const char *key, double low, double high,
                         double values[3])
{
    char full[WC_GGUF_KEY_ROOM];
    const wc_json *v = wc_gguf_value(&p->b, key);
    wc_gguf_full_key(&p->b, key, full);
    if (!wc_json_is(v, WC_JSON_ARRAY) || v->n != 3)
        return wc_fail(p->b.err, WC_BAD_FILE, "%s: %s: expected a list of 3 numbers, found %s", p->path, full,
                       wc_json_is(v, WC_JSON_ARRAY) ? "a list of another length" : wc_json_type_name(v));
    for (size_t i = 0; i < 3; i++) {
        values[i] = wc_json_number(wc_json_item(v, i), NAN);
        if (!(values[i] >= low && values[i] <= high))
            return wc_fail(p->b.err, WC_BAD_FILE, "%s: %s: expected numbers from %g to %g", p->path, full,
                           low, high);
        wc_buf_printf(out, "%s%.9g", i ? "," : "[", values[i]);
    }
    wc_buf_puts(out, "]");
    return true;
}

/* The picture processor: what differs between released models stands in the file, the rest is the same in all of them.  Mean 0
 * and deviation 1 say that values stay from 0 to 1. */
static bool read_processor(struct clip *p, int size)
{
    wc_buf b;
    double mean[3] = {0}, deviation[3] = {1, 1, 1};
    wc_buf_init(&b, 2000);
    wc_buf_printf(
        &b,
        "{\"do_resize\":true,\"size\":{\"height\":%d,\"width\":%d},\"resample\":2,\"do_rescale\":true,"
        "\"rescale_factor\":0.00392156862745098,\"image_mean\":",
        size, size);
    bool ok = put_channels(p, &b, "image_mean", -100, 100, mean);
    wc_buf_puts(&b, ",\"image_std\":");
    ok = ok && put_channels(p, &b, "image_std", 1e-6, 100, deviation);
    bool plain = true;
    for (int i = 0; i < 3; i++)
        plain = plain && mean[i] == 0 && deviation[i] == 1;
    wc_buf_printf(&b, ",\"do_normalize\":%s}", plain ? "false" : "true");
    ok = ok && wc_buf_check(&b, "settings made of metadata", p->b.err);
    if (ok)
        p->processor = wc_json_parse(p->c->arena, wc_buf_str(&b), b.size, p->path, 0, p->b.err);
    wc_buf_release(&b);
    return p->processor != NULL;
}

/* SigLIP: rows are averaged over squares of patches, of 4 x 4 unless the file says otherwise. */
static bool put_siglip(struct clip *p)
{
    int size, patch, factor, width, heads;
    const wc_json *gelu = wc_json_get(p->f.metadata, "clip.use_gelu");
    if (!wc_json_is(gelu, WC_JSON_TRUE))
        return wc_fail(p->b.err, WC_UNSUPPORTED, "%s: clip.use_gelu: expected true for gemma3, found %s",
                       p->path, gelu ? "another value" : "nothing");
    if (!wc_gguf_put_keys(&p->b, gemma3_keys) || !wc_gguf_whole(&p->b, "image_size", 1, 8192, 0, &size) ||
        !wc_gguf_whole(&p->b, "patch_size", 1, 256, 1, &patch) ||
        !wc_gguf_whole(&p->b, "projector.scale_factor", 1, 256, 4, &factor) ||
        !wc_gguf_whole(&p->b, "embedding_length", 1, 1 << 16, 1, &width) ||
        !wc_gguf_whole(&p->b, "attention.head_count", 1, 4096, 1, &heads))
        return false;
    if (width % heads)
        return wc_fail(
            p->b.err, WC_BAD_FILE,
            "%s: clip.vision.embedding_length: expected a multiple of clip.vision.attention.head_count "
            "(%d), found %d",
            p->path, heads, width);
    p->side = size / patch / factor;
    if (p->side == 0)
        return wc_fail(p->b.err, WC_BAD_FILE,
                       "%s: clip.vision.image_size: expected at least %d patches of %d on a side, found %d",
                       p->path, factor, patch, size / patch);
    wc_buf_puts(&p->b.out, "\"hidden_act\":\"gelu_pytorch_tanh\"},");
    wc_buf_printf(&p->b.out, "\"image_token_index\":%d,\"mm_tokens_per_image\":%d,", p->image_token,
                  p->side * p->side);
    return read_processor(p, size);
}

/* A tensor of block i of a stage. */
static const wc_stored *in_block(const struct clip *p, int stage, int i, const char *name)
{
    char full[120];
    snprintf(full, sizeof full, "v.blk.%d.%d.%s", stage, i, name);
    return find(p, full);
}

static size_t last_size(const wc_stored *t)
{
    return t ? t->shape[t->ndim - 1] : 0;
}

/* What mobilenet_v5.c wants to know of a block; false: there is no such block.  The first of a stage halves the map, and keys
 * are halved where they have a convolution to do it. */
static bool put_block(struct clip *p, int stage, int i)
{
    wc_buf *out = &p->b.out;
    const wc_stored *er = in_block(p, stage, i, "conv_exp.weight"),
                    *uir = in_block(p, stage, i, "pw_exp.conv.weight"),
                    *query = in_block(p, stage, i, "attn.query.proj.weight"),
                    *key = in_block(p, stage, i, "attn.key.proj.weight"),
                    *value = in_block(p, stage, i, "attn.value.proj.weight"),
                    *down = in_block(p, stage, i, "attn.key.down_conv.weight");
    if (!er && !uir && !query)
        return false;
    wc_buf_printf(out, "%s{\"stride\":%d,", i ? "," : "", i ? 1 : 2);
    if (er)
        wc_buf_printf(out, "\"block_type\":\"er\",\"exp_kernel_size\":%zu}", last_size(er));
    else if (uir)
        wc_buf_printf(out, "\"block_type\":\"uir\",\"dw_kernel_size_start\":%zu,\"dw_kernel_size_mid\":%zu}",
                      last_size(in_block(p, stage, i, "dw_start.conv.weight")),
                      last_size(in_block(p, stage, i, "dw_mid.conv.weight")));
    else
        wc_buf_printf(
            out,
            "\"block_type\":\"mqa\",\"num_heads\":%zu,\"key_dim\":%zu,\"value_dim\":%zu,\"kv_stride\":%d,"
            "\"dw_kernel_size\":%zu}",
            key ? query->shape[0] / key->shape[0] : query->shape[0], key ? key->shape[0] : 1,
            value ? value->shape[0] : 1, down ? 2 : 1, down ? last_size(down) : 3);
    return true;
}

/* No block is behind a gap, where it would be passed over. */
static bool check_blocks(const struct clip *p, int n_stages, const int n_blocks[MAX_STAGES])
{
    static const char start[] = "v.blk.";
    for (size_t i = 0; i < p->g.n_tensors; i++) {
        const char *name = p->g.tensors[i].name;
        char *end;
        if (!begins_with(name, start))
            continue;
        const long stage = strtol(name + strlen(start), &end, 10);
        const long block = *end == '.' ? strtol(end + 1, NULL, 10) : -1;
        const int n = stage >= 0 && stage < n_stages ? n_blocks[stage] : 0;
        if (block < 0 || block >= n)
            return wc_fail(
                p->b.err, WC_BAD_FILE,
                "%s: tensor %.100s: expected the blocks before it too, found %d stages, %d blocks of "
                "this one",
                p->path, name, n_stages, n);
    }
    return true;
}

static bool put_blocks(struct clip *p)
{
    int n_stages = 0, n_blocks[MAX_STAGES] = {0}, total = 0;
    wc_buf_puts(&p->b.out, "\"block_args\":[");
    while (n_stages < MAX_STAGES &&
           in_block(p, n_stages, 0, "pw_exp.conv.weight") != in_block(p, n_stages, 0, "conv_exp.weight")) {
        wc_buf_puts(&p->b.out, n_stages ? ",[" : "[");
        while (total < MAX_BLOCKS && put_block(p, n_stages, n_blocks[n_stages])) {
            n_blocks[n_stages]++;
            total++;
        }
        wc_buf_puts(&p->b.out, "]");
        n_stages++;
    }
    wc_buf_puts(&p->b.out, "],");
    if (n_stages < 2)
        return wc_fail(p->b.err, WC_BAD_FILE,
                       "%s: tensor v.blk.%d.0.%s.weight: missing; expected stages of blocks", p->path,
                       n_stages, n_stages ? "pw_exp.conv" : "conv_exp");
    return check_blocks(p, n_stages, n_blocks);
}

/* Ids of the tower's own vocabulary end the model's, before those of the sound tower, where the token for a row is among them;
 * behind everything when the model's vocabulary ends before them. */
static void put_vocabulary(struct clip *p)
{
    const wc_stored *own = find(p, "mm.embedding.weight"), *audio = find(p, "mm.a.embedding.weight");
    const int all = (int)wc_json_number(wc_json_get(p->c->config, "vocab_size"), 0);
    const size_t n = own ? own->shape[0] : 1, n_audio = audio ? audio->shape[0] : n;
    int offset = all;
    for (int behind = 1; behind >= 0; behind--) {
        const size_t rest = n + (behind ? n_audio : 0);
        const int first = rest <= (size_t)all ? all - (int)rest : all;
        if (offset == all && p->image_token >= first && (size_t)(p->image_token - first) < n)
            offset = first;
    }
    p->n_words = offset;
    wc_buf_printf(&p->b.out, "\"vocab_offset\":%d,\"vocab_size\":%zu},", offset, n);
    if (audio && offset < all && (size_t)(all - offset) == n + n_audio)
        wc_buf_printf(&p->b.out, "\"audio_config\":{\"vocab_offset\":%d,\"vocab_size\":%zu},",
                      offset + (int)n, n_audio);
}

/* MobileNet-V5: patch_size is the picture's side over the number of rows that the picture becomes, rounded down. */
static bool put_mobilenet(struct clip *p)
{
    int size, patch;
    if (!wc_gguf_whole(&p->b, "image_size", 1, 8192, 768, &size) ||
        !wc_gguf_whole(&p->b, "patch_size", 1, 8192, 3, &patch))
        return false;
    p->side = (int)sqrt((double)size / patch);
    wc_buf_printf(&p->b.out, "\"model_args\":{");
    if (!put_blocks(p))
        return false;
    wc_buf_printf(&p->b.out, "\"msfa_output_resolution\":%d},", p->side);
    put_vocabulary(p);
    wc_buf_printf(&p->b.out, "\"image_token_id\":%d,\"vision_soft_tokens_per_image\":%d,", p->image_token,
                  p->side * p->side);
    return read_processor(p, size);
}

/* The table of layer inputs has rows for the towers' ids in these files, made up to fill it; a folder has none, and the first row
 * is read in their place. */
static wc_stored *padded_table(const struct clip *p)
{
    for (size_t i = 0; p->n_words && i < p->c->n_tensors; i++) {
        wc_stored *t = &p->c->tensors[i];
        if (strcmp(t->name, "per_layer_token_embd.weight") == 0 && t->ndim == 2 &&
            t->shape[0] > (size_t)p->n_words)
            return t;
    }
    return NULL;
}

/* The text model's configuration; of members that stand there twice the last one counts. */
static void put_text(const struct clip *p, wc_buf *out)
{
    wc_buf_puts(out, "\"text_config\":");
    wc_json_write(out, p->c->config);
    if (!padded_table(p) || out->failed)
        return;
    out->size--; /* its brace */
    wc_buf_printf(out, ",\"vocab_size_per_layer_input\":%d}", p->n_words);
}

/* The whole model's config.json, of the text model's and the tower's. */
static bool read_config(struct clip *p, wc_error *err)
{
    p->b = (wc_gguf_builder){.f = &p->f, .arch = &p->kind->own, .err = err};
    wc_buf *out = &p->b.out;
    wc_buf_init(out, MAX_CONFIG);
    wc_buf_printf(out, "{\"model_type\":\"%s\",\"architectures\":[\"%s\"],\"vision_config\":{",
                  p->kind->model_type, p->kind->class_name);
    bool ok = is_gemma3(p->kind) ? put_siglip(p) : put_mobilenet(p);
    if (ok) {
        put_text(p, out);
        wc_buf_puts(out, "}");
        ok = wc_buf_check(out, "a configuration made of metadata", err);
    }
    if (ok)
        p->config = wc_json_parse(p->c->arena, wc_buf_str(out), out->size, p->path, 0, err);
    wc_buf_release(out);
    return p->config != NULL;
}

/* ---- tensors ---- */

static bool is_own(const wc_stored *t)
{
    return begins_with(t->name, "v.") || begins_with(t->name, "mm.");
}

/* ffn_down for ffn_up and the other way round. */
static bool swap_name(wc_stored *t, wc_arena *a, wc_error *err)
{
    const char *up = strstr(t->name, ".ffn_up."), *down = strstr(t->name, ".ffn_down."), *at = up ? up : down;
    if (!at)
        return true;
    const size_t room = t->name_bytes + 4;
    char *name = wc_arena_alloc(a, room);
    if (!name)
        return wc_fail_memory(err, room);
    snprintf(name, room, "%.*s.ffn_%s%s", (int)(at - t->name), t->name, up ? "down" : "up",
             strchr(at + 1, '.'));
    t->name = name;
    t->name_bytes = strlen(name);
    return true;
}

/* Names, shapes and norms as models ask for them. */
static bool change_tensors(struct clip *p, wc_error *err)
{
    const wc_stored *first = is_gemma3(p->kind) ? find(p, "v.blk.0.ffn_down.weight") : NULL;
    const double width = wc_json_number(wc_json_path(p->config, "vision_config.hidden_size"), 0);
    const bool swapped = first && first->ndim == 2 && (double)first->shape[1] == width &&
                         first->shape[0] != first->shape[1];
    for (size_t i = 0; i < p->g.n_tensors; i++) {
        wc_stored *t = &p->g.tensors[i];
        if (t->ndim == 4 && t->shape[0] == 1 && t->shape[2] == 1 && t->shape[3] == 1 &&
            (ends_with(t->name, ".conv.bias") || ends_with(t->name, ".gamma"))) {
            t->shape[0] = t->shape[1];
            t->shape[1] = 1;
        }
        if ((p->kind->own.flags & WC_GGUF_NORMS_PLUS_ONE) && strcmp(t->name, "mm.soft_emb_norm.weight") == 0)
            t->change = WC_STORED_PLUS_ONE;
        if (swapped && !swap_name(t, p->c->arena, err))
            return false;
    }
    return true;
}

/* ---- the token of a picture's row ---- */

/* A list of the tokenizer with one more item at its end. */
static bool append(wc_arena *a, wc_json *list, wc_json item, wc_error *err)
{
    wc_json *items = wc_arena_alloc(a, ((size_t)list->n + 1) * sizeof *items);
    if (!items)
        return wc_fail_memory(err, ((size_t)list->n + 1) * sizeof *items);
    memcpy(items, list->u.items, list->n * sizeof *items);
    items[list->n++] = item;
    list->u.items = items;
    return true;
}

/* The tokenizer with IMAGE_TOKEN behind its other tokens. */
static bool add_image_token(wc_checkpoint *c, wc_error *err)
{
    wc_arena *a = c->lazy->tokenizer_arena;
    const wc_json *old = c->lazy->gguf_tokenizer;
    wc_json *all = wc_arena_alloc(a, sizeof *all), *members = wc_arena_alloc(a, 2 * old->n * sizeof *members);
    if (!all || !members)
        return wc_fail_memory(err, 2 * old->n * sizeof *members);
    memcpy(members, old->u.items, 2 * old->n * sizeof *members);
    *all = (wc_json){.type = WC_JSON_OBJECT, .n = old->n, .u.items = members};
    const size_t n = wc_json_count(wc_json_get(old, "tokenizer.ggml.tokens"));
    for (uint32_t i = 0; i < old->n; i++) {
        wc_json *value = &members[2 * i + 1];
        wc_json item = {.type = WC_JSON_DOUBLE};
        if (wc_json_string_is(&members[2 * i], "tokenizer.ggml.tokens"))
            item = (wc_json){.type = WC_JSON_STRING, .n = sizeof IMAGE_TOKEN - 1, .u.text = IMAGE_TOKEN};
        else if (wc_json_string_is(&members[2 * i], "tokenizer.ggml.token_type"))
            item = (wc_json){.type = WC_JSON_INT, .u.integer = CONTROL};
        else if (!wc_json_string_is(&members[2 * i], "tokenizer.ggml.scores"))
            continue;
        if (wc_json_is(value, WC_JSON_ARRAY) && value->n == n && !append(a, value, item, err))
            return false;
    }
    c->lazy->gguf_tokenizer = all;
    return true;
}

/* ---- the whole ---- */

/* All that is left to do cannot be undone, and is done last. */
static bool take(struct clip *p, wc_error *err)
{
    wc_checkpoint *c = p->c;
    size_t n = 0;
    for (size_t i = 0; i < p->g.n_tensors; i++)
        if (is_own(&p->g.tensors[i])) {
            p->g.tensors[n] = p->g.tensors[i];
            p->g.tensors[n++].file = (uint32_t)c->n_files;
        }
    if (p->add_token && !add_image_token(c, err))
        return false;
    wc_stored *table = padded_table(p);
    if (table) {
        const uint64_t rows = table->shape[0];
        table->shape[0] = (size_t)p->n_words;
        table->elems = table->elems / rows * table->shape[0];
        table->bytes = table->bytes / rows * table->shape[0];
    }
    if (!wc_gguf_add_tensors(c, p->g.tensors, n, err))
        return false;
    c->n_files++;
    c->config = p->config;
    c->processor = p->processor;
    c->processor_file = c->tower_file = p->path;
    return true;
}

bool wc_clip_open(wc_checkpoint *c, const char *path, wc_error *err)
{
    struct clip p = {.c = c, .path = wc_arena_strdup(c->arena, path), .file = &c->files[c->n_files]};
    if (!p.path)
        return wc_fail_memory(err, strlen(path));
    *p.file = (wc_stored_file){.path = p.path};
    if (read_head(&p, err) && read_kind(&p, err) && check_width(&p, err) && find_image_token(&p, err) &&
        read_config(&p, err) && change_tensors(&p, err) && take(&p, err))
        return true;
    wc_file_map_close(&p.file->map);
    return false;
}

/* ---- where it lies ---- */

/* In a snapshot of the Hugging Face cache: whatever of it was fetched. */
static const char *find_in_snapshot(wc_arena *a, const char *root, const char *model)
{
    wc_names in;
    if (!wc_names_read_files(a, root, &in, NULL))
        return NULL;
    const size_t i = wc_hub_pick_tower((const char *const *)in.list, in.n, model);
    return i < in.n ? wc_path_join(a, root, in.list[i]) : NULL;
}

/* Beside a model: the only one. */
static const char *find_beside(wc_arena *a, const char *dir, size_t *n)
{
    wc_names in;
    const char *path = NULL;
    *n = 0;
    if (!wc_names_read(a, dir, &in, NULL))
        return NULL;
    for (size_t i = 0; i < in.n; i++)
        if (wc_hub_is_tower(in.list[i]) && (*n)++ == 0)
            path = wc_path_join(a, dir, in.list[i]);
    return *n == 1 ? path : NULL;
}

const char *wc_clip_find(wc_arena *a, const char *model, size_t *n)
{
    static const char snapshots[] = "/snapshots/";
    const char *slash = strrchr(model, '/'), *commit = strstr(model, snapshots);
    commit = commit ? commit + strlen(snapshots) : NULL;
    if (commit && strlen(commit) > 41 && commit[40] == '/' && wc_hub_is_commit(commit, 40)) {
        char *root = wc_arena_strndup(a, model, (size_t)(commit + 40 - model));
        const char *path = root ? find_in_snapshot(a, root, commit + 41) : NULL;
        *n = path != NULL;
        return path;
    }
    const char *dir = slash ? wc_arena_strndup(a, model, slash == model ? 1 : (size_t)(slash - model)) : ".";
    *n = 0;
    return dir ? find_beside(a, dir, n) : NULL;
}
