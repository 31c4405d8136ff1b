/* answer.h - computes an answer and shows it as it comes. */
#ifndef CLI_ANSWER_H
#define CLI_ANSWER_H
#include "cli.h"

struct cli_answer {
    struct cli *c;
    bool stream;       /* print the text as it comes */
    size_t held;       /* line feeds not printed yet: those at the end never are */
    bool failed;       /* stdout cannot be written */
    wc_buf *logprobs;  /* a JSON array of tokens is added here; NULL */
    size_t n_logprobs; /* of these so far */
};

/* Sets the prompt and generates; signals cancel it.  With stream the text stands on stdout, without the line
 * feeds at its end.  Gives WC_CANCELLED when a signal stopped it. */
bool cli_answer(struct cli_answer *a, wc_session *session, const wc_prompt *prompt,
                const wc_generate_options *options, wc_error *err);
/* How fast it went, a line on stderr. */
void cli_print_timings(const wc_result *r, double load_seconds);
#endif
