/* template.c - see template.h.  BertProcessing and RobertaProcessing are older spellings of two templates. */
#include "text/template.h"

#include <string.h>

struct reading {
    wc_template *single, *pair;
    wc_trim *trim;
    const wc_reader *r;
    size_t n_ids;
    bool found;
};

static const char PART[] = "post_processor";

static bool read_id(const struct reading *g, const wc_json *v, const char *key, int32_t *out)
{
    if (!wc_json_is(v, WC_JSON_INT) || v->u.integer < 0)
        return wc_read_fail(g->r, PART, key, "a token id", v);
    if ((uint64_t)v->u.integer >= g->n_ids)
        return wc_fail(g->r->err, WC_BAD_FILE, "%s: %s.%s: expected an id below %zu, found %lld", g->r->file,
                       PART, key, g->n_ids, (long long)v->u.integer);
    *out = (int32_t)v->u.integer;
    return true;
}

/* The ids of special token name in special_tokens. */
static bool read_special(const struct reading *g, const wc_json *specials, const wc_json *name,
                         wc_template_item *item)
{
    const wc_json *ids = NULL;
    if (!wc_json_is(name, WC_JSON_STRING))
        return wc_read_fail(g->r, PART, "SpecialToken.id", "a string", name);
    ids = wc_json_get(wc_json_get(specials, name->u.text), "ids");
    if (!wc_json_is(ids, WC_JSON_ARRAY))
        return wc_fail(g->r->err, WC_BAD_FILE, "%s: %s.special_tokens: expected ids of \"%.100s\", found %s",
                       g->r->file, PART, name->u.text, wc_json_type_name(ids));
    int32_t *out = wc_arena_alloc(g->r->arena, wc_json_count(ids) * sizeof *out);
    if (!out)
        return wc_fail_memory(g->r->err, wc_json_count(ids) * sizeof *out);
    for (size_t i = 0; i < wc_json_count(ids); i++)
        if (!read_id(g, wc_json_item(ids, i), "special_tokens.ids", &out[i]))
            return false;
    *item = (wc_template_item){.sequence = -1, .ids = out, .n_ids = wc_json_count(ids)};
    return true;
}

static bool read_item(const struct reading *g, const wc_json *specials, const wc_json *v, const char *key,
                      wc_template_item *item)
{
    const wc_json *special = wc_json_get(v, "SpecialToken"), *sequence = wc_json_get(v, "Sequence");
    size_t type;
    if (special) {
        if (!read_special(g, specials, wc_json_get(special, "id"), item))
            return false;
    } else {
        const wc_json *id = wc_json_get(sequence, "id");
        if (!wc_json_string_is(id, "A") && !wc_json_string_is(id, "B"))
            return wc_read_fail(g->r, PART, key, "SpecialToken or Sequence A or B", sequence ? id : v);
        *item = (wc_template_item){.sequence = wc_json_string_is(id, "B")};
    }
    if (!wc_read_size(g->r, special ? special : sequence, PART, "type_id", 0, INT32_MAX, &type))
        return false;
    item->type = (int32_t)type;
    return true;
}

static bool read_template(const struct reading *g, const wc_json *stage, const char *key, wc_template *out)
{
    const wc_json *list = wc_json_get(stage, key), *specials = wc_json_get(stage, "special_tokens");
    if (!wc_json_is(list, WC_JSON_ARRAY))
        return wc_read_fail(g->r, PART, key, "an array", list);
    out->n = wc_json_count(list);
    wc_template_item *items = wc_arena_alloc(g->r->arena, out->n * sizeof *items);
    if (!items)
        return wc_fail_memory(g->r->err, out->n * sizeof *items);
    for (size_t i = 0; i < out->n; i++)
        if (!read_item(g, specials, wc_json_item(list, i), key, &items[i]))
            return false;
    out->items = items;
    return true;
}

/* ["[SEP]", 102] in field key. */
static bool read_named_id(const struct reading *g, const wc_json *stage, const char *key,
                          wc_template_item *item)
{
    const wc_json *v = wc_json_get(stage, key);
    int32_t *id = wc_arena_alloc(g->r->arena, sizeof *id);
    if (!id)
        return wc_fail_memory(g->r->err, sizeof *id);
    if (wc_json_count(v) != 2 || !wc_json_is(v, WC_JSON_ARRAY))
        return wc_read_fail(g->r, PART, key, "[token, id]", v);
    *item = (wc_template_item){.sequence = -1, .ids = id, .n_ids = 1};
    return read_id(g, wc_json_item(v, 1), key, id);
}

/* cls A sep and cls A sep [sep] B sep; BERT gives the second text type 1, RoBERTa separates with two. */
static bool read_cls_sep(const struct reading *g, const wc_json *stage, bool roberta)
{
    wc_template_item cls, sep, *items = wc_arena_zalloc(g->r->arena, 9, sizeof *items);
    size_t n = 0;
    if (!items)
        return wc_fail_memory(g->r->err, 9 * sizeof *items);
    if (!read_named_id(g, stage, "sep", &sep) || !read_named_id(g, stage, "cls", &cls))
        return false;
    for (int pair = 0; pair < 2; pair++) {
        size_t first = n;
        items[n++] = cls;
        items[n++] = (wc_template_item){.sequence = 0};
        items[n++] = sep;
        if (pair) {
            if (roberta)
                items[n++] = sep;
            items[n++] = (wc_template_item){.sequence = 1, .type = !roberta};
            items[n] = sep;
            items[n++].type = !roberta;
        }
        *(pair ? g->pair : g->single) = (wc_template){items + first, n - first};
    }
    return true;
}

static bool read_trim(struct reading *g, const wc_json *stage)
{
    return wc_read_bool(g->r, stage, PART, "trim_offsets", true, &g->trim->offsets) &&
           wc_read_bool(g->r, stage, PART, "add_prefix_space", true, &g->trim->prefix);
}

static bool read_stage(void *user, const wc_json *stage, const char *type)
{
    struct reading *g = user;
    if (strcmp(type, "ByteLevel") == 0)
        return read_trim(g, stage);
    if (g->found)
        return wc_fail(g->r->err, WC_UNSUPPORTED, "%s: %s: expected one template, found several", g->r->file,
                       PART);
    g->found = true;
    if (strcmp(type, "TemplateProcessing") == 0)
        return read_template(g, stage, "single", g->single) && read_template(g, stage, "pair", g->pair);
    if (strcmp(type, "RobertaProcessing") == 0 && !read_trim(g, stage))
        return false;
    if (strcmp(type, "BertProcessing") == 0 || strcmp(type, "RobertaProcessing") == 0)
        return read_cls_sep(g, stage, *type == 'R');
    return wc_read_unknown_type(g->r, PART, type);
}

bool wc_template_read(wc_template *single, wc_template *pair, wc_trim *trim, const wc_reader *r,
                      const wc_json *part, size_t n_ids)
{
    static const wc_template_item texts[] = {{.sequence = 0}, {.sequence = 1, .type = 1}};
    struct reading g = {single, pair, trim, r, n_ids, false};
    *single = (wc_template){texts, 1};
    *pair = (wc_template){texts, 2};
    return wc_read_stages(r, part, PART, "processors", read_stage, &g);
}
