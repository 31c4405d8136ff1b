/* guess.h - what a file is that is not what it should be, for the message. */
#ifndef WC_FORMATS_GUESS_H
#define WC_FORMATS_GUESS_H
#include "base/file_map.h"

/* "; this is ...: what to do", or "" when nothing is known of such a beginning. */
const char *wc_file_guess(const wc_file_map *m);
#endif
