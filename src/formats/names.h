/* names.h - the spellings under which one tensor is known. */
#ifndef WC_FORMATS_NAMES_H
#define WC_FORMATS_NAMES_H
#include <stdbool.h>
#include <stddef.h>

enum { WC_NAME_ROOM = 512 };

/* Writes the i-th spelling of name to out [WC_NAME_ROOM]: the name itself for i = 0, then what other savers
 * write for it. false when there are no more. */
bool wc_name_spelling(const char *name, size_t i, char *out);
#endif
