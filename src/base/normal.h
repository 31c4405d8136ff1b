/* normal.h - the standard normal distribution. */
#ifndef WC_BASE_NORMAL_H
#define WC_BASE_NORMAL_H

/* The share of the distribution below x. */
double wc_normal_cdf(double x);
/* Its inverse: where a share p lies below.  0 < p < 1. */
double wc_normal_quantile(double p);
#endif
