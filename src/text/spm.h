/* spm.h - the pieces of a SentencePiece model, wherever they come from (tokenizer.model, GGUF), on their way to a tokenizer. */
#ifndef WC_TEXT_SPM_H
#define WC_TEXT_SPM_H
#include "base/arena.h"
#include "text/tokenizer.h"

enum wc_spm_piece_type {
    WC_SPM_NORMAL = 1,
    WC_SPM_UNKNOWN,
    WC_SPM_CONTROL,
    WC_SPM_USER_DEFINED,
    WC_SPM_UNUSED,
    WC_SPM_BYTE
};
enum wc_spm_model_type { WC_SPM_UNIGRAM = 1, WC_SPM_BPE = 2 };

typedef struct wc_spm_piece {
    const char *s; /* [n] */
    size_t n;
    float score;
    int type; /* enum wc_spm_piece_type; 0: not known */
} wc_spm_piece;

typedef struct wc_spm {
    const char *file; /* for messages */
    wc_error *err;
    wc_spm_piece *pieces; /* [n] in the arena */
    size_t n, room;
    wc_arena *arena;
    int64_t model_type, unk_id, bos_id, eos_id;
    bool byte_fallback, dummy_prefix, remove_spaces, has_trainer;
    const unsigned char *charsmap; /* [n_charsmap] */
    size_t n_charsmap;
} wc_spm;

/* The pieces of a tokenizer.model [n], which they borrow, in the arena. */
bool wc_spm_read(wc_spm *m, const void *data, size_t n, const char *file, wc_arena *a, wc_error *err);
/* A flag of tokenizer_config.json (or NULL). */
bool wc_spm_flag(const wc_json *config, const char *key, bool fallback);
bool wc_spm_fail_piece(const wc_spm *m, const wc_spm_piece *piece, const char *what);
bool wc_spm_check_piece(const wc_spm *m, const wc_spm_piece *piece);
/* The tokenizer of checked pieces; config as for wc_tokenizer_from_sentencepiece.  NULL on failure. */
wc_tokenizer *wc_spm_tokenizer(wc_spm *m, const wc_json *config);
#endif
