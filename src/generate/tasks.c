/* tasks.c - see tasks.h. */
#include "generate/tasks.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/size.h"

enum { OUTPUT_BYTES = 256 << 20, DEFAULT_TOP = 5 };

static const char *const task_names[] = {"feature-extraction", "fill-mask", "text-classification",
                                         "token-classification"};

/* ---- scores ---- */

void wc_score_apply(wc_score score, float *x, size_t n)
{
    float top = -INFINITY;
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        if (score == WC_SCORE_SIGMOID)
            x[i] = (float)(1 / (1 + exp(-(double)x[i])));
        top = x[i] > top ? x[i] : top;
    }
    if (score != WC_SCORE_SOFTMAX)
        return;
    for (size_t i = 0; i < n; i++)
        sum += exp((double)x[i] - (double)top);
    for (size_t i = 0; i < n; i++)
        x[i] = (float)(exp((double)x[i] - (double)top) / sum);
}

static bool ends_with(const char *s, const char *end)
{
    const size_t n = strlen(s), m = strlen(end);
    return n >= m && strcmp(s + n - m, end) == 0;
}

bool wc_score_of_pairs(const struct wc_model *m, wc_score *score, wc_error *err)
{
    const wc_json *config = wc_checkpoint_config(m->files);
    const wc_json *name = m->sentence ? wc_sentence_activation(m->sentence) : NULL;
    if (wc_json_is_null(name))
        name = wc_json_path(config, "sentence_transformers.activation_fn");
    if (wc_json_is_null(name))
        name = wc_json_get(config, "sbert_ce_default_activation_function");
    *score = m->net->n_labels == 1 ? WC_SCORE_SIGMOID : WC_SCORE_LOGITS;
    if (wc_json_is_null(name))
        return true;
    const char *text = name && wc_json_is(name, WC_JSON_STRING) ? name->u.text : "";
    if (ends_with(text, ".Identity"))
        *score = WC_SCORE_LOGITS;
    else if (ends_with(text, ".Sigmoid"))
        *score = WC_SCORE_SIGMOID;
    else
        return wc_fail(err, WC_UNSUPPORTED,
                       "%s: activation_fn: expected Identity or Sigmoid of torch.nn, found %.60s",
                       wc_checkpoint_config_file(m->files), *text ? text : wc_json_type_name(name));
    return true;
}

wc_score wc_score_of_labels(const struct wc_model *m)
{
    const wc_json *type = wc_json_get(wc_checkpoint_config(m->files), "problem_type");
    if (wc_json_string_is(type, "regression"))
        return WC_SCORE_LOGITS;
    if (wc_json_string_is(type, "multi_label_classification") || m->net->n_labels == 1)
        return WC_SCORE_SIGMOID;
    return WC_SCORE_SOFTMAX;
}

/* ---- what all of them do first ---- */

static bool needs_task(const struct wc_model *m, wc_task task, const char *what, wc_error *err)
{
    if (!m->net)
        return wc_fail(err, WC_BAD_ARGUMENT, "%s: was opened for its tokenizer only", m->name);
    if (m->net->encoder && m->net->task == task)
        return true;
    return wc_fail(err, WC_UNSUPPORTED, "%s: %s: expected a model for %s, found one for %s", m->name, what,
                   task_names[task], m->net->encoder ? task_names[m->net->task] : "text-generation");
}

bool wc_task_check_options(const wc_encode_options *o, wc_error *err)
{
    if (o->max_tokens < 0 || o->batch_rows < 0 || o->dimensions < 0 || o->top_k < 0)
        return wc_fail(err, WC_BAD_ARGUMENT,
                       "max_tokens, batch_rows, dimensions, top_k: expected 0 or more, found %d, %d, %d, %d",
                       o->max_tokens, o->batch_rows, o->dimensions, o->top_k);
    return true;
}

/* The most tokens of a text: as asked for, the model's own at most. */
static int most_tokens(const struct wc_model *m, const wc_encode_options *o)
{
    const int own = m->sentence ? wc_sentence_max_tokens(m->sentence) : m->net->context_length;
    return o->max_tokens > 0 && o->max_tokens < own ? o->max_tokens : own;
}

/* Tokens of n texts, each behind the prompt, or as the second of a pair. */
static wc_encoded *encode_texts(const struct wc_model *m, const wc_string *first, const char *prompt,
                                const wc_string *texts, size_t n, const wc_encode_options *o, wc_error *err)
{
    wc_encoded *list = wc_mem_zalloc(n + 1, sizeof *list);
    wc_buf b;
    bool ok = list ? true : wc_fail_memory(err, n * sizeof *list);
    wc_buf_init(&b, SIZE_MAX / 2);
    for (size_t i = 0; ok && i < n; i++) {
        wc_string text = texts[i];
        if (prompt && *prompt) {
            wc_buf_reset(&b);
            wc_buf_puts(&b, prompt);
            wc_buf_add(&b, text.text, text.n_bytes);
            text = (wc_string){wc_buf_str(&b), b.size};
            ok = wc_buf_check(&b, "text", err);
        }
        ok = ok &&
             wc_encode_text(m, first ? *first : text, first ? &text : NULL, most_tokens(m, o), &list[i], err);
        if (ok && o->cut)
            o->cut[i] = list[i].cut;
    }
    wc_buf_release(&b);
    if (ok)
        return list;
    wc_encoded_release(list, n);
    wc_mem_free(list);
    return NULL;
}

/* Rows of results [n, width], taken from batch after batch. */
struct results {
    const struct wc_model *m;
    float *rows;
    size_t width; /* that is kept of each */
    int skip;
    bool normalize;
};

static void keep(const struct results *r, const wc_ctx *c, const wc_batch *b, const size_t *which,
                 wc_tensor x)
{
    for (size_t i = 0; !wc_op_idle(c) && i < (size_t)b->rows.n_seqs; i++)
        memcpy(r->rows + which[i] * r->width, (const float *)x.data + i * x.shape[1],
               r->width * sizeof *r->rows);
}

/* Runs fn over the texts and gives the results, [n, width]. */
static float *run_texts(struct wc_model *m, wc_encoded *list, size_t n, size_t width,
                        const wc_encode_options *o, struct results *r, wc_encode_fn fn, wc_error *err)
{
    size_t bytes;
    const bool fits = wc_mul_size(n, width, &bytes) && wc_mul_size(bytes, sizeof *r->rows, &bytes);
    r->m = m;
    r->width = width;
    r->rows = fits ? wc_mem_alloc(bytes ? bytes : 1) : NULL;
    const wc_encode_run run = {
        .model = m, .texts = list, .n = n, .batch_rows = o->batch_rows, .fn = fn, .user = r};
    if (!r->rows || !wc_encode_all(&run, err)) {
        if (!r->rows)
            wc_fail_memory(err, fits ? bytes : SIZE_MAX);
        wc_mem_free(r->rows);
        r->rows = NULL;
    }
    wc_encoded_release(list, n);
    wc_mem_free(list);
    return r->rows;
}

/* ---- vectors ---- */

bool wc_task_prompt_length(const struct wc_model *m, const char *prompt, int *n, wc_error *err)
{
    wc_ids ids = {0};
    *n = 0;
    if (!*prompt || !wc_sentence_skips_prompt(m->sentence))
        return true;
    const bool ok = wc_tokenizer_encode(m->tokenizer, prompt, strlen(prompt), WC_ENCODE_SPECIAL, &ids, err);
    if (ok && ids.size > 0)
        *n = (int)(ids.size - wc_tokenizer_is_special(m->tokenizer, ids.data[ids.size - 1]));
    wc_ids_release(&ids);
    return ok;
}

static void embed_batch(void *user, wc_ctx *c, const wc_batch *b, const size_t *which, wc_tensor hidden)
{
    const struct results *r = user;
    wc_tensor x = wc_sentence_embed(c, r->m->sentence, b, hidden, r->skip);
    if (r->width < x.shape[1]) { /* the first dimensions, dense */
        wc_tensor first = wc_op_new(c, WC_SHAPE(x.shape[0], r->width));
        for (size_t i = 0; !wc_op_idle(c) && i < x.shape[0]; i++)
            memcpy((float *)first.data + i * r->width, (const float *)x.data + i * x.shape[1],
                   r->width * sizeof(float));
        x = first;
    }
    if (r->normalize)
        x = wc_sentence_normalize(c, x);
    keep(r, c, b, which, x);
}

static const char *prompt_of(const struct wc_model *m, const wc_encode_options *o, wc_error *err)
{
    if (o->prompt)
        return o->prompt;
    const char *prompt = wc_sentence_prompt(m->sentence, o->prompt_name);
    if (!prompt) {
        wc_buf names;
        const wc_json *all = wc_sentence_prompts(m->sentence);
        wc_buf_init(&names, 2000);
        for (size_t i = 0; i < wc_json_count(all); i++)
            wc_buf_printf(&names, "%s%s", i ? ", " : "", wc_json_key(all, i)->u.text);
        wc_fail(err, WC_BAD_ARGUMENT, "prompt_name: %.60s is not among the model's prompts: %s",
                o->prompt_name, names.size ? wc_buf_str(&names) : "it has none");
        wc_buf_release(&names);
    }
    return prompt;
}

float *wc_task_embed(struct wc_model *m, const wc_string *texts, size_t n, const wc_encode_options *o,
                     size_t *width, wc_error *err)
{
    struct results r = {.normalize = o->normalize};
    if (!wc_task_check_options(o, err))
        return NULL;
    const int own = m->sentence ? wc_sentence_width(m->sentence) : 0;
    if (!own) {
        wc_fail(err, m->net ? WC_UNSUPPORTED : WC_BAD_ARGUMENT,
                m->net ? "%s: gives no vectors: expected an encoder such as BERT or EmbeddingGemma"
                       : "%s: was opened for its tokenizer only",
                m->name);
        return NULL;
    }
    if (o->dimensions > own) {
        wc_fail(err, WC_BAD_ARGUMENT, "dimensions: expected 1 to %d, the model's, found %d", own,
                o->dimensions);
        return NULL;
    }
    const char *prompt = prompt_of(m, o, err);
    *width = (size_t)(o->dimensions > 0 ? o->dimensions : own);
    if (!prompt || !m->tokenizer || !wc_task_prompt_length(m, prompt, &r.skip, err)) {
        if (prompt && !m->tokenizer)
            wc_fail(err, WC_NOT_FOUND, "%s", m->tokenizer_error);
        return NULL;
    }
    wc_encoded *list = encode_texts(m, NULL, prompt, texts, n, o, err);
    return list ? run_texts(m, list, n, *width, o, &r, embed_batch, err) : NULL;
}

/* ---- labels of texts ---- */

static void classify_batch(void *user, wc_ctx *c, const wc_batch *b, const size_t *which, wc_tensor hidden)
{
    const struct results *r = user;
    wc_tensor rows = wc_op_get_rows(c, hidden, b->first, (size_t)b->rows.n_seqs);
    keep(r, c, b, which, r->m->net->family->head(c, r->m->net, rows));
}

static float *classify(struct wc_model *m, const wc_string *query, const wc_string *texts, size_t n,
                       const wc_encode_options *o, wc_score score, wc_error *err)
{
    struct results r = {0};
    const size_t width = (size_t)m->net->n_labels;
    wc_encoded *list = encode_texts(m, query, NULL, texts, n, o, err);
    if (!list || !run_texts(m, list, n, width, o, &r, classify_batch, err))
        return NULL;
    for (size_t i = 0; i < n; i++)
        wc_score_apply(score, r.rows + i * width, width);
    return r.rows;
}

float *wc_task_rerank(struct wc_model *m, wc_string query, const wc_string *documents, size_t n,
                      const wc_encode_options *o, wc_error *err)
{
    wc_score score;
    if (!wc_task_check_options(o, err) || !needs_task(m, WC_TASK_CLASSIFY, "rerank", err) ||
        !wc_score_of_pairs(m, &score, err))
        return NULL;
    if (m->net->n_labels != 1) {
        wc_fail(err, WC_UNSUPPORTED, "%s: rerank: expected a model with one label, found %d labels", m->name,
                m->net->n_labels);
        return NULL;
    }
    return classify(m, &query, documents, n, o, score, err);
}

float *wc_task_classify(struct wc_model *m, const wc_string *texts, size_t n, const wc_encode_options *o,
                        size_t *n_labels, wc_error *err)
{
    if (!wc_task_check_options(o, err) || !needs_task(m, WC_TASK_CLASSIFY, "classify", err))
        return NULL;
    *n_labels = (size_t)m->net->n_labels;
    return classify(m, NULL, texts, n, o, wc_score_of_labels(m), err);
}

/* ---- labels of tokens, words for masks ---- */

/* Logits of some rows of one text, all at once. */
struct row_logits {
    const struct wc_model *m;
    const int32_t *rows;
    size_t n, width;
    float *logits; /* [n, width] */
};

static void rows_batch(void *user, wc_ctx *c, const wc_batch *b, const size_t *which, wc_tensor hidden)
{
    const struct row_logits *r = user;
    wc_tensor x = r->m->net->family->head(c, r->m->net, wc_op_get_rows(c, hidden, r->rows, r->n));
    if (!wc_op_idle(c))
        memcpy(r->logits, x.data, r->n * r->width * sizeof *r->logits);
}

/* The softmax of the head's logits of rows [n] of the text, [n, width]; wc_mem_free. */
static float *row_scores(struct wc_model *m, const wc_encoded *text, const int32_t *rows, size_t n,
                         size_t width, wc_error *err)
{
    size_t bytes;
    struct row_logits r = {m, rows, n, width, NULL};
    const wc_encode_run run = {.model = m, .texts = text, .n = 1, .fn = rows_batch, .user = &r};
    if (wc_mul_size(n, width, &bytes) && wc_mul_size(bytes, sizeof *r.logits, &bytes))
        r.logits = wc_mem_alloc(bytes ? bytes : 1);
    if (!r.logits) {
        wc_fail_memory(err, n * sizeof *r.logits);
        return NULL;
    }
    if (!wc_encode_all(&run, err)) {
        wc_mem_free(r.logits);
        return NULL;
    }
    for (size_t i = 0; i < n; i++)
        wc_score_apply(WC_SCORE_SOFTMAX, r.logits + i * width, width);
    return r.logits;
}

/* The name of a label, "LABEL_3" where the configuration has none. */
static void put_label(const struct wc_model *m, size_t i, wc_buf *b)
{
    char text[40];
    snprintf(text, sizeof text, "%zu", i);
    const wc_json *name = wc_json_get(wc_json_get(wc_checkpoint_config(m->files), "id2label"), text);
    snprintf(text, sizeof text, "LABEL_%zu", i);
    if (wc_json_is(name, WC_JSON_STRING))
        wc_buf_json_string(b, name->u.text, name->n);
    else
        wc_buf_json_string(b, text, strlen(text));
}

static size_t best_of(const float *x, size_t n)
{
    size_t best = 0;
    for (size_t i = 1; i < n; i++)
        best = x[i] > x[best] ? i : best;
    return best;
}

void wc_task_put_token(const struct wc_model *m, int32_t id, wc_buf *b)
{
    size_t n = 0;
    const char *token = wc_tokenizer_token(m->tokenizer, id, &n);
    wc_buf_printf(b, "\"id\":%d,\"token\":", (int)id);
    wc_buf_json_string(b, token ? token : "", n);
}

static void put_tokens(const struct wc_model *m, const wc_encoded *text, const int32_t *rows, size_t n,
                       const float *scores, wc_buf *b)
{
    const size_t width = (size_t)m->net->n_labels;
    wc_buf_printf(b, "{\"cut\":%s,\"tokens\":[", text->cut ? "true" : "false");
    for (size_t i = 0; i < n; i++) {
        const float *x = scores + i * width;
        const size_t best = best_of(x, width);
        wc_buf_printf(b, "%s{\"index\":%d,", i ? "," : "", (int)rows[i]);
        wc_task_put_token(m, text->ids.data[rows[i]], b);
        wc_buf_puts(b, ",\"label\":");
        put_label(m, best, b);
        wc_buf_printf(b, ",\"score\":%.9g}", (double)x[best]);
    }
    wc_buf_puts(b, "]}");
}

static char *take_json(wc_buf *b, bool ok, wc_error *err)
{
    char *json = ok && wc_buf_check(b, "answer", err) ? wc_buf_take(b, NULL) : NULL;
    wc_buf_release(b);
    return json;
}

/* Rows of the text that wanted picks, in an array that is freed with wc_mem_free. */
static int32_t *pick_rows(const struct wc_model *m, const wc_encoded *text, int32_t mask, size_t *n,
                          wc_error *err)
{
    int32_t *rows = wc_mem_zalloc(text->ids.size + 1, sizeof *rows);
    *n = 0;
    if (!rows)
        wc_fail_memory(err, text->ids.size * sizeof *rows);
    for (size_t i = 0; rows && i < text->ids.size; i++) {
        const int32_t id = text->ids.data[i];
        if (mask >= 0 ? id == mask : !wc_tokenizer_is_special(m->tokenizer, id))
            rows[(*n)++] = (int32_t)i;
    }
    return rows;
}

char *wc_task_classify_tokens(struct wc_model *m, wc_string text, const wc_encode_options *o, wc_error *err)
{
    wc_encoded encoded = {0};
    wc_buf b;
    size_t n = 0;
    float *scores = NULL;
    int32_t *rows = NULL;
    if (!wc_task_check_options(o, err) || !needs_task(m, WC_TASK_TOKENS, "classify", err))
        return NULL;
    wc_buf_init(&b, OUTPUT_BYTES);
    bool ok = wc_encode_text(m, text, NULL, most_tokens(m, o), &encoded, err) &&
              (rows = pick_rows(m, &encoded, -1, &n, err)) &&
              (scores = row_scores(m, &encoded, rows, n, (size_t)m->net->n_labels, err));
    if (ok)
        put_tokens(m, &encoded, rows, n, scores, &b);
    wc_mem_free(scores);
    wc_mem_free(rows);
    wc_encoded_release(&encoded, 1);
    return take_json(&b, ok, err);
}

/* One candidate for the mask in row: its token and the whole text with it. */
static bool put_fill(const struct wc_model *m, wc_encoded *text, int32_t row, int32_t id, float score,
                     bool alone, wc_buf *b, wc_error *err)
{
    const int32_t mask = text->ids.data[row];
    wc_buf words, sequence;
    wc_buf_init(&words, OUTPUT_BYTES);
    wc_buf_init(&sequence, OUTPUT_BYTES);
    text->ids.data[row] = id;
    bool ok = wc_tokenizer_decode(m->tokenizer, &id, 1, false, &words, err) &&
              wc_tokenizer_decode(m->tokenizer, text->ids.data, text->ids.size, alone, &sequence, err);
    text->ids.data[row] = mask;
    wc_buf_putc(b, '{');
    wc_task_put_token(m, id, b);
    wc_buf_puts(b, ",\"text\":");
    wc_buf_json_string(b, wc_buf_str(&words), words.size);
    wc_buf_printf(b, ",\"score\":%.9g,\"sequence\":", (double)score);
    wc_buf_json_string(b, wc_buf_str(&sequence), sequence.size);
    wc_buf_putc(b, '}');
    wc_buf_release(&words);
    wc_buf_release(&sequence);
    return ok;
}

/* The best candidates of every mask; scores [n, V] is used up. */
static bool put_fills(const struct wc_model *m, wc_encoded *text, const int32_t *rows, size_t n,
                      float *scores, size_t top, wc_buf *b, wc_error *err)
{
    const size_t V = (size_t)m->net->n_vocab;
    bool ok = true;
    wc_buf_printf(b, "{\"cut\":%s,\"masks\":[", text->cut ? "true" : "false");
    for (size_t i = 0; ok && i < n; i++) {
        float *x = scores + i * V;
        wc_buf_printf(b, "%s[", i ? "," : "");
        for (size_t k = 0; ok && k < top && k < V; k++) {
            const size_t best = best_of(x, V);
            wc_buf_puts(b, k ? "," : "");
            ok = put_fill(m, text, rows[i], (int32_t)best, x[best], n == 1, b, err);
            x[best] = -1;
        }
        wc_buf_putc(b, ']');
    }
    wc_buf_puts(b, "]}");
    return ok;
}

char *wc_task_fill(struct wc_model *m, wc_string text, const wc_encode_options *o, wc_error *err)
{
    wc_encoded encoded = {0};
    wc_buf b;
    size_t n = 0;
    float *scores = NULL;
    int32_t *rows = NULL;
    if (!wc_task_check_options(o, err) || !needs_task(m, WC_TASK_FILL, "fill", err))
        return NULL;
    wc_buf_init(&b, OUTPUT_BYTES);
    const int32_t mask = m->tokenizer ? wc_tokenizer_special_id(m->tokenizer, "mask_token") : -1;
    bool ok = wc_encode_text(m, text, NULL, most_tokens(m, o), &encoded, err);
    if (ok && mask < 0)
        ok = wc_fail(err, WC_UNSUPPORTED, "%s: fill: this model's tokenizer has no mask_token", m->name);
    rows = ok ? pick_rows(m, &encoded, mask, &n, err) : NULL;
    if (rows && n == 0)
        wc_fail(err, WC_REFUSED, "text: expected at least one %s, found none%s",
                wc_tokenizer_special_token(m->tokenizer, "mask_token"),
                encoded.cut ? " in the part that the model can read" : "");
    scores = rows && n > 0 ? row_scores(m, &encoded, rows, n, (size_t)m->net->n_vocab, err) : NULL;
    ok = scores &&
         put_fills(m, &encoded, rows, n, scores, o->top_k > 0 ? (size_t)o->top_k : DEFAULT_TOP, &b, err);
    wc_mem_free(scores);
    wc_mem_free(rows);
    wc_encoded_release(&encoded, 1);
    return take_json(&b, ok, err);
}

/* ---- what the model is ---- */

static const char *const score_names[] = {"none", "sigmoid", "softmax"};

/* ,"encoder":{...}: what who makes answers of wc_encode's rows needs to know. */
static void put_encoder_info(const struct wc_model *m, wc_buf *b)
{
    const double said = wc_json_number(
        wc_json_get(wc_checkpoint_tokenizer_config(m->files), "model_max_length"), 0);
    const bool shorter = said >= 1 && said < m->net->context_length;
    const char *mask = m->tokenizer ? wc_tokenizer_special_token(m->tokenizer, "mask_token") : NULL;
    wc_score pairs;
    wc_buf_printf(b, ",\"encoder\":{\"max_tokens\":%d", shorter ? (int)said : m->net->context_length);
    if (m->tokenizer && wc_tokenizer_special_id(m->tokenizer, "unk_token") >= 0)
        wc_buf_printf(b, ",\"unk_token_id\":%d", (int)wc_tokenizer_special_id(m->tokenizer, "unk_token"));
    if (m->net->task == WC_TASK_FILL && mask) {
        wc_buf_printf(b, ",\"mask_token_id\":%d,\"mask_token\":",
                      (int)wc_tokenizer_special_id(m->tokenizer, "mask_token"));
        wc_buf_json_string(b, mask, strlen(mask));
    }
    if (m->net->task == WC_TASK_CLASSIFY)
        wc_buf_printf(b, ",\"text_scores\":\"%s\",\"pair_scores\":\"%s\"", score_names[wc_score_of_labels(m)],
                      wc_score_of_pairs(m, &pairs, NULL) ? score_names[pairs] : "unsupported");
    wc_buf_putc(b, '}');
}

void wc_task_info(const struct wc_model *m, wc_buf *b)
{
    const wc_net *net = m->net;
    if (net->encoder) {
        wc_buf_printf(b, ",\"task\":\"%s\"", task_names[net->task]);
        if (net->task == WC_TASK_CLASSIFY || net->task == WC_TASK_TOKENS) {
            wc_buf_puts(b, ",\"labels\":[");
            for (int i = 0; i < net->n_labels; i++) {
                wc_buf_puts(b, i ? "," : "");
                put_label(m, (size_t)i, b);
            }
            wc_buf_putc(b, ']');
        }
        put_encoder_info(m, b);
    }
    if (!m->sentence || !wc_sentence_width(m->sentence))
        return;
    wc_buf_printf(b, ",\"embedding\":{\"width\":%d,\"max_tokens\":%d,\"prompts\":",
                  wc_sentence_width(m->sentence), wc_sentence_max_tokens(m->sentence));
    if (wc_sentence_prompts(m->sentence))
        wc_json_write(b, wc_sentence_prompts(m->sentence));
    else
        wc_buf_puts(b, "{}");
    const char *name = wc_sentence_default_prompt(m->sentence);
    const wc_json *similarity = wc_sentence_similarity(m->sentence);
    if (name) {
        wc_buf_puts(b, ",\"default_prompt_name\":");
        wc_buf_json_string(b, name, strlen(name));
    }
    if (wc_json_is(similarity, WC_JSON_STRING)) {
        wc_buf_puts(b, ",\"similarity\":");
        wc_buf_json_string(b, similarity->u.text, similarity->n);
    }
    wc_buf_putc(b, '}');
}
