/* Canonical NaNs, on both tiers, from every instruction that makes one; and seeded guests of the library. */
#include "guest.h"

#include <math.h>

typedef struct nan_op {
    const char *name; /* "f64.add" */
    int operands, bits;
    int from; /* bits of the operands, where others */
} nan_op;

static const nan_op nan_ops[] = {
        {"f64.add", 2, 64, 64},          {"f64.sub", 2, 64, 64},      {"f64.mul", 2, 64, 64},
        {"f64.div", 2, 64, 64},          {"f64.min", 2, 64, 64},      {"f64.max", 2, 64, 64},
        {"f64.sqrt", 1, 64, 64},         {"f64.ceil", 1, 64, 64},     {"f64.floor", 1, 64, 64},
        {"f64.trunc", 1, 64, 64},        {"f64.nearest", 1, 64, 64},  {"f32.add", 2, 32, 32},
        {"f32.sub", 2, 32, 32},          {"f32.mul", 2, 32, 32},      {"f32.div", 2, 32, 32},
        {"f32.min", 2, 32, 32},          {"f32.max", 2, 32, 32},      {"f32.sqrt", 1, 32, 32},
        {"f32.ceil", 1, 32, 32},         {"f32.floor", 1, 32, 32},    {"f32.trunc", 1, 32, 32},
        {"f32.nearest", 1, 32, 32},      {"f32.demote_f64", 1, 32, 64}, {"f64.promote_f32", 1, 64, 32},
        {"f64x2.add", -2, 64, 64},       {"f64x2.sub", -2, 64, 64},   {"f64x2.mul", -2, 64, 64},
        {"f64x2.div", -2, 64, 64},       {"f64x2.min", -2, 64, 64},   {"f64x2.max", -2, 64, 64},
        {"f64x2.sqrt", -1, 64, 64},      {"f64x2.ceil", -1, 64, 64},  {"f64x2.nearest", -1, 64, 64},
        {"f32x4.add", -2, 32, 32},       {"f32x4.div", -2, 32, 32},   {"f32x4.min", -2, 32, 32},
        {"f32x4.sqrt", -1, 32, 32},      {"f32x4.floor", -1, 32, 32}, {"f32x4.demote_f64x2_zero", -1, 32, 64},
        {"f64x2.promote_low_f32x4", -1, 64, 32},
};

static const uint64_t values64[] = {0,
                                    1ull << 63,
                                    0x3ff0000000000000,
                                    0xbff0000000000000,
                                    0x7ff0000000000000,
                                    0xfff0000000000000,
                                    0x7ff8000000000000,
                                    0xfff8000000000000,
                                    0x7ff8dead00000001,
                                    0xfff8dead00000001,
                                    0x7ff0000000000001,
                                    0xffffffffffffffff};
static const uint64_t values32[] = {0,          0x80000000, 0x3f800000, 0xbf800000, 0x7f800000, 0xff800000,
                                    0x7fc00000, 0xffc00000, 0x7fc01234, 0xffc01234, 0x7f800001, 0xffffffff};
enum { VALUES = sizeof values64 / sizeof values64[0] };

/* A function "f<i>" of two i64, that gives an i64, for each row; in a memory, too, where sequences are fused. */
static char *
nan_module(void)
{
    static char text[64 << 10];
    size_t n = 0;
    n += (size_t)snprintf(text + n, sizeof text - n, "(module (memory 1)\n");
    for (size_t i = 0; i < sizeof nan_ops / sizeof nan_ops[0]; i++) {
        const nan_op *const o = &nan_ops[i];
        n += (size_t)snprintf(text + n, sizeof text - n,
                              "(func (export \"f%zu\") (param i64 i64) (result i64) ", i);
        bool const is_vector = o->operands < 0;
        int const operands = is_vector ? -o->operands : o->operands;
        for (int k = 0; k < operands; k++) {
            n += (size_t)snprintf(text + n, sizeof text - n, "local.get %d ", k);
            const char *const as = is_vector && o->from == 64 ? "i64x2.splat "
                                   : is_vector                ? "i32.wrap_i64 i32x4.splat "
                                   : o->from == 64            ? "f64.reinterpret_i64 "
                                                              : "i32.wrap_i64 f32.reinterpret_i32 ";
            n += (size_t)snprintf(text + n, sizeof text - n, "%s", as);
        }
        const char *const back = is_vector && o->bits == 64 ? "i64x2.extract_lane 1"
                                 : is_vector && o->from == 32 ? "i32x4.extract_lane 3 i64.extend_i32_u"
                                 : is_vector                  ? "i32x4.extract_lane 1 i64.extend_i32_u"
                                 : o->bits == 64              ? "i64.reinterpret_f64"
                                                              : "i32.reinterpret_f32 i64.extend_i32_u";
        n += (size_t)snprintf(text + n, sizeof text - n, "%s %s)\n", o->name, back);
    }
    n += (size_t)snprintf(
            text + n, sizeof text - n,
            "(func (export \"stored\") (param i64 i64) (result i64) (local f64 f64 i32)"
            " local.get 0 f64.reinterpret_i64 local.set 2 local.get 1 f64.reinterpret_i64 local.set 3"
            " local.get 4 local.get 2 local.get 3 f64.add f64.store i32.const 0 i64.load)\n"
            "(func (export \"loaded\") (param i64 i64) (result i64) (local f64 i32)"
            " local.get 0 f64.reinterpret_i64 local.set 2 i32.const 8 local.get 1 i64.store"
            " local.get 2 i32.const 8 f64.load f64.mul i64.reinterpret_f64))\n");
    assert_true(n < sizeof text);
    return text;
}

static bool
is_nan(uint64_t v, int bits)
{
    return bits == 64 ? (v & ~(1ull << 63)) > 0x7ff0000000000000 : (v & 0x7fffffff) > 0x7f800000;
}

/* All pairs of values through one function; how many NaNs came. */
static size_t
nan_try(gbx_instance *i, const char *name, int from, int bits, bool is_canonical)
{
    gbx_func *const f = gbx_instance_func(i, name);
    size_t nans = 0;
    assert_non_null(f);
    for (int a = 0; a < VALUES; a++) {
        for (int b = 0; b < VALUES; b++) {
            const uint64_t *const values = from == 64 ? values64 : values32;
            gbx_val const args[2] = {{.type = GBX_I64, .of.i64 = (int64_t)values[a]},
                                     {.type = GBX_I64, .of.i64 = (int64_t)values[b]}};
            gbx_val out[1];
            gbx_trap trap;
            assert_int_equal(gbx_func_call(f, args, 2, out, 1, &trap), GBX_TRAP_NONE);
            uint64_t const got = (uint64_t)out[0].of.i64;
            if (!is_nan(got, bits)) continue;
            nans++;
            uint64_t const want = bits == 64 ? 0x7ff8000000000000 : 0x7fc00000;
            if (is_canonical && got != want)
                fail_msg("%s of %llx, %llx: %llx", name, (unsigned long long)values[a],
                         (unsigned long long)values[b], (unsigned long long)got);
        }
    }
    return nans;
}

static void
nan_run(gbx_tier_mode tier, bool is_canonical)
{
    gbx_err err;
    gbx_engine *e;
    gbx_module *m;
    gbx_store *s;
    gbx_instance *i;
    gbx_trap trap;
    gbx_engine_opts opts = GBX_ENGINE_OPTS_INIT;
    opts.tier = tier;
    opts.canonical_nans = is_canonical;
    gbx_bytes const wasm = guest_wat(nan_module());
    assert_int_equal(gbx_engine_new(&opts, &e, &err), GBX_OK);
    assert_int_equal(gbx_module_compile(e, wasm, NULL, &m, &err), GBX_OK);
    assert_int_equal(gbx_store_new(e, NULL, &s, &err), GBX_OK);
    assert_int_equal(gbx_instance_new(s, m, NULL, &i, &trap, &err), GBX_OK);
    for (size_t k = 0; k < sizeof nan_ops / sizeof nan_ops[0]; k++) {
        char name[16];
        snprintf(name, sizeof name, "f%zu", k);
        assert_true(nan_try(i, name, nan_ops[k].from, nan_ops[k].bits, is_canonical) >= VALUES * 6);
    }
    assert_true(nan_try(i, "stored", 64, 64, is_canonical) > 0);
    assert_true(nan_try(i, "loaded", 64, 64, is_canonical) > 0);
    gbx_store_release(s);
    gbx_module_release(m);
    gbx_engine_release(e);
    free((void *)(uintptr_t)wasm.data);
}

static void
test_canonical_nans(void **state)
{
    (void)state;
    nan_run(GBX_TIER_INTERP, true);
    nan_run(GBX_TIER_EAGER, true);
    nan_run(GBX_TIER_INTERP, false);
    nan_run(GBX_TIER_EAGER, false);
}

/* ---- The library's builder */

static const char asks[] =
        "(module (import \"wasi_snapshot_preview1\" \"random_get\" (func $r (param i32 i32) (result i32)))"
        "(import \"wasi_snapshot_preview1\" \"clock_time_get\" (func $t (param i32 i64 i32) (result i32)))"
        "(memory (export \"memory\") 1)"
        "(func (export \"random\") (result i64) (drop (call $r (i32.const 8) (i32.const 8))) (i64.load (i32.const 8)))"
        "(func (export \"now\") (result i64) (drop (call $t (i32.const 0) (i64.const 0) (i32.const 16)))"
        " (i64.load (i32.const 16))))";

static int64_t
ask(gbx_instance *i, const char *name)
{
    gbx_val out[1];
    gbx_trap trap;
    assert_int_equal(gbx_func_call(gbx_instance_func(i, name), NULL, 0, out, 1, &trap), GBX_TRAP_NONE);
    return out[0].of.i64;
}

typedef struct asked {
    int64_t random[2], now[2];
} asked;

static uint64_t
own_clock(void *data, uint32_t clock_id)
{
    (void)data, (void)clock_id;
    return 99;
}

enum { FIXED, OWN, REAL };

static asked
ask_all(gbx_engine *e, const gbx_module *m, const uint64_t *seed, int clock)
{
    gbx_err err;
    gbx_store *s;
    gbx_linker *l;
    gbx_wasi *w;
    gbx_instance *i;
    gbx_trap trap;
    assert_int_equal(gbx_store_new(e, NULL, &s, &err), GBX_OK);
    assert_int_equal(gbx_linker_new(s, &l, &err), GBX_OK);
    assert_int_equal(gbx_wasi_new(&w, &err), GBX_OK);
    if (seed) gbx_wasi_seed(w, *seed);
    if (clock == OWN) gbx_wasi_clock(w, own_clock, NULL, NULL);
    if (clock == REAL) gbx_wasi_clock_real(w);
    assert_int_equal(gbx_wasi_link(w, l, &err), GBX_OK);
    assert_int_equal(gbx_instance_new(s, m, l, &i, &trap, &err), GBX_OK);
    asked const a = {{ask(i, "random"), ask(i, "random")}, {ask(i, "now"), ask(i, "now")}};
    gbx_wasi_release(w);
    gbx_linker_release(l);
    gbx_store_release(s);
    return a;
}

static void
test_library(void **state)
{
    (void)state;
    gbx_err err;
    gbx_engine *e;
    gbx_module *m;
    gbx_bytes const wasm = guest_wat(asks);
    assert_int_equal(gbx_engine_new(NULL, &e, &err), GBX_OK);
    assert_int_equal(gbx_module_compile(e, wasm, NULL, &m, &err), GBX_OK);
    uint64_t const one = 0, two = 2;
    asked const a = ask_all(e, m, &one, FIXED), b = ask_all(e, m, &one, FIXED), c = ask_all(e, m, &two, FIXED);
    asked const d = ask_all(e, m, NULL, REAL), f = ask_all(e, m, &one, OWN), g = ask_all(e, m, NULL, FIXED);
    asked const h = ask_all(e, m, &one, REAL);
    assert_memory_equal(&a, &b, sizeof a);
    assert_true(a.random[0] != a.random[1] && a.random[0] != c.random[0] && a.random[0] != d.random[0]);
    /* RFC 8439, A.1: the zero key's stream. */
    assert_true((uint64_t)a.random[0] == 0x903df1a0ade0b876 && (uint64_t)a.random[1] == 0x28bd8653e56a5d40);
    assert_true(a.now[0] == 1767225600000001000 && a.now[1] == 1767225600000002000);
    assert_true(d.now[0] != a.now[0] && h.now[0] >= d.now[0] && h.random[0] == a.random[0]);
    /* Who is granted no clock and has no seed has the same one. */
    assert_true(g.now[0] == a.now[0] && g.now[1] == a.now[1] && g.random[0] != a.random[0]);
    assert_true(f.now[0] == 99 && f.random[0] == a.random[0]);
    gbx_module_release(m);
    gbx_engine_release(e);
    free((void *)(uintptr_t)wasm.data);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_canonical_nans),
            cmocka_unit_test(test_library),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
