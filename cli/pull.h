/* pull.h - fetching, for the commands that offer it. */
#ifndef CLI_PULL_H
#define CLI_PULL_H
#include "cli.h"

/* wc_model_open; where somebody can be asked, a model of the hub that is not here is offered to be fetched. */
wc_model *cli_open_model(struct cli *c, const char *name, const struct cli_model_args *a, wc_error *err);
#endif
