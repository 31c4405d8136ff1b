/* stop.c - the automaton of Aho and Corasick (Efficient String Matching: An Aid to Bibliographic Search, 1975).
 *
 * The strings form a trie; the state after some text is the node that spells the longest end of the text which begins a
 * string.  So the depth of the state is just what must be held back, and a byte costs a step whatever the number of
 * strings.  A node's link leads to the node of the longest proper end of what it spells. */
#include "generate/stop.h"

#include <string.h>

#include "base/buf.h"
#include "base/mem.h"

enum { MAX_STOP_BYTES = 1 << 20, ROOT = 0, MAX_HELD_BYTES = 64 << 20 };

struct node {
    int child, sibling; /* ROOT: none */
    int link;
    int depth; /* bytes that lead here */
    int found; /* length of the longest string that ends here; 0: none does */
    unsigned char byte;
};

struct wc_stop {
    struct node *nodes;
    int n_nodes;
    int state;
    wc_buf text; /* [given]: given out by the last call; behind it what is held back */
    size_t given;
    bool done;
};

static int find_child(const wc_stop *s, int node, unsigned char byte)
{
    int child = s->nodes[node].child;
    while (child != ROOT && s->nodes[child].byte != byte)
        child = s->nodes[child].sibling;
    return child;
}

/* The state after one more byte. */
static int step(const wc_stop *s, int state, unsigned char byte)
{
    for (;;) {
        int child = find_child(s, state, byte);
        if (child != ROOT || state == ROOT)
            return child;
        state = s->nodes[state].link;
    }
}

static void add_string(wc_stop *s, const char *string)
{
    int at = ROOT;
    for (const char *p = string; *p; p++) {
        int child = find_child(s, at, (unsigned char)*p);
        if (child == ROOT) {
            child = s->n_nodes++;
            s->nodes[child] = (struct node){
                .sibling = s->nodes[at].child, .depth = s->nodes[at].depth + 1, .byte = (unsigned char)*p};
            s->nodes[at].child = child;
        }
        at = child;
    }
    s->nodes[at].found = s->nodes[at].depth;
}

/* Links in the order of depth: a link leads to a lesser depth, whose own links are then complete.  queue [n_nodes]. */
static void make_links(wc_stop *s, int *queue)
{
    int head = 0, tail = 0;
    queue[tail++] = ROOT;
    while (head < tail) {
        int at = queue[head++];
        for (int child = s->nodes[at].child; child != ROOT; child = s->nodes[child].sibling) {
            struct node *node = &s->nodes[child];
            node->link = at == ROOT ? ROOT : step(s, s->nodes[at].link, node->byte);
            if (node->found == 0)
                node->found = s->nodes[node->link].found;
            queue[tail++] = child;
        }
    }
}

wc_stop *wc_stop_new(const char *const *strings, size_t n, wc_error *err)
{
    wc_stop *s = NULL;
    int *queue = NULL;
    bool ok = false;
    size_t bytes = 0;
    for (size_t i = 0; i < n; i++) {
        size_t length = strings[i] ? strlen(strings[i]) : 0;
        if (length == 0) {
            wc_fail(err, WC_BAD_ARGUMENT, "stop: string %zu: expected at least one byte, found none", i);
            goto done;
        }
        if (length > MAX_STOP_BYTES - bytes) {
            wc_fail(err, WC_BAD_ARGUMENT, "stop: expected strings of at most %d bytes in all, found more",
                    MAX_STOP_BYTES);
            goto done;
        }
        bytes += length;
    }
    s = wc_mem_zalloc(1, sizeof *s);
    queue = wc_mem_zalloc(bytes + 1, sizeof *queue);
    if (s)
        s->nodes = wc_mem_zalloc(bytes + 1, sizeof *s->nodes);
    if (!s || !queue || !s->nodes) {
        wc_fail_memory(err, (bytes + 1) * sizeof *s->nodes);
        goto done;
    }
    wc_buf_init(&s->text, MAX_HELD_BYTES);
    s->n_nodes = 1;
    for (size_t i = 0; i < n; i++)
        add_string(s, strings[i]);
    make_links(s, queue);
    ok = true;
done:
    wc_mem_free(queue);
    if (!ok) {
        wc_stop_free(s);
        s = NULL;
    }
    return s;
}

void wc_stop_free(wc_stop *s)
{
    if (!s)
        return;
    wc_buf_release(&s->text);
    wc_mem_free(s->nodes);
    wc_mem_free(s);
}

/* Forgets what the last call gave out. */
static void forget_given(wc_stop *s)
{
    size_t held = s->text.size - s->given;
    if (s->given > 0 && held > 0)
        memmove(s->text.data, s->text.data + s->given, held);
    s->text.size = held;
    s->given = 0;
}

static void give(wc_stop *s, size_t n, const char **out, size_t *n_out)
{
    s->given = n;
    *out = wc_buf_str(&s->text);
    *n_out = n;
}

bool wc_stop_push(wc_stop *s, const char *text, size_t n, const char **out, size_t *n_out)
{
    forget_given(s);
    if (!s->done)
        wc_buf_add(&s->text, text, n);
    if (s->done || !wc_buf_ok(&s->text)) {
        wc_buf_reset(&s->text);
        give(s, 0, out, n_out);
        return s->done;
    }
    for (size_t i = 0; i < n; i++) {
        s->state = step(s, s->state, (unsigned char)text[i]);
        size_t found = (size_t)s->nodes[s->state].found;
        if (found > 0) {
            s->done = true;
            s->text.size -= n - i - 1 + found;
            give(s, s->text.size, out, n_out);
            return true;
        }
    }
    give(s, s->text.size - (size_t)s->nodes[s->state].depth, out, n_out);
    return false;
}

void wc_stop_flush(wc_stop *s, const char **out, size_t *n_out)
{
    forget_given(s);
    s->state = ROOT;
    give(s, s->text.size, out, n_out);
}
