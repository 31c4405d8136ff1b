/* wordpiece.c - see wordpiece.h. */
#include "text/wordpiece.h"

#include <string.h>

#include "base/utf8.h"

bool wc_wordpiece_init(wc_wordpiece *w, const wc_vocab *vocab, const char *prefix, size_t n_prefix,
                       wc_error *err)
{
    *w = (wc_wordpiece){.vocab = vocab, .unk_id = -1, .n_prefix = n_prefix};
    wc_automaton_pattern *patterns = wc_mem_alloc((vocab->n_ids + 1) * sizeof *patterns);
    size_t n_patterns = 0;
    bool ok = patterns != NULL;
    for (size_t id = 0; ok && id < vocab->n_ids; id++) {
        size_t n;
        const char *s = wc_vocab_token(vocab, (int32_t)id, &n);
        if (s && n > 0)
            patterns[n_patterns++] = (wc_automaton_pattern){s, n, (int32_t)id};
    }
    ok = ok && wc_automaton_init(&w->first, patterns, n_patterns, true);
    size_t n_later = 0;
    for (size_t i = 0; ok && i < n_patterns; i++) {
        wc_automaton_pattern p = patterns[i];
        if (p.n > n_prefix && memcmp(p.s, prefix, n_prefix) == 0)
            patterns[n_later++] = (wc_automaton_pattern){p.s + n_prefix, p.n - n_prefix, p.value};
    }
    ok = ok && wc_automaton_init(&w->later, patterns, n_later, true);
    wc_mem_free(patterns);
    return ok || wc_fail_memory(err, vocab->n_ids * sizeof *patterns);
}

void wc_wordpiece_release(wc_wordpiece *w)
{
    wc_automaton_release(&w->first);
    wc_automaton_release(&w->later);
}

void wc_wordpiece_scratch_release(wc_wordpiece_scratch *z)
{
    wc_mem_free(z->longest);
    *z = (wc_wordpiece_scratch){0};
}

/* The longest token that begins at each place of s, -1 for none; at place 0 as a first part, else as a later one. */
static void find_longest(const wc_wordpiece *w, const char *s, size_t n, int32_t *longest)
{
    uint32_t first = 0, later = 0;
    for (size_t i = n; i-- > 0;) {
        if (w->first.n_nodes > 0)
            first = wc_automaton_step(&w->first, first, (unsigned char)s[i]);
        if (w->later.n_nodes > 0)
            later = wc_automaton_step(&w->later, later, (unsigned char)s[i]);
        const wc_automaton *a = i == 0 ? &w->first : &w->later;
        uint32_t match = a->n_nodes > 0 ? wc_automaton_match(a, i == 0 ? first : later) : 0;
        longest[i] = match ? a->value[match] : -1;
    }
}

bool wc_wordpiece_encode(const wc_wordpiece *w, wc_wordpiece_scratch *z, const char *s, size_t n, wc_ids *out,
                         wc_spans *spans, wc_error *err)
{
    const size_t chars = wc_utf8_count(s, n), before = out->size, spans_before = spans ? spans->size : 0;
    if (n > z->room) {
        wc_mem_free(z->longest);
        z->room = 0;
        z->longest = wc_mem_alloc(n * sizeof *z->longest);
        if (!z->longest)
            return wc_fail_memory(err, n * sizeof *z->longest);
        z->room = n;
    }
    bool known = chars <= w->max_chars;
    if (known)
        find_longest(w, s, n, z->longest);
    for (size_t at = 0; known && at < n;) {
        int32_t id = z->longest[at];
        known = id >= 0;
        if (!known)
            break;
        const size_t end = at + w->vocab->tokens[id].bytes - (at > 0 ? w->n_prefix : 0);
        if (!wc_ids_add(out, id) || !wc_spans_add(spans, at, end))
            return wc_fail_memory(err, n * sizeof *out->data);
        at = end;
    }
    if (known)
        return true;
    out->size = before;
    if (spans)
        spans->size = spans_before;
    return (wc_ids_add(out, w->unk_id) && wc_spans_add(spans, 0, n)) ||
           wc_fail_memory(err, n * sizeof *out->data);
}
