/* curl.c - finds libcurl's functions in the library of the system. */
#include "hub/curl.h"

#include <dlfcn.h>
#include <string.h>

bool hub_curl_load(hub_curl *curl, wc_error *err)
{
    static const char *const files[] = {"libcurl.so.4", "libcurl-gnutls.so.4"};
    const struct {
        const char *name;
        void *function; /* the address of a pointer in *curl */
    } names[] = {
        {"curl_global_init", &curl->global_init},  {"curl_easy_init", &curl->easy_init},
        {"curl_easy_setopt", &curl->set},          {"curl_easy_perform", &curl->perform},
        {"curl_easy_getinfo", &curl->get},         {"curl_easy_cleanup", &curl->cleanup},
        {"curl_easy_strerror", &curl->text},       {"curl_slist_append", &curl->append},
        {"curl_slist_free_all", &curl->free_list},
    };
    void *library = NULL;
    for (size_t i = 0; !library && i < sizeof files / sizeof *files; i++)
        library = dlopen(files[i], RTLD_NOW | RTLD_LOCAL);
    if (!library)
        return wc_fail(err, WC_UNSUPPORTED,
                       "libcurl.so.4 is not there: install it (Debian: apt install libcurl4)");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        void *function = dlsym(library, names[i].name);
        if (!function)
            return wc_fail(err, WC_UNSUPPORTED, "libcurl has no %s: install libcurl 7.85 or later",
                           names[i].name);
        memcpy(names[i].function, &function, sizeof function);
    }
    if (curl->global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return wc_fail(err, WC_FAILED, "libcurl cannot be set up");
    return true;
}
