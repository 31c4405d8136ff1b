/* answer.c - see answer.h. */
#include "answer.h"

#include <string.h>

static void show(struct cli_answer *a, const char *text, size_t n)
{
    size_t end = n;
    while (end > 0 && text[end - 1] == '\n')
        end--;
    if (end > 0) {
        for (; a->held > 0; a->held--)
            putchar('\n');
        cli_print_text(text, end);
    }
    a->held += n - end;
    a->failed = !cli_send(a->c);
}

static void add_logprobs(struct cli_answer *a, const wc_event *e)
{
    wc_buf *b = a->logprobs;
    wc_buf_printf(b, "%s{\"id\":%d,\"logprob\":", a->n_logprobs++ ? "," : "", (int)e->id);
    cli_json_number(b, (double)e->logprob);
    wc_buf_puts(b, ",\"top\":[");
    for (size_t i = 0; i < e->n_top; i++) {
        wc_buf_printf(b, "%s{\"id\":%d,\"logprob\":", i ? "," : "", (int)e->top[i].id);
        cli_json_number(b, (double)e->top[i].logprob);
        wc_buf_puts(b, "}");
    }
    wc_buf_puts(b, "]}");
}

static bool on_event(void *user, const wc_event *e)
{
    struct cli_answer *a = user;
    cli_progress_end(a->c);
    if (a->stream && e->n_bytes > 0)
        show(a, e->text, e->n_bytes);
    if (a->logprobs && e->id >= 0)
        add_logprobs(a, e);
    return !a->failed && cli_signal() == 0;
}

bool cli_answer(struct cli_answer *a, wc_session *session, const wc_prompt *prompt,
                const wc_generate_options *options, wc_error *err)
{
    a->held = 0;
    cli_catch_signals(session);
    wc_session_on_progress(session, cli_progress, a->c);
    bool ok = wc_session_prompt(session, prompt, err);
    if (ok && cli_signal() == 0)
        ok = wc_generate(&session, 1, options, on_event, a, err);
    wc_session_on_progress(session, NULL, NULL);
    cli_progress_end(a->c);
    if (cli_signal() != 0)
        ok = wc_fail(err, WC_CANCELLED, "stopped");
    return ok;
}

static double rate(size_t n, double seconds)
{
    return seconds > 0 ? (double)n / seconds : 0;
}

void cli_print_timings(const wc_result *r, double load_seconds)
{
    size_t computed = r->n_prompt - r->n_cached, decoded = r->n_ids > 0 ? r->n_ids - 1 : 0;
    fprintf(stderr, "load %.3f s", load_seconds);
    if (r->image_seconds > 0)
        fprintf(stderr, ", pictures %.3f s", r->image_seconds);
    if (r->audio_seconds > 0)
        fprintf(stderr, ", sounds %.3f s", r->audio_seconds);
    fprintf(stderr, ", prompt %zu tokens", r->n_prompt);
    if (r->n_cached > 0)
        fprintf(stderr, " (%zu kept)", r->n_cached);
    fprintf(stderr, " %.3f s (%.1f/s), first token %.3f s, answer %zu tokens %.3f s (%.1f/s), seed %llu\n",
            r->prefill_seconds, rate(computed, r->prefill_seconds), r->first_token_seconds, r->n_ids,
            r->decode_seconds, rate(decoded, r->decode_seconds), (unsigned long long)r->seed);
}
