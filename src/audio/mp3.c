/* mp3.c - MPEG audio by mpg123, with the settings under which libsndfile uses it, so that the samples are the same.
 *
 * libsndfile itself would do, but lets mpg123 write its complaints to stderr. */
#include <mpg123.h>

#include "audio/formats.h"

static mpg123_ssize_t bytes_read(void *user, void *to, size_t n)
{
    return (mpg123_ssize_t)wc_audio_take(user, to, n > INT32_MAX ? INT32_MAX : (int64_t)n);
}

static off_t bytes_seek(void *user, off_t offset, int whence)
{
    return (off_t)wc_audio_seek(user, offset, whence);
}

/* A change of rate or channels in the middle ends the sound (MPG123_NO_FRANKENSTEIN). */
static size_t read_frames(struct wc_audio_source *s, float *frames, size_t n)
{
    const size_t frame_bytes = (size_t)s->channels * sizeof *frames;
    size_t done = 0;
    int why = MPG123_OK;
    while (done < n * frame_bytes && why == MPG123_OK) {
        size_t some = 0;
        why = mpg123_read(s->decoder, (unsigned char *)frames + done, n * frame_bytes - done, &some);
        done += some;
    }
    return done / frame_bytes;
}

static void close_file(struct wc_audio_source *s)
{
    mpg123_delete(s->decoder);
}

static bool set_up(mpg123_handle *h, struct wc_audio_source *s)
{
    return mpg123_param(h, MPG123_REMOVE_FLAGS, MPG123_AUTO_RESAMPLE, 0) == MPG123_OK &&
           mpg123_param(h, MPG123_ADD_FLAGS,
                        MPG123_QUIET | MPG123_FORCE_FLOAT | MPG123_GAPLESS | MPG123_NO_FRANKENSTEIN |
                            MPG123_SKIP_ID3V2,
                        0) == MPG123_OK &&
           mpg123_replace_reader_handle(h, bytes_read, bytes_seek, NULL) == MPG123_OK &&
           mpg123_open_handle(h, &s->bytes) == MPG123_OK;
}

bool wc_mp3_open(struct wc_audio_source *s, wc_error *err)
{
    long rate = 0;
    int channels = 0, encoding = 0, why = MPG123_OK;
    mpg123_handle *h = mpg123_new(NULL, &why);
    if (!h)
        return wc_fail(err, WC_FAILED, "%s: MP3: %s", s->name, mpg123_plain_strerror(why));
    if (!set_up(h, s) || mpg123_getformat(h, &rate, &channels, &encoding) != MPG123_OK ||
        encoding != MPG123_ENC_FLOAT_32) {
        wc_fail(err, WC_BAD_FILE, "%s: MP3: cannot be read: %s", s->name, mpg123_strerror(h));
        mpg123_delete(h);
        return false;
    }
    const off_t frames = mpg123_length(h);
    s->decoder = h;
    s->rate = rate > 0 && rate < INT32_MAX ? (int)rate : 0;
    s->channels = channels;
    s->seconds = frames >= 0 && rate > 0 ? (double)frames / (double)rate : -1;
    s->read = read_frames;
    s->close = close_file;
    return true;
}
