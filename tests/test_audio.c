/* test_audio.c - sound files to mono samples against transformers' load_audio; what is cut and what is refused; the Fourier
 * transform against its definition; the feature extractor's configuration; every allocation failing.
 *
 * goldens/audio_formats was made with the programs that its golden.json names; the features' values are those of
 * goldens/audio_preprocess, which test_verify.c runs. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <soxr.h>

#include "audio/decode.h"
#include "audio/fft.h"
#include "audio/mel.h"
#include "base/file_map.h"
#include "base/mem.h"
#include "formats/checkpoint.h"

#define FORMATS SOURCE_ROOT "/tests/goldens/audio_formats"

enum { HEADER = 44 };

/* ---- files ---- */

/* How far samples may be off because this machine's soxr computes by other instructions than the golden's. */
static double engine_tolerance(const wc_json *engine)
{
    soxr_t s = soxr_create(8000, 16000, 1, NULL, NULL, NULL, NULL);
    assert_non_null(s);
    const bool same = wc_json_string_is(wc_json_get(engine, "name"), soxr_engine(s));
    soxr_delete(s);
    return same ? 0 : wc_json_number(wc_json_get(engine, "tolerance"), 0);
}

static void check_file(const wc_json *file, double resampled, const wc_checkpoint *values, wc_arena *a)
{
    const char *name = wc_json_get(file, "file")->u.text, *path = wc_path_join(a, FORMATS, name);
    const double own = wc_json_number(wc_json_get(file, "tolerance"), -1);
    struct wc_audio audio;
    struct wc_audio_meta meta;
    wc_error err = {0};
    wc_tensor want;
    if (!wc_audio_read(path, NULL, &audio, &meta, &err))
        fail_msg("%s", err.text);
    assert_string_equal(meta.format, wc_json_get(file, "kind")->u.text);
    assert_int_equal(meta.rate, (int)wc_json_number(wc_json_get(file, "rate"), 0));
    assert_int_equal(meta.channels, (int)wc_json_number(wc_json_get(file, "channels"), 0));
    assert_false(meta.cut);
    assert_true(own >= 0);
    const double tolerance = own + (meta.rate == 16000 ? 0 : resampled);
    assert_true(wc_checkpoint_find(values, name, &want));
    if (audio.n != want.shape[0])
        fail_msg("%s: expected %zu samples, found %zu", name, want.shape[0], audio.n);
    for (size_t i = 0; i < audio.n; i++) {
        const double x = (double)audio.samples[i], y = (double)((const float *)want.data)[i];
        if (!(fabs(x - y) <= tolerance))
            fail_msg("%s: sample %zu: expected %.9g, found %.9g", name, i, y, x);
    }
    wc_audio_free(&audio);
}

static void test_formats(void **state)
{
    wc_error err = {0};
    wc_arena *a = wc_arena_new(0);
    const wc_json *doc = wc_json_read(a, FORMATS "/golden.json", 1 << 20, 0, &err),
                  *files = wc_json_get(doc, "files");
    wc_checkpoint *values = wc_checkpoint_open_tensors(FORMATS "/golden.safetensors", &err);
    assert_non_null(values);
    assert_int_equal(wc_json_count(files), 12);
    const double resampled = engine_tolerance(wc_json_get(doc, "soxr_engine"));
    for (size_t i = 0; i < wc_json_count(files); i++)
        check_file(wc_json_item(files, i), resampled, values, a);
    wc_checkpoint_close(values);
    wc_arena_free(a);
}

/* ---- WAV files made here ---- */

static void put(uint8_t *to, uint32_t value, int bytes)
{
    for (int i = 0; i < bytes; i++)
        to[i] = (uint8_t)(value >> 8 * i);
}

/* 16-bit PCM (float with floats) of n values; free with free. */
static uint8_t *make_wav(int rate, int channels, size_t n, const float *floats, size_t *bytes)
{
    const uint32_t width = floats ? 4 : 2, data = (uint32_t)n * width;
    uint8_t *b = calloc(1, HEADER + data);
    memcpy(b, "RIFF____WAVEfmt ", 16);
    put(b + 4, 36 + data, 4);
    put(b + 16, 16, 4);
    put(b + 20, floats ? 3 : 1, 2);
    put(b + 22, (uint32_t)channels, 2);
    put(b + 24, (uint32_t)rate, 4);
    put(b + 28, (uint32_t)rate * (uint32_t)channels * width, 4);
    put(b + 32, (uint32_t)channels * width, 2);
    put(b + 34, 8 * width, 2);
    memcpy(b + 36, "data", 4);
    put(b + 40, data, 4);
    for (size_t i = 0; i < n; i++) {
        if (floats)
            memcpy(b + HEADER + 4 * i, &floats[i], 4);
        else
            put(b + HEADER + 2 * i, (uint32_t)(i * 2654435761u >> 18), 2);
    }
    *bytes = HEADER + data;
    return b;
}

static bool decode_wav(int rate, int channels, size_t n, const float *floats, struct wc_audio *out,
                       struct wc_audio_meta *meta, wc_error *err)
{
    size_t bytes;
    uint8_t *wav = make_wav(rate, channels, n, floats, &bytes);
    bool ok = wc_audio_decode(wav, bytes, "made.wav", NULL, out, meta, err);
    free(wav);
    return ok;
}

/* What lies behind 30 s is left away, and what is kept is what it would have been. */
static void test_cut(void **state)
{
    static const int rates[] = {16000, 8000, 44100};
    for (size_t i = 0; i < sizeof rates / sizeof *rates; i++) {
        wc_error err = {0};
        struct wc_audio whole, longer;
        struct wc_audio_meta meta;
        const size_t n = 30 * (size_t)rates[i];
        assert_true(decode_wav(rates[i], 1, n, NULL, &whole, &meta, &err));
        assert_false(meta.cut);
        assert_int_equal(whole.n, WC_AUDIO_MAX_SAMPLES);
        assert_true(decode_wav(rates[i], 1, n + n / 2, NULL, &longer, &meta, &err));
        assert_true(meta.cut);
        assert_true(meta.seconds > 44.9 && meta.seconds < 45.1);
        assert_int_equal(longer.n, WC_AUDIO_MAX_SAMPLES);
        /* the filter looks ahead a little: only the very end may know what comes */
        assert_memory_equal(whole.samples, longer.samples, (WC_AUDIO_MAX_SAMPLES - 1000) * sizeof(float));
        wc_audio_free(&whole);
        wc_audio_free(&longer);
    }
}

/* Samples at hand are treated as a file's. */
static void test_samples(void **state)
{
    enum { N = 5000 };
    float x[N];
    wc_error err = {0};
    struct wc_audio file, samples;
    for (size_t i = 0; i < N; i++)
        x[i] = sinf((float)i * 0.05f) * 0.5f;
    assert_true(decode_wav(22050, 1, N, x, &file, NULL, &err));
    assert_true(wc_audio_resample(x, N, 22050, "samples", NULL, &samples, &err));
    assert_int_equal(samples.n, (N * 16000 + 22049) / 22050);
    assert_int_equal(samples.n, file.n);
    assert_memory_equal(samples.samples, file.samples, file.n * sizeof(float));
    wc_audio_free(&file);
    wc_audio_free(&samples);
}

static void expect_refusal(int rate, int channels, size_t n, const float *floats, int code, const char *text)
{
    wc_error err = {0};
    struct wc_audio out;
    assert_false(decode_wav(rate, channels, n, floats, &out, NULL, &err));
    assert_null(out.samples);
    assert_int_equal(err.code, code);
    if (!strstr(err.text, text))
        fail_msg("expected \"%s\", found \"%s\"", text, err.text);
}

static void test_refusals(void **state)
{
    float bad[600] = {0};
    expect_refusal(16000, 65, 650, NULL, WC_REFUSED, "made.wav: WAV: channels: expected 1 to 64, found 65");
    expect_refusal(900, 1, 600, NULL, WC_REFUSED, "sample rate: expected 1000 to 768000 Hz, found 900");
    expect_refusal(1000000, 1, 600, NULL, WC_REFUSED, "found 1000000");
    expect_refusal(16000, 1, 0, NULL, WC_BAD_FILE, "expected samples, found none");
    bad[500] = NAN;
    expect_refusal(16000, 1, 600, bad, WC_REFUSED, "samples: expected numbers of about -1 to 1, found");
    expect_refusal(8000, 1, 600, bad, WC_REFUSED, "samples: expected numbers of about -1 to 1, found");
    bad[500] = 3e38f;
    expect_refusal(16000, 2, 600, bad, WC_REFUSED, "samples: expected numbers of about -1 to 1, found");
}

static void test_other_files(void **state)
{
    static const struct {
        const char *bytes;
        size_t n;
        int code;
        const char *text;
    } cases[] = {{"", 0, WC_BAD_FILE, "found an empty file"},
                 {"hello, world", 12, WC_BAD_FILE, "found an unknown format"},
                 {"\x89PNG\r\n\x1a\n....", 12, WC_UNSUPPORTED, "found a picture (PNG)"},
                 {"FORM....AIFFCOMM", 16, WC_UNSUPPORTED, "found AIFF"},
                 {"\xff\xf1\x50\x80", 4, WC_UNSUPPORTED, "found AAC (ADTS)"},
                 {"\0\0\0\x18"
                  "ftypM4A ",
                  12, WC_UNSUPPORTED, "found M4A (AAC)"},
                 {"RIFF....AVI LIST", 16, WC_UNSUPPORTED, "found AVI video"},
                 {"RIFF....WAVE", 12, WC_BAD_FILE, "s: WAV: cannot be read"},
                 {"fLaC", 4, WC_BAD_FILE, "s: FLAC: cannot be read"},
                 {"OggS", 4, WC_BAD_FILE, "s: OGG: cannot be read"},
                 {"ID3\3\0\0\0\0\0\0", 10, WC_BAD_FILE, "s: MP3: cannot be read"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        wc_error err = {0};
        struct wc_audio out;
        assert_false(wc_audio_decode(cases[i].bytes, cases[i].n, "s", NULL, &out, NULL, &err));
        assert_int_equal(err.code, cases[i].code);
        if (!strstr(err.text, cases[i].text))
            fail_msg("expected \"%s\", found \"%s\"", cases[i].text, err.text);
        assert_int_equal(wc_audio_is(cases[i].bytes, cases[i].n), i >= 7);
    }
}

/* bytes of chunks put in at byte `at` of a sound of 1,000 values. */
static bool decode_with(size_t at, const char *chunks, size_t n, struct wc_audio *out, wc_error *err)
{
    size_t bytes;
    uint8_t *wav = make_wav(16000, 1, 1000, NULL, &bytes), *with = malloc(bytes + n);
    memcpy(with, wav, at);
    memcpy(with + at, chunks, n);
    memcpy(with + at + n, wav + at, bytes - at);
    const bool ok = wc_audio_decode(with, bytes + n, "s", NULL, out, NULL, err);
    free(wav);
    free(with);
    return ok;
}

/* A list that claims 4 GB is not looked for beyond the end of the file. */
static void test_chunks(void **state)
{
    static const char list[] = "LIST\x0c\0\0\0INFOIART\0\0\0\0", endless[] = "LIST\xf0\xff\xff\xffINFO",
                      nameless[] = "\0\1\2\3\4\0\0\0....";
    const size_t end = HEADER + 2000;
    struct wc_audio plain, out;
    wc_error err = {0};
    assert_true(decode_wav(16000, 1, 1000, NULL, &plain, NULL, &err));
    const struct {
        size_t at;
        const char *chunks;
        size_t n;
        bool read;
    } cases[] = {{36, list, 20, true},     {end, list, 20, true},     {36, endless, 12, false},
                 {end, endless, 12, true}, {36, nameless, 12, false}, {end, nameless, 12, true}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const bool ok = decode_with(cases[i].at, cases[i].chunks, cases[i].n, &out, &err);
        assert_int_equal(ok, cases[i].read);
        if (!ok) {
            assert_int_equal(err.code, WC_BAD_FILE);
            assert_non_null(strstr(err.text, "s: WAV: the chunk at byte 36: expected"));
            continue;
        }
        assert_int_equal(out.n, plain.n);
        assert_memory_equal(out.samples, plain.samples, plain.n * sizeof *plain.samples);
        wc_audio_free(&out);
    }
    wc_audio_free(&plain);
}

/* No cut of a file does harm, and none is read as more than there is. */
static void test_broken_files(void **state)
{
    static const char *const files[] = {"flac_s16_44100.flac", "mp3_24000.mp3", "vorbis_32000.ogg",
                                        "wav_u8_8000.wav"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        wc_arena *a = wc_arena_new(0);
        wc_error err = {0};
        size_t n;
        const char *data = wc_file_read(a, wc_path_join(a, FORMATS, files[i]), 1 << 20, &n, &err);
        assert_non_null(data);
        for (size_t cut = 0; cut < n; cut += cut < 64 ? 1 : 61) {
            struct wc_audio out;
            char *part = malloc(cut + 1); /* so that a read too far is seen */
            memcpy(part, data, cut);
            if (wc_audio_decode(part, cut, files[i], NULL, &out, NULL, &err))
                assert_true(out.n > 0 && out.n < 3000);
            wc_audio_free(&out);
            free(part);
        }
        wc_arena_free(a);
    }
}

static void test_no_memory(void **state)
{
    bool done = false;
    for (long n = 1; !done && n < 100; n++) {
        wc_error err = {0};
        struct wc_audio out;
        wc_mem_fail_after(n);
        done = wc_audio_read(FORMATS "/flac_s24_96000_stereo.flac", NULL, &out, NULL, &err);
        wc_mem_fail_after(0);
        assert_true(done || err.code == WC_NO_MEMORY);
        wc_audio_free(&out);
    }
    assert_true(done);
}

/* ---- features ---- */

static void test_fft(void **state)
{
    static const size_t sizes[] = {1, 2, 4, 8, 64, 512};
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        const size_t n = sizes[s];
        float x[512];
        wc_complex w[256], y[257], work[1024];
        for (size_t i = 0; i < n; i++)
            x[i] = sinf((float)(i * i)) + 0.25f;
        wc_fft_twiddles(w, n);
        wc_fft_real(y, x, n, w, work);
        for (size_t k = 0; k <= n / 2; k++) {
            double re = 0, im = 0;
            for (size_t j = 0; j < n; j++) {
                const double angle = -2 * 3.14159265358979323846 * (double)(j * k % n) / (double)n;
                re += (double)x[j] * cos(angle);
                im += (double)x[j] * sin(angle);
            }
            if (!(fabs(y[k].re - re) < 1e-11 && fabs(y[k].im - im) < 1e-11))
                fail_msg("n %zu, k %zu: expected %g, %g, found %g, %g", n, k, re, im, y[k].re, y[k].im);
        }
    }
}

static bool configure(wc_mel *m, wc_arena *a, const char *text, wc_error *err)
{
    const wc_json *config = text ? wc_json_parse(a, text, strlen(text), "test", 0, err) : NULL;
    assert_true(config || !text);
    return wc_mel_from_config(m, a, config, "p.json", err);
}

static void test_frames(void **state)
{
    wc_error err = {0};
    wc_mel m;
    wc_arena *a = wc_arena_new(0);
    assert_true(configure(&m, a, NULL, &err));
    assert_int_equal(m.frame_length, 512);
    assert_int_equal(m.hop_length, 160);
    assert_int_equal(m.fft_length, 1024);
    assert_int_equal(wc_mel_padded(5600), 5632);
    assert_int_equal(wc_mel_frames(&m, 512), 0);
    assert_int_equal(wc_mel_frames(&m, 513), 1);
    assert_int_equal(wc_mel_frames(&m, 480000), 2997);
    assert_int_equal(wc_mel_valid_frames(&m, 480000, 480000), 2997);
    assert_int_equal(wc_mel_valid_frames(&m, 161, 5632), 2);
    assert_int_equal(wc_mel_valid_frames(&m, 160, 5632), 1);
    wc_arena_free(a);
}

/* Means and deviations of bands, the plain preemphasis, and a scale do what they say. */
static void test_options(void **state)
{
    wc_error err = {0};
    wc_mel plain, other;
    wc_arena *a = wc_arena_new(0);
    float x[1026], y[512], mel[8], again[8];
    for (size_t i = 0; i < 1026; i++)
        x[i] = sinf((float)i * 0.3f);
    assert_true(configure(&plain, a, "{\"feature_size\":2}", &err));
    assert_true(
        configure(&other, a, "{\"feature_size\":2,\"per_bin_mean\":[1,2],\"per_bin_stddev\":[2,4]}", &err));
    assert_true(wc_mel_features(&plain, x, 513, 513, mel, &err) &&
                wc_mel_features(&other, x, 513, 513, again, &err));
    for (int i = 0; i < 2; i++)
        assert_true(fabsf(again[i] - (mel[i] - (float)(i + 1)) / (float)(2 * i + 2)) < 1e-5f);

    assert_true(configure(&other, a, "{\"feature_size\":2,\"input_scale_factor\":0.5}", &err));
    assert_true(wc_mel_features(&other, x, 513, 513, again, &err));
    for (int i = 0; i < 2; i++)
        assert_true(fabsf(again[i] - (mel[i] - 0.69314718f)) < 1e-4f);

    wc_mel_preemphasis(&plain, x, y);
    assert_true(y[0] == x[0] * 0.03f || fabsf(y[0]) < 1e-6f);
    assert_true(y[511] == x[511] - 0.97f * x[510]);
    assert_true(configure(&other, a, "{\"preemphasis_htk_flavor\":false}", &err));
    wc_mel_preemphasis(&other, x, y);
    assert_true(y[0] == x[1] - 0.97f * x[0] && y[511] == x[512] - 0.97f * x[511]);
    assert_true(configure(&other, a, "{\"preemphasis\":0,\"fft_overdrive\":false}", &err));
    assert_int_equal(other.fft_length, 512);
    wc_mel_preemphasis(&other, x, y);
    assert_true(y[0] == x[0] && y[511] == x[511]);
    wc_arena_free(a);
}

static void test_config(void **state)
{
    static const struct {
        const char *json, *text;
    } cases[] = {
        {"{\"sampling_rate\":1e9}", "p.json: sampling_rate: expected a number from 1000 to 192000"},
        {"{\"feature_size\":0}", "feature_size: expected a number from 1 to 1024"},
        {"{\"mel_floor\":\"x\"}", "mel_floor: expected a number from 1e-30 to 1e+30, found a string"},
        {"{\"dither\":0.1}", "dither: expected 0"},
        {"{\"max_frequency\":100}", "max_frequency: expected a number from 125.001"},
        {"{\"frame_length_ms\":1000,\"sampling_rate\":192000}", "frame_length_ms: expected a frame of"},
        {"{\"hop_length_ms\":0}", "hop_length_ms: expected a number from 1 to 1000"},
        {"{\"fft_overdrive\":1}", "fft_overdrive: expected true or false"},
        {"{\"per_bin_mean\":[1]}", "per_bin_mean: expected 128 numbers (feature_size), found 1"},
        {"{\"feature_size\":1,\"per_bin_stddev\":[\"a\"]}", "per_bin_stddev: entry 0: expected a number"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        wc_error err = {0};
        wc_mel m;
        wc_arena *a = wc_arena_new(0);
        assert_false(configure(&m, a, cases[i].json, &err));
        if (!strstr(err.text, cases[i].text))
            fail_msg("expected \"%s\", found \"%s\"", cases[i].text, err.text);
        wc_arena_free(a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_formats),     cmocka_unit_test(test_cut),
        cmocka_unit_test(test_samples),     cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_other_files), cmocka_unit_test(test_broken_files),
        cmocka_unit_test(test_no_memory),   cmocka_unit_test(test_fft),
        cmocka_unit_test(test_frames),      cmocka_unit_test(test_options),
        cmocka_unit_test(test_config),      cmocka_unit_test(test_chunks),
    };
    return cmocka_run_group_tests_name("audio", tests, NULL, NULL);
}
