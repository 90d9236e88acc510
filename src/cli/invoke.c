/* --invoke NAME: call an export with parameters from the command line and print its results; and what
 * is said about a module that has no _start.
 *
 * A reactor's _initialize runs first, by itself, as the WASI application ABI asks:
 * SPEC: github.com/WebAssembly/WASI, legacy/application-abi.md */
#include <stdlib.h>
#include <string.h>

#include <gbx/unstable/audit.h>

#include <gbx/unstable/probes.h>

#include "cli/cli.h"

/* The entries of the module's own life cycle, and allocators, are nothing a user wants to call. */
static bool
invoke_is_plumbing(const char *name)
{
    static const char *const names[] = {"_initialize", "_start", "malloc",
                                        "free",        "calloc", "realloc"};
    for (size_t i = 0; i < CLI_LEN(names); i++)
        if (!strcmp(name, names[i])) return true;
    return false;
}

/* "  add (i32, i32) -> (i32)" a line; "" when the module exports no function. */
static const char *
invoke_list(const gbx_module *module)
{
    enum { SHOWN = 20 };
    cli_text t = {0};
    gbx_extern_info info;
    size_t funcs = 0;
    for (size_t i = 0; gbx_module_export(module, i, &info); i++) {
        if (info.kind != GBX_EXTERN_FUNC || funcs++ >= SHOWN) continue;
        gbx_cli_text_printf(&t, "\n  %s %s", info.name, info.signature);
    }
    if (funcs > SHOWN) gbx_cli_text_printf(&t, "\n  and %zu more", funcs - SHOWN);
    return gbx_cli_text_get(&t);
}

/* The export whose name is nearest to `name`, or with `name` NULL the first worth calling. */
static bool
invoke_pick(const gbx_module *module, const char *name, gbx_extern_info *out)
{
    gbx_extern_info info;
    unsigned best = CLI_FAR;
    for (size_t i = 0; gbx_module_export(module, i, &info); i++) {
        if (info.kind != GBX_EXTERN_FUNC) continue;
        unsigned const d = name ? gbx_cli_distance(name, info.name) : invoke_is_plumbing(info.name);
        if (d >= best || (name && d > 1 + strlen(name) / 3)) continue;
        best = d;
        *out = info;
    }
    return best != CLI_FAR && (name || best == 0);
}

/* A zero for every parameter of a signature such as "(i32, f64) -> ()". */
static const char *
invoke_zeros(const char *signature)
{
    cli_text t = {0};
    const char *p = signature + strspn(signature, "(");
    while (*p && *p != ')') {
        size_t const len = strcspn(p, ",)");
        bool const is_ref = len >= 3 && !memcmp(p + len - 3, "ref", 3);
        gbx_cli_text_printf(&t, "%s%s", t.len ? " " : "", is_ref ? "null" : "0");
        p += len;
        p += strspn(p, ", ");
    }
    return gbx_cli_text_get(&t);
}

int
gbx_cli_no_start(const cli_plan *plan, const gbx_module *module)
{
    gbx_extern_info pick;
    if (gbx_cli_report_foreign(plan, module)) return CLI_EXIT_REFUSED;
    bool const found = invoke_pick(module, NULL, &pick);
    const char *const list = invoke_list(module);
    const char *fix = NULL;
    if (found) {
        cli_edit edit = {.add = gbx_cli_option_text(CLI_OPT_INVOKE, pick.name)};
        if (plan->line->file + 1 == plan->line->argc) edit.args = invoke_zeros(pick.signature);
        fix = gbx_cli_line_command(plan->line, &edit);
    }
    gbx_cli_diag(&(cli_diag){
            .kind = "error",
            .slug = "no-start",
            .message = gbx_cli_format("%s has no _start() to run", gbx_cli_quote(plan->program)),
            .why = *list ? gbx_cli_format(
                                   "it is a library (a reactor); it exports these functions:%s",
                                   list)
                         : "it exports no function at all",
            .fix = fix ? fix : "build a program: package main with a func main, without -buildmode",
    });
    return CLI_EXIT_REFUSED;
}

/* //go:wasmexport is ignored by releases before 1.24: nothing but the missing export shows it. NULL: that is
 * not why, as far as is known. GO: cmd/compile, noder/noder.go */
static const char *
invoke_old_go(const gbx_module *module)
{
    gbx_audit *audit;
    gbx_audit_info info = {0};
    if (gbx_audit_new((gbx_module *)(uintptr_t)module, &audit, NULL) != GBX_OK) return NULL;
    gbx_audit_get(audit, &info);
    const char *const version = gbx_cli_format("%s", info.version ? info.version : "");
    gbx_audit_release(audit);
    if (strncmp(version, "go1.", 4) != 0 || strtoul(version + 4, NULL, 10) >= 24) return NULL;
    return gbx_cli_format("it was built with %s, and //go:wasmexport needs go1.24: older releases ignore it",
                          version);
}

static int
invoke_unknown(const cli_plan *plan, const gbx_module *module)
{
    gbx_extern_info pick;
    const char *const list = invoke_list(module);
    const char *fix = NULL;
    if (invoke_pick(module, plan->invoke, &pick)) {
        const cli_given *const old =
                &plan->line->given[gbx_cli_line_find(plan->line, CLI_OPT_INVOKE)];
        cli_edit const edit = {.skip = old->word,
                               .skip_count = old->words,
                               .add = gbx_cli_option_text(CLI_OPT_INVOKE, pick.name)};
        fix = gbx_cli_line_command(plan->line, &edit);
    }
    const char *const exports =
            *list ? gbx_cli_format("it exports:%s", list) : "it exports no function at all";
    const char *const old = invoke_old_go(module);
    if (old) fix = "build it with go1.24 or newer: GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared";
    return gbx_cli_usage_error(
            "unknown-export",
            gbx_cli_format("%s exports no function %s", gbx_cli_quote(plan->program),
                           gbx_cli_quote(plan->invoke)),
            old ? gbx_cli_format("%s; %s", old, exports) : exports, fix);
}

static const char *
invoke_types(const gbx_valtype *types, size_t count)
{
    cli_text t = {0};
    for (size_t i = 0; i < count; i++)
        gbx_cli_text_printf(&t, "%s%s", i ? " " : "", gbx_cli_type_name(types[i]));
    return count ? gbx_cli_text_get(&t) : "none";
}

/* The guest's words as the function's parameters. */
static int
invoke_args(const cli_plan *plan, const gbx_valtype *types, size_t count, gbx_val *args)
{
    const cli_line *const line = plan->line;
    size_t const given = (size_t)(line->argc - line->file - 1);
    const char *const wanted =
            gbx_cli_format("%s takes: %s", gbx_cli_quote(plan->invoke), invoke_types(types, count));
    if (given != count) {
        return gbx_cli_usage_error("invoke-parameters",
                                   gbx_cli_format("%s takes %zu parameter%s, %zu %s given",
                                                  gbx_cli_quote(plan->invoke), count,
                                                  count == 1 ? "" : "s", given,
                                                  given == 1 ? "was" : "were"),
                                   wanted, "give them after FILE, one word each");
    }
    for (size_t i = 0; i < count; i++) {
        const char *const word = line->argv[line->file + 1 + (int)i];
        if (gbx_cli_parse_value(word, types[i], &args[i])) continue;
        return gbx_cli_usage_error(
                "invoke-parameters",
                gbx_cli_format("parameter %zu of %s cannot be %s", i + 1,
                               gbx_cli_quote(plan->invoke), gbx_cli_quote(word)),
                wanted,
                gbx_cli_format("give a value of type %s there", gbx_cli_type_name(types[i])));
    }
    return CLI_EXIT_OK;
}

/* A program of Go's, built without -buildmode=c-shared: its runtime begins in _start alone. GO:
 * runtime/asm_wasm.s notInitialized, 1.24 to 1.26. */
static bool
invoke_is_program(const cli_plan *plan, gbx_instance *instance, const gbx_module *module)
{
    gbx_probe probe;
    return gbx_module_probe(module, 0, &probe) && gbx_instance_func(instance, "_start") &&
           strcmp(plan->invoke, "_start") != 0;
}

static int
invoke_program(const cli_plan *plan)
{
    const char *const file = gbx_cli_quote(plan->program);
    gbx_cli_diag(&(cli_diag){
            .kind = "error",
            .slug = "invoke-program",
            .message = gbx_cli_format("%s is a program, and %s of it cannot be called by itself", file,
                                      gbx_cli_quote(plan->invoke)),
            .why = "it was built without -buildmode=c-shared: Go's runtime begins in _start, which runs main "
                   "and ends",
            .fix = gbx_cli_format("GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared -o %s . && %s", file,
                                  gbx_cli_line_command(plan->line, &(cli_edit){0})),
    });
    return CLI_EXIT_REFUSED;
}

int
gbx_cli_invoke(const cli_plan *plan, gbx_instance *instance, const gbx_module *module,
               gbx_trap *trap, cli_text *lines)
{
    *trap = (gbx_trap){.code = GBX_TRAP_NONE};
    gbx_func *const func = gbx_instance_func(instance, plan->invoke);
    if (!func) return invoke_unknown(plan, module);
    if (invoke_is_program(plan, instance, module)) return invoke_program(plan);
    const gbx_valtype *params, *results;
    size_t const param_count = gbx_func_params(func, &params);
    size_t const result_count = gbx_func_results(func, &results);
    gbx_val *const args = gbx_cli_alloc(param_count + 1, sizeof *args);
    gbx_val *const out = gbx_cli_alloc(result_count + 1, sizeof *out);
    int const status = invoke_args(plan, params, param_count, args);
    if (status != CLI_EXIT_OK) return status;
    if (gbx_func_call(func, args, param_count, out, result_count, trap) != GBX_TRAP_NONE)
        return CLI_EXIT_OK;
    for (size_t i = 0; i < result_count; i++)
        gbx_cli_text_printf(lines, "%s\n", gbx_cli_format_value(&out[i]));
    return CLI_EXIT_OK;
}
