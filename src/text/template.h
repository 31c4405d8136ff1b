/* template.h - post-processors: which special tokens stand before, between and behind the texts. */
#ifndef WC_TEXT_TEMPLATE_H
#define WC_TEXT_TEMPLATE_H
#include "text/read.h"
#include "text/vocab.h"

typedef struct wc_template_item {
    int sequence; /* 0: the first text, 1: the second, -1: special tokens */
    int32_t type;
    const int32_t *ids; /* [n_ids] */
    size_t n_ids;
} wc_template_item;

typedef struct wc_template {
    const wc_template_item *items; /* [n] in the arena */
    size_t n;
} wc_template;

/* Whether white space at the ends of tokens is no part of the places in the text that they stand for; prefix: but for a
 * space that was put in front of the text. */
typedef struct wc_trim {
    bool offsets, prefix;
} wc_trim;

/* Reads the post_processor part; null: the texts alone.  n_ids: every id must be smaller. */
bool wc_template_read(wc_template *single, wc_template *pair, wc_trim *trim, const wc_reader *r,
                      const wc_json *part, size_t n_ids);
#endif
