/* gguf_vocab_write.c - a tokenizer.json made into the metadata of a GGUF file: what gguf_vocab.c does, the other way round. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/size.h"
#include "text/gguf_vocab.h"
#include "text/spm.h"
#include "text/vocab.h"

enum { MAX_PAIRS = 32 };

struct maker {
    const wc_json *json, *config; /* tokenizer.json; tokenizer_config.json or NULL */
    const char *file;
    size_t n;
    wc_arena *arena;
    wc_error *err;
    wc_json *tokens, *types, *scores; /* [n] */
    wc_json pairs[2 * MAX_PAIRS];
    uint32_t n_pairs;
};

static wc_json text_of(const char *s)
{
    return (wc_json){.type = WC_JSON_STRING, .n = (uint32_t)strlen(s), .u.text = s};
}

static wc_json whole(int64_t x)
{
    return (wc_json){.type = WC_JSON_INT, .u.integer = x};
}

static wc_json flag(bool x)
{
    return (wc_json){.type = x ? WC_JSON_TRUE : WC_JSON_FALSE};
}

static void set(struct maker *m, const char *key, wc_json value)
{
    m->pairs[2 * m->n_pairs] = text_of(key);
    m->pairs[2 * m->n_pairs++ + 1] = value;
}

static wc_json list_of(const wc_json *items, size_t n)
{
    return (wc_json){.type = WC_JSON_ARRAY, .n = (uint32_t)n, .u.items = items};
}

/* ---- tokens ---- */

static bool fill_token(struct maker *m, const wc_json *token, const wc_json *id, int type)
{
    if (!wc_json_is(token, WC_JSON_STRING) || !wc_json_is(id, WC_JSON_INT) || id->u.integer < 0 ||
        id->u.integer >= (int64_t)m->n)
        return wc_fail(m->err, WC_BAD_FILE, "%s: token \"%.60s\": expected an id below vocab_size %zu",
                       m->file, wc_json_is(token, WC_JSON_STRING) ? token->u.text : "", m->n);
    m->tokens[id->u.integer] = *token;
    m->types[id->u.integer] = whole(type);
    return true;
}

static int type_of_piece(const wc_json *token, bool bytes)
{
    return bytes && token->n == 6 && memcmp(token->u.text, "<0x", 3) == 0 && token->u.text[5] == '>'
               ? WC_SPM_BYTE
               : WC_SPM_NORMAL;
}

/* Ids without a token get one, as the converter of llama.cpp does it. */
static bool fill_up(struct maker *m)
{
    for (size_t i = 0; i < m->n; i++) {
        char name[40];
        if (m->tokens[i].type == WC_JSON_STRING)
            continue;
        snprintf(name, sizeof name, "[PAD%zu]", i);
        const char *copy = wc_arena_strdup(m->arena, name);
        if (!copy)
            return wc_fail_memory(m->err, sizeof name);
        m->tokens[i] = text_of(copy);
        m->types[i] = whole(WC_SPM_UNUSED);
    }
    return true;
}

/* The vocabulary by id. */
static bool fill_tokens(struct maker *m, bool byte_fallback)
{
    const wc_json *model = wc_json_get(m->json, "model"), *vocab = wc_json_get(model, "vocab"),
                  *added = wc_json_get(m->json, "added_tokens"), *unk = wc_json_get(model, "unk_token");
    for (size_t i = 0; i < wc_json_count(vocab); i++) {
        const wc_json *token = wc_json_key(vocab, i);
        const bool unknown = wc_json_is(unk, WC_JSON_STRING) && wc_json_string_is(token, unk->u.text);
        if (!fill_token(m, token, wc_json_value(vocab, i),
                        unknown ? WC_SPM_UNKNOWN : type_of_piece(token, byte_fallback)))
            return false;
    }
    for (size_t i = 0; i < wc_json_count(added); i++) {
        const wc_json *a = wc_json_item(added, i), *content = wc_json_get(a, "content");
        const bool special = wc_json_is(wc_json_get(a, "special"), WC_JSON_TRUE);
        const bool unknown = wc_json_is(unk, WC_JSON_STRING) && wc_json_is(content, WC_JSON_STRING) &&
                             wc_json_string_is(content, unk->u.text);
        if (!fill_token(m, content, wc_json_get(a, "id"),
                        unknown   ? WC_SPM_UNKNOWN
                        : special ? WC_SPM_CONTROL
                                  : WC_SPM_USER_DEFINED))
            return false;
    }
    return fill_up(m);
}

/* "left right" of every merge. */
static bool set_merges(struct maker *m, const wc_json *merges)
{
    const size_t n = wc_json_count(merges);
    wc_json *items = wc_arena_zalloc(m->arena, n + 1, sizeof *items);
    if (!items)
        return wc_fail_memory(m->err, n * sizeof *items);
    for (size_t i = 0; i < n; i++) {
        const wc_json *merge = wc_json_item(merges, i), *left = wc_json_item(merge, 0),
                      *right = wc_json_item(merge, 1);
        if (wc_json_is(merge, WC_JSON_STRING)) {
            items[i] = *merge;
            continue;
        }
        if (!wc_json_is(left, WC_JSON_STRING) || !wc_json_is(right, WC_JSON_STRING))
            return wc_fail(m->err, WC_BAD_FILE, "%s: model.merges[%zu]: expected two tokens", m->file, i);
        char *both = wc_arena_alloc(m->arena, (size_t)left->n + right->n + 2);
        if (!both)
            return wc_fail_memory(m->err, left->n);
        memcpy(both, left->u.text, left->n);
        both[left->n] = ' ';
        memcpy(both + left->n + 1, right->u.text, (size_t)right->n + 1);
        items[i] = (wc_json){.type = WC_JSON_STRING, .n = left->n + 1 + right->n, .u.text = both};
    }
    set(m, "tokenizer.ggml.merges", list_of(items, n));
    return true;
}

/* A merge's product gets the score of its rank; what no merge makes has the score 0. */
static bool set_scores(struct maker *m, const wc_json *merges)
{
    wc_vocab vocab = {0};
    size_t bytes = 0, longest = 0;
    for (size_t i = 0; i < m->n; i++) {
        bytes += m->tokens[i].n;
        longest = wc_max_size(longest, m->tokens[i].n);
        m->scores[i] = (wc_json){.type = WC_JSON_DOUBLE};
    }
    char *joined = wc_arena_alloc(m->arena, 2 * longest + 2);
    if (!joined || !wc_vocab_init(&vocab, m->arena, m->n, bytes, m->n))
        return wc_fail_memory(m->err, bytes);
    for (size_t i = 0; i < m->n; i++)
        wc_vocab_add(&vocab, m->tokens[i].u.text, m->tokens[i].n, (int32_t)i);
    for (size_t i = wc_json_count(merges); i-- > 0;) { /* the first of several that make it counts */
        const wc_json *merge = wc_json_item(merges, i), *left = wc_json_item(merge, 0),
                      *right = wc_json_item(merge, 1);
        size_t n = 0;
        if (wc_json_is(merge, WC_JSON_STRING)) {
            for (uint32_t k = 0; k < merge->n && n <= 2 * longest; k++)
                if (merge->u.text[k] != ' ')
                    joined[n++] = merge->u.text[k];
        } else if (wc_json_is(left, WC_JSON_STRING) && wc_json_is(right, WC_JSON_STRING) &&
                   left->n <= longest && right->n <= longest) {
            memcpy(joined, left->u.text, left->n);
            memcpy(joined + left->n, right->u.text, right->n);
            n = (size_t)left->n + right->n;
        }
        const int32_t id = wc_vocab_find(&vocab, joined, n);
        if (id >= 0)
            m->scores[id].u.number = -(double)(i + 1);
    }
    set(m, "tokenizer.ggml.scores", list_of(m->scores, m->n));
    return true;
}

/* ---- the rest of the pipeline ---- */

/* A part, or one of its stages, is of that type. */
static const wc_json *stage_of(const wc_json *part, const char *list, const char *type)
{
    if (wc_json_string_is(wc_json_get(part, "type"), type))
        return part;
    const wc_json *stages = wc_json_get(part, list);
    for (size_t i = 0; i < wc_json_count(stages); i++) {
        const wc_json *found = stage_of(wc_json_item(stages, i), list, type);
        if (found)
            return found;
    }
    return NULL;
}

/* The token at the beginning (or the end) of what the post-processor makes of one text; NULL: none. */
static const wc_json *around(const struct maker *m, bool begin)
{
    const wc_json *stage = stage_of(wc_json_get(m->json, "post_processor"), "processors",
                                    "TemplateProcessing"),
                  *single = wc_json_get(stage, "single");
    const size_t n = wc_json_count(single);
    return n ? wc_json_path(wc_json_item(single, begin ? 0 : n - 1), "SpecialToken.id") : NULL;
}

static int64_t id_of(const struct maker *m, const wc_json *token)
{
    for (size_t i = 0; wc_json_is(token, WC_JSON_STRING) && i < m->n; i++)
        if (m->tokens[i].n == token->n && memcmp(m->tokens[i].u.text, token->u.text, token->n) == 0)
            return (int64_t)i;
    return -1;
}

/* A special token by its name in tokenizer_config.json: a string, or an object with its content. */
static const wc_json *named(const struct maker *m, const char *name)
{
    const wc_json *v = wc_json_get(m->config, name);
    return wc_json_is(v, WC_JSON_OBJECT) ? wc_json_get(v, "content") : v;
}

static void set_specials(struct maker *m)
{
    static const char *const names[][2] = {{"eos_token", "tokenizer.ggml.eos_token_id"},
                                           {"unk_token", "tokenizer.ggml.unknown_token_id"},
                                           {"pad_token", "tokenizer.ggml.padding_token_id"}};
    const wc_json *first = around(m, true), *last = around(m, false);
    const int64_t bos = id_of(m, first ? first : named(m, "bos_token"));
    if (bos >= 0)
        set(m, "tokenizer.ggml.bos_token_id", whole(bos));
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const int64_t id = id_of(m, named(m, names[i][0]));
        if (id >= 0)
            set(m, names[i][1], whole(id));
    }
    set(m, "tokenizer.ggml.add_bos_token", flag(first != NULL));
    set(m, "tokenizer.ggml.add_eos_token", flag(last != NULL));
}

static bool set_byte_level(struct maker *m, const wc_json *model)
{
    const wc_json *pre = wc_json_get(m->json, "pre_tokenizer");
    const bool ignore = wc_json_is(wc_json_get(model, "ignore_merges"), WC_JSON_TRUE);
    char *name = wc_arena_alloc(m->arena, WC_GGUF_PRE_ROOM);
    if (!name)
        return wc_fail_memory(m->err, WC_GGUF_PRE_ROOM);
    if (!wc_gguf_pre_name(pre, ignore, name))
        return wc_fail(m->err, WC_UNSUPPORTED,
                       "%s: pre_tokenizer: expected one that GGUF files have a name for, found another",
                       m->file);
    set(m, "tokenizer.ggml.model", text_of("gpt2"));
    set(m, "tokenizer.ggml.pre", text_of(name));
    return set_merges(m, wc_json_get(model, "merges"));
}

static bool set_sentencepiece(struct maker *m, const wc_json *model)
{
    const wc_json *prepend = stage_of(wc_json_get(m->json, "normalizer"), "normalizers", "Prepend"),
                  *meta = stage_of(wc_json_get(m->json, "pre_tokenizer"), "pretokenizers", "Metaspace");
    const bool space = prepend || (meta && !wc_json_string_is(wc_json_get(meta, "prepend_scheme"), "never"));
    set(m, "tokenizer.ggml.model", text_of("llama"));
    set(m, "tokenizer.ggml.pre", text_of("default"));
    set(m, "tokenizer.ggml.add_space_prefix", flag(space));
    return set_scores(m, wc_json_get(model, "merges"));
}

static bool new_lists(struct maker *m)
{
    m->tokens = wc_arena_zalloc(m->arena, m->n + 1, sizeof *m->tokens);
    m->types = wc_arena_zalloc(m->arena, m->n + 1, sizeof *m->types);
    m->scores = wc_arena_zalloc(m->arena, m->n + 1, sizeof *m->scores);
    return (m->tokens && m->types && m->scores) || wc_fail_memory(m->err, m->n * sizeof *m->tokens);
}

static bool make(struct maker *m)
{
    const wc_json *model = wc_json_get(m->json, "model"), *type = wc_json_get(model, "type"),
                  *pre = wc_json_get(m->json, "pre_tokenizer");
    const bool fallback = wc_json_is(wc_json_get(model, "byte_fallback"), WC_JSON_TRUE);
    const bool bytes = stage_of(pre, "pretokenizers", "ByteLevel") != NULL;
    if ((type && !wc_json_string_is(type, "BPE")) ||
        !wc_json_is(wc_json_get(model, "vocab"), WC_JSON_OBJECT) || (!bytes && !fallback))
        return wc_fail(m->err, WC_UNSUPPORTED,
                       "%s: model: expected BPE of bytes or with byte_fallback, found another; only these "
                       "can be written",
                       m->file);
    if (!new_lists(m) || !fill_tokens(m, fallback) ||
        !(bytes ? set_byte_level(m, model) : set_sentencepiece(m, model)))
        return false;
    set(m, "tokenizer.ggml.tokens", list_of(m->tokens, m->n));
    set(m, "tokenizer.ggml.token_type", list_of(m->types, m->n));
    set_specials(m);
    return true;
}

/* The pairs as an object in the arena. */
static const wc_json *finish(struct maker *m, const wc_json *chat_template)
{
    if (chat_template)
        set(m, "tokenizer.chat_template", *chat_template);
    wc_json *root = wc_arena_zalloc(m->arena, 1, sizeof *root),
            *pairs = wc_arena_zalloc(m->arena, 2 * MAX_PAIRS, sizeof *pairs);
    if (!root || !pairs) {
        wc_fail_memory(m->err, sizeof m->pairs);
        return NULL;
    }
    memcpy(pairs, m->pairs, sizeof m->pairs);
    *root = (wc_json){.type = WC_JSON_OBJECT, .n = m->n_pairs, .u.items = pairs};
    return root;
}

const wc_json *wc_tokenizer_to_gguf(const wc_json *tokenizer_json, const wc_json *tokenizer_config,
                                    size_t n_vocab, const wc_json *chat_template, const char *file,
                                    wc_arena *a, wc_error *err)
{
    struct maker m = {.json = tokenizer_json,
                      .config = tokenizer_config,
                      .file = file,
                      .n = n_vocab,
                      .arena = a,
                      .err = err};
    return make(&m) ? finish(&m, chat_template) : NULL;
}

/* ---- tokenizer.model ---- */

/* Pieces by id, then the tokens that tokenizer_config.json adds or says to be special. */
static bool fill_pieces(struct maker *m, const wc_spm *spm)
{
    const wc_json *added = wc_json_get(m->config, "added_tokens_decoder");
    for (size_t i = 0; i < spm->n; i++) {
        const wc_json text = {.type = WC_JSON_STRING,
                              .n = (uint32_t)spm->pieces[i].n,
                              .u.text = spm->pieces[i].s},
                      id = whole((int64_t)i);
        if (!fill_token(m, &text, &id, spm->pieces[i].type))
            return false;
        m->scores[i].u.number = (double)spm->pieces[i].score;
    }
    for (size_t i = 0; i < wc_json_count(added); i++) {
        const wc_json *token = wc_json_value(added, i);
        const wc_json id = whole(strtol(wc_json_key(added, i)->u.text, NULL, 10));
        const bool special = wc_json_is(wc_json_get(token, "special"), WC_JSON_TRUE);
        if (id.u.integer != spm->unk_id && !fill_token(m, wc_json_get(token, "content"), &id,
                                                       special ? WC_SPM_CONTROL : WC_SPM_USER_DEFINED))
            return false;
    }
    return fill_up(m);
}

static bool make_of_pieces(struct maker *m, const wc_spm *spm)
{
    if (spm->model_type != WC_SPM_BPE)
        return wc_fail(m->err, WC_UNSUPPORTED,
                       "%s: expected a BPE model, found another; only these can be written", m->file);
    if (!new_lists(m))
        return false;
    for (size_t i = 0; i < m->n; i++)
        m->scores[i] = (wc_json){.type = WC_JSON_DOUBLE};
    if (!fill_pieces(m, spm))
        return false;
    set(m, "tokenizer.ggml.model", text_of("llama"));
    set(m, "tokenizer.ggml.pre", text_of("default"));
    set(m, "tokenizer.ggml.add_space_prefix", flag(spm->dummy_prefix));
    set(m, "tokenizer.ggml.tokens", list_of(m->tokens, m->n));
    set(m, "tokenizer.ggml.scores", list_of(m->scores, m->n));
    set(m, "tokenizer.ggml.token_type", list_of(m->types, m->n));
    if (spm->bos_id >= 0)
        set(m, "tokenizer.ggml.bos_token_id", whole(spm->bos_id));
    if (spm->eos_id >= 0)
        set(m, "tokenizer.ggml.eos_token_id", whole(spm->eos_id));
    if (spm->unk_id >= 0)
        set(m, "tokenizer.ggml.unknown_token_id", whole(spm->unk_id));
    set(m, "tokenizer.ggml.add_bos_token",
        flag(spm->bos_id >= 0 && wc_spm_flag(m->config, "add_bos_token", true)));
    set(m, "tokenizer.ggml.add_eos_token",
        flag(spm->eos_id >= 0 && wc_spm_flag(m->config, "add_eos_token", spm->bos_id < 0)));
    return true;
}

const wc_json *wc_sentencepiece_to_gguf(const void *data, size_t n, const wc_json *tokenizer_config,
                                        size_t n_vocab, const wc_json *chat_template, const char *file,
                                        wc_arena *a, wc_error *err)
{
    struct maker m = {.config = tokenizer_config, .file = file, .n = n_vocab, .arena = a, .err = err};
    wc_spm spm;
    return wc_spm_read(&spm, data, n, file, a, err) && make_of_pieces(&m, &spm) ? finish(&m, chat_template)
                                                                                : NULL;
}
