/* gguf_vocab.h - between a tokenizer.json and the metadata of a GGUF file. */
#ifndef WC_TEXT_GGUF_VOCAB_H
#define WC_TEXT_GGUF_VOCAB_H
#include "base/arena.h"
#include "base/error.h"
#include "base/json.h"

enum { WC_GGUF_PRE_ROOM = 40 };

/* The name that GGUF files have for a pre_tokenizer of tokenizer.json; false when they have none. */
bool wc_gguf_pre_name(const wc_json *pre_tokenizer, bool ignore_merges, char name[WC_GGUF_PRE_ROOM]);

/* The keys of "tokenizer." for a tokenizer.json, its tokenizer_config.json (or NULL) and a chat template (a string or NULL),
 * filled up to n_vocab tokens.  It borrows all of them and lies in the arena.  NULL on failure. */
const wc_json *wc_tokenizer_to_gguf(const wc_json *tokenizer_json, const wc_json *tokenizer_config,
                                    size_t n_vocab, const wc_json *chat_template, const char *file,
                                    wc_arena *a, wc_error *err);
/* The same for a tokenizer.model [n] (SentencePiece, BPE). */
const wc_json *wc_sentencepiece_to_gguf(const void *data, size_t n, const wc_json *tokenizer_config,
                                        size_t n_vocab, const wc_json *chat_template, const char *file,
                                        wc_arena *a, wc_error *err);
#endif
