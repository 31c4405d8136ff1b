/* sentence.c - see sentence.h. */
#include "models/sentence.h"

#include <math.h>
#include <string.h>

#include "base/file_map.h"
#include "formats/config.h"

enum { MAX_JSON = 16 << 20, MAX_MODULES = 64, MAX_WIDTH = 1 << 20, N_POOLINGS = 6 };

enum kind { POOLING, DENSE, NORMALIZE, NOTHING };

struct module {
    const char *name; /* its folder, or its type where it has none */
    enum kind kind;
    wc_pooling poolings[N_POOLINGS]; /* [n_poolings] side by side */
    int n_poolings;
    wc_checkpoint *weights;
    wc_tensor weight, bias;
    wc_act act;
};

struct wc_sentence {
    struct module *modules; /* [n] behind the transformer */
    int n, width, max_tokens;
    bool skips_prompt;
    const wc_json *prompts, *activation, *similarity;
    const char *default_prompt;
};

/* ---- the vector ---- */

wc_tensor wc_sentence_normalize(wc_ctx *c, wc_tensor x)
{
    static const wc_tensor absent = {0};
    const float D = (float)x.shape[1];
    /* x / sqrt(mean x^2 + tiny) / sqrt(D); the tiny one keeps a vector of zeros what it is */
    return wc_op_scale(c, wc_op_rms_norm(c, x, absent, 0, 1e-24f / D), 1.0f / sqrtf(D));
}

static wc_tensor pool(wc_ctx *c, const struct module *m, const wc_batch *b, wc_tensor hidden, int skip)
{
    const size_t n = (size_t)b->rows.n_seqs;
    wc_tensor y = wc_op_pool_rows(c, hidden, b->first, n, skip, m->poolings[0]);
    for (int i = 1; i < m->n_poolings; i++)
        y = wc_op_concat(c, y, wc_op_pool_rows(c, hidden, b->first, n, skip, m->poolings[i]));
    return y;
}

wc_tensor wc_sentence_embed(wc_ctx *c, const wc_sentence *s, const wc_batch *b, wc_tensor hidden, int skip)
{
    static const wc_tensor absent = {0};
    wc_tensor x = hidden;
    for (int i = 0; i < s->n; i++) {
        const struct module *m = &s->modules[i];
        if (m->kind == POOLING)
            x = pool(c, m, b, x, s->skips_prompt ? skip : 0);
        else if (m->kind == DENSE)
            x = wc_op_matmul(c, x, m->weight, m->bias, m->act, absent);
        else if (m->kind == NORMALIZE)
            x = wc_sentence_normalize(c, x);
        wc_observe(c, x, "%s", m->name);
    }
    return x;
}

/* ---- the files ---- */

struct loader {
    wc_arena *arena;
    const char *folder;
    wc_sentence *s;
    int width; /* of what the modules so far give; pooled: of one vector a text */
    bool pooled;
    wc_error *err;
};

/* DIR/name of the model's folder, of that type; *out is NULL when there is none.  *path: for messages. */
static bool read_json(const struct loader *l, const char *dir, const char *name, wc_json_type type,
                      const char **path, const wc_json **out)
{
    *out = NULL;
    *path = wc_path_join(l->arena, dir, name);
    if (!*path)
        return wc_fail_memory(l->err, strlen(dir));
    if (!wc_path_exists(*path))
        return true;
    const wc_json *v = wc_json_read(l->arena, *path, MAX_JSON, 0, l->err);
    if (v && !wc_json_is(v, type))
        return wc_fail(l->err, WC_BAD_FILE, "%s: expected %s, found %s", *path,
                       type == WC_JSON_ARRAY ? "an array" : "an object", wc_json_type_name(v));
    *out = v;
    return v != NULL;
}

static const struct pooling_name {
    const char *name, *old;
    wc_pooling how;
} pooling_names[N_POOLINGS] = {
    {"cls", "pooling_mode_cls_token", WC_POOL_FIRST},
    {"max", "pooling_mode_max_tokens", WC_POOL_MAX},
    {"mean", "pooling_mode_mean_tokens", WC_POOL_MEAN},
    {"mean_sqrt_len_tokens", "pooling_mode_mean_sqrt_len_tokens", WC_POOL_MEAN_SQRT},
    {"weightedmean", "pooling_mode_weightedmean_tokens", WC_POOL_WEIGHTED_MEAN},
    {"lasttoken", "pooling_mode_lasttoken", WC_POOL_LAST},
};

static bool add_pooling(const struct loader *l, const char *file, const wc_json *name, struct module *m)
{
    for (size_t i = 0; i < N_POOLINGS && m->n_poolings < N_POOLINGS; i++)
        if (wc_json_string_is(name, pooling_names[i].name)) {
            m->poolings[m->n_poolings++] = pooling_names[i].how;
            return true;
        }
    return wc_fail(l->err, WC_UNSUPPORTED,
                   "%s: pooling_mode: expected cls, max, mean, mean_sqrt_len_tokens, weightedmean or "
                   "lasttoken, each once, found %.40s",
                   file, wc_json_is(name, WC_JSON_STRING) ? name->u.text : wc_json_type_name(name));
}

static bool read_poolings(const struct loader *l, const char *file, const wc_json *config, struct module *m)
{
    const wc_json *mode = wc_json_get(config, "pooling_mode");
    if (wc_json_is(mode, WC_JSON_ARRAY)) {
        for (size_t i = 0; i < wc_json_count(mode); i++)
            if (!add_pooling(l, file, wc_json_item(mode, i), m))
                return false;
    } else if (!wc_json_is_null(mode) && !add_pooling(l, file, mode, m)) {
        return false;
    }
    for (size_t i = 0; wc_json_is_null(mode) && i < N_POOLINGS; i++) {
        bool wanted, fallback = pooling_names[i].how == WC_POOL_MEAN;
        if (!wc_config_bool_or(file, config, pooling_names[i].old, fallback, &wanted, l->err))
            return false;
        if (wanted)
            m->poolings[m->n_poolings++] = pooling_names[i].how;
    }
    return m->n_poolings > 0
               ? true
               : wc_fail(l->err, WC_BAD_FILE, "%s: pooling_mode: expected one, found none", file);
}

static bool load_pooling(struct loader *l, const char *dir, struct module *m)
{
    const char *file;
    const wc_json *config;
    bool include;
    if (!read_json(l, dir, "config.json", WC_JSON_OBJECT, &file, &config) ||
        !read_poolings(l, file, config, m) ||
        !wc_config_bool_or(file, config, "include_prompt", true, &include, l->err))
        return false;
    l->s->skips_prompt = !include;
    l->width *= m->n_poolings;
    l->pooled = true;
    return true;
}

/* torch.nn.modules.activation.Tanh and its like, by the last part of the name; absent: Tanh. */
static bool read_activation(const struct loader *l, const char *file, const wc_json *config, wc_act *act)
{
    static const struct {
        const char *name;
        wc_act act;
    } known[] = {{"Identity", WC_ACT_NONE},   {"Tanh", WC_ACT_TANH}, {"ReLU", WC_ACT_RELU},
                 {"Sigmoid", WC_ACT_SIGMOID}, {"GELU", WC_ACT_GELU}, {"SiLU", WC_ACT_SILU}};
    const char *name, *dot;
    if (!wc_config_string(file, config, "activation_function", "Tanh", &name, l->err))
        return false;
    dot = strrchr(name, '.');
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(dot ? dot + 1 : name, known[i].name) == 0) {
            *act = known[i].act;
            return true;
        }
    return wc_fail(l->err, WC_UNSUPPORTED,
                   "%s: activation_function: expected Identity, Tanh, ReLU, Sigmoid, GELU or SiLU of "
                   "torch.nn, found %.60s",
                   file, name);
}

static bool load_dense(struct loader *l, const char *dir, struct module *m)
{
    const char *file;
    const wc_json *config;
    bool bias, residual;
    int in, out;
    if (!read_json(l, dir, "config.json", WC_JSON_OBJECT, &file, &config) ||
        !wc_config_int(file, config, "in_features", 1, MAX_WIDTH, &in, l->err) ||
        !wc_config_int(file, config, "out_features", 1, MAX_WIDTH, &out, l->err) ||
        !wc_config_bool_or(file, config, "bias", true, &bias, l->err) ||
        !wc_config_bool_or(file, config, "use_residual", false, &residual, l->err) ||
        !read_activation(l, file, config, &m->act))
        return false;
    if (residual)
        return wc_fail(l->err, WC_UNSUPPORTED, "%s: use_residual: expected false, found true", file);
    if (in != l->width)
        return wc_fail(l->err, WC_BAD_FILE,
                       "%s: in_features: expected %d, the width of the module before, found %d", file,
                       l->width, in);
    const char *weights = wc_path_join(l->arena, dir, "model.safetensors");
    m->weights = weights ? wc_checkpoint_open_tensors(weights, l->err) : NULL;
    if (!m->weights)
        return weights ? false : wc_fail_memory(l->err, strlen(dir));
    const size_t D = (size_t)in, E = (size_t)out;
    l->width = out;
    return wc_checkpoint_need_weight(m->weights, "linear.weight", WC_SHAPE(E, D), &m->weight, l->err) &&
           (!bias || wc_checkpoint_need_weight(m->weights, "linear.bias", WC_SHAPE(E), &m->bias, l->err));
}

/* A folder of the model's own: a plain name, so that no file says where else to read. */
static bool is_plain(const char *name)
{
    return !strchr(name, '/') && !strchr(name, '\\') && strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

static const struct {
    const char *name;
    enum kind kind;
} kinds[] = {{"Pooling", POOLING}, {"Dense", DENSE}, {"Normalize", NORMALIZE}, {"Dropout", NOTHING}};

/* One line of modules.json behind the transformer. */
static bool load_module(struct loader *l, const char *file, size_t i, const wc_json *v)
{
    const char *type, *path;
    struct module *m = &l->s->modules[l->s->n];
    if (!wc_config_string(file, v, "type", NULL, &type, l->err) ||
        !wc_config_string(file, v, "path", "", &path, l->err))
        return false;
    const char *dot = strrchr(type, '.'), *name = dot ? dot + 1 : type;
    if (i == 0 && strcmp(name, "Transformer") == 0 && !*path)
        return true;
    if (!is_plain(path))
        return wc_fail(l->err, WC_BAD_FILE,
                       "%s: entry %zu: path: expected the name of a folder in the model's, found %.60s", file,
                       i, path);
    const char *dir = wc_path_join(l->arena, l->folder, path);
    size_t k = 0, n = sizeof kinds / sizeof *kinds;
    while (k < n && strcmp(kinds[k].name, name) != 0)
        k++;
    if (k == n || i == 0)
        return wc_fail(
            l->err, WC_UNSUPPORTED, "%s: entry %zu: type: expected %s, found %.80s with path \"%.60s\"", file,
            i, i == 0 ? "Transformer with path \"\"" : "Pooling, Dense, Normalize or Dropout", type, path);
    m->kind = kinds[k].kind;
    m->name = *path ? path : name;
    l->s->n++;
    if (!dir)
        return wc_fail_memory(l->err, strlen(path));
    if (m->kind == POOLING && l->pooled)
        return wc_fail(l->err, WC_BAD_FILE, "%s: entry %zu: type: a second Pooling", file, i);
    return m->kind == POOLING ? load_pooling(l, dir, m) : m->kind == DENSE ? load_dense(l, dir, m) : true;
}

static bool load_modules(struct loader *l)
{
    const char *file;
    const wc_json *list;
    if (!read_json(l, l->folder, "modules.json", WC_JSON_ARRAY, &file, &list))
        return false;
    const size_t n = wc_json_count(list);
    if (n > MAX_MODULES)
        return wc_fail(l->err, WC_BAD_FILE, "%s: expected at most %d modules, found %zu", file, MAX_MODULES,
                       n);
    l->s->modules = wc_arena_zalloc(l->arena, n + 1, sizeof *l->s->modules);
    if (!l->s->modules)
        return wc_fail_memory(l->err, n * sizeof *l->s->modules);
    for (size_t i = 0; i < n; i++)
        if (!load_module(l, file, i, wc_json_item(list, i)))
            return false;
    if (!list)
        l->s->modules[l->s->n++] = (struct module){
            .name = "Pooling", .poolings = {WC_POOL_MEAN}, .n_poolings = 1};
    if (!list || l->pooled)
        l->s->width = l->width;
    return true;
}

static bool load_prompts(struct loader *l)
{
    const char *file, *name;
    const wc_json *config, *prompts;
    if (!read_json(l, l->folder, "config_sentence_transformers.json", WC_JSON_OBJECT, &file, &config))
        return false;
    prompts = wc_json_get(config, "prompts");
    if (!wc_json_is_null(prompts) && !wc_json_is(prompts, WC_JSON_OBJECT))
        return wc_fail(l->err, WC_BAD_FILE, "%s: prompts: expected an object, found %s", file,
                       wc_json_type_name(prompts));
    for (size_t i = 0; i < wc_json_count(prompts); i++)
        if (!wc_json_is(wc_json_value(prompts, i), WC_JSON_STRING))
            return wc_fail(l->err, WC_BAD_FILE, "%s: prompts: %.60s: expected a string, found %s", file,
                           wc_json_key(prompts, i)->u.text, wc_json_type_name(wc_json_value(prompts, i)));
    l->s->prompts = wc_json_is_null(prompts) ? NULL : prompts;
    l->s->activation = wc_json_get(config, "activation_fn");
    l->s->similarity = wc_json_get(config, "similarity_fn_name");
    if (wc_json_is_null(wc_json_get(config, "default_prompt_name")))
        return true;
    if (!wc_config_string(file, config, "default_prompt_name", NULL, &name, l->err))
        return false;
    l->s->default_prompt = name;
    return wc_json_get(prompts, name)
               ? true
               : wc_fail(l->err, WC_BAD_FILE, "%s: default_prompt_name: %.60s is not among prompts", file,
                         name);
}

/* max_seq_length, else what the tokenizer says, else the model's positions. */
static bool load_max_tokens(struct loader *l, const wc_checkpoint *files, int positions)
{
    const char *file;
    const wc_json *config, *own = wc_json_get(wc_checkpoint_tokenizer_config(files), "model_max_length");
    const double most = wc_json_number(own, positions);
    const int fallback = most >= 1 && most < positions ? (int)most : positions;
    if (!read_json(l, l->folder, "sentence_bert_config.json", WC_JSON_OBJECT, &file, &config) ||
        !wc_config_int_or(file, config, "max_seq_length", fallback, 1, 1 << 30, &l->s->max_tokens, l->err))
        return false;
    if (l->s->max_tokens > positions)
        l->s->max_tokens = positions;
    return true;
}

wc_sentence *wc_sentence_open(wc_arena *a, const wc_checkpoint *files, const wc_net *net, wc_error *err)
{
    struct loader l = {
        .arena = a, .folder = wc_checkpoint_path(files), .width = net->hidden_size, .err = err};
    l.s = wc_arena_zalloc(a, 1, sizeof *l.s);
    if (!l.s) {
        wc_fail_memory(err, sizeof *l.s);
        return NULL;
    }
    if (load_modules(&l) && load_prompts(&l) && load_max_tokens(&l, files, net->context_length))
        return l.s;
    wc_sentence_close(l.s);
    return NULL;
}

void wc_sentence_close(wc_sentence *s)
{
    for (int i = 0; s && i < s->n; i++)
        wc_checkpoint_close(s->modules[i].weights);
}

int wc_sentence_width(const wc_sentence *s)
{
    return s->width;
}

int wc_sentence_max_tokens(const wc_sentence *s)
{
    return s->max_tokens;
}

const char *wc_sentence_prompt(const wc_sentence *s, const char *name)
{
    if (!name)
        name = s->default_prompt;
    if (!name)
        return "";
    const wc_json *prompt = wc_json_get(s->prompts, name);
    return prompt ? prompt->u.text : NULL;
}

const wc_json *wc_sentence_prompts(const wc_sentence *s)
{
    return s->prompts;
}

const char *wc_sentence_default_prompt(const wc_sentence *s)
{
    return s->default_prompt;
}

const wc_json *wc_sentence_similarity(const wc_sentence *s)
{
    return s->similarity;
}

const wc_json *wc_sentence_activation(const wc_sentence *s)
{
    return s->activation;
}

bool wc_sentence_skips_prompt(const wc_sentence *s)
{
    return s->skips_prompt;
}
