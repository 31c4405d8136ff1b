/* trace.c - see trace.h. */
#include "text/trace.h"

#include "base/mem.h"
#include "base/size.h"
#include "base/utf8.h"

void wc_trace_release(wc_trace *t)
{
    wc_mem_free(t->from);
    *t = (wc_trace){0};
}

void wc_trace_reset(wc_trace *t)
{
    t->size = 0;
    t->failed = false;
}

bool wc_trace_check(const wc_trace *t, wc_error *err)
{
    return !t->failed || wc_fail_memory(err, 2 * t->room * sizeof *t->from);
}

static bool grow(wc_trace *t, size_t n)
{
    size_t bytes, room = wc_max_size(2 * t->room, wc_max_size(t->size + n, 64));
    if (t->size + n <= t->room)
        return true;
    uint32_t *grown = wc_mul_size(room, sizeof *grown, &bytes) ? wc_mem_realloc(t->from, bytes) : NULL;
    if (!grown) {
        t->failed = true;
        return false;
    }
    t->from = grown;
    t->room = room;
    return true;
}

void wc_trace_copy(wc_trace *t, size_t first, size_t n)
{
    if (!grow(t, n))
        return;
    for (size_t i = 0; i < n; i++)
        t->from[t->size++] = (uint32_t)(first + i);
}

void wc_trace_put(wc_trace *t, size_t first, size_t n)
{
    if (!grow(t, n))
        return;
    for (size_t i = 0; i < n; i++)
        t->from[t->size++] = (uint32_t)first;
}

void wc_trace_through(wc_trace *t, wc_trace *step)
{
    const wc_trace old = *t;
    for (size_t i = 0; old.size > 0 && i < step->size; i++)
        step->from[i] = old.from[step->from[i]];
    step->failed |= old.failed;
    *t = *step;
    *step = old;
}

void wc_changes_end(wc_changes *c)
{
    uint32_t unused;
    if (!c->trace || c->bytes == 0)
        return;
    wc_trace_put(c->trace, c->change > 0 && c->at > 0 ? c->at - 1 : wc_min_size(c->at, c->n - 1), c->bytes);
    for (int i = c->change; i <= 0 && c->at < c->n; i++)
        c->at += wc_utf8_decode(c->s + c->at, c->n - c->at, &unused);
    c->bytes = 0;
}

void wc_changes_add(wc_changes *c, size_t bytes, int change)
{
    wc_changes_end(c);
    c->bytes = bytes;
    c->change = change;
}

void wc_changes_replace(wc_changes *c, size_t n_old, const char *text, size_t n)
{
    const size_t n_new = c->trace ? wc_utf8_count(text, n) : 0;
    uint32_t unused;
    size_t i = 0;
    if (!c->trace)
        return;
    for (size_t at = 0, bytes; at < n; at += bytes, i++) {
        bytes = wc_utf8_decode(text + at, n - at, &unused);
        wc_changes_add(c, bytes, n_new > n_old && i >= n_old ? 1 : 0);
    }
    if (n_new < n_old && c->bytes > 0)
        c->change -= (int)(n_old - n_new);
}
