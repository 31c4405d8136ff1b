/* split.h - a document's text to chunks: passages small enough for an encoder to read as a whole.
 *
 * A chunk is a stretch of the text as it stands, never across a heading, and knows its lines and the headings above it. It
 * ends where the text does best: between paragraphs, else between lines or items of a list, else between sentences. */
#ifndef DOCUMENTS_SPLIT_H
#define DOCUMENTS_SPLIT_H
#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/error.h"

enum docs_form {
    DOCS_MARKDOWN, /* also plain text */
    DOCS_RST,      /* titles underlined by any punctuation */
    DOCS_CODE      /* lines mean something, "#" is no heading */
};

typedef struct docs_chunk {
    const char *heading; /* those above it, "Files > Formats"; "" */
    const char *text;    /* [n_bytes] of the document, borrowed */
    size_t n_bytes;
    size_t first_line, last_line; /* from 1 */
} docs_chunk;

typedef struct docs_split_options {
    enum docs_form form;
    const char *title;     /* stands above text that has no heading: the file's name; "" */
    size_t chunk_tokens;   /* most tokens of what docs_chunk_input writes, as count has it */
    size_t overlap_tokens; /* of sentences that a chunk repeats from the one before */
    /* Tokens of text [n] as the encoder will read it, its prompt and special tokens included. */
    bool (*count)(void *user, const char *text, size_t n, size_t *tokens, wc_error *err);
    void *user;
} docs_split_options;

/* How a document is read, by the end of its name. */
enum docs_form docs_form_of(const char *path);
/* The chunks of text [n], valid UTF-8, in order; all in the arena.  A text of white space has none. */
bool docs_split(const char *text, size_t n, const docs_split_options *o, wc_arena *a, docs_chunk **chunks,
                size_t *n_chunks, wc_error *err);
/* What the encoder reads of a chunk: its headings, a line feed, its text.  In the arena, NULL when there is no memory. */
const char *docs_chunk_input(const char *heading, const char *text, size_t n_text, wc_arena *a, size_t *n);
#endif
