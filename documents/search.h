/* search.h - the chunks that are nearest to a question. */
#ifndef DOCUMENTS_SEARCH_H
#define DOCUMENTS_SEARCH_H
#include "documents/store.h"

/* The n best passages at most, best first, by the cosine of their vectors and the question's [width]; those under least are
 * left out.  *out [*found] in the arena. */
bool docs_search(docs_store *store, const float *question, size_t n, float least, wc_arena *a,
                 docs_passage **out, size_t *found, wc_error *err);
#endif
