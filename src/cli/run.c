/* `glovebox run`: load FILE, grant what was asked for, call it, and say how it ended.
 *
 * The order is the promise: a mistake in the options is reported before FILE is read, a FILE that
 * cannot run before any guest code does. The guest's exit code passes through unchanged. */
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

/* Everything that is to be released, in reverse order of its making. Zeroed: nothing. */
typedef struct run_state {
    gbx_engine *engine;
    gbx_module *module;
    gbx_store *store;
    gbx_linker *linker;
    gbx_wasi *wasi;
    gbx_instance *instance;
    cli_clock clock;
    const char *ended; /* the slug of what ended it; NULL: an exit of its own */
} run_state;

static void
run_release(run_state *run)
{
    gbx_wasi_release(run->wasi);
    gbx_linker_release(run->linker);
    gbx_store_release(run->store);
    gbx_module_release(run->module);
    gbx_engine_release(run->engine);
}

gbx_code
gbx_cli_run_grant(gbx_wasi *wasi, const cli_plan *plan, gbx_err *err)
{
    gbx_code code = gbx_wasi_arg(wasi, plan->argv0, err);
    const cli_line *const line = plan->line;
    for (int i = line->file + 1; code == GBX_OK && !plan->invoke && i < line->argc; i++)
        code = gbx_wasi_arg(wasi, line->argv[i], err);
    for (int i = 0; code == GBX_OK && i < plan->env_count; i++)
        code = gbx_wasi_env(wasi, plan->env[i].name, plan->env[i].value, err);
    for (int i = 0; code == GBX_OK && i < plan->dir_count; i++) {
        const cli_dir *const dir = &plan->dirs[i];
        code = gbx_wasi_dir(wasi, dir->host, dir->guest, dir->read_only ? GBX_READ_ONLY : GBX_READ_WRITE,
                            err);
    }
    return code;
}

static gbx_code
run_grant(run_state *run, const cli_plan *plan, gbx_err *err)
{
    gbx_code code = gbx_wasi_new(&run->wasi, err);
    if (code == GBX_OK) code = gbx_wasi_inherit_stdio(run->wasi, err);
    if (code == GBX_OK) code = gbx_cli_run_grant(run->wasi, plan, err);
    if (code == GBX_OK) code = gbx_linker_new(run->store, &run->linker, err);
    if (code == GBX_OK) code = gbx_wasi_link(run->wasi, run->linker, err);
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

/* The exit code for how a call ended, saying what there is to say. */
static int
run_outcome(run_state *run, const cli_plan *plan, const gbx_trap *trap)
{
    int status = CLI_EXIT_OK;
    if (trap->code == GBX_TRAP_EXIT)
        status = (int)((uint32_t)trap->exit_status & 0xff);
    else if (trap->code != GBX_TRAP_NONE) {
        run->ended = gbx_trap_slug(trap->code);
        status = gbx_cli_report_trap(plan, trap);
    }
    fflush(stdout);
    if (plan->hints) gbx_cli_hints(plan, run->store, status);
    return status;
}

int
gbx_cli_run_call(const cli_plan *plan, gbx_store *store, const gbx_module *module, gbx_linker *linker,
                 gbx_instance **instance, gbx_trap *trap, cli_text *results, const char **ended,
                 cli_clock *clock)
{
    static gbx_err err;
    *instance = NULL;
    *ended = NULL;
    if (!plan->invoke && !run_exports_func(module, "_start")) {
        *ended = "no-start";
        return gbx_cli_no_start(plan, module);
    }
    gbx_code const code = gbx_instance_new(store, module, linker, instance, trap, &err);
    gbx_cli_clock_lap(clock, CLI_PHASE_INSTANTIATE);
    if (code == GBX_TRAPPED) return CLI_EXIT_OK;
    if (code != GBX_OK) {
        *ended = gbx_code_slug(code);
        return gbx_cli_report_error(plan, module, code, &err);
    }
    if (plan->invoke) return gbx_cli_invoke(plan, *instance, module, trap, results);
    gbx_func *const start = gbx_instance_func(*instance, "_start");
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
    int const status = gbx_cli_run_call(plan, run->store, run->module, run->linker, &run->instance, &trap,
                                        &results, &run->ended, &run->clock);
    gbx_cli_clock_lap(&run->clock, CLI_PHASE_RUN);
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
    gbx_store_opts opts = GBX_STORE_OPTS_INIT;
    opts.timeout_ns = plan->timeout_ns;
    opts.memory_bytes = plan->memory_bytes;
    opts.huge_pages = 1;
    gbx_engine_opts engine_opts = GBX_ENGINE_OPTS_INIT;
    engine_opts.features_off = plan->features_off;
    engine_opts.tier = plan->tier;
    engine_opts.symbols = plan->symbols;
    engine_opts.cache_dir = plan->cache_dir;
    gbx_code code = gbx_engine_new(&engine_opts, &run->engine, &err);
    gbx_cli_clock_lap(&run->clock, CLI_PHASE_ENGINE);
    if (code != GBX_OK) return run_no_setup(run, code, &err);
    gbx_compile_opts compile_opts = GBX_COMPILE_OPTS_INIT;
    compile_opts.trust = plan->allow_compiled ? GBX_TRUST_ANYBODY : GBX_TRUST_KEY;
    code = gbx_module_compile_file(run->engine, plan->program, &compile_opts, &run->module, &err);
    gbx_cli_clock_lap(&run->clock, CLI_PHASE_OPEN);
    if (code != GBX_OK) {
        run->ended = gbx_code_slug(code);
        return gbx_cli_report_error(plan, NULL, code, &err);
    }
    code = gbx_store_new(run->engine, &opts, &run->store, &err);
    if (code == GBX_OK) code = run_grant(run, plan, &err);
    gbx_cli_clock_lap(&run->clock, CLI_PHASE_GRANT);
    return code == GBX_OK ? run_call(run, plan) : run_no_setup(run, code, &err);
}

static int
run_plan(const cli_plan *plan)
{
    run_state run = {0};
    int status = CLI_EXIT_OK;
    FILE *const account = gbx_cli_account_open(plan, &status);
    if (status != CLI_EXIT_OK) return status;
    if (plan->explain || account) gbx_cli_clock_begin(&run.clock);
    status = run_all(&run, plan);
    if (plan->explain && run.module) {
        gbx_cli_cache_explain(plan, run.module);
        gbx_cli_clock_explain(&run.clock, run.module);
    }
    const char *const ended = run.ended ? run.ended : "exit";
    status = gbx_cli_account_close(account, plan, run.module, &run.clock, ended, status);
    run_release(&run);
    return status;
}

int
gbx_cli_run(int argc, char **argv, int first)
{
    cli_line line;
    cli_plan plan;
    int const status = gbx_cli_line_parse(&line, CLI_RUN, argc, argv, first);
    if (status != CLI_EXIT_OK) return status;
    if (gbx_cli_line_find(&line, CLI_OPT_HELP) >= 0) {
        if (first > 1)
            gbx_cli_help_run(stdout);
        else
            gbx_cli_help_all(stdout);
        return CLI_EXIT_OK;
    }
    if (gbx_cli_line_find(&line, CLI_OPT_VERSION) >= 0) return gbx_cli_version();
    if (line.file == argc) {
        return gbx_cli_usage_error("no-file", "there is no FILE to run",
                                   "the command line ends after the options",
                                   gbx_cli_line_command(&line, &(cli_edit){.args = "main.wasm"}));
    }
    int const made = gbx_cli_plan_make(&plan, &line);
    return made != CLI_EXIT_OK ? made : run_plan(&plan);
}
