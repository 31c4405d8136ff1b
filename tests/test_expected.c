/* test_expected.c - the shipped model answers about pictures as transformers does.
 *
 * tests/goldens/expected/expected.json holds conversations with transformers' prompt ids and greedy answers.  Every
 * turn is asked afresh, with the reference's earlier answers as history: the prompt ids must be identical always, the
 * answer word for word where the reference is comfortable (its two best logits are never closer than 0.5).  All turns
 * are computed one by one and in batches of 8, with 1 thread and with 2, and must give the same ids each time (at the
 * slow reference level only the first and the last of these four).
 *
 * Runs in the source folder.  The kernel level is the one that WHINCHAT_CPU names; exit 77 when the CPU lacks it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/file_map.h"
#include "base/json.h"
#include "whinchat.h"

#define FOLDER "tests/goldens/expected/"
#define MODEL  "models/gemma-3n-mini-it"

enum { BATCH = 8, MAX_TURNS = 400, MAX_MEDIA = 8, MAX_NEW_TOKENS = 96, MAX_BAD = 5 };

/* One question with all that went before it. */
struct turn {
    const char *id;   /* of the conversation */
    const char *chat; /* the request */
    wc_media media[MAX_MEDIA];
    size_t n_media;
    const wc_json *prompt_ids, *ids, *text; /* the reference's */
    bool comfortable;
    int32_t first[MAX_NEW_TOKENS]; /* what the first configuration answered */
    size_t n_first;                /* 0: not yet */
};

static struct {
    wc_arena *arena;
    struct turn *turns; /* [n] */
    size_t n;
} expected;

/* ---- the conversations ------------------------------------------------------------------------------------------ */

static const char *text_of(const wc_json *v)
{
    assert_true(wc_json_is(v, WC_JSON_STRING));
    return v->u.text;
}

static void add_message(wc_buf *chat, const char *role, const char *text)
{
    wc_buf_printf(chat, "%s{\"role\":\"%s\",\"content\":[{\"type\":\"text\",\"text\":",
                  chat->data[chat->size - 1] == '[' ? "" : ",", role);
    wc_buf_json_string(chat, text, strlen(text));
    wc_buf_puts(chat, "}]}");
}

static size_t count_images(const wc_json *message)
{
    const wc_json *content = wc_json_get(message, "content");
    size_t n = 0;
    for (size_t i = 0; i < wc_json_count(content); i++)
        n += wc_json_string_is(wc_json_get(wc_json_item(content, i), "type"), "image");
    return n;
}

static void add_conversation(const wc_json *c)
{
    const wc_json *images = wc_json_get(c, "images"), *turns = wc_json_get(c, "turns");
    const wc_json *system = wc_json_get(c, "system");
    size_t n_media = 0;
    wc_buf chat;

    wc_buf_init(&chat, 1 << 20);
    wc_buf_puts(&chat, "{\"messages\":[");
    if (!wc_json_is_null(system))
        add_message(&chat, "system", text_of(system));
    for (size_t i = 0; i < wc_json_count(turns); i++) {
        const wc_json *t = wc_json_item(turns, i), *want = wc_json_get(t, "float32");
        assert_true(expected.n < MAX_TURNS);
        struct turn *turn = &expected.turns[expected.n++];

        if (chat.data[chat.size - 1] != '[')
            wc_buf_putc(&chat, ',');
        wc_json_write(&chat, wc_json_get(t, "user"));
        n_media += count_images(wc_json_get(t, "user"));
        assert_true(n_media <= MAX_MEDIA && n_media <= wc_json_count(images));
        turn->id = text_of(wc_json_get(c, "id"));
        turn->n_media = n_media;
        for (size_t k = 0; k < n_media; k++) {
            char path[300];
            snprintf(path, sizeof path, FOLDER "%s", text_of(wc_json_item(images, k)));
            turn->media[k].path = wc_arena_strdup(expected.arena, path);
        }
        turn->prompt_ids = wc_json_get(t, "prompt_ids");
        turn->ids = wc_json_get(want, "ids");
        turn->text = wc_json_get(want, "text");
        turn->comfortable = wc_json_is(wc_json_get(want, "comfortable"), WC_JSON_TRUE);
        assert_true(wc_json_count(turn->ids) <= MAX_NEW_TOKENS);
        const size_t end = chat.size;
        wc_buf_puts(&chat, "],\"add_generation_prompt\":true}");
        assert_true(wc_buf_ok(&chat));
        turn->chat = wc_arena_strdup(expected.arena, chat.data);
        chat.size = end;
        add_message(&chat, "assistant", text_of(turn->text));
    }
    wc_buf_release(&chat);
}

static int load(void **state)
{
    wc_error err = {0};
    wc_file_map map = {0};

    expected.arena = wc_arena_new(0);
    expected.turns = wc_arena_zalloc(expected.arena, MAX_TURNS, sizeof *expected.turns);
    if (!wc_file_map_open(&map, FOLDER "expected.json", &err))
        fail_msg("%s", err.text);
    const wc_json *doc = wc_json_parse(expected.arena, (const char *)map.data, map.size, "expected.json", 0,
                                       &err);
    if (!doc)
        fail_msg("%s", err.text);
    const wc_json *conversations = wc_json_get(doc, "conversations");
    for (size_t i = 0; i < wc_json_count(conversations); i++)
        add_conversation(wc_json_item(conversations, i));
    wc_file_map_close(&map);
    assert_int_equal(expected.n, 133);
    return 0;
}

static int unload(void **state)
{
    wc_arena_free(expected.arena);
    return 0;
}

/* ---- asking ----------------------------------------------------------------------------------------------------- */

static bool same_ids(const int32_t *got, size_t n, const wc_json *want)
{
    if (n != wc_json_count(want))
        return false;
    for (size_t i = 0; i < n; i++)
        if (got[i] != (int32_t)wc_json_number(wc_json_item(want, i), -1))
            return false;
    return true;
}

/* Whether the session's answer is the wanted one; says what is not. */
static bool check_answer(struct turn *t, const wc_session *session)
{
    wc_result r = {.size = sizeof r};
    bool ok = true;

    wc_session_result(session, &r);
    if (!same_ids(r.prompt_ids, r.n_prompt, t->prompt_ids)) {
        print_error("%s: prompt ids differ (%zu, expected %zu)\n", t->id, r.n_prompt,
                    wc_json_count(t->prompt_ids));
        ok = false;
    }
    if (t->comfortable && strcmp(wc_session_text(session), t->text->u.text) != 0) {
        print_error("%s: expected \"%s\"\n      found    \"%s\"\n", t->id, t->text->u.text,
                    wc_session_text(session));
        ok = false;
    }
    if (t->comfortable && !same_ids(r.ids, r.n_ids, t->ids)) {
        print_error("%s: the answer's ids differ\n", t->id);
        ok = false;
    }
    assert_true(r.n_ids > 0 && r.n_ids <= MAX_NEW_TOKENS);
    if (t->n_first == 0) {
        memcpy(t->first, r.ids, r.n_ids * sizeof *r.ids);
        t->n_first = r.n_ids;
    }
    if (t->n_first != r.n_ids || memcmp(t->first, r.ids, r.n_ids * sizeof *r.ids) != 0) {
        print_error("%s: not the ids of one thread and one conversation\n", t->id);
        ok = false;
    }
    return ok;
}

/* Asks turns [n] together, in sessions [n] of the model. */
static size_t ask(wc_session **sessions, struct turn *turns, size_t n)
{
    const wc_generate_options options = {
        .size = sizeof options, .sampling = 1, .max_new_tokens = MAX_NEW_TOKENS};
    wc_error err = {0};
    size_t n_bad = 0;

    for (size_t i = 0; i < n; i++) {
        const wc_prompt prompt = {.size = sizeof prompt,
                                  .chat = turns[i].chat,
                                  .media = turns[i].media,
                                  .n_media = turns[i].n_media};
        if (!wc_session_prompt(sessions[i], &prompt, &err))
            fail_msg("%s: %s", turns[i].id, err.text);
    }
    if (!wc_generate(sessions, n, &options, NULL, NULL, &err))
        fail_msg("%s: %s", turns[0].id, err.text);
    for (size_t i = 0; i < n; i++)
        n_bad += !check_answer(&turns[i], sessions[i]);
    return n_bad;
}

/* All turns, batch at a time. */
static void ask_all(int n_threads, size_t batch)
{
    const wc_model_options options = {.size = sizeof options, .n_threads = n_threads};
    wc_session *sessions[BATCH] = {0};
    wc_error err = {0};
    size_t n_bad = 0;

    wc_model *model = wc_model_open(MODEL, &options, &err);
    if (!model)
        fail_msg("%s", err.text);
    for (size_t i = 0; i < batch; i++)
        if (!(sessions[i] = wc_session_new(model, NULL, &err)))
            fail_msg("%s", err.text);
    for (size_t i = 0; i < expected.n && n_bad < MAX_BAD; i += batch)
        n_bad += ask(sessions, &expected.turns[i], expected.n - i < batch ? expected.n - i : batch);
    for (size_t i = 0; i < batch; i++)
        wc_session_free(sessions[i]);
    wc_model_free(model);
    assert_int_equal(n_bad, 0);
}

static void test_single_1_thread(void **state)
{
    ask_all(1, 1);
}

static void test_single_2_threads(void **state)
{
    ask_all(2, 1);
}

static void test_batch_1_thread(void **state)
{
    ask_all(1, BATCH);
}

static void test_batch_2_threads(void **state)
{
    ask_all(2, BATCH);
}

/* Whether this CPU has the kernel level that WHINCHAT_CPU asks for. */
static bool has_level(const char *level)
{
    wc_error err = {0};
    wc_arena *a = wc_arena_new(0);
    char *machine = wc_machine_json();
    const wc_json *levels = wc_json_get(wc_json_parse(a, machine, strlen(machine), "machine", 0, &err),
                                        "levels");
    bool found = false;
    for (size_t i = 0; i < wc_json_count(levels); i++)
        found |= wc_json_string_is(wc_json_item(levels, i), level);
    wc_free(machine);
    wc_arena_free(a);
    return found;
}

int main(void)
{
    const char *level = getenv("WHINCHAT_CPU");
    if (level && !has_level(level)) {
        printf("not run: this CPU has no %s\n", level);
        return 77;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_single_1_thread), cmocka_unit_test(test_single_2_threads),
        cmocka_unit_test(test_batch_1_thread), cmocka_unit_test(test_batch_2_threads)};
    const struct CMUnitTest few[] = {cmocka_unit_test(test_single_1_thread),
                                     cmocka_unit_test(test_batch_2_threads)};
    if (level && strcmp(level, "reference") == 0)
        return cmocka_run_group_tests_name("expected", few, load, unload);
    return cmocka_run_group_tests_name("expected", tests, load, unload);
}
