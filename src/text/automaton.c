/* automaton.c - see automaton.h.  The trie is built breadth first from the sorted patterns: a node is a range of
 * patterns that share their first bytes, and its children are the groups of that range by the next byte. */
#include "text/automaton.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/size.h"

/* A node while the trie is built: patterns [low, high) share their first depth bytes. */
struct range {
    uint32_t low, high, depth;
};

static unsigned char byte_at(const wc_automaton_pattern *p, size_t i, bool reversed)
{
    return (unsigned char)(reversed ? p->s[p->n - 1 - i] : p->s[i]);
}

static int by_value(const wc_automaton_pattern *x, const wc_automaton_pattern *y)
{
    return (x->value > y->value) - (x->value < y->value);
}

static int compare_forwards(const void *a, const void *b)
{
    const wc_automaton_pattern *x = a, *y = b;
    int order = memcmp(x->s, y->s, wc_min_size(x->n, y->n));
    if (order != 0)
        return order;
    return x->n != y->n ? (x->n > y->n) - (x->n < y->n) : by_value(x, y);
}

static int compare_backwards(const void *a, const void *b)
{
    const wc_automaton_pattern *x = a, *y = b;
    for (size_t i = 0; i < x->n && i < y->n; i++) {
        int order = (int)byte_at(x, i, true) - (int)byte_at(y, i, true);
        if (order != 0)
            return order;
    }
    return x->n != y->n ? (x->n > y->n) - (x->n < y->n) : by_value(x, y);
}

/* Gives node k its value and appends its children to the nodes. */
static void expand(wc_automaton *a, struct range *ranges, uint32_t k, const wc_automaton_pattern *p,
                   bool reversed)
{
    struct range r = ranges[k];
    a->child[k] = a->n_nodes;
    a->value[k] = -1;
    while (r.low < r.high && p[r.low].n == r.depth) { /* shorter ones come first: these are the node itself */
        if (a->value[k] < 0)
            a->value[k] = p[r.low].value;
        r.low++;
    }
    while (r.low < r.high) {
        unsigned char byte = byte_at(&p[r.low], r.depth, reversed);
        uint32_t end = r.low + 1;
        while (end < r.high && byte_at(&p[end], r.depth, reversed) == byte)
            end++;
        a->label[a->n_nodes] = byte;
        ranges[a->n_nodes++] = (struct range){r.low, end, r.depth + 1};
        r.low = end;
    }
}

/* The child of a node by byte, 0 when it has none. */
static uint32_t find_child(const wc_automaton *a, uint32_t node, unsigned char byte)
{
    if (node == 0)
        return a->root_next[byte];
    uint32_t first = a->child[node], n = a->child[node + 1] - first;
    if (n == 0)
        return 0;
    const unsigned char *found = memchr(a->label + first, byte, n);
    return found ? (uint32_t)(found - a->label) : 0;
}

uint32_t wc_automaton_step(const wc_automaton *a, uint32_t state, unsigned char byte)
{
    for (;;) {
        uint32_t next = find_child(a, state, byte);
        if (next != 0 || state == 0)
            return next;
        state = a->fail[state];
    }
}

static void link_suffixes(wc_automaton *a)
{
    for (uint32_t node = 0; node < a->n_nodes; node++) {
        for (uint32_t child = a->child[node]; child < a->child[node + 1]; child++) {
            if (node == 0)
                a->root_next[a->label[child]] = child;
            a->fail[child] = node == 0 ? 0 : wc_automaton_step(a, a->fail[node], a->label[child]);
            a->longest[child] = a->value[child] >= 0 ? child : a->longest[a->fail[child]];
        }
    }
}

bool wc_automaton_init(wc_automaton *a, wc_automaton_pattern *patterns, size_t n, bool reversed)
{
    size_t room = 1;
    struct range *ranges = NULL;
    bool ok = false;

    *a = (wc_automaton){0};
    for (size_t i = 0; i < n; i++)
        if (!wc_add_size(room, patterns[i].n, &room) || room > INT32_MAX)
            return false;
    if (n == 0)
        return true;
    qsort(patterns, n, sizeof *patterns, reversed ? compare_backwards : compare_forwards);
    ranges = wc_mem_alloc(room * sizeof *ranges);
    a->label = wc_mem_alloc(room);
    a->child = wc_mem_alloc((room + 1) * sizeof *a->child);
    a->value = wc_mem_alloc(room * sizeof *a->value);
    if (!ranges || !a->label || !a->child || !a->value)
        goto done;
    ranges[0] = (struct range){0, (uint32_t)n, 0};
    a->label[0] = 0;
    a->n_nodes = 1;
    for (uint32_t k = 0; k < a->n_nodes; k++)
        expand(a, ranges, k, patterns, reversed);
    a->child[a->n_nodes] = a->n_nodes;
    a->fail = wc_mem_zalloc(a->n_nodes, sizeof *a->fail);
    a->longest = wc_mem_zalloc(a->n_nodes, sizeof *a->longest);
    if (!a->fail || !a->longest)
        goto done;
    link_suffixes(a);
    ok = true;
done:
    wc_mem_free(ranges);
    if (!ok)
        wc_automaton_release(a);
    return ok;
}

void wc_automaton_release(wc_automaton *a)
{
    wc_mem_free(a->label);
    wc_mem_free(a->child);
    wc_mem_free(a->fail);
    wc_mem_free(a->longest);
    wc_mem_free(a->value);
    *a = (wc_automaton){0};
}
