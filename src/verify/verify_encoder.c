/* verify_encoder.c - runs the texts of a golden folder through an encoder, its head and its modules, with an observer that
 * compares.
 *
 * A text is given as ids, token types and an attention mask, whose zeros are padding at the end; or a value has fewer rows
 * than the text: then it holds the last ones. */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "generate/tasks.h"
#include "verify/checks.h"

enum { NAME_ROOM = 300 };

/* One of the folder's texts. */
struct text {
    const char *name;
    const wc_json *json;
    wc_encoded encoded;
    float *hidden; /* [rows, D] once computed */
};

struct verification {
    wc_checks *c;
    struct wc_model *m;
    struct text *texts; /* [n] */
    size_t n;
    const char *group; /* whose points the model announces now */
    float **hidden;    /* [n] where the hidden states of a run go */
};

/* ---- reading the texts ---- */

static bool read_list(const struct verification *v, const struct text *t, const char *key, int most,
                      wc_ids *out, wc_error *err)
{
    const wc_json *list = wc_json_get(t->json, key);
    for (size_t i = 0; i < wc_json_count(list); i++) {
        const wc_json *x = wc_json_item(list, i);
        if (!wc_json_is(x, WC_JSON_INT) || x->u.integer < 0 || x->u.integer >= most)
            return wc_fail(err, WC_BAD_FILE, "%s: prompt %s: %s: entry %zu: expected a number from 0 to %d",
                           v->c->golden.file, t->name, key, i, most - 1);
        if (!wc_ids_add(out, (int32_t)x->u.integer))
            return wc_fail_memory(err, 100);
    }
    return true;
}

static bool read_text(const struct verification *v, const wc_json *json, struct text *t, wc_error *err)
{
    const wc_json *name = wc_json_get(json, "name");
    wc_ids mask = {0};
    if (!wc_json_is(name, WC_JSON_STRING))
        return wc_fail(err, WC_BAD_FILE, "%s: prompts: name: expected a string, found %s", v->c->golden.file,
                       wc_json_type_name(name));
    t->name = name->u.text;
    t->json = json;
    bool ok = read_list(v, t, "ids", v->m->net->n_vocab, &t->encoded.ids, err) &&
              read_list(v, t, "token_type_ids", 2, &t->encoded.types, err) &&
              read_list(v, t, "attention_mask", 2, &mask, err);
    const size_t n = t->encoded.ids.size;
    size_t seen = 0;
    while (seen < mask.size && mask.data[seen])
        seen++;
    for (size_t i = seen; ok && i < mask.size; i++)
        if (mask.data[i])
            ok = wc_fail(err, WC_UNSUPPORTED, "%s: prompt %s: attention_mask: expected zeros at the end only",
                         v->c->golden.file, t->name);
    if (ok && (n == 0 || n > (size_t)v->m->net->context_length || (mask.size > 0 && mask.size != n)))
        ok = wc_fail(err, WC_BAD_FILE,
                     "%s: prompt %s: ids: expected 1 to %d and a mask of as many, found %zu",
                     v->c->golden.file, t->name, v->m->net->context_length, n);
    t->encoded.n_visible = (int)seen;
    wc_ids_release(&mask);
    return ok;
}

static bool read_texts(struct verification *v, wc_error *err)
{
    const wc_json *list = wc_json_get(v->c->golden.json, "prompts");
    v->n = wc_json_count(list);
    v->texts = wc_mem_zalloc(v->n + 1, sizeof *v->texts);
    v->hidden = wc_mem_zalloc(v->n + 1, sizeof *v->hidden);
    if (!v->texts || !v->hidden)
        return wc_fail_memory(err, v->n * sizeof *v->texts);
    for (size_t i = 0; i < v->n; i++)
        if (!read_text(v, wc_json_item(list, i), &v->texts[i], err))
            return false;
    return true;
}

/* ---- comparing ---- */

/* The part of a result that a value is of: without the batch of one, its last rows. */
static wc_tensor part_for(const wc_tensor *want, const wc_tensor *t)
{
    if (t->ndim == 2 && t->shape[0] == 1 && want->ndim == 1)
        return wc_tensor_sub(*t, 0);
    if (t->ndim == 2 && want->ndim == 2 && want->shape[0] < t->shape[0])
        return wc_tensor_slice(*t, t->shape[0] - want->shape[0], want->shape[0]);
    return *t;
}

static void on_point(void *user, const char *point, const wc_tensor *t)
{
    struct verification *v = user;
    wc_golden *g = &v->c->golden;
    for (size_t i = 0; i < g->n; i++)
        if (strcmp(g->items[i].group, v->group) == 0 && strcmp(g->items[i].point, point) == 0) {
            const wc_tensor got = part_for(&g->items[i].want, t);
            wc_checks_compare(v->c, &g->items[i], &got);
        }
}

static void tell(struct verification *v, const char *check, bool pass, const char *note)
{
    char name[NAME_ROOM];
    snprintf(name, sizeof name, "%s.%s", v->group, check);
    wc_checks_tell(v->c, name, pass, pass ? "" : note);
}

/* ---- passes ---- */

static void show_scores(wc_ctx *c, const struct wc_model *m, const wc_batch *b, wc_tensor hidden)
{
    wc_tensor logits = m->net->family->head(c, m->net,
                                            wc_op_get_rows(c, hidden, b->first, (size_t)b->rows.n_seqs));
    wc_tensor probs = wc_op_new(c, logits.ndim, logits.shape),
              score = wc_op_new(c, logits.ndim, logits.shape);
    wc_score of_pairs;
    wc_observe(c, logits, "logits");
    wc_observe(c, logits, "logit");
    wc_op_store(c, probs, logits);
    wc_op_store(c, score, logits);
    if (wc_op_idle(c) || !wc_score_of_pairs(m, &of_pairs, NULL))
        return;
    wc_score_apply(wc_score_of_labels(m), probs.data, logits.shape[1]);
    wc_score_apply(of_pairs, score.data, logits.shape[1]);
    wc_observe(c, probs, "probs");
    wc_observe(c, score, "score");
}

/* What the model makes of hidden states, and the states themselves for later. */
static void take(void *user, wc_ctx *c, const wc_batch *b, const size_t *which, wc_tensor hidden)
{
    struct verification *v = user;
    const struct wc_model *m = v->m;
    const size_t D = (size_t)m->net->hidden_size;
    for (size_t i = 0; !wc_op_idle(c) && i < (size_t)b->rows.n_seqs; i++)
        memcpy(v->hidden[which[i]], (const float *)hidden.data + (size_t)b->first[i] * D,
               (size_t)(b->first[i + 1] - b->first[i]) * D * sizeof(float));
    if (!c->observe)
        return;
    if (m->net->task == WC_TASK_CLASSIFY)
        show_scores(c, m, b, hidden);
    else if (m->net->task != WC_TASK_NONE)
        wc_observe(c, m->net->family->head(c, m->net, hidden),
                   m->net->task == WC_TASK_FILL ? "mlm_logits" : "logits");
    if (m->sentence && wc_sentence_width(m->sentence))
        wc_sentence_embed(c, m->sentence, b, hidden, 0);
}

static float *new_states(const struct verification *v, const struct text *t, wc_error *err)
{
    float *x = wc_mem_zalloc(t->encoded.ids.size * (size_t)v->m->net->hidden_size, sizeof *x);
    if (!x)
        wc_fail_memory(err, t->encoded.ids.size);
    return x;
}

/* Hidden states of texts first .. first + n - 1, into v->hidden[0 .. n - 1], which are new. */
static bool run(struct verification *v, size_t first, size_t n, bool watched, wc_error *err)
{
    wc_encoded *list = wc_mem_zalloc(n, sizeof *list);
    bool ok = list ? true : wc_fail_memory(err, n * sizeof *list);
    for (size_t i = 0; ok && i < n; i++) {
        list[i] = v->texts[first + i].encoded;
        v->hidden[i] = new_states(v, &v->texts[first + i], err);
        ok = v->hidden[i] != NULL;
    }
    const wc_encode_run all = {.model = v->m,
                               .texts = list,
                               .n = n,
                               .batch_rows = 1 << 20,
                               .fn = take,
                               .user = v,
                               .observe = watched ? on_point : NULL,
                               .observe_user = v};
    ok = ok && wc_encode_all(&all, err);
    wc_mem_free(list);
    return ok;
}

/* The states of run, held against those that each text gave alone, and freed. */
static bool same_as_alone(struct verification *v, size_t first, size_t n, char note[WC_NOTE_ROOM])
{
    bool same = true;
    for (size_t i = 0; i < n; i++) {
        const struct text *t = &v->texts[first + i];
        same = same && t->hidden && v->hidden[i] &&
               wc_checks_same_bits(t->hidden, v->hidden[i], t->encoded.ids.size,
                                   (size_t)v->m->net->hidden_size, note);
        wc_mem_free(v->hidden[i]);
        v->hidden[i] = NULL;
    }
    return same;
}

/* ---- one text ---- */

/* The words become the ids. */
static void check_prompt_ids(struct verification *v, const struct text *t)
{
    const wc_json *text = wc_json_get(t->json, "text"), *name = wc_json_get(t->json, "prompt_name");
    const bool pair = wc_json_is(text, WC_JSON_ARRAY) && wc_json_count(text) == 2;
    const wc_json *a = pair ? wc_json_item(text, 0) : text, *b = pair ? wc_json_item(text, 1) : NULL;
    const char *prompt = "";
    char note[WC_NOTE_ROOM];
    wc_encoded got = {0};
    wc_error why = {0};
    wc_buf words;
    if (!wc_json_is(a, WC_JSON_STRING) || (pair && !wc_json_is(b, WC_JSON_STRING)))
        return;
    if (v->m->sentence && wc_json_is(name, WC_JSON_STRING))
        prompt = wc_sentence_prompt(v->m->sentence, name->u.text);
    wc_buf_init(&words, 1 << 24);
    wc_buf_puts(&words, prompt ? prompt : "");
    wc_buf_add(&words, a->u.text, a->n);
    const wc_string first = {wc_buf_str(&words), words.size}, second = {b ? b->u.text : "", b ? b->n : 0};
    const int most = v->m->sentence ? wc_sentence_max_tokens(v->m->sentence) : 0;
    if (!prompt)
        tell(v, "prompt_ids", false, "the model has no prompt of that name");
    else if (!wc_encode_text(v->m, first, pair ? &second : NULL, most, &got, &why))
        tell(v, "prompt_ids", false, why.text);
    else
        tell(v, "prompt_ids",
             wc_checks_same_ids(t->encoded.ids.data, t->encoded.ids.size, got.ids.data, got.ids.size, note) &&
                 (!pair || wc_checks_same_ids(t->encoded.types.data, t->encoded.types.size, got.types.data,
                                              got.types.size, note)),
             note);
    wc_encoded_release(&got, 1);
    wc_buf_release(&words);
}

static void fail_group(struct verification *v, const char *why)
{
    wc_golden *g = &v->c->golden;
    for (size_t i = 0; i < g->n; i++)
        if (strcmp(g->items[i].group, v->group) == 0)
            wc_checks_fail(v->c, &g->items[i], why);
}

static void check_text(struct verification *v, size_t i, wc_backend *other)
{
    struct text *t = &v->texts[i];
    char note[WC_NOTE_ROOM] = "";
    wc_error why = {0};
    v->group = t->name;
    check_prompt_ids(v, t);
    if (!run(v, i, 1, true, &why)) {
        fail_group(v, why.text);
        return;
    }
    t->hidden = v->hidden[0];
    v->hidden[0] = NULL;
    wc_backend *own = v->m->backend;
    v->m->backend = other;
    const bool ok = run(v, i, 1, false, &why), same = same_as_alone(v, i, 1, note);
    v->m->backend = own;
    tell(v, "threads", ok && same, ok ? note : why.text);
}

static void check_batch(struct verification *v)
{
    char note[WC_NOTE_ROOM] = "a text alone could not be computed";
    wc_error why = {0};
    const bool ok = run(v, 0, v->n, false, &why), same = same_as_alone(v, 0, v->n, note);
    wc_checks_tell(v->c, "batch", ok && same, !ok ? why.text : same ? "" : note);
}

bool wc_verify_encoder(wc_checks *c, struct wc_model *m, wc_error *err)
{
    struct verification v = {.c = c, .m = m};
    wc_backend *other = wc_backend_cpu_open(wc_pool_threads(m->backend->pool) > 1 ? 1 : 3, true, err);
    const bool ok = other && read_texts(&v, err);
    for (size_t i = 0; ok && i < v.n; i++)
        check_text(&v, i, other);
    if (ok && v.n > 1 && wc_checks_want(c, "batch"))
        check_batch(&v);
    for (size_t i = 0; v.texts && i < v.n; i++) {
        wc_mem_free(v.texts[i].hidden);
        wc_encoded_release(&v.texts[i].encoded, 1);
    }
    wc_mem_free(v.texts);
    wc_mem_free(v.hidden);
    wc_backend_close(other);
    return ok;
}
