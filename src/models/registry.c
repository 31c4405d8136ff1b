/* registry.c - the families: one line each. */
#include <string.h>

#include "base/buf.h"
#include "base/nearest.h"
#include "models/model.h"

/* clang-format off */
extern const wc_family
    wc_family_bert,
    wc_family_gemma,
    wc_family_gemma2,
    wc_family_gemma3,
    wc_family_gemma3n,
    wc_family_gemma4,
    wc_family_llama,
    wc_family_openelm,
    wc_family_phi,
    wc_family_phi3,
    wc_family_phimoe,
    wc_family_qwen,
    wc_family_smollm3;

static const wc_family *const families[] = {
    &wc_family_bert,
    &wc_family_gemma,
    &wc_family_gemma2,
    &wc_family_gemma3,
    &wc_family_gemma3n,
    &wc_family_gemma4,
    &wc_family_llama,
    &wc_family_openelm,
    &wc_family_phi,
    &wc_family_phi3,
    &wc_family_phimoe,
    &wc_family_qwen,
    &wc_family_smollm3,
    NULL,
};
/* clang-format on */

const wc_family *const *wc_families(void)
{
    return families;
}

static const wc_family *find(const char *type)
{
    for (const wc_family *const *f = families; *f; f++)
        for (const char *const *t = (*f)->model_types; *t; t++)
            if (strcmp(*t, type) == 0)
                return *f;
    return NULL;
}

static bool unknown(const wc_checkpoint *files, const char *type, wc_error *err)
{
    wc_buf list;
    wc_buf_init(&list, 600);
    wc_nearest nearest = {0};
    for (const wc_family *const *f = families; *f; f++)
        for (const char *const *t = (*f)->model_types; *t; t++) {
            wc_buf_printf(&list, "%s%s", list.size ? ", " : "", *t);
            wc_nearest_try(&nearest, type, *t);
        }
    wc_fail(err, WC_UNSUPPORTED, "%s: model_type: \"%.60s\" is not supported; nearest is %s; supported: %s",
            wc_checkpoint_config_file(files), type, nearest.name ? nearest.name : "none", wc_buf_str(&list));
    wc_buf_release(&list);
    return false;
}

wc_net *wc_net_load(wc_arena *a, const wc_checkpoint *files, const char *slice, wc_error *err)
{
    const wc_json *type = wc_json_get(wc_checkpoint_config(files), "model_type");
    if (!wc_json_is(type, WC_JSON_STRING) || type->n == 0) {
        wc_fail(err, WC_BAD_FILE, "%s: model_type: expected a string, found %s",
                wc_checkpoint_config_file(files),
                wc_json_is(type, WC_JSON_STRING) ? "an empty one" : wc_json_type_name(type));
        return NULL;
    }
    const wc_family *family = find(type->u.text);
    wc_net *net = NULL;
    if (!wc_json_is_null(wc_json_get(wc_checkpoint_config(files), "quantization_config"))) {
        wc_fail(
            err, WC_UNSUPPORTED,
            "%s: quantization_config: quantized weights are not supported; take the f32, f16 or bf16 model",
            wc_checkpoint_config_file(files));
        return NULL;
    }
    if (!family) {
        unknown(files, type->u.text, err);
        return NULL;
    }
    if (!family->load(&net, a, files, slice, err))
        return NULL;
    net->family = family;
    net->model_type = type->u.text;
    return net;
}
