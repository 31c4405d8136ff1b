/* sound.h - sounds on their way into a prompt: samples, then soft rows.
 *
 * The sounds of one prompt are padded to the longest of them before their features are made, as transformers' processor
 * does, so a sound's last rows depend on what it comes with.  Sounds shorter than a frame (32 ms) are padded to one, where
 * transformers fails. */
#ifndef WC_GENERATE_SOUND_H
#define WC_GENERATE_SOUND_H
#include "audio/decode.h"
#include "generate/runtime.h"

/* The samples of sounds [n], each at the model's rate and cut to what it hears, on the heap, and the length to which all are
 * padded.  NULL on failure, and for n = 0.  Free with wc_sounds_free. */
struct wc_audio *wc_sounds_read(const struct wc_model *m, const wc_sound *sounds, size_t n, size_t *padded,
                                wc_error *err);
void wc_sounds_free(struct wc_audio *sounds, size_t n); /* NULL is fine */

/* Soft rows [n_tokens, hidden_size] of a sound, from the cache or computed; watch as for wc_runtime_encode.  hold is released
 * with wc_media_release. */
bool wc_sound_encode(struct wc_model *m, const struct wc_audio *sound, size_t padded, const wc_ctx *watch,
                     wc_media_hold *hold, wc_error *err);
/* What encoding a sound of that many mel frames costs. */
bool wc_sound_cost(const struct wc_model *m, size_t frames, wc_cost *cost, wc_error *err);
/* The longest sound that the model hears whole, and its mel frames. */
double wc_sound_max_seconds(const struct wc_model *m);
size_t wc_sound_max_frames(const struct wc_model *m);
#endif
