/* bert.c - BERT (Devlin et al. 2018, arXiv:1810.04805; transformers' BertModel and its heads): an encoder, whose rows see
 * all rows of their text.
 *
 *   x = LN(word[id] + type[segment] + position[t])
 *   L times:   x = LN(x + Wo attention(x));   x = LN(x + Wd gelu(Wu x))          all products with a bias
 *
 * Heads: the next word for a masked place, a label for a text (from its first row, by the pooler), a label for each token.
 *
 * Shapes: N rows, D hidden_size, H heads, d = D / H, F intermediate_size, V vocab_size. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "formats/config.h"
#include "models/decoder_load.h"

enum { NAME_ROOM = 200 };

/* y = x W^T + b */
struct linear {
    wc_tensor weight, bias;
};

struct norm {
    wc_tensor weight, bias;
};

struct bert_layer {
    struct linear query, key, value, attention_output, intermediate, output;
    struct norm attention_norm, output_norm;
};

struct bert {
    wc_net net;
    int n_heads, intermediate_size, n_types;
    float eps;
    wc_act act;
    wc_tensor word, position, type; /* [V,D], [T,D], [types,D] */
    struct norm embed_norm;
    struct bert_layer *layers; /* [net.n_layers] */
    struct linear pooler;      /* absent in some */
    struct linear classifier;  /* of a text, or of tokens */
    struct linear transform;   /* of words */
    struct norm transform_norm;
    struct linear decoder;       /* its weight is word, unless the file has another */
    struct linear next_sentence; /* only shown */
};

static const wc_tensor absent = {0};

/* ---- the forward pass ---- */

static wc_tensor project(wc_ctx *c, wc_tensor x, const struct linear *w, wc_act act)
{
    return wc_op_matmul(c, x, w->weight, w->bias, act, absent);
}

static wc_tensor norm(wc_ctx *c, const struct bert *m, wc_tensor x, const struct norm *w)
{
    return wc_op_layer_norm(c, x, w->weight, w->bias, m->eps);
}

/* LN(x + W h), in one pass over h: [N,D]. */
static wc_tensor add_and_norm(wc_ctx *c, const struct bert *m, wc_tensor x, wc_tensor h,
                              const struct linear *w, const struct norm *n)
{
    return norm(c, m, wc_op_matmul(c, h, w->weight, w->bias, WC_ACT_NONE, x), n);
}

/* A point of layer l; what the pass itself fuses away is computed only where someone looks on. */
static void show(wc_ctx *c, int l, const char *point, wc_tensor t)
{
    wc_observe(c, t, "layers.%d.%s", l, point);
}

static void show_product(wc_ctx *c, int l, const char *point, wc_tensor x, const struct linear *w)
{
    if (c->observe)
        show(c, l, point, project(c, x, w, WC_ACT_NONE));
}

/* softmax(q k / sqrt(d)) v of the rows of each text: [N,D]. */
static wc_tensor attention(wc_ctx *c, const struct bert *m, int l, const wc_batch *b, wc_tensor x)
{
    const struct bert_layer *w = &m->layers[l];
    const int d = m->net.hidden_size / m->n_heads;
    const wc_attention a = {.n_heads = m->n_heads,
                            .n_kv_heads = m->n_heads,
                            .key_dim = d,
                            .value_dim = d,
                            .scale = 1.0f / sqrtf((float)d)};
    const wc_tensor weights[] = {w->query.weight, w->key.weight, w->value.weight};
    const wc_tensor bias[] = {w->query.bias, w->key.bias, w->value.bias};
    wc_tensor qkv[3];
    wc_op_matmul_each(c, qkv, x, weights, bias, 3);
    const wc_tensor q = qkv[0], k = qkv[1], v = qkv[2];
    show(c, l, "attention.self.query", q);
    show(c, l, "attention.self.key", k);
    show(c, l, "attention.self.value", v);
    wc_tensor y = wc_op_attention_rows(c, q, k, v, &b->rows, &a);
    show(c, l, "attention.self", y);
    return y;
}

static wc_tensor layer(wc_ctx *c, const struct bert *m, int l, const wc_batch *b, wc_tensor x)
{
    const struct bert_layer *w = &m->layers[l];
    wc_tensor h = attention(c, m, l, b, x);
    show_product(c, l, "attention.output.dense", h, &w->attention_output);
    x = add_and_norm(c, m, x, h, &w->attention_output, &w->attention_norm);
    show(c, l, "attention.output", x);

    show_product(c, l, "intermediate.dense", x, &w->intermediate);
    h = project(c, x, &w->intermediate, m->act); /* [N,F] */
    show(c, l, "intermediate", h);
    show_product(c, l, "output.dense", h, &w->output);
    return add_and_norm(c, m, x, h, &w->output, &w->output_norm);
}

/* The types of the rows, 0 where the batch has none. */
static const int32_t *types_of(wc_ctx *c, const wc_batch *b)
{
    if (b->types)
        return b->types;
    int32_t *none = wc_op_ids(c, (size_t)b->rows.n);
    if (none && !wc_op_idle(c))
        memset(none, 0, (size_t)b->rows.n * sizeof *none);
    return none;
}

static wc_tensor embed(wc_ctx *c, const struct bert *m, const wc_batch *b)
{
    const size_t N = (size_t)b->rows.n;
    wc_tensor x = wc_op_embed(c, m->word, b->ids, N, 1);
    x = wc_op_add(c, x, wc_op_embed(c, m->type, types_of(c, b), N, 1));
    x = wc_op_add(c, x, wc_op_embed(c, m->position, b->rows.pos, N, 1));
    return norm(c, m, x, &m->embed_norm);
}

/* tanh(W h + b) of first rows. */
static wc_tensor pool(wc_ctx *c, const struct bert *m, wc_tensor rows)
{
    return project(c, rows, &m->pooler, WC_ACT_TANH);
}

/* What pretraining had beside the words. */
static void show_pooled(wc_ctx *c, const struct bert *m, const wc_batch *b, wc_tensor x)
{
    if (!c->observe || !m->pooler.weight.data)
        return;
    wc_tensor pooled = pool(c, m, wc_op_get_rows(c, x, b->first, (size_t)b->rows.n_seqs));
    wc_observe(c, pooled, "pooled");
    if (m->next_sentence.weight.data)
        wc_observe(c, project(c, pooled, &m->next_sentence, WC_ACT_NONE), "nsp_logits");
}

static wc_tensor encode(wc_ctx *c, const wc_net *net, const wc_batch *b)
{
    const struct bert *m = (const struct bert *)net;
    wc_tensor x = wc_op_new(c, WC_SHAPE((size_t)b->rows.n, (size_t)net->hidden_size));
    wc_arena_mark mark = wc_op_mark(c);
    wc_op_store(c, x, embed(c, m, b));
    wc_op_reset(c, mark);
    wc_observe(c, x, "embed");
    for (int l = 0; l < net->n_layers && !c->stopped; l++) {
        wc_op_store(c, x, layer(c, m, l, b, x));
        wc_op_reset(c, mark);
        wc_observe(c, x, "layers.%d.out", l);
    }
    wc_observe(c, x, "last");
    show_pooled(c, m, b, x);
    return x;
}

static wc_tensor head(wc_ctx *c, const wc_net *net, wc_tensor rows)
{
    const struct bert *m = (const struct bert *)net;
    if (net->task == WC_TASK_FILL) {
        wc_tensor h = norm(c, m, project(c, rows, &m->transform, m->act), &m->transform_norm);
        return project(c, h, &m->decoder, WC_ACT_NONE);
    }
    if (net->task == WC_TASK_CLASSIFY)
        rows = pool(c, m, rows);
    return project(c, rows, &m->classifier, WC_ACT_NONE);
}

/* ---- loading ---- */

struct loader {
    wc_arena *arena;
    const wc_checkpoint *files;
    const char *file;
    const wc_json *config;
    wc_error *err;
    struct bert *m;
};

static bool need(struct loader *l, wc_tensor *t, int ndim, const size_t *shape, const char *format, ...)
    WC_PRINTF(5, 6);

static bool need(struct loader *l, wc_tensor *t, int ndim, const size_t *shape, const char *format, ...)
{
    char name[NAME_ROOM];
    va_list args;
    va_start(args, format);
    vsnprintf(name, sizeof name, format, args);
    va_end(args);
    if (!wc_checkpoint_need_weight(l->files, name, ndim, shape, t, l->err))
        return false;
    l->m->net.n_params += wc_tensor_elems(t);
    return true;
}

static bool need_linear(struct loader *l, struct linear *w, size_t rows, size_t cols, const char *module)
{
    return need(l, &w->weight, WC_SHAPE(rows, cols), "%s.weight", module) &&
           need(l, &w->bias, WC_SHAPE(rows), "%s.bias", module);
}

/* The first files call a norm's weight gamma and its bias beta, as TensorFlow did. */
static bool need_norm(struct loader *l, struct norm *w, const char *module)
{
    const size_t D = (size_t)l->m->net.hidden_size;
    char name[NAME_ROOM];
    wc_tensor found;
    snprintf(name, sizeof name, "%s.gamma", module);
    const bool old = wc_checkpoint_find(l->files, name, &found);
    return need(l, &w->weight, WC_SHAPE(D), "%s.%s", module, old ? "gamma" : "weight") &&
           need(l, &w->bias, WC_SHAPE(D), "%s.%s", module, old ? "beta" : "bias");
}

static bool has(const struct loader *l, const char *name)
{
    wc_tensor found;
    return wc_checkpoint_find(l->files, name, &found);
}

static bool find_layer(struct loader *l, int i)
{
    struct bert_layer *w = &l->m->layers[i];
    const size_t D = (size_t)l->m->net.hidden_size, F = (size_t)l->m->intermediate_size;
    const struct {
        const char *module;
        struct linear *w;
        size_t rows, cols;
    } linears[] = {{"attention.self.query", &w->query, D, D},
                   {"attention.self.key", &w->key, D, D},
                   {"attention.self.value", &w->value, D, D},
                   {"attention.output.dense", &w->attention_output, D, D},
                   {"intermediate.dense", &w->intermediate, F, D},
                   {"output.dense", &w->output, D, F}};
    char name[NAME_ROOM];
    for (size_t k = 0; k < sizeof linears / sizeof *linears; k++) {
        snprintf(name, sizeof name, "bert.encoder.layer.%d.%s", i, linears[k].module);
        if (!need_linear(l, linears[k].w, linears[k].rows, linears[k].cols, name))
            return false;
    }
    snprintf(name, sizeof name, "bert.encoder.layer.%d.attention.output.LayerNorm", i);
    if (!need_norm(l, &w->attention_norm, name))
        return false;
    snprintf(name, sizeof name, "bert.encoder.layer.%d.output.LayerNorm", i);
    return need_norm(l, &w->output_norm, name);
}

/* Words for masked places.  The decoder's bias stands in one of two places. */
static bool find_words(struct loader *l)
{
    struct bert *m = l->m;
    const size_t D = (size_t)m->net.hidden_size, V = (size_t)m->net.n_vocab;
    const bool own = has(l, "cls.predictions.decoder.weight");
    m->decoder.weight = m->word;
    return need_linear(l, &m->transform, D, D, "cls.predictions.transform.dense") &&
           need_norm(l, &m->transform_norm, "cls.predictions.transform.LayerNorm") &&
           (!own || need(l, &m->decoder.weight, WC_SHAPE(V, D), "%s", "cls.predictions.decoder.weight")) &&
           need(l, &m->decoder.bias, WC_SHAPE(V), "%s",
                has(l, "cls.predictions.bias") || !has(l, "cls.predictions.decoder.bias")
                    ? "cls.predictions.bias"
                    : "cls.predictions.decoder.bias");
}

static bool find_head(struct loader *l)
{
    struct bert *m = l->m;
    const size_t D = (size_t)m->net.hidden_size;
    const bool pooler = has(l, "bert.pooler.dense.weight") || m->net.task == WC_TASK_CLASSIFY;
    if (pooler && !need_linear(l, &m->pooler, D, D, "bert.pooler.dense"))
        return false;
    if (has(l, "cls.seq_relationship.weight") &&
        !need_linear(l, &m->next_sentence, 2, D, "cls.seq_relationship"))
        return false;
    if (m->net.task == WC_TASK_FILL)
        return find_words(l);
    return m->net.task == WC_TASK_NONE ||
           need_linear(l, &m->classifier, (size_t)m->net.n_labels, D, "classifier");
}

static bool find_all(struct loader *l)
{
    struct bert *m = l->m;
    const size_t D = (size_t)m->net.hidden_size, V = (size_t)m->net.n_vocab;
    if (!need(l, &m->word, WC_SHAPE(V, D), "bert.embeddings.word_embeddings.weight") ||
        !need(l, &m->position, WC_SHAPE((size_t)m->net.context_length, D),
              "bert.embeddings.position_embeddings.weight") ||
        !need(l, &m->type, WC_SHAPE((size_t)m->n_types, D), "bert.embeddings.token_type_embeddings.weight") ||
        !need_norm(l, &m->embed_norm, "bert.embeddings.LayerNorm"))
        return false;
    for (int i = 0; i < m->net.n_layers; i++)
        if (!find_layer(l, i))
            return false;
    m->net.dtype = m->layers[0].query.weight.dtype;
    return find_head(l);
}

/* The head by the class that saved the model. */
static bool read_task(struct loader *l)
{
    static const struct {
        const char *name;
        wc_task task;
    } known[] = {{"BertForMaskedLM", WC_TASK_FILL},
                 {"BertForPreTraining", WC_TASK_FILL},
                 {"BertForSequenceClassification", WC_TASK_CLASSIFY},
                 {"BertForTokenClassification", WC_TASK_TOKENS}};
    wc_net *net = &l->m->net;
    const wc_json *class = wc_json_item(wc_json_get(l->config, "architectures"), 0);
    const wc_json *labels = wc_json_get(l->config, "id2label");
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (wc_json_string_is(class, known[i].name))
            net->task = known[i].task;
    const int named = wc_json_is(labels, WC_JSON_OBJECT) ? (int)wc_json_count(labels) : 2;
    return wc_config_int_or(l->file, l->config, "num_labels", named > 0 ? named : 2, 1, 1 << 20,
                            &net->n_labels, l->err);
}

static bool read_sizes(struct loader *l)
{
    struct bert *m = l->m;
    double eps;
    return wc_config_int(l->file, l->config, "hidden_size", 1, 1 << 16, &m->net.hidden_size, l->err) &&
           wc_config_int(l->file, l->config, "num_hidden_layers", 1, 1024, &m->net.n_layers, l->err) &&
           wc_config_int(l->file, l->config, "num_attention_heads", 1, 4096, &m->n_heads, l->err) &&
           wc_config_int(l->file, l->config, "intermediate_size", 1, 1 << 20, &m->intermediate_size,
                         l->err) &&
           wc_config_int(l->file, l->config, "vocab_size", 1, 1 << 24, &m->net.n_vocab, l->err) &&
           wc_config_int_or(l->file, l->config, "max_position_embeddings", 512, 1, 1 << 24,
                            &m->net.context_length, l->err) &&
           wc_config_int_or(l->file, l->config, "type_vocab_size", 2, 1, 1 << 20, &m->n_types, l->err) &&
           wc_config_float_or(l->file, l->config, "layer_norm_eps", 1e-12, 1e-30, 1, &eps, l->err) &&
           (m->eps = (float)eps, true);
}

/* What older configurations may ask for and this file does not have. */
static bool refuse_variants(struct loader *l)
{
    const struct bert *m = l->m;
    const wc_json *positions = wc_json_get(l->config, "position_embedding_type");
    bool decoder;
    if (!wc_config_bool_or(l->file, l->config, "is_decoder", false, &decoder, l->err))
        return false;
    if (decoder)
        return wc_fail(l->err, WC_UNSUPPORTED, "%s: is_decoder: expected false, found true", l->file);
    if (!wc_json_is_null(positions) && !wc_json_string_is(positions, "absolute"))
        return wc_fail(l->err, WC_UNSUPPORTED,
                       "%s: position_embedding_type: expected \"absolute\", found %.40s", l->file,
                       wc_json_is(positions, WC_JSON_STRING) ? positions->u.text
                                                             : wc_json_type_name(positions));
    if (m->net.hidden_size % m->n_heads)
        return wc_fail(l->err, WC_BAD_FILE,
                       "%s: hidden_size: expected a multiple of num_attention_heads (%d), found %d", l->file,
                       m->n_heads, m->net.hidden_size);
    return true;
}

static bool load(wc_net **net, wc_arena *a, const wc_checkpoint *files, const char *slice, wc_error *err)
{
    const wc_decoder_loader shared = wc_decoder_loader_init(a, files, err);
    struct bert *m = wc_arena_zalloc(a, 1, sizeof *m);
    struct loader l = {a, files, shared.file, shared.config, err, m};
    if (!m)
        return wc_fail_memory(err, sizeof *m);
    if (slice)
        return wc_fail(err, WC_UNSUPPORTED, "--slice: only Gemma 3n models can be sliced");
    if (!read_sizes(&l) || !refuse_variants(&l) || !read_task(&l) ||
        !wc_decoder_read_act(&shared, "hidden_act", "gelu", &m->act))
        return false;
    m->layers = wc_arena_zalloc(a, (size_t)m->net.n_layers, sizeof *m->layers);
    if (!m->layers)
        return wc_fail_memory(err, (size_t)m->net.n_layers * sizeof *m->layers);
    m->net.files = files;
    m->net.encoder = true;
    *net = &m->net;
    return find_all(&l);
}

static const char *const model_types[] = {"bert", NULL};

const wc_family wc_family_bert = {
    .name = "BERT",
    .model_types = model_types,
    .load = load,
    .encode = encode,
    .head = head,
};
