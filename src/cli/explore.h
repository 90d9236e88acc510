/* What the files of `glovebox explore` share: explore.c reads the command line and lists functions,
 * explore_show.c shows one. */
#ifndef GBX_CLI_EXPLORE_H
#define GBX_CLI_EXPLORE_H

#include <gbx/unstable/inspect.h>

#include "cli/cli.h"

enum { EXPLORE_WAT = 1, EXPLORE_FACTS = 2, EXPLORE_ASM = 4, EXPLORE_ALL = 7 };

/* To standard output. The function is the present one of `in`. */
void gbx_cli_explore_show(gbx_inspect *in, uint32_t func_idx, const gbx_inspect_info *info,
                          unsigned stages);

#endif
