/* image_text.c - see image_text.h: "\n\n" begin, the picture's places, end "\n\n". */
#include "models/image_text.h"

#include <stdio.h>

enum { AROUND_ROOM = 512 };

bool wc_image_text_read(wc_image_input *in, wc_arena *a, const wc_checkpoint *files, wc_error *err)
{
    const wc_json *tokens = wc_checkpoint_tokenizer_config(files);
    const char *keys[] = {"image_token", "boi_token", "eoi_token"}, *text[3];
    const char *fallback[] = {"<image_soft_token>", "<start_of_image>", "<end_of_image>"};
    for (int i = 0; i < 3; i++) {
        const wc_json *v = wc_json_get(tokens, keys[i]);
        text[i] = wc_arena_strdup(a, wc_json_is(v, WC_JSON_STRING) && v->n ? v->u.text : fallback[i]);
        if (!text[i])
            return wc_fail_memory(err, AROUND_ROOM);
    }
    char around[AROUND_ROOM];
    in->token = in->place = text[0];
    in->first = text[1];
    snprintf(around, sizeof around, "\n\n%s", text[1]);
    in->before = wc_arena_strdup(a, around);
    snprintf(around, sizeof around, "%s\n\n", text[2]);
    in->after = wc_arena_strdup(a, around);
    return in->before && in->after ? true : wc_fail_memory(err, AROUND_ROOM);
}
