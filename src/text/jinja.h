/* jinja.h - the Jinja templates that chat models carry: compiled once to a tree, rendered over JSON values.
 *
 * The language is Jinja2 3.1.6 as transformers 5.23 sets it up: an immutable sandbox, trim_blocks and lstrip_blocks, the
 * loop controls break and continue, {% generation %}, and the functions raise_exception and strftime_now.  A template
 * comes with a downloaded model and is hostile until proven otherwise: nothing of the system can be reached from one
 * but the clock, and steps, memory, output and depth are bounded, so that a bomb ends as an error within seconds. */
#ifndef WC_TEXT_JINJA_H
#define WC_TEXT_JINJA_H
#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/json.h"

/* A compiled template; read-only, may be shared by threads. */
typedef struct wc_jinja wc_jinja;

/* The kinds of failure, as Python would tell them apart. */
enum wc_jinja_kind {
    WC_JINJA_OK = 0,
    WC_JINJA_SYNTAX,    /* the template does not compile */
    WC_JINJA_RAISED,    /* the template called raise_exception */
    WC_JINJA_UNDEFINED, /* an undefined value was used */
    WC_JINJA_RUNTIME,   /* a type, value, lookup ... error */
    WC_JINJA_SECURITY,  /* the sandbox refused */
    WC_JINJA_LIMIT,     /* too many steps, too much memory, output or depth */
    WC_JINJA_CONTINUE   /* continue_final_message was not possible (chat.h) */
};

/* What strftime_now sees. */
struct wc_jinja_clock {
    int year, month, day, hour, minute, second; /* month and day from 1 */
};

/* Reads "2025-07-04T09:05:03"; false when text is something else. */
bool wc_jinja_clock_parse(struct wc_jinja_clock *clock, const char *text);

/* The template of source [n], UTF-8; NULL on failure.  name: what messages call it ("chat_template.jinja"); messages
 * are "name: line 3: ...".  *kind, when not NULL, tells the kind of a failure.  Free with wc_jinja_free. */
wc_jinja *wc_jinja_compile(const char *source, size_t n, const char *name, enum wc_jinja_kind *kind,
                           wc_error *err);
void wc_jinja_free(wc_jinja *t); /* NULL is fine */
/* The source as it was given, [*n]; valid as long as t. */
const char *wc_jinja_source(const wc_jinja *t, size_t *n);

/* Adds the rendering to out, whose own maximum holds.  vars: an object, or NULL for no variables.  now NULL: local
 * time.  On failure out is as long as before; err has the message of raise_exception alone, and "name: line 3: ..." for
 * all else.  *kind as above. */
bool wc_jinja_render(const wc_jinja *t, const wc_json *vars, const struct wc_jinja_clock *now, wc_buf *out,
                     enum wc_jinja_kind *kind, wc_error *err);
#endif
