/* borrow.h - models that come without a tokenizer because another model's is meant. */
#ifndef WC_GENERATE_BORROW_H
#define WC_GENERATE_BORROW_H
#include "formats/checkpoint.h"

/* The repository whose tokenizer models of c's type have ("meta-llama/Llama-2-7b-hf"), static; NULL: their own. */
const char *wc_borrowed_from(const wc_checkpoint *c);
/* The files of that tokenizer in the Hugging Face cache, without weights; NULL when they are not there or cannot be read.  Free
 * with wc_checkpoint_close. */
wc_checkpoint *wc_borrow_tokenizer(const wc_checkpoint *c);
#endif
