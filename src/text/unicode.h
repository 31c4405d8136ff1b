/* unicode.h - what the tokenizers need to know of characters: classes, normal forms, lower case, clusters.
 *
 * Classes are those of the tokenizers library, which mixes Unicode versions (Oniguruma's, Rust's, and old tables for
 * BERT); unicode_tables.c holds them as measured.  Normal forms and case come from utf8proc, with the few characters
 * set right where the library's tables are older or newer. */
#ifndef WC_TEXT_UNICODE_H
#define WC_TEXT_UNICODE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "text/trace.h"

enum wc_char_class {
    WC_CHAR_SPACE = 1 << 0, /* White_Space */
    WC_CHAR_LU = 1 << 1,
    WC_CHAR_LL = 1 << 2,
    WC_CHAR_LT = 1 << 3,
    WC_CHAR_LM = 1 << 4,
    WC_CHAR_LO = 1 << 5,
    WC_CHAR_M = 1 << 6,
    WC_CHAR_N = 1 << 7,
    WC_CHAR_P = 1 << 8,
    WC_CHAR_S = 1 << 9,
    WC_CHAR_WORD = 1 << 10,       /* \w of Rust's regex */
    WC_CHAR_NUMERIC = 1 << 11,    /* Rust's char::is_numeric */
    WC_CHAR_BERT_PUNCT = 1 << 12, /* BertPreTokenizer isolates it */
    WC_CHAR_BERT_DROP = 1 << 13,  /* BertNormalizer's clean_text deletes it */
    WC_CHAR_BERT_MARK = 1 << 14,  /* BertNormalizer's strip_accents deletes it */
    WC_CHAR_L = WC_CHAR_LU | WC_CHAR_LL | WC_CHAR_LT | WC_CHAR_LM | WC_CHAR_LO
};

/* unicode_tables.c */
enum { WC_UNICODE_PAGED = 0x20000 };
extern const uint16_t wc_unicode_ascii[128];
extern const uint16_t wc_unicode_sets[];
extern const uint16_t wc_unicode_page_of[];
extern const unsigned char wc_unicode_pages[][32];
unsigned wc_char_classes_beyond(uint32_t c); /* c >= WC_UNICODE_PAGED */
/* Flags of wc_char_class that c has. */
static inline unsigned wc_char_classes(uint32_t c)
{
    if (c < 128)
        return wc_unicode_ascii[c];
    if (c < WC_UNICODE_PAGED)
        return wc_unicode_sets[wc_unicode_pages[wc_unicode_page_of[c / 32]][c % 32]];
    return wc_char_classes_beyond(c);
}

/* Lower case of one character, 1 or 2 code points in out; returns how many. */
size_t wc_char_lower(uint32_t c, uint32_t out[2]);

enum wc_normal_form { WC_NFC, WC_NFD, WC_NFKC, WC_NFKD };

/* Appends the normal form of valid UTF-8 s [n] to out; linear time.  False when there is no memory (out->failed is
 * set when it is full). */
bool wc_unicode_normalize(const char *s, size_t n, enum wc_normal_form form, const wc_made *out);

/* Bytes of the extended grapheme cluster at s [n >= 1], valid UTF-8. */
size_t wc_grapheme_bytes(const char *s, size_t n);

/* unicode_tables.c */
extern const uint32_t wc_unicode_ranges[];
extern const size_t wc_unicode_n_ranges;
extern const uint32_t wc_unicode_whole[];
extern const size_t wc_unicode_n_whole;
extern const uint32_t wc_unicode_lower[][2];
extern const size_t wc_unicode_n_lower;
#endif
