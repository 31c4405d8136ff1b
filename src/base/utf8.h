/* utf8.h - UTF-8 as Unicode 3.9 defines it, and the one policy for what is not. */
#ifndef WC_BASE_UTF8_H
#define WC_BASE_UTF8_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The code point at s [n >= 1] in *c and the bytes it takes (1 to 4).  An invalid sequence gives U+FFFD and the length
 * of its maximal subpart (Unicode 3.9, table 3-8), so that E2 82 is one replacement and ED A0 80 are three. */
size_t wc_utf8_decode(const char *s, size_t n, uint32_t *c);
/* Bytes of c written to out [4]; c is a scalar value. */
size_t wc_utf8_encode(uint32_t c, char *out);
/* All of s [n] is valid. */
bool wc_utf8_valid(const char *s, size_t n);
/* Characters of s [n], valid UTF-8. */
size_t wc_utf8_count(const char *s, size_t n);
/* Bytes at the end of s [n], 0 to 3, that begin a character which is not complete yet. */
size_t wc_utf8_pending(const char *s, size_t n);
#endif
