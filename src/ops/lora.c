/* lora.c - see lora.h. */
#include "ops/lora.h"

/* The last weight that begins at p or before. */
static const wc_lora_weight *search(const wc_lora *l, const char *p)
{
    size_t low = 0, high = l->n;
    while (low < high) {
        const size_t mid = low + (high - low) / 2;
        if ((const char *)l->weights[mid].w.data <= p)
            low = mid + 1;
        else
            high = mid;
    }
    return low > 0 ? &l->weights[low - 1] : NULL;
}

bool wc_lora_find(const wc_lora *l, const wc_tensor *w, wc_lora_weight *found)
{
    const wc_lora_weight *have = search(l, w->data);
    if (!have || w->ndim != 2 || w->dtype != have->w.dtype || w->shape[1] != have->w.shape[1])
        return false;
    const size_t row_bytes = wc_dtype_offset(w->dtype, w->shape[1]);
    const size_t at = (size_t)((const char *)w->data - (const char *)have->w.data);
    if (at % row_bytes || at / row_bytes + w->shape[0] > have->w.shape[0])
        return false;
    *found = *have;
    found->w = *w;
    found->b = wc_tensor_slice(have->b, at / row_bytes, w->shape[0]);
    return true;
}
