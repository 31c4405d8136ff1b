/* unigram.c - see unigram.h.
 *
 * Viterbi: best[e] = max over tokens t that end at e of best[e - |t|] + score(t), where best[0] = 0.  The automaton gives
 * the tokens that end at e longest first, so that among equal sums the one from the smallest start stays, as in the
 * library.  A character that is no token itself may also be passed as unknown, 10 below the worst score. */
#include "text/unigram.h"

#include <string.h>

#include "base/utf8.h"

/* The best way to reach a place in the word. */
struct wc_unigram_node {
    double score;
    uint32_t start; /* of the last token; while walking back, the end of the one after it */
    int32_t id;
    bool reached;
};

static const double UNK_PENALTY = 10.0;

bool wc_unigram_init(wc_unigram *u, const wc_vocab *vocab, const double *scores, wc_error *err)
{
    double least = 0;
    size_t n_patterns = 0;
    *u = (wc_unigram){.vocab = vocab, .scores = scores, .unk_id = -1};
    wc_vocab_byte_ids(vocab, u->byte_ids);
    wc_automaton_pattern *patterns = wc_mem_alloc((vocab->n_ids + 1) * sizeof *patterns);
    if (!patterns)
        return wc_fail_memory(err, vocab->n_ids * sizeof *patterns);
    for (size_t id = 0; id < vocab->n_ids; id++) {
        size_t n;
        const char *s = wc_vocab_token(vocab, (int32_t)id, &n);
        if (id == 0 || scores[id] < least)
            least = scores[id];
        if (s && n > 0)
            patterns[n_patterns++] = (wc_automaton_pattern){s, n, (int32_t)id};
    }
    u->unk_score = least - UNK_PENALTY;
    bool ok = wc_automaton_init(&u->tokens, patterns, n_patterns, false);
    wc_mem_free(patterns);
    return ok || wc_fail_memory(err, vocab->pool_used);
}

void wc_unigram_release(wc_unigram *u)
{
    wc_automaton_release(&u->tokens);
}

void wc_unigram_scratch_release(wc_unigram_scratch *z)
{
    wc_mem_free(z->nodes);
    *z = (wc_unigram_scratch){0};
}

static void reach(struct wc_unigram_node *node, double score, size_t start, int32_t id)
{
    if (!node->reached || score > node->score)
        *node = (struct wc_unigram_node){score, (uint32_t)start, id, true};
}

/* Fills nodes[1 .. n]; false when a character is unknown and there is no unk. */
static bool viterbi(const wc_unigram *u, struct wc_unigram_node *nodes, const char *s, size_t n)
{
    uint32_t state = 0, c;
    nodes[0] = (struct wc_unigram_node){.reached = true};
    for (size_t start = 0, len; start < n; start += len) {
        len = wc_utf8_decode(s + start, n - start, &c);
        size_t end = start + len;
        for (size_t i = start; i < end; i++) {
            nodes[i + 1].reached = false;
            if (u->tokens.n_nodes > 0)
                state = wc_automaton_step(&u->tokens, state, (unsigned char)s[i]);
        }
        uint32_t match = u->tokens.n_nodes > 0 ? wc_automaton_match(&u->tokens, state) : 0;
        bool known = false; /* the character is a token itself */
        for (; match; match = wc_automaton_shorter(&u->tokens, match)) {
            int32_t id = u->tokens.value[match];
            size_t bytes = u->vocab->tokens[id].bytes;
            known |= bytes == len;
            reach(&nodes[end], u->scores[id] + nodes[end - bytes].score, end - bytes, id);
        }
        if (!known && u->unk_id < 0)
            return false;
        if (!known)
            reach(&nodes[end], u->unk_score + nodes[start].score, start, u->unk_id);
    }
    return true;
}

/* Unknown text [at, end) of s: a token that is spelled so, else its bytes, each of which stands for all of it, else unk. */
static bool add_unknown(const wc_unigram *u, const char *s, size_t at, size_t end, wc_ids *out,
                        wc_spans *spans)
{
    const size_t n = end - at;
    s += at;
    int32_t id = wc_vocab_find(u->vocab, s, n);
    bool bytes = id < 0 && u->byte_fallback;
    for (size_t i = 0; bytes && i < n; i++)
        bytes = u->byte_ids[(unsigned char)s[i]] >= 0;
    if (!bytes)
        return wc_ids_add(out, id >= 0 ? id : u->unk_id) && wc_spans_add(spans, at, end);
    for (size_t i = 0; i < n; i++)
        if (!wc_ids_add(out, u->byte_ids[(unsigned char)s[i]]) || !wc_spans_add(spans, at, end))
            return false;
    return true;
}

/* Turns the links from ends to starts into links from starts to ends. */
static void reverse_path(struct wc_unigram_node *nodes, size_t n)
{
    size_t end = n;
    uint32_t next_end = 0;
    int32_t next_id = -1;
    while (end > 0) {
        struct wc_unigram_node *node = &nodes[end];
        size_t start = node->start;
        int32_t id = node->id;
        node->start = next_end;
        node->id = next_id;
        next_end = (uint32_t)end;
        next_id = id;
        end = start;
    }
    nodes[0].start = next_end;
    nodes[0].id = next_id;
}

bool wc_unigram_encode(const wc_unigram *u, wc_unigram_scratch *z, const char *s, size_t n, wc_ids *out,
                       wc_spans *spans, wc_error *err)
{
    if (n + 1 > z->room) {
        wc_mem_free(z->nodes);
        z->room = 0;
        z->nodes = wc_mem_alloc((n + 1) * sizeof *z->nodes);
        if (!z->nodes)
            return wc_fail_memory(err, (n + 1) * sizeof *z->nodes);
        z->room = n + 1;
    }
    if (!viterbi(u, z->nodes, s, n))
        return wc_fail(err, WC_REFUSED,
                       "model.unk_id: null, and the text has a character that no token covers");
    reverse_path(z->nodes, n);
    bool ok = true;
    for (size_t at = 0; ok && at < n;) {
        size_t end = z->nodes[at].start;
        if (z->nodes[at].id != u->unk_id) {
            ok = wc_ids_add(out, z->nodes[at].id) && wc_spans_add(spans, at, end);
        } else { /* neighbours that are unknown are one */
            while (end < n && z->nodes[end].id == u->unk_id)
                end = z->nodes[end].start;
            ok = add_unknown(u, s, at, end, out, spans);
        }
        at = end;
    }
    return ok || wc_fail_memory(err, n * sizeof *out->data);
}
