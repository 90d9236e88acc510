/* `glovebox run --profile FILE`: where the guest spent its time. The file is opened before the guest
 * runs, so that a mistake in its name costs no run, and written when it has ended, however it ended. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <gbx/profile.h>

#include "cli/cli.h"

static FILE *profile_file;
static gbx_profile *profile_taken;

static int
profile_fails(const cli_plan *plan, const char *why)
{
    return gbx_cli_usage_error("bad-value",
                               gbx_cli_format("--profile cannot be %s", gbx_cli_quote(plan->profile)), why,
                               "--profile FILE");
}

int
gbx_cli_profile_open(const cli_plan *plan)
{
    if (!plan->profile) return CLI_EXIT_OK;
    profile_file = fopen(plan->profile, "we");
    if (profile_file) return CLI_EXIT_OK;
    return profile_fails(plan, gbx_cli_format("it cannot be opened for writing: %s", strerror(errno)));
}

static void
profile_note(const cli_plan *plan, const char *what, const char *why)
{
    gbx_cli_diag(&(cli_diag){.kind = "note",
                             .slug = "profile",
                             .message = gbx_cli_format("%s: %s", gbx_cli_quote(plan->profile), what),
                             .why = why});
}

void
gbx_cli_profile_begin(const cli_plan *plan, cli_guest *guest)
{
    gbx_err err;
    if (!profile_file || gbx_profile_begin(guest->store, NULL, &profile_taken, &err) == GBX_OK) return;
    profile_note(plan, "there is no profile", err.text);
}

static bool
profile_write(void *data, const void *bytes, size_t len)
{
    return fwrite(bytes, 1, len, data) == len;
}

void
gbx_cli_profile_end(const cli_plan *plan)
{
    gbx_err err;
    uint64_t taken, lost;
    if (!profile_taken) return;
    gbx_profile_end(profile_taken);
    size_t const len = strlen(plan->profile);
    bool const is_svg = len > 4 && !strcmp(plan->profile + len - 4, ".svg");
    gbx_code const code = gbx_profile_write(profile_taken, is_svg ? GBX_PROFILE_SVG : GBX_PROFILE_PPROF,
                                            profile_write, profile_file, &err);
    bool const is_closed = fclose(profile_file) == 0;
    if (code != GBX_OK || !is_closed)
        profile_note(plan, "it is not complete", code != GBX_OK ? err.text : strerror(errno));
    gbx_profile_samples(profile_taken, &taken, &lost);
    if (lost)
        profile_note(plan, gbx_cli_format("%" PRIu64 " samples are missing", lost),
                     "there were more different stacks than are kept");
    gbx_profile_release(profile_taken);
    profile_taken = NULL;
    profile_file = NULL;
}
