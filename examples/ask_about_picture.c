/* ask_about_picture.c - a question about a picture, the answer printed as it comes:
 *
 *     cc ask_about_picture.c $(pkg-config --cflags --libs whinchat) -o ask_about_picture
 *     ./ask_about_picture gemma-3n-mini-it guitarist.png
 *
 * The chat is JSON, as transformers takes it; the picture fills the place {"type": "image"}. */
#include <stdio.h>

#include <whinchat.h>

static const char chat[] =
    "{\"messages\": [{\"role\": \"user\", \"content\": ["
    "{\"type\": \"image\"},"
    "{\"type\": \"text\", \"text\": \"What musical instrument is the person playing?\"}]}]}";

/* New text of the answer: whole characters, not NUL-terminated.  false would end the answer. */
static bool print(void *user, const wc_event *event)
{
    (void)user;
    fwrite(event->text, 1, event->n_bytes, stdout);
    fflush(stdout);
    return true;
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: %s MODEL PICTURE\n", argv[0]);
        return 2;
    }
    wc_error err = {0};
    wc_media picture = {.path = argv[2]};
    wc_prompt prompt = {.size = sizeof prompt, .chat = chat, .media = &picture, .n_media = 1};
    wc_generate_options options = {.size = sizeof options, .sampling = 1, .max_new_tokens = 100};

    wc_model *model = wc_model_open(argv[1], NULL, &err);
    wc_session *session = model ? wc_session_new(model, NULL, &err) : NULL;
    bool ok = session && wc_session_prompt(session, &prompt, &err) &&
              wc_generate(&session, 1, &options, print, NULL, &err);
    if (ok)
        putchar('\n');
    else
        fprintf(stderr, "%s: %s\n", argv[0], err.text);
    wc_session_free(session);
    wc_model_free(model);
    return ok ? 0 : 1;
}
