/* unstable/trace.h and tiers.h: what is told of calls, by interpreted and by compiled code alike; sinks; a
 * world that looking at does not change; memories and globals of instances. */
#include <fcntl.h>
#include <sys/stat.h>

#include <gbx/unstable/compiled.h>
#include <gbx/unstable/tiers.h>
#include <gbx/unstable/trace.h>

#include "api/guest.h"

/* main calls inner, which writes 5 bytes to a descriptor, asks for randomness at a place that is given,
 * and exits. */
static const char guest_text[] =
        "(module"
        " (import \"wasi_snapshot_preview1\" \"fd_write\" (func $write (param i32 i32 i32 i32) (result i32)))"
        " (import \"wasi_snapshot_preview1\" \"random_get\" (func $random (param i32 i32) (result i32)))"
        " (import \"wasi_snapshot_preview1\" \"proc_exit\" (func $exit (param i32)))"
        " (memory (export \"memory\") 1)"
        " (global (export \"g\") (mut i32) (i32.const 0))"
        " (global $hidden (mut i64) (i64.const 77))"
        " (global (mut funcref) (ref.func $inner))"
        " (global (mut externref) (ref.null extern))"
        " (global (mut f64) (f64.const 1.5))"
        " (data (i32.const 0) \"\\10\\00\\00\\00\\05\\00\\00\\00\")"
        " (data (i32.const 16) \"hello\")"
        " (func $inner (param $fd i32) (param $at i32)"
        "  (global.set 0 (call $write (local.get $fd) (i32.const 0) (i32.const 1) (i32.const 8)))"
        "  (global.set $hidden (i64.extend_i32_u (call $random (local.get $at) (i32.const 4))))"
        "  (call $exit (i32.const 9)))"
        " (func (export \"main\") (param i32 i32) (result i32)"
        "  (call $inner (local.get 0) (local.get 1)) (i32.const 0))"
        " (func (export \"nothing\")))";

#define TOLD_MAX 16

typedef struct told {
    size_t count;
    gbx_trace_call calls[TOLD_MAX];
    gbx_frame frames[TOLD_MAX][4];
    uint64_t frame_totals[TOLD_MAX];
    gbx_store *cancel; /* at the first call */
} told;

static void
told_add(void *data, const gbx_trace_call *call)
{
    told *const t = data;
    assert_true(t->count < TOLD_MAX);
    t->calls[t->count] = *call;
    t->frame_totals[t->count] = gbx_trace_frames(call, t->frames[t->count], 4);
    assert_int_equal(gbx_trace_frames(call, NULL, 0), t->frame_totals[t->count]);
    t->count++;
    if (t->cancel) gbx_store_cancel(t->cancel);
}

typedef struct sunk {
    char text[64];
    size_t len;
} sunk;

static void
sunk_add(void *data, const uint8_t *bytes, size_t len)
{
    sunk *const s = data;
    assert_true(len && s->len + len < sizeof s->text);
    memcpy(s->text + s->len, bytes, len);
    s->len += len;
}

static bool
fill_seven(void *data, uint8_t *buf, size_t len)
{
    (void)data;
    memset(buf, 7, len);
    return true;
}

typedef struct rig {
    guest_world w;
    gbx_module *module;
    gbx_wasi *wasi;
    gbx_instance *instance;
    told told;
    sunk sunk;
} rig;

static void
rig_open_tier(rig *r, gbx_tier_mode tier, bool is_early)
{
    guest_world *const w = &r->w;
    memset(r, 0, sizeof *r);
    gbx_engine_opts opts = GBX_ENGINE_OPTS_INIT;
    opts.tier = tier;
    opts.keep_ms = GBX_KEEP_OFF;
    GUEST_OK(gbx_engine_new(&opts, &w->engine, &w->err));
    if (is_early) GUEST_OK(gbx_engine_set_warm_factor(w->engine, 0, &w->err));
    GUEST_OK(gbx_store_new(w->engine, NULL, &w->store, &w->err));
    GUEST_OK(gbx_linker_new(w->store, &w->linker, &w->err));
    GUEST_OK(gbx_wasi_new(&r->wasi, &w->err));
    gbx_wasi_random(r->wasi, fill_seven, NULL);
    r->module = guest_compile(w, guest_text);
}

static void
rig_start(rig *r)
{
    guest_world *const w = &r->w;
    GUEST_OK(gbx_wasi_link(r->wasi, w->linker, &w->err));
    GUEST_OK(gbx_instance_new(w->store, r->module, w->linker, &r->instance, &w->trap, &w->err));
}

static void
rig_close(rig *r)
{
    gbx_wasi_release(r->wasi);
    gbx_module_release(r->module);
    guest_close(&r->w);
}

static gbx_trap_code
rig_main(rig *r, int32_t fd, int32_t at)
{
    int32_t const args[] = {fd, at};
    int32_t result;
    return guest_call(&r->w, r->instance, "main", args, 2, &result);
}

/* ---- Calls */

static void
check_calls(const rig *r)
{
    const told *const t = &r->told;
    assert_int_equal(t->count, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(t->calls[i].number, i + 1);
        assert_int_equal(t->frame_totals[i], 2);
        assert_string_equal(t->frames[i][0].name, "inner");
        assert_int_equal(t->frames[i][0].func_idx, 3);
        assert_int_equal(t->frames[i][1].func_idx, 4);
    }
    const gbx_trace_call *const write = &t->calls[0], *const random = &t->calls[1];
    const gbx_trace_call *const leave = &t->calls[2];
    assert_string_equal(write->name, "fd_write");
    assert_string_equal(write->params, "iiii");
    assert_int_equal(write->args[0], 1);
    assert_int_equal(write->args[3], 8);
    assert_int_equal(write->trap, GBX_TRAP_NONE);
    assert_int_equal(write->result, 0);
    assert_string_equal(write->result_name, "OK");
    assert_int_equal(write->bytes, 8 + 5 + 4); /* a buffer's place, the buffer, how much was written */
    assert_string_equal(random->name, "random_get");
    assert_int_equal(random->bytes, 4);
    assert_string_equal(leave->name, "proc_exit");
    assert_int_equal(leave->trap, GBX_TRAP_EXIT);
    assert_int_equal(leave->args[0], 9);
    assert_int_equal(leave->bytes, 0);
}

/* The tiers say the same, offsets of frames included. */
static void
test_calls(void **state)
{
    (void)state;
    static rig rigs[3];
    static const gbx_tier_mode modes[] = {GBX_TIER_INTERP, GBX_TIER_EAGER, GBX_TIER_AUTO};
    for (int i = 0; i < 3; i++) {
        rig *const r = &rigs[i];
        rig_open_tier(r, modes[i], modes[i] == GBX_TIER_AUTO);
        gbx_wasi_trace(r->wasi, told_add, &r->told);
        rig_start(r);
        assert_int_equal(rig_main(r, 1, 100), GBX_TRAP_EXIT);
        assert_int_equal(r->w.trap.exit_status, 9);
        check_calls(r);
        for (int k = 0; k < 3; k++) {
            assert_int_equal(r->told.calls[k].hash, rigs[0].told.calls[k].hash);
            assert_int_equal(r->told.frames[k][0].offset, rigs[0].told.frames[k][0].offset);
            assert_int_equal(r->told.frames[k][1].offset, rigs[0].told.frames[k][1].offset);
        }
    }
    for (int i = 0; i < 3; i++) rig_close(&rigs[i]);
}

/* The hash is of what the call leaves, and of where. */
static void
test_hash_of_calls(void **state)
{
    (void)state;
    rig r;
    rig_open_tier(&r, GBX_TIER_AUTO, false);
    gbx_wasi_trace(r.wasi, told_add, &r.told);
    rig_start(&r);
    (void)rig_main(&r, 1, 100);
    (void)rig_main(&r, 1, 200);
    assert_int_equal(r.told.calls[3].hash, r.told.calls[0].hash);
    assert_true(r.told.calls[4].hash != r.told.calls[1].hash); /* the same bytes elsewhere */
    uint8_t *data;
    size_t bytes;
    assert_true(gbx_instance_memory(r.instance, "memory", &data, &bytes));
    data[17] = 'u';
    (void)rig_main(&r, 1, 100);
    assert_true(r.told.calls[6].hash != r.told.calls[0].hash); /* other bytes are written */
    assert_int_equal(r.told.calls[7].hash, r.told.calls[1].hash);
    rig_close(&r);
}

/* A pointer that leads outside faults as it does without a trace, and is not looked at. */
static void
test_faults(void **state)
{
    (void)state;
    rig r;
    rig_open_tier(&r, GBX_TIER_AUTO, false);
    gbx_wasi_trace(r.wasi, told_add, &r.told);
    rig_start(&r);
    assert_int_equal(rig_main(&r, 77, 65533), GBX_TRAP_EXIT);
    assert_int_equal(r.told.calls[0].result, 8);
    assert_string_equal(r.told.calls[0].result_name, "BADF");
    assert_int_equal(r.told.calls[1].result, 21);
    assert_string_equal(r.told.calls[1].result_name, "FAULT");
    assert_int_equal(r.told.calls[1].bytes, 0);
    gbx_val v;
    assert_true(gbx_instance_global(r.instance, "g", &v));
    assert_int_equal(v.of.i32, 8);
    rig_close(&r);
}

/* Whoever is told may end the run; who is not asked is not told. */
static void
test_cancel(void **state)
{
    (void)state;
    rig r;
    rig_open_tier(&r, GBX_TIER_AUTO, false);
    gbx_wasi_trace(r.wasi, told_add, &r.told);
    r.told.cancel = r.w.store;
    rig_start(&r);
    assert_int_equal(rig_main(&r, 1, 100), GBX_TRAP_CANCELLED);
    assert_int_equal(r.told.count, 1);
    r.told.cancel = NULL;
    assert_int_equal(rig_main(&r, 1, 100), GBX_TRAP_EXIT);
    assert_int_equal(r.told.count, 4);
    rig_close(&r);

    rig_open_tier(&r, GBX_TIER_AUTO, false);
    gbx_wasi_trace(r.wasi, told_add, &r.told);
    gbx_wasi_trace(r.wasi, NULL, NULL);
    rig_start(&r);
    assert_int_equal(rig_main(&r, 1, 100), GBX_TRAP_EXIT);
    assert_int_equal(r.told.count, 0);
    gbx_wasi_trace(NULL, told_add, NULL);
    assert_int_equal(gbx_trace_frames(NULL, NULL, 0), 0);
    rig_close(&r);
}

/* ---- The world */

static void
test_sink(void **state)
{
    (void)state;
    rig r;
    rig_open_tier(&r, GBX_TIER_AUTO, false);
    guest_world *const w = &r.w;
    int const null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    assert_true(null >= 0);
    GUEST_OK(gbx_wasi_stdio(r.wasi, 1, null, &w->err)); /* the sink is asked first */
    close(null);
    GUEST_OK(gbx_wasi_sink(r.wasi, 1, sunk_add, &r.sunk, &w->err));
    rig_start(&r);
    (void)rig_main(&r, 1, 100);
    assert_string_equal(r.sunk.text, "hello");
    (void)rig_main(&r, 2, 100); /* nobody's */
    assert_string_equal(r.sunk.text, "hello");
    (void)rig_main(&r, 1, 100);
    assert_string_equal(r.sunk.text, "hellohello");

    for (int fd = -1; fd < 5; fd++) {
        if (fd == 1 || fd == 2) continue;
        assert_int_equal(gbx_wasi_sink(r.wasi, fd, sunk_add, &r.sunk, &w->err), GBX_ARGUMENT);
        assert_non_null(strstr(w->err.text, "standard stream"));
    }
    assert_int_equal(gbx_wasi_sink(NULL, 1, sunk_add, &r.sunk, NULL), GBX_ARGUMENT);
    rig_close(&r);

    rig_open_tier(&r, GBX_TIER_AUTO, false);
    GUEST_OK(gbx_wasi_sink(r.wasi, 1, sunk_add, &r.sunk, &w->err));
    GUEST_OK(gbx_wasi_sink(r.wasi, 1, NULL, NULL, &w->err));
    rig_start(&r);
    (void)rig_main(&r, 1, 100);
    assert_int_equal(r.sunk.len, 0);
    rig_close(&r);
}

static const char stat_text[] =
        "(module"
        " (import \"wasi_snapshot_preview1\" \"path_filestat_get\""
        "  (func $stat (param i32 i32 i32 i32 i32) (result i32)))"
        " (memory (export \"memory\") 1)"
        " (data (i32.const 0) \"file\")"
        " (func (export \"stat\") (result i32)"
        "  (call $stat (i32.const 3) (i32.const 0) (i32.const 0) (i32.const 4) (i32.const 64))))";

/* Nanoseconds since 1970 at which the guest takes the file to be read last. */
static uint64_t
stat_atim(const char *dir, bool is_still)
{
    guest_world world, *const w = &world;
    guest_open(w, NULL);
    gbx_wasi *wasi;
    int32_t result;
    uint8_t *data;
    size_t bytes;
    uint64_t atim;
    GUEST_OK(gbx_wasi_new(&wasi, &w->err));
    GUEST_OK(gbx_wasi_dir(wasi, dir, "/", GBX_READ_ONLY, &w->err));
    if (is_still) gbx_wasi_still(wasi);
    GUEST_OK(gbx_wasi_link(wasi, w->linker, &w->err));
    gbx_instance *const i = guest_instance(w, stat_text);
    assert_int_equal(guest_call(w, i, "stat", NULL, 0, &result), GBX_TRAP_NONE);
    assert_int_equal(result, 0);
    assert_true(gbx_instance_memory(i, "memory", &data, &bytes));
    memcpy(&atim, data + 64 + 40, sizeof atim);
    gbx_wasi_release(wasi);
    guest_close(w);
    return atim;
}

static void
test_still(void **state)
{
    (void)state;
    char dir[] = "/tmp/gbx-test-XXXXXX", path[64];
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/file", dir);
    int const fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    struct timespec const times[2] = {{.tv_sec = 1000}, {.tv_sec = 2000}};
    assert_true(fd >= 0);
    assert_int_equal(futimens(fd, times), 0);
    close(fd);
    assert_int_equal(stat_atim(dir, false), 1000000000000);
    assert_int_equal(stat_atim(dir, true), 2000000000000);
    unlink(path);
    rmdir(dir);
}

/* ---- State */

static void
test_state(void **state)
{
    (void)state;
    rig r;
    rig_open_tier(&r, GBX_TIER_EAGER, false);
    rig_start(&r);
    (void)rig_main(&r, 77, 65533);
    const uint8_t *data;
    size_t bytes;
    assert_int_equal(gbx_trace_memory_count(r.instance), 1);
    assert_true(gbx_trace_memory(r.instance, 0, &data, &bytes));
    assert_int_equal(bytes, 65536);
    assert_memory_equal(data + 16, "hello", 5);
    assert_false(gbx_trace_memory(r.instance, 1, &data, &bytes));
    assert_false(gbx_trace_memory(NULL, 0, &data, &bytes));

    gbx_val v;
    assert_int_equal(gbx_trace_global_count(r.instance), 5);
    assert_true(gbx_trace_global(r.instance, 0, &v));
    assert_true(v.type == GBX_I32 && v.of.i32 == 8);
    assert_true(gbx_trace_global(r.instance, 1, &v)); /* in a register of compiled code, not exported */
    assert_true(v.type == GBX_I64 && v.of.i64 == 21);
    assert_true(gbx_trace_global(r.instance, 2, &v));
    assert_true(v.type == GBX_FUNCREF && v.of.ref == 3 + 1);
    assert_true(gbx_trace_global(r.instance, 3, &v));
    assert_true(v.type == GBX_EXTERNREF && v.of.ref == 0);
    assert_true(gbx_trace_global(r.instance, 4, &v));
    assert_true(v.type == GBX_F64 && v.of.f64 == 1.5);
    assert_false(gbx_trace_global(r.instance, 5, &v));
    assert_false(gbx_trace_global(NULL, 0, &v));
    assert_int_equal(gbx_trace_hash(0, "abc", 3), 0x44bc2cf5ad770999);
    rig_close(&r);
}

/* ---- Tiers */

static void
test_tiers(void **state)
{
    (void)state;
    gbx_compiled count;
    gbx_compiled_get(NULL, &count);
    assert_int_equal(count.funcs, 0);
    assert_int_equal(gbx_engine_set_warm_factor(NULL, 1, NULL), GBX_ARGUMENT);
#ifdef __x86_64__
    uint32_t const all = 3, some = 1;
#else
    uint32_t const all = 0, some = 0;
#endif
    rig r;
    rig_open_tier(&r, GBX_TIER_EAGER, false);
    rig_start(&r);
    gbx_compiled_get(r.module, &count);
    assert_int_equal(count.funcs, 3);
    assert_int_equal(count.compiled, all);
    assert_int_equal(count.refused, 0);
    rig_close(&r);

    rig_open_tier(&r, GBX_TIER_AUTO, false); /* one call is nothing */
    rig_start(&r);
    assert_int_equal(guest_call(&r.w, r.instance, "nothing", NULL, 0, NULL), GBX_TRAP_NONE);
    gbx_compiled_get(r.module, &count);
    assert_int_equal(count.compiled, 0);
    rig_close(&r);

    rig_open_tier(&r, GBX_TIER_AUTO, true); /* but with factor 0 what is called from the guest is compiled */
    rig_start(&r);
    (void)rig_main(&r, 1, 100);
    gbx_compiled_get(r.module, &count);
    assert_int_equal(count.funcs, 3);
    assert_true(count.compiled >= some && count.compiled < 3 + !all);
    rig_close(&r);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_calls),  cmocka_unit_test(test_hash_of_calls),
            cmocka_unit_test(test_faults), cmocka_unit_test(test_cancel),
            cmocka_unit_test(test_sink),   cmocka_unit_test(test_still),
            cmocka_unit_test(test_state),  cmocka_unit_test(test_tiers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
