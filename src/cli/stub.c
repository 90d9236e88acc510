/* Imports that nobody here supplies: all of them named, with what is near; and --stub, which supplies one.
 *
 * A stub has the import's own type, so that it links; what calls it is ended by a trap that names it, or gets
 * zeros. Nothing else is a stub: an import of a memory, a table or a global cannot be made up. */
#include <string.h>

#include "cli/cli.h"

enum { STUB_SHOWN = 32, STUB_FIXES = 8 };

static const char *const stub_wasi = "wasi_snapshot_preview1";

/* ORDER: abilities.def */
static const char *const stub_names[] = {
#define CLI_ABILITY(group, name) #name,
#include "cli/abilities.def"
#undef CLI_ABILITY
};

typedef struct stub_problem {
    const char *module, *name, *wanted, *given;
} stub_problem;

typedef struct stub_list {
    stub_problem *items;
    size_t count, cap;
} stub_list;

static void
stub_add(void *data, const gbx_link_problem *p)
{
    stub_list *const list = data;
    for (size_t i = 0; i < list->count; i++)
        if (!strcmp(list->items[i].module, p->module_name) && !strcmp(list->items[i].name, p->name))
            return;
    if (list->count == list->cap) return;
    list->items[list->count++] = (stub_problem){
            .module = gbx_cli_format("%s", p->module_name),
            .name = gbx_cli_format("%s", p->name),
            .wanted = gbx_cli_format("%s", p->wanted),
            .given = p->given ? gbx_cli_format("%s", p->given) : NULL,
    };
}

static stub_list
stub_problems(const gbx_module *module, gbx_linker *linker)
{
    static gbx_err err;
    stub_list list = {.cap = gbx_module_import_count(module)};
    list.items = gbx_cli_alloc(list.cap + 1, sizeof *list.items);
    (void)gbx_linker_check(linker, module, stub_add, &list, &err);
    return list;
}

/* A call of preview 1 that was most likely meant; NULL: none is near. */
static const char *
stub_near(const stub_problem *p)
{
    unsigned best = 4;
    const char *near = NULL;
    for (size_t i = 0; i < CLI_LEN(stub_names); i++) {
        unsigned const d = gbx_cli_distance(p->name, stub_names[i]);
        if (d < best) best = d, near = stub_names[i];
    }
    if (best == 0 && strcmp(p->module, stub_wasi) == 0) return NULL;
    return near;
}

static const char *
stub_list_text(const stub_list *list)
{
    cli_text t = {0};
    for (size_t i = 0; i < list->count && i < STUB_SHOWN; i++) {
        const stub_problem *const p = &list->items[i];
        const char *const near = p->given ? NULL : stub_near(p);
        gbx_cli_text_printf(&t, "%sunknown import: `%s::%s` %s", i ? "\n" : "", p->module, p->name,
                            p->wanted);
        if (p->given) gbx_cli_text_printf(&t, "; what is here by that name is %s", p->given);
        if (near) gbx_cli_text_printf(&t, "; the nearest name here is %s::%s", stub_wasi, near);
    }
    if (list->count > STUB_SHOWN)
        gbx_cli_text_printf(&t, "\nand %zu more", list->count - STUB_SHOWN);
    return gbx_cli_text_get(&t);
}

/* The whole command with a stub for each; NULL where one cannot be made. */
static const char *
stub_fix(const cli_plan *plan, const stub_list *list)
{
    cli_text t = {0};
    for (size_t i = 0; i < list->count; i++)
        if (list->items[i].wanted[0] != '(' || list->items[i].given) return NULL;
    for (size_t i = 0; i < list->count && list->count <= STUB_FIXES; i++) {
        const stub_problem *const p = &list->items[i];
        if (strchr(p->module, '\\') || strchr(p->name, '\\'))
            return NULL; /* was escaped: cannot be typed so */
        gbx_cli_text_printf(&t, "%s%s", i ? " " : "",
                            gbx_cli_option_text(CLI_OPT_STUB,
                                                gbx_cli_format("%s.%s=trap", p->module, p->name)));
    }
    if (list->count > STUB_FIXES)
        gbx_cli_text_printf(&t, "%s", gbx_cli_option_text(CLI_OPT_STUB, "*=trap"));
    const char *const command =
            gbx_cli_line_command(plan->line, &(cli_edit){.add = gbx_cli_text_get(&t)});
    return gbx_cli_format("%s\n(what calls a stub is ended; =0 instead gives it zeros)", command);
}

int
gbx_cli_missing(const cli_plan *plan, const gbx_module *module, gbx_linker *linker)
{
    if (gbx_cli_report_foreign(plan, module)) return CLI_EXIT_REFUSED;
    stub_list const list = stub_problems(module, linker);
    size_t mismatched = 0;
    for (size_t i = 0; i < list.count; i++) mismatched += list.items[i].given != NULL;
    bool const all = mismatched == list.count;
    gbx_cli_diag(&(cli_diag){
            .kind = "error",
            .slug = gbx_code_slug(all ? GBX_IMPORT_TYPE : GBX_UNKNOWN_IMPORT),
            .message = gbx_cli_format("%s: it imports %zu %s that nobody here supplies%s",
                                      gbx_cli_quote(plan->program), list.count,
                                      list.count == 1 ? "thing" : "things",
                                      all ? " with that type" : ""),
            .why = gbx_cli_format("%s\nthis command supplies the calls of %s; functions of a host "
                                  "come with the program\n"
                                  "that embeds glovebox (gbx_linker_define), as the module's "
                                  "documentation names it",
                                  stub_list_text(&list), stub_wasi),
            .fix = stub_fix(plan, &list),
    });
    return CLI_EXIT_REFUSED;
}

/* ---- --stub */

int
gbx_cli_stub_parse(cli_plan *plan, const char *value)
{
    const char *const equals = strrchr(value, '=');
    const char *const name = equals ? gbx_cli_copy(value, (size_t)(equals - value)) : value;
    bool const is_trap = equals && !strcmp(equals + 1, "trap");
    if (!equals || (!is_trap && strcmp(equals + 1, "0") != 0) ||
        (strcmp(name, "*") != 0 && !strchr(name, '.') && !strstr(name, "::")))
        return gbx_cli_usage_error(
                "bad-value", gbx_cli_format("--stub cannot be %s", gbx_cli_quote(value)),
                "it is written MODULE.NAME=trap or MODULE.NAME=0; *=trap is for all that are "
                "missing",
                gbx_cli_format("--stub %s=trap", gbx_cli_quote(*name ? name : "env.log")));
    plan->stubs[plan->stub_count++] = (cli_stub){.name = name, .is_trap = is_trap};
    return CLI_EXIT_OK;
}

bool
gbx_cli_stub_is(const char *name, const char *module, const char *import)
{
    size_t const len = strlen(module);
    if (strncmp(name, module, len) != 0) return false;
    const char *const rest = name + len;
    return (rest[0] == '.' && !strcmp(rest + 1, import)) ||
           (rest[0] == ':' && rest[1] == ':' && !strcmp(rest + 2, import));
}

typedef struct stub_made {
    const char *name;
    bool is_trap;
    bool *called;
} stub_made;

static gbx_trap_code
stub_call(gbx_caller *caller, void *data, const gbx_val *args, gbx_val *results)
{
    const stub_made *const s = data;
    (void)args, (void)results;
    if (s->called) *s->called = true;
    if (!s->is_trap) return GBX_TRAP_NONE;
    gbx_caller_set_message(
            caller, gbx_cli_format("the guest called %s, which is a stub (--stub)", s->name));
    return GBX_TRAP_HOST;
}

static gbx_code
stub_define(const gbx_extern_info *info, bool is_trap, bool *called, gbx_linker *linker,
            gbx_err *err)
{
    stub_made *const s = gbx_cli_alloc(1, sizeof *s);
    *s = (stub_made){gbx_cli_format("%s.%s", info->module_name, info->name), is_trap, called};
    gbx_host_func func = GBX_HOST_FUNC_INIT;
    func.module = info->module_name;
    func.name = info->name;
    func.signature = info->signature;
    func.callback = stub_call;
    func.data = s;
    func.purpose = is_trap ? "a stub: ends who calls it" : "a stub: gives zeros";
    return gbx_linker_define(linker, &func, err);
}

static bool
stub_is_missing(const stub_list *list, const gbx_extern_info *info)
{
    for (size_t i = 0; i < list->count; i++)
        if (!list->items[i].given && !strcmp(list->items[i].module, info->module_name) &&
            !strcmp(list->items[i].name, info->name))
            return true;
    return false;
}

/* No import has the stub's name. */
static int
stub_unknown(const cli_plan *plan, const cli_stub *s, const gbx_module *module)
{
    gbx_extern_info info;
    unsigned best = 4;
    const char *near = NULL;
    for (size_t i = 0; gbx_module_import(module, i, &info); i++) {
        const char *const name = gbx_cli_format("%s.%s", info.module_name, info.name);
        unsigned const d = gbx_cli_distance(s->name, name);
        if (d < best && info.kind == GBX_EXTERN_FUNC) best = d, near = name;
    }
    return gbx_cli_usage_error("stub-unknown",
                               gbx_cli_format("%s imports no function %s",
                                              gbx_cli_quote(plan->program), gbx_cli_quote(s->name)),
                               near ? gbx_cli_format("the nearest import is %s", near) : NULL,
                               gbx_cli_format("glovebox audit %s\n(lists what it imports)",
                                              gbx_cli_quote(plan->program)));
}

int
gbx_cli_stubs_define(const cli_plan *plan, const gbx_module *module, gbx_linker *linker)
{
    static gbx_err err;
    gbx_code code = GBX_OK;
    stub_list const missing = stub_problems(module, linker);
    for (int k = 0; k < plan->stub_count; k++) {
        cli_stub *const s = &plan->stubs[k];
        bool const all = !strcmp(s->name, "*");
        bool found = all;
        gbx_extern_info info;
        for (size_t i = 0; code == GBX_OK && gbx_module_import(module, i, &info); i++) {
            if (info.kind != GBX_EXTERN_FUNC) continue;
            if (all ? !stub_is_missing(&missing, &info)
                    : !gbx_cli_stub_is(s->name, info.module_name, info.name))
                continue;
            found = true;
            code = stub_define(&info, s->is_trap, &s->called, linker, &err);
        }
        if (code != GBX_OK) return gbx_cli_run_no_setup(code, &err);
        if (!found) return stub_unknown(plan, s, module);
    }
    return CLI_EXIT_OK;
}

int
gbx_cli_stubs_record(const gbx_module *module, gbx_linker *linker, cli_stub **out, int *count)
{
    static gbx_err err;
    stub_list const missing = stub_problems(module, linker);
    gbx_extern_info info;
    *count = 0;
    *out = gbx_cli_alloc(missing.count + 1, sizeof **out);
    for (size_t i = 0; i < missing.count; i++) {
        const stub_problem *const p = &missing.items[i];
        cli_stub *const s = &(*out)[*count];
        for (size_t k = 0; gbx_module_import(module, k, &info); k++) {
            bool const is_it = info.kind == GBX_EXTERN_FUNC && !p->given &&
                               !strcmp(info.module_name, p->module) && !strcmp(info.name, p->name);
            if (!is_it) continue;
            *s = (cli_stub){.name = gbx_cli_format("%s.%s", p->module, p->name),
                            .signature = p->wanted,
                            .is_trap = true};
            gbx_code const code = stub_define(&info, true, &s->called, linker, &err);
            if (code != GBX_OK) return gbx_cli_run_no_setup(code, &err);
            ++*count;
            break;
        }
    }
    return CLI_EXIT_OK;
}
