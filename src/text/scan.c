/* scan.c - see scan.h.  Each function follows its pattern alternative by alternative: the first that matches wins, as in
 * a backtracking engine, and where a greedy part must give characters back the comment says which. */
#include "text/scan.h"

#include <stdbool.h>
#include <string.h>

#include "base/utf8.h"
#include "text/unicode.h"

enum {
    UPPER = WC_CHAR_LU | WC_CHAR_LT | WC_CHAR_LM | WC_CHAR_LO | WC_CHAR_M,
    LOWER = WC_CHAR_LL | WC_CHAR_LM | WC_CHAR_LO | WC_CHAR_M
};

/* What a scanner's param says. */
enum { DIGITS = 3, MARKS = 4, CONTRACTIONS = 8 };

/* Classes of the character at pos, its bytes in *len; 0 and 0 at the end. */
static unsigned classes_at(const char *s, size_t n, size_t pos, size_t *len)
{
    uint32_t c;
    *len = 0;
    if (pos >= n)
        return 0;
    *len = wc_utf8_decode(s + pos, n - pos, &c);
    return wc_char_classes(c);
}

/* End of the run of characters from pos that are in any of the classes (or, inverted, in none of them). */
static size_t span(const char *s, size_t n, size_t pos, unsigned classes, bool inverted)
{
    while (pos < n) {
        size_t len;
        if (((classes_at(s, n, pos, &len) & classes) != 0) == inverted)
            break;
        pos += len;
    }
    return pos;
}

static size_t span_newlines(const char *s, size_t n, size_t pos, bool slash)
{
    while (pos < n && (s[pos] == '\r' || s[pos] == '\n' || (slash && s[pos] == '/')))
        pos++;
    return pos;
}

static size_t step_back(const char *s, size_t pos)
{
    do
        pos--;
    while ((s[pos] & 0xc0) == 0x80);
    return pos;
}

/* 's|'t|'re|'ve|'m|'ll|'d, bytes at pos; fold: in either case, where 's is also '\u017f. */
static size_t contraction(const char *s, size_t n, size_t pos, bool fold)
{
    if (n - pos < 2 || s[pos] != '\'')
        return 0;
    char a = s[pos + 1], b = n - pos > 2 ? s[pos + 2] : '\0';
    if (fold && n - pos > 2 && memcmp(s + pos + 1, "\xc5\xbf", 2) == 0)
        return 3;
    if (fold) {
        a = a >= 'A' && a <= 'Z' ? (char)(a + 32) : a;
        b = b >= 'A' && b <= 'Z' ? (char)(b + 32) : b;
    }
    if (a == 's' || a == 't' || a == 'm' || a == 'd')
        return 2;
    if ((a == 'r' && b == 'e') || (a == 'v' && b == 'e') || (a == 'l' && b == 'l'))
        return 3;
    return 0;
}

/* \s+(?!\S)|\s+ : a run before a word leaves its last character to the word, unless it is the only one. */
static size_t white_space(const char *s, size_t n, size_t pos)
{
    size_t end = span(s, n, pos, WC_CHAR_SPACE, false);
    if (end == pos || end == n)
        return end - pos;
    size_t last = step_back(s, end);
    return (last > pos ? last : end) - pos;
}

/* \s*[\r\n]+|\s+(?!\S)|\s+ : a run that holds newlines ends behind the last of them. */
static size_t lines_or_white_space(const char *s, size_t n, size_t pos)
{
    size_t end = span(s, n, pos, WC_CHAR_SPACE, false);
    for (size_t i = end; i > pos; i--)
        if (s[i - 1] == '\r' || s[i - 1] == '\n')
            return i - pos;
    return white_space(s, n, pos);
}

static size_t up_to_3_digits(const char *s, size_t n, size_t pos, unsigned most)
{
    size_t end = pos, len;
    for (unsigned i = 0; i < most && (classes_at(s, n, end, &len) & WC_CHAR_N); i++)
        end += len;
    return end - pos;
}

/* ` ?[^classes]+[\r\n]*` (or `[\r\n/]*`), bytes at pos. */
static size_t punctuation(const char *s, size_t n, size_t pos, unsigned not_in, bool slash)
{
    size_t start = pos + (s[pos] == ' ');
    size_t end = span(s, n, start, not_in, true);
    return end == start ? 0 : span_newlines(s, n, end, slash) - pos;
}

static bool is_newline(char c)
{
    return c == '\r' || c == '\n';
}

static size_t scan_gpt2(const char *s, size_t n, size_t pos, unsigned param)
{
    size_t len = contraction(s, n, pos, false);
    if (len)
        return len;
    size_t start = pos + (s[pos] == ' ');
    unsigned classes = classes_at(s, n, start, &len);
    if (classes & WC_CHAR_L)
        return span(s, n, start, WC_CHAR_L, false) - pos;
    if (classes & WC_CHAR_N)
        return span(s, n, start, WC_CHAR_N, false) - pos;
    if (len && !(classes & WC_CHAR_SPACE))
        return span(s, n, start, WC_CHAR_SPACE | WC_CHAR_L | WC_CHAR_N, true) - pos;
    return white_space(s, n, pos);
}

/* `[^\r\n not_in]?[letters]+`: any other character but a newline may lead a word. */
static size_t led_word(const char *s, size_t n, size_t pos, unsigned letters, unsigned not_in)
{
    size_t len, next_len;
    unsigned classes = classes_at(s, n, pos, &len);
    if (!is_newline(s[pos]) && !(classes & not_in) && (classes_at(s, n, pos + len, &next_len) & letters))
        return span(s, n, pos + len, letters, false) - pos;
    return span(s, n, pos, letters, false) - pos;
}

/* Llama 3, cl100k, Qwen: param has the most digits and whether marks count as letters. */
static size_t scan_llama3(const char *s, size_t n, size_t pos, unsigned param)
{
    unsigned letters = WC_CHAR_L | (param & MARKS ? WC_CHAR_M : 0);
    size_t len = contraction(s, n, pos, true);
    if (!len)
        len = led_word(s, n, pos, letters, WC_CHAR_L | WC_CHAR_N);
    if (!len)
        len = up_to_3_digits(s, n, pos, param & DIGITS);
    if (!len)
        len = punctuation(s, n, pos, WC_CHAR_SPACE | WC_CHAR_N | letters, false);
    return len ? len : lines_or_white_space(s, n, pos);
}

/* `UPPER*LOWER+` at pos, its end or 0.  Modifier letters, other letters and marks are in both classes: when no small
 * letter follows the run, it gives characters back until its last one is in LOWER. */
static size_t upper_then_lower(const char *s, size_t n, size_t pos)
{
    size_t middle = span(s, n, pos, UPPER, false), len;
    size_t end = span(s, n, middle, LOWER, false);
    if (end > middle)
        return end;
    while (middle > pos) {
        size_t last = step_back(s, middle);
        if (classes_at(s, n, last, &len) & LOWER)
            return middle;
        middle = last;
    }
    return 0;
}

/* `UPPER+LOWER*` at pos, its end or 0. */
static size_t upper_maybe_lower(const char *s, size_t n, size_t pos)
{
    size_t middle = span(s, n, pos, UPPER, false);
    return middle == pos ? 0 : span(s, n, middle, LOWER, false);
}

/* o200k, Tekken: words by case; param has the most digits and whether contractions hang on to words. */
static size_t scan_o200k(const char *s, size_t n, size_t pos, unsigned param)
{
    size_t len, end = 0;
    unsigned classes = classes_at(s, n, pos, &len);
    bool may_lead = !is_newline(s[pos]) && !(classes & (WC_CHAR_L | WC_CHAR_N)) && pos + len < n;
    if (may_lead)
        end = upper_then_lower(s, n, pos + len);
    if (!end)
        end = upper_then_lower(s, n, pos);
    if (!end && may_lead)
        end = upper_maybe_lower(s, n, pos + len);
    if (!end)
        end = upper_maybe_lower(s, n, pos);
    if (end)
        return end + (param & CONTRACTIONS ? contraction(s, n, end, true) : 0) - pos;
    len = up_to_3_digits(s, n, pos, param & DIGITS);
    if (!len)
        len = punctuation(s, n, pos, WC_CHAR_SPACE | WC_CHAR_L | WC_CHAR_N, true);
    return len ? len : lines_or_white_space(s, n, pos);
}

static bool is_ascii_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* DeepSeek V3, the last of its three patterns. */
static size_t scan_deepseek3(const char *s, size_t n, size_t pos, unsigned param)
{
    char c = s[pos];
    if (c > ' ' && c < 0x7f && !is_ascii_letter(c) && !(c >= '0' && c <= '9')) {
        size_t end = pos + 1;
        while (end < n && is_ascii_letter(s[end]))
            end++;
        if (end > pos + 1)
            return end - pos;
    }
    size_t len = led_word(s, n, pos, WC_CHAR_L | WC_CHAR_M, WC_CHAR_L | WC_CHAR_P | WC_CHAR_S);
    if (len)
        return len;
    size_t start = pos + (c == ' ');
    size_t end = span(s, n, start, WC_CHAR_P | WC_CHAR_S, false);
    if (end > start)
        return span_newlines(s, n, end, false) - pos;
    return lines_or_white_space(s, n, pos);
}

/* [一-龥぀-ゟ゠-ヿ]+ */
static size_t scan_cjk_kana(const char *s, size_t n, size_t pos, unsigned param)
{
    size_t end = pos;
    while (end < n) {
        uint32_t c;
        size_t len = wc_utf8_decode(s + end, n - end, &c);
        if (!(c >= 0x4e00 && c <= 0x9fa5) && !(c >= 0x3040 && c <= 0x30ff))
            break;
        end += len;
    }
    return end - pos;
}

static size_t scan_words(const char *s, size_t n, size_t pos, unsigned param)
{
    size_t end = span(s, n, pos, WC_CHAR_WORD, false);
    return (end > pos ? end : span(s, n, pos, WC_CHAR_WORD | WC_CHAR_SPACE, true)) - pos;
}

#define LLAMA3(digits)                                                                                       \
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|" digits                                     \
    "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define O200K(contractions, digits)                                                                          \
    "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+" contractions \
    "|[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]"              \
    "*" contractions "|" digits "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"

static const wc_scanner scanners[] = {
    {"'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+", scan_gpt2, 0},
    {LLAMA3("\\p{N}{1,3}"), scan_llama3, 3},
    {LLAMA3("\\p{N}"), scan_llama3, 1},
    {"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?[\\p{L}\\p{M}]+|\\p{N}"
     "| ?[^\\s\\p{L}\\p{M}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
     scan_llama3, MARKS | 1},
    {O200K("(?i:'s|'t|'re|'ve|'m|'ll|'d)?", "\\p{N}{1,3}"), scan_o200k, CONTRACTIONS | 3},
    {O200K("", "\\p{N}"), scan_o200k, 1},
    {"\\p{N}{1,3}", up_to_3_digits, 3},
    {"[一-龥぀-ゟ゠-ヿ]+", scan_cjk_kana, 0},
    {"[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+"
     "| ?[\\p{P}\\p{S}]+[\r\n]*|\\s*[\r\n]+|\\s+(?!\\S)|\\s+",
     scan_deepseek3, 0},
};

const wc_scanner *wc_scanner_find(const char *regex, size_t n)
{
    for (size_t i = 0; i < sizeof scanners / sizeof *scanners; i++)
        if (strlen(scanners[i].regex) == n && memcmp(scanners[i].regex, regex, n) == 0)
            return &scanners[i];
    return NULL;
}

const char *wc_scanner_regex(size_t i)
{
    return i < sizeof scanners / sizeof *scanners ? scanners[i].regex : NULL;
}

const wc_scanner *wc_scanner_gpt2(void)
{
    return &scanners[0];
}

const wc_scanner *wc_scanner_words(void)
{
    static const wc_scanner words = {NULL, scan_words, 0};
    return &words;
}
