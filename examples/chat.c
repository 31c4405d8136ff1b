/* chat.c - a conversation: a line from standard input is a question, what was said before is remembered.
 *
 *     cc chat.c $(pkg-config --cflags --libs whinchat) -o chat
 *     ./chat gemma-3n-mini-it
 *
 * The whole history is given as the prompt each time; what the session has computed of it is not computed again. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <whinchat.h>

/* The request as it grows: {"messages": [message, message ...; the closing brackets are added for each question. */
struct history {
    char *json;
    size_t size, room;
};

static void add(struct history *h, const char *text, size_t n)
{
    if (h->size + n + 1 > h->room) {
        h->room = 2 * (h->size + n + 1);
        h->json = realloc(h->json, h->room);
        if (!h->json) {
            fputs("chat: no memory\n", stderr);
            exit(1);
        }
    }
    memcpy(h->json + h->size, text, n);
    h->size += n;
    h->json[h->size] = '\0';
}

static void add_text(struct history *h, const char *text)
{
    add(h, text, strlen(text));
}

/* A JSON string: quotes, backslashes and control characters are escaped, UTF-8 stays as it is. */
static void add_string(struct history *h, const char *s)
{
    char escaped[8];
    add_text(h, "\"");
    for (; *s; s++) {
        if (*s == '"' || *s == '\\' || (unsigned char)*s < 0x20) {
            snprintf(escaped, sizeof escaped, "\\u%04x", (unsigned)(unsigned char)*s);
            add_text(h, escaped);
        } else {
            add(h, s, 1);
        }
    }
    add_text(h, "\"");
}

static void add_message(struct history *h, const char *role, const char *text)
{
    if (h->size == 0)
        add_text(h, "{\"messages\": [");
    else
        add_text(h, ", ");
    add_text(h, "{\"role\": \"");
    add_text(h, role);
    add_text(h, "\", \"content\": ");
    add_string(h, text);
    add_text(h, "}");
}

static bool print(void *user, const wc_event *event)
{
    (void)user;
    fwrite(event->text, 1, event->n_bytes, stdout);
    fflush(stdout);
    return true;
}

static bool answer(wc_session *session, struct history *h, wc_error *err)
{
    wc_prompt prompt = {.size = sizeof prompt};
    const size_t end = h->size;
    add_text(h, "]}");
    prompt.chat = h->json;
    bool ok = wc_session_prompt(session, &prompt, err) && wc_generate(&session, 1, NULL, print, NULL, err);
    h->size = end;
    h->json[end] = '\0';
    if (ok)
        add_message(h, "assistant", wc_session_text(session));
    return ok;
}

int main(int argc, char **argv)
{
    wc_error err = {0};
    struct history history = {0};
    char line[4096];
    if (argc != 2) {
        fprintf(stderr, "usage: %s MODEL\n", argv[0]);
        return 2;
    }
    wc_model *model = wc_model_open(argv[1], NULL, &err);
    wc_session *session = model ? wc_session_new(model, NULL, &err) : NULL;
    bool ok = session != NULL;
    while (ok && fgets(line, sizeof line, stdin)) {
        line[strcspn(line, "\n")] = '\0';
        add_message(&history, "user", line);
        ok = answer(session, &history, &err);
        putchar('\n');
    }
    if (!ok)
        fprintf(stderr, "%s: %s\n", argv[0], err.text);
    free(history.json);
    wc_session_free(session);
    wc_model_free(model);
    return ok ? 0 : 1;
}
