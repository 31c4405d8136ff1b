/* params.c - see params.h. */
#include "train/params.h"

#include <math.h>
#include <string.h>

#include "base/size.h"
#include "tensor/store.h"

enum { ALIGN = 16 }; /* floats: a tensor begins at a cache line */

/* Floats that a tensor takes in each stretch; false on overflow. */
static bool room_for(const wc_tensor *t, size_t *floats)
{
    size_t n = ALIGN - 1;
    if (!wc_add_size(wc_tensor_elems(t), n, &n))
        return false;
    *floats = n / ALIGN * ALIGN;
    return true;
}

static float *zeros(wc_params *p, wc_error *err)
{
    float *x = wc_arena_zalloc(p->arena, p->floats, sizeof *x);
    if (!x)
        wc_fail_memory(err, p->floats);
    return x;
}

static bool alloc(wc_params *p, const wc_tensor *sources, wc_error *err)
{
    for (size_t i = 0; i < p->n; i++) {
        size_t floats;
        if (!room_for(&sources[i], &floats) || !wc_add_size(p->floats, floats, &p->floats))
            return wc_fail_memory(err, SIZE_MAX);
    }
    p->list = wc_arena_zalloc(p->arena, p->n, sizeof *p->list);
    if (!p->list)
        return wc_fail_memory(err, p->n * sizeof *p->list);
    return (p->values = zeros(p, err)) && (p->grads = zeros(p, err)) && (p->m = zeros(p, err)) &&
           (p->v = zeros(p, err));
}

static wc_tensor part(float *stretch, size_t at, const wc_tensor *like)
{
    return wc_tensor_of(stretch + at, WC_F32, like->ndim, like->shape);
}

bool wc_params_init(wc_params *p, const wc_tensor *sources, size_t n, wc_error *err)
{
    *p = (wc_params){.arena = wc_arena_new(0), .n = n};
    if (!p->arena)
        return wc_fail_memory(err, 100);
    if (!alloc(p, sources, err)) {
        wc_params_release(p);
        return false;
    }
    for (size_t i = 0, at = 0, floats = 0; i < n; i++, at += floats) {
        const wc_tensor *s = &sources[i];
        room_for(s, &floats);
        p->list[i] = (wc_param){.name = s->name,
                                .value = part(p->values, at, s),
                                .grad = part(p->grads, at, s),
                                .m = part(p->m, at, s),
                                .v = part(p->v, at, s)};
        wc_store_widen(p->values + at, s->data, s->dtype, wc_tensor_elems(s));
    }
    return true;
}

void wc_params_release(wc_params *p)
{
    wc_arena_free(p->arena);
    *p = (wc_params){0};
}

bool wc_params_has(const wc_params *p, const wc_tensor *w)
{
    const float *at = w->data;
    return at && w->dtype == WC_F32 && at >= p->values && at < p->values + p->floats;
}

/* The parameter that holds the float at an offset. */
static wc_param *holder(const wc_params *p, size_t at)
{
    size_t low = 0, high = p->n;
    while (high - low > 1) {
        const size_t mid = low + (high - low) / 2;
        if ((size_t)((const float *)p->list[mid].value.data - p->values) <= at)
            low = mid;
        else
            high = mid;
    }
    return &p->list[low];
}

bool wc_params_grad(wc_params *p, const wc_tensor *w, wc_tensor *grad)
{
    if (!wc_params_has(p, w))
        return false;
    const size_t at = (size_t)((const float *)w->data - p->values);
    holder(p, at)->used = true;
    *grad = *w;
    grad->data = p->grads + at;
    return true;
}

void wc_params_clear(wc_params *p)
{
    memset(p->grads, 0, p->floats * sizeof *p->grads);
    for (size_t i = 0; i < p->n; i++)
        p->list[i].used = false;
}

double wc_params_grad_norm(const wc_params *p)
{
    double sum = 0;
    for (size_t i = 0; i < p->floats; i++)
        sum += (double)p->grads[i] * (double)p->grads[i];
    return sqrt(sum);
}
