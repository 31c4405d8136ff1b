/* tokenizer.c - runs the pipeline that tokenizer_json.c has read.
 *
 *   text -> cut at added tokens (raw) -> normalize each piece -> cut at added tokens (normalized)
 *        -> pre-tokenize each piece -> model on each word */
#include "text/tokenizer.h"

#include <string.h>

#include "base/size.h"
#include "base/utf8.h"
#include "text/tokenizer_parts.h"

enum {
    MAX_TEXT = 256 * 1024 * 1024,
    GROWTH = 32,        /* a text may become so many times as long while it is normalized and rewritten, */
    EXTRA = 1024 * 1024 /* and so many bytes more */
};

/* Where an added token begins in a text. */
struct found {
    uint32_t pos;
    int32_t index; /* into added */
};

/* The state of one call of wc_tokenizer_encode. */
struct encoder {
    const wc_tokenizer *t;
    unsigned flags;
    wc_ids *out;
    wc_error *err;
    size_t budget; /* bytes that normalized pieces may still have, all together */
    wc_matcher matcher;
    wc_buf normalized[2];
    wc_pieces pieces;
    wc_bpe_scratch bpe;
    wc_unigram_scratch unigram;
    wc_wordpiece_scratch wordpiece;
    struct found *found[2]; /* by level: raw, normalized; from the text's end to its beginning */
    size_t found_room[2];
    wc_spans *spans;  /* of the ids in out; NULL: not asked for */
    const char *text; /* [n_text] whose bytes they are */
    size_t n_text;
    bool follows; /* a gap is traced: for spans, or for what is put in front of an unchanged beginning */
    const char *normal; /* what the gap that is being encoded was normalized to, */
    size_t gap;         /* where in text it begins, */
    wc_trace map;       /* and from normal to the gap, when it follows */
};

static void encoder_init(struct encoder *e, const wc_tokenizer *t, size_t n, unsigned flags, wc_ids *out,
                         wc_error *err)
{
    size_t budget = wc_min_size(n * GROWTH + EXTRA, INT32_MAX); /* places are 32 bits wide */
    *e = (struct encoder){.t = t, .flags = flags, .out = out, .err = err, .budget = budget};
    wc_matcher_init(&e->matcher, n);
    wc_buf_init(&e->normalized[0], budget);
    wc_buf_init(&e->normalized[1], budget);
    wc_pieces_init(&e->pieces, budget);
}

static void encoder_release(struct encoder *e)
{
    wc_matcher_release(&e->matcher);
    wc_buf_release(&e->normalized[0]);
    wc_buf_release(&e->normalized[1]);
    wc_pieces_release(&e->pieces);
    wc_bpe_scratch_release(&e->bpe);
    wc_unigram_scratch_release(&e->unigram);
    wc_wordpiece_scratch_release(&e->wordpiece);
    wc_mem_free(e->found[0]);
    wc_mem_free(e->found[1]);
    wc_trace_release(&e->map);
}

/* ---- places ---- */

/* The character of the text that byte i of the normalized gap stands for. */
static wc_span origin(const struct encoder *e, size_t i)
{
    const size_t n = e->map.size;
    size_t start = e->gap + (n > 0 ? e->map.from[wc_min_size(i, n - 1)] : 0);
    uint32_t unused;
    while (start > 0 && (e->text[start] & 0xc0) == 0x80)
        start--;
    return (wc_span){(uint32_t)start,
                     (uint32_t)(start + wc_utf8_decode(e->text + start, e->n_text - start, &unused))};
}

/* Notes that an id stands for the bytes [start, end) of the text, or at level 1 of the normalized gap. */
static bool note(struct encoder *e, int level, size_t start, size_t end)
{
    if (e->spans && level == 1) {
        const wc_span first = origin(e, start), last = origin(e, end > start ? end - 1 : start);
        start = first.start;
        end = last.end;
    }
    return wc_spans_add(e->spans, start, end) || wc_fail_memory(e->err, sizeof(wc_span));
}

/* Spans of a piece's words, which are noted as bytes of pieces.s, to bytes of the text.  base: where the piece is in the
 * normalized gap. */
static void place(struct encoder *e, size_t first, size_t word, size_t base)
{
    const wc_trace *trace = &e->pieces.trace;
    for (size_t i = first; e->spans && i < e->spans->size; i++) {
        const size_t start = e->spans->data[i].start + word, end = e->spans->data[i].end + word;
        size_t ends[2] = {start, end > start ? end - 1 : start};
        for (int k = 0; k < 2; k++)
            ends[k] = base + (trace->size > 0 ? trace->from[wc_min_size(ends[k], trace->size - 1)] : ends[k]);
        e->spans->data[i] = (wc_span){origin(e, ends[0]).start, origin(e, ends[1]).end};
    }
}

/* White space as the library counts it off tokens: of the text, or the character that stands for a space. */
static bool is_trimmed(uint32_t c)
{
    return c == wc_byte_level_char(' ') || (wc_char_classes(c) & WC_CHAR_SPACE);
}

/* Takes white space off the ends of a span, as many characters as the token [n] has there, but for a single one that was put in front
 * (trim_offsets of the ByteLevel post-processor). */
static wc_span trimmed(const struct encoder *e, const char *token, size_t n, wc_span span, bool first)
{
    uint32_t c;
    size_t leading = 0, trailing = 0;
    for (size_t i = 0; i < n; leading++) {
        i += wc_utf8_decode(token + i, n - i, &c);
        if (!is_trimmed(c))
            break;
    }
    for (size_t end = n; end > 0; trailing++) {
        do
            end--;
        while (end > 0 && (token[end] & 0xc0) == 0x80);
        wc_utf8_decode(token + end, n - end, &c);
        if (!is_trimmed(c))
            break;
    }
    if (first && leading == 1 && e->t->trim.prefix)
        leading = 0;
    for (; leading > 0 && span.start < span.end; leading--)
        span.start += (uint32_t)wc_utf8_decode(e->text + span.start, span.end - span.start, &c);
    for (; trailing > 0 && span.end > span.start; trailing--)
        do
            span.end--;
        while (span.end > span.start && (e->text[span.end] & 0xc0) == 0x80);
    return span;
}

static void trim_all(const struct encoder *e, size_t first)
{
    for (size_t i = first; i < e->spans->size; i++) {
        const wc_span span = e->spans->data[i];
        const int32_t id = e->out->data[i];
        size_t n = 0;
        const char *token = wc_tokenizer_token(e->t, id, &n);
        if (wc_tokenizer_added(e->t, id)) { /* with the space that it swallowed */
            token = e->text + span.start;
            n = span.end - span.start;
        }
        if (token)
            e->spans->data[i] = trimmed(e, token, n, span, i == first || span.start == 0);
    }
}

/* ---- words ---- */

static bool encode_word(struct encoder *e, const char *s, size_t n)
{
    const wc_tokenizer *t = e->t;
    int32_t id;
    switch (t->kind) {
    case WC_MODEL_BPE:
        return wc_bpe_encode(&t->bpe, &e->bpe, s, n, e->out, e->spans, e->err);
    case WC_MODEL_UNIGRAM:
        return wc_unigram_encode(&t->unigram, &e->unigram, s, n, e->out, e->spans, e->err) ||
               wc_fail_within(e->err, t->file);
    case WC_MODEL_WORDPIECE:
        return wc_wordpiece_encode(&t->wordpiece, &e->wordpiece, s, n, e->out, e->spans, e->err);
    case WC_MODEL_WORDLEVEL:
        id = wc_vocab_find(&t->vocab, s, n);
        return (wc_ids_add(e->out, id >= 0 ? id : t->wordlevel_unk) && wc_spans_add(e->spans, 0, n)) ||
               wc_fail_memory(e->err, sizeof id);
    }
    return false;
}

/* Piece s [n] between added tokens, normalized. */
static bool encode_piece(struct encoder *e, const char *s, size_t n, bool at_origin)
{
    if (!wc_pretokenizer_run(&e->t->pretokenizer, &e->matcher, s, n, at_origin, &e->pieces, e->err))
        return false;
    for (size_t i = 0; i < e->pieces.n; i++) {
        const wc_piece piece = e->pieces.items[i];
        const size_t first = e->spans ? e->spans->size : 0;
        if (!encode_word(e, e->pieces.s + piece.start, piece.end - piece.start))
            return false;
        if (e->spans)
            place(e, first, piece.start, (size_t)(s - e->normal));
    }
    return true;
}

/* All places of s [n] where an added token begins (the longest one at each), into e->found[level], last place first. */
static bool find_added(struct encoder *e, int level, const char *s, size_t n, size_t *n_found)
{
    const wc_automaton *a = level == 0 ? &e->t->raw : &e->t->normalized;
    uint32_t state = 0;
    size_t used = 0;
    for (size_t i = n; a->n_nodes > 0 && i-- > 0;) {
        state = wc_automaton_step(a, state, (unsigned char)s[i]);
        uint32_t match = wc_automaton_match(a, state);
        if (!match)
            continue;
        if (used == e->found_room[level]) {
            size_t room = used ? 2 * used : 64;
            struct found *grown = wc_mem_realloc(e->found[level], room * sizeof *grown);
            if (!grown)
                return wc_fail_memory(e->err, room * sizeof *grown);
            e->found[level] = grown;
            e->found_room[level] = room;
        }
        e->found[level][used++] = (struct found){(uint32_t)i, a->value[match]};
    }
    *n_found = used;
    return true;
}

static unsigned classes_before(const char *s, size_t pos, size_t *start)
{
    uint32_t c;
    *start = pos - 1;
    while ((s[*start] & 0xc0) == 0x80)
        (*start)--;
    wc_utf8_decode(s + *start, pos - *start, &c);
    return wc_char_classes(c);
}

static unsigned classes_after(const char *s, size_t n, size_t pos, size_t *end)
{
    uint32_t c;
    *end = pos + wc_utf8_decode(s + pos, n - pos, &c);
    return wc_char_classes(c);
}

/* The match [start, end) of an added token counts, as its flags and the call's have it. */
static bool is_wanted(const struct encoder *e, const wc_added_token *token, const char *s, size_t n,
                      size_t start, size_t end)
{
    size_t unused;
    if (token->special && (e->flags & WC_ENCODE_PLAIN))
        return false;
    return !token->single_word || ((start == 0 || !(classes_before(s, start, &unused) & WC_CHAR_WORD)) &&
                                   (end == n || !(classes_after(s, n, end, &unused) & WC_CHAR_WORD)));
}

static bool encode_gap(struct encoder *e, int level, const char *s, size_t n, bool at_origin);

/* Cuts s [n] at added tokens: leftmost first, the longest at each place.  A match that is not wanted is passed over as a
 * whole.  lstrip and rstrip swallow white space around a token, of which the search knows nothing. */
static bool encode_level(struct encoder *e, int level, const char *s, size_t n, bool at_origin)
{
    size_t n_found = 0, searched = 0, done = 0, space_end = 0;
    if (!find_added(e, level, s, n, &n_found))
        return false;
    while (n_found > 0) {
        struct found found = e->found[level][--n_found];
        const wc_added_token *token = &e->t->added[found.index];
        size_t start = found.pos, end = start + (level == 0 ? token->n : token->n_pattern), at;
        if (start < searched)
            continue;
        searched = end;
        if (!is_wanted(e, token, s, n, start, end))
            continue;
        while (token->lstrip && start > done && (classes_before(s, start, &at) & WC_CHAR_SPACE))
            start = at;
        if (token->rstrip && end < space_end) /* inside space that was measured already */
            end = space_end;
        while (token->rstrip && end < n && (classes_after(s, n, end, &at) & WC_CHAR_SPACE))
            space_end = end = at;
        if (done < start && !encode_gap(e, level, s + done, start - done, at_origin && done == 0))
            return false;
        const size_t base = e->spans ? (size_t)(s - (level == 0 ? e->text : e->normal)) : 0;
        if (!wc_ids_add(e->out, token->id))
            return wc_fail_memory(e->err, sizeof token->id);
        if (!note(e, level, base + start, base + end))
            return false;
        done = end;
    }
    return done >= n || encode_gap(e, level, s + done, n - done, at_origin && done == 0);
}

/* The text between two added tokens of a level. */
static bool encode_gap(struct encoder *e, int level, const char *s, size_t n, bool at_origin)
{
    const wc_tokenizer *t = e->t;
    const char *gap = s;
    if (level == 1)
        return encode_piece(e, s, n, at_origin);
    if (!wc_normalizer_run(&t->normalizer, &e->matcher, s, n, e->normalized, e->follows ? &e->map : NULL, &s,
                           &n, e->err))
        return false;
    if (n > e->budget)
        return wc_fail(e->err, WC_REFUSED, "%s: normalizer: the text grows past the limit of %zu bytes",
                       t->file, e->normalized[0].max);
    e->budget -= n;
    e->normal = s;
    e->gap = (size_t)(gap - e->text);
    return encode_level(e, 1, s, n, at_origin && (!e->follows || origin(e, 0).start == 0));
}

/* Valid UTF-8 for text [n]: text itself, or a copy in repaired with U+FFFD in it.  NULL when there is no memory. */
static const char *repair(const char *text, size_t n, wc_buf *repaired, size_t *n_out)
{
    *n_out = n;
    if (wc_utf8_valid(text, n))
        return text;
    wc_buf_init(repaired, 3 * n);
    for (size_t i = 0; i < n;) {
        uint32_t c;
        char bytes[4];
        i += wc_utf8_decode(text + i, n - i, &c);
        wc_buf_add(repaired, bytes, wc_utf8_encode(c, bytes));
    }
    *n_out = repaired->size;
    return wc_buf_ok(repaired) ? wc_buf_str(repaired) : NULL;
}

/* One text without its template; spans (or NULL): of each id. */
static bool encode_text(const wc_tokenizer *t, const char *text, size_t n, unsigned flags, wc_ids *out,
                        wc_spans *spans, wc_error *err)
{
    struct encoder e;
    wc_buf repaired = {0};
    if (n > MAX_TEXT)
        return wc_fail(err, WC_REFUSED, "text: expected at most %d bytes, found %zu", MAX_TEXT, n);
    if (n == 0)
        return true;
    const char *s = repair(text, n, &repaired, &n);
    if (!s)
        return wc_fail_memory(err, n);
    encoder_init(&e, t, n, flags, out, err);
    e.spans = spans;
    e.follows = spans || (t->normalizer.n_steps > 0 && wc_pretokenizer_needs_origin(&t->pretokenizer));
    e.text = s;
    e.n_text = n;
    e.pieces.traced = spans != NULL;
    const size_t first = spans ? spans->size : 0;
    bool ok = encode_level(&e, 0, s, n, true);
    if (ok && spans && t->trim.offsets)
        trim_all(&e, first);
    encoder_release(&e);
    wc_buf_release(&repaired);
    return ok;
}

/* How many ids the template adds. */
static size_t count_special(const wc_template *template, unsigned flags)
{
    size_t n = 0;
    for (size_t i = 0; (flags & WC_ENCODE_SPECIAL) && i < template->n; i++)
        n += template->items[i].sequence < 0 ? template->items[i].n_ids : 0;
    return n;
}

/* One of the two texts of a pair. */
struct part {
    wc_ids ids;
    wc_spans spans;
    size_t room; /* ids of a window */
    size_t n_windows;
    size_t start, end; /* of the window that is wanted */
};

/* How many ids of each text a window has (the tokenizers library's truncate_encodings). */
static bool share_room(const wc_tokenizer *t, const wc_cut *cut, size_t max, struct part parts[2],
                       wc_error *err)
{
    const size_t n[2] = {parts[0].ids.size, parts[1].ids.size};
    parts[0].room = n[0];
    parts[1].room = n[1];
    if (cut->max == 0 || n[0] + n[1] <= max)
        return true;
    if (cut->what != WC_CUT_LONGEST) {
        struct part *cuts = &parts[cut->what == WC_CUT_SECOND];
        if (n[0] + n[1] - max >= cuts->ids.size)
            return wc_fail(err, WC_REFUSED,
                           "%s: the text that may be cut has %zu tokens, and %zu of both would have to go",
                           t->file, cuts->ids.size, n[0] + n[1] - max);
        cuts->room -= n[0] + n[1] - max;
        return true;
    }
    const int less = n[0] <= n[1] ? 0 : 1;
    if (n[less] <= max && max - n[less] >= n[less]) {
        parts[!less].room = max - n[less];
    } else {
        parts[less].room = max / 2;
        parts[!less].room = max - max / 2;
    }
    return true;
}

/* Counts a text's windows. */
static bool count_windows(const wc_tokenizer *t, const wc_cut *cut, struct part *p, wc_error *err)
{
    p->n_windows = 1;
    if (p->room >= p->ids.size)
        return true;
    if (p->room == 0) { /* nothing, then all of it */
        p->n_windows = 2;
        return true;
    }
    if (cut->stride >= p->room)
        return wc_fail(err, WC_REFUSED,
                       "%s: stride: expected less than the %zu tokens of a window, found %zu", t->file,
                       p->room, cut->stride);
    const size_t step = p->room - cut->stride;
    p->n_windows += (p->ids.size - p->room + step - 1) / step;
    return true;
}

static void take_window(const wc_cut *cut, struct part *p, size_t i)
{
    const size_t n = p->ids.size, room = p->room > 0 || i == 0 ? p->room : n;
    const size_t from = p->room > 0 && i > 0 ? i * (room - cut->stride) : 0;
    p->start = cut->left ? n - from - wc_min_size(room, n - from) : from;
    p->end = cut->left ? n - from : wc_min_size(from + room, n);
}

/* Which window each text shows in the one that is wanted: the first ones; then every later one of the first text beside all
 * of the second; then the first one of the first text beside the later ones. */
static void take_windows(const wc_cut *cut, struct part parts[2])
{
    const size_t n_second = parts[1].n_windows, later = (parts[0].n_windows - 1) * n_second, w = cut->window;
    const bool second = w > later;
    take_window(cut, &parts[0], w == 0 || second ? 0 : 1 + (w - 1) / n_second);
    take_window(cut, &parts[1], w == 0 ? 0 : second ? w - later : (w - 1) % n_second);
}

/* The texts' ids with the template's around them, and what else of them is asked for. */
static bool put_together(const wc_template *template, unsigned flags, const struct part parts[2],
                         wc_tokenized *out, wc_error *err)
{
    for (size_t i = 0; i < template->n; i++) {
        const wc_template_item *item = &template->items[i];
        const struct part *part = item->sequence >= 0 ? &parts[item->sequence] : NULL;
        const int32_t *ids = part ? part->ids.data : item->ids;
        const size_t end = part ? part->end : flags & WC_ENCODE_SPECIAL ? item->n_ids : 0;
        for (size_t k = part ? part->start : 0; k < end; k++) {
            const wc_span span = out->spans && part ? part->spans.data[k] : (wc_span){0, 0};
            if (!wc_ids_add(out->ids, ids[k]) || (out->types && !wc_ids_add(out->types, item->type)) ||
                (out->parts && !wc_ids_add(out->parts, item->sequence)) ||
                !wc_spans_add(out->spans, span.start, span.end))
                return wc_fail_memory(err, out->ids->size * sizeof span);
        }
    }
    return true;
}

wc_cut wc_tokenizer_cut(const wc_tokenizer *t, size_t max)
{
    return (wc_cut){.max = max, .left = t->cuts_left};
}

bool wc_tokenizer_encode_to(const wc_tokenizer *t, const char *a, size_t n_a, const char *b, size_t n_b,
                            unsigned flags, const wc_cut *cut, wc_tokenized *out, wc_error *err)
{
    static const wc_cut none = {0};
    const wc_template *template = b ? &t->pair : &t->single;
    const size_t special = count_special(template, flags);
    struct part parts[2] = {{{0}, {0}, 0, 0, 0, 0}};
    cut = cut ? cut : &none;
    if (cut->max > 0 && cut->max <= special)
        return wc_fail(err, WC_REFUSED, "%s: at most %zu tokens leave no room beside %zu special ones",
                       t->file, cut->max, special);
    bool ok = encode_text(t, a, n_a, flags, &parts[0].ids, out->spans ? &parts[0].spans : NULL, err) &&
              (!b ||
               encode_text(t, b, n_b, flags, &parts[1].ids, out->spans ? &parts[1].spans : NULL, err)) &&
              share_room(t, cut, cut->max - (cut->max > 0 ? special : 0), parts, err) &&
              count_windows(t, cut, &parts[0], err) && count_windows(t, cut, &parts[1], err);
    out->n_windows = parts[0].n_windows * parts[1].n_windows;
    if (ok && cut->window < out->n_windows) {
        take_windows(cut, parts);
        ok = put_together(template, flags, parts, out, err);
    }
    for (int i = 0; i < 2; i++) {
        wc_ids_release(&parts[i].ids);
        wc_spans_release(&parts[i].spans);
    }
    return ok;
}

bool wc_tokenizer_encode_pair(const wc_tokenizer *t, const char *a, size_t n_a, const char *b, size_t n_b,
                              unsigned flags, wc_ids *out, wc_ids *types, wc_error *err)
{
    wc_tokenized all = {.ids = out, .types = types};
    return wc_tokenizer_encode_to(t, a, n_a, b, n_b, flags, NULL, &all, err);
}

bool wc_tokenizer_encode(const wc_tokenizer *t, const char *text, size_t n, unsigned flags, wc_ids *out,
                         wc_error *err)
{
    return wc_tokenizer_encode_pair(t, text, n, NULL, 0, flags, out, NULL, err);
}

/* ---- looking things up ----------------------------------------------------------------------------------------- */

const wc_added_token *wc_tokenizer_added(const wc_tokenizer *t, int32_t id)
{
    if (id < 0 || (size_t)id >= t->n_ids || t->added_of_id[id] < 0)
        return NULL;
    return &t->added[t->added_of_id[id]];
}

size_t wc_tokenizer_vocab_size(const wc_tokenizer *t)
{
    return t->n_ids;
}

int32_t wc_tokenizer_find(const wc_tokenizer *t, const char *token, size_t n)
{
    int32_t id = wc_vocab_find(&t->vocab, token, n);
    if (id >= 0)
        return id;
    int32_t index = wc_vocab_find(&t->added_index, token, n);
    return index >= 0 ? t->added[index].id : -1;
}

const char *wc_tokenizer_token(const wc_tokenizer *t, int32_t id, size_t *n)
{
    const wc_added_token *added = wc_tokenizer_added(t, id);
    if (!added)
        return wc_vocab_token(&t->vocab, id, n);
    *n = added->n;
    return added->content;
}

bool wc_tokenizer_is_special(const wc_tokenizer *t, int32_t id)
{
    const wc_added_token *added = wc_tokenizer_added(t, id);
    return added && added->special;
}

const char *wc_tokenizer_special_token(const wc_tokenizer *t, const char *name)
{
    for (size_t i = 0; i < t->n_specials; i++)
        if (!t->specials[i].in_list && strcmp(t->specials[i].name, name) == 0)
            return t->specials[i].token;
    return NULL;
}

int32_t wc_tokenizer_special_id(const wc_tokenizer *t, const char *name)
{
    const char *token = wc_tokenizer_special_token(t, name);
    return token ? wc_tokenizer_find(t, token, strlen(token)) : -1;
}

void wc_tokenizer_special_tokens(const wc_tokenizer *t, wc_buf *out)
{
    wc_buf_putc(out, '{');
    for (size_t i = 0; i < t->n_specials; i++) {
        const wc_special_name *s = &t->specials[i];
        bool goes_on = i > 0 && s->in_list && t->specials[i - 1].in_list && strcmp(s->name, s[-1].name) == 0;
        if (i > 0)
            wc_buf_putc(out, ',');
        if (!goes_on) {
            wc_buf_json_string(out, s->name, strlen(s->name));
            wc_buf_puts(out, s->in_list ? ":[" : ":");
        }
        wc_buf_json_string(out, s->token, strlen(s->token));
        if (s->in_list && (i + 1 == t->n_specials || !s[1].in_list || strcmp(s->name, s[1].name) != 0))
            wc_buf_putc(out, ']');
    }
    wc_buf_putc(out, '}');
}

void wc_tokenizer_free(wc_tokenizer *t)
{
    if (!t)
        return;
    wc_automaton_release(&t->raw);
    wc_automaton_release(&t->normalized);
    wc_normalizer_release(&t->normalizer);
    wc_pretokenizer_release(&t->pretokenizer);
    wc_decoder_release(&t->decoder);
    wc_unigram_release(&t->unigram);
    wc_wordpiece_release(&t->wordpiece);
    wc_arena_free(t->arena);
    wc_mem_free(t);
}
