/* encoder.h - the model that makes vectors of chunks and questions. */
#ifndef DOCUMENTS_ENCODER_H
#define DOCUMENTS_ENCODER_H
#include "documents/store.h"

typedef struct docs_encoder {
    wc_model *model;                            /* the caller's */
    const char *document_prompt, *query_prompt; /* names of its prompts for the two, "" where it has none */
    const char *document_words;                 /* the former's text */
    size_t width, max_tokens;                   /* of a vector; of a text */
    const float *fingerprint;                   /* [width] */
} docs_encoder;

/* What the model says of itself; all in the arena. false where it makes no vectors. */
bool docs_encoder_init(docs_encoder *e, wc_model *model, wc_arena *a, wc_error *err);
/* Whether its vectors mean what those of an index do: it turns one known text into the same vector. path: of the index. */
bool docs_encoder_check(const docs_encoder *e, const docs_settings *settings, const char *path,
                        wc_error *err);
/* Tokens of a document's text, prompt and special tokens included: count of docs_split_options, user being the encoder. */
bool docs_encoder_count(void *encoder, const char *text, size_t n, size_t *tokens, wc_error *err);
/* Vectors [n, width] of length 1; wc_free. */
float *docs_encoder_documents(const docs_encoder *e, const wc_string *texts, size_t n, wc_error *err);
float *docs_encoder_question(const docs_encoder *e, wc_string text, wc_error *err);
#endif
