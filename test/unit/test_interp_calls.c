/* Calls, traps and stopping: where a trap is said to have happened, who called whom (through the host,
 * other instances and tail calls), what is left after the stack is used up, and that every kind of cycle
 * can be ended. Everything runs with plain and with fused opcodes. */
#include "wasm_build.h"

#define NO_TIMEOUT GBX_UNLIMITED
#define I32_MIN 0x80, 0x80, 0x80, 0x80, 0x78
#define NAN_F64 0, 0, 0, 0, 0, 0, 0xf8, 0x7f
#define BIG_F64 0, 0, 0, 0, 0, 0, 0xf0, 0x43 /* 2^64 */

/* Call expecting a trap, with plain and with fused opcodes alike; *trap is that of the latter run. */
static void
calls_trap(world *w, gbx_instance *inst, const char *name, gbx_trap_code want, gbx_trap *trap)
{
    for (u32 fused = 0; fused < 2; fused++) {
        gbx_slot slots[16] = {0};
        world_fuse(w, inst, fused);
        gbx_trap_code const code = world_call(inst, name, slots, trap);
        if (code != want) fail_msg("%s: %s, not %s", name, gbx_trap_slug(code), gbx_trap_slug(want));
    }
}

static u32
calls_offset(const gbx_instance *inst, u32 code_idx, size_t at)
{
    return inst->module->codes[code_idx].insns_off + (u32)at;
}

/* Each body traps at the instruction that stands at `at`. */
static void
test_trap_offsets(void **state)
{
    (void)state;
    static const struct {
        gbx_trap_code code;
        u32 at, len;
        u8 body[32];
    } rows[] = {
        {GBX_TRAP_UNREACHABLE, 1, 3, {OP_NOP, OP_UNREACHABLE, OP_END}},
        {GBX_TRAP_INT_DIV_ZERO, 4, 7, {OP_I32_CONST, 1, OP_I32_CONST, 0, OP_I32_DIV_U, OP_DROP, OP_END}},
        {GBX_TRAP_INT_OVERFLOW, 8, 11,
         {OP_I32_CONST, I32_MIN, OP_I32_CONST, 0x7f, OP_I32_DIV_S, OP_DROP, OP_END}},
        {GBX_TRAP_INT_DIV_ZERO, 4, 7, {OP_I64_CONST, 1, OP_I64_CONST, 0, OP_I64_REM_S, OP_DROP, OP_END}},
        {GBX_TRAP_BAD_CONVERSION, 9, 12, {OP_F64_CONST, NAN_F64, OP_I64_TRUNC_F64_S, OP_DROP, OP_END}},
        {GBX_TRAP_INT_OVERFLOW, 9, 12, {OP_F64_CONST, BIG_F64, OP_I64_TRUNC_F64_U, OP_DROP, OP_END}},
        {GBX_TRAP_MEM_OOB, 2, 9, {OP_I32_CONST, 0x7f, OP_I32_LOAD8_U, 0, 0x80, 0x80, 0, OP_DROP, OP_END}},
        {GBX_TRAP_MEM_OOB, 4, 9, {OP_I32_CONST, 0, OP_I64_CONST, 0, OP_I64_STORE, 3, 0xff, 0xff, 3, OP_END}},
        {GBX_TRAP_MEM_OOB, 6, 10,
         {OP_I32_CONST, 0, OP_I32_CONST, 0, OP_I32_CONST, 0x7f, OP_PREFIX_FC, OP_FC_MEMORY_FILL, 0, OP_END}},
        {GBX_TRAP_MEM_OOB, 6, 11,
         {OP_I32_CONST, 0, OP_I32_CONST, 0, OP_I32_CONST, 0x7f, OP_PREFIX_FC, OP_FC_MEMORY_COPY, 0, 0,
          OP_END}},
        {GBX_TRAP_TABLE_OOB, 2, 6, {OP_I32_CONST, 1, OP_TABLE_GET, 0, OP_DROP, OP_END}},
        {GBX_TRAP_TABLE_OOB, 4, 7, {OP_I32_CONST, 0x7f, OP_REF_NULL, WASM_FUNCREF, OP_TABLE_SET, 0, OP_END}},
        {GBX_TRAP_UNDEFINED_ELEMENT, 2, 6, {OP_I32_CONST, 1, OP_CALL_INDIRECT, 0, 0, OP_END}},
        {GBX_TRAP_UNDEFINED_ELEMENT, 2, 6, {OP_I32_CONST, 1, OP_RETURN_CALL_INDIRECT, 0, 0, OP_END}},
        {GBX_TRAP_UNINITIALIZED_ELEMENT, 8, 12,
         {OP_I32_CONST, 0, OP_REF_NULL, WASM_FUNCREF, OP_TABLE_SET, 0, OP_I32_CONST, 0, OP_CALL_INDIRECT, 0,
          0, OP_END}},
    };
    for (size_t i = 0; i < GBX_LEN(rows); i++) {
        u32 len = 32; /* the rows' own count may be off by an immediate: the last end counts */
        while (rows[i].body[len - 1] != OP_END) len--;
        build_func const funcs[] = {{"", "", "", rows[i].body, len}};
        world w = world_open(NO_TIMEOUT, 0);
        gbx_instance *const inst = world_load(
                &w, build_whole(&(build_module){.funcs = funcs, .func_count = 1, .pages = 1}));
        gbx_trap trap;
        calls_trap(&w, inst, "f0", rows[i].code, &trap);
        assert_int_equal(trap.frame_count, 1);
        assert_int_equal(trap.frames_total, 1);
        assert_int_equal(trap.frames[0].offset, calls_offset(inst, 0, rows[i].at));
        assert_string_equal(trap.frames[0].name, "fn0");
        world_close(&w);
    }
}

/* Table 0 holds a function of another type. */
static void
test_indirect_type(void **state)
{
    (void)state;
    build_func const funcs[] = {
        {"", "", "", BODY(OP_I32_CONST, 1, OP_CALL_INDIRECT, 0, 0, OP_END)},
        {"i", "", "", BODY(OP_END)},
        {"", "", "", BODY(OP_I32_CONST, 1, OP_RETURN_CALL_INDIRECT, 0, 0, OP_END)},
        {"", "", "", BODY(OP_I32_CONST, 3, OP_CALL_INDIRECT, 0, 0, OP_END)}, /* an equal type */
    };
    world w = world_open(NO_TIMEOUT, 1 << 20);
    gbx_instance *const inst =
            world_load(&w, build_whole(&(build_module){.funcs = funcs, .func_count = 4}));
    gbx_trap trap;
    calls_trap(&w, inst, "f0", GBX_TRAP_INDIRECT_TYPE, &trap);
    assert_int_equal(trap.frames[0].offset, calls_offset(inst, 0, 2));
    calls_trap(&w, inst, "f2", GBX_TRAP_INDIRECT_TYPE, &trap);
    assert_int_equal(inst->module->types[3].canon, 0);
    calls_trap(&w, inst, "f3", GBX_TRAP_STACK_EXHAUSTED, &trap); /* calls itself */
    world_close(&w);
}

/* Frames are the calls, whatever the length of their immediates. */
static void
test_backtrace(void **state)
{
    (void)state;
    build_func const funcs[] = {
        {"", "", "l", BODY(OP_I32_CONST, 5, OP_CALL, 0x81, 0x80, 0x80, 0, OP_END)},
        {"i", "", "", BODY(OP_LOCAL_GET, 0, OP_CALL, 2, OP_DROP, OP_END)},
        {"i", "i", "", BODY(OP_LOCAL_GET, 0, OP_I32_CONST, 3, OP_CALL_INDIRECT, 0x83, 0, 0, OP_END)},
        {"i", "i", "", BODY(OP_NOP, OP_LOCAL_GET, 0, OP_I32_CONST, 0, OP_I32_REM_U, OP_END)},
    };
    world w = world_open(NO_TIMEOUT, 0);
    gbx_instance *const inst =
            world_load(&w, build_whole(&(build_module){.funcs = funcs, .func_count = 4}));
    gbx_trap trap;
    calls_trap(&w, inst, "f0", GBX_TRAP_INT_DIV_ZERO, &trap);
    static const u32 at[] = {5, 4, 2, 2};
    assert_int_equal(trap.frame_count, 4);
    assert_int_equal(trap.frames_total, 4);
    for (u32 i = 0; i < 4; i++) {
        char name[8];
        snprintf(name, sizeof name, "fn%u", 3 - i);
        assert_int_equal(trap.frames[i].func_idx, 3 - i);
        assert_string_equal(trap.frames[i].name, name);
        assert_int_equal(trap.frames[i].offset, calls_offset(inst, 3 - i, at[i]));
    }
    world_close(&w);
}

/* ---- Through the host */

typedef struct calls_host {
    gbx_instance *inst; /* the caller's, once it is made */
    const char *name;   /* to call in it; NULL: nothing */
    bool swallow;       /* its trap */
    u32 calls;
} calls_host;

static gbx_trap_code
calls_host_call(gbx_caller *caller, void *data, const gbx_val *args, gbx_val *results)
{
    calls_host *const h = data;
    (void)caller;
    (void)args;
    (void)results;
    h->calls++;
    if (!h->name) return GBX_TRAP_NONE;
    gbx_trap_code const code =
            gbx_func_call(gbx_instance_func(h->inst, h->name), NULL, 0, NULL, 0, NULL);
    return h->swallow ? GBX_TRAP_NONE : code;
}

static world
calls_open_host(calls_host *h, u64 stack_bytes)
{
    world w = world_open(NO_TIMEOUT, stack_bytes);
    gbx_err err;
    assert_int_equal(gbx_linker_define_func(w.linker, "env", "h0", NULL, 0, NULL, 0, calls_host_call, h, &err),
                     GBX_OK);
    return w;
}

static void
test_through_host(void **state)
{
    (void)state;
    build_func const imports[] = {{"", "", "", NULL, 0}};
    build_func const funcs[] = {
        {"", "", "i", BODY(OP_NOP, OP_CALL, 0, OP_END)},
        {"", "", "", BODY(OP_CALL, 3, OP_END)},
        {"", "", "", BODY(OP_UNREACHABLE, OP_END)},
        {"", "", "", BODY(OP_CALL, 0, OP_I32_CONST, 9, OP_GLOBAL_SET, 0, OP_UNREACHABLE, OP_END)},
        {"", "", "", BODY(OP_RETURN_CALL, 0, OP_END)},
    };
    calls_host h = {.name = "f1"};
    world w = calls_open_host(&h, 0);
    gbx_instance *const inst = h.inst = world_load(
            &w, build_whole(&(build_module){.import_from = "env", .imports = imports, .import_count = 1,
                                            .funcs = funcs, .func_count = 5, .globals = "i"}));
    gbx_trap trap;
    calls_trap(&w, inst, "f0", GBX_TRAP_UNREACHABLE, &trap);
    assert_int_equal(trap.frame_count, 3); /* fn3, fn2, [host], fn1 */
    assert_string_equal(trap.frames[0].name, "fn3");
    assert_string_equal(trap.frames[1].name, "fn2");
    assert_string_equal(trap.frames[2].name, "fn1");
    assert_int_equal(trap.frames[1].offset, calls_offset(inst, 1, 0));
    assert_int_equal(trap.frames[2].offset, calls_offset(inst, 0, 1));
    /* A host function that goes on: what came before is forgotten. */
    h.swallow = true;
    calls_trap(&w, inst, "f3", GBX_TRAP_UNREACHABLE, &trap);
    assert_int_equal(inst->globals[0]->value, 9);
    assert_int_equal(trap.frame_count, 1);
    assert_string_equal(trap.frames[0].name, "fn4");
    assert_int_equal(trap.frames[0].offset, calls_offset(inst, 3, 6));
    /* A host function called in place of a function. */
    h.swallow = false;
    calls_trap(&w, inst, "f4", GBX_TRAP_UNREACHABLE, &trap);
    assert_int_equal(trap.frame_count, 3);
    assert_string_equal(trap.frames[2].name, "fn5");
    h.name = NULL;
    h.calls = 0;
    (void)world_value(inst, "f4", 0);
    assert_int_equal(h.calls, 1);
    world_close(&w);
}

/* Guest calls host calls guest ... ends at the limit, with a trap, and everything is usable after. */
static void
test_reentry_limit(void **state)
{
    (void)state;
    build_func const imports[] = {{"", "", "", NULL, 0}};
    build_func const funcs[] = {{"", "", "", BODY(OP_CALL, 0, OP_END)}};
    calls_host h = {.name = "f0"};
    world w = calls_open_host(&h, 0);
    gbx_instance *const inst = h.inst = world_load(
            &w, build_whole(&(build_module){.import_from = "env", .imports = imports, .import_count = 1,
                                            .funcs = funcs, .func_count = 1}));
    gbx_trap trap;
    calls_trap(&w, inst, "f0", GBX_TRAP_STACK_EXHAUSTED, &trap);
    assert_int_equal(h.calls, 2 * WASM_MAX_REENTRY);
    assert_int_equal(trap.frames_total, WASM_MAX_REENTRY);
    assert_int_equal(trap.frame_count, GBX_TRAP_FRAMES);
    h.name = NULL;
    (void)world_value(inst, "f0", 0);
    world_close(&w);
}

/* ---- Between instances */

/* A: h0 adds 1 to its global and returns it; h1 traps if its argument is 0. B calls them. B runs with the
 * narrow set of fused opcodes, A with this one; both have sequences of their set behind the calls. */
static gbx_instance *
calls_load_pair(world *w, wasm_fuse_set a_set, gbx_instance **a)
{
    build_func const in_a[] = {
        {"", "i", "", BODY(OP_GLOBAL_GET, 0, OP_I32_CONST, 1, OP_I32_ADD, OP_GLOBAL_SET, 0, OP_GLOBAL_GET, 0,
                           OP_I32_CONST, 0, OP_GLOBAL_GET, 0, OP_I32_STORE, 2, 0, OP_END)},
        {"i", "i", "l", BODY(OP_LOCAL_GET, 1, OP_I64_CONST, 1, OP_I64_SHL, OP_DROP,
                             OP_I32_CONST, 0xe4, 0, OP_LOCAL_GET, 0, OP_I32_DIV_U, OP_END)},
        {"i", "", "", BODY(OP_LOOP, 0x40, OP_LOCAL_GET, 0, OP_BR_TABLE, 0, 1, OP_END, OP_END)},
    };
    build_func const imports[] = {{"", "i", "", NULL, 0}, {"i", "i", "", NULL, 0}};
    build_func const in_b[] = {
        /* own memory and global before and after */
        {"", "i", "", BODY(OP_CALL, 0, OP_DROP, OP_I32_CONST, 0, OP_I32_CONST, 50, OP_I32_STORE, 2, 0,
                           OP_CALL, 0, OP_I32_CONST, 0, OP_I32_LOAD, 2, 0, OP_I32_ADD, OP_GLOBAL_GET, 0,
                           OP_I32_ADD, OP_END)},
        {"i", "i", "", BODY(OP_LOCAL_GET, 0, OP_CALL, 1, OP_I32_CONST, 1, OP_I32_ADD, OP_END)},
        {"i", "i", "lll", BODY(OP_LOCAL_GET, 0, OP_RETURN_CALL, 1, OP_END)},
        {"i", "i", "", BODY(OP_LOCAL_GET, 0, OP_CALL, 4, OP_I32_CONST, 1, OP_I32_ADD, OP_GLOBAL_GET, 0,
                            OP_I32_ADD, OP_END)},
        {"i", "i", "", BODY(OP_LOCAL_GET, 0, OP_I32_CONST, 1, OP_RETURN_CALL_INDIRECT, 1, 0, OP_END)},
    };
    gbx_err err;
    *a = world_load(w, build_whole(&(build_module){.funcs = in_a,
                                                   .func_count = a_set == WASM_FUSE_WIDE ? 3 : 2,
                                                   .pages = 1,
                                                   .globals = "i"}));
    assert_int_equal((*a)->module->fuse_set, a_set);
    assert_int_equal(gbx_linker_define_instance(w->linker, "A", *a, &err), GBX_OK);
    /* A exports f0 and f1: the linker knows them as A.f0; B imports A.h0, so they are defined again. */
    for (u32 i = 0; i < 2; i++) {
        runtime_extern const ext = {.kind = WASM_EXTERN_FUNC, .of.func = (*a)->funcs[i]};
        rd_name const name = {i ? "h1" : "h0", 2};
        assert_int_equal(gbx_runtime_linker_define(w->linker, (rd_name){"A", 1}, name, ext, &err), GBX_OK);
    }
    gbx_instance *const b = world_load(
            w, build_whole(&(build_module){.import_from = "A", .imports = imports, .import_count = 2,
                                           .funcs = in_b, .func_count = 5, .pages = 1, .globals = "i"}));
    assert_int_equal(b->module->fuse_set, WASM_FUSE_NARROW);
    b->globals[0]->value = 1000;
    return b;
}

static void
calls_between(wasm_fuse_set a_set)
{
    world w = world_open(NO_TIMEOUT, 0);
    gbx_instance *a;
    gbx_instance *const b = calls_load_pair(&w, a_set, &a);
    u8 *data;
    size_t bytes;
    for (u32 i = 0; i < 2; i++) {
        world_fuse(&w, a, i);
        world_fuse(&w, b, i);
        a->globals[0]->value = 5;
        assert_int_equal(world_value(b, "f0", 0), 7 + 50 + 1000);
        assert_true(gbx_instance_memory(a, "m", &data, &bytes));
        assert_int_equal(data[0], 7);
        assert_true(gbx_instance_memory(b, "m", &data, &bytes));
        assert_int_equal(data[0], 50);
        assert_int_equal(world_value(b, "f1", 10), 11);
        assert_int_equal(world_value(b, "f2", 10), 10);
        assert_int_equal(world_value(b, "f3", 10), 1011); /* after a tail call away, this is B again */
        assert_int_equal(world_value(b, "f4", 20), 5);    /* through B's table */
    }
    gbx_trap trap;
    calls_trap(&w, b, "f1", GBX_TRAP_INT_DIV_ZERO, &trap);
    assert_int_equal(trap.frame_count, 2);
    assert_string_equal(trap.frames[0].name, "fn1"); /* A's */
    assert_int_equal(trap.frames[0].offset, calls_offset(a, 1, 11));
    assert_string_equal(trap.frames[1].name, "fn3"); /* B's */
    assert_int_equal(trap.frames[1].offset, calls_offset(b, 1, 2));
    /* f3 calls f2, which is replaced by A's. */
    calls_trap(&w, b, "f3", GBX_TRAP_INT_DIV_ZERO, &trap);
    assert_int_equal(trap.frame_count, 2);
    assert_int_equal(trap.frames[0].offset, calls_offset(a, 1, 11));
    assert_string_equal(trap.frames[1].name, "fn5");
    assert_int_equal(trap.frames[1].offset, calls_offset(b, 3, 2));
    world_close(&w);
}

static void
test_between_instances(void **state)
{
    (void)state;
    for (u32 set = WASM_FUSE_WIDE; set < WASM_FUSE_SETS; set++) calls_between(set);
}

/* ---- Tail calls and several results */

static void
test_tail_calls(void **state)
{
    (void)state;
    build_func const funcs[] = {
        /* even(n), odd(n), with frames of very different size and numbers of parameters */
        {"l", "i", "", BODY(OP_LOCAL_GET, 0, OP_I64_EQZ, OP_IF, 0x40, OP_I32_CONST, 1, OP_RETURN, OP_END,
                            OP_LOCAL_GET, 0, OP_I64_CONST, 1, OP_I64_SUB, OP_I64_CONST, 2, OP_I64_CONST, 3,
                            OP_RETURN_CALL, 1, OP_END)},
        {"lll", "i", "lllllllllllllll",
         BODY(OP_LOCAL_GET, 3, OP_LOCAL_GET, 17, OP_I64_OR, OP_I64_EQZ, OP_I32_EQZ, OP_IF, 0x40, OP_UNREACHABLE,
              OP_END, OP_I64_CONST, 7, OP_LOCAL_SET, 17, OP_I64_CONST, 7, OP_LOCAL_SET, 3,
              OP_LOCAL_GET, 0, OP_I64_EQZ, OP_IF, 0x40, OP_I32_CONST, 0, OP_RETURN, OP_END,
              OP_LOCAL_GET, 0, OP_LOCAL_GET, 1, OP_I64_ADD, OP_LOCAL_GET, 2, OP_I64_SUB,
              OP_I32_CONST, 0, OP_RETURN_CALL_INDIRECT, 0, 0, OP_END)},
        /* The replaced function is not in the backtrace. */
        {"", "i", "", BODY(OP_CALL, 3, OP_END)},
        {"", "i", "l", BODY(OP_RETURN_CALL, 4, OP_END)},
        {"", "i", "ll", BODY(OP_UNREACHABLE, OP_END)},
    };
    world w = world_open(NO_TIMEOUT, 64 << 10); /* so little that a real recursion would not do */
    gbx_instance *const inst =
            world_load(&w, build_whole(&(build_module){.funcs = funcs, .func_count = 5}));
    gbx_trap trap;
    for (u32 i = 0; i < 2; i++) {
        world_fuse(&w, inst, i);
        assert_int_equal(world_value(inst, "f0", 1000000), 1);
        assert_int_equal(world_value(inst, "f0", 999999), 0);
    }
    calls_trap(&w, inst, "f2", GBX_TRAP_UNREACHABLE, &trap);
    assert_int_equal(trap.frame_count, 2);
    assert_string_equal(trap.frames[0].name, "fn4");
    assert_string_equal(trap.frames[1].name, "fn2");
    world_close(&w);
}

/* More results than the frame has locals: they are moved over the frame's own record. */
static void
test_many_results(void **state)
{
    (void)state;
    char results[41];
    memset(results, 'l', 40);
    results[40] = 0;
    build b = {0}, sum = {0};
    for (u8 i = 0; i < 40; i++) BUILD(&b, OP_I64_CONST, (u8)(i + 1));
    build early = {0};
    build_bytes(&early, b.data, b.len);
    BUILD(&b, OP_END);
    BUILD(&early, OP_RETURN, OP_END);
    BUILD(&sum, OP_CALL, 0);
    for (u32 i = 0; i < 39; i++) BUILD(&sum, OP_I64_ADD);
    BUILD(&sum, OP_I32_CONST, 1, OP_CALL_INDIRECT, 1, 0);
    for (u32 i = 0; i < 40; i++) BUILD(&sum, OP_I64_ADD);
    BUILD(&sum, OP_END);
    build_func const funcs[] = {
        {"", results, "", b.data, b.len},
        {"", results, "i", early.data, early.len},
        {"", "l", "", sum.data, sum.len},
        {"", results, "", BODY(OP_RETURN_CALL, 1, OP_END)},
    };
    world w = world_open(NO_TIMEOUT, 0);
    gbx_instance *const inst =
            world_load(&w, build_whole(&(build_module){.funcs = funcs, .func_count = 4}));
    for (u32 fused = 0; fused < 2; fused++) {
        static const char *const names[] = {"f0", "f1", "f3"};
        world_fuse(&w, inst, fused);
        assert_int_equal(world_value(inst, "f2", 0), 2 * 40 * 41 / 2);
        for (u32 i = 0; i < 3; i++) {
            gbx_slot slots[64] = {0};
            assert_int_equal(world_call(inst, names[i], slots, NULL), GBX_TRAP_NONE);
            for (u32 k = 0; k < 40; k++) assert_int_equal(slots[k], k + 1);
            assert_int_equal(slots[40], 0);
        }
    }
    world_close(&w);
    build_free(&b);
    build_free(&early);
    build_free(&sum);
}

/* ---- The stack's end */

/* f0(n) = n ? 1 + f0(n - 1) : 0, with so many locals more. */
static gbx_instance *
calls_load_recursion(world *w, u32 locals)
{
    static const u8 body[] = {OP_LOCAL_GET, 0, OP_I32_EQZ, OP_IF, 0x40, OP_I32_CONST, 0, OP_RETURN, OP_END,
                              OP_I32_CONST, 1, OP_LOCAL_GET, 0, OP_I32_CONST, 1, OP_I32_SUB, OP_CALL, 0,
                              OP_I32_ADD, OP_END};
    char letters[64] = {0};
    memset(letters, 'l', locals);
    build_func const funcs[] = {{"i", "i", letters, body, sizeof body}};
    return world_load(w, build_whole(&(build_module){.funcs = funcs, .func_count = 1}));
}

static void
test_exhaustion(void **state)
{
    (void)state;
    for (u32 locals = 0; locals < 40; locals += 3) {
        world w = world_open(NO_TIMEOUT, 64 << 10);
        gbx_instance *const inst = calls_load_recursion(&w, locals);
        gbx_trap trap;
        u32 low = 1, high = 100000; /* the largest depth that returns lies between */
        while (high - low > 1) {
            u32 const mid = low + (high - low) / 2;
            gbx_slot slots[2] = {mid};
            gbx_trap_code const code = world_call(inst, "f0", slots, &trap);
            if (code == GBX_TRAP_NONE) {
                assert_int_equal(slots[0], mid);
                low = mid;
            } else {
                assert_int_equal(code, GBX_TRAP_STACK_EXHAUSTED);
                assert_int_equal(trap.frame_count, GBX_TRAP_FRAMES);
                assert_int_equal(trap.frames[0].offset, calls_offset(inst, 0, 16));
                assert_true(trap.frames_total <= mid + 1);
                high = mid;
            }
        }
        assert_true(low > 100);
        assert_int_equal(world_value(inst, "f0", low), low); /* the stack is as good as new */
        world_close(&w);
    }
}

/* A frame larger than the whole stack: refused, at the first call and at a later one. */
static void
test_huge_frame(void **state)
{
    (void)state;
    static char letters[20001];
    memset(letters, 'l', sizeof letters - 1);
    build_func const funcs[] = {
        {"", "", letters, BODY(OP_END)},
        {"", "", "", BODY(OP_CALL, 0, OP_END)},
        {"", "", "", BODY(OP_RETURN_CALL, 0, OP_END)},
    };
    world w = world_open(NO_TIMEOUT, 64 << 10);
    gbx_instance *const inst =
            world_load(&w, build_whole(&(build_module){.funcs = funcs, .func_count = 3}));
    gbx_trap trap;
    calls_trap(&w, inst, "f0", GBX_TRAP_STACK_EXHAUSTED, &trap);
    calls_trap(&w, inst, "f1", GBX_TRAP_STACK_EXHAUSTED, &trap);
    assert_string_equal(trap.frames[0].name, "fn1");
    calls_trap(&w, inst, "f2", GBX_TRAP_STACK_EXHAUSTED, &trap);
    world_close(&w);
}

/* ---- Stopping */

/* RULE: S14. Every cycle sees the stop word. Bodies never end by themselves. */
static void
test_stop(void **state)
{
    (void)state;
    build_func const funcs[] = {
        {"", "", "", BODY(OP_LOOP, 0x40, OP_BR, 0, OP_END, OP_END)},
        {"", "", "", BODY(OP_LOOP, 0x40, OP_I32_CONST, 1, OP_BR_IF, 0, OP_END, OP_END)},
        {"", "", "", BODY(OP_LOOP, 0x40, OP_I32_CONST, 1, OP_BR_TABLE, 1, 1, 0, OP_END, OP_END)},
        /* with values that are carried and dropped */
        {"", "i", "", BODY(OP_I32_CONST, 1, OP_LOOP, 0, OP_I64_CONST, 1, OP_I32_CONST, 1, OP_BR, 0, OP_END,
                           OP_END)},
        /* the dispatch leads to itself */
        {"", "", "i", BODY(OP_LOOP, 0x40, OP_BLOCK, 0x40, OP_LOCAL_GET, 0, OP_BR_TABLE, 0, 1, OP_END, OP_END,
                           OP_END)},
        /* a threaded edge backwards */
        {"", "", "i", BODY(OP_LOOP, 0x40, OP_BLOCK, 0x40, OP_LOCAL_GET, 0, OP_BR_TABLE, 0, 0, OP_END,
                           OP_I32_CONST, 0, OP_LOCAL_SET, 0, OP_BR, 0, OP_END, OP_END)},
        {"", "", "", BODY(OP_RETURN_CALL, 6, OP_END)},
        {"", "", "", BODY(OP_I32_CONST, 7, OP_RETURN_CALL_INDIRECT, 7, 0, OP_END)},
        /* recursion without end in time but not in depth: f(n) = f(n - 1), f(n - 1) */
        {"i", "", "", BODY(OP_LOCAL_GET, 0, OP_IF, 0x40, OP_LOCAL_GET, 0, OP_I32_CONST, 1, OP_I32_SUB, OP_CALL, 8,
                           OP_LOCAL_GET, 0, OP_I32_CONST, 1, OP_I32_SUB, OP_CALL, 8, OP_END, OP_END)},
        {"", "", "", BODY(OP_I32_CONST, 0xe4, 0, OP_CALL, 8, OP_END)},
        /* an if in the loop whose else leads back */
        {"", "", "", BODY(OP_LOOP, 0x40, OP_I32_CONST, 0, OP_IF, 0x40, OP_ELSE, OP_BR, 1, OP_END, OP_END, OP_END)},
    };
    world w = world_open(20000000, 0);
    gbx_instance *const inst =
            world_load(&w, build_whole(&(build_module){.funcs = funcs, .func_count = GBX_LEN(funcs)}));
    for (u32 i = 0; i < GBX_LEN(funcs); i++) {
        if (i == 8) continue;
        char name[8];
        gbx_trap trap;
        snprintf(name, sizeof name, "f%u", i);
        calls_trap(&w, inst, name, GBX_TRAP_DEADLINE, &trap);
        assert_true(trap.frame_count > 0);
    }
    gbx_store_cancel(w.store);
    gbx_trap trap;
    gbx_slot slots[2] = {0};
    assert_int_equal(world_call(inst, "f8", slots, &trap), GBX_TRAP_CANCELLED);
    assert_int_equal(world_call(inst, "f8", slots, &trap), GBX_TRAP_NONE); /* it counts once */
    world_close(&w);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_trap_offsets),      cmocka_unit_test(test_indirect_type),
        cmocka_unit_test(test_backtrace),         cmocka_unit_test(test_through_host),
        cmocka_unit_test(test_reentry_limit),     cmocka_unit_test(test_between_instances),
        cmocka_unit_test(test_tail_calls),        cmocka_unit_test(test_many_results),
        cmocka_unit_test(test_exhaustion),        cmocka_unit_test(test_huge_frame),
        cmocka_unit_test(test_stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
