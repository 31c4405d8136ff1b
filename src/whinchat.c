/* whinchat.c - the border: checks handles and arguments, then calls the folders below. */
#include "whinchat.h"

const char *wc_version(void)
{
    return "0.1.0";
}
