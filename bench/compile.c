/* How fast functions are compiled: MB of code section per second of one thread's own processor time, with all
 * functions of a module compiled when it is instantiated (the eager tier).
 *
 * compile [-n ROUNDS] [--keep] FILE.wasm ... instantiates each file ROUNDS times, each time in a new engine,
 * as a new process would; --keep uses one engine throughout, so that code memory is used again. Decoding and
 * validation come before and do not count (see validate.c). Imports that preview 1 does not have are
 * supplied as functions that trap. MB are 10^6 bytes.
 *
 * The parts are shares of the time of day, of the best round, laid over its processor time: what else an
 * instance costs (memory, tables, data) is the last of them, and does not count in MB/s. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <gbx/gbx.h>
#include <gbx/unstable/compiled.h>

enum { ROUNDS_MAX = 1000, PARAMS_MAX = 64 };
enum { FACTS, EMIT, PUBLISH, REST, PARTS };
static const char *const part_names[PARTS] = {"facts pass", "emission", "publishing", "instance"};

typedef struct round_result {
    double ms; /* of processor time, without the instance's own */
    double parts_ms[PARTS];
    gbx_compiled figures;
} round_result;

static double
now_ns(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static int
compare_rounds(const void *a, const void *b)
{
    double const x = ((const round_result *)a)->ms, y = ((const round_result *)b)->ms;
    return (x > y) - (x < y);
}

static gbx_trap_code
refuse(gbx_caller *caller, void *data, const gbx_val *args, gbx_val *results)
{
    (void)data, (void)args, (void)results;
    gbx_caller_set_message(caller, "a function that this benchmark does not have");
    return GBX_TRAP_HOST;
}

/* "i32, i64)" and so on, up to the closing parenthesis. */
static size_t
read_types(const char **at, gbx_valtype types[PARAMS_MAX])
{
    static const struct {
        const char *name;
        gbx_valtype type;
    } rows[] = {{"i32", GBX_I32}, {"i64", GBX_I64}, {"f32", GBX_F32}, {"f64", GBX_F64},
                {"funcref", GBX_FUNCREF}, {"externref", GBX_EXTERNREF}};
    size_t count = 0;
    while (**at && **at != ')') {
        size_t const len = strcspn(*at, ",)");
        for (size_t i = 0; i < sizeof rows / sizeof rows[0] && count < PARAMS_MAX; i++)
            if (strlen(rows[i].name) == len && !strncmp(*at, rows[i].name, len))
                types[count++] = rows[i].type;
        *at += len;
        *at += strspn(*at, ", ");
    }
    return count;
}

static void
supply(void *data, const gbx_link_problem *problem)
{
    gbx_valtype params[PARAMS_MAX], results[PARAMS_MAX];
    const char *at = problem->wanted;
    if (*at != '(') return;
    at++;
    size_t const param_count = read_types(&at, params);
    at += strcspn(at, "(") + 1;
    size_t const result_count = read_types(&at, results);
    (void)gbx_linker_define_func(data, problem->module_name, problem->name, params, param_count, results,
                                 result_count, refuse, NULL, NULL);
}

/* Compiled in `engine`, once; figures and time. */
static gbx_code
measure_round(gbx_engine *engine, gbx_bytes wasm, round_result *out, gbx_err *err)
{
    gbx_module *module = NULL;
    gbx_store *store = NULL;
    gbx_linker *linker = NULL;
    gbx_wasi *wasi = NULL;
    gbx_instance *instance;
    gbx_code code = gbx_module_compile(engine, wasm, NULL, &module, err);
    if (!code) code = gbx_store_new(engine, NULL, &store, err);
    if (!code) code = gbx_linker_new(store, &linker, err);
    if (!code) code = gbx_wasi_new(&wasi, err);
    if (!code) code = gbx_wasi_link(wasi, linker, err);
    if (!code) {
        (void)gbx_linker_check(linker, module, supply, linker, NULL);
        gbx_trap trap;
        double const wall = now_ns(CLOCK_MONOTONIC), begin = now_ns(CLOCK_THREAD_CPUTIME_ID);
        code = gbx_instance_new(store, module, linker, &instance, &trap, err);
        double const cpu_ms = (now_ns(CLOCK_THREAD_CPUTIME_ID) - begin) / 1e6;
        double const wall_ms = (now_ns(CLOCK_MONOTONIC) - wall) / 1e6;
        if (code == GBX_TRAPPED) code = GBX_OK; /* what its start function does is not measured */
        gbx_compiled_get(module, &out->figures);
        double const scale = cpu_ms / wall_ms / 1e6;
        out->parts_ms[FACTS] = (double)out->figures.facts_ns * scale;
        out->parts_ms[EMIT] = (double)out->figures.emit_ns * scale;
        out->parts_ms[PUBLISH] = (double)out->figures.publish_ns * scale;
        out->ms = out->parts_ms[FACTS] + out->parts_ms[EMIT] + out->parts_ms[PUBLISH];
        out->parts_ms[REST] = cpu_ms - out->ms;
    }
    gbx_wasi_release(wasi);
    gbx_linker_release(linker);
    gbx_store_release(store);
    gbx_module_release(module);
    return code;
}

static gbx_code
open_engine(gbx_engine **engine, gbx_err *err)
{
    gbx_engine_opts opts = GBX_ENGINE_OPTS_INIT;
    opts.tier = GBX_TIER_EAGER;
    opts.keep_ms = GBX_KEEP_OFF;
    return gbx_engine_new(&opts, engine, err);
}

static bool
read_file(const char *path, gbx_bytes *out)
{
    FILE *const f = fopen(path, "rb");
    if (!f || fseek(f, 0, SEEK_END)) return false;
    long const size = ftell(f);
    rewind(f);
    uint8_t *const data = size > 0 ? malloc((size_t)size) : NULL;
    size_t const len = data ? fread(data, 1, (size_t)size, f) : 0;
    fclose(f);
    *out = (gbx_bytes){data, len};
    return len > 0;
}

static void
print_figures(const char *path, const round_result *rounds, int count)
{
    const round_result *const best = &rounds[0], *const median = &rounds[count / 2];
    const gbx_compiled *const n = &best->figures;
    double const mb = (double)n->func_bytes / 1e6;
    printf("%s\n", path);
    printf("  %u functions, %u compiled (%.3f %%), %u refused; bodies %.3f MB, machine code %.3f MB (%.2f times)\n",
           n->funcs, n->compiled, n->funcs ? 100.0 * n->compiled / n->funcs : 100.0, n->refused, mb,
           (double)n->code_bytes / 1e6, n->body_bytes ? (double)n->code_bytes / (double)n->body_bytes : 0);
    printf("  best %8.2f ms %6.1f MB/s   median %8.2f ms %6.1f MB/s   of %d\n", best->ms, mb / best->ms * 1e3,
           median->ms, mb / median->ms * 1e3, count);
    for (int i = 0; i < PARTS; i++)
        printf("  %-10s %8.2f ms%s", part_names[i], best->parts_ms[i], i + 1 < PARTS ? "" : "\n");
}

static int
measure(gbx_engine *kept, const char *path, int count)
{
    static round_result rounds[ROUNDS_MAX];
    gbx_bytes wasm;
    gbx_err err;
    if (!read_file(path, &wasm)) {
        fprintf(stderr, "compile: %s cannot be read\n", path);
        return 1;
    }
    gbx_code code = GBX_OK;
    for (int i = 0; i < count && !code; i++) {
        gbx_engine *engine = kept;
        if (!kept) code = open_engine(&engine, &err);
        if (!code) code = measure_round(engine, wasm, &rounds[i], &err);
        if (!kept) gbx_engine_release(engine);
    }
    free((void *)(uintptr_t)wasm.data);
    if (code) {
        fprintf(stderr, "compile: %s: %s\n", path, err.text);
        return 1;
    }
    if (!rounds[0].figures.is_open) {
        fprintf(stderr, "compile: %s: this machine runs no compiled code\n", path);
        return 1;
    }
    qsort(rounds, (size_t)count, sizeof rounds[0], compare_rounds);
    print_figures(path, rounds, count);
    return 0;
}

int
main(int argc, char **argv)
{
    int rounds = 9, first = 1;
    bool keep = false;
    for (; first < argc && argv[first][0] == '-'; first++) {
        if (!strcmp(argv[first], "--keep")) keep = true;
        else if (!strcmp(argv[first], "-n") && first + 1 < argc) rounds = (int)strtol(argv[++first], NULL, 10);
        else rounds = 0;
    }
    if (first >= argc || rounds < 1 || rounds > ROUNDS_MAX) {
        fprintf(stderr, "usage: compile [-n ROUNDS] [--keep] FILE.wasm ...\n");
        return 2;
    }
    gbx_err err;
    gbx_engine *kept = NULL;
    if (keep && open_engine(&kept, &err)) {
        fprintf(stderr, "compile: %s\n", err.text);
        return 1;
    }
    int status = 0;
    for (int i = first; i < argc; i++) status |= measure(kept, argv[i], rounds);
    gbx_engine_release(kept);
    return status;
}
