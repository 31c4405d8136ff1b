/* image_text.h - the words around a picture or a sound in Gemma's prompts, as the processors of Gemma 3 and 3n write them. */
#ifndef WC_MODELS_IMAGE_TEXT_H
#define WC_MODELS_IMAGE_TEXT_H
#include "models/model.h"

typedef struct wc_places {
    const char *token;          /* of one row */
    const char *begin;          /* the token before the rows */
    const char *before, *after; /* text around them: "\n\n" begin, end "\n\n" */
} wc_places;

/* The tokens by tokenizer_config.json's keys [3] (one row, begin, end), or the fallbacks, which all released models have. */
bool wc_places_read(wc_places *p, wc_arena *a, const wc_checkpoint *files, const char *const keys[3],
                    const char *const fallback[3], wc_error *err);
/* Those of pictures; place is token. */
bool wc_image_text_read(wc_image_input *in, wc_arena *a, const wc_checkpoint *files, wc_error *err);
#endif
