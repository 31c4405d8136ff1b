/* search.c - see search.h.  Every vector is looked at: exact, and 100,000 of them take half a second. */
#include "documents/search.h"

#include "whinchat.h"

struct best {
    int64_t chunk;
    float score;
};

struct search {
    const float *question;
    size_t width, n, room;
    float least;
    struct best *best; /* [n <= room], best first */
};

static bool look(void *user, const int64_t *chunks, const float *vectors, size_t n, wc_error *err)
{
    struct search *s = user;
    float scores[DOCS_BATCH];
    if (!wc_similarity(s->question, vectors, n, s->width, scores, err))
        return false;
    for (size_t i = 0; i < n; i++) {
        if (!(scores[i] >= s->least) || (s->n == s->room && scores[i] <= s->best[s->n - 1].score))
            continue;
        size_t at = s->n < s->room ? s->n++ : s->n - 1;
        for (; at > 0 && s->best[at - 1].score < scores[i]; at--)
            s->best[at] = s->best[at - 1];
        s->best[at] = (struct best){chunks[i], scores[i]};
    }
    return true;
}

bool docs_search(docs_store *store, const float *question, size_t n, float least, wc_arena *a,
                 docs_passage **out, size_t *found, wc_error *err)
{
    struct search s = {
        .question = question, .width = docs_store_settings(store)->width, .room = n, .least = least};
    s.best = wc_arena_zalloc(a, n + 1, sizeof *s.best);
    *out = wc_arena_zalloc(a, n + 1, sizeof **out);
    if (!s.best || !*out)
        return wc_fail_memory(err, n * sizeof **out);
    if (!docs_store_vectors(store, look, &s, err))
        return false;
    for (*found = 0; *found < s.n; ++*found) {
        if (!docs_store_passage(store, s.best[*found].chunk, a, &(*out)[*found], err))
            return false;
        (*out)[*found].score = s.best[*found].score;
    }
    return true;
}
