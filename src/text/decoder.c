/* decoder.c - reads the decoder part; see decoder.h.  detokenize.c runs it. */
#include "text/decoder.h"

#include <string.h>

static const char PART[] = "decoder";

struct reading {
    wc_decoder *d;
    const wc_reader *r;
    bool joined;
};

static bool read_literal(const wc_reader *r, const wc_json *stage, const char *key, wc_pattern **out)
{
    const char *s;
    size_t n;
    if (!wc_read_string(r, stage, PART, key, true, &s, &n))
        return false;
    *out = wc_pattern_literal(s, n);
    return *out || wc_fail_memory(r->err, n);
}

static bool read_text(const wc_reader *r, const wc_json *stage, const char *key, wc_decode_step *step)
{
    const char *s;
    if (!wc_read_string(r, stage, PART, key, true, &s, &step->n))
        return false;
    step->text = wc_arena_strndup(r->arena, s, step->n);
    return step->text || wc_fail_memory(r->err, step->n);
}

static bool read_metaspace(const wc_reader *r, const wc_json *stage, wc_decode_step *step)
{
    enum wc_prepend_scheme scheme;
    bool split;
    if (!wc_read_metaspace(r, stage, PART, &step->text, &step->n, &scheme, &split))
        return false;
    step->drop_first = scheme != WC_PREPEND_NEVER;
    step->pattern = wc_pattern_literal(step->text, step->n);
    return step->pattern || wc_fail_memory(r->err, step->n);
}

static bool read_strip(const wc_reader *r, const wc_json *stage, wc_decode_step *step)
{
    return read_text(r, stage, "content", step) &&
           wc_read_size(r, stage, PART, "start", 0, UINT32_MAX, &step->start) &&
           wc_read_size(r, stage, PART, "stop", 0, UINT32_MAX, &step->stop);
}

static bool read_step(const wc_reader *r, const wc_json *stage, const char *type, wc_decode_step *step)
{
    static const struct {
        const char *type;
        enum wc_decode_kind kind;
    } kinds[] = {{"ByteLevel", WC_DECODE_BYTE_LEVEL},
                 {"ByteFallback", WC_DECODE_BYTE_FALLBACK},
                 {"Fuse", WC_DECODE_FUSE},
                 {"Strip", WC_DECODE_STRIP},
                 {"Replace", WC_DECODE_REPLACE},
                 {"Metaspace", WC_DECODE_METASPACE},
                 {"WordPiece", WC_DECODE_WORDPIECE},
                 {"BPEDecoder", WC_DECODE_BPE},
                 {"CTC", WC_DECODE_CTC}};
    size_t i = 0, n = sizeof kinds / sizeof *kinds;
    while (i < n && strcmp(type, kinds[i].type) != 0)
        i++;
    if (i == n)
        return wc_read_unknown_type(r, PART, type);
    step->kind = kinds[i].kind;
    switch (step->kind) {
    case WC_DECODE_BYTE_LEVEL:
    case WC_DECODE_BYTE_FALLBACK:
    case WC_DECODE_FUSE:
        return true;
    case WC_DECODE_STRIP:
        return read_strip(r, stage, step);
    case WC_DECODE_REPLACE:
        return wc_read_pattern(r, stage, PART, &step->pattern) && read_text(r, stage, "content", step);
    case WC_DECODE_METASPACE:
        return read_metaspace(r, stage, step);
    case WC_DECODE_WORDPIECE:
        return read_text(r, stage, "prefix", step) &&
               wc_read_bool(r, stage, PART, "cleanup", true, &step->cleanup);
    case WC_DECODE_BPE:
        return read_literal(r, stage, "suffix", &step->pattern);
    case WC_DECODE_CTC:
        return read_literal(r, stage, "pad_token", &step->pattern) &&
               read_literal(r, stage, "word_delimiter_token", &step->delimiter) &&
               wc_read_bool(r, stage, PART, "cleanup", true, &step->cleanup);
    }
    return false;
}

static bool read_stage(void *user, const wc_json *stage, const char *type)
{
    struct reading *g = user;
    wc_decoder *d = g->d;
    wc_decode_step *step = &d->steps[d->n_steps++];
    *step = (wc_decode_step){0};
    if (!read_step(g->r, stage, type, step))
        return false;
    bool joins = step->kind == WC_DECODE_FUSE || step->kind == WC_DECODE_BYTE_LEVEL;
    if (g->joined && step->kind == WC_DECODE_FUSE) {
        d->n_steps--;
        return true;
    }
    /* What follows a join sees one text of any length, of which a stream has only the end. */
    if (g->joined && !(step->kind == WC_DECODE_STRIP && step->stop == 0 && d->n_steps == d->n_join + 2))
        return wc_fail(g->r->err, WC_UNSUPPORTED,
                       "%s: %s: %s after a stage that joins the tokens is not supported", g->r->file, PART,
                       type);
    /* It tells tokens apart by id, not by what others made of them. */
    if (step->kind == WC_DECODE_CTC && d->n_steps > 1)
        return wc_fail(g->r->err, WC_UNSUPPORTED, "%s: %s: CTC after another stage is not supported",
                       g->r->file, PART);
    for (size_t i = 0; step->kind == WC_DECODE_BYTE_FALLBACK && i + 1 < d->n_steps; i++)
        if (d->steps[i].kind == WC_DECODE_BYTE_FALLBACK)
            return wc_fail(g->r->err, WC_UNSUPPORTED, "%s: %s: expected one ByteFallback, found several",
                           g->r->file, PART);
    if (!g->joined && !joins)
        d->n_join = d->n_steps;
    g->joined |= joins;
    d->needs_next |= step->kind == WC_DECODE_BPE;
    return true;
}

bool wc_decoder_read(wc_decoder *d, const wc_reader *r, const wc_json *part)
{
    struct reading g = {d, r, false};
    d->n_steps = d->n_join = 0;
    d->none = wc_json_is_null(part);
    d->needs_next = false;
    d->file = r->file;
    return wc_read_stages(r, part, PART, "decoders", read_stage, &g);
}

void wc_decoder_release(wc_decoder *d)
{
    for (size_t i = 0; i < d->n_steps; i++) {
        wc_pattern_free(d->steps[i].pattern);
        wc_pattern_free(d->steps[i].delimiter);
    }
    d->n_steps = 0;
}
