/* pan_and_scan.h - what Gemma 3 does with pictures that are much wider than high, or higher than wide: beside the whole it looks at
 * pieces of it, so that less is lost when each is squeezed into a square. */
#ifndef WC_IMAGE_PAN_AND_SCAN_H
#define WC_IMAGE_PAN_AND_SCAN_H
#include "image/normalize.h"

/* How many pieces a picture of that size is cut into, in a row or a column; 0: none (Gemma3ImageProcessor). */
int wc_pan_and_scan_count(const struct wc_pan_and_scan *p, int width, int height);
/* *out is piece i of n of the picture, new memory; the last may be smaller than the others. */
bool wc_pan_and_scan_crop(const struct wc_image *in, int n, int i, struct wc_image *out, wc_error *err);
#endif
