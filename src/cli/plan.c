/* A command line turned into what will be granted.
 *
 * Nothing is granted that was not asked for: no variable, no directory, no argument beyond those
 * after FILE. The one value that is added is PWD=/, and only where a relative directory was granted
 * under its own name and no PWD was: Go takes the name of the first granted directory for its
 * working directory otherwise (GO: syscall/fs_wasip1.go init, 1.26), and `data/in.json` would be
 * looked for below /data. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"

static int
plan_bad_value(cli_option_id id, const char *value, const char *why)
{
    return gbx_cli_usage_error(
            "bad-value",
            gbx_cli_format("%s cannot be %s", gbx_cli_options[id].name, gbx_cli_quote(value)), why,
            gbx_cli_format("%s %s", gbx_cli_options[id].name, gbx_cli_options[id].argument));
}

/* The grant of `guest` stands already: without this one the command works. */
static int
plan_refuse_twice(const cli_plan *plan, int given, const char *guest, const char *why)
{
    cli_edit const edit = {.skip = plan->line->given[given].word,
                           .skip_count = plan->line->given[given].words};
    return gbx_cli_usage_error(
            "dir-twice", gbx_cli_format("two directories are granted as %s", gbx_cli_quote(guest)), why,
            gbx_cli_line_command(plan->line, &edit));
}

static cli_origin
plan_origin(const cli_plan *plan, int word)
{
    return plan->line->origin ? (cli_origin)plan->line->origin[word] : CLI_FROM_LINE;
}

static int
plan_add_dir(cli_plan *plan, int given)
{
    cli_dir dir;
    int const status = gbx_cli_dir_parse(plan->line, given, &dir);
    if (status != CLI_EXIT_OK) return status;
    for (int i = 0; i < plan->dir_count; i++) {
        const cli_dir *const old = &plan->dirs[i];
        if (strcmp(old->guest, dir.guest) != 0) continue;
        const cli_given *const list = plan->line->given;
        bool const is_wrappers = plan_origin(plan, list[old->given].word) == CLI_FROM_WRAPPER;
        if (is_wrappers && plan_origin(plan, list[given].word) != CLI_FROM_WRAPPER) {
            plan->dirs[i] = dir; /* what the user grants counts */
            return CLI_EXIT_OK;
        }
        if (old->read_only == dir.read_only && gbx_cli_is_same_file(old->host, dir.host)) return CLI_EXIT_OK;
        if (plan->line->given[old->given].at && !plan->line->given[given].at) { /* the command line counts */
            plan->dirs[i] = dir;
            return CLI_EXIT_OK;
        }
        return plan_refuse_twice(plan, given, dir.guest,
                                 gbx_cli_format("%s and %s; the guest could never see one of them",
                                                gbx_cli_quote(plan->line->given[old->given].value),
                                                gbx_cli_quote(plan->line->given[given].value)));
    }
    plan->dirs[plan->dir_count++] = dir;
    return CLI_EXIT_OK;
}

/* GUEST may hold a `=`: what stands behind the last one is the size. */
static int
plan_add_scratch(cli_plan *plan, int given)
{
    const char *const value = plan->line->given[given].value;
    const char *const equals = strrchr(value, '=');
    const char *const name = equals ? gbx_cli_copy(value, (size_t)(equals - value)) : value;
    cli_scratch s = {.guest = gbx_cli_guest_path(name), .bytes = CLI_SCRATCH_BYTES, .given = given};
    const char *why = "it is a path in the guest's own tree, which starts at /";
    if (!*name || !s.guest) return plan_bad_value(CLI_OPT_SCRATCH, value, why);
    if (equals && !gbx_cli_parse_size(equals + 1, &s.bytes, &why))
        return plan_bad_value(CLI_OPT_SCRATCH, value, why);
    if (!s.bytes || s.bytes > INT64_MAX)
        return plan_bad_value(CLI_OPT_SCRATCH, value, "it holds at least a byte, and fewer than 2^63");
    bool is_taken = false;
    for (int i = 0; i < plan->scratch_count; i++) { /* the command line counts */
        cli_scratch *const old = &plan->scratches[i];
        const cli_given *const all = plan->line->given;
        if (strcmp(old->guest, s.guest) || !all[old->given].at || all[given].at) continue;
        *old = s;
        return CLI_EXIT_OK;
    }
    for (int i = 0; i < plan->scratch_count; i++)
        is_taken = is_taken || !strcmp(plan->scratches[i].guest, s.guest);
    for (int i = 0; i < plan->dir_count; i++) is_taken = is_taken || !strcmp(plan->dirs[i].guest, s.guest);
    if (is_taken) return plan_refuse_twice(plan, given, s.guest, "the guest could never see one of them");
    plan->scratches[plan->scratch_count++] = s;
    return CLI_EXIT_OK;
}

static int
plan_set_bytes(cli_option_id id, const char *text, uint64_t *bytes)
{
    const char *why;
    if (!gbx_cli_parse_size(text, bytes, &why)) return plan_bad_value(id, text, why);
    return *bytes ? CLI_EXIT_OK : plan_bad_value(id, text, "the least is 1");
}

static void
plan_set_env(cli_plan *plan, const char *name, const char *value)
{
    int i = 0;
    while (i < plan->env_count && strcmp(plan->env[i].name, name) != 0) i++;
    plan->env[i] = (cli_env){name, value};
    if (i == plan->env_count) plan->env_count++;
    if (!strcmp(name, "PWD")) plan->pwd = value;
}

static int
plan_add_env(cli_plan *plan, const char *given)
{
    const char *const equals = strchr(given, '=');
    const char *const name = equals ? gbx_cli_copy(given, (size_t)(equals - given)) : given;
    if (!*name) return plan_bad_value(CLI_OPT_ENV, given, "a variable needs a name");
    const char *const value = equals ? equals + 1 : getenv(name);
    if (value)
        plan_set_env(plan, name, value);
    else
        plan->env_absent[plan->env_absent_count++] = name;
    return CLI_EXIT_OK;
}

/* A list that grows: files of variables have as many as they like. */
static void
plan_room_for_env(cli_plan *plan, size_t more)
{
    size_t const count = (size_t)plan->env_count + more + 2;
    cli_env *const env = gbx_cli_alloc(count, sizeof *env);
    const char **const absent = gbx_cli_alloc((size_t)plan->env_absent_count + count, sizeof *absent);
    if (plan->env_count) memcpy(env, plan->env, (size_t)plan->env_count * sizeof *env);
    if (plan->env_absent_count)
        memcpy(absent, plan->env_absent, (size_t)plan->env_absent_count * sizeof *absent);
    plan->env = env;
    plan->env_absent = absent;
}

/* All but our own, and PWD, which is a directory of this machine (plan_inherit_pwd). */
static void
plan_inherit_env(cli_plan *plan)
{
    extern char **environ;
    size_t count = 0;
    while (environ[count]) count++;
    plan_room_for_env(plan, count + (size_t)plan->line->given_count);
    for (size_t i = 0; i < count; i++) {
        const char *const equals = strchr(environ[i], '=');
        bool const is_ours = !strncmp(environ[i], "GLOVEBOX_", 9) || !strncmp(environ[i], "PWD=", 4);
        if (!equals || equals == environ[i] || is_ours) continue;
        plan_set_env(plan, gbx_cli_copy(environ[i], (size_t)(equals - environ[i])), equals + 1);
    }
}

/* The working directory here, where the guest has it by the same name. */
static void
plan_inherit_pwd(cli_plan *plan)
{
    const char *const pwd = getenv("PWD");
    if (!pwd || plan->pwd || gbx_cli_line_find(plan->line, CLI_OPT_ENV_INHERIT) < 0) return;
    for (int i = 0; i < plan->dir_count; i++) {
        const cli_dir *const dir = &plan->dirs[i];
        size_t const len = strcmp(dir->guest, "/") != 0 ? strlen(dir->guest) : 0;
        bool const is_under = !strncmp(pwd, dir->guest, len) && (pwd[len] == '/' || !pwd[len]);
        if (!is_under || strcmp(dir->guest, dir->host) != 0) continue;
        plan_set_env(plan, "PWD", pwd);
        return;
    }
}

static int
plan_read_env(cli_plan *plan, const char *path)
{
    char line[16384];
    FILE *const f = fopen(path, "re");
    if (!f) return plan_bad_value(CLI_OPT_ENV_FILE, path, strerror(errno));
    int status = CLI_EXIT_OK;
    while (status == CLI_EXIT_OK && fgets(line, sizeof line, f)) {
        size_t const len = strcspn(line, "\n");
        if (!line[len] && len + 1 == sizeof line) {
            status = plan_bad_value(CLI_OPT_ENV_FILE, path, "a line of it is too long");
            break;
        }
        size_t const end = len && line[len - 1] == '\r' ? len - 1 : len;
        const char *const text = gbx_cli_copy(line, end);
        if (!*text || *text == '#') continue;
        plan_room_for_env(plan, 1 + (size_t)plan->line->given_count);
        status = plan_add_env(plan, text);
    }
    (void)fclose(f);
    return status;
}

static int
plan_check_dialect(const char *name)
{
    return gbx_cli_dialect_find(name) < CLI_DIALECT_COUNT
                   ? CLI_EXIT_OK
                   : plan_bad_value(CLI_OPT_DIALECT, name, "it is a runtime whose options are known");
}

static int
plan_set_cwd(cli_plan *plan, const char *cwd)
{
    const char *const path = gbx_cli_guest_path(cwd);
    if (!*cwd || !path) {
        return plan_bad_value(CLI_OPT_CWD, cwd,
                              "it is a path in the guest's own tree, which starts at /");
    }
    if (plan->pwd && strcmp(plan->pwd, path) != 0 && !plan->line->is_go) {
        return gbx_cli_usage_error("cwd-twice", "--cwd and --env PWD name different directories",
                                   gbx_cli_format("--cwd sets PWD to %s, --env sets it to %s",
                                                  gbx_cli_quote(path), gbx_cli_quote(plan->pwd)),
                                   "give one of them");
    }
    plan_set_env(plan, "PWD", path);
    return CLI_EXIT_OK;
}

static int
plan_set_timeout(cli_plan *plan, const char *text)
{
    const char *why;
    if (!gbx_cli_parse_duration(text, &plan->timeout_ns, &why)) {
        bool const bare = *text && !text[strspn(text, "0123456789")];
        if (bare) why = gbx_cli_format("a unit is missing: %ss, %sms, %sm?", text, text, text);
        return plan_bad_value(CLI_OPT_TIMEOUT, text, why);
    }
    if (!plan->timeout_ns) plan->timeout_ns = GBX_UNLIMITED;
    return CLI_EXIT_OK;
}

static int
plan_set_fuel(cli_plan *plan, const char *text)
{
    bool const is_number = *text && !text[strspn(text, "0123456789")];
    errno = 0;
    unsigned long long const fuel = is_number ? strtoull(text, NULL, 10) : 0;
    if (!is_number || errno || fuel > INT64_MAX)
        return plan_bad_value(CLI_OPT_FUEL, text, "it is a whole number below 2^63");
    plan->is_metered = true;
    plan->fuel = fuel ? fuel : GBX_UNLIMITED;
    return CLI_EXIT_OK;
}

static int
plan_set_memory(cli_plan *plan, const char *text)
{
    uint64_t const page = 65536;
    const char *why;
    if (!gbx_cli_parse_size(text, &plan->memory_bytes, &why))
        return plan_bad_value(CLI_OPT_MAX_MEMORY, text, why);
    if (plan->memory_bytes < page) {
        return plan_bad_value(CLI_OPT_MAX_MEMORY, text,
                              "memory comes in pages of 64KiB, so that is the least");
    }
    return CLI_EXIT_OK;
}

/* The words that other runtimes have for on and off count too. */
bool
gbx_cli_feature_parse(const char *text, gbx_feature *feature, bool *is_on, const char **why)
{
    static const char *const on[] = {"on", "yes", "y", "true"}, *const off[] = {"off", "no", "n", "false"};
    const char *const equals = strchr(text, '=');
    bool known = false;
    *why = "it is written NAME=on or NAME=off";
    if (!equals) return false;
    for (size_t i = 0; i < CLI_LEN(on); i++) {
        *is_on = !strcmp(equals + 1, on[i]);
        known = *is_on || !strcmp(equals + 1, off[i]);
        if (known) break;
    }
    const char *const name = gbx_cli_copy(text, (size_t)(equals - text));
    *feature = gbx_feature_find(name);
    if (*feature == GBX_FEATURE_COUNT) {
        *why = gbx_cli_format("there is no feature %s; `glovebox help features` lists them",
                              gbx_cli_quote(name));
        return false;
    }
    if (known && *is_on && !gbx_feature_supported(*feature)) {
        *why = "this feature is recognised, and not supported";
        return false;
    }
    return known;
}

static int
plan_set_feature(cli_plan *plan, const char *text)
{
    gbx_feature feature;
    bool is_on;
    const char *why;
    if (!gbx_cli_feature_parse(text, &feature, &is_on, &why))
        return plan_bad_value(CLI_OPT_WASM_FEATURE, text, why);
    if (is_on) plan->features_off &= ~GBX_FEATURE_BIT(feature);
    else plan->features_off |= GBX_FEATURE_BIT(feature);
    return CLI_EXIT_OK;
}

static int
plan_set_symbols(cli_plan *plan, const char *text)
{
    if (!strcmp(text, "perf")) plan->symbols |= GBX_SYMBOLS_PERF;
    else if (!strcmp(text, "gdb")) plan->symbols |= GBX_SYMBOLS_GDB;
    else return plan_bad_value(CLI_OPT_JIT_SYMBOLS, text, "it is perf or gdb");
    return CLI_EXIT_OK;
}

static int
plan_set_cache(cli_plan *plan)
{
    const char *const cache = gbx_cli_line_value(plan->line, CLI_OPT_CACHE);
    const char *const dir = gbx_cli_line_value(plan->line, CLI_OPT_CACHE_DIR);
    if (cache && strcmp(cache, "off") != 0 && strcmp(cache, "on") != 0)
        return plan_bad_value(CLI_OPT_CACHE, cache, "it is on or off");
    if (dir && !*dir) return plan_bad_value(CLI_OPT_CACHE_DIR, "", "a directory has a name");
    if (!cache || !strcmp(cache, "on")) plan->cache_dir = dir ? dir : gbx_cli_cache_dir(true);
    plan->explain = gbx_cli_line_find(plan->line, CLI_OPT_EXPLAIN) >= 0;
    return CLI_EXIT_OK;
}

static int
plan_set_names(cli_plan *plan)
{
    const cli_line *const line = plan->line;
    const char *const hints = gbx_cli_line_value(line, CLI_OPT_HINTS);
    plan->hints = !hints || !strcmp(hints, "on");
    if (hints && !plan->hints && strcmp(hints, "off") != 0)
        return plan_bad_value(CLI_OPT_HINTS, hints, "it is on or off");
    const char *const tty = gbx_cli_line_value(line, CLI_OPT_SANITIZE_TTY);
    plan->raw_tty = tty && !strcmp(tty, "off");
    if (tty && !plan->raw_tty && strcmp(tty, "on") != 0)
        return plan_bad_value(CLI_OPT_SANITIZE_TTY, tty, "it is on or off");
    const char *const tier = gbx_cli_line_value(line, CLI_OPT_TIER);
    if (tier && !strcmp(tier, "interp")) plan->tier = GBX_TIER_INTERP;
    else if (tier && !strcmp(tier, "eager")) plan->tier = GBX_TIER_EAGER;
    else if (tier && strcmp(tier, "auto") != 0)
        return plan_bad_value(CLI_OPT_TIER, tier, "it is auto, interp or eager");
    plan->invoke = gbx_cli_line_value(line, CLI_OPT_INVOKE);
    if (plan->invoke && !*plan->invoke)
        return plan_bad_value(CLI_OPT_INVOKE, "", "an export has a name");
    plan->report = gbx_cli_line_value(line, CLI_OPT_REPORT);
    plan->profile = gbx_cli_line_value(line, CLI_OPT_PROFILE);
    if (plan->profile && !*plan->profile) return plan_bad_value(CLI_OPT_PROFILE, "", "a file has a name");
    if (plan->report && !*plan->report) return plan_bad_value(CLI_OPT_REPORT, "", "a file has a name");
    plan->program = line->argv[line->file];
    if (line->command == CLI_RUN && !strcmp(plan->program, "-")) {
        plan->program = "/dev/stdin"; /* opened anew where it is a file: the guest is not to read it too */
        (void)lseek(STDIN_FILENO, 0, SEEK_END);
    }
    const char *const slash = strrchr(plan->program, '/');
    const char *const argv0 = gbx_cli_line_value(line, CLI_OPT_ARGV0);
    plan->argv0 = argv0 ? argv0 : slash ? slash + 1 : plan->program;
    return CLI_EXIT_OK;
}

static int
plan_set_grants(cli_plan *plan, const char *text)
{
    plan->takes_ro = !strcmp(text, "ro");
    plan->takes_rw = !strcmp(text, "rw");
    return plan->takes_ro || plan->takes_rw ? CLI_EXIT_OK
                                            : plan_bad_value(CLI_OPT_GRANTS, text, "it is ro or rw");
}

static int
plan_set_seed(cli_plan *plan, const char *text)
{
    gbx_val v;
    if (!gbx_cli_parse_value(text, GBX_I64, &v))
        return plan_bad_value(CLI_OPT_SEED, text, "it is a number of 64 bits");
    plan->seed = (uint64_t)v.of.i64;
    plan->is_seeded = true;
    return CLI_EXIT_OK;
}

static int
plan_set_rounds(cli_plan *plan, const char *text)
{
    gbx_val v;
    if (!gbx_cli_parse_value(text, GBX_I32, &v) || v.of.i32 < 1 || v.of.i32 > CLI_ROUNDS_MAX)
        return plan_bad_value(CLI_OPT_ROUNDS, text,
                              gbx_cli_format("it is a number from 1 to %d", CLI_ROUNDS_MAX));
    plan->rounds = (uint32_t)v.of.i32;
    return CLI_EXIT_OK;
}

static int
plan_apply(cli_plan *plan, int given)
{
    const char *const value = plan->line->given[given].value;
    switch (plan->line->given[given].id) {
    case CLI_OPT_DIR: return plan_add_dir(plan, given);
    case CLI_OPT_ALLOW_SPECIAL_FILES: plan->special_files = true; break;
    case CLI_OPT_LISTEN: return gbx_cli_listen_plan(plan, given);
    case CLI_OPT_ENV: return plan_add_env(plan, value);
    case CLI_OPT_TIMEOUT: return plan_set_timeout(plan, value);
    case CLI_OPT_ENV_INHERIT: plan_inherit_env(plan); break;
    case CLI_OPT_ENV_FILE: return plan_read_env(plan, value);
    case CLI_OPT_DIALECT: return plan_check_dialect(value);
    case CLI_OPT_FUEL: return plan_set_fuel(plan, value);
    case CLI_OPT_MAX_MEMORY: return plan_set_memory(plan, value);
    case CLI_OPT_MAX_OUTPUT: return plan_set_bytes(CLI_OPT_MAX_OUTPUT, value, &plan->output_bytes);
    case CLI_OPT_MAX_DISK: return plan_set_bytes(CLI_OPT_MAX_DISK, value, &plan->disk_bytes);
    case CLI_OPT_WASM_FEATURE: return plan_set_feature(plan, value);
    case CLI_OPT_JIT_SYMBOLS: return plan_set_symbols(plan, value);
    case CLI_OPT_GRANTS: return plan_set_grants(plan, value);
    case CLI_OPT_SEED: return plan_set_seed(plan, value);
    case CLI_OPT_EVERY_CALL: plan->every_call = true; break;
    case CLI_OPT_ALLOW_COMPILED: plan->allow_compiled = true; break;
    case CLI_OPT_OUT: plan->out = value; break;
    case CLI_OPT_ROUNDS: return plan_set_rounds(plan, value);
    case CLI_OPT_JSON: plan->json = true; break;
    case CLI_OPT_STUB: return gbx_cli_stub_parse(plan, value);
    case CLI_OPT_POLICY: /* its grants stand among the others */
    case CLI_OPT_LOG: /* as soon as it is read */
    case CLI_OPT_SCRATCH: /* after all --dir */
    case CLI_OPT_CWD: /* after all --env */
    case CLI_OPT_ARGV0:
    case CLI_OPT_INVOKE:
    case CLI_OPT_HINTS:
    case CLI_OPT_SANITIZE_TTY:
    case CLI_OPT_TIER:
    case CLI_OPT_CACHE:
    case CLI_OPT_CACHE_DIR:
    case CLI_OPT_EXPLAIN:
    case CLI_OPT_REPORT:
    case CLI_OPT_PROFILE:
    case CLI_OPT_VERSION:
    case CLI_OPT_HELP:
    case CLI_OPT_COUNT: break;
    }
    return CLI_EXIT_OK;
}

int
gbx_cli_plan_make(cli_plan *plan, const cli_line *line)
{
    size_t const room = (size_t)line->given_count + 2; /* and PWD */
    *plan = (cli_plan){
            .line = line,
            .timeout_ns = GBX_UNLIMITED,
            .memory_bytes = GBX_UNLIMITED,
            .output_bytes = GBX_UNLIMITED,
            .disk_bytes = GBX_UNLIMITED,
            .scratches = gbx_cli_alloc(room, sizeof *plan->scratches),
            .seed = 1,
            .rounds = 10,
            .dirs = gbx_cli_alloc(room, sizeof *plan->dirs),
            .listeners = gbx_cli_alloc(gbx_cli_listen_most(line) + 1, sizeof *plan->listeners),
            .env = gbx_cli_alloc(room, sizeof *plan->env),
            .stubs = gbx_cli_alloc(room, sizeof *plan->stubs),
            .env_absent = gbx_cli_alloc(room, sizeof *plan->env_absent),
    };
    int status = plan_set_names(plan);
    if (status == CLI_EXIT_OK && line->command & (CLI_RUN | CLI_COMPILE | CLI_RECORD))
        status = plan_set_cache(plan);
    for (int i = 0; status == CLI_EXIT_OK && i < line->given_count; i++) {
        gbx_cli_diag_place(line->given[i].at);
        status = plan_apply(plan, i);
    }
    for (int i = 0; status == CLI_EXIT_OK && i < line->given_count; i++) {
        gbx_cli_diag_place(line->given[i].at);
        if (line->given[i].id == CLI_OPT_SCRATCH) status = plan_add_scratch(plan, i);
    }
    gbx_cli_diag_place(NULL);
    const char *const cwd = gbx_cli_line_value(line, CLI_OPT_CWD);
    if (status == CLI_EXIT_OK && cwd) status = plan_set_cwd(plan, cwd);
    if (status == CLI_EXIT_OK) plan_inherit_pwd(plan);
    bool relative = false;
    for (int i = 0; i < plan->dir_count; i++) relative = relative || plan->dirs[i].relative;
    if (status == CLI_EXIT_OK && relative && !plan->pwd) plan_set_env(plan, "PWD", "/");
    return status;
}

typedef struct plan_command {
    cli_command command;
    void (*help)(FILE *to);
    const char *verb;
} plan_command;

static const plan_command plan_commands[] = {
    {CLI_RUN, gbx_cli_help_run, "run"},
    {CLI_DIFF, gbx_cli_help_diff, "run"},
    {CLI_COMPILE, gbx_cli_help_compile, "compile"},
    {CLI_MEASURE, gbx_cli_help_measure, "measure"},
    {CLI_AUDIT, gbx_cli_help_audit, "look at"},
    {CLI_RECORD, gbx_cli_help_policy, "record"},
};

int
gbx_cli_begin(cli_plan *plan, cli_line *line, cli_command command, int argc, char **argv, int first)
{
    int const status = gbx_cli_line_parse(line, command, argc, argv, first);
    return status == CLI_EXIT_OK ? gbx_cli_begin_line(plan, line) : status;
}

int
gbx_cli_begin_line(cli_plan *plan, cli_line *line)
{
    const plan_command *row = plan_commands;
    while (row->command != line->command) row++;
    if (gbx_cli_line_find(line, CLI_OPT_HELP) >= 0) {
        bool const is_named = line->first > 1;
        (is_named ? row->help : gbx_cli_help_all)(stdout);
        return CLI_ANSWERED;
    }
    if (gbx_cli_line_find(line, CLI_OPT_VERSION) >= 0) {
        (void)gbx_cli_version();
        return CLI_ANSWERED;
    }
    if (line->file == line->argc)
        return gbx_cli_usage_error("no-file", gbx_cli_format("there is no FILE to %s", row->verb),
                                   "the command line ends after the options",
                                   gbx_cli_line_command(line, &(cli_edit){.args = "main.wasm"}));
    int const status = gbx_cli_policy_apply(line);
    return status == CLI_EXIT_OK ? gbx_cli_plan_make(plan, line) : status;
}
