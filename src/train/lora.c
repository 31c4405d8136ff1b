/* lora.c - see lora.h. */
#include "train/lora.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ops/grads.h"

enum { NAME_ROOM = 512 };

/* The weight that a pair stands beside: a matrix of its size. */
static bool find_weight(const wc_peft *files, const wc_peft_pair *pair, const wc_checkpoint *base,
                        wc_tensor *w, wc_error *err)
{
    char name[NAME_ROOM];
    if (snprintf(name, sizeof name, "%s.weight", pair->module) >= (int)sizeof name ||
        !wc_checkpoint_find(base, name, w))
        return wc_fail(err, WC_BAD_FILE, "%s: tensor %s: %s has no %s", files->file, pair->a.name,
                       wc_checkpoint_weights_file(base), name);
    if (w->ndim != 2 || !wc_dtype_get(w->dtype)->weight)
        return wc_fail(err, WC_UNSUPPORTED, "%s: tensor %s: %s is no matrix of weights", files->file,
                       pair->a.name, name);
    if (pair->a.shape[1] != w->shape[1] || pair->b.shape[0] != w->shape[0])
        return wc_fail(err, WC_BAD_FILE,
                       "%s: tensor %s: shape: expected [r, %zu] and lora_B's [%zu, r] for %s, found [r, %zu] "
                       "and [%zu, r]",
                       files->file, pair->a.name, w->shape[1], w->shape[0], name, pair->a.shape[1],
                       pair->b.shape[0]);
    return true;
}

static int by_address(const void *pa, const void *pb)
{
    const wc_lora_weight *a = pa, *b = pb;
    return (a->w.data > b->w.data) - (a->w.data < b->w.data);
}

bool wc_lora_attach(wc_lora *l, wc_params *p, wc_arena *a, const wc_peft *files, const wc_checkpoint *base,
                    wc_error *err)
{
    wc_tensor *sources = wc_arena_zalloc(a, 2 * files->n, sizeof *sources);
    *l = (wc_lora){.weights = wc_arena_zalloc(a, files->n, sizeof *l->weights), .n = files->n};
    if (!sources || !l->weights)
        return wc_fail_memory(err, files->n * sizeof *l->weights);
    for (size_t i = 0; i < l->n; i++) {
        sources[2 * i] = files->pairs[i].a;
        sources[2 * i + 1] = files->pairs[i].b;
        if (!find_weight(files, &files->pairs[i], base, &l->weights[i].w, err))
            return false;
    }
    if (!wc_params_init(p, sources, 2 * l->n, err))
        return false;
    for (size_t i = 0; i < l->n; i++) {
        l->weights[i].a = p->list[2 * i].value;
        l->weights[i].b = p->list[2 * i + 1].value;
        l->weights[i].scale = (float)files->pairs[i].scale;
    }
    qsort(l->weights, l->n, sizeof *l->weights, by_address);
    for (size_t i = 1; i < l->n; i++)
        if (l->weights[i].w.data == l->weights[i - 1].w.data)
            return wc_fail(err, WC_BAD_FILE, "%s: tensor %s has two adapters", files->file,
                           l->weights[i].w.name);
    return true;
}

wc_tensor wc_lora_merged(wc_ctx *c, const wc_lora_weight *w)
{
    wc_tensor y = wc_op_transpose(c,
                                  wc_op_transpose(c, w->w)); /* in f32 and in order, however it is stored */
    wc_tensor ba = wc_op_linear(c, w->b, wc_op_transpose(c, w->a));
    return wc_op_add(c, y, wc_op_scale(c, ba, w->scale));
}
