/* Failures of the library and traps of the guest, said in words, and their exit codes. */
#include <dirent.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cli.h"

typedef struct report_foreign {
    const char *module, *name, *slug, *words, *fix;
} report_foreign;

static const report_foreign report_foreigns[] = {
#define CLI_FOREIGN(module, name, slug, words, fix) {module, name, slug, words, fix},
#include "cli/foreign.def"
#undef CLI_FOREIGN
};

static int
report_exit(gbx_code code)
{
    switch (code) {
    case GBX_OK: return CLI_EXIT_OK;
    case GBX_NOT_FOUND: return CLI_EXIT_NOT_FOUND;
    case GBX_TRAPPED: return CLI_EXIT_TRAP;
    case GBX_NO_MEMORY:
    case GBX_ARGUMENT:
    case GBX_STATE:
    case GBX_SNAPSHOT: return CLI_EXIT_SETUP;
    case GBX_BAD_MAGIC:
    case GBX_COMPONENT:
    case GBX_TRUNCATED:
    case GBX_MALFORMED:
    case GBX_INVALID:
    case GBX_UNSUPPORTED:
    case GBX_LIMIT:
    case GBX_UNKNOWN_IMPORT:
    case GBX_ABI_VERSION:
    case GBX_IMPORT_TYPE:
    case GBX_IO:
    case GBX_DENIED:
    case GBX_UNTRUSTED:
    case GBX_CODE_COUNT: break;
    }
    return CLI_EXIT_REFUSED;
}

static bool
report_starts(const char *word, const char *beginning)
{
    return !strncmp(word, beginning, strlen(beginning));
}

/* What the module was built for, judged by its imports; NULL when nothing tells. *tells is the import
 * that does. */
static const report_foreign *
report_find_foreign(const gbx_module *module, gbx_extern_info *tells)
{
    gbx_extern_info info;
    for (size_t i = 0; gbx_module_import(module, i, &info); i++) {
        *tells = info;
        for (size_t k = 0; k < CLI_LEN(report_foreigns); k++) {
            const report_foreign *const f = &report_foreigns[k];
            char const last = f->module[strlen(f->module) - 1];
            bool const open_ended = last == ':' || last == '_';
            if ((open_ended ? report_starts(info.module_name, f->module)
                            : !strcmp(info.module_name, f->module)) &&
                report_starts(info.name, f->name))
                return f;
        }
    }
    return NULL;
}

bool
gbx_cli_report_foreign(const cli_plan *plan, const gbx_module *module)
{
    gbx_extern_info tells;
    const report_foreign *const foreign = report_find_foreign(module, &tells);
    if (!foreign) return false;
    gbx_cli_diag(&(cli_diag){
            .kind = "error",
            .slug = foreign->slug,
            .message = gbx_cli_format("%s: %s", gbx_cli_quote(plan->program), foreign->words),
            .why = gbx_cli_format("unknown import: `%s::%s`", tells.module_name, tells.name),
            .fix = foreign->fix,
    });
    return true;
}

/* A module in FILE's directory whose name is within two edits; NULL: none. */
static const char *
report_near_file(const char *file)
{
    const char *const slash = strrchr(file, '/');
    const char *const name = slash ? slash + 1 : file;
    const char *const dir = slash ? gbx_cli_copy(file, (size_t)(slash - file) + 1) : "";
    const char *near = NULL;
    unsigned best = 3;
    DIR *const d = opendir(*dir ? dir : ".");
    if (!d) return NULL;
    for (struct dirent *e = readdir(d); e; e = readdir(d)) {
        unsigned const n = gbx_cli_distance(name, e->d_name);
        if (!gbx_cli_is_wasm_name(e->d_name) || n >= best) continue;
        best = n;
        near = gbx_cli_format("%s%s", dir, e->d_name);
    }
    closedir(d);
    return near;
}

/* The word before FILE that an option took for its value, and that looks more like FILE; NULL: none. */
static const char *
report_taken_file(const cli_line *line)
{
    for (int i = 0; i < line->given_count; i++) {
        const cli_given *const g = &line->given[i];
        bool const is_last = g->words == 2 && g->word + 2 == line->file;
        if (is_last && g->value && gbx_cli_is_wasm_name(g->value) && !access(g->value, F_OK))
            return gbx_cli_format("%s was taken for the value of %s, which needs one: %s",
                                  gbx_cli_quote(g->value), gbx_cli_options[g->id].name,
                                  gbx_cli_options[g->id].argument);
    }
    return NULL;
}

/* FILE was not made yet, of the module that lies here; NULL: there is none. */
static const char *
report_make_file(const cli_plan *plan)
{
    if (!gbx_cli_is_wasm_name(plan->program) || access("go.mod", F_OK)) return NULL;
    return gbx_cli_format("GOOS=wasip1 GOARCH=wasm go build -o %s . && %s", gbx_cli_quote(plan->program),
                          gbx_cli_line_command(plan->line, &(cli_edit){0}));
}

static int
report_no_file(const cli_plan *plan)
{
    static const char *const commands[] = {"run", "diff", "explore", "compile", "measure",
                                           "audit", "policy", "cache", "help", "version"};
    const cli_line *const line = plan->line;
    const char *const dotted = gbx_cli_format("%s.wasm", plan->program);
    const char *why = report_taken_file(line), *fix = NULL, *near;
    if (why) {
        /* that is all */
    } else if (!access(dotted, F_OK)) {
        fix = gbx_cli_line_command(line, &(cli_edit){.file = dotted});
    } else if ((near = report_near_file(plan->program))) {
        fix = gbx_cli_line_command(line, &(cli_edit){.file = near});
    } else if ((fix = report_make_file(plan))) {
        why = "the Go module that lies here makes it";
    } else if ((why = gbx_cli_dialect_command(plan->program))) {
        /* that is all */
    } else if (!strpbrk(plan->program, "/.")) {
        for (size_t i = 0; i < CLI_LEN(commands); i++) {
            if (gbx_cli_distance(plan->program, commands[i]) > 2) continue;
            why = "a command is the first word: glovebox COMMAND [options] FILE [args...]";
            bool const has_page = strcmp(commands[i], "help") && strcmp(commands[i], "version");
            fix = gbx_cli_format("glovebox help%s%s", has_page ? " " : "", has_page ? commands[i] : "");
        }
    }
    gbx_cli_diag(&(cli_diag){
            .kind = "error",
            .slug = gbx_code_slug(GBX_NOT_FOUND),
            .message = gbx_cli_format("there is no file %s to run", gbx_cli_quote(plan->program)),
            .why = why,
            .fix = fix,
    });
    return CLI_EXIT_NOT_FOUND;
}

/* Go source, or a directory of it, given where a module belongs. */
static const char *
report_build_command(const cli_plan *plan)
{
    struct stat st;
    size_t const len = strlen(plan->program);
    const char *const run = gbx_cli_line_command(plan->line, &(cli_edit){.file = "main.wasm"});
    if (!stat(plan->program, &st) && S_ISDIR(st.st_mode)) {
        return gbx_cli_format("GOOS=wasip1 GOARCH=wasm go build -C %s -o \"$PWD/main.wasm\" && %s",
                              gbx_cli_quote(plan->program), run);
    }
    if (len < 4 || strcmp(plan->program + len - 3, ".go") != 0) return NULL;
    return gbx_cli_format("GOOS=wasip1 GOARCH=wasm go build -o main.wasm %s && %s",
                          gbx_cli_quote(plan->program), run);
}

/* A module that only has to be unpacked, or text of one: the command that makes a module beside it and runs
 * that. NULL: FILE is neither. */
static const char *
report_unpack_command(const cli_plan *plan)
{
    char begin[64] = "";
    FILE *const f = fopen(plan->program, "rbe");
    size_t const len = f ? fread(begin, 1, sizeof begin - 1, f) : 0;
    if (f) fclose(f);
    const char *const text = begin + strspn(begin, " \t\r\n");
    bool const is_gzip = len > 2 && !memcmp(begin, "\x1f\x8b", 2);
    if (!is_gzip && strncmp(text, "(module", 7) != 0 && strncmp(text, ";;", 2) != 0) return NULL;
    size_t const stem = strlen(plan->program);
    size_t const end = stem > 3 && !strcmp(plan->program + stem - 3, ".gz") ? 3 : 0;
    const char *out = gbx_cli_format("%.*s%s", (int)(stem - end), plan->program, end ? "" : ".module.wasm");
    if (!access(out, F_OK)) out = gbx_cli_format("%s.module.wasm", plan->program);
    const char *const made = gbx_cli_quote(out), *const from = gbx_cli_quote(plan->program);
    return gbx_cli_format("%s && %s",
                          is_gzip ? gbx_cli_format("gunzip < %s > %s", from, made)
                                  : gbx_cli_format("wat2wasm %s -o %s", from, made),
                          gbx_cli_line_command(plan->line, &(cli_edit){.file = out}));
}

/* Where the module was refused for a feature that the command line switches off: the command with it
 * on; else NULL. */
static const char *
report_feature_command(const cli_plan *plan, const gbx_err *err)
{
    for (int i = plan->line->given_count - 1; i >= 0; i--) {
        const cli_given *const given = &plan->line->given[i];
        gbx_feature feature;
        bool is_on;
        const char *why;
        if (given->id != CLI_OPT_WASM_FEATURE ||
            !gbx_cli_feature_parse(given->value, &feature, &is_on, &why) || is_on)
            continue;
        const char *const name = gbx_feature_name(feature);
        if (!strstr(err->text, gbx_cli_format("(feature %s)", name))) continue;
        const char *const on = gbx_cli_option_text(CLI_OPT_WASM_FEATURE, gbx_cli_format("%s=on", name));
        return gbx_cli_line_command(
                plan->line, &(cli_edit){.skip = given->word, .skip_count = given->words, .add = on});
    }
    return NULL;
}

int
gbx_cli_report_error(const cli_plan *plan, const gbx_module *module, gbx_code code,
                     const gbx_err *err)
{
    if (code == GBX_NOT_FOUND && !module) return report_no_file(plan);
    if (code == GBX_UNKNOWN_IMPORT && module && gbx_cli_report_foreign(plan, module))
        return CLI_EXIT_REFUSED;
    const char *fix = gbx_code_remedy(code);
    const char *const build = module ? NULL : report_build_command(plan);
    if (build) fix = build;
    const char *const unpack = code == GBX_BAD_MAGIC && !module ? report_unpack_command(plan) : NULL;
    if (unpack) fix = unpack;
    int const bound = gbx_cli_line_find(plan->line, CLI_OPT_MAX_MEMORY);
    if (code == GBX_LIMIT && module && bound >= 0) {
        const cli_given *const given = &plan->line->given[bound];
        fix = gbx_cli_line_command(plan->line,
                                   &(cli_edit){.skip = given->word, .skip_count = given->words});
    }
    if (code == GBX_UNTRUSTED)
        fix = gbx_cli_line_command(plan->line,
                                   &(cli_edit){.add = gbx_cli_options[CLI_OPT_ALLOW_COMPILED].name});
    const char *const mended = code == GBX_UNSUPPORTED ? report_feature_command(plan, err) : NULL;
    if (mended) fix = mended;
    const char *const at = err->offset == UINT64_MAX
                                   ? NULL
                                   : gbx_cli_format("byte 0x%" PRIx64 " of %s", err->offset,
                                                    gbx_cli_quote(plan->program));
    gbx_cli_diag(&(cli_diag){
            .kind = "error",
            .slug = gbx_code_slug(code),
            .message = gbx_cli_format("%s: %s", gbx_cli_quote(plan->program), gbx_code_text(code)),
            .at = at,
            .why = err->text,
            .fix = fix,
    });
    return report_exit(code);
}

static const char report_no_signals[] =
        "let it end without one: when its standard input ends, or after a time (context.WithTimeout)";

/* "main.load at /src/main.go:12", or what is known of it. */
static void
report_place(cli_text *t, const gbx_frame *f)
{
    static const char *const how[] = {
            [GBX_LINE_NONE] = "", [GBX_LINE_CALL] = "at", [GBX_LINE_NEAR] = "near", [GBX_LINE_FUNC] = "of"};
    const char *const name = *f->go_func ? f->go_func : f->name;
    gbx_cli_text_printf(t, "%s", *name ? name : "a function without a name");
    if (f->line_kind != GBX_LINE_NONE)
        gbx_cli_text_printf(t, " %s %s:%" PRIu32, how[f->line_kind], f->file, f->line);
}

/* One frame a line, innermost first. */
static const char *
report_frames(const gbx_trap *trap, const cli_stop *stop)
{
    enum { SHOWN = 16 };
    if (stop->in_scheduler) return "Go's scheduler; every goroutine waits";
    cli_text t = {0};
    uint32_t const count = trap->frame_count < SHOWN ? trap->frame_count : SHOWN;
    for (uint32_t i = 0; i < count; i++) {
        const gbx_frame *const f = &trap->frames[i];
        if (i) gbx_cli_text_printf(&t, "\n");
        report_place(&t, f);
        gbx_cli_text_printf(&t, " (function %" PRIu32, f->func_idx);
        if (f->offset) gbx_cli_text_printf(&t, ", offset 0x%" PRIx32, f->offset);
        gbx_cli_text_printf(&t, ")");
    }
    if (trap->frames_total > count)
        gbx_cli_text_printf(&t, "\nand %" PRIu64 " more", trap->frames_total - count);
    return gbx_cli_text_get(&t);
}

/* The whole command with ten times the bound; NULL where there is none to raise. */
static const char *
report_raised(const cli_plan *plan, cli_option_id id, uint64_t bytes)
{
    int const at = gbx_cli_line_find(plan->line, id);
    if (at < 0) return NULL;
    const cli_given *const given = &plan->line->given[at];
    uint64_t const most = id == CLI_OPT_FUEL ? INT64_MAX : UINT64_MAX;
    const char *more = gbx_cli_format("%" PRIu64, bytes < most / 10 ? bytes * 10 : most);
    if (id == CLI_OPT_SCRATCH)
        more = gbx_cli_format("%s=%s", plan->scratches[plan->scratch_count - 1].guest, more);
    return gbx_cli_line_command(plan->line, &(cli_edit){.skip = given->word,
                                                        .skip_count = given->words,
                                                        .add = gbx_cli_option_text(id, more)});
}

/* The deadline that stands behind a test's own alarm (gorun.c). */
static bool
report_is_alarm(const cli_plan *plan, const gbx_trap *trap)
{
    int const at = gbx_cli_line_find(plan->line, CLI_OPT_TIMEOUT);
    return trap->code == GBX_TRAP_DEADLINE && at >= 0 && plan->line->origin &&
           plan->line->origin[plan->line->given[at].word] == CLI_FROM_WRAPPER;
}

static const char *
report_trap_why(const cli_plan *plan, const gbx_trap *trap, const char *waited)
{
    if (report_is_alarm(plan, trap))
        return gbx_cli_format("go test -timeout has passed, and the program did not notice: nothing "
                              "interrupts a goroutine that computes without a call; %s",
                              waited);
    return waited ? gbx_cli_format("%s; %s", trap->message, waited) : trap->message;
}

static const char *
report_trap_fix(const cli_plan *plan, const gbx_trap *trap, const cli_stop *stop)
{
    int const timeout = gbx_cli_line_find(plan->line, CLI_OPT_TIMEOUT);
    if (trap->code == GBX_TRAP_FUEL) return report_raised(plan, CLI_OPT_FUEL, plan->fuel);
    if (trap->code == GBX_TRAP_OUTPUT_LIMIT)
        return report_raised(plan, CLI_OPT_MAX_OUTPUT, plan->output_bytes);
    if (report_is_alarm(plan, trap))
        return "end the loop at `at:`, or give it more time: go test -timeout";
    if (!strcmp(stop->slug, "signals")) return report_no_signals;
    if (trap->code != GBX_TRAP_DEADLINE || timeout < 0) return gbx_trap_remedy(trap->code);
    const cli_given *const given = &plan->line->given[timeout];
    uint64_t const longer = plan->timeout_ns < INT64_MAX / 10 ? plan->timeout_ns * 10 : INT64_MAX;
    cli_edit const edit = {
            .skip = given->word,
            .skip_count = given->words,
            .add = gbx_cli_option_text(CLI_OPT_TIMEOUT, gbx_cli_format_duration(longer)),
    };
    return gbx_cli_line_command(plan->line, &edit);
}

/* Limits that no option raises are worth a note only where the guest failed. */
void
gbx_cli_report_met(const cli_plan *plan, const gbx_store *store, int status)
{
    const gbx_met *met;
    size_t const count = gbx_store_met(store, &met);
    for (size_t i = 0; i < count; i++) {
        cli_option_id const id = *met[i].option ? gbx_cli_option_find(met[i].option) : CLI_OPT_COUNT;
        bool const is_told = id == CLI_OPT_MAX_DISK || id == CLI_OPT_SCRATCH;
        if ((!is_told && status == 0) || id == CLI_OPT_MAX_OUTPUT) continue;
        uint64_t const bytes = id == CLI_OPT_MAX_DISK   ? plan->disk_bytes
                               : id == CLI_OPT_MAX_MEMORY ? plan->memory_bytes
                               : id == CLI_OPT_SCRATCH ? plan->scratches[plan->scratch_count - 1].bytes
                                                       : 0;
        gbx_cli_diag(&(cli_diag){
                .kind = "note",
                .slug = met[i].slug,
                .message = gbx_cli_format("%s: %s", gbx_cli_quote(plan->program), met[i].text),
                .why = bytes && bytes != GBX_UNLIMITED
                               ? gbx_cli_format("%s is %" PRIu64 " bytes", met[i].option, bytes)
                               : NULL,
                .fix = id == CLI_OPT_COUNT ? NULL : report_raised(plan, id, bytes),
        });
    }
}

/* Stopped by a signal of the user's: which is what was wanted, but not always where. */
static int
report_interrupted(const cli_plan *plan, const gbx_trap *trap, const cli_stop *stop)
{
    const char *fix = !strcmp(stop->slug, "signals") ? report_no_signals : NULL;
    if (!strcmp(stop->slug, "stdin"))
        fix = gbx_cli_format("%s < /dev/null", gbx_cli_line_command(plan->line, &(cli_edit){0}));
    gbx_cli_diag(&(cli_diag){
            .kind = "error",
            .slug = gbx_trap_slug(trap->code),
            .message = gbx_cli_format("%s was interrupted by %s", gbx_cli_quote(plan->program),
                                      gbx_cli_stacks_signal()),
            .at = report_frames(trap, stop),
            .why = stop->waited,
            .fix = fix,
    });
    return gbx_cli_stacks_status();
}

int
gbx_cli_report_trap(const cli_plan *plan, const gbx_store *store, const gbx_trap *trap)
{
    bool const deadline = trap->code == GBX_TRAP_DEADLINE, fuel = trap->code == GBX_TRAP_FUEL;
    const char *const program = gbx_cli_quote(plan->program);
    cli_stop const stop = gbx_cli_stacks_waited(store, trap);
    if (trap->code == GBX_TRAP_CANCELLED && gbx_cli_stacks_signal())
        return report_interrupted(plan, trap, &stop);
    gbx_cli_diag(&(cli_diag){
            .kind = "error",
            .slug = gbx_trap_slug(trap->code),
            .message =
                    deadline ? gbx_cli_format("%s was stopped: %s (%s)", program,
                                              gbx_trap_text(trap->code),
                                              gbx_cli_format_duration(plan->timeout_ns))
                    : fuel ? gbx_cli_format("%s was stopped: %s", program, gbx_trap_text(trap->code))
                           : gbx_cli_format("%s trapped: %s", program, gbx_trap_text(trap->code)),
            .at = report_frames(trap, &stop),
            .why = report_trap_why(plan, trap, stop.waited),
            .fix = report_trap_fix(plan, trap, &stop),
    });
    return gbx_trap_exit_code(trap->code);
}
