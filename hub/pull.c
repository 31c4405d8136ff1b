/* pull.c - the list of files, their contents one after the other, then the snapshot and its ref (store.h). */
#include "hub/pull.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file_map.h"
#include "base/os.h"
#include "formats/hub_cache.h"
#include "hub/client.h"
#include "hub/listing.h"
#include "hub/store.h"

enum { MAX_ROUNDS = 3 }; /* tries for a file whose sum is wrong */

struct pull {
    wc_arena *a;
    const hub_events *events;
    wc_hub_name want;
    hub_client *client;
    hub_listing listing;
    hub_store store;
    uint64_t before, total; /* bytes of the files that are done, and of all to fetch */
    double shown;           /* when progress was told last */
};

static void note(const struct pull *p, const char *format, ...) WC_PRINTF(2, 3);
static void note(const struct pull *p, const char *format, ...)
{
    char text[1000];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    p->events->note(p->events->user, text);
}

/* ---- addresses ---- */

/* start, then tail, which may hold any character, then end; its slashes are escaped where they separate nothing. */
static const char *address(wc_arena *a, const char *start, const char *tail, bool escape_slash,
                           const char *end)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
    wc_buf b;
    wc_buf_init(&b, 8192);
    wc_buf_puts(&b, start);
    for (; *tail; tail++)
        wc_buf_printf(&b, strchr(plain, *tail) || (*tail == '/' && !escape_slash) ? "%c" : "%%%02X",
                      (unsigned char)*tail);
    wc_buf_puts(&b, end);
    const char *path = wc_buf_ok(&b) ? wc_arena_strdup(a, wc_buf_str(&b)) : NULL;
    wc_buf_release(&b);
    return path;
}

static const char *join(wc_arena *a, const char *x, const char *y, const char *z)
{
    const size_t room = strlen(x) + strlen(y) + strlen(z) + 1;
    char *text = wc_arena_alloc(a, room);
    if (text)
        snprintf(text, room, "%s%s%s", x, y, z);
    return text;
}

/* "/OWNER/NAME/resolve/COMMIT/FILE" */
static const char *file_address(const struct pull *p, const hub_file *f)
{
    const char *name = join(p->a, "/", p->listing.id, "/resolve/");
    const char *start = name ? join(p->a, name, p->listing.commit, "/") : NULL;
    return start ? address(p->a, start, f->path, false, "") : NULL;
}

/* ---- the list ---- */

static bool take_text(void *user, uint64_t at, const void *bytes, size_t n, wc_error *err)
{
    wc_buf *b = user;
    if (at == 0)
        wc_buf_reset(b);
    if (n > HUB_MAX_LISTING - b->size)
        return wc_fail(err, WC_BAD_FILE, "the hub's list of files is longer than %d bytes", HUB_MAX_LISTING);
    wc_buf_add(b, bytes, n);
    return wc_buf_check(b, "the hub's list of files", err);
}

/* A repository new to the cache is called as the Hub spells it, so that all programs find the same folder; an other name, by
 * which the Hub knows it since it was renamed, is only used to ask. */
static void take_name(struct pull *p, const char *cache)
{
    wc_hub_name spelled;
    const char *there = wc_hub_find(p->a, cache, p->want.folder);
    if (!p->listing.id || !wc_hub_parse(p->a, p->listing.id, &spelled, NULL))
        p->listing.id = p->want.name;
    else if (!there && strcasecmp(spelled.name, p->want.name) == 0)
        p->want.folder = spelled.folder;
    if (there)
        p->want.folder = strrchr(there, '/') + 1;
}

static bool read_listing(struct pull *p, const char *what, wc_error *err)
{
    const char *start = join(p->a, "/api/models/", p->want.name, "/revision/");
    wc_buf text;
    hub_reply reply;
    hub_request r = {.what = what, .body = take_text, .user = &text};
    r.path = start ? address(p->a, start, p->want.revision, true, "?blobs=true") : NULL;
    if (!r.path)
        return wc_fail_memory(err, strlen(p->want.name));
    wc_buf_init(&text, HUB_MAX_LISTING + 1);
    const bool ok = hub_client_get(p->client, &r, &reply, err) &&
                    hub_listing_parse(p->a, wc_buf_str(&text), text.size, what, &p->listing, err);
    wc_buf_release(&text);
    return ok && hub_listing_choose(p->a, &p->listing, p->want.file, what, err);
}

/* What the list did not say of a file, by the headers that its contents would come with. */
static bool ask_for_sum(struct pull *p, hub_file *f, wc_error *err)
{
    hub_reply reply;
    hub_request r = {.what = join(p->a, p->want.name, ": ", f->path), .path = file_address(p, f)};
    if (!r.what || !r.path)
        return wc_fail_memory(err, strlen(f->path));
    if (!hub_client_get(p->client, &r, &reply, err))
        return false;
    if (!hub_is_hash(reply.etag) || reply.size < 0)
        return wc_fail(err, WC_BAD_FILE,
                       "%s: expected headers ETag with its sum and Content-Length, found '%s' and %s", r.what,
                       reply.etag, reply.size < 0 ? "none" : "a length");
    memcpy(f->hash, reply.etag, strlen(reply.etag) + 1);
    f->size = reply.size;
    return true;
}

static bool complete_listing(struct pull *p, wc_error *err)
{
    for (size_t i = 0; i < p->listing.n; i++) {
        hub_file *f = &p->listing.files[i];
        if ((f->hash[0] == '\0' || f->size < 0) && !ask_for_sum(p, f, err))
            return false;
    }
    return true;
}

/* ---- contents ---- */

struct sink {
    struct pull *p;
    hub_blob blob;
};

static void tell_progress(struct pull *p, const hub_blob *b)
{
    const double now = wc_seconds();
    if (now - p->shown < 0.1 && b->size < (uint64_t)b->file->size)
        return;
    p->shown = now;
    p->events->progress(p->events->user, b->file->path, p->before + b->size, p->total);
}

static bool take_bytes(void *user, uint64_t at, const void *bytes, size_t n, wc_error *err)
{
    struct sink *s = user;
    if (!hub_blob_write(&s->blob, at, bytes, n, err))
        return false;
    tell_progress(s->p, &s->blob);
    return true;
}

/* Until the file has the right sum. */
static bool fetch_blob(struct sink *s, const hub_request *request, wc_error *err)
{
    for (int round = 1;; round++) {
        hub_request r = *request;
        hub_reply reply;
        bool wrong = false;
        r.at = s->blob.size;
        if (s->blob.size < (uint64_t)s->blob.file->size && !hub_client_get(s->p->client, &r, &reply, err))
            return false;
        if (hub_blob_finish(&s->blob, &wrong, err))
            return true;
        if (!wrong || round == MAX_ROUNDS)
            return false;
        note(s->p, "%s: what came has not the right sum; fetching it again", r.what);
    }
}

/* Takes a lock, and says so when it has to wait for it. */
static bool lock(const struct pull *p, const char *name, const char *what, int *fd, wc_error *err)
{
    if (!hub_store_lock(&p->store, name, false, fd, err))
        return false;
    if (*fd >= 0)
        return true;
    note(p, "%s: waiting for another process that fetches it", what);
    return hub_store_lock(&p->store, name, true, fd, err);
}

static bool fetch_file(struct pull *p, const hub_file *f, wc_error *err)
{
    struct sink s = {.p = p, .blob = {.fd = -1}};
    hub_request r = {.resumes = true, .body = take_bytes, .user = &s};
    int fd;
    r.what = join(p->a, p->want.name, ": ", f->path);
    r.path = file_address(p, f);
    if (!r.what || !r.path)
        return wc_fail_memory(err, strlen(f->path));
    if (!lock(p, f->hash, r.what, &fd, err))
        return false;
    bool ok = true;
    if (hub_store_state(&p->store, f) == HUB_ABSENT)
        ok = hub_blob_open(&s.blob, &p->store, f, err) && fetch_blob(&s, &r, err);
    hub_blob_close(&s.blob);
    close(fd);
    return ok;
}

static bool fetch_files(struct pull *p, hub_pulled *out, wc_error *err)
{
    uint64_t begun = 0;
    for (size_t i = 0; i < p->listing.n; i++) {
        const hub_file *f = &p->listing.files[i];
        out->bytes += (uint64_t)f->size;
        if (hub_store_state(&p->store, f) == HUB_ABSENT) {
            p->total += (uint64_t)f->size;
            begun += hub_store_begun(&p->store, f);
        }
    }
    out->fetched = p->total - begun;
    if (out->fetched > 0 && !hub_store_has_room(&p->store, out->fetched, err))
        return false;
    for (size_t i = 0; i < p->listing.n; i++) {
        const hub_file *f = &p->listing.files[i];
        if (hub_store_state(&p->store, f) != HUB_ABSENT)
            continue;
        if (!fetch_file(p, f, err))
            return false;
        p->before += (uint64_t)f->size;
    }
    return true;
}

/* ---- all of it ---- */

static bool pull_all(struct pull *p, const char *what, hub_pulled *out, wc_error *err)
{
    const char *cache = wc_hub_cache(p->a);
    int fd;
    if (!cache)
        return wc_fail(err, WC_BAD_ARGUMENT,
                       "no place for the cache: HOME is not set; set HF_HUB_CACHE to a folder");
    if (!read_listing(p, what, err))
        return false;
    take_name(p, cache);
    if (!complete_listing(p, err) ||
        !hub_store_init(&p->store, p->a, cache, p->want.folder, p->listing.commit, err) ||
        !lock(p, "whinchat", what, &fd, err))
        return false;
    /* Once more: the process that had the lock may have made the snapshot. */
    bool ok = hub_store_init(&p->store, p->a, cache, p->want.folder, p->listing.commit, err) &&
              fetch_files(p, out, err) && hub_store_publish(&p->store, &p->listing, p->want.revision, err);
    close(fd);
    out->name = p->want.name;
    out->path = p->store.snapshot;
    out->commit = p->listing.commit;
    out->n_files = p->listing.n;
    return ok;
}

bool hub_may_pull(wc_arena *a, const char *name)
{
    wc_hub_name want;
    return wc_hub_parse(a, name, &want, NULL) && strchr(want.name, '/') && !hub_is_offline() &&
           !wc_path_exists(name);
}

bool hub_pull(wc_arena *a, const char *name, const hub_events *events, hub_pulled *out, wc_error *err)
{
    struct pull p = {.a = a, .events = events};
    *out = (hub_pulled){0};
    if (!wc_hub_parse(a, name, &p.want, err))
        return false;
    if (!strchr(p.want.name, '/'))
        return wc_fail(err, WC_BAD_ARGUMENT,
                       "%s: expected OWNER/NAME, as the model's page on the hub is called", name);
    if (hub_is_offline())
        return wc_fail(err, WC_REFUSED,
                       "%s: HF_HUB_OFFLINE forbids to ask the network; unset it to fetch a model",
                       p.want.name);
    const char *at = strchr(name, '@') ? join(a, p.want.name, "@", p.want.revision) : p.want.name;
    p.client = hub_client_open(a, events->note, events->user, err);
    const bool ok = p.client && at && pull_all(&p, at, out, err);
    hub_client_close(p.client);
    return ok;
}
