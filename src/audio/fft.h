/* fft.h - the discrete Fourier transform of real samples.
 *
 *   y[k] = sum_j x[j] exp(-2 pi i j k / n)    k = 0 .. n / 2, n a power of two
 *
 * In double, as numpy's rfft computes it for f32 too: where a band is nearly silent, the rounding of a transform in f32
 * would show in its logarithm. */
#ifndef WC_AUDIO_FFT_H
#define WC_AUDIO_FFT_H
#include <stddef.h>

typedef struct wc_complex {
    double re, im;
} wc_complex;

/* exp(-2 pi i k / n) for k < n / 2. */
void wc_fft_twiddles(wc_complex *w, size_t n);
/* y [n / 2 + 1] of x [n]; work: 2 n entries. */
void wc_fft_real(wc_complex *y, const float *x, size_t n, const wc_complex *twiddles, wc_complex *work);
#endif
