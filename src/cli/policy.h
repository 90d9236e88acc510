/* What the files of the policy share: a policy file as it was read. policy_file.c reads and writes it,
 * policy_check.c compares two and puts one into words, policy.c records what a run asks for.
 *
 * SAFETY: a policy file may come from anywhere. It is read once, as a whole, and bounded; a line that is not
 * understood ends everything: nothing is granted by a file that is half read. */
#ifndef GBX_CLI_POLICY_H
#define GBX_CLI_POLICY_H

#include "cli/cli.h"

#define CLI_POLICY_FIRST "glovebox-policy 1"

/* The parts of a value, by the grant's kind; what it does not have is NULL or 0. */
typedef struct cli_grant {
    cli_option_id id;  /* CLI_OPT_COUNT: a host function */
    const char *value; /* as the option on a command line has it; NULL for a flag */
    const char *at;    /* "app.policy:7" */
    const char *host, *guest; /* of a directory: both clean, guest absolute; of a scratch directory: guest */
    bool read_only;
    const char *name, *fixed; /* of a variable, and its value where the file states it; of a stub, and what
                                 it does; of a feature, and on or off */
    const char *signature, *purpose; /* of a host function, "MODULE.NAME" in `name` */
    uint64_t number;                 /* a bound, in bytes, nanoseconds or units; GBX_UNLIMITED: none */
} cli_grant;

typedef struct cli_policy {
    const char *path;
    cli_grant *grants; /* in the file's order */
    int count;
} cli_policy;

/* Read a file; on a mistake says where and what, and gives CLI_EXIT_SETUP. */
int gbx_cli_policy_read(const char *path, cli_policy *out);
/* A value, or a part of one, as it is written in a file: as it is, or in quotes with escapes. */
const char *gbx_cli_policy_quote(const char *value);
/* "dir", "max-memory": the name of an option in policy files; NULL where it cannot stand in one. */
const char *gbx_cli_policy_key(cli_option_id id);
/* The grant with that option, the last one; NULL: there is none. */
const cli_grant *gbx_cli_policy_find(const cli_policy *p, cli_option_id id);

/* policy_check.c: --check OLD NEW and --describe FILE, with their exit codes. */
int gbx_cli_policy_check(const cli_policy *old, const cli_policy *new);
int gbx_cli_policy_describe(const cli_policy *p);

/* needs.c: the directories that a run used, or wanted, as grants. */
typedef struct cli_wanted {
    const char *host, *guest;
    bool changes;
} cli_wanted;

typedef struct cli_refused {
    const char *path; /* of the guest */
    const char *why;  /* why it is no grant */
} cli_refused;

typedef struct cli_needs {
    cli_wanted *dirs; /* by guest path */
    int dir_count;
    cli_refused *refused;
    int refused_count;
    bool wants_temp; /* a place for temporary files, CLI_TEMP */
    bool is_whole; /* else grants of the run stand as they were given */
} cli_needs;

void gbx_cli_needs(const cli_plan *plan, const gbx_store *store, cli_needs *out);

#endif
