/* sndfile.c - WAV, FLAC and Opus in Ogg by libsndfile, which sees memory in place of a file. */
#include <sndfile.h>

#include "audio/formats.h"

static sf_count_t bytes_length(void *user)
{
    const struct wc_audio_bytes *b = user;
    return b->n;
}

static sf_count_t bytes_seek(sf_count_t offset, int whence, void *user)
{
    return wc_audio_seek(user, offset, whence);
}

static sf_count_t bytes_read(void *to, sf_count_t n, void *user)
{
    return wc_audio_take(user, to, n);
}

static sf_count_t bytes_write(const void *from, sf_count_t n, void *user)
{
    return 0;
}

static sf_count_t bytes_tell(void *user)
{
    const struct wc_audio_bytes *b = user;
    return b->at;
}

static bool is_wav(int container)
{
    return container == SF_FORMAT_WAV || container == SF_FORMAT_WAVEX || container == SF_FORMAT_RF64;
}

/* Codecs inside of WAV that are read: the plain ones. */
static bool is_plain(int codec)
{
    static const int plain[] = {SF_FORMAT_PCM_U8, SF_FORMAT_PCM_S8, SF_FORMAT_PCM_16,
                                SF_FORMAT_PCM_24, SF_FORMAT_PCM_32, SF_FORMAT_FLOAT,
                                SF_FORMAT_DOUBLE, SF_FORMAT_ULAW,   SF_FORMAT_ALAW};
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
        if (codec == plain[i])
            return true;
    return false;
}

static bool check_format(const struct wc_audio_source *s, const char *format, int wanted, int found,
                         wc_error *err)
{
    const int container = found & SF_FORMAT_TYPEMASK, codec = found & SF_FORMAT_SUBMASK;
    if (is_wav(wanted) ? !is_wav(container) : container != wanted)
        return wc_fail(err, WC_BAD_FILE,
                       "%s: %s: expected sound, found another format behind its first bytes", s->name,
                       format);
    if (is_wav(container) && !is_plain(codec))
        return wc_fail(err, WC_UNSUPPORTED,
                       "%s: WAV: codec %#x: expected PCM, float, mu-law or A-law; convert the file", s->name,
                       codec);
    return true;
}

static size_t read_frames(struct wc_audio_source *s, float *frames, size_t n)
{
    const sf_count_t got = sf_readf_float(s->decoder, frames, (sf_count_t)n);
    return got > 0 ? (size_t)got : 0;
}

static void close_file(struct wc_audio_source *s)
{
    sf_close(s->decoder);
}

bool wc_sndfile_open(struct wc_audio_source *s, const char *format, int container, wc_error *err)
{
    SF_VIRTUAL_IO io = {bytes_length, bytes_seek, bytes_read, bytes_write, bytes_tell};
    SF_INFO info = {0};
    if (is_wav(container) && !wc_riff_check(s, err))
        return false;
    SNDFILE *file = sf_open_virtual(&io, SFM_READ, &info, &s->bytes);
    if (!file)
        return wc_fail(err, WC_BAD_FILE, "%s: %s: cannot be read: %s", s->name, format,
                       sf_error_number(sf_error(NULL)));
    if (!check_format(s, format, container, info.format, err)) {
        sf_close(file);
        return false;
    }
    s->decoder = file;
    s->rate = info.samplerate;
    s->channels = info.channels;
    s->seconds = info.frames >= 0 && info.frames < SF_COUNT_MAX && info.samplerate > 0
                     ? (double)info.frames / info.samplerate
                     : -1;
    s->read = read_frames;
    s->close = close_file;
    return true;
}
