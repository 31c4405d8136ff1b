/* pretokenize.c - see pretokenize.h.  Every step takes each piece for a text of its own: what a pattern sees ends where the
 * piece does. */
#include "text/pretokenize.h"

#include <string.h>

#include "base/mem.h"
#include "base/size.h"
#include "base/utf8.h"
#include "text/normalize.h"
#include "text/scan.h"

/* ---- reading --------------------------------------------------------------------------------------------------- */

struct reading {
    wc_pretokenizer *p;
    const wc_reader *r;
};

static wc_pretokenize_step *add_step(wc_pretokenizer *p, enum wc_pretokenize_kind kind)
{
    wc_pretokenize_step *step = &p->steps[p->n_steps++];
    *step = (wc_pretokenize_step){.kind = kind, .behavior = WC_SPLIT_ISOLATED};
    return step;
}

static bool read_behavior(const wc_reader *r, const wc_json *stage, enum wc_split_behavior *out)
{
    static const char *const names[] = {"Removed",        "Isolated",   "MergedWithPrevious",
                                        "MergedWithNext", "Contiguous", NULL};
    int choice;
    if (!wc_read_choice(r, stage, "pre_tokenizer", "behavior", names, WC_SPLIT_ISOLATED, &choice))
        return false;
    *out = (enum wc_split_behavior)choice;
    return true;
}

static bool add_scanner(wc_pretokenizer *p, const wc_reader *r, const wc_scanner *scanner, bool keep_gaps)
{
    wc_pretokenize_step *step = add_step(p, WC_PRE_SPLIT);
    step->pattern = wc_pattern_scanner(scanner);
    step->behavior = keep_gaps ? WC_SPLIT_ISOLATED : WC_SPLIT_REMOVED;
    step->invert = !keep_gaps;
    return step->pattern || wc_fail_memory(r->err, sizeof *step);
}

static bool read_byte_level(wc_pretokenizer *p, const wc_reader *r, const wc_json *stage)
{
    bool prefix, regex;
    if (!wc_read_bool(r, stage, "pre_tokenizer", "add_prefix_space", true, &prefix) ||
        !wc_read_bool(r, stage, "pre_tokenizer", "use_regex", true, &regex))
        return false;
    if (prefix)
        add_step(p, WC_PRE_PREFIX_SPACE);
    if (regex && !add_scanner(p, r, wc_scanner_gpt2(), true))
        return false;
    add_step(p, WC_PRE_BYTE_LEVEL);
    return true;
}

bool wc_read_metaspace(const wc_reader *r, const wc_json *stage, const char *part, const char **text,
                       size_t *n, enum wc_prepend_scheme *scheme, bool *split)
{
    static const char *const schemes[] = {"always", "first", "never", NULL};
    const char *s;
    bool prefix;
    int choice;
    if (!wc_read_string(r, stage, part, "replacement", true, &s, n) ||
        !wc_read_bool(r, stage, part, "add_prefix_space", true, &prefix) ||
        !wc_read_choice(r, stage, part, "prepend_scheme", schemes,
                        prefix ? WC_PREPEND_ALWAYS : WC_PREPEND_NEVER, &choice) ||
        !wc_read_bool(r, stage, part, "split", true, split))
        return false;
    uint32_t c;
    if (*n == 0 || wc_utf8_decode(s, *n, &c) != *n)
        return wc_fail(r->err, WC_BAD_FILE, "%s: %s.replacement: expected one character, found \"%.100s\"",
                       r->file, part, s);
    *text = wc_arena_strndup(r->arena, s, *n);
    *scheme = (enum wc_prepend_scheme)choice;
    return *text || wc_fail_memory(r->err, *n);
}

static bool read_metaspace(wc_pretokenizer *p, const wc_reader *r, const wc_json *stage)
{
    bool split;
    wc_pretokenize_step *step = add_step(p, WC_PRE_METASPACE);
    if (!wc_read_metaspace(r, stage, "pre_tokenizer", &step->text, &step->n, &step->scheme, &split))
        return false;
    if (!split)
        return true;
    wc_pretokenize_step *cut = add_step(p, WC_PRE_SPLIT);
    cut->pattern = wc_pattern_literal(step->text, step->n);
    cut->behavior = WC_SPLIT_MERGED_WITH_NEXT;
    return cut->pattern || wc_fail_memory(r->err, step->n);
}

static wc_pretokenize_step *add_class(wc_pretokenizer *p, unsigned classes, enum wc_split_behavior behavior)
{
    wc_pretokenize_step *step = add_step(p, WC_PRE_SPLIT_CLASS);
    step->classes = classes;
    step->behavior = behavior;
    return step;
}

static bool read_delimiter(wc_pretokenizer *p, const wc_reader *r, const wc_json *stage)
{
    const char *s;
    size_t n;
    uint32_t c;
    if (!wc_read_string(r, stage, "pre_tokenizer", "delimiter", true, &s, &n))
        return false;
    if (n == 0 || wc_utf8_decode(s, n, &c) != n)
        return wc_fail(r->err, WC_BAD_FILE,
                       "%s: pre_tokenizer.delimiter: expected one character, found \"%.100s\"", r->file, s);
    wc_pretokenize_step *step = add_step(p, WC_PRE_SPLIT);
    step->behavior = WC_SPLIT_REMOVED;
    step->pattern = wc_pattern_literal(s, n);
    return step->pattern || wc_fail_memory(r->err, n);
}

static bool read_split(wc_pretokenizer *p, const wc_reader *r, const wc_json *stage)
{
    wc_pretokenize_step *step = add_step(p, WC_PRE_SPLIT);
    return wc_read_pattern(r, stage, "pre_tokenizer", &step->pattern) &&
           read_behavior(r, stage, &step->behavior) &&
           wc_read_bool(r, stage, "pre_tokenizer", "invert", false, &step->invert);
}

static bool read_stage(void *user, const wc_json *stage, const char *type)
{
    struct reading *reading = user;
    wc_pretokenizer *p = reading->p;
    const wc_reader *r = reading->r;

    if (strcmp(type, "ByteLevel") == 0)
        return read_byte_level(p, r, stage);
    if (strcmp(type, "Split") == 0)
        return read_split(p, r, stage);
    if (strcmp(type, "Metaspace") == 0)
        return read_metaspace(p, r, stage);
    if (strcmp(type, "WhitespaceSplit") == 0)
        return add_class(p, WC_CHAR_SPACE, WC_SPLIT_REMOVED) != NULL;
    if (strcmp(type, "Whitespace") == 0)
        return add_scanner(p, r, wc_scanner_words(), false);
    if (strcmp(type, "BertPreTokenizer") == 0)
        return add_class(p, WC_CHAR_SPACE, WC_SPLIT_REMOVED) &&
               add_class(p, WC_CHAR_BERT_PUNCT, WC_SPLIT_ISOLATED);
    if (strcmp(type, "Punctuation") == 0)
        return read_behavior(r, stage, &add_class(p, WC_CHAR_BERT_PUNCT, WC_SPLIT_ISOLATED)->behavior);
    if (strcmp(type, "Digits") == 0) {
        bool individual;
        if (!wc_read_bool(r, stage, "pre_tokenizer", "individual_digits", false, &individual))
            return false;
        return add_class(p, WC_CHAR_NUMERIC, individual ? WC_SPLIT_ISOLATED : WC_SPLIT_CONTIGUOUS) != NULL;
    }
    if (strcmp(type, "CharDelimiterSplit") == 0)
        return read_delimiter(p, r, stage);
    if (strcmp(type, "FixedLength") == 0) {
        wc_pretokenize_step *step = add_step(p, WC_PRE_LENGTH);
        if (!wc_read_size(r, stage, "pre_tokenizer", "length", 5, UINT32_MAX, &step->length))
            return false;
        return step->length > 0 ||
               wc_fail(r->err, WC_BAD_FILE, "%s: pre_tokenizer.length: expected 1 or more, found 0", r->file);
    }
    return wc_read_unknown_type(r, "pre_tokenizer", type);
}

bool wc_pretokenizer_read(wc_pretokenizer *p, const wc_reader *r, const wc_json *part)
{
    struct reading reading = {p, r};
    p->n_steps = 0;
    p->file = r->file;
    return wc_read_stages(r, part, "pre_tokenizer", "pretokenizers", read_stage, &reading);
}

void wc_pretokenizer_release(wc_pretokenizer *p)
{
    for (size_t i = 0; i < p->n_steps; i++)
        wc_pattern_free(p->steps[i].pattern);
    p->n_steps = 0;
}

bool wc_pretokenizer_needs_origin(const wc_pretokenizer *p)
{
    for (size_t i = 0; i < p->n_steps; i++)
        if (p->steps[i].kind == WC_PRE_METASPACE && p->steps[i].scheme == WC_PREPEND_FIRST)
            return true;
    return false;
}

/* ---- pieces ---------------------------------------------------------------------------------------------------- */

void wc_pieces_init(wc_pieces *p, size_t max_bytes)
{
    *p = (wc_pieces){0};
    wc_buf_init(&p->text[0], max_bytes);
    wc_buf_init(&p->text[1], max_bytes);
}

void wc_pieces_release(wc_pieces *p)
{
    wc_buf_release(&p->text[0]);
    wc_buf_release(&p->text[1]);
    wc_trace_release(&p->trace);
    wc_trace_release(&p->step);
    wc_mem_free(p->items);
    wc_mem_free(p->spare);
}

/* Appends to the list that is being made, spare [*n]. */
static bool push(wc_pieces *p, size_t *n, size_t start, size_t end, wc_error *err)
{
    if (*n == p->spare_room) {
        size_t room = p->spare_room ? 2 * p->spare_room : 64;
        wc_piece *grown = wc_mem_realloc(p->spare, room * sizeof *grown);
        if (!grown)
            return wc_fail_memory(err, room * sizeof *grown);
        p->spare = grown;
        p->spare_room = room;
    }
    p->spare[(*n)++] = (wc_piece){(uint32_t)start, (uint32_t)end};
    return true;
}

/* The list that was made becomes the current one. */
static void swap_lists(wc_pieces *p, size_t n)
{
    wc_piece *items = p->items;
    size_t room = p->room;
    p->items = p->spare;
    p->room = p->spare_room;
    p->n = n;
    p->spare = items;
    p->spare_room = room;
}

/* The state of cutting one piece into matches and gaps. */
struct cutter {
    const wc_pretokenize_step *step;
    wc_pieces *p;
    size_t *n, first; /* pieces made; of these, before this one's */
    bool after_match;
    wc_error *err;
};

/* One match or gap, [start, end), in the order of the text. */
static bool cut(struct cutter *c, size_t start, size_t end, bool is_match)
{
    if (start == end)
        return true;
    is_match ^= c->step->invert;
    bool merge = false, before = c->after_match;
    c->after_match = is_match;
    switch (c->step->behavior) {
    case WC_SPLIT_REMOVED:
        if (is_match)
            return true;
        break;
    case WC_SPLIT_ISOLATED:
        break;
    case WC_SPLIT_MERGED_WITH_PREVIOUS:
        merge = is_match && !before;
        break;
    case WC_SPLIT_MERGED_WITH_NEXT:
        merge = !is_match && before;
        break;
    case WC_SPLIT_CONTIGUOUS:
        merge = is_match == before;
        break;
    }
    if (merge && *c->n > c->first) {
        c->p->spare[*c->n - 1].end = (uint32_t)end;
        return true;
    }
    return push(c->p, c->n, start, end, c->err);
}

/* The next character of the step's classes in s [n] from pos, or n. */
static void next_of_class(const wc_pretokenize_step *step, const char *s, size_t n, size_t pos, size_t *start,
                          size_t *end)
{
    uint32_t c;
    *start = *end = n;
    for (size_t len; pos < n; pos += len) {
        len = wc_utf8_decode(s + pos, n - pos, &c);
        if (wc_char_classes(c) & step->classes) {
            *start = pos;
            *end = pos + len;
            return;
        }
    }
}

static bool split(const wc_pretokenize_step *step, wc_matcher *m, wc_pieces *p, wc_error *err)
{
    size_t n_made = 0;
    for (size_t i = 0; i < p->n; i++) {
        struct cutter c = {step, p, &n_made, n_made, false, err};
        size_t base = p->items[i].start, n = p->items[i].end - base, pos = 0, start, end;
        const char *s = p->s + base;
        while (pos < n) {
            if (step->kind == WC_PRE_SPLIT_CLASS)
                next_of_class(step, s, n, pos, &start, &end);
            else if (!wc_pattern_next(step->pattern, m, s, n, pos, &start, &end, err))
                return false;
            if (!cut(&c, base + pos, base + start, false) || !cut(&c, base + start, base + end, true))
                return false;
            pos = end;
        }
    }
    p->at_origin = p->at_origin && n_made > 0 && p->n > 0 && p->spare[0].start == p->items[0].start;
    swap_lists(p, n_made);
    return true;
}

static bool split_by_length(const wc_pretokenize_step *step, wc_pieces *p, wc_error *err)
{
    size_t n_made = 0;
    for (size_t i = 0; i < p->n; i++) {
        size_t start = p->items[i].start, pos = start, chars = 0;
        while (pos < p->items[i].end) {
            uint32_t c;
            pos += wc_utf8_decode(p->s + pos, p->items[i].end - pos, &c);
            if (++chars == step->length || pos == p->items[i].end) {
                if (!push(p, &n_made, start, pos, err))
                    return false;
                start = pos;
                chars = 0;
            }
        }
    }
    swap_lists(p, n_made);
    return true;
}

/* Appends piece p of s with spaces replaced, and the replacement in front where the scheme wants it. */
static void metaspace(const wc_pretokenize_step *step, const char *s, wc_piece p, bool first,
                      const wc_made *out)
{
    const size_t n = p.end - p.start;
    bool has = s[p.start] == ' ' || (n >= step->n && memcmp(s + p.start, step->text, step->n) == 0);
    if (!has && (step->scheme == WC_PREPEND_ALWAYS || (step->scheme == WC_PREPEND_FIRST && first)))
        wc_made_put(out, step->text, step->n, p.start);
    for (size_t i = p.start; i < p.end;) {
        const char *space = memchr(s + i, ' ', p.end - i);
        size_t end = space ? (size_t)(space - s) : p.end;
        wc_made_copy(out, s, i, end - i);
        if (space)
            wc_made_put(out, step->text, step->n, end);
        i = end + (space != NULL);
    }
}

/* Rewrites every piece into the other buffer. */
static bool rewrite(const wc_pretokenize_step *step, wc_pieces *p, const char *file, wc_error *err)
{
    wc_buf *out = &p->text[p->s == p->text[0].data];
    wc_buf_reset(out);
    wc_trace_reset(&p->step);
    const wc_made made = {out, p->traced ? &p->step : NULL};
    for (size_t i = 0; i < p->n; i++) {
        const wc_piece piece = p->items[i];
        const size_t start = out->size;
        if (step->kind == WC_PRE_BYTE_LEVEL) {
            wc_byte_level_map(p->s, piece.start, piece.end, &made);
        } else if (step->kind == WC_PRE_METASPACE) {
            metaspace(step, p->s, piece, p->at_origin && i == 0, &made);
        } else {
            if (p->s[piece.start] != ' ')
                wc_made_put(&made, " ", 1, piece.start);
            wc_made_copy(&made, p->s, piece.start, piece.end - piece.start);
        }
        if (!wc_buf_ok(out))
            return wc_fail(err, WC_REFUSED, "%s: pre_tokenizer: the text grows past the limit of %zu bytes",
                           file, out->max);
        p->items[i] = (wc_piece){(uint32_t)start, (uint32_t)out->size};
    }
    if (p->traced)
        wc_trace_through(&p->trace, &p->step);
    p->s = wc_buf_str(out);
    return wc_trace_check(&p->trace, err);
}

bool wc_pretokenizer_run(const wc_pretokenizer *t, wc_matcher *m, const char *s, size_t n, bool at_origin,
                         wc_pieces *p, wc_error *err)
{
    size_t n_made = 0;
    if (n > 0 && !push(p, &n_made, 0, n, err))
        return false;
    swap_lists(p, n_made);
    wc_trace_reset(&p->trace);
    p->s = s;
    p->at_origin = at_origin;
    for (size_t i = 0; i < t->n_steps; i++) {
        const wc_pretokenize_step *step = &t->steps[i];
        bool ok;
        if (step->kind == WC_PRE_SPLIT || step->kind == WC_PRE_SPLIT_CLASS)
            ok = split(step, m, p, err);
        else if (step->kind == WC_PRE_LENGTH)
            ok = split_by_length(step, p, err);
        else
            ok = rewrite(step, p, t->file, err);
        if (!ok)
            return false;
    }
    return true;
}
