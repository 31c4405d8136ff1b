/* prompt.h - what the user asks: -p, a file, stdin, a chat in JSON, pictures, sounds. */
#ifndef CLI_PROMPT_H
#define CLI_PROMPT_H
#include "cli.h"

/* What a prompt may have beside words. */
enum cli_kind { CLI_PICTURE, CLI_SOUND, CLI_KINDS };

/* A picture or a sound: a file, or bytes. */
struct cli_attachment {
    const char *path;
    const void *data;
    size_t n_bytes;
};

/* Those of one kind, in the order of their places. */
struct cli_attached {
    struct cli_attachment *items; /* [n] in the arena */
    size_t n;
};

/* The options that say what is asked; run, chat and template take them or a part of them. */
struct cli_prompt_args {
    const char *prompt, *file, *system, *system_file, *messages, *ids;
    struct cli_list attached[CLI_KINDS];
    bool chat, raw, pan_and_scan;
};

extern const cli_option cli_prompt_options[];      /* words, pictures, sounds, chats */
extern const cli_option cli_prompt_form_options[]; /* ids, and whether the chat template is used */
extern const cli_option cli_chat_options[];        /* system, pictures and sounds */

/* What was read of them; all of it lies in the arena of the program. */
typedef struct cli_prompt {
    const char *text; /* the user's words, [n_text] and a NUL; NULL with request or ids */
    size_t n_text;
    const char *system;  /* NULL */
    const char *request; /* a whole chat as JSON, as wc_chat_render takes it; NULL */
    const int32_t *ids;  /* [n_ids]; NULL */
    size_t n_ids;
    struct cli_attached attached[CLI_KINDS];
    bool pan_and_scan;
} cli_prompt;

/* Whether any option says what is asked. */
bool cli_prompt_given(const struct cli_prompt_args *a, const char *operand);
/* Reads the files, stdin when neither option nor operand says what is asked, and looks at the files of pictures and
 * sounds. */
bool cli_prompt_read(struct cli *c, const struct cli_prompt_args *a, const char *operand, cli_prompt *out,
                     wc_error *err);
/* The text of a file, of stdin where path is "-", without the line feed that ends it; in the arena of the program. */
bool cli_words_read(struct cli *c, const char *path, const char **text, size_t *n, wc_error *err);
/* The words of --system or --system-file in *out, NULL when there are none. */
bool cli_system_read(struct cli *c, const struct cli_prompt_args *a, const char **out, wc_error *err);
/* The chat that a prompt stands for, as JSON. */
void cli_prompt_request(const cli_prompt *p, wc_buf *json);
/* p as the library takes it: a chat, or plain text when chat is false.  json holds the chat as long as *out
 * is used. */
bool cli_prompt_make(struct cli *c, const cli_prompt *p, bool chat, wc_buf *json, wc_prompt *out,
                     wc_error *err);
/* Pictures and sounds [n of each kind] become those of the prompt, in the arena. */
bool cli_attach(wc_arena *a, const struct cli_attached attached[CLI_KINDS], wc_prompt *out, wc_error *err);

/* A turn of a conversation: so many pictures, then sounds, then words. */
struct cli_turn {
    const char *role, *text;
    size_t n_text, n[CLI_KINDS];
};

/* {"messages":[...]}; attached: of all turns in order, whose paths are written too, or NULL. */
void cli_turns_json(const struct cli_turn *turns, size_t n, const struct cli_attached *attached,
                    wc_buf *json);
/* The pictures and sounds of a chat in JSON, in order: those with a path of their own, and given ones for the others, all of
 * which must be used.  name: what messages call the chat. */
bool cli_chat_attached(struct cli *c, const wc_json *messages, const char *name,
                       const struct cli_attached given[CLI_KINDS], struct cli_attached out[CLI_KINDS],
                       wc_error *err);
/* The array of messages of a chat, which is the array or an object that has it; NULL with an error. */
const wc_json *cli_chat_messages(const wc_json *root, const char *name, wc_error *err);
/* The file of a picture is there and is a file; that of a sound can be heard, and a note says what of it is not. */
bool cli_check_attachment(struct cli *c, enum cli_kind kind, const char *path, wc_error *err);
#endif
