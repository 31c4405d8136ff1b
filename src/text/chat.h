/* chat.h - from a conversation to the text of a prompt, byte for byte as transformers 5.23's apply_chat_template.
 *
 * What is done around the template, too: keys of a message that are null are left out; reasoning is copied to the names
 * that templates read; messages, tools, documents and add_generation_prompt are always defined; special tokens that are
 * not set are undefined; continue_final_message cuts the text behind the last message. */
#ifndef WC_TEXT_CHAT_H
#define WC_TEXT_CHAT_H
#include "text/jinja.h"

enum wc_chat_flags {
    /* add_generation_prompt, when the request does not say, is true unless the last message is the assistant's */
    WC_CHAT_GENERATE = 1
};

/* The prompt of a request: an object with
 *   messages                 array of objects, at least one
 *   tools, documents         arrays of objects, or null
 *   add_generation_prompt    default false
 *   continue_final_message   default false; true, or the name of the field to continue
 *   special_tokens           object of strings; they override those of the argument
 *   kwargs                   object: further variables, which win over special tokens
 *   now                      "2025-07-04T09:05:03"; local time when absent
 * special_tokens: an object of the model's own ("bos_token": "<s>"), or NULL.  A value may be null (not set) or an
 * object with "content", as in tokenizer_config.json.  flags: of wc_chat_flags.
 * The text [*n] is NUL-terminated and belongs to the caller (wc_mem_free); NULL on failure.  n may be NULL.  Messages
 * of raise_exception and about continue_final_message are exact and stand alone; *kind, when not NULL, tells. */
char *wc_chat_apply_json(const wc_jinja *t, const wc_json *request, const wc_json *special_tokens,
                         unsigned flags, size_t *n, enum wc_jinja_kind *kind, wc_error *err);
/* The same of a request as JSON text. */
char *wc_chat_apply(const wc_jinja *t, const char *request, const wc_json *special_tokens, unsigned flags,
                    wc_error *err);
/* Renders a template plainly with the variables of a JSON object; now as above, or NULL.  wc_mem_free. */
char *wc_chat_render_plain(const char *source, const char *vars, const char *now, wc_error *err);
#endif
