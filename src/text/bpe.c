/* bpe.c - see bpe.h.
 *
 * A short word is an array of symbols whose best pair is searched for again after every merge.  A long one is a doubly linked
 * list, and a heap holds the pairs that can merge, so that the best comes first and the leftmost among equals.  Entries are
 * not removed when a neighbour changes; a stale one is skipped when it is popped, unless the pair that stands there now merges
 * to the same token: that is what the library does.  (Without a prefix it never happens: another pair at that place reaches
 * further, and so makes a longer token.)
 *
 * SentencePiece has no merges but scores.  There the pairs are compared by what transformers sorts by when it makes merges of
 * the pieces: the score, the length of the left part in characters, that of the right one, the id of the product.
 *
 * Most words never get there.  A vocabulary written with \u2581 for spaces has no pre-tokenizer, and a whole text is one word; but
 * where no token has a \u2581 behind some byte, no merge leads across that place, and it can be cut there.  And a word that is a token
 * is most often encoded as that one: whether it is, is found out at its first use and noted. */
#include "text/bpe.h"

#include <string.h>

#include "base/os.h"
#include "base/size.h"
#include "base/utf8.h"

enum { SHORT_WORD = 32, MAX_CHAR_IDS = 0x10000 };
static const char SPACE[] = "\u2581";
enum { SPACE_BYTES = sizeof SPACE - 1 };

/* What is known of a token.  Threads that share a tokenizer may note the same of one at the same time. */
enum note {
    NOTE_WHOLE = 1, /* its spelling is encoded as the token itself, */
    NOTE_PARTS = 2, /* or is not; neither: not tried yet */
    NOTE_BYTE = 4   /* it stands for a byte, not for its spelling */
};

struct wc_bpe_entry {
    uint64_t key;
    int32_t id, pos; /* of the product, and where its left part is */
};

struct wc_bpe_symbol {
    int32_t id;         /* -1: merged into the symbol before it */
    int32_t prev, next; /* -1: none */
    int32_t bytes;      /* of the word, when they are measured */
};

/* ---- tables ---------------------------------------------------------------------------------------------------- */

/* The code point of a token that is one character, else n_char_ids' bound. */
static uint32_t char_of(const char *s, size_t n)
{
    uint32_t c;
    return n > 0 && n <= 4 && wc_utf8_decode(s, n, &c) == n && c < MAX_CHAR_IDS ? c : MAX_CHAR_IDS;
}

/* Looks through the vocabulary once: for tokens of one character, the longest one, and where a \u2581 follows something. */
static bool survey(wc_bpe *b, wc_arena *a)
{
    const wc_vocab *v = b->vocab;
    size_t n;
    for (size_t id = 0; id < v->n_ids; id++) {
        const char *s = wc_vocab_token(v, (int32_t)id, &n);
        const uint32_t c = s ? char_of(s, n) : MAX_CHAR_IDS;
        if (c < MAX_CHAR_IDS)
            b->n_char_ids = wc_max_size(b->n_char_ids, c + 1);
        b->longest = s ? wc_max_size(b->longest, n) : b->longest;
        for (size_t i = 1; s && i + SPACE_BYTES <= n; i++)
            if (s[i] == SPACE[0] && memcmp(s + i, SPACE, SPACE_BYTES) == 0)
                b->joins[(unsigned char)s[i - 1]] = true;
    }
    b->char_ids = wc_arena_alloc(a, b->n_char_ids * sizeof *b->char_ids);
    if (!b->char_ids)
        return false;
    memset(b->char_ids, 0xff, b->n_char_ids * sizeof *b->char_ids);
    for (size_t id = 0; id < v->n_ids; id++) {
        const char *s = wc_vocab_token(v, (int32_t)id, &n);
        const uint32_t c = s ? char_of(s, n) : MAX_CHAR_IDS;
        if (c < MAX_CHAR_IDS)
            b->char_ids[c] = (int32_t)id;
    }
    return true;
}

/* What lists of merges and scores have in common. */
static bool init(wc_bpe *b, wc_arena *a, const wc_vocab *vocab)
{
    *b = (wc_bpe){.vocab = vocab, .unk_id = -1, .seed = wc_random_seed()};
    b->notes = wc_arena_zalloc(a, vocab->n_ids, 1);
    if (!b->notes || !survey(b, a))
        return false;
    wc_vocab_byte_ids(vocab, b->byte_ids);
    b->all_bytes = true;
    for (int i = 0; i < 256; i++) {
        if (b->byte_ids[i] >= 0)
            b->notes[b->byte_ids[i]] = NOTE_BYTE;
        else
            b->all_bytes = false;
    }
    b->may_cut = wc_vocab_find(vocab, SPACE, SPACE_BYTES) >= 0;
    return true;
}

bool wc_bpe_init(wc_bpe *b, wc_arena *a, const wc_vocab *vocab, size_t n_merges)
{
    size_t slots = 16;
    if (n_merges > UINT32_MAX / 4 || !init(b, a, vocab))
        return false;
    while (slots < n_merges + n_merges / 2)
        slots *= 2;
    b->mask = slots - 1;
    b->merges = wc_arena_alloc(a, n_merges * sizeof *b->merges);
    b->slots = wc_arena_zalloc(a, slots, sizeof *b->slots);
    return b->merges && b->slots;
}

/* A token that begins or ends with a byte's or the unknown token's spelling could be made of it: its symbol is not what it
 * is spelled. */
static bool may_have_symbol(const wc_bpe *b, const char *s, size_t n)
{
    size_t n_unk = 0;
    const char *unk = wc_vocab_token(b->vocab, b->unk_id, &n_unk);
    return (n > 6 && (memcmp(s, "<0x", 3) == 0 || memcmp(s + n - 6, "<0x", 3) == 0)) ||
           (unk && n > n_unk && (memcmp(s, unk, n_unk) == 0 || memcmp(s + n - n_unk, unk, n_unk) == 0));
}

bool wc_bpe_init_scores(wc_bpe *b, wc_arena *a, const wc_vocab *vocab, const double *scores, int32_t unk_id)
{
    size_t n;
    if (!init(b, a, vocab))
        return false;
    b->scores = scores;
    b->unk_id = unk_id;
    for (size_t id = 0; id < vocab->n_ids; id++) {
        const char *s = wc_vocab_token(vocab, (int32_t)id, &n);
        if (s && may_have_symbol(b, s, n))
            b->may_cut = false;
    }
    return true;
}

static uint64_t hash_pair(const wc_bpe *b, int32_t left, int32_t right)
{
    uint64_t h = ((uint64_t)(uint32_t)left << 32 | (uint32_t)right) ^ b->seed;
    unsigned __int128 product = (unsigned __int128)h * (0x9e3779b97f4a7c15 ^ b->seed << 1);
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* The slot of a pair, or the free one where it would go. */
static struct wc_bpe_slot *find_slot(const wc_bpe *b, uint64_t hash, int32_t left, int32_t right)
{
    const uint32_t tag = (uint32_t)(hash >> 32);
    for (size_t i = (size_t)hash;; i++) {
        struct wc_bpe_slot *slot = &b->slots[i & b->mask];
        if (slot->index == 0)
            return slot;
        const struct wc_bpe_merge *merge = &b->merges[slot->index - 1];
        if (slot->tag == tag && merge->left == left && merge->right == right)
            return slot;
    }
}

/* A merge of two symbols beside each other: the smaller key goes first, then the smaller id. */
struct pair {
    uint64_t key; /* NO_MERGE: they do not merge */
    int32_t id;   /* of what they make */
};
static const uint64_t NO_MERGE = UINT64_MAX;

/* Finite numbers to whole ones of the same order. */
static uint32_t order_of(float x)
{
    uint32_t bits;
    x += 0.0f; /* -0 is 0 */
    memcpy(&bits, &x, sizeof bits);
    return bits >> 31 ? ~bits : bits | 0x80000000U;
}

static struct pair scored_pair(const wc_bpe *b, wc_bpe_scratch *z, int32_t left, int32_t right)
{
    size_t n_left = 0, n_right = 0;
    const char *l = wc_vocab_token(b->vocab, left, &n_left), *r = wc_vocab_token(b->vocab, right, &n_right);
    if (n_left + n_right > b->longest)
        return (struct pair){NO_MERGE, -1};
    memcpy(z->joined, l, n_left);
    memcpy(z->joined + n_left, r, n_right);
    const int32_t id = wc_vocab_find(b->vocab, z->joined, n_left + n_right);
    if (id < 0)
        return (struct pair){NO_MERGE, -1};
    const uint32_t lengths = (uint32_t)(wc_utf8_count(l, n_left) << 16 | wc_utf8_count(r, n_right));
    return (struct pair){(uint64_t)~order_of((float)b->scores[id]) << 32 | (UINT32_MAX - lengths), id};
}

static struct pair pair_of(const wc_bpe *b, wc_bpe_scratch *z, int32_t left, int32_t right)
{
    if (b->scores)
        return scored_pair(b, z, left, right);
    const uint32_t index = find_slot(b, hash_pair(b, left, right), left, right)->index;
    return index == 0 ? (struct pair){NO_MERGE, -1} : (struct pair){index - 1, b->merges[index - 1].id};
}

static bool pair_before(struct pair a, struct pair b)
{
    return a.key != b.key ? a.key < b.key : a.id < b.id;
}

void wc_bpe_prefetch(const wc_bpe *b, int32_t left, int32_t right)
{
    __builtin_prefetch(&b->slots[hash_pair(b, left, right) & b->mask], 1);
}

void wc_bpe_add_merge(wc_bpe *b, int32_t left, int32_t right, int32_t id)
{
    const uint64_t hash = hash_pair(b, left, right);
    struct wc_bpe_slot *slot = find_slot(b, hash, left, right);
    b->merges[b->n_merges] = (struct wc_bpe_merge){left, right, id};
    *slot = (struct wc_bpe_slot){(uint32_t)(hash >> 32), (uint32_t)++b->n_merges};
    /* a symbol that is not what it is spelled: what stands beside it in tokens says nothing of the text */
    if ((b->notes[left] | b->notes[right]) & NOTE_BYTE || left == b->unk_id || right == b->unk_id)
        b->may_cut = false;
}

void wc_bpe_scratch_release(wc_bpe_scratch *z)
{
    wc_ids_release(&z->ids);
    wc_ids_release(&z->bytes);
    wc_mem_free(z->symbols);
    wc_mem_free(z->heap);
    wc_mem_free(z->joined);
    *z = (wc_bpe_scratch){0};
}

/* ---- the heap: the smallest entry at index 0 ------------------------------------------------------------------- */

static bool entry_before(struct wc_bpe_entry a, struct wc_bpe_entry b)
{
    if (a.key != b.key)
        return a.key < b.key;
    return a.id != b.id ? a.id < b.id : a.pos < b.pos;
}

static bool heap_push(wc_bpe_scratch *z, struct wc_bpe_entry entry)
{
    if (z->n_heap == z->heap_room) {
        size_t room = z->heap_room ? 2 * z->heap_room : 256;
        struct wc_bpe_entry *grown = wc_mem_realloc(z->heap, room * sizeof *grown);
        if (!grown)
            return false;
        z->heap = grown;
        z->heap_room = room;
    }
    size_t i = z->n_heap++;
    while (i > 0 && entry_before(entry, z->heap[(i - 1) / 2])) {
        z->heap[i] = z->heap[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    z->heap[i] = entry;
    return true;
}

static struct wc_bpe_entry heap_pop(wc_bpe_scratch *z)
{
    struct wc_bpe_entry top = z->heap[0], last = z->heap[--z->n_heap];
    size_t i = 0;
    for (size_t child = 1; child < z->n_heap; child = 2 * i + 1) {
        if (child + 1 < z->n_heap && entry_before(z->heap[child + 1], z->heap[child]))
            child++;
        if (!entry_before(z->heap[child], last))
            break;
        z->heap[i] = z->heap[child];
        i = child;
    }
    z->heap[i] = last;
    return top;
}

/* ---- symbols ---------------------------------------------------------------------------------------------------- */

/* Character s [n] as the vocabulary has it: with the prefix unless it is the word's first one, the suffix when it is the last.
 * Writes n_prefix + n + n_suffix bytes at most to text and returns how many. */
static size_t decorate(const wc_bpe *b, const char *s, size_t n, bool first, bool last, char *text)
{
    const size_t before = first ? 0 : b->n_prefix, behind = last ? b->n_suffix : 0;
    memcpy(text, b->prefix ? b->prefix : "", before);
    memcpy(text + before, s, n);
    memcpy(text + before + n, b->suffix ? b->suffix : "", behind);
    return before + n + behind;
}

/* The token of a plain character s [n]. */
static int32_t find_char(const wc_bpe *b, const char *s, size_t n)
{
    uint32_t c;
    wc_utf8_decode(s, n, &c);
    if (c < b->n_char_ids)
        return b->char_ids[c];
    return c < MAX_CHAR_IDS ? -1 : wc_vocab_find(b->vocab, s, n);
}

/* All bytes of s have a token of the kind <0x0A>. */
static bool has_bytes(const wc_bpe *b, const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (b->byte_ids[(unsigned char)s[i]] < 0)
            return false;
    return true;
}

static bool add_symbol(wc_bpe_scratch *z, int32_t id, size_t bytes)
{
    return wc_ids_add(&z->ids, id) && (!z->measure || wc_ids_add(&z->bytes, (int32_t)bytes));
}

/* Characters to symbols.  Unknown ones become bytes, or unk (neighbours as one when fused), or nothing. */
static bool split_word(const wc_bpe *b, wc_bpe_scratch *z, const char *s, size_t n)
{
    const bool plain = b->n_prefix == 0 && b->n_suffix == 0;
    size_t unk = 0; /* bytes of one that is waiting to be added */
    bool ok = true;
    z->ids.size = z->bytes.size = 0;
    for (size_t i = 0, len; ok && i < n; i += len) {
        uint32_t c;
        char decorated[4 + 2 * WC_BPE_MAX_AFFIX];
        const char *text = s + i;
        size_t n_text = len = wc_utf8_decode(s + i, n - i, &c);
        if (!plain) {
            n_text = decorate(b, s + i, len, i == 0, i + len == n, decorated);
            text = decorated;
        }
        int32_t id = plain ? find_char(b, text, n_text) : wc_vocab_find(b->vocab, text, n_text);
        if (id >= 0) {
            ok = (unk == 0 || add_symbol(z, b->unk_id, unk)) && add_symbol(z, id, len);
            unk = 0;
        } else if (b->byte_fallback && has_bytes(b, text, n_text)) {
            /* each stands for a byte of the word, or for none where it is the prefix's or the suffix's */
            for (size_t k = 0; ok && k < n_text; k++)
                ok = add_symbol(z, b->byte_ids[(unsigned char)text[k]], k < len);
        } else if (b->unk_id >= 0) {
            if (unk > 0 && !b->fuse_unk) {
                ok = add_symbol(z, b->unk_id, unk);
                unk = 0;
            }
            unk += len;
        }
    }
    if (ok && unk > 0)
        ok = add_symbol(z, b->unk_id, unk);
    return ok && z->ids.size <= INT32_MAX;
}

/* ---- merging --------------------------------------------------------------------------------------------------- */

static void merge_short(const wc_bpe *b, wc_bpe_scratch *z)
{
    int32_t *ids = z->ids.data;
    struct pair pairs[SHORT_WORD]; /* of each symbol with the next one */
    size_t n = z->ids.size;
    for (size_t i = 0; i + 1 < n; i++)
        pairs[i] = pair_of(b, z, ids[i], ids[i + 1]);
    while (n > 1) {
        size_t best = 0;
        for (size_t i = 1; i + 1 < n; i++)
            best = pair_before(pairs[i], pairs[best]) ? i : best;
        if (pairs[best].key == NO_MERGE)
            break;
        ids[best] = pairs[best].id;
        n--;
        for (size_t i = best + 1; i < n; i++) {
            ids[i] = ids[i + 1];
            pairs[i - 1] = pairs[i];
        }
        if (best > 0)
            pairs[best - 1] = pair_of(b, z, ids[best - 1], ids[best]);
        if (best + 1 < n)
            pairs[best] = pair_of(b, z, ids[best], ids[best + 1]);
    }
    z->ids.size = n;
}

/* Puts the pair that begins at symbol pos on the heap if it can merge. */
static bool push_pair(const wc_bpe *b, wc_bpe_scratch *z, int32_t pos)
{
    int32_t next = z->symbols[pos].next;
    if (next < 0)
        return true;
    struct pair pair = pair_of(b, z, z->symbols[pos].id, z->symbols[next].id);
    return pair.key == NO_MERGE || heap_push(z, (struct wc_bpe_entry){pair.key, pair.id, pos});
}

/* The symbols of the word as a list, every pair that can merge on the heap. */
static bool link_symbols(const wc_bpe *b, wc_bpe_scratch *z)
{
    const size_t n = z->ids.size;
    if (n > z->symbols_room) {
        wc_mem_free(z->symbols);
        z->symbols_room = 0;
        z->symbols = wc_mem_alloc(n * sizeof *z->symbols);
        if (!z->symbols)
            return false;
        z->symbols_room = n;
    }
    for (size_t i = 0; i < n; i++)
        z->symbols[i] = (struct wc_bpe_symbol){z->ids.data[i], (int32_t)i - 1,
                                               i + 1 < n ? (int32_t)i + 1 : -1,
                                               z->measure ? z->bytes.data[i] : 0};
    z->n_heap = 0;
    for (size_t i = 0; i + 1 < n; i++)
        if (!push_pair(b, z, (int32_t)i))
            return false;
    return true;
}

static bool merge_long(const wc_bpe *b, wc_bpe_scratch *z)
{
    if (!link_symbols(b, z))
        return false;
    while (z->n_heap > 0) {
        const struct wc_bpe_entry entry = heap_pop(z);
        const int32_t pos = entry.pos;
        struct wc_bpe_symbol *left = &z->symbols[pos];
        if (left->id < 0 || left->next < 0)
            continue;
        struct wc_bpe_symbol *right = &z->symbols[left->next];
        if (pair_of(b, z, left->id, right->id).id != entry.id)
            continue;
        left->id = entry.id;
        left->bytes += right->bytes;
        right->id = -1;
        left->next = right->next;
        if (right->next >= 0)
            z->symbols[right->next].prev = pos;
        if ((left->prev >= 0 && !push_pair(b, z, left->prev)) || !push_pair(b, z, pos))
            return false;
    }
    size_t n = 0;
    for (int32_t i = 0; i >= 0; i = z->symbols[i].next) {
        if (z->measure)
            z->bytes.data[n] = z->symbols[i].bytes;
        z->ids.data[n++] = z->symbols[i].id;
    }
    z->ids.size = n;
    z->bytes.size = z->measure ? n : 0;
    return true;
}

/* ---- words ----------------------------------------------------------------------------------------------------- */

/* A word, or what lies between two cuts of one. */
static bool encode_part(const wc_bpe *b, wc_bpe_scratch *z, const char *s, size_t n, wc_ids *out)
{
    const int32_t token = n <= b->longest ? wc_vocab_find(b->vocab, s, n) : -1;
    unsigned note = token < 0 ? NOTE_PARTS : __atomic_load_n(&b->notes[token], __ATOMIC_RELAXED);
    if (note & NOTE_WHOLE && !z->measure)
        return wc_ids_add(out, token);
    if (!split_word(b, z, s, n))
        return false;
    const bool is_short = z->ids.size <= SHORT_WORD && b->n_prefix == 0 && !z->measure;
    if (is_short)
        merge_short(b, z);
    else if (z->ids.size > 0 && !merge_long(b, z))
        return false;
    if (!(note & NOTE_PARTS)) {
        note |= z->ids.size == 1 && z->ids.data[0] == token ? NOTE_WHOLE : NOTE_PARTS;
        __atomic_store_n(&b->notes[token], (unsigned char)note, __ATOMIC_RELAXED);
    }
    for (size_t i = 0; i < z->ids.size; i++)
        if (!wc_ids_add(out, z->ids.data[i]))
            return false;
    return true;
}

/* Where the part of s [n] that begins at start ends: before a \u2581 that no token has behind the byte before it. */
static size_t part_end(const wc_bpe *b, const char *s, size_t n, size_t start)
{
    for (size_t i = start + 1; i + SPACE_BYTES <= n; i++) {
        const char *lead = memchr(s + i, SPACE[0], n - i);
        if (!lead)
            break;
        i = (size_t)(lead - s);
        if (i + SPACE_BYTES <= n && memcmp(lead, SPACE, SPACE_BYTES) == 0 &&
            !b->joins[(unsigned char)lead[-1]])
            return i;
    }
    return n;
}

bool wc_bpe_encode(const wc_bpe *b, wc_bpe_scratch *z, const char *s, size_t n, wc_ids *out, wc_spans *spans,
                   wc_error *err)
{
    /* where a character may be dropped, those on both sides of it meet */
    const bool may_cut = b->may_cut && b->n_prefix == 0 && b->n_suffix == 0 &&
                         (b->unk_id >= 0 || (b->byte_fallback && b->all_bytes));
    size_t at = 0;
    z->measure = spans != NULL;
    if (b->ignore_merges) {
        int32_t id = wc_vocab_find(b->vocab, s, n);
        if (id >= 0)
            return (wc_ids_add(out, id) && wc_spans_add(spans, 0, n)) || wc_fail_memory(err, n);
    }
    if (b->scores && !z->joined && !(z->joined = wc_mem_alloc(b->longest)))
        return wc_fail_memory(err, b->longest);
    for (size_t start = 0, end; start < n; start = end) {
        end = may_cut ? part_end(b, s, n, start) : n;
        if (!encode_part(b, z, s + start, end - start, out))
            return wc_fail_memory(err, n * sizeof *z->symbols);
        for (size_t i = 0; spans && i < z->bytes.size; at += (size_t)z->bytes.data[i++])
            if (!wc_spans_add(spans, at, at + (size_t)z->bytes.data[i]))
                return wc_fail_memory(err, n * sizeof *spans->data);
    }
    return true;
}
