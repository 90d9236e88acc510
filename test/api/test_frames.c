/* The end of the stack, met by all that a compiled function may do there: whatever room is left, a call returns or
 * ends in a typed trap, and the store goes on. RULE: S20.
 *
 * `down` calls itself as often as it is told to, in steps of one return address, and then the function of its
 * kind. Where it begins to be too deep is looked for; all places around that are tried, and some further on. */
#include <gbx/unstable/tiers.h>

#include "api/guest.h"

enum {
    SMALL_STACK = 64 << 10,
    MIDDLE_STACK = 256 << 10,
    LARGE_STACK = 4 << 20,
    MIDDLE_OPERANDS = 12000,  /* 94 KiB: no frame that is compared */
    LARGE_OPERANDS = 150000,  /* 1.2 MB: more than all that lies below the stack */
    VECTORS = 49000,          /* 784 KB of locals */
    AROUND = 80,
    NEAR = 16, /* calls are not all entered with the same room: the edge moves by so much at most */
    STEPS = 60,
};

typedef struct frames_kind {
    const char *name, *body; /* of the function that stands deepest */
    uint64_t stack_bytes;
} frames_kind;

static const frames_kind kinds[] = {
        {"nothing", "", SMALL_STACK},
        {"function", "(call $leaf)", SMALL_STACK},
        {"arguments", "(drop (call $nine (i32.const 1) (i32.const 2) (i32.const 3) (i32.const 4) (i32.const 5)"
                      " (i32.const 6) (i32.const 7) (i32.const 8) (i32.const 9)))", SMALL_STACK},
        {"host", "(call $host)", SMALL_STACK},
        {"interpreted", "(call $lanes)", SMALL_STACK},
        {"indirect", "(call_indirect (type $v) (i32.const 0))", SMALL_STACK},
        {"indirect-host", "(call_indirect (type $v) (i32.const 1))", SMALL_STACK},
        {"tail", "(return_call $leaf)", SMALL_STACK},
        {"tail-host", "(return_call $host)", SMALL_STACK},
        {"grow", "(drop (memory.grow (i32.const 0)))", SMALL_STACK},
        {"fill", "(memory.fill (i32.const 0) (i32.const 1) (i32.const 9))", SMALL_STACK},
        {"fill-much", "(memory.fill (i32.const 0) (i32.const 1) (i32.const 9999))", SMALL_STACK},
        {"copy", "(memory.copy (i32.const 0) (i32.const 1) (i32.const 40))", SMALL_STACK},
        {"table", "(drop (table.grow $t (ref.null func) (i32.const 0)))", SMALL_STACK},
        {"truncation", "(drop (i64.trunc_f64_u (f64.const 1e19)))", SMALL_STACK},
        {"many-locals", "(call $locals)", SMALL_STACK},
        {"middle", "(call $middle)", MIDDLE_STACK},
        {"vectors", "(call $vectors)", LARGE_STACK},
        {"large", "(call $large)", LARGE_STACK},
};

enum { KINDS = sizeof kinds / sizeof kinds[0], LARGE = KINDS - 1 };

typedef struct frames_text {
    char *data;
    size_t len, cap;
} frames_text;

static void __attribute__((format(printf, 2, 3)))
text_add(frames_text *t, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    t->len += (size_t)vsnprintf(t->data + t->len, t->cap - t->len, fmt, args);
    va_end(args);
    assert_true(t->len < t->cap);
}

/* A loop with so many operands pending over a call. */
static void
text_operands(frames_text *t, const char *name, int count)
{
    text_add(t, "(func $%s (local $n i32) (local.set $n (i32.const 4)) (loop $again ", name);
    for (int i = 0; i < count; i++) text_add(t, "local.get $n ");
    text_add(t, "call $leaf ");
    for (int i = 1; i < count; i++) text_add(t, "i32.add ");
    text_add(t, "drop (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))\n");
}

static bool
kind_is_tail(const frames_kind *kind)
{
    return strncmp(kind->name, "tail", strlen("tail")) == 0;
}

/* Where a module has tail calls, each frame has room for the longest type: those are in one of their own. */
static gbx_bytes
frames_module(bool has_tails)
{
    frames_text t = {.cap = (size_t)8 << 20};
    t.data = malloc(t.cap);
    assert_non_null(t.data);
    text_add(&t, "(module (import \"env\" \"host\" (func $host)) (type $v (func)) (memory 1 4)"
                 "(global $depth (mut i32) (i32.const 0)) (table $t 4 64 funcref) (elem (i32.const 0) $leaf $host)"
                 "(func $leaf) (func $lanes (local v128) (call $leaf))"
                 "(func $nine (param i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)"
                 " (i32.add (local.get 0) (local.get 8)))"
                 "(func $locals (local i64");
    for (int i = 0; i < 600; i++) text_add(&t, " i64");
    text_add(&t, ") (local.set 1 (i64.const 1)) (call $leaf)");
    for (int i = 0; i < 600; i++) text_add(&t, "(local.set %d (i64.add (local.get %d) (local.get 1)))", i + 1, i);
    text_add(&t, "(call $leaf))\n");
    text_add(&t, "(func $vectors (local");
    for (int i = 0; i < VECTORS; i++) text_add(&t, " v128");
    text_add(&t, ") (local.set %d (v128.const i64x2 -1 -1)) (call $leaf)"
                 "(if (v128.any_true (v128.xor (local.get %d) (local.get %d))) (then) (else (unreachable))))\n",
             VECTORS - 1, VECTORS - 1, VECTORS - 2);
    text_operands(&t, "middle", MIDDLE_OPERANDS);
    text_operands(&t, "large", LARGE_OPERANDS);
    for (int k = 0; k < KINDS; k++)
        text_add(&t,
                 "(func $last%d %s)"
                 "(func $down%d (if (global.get $depth)"
                 "  (then (global.set $depth (i32.sub (global.get $depth) (i32.const 1))) (call $down%d)"
                 "        (global.set $depth (global.get $depth)))"
                 "  (else (call $last%d))))"
                 "(func (export \"%s\") (param i32) (global.set $depth (local.get 0)) (call $down%d))\n",
                 k, kind_is_tail(&kinds[k]) && !has_tails ? "" : kinds[k].body, k, k, k, kinds[k].name, k);
    text_add(&t, ")");
    gbx_bytes const wasm = guest_wat(t.data);
    free(t.data);
    return wasm;
}

static gbx_trap_code
host_nothing(gbx_caller *caller, void *data, const gbx_val *args, gbx_val *results)
{
    (void)caller, (void)data, (void)args, (void)results;
    return GBX_TRAP_NONE;
}

typedef struct frames_world {
    guest_world w;
    gbx_module *module;
    gbx_instance *instance;
} frames_world;

static void
frames_open(frames_world *f, gbx_tier_mode tier, gbx_bytes wasm, uint64_t stack_bytes)
{
    guest_world *const w = &f->w;
    memset(f, 0, sizeof *f);
    gbx_engine_opts engine = GBX_ENGINE_OPTS_INIT;
    engine.tier = tier;
    gbx_store_opts opts = GBX_STORE_OPTS_INIT;
    opts.stack_bytes = stack_bytes;
    GUEST_OK(gbx_engine_new(&engine, &w->engine, &w->err));
    GUEST_OK(gbx_engine_set_warm_factor(w->engine, 1, &w->err));
    GUEST_OK(gbx_store_new(w->engine, &opts, &w->store, &w->err));
    GUEST_OK(gbx_linker_new(w->store, &w->linker, &w->err));
    GUEST_OK(gbx_linker_define_func(w->linker, "env", "host", NULL, 0, NULL, 0, host_nothing, NULL, &w->err));
    GUEST_OK(gbx_module_compile(w->engine, wasm, NULL, &f->module, &w->err));
    GUEST_OK(gbx_instance_new(w->store, f->module, w->linker, &f->instance, &w->trap, &w->err));
}

static void
frames_close(frames_world *f)
{
    gbx_module_release(f->module);
    guest_close(&f->w);
}

/* Whether it is too deep; anything else than that or a return is a mistake. */
static bool
frames_exhausts(frames_world *f, const frames_kind *kind, int32_t depth)
{
    gbx_trap_code const code = guest_call(&f->w, f->instance, kind->name, &depth, 1, NULL);
    if (code != GBX_TRAP_NONE && code != GBX_TRAP_STACK_EXHAUSTED)
        fail_msg("%s at %d: %s", kind->name, (int)depth, f->w.trap.message);
    return code != GBX_TRAP_NONE;
}

/* The least depth that is too deep. */
static int32_t
frames_edge(frames_world *f, const frames_kind *kind)
{
    int32_t low = 0, high = (int32_t)(kind->stack_bytes / 8) + 16;
    assert_false(frames_exhausts(f, kind, low));
    assert_true(frames_exhausts(f, kind, high));
    while (high - low > 1) {
        int32_t const middle = low + (high - low) / 2;
        if (frames_exhausts(f, kind, middle)) high = middle;
        else low = middle;
    }
    return high;
}

static gbx_bytes plain_wasm, tails_wasm;

static void
try_kind(const frames_kind *kind, gbx_tier_mode tier)
{
    frames_world f;
    frames_open(&f, tier, kind_is_tail(kind) ? tails_wasm : plain_wasm, kind->stack_bytes);
    int32_t const edge = frames_edge(&f, kind), last = (int32_t)(kind->stack_bytes / 8) + 16;
    for (int32_t d = edge > AROUND ? edge - AROUND : 0; d < edge + AROUND; d++)
        if (abs((int)(d - edge)) > NEAR) assert_int_equal(frames_exhausts(&f, kind, d), d > edge);
        else (void)frames_exhausts(&f, kind, d);
    for (int32_t step = 1; step <= STEPS; step++)
        assert_true(frames_exhausts(&f, kind, edge + NEAR + (int32_t)((int64_t)(last - edge) * step / STEPS)));
    for (int32_t d = last - 2 * AROUND; d < last; d++)
        if (d > edge + NEAR) assert_true(frames_exhausts(&f, kind, d));
    assert_false(frames_exhausts(&f, kind, 0));
    frames_close(&f);
}

static void
test_each_word(void **state)
{
    (void)state;
    for (int k = 0; k < KINDS; k++) {
        try_kind(&kinds[k], GBX_TIER_EAGER);
        try_kind(&kinds[k], GBX_TIER_INTERP);
    }
}

/* Into a loop that is running already: the frame is made then. */
static void
test_entered_in_a_loop(void **state)
{
    (void)state;
    const frames_kind *const kind = &kinds[LARGE];
    frames_world f;
    frames_open(&f, GBX_TIER_EAGER, plain_wasm, kind->stack_bytes);
    int32_t const edge = frames_edge(&f, kind), last = (int32_t)(kind->stack_bytes / 8);
    frames_close(&f);
    for (int32_t step = 0; step < 12; step++) {
        /* from where there is room to where hardly any is left */
        int32_t const depth = edge - 2000 + (int32_t)((int64_t)(last - 700 - edge + 2000) * step / 11);
        frames_open(&f, GBX_TIER_AUTO, plain_wasm, kind->stack_bytes);
        bool const exhausts = frames_exhausts(&f, kind, depth);
        assert_int_equal(exhausts, step > 0);
        assert_false(frames_exhausts(&f, kind, 10));
        frames_close(&f);
    }
}

static int
open_module(void **state)
{
    (void)state;
    plain_wasm = frames_module(false);
    tails_wasm = frames_module(true);
    return 0;
}

static int
close_module(void **state)
{
    (void)state;
    free((void *)(uintptr_t)plain_wasm.data);
    free((void *)(uintptr_t)tails_wasm.data);
    return 0;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_each_word),
            cmocka_unit_test(test_entered_in_a_loop),
    };
    return cmocka_run_group_tests(tests, open_module, close_module);
}
