/* trainer.h - a model in training: its weights or an adapter's as parameters, and passes over batches of token ids.
 *
 * All is computed in f32.  Sequences of a batch do not see each other, and are of any lengths: there is no padding.  The loss
 * is the mean of -log softmax(logits of position t)[labels[t + 1]] over all positions of the batch whose next label is one. */
#ifndef WC_TRAIN_TRAINER_H
#define WC_TRAIN_TRAINER_H
#include "formats/peft.h"
#include "models/model.h"
#include "ops/lora.h"
#include "ops/tape.h"
#include "train/optimizer.h"
#include "train/params.h"

enum { WC_NO_LABEL = -100 }; /* as in Hugging Face's data */

typedef struct wc_sequence {
    const int32_t *ids, *labels; /* [n]; a label is an id or WC_NO_LABEL */
    size_t n;
} wc_sequence;

typedef struct wc_trainer_options {
    const char *config;  /* a config.json to use in place of the folder's; NULL */
    const char *adapter; /* a PEFT folder, whose matrices are trained in place of the model's weights; NULL */
    int n_threads;       /* 0: the default */
} wc_trainer_options;

typedef struct wc_trainer {
    wc_arena *arena; /* what is not of a step */
    wc_arena *step;
    wc_checkpoint *files;
    wc_peft peft;
    wc_lora lora;
    wc_net *net;
    wc_backend *backend;
    wc_params params;
    wc_tape tape;
    int n_steps; /* of the optimizer so far */
} wc_trainer;

/* Opens a folder, or whatever wc_hub_resolve finds.  Close with wc_trainer_close; {0} is a valid closed one. */
bool wc_trainer_open(wc_trainer *t, const char *name, const wc_trainer_options *o, wc_error *err);
void wc_trainer_close(wc_trainer *t);
/* Logits [all rows, n_vocab] of n sequences; adapted: with the adapter, should there be one. */
bool wc_trainer_logits(wc_trainer *t, const wc_sequence *batch, size_t n, bool adapted, float *logits,
                       wc_error *err);
/* The loss of a batch. */
bool wc_trainer_loss(wc_trainer *t, const wc_sequence *batch, size_t n, double *loss, wc_error *err);
/* The loss, and its derivatives into the parameters' gradients in place of those there; logits as above or NULL. */
bool wc_trainer_gradients(wc_trainer *t, const wc_sequence *batch, size_t n, double *loss, float *logits,
                          wc_error *err);
/* The parameters after a step along their gradients. */
void wc_trainer_step(wc_trainer *t, const wc_hyperparameters *h);
#endif
