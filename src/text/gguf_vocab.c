/* gguf_vocab.c - the tokenizer of a GGUF file: its metadata made into the tokenizer.json that the model came with.
 *
 *   tokenizer.ggml.model        "llama": SentencePiece BPE by scores; "t5": unigram; "gpt2": byte-level BPE by merges;
 *                               "gemma4": SentencePiece BPE by merges
 *   tokenizer.ggml.pre          the pattern that cuts text into words ("gpt2" only), by a name
 *   tokenizer.ggml.tokens       the token of each id; scores, token_type: as many
 *   tokenizer.ggml.merges       "left right"
 *   tokenizer.ggml.*_token_id, add_bos_token, add_eos_token, add_space_prefix
 *   tokenizer.huggingface.json  the whole tokenizer.json, rarely
 *
 * What is missing has the defaults of llama.cpp, whose converter writes these files. */
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"
#include "text/gguf_vocab.h"
#include "text/spm.h"
#include "text/vocab.h"

static const char SPACE[] = "\u2581";

struct vocab {
    const wc_json *metadata; /* {"tokenizer.ggml.tokens": ...} */
    const char *file;
    wc_arena *arena;
    wc_error *err;
    const wc_json *tokens, *types, *scores;
    size_t n;
    const wc_json *config; /* what tokenizer_config.json would say */
};

static const wc_json *key_of(const struct vocab *v, const char *key)
{
    char full[80];
    snprintf(full, sizeof full, "tokenizer.ggml.%s", key);
    return wc_json_get(v->metadata, full);
}

static bool fail_key(const struct vocab *v, const char *key, const char *expected, const wc_json *found)
{
    return wc_fail(v->err, WC_BAD_FILE, "%s: tokenizer.ggml.%s: expected %s, found %s", v->file, key,
                   expected, wc_json_type_name(found));
}

/* A list of as many items as there are tokens, of numbers; absent is fine. */
static bool numbers_of(const struct vocab *v, const char *key, const wc_json **out)
{
    *out = key_of(v, key);
    if (!*out)
        return true;
    if (!wc_json_is(*out, WC_JSON_ARRAY))
        return fail_key(v, key, "a list of numbers", *out);
    if (wc_json_count(*out) != v->n)
        return wc_fail(v->err, WC_BAD_FILE,
                       "%s: tokenizer.ggml.%s: expected %zu, as many as tokens, found %zu", v->file, key,
                       v->n, wc_json_count(*out));
    const wc_json *first = wc_json_item(*out, 0);
    if (!wc_json_is(first, WC_JSON_INT) && !wc_json_is(first, WC_JSON_DOUBLE))
        return fail_key(v, key, "numbers", first);
    return true;
}

static int type_of(const struct vocab *v, size_t id)
{
    const wc_json *type = wc_json_item(v->types, id);
    const int64_t t = wc_json_is(type, WC_JSON_INT) ? type->u.integer : WC_SPM_NORMAL;
    return t >= WC_SPM_NORMAL && t <= WC_SPM_BYTE ? (int)t : 0;
}

static bool read_tokens(struct vocab *v)
{
    v->tokens = key_of(v, "tokens");
    v->n = wc_json_count(v->tokens);
    if (!wc_json_is(v->tokens, WC_JSON_ARRAY) || v->n == 0)
        return fail_key(v, "tokens", "a list of tokens, not empty", v->tokens);
    if (v->n > WC_VOCAB_MAX_IDS)
        return wc_fail(v->err, WC_BAD_FILE, "%s: tokenizer.ggml.tokens: expected at most %d, found %zu",
                       v->file, WC_VOCAB_MAX_IDS, v->n);
    for (size_t i = 0; i < v->n; i++)
        if (!wc_json_is(wc_json_item(v->tokens, i), WC_JSON_STRING))
            return fail_key(v, "tokens", "strings", wc_json_item(v->tokens, i));
    return numbers_of(v, "token_type", &v->types) && numbers_of(v, "scores", &v->scores);
}

static bool flag_of(const struct vocab *v, const char *key, bool fallback)
{
    const wc_json *flag = key_of(v, key);
    return wc_json_is(flag, WC_JSON_TRUE) || (fallback && !wc_json_is(flag, WC_JSON_FALSE));
}

/* An id that is there lies among the tokens; -1: there is none. */
static bool id_of(const struct vocab *v, const char *key, int64_t *id)
{
    const wc_json *found = key_of(v, key);
    *id = -1;
    if (!found)
        return true;
    if (!wc_json_is(found, WC_JSON_INT))
        return fail_key(v, key, "an id", found);
    if (found->u.integer < 0 || found->u.integer >= (int64_t)v->n)
        return wc_fail(v->err, WC_BAD_FILE,
                       "%s: tokenizer.ggml.%s: expected an id below %zu, the number of tokens, found "
                       "%lld",
                       v->file, key, v->n, (long long)found->u.integer);
    *id = found->u.integer;
    return true;
}

static void put_token(const struct vocab *v, wc_buf *out, int64_t id)
{
    const wc_json *token = wc_json_item(v->tokens, (size_t)id);
    wc_buf_json_string(out, token->u.text, token->n);
}

/* The special tokens by name, and what is put around a text. */
static bool make_config(struct vocab *v, bool add_bos, bool add_eos)
{
    static const char *const names[][2] = {
        {"bos_token", "bos_token_id"},     {"eos_token", "eos_token_id"},
        {"unk_token", "unknown_token_id"}, {"sep_token", "seperator_token_id"},
        {"pad_token", "padding_token_id"}, {"cls_token", "cls_token_id"},
        {"mask_token", "mask_token_id"}};
    wc_buf b;
    bool ok = true;
    wc_buf_init(&b, 1 << 24);
    wc_buf_printf(&b, "{\"add_bos_token\":%s,\"add_eos_token\":%s",
                  flag_of(v, "add_bos_token", add_bos) ? "true" : "false",
                  flag_of(v, "add_eos_token", add_eos) ? "true" : "false");
    for (size_t i = 0; ok && i < sizeof names / sizeof *names; i++) {
        int64_t id;
        ok = id_of(v, names[i][1], &id);
        if (!ok || id < 0)
            continue;
        wc_buf_printf(&b, ",\"%s\":", names[i][0]);
        put_token(v, &b, id);
    }
    wc_buf_puts(&b, "}");
    v->config = ok && wc_buf_check(&b, "special tokens", v->err)
                    ? wc_json_parse(v->arena, wc_buf_str(&b), b.size, v->file, 0, v->err)
                    : NULL;
    wc_buf_release(&b);
    return v->config != NULL;
}

/* ---- SentencePiece --------------------------------------------------------------------------------------------- */

static bool all_spaces(const wc_json *token)
{
    for (uint32_t i = 0; i < token->n; i++)
        if (token->u.text[i] != ' ')
            return false;
    return token->n > 0;
}

/* n times the character that stands for a space; NULL when there is no memory. */
static const char *spaces(const struct vocab *v, size_t n)
{
    char *s = wc_arena_alloc(v->arena, n * (sizeof SPACE - 1) + 1);
    for (size_t i = 0; s && i < n; i++)
        memcpy(s + i * (sizeof SPACE - 1), SPACE, sizeof SPACE);
    return s;
}

/* Gemma's runs of spaces are stored as spaces, as if they were looked for in the text, and all pieces of that vocabulary stand
 * in the order of their ranks: the runs become pieces like others, and the scores are not looked at. */
static bool fill_pieces(const struct vocab *v, wc_spm *m)
{
    bool by_place = !v->scores;
    for (size_t i = 0; i < v->n; i++)
        by_place = by_place ||
                   (type_of(v, i) == WC_SPM_USER_DEFINED && all_spaces(wc_json_item(v->tokens, i)));
    for (size_t i = 0; i < v->n; i++) {
        const wc_json *token = wc_json_item(v->tokens, i);
        wc_spm_piece *p = &m->pieces[i];
        *p = (wc_spm_piece){token->u.text, token->n, -(float)i, type_of(v, i)};
        if (!by_place)
            p->score = (float)wc_json_number(wc_json_item(v->scores, i), 0);
        if (p->type == WC_SPM_USER_DEFINED && all_spaces(token)) {
            p->type = WC_SPM_NORMAL;
            p->s = spaces(v, token->n);
            p->n = token->n * (sizeof SPACE - 1);
            if (!p->s)
                return wc_fail_memory(v->err, p->n);
        }
        m->byte_fallback = m->byte_fallback || p->type == WC_SPM_BYTE;
        if (!wc_spm_check_piece(m, p))
            return false;
    }
    return true;
}

static bool check_bytes(const struct vocab *v, const wc_spm *m)
{
    size_t n = 0;
    for (size_t i = 0; i < m->n; i++)
        n += m->pieces[i].type == WC_SPM_BYTE;
    return n == 0 || n == 256 ||
           wc_fail(v->err, WC_BAD_FILE,
                   "%s: tokenizer.ggml.token_type: expected 256 byte tokens, <0x00> to <0xFF>, or none, "
                   "found %zu",
                   v->file, n);
}

static wc_tokenizer *from_pieces(struct vocab *v, enum wc_spm_model_type type)
{
    const bool bpe = type == WC_SPM_BPE;
    wc_spm m = {.file = v->file,
                .err = v->err,
                .n = v->n,
                .arena = v->arena,
                .model_type = type,
                .dummy_prefix = flag_of(v, "add_space_prefix", true),
                .remove_spaces = flag_of(v, "remove_extra_whitespaces", !bpe)};
    const wc_json *charsmap = key_of(v, "precompiled_charsmap");
    m.pieces = wc_arena_zalloc(v->arena, v->n, sizeof *m.pieces);
    unsigned char *bytes = wc_arena_alloc(v->arena, wc_json_count(charsmap) + 1);
    if (!m.pieces || !bytes) {
        wc_fail_memory(v->err, v->n * sizeof *m.pieces);
        return NULL;
    }
    m.n_charsmap = wc_json_count(charsmap);
    for (size_t i = 0; i < m.n_charsmap; i++)
        bytes[i] = (unsigned char)(int)wc_json_number(wc_json_item(charsmap, i), 0);
    m.charsmap = bytes;
    if (!make_config(v, bpe, !bpe) || !id_of(v, "bos_token_id", &m.bos_id) ||
        !id_of(v, "eos_token_id", &m.eos_id) || !id_of(v, "unknown_token_id", &m.unk_id) ||
        !fill_pieces(v, &m) || !check_bytes(v, &m))
        return NULL;
    return wc_spm_tokenizer(&m, v->config);
}

/* ---- byte-level BPE -------------------------------------------------------------------------------------------- */

#define SPLIT(regex)                                                                                         \
    "{\"type\":\"Split\",\"pattern\":{\"Regex\":\"" regex "\"},\"behavior\":\"Isolated\",\"invert\":false},"
#define BYTES   "{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"trim_offsets\":true,\"use_regex\":false}"
#define GPT2    "{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"trim_offsets\":true,\"use_regex\":true}"
#define REST    " ?[^\\\\s\\\\p{L}\\\\p{N}]+[\\\\r\\\\n]*|\\\\s*[\\\\r\\\\n]+|\\\\s+(?!\\\\S)|\\\\s+"
#define FOLDED  "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
#define UPPER   "[\\\\p{Lu}\\\\p{Lt}\\\\p{Lm}\\\\p{Lo}\\\\p{M}]"
#define LOWER   "[\\\\p{Ll}\\\\p{Lm}\\\\p{Lo}\\\\p{M}]"
#define LEAD    "[^\\\\r\\\\n\\\\p{L}\\\\p{N}]?"
#define SLASHES " ?[^\\\\s\\\\p{L}\\\\p{N}]+[\\\\r\\\\n/]*|\\\\s*[\\\\r\\\\n]+|\\\\s+(?!\\\\S)|\\\\s+"
#define LLAMA3  SPLIT(FOLDED "|" LEAD "\\\\p{L}+|\\\\p{N}{1,3}|" REST) BYTES
#define QWEN2   SPLIT(FOLDED "|" LEAD "\\\\p{L}+|\\\\p{N}|" REST) BYTES
#define O200K                                                                                                \
    SPLIT(LEAD UPPER "*" LOWER "+" FOLDED "?|" LEAD UPPER "+" LOWER "*" FOLDED "?|\\\\p{N}{1,3}|" SLASHES)   \
    BYTES
#define TEKKEN SPLIT(LEAD UPPER "*" LOWER "+|" LEAD UPPER "+" LOWER "*|\\\\p{N}|" SLASHES) BYTES
#define QWEN35                                                                                               \
    SPLIT(FOLDED                                                                                             \
          "|" LEAD "[\\\\p{L}\\\\p{M}]+|\\\\p{N}| "                                                          \
          "?[^\\\\s\\\\p{L}\\\\p{M}\\\\p{N}]+[\\\\r\\\\n]*|\\\\s*[\\\\r\\\\n]+|\\\\s+(?!\\\\S)|\\\\s+")      \
    BYTES
#define DEEPSEEK3                                                                                            \
    SPLIT("\\\\p{N}{1,3}")                                                                                   \
    SPLIT("[一-龥぀-ゟ゠-ヿ]+")                                                                        \
    SPLIT("[!\\\"#$%&'()*+,\\\\-./"                                                                          \
          ":;<=>?@\\\\[\\\\\\\\\\\\]^_`{|}~][A-Za-z]+|[^\\r\\n\\\\p{L}\\\\p{P}\\\\p{S}]?[\\\\p{L}\\\\p{M}]+" \
          "| ?[\\\\p{P}\\\\p{S}]+[\\r\\n]*|\\\\s*[\\r\\n]+|\\\\s+(?!\\\\S)|\\\\s+")                          \
    BYTES
#define DIGITS "{\"type\":\"Digits\",\"individual_digits\":true}," GPT2

/* The pre-tokenizers by the names that the files have for them. */
static const struct pre {
    const char *names; /* with a space before and behind each */
    const char *steps;
    bool ignore_merges, bos, nfc;
} pres[] = {
    {" gpt-2 phi-2 mpt olmo jais gigachat modern-bert exaone4 trillion granite-docling mellum a.x-4.0 ", GPT2,
     false, false, false},
    {" smollm starcoder refact command-r codeshell exaone minerva-7b mellum2 ", DIGITS, false, false, false},
    {" llama3 llama-v3 llama-bpe falcon3 falcon-h1 pixtral midm-2.0 lfm2 jina-v5-nano ", LLAMA3, true, true,
     false},
    {" dbrx smaug-bpe chatglm-bpe glm4 ", LLAMA3, false, false, false},
    {" qwen2 deepseek-r1-qwen stablelm2 hunyuan kormo megrez f2llmv2 openpangu solar-open grok-2 ", QWEN2,
     false, false, true},
    {" gpt-4o llama4 kanana2 minimax-m2 ", O200K, false, false, false},
    {" tekken ", TEKKEN, true, true, false},
    {" qwen35 ", QWEN35, false, false, true},
    {" deepseek-v3 hunyuan-dense joyai-llm ", DEEPSEEK3, false, false, false},
};

static const struct pre *find_pre(const struct vocab *v)
{
    const wc_json *name = key_of(v, "pre");
    char sought[80];
    if (!wc_json_is(name, WC_JSON_STRING) || name->n == 0 || name->n > 60 ||
        memchr(name->u.text, ' ', name->n)) {
        fail_key(v, "pre", "the name of a pre-tokenizer", name);
        return NULL;
    }
    snprintf(sought, sizeof sought, " %s ", name->u.text);
    for (size_t i = 0; i < sizeof pres / sizeof *pres; i++)
        if (strstr(pres[i].names, sought))
            return &pres[i];
    wc_fail(v->err, WC_UNSUPPORTED,
            "%s: tokenizer.ggml.pre: \"%s\" is not supported; give the model's tokenizer.json with "
            "--tokenizer",
            v->file, name->u.text);
    return NULL;
}

/* A stage cuts as another does: the same type, and the same pattern or the same flags. */
static bool same_stage(const wc_json *a, const wc_json *b)
{
    const wc_json *regex = wc_json_path(a, "pattern.Regex");
    if (!wc_json_string_is(wc_json_get(b, "type"), wc_json_get(a, "type")->u.text))
        return false;
    if (regex)
        return wc_json_string_is(wc_json_path(b, "pattern.Regex"), regex->u.text);
    return wc_json_is(wc_json_get(a, "use_regex"), WC_JSON_FALSE) ==
               wc_json_is(wc_json_get(b, "use_regex"), WC_JSON_FALSE) &&
           wc_json_is(wc_json_get(a, "individual_digits"), WC_JSON_TRUE) ==
               wc_json_is(wc_json_get(b, "individual_digits"), WC_JSON_TRUE);
}

/* known: a list of stages; found: a stage, or a Sequence of them. */
static bool same_stages(const wc_json *known, const wc_json *found)
{
    const wc_json *stages = wc_json_get(found, "pretokenizers");
    const size_t n = stages ? wc_json_count(stages) : 1;
    for (size_t i = 0; i < n && n == wc_json_count(known); i++)
        if (!same_stage(wc_json_item(known, i), stages ? wc_json_item(stages, i) : found))
            return false;
    return n == wc_json_count(known);
}

bool wc_gguf_pre_name(const wc_json *pre_tokenizer, bool ignore_merges, char name[WC_GGUF_PRE_ROOM])
{
    bool found = false;
    wc_arena *a = wc_arena_new(0);
    for (size_t i = 0; a && !found && i < sizeof pres / sizeof *pres; i++) {
        wc_buf b;
        wc_buf_init(&b, 1 << 16);
        wc_buf_printf(&b, "[%s]", pres[i].steps);
        const wc_json *known = wc_json_parse(a, wc_buf_str(&b), b.size, "pre", 0, NULL);
        found = known && pres[i].ignore_merges == ignore_merges && same_stages(known, pre_tokenizer);
        if (found)
            snprintf(name, WC_GGUF_PRE_ROOM, "%.*s", (int)strcspn(pres[i].names + 1, " "), pres[i].names + 1);
        wc_buf_release(&b);
    }
    wc_arena_free(a);
    return found;
}

static wc_json text_of(const char *s, size_t n)
{
    return (wc_json){.type = WC_JSON_STRING, .n = (uint32_t)n, .u.text = s};
}

/* {"token": id, ...} of the tokens that text is made of; those of other types are looked for in the text, and may be pieces of
 * merges too when all are wanted. */
static bool make_vocab(const struct vocab *v, bool all, wc_json *out)
{
    wc_json *items = wc_arena_zalloc(v->arena, 2 * v->n + 1, sizeof *items);
    uint32_t n = 0;
    if (!items)
        return wc_fail_memory(v->err, 2 * v->n * sizeof *items);
    for (size_t i = 0; i < v->n; i++) {
        const wc_json *token = wc_json_item(v->tokens, i);
        const int type = type_of(v, i);
        if ((!all && (type == WC_SPM_CONTROL || type == WC_SPM_USER_DEFINED)) || token->n == 0 ||
            !wc_utf8_valid(token->u.text, token->n))
            continue;
        items[2 * n] = *token;
        items[2 * n + 1] = (wc_json){.type = WC_JSON_INT, .u.integer = (int64_t)i};
        n++;
    }
    *out = (wc_json){.type = WC_JSON_OBJECT, .n = n, .u.items = items};
    return true;
}

static void put_added(const struct vocab *v, wc_buf *out)
{
    wc_buf_puts(out, "[");
    for (size_t i = 0, n = 0; i < v->n; i++) {
        const int type = type_of(v, i);
        const wc_json *token = wc_json_item(v->tokens, i);
        if ((type != WC_SPM_CONTROL && type != WC_SPM_USER_DEFINED) || token->n == 0 ||
            !wc_utf8_valid(token->u.text, token->n))
            continue;
        wc_buf_printf(out, "%s{\"id\":%zu,\"normalized\":false,\"special\":%s,\"content\":", n++ ? "," : "",
                      i, type == WC_SPM_CONTROL ? "true" : "false");
        put_token(v, out, (int64_t)i);
        wc_buf_puts(out, "}");
    }
    wc_buf_puts(out, "]");
}

/* One of the special tokens beside text 0 or 1 of a template. */
static void put_special(const struct vocab *v, wc_buf *out, int64_t id, int text)
{
    wc_buf_printf(out, "{\"SpecialToken\":{\"type_id\":%d,\"id\":", text);
    put_token(v, out, id);
    wc_buf_puts(out, "}}");
}

static void put_special_ids(const struct vocab *v, wc_buf *out, int64_t id)
{
    put_token(v, out, id);
    wc_buf_printf(out, ":{\"ids\":[%lld]}", (long long)id);
}

static void put_template(const struct vocab *v, wc_buf *out, int64_t bos, int64_t eos)
{
    wc_buf_puts(out, "{\"type\":\"TemplateProcessing\"");
    for (int pair = 0; pair < 2; pair++) {
        wc_buf_puts(out, pair ? ",\"pair\":[" : ",\"single\":[");
        for (int text = 0; text <= pair; text++) {
            wc_buf_puts(out, text ? "," : "");
            if (bos >= 0) {
                put_special(v, out, bos, text);
                wc_buf_puts(out, ",");
            }
            wc_buf_printf(out, "{\"Sequence\":{\"id\":\"%c\",\"type_id\":%d}}", text ? 'B' : 'A', text);
            if (eos >= 0) {
                wc_buf_puts(out, ",");
                put_special(v, out, eos, text);
            }
        }
        wc_buf_puts(out, "]");
    }
    wc_buf_puts(out, ",\"special_tokens\":{");
    if (bos >= 0)
        put_special_ids(v, out, bos);
    if (eos >= 0 && eos != bos) {
        wc_buf_puts(out, bos >= 0 ? "," : "");
        put_special_ids(v, out, eos);
    }
    wc_buf_puts(out, "}}");
}

/* All but the model, as text: it is short. */
static const wc_json *make_parts(const struct vocab *v, const struct pre *pre)
{
    wc_buf b;
    int64_t bos = -1, eos = -1;
    if (wc_json_is(wc_json_get(v->config, "add_bos_token"), WC_JSON_TRUE) && !id_of(v, "bos_token_id", &bos))
        return NULL;
    if (wc_json_is(wc_json_get(v->config, "add_eos_token"), WC_JSON_TRUE) && !id_of(v, "eos_token_id", &eos))
        return NULL;
    wc_buf_init(&b, 1 << 28);
    wc_buf_puts(&b, "{\"added_tokens\":");
    put_added(v, &b);
    if (pre->steps) {
        wc_buf_puts(&b, pre->nfc ? ",\"normalizer\":{\"type\":\"NFC\"}" : ",\"normalizer\":null");
        wc_buf_printf(&b, ",\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":[%s]}", pre->steps);
        wc_buf_puts(&b,
                    ",\"decoder\":{\"type\":\"ByteLevel\",\"add_prefix_space\":true,\"trim_offsets\":true,"
                    "\"use_regex\":true}");
    } else {
        wc_buf_printf(
            &b,
            ",\"normalizer\":{\"type\":\"Replace\",\"pattern\":{\"String\":\" \"},\"content\":\"%s\"},"
            "\"decoder\":{\"type\":\"Sequence\",\"decoders\":[{\"type\":\"Replace\",\"pattern\":{\"String\":"
            "\"%s\"},\"content\":\" \"},{\"type\":\"ByteFallback\"},{\"type\":\"Fuse\"}]}",
            SPACE, SPACE);
    }
    wc_buf_puts(&b, ",\"post_processor\":");
    put_template(v, &b, bos, eos);
    wc_buf_puts(&b, "}");
    const wc_json *parts = wc_buf_check(&b, "a tokenizer made of metadata", v->err)
                               ? wc_json_parse(v->arena, wc_buf_str(&b), b.size, v->file, 0, v->err)
                               : NULL;
    wc_buf_release(&b);
    return parts;
}

/* Text in pieces as SentencePiece has them, not in bytes: spaces are letters, and nothing is cut before it is merged. */
static const struct pre gemma4 = {.bos = true};

static wc_tokenizer *from_merges(struct vocab *v, const struct pre *pre)
{
    const wc_json *merges = key_of(v, "merges");
    int64_t unk = -1;
    if (!pre || !make_config(v, pre->bos, false) || !id_of(v, "unknown_token_id", &unk))
        return NULL;
    const wc_json *first = wc_json_item(merges, 0);
    if (!wc_json_is(merges, WC_JSON_ARRAY) || (first && !wc_json_is(first, WC_JSON_STRING))) {
        fail_key(v, "merges", "a list of strings", first ? first : merges);
        return NULL;
    }
    const wc_json *parts = make_parts(v, pre);
    const wc_json yes = {.type = WC_JSON_TRUE}, no = {.type = WC_JSON_FALSE}, none = {.type = WC_JSON_NULL};
    wc_json model[14] = {
        text_of("type", 4),           text_of("BPE", 3),
        text_of("vocab", 5),          {0},
        text_of("merges", 6),         *merges,
        text_of("ignore_merges", 13), pre->ignore_merges ? yes : no,
        text_of("byte_fallback", 13), pre->steps ? no : yes,
        text_of("fuse_unk", 8),       pre->steps ? no : yes,
        text_of("unk_token", 9),      pre->steps || unk < 0 ? none : *wc_json_item(v->tokens, (size_t)unk)};
    if (!parts || !make_vocab(v, !pre->steps, &model[3]))
        return NULL;
    wc_json *all = wc_arena_zalloc(v->arena, 2 * ((size_t)parts->n + 1), sizeof *all);
    if (!all) {
        wc_fail_memory(v->err, sizeof *all);
        return NULL;
    }
    memcpy(all, parts->u.items, 2 * (size_t)parts->n * sizeof *all);
    all[2 * parts->n] = text_of("model", 5);
    all[2 * parts->n + 1] = (wc_json){.type = WC_JSON_OBJECT, .n = 7, .u.items = model};
    const wc_json root = {.type = WC_JSON_OBJECT, .n = parts->n + 1, .u.items = all};
    return wc_tokenizer_from_json(&root, v->config, v->file, v->err);
}

/* ---- both ------------------------------------------------------------------------------------------------------ */

static wc_tokenizer *from_metadata(struct vocab *v)
{
    const wc_json *kind = key_of(v, "model"), *whole = wc_json_get(v->metadata, "tokenizer.huggingface.json");
    if (!wc_json_is(kind, WC_JSON_STRING)) {
        fail_key(v, "model", "the kind of tokenizer", kind);
        return NULL;
    }
    if (!read_tokens(v))
        return NULL;
    if (wc_json_is(whole, WC_JSON_STRING) && make_config(v, false, false)) {
        const wc_json *json = wc_json_parse(v->arena, whole->u.text, whole->n, "tokenizer.huggingface.json",
                                            0, v->err);
        return json ? wc_tokenizer_from_json(json, v->config, v->file, v->err) : NULL;
    }
    if (wc_json_string_is(kind, "llama"))
        return from_pieces(v, WC_SPM_BPE);
    if (wc_json_string_is(kind, "t5"))
        return from_pieces(v, WC_SPM_UNIGRAM);
    if (wc_json_string_is(kind, "gpt2"))
        return from_merges(v, find_pre(v));
    if (wc_json_string_is(kind, "gemma4"))
        return from_merges(v, &gemma4);
    wc_fail(v->err, WC_UNSUPPORTED,
            "%s: tokenizer.ggml.model: expected llama, t5, gpt2 or gemma4, found \"%.40s\"; give the model's "
            "tokenizer.json with --tokenizer",
            v->file, kind->u.text);
    return NULL;
}

wc_tokenizer *wc_tokenizer_from_gguf(const wc_json *metadata, const char *file, wc_error *err)
{
    struct vocab v = {.metadata = metadata, .file = file, .err = err, .arena = wc_arena_new(0)};
    wc_tokenizer *t = NULL;
    if (v.arena)
        t = from_metadata(&v);
    else
        wc_fail_memory(err, 1);
    wc_arena_free(v.arena);
    return t;
}
