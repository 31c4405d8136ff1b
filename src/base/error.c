/* error.c - formats error lines; what came from outside is made printable. */
#define WC_DEFINES_FAILURES
#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"

/* Copies text to out [room], control characters but those of `kept` and invalid bytes as \xNN. */
static void copy_printable(char *out, size_t room, const char *text, size_t n, const char *kept)
{
    size_t used = 0;
    for (size_t i = 0; i < n;) {
        uint32_t c;
        size_t len = wc_utf8_decode(text + i, n - i, &c);
        bool plain = c >= 0x20 && c != 0x7f && !(c >= 0x80 && c < 0xa0) && !(c == 0xfffd && len < 3) &&
                     c != 0x2028 && c != 0x2029 && !(c >= 0x202a && c <= 0x202e) &&
                     !(c >= 0x2066 && c <= 0x2069);
        plain = plain || (len == 1 && c != 0 && strchr(kept, (int)c));
        if (plain) {
            if (used + len + 1 > room)
                break;
            memcpy(out + used, text + i, len);
            used += len;
        } else {
            if (used + 4 * len + 1 > room)
                break;
            for (size_t j = 0; j < len; j++)
                used += (size_t)snprintf(out + used, room - used, "\\x%02x", (unsigned char)text[i + j]);
        }
        i += len;
    }
    out[used] = '\0';
}

bool wc_fail(wc_error *err, int code, const char *format, ...)
{
    if (!err)
        return false;
    char text[2 * sizeof err->text];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (n < 0)
        n = 0;
    err->code = code;
    copy_printable(err->text, sizeof err->text, text, (size_t)n < sizeof text ? (size_t)n : sizeof text - 1,
                   "");
    return false;
}

bool wc_fail_lines(wc_error *err, int code, const char *text, size_t n)
{
    if (!err)
        return false;
    err->code = code;
    copy_printable(err->text, sizeof err->text, text, n, "\n\t");
    return false;
}

bool wc_fail_within(wc_error *err, const char *prefix)
{
    if (!err)
        return false;
    char inner[sizeof err->text];
    memcpy(inner, err->text, sizeof inner);
    return wc_fail(err, err->code, "%s: %s", prefix, inner);
}

bool wc_fail_memory(wc_error *err, size_t bytes)
{
    return wc_fail(
        err, WC_NO_MEMORY,
        "out of memory: %zu bytes could not be had; close other programs or choose a smaller model or --ctx",
        bytes);
}
