/* rows.h - an encoder by its tokens: what a text's tokens are and where they come from, and hidden states or logits of them.
 * What is made of these (labels, entities, words) is the caller's; tasks.h has the usual answers.  See wc_tokens and wc_encode
 * in whinchat.h. */
#ifndef WC_GENERATE_ROWS_H
#define WC_GENERATE_ROWS_H
#include "generate/encode.h"

char *wc_rows_tokens(const struct wc_model *m, wc_string text, const wc_string *pair,
                     const wc_encode_options *o, wc_error *err);
float *wc_rows_encode(struct wc_model *m, const wc_token_list *lists, size_t n, int what,
                      const wc_encode_options *o, size_t *n_rows, size_t *width, wc_error *err);
#endif
