/* tasks.h - what encoders are asked for: vectors, relevance, labels, words.  See wc_embed and its neighbours in whinchat.h. */
#ifndef WC_GENERATE_TASKS_H
#define WC_GENERATE_TASKS_H
#include "generate/encode.h"

float *wc_task_embed(struct wc_model *m, const wc_string *texts, size_t n, const wc_encode_options *o,
                     size_t *width, wc_error *err);
float *wc_task_rerank(struct wc_model *m, wc_string query, const wc_string *documents, size_t n,
                      const wc_encode_options *o, wc_error *err);
float *wc_task_classify(struct wc_model *m, const wc_string *texts, size_t n, const wc_encode_options *o,
                        size_t *n_labels, wc_error *err);
char *wc_task_classify_tokens(struct wc_model *m, wc_string text, const wc_encode_options *o, wc_error *err);
char *wc_task_fill(struct wc_model *m, wc_string text, const wc_encode_options *o, wc_error *err);

/* How logits become scores. */
typedef enum wc_score { WC_SCORE_LOGITS, WC_SCORE_SIGMOID, WC_SCORE_SOFTMAX } wc_score;

/* As sentence-transformers' CrossEncoder has it, and as transformers' pipeline "text-classification". */
bool wc_score_of_pairs(const struct wc_model *m, wc_score *score, wc_error *err);
wc_score wc_score_of_labels(const struct wc_model *m);
void wc_score_apply(wc_score score, float *x, size_t n);
bool wc_task_check_options(const wc_encode_options *o, wc_error *err);
/* "id":1,"token":"word" */
void wc_task_put_token(const struct wc_model *m, int32_t id, wc_buf *b);
/* ,"task":...,"labels":[...],"encoder":{...},"embedding":{...} of an encoder, for the model's info. */
void wc_task_info(const struct wc_model *m, wc_buf *b);
/* The length of a prompt in tokens as sentence-transformers counts it: without what ends it. */
bool wc_task_prompt_length(const struct wc_model *m, const char *prompt, int *n, wc_error *err);
#endif
