/* What must not depend on the tier: traps with their places and frames, thrown through functions of both; stops;
 * tail calls; recursion through the host. A function with a local of type v128 is one that the compiler lacks,
 * so that the interpreter runs it among compiled ones. Where this machine compiles nothing, both tiers are
 * one. */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <time.h>

#include <gbx/unstable/compiled.h>

#include "api/guest.h"

#define MS 1000000ull
#define TEXT_BYTES ((size_t)64 << 10)

typedef struct tier_world {
    guest_world w;
    gbx_instance *instance;
    uint32_t refused; /* functions, by an eager engine */
} tier_world;

static gbx_trap_code
host_fails(gbx_caller *caller, void *data, const gbx_val *args, gbx_val *results)
{
    (void)data, (void)args, (void)results;
    gbx_caller_set_message(caller, "as it was told to");
    return GBX_TRAP_HOST;
}

/* Calls the export that data names in the calling instance, as deep as it gets. */
static gbx_trap_code
host_calls(gbx_caller *caller, void *data, const gbx_val *args, gbx_val *results)
{
    gbx_func *const f = gbx_instance_func(gbx_caller_instance(caller), data);
    return gbx_func_call(f, args, 1, results, 1, NULL);
}

/* How many functions were to be compiled and are not; 0 where nothing is. */
static uint32_t
tier_refused(const gbx_module *m)
{
    gbx_compiled n;
    gbx_compiled_get(m, &n);
    if (n.is_open) assert_int_equal(n.compiled + n.refused, n.funcs);
    return n.refused;
}

static void
tier_open(tier_world *t, gbx_tier_mode tier, gbx_bytes wasm, const gbx_store_opts *opts)
{
    static const gbx_valtype i32s[] = {GBX_I32};
    static char back[] = "back";
    guest_world *const w = &t->w;
    memset(t, 0, sizeof *t);
    gbx_engine_opts engine_opts = GBX_ENGINE_OPTS_INIT;
    engine_opts.tier = tier;
    gbx_module *m;
    GUEST_OK(gbx_engine_new(&engine_opts, &w->engine, &w->err));
    GUEST_OK(gbx_store_new(w->engine, opts, &w->store, &w->err));
    GUEST_OK(gbx_linker_new(w->store, &w->linker, &w->err));
    GUEST_OK(gbx_linker_define_func(w->linker, "env", "fails", NULL, 0, NULL, 0, host_fails, NULL, &w->err));
    GUEST_OK(gbx_linker_define_func(w->linker, "env", "calls", i32s, 1, i32s, 1, host_calls, back, &w->err));
    GUEST_OK(gbx_module_compile(w->engine, wasm, NULL, &m, &w->err));
    GUEST_OK(gbx_instance_new(w->store, m, w->linker, &t->instance, &w->trap, &w->err));
    if (tier == GBX_TIER_EAGER) t->refused = tier_refused(m);
    gbx_module_release(m);
}

static void
free_bytes(gbx_bytes b)
{
    free((void *)(uintptr_t)b.data);
}

/* ---- Traps, three frames deep, by whoever runs each of them */

typedef struct trap_case {
    gbx_trap_code code;
    const char *body; /* leaves an i32; local 0 is 0 */
} trap_case;

static const trap_case trap_cases[] = {
        {GBX_TRAP_UNREACHABLE, "unreachable"},
        {GBX_TRAP_MEM_OOB, "(i32.load offset=65535 (i32.add (local.get 0) (i32.const 4)))"},
        {GBX_TRAP_MEM_OOB, "(i32.load8_u (i32.sub (local.get 0) (i32.const 1)))"},
        {GBX_TRAP_MEM_OOB, "(i64.store offset=0x7ffffff0 (local.get 0) (i64.const 1)) (i32.const 0)"},
        {GBX_TRAP_MEM_OOB, "(f64.store (i32.const 65529) (f64.const 1)) (i32.const 0)"},
        {GBX_TRAP_MEM_OOB, "(memory.copy (i32.const 65530) (local.get 0) (i32.const 7)) (i32.const 0)"},
        {GBX_TRAP_MEM_OOB, "(memory.fill (i32.const -1) (local.get 0) (i32.const 2)) (i32.const 0)"},
        {GBX_TRAP_MEM_OOB, "(memory.init $d (local.get 0) (i32.const 2) (i32.const 3)) (i32.const 0)"},
        {GBX_TRAP_TABLE_OOB, "(table.set $t (i32.const 9) (ref.null func)) (i32.const 0)"},
        {GBX_TRAP_TABLE_OOB, "(ref.is_null (table.get $t (i32.const 9)))"},
        {GBX_TRAP_TABLE_OOB, "(table.copy $t $t (i32.const 3) (local.get 0) (i32.const 9)) (i32.const 0)"},
        {GBX_TRAP_UNDEFINED_ELEMENT, "(call_indirect $t (type $i) (local.get 0) (i32.const 9))"},
        {GBX_TRAP_UNINITIALIZED_ELEMENT, "(call_indirect $t (type $i) (local.get 0) (i32.const 1))"},
        {GBX_TRAP_INDIRECT_TYPE, "(call_indirect $t (type $i) (local.get 0) (i32.const 0))"},
        {GBX_TRAP_UNDEFINED_ELEMENT, "(call_indirect $closed (type $i) (local.get 0) (i32.const 77))"},
        {GBX_TRAP_INDIRECT_TYPE, "(call_indirect $closed (type $i) (local.get 0) (i32.const 0))"},
        {GBX_TRAP_INT_DIV_ZERO, "(i32.div_s (i32.const 1) (local.get 0))"},
        {GBX_TRAP_INT_DIV_ZERO, "(i32.wrap_i64 (i64.rem_u (i64.const 1) (i64.extend_i32_u (local.get 0))))"},
        {GBX_TRAP_INT_OVERFLOW,
         "(i32.div_s (i32.const 0x80000000) (i32.sub (local.get 0) (i32.const 1)))"},
        {GBX_TRAP_INT_OVERFLOW, "(i32.trunc_f64_s (f64.const 1e30))"},
        {GBX_TRAP_BAD_CONVERSION, "(i32.wrap_i64 (i64.trunc_f32_u (f32.const nan)))"},
        {GBX_TRAP_HOST, "(call $fails) (i32.const 0)"},
};

/* Function k of each kind is interpreted where bit k of `lanes` is set: inner, middle, outer. */
static gbx_bytes
trap_module(unsigned lanes)
{
    char *const text = malloc(TEXT_BYTES);
    assert_non_null(text);
    static const char *const local[] = {"", "(local v128)"};
    size_t at = (size_t)snprintf(
            text, TEXT_BYTES,
            "(module (import \"env\" \"fails\" (func $fails)) (type $i (func (param i32) (result i32)))"
            "(memory 1) (data $d \"abc\") (table $t (export \"t\") 4 funcref) (elem (table $t) (i32.const 0) $none)"
            "(table $closed 4 funcref) (elem (table $closed) (i32.const 0) $none) (func $none)");
    for (size_t i = 0; i < sizeof trap_cases / sizeof trap_cases[0]; i++)
        at += (size_t)snprintf(text + at, TEXT_BYTES - at,
                               "(func $inner%zu (type $i) %s %s)"
                               "(func $middle%zu (type $i) %s (i32.add (i32.const 1) (call $inner%zu (local.get 0))))"
                               "(func $outer%zu (export \"f%zu\") (type $i) %s"
                               " (i32.xor (local.get 0) (call $middle%zu (local.get 0))))",
                               i, local[lanes & 1], trap_cases[i].body, i, local[lanes >> 1 & 1], i, i, i,
                               local[lanes >> 2 & 1], i);
    at += (size_t)snprintf(text + at, TEXT_BYTES - at, ")");
    assert_true(at < TEXT_BYTES);
    gbx_bytes const wasm = guest_wat(text);
    free(text);
    return wasm;
}

static void
same_trap(const gbx_trap *a, const gbx_trap *b)
{
    assert_int_equal(a->code, b->code);
    assert_string_equal(a->message, b->message);
    assert_int_equal(a->frames_total, b->frames_total);
    assert_int_equal(a->frame_count, b->frame_count);
    for (uint32_t k = 0; k < a->frame_count; k++) {
        assert_int_equal(a->frames[k].func_idx, b->frames[k].func_idx);
        assert_int_equal(a->frames[k].offset, b->frames[k].offset);
        assert_string_equal(a->frames[k].name, b->frames[k].name);
    }
}

static gbx_bytes trap_modules[8];

static void *
thread_traps(void *unused)
{
    (void)unused;
    for (unsigned lanes = 0; lanes < 8; lanes++) {
        tier_world interp, eager;
        tier_open(&interp, GBX_TIER_INTERP, trap_modules[lanes], NULL);
        tier_open(&eager, GBX_TIER_EAGER, trap_modules[lanes], NULL);
        unsigned const a_case = (lanes & 1) + (lanes >> 1 & 1) + (lanes >> 2 & 1);
        assert_true(!eager.refused || eager.refused == a_case * (sizeof trap_cases / sizeof trap_cases[0]));
        for (size_t i = 0; i < sizeof trap_cases / sizeof trap_cases[0]; i++) {
            char name[16], inner[16];
            int32_t result = 0;
            snprintf(name, sizeof name, "f%zu", i);
            snprintf(inner, sizeof inner, "inner%zu", i);
            assert_int_equal(guest_call(&interp.w, interp.instance, name, (int32_t[]){0}, 1, &result),
                             trap_cases[i].code);
            assert_int_equal(interp.w.trap.frames_total, 3);
            assert_string_equal(interp.w.trap.frames[0].name, inner);
            for (int round = 0; round < 2; round++) {
                assert_int_equal(guest_call(&eager.w, eager.instance, name, (int32_t[]){0}, 1, &result),
                                 trap_cases[i].code);
                same_trap(&interp.w.trap, &eager.w.trap);
            }
        }
        guest_close(&interp.w);
        guest_close(&eager.w);
    }
    return NULL;
}

/* The thread brings a stack for its own signals, which must be its own again afterwards. */
static void *
thread_with_stack(void *unused)
{
    size_t const bytes = (size_t)256 << 10;
    stack_t own = {.ss_sp = malloc(bytes), .ss_size = bytes}, after;
    assert_non_null(own.ss_sp);
    assert_int_equal(sigaltstack(&own, NULL), 0);
    (void)thread_traps(unused);
    assert_int_equal(sigaltstack(NULL, &after), 0);
    assert_true(after.ss_sp == own.ss_sp && after.ss_size == bytes && !(after.ss_flags & SS_DISABLE));
    stack_t const none = {.ss_flags = SS_DISABLE};
    assert_int_equal(sigaltstack(&none, NULL), 0);
    free(own.ss_sp);
    return NULL;
}

static void
test_traps(void **state)
{
    (void)state;
    for (unsigned lanes = 0; lanes < 8; lanes++) trap_modules[lanes] = trap_module(lanes);
    (void)thread_traps(NULL);
    pthread_t t;
    assert_int_equal(pthread_create(&t, NULL, thread_traps, NULL), 0);
    assert_int_equal(pthread_join(t, NULL), 0);
    assert_int_equal(pthread_create(&t, NULL, thread_with_stack, NULL), 0);
    assert_int_equal(pthread_join(t, NULL), 0);
    for (unsigned lanes = 0; lanes < 8; lanes++) free_bytes(trap_modules[lanes]);
}

/* ---- Handlers that a host puts in the place of the library's */

static volatile sig_atomic_t host_signal;
static sigjmp_buf host_jump;

static void
host_handler(int sig, siginfo_t *info, void *context)
{
    (void)info, (void)context;
    host_signal = sig;
    siglongjmp(host_jump, 1);
}

static void
host_simple(int sig)
{
    host_signal = sig;
    siglongjmp(host_jump, 1);
}

/* A fault of the host's own, outside of any guest. */
static void
host_faults(int sig)
{
    void *const page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(page != MAP_FAILED);
    host_signal = 0;
    if (!sigsetjmp(host_jump, 1)) {
        if (sig == SIGSEGV) *(volatile char *)page = 1;
        else (void)raise(sig);
    }
    assert_int_equal(host_signal, sig);
    assert_int_equal(munmap(page, 4096), 0);
}

static void
test_host_handlers(void **state)
{
    (void)state;
    static const int signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL};
    enum { SIGNALS = sizeof signals / sizeof signals[0] };
    struct sigaction before[SIGNALS];
    gbx_bytes const wasm = trap_module(0);
    tier_world t;
    tier_open(&t, GBX_TIER_EAGER, wasm, NULL);
    int32_t result = 0;
    for (int round = 0; round < 4; round++) {
        for (int k = 0; k < SIGNALS; k++) {
            struct sigaction const own = {.sa_sigaction = host_handler, .sa_flags = SA_SIGINFO};
            struct sigaction *const was = round ? NULL : &before[k];
            assert_int_equal(sigaction(signals[k], NULL, was), 0);
            if (round % 2) assert_true(signal(signals[k], host_simple) != SIG_ERR);
            else assert_int_equal(sigaction(signals[k], &own, NULL), 0);
        }
        for (size_t i = 0; i < sizeof trap_cases / sizeof trap_cases[0]; i++) {
            char name[16];
            snprintf(name, sizeof name, "f%zu", i);
            assert_int_equal(guest_call(&t.w, t.instance, name, (int32_t[]){0}, 1, &result),
                             trap_cases[i].code);
        }
        for (int k = 0; k < SIGNALS; k++) host_faults(signals[k]);
        assert_int_equal(guest_call(&t.w, t.instance, "f1", (int32_t[]){0}, 1, &result), GBX_TRAP_MEM_OOB);
    }
    guest_close(&t.w);
    for (int k = 0; k < SIGNALS; k++) assert_int_equal(sigaction(signals[k], &before[k], NULL), 0);
    free_bytes(wasm);
}

/* ---- RULE: S14. Deadline and cancellation, whatever compiled code is doing */

static const char stop_text[] =
        "(module (import \"env\" \"calls\" (func $calls (param i32) (result i32)))"
        "(memory 1) (type $v (func (param i32) (result i32))) (table 1 funcref) (elem (i32.const 0) $hop)"
        "(func (export \"loop\") (type $v) (loop (br 0)) unreachable)"
        "(func (export \"count\") (type $v) (local i64) (loop"
        "  (br_if 0 (i64.ne (local.tee 1 (i64.add (local.get 1) (i64.const 1))) (i64.const 0)))) (i32.const 0))"
        "(func (export \"table\") (type $v) (loop (block (block (br_table 0 2 1 (i32.load (i32.const 0))))"
        "  (br 1))) (i32.const 0))"
        "(func $leaf (type $v) (i32.add (local.get 0) (i32.const 1)))"
        "(func (export \"callee\") (type $v) (loop (local.set 0 (call $leaf (local.get 0))) (br 0)) unreachable)"
        "(func $fib (type $v) (if (result i32) (i32.eqz (local.get 0)) (then (i32.const 1))"
        "  (else (i32.add (call $fib (i32.sub (local.get 0) (i32.const 1)))"
        "                 (call $fib (i32.sub (local.get 0) (i32.const 1)))))))"
        "(func (export \"recursion\") (type $v) (call $fib (i32.const 200)))"
        "(func $hop (export \"tail\") (type $v) (return_call_indirect (type $v) (local.get 0) (i32.const 0)))"
        "(func $lanes (type $v) (local v128) (i32.sub (local.get 0) (i32.const 1)))"
        "(func (export \"mixed\") (type $v) (loop (local.set 0 (call $lanes (local.get 0))) (br 0)) unreachable)"
        "(func (export \"back\") (type $v) (loop (br_if 0 (i32.eqz (local.get 0)))) (i32.const 5))"
        "(func (export \"host\") (type $v) (call $calls (i32.const 0)))"
        "(func (export \"busy\") (type $v) (loop (drop (call $calls (i32.const 1))) (br 0)) unreachable)"
        "(func (export \"bulk\") (type $v) (loop"
        "  (memory.fill (i32.const 0) (i32.const 1) (i32.const 65536)) (br 0)) unreachable))";
static const char *const stop_names[] = {"loop", "count", "table", "callee", "recursion", "tail",
                                         "mixed", "host", "busy", "bulk"};

static void *
thread_cancels(void *store)
{
    struct timespec const t = {.tv_nsec = 20 * MS};
    nanosleep(&t, NULL);
    gbx_store_cancel(store);
    return NULL;
}

static void
test_stops(void **state)
{
    (void)state;
    gbx_bytes const wasm = guest_wat(stop_text);
    for (gbx_tier_mode tier = GBX_TIER_AUTO; tier <= GBX_TIER_EAGER; tier++) {
        for (int cancels = 0; cancels < 2; cancels++) {
            gbx_store_opts opts = GBX_STORE_OPTS_INIT;
            opts.timeout_ns = cancels ? GBX_UNLIMITED : 20 * MS;
            tier_world t;
            tier_open(&t, tier, wasm, &opts);
            for (size_t i = 0; i < sizeof stop_names / sizeof stop_names[0]; i++) {
                pthread_t thread;
                int32_t result = 0;
                if (cancels)
                    assert_int_equal(pthread_create(&thread, NULL, thread_cancels, t.w.store), 0);
                gbx_trap_code const code =
                        guest_call(&t.w, t.instance, stop_names[i], (int32_t[]){0}, 1, &result);
                if (cancels) assert_int_equal(pthread_join(thread, NULL), 0);
                assert_int_equal(code, cancels ? GBX_TRAP_CANCELLED : GBX_TRAP_DEADLINE);
                /* It is over, and the next call is not touched by it. */
                assert_int_equal(guest_call(&t.w, t.instance, "back", (int32_t[]){1}, 1, &result),
                                 GBX_TRAP_NONE);
                assert_int_equal(result, 5);
            }
            guest_close(&t.w);
        }
    }
    free_bytes(wasm);
}

/* ---- Tail calls */

static const char tail_text[] =
        "(module (type $v (func (param i32) (result i32)))"
        "(import \"other\" \"step\" (func $step (type $v)))"
        "(import \"other\" \"reset\" (func $reset (param i32)))"
        "(table $t 2 funcref) (elem (table $t) (i32.const 0) $indirect $step)"
        "(func $direct (export \"direct\") (type $v) (if (i32.eqz (local.get 0)) (then (return (i32.const 42))))"
        "  (return_call $direct (i32.sub (local.get 0) (i32.const 1))))"
        "(func $even (export \"mutual\") (type $v) (if (i32.eqz (local.get 0)) (then (return (i32.const 2))))"
        "  (return_call $odd (i32.sub (local.get 0) (i32.const 1))))"
        "(func $odd (type $v) (if (i32.eqz (local.get 0)) (then (return (i32.const 3))))"
        "  (return_call $even (i32.sub (local.get 0) (i32.const 1))))"
        "(func $indirect (export \"indirect\") (type $v)"
        "  (if (i32.eqz (local.get 0)) (then (return (i32.const 43))))"
        "  (return_call_indirect $t (type $v) (i32.sub (local.get 0) (i32.const 1)) (i32.const 0)))"
        "(func $more (export \"more\") (type $v) (if (i32.eqz (local.get 0)) (then (return (i32.const 44))))"
        "  (return_call $wide (i32.sub (local.get 0) (i32.const 1)) (i64.const 1) (i64.const 2) (i64.const 3)"
        "    (i64.const 4) (i64.const 5) (i64.const 6) (i64.const 7) (i64.const 8) (f64.const 9)))"
        "(func $wide (param i32 i64 i64 i64 i64 i64 i64 i64 i64 f64) (result i32)"
        "  (if (i32.eqz (local.get 0)) (then (return (i32.const 45))))"
        "  (return_call $more (i32.sub (local.get 0) (i32.const 1))))"
        "(func $lanes (type $v) (local v128) (return_call $mixed (i32.sub (local.get 0) (i32.const 1))))"
        "(func $mixed (export \"mixed\") (type $v) (if (i32.le_s (local.get 0) (i32.const 0))"
        "  (then (return (i32.const 46)))) (return_call $lanes (local.get 0)))"
        "(func (export \"imported\") (type $v) (local i32) (loop"
        "  (local.set 1 (call $over (i32.const 7)))"
        "  (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))) (local.get 1))"
        "(func $over (type $v) (return_call $step (local.get 0)))"
        "(func (export \"imported_indirect\") (type $v)"
        "  (return_call_indirect $t (type $v) (local.get 0) (i32.const 1)))"
        "(func (export \"across\") (type $v) (return_call $step (local.get 0))))";

/* The other instance, whose function tail-calls back into the first by the table that it imports. */
static const char other_text[] =
        "(module (type $v (func (param i32) (result i32)))"
        "(func $stays (type $v) (i32.add (local.get 0) (i32.const 1)))"
        "(func (export \"step\") (type $v) (return_call $stays (local.get 0)))"
        "(func (export \"reset\") (param i32)))";

/* As many as no stack has room for: 10 million frames of 16 bytes would be more than the 1 MiB given. */
static void
test_tail_calls(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int32_t count, result;
    } rows[] = {{"direct", 10000000, 42},   {"mutual", 10000000, 2}, {"mutual", 9999999, 3},
                {"indirect", 10000000, 43}, {"more", 10000000, 44},  {"more", 9999999, 45},
                {"mixed", 200000, 46},      {"imported", 200000, 8}, {"imported_indirect", 5, 6},
                {"across", 6, 7}};
    gbx_bytes const wasm = guest_wat(tail_text), other = guest_wat(other_text);
    gbx_store_opts opts = GBX_STORE_OPTS_INIT;
    opts.timeout_ns = GBX_UNLIMITED;
    opts.stack_bytes = 1 << 20;
    for (gbx_tier_mode tier = GBX_TIER_AUTO; tier <= GBX_TIER_EAGER; tier += GBX_TIER_EAGER - GBX_TIER_AUTO) {
        tier_world t;
        guest_world *const w = &t.w;
        tier_open(&t, tier, other, &opts);
        gbx_module *m;
        gbx_instance *first;
        GUEST_OK(gbx_linker_define_instance(w->linker, "other", t.instance, &w->err));
        GUEST_OK(gbx_module_compile(w->engine, wasm, NULL, &m, &w->err));
        GUEST_OK(gbx_instance_new(w->store, m, w->linker, &first, &w->trap, &w->err));
        gbx_module_release(m);
        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
            int32_t result = 0;
            gbx_trap_code const code = guest_call(w, first, rows[i].name, &rows[i].count, 1, &result);
            if (code) fail_msg("%s: %s", rows[i].name, gbx_trap_text(code));
            assert_int_equal(result, rows[i].result);
        }
        guest_close(w);
    }
    free_bytes(wasm);
    free_bytes(other);
}

/* Two instances whose functions tail-call each other without end, by imports and by a table, take turns in a
 * few bytes of stack: only the clock stops them. */
static const char endless_first[] =
        "(module (type $v (func (param i32) (result i32))) (table (export \"t\") 2 funcref)"
        "(func $hop (export \"hop\") (type $v)"
        "  (return_call_indirect (type $v) (i32.add (local.get 0) (i32.const 1)) (i32.const 0)))"
        "(func (export \"inner\") (type $v) (i32.add (i32.const 1) (call $hop (local.get 0))))"
        "(func (export \"down\") (type $v) (if (result i32) (local.get 0)"
        "  (then (return_call_indirect (type $v) (i32.sub (local.get 0) (i32.const 1)) (i32.const 1)))"
        "  (else (i32.const 17)))))";

static const char endless_other[] =
        "(module (type $v (func (param i32) (result i32)))"
        "(import \"other\" \"t\" (table 2 funcref)) (elem (i32.const 0) $back $down)"
        "(import \"other\" \"hop\" (func $hop (type $v))) (import \"other\" \"down\" (func $first (type $v)))"
        "(func $back (type $v) (return_call $hop (i32.sub (local.get 0) (i32.const 1))))"
        "(func $down (export \"down\") (type $v) (local v128) (return_call $first (local.get 0)))"
        "(func (export \"hop\") (type $v) (return_call $hop (local.get 0)))"
        "(func (export \"inner\") (type $v) (i32.add (i32.const 1) (call $hop (local.get 0)))))";

static void
test_endless_tail_calls(void **state)
{
    (void)state;
    static const char *const names[] = {"hop", "inner"};
    gbx_bytes const wasm = guest_wat(endless_first), other = guest_wat(endless_other);
    gbx_store_opts opts = GBX_STORE_OPTS_INIT;
    opts.timeout_ns = 300 * MS;
    opts.stack_bytes = 1 << 20;
    for (gbx_tier_mode tier = GBX_TIER_AUTO; tier <= GBX_TIER_EAGER; tier++) {
        tier_world t;
        guest_world *const w = &t.w;
        tier_open(&t, tier, wasm, &opts);
        gbx_module *m;
        gbx_instance *second;
        GUEST_OK(gbx_linker_define_instance(w->linker, "other", t.instance, &w->err));
        GUEST_OK(gbx_module_compile(w->engine, other, NULL, &m, &w->err));
        GUEST_OK(gbx_instance_new(w->store, m, w->linker, &second, &w->trap, &w->err));
        gbx_module_release(m);
        for (int i = 0; i < 4; i++) {
            int32_t result = 0;
            gbx_instance *const from = i < 2 ? t.instance : second;
            gbx_trap_code const code = guest_call(w, from, names[i % 2], (int32_t[]){5}, 1, &result);
            if (code != GBX_TRAP_DEADLINE) fail_msg("tier %d, %d: %s", (int)tier, i, gbx_trap_text(code));
            assert_true(w->trap.frames_total <= 3);
            assert_int_equal(guest_call(w, from, "down", (int32_t[]){20000}, 1, &result), GBX_TRAP_NONE);
            assert_int_equal(result, 17);
        }
        guest_close(w);
    }
    free_bytes(wasm);
    free_bytes(other);
}

/* Two functions with as many parameters as there may be, and results, in turn. */
static gbx_bytes
long_types(int count)
{
    char *const text = malloc(TEXT_BYTES);
    assert_non_null(text);
    size_t at = (size_t)snprintf(text, TEXT_BYTES, "(module (type $l (func (param i32");
    for (int i = 1; i < count; i++) at += (size_t)snprintf(text + at, TEXT_BYTES - at, " i64");
    at += (size_t)snprintf(text + at, TEXT_BYTES - at,
                           ") (result i32))) (func $short (export \"f\") (param i32) (result i32)"
                           " (if (i32.eqz (local.get 0)) (then (return (i32.const 11))))"
                           " (i32.sub (local.get 0) (i32.const 1))");
    for (int i = 1; i < count; i++) at += (size_t)snprintf(text + at, TEXT_BYTES - at, " (i64.const %d)", i);
    at += (size_t)snprintf(text + at, TEXT_BYTES - at,
                           " (return_call $long)) (func $long (type $l) (if (i64.ne (local.get %d) (i64.const %d))"
                           " (then (return (i32.const -1)))) (return_call $short (local.get 0))))",
                           count - 1, count - 1);
    assert_true(at < TEXT_BYTES);
    gbx_bytes const wasm = guest_wat(text);
    free(text);
    return wasm;
}

static void
test_long_tail_calls(void **state)
{
    (void)state;
    for (int count = 60; count <= 1000; count += 470) {
        gbx_bytes const wasm = long_types(count);
        tier_world t;
        int32_t result = 0;
        tier_open(&t, GBX_TIER_EAGER, wasm, NULL);
        assert_int_equal(t.refused, 0);
        assert_int_equal(guest_call(&t.w, t.instance, "f", (int32_t[]){100000}, 1, &result), GBX_TRAP_NONE);
        assert_int_equal(result, 11);
        guest_close(&t.w);
        free_bytes(wasm);
    }
}

/* ---- Recursion */

static const char deep_text[] =
        "(module (import \"env\" \"calls\" (func $calls (param i32) (result i32)))"
        "(type $v (func (param i32) (result i32)))"
        "(func $down (export \"down\") (type $v) (i32.add (i32.const 1) (call $down (local.get 0))))"
        "(func $lanes (type $v) (local v128) (i32.add (i32.const 1) (call $mixed (local.get 0))))"
        "(func $mixed (export \"mixed\") (type $v) (i32.add (i32.const 1) (call $lanes (local.get 0))))"
        "(func (export \"back\") (type $v) (i32.add (i32.const 1) (call $calls (local.get 0))))"
        "(func $some (type $v) (if (result i32) (local.get 0)"
        "  (then (i32.add (i32.const 1) (call $some (i32.sub (local.get 0) (i32.const 1)))))"
        "  (else (i32.const 0))))"
        "(func (export \"ok\") (type $v) (call $some (i32.const 1000))))";

/* A typed trap at any depth, in every tier, and the store goes on after it. */
static void
test_recursion(void **state)
{
    (void)state;
    static const char *const names[] = {"down", "mixed", "back"};
    gbx_bytes const wasm = guest_wat(deep_text);
    gbx_store_opts opts = GBX_STORE_OPTS_INIT;
    opts.stack_bytes = 4 << 20;
    for (gbx_tier_mode tier = GBX_TIER_AUTO; tier <= GBX_TIER_EAGER; tier++) {
        tier_world t;
        tier_open(&t, tier, wasm, &opts);
        for (int round = 0; round < 3; round++) {
            for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
                int32_t result = 0;
                gbx_trap_code const code =
                        guest_call(&t.w, t.instance, names[i], (int32_t[]){0}, 1, &result);
                assert_int_equal(code, GBX_TRAP_STACK_EXHAUSTED);
                assert_true(t.w.trap.frames_total > 100);
                assert_int_equal(guest_call(&t.w, t.instance, "ok", (int32_t[]){0}, 1, &result),
                                 GBX_TRAP_NONE);
                assert_int_equal(result, 1000);
            }
        }
        guest_close(&t.w);
    }
    free_bytes(wasm);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_traps),     cmocka_unit_test(test_host_handlers),
            cmocka_unit_test(test_stops),     cmocka_unit_test(test_tail_calls),
            cmocka_unit_test(test_recursion),
            cmocka_unit_test(test_long_tail_calls), cmocka_unit_test(test_endless_tail_calls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
