/* verify_model.c - runs the prompts, pictures and sounds of a golden folder through a model, with an observer that compares. */
#include <stdio.h>
#include <string.h>

#include "base/file_map.h"
#include "base/mem.h"
#include "base/size.h"
#include "generate/session.h"
#include "generate/sound.h"
#include "verify/checks.h"

enum { CHUNK_ROWS = 7, NAME_ROOM = 300 };

/* One of the folder's prompts. */
struct prompt {
    const char *name, *text; /* text: before pictures are expanded; NULL */
    int32_t *ids, *greedy_ids;
    size_t n_ids, n_greedy;
    wc_media *pictures;
    wc_sound *sounds;
    size_t n_pictures, n_sounds;
    int pan_and_scan; /* as in wc_prompt */
    const wc_json *picture_files, *sound_files;
    float *last; /* [n_vocab] of the last row, once computed */
};

struct verification {
    wc_checks *c;
    struct wc_model *m;
    wc_backend *other; /* with another number of threads than the model's */
    struct prompt *prompts;
    size_t n_prompts;
    const char *group; /* whose points the model announces now */
};

/* ---- reading the prompts ---- */

/* The path of a file that a prompt names, in the arena; key is for messages. */
static const char *media_path(const wc_golden *g, const struct prompt *p, const char *key,
                              const wc_json *file, wc_error *err)
{
    const char *path = NULL;
    if (!wc_json_is(file, WC_JSON_STRING))
        wc_fail(err, WC_BAD_FILE, "%s: prompt %s: %s: expected file names, found %s", g->file, p->name, key,
                wc_json_type_name(file));
    else if (!(path = wc_path_join(g->arena, g->folder, file->u.text)))
        wc_fail_memory(err, file->n);
    return path;
}

/* A picture is called by its file, or NAME for image_NAME.png. */
static const char *picture_path(const wc_golden *g, const struct prompt *p, const wc_json *file,
                                wc_error *err)
{
    char name[NAME_ROOM];
    const char *path = media_path(g, p, "images", file, err);
    if (!path || wc_file_exists(path))
        return path;
    snprintf(name, sizeof name, "image_%.200s.png", file->u.text);
    path = wc_path_join(g->arena, g->folder, name);
    if (!path)
        wc_fail_memory(err, sizeof name);
    return path;
}

static bool read_media(const struct verification *v, struct prompt *p, wc_error *err)
{
    const wc_golden *g = &v->c->golden;
    p->n_pictures = wc_json_count(p->picture_files);
    p->n_sounds = wc_json_count(p->sound_files);
    p->pictures = wc_arena_zalloc(g->arena, p->n_pictures + 1, sizeof *p->pictures);
    p->sounds = wc_arena_zalloc(g->arena, p->n_sounds + 1, sizeof *p->sounds);
    if (!p->pictures || !p->sounds)
        return wc_fail_memory(err, p->n_pictures * sizeof *p->pictures);
    for (size_t i = 0; i < p->n_pictures; i++) {
        const wc_json *file = wc_json_item(p->picture_files, i);
        if (!(p->pictures[i].path = picture_path(g, p, file, err)))
            return false;
        wc_verify_rgb(v->c, file->u.text, &p->pictures[i]);
    }
    for (size_t i = 0; i < p->n_sounds; i++)
        if (!(p->sounds[i].path = media_path(g, p, "sounds", wc_json_item(p->sound_files, i), err)))
            return false;
    return true;
}

static bool read_prompts(struct verification *v, wc_error *err)
{
    const wc_golden *g = &v->c->golden;
    const wc_json *list = wc_json_get(g->json, "prompts");
    v->n_prompts = wc_json_count(list);
    v->prompts = wc_arena_zalloc(g->arena, v->n_prompts + 1, sizeof *v->prompts);
    if (!v->prompts)
        return wc_fail_memory(err, v->n_prompts * sizeof *v->prompts);
    for (size_t i = 0; i < v->n_prompts; i++) {
        const wc_json *json = wc_json_item(list, i), *name = wc_json_get(json, "name"),
                      *inputs = wc_json_get(json, "inputs"),
                      *text = wc_json_get(inputs ? inputs : json, "text"),
                      *pan = wc_json_get(json, "pan_and_scan");
        struct prompt *p = &v->prompts[i];
        if (!wc_json_is(name, WC_JSON_STRING))
            return wc_fail(err, WC_BAD_FILE, "%s: prompts: entry %zu: name: expected a string, found %s",
                           g->file, i, wc_json_type_name(name));
        p->name = name->u.text;
        p->text = wc_json_is(text, WC_JSON_STRING) ? text->u.text : NULL;
        p->pan_and_scan = wc_json_is(pan, WC_JSON_TRUE) ? 1 : wc_json_is(pan, WC_JSON_FALSE) ? -1 : 0;
        p->picture_files = wc_json_get(inputs ? inputs : json, "images");
        p->sound_files = wc_json_get(inputs, "sounds");
        if (!wc_golden_ids(g, json, "ids", v->m->net->n_vocab, 0, &p->ids, &p->n_ids, err) ||
            !wc_golden_ids(g, json, "greedy_ids", v->m->net->n_vocab, 0, &p->greedy_ids, &p->n_greedy, err) ||
            !read_media(v, p, err))
            return false;
    }
    return true;
}

/* ---- comparing ---- */

/* A point of the current group was computed. */
static void on_point(void *user, const char *point, const wc_tensor *t)
{
    struct verification *v = user;
    wc_checks_point(v->c, v->group, point, t);
}

static void on_view(void *user, const char *point, const wc_view *view)
{
    wc_tensor t = {.data = (void *)view->data, .dtype = (wc_dtype)view->dtype, .ndim = view->ndim};
    memcpy(t.shape, view->shape, sizeof t.shape);
    memcpy(t.stride, view->stride, sizeof t.stride);
    on_point(user, point, &t);
}

/* What else a group is checked for. */
static const char *const own_checks[] = {"prompt_ids", "greedy_ids", "decode", "chunks", "threads"};

static void tell(struct verification *v, const char *check, bool pass, const char *note)
{
    char name[NAME_ROOM];
    snprintf(name, sizeof name, "%s.%s", v->group, check);
    wc_checks_tell(v->c, name, pass, pass ? "" : note);
}

static bool group_wanted(const struct verification *v)
{
    const wc_golden *g = &v->c->golden;
    char name[NAME_ROOM];
    for (size_t i = 0; i < g->n; i++)
        if (strcmp(g->items[i].group, v->group) == 0 && wc_checks_want(v->c, g->items[i].name))
            return true;
    for (size_t i = 0; i < sizeof own_checks / sizeof *own_checks; i++) {
        snprintf(name, sizeof name, "%s.%s", v->group, own_checks[i]);
        if (wc_checks_want(v->c, name))
            return true;
    }
    return false;
}

static void fail_group(struct verification *v, const char *why)
{
    wc_golden *g = &v->c->golden;
    for (size_t i = 0; i < g->n; i++)
        if (strcmp(g->items[i].group, v->group) == 0)
            wc_checks_fail(v->c, &g->items[i], why);
}

/* ---- passes ---- */

/* A session with room for the prompt and its answer. */
static struct wc_session *open_session(const struct verification *v, const struct prompt *p, wc_error *err)
{
    size_t ctx = p->n_ids + p->n_greedy;
    if (ctx > (size_t)v->m->net->context_length) {
        wc_fail(err, WC_REFUSED, "%zu tokens, more than the model's context of %d", ctx,
                v->m->net->context_length);
        return NULL;
    }
    wc_session_options o = {.size = sizeof o, .ctx = ctx > 0 ? (int)ctx : 1, .kv_type = WC_KV_F32};
    return wc_session_open(v->m, &o, err);
}

/* The prompt's pictures and sounds, for ids or text. */
static wc_prompt prompt_of(const struct prompt *p)
{
    return (wc_prompt){.size = sizeof(wc_prompt),
                       .media = p->pictures,
                       .n_media = p->n_pictures,
                       .sounds = p->sounds,
                       .n_sounds = p->n_sounds,
                       .pan_and_scan = p->pan_and_scan};
}

static bool set_ids(struct wc_session *s, const struct prompt *p, wc_error *err)
{
    wc_prompt prompt = prompt_of(p);
    prompt.ids = p->ids;
    prompt.n_ids = p->n_ids;
    return wc_session_set_prompt(s, &prompt, err);
}

/* Computes what is pending in steps of up to chunk rows.  all: [rows, n_vocab] for the logits of every row, or NULL. */
static bool compute(struct wc_session *s, int chunk, float *all, wc_error *err)
{
    struct wc_model *m = s->model;
    bool ok = true;
    while (ok && s->n_computed < s->n_tokens) {
        int rows = wc_session_rows(s, chunk);
        wc_arena *arena = wc_runtime_take_arena(m, rows, rows, err);
        if (!arena)
            return false;
        ok = wc_step(&s, &rows, 1, arena, all, err);
        wc_arenas_put(m->arenas, arena);
        if (all)
            all += (size_t)rows * (size_t)m->net->n_vocab;
    }
    return ok;
}

/* The prompt and the answer's ids but the last, each row's logits in one pass: all [n_ids + n_greedy - 1, n_vocab]. */
static bool compute_whole(const struct verification *v, const struct prompt *p, float *all, wc_error *err)
{
    struct wc_session *s = open_session(v, p, err);
    bool ok = s && set_ids(s, p, err);
    for (size_t i = 0; ok && i + 1 < p->n_greedy; i++)
        wc_session_push(s, p->greedy_ids[i]);
    ok = ok && compute(s, s->n_tokens, all, err);
    wc_session_close(s);
    return ok;
}

/* The logits of the prompt's last row, computed in chunks. */
static bool compute_chunks(const struct verification *v, const struct prompt *p, float *last, wc_error *err)
{
    struct wc_session *s = open_session(v, p, err);
    bool ok = s && set_ids(s, p, err) && compute(s, CHUNK_ROWS, NULL, err);
    if (ok)
        memcpy(last, s->logits, (size_t)v->m->net->n_vocab * sizeof *last);
    wc_session_close(s);
    return ok;
}

static int32_t argmax(const float *x, size_t n)
{
    size_t best = 0;
    for (size_t i = 1; i < n; i++)
        if (x[i] > x[best])
            best = i;
    return (int32_t)best;
}

/* ---- one prompt ---- */

/* The prompt's own pass, watched: all [n_ids, n_vocab] gets every row's logits. */
static bool watch_prompt(struct verification *v, struct wc_session *s, const struct prompt *p, float *all,
                         wc_error *err)
{
    const size_t n_vocab = (size_t)v->m->net->n_vocab;
    if (!set_ids(s, p, err))
        return false;
    s->observe = on_view;
    s->observe_user = v;
    bool ok = compute(s, s->n_tokens, all, err);
    s->observe = NULL;
    if (!ok)
        return false;
    const wc_tensor last = wc_tensor_of(all + (p->n_ids - 1) * n_vocab, WC_F32, WC_SHAPE(n_vocab));
    on_point(v, "last_logits", &last);
    return true;
}

/* The answer over the cache: rows [n_greedy, n_vocab] are what each id is taken from.  The reference's ids are fed, so that
 * a wrong one spoils nothing behind it. */
static bool check_answer(struct verification *v, struct wc_session *s, const struct prompt *p, float *rows,
                         wc_error *err)
{
    const size_t n_vocab = (size_t)v->m->net->n_vocab, n = p->n_greedy;
    char note[WC_NOTE_ROOM];
    int32_t *ids = wc_mem_zalloc(n + 1, sizeof *ids);
    bool ok = ids != NULL;
    if (!ok)
        wc_fail_memory(err, n * sizeof *ids);
    for (size_t i = 0; ok && i < n; i++) {
        memcpy(rows + i * n_vocab, s->logits, n_vocab * sizeof *rows);
        ids[i] = argmax(s->logits, n_vocab);
        wc_session_push(s, p->greedy_ids[i]);
        if (i + 1 < n) /* one row, or all of them anew with another rope */
            ok = compute(s, s->n_tokens - s->n_computed, NULL, err);
    }
    if (ok) {
        const wc_tensor all = wc_tensor_of(rows, WC_F32, WC_SHAPE(n, n_vocab));
        const wc_tensor end = wc_tensor_of(rows + (n - 1) * n_vocab, WC_F32, WC_SHAPE(n_vocab));
        on_point(v, "greedy_logits", &all);
        on_point(v, "end_logits", &end);
        tell(v, "greedy_ids", wc_checks_same_ids(p->greedy_ids, n, ids, n, note), note);
    }
    wc_mem_free(ids);
    return ok;
}

/* The same bits however the rows are computed.  all: [n_ids, n_vocab] of the watched pass; answer: [n_greedy, n_vocab];
 * scratch: [n_ids + n_greedy, n_vocab]. */
static bool check_sameness(struct verification *v, const struct prompt *p, const float *all,
                           const float *answer, float *scratch, wc_error *err)
{
    const size_t n_vocab = (size_t)v->m->net->n_vocab;
    char note[WC_NOTE_ROOM];
    if (p->n_greedy > 0) {
        if (!compute_whole(v, p, scratch, err))
            return false;
        /* a whole that is longer than rope_switch has nothing in common with rows of shorter sequences */
        const size_t at = (size_t)v->m->net->rope_switch, last = p->n_ids + p->n_greedy - 1;
        const bool crosses = at > 0 && p->n_ids <= at && last > at;
        const size_t skip = crosses ? at + 1 - p->n_ids : 0; /* answer[i] is of a sequence of n_ids + i */
        bool same = (crosses || wc_checks_same_bits(scratch, all, p->n_ids, n_vocab, note)) &&
                    wc_checks_same_bits(scratch + (p->n_ids - 1 + skip) * n_vocab, answer + skip * n_vocab,
                                        p->n_greedy - skip, n_vocab, note);
        tell(v, "decode", same, note);
    }
    if (!compute_chunks(v, p, scratch, err))
        return false;
    tell(v, "chunks", wc_checks_same_bits(scratch, p->last, 1, n_vocab, note), note);

    struct prompt alone = *p;
    alone.n_greedy = 0;
    wc_backend *own = v->m->backend;
    v->m->backend = v->other;
    bool ok = compute_whole(v, &alone, scratch, err);
    v->m->backend = own;
    if (ok)
        tell(v, "threads", wc_checks_same_bits(scratch, all, p->n_ids, n_vocab, note), note);
    return ok;
}

static wc_golden_item *find_point(const struct verification *v, const char *point)
{
    char name[NAME_ROOM];
    snprintf(name, sizeof name, "%s.%s", v->group, point);
    return wc_golden_find(&v->c->golden, name);
}

/* What the sounds of a prompt become together, where the folder says. */
static bool check_features(struct verification *v, const struct prompt *p, wc_error *err)
{
    size_t padded;
    wc_golden_item *features = find_point(v, "input_features"), *mask = find_point(v, "input_features_mask");
    if (p->n_sounds == 0 || !v->m->mel || !(features || mask))
        return true;
    struct wc_audio *sounds = wc_sounds_read(v->m, p->sounds, p->n_sounds, &padded, err);
    bool ok = sounds && wc_verify_features(v->c, v->m->mel, sounds, p->n_sounds, false, features, mask, err);
    wc_sounds_free(sounds, p->n_sounds);
    return ok;
}

/* Text, pictures and sounds become the ids. */
static void check_prompt_ids(struct verification *v, struct wc_session *s, const struct prompt *p)
{
    char note[WC_NOTE_ROOM];
    wc_error why = {0};
    wc_prompt prompt = prompt_of(p);
    prompt.text = p->text;
    if (!p->text)
        return;
    if (!wc_session_set_prompt(s, &prompt, &why))
        tell(v, "prompt_ids", false, why.text);
    else
        tell(v, "prompt_ids", wc_checks_same_ids(p->ids, p->n_ids, s->tokens, (size_t)s->n_tokens, note),
             note);
}

static bool run_prompt(struct verification *v, struct prompt *p, wc_error *err)
{
    const size_t n_vocab = (size_t)v->m->net->n_vocab;
    bool ok = false;
    size_t floats;
    float *all = NULL;
    struct wc_session *s = NULL;
    if (p->n_ids == 0)
        return wc_fail(err, WC_BAD_FILE, "prompt %s: ids: expected at least one, found none", p->name);
    if (wc_mul_size(2 * (p->n_ids + p->n_greedy), n_vocab * sizeof *all, &floats))
        all = wc_mem_alloc(floats);
    p->last = wc_arena_alloc(v->c->golden.arena, n_vocab * sizeof *p->last);
    if (!all || !p->last) {
        wc_fail_memory(err, n_vocab * p->n_ids * sizeof *all);
        goto done;
    }
    float *answer = all + p->n_ids * n_vocab, *scratch = answer + p->n_greedy * n_vocab;
    s = open_session(v, p, err);
    if (!s)
        goto done;
    check_prompt_ids(v, s, p);
    const wc_prompt media = prompt_of(p);
    if (!check_features(v, p, err) || !wc_verify_views(v->c, v->m, v->group, &media, err) ||
        !watch_prompt(v, s, p, all, err))
        goto done;
    memcpy(p->last, all + (p->n_ids - 1) * n_vocab, n_vocab * sizeof *p->last);
    memcpy(s->logits, p->last, n_vocab * sizeof *p->last);
    ok = (p->n_greedy == 0 || check_answer(v, s, p, answer, err)) &&
         check_sameness(v, p, all, answer, scratch, err);
done:
    if (!ok)
        p->last = NULL;
    wc_session_close(s);
    wc_mem_free(all);
    return ok;
}

static void check_prompt(struct verification *v, struct prompt *p)
{
    wc_error why = {0};
    v->group = p->name;
    if (!group_wanted(v))
        return;
    if (run_prompt(v, p, &why))
        return;
    fail_group(v, why.text);
    tell(v, "greedy_ids", false, why.text);
}

/* The prompts [n] in one step, against what each gave alone. */
static bool run_batch(struct verification *v, struct prompt *const *prompts, struct wc_session **sessions,
                      int *n_rows, size_t n, wc_error *err)
{
    char note[WC_NOTE_ROOM];
    int total = 0;
    for (size_t i = 0; i < n; i++) {
        sessions[i] = open_session(v, prompts[i], err);
        if (!sessions[i] || !set_ids(sessions[i], prompts[i], err))
            return false;
        n_rows[i] = (int)prompts[i]->n_ids;
        total += n_rows[i];
    }
    wc_arena *arena = wc_runtime_take_arena(v->m, total, (int)n, err);
    if (!arena)
        return false;
    bool ok = wc_step(sessions, n_rows, n, arena, NULL, err);
    wc_arenas_put(v->m->arenas, arena);
    for (size_t i = 0; ok && i < n; i++)
        if (!wc_checks_same_bits(sessions[i]->logits, prompts[i]->last, 1, (size_t)v->m->net->n_vocab, note))
            ok = wc_fail(err, WC_FAILED, "prompt %s: %s", prompts[i]->name, note);
    return ok;
}

/* All prompts that went well, together. */
static void check_batch(struct verification *v)
{
    wc_error why = {0};
    size_t n = 0;
    struct prompt **prompts = wc_mem_zalloc(v->n_prompts + 1, sizeof *prompts);
    struct wc_session **sessions = wc_mem_zalloc(v->n_prompts + 1, sizeof *sessions);
    int *n_rows = wc_mem_zalloc(v->n_prompts + 1, sizeof *n_rows);
    bool ok = sessions && prompts && n_rows;
    if (!ok)
        wc_fail_memory(&why, v->n_prompts * sizeof *sessions);
    for (size_t i = 0; ok && i < v->n_prompts; i++)
        if (v->prompts[i].last)
            prompts[n++] = &v->prompts[i];
    ok = ok && (n < 2 || run_batch(v, prompts, sessions, n_rows, n, &why));
    if (!ok || n > 1)
        wc_checks_tell(v->c, "batch", ok, ok ? "" : why.text);
    for (size_t i = 0; i < n; i++)
        wc_session_close(sessions[i]);
    wc_mem_free(prompts);
    wc_mem_free(sessions);
    wc_mem_free(n_rows);
}

/* ---- pictures and the rest ---- */

static void ignore_point(void *user, const char *point, const wc_tensor *t)
{
}

static bool run_picture(struct verification *v, const wc_media *picture, wc_error *err)
{
    struct wc_model *m = v->m;
    char note[WC_NOTE_ROOM];
    wc_media_hold hold = {0}, again = {0};
    if (m->net->image.n_tokens == 0)
        return wc_fail(err, WC_UNSUPPORTED, "this model takes no pictures");
    bool ok = wc_runtime_encode_image(m, picture, NULL, on_point, v, NULL, NULL, &hold, err);
    if (ok) {
        wc_backend *own = m->backend;
        m->backend = v->other; /* observed, so that the cache is not asked */
        ok = wc_runtime_encode_image(m, picture, NULL, ignore_point, NULL, NULL, NULL, &again, err);
        m->backend = own;
    }
    if (ok)
        tell(v, "threads",
             wc_checks_same_bits(hold.rows, again.rows, (size_t)m->net->image.n_tokens,
                                 (size_t)m->net->hidden_size, note),
             note);
    wc_media_release(m->media, &hold);
    wc_media_release(m->media, &again);
    return ok;
}

static bool run_sound(struct verification *v, const wc_sound *given, wc_error *err)
{
    struct wc_model *m = v->m;
    char note[WC_NOTE_ROOM];
    size_t padded;
    wc_media_hold hold = {0}, again = {0};
    const wc_ctx watch = {.observe = on_point, .observe_user = v}, anew = {.observe = ignore_point};
    if (m->net->audio.n_tokens == 0)
        return wc_fail(err, WC_UNSUPPORTED, "this model takes no sound");
    struct wc_audio *sound = wc_sounds_read(m, given, 1, &padded, err);
    bool ok = sound && wc_sound_encode(m, sound, padded, &watch, &hold, err);
    if (ok) {
        wc_backend *own = m->backend;
        m->backend = v->other; /* observed, so that the cache is not asked */
        ok = wc_sound_encode(m, sound, padded, &anew, &again, err);
        m->backend = own;
    }
    if (ok)
        tell(v, "threads",
             wc_checks_same_bits(hold.rows, again.rows, (size_t)m->net->audio.n_tokens,
                                 (size_t)m->net->hidden_size, note),
             note);
    wc_media_release(m->media, &hold);
    wc_media_release(m->media, &again);
    wc_sounds_free(sound, 1);
    return ok;
}

/* Makes a file the current group: its name without what follows the last dot.  false when that is no group's name. */
static bool enter_file(struct verification *v, const wc_json *file)
{
    const wc_golden *g = &v->c->golden;
    const char *dot = strrchr(file->u.text, '.');
    size_t n = dot ? (size_t)(dot - file->u.text) : file->n;
    for (size_t i = 0; i < g->n; i++)
        if (strlen(g->items[i].group) == n && memcmp(g->items[i].group, file->u.text, n) == 0) {
            v->group = g->items[i].group;
            return true;
        }
    return false;
}

/* All values of the current group are reported. */
static bool group_done(const struct verification *v)
{
    const wc_golden *g = &v->c->golden;
    for (size_t i = 0; i < g->n; i++)
        if (strcmp(g->items[i].group, v->group) == 0 && !g->items[i].done)
            return false;
    return true;
}

/* The pictures and sounds of all prompts, each once. */
static void check_media(struct verification *v)
{
    for (size_t i = 0; i < v->n_prompts; i++) {
        const struct prompt *p = &v->prompts[i];
        for (size_t k = 0; k < p->n_pictures + p->n_sounds; k++) {
            wc_error why = {0};
            const bool picture = k < p->n_pictures;
            const size_t n = picture ? k : k - p->n_pictures;
            if (!enter_file(v, wc_json_item(picture ? p->picture_files : p->sound_files, n)) ||
                group_done(v) || !group_wanted(v))
                continue;
            if (picture ? !run_picture(v, &p->pictures[n], &why) : !run_sound(v, &p->sounds[n], &why))
                fail_group(v, why.text);
            else
                fail_group(v, "the model has no such point");
        }
    }
}

/* Values without a group: what the family computes on request. */
static void check_extras(struct verification *v)
{
    wc_golden *g = &v->c->golden;
    v->group = "";
    for (size_t i = 0; i < g->n; i++) {
        wc_golden_item *item = &g->items[i];
        if (item->group[0] || !v->m->net->family->extra || !wc_checks_want(v->c, item->name))
            continue;
        wc_arena *step = wc_arena_new(0);
        wc_ctx ctx = {
            .backend = v->m->backend, .step = step, .whole = true, .observe = on_point, .observe_user = v};
        if (!step || (v->m->net->family->extra(&ctx, v->m->net, item->point) && ctx.failed))
            wc_checks_fail(v->c, item, "out of memory");
        wc_arena_free(step);
    }
}

static void check_weights(struct verification *v)
{
    wc_error why = {0};
    if (!wc_checks_want(v->c, "weights.finite"))
        return;
    bool finite = wc_checkpoint_check_finite(v->m->files, &why);
    wc_checks_tell(v->c, "weights.finite", finite, why.text);
}

bool wc_verify_model(wc_checks *c, const char *name, const wc_model_options *options, wc_error *err)
{
    bool ok = false;
    wc_model_options o = {0};
    if (options)
        memcpy(&o, options, wc_min_size(options->size, sizeof o));
    o.size = sizeof o;
    o.compute = WC_COMPUTE_F32;
    struct verification v = {.c = c, .m = wc_runtime_open(name, &o, err)};
    if (!v.m)
        return false;
    if (!v.m->net) {
        wc_fail(err, WC_BAD_ARGUMENT, "%s: was opened for its tokenizer only", name);
        goto done;
    }
    if (v.m->net->encoder) {
        check_weights(&v);
        ok = wc_verify_encoder(c, v.m, err);
        goto done;
    }
    if (v.m->images && wc_verify_pillow(c))
        v.m->images->backend = WC_RESIZE_PILLOW;
    v.other = wc_backend_cpu_open(wc_pool_threads(v.m->backend->pool) > 1 ? 1 : 3, true, err);
    if (!v.other || !read_prompts(&v, err))
        goto done;
    check_weights(&v);
    check_media(&v);
    check_extras(&v);
    for (size_t i = 0; i < v.n_prompts; i++)
        check_prompt(&v, &v.prompts[i]);
    if (wc_checks_want(c, "batch"))
        check_batch(&v);
    ok = true;
done:
    wc_backend_close(v.other);
    wc_runtime_close(v.m);
    return ok;
}
