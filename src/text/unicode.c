/* unicode.c - classes from pages, beyond these by binary search in ranges; normal forms in three linear steps: decompose
 * every character, sort each run of combining marks by class, compose.  utf8proc's own decomposition sorts marks by
 * insertion, which is quadratic on a long run of them, so only its tables and its composition are used. */
#include "text/unicode.h"

#include <string.h>
#include <utf8proc.h>

#include "base/mem.h"
#include "base/size.h"
#include "base/utf8.h"

unsigned wc_char_classes_beyond(uint32_t c)
{
    size_t low = 0, high = wc_unicode_n_ranges;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (wc_unicode_ranges[middle] >> 8 <= c)
            low = middle;
        else
            high = middle;
    }
    return wc_unicode_sets[wc_unicode_ranges[low] & 0xff];
}

size_t wc_char_lower(uint32_t c, uint32_t out[2])
{
    if (c < 0x80) {
        out[0] = c >= 'A' && c <= 'Z' ? c + 32 : c;
        return 1;
    }
    if (c == 0x130) { /* the only character with a longer lower case */
        out[0] = 'i';
        out[1] = 0x307;
        return 2;
    }
    for (size_t i = 0; i < wc_unicode_n_lower; i++) {
        if (wc_unicode_lower[i][0] == c) {
            out[0] = wc_unicode_lower[i][1];
            return 1;
        }
    }
    out[0] = (uint32_t)utf8proc_tolower((utf8proc_int32_t)c);
    return 1;
}

/* The library's tables do not decompose c, though utf8proc's do. */
static bool is_whole(uint32_t c)
{
    for (size_t i = 0; i < wc_unicode_n_whole && wc_unicode_whole[i] <= c; i++)
        if (wc_unicode_whole[i] == c)
            return true;
    return false;
}

/* A character that is not the first of a decomposition, while marks are sorted. */
#define INNER (UINT32_C(1) << 31)

static int combining_class(uint32_t c)
{
    return utf8proc_get_property((utf8proc_int32_t)(c & ~INNER))->combining_class;
}

/* Sorts a run of marks stably by combining class: by insertion when short, else by counting with scratch [n]. */
static void sort_marks(uint32_t *c, size_t n, uint32_t *scratch)
{
    if (n <= 16) {
        for (size_t i = 1; i < n; i++) {
            uint32_t mark = c[i];
            size_t j = i;
            for (; j > 0 && combining_class(c[j - 1]) > combining_class(mark); j--)
                c[j] = c[j - 1];
            c[j] = mark;
        }
        return;
    }
    size_t start[257] = {0};
    for (size_t i = 0; i < n; i++)
        start[combining_class(c[i]) + 1]++;
    for (int k = 1; k < 257; k++)
        start[k] += start[k - 1];
    memcpy(scratch, c, n * sizeof *c);
    for (size_t i = 0; i < n; i++)
        c[start[combining_class(scratch[i])]++] = scratch[i];
}

static void sort_all_marks(uint32_t *c, size_t n, uint32_t *scratch)
{
    for (size_t i = 0; i < n;) {
        size_t end = i;
        while (end < n && combining_class(c[end]) != 0)
            end++;
        if (end - i > 1)
            sort_marks(c + i, end - i, scratch);
        i = end + 1;
    }
}

/* True when s is its own normal form for sure: no character from which tables begin to matter. */
static bool is_trivial(const char *s, size_t n, enum wc_normal_form form)
{
    uint32_t first = form == WC_NFC ? 0x300 : form == WC_NFD ? 0xc0 : 0xa0;
    uint32_t c;
    for (size_t i = 0; i < n;) {
        i += wc_utf8_decode(s + i, n - i, &c);
        if (c >= first)
            return false;
    }
    return true;
}

/* Decomposes s into *chars (from the heap), n_chars of them. */
static bool decompose(const char *s, size_t n, bool compat, uint32_t **chars, size_t *n_chars)
{
    size_t room = n + 32, used = 0;
    uint32_t *out = wc_mem_alloc(room * sizeof *out);
    if (!out)
        return false;
    utf8proc_option_t options = UTF8PROC_DECOMPOSE | (compat ? UTF8PROC_COMPAT : 0);
    for (size_t i = 0; i < n;) {
        uint32_t c;
        i += wc_utf8_decode(s + i, n - i, &c);
        if (room - used < 32) { /* more than the longest decomposition, 18 */
            uint32_t *grown = wc_mem_realloc(out, room * 2 * sizeof *out);
            if (!grown) {
                wc_mem_free(out);
                return false;
            }
            out = grown;
            room *= 2;
        }
        int boundary = 0;
        utf8proc_ssize_t got = is_whole(c) ? -1
                                           : utf8proc_decompose_char((utf8proc_int32_t)c,
                                                                     (utf8proc_int32_t *)out + used, 32,
                                                                     options, &boundary);
        if (got < 0) {
            out[used] = c;
            got = 1;
        }
        for (utf8proc_ssize_t k = 1; k < got; k++)
            out[used + (size_t)k] |= INNER;
        used += (size_t)got;
    }
    *chars = out;
    *n_chars = used;
    return true;
}

/* Takes the parts of a character, as it would decompose, out of parts [n] from *at on; of those that are gone *at ends before
 * the first that is not.  What the character changes, see wc_changes. */
static int take_parts(uint32_t *parts, size_t n, size_t *at, uint32_t c)
{
    enum { GONE = -1 };
    utf8proc_int32_t own[32];
    int boundary = 0, change = 0;
    utf8proc_ssize_t k = is_whole(c) ? -1
                                     : utf8proc_decompose_char((utf8proc_int32_t)c, own, 32,
                                                               UTF8PROC_DECOMPOSE, &boundary);
    if (k < 1) {
        own[0] = (utf8proc_int32_t)c;
        k = 1;
    }
    size_t i = *at;
    for (utf8proc_ssize_t j = 0; j < k; j++, i++) {
        const size_t first = i;
        while (i < n && (parts[i] == (uint32_t)GONE || (parts[i] & ~INNER) != (uint32_t)own[j])) {
            if (i > first && parts[i] != (uint32_t)GONE && combining_class(parts[i]) == 0)
                return change; /* not there: tables that differ */
            i++;
        }
        if (i == n)
            return change;
        change += (parts[i] & INNER ? 1 : 0) - (j > 0);
        parts[i] = (uint32_t)GONE;
    }
    while (*at < n && parts[*at] == (uint32_t)GONE)
        ++*at;
    return change;
}

/* The trace of chars [n], which were composed of parts [n_parts] with marks for the inner ones, these of s. */
static void trace_chars(const uint32_t *chars, size_t n, uint32_t *parts, size_t n_parts, const char *s,
                        size_t n_s, wc_trace *trace)
{
    wc_changes changes = {.trace = trace, .s = s, .n = n_s};
    char bytes[4];
    size_t at = 0;
    for (size_t i = 0; i < n; i++) {
        const int change = take_parts(parts, n_parts, &at, chars[i]);
        wc_changes_add(&changes, wc_utf8_encode(chars[i], bytes), change);
    }
    wc_changes_end(&changes);
}

bool wc_unicode_normalize(const char *s, size_t n, enum wc_normal_form form, const wc_made *out)
{
    if (is_trivial(s, n, form)) {
        wc_made_copy(out, s, 0, n);
        return true;
    }
    uint32_t *chars, *scratch;
    size_t n_chars;
    if (!decompose(s, n, form == WC_NFKC || form == WC_NFKD, &chars, &n_chars))
        return false;
    scratch = wc_mem_alloc(n_chars * sizeof *scratch);
    if (!scratch) {
        wc_mem_free(chars);
        return false;
    }
    sort_all_marks(chars, n_chars, scratch);
    const size_t n_parts = n_chars;
    memcpy(scratch, chars, n_parts * sizeof *chars);
    for (size_t i = 0; i < n_chars; i++)
        chars[i] &= ~INNER;
    if (form == WC_NFC || form == WC_NFKC)
        n_chars = (size_t)utf8proc_normalize_utf32((utf8proc_int32_t *)chars, (utf8proc_ssize_t)n_chars,
                                                   UTF8PROC_COMPOSE | UTF8PROC_STABLE);
    for (size_t i = 0; i < n_chars; i++) {
        char bytes[4];
        wc_buf_add(out->text, bytes, wc_utf8_encode(chars[i], bytes));
    }
    if (out->trace)
        trace_chars(chars, n_chars, scratch, n_parts, s, n, out->trace);
    wc_mem_free(chars);
    wc_mem_free(scratch);
    return true;
}

size_t wc_grapheme_bytes(const char *s, size_t n)
{
    uint32_t c, next;
    utf8proc_int32_t state = 0;
    size_t at = wc_utf8_decode(s, n, &c);
    while (at < n) {
        size_t step = wc_utf8_decode(s + at, n - at, &next);
        if (utf8proc_grapheme_break_stateful((utf8proc_int32_t)c, (utf8proc_int32_t)next, &state))
            break;
        c = next;
        at += step;
    }
    return at;
}
