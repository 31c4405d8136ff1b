/* fuzz_json.c - JSON is parsed, written, and parsed and written again: the two texts must be the same. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "formats/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void write_twice(wc_arena *a, const wc_json *v)
{
    wc_buf first, second;
    wc_buf_init(&first, 64 << 20);
    wc_buf_init(&second, 64 << 20);
    wc_json_write(&first, v);
    if (wc_buf_ok(&first)) {
        const wc_json *again = wc_json_parse(a, first.data, first.size, "again", 0, NULL);
        if (!again && !strstr(first.data, "Infinity")) /* 1e999 is read, and written as Python writes it */
            abort();
        if (again)
            wc_json_write(&second, again);
        if (again && (!wc_buf_ok(&second) || second.size != first.size ||
                      memcmp(first.data, second.data, first.size) != 0))
            abort();
    }
    wc_buf_release(&first);
    wc_buf_release(&second);
}

/* Every member as every type. */
static void read_fields(const wc_json *v)
{
    int i;
    double x;
    bool b;
    const char *s;
    for (size_t k = 0; k < wc_json_count(v) && k < 100; k++) {
        const wc_json *key = wc_json_key(v, k);
        if (!key)
            return;
        wc_config_int_or("fuzz", v, key->u.text, 0, -5, 1 << 20, &i, NULL);
        wc_config_int_at("fuzz", v, key->u.text, k, 1, 9, &i, NULL);
        wc_config_float("fuzz", v, key->u.text, 0, 1e9, &x, NULL);
        wc_config_bool_or("fuzz", v, key->u.text, false, &b, NULL);
        wc_config_string("fuzz", v, key->u.text, NULL, &s, NULL);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    wc_arena *a = wc_arena_new(0);
    wc_error err = {0};
    const wc_json *v = wc_json_parse(a, (const char *)data, size, "fuzz", 0, &err);
    const wc_json *unique = wc_json_parse(a, (const char *)data, size, "fuzz", WC_JSON_UNIQUE_KEYS, NULL);
    if ((!v && !err.text[0]) || (unique && !v))
        abort();
    if (v) {
        write_twice(a, v);
        read_fields(v);
    }
    wc_arena_free(a);
    return 0;
}
