/* config.c - see config.h. */
#include "formats/config.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { FOUND_ROOM = 64 };

/* What a message says was found: a value in short, or its type. */
static const char *found(char out[FOUND_ROOM], const wc_json *v)
{
    wc_buf b;
    wc_buf_init(&b, FOUND_ROOM - 1); /* without the NUL */
    const wc_json_type type = v ? (wc_json_type)v->type : WC_JSON_NULL;
    if (v && type != WC_JSON_ARRAY && type != WC_JSON_OBJECT)
        wc_json_write(&b, v);
    snprintf(out, FOUND_ROOM, "%s", wc_json_type_name(v));
    if (wc_buf_ok(&b) && b.size > 0)
        memcpy(out, b.data, b.size + 1);
    wc_buf_release(&b);
    return out;
}

static bool to_int(const char *file, const wc_json *v, const char *key, int64_t min, int64_t max, int *out,
                   wc_error *err)
{
    double x = wc_json_number(v, NAN);
    if (wc_json_is(v, WC_JSON_INT) ? v->u.integer >= min && v->u.integer <= max
                                   : x >= (double)min && x <= (double)max && x == floor(x)) {
        *out = wc_json_is(v, WC_JSON_INT) ? (int)v->u.integer : (int)x;
        return true;
    }
    char text[FOUND_ROOM];
    return wc_fail(err, WC_BAD_FILE, "%s: %s: expected an integer from %lld to %lld, found %s", file, key,
                   (long long)min, (long long)max, found(text, v));
}

static bool to_float(const char *file, const wc_json *v, const char *key, double min, double max, double *out,
                     wc_error *err)
{
    double x = wc_json_number(v, NAN);
    if (x >= min && x <= max) {
        *out = x;
        return true;
    }
    char text[FOUND_ROOM];
    return wc_fail(err, WC_BAD_FILE, "%s: %s: expected a number from %g to %g, found %s", file, key, min, max,
                   found(text, v));
}

bool wc_config_int(const char *file, const wc_json *v, const char *key, int64_t min, int64_t max, int *out,
                   wc_error *err)
{
    return to_int(file, wc_json_get(v, key), key, min, max, out, err);
}

bool wc_config_int_or(const char *file, const wc_json *v, const char *key, int fallback, int64_t min,
                      int64_t max, int *out, wc_error *err)
{
    const wc_json *x = wc_json_get(v, key);
    if (!wc_json_is_null(x))
        return to_int(file, x, key, min, max, out, err);
    *out = fallback;
    return true;
}

bool wc_config_int_at(const char *file, const wc_json *v, const char *key, size_t i, int64_t min, int64_t max,
                      int *out, wc_error *err)
{
    const wc_json *x = wc_json_get(v, key);
    if (!wc_json_is(x, WC_JSON_ARRAY))
        return to_int(file, x, key, min, max, out, err);
    if (i >= wc_json_count(x))
        return wc_fail(err, WC_BAD_FILE, "%s: %s: expected more than %zu items, found %zu", file, key, i,
                       wc_json_count(x));
    return to_int(file, wc_json_item(x, i), key, min, max, out, err);
}

bool wc_config_float(const char *file, const wc_json *v, const char *key, double min, double max, double *out,
                     wc_error *err)
{
    return to_float(file, wc_json_get(v, key), key, min, max, out, err);
}

bool wc_config_float_or(const char *file, const wc_json *v, const char *key, double fallback, double min,
                        double max, double *out, wc_error *err)
{
    const wc_json *x = wc_json_get(v, key);
    if (!wc_json_is_null(x))
        return to_float(file, x, key, min, max, out, err);
    *out = fallback;
    return true;
}

bool wc_config_bool_or(const char *file, const wc_json *v, const char *key, bool fallback, bool *out,
                       wc_error *err)
{
    const wc_json *x = wc_json_get(v, key);
    char text[FOUND_ROOM];
    if (!wc_json_is_null(x) && !wc_json_is(x, WC_JSON_TRUE) && !wc_json_is(x, WC_JSON_FALSE))
        return wc_fail(err, WC_BAD_FILE, "%s: %s: expected true or false, found %s", file, key,
                       found(text, x));
    *out = wc_json_is_null(x) ? fallback : wc_json_is(x, WC_JSON_TRUE);
    return true;
}

bool wc_config_string(const char *file, const wc_json *v, const char *key, const char *fallback,
                      const char **out, wc_error *err)
{
    const wc_json *x = wc_json_get(v, key);
    char text[FOUND_ROOM];
    if (wc_json_is_null(x) && fallback) {
        *out = fallback;
        return true;
    }
    if (!wc_json_is(x, WC_JSON_STRING) || strlen(x->u.text) != x->n)
        return wc_fail(err, WC_BAD_FILE, "%s: %s: expected a string, found %s", file, key, found(text, x));
    *out = x->u.text;
    return true;
}
