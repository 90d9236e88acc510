/* What lies between instances, stores and engines, and nothing of which may pass: cases A85 to A90 and A92 of the
 * list of hostile embedding; A91 is test_threads.c's. */
#include "api/guest.h"

/* Fills whatever a guest can write, and tells what it finds when it begins. */
static const char filler[] =
        "(module (memory (export \"m\") 2 64) (table $t (export \"t\") 8 64 externref)"
        "(global $g (export \"g\") (mut i64) (i64.const 0))"
        "(data (i32.const 100) \"own image\")"
        "(func $sum (export \"sum\") (result i32) (local i32 i32)"
        "  (loop (local.set 1 (i32.add (local.get 1) (i32.load8_u (local.get 0))))"
        "    (br_if 0 (i32.lt_u (local.tee 0 (i32.add (local.get 0) (i32.const 1)))"
        "      (i32.mul (memory.size) (i32.const 65536)))))"
        "  (i32.add (local.get 1) (i32.wrap_i64 (global.get $g))))"
        "(func (export \"set\") (param externref) (result i32) (local i32)"
        "  (loop (if (i32.eqz (ref.is_null (table.get $t (local.get 1)))) (then (return (i32.const -1))))"
        "    (table.set $t (local.get 1) (local.get 0))"
        "    (br_if 0 (i32.lt_u (local.tee 1 (i32.add (local.get 1) (i32.const 1))) (table.size $t))))"
        "  (local.get 1))"
        "(func (export \"fill\") (param externref) (result i32)"
        "  (drop (memory.grow (i32.const 7)))"
        "  (memory.fill (i32.const 0) (i32.const 0xa5) (i32.mul (memory.size) (i32.const 65536)))"
        "  (drop (table.grow $t (local.get 0) (i32.const 9)))"
        "  (global.set $g (i64.const -1)) (memory.size))"
        /* Locals lie where another call's operands lay. */
        "(func $deep (param i32) (result i64) (local i64 i64 i64 i64 i64 i64 i64 i64 externref)"
        "  (if (i32.eqz (ref.is_null (local.get 9))) (then unreachable))"
        "  (i64.or (i64.or (i64.or (local.get 1) (local.get 2)) (i64.or (local.get 3) (local.get 4)))"
        "    (i64.or (i64.or (local.get 5) (local.get 6)) (i64.or (local.get 7)"
        "      (if (result i64) (local.get 0) (then (call $deep (i32.sub (local.get 0) (i32.const 1))))"
        "        (else (local.get 8)))))))"
        "(func (export \"locals\") (result i64) (call $deep (i32.const 500))))";

/* Of another size, to come into the same places. */
static const char other[] =
        "(module (memory (export \"m\") 1 3) (data (i32.const 7) \"x\")"
        "(func (export \"sum\") (result i32) (local i32 i32)"
        "  (loop (local.set 1 (i32.add (local.get 1) (i32.load8_u (local.get 0))))"
        "    (br_if 0 (i32.lt_u (local.tee 0 (i32.add (local.get 0) (i32.const 1))) (i32.const 65536))))"
        "  (local.get 1))"
        "(func (export \"grown\") (result i32) (local i32) (drop (memory.grow (i32.const 2)))"
        "  (loop (local.set 0 (i32.or (local.get 0) (i32.load (i32.mul (memory.size) (i32.const 43000)))))"
        "    (br_if 0 (i32.lt_s (memory.grow (i32.const 0)) (i32.const 0)))) (local.get 0)))";

static const int tiers[] = {GBX_TIER_INTERP, GBX_TIER_EAGER};

static void
open_world(guest_world *w, gbx_tier_mode tier, uint32_t pool)
{
    gbx_engine_opts opts = GBX_ENGINE_OPTS_INIT;
    opts.tier = tier;
    opts.pool_instances = pool;
    memset(w, 0, sizeof *w);
    GUEST_OK(gbx_engine_new(&opts, &w->engine, &w->err));
}

static void
open_store(guest_world *w)
{
    GUEST_OK(gbx_store_new(w->engine, NULL, &w->store, &w->err));
    GUEST_OK(gbx_linker_new(w->store, &w->linker, &w->err));
}

static void
close_store(guest_world *w)
{
    gbx_linker_release(w->linker);
    gbx_store_release(w->store);
}

static gbx_instance *
instantiate(guest_world *w, const gbx_module *m)
{
    gbx_instance *i;
    GUEST_OK(gbx_instance_new(w->store, m, w->linker, &i, &w->trap, &w->err));
    return i;
}

static int32_t
number(guest_world *w, gbx_instance *i, const char *name)
{
    int32_t r = 0;
    assert_int_equal(guest_call(w, i, name, NULL, 0, &r), GBX_TRAP_NONE);
    return r;
}

static void
fill(guest_world *w, gbx_instance *i)
{
    gbx_val const ref = {.type = GBX_EXTERNREF, .of.ref = 0xdeadbeef};
    gbx_val out;
    assert_int_equal(gbx_func_call(gbx_instance_func(i, "set"), &ref, 1, &out, 1, &w->trap), GBX_TRAP_NONE);
    assert_int_equal(out.of.i32, 8); /* all were null */
    assert_int_equal(gbx_func_call(gbx_instance_func(i, "fill"), &ref, 1, &out, 1, &w->trap), GBX_TRAP_NONE);
    assert_int_equal(out.of.i32, 9);
}

static void
test_a85_nothing_is_left_behind(void **state)
{
    (void)state;
    int32_t image = 0;
    for (const char *s = "own image"; *s; s++) image += *s;
    for (size_t t = 0; t < sizeof tiers / sizeof *tiers; t++) {
        for (uint32_t pool = 0; pool < 2; pool++) {
            guest_world world, *const w = &world;
            open_world(w, (gbx_tier_mode)tiers[t], pool ? GBX_POOL_OFF : 0);
            gbx_module *const a = guest_compile(w, filler), *const b = guest_compile(w, other);
            for (int round = 0; round < 6; round++) {
                open_store(w);
                gbx_instance *const i = instantiate(w, a), *const j = instantiate(w, b);
                assert_int_equal(number(w, i, "sum"), image);
                assert_int_equal(number(w, j, "sum"), 'x');
                assert_int_equal(number(w, j, "grown"), 0);
                gbx_val locals;
                assert_int_equal(gbx_func_call(gbx_instance_func(i, "locals"), NULL, 0, &locals, 1, &w->trap),
                                 GBX_TRAP_NONE);
                assert_true(locals.of.i64 == 0);
                fill(w, i);
                close_store(w);
            }
            gbx_module_release(a);
            gbx_module_release(b);
            gbx_engine_release(w->engine);
        }
    }
}

/* Memories of no page, one page and as much as may be, each in the place of the other. */
static void
test_a86_guards_are_where_they_belong(void **state)
{
    (void)state;
    static const char *const texts[] = {
            "(module (memory 0) (func (export \"at\") (param i32) (result i32) (i32.load8_u (local.get 0)))"
            "(func (export \"grow\") (result i32) (memory.grow (i32.const 1))))",
            "(module (memory 1) (func (export \"at\") (param i32) (result i32) (i32.load8_u (local.get 0)))"
            "(func (export \"grow\") (result i32) (memory.grow (i32.const 1))))",
            "(module (memory 4096) (func (export \"at\") (param i32) (result i32) (i32.load8_u (local.get 0)))"
            "(func (export \"grow\") (result i32) (memory.grow (i32.const 1))))"};
    static const int64_t pages[] = {0, 1, 4096};
    for (size_t t = 0; t < sizeof tiers / sizeof *tiers; t++) {
        guest_world world, *const w = &world;
        open_world(w, (gbx_tier_mode)tiers[t], 0);
        gbx_module *m[3];
        for (int k = 0; k < 3; k++) m[k] = guest_compile(w, texts[k]);
        for (int round = 0; round < 9; round++) {
            int const k = (round * 2 + round / 3) % 3;
            open_store(w);
            gbx_instance *const i = instantiate(w, m[k]);
            int64_t bytes = pages[k] * 65536;
            for (int grown = 0; grown < 2; grown++) {
                int32_t const in = (int32_t)(bytes - 1), out = (int32_t)bytes, far = -1;
                int32_t r = 1;
                if (bytes) assert_int_equal(guest_call(w, i, "at", &in, 1, &r), GBX_TRAP_NONE);
                if (bytes) assert_int_equal(r, 0);
                assert_int_equal(guest_call(w, i, "at", &out, 1, &r), GBX_TRAP_MEM_OOB);
                assert_int_equal(guest_call(w, i, "at", &far, 1, &r), GBX_TRAP_MEM_OOB);
                if (number(w, i, "grow") >= 0) bytes += 65536;
            }
            close_store(w);
        }
        for (int k = 0; k < 3; k++) gbx_module_release(m[k]);
        gbx_engine_release(w->engine);
    }
}

static gbx_trap_code
host_nothing(gbx_caller *caller, void *data, const gbx_val *args, gbx_val *results)
{
    (void)caller, (void)data, (void)args, (void)results;
    return GBX_TRAP_NONE;
}

/* A callback that sets no result has returned zero; locals that nobody set are zero behind a call of the host's,
 * and behind one that trapped results are untouched. */
static void
test_a87_no_trace_of_the_host(void **state)
{
    (void)state;
    static const char text[] =
            "(module (import \"env\" \"h\" (func $h (param i64) (result i64 f64 externref)))"
            "(func $after (export \"after\") (result i64) (local i64 i64 i64 i64 i64 i64 f64 f64 externref)"
            "  (drop (drop (call $h (i64.const -1)))) drop"
            "  (i64.or (i64.or (i64.or (local.get 0) (local.get 1)) (i64.or (local.get 2) (local.get 3)))"
            "    (i64.or (i64.or (local.get 4) (local.get 5)) (i64.or (i64.reinterpret_f64 (local.get 6))"
            "      (i64.or (i64.reinterpret_f64 (local.get 7)) (i64.extend_i32_u (i32.eqz (ref.is_null (local.get 8)))))))))"
            "(func (export \"given\") (result i64) (local externref f64)"
            "  (call $h (i64.const -1)) (local.set 0) (local.set 1)"
            "  (i64.or (i64.reinterpret_f64 (local.get 1)) (i64.extend_i32_u (i32.eqz (ref.is_null (local.get 0)))))"
            "  i64.or)"
            "(func (export \"half\") (result i64 i64) (i64.const 5) (drop (call $after)) unreachable))";
    static const gbx_valtype in[] = {GBX_I64}, out[] = {GBX_I64, GBX_F64, GBX_EXTERNREF};
    for (size_t t = 0; t < sizeof tiers / sizeof *tiers; t++) {
        guest_world world, *const w = &world;
        open_world(w, (gbx_tier_mode)tiers[t], 0);
        open_store(w);
        GUEST_OK(gbx_linker_define_func(w->linker, "env", "h", in, 1, out, 3, host_nothing, NULL, &w->err));
        gbx_module *const m = guest_compile(w, text);
        gbx_instance *const i = instantiate(w, m);
        gbx_val r[2] = {{.type = GBX_I64, .of.i64 = 77}, {.type = GBX_I64, .of.i64 = 78}};
        assert_int_equal(gbx_func_call(gbx_instance_func(i, "half"), NULL, 0, r, 2, &w->trap),
                         GBX_TRAP_UNREACHABLE);
        assert_true(r[0].of.i64 == 77 && r[1].of.i64 == 78);
        for (int k = 0; k < 100; k++) {
            assert_int_equal(gbx_func_call(gbx_instance_func(i, "after"), NULL, 0, r, 1, &w->trap), GBX_TRAP_NONE);
            assert_true(r[0].of.i64 == 0);
            assert_int_equal(gbx_func_call(gbx_instance_func(i, "given"), NULL, 0, r, 1, &w->trap), GBX_TRAP_NONE);
            assert_true(r[0].of.i64 == 0);
        }
        gbx_module_release(m);
        close_store(w);
        gbx_engine_release(w->engine);
    }
}

static const char taker[] =
        "(module (type $v (func (result i32))) (import \"env\" \"give\" (func $give (result funcref)))"
        "(table 1 funcref) (global (export \"g\") (mut funcref) (ref.null func))"
        "(func (export \"take\") (param funcref) (result i32)"
        "  (table.set 0 (i32.const 0) (local.get 0)) (call_indirect (type $v) (i32.const 0)))"
        "(func (export \"answer\") (result i32) (i32.const 42))"
        "(func (export \"given\") (result i32) (drop (call $give)) (i32.const 1)))";

static gbx_trap_code
host_give(gbx_caller *caller, void *data, const gbx_val *args, gbx_val *results)
{
    (void)caller, (void)args;
    results[0].of.ref = (uint64_t)(uintptr_t)*(gbx_func **)data;
    return GBX_TRAP_NONE;
}

/* Handles of one store, used in another, of the same engine or not. */
static void
test_a88_handles_stay_at_home(void **state)
{
    (void)state;
    static const gbx_valtype funcref[] = {GBX_FUNCREF};
    for (size_t t = 0; t < sizeof tiers / sizeof *tiers; t++) {
        guest_world worlds[2];
        gbx_module *m[2];
        gbx_instance *i[2];
        static gbx_func *gift;
        for (int k = 0; k < 2; k++) {
            guest_world *const w = &worlds[k];
            open_world(w, (gbx_tier_mode)tiers[t], 0);
            open_store(w);
            GUEST_OK(gbx_linker_define_func(w->linker, "env", "give", NULL, 0, funcref, 1, host_give, &gift, &w->err));
            m[k] = guest_compile(w, taker);
            i[k] = instantiate(w, m[k]);
        }
        guest_world *const w = &worlds[0], *const v = &worlds[1];
        gbx_func *const take = gbx_instance_func(i[0], "take");
        gbx_val ref = {.type = GBX_FUNCREF, .of.ref = (uint64_t)(uintptr_t)gbx_instance_func(i[0], "answer")};
        gbx_val out;
        gift = gbx_instance_func(i[0], "answer");
        for (int k = 0; k < 3; k++) { /* the first call of a function takes another way than later ones */
            assert_int_equal(gbx_func_call(take, &ref, 1, &out, 1, &w->trap), GBX_TRAP_NONE);
            assert_int_equal(out.of.i32, 42);
        }
        assert_int_equal(number(w, i[0], "given"), 1);
        assert_true(gbx_instance_set_global(i[0], "g", ref));
        gift = gbx_instance_func(i[1], "answer");
        ref.of.ref = (uint64_t)(uintptr_t)gift;
        assert_int_equal(gbx_func_call(take, &ref, 1, &out, 1, &w->trap), GBX_TRAP_HOST);
        assert_string_equal(w->trap.message, "argument 0 is a function of another store");
        assert_int_equal(gbx_func_call(gbx_instance_func(i[0], "given"), NULL, 0, &out, 1, &w->trap), GBX_TRAP_HOST);
        assert_non_null(strstr(w->trap.message, "another store"));
        assert_false(gbx_instance_set_global(i[0], "g", ref));
        assert_int_equal(gbx_linker_define_global(w->linker, "a", "b", ref, false, &w->err), GBX_ARGUMENT);
        assert_non_null(strstr(w->err.text, "another store"));
        assert_int_equal(gbx_linker_define_instance(w->linker, "a", i[1], &w->err), GBX_ARGUMENT);
        gbx_instance *none;
        assert_int_equal(gbx_instance_new(w->store, m[1], w->linker, &none, NULL, &w->err), GBX_ARGUMENT);
        assert_null(none);
        assert_int_equal(gbx_instance_new(w->store, m[0], v->linker, &none, NULL, &w->err), GBX_ARGUMENT);
        for (int k = 0; k < 2; k++) {
            gbx_module_release(m[k]);
            close_store(&worlds[k]);
            gbx_engine_release(worlds[k].engine);
        }
    }
}

/* Null is no function, and not function 0 either; references that nobody set are null. */
static void
test_a89_null_is_nothing(void **state)
{
    (void)state;
    static const char text[] =
            "(module (type $v (func (result i32))) (func $zero (type $v) (i32.const 7)) (table 3 funcref)"
            "(elem (i32.const 1) $zero)"
            "(func (export \"unset\") (result i32) (local funcref externref)"
            "  (i32.and (ref.is_null (local.get 0)) (ref.is_null (local.get 1))))"
            "(func (export \"call\") (param i32) (result i32) (call_indirect (type $v) (local.get 0)))"
            "(func (export \"put\") (param funcref) (table.set 0 (i32.const 1) (local.get 0))))";
    for (size_t t = 0; t < sizeof tiers / sizeof *tiers; t++) {
        guest_world world, *const w = &world;
        open_world(w, (gbx_tier_mode)tiers[t], 0);
        open_store(w);
        gbx_module *const m = guest_compile(w, text);
        gbx_instance *const i = instantiate(w, m);
        int32_t const at[] = {0, 1, 3};
        int32_t r = 0;
        assert_int_equal(number(w, i, "unset"), 1);
        assert_int_equal(guest_call(w, i, "call", &at[0], 1, &r), GBX_TRAP_UNINITIALIZED_ELEMENT);
        assert_int_equal(guest_call(w, i, "call", &at[1], 1, &r), GBX_TRAP_NONE);
        assert_int_equal(r, 7);
        assert_int_equal(guest_call(w, i, "call", &at[2], 1, &r), GBX_TRAP_UNDEFINED_ELEMENT);
        gbx_val const null = {.type = GBX_FUNCREF, .of.ref = 0};
        assert_int_equal(gbx_func_call(gbx_instance_func(i, "put"), &null, 1, NULL, 0, &w->trap), GBX_TRAP_NONE);
        assert_int_equal(guest_call(w, i, "call", &at[1], 1, &r), GBX_TRAP_UNINITIALIZED_ELEMENT);
        gbx_module_release(m);
        close_store(w);
        gbx_engine_release(w->engine);
    }
}

static gbx_trap_code
host_wrong(gbx_caller *caller, void *data, const gbx_val *args, gbx_val *results)
{
    switch (args[0].of.i32) {
    case 0: results[0].type = GBX_I64; break;
    case 1: results[0].type = (gbx_valtype)99; break;
    case 2: return (gbx_trap_code)12345;
    case 3: return (gbx_trap_code)-1;
    case 4: /* gives back what is its own to give, while the guest that called it still runs */
        gbx_linker_release(((guest_world *)data)->linker);
        ((guest_world *)data)->linker = NULL;
        (void)gbx_caller_instance(caller);
        break;
    default: break;
    }
    return GBX_TRAP_NONE;
}

static void
test_a90_a_host_function_that_errs(void **state)
{
    (void)state;
    static const char text[] = "(module (import \"env\" \"w\" (func $w (param i32) (result i32)))"
                               "(func (export \"run\") (param i32) (result i32) (call $w (local.get 0))))";
    static const gbx_valtype i32s[] = {GBX_I32};
    for (size_t t = 0; t < sizeof tiers / sizeof *tiers; t++) {
        guest_world world, *const w = &world;
        open_world(w, (gbx_tier_mode)tiers[t], 0);
        open_store(w);
        GUEST_OK(gbx_linker_define_func(w->linker, "env", "w", i32s, 1, i32s, 1, host_wrong, w, &w->err));
        gbx_module *const m = guest_compile(w, text);
        for (int32_t how = 0; how < 5; how++) {
            gbx_instance *const i = instantiate(w, m);
            int32_t r = 1;
            gbx_trap_code const code = guest_call(w, i, "run", &how, 1, &r);
            assert_int_equal(code, how < 4 ? GBX_TRAP_HOST : GBX_TRAP_NONE);
            if (how < 4) assert_non_null(strstr(w->trap.message, "`env::w`"));
            else assert_int_equal(r, 0);
        }
        gbx_module_release(m); /* the store still has its instances */
        close_store(w);
        gbx_engine_release(w->engine);
    }
}

/* What a program in C can get wrong without lying about types: missing things, in every order. */
static void
test_a92_misuse_is_an_error(void **state)
{
    (void)state;
    guest_world world, *const w = &world;
    guest_open(w, NULL);
    gbx_module *m = (gbx_module *)w;
    gbx_instance *i = (gbx_instance *)w;
    gbx_func *f = NULL;
    gbx_val v = guest_i32(1);
    gbx_bytes const bytes = {(const uint8_t *)"\0asm\1\0\0\0", 8};
    assert_int_equal(gbx_module_compile(w->engine, bytes, NULL, &m, NULL), GBX_OK); /* no err */
    assert_int_equal(gbx_instance_new(NULL, m, NULL, &i, NULL, &w->err), GBX_ARGUMENT);
    assert_int_equal(gbx_instance_new(w->store, NULL, NULL, &i, NULL, &w->err), GBX_ARGUMENT);
    assert_int_equal(gbx_instance_new(w->store, m, NULL, NULL, NULL, &w->err), GBX_ARGUMENT);
    gbx_linker_release(w->linker);
    assert_int_equal(gbx_linker_new(NULL, &w->linker, NULL), GBX_ARGUMENT);
    assert_null(w->linker);
    assert_int_equal(gbx_linker_new(w->store, &w->linker, NULL), GBX_OK);
    assert_int_equal(gbx_linker_define_func(w->linker, NULL, "f", NULL, 0, NULL, 0, host_nothing, NULL, &w->err),
                     GBX_ARGUMENT);
    assert_int_equal(gbx_linker_define_func(w->linker, "m", "f", NULL, 3, NULL, 0, host_nothing, NULL, &w->err),
                     GBX_ARGUMENT);
    assert_int_equal(gbx_linker_define_func(w->linker, "m", "f", NULL, 0, NULL, 0, NULL, NULL, &w->err), GBX_ARGUMENT);
    assert_int_equal(gbx_linker_define_instance(w->linker, "m", NULL, &w->err), GBX_ARGUMENT);
    assert_int_equal(gbx_func_call(NULL, NULL, 0, NULL, 0, &w->trap), GBX_TRAP_HOST);
    assert_int_equal(gbx_func_call(f, &v, 1, &v, 1, NULL), GBX_TRAP_HOST);
    assert_null(gbx_instance_func(NULL, "x"));
    assert_int_equal(gbx_func_params(NULL, NULL), 0);
    assert_false(gbx_instance_memory(NULL, "m", NULL, NULL));
    assert_false(gbx_instance_global(NULL, "g", &v));
    assert_int_equal(gbx_module_import_count(NULL), 0);
    gbx_wasi *wasi = NULL;
    assert_int_equal(gbx_wasi_new(&wasi, NULL), GBX_OK);
    assert_int_equal(gbx_wasi_arg(NULL, "a", &w->err), GBX_ARGUMENT);
    assert_int_equal(gbx_wasi_arg(wasi, NULL, &w->err), GBX_ARGUMENT);
    assert_int_equal(gbx_wasi_env(wasi, "A=B", "c", &w->err), GBX_ARGUMENT);
    assert_int_equal(gbx_wasi_stdio(wasi, 3, 0, &w->err), GBX_ARGUMENT);
    assert_int_equal(gbx_wasi_link(wasi, NULL, &w->err), GBX_ARGUMENT);
    /* A linker outlives its store and says so. */
    gbx_store_release(w->store);
    assert_int_equal(gbx_linker_define_func(w->linker, "m", "f", NULL, 0, NULL, 0, host_nothing, NULL, &w->err),
                     GBX_STATE);
    assert_int_equal(gbx_wasi_link(wasi, w->linker, &w->err), GBX_STATE);
    gbx_linker_release(w->linker);
    gbx_wasi_release(wasi);
    gbx_wasi_release(NULL);
    gbx_linker_release(NULL);
    gbx_store_release(NULL);
    gbx_store_cancel(NULL);
    gbx_module_release(NULL);
    gbx_engine_release(NULL);
    gbx_engine_release(w->engine);
    gbx_module_release(m); /* keeps its engine */
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_a85_nothing_is_left_behind),
            cmocka_unit_test(test_a86_guards_are_where_they_belong),
            cmocka_unit_test(test_a87_no_trace_of_the_host),
            cmocka_unit_test(test_a88_handles_stay_at_home),
            cmocka_unit_test(test_a89_null_is_nothing),
            cmocka_unit_test(test_a90_a_host_function_that_errs),
            cmocka_unit_test(test_a92_misuse_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
