/* `glovebox diff`: one run of FILE interpreted, then compiled, then changing over in the middle, each in an
 * engine of its own and in the same world; where they first differ is shown.
 *
 * The first run is the reference. Its calls are kept; those of the others are held against them as they are
 * made, and the first that differs ends its run. What cannot be seen in calls is compared at the end:
 * output, how it ended and where, results, memories, globals. What was found goes to standard output. */
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include <gbx/unstable/compiled.h>
#include <gbx/unstable/tiers.h>

#include "cli/diff.h"

typedef struct diff_tier {
    const char *name, *column; /* in a sentence; before a value */
    gbx_tier_mode mode;
    bool is_early; /* functions are compiled as soon as they have run once over */
} diff_tier;

static const diff_tier diff_tiers[] = {
        {"interpreted", "interpreted:", GBX_TIER_INTERP, false},
        {"compiled", "compiled:   ", GBX_TIER_EAGER, false},
        {"mixed", "mixed:      ", GBX_TIER_AUTO, true},
};
#define DIFF_RUNS CLI_LEN(diff_tiers)

typedef struct diff_run {
    const diff_tier *tier;
    const cli_plan *plan;
    diff_calls *calls; /* of the first run */
    bool is_first;
    diff_found found;
    uint64_t count, block;

    diff_world world;
    cli_guest guest;
    gbx_trap trap;
    cli_text results;
    gbx_compiled tiers;
} diff_run;

/* ---- One run */

/* The guest's frames during a call, one a line. */
static const char *
diff_callers(const gbx_trace_call *call)
{
    enum { SHOWN = 8 };
    gbx_frame frames[SHOWN];
    cli_text t = {0};
    uint64_t const total = gbx_trace_frames(call, frames, SHOWN);
    uint64_t const shown = total < SHOWN ? total : SHOWN;
    for (uint64_t i = 0; i < shown; i++)
        gbx_cli_text_printf(&t, "%s%s (function %" PRIu32 ", offset 0x%" PRIx32 ")", i ? "\n" : "",
                            *frames[i].name ? frames[i].name : "a function without a name",
                            frames[i].func_idx, frames[i].offset);
    if (total > shown) gbx_cli_text_printf(&t, "\nand %" PRIu64 " more", total - shown);
    return gbx_cli_text_get(&t);
}

static void
diff_on_call(void *data, const gbx_trace_call *call)
{
    diff_run *const r = data;
    if (r->found.what) return;
    uint64_t const memory = r->plan->every_call ? gbx_cli_memory_hash(r->guest.instance) : 0;
    r->count = call->number;
    if (r->is_first) {
        gbx_cli_diff_calls_keep(r->calls, call, memory);
        return;
    }
    gbx_cli_diff_calls_compare(r->calls, call, memory, &r->block, &r->found);
    if (!r->found.what) return;
    r->found.callers = diff_callers(call);
    gbx_store_cancel(r->guest.store);
}

static gbx_code
diff_open(diff_run *r, int input, gbx_err *err)
{
    const cli_plan *const plan = r->plan;
    gbx_store_opts opts = GBX_STORE_OPTS_INIT;
    opts.timeout_ns = plan->timeout_ns;
    opts.memory_bytes = plan->memory_bytes;
    opts.output_bytes = plan->output_bytes;
    opts.disk_bytes = plan->disk_bytes;
    opts.fuel = plan->fuel;
    gbx_code code = gbx_store_new(r->guest.engine, &opts, &r->guest.store, err);
    if (code == GBX_OK) code = gbx_wasi_new(&r->guest.wasi, err);
    if (code == GBX_OK) code = gbx_cli_diff_world(&r->world, plan, input, r->guest.wasi, err);
    if (code == GBX_OK) code = gbx_cli_run_grant(r->guest.wasi, plan, err);
    if (code != GBX_OK) return code;
    gbx_wasi_trace(r->guest.wasi, diff_on_call, r);
    code = gbx_linker_new(r->guest.store, &r->guest.linker, err);
    if (code == GBX_OK) code = gbx_wasi_link(r->guest.wasi, r->guest.linker, err);
    return code;
}

/* CLI_EXIT_OK: r says how the guest ended. */
static int
diff_make(diff_run *r, int input)
{
    static gbx_err err;
    gbx_engine_opts opts = GBX_ENGINE_OPTS_INIT;
    opts.features_off = r->plan->features_off;
    opts.tier = r->tier->mode;
    opts.keep_ms = GBX_KEEP_OFF;
    opts.metered = r->plan->is_metered;
    gbx_code code = gbx_engine_new(&opts, &r->guest.engine, &err);
    if (code == GBX_OK && r->tier->is_early) code = gbx_engine_set_warm_factor(r->guest.engine, 1, &err);
    if (code != GBX_OK) return gbx_cli_run_no_setup(code, &err);
    gbx_compile_opts compile_opts = GBX_COMPILE_OPTS_INIT;
    compile_opts.trust = GBX_TRUST_NOTHING;
    code = gbx_module_compile_file(r->guest.engine, r->plan->program, &compile_opts, &r->guest.module, &err);
    if (code != GBX_OK) return gbx_cli_report_error(r->plan, NULL, code, &err);
    code = diff_open(r, input, &err);
    if (code != GBX_OK) return gbx_cli_run_no_setup(code, &err);
    const char *ended;
    int const status = gbx_cli_run_call(r->plan, &r->guest, &r->trap, &r->results, &ended, NULL);
    gbx_compiled_get(r->guest.module, &r->tiers);
    return status;
}

/* ---- Two runs that made the same calls */

static const char *
diff_end(const diff_run *r)
{
    const gbx_trap *const t = &r->trap;
    if (t->code == GBX_TRAP_NONE) return "exit code 0";
    uint32_t const status = (uint32_t)t->exit_status & 0xff;
    if (t->code == GBX_TRAP_EXIT) return gbx_cli_format("exit code %" PRIu32, status);
    return gbx_cli_format("trap: %s", gbx_trap_text(t->code));
}

static const char *
diff_frame(const gbx_trap *t, uint32_t i)
{
    const gbx_frame *const f = &t->frames[i];
    if (i >= t->frame_count) return "there is none";
    return gbx_cli_format("%s (function %" PRIu32 ", offset 0x%" PRIx32 ")",
                          *f->name ? f->name : "a function without a name", f->func_idx, f->offset);
}

/* How deep a recursion gets is a matter of the tier: where a stack overflowed, only that it did. */
static void
diff_ends(const diff_run *a, const diff_run *b, diff_found *found)
{
    const gbx_trap *const x = &a->trap, *const y = &b->trap;
    uint32_t i = 0;
    if (x->code != y->code || (x->code == GBX_TRAP_EXIT && x->exit_status != y->exit_status)) {
        *found = (diff_found){.what = "how it ended", .a = diff_end(a), .b = diff_end(b), .at_end = true};
        return;
    }
    if (x->code == GBX_TRAP_NONE || x->code == GBX_TRAP_STACK_EXHAUSTED) return;
    while (i < x->frame_count && i < y->frame_count && x->frames[i].func_idx == y->frames[i].func_idx &&
           x->frames[i].offset == y->frames[i].offset)
        i++;
    if (i < x->frame_count || i < y->frame_count) {
        *found = (diff_found){
                .what = gbx_cli_format("frame %" PRIu32 " of the trap \"%s\"", i, gbx_trap_text(x->code)),
                .a = diff_frame(x, i),
                .b = diff_frame(y, i)};
    } else if (x->frames_total != y->frames_total) {
        *found = (diff_found){.what = "how many frames the trap has",
                              .a = gbx_cli_format("%" PRIu64, x->frames_total),
                              .b = gbx_cli_format("%" PRIu64, y->frames_total)};
    }
}

/* Results of --invoke, which stand one a line. */
static const char *
diff_results(const diff_run *r)
{
    char *const text = gbx_cli_copy(gbx_cli_text_get(&r->results), r->results.len);
    for (size_t i = 0; i < r->results.len; i++)
        if (text[i] == '\n') text[i] = i + 1 < r->results.len ? ' ' : 0;
    return gbx_cli_show(text);
}

static void
diff_outputs(const diff_run *a, const diff_run *b, diff_found *found)
{
    static const char *const names[] = {"standard output", "standard error"};
    for (size_t i = 0; i < CLI_LEN(names) && !found->what; i++) {
        const diff_stream *const x = &a->world.streams[i], *const y = &b->world.streams[i];
        if (x->bytes == y->bytes && x->hash == y->hash) continue;
        size_t at = 0;
        while (at < x->kept.len && at < y->kept.len && x->kept.data[at] == y->kept.data[at]) at++;
        *found = (diff_found){.what = gbx_cli_format("%s, from byte %zu on", names[i], at),
                              .a = gbx_cli_format("%" PRIu64 " bytes", x->bytes),
                              .b = gbx_cli_format("%" PRIu64 " bytes", y->bytes),
                              .at_end = true};
    }
    if (!found->what && strcmp(gbx_cli_text_get(&a->results), gbx_cli_text_get(&b->results)) != 0)
        *found = (diff_found){.what = gbx_cli_format("the results of %s", gbx_cli_quote(a->plan->invoke)),
                              .a = diff_results(a),
                              .b = diff_results(b),
                              .at_end = true};
}

static void
diff_memories(const diff_run *a, const diff_run *b, diff_found *found)
{
    const uint8_t *x, *y;
    size_t x_bytes, y_bytes;
    for (size_t i = 0; gbx_trace_memory(a->guest.instance, i, &x, &x_bytes); i++) {
        if (!gbx_trace_memory(b->guest.instance, i, &y, &y_bytes)) return;
        if (x_bytes != y_bytes) {
            *found = (diff_found){.what = gbx_cli_format("the size of memory %zu", i),
                                  .a = gbx_cli_format("%zu bytes", x_bytes),
                                  .b = gbx_cli_format("%zu bytes", y_bytes),
                                  .at_end = true};
            return;
        }
        if (!memcmp(x, y, x_bytes)) continue;
        size_t at = 0, differ = 0;
        while (x[at] == y[at]) at++;
        for (size_t k = at; k < x_bytes; k++) differ += x[k] != y[k];
        *found = (diff_found){
                .what = gbx_cli_format("memory %zu at 0x%zx, the first of %zu bytes", i, at, differ),
                .a = gbx_cli_format("0x%02x", x[at]),
                .b = gbx_cli_format("0x%02x", y[at]),
                .at_end = true};
        return;
    }
}

static void
diff_globals(const diff_run *a, const diff_run *b, diff_found *found)
{
    gbx_val x, y;
    const gbx_instance *const one = a->guest.instance, *const other = b->guest.instance;
    for (size_t i = 0; gbx_trace_global(one, i, &x) && gbx_trace_global(other, i, &y); i++) {
        if (!memcmp(&x.of, &y.of, sizeof x.of)) continue;
        *found = (diff_found){.what = gbx_cli_format("global %zu", i),
                              .a = gbx_cli_format_value(&x),
                              .b = gbx_cli_format_value(&y),
                              .at_end = true};
        return;
    }
}

/* With --fuel: what each run has used. */
static void
diff_fuel(const diff_run *a, const diff_run *b, diff_found *found)
{
    uint64_t x, y;
    if (!gbx_store_fuel(a->guest.store, NULL, &x) || !gbx_store_fuel(b->guest.store, NULL, &y)) return;
    if (x == y) return;
    *found = (diff_found){.what = "the fuel that was used",
                          .a = gbx_cli_format("%" PRIu64, x),
                          .b = gbx_cli_format("%" PRIu64, y),
                          .at_end = true};
}

static void
diff_compare(const diff_run *a, diff_run *b)
{
    diff_found *const found = &b->found;
    uint64_t const count = gbx_cli_diff_calls_count(a->calls);
    if (!found->what && b->count < count) gbx_cli_diff_calls_missing(a->calls, b->count, found);
    if (!found->what) diff_outputs(a, b, found);
    if (!found->what) diff_ends(a, b, found);
    if (a->trap.code == GBX_TRAP_STACK_EXHAUSTED) return;
    if (!found->what) diff_memories(a, b, found);
    if (!found->what) diff_globals(a, b, found);
    if (!found->what) diff_fuel(a, b, found);
}

/* ---- What is said */

static void
diff_say_lines(const char *head, const char *lines)
{
    size_t const indent = strlen(head);
    printf("%s", head);
    for (const char *p = lines; *p;) {
        size_t const len = strcspn(p, "\n");
        printf("%*s%.*s\n", p == lines ? 0 : (int)indent, "", (int)len, p);
        p += len + (p[len] == '\n');
    }
}

static int
diff_say_different(const diff_run *a, const diff_run *b)
{
    const diff_found *const f = &b->found;
    const cli_line *const line = a->plan->line;
    uint64_t const equal = b->count && !f->at_end ? b->count - 1 : b->count;
    printf("different: %s\n", f->what);
    if (f->a) printf("  %s %s\n  %s %s\n", a->tier->column, f->a, b->tier->column, f->b);
    if (f->callers && *f->callers) diff_say_lines("  called by:   ", f->callers);
    printf("  the same:    %" PRIu64 " host call%s before that\n", equal, equal == 1 ? "" : "s");
    if (f->at_end && !a->plan->every_call)
        printf("  narrow it:   %s\n",
               gbx_cli_line_command(line, &(cli_edit){.add = gbx_cli_options[CLI_OPT_EVERY_CALL].name}));
    return CLI_EXIT_DIFFERENT;
}

/* "3,145,728" */
static const char *
diff_number(uint64_t n)
{
    const char *const rest = n < 1000 ? "" : gbx_cli_format(",%03" PRIu64, n % 1000);
    return n < 1000 ? gbx_cli_format("%" PRIu64, n) : gbx_cli_format("%s%s", diff_number(n / 1000), rest);
}

static const char *
diff_plural(uint64_t n, const char *what)
{
    return gbx_cli_format("%s %s%s", diff_number(n), what, n == 1 ? "" : "s");
}

static int
diff_say_same(const diff_run *a, const diff_run *compiled)
{
    const uint8_t *data;
    size_t bytes;
    uint64_t total = 0;
    printf("same: %s, %s, %s of output", diff_end(a),
           diff_plural(gbx_cli_diff_calls_count(a->calls), "host call"),
           diff_plural(a->world.streams[0].bytes + a->world.streams[1].bytes, "byte"));
    const gbx_instance *const instance = a->guest.instance;
    for (size_t i = 0; gbx_trace_memory(instance, i, &data, &bytes); i++) total += bytes;
    if (a->trap.code == GBX_TRAP_STACK_EXHAUSTED)
        printf("; how deep it got and what it left in memory is not compared");
    else if (instance)
        printf(", memory of %s %016" PRIx64 ", %s", diff_plural(total, "byte"), gbx_cli_memory_hash(instance),
               diff_plural(gbx_trace_global_count(instance), "global"));
    else
        printf("; there is no instance whose memory could be compared");
    printf("; interpreted, compiled (%s of %s) and mixed\n", diff_number(compiled->tiers.compiled),
           diff_plural(compiled->tiers.funcs, "function"));
    bool const is_refused = compiled->tiers.refused > 0;
    if (!compiled->tiers.compiled && compiled->tiers.funcs)
        gbx_cli_diag(&(cli_diag){.kind = "note",
                                 .slug = "diff-not-compiled",
                                 .message = "nothing was compiled, so that all runs were interpreted",
                                 .why = is_refused ? "the compiler lacks what FILE's functions use"
                                                   : "this machine runs no compiled code"});
    return CLI_EXIT_OK;
}

/* A run that did not come to an end of its own is none to compare with. */
static int
diff_no_end(const diff_run *r)
{
    const cli_given *const given = &r->plan->line->given[gbx_cli_line_find(r->plan->line, CLI_OPT_TIMEOUT)];
    uint64_t const longer = r->plan->timeout_ns < INT64_MAX / 10 ? r->plan->timeout_ns * 10 : INT64_MAX;
    cli_edit const edit = {.skip = given->word,
                           .skip_count = given->words,
                           .add = gbx_cli_option_text(CLI_OPT_TIMEOUT, gbx_cli_format_duration(longer))};
    gbx_cli_diag(&(cli_diag){
            .kind = "error",
            .slug = "diff-deadline",
            .message = gbx_cli_format("%s cannot be compared: %s, it was stopped by its deadline",
                                      gbx_cli_quote(r->plan->program), r->tier->name),
            .why = gbx_cli_format("where a run stops depends on how fast it is; until then %" PRIu64
                                  " host calls were the same",
                                  r->count),
            .fix = gbx_cli_line_command(r->plan->line, &edit),
    });
    return CLI_EXIT_DEADLINE;
}

/* ---- All runs */

static int
diff_runs(const cli_plan *plan, int input)
{
    static diff_run runs[DIFF_RUNS];
    diff_calls *const calls = gbx_cli_diff_calls_new();
    int status = CLI_EXIT_OK;
    bool is_over = false;
    for (size_t i = 0; i < DIFF_RUNS && !is_over; i++) {
        diff_run *const r = &runs[i];
        *r = (diff_run){.tier = &diff_tiers[i], .plan = plan, .calls = calls, .is_first = i == 0};
        status = diff_make(r, input);
        is_over = true;
        if (status == CLI_EXIT_OK && r->trap.code == GBX_TRAP_DEADLINE) {
            status = diff_no_end(r);
        } else if (status == CLI_EXIT_OK && r->trap.code == GBX_TRAP_NO_HOST_MEMORY) {
            status = gbx_cli_report_trap(plan, NULL, &r->trap);
        } else if (status == CLI_EXIT_OK && i) {
            diff_compare(&runs[0], r);
            if (r->found.what) status = diff_say_different(&runs[0], r);
            else if (i + 1 == DIFF_RUNS) status = diff_say_same(&runs[0], &runs[1]);
            else is_over = false;
        } else if (status == CLI_EXIT_OK) {
            is_over = false;
        }
        if (i) gbx_cli_guest_release(&r->guest);
    }
    gbx_cli_guest_release(&runs[0].guest);
    return status;
}

/* What one run writes the next would read. */
static int
diff_grants(cli_plan *plan)
{
    for (int i = 0; i < plan->dir_count; i++) {
        cli_dir *const dir = &plan->dirs[i];
        if (plan->takes_ro) dir->read_only = true;
        if (dir->read_only || plan->takes_rw) continue;
        return gbx_cli_usage_error(
                "diff-grants",
                gbx_cli_format("%s is granted for writing, and runs that change files cannot be compared",
                               gbx_cli_quote(plan->line->given[dir->given].value)),
                "each run would see what the runs before it wrote",
                gbx_cli_line_command(plan->line,
                                     &(cli_edit){.add = gbx_cli_option_text(CLI_OPT_GRANTS, "ro")}));
    }
    return CLI_EXIT_OK;
}

int
gbx_cli_diff(int argc, char **argv, int first)
{
    cli_line line;
    cli_plan plan;
    int input = -1;
    int status = gbx_cli_begin(&plan, &line, CLI_DIFF, argc, argv, first);
    if (status == CLI_ANSWERED) return CLI_EXIT_OK;
    if (status == CLI_EXIT_OK) status = diff_grants(&plan);
    if (status == CLI_EXIT_OK) status = gbx_cli_diff_input(&input);
    if (status == CLI_EXIT_OK) status = diff_runs(&plan, input);
    if (input >= 0) close(input);
    return status;
}
