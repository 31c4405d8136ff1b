/* spm.c - the pieces of a SentencePiece model, and the rest of the tokenizer.json that transformers would make of it. */
#include "text/spm.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/size.h"
#include "base/utf8.h"
#include "text/tokenizer_parts.h"

enum { MAX_JSON = 1 << 30, MAX_PIECE = UINT16_MAX };

/* ---- checks ---------------------------------------------------------------------------------------------------- */

bool wc_spm_fail_piece(const wc_spm *m, const wc_spm_piece *piece, const char *what)
{
    char text[64];
    snprintf(text, sizeof text, "%.*s", (int)wc_min_size(piece->n, 60), piece->s ? piece->s : "");
    return wc_fail(m->err, WC_BAD_FILE, "%s: piece \"%s\": %s", m->file, text, what);
}

bool wc_spm_check_piece(const wc_spm *m, const wc_spm_piece *piece)
{
    unsigned value;
    char spelled[8];
    if (piece->n == 0)
        return wc_spm_fail_piece(m, piece, "the piece is empty");
    if (piece->n > MAX_PIECE)
        return wc_spm_fail_piece(m, piece, "the piece is longer than 65535 bytes");
    if (!wc_utf8_valid(piece->s, piece->n))
        return wc_spm_fail_piece(m, piece, "the piece is not valid UTF-8");
    if (!isfinite(piece->score))
        return wc_spm_fail_piece(m, piece, "the score is not finite (nan or inf)");
    if (piece->type == 0)
        return wc_spm_fail_piece(m, piece, "the type is not known");
    if (piece->type != WC_SPM_BYTE)
        return true;
    memcpy(spelled, piece->s, wc_min_size(piece->n, 6));
    spelled[wc_min_size(piece->n, 6)] = '\0';
    if (piece->n == 6 && sscanf(spelled, "<0x%2X>", &value) == 1) {
        snprintf(spelled, sizeof spelled, "<0x%02X>", value & 0xff);
        if (memcmp(spelled, piece->s, 6) == 0)
            return true;
    }
    return wc_spm_fail_piece(m, piece, "a byte piece is spelled <0x00> to <0xFF>");
}

/* ---- the tokenizer.json ---------------------------------------------------------------------------------------- */

/* A comma, unless the list or object has just begun. */
static void comma(wc_buf *out)
{
    char last = out->size > 0 ? out->data[out->size - 1] : '[';
    if (last != '[' && last != '{')
        wc_buf_putc(out, ',');
}

static void put_piece(const wc_spm *m, wc_buf *out, int32_t id)
{
    wc_buf_json_string(out, m->pieces[id].s, m->pieces[id].n);
}

/* All but the pieces themselves. */
static void put_model(const wc_spm *m, wc_buf *out)
{
    const bool unigram = m->model_type == WC_SPM_UNIGRAM;
    wc_buf_printf(out, "\"model\":{\"type\":\"%s\",\"fuse_unk\":true,\"byte_fallback\":%s",
                  unigram ? "Unigram" : "BPE", m->byte_fallback ? "true" : "false");
    for (size_t i = 0; i < m->n; i++) {
        if (m->pieces[i].type != WC_SPM_UNKNOWN)
            continue;
        wc_buf_printf(out, ",\"unk_id\":%zu,\"unk_token\":", i);
        put_piece(m, out, (int32_t)i);
        break;
    }
    wc_buf_putc(out, '}');
}

static void put_base64(wc_buf *out, const unsigned char *s, size_t n)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < n; i += 3) {
        uint32_t bits = (uint32_t)s[i] << 16 | (i + 1 < n ? (uint32_t)s[i + 1] << 8 : 0) |
                        (i + 2 < n ? s[i + 2] : 0U);
        wc_buf_putc(out, digits[bits >> 18]);
        wc_buf_putc(out, digits[bits >> 12 & 63]);
        wc_buf_putc(out, i + 1 < n ? digits[bits >> 6 & 63] : '=');
        wc_buf_putc(out, i + 2 < n ? digits[bits & 63] : '=');
    }
}

/* Spaces become ▁ and one is put in front: in every piece (legacy), or once at the beginning of the text. */
static void put_spaces(const wc_spm *m, const wc_json *config, wc_buf *out)
{
    bool once = wc_json_is(wc_json_get(config, "legacy"), WC_JSON_FALSE);
    bool metaspace = m->model_type == WC_SPM_UNIGRAM || (m->dummy_prefix && once);
    wc_buf_puts(out, ",\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[");
    if (m->n_charsmap > 0) {
        wc_buf_puts(out, "{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"");
        put_base64(out, m->charsmap, m->n_charsmap);
        wc_buf_puts(out, "\"}");
    }
    if (m->remove_spaces) {
        comma(out);
        wc_buf_puts(out,
                    "{\"type\":\"Strip\",\"strip_left\":false,\"strip_right\":true},{\"type\":\"Replace\","
                    "\"pattern\":{\"Regex\":\" {2,}\"},\"content\":\"\u2581\"}");
    }
    if (m->dummy_prefix && !metaspace) {
        comma(out);
        wc_buf_puts(out, "{\"type\":\"Prepend\",\"prepend\":\"\u2581\"}");
    }
    if (!metaspace) {
        comma(out);
        wc_buf_puts(out, "{\"type\":\"Replace\",\"pattern\":{\"String\":\" \"},\"content\":\"\u2581\"}");
    }
    wc_buf_puts(out, "]}");
    if (metaspace)
        wc_buf_printf(
            out,
            ",\"pre_tokenizer\":{\"type\":\"Metaspace\",\"replacement\":\"\u2581\",\"prepend_scheme\":\"%s\","
            "\"split\":%s}",
            !m->dummy_prefix ? "never"
            : once           ? "first"
                             : "always",
            m->model_type == WC_SPM_UNIGRAM ? "true" : "false");
}

static void put_decoder(const wc_spm *m, wc_buf *out)
{
    if (m->model_type == WC_SPM_UNIGRAM && !m->byte_fallback)
        wc_buf_printf(
            out, ",\"decoder\":{\"type\":\"Metaspace\",\"replacement\":\"\u2581\",\"prepend_scheme\":\"%s\"}",
            m->dummy_prefix ? "always" : "never");
    else
        wc_buf_printf(
            out,
            ",\"decoder\":{\"type\":\"Sequence\",\"decoders\":[{\"type\":\"Replace\",\"pattern\":{\"String\":"
            "\"\u2581\"},\"content\":\" \"},{\"type\":\"ByteFallback\"},{\"type\":\"Fuse\"}%s]}",
            m->dummy_prefix ? ",{\"type\":\"Strip\",\"content\":\" \",\"start\":1,\"stop\":0}" : "");
}

bool wc_spm_flag(const wc_json *config, const char *key, bool fallback)
{
    const wc_json *v = wc_json_get(config, key);
    return wc_json_is(v, WC_JSON_TRUE) || (fallback && !wc_json_is(v, WC_JSON_FALSE));
}

static void put_special(const wc_spm *m, wc_buf *out, int64_t id, int type)
{
    comma(out);
    wc_buf_printf(out, "{\"SpecialToken\":{\"type_id\":%d,\"id\":", type);
    put_piece(m, out, (int32_t)id);
    wc_buf_puts(out, "}}");
}

static void put_special_id(const wc_spm *m, wc_buf *out, int64_t id)
{
    comma(out);
    put_piece(m, out, (int32_t)id);
    wc_buf_printf(out, ":{\"ids\":[%lld]}", (long long)id);
}

/* BOS and EOS as the config says; without it BOS where the model has one (Llama, Gemma), else EOS (T5). */
static void put_template(const wc_spm *m, const wc_json *config, wc_buf *out)
{
    bool bos = m->bos_id >= 0 && wc_spm_flag(config, "add_bos_token", true);
    bool eos = m->eos_id >= 0 && wc_spm_flag(config, "add_eos_token", m->bos_id < 0);
    wc_buf_puts(out, ",\"post_processor\":{\"type\":\"TemplateProcessing\"");
    for (int pair = 0; pair < 2; pair++) {
        wc_buf_puts(out, pair ? ",\"pair\":[" : ",\"single\":[");
        for (int text = 0; text <= pair; text++) {
            if (bos)
                put_special(m, out, m->bos_id, text);
            comma(out);
            wc_buf_printf(out, "{\"Sequence\":{\"id\":\"%c\",\"type_id\":%d}}", text ? 'B' : 'A', text);
            if (eos)
                put_special(m, out, m->eos_id, text);
        }
        wc_buf_putc(out, ']');
    }
    wc_buf_puts(out, ",\"special_tokens\":{");
    if (bos)
        put_special_id(m, out, m->bos_id);
    if (eos)
        put_special_id(m, out, m->eos_id);
    wc_buf_puts(out, "}}");
}

/* A token of the config's added_tokens_decoder: its fields and its key as id. */
static void put_config_token(const wc_json *key, const wc_json *v, wc_buf *out)
{
    char *end;
    long id = strtol(key->u.text, &end, 10);
    if (!wc_json_is(v, WC_JSON_OBJECT) || *end || id < 0 || id >= WC_VOCAB_MAX_IDS)
        return;
    comma(out);
    wc_buf_printf(out, "{\"id\":%ld", id);
    for (size_t k = 0; k < wc_json_count(v); k++) {
        if (wc_json_string_is(wc_json_key(v, k), "id"))
            continue;
        comma(out);
        wc_json_write(out, wc_json_key(v, k));
        wc_buf_putc(out, ':');
        wc_json_write(out, wc_json_value(v, k));
    }
    wc_buf_putc(out, '}');
}

/* Tokens that are matched in the text: those of the config, then control, unknown and user-defined pieces. */
static void put_added(const wc_spm *m, const wc_json *config, wc_buf *out)
{
    const wc_json *added = wc_json_get(config, "added_tokens_decoder");
    char id[24];
    wc_buf_puts(out, ",\"added_tokens\":[");
    for (size_t i = 0; wc_json_is(added, WC_JSON_OBJECT) && i < wc_json_count(added); i++)
        put_config_token(wc_json_key(added, i), wc_json_value(added, i), out);
    for (size_t i = 0; i < m->n; i++) {
        int type = m->pieces[i].type;
        if (type != WC_SPM_CONTROL && type != WC_SPM_UNKNOWN && type != WC_SPM_USER_DEFINED)
            continue;
        snprintf(id, sizeof id, "%zu", i);
        if (wc_json_get(added, id))
            continue;
        comma(out);
        wc_buf_printf(out, "{\"id\":%zu,\"normalized\":false,\"special\":%s,\"content\":", i,
                      type == WC_SPM_USER_DEFINED ? "false" : "true");
        put_piece(m, out, (int32_t)i);
        wc_buf_putc(out, '}');
    }
    wc_buf_putc(out, ']');
}

static bool put_all(const wc_spm *m, const wc_json *config, wc_buf *out)
{
    wc_buf_putc(out, '{');
    put_model(m, out);
    put_added(m, config, out);
    put_spaces(m, config, out);
    put_template(m, config, out);
    put_decoder(m, out);
    wc_buf_putc(out, '}');
    return wc_buf_check(out, "a tokenizer.json made of a tokenizer.model", m->err);
}

wc_tokenizer *wc_spm_tokenizer(wc_spm *m, const wc_json *config)
{
    wc_tokenizer *t = NULL;
    wc_buf text;
    wc_buf_init(&text, MAX_JSON);
    if (put_all(m, config, &text)) {
        const wc_json *json = wc_json_parse(m->arena, wc_buf_str(&text), text.size, m->file, 0, m->err);
        if (json)
            t = wc_tokenizer_from_pieces(m, json, config);
    }
    wc_buf_release(&text);
    return t;
}
