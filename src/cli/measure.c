/* `glovebox measure`: what FILE costs: to start, to instantiate, to run, to keep.
 *
 * Starts are those of processes, as whoever types the command has them: this program is run again, with the
 * options that were given, its output going nowhere. Everything else is measured in this process. The cache
 * of warm starts is a directory of its own, which is gone at the end, however the end comes. A module that is
 * no command is instantiated and never called. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gbx/unstable/compiled.h>

#include "cli/cli.h"

#define MEASURE_WARM_UPS  20                     /* runs in process that are not counted: they compile; */
#define MEASURE_WARM_NS   ((uint64_t)2000000000) /* but no longer than that */
#define MEASURE_LIVE      32                     /* instances that are alive at once, */
#define MEASURE_LIVE_LESS 4                      /* or these, where a run takes long */
#define MEASURE_SLOW_NS   ((uint64_t)200000000)

typedef enum measure_what {
#define CLI_MEASURED(id, key, label, needs_start, meaning) MEASURE_##id,
#include "cli/measure.def"
#undef CLI_MEASURED
    MEASURE_COUNT
} measure_what;

typedef struct measure_row {
    const char *key, *label, *meaning;
    bool needs_start; /* only of commands */
} measure_row;

/* ORDER: measure_what */
static const measure_row measure_rows[MEASURE_COUNT] = {
#define CLI_MEASURED(id, key, label, needs_start, meaning) {key, label, meaning, needs_start},
#include "cli/measure.def"
#undef CLI_MEASURED
};

typedef struct measure_state {
    const cli_plan *plan;
    const cli_line *line;
    int null_fd;
    char cache[4096]; /* "" while there is none */
    bool is_command;
    uint64_t *samples[MEASURE_COUNT]; /* nanoseconds, plan->rounds of each that was measured; else NULL */
    uint64_t file_bytes, new_bytes, used_bytes; /* of FILE; of an instance, 0: not known */
    uint32_t funcs;
    int exit_code;
    const char *ended;
} measure_state;

typedef struct measure_tenant {
    gbx_store *store;
    gbx_linker *linker;
    gbx_instance *instance;
    int status; /* what is wrong with --stub was said; CLI_EXIT_OK: nothing is */
} measure_tenant;

/* ---- Interruptions: the directory must go, and a guest in this process must stop */

static volatile sig_atomic_t measure_signal, measure_child;
static gbx_store *volatile measure_running;

static void
measure_on_signal(int number)
{
    measure_signal = number;
    if (measure_child > 0) kill((pid_t)measure_child, number);
    gbx_store *const s = measure_running;
    if (s) gbx_store_cancel(s);
}

/* What our parent chose to ignore stays ignored. */
static void
measure_set_signals(void (*handler)(int number))
{
    static const int ends[] = {SIGINT, SIGTERM};
    for (size_t i = 0; i < CLI_LEN(ends); i++) {
        struct sigaction old, mine = {.sa_handler = handler};
        sigemptyset(&mine.sa_mask);
        if (!sigaction(ends[i], NULL, &old) && old.sa_handler != SIG_IGN) sigaction(ends[i], &mine, NULL);
    }
}

/* ---- Failures */

static int
measure_failed(const measure_state *m, const char *what, const char *why)
{
    return gbx_cli_usage_error("measure-failed",
                               gbx_cli_format("%s cannot be measured: %s",
                                              gbx_cli_quote(m->plan->program), what),
                               why, NULL);
}

/* ---- One instance */

static gbx_code
measure_engine(const measure_state *m, const char *cache, gbx_engine **engine, gbx_module **module,
               gbx_err *err)
{
    gbx_engine_opts opts = GBX_ENGINE_OPTS_INIT;
    gbx_compile_opts compile_opts = GBX_COMPILE_OPTS_INIT;
    opts.features_off = m->plan->features_off;
    opts.tier = m->plan->tier;
    opts.metered = m->plan->is_metered;
    opts.cache_dir = cache;
    opts.keep_ms = GBX_KEEP_OFF;
    compile_opts.trust = m->plan->allow_compiled ? GBX_TRUST_ANYBODY : GBX_TRUST_KEY;
    gbx_code const code = gbx_engine_new(&opts, engine, err);
    if (code != GBX_OK) return code;
    return gbx_module_compile_file(*engine, m->plan->program, &compile_opts, module, err);
}

static gbx_code
measure_open(const measure_state *m, gbx_engine *engine, const gbx_module *module, measure_tenant *t,
             gbx_err *err)
{
    gbx_wasi *wasi = NULL;
    gbx_trap trap;
    gbx_store_opts opts = GBX_STORE_OPTS_INIT;
    opts.timeout_ns = m->plan->timeout_ns;
    opts.memory_bytes = m->plan->memory_bytes;
    opts.output_bytes = m->plan->output_bytes;
    opts.disk_bytes = m->plan->disk_bytes;
    opts.fuel = m->plan->fuel;
    *t = (measure_tenant){0};
    gbx_code code = gbx_store_new(engine, &opts, &t->store, err);
    if (code == GBX_OK) code = gbx_linker_new(t->store, &t->linker, err);
    if (code == GBX_OK) code = gbx_wasi_new(&wasi, err);
    for (int fd = 0; code == GBX_OK && fd < 3; fd++) code = gbx_wasi_stdio(wasi, fd, m->null_fd, err);
    gbx_wasi_clock_real(wasi);
    if (code == GBX_OK) code = gbx_cli_run_grant(wasi, m->plan, err);
    if (code == GBX_OK) code = gbx_wasi_link(wasi, t->linker, err);
    if (code == GBX_OK && m->plan->stub_count) t->status = gbx_cli_stubs_define(m->plan, module, t->linker);
    if (t->status != CLI_EXIT_OK) code = GBX_ARGUMENT;
    measure_running = t->store;
    if (code == GBX_OK) code = gbx_instance_new(t->store, module, t->linker, &t->instance, &trap, err);
    measure_running = NULL;
    gbx_wasi_release(wasi);
    return code;
}

static void
measure_close(measure_tenant *t)
{
    gbx_linker_release(t->linker);
    gbx_store_release(t->store);
}

static void
measure_run(measure_state *m, const measure_tenant *t)
{
    static gbx_trap trap;
    measure_running = t->store;
    gbx_func_call(gbx_instance_func(t->instance, "_start"), NULL, 0, NULL, 0, &trap);
    measure_running = NULL;
    bool const is_exit = trap.code == GBX_TRAP_EXIT || trap.code == GBX_TRAP_NONE;
    m->ended = is_exit ? "exit" : gbx_trap_slug(trap.code);
    m->exit_code = trap.code == GBX_TRAP_EXIT ? (int)((uint32_t)trap.exit_status & 0xff)
                                              : gbx_trap_exit_code(trap.code);
}

/* ---- Starts */

/* The words of `glovebox run` with the options that were given and one more. */
static char **
measure_words(const measure_state *m, const char *cache)
{
    const cli_line *const line = m->line;
    char **const words = gbx_cli_alloc((size_t)line->argc + 8, sizeof *words);
    int count = 0;
    words[count++] = line->argv[0];
    words[count++] = gbx_cli_format("run");
    words[count++] = gbx_cli_format("--hints=off");
    words[count++] = *cache ? gbx_cli_format("--cache-dir=%s", cache) : gbx_cli_format("--cache=off");
    for (int i = 0; i < line->given_count; i++) {
        const cli_given *const given = &line->given[i];
        if (!(gbx_cli_options[given->id].commands & CLI_RUN)) continue;
        if (line->origin[given->word] == CLI_FROM_ENVIRON) continue; /* it has the variable too */
        for (int k = 0; k < given->words; k++) words[count++] = line->argv[given->word + k];
    }
    words[count++] = gbx_cli_format("--");
    for (int i = line->file; i < line->argc; i++) words[count++] = line->argv[i];
    return words;
}

/* From the beginning of a process to its end; 0: it could not be started. */
static uint64_t
measure_process(const measure_state *m, char **words)
{
    extern char **environ;
    posix_spawn_file_actions_t actions;
    pid_t pid;
    int status;
    if (posix_spawn_file_actions_init(&actions)) return 0;
    bool ok = true;
    for (int fd = 0; fd < 3; fd++) ok = ok && !posix_spawn_file_actions_adddup2(&actions, m->null_fd, fd);
    uint64_t const begun = gbx_cli_now_ns();
    if (ok) errno = posix_spawn(&pid, "/proc/self/exe", &actions, NULL, words, environ);
    ok = ok && !errno;
    if (ok) {
        measure_child = pid;
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR) continue;
        measure_child = 0;
    }
    uint64_t const spent = gbx_cli_now_ns() - begun;
    posix_spawn_file_actions_destroy(&actions);
    return ok ? spent : 0;
}

static int
measure_starts(measure_state *m)
{
    char **const cold = measure_words(m, ""), **const warm = measure_words(m, m->cache);
    for (int i = 0; i < 2 && !measure_signal; i++) /* what the first finds warm, the second adds to */
        if (!measure_process(m, warm)) return measure_failed(m, "no process can be started", strerror(errno));
    for (uint32_t i = 0; i < m->plan->rounds && !measure_signal; i++) {
        m->samples[MEASURE_COLD][i] = measure_process(m, cold);
        m->samples[MEASURE_WARM][i] = measure_process(m, warm);
    }
    return CLI_EXIT_OK;
}

/* In this process, from nothing to an instance. */
static gbx_code
measure_ready(const measure_state *m, const char *cache, uint64_t *spent, gbx_err *err)
{
    gbx_engine *engine = NULL;
    gbx_module *module = NULL;
    measure_tenant t = {0};
    uint64_t const begun = gbx_cli_now_ns();
    gbx_code code = measure_engine(m, cache, &engine, &module, err);
    if (code == GBX_OK) code = measure_open(m, engine, module, &t, err);
    *spent = gbx_cli_now_ns() - begun;
    measure_close(&t);
    gbx_module_release(module);
    gbx_engine_release(engine);
    return code;
}

static gbx_code
measure_all_ready(measure_state *m, gbx_err *err)
{
    uint64_t unused;
    gbx_code code = measure_ready(m, m->cache, &unused, err);
    for (uint32_t i = 0; code == GBX_OK && i < m->plan->rounds && !measure_signal; i++) {
        code = measure_ready(m, NULL, &m->samples[MEASURE_READY_COLD][i], err);
        if (code == GBX_OK) code = measure_ready(m, m->cache, &m->samples[MEASURE_READY_WARM][i], err);
    }
    return code;
}

/* ---- Many instances of one module */

static gbx_code
measure_round(measure_state *m, gbx_engine *engine, const gbx_module *module, uint64_t *made, uint64_t *ran,
              gbx_err *err)
{
    measure_tenant t;
    uint64_t const begun = gbx_cli_now_ns();
    gbx_code const code = measure_open(m, engine, module, &t, err);
    uint64_t const opened = gbx_cli_now_ns();
    if (code == GBX_OK && m->is_command) measure_run(m, &t);
    *made = opened - begun;
    *ran = gbx_cli_now_ns() - opened;
    measure_close(&t);
    return code;
}

static gbx_code
measure_rounds(measure_state *m, gbx_engine *engine, const gbx_module *module, gbx_err *err)
{
    uint64_t made, ran;
    uint64_t const begun = gbx_cli_now_ns();
    gbx_code code = GBX_OK;
    for (int i = 0; code == GBX_OK && i < MEASURE_WARM_UPS && !measure_signal; i++) {
        code = measure_round(m, engine, module, &made, &ran, err);
        if (gbx_cli_now_ns() - begun > MEASURE_WARM_NS) break;
    }
    for (uint32_t i = 0; code == GBX_OK && i < m->plan->rounds && !measure_signal; i++) {
        code = measure_round(m, engine, module, &m->samples[MEASURE_INSTANTIATE][i], &ran, err);
        if (m->is_command) m->samples[MEASURE_RUN][i] = ran;
    }
    return code;
}

/* Memory of this process that is its own, and that of its page tables. */
static uint64_t
measure_memory(void)
{
    uint64_t const own = gbx_cli_proc_bytes("/proc/self/smaps_rollup", "Pss:");
    return own ? own + gbx_cli_proc_bytes("/proc/self/status", "VmPTE:") : 0;
}

static uint64_t
measure_share(uint64_t before, uint32_t count)
{
    uint64_t const now = measure_memory();
    return before && now > before ? (now - before) / count : 0;
}

/* Instances that stand there: before they have run, and after. */
static gbx_code
measure_idle(measure_state *m, gbx_engine *engine, const gbx_module *module, gbx_err *err)
{
    static measure_tenant all[MEASURE_LIVE];
    bool const is_slow = m->is_command && m->samples[MEASURE_RUN][0] > MEASURE_SLOW_NS;
    uint32_t const count = is_slow ? MEASURE_LIVE_LESS : MEASURE_LIVE;
    gbx_code code = GBX_OK;
    uint64_t const before = measure_memory();
    for (uint32_t i = 0; code == GBX_OK && i < count && !measure_signal; i++)
        code = measure_open(m, engine, module, &all[i], err);
    m->new_bytes = measure_share(before, count);
    for (uint32_t i = 0; code == GBX_OK && m->is_command && i < count && !measure_signal; i++)
        measure_run(m, &all[i]);
    if (m->is_command) m->used_bytes = measure_share(before, count);
    for (uint32_t i = 0; i < count; i++) measure_close(&all[i]);
    return code;
}

/* The instances of the first are not kept for the second, whose memory would be theirs. */
static gbx_code
measure_instances(measure_state *m, gbx_err *err)
{
    gbx_code code = GBX_OK;
    for (int part = 0; code == GBX_OK && part < 2 && !measure_signal; part++) {
        gbx_engine *engine = NULL;
        gbx_module *module = NULL;
        code = measure_engine(m, NULL, &engine, &module, err);
        uint64_t made, ran;
        if (code == GBX_OK && part == 0) code = measure_rounds(m, engine, module, err);
        for (int i = 0; code == GBX_OK && part == 1 && i < 2; i++) /* what the module has once */
            code = measure_round(m, engine, module, &made, &ran, err);
        if (code == GBX_OK && part == 1) code = measure_idle(m, engine, module, err);
        gbx_module_release(module);
        gbx_engine_release(engine);
    }
    return code;
}

/* ---- Saying it */

static int
measure_compare(const void *a, const void *b)
{
    uint64_t x, y;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return (x > y) - (x < y);
}

static const char *
measure_time(uint64_t ns)
{
    if (ns < 1000000) return gbx_cli_format("%.1f us", (double)ns / 1e3);
    if (ns < 1000000000) return gbx_cli_format("%.2f ms", (double)ns / 1e6);
    return gbx_cli_format("%.2f s", (double)ns / 1e9);
}

static uint64_t
measure_per_gib(uint64_t bytes)
{
    return bytes ? ((uint64_t)1 << 30) / bytes : 0;
}

static void
measure_idle_line(const char *label, uint64_t bytes)
{
    if (!bytes) return;
    printf("%-28s %8.2f MiB, %" PRIu64 " a GiB\n", label, (double)bytes / 1048576, measure_per_gib(bytes));
}

static void
measure_table(const measure_state *m)
{
    printf("%s: %.2f MiB, %" PRIu32 " functions, %s\n", gbx_cli_quote(m->plan->program),
           (double)m->file_bytes / 1048576, m->funcs, m->is_command ? "a command" : "no command: not run");
    printf("%-28s %12s %12s\n", gbx_cli_format("%u rounds", m->plan->rounds), "best", "median");
    for (int i = 0; i < MEASURE_COUNT; i++)
        if (m->samples[i])
            printf("%-28s %12s %12s\n", measure_rows[i].label, measure_time(m->samples[i][0]),
                   measure_time(m->samples[i][m->plan->rounds / 2]));
    measure_idle_line("idle instance", m->new_bytes);
    measure_idle_line("idle instance that has run", m->used_bytes);
    if (m->is_command && m->exit_code) {
        fflush(stdout);
        gbx_cli_diag(&(cli_diag){
                .kind = "note",
                .slug = "measure-exit",
                .message = gbx_cli_format("%s fails: exit code %d%s%s", gbx_cli_quote(m->plan->program),
                                          m->exit_code, strcmp(m->ended, "exit") ? ", " : "",
                                          strcmp(m->ended, "exit") ? m->ended : ""),
                .why = "what it wrote went nowhere: with run in place of measure it can be read"});
    }
}

static void
measure_json(const measure_state *m)
{
    printf("{\n  \"glovebox\": \"%s\",\n  \"module\": ", gbx_version());
    gbx_cli_json_string(stdout, m->plan->program);
    printf(",\n  \"bytes\": %" PRIu64 ",\n  \"functions\": %" PRIu32, m->file_bytes, m->funcs);
    printf(",\n  \"command\": %s", m->is_command ? "true" : "false");
    if (m->is_command) printf(",\n  \"ended\": \"%s\",\n  \"exit_code\": %d", m->ended, m->exit_code);
    printf(",\n  \"rounds\": %" PRIu32, m->plan->rounds);
    for (int i = 0; i < MEASURE_COUNT; i++)
        if (m->samples[i])
            printf(",\n  \"%s\": {\"best\": %" PRIu64 ", \"median\": %" PRIu64 "}", measure_rows[i].key,
                   m->samples[i][0], m->samples[i][m->plan->rounds / 2]);
    printf(",\n  \"idle_bytes\": %" PRIu64 ",\n  \"idle_per_gib\": %" PRIu64, m->new_bytes,
           measure_per_gib(m->new_bytes));
    if (m->is_command)
        printf(",\n  \"idle_used_bytes\": %" PRIu64 ",\n  \"idle_used_per_gib\": %" PRIu64, m->used_bytes,
               measure_per_gib(m->used_bytes));
    printf("\n}\n");
}

void
gbx_cli_help_measure(FILE *to)
{
    fputs("usage: glovebox measure [options] FILE [args...]\n"
          "\n"
          "Say what the module FILE costs: to start, to instantiate, to run with args, to keep. Its output\n"
          "goes nowhere and its input is empty; it gets the grants of the options, and runs many times.\n"
          "A module without _start is instantiated and never called. Best and median of the rounds:\n"
          "\n",
          to);
    for (int i = 0; i < MEASURE_COUNT; i++)
        fprintf(to, "  %-28s %s\n  %-28s %s\n", measure_rows[i].label, measure_rows[i].meaning, "",
                gbx_cli_format("(--json: %s, in nanoseconds%s)", measure_rows[i].key,
                               measure_rows[i].needs_start ? "; of commands" : ""));
    fputs("  idle instance                memory that one more instance takes, and how many a GiB holds: 32\n"
          "                               of them alive, proportional set size and page tables\n"
          "                               (--json: idle_bytes, idle_per_gib)\n"
          "  idle instance that has run   the same after _start: what it touched, it keeps\n"
          "                               (--json: idle_used_bytes, idle_used_per_gib; of commands)\n"
          "\n"
          "Warm starts have a code cache in a temporary directory, which is removed. --json prints also\n"
          "bytes (of FILE), functions, command (whether it is one), ended and exit_code, rounds. Times are\n"
          "those of this machine with whatever else it does: the best is the one to compare.\n"
          "\n"
          "options:\n",
          to);
    gbx_cli_help_options(to, gbx_cli_options, CLI_OPT_COUNT, CLI_MEASURE);
}

/* ---- All of it */

static bool
measure_is_command(const gbx_module *module)
{
    gbx_extern_info info;
    for (size_t i = 0; gbx_module_export(module, i, &info); i++)
        if (info.kind == GBX_EXTERN_FUNC && !strcmp(info.name, "_start"))
            return !strcmp(info.signature, "() -> ()");
    return false;
}

/* What FILE is, said as `run` would where it cannot be run. */
static int
measure_look(measure_state *m)
{
    static gbx_err err;
    struct stat st;
    gbx_engine *engine = NULL;
    gbx_module *module = NULL;
    gbx_compiled n;
    gbx_code const code = measure_engine(m, NULL, &engine, &module, &err);
    int status = CLI_EXIT_OK;
    if (code != GBX_OK) {
        status = gbx_cli_report_error(m->plan, NULL, code, &err);
    } else if (stat(m->plan->program, &st) || !S_ISREG(st.st_mode)) {
        status = measure_failed(m, "it is a pipe or a device", "it is read many times");
    } else {
        measure_tenant t;
        m->file_bytes = (uint64_t)st.st_size;
        m->is_command = measure_is_command(module);
        gbx_code const made = measure_open(m, engine, module, &t, &err);
        if (made == GBX_UNKNOWN_IMPORT || made == GBX_IMPORT_TYPE)
            status = gbx_cli_missing(m->plan, module, t.linker);
        else if (made != GBX_OK)
            status = t.status ? t.status : gbx_cli_report_error(m->plan, module, made, &err);
        measure_close(&t);
        gbx_compiled_get(module, &n);
        m->funcs = n.funcs;
    }
    gbx_module_release(module);
    gbx_engine_release(engine);
    return status;
}

static int
measure_everything(measure_state *m)
{
    static gbx_err err;
    for (int i = 0; i < MEASURE_COUNT; i++)
        if (m->is_command || !measure_rows[i].needs_start)
            m->samples[i] = gbx_cli_alloc(m->plan->rounds, sizeof *m->samples[i]);
    int const status = m->is_command ? measure_starts(m) : CLI_EXIT_OK;
    if (status != CLI_EXIT_OK || measure_signal) return status;
    gbx_code code = measure_all_ready(m, &err);
    if (code == GBX_OK && !measure_signal) code = measure_instances(m, &err);
    if (code != GBX_OK && !measure_signal) return gbx_cli_report_error(m->plan, NULL, code, &err);
    for (int i = 0; i < MEASURE_COUNT; i++)
        if (m->samples[i]) qsort(m->samples[i], m->plan->rounds, sizeof *m->samples[i], measure_compare);
    return CLI_EXIT_OK;
}

/* With a directory for the cache, which does not outlive this. */
static int
measure_with_cache(measure_state *m)
{
    static gbx_err err;
    gbx_cache_info info;
    const char *const tmp = getenv("TMPDIR");
    snprintf(m->cache, sizeof m->cache, "%s/glovebox-measure-XXXXXX", tmp && *tmp ? tmp : "/tmp");
    measure_set_signals(measure_on_signal);
    if (!mkdtemp(m->cache)) {
        const char *const why = gbx_cli_format("%s: %s", gbx_cli_quote(m->cache), strerror(errno));
        return measure_failed(m, "there is no place for a cache of its own (TMPDIR)", why);
    }
    int const status = measure_everything(m);
    (void)gbx_cache_clear(m->cache, &info, &err);
    rmdir(m->cache);
    if (measure_signal) {
        signal(measure_signal, SIG_DFL);
        raise(measure_signal);
    }
    measure_set_signals(SIG_DFL);
    return status;
}

int
gbx_cli_measure(int argc, char **argv, int first)
{
    static measure_state m;
    cli_line line;
    cli_plan plan;
    int status = gbx_cli_begin(&plan, &line, CLI_MEASURE, argc, argv, first);
    if (status != CLI_EXIT_OK) return status == CLI_ANSWERED ? CLI_EXIT_OK : status;
    m = (measure_state){.plan = &plan, .line = &line, .ended = "exit"};
    m.null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    status = measure_look(&m);
    if (status == CLI_EXIT_OK) status = measure_with_cache(&m);
    if (status == CLI_EXIT_OK) (plan.json ? measure_json : measure_table)(&m);
    return status;
}
