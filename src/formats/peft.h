/* peft.h - a LoRA adapter as PEFT saves it: a folder with adapter_config.json and adapter_model.safetensors.
 *
 * For each adapted module there are base_model.model.MODULE.lora_A.weight [r,in] and .lora_B.weight [out,r], and the module's
 * weight W becomes W + scale B A, scale = lora_alpha / r (use_rslora: lora_alpha / sqrt(r)).  What would make it anything else
 * (DoRA, trained biases, whole modules beside it ...) is refused, and so is a tensor that is none of these.  Dropout is for
 * whoever trains to apply. */
#ifndef WC_FORMATS_PEFT_H
#define WC_FORMATS_PEFT_H
#include "formats/checkpoint.h"

typedef struct wc_peft_pair {
    const char *module; /* "model.layers.0.self_attn.q_proj" */
    wc_tensor a, b;     /* [r,in], [out,r], of a plain float type; names as in the file */
    double scale;
} wc_peft_pair;

typedef struct wc_peft {
    wc_arena *arena;
    wc_checkpoint *tensors;
    const char *config_file,
        *file; /* for messages: "DIR/adapter_config.json", "DIR/adapter_model.safetensors" */
    const wc_json *config;
    wc_peft_pair *pairs; /* [n] in the order of the names */
    size_t n;
} wc_peft;

/* Close with wc_peft_close; {0} is a valid closed one. */
bool wc_peft_open(wc_peft *p, const char *folder, wc_error *err);
void wc_peft_close(wc_peft *p);
#endif
