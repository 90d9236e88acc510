/* What the files share that make notes after a run: hints.c of refused paths, misses.c of paths that were
 * looked for in the wrong place, entered.c of what was used of Go's library. */
#ifndef GBX_CLI_HINTS_H
#define GBX_CLI_HINTS_H

#include "cli/cli.h"

enum { HINTS_KEPT = 64 };

/* Nearest first. */
typedef enum hints_rank {
    HINTS_MISPLACED, /* an option that stands behind FILE */
    HINTS_FOUND,     /* the file is on the host and can be granted */
    HINTS_READ_ONLY,
    HINTS_OUTSIDE,
    HINTS_ENV,
    HINTS_ENTERED, /* something of Go's library that does not work here */
    HINTS_NOT_FOUND
} hints_rank;

typedef struct hint {
    hints_rank rank;
    cli_diag diag;
    const char *key;      /* hints with the same key are one */
    const char *searched; /* so are those that looked for this name in several places; NULL: it did not */
    int more;             /* how many others were merged into this one */
} hint;

typedef struct hints_list {
    hint items[HINTS_KEPT];
    int count;
} hints_list;

void gbx_cli_hints_add(hints_list *list, hint const *h);

/* Where on the host the path was meant to be. */
typedef struct hints_guess {
    const char *host;       /* directory to grant, "" for none; relative to ours, or absolute */
    const char *guest;      /* its name in the guest, absolute and clean */
    const char *guest_path; /* what was asked for, absolute and clean; NULL: it climbs above / */
    const char *found;      /* what exists, for the words */
    bool is_beside;         /* it was found in FILE's directory */
    bool is_parent;         /* what was found is the directory to make it in */
} hints_guess;

/* If `host` exists, the directory to grant so that the guest finds it as `guest`: itself, or the one
 * it lies in. */
bool gbx_cli_hints_guess_at(const char *host, const char *guest, hints_guess *out);
/* The options that grant it. */
const char *gbx_cli_hints_grant(const cli_plan *plan, const hints_guess *guess);
bool gbx_cli_hints_is_system(const char *dir); /* whose files are copied, never granted */
const char *gbx_cli_hints_parent(const char *path);
const char *gbx_cli_hints_granted(const cli_plan *plan); /* in words */
const char *gbx_cli_hints_verb(const char *call);

/* Secrets were drawn from --seed: said whether the guest failed or not. */
void gbx_cli_entered_secrets(const cli_plan *plan, const gbx_module *module);
/* misses.c, entered.c: of a guest that failed, with `status`. */
void gbx_cli_misses_collect(hints_list *list, const cli_plan *plan, const gbx_store *store);
void gbx_cli_entered_collect(hints_list *list, const cli_plan *plan, const cli_guest *guest, int status);

#endif
