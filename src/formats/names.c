/* names.c - where checkpoints of one model differ in the names of tensors, it is mostly in how the modules
 * are nested: a text model alone (model.layers.0), within a multimodal one (model.language_model.layers.0),
 * or as older versions of transformers nested them (language_model.model.layers.0).  A row of the table
 * lists prefixes that stand for each other; a name that begins with one of them may be found under any
 * other. */
#include "formats/names.h"

#include <stdio.h>
#include <string.h>

enum { MAX_SPELLINGS = 6 };

static const char *const rows[][MAX_SPELLINGS] = {
    {"model.language_model.", "language_model.model.", "model.", "language_model.", ""},
    {"lm_head.", "language_model.lm_head.", "model.lm_head."},
    {"model.vision_tower.", "vision_tower.", "model.vision_tower.vision_model.",
     "vision_tower.vision_model."},
    {"model.audio_tower.", "audio_tower."},
    {"model.embed_vision.", "embed_vision."},
    {"model.embed_audio.", "embed_audio."},
    {"model.multi_modal_projector.", "multi_modal_projector."},
    {"bert.", "model.", ""},
};
enum { N_ROWS = sizeof rows / sizeof *rows };

static bool begins_with(const char *s, const char *prefix)
{
    return strncmp(s, prefix, strlen(prefix)) == 0;
}

/* The longest prefix in the row that name begins with; NULL when there is none. */
static const char *own_prefix(const char *const *row, const char *name)
{
    const char *best = NULL;
    for (int j = 0; j < MAX_SPELLINGS && row[j]; j++)
        if (begins_with(name, row[j]) && (!best || strlen(row[j]) > strlen(best)))
            best = row[j];
    return best;
}

bool wc_name_spelling(const char *name, size_t i, char *out)
{
    size_t k = 0;
    if (strlen(name) >= WC_NAME_ROOM)
        return false;
    if (i == k++) {
        memcpy(out, name, strlen(name) + 1);
        return true;
    }
    for (int r = 0; r < N_ROWS; r++) {
        const char *own = own_prefix(rows[r], name);
        for (int j = 0; own && j < MAX_SPELLINGS && rows[r][j]; j++)
            if (rows[r][j] != own && i == k++)
                return snprintf(out, WC_NAME_ROOM, "%s%s", rows[r][j], name + strlen(own)) < WC_NAME_ROOM;
    }
    return false;
}
