/* json_tree.c - JSON of a file; looking into parsed JSON, and writing it out again. */
#include <stdlib.h>
#include <string.h>

#include "base/file_map.h"
#include "base/json.h"

const wc_json *wc_json_read(wc_arena *a, const char *path, size_t max, unsigned flags, wc_error *err)
{
    size_t n;
    const char *text = wc_file_read(a, path, max, &n, err);
    return text ? wc_json_parse(a, text, n, path, flags, err) : NULL;
}

bool wc_json_is(const wc_json *v, wc_json_type type)
{
    return v && v->type == (uint32_t)type;
}

bool wc_json_is_null(const wc_json *v)
{
    return !v || v->type == WC_JSON_NULL;
}

static const wc_json *get_n(const wc_json *v, const char *key, size_t n)
{
    if (!wc_json_is(v, WC_JSON_OBJECT))
        return NULL;
    for (size_t i = v->n; i-- > 0;) {
        const wc_json *k = &v->u.items[2 * i];
        if (k->n == n && memcmp(k->u.text, key, n) == 0)
            return k + 1;
    }
    return NULL;
}

const wc_json *wc_json_get(const wc_json *v, const char *key)
{
    return get_n(v, key, strlen(key));
}

const wc_json *wc_json_path(const wc_json *v, const char *path)
{
    while (v) {
        size_t n = strcspn(path, ".");
        v = get_n(v, path, n);
        if (path[n] == '\0')
            return v;
        path += n + 1;
    }
    return NULL;
}

size_t wc_json_count(const wc_json *v)
{
    return wc_json_is(v, WC_JSON_ARRAY) || wc_json_is(v, WC_JSON_OBJECT) ? v->n : 0;
}

const wc_json *wc_json_item(const wc_json *v, size_t i)
{
    return wc_json_is(v, WC_JSON_ARRAY) && i < v->n ? &v->u.items[i] : NULL;
}

const wc_json *wc_json_key(const wc_json *v, size_t i)
{
    return wc_json_is(v, WC_JSON_OBJECT) && i < v->n ? &v->u.items[2 * i] : NULL;
}

const wc_json *wc_json_value(const wc_json *v, size_t i)
{
    return wc_json_is(v, WC_JSON_OBJECT) && i < v->n ? &v->u.items[2 * i + 1] : NULL;
}

bool wc_json_string_is(const wc_json *v, const char *s)
{
    return wc_json_is(v, WC_JSON_STRING) && v->n == strlen(s) && memcmp(v->u.text, s, v->n) == 0;
}

const char *wc_json_type_name(const wc_json *v)
{
    static const char *const names[] = {"null",     "a boolean", "a boolean", "a number", "a number",
                                        "a number", "a string",  "an array",  "an object"};
    return v ? names[v->type] : "nothing";
}

double wc_json_number(const wc_json *v, double fallback)
{
    if (wc_json_is(v, WC_JSON_INT))
        return (double)v->u.integer;
    if (wc_json_is(v, WC_JSON_DOUBLE))
        return v->u.number;
    return wc_json_is(v, WC_JSON_BIGINT) ? strtod(v->u.text, NULL) : fallback;
}

void wc_json_write(wc_buf *out, const wc_json *v)
{
    switch ((wc_json_type)v->type) {
    case WC_JSON_NULL:
        wc_buf_puts(out, "null");
        break;
    case WC_JSON_FALSE:
        wc_buf_puts(out, "false");
        break;
    case WC_JSON_TRUE:
        wc_buf_puts(out, "true");
        break;
    case WC_JSON_INT:
        wc_buf_printf(out, "%lld", (long long)v->u.integer);
        break;
    case WC_JSON_BIGINT:
        wc_buf_add(out, v->u.text, v->n);
        break;
    case WC_JSON_DOUBLE:
        wc_buf_json_double(out, v->u.number);
        break;
    case WC_JSON_STRING:
        wc_buf_json_string(out, v->u.text, v->n);
        break;
    case WC_JSON_ARRAY:
        wc_buf_putc(out, '[');
        for (uint32_t i = 0; i < v->n; i++) {
            if (i)
                wc_buf_putc(out, ',');
            wc_json_write(out, &v->u.items[i]);
        }
        wc_buf_putc(out, ']');
        break;
    case WC_JSON_OBJECT:
        wc_buf_putc(out, '{');
        for (uint32_t i = 0; i < v->n; i++) {
            if (i)
                wc_buf_putc(out, ',');
            wc_json_write(out, &v->u.items[2 * i]);
            wc_buf_putc(out, ':');
            wc_json_write(out, &v->u.items[2 * i + 1]);
        }
        wc_buf_putc(out, '}');
        break;
    }
}
