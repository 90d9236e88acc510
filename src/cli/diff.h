/* What the files of `glovebox diff` share: a world that is the same for every run, the calls of a run, and
 * what was found to differ. */
#ifndef GBX_CLI_DIFF_H
#define GBX_CLI_DIFF_H

#include <gbx/unstable/trace.h>

#include "cli/cli.h"

/* ---- diff_world.c */

#define DIFF_OUTPUT_KEPT ((size_t)4 << 20) /* bytes of a stream that are kept; all of them are hashed */

typedef struct diff_stream {
    cli_text kept;
    uint64_t bytes, hash;
} diff_stream;

/* Clock and randomness begin anew with each run. */
typedef struct diff_world {
    uint64_t now_ns, random;
    diff_stream streams[2]; /* standard output and error */
} diff_world;

/* Standard input, read to its end and kept in a file of its own; -1: there is none. On failure says what is
 * wrong and gives CLI_EXIT_SETUP. */
int gbx_cli_diff_input(int *fd);
/* Make `world` that of `wasi`; both must live until the run is over. */
gbx_code gbx_cli_diff_world(diff_world *world, const cli_plan *plan, int input, gbx_wasi *wasi, gbx_err *err);

/* ---- What was found */

typedef struct diff_found {
    const char *what;    /* NULL: nothing */
    const char *a, *b;   /* in the first run, in the other; NULL: `what` says it all */
    const char *callers; /* the guest's frames, one a line; "": not known */
    bool at_end;         /* what differs arose somewhere before */
} diff_found;

/* ---- diff_calls.c */

/* The calls of the first run. Zeroed: none. */
typedef struct diff_calls diff_calls;
diff_calls *gbx_cli_diff_calls_new(void);
uint64_t gbx_cli_diff_calls_count(const diff_calls *calls);

/* The next call of the first run; `memory` is a hash of memories after it, or 0. */
void gbx_cli_diff_calls_keep(diff_calls *calls, const gbx_trace_call *call, uint64_t memory);
/* The next call of another run: fills *found where it is not that of the first. *block is the state of the
 * comparison, 0 before the run. */
void gbx_cli_diff_calls_compare(const diff_calls *calls, const gbx_trace_call *call, uint64_t memory,
                                uint64_t *block, diff_found *found);
/* The other run ended after so many calls, fewer than the first made. */
void gbx_cli_diff_calls_missing(const diff_calls *calls, uint64_t count, diff_found *found);

#endif
