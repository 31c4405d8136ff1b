/* config.h - fields of a configuration, read with a range and a good error.
 *
 * file is what messages call the text; v is an object of it (NULL: an empty one).  A field that is null
 * counts as absent.  All return false and fill err when a field is absent (unless there is a fallback), has
 * another type or lies outside of its range; *out is written on success only.  An integer may be spelled
 * 32.0. */
#ifndef WC_FORMATS_CONFIG_H
#define WC_FORMATS_CONFIG_H
#include "base/error.h"
#include "base/json.h"

bool wc_config_int(const char *file, const wc_json *v, const char *key, int64_t min, int64_t max, int *out,
                   wc_error *err);
/* fallback need not lie in the range. */
bool wc_config_int_or(const char *file, const wc_json *v, const char *key, int fallback, int64_t min,
                      int64_t max, int *out, wc_error *err);
/* Item i of a list, or the one number that stands for all of them. */
bool wc_config_int_at(const char *file, const wc_json *v, const char *key, size_t i, int64_t min, int64_t max,
                      int *out, wc_error *err);
bool wc_config_float(const char *file, const wc_json *v, const char *key, double min, double max, double *out,
                     wc_error *err);
bool wc_config_float_or(const char *file, const wc_json *v, const char *key, double fallback, double min,
                        double max, double *out, wc_error *err);
bool wc_config_bool_or(const char *file, const wc_json *v, const char *key, bool fallback, bool *out,
                       wc_error *err);
/* The string is borrowed from the tree and holds no NUL.  fallback NULL: the field is required. */
bool wc_config_string(const char *file, const wc_json *v, const char *key, const char *fallback,
                      const char **out, wc_error *err);
#endif
