/* normalize.c - see normalize.h.  Each step reads valid UTF-8 from one buffer and appends valid UTF-8 to the other. */
#include "text/normalize.h"

#include <stdio.h>
#include <string.h>

#include "base/utf8.h"

/* Appends c, which stands for the character at byte first of the old text. */
static void put(const wc_made *out, uint32_t c, size_t first)
{
    char bytes[4];
    wc_made_put(out, bytes, wc_utf8_encode(c, bytes), first);
}

uint32_t wc_byte_level_char(unsigned char byte)
{
    if ((byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae)
        return byte;
    if (byte <= 0x20) /* the other 68 in rising order from U+0100 */
        return 0x100U + byte;
    return byte == 0xad ? 0x143U : 0x121U + (byte - 0x7fU);
}

int wc_byte_level_byte(uint32_t c)
{
    if ((c >= 0x21 && c <= 0x7e) || (c >= 0xa1 && c <= 0xac) || (c >= 0xae && c <= 0xff))
        return (int)c;
    if (c >= 0x100 && c <= 0x120)
        return (int)(c - 0x100);
    if (c >= 0x121 && c <= 0x142)
        return (int)(c - 0x121 + 0x7f);
    return c == 0x143 ? 0xad : -1;
}

void wc_byte_level_map(const char *s, size_t start, size_t end, const wc_made *out)
{
    size_t plain = start; /* bytes from here to i stand for themselves */
    for (size_t i = start; i < end; i++) {
        unsigned char byte = (unsigned char)s[i];
        if (byte >= 0x21 && byte <= 0x7e)
            continue;
        wc_made_copy(out, s, plain, i - plain);
        put(out, wc_byte_level_char(byte), i);
        plain = i + 1;
    }
    wc_made_copy(out, s, plain, end - plain);
}

/* ---- reading --------------------------------------------------------------------------------------------------- */

struct reading {
    wc_normalizer *z;
    const wc_reader *r;
};

static wc_normalize_step *add_step(wc_normalizer *z, enum wc_normalize_kind kind)
{
    wc_normalize_step *step = &z->steps[z->n_steps++];
    *step = (wc_normalize_step){.kind = kind};
    return step;
}

static bool read_text(wc_normalize_step *step, const wc_reader *r, const wc_json *stage, const char *key)
{
    const char *s;
    if (!wc_read_string(r, stage, "normalizer", key, true, &s, &step->n))
        return false;
    step->text = wc_arena_strndup(r->arena, s, step->n);
    return step->text || wc_fail_memory(r->err, step->n);
}

static bool read_bert(wc_normalizer *z, const wc_reader *r, const wc_json *stage)
{
    bool clean, chinese, lowercase, accents;
    if (!wc_read_bool(r, stage, "normalizer", "clean_text", true, &clean) ||
        !wc_read_bool(r, stage, "normalizer", "handle_chinese_chars", true, &chinese) ||
        !wc_read_bool(r, stage, "normalizer", "lowercase", true, &lowercase) ||
        !wc_read_bool(r, stage, "normalizer", "strip_accents", lowercase, &accents))
        return false;
    if (clean)
        add_step(z, WC_NORM_BERT_CLEAN);
    if (chinese)
        add_step(z, WC_NORM_BERT_CHINESE);
    if (accents) {
        add_step(z, WC_NORM_FORM)->form = WC_NFD;
        add_step(z, WC_NORM_BERT_ACCENTS);
    }
    if (lowercase)
        add_step(z, WC_NORM_LOWERCASE);
    return true;
}

static bool read_precompiled(wc_normalizer *z, const wc_reader *r, const wc_json *stage)
{
    const char *s;
    size_t n;
    char where[600];
    if (!wc_read_string(r, stage, "normalizer", "precompiled_charsmap", true, &s, &n))
        return false;
    snprintf(where, sizeof where, "%.500s: normalizer.precompiled_charsmap", r->file);
    return wc_charsmap_from_base64(&add_step(z, WC_NORM_PRECOMPILED)->charsmap, r->arena, s, n, where,
                                   r->err);
}

static bool read_stage(void *user, const wc_json *stage, const char *type)
{
    struct reading *reading = user;
    wc_normalizer *z = reading->z;
    const wc_reader *r = reading->r;
    static const char *const forms[] = {"NFC", "NFD", "NFKC", "NFKD"};
    static const struct {
        const char *type;
        enum wc_normalize_kind kind;
    } plain[] = {{"Lowercase", WC_NORM_LOWERCASE},
                 {"StripAccents", WC_NORM_STRIP_ACCENTS},
                 {"Nmt", WC_NORM_NMT},
                 {"ByteLevel", WC_NORM_BYTE_LEVEL}};

    for (int i = 0; i < 4; i++) {
        if (strcmp(type, forms[i]) == 0) {
            add_step(z, WC_NORM_FORM)->form = (enum wc_normal_form)i;
            return true;
        }
        if (strcmp(type, plain[i].type) == 0) {
            add_step(z, plain[i].kind);
            return true;
        }
    }
    if (strcmp(type, "Strip") == 0) {
        wc_normalize_step *step = add_step(z, WC_NORM_STRIP);
        return wc_read_bool(r, stage, "normalizer", "strip_left", true, &step->left) &&
               wc_read_bool(r, stage, "normalizer", "strip_right", true, &step->right);
    }
    if (strcmp(type, "Prepend") == 0)
        return read_text(add_step(z, WC_NORM_PREPEND), r, stage, "prepend");
    if (strcmp(type, "Append") == 0)
        return read_text(add_step(z, WC_NORM_APPEND), r, stage, "append");
    if (strcmp(type, "Replace") == 0) {
        wc_normalize_step *step = add_step(z, WC_NORM_REPLACE);
        return wc_read_pattern(r, stage, "normalizer", &step->pattern) &&
               read_text(step, r, stage, "content");
    }
    if (strcmp(type, "Precompiled") == 0)
        return read_precompiled(z, r, stage);
    if (strcmp(type, "BertNormalizer") == 0)
        return read_bert(z, r, stage);
    return wc_read_unknown_type(r, "normalizer", type);
}

bool wc_normalizer_read(wc_normalizer *z, const wc_reader *r, const wc_json *part)
{
    struct reading reading = {z, r};
    z->n_steps = 0;
    z->file = r->file;
    return wc_read_stages(r, part, "normalizer", "normalizers", read_stage, &reading);
}

void wc_normalizer_release(wc_normalizer *z)
{
    for (size_t i = 0; i < z->n_steps; i++)
        wc_pattern_free(z->steps[i].pattern);
    z->n_steps = 0;
}

/* ---- running --------------------------------------------------------------------------------------------------- */

static void lowercase(const char *s, size_t n, const wc_made *out)
{
    uint32_t c, lower[2];
    for (size_t i = 0, len; i < n; i += len) {
        len = wc_utf8_decode(s + i, n - i, &c);
        size_t n_lower = wc_char_lower(c, lower);
        for (size_t k = 0; k < n_lower; k++)
            put(out, lower[k], i);
    }
}

static void strip(const wc_normalize_step *step, const char *s, size_t n, const wc_made *out)
{
    uint32_t c;
    size_t start = 0, end = n;
    while (step->left && start < n) {
        size_t len = wc_utf8_decode(s + start, n - start, &c);
        if (!(wc_char_classes(c) & WC_CHAR_SPACE))
            break;
        start += len;
    }
    while (step->right && end > start) {
        size_t last = end - 1;
        while ((s[last] & 0xc0) == 0x80)
            last--;
        wc_utf8_decode(s + last, end - last, &c);
        if (!(wc_char_classes(c) & WC_CHAR_SPACE))
            break;
        end = last;
    }
    wc_made_copy(out, s, start, end - start);
}

static void drop_classes(unsigned classes, const char *s, size_t n, const wc_made *out)
{
    uint32_t c;
    for (size_t i = 0, len; i < n; i += len) {
        len = wc_utf8_decode(s + i, n - i, &c);
        if (!(wc_char_classes(c) & classes))
            wc_made_copy(out, s, i, len);
    }
}

/* The rules of Google's NMT: some controls go, odd white space becomes a space. */
static void nmt(const char *s, size_t n, const wc_made *out)
{
    uint32_t c;
    for (size_t i = 0, len; i < n; i += len) {
        len = wc_utf8_decode(s + i, n - i, &c);
        if ((c >= 1 && c <= 8) || c == 0x0b || (c >= 0x0e && c <= 0x1f) || c == 0x7f || c == 0x8f ||
            c == 0x9f)
            continue;
        if (c == 0x09 || c == 0x0a || c == 0x0c || c == 0x0d || c == 0x1680 || (c >= 0x200b && c <= 0x200f) ||
            c == 0x2028 || c == 0x2029 || c == 0x2581 || c == 0xfeff || c == 0xfffd)
            put(out, ' ', i);
        else
            wc_made_copy(out, s, i, len);
    }
}

static void bert_clean(const char *s, size_t n, const wc_made *out)
{
    uint32_t c;
    for (size_t i = 0, len; i < n; i += len) {
        len = wc_utf8_decode(s + i, n - i, &c);
        unsigned classes = wc_char_classes(c);
        if (classes & WC_CHAR_BERT_DROP)
            continue;
        if (classes & WC_CHAR_SPACE)
            put(out, ' ', i);
        else
            wc_made_copy(out, s, i, len);
    }
}

/* The blocks of BERT's original code; 2b920 is its own slip for 2b820. */
static bool is_chinese(uint32_t c)
{
    return (c >= 0x4e00 && c <= 0x9fff) || (c >= 0x3400 && c <= 0x4dbf) || (c >= 0x20000 && c <= 0x2a6df) ||
           (c >= 0x2a700 && c <= 0x2b73f) || (c >= 0x2b740 && c <= 0x2b81f) ||
           (c >= 0x2b920 && c <= 0x2ceaf) || (c >= 0xf900 && c <= 0xfaff) || (c >= 0x2f800 && c <= 0x2fa1f);
}

static void bert_chinese(const char *s, size_t n, const wc_made *out)
{
    uint32_t c;
    for (size_t i = 0, len; i < n; i += len) {
        len = wc_utf8_decode(s + i, n - i, &c);
        bool chinese = is_chinese(c);
        if (chinese)
            put(out, ' ', i);
        wc_made_copy(out, s, i, len);
        if (chinese)
            put(out, ' ', i);
    }
}

/* As the tokenizers library walks the map, which is not SentencePiece's way: a grapheme cluster of fewer than 6 bytes
 * becomes the replacement of its shortest known prefix as a whole; failing that, character by character. */
static void precompiled(const wc_charsmap *m, const char *s, size_t n, const wc_made *out)
{
    wc_changes changes = {.trace = out->trace, .s = s, .n = n};
    size_t used, n_found;
    const char *found;
    for (size_t i = 0; i < n;) {
        size_t cluster = wc_grapheme_bytes(s + i, n - i);
        if (cluster < 6 && (found = wc_charsmap_find(m, s + i, cluster, false, &used, &n_found))) {
            wc_buf_add(out->text, found, n_found);
            wc_changes_replace(&changes, wc_utf8_count(s + i, cluster), found, n_found);
            i += cluster;
            continue;
        }
        for (size_t end = i + cluster; i < end;) {
            uint32_t c;
            size_t len = wc_utf8_decode(s + i, end - i, &c);
            found = wc_charsmap_find(m, s + i, len, false, &used, &n_found);
            wc_buf_add(out->text, found ? found : s + i, found ? n_found : len);
            wc_changes_replace(&changes, 1, found ? found : s + i, found ? n_found : len);
            i += len;
        }
    }
    wc_changes_end(&changes);
}

static bool replace(const wc_normalize_step *step, wc_matcher *m, const char *s, size_t n, const wc_made *out,
                    wc_error *err)
{
    size_t pos = 0, start, end;
    while (wc_buf_ok(out->text)) {
        if (!wc_pattern_next(step->pattern, m, s, n, pos, &start, &end, err))
            return false;
        wc_made_copy(out, s, pos, start - pos);
        if (start == n)
            break;
        wc_made_put(out, step->text, step->n, end > 0 ? end - 1 : 0); /* for the last that went */
        pos = end;
    }
    return true;
}

static bool run_step(const wc_normalize_step *step, wc_matcher *m, const char *s, size_t n,
                     const wc_made *out, wc_error *err)
{
    switch (step->kind) {
    case WC_NORM_FORM:
        return wc_unicode_normalize(s, n, step->form, out) || wc_fail_memory(err, n);
    case WC_NORM_LOWERCASE:
        lowercase(s, n, out);
        break;
    case WC_NORM_STRIP:
        strip(step, s, n, out);
        break;
    case WC_NORM_STRIP_ACCENTS:
        drop_classes(WC_CHAR_M, s, n, out);
        break;
    case WC_NORM_PREPEND:
        if (n > 0)
            wc_made_put(out, step->text, step->n, 0);
        wc_made_copy(out, s, 0, n);
        break;
    case WC_NORM_APPEND:
        wc_made_copy(out, s, 0, n);
        if (n > 0)
            wc_made_put(out, step->text, step->n, n - 1);
        break;
    case WC_NORM_NMT:
        nmt(s, n, out);
        break;
    case WC_NORM_BYTE_LEVEL:
        wc_byte_level_map(s, 0, n, out);
        break;
    case WC_NORM_REPLACE:
        return replace(step, m, s, n, out, err);
    case WC_NORM_PRECOMPILED:
        precompiled(&step->charsmap, s, n, out);
        break;
    case WC_NORM_BERT_CLEAN:
        bert_clean(s, n, out);
        break;
    case WC_NORM_BERT_CHINESE:
        bert_chinese(s, n, out);
        break;
    case WC_NORM_BERT_ACCENTS:
        drop_classes(WC_CHAR_BERT_MARK, s, n, out);
        break;
    }
    return true;
}

bool wc_normalizer_run(const wc_normalizer *z, wc_matcher *m, const char *s, size_t n, wc_buf buffers[2],
                       wc_trace *trace, const char **out, size_t *n_out, wc_error *err)
{
    wc_trace made = {0};
    bool ok = true;
    if (trace) {
        wc_trace_reset(trace);
        if (z->n_steps == 0)
            wc_trace_copy(trace, 0, n);
    }
    for (size_t i = 0; ok && i < z->n_steps; i++) {
        wc_buf *b = &buffers[i % 2];
        wc_buf_reset(b);
        wc_trace_reset(&made);
        ok = run_step(&z->steps[i], m, s, n, &(wc_made){b, trace ? &made : NULL}, err);
        if (ok && !wc_buf_ok(b))
            ok = wc_fail(err, WC_REFUSED, "%s: normalizer: the text grows past the limit of %zu bytes",
                         z->file, b->max);
        if (ok && trace && (ok = wc_trace_check(&made, err)))
            wc_trace_through(trace, &made);
        s = wc_buf_str(b);
        n = b->size;
    }
    wc_trace_release(&made);
    *out = s;
    *n_out = n;
    return ok && (!trace || wc_trace_check(trace, err));
}
