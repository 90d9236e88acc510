/* Snapshots from within: what a slot is put right by, memories of every kind, vectors and exceptions in
 * globals, and memory that is short at any moment. */
#include "api/guest.h"

#include "base/alloc.h"
#include "base/os_mem.h"
#include "host.h"
#include "runtime/runtime_int.h"

#define PAGE MEMORY_PAGE_BYTES

typedef struct world {
    gbx_engine *engine;
    gbx_store *store;
    gbx_linker *linker;
    gbx_instance *inst;
    gbx_err err;
} world;

/* False where memory is short; all else fails the test. */
static bool
world_open(world *w, gbx_engine *e)
{
    *w = (world){.engine = e};
    gbx_code code = gbx_store_new(e, NULL, &w->store, &w->err);
    if (code == GBX_OK) code = gbx_linker_new(w->store, &w->linker, &w->err);
    if (code != GBX_OK) assert_int_equal(code, GBX_NO_MEMORY);
    return code == GBX_OK;
}

static void
world_close(world *w)
{
    gbx_linker_release(w->linker);
    gbx_store_release(w->store);
}

static gbx_module *
module_of(gbx_engine *e, gbx_bytes wasm)
{
    gbx_module *m;
    gbx_err err;
    if (gbx_module_compile(e, wasm, NULL, &m, &err)) fail_msg("%s", err.text);
    return m;
}

static gbx_engine *
engine_new(void)
{
    gbx_engine *e;
    gbx_engine_opts const opts = {.size = sizeof opts, .keep_ms = GBX_KEEP_OFF};
    assert_int_equal(gbx_engine_new(&opts, &e, NULL), GBX_OK);
    return e;
}

static void
world_new(world *w, gbx_engine *e, gbx_module *m)
{
    assert_true(world_open(w, e));
    if (gbx_instance_new(w->store, m, w->linker, &w->inst, NULL, &w->err)) fail_msg("%s", w->err.text);
}

static void
world_resume(world *w, gbx_engine *e, const gbx_snapshot *s)
{
    assert_true(world_open(w, e));
    if (gbx_instance_resume(w->store, s, w->linker, &w->inst, NULL, &w->err)) fail_msg("%s", w->err.text);
}

static gbx_snapshot *
snapshot_of(world *w)
{
    gbx_snapshot *s;
    if (gbx_snapshot_take(w->inst, NULL, &s, &w->err)) fail_msg("%s", w->err.text);
    return s;
}

/* A module whose function `grow` makes it `pages` larger. */
static gbx_module *
grower(gbx_engine *e)
{
    gbx_bytes const b = guest_wat("(module (memory (export \"m\") 1 100) (table (export \"t\") 3 30 funcref) (func $f)"
                                  "(elem (i32.const 1) func $f) (global $g (export \"g\") (mut i64) (i64.const 3))"
                                  "(func (export \"grow\") (param i32) (result i32) (memory.grow (local.get 0)))"
                                  "(func (export \"more\") (result i32) (table.grow 0 (ref.func $f) (i32.const 4))))");
    gbx_module *const m = module_of(e, b);
    free((void *)(uintptr_t)b.data);
    return m;
}

static i32
call(world *w, const char *name, i32 arg)
{
    gbx_func *const f = gbx_instance_func(w->inst, name);
    gbx_val const a = guest_i32(arg);
    gbx_val r;
    assert_int_equal(gbx_func_call(f, &a, gbx_func_params(f, NULL), &r, 1, NULL), GBX_TRAP_NONE);
    return r.of.i32;
}

/* Bytes at both ends of a part of memory, which is then large enough to be mapped, or copied; with and without
 * the system's list of written pages. */
static void
test_reset(void **state)
{
    (void)state;
    for (int k = 0; k < 8; k++) {
        gbx_engine *const e = engine_new();
        if (k & 1) gbx_base_os_written_close(&e->pool.written);
        gbx_module *const m = grower(e);
        world first, w;
        world_new(&first, e, m);
        assert_int_equal(call(&first, "grow", 9), 1);
        assert_int_equal(call(&first, "more", 0), 3);
        u8 *const base = first.inst->memories[0]->base;
        if (k & 2) base[0] = 1; /* else memory is all zero, and there is no image */
        if (k & 2 && k & 4) base[7 * PAGE + 5] = 7;
        first.inst->globals[0]->value = 99;
        gbx_snapshot *const s = snapshot_of(&first);
        base[0] = 200;
        const gbx_instance *slot = NULL;
        for (int round = 0; round < 4; round++) {
            world_resume(&w, e, s);
            gbx_memory *const mem = w.inst->memories[0];
            assert_int_equal(instance_of(w.inst)->is_reused, round > 0);
            assert_int_equal(instance_of(w.inst)->is_mapped, (k & 2) != 0);
            if (slot) assert_ptr_equal(slot, w.inst);
            slot = w.inst;
            assert_int_equal(mem->bytes, 10 * PAGE);
            assert_int_equal(mem->base[0], k & 2 ? 1 : 0);
            assert_int_equal(mem->base[7 * PAGE + 5], k & 2 && k & 4 ? 7 : 0);
            assert_int_equal(mem->base[9 * PAGE + 5], 0);
            assert_false(host_can_read(mem->base + 10 * PAGE));
            assert_int_equal(w.inst->globals[0]->value, 99);
            assert_int_equal(w.inst->tables[0]->len, 7);
            for (int i = 0; i < 7; i++)
                assert_ptr_equal((gbx_func *)(uintptr_t)w.inst->tables[0]->elems[i],
                                 i == 0 || i == 2 ? NULL : w.inst->funcs[0]);
            /* Soil all of it, pages it grows by included. */
            assert_int_equal(call(&w, "grow", 2), 10);
            assert_int_equal(call(&w, "more", 0), 7);
            memset(mem->base, 0xee, 12 * PAGE);
            w.inst->globals[0]->value = 5;
            world_close(&w);
            assert_int_equal(e->pool.slots, 1);
            assert_int_equal(slot->globals[0]->value, 0);
            assert_null(slot->store);
            assert_null(instance_of(slot)->snapshot);
            assert_int_equal(slot->memories[0]->base[1], 0);
            assert_false(host_can_read(slot->memories[0]->base + 10 * PAGE));
        }
        /* A slot of the snapshot is not one of the module, and the other way round. */
        world plain;
        world_new(&plain, e, m);
        assert_false(instance_of(plain.inst)->is_reused);
        assert_int_equal(plain.inst->memories[0]->bytes, PAGE);
        world_close(&plain);
        world_close(&first);
        u32 const slots = e->pool.slots;
        gbx_module_release(m);
        assert_int_equal(e->pool.slots, slots); /* the snapshot keeps it */
        gbx_snapshot_release(s);
        assert_int_equal(e->pool.slots, 0);
        assert_int_equal(e->pool.bytes, 0);
        gbx_engine_release(e);
    }
}

/* Several memories, 64-bit ones, and no pool for such; the last owner may be an instance. */
static void
test_memories(void **state)
{
    (void)state;
    static const char *const options[] = {"--enable-multi-memory", "--enable-memory64"};
    static const char *const texts[] = {
            "(module (memory (export \"a\") 1 20) (memory (export \"b\") 2) (memory 0))",
            "(module (memory (export \"a\") i64 3 20))",
    };
    for (int k = 0; k < 2; k++) {
        char dir[] = "/tmp/gbx-test-XXXXXX", wat[64], out[64];
        assert_non_null(mkdtemp(dir));
        snprintf(wat, sizeof wat, "%s/m.wat", dir);
        snprintf(out, sizeof out, "%s/m.wasm", dir);
        FILE *const f = fopen(wat, "w");
        assert_true(f && fputs(texts[k], f) >= 0 && fclose(f) == 0);
        guest_run_tool((char *const[]){"wat2wasm", (char *)(uintptr_t)options[k], wat, "-o", out, NULL}, NULL);
        gbx_bytes const b = guest_read_file(out);
        unlink(wat), unlink(out), rmdir(dir);
        gbx_engine *const e = engine_new();
        gbx_module *const m = module_of(e, b);
        free((void *)(uintptr_t)b.data);
        world first, w;
        world_new(&first, e, m);
        u32 const count = first.inst->memory_count;
        for (u32 i = 0; i < count; i++) {
            gbx_memory *const mem = first.inst->memories[i];
            if (!mem->bytes) continue;
            assert_int_not_equal(gbx_runtime_memory_grow(mem, 2), UINT64_MAX);
            memset(mem->base + mem->bytes - PAGE, (int)(10 + i), 100);
        }
        gbx_snapshot *const s = snapshot_of(&first);
        for (int round = 0; round < 3; round++) {
            world_resume(&w, e, s);
            for (u32 i = 0; i < count; i++) {
                gbx_memory *const mem = w.inst->memories[i];
                assert_int_equal(mem->bytes, first.inst->memories[i]->bytes);
                if (!mem->bytes) continue;
                assert_memory_equal(mem->base, first.inst->memories[i]->base, mem->bytes);
                assert_ptr_not_equal(mem->base, first.inst->memories[i]->base);
                memset(mem->base, 0x77, mem->bytes);
            }
            if (round < 2) world_close(&w);
        }
        assert_int_equal(e->pool.slots, 0);
        world_close(&first);
        gbx_snapshot_release(s);
        gbx_module_release(m);
        gbx_engine_release(e);
        world_close(&w); /* frees instance, snapshot, module and engine */
    }
}

/* High halves of vectors go along; vectors need a twin of the stack in the new store too. */
static void
test_vectors(void **state)
{
    (void)state;
    gbx_bytes const b = guest_wat("(module (global $g (export \"g\") (mut v128) (v128.const i64x2 1 2))"
                                  "(func (export \"set\") (global.set $g (v128.const i64x2 11 22)))"
                                  "(func (export \"high\") (result i32)"
                                  "  (i32.wrap_i64 (i64x2.extract_lane 1 (global.get $g)))))");
    gbx_engine *const e = engine_new();
    gbx_module *const m = module_of(e, b);
    free((void *)(uintptr_t)b.data);
    world first, w;
    world_new(&first, e, m);
    assert_int_equal(gbx_func_call(gbx_instance_func(first.inst, "set"), NULL, 0, NULL, 0, NULL), GBX_TRAP_NONE);
    gbx_snapshot *const s = snapshot_of(&first);
    world_close(&first);
    world_resume(&w, e, s);
    assert_int_equal(w.inst->globals[0]->value, 11);
    assert_int_equal(call(&w, "high", 0), 22);
    world_close(&w);
    gbx_snapshot_release(s);
    gbx_module_release(m);
    gbx_engine_release(e);
}

/* Take, resume and use with the n-th allocation failing: GBX_NO_MEMORY, or all is well, and nothing leaks. */
static bool
attempt(gbx_engine *e, gbx_module *m)
{
    world w[2] = {0};
    gbx_snapshot *s = NULL;
    gbx_code code = world_open(&w[0], e) && world_open(&w[1], e) ? GBX_OK : GBX_NO_MEMORY;
    if (code == GBX_OK) code = gbx_instance_new(w[0].store, m, w[0].linker, &w[0].inst, NULL, &w[0].err);
    if (code == GBX_OK) {
        memset(w[0].inst->memories[0]->base + 100, 42, 20000);
        w[0].inst->tables[0]->elems[2] = (gbx_slot)(uintptr_t)w[0].inst->funcs[0];
        code = gbx_snapshot_take(w[0].inst, NULL, &s, &w[0].err);
    }
    if (code == GBX_OK) code = gbx_instance_resume(w[1].store, s, w[1].linker, &w[1].inst, NULL, &w[1].err);
    if (code == GBX_OK) {
        assert_int_equal(w[1].inst->memories[0]->base[99], 0);
        assert_int_equal(w[1].inst->memories[0]->base[20099], 42);
        assert_ptr_equal((gbx_func *)(uintptr_t)w[1].inst->tables[0]->elems[2], w[1].inst->funcs[0]);
    } else {
        assert_int_equal(code, GBX_NO_MEMORY);
    }
    for (int k = 0; k < 2; k++) world_close(&w[k]);
    gbx_snapshot_release(s);
    return code == GBX_OK;
}

static void
test_failures(void **state)
{
    (void)state;
    gbx_engine *const e = engine_new();
    gbx_module *const m = grower(e);
    assert_true(attempt(e, m));
    u32 fine = 0, short_of = 0;
    for (u64 n = 1;; n++) {
        gbx_base_fault_arm(n);
        bool const ok = attempt(e, m);
        u64 const seen = gbx_base_fault_count();
        gbx_base_fault_arm(0);
        if (ok) fine++;
        else short_of++;
        if (seen < n) break;
    }
    assert_true(short_of > 10 && fine > 1); /* where the file of an image is refused it is copied */
    assert_true(attempt(e, m));
    gbx_module_release(m);
    gbx_engine_release(e);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_reset),
            cmocka_unit_test(test_memories),
            cmocka_unit_test(test_vectors),
            cmocka_unit_test(test_failures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
