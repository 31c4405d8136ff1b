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

enum { PICTURE_BYTES = 256 << 20 };

#define AT(field) offsetof(struct cli_prompt_args, field)

static const char system_help[] = "The system prompt",
                  system_file_help[] = "Read the system prompt from this file",
                  image_help[] = "A picture to ask about; may be repeated; - is stdin",
                  pan_help[] = "Look at wide and tall pictures in pieces as well (Gemma 3)";

const cli_option cli_prompt_options[] = {
    {"prompt", 'p', NULL, CLI_TEXT, "TEXT", AT(prompt), "What is asked; - is stdin"},
    {"file", 'f', "prompt-file", CLI_TEXT, "FILE", AT(file),
     "Read it from this file; with --prompt, the file's text comes first; - is stdin", .value = CLI_FILE},
    {"image", 'a', "attach", CLI_LIST, "FILE", AT(images), image_help, .value = CLI_FILE},
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
    {"image", 'a', "attach", CLI_LIST, "FILE", AT(images), "A picture for the first message; may be repeated",
     .value = CLI_FILE},
    {"pan-and-scan", 0, NULL, CLI_FLAG, NULL, AT(pan_and_scan), pan_help},
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

static bool read_words(struct cli *c, const char *path, const char **text, size_t *n, wc_error *err)
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

/* ---- pictures ---- */

static bool is_url(const char *path)
{
    size_t scheme = strspn(path, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");
    return (scheme > 0 && strncmp(path + scheme, "://", 3) == 0) || strncmp(path, "data:", 5) == 0;
}

bool cli_check_picture(const char *path, wc_error *err)
{
    wc_file_map map;
    if (is_url(path))
        return wc_fail(err, WC_REFUSED,
                       "image %.300s: nothing is fetched from the network; give the picture as a file", path);
    if (!wc_file_map_open(&map, path, err))
        return wc_fail_within(err, "image");
    bool empty = map.size == 0;
    wc_file_map_close(&map);
    return empty ? wc_fail(err, WC_REFUSED, "image %s: expected a picture, found an empty file", path) : true;
}

/* The pictures of --image as media [images->n] in the arena. */
static wc_media *given_pictures(struct cli *c, const struct cli_list *images, wc_error *err)
{
    wc_media *media = wc_arena_zalloc(c->arena, images->n + 1, sizeof *media);
    if (!media) {
        wc_fail_memory(err, images->n * sizeof *media);
        return NULL;
    }
    for (size_t i = 0; i < images->n; i++) {
        media[i].path = images->items[i];
        if (strcmp(images->items[i], "-") == 0) {
            media[i].path = NULL;
            media[i].data = read_stdin(c->arena, PICTURE_BYTES, &media[i].n_bytes, err);
            if (media[i].data && media[i].n_bytes == 0)
                wc_fail(err, WC_REFUSED, "image: stdin is empty");
            if (!media[i].n_bytes)
                return NULL;
        } else if (!cli_check_picture(images->items[i], err)) {
            return NULL;
        }
    }
    return media;
}

/* The file that a picture of a chat names, NULL when it names none; *ok tells about errors. */
static const char *picture_path(const wc_json *item, const char *where, bool *ok, wc_error *err)
{
    static const char *const keys[] = {"path", "image", "url", "base64"};
    *ok = true;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const wc_json *v = wc_json_get(item, keys[i]);
        if (wc_json_is_null(v))
            continue;
        if (!wc_json_is(v, WC_JSON_STRING) || v->n == 0 || strlen(v->u.text) != v->n || i == 3) {
            *ok = wc_fail(err, WC_REFUSED, "%s: %s: expected the path of a file, found %s", where, keys[i],
                          i == 3 ? "a picture in base64" : wc_json_type_name(v));
            return NULL;
        }
        const char *path = strncmp(v->u.text, "file://", 7) == 0 ? v->u.text + 7 : v->u.text;
        wc_error why;
        if (!cli_check_picture(path, &why))
            *ok = wc_fail(err, why.code, "%s: %s: %s", where, keys[i], why.text);
        return path;
    }
    return NULL;
}

/* One pass over the pictures of a chat: counts them, and fills media when it is not NULL. */
struct picture_walk {
    wc_media *media;
    const wc_media *given;
    size_t n, n_given,
        used; /* pictures so far, those at hand without a place, and how many of these have one now */
};

static bool walk_item(struct picture_walk *w, const wc_json *item, const char *where, wc_error *err)
{
    const wc_json *type = wc_json_get(item, "type");
    if (wc_json_string_is(type, "audio") || wc_json_string_is(type, "video"))
        return wc_fail(err, WC_REFUSED, "%s: type: expected text or image, found %s", where, type->u.text);
    if (!wc_json_string_is(type, "image"))
        return true;
    bool ok;
    const char *path = picture_path(item, where, &ok, err);
    if (!ok)
        return false;
    if (w->media && path)
        w->media[w->n] = (wc_media){.path = path};
    else if (w->media)
        w->media[w->n] = w->given[w->used];
    w->n++;
    w->used += path == NULL;
    return true;
}

static bool walk_pictures(struct picture_walk *w, const wc_json *messages, const char *name, wc_error *err)
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

bool cli_chat_pictures(const wc_json *messages, const char *name, const wc_media *given, size_t n_given,
                       wc_arena *a, wc_media **media, size_t *n_media, wc_error *err)
{
    struct picture_walk count = {.n_given = n_given}, fill = {.given = given};
    if (!walk_pictures(&count, messages, name, err))
        return false;
    if (count.used != n_given)
        return wc_fail(err, WC_REFUSED,
                       "%s: %zu picture%s without a path, %zu given with --image; the counts must match",
                       name, count.used, count.used == 1 ? "" : "s", n_given);
    *media = fill.media = wc_arena_zalloc(a, count.n + 1, sizeof **media);
    if (!fill.media)
        return wc_fail_memory(err, count.n * sizeof **media);
    *n_media = count.n;
    return walk_pictures(&fill, messages, name, err);
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
    for (size_t i = 0; i < a->images.n; i++)
        n += strcmp(a->images.items[i], "-") == 0;
    return n <= 1 ? true
                  : wc_fail(err, WC_BAD_ARGUMENT,
                            "stdin can be only one of prompt, file, system prompt and image%s",
                            cli_prompt_given(a, operand) ? "" : "; give a prompt with -p");
}

/* The text of -f, then that of -p; stdin when there is neither. */
static bool read_prompt(struct cli *c, const struct cli_prompt_args *a, const char *prompt, cli_prompt *out,
                        wc_error *err)
{
    const char *words = prompt ? prompt : "", *before = "";
    size_t n_words = strlen(words), n_before = 0;
    const char *path = a->file ? a->file : !prompt || strcmp(prompt, "-") == 0 ? "-" : NULL;
    if (path && !read_words(c, path, &before, &n_before, err))
        return false;
    if (!prompt && !a->file && n_before == 0)
        return wc_fail(err, WC_REFUSED, "no prompt: stdin is empty; give one with -p/--prompt");
    if (prompt && strcmp(prompt, "-") == 0) {
        if (a->file && !read_words(c, "-", &words, &n_words, err))
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
        return read_words(c, a->system_file, out, &n, err);
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

static bool read_messages(struct cli *c, const char *path, const wc_media *given, size_t n_given,
                          cli_prompt *out, wc_error *err)
{
    const char *name = strcmp(path, "-") == 0 ? "stdin" : path;
    size_t n;
    const char *text = read_input(c->arena, path, &n, err);
    const wc_json *root = text ? wc_json_parse(c->arena, text, n, name, 0, err) : NULL;
    const wc_json *messages = root ? cli_chat_messages(root, name, err) : NULL;
    if (!messages ||
        !cli_chat_pictures(messages, name, given, n_given, c->arena, &out->media, &out->n_media, err))
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
    *out = (cli_prompt){.pan_and_scan = a->pan_and_scan};
    wc_media *given = given_pictures(c, &a->images, err);
    if (!given || !cli_system_read(c, a, &out->system, err))
        return false;
    if (a->messages)
        return read_messages(c, a->messages, given, a->images.n, out, err);
    out->media = given;
    out->n_media = a->images.n;
    return a->ids ? read_ids(c, a->ids, out, err) : read_prompt(c, a, prompt, out, err);
}

/* ---- as the library takes it ---- */

static void turn_json(const struct cli_turn *t, const wc_media *media, wc_buf *b)
{
    wc_buf_printf(b, "{\"role\":\"%s\",\"content\":", t->role);
    if (t->n_media == 0) {
        wc_buf_json_string(b, t->text, t->n_text);
    } else {
        wc_buf_puts(b, "[");
        for (size_t i = 0; i < t->n_media; i++) {
            wc_buf_puts(b, "{\"type\":\"image\"");
            if (media) {
                wc_buf_puts(b, ",\"path\":");
                wc_buf_json_string(b, media[i].path, strlen(media[i].path));
            }
            wc_buf_puts(b, "},");
        }
        wc_buf_puts(b, "{\"type\":\"text\",\"text\":");
        wc_buf_json_string(b, t->text, t->n_text);
        wc_buf_puts(b, "}]");
    }
    wc_buf_puts(b, "}");
}

void cli_turns_json(const struct cli_turn *turns, size_t n, const wc_media *media, wc_buf *json)
{
    wc_buf_puts(json, "{\"messages\":[");
    for (size_t i = 0; i < n; i++) {
        if (i)
            wc_buf_puts(json, ",");
        turn_json(&turns[i], media, json);
        if (media)
            media += turns[i].n_media;
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
        turns[n++] = (struct cli_turn){"system", p->system, strlen(p->system), 0};
    turns[n++] = (struct cli_turn){"user", p->text, p->n_text, p->n_media};
    cli_turns_json(turns, n, NULL, json);
}

bool cli_prompt_make(const cli_prompt *p, bool chat, wc_buf *json, wc_prompt *out, wc_error *err)
{
    *out = (wc_prompt){
        .size = sizeof *out, .media = p->media, .n_media = p->n_media, .pan_and_scan = p->pan_and_scan};
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
