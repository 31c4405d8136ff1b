/* random.h - made-up weights, so that a model can be measured from its config.json alone. */
#ifndef WC_FORMATS_RANDOM_H
#define WC_FORMATS_RANDOM_H
#include "formats/stored.h"

/* dtype: f32, bf16 or f16.  NULL on failure.  Free with wc_random_free. */
wc_random *wc_random_new(wc_dtype dtype, wc_error *err);
void wc_random_free(wc_random *r); /* NULL is fine */
/* The tensor of that name, made on the first call; a name always gives the same values. */
bool wc_random_need(wc_random *r, const char *name, int ndim, const size_t *shape, wc_tensor *t,
                    wc_error *err);
#endif
