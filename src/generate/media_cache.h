/* media_cache.h - encoded pictures, kept by the digest of their bytes, the longest unused going first. */
#ifndef WC_GENERATE_MEDIA_CACHE_H
#define WC_GENERATE_MEDIA_CACHE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct wc_media_cache wc_media_cache;
typedef struct wc_media_entry wc_media_entry;

/* A counted reference to an entry; {0} is none. */
typedef struct wc_media_hold {
    wc_media_entry *entry;
    const float *rows; /* [n_rows, width] */
    uint8_t digest[32];
} wc_media_hold;

/* Keeps up to max_bytes of entries that nobody holds.  NULL without memory. */
wc_media_cache *wc_media_cache_new(size_t max_bytes);
void wc_media_cache_free(wc_media_cache *c); /* no holds may be left */
/* The entry of that digest, held; false when there is none. */
bool wc_media_find(wc_media_cache *c, const uint8_t digest[32], wc_media_hold *hold);
/* A copy of rows [n] floats becomes the digest's entry, held.  false without memory. */
bool wc_media_add(wc_media_cache *c, const uint8_t digest[32], const float *rows, size_t n,
                  wc_media_hold *hold);
void wc_media_release(wc_media_cache *c, wc_media_hold *hold);
#endif
