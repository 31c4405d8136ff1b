/* jinja_methods.h - the methods of strings, and what filters share with them. */
#ifndef WC_TEXT_JINJA_METHODS_H
#define WC_TEXT_JINJA_METHODS_H
#include "text/jinja_chars.h"
#include "text/jinja_value.h"

const wc_jfunction *wc_jfind_str_method(wc_jv self, const char *name, size_t n);

/* A string in another case; keeps Markup. */
bool wc_jstr_case(wc_jrun *r, wc_jv s, enum wc_jcase how, wc_jv *out);
/* Without the characters of chars at its ends (none or missing: white space); where: 1 front, 2 back, 3 both. */
bool wc_jstr_strip(wc_jrun *r, wc_jv s, wc_jv chars, int where, wc_jv *out);
/* At most count replacements; negative: all. */
bool wc_jstr_replace(wc_jrun *r, wc_jv s, wc_jv old, wc_jv new_text, int64_t count, wc_jv *out);
/* Its lines, without their ends. */
bool wc_jstr_lines(wc_jrun *r, wc_jv s, bool keep_ends, wc_jv *out);
/* Parts between white space, at most most + 1 of them when most is not negative. */
bool wc_jstr_split_space(wc_jrun *r, wc_jv s, int64_t most, wc_jv *out);
/* Parts between separators, from the back when backwards. */
bool wc_jstr_split(wc_jrun *r, wc_jv s, wc_jv separator, int64_t most, bool backwards, wc_jv *out);
/* In the middle of width code points. */
bool wc_jstr_pad(wc_jrun *r, wc_jv s, wc_jv width, wc_jv fill, char align, wc_jv *out);
/* HTML without its tags and comments, white space collapsed, entities as characters. */
bool wc_jstrip_tags(wc_jrun *r, wc_jv s, wc_jv *out);
void wc_junescape_text(wc_buf *b, const char *s, size_t n);
#endif
