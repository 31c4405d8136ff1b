/* encoder.c - see encoder.h. */
#include "documents/encoder.h"

#include <string.h>

#include "base/buf.h"
#include "base/json.h"

/* An index remembers its vector of this text: a model of the same name may be another one, and the same model may have
 * another name. Computed by another CPU, or from weights in 8 bits, the vector is nearly the same; other models' are far. */
static const char fingerprint_text[] = "The quick brown fox jumps over the lazy dog.";
static const float same_model = 0.99f;

/* The first of the names [n] that is one of the prompts, and its words. */
static const char *prompt_of(const wc_json *prompts, const char *const *names, size_t n, const char **words)
{
    *words = "";
    for (size_t i = 0; i < n; i++) {
        const wc_json *v = wc_json_get(prompts, names[i]);
        if (wc_json_is(v, WC_JSON_STRING)) {
            *words = v->u.text;
            return names[i];
        }
    }
    return "";
}

static float *embed(const docs_encoder *e, const wc_string *texts, size_t n, const char *prompt,
                    wc_error *err)
{
    /* A model without the prompt gets none, not even its default. */
    const wc_encode_options o = {.size = sizeof o,
                                 .prompt = *prompt ? NULL : "",
                                 .prompt_name = *prompt ? prompt : NULL,
                                 .normalize = true};
    size_t width;
    return wc_embed(e->model, texts, n, &o, &width, err);
}

float *docs_encoder_documents(const docs_encoder *e, const wc_string *texts, size_t n, wc_error *err)
{
    return embed(e, texts, n, e->document_prompt, err);
}

float *docs_encoder_question(const docs_encoder *e, wc_string text, wc_error *err)
{
    return embed(e, &text, 1, e->query_prompt, err);
}

bool docs_encoder_init(docs_encoder *e, wc_model *model, wc_arena *a, wc_error *err)
{
    static const char *const documents[] = {"document", "passage"}, *const questions[] = {"query",
                                                                                          "question"};
    const char *info = wc_model_info(model), *words;
    const wc_json *root = wc_json_parse(a, info, strlen(info), "model info", 0, err);
    const wc_json *v = wc_json_get(root, "embedding"), *prompts = wc_json_get(v, "prompts");
    const double width = wc_json_number(wc_json_get(v, "width"), 0);
    if (!root)
        return false;
    if (!v || width < 1 || width > DOCS_MAX_WIDTH)
        return wc_fail(err, WC_UNSUPPORTED,
                       "%s makes no vectors of texts; expected an encoder such as all-MiniLM-L6-v2",
                       wc_json_get(root, "name")->u.text);
    *e = (docs_encoder){.model = model, .width = (size_t)width};
    e->max_tokens = (size_t)wc_json_number(wc_json_get(v, "max_tokens"), 0);
    e->query_prompt = prompt_of(prompts, questions, 2, &words);
    e->document_prompt = prompt_of(prompts, documents, 2, &e->document_words);
    const wc_string text = {fingerprint_text, sizeof fingerprint_text - 1};
    float *x = docs_encoder_documents(e, &text, 1, err);
    if (!x)
        return false;
    float *kept = wc_arena_alloc(a, e->width * sizeof *kept);
    if (kept)
        memcpy(kept, x, e->width * sizeof *kept);
    wc_free(x);
    e->fingerprint = kept;
    return kept ? true : wc_fail_memory(err, e->width * sizeof *kept);
}

bool docs_encoder_check(const docs_encoder *e, const docs_settings *s, const char *path, wc_error *err)
{
    float same = 0;
    if (e->width == s->width && !wc_similarity(e->fingerprint, s->fingerprint, 1, e->width, &same, err))
        return false;
    if (same >= same_model)
        return true;
    return wc_fail(err, WC_REFUSED,
                   "%s: its vectors are of another encoder, '%s'; use that one, or index into a new file",
                   path, s->model);
}

bool docs_encoder_count(void *encoder, const char *text, size_t n, size_t *tokens, wc_error *err)
{
    const docs_encoder *e = encoder;
    int32_t *ids = NULL;
    wc_buf b;
    wc_buf_init(&b, 64 << 20);
    wc_buf_puts(&b, e->document_words);
    wc_buf_add(&b, text, n);
    const bool ok = wc_buf_check(&b, "text", err) &&
                    wc_tokenize(e->model, wc_buf_str(&b), b.size, true, &ids, tokens, err);
    wc_free(ids);
    wc_buf_release(&b);
    return ok;
}
