/* image_text.h - the words around a picture in Gemma's prompts, as the processors of Gemma 3 and 3n write them. */
#ifndef WC_MODELS_IMAGE_TEXT_H
#define WC_MODELS_IMAGE_TEXT_H
#include "models/model.h"

/* Fills token, first, before and after, and place with token, by tokenizer_config.json or what all released models have. */
bool wc_image_text_read(wc_image_input *in, wc_arena *a, const wc_checkpoint *files, wc_error *err);
#endif
