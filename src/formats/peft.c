/* peft.c - see peft.h. */
#include "formats/peft.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/file_map.h"
#include "formats/config.h"

enum { MAX_JSON_BYTES = 16 << 20, MAX_RANK = 1 << 16 };

static const char PREFIX[] = "base_model.model.", A_SUFFIX[] = ".lora_A.weight",
                  B_SUFFIX[] = ".lora_B.weight";

/* ---- what would make it another method ---- */

static bool is_empty(const wc_json *v)
{
    return wc_json_is_null(v) || wc_json_is(v, WC_JSON_FALSE) ||
           ((wc_json_is(v, WC_JSON_ARRAY) || wc_json_is(v, WC_JSON_OBJECT)) && wc_json_count(v) == 0);
}

/* These change more than W, or how it changes. */
static bool check_absent(const wc_peft *p, wc_error *err)
{
    static const char *const keys[] = {"use_dora",          "use_qalora",
                                       "use_bdlora",        "modules_to_save",
                                       "lora_bias",         "layer_replication",
                                       "arrow_config",      "trainable_token_indices",
                                       "target_parameters", "alora_invocation_tokens",
                                       "kasa_config",       "monteclora_config",
                                       "velora_config"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const wc_json *v = wc_json_get(p->config, keys[i]);
        if (!is_empty(v))
            return wc_fail(err, WC_UNSUPPORTED, "%s: %s: expected none, found %s", p->config_file, keys[i],
                           wc_json_is(v, WC_JSON_TRUE) ? "true" : wc_json_type_name(v));
    }
    return true;
}

static bool check_text(const wc_peft *p, const char *key, const char *fallback, const char *want,
                       wc_error *err)
{
    const char *text;
    if (!wc_config_string(p->config_file, p->config, key, fallback, &text, err))
        return false;
    return strcmp(text, want) == 0 || wc_fail(err, WC_UNSUPPORTED, "%s: %s: expected \"%s\", found \"%.40s\"",
                                              p->config_file, key, want, text);
}

/* Some ways to begin change the weights that the adapter stands beside, which its files then do not have. */
static bool check_init(const wc_peft *p, wc_error *err)
{
    static const char *const harmless[] = {"gaussian", "eva", "orthogonal"};
    const wc_json *v = wc_json_get(p->config, "init_lora_weights");
    if (!wc_json_is(v, WC_JSON_STRING))
        return true;
    for (size_t i = 0; i < sizeof harmless / sizeof *harmless; i++)
        if (strcmp(harmless[i], v->u.text) == 0)
            return true;
    return wc_fail(err, WC_UNSUPPORTED,
                   "%s: init_lora_weights: expected true, false, \"gaussian\", \"eva\" or \"orthogonal\", "
                   "found \"%.40s\"",
                   p->config_file, v->u.text);
}

/* fan_in_fan_out is for GPT-2's transposed layers, which none of our families has; PEFT passes over it, too. */
static bool check_config(const wc_peft *p, wc_error *err)
{
    return wc_json_is(p->config, WC_JSON_OBJECT)
               ? check_text(p, "peft_type", NULL, "LORA", err) &&
                     check_text(p, "bias", "none", "none", err) && check_absent(p, err) && check_init(p, err)
               : wc_fail(err, WC_BAD_FILE, "%s: expected an object, found %s", p->config_file,
                         wc_json_type_name(p->config));
}

/* ---- modules ---- */

/* key names the module, or the end of its path. */
static bool names_module(const char *module, const char *key)
{
    const size_t n = strlen(module), k = strlen(key);
    return n >= k && strcmp(module + n - k, key) == 0 && (n == k || module[n - k - 1] == '.');
}

/* The number of a module in rank_pattern or alpha_pattern: that of the first key that names it, else *x stays. */
static bool read_pattern(const wc_peft *p, const char *pattern, const char *module, double max, double *x,
                         wc_error *err)
{
    const wc_json *keys = wc_json_get(p->config, pattern);
    for (size_t i = 0; i < wc_json_count(keys) && wc_json_is(keys, WC_JSON_OBJECT); i++) {
        const char *key = wc_json_key(keys, i)->u.text;
        const bool whole = key[0] == '^';
        if (key[strspn(key + whole, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.") +
                whole])
            return wc_fail(err, WC_UNSUPPORTED,
                           "%s: %s: %.80s: expected the name of a module, found a pattern", p->config_file,
                           pattern, key);
        if (whole ? strcmp(module, key + 1) == 0 : names_module(module, key))
            return wc_config_float(p->config_file, keys, key, 0, max, x, err);
    }
    return true;
}

static bool read_scale(const wc_peft *p, wc_peft_pair *pair, wc_error *err)
{
    double rank, alpha;
    bool by_root;
    if (!wc_config_float(p->config_file, p->config, "r", 1, MAX_RANK, &rank, err) ||
        !wc_config_float_or(p->config_file, p->config, "lora_alpha", 8, 0, 1e9, &alpha, err) ||
        !wc_config_bool_or(p->config_file, p->config, "use_rslora", false, &by_root, err) ||
        !read_pattern(p, "rank_pattern", pair->module, MAX_RANK, &rank, err) ||
        !read_pattern(p, "alpha_pattern", pair->module, 1e9, &alpha, err))
        return false;
    if (pair->a.ndim != 2 || pair->b.ndim != 2 || (double)pair->a.shape[0] != rank ||
        (double)pair->b.shape[1] != rank)
        return wc_fail(err, WC_BAD_FILE, "%s: tensor %s: shape: expected [%g, *] and lora_B's [*, %g] by %s",
                       p->file, pair->a.name, rank, rank, p->config_file);
    pair->scale = alpha / (by_root ? sqrt(rank) : rank);
    return true;
}

/* target_modules lists the module, unless it is a pattern. */
static bool is_target(const wc_peft *p, const char *module)
{
    const wc_json *list = wc_json_get(p->config, "target_modules");
    for (size_t i = 0; wc_json_is(list, WC_JSON_ARRAY) && i < wc_json_count(list); i++)
        if (wc_json_is(wc_json_item(list, i), WC_JSON_STRING) &&
            names_module(module, wc_json_item(list, i)->u.text))
            return true;
    return !wc_json_is(list, WC_JSON_ARRAY);
}

/* Every entry of target_modules has a module. */
static bool check_targets(const wc_peft *p, wc_error *err)
{
    const wc_json *list = wc_json_get(p->config, "target_modules");
    for (size_t i = 0; wc_json_is(list, WC_JSON_ARRAY) && i < wc_json_count(list); i++) {
        const wc_json *key = wc_json_item(list, i);
        bool found = false;
        if (!wc_json_is(key, WC_JSON_STRING))
            return wc_fail(err, WC_BAD_FILE, "%s: target_modules: entry %zu: expected a string, found %s",
                           p->config_file, i, wc_json_type_name(key));
        for (size_t k = 0; k < p->n && !found; k++)
            found = names_module(p->pairs[k].module, key->u.text);
        if (!found)
            return wc_fail(err, WC_BAD_FILE, "%s: target_modules: \"%.80s\" has no tensor in %s",
                           p->config_file, key->u.text, p->file);
    }
    return true;
}

/* ---- tensors ---- */

/* The part of a tensor's name between the prefix and a suffix, in the arena; NULL: it is not of that form. */
static const char *module_of(const wc_peft *p, const char *name, const char *suffix)
{
    const size_t n = strlen(name), before = sizeof PREFIX - 1, behind = strlen(suffix);
    if (n <= before + behind || strncmp(name, PREFIX, before) != 0 || strcmp(name + n - behind, suffix) != 0)
        return NULL;
    return wc_arena_strndup(p->arena, name + before, n - before - behind);
}

/* The other tensor of a module: is there, and of a type to compute with. */
static bool find_half(const wc_peft *p, const char *module, const char *suffix, wc_tensor *t, wc_error *err)
{
    char name[512];
    if (snprintf(name, sizeof name, "%s%s%s", PREFIX, module, suffix) >= (int)sizeof name ||
        !wc_checkpoint_find(p->tensors, name, t))
        return wc_fail(err, WC_BAD_FILE, "%s: tensor %s: missing", p->file, name);
    return t->dtype == WC_F32 || t->dtype == WC_F16 || t->dtype == WC_BF16 ||
           wc_fail(err, WC_UNSUPPORTED, "%s: tensor %s: dtype: expected f32, f16 or bf16, found %s", p->file,
                   name, wc_dtype_get(t->dtype)->name);
}

static bool read_pair(wc_peft *p, const char *name, wc_error *err)
{
    wc_peft_pair pair = {.module = module_of(p, name, A_SUFFIX)};
    if (!pair.module) {
        wc_tensor a;
        const char *module = module_of(p, name, B_SUFFIX);
        if (!module)
            return wc_fail(err, WC_UNSUPPORTED, "%s: tensor %s: expected %sMODULE%s or %s", p->file, name,
                           PREFIX, A_SUFFIX, B_SUFFIX);
        return find_half(p, module, A_SUFFIX, &a, err);
    }
    if (!find_half(p, pair.module, A_SUFFIX, &pair.a, err) ||
        !find_half(p, pair.module, B_SUFFIX, &pair.b, err) || !read_scale(p, &pair, err))
        return false;
    if (!is_target(p, pair.module))
        return wc_fail(err, WC_BAD_FILE, "%s: tensor %s: %s is none of the target_modules of %s", p->file,
                       name, pair.module, p->config_file);
    p->pairs[p->n++] = pair;
    return true;
}

static bool read_pairs(wc_peft *p, wc_error *err)
{
    const size_t n = wc_checkpoint_n_tensors(p->tensors);
    p->pairs = wc_arena_zalloc(p->arena, n + 1, sizeof *p->pairs);
    if (!p->pairs)
        return wc_fail_memory(err, n * sizeof *p->pairs);
    for (size_t i = 0; i < n; i++)
        if (!read_pair(p, wc_checkpoint_tensor(p->tensors, i).name, err))
            return false;
    return p->n > 0 || wc_fail(err, WC_BAD_FILE, "%s: expected tensors, found none", p->file);
}

static bool open_files(wc_peft *p, const char *folder, wc_error *err)
{
    const char *pickle = wc_path_join(p->arena, folder, "adapter_model.bin");
    p->config_file = wc_path_join(p->arena, folder, "adapter_config.json");
    p->file = wc_path_join(p->arena, folder, "adapter_model.safetensors");
    if (!p->config_file || !p->file || !pickle)
        return wc_fail_memory(err, strlen(folder));
    p->config = wc_json_read(p->arena, p->config_file, MAX_JSON_BYTES, 0, err);
    if (!p->config || !check_config(p, err))
        return false;
    if (!wc_path_exists(p->file) && wc_path_exists(pickle))
        return wc_fail(
            err, WC_NOT_FOUND,
            "%s: no adapter_model.safetensors, only adapter_model.bin; save the adapter as safetensors",
            folder);
    p->tensors = wc_checkpoint_open_tensors(p->file, err);
    return p->tensors != NULL;
}

bool wc_peft_open(wc_peft *p, const char *folder, wc_error *err)
{
    *p = (wc_peft){.arena = wc_arena_new(0)};
    bool ok = p->arena ? true : wc_fail_memory(err, 100);
    ok = ok && open_files(p, folder, err) && read_pairs(p, err) && check_targets(p, err);
    if (!ok)
        wc_peft_close(p);
    return ok;
}

void wc_peft_close(wc_peft *p)
{
    wc_checkpoint_close(p->tensors);
    wc_arena_free(p->arena);
    *p = (wc_peft){0};
}
