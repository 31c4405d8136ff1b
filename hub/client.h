/* client.h - asks a Hugging Face Hub for files: requests that are made again after failures that pass.
 *
 * The environment says whom and how: HF_ENDPOINT, HF_TOKEN or the file "token" in HF_HOME, HF_HUB_DOWNLOAD_TIMEOUT, the
 * proxies as curl(1) knows them, CURL_CA_BUNDLE or SSL_CERT_FILE. */
#ifndef HUB_CLIENT_H
#define HUB_CLIENT_H
#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"

typedef struct hub_client hub_client;

/* Told before a failed request is made again. */
typedef void (*hub_note_fn)(void *user, const char *text);
/* The next n bytes of an answer, of which the first is the at-th; at is 0 whenever it begins anew.  false: no more. */
typedef bool (*hub_body_fn)(void *user, uint64_t at, const void *bytes, size_t n, wc_error *err);

typedef struct hub_request {
    const char *path; /* behind the endpoint: "/api/models/..." */
    const char *what; /* for messages: "OWNER/NAME" */
    bool resumes;     /* after a failure, only what is missing is asked for */
    uint64_t at;      /* in: bytes that the caller has and wants no more; afterwards: bytes that it has now */
    hub_body_fn body; /* NULL: only the headers are asked for */
    void *user;
} hub_request;

/* What the headers of an answer say of a file; empty, and -1, when they do not. */
typedef struct hub_reply {
    long status;
    char etag[200]; /* its SHA-256 or git's SHA-1, without quotes */
    int64_t size;
    char error_code[40]; /* "GatedRepo" */
} hub_reply;

/* Whether HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE forbids to ask anybody. */
bool hub_is_offline(void);
/* NULL on failure: no libcurl, an endpoint or a token that is none.  What is told lies in the arena.  Close with
 * hub_client_close. */
hub_client *hub_client_open(wc_arena *a, hub_note_fn note, void *user, wc_error *err);
void hub_client_close(hub_client *c); /* NULL is fine */
/* false on failure, also when the Hub answers that there is no such thing. */
bool hub_client_get(hub_client *c, hub_request *r, hub_reply *reply, wc_error *err);
#endif
