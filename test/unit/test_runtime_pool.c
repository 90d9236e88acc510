/* The pool: a used instance shows its next tenant nothing, is as new, and the engine's bounds hold. */
#include "api/guest.h"
#include "host.h"

#include <malloc.h>
#include <pthread.h>

#include "base/alloc.h"
#include "base/os_mem.h"
#include "runtime/runtime_int.h"

#define PAGE MEMORY_PAGE_BYTES

#ifndef __has_feature
#define __has_feature(x) 0
#endif
/* A sanitizer's allocator maps and unmaps as it likes. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || __has_feature(address_sanitizer) || \
        __has_feature(thread_sanitizer)
#define ROUNDS 10000
#define MAPS_MORE 100
#else
#define ROUNDS 100000
#define MAPS_MORE 0
#endif

/* Everything a module can have, exported, so that a tenant can soil all of it. */
static const char rich[] =
        "(module (import \"h\" \"f\" (func $f (result i32))) (import \"h\" \"g\" (global $hg (mut i32)))"
        "(type $r (func (result i32)))"
        "(memory (export \"mem\") 2 200)"
        "(data (i32.const 69990) \"begin\") (data $p \"passive\") (data (i32.const 70000) \"%s\")"
        "(table $t (export \"tab\") 4 10 funcref) (table $u 3 externref)"
        "(elem (table $t) (i32.const 0) func $f $one) (elem $e func $two $one)"
        "(global $a (export \"a\") (mut i64) (i64.const 77)) (global $b (mut i32) (i32.const 5))"
        "(func $one (result i32) (i32.const 1)) (func $two (result i32) (i32.const 2))"
        "(func (export \"a+b\") (result i64) (i64.add (global.get $a) (i64.extend_i32_u (global.get $b))))"
        "(func (export \"grow\") (param i32) (result i32) (memory.grow (local.get 0)))"
        "(func (export \"call\") (param i32) (result i32) (call_indirect $t (type $r) (local.get 0)))"
        "(func (export \"null\") (param i32) (result i32) (ref.is_null (table.get $t (local.get 0))))"
        "(func (export \"size\") (result i32) (table.size $t))"
        "(func (export \"init\") (result i32)"
        "  (memory.init $p (i32.const 200) (i32.const 0) (i32.const 7))"
        "  (table.init $t $e (i32.const 2) (i32.const 0) (i32.const 2))"
        "  (i32.load8_u (i32.const 206)))"
        "(func (export \"extern\") (result i32) (ref.is_null (table.get $u (i32.const 2))))"
        "(func $deep (export \"deep\") (param i32) (result i32) (local i64 i64 i64 i64)"
        "  (local.set 1 (i64.const 0x5a5a5a5a5a5a5a5a)) (local.set 4 (local.get 1))"
        "  (if (result i32) (local.get 0)"
        "    (then (i32.add (call $deep (i32.sub (local.get 0) (i32.const 1))) (i32.wrap_i64 (local.get 4))))"
        "    (else (i32.const 0))))"
        "(func (export \"soil\") (param externref) (local i32)"
        "  (memory.fill (i32.const 0) (i32.const 0xee) (i32.mul (memory.size) (i32.const 65536)))"
        "  (data.drop $p) (elem.drop $e) (global.set $a (i64.const -1)) (global.set $b (i32.const -1))"
        "  (table.set $u (i32.const 2) (local.get 0))"
        "  (table.fill $t (i32.const 0) (ref.func $two) (table.size $t))"
        "  (drop (table.grow $t (ref.func $two) (i32.const 3))))"
        "(elem declare func $two))";

typedef struct tenant {
    gbx_store *store;
    gbx_linker *linker;
    gbx_instance *inst;
    i32 id;
    gbx_code code;
} tenant;

static gbx_engine *
engine_new(u32 instances, u64 bytes)
{
    gbx_engine *e;
    gbx_engine_opts const opts = {
            .size = sizeof opts, .pool_instances = instances, .pool_bytes = bytes, .keep_ms = GBX_KEEP_OFF};
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

/* `filler`: bytes of data, to be mapped or copied. */
static gbx_module *
rich_module(gbx_engine *e, size_t filler)
{
    char *const data = malloc(filler + 1), *const text = malloc(filler + sizeof rich);
    assert_true(data && text);
    memset(data, 'x', filler);
    data[filler] = 0;
    sprintf(text, rich, data);
    gbx_module *const m = module_of(e, text);
    free(data);
    free(text);
    return m;
}

static gbx_trap_code
host_id(gbx_caller *caller, void *data, const gbx_val *args, gbx_val *results)
{
    (void)caller, (void)args;
    results[0].of.i32 = *(const i32 *)data;
    return GBX_TRAP_NONE;
}

/* NULL, or what went wrong. */
static const char *
tenant_open(tenant *t, gbx_engine *e, gbx_module *m, i32 id, u64 memory_bytes)
{
    static const gbx_valtype i32s[] = {GBX_I32};
    gbx_store_opts const opts = {.size = sizeof opts, .memory_bytes = memory_bytes};
    gbx_val const g = {.type = GBX_I32, .of.i32 = id};
    t->inst = NULL;
    t->id = id;
    t->linker = NULL;
    if (gbx_store_new(e, &opts, &t->store, NULL) || gbx_linker_new(t->store, &t->linker, NULL)) return "store";
    if (gbx_linker_define_func(t->linker, "h", "f", NULL, 0, i32s, 1, host_id, &t->id, NULL)) return "func";
    if (gbx_linker_define_global(t->linker, "h", "g", g, true, NULL)) return "global";
    t->code = gbx_instance_new(t->store, m, t->linker, &t->inst, NULL, NULL);
    return t->code ? "instance" : NULL;
}

static void
tenant_close(tenant *t)
{
    gbx_linker_release(t->linker);
    gbx_store_release(t->store);
}

static i64
ask(tenant *t, const char *name, i32 arg, size_t arg_count)
{
    gbx_val const a = {.type = GBX_I32, .of.i32 = arg};
    gbx_func *const f = gbx_instance_func(t->inst, name);
    const gbx_valtype *types;
    gbx_val r = {0};
    if (!f || gbx_func_results(f, &types) != 1) return -1000;
    if (gbx_func_call(f, &a, arg_count, &r, 1, NULL)) return -1001;
    return r.type == GBX_I64 ? r.of.i64 : r.of.i32;
}

static bool
all_zero(const u8 *p, u64 len)
{
    for (u64 i = 0; i < len; i++)
        if (p[i]) return false;
    return true;
}

/* What a new instance of `rich` shows; NULL, or what is wrong. */
static const char *
inspect(tenant *t, size_t filler)
{
    const gbx_memory *const mem = t->inst->memories[0];
    const u8 *const p = mem->base;
    if (mem->bytes != 2 * PAGE) return "size";
    if (memcmp(p + 69990, "begin", 5) != 0 || !all_zero(p, 69990) || !all_zero(p + 69995, 5)) return "memory";
    for (size_t i = 0; i < filler; i++)
        if (p[70000 + i] != 'x') return "filler";
    if (!all_zero(p + 70000 + filler, 2 * PAGE - 70000 - filler)) return "memory behind";
    for (u64 at = 2 * PAGE; at <= 200 * PAGE; at += 33 * PAGE)
        if (host_can_read(p + at)) return "hidden pages";
    if (host_can_read(p - 1)) return "guard";
    if (ask(t, "a+b", 0, 0) != 82) return "globals";
    if (ask(t, "size", 0, 0) != 4) return "table size";
    if (ask(t, "call", 0, 1) != t->id || ask(t, "call", 1, 1) != 1) return "table";
    if (ask(t, "null", 2, 1) != 1 || ask(t, "null", 3, 1) != 1) return "table's rest";
    if (ask(t, "extern", 0, 0) != 1) return "externref";
    if (t->inst->globals[0]->value != (u32)t->id) return "imported global";
    if (instance_of(t->inst)->life != LIFE_READY) return "poisoned";
    if (ask(t, "init", 0, 0) != 'e' || ask(t, "call", 2, 1) != 2) return "passive segments";
    if (ask(t, "grow", 150, 1) != 2 || ask(t, "grow", 49, 1) != -1) return "grow";
    if (!all_zero(p + 2 * PAGE, 150 * PAGE)) return "grown memory";
    return NULL;
}

static const char *
soil(tenant *t, i32 grow)
{
    gbx_val const ref = {.type = GBX_EXTERNREF, .of.ref = 4711};
    if (grow && ask(t, "grow", grow, 1) < 0) return "soil's grow";
    if (ask(t, "deep", 200, 1) == -1001) return "soil's depth";
    if (gbx_func_call(gbx_instance_func(t->inst, "soil"), &ref, 1, NULL, 0, NULL)) return "soil";
    gbx_runtime_life_set(instance_of(t->inst), LIFE_POISONED);
    return t->inst->memories[0]->base[5] == 0xee ? NULL : "not soiled";
}

#define CLEAN(call)                                   \
    do {                                              \
        const char *const is = (call);                \
        if (is) fail_msg("line %d: %s", __LINE__, is); \
    } while (0)

/* Soil, release, look: mapped and copied images, few pages and more than are kept, with and without the
 * kernel's help. */
static void
test_clean(void **state)
{
    (void)state;
    static const size_t fillers[] = {1, 40000};
    static const i32 grows[] = {0, 1, 190};
    for (u32 k = 0; k < 12; k++) {
        size_t const filler = fillers[k % 2];
        gbx_engine *const e = engine_new(0, 0);
        if (k >= 6) gbx_base_os_written_close(&e->pool.written);
        gbx_module *const m = rich_module(e, filler);
        tenant first, second;
        CLEAN(tenant_open(&first, e, m, 3, 0));
        CLEAN(tenant_open(&second, e, m, 4, 0));
        CLEAN(inspect(&second, filler));
        CLEAN(soil(&first, grows[k % 3]));
        gbx_instance *const was = first.inst, *const was_second = second.inst;
        tenant_close(&first); /* its segments were copied */
        assert_int_equal(e->pool.slots, 1);
        CLEAN(tenant_open(&first, e, m, 5, 0));
        assert_ptr_equal(first.inst, was);
        CLEAN(inspect(&first, filler));
        for (i32 round = 0; round < 3; round++) { /* its image was mapped, if that is worth it */
            CLEAN(soil(&second, round));
            tenant_close(&second);
            CLEAN(tenant_open(&second, e, m, 6 + round, 0));
            assert_ptr_equal(second.inst, was_second);
            assert_int_equal(instance_of(second.inst)->is_mapped, filler == 40000);
            CLEAN(inspect(&second, filler));
        }
        tenant_close(&first);
        tenant_close(&second);
        assert_int_equal(e->pool.slots, 2);
        gbx_module_release(m);
        assert_int_equal(e->pool.slots, 0);
        assert_int_equal(e->pool.bytes, 0);
        gbx_engine_release(e);
    }
}

/* While it is idle it holds nothing either: neither data nor pointers into the store that is gone. */
static void
test_idle_is_clean(void **state)
{
    (void)state;
    gbx_engine *const e = engine_new(0, 0);
    gbx_module *const m = rich_module(e, 1);
    tenant a, b;
    CLEAN(tenant_open(&a, e, m, 1, 0));
    CLEAN(tenant_open(&b, e, m, 1, 0));
    CLEAN(soil(&b, 9));
    const gbx_instance *const idle = b.inst;
    tenant_close(&b);
    assert_null(idle->store);
    assert_null(idle->funcs[0]);
    assert_null(idle->globals[0]);
    assert_int_equal(idle->globals[1]->value, 0);
    assert_true(idle->tables[0]->elems == NULL || all_zero((u8 *)idle->tables[0]->elems, 32));
    assert_true(all_zero((u8 *)idle->tables[1]->elems, 24));
    assert_true(all_zero(idle->memories[0]->base, 69990));
    assert_false(host_can_read(idle->memories[0]->base + 2 * PAGE));
    tenant_close(&a);
    gbx_module_release(m);
    gbx_engine_release(e);
}

/* A stack that one store's calls have used is zero when another's begin. */
static void
test_stacks(void **state)
{
    (void)state;
    for (u32 k = 0; k < 4; k++) {
        gbx_engine_opts const opts = {.size = sizeof opts, .tier = k % 2 ? GBX_TIER_EAGER : GBX_TIER_INTERP,
                                      .keep_ms = GBX_KEEP_OFF};
        gbx_engine *e;
        assert_int_equal(gbx_engine_new(&opts, &e, NULL), GBX_OK);
        if (k >= 2) gbx_base_os_written_close(&e->pool.written);
        gbx_module *const m = rich_module(e, 1);
        tenant t;
        CLEAN(tenant_open(&t, e, m, 1, 0));
        assert_int_not_equal(ask(&t, "deep", 30000, 1), -1001);
        u64 const own = t.store->tenant;
        runtime_lane *const lane = gbx_runtime_seat_mine->lane;
        assert_int_equal(lane->tenant, own);
        u64 const near = 8 << 20;
        bool const is_native = lane->native.region != NULL;
        bool const used = !all_zero((u8 *)lane->stack, near);
        assert_true(used || is_native);
        const u8 *const shown = lane->native.shown;
        u64 const shown_bytes = (u64)(lane->native.high - shown);
        if (is_native) assert_false(all_zero(shown, shown_bytes));
        gbx_runtime_lane_let(lane, own, &e->pool.written); /* its own: nothing changes */
        if (used) assert_false(all_zero((u8 *)lane->stack, near));
        gbx_runtime_lane_let(lane, own + 1, &e->pool.written);
        assert_true(all_zero((u8 *)lane->stack, near));
        if (is_native) assert_true(all_zero(shown, shown_bytes));
        tenant_close(&t);
        gbx_module_release(m);
        gbx_engine_release(e);
    }
}

/* The pool's bounds: number, bytes, off; who was idle longest goes; a module takes its own along. */
static void
test_bounds(void **state)
{
    (void)state;
    gbx_engine *e = engine_new(2, 0);
    gbx_module *const m = rich_module(e, 1), *const other = rich_module(e, 2);
    tenant t[4], o[2];
    for (i32 k = 0; k < 4; k++) CLEAN(tenant_open(&t[k], e, m, k, 0));
    for (i32 k = 0; k < 2; k++) CLEAN(tenant_open(&o[k], e, other, k, 0));
    const gbx_instance *const second = t[1].inst;
    for (i32 k = 0; k < 4; k++) tenant_close(&t[k]); /* the last two are not kept */
    assert_int_equal(e->pool.slots, 2);
    tenant_close(&o[0]); /* in the place of t[0] */
    assert_int_equal(e->pool.slots, 2);
    CLEAN(tenant_open(&t[0], e, m, 9, 0));
    assert_ptr_equal(t[0].inst, second);
    assert_int_equal(e->pool.slots, 1);
    CLEAN(tenant_open(&t[1], e, m, 9, 0));
    assert_false(instance_of(t[1].inst)->is_reused);
    tenant_close(&o[1]);
    assert_int_equal(e->pool.slots, 2);
    gbx_module_release(other);
    assert_int_equal(e->pool.slots, 0);
    assert_int_equal(e->pool.bytes, 0);
    gbx_module_release(m); /* its instances keep it, idle ones do not */
    tenant_close(&t[0]);
    assert_int_equal(e->pool.slots, 1);
    tenant_close(&t[1]);
    gbx_engine_release(e);

    static const struct {
        u32 instances;
        u64 bytes;
    } none[] = {{GBX_POOL_OFF, 0}, {0, 1}};
    for (size_t k = 0; k < GBX_LEN(none); k++) {
        e = engine_new(none[k].instances, none[k].bytes);
        gbx_module *const one = rich_module(e, 1);
        for (i32 round = 0; round < 4; round++) {
            CLEAN(tenant_open(&t[0], e, one, round, 0));
            assert_false(instance_of(t[0].inst)->is_reused);
            CLEAN(inspect(&t[0], 1));
            tenant_close(&t[0]);
            assert_int_equal(e->pool.slots, 0);
        }
        gbx_module_release(one);
        gbx_engine_release(e);
    }
}

/* A store's limits hold for what it gets from the pool. */
static void
test_limits(void **state)
{
    (void)state;
    gbx_engine *const e = engine_new(0, 0);
    gbx_module *const m = rich_module(e, 1);
    tenant t;
    for (i32 k = 0; k < 3; k++) {
        CLEAN(tenant_open(&t, e, m, k, 0));
        tenant_close(&t);
    }
    assert_int_equal(e->pool.slots, 1);
    CLEAN(tenant_open(&t, e, m, 1, 5 * PAGE));
    assert_true(instance_of(t.inst)->is_reused);
    assert_int_equal(ask(&t, "grow", 4, 1), -1);
    assert_int_equal(ask(&t, "grow", 3, 1), 2);
    tenant_close(&t);
    CLEAN(tenant_open(&t, e, m, 1, 0));
    CLEAN(inspect(&t, 1));
    tenant_close(&t);
    assert_string_equal(tenant_open(&t, e, m, 1, PAGE), "instance"); /* starts with two */
    assert_int_equal(t.code, GBX_LIMIT);
    tenant_close(&t);

    /* Of huge pages nothing is kept, and none is taken for them. */
    CLEAN(tenant_open(&t, e, m, 1, 0));
    tenant_close(&t);
    u32 const before = e->pool.slots;
    gbx_store_opts const huge = {.size = sizeof huge, .huge_pages = 1, .table_elems = 6};
    assert_int_equal(gbx_store_new(e, &huge, &t.store, NULL), GBX_OK);
    assert_int_equal(gbx_instance_new(t.store, m, NULL, &t.inst, NULL, NULL), GBX_UNKNOWN_IMPORT);
    gbx_store_release(t.store);
    assert_int_equal(e->pool.slots, before);
    gbx_store_opts const few = {.size = sizeof few, .table_elems = 6};
    assert_int_equal(gbx_store_new(e, &few, &t.store, NULL), GBX_OK);
    assert_int_equal(gbx_linker_new(t.store, &t.linker, NULL), GBX_OK);
    static const gbx_valtype i32s[] = {GBX_I32};
    gbx_val const g = {.type = GBX_I32};
    assert_int_equal(gbx_linker_define_func(t.linker, "h", "f", NULL, 0, i32s, 1, host_id, &t.id, NULL), 0);
    assert_int_equal(gbx_linker_define_global(t.linker, "h", "g", g, true, NULL), 0);
    assert_int_equal(gbx_instance_new(t.store, m, t.linker, &t.inst, NULL, NULL), GBX_LIMIT); /* 4 + 3 */
    assert_int_equal(t.store->table_left, 6);
    tenant_close(&t);
    gbx_module_release(m);
    gbx_engine_release(e);
}

/* Whatever fails while one is taken: an error, and the next tenant finds all as it should be. */
static void
test_failures(void **state)
{
    (void)state;
    gbx_engine *const e = engine_new(0, 0);
    gbx_module *const m = rich_module(e, 40000);
    tenant t;
    for (i32 k = 0; k < 3; k++) {
        CLEAN(tenant_open(&t, e, m, k, 0));
        tenant_close(&t);
    }
    for (u64 nth = 1;; nth++) {
        CLEAN(tenant_open(&t, e, m, 1, 0));
        CLEAN(soil(&t, 3));
        gbx_base_fault_arm(nth); /* the release cannot fail */
        tenant_close(&t);
        bool const hit = gbx_base_fault_count() >= nth;
        gbx_base_fault_arm(nth);
        const char *const wrong = tenant_open(&t, e, m, 1, 0);
        bool const hit_open = gbx_base_fault_count() >= nth;
        gbx_base_fault_arm(0);
        if (wrong) assert_true(hit_open);
        else CLEAN(inspect(&t, 40000));
        if (t.store && (!wrong || t.inst || t.linker)) tenant_close(&t);
        else gbx_store_release(t.store);
        if (!hit && !hit_open) break;
        assert_true(nth < 100);
    }
    gbx_module_release(m);
    gbx_engine_release(e);
}

/* A child of a fork has the pool too, and its own pages. */
static void
test_fork(void **state)
{
    (void)state;
    gbx_engine *const e = engine_new(0, 0);
    gbx_module *const m = rich_module(e, 40000);
    tenant t;
    for (i32 k = 0; k < 3; k++) {
        CLEAN(tenant_open(&t, e, m, k, 0));
        CLEAN(soil(&t, 1));
        tenant_close(&t);
    }
    pid_t const pid = fork();
    if (pid == 0) {
        for (i32 k = 0; k < 4; k++) {
            if (tenant_open(&t, e, m, k, 0) || !instance_of(t.inst)->is_reused || inspect(&t, 40000) ||
                soil(&t, k))
                _exit(1);
            tenant_close(&t);
        }
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    CLEAN(tenant_open(&t, e, m, 1, 0));
    CLEAN(inspect(&t, 40000));
    tenant_close(&t);
    gbx_module_release(m);
    gbx_engine_release(e);
}

typedef struct crowd {
    gbx_engine *engine;
    gbx_module *module;
    i32 id;
} crowd;

static void *
crowd_run(void *data)
{
    crowd const *const c = data;
    for (i32 k = 0; k < 40; k++) {
        tenant t;
        const char *wrong = tenant_open(&t, c->engine, c->module, c->id, 0);
        if (!wrong) wrong = inspect(&t, 1);
        if (!wrong) wrong = soil(&t, k % 4);
        if (wrong) return (void *)(uintptr_t)wrong;
        tenant_close(&t);
    }
    return NULL;
}

static void
test_threads(void **state)
{
    (void)state;
    enum { THREADS = 8 };
    gbx_engine *const e = engine_new(5, 0);
    gbx_module *const m = rich_module(e, 1);
    pthread_t threads[THREADS];
    crowd c[THREADS];
    for (i32 k = 0; k < THREADS; k++) {
        c[k] = (crowd){e, m, 100 + k};
        assert_int_equal(pthread_create(&threads[k], NULL, crowd_run, &c[k]), 0);
    }
    for (i32 k = 0; k < THREADS; k++) {
        void *wrong;
        pthread_join(threads[k], &wrong);
        if (wrong) fail_msg("thread %d: %s", k, (const char *)wrong);
    }
    assert_int_equal(e->pool.slots, 5);
    gbx_module_release(m);
    gbx_engine_release(e);
}

static u32
count_maps(void)
{
    u32 n = 0;
    FILE *const f = fopen("/proc/self/maps", "r");
    assert_non_null(f);
    for (int c; (c = getc(f)) != EOF;) n += c == '\n';
    fclose(f);
    return n;
}

/* Round after round takes no descriptor, no mapping and no memory more. */
static void
test_no_leak(void **state)
{
    (void)state;
    gbx_engine_opts const opts = {.size = sizeof opts, .tier = GBX_TIER_INTERP}; /* compiling takes memory */
    gbx_engine *e;
    assert_int_equal(gbx_engine_new(&opts, &e, NULL), GBX_OK);
    gbx_module *const m = module_of(e, "(module (memory 3) (data (i32.const 70000) \"x\")"
                                       "(table 9 funcref) (elem (i32.const 0) $f)"
                                       "(func $f (export \"f\") (result i32) (memory.grow (i32.const 1))))");
    int fds = 0;
    u32 maps = 0;
    size_t bytes = 0;
    for (u32 round = 0; round < ROUNDS; round++) {
        gbx_store *s;
        gbx_linker *l;
        gbx_wasi *w;
        gbx_instance *i;
        assert_int_equal(gbx_store_new(e, NULL, &s, NULL), GBX_OK);
        assert_int_equal(gbx_linker_new(s, &l, NULL), GBX_OK);
        assert_int_equal(gbx_wasi_new(&w, NULL), GBX_OK);
        assert_int_equal(gbx_wasi_stdio(w, 1, 1, NULL), GBX_OK);
        assert_int_equal(gbx_wasi_link(w, l, NULL), GBX_OK);
        assert_int_equal(gbx_instance_new(s, m, l, &i, NULL, NULL), GBX_OK);
        if (round % 8 == 0) {
            gbx_val v = {0};
            assert_int_equal(gbx_func_call(gbx_instance_func(i, "f"), NULL, 0, &v, 1, NULL), 0);
            assert_int_equal(v.of.i32, 3);
        }
        gbx_wasi_release(w);
        gbx_linker_release(l);
        gbx_store_release(s);
        if (round == 100) {
            fds = host_open_fds();
            maps = count_maps();
            bytes = mallinfo2().uordblks;
        }
    }
    assert_int_equal(host_open_fds(), fds);
    assert_in_range(count_maps(), 1, maps + MAPS_MORE);
    assert_int_equal(mallinfo2().uordblks, bytes);
    gbx_module_release(m);
    gbx_engine_release(e);
}

/* S19: what a live instance with a mapped image costs. */
static void
test_mappings(void **state)
{
    (void)state;
    enum { COUNT = 200 };
    static tenant t[COUNT];
    gbx_engine *const e = engine_new(0, 0);
    gbx_module *const m = rich_module(e, 40000);
    tenant first;
    CLEAN(tenant_open(&first, e, m, 0, 0));
    u32 const before = count_maps();
    for (i32 k = 0; k < COUNT; k++) CLEAN(tenant_open(&t[k], e, m, k, 0));
    assert_true(instance_of(t[COUNT - 1].inst)->is_mapped);
    assert_in_range(count_maps() - before, 1, 5 * COUNT);
    for (i32 k = 0; k < COUNT; k++) tenant_close(&t[k]);
    assert_int_equal(e->pool.slots, 64);
    tenant_close(&first);
    gbx_module_release(m);
    gbx_engine_release(e);
}

/* Arguments and descriptors are those of the store, not of who had the instance before. */
static void
test_wasi(void **state)
{
    (void)state;
    gbx_engine *const e = engine_new(0, 0);
    gbx_module *const m = module_of(
            e, "(module (import \"wasi_snapshot_preview1\" \"args_sizes_get\" (func $a (param i32 i32) (result i32)))"
               "(import \"wasi_snapshot_preview1\" \"fd_prestat_get\" (func $p (param i32 i32) (result i32)))"
               "(memory (export \"memory\") 1)"
               "(func (export \"args\") (result i32) (drop (call $a (i32.const 0) (i32.const 4)))"
               "  (i32.load (i32.const 0)))"
               "(func (export \"dir\") (result i32) (call $p (i32.const 3) (i32.const 0))))");
    for (i32 k = 0; k < 6; k++) {
        tenant t;
        gbx_wasi *w;
        assert_int_equal(gbx_store_new(e, NULL, &t.store, NULL), GBX_OK);
        assert_int_equal(gbx_linker_new(t.store, &t.linker, NULL), GBX_OK);
        assert_int_equal(gbx_wasi_new(&w, NULL), GBX_OK);
        for (i32 n = 0; n < 5 - k; n++) assert_int_equal(gbx_wasi_arg(w, "secret", NULL), GBX_OK);
        if (k % 2) assert_int_equal(gbx_wasi_dir(w, "/tmp", "/tmp", GBX_READ_ONLY, NULL), GBX_OK);
        assert_int_equal(gbx_wasi_link(w, t.linker, NULL), GBX_OK);
        assert_int_equal(gbx_instance_new(t.store, m, t.linker, &t.inst, NULL, NULL), GBX_OK);
        assert_int_equal(instance_of(t.inst)->is_reused, k >= 2);
        assert_int_equal(ask(&t, "args", 0, 0), 5 - k);
        assert_int_equal(ask(&t, "dir", 0, 0), k % 2 ? 0 : 8); /* EBADF */
        gbx_wasi_release(w);
        tenant_close(&t);
    }
    gbx_module_release(m);
    gbx_engine_release(e);
}

/* A start function runs for each tenant; where it traps, the next one is not worse off. */
static void
test_start(void **state)
{
    (void)state;
    gbx_engine *const e = engine_new(0, 0);
    gbx_module *const m = module_of(e, "(module (import \"h\" \"g\" (global $g (mut i32))) (memory 1)"
                                       "(data (i32.const 0) \"\\01\") (start $s) (func $s"
                                       "  (i32.store8 (i32.const 0) (i32.add (i32.const 1)"
                                       "    (i32.load8_u (i32.const 0))))"
                                       "  (if (i32.and (global.get $g) (i32.const 1)) (then unreachable))))");
    for (i32 k = 0; k < 9; k++) {
        tenant t = {0};
        gbx_val const g = {.type = GBX_I32, .of.i32 = k};
        assert_int_equal(gbx_store_new(e, NULL, &t.store, NULL), GBX_OK);
        assert_int_equal(gbx_linker_new(t.store, &t.linker, NULL), GBX_OK);
        assert_int_equal(gbx_linker_define_global(t.linker, "h", "g", g, true, NULL), GBX_OK);
        t.code = gbx_instance_new(t.store, m, t.linker, &t.inst, NULL, NULL);
        assert_int_equal(t.code, k % 2 ? GBX_TRAPPED : GBX_OK);
        if (!t.code) assert_int_equal(t.inst->memories[0]->base[0], 2);
        tenant_close(&t);
    }
    assert_int_equal(e->pool.slots, 1);
    gbx_module_release(m);
    gbx_engine_release(e);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_clean),    cmocka_unit_test(test_idle_is_clean),
            cmocka_unit_test(test_stacks),   cmocka_unit_test(test_bounds),
            cmocka_unit_test(test_limits),   cmocka_unit_test(test_failures),
            cmocka_unit_test(test_fork),     cmocka_unit_test(test_threads),
            cmocka_unit_test(test_no_leak),  cmocka_unit_test(test_wasi),
            cmocka_unit_test(test_start),    cmocka_unit_test(test_mappings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
