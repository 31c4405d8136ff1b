/* tokenizer_parts.h - the inside of a wc_tokenizer, for the files that make and run it. */
#ifndef WC_TEXT_TOKENIZER_PARTS_H
#define WC_TEXT_TOKENIZER_PARTS_H
#include "base/arena.h"
#include "text/automaton.h"
#include "text/bpe.h"
#include "text/decoder.h"
#include "text/normalize.h"
#include "text/pretokenize.h"
#include "text/spm.h"
#include "text/template.h"
#include "text/tokenizer.h"
#include "text/unigram.h"
#include "text/vocab.h"
#include "text/wordpiece.h"

/* A token that is looked for in the text before the pipeline proper. */
typedef struct wc_added_token {
    int32_t id;
    const char *content; /* [n] */
    size_t n;
    const char *pattern; /* [n_pattern] what is looked for and decoded: content, normalized if the token is */
    size_t n_pattern;
    bool single_word, lstrip, rstrip, normalized, special;
} wc_added_token;

enum wc_model_kind { WC_MODEL_BPE, WC_MODEL_UNIGRAM, WC_MODEL_WORDPIECE, WC_MODEL_WORDLEVEL };

typedef struct wc_special_name {
    const char *name;
    const char *token;
    bool in_list; /* one of several of that name */
} wc_special_name;

struct wc_tokenizer {
    wc_arena *arena;
    const char *file;
    size_t n_ids; /* of vocabulary and added tokens */

    wc_added_token *added; /* [n_added] in the order of the file */
    size_t n_added;
    wc_vocab added_index; /* content -> index into added */
    int32_t *added_of_id; /* [n_ids] index into added, or -1 */
    wc_automaton raw,
        normalized; /* over added tokens, reversed; looked for before and after the normalizer */

    wc_normalizer normalizer;
    wc_pretokenizer pretokenizer;

    enum wc_model_kind kind;
    wc_vocab vocab;
    wc_bpe bpe;
    wc_unigram unigram;
    wc_wordpiece wordpiece;
    int32_t wordlevel_unk; /* -1: none */

    wc_template single, pair;
    wc_trim trim;
    bool cuts_left; /* a text that is too long loses its beginning */
    wc_decoder decoder;

    wc_special_name *specials; /* [n_specials] */
    size_t n_specials;
};

/* wc_tokenizer_from_json with the checked pieces of m as the vocabulary, in place of model.vocab and model.merges. */
wc_tokenizer *wc_tokenizer_from_pieces(const wc_spm *m, const wc_json *tokenizer_json,
                                       const wc_json *tokenizer_config);
/* The added token of an id, or NULL. */
const wc_added_token *wc_tokenizer_added(const wc_tokenizer *t, int32_t id);
#endif
