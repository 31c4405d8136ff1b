/* likelihood.h - how probable a text is to a model, and how far two models are from each other on it. */
#ifndef WC_GENERATE_LIKELIHOOD_H
#define WC_GENERATE_LIKELIHOOD_H
#include "generate/runtime.h"

/* See wc_perplexity and wc_compare. */
char *wc_likelihood_perplexity(struct wc_model *m, const char *text, size_t n, const wc_text_options *o,
                               wc_error *err);
char *wc_likelihood_compare(struct wc_model *a, struct wc_model *b, const char *text, size_t n,
                            const wc_text_options *o, wc_error *err);
#endif
