/* encode.h - texts through an encoder, many at a time: tokens, batches of about as many rows, one forward pass each.
 *
 * Rows of a batch are those of its texts, one behind the other without padding, and a text's result is the same bits
 * whatever stands beside it; so batches are cut by the number of rows alone. */
#ifndef WC_GENERATE_ENCODE_H
#define WC_GENERATE_ENCODE_H
#include "generate/runtime.h"
#include "text/ids.h"

/* A text, or a pair of texts, as tokens; {0} is an empty one. */
typedef struct wc_encoded {
    wc_ids ids, types; /* types: [ids.size] of a pair; empty: all 0 */
    int n_visible;     /* the first so many are not padding; 0: all (padding is for verify) */
    bool cut;          /* the text was longer */
} wc_encoded;

/* All that the tokenizer makes of a, or of the pair a and b (b NULL: one text), cut to at most max tokens (0: the model's
 * most). */
bool wc_encode_tokens(const struct wc_model *m, wc_string a, const wc_string *b, int max, wc_tokenized *out,
                      wc_error *err);
/* Tokens of a, or of the pair a and b (b NULL: one text), at most max of them (0: the model's most).  Fails where there are
 * none, or where an id is not in the model's vocabulary. */
bool wc_encode_text(const struct wc_model *m, wc_string a, const wc_string *b, int max, wc_encoded *out,
                    wc_error *err);
void wc_encoded_release(wc_encoded *texts, size_t n); /* n of them, not the list */

/* What is done with the hidden states [rows, D] of a batch: text i of it is the which[i]-th of all.  On a dry context
 * nothing is computed, and which is NULL. */
typedef void (*wc_encode_fn)(void *user, wc_ctx *c, const wc_batch *batch, const size_t *which,
                             wc_tensor hidden);

typedef struct wc_encode_run {
    struct wc_model *model;
    const wc_encoded *texts; /* [n] */
    size_t n;
    int batch_rows; /* of a batch, or more where one text has more; 0: 2048 */
    wc_encode_fn fn;
    void *user;
    wc_observe_fn observe; /* sees the passes; NULL */
    void *observe_user;
} wc_encode_run;

bool wc_encode_all(const wc_encode_run *run, wc_error *err);
/* What a pass over rows rows costs, the head's included. */
bool wc_encode_cost(const struct wc_model *m, int rows, wc_cost *cost, wc_error *err);
#endif
