/* views.h - the pictures of a prompt as the vision tower looks at them: each as a whole and, with pan and scan, the pieces that
 * it is cut into behind it; and the places that they take in the prompt's text. */
#ifndef WC_GENERATE_VIEWS_H
#define WC_GENERATE_VIEWS_H
#include "base/buf.h"
#include "generate/runtime.h"

typedef struct wc_views {
    wc_media *media; /* [n] */
    size_t n;
    int *n_crops; /* [n_pictures] pieces behind each picture */
    size_t n_pictures;
    struct wc_image *owned; /* [n] pixels that media points to */
} wc_views;

/* The views of a prompt's pictures, which are decoded only where one might be cut.  {0} is a valid empty one. */
bool wc_views_init(wc_views *v, const struct wc_model *m, const wc_prompt *prompt, wc_error *err);
void wc_views_release(wc_views *v);
/* Appends what stands for picture k in a prompt's text, as the model's processor writes it: before, n_tokens places, after for
 * each of its views, and words around the pieces. */
void wc_views_put(const wc_views *v, const wc_image_input *in, size_t k, wc_buf *out);
#endif
