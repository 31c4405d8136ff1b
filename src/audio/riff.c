/* riff.c - the chunks of a WAV file, before libsndfile walks over them.
 *
 * libsndfile believes a chunk that says it is of 4 GB and looks for its parts long after the file's end, for minutes.  Chunks
 * before the sound have to fit into the file; what follows the sound and does not is hidden.  The sound itself may be cut
 * short, or of unknown length (0, or all bits), as programs write it that cannot go back. */
#include <string.h>

#include "audio/formats.h"

enum { HEAD = 12, CHUNK_HEAD = 8 };

static uint64_t number(const uint8_t *p, int bytes, bool big)
{
    uint64_t x = 0;
    for (int i = 0; i < bytes; i++)
        x = x << 8 | p[big ? i : bytes - 1 - i];
    return x;
}

static bool is_name(const uint8_t *p)
{
    for (int i = 0; i < 4; i++)
        if (p[i] < ' ' || p[i] > '~')
            return false;
    return true;
}

bool wc_riff_check(struct wc_audio_source *s, wc_error *err)
{
    const uint8_t *data = s->bytes.data;
    const uint64_t n = (uint64_t)s->bytes.n;
    const bool big = memcmp(data, "RIFX", 4) == 0;
    uint64_t at = HEAD, sound = 0; /* bytes of the sound that a ds64 chunk told */
    bool behind = false;
    while (n - at >= CHUNK_HEAD) {
        const uint8_t *chunk = data + at;
        const uint64_t left = n - at - CHUNK_HEAD;
        uint64_t size = number(chunk + 4, 4, big);
        const bool is_sound = memcmp(chunk, "data", 4) == 0;
        if (is_sound && size == UINT32_MAX && sound > 0)
            size = sound;
        if (is_sound && (size == 0 || size > left))
            return true;
        if (!is_name(chunk) || size > left) {
            if (behind)
                break;
            return wc_fail(
                err, WC_BAD_FILE,
                "%s: WAV: the chunk at byte %llu: expected a name and at most %llu bytes, found %llu bytes",
                s->name, (unsigned long long)at, (unsigned long long)left, (unsigned long long)size);
        }
        if (memcmp(chunk, "ds64", 4) == 0 && size >= 16)
            sound = number(chunk + CHUNK_HEAD + 8, 8, big);
        behind = behind || is_sound;
        at += CHUNK_HEAD + size;
        if (size % 2 && at < n)
            at++;
    }
    if (behind)
        s->bytes.n = (int64_t)at;
    return true;
}
