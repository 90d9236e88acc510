/* What one run of a program costs on top of a compiled module: processor time of instantiation, of the
 * call of _start and of taking both down, and the page faults of the call.
 *
 * start [-n ROUNDS] [--keep] [--huge] [--cache DIR] FILE.wasm [args ...] runs the program ROUNDS times, its
 * output going nowhere. Every round compiles the module anew, as a new process would, unless --keep is given.
 * --huge asks for huge pages, as `glovebox run` does. --cache has every round write an entry of a code cache,
 * which is emptied before: what letting go of the module then takes, and the size of the entry. Best and
 * median of the rounds; microseconds of the thread's own processor time. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <gbx/gbx.h>

enum { ROUNDS_MAX = 1000 };

/* What is measured, in the order it is printed. */
enum { COMPILE, INSTANTIATE, CALL, FAULTS, DROP, RELEASE, ENTRY, MEASURES };
static const char *const names[MEASURES] = {"compile us", "instantiate us", "_start us", "_start page faults",
                                            "drop us", "release us", "entry KiB"};

typedef struct program {
    gbx_engine *engine;
    gbx_bytes bytes;
    gbx_module *module;
    char **args;
    int arg_count;
    int null_fd;
    const char *cache; /* NULL: none */
    bool keep, huge;
} program;

static double
now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static double
faults(void)
{
    struct rusage r;
    getrusage(RUSAGE_THREAD, &r);
    return (double)r.ru_minflt;
}

static int
compare_doubles(const void *a, const void *b)
{
    double const x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static bool
read_file(const char *path, gbx_bytes *out)
{
    FILE *const f = fopen(path, "rb");
    if (!f || fseek(f, 0, SEEK_END)) return false;
    long const size = ftell(f);
    rewind(f);
    uint8_t *const data = size > 0 ? malloc((size_t)size) : NULL;
    *out = (gbx_bytes){data, data ? fread(data, 1, (size_t)size, f) : 0};
    fclose(f);
    return data;
}

static bool
make_wasi(const program *p, gbx_wasi **wasi, gbx_err *err)
{
    if (gbx_wasi_new(wasi, err)) return false;
    for (int fd = 0; fd < 3; fd++)
        if (gbx_wasi_stdio(*wasi, fd, p->null_fd, err)) return false;
    for (int i = 0; i < p->arg_count; i++)
        if (gbx_wasi_arg(*wasi, p->args[i], err)) return false;
    return true;
}

/* One run; false with a message where it fails. */
static bool
run(program *p, double measured[MEASURES])
{
    gbx_store *store = NULL;
    gbx_linker *linker = NULL;
    gbx_wasi *wasi = NULL;
    gbx_instance *instance = NULL;
    gbx_err err;
    gbx_trap trap;
    gbx_store_opts opts = GBX_STORE_OPTS_INIT;
    opts.huge_pages = p->huge;
    gbx_cache_info entries = {0};
    if (p->cache) (void)gbx_cache_clear(p->cache, &entries, NULL);
    double at = now_us();
    bool ok = (p->module || !gbx_module_compile(p->engine, p->bytes, NULL, &p->module, &err));
    measured[COMPILE] = now_us() - at;
    at = now_us();
    ok = ok && !gbx_store_new(p->engine, &opts, &store, &err) && !gbx_linker_new(store, &linker, &err) &&
         make_wasi(p, &wasi, &err) && !gbx_wasi_link(wasi, linker, &err) &&
         !gbx_instance_new(store, p->module, linker, &instance, &trap, &err);
    measured[INSTANTIATE] = now_us() - at;
    if (ok) {
        measured[FAULTS] = faults();
        at = now_us();
        gbx_trap_code const code =
                gbx_func_call(gbx_instance_func(instance, "_start"), NULL, 0, NULL, 0, &trap);
        measured[CALL] = now_us() - at;
        measured[FAULTS] = faults() - measured[FAULTS];
        ok = code == GBX_TRAP_NONE || (code == GBX_TRAP_EXIT && trap.exit_status == 0);
        if (!ok) fprintf(stderr, "start: %s %s\n", gbx_trap_text(code), trap.message);
    } else {
        fprintf(stderr, "start: %s\n", err.text);
    }
    at = now_us();
    gbx_linker_release(linker);
    gbx_store_release(store);
    measured[DROP] = now_us() - at;
    gbx_wasi_release(wasi);
    at = now_us();
    if (!p->keep) {
        gbx_module_release(p->module);
        p->module = NULL;
    }
    measured[RELEASE] = now_us() - at;
    entries = (gbx_cache_info){0};
    if (p->cache) (void)gbx_cache_inspect(p->cache, &entries, NULL);
    measured[ENTRY] = (double)entries.bytes / 1024;
    return ok;
}

int
main(int argc, char **argv)
{
    static double all[MEASURES][ROUNDS_MAX];
    program p = {0};
    int rounds = 25, at = 1;
    gbx_err err;
    gbx_engine_opts opts = GBX_ENGINE_OPTS_INIT;
    for (; at < argc && argv[at][0] == '-'; at++) {
        if (!strcmp(argv[at], "--keep")) p.keep = true;
        else if (!strcmp(argv[at], "--huge")) p.huge = true;
        else if (!strcmp(argv[at], "--cache") && at + 1 < argc) p.cache = argv[++at];
        else if (!strcmp(argv[at], "-n") && at + 1 < argc) rounds = atoi(argv[++at]);
        else break;
    }
    if (at >= argc || argv[at][0] == '-' || rounds < 1 || rounds > ROUNDS_MAX) {
        fprintf(stderr, "usage: start [-n ROUNDS] [--keep] [--huge] [--cache DIR] FILE.wasm [args ...]\n");
        return 2;
    }
    p.args = argv + at;
    p.arg_count = argc - at;
    p.null_fd = open("/dev/null", O_RDWR);
    opts.cache_dir = p.cache;
    opts.keep_ms = GBX_KEEP_OFF;
    if (!read_file(argv[at], &p.bytes) || gbx_engine_new(&opts, &p.engine, &err)) {
        fprintf(stderr, "start: %s cannot be read\n", argv[at]);
        return 2;
    }
    for (int i = 0; i < rounds; i++) {
        double measured[MEASURES];
        if (!run(&p, measured)) return 1;
        for (int k = 0; k < MEASURES; k++) all[k][i] = measured[k];
    }
    printf("%-22s %10s %10s\n", argv[at] + (strlen(argv[at]) > 22 ? strlen(argv[at]) - 22 : 0), "best",
           "median");
    for (int k = 0; k < MEASURES; k++) {
        qsort(all[k], (size_t)rounds, sizeof *all[k], compare_doubles);
        printf("%-22s %10.0f %10.0f\n", names[k], all[k][0], all[k][rounds / 2]);
    }
    return 0;
}
