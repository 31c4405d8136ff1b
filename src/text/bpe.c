/* bpe.c - see bpe.h.
 *
 * A word is a doubly linked list of symbols in an array.  A heap holds the pairs that can merge as rank << 32 | position,
 * so that the lowest rank comes first and the leftmost among equals.  Entries are not removed when a neighbour changes;
 * a stale one is skipped when it is popped, unless the pair that stands there now merges to the same token: that is what
 * the library does, and it can matter. */
#include "text/bpe.h"

#include <string.h>

#include "base/os.h"
#include "base/size.h"
#include "base/utf8.h"

struct wc_bpe_symbol {
    int32_t id;         /* -1: merged into the symbol before it */
    int32_t prev, next; /* -1: none */
};

bool wc_bpe_init(wc_bpe *b, wc_arena *a, const wc_vocab *vocab, size_t n_merges)
{
    size_t slots = 16;
    char bytes[4];
    *b = (wc_bpe){.vocab = vocab, .unk_id = -1, .room = n_merges, .seed = wc_random_seed()};
    if (n_merges > UINT32_MAX / 4)
        return false;
    while (slots < n_merges + n_merges / 2)
        slots *= 2;
    b->mask = slots - 1;
    b->merges = wc_arena_alloc(a, n_merges * sizeof *b->merges);
    b->slots = wc_arena_zalloc(a, slots, sizeof *b->slots);
    if (!b->merges || !b->slots)
        return false;
    for (uint32_t c = 0; c < 0x800; c++)
        b->char_ids[c] = wc_vocab_find(vocab, bytes, wc_utf8_encode(c, bytes));
    wc_vocab_byte_ids(vocab, b->byte_ids);
    return true;
}

static size_t hash_pair(const wc_bpe *b, int32_t left, int32_t right)
{
    uint64_t h = ((uint64_t)(uint32_t)left << 32 | (uint32_t)right) ^ b->seed;
    unsigned __int128 product = (unsigned __int128)h * (0x9e3779b97f4a7c15 ^ b->seed << 1);
    return (size_t)((uint64_t)product ^ (uint64_t)(product >> 64));
}

/* The slot of a pair, or the free one where it would go. */
static uint32_t *find_slot(const wc_bpe *b, int32_t left, int32_t right)
{
    for (size_t i = hash_pair(b, left, right);; i++) {
        uint32_t *slot = &b->slots[i & b->mask];
        if (*slot == 0)
            return slot;
        const struct wc_bpe_merge *merge = &b->merges[*slot - 1];
        if (merge->left == left && merge->right == right)
            return slot;
    }
}

void wc_bpe_prefetch(const wc_bpe *b, int32_t left, int32_t right)
{
    __builtin_prefetch(&b->slots[hash_pair(b, left, right) & b->mask], 1);
}

void wc_bpe_add_merge(wc_bpe *b, int32_t left, int32_t right, int32_t id)
{
    uint32_t *slot = find_slot(b, left, right);
    b->merges[b->n_merges] = (struct wc_bpe_merge){left, right, id};
    *slot = (uint32_t)++b->n_merges;
}

void wc_bpe_scratch_release(wc_bpe_scratch *z)
{
    wc_mem_free(z->symbols);
    wc_mem_free(z->heap);
    *z = (wc_bpe_scratch){0};
}

/* ---- the heap: the smallest entry at index 0 ------------------------------------------------------------------- */

static bool heap_push(wc_bpe_scratch *z, uint64_t entry)
{
    if (z->n_heap == z->heap_room) {
        size_t room = z->heap_room ? 2 * z->heap_room : 256;
        uint64_t *grown = wc_mem_realloc(z->heap, room * sizeof *grown);
        if (!grown)
            return false;
        z->heap = grown;
        z->heap_room = room;
    }
    size_t i = z->n_heap++;
    while (i > 0 && z->heap[(i - 1) / 2] > entry) {
        z->heap[i] = z->heap[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    z->heap[i] = entry;
    return true;
}

static uint64_t heap_pop(wc_bpe_scratch *z)
{
    uint64_t top = z->heap[0], last = z->heap[--z->n_heap];
    size_t i = 0;
    for (size_t child = 1; child < z->n_heap; child = 2 * i + 1) {
        if (child + 1 < z->n_heap && z->heap[child + 1] < z->heap[child])
            child++;
        if (z->heap[child] >= last)
            break;
        z->heap[i] = z->heap[child];
        i = child;
    }
    z->heap[i] = last;
    return top;
}

/* ---- symbols --------------------------------------------------------------------------------------------------- */

static bool add_symbol(wc_bpe_scratch *z, int32_t id)
{
    if (z->n_symbols == z->symbols_room) {
        size_t room = z->symbols_room ? 2 * z->symbols_room : 256;
        struct wc_bpe_symbol *grown = room > INT32_MAX ? NULL
                                                       : wc_mem_realloc(z->symbols, room * sizeof *grown);
        if (!grown)
            return false;
        z->symbols = grown;
        z->symbols_room = room;
    }
    int32_t at = (int32_t)z->n_symbols++;
    z->symbols[at] = (struct wc_bpe_symbol){id, at - 1, at + 1};
    return true;
}

/* The token of character s [n], which is the word's first or last or neither: with prefix and suffix as they apply. */
static int32_t find_char(const wc_bpe *b, const char *s, size_t n, bool first, bool last)
{
    char text[4 + 2 * 64];
    size_t used = 0;
    if (b->n_prefix == 0 && b->n_suffix == 0) {
        uint32_t c;
        wc_utf8_decode(s, n, &c);
        return c < 0x800 ? b->char_ids[c] : wc_vocab_find(b->vocab, s, n);
    }
    if (!first) {
        memcpy(text, b->prefix, b->n_prefix);
        used = b->n_prefix;
    }
    memcpy(text + used, s, n);
    used += n;
    if (last) {
        memcpy(text + used, b->suffix, b->n_suffix);
        used += b->n_suffix;
    }
    return wc_vocab_find(b->vocab, text, used);
}

/* All bytes of s have a token of the kind <0x0A>. */
static bool has_bytes(const wc_bpe *b, const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (b->byte_ids[(unsigned char)s[i]] < 0)
            return false;
    return true;
}

/* Characters to symbols.  Unknown ones become bytes, or unk (neighbours as one when fused), or nothing. */
static bool split_word(const wc_bpe *b, wc_bpe_scratch *z, const char *s, size_t n)
{
    bool unk = false; /* one is waiting to be added */
    bool ok = true;
    z->n_symbols = 0;
    for (size_t i = 0, len; ok && i < n; i += len) {
        uint32_t c;
        len = wc_utf8_decode(s + i, n - i, &c);
        int32_t id = find_char(b, s + i, len, i == 0, i + len == n);
        if (id >= 0) {
            ok = (!unk || add_symbol(z, b->unk_id)) && add_symbol(z, id);
            unk = false;
        } else if (b->byte_fallback && has_bytes(b, s + i, len)) {
            for (size_t k = 0; ok && k < len; k++)
                ok = add_symbol(z, b->byte_ids[(unsigned char)s[i + k]]);
        } else if (b->unk_id >= 0) {
            if (unk && !b->fuse_unk)
                ok = add_symbol(z, b->unk_id);
            unk = true;
        }
    }
    if (ok && unk)
        ok = add_symbol(z, b->unk_id);
    if (z->n_symbols > 0)
        z->symbols[z->n_symbols - 1].next = -1;
    return ok;
}

/* Puts the pair that begins at symbol pos on the heap if it can merge. */
static bool push_pair(const wc_bpe *b, wc_bpe_scratch *z, int32_t pos)
{
    int32_t next = z->symbols[pos].next;
    if (next < 0)
        return true;
    uint32_t slot = *find_slot(b, z->symbols[pos].id, z->symbols[next].id);
    return slot == 0 || heap_push(z, (uint64_t)(slot - 1) << 32 | (uint32_t)pos);
}

static bool merge_all(const wc_bpe *b, wc_bpe_scratch *z)
{
    z->n_heap = 0;
    for (size_t i = 0; i + 1 < z->n_symbols; i++)
        if (!push_pair(b, z, (int32_t)i))
            return false;
    while (z->n_heap > 0) {
        uint64_t entry = heap_pop(z);
        const struct wc_bpe_merge *merge = &b->merges[entry >> 32];
        int32_t pos = (int32_t)(entry & UINT32_MAX);
        struct wc_bpe_symbol *left = &z->symbols[pos];
        if (left->id < 0 || left->next < 0)
            continue;
        struct wc_bpe_symbol *right = &z->symbols[left->next];
        if (left->id != merge->left || right->id != merge->right) {
            uint32_t slot = *find_slot(b, left->id, right->id);
            if (slot == 0 || b->merges[slot - 1].id != merge->id)
                continue;
        }
        left->id = merge->id;
        right->id = -1;
        left->next = right->next;
        if (right->next >= 0)
            z->symbols[right->next].prev = pos;
        if ((left->prev >= 0 && !push_pair(b, z, left->prev)) || !push_pair(b, z, pos))
            return false;
    }
    return true;
}

bool wc_bpe_encode(const wc_bpe *b, wc_bpe_scratch *z, const char *s, size_t n, wc_ids *out, wc_error *err)
{
    if (b->ignore_merges) {
        int32_t id = wc_vocab_find(b->vocab, s, n);
        if (id >= 0)
            return wc_ids_add(out, id) || wc_fail_memory(err, n);
    }
    if (!split_word(b, z, s, n) || !merge_all(b, z))
        return wc_fail_memory(err, n * sizeof *z->symbols);
    for (size_t i = 0; i < z->n_symbols; i++)
        if (z->symbols[i].id >= 0 && !wc_ids_add(out, z->symbols[i].id))
            return wc_fail_memory(err, n * sizeof *out->data);
    return true;
}
