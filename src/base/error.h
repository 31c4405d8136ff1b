/* error.h - how failure is told: a code and one line of text, filled in where the cause is known. */
#ifndef WC_BASE_ERROR_H
#define WC_BASE_ERROR_H
#include "whinchat.h"

#if defined(__GNUC__)
#define WC_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#else
#define WC_PRINTF(fmt, args)
#endif

/* Fills err (which may be NULL) and returns false.  Control characters that came in with an argument are written as
 * \xNN and invalid UTF-8 as \xNN, so that the text can be printed as it is. */
bool wc_fail(wc_error *err, int code, const char *format, ...) WC_PRINTF(3, 4);

/* The same for the n bytes of a text that others wrote to be read in several lines: line breaks and tabs stay. */
bool wc_fail_lines(wc_error *err, int code, const char *text, size_t n);

/* Puts "prefix: " before the text of an error that is already filled in; returns false. */
bool wc_fail_within(wc_error *err, const char *prefix);

/* Out of memory, said in one way. */
bool wc_fail_memory(wc_error *err, size_t bytes);

/* The analyzer of clang looks at one file at a time and would take these for functions that may return true. */
#if defined(__clang_analyzer__) && !defined(WC_DEFINES_FAILURES)
#define wc_fail(...)        (wc_fail(__VA_ARGS__), false)
#define wc_fail_lines(...)  (wc_fail_lines(__VA_ARGS__), false)
#define wc_fail_within(...) (wc_fail_within(__VA_ARGS__), false)
#define wc_fail_memory(...) (wc_fail_memory(__VA_ARGS__), false)
#endif
#endif
