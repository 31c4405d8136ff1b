/* safetensors.h - the header of a safetensors file as a list of checked tensors. */
#ifndef WC_FORMATS_SAFETENSORS_H
#define WC_FORMATS_SAFETENSORS_H
#include "formats/stored.h"

/* Reads the header of a mapped file.  *tensors [*n] and what it points to lie in the arena, sorted by name;
 * data points into the map.  path: for messages.  scratch is used and reset. */
bool wc_safetensors_read(const wc_file_map *map, const char *path, wc_arena *a, wc_arena *scratch,
                         wc_stored **tensors, size_t *n, wc_error *err);
#endif
