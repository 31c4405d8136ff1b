/* sampler.h - which token comes next: from a row of logits to one id, as transformers' generate() chooses it.
 *
 * The steps, in transformers' order, each on what the one before has left:
 *
 *   repetition_penalty   every distinct id of the history once: score < 0 ? score * penalty : score / penalty
 *   mask                 the caller's own, if any (the place of transformers' prefix_allowed_tokens)
 *   temperature          score / temperature
 *   top_k                removes what is below the k-th largest score; ties with it stay
 *   top_p                keeps the best until their probabilities reach top_p, the one that crosses it included
 *   min_p                removes what is less probable than min_p times the best
 *   typical_p            keeps those whose surprise is nearest to the entropy until their probabilities reach typical_p
 *   draw                 from the softmax of what is left
 *
 * The best token always stays.  Greedy choice is the largest score after penalty and mask, the lowest id of several.
 *
 * Where top_p cuts among equal scores, the lower ids stay (with transformers it depends on how torch sorts). A draw takes
 * one number u in [0, 1) and returns the first id, in rising order, at which the running sum of probabilities exceeds u
 * times their sum.  u is 53 bits of two outputs of PCG-XSH-RR 64/32 (O'Neill, PCG: A Family of Simple Fast Space-Efficient
 * Statistically Good Algorithms for Random Number Generation, 2014), its stream 54, seeded by the caller's number: the same
 * seed and logits give the same ids everywhere. */
#ifndef WC_GENERATE_SAMPLER_H
#define WC_GENERATE_SAMPLER_H
#include "base/error.h"

typedef struct wc_sampler_options {
    bool sample;              /* false: greedy, only the penalty counts */
    float temperature;        /* > 0 */
    int top_k;                /* 0: off */
    float top_p;              /* 0 to 1; 1: off */
    float min_p;              /* 0 to 1; 0: off */
    float typical_p;          /* > 0 to 1; 1: off */
    float repetition_penalty; /* > 0; 1: off */
} wc_sampler_options;

typedef struct wc_sampler wc_sampler;

/* For vocabularies of n_vocab ids.  All memory is taken here.  NULL on failure.  Free with wc_sampler_free. */
wc_sampler *wc_sampler_new(size_t n_vocab, const wc_sampler_options *options, uint64_t seed, wc_error *err);
void wc_sampler_free(wc_sampler *s); /* NULL is fine */

/* Called on the scores [n] of every choice, in place; -INFINITY forbids an id.  NULL ends it. */
typedef void (*wc_mask_fn)(void *user, float *scores, size_t n);
void wc_sampler_set_mask(wc_sampler *s, wc_mask_fn mask, void *user);

/* The next id after logits [n_vocab], which are not changed; history: prompt and answer so far, ids outside the vocabulary
 * do not count.  -1 when a logit is NaN or plus infinity, or when no id is allowed. */
int32_t wc_sampler_next(wc_sampler *s, const float *logits, const int32_t *history, size_t n_history);
/* The probabilities [n_vocab] that wc_sampler_next draws from, exactly 0 for what is removed; greedy: 1 for its choice.
 * The random numbers stay where they are.  false where wc_sampler_next gives -1. */
bool wc_sampler_probabilities(wc_sampler *s, const float *logits, const int32_t *history, size_t n_history,
                              float *probabilities);
/* The next number in [0, 1) of the sampler's generator. */
double wc_sampler_uniform(wc_sampler *s);

/* Log-softmax of raw logits [n]: *logprob that of id, and the n_top best into top, best first, the lower of equal ids
 * first.  Returns how many were written (n_top, or n when that is less). */
size_t wc_logprobs(const float *logits, size_t n, int32_t id, float *logprob, wc_logprob *top, size_t n_top);
#endif
