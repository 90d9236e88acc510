/* `glovebox run --report FILE`: how a run went, as one JSON object, for scripts. Its keys are those of the
 * page `glovebox help report`; later versions add keys and change none.
 *
 * The file is opened before the guest runs and written when it has ended, however it ended, unless the
 * process itself is killed. SAFETY: names in it are the module's: they are escaped for JSON here, whatever
 * bytes they have, and the file is valid UTF-8. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include <gbx/unstable/compiled.h>
#include <gbx/unstable/trace.h>

#include "cli/cli.h"

#define ACCOUNT_REFUSED_MOST 100u /* functions that are listed; the rest is counted */

static int
account_fails(const cli_plan *plan, const char *what)
{
    return gbx_cli_usage_error("bad-value",
                               gbx_cli_format("--report cannot be %s", gbx_cli_quote(plan->report)),
                               gbx_cli_format("%s: %s", what, strerror(errno)), "--report FILE");
}

FILE *
gbx_cli_account_open(const cli_plan *plan, int *status)
{
    if (!plan->report) return NULL;
    int const fd = open(plan->report, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    FILE *const to = fd < 0 ? NULL : fdopen(fd, "w");
    if (!to) {
        *status = account_fails(plan, "it cannot be opened for writing");
        if (fd >= 0) close(fd);
    }
    return to;
}

uint64_t
gbx_cli_memory_hash(const gbx_instance *instance)
{
    const uint8_t *data;
    size_t bytes;
    uint64_t h = 0;
    for (size_t i = 0; gbx_trace_memory(instance, i, &data, &bytes); i++)
        h = gbx_trace_hash(h ^ bytes, data, bytes);
    return h;
}

static void
account_functions(FILE *to, const cli_plan *plan, const gbx_module *module)
{
    static const char *const tiers[] = {
            [GBX_TIER_AUTO] = "auto", [GBX_TIER_INTERP] = "interp", [GBX_TIER_EAGER] = "eager"};
    gbx_compiled n;
    gbx_compiled_get(module, &n);
    fprintf(to, ",\n  \"tier\": \"%s\",\n  \"compiles\": %s", tiers[plan->tier],
            n.is_open ? "true" : "false");
    fprintf(to, ",\n  \"functions\": %" PRIu32 ",\n  \"functions_compiled\": %" PRIu32, n.funcs, n.compiled);
    fprintf(to, ",\n  \"functions_refused\": %" PRIu32 ",\n  \"functions_interpreted\": %" PRIu32, n.refused,
            n.ran);
    fprintf(to, ",\n  \"compiled_share\": %.6f", n.funcs ? (double)n.compiled / (double)n.funcs : 0.0);
    fprintf(to, ",\n  \"body_bytes\": %" PRIu64 ",\n  \"body_bytes_compiled\": %" PRIu64, n.func_bytes,
            n.body_bytes);
    fprintf(to, ",\n  \"code_bytes\": %" PRIu64 ",\n  \"code_memory_bytes\": %" PRIu64, n.code_bytes,
            n.memory_bytes);
    fprintf(to, ",\n  \"compile_ns\": %" PRIu64, n.facts_ns + n.emit_ns + n.publish_ns);
    gbx_cache_use use;
    gbx_module_cache_use(module, &use);
    fprintf(to, ",\n  \"cache\": \"%s\",\n  \"cache_why\": ",
            !use.is_on ? "off" : use.is_hit ? "hit" : "miss");
    gbx_cli_json_string(to, use.why);
    if (use.compiled_file) {
        fprintf(to, ",\n  \"compiled_file\": ");
        gbx_cli_json_string(to, *use.compiled_file ? use.compiled_file : "used");
    }
    fprintf(to, ",\n  \"functions_taken\": %" PRIu32, use.taken);
    fprintf(to, ",\n  \"refused\": [");
    gbx_refused refused;
    uint32_t next = 0, listed = 0;
    for (; listed < ACCOUNT_REFUSED_MOST && gbx_compiled_next_refused(module, &next, &refused); listed++) {
        fprintf(to, "%s\n    {\"function\": %" PRIu32 ", \"name\": ", listed ? "," : "", refused.func_idx);
        gbx_cli_json_string(to, refused.name);
        fprintf(to, ", \"why\": \"%s\"}", refused.why);
    }
    fprintf(to, "%s]", listed ? "\n  " : "");
}

static void
account_listeners(FILE *to, const cli_plan *plan)
{
    fprintf(to, ",\n  \"listening\": [");
    for (int i = 0; i < plan->listener_count; i++) {
        const cli_listener *const l = &plan->listeners[i];
        fprintf(to, "%s", i ? ", " : "");
        gbx_cli_json_string(to, l->fd < 0 ? l->bound : l->name ? l->name : "unknown");
    }
    fprintf(to, "]");
}

int
gbx_cli_account_close(FILE *to, const cli_plan *plan, const cli_guest *guest, const cli_clock *clock,
                      const char *ended, int status)
{
    if (!to) return status;
    fprintf(to, "{\n  \"glovebox\": \"%s\",\n  \"module\": ", gbx_version());
    gbx_cli_json_string(to, plan->program);
    fprintf(to, ",\n  \"ended\": \"%s\",\n  \"exit_code\": %d", ended, status);
    account_listeners(to, plan);
    fprintf(to, ",\n  \"randomness\": \"%s\"", plan->is_seeded ? "seeded" : "os");
    if (plan->is_seeded) fprintf(to, ",\n  \"seed\": %" PRIu64, plan->seed);
    if (plan->is_seeded && guest->instance)
        fprintf(to, ",\n  \"memory_hash\": \"%016" PRIx64 "\"", gbx_cli_memory_hash(guest->instance));
    uint64_t left, used;
    if (guest->store && gbx_store_fuel(guest->store, &left, &used)) {
        fprintf(to, ",\n  \"fuel_used\": %" PRIu64, used);
        if (left != GBX_UNLIMITED) fprintf(to, ",\n  \"fuel_left\": %" PRIu64, left);
    }
    if (guest->module) {
        account_functions(to, plan, guest->module);
        gbx_cli_clock_print(to, clock, guest->module);
    }
    gbx_cli_stacks_account(to);
    fprintf(to, "\n}\n");
    bool const is_bad = ferror(to) != 0;
    if (fclose(to) || is_bad) return account_fails(plan, "it cannot be written");
    return status;
}
