/* gbx_instance_reset: nothing of the requests before is left, whatever they did and however the instance's memory
 * is made; and what the host holds of it stays good. */
#include "api/guest.h"

#include <gbx/snapshot.h>
#include <gbx/unstable/trace.h>

#define PAGE 65536

/* Everything that a call can leave behind. `dirty` writes to all of it, `sum` tells whether anything differs. */
static const char rich[] =
        "(module"
        " (memory (export \"memory\") 2 40) (data (i32.const 100) \"begin\") (data $passive \"later\")"
        " (global $g (export \"g\") (mut i64) (i64.const 7))"
        " (table $t (export \"t\") 4 20 funcref) (elem (i32.const 1) $one) (elem $more func $two)"
        " (func $one (result i32) (i32.const 1)) (func $two (result i32) (i32.const 2))"
        " (func $start (i32.store (i32.const 200) (i32.add (i32.load (i32.const 200)) (i32.const 5)))) (start $start)"
        " (func (export \"dirty\") (param $grow i32)"
        "  (memory.fill (i32.const 0) (i32.const 0xee) (i32.const 131072))"
        "  (drop (memory.grow (local.get $grow)))"
        "  (memory.fill (i32.const 0) (i32.const 0xee) (i32.mul (memory.size) (i32.const 65536)))"
        "  (global.set $g (i64.const 4711))"
        "  (table.fill $t (i32.const 0) (ref.func $two) (i32.const 4))"
        "  (drop (table.grow $t (ref.func $two) (local.get $grow)))"
        "  (data.drop $passive) (elem.drop $more))"
        " (func (export \"sum\") (result i32)"
        "  (memory.init $passive (i32.const 300) (i32.const 0) (i32.const 5))"
        "  (table.init $t $more (i32.const 3) (i32.const 0) (i32.const 1))"
        "  (i32.add (i32.mul (call_indirect (result i32) (i32.const 1)) (i32.const 10))"
        "           (call_indirect (result i32) (i32.const 3))))"
        " (func (export \"null\") (result i32) (i32.add (ref.is_null (table.get $t (i32.const 0))) (ref.is_null (table.get $t (i32.const 2)))))"
        " (func (export \"trap\") unreachable))";

static void
assert_new(guest_world *w, gbx_instance *i)
{
    uint8_t *mem;
    size_t bytes;
    gbx_val g;
    int32_t out = 0;
    assert_true(gbx_instance_memory(i, "memory", &mem, &bytes));
    assert_int_equal(bytes, 2 * PAGE);
    assert_memory_equal(mem + 100, "begin", 5);
    assert_int_equal(mem[200], 5); /* the start function ran once */
    for (size_t k = 0; k < bytes; k++)
        if (mem[k] && k != 200 && (k < 100 || k > 104)) fail_msg("byte %zu is %d", k, mem[k]);
    assert_true(gbx_instance_global(i, "g", &g) && g.of.i64 == 7);
    assert_int_equal(guest_call(w, i, "null", NULL, 0, &out), GBX_TRAP_NONE);
    assert_int_equal(out, 2);
    assert_int_equal(guest_call(w, i, "sum", NULL, 0, &out), GBX_TRAP_NONE);
    assert_int_equal(out, 12);
    assert_memory_equal(mem + 300, "later", 5);
}

static void
soil(guest_world *w, gbx_instance *i, int32_t grow)
{
    assert_int_equal(guest_call(w, i, "dirty", &grow, 1, NULL), GBX_TRAP_NONE);
    int32_t out;
    assert_int_equal(guest_call(w, i, "sum", NULL, 0, &out), GBX_TRAP_MEM_OOB); /* the segment is dropped */
}

static void
reset(guest_world *w, gbx_instance *i)
{
    GUEST_OK(gbx_instance_reset(i, &w->trap, &w->err));
}

/* Of the first instance of a module its segments are applied one by one, the second has an image, and huge pages
 * are not mapped: all begin again the same way. */
static void
test_all_memories(void **state)
{
    (void)state;
    static const gbx_tier_mode tiers[] = {GBX_TIER_INTERP, GBX_TIER_EAGER};
    for (size_t tier = 0; tier < 2; tier++) {
        for (uint64_t huge = 0; huge < 2; huge++) {
            guest_world w0, *const w = &w0;
            gbx_engine_opts const eo = {.size = sizeof eo, .tier = tiers[tier]};
            gbx_store_opts const so = {.size = sizeof so, .huge_pages = huge};
            memset(w, 0, sizeof *w);
            GUEST_OK(gbx_engine_new(&eo, &w->engine, &w->err));
            GUEST_OK(gbx_store_new(w->engine, &so, &w->store, &w->err));
            gbx_module *const m = guest_compile(w, rich);
            for (int nth = 0; nth < 3; nth++) {
                gbx_instance *i;
                GUEST_OK(gbx_instance_new(w->store, m, NULL, &i, &w->trap, &w->err));
                gbx_func *const sum = gbx_instance_func(i, "sum");
                for (int32_t grow = 0; grow < 40; grow += 13) {
                    assert_new(w, i);
                    reset(w, i);
                    soil(w, i, grow);
                    reset(w, i);
                }
                assert_ptr_equal(sum, gbx_instance_func(i, "sum"));
                assert_new(w, i);
                gbx_metrics now = {.size = sizeof now};
                GUEST_OK(gbx_store_metrics(w->store, &now, &w->err));
                assert_int_equal(now.memory_high_bytes, (2 * nth + 2 + 26) * PAGE); /* 39 are refused */
            }
            gbx_module_release(m);
            guest_close(w);
        }
    }
}

/* What counts against the store's bounds is given back. */
static void
test_bounds(void **state)
{
    (void)state;
    guest_world w;
    gbx_store_opts const opts = {.size = sizeof opts, .table_elems = 20, .memory_bytes = 40 * PAGE};
    guest_open(&w, &opts);
    gbx_instance *const i = guest_instance(&w, rich);
    for (int k = 0; k < 50; k++) {
        soil(&w, i, 16);
        uint8_t *mem;
        size_t bytes;
        assert_true(gbx_instance_memory(i, "memory", &mem, &bytes));
        assert_int_equal(bytes, 18 * PAGE);
        reset(&w, i);
    }
    assert_new(&w, i);
    guest_close(&w);
}

static void
test_after_traps(void **state)
{
    (void)state;
    guest_world w;
    gbx_store_opts const opts = {.size = sizeof opts, .after_trap = GBX_AFTER_TRAP_ENDS};
    guest_open(&w, &opts);
    gbx_instance *const i = guest_instance(&w, rich);
    int32_t out;
    for (int k = 0; k < 3; k++) {
        assert_int_equal(guest_call(&w, i, "trap", NULL, 0, NULL), GBX_TRAP_UNREACHABLE);
        assert_int_equal(guest_call(&w, i, "sum", NULL, 0, &out), GBX_TRAP_POISONED);
        reset(&w, i);
        assert_new(&w, i);
    }
    guest_close(&w);
}

static gbx_trap_code
host_reset(gbx_caller *caller, void *data, const gbx_val *args, gbx_val *results)
{
    (void)args, (void)results;
    gbx_err err;
    *(gbx_code *)data = gbx_instance_reset(gbx_caller_instance(caller), NULL, &err);
    return GBX_TRAP_NONE;
}

static void
test_refused(void **state)
{
    (void)state;
    guest_world w0, *const w = &w0;
    guest_open(w, NULL);
    gbx_code code = GBX_OK;
    GUEST_OK(gbx_linker_define_func(w->linker, "h", "reset", NULL, 0, NULL, 0, host_reset, &code, &w->err));
    GUEST_OK(gbx_linker_define_memory(w->linker, "h", "m", 1, 1, &w->err));
    GUEST_OK(gbx_linker_define_global(w->linker, "h", "c", guest_i32(3), false, &w->err));
    GUEST_OK(gbx_linker_define_global(w->linker, "h", "v", guest_i32(3), true, &w->err));
    gbx_instance *const inside = guest_instance(w, "(module (import \"h\" \"reset\" (func $r)) (func (export \"f\") (call $r)))");
    assert_int_equal(guest_call(w, inside, "f", NULL, 0, NULL), GBX_TRAP_NONE);
    assert_int_equal(code, GBX_STATE);
    reset(w, inside);
    static const char *const shared[] = {
            "(module (import \"h\" \"m\" (memory 1)))",
            "(module (import \"h\" \"v\" (global (mut i32))))",
    };
    for (size_t k = 0; k < 2; k++)
        assert_int_equal(gbx_instance_reset(guest_instance(w, shared[k]), NULL, &w->err), GBX_STATE);
    reset(w, guest_instance(w, "(module (import \"h\" \"c\" (global i32)))"));
    assert_int_equal(gbx_instance_reset(NULL, NULL, &w->err), GBX_ARGUMENT);
    guest_close(w);
}

/* A start function that traps the second time. */
static void
test_start_traps(void **state)
{
    (void)state;
    guest_world w0, *const w = &w0;
    guest_open(w, NULL);
    gbx_module *const m = guest_compile(
            w, "(module (import \"h\" \"f\" (func $f)) (memory 1) (start $f) (func (export \"g\")))");
    gbx_code code = GBX_OK;
    GUEST_OK(gbx_linker_define_func(w->linker, "h", "f", NULL, 0, NULL, 0, host_reset, &code, &w->err));
    gbx_instance *i;
    GUEST_OK(gbx_instance_new(w->store, m, w->linker, &i, &w->trap, &w->err));
    gbx_store_cancel(w->store);
    assert_int_equal(gbx_instance_reset(i, &w->trap, &w->err), GBX_TRAPPED);
    assert_int_equal(w->trap.code, GBX_TRAP_CANCELLED);
    assert_int_equal(guest_call(w, i, "g", NULL, 0, NULL), GBX_TRAP_POISONED);
    reset(w, i);
    assert_int_equal(guest_call(w, i, "g", NULL, 0, NULL), GBX_TRAP_NONE);
    gbx_module_release(m);
    guest_close(w);
}

/* ---- Snapshots */

static void
test_snapshot(void **state)
{
    (void)state;
    guest_world w0, *const w = &w0;
    guest_open(w, NULL);
    gbx_instance *const first = guest_instance(
            w, "(module (memory (export \"memory\") 1) (global $g (mut i32) (i32.const 0)) (global $r (mut i32) (i32.const 0))"
               " (func (export \"set\") (param i32) (global.set $g (local.get 0)) (i32.store (i32.const 8) (local.get 0)))"
               " (func (export \"get\") (result i32) (i32.add (global.get $g) (i32.load (i32.const 8))))"
               " (func (export \"resume\") (global.set $r (i32.add (global.get $r) (i32.const 1))))"
               " (func (export \"resumed\") (result i32) (global.get $r)))");
    int32_t v = 21, other = 5, out = 0;
    assert_int_equal(guest_call(w, first, "set", &v, 1, NULL), GBX_TRAP_NONE);
    gbx_snapshot_opts const opts = {.size = sizeof opts, .resume = "resume"};
    gbx_snapshot *s;
    GUEST_OK(gbx_snapshot_take(first, &opts, &s, &w->err));
    for (int k = 0; k < 3; k++) {
        gbx_instance *i;
        GUEST_OK(gbx_instance_resume(w->store, s, w->linker, &i, &w->trap, &w->err));
        for (int round = 0; round < 3; round++) {
            assert_int_equal(guest_call(w, i, "get", NULL, 0, &out), GBX_TRAP_NONE);
            assert_int_equal(out, 42);
            assert_int_equal(guest_call(w, i, "resumed", NULL, 0, &out), GBX_TRAP_NONE);
            assert_int_equal(out, 1);
            assert_int_equal(guest_call(w, i, "set", &other, 1, NULL), GBX_TRAP_NONE);
            reset(w, i);
        }
    }
    gbx_snapshot_release(s);
    guest_close(w);
}

/* ---- WASI, and Go */

typedef struct program {
    guest_world w;
    gbx_instance *inst;
    char out[8192];
    size_t out_len;
} program;

static void
program_write(void *data, const uint8_t *bytes, size_t len)
{
    program *const p = data;
    if (len > sizeof p->out - 1 - p->out_len) len = sizeof p->out - 1 - p->out_len;
    memcpy(p->out + p->out_len, bytes, len);
    p->out[p->out_len += len] = 0;
}

static program *
program_open(const char *dir, bool seeded, uint64_t output_bytes)
{
    static gbx_bytes wasm;
    static const char *const flags[] = {"-buildmode=c-shared", NULL};
    if (!wasm.data) wasm = guest_go_with("go/requests/requests.go", flags);
    program *const p = calloc(1, sizeof *p);
    assert_non_null(p);
    guest_world *const w = &p->w;
    guest_open(w, &(gbx_store_opts){.size = sizeof(gbx_store_opts), .output_bytes = output_bytes});
    gbx_wasi *wasi;
    GUEST_OK(gbx_wasi_new(&wasi, &w->err));
    GUEST_OK(gbx_wasi_sink(wasi, 1, program_write, p, &w->err));
    GUEST_OK(gbx_wasi_dir(wasi, dir, "/data", GBX_READ_ONLY, &w->err));
    GUEST_OK(gbx_wasi_scratch(wasi, "/tmp", 1 << 20, &w->err));
    if (seeded) gbx_wasi_seed(wasi, 42);
    GUEST_OK(gbx_wasi_link(wasi, w->linker, &w->err));
    gbx_wasi_release(wasi);
    gbx_module *m;
    GUEST_OK(gbx_module_compile(w->engine, wasm, NULL, &m, &w->err));
    GUEST_OK(gbx_instance_new(w->store, m, w->linker, &p->inst, &w->trap, &w->err));
    gbx_module_release(m);
    return p;
}

static void
program_close(program *p)
{
    guest_close(&p->w);
    free(p);
}

static gbx_trap_code
request(program *p)
{
    p->out_len = 0;
    p->out[0] = 0;
    return guest_call(&p->w, p->inst, "request", NULL, 0, NULL);
}

/* Each request leaves files open, others in its scratch directory, a descriptor's flags, goroutines; what the next
 * one prints of the world it finds is the same. */
static void
test_go_requests(void **state)
{
    (void)state;
    char dir[] = "/tmp/gbx-test-XXXXXX", file[64];
    assert_non_null(mkdtemp(dir));
    snprintf(file, sizeof file, "%s/x", dir);
    FILE *const f = fopen(file, "w");
    assert_non_null(f);
    fputs("some text", f);
    fclose(f);
    for (int seeded = 0; seeded < 2; seeded++) {
        program *const p = program_open(dir, seeded, 0);
        char first[8192];
        assert_int_equal(request(p), GBX_TRAP_NONE);
        memcpy(first, p->out, sizeof first);
        assert_non_null(strstr(first, "calls 1\n"));
        assert_non_null(strstr(first, "scratch []\n"));
        assert_int_equal(request(p), GBX_TRAP_NONE);
        assert_non_null(strstr(p->out, "calls 2\n"));
        assert_non_null(strstr(p->out, "scratch [left]\n"));
        for (int k = 0; k < 4; k++) {
            reset(&p->w, p->inst);
            assert_int_equal(request(p), GBX_TRAP_NONE);
            if (seeded) assert_string_equal(p->out, first); /* random numbers and times, too */
            assert_non_null(strstr(p->out, "calls 1\n"));
            assert_non_null(strstr(p->out, "scratch []\n"));
            assert_non_null(strstr(p->out, "fd 5\n"));
            if (k % 2) assert_int_equal(guest_call(&p->w, p->inst, "leave", NULL, 0, NULL), GBX_TRAP_EXIT);
        }
        program_close(p);
    }
    unlink(file);
    rmdir(dir);
}

static void
test_go_output_counts_anew(void **state)
{
    (void)state;
    program *const p = program_open("/tmp", false, 1000);
    for (int k = 0; k < 5; k++) {
        assert_int_equal(guest_call(&p->w, p->inst, "print900", NULL, 0, NULL), GBX_TRAP_NONE);
        reset(&p->w, p->inst);
    }
    assert_int_equal(guest_call(&p->w, p->inst, "print900", NULL, 0, NULL), GBX_TRAP_NONE);
    assert_int_equal(guest_call(&p->w, p->inst, "print900", NULL, 0, NULL), GBX_TRAP_OUTPUT_LIMIT);
    assert_int_equal(p->w.trap.limit, 1000);
    reset(&p->w, p->inst);
    assert_int_equal(guest_call(&p->w, p->inst, "print900", NULL, 0, NULL), GBX_TRAP_NONE);
    program_close(p);
}

/* What was granted and is closed cannot be had back: nothing is changed then. */
static void
test_go_closed_grant(void **state)
{
    (void)state;
    program *const p = program_open("/tmp", false, 0);
    assert_int_equal(request(p), GBX_TRAP_NONE);
    assert_int_equal(guest_call(&p->w, p->inst, "closeOut", NULL, 0, NULL), GBX_TRAP_NONE);
    assert_int_equal(gbx_instance_reset(p->inst, NULL, &p->w.err), GBX_STATE);
    assert_non_null(strstr(p->w.err.text, "descriptor 2"));
    int32_t calls = 0;
    assert_int_equal(guest_call(&p->w, p->inst, "calls", NULL, 0, &calls), GBX_TRAP_NONE);
    assert_int_equal(calls, 1);
    program_close(p);
}

/* What a store has of WASI without descriptors of the host's begins again: bytes to read, what is kept of output, the
 * fixed clock, randomness by a seed. */
static void
test_streams_and_clock(void **state)
{
    (void)state;
    guest_world world, *const w = &world;
    guest_open(w, NULL);
    gbx_wasi *wasi;
    GUEST_OK(gbx_wasi_new(&wasi, &w->err));
    GUEST_OK(gbx_wasi_stdin_bytes(wasi, (gbx_bytes){(const uint8_t *)"first...second..", 16}, &w->err));
    GUEST_OK(gbx_wasi_capture(wasi, 1, 16, &w->err));
    gbx_wasi_random_seed(wasi, 7);
    GUEST_OK(gbx_wasi_link(wasi, w->linker, &w->err));
    gbx_wasi_release(wasi);
    gbx_instance *const i = guest_instance(
            w,
            "(module"
            " (import \"wasi_snapshot_preview1\" \"fd_read\" (func $r (param i32 i32 i32 i32) (result i32)))"
            " (import \"wasi_snapshot_preview1\" \"fd_write\" (func $w (param i32 i32 i32 i32) (result i32)))"
            " (import \"wasi_snapshot_preview1\" \"clock_time_get\" (func $c (param i32 i64 i32) (result i32)))"
            " (import \"wasi_snapshot_preview1\" \"random_get\" (func $x (param i32 i32) (result i32)))"
            " (memory (export \"memory\") 1) (data (i32.const 0) \"\\40\\00\\00\\00\\08\\00\\00\\00\")"
            " (func (export \"go\") (result i32)"
            "  (i32.or (i32.or (call $r (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 32))"
            "                  (call $w (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 32)))"
            "          (i32.or (call $c (i32.const 0) (i64.const 1) (i32.const 128))"
            "                  (call $x (i32.const 136) (i32.const 16))))))");
    uint8_t *mem, seen[3][24];
    size_t bytes;
    int32_t out;
    for (unsigned k = 0; k < 3; k++) {
        if (k == 2) reset(w, i);
        assert_int_equal(guest_call(w, i, "go", NULL, 0, &out), GBX_TRAP_NONE);
        assert_int_equal(out, 0);
        assert_true(gbx_instance_memory(i, "memory", &mem, &bytes));
        memcpy(seen[k], mem + 128, sizeof seen[k]);
        gbx_bytes const kept = gbx_store_captured(w->store, 1);
        assert_int_equal(kept.len, k == 1 ? 16 : 8);
        assert_memory_equal(kept.data, "first...second..", kept.len);
    }
    assert_memory_not_equal(seen[0], seen[1], 8);
    assert_memory_not_equal(seen[0] + 8, seen[1] + 8, 16);
    assert_memory_equal(seen[0], seen[2], 24);

    gbx_snapshot *s;
    assert_int_equal(gbx_snapshot_take(i, NULL, &s, &w->err), GBX_SNAPSHOT); /* it knows random numbers */
    reset(w, i);
    GUEST_OK(gbx_snapshot_take(i, NULL, &s, &w->err));
    gbx_snapshot_release(s);
    guest_close(w);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_all_memories),
            cmocka_unit_test(test_bounds),
            cmocka_unit_test(test_after_traps),
            cmocka_unit_test(test_refused),
            cmocka_unit_test(test_start_traps),
            cmocka_unit_test(test_snapshot),
            cmocka_unit_test(test_go_requests),
            cmocka_unit_test(test_go_output_counts_anew),
            cmocka_unit_test(test_go_closed_grant),
            cmocka_unit_test(test_streams_and_clock),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
