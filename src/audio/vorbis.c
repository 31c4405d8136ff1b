/* vorbis.c - Ogg Vorbis by libvorbisfile.  libsndfile decodes it by the same libvorbis, but leaks what a broken header had
 * made it allocate. */
#include <vorbis/vorbisfile.h>

#include "audio/formats.h"
#include "base/mem.h"

static size_t bytes_read(void *to, size_t size, size_t n, void *user)
{
    return size == 1 ? (size_t)wc_audio_take(user, to, n > INT32_MAX ? INT32_MAX : (int64_t)n) : 0;
}

static int bytes_seek(void *user, ogg_int64_t offset, int whence)
{
    return wc_audio_seek(user, offset, whence) < 0 ? -1 : 0;
}

static long bytes_tell(void *user)
{
    const struct wc_audio_bytes *b = user;
    return (long)b->at;
}

/* The next stretch that libvorbis has, interleaved; a chained stream of another kind ends the sound.  Damage is passed over. */
static size_t read_some(struct wc_audio_source *s, float *frames, size_t n)
{
    float **channels;
    long got;
    do
        got = ov_read_float(s->decoder, &channels, n < INT32_MAX ? (int)n : INT32_MAX, NULL);
    while (got == OV_HOLE);
    const vorbis_info *info = got > 0 ? ov_info(s->decoder, -1) : NULL;
    if (!info || info->channels != s->channels || info->rate != s->rate)
        return 0;
    for (size_t i = 0; i < (size_t)got; i++)
        for (size_t c = 0; c < (size_t)s->channels; c++)
            *frames++ = channels[c][i];
    return (size_t)got;
}

static size_t read_frames(struct wc_audio_source *s, float *frames, size_t n)
{
    size_t done = 0, some = 1;
    while (done < n && some > 0) {
        some = read_some(s, frames + done * (size_t)s->channels, n - done);
        done += some;
    }
    return done;
}

static void close_file(struct wc_audio_source *s)
{
    ov_clear(s->decoder);
    wc_mem_free(s->decoder);
}

bool wc_vorbis_open(struct wc_audio_source *s, wc_error *err)
{
    const ov_callbacks calls = {bytes_read, bytes_seek, NULL, bytes_tell};
    OggVorbis_File *file = wc_mem_zalloc(1, sizeof *file);
    if (!file)
        return wc_fail_memory(err, sizeof *file);
    const int why = ov_open_callbacks(&s->bytes, file, NULL, 0, calls);
    const vorbis_info *info = why == 0 ? ov_info(file, -1) : NULL;
    if (!info) {
        wc_mem_free(file); /* a failed open has cleared the rest */
        return wc_fail(err, WC_BAD_FILE, "%s: OGG: cannot be read: %s", s->name,
                       why == OV_EBADHEADER ? "a Vorbis header is broken" : "no whole Vorbis stream");
    }
    const ogg_int64_t frames = ov_pcm_total(file, -1);
    s->decoder = file;
    s->rate = info->rate > 0 && info->rate < INT32_MAX ? (int)info->rate : 0;
    s->channels = info->channels;
    s->seconds = frames >= 0 && s->rate > 0 ? (double)frames / s->rate : -1;
    s->read = read_frames;
    s->close = close_file;
    return true;
}
