/* hub.h - the models that can be opened by name. */
#ifndef WC_FORMATS_HUB_H
#define WC_FORMATS_HUB_H
#include "formats/checkpoint.h"

/* Writes {"models":[{"name","path","source":"shipped"|"cache","bytes"}]} in the order of sources, then names. */
bool wc_hub_list(wc_buf *out, wc_error *err);
#endif
