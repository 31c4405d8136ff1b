/* fft.c - by halves (Cooley and Tukey 1965): with E and O the transforms of the even and the odd samples, m = n / 2,
 *
 *   Y[j] = E[j] + w^j O[j]    Y[m - j] = conj(E[j] - w^j O[j])    j = 0 .. m / 2, w = exp(-2 pi i / n)
 *
 * where the second line is Y[m + j], as the transform of real samples has Y[n - k] = conj(Y[k]).  So half of each is kept. */
#include "audio/fft.h"

#include <math.h>

static const double PI = 3.14159265358979323846;

void wc_fft_twiddles(wc_complex *w, size_t n)
{
    for (size_t k = 0; k < n / 2; k++) {
        const double angle = -2 * PI * (double)k / (double)n;
        w[k] = (wc_complex){cos(angle), sin(angle)};
    }
}

/* y [n / 2 + 1] of x[0], x[stride] ... [n]; w: of n * stride samples. */
static void transform(wc_complex *y, const float *x, size_t stride, size_t n, const wc_complex *w,
                      wc_complex *work)
{
    if (n == 1) {
        y[0] = (wc_complex){(double)x[0], 0};
        return;
    }
    const size_t m = n / 2;
    wc_complex *even = work, *odd = even + m / 2 + 1, *rest = odd + m / 2 + 1;
    transform(even, x, 2 * stride, m, w, rest);
    transform(odd, x + stride, 2 * stride, m, w, rest);
    for (size_t j = 0; j <= m / 2; j++) {
        const wc_complex t = w[j * stride], e = even[j],
                         o = {t.re * odd[j].re - t.im * odd[j].im, t.re * odd[j].im + t.im * odd[j].re};
        y[m - j] = (wc_complex){e.re - o.re, o.im - e.im};
        y[j] = (wc_complex){e.re + o.re, e.im + o.im};
    }
}

void wc_fft_real(wc_complex *y, const float *x, size_t n, const wc_complex *twiddles, wc_complex *work)
{
    transform(y, x, 1, n, twiddles, work);
}
