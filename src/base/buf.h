/* buf.h - a growing string of bytes, born with the most it may hold (as curl's dynbuf).
 *
 * The first failure - no memory, or past the maximum - sticks: later calls do nothing, and wc_buf_ok tells. */
#ifndef WC_BASE_BUF_H
#define WC_BASE_BUF_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

typedef struct wc_buf {
    char *data; /* NUL-terminated whenever it is not NULL */
    size_t size, max;
    size_t room; /* private */
    bool failed;
} wc_buf;

void wc_buf_init(wc_buf *b, size_t max);
void wc_buf_release(wc_buf *b);
void wc_buf_reset(wc_buf *b); /* empty again, memory kept, failure forgotten */
bool wc_buf_ok(const wc_buf *b);
void wc_buf_add(wc_buf *b, const void *bytes, size_t n);
void wc_buf_puts(wc_buf *b, const char *s);
void wc_buf_putc(wc_buf *b, char c);
void wc_buf_printf(wc_buf *b, const char *format, ...) WC_PRINTF(2, 3);
/* The string, moved out to the caller (wc_mem_free); NULL after a failure.  The buffer is empty again. */
char *wc_buf_take(wc_buf *b, size_t *n);
/* Text of a string that is never NULL. */
const char *wc_buf_str(const wc_buf *b);
/* The same as a failed wc_fail when the buffer has failed; true otherwise. */
bool wc_buf_check(const wc_buf *b, const char *what, wc_error *err);

/* JSON: a quoted string with control characters, quotes and backslashes escaped, U+FFFD for invalid UTF-8. */
void wc_buf_json_string(wc_buf *b, const char *s, size_t n);
/* A number as Python's repr writes a double: shortest that reads back the same, with .0 or e as needed. */
void wc_buf_json_double(wc_buf *b, double x);
#endif
