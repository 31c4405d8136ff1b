/* verify.h - a model against reference values, point by point: the work behind wc_verify.
 *
 * A golden folder (golden.h) belongs to a model, or to a part that works without one: the sampler ("sampling"), the
 * decoding and resizing of pictures ("image_preprocess"), of sound ("audio_preprocess").
 *
 * Every value of the folder becomes one check, in the order of the computation, so that the first one that fails is the
 * first step that is off.  A value that the model never announces fails.  Beside these there are checks of our own:
 *
 *   weights.finite        no NaN or infinity in the files
 *   P.prompt_ids          text and pictures of prompt P become the reference's ids
 *   P.greedy_ids          the answer's ids, token by token over the cache
 *   P.decode              the logits of the answer: computed row by row and in one pass, the same bits
 *   P.chunks              the logits of the prompt: computed in small pieces and in one pass, the same bits
 *   P.threads             the logits of the prompt (the rows of a picture): one thread and several, the same bits
 *   batch                 the logits of all prompts: computed together and alone, the same bits
 *
 * Of an encoder: P.prompt_ids, P.threads and batch, of the hidden states.
 *
 * Of a training run ("hyperparameters" in golden.json), weights.finite and
 *
 *   tape                  the logits: computed by the pass that gradients follow and by one without them, the same bits
 *   threads               all gradients: one thread and several, the same bits
 *
 * All is computed in f32 with an f32 cache (WC_COMPUTE_F32, WC_KV_F32). */
#ifndef WC_VERIFY_VERIFY_H
#define WC_VERIFY_VERIFY_H
#include "base/error.h"

/* See wc_verify in whinchat.h.  A check that --skip leaves out is reported with pass and a note and counted nowhere; what
 * --only leaves out is reported in one line, "(left out)". */
bool wc_verify_run(const char *name, const wc_model_options *model_options, const wc_verify_options *options,
                   wc_check_fn on_check, void *user, size_t *n_passed, size_t *n_failed, wc_error *err);
#endif
