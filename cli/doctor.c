/* doctor.c - whinchat doctor: the machine as whinchat sees it, for bug reports. */
#include <link.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "line.h"

struct doctor_args {
    struct cli_common common;
    bool json;
};

static const cli_option doctor_options[] = {
    {"json", 0, NULL, CLI_FLAG, NULL, offsetof(struct doctor_args, json), "Print one JSON object"},
    {NULL},
};

/* The variables that change what whinchat does, where they are set. */
static void add_environment(wc_buf *b)
{
    static const char *const names[] = {"WHINCHAT_CPU",   "WHINCHAT_MODELS", "WHINCHAT_THREADS",
                                        "HF_HOME",        "HF_HUB_CACHE",    "XDG_CACHE_HOME",
                                        "XDG_STATE_HOME", "NO_COLOR",        "TERM"};
    for (size_t i = 0, n = 0; i < sizeof names / sizeof *names; i++) {
        const char *value = getenv(names[i]);
        if (!value)
            continue;
        wc_buf_printf(b, "%s\"%s\":", n++ ? "," : "", names[i]);
        wc_buf_json_string(b, value, strlen(value));
    }
}

/* Adds the path of a shared library that is loaded. */
static int add_library(struct dl_phdr_info *info, size_t bytes, void *user)
{
    wc_buf *b = user;
    if (info->dlpi_name && strstr(info->dlpi_name, ".so")) {
        wc_buf_puts(b, b->data[b->size - 1] == '[' ? "" : ",");
        wc_buf_json_string(b, info->dlpi_name, strlen(info->dlpi_name));
    }
    return 0;
}

/* What wc_machine_json says, and what the program knows. */
static bool gather(wc_buf *b, wc_error *err)
{
    char *machine = wc_machine_json(), *models = wc_list(err);
    bool ok = machine && models;
    if (!machine)
        wc_fail_memory(err, 1);
    if (ok) {
        wc_buf_puts(b, "{\"version\":");
        wc_buf_json_string(b, wc_version(), strlen(wc_version()));
        wc_buf_printf(b, ",\"machine\":%s", machine);
        wc_buf_printf(b, ",\"line_editing\":\"%s\",\"libraries\":[", cli_lines_library());
        dl_iterate_phdr(add_library, b);
        wc_buf_puts(b, "],\"environment\":{");
        add_environment(b);
        wc_buf_printf(b, "},\"found\":%s}", models);
        ok = wc_buf_check(b, "doctor", err);
    }
    wc_free(machine);
    wc_free(models);
    return ok;
}

static const char *text_of(const wc_json *object, const char *key)
{
    const wc_json *v = wc_json_get(object, key);
    return wc_json_is(v, WC_JSON_STRING) ? v->u.text : "?";
}

static void print_libraries(const wc_json *list)
{
    for (size_t i = 0; i < wc_json_count(list); i++) {
        printf("%-16s ", i ? "" : "libraries");
        cli_print_word(wc_json_item(list, i)->u.text);
        putchar('\n');
    }
}

static void print_places(const wc_json *list)
{
    for (size_t i = 0; i < wc_json_count(list); i++) {
        const wc_json *place = wc_json_item(list, i);
        printf("%-16s ", i ? "" : "model folders");
        cli_print_word(text_of(place, "path"));
        fputs(wc_json_is(wc_json_get(place, "exists"), WC_JSON_TRUE) ? "\n" : " (not there)\n", stdout);
    }
}

static void print_machine(const wc_json *m)
{
    char total[40], free_now[40];
    cli_bytes(wc_json_number(wc_json_get(m, "memory_bytes"), 0), total, sizeof total);
    cli_bytes(wc_json_number(wc_json_get(m, "memory_available_bytes"), 0), free_now, sizeof free_now);
    printf("%-16s ", "cpu");
    cli_print_word(text_of(m, "cpu"));
    printf("\n%-16s %s of", "level", text_of(m, "level"));
    const wc_json *levels = wc_json_get(m, "levels");
    for (size_t i = 0; i < wc_json_count(levels); i++)
        printf("%s %s", i ? "," : "", wc_json_item(levels, i)->u.text);
    const char *asked = getenv("WHINCHAT_CPU");
    if (asked && *asked && strcmp(asked, text_of(m, "level")) != 0)
        fputs(" (WHINCHAT_CPU names none of them)", stdout);
    printf("\n%-16s %.0f (%s; %.0f physical cores)\n", "threads",
           wc_json_number(wc_json_get(m, "threads"), 0), text_of(m, "threads_reason"),
           wc_json_number(wc_json_get(m, "physical_cores"), 0));
    printf("%-16s %s, %s available\n", "memory", total, free_now);
}

static void print_doctor(const wc_json *root)
{
    const wc_json *found = wc_json_get(root, "found"), *models = wc_json_get(found, "models"),
                  *environment = wc_json_get(root, "environment");
    printf("%-16s %s\n", "whinchat", text_of(root, "version"));
    print_machine(wc_json_get(root, "machine"));
    printf("%-16s %s\n", "line editing", text_of(root, "line_editing"));
    print_libraries(wc_json_get(root, "libraries"));
    print_places(wc_json_get(found, "places"));
    printf("%-16s %zu can be opened by name (whinchat list)\n", "models", wc_json_count(models));
    for (size_t i = 0; i < wc_json_count(environment); i++) {
        printf("%-16s %s=", i == 0 ? "environment" : "", wc_json_key(environment, i)->u.text);
        cli_print_word(wc_json_value(environment, i)->u.text);
        putchar('\n');
    }
}

static int run(struct cli *c, void *arguments)
{
    const struct doctor_args *a = arguments;
    wc_buf b;
    wc_error err;
    wc_buf_init(&b, 64 << 20);
    const wc_json *root = gather(&b, &err) ? wc_json_parse(c->arena, b.data, b.size, "doctor", 0, &err)
                                           : NULL;
    int status;
    if (!root) {
        status = cli_fail(c, CLI_MODEL_PHASE, &err);
    } else if (a->json) {
        status = cli_print_json_buf(c, &b);
    } else {
        print_doctor(root);
        status = cli_flush(c);
    }
    wc_buf_release(&b);
    return status;
}

static const cli_group groups[] = {
    {"Output", doctor_options, 0},
    {"General", cli_common_options, 0},
    {NULL},
};

const cli_command cli_doctor = {
    .name = "doctor",
    .summary = "Tell what whinchat finds on this machine",
    .details = "The CPU and the kernels chosen for it, threads and the reason for their number, memory,\n"
               "libraries, and the places where models are looked for. Worth adding to a bug report.",
    .groups = groups,
    .args_bytes = sizeof(struct doctor_args),
    .run = run,
};
