/* hf_folder.h - a checkpoint from a folder as transformers saves it. */
#ifndef WC_FORMATS_HF_FOLDER_H
#define WC_FORMATS_HF_FOLDER_H
#include "formats/stored.h"

/* Fills c (whose arena is there, all else zero) from the folder at path, or for WC_CHECKPOINT_RANDOM from
 * the config.json at path.  On failure c is left for wc_checkpoint_close. */
bool wc_hf_folder_read(wc_checkpoint *c, const char *path, const wc_checkpoint_options *o, wc_error *err);
/* What the options name in place of a GGUF file's own: configuration, tokenizer. */
bool wc_hf_overrides_read(wc_checkpoint *c, const wc_checkpoint_options *o, wc_error *err);
/* The tensors of one safetensors file. */
bool wc_hf_tensors_read(wc_checkpoint *c, const char *file, wc_error *err);
#endif
