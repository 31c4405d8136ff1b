/* pull.h - fetching, for the commands that offer it. */
#ifndef CLI_PULL_H
#define CLI_PULL_H
#include "cli.h"
#include "hub/pull.h"

/* Fetches a model with progress and a line of what was done.  Gives the exit status. */
int cli_pull_model(struct cli *c, const char *name, hub_pulled *out);
#endif
