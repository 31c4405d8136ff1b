/* session.h - one conversation: its tokens, what of them is computed, its answer.  This is what wc_session is. */
#ifndef WC_GENERATE_SESSION_H
#define WC_GENERATE_SESSION_H
#include "base/buf.h"
#include "generate/runtime.h"
#include "generate/sampler.h"
#include "generate/stop.h"

/* A picture's or a sound's rows in the prompt. */
typedef struct wc_soft_span {
    int start, n; /* positions start .. start + n - 1 */
    wc_media_hold hold;
} wc_soft_span;

struct wc_session {
    struct wc_model *model;
    int ctx;
    wc_dtype kv_dtype;
    wc_kv_seq kv;
    int32_t *tokens; /* [ctx + 1] prompt and answer */
    int n_tokens;    /* of these in use */
    int n_computed;  /* of these in the pages */
    int n_prompt, n_cached;
    wc_soft_span *spans; /* [n_spans] of the prompt, rising */
    int n_spans;
    float *logits; /* [n_vocab] of the last row computed; valid when has_logits */
    bool has_logits;

    /* the answer in progress */
    wc_sampler *sampler;
    wc_stop *stop;
    wc_detok detok;
    wc_buf piece; /* what the last token completed */
    wc_buf text;  /* given out so far */
    int finish;   /* enum wc_finish */
    int max_new;  /* most tokens of this answer */
    uint64_t seed;
    double image_seconds, audio_seconds, prefill_seconds, decode_seconds, first_token_seconds;

    atomic_bool cancel;
    wc_observer_fn observe;
    void *observe_user;
    wc_progress_fn progress;
    void *progress_user;
};

struct wc_session *wc_session_open(struct wc_model *m, const wc_session_options *options, wc_error *err);
void wc_session_close(struct wc_session *s);
/* See wc_session_prompt: renders, tokenizes, encodes pictures and sounds, keeps what is already computed. */
bool wc_session_set_prompt(struct wc_session *s, const wc_prompt *prompt, wc_error *err);
/* The last position that the row at pos sees: pos, or the end of its picture where that sees all of itself. */
int wc_session_last_visible(const struct wc_session *s, int pos);
/* How many of the rows to compute a step of up to most rows takes: as many as do not part a picture, or all of one. */
int wc_session_rows(const struct wc_session *s, int most);
/* Rows of the longest picture that must not be parted; 0: none. */
int wc_session_longest_picture(const struct wc_session *s);
/* Appends a token.  Where it takes the sequence beyond net->rope_switch nothing counts as computed any more. */
void wc_session_push(struct wc_session *s, int32_t id);
/* See wc_generate. */
bool wc_generate_answers(struct wc_session *const *sessions, size_t n, const wc_generate_options *options,
                         wc_event_fn on_event, void *user, wc_error *err);

/* One step over several sessions: computes n_rows[i] more of the tokens of session i (0: it sits out) and puts the
 * logits of the last row of each that has no token left to compute into its s->logits.  out_all, when not NULL, gets the
 * logits of every row instead ([rows, n_vocab], for verification; one session).  The arena has the room that
 * wc_runtime_take_arena gives for so many rows. */
bool wc_step(struct wc_session *const *sessions, const int *n_rows, size_t n, wc_arena *arena, float *out_all,
             wc_error *err);
#endif
