/* fuzz_audio.c - sound files: WAV, FLAC and Ogg by libsndfile, MP3 by mpg123, mixing and resampling.
 *
 * Pages of Ogg get their right checksums first, so that changed bytes get past them. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "audio/decode.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
const char *__lsan_default_suppressions(void);

/* libvorbisfile 1.3.7 loses a list of 8 bytes where the first headers of a stream are followed by nothing. */
const char *__lsan_default_suppressions(void)
{
    return "leak:libvorbisfile\n";
}

enum { PAGE_HEADER = 27, MOST_SAMPLES = 1 << 15 };

static uint32_t ogg_crc(const uint8_t *p, size_t n)
{
    uint32_t crc = 0;
    for (size_t i = 0; i < n; i++) {
        crc ^= (uint32_t)p[i] << 24;
        for (int k = 0; k < 8; k++)
            crc = crc << 1 ^ (crc & 0x80000000 ? 0x04c11db7 : 0);
    }
    return crc;
}

static void mend_pages(uint8_t *ogg, size_t n)
{
    for (size_t at = 0; n - at >= PAGE_HEADER && memcmp(ogg + at, "OggS", 4) == 0;) {
        const size_t segments = ogg[at + 26];
        size_t size = PAGE_HEADER + segments;
        for (size_t i = 0; i < segments && at + PAGE_HEADER + i < n; i++)
            size += ogg[at + PAGE_HEADER + i];
        if (size > n - at)
            break;
        memset(ogg + at + 22, 0, 4);
        const uint32_t crc = ogg_crc(ogg + at, size);
        for (size_t i = 0; i < 4; i++)
            ogg[at + 22 + i] = (uint8_t)(crc >> 8 * i);
        at += size;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    const struct wc_audio_options options = {.max_samples = MOST_SAMPLES};
    struct wc_audio audio;
    struct wc_audio_meta meta;
    wc_error err;
    uint8_t *copy = malloc(n + 1);
    if (!copy)
        return 0;
    memcpy(copy, data, n);
    mend_pages(copy, n);
    if (wc_audio_decode(copy, n, "fuzz", &options, &audio, &meta, &err)) {
        if (audio.n == 0 || audio.n > MOST_SAMPLES)
            abort();
        for (size_t i = 0; i < audio.n; i++)
            if (!isfinite(audio.samples[i]))
                abort();
    }
    wc_audio_free(&audio);
    free(copy);
    return 0;
}
