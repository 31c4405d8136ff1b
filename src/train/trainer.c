/* trainer.c - see trainer.h. */
#include "train/trainer.h"

#include <string.h>

#include "base/size.h"
#include "ops/grads.h"
#include "train/backward.h"
#include "train/lora.h"

/* ---- life ---- */

static bool is_float(wc_dtype t)
{
    return t == WC_F32 || t == WC_F16 || t == WC_BF16;
}

/* Every tensor of floats becomes a parameter, over which the model is then loaded. */
static bool take_weights(wc_trainer *t, wc_error *err)
{
    const size_t n = wc_checkpoint_n_tensors(t->files);
    size_t n_taken = 0, *which = wc_arena_zalloc(t->arena, n + 1, sizeof *which);
    wc_tensor *sources = wc_arena_zalloc(t->arena, n + 1, sizeof *sources);
    if (!which || !sources)
        return wc_fail_memory(err, n * sizeof *sources);
    for (size_t i = 0; i < n; i++) {
        const wc_tensor source = wc_checkpoint_tensor(t->files, i);
        if (is_float(source.dtype)) {
            which[n_taken] = i;
            sources[n_taken++] = source;
        }
    }
    if (!wc_params_init(&t->params, sources, n_taken, err))
        return false;
    for (size_t i = 0; i < n_taken; i++)
        if (!wc_checkpoint_replace(t->files, which[i], &t->params.list[i].value, err))
            return false;
    return true;
}

static bool take_adapter(wc_trainer *t, const char *folder, wc_error *err)
{
    return wc_peft_open(&t->peft, folder, err) &&
           wc_lora_attach(&t->lora, &t->params, t->arena, &t->peft, t->files, err);
}

static bool load(wc_trainer *t, wc_error *err)
{
    t->net = wc_net_load(t->arena, t->files, NULL, err);
    if (!t->net)
        return false;
    return t->net->without_pages || wc_fail(err, WC_UNSUPPORTED, "%s: model_type: %s cannot be trained",
                                            wc_checkpoint_config_file(t->files), t->net->model_type);
}

bool wc_trainer_open(wc_trainer *t, const char *name, const wc_trainer_options *o, wc_error *err)
{
    const wc_checkpoint_options files = {.config = o->config};
    const char *path = NULL;
    *t = (wc_trainer){.arena = wc_arena_new(0), .step = wc_arena_new(0), .tape.arena = wc_arena_new(0)};
    bool ok = (t->arena && t->step && t->tape.arena) || wc_fail_memory(err, 100);
    ok = ok && (path = wc_hub_resolve(t->arena, name, err)) &&
         (t->files = wc_checkpoint_open(path, &files, err)) &&
         (o->adapter ? take_adapter(t, o->adapter, err) : take_weights(t, err)) && load(t, err) &&
         (t->backend = wc_backend_cpu_open(o->n_threads, true, err));
    if (!ok)
        wc_trainer_close(t);
    return ok;
}

void wc_trainer_close(wc_trainer *t)
{
    wc_backend_close(t->backend);
    wc_params_release(&t->params);
    wc_peft_close(&t->peft);
    wc_checkpoint_close(t->files);
    wc_arena_free(t->tape.arena);
    wc_arena_free(t->step);
    wc_arena_free(t->arena);
    *t = (wc_trainer){0};
}

/* ---- batches ---- */

/* The rows of a batch, in the step arena. */
struct rows {
    int32_t *ids, *pos, *seq, *lengths, *targets;
    size_t n, n_targets;
};

static bool check_sequence(const wc_trainer *t, const wc_sequence *s, size_t index, wc_error *err)
{
    const int n_vocab = t->net->n_vocab;
    if (s->n == 0 || s->n > (size_t)t->net->context_length)
        return wc_fail(err, WC_REFUSED, "sequence %zu: expected 1 to %d tokens, found %zu", index,
                       t->net->context_length, s->n);
    for (size_t i = 0; i < s->n; i++) {
        if (s->ids[i] < 0 || s->ids[i] >= n_vocab)
            return wc_fail(err, WC_BAD_ARGUMENT, "sequence %zu: id %zu: expected 0 to %d, found %d", index, i,
                           n_vocab - 1, (int)s->ids[i]);
        if (s->labels[i] != WC_NO_LABEL && (s->labels[i] < 0 || s->labels[i] >= n_vocab))
            return wc_fail(err, WC_BAD_ARGUMENT, "sequence %zu: label %zu: expected %d or 0 to %d, found %d",
                           index, i, WC_NO_LABEL, n_vocab - 1, (int)s->labels[i]);
    }
    return true;
}

static void add_sequence(struct rows *r, const wc_sequence *s, size_t index)
{
    for (size_t i = 0; i < s->n; i++, r->n++) {
        const int32_t next = i + 1 < s->n ? s->labels[i + 1] : WC_NO_LABEL;
        r->ids[r->n] = s->ids[i];
        r->pos[r->n] = (int32_t)i;
        r->seq[r->n] = (int32_t)index;
        r->lengths[r->n] = (int32_t)s->n;
        r->targets[r->n] = next;
        r->n_targets += next != WC_NO_LABEL;
    }
}

static bool make_rows(wc_trainer *t, const wc_sequence *batch, size_t n, struct rows *r, wc_error *err)
{
    size_t total = 0, bytes;
    *r = (struct rows){0};
    for (size_t i = 0; i < n; i++)
        if (!check_sequence(t, &batch[i], i, err))
            return false;
        else if (!wc_add_size(total, batch[i].n, &total))
            return wc_fail_memory(err, total);
    if (total == 0 || total > INT32_MAX / 4)
        return wc_fail(err, WC_BAD_ARGUMENT, "batch: expected 1 to %d tokens, found %zu", INT32_MAX / 4,
                       total);
    int32_t **parts[] = {&r->ids, &r->pos, &r->seq, &r->lengths, &r->targets};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (!wc_mul_size(total, sizeof **parts[i], &bytes) || !(*parts[i] = wc_arena_alloc(t->step, bytes)))
            return wc_fail_memory(err, total);
    for (size_t i = 0; i < n; i++)
        add_sequence(r, &batch[i], i);
    return true;
}

/* ---- passes ---- */

/* The logits [rows, n_vocab] of a batch; c is filled, the step arena begins anew. */
static bool forward(wc_trainer *t, const wc_sequence *batch, size_t n, bool adapted, bool recorded, wc_ctx *c,
                    struct rows *r, wc_tensor *logits, wc_error *err)
{
    wc_arena_clear(t->step);
    wc_tape_reset(&t->tape);
    *c = (wc_ctx){.backend = t->backend,
                  .step = t->step,
                  .whole = true,
                  .tape = recorded ? &t->tape : NULL,
                  .lora = adapted && t->lora.n > 0 ? &t->lora : NULL};
    if (!make_rows(t, batch, n, r, err))
        return false;
    const wc_batch rows = {.rows = {.n = (int)r->n, .pos = r->pos, .seq = r->seq, .n_seqs = (int)n},
                           .lengths = r->lengths,
                           .ids = r->ids,
                           .n_out = (int)r->n};
    *logits = t->net->family->forward(c, t->net, &rows);
    return !c->failed ||
           wc_fail(err, WC_NO_MEMORY, "training: a batch of %zu tokens does not fit into memory", r->n);
}

static void copy_logits(float *to, const wc_tensor *logits)
{
    memcpy(to, logits->data, wc_tensor_elems(logits) * sizeof *to);
}

bool wc_trainer_logits(wc_trainer *t, const wc_sequence *batch, size_t n, bool adapted, float *logits,
                       wc_error *err)
{
    wc_ctx c;
    struct rows r;
    wc_tensor computed;
    if (!forward(t, batch, n, adapted, false, &c, &r, &computed, err))
        return false;
    copy_logits(logits, &computed);
    return true;
}

/* The mean loss of the rows that have a target, and its derivative by the logits. */
static bool measure(wc_ctx *c, const struct rows *r, wc_tensor logits, wc_tensor *dlogits, double *loss,
                    wc_error *err)
{
    wc_ctx quiet = *c;
    double sum = 0;
    quiet.tape = NULL;
    if (r->n_targets == 0)
        return wc_fail(err, WC_BAD_ARGUMENT, "batch: expected a label behind some position, found none");
    const wc_tensor losses = wc_op_cross_entropy(&quiet, logits, r->targets,
                                                 (float)(1.0 / (double)r->n_targets), dlogits);
    if (quiet.failed)
        return wc_fail(err, WC_NO_MEMORY, "training: the gradients do not fit into memory");
    for (size_t i = 0; i < r->n; i++)
        sum += (double)((const float *)losses.data)[i];
    *loss = sum / (double)r->n_targets;
    return true;
}

bool wc_trainer_loss(wc_trainer *t, const wc_sequence *batch, size_t n, double *loss, wc_error *err)
{
    wc_ctx c;
    struct rows r;
    wc_tensor logits, dlogits;
    return forward(t, batch, n, true, false, &c, &r, &logits, err) &&
           measure(&c, &r, logits, &dlogits, loss, err);
}

bool wc_trainer_gradients(wc_trainer *t, const wc_sequence *batch, size_t n, double *loss, float *logits,
                          wc_error *err)
{
    wc_ctx c;
    struct rows r;
    wc_tensor computed, dlogits;
    if (!forward(t, batch, n, true, true, &c, &r, &computed, err) ||
        !measure(&c, &r, computed, &dlogits, loss, err))
        return false;
    if (logits)
        copy_logits(logits, &computed);
    wc_params_clear(&t->params);
    return wc_backward(&c, &t->params, computed, dlogits, err);
}

void wc_trainer_step(wc_trainer *t, const wc_hyperparameters *h)
{
    wc_ctx c = {.backend = t->backend, .step = t->step};
    wc_optimizer_step(&c, &t->params, h, ++t->n_steps);
}
