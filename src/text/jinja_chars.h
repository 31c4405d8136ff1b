/* jinja_chars.h - what Python's str knows of characters, from ICU's tables. */
#ifndef WC_TEXT_JINJA_CHARS_H
#define WC_TEXT_JINJA_CHARS_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

bool wc_jchar_space(uint32_t c);    /* str.isspace, \s */
bool wc_jchar_line_end(uint32_t c); /* what str.splitlines splits at */
bool wc_jchar_alpha(uint32_t c);
bool wc_jchar_decimal(uint32_t c);
bool wc_jchar_digit(uint32_t c);
bool wc_jchar_numeric(uint32_t c);
bool wc_jchar_word(uint32_t c); /* \w */
bool wc_jchar_upper(uint32_t c);
bool wc_jchar_lower(uint32_t c);
bool wc_jchar_title(uint32_t c);
bool wc_jchar_cased(uint32_t c);
bool wc_jchar_printable(uint32_t c);
bool wc_jchar_id_start(uint32_t c);
bool wc_jchar_id_continue(uint32_t c);
int wc_jchar_decimal_value(uint32_t c);                 /* 0 to 9, -1: no decimal digit */
bool wc_jchar_from_name(const char *name, uint32_t *c); /* "LATIN SMALL LETTER A" */

/* Full case mappings of a whole string (the final sigma included). */
enum wc_jcase { WC_J_UPPER, WC_J_LOWER, WC_J_TITLE, WC_J_SWAP, WC_J_FOLD, WC_J_CAPITAL };
void wc_jcase_text(wc_buf *b, const char *s, size_t n, enum wc_jcase how);

/* Where the white space at the front of s [n] ends, and where that at its back begins. */
size_t wc_jspace_front(const char *s, size_t n);
size_t wc_jspace_back(const char *s, size_t n);
/* The code point that ends before byte i > 0, and the place where it starts. */
uint32_t wc_jchar_before(const char *s, size_t i, size_t *start);
#endif
