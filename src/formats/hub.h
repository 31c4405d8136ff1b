/* hub.h - the models that can be opened by name. */
#ifndef WC_FORMATS_HUB_H
#define WC_FORMATS_HUB_H
#include "formats/checkpoint.h"

/* Writes {"models":[{"name","path","source":"shipped"|"cache","bytes"}],"places":[{"path","exists"}]}: the
 * models in the order of sources, then names; the folders in the order in which they are looked into. */
bool wc_hub_list(wc_buf *out, wc_error *err);
/* The newest snapshot of OWNER/NAME in the Hugging Face cache, in the arena; NULL when there is none.  Nothing else is looked at:
 * the folder may lack a model's files. */
char *wc_hub_cached(wc_arena *a, const char *repo);
#endif
