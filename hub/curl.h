/* curl.h - libcurl, loaded when it is first needed: linked, its thirty libraries would take 5 ms of every start of a program
 * that starts in 2.5. */
#ifndef HUB_CURL_H
#define HUB_CURL_H
#define CURL_DISABLE_TYPECHECK
#include <curl/curl.h>

#include "base/error.h"

typedef struct hub_curl {
    CURLcode (*global_init)(long flags);
    CURL *(*easy_init)(void);
    CURLcode (*set)(CURL *easy, CURLoption option, ...); /* curl_easy_setopt */
    CURLcode (*perform)(CURL *easy);
    CURLcode (*get)(CURL *easy, CURLINFO info, ...); /* curl_easy_getinfo */
    void (*cleanup)(CURL *easy);
    const char *(*text)(CURLcode code); /* curl_easy_strerror */
    struct curl_slist *(*append)(struct curl_slist *list, const char *line);
    void (*free_list)(struct curl_slist *list);
} hub_curl;

/* Fills in all of them.  false: this system has no libcurl. */
bool hub_curl_load(hub_curl *curl, wc_error *err);
#endif
