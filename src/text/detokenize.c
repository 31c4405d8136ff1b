/* detokenize.c - token ids back to text, one at a time; the whole is a stream that is flushed.
 *
 *   token -> steps before the join, each a rewriting of one token -> the join -> text
 *
 * The join is ByteLevel (tokens become bytes, which are put together to characters), Fuse, or simply the end; what may
 * follow it is a Strip, which cuts the front of the whole text. */
#include <string.h>

#include "base/utf8.h"
#include "text/normalize.h"
#include "text/tokenizer_parts.h"

enum { MAX_SCRATCH = 64 * 1024 * 1024, N_SCRATCH = sizeof((wc_detok *)0)->scratch / sizeof(wc_buf) };

static const char REPLACEMENT[] = "\xef\xbf\xbd";

void wc_detok_init(wc_detok *d, const wc_tokenizer *t, bool skip_special)
{
    *d = (wc_detok){.tokenizer = t, .skip_special = skip_special};
    for (int i = 0; i < N_SCRATCH; i++)
        wc_buf_init(&d->scratch[i], MAX_SCRATCH);
    wc_buf_init(&d->run, SIZE_MAX / 2);
    wc_detok_reset(d);
}

void wc_detok_release(wc_detok *d)
{
    for (int i = 0; i < N_SCRATCH; i++)
        wc_buf_release(&d->scratch[i]);
    wc_buf_release(&d->run);
}

void wc_detok_reset(wc_detok *d)
{
    d->begun = d->in_run = d->run_emitted = d->run_broken = false;
    d->begun_steps = 0;
    d->held = d->last = -1;
    d->cut = d->n_pending = d->n_run_pending = 0;
    d->cutting = true;
    wc_buf_reset(&d->run);
}

/* ---- behind the join ------------------------------------------------------------------------------------------- */

/* Text of the whole, valid UTF-8 s [n]. */
static void put_text(wc_detok *d, const char *s, size_t n, wc_buf *out)
{
    const wc_decoder *z = &d->tokenizer->decoder;
    const wc_decode_step *strip = z->n_steps > z->n_join + 1 ? &z->steps[z->n_steps - 1] : NULL;
    while (strip && strip->n > 0 && d->cutting && n > 0) {
        d->cutting = d->cut < strip->start && n >= strip->n && memcmp(s, strip->text, strip->n) == 0;
        if (d->cutting) {
            d->cut++;
            s += strip->n;
            n -= strip->n;
        }
    }
    wc_buf_add(out, s, n);
}

/* Bytes that need not be whole characters: puts those that are, keeps the beginning of one that is not. */
static void put_bytes(wc_detok *d, const char *s, size_t n, wc_buf *out)
{
    wc_buf *all = &d->scratch[4];
    wc_buf_reset(all);
    wc_buf_add(all, d->pending, d->n_pending);
    wc_buf_add(all, s, n);
    d->n_pending = wc_utf8_pending(wc_buf_str(all), all->size);
    size_t end = all->size - d->n_pending;
    for (size_t i = 0, len; i < end; i += len) {
        uint32_t c;
        char bytes[4];
        len = wc_utf8_decode(all->data + i, end - i, &c);
        put_text(d, bytes, wc_utf8_encode(c, bytes), out);
    }
    if (d->n_pending > 0)
        memcpy(d->pending, all->data + end, d->n_pending);
}

/* A token's characters to the bytes they stand for; one with any other character is taken as it is. */
static void join_byte_level(wc_detok *d, const char *s, size_t n, wc_buf *out)
{
    wc_buf *bytes = &d->scratch[3];
    wc_buf_reset(bytes);
    for (size_t i = 0; i < n;) {
        uint32_t c;
        i += wc_utf8_decode(s + i, n - i, &c);
        int byte = wc_byte_level_byte(c);
        if (byte < 0) {
            put_bytes(d, s, n, out);
            return;
        }
        wc_buf_putc(bytes, (char)byte);
    }
    put_bytes(d, wc_buf_str(bytes), bytes->size, out);
}

/* ---- before the join ------------------------------------------------------------------------------------------- */

static void replace_literal(const char *s, size_t n, const char *from, const char *to, wc_buf *out)
{
    size_t n_from = strlen(from);
    const char *found;
    while ((found = memmem(s, n, from, n_from))) {
        wc_buf_add(out, s, (size_t)(found - s));
        wc_buf_puts(out, to);
        n -= (size_t)(found - s) + n_from;
        s = found + n_from;
    }
    wc_buf_add(out, s, n);
}

/* transformers' clean_up_tokenization, token by token; every rule begins with a space.  Rewrites text with spare. */
static void clean_up(wc_buf *text, wc_buf *spare)
{
    static const char *const rules[][2] = {
        {" .", "."},   {" ?", "?"},           {" !", "!"},   {" ,", ","},     {" ' ", "'"},   {" n't", "n't"},
        {" 'm", "'m"}, {" do not", " don't"}, {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"}};
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        if (text->size == 0 || !memchr(text->data, ' ', text->size))
            return;
        wc_buf_reset(spare);
        replace_literal(text->data, text->size, rules[i][0], rules[i][1], spare);
        wc_buf swap = *text;
        *text = *spare;
        *spare = swap;
    }
}

static bool replace(const wc_pattern *pattern, const char *s, size_t n, const char *text, size_t n_text,
                    wc_buf *out, wc_error *err)
{
    wc_matcher m;
    size_t pos = 0, start = 0, end = 0;
    bool ok = true;
    wc_matcher_init(&m, n);
    while (ok && wc_buf_ok(out)) {
        ok = wc_pattern_next(pattern, &m, s, n, pos, &start, &end, err);
        if (!ok)
            break;
        wc_buf_add(out, s + pos, start - pos);
        if (start == n)
            break;
        wc_buf_add(out, text, n_text);
        pos = end;
    }
    wc_matcher_release(&m);
    return ok;
}

/* Up to start copies of the step's text off the front, up to stop off the back. */
static void strip_token(const wc_decode_step *step, const char *s, size_t n, wc_buf *out)
{
    size_t k = step->n;
    for (size_t i = 0; i < step->start && k > 0 && n >= k && memcmp(s, step->text, k) == 0; i++) {
        s += k;
        n -= k;
    }
    for (size_t i = 0; i < step->stop && k > 0 && n >= k && memcmp(s + n - k, step->text, k) == 0; i++)
        n -= k;
    wc_buf_add(out, s, n);
}

/* What one step makes of token s [n], in out; spare is room.  last: no token follows. */
static bool run_step(const wc_decode_step *step, bool first, bool last, const char *s, size_t n, wc_buf *out,
                     wc_buf *spare, wc_error *err)
{
    wc_buf_reset(out);
    switch (step->kind) {
    case WC_DECODE_STRIP:
        strip_token(step, s, n, out);
        return true;
    case WC_DECODE_REPLACE:
        return replace(step->pattern, s, n, step->text, step->n, out, err);
    case WC_DECODE_METASPACE:
        return replace(step->pattern, s, n, " ", !(first && step->drop_first), out, err);
    case WC_DECODE_BPE:
        return replace(step->pattern, s, n, " ", !last, out, err);
    case WC_DECODE_WORDPIECE:
        if (!first && n >= step->n && memcmp(s, step->text, step->n) == 0) {
            s += step->n;
            n -= step->n;
        } else if (!first) {
            wc_buf_putc(out, ' ');
        }
        wc_buf_add(out, s, n);
        if (step->cleanup)
            clean_up(out, spare);
        return true;
    default: /* CTC; the others are no rewriting */
        if (!replace(step->pattern, s, n, "", 0, out, err))
            return false;
        if (!step->cleanup)
            return true;
        clean_up(out, spare);
        wc_buf_reset(spare);
        if (!replace(step->delimiter, wc_buf_str(out), out->size, " ", 1, spare, err))
            return false;
        wc_buf_reset(out);
        wc_buf_add(out, wc_buf_str(spare), spare->size);
        return true;
    }
}

static bool end_run(wc_detok *d, size_t k, wc_buf *out, wc_error *err);
static bool put_run_byte(wc_detok *d, size_t k, unsigned char byte, wc_buf *out, wc_error *err);

/* The value of a token <0x0A>, or -1. */
static int byte_token(const char *s, size_t n)
{
    int value = 0;
    if (n != 6 || memcmp(s, "<0x", 3) != 0 || s[5] != '>')
        return -1;
    for (int i = 3; i < 5; i++) {
        char c = s[i];
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                           : -1;
        if (digit < 0)
            return -1;
        value = value * 16 + digit;
    }
    return value;
}

/* Token s [n] through the steps from k on and through the join.  s may be in scratch[2] at the start. */
static bool put_token(wc_detok *d, size_t k, const char *s, size_t n, bool last, wc_buf *out, wc_error *err)
{
    const wc_decoder *z = &d->tokenizer->decoder;
    for (; k < z->n_join; k++) {
        const wc_decode_step *step = &z->steps[k];
        if (step->kind == WC_DECODE_BYTE_FALLBACK) {
            int byte = byte_token(s, n);
            if (byte >= 0)
                return put_run_byte(d, k, (unsigned char)byte, out, err);
            if (!d->in_run)
                continue;
            wc_buf_reset(&d->scratch[2]); /* the run goes first, through scratch[0] and [1] */
            wc_buf_add(&d->scratch[2], s, n);
            if (!end_run(d, k, out, err))
                return false;
            s = wc_buf_str(&d->scratch[2]);
            continue;
        }
        uint64_t bit = 1ULL << k;
        wc_buf *to = &d->scratch[s == d->scratch[0].data];
        if (!run_step(step, !(d->begun_steps & bit), last, s, n, to, &d->scratch[3], err))
            return false;
        d->begun_steps |= bit;
        s = wc_buf_str(to);
        n = to->size;
        if (!wc_buf_ok(to) || !wc_buf_ok(&d->scratch[3]))
            return wc_fail(err, WC_REFUSED, "%s: decoder: a token grows past the limit of %d bytes", z->file,
                           MAX_SCRATCH);
        if (step->kind == WC_DECODE_CTC && n == 0)
            return true;
    }
    if (k < z->n_steps && z->steps[k].kind == WC_DECODE_BYTE_LEVEL)
        join_byte_level(d, s, n, out);
    else
        put_text(d, s, n, out);
    return true;
}

static bool put_replacements(wc_detok *d, size_t k, size_t n, wc_buf *out, wc_error *err)
{
    for (size_t i = 0; i < n; i++)
        if (!put_token(d, k + 1, REPLACEMENT, 3, false, out, err))
            return false;
    return true;
}

/* One byte of a run.  In the library a run that is not UTF-8 as a whole becomes U+FFFD for every byte.  A stream does the
 * same as long as it has emitted nothing of the run; later it replaces only what is broken. */
static bool put_run_byte(wc_detok *d, size_t k, unsigned char byte, wc_buf *out, wc_error *err)
{
    d->in_run = true;
    if (d->whole) {
        wc_buf_putc(&d->run, (char)byte);
        return true;
    }
    if (d->run_broken)
        return put_replacements(d, k, 1, out, err);
    d->run_pending[d->n_run_pending++] = (char)byte;
    size_t n = d->n_run_pending;
    if (wc_utf8_valid(d->run_pending, n)) {
        char text[4];
        memcpy(text, d->run_pending, n);
        d->run_emitted = true;
        d->n_run_pending = 0;
        return put_token(d, k + 1, text, n, false, out, err);
    }
    if (wc_utf8_pending(d->run_pending, n) == n)
        return true;
    d->n_run_pending = 0;
    if (!d->run_emitted) {
        d->run_broken = true;
        return put_replacements(d, k, n, out, err);
    }
    if (n == 1)
        return put_replacements(d, k, 1, out, err);
    return put_replacements(d, k, n - 1, out, err) && put_run_byte(d, k, byte, out, err);
}

static bool end_run(wc_detok *d, size_t k, wc_buf *out, wc_error *err)
{
    size_t broken = d->n_run_pending;
    bool ok = true;
    if (d->whole && wc_utf8_valid(wc_buf_str(&d->run), d->run.size))
        ok = put_token(d, k + 1, wc_buf_str(&d->run), d->run.size, false, out, err);
    else if (d->whole)
        broken = d->run.size;
    d->in_run = d->run_emitted = d->run_broken = false;
    d->n_run_pending = 0;
    ok = ok && wc_buf_ok(&d->run) && put_replacements(d, k, broken, out, err);
    wc_buf_reset(&d->run);
    return ok;
}

/* ---- the public side ------------------------------------------------------------------------------------------- */

static bool put_id(wc_detok *d, int32_t id, bool last, wc_buf *out, wc_error *err)
{
    const wc_tokenizer *t = d->tokenizer;
    const wc_added_token *added = wc_tokenizer_added(t, id);
    size_t n = added ? added->n_pattern : 0;
    const char *s = added ? added->pattern : wc_vocab_token(&t->vocab, id, &n);
    if (t->decoder.none) {
        if (d->begun)
            wc_buf_putc(out, ' ');
        d->begun = true;
        wc_buf_add(out, s, n);
        return wc_buf_check(out, "decoded text", err);
    }
    bool ctc = t->decoder.n_steps > 0 && t->decoder.steps[0].kind == WC_DECODE_CTC;
    if (ctc && id == d->last)
        return true;
    d->last = id;
    return put_token(d, 0, s, n, last, out, err) && wc_buf_check(out, "decoded text", err);
}

bool wc_detok_push(wc_detok *d, int32_t id, wc_buf *out, wc_error *err)
{
    const wc_tokenizer *t = d->tokenizer;
    size_t n;
    if (!wc_tokenizer_token(t, id, &n) || (d->skip_special && wc_tokenizer_is_special(t, id)))
        return true;
    if (!t->decoder.needs_next)
        return put_id(d, id, false, out, err);
    int32_t before = d->held;
    d->held = id;
    return before < 0 || put_id(d, before, false, out, err);
}

bool wc_detok_flush(wc_detok *d, wc_buf *out, wc_error *err)
{
    const wc_decoder *z = &d->tokenizer->decoder;
    bool ok = d->held < 0 || put_id(d, d->held, true, out, err);
    for (size_t k = 0; ok && d->in_run && k < z->n_join; k++)
        if (z->steps[k].kind == WC_DECODE_BYTE_FALLBACK)
            ok = end_run(d, k, out, err);
    if (ok && d->n_pending > 0)
        put_text(d, REPLACEMENT, 3, out);
    wc_detok_reset(d);
    return ok && wc_buf_check(out, "decoded text", err);
}

bool wc_tokenizer_decode(const wc_tokenizer *t, const int32_t *ids, size_t n, bool skip_special, wc_buf *out,
                         wc_error *err)
{
    wc_detok d;
    bool ok = true;
    wc_detok_init(&d, t, skip_special);
    d.whole = true;
    for (size_t i = 0; ok && i < n; i++)
        ok = wc_detok_push(&d, ids[i], out, err);
    ok = ok && wc_detok_flush(&d, out, err);
    wc_detok_release(&d);
    return ok;
}
