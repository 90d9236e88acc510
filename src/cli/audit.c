/* `glovebox audit`: what a module is, what it can do, and what the given grants let it, before it runs.
 *
 * The list of imports is the truth: a module can do what it imports and no more, and with each of these what
 * was granted and no more. What it links of Go's library and what it says of its making is its own word, and
 * said as such. Nothing of the module runs, no directory is opened, no socket listens.
 *
 * Exit code 0: `glovebox run` with these options would begin it, or, where it is a library, a host would.
 * 3: it would not. */
#include <inttypes.h>
#include <string.h>

#include "cli/policy.h"

enum { AUDIT_PACKAGES = 12, AUDIT_LIST = 24 };

/* ORDER: audit_groups */
typedef enum audit_group {
    AUDIT_ARGS,
    AUDIT_ENV,
    AUDIT_STREAMS,
    AUDIT_READ,
    AUDIT_CHANGE,
    AUDIT_SOCKETS,
    AUDIT_CLOCK,
    AUDIT_WAIT,
    AUDIT_RANDOM,
    AUDIT_PROCESS,
    AUDIT_GROUPS
} audit_group;

static const struct {
    const char *slug, *can;
} audit_groups[] = {
        {"arguments", "read its arguments"},
        {"variables", "read environment variables"},
        {"streams", "read and write what is open"},
        {"read-files", "look up, open and list files"},
        {"change-files", "make, change and remove files"},
        {"sockets", "serve on sockets"},
        {"clock", "read clocks"},
        {"wait", "wait for time and input"},
        {"random", "draw random numbers"},
        {"process", "end itself"},
};

static const struct {
    audit_group group;
    const char *name;
} audit_calls[] = {
#define CLI_ABILITY(group, name) {AUDIT_##group, #name},
#include "cli/abilities.def"
#undef CLI_ABILITY
};

static const struct {
    const char *function, *words;
} audit_links[] = {
#define CLI_LINK(function, words) {function, words},
#include "cli/links.def"
#undef CLI_LINK
};

/* An import that is not supplied. */
typedef struct audit_problem {
    const char *module, *name, *wanted, *given;
} audit_problem;

typedef struct audit_state {
    const cli_plan *plan;
    const gbx_module *module;
    gbx_audit *audit;
    gbx_audit_info info;
    bool is_command, is_reactor;
    audit_problem *problems;
    size_t problem_count, problem_cap;
    const char *unmet[4]; /* why it would not run */
    int unmet_count;
} audit_state;

void
gbx_cli_help_audit(FILE *to)
{
    fputs("usage: glovebox audit FILE [options]\n"
          "\n"
          "Say what built the module FILE, what it exports, what each import can do and what the "
          "options,\n"
          "which are those of run, let it; what of Go's library that it links cannot work here; "
          "the size\n"
          "of its packages, the memory it asks for, and the bounds that are absent. Nothing of it "
          "runs.\n"
          "Exit code 0: it can run with these options; 3: it cannot.\n"
          "\n"
          "Keys of --json: file, kind (command, reactor or module), runnable, unmet (strings), "
          "build (language,\n"
          "version, tool, tool_version, path, main, deps, settings, go_table, names), exports and "
          "imports\n"
          "(kind, module, name, type, group, supplied), groups (by name: can, calls, granted), "
          "links\n"
          "(strings), sizes (file, code, data, custom, functions), packages (name, bytes, "
          "functions), memory\n"
          "(min_bytes, max_bytes), bounds (timeout_ns, fuel, memory_bytes, output_bytes, "
          "disk_bytes).\n"
          "A bound that is absent is null.\n"
          "\n"
          "options:\n",
          to);
    gbx_cli_help_options(to, gbx_cli_options, CLI_OPT_COUNT, CLI_AUDIT);
}

static bool
audit_is_wasi(const char *module)
{
    return !strcmp(module, "wasi_snapshot_preview1");
}

/* AUDIT_GROUPS: no call of preview 1. */
static audit_group
audit_group_of(const gbx_extern_info *info)
{
    for (size_t i = 0; audit_is_wasi(info->module_name) && i < CLI_LEN(audit_calls); i++)
        if (!strcmp(audit_calls[i].name, info->name)) return audit_calls[i].group;
    return AUDIT_GROUPS;
}

/* ---- Finding out */

static const cli_grant *
audit_host(const audit_state *a, const char *module, const char *name)
{
    const cli_line *const line = a->plan->line;
    for (int i = 0; i < line->host_count; i++)
        if (gbx_cli_stub_is(line->hosts[i].name, module, name)) return &line->hosts[i];
    return NULL;
}

static void
audit_problem_add(void *data, const gbx_link_problem *p)
{
    audit_state *const a = data;
    const cli_grant *const host = audit_host(a, p->module_name, p->name);
    if (a->problem_count == a->problem_cap ||
        (host && !p->given && !strcmp(host->signature, p->wanted)))
        return;
    a->problems[a->problem_count++] = (audit_problem){
            .module = gbx_cli_format("%s", p->module_name),
            .name = gbx_cli_format("%s", p->name),
            .wanted = gbx_cli_format("%s", p->wanted),
            .given = p->given ? gbx_cli_format("%s", p->given)
                     : host ? gbx_cli_format("%s, says %s", gbx_cli_show(host->signature), host->at)
                            : NULL,
    };
}

static const audit_problem *
audit_problem_of(const audit_state *a, const gbx_extern_info *info)
{
    for (size_t i = 0; i < a->problem_count; i++)
        if (!strcmp(a->problems[i].module, info->module_name) &&
            !strcmp(a->problems[i].name, info->name))
            return &a->problems[i];
    return NULL;
}

static bool
audit_exports(const audit_state *a, const char *name)
{
    gbx_extern_info info;
    for (size_t i = 0; gbx_module_export(a->module, i, &info); i++)
        if (info.kind == GBX_EXTERN_FUNC && !strcmp(info.name, name)) return true;
    return false;
}

/* What supplies imports is made as for a run; nothing is granted to it, as nothing runs. */
static int
audit_link(audit_state *a, gbx_engine *engine)
{
    static gbx_err err;
    gbx_store *store = NULL;
    gbx_linker *linker = NULL;
    gbx_wasi *wasi = NULL;
    gbx_code code = gbx_store_new(engine, NULL, &store, &err);
    if (code == GBX_OK) code = gbx_linker_new(store, &linker, &err);
    if (code == GBX_OK) code = gbx_wasi_new(&wasi, &err);
    if (code == GBX_OK) code = gbx_wasi_link(wasi, linker, &err);
    int status = code == GBX_OK ? CLI_EXIT_OK : gbx_cli_run_no_setup(code, &err);
    if (status == CLI_EXIT_OK && a->plan->stub_count)
        status = gbx_cli_stubs_define(a->plan, a->module, linker);
    if (status == CLI_EXIT_OK)
        (void)gbx_linker_check(linker, a->module, audit_problem_add, a, &err);
    gbx_wasi_release(wasi);
    gbx_linker_release(linker);
    gbx_store_release(store);
    return status;
}

static void
audit_judge(audit_state *a)
{
    const char *const invoke = a->plan->invoke;
    a->is_command = audit_exports(a, "_start");
    a->is_reactor = !a->is_command && audit_exports(a, "_initialize");
    gbx_extern_info info;
    bool has_funcs = false;
    for (size_t i = 0; gbx_module_export(a->module, i, &info); i++)
        has_funcs = has_funcs || info.kind == GBX_EXTERN_FUNC;
    if (a->problem_count)
        a->unmet[a->unmet_count++] =
                gbx_cli_format("%zu %s not supplied", a->problem_count,
                               a->problem_count == 1 ? "import is" : "imports are");
    if (invoke && !audit_exports(a, invoke))
        a->unmet[a->unmet_count++] =
                gbx_cli_format("it exports no function %s", gbx_cli_quote(invoke));
    if (!has_funcs) a->unmet[a->unmet_count++] = "it exports no function that could be called";
    if (a->info.memory_count && a->info.memory_min_bytes > a->plan->memory_bytes)
        a->unmet[a->unmet_count++] = gbx_cli_format(
                "it begins with %" PRIu64 " bytes of memory, and --max-memory is %" PRIu64,
                a->info.memory_min_bytes, a->plan->memory_bytes);
}

/* ---- What is granted */

static void
audit_item(cli_text *t, const char *text)
{
    gbx_cli_text_printf(t, "%s%s", t->len ? ", " : "", text);
}

static const char *
audit_granted_dirs(const cli_plan *plan, bool changed)
{
    cli_text t = {0};
    for (int i = 0; i < plan->dir_count; i++) {
        const cli_dir *const d = &plan->dirs[i];
        if (changed && d->read_only) continue;
        audit_item(&t,
                   gbx_cli_format("%s (from %s%s)", gbx_cli_quote(d->guest), gbx_cli_quote(d->host),
                                  changed || !d->read_only ? "" : ", read-only"));
    }
    for (int i = 0; i < plan->scratch_count; i++)
        audit_item(&t, gbx_cli_format("%s (its own, %" PRIu64 " bytes)",
                                      gbx_cli_quote(plan->scratches[i].guest),
                                      plan->scratches[i].bytes));
    if (t.len && plan->special_files) audit_item(&t, "devices and interfaces of the kernel there");
    return t.len ? gbx_cli_text_get(&t) : "nothing: no directory is granted";
}

static const char *
audit_granted_env(const cli_plan *plan)
{
    cli_text t = {0};
    for (int i = 0; i < plan->env_count && i < AUDIT_LIST; i++)
        audit_item(&t, gbx_cli_quote(plan->env[i].name));
    if (plan->env_count > AUDIT_LIST)
        gbx_cli_text_printf(&t, ", and %d more", plan->env_count - AUDIT_LIST);
    return t.len ? gbx_cli_text_get(&t) : "nothing: no variable is granted";
}

static const char *
audit_granted_sockets(const cli_plan *plan)
{
    cli_text t = {0};
    for (int i = 0; i < plan->listener_count; i++) {
        const cli_listener *const l = &plan->listeners[i];
        audit_item(&t, l->fd >= 0 ? "one of systemd's"
                                  : gbx_cli_quote(plan->line->given[l->given].value));
    }
    return t.len ? gbx_cli_text_get(&t)
                 : "nothing: no socket is granted, and a guest cannot connect";
}

static const char *
audit_granted(const cli_plan *plan, audit_group group)
{
    switch (group) {
    case AUDIT_ARGS: return "its name and the words behind FILE";
    case AUDIT_ENV: return audit_granted_env(plan);
    case AUDIT_STREAMS: return "standard input, output and error";
    case AUDIT_READ: return audit_granted_dirs(plan, false);
    case AUDIT_CHANGE: return audit_granted_dirs(plan, true);
    case AUDIT_SOCKETS: return audit_granted_sockets(plan);
    case AUDIT_CLOCK:
    case AUDIT_WAIT:
        return plan->is_seeded ? "a clock that the seed drives" : "this machine's clock";
    case AUDIT_RANDOM:
        return plan->is_seeded ? "drawn from the seed: not for secrets" : "this machine's";
    case AUDIT_PROCESS:
    case AUDIT_GROUPS: break;
    }
    return "always";
}

static const char *
audit_calls_of(const audit_state *a, audit_group group)
{
    cli_text t = {0};
    gbx_extern_info info;
    for (size_t i = 0; gbx_module_import(a->module, i, &info); i++)
        if (audit_group_of(&info) == group) audit_item(&t, info.name);
    return gbx_cli_text_get(&t);
}

static const char *
audit_supplied(const audit_state *a, const gbx_extern_info *info)
{
    const audit_problem *const p = audit_problem_of(a, info);
    const cli_grant *const host = audit_host(a, info->module_name, info->name);
    if (p && p->given) return gbx_cli_format("not with this type; there is %s", p->given);
    if (p) return "nobody here supplies it";
    if (audit_is_wasi(info->module_name)) return "glovebox";
    for (int i = 0; i < a->plan->stub_count; i++)
        if (gbx_cli_stub_is(a->plan->stubs[i].name, info->module_name, info->name) ||
            !strcmp(a->plan->stubs[i].name, "*"))
            return a->plan->stubs[i].is_trap ? "a stub, which ends who calls it"
                                             : "a stub, which gives zeros";
    if (host)
        return gbx_cli_format("the host that embeds it, says %s%s%s", host->at,
                              *host->purpose ? ": " : "", gbx_cli_show(host->purpose));
    return "glovebox";
}

/* ---- As text */

static void
audit_print_build(const audit_state *a)
{
    gbx_audit_setting s;
    const gbx_audit_info *const i = &a->info;
    if (*i->version || *i->tool)
        printf("  built by      %s%s%s%s%s%s\n", i->language, *i->language ? " " : "", i->version,
               *i->tool ? " (" : "",
               *i->tool ? gbx_cli_format("%s %s", i->tool, i->tool_version) : "",
               *i->tool ? ")" : "");
    else if (i->has_go_table)
        printf("  built by      Go, a version that it does not state\n");
    else
        printf("  built by      unknown: the module does not say\n");
    for (size_t k = 0; gbx_audit_setting_at(a->audit, k, &s); k++) {
        const char *const what = !strcmp(s.kind, "path")  ? "path"
                                 : !strcmp(s.kind, "mod") ? "module"
                                 : !strcmp(s.kind, "dep") ? "depends on"
                                 : !strcmp(s.kind, "=>")  ? "  replaced by"
                                                          : "built with";
        printf("  %-13s %s%s%s\n", what, s.name,
               *s.value ? strcmp(s.kind, "build") ? " " : "=" : "", s.value);
    }
    if (i->has_go_table && !i->has_names)
        printf("  stripped      of names; Go's own table of functions and lines is there\n");
}

static void
audit_print_externs(const audit_state *a)
{
    gbx_extern_info info;
    static const char *const kinds[] = {"", "table ", "memory ", "global ", "tag "};
    printf("\nexports\n");
    for (size_t i = 0; gbx_module_export(a->module, i, &info); i++)
        printf("  %s%s %s\n", kinds[info.kind], info.name, info.signature);
    printf("\nimports: what it can do, and what these grants let it\n");
    for (int g = 0; g < AUDIT_GROUPS; g++) {
        const char *const calls = audit_calls_of(a, (audit_group)g);
        if (!*calls) continue;
        printf("  %s\n      granted: %s\n      by %s\n", audit_groups[g].can,
               audit_granted(a->plan, (audit_group)g), calls);
    }
    bool first = true;
    for (size_t i = 0; gbx_module_import(a->module, i, &info); i++) {
        if (audit_group_of(&info) != AUDIT_GROUPS) continue;
        if (first) printf("  call what a host supplies, which can do anything\n");
        first = false;
        printf("      %s%s.%s %s: %s\n", kinds[info.kind], info.module_name, info.name,
               info.signature, audit_supplied(a, &info));
    }
}

/* The next function that the module links, from *next on; rows that say the same are told once. */
static const char *
audit_next_link(const audit_state *a, size_t *next)
{
    for (; *next < CLI_LEN(audit_links); ++*next) {
        const char *const words = audit_links[*next].words;
        bool told = false;
        for (size_t k = 0; k < *next; k++)
            told = told || (!strcmp(audit_links[k].words, words) &&
                            gbx_audit_has_func(a->audit, audit_links[k].function));
        if (told || !gbx_audit_has_func(a->audit, audit_links[*next].function)) continue;
        ++*next;
        return words;
    }
    return NULL;
}

static void
audit_print_sizes(const audit_state *a)
{
    const gbx_audit_info *const i = &a->info;
    gbx_audit_package p;
    size_t count = 0, next = 0;
    const char *words = audit_next_link(a, &next);
    if (words) printf("\nlinks, which does not say that it uses it\n");
    for (; words; words = audit_next_link(a, &next)) printf("  %s\n", words);
    printf("\nsize: %" PRIu64 " bytes: code %" PRIu64 " in %" PRIu32 " functions, data %" PRIu64
           ", names and the like %" PRIu64 "\n",
           i->file_bytes, i->code_bytes, i->func_count, i->data_bytes, i->custom_bytes);
    for (; gbx_audit_package_at(a->audit, count, &p); count++)
        if (count < AUDIT_PACKAGES)
            printf("  %10" PRIu64 "  %s\n", p.bytes,
                   *p.name ? p.name : "(made by the compiler and the linker)");
    if (count > AUDIT_PACKAGES) printf("  and %zu packages more\n", count - AUDIT_PACKAGES);
    if (!i->memory_count)
        printf("\nmemory: none\n");
    else
        printf("\nmemory: begins with %" PRIu64 " KiB, may grow to %s\n", i->memory_min_bytes >> 10,
               i->memory_max_bytes == GBX_UNLIMITED
                       ? "what the runtime lets it"
                       : gbx_cli_format("%" PRIu64 " KiB", i->memory_max_bytes >> 10));
}

static const struct {
    cli_option_id id;
    const char *key, *words;
} audit_bounds[] = {
        {CLI_OPT_TIMEOUT, "timeout_ns", "it may run for ever"},
        {CLI_OPT_FUEL, "fuel", "instructions are not counted"},
        {CLI_OPT_MAX_MEMORY, "memory_bytes",
         "memory may grow as far as the module's own maximum, or 4 GiB"},
        {CLI_OPT_MAX_OUTPUT, "output_bytes", "it may write any amount to its output"},
        {CLI_OPT_MAX_DISK, "disk_bytes",
         "it may fill the disks behind directories that it may change"},
};

static uint64_t
audit_bound(const cli_plan *plan, cli_option_id id)
{
    switch (id) {
    case CLI_OPT_TIMEOUT: return plan->timeout_ns;
    case CLI_OPT_FUEL: return plan->is_metered ? plan->fuel : GBX_UNLIMITED;
    case CLI_OPT_MAX_MEMORY: return plan->memory_bytes;
    case CLI_OPT_MAX_OUTPUT: return plan->output_bytes;
    default: return plan->disk_bytes;
    }
}

static void
audit_print_end(const audit_state *a)
{
    printf("\nbounds\n");
    for (size_t i = 0; i < CLI_LEN(audit_bounds); i++) {
        uint64_t const bound = audit_bound(a->plan, audit_bounds[i].id);
        const char *const name = gbx_cli_options[audit_bounds[i].id].name;
        if (bound == GBX_UNLIMITED)
            printf("  %-14s absent: %s\n", name, audit_bounds[i].words);
        else
            printf("  %-14s %s\n", name,
                   audit_bounds[i].id == CLI_OPT_TIMEOUT ? gbx_cli_format_duration(bound)
                                                         : gbx_cli_format("%" PRIu64, bound));
    }
    for (size_t i = 0; i < a->problem_count; i++) {
        const audit_problem *const p = &a->problems[i];
        if (!i) printf("\nimports that nobody here supplies\n");
        printf("  %s.%s %s%s%s\n", p->module, p->name, p->wanted, p->given ? "; there is " : "",
               p->given ? p->given : "");
    }
    printf("\n%s with these options", a->unmet_count ? "cannot run" : "can run");
    for (int i = 0; i < a->unmet_count; i++) printf("%s%s", i ? "; " : ": ", a->unmet[i]);
    if (!a->unmet_count && !a->is_command && !a->plan->invoke)
        printf(", as a library: run calls its functions with --invoke NAME");
    printf("\n");
}

static const char *
audit_kind(const audit_state *a)
{
    return a->is_command ? "command" : a->is_reactor ? "reactor" : "module";
}

static void
audit_print(const audit_state *a)
{
    printf("%s: a %s%s\n", gbx_cli_quote(a->plan->program), audit_kind(a),
           a->is_command   ? ", which runs from _start"
           : a->is_reactor ? ", a library: a host calls its exports"
                           : ": it has neither _start nor _initialize");
    audit_print_build(a);
    audit_print_externs(a);
    audit_print_sizes(a);
    audit_print_end(a);
}

/* ---- As JSON */

static void
audit_json_pair(const char *key, const char *value, bool *behind)
{
    printf("%s", *behind ? ", " : "");
    gbx_cli_json_string(stdout, key);
    printf(": ");
    gbx_cli_json_string(stdout, value);
    *behind = true;
}

static void
audit_json_settings(const audit_state *a, const char *kind)
{
    gbx_audit_setting s;
    bool behind = false;
    for (size_t i = 0; gbx_audit_setting_at(a->audit, i, &s); i++)
        if (!strcmp(s.kind, kind)) audit_json_pair(s.name, s.value, &behind);
}

static void
audit_json_build(const audit_state *a)
{
    const gbx_audit_info *const i = &a->info;
    gbx_audit_setting s;
    bool behind = false;
    printf(",\n \"build\": {");
    audit_json_pair("language", i->language, &behind);
    audit_json_pair("version", i->version, &behind);
    audit_json_pair("tool", i->tool, &behind);
    audit_json_pair("tool_version", i->tool_version, &behind);
    for (size_t k = 0; gbx_audit_setting_at(a->audit, k, &s); k++)
        if (!strcmp(s.kind, "path")) audit_json_pair("path", s.name, &behind);
    printf(", \"main\": {");
    audit_json_settings(a, "mod");
    printf("}, \"deps\": {");
    audit_json_settings(a, "dep");
    printf("}, \"settings\": {");
    audit_json_settings(a, "build");
    printf("}, \"go_table\": %s, \"names\": %s}", i->has_go_table ? "true" : "false",
           i->has_names ? "true" : "false");
}

static void
audit_json_extern(const audit_state *a, const gbx_extern_info *info, bool is_import)
{
    static const char *const kinds[] = {"function", "table", "memory", "global", "tag"};
    bool behind = false;
    printf("{");
    audit_json_pair("kind", kinds[info->kind], &behind);
    if (is_import) audit_json_pair("module", info->module_name, &behind);
    audit_json_pair("name", info->name, &behind);
    audit_json_pair("type", info->signature, &behind);
    if (is_import) {
        audit_group const g = audit_group_of(info);
        audit_json_pair("group", g == AUDIT_GROUPS ? "host" : audit_groups[g].slug, &behind);
        printf(", \"supplied\": %s", audit_problem_of(a, info) ? "false" : "true");
    }
    printf("}");
}

static void
audit_json_lists(const audit_state *a)
{
    gbx_extern_info info;
    printf(",\n \"exports\": [");
    for (size_t i = 0; gbx_module_export(a->module, i, &info); i++) {
        if (i) printf(", ");
        audit_json_extern(a, &info, false);
    }
    printf("],\n \"imports\": [");
    for (size_t i = 0; gbx_module_import(a->module, i, &info); i++) {
        if (i) printf(", ");
        audit_json_extern(a, &info, true);
    }
    printf("],\n \"groups\": {");
    bool first = true;
    for (int g = 0; g < AUDIT_GROUPS; g++) {
        const char *const calls = audit_calls_of(a, (audit_group)g);
        bool behind = false;
        if (!*calls) continue;
        printf("%s\"%s\": {", first ? "" : ", ", audit_groups[g].slug);
        first = false;
        audit_json_pair("can", audit_groups[g].can, &behind);
        audit_json_pair("calls", calls, &behind);
        audit_json_pair("granted", audit_granted(a->plan, (audit_group)g), &behind);
        printf("}");
    }
    printf("},\n \"links\": [");
    size_t next = 0;
    first = true;
    for (const char *words; (words = audit_next_link(a, &next)); first = false) {
        if (!first) printf(", ");
        gbx_cli_json_string(stdout, words);
    }
    printf("]");
}

static void
audit_json_number(const char *key, uint64_t value, bool *behind)
{
    printf("%s\"%s\": ", *behind ? ", " : "", key);
    if (value == GBX_UNLIMITED)
        printf("null");
    else
        printf("%" PRIu64, value);
    *behind = true;
}

static void
audit_json(const audit_state *a)
{
    const gbx_audit_info *const i = &a->info;
    gbx_audit_package p;
    bool behind = false;
    printf("{\"file\": ");
    gbx_cli_json_string(stdout, a->plan->program);
    printf(", \"kind\": \"%s\", \"runnable\": %s, \"unmet\": [", audit_kind(a),
           a->unmet_count ? "false" : "true");
    for (int k = 0; k < a->unmet_count; k++) {
        if (k) printf(", ");
        gbx_cli_json_string(stdout, a->unmet[k]);
    }
    printf("]");
    audit_json_build(a);
    audit_json_lists(a);
    printf(",\n \"sizes\": {");
    audit_json_number("file", i->file_bytes, &behind);
    audit_json_number("code", i->code_bytes, &behind);
    audit_json_number("data", i->data_bytes, &behind);
    audit_json_number("custom", i->custom_bytes, &behind);
    audit_json_number("functions", i->func_count, &behind);
    printf("},\n \"packages\": [");
    for (size_t k = 0; gbx_audit_package_at(a->audit, k, &p); k++) {
        printf("%s{\"name\": ", k ? ", " : "");
        gbx_cli_json_string(stdout, p.name);
        printf(", \"bytes\": %" PRIu64 ", \"functions\": %" PRIu32 "}", p.bytes, p.func_count);
    }
    printf("],\n \"memory\": {");
    behind = false;
    audit_json_number("min_bytes", i->memory_min_bytes, &behind);
    audit_json_number("max_bytes", i->memory_max_bytes, &behind);
    printf("},\n \"bounds\": {");
    behind = false;
    for (size_t k = 0; k < CLI_LEN(audit_bounds); k++)
        audit_json_number(audit_bounds[k].key, audit_bound(a->plan, audit_bounds[k].id), &behind);
    printf("}}\n");
}

/* ---- The command */

static int
audit_module(const cli_plan *plan, gbx_engine *engine, gbx_module *module)
{
    static gbx_err err;
    audit_state a = {
            .plan = plan, .module = module, .problem_cap = gbx_module_import_count(module)};
    a.problems = gbx_cli_alloc(a.problem_cap + 1, sizeof *a.problems);
    gbx_code const code = gbx_audit_new(module, &a.audit, &err);
    if (code != GBX_OK) return gbx_cli_run_no_setup(code, &err);
    gbx_audit_get(a.audit, &a.info);
    int status = audit_link(&a, engine);
    if (status == CLI_EXIT_OK) {
        audit_judge(&a);
        if (plan->json)
            audit_json(&a);
        else
            audit_print(&a);
        status = a.unmet_count ? CLI_EXIT_UNMET : CLI_EXIT_OK;
    }
    gbx_audit_release(a.audit);
    return status;
}

int
gbx_cli_audit(int argc, char **argv, int first)
{
    static gbx_err err;
    cli_line line;
    cli_plan plan;
    gbx_engine *engine = NULL;
    gbx_module *module = NULL;
    int status = gbx_cli_begin(&plan, &line, CLI_AUDIT, argc, argv, first);
    if (status != CLI_EXIT_OK) return status == CLI_ANSWERED ? CLI_EXIT_OK : status;
    gbx_engine_opts opts = GBX_ENGINE_OPTS_INIT;
    gbx_compile_opts compile_opts = GBX_COMPILE_OPTS_INIT;
    opts.features_off = plan.features_off;
    opts.tier = GBX_TIER_INTERP;
    opts.keep_ms = GBX_KEEP_OFF;
    compile_opts.trust = GBX_TRUST_NOTHING;
    gbx_code code = gbx_engine_new(&opts, &engine, &err);
    if (code != GBX_OK) return gbx_cli_run_no_setup(code, &err);
    code = gbx_module_compile_file(engine, plan.program, &compile_opts, &module, &err);
    status = code == GBX_OK ? audit_module(&plan, engine, module)
                            : gbx_cli_report_error(&plan, NULL, code, &err);
    gbx_module_release(module);
    gbx_engine_release(engine);
    return status;
}
