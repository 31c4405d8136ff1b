/* formats.h - what the decoders of single formats share; private to this folder. */
#ifndef WC_AUDIO_FORMATS_H
#define WC_AUDIO_FORMATS_H
#include "audio/decode.h"

/* An encoded sound and how far its decoder has read; borrowed. */
struct wc_audio_bytes {
    const uint8_t *data; /* [n] */
    int64_t n, at;
};

/* As lseek: the new place, or -1 for one outside of the bytes.  whence: SEEK_SET, SEEK_CUR or SEEK_END. */
int64_t wc_audio_seek(struct wc_audio_bytes *b, int64_t offset, int whence);
/* As read: how many of n bytes there were. */
int64_t wc_audio_take(struct wc_audio_bytes *b, void *to, int64_t n);

/* A sound being decoded: its header has been read. */
struct wc_audio_source {
    int rate, channels;
    double seconds; /* negative: unknown */
    void *decoder;
    struct wc_audio_bytes bytes;
    const char *name; /* for messages */
    /* The next up to n frames of all channels; how many there were, 0 at the end. */
    size_t (*read)(struct wc_audio_source *s, float *frames, size_t n);
    void (*close)(struct wc_audio_source *s);
};

/* Each opens s->bytes; the format's own name is part of every message.  container: libsndfile's. */
bool wc_sndfile_open(struct wc_audio_source *s, const char *format, int container, wc_error *err);
/* Of a WAV file, before it is opened: chunks that libsndfile would look for in vain are an error, or cut off. */
bool wc_riff_check(struct wc_audio_source *s, wc_error *err);
bool wc_mp3_open(struct wc_audio_source *s, wc_error *err);
bool wc_vorbis_open(struct wc_audio_source *s, wc_error *err);
#endif
