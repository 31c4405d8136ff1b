/* image_text.c - see image_text.h. */
#include "models/image_text.h"

#include <stdio.h>

enum { AROUND_ROOM = 512 };

bool wc_places_read(wc_places *p, wc_arena *a, const wc_checkpoint *files, const char *const keys[3],
                    const char *const fallback[3], wc_error *err)
{
    const wc_json *tokens = wc_checkpoint_tokenizer_config(files);
    const char *text[3];
    for (int i = 0; i < 3; i++) {
        const wc_json *v = wc_json_get(tokens, keys[i]);
        text[i] = wc_arena_strdup(a, wc_json_is(v, WC_JSON_STRING) && v->n > 0 ? v->u.text : fallback[i]);
        if (!text[i])
            return wc_fail_memory(err, AROUND_ROOM);
    }
    char around[AROUND_ROOM];
    *p = (wc_places){.token = text[0], .begin = text[1]};
    snprintf(around, sizeof around, "\n\n%s", text[1]);
    p->before = wc_arena_strdup(a, around);
    snprintf(around, sizeof around, "%s\n\n", text[2]);
    p->after = wc_arena_strdup(a, around);
    return p->before && p->after ? true : wc_fail_memory(err, AROUND_ROOM);
}

bool wc_image_text_read(wc_image_input *in, wc_arena *a, const wc_checkpoint *files, wc_error *err)
{
    static const char *const keys[] = {"image_token", "boi_token", "eoi_token"};
    static const char *const fallback[] = {"<image_soft_token>", "<start_of_image>", "<end_of_image>"};
    wc_places p;
    if (!wc_places_read(&p, a, files, keys, fallback, err))
        return false;
    in->place = in->token = p.token;
    in->first = p.begin;
    in->before = p.before;
    in->after = p.after;
    return true;
}
