/* lora.h - an adapter's files put beside a model's weights, its matrices being what is trained. */
#ifndef WC_TRAIN_LORA_H
#define WC_TRAIN_LORA_H
#include "formats/peft.h"
#include "ops/lora.h"
#include "train/params.h"

/* Fills l, in the arena, and p with copies of the adapter's matrices, as files names them; every one must find its weight of
 * base.  Release p in any case. */
bool wc_lora_attach(wc_lora *l, wc_params *p, wc_arena *a, const wc_peft *files, const wc_checkpoint *base,
                    wc_error *err);
/* W + scale B A, f32 [out,in]. */
wc_tensor wc_lora_merged(wc_ctx *c, const wc_lora_weight *w);
#endif
