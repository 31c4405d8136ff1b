/* normal.c - see normal.h. */
#include "base/normal.h"

#include <math.h>

double wc_normal_cdf(double x)
{
    return 0.5 * erfc(-x / sqrt(2));
}

/* Newton's method on the distribution function. */
double wc_normal_quantile(double p)
{
    double x = 0;
    for (int i = 0; i < 100; i++) {
        double density = exp(-x * x / 2) / sqrt(2 * 3.14159265358979323846);
        double step = (wc_normal_cdf(x) - p) / density;
        step = step > 1 ? 1 : step < -1 ? -1 : step;
        x -= step;
        if (fabs(step) < 1e-15)
            break;
    }
    return x;
}
