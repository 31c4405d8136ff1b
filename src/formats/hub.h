/* hub.h - the models that can be opened by name. */
#ifndef WC_FORMATS_HUB_H
#define WC_FORMATS_HUB_H
#include "formats/checkpoint.h"

/* Writes {"models":[{"name","path","source":"shipped"|"cache","bytes"}],"places":[{"path","exists"}]}: the
 * models in the order of sources, then names; the folders in the order in which they are looked into. */
bool wc_hub_list(wc_buf *out, wc_error *err);
#endif
