/* read.c - see read.h. */
#include "text/read.h"

#include <stdio.h>
#include <string.h>

#include "text/pattern.h"

enum { MAX_DEPTH = 32 };

bool wc_read_fail(const wc_reader *r, const char *part, const char *key, const char *expected,
                  const wc_json *found)
{
    return wc_fail(r->err, WC_BAD_FILE, "%s: %s.%s: expected %s, found %s", r->file, part, key, expected,
                   wc_json_type_name(found));
}

bool wc_read_bool(const wc_reader *r, const wc_json *object, const char *part, const char *key, bool fallback,
                  bool *out)
{
    const wc_json *v = wc_json_get(object, key);
    *out = fallback;
    if (wc_json_is_null(v))
        return true;
    if (!wc_json_is(v, WC_JSON_TRUE) && !wc_json_is(v, WC_JSON_FALSE))
        return wc_read_fail(r, part, key, "a boolean", v);
    *out = wc_json_is(v, WC_JSON_TRUE);
    return true;
}

bool wc_read_size(const wc_reader *r, const wc_json *object, const char *part, const char *key,
                  size_t fallback, size_t most, size_t *out)
{
    const wc_json *v = wc_json_get(object, key);
    *out = fallback;
    if (wc_json_is_null(v))
        return true;
    if (!wc_json_is(v, WC_JSON_INT) || v->u.integer < 0 || (uint64_t)v->u.integer > most)
        return wc_fail(r->err, WC_BAD_FILE, "%s: %s.%s: expected a number from 0 to %zu, found %s", r->file,
                       part, key, most, wc_json_is(v, WC_JSON_INT) ? "one outside" : wc_json_type_name(v));
    *out = (size_t)v->u.integer;
    return true;
}

bool wc_read_string(const wc_reader *r, const wc_json *object, const char *part, const char *key,
                    bool required, const char **s, size_t *n)
{
    const wc_json *v = wc_json_get(object, key);
    *s = NULL;
    *n = 0;
    if (wc_json_is_null(v) && !required)
        return true;
    if (!wc_json_is(v, WC_JSON_STRING))
        return wc_read_fail(r, part, key, "a string", v);
    *s = v->u.text;
    *n = v->n;
    return true;
}

bool wc_read_choice(const wc_reader *r, const wc_json *object, const char *part, const char *key,
                    const char *const *names, int fallback, int *out)
{
    const char *s;
    size_t n;
    if (!wc_read_string(r, object, part, key, fallback < 0, &s, &n))
        return false;
    *out = fallback;
    if (!s)
        return true;
    for (int i = 0; names[i]; i++) {
        if (strcmp(names[i], s) == 0) {
            *out = i;
            return true;
        }
    }
    return wc_fail(r->err, WC_BAD_FILE, "%s: %s.%s: \"%.100s\" is not known", r->file, part, key, s);
}

/* What the recursion over nested Sequences carries. */
struct walk {
    const wc_reader *r;
    const char *part, *list_key;
    wc_stage_fn stage;
    void *user;
    int n_stages;
};

static bool walk_stages(struct walk *w, const wc_json *v, int depth)
{
    const wc_reader *r = w->r;
    if (!wc_json_is(v, WC_JSON_OBJECT))
        return wc_fail(r->err, WC_BAD_FILE, "%s: %s: expected an object, found %s", r->file, w->part,
                       wc_json_type_name(v));
    const wc_json *type = wc_json_get(v, "type");
    if (!wc_json_is(type, WC_JSON_STRING))
        return wc_read_fail(r, w->part, "type", "a string", type);
    if (!wc_json_string_is(type, "Sequence")) {
        if (++w->n_stages > WC_MAX_STAGES)
            return wc_fail(r->err, WC_UNSUPPORTED, "%s: %s: expected at most %d stages, found more", r->file,
                           w->part, WC_MAX_STAGES);
        return w->stage(w->user, v, type->u.text);
    }
    const wc_json *list = wc_json_get(v, w->list_key);
    if (!wc_json_is(list, WC_JSON_ARRAY))
        return wc_read_fail(r, w->part, w->list_key, "an array", list);
    if (depth == MAX_DEPTH)
        return wc_fail(r->err, WC_UNSUPPORTED, "%s: %s: sequences nested more than %d deep", r->file, w->part,
                       MAX_DEPTH);
    for (size_t i = 0; i < wc_json_count(list); i++)
        if (!walk_stages(w, wc_json_item(list, i), depth + 1))
            return false;
    return true;
}

bool wc_read_stages(const wc_reader *r, const wc_json *part_json, const char *part, const char *list_key,
                    wc_stage_fn stage, void *user)
{
    struct walk w = {r, part, list_key, stage, user, 0};
    return wc_json_is_null(part_json) || walk_stages(&w, part_json, 0);
}

bool wc_read_unknown_type(const wc_reader *r, const char *part, const char *type)
{
    return wc_fail(r->err, WC_UNSUPPORTED, "%s: %s.type: \"%.100s\" is not known", r->file, part, type);
}

bool wc_read_pattern(const wc_reader *r, const wc_json *stage, const char *part, wc_pattern **out)
{
    const wc_json *pattern = wc_json_get(stage, "pattern");
    const wc_json *literal = wc_json_get(pattern, "String"), *regex = wc_json_get(pattern, "Regex");
    char where[600];
    if (wc_json_is(literal, WC_JSON_STRING)) {
        *out = wc_pattern_literal(literal->u.text, literal->n);
        return *out || wc_fail_memory(r->err, literal->n);
    }
    if (!wc_json_is(regex, WC_JSON_STRING))
        return wc_read_fail(r, part, "pattern", "{\"String\": text} or {\"Regex\": text}", pattern);
    snprintf(where, sizeof where, "%.500s: %s.pattern", r->file, part);
    *out = wc_pattern_regex(regex->u.text, regex->n, where, r->err);
    return *out != NULL;
}
