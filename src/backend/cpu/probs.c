/* probs.c - the probabilities of attention, written down for an observer: plain loops, as nothing waits for them. */
#include <math.h>

#include "backend/cpu/cpu.h"

/* Scores of query q against the keys at positions low .. high, into row [high + 1]. */
static void score_row(const struct cpu *c, float *row, const float *q, const wc_kv_layer *kv, int kv_head,
                      int low, int high)
{
    const size_t kd = (size_t)kv->key_dim;
    for (int pos = low; pos <= high; pos++) {
        const char *page = kv->pages[0][pos / WC_KV_PAGE] + wc_kv_key_offset(kv, kv_head);
        const char *key = page + (size_t)(pos % WC_KV_PAGE) * kd * stored_bytes(kv->dtype);
        c->k->dot[kv->dtype](row + pos, 1, q, kd, 1, key, kd, 1, kd);
    }
}

static void softmax_row(float *row, int low, int high, const wc_attention *a)
{
    float top = -INFINITY, sum = 0;
    for (int i = low; i <= high; i++) {
        row[i] *= a->scale;
        if (a->soft_cap > 0)
            row[i] = a->soft_cap * tanhf(row[i] / a->soft_cap);
        top = fmaxf(top, row[i]);
    }
    for (int i = low; i <= high; i++)
        sum += row[i] = expf(row[i] - top);
    for (int i = low; i <= high; i++)
        row[i] /= sum;
}

static void attention_probs(wc_backend *b, wc_tensor y, wc_tensor q, const wc_kv_layer *kv,
                            const wc_row_map *rows, const wc_attention *a)
{
    const size_t n = q.shape[0], m = width_of(&y), kd = (size_t)a->key_dim;
    const int group = a->n_heads / a->n_kv_heads;
    memset(y.data, 0, wc_tensor_elems(&y) * sizeof(float));
    for (int h = 0; h < a->n_heads; h++)
        for (size_t r = 0; r < n; r++) {
            const int high = rows->last_visible ? rows->last_visible[r] : rows->pos[r];
            const int low = a->window > 0 && rows->pos[r] >= a->window ? rows->pos[r] - a->window + 1 : 0;
            float *row = f32(y) + ((size_t)h * n + r) * m;
            score_row(cpu_of(b), row, f32(q) + (r * (size_t)a->n_heads + (size_t)h) * kd, kv, h / group, low,
                      high);
            softmax_row(row, low, high, a);
        }
}

void wc_cpu_fill_probs(wc_backend *b)
{
    b->attention_probs = attention_probs;
}
