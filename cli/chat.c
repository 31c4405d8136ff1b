/* chat.c - whinchat chat: a conversation on a terminal.
 *
 * The conversation is a list of turns; every question renders all of it again, and the session keeps what it
 * has already computed.  Ctrl-C stops an answer, whose words so far stay in the conversation; at the prompt,
 * twice leaves. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "answer.h"
#include "base/file_map.h"
#include "base/mem.h"
#include "base/os.h"
#include "line.h"
#include "prompt.h"
#include "pull.h"

struct chat_args {
    struct cli_common common;
    struct cli_prompt_args prompt;
    struct cli_model_args model;
    struct cli_session_args session;
    struct cli_sampling_args sampling;
};

struct chat {
    struct cli *c;
    wc_model *model;
    wc_session *session;
    cli_lines *lines;
    struct cli_sampling_args sampling;
    struct cli_turn
        *turns; /* [room_turns]; turns[0] is the system prompt, whose text is NULL when there is none */
    size_t n_turns, room_turns;
    struct attached {
        struct cli_attachment *items; /* [room] of the turns in order, then those of the next message */
        size_t n, n_next, room;
    } attached[CLI_KINDS];
    wc_buf request;
    bool leave, pan_and_scan;
    int status; /* of the program, when leave */
};

/* ---- the conversation ---- */

/* Room for one more element of size bytes in an array of n; the arena keeps the old one, which is small. */
static void *grown(wc_arena *a, void *items, size_t n, size_t *room, size_t size)
{
    if (n < *room)
        return items;
    size_t wanted = *room ? 2 * *room : 16;
    void *more = wc_arena_zalloc(a, wanted, size);
    if (more && n)
        memcpy(more, items, n * size);
    if (more)
        *room = wanted;
    return more;
}

/* n: pictures and sounds of the turn; NULL: none. */
static bool add_turn(struct chat *t, const char *role, const char *text, size_t n_text,
                     const size_t n[CLI_KINDS], wc_error *err)
{
    struct cli_turn *turns = grown(t->c->arena, t->turns, t->n_turns, &t->room_turns, sizeof *turns);
    char *copy = wc_arena_strndup(t->c->arena, text, n_text);
    if (!turns || !copy)
        return wc_fail_memory(err, n_text);
    t->turns = turns;
    struct cli_turn *turn = &turns[t->n_turns++];
    *turn = (struct cli_turn){role, copy, n_text, {0}};
    if (n)
        memcpy(turn->n, n, sizeof turn->n);
    return true;
}

/* A picture or a sound for the next message. */
static bool attach(struct chat *t, enum cli_kind kind, struct cli_attachment item, wc_error *err)
{
    struct attached *a = &t->attached[kind];
    struct cli_attachment *items = grown(t->c->arena, a->items, a->n + a->n_next, &a->room, sizeof *items);
    if (!items)
        return wc_fail_memory(err, sizeof *items);
    a->items = items;
    items[a->n + a->n_next++] = item;
    return true;
}

/* Forgets all but the system prompt. */
static void clear_turns(struct chat *t)
{
    t->n_turns = 1;
    for (int kind = 0; kind < CLI_KINDS; kind++)
        t->attached[kind].n = t->attached[kind].n_next = 0;
}

/* The last turn goes; its pictures and sounds wait for the next message when keep is true. */
static void drop_turn(struct chat *t, bool keep)
{
    const struct cli_turn *turn = &t->turns[--t->n_turns];
    for (int kind = 0; kind < CLI_KINDS; kind++) {
        struct attached *a = &t->attached[kind];
        a->n -= turn->n[kind];
        a->n_next = keep ? a->n_next + turn->n[kind] : 0;
    }
}

/* What belongs to the turns so far. */
static void attached_of(const struct chat *t, struct cli_attached out[CLI_KINDS])
{
    for (int kind = 0; kind < CLI_KINDS; kind++)
        out[kind] = (struct cli_attached){t->attached[kind].items, t->attached[kind].n};
}

static void conversation_json(const struct chat *t, const struct cli_attached *attached, wc_buf *json)
{
    size_t first = t->turns[0].text == NULL;
    wc_buf_reset(json);
    cli_turns_json(t->turns + first, t->n_turns - first, attached, json);
}

/* Answers the conversation so far; its last turn is the user's. */
static void answer_turns(struct chat *t)
{
    struct cli_answer a = {.c = t->c, .stream = true};
    wc_generate_options options;
    wc_error err;
    conversation_json(t, NULL, &t->request);
    wc_prompt prompt = {
        .size = sizeof prompt, .chat = wc_buf_str(&t->request), .pan_and_scan = t->pan_and_scan};
    struct cli_attached attached[CLI_KINDS];
    attached_of(t, attached);
    bool ok = wc_buf_check(&t->request, "conversation", &err) &&
              cli_attach(t->c->arena, attached, &prompt, &err) &&
              cli_generate_of(&t->sampling, &options, &err) &&
              cli_answer(&a, t->session, &prompt, &options, &err);
    int signal_seen = cli_signal();
    cli_catch_signals(NULL);
    const char *text = wc_session_text(t->session);
    if (!ok && !signal_seen) {
        cli_fail(t->c, CLI_INPUT_PHASE, &err);
        drop_turn(t, false);
        return;
    }
    putchar('\n');
    if (signal_seen)
        cli_note(t->c, "stopped");
    if (!ok && *text == '\0')
        drop_turn(t, true);
    else if (!add_turn(t, "assistant", text, strlen(text), NULL, &err))
        cli_fail(t->c, CLI_INPUT_PHASE, &err);
    t->leave = a.failed || signal_seen == SIGTERM;
    if (t->leave)
        t->status = a.failed ? CLI_EXIT_FAILED : CLI_EXIT_SIGNAL + signal_seen;
}

static void ask(struct chat *t, const char *text, size_t n)
{
    const size_t next[CLI_KINDS] = {t->attached[CLI_PICTURE].n_next, t->attached[CLI_SOUND].n_next};
    wc_error err;
    if (!add_turn(t, "user", text, n, next, &err)) {
        cli_fail(t->c, CLI_INPUT_PHASE, &err);
        return;
    }
    for (int kind = 0; kind < CLI_KINDS; kind++) {
        t->attached[kind].n += next[kind];
        t->attached[kind].n_next = 0;
    }
    answer_turns(t);
}

/* ---- commands ---- */

/* The file that a command names: quotes taken off, "\ " and "~/" as the shell has them.  In the arena. */
static const char *file_argument(struct chat *t, const char *argument)
{
    const char *home = getenv("HOME");
    size_t n = strlen(argument);
    wc_buf b;
    wc_buf_init(&b, CLI_INPUT_BYTES);
    if (n >= 2 && (*argument == '\'' || *argument == '"') && argument[n - 1] == *argument) {
        wc_buf_add(&b, argument + 1, n - 2);
    } else {
        if (argument[0] == '~' && argument[1] == '/' && home) {
            wc_buf_puts(&b, home);
            argument++;
        }
        for (const char *p = argument; *p; p++)
            if (*p != '\\' || p[1] == '\0')
                wc_buf_putc(&b, *p);
            else
                wc_buf_putc(&b, *++p);
    }
    const char *path = wc_arena_strdup(t->c->arena, wc_buf_str(&b));
    wc_buf_release(&b);
    return path ? path : "";
}

static bool command_image(struct chat *t, const char *argument, wc_error *err)
{
    const char *path = file_argument(t, argument);
    char *info = cli_check_attachment(t->c, CLI_PICTURE, path, err) ? wc_image_info(path, err) : NULL;
    const wc_json *root = info ? wc_json_parse(t->c->arena, info, strlen(info), path, 0, err) : NULL;
    wc_free(info);
    if (!root || !attach(t, CLI_PICTURE, (struct cli_attachment){.path = path}, err))
        return false;
    const wc_json *format = wc_json_get(root, "format");
    cli_note(t->c, "%s: %s, %.0f x %.0f; it goes with your next message", path,
             wc_json_is(format, WC_JSON_STRING) ? format->u.text : "picture",
             wc_json_number(wc_json_get(root, "width"), 0), wc_json_number(wc_json_get(root, "height"), 0));
    return true;
}

static bool command_audio(struct chat *t, const char *argument, wc_error *err)
{
    const char *path = file_argument(t, argument);
    char *info = cli_check_attachment(t->c, CLI_SOUND, path, err) ? wc_audio_info(path, err) : NULL;
    const wc_json *root = info ? wc_json_parse(t->c->arena, info, strlen(info), path, 0, err) : NULL;
    wc_free(info);
    if (!root || !attach(t, CLI_SOUND, (struct cli_attachment){.path = path}, err))
        return false;
    const wc_json *format = wc_json_get(root, "format");
    cli_note(t->c, "%s: %s, %.0f Hz, %.1f s; it goes with your next message", path,
             wc_json_is(format, WC_JSON_STRING) ? format->u.text : "sound",
             wc_json_number(wc_json_get(root, "rate"), 0), wc_json_number(wc_json_get(root, "seconds"), 0));
    return true;
}

static bool command_system(struct chat *t, const char *argument, wc_error *err)
{
    char *text = wc_arena_strdup(t->c->arena, argument);
    if (!text)
        return wc_fail_memory(err, strlen(argument));
    t->turns[0] = (struct cli_turn){"system", *text ? text : NULL, strlen(text), {0}};
    cli_note(t->c, *text ? "system prompt set" : "no system prompt");
    return true;
}

static bool command_clear(struct chat *t, const char *argument, wc_error *err)
{
    clear_turns(t);
    cli_note(t->c, "a new conversation%s", t->turns[0].text ? "; the system prompt stays" : "");
    return true;
}

static bool command_regen(struct chat *t, const char *argument, wc_error *err)
{
    if (t->n_turns < 2)
        return wc_fail(err, WC_BAD_ARGUMENT, "nothing to answer yet");
    if (strcmp(t->turns[t->n_turns - 1].role, "assistant") == 0)
        drop_turn(t, true);
    answer_turns(t);
    return true;
}

/* A temporary file takes the place of path when it is complete. */
static bool write_file(struct chat *t, const char *path, const wc_buf *text, wc_error *err)
{
    char *temporary = wc_arena_alloc(t->c->arena, strlen(path) + 5);
    if (!temporary)
        return wc_fail_memory(err, strlen(path));
    sprintf(temporary, "%s.tmp", path);
    FILE *f = fopen(temporary, "w");
    bool ok = f && fwrite(text->data, 1, text->size, f) == text->size;
    if (f)
        ok = fclose(f) == 0 && ok;
    if (ok && rename(temporary, path) == 0)
        return true;
    int why = errno;
    unlink(temporary);
    return wc_fail(err, WC_FAILED, "%s: cannot be written: %s", path, strerror(why));
}

static bool command_save(struct chat *t, const char *argument, wc_error *err)
{
    const char *path = file_argument(t, argument);
    wc_buf json;
    struct cli_attached attached[CLI_KINDS];
    wc_buf_init(&json, 4 * CLI_INPUT_BYTES);
    attached_of(t, attached);
    conversation_json(t, attached, &json);
    wc_buf_puts(&json, "\n");
    bool ok = wc_buf_check(&json, path, err) && write_file(t, path, &json, err);
    wc_buf_release(&json);
    if (ok)
        cli_note(t->c, "%s: saved", path);
    return ok;
}

/* The words of a message: its content, or the text items of it. */
static const wc_json *message_text(const wc_json *message)
{
    const wc_json *content = wc_json_get(message, "content");
    for (size_t i = wc_json_count(content); i-- > 0;)
        if (wc_json_string_is(wc_json_get(wc_json_item(content, i), "type"), "text"))
            return wc_json_get(wc_json_item(content, i), "text");
    return content;
}

static void count_attached(const wc_json *message, size_t n[CLI_KINDS])
{
    const wc_json *content = wc_json_get(message, "content");
    n[CLI_PICTURE] = n[CLI_SOUND] = 0;
    for (size_t i = 0; wc_json_is(content, WC_JSON_ARRAY) && i < content->n; i++) {
        const wc_json *type = wc_json_get(wc_json_item(content, i), "type");
        n[CLI_PICTURE] += wc_json_string_is(type, "image");
        n[CLI_SOUND] += wc_json_string_is(type, "audio");
    }
}

static bool load_turns(struct chat *t, const wc_json *messages, const char *path, wc_error *err)
{
    for (size_t i = 0; i < messages->n; i++) {
        const wc_json *message = wc_json_item(messages, i), *text = message_text(message),
                      *role = wc_json_get(message, "role");
        const char *known = wc_json_string_is(role, "user")               ? "user"
                            : wc_json_string_is(role, "assistant")        ? "assistant"
                            : i == 0 && wc_json_string_is(role, "system") ? "system"
                                                                          : NULL;
        if (!known || !wc_json_is(text, WC_JSON_STRING))
            return wc_fail(err, WC_REFUSED, "%s: messages[%zu]: expected the text of user or assistant", path,
                           i);
        size_t n[CLI_KINDS];
        count_attached(message, n);
        if (strcmp(known, "system") == 0)
            t->turns[0] = (struct cli_turn){"system", text->u.text, text->n, {0}};
        else if (!add_turn(t, known, text->u.text, text->n, n, err))
            return false;
    }
    return true;
}

static bool command_load(struct chat *t, const char *argument, wc_error *err)
{
    static const struct cli_attached none[CLI_KINDS];
    const char *path = file_argument(t, argument);
    struct cli_attached attached[CLI_KINDS];
    const wc_json *root = wc_json_read(t->c->arena, path, CLI_INPUT_BYTES, 0, err);
    const wc_json *messages = root ? cli_chat_messages(root, path, err) : NULL;
    if (!messages || !cli_chat_attached(t->c, messages, path, none, attached, err))
        return false;
    clear_turns(t);
    t->turns[0].text = NULL;
    for (int kind = 0; kind < CLI_KINDS; kind++)
        t->attached[kind] = (struct attached){attached[kind].items, attached[kind].n, 0, attached[kind].n};
    if (!load_turns(t, messages, path, err)) {
        clear_turns(t);
        return false;
    }
    cli_note(t->c, "%s: %u messages", path, messages->n);
    return true;
}

static void show_settings(const struct chat *t)
{
    for (const cli_option *o = cli_sampling_options; o->name; o++) {
        const void *at = (const char *)&t->sampling + o->offset;
        const struct cli_int *whole = at;
        const struct cli_real *real = at;
        const struct cli_seed *seed = at;
        fprintf(stderr, "  %-16s ", o->name);
        if (o->kind == CLI_FLAG)
            fprintf(stderr, "%s\n", *(const bool *)at ? "on" : "off");
        else if (o->kind == CLI_INT && whole->given)
            fprintf(stderr, "%d\n", whole->value);
        else if (o->kind == CLI_REAL && real->given)
            fprintf(stderr, "%g\n", real->value);
        else if (o->kind == CLI_SEED && seed->given)
            fprintf(stderr, "%llu\n", (unsigned long long)seed->value);
        else if (o->kind == CLI_LIST && ((const struct cli_list *)at)->n > 0)
            fprintf(stderr, "%zu texts\n", ((const struct cli_list *)at)->n);
        else
            fputs(o->kind == CLI_LIST ? "none\n" : "the model's\n", stderr);
    }
}

static bool command_set(struct chat *t, const char *argument, wc_error *err)
{
    size_t n = strcspn(argument, " ");
    char *name = wc_arena_strndup(t->c->arena, argument, n),
         *value = wc_arena_strdup(t->c->arena, argument + n + strspn(argument + n, " "));
    struct cli_sampling_args trial = t->sampling;
    wc_generate_options options;
    if (!name || !value)
        return wc_fail_memory(err, n);
    if (n == 0) {
        show_settings(t);
        return true;
    }
    if (!cli_set_option(cli_sampling_options, name, value, &trial, t->c->arena, err) ||
        !cli_generate_of(&trial, &options, err))
        return false;
    t->sampling = trial;
    return true;
}

static bool command_exit(struct chat *t, const char *argument, wc_error *err)
{
    t->leave = true;
    return true;
}

static bool command_help(struct chat *t, const char *argument, wc_error *err);

static const struct chat_command {
    const char *name, *aliases, *argument, *help;
    bool needs_argument;
    bool (*run)(struct chat *t, const char *argument, wc_error *err);
} commands[] = {
    {"help", "?", "", "show this", false, command_help},
    {"image", "", " FILE", "send this picture with the next message", true, command_image},
    {"audio", "", " FILE", "send this sound with the next message", true, command_audio},
    {"system", "", " [TEXT]", "set the system prompt; without TEXT, take it away", false, command_system},
    {"regen", "", "", "answer the last message again", false, command_regen},
    {"clear", "", "", "begin a new conversation", false, command_clear},
    {"save", "", " FILE", "write the conversation to a file, as 'run --messages' reads it", true,
     command_save},
    {"load", "", " FILE", "go on with a conversation from a file", true, command_load},
    {"set", "", " [NAME VALUE]", "change a sampling option, as in /set temp 0.7; without NAME, show them",
     false, command_set},
    {"exit", "bye,quit", "", "leave; so does Ctrl-D", false, command_exit},
};

static bool command_help(struct chat *t, const char *argument, wc_error *err)
{
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        int n = fprintf(stderr, "  /%s%s", commands[i].name, commands[i].argument);
        fprintf(stderr, "%*s%s\n", n < 22 ? 22 - n : 1, "", commands[i].help);
    }
    fputs("  \"\"\"                 begins and ends a message of several lines\n"
          "  Ctrl-C              stops the answer; at the prompt, twice leaves\n",
          stderr);
    return true;
}

/* "/name argument".  A first word with another slash in it is text, "/etc/hosts is what?". */
static bool is_command(const char *line)
{
    return line[0] == '/' && line[1] != '\0' && strcspn(line + 1, "/ ") == strcspn(line + 1, " ");
}

static void run_command(struct chat *t, const char *line)
{
    size_t n = strcspn(line + 1, " ");
    const char *argument = line + 1 + n + strspn(line + 1 + n, " ");
    const struct chat_command *command = NULL;
    wc_error err;
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        if ((strlen(commands[i].name) == n && memcmp(commands[i].name, line + 1, n) == 0) ||
            cli_in_list(commands[i].aliases, line + 1, n))
            command = &commands[i];
    bool ok = false;
    if (!command)
        wc_fail(&err, WC_FAILED, "unknown command '/%.*s'; /help lists them", (int)(n < 100 ? n : 100),
                line + 1);
    else if (command->needs_argument && *argument == '\0')
        wc_fail(&err, WC_FAILED, "/%s%s: the argument is missing", command->name, command->argument);
    else
        ok = command->run(t, argument, &err);
    if (!ok) {
        cli_fail(t->c, CLI_INPUT_PHASE, &err);
    }
}

/* ---- the terminal ---- */

/* $XDG_STATE_HOME/whinchat/history in the arena, its folders made; NULL when there is no place for it. */
static const char *history_file(wc_arena *a)
{
    const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    const char *base = state && *state == '/' ? state : NULL;
    if (!base && (!home || *home != '/'))
        return NULL;
    char *path = base ? wc_arena_strdup(a, base) : wc_path_join(a, home, ".local/state");
    path = path ? wc_path_join(a, path, "whinchat") : NULL;
    if (!path)
        return NULL;
    for (char *p = strchr(path + 1, '/'); p; p = strchr(p + 1, '/')) {
        *p = '\0';
        mkdir(path, 0700);
        *p = '/';
    }
    mkdir(path, 0700);
    return wc_path_join(a, path, "history");
}

/* Lines until one ends with the quotes, into text; first is what stands behind the opening ones. */
static enum cli_line_result read_quoted(struct chat *t, const char *first, wc_buf *text)
{
    const char *line = first;
    size_t n = strlen(first);
    bool begun = n > 0; /* a line feed right behind the quotes is none of the message */
    for (;;) {
        const char *end = strstr(line, "\"\"\"");
        wc_buf_add(text, line, end ? (size_t)(end - line) : n);
        if (end)
            return CLI_LINE;
        wc_buf_puts(text, begun ? "\n" : "");
        begun = true;
        enum cli_line_result result = cli_lines_read(t->lines, "... ", &line, &n);
        if (result != CLI_LINE)
            return result;
    }
}

/* The next message or command in text. */
static enum cli_line_result read_message(struct chat *t, wc_buf *text)
{
    const char *prompt = t->c->color_out ? "\1\033[1m\1>\1\033[0m\1 " : "> ", *line;
    size_t n;
    wc_buf_reset(text);
    enum cli_line_result result = cli_lines_read(t->lines, prompt, &line, &n);
    if (result != CLI_LINE)
        return result;
    wc_buf_add(text, line, n);
    char *typed = wc_arena_strdup(t->c->arena, wc_buf_str(text)), *start = typed ? typed : "";
    start += strspn(start, " \t");
    wc_buf_reset(text);
    if (strncmp(start, "\"\"\"", 3) == 0) {
        result = read_quoted(t, start + 3, text);
    } else {
        size_t len = strlen(start);
        while (len > 0 && strchr(" \t\r\n", start[len - 1]))
            len--;
        wc_buf_add(text, start, len);
    }
    if (result == CLI_LINE && text->size > 0)
        cli_lines_remember(t->lines, wc_buf_str(text));
    return result;
}

static void converse(struct chat *t)
{
    wc_buf text;
    wc_buf_init(&text, CLI_INPUT_BYTES);
    for (bool interrupted = false; !t->leave;) {
        enum cli_line_result result = read_message(t, &text);
        if (result == CLI_LINE_INTERRUPTED) {
            putchar('\n');
            if (interrupted)
                break;
            cli_note(t->c, "Ctrl-C again or Ctrl-D leaves");
            interrupted = true;
            continue;
        }
        interrupted = false;
        if (result == CLI_LINE_TERMINATED)
            t->status = CLI_EXIT_SIGNAL + SIGTERM;
        if (result != CLI_LINE) {
            putchar('\n');
            break;
        }
        if (text.size == 0)
            continue;
        if (is_command(wc_buf_str(&text)))
            run_command(t, wc_buf_str(&text));
        else
            ask(t, wc_buf_str(&text), text.size);
    }
    wc_buf_release(&text);
}

static bool open_chat(struct chat *t, const char *model, const struct cli_model_args *m,
                      const wc_session_options *so, wc_error *err)
{
    t->model = cli_open_model(t->c, model, m, err);
    if (!t->model)
        return false;
    cli_warnings(t->c, t->model);
    const char *info = wc_model_info(t->model);
    const wc_json *root = wc_json_parse(t->c->arena, info, strlen(info), "model info", 0, err);
    if (!root)
        return false;
    if (!wc_json_is(wc_json_get(root, "chat_template"), WC_JSON_TRUE))
        return wc_fail(err, WC_UNSUPPORTED,
                       "%s: the model has no chat template; continue a text with 'whinchat run'", model);
    t->session = wc_session_new(t->model, so, err);
    if (!t->session)
        return false;
    char size[40];
    double parameters = wc_json_number(wc_json_get(root, "parameters"), 0);
    snprintf(size, sizeof size, parameters >= 1e9 ? "%.1f billion" : "%.1f million",
             parameters / (parameters >= 1e9 ? 1e9 : 1e6));
    cli_note(t->c, "%s, %s parameters; /help lists commands, Ctrl-D leaves", model, size);
    return true;
}

int cli_chat_start(struct cli *c, const char *model, const struct cli_model_args *m,
                   const struct cli_session_args *s, const struct cli_sampling_args *sampling,
                   const struct cli_prompt_args *prompt)
{
    const wc_session_options so = cli_session_of(s);
    struct chat t = {.c = c, .sampling = *sampling, .pan_and_scan = prompt->pan_and_scan};
    const char *system = NULL;
    wc_error err;
    int status = CLI_EXIT_OK;
    wc_generate_options options;

    wc_buf_init(&t.request, 4 * CLI_INPUT_BYTES);
    if (!cli_generate_of(sampling, &options, &err) || !cli_system_read(c, prompt, &system, &err) ||
        !add_turn(&t, "system", system ? system : "", system ? strlen(system) : 0, NULL, &err)) {
        status = cli_fail(c, CLI_ARGUMENT_PHASE, &err);
        goto done;
    }
    if (!system)
        t.turns[0].text = NULL;
    if (!open_chat(&t, model, m, &so, &err)) {
        status = cli_fail(c, CLI_MODEL_PHASE, &err);
        goto done;
    }
    for (int kind = 0; kind < CLI_KINDS; kind++)
        for (size_t i = 0; i < prompt->attached[kind].n; i++) {
            const char *file = prompt->attached[kind].items[i];
            if (!(kind == CLI_PICTURE ? command_image : command_audio)(&t, file, &err)) {
                status = cli_fail(c, CLI_INPUT_PHASE, &err);
                goto done;
            }
        }
    t.lines = cli_lines_open(history_file(c->arena));
    if (!t.lines) {
        wc_fail(&err, WC_FAILED, "chat: the terminal cannot be used for editing lines");
        status = cli_fail(c, CLI_INPUT_PHASE, &err);
        goto done;
    }
    c->prefix = "";
    converse(&t);
    status = t.status;
done:
    cli_lines_close(t.lines);
    wc_session_free(t.session);
    wc_model_free(t.model);
    wc_buf_release(&t.request);
    return status;
}

static int run(struct cli *c, void *arguments)
{
    const struct chat_args *a = arguments;
    if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
        return cli_usage(c, "needs a terminal on stdin and stdout; for scripts there is 'whinchat run'");
    return cli_chat_start(c, a->common.operands.items[0], &a->model, &a->session, &a->sampling, &a->prompt);
}

static const cli_group groups[] = {
    {"Prompt", cli_chat_options, offsetof(struct chat_args, prompt)},
    {"Sampling", cli_sampling_options, offsetof(struct chat_args, sampling)},
    {"Model", cli_model_options, offsetof(struct chat_args, model)},
    {"Session", cli_session_options, offsetof(struct chat_args, session)},
    {"General", cli_common_options, 0},
    {NULL},
};

const cli_command cli_chat = {
    .name = "chat",
    .summary = "Talk with a model on the terminal",
    .details = "Ctrl-C stops the answer and not the program; at the prompt, twice leaves, and so does\n"
               "Ctrl-D. /help lists the commands: /image FILE and /audio FILE send a picture or a sound\n"
               "with the next message, /clear begins anew, /save and /load keep a conversation in a file, "
               "/set changes\n"
               "sampling. \"\"\" begins and ends a message of several lines. Lines are kept in\n"
               "$XDG_STATE_HOME/whinchat/history (~/.local/state/whinchat/history).",
    .examples = "whinchat chat gemma-3n-mini-it\n"
                "whinchat chat google/gemma-3n-E4B-it --system \"Answer in one sentence.\" --temp 0.7",
    .operands = {"MODEL"},
    .operand_value = CLI_MODEL,
    .groups = groups,
    .args_bytes = sizeof(struct chat_args),
    .run = run,
};
