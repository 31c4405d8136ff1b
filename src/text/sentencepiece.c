/* sentencepiece.c - tokenizer.model, SentencePiece's file, made into the tokenizer.json that transformers would make of it.
 *
 *   ModelProto   1 pieces, repeated: 1 piece, 2 score (float), 3 type
 *                2 trainer_spec: 3 model_type, 35 byte_fallback, 40 unk_id, 41 bos_id, 42 eos_id
 *                3 normalizer_spec: 2 precompiled_charsmap, 3 add_dummy_prefix, 4 remove_extra_whitespaces
 *
 * in protobuf's wire format: a key (field << 3 | wire type) as a varint, then a varint (type 0), 8 bytes (1), a length and
 * bytes (2), or 4 bytes (5).  The order of fields means nothing, the last of several counts.
 *
 * A BPE model has scores and no merges: a pair may merge when its concatenation is a piece, the best score first.  So the
 * merges are all cuts of all pieces into two pieces, ordered by score. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/size.h"
#include "base/utf8.h"
#include "text/automaton.h"
#include "text/tokenizer.h"
#include "text/vocab.h"

enum piece_type { NORMAL = 1, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE };
enum model_type { UNIGRAM = 1, BPE = 2 };
enum { MAX_JSON = 1 << 30, MAX_MERGES = 1 << 24 };

struct piece {
    const char *s; /* [n] in the file */
    size_t n;
    float score;
    int type; /* enum piece_type */
};

struct model {
    const char *file;
    wc_error *err;
    struct piece *pieces; /* [n] in the arena */
    size_t n, room;
    wc_arena *arena;
    wc_vocab vocab;
    int64_t model_type, unk_id, bos_id, eos_id;
    bool byte_fallback, dummy_prefix, remove_spaces, has_trainer;
    const unsigned char *charsmap; /* [n_charsmap] */
    size_t n_charsmap;
};

/* ---- the wire format ------------------------------------------------------------------------------------------- */

struct field {
    uint64_t number;
    int wire;
    uint64_t value;            /* wire types 0, 1, 5 */
    const unsigned char *data; /* [n] wire type 2 */
    size_t n;
};

struct cursor {
    const unsigned char *p, *end;
};

static bool read_varint(struct cursor *c, uint64_t *out)
{
    *out = 0;
    for (int shift = 0; shift < 70 && c->p < c->end; shift += 7) {
        unsigned char byte = *c->p++;
        *out |= shift < 64 ? (uint64_t)(byte & 0x7f) << shift : 0;
        if (!(byte & 0x80))
            return true;
    }
    return false;
}

static bool fail(const struct model *m, const char *what)
{
    return wc_fail(m->err, WC_BAD_FILE, "%s: protobuf: %s", m->file, what);
}

/* The next field; *more is false at the end. */
static bool next_field(const struct model *m, struct cursor *c, struct field *f, bool *more)
{
    uint64_t key;
    *more = c->p < c->end;
    if (!*more)
        return true;
    if (!read_varint(c, &key))
        return fail(m, "a varint is cut or too long");
    *f = (struct field){.number = key >> 3, .wire = (int)(key & 7)};
    if (f->number == 0 || f->number >= 1 << 29)
        return fail(m, "a field number is out of range; is this a SentencePiece model?");
    size_t left = (size_t)(c->end - c->p), fixed = f->wire == 1 ? 8 : 4;
    switch (f->wire) {
    case 0:
        return read_varint(c, &f->value) || fail(m, "a varint is cut or too long");
    case 2:
        if (!read_varint(c, &f->value))
            return fail(m, "a length is cut or too long");
        left = (size_t)(c->end - c->p);
        if (f->value > left)
            return fail(m, "a length goes past the end");
        f->data = c->p;
        f->n = (size_t)f->value;
        c->p += f->n;
        return true;
    case 1:
    case 5:
        if (fixed > left)
            return fail(m, "a field goes past the end");
        for (size_t i = 0; i < fixed; i++)
            f->value |= (uint64_t)c->p[i] << (8 * i);
        c->p += fixed;
        return true;
    default:
        return fail(m, "a wire type is not supported; is this a SentencePiece model?");
    }
}

static bool expect_wire(const struct model *m, const struct field *f, int wire, const char *name)
{
    return f->wire == wire ||
           wc_fail(m->err, WC_BAD_FILE, "%s: protobuf: field %s: expected wire type %d, found %d", m->file,
                   name, wire, f->wire);
}

/* ---- the model ------------------------------------------------------------------------------------------------- */

static bool read_piece_field(const struct model *m, const struct field *f, struct piece *piece)
{
    if (f->number == 1) {
        piece->s = (const char *)f->data;
        piece->n = f->n;
        return expect_wire(m, f, 2, "piece");
    }
    if (f->number == 2) {
        uint32_t bits = (uint32_t)f->value;
        memcpy(&piece->score, &bits, sizeof bits);
        return expect_wire(m, f, 5, "score");
    }
    if (f->number == 3) {
        piece->type = f->value >= NORMAL && f->value <= BYTE ? (int)f->value : 0;
        return expect_wire(m, f, 0, "type");
    }
    return true;
}

static bool fail_piece(const struct model *m, const struct piece *piece, const char *what)
{
    char text[64];
    snprintf(text, sizeof text, "%.*s", (int)wc_min_size(piece->n, 60), piece->s ? piece->s : "");
    return wc_fail(m->err, WC_BAD_FILE, "%s: piece \"%s\": %s", m->file, text, what);
}

static bool check_piece(const struct model *m, const struct piece *piece)
{
    unsigned value;
    char spelled[8];
    if (piece->n == 0)
        return fail_piece(m, piece, "the piece is empty");
    if (!wc_utf8_valid(piece->s, piece->n))
        return fail_piece(m, piece, "the piece is not valid UTF-8");
    if (!isfinite(piece->score))
        return fail_piece(m, piece, "the score is not finite (nan or inf)");
    if (piece->type == 0)
        return fail_piece(m, piece, "the type is not known");
    if (piece->type != BYTE)
        return true;
    memcpy(spelled, piece->s, wc_min_size(piece->n, 6));
    spelled[wc_min_size(piece->n, 6)] = '\0';
    if (piece->n == 6 && sscanf(spelled, "<0x%2X>", &value) == 1) {
        snprintf(spelled, sizeof spelled, "<0x%02X>", value & 0xff);
        if (memcmp(spelled, piece->s, 6) == 0)
            return true;
    }
    return fail_piece(m, piece, "a byte piece is spelled <0x00> to <0xFF>");
}

static bool read_piece(struct model *m, const struct field *field)
{
    struct cursor c = {field->data, field->data + field->n};
    struct piece piece = {.type = NORMAL};
    struct field f = {0};
    bool more;
    while (next_field(m, &c, &f, &more) && more)
        if (!read_piece_field(m, &f, &piece))
            return false;
    if (more || !check_piece(m, &piece))
        return false;
    if (m->n == WC_VOCAB_MAX_IDS)
        return wc_fail(m->err, WC_BAD_FILE, "%s: expected at most %d pieces", m->file, WC_VOCAB_MAX_IDS);
    if (m->n == m->room) {
        size_t room = 2 * m->room;
        struct piece *grown = wc_arena_alloc(m->arena, room * sizeof *grown);
        if (!grown)
            return wc_fail_memory(m->err, room * sizeof *grown);
        memcpy(grown, m->pieces, m->n * sizeof *grown);
        m->pieces = grown;
        m->room = room;
    }
    m->pieces[m->n++] = piece;
    return true;
}

static bool read_trainer(struct model *m, const struct field *field)
{
    struct cursor c = {field->data, field->data + field->n};
    struct field f = {0};
    bool more;
    m->has_trainer = true;
    while (next_field(m, &c, &f, &more) && more) {
        int64_t *to = f.number == 3    ? &m->model_type
                      : f.number == 40 ? &m->unk_id
                      : f.number == 41 ? &m->bos_id
                      : f.number == 42 ? &m->eos_id
                                       : NULL;
        if ((to || f.number == 35) && !expect_wire(m, &f, 0, "of trainer_spec"))
            return false;
        if (to)
            *to = (int64_t)f.value;
        else if (f.number == 35)
            m->byte_fallback = f.value != 0;
    }
    return !more;
}

static bool read_normalizer(struct model *m, const struct field *field)
{
    struct cursor c = {field->data, field->data + field->n};
    struct field f = {0};
    bool more;
    while (next_field(m, &c, &f, &more) && more) {
        if (f.number == 2 && expect_wire(m, &f, 2, "precompiled_charsmap")) {
            m->charsmap = f.data;
            m->n_charsmap = f.n;
        } else if (f.number == 3 && expect_wire(m, &f, 0, "add_dummy_prefix")) {
            m->dummy_prefix = f.value != 0;
        } else if (f.number == 4 && expect_wire(m, &f, 0, "remove_extra_whitespaces")) {
            m->remove_spaces = f.value != 0;
        } else if (f.number >= 2 && f.number <= 4) {
            return false;
        }
    }
    return !more;
}

static bool index_pieces(struct model *m)
{
    size_t bytes = 0;
    for (size_t i = 0; i < m->n; i++)
        bytes += m->pieces[i].n;
    if (!wc_vocab_init(&m->vocab, m->arena, m->n, bytes, m->n))
        return wc_fail_memory(m->err, bytes);
    for (size_t i = 0; i < m->n; i++)
        if (wc_vocab_add(&m->vocab, m->pieces[i].s, m->pieces[i].n, (int32_t)i) != WC_VOCAB_ADDED)
            return fail_piece(m, &m->pieces[i], "the piece is there twice");
    return true;
}

static bool check_id(const struct model *m, const char *name, int64_t id)
{
    return (id >= -1 && id < (int64_t)m->n) ||
           wc_fail(m->err, WC_BAD_FILE, "%s: trainer_spec.%s: expected an id below %zu or -1, found %lld",
                   m->file, name, m->n, (long long)id);
}

static bool check_model(struct model *m)
{
    size_t n_unknown = 0, n_bytes = 0;
    for (size_t i = 0; i < m->n; i++) {
        n_unknown += m->pieces[i].type == UNKNOWN;
        n_bytes += m->pieces[i].type == BYTE;
    }
    if (m->n == 0)
        return wc_fail(m->err, WC_BAD_FILE, "%s: expected pieces, found none; is this a SentencePiece model?",
                       m->file);
    if (!m->has_trainer)
        return wc_fail(m->err, WC_BAD_FILE,
                       "%s: trainer_spec: expected one, found none; is the file truncated?", m->file);
    if (m->model_type != UNIGRAM && m->model_type != BPE)
        return wc_fail(m->err, WC_UNSUPPORTED,
                       "%s: trainer_spec.model_type: expected 1 (unigram) or 2 (bpe), found %lld", m->file,
                       (long long)m->model_type);
    if (n_unknown != 1)
        return wc_fail(m->err, WC_BAD_FILE, "%s: expected one piece of type unknown (unk), found %zu",
                       m->file, n_unknown);
    if (m->byte_fallback && n_bytes != 256)
        return wc_fail(m->err, WC_BAD_FILE,
                       "%s: byte_fallback: expected 256 byte pieces, <0x00> to <0xFF>, found %zu", m->file,
                       n_bytes);
    return check_id(m, "unk_id", m->unk_id) && check_id(m, "bos_id", m->bos_id) &&
           check_id(m, "eos_id", m->eos_id) && index_pieces(m);
}

static bool read_model(struct model *m, const void *data, size_t n)
{
    struct cursor c = {data, (const unsigned char *)data + n};
    struct field f = {0};
    bool more, ok = true;
    while (ok && next_field(m, &c, &f, &more) && more) {
        if (f.number <= 3 && !expect_wire(m, &f, 2, "pieces, trainer_spec or normalizer_spec"))
            return false;
        if (f.number == 1)
            ok = read_piece(m, &f);
        else if (f.number == 2)
            ok = read_trainer(m, &f);
        else if (f.number == 3)
            ok = read_normalizer(m, &f);
    }
    return ok && !more && check_model(m);
}

/* ---- merges ---------------------------------------------------------------------------------------------------- */

struct cut {
    int32_t left, right;
    float score;
    uint32_t n_left, n_right; /* characters */
    uint32_t order;           /* as they were found */
};

struct cuts {
    struct cut *items;
    size_t n, room;
};

static bool add_cut(const struct model *m, struct cuts *cuts, struct cut cut)
{
    if (cuts->n == MAX_MERGES)
        return wc_fail(m->err, WC_UNSUPPORTED, "%s: the pieces have more than %d cuts into two pieces",
                       m->file, MAX_MERGES);
    if (cuts->n == cuts->room) {
        size_t room = cuts->room ? 2 * cuts->room : 4096;
        struct cut *grown = wc_mem_realloc(cuts->items, room * sizeof *grown);
        if (!grown)
            return wc_fail_memory(m->err, room * sizeof *grown);
        cuts->items = grown;
        cuts->room = room;
    }
    cut.order = (uint32_t)cuts->n;
    cuts->items[cuts->n++] = cut;
    return true;
}

static int by_parts(const void *a, const void *b)
{
    const struct cut *x = a, *y = b;
    return x->left != y->left ? (x->left > y->left) - (x->left < y->left)
                              : (x->right > y->right) - (x->right < y->right);
}

/* The order of transformers: score, then length of the left part, then of the right, all descending; then as found. */
static int by_rank(const void *a, const void *b)
{
    const struct cut *x = a, *y = b;
    if (x->score != y->score)
        return x->score < y->score ? 1 : -1;
    if (x->n_left != y->n_left)
        return x->n_left < y->n_left ? 1 : -1;
    if (x->n_right != y->n_right)
        return x->n_right < y->n_right ? 1 : -1;
    return (x->order > y->order) - (x->order < y->order);
}

/* The cuts of one piece.  starts[i] is the piece that begins the piece and is i bytes long, ends[i] the one that follows
 * it to the end: both come from one walk through an automaton, whatever the piece's length. */
static bool cut_piece(const struct model *m, const wc_automaton *forwards, const wc_automaton *backwards,
                      int32_t id, int32_t *starts, struct cuts *cuts)
{
    const struct piece *piece = &m->pieces[id];
    uint32_t state = 0, n_chars = 0, n_left;
    size_t first = cuts->n;
    for (size_t i = 0; i < piece->n; i++) {
        n_chars += (piece->s[i] & 0xc0) != 0x80;
        state = wc_automaton_step(forwards, state, (unsigned char)piece->s[i]);
        starts[i + 1] = forwards->value[state];
    }
    state = 0;
    n_left = n_chars;
    for (size_t i = piece->n; --i > 0;) {
        state = wc_automaton_step(backwards, state, (unsigned char)piece->s[i]);
        n_left -= (piece->s[i] & 0xc0) != 0x80;
        int32_t end = backwards->value[state];
        if (starts[i] >= 0 && end >= 0 &&
            !add_cut(m, cuts, (struct cut){starts[i], end, piece->score, n_left, n_chars - n_left, 0}))
            return false;
    }
    if (cuts->n > first)
        qsort(cuts->items + first, cuts->n - first, sizeof *cuts->items, by_parts);
    for (size_t i = first; i < cuts->n; i++)
        cuts->items[i].order = (uint32_t)i;
    return true;
}

static bool find_cuts(const struct model *m, struct cuts *cuts)
{
    wc_automaton forwards = {0}, backwards = {0};
    size_t longest = 0;
    wc_automaton_pattern *patterns = wc_mem_alloc(m->n * sizeof *patterns);
    int32_t *starts = NULL;
    bool ok = patterns != NULL;
    for (size_t i = 0; ok && i < m->n; i++) {
        patterns[i] = (wc_automaton_pattern){m->pieces[i].s, m->pieces[i].n, (int32_t)i};
        longest = wc_max_size(longest, m->pieces[i].n);
    }
    ok = ok && wc_automaton_init(&forwards, patterns, m->n, false) &&
         wc_automaton_init(&backwards, patterns, m->n, true) &&
         (starts = wc_mem_alloc((longest + 1) * sizeof *starts));
    if (!ok)
        wc_fail_memory(m->err, m->n * sizeof *patterns);
    for (size_t i = 0; ok && i < m->n; i++)
        ok = cut_piece(m, &forwards, &backwards, (int32_t)i, starts, cuts);
    if (ok && cuts->n > 0)
        qsort(cuts->items, cuts->n, sizeof *cuts->items, by_rank);
    wc_automaton_release(&forwards);
    wc_automaton_release(&backwards);
    wc_mem_free(patterns);
    wc_mem_free(starts);
    return ok;
}

/* ---- the tokenizer.json ---------------------------------------------------------------------------------------- */

/* A comma, unless the list or object has just begun. */
static void comma(wc_buf *out)
{
    char last = out->size > 0 ? out->data[out->size - 1] : '[';
    if (last != '[' && last != '{')
        wc_buf_putc(out, ',');
}

static void put_piece(const struct model *m, wc_buf *out, int32_t id)
{
    wc_buf_json_string(out, m->pieces[id].s, m->pieces[id].n);
}

static bool put_bpe(const struct model *m, wc_buf *out)
{
    struct cuts cuts = {0};
    bool ok = find_cuts(m, &cuts);
    wc_buf_puts(out, "\"model\":{\"type\":\"BPE\",\"fuse_unk\":true,\"vocab\":{");
    for (size_t i = 0; i < m->n; i++) {
        comma(out);
        put_piece(m, out, (int32_t)i);
        wc_buf_printf(out, ":%zu", i);
    }
    wc_buf_puts(out, "},\"merges\":[");
    for (size_t i = 0; ok && i < cuts.n; i++) {
        comma(out);
        wc_buf_putc(out, '[');
        put_piece(m, out, cuts.items[i].left);
        wc_buf_putc(out, ',');
        put_piece(m, out, cuts.items[i].right);
        wc_buf_putc(out, ']');
    }
    wc_buf_putc(out, ']');
    for (size_t i = 0; i < m->n; i++) {
        if (m->pieces[i].type == UNKNOWN) {
            wc_buf_puts(out, ",\"unk_token\":");
            put_piece(m, out, (int32_t)i);
        }
    }
    wc_mem_free(cuts.items);
    return ok;
}

static void put_unigram(const struct model *m, wc_buf *out)
{
    size_t unk = 0;
    wc_buf_puts(out, "\"model\":{\"type\":\"Unigram\",\"vocab\":[");
    for (size_t i = 0; i < m->n; i++) {
        comma(out);
        wc_buf_putc(out, '[');
        put_piece(m, out, (int32_t)i);
        wc_buf_putc(out, ',');
        wc_buf_json_double(out, m->pieces[i].score);
        wc_buf_putc(out, ']');
        if (m->pieces[i].type == UNKNOWN)
            unk = i;
    }
    wc_buf_printf(out, "],\"unk_id\":%zu", unk);
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
static void put_spaces(const struct model *m, const wc_json *config, wc_buf *out)
{
    bool once = wc_json_is(wc_json_get(config, "legacy"), WC_JSON_FALSE);
    bool metaspace = m->model_type == UNIGRAM || (m->dummy_prefix && once);
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
            m->model_type == UNIGRAM ? "true" : "false");
}

static void put_decoder(const struct model *m, wc_buf *out)
{
    if (m->model_type == UNIGRAM && !m->byte_fallback)
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

static bool flag_or(const wc_json *config, const char *key, bool fallback)
{
    const wc_json *v = wc_json_get(config, key);
    return wc_json_is(v, WC_JSON_TRUE) || (fallback && !wc_json_is(v, WC_JSON_FALSE));
}

static void put_special(const struct model *m, wc_buf *out, int64_t id)
{
    comma(out);
    wc_buf_puts(out, "{\"SpecialToken\":{\"type_id\":0,\"id\":");
    put_piece(m, out, (int32_t)id);
    wc_buf_puts(out, "}}");
}

static void put_special_id(const struct model *m, wc_buf *out, int64_t id)
{
    comma(out);
    put_piece(m, out, (int32_t)id);
    wc_buf_printf(out, ":{\"ids\":[%lld]}", (long long)id);
}

/* BOS and EOS as the config says; without it BOS where the model has one (Llama, Gemma), else EOS (T5). */
static void put_template(const struct model *m, const wc_json *config, wc_buf *out)
{
    bool bos = m->bos_id >= 0 && flag_or(config, "add_bos_token", true);
    bool eos = m->eos_id >= 0 && flag_or(config, "add_eos_token", m->bos_id < 0);
    wc_buf_puts(out, ",\"post_processor\":{\"type\":\"TemplateProcessing\"");
    for (int pair = 0; pair < 2; pair++) {
        wc_buf_puts(out, pair ? ",\"pair\":[" : ",\"single\":[");
        for (int text = 0; text <= pair; text++) {
            if (bos)
                put_special(m, out, m->bos_id);
            comma(out);
            wc_buf_printf(out, "{\"Sequence\":{\"id\":\"%c\",\"type_id\":%d}}", text ? 'B' : 'A', text);
            if (eos)
                put_special(m, out, m->eos_id);
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
static void put_added(const struct model *m, const wc_json *config, wc_buf *out)
{
    const wc_json *added = wc_json_get(config, "added_tokens_decoder");
    char id[24];
    wc_buf_puts(out, ",\"added_tokens\":[");
    for (size_t i = 0; wc_json_is(added, WC_JSON_OBJECT) && i < wc_json_count(added); i++)
        put_config_token(wc_json_key(added, i), wc_json_value(added, i), out);
    for (size_t i = 0; i < m->n; i++) {
        int type = m->pieces[i].type;
        snprintf(id, sizeof id, "%zu", i);
        if ((type != CONTROL && type != UNKNOWN && type != USER_DEFINED) || wc_json_get(added, id))
            continue;
        comma(out);
        wc_buf_printf(out, "{\"id\":%zu,\"normalized\":false,\"special\":%s,\"content\":", i,
                      type == USER_DEFINED ? "false" : "true");
        put_piece(m, out, (int32_t)i);
        wc_buf_putc(out, '}');
    }
    wc_buf_putc(out, ']');
}

static bool put_all(const struct model *m, const wc_json *config, wc_buf *out)
{
    wc_buf_putc(out, '{');
    if (m->model_type == UNIGRAM)
        put_unigram(m, out);
    else if (!put_bpe(m, out))
        return false;
    wc_buf_printf(out, ",\"byte_fallback\":%s}", m->byte_fallback ? "true" : "false");
    put_added(m, config, out);
    put_spaces(m, config, out);
    put_template(m, config, out);
    put_decoder(m, out);
    wc_buf_putc(out, '}');
    return wc_buf_check(out, "a tokenizer.json made of a tokenizer.model", m->err);
}

wc_tokenizer *wc_tokenizer_from_sentencepiece(const void *data, size_t n, const wc_json *tokenizer_config,
                                              const char *file, wc_error *err)
{
    wc_tokenizer *t = NULL;
    wc_buf text;
    struct model m = {.file = file,
                      .err = err,
                      .arena = wc_arena_new(0),
                      .room = 1024,
                      .model_type = UNIGRAM,
                      .bos_id = 1,
                      .eos_id = 2,
                      .dummy_prefix = true,
                      .remove_spaces = true};
    wc_buf_init(&text, MAX_JSON);
    m.pieces = m.arena ? wc_arena_alloc(m.arena, m.room * sizeof *m.pieces) : NULL;
    if (!m.pieces) {
        wc_fail_memory(err, sizeof m);
        goto done;
    }
    if (!read_model(&m, data, n) || !put_all(&m, tokenizer_config, &text))
        goto done;
    const wc_json *json = wc_json_parse(m.arena, wc_buf_str(&text), text.size, file, 0, err);
    if (json)
        t = wc_tokenizer_from_json(json, tokenizer_config, file, err);
done:
    wc_buf_release(&text);
    wc_arena_free(m.arena);
    return t;
}
