/* jinja_chars.c - see jinja_chars.h.
 *
 * Python's predicates are combinations of Unicode properties; the comments name the property.  Case mappings are the
 * full ones of SpecialCasing.txt without language rules, one character at a time; only sigma looks at its neighbours. */
#include "text/jinja_chars.h"

#include <string.h>
#include <unicode/ucasemap.h>
#include <unicode/uchar.h>
#include <unicode/ustring.h>

#include "base/utf8.h"

bool wc_jchar_space(uint32_t c)
{
    if (c < 0x80)
        return (c >= 9 && c <= 13) || (c >= 0x1c && c <= 0x20);
    return c == 0x85 || c == 0xa0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200a) || c == 0x2028 ||
           c == 0x2029 || c == 0x202f || c == 0x205f || c == 0x3000;
}

bool wc_jchar_line_end(uint32_t c)
{
    return (c >= 10 && c <= 13) || (c >= 0x1c && c <= 0x1e) || c == 0x85 || c == 0x2028 || c == 0x2029;
}

/* General category L*. */
bool wc_jchar_alpha(uint32_t c)
{
    return u_isalpha((UChar32)c);
}

static int numeric_type(uint32_t c)
{
    return u_getIntPropertyValue((UChar32)c, UCHAR_NUMERIC_TYPE);
}

bool wc_jchar_decimal(uint32_t c)
{
    return numeric_type(c) == U_NT_DECIMAL;
}

bool wc_jchar_digit(uint32_t c)
{
    int type = numeric_type(c);
    return type == U_NT_DECIMAL || type == U_NT_DIGIT;
}

bool wc_jchar_numeric(uint32_t c)
{
    return numeric_type(c) != U_NT_NONE;
}

bool wc_jchar_word(uint32_t c)
{
    return c == '_' || wc_jchar_alpha(c) || wc_jchar_numeric(c);
}

bool wc_jchar_upper(uint32_t c)
{
    return u_hasBinaryProperty((UChar32)c, UCHAR_UPPERCASE);
}

bool wc_jchar_lower(uint32_t c)
{
    return u_hasBinaryProperty((UChar32)c, UCHAR_LOWERCASE);
}

bool wc_jchar_title(uint32_t c)
{
    return u_charType((UChar32)c) == U_TITLECASE_LETTER;
}

bool wc_jchar_cased(uint32_t c)
{
    return wc_jchar_upper(c) || wc_jchar_lower(c) || wc_jchar_title(c);
}

/* Not Cc, Cf, Cs, Co, Cn, Zl, Zp, nor a space other than U+0020. */
bool wc_jchar_printable(uint32_t c)
{
    if (c < 0x7f)
        return c >= 0x20;
    switch (u_charType((UChar32)c)) {
    case U_UNASSIGNED:
    case U_CONTROL_CHAR:
    case U_FORMAT_CHAR:
    case U_PRIVATE_USE_CHAR:
    case U_SURROGATE:
    case U_SPACE_SEPARATOR:
    case U_LINE_SEPARATOR:
    case U_PARAGRAPH_SEPARATOR:
        return false;
    default:
        return true;
    }
}

bool wc_jchar_id_start(uint32_t c)
{
    return c == '_' || u_hasBinaryProperty((UChar32)c, UCHAR_XID_START);
}

bool wc_jchar_id_continue(uint32_t c)
{
    return u_hasBinaryProperty((UChar32)c, UCHAR_XID_CONTINUE);
}

int wc_jchar_decimal_value(uint32_t c)
{
    return wc_jchar_decimal(c) ? u_charDigitValue((UChar32)c) : -1;
}

bool wc_jchar_from_name(const char *name, uint32_t *c)
{
    UErrorCode status = U_ZERO_ERROR;
    UChar32 found = u_charFromName(U_UNICODE_CHAR_NAME, name, &status);
    *c = (uint32_t)found;
    return U_SUCCESS(status);
}

static void add_point(wc_buf *b, uint32_t c)
{
    char out[4];
    wc_buf_add(b, out, wc_utf8_encode(c, out));
}

/* One character through ICU's full mapping of that kind. */
static void map_point(wc_buf *b, uint32_t c, enum wc_jcase how)
{
    char in[4], out[32];
    int n_in = (int)wc_utf8_encode(c, in), n = 0;
    UErrorCode status = U_ZERO_ERROR;
    uint32_t options = how == WC_J_TITLE ? U_TITLECASE_WHOLE_STRING | U_TITLECASE_NO_BREAK_ADJUSTMENT : 0;
    UCaseMap *map = ucasemap_open("", options, &status);
    if (how == WC_J_UPPER)
        n = ucasemap_utf8ToUpper(map, out, sizeof out, in, n_in, &status);
    else if (how == WC_J_LOWER)
        n = ucasemap_utf8ToLower(map, out, sizeof out, in, n_in, &status);
    else if (how == WC_J_TITLE)
        n = ucasemap_utf8ToTitle(map, out, sizeof out, in, n_in, &status);
    else
        n = ucasemap_utf8FoldCase(map, out, sizeof out, in, n_in, &status);
    ucasemap_close(map);
    if (U_SUCCESS(status))
        wc_buf_add(b, out, (size_t)n);
    else
        wc_buf_add(b, in, (size_t)n_in);
}

static void map_ascii(wc_buf *b, char c, enum wc_jcase how)
{
    bool upper = c >= 'A' && c <= 'Z', lower = c >= 'a' && c <= 'z';
    bool up = how == WC_J_UPPER || how == WC_J_TITLE;
    wc_buf_putc(b, up && lower ? (char)(c - 32) : !up && upper ? (char)(c + 32) : c);
}

/* A capital sigma becomes a final one when a cased letter stands before it and none after it, not counting what
 * casing ignores (Unicode 3.13, Final_Sigma). */
static bool sigma_is_final(const char *s, size_t n, size_t i)
{
    size_t at = i;
    uint32_t c = 0;
    while (at > 0) {
        c = wc_jchar_before(s, at, &at);
        if (!u_hasBinaryProperty((UChar32)c, UCHAR_CASE_IGNORABLE))
            break;
        c = 0;
    }
    if (c == 0 || !u_hasBinaryProperty((UChar32)c, UCHAR_CASED))
        return false;
    for (at = i + 2; at < n;) {
        at += wc_utf8_decode(s + at, n - at, &c);
        if (!u_hasBinaryProperty((UChar32)c, UCHAR_CASE_IGNORABLE))
            return !u_hasBinaryProperty((UChar32)c, UCHAR_CASED);
    }
    return true;
}

void wc_jcase_text(wc_buf *b, const char *s, size_t n, enum wc_jcase how)
{
    bool after_cased = false;
    for (size_t i = 0; i < n;) {
        uint32_t c;
        size_t len = wc_utf8_decode(s + i, n - i, &c);
        enum wc_jcase one = how;
        if (how == WC_J_TITLE)
            one = after_cased ? WC_J_LOWER : WC_J_TITLE;
        else if (how == WC_J_CAPITAL)
            one = i == 0 ? WC_J_TITLE : WC_J_LOWER;
        else if (how == WC_J_SWAP)
            one = wc_jchar_upper(c) ? WC_J_LOWER : wc_jchar_lower(c) ? WC_J_UPPER : WC_J_SWAP;
        if (one == WC_J_SWAP)
            wc_buf_add(b, s + i, len);
        else if (c < 0x80)
            map_ascii(b, (char)c, one);
        else if (one == WC_J_LOWER && c == 0x3a3)
            add_point(b, sigma_is_final(s, n, i) ? 0x3c2 : 0x3c3);
        else
            map_point(b, c, one);
        if (how == WC_J_TITLE)
            after_cased = wc_jchar_cased(c);
        i += len;
    }
}

size_t wc_jspace_front(const char *s, size_t n)
{
    size_t i = 0;
    while (i < n) {
        uint32_t c;
        size_t len = wc_utf8_decode(s + i, n - i, &c);
        if (!wc_jchar_space(c))
            break;
        i += len;
    }
    return i;
}

uint32_t wc_jchar_before(const char *s, size_t i, size_t *start)
{
    size_t at = i - 1;
    while (at > 0 && ((unsigned char)s[at] & 0xc0) == 0x80)
        at--;
    uint32_t c;
    wc_utf8_decode(s + at, i - at, &c);
    *start = at;
    return c;
}

size_t wc_jspace_back(const char *s, size_t n)
{
    while (n > 0) {
        size_t start;
        if (!wc_jchar_space(wc_jchar_before(s, n, &start)))
            break;
        n = start;
    }
    return n;
}
