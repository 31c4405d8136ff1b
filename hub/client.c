/* client.c - requests by libcurl.
 *
 * Only https is spoken, but for an endpoint on this machine.  Redirects are followed, five at most, to https again; the
 * token stays behind where one leads to another host (libcurl keeps the header Authorization to the first host, its port
 * and its protocol).  A body comes with the number of bytes before it: when a connection breaks, the next request asks
 * for the rest by Range, and where the server gives the whole all the same, the count begins at 0 again. */
#include "hub/client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/file_map.h"
#include "formats/hub_cache.h"
#include "hub/curl.h"

enum {
    MAX_REDIRECTS = 5,
    MAX_TRIES = 5,      /* without a byte more, one after the other */
    MAX_WAIT = 120,     /* seconds that a server may ask to wait */
    SLOWEST = 100,      /* bytes per second; what is slower for the time below has stalled */
    STALL_SECONDS = 10, /* as huggingface_hub's default */
    MAX_TOKEN = 1000,
    BUFFER_BYTES = 512 << 10
};

struct hub_client {
    hub_curl curl;
    CURL *easy;
    struct curl_slist *headers; /* with the token */
    const char *endpoint;       /* "https://huggingface.co", without a slash at its end */
    bool token, answered;       /* one is sent; the Hub was heard of before */
    hub_note_fn note;
    void *user;
    char detail[CURL_ERROR_SIZE];
};

/* ---- the environment ---- */

static bool is_true(const char *name)
{
    static const char *const yes[] = {"1", "on", "yes", "true"};
    const char *v = wc_hub_env(name);
    for (size_t i = 0; v && i < sizeof yes / sizeof *yes; i++)
        if (strcasecmp(v, yes[i]) == 0)
            return true;
    return false;
}

bool hub_is_offline(void)
{
    return is_true("HF_HUB_OFFLINE") || is_true("TRANSFORMERS_OFFLINE");
}

/* Whether "http://HOST..." names this machine. */
static bool is_loopback(const char *url)
{
    static const char *const hosts[] = {"localhost", "127.0.0.1", "[::1]"};
    const char *host = url + strlen("http://");
    const size_t n = strcspn(host, "/?#");
    for (size_t i = 0; i < sizeof hosts / sizeof *hosts && !memchr(host, '@', n); i++) {
        const size_t len = strlen(hosts[i]);
        if (n >= len && strncasecmp(host, hosts[i], len) == 0 && (n == len || host[len] == ':'))
            return true;
    }
    return false;
}

static const char *find_endpoint(wc_arena *a, wc_error *err)
{
    const char *given = wc_hub_env("HF_ENDPOINT");
    char *url = wc_arena_strdup(a, given ? given : "https://huggingface.co");
    if (!url) {
        wc_fail_memory(err, strlen(given ? given : ""));
        return NULL;
    }
    for (size_t n = strlen(url); n > 0 && url[n - 1] == '/';)
        url[--n] = '\0';
    if (strncmp(url, "https://", 8) == 0 || (strncmp(url, "http://", 7) == 0 && is_loopback(url)))
        return url;
    wc_fail(err, WC_BAD_ARGUMENT,
            "HF_ENDPOINT: expected https://HOST (or http:// and this machine's own address), found '%.200s'",
            url);
    return NULL;
}

/* *token: NULL when there is none.  It becomes part of a header, so that it may hold no line break. */
static bool find_token(wc_arena *a, const char **token, wc_error *err)
{
    const char *v = wc_hub_env("HF_TOKEN"), *place = "HF_TOKEN", *file = wc_hub_env("HF_TOKEN_PATH");
    const char *home = wc_hub_home(a);
    size_t n = 0;
    *token = NULL;
    if (!v && is_true("HF_HUB_DISABLE_IMPLICIT_TOKEN"))
        return true;
    file = file ? wc_hub_expand(a, file) : home ? wc_path_join(a, home, "token") : NULL;
    if (!v && file && wc_file_exists(file)) {
        place = file;
        v = wc_file_read(a, file, MAX_TOKEN, &n, err);
        if (!v)
            return false;
    }
    if (!v)
        return true;
    v += strspn(v, " \t\r\n");
    n = strcspn(v, " \t\r\n");
    for (size_t i = 0; v[i]; i++)
        if ((i < n && (v[i] < '!' || v[i] > '~')) || (i >= n && !strchr(" \t\r\n", v[i])))
            return wc_fail(err, WC_BAD_ARGUMENT,
                           "%s: expected one word, the token, found more or other characters", place);
    *token = n ? wc_arena_strndup(a, v, n) : NULL;
    return true;
}

/* ---- opening ---- */

static bool add_header(hub_client *c, const char *line, wc_error *err)
{
    struct curl_slist *more = c->curl.append(c->headers, line);
    if (!more)
        return wc_fail_memory(err, strlen(line));
    c->headers = more;
    return true;
}

/* Options of every request.  Those that keep the user safe must be known to this libcurl. */
static bool set_options(hub_client *c, wc_error *err)
{
    static const char *const authorities[] = {"CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"};
    const hub_curl *u = &c->curl;
    const char *protocols = strncmp(c->endpoint, "http:", 5) == 0 ? "http,https" : "https";
    const char *seconds = wc_hub_env("HF_HUB_DOWNLOAD_TIMEOUT");
    long stall = seconds ? strtol(seconds, NULL, 10) : 0;
    if (stall < 1 || stall > 86400)
        stall = STALL_SECONDS;
    if (u->set(c->easy, CURLOPT_PROTOCOLS_STR, protocols) != CURLE_OK ||
        u->set(c->easy, CURLOPT_REDIR_PROTOCOLS_STR, protocols) != CURLE_OK)
        return wc_fail(err, WC_UNSUPPORTED, "libcurl cannot be held to %s: install libcurl 7.85 or later",
                       protocols);
    for (size_t i = 0; i < sizeof authorities / sizeof *authorities; i++)
        if (wc_hub_env(authorities[i])) {
            u->set(c->easy, CURLOPT_CAINFO, wc_hub_env(authorities[i]));
            break;
        }
    u->set(c->easy, CURLOPT_NOSIGNAL, 1L);
    u->set(c->easy, CURLOPT_USERAGENT, "whinchat/" WC_VERSION);
    u->set(c->easy, CURLOPT_HTTPHEADER, c->headers);
    u->set(c->easy, CURLOPT_ERRORBUFFER, c->detail);
    u->set(c->easy, CURLOPT_MAXREDIRS, (long)MAX_REDIRECTS);
    u->set(c->easy, CURLOPT_CONNECTTIMEOUT, stall);
    u->set(c->easy, CURLOPT_LOW_SPEED_LIMIT, (long)SLOWEST);
    u->set(c->easy, CURLOPT_LOW_SPEED_TIME, stall);
    u->set(c->easy, CURLOPT_BUFFERSIZE, (long)BUFFER_BYTES);
    return true;
}

static bool open_client(hub_client *c, wc_arena *a, wc_error *err)
{
    const char *token;
    c->endpoint = find_endpoint(a, err);
    if (!c->endpoint || !find_token(a, &token, err) || !hub_curl_load(&c->curl, err))
        return false;
    c->token = token != NULL;
    if (token) {
        const size_t room = strlen(token) + 40;
        char *line = wc_arena_alloc(a, room);
        if (!line)
            return wc_fail_memory(err, room);
        snprintf(line, room, "Authorization: Bearer %s", token);
        if (!add_header(c, line, err))
            return false;
    }
    c->easy = c->curl.easy_init();
    if (!c->easy)
        return wc_fail_memory(err, 1);
    return set_options(c, err);
}

hub_client *hub_client_open(wc_arena *a, hub_note_fn note, void *user, wc_error *err)
{
    hub_client *c = wc_arena_zalloc(a, 1, sizeof *c);
    if (!c) {
        wc_fail_memory(err, sizeof *c);
        return NULL;
    }
    c->note = note;
    c->user = user;
    if (open_client(c, a, err))
        return c;
    hub_client_close(c);
    return NULL;
}

void hub_client_close(hub_client *c)
{
    if (!c)
        return;
    if (c->easy)
        c->curl.cleanup(c->easy);
    if (c->headers)
        c->curl.free_list(c->headers);
}

/* ---- one request ---- */

/* A request on its way. */
struct transfer {
    hub_client *c;
    hub_request *r;
    hub_reply *reply;
    wc_error *err;
    uint64_t begins; /* where the body begins, by Content-Range */
    bool linked;     /* reply holds what X-Linked-* say, which tell of the file and not of what leads there */
    bool started;    /* bytes of the body came */
    bool refused;    /* by the caller: err is filled in */
};

/* Whether line [n] is the header name; its value, blanks cut, in out. */
static bool header_is(const char *line, size_t n, const char *name, char *out, size_t room)
{
    const size_t len = strlen(name);
    if (n <= len || strncasecmp(line, name, len) != 0 || line[len] != ':')
        return false;
    const char *v = line + len + 1, *end = line + n;
    while (v < end && (*v == ' ' || *v == '\t'))
        v++;
    while (end > v && (end[-1] == ' ' || end[-1] == '\r' || end[-1] == '\n'))
        end--;
    if ((size_t)(end - v) >= room)
        return false;
    snprintf(out, room, "%.*s", (int)(end - v), v);
    return true;
}

/* W/"abc" as abc. */
static void take_etag(hub_reply *reply, const char *v)
{
    if (strncmp(v, "W/", 2) == 0)
        v += 2;
    v += *v == '"';
    snprintf(reply->etag, sizeof reply->etag, "%.*s", (int)strcspn(v, "\""), v);
}

static size_t on_header(char *line, size_t size, size_t n, void *user)
{
    struct transfer *t = user;
    char v[200] = "";
    const size_t bytes = size * n;
    if (bytes > 5 && strncmp(line, "HTTP/", 5) == 0) { /* of the next answer, where one redirects */
        t->begins = 0;
        t->reply->error_code[0] = '\0';
        if (!t->linked) {
            t->reply->etag[0] = '\0';
            t->reply->size = -1;
        }
    } else if (header_is(line, bytes, "X-Linked-Etag", v, sizeof v)) {
        take_etag(t->reply, v);
        t->linked = true;
    } else if (header_is(line, bytes, "X-Linked-Size", v, sizeof v)) {
        t->reply->size = strtoll(v, NULL, 10);
        t->linked = true;
    } else if (!t->linked && header_is(line, bytes, "ETag", v, sizeof v)) {
        take_etag(t->reply, v);
    } else if (!t->linked && header_is(line, bytes, "Content-Length", v, sizeof v)) {
        t->reply->size = strtoll(v, NULL, 10);
    } else if (header_is(line, bytes, "Content-Range", v, sizeof v) && strncmp(v, "bytes ", 6) == 0) {
        t->begins = strtoull(v + 6, NULL, 10);
    } else if (header_is(line, bytes, "X-Error-Code", v, sizeof v)) {
        snprintf(t->reply->error_code, sizeof t->reply->error_code, "%.39s", v);
    }
    return bytes;
}

static size_t on_body(char *bytes, size_t size, size_t n, void *user)
{
    struct transfer *t = user;
    long status = 0;
    if (!t->started)
        t->c->curl.get(t->c->easy, CURLINFO_RESPONSE_CODE, &status);
    if (!t->started && status != 200 && status != 206)
        return size * n; /* the text of a failure */
    if (!t->started && status == 200)
        t->r->at = 0;
    else if (!t->started && t->begins != t->r->at)
        return 0; /* a part that was not asked for */
    t->started = true;
    if (!t->r->body(t->r->user, t->r->at, bytes, size * n, t->err)) {
        t->refused = true;
        return 0;
    }
    t->r->at += size * n;
    return size * n;
}

static CURLcode perform(hub_client *c, struct transfer *t, const char *url)
{
    const hub_curl *u = &c->curl;
    char range[40];
    snprintf(range, sizeof range, "%llu-", (unsigned long long)t->r->at);
    c->detail[0] = '\0';
    u->set(c->easy, CURLOPT_URL, url);
    u->set(c->easy, CURLOPT_HTTPGET, 1L);
    u->set(c->easy, CURLOPT_NOBODY, t->r->body ? 0L : 1L);
    u->set(c->easy, CURLOPT_FOLLOWLOCATION, t->r->body ? 1L : 0L);
    u->set(c->easy, CURLOPT_RANGE, t->r->at > 0 ? range : NULL);
    u->set(c->easy, CURLOPT_HEADERFUNCTION, on_header);
    u->set(c->easy, CURLOPT_HEADERDATA, t);
    u->set(c->easy, CURLOPT_WRITEFUNCTION, on_body);
    u->set(c->easy, CURLOPT_WRITEDATA, t);
    return u->perform(c->easy);
}

/* ---- what went wrong ---- */

enum outcome { DONE, AGAIN, NEVER };

static enum outcome fail_transport(hub_client *c, const char *what, CURLcode code, wc_error *err)
{
    const char *detail = c->detail[0] ? c->detail : c->curl.text(code), *advice = "";
    enum outcome outcome = NEVER;
    switch (code) {
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
        advice = "; where a certificate of your own is in use, name its file in CURL_CA_BUNDLE";
        break;
    case CURLE_UNSUPPORTED_PROTOCOL:
        advice = "; a redirect must lead to https";
        break;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
        advice = "; is this machine online? HF_ENDPOINT and https_proxy say whom to ask";
        outcome = c->answered ? AGAIN : NEVER;
        break;
    case CURLE_TOO_MANY_REDIRECTS:
    case CURLE_URL_MALFORMAT:
    case CURLE_OUT_OF_MEMORY:
        break;
    default:
        outcome = AGAIN;
    }
    wc_fail(err, WC_FAILED, "%s: %s%s", what, detail, advice);
    return outcome;
}

/* What to do about an answer that tells of a failure. */
static enum outcome fail_status(hub_client *c, const hub_request *r, const hub_reply *reply, wc_error *err)
{
    const char *code = reply->error_code, *log_in = "log in with: hf auth login, or set HF_TOKEN";
    const bool denied = reply->status == 401 || reply->status == 403;
    if (denied && strcmp(code, "GatedRepo") == 0)
        wc_fail(err, WC_NOT_FOUND, "%s: its owner wants terms to be accepted: do so on %s/%.*s%s%s", r->what,
                c->endpoint, (int)strcspn(r->what, "@:"), r->what, c->token ? "" : ", then ",
                c->token ? "" : log_in);
    else if (denied && c->token)
        wc_fail(err, WC_NOT_FOUND,
                "%s: the hub denies it to this token (%ld): is the name right, has the token the right to "
                "read it? "
                "A new one is made on %s/settings/tokens",
                r->what, reply->status, c->endpoint);
    else if (denied)
        wc_fail(err, WC_NOT_FOUND,
                "%s: the hub denies it (%ld): there is no public model of that name; if it is private or "
                "gated, %s",
                r->what, reply->status, log_in);
    else if (reply->status == 404)
        wc_fail(err, WC_NOT_FOUND, "%s: the hub has no such %s (404): see %s/%.*s", r->what,
                strcmp(code, "RevisionNotFound") == 0 ? "revision"
                : strcmp(code, "EntryNotFound") == 0  ? "file"
                                                      : "model",
                c->endpoint, (int)strcspn(r->what, "@:"), r->what);
    else
        wc_fail(err, WC_FAILED, "%s: the hub answered with status %ld%s%s", r->what, reply->status,
                *code ? " " : "", code);
    return reply->status >= 500 || reply->status == 429 || reply->status == 408 ? AGAIN : NEVER;
}

static enum outcome attempt(hub_client *c, hub_request *r, hub_reply *reply, const char *url, wc_error *err)
{
    struct transfer t = {.c = c, .r = r, .reply = reply, .err = err};
    *reply = (hub_reply){.size = -1};
    const CURLcode code = perform(c, &t, url);
    c->curl.get(c->easy, CURLINFO_RESPONSE_CODE, &reply->status);
    c->answered = c->answered || reply->status != 0;
    if (t.refused)
        return NEVER;
    if (reply->status == 416 ||
        (code == CURLE_WRITE_ERROR && !t.started)) { /* it has another idea of what we have */
        wc_fail(err, WC_FAILED, "%s: the hub gave another part than was asked for", r->what);
        r->at = 0;
        return AGAIN;
    }
    if (code != CURLE_OK)
        return fail_transport(c, r->what, code, err);
    if (reply->status == 200 || reply->status == 206 || (!r->body && reply->status / 100 == 3))
        return DONE;
    return fail_status(c, r, reply, err);
}

/* Waits before try number n, as long as the server asks; false: that is too long. */
static bool wait_again(hub_client *c, int n, wc_error *err)
{
    char text[sizeof err->text + 40];
    curl_off_t asked = 0;
    double seconds = 0.25 * (double)(1 << n);
    c->curl.get(c->easy, CURLINFO_RETRY_AFTER, &asked);
    if (asked > MAX_WAIT) {
        char inner[sizeof err->text];
        memcpy(inner, err->text, sizeof inner);
        return wc_fail(err, err->code, "%.3000s; it asks to wait %lld seconds: try again then", inner,
                       (long long)asked);
    }
    if ((double)asked > seconds)
        seconds = (double)asked;
    snprintf(text, sizeof text, "%s; trying again", err->text);
    c->note(c->user, text);
    struct timespec t = {(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)};
    nanosleep(&t, NULL);
    return true;
}

bool hub_client_get(hub_client *c, hub_request *r, hub_reply *reply, wc_error *err)
{
    char url[8192];
    wc_error why = {0};
    if ((size_t)snprintf(url, sizeof url, "%s%s", c->endpoint, r->path) >= sizeof url)
        return wc_fail(err, WC_BAD_ARGUMENT, "%s: HF_ENDPOINT and its path are too long", r->what);
    for (int tries = 1;; tries++) {
        const uint64_t before = r->at;
        const enum outcome outcome = attempt(c, r, reply, url, &why);
        if (outcome == DONE)
            return true;
        if (r->resumes && r->at > before)
            tries = 1;
        if (!r->resumes)
            r->at = 0;
        if (outcome == NEVER || tries == MAX_TRIES || !wait_again(c, tries, &why)) {
            if (err)
                *err = why;
            return false;
        }
    }
}
