/* buf.c - see buf.h. */
#include "base/buf.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"

void wc_buf_init(wc_buf *b, size_t max)
{
    *b = (wc_buf){.max = max};
}

void wc_buf_release(wc_buf *b)
{
    wc_mem_free(b->data);
    *b = (wc_buf){.max = b->max};
}

void wc_buf_reset(wc_buf *b)
{
    b->size = 0;
    b->failed = false;
    if (b->data)
        b->data[0] = '\0';
}

bool wc_buf_ok(const wc_buf *b)
{
    return !b->failed;
}

bool wc_buf_check(const wc_buf *b, const char *what, wc_error *err)
{
    if (!b->failed)
        return true;
    return wc_fail(err, WC_REFUSED, "%s: longer than the %zu bytes allowed, or out of memory", what, b->max);
}

/* Room for n more bytes and a NUL. */
static bool reserve(wc_buf *b, size_t n)
{
    if (b->failed || n > b->max || b->size > b->max - n) {
        b->failed = true;
        return false;
    }
    size_t need = b->size + n + 1;
    if (need <= b->room)
        return true;
    size_t room = b->room ? b->room : 64;
    while (room < need)
        room = room > b->max / 2 ? b->max + 1 : 2 * room;
    char *data = wc_mem_realloc(b->data, room);
    if (!data) {
        b->failed = true;
        return false;
    }
    b->data = data;
    b->room = room;
    return true;
}

void wc_buf_add(wc_buf *b, const void *bytes, size_t n)
{
    if (!reserve(b, n))
        return;
    if (n)
        memcpy(b->data + b->size, bytes, n);
    b->size += n;
    b->data[b->size] = '\0';
}

void wc_buf_puts(wc_buf *b, const char *s)
{
    wc_buf_add(b, s, strlen(s));
}

void wc_buf_putc(wc_buf *b, char c)
{
    wc_buf_add(b, &c, 1);
}

void wc_buf_printf(wc_buf *b, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (n >= 0 && reserve(b, (size_t)n)) {
        vsnprintf(b->data + b->size, (size_t)n + 1, format, again);
        b->size += (size_t)n;
    }
    va_end(again);
}

char *wc_buf_take(wc_buf *b, size_t *n)
{
    char *data = NULL;
    if (!b->failed && reserve(b, 0)) {
        b->data[b->size] = '\0';
        data = b->data;
        if (n)
            *n = b->size;
        b->data = NULL;
    }
    wc_buf_release(b);
    return data;
}

const char *wc_buf_str(const wc_buf *b)
{
    return b->data ? b->data : "";
}

void wc_buf_json_string(wc_buf *b, const char *s, size_t n)
{
    wc_buf_putc(b, '"');
    for (size_t i = 0; i < n;) {
        unsigned char c = (unsigned char)s[i];
        if (c == '"' || c == '\\') {
            wc_buf_printf(b, "\\%c", c);
            i++;
        } else if (c == '\n' || c == '\t' || c == '\r' || c == '\b' || c == '\f') {
            wc_buf_printf(b, "\\%c",
                          c == '\n'   ? 'n'
                          : c == '\t' ? 't'
                          : c == '\r' ? 'r'
                          : c == '\b' ? 'b'
                                      : 'f');
            i++;
        } else if (c < 0x20) {
            wc_buf_printf(b, "\\u%04x", c);
            i++;
        } else {
            uint32_t point;
            size_t len = wc_utf8_decode(s + i, n - i, &point);
            char out[4];
            wc_buf_add(b, out, wc_utf8_encode(point, out));
            i += len;
        }
    }
    wc_buf_putc(b, '"');
}

/* The fewest digits that read back as x. */
static void shortest(char *out, size_t room, double x)
{
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(out, room, "%.*e", digits - 1, x);
        if (strtod(out, NULL) == x)
            return;
    }
}

void wc_buf_json_double(wc_buf *b, double x)
{
    if (isnan(x) || isinf(x)) {
        wc_buf_puts(b, isnan(x) ? "NaN" : x > 0 ? "Infinity" : "-Infinity");
        return;
    }
    if (x == 0) {
        wc_buf_puts(b, signbit(x) ? "-0.0" : "0.0");
        return;
    }
    char text[40], digits[24];
    shortest(text, sizeof text, x);
    int n = 0, exponent = atoi(strchr(text, 'e') + 1);
    for (const char *p = text; *p != 'e'; p++)
        if (*p >= '0' && *p <= '9')
            digits[n++] = *p;
    digits[n] = '\0';
    if (x < 0)
        wc_buf_putc(b, '-');
    if (exponent < -4 || exponent >= 16) { /* scientific, as Python's repr */
        wc_buf_printf(b, n > 1 ? "%c.%s" : "%c%s", digits[0], digits + 1);
        wc_buf_printf(b, "e%c%02d", exponent < 0 ? '-' : '+', exponent < 0 ? -exponent : exponent);
    } else if (exponent < 0) {
        wc_buf_puts(b, "0.");
        for (int i = exponent; i < -1; i++)
            wc_buf_putc(b, '0');
        wc_buf_puts(b, digits);
    } else {
        for (int i = 0; i <= exponent || i < n; i++) {
            if (i == exponent + 1)
                wc_buf_putc(b, '.');
            wc_buf_putc(b, i < n ? digits[i] : '0');
        }
        if (n <= exponent + 1)
            wc_buf_puts(b, ".0");
    }
}
