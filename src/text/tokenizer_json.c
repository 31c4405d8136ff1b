/* tokenizer_json.c - makes a tokenizer from a tokenizer.json and the special tokens of a tokenizer_config.json.
 *
 * Follows the tokenizers library, but what contradicts itself is refused: two tokens of one id, an added token whose id
 * is not the vocabulary's, merges of tokens that are not there. */
#include <stdio.h>
#include <string.h>

#include "base/size.h"
#include "text/tokenizer_parts.h"

enum { MAX_WORD_CHARS = 1 << 20 };
enum { AHEAD = 16 }; /* tokens of a vocabulary whose slots are on their way into the cache */

/* ---- vocabulary ------------------------------------------------------------------------------------------------ */

static bool fail_token(const wc_reader *r, const char *what, const wc_json *token, long long id)
{
    return wc_fail(r->err, WC_BAD_FILE, "%s: model.vocab: \"%.100s\" (id %lld): %s", r->file, token->u.text,
                   id, what);
}

static bool add_token(wc_vocab *v, const wc_reader *r, const wc_json *token, int32_t id)
{
    switch (wc_vocab_add(v, token->u.text, token->n, id)) {
    case WC_VOCAB_ADDED:
        return true;
    case WC_VOCAB_TOKEN_TWICE:
        return fail_token(r, "the token is there twice", token, id);
    case WC_VOCAB_ID_TWICE:
        return fail_token(r, "the id is another token's already", token, id);
    }
    return false;
}

/* {"token": id, ...} */
static bool read_vocab(wc_vocab *v, const wc_reader *r, const wc_json *model)
{
    const wc_json *vocab = wc_json_get(model, "vocab");
    size_t n = wc_json_count(vocab), bytes = 0, n_ids = 0;
    if (!wc_json_is(vocab, WC_JSON_OBJECT))
        return wc_read_fail(r, "model", "vocab", "an object", vocab);
    for (size_t i = 0; i < n; i++) {
        const wc_json *token = wc_json_key(vocab, i), *id = wc_json_value(vocab, i);
        if (!wc_json_is(id, WC_JSON_INT) || id->u.integer < 0 || id->u.integer >= WC_VOCAB_MAX_IDS)
            return wc_fail(r->err, WC_BAD_FILE,
                           "%s: model.vocab: \"%.100s\": expected an id below %d, found %s", r->file,
                           token->u.text, WC_VOCAB_MAX_IDS,
                           wc_json_is(id, WC_JSON_INT) ? "one outside" : wc_json_type_name(id));
        n_ids = wc_max_size(n_ids, (size_t)id->u.integer + 1);
        bytes += token->n;
    }
    if (!wc_vocab_init(v, r->arena, n, bytes, n_ids))
        return wc_fail_memory(r->err, bytes);
    for (size_t i = 0; i < n; i++) {
        if (i + AHEAD < n) {
            const wc_json *later = wc_json_key(vocab, i + AHEAD);
            wc_vocab_prefetch(v, wc_vocab_hash(v, later->u.text, later->n), WC_VOCAB_SLOT);
        }
        if (!add_token(v, r, wc_json_key(vocab, i), (int32_t)wc_json_value(vocab, i)->u.integer))
            return false;
    }
    return true;
}

/* [["token", log-probability], ...], the id is the place. */
static bool read_scored_vocab(wc_vocab *v, double **scores, const wc_reader *r, const wc_json *model)
{
    const wc_json *vocab = wc_json_get(model, "vocab");
    size_t n = wc_json_count(vocab), bytes = 0;
    if (!wc_json_is(vocab, WC_JSON_ARRAY))
        return wc_read_fail(r, "model", "vocab", "an array", vocab);
    if (n > WC_VOCAB_MAX_IDS)
        return wc_fail(r->err, WC_BAD_FILE, "%s: model.vocab: expected at most %d tokens, found %zu", r->file,
                       WC_VOCAB_MAX_IDS, n);
    for (size_t i = 0; i < n; i++) {
        const wc_json *item = wc_json_item(vocab, i), *score = wc_json_item(item, 1);
        if (wc_json_count(item) != 2 || !wc_json_is(wc_json_item(item, 0), WC_JSON_STRING) ||
            score->type < WC_JSON_INT || score->type > WC_JSON_DOUBLE)
            return wc_fail(r->err, WC_BAD_FILE, "%s: model.vocab[%zu]: expected [token, score], found %s",
                           r->file, i, wc_json_type_name(item));
        bytes += wc_json_item(item, 0)->n;
    }
    *scores = wc_arena_alloc(r->arena, n * sizeof **scores);
    if (!*scores || !wc_vocab_init(v, r->arena, n, bytes, n))
        return wc_fail_memory(r->err, bytes);
    for (size_t i = 0; i < n; i++) {
        const wc_json *item = wc_json_item(vocab, i);
        (*scores)[i] = wc_json_number(wc_json_item(item, 1), 0);
        if (!add_token(v, r, wc_json_item(item, 0), (int32_t)i))
            return false;
    }
    return true;
}

/* The pieces of a SentencePiece model, the id is the place. */
static bool read_pieces(wc_vocab *v, double **scores, const wc_reader *r, const wc_spm *m)
{
    size_t bytes = 0;
    for (size_t i = 0; i < m->n; i++)
        bytes += m->pieces[i].n;
    *scores = wc_arena_alloc(r->arena, m->n * sizeof **scores);
    if (!*scores || !wc_vocab_init(v, r->arena, m->n, bytes, m->n))
        return wc_fail_memory(r->err, bytes);
    for (size_t i = 0; i < m->n; i++) {
        if (i + AHEAD < m->n) {
            const wc_spm_piece *later = &m->pieces[i + AHEAD];
            wc_vocab_prefetch(v, wc_vocab_hash(v, later->s, later->n), WC_VOCAB_SLOT);
        }
        (*scores)[i] = m->pieces[i].score;
        if (wc_vocab_add(v, m->pieces[i].s, m->pieces[i].n, (int32_t)i) != WC_VOCAB_ADDED)
            return wc_spm_fail_piece(m, &m->pieces[i], "the piece is there twice");
    }
    return true;
}

/* ---- models ---------------------------------------------------------------------------------------------------- */

/* The id of model.unk_token, -1 when there is none. */
static bool read_unk(const wc_tokenizer *t, const wc_reader *r, const wc_json *model, bool required,
                     int32_t *id)
{
    const char *s;
    size_t n;
    *id = -1;
    if (!wc_read_string(r, model, "model", "unk_token", required, &s, &n))
        return false;
    if (!s)
        return true;
    *id = wc_tokenizer_find(t, s, n);
    return *id >= 0 || wc_fail(r->err, WC_BAD_FILE,
                               "%s: model.unk_token: \"%.100s\" is not in the vocabulary", r->file, s);
}

/* An affix of BPE, copied; null and "" alike. */
static bool read_affix(const wc_reader *r, const wc_json *model, const char *key, const char **out, size_t *n)
{
    const char *s;
    if (!wc_read_string(r, model, "model", key, false, &s, n))
        return false;
    if (*n > WC_BPE_MAX_AFFIX)
        return wc_fail(r->err, WC_UNSUPPORTED, "%s: model.%s: expected at most %d bytes, found %zu", r->file,
                       key, WC_BPE_MAX_AFFIX, *n);
    *out = wc_arena_strndup(r->arena, s ? s : "", *n);
    return *out || wc_fail_memory(r->err, *n);
}

/* The two parts of a merge: "left right" or ["left", "right"]; pairs says which the file has. */
static bool merge_parts(const wc_json *merge, bool pairs, const char *s[2], size_t n[2])
{
    if (pairs) {
        if (!wc_json_is(merge, WC_JSON_ARRAY) || wc_json_count(merge) != 2)
            return false;
        for (size_t i = 0; i < 2; i++) {
            const wc_json *part = wc_json_item(merge, i);
            if (!wc_json_is(part, WC_JSON_STRING))
                return false;
            s[i] = part->u.text;
            n[i] = part->n;
        }
        return true;
    }
    if (!wc_json_is(merge, WC_JSON_STRING))
        return false;
    const char *space = memchr(merge->u.text, ' ', merge->n);
    if (!space)
        return false;
    s[0] = merge->u.text;
    n[0] = (size_t)(space - s[0]);
    s[1] = space + 1;
    n[1] = merge->n - n[0] - 1;
    return !memchr(s[1], ' ', n[1]);
}

/* A merge while it is looked up. */
struct merge {
    const char *s[2];
    size_t n[2];
    uint64_t hash[2];
    int32_t id[2];
};

/* Token left with right behind it, without the prefix that right has as a later part; room is a buffer for it.  In most
 * files it is the product of the merge before or the token after that one: guess is tried first. */
static int32_t find_product(const wc_bpe *b, const struct merge *m, int32_t guess, wc_buf *room)
{
    size_t cut = b->n_prefix;
    if (m->n[1] < cut)
        return -1;
    wc_buf_reset(room);
    wc_buf_add(room, m->s[0], m->n[0]);
    wc_buf_add(room, m->s[1] + cut, m->n[1] - cut);
    if (!wc_buf_ok(room))
        return -1;
    for (int32_t id = guess; id < guess + 2; id++)
        if (wc_vocab_is(b->vocab, id, wc_buf_str(room), room->size))
            return id;
    return wc_vocab_find(b->vocab, wc_buf_str(room), room->size);
}

static bool fail_merge(const wc_reader *r, size_t i, const struct merge *m, const char *what)
{
    return wc_fail(r->err, WC_BAD_FILE,
                   "%s: model.merges[%zu]: \"%.*s\" + \"%.*s\": %s is not in the vocabulary", r->file, i,
                   (int)wc_min_size(m->n[0], 60), m->s[0], (int)wc_min_size(m->n[1], 60), m->s[1], what);
}

/* Merges [first, first + n), n <= BATCH: what they look up is brought into the cache for all of them at once, as a large
 * vocabulary does not fit it. */
enum { BATCH = 64 };
static bool read_merge_batch(wc_bpe *b, const wc_reader *r, const wc_json *merges, size_t first, size_t n,
                             wc_buf *room)
{
    struct merge batch[BATCH];
    bool pairs = wc_json_is(wc_json_item(merges, 0), WC_JSON_ARRAY);
    for (size_t i = 0; i < n; i++) {
        const wc_json *v = wc_json_item(merges, first + i);
        if (!merge_parts(v, pairs, batch[i].s, batch[i].n))
            return wc_fail(
                r->err, WC_BAD_FILE, "%s: model.merges[%zu]: expected %s, found %s", r->file, first + i,
                pairs ? "a pair of strings, as the first one is" : "two tokens with one space between",
                wc_json_type_name(v));
        for (int k = 0; k < 2; k++) {
            batch[i].hash[k] = wc_vocab_hash(b->vocab, batch[i].s[k], batch[i].n[k]);
            wc_vocab_prefetch(b->vocab, batch[i].hash[k], WC_VOCAB_SLOT);
        }
    }
    for (int stage = WC_VOCAB_PLACE; stage <= WC_VOCAB_TEXT; stage++)
        for (size_t i = 0; i < 2 * n; i++)
            wc_vocab_prefetch(b->vocab, batch[i / 2].hash[i % 2], (enum wc_vocab_stage)stage);
    for (size_t i = 0; i < n; i++) {
        struct merge *m = &batch[i];
        for (int k = 0; k < 2; k++)
            m->id[k] = wc_vocab_find_hashed(b->vocab, m->hash[k], m->s[k], m->n[k]);
        if (m->id[0] < 0 || m->id[1] < 0)
            return fail_merge(r, first + i, m, "a part");
        wc_bpe_prefetch(b, m->id[0], m->id[1]);
    }
    for (size_t i = 0; i < n; i++) {
        const struct merge *m = &batch[i];
        int32_t product = find_product(b, m, b->n_merges ? b->merges[b->n_merges - 1].id : 0, room);
        if (product < 0)
            return fail_merge(r, first + i, m, "the product");
        wc_bpe_add_merge(b, m->id[0], m->id[1], product);
    }
    return true;
}

static bool read_merges(wc_bpe *b, const wc_reader *r, const wc_json *merges)
{
    wc_buf room;
    bool ok = true;
    wc_buf_init(&room, SIZE_MAX / 2);
    for (size_t i = 0; ok && i < wc_json_count(merges); i += BATCH)
        ok = read_merge_batch(b, r, merges, i, wc_min_size(BATCH, wc_json_count(merges) - i), &room);
    wc_buf_release(&room);
    return ok;
}

/* The part of BPE that merges and scores have in common. */
static bool read_bpe_flags(wc_bpe *b, const wc_reader *r, const wc_json *model)
{
    return wc_read_bool(r, model, "model", "fuse_unk", false, &b->fuse_unk) &&
           wc_read_bool(r, model, "model", "byte_fallback", false, &b->byte_fallback) &&
           wc_read_bool(r, model, "model", "ignore_merges", false, &b->ignore_merges) &&
           read_affix(r, model, "continuing_subword_prefix", &b->prefix, &b->n_prefix) &&
           read_affix(r, model, "end_of_word_suffix", &b->suffix, &b->n_suffix);
}

static bool read_bpe(wc_tokenizer *t, const wc_reader *r, const wc_json *model, const double *scores)
{
    const wc_json *merges = wc_json_get(model, "merges");
    wc_bpe *b = &t->bpe;
    int32_t unk_id;
    if (scores)
        return read_unk(t, r, model, false, &unk_id) &&
               (wc_bpe_init_scores(b, r->arena, &t->vocab, scores, unk_id) ||
                wc_fail_memory(r->err, t->vocab.n_ids)) &&
               read_bpe_flags(b, r, model);
    if (!wc_json_is(merges, WC_JSON_ARRAY))
        return wc_read_fail(r, "model", "merges", "an array", merges);
    if (!wc_bpe_init(b, r->arena, &t->vocab, wc_json_count(merges)))
        return wc_fail_memory(r->err, wc_json_count(merges) * sizeof *b->merges);
    return read_bpe_flags(b, r, model) && read_unk(t, r, model, false, &b->unk_id) &&
           read_merges(b, r, merges);
}

static bool read_unigram(wc_tokenizer *t, const wc_reader *r, const wc_json *model, double *scores)
{
    size_t unk;
    if (!wc_unigram_init(&t->unigram, &t->vocab, scores, r->err))
        return false;
    if (!wc_read_bool(r, model, "model", "byte_fallback", false, &t->unigram.byte_fallback))
        return false;
    if (wc_json_is_null(wc_json_get(model, "unk_id")))
        return true;
    if (t->vocab.n_ids == 0)
        return wc_fail(r->err, WC_BAD_FILE, "%s: model.unk_id: the vocabulary is empty", r->file);
    if (!wc_read_size(r, model, "model", "unk_id", 0, t->vocab.n_ids - 1, &unk))
        return false;
    t->unigram.unk_id = (int32_t)unk;
    return true;
}

static bool read_wordpiece(wc_tokenizer *t, const wc_reader *r, const wc_json *model)
{
    const char *prefix;
    size_t n, most;
    int32_t unk;
    if (!wc_read_string(r, model, "model", "continuing_subword_prefix", false, &prefix, &n) ||
        !wc_read_size(r, model, "model", "max_input_chars_per_word", 100, MAX_WORD_CHARS, &most) ||
        !read_unk(t, r, model, true, &unk))
        return false;
    if (!wc_wordpiece_init(&t->wordpiece, &t->vocab, prefix ? prefix : "", n, r->err))
        return false;
    t->wordpiece.unk_id = unk;
    t->wordpiece.max_chars = most;
    return true;
}

/* Which model it is; very old files do not say, and are told by their fields. */
static bool read_kind(const wc_reader *r, const wc_json *model, enum wc_model_kind *kind)
{
    static const char *const names[] = {"BPE", "Unigram", "WordPiece", "WordLevel", NULL};
    int choice, guess = -1;
    if (wc_json_get(model, "merges"))
        guess = WC_MODEL_BPE;
    else if (wc_json_is(wc_json_get(model, "vocab"), WC_JSON_ARRAY))
        guess = WC_MODEL_UNIGRAM;
    else if (wc_json_get(model, "continuing_subword_prefix"))
        guess = WC_MODEL_WORDPIECE;
    if (!wc_read_choice(r, model, "model", "type", names, guess, &choice))
        return false;
    *kind = (enum wc_model_kind)choice;
    return true;
}

/* ---- added tokens ---------------------------------------------------------------------------------------------- */

static bool read_added_token(wc_added_token *a, const wc_reader *r, const wc_json *v)
{
    const char *s;
    size_t id;
    if (!wc_json_is(v, WC_JSON_OBJECT))
        return wc_fail(r->err, WC_BAD_FILE, "%s: added_tokens: expected objects, found %s", r->file,
                       wc_json_type_name(v));
    if (wc_json_is_null(wc_json_get(v, "id")))
        return wc_read_fail(r, "added_tokens", "id", "a number", wc_json_get(v, "id"));
    if (!wc_read_size(r, v, "added_tokens", "id", 0, WC_VOCAB_MAX_IDS - 1, &id) ||
        !wc_read_string(r, v, "added_tokens", "content", true, &s, &a->n) ||
        !wc_read_bool(r, v, "added_tokens", "single_word", false, &a->single_word) ||
        !wc_read_bool(r, v, "added_tokens", "lstrip", false, &a->lstrip) ||
        !wc_read_bool(r, v, "added_tokens", "rstrip", false, &a->rstrip) ||
        !wc_read_bool(r, v, "added_tokens", "special", false, &a->special) ||
        !wc_read_bool(r, v, "added_tokens", "normalized", !a->special, &a->normalized))
        return false;
    a->id = (int32_t)id;
    a->pattern = a->content = wc_arena_strndup(r->arena, s, a->n);
    a->n_pattern = a->n;
    return a->content || wc_fail_memory(r->err, a->n);
}

static bool fail_added(const wc_reader *r, const wc_added_token *a, const char *what)
{
    return wc_fail(r->err, WC_BAD_FILE, "%s: added_tokens: \"%.100s\" (id %d): %s", r->file, a->content,
                   (int)a->id, what);
}

/* Files the token under its content and its id, unless it is there already. */
static bool add_added(wc_tokenizer *t, const wc_reader *r, wc_added_token *a)
{
    size_t n;
    int32_t in_vocab = wc_vocab_find(&t->vocab, a->content, a->n);
    int32_t before = wc_vocab_find(&t->added_index, a->content, a->n);
    if (a->n == 0 || (before >= 0 && t->added[before].id == a->id)) {
        t->n_added--;
        return true;
    }
    if (before >= 0 || (in_vocab >= 0 && in_vocab != a->id))
        return fail_added(r, a, "the token has another id already");
    if (t->added_of_id[a->id] >= 0 || (in_vocab < 0 && wc_vocab_token(&t->vocab, a->id, &n)))
        return fail_added(r, a, "the id is another token's already");
    t->added_of_id[a->id] = (int32_t)(a - t->added);
    wc_vocab_add(&t->added_index, a->content, a->n, (int32_t)(a - t->added));
    return true;
}

static bool read_added(wc_tokenizer *t, const wc_reader *r, const wc_json *list)
{
    size_t n = wc_json_count(list), bytes = 0;
    if (!wc_json_is_null(list) && !wc_json_is(list, WC_JSON_ARRAY))
        return wc_fail(r->err, WC_BAD_FILE, "%s: added_tokens: expected an array, found %s", r->file,
                       wc_json_type_name(list));
    if (n > WC_VOCAB_MAX_IDS)
        return wc_fail(r->err, WC_BAD_FILE, "%s: added_tokens: expected at most %d, found %zu", r->file,
                       WC_VOCAB_MAX_IDS, n);
    wc_added_token *read = wc_arena_zalloc(r->arena, n, sizeof *read);
    if (!read)
        return wc_fail_memory(r->err, n * sizeof *read);
    t->n_ids = t->vocab.n_ids;
    for (size_t i = 0; i < n; i++) {
        if (!read_added_token(&read[i], r, wc_json_item(list, i)))
            return false;
        t->n_ids = wc_max_size(t->n_ids, (size_t)read[i].id + 1);
        bytes += read[i].n;
    }
    t->added = wc_arena_zalloc(r->arena, n, sizeof *t->added);
    t->added_of_id = wc_arena_alloc(r->arena, t->n_ids * sizeof *t->added_of_id);
    if (!t->added || !t->added_of_id || !wc_vocab_init(&t->added_index, r->arena, n, bytes, n))
        return wc_fail_memory(r->err, bytes);
    memset(t->added_of_id, 0xff, t->n_ids * sizeof *t->added_of_id);
    for (size_t i = 0; i < n; i++) {
        t->added[t->n_added] = read[i];
        if (!add_added(t, r, &t->added[t->n_added++]))
            return false;
    }
    return true;
}

/* What is looked for behind the normalizer is normalized too. */
static bool normalize_added(wc_tokenizer *t, const wc_reader *r, wc_added_token *a, wc_buf buffers[2])
{
    wc_matcher m;
    const char *s;
    wc_matcher_init(&m, a->n);
    bool ok = wc_normalizer_run(&t->normalizer, &m, a->content, a->n, buffers, NULL, &s, &a->n_pattern,
                                r->err);
    wc_matcher_release(&m);
    if (!ok)
        return false;
    a->pattern = wc_arena_strndup(r->arena, s, a->n_pattern);
    return a->pattern || wc_fail_memory(r->err, a->n_pattern);
}

/* The two automata.  Of two tokens with equal patterns the first counts. */
static bool build_automata(wc_tokenizer *t, const wc_reader *r)
{
    wc_automaton_pattern *p = wc_mem_alloc((t->n_added + 1) * sizeof *p);
    bool ok = p != NULL;
    for (int normalized = 0; ok && normalized < 2; normalized++) {
        size_t n = 0;
        for (size_t i = 0; i < t->n_added; i++) {
            const wc_added_token *a = &t->added[i];
            if (a->normalized == (normalized == 1) && a->n_pattern > 0)
                p[n++] = (wc_automaton_pattern){a->pattern, a->n_pattern, (int32_t)i};
        }
        ok = wc_automaton_init(normalized ? &t->normalized : &t->raw, p, n, true);
    }
    wc_mem_free(p);
    return ok || wc_fail_memory(r->err, t->n_added * sizeof *p);
}

static bool finish_added(wc_tokenizer *t, const wc_reader *r)
{
    enum { MAX_PATTERNS = 64 * 1024 * 1024 };
    wc_buf buffers[2];
    bool ok = true;
    size_t total = 0;
    wc_buf_init(&buffers[0], MAX_PATTERNS);
    wc_buf_init(&buffers[1], MAX_PATTERNS);
    for (size_t i = 0; ok && i < t->n_added; i++) {
        if (t->added[i].normalized && t->normalizer.n_steps > 0)
            ok = normalize_added(t, r, &t->added[i], buffers);
        total += t->added[i].n_pattern;
        if (ok && total > MAX_PATTERNS)
            ok = wc_fail(r->err, WC_UNSUPPORTED,
                         "%s: added_tokens: expected at most %d bytes after the normalizer", r->file,
                         MAX_PATTERNS);
    }
    wc_buf_release(&buffers[0]);
    wc_buf_release(&buffers[1]);
    return ok && build_automata(t, r);
}

/* ---- tokenizer_config.json ------------------------------------------------------------------------------------- */

/* The text of a token that is a string or {"content": string}; NULL for anything else. */
static const wc_json *token_text(const wc_json *v)
{
    const wc_json *text = wc_json_is(v, WC_JSON_OBJECT) ? wc_json_get(v, "content") : v;
    return wc_json_is(text, WC_JSON_STRING) ? text : NULL;
}

static bool add_special(wc_tokenizer *t, const wc_reader *r, const wc_json *name, const wc_json *v,
                        bool in_list)
{
    const wc_json *text = token_text(v);
    if (wc_json_is_null(v))
        return true;
    if (!text)
        return wc_fail(r->err, WC_BAD_FILE, "tokenizer_config.json: %.100s: expected a string, found %s",
                       name->u.text, wc_json_type_name(v));
    wc_special_name *s = &t->specials[t->n_specials++];
    s->name = wc_arena_strndup(r->arena, name->u.text, name->n);
    s->token = wc_arena_strndup(r->arena, text->u.text, text->n);
    s->in_list = in_list;
    return (s->name && s->token) || wc_fail_memory(r->err, text->n);
}

/* Fields "..._token" of the config, the members of extra_special_tokens, and the list additional_special_tokens. */
static bool read_config(wc_tokenizer *t, const wc_reader *r, const wc_json *config)
{
    const wc_json *extra = wc_json_get(config, "extra_special_tokens");
    const wc_json *more = wc_json_get(config, "additional_special_tokens");
    size_t room = wc_json_count(config) + wc_json_count(extra) + wc_json_count(more);
    t->specials = wc_arena_zalloc(r->arena, room, sizeof *t->specials);
    if (!t->specials)
        return wc_fail_memory(r->err, room * sizeof *t->specials);
    for (size_t i = 0; wc_json_is(config, WC_JSON_OBJECT) && i < wc_json_count(config); i++) {
        const wc_json *name = wc_json_key(config, i), *v = wc_json_value(config, i);
        bool flag = wc_json_is(v, WC_JSON_TRUE) || wc_json_is(v, WC_JSON_FALSE); /* "add_bos_token": true */
        if (name->n > 6 && strcmp(name->u.text + name->n - 6, "_token") == 0 && !flag &&
            !add_special(t, r, name, v, false))
            return false;
        if (v == more && wc_json_is(more, WC_JSON_ARRAY))
            for (size_t k = 0; k < wc_json_count(more); k++)
                if (!add_special(t, r, name, wc_json_item(more, k), true))
                    return false;
    }
    for (size_t i = 0; wc_json_is(extra, WC_JSON_OBJECT) && i < wc_json_count(extra); i++)
        if (token_text(wc_json_value(extra, i)) &&
            !add_special(t, r, wc_json_key(extra, i), wc_json_value(extra, i), false))
            return false;
    return true;
}

/* Which end of a long text goes: the config's word, else that of the tokenizer.json's own truncation, as transformers has it. */
static bool read_side(wc_tokenizer *t, const wc_reader *r, const wc_json *json, const wc_json *config)
{
    static const char *const directions[] = {"Right", "Left", NULL};
    const wc_json *side = wc_json_get(config, "truncation_side");
    int direction = 0;
    if (!wc_read_choice(r, wc_json_get(json, "truncation"), "truncation", "direction", directions, 0,
                        &direction))
        return false;
    t->cuts_left = wc_json_is_null(side) ? direction == 1 : wc_json_string_is(side, "left");
    return t->cuts_left || wc_json_is_null(side) || wc_json_string_is(side, "right") ||
           wc_fail(r->err, WC_BAD_FILE,
                   "tokenizer_config.json: truncation_side: expected \"left\" or \"right\", found %.100s",
                   wc_json_is(side, WC_JSON_STRING) ? side->u.text : wc_json_type_name(side));
}

/* ---- the whole ------------------------------------------------------------------------------------------------- */

/* The vocabulary is that of the pieces, if there are any, else the file's. */
static bool read_any_vocab(wc_tokenizer *t, const wc_reader *r, const wc_json *model, const wc_spm *pieces,
                           double **scores)
{
    if (pieces)
        return read_pieces(&t->vocab, scores, r, pieces);
    return t->kind == WC_MODEL_UNIGRAM ? read_scored_vocab(&t->vocab, scores, r, model)
                                       : read_vocab(&t->vocab, r, model);
}

static bool read_all(wc_tokenizer *t, const wc_reader *r, const wc_json *json, const wc_json *config,
                     const wc_spm *pieces)
{
    const wc_json *model = wc_json_get(json, "model");
    double *scores = NULL;
    if (!wc_json_is(json, WC_JSON_OBJECT))
        return wc_fail(r->err, WC_BAD_FILE, "%s: expected an object, found %s", r->file,
                       wc_json_type_name(json));
    if (!wc_json_is(model, WC_JSON_OBJECT))
        return wc_fail(r->err, WC_BAD_FILE, "%s: model: expected an object, found %s", r->file,
                       wc_json_type_name(model));
    if (!read_kind(r, model, &t->kind))
        return false;
    if (!read_any_vocab(t, r, model, pieces, &scores) || !read_added(t, r, wc_json_get(json, "added_tokens")))
        return false;
    bool ok = false;
    switch (t->kind) {
    case WC_MODEL_BPE:
        ok = read_bpe(t, r, model, scores);
        break;
    case WC_MODEL_UNIGRAM:
        ok = read_unigram(t, r, model, scores);
        break;
    case WC_MODEL_WORDPIECE:
        ok = read_wordpiece(t, r, model);
        break;
    case WC_MODEL_WORDLEVEL:
        ok = read_unk(t, r, model, true, &t->wordlevel_unk);
        break;
    }
    return ok && wc_normalizer_read(&t->normalizer, r, wc_json_get(json, "normalizer")) &&
           wc_pretokenizer_read(&t->pretokenizer, r, wc_json_get(json, "pre_tokenizer")) &&
           wc_template_read(&t->single, &t->pair, &t->trim, r, wc_json_get(json, "post_processor"),
                            t->n_ids) &&
           wc_decoder_read(&t->decoder, r, wc_json_get(json, "decoder")) && finish_added(t, r) &&
           read_config(t, r, config) && read_side(t, r, json, config);
}

static wc_tokenizer *make(const wc_json *json, const wc_json *config, const wc_spm *pieces, const char *file,
                          wc_error *err)
{
    wc_tokenizer *t = wc_mem_zalloc(1, sizeof *t);
    if (!t || !(t->arena = wc_arena_new(0)) || !(t->file = wc_arena_strdup(t->arena, file))) {
        wc_fail_memory(err, sizeof *t);
        wc_tokenizer_free(t);
        return NULL;
    }
    wc_reader r = {t->file, t->arena, err};
    if (!read_all(t, &r, json, config, pieces)) {
        wc_tokenizer_free(t);
        return NULL;
    }
    return t;
}

wc_tokenizer *wc_tokenizer_from_json(const wc_json *tokenizer_json, const wc_json *tokenizer_config,
                                     const char *file, wc_error *err)
{
    return make(tokenizer_json, tokenizer_config, NULL, file, err);
}

wc_tokenizer *wc_tokenizer_from_pieces(const wc_spm *m, const wc_json *tokenizer_json,
                                       const wc_json *tokenizer_config)
{
    return make(tokenizer_json, tokenizer_config, m, m->file, m->err);
}
