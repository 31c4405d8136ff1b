/* bench.h - how fast a model runs here, beside what the machine can do. */
#ifndef WC_GENERATE_BENCH_H
#define WC_GENERATE_BENCH_H
#include "base/error.h"

/* See wc_bench in whinchat.h: JSON on the heap, or NULL. */
char *wc_bench_run(const char *name, const wc_model_options *model_options, const wc_bench_options *options,
                   wc_error *err);
#endif
