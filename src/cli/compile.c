/* `glovebox compile`: a module and its machine code in one file. Nothing of the module runs. */
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"

void
gbx_cli_help_compile(FILE *to)
{
    fputs("usage: glovebox compile [options] FILE -o OUT\n"
          "\n"
          "Compile all functions of the module FILE and write OUT: the module, its machine code and\n"
          "what else a first run would have to find out. OUT runs like FILE, and compiles nothing.\n"
          "\n"
          "  glovebox compile main.wasm -o main.gbx\n"
          "  glovebox main.gbx                         here, by this user\n"
          "  glovebox --allow-compiled main.gbx        anywhere, by anybody who trusts it\n"
          "\n"
          "Machine code is not in the sandbox: whoever can change OUT can run any code as whoever runs it\n"
          "with --allow-compiled. Without that option OUT is refused, unless it was made with the key of\n"
          "the runner's own cache directory (glovebox cache dir); glovebox cache clear makes a new key.\n"
          "Either way damage is noticed: where the module is whole it runs without its code, else OUT\n"
          "is refused. OUT is for the glovebox that made it, this kind of processor and --wasm-feature\n"
          "as given here; elsewhere the module runs as FILE would, and --explain says so. diff and explore\n"
          "take the module and leave the code.\n"
          "\n"
          "options:\n",
          to);
    gbx_cli_help_options(to, gbx_cli_options, CLI_OPT_COUNT, CLI_COMPILE);
}

static void
compile_progress(void *data, uint32_t done, uint32_t all)
{
    const char *const name = data;
    unsigned const share = all ? (unsigned)((uint64_t)done * 100 / all) : 100;
    fprintf(stderr, "\rcompiling %s: %u%% of %" PRIu32 " functions", name, share, all);
    if (done == all) fprintf(stderr, "\r%*s\r", (int)strlen(name) + 48, "");
    fflush(stderr);
}

static int
compile_no_out(const cli_line *line, const cli_plan *plan)
{
    int const at = gbx_cli_line_find(line, CLI_OPT_OUT);
    const char *const out = gbx_cli_option_text(CLI_OPT_OUT, gbx_cli_file_beside(plan->program, ".gbx"));
    cli_edit edit = {.add = out};
    if (at >= 0) {
        edit.skip = line->given[at].word;
        edit.skip_count = line->given[at].words;
        if (edit.skip > line->file) edit.args = out, edit.add = NULL;
    }
    return gbx_cli_usage_error("no-out",
                               at < 0 ? "there is no -o OUT to write" : "OUT would take the place of FILE",
                               at < 0 ? "the command line does not have it" : "both are the same file",
                               gbx_cli_line_command(line, &edit));
}

static int
compile_all(const cli_plan *plan)
{
    static gbx_err err;
    gbx_engine *engine = NULL;
    gbx_precompile_info info;
    gbx_engine_opts engine_opts = GBX_ENGINE_OPTS_INIT;
    gbx_precompile_opts opts = GBX_PRECOMPILE_OPTS_INIT;
    engine_opts.features_off = plan->features_off;
    engine_opts.cache_dir = plan->cache_dir;
    engine_opts.keep_ms = GBX_KEEP_OFF;
    opts.info = &info;
    if (isatty(STDERR_FILENO)) {
        opts.progress = compile_progress;
        opts.progress_data = (void *)(uintptr_t)gbx_cli_quote(plan->program);
    }
    gbx_code code = gbx_engine_new(&engine_opts, &engine, &err);
    if (code != GBX_OK) return gbx_cli_run_no_setup(code, &err);
    code = gbx_precompile_file(engine, plan->program, plan->out, &opts, &err);
    gbx_engine_release(engine);
    if (code != GBX_OK) return gbx_cli_report_error(plan, NULL, code, &err);
    if (info.has_key) return CLI_EXIT_OK;
    gbx_cli_diag(&(cli_diag){.kind = "note",
                             .slug = "no-key",
                             .message = gbx_cli_format("%s has no key: it runs with --allow-compiled alone",
                                                       gbx_cli_quote(plan->out)),
                             .why = plan->cache_dir ? "the cache directory cannot be used"
                                                    : "there is no cache directory, whose key it would be"});
    return CLI_EXIT_OK;
}

int
gbx_cli_compile(int argc, char **argv, int first)
{
    cli_line line;
    cli_plan plan;
    int const status = gbx_cli_begin(&plan, &line, CLI_COMPILE, argc, argv, first);
    if (status != CLI_EXIT_OK) return status == CLI_ANSWERED ? CLI_EXIT_OK : status;
    if (!plan.out || !*plan.out || gbx_cli_is_same_file(plan.out, plan.program))
        return compile_no_out(&line, &plan);
    return compile_all(&plan);
}
