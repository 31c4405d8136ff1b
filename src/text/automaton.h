/* automaton.h - finds many strings in a text in linear time (Aho and Corasick 1975).
 *
 * Fed a text forwards, the state after each byte tells every pattern that ends there, longest first.  Built from
 * reversed patterns and fed a text backwards, it tells the longest pattern that begins at each place: that is how
 * added tokens and WordPiece parts are found, however their prefixes overlap. */
#ifndef WC_TEXT_AUTOMATON_H
#define WC_TEXT_AUTOMATON_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct wc_automaton_pattern {
    const char *s; /* [n], n >= 1; needed only while the automaton is built */
    size_t n;
    int32_t value; /* >= 0, what is found */
} wc_automaton_pattern;

typedef struct wc_automaton {
    uint32_t n_nodes; /* 0: empty, finds nothing */
    /* private; nodes are in breadth-first order, so that siblings lie side by side, ordered by label */
    unsigned char *label; /* [n_nodes] */
    uint32_t *child;      /* [n_nodes + 1] first child; children end where those of the next node begin */
    uint32_t *fail;       /* [n_nodes] the longest proper suffix that is a node */
    uint32_t *longest;    /* [n_nodes] the longest suffix, the node included, that is a pattern; 0: none */
    int32_t *value;       /* [n_nodes] of the pattern that the node is, or -1 */
    uint32_t root_next[256];
} wc_automaton;

/* Builds from patterns [n], which it sorts.  Of equal patterns the one with the smallest value counts.  False when
 * there is no memory or their total length is 2^31 or more.  {0} is a valid empty automaton. */
bool wc_automaton_init(wc_automaton *a, wc_automaton_pattern *patterns, size_t n, bool reversed);
void wc_automaton_release(wc_automaton *a);

/* The state after one more byte; a text begins in state 0. */
uint32_t wc_automaton_step(const wc_automaton *a, uint32_t state, unsigned char byte);
/* The node of the longest pattern that ends in this state, 0 when none does ... */
static inline uint32_t wc_automaton_match(const wc_automaton *a, uint32_t state)
{
    return a->longest[state];
}
/* ... and of the next shorter one. */
static inline uint32_t wc_automaton_shorter(const wc_automaton *a, uint32_t match)
{
    return a->longest[a->fail[match]];
}
#endif
