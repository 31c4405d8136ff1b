/* minimal.c - from a picture and a question to the answer:
 *
 *     build/examples/minimal gemma-3n-mini-it examples/guitarist.png
 *
 * The same program stands at the top of include/whinchat.h. */
#include <stdio.h>

#include <whinchat.h>

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: %s MODEL PICTURE\n", argv[0]);
        return 2;
    }
    wc_error err = {0};
    wc_model *model = wc_model_open(argv[1], NULL, &err);
    wc_session *session = model ? wc_session_new(model, NULL, &err) : NULL;
    wc_media picture = {.path = argv[2]};
    wc_prompt prompt = {.size = sizeof prompt,
                        .media = &picture,
                        .n_media = 1,
                        .chat = "{\"messages\": [{\"role\": \"user\", \"content\": [{\"type\": \"image\"},"
                                " {\"type\": \"text\", \"text\": \"What musical instrument is the person"
                                " playing?\"}]}]}"};
    bool ok = session && wc_session_prompt(session, &prompt, &err) &&
              wc_generate(&session, 1, NULL, NULL, NULL, &err);
    if (ok)
        puts(wc_session_text(session));
    else
        fprintf(stderr, "%s\n", err.text);
    wc_session_free(session);
    wc_model_free(model);
    return ok ? 0 : 1;
}
