/* `glovebox policy`: a run that refuses what is not granted, remembers what was asked for, and writes the
 * smallest set of grants that would have satisfied it, as a command line and as a file that people review.
 *
 * Recording grants nothing: what the guest may do is what the command line and --policy say, as with `run`. A
 * guest that ends at the first refusal shows one at a time; each round goes on from the policy of the one
 * before, which somebody has looked at meanwhile. Imports that are missing are made up and end who calls
 * them.
 *
 * The file is written when the guest has ended, beside its place, and renamed. One that is there already is
 * replaced only where the run used it. */
#include "cli/policy.h"

#include <errno.h>
#include <fcntl.h>
#include <gbx/unstable/probes.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Bounds that were not given: so many times what the run took, and no less. */
#define POLICY_TIMES         2
#define POLICY_LEAST_BYTES   ((uint64_t)1 << 20)
#define POLICY_MEMORY_LEAST  ((uint64_t)16 << 20)
#define POLICY_TIMEOUT_TIMES 20
#define POLICY_TIMEOUT_LEAST ((uint64_t)10 * 1000000000u)

static struct {
    const char *out;
    uint64_t begun_ns;
    cli_stub *stubs;
    int stub_count;
} policy_run;

/* The lines of the file and the words of the command line. */
typedef struct policy_text {
    cli_text file, words;
    int grants;
} policy_text;

void
gbx_cli_help_policy(FILE *to)
{
    fputs("usage: glovebox policy [options] FILE [options] -- [args...]\n"
          "       glovebox policy --check OLD NEW\n"
          "       glovebox policy --describe POLICY\n"
          "\n"
          "Run FILE with what is granted, refuse all else, and write what it used and asked for "
          "to\n"
          "FILE.policy or -o OUT: one grant a line, the narrowest that would do, bounds included. "
          "Look\n"
          "at it, take out what FILE should not have, and run with it:\n"
          "\n"
          "  glovebox policy main.wasm -- args            writes main.policy\n"
          "  glovebox policy --policy main.policy main.wasm -- args     goes on from it\n"
          "  glovebox run --policy main.policy main.wasm args\n"
          "\n"
          "--check says what NEW grants more than OLD: exit code 0 where that is nothing, 3 else.\n"
          "--describe puts a policy into words.\n"
          "\n"
          "A policy begins with the line " CLI_POLICY_FIRST
          "; # begins a comment. Its other lines:\n"
          "\n"
          "  dir HOST::GUEST::ro          or ::rw; relative names begin at the working directory\n"
          "  scratch GUEST=SIZE\n"
          "  env NAME                     this machine's value; NAME=VALUE: always this one\n"
          "  cwd PATH, argv0 NAME, listen ADDR:PORT, allow-special-files, sanitize-tty off\n"
          "  timeout 10s, fuel NUMBER, max-memory SIZE, max-output SIZE, max-disk SIZE\n"
          "  wasm-feature NAME=off, seed NUMBER\n"
          "  stub MODULE.NAME=trap        or =0\n"
          "  host MODULE.NAME \"(i64) -> (i32)\" \"purpose\"     a function that the embedding "
          "host gives\n"
          "\n"
          "What holds blanks stands in quotes, with \\\" \\\\ \\n \\t \\r \\xNN.\n"
          "\n"
          "options:\n",
          to);
    gbx_cli_help_options(to, gbx_cli_options, CLI_OPT_COUNT, CLI_RECORD);
}

/* ---- What is written */

static void
policy_put(policy_text *t, cli_option_id id, const char *value)
{
    gbx_cli_text_printf(&t->file, "%s%s%s\n", gbx_cli_policy_key(id), value ? " " : "",
                        value ? gbx_cli_policy_quote(value) : "");
    gbx_cli_text_printf(&t->words, "%s%s", t->words.len ? " " : "",
                        value ? gbx_cli_option_text(id, value) : gbx_cli_options[id].name);
    t->grants++;
}

static void
policy_comment(policy_text *t, const char *fmt, const char *a, const char *b)
{
    gbx_cli_text_printf(&t->file, "# ");
    gbx_cli_text_printf(&t->file, fmt, gbx_cli_show(a), gbx_cli_show(b));
    gbx_cli_text_printf(&t->file, "\n");
}

static void
policy_section(policy_text *t, const char *title)
{
    gbx_cli_text_printf(&t->file, "\n# %s\n", title);
}

static void
policy_dirs(policy_text *t, const cli_plan *plan, const cli_needs *needs)
{
    policy_section(t, "directories: HOST::GUEST::ro or ::rw");
    for (int i = 0; i < needs->dir_count; i++) {
        const cli_wanted *const w = &needs->dirs[i];
        policy_put(t, CLI_OPT_DIR,
                   gbx_cli_format("%s::%s::%s", w->host, w->guest, w->changes ? "rw" : "ro"));
    }
    if (!needs->is_whole && plan->dir_count)
        gbx_cli_text_printf(&t->file,
                            "# it used too many directories to list: these are what was granted\n");
    for (int i = 0; i < plan->scratch_count; i++)
        policy_put(
                t, CLI_OPT_SCRATCH,
                gbx_cli_format("%s=%" PRIu64, plan->scratches[i].guest, plan->scratches[i].bytes));
    if (needs->wants_temp)
        policy_put(t, CLI_OPT_SCRATCH, gbx_cli_format("%s=%" PRIu64, CLI_TEMP, CLI_SCRATCH_BYTES));
    if (plan->special_files) policy_put(t, CLI_OPT_ALLOW_SPECIAL_FILES, NULL);
    /* Without PWD, Go's working directory is the first grant, which may be another one here.
     * GO: syscall/fs_wasip1.go init (1.26). */
    const char *cwd = plan->pwd;
    if (!cwd && (needs->dir_count || needs->wants_temp)) cwd = plan->dir_count ? plan->dirs[0].guest : "/";
    if (cwd) policy_put(t, CLI_OPT_CWD, cwd);
}

static bool
policy_is_secret(const gbx_wasi *wasi, const char *name)
{
    enum { MOST = 256 };
    const char *names[MOST];
    size_t const count = gbx_wasi_secrets(wasi, names, MOST), len = strlen(name);
    for (size_t i = 0; i < count && i < MOST; i++)
        if (!strncmp(names[i], name, len) && names[i][len] == '=') return true;
    return count > MOST;
}

static bool
policy_is_asked(const char *name, const char *const *asked, size_t count)
{
    size_t i = 0;
    while (i < count && strcmp(asked[i], name) != 0) i++;
    return i < count;
}

/* Variables that Go's runtime reads by itself. GO: runtime/extern.go (1.26). */
static bool
policy_is_runtimes(const char *name)
{
    static const char *const names[] = {"GOGC", "GOMEMLIMIT", "GODEBUG", "GOTRACEBACK",
                                        "GOMAXPROCS"};
    for (size_t i = 0; i < CLI_LEN(names); i++)
        if (!strcmp(names[i], name)) return true;
    return false;
}

static bool
policy_is_gos(const char *name)
{
    static const char *const names[] = {
#define CLI_GOENV(name, source) name,
#include "cli/goenv.def"
#undef CLI_GOENV
    };
    for (size_t i = 0; i < CLI_LEN(names); i++)
        if (!strcmp(names[i], name)) return true;
    return false;
}

static void
policy_env(policy_text *t, const cli_plan *plan, const cli_guest *guest)
{
    gbx_probe probe;
    bool is_cut = false, is_seen = false;
    const char *const *asked = NULL;
    for (size_t i = 0; gbx_module_probe(guest->module, i, &probe); i++)
        is_seen = is_seen || (!strcmp(probe.slug, "env") && probe.is_linked);
    size_t const asked_count = gbx_store_env_asked(guest->store, &asked, &is_cut);
    bool const is_known = is_seen && !is_cut && !gbx_store_entered(guest->store, "environ");
    policy_section(t, "variables");
    if (!is_known)
        gbx_cli_text_printf(
                &t->file,
                "# which ones it asks for is not known, or it took all: all that were granted\n");
    for (int i = 0; i < plan->env_count; i++) {
        const cli_env *const e = &plan->env[i];
        const char *const here = getenv(e->name);
        bool const is_asked = policy_is_asked(e->name, asked, asked_count);
        if (!strcmp(e->name, "PWD")) continue;
        if (is_known && !is_asked && !policy_is_runtimes(e->name)) {
            policy_comment(t, "%s was granted, and not asked for%s", e->name, "");
            continue;
        }
        bool const is_hidden = policy_is_secret(guest->wasi, e->name);
        if ((here && !strcmp(here, e->value)) || is_hidden)
            policy_put(t, CLI_OPT_ENV, e->name);
        else
            policy_put(t, CLI_OPT_ENV, gbx_cli_format("%s=%s", e->name, e->value));
        if (is_hidden)
            policy_comment(t,
                           "the value of %s looks like a secret and is not written: set it where "
                           "glovebox runs%s",
                           e->name, "");
    }
    for (size_t i = 0; i < asked_count; i++) {
        bool is_granted = !strcmp(asked[i], "PWD");
        for (int k = 0; k < plan->env_count; k++)
            is_granted = is_granted || !strcmp(plan->env[k].name, asked[i]);
        if (is_granted) continue;
        if (policy_is_gos(asked[i]))
            policy_comment(t, "Go's library asked for %s by itself%s", asked[i], "");
        else if (getenv(asked[i]) && !strchr(asked[i], '\\'))
            policy_put(t, CLI_OPT_ENV, asked[i]);
        else
            policy_comment(t, "it asked for %s, which is not set here%s", asked[i], "");
    }
}

static void
policy_others(policy_text *t, const cli_plan *plan)
{
    if (plan->listener_count) policy_section(t, "sockets");
    for (int i = 0; i < plan->line->given_count; i++)
        if (plan->line->given[i].id == CLI_OPT_LISTEN)
            policy_put(t, CLI_OPT_LISTEN, plan->line->given[i].value);
    static const cli_option_id kept[] = {CLI_OPT_ARGV0, CLI_OPT_SEED, CLI_OPT_SANITIZE_TTY};
    for (size_t i = 0; i < CLI_LEN(kept); i++) {
        const char *const value = gbx_cli_line_value(plan->line, kept[i]);
        if (value) policy_put(t, kept[i], value);
    }
    for (int i = 0; i < GBX_FEATURE_COUNT; i++)
        if (plan->features_off & GBX_FEATURE_BIT(i))
            policy_put(t, CLI_OPT_WASM_FEATURE,
                       gbx_cli_format("%s=off", gbx_feature_name((gbx_feature)i)));
}

/* A call ended the guest: the host has to give the function. What was linked and never called needs a
 * stub. */
static void
policy_imports(policy_text *t, const cli_plan *plan)
{
    if (policy_run.stub_count || plan->stub_count)
        policy_section(t, "functions that glovebox does not supply");
    for (int i = 0; i < plan->stub_count; i++)
        if (strcmp(plan->stubs[i].name, "*") != 0)
            policy_put(t, CLI_OPT_STUB,
                       gbx_cli_format("%s=%s", plan->stubs[i].name,
                                      plan->stubs[i].is_trap ? "trap" : "0"));
    for (int i = 0; i < policy_run.stub_count; i++) {
        const cli_stub *const s = &policy_run.stubs[i];
        if (s->called)
            policy_comment(
                    t, "it called %s, which ended it: the host that embeds it has to supply it%s",
                    s->name, "");
        if (s->called)
            gbx_cli_text_printf(&t->file, "host %s %s \"\"\n", gbx_cli_policy_quote(s->name),
                                gbx_cli_policy_quote(s->signature));
        policy_put(t, CLI_OPT_STUB, gbx_cli_format("%s=trap", s->name));
    }
}

/* The next larger power of two; sizes are round numbers. */
static const char *
policy_size(uint64_t used, uint64_t least)
{
    uint64_t bytes = least;
    while (bytes < used * POLICY_TIMES && bytes < (uint64_t)1 << 40) bytes *= 2;
    return gbx_cli_format("%" PRIu64 "MiB", bytes >> 20);
}

static void
policy_bounds(policy_text *t, const cli_plan *plan, const cli_guest *guest)
{
    static gbx_err err;
    gbx_metrics m = GBX_METRICS_INIT;
    (void)gbx_store_metrics(guest->store, &m, &err);
    uint64_t const spent = gbx_cli_now_ns() - policy_run.begun_ns;
    uint64_t const timeout = spent * POLICY_TIMEOUT_TIMES / 1000000000u * 1000000000u;
    const char *const memory = gbx_cli_line_value(plan->line, CLI_OPT_MAX_MEMORY);
    const char *const output = gbx_cli_line_value(plan->line, CLI_OPT_MAX_OUTPUT);
    const char *const disk = gbx_cli_line_value(plan->line, CLI_OPT_MAX_DISK);
    const char *const time = gbx_cli_line_value(plan->line, CLI_OPT_TIMEOUT);
    policy_section(t, "bounds: as they were given, or more than twice what this run took");
    policy_put(t, CLI_OPT_MAX_MEMORY,
               memory ? memory : policy_size(m.memory_high_bytes, POLICY_MEMORY_LEAST));
    policy_put(t, CLI_OPT_MAX_OUTPUT,
               output ? output : policy_size(m.stream_written_bytes, POLICY_LEAST_BYTES));
    policy_put(t, CLI_OPT_MAX_DISK,
               disk ? disk : policy_size(m.file_written_bytes, POLICY_LEAST_BYTES));
    if (time)
        policy_put(t, CLI_OPT_TIMEOUT, time);
    else if (gbx_cli_stacks_signal())
        gbx_cli_text_printf(&t->file, "# no timeout: how long it would have run is not known\n");
    else if (plan->listener_count)
        gbx_cli_text_printf(&t->file, "# no timeout: it serves until it is ended\n");
    else
        policy_put(
                t, CLI_OPT_TIMEOUT,
                gbx_cli_format("%" PRIu64 "s",
                               (timeout > POLICY_TIMEOUT_LEAST ? timeout : POLICY_TIMEOUT_LEAST) /
                                       1000000000u));
    const char *const fuel = gbx_cli_line_value(plan->line, CLI_OPT_FUEL);
    if (fuel) policy_put(t, CLI_OPT_FUEL, fuel);
}

/* Somebody ended the run, or its deadline did: it had not come to its own end. */
static bool
policy_is_stopped(const char *ended)
{
    return !strcmp(ended, "cancelled") || !strcmp(ended, "deadline");
}

/* "ended with exit code 1" */
static const char *
policy_ended(const char *ended, int status)
{
    if (gbx_cli_stacks_signal()) return gbx_cli_format("was interrupted by %s", gbx_cli_stacks_signal());
    if (policy_is_stopped(ended)) return "was ended by its deadline";
    if (strcmp(ended, "exit") != 0) return gbx_cli_format("ended with %s", ended);
    return gbx_cli_format("ended with exit code %d", status);
}

static const char *
policy_why(const char *ended, int status)
{
    if (policy_is_stopped(ended))
        return gbx_cli_format("the run %s: what it would have asked for later is not in it;\n"
                              "the same command with --policy goes on from here",
                              policy_ended(ended, status));
    if (status == 0 && !strcmp(ended, "exit")) return NULL;
    return "the run did not end well: what comes behind the first refusal shows in the next round,\n"
           "the same command with --policy";
}

static void
policy_head(policy_text *t, const cli_plan *plan, const cli_guest *guest, const char *ended,
            int status)
{
    static gbx_err err;
    gbx_audit *audit = NULL;
    gbx_audit_info info = {0};
    gbx_cli_text_printf(
            &t->file,
            CLI_POLICY_FIRST "\n# what %s used and asked for in one run, which %s%s\n",
            gbx_cli_show(gbx_cli_quote(plan->program)), policy_ended(ended, status),
            plan->line->args < plan->line->argc ? "; other arguments may need more" : "");
    if (policy_is_stopped(ended))
        gbx_cli_text_printf(&t->file,
                            "# it was stopped, and what it would have asked for later is not here\n");
    if (gbx_audit_new(guest->module, &audit, &err) == GBX_OK) {
        gbx_audit_setting s;
        gbx_audit_get(audit, &info);
        if (*info.language) policy_comment(t, "made with %s %s", info.language, info.version);
        for (size_t i = 0; gbx_audit_setting_at(audit, i, &s); i++)
            if (!strcmp(s.kind, "path")) policy_comment(t, "from %s%s", s.name, "");
    }
    gbx_audit_release(audit);
    gbx_cli_text_printf(
            &t->file,
            "# take out what it should not have; glovebox policy --describe puts it into words\n");
}

static void
policy_refused(policy_text *t, const cli_needs *needs)
{
    if (needs->refused_count) policy_section(t, "refused, and not granted here");
    for (int i = 0; i < needs->refused_count; i++)
        policy_comment(t, "%s: %s", gbx_cli_quote(needs->refused[i].path), needs->refused[i].why);
}

/* ---- Where it is written */

/* Looked at before anything runs. */
static int
policy_check_out(const cli_plan *plan)
{
    const char *const given = gbx_cli_line_value(plan->line, CLI_OPT_POLICY);
    struct stat st;
    policy_run.out = plan->out ? plan->out : gbx_cli_file_beside(plan->program, ".policy");
    if (lstat(policy_run.out, &st) && errno == ENOENT) return CLI_EXIT_OK;
    if (gbx_cli_is_same_file(given, policy_run.out)) return CLI_EXIT_OK;
    cli_edit edit = {.add = gbx_cli_option_text(CLI_OPT_POLICY, policy_run.out)};
    bool const is_policy = !given && S_ISREG(st.st_mode);
    if (!is_policy)
        edit.add = gbx_cli_option_text(CLI_OPT_OUT, gbx_cli_format("%s.new", policy_run.out));
    int const at = gbx_cli_line_find(plan->line, CLI_OPT_OUT);
    if (!is_policy && at >= 0) {
        edit.skip = plan->line->given[at].word;
        edit.skip_count = plan->line->given[at].words;
    }
    return gbx_cli_usage_error(
            "policy-exists", gbx_cli_format("%s is there already", gbx_cli_quote(policy_run.out)),
            "a policy that somebody may have reviewed is not replaced by one that nobody has; with "
            "--policy the run goes on from it",
            gbx_cli_line_command(plan->line, &edit));
}

static int
policy_write(const char *text, size_t len)
{
    char *const beside = gbx_cli_format("%s.XXXXXX", policy_run.out);
    int const fd = mkostemp(beside, O_CLOEXEC);
    size_t done = 0;
    bool ok = fd >= 0;
    while (ok && done < len) {
        ssize_t const n = write(fd, text + done, len - done);
        if (n > 0)
            done += (size_t)n;
        else
            ok = n < 0 && errno == EINTR;
    }
    if (fd >= 0) {
        mode_t const mask = umask(0);
        (void)umask(mask);
        ok = ok && !fchmod(fd, 0666 & ~mask);
        ok = !close(fd) && ok;
    }
    if (ok && !rename(beside, policy_run.out)) return CLI_EXIT_OK;
    int const error = errno;
    if (fd >= 0) unlink(beside);
    return gbx_cli_usage_error(
            "policy-file", gbx_cli_format("%s cannot be written", gbx_cli_quote(policy_run.out)),
            strerror(error), "-o OUT, in a directory that can be written to");
}

/* The command `run` with these options, and the guest's words. */
static const char *
policy_command(const cli_plan *plan, const char *options)
{
    const cli_line *const line = plan->line;
    cli_text t = {0};
    gbx_cli_text_printf(&t, "%s run %s %s", gbx_cli_quote(line->argv[0]), options,
                        gbx_cli_quote(plan->program));
    for (int i = line->args; i < line->argc; i++)
        gbx_cli_text_printf(&t, " %s", gbx_cli_quote(line->argv[i]));
    return gbx_cli_text_get(&t);
}

/* Values of variables stay as they are masked elsewhere. */
static const char *
policy_masked(const cli_plan *plan, const policy_text *t)
{
    for (int i = 0; i < plan->env_count; i++) {
        const char *const here = getenv(plan->env[i].name);
        bool const is_pwd = !strcmp(plan->env[i].name, "PWD");
        if (!is_pwd && (!here || strcmp(here, plan->env[i].value) != 0)) return NULL;
    }
    return policy_command(plan, gbx_cli_text_get(&t->words));
}

static int
policy_record(const cli_plan *plan, const cli_guest *guest, const char *ended, int status)
{
    policy_text t = {0};
    cli_needs needs = {0};
    if (!guest->store || !guest->module || !guest->instance)
        return status ? status : CLI_EXIT_REFUSED;
    gbx_cli_needs(plan, guest->store, &needs);
    policy_head(&t, plan, guest, ended, status);
    policy_dirs(&t, plan, &needs);
    policy_env(&t, plan, guest);
    policy_others(&t, plan);
    policy_imports(&t, plan);
    policy_bounds(&t, plan, guest);
    policy_refused(&t, &needs);
    int const written = policy_write(t.file.data, t.file.len);
    if (written != CLI_EXIT_OK) return written;
    const char *const out = gbx_cli_quote(policy_run.out);
    const char *const run =
            policy_command(plan, gbx_cli_option_text(CLI_OPT_POLICY, policy_run.out));
    const char *const typed = policy_masked(plan, &t);
    gbx_cli_diag(&(cli_diag){
            .kind = "note",
            .slug = "policy",
            .message = gbx_cli_format("%s has what %s used and asked for: %d line%s to review", out,
                                      gbx_cli_quote(plan->program), t.grants,
                                      t.grants == 1 ? "" : "s"),
            .why = policy_why(ended, status),
            .fix = typed ? gbx_cli_format("%s\nwhich is %s", run, typed) : run,
    });
    return gbx_cli_stacks_signal() ? gbx_cli_stacks_status() : CLI_EXIT_OK;
}

/* ---- The command */

static int
policy_two(int argc, char **argv, int first)
{
    cli_policy a, b;
    bool const is_check = !strcmp(argv[first], "--check");
    int const files = is_check ? 2 : 1;
    if (argc != first + 1 + files)
        return gbx_cli_usage_error(
                "no-file",
                gbx_cli_format("%s takes %s", argv[first], is_check ? "two policies" : "a policy"),
                NULL,
                is_check ? "glovebox policy --check OLD NEW" : "glovebox policy --describe POLICY");
    int status = gbx_cli_policy_read(argv[first + 1], &a);
    if (status != CLI_EXIT_OK) return status;
    if (!is_check) return gbx_cli_policy_describe(&a);
    status = gbx_cli_policy_read(argv[first + 2], &b);
    return status == CLI_EXIT_OK ? gbx_cli_policy_check(&a, &b) : status;
}

int
gbx_cli_policy(int argc, char **argv, int first)
{
    cli_line line;
    cli_plan plan;
    if (first < argc && (!strcmp(argv[first], "--check") || !strcmp(argv[first], "--describe")))
        return policy_two(argc, argv, first);
    int status = gbx_cli_begin(&plan, &line, CLI_RECORD, argc, argv, first);
    if (status != CLI_EXIT_OK) return status == CLI_ANSWERED ? CLI_EXIT_OK : status;
    status = policy_check_out(&plan);
    if (status != CLI_EXIT_OK) return status;
    policy_run.begun_ns = gbx_cli_now_ns();
    plan.hints = false;
    plan.record = policy_record;
    plan.recorded = &policy_run.stubs;
    plan.recorded_count = &policy_run.stub_count;
    int number;
    status = gbx_cli_run_plan(&plan, &number);
    if (number) gbx_cli_die_of(number);
    return status;
}
