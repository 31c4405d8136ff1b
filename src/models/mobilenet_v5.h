/* mobilenet_v5.h - the vision tower of Gemma 3n (timm's mobilenetv5_300m_enc). */
#ifndef WC_MODELS_MOBILENET_V5_H
#define WC_MODELS_MOBILENET_V5_H
#include "formats/checkpoint.h"
#include "ops/ops.h"

typedef struct wc_mobilenet_v5 wc_mobilenet_v5;

/* Loads the tower whose tensors begin with prefix; vision_config as in config.json.  Lives in the arena.  NULL on failure. */
wc_mobilenet_v5 *wc_mobilenet_v5_load(wc_arena *a, const wc_checkpoint *files, const wc_json *vision_config,
                                      const char *prefix, wc_error *err);
/* pixels [h, w, 3] -> features [r * r, channels], r the side of the fusion adapter's output; not scaled. */
wc_tensor wc_mobilenet_v5_forward(wc_ctx *c, const wc_mobilenet_v5 *m, wc_tensor pixels);
int wc_mobilenet_v5_channels(const wc_mobilenet_v5 *m); /* 2048 */
int wc_mobilenet_v5_side(const wc_mobilenet_v5 *m);     /* 16 */
uint64_t wc_mobilenet_v5_params(const wc_mobilenet_v5 *m);
#endif
