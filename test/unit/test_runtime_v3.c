/* WebAssembly 3.0 in the runtime: vectors across the border to the host, 64-bit memories and tables, tags,
 * and the lives of exceptions. */
#include "runtime/runtime_int.h"
#include "wasm_build.h"

/* Compile and instantiate sections; the error's code, with words in err. */
static gbx_code
v3_load(world *w, const build *sections, gbx_instance **out, gbx_err *err)
{
    build b = {0};
    gbx_module *m;
    *out = NULL;
    BUILD(&b, 0, 'a', 's', 'm', 1, 0, 0, 0);
    build_bytes(&b, sections->data, sections->len);
    gbx_code code = gbx_module_compile(w->engine, (gbx_bytes){b.data, b.len}, NULL, &m, err);
    build_free(&b);
    if (code != GBX_OK) return code;
    code = gbx_instance_new(w->store, m, w->linker, out, NULL, err);
    gbx_module_release(m);
    return code;
}

static gbx_instance *
v3_instance(world *w, const build *sections)
{
    gbx_instance *inst;
    gbx_err err;
    if (v3_load(w, sections, &inst, &err) != GBX_OK) fail_msg("%s", err.text);
    return inst;
}

static void
v3_refused(world *w, const build *sections, gbx_code want, const char *words)
{
    gbx_instance *inst;
    gbx_err err;
    gbx_code const code = v3_load(w, sections, &inst, &err);
    if (code != want || !strstr(err.text, words)) fail_msg("%s: %s", gbx_code_slug(code), err.text);
}

/* ---- Vectors */

/* (v128, i32) -> (i64, v128): the i32, and the vector with each byte one more. */
static gbx_trap_code
v3_increase(gbx_caller *caller, void *data, const gbx_val *args, gbx_val *results)
{
    (void)caller;
    ++*(u32 *)data;
    results[0].of.i64 = args[1].of.i32;
    for (u32 i = 0; i < 16; i++) results[1].of.v128[i] = (u8)(args[0].of.v128[i] + 1);
    return GBX_TRAP_NONE;
}

static void
test_vectors(void **state)
{
    (void)state;
    static const gbx_valtype params[] = {GBX_V128, GBX_I32}, results[] = {GBX_I64, GBX_V128};
    world w = world_open(0, 1 << 20);
    gbx_err err;
    u32 calls = 0;
    gbx_val constant = {.type = GBX_V128};
    for (u32 i = 0; i < 16; i++) constant.of.v128[i] = (u8)(i + 1);
    assert_int_equal(gbx_linker_define_func(w.linker, "h", "f", params, 2, results, 2, v3_increase, &calls, &err),
                     GBX_OK);
    assert_int_equal(gbx_linker_define_global(w.linker, "h", "g", constant, false, &err), GBX_OK);
    build b = {0}, s = {0};
    BUILD(&s, 1, 0x60, 2, WASM_V128, WASM_I32, 2, WASM_I64, WASM_V128);
    build_section(&b, 1, &s);
    BUILD(&s, 2, 1, 'h', 1, 'f', 0, 0, 1, 'h', 1, 'g', 3, WASM_V128, 0);
    build_section(&b, 2, &s);
    BUILD(&s, 1, WASM_V128, 1, OP_GLOBAL_GET, 0, OP_END); /* mutable, from the imported one */
    build_section(&b, 6, &s);
    BUILD(&s, 2, 1, 'f', 0, 0, 1, 'g', 3, 1);
    build_section(&b, 7, &s);
    gbx_instance *const inst = v3_instance(&w, &b);
    build_free(&b);

    gbx_val v;
    assert_true(gbx_instance_global(inst, "g", &v));
    assert_int_equal(v.type, GBX_V128);
    assert_memory_equal(v.of.v128, constant.of.v128, 16);
    v.of.v128[15] = 0xee;
    assert_true(gbx_instance_set_global(inst, "g", v));
    assert_true(gbx_instance_global(inst, "g", &v));
    assert_int_equal(v.of.v128[15], 0xee);
    assert_int_equal(v.of.v128[8], 9);

    gbx_trap trap;
    gbx_val out[2];
    gbx_val const args[2] = {constant, {GBX_I32, {.i32 = -5}}};
    gbx_func *const f = gbx_instance_func(inst, "f");
    assert_int_equal(gbx_func_call(f, args, 2, out, 2, &trap), GBX_TRAP_NONE);
    assert_int_equal(calls, 1);
    assert_true(out[0].type == GBX_I64 && out[0].of.i64 == -5);
    for (u32 i = 0; i < 16; i++) assert_int_equal(out[1].of.v128[i], i + 2);
    world_close(&w);
}

/* ---- 64-bit memories and tables */

static void
test_memory64(void **state)
{
    (void)state;
    world w = world_open(0, 0);
    build b = {0}, s = {0};
    BUILD(&s, 2, 4, 1, 5, 0, 2); /* one page or more; none to two, both 64-bit */
    build_section(&b, 5, &s);
    BUILD(&s, 2, 1, 'm', 2, 0, 1, 'n', 2, 1);
    build_section(&b, 7, &s);
    gbx_instance *const inst = v3_instance(&w, &b);
    gbx_memory *const mem = inst->memories[0], *const small = inst->memories[1];
    assert_true(mem->is_64 && small->is_64 && !mem->guarded);
    assert_int_equal(gbx_runtime_memory_grow(small, 2), 0);
    assert_int_equal(gbx_runtime_memory_grow(small, 1), UINT64_MAX);
    assert_int_equal(gbx_runtime_memory_grow(mem, (u64)1 << 48), UINT64_MAX);
    assert_int_equal(gbx_runtime_memory_grow(mem, 3), 1);
    mem->base[mem->bytes - 1] = 1;

    /* The linker tells both kinds apart. */
    gbx_err err;
    assert_int_equal(gbx_linker_define_instance(w.linker, "i", inst, &err), GBX_OK);
    build c = {0};
    BUILD(&s, 1, 1, 'i', 1, 'm', 2, 4, 4);
    build_section(&c, 2, &s);
    v3_instance(&w, &c);
    c.len = 0;
    BUILD(&s, 1, 1, 'i', 1, 'm', 2, 0, 1);
    build_section(&c, 2, &s);
    v3_refused(&w, &c, GBX_IMPORT_TYPE, "wanted as memory of 1 or more pages, supplied is 64-bit memory of 4");
    /* 2^48 pages are valid, and more than anybody has. */
    c.len = 0;
    BUILD(&s, 1, 4);
    build_u32(&s, (u64)1 << 48);
    build_section(&c, 5, &s);
    v3_refused(&w, &c, GBX_LIMIT, "starts with 281474976710656 pages");
    c.len = 0;
    BUILD(&s, 1, WASM_FUNCREF, 4);
    build_u32(&s, UINT64_MAX);
    build_section(&c, 4, &s);
    v3_refused(&w, &c, GBX_LIMIT, "starts with 18446744073709551615 elements");
    /* A data segment whose offset wraps in 32 bits. */
    c.len = 0;
    BUILD(&s, 1, 4, 1);
    build_section(&c, 5, &s);
    BUILD(&s, 1, 0, OP_I64_CONST);
    build_i64(&s, (i64)1 << 32);
    BUILD(&s, OP_END, 1, 'x');
    build_section(&c, 11, &s);
    v3_refused(&w, &c, GBX_TRAPPED, "1 bytes at 4294967296");
    build_free(&b);
    build_free(&c);
    world_close(&w);
}

/* A 64-bit memory may be larger than any other, where the store allows it. */
static void
test_memory64_large(void **state)
{
    (void)state;
    gbx_engine *e;
    gbx_store *s;
    gbx_err err;
    gbx_store_opts opts = GBX_STORE_OPTS_INIT;
    opts.memory_bytes = GBX_UNLIMITED;
    assert_int_equal(gbx_engine_new(NULL, &e, &err), GBX_OK);
    assert_int_equal(gbx_store_new(e, &opts, &s, &err), GBX_OK);
    gbx_memory wide, narrow;
    wasm_limits type = {.is_64 = true};
    assert_int_equal(gbx_runtime_memory_init(&wide, &type, s->limits.memory_bytes, "it", &err), GBX_OK);
    type.is_64 = false;
    assert_int_equal(gbx_runtime_memory_init(&narrow, &type, s->limits.memory_bytes, "it", &err), GBX_OK);
    assert_int_equal(narrow.max_bytes, (u64)4 << 30);
    assert_true(wide.max_bytes > narrow.max_bytes || wide.reserved_bytes == wide.max_bytes);
    gbx_runtime_memory_deinit(&wide);
    gbx_runtime_memory_deinit(&narrow);
    gbx_store_release(s);
    gbx_engine_release(e);
}

/* ---- Tags and exceptions */

/* Tag 0: (i32, v128), tag 1: (exnref); a table of two exnref and a global of one. */
static gbx_instance *
v3_tags(world *w)
{
    build b = {0}, s = {0};
    BUILD(&s, 2, 0x60, 2, WASM_I32, WASM_V128, 0, 0x60, 1, WASM_EXNREF, 0);
    build_section(&b, 1, &s);
    BUILD(&s, 1, WASM_EXNREF, 0, 2);
    build_section(&b, 4, &s);
    BUILD(&s, 2, 0, 0, 0, 1);
    build_section(&b, 13, &s);
    BUILD(&s, 1, WASM_EXNREF, 1, OP_REF_NULL, WASM_EXNREF, OP_END);
    build_section(&b, 6, &s);
    BUILD(&s, 1, 1, 'e', 4, 0);
    build_section(&b, 7, &s);
    gbx_instance *const inst = v3_instance(w, &b);
    build_free(&b);
    return inst;
}

static void
test_tags(void **state)
{
    (void)state;
    world w = world_open(0, 0);
    gbx_instance *const inst = v3_tags(&w);
    gbx_err err;
    gbx_extern_info info;
    assert_true(gbx_module_export(gbx_runtime_instance_module(inst), 0, &info));
    assert_int_equal(info.kind, GBX_EXTERN_TAG);
    assert_string_equal(info.signature, "tag (i32, v128) -> ()");
    assert_int_equal(gbx_linker_define_instance(w.linker, "i", inst, &err), GBX_OK);
    build b = {0}, s = {0};
    BUILD(&s, 2, 0x60, 0, 0, 0x60, 2, WASM_I32, WASM_V128, 0);
    build_section(&b, 1, &s);
    size_t const types = b.len;
    BUILD(&s, 1, 1, 'i', 1, 'e', 4, 0, 1);
    build_section(&b, 2, &s);
    /* It is the same tag in both. */
    assert_ptr_equal(v3_instance(&w, &b)->tags[0], inst->tags[0]);
    b.len = types;
    BUILD(&s, 1, 1, 'i', 1, 'e', 4, 0, 0);
    build_section(&b, 2, &s);
    v3_refused(&w, &b, GBX_IMPORT_TYPE, "wanted as tag () -> (), supplied is tag (i32, v128) -> ()");
    build_free(&b);
    world_close(&w);
}

/* Thousands are thrown; those in a slot of the stack, a table, a global or another exception live on. */
static void
test_exceptions_live(void **state)
{
    (void)state;
    enum { THROWN = 60000, SLOTS = 64 };
    world w = world_open(0, 0);
    gbx_instance *const inst = v3_tags(&w);
    gbx_store *const s = w.store;
    gbx_slot stack[2 * SLOTS] = {0}; /* and its twin */
    s->exec.stack = stack;
    s->exec.sp = stack + SLOTS;
    s->exec.high = SLOTS;
    gbx_slot *const slots[] = {&stack[5], &inst->tables[0]->elems[1], &inst->globals[0]->value, &stack[40]};
    u64 most = 0;
    for (u32 i = 0; i < THROWN; i++) {
        stack[1] = i;
        stack[2] = (u64)i << 32;
        stack[2 + SLOTS] = ~(u64)i;
        gbx_exn *e;
        assert_int_equal(inst->libcalls->exn_new(&s->exec, inst, 0, &stack[1], &e), GBX_TRAP_NONE);
        if (i % 1000 == 0) {
            u32 const k = i / 1000 % GBX_LEN(slots);
            *slots[k] = (uintptr_t)e;
            if (k == 3) { /* this one is held by another */
                assert_int_equal(inst->libcalls->exn_new(&s->exec, inst, 1, slots[k], &e), GBX_TRAP_NONE);
                *slots[k] = (uintptr_t)e;
            }
        }
        most = max_u64(most, s->exn_bytes);
    }
    assert_true(most < 3u << 20);
    for (u32 k = 0; k < GBX_LEN(slots); k++) {
        const gbx_exn *e = (const gbx_exn *)(uintptr_t)*slots[k];
        if (k == 3) {
            assert_ptr_equal(e->tag, inst->tags[1]);
            e = (const gbx_exn *)(uintptr_t)e->values[0];
        }
        assert_ptr_equal(e->tag, inst->tags[0]);
        u64 const i = e->values[0];
        assert_int_equal(i / 1000 % GBX_LEN(slots), k);
        assert_true(e->values[1] == i << 32 && e->values[3] == ~i);
    }
    s->exec.stack = s->exec.sp = NULL;
    s->exec.high = 0;
    world_close(&w);
}

/* A guest that keeps all of them is stopped at the store's bound. */
static void
test_exceptions_bound(void **state)
{
    (void)state;
    world w = world_open(0, 0);
    gbx_instance *const inst = v3_tags(&w);
    gbx_store *const s = w.store;
    gbx_slot stack[1] = {0};
    s->limits.memory_bytes = 1 << 20;
    s->exec.stack = stack;
    s->exec.sp = stack + 1;
    u64 count = 0;
    for (gbx_exn *e;; count++) { /* each holds the one before */
        gbx_trap_code const code = inst->libcalls->exn_new(&s->exec, inst, 1, stack, &e);
        if (code != GBX_TRAP_NONE) {
            assert_int_equal(code, GBX_TRAP_NO_HOST_MEMORY);
            break;
        }
        stack[0] = (uintptr_t)e;
    }
    assert_true(count > 10000 && count < 40000);
    /* All let go: there is room again. */
    stack[0] = 0;
    gbx_exn *e;
    assert_int_equal(inst->libcalls->exn_new(&s->exec, inst, 1, stack, &e), GBX_TRAP_NONE);
    s->exec.stack = s->exec.sp = NULL;
    world_close(&w);
}

/* ---- Exceptions through the host */

typedef struct v3_host {
    gbx_instance *inst;
    gbx_trap_code nested; /* how the latest call of throw() ended */
} v3_host;

/* (i32): calls throw(n). 7: swallows what comes, 8: hands it on, 9: swallows one and hands the next one on,
 * 10: says of itself that an exception came, where none is on its way. */
static gbx_trap_code
v3_call_throw(gbx_caller *caller, void *data, const gbx_val *args, gbx_val *results)
{
    v3_host *const h = data;
    int32_t const n = args[0].of.i32;
    (void)caller;
    (void)results;
    if (n == 10) return GBX_TRAP_EXCEPTION;
    for (int i = 0; i < (n == 9 ? 2 : 1); i++) {
        gbx_val const arg = {.type = GBX_I32, .of.i32 = n + i};
        h->nested = gbx_func_call(gbx_instance_func(h->inst, "throw"), &arg, 1, NULL, 0, NULL);
    }
    return n == 7 ? GBX_TRAP_NONE : h->nested;
}

/* throw(n) throws n; catch(n) gives what it catches from the host's function, or -1; pass(n) only calls it. */
static gbx_instance *
v3_thrower(world *w, v3_host *h)
{
    static const gbx_valtype params[] = {GBX_I32};
    build b = {0}, s = {0};
    gbx_err err;
    assert_int_equal(gbx_linker_define_func(w->linker, "h", "c", params, 1, NULL, 0, v3_call_throw, h, &err),
                     GBX_OK);
    BUILD(&s, 2, 0x60, 1, WASM_I32, 0, 0x60, 1, WASM_I32, 1, WASM_I32);
    build_section(&b, 1, &s);
    BUILD(&s, 1, 1, 'h', 1, 'c', 0, 0);
    build_section(&b, 2, &s);
    BUILD(&s, 3, 0, 1, 0);
    build_section(&b, 3, &s);
    BUILD(&s, 1, 0, 0);
    build_section(&b, 13, &s);
    BUILD(&s, 3, 5, 't', 'h', 'r', 'o', 'w', 0, 1, 5, 'c', 'a', 't', 'c', 'h', 0, 2, 4, 'p', 'a', 's', 's', 0, 3);
    build_section(&b, 7, &s);
    static const u8 throws[] = {0, OP_LOCAL_GET, 0, OP_THROW, 0, OP_END};
    static const u8 catches[] = {0, OP_BLOCK, WASM_I32, OP_TRY_TABLE, 0x40, 1, WASM_CATCH, 0, 0,
                                 OP_LOCAL_GET, 0, OP_CALL, 0, OP_END,
                                 OP_I32_CONST, 0x7f, OP_RETURN, OP_END, OP_END};
    static const u8 passes[] = {0, OP_LOCAL_GET, 0, OP_CALL, 0, OP_END};
    BUILD(&s, 3, sizeof throws);
    build_bytes(&s, throws, sizeof throws);
    BUILD(&s, sizeof catches);
    build_bytes(&s, catches, sizeof catches);
    BUILD(&s, sizeof passes);
    build_bytes(&s, passes, sizeof passes);
    build_section(&b, 10, &s);
    gbx_instance *const inst = v3_instance(w, &b);
    build_free(&b);
    return inst;
}

static void
test_exceptions_through_host(void **state)
{
    (void)state;
    world w = world_open(0, 0);
    v3_host h = {0};
    h.inst = v3_thrower(&w, &h);
    assert_int_equal((u32)world_value(h.inst, "catch", 8), 8);
    assert_int_equal(h.nested, GBX_TRAP_EXCEPTION);
    assert_int_equal((u32)world_value(h.inst, "catch", 7), UINT32_MAX);
    assert_int_equal(h.nested, GBX_TRAP_EXCEPTION);
    assert_int_equal((u32)world_value(h.inst, "catch", 9), 10);
    for (u32 fused = 0; fused < 2; fused++) {
        gbx_slot slots[2] = {8};
        gbx_trap trap;
        world_fuse(&w, h.inst, fused);
        assert_int_equal(world_call(h.inst, "pass", slots, &trap), GBX_TRAP_EXCEPTION);
        assert_int_equal(trap.frame_count, 2); /* from where it was thrown, through the host */
        assert_int_equal(trap.frames[0].func_idx, 1);
        assert_int_equal(trap.frames[1].func_idx, 3);
        slots[0] = 10;
        assert_int_equal(world_call(h.inst, "catch", slots, &trap), GBX_TRAP_EXCEPTION);
        assert_int_equal(trap.frame_count, 1);
        assert_int_equal((u32)world_value(h.inst, "catch", 8), 8);
    }
    world_close(&w);
}

int
main(void)
{
    const struct CMUnitTest all[] = {
        cmocka_unit_test(test_vectors), cmocka_unit_test(test_memory64),
        cmocka_unit_test(test_memory64_large), cmocka_unit_test(test_tags),
        cmocka_unit_test(test_exceptions_through_host),
        cmocka_unit_test(test_exceptions_live), cmocka_unit_test(test_exceptions_bound),
    };
    return cmocka_run_group_tests(all, NULL, NULL);
}
