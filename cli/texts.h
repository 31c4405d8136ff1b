/* texts.h - what embed, rerank, classify and fill share: texts from arguments, lines or JSON, and the options of encoders. */
#ifndef CLI_TEXTS_H
#define CLI_TEXTS_H
#include "jsonl.h"

struct cli_encode_args {
    const char *file;
    struct cli_int max_tokens, batch_rows;
    bool jsonl, json;
};

extern const cli_option cli_encode_options[];

/* Texts of a command and what became of them; cut is that of wc_encode_options. */
struct cli_texts {
    wc_string *items; /* [n] */
    bool *cut;        /* [n] */
    size_t n;
};

/* The options as the library takes them. */
wc_encode_options cli_encode_of(const struct cli_encode_args *a, const struct cli_texts *texts);
/* The strings of an array, or one string, of a line of JSON; name: of the member.  Release with cli_texts_release. */
bool cli_texts_of_json(const wc_json *v, const char *name, struct cli_texts *out, wc_error *err);
void cli_texts_release(struct cli_texts *texts);
/* One warning when texts were cut: which one, or how many. */
void cli_texts_warn(struct cli *c, const struct cli_texts *texts);

/* A float in as many digits as it needs; null for what is not finite. */
void cli_json_float(wc_buf *b, float x);
void cli_json_floats(wc_buf *b, const float *x, size_t n); /* an array */
/* The indices of x [n] from the largest to the smallest, in an array of the caller; equal ones stay in order. */
void cli_rank(const float *x, size_t n, size_t *order);
/* The member of the model's info by that name; NULL when there is none.  Lies in the arena of the program. */
const wc_json *cli_info_of(struct cli *c, const wc_model *model, const char *name);

/* One of these commands: answer prints what becomes of texts, answer_line of one line of JSON. */
struct cli_encoder {
    struct cli *c;
    wc_model *model;
    const void *args;
    const struct cli_encode_args *encode;
};
/* Reads the texts: the operands behind the model, else the lines of --file or of stdin (all of it lies in the arena of the
 * program; what: such an operand's name for messages). Opens the model, runs one of the two, closes it, and gives the exit
 * status. */
int cli_encoder_run(struct cli *c, const void *args, const struct cli_encode_args *encode,
                    const struct cli_model_args *model, const struct cli_list *operands, const char *what,
                    int (*answer)(struct cli_encoder *e, struct cli_texts *texts), cli_jsonl_fn answer_line);
/* What answer does where the answers are objects of JSON: put writes those of all texts with commas between, and print shows
 * them. */
int cli_encoder_results(struct cli_encoder *e, struct cli_texts *texts,
                        bool (*put)(const struct cli_encoder *e, const struct cli_texts *texts, wc_buf *b,
                                    wc_error *err),
                        void (*print)(const wc_json *results));
#endif
