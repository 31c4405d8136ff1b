/* options.c - reads a command line by its table: GNU long options, "--opt=value", short ones in clusters,
 * "--", and operands anywhere between. */
#include "options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/nearest.h"
#include "base/size.h"

const cli_option cli_common_options[] = {
    {"help", 'h', NULL, CLI_FLAG, NULL, offsetof(struct cli_common, help), "Show this help"},
    {"quiet", 'q', NULL, CLI_FLAG, NULL, offsetof(struct cli_common, quiet), "Print no progress and no notes",
     .env = true},
    {"color", 0, "colour", CLI_TEXT, "WHEN", offsetof(struct cli_common, color),
     "Colour: auto (on a terminal, unless NO_COLOR is set), always or never", .env = true,
     .choices = "auto,always,never"},
    {NULL},
};

/* What messages call an option: "-n/--max-new-tokens". */
static const char *option_label(const cli_option *o, char *out, size_t room)
{
    if (o->letter)
        snprintf(out, room, "-%c/--%s", o->letter, o->name);
    else
        snprintf(out, room, "--%s", o->name);
    return out;
}

bool cli_in_list(const char *list, const char *word, size_t n)
{
    while (list && *list) {
        size_t len = strcspn(list, ",");
        if (len == n && memcmp(list, word, n) == 0)
            return true;
        list += len + (list[len] == ',');
    }
    return false;
}

/* ---- values ---- */

bool cli_number(const char *text, bool fraction, double *value)
{
    const char *p = text + (*text == '-');
    size_t digits = strspn(p, "0123456789");
    p += digits;
    if (fraction && *p == '.') {
        size_t more = strspn(++p, "0123456789");
        digits += more;
        p += more;
    }
    if (digits == 0 || *p != '\0')
        return false;
    *value = strtod(text, NULL);
    return true;
}

static bool set_int(const cli_option *o, const char *label, const char *text, struct cli_int *out,
                    wc_error *err)
{
    double x;
    if (!cli_number(text, false, &x) || x < o->min || x > o->max)
        return wc_fail(err, WC_BAD_ARGUMENT, "%s: expected a whole number from %.0f to %.0f, found '%s'",
                       label, o->min, o->max, text);
    *out = (struct cli_int){true, (int)x};
    return true;
}

static bool set_seed(const char *label, const char *text, struct cli_seed *out, wc_error *err)
{
    double x;
    errno = 0;
    uint64_t value = cli_number(text, false, &x) && x >= 0 ? strtoull(text, NULL, 10) : 0;
    if (!cli_number(text, false, &x) || *text == '-' || errno == ERANGE)
        return wc_fail(err, WC_BAD_ARGUMENT,
                       "%s: expected a whole number from 0 to 18446744073709551615, found '%s'", label, text);
    *out = (struct cli_seed){true, value};
    return true;
}

static bool set_real(const cli_option *o, const char *label, const char *text, struct cli_real *out,
                     wc_error *err)
{
    double x;
    if (!cli_number(text, true, &x) || x < o->min || x > o->max || (o->above_min && x == o->min))
        return wc_fail(err, WC_BAD_ARGUMENT, "%s: expected a decimal number %s %g and at most %g, found '%s'",
                       label, o->above_min ? "above" : "of at least", o->min, o->max, text);
    *out = (struct cli_real){true, x};
    return true;
}

static bool set_text(const cli_option *o, const char *label, const char *text, wc_error *err)
{
    if (o->choices && !cli_in_list(o->choices, text, strlen(text)))
        return wc_fail(err, WC_BAD_ARGUMENT, "%s: expected one of %s, found '%s'", label, o->choices, text);
    if (o->value != CLI_ANY && *text == '\0')
        return wc_fail(err, WC_BAD_ARGUMENT, "%s: expected a %s, found an empty value", label,
                       o->value == CLI_FILE     ? "file"
                       : o->value == CLI_FOLDER ? "folder"
                                                : "model");
    return true;
}

static bool list_add(struct cli_list *list, const char *text, wc_arena *a, wc_error *err)
{
    if ((list->n & (list->n - 1)) == 0) { /* room for the next power of two */
        size_t room = list->n ? 2 * list->n : 1;
        const char **items = wc_arena_zalloc(a, room, sizeof *items);
        if (!items)
            return wc_fail_memory(err, room * sizeof *items);
        if (list->n)
            memcpy(items, list->items, list->n * sizeof *items);
        list->items = items;
    }
    list->items[list->n++] = text;
    return true;
}

/* label: how messages name where the value comes from. */
static bool set_value(const cli_option *o, const char *label, const char *text, void *group, wc_arena *a,
                      wc_error *err)
{
    void *at = (char *)group + o->offset;
    switch (o->kind) {
    case CLI_FLAG:
        *(bool *)at = true;
        return true;
    case CLI_INT:
        return set_int(o, label, text, at, err);
    case CLI_SEED:
        return set_seed(label, text, at, err);
    case CLI_REAL:
        return set_real(o, label, text, at, err);
    case CLI_TEXT:
        *(const char **)at = text;
        return set_text(o, label, text, err);
    case CLI_LIST:
        return set_text(o, label, text, err) && list_add(at, text, a, err);
    }
    return false;
}

/* ---- finding options ---- */

/* An option and where its group lies in the arguments. */
struct found {
    const cli_option *option;
    size_t offset;
};

static const cli_option *find_in(const cli_option *table, const char *name, size_t n)
{
    for (const cli_option *o = table; o->name; o++)
        if ((strlen(o->name) == n && memcmp(o->name, name, n) == 0) || cli_in_list(o->aliases, name, n))
            return o;
    return NULL;
}

static bool find_long(const cli_command *c, const char *name, size_t n, struct found *found)
{
    for (const cli_group *g = c->groups; g->options; g++) {
        const cli_option *o = find_in(g->options, name, n);
        if (o) {
            *found = (struct found){o, g->offset};
            return true;
        }
    }
    return false;
}

static bool find_short(const cli_command *c, char letter, struct found *found)
{
    for (const cli_group *g = c->groups; g->options; g++)
        for (const cli_option *o = g->options; o->name; o++)
            if (o->letter == letter) {
                *found = (struct found){o, g->offset};
                return true;
            }
    return false;
}

const char *cli_closest(const char *word, const char *const *names, size_t n)
{
    const char *best = NULL;
    size_t least = strlen(word) / 3 + 1;
    for (size_t i = 0; i < n; i++) {
        size_t d = wc_edits(word, names[i]);
        if (strlen(word) >= 2 && strncmp(word, names[i], strlen(word)) == 0)
            d = 0; /* an abbreviation */
        if (d < least || (d == least && !best)) {
            best = names[i];
            least = d;
        }
    }
    return best;
}

static bool unknown_long(const cli_command *c, const char *name, wc_error *err)
{
    const char *names[128];
    size_t n = 0;
    for (const cli_group *g = c->groups; g->options; g++)
        for (const cli_option *o = g->options; o->name && n < sizeof names / sizeof *names; o++)
            if (o->help)
                names[n++] = o->name;
    const char *like = cli_closest(name, names, n);
    return wc_fail(err, WC_BAD_ARGUMENT, "unknown option '--%.200s'%s%s%s", name,
                   like ? "; did you mean '--" : "", like ? like : "", like ? "'?" : "");
}

/* ---- the command line ---- */

/* What is left to read. */
struct reader {
    const cli_command *command;
    int argc, at;
    char **argv;
    char *args;
    wc_arena *arena;
};

static bool take(struct reader *r, const struct found *f, const char *attached, wc_error *err)
{
    char label[80];
    option_label(f->option, label, sizeof label);
    if (f->option->kind == CLI_FLAG && attached)
        return wc_fail(err, WC_BAD_ARGUMENT, "option %s takes no value, found '%s'", label, attached);
    const char *text = attached;
    if (f->option->kind != CLI_FLAG && !text) {
        if (r->at + 1 >= r->argc)
            return wc_fail(err, WC_BAD_ARGUMENT, "option %s needs a value: %s", label, f->option->arg);
        text = r->argv[++r->at];
    }
    return set_value(f->option, label, text, r->args + f->offset, r->arena, err);
}

static bool take_long(struct reader *r, const char *arg, wc_error *err)
{
    const char *name = arg + 2, *equals = strchr(name, '=');
    struct found f;
    if (!find_long(r->command, name, equals ? (size_t)(equals - name) : strlen(name), &f)) {
        char only_name[256];
        snprintf(only_name, sizeof only_name, "%.*s",
                 equals ? (int)wc_min_size((size_t)(equals - name), 255) : 255, name);
        return unknown_long(r->command, only_name, err);
    }
    return take(r, &f, equals ? equals + 1 : NULL, err);
}

/* "-qn5": flags, then perhaps one option with its value. */
static bool take_short(struct reader *r, const char *arg, wc_error *err)
{
    for (const char *p = arg + 1; *p; p++) {
        struct found f;
        if (!find_short(r->command, *p, &f))
            return wc_fail(err, WC_BAD_ARGUMENT, "unknown option '-%c'", *p);
        if (f.option->kind != CLI_FLAG)
            return take(r, &f, p[1] ? p + 1 : NULL, err);
        if (!take(r, &f, NULL, err))
            return false;
    }
    return true;
}

static void env_name(const cli_option *o, char *out, size_t room)
{
    snprintf(out, room, "WHINCHAT_%s", o->name);
    for (char *p = out; *p; p++)
        *p = *p == '-' ? '_' : *p >= 'a' && *p <= 'z' ? (char)(*p - 'a' + 'A') : *p;
}

/* Values of the environment, before those of the command line take their place. */
static bool take_environment(struct reader *r, wc_error *err)
{
    for (const cli_group *g = r->command->groups; g->options; g++)
        for (const cli_option *o = g->options; o->name; o++) {
            char name[80];
            env_name(o, name, sizeof name);
            const char *text = o->env ? getenv(name) : NULL;
            if (!text || *text == '\0' || (o->kind == CLI_FLAG && strcmp(text, "0") == 0))
                continue;
            if (!set_value(o, name, text, r->args + g->offset, r->arena, err))
                return false;
        }
    return true;
}

void cli_operand_range(const cli_command *c, size_t *min, size_t *max)
{
    *min = *max = 0;
    for (int i = 0; i < CLI_MAX_OPERANDS && c->operands[i]; i++) {
        *min += c->operands[i][0] != '[';
        *max = strstr(c->operands[i], "...") ? SIZE_MAX : *max == SIZE_MAX ? SIZE_MAX : *max + 1;
    }
}

static bool check_operands(const cli_command *c, const struct cli_list *operands, wc_error *err)
{
    size_t min, max;
    cli_operand_range(c, &min, &max);
    if (operands->n < min)
        return wc_fail(err, WC_BAD_ARGUMENT, "missing argument %s", c->operands[operands->n]);
    if (operands->n > max)
        return wc_fail(err, WC_BAD_ARGUMENT, "unexpected argument '%s'", operands->items[max]);
    if (operands->n > 0 && min > 0 && operands->items[0][0] == '\0')
        return wc_fail(err, WC_BAD_ARGUMENT, "argument %s is empty", c->operands[0]);
    if (c->operand_choices && operands->n > 0 &&
        !cli_in_list(c->operand_choices, operands->items[0], strlen(operands->items[0])))
        return wc_fail(err, WC_BAD_ARGUMENT, "expected one of %s, found '%s'", c->operand_choices,
                       operands->items[0]);
    return true;
}

bool cli_parse(const cli_command *command, int argc, char **argv, void *args, wc_arena *a, wc_error *err)
{
    struct reader r = {command, argc, 0, argv, args, a};
    struct cli_common *common = args;
    if (!take_environment(&r, err))
        return false;
    for (bool options = true; r.at < argc; r.at++) {
        const char *arg = argv[r.at];
        bool ok;
        if (options && strcmp(arg, "--") == 0) {
            options = false;
            continue;
        }
        if (options && arg[0] == '-' && arg[1] == '-')
            ok = take_long(&r, arg, err);
        else if (options && arg[0] == '-' && arg[1] != '\0')
            ok = take_short(&r, arg, err);
        else
            ok = list_add(&common->operands, arg, a, err);
        if (!ok)
            return false;
    }
    return common->help || check_operands(command, &common->operands, err);
}

bool cli_set_option(const cli_option *table, const char *name, const char *value, void *group, wc_arena *a,
                    wc_error *err)
{
    const cli_option *o = find_in(table, name, strlen(name));
    if (!o)
        return wc_fail(err, WC_BAD_ARGUMENT, "unknown setting '%s'", name);
    if (o->kind == CLI_FLAG && cli_in_list("0,off,false", value, strlen(value))) {
        *(bool *)((char *)group + o->offset) = false;
        return true;
    }
    return set_value(o, name, value, group, a, err);
}
