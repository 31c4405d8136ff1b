/* local.c - attention over the frames around a frame (Transformer-XL's relative positions, Dai et al. 2019,
 * arXiv:1901.02860, within the window of a conformer).  A frame sees a dozen keys: each row is done by itself. */
#include <math.h>
#include <string.h>

#include "backend/cpu/cpu.h"
#include "base/size.h"

enum { FEW_ROWS = 4 };

struct job {
    struct cpu *c;
    wc_tensor y, q, k, v, r;
    wc_local_attention a;
};

/* score[i] = q k_i + q r_i over n keys and positions, all rows d of a head, stride apart. */
static void score(const struct job *j, float *scores, float *relative, const float *q, const float *k,
                  const float *r, size_t n)
{
    const size_t stride = width_of(&j->q), d = (size_t)j->a.head_dim;
    j->c->k->dot[WC_F32](scores, n, q, d, 1, k, stride, n, d);
    j->c->k->dot[WC_F32](relative, n, q, d, 1, r, stride, n, d);
    j->c->k->add(scores, scores, relative, 1, n);
}

static void run_frames(void *job, size_t first, size_t n)
{
    const struct job *j = job;
    const size_t stride = width_of(&j->q), d = (size_t)j->a.head_dim, past = (size_t)j->a.past;
    struct scratch *s = wc_cpu_take_scratch(j->c);
    for (size_t t = first; t < first + n; t++) {
        const size_t low = t > past ? t - past : 0,
                     end = wc_min_size(t + (size_t)j->a.future + 1, j->a.n_valid);
        for (size_t at = 0; at < stride; at += d) {
            float *y = f32(j->y) + t * stride + at, m = -INFINITY, z = 0;
            const float none = 0;
            memset(y, 0, d * sizeof *y);
            if (low >= end)
                continue;
            score(j, s->scores, s->queries, f32(j->q) + t * stride + at, f32(j->k) + low * stride + at,
                  f32(j->r) + (low + past - t) * stride + at, end - low);
            j->c->k->weigh(s->scores, end - low, 1, j->a.soft_cap, &m, &z);
            j->c->k->mix(y, d, &none, s->scores, end - low, f32(j->v) + low * stride + at, stride, 1,
                         end - low, d);
            j->c->k->scale(y, y, 1 / z, d);
        }
    }
    wc_cpu_put_scratch(j->c, s);
}

static void local_attention(wc_backend *b, wc_tensor y, wc_tensor q, wc_tensor k, wc_tensor v, wc_tensor r,
                            const wc_local_attention *a)
{
    struct job j = {.c = cpu_of(b), .y = y, .q = q, .k = k, .v = v, .r = r, .a = *a};
    wc_cpu_for(j.c, run_frames, &j, q.shape[0], FEW_ROWS);
}

/* Entry (h, u, w, c) of the scores; see backend.h. */
static float score_at(const struct job *j, size_t t, size_t w, size_t c, size_t at)
{
    const size_t stride = width_of(&j->q), d = (size_t)j->a.head_dim, past = (size_t)j->a.past;
    const size_t span = past + (size_t)j->a.future, key = t - w + c; /* past more than the key's place */
    float content = 0, relative = 0;
    if (t >= j->q.shape[0])
        return 0;
    const float *q = f32(j->q) + t * stride + at;
    if (key >= past && key - past < j->k.shape[0])
        j->c->k->dot[WC_F32](&content, 1, q, d, 1, f32(j->k) + (key - past) * stride + at, stride, 1, d);
    if (c >= w && c - w <= span)
        j->c->k->dot[WC_F32](&relative, 1, q, d, 1, f32(j->r) + (c - w) * stride + at, stride, 1, d);
    return content + relative;
}

static void local_scores(wc_backend *b, wc_tensor y, wc_tensor q, wc_tensor k, wc_tensor r,
                         const wc_local_attention *a)
{
    const struct job j = {.c = cpu_of(b), .q = q, .k = k, .r = r, .a = *a};
    const size_t chunks = y.shape[1], chunk = y.shape[2], context = y.shape[3];
    float *to = f32(y);
    for (size_t h = 0; h < y.shape[0]; h++)
        for (size_t t = 0; t < chunks * chunk; t++)
            for (size_t c = 0; c < context; c++)
                *to++ = score_at(&j, t, t % chunk, c, h * (size_t)a->head_dim);
}

void wc_cpu_fill_local(wc_backend *b)
{
    b->local_attention = local_attention;
    b->local_scores = local_scores;
}
