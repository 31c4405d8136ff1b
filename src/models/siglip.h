/* siglip.h - the vision tower of Gemma 3 (transformers' SiglipVisionModel without its pooling head). */
#ifndef WC_MODELS_SIGLIP_H
#define WC_MODELS_SIGLIP_H
#include "formats/checkpoint.h"
#include "ops/ops.h"

typedef struct wc_siglip wc_siglip;

/* Loads the tower whose tensors begin with prefix; vision_config as in config.json.  Lives in the arena.  NULL on failure. */
wc_siglip *wc_siglip_load(wc_arena *a, const wc_checkpoint *files, const wc_json *vision_config,
                          const char *prefix, wc_error *err);
/* pixels [S,S,3], S the side of its pictures -> features of the patches, row by row [g * g, hidden_size]. */
wc_tensor wc_siglip_forward(wc_ctx *c, const wc_siglip *m, wc_tensor pixels);
int wc_siglip_image_size(const wc_siglip *m);  /* S */
int wc_siglip_grid(const wc_siglip *m);        /* g  patches on a side */
int wc_siglip_hidden_size(const wc_siglip *m); /* Hv */
float wc_siglip_norm_eps(const wc_siglip *m);
uint64_t wc_siglip_params(const wc_siglip *m);
#endif
