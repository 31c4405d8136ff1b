/* prompt.c - gathers what is asked from options, files and stdin before the model is loaded, so that a
 * mistake shows at once.
 *
 * Stdin is read when nothing else says what is asked, or where an option names it by "-"; never besides, as
 * a script's stdin may be a pipe that nobody closes or the list of a loop around the command. */
#include "prompt.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/file_map.h"
#include "base/utf8.h"

enum { ATTACHED_BYTES = 256 << 20, HEARD_SECONDS = 30 };

#define AT(field) offsetof(struct cli_prompt_args, field)

static const char system_help[] = "The system prompt",
                  system_file_help[] = "Read the system prompt from this file",
                  image_help[] = "A picture to ask about; may be repeated; - is stdin",
                  audio_help[] = "A sound to ask about (WAV, FLAC, MP3, Ogg); may be repeated; - is stdin",
                  pan_help[] = "Look at wide and tall pictures in pieces as well (Gemma 3)";

const cli_option cli_prompt_options[] = {
    {"prompt", 'p', NULL, CLI_TEXT, "TEXT", AT(prompt), "What is asked; - is stdin"},
    {"file", 'f', "prompt-file", CLI_TEXT, "FILE", AT(file),
     "Read it from this file; with --prompt, the file's text comes first; - is stdin", .value = CLI_FILE},
    {"image", 'a', "attach", CLI_LIST, "FILE", AT(attached[CLI_PICTURE]), image_help, .value = CLI_FILE},
    {"audio", 0, NULL, CLI_LIST, "FILE", AT(attached[CLI_SOUND]), audio_help, .value = CLI_FILE},
    {"system", 's', NULL, CLI_TEXT, "TEXT", AT(system), system_help},
    {"system-file", 0, NULL, CLI_TEXT, "FILE", AT(system_file), system_file_help, .value = CLI_FILE},
    {"messages", 'm', NULL, CLI_TEXT, "FILE", AT(messages),
     "A whole chat: a JSON array of messages, or an object with \"messages\"; - is stdin", .value = CLI_FILE},
    {NULL},
};

const cli_option cli_prompt_form_options[] = {
    {"prompt-ids", 0, NULL, CLI_TEXT, "IDS", AT(ids), "Token ids, 1,2,3, in place of template and tokenizer"},
    {"chat", 0, NULL, CLI_FLAG, NULL, AT(chat), "Use the chat template; an error when the model has none"},
    {"raw", 0, NULL, CLI_FLAG, NULL, AT(raw), "Continue the plain text, without the chat template"},
    {"pan-and-scan", 0, NULL, CLI_FLAG, NULL, AT(pan_and_scan), pan_help},
    {NULL},
};

const cli_option cli_chat_options[] = {
    {"image", 'a', "attach", CLI_LIST, "FILE", AT(attached[CLI_PICTURE]),
     "A picture for the first message; may be repeated", .value = CLI_FILE},
    {"pan-and-scan", 0, NULL, CLI_FLAG, NULL, AT(pan_and_scan), pan_help},
    {"audio", 0, NULL, CLI_LIST, "FILE", AT(attached[CLI_SOUND]),
     "A sound for the first message; may be repeated", .value = CLI_FILE},
    {"system", 's', NULL, CLI_TEXT, "TEXT", AT(system), system_help},
    {"system-file", 0, NULL, CLI_TEXT, "FILE", AT(system_file), system_file_help, .value = CLI_FILE},
    {NULL},
};

/* ---- bytes ---- */

/* Stdin to its end, NUL-terminated, in the arena. */
static char *read_stdin(wc_arena *a, size_t max, size_t *n, wc_error *err)
{
    wc_buf b;
    char chunk[1 << 14], *text = NULL;
    wc_buf_init(&b, max);
    ssize_t got;
    while ((got = read(STDIN_FILENO, chunk, sizeof chunk)) != 0 && wc_buf_ok(&b)) {
        if (got < 0 && errno != EINTR) {
            wc_fail(err, WC_REFUSED, "stdin: cannot be read: %s", strerror(errno));
            goto done;
        }
        if (got > 0)
            wc_buf_add(&b, chunk, (size_t)got);
    }
    if (!wc_buf_check(&b, "stdin", err))
        goto done;
    *n = b.size;
    text = wc_arena_strndup(a, wc_buf_str(&b), b.size);
    if (!text)
        wc_fail_memory(err, b.size);
done:
    wc_buf_release(&b);
    return text;
}

static char *read_input(wc_arena *a, const char *path, size_t *n, wc_error *err)
{
    return strcmp(path, "-") == 0 ? read_stdin(a, CLI_INPUT_BYTES, n, err)
                                  : wc_file_read(a, path, CLI_INPUT_BYTES, n, err);
}

/* Words to say to a model: no NUL, no byte order mark, and not the line feed that ends a file.  name: of the
 * source. */
static bool clean_text(struct cli *c, const char *name, const char **text, size_t *n, wc_error *err)
{
    const char *nul = memchr(*text, '\0', *n);
    if (nul)
        return wc_fail(err, WC_REFUSED, "%s: a NUL at byte %zu; expected text in UTF-8", name,
                       (size_t)(nul - *text));
    if (*n >= 3 && memcmp(*text, "\xef\xbb\xbf", 3) == 0) {
        *text += 3;
        *n -= 3;
    }
    if (!wc_utf8_valid(*text, *n))
        cli_note(c, "warning: %s is not valid UTF-8: U+FFFD takes the place of what is not", name);
    return true;
}

static size_t without_line_end(const char *text, size_t n)
{
    if (n > 0 && text[n - 1] == '\n')
        n -= n > 1 && text[n - 2] == '\r' ? 2 : 1;
    return n;
}

bool cli_words_read(struct cli *c, const char *path, const char **text, size_t *n, wc_error *err)
{
    char *words = read_input(c->arena, path, n, err);
    if (!words)
        return false;
    *text = words;
    if (!clean_text(c, strcmp(path, "-") == 0 ? "stdin" : path, text, n, err))
        return false;
    *n = without_line_end(*text, *n);
    words[*text - words + (ptrdiff_t)*n] = '\0';
    return true;
}

/* ---- pictures and sounds ---- */

/* How each kind is called by options and in chats, and by people. */
static const struct {
    const char *type, *one;
} kinds[CLI_KINDS] = {{"image", "picture"}, {"audio", "sound"}};

static bool is_url(const char *path)
{
    size_t scheme = strspn(path, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");
    return (scheme > 0 && strncmp(path + scheme, "://", 3) == 0) || strncmp(path, "data:", 5) == 0;
}

/* The sound can be decoded; a note when a model would hear its beginning only. */
static bool check_sound(struct cli *c, const char *path, wc_error *err)
{
    char *info = wc_audio_info(path, err);
    const wc_json *root = info ? wc_json_parse(c->arena, info, strlen(info), path, 0, err) : NULL;
    wc_free(info);
    if (!root)
        return wc_fail_within(err, "audio");
    const double seconds = wc_json_number(wc_json_get(root, "seconds"), 0);
    if (wc_json_is(wc_json_get(root, "cut"), WC_JSON_TRUE) && seconds > 0)
        cli_note(c, "warning: %s: only the first %d of %.0f seconds are heard", path, HEARD_SECONDS, seconds);
    else if (wc_json_is(wc_json_get(root, "cut"), WC_JSON_TRUE))
        cli_note(c, "warning: %s: only the first %d seconds are heard", path, HEARD_SECONDS);
    return true;
}

bool cli_check_attachment(struct cli *c, enum cli_kind kind, const char *path, wc_error *err)
{
    const char *type = kinds[kind].type, *one = kinds[kind].one;
    wc_file_map map;
    if (is_url(path))
        return wc_fail(err, WC_REFUSED,
                       "%s %.300s: nothing is fetched from the network; give the %s as a file", type, path,
                       one);
    if (!wc_file_map_open(&map, path, err))
        return wc_fail_within(err, type);
    bool empty = map.size == 0;
    wc_file_map_close(&map);
    if (empty)
        return wc_fail(err, WC_REFUSED, "%s %s: expected a %s, found an empty file", type, path, one);
    return kind != CLI_SOUND || check_sound(c, path, err);
}

/* The files of --image or --audio. */
static bool given_files(struct cli *c, enum cli_kind kind, const struct cli_list *files,
                        struct cli_attached *out, wc_error *err)
{
    out->items = wc_arena_zalloc(c->arena, files->n + 1, sizeof *out->items);
    if (!out->items)
        return wc_fail_memory(err, files->n * sizeof *out->items);
    for (out->n = 0; out->n < files->n; out->n++) {
        struct cli_attachment *item = &out->items[out->n];
        item->path = files->items[out->n];
        if (strcmp(item->path, "-") == 0) {
            item->path = NULL;
            item->data = read_stdin(c->arena, ATTACHED_BYTES, &item->n_bytes, err);
            if (!item->data || item->n_bytes == 0)
                return item->data ? wc_fail(err, WC_REFUSED, "%s: stdin is empty", kinds[kind].type) : false;
        } else if (!cli_check_attachment(c, kind, item->path, err)) {
            return false;
        }
    }
    return true;
}

/* The file that an item of a chat names, NULL when it names none; *ok tells about errors. */
static const char *item_path(struct cli *c, enum cli_kind kind, const wc_json *item, const char *where,
                             bool *ok, wc_error *err)
{
    const char *const keys[] = {"path", kinds[kind].type, "url", "base64"};
    *ok = true;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const wc_json *v = wc_json_get(item, keys[i]);
        if (wc_json_is_null(v))
            continue;
        if (!wc_json_is(v, WC_JSON_STRING) || v->n == 0 || strlen(v->u.text) != v->n || i == 3) {
            *ok = wc_fail(err, WC_REFUSED, "%s: %s: expected the path of a file, found %s%s%s", where,
                          keys[i], i == 3 ? "a " : wc_json_type_name(v), i == 3 ? kinds[kind].one : "",
                          i == 3 ? " in base64" : "");
            return NULL;
        }
        const char *path = strncmp(v->u.text, "file://", 7) == 0 ? v->u.text + 7 : v->u.text;
        wc_error why;
        if (!cli_check_attachment(c, kind, path, &why))
            *ok = wc_fail(err, why.code, "%s: %s: %s", where, keys[i], why.text);
        return path;
    }
    return NULL;
}

/* A pass over the pictures and sounds of a chat, which are put into to. */
struct walk {
    struct cli *c;
    const struct cli_attached *given; /* [CLI_KINDS] those at hand without a place */
    size_t used[CLI_KINDS];           /* how many of these were needed so far */
    struct cli_attached *to;          /* [CLI_KINDS] with room for as many as there are */
};

static bool walk_item(struct walk *w, const wc_json *item, const char *where, wc_error *err)
{
    const wc_json *type = wc_json_get(item, "type");
    if (wc_json_string_is(type, "video"))
        return wc_fail(err, WC_REFUSED, "%s: type: expected text, image or audio, found %s", where,
                       type->u.text);
    for (int kind = 0; kind < CLI_KINDS; kind++) {
        if (!wc_json_string_is(type, kinds[kind].type))
            continue;
        bool ok;
        const char *path = item_path(w->c, (enum cli_kind)kind, item, where, &ok, err);
        const struct cli_attached *given = &w->given[kind];
        struct cli_attached *to = &w->to[kind];
        if (!ok)
            return false;
        if (path)
            to->items[to->n] = (struct cli_attachment){.path = path};
        else if (w->used[kind]++ < given->n)
            to->items[to->n] = given->items[w->used[kind] - 1];
        to->n++;
    }
    return true;
}

static bool walk_messages(struct walk *w, const wc_json *messages, const char *name, wc_error *err)
{
    for (size_t i = 0; i < wc_json_count(messages); i++) {
        const wc_json *content = wc_json_get(wc_json_item(messages, i), "content");
        for (size_t j = 0; wc_json_is(content, WC_JSON_ARRAY) && j < content->n; j++) {
            char where[600];
            snprintf(where, sizeof where, "%.500s: messages[%zu].content[%zu]", name, i, j);
            if (!walk_item(w, wc_json_item(content, j), where, err))
                return false;
        }
    }
    return true;
}

/* Items of a chat's messages: no list of pictures or sounds can be longer. */
static size_t count_items(const wc_json *messages)
{
    size_t n = 0;
    for (size_t i = 0; i < wc_json_count(messages); i++) {
        const wc_json *content = wc_json_get(wc_json_item(messages, i), "content");
        n += wc_json_is(content, WC_JSON_ARRAY) ? content->n : 0;
    }
    return n;
}

bool cli_chat_attached(struct cli *c, const wc_json *messages, const char *name,
                       const struct cli_attached given[CLI_KINDS], struct cli_attached out[CLI_KINDS],
                       wc_error *err)
{
    struct walk w = {.c = c, .given = given, .to = out};
    const size_t room = count_items(messages) + 1;
    for (int kind = 0; kind < CLI_KINDS; kind++) {
        out[kind] = (struct cli_attached){.items = wc_arena_zalloc(c->arena, room, sizeof *out->items)};
        if (!out[kind].items)
            return wc_fail_memory(err, room * sizeof *out->items);
    }
    if (!walk_messages(&w, messages, name, err))
        return false;
    for (int kind = 0; kind < CLI_KINDS; kind++)
        if (w.used[kind] != given[kind].n)
            return wc_fail(err, WC_REFUSED,
                           "%s: %zu %s%s without a path, %zu given with --%s; the counts must match", name,
                           w.used[kind], kinds[kind].one, w.used[kind] == 1 ? "" : "s", given[kind].n,
                           kinds[kind].type);
    return true;
}

bool cli_attach(wc_arena *a, const struct cli_attached attached[CLI_KINDS], wc_prompt *out, wc_error *err)
{
    const struct cli_attached *pictures = &attached[CLI_PICTURE], *sounds = &attached[CLI_SOUND];
    wc_media *media = wc_arena_zalloc(a, pictures->n + 1, sizeof *media);
    wc_sound *heard = wc_arena_zalloc(a, sounds->n + 1, sizeof *heard);
    if (!media || !heard)
        return wc_fail_memory(err, pictures->n * sizeof *media + sounds->n * sizeof *heard);
    for (size_t i = 0; i < pictures->n; i++) {
        const struct cli_attachment *p = &pictures->items[i];
        media[i] = (wc_media){.path = p->path, .data = p->data, .n_bytes = p->n_bytes};
    }
    for (size_t i = 0; i < sounds->n; i++) {
        const struct cli_attachment *p = &sounds->items[i];
        heard[i] = (wc_sound){.path = p->path, .data = p->data, .n_bytes = p->n_bytes};
    }
    out->media = media;
    out->n_media = pictures->n;
    out->sounds = heard;
    out->n_sounds = sounds->n;
    return true;
}

/* ---- sources ---- */

bool cli_prompt_given(const struct cli_prompt_args *a, const char *operand)
{
    return a->prompt || a->file || a->messages || a->ids || operand;
}

/* At most one of the sources, and stdin for at most one purpose. */
static bool check_sources(const struct cli_prompt_args *a, const char *operand, wc_error *err)
{
    const char *prompt = operand ? operand : a->prompt;
    if (operand && a->prompt)
        return wc_fail(err, WC_BAD_ARGUMENT, "unexpected argument '%s': the prompt is given by -p/--prompt",
                       operand);
    if ((prompt || a->file) + (a->messages != NULL) + (a->ids != NULL) > 1)
        return wc_fail(err, WC_BAD_ARGUMENT, "a prompt, --messages and --prompt-ids exclude each other");
    if ((a->messages || a->ids) && (a->system || a->system_file))
        return wc_fail(err, WC_BAD_ARGUMENT, "--system goes with a prompt, not with %s",
                       a->messages ? "--messages: write it into the file" : "--prompt-ids");
    if (a->system && a->system_file)
        return wc_fail(err, WC_BAD_ARGUMENT, "--system and --system-file exclude each other");
    if (a->chat && (a->raw || a->ids))
        return wc_fail(err, WC_BAD_ARGUMENT, "--chat and %s exclude each other",
                       a->raw ? "--raw" : "--prompt-ids");
    if (a->raw && (a->messages || a->system || a->system_file))
        return wc_fail(err, WC_BAD_ARGUMENT, "--raw and %s exclude each other",
                       a->messages ? "--messages" : "--system");
    const char *const sources[] = {prompt, a->file, a->messages, a->system_file};
    size_t n = !cli_prompt_given(a, operand);
    for (size_t i = 0; i < sizeof sources / sizeof *sources; i++)
        n += sources[i] && strcmp(sources[i], "-") == 0;
    for (int kind = 0; kind < CLI_KINDS; kind++)
        for (size_t i = 0; i < a->attached[kind].n; i++)
            n += strcmp(a->attached[kind].items[i], "-") == 0;
    return n <= 1 ? true
                  : wc_fail(err, WC_BAD_ARGUMENT,
                            "stdin can be only one of prompt, file, system prompt, image and audio%s",
                            cli_prompt_given(a, operand) ? "" : "; give a prompt with -p");
}

/* The text of -f, then that of -p; stdin when there is neither. */
static bool read_prompt(struct cli *c, const struct cli_prompt_args *a, const char *prompt, cli_prompt *out,
                        wc_error *err)
{
    const char *words = prompt ? prompt : "", *before = "";
    size_t n_words = strlen(words), n_before = 0;
    const char *path = a->file ? a->file : !prompt || strcmp(prompt, "-") == 0 ? "-" : NULL;
    if (path && !cli_words_read(c, path, &before, &n_before, err))
        return false;
    if (!prompt && !a->file && n_before == 0)
        return wc_fail(err, WC_REFUSED, "no prompt: stdin is empty; give one with -p/--prompt");
    if (prompt && strcmp(prompt, "-") == 0) {
        if (a->file && !cli_words_read(c, "-", &words, &n_words, err))
            return false;
        if (!a->file)
            n_words = 0;
    } else if (prompt && !clean_text(c, "prompt", &words, &n_words, err)) {
        return false;
    }
    size_t n = n_before + (n_before && n_words) + n_words;
    char *text = wc_arena_alloc(c->arena, n + 1);
    if (!text)
        return wc_fail_memory(err, n + 1);
    memcpy(text, before, n_before);
    if (n_before && n_words)
        text[n_before] = '\n';
    memcpy(text + n - n_words, words, n_words);
    text[n] = '\0';
    out->text = text;
    out->n_text = n;
    return true;
}

bool cli_system_read(struct cli *c, const struct cli_prompt_args *a, const char **out, wc_error *err)
{
    size_t n;
    *out = a->system;
    if (a->system_file)
        return cli_words_read(c, a->system_file, out, &n, err);
    n = a->system ? strlen(a->system) : 0;
    return !a->system || clean_text(c, "--system", out, &n, err);
}

const wc_json *cli_chat_messages(const wc_json *root, const char *name, wc_error *err)
{
    const wc_json *messages = wc_json_is(root, WC_JSON_OBJECT) ? wc_json_get(root, "messages") : root;
    if (wc_json_count(messages) > 0 && wc_json_is(messages, WC_JSON_ARRAY))
        return messages;
    wc_fail(err, WC_REFUSED, "%s: messages: expected an array of messages, found %s", name,
            wc_json_is(messages, WC_JSON_ARRAY) ? "an empty one" : wc_json_type_name(messages));
    return NULL;
}

static bool read_messages(struct cli *c, const char *path, const struct cli_attached given[CLI_KINDS],
                          cli_prompt *out, wc_error *err)
{
    const char *name = strcmp(path, "-") == 0 ? "stdin" : path;
    size_t n;
    const char *text = read_input(c->arena, path, &n, err);
    const wc_json *root = text ? wc_json_parse(c->arena, text, n, name, 0, err) : NULL;
    const wc_json *messages = root ? cli_chat_messages(root, name, err) : NULL;
    if (!messages || !cli_chat_attached(c, messages, name, given, out->attached, err))
        return false;
    wc_buf b;
    wc_buf_init(&b, 2 * CLI_INPUT_BYTES);
    if (root == messages)
        wc_buf_puts(&b, "{\"messages\":");
    wc_json_write(&b, root);
    if (root == messages)
        wc_buf_puts(&b, "}");
    out->request = wc_buf_check(&b, name, err) ? wc_arena_strndup(c->arena, b.data, b.size) : NULL;
    if (wc_buf_ok(&b) && !out->request)
        wc_fail_memory(err, b.size);
    wc_buf_release(&b);
    return out->request != NULL;
}

/* "1,2,3" */
static bool read_ids(struct cli *c, const char *text, cli_prompt *out, wc_error *err)
{
    int32_t *ids = wc_arena_alloc(c->arena, (strlen(text) / 2 + 1) * sizeof *ids);
    if (!ids)
        return wc_fail_memory(err, strlen(text) * sizeof *ids);
    for (const char *p = text;;) {
        size_t n = strcspn(p, ",");
        char word[16];
        double x;
        snprintf(word, sizeof word, "%.*s", n < sizeof word ? (int)n : 15, p);
        if (n >= sizeof word || !cli_number(word, false, &x) || x < 0 || x > INT32_MAX)
            return wc_fail(err, WC_BAD_ARGUMENT,
                           "--prompt-ids: id %zu: expected a whole number from 0 to %d, found '%.*s'",
                           out->n_ids, INT32_MAX, n < 40 ? (int)n : 40, p);
        ids[out->n_ids++] = (int32_t)x;
        if (p[n] == '\0')
            break;
        p += n + 1;
    }
    out->ids = ids;
    return true;
}

bool cli_prompt_read(struct cli *c, const struct cli_prompt_args *a, const char *operand, cli_prompt *out,
                     wc_error *err)
{
    const char *prompt = operand ? operand : a->prompt;
    if (!check_sources(a, operand, err))
        return false;
    struct cli_attached given[CLI_KINDS];
    *out = (cli_prompt){.pan_and_scan = a->pan_and_scan};
    for (int kind = 0; kind < CLI_KINDS; kind++)
        if (!given_files(c, (enum cli_kind)kind, &a->attached[kind], &given[kind], err))
            return false;
    if (!cli_system_read(c, a, &out->system, err))
        return false;
    if (a->messages)
        return read_messages(c, a->messages, given, out, err);
    memcpy(out->attached, given, sizeof given);
    return a->ids ? read_ids(c, a->ids, out, err) : read_prompt(c, a, prompt, out, err);
}

/* ---- as the library takes it ---- */

/* at: how many of each kind were written before; with paths when attached is not NULL. */
static void turn_json(const struct cli_turn *t, const struct cli_attached *attached, size_t at[CLI_KINDS],
                      wc_buf *b)
{
    bool plain = true;
    wc_buf_printf(b, "{\"role\":\"%s\",\"content\":", t->role);
    for (int kind = 0; kind < CLI_KINDS; kind++)
        for (size_t i = 0; i < t->n[kind]; i++) {
            wc_buf_printf(b, "%s{\"type\":\"%s\"", plain ? "[" : "", kinds[kind].type);
            plain = false;
            if (attached) {
                const char *path = attached[kind].items[at[kind]++].path;
                wc_buf_puts(b, ",\"path\":");
                wc_buf_json_string(b, path, strlen(path));
            }
            wc_buf_puts(b, "},");
        }
    wc_buf_puts(b, plain ? "" : "{\"type\":\"text\",\"text\":");
    wc_buf_json_string(b, t->text, t->n_text);
    wc_buf_puts(b, plain ? "}" : "}]}");
}

void cli_turns_json(const struct cli_turn *turns, size_t n, const struct cli_attached *attached, wc_buf *json)
{
    size_t at[CLI_KINDS] = {0};
    wc_buf_puts(json, "{\"messages\":[");
    for (size_t i = 0; i < n; i++) {
        if (i)
            wc_buf_puts(json, ",");
        turn_json(&turns[i], attached, at, json);
    }
    wc_buf_puts(json, "]}");
}

void cli_prompt_request(const cli_prompt *p, wc_buf *json)
{
    if (p->request) {
        wc_buf_puts(json, p->request);
        return;
    }
    struct cli_turn turns[2];
    size_t n = 0;
    if (p->system)
        turns[n++] = (struct cli_turn){"system", p->system, strlen(p->system), {0}};
    turns[n++] = (struct cli_turn){
        "user", p->text, p->n_text, {p->attached[CLI_PICTURE].n, p->attached[CLI_SOUND].n}};
    cli_turns_json(turns, n, NULL, json);
}

bool cli_prompt_make(struct cli *c, const cli_prompt *p, bool chat, wc_buf *json, wc_prompt *out,
                     wc_error *err)
{
    *out = (wc_prompt){.size = sizeof *out, .pan_and_scan = p->pan_and_scan};
    if (!cli_attach(c->arena, p->attached, out, err))
        return false;
    if (p->ids) {
        out->ids = p->ids;
        out->n_ids = p->n_ids;
    } else if (!chat) {
        out->text = p->text;
    } else {
        cli_prompt_request(p, json);
        out->chat = wc_buf_str(json);
        return wc_buf_check(json, "prompt", err);
    }
    return true;
}
