/* decode.c - a decoder gives a stretch of frames at a time, their channels are averaged, soxr takes them, and all ends as
 * soon as there are samples enough.
 *
 * Formats are known by their first bytes before a decoder sees anything, which keeps it from guessing, and lets the message
 * name what was found. */
#include "audio/decode.h"

#include <math.h>
#include <sndfile.h>
#include <soxr.h>
#include <string.h>

#include "audio/formats.h"
#include "base/file_map.h"
#include "base/mem.h"
#include "base/size.h"

enum {
    STRETCH = 4096, /* frames read at once */
    LARGEST = 1000  /* sample that is taken for a sound: 60 dB over full scale */
};

/* ---- formats ---- */

struct format {
    const char *name;
    size_t offset; /* of the magic bytes */
    const char *magic;
    size_t n_magic;
    int container; /* of libsndfile; 0: known, not read */
};

#define MAGIC(s) s, sizeof(s) - 1

static const struct format formats[] = {
    {"WAV", 8, MAGIC("WAVE"), SF_FORMAT_WAV}, /* behind RIFF, RIFX or RF64 and a size */
    {"FLAC", 0, MAGIC("fLaC"), SF_FORMAT_FLAC},
    {"OGG", 0, MAGIC("OggS"), SF_FORMAT_OGG},
    {"MP3", 0, MAGIC("ID3"), SF_FORMAT_MPEG}, /* unless FLAC stands behind the tag */
    {"AIFF", 8, MAGIC("AIFF"), 0},
    {"AIFF", 8, MAGIC("AIFC"), 0},
    {"AVI video", 8, MAGIC("AVI "), 0},
    {"AU", 0, MAGIC(".snd"), 0},
    {"CAF", 0, MAGIC("caff"), 0},
    {"M4A (AAC)", 4, MAGIC("ftypM4A"), 0},
    {"MP4", 4, MAGIC("ftyp"), 0},
    {"WMA", 0, MAGIC("\x30\x26\xb2\x75\x8e\x66\xcf\x11"), 0},
    {"WebM or Matroska", 0, MAGIC("\x1a\x45\xdf\xa3"), 0},
    {"MIDI", 0, MAGIC("MThd"), 0},
    {"AMR", 0, MAGIC("#!AMR"), 0},
    {"WavPack", 0, MAGIC("wvpk"), 0},
    {"Wave64", 0, MAGIC("riff"), 0},
    {"Monkey's Audio", 0, MAGIC("MAC "), 0},
    {"a picture (PNG)", 0, MAGIC("\x89PNG"), 0},
    {"a picture (JPEG)", 0, MAGIC("\xff\xd8\xff"), 0},
    {"a picture (GIF)", 0, MAGIC("GIF8"), 0},
    {"a picture (WebP)", 8, MAGIC("WEBP"), 0},
    {"PDF", 0, MAGIC("%PDF"), 0},
    {"ZIP", 0, MAGIC("PK\3\4"), 0},
};

static const struct format tagged_flac = {"FLAC", 0, NULL, 0, SF_FORMAT_FLAC},
                           mp3 = {"MP3", 0, NULL, 0, SF_FORMAT_MPEG}, aac = {"AAC (ADTS)", 0, NULL, 0, 0};

/* MPEG audio without a tag begins with eleven set bits, a version, a layer (0: none, as in AAC), a bitrate and a rate. */
static const struct format *sniff_mpeg(const uint8_t *data, size_t n)
{
    if (n < 4 || data[0] != 0xff || (data[1] & 0xe0) != 0xe0)
        return NULL;
    const unsigned version = data[1] >> 3 & 3, layer = data[1] >> 1 & 3;
    if (layer == 0)
        return (data[1] & 0xf0) == 0xf0 ? &aac : NULL;
    return version == 1 || data[2] >> 4 == 15 || (data[2] >> 2 & 3) == 3 ? NULL : &mp3;
}

/* FLAC with a tag of MP3 before it; the tag's length is in four groups of seven bits. */
static bool is_tagged_flac(const uint8_t *data, size_t n)
{
    if (n < 14 || memcmp(data, "ID3", 3) != 0)
        return false;
    const size_t end = 10 + ((size_t)(data[6] & 127) << 21 | (size_t)(data[7] & 127) << 14 |
                             (size_t)(data[8] & 127) << 7 | (size_t)(data[9] & 127));
    return end <= n - 4 && memcmp(data + end, "fLaC", 4) == 0;
}

static const struct format *sniff(const uint8_t *data, size_t n)
{
    if (is_tagged_flac(data, n))
        return &tagged_flac;
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        const struct format *f = &formats[i];
        if (n < f->offset + f->n_magic || memcmp(data + f->offset, f->magic, f->n_magic) != 0)
            continue;
        if (f->container == SF_FORMAT_WAV && memcmp(data, "RIFF", 4) != 0 && memcmp(data, "RIFX", 4) != 0 &&
            memcmp(data, "RF64", 4) != 0)
            continue;
        return f;
    }
    return sniff_mpeg(data, n);
}

bool wc_audio_is(const void *data, size_t n)
{
    const struct format *f = sniff(data, n);
    return f && f->container;
}

/* The first packet of the first page is that of Vorbis. */
static bool is_vorbis(const uint8_t *data, size_t n)
{
    static const char first[] = "\x01vorbis";
    const size_t at = n > 26 ? 27 + (size_t)data[26] : n;
    return n >= at + sizeof first - 1 && memcmp(data + at, first, sizeof first - 1) == 0;
}

static bool open_source(struct wc_audio_source *s, const struct format *f, wc_error *err)
{
    if (f->container == SF_FORMAT_MPEG)
        return wc_mp3_open(s, err);
    if (f->container == SF_FORMAT_OGG && is_vorbis(s->bytes.data, (size_t)s->bytes.n))
        return wc_vorbis_open(s, err);
    return wc_sndfile_open(s, f->name, f->container, err);
}

/* ---- the bytes, as decoders read them ---- */

int64_t wc_audio_seek(struct wc_audio_bytes *b, int64_t offset, int whence)
{
    const int64_t base = whence == SEEK_SET ? 0 : whence == SEEK_CUR ? b->at : b->n;
    if (offset < -base || offset > b->n - base) /* base is 0 to n: neither side wraps */
        return -1;
    b->at = base + offset;
    return b->at;
}

int64_t wc_audio_take(struct wc_audio_bytes *b, void *to, int64_t n)
{
    n = n < b->n - b->at ? n : b->n - b->at;
    if (n <= 0)
        return 0;
    memcpy(to, b->data + b->at, (size_t)n);
    b->at += n;
    return n;
}

/* ---- samples in, samples out ---- */

/* Mono samples on their way to the wanted rate. */
struct sink {
    const char *name;
    int from, to; /* rates */
    soxr_t soxr;  /* NULL: the rates are the same */
    size_t max;
    size_t n_in;
    struct wc_audio *out;
    size_t room;
};

static bool sink_open(struct sink *s, const char *name, int from, const struct wc_audio_options *o,
                      struct wc_audio *out, wc_error *err)
{
    *s = (struct sink){.name = name,
                       .from = from,
                       .to = o && o->rate ? o->rate : WC_AUDIO_RATE,
                       .max = o && o->max_samples ? o->max_samples : WC_AUDIO_MAX_SAMPLES,
                       .out = out};
    *out = (struct wc_audio){0};
    if (from < WC_AUDIO_MIN_FILE_RATE || from > WC_AUDIO_MAX_FILE_RATE)
        return wc_fail(err, WC_REFUSED, "%s: sample rate: expected %d to %d Hz, found %d", name,
                       WC_AUDIO_MIN_FILE_RATE, WC_AUDIO_MAX_FILE_RATE, from);
    if (s->from == s->to)
        return true;
    const soxr_io_spec_t io = soxr_io_spec(SOXR_FLOAT32_I, SOXR_FLOAT32_I);
    const soxr_quality_spec_t quality = soxr_quality_spec(SOXR_HQ, 0);
    const soxr_runtime_spec_t runtime = soxr_runtime_spec(1);
    soxr_error_t why = NULL;
    s->soxr = soxr_create(s->from, s->to, 1, &why, &io, &quality, &runtime);
    return s->soxr
               ? true
               : wc_fail(err, WC_FAILED, "%s: resampling from %d Hz: %s", name, from, why ? why : "failed");
}

/* Room for n more samples, of which no more are needed than up to max. */
static bool sink_reserve(struct sink *s, size_t n, wc_error *err)
{
    const size_t wanted = s->out->n + n;
    if (wanted <= s->room)
        return true;
    const size_t room = wc_max_size(wanted, 2 * s->room);
    float *grown = wc_mem_realloc(s->out->samples, room * sizeof *grown);
    if (!grown)
        return wc_fail_memory(err, room * sizeof *grown);
    s->out->samples = grown;
    s->room = room;
    return true;
}

static bool sink_full(const struct sink *s)
{
    return s->out->n >= s->max;
}

/* Takes samples x [n]; x NULL: there are no more, what soxr holds back comes out. */
static bool sink_add(struct sink *s, const float *x, size_t n, wc_error *err)
{
    s->n_in += n;
    if (!s->soxr) {
        if (!sink_reserve(s, n, err))
            return false;
        if (n > 0)
            memcpy(s->out->samples + s->out->n, x, n * sizeof *x);
        s->out->n += n;
        return true;
    }
    for (size_t used, made = 1; !sink_full(s) && (n > 0 || (!x && made > 0));) {
        if (!sink_reserve(s, STRETCH, err))
            return false;
        soxr_error_t why = soxr_process(s->soxr, x, n, &used, s->out->samples + s->out->n, STRETCH, &made);
        if (why)
            return wc_fail(err, WC_FAILED, "%s: resampling from %d Hz: %s", s->name, s->from, why);
        s->out->n += made;
        x = x ? x + used : NULL;
        n -= used;
    }
    return true;
}

/* How many samples n of the file's become. */
static size_t resampled(const struct sink *s, size_t n)
{
    return (n * (size_t)s->to + (size_t)s->from - 1) / (size_t)s->from;
}

/* No more samples: the count is made exact, and every sample is a number that can be heard. */
static bool sink_close(struct sink *s, wc_error *err)
{
    if (s->soxr && !sink_full(s) && s->n_in > 0) {
        const size_t wanted = resampled(s, s->n_in);
        if (!sink_add(s, NULL, 0, err) || !sink_reserve(s, wanted, err))
            return false;
        for (size_t i = s->out->n; i < wanted; i++)
            s->out->samples[i] = 0;
        s->out->n = wanted;
    }
    s->out->n = wc_min_size(s->out->n, s->max);
    for (size_t i = 0; i < s->out->n; i++)
        if (!(fabsf(s->out->samples[i]) <= LARGEST))
            return wc_fail(err, WC_REFUSED,
                           "%s: samples: expected numbers of about -1 to 1, found %g at %.3f s", s->name,
                           (double)s->out->samples[i], (double)i / s->to);
    return true;
}

static void sink_release(struct sink *s, bool ok)
{
    soxr_delete(s->soxr);
    if (!ok)
        wc_audio_free(s->out);
}

bool wc_audio_resample(const float *samples, size_t n, int file_rate, const char *name,
                       const struct wc_audio_options *options, struct wc_audio *out, wc_error *err)
{
    struct sink s;
    bool ok = sink_open(&s, name, file_rate, options, out, err);
    for (size_t at = 0; ok && at < n && !sink_full(&s); at += STRETCH)
        ok = sink_add(&s, samples + at, wc_min_size(STRETCH, n - at), err);
    ok = ok && sink_close(&s, err);
    sink_release(&s, ok);
    return ok;
}

/* ---- a file ---- */

/* The mean of n channels, added up in f32 in their order as numpy does. */
static void mix_down(float *mono, const float *frames, size_t n_frames, size_t n)
{
    for (size_t i = 0; i < n_frames; i++) {
        float sum = frames[i * n];
        for (size_t k = 1; k < n; k++)
            sum += frames[i * n + k];
        mono[i] = n > 1 ? sum / (float)n : sum;
    }
}

static bool read_samples(struct wc_audio_source *source, struct sink *s, bool *cut, wc_error *err)
{
    const size_t channels = (size_t)source->channels;
    float *frames = wc_mem_alloc(STRETCH * (channels + 1) * sizeof *frames);
    bool ok = frames ? true : wc_fail_memory(err, STRETCH * (channels + 1) * sizeof *frames);
    size_t n = 1;
    while (ok && n > 0 && !sink_full(s)) {
        float *mono = frames + STRETCH * channels;
        n = source->read(source, frames, STRETCH);
        mix_down(mono, frames, n, channels);
        ok = n == 0 || sink_add(s, mono, n, err);
    }
    *cut = ok && sink_full(s) && (resampled(s, s->n_in) > s->max || source->read(source, frames, 1) > 0);
    ok = ok && sink_close(s, err);
    wc_mem_free(frames);
    return ok;
}

static bool check_channels(const struct wc_audio_source *s, const struct format *f, wc_error *err)
{
    return (s->channels >= 1 && s->channels <= WC_AUDIO_MAX_CHANNELS) ||
           wc_fail(err, WC_REFUSED, "%s: %s: channels: expected 1 to %d, found %d", s->name, f->name,
                   WC_AUDIO_MAX_CHANNELS, s->channels);
}

bool wc_audio_decode(const void *data, size_t n, const char *name, const struct wc_audio_options *options,
                     struct wc_audio *out, struct wc_audio_meta *meta, wc_error *err)
{
    struct wc_audio_meta unused;
    struct wc_audio_source source = {.bytes = {data, (int64_t)n, 0}, .name = name};
    struct sink s = {.out = out};
    meta = meta ? meta : &unused;
    *out = (struct wc_audio){0};
    *meta = (struct wc_audio_meta){.format = "", .seconds = -1};
    const struct format *f = sniff(data, n);
    if (!f || !f->container)
        return wc_fail(err, f ? WC_UNSUPPORTED : WC_BAD_FILE,
                       "%s: expected a sound (WAV, FLAC, MP3 or OGG), found %s", name,
                       f        ? f->name
                       : n == 0 ? "an empty file"
                                : "an unknown format");
    if (!open_source(&source, f, err))
        return false;
    meta->format = f->name;
    meta->rate = source.rate;
    meta->channels = source.channels;
    meta->seconds = source.seconds;
    bool ok = check_channels(&source, f, err) && sink_open(&s, name, source.rate, options, out, err) &&
              read_samples(&source, &s, &meta->cut, err);
    if (ok && out->n == 0)
        ok = wc_fail(err, WC_BAD_FILE, "%s: %s: expected samples, found none", name, f->name);
    sink_release(&s, ok);
    source.close(&source);
    return ok;
}

bool wc_audio_read(const char *path, const struct wc_audio_options *options, struct wc_audio *out,
                   struct wc_audio_meta *meta, wc_error *err)
{
    wc_file_map map = {0};
    *out = (struct wc_audio){0};
    if (!wc_file_map_open(&map, path, err))
        return false;
    bool ok = wc_audio_decode(map.data, map.size, path, options, out, meta, err);
    wc_file_map_close(&map);
    return ok;
}

void wc_audio_free(struct wc_audio *audio)
{
    wc_mem_free(audio->samples);
    *audio = (struct wc_audio){0};
}
