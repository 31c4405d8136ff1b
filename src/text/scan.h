/* scan.h - the splitting patterns of the usual tokenizers, by hand: exact classes, linear time. */
#ifndef WC_TEXT_SCAN_H
#define WC_TEXT_SCAN_H
#include <stddef.h>

/* Bytes of the match that begins exactly at s + pos, 0 when none does.  s [n] is valid UTF-8, pos < n. */
typedef size_t (*wc_scan_fn)(const char *s, size_t n, size_t pos, unsigned param);

typedef struct wc_scanner {
    const char *regex; /* the pattern as files spell it */
    wc_scan_fn scan;
    unsigned param;
} wc_scanner;

/* The scanner for a pattern, NULL when it is not one of the known. */
const wc_scanner *wc_scanner_find(const char *regex, size_t n);
/* The i-th pattern that is known, NULL behind the last. */
const char *wc_scanner_regex(size_t i);
/* GPT-2's, which ByteLevel uses without naming it. */
const wc_scanner *wc_scanner_gpt2(void);
/* \w+|[^\w\s]+ as Rust's regex reads it, which Whitespace uses. */
const wc_scanner *wc_scanner_words(void);
#endif
