/* checks.h - one verification under way: which checks are wanted, and how their outcomes are told. */
#ifndef WC_VERIFY_CHECKS_H
#define WC_VERIFY_CHECKS_H
#include "audio/decode.h"
#include "audio/mel.h"
#include "generate/runtime.h"
#include "verify/golden.h"

enum { WC_NOTE_ROOM = 300 };

typedef struct wc_checks {
    wc_golden golden;
    const char *only, *skip; /* comma-separated prefixes; NULL */
    wc_check_fn fn;
    void *user;
    size_t n_passed, n_failed, n_left_out;
} wc_checks;

/* The check of that name is to be run. */
bool wc_checks_want(const wc_checks *c, const char *name);
/* Tells the outcome of a check of our own; one that is not wanted is passed over. */
void wc_checks_tell(wc_checks *c, const char *name, bool pass, const char *note);
/* Compares a value of the folder with what was computed, and tells. */
void wc_checks_compare(wc_checks *c, wc_golden_item *item, const wc_tensor *got);
/* Compares all values of that group and point. */
void wc_checks_point(wc_checks *c, const char *group, const char *point, const wc_tensor *got);
/* A value that could not be computed, and why. */
void wc_checks_fail(wc_checks *c, wc_golden_item *item, const char *why);
/* All values that have not been reported: left out, or failed for that reason. */
void wc_checks_end(wc_checks *c, const char *why);

/* Rows a and b [n, width] hold the same bits; else the note names the first that do not. */
bool wc_checks_same_bits(const float *a, const float *b, size_t n, size_t width, char note[WC_NOTE_ROOM]);
bool wc_checks_same_ids(const int32_t *want, size_t n_want, const int32_t *got, size_t n_got,
                        char note[WC_NOTE_ROOM]);

/* Everything that a folder asks of a model. */
bool wc_verify_model(wc_checks *c, const char *name, const wc_model_options *options, wc_error *err);
/* What a prompt's pictures become, in the values of the group; true where nothing is asked. */
bool wc_verify_views(wc_checks *c, struct wc_model *m, const char *group, const wc_prompt *prompt,
                     wc_error *err);
/* The pixels of the picture that the folder calls name. */
void wc_verify_rgb(wc_checks *c, const char *name, const wc_media *picture);
/* The reference resized with Pillow: torchvision's pixels stand beside, under a name of their own. */
bool wc_verify_pillow(const wc_checks *c);
/* Everything that a folder asks of an open encoder. */
bool wc_verify_encoder(wc_checks *c, struct wc_model *m, wc_error *err);
/* A training run. */
bool wc_verify_train(wc_checks *c, const char *name, const wc_model_options *options, wc_error *err);
/* Folders without a model. */
bool wc_verify_sampling(wc_checks *c, wc_error *err);
bool wc_verify_pictures(wc_checks *c, wc_error *err);
bool wc_verify_sounds(wc_checks *c, wc_error *err);
/* The features of sounds [n] padded to the longest against features [n, frames, bands] and mask [n, frames], either of which
 * may be NULL; alone: n is 1 and the values lack the first dimension. */
bool wc_verify_features(wc_checks *c, const wc_mel *m, const struct wc_audio *sounds, size_t n, bool alone,
                        wc_golden_item *features, wc_golden_item *mask, wc_error *err);
#endif
