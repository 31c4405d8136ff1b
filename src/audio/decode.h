/* decode.h - sound files to mono samples at the rate that a model hears.
 *
 * The bytes decide the format, not the name.  Samples are those of transformers' load_audio by its soundfile way (which
 * equals librosa.load): channels averaged, then resampled by soxr in quality HQ to ceil(n * rate / file's rate) samples.
 *
 * What lies behind max_samples is never decoded, as the feature extractor would cut it: a sound of ten hours costs as
 * much as one of thirty seconds. */
#ifndef WC_AUDIO_DECODE_H
#define WC_AUDIO_DECODE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

enum {
    WC_AUDIO_RATE = 16000,         /* samples a second that models hear, unless the options say otherwise */
    WC_AUDIO_MAX_SAMPLES = 480000, /* of one sound, likewise: 30 s, the feature extractor's max_length */
    WC_AUDIO_MIN_FILE_RATE = 1000, /* of a file */
    WC_AUDIO_MAX_FILE_RATE = 768000,
    WC_AUDIO_MAX_CHANNELS = 64
};

/* Mono samples on the heap, about -1 to 1 and all finite.  {0} is a valid empty one. */
struct wc_audio {
    float *samples; /* [n] */
    size_t n;
};

/* NULL options are all zero: the defaults above. */
struct wc_audio_options {
    int rate;
    size_t max_samples;
};

/* What the file said. */
struct wc_audio_meta {
    const char *format; /* "WAV", "FLAC", "MP3" or "OGG" */
    int rate, channels;
    double seconds; /* by its header; negative: it does not say */
    bool cut;       /* there is more of it than max_samples */
};

/* The first bytes are those of a format that is read here. */
bool wc_audio_is(const void *data, size_t n);
/* Decodes data [n]; name is what messages call it.  meta may be NULL.  Free with wc_audio_free. */
bool wc_audio_decode(const void *data, size_t n, const char *name, const struct wc_audio_options *options,
                     struct wc_audio *out, struct wc_audio_meta *meta, wc_error *err);
/* The same for a file. */
bool wc_audio_read(const char *path, const struct wc_audio_options *options, struct wc_audio *out,
                   struct wc_audio_meta *meta, wc_error *err);
/* Samples [n] of a rate of file_rate at hand, as if they had been decoded. */
bool wc_audio_resample(const float *samples, size_t n, int file_rate, const char *name,
                       const struct wc_audio_options *options, struct wc_audio *out, wc_error *err);
void wc_audio_free(struct wc_audio *audio);
#endif
