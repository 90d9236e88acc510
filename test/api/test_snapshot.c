/* Snapshots as an embedder has them: what instances begin with, what is refused and in which words, and with Go
 * that nothing of what one instance draws, is told or is given is another's. */
#include "api/guest.h"

#include <pthread.h>
#include <time.h>

#include <gbx/unstable/trace.h>

#define WASI(name, params) "(import \"wasi_snapshot_preview1\" \"" name "\" (func $" name " (param " params ") (result i32)))"

/* ---- A tenant: a store, what it is granted, and an instance */

typedef struct tenant {
    gbx_store *store;
    gbx_linker *linker;
    gbx_instance *inst;
    gbx_err err;
    gbx_trap trap;
    char out[16384]; /* what it wrote to 1 and 2 */
    size_t out_len;
} tenant;

typedef struct grants {
    const char *args[4], *env[4]; /* env: name, value, name, value */
    const char *dir;
    bool no_wasi;
    uint64_t memory_bytes, table_elems;
    int32_t host;  /* what h.f gives */
    bool is_traced;
} grants;

static void
tenant_write(void *data, const uint8_t *bytes, size_t len)
{
    tenant *const t = data;
    if (len > sizeof t->out - 1 - t->out_len) len = sizeof t->out - 1 - t->out_len;
    memcpy(t->out + t->out_len, bytes, len);
    t->out_len += len;
    t->out[t->out_len] = 0;
}

static gbx_trap_code
host_number(gbx_caller *caller, void *data, const gbx_val *args, gbx_val *results)
{
    (void)caller, (void)args;
    results[0].of.i32 = *(const int32_t *)data;
    return GBX_TRAP_NONE;
}

static void
ignore_call(void *data, const gbx_trace_call *call)
{
    (void)data, (void)call;
}

static bool
tenant_grant(tenant *t, const grants *g)
{
    gbx_wasi *wasi;
    bool ok = !gbx_wasi_new(&wasi, &t->err);
    for (int k = 0; k < 4 && g->args[k]; k++) ok = ok && !gbx_wasi_arg(wasi, g->args[k], &t->err);
    for (int k = 0; k < 4 && g->env[k]; k += 2) ok = ok && !gbx_wasi_env(wasi, g->env[k], g->env[k + 1], &t->err);
    if (g->dir) ok = ok && !gbx_wasi_dir(wasi, "/tmp", g->dir, GBX_READ_ONLY, &t->err);
    for (int fd = 1; fd < 3; fd++) ok = ok && !gbx_wasi_sink(wasi, fd, tenant_write, t, &t->err);
    if (g->is_traced) gbx_wasi_trace(wasi, ignore_call, NULL);
    if (ok) gbx_wasi_clock_real(wasi); /* what instances are told of the time differs */
    ok = ok && !gbx_wasi_link(wasi, t->linker, &t->err);
    gbx_wasi_release(wasi);
    return ok;
}

static bool
tenant_open(tenant *t, gbx_engine *e, const grants *g)
{
    static const gbx_valtype i32s[] = {GBX_I32};
    gbx_store_opts const opts = {.size = sizeof opts, .memory_bytes = g->memory_bytes, .table_elems = g->table_elems};
    memset(t, 0, sizeof *t);
    return !gbx_store_new(e, &opts, &t->store, &t->err) && !gbx_linker_new(t->store, &t->linker, &t->err) &&
           (g->no_wasi || tenant_grant(t, g)) &&
           !gbx_linker_define_func(t->linker, "h", "f", NULL, 0, i32s, 1, host_number, (void *)(uintptr_t)&g->host,
                                   &t->err);
}

static void
tenant_close(tenant *t)
{
    gbx_linker_release(t->linker);
    gbx_store_release(t->store);
}

static const grants nothing;

static gbx_engine *
engine_of(gbx_tier_mode tier)
{
    gbx_engine *e;
    gbx_engine_opts const opts = {.size = sizeof opts, .tier = tier};
    assert_int_equal(gbx_engine_new(&opts, &e, NULL), GBX_OK);
    return e;
}

static gbx_module *
module_of(gbx_engine *e, const char *text)
{
    gbx_bytes const b = guest_wat(text);
    gbx_module *m;
    gbx_err err;
    if (gbx_module_compile(e, b, NULL, &m, &err)) fail_msg("%s", err.text);
    free((void *)(uintptr_t)b.data);
    return m;
}

/* Call an export with an argument, or with none where the function has none; -1000 - trap where it ends. */
static int32_t
ask(tenant *t, const char *name, int32_t arg)
{
    gbx_func *const f = gbx_instance_func(t->inst, name);
    assert_non_null(f);
    gbx_val const a = guest_i32(arg);
    gbx_val r = {.type = GBX_I32};
    size_t const results = gbx_func_results(f, NULL);
    gbx_trap_code const code = gbx_func_call(f, &a, gbx_func_params(f, NULL), &r, results, &t->trap);
    return code == GBX_TRAP_NONE ? r.of.i32 : -1000 - (int32_t)code;
}

static void
tenant_new(tenant *t, gbx_engine *e, const gbx_module *m, const grants *g)
{
    if (!tenant_open(t, e, g)) fail_msg("%s", t->err.text);
    if (gbx_instance_new(t->store, m, t->linker, &t->inst, &t->trap, &t->err)) fail_msg("%s", t->err.text);
}

static void
tenant_resume(tenant *t, gbx_engine *e, const gbx_snapshot *s, const grants *g)
{
    if (!tenant_open(t, e, g)) fail_msg("%s", t->err.text);
    if (gbx_instance_resume(t->store, s, t->linker, &t->inst, &t->trap, &t->err)) fail_msg("%s", t->err.text);
}

static gbx_code
resume_fails(gbx_engine *e, const gbx_snapshot *s, const grants *g, tenant *t)
{
    if (!tenant_open(t, e, g)) fail_msg("%s", t->err.text);
    gbx_code const code = gbx_instance_resume(t->store, s, t->linker, &t->inst, &t->trap, &t->err);
    assert_null(t->inst);
    tenant_close(t);
    return code;
}

static gbx_snapshot *
snapshot_of(tenant *t, uint64_t shares)
{
    gbx_snapshot_opts opts = GBX_SNAPSHOT_OPTS_INIT;
    gbx_snapshot *s;
    opts.shares = shares;
    if (gbx_snapshot_take(t->inst, &opts, &s, &t->err)) fail_msg("%s", t->err.text);
    return s;
}

static void
assert_says(const gbx_err *err, const char *words)
{
    if (!strstr(err->text, words)) fail_msg("\"%s\" is not in \"%s\"", words, err->text);
}

/* Taking one fails with these words. */
static void
take_fails(tenant *t, const gbx_snapshot_opts *opts, gbx_code code, const char *words)
{
    gbx_snapshot *s = (gbx_snapshot *)t;
    assert_int_equal(gbx_snapshot_take(t->inst, opts, &s, &t->err), code);
    assert_null(s);
    assert_says(&t->err, words);
}

/* ---- State */

/* `set` changes everything that a module can have. The numbers that `sum` adds up differ wherever one of it is
 * not as `set` left it, or as `spoil` did. */
static const char rich[] =
        "(module (import \"h\" \"f\" (func $f (result i32)))"
        "(type $r (func (result i32)))"
        "(memory (export \"mem\") 2 200) (data (i32.const 69990) \"begin\") (data $p \"\\07passive\")"
        "(table $t (export \"tab\") 4 20 funcref) (table $u 3 externref)"
        "(elem (table $t) (i32.const 0) func $f $one) (elem $e func $two $one)"
        "(global $a (mut i64) (i64.const 77)) (global $g (mut funcref) (ref.null func))"
        "(global $x (export \"x\") (mut f64) (f64.const 0.5))"
        "(func $one (result i32) (i32.const 1)) (func $two (result i32) (i32.const 2))"
        "(elem declare func $two)"
        "(func (export \"set\") (local $i i32)"
        "  (drop (memory.grow (i32.const 3)))"
        "  (i32.store (i32.const 262144) (i32.const 1000000))"
        "  (i32.store8 (i32.const 69990) (i32.const 99))"
        "  (loop $l (i32.store (i32.add (i32.const 100000) (i32.shl (local.get $i) (i32.const 2))) (local.get $i))"
        "    (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 9000))))"
        "  (drop (table.grow $t (ref.func $two) (i32.const 2)))"
        "  (table.set $t (i32.const 2) (ref.func $f)) (global.set $g (ref.func $two)) (data.drop $p)"
        "  (global.set $a (i64.const 1234)) (global.set $x (f64.const 2.25)) (elem.drop $e))"
        "(func $at (param i32) (result i32) (if (result i32) (ref.is_null (table.get $t (local.get 0)))"
        "  (then (i32.const 50)) (else (call_indirect $t (type $r) (local.get 0)))))"
        "(func (export \"sum\") (result i32) (local $i i32) (local $s i32)"
        "  (loop $l (local.set $s (i32.add (local.get $s)"
        "      (i32.load (i32.add (i32.const 100000) (i32.shl (local.get $i) (i32.const 2))))))"
        "    (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 9000))))"
        "  (local.set $s (i32.add (local.get $s) (i32.load (i32.const 262144))))"
        "  (local.set $s (i32.add (local.get $s) (i32.load8_u (i32.const 69990))))"
        "  (local.set $s (i32.add (local.get $s) (i32.load (i32.const 300))))"
        "  (local.set $s (i32.add (local.get $s) (i32.mul (table.size $t) (i32.const 10000))))"
        "  (local.set $s (i32.add (local.get $s) (i32.mul (memory.size) (i32.const 100000))))"
        "  (local.set $s (i32.add (local.get $s) (i32.wrap_i64 (global.get $a))))"
        "  (local.set $s (i32.add (local.get $s) (i32.trunc_f64_s (f64.mul (f64.const 100) (global.get $x)))))"
        "  (local.set $s (i32.add (local.get $s) (i32.mul (i32.const 7) (ref.is_null (global.get $g)))))"
        "  (local.set $i (i32.const 0))"
        "  (loop $m (local.set $s (i32.add (local.get $s) (i32.mul (i32.const 37) (call $at (local.get $i)))))"
        "    (br_if $m (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 6))))"
        "  (local.get $s))"
        "(func (export \"passive\") (memory.init $p (i32.const 0) (i32.const 0) (i32.const 1)))"
        "(func (export \"elems\") (table.init $t $e (i32.const 0) (i32.const 0) (i32.const 1)))"
        "(func (export \"spoil\") (param i32)"
        "  (i32.store (i32.const 300) (local.get 0)) (drop (memory.grow (i32.const 1)))"
        "  (memory.fill (i32.const 100000) (i32.const 0xee) (i32.const 30000))"
        "  (i32.store (i32.const 262144) (local.get 0)) (global.set $a (i64.const -1)) (global.set $g (ref.null func))"
        "  (global.set $x (f64.const 1)) (table.fill $t (i32.const 0) (ref.null func) (i32.const 3))"
        "  (drop (table.grow $t (ref.null func) (i32.const 1)))))";

static void
test_state(void **state)
{
    (void)state;
    static const gbx_tier_mode tiers[] = {GBX_TIER_INTERP, GBX_TIER_AUTO, GBX_TIER_EAGER};
    int32_t sums[3][2];
    for (int k = 0; k < 3; k++) {
        gbx_engine *const e = engine_of(tiers[k]);
        gbx_module *const m = module_of(e, rich);
        grants const first = {.host = 5}, other = {.host = 6};
        tenant t, a, b;
        tenant_new(&t, e, m, &first);
        int32_t const before = ask(&t, "sum", 0) /* traps: the memory is small */;
        assert_int_equal(before, -1000 - GBX_TRAP_MEM_OOB);
        tenant_close(&t);
        tenant_new(&t, e, m, &first);
        assert_int_equal(ask(&t, "set", 0), 0);
        gbx_snapshot *const s = snapshot_of(&t, 0);
        assert_int_equal(gbx_snapshot_holds(s), 0);
        gbx_module_release(m);
        int32_t const sum = ask(&t, "sum", 0);
        sums[k][0] = sum;

        /* The instance goes on, the others begin where it was, and none sees another. */
        assert_int_equal(ask(&t, "spoil", 4), 0);
        assert_int_not_equal(ask(&t, "sum", 0), sum);
        tenant_resume(&a, e, s, &first);
        assert_int_equal(ask(&a, "sum", 0), sum);
        tenant_resume(&b, e, s, &other);
        assert_int_equal(ask(&b, "sum", 0), sum + 2 * 37); /* the new store's function, in two places */
        sums[k][1] = sum + 2 * 37;
        assert_int_equal(ask(&a, "spoil", 9), 0);
        assert_int_equal(ask(&b, "sum", 0), sum + 2 * 37);
        tenant_close(&t);
        tenant_close(&a);

        /* From the pool: nothing of a tenant before. */
        for (int round = 0; round < 4; round++) {
            tenant_resume(&a, e, s, &first);
            assert_int_equal(ask(&a, "sum", 0), sum);
            assert_int_equal(ask(&a, "passive", 0), -1000 - GBX_TRAP_MEM_OOB);
            assert_int_equal(ask(&a, "elems", 0), -1000 - GBX_TRAP_TABLE_OOB);
            assert_int_equal(ask(&a, "sum", 0), sum);
            assert_int_equal(ask(&a, "spoil", round), 0);
            assert_int_not_equal(ask(&a, "sum", 0), sum);
            tenant_close(&a);
        }
        gbx_snapshot_release(s);
        assert_int_equal(ask(&b, "sum", 0), sum + 2 * 37); /* it needs no snapshot any more */
        tenant_close(&b);
        gbx_engine_release(e);
    }
    assert_memory_equal(sums[0], sums[1], sizeof sums[0]);
    assert_memory_equal(sums[0], sums[2], sizeof sums[0]);
}

/* Bounds are the new store's, and imports are looked up there. */
static void
test_bounds(void **state)
{
    (void)state;
    gbx_engine *const e = engine_of(GBX_TIER_AUTO), *const other = engine_of(GBX_TIER_AUTO);
    gbx_module *const m = module_of(e, rich);
    tenant t, r;
    tenant_new(&t, e, m, &nothing);
    assert_int_equal(ask(&t, "set", 0), 0);
    gbx_snapshot *const s = snapshot_of(&t, 0);
    assert_int_equal(resume_fails(e, s, &(grants){.memory_bytes = 4 << 16}, &r), GBX_LIMIT);
    assert_says(&r.err, "5 pages");
    assert_int_equal(resume_fails(e, s, &(grants){.table_elems = 8}, &r), GBX_LIMIT);
    tenant_resume(&r, e, s, &(grants){.memory_bytes = 5 << 16, .table_elems = 9});
    assert_int_equal(ask(&r, "sum", 0), ask(&t, "sum", 0));
    assert_int_equal(ask(&r, "spoil", 0), 0);
    uint8_t *data;
    size_t bytes;
    assert_true(gbx_instance_memory(r.inst, "mem", &data, &bytes));
    assert_int_equal(bytes, 5 << 16);
    tenant_close(&r);

    assert_int_equal(gbx_store_new(e, NULL, &r.store, NULL), GBX_OK);
    assert_int_equal(gbx_instance_resume(r.store, s, NULL, &r.inst, &r.trap, &r.err), GBX_UNKNOWN_IMPORT);
    assert_null(r.inst);
    assert_int_equal(gbx_instance_resume(r.store, s, t.linker, &r.inst, NULL, &r.err), GBX_ARGUMENT);
    assert_int_equal(gbx_instance_resume(NULL, s, NULL, &r.inst, NULL, &r.err), GBX_ARGUMENT);
    assert_int_equal(gbx_instance_resume(r.store, NULL, NULL, &r.inst, NULL, NULL), GBX_ARGUMENT);
    gbx_store_release(r.store);
    assert_int_equal(gbx_store_new(other, NULL, &r.store, NULL), GBX_OK);
    assert_int_equal(gbx_instance_resume(r.store, s, NULL, &r.inst, NULL, &r.err), GBX_ARGUMENT);
    assert_says(&r.err, "another engine");
    gbx_store_release(r.store);
    gbx_snapshot_release(s);
    gbx_snapshot_release(NULL);
    tenant_close(&t);
    gbx_module_release(m);
    gbx_engine_release(e);
    gbx_engine_release(other);
}

/* ---- Refusals of the state */

static void
test_refused_state(void **state)
{
    (void)state;
    gbx_engine *const e = engine_of(GBX_TIER_AUTO);
    static const struct {
        const char *text, *call, *words;
    } rows[] = {
            {"(module (func (export \"f\") unreachable))", "f", "trapped"},
            {"(module " WASI("fd_close", "i32") "(import \"wasi_snapshot_preview1\" \"proc_exit\" (func $x (param i32)))"
             "(func (export \"f\") (call $x (i32.const 0))))", "f", "exited"},
            {"(module (table $t 3 externref) (func (export \"f\") (param i32)) (func (export \"e\") (param externref)"
             " (table.set $t (i32.const 1) (local.get 0))))", "e", "table 0 holds a reference that means something"},
            {"(module (global $g (mut externref) (ref.null extern)) (func (export \"e\") (param externref)"
             " (global.set $g (local.get 0))))", "e", "global 0 holds a reference"},
            {"(module (table $t (export \"t\") 3 funcref) (func (export \"e\") (param funcref)"
             " (table.set $t (i32.const 2) (local.get 0))))", "other", "table 0 holds a function of another instance"},
    };
    for (size_t k = 0; k < sizeof rows / sizeof *rows; k++) {
        gbx_module *const m = module_of(e, rows[k].text);
        gbx_module *const two = module_of(e, "(module (func (export \"f\")))");
        tenant t;
        tenant_new(&t, e, m, &nothing);
        gbx_snapshot_release(snapshot_of(&t, 0)); /* until then it can be taken */
        if (rows[k].call[0] == 'f') {
            assert_true(ask(&t, "f", 0) < -1000);
        } else {
            gbx_instance *i;
            gbx_val v = {.type = GBX_EXTERNREF, .of.ref = 77};
            if (rows[k].call[0] == 'o') {
                assert_int_equal(gbx_instance_new(t.store, two, NULL, &i, NULL, &t.err), GBX_OK);
                v = (gbx_val){.type = GBX_FUNCREF, .of.ref = (uintptr_t)gbx_instance_func(i, "f")};
            }
            assert_int_equal(gbx_func_call(gbx_instance_func(t.inst, "e"), &v, 1, NULL, 0, &t.trap), GBX_TRAP_NONE);
        }
        take_fails(&t, NULL, GBX_SNAPSHOT, rows[k].words);
        take_fails(&t, &(gbx_snapshot_opts){.size = sizeof(gbx_snapshot_opts), .shares = GBX_FROM_ALL}, GBX_SNAPSHOT,
                   rows[k].words);
        tenant_close(&t);
        gbx_module_release(m);
        gbx_module_release(two);
    }
    gbx_engine_release(e);
}

static void
test_refused_imports(void **state)
{
    (void)state;
    gbx_engine *const e = engine_of(GBX_TIER_AUTO);
    static const char *const texts[] = {
            "(module (import \"o\" \"m\" (memory 1)))",
            "(module (import \"o\" \"t\" (table 1 funcref)))",
            "(module (import \"o\" \"g\" (global (mut i32))))",
    };
    gbx_module *const base = module_of(e, "(module (memory (export \"m\") 1) (table (export \"t\") 1 funcref)"
                                          "(global (export \"g\") (mut i32) (i32.const 1)) (func (export \"f\")))");
    tenant t;
    for (int k = 0; k < 4; k++) {
        tenant_new(&t, e, base, &nothing);
        assert_int_equal(gbx_linker_define_instance(t.linker, "o", t.inst, &t.err), GBX_OK);
        gbx_module *const m = module_of(e, k < 3 ? texts[k] : "(module (import \"o\" \"f\" (func)) (func (export \"f\")))");
        assert_int_equal(gbx_instance_new(t.store, m, t.linker, &t.inst, &t.trap, &t.err), GBX_OK);
        if (k < 3) {
            take_fails(&t, NULL, GBX_SNAPSHOT, "imports a memory, a table or a global");
        } else { /* it may have been called: nobody knows */
            take_fails(&t, NULL, GBX_SNAPSHOT, "share what it made of that: host");
            gbx_snapshot *const s = snapshot_of(&t, GBX_FROM_HOST);
            assert_int_equal(gbx_snapshot_holds(s), GBX_FROM_HOST);
            gbx_snapshot_release(s);
        }
        tenant_close(&t);
        gbx_module_release(m);
    }
    gbx_module_release(base);
    gbx_engine_release(e);
}

/* A function that two imports are bound to stands for two things in the next store. */
static void
test_ambiguous(void **state)
{
    (void)state;
    gbx_engine *const e = engine_of(GBX_TIER_AUTO);
    static const char *const texts[] = {
            "(module (import \"o\" \"f\" (func $a)) (import \"o\" \"f\" (func $b)) (table 2 funcref)"
            "(elem (i32.const 0) func $a $b) (func (export \"f\")))",
            "(module (import \"o\" \"f\" (func $a)) (import \"p\" \"f\" (func $b)) (table 2 funcref)"
            "(elem (i32.const 0) func $a $b) (func (export \"f\")))",
    };
    gbx_module *const base = module_of(e, "(module (func (export \"f\")))");
    for (int k = 0; k < 2; k++) {
        tenant t;
        tenant_new(&t, e, base, &nothing);
        assert_int_equal(gbx_linker_define_instance(t.linker, "o", t.inst, &t.err), GBX_OK);
        assert_int_equal(gbx_linker_define_instance(t.linker, "p", t.inst, &t.err), GBX_OK);
        gbx_module *const m = module_of(e, texts[k]);
        assert_int_equal(gbx_instance_new(t.store, m, t.linker, &t.inst, &t.trap, &t.err), GBX_OK);
        gbx_snapshot_opts const all = {.size = sizeof all, .shares = GBX_FROM_ALL};
        if (k) take_fails(&t, &all, GBX_SNAPSHOT, "imported by several names");
        else gbx_snapshot_release(snapshot_of(&t, GBX_FROM_ALL));
        tenant_close(&t);
        gbx_module_release(m);
    }
    gbx_module_release(base);
    gbx_engine_release(e);
}

static gbx_snapshot *nested_out;
static gbx_code nested_code;

static gbx_trap_code
host_takes(gbx_caller *caller, void *data, const gbx_val *args, gbx_val *results)
{
    (void)args, (void)results;
    nested_code = gbx_snapshot_take(gbx_caller_instance(caller), NULL, &nested_out, data);
    return GBX_TRAP_NONE;
}

/* Not while a call runs; not of what came from a snapshot; not where two sets of grants were linked. */
static void
test_refused_moment(void **state)
{
    (void)state;
    gbx_engine *const e = engine_of(GBX_TIER_AUTO);
    gbx_module *const m = module_of(e, "(module (import \"h\" \"take\" (func $t)) (func (export \"f\") (call $t)))");
    tenant t, r;
    assert_true(tenant_open(&t, e, &nothing));
    assert_int_equal(gbx_linker_define_func(t.linker, "h", "take", NULL, 0, NULL, 0, host_takes, &t.err, &t.err), GBX_OK);
    assert_int_equal(gbx_instance_new(t.store, m, t.linker, &t.inst, &t.trap, &t.err), GBX_OK);
    assert_int_equal(ask(&t, "f", 0), 0);
    assert_int_equal(nested_code, GBX_STATE);
    assert_null(nested_out);
    assert_says(&t.err, "no call runs");
    take_fails(&t, NULL, GBX_SNAPSHOT, "host");
    gbx_snapshot *const s = snapshot_of(&t, GBX_FROM_HOST);

    assert_true(tenant_open(&r, e, &nothing));
    assert_int_equal(gbx_linker_define_func(r.linker, "h", "take", NULL, 0, NULL, 0, host_takes, &r.err, &r.err), GBX_OK);
    assert_int_equal(gbx_instance_resume(r.store, s, r.linker, &r.inst, NULL, &r.err), GBX_OK);
    take_fails(&r, NULL, GBX_SNAPSHOT, "came from a snapshot");
    tenant_close(&r);

    assert_true(tenant_open(&r, e, &nothing));
    assert_true(tenant_grant(&r, &nothing));
    assert_int_equal(gbx_instance_resume(r.store, s, r.linker, &r.inst, NULL, &r.err), GBX_SNAPSHOT);
    assert_says(&r.err, "twice");
    tenant_close(&r);
    assert_true(tenant_grant(&t, &nothing));
    take_fails(&t, NULL, GBX_SNAPSHOT, "twice");
    gbx_snapshot_release(s);
    tenant_close(&t);
    gbx_module_release(m);
    gbx_engine_release(e);
}

/* ---- What the guest was told */

/* Exports that ask for one thing each, and one that gives what was written down. */
static const char curious[] =
        "(module " WASI("random_get", "i32 i32") WASI("clock_time_get", "i32 i64 i32") WASI("args_sizes_get", "i32 i32")
        WASI("args_get", "i32 i32") WASI("environ_sizes_get", "i32 i32") WASI("environ_get", "i32 i32")
        WASI("fd_prestat_get", "i32 i32") WASI("fd_fdstat_get", "i32 i32") WASI("fd_fdstat_set_flags", "i32 i32")
        WASI("fd_fdstat_set_rights", "i32 i64 i64") WASI("fd_write", "i32 i32 i32 i32") WASI("fd_close", "i32")
        WASI("sched_yield", "") WASI("poll_oneoff", "i32 i32 i32 i32")
        WASI("path_open", "i32 i32 i32 i32 i32 i64 i64 i32 i32") "(import \"h\" \"f\" (func $f (result i32)))"
        "(memory (export \"memory\") 1) (data (i32.const 512) \".\")"
        "(func $random (export \"random\") (result i32) (call $random_get (i32.const 0) (i32.const 4)))"
        "(func (export \"clock\") (result i32) (call $clock_time_get (i32.const 0) (i64.const 1) (i32.const 8)))"
        "(func (export \"args_n\") (result i32) (call $args_sizes_get (i32.const 16) (i32.const 20)))"
        "(func (export \"args\") (result i32) (call $args_get (i32.const 600) (i32.const 700)))"
        "(func (export \"env_n\") (result i32) (call $environ_sizes_get (i32.const 24) (i32.const 28)))"
        "(func (export \"env\") (result i32) (call $environ_get (i32.const 800) (i32.const 900)))"
        "(func (export \"prestat\") (param i32) (result i32) (call $fd_prestat_get (local.get 0) (i32.const 32)))"
        "(func (export \"fdstat\") (param i32) (result i32) (call $fd_fdstat_get (local.get 0) (i32.const 40)))"
        "(func (export \"nonblock\") (param i32) (result i32) (call $fd_fdstat_set_flags (local.get 0) (i32.const 4)))"
        "(func (export \"rights\") (param i32) (result i32)"
        "  (call $fd_fdstat_set_rights (local.get 0) (i64.const 0) (i64.const 0)))"
        "(func (export \"write\") (param i32) (result i32) (call $fd_write (local.get 0) (i32.const 64) (i32.const 0) (i32.const 80)))"
        "(func (export \"close\") (param i32) (result i32) (call $fd_close (local.get 0)))"
        "(func (export \"yield\") (result i32) (call $sched_yield))"
        "(func (export \"poll\") (result i32) (call $poll_oneoff (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)))"
        "(data (i32.const 1032) \"\\01\") (func (export \"poll_fd\") (result i32)"
        "  (call $poll_oneoff (i32.const 1024) (i32.const 1088) (i32.const 1) (i32.const 80)))"
        "(func (export \"open\") (param i32) (result i32) (call $path_open (local.get 0) (i32.const 0) (i32.const 512)"
        "  (i32.const 1) (i32.const 2) (i64.const 0) (i64.const 0) (i32.const 0) (i32.const 84)))"
        "(func (export \"host\") (result i32) (call $f))"
        "(func (export \"load\") (param i32) (result i32) (i32.load (local.get 0)))"
        "(func (export \"renew\") (drop (call $random)) (i32.store (i32.const 400) (i32.add (i32.const 1)"
        "  (i32.load (i32.const 400)))))"
        "(func (export \"fails\") unreachable))";

/* Each call marks its source and no other; all of it is settled at the moment of taking, or compared later. */
static void
test_sources(void **state)
{
    (void)state;
    static const struct {
        const char *call;
        uint64_t source;
    } rows[] = {
            {"random", GBX_FROM_RANDOM}, {"clock", GBX_FROM_CLOCK},   {"args_n", GBX_FROM_ARGS},
            {"args", GBX_FROM_ARGS},     {"env_n", GBX_FROM_ENV},     {"env", GBX_FROM_ENV},
            {"prestat", GBX_FROM_GRANTS}, {"fdstat", GBX_FROM_GRANTS}, {"nonblock", GBX_FROM_GRANTS},
            {"rights", GBX_FROM_GRANTS}, {"write", GBX_FROM_FILES},   {"close", GBX_FROM_FILES},
            {"yield", 0},                {"poll", GBX_FROM_CLOCK},
            {"poll_fd", GBX_FROM_CLOCK | GBX_FROM_FILES},
            {"open", GBX_FROM_FILES},    {"host", GBX_FROM_HOST},     {"load", 0},
    };
    uint64_t const compared = GBX_FROM_ARGS | GBX_FROM_ENV | GBX_FROM_GRANTS;
    gbx_engine *const e = engine_of(GBX_TIER_AUTO);
    gbx_module *const m = module_of(e, curious);
    for (size_t k = 0; k < 2 * sizeof rows / sizeof *rows; k++) {
        uint64_t const source = rows[k / 2].source;
        tenant t, r;
        grants const g = {.is_traced = k % 2};
        tenant_new(&t, e, m, &g);
        gbx_snapshot_release(snapshot_of(&t, 0));
        /* Descriptor 99 is nobody's: that it is not is an answer too. */
        (void)ask(&t, rows[k / 2].call, rows[k / 2].source == GBX_FROM_FILES ? 99 : 0);
        if (source & ~compared) {
            take_fails(&t, NULL, GBX_SNAPSHOT, source == GBX_FROM_HOST ? ": host." : gbx_source_name(source & -source));
            for (uint64_t bit = 1; bit <= GBX_FROM_ALL; bit <<= 1) {
                gbx_snapshot_opts const others = {.size = sizeof others, .shares = GBX_FROM_ALL & ~bit};
                if (source & bit) take_fails(&t, &others, GBX_SNAPSHOT, gbx_source_name(bit));
            }
        }
        gbx_snapshot *const s = snapshot_of(&t, source & ~compared);
        assert_int_equal(gbx_snapshot_holds(s), source);
        tenant_resume(&r, e, s, &g);
        assert_int_equal(ask(&r, "load", 0), ask(&t, "load", 0));
        tenant_close(&r);
        gbx_snapshot_release(s);
        tenant_close(&t);
    }
    assert_string_equal(gbx_source_name(GBX_FROM_ARGS), "arguments");
    assert_non_null(strstr(gbx_source_meaning(GBX_FROM_ENV), "environ_get"));
    assert_string_equal(gbx_source_name(0), "");
    assert_string_equal(gbx_source_name(GBX_FROM_ALL), "");
    assert_string_equal(gbx_source_meaning((uint64_t)1 << 63), "");
    assert_int_equal(gbx_snapshot_holds(NULL), 0);
    gbx_module_release(m);
    gbx_engine_release(e);
}

/* Arguments, variables and grants: the same, or refused, or shared on purpose. */
static void
test_compared(void **state)
{
    (void)state;
    static const struct {
        const char *call, *name;
        uint64_t source;
        grants other;
    } rows[] = {
            {"args", "arguments", GBX_FROM_ARGS, {.args = {"p", "y"}, .env = {"A", "b"}, .dir = "/d"}},
            {"args_n", "arguments", GBX_FROM_ARGS, {.args = {"p", "x", ""}, .env = {"A", "b"}, .dir = "/d"}},
            {"args", "arguments", GBX_FROM_ARGS, {.args = {"px", ""}, .env = {"A", "b"}, .dir = "/d"}},
            {"env", "environment", GBX_FROM_ENV, {.args = {"p", "x"}, .env = {"A", "c"}, .dir = "/d"}},
            {"env_n", "environment", GBX_FROM_ENV, {.args = {"p", "x"}, .dir = "/d"}},
            {"prestat", "grants", GBX_FROM_GRANTS, {.args = {"p", "x"}, .env = {"A", "b"}, .dir = "/e"}},
            {"prestat", "grants", GBX_FROM_GRANTS, {.args = {"p", "x"}, .env = {"A", "b"}}},
            {"prestat", "grants", GBX_FROM_GRANTS, {.args = {"p", "x"}, .env = {"A", "b"}, .no_wasi = true}},
    };
    grants const same = {.args = {"p", "x"}, .env = {"A", "b"}, .dir = "/d"};
    gbx_engine *const e = engine_of(GBX_TIER_AUTO);
    gbx_module *const m = module_of(e, curious);
    for (size_t k = 0; k < sizeof rows / sizeof *rows; k++) {
        tenant t, r;
        tenant_new(&t, e, m, &same);
        gbx_snapshot *s = snapshot_of(&t, 0); /* nothing was asked for: any other will do */
        if (!rows[k].other.no_wasi) {
            tenant_resume(&r, e, s, &rows[k].other);
            tenant_close(&r);
        }
        gbx_snapshot_release(s);
        assert_int_equal(ask(&t, rows[k].call, 3), 0);
        s = snapshot_of(&t, 0);
        assert_int_equal(gbx_snapshot_holds(s), rows[k].source);
        tenant_resume(&r, e, s, &same);
        tenant_close(&r);
        assert_int_equal(resume_fails(e, s, &rows[k].other, &r), GBX_SNAPSHOT);
        assert_says(&r.err, rows[k].name);
        gbx_snapshot_release(s);
        s = snapshot_of(&t, rows[k].source);
        if (!rows[k].other.no_wasi) {
            tenant_resume(&r, e, s, &rows[k].other);
            tenant_close(&r);
        }
        gbx_snapshot_release(s);
        tenant_close(&t);
    }
    gbx_module_release(m);
    gbx_engine_release(e);
}

/* A descriptor that the guest opened or closed has no like in another store. */
static void
test_descriptors(void **state)
{
    (void)state;
    gbx_engine *const e = engine_of(GBX_TIER_AUTO);
    gbx_module *const m = module_of(e, curious);
    grants const g = {.dir = "/d"};
    gbx_snapshot_opts const all = {.size = sizeof all, .shares = GBX_FROM_ALL};
    tenant t, r;
    tenant_new(&t, e, m, &g);
    assert_int_equal(ask(&t, "open", 3), 0);
    take_fails(&t, &all, GBX_SNAPSHOT, "descriptor 4, which was not granted, is open");
    assert_int_equal(ask(&t, "close", 4), 0);
    gbx_snapshot_release(snapshot_of(&t, GBX_FROM_ALL));
    assert_int_equal(ask(&t, "open", 3), 0);
    assert_int_equal(ask(&t, "close", 3), 0);
    take_fails(&t, &all, GBX_SNAPSHOT, "descriptor 3, which was granted, is closed");
    assert_int_equal(ask(&t, "close", 1), 0);
    tenant_close(&t);
    tenant_new(&t, e, m, &g);
    assert_int_equal(ask(&t, "close", 0), 0);
    assert_int_equal(ask(&t, "open", 3), 0);
    take_fails(&t, &all, GBX_SNAPSHOT, "descriptor 0, which was granted, is open for something else");
    tenant_close(&t);

    /* Flags and rights are the guest's state that the host keeps. */
    tenant_new(&t, e, m, &g);
    assert_int_equal(ask(&t, "nonblock", 1), 0);
    assert_int_equal(ask(&t, "rights", 2), 0);
    gbx_snapshot *const s = snapshot_of(&t, 0);
    tenant_resume(&r, e, s, &g);
    for (int fd = 0; fd < 4; fd++) {
        int32_t seen[2][6];
        for (int k = 0; k < 6; k++) {
            assert_int_equal(ask(&t, "fdstat", fd), 0);
            assert_int_equal(ask(&r, "fdstat", fd), 0);
            seen[0][k] = ask(&t, "load", 40 + 4 * k);
            seen[1][k] = ask(&r, "load", 40 + 4 * k);
        }
        assert_memory_equal(seen[0], seen[1], sizeof seen[0]);
        assert_int_equal(seen[0][0] >> 16 & 4, fd == 1 ? 4 : 0);
    }
    tenant_close(&r);
    gbx_snapshot_release(s);
    tenant_close(&t);
    gbx_module_release(m);
    gbx_engine_release(e);
}

/* ---- The export that resumes */

static void
test_resume(void **state)
{
    (void)state;
    gbx_engine *const e = engine_of(GBX_TIER_AUTO);
    gbx_module *const m = module_of(e, curious);
    gbx_snapshot_opts opts = {.size = sizeof opts, .renews = GBX_FROM_RANDOM};
    tenant t, r;
    tenant_new(&t, e, m, &nothing);
    assert_int_equal(ask(&t, "random", 0), 0);
    take_fails(&t, &opts, GBX_ARGUMENT, "resume is NULL");
    opts.resume = "nowhere";
    take_fails(&t, &opts, GBX_ARGUMENT, "no exported function");
    opts.resume = "memory";
    take_fails(&t, &opts, GBX_ARGUMENT, "no exported function");
    opts.resume = "random"; /* has a result */
    take_fails(&t, &opts, GBX_ARGUMENT, "without parameters and results");
    opts.resume = "renew";
    opts.renews = (uint64_t)1 << 40;
    take_fails(&t, &opts, GBX_ARGUMENT, "does not know");

    gbx_snapshot *s;
    opts.renews = GBX_FROM_RANDOM;
    assert_int_equal(gbx_snapshot_take(t.inst, &opts, &s, &t.err), GBX_OK);
    int32_t const first = ask(&t, "load", 0);
    int32_t same = 0;
    for (int k = 0; k < 6; k++) {
        tenant_resume(&r, e, s, &nothing);
        assert_int_equal(ask(&r, "load", 400), 1); /* called once, in this instance alone */
        same += ask(&r, "load", 0) == first;
        tenant_close(&r);
    }
    assert_in_range(same, 0, 1);
    gbx_snapshot_release(s);

    /* It does not do what the host says it does. */
    assert_int_equal(ask(&t, "args", 0), 0);
    opts.renews = GBX_FROM_RANDOM | GBX_FROM_ARGS | GBX_FROM_ENV;
    assert_int_equal(gbx_snapshot_take(t.inst, &opts, &s, &t.err), GBX_OK);
    assert_int_equal(resume_fails(e, s, &nothing, &r), GBX_SNAPSHOT);
    assert_says(&r.err, "did not ask for: arguments"); /* of variables it knows nothing */
    gbx_snapshot_release(s);

    opts = (gbx_snapshot_opts){.size = sizeof opts, .shares = GBX_FROM_RANDOM, .resume = "fails"};
    assert_int_equal(gbx_snapshot_take(t.inst, &opts, &s, &t.err), GBX_OK);
    assert_int_equal(resume_fails(e, s, &nothing, &r), GBX_TRAPPED);
    assert_int_equal(r.trap.code, GBX_TRAP_UNREACHABLE);
    assert_says(&r.err, "resumes the instance");
    gbx_snapshot_release(s);
    tenant_close(&t);
    gbx_module_release(m);
    gbx_engine_release(e);
}

/* A command that prepares itself in an export of its own, before `_start`. */
static void
test_prepared_command(void **state)
{
    (void)state;
    gbx_engine *const e = engine_of(GBX_TIER_AUTO);
    gbx_module *const m = module_of(
            e, "(module (import \"wasi_snapshot_preview1\" \"proc_exit\" (func $x (param i32))) (memory (export \"memory\") 1)"
               "(func (export \"prepare\") (i32.store (i32.const 8) (i32.const 41)))"
               "(func (export \"_start\") (call $x (i32.add (i32.const 1) (i32.load (i32.const 8))))))");
    tenant t, r;
    tenant_new(&t, e, m, &nothing);
    assert_int_equal(ask(&t, "prepare", 0), 0);
    gbx_snapshot *const s = snapshot_of(&t, 0);
    for (int k = 0; k < 3; k++) {
        tenant_resume(&r, e, s, &nothing);
        assert_int_equal(ask(&r, "_start", 0), -1000 - GBX_TRAP_EXIT);
        assert_int_equal(r.trap.exit_status, 42);
        tenant_close(&r);
    }
    gbx_snapshot_release(s);
    tenant_close(&t);
    gbx_module_release(m);
    gbx_engine_release(e);
}

/* ---- Threads */

typedef struct worker {
    gbx_engine *engine;
    const gbx_snapshot *snapshot;
    int32_t sum, wrong;
} worker;

static void *
work(void *data)
{
    worker *const w = data;
    for (int k = 0; k < 60; k++) {
        tenant *const t = malloc(sizeof *t);
        if (!t || !tenant_open(t, w->engine, &nothing) ||
            gbx_instance_resume(t->store, w->snapshot, t->linker, &t->inst, &t->trap, &t->err)) {
            w->wrong++;
        } else {
            gbx_val r = {.type = GBX_I32}, a = guest_i32(k);
            (void)gbx_func_call(gbx_instance_func(t->inst, "sum"), NULL, 0, &r, 1, NULL);
            w->wrong += r.of.i32 != w->sum;
            (void)gbx_func_call(gbx_instance_func(t->inst, "spoil"), &a, 1, NULL, 0, NULL);
        }
        if (t) tenant_close(t);
        free(t);
    }
    return NULL;
}

static void
test_threads(void **state)
{
    (void)state;
    gbx_engine *const e = engine_of(GBX_TIER_AUTO);
    gbx_module *const m = module_of(e, rich);
    tenant t;
    tenant_new(&t, e, m, &nothing);
    assert_int_equal(ask(&t, "set", 0), 0);
    gbx_snapshot *const s = snapshot_of(&t, 0);
    worker w[4];
    pthread_t ids[4];
    for (int k = 0; k < 4; k++) w[k] = (worker){.engine = e, .snapshot = s, .sum = ask(&t, "sum", 0)};
    for (int k = 0; k < 4; k++) assert_int_equal(pthread_create(&ids[k], NULL, work, &w[k]), 0);
    for (int k = 0; k < 4; k++) {
        assert_int_equal(pthread_join(ids[k], NULL), 0);
        assert_int_equal(w[k].wrong, 0);
    }
    tenant_close(&t);
    gbx_snapshot_release(s);
    gbx_module_release(m);
    gbx_engine_release(e);
}

/* ---- Go */

/* examples/go-resume, built as a reactor. */
static gbx_bytes
go_reactor(void)
{
    char out[] = "/tmp/gbx-test-XXXXXX", dir[256];
    const char *const root = getenv("GBX_ROOT");
    snprintf(dir, sizeof dir, "%s/examples/go-resume", root ? root : ".");
    int const fd = mkstemp(out);
    assert_true(fd >= 0);
    close(fd);
    char *const argv[] = {"go", "-C", dir, "build", "-buildmode=c-shared", "-o", out, ".", NULL};
    char *const env[] = {"GOOS=wasip1", "GOARCH=wasm", "GOFLAGS=", "GO111MODULE=on", NULL};
    guest_run_tool(argv, env);
    gbx_bytes const b = guest_read_file(out);
    unlink(out);
    return b;
}

/* The line of a key in what an instance showed, "" where there is none. */
static const char *
shown(const tenant *t, const char *key, char *buf, size_t cap)
{
    size_t const len = strlen(key);
    *buf = 0;
    for (const char *line = t->out; line && *line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL)
        if (!strncmp(line, key, len) && line[len] == ' ') {
            snprintf(buf, cap, "%.*s", (int)strcspn(line + len + 1, "\n"), line + len + 1);
            return buf;
        }
    return buf;
}

static void
assert_shown(const tenant *t, const char *key, const char *value)
{
    char buf[1024];
    assert_string_equal(shown(t, key, buf, sizeof buf), value);
}

static bool
is_shown_alike(const tenant *a, const tenant *b, const char *key)
{
    char x[1024], y[1024];
    assert_true(*shown(a, key, x, sizeof x) && *shown(b, key, y, sizeof y));
    return strcmp(x, y) == 0;
}

#define GO_INSTANCES 4
/* Of what an instance shows: what it draws, from the runtime or from a generator of the program's own. */
static const char *const drawn[] = {"order", "rand", "rand/v2", "select", "secret", "own"};

typedef struct go_world {
    gbx_engine *engine;
    gbx_module *module;
    tenant first; /* `_initialize` has run, and nothing else */
} go_world;

static void
go_open(go_world *w, gbx_tier_mode tier)
{
    static gbx_bytes wasm;
    if (!wasm.data) wasm = go_reactor();
    w->engine = engine_of(tier);
    gbx_err err;
    if (gbx_module_compile(w->engine, wasm, NULL, &w->module, &err)) fail_msg("%s", err.text);
    tenant_new(&w->first, w->engine, w->module, &(grants){.args = {"one", "two"}, .env = {"A", "b"}});
    assert_int_equal(ask(&w->first, "_initialize", 0), 0);
}

static void
go_close(go_world *w)
{
    tenant_close(&w->first);
    gbx_module_release(w->module);
    gbx_engine_release(w->engine);
}

static void
go_show(tenant *t)
{
    t->out_len = 0;
    int32_t const r = ask(t, "show", 0);
    if (r) fail_msg("%d: %s %s", r, t->trap.message, t->out);
    assert_shown(t, "words", "20000 12345");
}

/* Renewed by the guest: map order, math/rand, select, arguments, variables and clock are each instance's own. */
static void
test_go_fresh(void **state)
{
    (void)state;
    static const gbx_tier_mode tiers[] = {GBX_TIER_INTERP, GBX_TIER_AUTO};
    for (int tier = 0; tier < 2; tier++) {
        go_world w;
        go_open(&w, tiers[tier]);
        take_fails(&w.first, NULL, GBX_SNAPSHOT, "random, clock");
        gbx_snapshot_opts const opts = {.size = sizeof opts, .resume = "resume",
                                        .renews = GBX_FROM_RANDOM | GBX_FROM_CLOCK | GBX_FROM_ARGS | GBX_FROM_ENV};
        gbx_snapshot *s;
        if (gbx_snapshot_take(w.first.inst, &opts, &s, &w.first.err)) fail_msg("%s", w.first.err.text);
        assert_int_equal(gbx_snapshot_holds(s), opts.renews | GBX_FROM_GRANTS);
        tenant t[GO_INSTANCES + 1];
        t[GO_INSTANCES] = w.first;
        go_show(&w.first);
        assert_shown(&w.first, "args", "one|two");
        for (int k = 0; k < GO_INSTANCES; k++) {
            char arg[16], value[32];
            snprintf(arg, sizeof arg, "arg%d", k);
            snprintf(value, sizeof value, "K=%d|L=%s", k, arg);
            grants const g = {.args = {arg}, .env = {"K", (char[]){(char)('0' + k), 0}, "L", arg}};
            tenant_resume(&t[k], w.engine, s, &g);
            go_show(&t[k]);
            assert_shown(&t[k], "calls", "1");
            assert_shown(&t[k], "args", arg);
            assert_shown(&t[k], "env", value);
            for (int other = 0; other <= k; other++) {
                const tenant *const o = other == k ? &w.first : &t[other];
                for (size_t i = 0; i < sizeof drawn / sizeof *drawn; i++)
                    if (is_shown_alike(&t[k], o, drawn[i])) fail_msg("%s is the same in two instances", drawn[i]);
                assert_false(is_shown_alike(&t[k], o, "crypto"));
                assert_false(is_shown_alike(&t[k], o, "began"));
                assert_false(is_shown_alike(&t[k], o, "now"));
            }
            if (k % 2) tenant_close(&t[k]); /* the next one has its place in the pool */
        }
        for (int k = 0; k < GO_INSTANCES; k += 2) tenant_close(&t[k]);
        gbx_snapshot_release(s);
        go_close(&w);
    }
}

/* What sharing means: who accepts it gets the same numbers in all instances, and crypto/rand and the clock are new. */
static void
test_go_shared(void **state)
{
    (void)state;
    go_world w;
    go_open(&w, GBX_TIER_AUTO);
    gbx_snapshot *const s = snapshot_of(&w.first, GBX_FROM_RANDOM | GBX_FROM_CLOCK);
    grants const same = {.args = {"one", "two"}, .env = {"A", "b"}}, other = {.args = {"one", "three"}, .env = {"A", "b"}},
                 dir = {.args = {"one", "two"}, .env = {"A", "b"}, .dir = "/d"};
    tenant t[2], r;
    assert_int_equal(resume_fails(w.engine, s, &other, &r), GBX_SNAPSHOT);
    assert_says(&r.err, "has others: arguments.");
    assert_int_equal(resume_fails(w.engine, s, &dir, &r), GBX_SNAPSHOT);
    assert_says(&r.err, "has others: grants.");
    assert_int_equal(resume_fails(w.engine, s, &nothing, &r), GBX_SNAPSHOT);
    assert_says(&r.err, "has others: arguments, environment.");
    for (int k = 0; k < 2; k++) {
        tenant_resume(&t[k], w.engine, s, &same);
        go_show(&t[k]);
        assert_shown(&t[k], "args", "one|two");
        assert_shown(&t[k], "env", "A=b");
    }
    for (size_t i = 0; i < sizeof drawn / sizeof *drawn; i++) assert_true(is_shown_alike(&t[0], &t[1], drawn[i]));
    assert_false(is_shown_alike(&t[0], &t[1], "crypto"));
    assert_true(is_shown_alike(&t[0], &t[1], "began"));
    assert_false(is_shown_alike(&t[0], &t[1], "now"));
    for (int k = 0; k < 2; k++) tenant_close(&t[k]);
    gbx_snapshot_release(s);
    go_close(&w);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_state),           cmocka_unit_test(test_bounds),
            cmocka_unit_test(test_refused_state),   cmocka_unit_test(test_refused_imports),
            cmocka_unit_test(test_ambiguous),       cmocka_unit_test(test_refused_moment),
            cmocka_unit_test(test_sources),         cmocka_unit_test(test_compared),
            cmocka_unit_test(test_descriptors),     cmocka_unit_test(test_resume),
            cmocka_unit_test(test_prepared_command), cmocka_unit_test(test_threads),
            cmocka_unit_test(test_go_fresh),        cmocka_unit_test(test_go_shared),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
