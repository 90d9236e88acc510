/* Fuel: the same number in every tier, wherever it can be asked for, and the same place where it ends; by the
 * definition of wasm/fuel.def. A function with a local of type v128 is one that the compiler lacks, so that the
 * interpreter runs it among compiled ones. Where this machine compiles nothing, all tiers are one. */
#include <gbx/unstable/tiers.h>
#include <gbx/unstable/trace.h>

#include "api/guest.h"

#define MS 1000000ull

typedef struct fuel_tier {
    const char *name;
    gbx_tier_mode mode;
    bool has_factor;
    uint32_t factor;
} fuel_tier;

static const fuel_tier fuel_tiers[] = {
    {"interp", GBX_TIER_INTERP, false, 0}, {"eager", GBX_TIER_EAGER, false, 0},
    {"auto at once", GBX_TIER_AUTO, true, 0}, {"auto early", GBX_TIER_AUTO, true, 1},
    {"auto", GBX_TIER_AUTO, false, 0},
};
#define FUEL_TIERS (sizeof fuel_tiers / sizeof *fuel_tiers)

/* What a run leaves behind: all of it must be the same in every tier. */
typedef struct fuel_end {
    gbx_trap_code code;
    uint64_t used, left;
    uint64_t frames_total;
    uint32_t frame_count;
    uint32_t funcs[8], offsets[8];
    uint64_t memory, host;
    int64_t result;
    char message[256];
} fuel_end;

typedef struct fuel_world {
    guest_world w;
    gbx_instance *instance;
    uint64_t host; /* of what host functions saw */
    uint64_t give; /* to be added by the next that is asked to */
} fuel_world;

static void
fuel_mix(fuel_world *f, uint64_t v)
{
    f->host = gbx_trace_hash(f->host, &v, sizeof v);
}

/* Notes how much was used. */
static gbx_trap_code
host_look(gbx_caller *caller, void *data, const gbx_val *args, gbx_val *results)
{
    (void)caller, (void)args, (void)results;
    fuel_world *const f = data;
    uint64_t left, used;
    assert_true(gbx_store_fuel(f->w.store, &left, &used));
    fuel_mix(f, used);
    fuel_mix(f, left);
    return GBX_TRAP_NONE;
}

/* Gives more, once. */
static gbx_trap_code
host_give(gbx_caller *caller, void *data, const gbx_val *args, gbx_val *results)
{
    (void)caller, (void)args, (void)results;
    fuel_world *const f = data;
    assert_int_equal(gbx_store_add_fuel(f->w.store, f->give, NULL), GBX_OK);
    f->give = 0;
    return GBX_TRAP_NONE;
}

/* Calls the export `back` of the calling instance, if it has one. */
static gbx_trap_code
host_back(gbx_caller *caller, void *data, const gbx_val *args, gbx_val *results)
{
    (void)args, (void)results;
    fuel_world *const f = data;
    gbx_func *const back = gbx_instance_func(gbx_caller_instance(caller), "back");
    gbx_trap_code const code = gbx_func_call(back, NULL, 0, NULL, 0, NULL);
    uint64_t used;
    assert_true(gbx_store_fuel(f->w.store, NULL, &used));
    fuel_mix(f, used);
    return code;
}

static gbx_trap_code
host_fails(gbx_caller *caller, void *data, const gbx_val *args, gbx_val *results)
{
    (void)caller, (void)data, (void)args, (void)results;
    return GBX_TRAP_HOST;
}

static void
fuel_open(fuel_world *f, const fuel_tier *tier, gbx_bytes wasm, uint64_t fuel, uint64_t timeout_ns)
{
    guest_world *const w = &f->w;
    memset(f, 0, sizeof *f);
    gbx_engine_opts engine_opts = GBX_ENGINE_OPTS_INIT;
    gbx_store_opts opts = GBX_STORE_OPTS_INIT;
    gbx_module *m;
    engine_opts.tier = tier->mode;
    engine_opts.metered = 1;
    opts.fuel = fuel;
    opts.timeout_ns = timeout_ns;
    opts.memory_bytes = 16 << 20;
    GUEST_OK(gbx_engine_new(&engine_opts, &w->engine, &w->err));
    if (tier->has_factor) GUEST_OK(gbx_engine_set_warm_factor(w->engine, tier->factor, &w->err));
    GUEST_OK(gbx_store_new(w->engine, &opts, &w->store, &w->err));
    GUEST_OK(gbx_linker_new(w->store, &w->linker, &w->err));
    static const struct {
        const char *name;
        gbx_host_callback fn;
    } hosts[] = {{"look", host_look}, {"give", host_give}, {"back", host_back}, {"fails", host_fails}};
    for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++)
        GUEST_OK(gbx_linker_define_func(w->linker, "env", hosts[i].name, NULL, 0, NULL, 0, hosts[i].fn, f,
                                        &w->err));
    GUEST_OK(gbx_module_compile(w->engine, wasm, NULL, &m, &w->err));
    GUEST_OK(gbx_instance_new(w->store, m, w->linker, &f->instance, &w->trap, &w->err));
    gbx_module_release(m);
}

/* Call `run`, which may give one integer. */
static fuel_end
fuel_call(fuel_world *f)
{
    guest_world *const w = &f->w;
    fuel_end e = {0};
    gbx_val r = {.type = GBX_I64};
    gbx_func *const run = gbx_instance_func(f->instance, "run");
    assert_non_null(run);
    size_t const results = gbx_func_results(run, NULL);
    e.code = gbx_func_call(run, NULL, 0, &r, results, &w->trap);
    if (e.code == GBX_TRAP_NONE && results) e.result = r.type == GBX_I32 ? r.of.i32 : r.of.i64;
    if (e.code != GBX_TRAP_NONE) {
        e.frames_total = w->trap.frames_total;
        e.frame_count = w->trap.frame_count < 8 ? w->trap.frame_count : 8;
        for (uint32_t i = 0; i < e.frame_count; i++) {
            e.funcs[i] = w->trap.frames[i].func_idx;
            e.offsets[i] = w->trap.frames[i].offset;
        }
        strcpy(e.message, w->trap.message);
    }
    assert_true(gbx_store_fuel(w->store, &e.left, &e.used));
    const uint8_t *data;
    size_t bytes;
    for (size_t i = 0; gbx_trace_memory(f->instance, i, &data, &bytes); i++)
        e.memory = gbx_trace_hash(e.memory ^ bytes, data, bytes);
    gbx_val v;
    for (size_t i = 0; gbx_trace_global(f->instance, i, &v); i++)
        e.memory = gbx_trace_hash(e.memory, &v.of, sizeof v.of);
    e.host = f->host;
    return e;
}

static fuel_end
fuel_run(const fuel_tier *tier, gbx_bytes wasm, uint64_t fuel)
{
    fuel_world f;
    fuel_open(&f, tier, wasm, fuel, 0);
    fuel_end const e = fuel_call(&f);
    guest_close(&f.w);
    return e;
}

/* The same in every tier, and at a second run. */
static fuel_end
fuel_same(gbx_bytes wasm, uint64_t fuel)
{
    fuel_end const first = fuel_run(&fuel_tiers[0], wasm, fuel);
    for (size_t t = 0; t < FUEL_TIERS; t++) {
        fuel_end const e = fuel_run(&fuel_tiers[t], wasm, fuel);
        if (e.code != first.code || e.used != first.used || e.left != first.left)
            fail_msg("%s, fuel %llu: %s, used %llu, left %llu; interpreted: %s, used %llu, left %llu",
                     fuel_tiers[t].name, (unsigned long long)fuel, gbx_trap_slug(e.code),
                     (unsigned long long)e.used, (unsigned long long)e.left, gbx_trap_slug(first.code),
                     (unsigned long long)first.used, (unsigned long long)first.left);
        if (e.frame_count && e.offsets[0] != first.offsets[0])
            fail_msg("%s, fuel %llu: at 0x%x, interpreted: 0x%x", fuel_tiers[t].name, (unsigned long long)fuel,
                     e.offsets[0], first.offsets[0]);
        if (memcmp(&e, &first, sizeof e) != 0)
            fail_msg("%s, fuel %llu: frames, memory or what the host saw differ", fuel_tiers[t].name,
                     (unsigned long long)fuel);
    }
    return first;
}

static void
free_bytes(gbx_bytes b)
{
    free((void *)(uintptr_t)b.data);
}

/* ---- What instructions cost: the bodies of `run`, and what they use when they are executed to their end */

typedef struct cost_case {
    const char *text;
    uint64_t used;
} cost_case;

static const cost_case cost_cases[] = {
    {"(func (export \"run\"))", 0},
    {"(func (export \"run\") nop nop block loop nop end end)", 0},
    {"(func (export \"run\") (result i32) i32.const 7)", 1},
    {"(func (export \"run\") (result i32) i32.const 7 return)", 2},
    {"(func (export \"run\") (result i32) i32.const 1 i32.const 2 i32.add)", 3},
    {"(func (export \"run\") block br 0 end)", 1},
    {"(func (export \"run\") (result i32) i32.const 0 if (result i32) i32.const 1 i32.const 2 i32.add "
     "else i32.const 3 end)", 3},
    {"(func (export \"run\") (result i32) i32.const 1 if (result i32) i32.const 1 i32.const 2 i32.add "
     "else i32.const 3 end)", 5},
    /* 10 times: get, const, add, tee, const, lt, br_if */
    {"(func (export \"run\") (local i32) loop local.get 0 i32.const 1 i32.add local.tee 0 i32.const 10 "
     "i32.lt_u br_if 0 end)", 70},
    {"(func (export \"run\") (local i32) (local v128) loop local.get 0 i32.const 1 i32.add local.tee 0 "
     "i32.const 10 i32.lt_u br_if 0 end)", 70},
    {"(func (export \"run\") call 1 call 1) (func nop)", 2},
    {"(func (export \"run\") (result i32) call 1 call 1 i32.add) (func (result i32) i32.const 1)", 5},
    {"(func (export \"run\") (result i32) i32.const 5 call 1) "
     "(func (param i32) (result i32) local.get 0 i32.eqz if local.get 0 return end "
     "local.get 0 i32.const 1 i32.sub return_call 1)", 2 + 5 * 7 + 5},
    {"(table 1 funcref) (elem (i32.const 0) 1) (type $t (func)) "
     "(func (export \"run\") i32.const 0 call_indirect (type $t)) (func nop)", 2},
    {"(memory 1) (func (export \"run\") i32.const 0 i32.const 1 i32.const 15 memory.fill)", 4},
    {"(memory 1) (func (export \"run\") i32.const 0 i32.const 1 i32.const 16 memory.fill)", 5},
    {"(memory 1) (func (export \"run\") i32.const 0 i32.const 1 i32.const 65536 memory.fill)", 4 + 4096},
    {"(memory 1) (func (export \"run\") i32.const 0 i32.const 100 i32.const 1000 memory.copy)", 4 + 62},
    {"(memory 1) (func (export \"run\") i32.const 100 i32.const 0 i32.const 1000 memory.copy)", 4 + 62},
    {"(memory 1) (func (export \"run\") i32.const 100 i32.const 0 i32.const 30000 memory.copy)", 4 + 1875},
    {"(memory 1) (data \"0123456789abcdef0\") "
     "(func (export \"run\") i32.const 0 i32.const 0 i32.const 17 memory.init 0 data.drop 0)", 6},
    {"(memory 1) (func (export \"run\") (result i32) i32.const 3 memory.grow)", 5},
    {"(memory 1 2) (func (export \"run\") (result i32) i32.const 3 memory.grow)", 2}, /* refused */
    {"(table 10 funcref) (func (export \"run\") i32.const 2 ref.null func i32.const 5 table.fill 0)", 9},
    {"(table 10 funcref) (func (export \"run\") i32.const 2 i32.const 0 i32.const 5 table.copy)", 9},
    {"(table 10 funcref) (func (export \"run\") (result i32) ref.null func i32.const 5 table.grow 0)", 8},
    {"(table 10 funcref) (elem func 0 0) "
     "(func (export \"run\") i32.const 2 i32.const 0 i32.const 2 table.init 0 elem.drop 0)", 4 + 2 + 1},
};

static void
test_costs(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cost_cases / sizeof *cost_cases; i++) {
        char text[1024];
        snprintf(text, sizeof text, "(module %s)", cost_cases[i].text);
        gbx_bytes const wasm = guest_wat(text);
        fuel_end const e = fuel_same(wasm, 0);
        if (e.used != cost_cases[i].used)
            fail_msg("%s: used %llu, not %llu", cost_cases[i].text, (unsigned long long)e.used,
                     (unsigned long long)cost_cases[i].used);
        assert_int_equal(e.code, GBX_TRAP_NONE);
        assert_true(e.left == GBX_UNLIMITED);
        free_bytes(wasm);
    }
}

/* ---- Budgets: what ends where, one unit after the other */

#define IMPORTS                                                                                        \
    "(import \"env\" \"look\" (func $look)) (import \"env\" \"give\" (func $give)) "                   \
    "(import \"env\" \"back\" (func $back)) (import \"env\" \"fails\" (func $fails)) "

static const char *const swept[] = {
    /* Loops in each other, a conditional way through, stores that tell how far it came. */
    "(module (memory 1) (func (export \"run\") (result i32) (local i32 i32)"
    " loop $o i32.const 0 local.set 1"
    "  loop $i local.get 1 i32.const 3 i32.and if i32.const 8 local.get 1 i32.store"
    "   else i32.const 12 local.get 0 i32.store end"
    "   local.get 1 i32.const 1 i32.add local.tee 1 i32.const 5 i32.lt_u br_if $i end"
    "  i32.const 16 i32.const 16 i32.load i32.const 1 i32.add i32.store"
    "  local.get 0 i32.const 1 i32.add local.tee 0 i32.const 4 i32.ne br_if $o end"
    " i32.const 16 i32.load))",
    /* Calls, direct and not, a recursion, a function between that is interpreted. */
    "(module (memory 1) (table 4 funcref) (elem (i32.const 0) $a $b $fib) (type $t (func (param i32) (result i32)))"
    " (func $a (type $t) local.get 0 i32.const 1 i32.add)"
    " (func $b (type $t) (local v128) local.get 0 call $a i32.const 1 call_indirect (type $t2) i32.add)"
    " (type $t2 (func (result i32)))"
    " (func $fib (type $t) local.get 0 i32.const 2 i32.lt_s if local.get 0 return end"
    "  local.get 0 i32.const 1 i32.sub call $fib local.get 0 i32.const 2 i32.sub call $fib i32.add)"
    " (func (export \"run\") (result i32) (local i32)"
    "  i32.const 5 call $fib local.set 0 i32.const 4 local.get 0 i32.store"
    "  i32.const 3 i32.const 0 call_indirect (type $t) local.get 0 i32.add"
    "  i32.const 4 i32.const 2 call_indirect (type $t) i32.add drop"
    "  i32.const 8 i32.const 99 i32.store i32.const 3 i32.const 1 call_indirect (type $t)))",
    /* The host looks in between; guest code runs in a host function; a bulk operation that does not fit. */
    "(module " IMPORTS "(memory 1) (func (export \"back\") (local i32) call $look"
    " loop local.get 0 i32.const 1 i32.add local.tee 0 i32.const 3 i32.lt_u br_if 0 end"
    " i32.const 30 i32.const 30 i32.load i32.const 1 i32.add i32.store)"
    " (func (export \"run\") (local i32) call $look"
    " loop i32.const 1 i32.const 2 i32.add drop call $back call $look"
    "  i32.const 100 local.get 0 i32.const 160 memory.fill i32.const 200 i32.const 0 i32.const 64 memory.copy"
    "  local.get 0 i32.const 1 i32.add local.tee 0 i32.const 3 i32.lt_u br_if 0 end call $look))",
    /* Operands that wait, values that branches carry, a br_table with backward targets. */
    "(module (memory 1) (func $two (result i32 i32) i32.const 3 i32.const 4)"
    " (func (export \"run\") (result i32) (local i32 i32)"
    " loop $l block $b block $c local.get 0 i32.const 1 i32.add local.tee 0 i32.const 5 i32.rem_u"
    "   br_table $l $c $b $l $b end"
    "  i32.const 40 i32.const 40 i32.load i32.const 1 i32.add i32.store call $two i32.add local.set 1 br $l end"
    "  local.get 0 i32.const 40 i32.gt_u if local.get 1 return end"
    "  block (result i32) i32.const 9 i32.const 8 i32.const 7 i32.const 6 br 0 end local.get 1 i32.add local.set 1"
    "  br $l end unreachable))",
    /* Tail calls, across a function that is interpreted. */
    "(module (memory 1) (table 2 funcref) (elem (i32.const 0) $even $odd)"
    " (type $t (func (param i32) (result i32)))"
    " (func $even (type $t) i32.const 0 local.get 0 i32.store local.get 0 i32.eqz if i32.const 1 return end"
    "  local.get 0 i32.const 1 i32.sub return_call $odd)"
    " (func $odd (type $t) (local v128) local.get 0 i32.eqz if i32.const 0 return end"
    "  local.get 0 i32.const 1 i32.sub i32.const 0 return_call_indirect (type $t))"
    " (func (export \"run\") (result i32) i32.const 9 call $even))",
    /* What a resumable function of Go's looks like: a dispatch over a local, jumps that are threaded past it. */
    "(module (memory 1) (global $sp (mut i32) (i32.const 64)) (func $f (param i32) (result i32) (local i32)"
    " global.get $sp local.set 1"
    " loop $top block $b3 block $b2 block $b1 block $b0 local.get 0 br_table $b0 $b1 $b2 $b3 end"
    "  local.get 1 i32.const 0 i32.store i32.const 1 local.set 0 br $top end"
    "  local.get 1 local.get 1 i32.load i32.const 1 i32.add i32.store"
    "  local.get 1 i32.load i32.const 6 i32.lt_u if i32.const 1 local.set 0 br $top end"
    "  local.get 1 i32.load i32.const 7 i32.ge_u if i32.const 3 local.set 0 br $top end"
    "  i32.const 2 local.set 0 br $top end"
    "  local.get 1 local.get 1 i32.load i32.const 1 i32.add i32.store i32.const 1 local.set 0 br $top end"
    "  local.get 1 i32.load return end unreachable)"
    " (func (export \"run\") (result i32) i32.const 0 call $f i32.const 2 call $f i32.add))",
};

static void
test_sweeps(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof swept / sizeof *swept; i++) {
        gbx_bytes const wasm = guest_wat(swept[i]);
        fuel_end const whole = fuel_same(wasm, 0);
        uint64_t before = 0;
        for (uint64_t fuel = 1; fuel < whole.used; fuel++) {
            fuel_end const e = fuel_same(wasm, fuel);
            assert_int_equal(e.left, 0);
            assert_true(e.used > fuel && e.used >= before && e.used <= whole.used);
            before = e.used;
            if (e.used == whole.used && e.code == whole.code) continue; /* no test came behind */
            assert_int_equal(e.code, GBX_TRAP_FUEL);
            char wanted[128];
            snprintf(wanted, sizeof wanted, "the store's fuel of %llu units is used up", (unsigned long long)fuel);
            assert_string_equal(e.message, wanted);
        }
        for (uint64_t fuel = whole.used; fuel < whole.used + 2; fuel++) {
            fuel_end const e = fuel_same(wasm, fuel);
            assert_int_equal(e.code, whole.code);
            assert_int_equal(e.used, whole.used);
            assert_int_equal(e.left, fuel - whole.used);
        }
        free_bytes(wasm);
    }
}

/* ---- Traps in the middle: what was executed up to there counts, the instruction that trapped included */

static const cost_case trap_cases[] = {
    {"(func (export \"run\") unreachable)", 1},
    {"(func (export \"run\") i32.const 1 drop unreachable i32.const 1 drop)", 3},
    {"(memory 1) (func (export \"run\") (result i32) i32.const 1 i32.const 2 i32.add i32.const 65536 i32.load "
     "i32.add i32.const 7 i32.add)", 5},
    {"(memory 1) (func (export \"run\") (local i32) i32.const 65535 local.set 0 local.get 0 i64.load drop "
     "i32.const 1 drop)", 4},
    {"(memory 1) (func (export \"run\") (local i32) i32.const -4 local.set 0 local.get 0 local.get 0 i32.store "
     "i32.const 1 drop)", 5},
    {"(memory 1) (func (export \"run\") (result i32) i32.const 65536 i32.load if (result i32) i32.const 1 "
     "else i32.const 2 end)", 2},
    {"(memory 1) (func (export \"run\") (local i32) loop i32.const 65536 i32.load br_if 0 end)", 2},
    {"(memory 1) (func (export \"run\") (result i32) i32.const 65536 i32.load i32.const 5 i32.lt_s)", 2},
    {"(memory 1) (func (export \"run\") (result i64) (local i64) i64.const 1 local.get 0 i32.wrap_i64 "
     "i32.const -1 i32.add i64.load i64.add local.get 0 i64.add)", 6},
    {"(func (export \"run\") (result i32) i32.const 1 i32.const 0 i32.div_u i32.const 1 i32.add)", 3},
    {"(func (export \"run\") (result i32) (local i32) i32.const 1 i32.const 1 local.get 0 i32.rem_s i32.add)", 4},
    {"(func (export \"run\") (result i32) (local i32) i32.const 0x80000000 local.get 0 i32.const 1 i32.sub "
     "i32.div_s i32.const 1 i32.add)", 5},
    {"(func (export \"run\") (result i32) (local f64) local.get 0 local.get 0 f64.div i32.trunc_f64_s i32.const 1 "
     "i32.add)", 4},
    {"(table 1 funcref) (type $t (func)) (func (export \"run\") i32.const 5 call_indirect (type $t) "
     "i32.const 1 drop)", 2},
    {"(table 1 funcref) (type $t (func)) (func (export \"run\") i32.const 0 call_indirect (type $t) "
     "i32.const 1 drop)", 2},
    {"(table 1 funcref) (elem (i32.const 0) 0) (type $t (func (param i32))) "
     "(func (export \"run\") i32.const 1 i32.const 0 call_indirect (type $t) i32.const 1 drop)", 3},
    {"(table 1 1 funcref) (type $t (func)) (func (export \"run\") i32.const 9 return_call_indirect (type $t))", 2},
    {"(table 1 funcref) (func (export \"run\") i32.const 1 table.get 0 drop)", 2},
    {"(table 1 funcref) (func (export \"run\") i32.const 1 ref.null func table.set 0 i32.const 1 drop)", 3},
    {"(memory 1) (func (export \"run\") i32.const 65530 i32.const 0 i32.const 7 memory.fill i32.const 1 drop)", 4},
    {"(memory 1) (func (export \"run\") i32.const 65530 i32.const 0 i32.const 70000 memory.copy)", 4},
    /* In a callee, whose caller has more to do; behind a loop. */
    {"(memory 1) (func (export \"run\") i32.const 1 drop call $f i32.const 1 drop) "
     "(func $f i32.const 2 drop i32.const -1 i32.load drop i32.const 4 drop)", 3 + 4},
    {"(memory 1) (func (export \"run\") (local i32) loop local.get 0 i32.const 1 i32.add local.tee 0 i32.const 9 "
     "i32.lt_u br_if 0 end i32.const 1 drop i32.const -1 i32.load drop i32.const 1 drop)", 63 + 4},
    {"(memory 1) (func (export \"run\") i32.const 1 drop call $f i32.const 1 drop) "
     "(func $f (local v128) i32.const 2 drop call $g i32.const 2 drop) "
     "(func $g i32.const 2 drop i32.const -1 i32.load drop i32.const 4 drop)", 3 + 3 + 4},
    /* A narrow sequence, marked by validation: get, get, store; const, add, load8. */
    {"(memory 1) (func (export \"run\") (local i32 i32) i32.const -1 local.set 0 local.get 0 local.get 1 i32.store "
     "local.get 0 local.get 1 i32.store)", 5},
    {"(memory 1) (func (export \"run\") (local i32 i32) i32.const -1 local.set 0 local.get 0 local.get 0 "
     "i32.const -5 i32.add i32.load8_u drop drop i32.const 1 drop)", 7},
    {"(memory 1) (func (export \"run\") (local i32 f64) local.get 1 i32.const -1 f64.load f64.mul f64.neg drop)", 3},
};

static void
test_traps(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof trap_cases / sizeof *trap_cases; i++) {
        char text[1024];
        snprintf(text, sizeof text, "(module %s)", trap_cases[i].text);
        gbx_bytes const wasm = guest_wat(text);
        fuel_end const e = fuel_same(wasm, 0);
        if (e.used != trap_cases[i].used)
            fail_msg("%s: used %llu, not %llu", trap_cases[i].text, (unsigned long long)e.used,
                     (unsigned long long)trap_cases[i].used);
        assert_true(e.code != GBX_TRAP_NONE && e.code != GBX_TRAP_FUEL);
        free_bytes(wasm);
    }
}

/* A host function that fails, and a guest that it called and that trapped, leave what was used. */
static void
test_host_ends(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "(module " IMPORTS "(func (export \"run\") i32.const 1 drop call $look call $fails i32.const 1 drop))",
        "(module " IMPORTS "(func (export \"back\") i32.const 1 drop call $look unreachable)"
        " (func (export \"run\") i32.const 1 drop call $back i32.const 1 drop))",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        gbx_bytes const wasm = guest_wat(texts[i]);
        fuel_end const e = fuel_same(wasm, 0);
        assert_int_equal(e.used, i ? 3 + 4 : 4);
        assert_int_equal(e.code, i ? GBX_TRAP_UNREACHABLE : GBX_TRAP_HOST);
        free_bytes(wasm);
    }
}

/* ---- Refilling */

#define COUNTS                                                                                       \
    "(memory 1) (func (export \"run\") (local i32) loop i32.const 0 i32.const 0 i32.load i32.const 1 " \
    "i32.add i32.store local.get 0 i32.const 1 i32.add local.tee 0 i32.const 100 i32.lt_u br_if 0 end)"

static void
test_refill(void **state)
{
    (void)state;
    gbx_bytes const wasm = guest_wat("(module " COUNTS ")");
    for (size_t t = 0; t < FUEL_TIERS; t++) {
        fuel_world f;
        guest_world *const w = &f.w;
        uint64_t left, used;
        fuel_open(&f, &fuel_tiers[t], wasm, 1000, 0);
        assert_int_equal(fuel_call(&f).code, GBX_TRAP_FUEL); /* 1300 are needed */
        assert_true(gbx_store_fuel(w->store, &left, &used));
        assert_int_equal(used, 1001);
        /* Nothing is left, not for a call either. */
        fuel_end e = fuel_call(&f);
        assert_int_equal(e.code, GBX_TRAP_FUEL);
        assert_int_equal(e.frames_total, 0);
        assert_int_equal(e.used, 1001);
        /* More pays the debt first. */
        GUEST_OK(gbx_store_add_fuel(w->store, 1, &w->err));
        assert_true(gbx_store_fuel(w->store, &left, &used));
        assert_int_equal(left, 0);
        GUEST_OK(gbx_store_add_fuel(w->store, 1300, &w->err));
        e = fuel_call(&f);
        assert_int_equal(e.code, GBX_TRAP_NONE);
        assert_int_equal(e.used, 2301);
        assert_int_equal(e.left, 0);
        GUEST_OK(gbx_store_set_fuel(w->store, 1299, &w->err));
        e = fuel_call(&f);
        assert_int_equal(e.code, GBX_TRAP_NONE); /* the last branch is not taken: nobody looks */
        assert_int_equal(e.used, 3601);
        GUEST_OK(gbx_store_set_fuel(w->store, 650, &w->err));
        e = fuel_call(&f);
        assert_int_equal(e.code, GBX_TRAP_FUEL);
        assert_int_equal(e.used, 3601 + 663);
        assert_string_equal(e.message, "the store's fuel of 4251 units is used up");
        GUEST_OK(gbx_store_set_fuel(w->store, GBX_UNLIMITED, &w->err));
        e = fuel_call(&f);
        assert_int_equal(e.code, GBX_TRAP_NONE);
        assert_true(e.left == GBX_UNLIMITED);
        assert_int_equal(e.used, 3601 + 663 + 1300);
        GUEST_OK(gbx_store_set_fuel(w->store, 0, &w->err));
        e = fuel_call(&f);
        assert_int_equal(e.code, GBX_TRAP_NONE + GBX_TRAP_FUEL); /* at the first look */
        assert_int_equal(e.used, 3601 + 663 + 1300 + 13);
        GUEST_OK(gbx_store_add_fuel(w->store, GBX_UNLIMITED, &w->err));
        assert_true(gbx_store_fuel(w->store, &left, &used));
        assert_true(left == GBX_UNLIMITED);
        guest_close(w);
    }
    free_bytes(wasm);
}

/* By a host function, in the middle of a call that would not get through. */
static void
test_refill_by_host(void **state)
{
    (void)state;
    gbx_bytes const wasm = guest_wat(
            "(module " IMPORTS "(func (export \"run\") (local i32)"
            " loop local.get 0 i32.const 1 i32.add local.tee 0 i32.const 10 i32.lt_u br_if 0 end call $give"
            " loop local.get 0 i32.const 1 i32.add local.tee 0 i32.const 20 i32.lt_u br_if 0 end))");
    for (size_t t = 0; t < FUEL_TIERS; t++)
        for (uint64_t give = 0; give < 90; give++) {
            fuel_world f;
            fuel_open(&f, &fuel_tiers[t], wasm, 75, 0);
            f.give = give;
            fuel_end const e = fuel_call(&f);
            assert_int_equal(e.code, give < 59 ? GBX_TRAP_FUEL : GBX_TRAP_NONE);
            if (give >= 59) assert_int_equal(e.used, 141);
            else assert_int_equal(e.used, 71 + 7 * ((75 + give - 71) / 7 + 1));
            guest_close(&f.w);
        }
    free_bytes(wasm);
}

static void
test_arguments(void **state)
{
    (void)state;
    guest_world world, *const w = &world;
    gbx_store *store = NULL;
    gbx_store_opts opts = GBX_STORE_OPTS_INIT;
    uint64_t left, used;
    guest_open(w, NULL);
    opts.fuel = 5;
    assert_int_equal(gbx_store_new(w->engine, &opts, &store, &w->err), GBX_ARGUMENT);
    assert_null(store);
    assert_non_null(strstr(w->err.text, "metered"));
    assert_false(gbx_store_fuel(w->store, &left, &used));
    assert_false(gbx_store_fuel(NULL, &left, &used));
    assert_int_equal(gbx_store_set_fuel(w->store, 5, &w->err), GBX_ARGUMENT);
    assert_non_null(strstr(w->err.text, "metered"));
    assert_int_equal(gbx_store_add_fuel(w->store, 5, NULL), GBX_ARGUMENT);
    assert_int_equal(gbx_store_set_fuel(NULL, 5, NULL), GBX_ARGUMENT);
    guest_close(w);
}

/* ---- Hostile: every way to go on for ever is ended */

static const char *const endless[] = {
    "(module (func (export \"run\") loop br 0 end))",
    "(module (func (export \"run\") loop i32.const 1 br_if 0 end))",
    "(module (func (export \"run\") (local i32) loop block local.get 0 br_table 1 1 end end))",
    "(module (func (export \"run\") (local i32) loop block i32.const 9 br_table 0 1 end end))",
    "(module (func (export \"run\") loop i32.const 7 i32.const 8 i32.const 9 br 0 end))",
    "(module (func (export \"run\") loop block block br 2 end end end))",
    "(module (func (export \"run\") loop loop br 1 end end))",
    "(module (func (export \"run\") (local v128) loop br 0 end))",
    "(module (func $f (export \"run\") call $f))",
    "(module (func $f (export \"run\") call $g) (func $g (local v128) call $f))",
    "(module (func $f (export \"run\") return_call $f))",
    "(module (func $f (export \"run\") return_call $g) (func $g (local v128) return_call $f))",
    "(module (type $t (func)) (table 1 funcref) (elem (i32.const 0) $f)"
    " (func $f (export \"run\") i32.const 0 return_call_indirect (type $t)))",
    "(module (type $t (func)) (table 1 funcref) (elem (i32.const 0) $f)"
    " (func $f (export \"run\") i32.const 0 call_indirect (type $t)))",
    "(module (memory 1) (func (export \"run\") loop i32.const 0 i32.const 0 i32.const 65536 memory.fill br 0 end))",
    "(module " IMPORTS "(func (export \"run\") loop call $look br 0 end))",
    "(module (func $top (export \"run\") (param) (result) (local i32) loop $l block $b1 block $b0 local.get 0"
    " br_table $b0 $b1 end i32.const 1 local.set 0 br $l end i32.const 0 local.set 0 br $l end))",
};

/* (tag) (func (export "run") loop block try_table (catch_all 0) throw 0 end end br 0 end), and one whose clause
 * leads back to the loop itself: no text tool here knows try_table. */
static const uint8_t endless_throw[2][64] = {
    {0, 'a', 's', 'm', 1, 0, 0, 0, 1, 4, 1, 0x60, 0, 0, 3, 2, 1, 0, 13, 3, 1, 0, 0, 7, 7, 1, 3, 'r', 'u', 'n', 0, 0,
     10, 20, 1, 18, 0, 0x03, 0x40, 0x02, 0x40, 0x1f, 0x40, 1, 2, 0, 0x08, 0, 0x0b, 0x0b, 0x0c, 0, 0x0b, 0x0b},
    {0, 'a', 's', 'm', 1, 0, 0, 0, 1, 4, 1, 0x60, 0, 0, 3, 2, 1, 0, 13, 3, 1, 0, 0, 7, 7, 1, 3, 'r', 'u', 'n', 0, 0,
     10, 15, 1, 13, 0, 0x03, 0x40, 0x1f, 0x40, 1, 2, 0, 0x08, 0, 0x0b, 0x0b, 0x0b},
};

static void
endless_ends(gbx_bytes wasm, const char *what)
{
    static const uint64_t fuels[] = {1, 1000, 1001, 1002, 50000};
    for (size_t k = 0; k < sizeof fuels / sizeof *fuels; k++) {
        fuel_end const e = fuel_same(wasm, fuels[k]);
        if (e.code != GBX_TRAP_FUEL) fail_msg("%s: %s", what, gbx_trap_slug(e.code));
        assert_true(e.used > fuels[k] && e.used < fuels[k] + 5000);
    }
}

static void
test_endless(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof endless / sizeof *endless; i++) {
        gbx_bytes const wasm = guest_wat(endless[i]);
        endless_ends(wasm, endless[i]);
        free_bytes(wasm);
    }
    static size_t const lens[] = {54, 49};
    for (size_t i = 0; i < 2; i++) endless_ends((gbx_bytes){endless_throw[i], lens[i]}, "throw and catch");
}

/* A deadline ends what fuel without a bound does not; then it is the deadline. */
static void
test_deadline(void **state)
{
    (void)state;
    gbx_bytes const wasm = guest_wat("(module (func (export \"run\") loop br 0 end))");
    for (size_t t = 0; t < FUEL_TIERS; t++) {
        fuel_world f;
        fuel_open(&f, &fuel_tiers[t], wasm, GBX_UNLIMITED, 30 * MS);
        fuel_end const e = fuel_call(&f);
        assert_int_equal(e.code, GBX_TRAP_DEADLINE);
        assert_true(e.used > 0 && e.left == GBX_UNLIMITED);
        guest_close(&f.w);
    }
    free_bytes(wasm);
}

/* The start function is a call like others. */
static void
test_start(void **state)
{
    (void)state;
    gbx_bytes const wasm = guest_wat("(module (func $s loop br 0 end) (start $s))");
    for (size_t t = 0; t < FUEL_TIERS; t++) {
        guest_world world, *const w = &world;
        gbx_engine_opts engine_opts = GBX_ENGINE_OPTS_INIT;
        gbx_store_opts opts = GBX_STORE_OPTS_INIT;
        gbx_module *m;
        gbx_instance *i;
        memset(w, 0, sizeof *w);
        engine_opts.tier = fuel_tiers[t].mode;
        engine_opts.metered = 1;
        opts.fuel = 100;
        GUEST_OK(gbx_engine_new(&engine_opts, &w->engine, &w->err));
        GUEST_OK(gbx_store_new(w->engine, &opts, &w->store, &w->err));
        GUEST_OK(gbx_module_compile(w->engine, wasm, NULL, &m, &w->err));
        assert_int_equal(gbx_instance_new(w->store, m, NULL, &i, &w->trap, &w->err), GBX_TRAPPED);
        assert_int_equal(w->trap.code, GBX_TRAP_FUEL);
        gbx_module_release(m);
        guest_close(w);
    }
    free_bytes(wasm);
}

int
main(void)
{
    struct CMUnitTest const tests[] = {
        cmocka_unit_test(test_costs),    cmocka_unit_test(test_traps),          cmocka_unit_test(test_sweeps),
        cmocka_unit_test(test_host_ends), cmocka_unit_test(test_refill),        cmocka_unit_test(test_refill_by_host),
        cmocka_unit_test(test_arguments), cmocka_unit_test(test_endless),       cmocka_unit_test(test_deadline),
        cmocka_unit_test(test_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
