/* pattern.h - what Split and Replace look for: a literal string or a regular expression.
 *
 * Expressions of the usual tokenizers go to hand-written scanners (scan.h), all others to PCRE2, translated where its
 * dialect differs from Oniguruma's and run within a budget: a pattern that backtracks without end is an error. */
#ifndef WC_TEXT_PATTERN_H
#define WC_TEXT_PATTERN_H
#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

typedef struct wc_pattern wc_pattern;
struct wc_scanner;

/* A literal string, copied.  NULL when there is no memory. */
wc_pattern *wc_pattern_literal(const char *s, size_t n);
/* A regular expression; where: "FILE: field", for messages, also later ones. */
wc_pattern *wc_pattern_regex(const char *s, size_t n, const char *where, wc_error *err);
/* A hand-written scanner's. */
wc_pattern *wc_pattern_scanner(const struct wc_scanner *scanner);
void wc_pattern_free(wc_pattern *p); /* NULL is fine */

/* One thread's state for matching, with a budget for all its matches. */
typedef struct wc_matcher {
    void *match_data, *context; /* PCRE2's, made at the first need */
    size_t budget;
} wc_matcher;

void wc_matcher_init(wc_matcher *m, size_t text_bytes);
void wc_matcher_release(wc_matcher *m);

/* The first match that is not empty in s [n], valid UTF-8, from pos on: [*start, *end); *start == n when there is none.
 * False with err when the pattern exceeds its budget. */
bool wc_pattern_next(const wc_pattern *p, wc_matcher *m, const char *s, size_t n, size_t pos, size_t *start,
                     size_t *end, wc_error *err);
#endif
