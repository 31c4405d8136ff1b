/* prompt.h - what the user asks: -p, a file, stdin, a chat in JSON, pictures. */
#ifndef CLI_PROMPT_H
#define CLI_PROMPT_H
#include "cli.h"

/* The options that say what is asked; run, chat and template take them or a part of them. */
struct cli_prompt_args {
    const char *prompt, *file, *system, *system_file, *messages, *ids;
    struct cli_list images;
    bool chat, raw, pan_and_scan;
};

extern const cli_option cli_prompt_options[];      /* words, pictures, chats */
extern const cli_option cli_prompt_form_options[]; /* ids, and whether the chat template is used */
extern const cli_option cli_chat_options[];        /* system and pictures */

/* What was read of them; all of it lies in the arena of the program. */
typedef struct cli_prompt {
    const char *text; /* the user's words, [n_text] and a NUL; NULL with request or ids */
    size_t n_text;
    const char *system;  /* NULL */
    const char *request; /* a whole chat as JSON, as wc_chat_render takes it; NULL */
    const int32_t *ids;  /* [n_ids]; NULL */
    size_t n_ids;
    wc_media *media; /* [n_media] in the order of their places */
    size_t n_media;
    bool pan_and_scan;
} cli_prompt;

/* Whether any option says what is asked. */
bool cli_prompt_given(const struct cli_prompt_args *a, const char *operand);
/* Reads the files, stdin when neither option nor operand says what is asked, and looks at the pictures'
 * files. */
bool cli_prompt_read(struct cli *c, const struct cli_prompt_args *a, const char *operand, cli_prompt *out,
                     wc_error *err);
/* The words of --system or --system-file in *out, NULL when there are none. */
bool cli_system_read(struct cli *c, const struct cli_prompt_args *a, const char **out, wc_error *err);
/* The chat that a prompt stands for, as JSON. */
void cli_prompt_request(const cli_prompt *p, wc_buf *json);
/* p as the library takes it: a chat, or plain text when chat is false.  json holds the chat as long as *out
 * is used. */
bool cli_prompt_make(const cli_prompt *p, bool chat, wc_buf *json, wc_prompt *out, wc_error *err);

/* A turn of a conversation: n_media pictures and then words. */
struct cli_turn {
    const char *role, *text;
    size_t n_text, n_media;
};

/* {"messages":[...]}; media: [sum of n_media], whose paths are written with the pictures, or NULL. */
void cli_turns_json(const struct cli_turn *turns, size_t n, const wc_media *media, wc_buf *json);
/* The pictures of a chat in JSON, in order: those with a path of their own, and given[n_given] for the
 * others, all of which must be used.  name: what messages call the chat.  *media lies in the arena. */
bool cli_chat_pictures(const wc_json *messages, const char *name, const wc_media *given, size_t n_given,
                       wc_arena *a, wc_media **media, size_t *n_media, wc_error *err);
/* The array of messages of a chat, which is the array or an object that has it; NULL with an error. */
const wc_json *cli_chat_messages(const wc_json *root, const char *name, wc_error *err);
/* A picture's file is there and is a file. */
bool cli_check_picture(const char *path, wc_error *err);
#endif
