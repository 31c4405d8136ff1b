/* spans.c - see spans.h. */
#include "text/spans.h"

#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"

enum { EXTRA = 4096 }; /* bytes that a character may have between two steps */

bool wc_spans_add(wc_spans *spans, wc_span span, wc_error *err)
{
    if (spans->size == spans->room) {
        const size_t room = spans->room ? 2 * spans->room : 64;
        wc_span *grown = room > SIZE_MAX / sizeof *grown ? NULL
                                                         : wc_mem_realloc(spans->data, room * sizeof *grown);
        if (!grown)
            return wc_fail_memory(err, room);
        spans->data = grown;
        spans->room = room;
    }
    spans->data[spans->size++] = span;
    return true;
}

void wc_spans_release(wc_spans *spans)
{
    wc_mem_free(spans->data);
    *spans = (wc_spans){0};
}

/* One thread's memory for normalizing a piece. */
struct room {
    wc_matcher matcher;
    wc_buf buffers[2];
};

/* The map by pieces of s; *same is false where these do not make done. */
static bool map_pieces(const wc_normalizer *z, struct room *room, bool clusters, const char *s, size_t n,
                       const char *done, size_t n_done, wc_spans *map, bool *same, wc_error *err)
{
    size_t at = 0, length;
    uint32_t c;
    for (size_t i = 0; i < n; i += length) {
        const char *piece;
        size_t n_piece;
        length = clusters ? wc_grapheme_bytes(s + i, n - i) : wc_utf8_decode(s + i, n - i, &c);
        if (!wc_normalizer_run(z, &room->matcher, s + i, length, room->buffers, &piece, &n_piece, err))
            return false;
        *same = n_piece <= n_done - at && memcmp(done + at, piece, n_piece) == 0;
        if (!*same)
            return true;
        at += n_piece;
        for (size_t k = 0; k < n_piece; k++)
            if (!wc_spans_add(map, (wc_span){(uint32_t)i, (uint32_t)(i + length)}, err))
                return false;
    }
    *same = at == n_done;
    return true;
}

bool wc_spans_of_normalized(const wc_normalizer *z, const char *s, size_t n, const char *done, size_t n_done,
                            wc_spans *map, wc_error *err)
{
    const size_t before = map->size;
    struct room room;
    bool same = false, ok = true, local = true;
    for (size_t i = 0; i < z->n_steps; i++) /* what is done at the ends of a text would be done at those of each piece */
        local &= z->steps[i].kind != WC_NORM_PREPEND && z->steps[i].kind != WC_NORM_APPEND &&
                 z->steps[i].kind != WC_NORM_STRIP;
    wc_matcher_init(&room.matcher, n);
    wc_buf_init(&room.buffers[0], n_done + n + EXTRA);
    wc_buf_init(&room.buffers[1], n_done + n + EXTRA);
    for (int clusters = 0; local && ok && !same && clusters < 2; clusters++) {
        map->size = before;
        ok = map_pieces(z, &room, clusters, s, n, done, n_done, map, &same, err);
    }
    wc_matcher_release(&room.matcher);
    wc_buf_release(&room.buffers[0]);
    wc_buf_release(&room.buffers[1]);
    if (ok && !same)
        ok = wc_fail(err, WC_UNSUPPORTED,
                     "%s: normalizer: it cannot be told which characters of this text become which, so that "
                     "tokens have no places in it",
                     z->file);
    return ok;
}
