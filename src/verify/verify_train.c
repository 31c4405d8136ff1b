/* verify_train.c - a training run of a golden folder: logits, losses, gradients, and the parameters after the optimizer's steps;
 * with an adapter (the folder "adapter" beside the values) also the logits without it and the weights that it merges into.
 *
 * The prompts are one batch of sequences with labels, and "hyperparameters" says how it is stepped on. */
#include <stdio.h>
#include <string.h>

#include "base/file_map.h"
#include "base/mem.h"
#include "base/size.h"
#include "formats/config.h"
#include "train/lora.h"
#include "train/trainer.h"
#include "verify/checks.h"

enum { MAX_STEPS = 1000, NAME_ROOM = 600 };

struct verification {
    wc_checks *c;
    wc_trainer t;
    wc_backend *other; /* with another number of threads than the trainer's */
    wc_sequence *batch;
    size_t n, n_rows; /* sequences, and their ids together */
    wc_hyperparameters h;
    int n_steps;
    float *logits; /* [n_rows, n_vocab] */
    float *losses; /* [n_steps + 1] */
};

/* ---- reading ---- */

static bool read_batch(struct verification *v, wc_error *err)
{
    const wc_golden *g = &v->c->golden;
    const wc_json *list = wc_json_get(g->json, "prompts");
    v->n = wc_json_count(list);
    v->batch = wc_arena_zalloc(g->arena, v->n + 1, sizeof *v->batch);
    if (!v->batch)
        return wc_fail_memory(err, v->n * sizeof *v->batch);
    for (size_t i = 0; i < v->n; i++) {
        wc_sequence *s = &v->batch[i];
        const wc_json *prompt = wc_json_item(list, i);
        int32_t *ids, *labels;
        size_t n_labels;
        if (!wc_golden_ids(g, prompt, "ids", v->t.net->n_vocab, 0, &ids, &s->n, err) ||
            !wc_golden_ids(g, prompt, "labels", v->t.net->n_vocab, WC_NO_LABEL, &labels, &n_labels, err))
            return false;
        s->ids = ids;
        s->labels = labels;
        if (n_labels != s->n)
            return wc_fail(err, WC_BAD_FILE, "%s: prompts: entry %zu: labels: expected %zu, found %zu",
                           g->file, i, s->n, n_labels);
        v->n_rows += s->n;
    }
    return v->n_rows > 0 || wc_fail(err, WC_BAD_FILE, "%s: prompts: expected ids, found none", g->file);
}

static bool read_hyperparameters(struct verification *v, wc_error *err)
{
    const wc_golden *g = &v->c->golden;
    const wc_json *h = wc_json_get(g->json, "hyperparameters");
    return wc_config_float(g->file, h, "lr", 0, 1e3, &v->h.lr, err) &&
           wc_config_float(g->file, h, "beta1", 0, 1, &v->h.beta1, err) &&
           wc_config_float(g->file, h, "beta2", 0, 1, &v->h.beta2, err) &&
           wc_config_float(g->file, h, "eps", 0, 1, &v->h.eps, err) &&
           wc_config_float(g->file, h, "weight_decay", 0, 1e3, &v->h.weight_decay, err) &&
           wc_config_int(g->file, h, "steps", 0, MAX_STEPS, &v->n_steps, err);
}

static bool alloc_results(struct verification *v, wc_error *err)
{
    size_t floats, bytes;
    if (!wc_mul_size(v->n_rows, (size_t)v->t.net->n_vocab, &floats) ||
        !wc_mul_size(floats, sizeof *v->logits, &bytes) || !(v->logits = wc_mem_alloc(bytes)))
        return wc_fail_memory(err, v->n_rows);
    v->losses = wc_arena_zalloc(v->c->golden.arena, (size_t)v->n_steps + 1, sizeof *v->losses);
    return v->losses != NULL || wc_fail_memory(err, (size_t)v->n_steps);
}

/* ---- comparing ---- */

/* Logits as the reference has them: [sequences, positions, n_vocab] where all are of one length. */
static void compare_logits(struct verification *v, const char *point)
{
    const size_t V = (size_t)v->t.net->n_vocab, T = v->batch[0].n;
    wc_tensor t = wc_tensor_of(v->logits, WC_F32, WC_SHAPE(v->n_rows, V));
    bool even = true;
    for (size_t i = 0; i < v->n; i++)
        even = even && v->batch[i].n == T;
    if (even)
        t = wc_tensor_reshape(t, WC_SHAPE(v->n, T, V));
    wc_checks_point(v->c, "", point, &t);
}

/* The parameter that the reference calls so: under any of the spellings that a checkpoint knows. */
static const wc_param *find_param(const struct verification *v, const char *name)
{
    const wc_params *p = &v->t.params;
    wc_tensor w;
    for (size_t i = 0; i < p->n; i++)
        if (strcmp(p->list[i].name, name) == 0)
            return &p->list[i];
    for (size_t i = 0; wc_checkpoint_find(v->t.files, name, &w) && i < p->n; i++)
        if (p->list[i].value.data == w.data)
            return &p->list[i];
    return NULL;
}

/* All values of a group of parameters: gradients, or the parameters themselves. */
static void compare_params(struct verification *v, const char *group, bool gradients)
{
    wc_golden *g = &v->c->golden;
    for (size_t i = 0; i < g->n; i++) {
        wc_golden_item *item = &g->items[i];
        if (strcmp(item->group, group) != 0)
            continue;
        const wc_param *p = find_param(v, item->point);
        if (!p)
            wc_checks_fail(v->c, item, "there is no such parameter");
        else
            wc_checks_compare(v->c, item, gradients ? &p->grad : &p->value);
    }
}

static void compare_merged(struct verification *v)
{
    wc_golden *g = &v->c->golden;
    for (size_t i = 0; i < g->n; i++) {
        wc_golden_item *item = &g->items[i];
        wc_tensor w;
        wc_lora_weight l;
        if (strcmp(item->group, "merged") != 0 || !wc_checkpoint_find(v->t.files, item->point, &w))
            continue;
        if (!wc_lora_find(&v->t.lora, &w, &l)) {
            wc_checks_fail(v->c, item, "this weight has no adapter");
            continue;
        }
        wc_arena_clear(v->t.step);
        wc_ctx ctx = {.backend = v->t.backend, .step = v->t.step};
        const wc_tensor merged = wc_lora_merged(&ctx, &l);
        if (ctx.failed)
            wc_checks_fail(v->c, item, "out of memory");
        else
            wc_checks_compare(v->c, item, &merged);
    }
}

/* ---- checks of our own ---- */

/* The pass that records gives what one that does not gives. */
static bool check_tape(struct verification *v, wc_error *err)
{
    char note[WC_NOTE_ROOM];
    const size_t V = (size_t)v->t.net->n_vocab;
    float *again = wc_mem_alloc(v->n_rows * V * sizeof *again);
    if (!again)
        return wc_fail_memory(err, v->n_rows * V * sizeof *again);
    const bool ok = wc_trainer_logits(&v->t, v->batch, v->n, true, again, err);
    if (ok) {
        const bool same = wc_checks_same_bits(v->logits, again, v->n_rows, V, note);
        wc_checks_tell(v->c, "tape", same, same ? "" : note);
    }
    wc_mem_free(again);
    return ok;
}

/* The gradients by other threads are the same; those of v->t stay as they are. */
static bool check_threads(struct verification *v, wc_error *err)
{
    wc_trainer *t = &v->t;
    char note[WC_NOTE_ROOM];
    double loss;
    const size_t bytes = t->params.floats * sizeof(float);
    float *first = wc_mem_alloc(bytes);
    if (!first)
        return wc_fail_memory(err, bytes);
    memcpy(first, t->params.grads, bytes);
    wc_backend *own = t->backend;
    t->backend = v->other;
    const bool ok = wc_trainer_gradients(t, v->batch, v->n, &loss, NULL, err);
    t->backend = own;
    if (ok) {
        const bool same = wc_checks_same_bits(first, t->params.grads, 1, t->params.floats, note);
        wc_checks_tell(v->c, "threads", same, same ? "" : note);
    }
    memcpy(t->params.grads, first, bytes);
    wc_mem_free(first);
    return ok;
}

/* ---- the run ---- */

/* Before the first step: logits, gradients. */
static bool check_start(struct verification *v, wc_error *err)
{
    double loss;
    if (wc_golden_find(&v->c->golden, "base_logits")) {
        if (!wc_trainer_logits(&v->t, v->batch, v->n, false, v->logits, err))
            return false;
        compare_logits(v, "base_logits");
    }
    if (!wc_trainer_gradients(&v->t, v->batch, v->n, &loss, v->logits, err))
        return false;
    float norm = (float)wc_params_grad_norm(&v->t.params);
    const wc_tensor norm_value = wc_tensor_of(&norm, WC_F32, WC_SHAPE(1));
    v->losses[0] = (float)loss;
    compare_logits(v, "logits");
    wc_checks_point(v->c, "", "grad_norm", &norm_value);
    compare_params(v, "grad", true);
    compare_merged(v);
    return (!wc_checks_want(v->c, "tape") || check_tape(v, err)) &&
           (!wc_checks_want(v->c, "threads") || check_threads(v, err));
}

/* The same batch at every step. */
static bool check_steps(struct verification *v, wc_error *err)
{
    char group[40];
    double loss;
    for (int i = 0; i < v->n_steps; i++) {
        if (i > 0 && !wc_trainer_gradients(&v->t, v->batch, v->n, &loss, NULL, err))
            return false;
        if (i > 0)
            v->losses[i] = (float)loss;
        wc_trainer_step(&v->t, &v->h);
    }
    if (v->n_steps > 0) {
        if (!wc_trainer_loss(&v->t, v->batch, v->n, &loss, err))
            return false;
        v->losses[v->n_steps] = (float)loss;
    }
    const wc_tensor losses = wc_tensor_of(v->losses, WC_F32, WC_SHAPE((size_t)v->n_steps + 1));
    wc_checks_point(v->c, "", "loss", &losses);
    snprintf(group, sizeof group, "after%d", v->n_steps);
    compare_params(v, group, false);
    return true;
}

static bool open_trainer(struct verification *v, const char *name, const wc_model_options *o, wc_error *err)
{
    const wc_golden *g = &v->c->golden;
    const char *adapter = wc_path_join(g->arena, g->folder, "adapter");
    if (!adapter)
        return wc_fail_memory(err, strlen(g->folder));
    if (o->slice)
        return wc_fail(err, WC_UNSUPPORTED, "--slice: only a whole model can be trained");
    const wc_trainer_options t = {
        .config = o->config, .adapter = wc_dir_exists(adapter) ? adapter : NULL, .n_threads = o->n_threads};
    if (!wc_trainer_open(&v->t, name, &t, err))
        return false;
    v->other = wc_backend_cpu_open(wc_pool_threads(v->t.backend->pool) > 1 ? 1 : 3, true, err);
    return v->other != NULL;
}

bool wc_verify_train(wc_checks *c, const char *name, const wc_model_options *options, wc_error *err)
{
    struct verification v = {.c = c};
    wc_model_options o = {0};
    wc_error why = {0};
    if (options)
        memcpy(&o, options, wc_min_size(options->size, sizeof o));
    const bool ok = open_trainer(&v, name, &o, err) && read_batch(&v, err) && read_hyperparameters(&v, err) &&
                    alloc_results(&v, err);
    if (ok) {
        wc_error infinite = {0};
        const bool finite = wc_checkpoint_check_finite(v.t.files, &infinite);
        wc_checks_tell(c, "weights.finite", finite, infinite.text);
    }
    if (ok && (!check_start(&v, &why) || !check_steps(&v, &why)))
        wc_checks_end(c, why.text);
    wc_mem_free(v.logits);
    wc_backend_close(v.other);
    wc_trainer_close(&v.t);
    return ok;
}
