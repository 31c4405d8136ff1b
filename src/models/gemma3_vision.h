/* gemma3_vision.h - what Gemma 3 has beside its text model when it takes pictures: gemma.c calls it. */
#ifndef WC_MODELS_GEMMA3_VISION_H
#define WC_MODELS_GEMMA3_VISION_H
#include "models/decoder_load.h"

/* Loads tower and projector into l->m, and says how pictures enter a prompt; after wc_decoder_find. */
bool wc_gemma3_vision_load(wc_decoder_loader *l);
/* wc_family.encode_image of a decoder that wc_gemma3_vision_load completed. */
wc_tensor wc_gemma3_encode_image(wc_ctx *c, const wc_net *net, wc_tensor pixels);
#endif
