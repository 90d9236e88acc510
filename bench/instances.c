/* What an instance costs where a process runs many: wall time of making one (store, grants and all), of a run, of
 * dropping it; runs a second on several threads; and memory of instances that are alive and idle.
 *
 * instances [-n ROUNDS] [--live COUNT] [--threads N] [--no-pool] FILE.wasm [args ...]
 * instances --call EXPORT [--snapshot] [--resume EXPORT] ... FILE.wasm [args ...]
 *
 * With --call, FILE is a reactor: making an instance takes `_initialize` in, and a run is a call of that export.
 * With --snapshot, instances begin with a snapshot of one that is initialised: they share all that the guest was
 * told, or, with --resume, that export renews what can be renewed, and making an instance takes it in.
 *
 * Memory is the process's proportional set size and its page tables, divided by the instances; "new" ones have
 * not run, "used" ones have, and keep their memory. Output of the program goes nowhere. */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <gbx/gbx.h>

enum { ROUNDS_MAX = 100000 };
enum { INSTANTIATE, CALL, DROP, ALL, MEASURES };
static const char *const names[MEASURES] = {"instantiate us", "call us", "drop us", "all of it us"};

static gbx_engine *engine;
static gbx_module *module;
static char **args;
static const char *reactor_call, *resume;
static gbx_snapshot *snapshot;
static int arg_count, null_fd;

typedef struct tenant {
    gbx_store *store;
    gbx_instance *instance;
} tenant;

static double
now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static bool
tenant_call(const tenant *t, const char *name)
{
    gbx_trap trap;
    gbx_val results[1];
    gbx_func *const f = gbx_instance_func(t->instance, name);
    size_t const count = f ? gbx_func_results(f, NULL) : 0;
    if (!f || gbx_func_params(f, NULL) || count > 1) {
        fprintf(stderr, "instances: no export %s without parameters\n", name);
        return false;
    }
    if (count) { /* its type is not known here, and any will be told */
        const gbx_valtype *types;
        (void)gbx_func_results(f, &types);
        results[0].type = types[0];
    }
    gbx_trap_code const code = gbx_func_call(f, NULL, 0, results, count, &trap);
    bool const ok = code == GBX_TRAP_NONE || (code == GBX_TRAP_EXIT && trap.exit_status == 0);
    if (!ok) fprintf(stderr, "instances: %s %s\n", gbx_trap_text(code), trap.message);
    return ok;
}

static gbx_code
tenant_instance(tenant *t, gbx_linker *linker, gbx_err *err)
{
    gbx_trap trap;
    return snapshot ? gbx_instance_resume(t->store, snapshot, linker, &t->instance, &trap, err)
                    : gbx_instance_new(t->store, module, linker, &t->instance, &trap, err);
}

static bool
tenant_open(tenant *t)
{
    gbx_linker *linker = NULL;
    gbx_wasi *wasi = NULL;
    gbx_err err = {0};
    bool ok = !gbx_store_new(engine, NULL, &t->store, &err) && !gbx_linker_new(t->store, &linker, &err) &&
              !gbx_wasi_new(&wasi, &err);
    for (int fd = 0; ok && fd < 3; fd++) ok = !gbx_wasi_stdio(wasi, fd, null_fd, &err);
    for (int i = 0; ok && i < arg_count; i++) ok = !gbx_wasi_arg(wasi, args[i], &err);
    ok = ok && !gbx_wasi_link(wasi, linker, &err) && !tenant_instance(t, linker, &err);
    gbx_wasi_release(wasi);
    gbx_linker_release(linker);
    if (!ok) fprintf(stderr, "instances: %s\n", err.text);
    return ok && (!reactor_call || snapshot || tenant_call(t, "_initialize"));
}

static bool
tenant_run(const tenant *t)
{
    return tenant_call(t, reactor_call ? reactor_call : "_start");
}

static bool
make_snapshot(void)
{
    gbx_snapshot_opts opts = GBX_SNAPSHOT_OPTS_INIT;
    gbx_err err = {0};
    tenant t;
    opts.renews = resume ? GBX_FROM_RANDOM | GBX_FROM_CLOCK | GBX_FROM_ARGS | GBX_FROM_ENV : 0;
    opts.shares = GBX_FROM_ALL & ~opts.renews;
    opts.resume = resume;
    if (!tenant_open(&t)) return false;
    double const start = now_us();
    gbx_code const code = gbx_snapshot_take(t.instance, &opts, &snapshot, &err);
    if (code) fprintf(stderr, "instances: %s\n", err.text);
    else printf("%-22s %10.1f\n", "snapshot us", now_us() - start);
    gbx_store_release(t.store);
    return code == GBX_OK;
}

static bool
round_of(double us[MEASURES])
{
    tenant t;
    double const start = now_us();
    if (!tenant_open(&t)) return false;
    double const made = now_us();
    bool const ok = tenant_run(&t);
    double const ran = now_us();
    gbx_store_release(t.store);
    double const end = now_us();
    us[INSTANTIATE] = made - start;
    us[CALL] = ran - made;
    us[DROP] = end - ran;
    us[ALL] = end - start;
    return ok;
}

static int
compare_doubles(const void *a, const void *b)
{
    double const x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static bool
time_rounds(int rounds)
{
    static double all[MEASURES][ROUNDS_MAX];
    for (int i = -20; i < rounds; i++) { /* the first ones compile */
        double us[MEASURES];
        if (!round_of(us)) return false;
        for (int k = 0; i >= 0 && k < MEASURES; k++) all[k][i] = us[k];
    }
    printf("%-22s %10s %10s %10s\n", "one thread", "best", "median", "99 of 100");
    for (int k = 0; k < MEASURES; k++) {
        qsort(all[k], (size_t)rounds, sizeof *all[k], compare_doubles);
        printf("%-22s %10.1f %10.1f %10.1f\n", names[k], all[k][0], all[k][rounds / 2],
               all[k][(size_t)rounds * 99 / 100]);
    }
    return true;
}

static void *
thread_rounds(void *data)
{
    double us[MEASURES];
    for (int i = 0; i < *(const int *)data; i++)
        if (!round_of(us)) return data;
    return NULL;
}

static void
time_threads(int threads, int rounds)
{
    pthread_t ids[64];
    void *failed = NULL;
    double const start = now_us();
    for (int i = 0; i < threads; i++) pthread_create(&ids[i], NULL, thread_rounds, &rounds);
    for (int i = 0; i < threads; i++) {
        void *wrong;
        pthread_join(ids[i], &wrong);
        if (wrong) failed = wrong;
    }
    double const us = now_us() - start;
    if (!failed) printf("runs a second, %d threads: %.0f\n", threads, threads * rounds / us * 1e6);
}

/* The number behind `key` in a file of /proc, in KiB. */
static double
proc_kib(const char *path, const char *key)
{
    char line[512];
    double kib = 0;
    FILE *const f = fopen(path, "r");
    while (f && fgets(line, sizeof line, f))
        if (!strncmp(line, key, strlen(key))) kib = strtod(line + strlen(key), NULL);
    if (f) fclose(f);
    return kib;
}

static double
memory_kib(void)
{
    return proc_kib("/proc/self/smaps_rollup", "Pss:") + proc_kib("/proc/self/status", "VmPTE:");
}

static int
mappings(void)
{
    int n = 0;
    FILE *const f = fopen("/proc/self/maps", "r");
    for (int c; f && (c = getc(f)) != EOF;) n += c == '\n';
    if (f) fclose(f);
    return n;
}

static void
live_line(const char *what, double kib, int maps, int count)
{
    double const each = kib / count / 1024;
    printf("%-22s %10.3f %10.0f %10.2f %10.2f\n", what, each, 1024 / each, (double)maps / count,
           kib / 1024 / 1024);
}

static bool
measure_live(int count)
{
    tenant *const all = calloc((size_t)count, sizeof *all);
    double const before = memory_kib();
    int const maps = mappings();
    bool ok = all != NULL;
    for (int i = 0; ok && i < count; i++) ok = tenant_open(&all[i]);
    if (ok) {
        printf("%-22d %10s %10s %10s %10s\n", count, "MiB each", "a GiB", "mappings", "GiB");
        live_line("live, new", memory_kib() - before, mappings() - maps, count);
    }
    for (int i = 0; ok && i < count; i++) ok = tenant_run(&all[i]);
    if (ok) live_line("live, used", memory_kib() - before, mappings() - maps, count);
    double const start = now_us();
    for (int i = 0; all && i < count; i++) gbx_store_release(all[i].store);
    printf("dropped in %.1f ms\n", (now_us() - start) / 1e3);
    free(all);
    return ok;
}

int
main(int argc, char **argv)
{
    int rounds = 2000, live = 0, threads = 2, at = 1;
    bool wants_snapshot = false;
    gbx_engine_opts opts = GBX_ENGINE_OPTS_INIT;
    gbx_err err;
    for (; at < argc && argv[at][0] == '-'; at++) {
        if (!strcmp(argv[at], "--no-pool")) opts.pool_instances = GBX_POOL_OFF;
        else if (!strcmp(argv[at], "--snapshot")) wants_snapshot = true;
        else if (!strcmp(argv[at], "--call") && at + 1 < argc) reactor_call = argv[++at];
        else if (!strcmp(argv[at], "--resume") && at + 1 < argc) resume = argv[++at];
        else if (!strcmp(argv[at], "-n") && at + 1 < argc) rounds = atoi(argv[++at]);
        else if (!strcmp(argv[at], "--live") && at + 1 < argc) live = atoi(argv[++at]);
        else if (!strcmp(argv[at], "--threads") && at + 1 < argc) threads = atoi(argv[++at]);
        else break;
    }
    if (at >= argc || argv[at][0] == '-' || rounds < 1 || rounds > ROUNDS_MAX || threads > 64) {
        fprintf(stderr, "usage: instances [-n ROUNDS] [--live COUNT] [--threads N] [--no-pool] FILE.wasm\n");
        return 2;
    }
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max; /* three streams each */
        setrlimit(RLIMIT_NOFILE, &files);
    }
    args = argv + at;
    arg_count = argc - at;
    null_fd = open("/dev/null", O_RDWR);
    if (gbx_engine_new(&opts, &engine, &err) || gbx_module_compile_file(engine, argv[at], NULL, &module, &err)) {
        fprintf(stderr, "instances: %s\n", err.text);
        return 2;
    }
    if ((wants_snapshot && !make_snapshot()) || !time_rounds(rounds)) return 1;
    for (int n = 1; n <= threads; n *= 2) time_threads(n, rounds);
    if (live && !measure_live(live)) return 1;
    gbx_snapshot_release(snapshot);
    gbx_module_release(module);
    gbx_engine_release(engine);
    return 0;
}
