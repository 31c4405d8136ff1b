/* normalize.h - pixels as a model wants them: resized, scaled, normalized floats, as preprocessor_config.json
 * says. */
#ifndef WC_IMAGE_NORMALIZE_H
#define WC_IMAGE_NORMALIZE_H
#include "base/json.h"
#include "image/resize.h"

enum wc_image_layout { WC_IMAGE_HWC, WC_IMAGE_CHW };

/* Of pan_and_scan.h. */
struct wc_pan_and_scan {
    bool on; /* unless the caller says otherwise */
    int min_crop_size, max_crops;
    double min_ratio; /* of the sides, from which on a picture is cut */
};

struct wc_image_processor {
    bool do_resize, do_rescale, do_normalize;
    int height, width;               /* of the result; 0: the aspect ratio is kept, see shortest_edge */
    int shortest_edge, longest_edge; /* longest_edge 0: any */
    enum wc_resample resample;
    enum wc_resize_backend backend;
    double rescale_factor;
    double mean[3], std[3];
    struct wc_pan_and_scan crops;
};

/* Reads an image processor's configuration (or the "image_processor" within a processor_config.json); file is
 * what messages call it.  What it does not say is as in transformers' SiglipImageProcessor.  Steps that would
 * be silently left out, such as cropping, are refused. */
bool wc_image_processor_from_config(const wc_json *config, const char *file, struct wc_image_processor *p,
                                    wc_error *err);
/* The size that a picture of width x height gets. */
bool wc_image_processor_size(const struct wc_image_processor *p, int width, int height, int *out_width,
                             int *out_height, wc_error *err);
/* pixel values of a picture: out [H,W,3] or [3,H,W] with H, W from wc_image_processor_size. */
bool wc_image_preprocess(const struct wc_image_processor *p, const struct wc_image *image,
                         enum wc_image_layout layout, float *out, wc_error *err);
#endif
