/* no_client.c - in place of client.c where libcurl's header was not there when whinchat was built. */
#include "hub/client.h"

bool hub_is_offline(void)
{
    return false;
}

hub_client *hub_client_open(wc_arena *a, hub_note_fn note, void *user, wc_error *err)
{
    wc_fail(err, WC_UNSUPPORTED,
            "this whinchat was built without libcurl and cannot ask the network; fetch the model with: hf "
            "download");
    return NULL;
}

void hub_client_close(hub_client *c)
{
}

bool hub_client_get(hub_client *c, hub_request *r, hub_reply *reply, wc_error *err)
{
    return wc_fail(err, WC_UNSUPPORTED, "%s: built without libcurl", r->what);
}
