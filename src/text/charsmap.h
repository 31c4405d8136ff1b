/* charsmap.h - SentencePiece's precompiled character map: what nmt_nfkc and its kin turn characters into. */
#ifndef WC_TEXT_CHARSMAP_H
#define WC_TEXT_CHARSMAP_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"

typedef struct wc_charsmap {
    const unsigned char *trie; /* n_units of 4 bytes, little-endian: a Darts double array */
    size_t n_units;
    const char *strings; /* [n_strings] replacements, each NUL-terminated */
    size_t n_strings;
} wc_charsmap;

/* From the bytes of the map, which must stay.  where: "FILE: field", for messages. */
bool wc_charsmap_init(wc_charsmap *m, const void *data, size_t n, const char *where, wc_error *err);
/* The same from base64 text; the bytes are kept in the arena. */
bool wc_charsmap_from_base64(wc_charsmap *m, wc_arena *a, const char *text, size_t n, const char *where,
                             wc_error *err);

/* The replacement of the shortest (or the longest) prefix of s [n] that the map has: *n_out bytes, and in *used the
 * length of the prefix.  NULL when there is none. */
const char *wc_charsmap_find(const wc_charsmap *m, const char *s, size_t n, bool longest, size_t *used,
                             size_t *n_out);
#endif
