/* show.c - whinchat show: what a model, a picture or a sound is, before anything is computed. */
#include <math.h>
#include <string.h>
#include <sys/stat.h>

#include "cli.h"

struct show_args {
    struct cli_common common;
    struct cli_model_args model;
    struct cli_session_args session;
    bool json;
};

static const cli_option output_options[] = {
    {"json", 0, NULL, CLI_FLAG, NULL, offsetof(struct show_args, json), "Print one JSON object"},
    {NULL},
};

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n >= m && strcasecmp(text + n - m, end) == 0;
}

static bool has_ending(const char *path, const char *const *endings)
{
    for (; *endings; endings++)
        if (ends_with(path, *endings))
            return true;
    return false;
}

/* A file that is no part of a model is taken for a picture or a sound; its bytes decide then. */
static bool is_media(const char *path)
{
    static const char *const media[] = {".png", ".jpg", ".jpeg", ".webp", ".gif",  ".bmp", ".wav",
                                        ".mp3", ".ogg", ".oga",  ".opus", ".flac", NULL};
    static const char *const models[] = {".gguf", ".safetensors", ".json", ".bin", NULL};
    struct stat st;
    if (stat(path, &st) != 0)
        return has_ending(path, media);
    return !S_ISDIR(st.st_mode) && !has_ending(path, models);
}

/* ---- for people ---- */

static void print_number(const char *key, double x)
{
    char text[40];
    if (ends_with(key, "_bytes"))
        printf("%s", cli_bytes(x, text, sizeof text));
    else if (strcmp(key, "parameters") == 0 && x >= 1e6)
        printf("%.0f (%.2f %s)", x, x / (x >= 1e9 ? 1e9 : 1e6), x >= 1e9 ? "billion" : "million");
    else
        printf(x == floor(x) && fabs(x) < 1e15 ? "%.0f" : "%g", x);
}

static void print_value(const char *key, const wc_json *v)
{
    switch ((wc_json_type)v->type) {
    case WC_JSON_STRING:
        cli_print_word(v->u.text);
        break;
    case WC_JSON_TRUE:
    case WC_JSON_FALSE:
        fputs(v->type == WC_JSON_TRUE ? "yes" : "no", stdout);
        break;
    case WC_JSON_ARRAY:
        for (size_t i = 0; i < v->n; i++) {
            fputs(i ? ", " : "", stdout);
            print_value(key, wc_json_item(v, i));
        }
        break;
    case WC_JSON_OBJECT:
        for (size_t i = 0; i < v->n; i++) {
            fputs(i ? ", " : "", stdout);
            cli_print_word(wc_json_key(v, i)->u.text); /* a model's file may have chosen it */
            putchar(' ');
            print_value(wc_json_key(v, i)->u.text, wc_json_value(v, i));
        }
        break;
    case WC_JSON_NULL:
        break;
    default:
        print_number(key, wc_json_number(v, 0));
    }
}

/* "context_length" as "context length", without the "_bytes" that the value says. */
static void print_key(const char *key, const char *indent)
{
    size_t n = strlen(key) - (ends_with(key, "_bytes") ? 6 : 0);
    printf("%s", indent);
    for (size_t i = 0; i < n; i++)
        putchar(key[i] == '_' ? ' ' : key[i]);
    printf("%*s", (int)(n + strlen(indent) < 17 ? 17 - n - strlen(indent) : 1), "");
}

static void print_info(const wc_json *root)
{
    for (size_t i = 0; i < wc_json_count(root); i++) {
        const char *key = wc_json_key(root, i)->u.text;
        const wc_json *value = wc_json_value(root, i);
        if (wc_json_is(value, WC_JSON_ARRAY) && value->n == 0)
            continue;
        if (strcmp(key, "memory") == 0) { /* the figures one below the other */
            printf("memory\n");
            for (size_t j = 0; j < wc_json_count(value); j++) {
                print_key(wc_json_key(value, j)->u.text, "  ");
                print_value(wc_json_key(value, j)->u.text, wc_json_value(value, j));
                putchar('\n');
            }
            continue;
        }
        print_key(key, "");
        print_value(key, value);
        putchar('\n');
    }
}

static void print_picture(const wc_json *root)
{
    const wc_json *format = wc_json_get(root, "format"), *mode = wc_json_get(root, "mode");
    printf("%s %.0fx%.0f %s\n", wc_json_is(format, WC_JSON_STRING) ? format->u.text : "picture",
           wc_json_number(wc_json_get(root, "width"), 0), wc_json_number(wc_json_get(root, "height"), 0),
           wc_json_is(mode, WC_JSON_STRING) ? mode->u.text : "");
}

static void print_sound(const wc_json *root)
{
    const wc_json *format = wc_json_get(root, "format");
    const double channels = wc_json_number(wc_json_get(root, "channels"), 0),
                 seconds = wc_json_number(wc_json_get(root, "seconds"), -1);
    printf("%s %.0f Hz, %.0f channel%s", wc_json_is(format, WC_JSON_STRING) ? format->u.text : "sound",
           wc_json_number(wc_json_get(root, "rate"), 0), channels, channels == 1 ? "" : "s");
    if (seconds >= 0)
        printf(", %.3f s", seconds);
    fputs(wc_json_is(wc_json_get(root, "cut"), WC_JSON_TRUE) ? ", of which the first 30 are heard\n" : "\n",
          stdout);
}

static int run(struct cli *c, void *arguments)
{
    const struct show_args *a = arguments;
    const char *name = a->common.operands.items[0];
    const bool media = is_media(name), sound = media && strcmp(wc_media_kind(name), "audio") == 0;
    wc_error err;
    const wc_model_options options = cli_model_of(&a->model);
    char *info = sound   ? wc_audio_info(name, &err)
                 : media ? wc_image_info(name, &err)
                         : wc_show(name, &options, a->session.ctx.value, &err);
    const wc_json *root = info ? wc_json_parse(c->arena, info, strlen(info), "info", 0, &err) : NULL;
    int status = CLI_EXIT_OK;
    if (!root)
        status = cli_fail(c, media ? CLI_INPUT_PHASE : CLI_MODEL_PHASE, &err);
    else if (a->json)
        status = cli_print_json(c, info);
    else if (sound)
        print_sound(root);
    else if (media)
        print_picture(root);
    else
        print_info(root);
    wc_free(info);
    return status ? status : cli_flush(c);
}

static const cli_group groups[] = {
    {"Output", output_options, 0},
    {"Model", cli_model_options, offsetof(struct show_args, model)},
    {"Session", cli_session_options, offsetof(struct show_args, session)},
    {"General", cli_common_options, 0},
    {NULL},
};

const cli_command cli_show = {
    .name = "show",
    .summary = "Tell what a model is and needs, or what a picture or a sound is",
    .details = "Weights are mapped and not read: this is fast for any size. The memory is that of a\n"
               "session with the context length of --ctx. A file that is no model's is taken for a\n"
               "picture or a sound; it is decoded, and its format and size are printed.",
    .examples = "whinchat show google/gemma-3n-E4B-it --ctx 4096\n"
                "whinchat show guitarist.png",
    .operands = {"MODEL|FILE"},
    .operand_value = CLI_MODEL,
    .groups = groups,
    .args_bytes = sizeof(struct show_args),
    .run = run,
};
