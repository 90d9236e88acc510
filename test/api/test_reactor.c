/* Libraries as an embedder has them: who initialises them, what crosses the border, calls in calls, and what
 * traps and exits leave. Go programs, and WebAssembly text where the order of things is what is tested. */
#include "api/guest.h"

#include <gbx/unstable/trace.h>

static bool is_stripped;

static gbx_bytes
library_bytes(void)
{
    static gbx_bytes wasm[2];
    static const char *const flags[2][3] = {{"-buildmode=c-shared", NULL},
                                            {"-buildmode=c-shared", "-ldflags=-s -w", NULL}};
    if (!wasm[is_stripped].data) wasm[is_stripped] = guest_go_with("go/library/library.go", flags[is_stripped]);
    return wasm[is_stripped];
}

typedef struct reactor {
    guest_world w;
    gbx_instance *inst, *other;
    char err[16384]; /* what the guest wrote to standard error */
    size_t err_len;
    int calls; /* that the host's functions got */
    gbx_trap_code nested;
} reactor;

static void
reactor_write(void *data, const uint8_t *bytes, size_t len)
{
    reactor *const r = data;
    if (len > sizeof r->err - 1 - r->err_len) len = sizeof r->err - 1 - r->err_len;
    memcpy(r->err + r->err_len, bytes, len);
    r->err[r->err_len += len] = 0;
}

static gbx_trap_code
host_again(gbx_caller *caller, void *data, const gbx_val *args, gbx_val *results)
{
    reactor *const r = data;
    r->calls++;
    gbx_trap trap;
    gbx_func *const nest = gbx_instance_func(gbx_caller_instance(caller), "nest");
    return gbx_func_call(nest, args, 1, results, 1, &trap);
}

/* Calls into the other instance, and takes its trap for an answer. */
static gbx_trap_code
host_other(gbx_caller *caller, void *data, const gbx_val *args, gbx_val *results)
{
    (void)caller, (void)args;
    reactor *const r = data;
    r->calls++;
    gbx_val const three = guest_i32(3);
    gbx_val out = guest_i32(0);
    r->nested = gbx_func_call(gbx_instance_func(r->other, "fail"), &three, 1, &out, 1, NULL);
    results[0].of.i32 = 100;
    return GBX_TRAP_NONE;
}

static void
reactor_link(reactor *r)
{
    static const gbx_valtype i32s[] = {GBX_I32};
    guest_world *const w = &r->w;
    gbx_wasi *wasi;
    GUEST_OK(gbx_wasi_new(&wasi, &w->err));
    GUEST_OK(gbx_wasi_sink(wasi, 2, reactor_write, r, &w->err));
    GUEST_OK(gbx_wasi_link(wasi, w->linker, &w->err));
    gbx_wasi_release(wasi);
    GUEST_OK(gbx_linker_define_func(w->linker, "env", "again", i32s, 1, i32s, 1, host_again, r, &w->err));
    GUEST_OK(gbx_linker_define_func(w->linker, "env", "other", NULL, 0, i32s, 1, host_other, r, &w->err));
}

static gbx_instance *
reactor_instance(reactor *r)
{
    guest_world *const w = &r->w;
    gbx_module *m;
    gbx_instance *i;
    GUEST_OK(gbx_module_compile(w->engine, library_bytes(), NULL, &m, &w->err));
    GUEST_OK(gbx_instance_new(w->store, m, w->linker, &i, &w->trap, &w->err));
    gbx_module_release(m);
    return i;
}

static reactor *
reactor_open(const gbx_store_opts *opts)
{
    reactor *const r = calloc(1, sizeof *r);
    assert_non_null(r);
    guest_open(&r->w, opts);
    reactor_link(r);
    r->inst = reactor_instance(r);
    return r;
}

static void
reactor_close(reactor *r)
{
    guest_close(&r->w);
    free(r);
}

static gbx_val
call_val(reactor *r, const char *name, const gbx_val *args, size_t count, gbx_valtype type)
{
    gbx_val out = {.type = type};
    gbx_trap_code const code =
            gbx_func_call(gbx_instance_func(r->inst, name), args, count, &out, 1, &r->w.trap);
    if (code) fail_msg("%s: %s: %s\n%s", name, gbx_trap_slug(code), r->w.trap.message, r->err);
    return out;
}

static gbx_trap_code
call_i32(reactor *r, const char *name, int32_t arg, int32_t *out)
{
    return guest_call(&r->w, r->inst, name, &arg, 1, out);
}

/* ---- Beginning */

static void
test_initialized_by_itself(void **state)
{
    (void)state;
    reactor *const r = reactor_open(NULL);
    for (int k = 0; k < 3; k++) assert_int_equal(call_val(r, "initialized", NULL, 0, GBX_I32).of.i32, 1);
    /* A host that does it as well, out of habit, does no harm. */
    gbx_func *const init = gbx_instance_func(r->inst, "_initialize");
    assert_ptr_equal(init, gbx_instance_func(r->inst, "_initialize"));
    assert_int_equal(gbx_func_call(init, NULL, 0, NULL, 0, &r->w.trap), GBX_TRAP_NONE);
    assert_int_equal(gbx_instance_initialize(r->inst, &r->w.trap), GBX_TRAP_NONE);
    assert_int_equal(call_val(r, "initialized", NULL, 0, GBX_I32).of.i32, 1);
    reactor_close(r);
}

static void
test_initialized_by_host(void **state)
{
    (void)state;
    for (int way = 0; way < 2; way++) {
        reactor *const r = reactor_open(
                &(gbx_store_opts){.size = sizeof(gbx_store_opts), .initialize = GBX_INITIALIZE_HOST});
        int32_t out;
        for (int k = 0; k < 2; k++)
            assert_int_equal(guest_call(&r->w, r->inst, "initialized", NULL, 0, &out), GBX_TRAP_UNINITIALIZED);
        assert_string_equal(gbx_trap_slug(r->w.trap.code), "not-initialized");
        assert_string_equal(r->err, ""); /* Go was not asked */
        gbx_trap_code const code =
                way ? gbx_instance_initialize(r->inst, &r->w.trap)
                    : gbx_func_call(gbx_instance_func(r->inst, "_initialize"), NULL, 0, NULL, 0, &r->w.trap);
        assert_int_equal(code, GBX_TRAP_NONE);
        assert_int_equal(call_val(r, "initialized", NULL, 0, GBX_I32).of.i32, 1);
        reactor_close(r);
    }
}

#define WAT_LIBRARY                                                                                       \
    "(module (import \"env\" \"f\" (func $f (param i32)))"                                                \
    " (global $n (mut i32) (i32.const 0))"                                                                \
    " (func (export \"_initialize\") (global.set $n (i32.add (global.get $n) (i32.const 1))) (call $f (global.get $n)))" \
    " (func $n (export \"n\") (result i32) (global.get $n))"                                              \
    " (func (export \"trap\") unreachable))"

typedef struct initializing {
    guest_world w;
    gbx_trap_code answer; /* of `f` */
    gbx_func *call;       /* that `f` calls; NULL: nothing */
    int calls;
} initializing;

static gbx_trap_code
host_f(gbx_caller *caller, void *data, const gbx_val *args, gbx_val *results)
{
    (void)caller, (void)args, (void)results;
    initializing *const s = data;
    s->calls++;
    gbx_val out = guest_i32(0);
    if (s->call && gbx_func_call(s->call, NULL, 0, &out, 1, NULL) != GBX_TRAP_NONE) s->calls += 100;
    return s->answer;
}

static gbx_instance *
initializing_open(initializing *s, gbx_trap_code answer, const gbx_store_opts *opts)
{
    static const gbx_valtype i32s[] = {GBX_I32};
    memset(s, 0, sizeof *s);
    guest_open(&s->w, opts);
    s->answer = answer;
    guest_world *const w = &s->w;
    GUEST_OK(gbx_linker_define_func(w->linker, "env", "f", i32s, 1, NULL, 0, host_f, s, &w->err));
    return guest_instance(w, WAT_LIBRARY);
}

/* What fails in `_initialize` is the trap of the call that needed it, and the instance is gone. */
static void
test_initialize_traps(void **state)
{
    (void)state;
    initializing s;
    gbx_instance *const i = initializing_open(&s, GBX_TRAP_HOST, NULL);
    int32_t out;
    assert_int_equal(guest_call(&s.w, i, "n", NULL, 0, &out), GBX_TRAP_HOST);
    assert_int_equal(s.w.trap.frame_count, 1);
    assert_int_equal(guest_call(&s.w, i, "n", NULL, 0, &out), GBX_TRAP_POISONED);
    assert_non_null(strstr(s.w.trap.message, "`_initialize` ended with: a host function failed"));
    assert_int_equal(s.calls, 1);
    guest_close(&s.w);

    /* Whose it was stands there once. */
    gbx_instance *const named = initializing_open(
            &s, GBX_TRAP_HOST, &(gbx_store_opts){.size = sizeof(gbx_store_opts), .name = "p", .tenant = "t"});
    assert_int_equal(guest_call(&s.w, named, "n", NULL, 0, &out), GBX_TRAP_HOST);
    assert_memory_equal(s.w.trap.message, "plugin p of tenant t: ", 22);
    assert_null(strstr(s.w.trap.message + 1, "plugin"));
    guest_close(&s.w);

    gbx_instance *const e = initializing_open(&s, GBX_TRAP_EXIT, NULL);
    assert_int_equal(guest_call(&s.w, e, "n", NULL, 0, &out), GBX_TRAP_EXIT);
    assert_int_equal(guest_call(&s.w, e, "n", NULL, 0, &out), GBX_TRAP_ENDED);
    guest_close(&s.w);
}

/* A call that did not begin has ended nothing. */
static void
test_initialize_cancelled(void **state)
{
    (void)state;
    initializing s;
    gbx_instance *const i = initializing_open(&s, GBX_TRAP_NONE, NULL);
    int32_t out = 0;
    gbx_store_cancel(s.w.store);
    assert_int_equal(guest_call(&s.w, i, "n", NULL, 0, &out), GBX_TRAP_CANCELLED);
    assert_int_equal(guest_call(&s.w, i, "n", NULL, 0, &out), GBX_TRAP_NONE);
    assert_int_equal(out, 1);
    guest_close(&s.w);
}

/* A host function that `_initialize` calls may call in; the library is being set up, not set up again. */
static void
test_initialize_reentered(void **state)
{
    (void)state;
    initializing s;
    gbx_instance *const i = initializing_open(&s, GBX_TRAP_NONE, NULL);
    s.call = gbx_instance_func(i, "n");
    int32_t out = 0;
    assert_int_equal(guest_call(&s.w, i, "n", NULL, 0, &out), GBX_TRAP_NONE);
    assert_int_equal(out, 1);
    assert_int_equal(s.calls, 1);
    guest_close(&s.w);
}

/* Other instances call without the host: a library is ready when they can find it. */
static void
test_initialize_for_importers(void **state)
{
    (void)state;
    initializing s;
    gbx_instance *const i = initializing_open(&s, GBX_TRAP_NONE, NULL);
    guest_world *const w = &s.w;
    GUEST_OK(gbx_linker_define_instance(w->linker, "lib", i, &w->err));
    gbx_instance *const user = guest_instance(
            w, "(module (import \"lib\" \"n\" (func $n (result i32))) (func (export \"g\") (result i32) (call $n)))");
    int32_t out = 0;
    assert_int_equal(guest_call(w, user, "g", NULL, 0, &out), GBX_TRAP_NONE);
    assert_int_equal(out, 1);
    guest_close(w);

    gbx_instance *const bad = initializing_open(&s, GBX_TRAP_HOST, NULL);
    assert_int_equal(gbx_linker_define_instance(w->linker, "lib", bad, &w->err), GBX_TRAPPED);
    guest_close(w);
}

/* ---- What crosses the border */

static void
test_types(void **state)
{
    (void)state;
    reactor *const r = reactor_open(NULL);
    gbx_val const ints[] = {guest_i32(-5), guest_i32(INT32_MAX)};
    assert_int_equal(call_val(r, "i32", ints, 2, GBX_I32).of.i32, INT32_MAX - 3);
    gbx_val const all = guest_i32(-1);
    assert_int_equal((uint32_t)call_val(r, "u32", &all, 1, GBX_I32).of.i32, UINT32_MAX / 2);
    gbx_val const longs[] = {{.type = GBX_I64, .of.i64 = -3000000000}, {.type = GBX_I64, .of.i64 = 3000000001}};
    assert_true(call_val(r, "i64", longs, 2, GBX_I64).of.i64 == -9000000003000000000);
    gbx_val const single = {.type = GBX_F32, .of.f32 = 3.0f}, twice = {.type = GBX_F64, .of.f64 = 0.8};
    assert_true(call_val(r, "f32", &single, 1, GBX_F32).of.f32 == 0.75f);
    assert_true(call_val(r, "f64", &twice, 1, GBX_F64).of.f64 == 0.1);
    for (int32_t k = 0; k < 2; k++) {
        gbx_val const b = guest_i32(k);
        assert_int_equal(call_val(r, "not", &b, 1, GBX_I32).of.i32, !k);
    }
    reactor_close(r);
}

/* Pointers: a buffer of the guest's that the host fills; a string. */
static void
test_pointers(void **state)
{
    (void)state;
    static const char text[] = "gr\303\274n \342\202\254";
    reactor *const r = reactor_open(NULL);
    gbx_val const size = guest_i32((int32_t)strlen(text));
    gbx_val const at = call_val(r, "take", &size, 1, GBX_I32);
    uint8_t *mem;
    size_t bytes;
    assert_true(gbx_instance_memory(r->inst, "memory", &mem, &bytes));
    assert_in_range((uint32_t)at.of.i32, 1, bytes - strlen(text));
    memcpy(mem + (uint32_t)at.of.i32, text, strlen(text));
    gbx_val const args[] = {at, size};
    assert_int_equal(call_val(r, "length", args, 2, GBX_I32).of.i32, 6);
    int64_t sum = 0;
    for (size_t k = 0; text[k]; k++) sum += (uint8_t)text[k];
    assert_true(call_val(r, "reverse", args, 2, GBX_I64).of.i64 == sum);
    assert_true(gbx_instance_memory(r->inst, "memory", &mem, &bytes));
    for (size_t k = 0; text[k]; k++)
        assert_int_equal(mem[(uint32_t)at.of.i32 + strlen(text) - 1 - k], (uint8_t)text[k]);
    assert_int_equal(gbx_func_call(gbx_instance_func(r->inst, "give"), &at, 1, NULL, 0, NULL), GBX_TRAP_NONE);
    reactor_close(r);
}

static void
test_reentry(void **state)
{
    (void)state;
    reactor *const r = reactor_open(NULL);
    for (int32_t depth = 0; depth < 20; depth++) {
        int32_t out = 0;
        r->calls = 0;
        assert_int_equal(call_i32(r, "nest", depth, &out), GBX_TRAP_NONE);
        assert_int_equal(out, depth + 1);
        assert_int_equal(r->calls, depth);
    }
    reactor_close(r);
}

/* Goroutines go on during calls, stand still between them, and are all there at the next. */
static void
test_goroutines(void **state)
{
    (void)state;
    reactor *const r = reactor_open(NULL);
    assert_int_equal(gbx_func_call(gbx_instance_func(r->inst, "tick"), NULL, 0, NULL, 0, NULL), GBX_TRAP_NONE);
    int64_t last = 0;
    for (int k = 0; k < 5; k++) {
        gbx_val const more = {.type = GBX_I64, .of.i64 = 3};
        int64_t const now = call_val(r, "ticks", &more, 1, GBX_I64).of.i64;
        assert_true(now >= last + 3);
        last = now;
    }
    reactor_close(r);
}

/* ---- Endings */

static const gbx_frame *
frame_of(const gbx_trap *trap, const char *go_func)
{
    for (uint32_t k = 0; k < trap->frame_count; k++)
        if (!strcmp(trap->frames[k].go_func, go_func)) return &trap->frames[k];
    fail_msg("no frame of %s", go_func);
    return NULL;
}

/* The line of library.go with that mark. */
static uint32_t
marked_line(const char *mark)
{
    char path[256], line[256];
    const char *const root = getenv("GBX_ROOT");
    snprintf(path, sizeof path, "%s/test/api/go/library/library.go", root ? root : ".");
    FILE *const f = fopen(path, "r");
    assert_non_null(f);
    uint32_t n = 0, found = 0;
    while (fgets(line, sizeof line, f)) {
        const char *const at = strstr(line, "// HERE: ");
        n++;
        if (at && !strncmp(at + 9, mark, strlen(mark)) && at[9 + strlen(mark)] == '\n') found = n;
    }
    fclose(f);
    assert_true(found);
    return found;
}

static void
test_panic(void **state)
{
    (void)state;
    reactor *const r = reactor_open(NULL);
    int32_t out = 0;
    assert_int_equal(call_i32(r, "recovered", 3, &out), GBX_TRAP_NONE);
    assert_int_equal(out, -1);
    assert_int_equal(call_i32(r, "fail", 3, &out), GBX_TRAP_UNREACHABLE);
    assert_non_null(strstr(r->err, "panic: runtime error: index out of range [3] with length 0"));
    const gbx_frame *const f = frame_of(&r->w.trap, "main.fail");
    assert_int_equal(f->line_kind, GBX_LINE_CALL);
    assert_int_equal(f->line, marked_line("fail"));
    assert_non_null(strstr(f->file, "test/api/go/library/library.go"));
    assert_int_equal(frame_of(&r->w.trap, "main.index")->line, marked_line("index"));
    for (int k = 0; k < 2; k++) {
        assert_int_equal(call_i32(r, "nest", 0, &out), GBX_TRAP_POISONED);
        assert_string_equal(r->w.trap.message, "an earlier call of `fail` ended with: unreachable");
        assert_int_equal(r->w.trap.frame_count, 0);
    }
    assert_int_equal(gbx_instance_initialize(r->inst, NULL), GBX_TRAP_POISONED);
    r->inst = reactor_instance(r); /* the store is none the worse */
    assert_int_equal(call_i32(r, "nest", 4, &out), GBX_TRAP_NONE);
    reactor_close(r);
}

/* Without a name section there are still the names, files and lines that Go keeps for itself. */
static void
test_stripped(void **state)
{
    (void)state;
    is_stripped = true;
    reactor *const r = reactor_open(NULL);
    is_stripped = false;
    int32_t out = 0;
    assert_int_equal(call_i32(r, "fail", 3, &out), GBX_TRAP_UNREACHABLE);
    const gbx_frame *const f = frame_of(&r->w.trap, "main.fail");
    assert_string_equal(f->name, "");
    assert_int_equal(f->line, marked_line("fail"));
    for (uint32_t k = 0; k < r->w.trap.frame_count; k++) {
        assert_string_not_equal(r->w.trap.frames[k].go_func, "");
        assert_string_not_equal(r->w.trap.frames[k].file, "");
    }
    reactor_close(r);
}

static void
test_panic_in_goroutine(void **state)
{
    (void)state;
    reactor *const r = reactor_open(NULL);
    int32_t out;
    assert_int_equal(gbx_func_call(gbx_instance_func(r->inst, "failLater"), NULL, 0, NULL, 0, &r->w.trap),
                     GBX_TRAP_UNREACHABLE);
    assert_non_null(strstr(r->err, "in a goroutine"));
    assert_int_equal(call_i32(r, "nest", 0, &out), GBX_TRAP_POISONED);
    assert_non_null(strstr(r->w.trap.message, "`failLater`"));
    reactor_close(r);
}

static void
test_exit(void **state)
{
    (void)state;
    reactor *const r = reactor_open(NULL);
    int32_t out;
    assert_int_equal(call_i32(r, "leave", 7, NULL), GBX_TRAP_EXIT);
    assert_int_equal(r->w.trap.exit_status, 7);
    assert_int_equal(call_i32(r, "nest", 0, &out), GBX_TRAP_ENDED);
    assert_string_equal(gbx_trap_slug(r->w.trap.code), "ended");
    assert_non_null(strstr(r->w.trap.message, "status 7"));
    reactor_close(r);
}

static void
test_deadline(void **state)
{
    (void)state;
    reactor *const r = reactor_open(
            &(gbx_store_opts){.size = sizeof(gbx_store_opts), .timeout_ns = 200000000});
    assert_int_equal(gbx_instance_initialize(r->inst, NULL), GBX_TRAP_NONE);
    int32_t out;
    assert_int_equal(gbx_func_call(gbx_instance_func(r->inst, "spin"), NULL, 0, NULL, 0, &r->w.trap),
                     GBX_TRAP_DEADLINE);
    assert_int_equal(r->w.trap.limit, 200000000);
    assert_true(r->w.trap.used >= r->w.trap.limit);
    const gbx_frame *const f = frame_of(&r->w.trap, "main.spin");
    assert_int_equal(f->line_kind, GBX_LINE_NEAR);
    assert_in_range(f->line, marked_line("spin") - 1, marked_line("spin"));
    assert_int_equal(call_i32(r, "nest", 0, &out), GBX_TRAP_POISONED);
    assert_string_equal(r->w.trap.message, "an earlier call of `spin` ended with: the deadline has passed");
    assert_int_equal(r->w.trap.limit, 0);
    reactor_close(r);
}

/* A goroutine that has waited is called by its innermost function: the others are on Go's stack alone. */
static void
test_frames_that_waited(void **state)
{
    (void)state;
    reactor *const r = reactor_open(
            &(gbx_store_opts){.size = sizeof(gbx_store_opts), .timeout_ns = 300000000});
    assert_int_equal(gbx_instance_initialize(r->inst, NULL), GBX_TRAP_NONE);
    assert_int_equal(gbx_func_call(gbx_instance_func(r->inst, "spinAfterWait"), NULL, 0, NULL, 0, &r->w.trap),
                     GBX_TRAP_DEADLINE);
    const char *const names[] = {"main.waits", "main.around", "main.spinAfterWait"};
    for (uint32_t k = 0; k < 3; k++) assert_string_equal(r->w.trap.frames[k].go_func, names[k]);
    for (uint32_t k = 1; k < 3; k++) {
        assert_int_equal(r->w.trap.frames[k].line_kind, GBX_LINE_CALL);
        assert_int_equal(r->w.trap.frames[k].line, marked_line(names[k] + 5));
        assert_int_equal(r->w.trap.frames[k].offset, 0);
    }
    assert_string_equal(r->w.trap.frames[r->w.trap.frame_count - 1].go_func, "spinAfterWait");
    reactor_close(r);
}

/* A trap that a host function takes for an answer ends the instance that trapped, not the one that asked. */
static void
test_nested_trap(void **state)
{
    (void)state;
    reactor *const r = reactor_open(NULL);
    r->other = reactor_instance(r);
    for (int k = 0; k < 2; k++) {
        assert_int_equal(call_val(r, "callOther", NULL, 0, GBX_I32).of.i32, 101);
        assert_int_equal(r->nested, k ? GBX_TRAP_POISONED : GBX_TRAP_UNREACHABLE);
    }
    assert_int_equal(call_val(r, "initialized", NULL, 0, GBX_I32).of.i32, 1);
    reactor_close(r);
}

static void
test_after_trap(void **state)
{
    (void)state;
    static const char plain[] = "(module (func (export \"n\") (result i32) (i32.const 1)) (func (export \"trap\") unreachable))";
    static const char *const texts[] = {plain, WAT_LIBRARY};
    static const gbx_trap_code then[3][2] = {
            [GBX_AFTER_TRAP_AUTO] = {GBX_TRAP_NONE, GBX_TRAP_POISONED},
            [GBX_AFTER_TRAP_ENDS] = {GBX_TRAP_POISONED, GBX_TRAP_POISONED},
            [GBX_AFTER_TRAP_GOES_ON] = {GBX_TRAP_NONE, GBX_TRAP_NONE},
    };
    for (int rule = 0; rule < 3; rule++) {
        for (int text = 0; text < 2; text++) {
            initializing s;
            gbx_store_opts const opts = {.size = sizeof opts, .after_trap = (gbx_after_trap)rule};
            (void)initializing_open(&s, GBX_TRAP_NONE, &opts);
            gbx_instance *const i = guest_instance(&s.w, texts[text]);
            int32_t out;
            assert_int_equal(guest_call(&s.w, i, "trap", NULL, 0, NULL), GBX_TRAP_UNREACHABLE);
            assert_int_equal(guest_call(&s.w, i, "n", NULL, 0, &out), then[rule][text]);
            guest_close(&s.w);
        }
    }
}

/* An instance that a call went through on its way to the trap is no better than the one that trapped. */
static void
test_trap_through_others(void **state)
{
    (void)state;
    initializing s;
    gbx_store_opts const opts = {.size = sizeof opts, .after_trap = GBX_AFTER_TRAP_ENDS};
    gbx_instance *const lib = initializing_open(&s, GBX_TRAP_NONE, &opts);
    guest_world *const w = &s.w;
    GUEST_OK(gbx_linker_define_instance(w->linker, "lib", lib, &w->err));
    gbx_instance *const user = guest_instance(
            w, "(module (import \"lib\" \"trap\" (func $t)) (func (export \"g\") (call $t)) (func (export \"h\")))");
    gbx_instance *const bystander = guest_instance(w, "(module (func (export \"h\")))");
    assert_int_equal(guest_call(w, user, "g", NULL, 0, NULL), GBX_TRAP_UNREACHABLE);
    int32_t out;
    assert_int_equal(guest_call(w, lib, "n", NULL, 0, &out), GBX_TRAP_POISONED);
    assert_int_equal(guest_call(w, user, "h", NULL, 0, NULL), GBX_TRAP_POISONED);
    assert_int_equal(guest_call(w, bystander, "h", NULL, 0, NULL), GBX_TRAP_NONE);
    guest_close(w);
}

static void
test_options(void **state)
{
    (void)state;
    guest_world w;
    guest_open(&w, NULL);
    gbx_store *s;
    gbx_store_opts const bad[] = {{.size = sizeof bad[0], .initialize = (gbx_initialize)2},
                                  {.size = sizeof bad[0], .after_trap = (gbx_after_trap)3}};
    for (size_t k = 0; k < 2; k++)
        assert_int_equal(gbx_store_new(w.engine, &bad[k], &s, &w.err), GBX_ARGUMENT);
    assert_int_equal(gbx_instance_initialize(NULL, &w.trap), GBX_TRAP_HOST);
    guest_close(&w);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_initialized_by_itself),
            cmocka_unit_test(test_initialized_by_host),
            cmocka_unit_test(test_initialize_traps),
            cmocka_unit_test(test_initialize_cancelled),
            cmocka_unit_test(test_initialize_reentered),
            cmocka_unit_test(test_initialize_for_importers),
            cmocka_unit_test(test_types),
            cmocka_unit_test(test_pointers),
            cmocka_unit_test(test_reentry),
            cmocka_unit_test(test_goroutines),
            cmocka_unit_test(test_panic),
            cmocka_unit_test(test_stripped),
            cmocka_unit_test(test_panic_in_goroutine),
            cmocka_unit_test(test_exit),
            cmocka_unit_test(test_deadline),
            cmocka_unit_test(test_frames_that_waited),
            cmocka_unit_test(test_nested_trap),
            cmocka_unit_test(test_after_trap),
            cmocka_unit_test(test_trap_through_others),
            cmocka_unit_test(test_options),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
