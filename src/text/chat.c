/* chat.c - see chat.h.  The variables of the template are a new JSON object in an arena of the call, whose values are
 * the request's own wherever nothing changes. */
#include "text/chat.h"

#include <string.h>

#include "text/jinja_chars.h"

enum { OUTPUT_BYTES = 64 << 20 };

static const char TAG[] = "CONTINUE_FINAL_MESSAGE_TAG ";

/* Names a message's reasoning is passed under; the first is the one that templates read. */
static const char *const REASONING[] = {"reasoning_content", "thinking", "reasoning"};

struct chat {
    const wc_jinja *t;
    wc_arena *arena;
    const wc_json *request;
    unsigned flags;
    wc_error *err;
    enum wc_jinja_kind kind;
    const char *field;         /* what to continue; NULL: nothing */
    const wc_json *final_text; /* of the message to continue, without the tag */
};

static bool fail(struct chat *c, enum wc_jinja_kind kind, const char *text)
{
    c->kind = kind;
    return wc_fail(c->err, kind == WC_JINJA_CONTINUE ? WC_FAILED : WC_BAD_ARGUMENT, "%s", text);
}

static bool fail_memory(struct chat *c)
{
    c->kind = WC_JINJA_LIMIT;
    return wc_fail_memory(c->err, 0);
}

/* ---- building JSON ---- */

/* Members of an object under construction: key, value, key, value ... */
struct members {
    wc_json *items; /* [2 * n] */
    uint32_t n, room;
};

static bool members_init(struct chat *c, struct members *m, size_t room)
{
    *m = (struct members){.room = (uint32_t)room};
    m->items = wc_arena_zalloc(c->arena, 2 * room + 1, sizeof *m->items);
    return m->items || fail_memory(c);
}

static wc_json string(const char *s)
{
    return (wc_json){.type = WC_JSON_STRING, .n = (uint32_t)strlen(s), .u.text = s};
}

static bool same_text(const wc_json *a, const wc_json *b)
{
    return a->n == b->n && memcmp(a->u.text, b->u.text, a->n) == 0;
}

/* Sets a member; one of that name keeps its place.  There is room for it. */
static void set(struct members *m, wc_json key, wc_json value)
{
    uint32_t i = 0;
    while (i < m->n && !same_text(&m->items[2 * i], &key))
        i++;
    m->items[2 * i] = key;
    m->items[2 * i + 1] = value;
    m->n += i == m->n;
}

static wc_json object_of(const struct members *m)
{
    return (wc_json){.type = WC_JSON_OBJECT, .n = m->n, .u.items = m->items};
}

/* ---- messages ---- */

static const wc_json *reasoning_of(const struct members *m)
{
    for (size_t i = 0; i < sizeof REASONING / sizeof *REASONING; i++)
        for (uint32_t k = 0; k < m->n; k++)
            if (wc_json_string_is(&m->items[2 * k], REASONING[i]))
                return &m->items[2 * k + 1];
    return NULL;
}

/* A message without what is null, and with its reasoning under both names: thinking first, reasoning_content last,
 * unless the message has them already. */
static bool convert_message(struct chat *c, const wc_json *message, struct members *out)
{
    struct members plain;
    *out = (struct members){0};
    if (!wc_json_is(message, WC_JSON_OBJECT)) {
        c->kind = WC_JINJA_RUNTIME;
        return wc_fail(c->err, WC_BAD_ARGUMENT, "messages: expected objects, found %s",
                       wc_json_type_name(message));
    }
    size_t n = wc_json_count(message);
    if (!members_init(c, &plain, n) || !members_init(c, out, n + 2))
        return false;
    const wc_json *items = plain.items;
    for (size_t i = 0; i < n; i++)
        if (!wc_json_is_null(wc_json_value(message, i)))
            set(&plain, *wc_json_key(message, i), *wc_json_value(message, i));
    const wc_json *reasoning = reasoning_of(&plain);
    if (reasoning)
        set(out, string("thinking"), *reasoning);
    for (const wc_json *kept = items, *end = items + 2 * (size_t)plain.n; kept < end; kept += 2)
        set(out, kept[0], kept[1]);
    if (reasoning)
        set(out, string("reasoning_content"), *reasoning);
    return true;
}

/* text with the tag behind it. */
static bool tagged(struct chat *c, const wc_json *text, wc_json *out)
{
    size_t n = text->n + sizeof TAG - 1;
    char *copy = n < UINT32_MAX ? wc_arena_alloc(c->arena, n + 1) : NULL;
    if (!copy)
        return fail_memory(c);
    memcpy(copy, text->u.text, text->n);
    memcpy(copy + text->n, TAG, sizeof TAG);
    *out = (wc_json){.type = WC_JSON_STRING, .n = (uint32_t)n, .u.text = copy};
    return true;
}

/* The last part of a content that has a text gets the tag; the parts are a copy. */
static bool tag_parts(struct chat *c, const wc_json *content, wc_json *out)
{
    wc_json *items = wc_arena_zalloc(c->arena, (size_t)content->n + 1, sizeof *items);
    if (!items)
        return fail_memory(c);
    if (content->n > 0)
        memcpy(items, content->u.items, content->n * sizeof *items);
    for (size_t i = content->n; i-- > 0;) {
        struct members part;
        wc_json text = {0};
        const wc_json *old = wc_json_get(&items[i], "text");
        if (!old)
            continue;
        if (!wc_json_is(old, WC_JSON_STRING))
            return fail(c, WC_JINJA_RUNTIME, "messages: content: text: expected a string");
        if (!tagged(c, old, &text) || !members_init(c, &part, items[i].n))
            return false;
        for (size_t k = 0; k < items[i].n; k++)
            set(&part, *wc_json_key(&items[i], k), *wc_json_value(&items[i], k));
        set(&part, string("text"), text);
        items[i] = object_of(&part);
        c->final_text = old;
        *out = (wc_json){.type = WC_JSON_ARRAY, .n = content->n, .u.items = items};
        return true;
    }
    return fail(
        c, WC_JINJA_CONTINUE,
        "continue_final_message is set but we could not find any text to continue in the final message!");
}

static wc_json *find(const struct members *m, const char *key)
{
    for (uint32_t i = 0; i < m->n; i++)
        if (wc_json_string_is(&m->items[2 * i], key))
            return &m->items[2 * i + 1];
    return NULL;
}

static bool is_reasoning(const char *field)
{
    for (size_t i = 0; i < sizeof REASONING / sizeof *REASONING; i++)
        if (strcmp(field, REASONING[i]) == 0)
            return true;
    return false;
}

/* Whether the template reads the field to continue, under any name that holds the same text. */
static bool template_reads(const struct chat *c, const struct members *message, const wc_json *value)
{
    size_t n;
    const char *source = wc_jinja_source(c->t, &n);
    if (!is_reasoning(c->field) || !wc_json_is(value, WC_JSON_STRING))
        return memmem(source, n, c->field, strlen(c->field)) != NULL;
    for (size_t i = 0; i < sizeof REASONING / sizeof *REASONING; i++) {
        const wc_json *other = find(message, REASONING[i]);
        if (wc_json_is(other, WC_JSON_STRING) && same_text(other, value) &&
            memmem(source, n, REASONING[i], strlen(REASONING[i])))
            return true;
    }
    return false;
}

/* Puts the tag behind what the last message says. */
static bool tag_message(struct chat *c, struct members *message)
{
    wc_json *value = find(message, c->field), old, text = {0};
    c->kind = WC_JINJA_CONTINUE;
    if (!value)
        return wc_fail(c->err, WC_FAILED,
                       "continue_final_message is set but the final message has no \"%s\" to continue!",
                       c->field);
    old = *value;
    if (!template_reads(c, message, &old))
        return wc_fail(
            c->err, WC_FAILED,
            "continue_final_message is set to \"%s\" but this is not an accepted field in the chat_template",
            c->field);
    c->kind = WC_JINJA_OK;
    if (old.type == WC_JSON_ARRAY)
        return tag_parts(c, &old, value);
    if (old.type != WC_JSON_STRING)
        return fail(c, WC_JINJA_RUNTIME, "continue_final_message: expected a string or an array to continue");
    if (!tagged(c, &old, &text))
        return false;
    wc_json *copy = wc_arena_alloc(c->arena, sizeof *copy);
    if (!copy)
        return fail_memory(c);
    *copy = old;
    c->final_text = copy;
    *value = text;
    for (size_t i = 0; is_reasoning(c->field) && i < sizeof REASONING / sizeof *REASONING; i++) {
        wc_json *other = find(message, REASONING[i]);
        if (wc_json_is(other, WC_JSON_STRING) && same_text(other, copy))
            *other = text;
    }
    return true;
}

static bool convert_messages(struct chat *c, wc_json *out)
{
    const wc_json *messages = wc_json_get(c->request, "messages");
    if (!wc_json_is(messages, WC_JSON_ARRAY)) {
        c->kind = WC_JINJA_RUNTIME;
        return wc_fail(c->err, WC_BAD_ARGUMENT, "messages: expected an array, found %s",
                       wc_json_type_name(messages));
    }
    if (messages->n == 0)
        return fail(c, WC_JINJA_RUNTIME,
                    "Cannot apply chat template to an empty conversation. Provide at least one message.");
    wc_json *items = wc_arena_zalloc(c->arena, messages->n, sizeof *items);
    if (!items)
        return fail_memory(c);
    for (size_t i = 0; i < messages->n; i++) {
        struct members message;
        if (!convert_message(c, wc_json_item(messages, i), &message))
            return false;
        if (c->field && i + 1 == messages->n && !tag_message(c, &message))
            return false;
        items[i] = object_of(&message);
    }
    *out = (wc_json){.type = WC_JSON_ARRAY, .n = messages->n, .u.items = items};
    return true;
}

/* ---- the other variables ---- */

/* An array of objects, or null. */
static bool objects_or_null(struct chat *c, const char *key, wc_json *out)
{
    const wc_json *v = wc_json_get(c->request, key);
    *out = (wc_json){.type = WC_JSON_NULL};
    if (wc_json_is_null(v))
        return true;
    c->kind = WC_JINJA_RUNTIME;
    if (!wc_json_is(v, WC_JSON_ARRAY))
        return wc_fail(c->err, WC_BAD_ARGUMENT, "%s: expected an array, found %s", key, wc_json_type_name(v));
    for (size_t i = 0; i < v->n; i++)
        if (!wc_json_is(wc_json_item(v, i), WC_JSON_OBJECT))
            return wc_fail(c->err, WC_BAD_ARGUMENT, "%s: expected objects, found %s", key,
                           wc_json_type_name(wc_json_item(v, i)));
    c->kind = WC_JINJA_OK;
    *out = *v;
    return true;
}

static bool optional_object(struct chat *c, const char *key, const wc_json **out)
{
    *out = wc_json_get(c->request, key);
    if (wc_json_is_null(*out) || wc_json_is(*out, WC_JSON_OBJECT))
        return true;
    c->kind = WC_JINJA_RUNTIME;
    return wc_fail(c->err, WC_BAD_ARGUMENT, "%s: expected an object, found %s", key, wc_json_type_name(*out));
}

/* Those that are set; a later table overrides. */
static void add_special_tokens(struct members *vars, const wc_json *tokens)
{
    for (size_t i = 0; i < wc_json_count(tokens); i++) {
        const wc_json *v = wc_json_value(tokens, i), *content = wc_json_get(v, "content");
        if (!wc_json_is_null(v))
            set(vars, *wc_json_key(tokens, i), content ? *content : *v);
    }
}

static bool ends_with_assistant(const struct chat *c)
{
    const wc_json *messages = wc_json_get(c->request, "messages");
    size_t n = wc_json_count(messages);
    return n > 0 && wc_json_string_is(wc_json_get(wc_json_item(messages, n - 1), "role"), "assistant");
}

static bool make_variables(struct chat *c, const wc_json *special_tokens, wc_json *out)
{
    struct members vars;
    const wc_json *own_tokens, *kwargs, *prompt = wc_json_get(c->request, "add_generation_prompt");
    wc_json messages = {0}, tools, documents, generation = {.type = WC_JSON_FALSE};
    if (!optional_object(c, "special_tokens", &own_tokens) || !optional_object(c, "kwargs", &kwargs))
        return false;
    if (!convert_messages(c, &messages) || !objects_or_null(c, "tools", &tools) ||
        !objects_or_null(c, "documents", &documents))
        return false;
    if (prompt)
        generation = *prompt;
    else if ((c->flags & WC_CHAT_GENERATE) && !c->field && !ends_with_assistant(c))
        generation.type = WC_JSON_TRUE;
    size_t room = wc_json_count(special_tokens) + wc_json_count(own_tokens) + wc_json_count(kwargs) + 4;
    if (!members_init(c, &vars, room))
        return false;
    add_special_tokens(&vars, special_tokens);
    add_special_tokens(&vars, own_tokens);
    for (size_t i = 0; i < wc_json_count(kwargs); i++)
        set(&vars, *wc_json_key(kwargs, i), *wc_json_value(kwargs, i));
    set(&vars, string("messages"), messages);
    set(&vars, string("tools"), tools);
    set(&vars, string("documents"), documents);
    set(&vars, string("add_generation_prompt"), generation);
    *out = object_of(&vars);
    return true;
}

/* ---- after the rendering ---- */

static const char *find_last(const char *text, size_t n, const char *what, size_t n_what)
{
    const char *last = NULL, *at = text;
    while ((at = memmem(at, n - (size_t)(at - text), what, n_what))) {
        last = at++;
    }
    return last;
}

static bool fail_not_found(struct chat *c, const char *message, size_t n, const wc_buf *text)
{
    wc_buf why;
    c->kind = WC_JINJA_CONTINUE;
    wc_buf_init(&why, OUTPUT_BYTES);
    wc_buf_puts(
        &why,
        "continue_final_message is set but the final message does not appear in the chat after applying the "
        "chat template! This can happen if the chat template deletes portions of the final message. Please "
        "verify the chat template and final message in your chat to ensure they are compatible."
        "Final message to continue: ");
    wc_buf_add(&why, message, n);
    wc_buf_puts(&why, "\nRendered chat:\n");
    wc_buf_add(&why, wc_buf_str(text), text->size);
    wc_fail_lines(c->err, WC_FAILED, wc_buf_str(&why), wc_buf_ok(&why) ? why.size : 0);
    wc_buf_release(&why);
    return false;
}

/* Cuts the text at the last tag; white space before it goes, too, when the template has trimmed the tag's own. */
static bool cut_at_tag(struct chat *c, wc_buf *text)
{
    const char *message = c->final_text->u.text;
    size_t n_tag = sizeof TAG - 2; /* without its space */
    size_t begin = wc_jspace_front(message, c->final_text->n), n = wc_jspace_back(message, c->final_text->n);
    n = n > begin ? n - begin : 0;
    message += begin;
    bool there = n == 0 || (text->size > 0 && memmem(text->data, text->size, message, n));
    const char *tag = text->size > 0 ? find_last(text->data, text->size, TAG, n_tag) : NULL;
    if (!there || !tag)
        return fail_not_found(c, message, n, text);
    size_t at = (size_t)(tag - text->data);
    bool spaced = at + n_tag < text->size && tag[n_tag] == ' ';
    text->size = spaced ? at : wc_jspace_back(text->data, at);
    return true;
}

/* Which field of the last message is continued. */
static bool continued_field(struct chat *c)
{
    const wc_json *v = wc_json_get(c->request, "continue_final_message");
    if (wc_json_is_null(v) || wc_json_is(v, WC_JSON_FALSE))
        return true;
    if (v->type != WC_JSON_TRUE && v->type != WC_JSON_STRING) {
        c->kind = WC_JINJA_RUNTIME;
        return wc_fail(c->err, WC_BAD_ARGUMENT,
                       "continue_final_message: expected true, false or a string, found %s",
                       wc_json_type_name(v));
    }
    c->field = v->type == WC_JSON_TRUE ? "content" : v->u.text;
    if (c->field[0] == '\0')
        c->field = NULL;
    if (c->field && wc_json_is(wc_json_get(c->request, "add_generation_prompt"), WC_JSON_TRUE))
        return fail(
            c, WC_JINJA_CONTINUE,
            "continue_final_message and add_generation_prompt are not compatible. Use continue_final_message "
            "when you want the model to continue the final message, and add_generation_prompt when you want "
            "to "
            "add a header that will prompt it to start a new assistant message instead.");
    return true;
}

/* "now" of the request; *clock is NULL when there is none. */
static bool request_clock(struct chat *c, struct wc_jinja_clock *room, const struct wc_jinja_clock **clock)
{
    const wc_json *v = wc_json_get(c->request, "now");
    *clock = NULL;
    if (wc_json_is_null(v))
        return true;
    *clock = room;
    if (wc_json_is(v, WC_JSON_STRING) && wc_jinja_clock_parse(room, v->u.text))
        return true;
    return fail(c, WC_JINJA_RUNTIME, "now: expected a string such as \"2025-07-04T09:05:03\"");
}

static bool apply(struct chat *c, const wc_json *special_tokens, wc_buf *text)
{
    wc_json vars;
    struct wc_jinja_clock room;
    const struct wc_jinja_clock *clock;
    if (!wc_json_is(c->request, WC_JSON_OBJECT)) {
        c->kind = WC_JINJA_RUNTIME;
        return wc_fail(c->err, WC_BAD_ARGUMENT, "chat request: expected an object, found %s",
                       wc_json_type_name(c->request));
    }
    if (!request_clock(c, &room, &clock) || !continued_field(c) ||
        !make_variables(c, special_tokens, &vars) ||
        !wc_jinja_render(c->t, &vars, clock, text, &c->kind, c->err))
        return false;
    return !c->field || cut_at_tag(c, text);
}

char *wc_chat_apply_json(const wc_jinja *t, const wc_json *request, const wc_json *special_tokens,
                         unsigned flags, size_t *n, enum wc_jinja_kind *kind, wc_error *err)
{
    struct chat c = {.t = t, .request = request, .flags = flags, .err = err};
    wc_buf text;
    char *result = NULL;
    wc_buf_init(&text, OUTPUT_BYTES);
    c.arena = wc_arena_new(0);
    if (!c.arena)
        fail_memory(&c);
    else if (apply(&c, special_tokens, &text)) {
        result = wc_buf_take(&text, n);
        if (!result)
            fail_memory(&c);
    }
    wc_buf_release(&text);
    wc_arena_free(c.arena);
    if (kind)
        *kind = c.kind;
    return result;
}

char *wc_chat_apply(const wc_jinja *t, const char *request, const wc_json *special_tokens, unsigned flags,
                    wc_error *err)
{
    char *text = NULL;
    wc_arena *arena = wc_arena_new(0);
    if (!arena) {
        wc_fail_memory(err, 0);
        return NULL;
    }
    const wc_json *json = wc_json_parse(arena, request, strlen(request), "chat request", 0, err);
    if (json)
        text = wc_chat_apply_json(t, json, special_tokens, flags, NULL, NULL, err);
    wc_arena_free(arena);
    return text;
}

char *wc_chat_render_plain(const char *source, const char *vars, const char *now, wc_error *err)
{
    char *text = NULL;
    wc_buf out;
    struct wc_jinja_clock clock;
    wc_buf_init(&out, OUTPUT_BYTES);
    wc_arena *arena = wc_arena_new(0);
    wc_jinja *t = wc_jinja_compile(source, strlen(source), "template", NULL, err);
    const wc_json *json = NULL;
    if (!arena)
        wc_fail_memory(err, 0);
    else if (t)
        json = wc_json_parse(arena, vars, strlen(vars), "template variables", 0, err);
    if (!json)
        goto done;
    if (!wc_json_is(json, WC_JSON_OBJECT)) {
        wc_fail(err, WC_BAD_ARGUMENT, "template variables: expected an object, found %s",
                wc_json_type_name(json));
        goto done;
    }
    if (now && !wc_jinja_clock_parse(&clock, now)) {
        wc_fail(err, WC_BAD_ARGUMENT, "now: expected a time such as \"2025-07-04T09:05:03\", found \"%s\"",
                now);
        goto done;
    }
    if (wc_jinja_render(t, json, now ? &clock : NULL, &out, NULL, err))
        text = wc_buf_take(&out, NULL);
done:
    wc_buf_release(&out);
    wc_jinja_free(t);
    wc_arena_free(arena);
    return text;
}
