/* gemma3n_audio.h - the audio tower of Gemma 3n, a conformer after USM. */
#ifndef WC_MODELS_GEMMA3N_AUDIO_H
#define WC_MODELS_GEMMA3N_AUDIO_H
#include "formats/checkpoint.h"
#include "ops/ops.h"

typedef struct wc_gemma3n_audio wc_gemma3n_audio;

/* Loads the tower whose tensors begin with prefix; audio_config as in config.json.  Lives in the arena.  NULL on failure. */
wc_gemma3n_audio *wc_gemma3n_audio_load(wc_arena *a, const wc_checkpoint *files, const wc_json *audio_config,
                                        const char *prefix, wc_error *err);
/* mel [T0, bands], of which the first n_valid frames are sound and the rest padding -> rows [n, D], n about T0 / 16.  The first
 * *n_valid_rows are of sound, the rest zeros. */
wc_tensor wc_gemma3n_audio_forward(wc_ctx *c, const wc_gemma3n_audio *m, wc_tensor mel, size_t n_valid,
                                   size_t *n_valid_rows);
/* The most mel frames that become no more than n_rows rows. */
size_t wc_gemma3n_audio_max_frames(const wc_gemma3n_audio *m, size_t n_rows);
/* The weights of all its norms are still 1, as they are before the first step of training. */
bool wc_gemma3n_audio_is_untrained(const wc_gemma3n_audio *m);
int wc_gemma3n_audio_bands(const wc_gemma3n_audio *m);    /* 128 */
int wc_gemma3n_audio_channels(const wc_gemma3n_audio *m); /* D, 1536 */
uint64_t wc_gemma3n_audio_params(const wc_gemma3n_audio *m);
#endif
