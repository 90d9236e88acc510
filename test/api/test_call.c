/* Calls into a guest: values, traps with their frames, bounds, stopping. */
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <sys/time.h>
#include <time.h>

#include "api/guest.h"

#define MS ((uint64_t)1000000)

static uint64_t
now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Every type there and back, at its extremes. */
static void
test_values(void **state)
{
    (void)state;
    guest_world world, *const w = &world;
    guest_open(w, NULL);
    gbx_instance *const i = guest_instance(
            w, "(module (func (export \"swap\") (param i32 i64 f32 f64 funcref externref)"
               "  (result externref funcref f64 f32 i64 i32)"
               "  local.get 5 local.get 4 local.get 3 local.get 2 local.get 1 local.get 0))");
    gbx_func *const f = gbx_instance_func(i, "swap");
    assert_non_null(f);
    const gbx_valtype *params, *results;
    assert_int_equal(gbx_func_params(f, &params), 6);
    assert_int_equal(gbx_func_results(f, &results), 6);
    for (unsigned k = 0; k < 6; k++) {
        assert_int_equal(params[k], k);
        assert_int_equal(results[k], 5 - k);
    }
    gbx_val args[6] = {{.type = GBX_I32, .of.i32 = INT32_MIN},
                       {.type = GBX_I64, .of.i64 = INT64_MIN + 1},
                       {.type = GBX_F32, .of.f32 = -0.0f},
                       {.type = GBX_F64, .of.f64 = 1e308},
                       {.type = GBX_FUNCREF, .of.ref = (uint64_t)(uintptr_t)f},
                       {.type = GBX_EXTERNREF, .of.ref = UINT64_MAX}};
    gbx_val out[6];
    assert_int_equal(gbx_func_call(f, args, 6, out, 6, NULL), GBX_TRAP_NONE);
    for (unsigned k = 0; k < 6; k++) assert_int_equal(out[k].type, 5 - k);
    assert_int_equal(out[5].of.i32, INT32_MIN);
    assert_int_equal(out[4].of.i64, INT64_MIN + 1);
    assert_true(out[3].of.f32 == 0.0f && signbit(out[3].of.f32));
    assert_true(out[2].of.f64 == 1e308);
    assert_ptr_equal((void *)(uintptr_t)out[1].of.ref, f);
    assert_int_equal(out[0].of.ref, UINT64_MAX);
    guest_close(w);
}

/* More values than fit the small array. */
static void
test_many_values(void **state)
{
    (void)state;
    guest_world world, *const w = &world;
    guest_open(w, NULL);
    char text[4096], *at = text, *const end = text + sizeof text;
    at += snprintf(at, (size_t)(end - at), "(module (func (export \"f\") (param");
    for (int k = 0; k < 40; k++) at += snprintf(at, (size_t)(end - at), " i32");
    at += snprintf(at, (size_t)(end - at), ") (result");
    for (int k = 0; k < 40; k++) at += snprintf(at, (size_t)(end - at), " i32");
    at += snprintf(at, (size_t)(end - at), ")");
    for (int k = 39; k >= 0; k--) at += snprintf(at, (size_t)(end - at), " local.get %d", k);
    snprintf(at, (size_t)(end - at), "))");
    gbx_instance *const i = guest_instance(w, text);
    gbx_val args[40], out[40];
    for (int k = 0; k < 40; k++) args[k] = guest_i32(k * 3);
    assert_int_equal(gbx_func_call(gbx_instance_func(i, "f"), args, 40, out, 40, NULL), 0);
    for (int k = 0; k < 40; k++) assert_int_equal(out[k].of.i32, (39 - k) * 3);
    guest_close(w);
}

/* A call with wrong values does not happen, and says what was wrong. */
static void
test_arguments(void **state)
{
    (void)state;
    guest_world world, *const w = &world;
    guest_open(w, NULL);
    gbx_instance *const i = guest_instance(
            w, "(module (global $n (mut i32) (i32.const 0))"
               "(func (export \"f\") (param i32 i64) (result i32)"
               "  (global.set $n (i32.add (global.get $n) (i32.const 1))) (global.get $n)))");
    gbx_func *const f = gbx_instance_func(i, "f");
    gbx_val args[3] = {guest_i32(1), {.type = GBX_I64}, guest_i32(1)}, out;
    gbx_trap *const t = &w->trap;
    assert_int_equal(gbx_func_call(f, args, 3, &out, 1, t), GBX_TRAP_HOST);
    assert_non_null(strstr(t->message, "3 arguments"));
    assert_int_equal(gbx_func_call(f, args, 2, &out, 0, t), GBX_TRAP_HOST);
    assert_int_equal(gbx_func_call(f, NULL, 2, &out, 1, t), GBX_TRAP_HOST);
    assert_int_equal(gbx_func_call(f, args, 2, NULL, 1, t), GBX_TRAP_HOST);
    assert_int_equal(gbx_func_call(NULL, args, 2, &out, 1, t), GBX_TRAP_HOST);
    args[1].type = GBX_I32;
    assert_int_equal(gbx_func_call(f, args, 2, &out, 1, t), GBX_TRAP_HOST);
    assert_non_null(strstr(t->message, "argument 1 is i32, the function wants i64"));
    args[1].type = (gbx_valtype)77;
    assert_int_equal(gbx_func_call(f, args, 2, &out, 1, t), GBX_TRAP_HOST);
    args[1].type = GBX_I64;
    assert_int_equal(gbx_func_call(f, args, 2, &out, 1, t), GBX_TRAP_NONE);
    assert_int_equal(t->code, GBX_TRAP_NONE);
    assert_int_equal(out.of.i32, 1);
    assert_null(gbx_instance_func(i, "g"));
    assert_null(gbx_instance_func(i, NULL));
    assert_null(gbx_instance_func(NULL, "f"));
    guest_close(w);
}

/* Frames from the innermost out, with names and the offsets that wasm-objdump shows. */
static void
test_frames(void **state)
{
    (void)state;
    guest_world world, *const w = &world;
    guest_open(w, NULL);
    gbx_instance *const i = guest_instance(
            w, "(module (func $inner unreachable) (func $mid (nop) (call $inner))"
               "(func (export \"outer\") (call $mid)))");
    assert_int_equal(guest_call(w, i, "outer", NULL, 0, NULL), GBX_TRAP_UNREACHABLE);
    assert_int_equal(w->trap.frame_count, 3);
    assert_int_equal(w->trap.frames_total, 3);
    for (uint32_t k = 0; k < 3; k++) assert_int_equal(w->trap.frames[k].func_idx, k);
    assert_string_equal(w->trap.frames[0].name, "inner");
    assert_string_equal(w->trap.frames[1].name, "mid");
    assert_string_equal(w->trap.frames[2].name, "");
    assert_true(w->trap.frames[0].offset < w->trap.frames[1].offset);
    assert_string_equal(w->trap.message, "");
    guest_close(w);
}

/* A recursion deeper than the frames that are kept: the innermost are, and all are counted. */
static void
test_many_frames(void **state)
{
    (void)state;
    guest_world world, *const w = &world;
    guest_open(w, NULL);
    gbx_instance *const i = guest_instance(
            w, "(module (func $f (export \"f\") (param i32)"
               "  (if (i32.eqz (local.get 0)) (then unreachable))"
               "  (call $f (i32.sub (local.get 0) (i32.const 1)))))");
    int32_t const depth = 1000;
    assert_int_equal(guest_call(w, i, "f", &depth, 1, NULL), GBX_TRAP_UNREACHABLE);
    assert_int_equal(w->trap.frame_count, GBX_TRAP_FRAMES);
    assert_int_equal(w->trap.frames_total, 1001);
    assert_true(w->trap.frames[0].offset < w->trap.frames[1].offset); /* unreachable, not call */
    assert_int_equal(w->trap.frames[1].offset, w->trap.frames[63].offset);
    guest_close(w);
}

/* The store's stack is the bound of a recursion, and the store is as good as new afterwards. */
static void
test_stack(void **state)
{
    (void)state;
    guest_world world, *const w = &world;
    gbx_store_opts opts = GBX_STORE_OPTS_INIT;
    uint64_t depth[2];
    for (int round = 0; round < 2; round++) {
        opts.stack_bytes = round ? 4 << 20 : 1 << 20;
        guest_open(w, &opts);
        gbx_instance *const i = guest_instance(
                w, "(module (func $f (export \"f\") (call $f)) (func (export \"ok\")))");
        for (int again = 0; again < 3; again++) {
            assert_int_equal(guest_call(w, i, "f", NULL, 0, NULL), GBX_TRAP_STACK_EXHAUSTED);
            assert_non_null(strstr(w->trap.message, round ? "4096 KiB" : "1024 KiB"));
            assert_int_equal(guest_call(w, i, "ok", NULL, 0, NULL), GBX_TRAP_NONE);
        }
        assert_int_equal(guest_call(w, i, "f", NULL, 0, NULL), GBX_TRAP_STACK_EXHAUSTED);
        depth[round] = w->trap.frames_total;
        guest_close(w);
    }
    assert_true(depth[0] > 1000);
    assert_true(depth[1] > depth[0] * 7 / 2 && depth[1] < depth[0] * 9 / 2);
}

static void
test_memory_limit(void **state)
{
    (void)state;
    guest_world world, *const w = &world;
    gbx_store_opts opts = GBX_STORE_OPTS_INIT;
    opts.memory_bytes = 4 * 65536 + 1000; /* rounded down */
    guest_open(w, &opts);
    gbx_instance *const i = guest_instance(
            w, "(module (memory (export \"memory\") 1)"
               "(func (export \"grow\") (param i32) (result i32) (memory.grow (local.get 0))))");
    int32_t result;
    uint8_t *data, *again;
    size_t bytes;
    assert_true(gbx_instance_memory(i, "memory", &data, &bytes));
    assert_int_equal(bytes, 65536);
    data[0] = 42;
    int32_t pages = 4;
    assert_int_equal(guest_call(w, i, "grow", &pages, 1, &result), GBX_TRAP_NONE);
    assert_int_equal(result, -1);
    pages = 3;
    assert_int_equal(guest_call(w, i, "grow", &pages, 1, &result), GBX_TRAP_NONE);
    assert_int_equal(result, 1);
    assert_true(gbx_instance_memory(i, "memory", &again, &bytes));
    assert_ptr_equal(again, data); /* a base never moves */
    assert_int_equal(bytes, 4 * 65536);
    assert_int_equal(again[0], 42);
    pages = 1;
    assert_int_equal(guest_call(w, i, "grow", &pages, 1, &result), GBX_TRAP_NONE);
    assert_int_equal(result, -1);
    assert_false(gbx_instance_memory(i, "grow", &again, &bytes));
    assert_false(gbx_instance_memory(i, "none", &again, &bytes));

    gbx_module *const big = guest_compile(w, "(module (memory 5))");
    gbx_instance *none;
    assert_int_equal(gbx_instance_new(w->store, big, NULL, &none, NULL, &w->err), GBX_LIMIT);
    assert_null(none);
    assert_non_null(strstr(w->err.text, "5 pages"));
    gbx_module_release(big);
    guest_close(w);
}

/* The bound is on all tables together, however a module spreads its elements. */
static void
test_table_limit(void **state)
{
    (void)state;
    guest_world world, *const w = &world;
    gbx_store_opts opts = GBX_STORE_OPTS_INIT;
    opts.table_elems = 100;
    guest_open(w, &opts);
    gbx_module *const big = guest_compile(w, "(module (table 40 funcref) (table 40 externref)"
                                             "(table 40 funcref))");
    gbx_instance *none;
    for (int k = 0; k < 3; k++) { /* a failed instance gives back what it took */
        assert_int_equal(gbx_instance_new(w->store, big, NULL, &none, NULL, &w->err), GBX_LIMIT);
        assert_non_null(strstr(w->err.text, "allows 20 more"));
    }
    gbx_module_release(big);
    gbx_instance *const i = guest_instance(
            w, "(module (table $t 40 funcref) (table $u 40 funcref)"
               "(func (export \"t\") (param i32) (result i32) (table.grow $t (ref.null func) (local.get 0)))"
               "(func (export \"u\") (param i32) (result i32)"
               "  (table.grow $u (ref.null func) (local.get 0))))");
    int32_t n = 15, result;
    assert_int_equal(guest_call(w, i, "t", &n, 1, &result), GBX_TRAP_NONE);
    assert_int_equal(result, 40);
    n = 6;
    assert_int_equal(guest_call(w, i, "u", &n, 1, &result), GBX_TRAP_NONE);
    assert_int_equal(result, -1);
    n = 5;
    assert_int_equal(guest_call(w, i, "u", &n, 1, &result), GBX_TRAP_NONE);
    assert_int_equal(result, 40);
    guest_close(w);
}

static void
test_globals(void **state)
{
    (void)state;
    guest_world world, *const w = &world;
    guest_open(w, NULL);
    gbx_instance *const i = guest_instance(
            w, "(module (global (export \"c\") i64 (i64.const -5)) (func (export \"f\"))"
               "(global (export \"m\") (mut i32) (i32.add (i32.const 40) (i32.const 2)))"
               "(func (export \"get\") (result i32) (global.get 1)))");
    gbx_val v;
    assert_true(gbx_instance_global(i, "c", &v));
    assert_int_equal(v.type, GBX_I64);
    assert_int_equal(v.of.i64, -5);
    assert_true(gbx_instance_global(i, "m", &v));
    assert_int_equal(v.of.i32, 42);
    assert_false(gbx_instance_global(i, "f", &v));
    assert_true(gbx_instance_set_global(i, "m", guest_i32(-7)));
    int32_t result;
    assert_int_equal(guest_call(w, i, "get", NULL, 0, &result), GBX_TRAP_NONE);
    assert_int_equal(result, -7);
    v.type = GBX_I64;
    assert_false(gbx_instance_set_global(i, "m", v)); /* another type */
    assert_false(gbx_instance_set_global(i, "c", v)); /* constant */
    assert_false(gbx_instance_set_global(i, "x", v));
    guest_close(w);
}

static const char loop_text[] =
        "(module (import \"env\" \"nap\" (func $nap)) (memory 1024)"
        "(func (export \"loop\") (loop (br 0)))"
        "(func (export \"nap\") (call $nap))"
        "(func (export \"fill\") (loop (memory.fill (i32.const 0) (i32.const 1)"
        "  (i32.const 67108864)) (br 0)))"
        "(func $r (param i32) (result i32) (if (result i32) (local.get 0)"
        "  (then (call $r (i32.sub (local.get 0) (i32.const 1)))) (else (i32.const 0))))"
        "(func (export \"recurse\") (loop (drop (call $r (i32.const 30))) (br 0)))"
        "(func (export \"ok\") (result i32) (i32.const 7)))";

/* A host function that calls the guest again, which then runs into the outer call's deadline. */
static gbx_trap_code
nap_nested(gbx_caller *caller, void *data, const gbx_val *args, gbx_val *results)
{
    (void)data;
    (void)args;
    (void)results;
    gbx_func *const loop = gbx_instance_func(gbx_caller_instance(caller), "loop");
    gbx_trap trap;
    assert_int_equal(gbx_func_call(loop, NULL, 0, NULL, 0, &trap), GBX_TRAP_DEADLINE);
    return trap.code;
}

static gbx_instance *
open_loops(guest_world *w, uint64_t timeout_ns, gbx_host_callback nap, void *data)
{
    gbx_store_opts opts = GBX_STORE_OPTS_INIT;
    opts.timeout_ns = timeout_ns;
    guest_open(w, &opts);
    GUEST_OK(gbx_linker_define_func(w->linker, "env", "nap", NULL, 0, NULL, 0, nap, data, &w->err));
    return guest_instance(w, loop_text);
}

static void
test_deadline(void **state)
{
    (void)state;
    guest_world world, *const w = &world;
    gbx_instance *const i = open_loops(w, 30 * MS, nap_nested, NULL);
    static const char *const names[] = {"loop", "nap", "fill", "recurse"};
    for (size_t k = 0; k < sizeof names / sizeof names[0]; k++) {
        uint64_t const start = now_ns();
        assert_int_equal(guest_call(w, i, names[k], NULL, 0, NULL), GBX_TRAP_DEADLINE);
        assert_true(now_ns() - start >= 30 * MS);
        assert_non_null(strstr(w->trap.message, "0.030 s"));
        assert_true(w->trap.frame_count >= 1);
        int32_t result; /* the next call has a deadline of its own */
        assert_int_equal(guest_call(w, i, "ok", NULL, 0, &result), GBX_TRAP_NONE);
        assert_int_equal(result, 7);
    }
    guest_close(w);
}

typedef struct canceller {
    gbx_store *store;
    uint64_t after_ns;
} canceller;

static void *
thread_cancel(void *data)
{
    const canceller *const c = data;
    struct timespec const t = {.tv_nsec = (long)c->after_ns};
    nanosleep(&t, NULL);
    gbx_store_cancel(c->store);
    return NULL;
}

static void
test_cancel(void **state)
{
    (void)state;
    guest_world world, *const w = &world;
    gbx_instance *const i = open_loops(w, GBX_UNLIMITED, nap_nested, NULL);
    int32_t result;
    for (int round = 0; round < 3; round++) {
        pthread_t t;
        canceller c = {w->store, 20 * MS};
        assert_int_equal(pthread_create(&t, NULL, thread_cancel, &c), 0);
        assert_int_equal(guest_call(w, i, "loop", NULL, 0, NULL), GBX_TRAP_CANCELLED);
        pthread_join(t, NULL);
        assert_int_equal(guest_call(w, i, "ok", NULL, 0, &result), GBX_TRAP_NONE);
    }
    /* None runs: the next call ends before it begins, and only that one. */
    gbx_store_cancel(w->store);
    gbx_store_cancel(w->store);
    assert_int_equal(guest_call(w, i, "ok", NULL, 0, &result), GBX_TRAP_CANCELLED);
    assert_int_equal(w->trap.frame_count, 0);
    assert_int_equal(guest_call(w, i, "ok", NULL, 0, &result), GBX_TRAP_NONE);
    assert_int_equal(result, 7);
    gbx_store_cancel(NULL);
    guest_close(w);
}

static gbx_store *signal_store;

static void
on_alarm(int signal)
{
    (void)signal;
    gbx_store_cancel(signal_store);
}

/* From a signal handler on the very thread that runs the guest. */
static void
test_cancel_signal(void **state)
{
    (void)state;
    guest_world world, *const w = &world;
    gbx_instance *const i = open_loops(w, GBX_UNLIMITED, nap_nested, NULL);
    signal_store = w->store;
    struct sigaction const sa = {.sa_handler = on_alarm};
    struct sigaction before;
    assert_int_equal(sigaction(SIGALRM, &sa, &before), 0);
    struct itimerval const timer = {.it_value = {.tv_usec = 20000}};
    assert_int_equal(setitimer(ITIMER_REAL, &timer, NULL), 0);
    assert_int_equal(guest_call(w, i, "loop", NULL, 0, NULL), GBX_TRAP_CANCELLED);
    assert_int_equal(sigaction(SIGALRM, &before, NULL), 0);
    guest_close(w);
}

static gbx_trap_code
nap_short(gbx_caller *caller, void *data, const gbx_val *args, gbx_val *results)
{
    (void)args;
    (void)results;
    gbx_store_cancel(data); /* while the call runs, and it will not notice any more */
    (void)caller;
    return GBX_TRAP_NONE;
}

/* A cancellation that a call was too quick to notice is used up with it. */
static void
test_cancel_late(void **state)
{
    (void)state;
    guest_world world, *const w = &world;
    gbx_instance *i = open_loops(w, GBX_UNLIMITED, nap_nested, NULL);
    GUEST_OK(gbx_linker_define_func(w->linker, "env", "nap", NULL, 0, NULL, 0, nap_short, w->store,
                                    &w->err));
    i = guest_instance(w, "(module (import \"env\" \"nap\" (func $nap)) (export \"nap\" (func $nap))"
                          "(func (export \"ok\") (result i32) (i32.const 7)))");
    int32_t result;
    assert_int_equal(guest_call(w, i, "nap", NULL, 0, NULL), GBX_TRAP_NONE);
    assert_int_equal(guest_call(w, i, "ok", NULL, 0, &result), GBX_TRAP_NONE);
    guest_close(w);
}

/* Segments: those before the one that does not fit stay, and functions of an instance that failed can
 * be called through a table it shares. SPEC: core/exec/modules.html, linking.wast. */
static void
test_segments(void **state)
{
    (void)state;
    guest_world world, *const w = &world;
    guest_open(w, NULL);
    gbx_instance *const a = guest_instance(
            w, "(module (memory (export \"mem\") 1) (table (export \"tab\") 10 funcref)"
               "(type $t (func (result i32)))"
               "(func (export \"call\") (param i32) (result i32)"
               "  (call_indirect (type $t) (local.get 0)))"
               "(func (export \"load\") (param i32) (result i32) (i32.load8_u (local.get 0))))");
    GUEST_OK(gbx_linker_define_instance(w->linker, "a", a, &w->err));
    gbx_module *m = guest_compile(
            w, "(module (memory (import \"a\" \"mem\") 1) (table (import \"a\" \"tab\") 10 funcref)"
               "(func $f (result i32) (i32.const 66))"
               "(elem (i32.const 7) $f) (elem (i32.const 9) $f $f)"
               "(data (i32.const 0) \"x\") (data (i32.const 1) \"y\"))");
    gbx_instance *b;
    assert_int_equal(gbx_instance_new(w->store, m, w->linker, &b, &w->trap, &w->err), GBX_TRAPPED);
    assert_null(b);
    assert_int_equal(w->trap.code, GBX_TRAP_TABLE_OOB);
    assert_non_null(strstr(w->trap.message, "element segment 1"));
    assert_non_null(strstr(w->err.text, "out of bounds table access"));
    gbx_module_release(m);
    int32_t at = 7, result;
    assert_int_equal(guest_call(w, a, "call", &at, 1, &result), GBX_TRAP_NONE);
    assert_int_equal(result, 66);
    at = 9;
    assert_int_equal(guest_call(w, a, "call", &at, 1, &result), GBX_TRAP_UNINITIALIZED_ELEMENT);
    at = 0; /* data segments come after all element segments */
    assert_int_equal(guest_call(w, a, "load", &at, 1, &result), GBX_TRAP_NONE);
    assert_int_equal(result, 0);

    m = guest_compile(w, "(module (memory (import \"a\" \"mem\") 1)"
                         "(data (i32.const 65535) \"x\") (data (i32.const 65535) \"yz\"))");
    assert_int_equal(gbx_instance_new(w->store, m, w->linker, &b, &w->trap, &w->err), GBX_TRAPPED);
    assert_int_equal(w->trap.code, GBX_TRAP_MEM_OOB);
    assert_non_null(strstr(w->trap.message, "data segment 1, 2 bytes at 65535"));
    gbx_module_release(m);
    at = 65535;
    assert_int_equal(guest_call(w, a, "load", &at, 1, &result), GBX_TRAP_NONE);
    assert_int_equal(result, 'x');
    guest_close(w);
}

/* Offsets are unsigned; empty segments may stand at the very end and no farther. */
static void
test_segment_edges(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        gbx_trap_code code;
    } cases[] = {
            {"(module (memory 1) (data (i32.const 65536) \"\"))", GBX_TRAP_NONE},
            {"(module (memory 1) (data (i32.const 65537) \"\"))", GBX_TRAP_MEM_OOB},
            {"(module (memory 1) (data (i32.const -1) \"\"))", GBX_TRAP_MEM_OOB},
            {"(module (memory 1) (data (i32.const -1) \"a\"))", GBX_TRAP_MEM_OOB},
            {"(module (memory 0) (data (i32.const 0) \"\"))", GBX_TRAP_NONE},
            {"(module (memory 0) (data (i32.const 0) \"a\"))", GBX_TRAP_MEM_OOB},
            {"(module (table 1 funcref) (elem (i32.const 1)))", GBX_TRAP_NONE},
            {"(module (table 1 funcref) (elem (i32.const 2)))", GBX_TRAP_TABLE_OOB},
            {"(module (table 0 funcref) (func $f) (elem (i32.const 0) $f))", GBX_TRAP_TABLE_OOB},
            {"(module (table 1 externref) (elem (i32.const 0) externref (ref.null extern)))",
             GBX_TRAP_NONE},
            {"(module (memory 1) (data \"never applied\"))", GBX_TRAP_NONE},
    };
    guest_world world, *const w = &world;
    guest_open(w, NULL);
    for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
        gbx_module *const m = guest_compile(w, cases[k].text);
        gbx_instance *i;
        gbx_code const code = gbx_instance_new(w->store, m, NULL, &i, &w->trap, &w->err);
        assert_int_equal(code, cases[k].code ? GBX_TRAPPED : GBX_OK);
        assert_int_equal(w->trap.code, cases[k].code);
        assert_int_equal(i != NULL, code == GBX_OK);
        gbx_module_release(m);
    }
    guest_close(w);
}

static void
test_start(void **state)
{
    (void)state;
    guest_world world, *const w = &world;
    gbx_store_opts opts = GBX_STORE_OPTS_INIT;
    opts.timeout_ns = 20 * MS;
    guest_open(w, &opts);
    gbx_instance *i = guest_instance(
            w, "(module (global $g (export \"g\") (mut i32) (i32.const 1))"
               "(func $s (global.set $g (i32.const 2))) (start $s))");
    gbx_val v;
    assert_true(gbx_instance_global(i, "g", &v));
    assert_int_equal(v.of.i32, 2);
    gbx_module *m = guest_compile(w, "(module (func $s (i32.div_s (i32.const 1) (i32.const 0)) drop)"
                                     "(start $s))");
    assert_int_equal(gbx_instance_new(w->store, m, NULL, &i, &w->trap, &w->err), GBX_TRAPPED);
    assert_int_equal(w->trap.code, GBX_TRAP_INT_DIV_ZERO);
    assert_string_equal(w->trap.frames[0].name, "s");
    assert_non_null(strstr(w->err.text, "in the start function: integer divide by zero"));
    assert_int_equal(gbx_instance_new(w->store, m, NULL, &i, NULL, NULL), GBX_TRAPPED);
    gbx_module_release(m);
    m = guest_compile(w, "(module (func $s (loop (br 0))) (start $s))");
    assert_int_equal(gbx_instance_new(w->store, m, NULL, &i, &w->trap, &w->err), GBX_TRAPPED);
    assert_int_equal(w->trap.code, GBX_TRAP_DEADLINE);
    gbx_module_release(m);
    guest_close(w);
}

/* Calls are possible after a trap, and see the memory as it was left. */
static void
test_after_trap(void **state)
{
    (void)state;
    guest_world world, *const w = &world;
    guest_open(w, NULL);
    gbx_instance *const i = guest_instance(
            w, "(module (memory 1) (func (export \"f\")"
               "  (i32.store (i32.const 0) (i32.const 5)) (i32.store (i32.const 65533) (i32.const 5)))"
               "(func (export \"get\") (result i32) (i32.load (i32.const 0))))");
    assert_int_equal(guest_call(w, i, "f", NULL, 0, NULL), GBX_TRAP_MEM_OOB);
    int32_t result;
    assert_int_equal(guest_call(w, i, "get", NULL, 0, &result), GBX_TRAP_NONE);
    assert_int_equal(result, 5);
    guest_close(w);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_values),       cmocka_unit_test(test_many_values),
            cmocka_unit_test(test_arguments),    cmocka_unit_test(test_frames),
            cmocka_unit_test(test_many_frames),  cmocka_unit_test(test_stack),
            cmocka_unit_test(test_memory_limit), cmocka_unit_test(test_table_limit),
            cmocka_unit_test(test_globals),
            cmocka_unit_test(test_deadline),     cmocka_unit_test(test_cancel),
            cmocka_unit_test(test_cancel_signal), cmocka_unit_test(test_cancel_late),
            cmocka_unit_test(test_segments),     cmocka_unit_test(test_segment_edges),
            cmocka_unit_test(test_start),        cmocka_unit_test(test_after_trap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
