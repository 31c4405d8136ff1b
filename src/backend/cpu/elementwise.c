/* elementwise.c - one operation for every element: cut into stretches, one kernel call each. */
#include "backend/cpu/cpu.h"

enum { LEAST = 16 * 1024 }; /* elements worth a chunk of their own */

struct job {
    struct cpu *c;
    float *y;
    const float *x, *z;
    float s;
    wc_act act;
};

static void run_act(void *job, size_t i, size_t n)
{
    const struct job *j = job;
    j->c->k->act[j->act](j->y + i, j->x + i, n);
}

static void run_add(void *job, size_t i, size_t n)
{
    const struct job *j = job;
    j->c->k->add(j->y + i, j->x + i, j->z + i, j->s, n);
}

static void run_act_mul(void *job, size_t i, size_t n)
{
    const struct job *j = job;
    j->c->k->act_mul[j->act](j->y + i, j->x + i, j->z + i, n);
}

static void run_scale(void *job, size_t i, size_t n)
{
    const struct job *j = job;
    j->c->k->scale(j->y + i, j->x + i, j->s, n);
}

static void run_soft_cap(void *job, size_t i, size_t n)
{
    const struct job *j = job;
    j->c->k->soft_cap(j->y + i, j->x + i, j->s, n);
}

static void run_clamp(void *job, size_t i, size_t n)
{
    const struct job *j = job;
    for (size_t k = i; k < i + n; k++)
        j->y[k] = j->x[k] > j->s ? j->s : j->x[k] < -j->s ? -j->s : j->x[k];
}

static void act(wc_backend *b, wc_tensor y, wc_tensor x, wc_act a)
{
    struct job j = {.c = cpu_of(b), .y = f32(y), .x = f32(x), .act = a};
    wc_cpu_for(j.c, run_act, &j, wc_tensor_elems(&x), LEAST / 4);
}

static void add(wc_backend *b, wc_tensor y, wc_tensor x, wc_tensor z, float s)
{
    struct job j = {.c = cpu_of(b), .y = f32(y), .x = f32(x), .z = f32(z), .s = s};
    wc_cpu_for(j.c, run_add, &j, wc_tensor_elems(&x), LEAST);
}

static void act_mul(wc_backend *b, wc_tensor y, wc_tensor x, wc_tensor z, wc_act a)
{
    struct job j = {.c = cpu_of(b), .y = f32(y), .x = f32(x), .z = f32(z), .act = a};
    wc_cpu_for(j.c, run_act_mul, &j, wc_tensor_elems(&x), LEAST / 4);
}

static void mul(wc_backend *b, wc_tensor y, wc_tensor x, wc_tensor z)
{
    act_mul(b, y, x, z, WC_ACT_NONE);
}

static void scale(wc_backend *b, wc_tensor y, wc_tensor x, float s)
{
    struct job j = {.c = cpu_of(b), .y = f32(y), .x = f32(x), .s = s};
    wc_cpu_for(j.c, run_scale, &j, wc_tensor_elems(&x), LEAST);
}

static void soft_cap(wc_backend *b, wc_tensor y, wc_tensor x, float cap)
{
    struct job j = {.c = cpu_of(b), .y = f32(y), .x = f32(x), .s = cap};
    wc_cpu_for(j.c, run_soft_cap, &j, wc_tensor_elems(&x), LEAST / 4);
}

static void clamp(wc_backend *b, wc_tensor y, wc_tensor x, float limit)
{
    struct job j = {.c = cpu_of(b), .y = f32(y), .x = f32(x), .s = limit};
    wc_cpu_for(j.c, run_clamp, &j, wc_tensor_elems(&x), LEAST);
}

void wc_cpu_fill_elementwise(wc_backend *b)
{
    b->act = act;
    b->add = add;
    b->mul = mul;
    b->act_mul = act_mul;
    b->scale = scale;
    b->soft_cap = soft_cap;
    b->clamp = clamp;
}
