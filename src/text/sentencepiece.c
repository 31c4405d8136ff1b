/* sentencepiece.c - tokenizer.model, SentencePiece's file, made into the tokenizer.json that transformers would make of it.
 *
 *   ModelProto   1 pieces, repeated: 1 piece, 2 score (float), 3 type
 *                2 trainer_spec: 3 model_type, 35 byte_fallback, 40 unk_id, 41 bos_id, 42 eos_id
 *                3 normalizer_spec: 2 precompiled_charsmap, 3 add_dummy_prefix, 4 remove_extra_whitespaces
 *
 * in protobuf's wire format: a key (field << 3 | wire type) as a varint, then a varint (type 0), 8 bytes (1), a length and
 * bytes (2), or 4 bytes (5).  The order of fields means nothing, the last of several counts.
 */
#include <string.h>

#include "text/spm.h"
#include "text/vocab.h"

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

static bool fail(const wc_spm *m, const char *what)
{
    return wc_fail(m->err, WC_BAD_FILE, "%s: protobuf: %s", m->file, what);
}

/* The next field; *more is false at the end. */
static bool next_field(const wc_spm *m, struct cursor *c, struct field *f, bool *more)
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

static bool expect_wire(const wc_spm *m, const struct field *f, int wire, const char *name)
{
    return f->wire == wire ||
           wc_fail(m->err, WC_BAD_FILE, "%s: protobuf: field %s: expected wire type %d, found %d", m->file,
                   name, wire, f->wire);
}

/* ---- the model ------------------------------------------------------------------------------------------------- */

static bool read_piece_field(const wc_spm *m, const struct field *f, wc_spm_piece *piece)
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
        piece->type = f->value >= WC_SPM_NORMAL && f->value <= WC_SPM_BYTE ? (int)f->value : 0;
        return expect_wire(m, f, 0, "type");
    }
    return true;
}

static bool read_piece(wc_spm *m, const struct field *field)
{
    struct cursor c = {field->data, field->data + field->n};
    wc_spm_piece piece = {.type = WC_SPM_NORMAL};
    struct field f = {0};
    bool more;
    while (next_field(m, &c, &f, &more) && more)
        if (!read_piece_field(m, &f, &piece))
            return false;
    if (more || !wc_spm_check_piece(m, &piece))
        return false;
    if (m->n == WC_VOCAB_MAX_IDS)
        return wc_fail(m->err, WC_BAD_FILE, "%s: expected at most %d pieces", m->file, WC_VOCAB_MAX_IDS);
    if (m->n == m->room) {
        size_t room = 2 * m->room;
        wc_spm_piece *grown = wc_arena_alloc(m->arena, room * sizeof *grown);
        if (!grown)
            return wc_fail_memory(m->err, room * sizeof *grown);
        memcpy(grown, m->pieces, m->n * sizeof *grown);
        m->pieces = grown;
        m->room = room;
    }
    m->pieces[m->n++] = piece;
    return true;
}

static bool read_trainer(wc_spm *m, const struct field *field)
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

static bool read_normalizer(wc_spm *m, const struct field *field)
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

static bool check_id(const wc_spm *m, const char *name, int64_t id)
{
    return (id >= -1 && id < (int64_t)m->n) ||
           wc_fail(m->err, WC_BAD_FILE, "%s: trainer_spec.%s: expected an id below %zu or -1, found %lld",
                   m->file, name, m->n, (long long)id);
}

static bool check_model(wc_spm *m)
{
    size_t n_unknown = 0, n_bytes = 0;
    for (size_t i = 0; i < m->n; i++) {
        n_unknown += m->pieces[i].type == WC_SPM_UNKNOWN;
        n_bytes += m->pieces[i].type == WC_SPM_BYTE;
    }
    if (m->n == 0)
        return wc_fail(m->err, WC_BAD_FILE, "%s: expected pieces, found none; is this a SentencePiece model?",
                       m->file);
    if (!m->has_trainer)
        return wc_fail(m->err, WC_BAD_FILE,
                       "%s: trainer_spec: expected one, found none; is the file truncated?", m->file);
    if (m->model_type != WC_SPM_UNIGRAM && m->model_type != WC_SPM_BPE)
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
           check_id(m, "eos_id", m->eos_id);
}

static bool read_model(wc_spm *m, const void *data, size_t n)
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

bool wc_spm_read(wc_spm *m, const void *data, size_t n, const char *file, wc_arena *a, wc_error *err)
{
    *m = (wc_spm){.file = file,
                  .err = err,
                  .arena = a,
                  .room = 1024,
                  .model_type = WC_SPM_UNIGRAM,
                  .bos_id = 1,
                  .eos_id = 2,
                  .dummy_prefix = true,
                  .remove_spaces = true};
    m->pieces = wc_arena_alloc(a, m->room * sizeof *m->pieces);
    return m->pieces ? read_model(m, data, n) : wc_fail_memory(err, m->room * sizeof *m->pieces);
}

wc_tokenizer *wc_tokenizer_from_sentencepiece(const void *data, size_t n, const wc_json *tokenizer_config,
                                              const char *file, wc_error *err)
{
    wc_spm m;
    wc_arena *a = wc_arena_new(0);
    wc_tokenizer *t = NULL;
    if (!a)
        wc_fail_memory(err, sizeof m);
    else if (wc_spm_read(&m, data, n, file, a, err))
        t = wc_spm_tokenizer(&m, tokenizer_config);
    wc_arena_free(a);
    return t;
}
