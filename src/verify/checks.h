/* checks.h - one verification under way: which checks are wanted, and how their outcomes are told. */
#ifndef WC_VERIFY_CHECKS_H
#define WC_VERIFY_CHECKS_H
#include "generate/runtime.h"
#include "verify/golden.h"

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

/* Everything that a folder asks of a model. */
bool wc_verify_model(wc_checks *c, const char *name, const wc_model_options *options, wc_error *err);
/* What a prompt's pictures become, in the values of the group; true where nothing is asked. */
bool wc_verify_views(wc_checks *c, struct wc_model *m, const char *group, const wc_prompt *prompt,
                     wc_error *err);
/* The pixels of the picture that the folder calls name. */
void wc_verify_rgb(wc_checks *c, const char *name, const wc_media *picture);
/* The reference resized with Pillow: torchvision's pixels stand beside, under a name of their own. */
bool wc_verify_pillow(const wc_checks *c);
/* Folders without a model. */
bool wc_verify_sampling(wc_checks *c, wc_error *err);
bool wc_verify_pictures(wc_checks *c, wc_error *err);
#endif
