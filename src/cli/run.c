/* `glovebox run`: load FILE, grant what was asked for, call it, and say how it ended.
 *
 * The order is the promise: a mistake in the options is reported before FILE is read, a FILE that
 * cannot run before any guest code does. The guest's exit code passes through unchanged. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include <gbx/unstable/audit.h>
#include <gbx/unstable/command.h>
#include <gbx/unstable/probes.h>

#include "cli/cli.h"

/* Of syscall.Getenv, whose variables are noted in case the guest fails; what asks more often is not held up
 * by it. */
#define RUN_WATCHED_CALLS 256u

typedef struct run_state {
    cli_guest guest;
    cli_clock clock;
    const char *ended; /* the slug of what ended it; NULL: an exit of its own */
    bool pipe_broke;
} run_state;

static void
run_release_store(cli_guest *guest)
{
    gbx_wasi_release(guest->wasi);
    gbx_linker_release(guest->linker);
    gbx_store_release(guest->store);
    *guest = (cli_guest){.module = guest->module, .engine = guest->engine};
}

void
gbx_cli_guest_release(cli_guest *guest)
{
    run_release_store(guest);
    gbx_module_release(guest->module);
    gbx_engine_release(guest->engine);
    *guest = (cli_guest){0};
}

/* What a process that ends leaves behind can still be reached, for those who look for leaks. */
static void *volatile run_left[2];

/* PERF: what only gives memory back is left to the system: hello from the cache takes 3.0 ms and not 3.1. */
static void
run_leave(cli_guest *guest, const cli_plan *plan)
{
    gbx_err err;
    run_release_store(guest);
    if (guest->module && !plan->symbols && gbx_module_save(guest->module, &err) == GBX_OK) {
        run_left[0] = guest->module;
        run_left[1] = guest->engine;
    } else {
        gbx_cli_guest_release(guest);
    }
}

gbx_code
gbx_cli_run_grant(gbx_wasi *wasi, const cli_plan *plan, gbx_err *err)
{
    gbx_code code = gbx_wasi_arg(wasi, plan->argv0, err);
    const cli_line *const line = plan->line;
    gbx_wasi_special_files(wasi, plan->special_files);
    for (int i = line->args; code == GBX_OK && !plan->invoke && i < line->argc; i++)
        code = gbx_wasi_arg(wasi, line->argv[i], err);
    for (int i = 0; code == GBX_OK && i < plan->env_count; i++)
        code = gbx_wasi_env(wasi, plan->env[i].name, plan->env[i].value, err);
    for (int i = 0; code == GBX_OK && i < plan->dir_count; i++) {
        const cli_dir *const dir = &plan->dirs[i];
        code = gbx_wasi_dir(wasi, dir->host, dir->guest, dir->read_only ? GBX_READ_ONLY : GBX_READ_WRITE,
                            err);
    }
    for (int i = 0; code == GBX_OK && i < plan->scratch_count; i++)
        code = gbx_wasi_scratch(wasi, plan->scratches[i].guest, plan->scratches[i].bytes, err);
    return code;
}

static gbx_code
run_grant(cli_guest *guest, const cli_plan *plan, gbx_err *err)
{
    gbx_code code = gbx_wasi_inherit_stdio(guest->wasi, err);
    if (code == GBX_OK) code = gbx_cli_listen_env(plan, guest->wasi, err);
    if (code == GBX_OK) code = gbx_cli_run_grant(guest->wasi, plan, err);
    if (plan->is_seeded) gbx_wasi_seed(guest->wasi, plan->seed);
    else gbx_wasi_clock_real(guest->wasi);
    gbx_wasi_raw_terminals(guest->wasi, plan->raw_tty);
    gbx_wasi_broken_pipe_ends(guest->wasi, gbx_cli_pipe_ends());
    if (code == GBX_OK) code = gbx_linker_new(guest->store, &guest->linker, err);
    gbx_cli_warn_begin(plan, guest->wasi);
    if (code == GBX_OK) code = gbx_wasi_link(guest->wasi, guest->linker, err);
    return code;
}

/* True when the module exports a function of that name. */
static bool
run_exports_func(const gbx_module *module, const char *name)
{
    gbx_extern_info info;
    for (size_t i = 0; gbx_module_export(module, i, &info); i++)
        if (info.kind == GBX_EXTERN_FUNC && !strcmp(info.name, name)) return true;
    return false;
}

/* A program that draws on the whole screen shows its sequences instead: say what would mend it. */
static void
run_tell_filtered(const cli_plan *plan, const gbx_store *store)
{
    if (!plan->hints || !gbx_store_terminal_filtered(store)) return;
    cli_edit edit = {.add = gbx_cli_option_text(CLI_OPT_SANITIZE_TTY, "off")};
    int const given = gbx_cli_line_find(plan->line, CLI_OPT_SANITIZE_TTY);
    if (given >= 0) {
        edit.skip = plan->line->given[given].word;
        edit.skip_count = plan->line->given[given].words;
    }
    gbx_cli_diag(&(cli_diag){.kind = "note",
                             .slug = "terminal-filtered",
                             .message = "control sequences of the guest were shown, not done",
                             .why = "they could do more to this terminal than text and colours on a line",
                             .fix = gbx_cli_line_command(plan->line, &edit)});
}

/* The exit code for how a call ended, saying what there is to say. */
static int
run_outcome(run_state *run, const cli_plan *plan, const gbx_trap *trap)
{
    int status = CLI_EXIT_OK;
    if (trap->code == GBX_TRAP_EXIT)
        status = (int)((uint32_t)trap->exit_status & 0xff);
    else if (trap->code == GBX_TRAP_BROKEN_PIPE) {
        run->pipe_broke = true;
        run->ended = gbx_trap_slug(trap->code);
        return gbx_trap_exit_code(trap->code);
    } else if (trap->code != GBX_TRAP_NONE) {
        run->ended = gbx_trap_slug(trap->code);
        gbx_cli_stacks_take(&run->guest, trap);
        status = gbx_cli_report_trap(plan, run->guest.store, trap);
        gbx_cli_stacks_print();
    }
    fflush(stdout);
    run_tell_filtered(plan, run->guest.store);
    gbx_cli_listen_hint(plan, run->guest.store, status);
    if (plan->hints) gbx_cli_hints(plan, &run->guest, status);
    if (plan->hints) gbx_cli_report_met(plan, run->guest.store, status);
    if (plan->hints) gbx_cli_warn(plan, run->guest.store, status);
    return status;
}

int
gbx_cli_run_call(const cli_plan *plan, cli_guest *guest, gbx_trap *trap, cli_text *results,
                 const char **ended, cli_clock *clock)
{
    static gbx_err err;
    const gbx_module *const module = guest->module;
    *ended = NULL;
    int const stubbed = plan->stub_count ? gbx_cli_stubs_define(plan, module, guest->linker) : CLI_EXIT_OK;
    if (stubbed != CLI_EXIT_OK) {
        *ended = "stub-unknown";
        return stubbed;
    }
    if (plan->record) {
        int const made = gbx_cli_stubs_record(module, guest->linker, plan->recorded, plan->recorded_count);
        if (made != CLI_EXIT_OK) return made;
    }
    if (!plan->invoke && !run_exports_func(module, "_start")) {
        *ended = "no-start";
        return gbx_cli_no_start(plan, module);
    }
    gbx_code const code = gbx_instance_new(guest->store, module, guest->linker, &guest->instance, trap, &err);
    gbx_cli_clock_lap(clock, CLI_PHASE_INSTANTIATE);
    if (code == GBX_TRAPPED) return CLI_EXIT_OK;
    if (code != GBX_OK) {
        *ended = gbx_code_slug(code);
        if (code == GBX_UNKNOWN_IMPORT || code == GBX_IMPORT_TYPE)
            return gbx_cli_missing(plan, module, guest->linker);
        return gbx_cli_report_error(plan, module, code, &err);
    }
    gbx_cli_profile_begin(plan, guest);
    if (plan->invoke) return gbx_cli_invoke(plan, guest->instance, module, trap, results);
    gbx_func *const start = gbx_instance_func(guest->instance, "_start");
    const gbx_valtype *types;
    if (gbx_func_params(start, &types) || gbx_func_results(start, &types))
        return gbx_cli_no_start(plan, module);
    gbx_func_call(start, NULL, 0, NULL, 0, trap);
    return CLI_EXIT_OK;
}

static int
run_call(run_state *run, const cli_plan *plan)
{
    static gbx_trap trap;
    cli_text results = {0};
    gbx_cli_listen_tell(plan);
    gbx_cli_listen_begin(plan, run->guest.store);
    gbx_cli_stacks_begin(plan, run->guest.store);
    int const status = gbx_cli_run_call(plan, &run->guest, &trap, &results, &run->ended, &run->clock);
    gbx_cli_clock_lap(&run->clock, CLI_PHASE_RUN);
    gbx_cli_profile_end(plan);
    if (status != CLI_EXIT_OK) return status;
    fputs(gbx_cli_text_get(&results), stdout);
    return run_outcome(run, plan, &trap);
}

int
gbx_cli_run_no_setup(gbx_code code, const gbx_err *err)
{
    gbx_cli_diag(&(cli_diag){.kind = "error", .slug = gbx_code_slug(code), .message = err->text});
    return CLI_EXIT_SETUP;
}

static int
run_no_setup(run_state *run, gbx_code code, const gbx_err *err)
{
    run->ended = gbx_code_slug(code);
    return gbx_cli_run_no_setup(code, err);
}

static int
run_all(run_state *run, const cli_plan *plan)
{
    static gbx_err err;
    cli_guest *const guest = &run->guest;
    gbx_store_opts opts = GBX_STORE_OPTS_INIT;
    opts.timeout_ns = plan->timeout_ns;
    opts.memory_bytes = plan->memory_bytes;
    opts.output_bytes = plan->output_bytes;
    opts.disk_bytes = plan->disk_bytes;
    opts.fuel = plan->fuel;
    opts.huge_pages = 1;
    gbx_engine_opts engine_opts = GBX_ENGINE_OPTS_INIT;
    engine_opts.features_off = plan->features_off;
    engine_opts.tier = plan->tier;
    engine_opts.symbols = plan->symbols;
    engine_opts.cache_dir = plan->cache_dir;
    engine_opts.canonical_nans = plan->is_seeded;
    engine_opts.keep_ms = GBX_KEEP_OFF;
    engine_opts.metered = plan->is_metered;
    gbx_code code = gbx_wasi_new(&guest->wasi, &err);
    if (code == GBX_OK) {
        int const status = gbx_cli_listen_open(plan, guest->wasi);
        run->ended = gbx_code_slug(GBX_IO);
        if (status != CLI_EXIT_OK) return status;
        run->ended = NULL;
        code = gbx_engine_new(&engine_opts, &guest->engine, &err);
    }
    if (code == GBX_OK)
        code = gbx_engine_set_command(guest->engine, plan->memory_bytes, gbx_cli_heap_bytes(), &err);
    bool const watches_all = plan->explain || plan->record;
    if (code == GBX_OK && (plan->hints || watches_all))
        code = gbx_engine_watch(guest->engine, watches_all ? GBX_WATCH_ALL : RUN_WATCHED_CALLS, &err);
    gbx_wasi_note_uses(guest->wasi, watches_all);
    gbx_cli_clock_lap(&run->clock, CLI_PHASE_ENGINE);
    if (code != GBX_OK) return run_no_setup(run, code, &err);
    gbx_compile_opts compile_opts = GBX_COMPILE_OPTS_INIT;
    compile_opts.trust = plan->allow_compiled ? GBX_TRUST_ANYBODY : GBX_TRUST_KEY;
    code = gbx_module_compile_file(guest->engine, plan->program, &compile_opts, &guest->module, &err);
    gbx_cli_clock_lap(&run->clock, CLI_PHASE_OPEN);
    if (code != GBX_OK) {
        run->ended = gbx_code_slug(code);
        return gbx_cli_report_error(plan, NULL, code, &err);
    }
    code = gbx_store_new(guest->engine, &opts, &guest->store, &err);
    if (code == GBX_OK) code = run_grant(guest, plan, &err);
    gbx_cli_clock_lap(&run->clock, CLI_PHASE_GRANT);
    return code == GBX_OK ? run_call(run, plan) : run_no_setup(run, code, &err);
}

int
gbx_cli_run_plan(const cli_plan *plan, int *number)
{
    run_state run = {0};
    int status = CLI_EXIT_OK;
    *number = 0;
    FILE *const account = gbx_cli_account_open(plan, &status);
    if (status == CLI_EXIT_OK) status = gbx_cli_profile_open(plan);
    if (status != CLI_EXIT_OK) return status;
    if (plan->explain || account) gbx_cli_clock_begin(&run.clock);
    status = run_all(&run, plan);
    if (plan->explain && run.guest.module) {
        if (run.guest.store) gbx_cli_explain(plan, &run.guest);
        gbx_cli_cache_explain(plan, run.guest.module);
        gbx_cli_clock_explain(&run.clock, run.guest.module, run.guest.store);
    }
    const char *const ended = run.ended ? run.ended : "exit";
    if (plan->record) status = plan->record(plan, &run.guest, ended, status);
    status = gbx_cli_account_close(account, plan, &run.guest, &run.clock, ended, status);
    gbx_cli_stacks_release();
    int const interrupted = gbx_cli_stacks_end(), ending = gbx_cli_listen_end(status);
    int const stopped = interrupted == SIGQUIT ? 0 : interrupted;
    *number = run.pipe_broke ? SIGPIPE : stopped ? stopped : ending;
    run_leave(&run.guest, plan);
    return status;
}

int
gbx_cli_run_line(cli_line *line, int *number)
{
    cli_plan plan;
    *number = 0;
    int const status = gbx_cli_begin_line(&plan, line);
    if (status != CLI_EXIT_OK) return status == CLI_ANSWERED ? CLI_EXIT_OK : status;
    return gbx_cli_run_plan(&plan, number);
}

int
gbx_cli_run(int argc, char **argv, int first)
{
    cli_line line;
    int number;
    int status = gbx_cli_line_parse(&line, CLI_RUN, argc, argv, first);
    if (status == CLI_EXIT_OK) {
        status = gbx_cli_run_line(&line, &number);
        if (number) gbx_cli_die_of(number);
    }
    return status;
}
