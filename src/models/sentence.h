/* sentence.h - from the hidden states of a text to one vector, as sentence-transformers' folders describe it:
 *
 *   modules.json                       [{"path": "", "type": "...Transformer"}, {"path": "1_Pooling", "type": "...Pooling"} ...]
 *   PATH/config.json                   of each module (Normalize has none), PATH/model.safetensors of Dense
 *   config_sentence_transformers.json  {"prompts": {"query": "..."}, "default_prompt_name": null}
 *   sentence_bert_config.json          {"max_seq_length": 256}
 *
 * Without modules.json the vector is the mean over all tokens, as sentence-transformers has it. */
#ifndef WC_MODELS_SENTENCE_H
#define WC_MODELS_SENTENCE_H
#include "models/model.h"

typedef struct wc_sentence wc_sentence;

/* Reads the folder of files; net says how wide its rows are.  Memory is the arena's, weights are mapped.  NULL on failure;
 * close with wc_sentence_close. */
wc_sentence *wc_sentence_open(wc_arena *a, const wc_checkpoint *files, const wc_net *net, wc_error *err);
void wc_sentence_close(wc_sentence *s); /* NULL is fine */

/* Elements of the vector; 0: none is made (a cross-encoder's folder, without a module Pooling). */
int wc_sentence_width(const wc_sentence *s);
/* Most tokens of a text, special ones included: what is longer is cut. */
int wc_sentence_max_tokens(const wc_sentence *s);
/* The text that is put before a text of that kind ("query"); NULL: the default's.  NULL when there is no such prompt, "" where
 * nothing is put there. */
const char *wc_sentence_prompt(const wc_sentence *s, const char *name);
const wc_json *wc_sentence_prompts(const wc_sentence *s);     /* object or NULL */
const char *wc_sentence_default_prompt(const wc_sentence *s); /* the name of the default; NULL: none */
const wc_json *
wc_sentence_similarity(const wc_sentence *s); /* "cosine", "dot" ... as the file has it; NULL */
/* The activation_fn of a cross-encoder's config_sentence_transformers.json; NULL: it says none. */
const wc_json *wc_sentence_activation(const wc_sentence *s);
/* Vectors are not pooled over the tokens of the prompt. */
bool wc_sentence_skips_prompt(const wc_sentence *s);

/* Vectors [n_seqs, width] of the batch's hidden states [n, D]; skip: tokens of the prompt at the beginning of each. */
wc_tensor wc_sentence_embed(wc_ctx *c, const wc_sentence *s, const wc_batch *b, wc_tensor hidden, int skip);
/* x [n,D] / max(|x|, 1e-12), row by row. */
wc_tensor wc_sentence_normalize(wc_ctx *c, wc_tensor x);
#endif
