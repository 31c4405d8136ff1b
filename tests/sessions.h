/* sessions.h - models, sessions and greedy answers of tests, which fail where these do. */
#ifndef WC_TESTS_SESSIONS_H
#define WC_TESTS_SESSIONS_H
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "whinchat.h"

static inline wc_model *open_model(const char *path, int n_threads)
{
    wc_error err = {0};
    const wc_model_options o = {.size = sizeof o, .n_threads = n_threads};
    wc_model *m = wc_model_open(path, &o, &err);
    if (!m)
        fail_msg("%s", err.text);
    return m;
}

static inline wc_session *open_session(wc_model *m)
{
    wc_error err = {0};
    wc_session *s = wc_session_new(m, NULL, &err);
    if (!s)
        fail_msg("%s", err.text);
    return s;
}

static inline void set(wc_session *s, const wc_prompt *p)
{
    wc_error err = {0};
    if (!wc_session_prompt(s, p, &err))
        fail_msg("%s", err.text);
}

static inline void set_ids(wc_session *s, const int32_t *ids, size_t n)
{
    set(s, &(wc_prompt){.size = sizeof(wc_prompt), .ids = ids, .n_ids = n});
}

static inline void generate(wc_session **s, size_t n, int n_new, int chunk_rows)
{
    wc_error err = {0};
    const wc_generate_options o = {.size = sizeof o,
                                   .max_new_tokens = n_new,
                                   .sampling = 1,
                                   .ignore_eos = true,
                                   .chunk_rows = chunk_rows,
                                   .n_logprobs = -1};
    if (!wc_generate(s, n, &o, NULL, NULL, &err))
        fail_msg("%s", err.text);
}
#endif
