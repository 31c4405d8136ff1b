/* mel.h - samples as a model wants them: the logarithm of their magnitudes in mel bands, frame by frame, as transformers'
 * Gemma3nAudioFeatureExtractor makes them.
 *
 *   frame f   samples s[0 .. L] from f * hop on, not centred; L is frame_length, s[L] only counts for the plain preemphasis
 *   y[0]      s[0] (1 - p), y[j] = s[j] - p s[j-1] (preemphasis of HTK); without that flavor y[j] = s[j+1] - p s[j]
 *   X         |DFT of fft_length points of y[j] w[j]|, w the periodic Hann window 0.5 (1 - cos(2 pi j / L))
 *   mel       log(max(X F, mel_floor)), F triangles on the scale 2595 log10(1 + f / 700), of height 1 */
#ifndef WC_AUDIO_MEL_H
#define WC_AUDIO_MEL_H
#include "audio/fft.h"
#include "base/arena.h"
#include "base/error.h"
#include "base/json.h"

typedef struct wc_mel {
    int sampling_rate, n_mels;
    int frame_length, hop_length, fft_length; /* samples */
    int n_bins;                               /* fft_length / 2 + 1 */
    double preemphasis, floor;
    float input_scale;
    bool htk;
    double *mean, *deviation; /* [n_mels] taken off and divided by at the end; NULL: none */
    wc_complex *twiddles;     /* [fft_length / 2] */
    float *window;            /* [frame_length] */
    double *filters;          /* [n_bins, n_mels] */
    int *first, *end;         /* [n_mels] the bins in which a filter is not zero: [first, end) */
} wc_mel;

/* Reads a feature extractor's configuration (NULL: its defaults) and makes the tables, in the arena; file is what messages
 * call it.  false on failure. */
bool wc_mel_from_config(wc_mel *m, wc_arena *a, const wc_json *config, const char *file, wc_error *err);

/* n samples and the zeros behind them that the extractor pads with: the next multiple of 128. */
size_t wc_mel_padded(size_t n);
/* Frames of that many samples; 0 when there are too few for one. */
size_t wc_mel_frames(const wc_mel *m, size_t padded);
/* Of these, those that begin within the n samples before the padding. */
size_t wc_mel_valid_frames(const wc_mel *m, size_t n, size_t padded);
/* mel [frames, n_mels] of samples [n] padded with zeros to padded.  false without memory. */
bool wc_mel_features(const wc_mel *m, const float *samples, size_t n, size_t padded, float *mel,
                     wc_error *err);

/* The steps, for verification: y [frame_length] before the window of samples [frame_length + 1]; and X [n_bins] of samples. */
void wc_mel_preemphasis(const wc_mel *m, const float *samples, float *y);
bool wc_mel_magnitude(const wc_mel *m, const float *samples, float *x, wc_error *err);
#endif
