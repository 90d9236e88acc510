/* What crossing the border costs: nanoseconds of a call of an export that adds two numbers, and of a call of a host
 * function in a guest's loop. Every answer is checked.
 *
 * calls [-n ROUNDS] [--tier auto|interp|eager] [--timeout SECONDS] [--write FILE]
 *
 * --write leaves the module in FILE, for who measures others. Printed are the best and the median of the rounds. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <gbx/gbx.h>

enum { CALLS = 200000, ROUNDS_MAX = 1000 };

/* (import "bench" "tick" (func (param i64) (result i64))); add(i32, i32) -> i32; loop(i64) -> i64 calls tick so often. */
static const uint8_t module_bytes[] = {
        0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00, 0x01, 0x0c, 0x02, 0x60, 0x01, 0x7e, 0x01, 0x7e,
        0x60, 0x02, 0x7f, 0x7f, 0x01, 0x7f, 0x02, 0x0e, 0x01, 0x05, 0x62, 0x65, 0x6e, 0x63, 0x68, 0x04,
        0x74, 0x69, 0x63, 0x6b, 0x00, 0x00, 0x03, 0x03, 0x02, 0x01, 0x00, 0x05, 0x03, 0x01, 0x00, 0x01,
        0x07, 0x17, 0x03, 0x06, 0x6d, 0x65, 0x6d, 0x6f, 0x72, 0x79, 0x02, 0x00, 0x03, 0x61, 0x64, 0x64,
        0x00, 0x01, 0x04, 0x6c, 0x6f, 0x6f, 0x70, 0x00, 0x02, 0x0a, 0x25, 0x02, 0x07, 0x00, 0x20, 0x00,
        0x20, 0x01, 0x6a, 0x0b, 0x1b, 0x01, 0x01, 0x7e, 0x03, 0x40, 0x20, 0x01, 0x10, 0x00, 0x21, 0x01,
        0x20, 0x00, 0x42, 0x01, 0x7d, 0x22, 0x00, 0x42, 0x00, 0x52, 0x0d, 0x00, 0x0b, 0x20, 0x01, 0x0b,
};

static double
now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static gbx_trap_code
tick(gbx_caller *caller, void *data, const gbx_val *args, gbx_val *results)
{
    (void)caller;
    *(int64_t *)data += 1;
    results[0].of.i64 = args[0].of.i64 + 1;
    return GBX_TRAP_NONE;
}

static void
wrong(const char *what)
{
    fprintf(stderr, "calls: %s\n", what);
    exit(1);
}

static double
export_ns(gbx_func *add)
{
    gbx_val args[2] = {{.type = GBX_I32, .of.i32 = 1}, {.type = GBX_I32, .of.i32 = 2}};
    gbx_val sum;
    double const begun = now_ns();
    for (int i = 0; i < CALLS; i++) {
        if (gbx_func_call(add, args, 2, &sum, 1, NULL) != GBX_TRAP_NONE || sum.of.i32 != i + 3)
            wrong("add gives a wrong sum");
        args[0].of.i32++;
    }
    return (now_ns() - begun) / CALLS;
}

static double
raw_ns(gbx_func *add)
{
    double const begun = now_ns();
    for (uint64_t i = 0; i < CALLS; i++) {
        uint64_t values[2] = {i, 2};
        if (gbx_func_call_raw(add, values, 2, NULL) != GBX_TRAP_NONE || values[0] != i + 2)
            wrong("add gives a wrong sum");
    }
    return (now_ns() - begun) / CALLS;
}

static double
host_ns(gbx_func *loop, int64_t *ticks)
{
    gbx_val const arg = {.type = GBX_I64, .of.i64 = CALLS};
    gbx_val last;
    int64_t const before = *ticks;
    double const begun = now_ns();
    if (gbx_func_call(loop, &arg, 1, &last, 1, NULL) != GBX_TRAP_NONE || *ticks - before != CALLS ||
        last.of.i64 != CALLS)
        wrong("loop does not call tick as often as it should");
    return (now_ns() - begun) / CALLS;
}

static int
by_value(const void *a, const void *b)
{
    double const x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void
show(const char *what, double *all, int rounds)
{
    qsort(all, (size_t)rounds, sizeof *all, by_value);
    printf("%-34s best %7.1f  median %7.1f\n", what, all[0], all[rounds / 2]);
}

static void
write_module(const char *path)
{
    FILE *const f = fopen(path, "wb");
    if (!f || fwrite(module_bytes, sizeof module_bytes, 1, f) != 1 || fclose(f) != 0) wrong("cannot write the module");
    exit(0);
}

int
main(int argc, char **argv)
{
    static double exports[ROUNDS_MAX], raws[ROUNDS_MAX], hosts[ROUNDS_MAX];
    gbx_engine_opts engine_opts = GBX_ENGINE_OPTS_INIT;
    gbx_store_opts store_opts = GBX_STORE_OPTS_INIT;
    int rounds = 15;
    for (int i = 1; i < argc; i += 2) {
        const char *const value = i + 1 < argc ? argv[i + 1] : "";
        if (!strcmp(argv[i], "-n")) rounds = atoi(value);
        else if (!strcmp(argv[i], "--timeout")) store_opts.timeout_ns = (uint64_t)(atof(value) * 1e9);
        else if (!strcmp(argv[i], "--write")) write_module(value);
        else if (strcmp(argv[i], "--tier")) rounds = 0;
        else
            engine_opts.tier = !strcmp(value, "interp")  ? GBX_TIER_INTERP
                               : !strcmp(value, "eager") ? GBX_TIER_EAGER
                                                         : GBX_TIER_AUTO;
    }
    if (rounds < 1 || rounds > ROUNDS_MAX)
        wrong("usage: calls [-n ROUNDS] [--tier auto|interp|eager] [--timeout SECONDS] [--write FILE]");
    gbx_err err;
    gbx_engine *e = NULL;
    gbx_module *m = NULL;
    gbx_store *s = NULL;
    gbx_linker *l = NULL;
    gbx_instance *instance = NULL;
    int64_t ticks = 0;
    gbx_valtype const i64 = GBX_I64;
    if (gbx_engine_new(&engine_opts, &e, &err) ||
        gbx_module_compile(e, (gbx_bytes){module_bytes, sizeof module_bytes}, NULL, &m, &err) ||
        gbx_store_new(e, &store_opts, &s, &err) || gbx_linker_new(s, &l, &err) ||
        gbx_linker_define_func(l, "bench", "tick", &i64, 1, &i64, 1, tick, &ticks, &err) ||
        gbx_instance_new(s, m, l, &instance, NULL, &err))
        wrong(err.text);
    gbx_func *const add = gbx_instance_func(instance, "add"), *const loop = gbx_instance_func(instance, "loop");
    for (int i = 0; i < rounds; i++) {
        exports[i] = export_ns(add);
        raws[i] = raw_ns(add);
        hosts[i] = host_ns(loop, &ticks);
    }
    show("glovebox: export, gbx_func_call", exports, rounds);
    show("glovebox: export, gbx_func_call_raw", raws, rounds);
    show("glovebox: host function", hosts, rounds);
    gbx_linker_release(l);
    gbx_store_release(s);
    gbx_module_release(m);
    gbx_engine_release(e);
    return 0;
}
