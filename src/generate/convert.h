/* convert.h - a model folder as a GGUF file. */
#ifndef WC_GENERATE_CONVERT_H
#define WC_GENERATE_CONVERT_H
#include "base/error.h"
#include "whinchat.h"

/* See wc_convert and, for mmproj, wc_convert_mmproj. */
bool wc_convert_run(const char *name, const char *out, const char *type, bool mmproj, wc_progress_fn progress,
                    void *user, wc_error *err);
#endif
