/* json.h - JSON texts as read-only trees in an arena.
 *
 * Strict RFC 8259: no comments, no NaN, no trailing commas, valid UTF-8; a byte order mark is passed over.  Numbers may
 * have any length.  Nesting is bounded (WC_JSON_MAX_DEPTH) and never recurses.  The parser is RapidJSON's (json.cpp). */
#ifndef WC_BASE_JSON_H
#define WC_BASE_JSON_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"

enum { WC_JSON_MAX_DEPTH = 512 };

typedef enum wc_json_type {
    WC_JSON_NULL,
    WC_JSON_FALSE,
    WC_JSON_TRUE,
    WC_JSON_INT,    /* fits int64_t */
    WC_JSON_BIGINT, /* an integer that does not; text holds its digits */
    WC_JSON_DOUBLE,
    WC_JSON_STRING, /* may hold NULs */
    WC_JSON_ARRAY,
    WC_JSON_OBJECT /* members in the order of the text */
} wc_json_type;

typedef struct wc_json wc_json;
struct wc_json {
    uint32_t type; /* wc_json_type */
    uint32_t n;    /* bytes of text, items of an array, members of an object */
    union {
        int64_t integer;
        double number;
        const char *text;     /* [n], NUL-terminated */
        const wc_json *items; /* [n], or for an object [2 * n]: key, value, key, value ... */
    } u;
};

enum wc_json_flags {
    WC_JSON_UNIQUE_KEYS = 1 /* an object with the same key twice is an error; otherwise the last one counts */
};

/* The tree of text [bytes], valid as long as the arena; NULL on failure.  name: what messages call the text. */
const wc_json *wc_json_parse(wc_arena *a, const char *text, size_t bytes, const char *name, unsigned flags,
                             wc_error *err);
/* The same of the file path, which holds at most max bytes; text and tree lie in the arena. */
const wc_json *wc_json_read(wc_arena *a, const char *path, size_t max, unsigned flags, wc_error *err);

/* All of these take NULL for an absent value. */
bool wc_json_is(const wc_json *v, wc_json_type type);
bool wc_json_is_null(const wc_json *v); /* absent or null */
/* The value of a member, NULL when v is no object or has none of that name.  The last one when there are several. */
const wc_json *wc_json_get(const wc_json *v, const char *key);
/* Follows a path of keys, "text_config.rope_parameters". */
const wc_json *wc_json_path(const wc_json *v, const char *path);
size_t wc_json_count(const wc_json *v); /* items or members; 0 for all else */
const wc_json *wc_json_item(const wc_json *v, size_t i);
const wc_json *wc_json_key(const wc_json *v, size_t i); /* a string */
const wc_json *wc_json_value(const wc_json *v, size_t i);
bool wc_json_string_is(const wc_json *v, const char *s);
/* "null", "a boolean", "a number", "a string", "an array", "an object"; "nothing" for NULL: for messages. */
const char *wc_json_type_name(const wc_json *v);
/* The number of an int, big int or double; other types give fallback. */
double wc_json_number(const wc_json *v, double fallback);

/* The value as JSON text, compact ("," and ":" without spaces). */
void wc_json_write(wc_buf *out, const wc_json *v);
#endif
