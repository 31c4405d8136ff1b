/* read.h - fields of tokenizer.json, read with messages that name the file, the part and the field. */
#ifndef WC_TEXT_READ_H
#define WC_TEXT_READ_H
#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/json.h"

typedef struct wc_reader {
    const char *file;
    wc_arena *arena; /* of the tokenizer: what must stay is copied here */
    wc_error *err;
} wc_reader;

enum { WC_MAX_STAGES = 64 }; /* of one part of the pipeline */

/* All fail with "FILE: PART.KEY: expected ..., found ..."; absent and null give the fallback. */
bool wc_read_bool(const wc_reader *r, const wc_json *object, const char *part, const char *key, bool fallback,
                  bool *out);
bool wc_read_size(const wc_reader *r, const wc_json *object, const char *part, const char *key,
                  size_t fallback, size_t most, size_t *out);
/* *s is NULL and *n 0 when the field is absent or null and need not be there; otherwise it points into the JSON tree. */
bool wc_read_string(const wc_reader *r, const wc_json *object, const char *part, const char *key,
                    bool required, const char **s, size_t *n);
/* A field that must be one of the names [NULL-terminated]; its index.  Absent or null: fallback, or an error when that
 * is negative. */
bool wc_read_choice(const wc_reader *r, const wc_json *object, const char *part, const char *key,
                    const char *const *names, int fallback, int *out);
bool wc_read_fail(const wc_reader *r, const char *part, const char *key, const char *expected,
                  const wc_json *found);

/* Calls stage for every stage of a part that may be a Sequence of stages (in list_key), in order.  The part may be null
 * unless required by stage. */
typedef bool (*wc_stage_fn)(void *user, const wc_json *stage, const char *type);
bool wc_read_stages(const wc_reader *r, const wc_json *part_json, const char *part, const char *list_key,
                    wc_stage_fn stage, void *user);
/* A type that no stage function knows. */
bool wc_read_unknown_type(const wc_reader *r, const char *part, const char *type);

struct wc_pattern;
/* {"String": s} or {"Regex": r} in field "pattern" of a stage; the caller frees it. */
bool wc_read_pattern(const wc_reader *r, const wc_json *stage, const char *part, struct wc_pattern **out);
#endif
