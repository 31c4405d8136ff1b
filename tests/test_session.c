/* test_session.c - sessions through the public API: whatever the chunks, the batch and the reuse, the same logits, bit for bit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sessions.h"

#define MODEL_TEXT SOURCE_ROOT "/tests/goldens/gemma3n_text"
#define MODEL_MINI SOURCE_ROOT "/models/gemma-3n-mini-it"
#define MODEL_MM   SOURCE_ROOT "/tests/goldens/gemma3n_mm"
#define PICTURE    SOURCE_ROOT "/examples/guitarist.png"

enum { N_PROMPT = 77 };

static int32_t prompt_ids[N_PROMPT];

/* Ids and last logits of an answer of 12 tokens to the first n ids of the prompt. */
struct answer {
    int32_t ids[12];
    float *logits;
    size_t n_vocab;
};

static struct answer keep(wc_session *s)
{
    struct answer a = {.logits = NULL};
    wc_result r = {.size = sizeof r};
    wc_session_result(s, &r);
    assert_int_equal(r.n_ids, 12);
    memcpy(a.ids, r.ids, sizeof a.ids);
    const float *logits = wc_session_logits(s, &a.n_vocab);
    if (logits) {
        a.logits = malloc(a.n_vocab * sizeof *logits);
        memcpy(a.logits, logits, a.n_vocab * sizeof *logits);
    }
    return a;
}

static void assert_same(const struct answer *a, const struct answer *b)
{
    assert_memory_equal(a->ids, b->ids, sizeof a->ids);
    assert_int_equal(a->logits != NULL, b->logits != NULL);
    if (a->logits)
        assert_memory_equal(a->logits, b->logits, a->n_vocab * sizeof *a->logits);
}

static struct answer alone(wc_model *m, size_t n, int chunk_rows)
{
    wc_session *s = open_session(m);
    set_ids(s, prompt_ids, n);
    generate(&s, 1, 12, chunk_rows);
    struct answer a = keep(s);
    wc_session_free(s);
    return a;
}

static void test_chunks(void **state)
{
    wc_model *m = open_model(MODEL_TEXT, 1);
    struct answer want = alone(m, N_PROMPT, 0);
    for (int chunk = 1; chunk < N_PROMPT; chunk = 3 * chunk + 1) {
        struct answer got = alone(m, N_PROMPT, chunk);
        assert_same(&want, &got);
        free(got.logits);
    }
    free(want.logits);
    wc_model_free(m);
}

static void test_threads(void **state)
{
    wc_model *one = open_model(MODEL_TEXT, 1), *five = open_model(MODEL_TEXT, 5);
    struct answer a = alone(one, N_PROMPT, 0), b = alone(five, N_PROMPT, 0);
    assert_same(&a, &b);
    free(a.logits);
    free(b.logits);
    wc_model_free(one);
    wc_model_free(five);
}

static void test_batch(void **state)
{
    enum { N = 8 };
    wc_model *m = open_model(MODEL_TEXT, 2);
    wc_session *s[N];
    for (int i = 0; i < N; i++) {
        s[i] = open_session(m);
        set_ids(s[i], prompt_ids, 1 + 10 * (size_t)i);
    }
    generate(s, N, 12, 40); /* chunks smaller than the prompts together: some decode while others prefill */
    for (int i = 0; i < N; i++) {
        struct answer got = keep(s[i]), want = alone(m, 1 + 10 * (size_t)i, 0);
        assert_same(&want, &got);
        free(got.logits);
        free(want.logits);
        wc_session_free(s[i]);
    }
    wc_model_free(m);
}

/* A second prompt that begins like the first plus its answer computes only the rest, and answers as a fresh session. */
static void test_reuse(void **state)
{
    wc_model *m = open_model(MODEL_TEXT, 1);
    wc_session *s = open_session(m);
    set_ids(s, prompt_ids, 40);
    generate(&s, 1, 12, 0);
    wc_result r = {.size = sizeof r};
    set_ids(s, prompt_ids, N_PROMPT);
    generate(&s, 1, 12, 0);
    wc_session_result(s, &r);
    assert_true(r.n_cached >= 39);
    struct answer got = keep(s), want = alone(m, N_PROMPT, 0);
    assert_same(&want, &got);
    free(got.logits);
    set_ids(s, prompt_ids, 3); /* and back to a short one */
    generate(&s, 1, 12, 0);
    got = keep(s);
    free(want.logits);
    want = alone(m, 3, 0);
    assert_same(&want, &got);
    free(got.logits);
    free(want.logits);
    wc_session_free(s);
    wc_model_free(m);
}

struct stream {
    char text[4096];
    size_t n_bytes;
    int events, last;
    int stop_after;
    wc_session *cancel;
};

static bool on_event(void *user, const wc_event *e)
{
    struct stream *s = user;
    memcpy(s->text + s->n_bytes, e->text, e->n_bytes);
    s->n_bytes += e->n_bytes;
    s->events++;
    s->last += e->last;
    if (s->cancel && s->events == s->stop_after)
        wc_session_cancel(s->cancel);
    return s->cancel || s->events != s->stop_after;
}

static const char question[] =
    "{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"image\"},{\"type\":\"text\","
    "\"text\":\"What musical instrument is the person playing?\"}]}]}";

static bool ask(wc_session *s, const wc_generate_options *o, struct stream *stream, wc_error *err)
{
    const wc_media picture = {.path = PICTURE};
    const wc_prompt p = {.size = sizeof p, .chat = question, .media = &picture, .n_media = 1};
    return wc_session_prompt(s, &p, err) && wc_generate(&s, 1, o, on_event, stream, err);
}

static void test_picture(void **state)
{
    wc_model *m = open_model(MODEL_MINI, 2);
    wc_session *s = open_session(m);
    wc_error err = {0};
    struct stream stream = {.stop_after = -1};
    const wc_generate_options greedy = {.size = sizeof greedy, .sampling = 1};
    if (!ask(s, &greedy, &stream, &err))
        fail_msg("%s", err.text);
    assert_string_equal(wc_session_text(s), "The person in the image is playing an electric guitar.");
    stream.text[stream.n_bytes] = '\0';
    assert_string_equal(stream.text, wc_session_text(s));
    assert_int_equal(stream.last, 1);

    struct stream again = {.stop_after = -1}; /* a stop string is not part of the answer */
    const char *stop[] = {" an electric", "guitar"};
    const wc_generate_options stopped = {.size = sizeof stopped, .sampling = 1, .stop = stop, .n_stop = 2};
    assert_true(ask(s, &stopped, &again, &err));
    assert_string_equal(wc_session_text(s), "The person in the image is playing");
    wc_result r = {.size = sizeof r};
    wc_session_result(s, &r);
    assert_int_equal(r.finish, WC_FINISH_STOP);

    struct stream three = {.stop_after = 3}; /* the caller says enough */
    assert_true(ask(s, &greedy, &three, &err));
    assert_int_equal(three.events, 3);

    struct stream cancelled = {.stop_after = 2, .cancel = s};
    assert_false(ask(s, &greedy, &cancelled, &err));
    assert_int_equal(err.code, WC_CANCELLED);
    wc_session_free(s);
    wc_model_free(m);
}

static void test_refusals(void **state)
{
    wc_model *m = open_model(MODEL_TEXT, 1);
    wc_session *s = open_session(m);
    wc_error err = {0};
    int32_t ids[300] = {0};
    const wc_prompt too_long = {.size = sizeof too_long, .ids = ids, .n_ids = 300};
    assert_false(wc_session_prompt(s, &too_long, &err));
    assert_int_equal(err.code, WC_REFUSED);
    assert_non_null(strstr(err.text, "300"));
    assert_non_null(strstr(err.text, "256"));
    ids[1] = 100000;
    const wc_prompt bad_id = {.size = sizeof bad_id, .ids = ids, .n_ids = 3};
    assert_false(wc_session_prompt(s, &bad_id, &err));
    assert_non_null(strstr(err.text, "100000"));
    ids[1] = 0;
    const wc_media picture = {.path = PICTURE};
    const wc_prompt no_eyes = {
        .size = sizeof no_eyes, .ids = ids, .n_ids = 3, .media = &picture, .n_media = 1};
    assert_false(wc_session_prompt(s, &no_eyes, &err));
    assert_int_equal(err.code, WC_REFUSED);
    assert_false(wc_generate(&s, 1, NULL, NULL, NULL, &err)); /* no prompt */
    wc_session_free(s);
    wc_model_free(m);
}

/* The token that takes a sequence over to LongRoPE's other list is the best of logits that can still be read. */
static void test_logits_at_rope_switch(void **state)
{
    wc_model *m = open_model(SOURCE_ROOT "/tests/goldens/phi3_longrope", 1);
    wc_session *s = open_session(m);
    for (int n = 31; n <= 33; n++) {
        int32_t ids[33];
        wc_result r = {.size = sizeof r};
        size_t n_vocab = 0;
        for (int i = 0; i < n; i++)
            ids[i] = 3 + i * 37 % 200;
        set_ids(s, ids, (size_t)n);
        generate(&s, 1, 1, 0);
        wc_session_result(s, &r);
        const float *logits = wc_session_logits(s, &n_vocab);
        assert_non_null(logits);
        assert_int_equal(r.n_ids, 1);
        for (size_t i = 0; i < n_vocab; i++)
            assert_true(logits[i] <= logits[r.ids[0]]);
    }
    wc_session_free(s);
    wc_model_free(m);
}

/* ---- sound ---- */

/* Sets a text with a place for a sound. */
static bool hear(wc_session *s, const wc_sound *sounds, size_t n, const char *text, wc_error *err)
{
    const wc_prompt p = {.size = sizeof p, .text = text, .sounds = sounds, .n_sounds = n};
    return wc_session_prompt(s, &p, err);
}

/* A file, its bytes and its samples are one sound; what has been heard is not heard again, and another sound is another. */
static void test_sound(void **state)
{
    static const char text[] = "hear <audio_soft_token>write";
    wc_model *m = open_model(MODEL_MM, 2);
    wc_session *s = open_session(m);
    wc_error err = {0};
    char bytes[50000];
    float samples[25000];
    FILE *f = fopen(MODEL_MM "/sound_a.wav", "rb");
    const size_t n = fread(bytes, 1, sizeof bytes, f);
    fclose(f);
    const size_t n_samples = (n - 44) / 2;
    for (size_t i = 0; i < n_samples; i++) {
        int16_t x;
        memcpy(&x, bytes + 44 + 2 * i, 2);
        samples[i] = (float)x / 32768;
    }
    const wc_sound file = {.path = MODEL_MM "/sound_a.wav"}, data = {.data = bytes, .n_bytes = n},
                   numbers = {.samples = samples, .n_samples = n_samples, .rate = 16000},
                   other = {.path = MODEL_MM "/sound_b.wav"};
    if (!hear(s, &file, 1, text, &err))
        fail_msg("%s", err.text);
    generate(&s, 1, 12, 0);
    struct answer first = keep(s);
    const wc_sound *same[] = {&data, &numbers};
    for (int i = 0; i < 2; i++) {
        assert_true(hear(s, same[i], 1, text, &err));
        wc_result r = {.size = sizeof r};
        wc_session_result(s, &r);
        assert_int_equal(r.n_cached, r.n_prompt - 1);
        generate(&s, 1, 12, 0);
        struct answer again = keep(s);
        assert_memory_equal(again.ids, first.ids, sizeof first.ids);
        free(again.logits);
    }
    assert_true(hear(s, &other, 1, text, &err));
    wc_result r = {.size = sizeof r};
    wc_session_result(s, &r);
    assert_true(r.n_cached < r.n_prompt - 12); /* up to the sound, and not into it */
    assert_true(r.audio_seconds > 0);
    free(first.logits);
    wc_session_free(s);
    wc_model_free(m);
}

static void expect_deaf(wc_session *s, const wc_sound *sounds, size_t n, const char *text, int code,
                        const char *why)
{
    wc_error err = {0};
    assert_false(hear(s, sounds, n, text, &err));
    assert_int_equal(err.code, code);
    if (!strstr(err.text, why))
        fail_msg("expected \"%s\", found \"%s\"", why, err.text);
}

static void test_sound_refusals(void **state)
{
    static float silence[40000];
    wc_model *m = open_model(MODEL_MM, 1), *mini = open_model(MODEL_MINI, 1),
             *text = open_model(MODEL_TEXT, 1);
    wc_session *s = open_session(m), *deaf = open_session(mini);
    const wc_sound a = {.path = MODEL_MM "/sound_a.wav"}, none = {.path = NULL},
                   absent = {.path = "/no/such.wav"},
                   brief = {.samples = silence, .n_samples = 1, .rate = 16000},
                   lengthy = {.samples = silence, .n_samples = 40000, .rate = 16000},
                   rateless = {.samples = silence, .n_samples = 4000};
    expect_deaf(s, &a, 1, "no place", WC_REFUSED, "sounds: the prompt has 0 places for sounds, 1 given");
    expect_deaf(s, NULL, 0, "<audio_soft_token>", WC_REFUSED,
                "sounds: the prompt has 1 place for sounds, 0 given");
    expect_deaf(s, &none, 1, "<audio_soft_token>", WC_BAD_ARGUMENT,
                "expected a path, bytes or samples, found nothing");
    expect_deaf(s, &absent, 1, "<audio_soft_token>", WC_NOT_FOUND, "/no/such.wav");
    wc_error err = {0};
    assert_true(hear(s, &brief, 1, "<audio_soft_token>", &err)); /* less than a frame is padded to one */
    expect_deaf(s, &lengthy, 1, "<audio_soft_token>", WC_REFUSED,
                "sound: 2.5 s are too long; expected at most 1.952 s (12 places");
    expect_deaf(s, &rateless, 1, "<audio_soft_token>", WC_REFUSED,
                "sample rate: expected 1000 to 768000 Hz, found 0");
    expect_deaf(deaf, &a, 1, "hello", WC_REFUSED,
                "this model takes no sound (its audio tower was never trained), 1 given; choose one with "
                "audio input");
    wc_session_free(s);
    wc_session_free(deaf);
    s = open_session(text);
    const wc_prompt no_ears = {
        .size = sizeof no_ears, .ids = prompt_ids, .n_ids = 3, .sounds = &a, .n_sounds = 1};
    assert_false(wc_session_prompt(s, &no_ears, &err));
    assert_int_equal(err.code, WC_REFUSED);
    assert_non_null(strstr(err.text, "this model takes no sound, 1 given"));
    wc_session_free(s);
    wc_model_free(text);
    wc_model_free(mini);
    wc_model_free(m);
}

int main(void)
{
    for (int i = 0; i < N_PROMPT; i++)
        prompt_ids[i] = i == 0 ? 2 : 3 + i * 37 % 340;
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_chunks),
                                       cmocka_unit_test(test_threads),
                                       cmocka_unit_test(test_batch),
                                       cmocka_unit_test(test_reuse),
                                       cmocka_unit_test(test_picture),
                                       cmocka_unit_test(test_refusals),
                                       cmocka_unit_test(test_sound),
                                       cmocka_unit_test(test_sound_refusals),
                                       cmocka_unit_test(test_logits_at_rope_switch)};
    return cmocka_run_group_tests_name("session", tests, NULL, NULL);
}
