/* Seats: calls that begin where the last one ended find everything right, whoever sat there in between, whatever the host
 * changed, and whoever is gone. */
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host.h"
#include "runtime/runtime_int.h"
#include "wasm_build.h"

#define STREAM 300 /* calls, more than are looked at one by one */

enum { ADD, LOAD, ASK, DEEP, SPIN };

static build
module_bytes(void)
{
    static const build_func host = {"l", "l", "", NULL, 0};
    const build_func funcs[] = {
            {"ii", "i", "", BODY(OP_LOCAL_GET, 0, OP_LOCAL_GET, 1, OP_I32_ADD, OP_END)},
            {"i", "i", "", BODY(OP_LOCAL_GET, 0, OP_I32_LOAD8_U, 0, 0, OP_END)},
            {"l", "l", "", BODY(OP_LOCAL_GET, 0, OP_CALL, 0, OP_I64_CONST, 1, OP_I64_ADD, OP_END)},
            {"i", "i", "",
             BODY(OP_LOCAL_GET, 0, OP_IF, WASM_I32, OP_LOCAL_GET, 0, OP_I32_CONST, 1, OP_I32_SUB, OP_CALL, 4,
                  OP_I32_CONST, 1, OP_I32_ADD, OP_ELSE, OP_I32_CONST, 0, OP_END, OP_END)},
            {"", "", "", BODY(OP_LOOP, 0x40, OP_BR, 0, OP_END, OP_END)},
    };
    return build_whole(&(build_module){.import_from = "h",
                                       .imports = &host,
                                       .import_count = 1,
                                       .funcs = funcs,
                                       .func_count = GBX_LEN(funcs),
                                       .pages = 1});
}

static gbx_engine *
engine_open(gbx_tier_mode tier)
{
    gbx_engine_opts opts = GBX_ENGINE_OPTS_INIT;
    gbx_engine *e;
    opts.tier = tier;
    assert_int_equal(gbx_engine_new(&opts, &e, NULL), GBX_OK);
    return e;
}

typedef struct guest {
    gbx_store *store;
    gbx_instance *inst;
    gbx_func *func[SPIN + 1];
    struct guest *calls; /* what its host function calls; NULL: nothing */
    int32_t calls_with;
} guest;

static gbx_trap_code
asked(gbx_caller *caller, void *data, const gbx_val *args, gbx_val *results);

static void
guest_open(guest *g, gbx_engine *e, u64 timeout_ns)
{
    gbx_store_opts opts = GBX_STORE_OPTS_INIT;
    gbx_linker *l;
    gbx_module *m;
    gbx_err err;
    gbx_valtype const wide = GBX_I64;
    build bytes = module_bytes();
    *g = (guest){0};
    opts.timeout_ns = timeout_ns;
    opts.stack_bytes = 16 << 20;
    assert_int_equal(gbx_store_new(e, &opts, &g->store, &err), GBX_OK);
    assert_int_equal(gbx_linker_new(g->store, &l, &err), GBX_OK);
    assert_int_equal(gbx_linker_define_func(l, "h", "h0", &wide, 1, &wide, 1, asked, g, &err), GBX_OK);
    assert_int_equal(gbx_module_compile(e, (gbx_bytes){bytes.data, bytes.len}, NULL, &m, &err), GBX_OK);
    assert_int_equal(gbx_instance_new(g->store, m, l, &g->inst, NULL, &err), GBX_OK);
    gbx_linker_release(l);
    gbx_module_release(m);
    build_free(&bytes);
    for (u32 i = 0; i <= SPIN; i++) {
        char const name[3] = {'f', (char)('0' + i), 0};
        g->func[i] = gbx_instance_func(g->inst, name);
    }
}

static void
guest_close(guest *g)
{
    gbx_store_release(g->store);
}

/* add(a, 2) is right. */
static bool
adds(guest *g, i32 a)
{
    gbx_val const args[2] = {{GBX_I32, .of.i32 = a}, {GBX_I32, .of.i32 = 2}};
    gbx_val sum;
    gbx_trap trap;
    return gbx_func_call(g->func[ADD], args, 2, &sum, 1, &trap) == GBX_TRAP_NONE &&
           trap.code == GBX_TRAP_NONE && sum.type == GBX_I32 && sum.of.i32 == a + 2;
}

/* The same raw: upper halves of what is given say nothing. */
static bool
adds_raw(guest *g, i32 a)
{
    uint64_t values[2] = {(u64)7 << 32 | (u32)a, UINT64_MAX << 32 | 2};
    return gbx_func_call_raw(g->func[ADD], values, 2, NULL) == GBX_TRAP_NONE && values[0] == (u32)(a + 2);
}

static bool
stream(guest *g)
{
    for (i32 i = 0; i < STREAM; i++)
        if (!(i % 5 ? adds(g, i) : adds_raw(g, -i))) return false;
    return true;
}

static gbx_trap_code
one(guest *g, u32 func, i32 arg, gbx_val *result, gbx_trap *trap)
{
    gbx_val const a = {GBX_I32, .of.i32 = arg};
    return gbx_func_call(g->func[func], &a, 1, result, 1, trap);
}

static bool
traps(guest *g)
{
    gbx_val r;
    gbx_trap trap;
    return one(g, LOAD, 1 << 20, &r, &trap) == GBX_TRAP_MEM_OOB && trap.frame_count == 1;
}

static gbx_trap_code
asked(gbx_caller *caller, void *data, const gbx_val *args, gbx_val *results)
{
    const guest *const g = data;
    if (g->calls) {
        if (gbx_caller_instance(caller) != g->inst) return GBX_TRAP_HOST;
        for (i32 i = 0; i < g->calls_with; i++)
            if (!adds(g->calls, i) || (i % 3 == 0 && g->calls != g && !traps(g->calls))) return GBX_TRAP_HOST;
    }
    results[0].of.i64 = args[0].of.i64 * 10;
    return args[0].of.i64 == 99 ? GBX_TRAP_HOST : GBX_TRAP_NONE;
}

static bool
asks(guest *g, i64 a)
{
    gbx_val const arg = {GBX_I64, .of.i64 = a};
    gbx_val r;
    return gbx_func_call(g->func[ASK], &arg, 1, &r, 1, NULL) == GBX_TRAP_NONE && r.of.i64 == a * 10 + 1;
}

/* ---- */

static volatile sig_atomic_t host_got;

static void
host_handler(int sig)
{
    host_got = sig;
    _exit(3); /* of a child */
}

static void
replace_handler(void)
{
    struct sigaction const mine = {.sa_handler = host_handler};
    (void)sigaction(SIGSEGV, &mine, NULL);
    (void)sigaction(SIGBUS, &mine, NULL);
}

/* Run in a child: the handlers of this process stay as they are. 0: it returned true. */
static int
in_child(bool (*body)(guest *g))
{
    pid_t const pid = fork();
    if (pid == 0) {
        guest g;
        gbx_engine *const e = engine_open(GBX_TIER_EAGER);
        guest_open(&g, e, 0);
        _exit(body(&g) ? 0 : 1);
    }
    int status = -1;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static bool
replaced_early(guest *g)
{
    bool ok = adds(g, 1) && gbx_runtime_seat_mine->tick == 0; /* the next is looked at again, however soon */
    replace_handler();
    ok = ok && adds(g, 2) && traps(g);
    replace_handler();
    return ok && traps(g);
}

static bool
replaced_after_trap(guest *g)
{
    bool const ok = stream(g) && traps(g);
    replace_handler();
    return ok && traps(g) && stream(g);
}

static bool
replaced_and_said(guest *g)
{
    bool const ok = stream(g);
    replace_handler();
    gbx_signals_changed();
    return ok && traps(g);
}

static bool
blocked(guest *g)
{
    sigset_t segv, now;
    bool ok = stream(g);
    (void)sigemptyset(&segv);
    (void)sigaddset(&segv, SIGSEGV);
    (void)pthread_sigmask(SIG_BLOCK, &segv, NULL);
    gbx_signals_changed();
    for (u32 i = 0; i < STREAM; i++) ok = ok && adds(g, 1) && (i % 50 || traps(g));
    (void)pthread_sigmask(SIG_BLOCK, NULL, &now);
    return ok && sigismember(&now, SIGSEGV) == 1; /* as the host has it */
}

static bool
other_altstack(guest *g)
{
    static u8 own[128 << 10];
    stack_t const mine = {.ss_sp = own, .ss_size = sizeof own}, none = {.ss_flags = SS_DISABLE};
    stack_t now;
    bool ok = stream(g) && sigaltstack(&mine, NULL) == 0;
    gbx_signals_changed();
    ok = ok && stream(g) && traps(g) && sigaltstack(NULL, &now) == 0 && now.ss_sp == (void *)own;
    ok = ok && sigaltstack(&none, NULL) == 0;
    gbx_signals_changed();
    gbx_val r;
    return ok && one(g, DEEP, 1 << 30, &r, NULL) == GBX_TRAP_STACK_EXHAUSTED && traps(g);
}

static void
test_host_changes(void **state)
{
    (void)state;
    assert_int_equal(in_child(replaced_early), 0);
    assert_int_equal(in_child(replaced_after_trap), 0);
    assert_int_equal(in_child(replaced_and_said), 0);
    assert_int_equal(in_child(blocked), 0);
    assert_int_equal(in_child(other_altstack), 0);
}

/* Stores of one engine and of another, in turn, one in the course of another, and released in between. */
static void
test_stores(void **state)
{
    (void)state;
    for (u32 k = 0; k < 3; k++) {
        gbx_engine *const e = engine_open((gbx_tier_mode)k), *const f = engine_open(GBX_TIER_EAGER);
        guest g[4];
        for (u32 i = 0; i < 4; i++) guest_open(&g[i], i % 2 ? f : e, 0);
        for (u32 round = 0; round < 3; round++) {
            for (i32 i = 0; i < STREAM; i++) assert_true(adds(&g[i % 4], i));
            assert_true(stream(&g[round]) && asks(&g[round], 5) && stream(&g[round]));
        }
        for (u32 i = 0; i < 4; i++) { /* itself too */
            for (u32 j = 0; j < 4; j++) {
                g[i].calls = &g[j];
                g[i].calls_with = 100;
                assert_true(stream(&g[i]) && asks(&g[i], 7) && stream(&g[i]) && asks(&g[i], 8));
                assert_true(stream(&g[j]));
            }
            g[i].calls = NULL;
        }
        assert_int_equal(gbx_runtime_seat_mine->calls, 0);
        for (u32 i = 0; i < 20; i++) {
            guest_close(&g[i % 4]);
            guest_open(&g[i % 4], i % 3 ? e : f, 0);
            assert_true(adds(&g[i % 4], 3) && stream(&g[i % 3]));
        }
        for (u32 i = 0; i < 4; i++) guest_close(&g[i]);
        gbx_engine_release(e);
        guest other;
        guest_open(&other, f, 0);
        assert_true(stream(&other));
        guest_close(&other);
        gbx_engine_release(f);
        assert_null(gbx_runtime_seat_mine->lane);
    }
}

/* A host function that a compiled one calls: its trap has the frames of both tiers, and what it lets go on goes on. */
static void
test_host_function(void **state)
{
    (void)state;
    for (u32 k = 0; k < 2; k++) {
        gbx_engine *const e = engine_open(k ? GBX_TIER_EAGER : GBX_TIER_INTERP);
        guest g;
        guest_open(&g, e, 0);
        for (u32 i = 0; i < 3; i++) {
            gbx_val const arg = {GBX_I64, .of.i64 = 99};
            gbx_val r;
            gbx_trap trap;
            assert_true(asks(&g, 4));
            assert_int_equal(gbx_func_call(g.func[ASK], &arg, 1, &r, 1, &trap), GBX_TRAP_HOST);
            assert_int_equal(trap.frame_count, 1);
            assert_string_equal(trap.frames[0].name, "fn3");
            const wasm_code *const code = g.func[ASK]->code;
            assert_int_equal(trap.frames[0].offset, code->insns_off + 2);
            assert_string_equal(trap.message, "host function `h::h0` failed");
        }
        gbx_store_cancel(g.store);
        assert_false(asks(&g, 4));
        assert_true(asks(&g, 4));
        guest_close(&g);
        gbx_engine_release(e);
    }
}

static void
test_raw(void **state)
{
    (void)state;
    gbx_engine *const e = engine_open(GBX_TIER_EAGER);
    guest g;
    gbx_trap trap;
    uint64_t values[3] = {1 << 20, 0, 0};
    guest_open(&g, e, 0);
    assert_int_equal(gbx_func_call_raw(g.func[LOAD], values, 1, &trap), GBX_TRAP_MEM_OOB);
    assert_int_equal(trap.frame_count, 1);
    for (u32 i = 0; i < STREAM; i++) { /* compiled, addresses are taken as they are (S3) */
        values[0] = (u64)7 << 32 | 5;
        assert_int_equal(gbx_func_call_raw(g.func[LOAD], values, 1, &trap), GBX_TRAP_NONE);
        assert_int_equal(values[0], 0);
    }
    assert_int_equal(gbx_func_call_raw(NULL, values, 1, &trap), GBX_TRAP_HOST);
    assert_int_equal(gbx_func_call_raw(g.func[ADD], values, 1, &trap), GBX_TRAP_HOST);
    assert_string_equal(trap.message, "called raw with 1 values, the function takes 2 and gives 1: count must be 2");
    assert_int_equal(gbx_func_call_raw(g.func[ADD], values, 3, &trap), GBX_TRAP_HOST);
    assert_int_equal(gbx_func_call_raw(g.func[ADD], NULL, 2, &trap), GBX_TRAP_HOST);
    gbx_func *const host = g.inst->funcs[0];
    assert_int_equal(gbx_func_call_raw(host, values, 1, &trap), GBX_TRAP_HOST);
    guest_close(&g);
    gbx_engine_release(e);
}

/* What a deep call touched is given back, and hidden. */
static void
test_deep(void **state)
{
    (void)state;
    gbx_engine *const e = engine_open(GBX_TIER_EAGER);
    guest g;
    gbx_val r;
    gbx_trap trap;
    guest_open(&g, e, 0);
    for (u32 i = 0; i < 3; i++) {
        assert_true(stream(&g));
        assert_int_equal(one(&g, DEEP, 200000, &r, &trap), GBX_TRAP_NONE);
        assert_int_equal(r.of.i32, 200000);
        const enter_stack *const stack = &gbx_runtime_seat_mine->lane->native;
        assert_non_null(stack->region);
        assert_true(host_can_read(stack->shown) && !host_can_read(stack->shown - 1) && !host_can_read(stack->low));
        assert_int_equal(one(&g, DEEP, 1 << 30, &r, &trap), GBX_TRAP_STACK_EXHAUSTED);
        assert_true(trap.frames_total > 200000);
        assert_false(host_can_read(stack->low));
        assert_true(asks(&g, 2) && traps(&g));
    }
    guest_close(&g);
    gbx_engine_release(e);
}

/* Deadlines and cancellations hit streams too, and no call but that one. */
static void
test_stopping(void **state)
{
    (void)state;
    for (u32 k = 0; k < 4; k++) {
        gbx_engine *const e = engine_open(k % 2 ? GBX_TIER_EAGER : GBX_TIER_AUTO);
        guest g;
        guest_open(&g, e, k / 2 ? 20 * 1000 * 1000 : 400 * 1000 * 1000);
        assert_int_equal(g.store->is_plain, k < 2 && !e->watcher.is_fenced);
        for (u32 i = 0; i < 2; i++) {
            gbx_trap trap;
            assert_true(stream(&g));
            assert_int_equal(gbx_func_call(g.func[SPIN], NULL, 0, NULL, 0, &trap), GBX_TRAP_DEADLINE);
            assert_true(stream(&g));
            gbx_store_cancel(g.store);
            assert_false(adds(&g, 1));
            assert_true(adds(&g, 1) && asks(&g, 3));
        }
        guest_close(&g);
        gbx_engine_release(e);
    }
}

/* ---- Threads */

typedef struct meeting {
    pthread_barrier_t barrier;
    gbx_engine *first, *second;
    bool ok;
} meeting;

static void *
thread_outlives(void *data)
{
    meeting *const m = data;
    guest g;
    guest_open(&g, m->first, 0);
    m->ok = stream(&g) && traps(&g);
    guest_close(&g);
    (void)pthread_barrier_wait(&m->barrier); /* the first engine is released, this thread sat there */
    (void)pthread_barrier_wait(&m->barrier);
    guest_open(&g, m->second, 0);
    m->ok = m->ok && stream(&g) && traps(&g);
    guest_close(&g);
    return NULL;
}

static void
test_engines_end(void **state)
{
    (void)state;
    meeting m = {.first = engine_open(GBX_TIER_EAGER), .second = engine_open(GBX_TIER_EAGER)};
    pthread_t thread;
    (void)pthread_barrier_init(&m.barrier, NULL, 2);
    assert_int_equal(pthread_create(&thread, NULL, thread_outlives, &m), 0);
    (void)pthread_barrier_wait(&m.barrier);
    gbx_engine_release(m.first);
    (void)pthread_barrier_wait(&m.barrier);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(m.ok);
    assert_null(m.second->lanes.seats); /* the thread gave its lane back */
    assert_int_equal(m.second->lanes.free_count, 1);
    gbx_engine_release(m.second);
    (void)pthread_barrier_destroy(&m.barrier);
}

/* One store, moved from thread to thread. */
typedef struct mover {
    guest *g;
    bool ok;
} mover;

static void *
thread_moves(void *data)
{
    mover *const m = data;
    m->ok = stream(m->g) && asks(m->g, 6) && traps(m->g);
    return NULL;
}

static void
test_moves(void **state)
{
    (void)state;
    gbx_engine *const e = engine_open(GBX_TIER_EAGER);
    guest g;
    guest_open(&g, e, 0);
    for (u32 i = 0; i < 20; i++) {
        mover m = {.g = &g};
        pthread_t thread;
        assert_true(stream(&g));
        assert_int_equal(pthread_create(&thread, NULL, thread_moves, &m), 0);
        assert_int_equal(pthread_join(thread, NULL), 0);
        assert_true(m.ok);
    }
    assert_true(e->lanes.free_count <= 2);
    guest_close(&g);
    gbx_engine_release(e);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_host_changes), cmocka_unit_test(test_stores),
            cmocka_unit_test(test_host_function), cmocka_unit_test(test_deep),
            cmocka_unit_test(test_stopping),     cmocka_unit_test(test_engines_end),
            cmocka_unit_test(test_moves),        cmocka_unit_test(test_raw),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
