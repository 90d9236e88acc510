/* bench/calls.c for wasmtime's C API, whose library is loaded, so that no headers are needed:
 * wasmtime-calls LIBRARY FILE.wasm. `checked` is what hosts write; `unchecked` leaves it to the host to know the types.
 * Declarations are those of wasm.h and wasmtime/{val,func,linker,instance,extern}.h, version 41 and later. */
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { CALLS = 200000, ROUNDS = 15, KIND_I32 = 0, KIND_I64 = 1 };

typedef struct tagged {
    uint8_t kind;
    union {
        int32_t i32;
        int64_t i64;
        uint64_t room[3];
    } of;
} tagged;
typedef union raw {
    int32_t i32;
    int64_t i64;
    uint8_t v128[16];
} raw;
typedef struct func {
    uint64_t store_id;
    void *private;
} func;
typedef struct export {
    uint8_t kind;
    union {
        func func;
        uint64_t room[4];
    } of;
} export;
typedef struct types {
    size_t count;
    void **data;
} types;
typedef struct instance {
    uint64_t private[2];
} instance;

static int64_t ticks;

static void *
tick(void *env, void *caller, const tagged *args, size_t nargs, tagged *results, size_t nresults)
{
    (void)env, (void)caller, (void)nargs, (void)nresults;
    ticks++;
    results[0].kind = KIND_I64;
    results[0].of.i64 = args[0].of.i64 + 1;
    return NULL;
}

static void *
tick_raw(void *env, void *caller, raw *values, size_t count)
{
    (void)env, (void)caller, (void)count;
    ticks++;
    values[0].i64++;
    return NULL;
}

static double
now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void
wrong(const char *what)
{
    fprintf(stderr, "wasmtime-calls: %s\n", what);
    exit(1);
}

static void *library;

static void *
get(const char *name)
{
    void *const at = dlsym(library, name);
    if (!at) wrong(name);
    return at;
}
#define FN(result, name, ...) result (*const name)(__VA_ARGS__) = (result(*)(__VA_ARGS__))get(#name)

static int
by_value(const void *a, const void *b)
{
    double const x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void
show(const char *what, double *all)
{
    qsort(all, ROUNDS, sizeof *all, by_value);
    printf("wasmtime: %-24s best %7.1f  median %7.1f\n", what, all[0], all[ROUNDS / 2]);
}

int
main(int argc, char **argv)
{
    if (argc != 3 || !(library = dlopen(argv[1], RTLD_NOW))) wrong(argc == 3 ? dlerror() : "LIBRARY FILE.wasm");
    static uint8_t bytes[1 << 16];
    FILE *const f = fopen(argv[2], "rb");
    size_t const len = f ? fread(bytes, 1, sizeof bytes, f) : 0;
    FN(void *, wasm_engine_new, void);
    FN(void *, wasmtime_store_new, void *, void *, void *);
    FN(void *, wasmtime_store_context, void *);
    FN(void *, wasmtime_module_new, void *, const uint8_t *, size_t, void **);
    FN(void *, wasmtime_linker_new, void *);
    FN(void *, wasm_valtype_new, uint8_t);
    FN(void, wasm_valtype_vec_new, types *, size_t, void **);
    FN(void *, wasm_functype_new, types *, types *);
    FN(void *, wasmtime_linker_define_func, void *, const char *, size_t, const char *, size_t, void *, void *, void *, void *);
    FN(void *, wasmtime_linker_define_func_unchecked, void *, const char *, size_t, const char *, size_t, void *, void *,
       void *, void *);
    FN(void *, wasmtime_linker_instantiate, void *, void *, void *, instance *, void **);
    FN(uint8_t, wasmtime_instance_export_get, void *, const instance *, const char *, size_t, export *);
    FN(void *, wasmtime_func_call, void *, const func *, const tagged *, size_t, tagged *, size_t, void **);
    FN(void *, wasmtime_func_call_unchecked, void *, const func *, raw *, size_t, void **);
    void *const engine = wasm_engine_new();
    void *const context = wasmtime_store_context(wasmtime_store_new(engine, NULL, NULL));
    void *module, *trap = NULL;
    if (wasmtime_module_new(engine, bytes, len, &module)) wrong("the module is refused");
    for (int is_raw = 0; is_raw < 2; is_raw++) {
        void *const linker = wasmtime_linker_new(engine);
        types params, results;
        void *i64 = wasm_valtype_new(KIND_I64);
        wasm_valtype_vec_new(&params, 1, &i64);
        i64 = wasm_valtype_new(KIND_I64);
        wasm_valtype_vec_new(&results, 1, &i64);
        void *const type = wasm_functype_new(&params, &results);
        void *const failed =
                is_raw ? wasmtime_linker_define_func_unchecked(linker, "bench", 5, "tick", 4, type, (void *)tick_raw, NULL,
                                                               NULL)
                       : wasmtime_linker_define_func(linker, "bench", 5, "tick", 4, type, (void *)tick, NULL, NULL);
        instance inst;
        export add, loop;
        if (failed || wasmtime_linker_instantiate(linker, context, module, &inst, &trap) || trap ||
            !wasmtime_instance_export_get(context, &inst, "add", 3, &add) ||
            !wasmtime_instance_export_get(context, &inst, "loop", 4, &loop))
            wrong("no instance");
        double exports[ROUNDS], hosts[ROUNDS];
        for (int r = 0; r < ROUNDS; r++) {
            tagged args[2] = {{KIND_I32, {.i32 = 1}}, {KIND_I32, {.i32 = 2}}}, sum;
            double begun = now_ns();
            for (int i = 0; i < CALLS; i++) {
                raw values[2] = {{.i32 = i + 1}, {.i32 = 2}};
                args[0].of.i32 = i + 1;
                void *const error = is_raw ? wasmtime_func_call_unchecked(context, &add.of.func, values, 2, &trap)
                                           : wasmtime_func_call(context, &add.of.func, args, 2, &sum, 1, &trap);
                if (error || trap || (is_raw ? values[0].i32 : sum.of.i32) != i + 3) wrong("add gives a wrong sum");
            }
            exports[r] = (now_ns() - begun) / CALLS;
            raw value = {.i64 = CALLS};
            tagged const arg = {KIND_I64, {.i64 = CALLS}};
            int64_t const before = ticks;
            begun = now_ns();
            void *const error = is_raw ? wasmtime_func_call_unchecked(context, &loop.of.func, &value, 1, &trap)
                                       : wasmtime_func_call(context, &loop.of.func, &arg, 1, &sum, 1, &trap);
            hosts[r] = (now_ns() - begun) / CALLS;
            if (error || trap || ticks - before != CALLS) wrong("loop does not call tick as often as it should");
        }
        show(is_raw ? "export, unchecked" : "export, checked", exports);
        show(is_raw ? "host function, unchecked" : "host function, checked", hosts);
    }
    return 0;
}
